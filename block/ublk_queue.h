/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The one queue of a ublk device: the driver hands each tag's request over as the completion of a
 * command, and the next command of that tag carries the answer. So an answer costs no system call
 * of its own: all of a turn leave in the ring's one. Belongs to the map's worker, except where
 * told; the driver takes commands of a tag from that thread only.
 *
 * Data are copied by the driver, out of and into a buffer per tag. Measured against the other way
 * (reading and writing /dev/ublkcN, which needs buffers only while they are used): a fifth quicker
 * with 4 KiB, the same with 128 KiB. A buffer's memory is taken at its first use, and given back
 * after a few idle seconds.
 *
 * Nothing here has to survive a crash: the driver keeps every request until its answer was
 * committed, and gives those without one to the next server.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;
struct op;
struct ring;
struct ublk_io_command;
struct ublk_io_descriptor;
struct ublk_queue;
struct unit_limits;

/* Of one request; this times the depth is what a busy device may cost. */
#define UBLK_QUEUE_REQUEST_MAX_BYTES (512u << 10)

/* The driver's side; unit tests have their own. */
struct ublk_queue_ops {
	/** @op: done() with the command's result; @operation: UBLK_IO_… */
	void (*submit)(void *driver, struct ring *ring, struct op *op, uint32_t operation,
		       const struct ublk_io_command *command);
};

/**
 * ublk_queue_new() - any thread
 * @limits: copied
 * @depth: how many tags the device has
 *
 * Return: 0; -ENOMEM; -EINVAL as block_target_init().
 */
int ublk_queue_new(struct map *map, const struct unit_limits *limits, unsigned depth,
		   struct ublk_queue **ret);

/** ublk_queue_free() - before it started or after it stopped; NULL is fine */
void ublk_queue_free(struct ublk_queue *queue);

/** ublk_queue_can_discard() - see block_target_can_discard() */
bool ublk_queue_can_discard(const struct ublk_queue *queue);

/**
 * ublk_queue_start() - fetch every tag
 * @descriptors: one per tag; valid until the queue stopped
 * @driver: given to @ops
 */
void ublk_queue_start(struct ublk_queue *queue, struct ring *ring,
		      const struct ublk_io_descriptor *descriptors,
		      const struct ublk_queue_ops *ops, void *driver);

/** ublk_queue_refused() - 0; or -errno with which the driver refused a tag. Any thread */
int ublk_queue_refused(const struct ublk_queue *queue);

/**
 * ublk_queue_fail() - answer all, what is under way and what comes, with @error (negative)
 *
 * The map still finishes what it has; ublk_queue_stop() waits for that.
 */
void ublk_queue_fail(struct ublk_queue *queue, int error);

/** ublk_queue_set_blocks() - the unit is now @blocks long */
void ublk_queue_set_blocks(struct ublk_queue *queue, uint64_t blocks);

/**
 * ublk_queue_stop() - wait for every tag to end, which ublk_stop() brings about
 * @stopped: runs once, never inside this call, when the map has given everything back, too
 */
void ublk_queue_stop(struct ublk_queue *queue, void (*stopped)(void *userdata), void *userdata);
