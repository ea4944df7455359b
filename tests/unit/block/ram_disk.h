/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A real block device over a disk in memory: a worker with its ring, a map with one path, and
 * block/disk on top. Needs root, /dev/fuse and loop devices.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "scsi/nexus.h"
#include "scsi/unit.h"
#include "tests/fakes/fake_unit.h"
#include "util/list.h"
#include "util/mailbox.h"
#include "util/ring.h"

struct disk_node;

struct ram_disk {
	struct fake_unit *fake_unit;
	struct unit unit;
	struct ring *ring;
	struct map *map;
	struct path *path;
	struct disk *disk;
	pthread_t thread;

	struct nexus nexus; /* answers at once, at the end of a turn */
	struct list queue;
	struct deferred run;
	bool frozen; /* it keeps what it gets; only before the start or by ram_disk_freeze() */

	struct mail mail;
	void (*on_worker)(struct ram_disk *ram_disk);
	sem_t answered;
};

/** ram_disk_init() - all but the kernel's side; change unit and fake_unit before the start */
void ram_disk_init(struct ram_disk *ram_disk, uint64_t blocks, uint32_t block_size);
/** ram_disk_start() - until the block device is there. Return: 0, or -errno of the disk */
int ram_disk_start(struct ram_disk *ram_disk, const char *name);
/** ram_disk_adopt() - in place of the start: see disk_adopt() */
int ram_disk_adopt(struct ram_disk *ram_disk, const struct disk_node *node, const int *fds,
		   unsigned fd_count);
/** ram_disk_freeze() - from now on no command is answered, or all are again */
void ram_disk_freeze(struct ram_disk *ram_disk, bool frozen);
/** ram_disk_deinit() - stop serving, after disk_remove() */
void ram_disk_deinit(struct ram_disk *ram_disk);
