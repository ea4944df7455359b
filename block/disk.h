/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A map as a Linux block device. The exporter (how the kernel gets it: FUSE file under a loop
 * device today, ublk and NBD later) is a row of a table. A disk has two sides: disk_*() calls that
 * set up, resize and remove may block and must come from a thread that serves no I/O; the queue
 * side runs on the worker that owns the map.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/unit.h"

struct disk;
struct map;
struct ring;

struct disk_settings {
	char exporter[16];	  /* "auto" or a name: "fuse" */
	char name[UNIT_WWID_MAX]; /* shown by losetup and lsblk: the alias or WWID */
	char dev_dir[256];	  /* where device nodes are: "/dev" */
	uint16_t queue_depth;	  /* requests taken from the kernel at once; 0 = 128 */
};

/** exporter_probe() - is @name usable on this kernel? Return: 0, or -errno that says why not */
int exporter_probe(const char *name);

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

/** disk_serve() - start answering requests; on the worker's thread */
int disk_serve(struct disk *disk, struct ring *ring);

/** disk_go_live() - make the block device appear; may block, and the worker must be serving */
int disk_go_live(struct disk *disk);

/** disk_device() - "/dev/loop3" once live; valid as long as the disk */
const char *disk_device(const struct disk *disk);
/** disk_device_number() - major and minor; 0, 0 before it is live */
void disk_device_number(const struct disk *disk, uint32_t *major, uint32_t *minor);

/**
 * disk_holders() - who has the device in use, in words ("mounted on /srv", "used by dm-0",
 *                  "open by fio (pid 312)"), comma separated; empty string when nobody has
 * @text: at least 256 bytes
 */
void disk_holders(const struct disk *disk, char *text, size_t size_bytes);

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
 * disk_backing() - with the device number it tells this disk from a later one, also after this
 *                  process: see disk_reap()
 */
uint64_t disk_backing(const struct disk *disk);

/**
 * disk_reap() - take away the device of a process that died without disk_remove()
 *
 * Nobody answers its requests any more, so that they fail.
 * Return: 0; 1 when it stays until its last user is gone; -ENODEV when there is no such device, or
 * it is another's by now; -errno.
 */
int disk_reap(uint32_t major, uint32_t minor, uint64_t backing);

/** disk_free() - after it stopped; NULL is fine */
void disk_free(struct disk *disk);

/** disk_last_step() - which step of set-up failed, for the log: "open /dev/fuse" */
const char *disk_last_step(void);
