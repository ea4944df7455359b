/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A map as a Linux block device. The exporter (how the kernel gets it: ublk, NBD, or a FUSE file
 * under a loop device) is a row of a table. A disk has two sides: disk_*() calls that
 * set up, resize and remove may block and must come from a thread that serves no I/O; the queue
 * side runs on the worker that owns the map.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/disk_node.h"
#include "scsi/unit.h"

struct disk;
struct map;
struct ring;

struct disk_settings {
	char exporter[16];	  /* "auto" or a name: "ublk", "nbd", "fuse" */
	char name[UNIT_WWID_MAX]; /* shown by losetup and lsblk: the alias or WWID */
	char dev_dir[256];	  /* where device nodes are: "/dev" */
	uint16_t queue_depth;	  /* requests taken from the kernel at once; 0 = 128 */
	uint16_t owner; /* the same for all processes that go on with each other's devices */
};

/** exporter_probe() - is @name usable on this kernel? Return: 0, or -errno that says why not */
int exporter_probe(const char *name);

/**
 * exporter_needs_files() - do the devices of exporter @name outlive their process only where
 *                          somebody else holds the files of disk_keep()? Else the kernel keeps them
 */
bool exporter_needs_files(const char *name);

/**
 * disk_prepare() - everything up to the point where requests may come; may block
 * @map: its commands' destination
 * @unit: copied
 *
 * Return: 0; -ENOMEM, -ENODEV (no exporter works here), or -errno of the step that failed, which
 * disk_last_step() names.
 */
int disk_prepare(const struct disk_settings *settings, struct map *map, const struct unit *unit,
		 struct disk **ret);

/**
 * disk_adopt() - go on with the device of a process that is no more, in place of disk_prepare()
 * @settings: the same exporter and queue depth
 * @node: disk_node() of then
 * @fds: of disk_keep(); taken, also after an error
 *
 * disk_serve() then carries out again what was under way, and disk_go_live() finds the device as it
 * is. The unit must be the same one, and what the dead process had sent to it must be dead too
 * before the map gets a path.
 * Return: as disk_prepare(); -EINVAL for descriptors that do not fit.
 */
int disk_adopt(const struct disk_settings *settings, struct map *map, const struct unit *unit,
	       const struct disk_node *node, const int *fds, unsigned fd_count, struct disk **ret);

/**
 * disk_keep() - descriptors that, kept open by somebody else, keep the device alive without us
 * @fds: stay the disk's
 *
 * Any thread, once it is live. Return: how many.
 */
unsigned disk_keep(const struct disk *disk, int fds[DISK_KEPT_MAX]);

/** disk_resumed() - requests that were under way when it was adopted; after disk_serve() */
unsigned disk_resumed(const struct disk *disk);

/** disk_serve() - start answering requests; on the worker's thread */
int disk_serve(struct disk *disk, struct ring *ring);

/**
 * disk_go_live() - make the block device appear; may block, and the worker must be serving
 *
 * Asks nothing of the unit, so that it ends whether there is a path or not.
 */
int disk_go_live(struct disk *disk);

/**
 * disk_scan_partitions() - have the kernel read the partition table; after disk_go_live(), and
 *                          after disk_keep() where a later process shall be able to go on
 *
 * Waits for the unit, and not even SIGKILL ends a process that waits here. May block.
 * Return: 0; -errno.
 */
int disk_scan_partitions(struct disk *disk);

/** disk_node() - the device; empty before it is live. Valid as long as the disk */
const struct disk_node *disk_node(const struct disk *disk);
/** disk_exporter() - the name of the one that was chosen: "fuse" */
const char *disk_exporter(const struct disk *disk);

/**
 * disk_holders() - who has the device in use, in words ("mounted on /srv", "used by dm-0",
 *                  "open by fio (pid 312)"), comma separated; empty string when nobody has
 * @text: at least 256 bytes
 */
void disk_holders(const struct disk *disk, char *text, size_t size_bytes);

/** disk_size() - what the kernel takes the device for. Return: 0; -ENODEV before it is live */
int disk_size(const struct disk *disk, uint64_t *bytes);

/** disk_resize() - the unit is now @blocks long; may block */
int disk_resize(struct disk *disk, uint64_t blocks);

/**
 * disk_remove() - take the block device away; may block while the last user leaves
 * @force: also while it is in use: what is outstanding and what comes fails with EIO
 *
 * Return: 0, and no request comes any more; -EBUSY while it is in use; -EIO when what was written
 * cannot be flushed (it is not removed then).
 */
int disk_remove(struct disk *disk, bool force);

/** disk_stop() - stop serving, on the worker's thread, after disk_remove(); then @stopped runs
 * there */
void disk_stop(struct disk *disk, void (*stopped)(struct disk *disk, void *userdata),
	       void *userdata);

/**
 * disk_reap() - take away the device of a process that died and left nothing to adopt
 * @backing: of its struct disk_node
 *
 * Nobody answers its requests any more, so that they fail.
 * Return: 0; 1 when it stays until its last user is gone; -ENODEV when there is no such device, or
 * it is another's by now; -errno.
 */
int disk_reap(uint32_t major, uint32_t minor, uint64_t backing);

/**
 * disk_reap_unknown() - take away what processes of @owner left in the kernel without a trace: they
 *                       died while they made it, or their files were lost
 * @known: not this one
 *
 * No process of @owner may live but this one, and it has made no device yet.
 * Return: how many devices.
 */
unsigned disk_reap_unknown(uint16_t owner,
			   bool (*known)(uint32_t major, uint32_t minor, uint64_t backing,
					 void *userdata),
			   void *userdata);

/** disk_free() - after it stopped; NULL is fine */
void disk_free(struct disk *disk);

/** disk_last_step() - which step of set-up failed, for the log: "open /dev/fuse" */
const char *disk_last_step(void);
