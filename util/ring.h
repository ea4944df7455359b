/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A worker's loop over io_uring: operations, timers, and work put off to the end of a turn. One
 * thread owns a ring and everything on it; nothing here may be called from another thread, except
 * through the ring's mailbox.
 *
 * A turn: wait for completions or the next timer, run their callbacks, run deferred work, submit.
 * Every operation of a turn leaves in one io_uring_enter(). done() never runs inside the call that
 * submitted, and an operation is free again only after its done() has run (without
 * IORING_CQE_F_MORE in @flags), also when it was cancelled.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/list.h"

struct iovec;
struct msghdr;
struct mailbox;
struct ring;

/** struct op - one operation in flight; embed it in its owner, whose address it stands for */
struct op {
	/** @res: bytes or -errno as in the CQE; @flags: IORING_CQE_F_… */
	void (*done)(struct op *op, int res, unsigned flags);
};

/** struct ring_timer - one-shot; embed it, ring_timer_init() it once */
struct ring_timer {
	void (*expired)(struct ring_timer *timer);
	uint64_t at_ns;				     /* CLOCK_MONOTONIC; 0 = not armed */
	struct ring_timer *child, *sibling, *before; /* in the ring's heap */
};

/** struct deferred - work for the end of this turn, once however often it was asked for */
struct deferred {
	void (*run)(struct deferred *deferred);
	struct list link;
};

/**
 * ring_new() - a ring that the calling thread will own from its first ring_run()
 * @entries: submission queue entries; more operations in one turn only cost another submit
 *
 * Return: 0; -errno of io_uring_setup() (-ENOSYS, -EPERM where io_uring is off), -ENOMEM.
 */
int ring_new(unsigned entries, struct ring **ret);

/** ring_free() - NULL is fine; no operation may be in flight and no timer armed */
void ring_free(struct ring *ring);

/** ring_mailbox() - the mailbox that this ring's thread delivers; stays the ring's */
struct mailbox *ring_mailbox(struct ring *ring);

/** ring_run() - turn until ring_stop(). Return: 0, or the -errno that makes going on impossible */
int ring_run(struct ring *ring);

/** ring_stop() - ring_run() returns at the end of this turn */
void ring_stop(struct ring *ring);

/** ring_now_ns() - CLOCK_MONOTONIC as of this turn's start, nanoseconds; costs nothing */
uint64_t ring_now_ns(const struct ring *ring);

/**
 * ring_defers_work() - does the kernel do what completes operations (copying, above all) only while
 *                      this thread waits for completions? Since Linux 6.1
 */
bool ring_defers_work(const struct ring *ring);

void ring_recvmsg(struct ring *ring, struct op *op, int fd, struct msghdr *message, int flags);
void ring_sendmsg(struct ring *ring, struct op *op, int fd, const struct msghdr *message,
		  int flags);
/** ring_read() - read at the current position (pipes, eventfds); @buffer alive until done() */
void ring_read(struct ring *ring, struct op *op, int fd, void *buffer, size_t length_bytes);
/**
 * ring_writev() - write at the current position; parts and what they point to alive until done()
 *
 * Writes that never block (to /dev/fuse) run inside the turn's one io_uring_enter().
 */
void ring_writev(struct ring *ring, struct op *op, int fd, const struct iovec *parts,
		 unsigned count);
/**
 * ring_driver_command() - IORING_OP_URING_CMD: a command to the driver behind @fd
 * @command: 16 bytes, copied
 */
void ring_driver_command(struct ring *ring, struct op *op, int fd, uint32_t operation,
			 const void *command);
/**
 * ring_madvise() - madvise(2) on a thread of the kernel's, so that this one does not wait for
 * memory
 * @advice: MADV_POPULATE_WRITE, above all
 */
void ring_madvise(struct ring *ring, struct op *op, void *memory, size_t length_bytes, int advice);
/** ring_poll() - one-shot: done() with the ready events (POLLIN …) in @res */
void ring_poll(struct ring *ring, struct op *op, int fd, unsigned events);
/** ring_poll_multishot() - done() at each wake-up while IORING_CQE_F_MORE is set */
void ring_poll_multishot(struct ring *ring, struct op *op, int fd, unsigned events);
/** ring_cancel() - ask the kernel to end @op; its done() comes with -ECANCELED or its result */
void ring_cancel(struct ring *ring, struct op *op);

void ring_timer_init(struct ring_timer *timer, void (*expired)(struct ring_timer *timer));
/** ring_timer_arm() - (again) fire once, @delay_ms after this turn's start */
void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t delay_ms);
/** ring_timer_disarm() - also when it is not armed; expired() will not run */
void ring_timer_disarm(struct ring *ring, struct ring_timer *timer);
static inline bool ring_timer_armed(const struct ring_timer *timer)
{
	return timer->at_ns != 0;
}

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *deferred));
/** ring_defer() - run() at the end of this turn, before submitting; asking twice runs it once */
void ring_defer(struct ring *ring, struct deferred *deferred);
/** ring_undefer() - take it back */
void ring_undefer(struct deferred *deferred);
