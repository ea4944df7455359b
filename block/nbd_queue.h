/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Serves an NBD device of the kernel (block/nbd_protocol.h) from a map: takes requests from our end
 * of a socket pair and answers them. Belongs to the map's worker, except where told.
 *
 * Nothing of a request outlives this process, and nothing has to: the kernel sends what it got no
 * answer for again, once it is given another socket.
 */

#include <stdint.h>

struct map;
struct nbd_queue;
struct ring;
struct unit_limits;

/* As many requests as the kernel has on one connection. */
#define NBD_QUEUE_DEPTH 128
/*
 * Of one ordinary request; the kernel is asked to keep to it (queue/max_sectors_kb). This times the
 * depth is what a busy device costs at most.
 */
#define NBD_QUEUE_TRANSFER_BYTES (256u << 10)
/* The largest that it may send before it was asked, one at a time. */
#define NBD_QUEUE_LARGEST_BYTES (32u << 20)

/**
 * nbd_queue_new() - any thread
 * @fd: a stream socket; stays the caller's, open until the queue stopped
 * @map: what requests go to
 * @limits: copied
 * @depth: requests taken from the kernel at once, 1 … NBD_QUEUE_DEPTH
 *
 * Return: 0; -ENOMEM; -errno of memfd_create(); -EINVAL as block_target_init().
 */
int nbd_queue_new(int fd, struct map *map, const struct unit_limits *limits, unsigned depth,
		  struct nbd_queue **ret);

/** nbd_queue_free() - before it started or after it stopped; NULL is fine */
void nbd_queue_free(struct nbd_queue *queue);

/** nbd_queue_flags() - what the device can: enum nbd_protocol_server; any thread, before the start
 */
uint64_t nbd_queue_flags(const struct nbd_queue *queue);

/** nbd_queue_start() - begin to answer */
void nbd_queue_start(struct nbd_queue *queue, struct ring *ring);

/**
 * nbd_queue_fail() - answer all I/O, what is under way and what comes, with @error (negative)
 *
 * The map still finishes what it has; nbd_queue_stop() waits for that.
 */
void nbd_queue_fail(struct nbd_queue *queue, int error);

/** nbd_queue_resize() - requests may reach up to @blocks from now on */
void nbd_queue_resize(struct nbd_queue *queue, uint64_t blocks);

/**
 * nbd_queue_stop() - take no more and answer no more; the kernel's end should be gone
 * @stopped: runs once, never inside this call, when the map has given everything back
 */
void nbd_queue_stop(struct nbd_queue *queue, void (*stopped)(void *userdata), void *userdata);
