/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * How the kernel gets a block device: one row of the table in block/disk.c per way. Calls are those
 * of block/disk.h, each on the same side (worker or not) and under the same conditions; @step is
 * set to what was tried last, in words.
 */

#include <stdbool.h>
#include <stdint.h>

#include "block/disk_node.h"

struct disk_settings;
struct map;
struct ring;
struct unit;

struct exporter_ops {
	const char *name;
	bool needs_files; /* see exporter_needs_files() */
	int (*probe)(const char *dev_dir, const char **step);
	int (*prepare)(const struct disk_settings *settings, struct map *map,
		       const struct unit *unit, void **device, const char **step);
	/** see disk_adopt(); go_live() then finds the device live already */
	int (*adopt)(const struct disk_settings *settings, struct map *map, const struct unit *unit,
		     const struct disk_node *node, const int *fds, unsigned fd_count, void **device,
		     const char **step);
	int (*serve)(void *device, struct ring *ring);
	int (*go_live)(void *device, struct disk_node *node, const char **step);
	int (*scan_partitions)(void *device, const char **step);
	/** see disk_keep() */
	unsigned (*keep)(void *device, int fds[DISK_KEPT_MAX]);
	/** see disk_resumed() */
	unsigned (*resumed)(const void *device);
	int (*resize)(void *device, uint64_t blocks, const char **step);
	int (*remove)(void *device, bool force);
	/** @stopped: runs once on the worker, never inside the call */
	void (*stop)(void *device, void (*stopped)(void *userdata), void *userdata);
	void (*free)(void *device);
	/** see disk_reap(); -ENODEV: not one of ours */
	int (*reap)(uint32_t major, uint32_t minor, uint64_t backing);
	/** see disk_reap_unknown(); NULL where nothing stays without somebody who keeps it */
	unsigned (*reap_unknown)(uint16_t owner,
				 bool (*known)(uint32_t major, uint32_t minor, uint64_t backing,
					       void *userdata),
				 void *userdata);
};

extern const struct exporter_ops fuse_exporter; /* block/fuse_exporter.c */
extern const struct exporter_ops nbd_exporter;	/* block/nbd_exporter.c */
extern const struct exporter_ops ublk_exporter; /* block/ublk_exporter.c */
