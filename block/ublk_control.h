/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The life of a ublk device as the kernel's control device knows it: add, start, recover after a
 * crash, resize, stop, delete. Every call may block and belongs on a thread that serves no I/O;
 * most of them need a worker that serves the device meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

struct ublk_control;
struct ublk_control_command;
struct ublk_device_info;
struct ublk_parameters;

/* What a command may wait for. */
struct ublk_patience {
	unsigned limit_ms; /* 0: none */
	/** is there no use in waiting any more? Asked every now and then; NULL: there is */
	bool (*hopeless)(void *userdata);
	void *userdata;
};

/* The way to the driver; unit tests have their own. */
struct ublk_control_ops {
	/**
	 * @operation: UBLK_…
	 * Return: >= 0 or -errno as the driver says; -ETIME when patience ended
	 */
	int (*execute)(struct ublk_control *control, uint32_t operation,
		       const struct ublk_control_command *command,
		       const struct ublk_patience *patience);
	void (*pause)(struct ublk_control *control, unsigned ms);
};

struct ublk_control {
	const struct ublk_control_ops *ops;
	int fd;
	uint64_t features;
};

/**
 * ublk_control_open() - @step is set to what was tried last, in words
 * @dev_dir: "/dev"
 *
 * Loads the driver where it is a module and may be loaded.
 * Return: 0; -errno; -EOPNOTSUPP for a driver that cannot keep devices alive without their server
 * (before Linux 6.5), or one that is known to bring the machine down.
 */
int ublk_control_open(struct ublk_control *control, const char *dev_dir, const char **step);
/** ublk_control_close() - twice is fine */
void ublk_control_close(struct ublk_control *control);

/** ublk_control_check() - what ublk_control_open() asks of the driver itself; sets features */
int ublk_control_check(struct ublk_control *control, const char **step);

/** ublk_release_is_bad() - a kernel (uname -r) that is known to crash when a device is added */
bool ublk_release_is_bad(const char *release);

/**
 * ublk_add() - a device with one queue that survives its server
 * @depth: 1 … 4096
 * @cookie: kept by the driver for us
 *
 * Return: its number; -errno; -EOPNOTSUPP when the driver silently leaves out what we need.
 */
int ublk_add(struct ublk_control *control, unsigned depth, uint32_t request_max_bytes,
	     uint64_t cookie, uint32_t *device_id);

int ublk_set_parameters(struct ublk_control *control, uint32_t device_id,
			const struct ublk_parameters *parameters);

/**
 * ublk_start() - the block device appears
 *
 * Waits until every tag was fetched; the kernel then reads the partition table, so that it waits
 * for the unit, too.
 */
int ublk_start(struct ublk_control *control, uint32_t device_id,
	       const struct ublk_patience *patience);

int ublk_get_info(struct ublk_control *control, uint32_t device_id, struct ublk_device_info *info);

/**
 * ublk_find() - the device of that number, if it is the one with @cookie
 * Return: 0; -ENODEV; -errno
 */
int ublk_find(struct ublk_control *control, uint32_t device_id, uint64_t cookie,
	      struct ublk_device_info *info);

/**
 * ublk_await_recovery() - wait until the driver has noticed that a device's server died
 *
 * The requests that were taken are given back then, to be issued again.
 * Return: 0; -ENODEV as ublk_find(), or the device was stopped; -ETIME when the old server does not
 * go; -errno.
 */
int ublk_await_recovery(struct ublk_control *control, uint32_t device_id, uint64_t cookie);

/**
 * ublk_begin_recovery() - be the next server of such a device
 *
 * /dev/ublkcN is to be mapped and tags fetched at once: a server that dies in between leaves a
 * device that the driver gives to nobody else. Waits for the last descriptor of the old one to be
 * closed, a second at most.
 * Return: 0; -ETIME; -errno.
 */
int ublk_begin_recovery(struct ublk_control *control, uint32_t device_id);

/** ublk_end_recovery() - requests come; waits until every tag was fetched */
int ublk_end_recovery(struct ublk_control *control, uint32_t device_id,
		      const struct ublk_patience *patience);

/** ublk_resize() - @sectors of 512 bytes. Return: 0; -EOPNOTSUPP before Linux 6.16; -errno */
int ublk_resize(struct ublk_control *control, uint32_t device_id, uint64_t sectors);

/**
 * ublk_stop() - the block device goes, and every tag with it
 *
 * What is under way has to be answered for it to end; also for a device without a server, whose
 * requests fail. Return: 0; -ETIME when it did not end within 30 s; -errno.
 */
int ublk_stop(struct ublk_control *control, uint32_t device_id);

/**
 * ublk_delete() - give the number back, after ublk_stop() and with /dev/ublkcN closed
 * Return: 0; 1 when it goes with the last who has the block device open; -errno
 */
int ublk_delete(struct ublk_control *control, uint32_t device_id);
