/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A loop device (loop(4)) over an open file. Every call asks the file's file system, so that none
 * may come from the thread that serves it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "block/device_node.h"

struct loop_settings {
	const char *dev_dir; /* "/dev": loop-control and the device nodes */
	const char *name;    /* shown by losetup as the reference; cut to 63 characters */
	int file_fd;	     /* stays the caller's; may be closed once attached */
	uint32_t block_size; /* bytes, 512 … 4096 */
	bool read_only;
};

struct loop {
	struct device_node node; /* without a name when not attached */
	uint64_t backing; /* device number of the file's file system: tells ours from a later one */
};

/** loop_probe() - can loop devices be had? Return: 0; -errno */
int loop_probe(const char *dev_dir);

/**
 * loop_attach() - take a free device and attach the file, with direct I/O
 *
 * Others, and other daemons, may take devices at the same time.
 * Return: 0; -EBUSY when every free device was snatched away again and again; -errno.
 */
int loop_attach(struct loop *loop, const struct loop_settings *settings, const char **step);

/**
 * loop_tune() - set the queue up in sysfs, as far as it can be written
 * @write_cache: flushes have a meaning
 */
void loop_tune(const struct loop *loop, bool write_cache);

/**
 * loop_adopt() - a device that a process before this one attached
 * @name, @device, @major, @minor, @backing: as they were in struct loop
 *
 * Asks the file, which must be served meanwhile.
 * Return: 0; -ENODEV when it is detached, or another's by now.
 */
int loop_adopt(struct loop *loop, const char *name, const char *device, uint32_t major,
	       uint32_t minor, uint64_t backing);

/**
 * loop_reap() - detach one whose file nobody serves any more, found again after its owner died
 * @backing: as it was in struct loop
 * Return: 0; 1 when it stays until its last user is gone; -ENODEV when it is another's by now.
 */
int loop_reap(uint32_t major, uint32_t minor, uint64_t backing);

/**
 * loop_scan_partitions() - show what partitions there are, now and when they change
 *
 * Reads the device: whoever serves the file may have to wait for a path, and so does this.
 * Return: 0; -errno.
 */
int loop_scan_partitions(struct loop *loop);

/** loop_resize() - the file has a new size. Return: 0; -errno */
int loop_resize(const struct loop *loop);

/**
 * loop_detach() - give the device back and wait until it is free
 * @force: also while it is in use: it stays attached until its last user is gone, on its own
 * @grace_ms: how long short users (udev, blkid) are waited for
 *
 * One that somebody else has detached, and maybe another file has got since, is left alone.
 * Return: 0; -EBUSY while it is mounted, claimed, or open after @grace_ms.
 */
int loop_detach(struct loop *loop, bool force, unsigned grace_ms);
