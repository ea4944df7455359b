/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Serves the one file of a FUSE mount (block/fuse_mount.h) from a map: takes requests from the
 * /dev/fuse descriptor and answers them. Belongs to the map's worker, except where told.
 *
 * Only one descriptor is ever used, no clone and no io_uring transport: what is in flight on those
 * dies with the process, while the requests of the plain descriptor can be had again from whoever
 * kept it open.
 */

#include <stdbool.h>
#include <stdint.h>

struct fuse_queue;
struct map;
struct ring;
struct unit_limits;

/*
 * Of one request. The memory of a slot is taken as a whole, see fuse_arena_populate(), so that this
 * times the depth is what a busy device costs; larger requests come in several.
 */
#define FUSE_QUEUE_WRITE_MAX_BYTES (256u << 10)

/**
 * fuse_queue_new() - any thread
 * @fd: of /dev/fuse, nonblocking; stays the caller's, open until the queue stopped
 * @map: what requests go to
 * @limits: copied
 * @depth: requests taken from the kernel at once, 1 … 1024
 *
 * Return: 0; -ENOMEM; -EINVAL as block_target_init().
 */
int fuse_queue_new(int fd, struct map *map, const struct unit_limits *limits, unsigned depth,
		   struct fuse_queue **ret);

/**
 * fuse_queue_adopt() - go on with the queue of a process that is no more
 * @fd: the same open file of /dev/fuse; stays the caller's
 * @arena_fd: of fuse_queue_arena_fd(); taken, also after an error
 * @depth: the same number
 *
 * fuse_queue_start() then first carries out what was under way: see fuse_arena.h.
 * Return: as fuse_queue_new(); -EINVAL also when @depth does not fit.
 */
int fuse_queue_adopt(int fd, int arena_fd, struct map *map, const struct unit_limits *limits,
		     unsigned depth, struct fuse_queue **ret);

/** fuse_queue_arena_fd() - what a later process needs besides /dev/fuse; stays the queue's */
int fuse_queue_arena_fd(const struct fuse_queue *queue);

/** fuse_queue_resumed() - requests that were under way when it was adopted; after the start */
unsigned fuse_queue_resumed(const struct fuse_queue *queue);

/** fuse_queue_free() - before it started or after it stopped; NULL is fine */
void fuse_queue_free(struct fuse_queue *queue);

/** fuse_queue_start() - begin to answer */
void fuse_queue_start(struct fuse_queue *queue, struct ring *ring);

/**
 * fuse_queue_fail() - answer all I/O, what is under way and what comes, with @error (negative)
 *
 * The map still finishes what it has; fuse_queue_stop() waits for that.
 */
void fuse_queue_fail(struct fuse_queue *queue, int error);

/**
 * fuse_queue_stop() - fail what is under way with EIO and take no more
 * @stopped: runs once, never inside this call, when the map has given everything back
 */
void fuse_queue_stop(struct fuse_queue *queue, void (*stopped)(void *userdata), void *userdata);

/**
 * fuse_queue_allow_resize() - the next truncation to @size_bytes will be granted, any other refused
 *
 * Any thread, which then calls ftruncate() on the file.
 */
void fuse_queue_allow_resize(struct fuse_queue *queue, uint64_t size_bytes);
