/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "util/ring.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "util/mailbox.h"

#define COMPLETIONS_PER_BATCH 64
#define DRIVER_COMMAND_BYTES  16 /* as many as fit into a submission entry of the plain size */

struct ring {
	struct io_uring uring;
	struct mailbox *mailbox;
	struct op mailbox_op;
	struct op timeout_op;
	struct __kernel_timespec timeout; /* of the timeout in flight */
	uint64_t timeout_ns;		  /* when it ends; 0 = none in flight */
	struct ring_timer *timers;	  /* root of a pairing heap, the earliest */
	struct list deferred;
	uint64_t now_ns;
	bool enabled, stopping, mailbox_waiting;
	bool newest; /* set up as Linux 6.1 can: see uring_start() */
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Timers: a pairing heap through the timers themselves, so that arming allocates nothing. */

static struct ring_timer *timers_meld(struct ring_timer *a, struct ring_timer *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (b->at_ns < a->at_ns) {
		struct ring_timer *swap = a;

		a = b;
		b = swap;
	}
	b->before = a;
	b->sibling = a->child;
	if (a->child)
		a->child->before = b;
	a->child = b;
	return a;
}

static struct ring_timer *timers_meld_siblings(struct ring_timer *first)
{
	struct ring_timer *pairs = NULL, *root = NULL;

	/* Two passes: pair up from left to right, then meld the pairs from right to left. */
	while (first) {
		struct ring_timer *a = first, *b = a->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = a->before = NULL;
		if (b)
			b->sibling = b->before = NULL;
		a = timers_meld(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct ring_timer *next = pairs->sibling;

		pairs->sibling = NULL;
		root = timers_meld(root, pairs);
		pairs = next;
	}
	return root;
}

static void timers_remove(struct ring *ring, struct ring_timer *timer)
{
	struct ring_timer *children = timers_meld_siblings(timer->child);

	if (timer == ring->timers) {
		ring->timers = children;
	} else {
		if (timer->before->child == timer)
			timer->before->child = timer->sibling;
		else
			timer->before->sibling = timer->sibling;
		if (timer->sibling)
			timer->sibling->before = timer->before;
		ring->timers = timers_meld(ring->timers, children);
	}
	timer->child = timer->sibling = timer->before = NULL;
	timer->at_ns = 0;
}

void ring_timer_init(struct ring_timer *timer, void (*expired)(struct ring_timer *timer))
{
	*timer = (struct ring_timer){.expired = expired};
}

void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t delay_ms)
{
	ring_timer_disarm(ring, timer);
	timer->at_ns = ring->now_ns + delay_ms * 1000000u;
	ring->timers = timers_meld(ring->timers, timer);
}

void ring_timer_disarm(struct ring *ring, struct ring_timer *timer)
{
	if (ring_timer_armed(timer))
		timers_remove(ring, timer);
}

static void ring_run_timers(struct ring *ring)
{
	while (ring->timers && ring->timers->at_ns <= ring->now_ns) {
		struct ring_timer *timer = ring->timers;

		timers_remove(ring, timer);
		timer->expired(timer);
	}
}

/* Deferred work. */

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *deferred))
{
	deferred->run = run;
	list_init(&deferred->link);
}

void ring_defer(struct ring *ring, struct deferred *deferred)
{
	if (list_empty(&deferred->link))
		list_append(&ring->deferred, &deferred->link);
}

void ring_undefer(struct deferred *deferred)
{
	list_remove(&deferred->link);
}

static void ring_run_deferred(struct ring *ring)
{
	struct list now;
	struct deferred *deferred;

	/* Only what was asked for so far: work that defers itself again must not starve the rest.
	 */
	list_init(&now);
	list_splice(&now, &ring->deferred);
	while ((deferred = list_pop(&now, struct deferred, link)))
		deferred->run(deferred);
}

/* The mailbox. */

static void ring_wait_for_mail(struct ring *ring)
{
	ring_poll_multishot(ring, &ring->mailbox_op, mailbox_fd(ring->mailbox), POLLIN);
	ring->mailbox_waiting = true;
}

static void ring_mail_came(struct op *op, int res, unsigned flags)
{
	struct ring *ring = container_of(op, struct ring, mailbox_op);

	ring->mailbox_waiting = flags & IORING_CQE_F_MORE;
	mailbox_deliver(ring->mailbox);
	if (!ring->mailbox_waiting && !ring->stopping)
		ring_wait_for_mail(ring);
}

/* The loop. */

static void ring_timed_out(struct op *op, int res, unsigned flags)
{
	/* The turn runs the timers anyway. */
	container_of(op, struct ring, timeout_op)->timeout_ns = 0;
}

static int uring_start(struct io_uring *uring, unsigned entries, bool *newest)
{
	/* In this order: task work only when we ask for it (6.1), less of it (5.19), plain. The
	 * ring starts disabled, because SINGLE_ISSUER binds it to the thread that enables it. */
	static const unsigned wishes[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_R_DISABLED,
		IORING_SETUP_R_DISABLED,
	};
	int r = -EINVAL;

	for (unsigned i = 0; i < ARRAY_SIZE(wishes) && r == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = wishes[i] | IORING_SETUP_CQSIZE,
			.cq_entries = entries * 4,
		};

		r = io_uring_queue_init_params(entries, uring, &params);
		*newest = i == 0;
	}
	return r;
}

int ring_new(unsigned entries, struct ring **ret)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	list_init(&ring->deferred);
	ring->mailbox_op.done = ring_mail_came;
	ring->timeout_op.done = ring_timed_out;
	ring->now_ns = clock_ns();
	r = mailbox_new(&ring->mailbox);
	if (r < 0)
		goto fail;
	r = uring_start(&ring->uring, entries, &ring->newest);
	if (r < 0)
		goto fail;
	*ret = ring;
	return 0;
fail:
	mailbox_free(ring->mailbox);
	free(ring);
	return r;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	assert(!ring->timers);
	io_uring_queue_exit(&ring->uring);
	mailbox_free(ring->mailbox);
	free(ring);
}

struct mailbox *ring_mailbox(struct ring *ring)
{
	return ring->mailbox;
}

uint64_t ring_now_ns(const struct ring *ring)
{
	return ring->now_ns;
}

bool ring_defers_work(const struct ring *ring)
{
	return ring->newest;
}

void ring_stop(struct ring *ring)
{
	ring->stopping = true;
}

static struct io_uring_sqe *ring_sqe(struct ring *ring, struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (!sqe) {
		io_uring_submit(&ring->uring);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	io_uring_sqe_set_data(sqe, op);
	return sqe;
}

/*
 * Have the kernel wake us for the earliest timer. One timeout stays in flight for many turns:
 * arming one per wait would cost more than the wait. It is only touched when an earlier timer
 * appears.
 */
static void ring_arm_timeout(struct ring *ring)
{
	struct io_uring_sqe *sqe;
	bool in_flight = ring->timeout_ns != 0;

	if (!ring->timers || (in_flight && ring->timeout_ns <= ring->timers->at_ns))
		return;
	ring->timeout_ns = ring->timers->at_ns;
	ring->timeout.tv_sec = (int64_t)(ring->timeout_ns / 1000000000u);
	ring->timeout.tv_nsec = (long long)(ring->timeout_ns % 1000000000u);
	sqe = ring_sqe(ring, in_flight ? NULL : &ring->timeout_op);
	if (in_flight)
		io_uring_prep_timeout_update(sqe, &ring->timeout,
					     (uint64_t)(uintptr_t)&ring->timeout_op,
					     IORING_TIMEOUT_ABS);
	else
		io_uring_prep_timeout(sqe, &ring->timeout, 0, IORING_TIMEOUT_ABS);
	io_uring_sqe_set_data(sqe, in_flight ? NULL : &ring->timeout_op);
}

/* Submit what the last turn left, and wait for a completion. */
static int ring_wait(struct ring *ring)
{
	int r;

	ring_arm_timeout(ring);
	if (list_empty(&ring->deferred))
		r = io_uring_submit_and_wait(&ring->uring, 1);
	else
		r = io_uring_submit_and_get_events(&ring->uring);
	ring->now_ns = clock_ns();
	/* EBUSY, EAGAIN: the kernel cannot take more before we reap; the rest goes next turn. */
	return r == -EINTR || r == -EBUSY || r == -EAGAIN ? 0 : r;
}

static void ring_run_completions(struct ring *ring)
{
	struct io_uring_cqe *cqes[COMPLETIONS_PER_BATCH];
	struct {
		struct op *op;
		int res;
		unsigned flags;
	} batch[COMPLETIONS_PER_BATCH];
	unsigned n;

	/* Copied out first: callbacks submit, and the queue must have room for what that completes.
	 */
	while ((n = io_uring_peek_batch_cqe(&ring->uring, cqes, COMPLETIONS_PER_BATCH)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			batch[i].op = io_uring_cqe_get_data(cqes[i]);
			batch[i].res = cqes[i]->res;
			batch[i].flags = cqes[i]->flags;
		}
		io_uring_cq_advance(&ring->uring, n);
		for (unsigned i = 0; i < n; i++)
			if (batch[i].op)
				batch[i].op->done(batch[i].op, batch[i].res, batch[i].flags);
	}
}

static int ring_turn(struct ring *ring)
{
	int r = ring_wait(ring);

	if (r < 0)
		return r;
	ring_run_completions(ring);
	ring_run_timers(ring);
	ring_run_deferred(ring);
	return 0;
}

int ring_run(struct ring *ring)
{
	int r = 0;

	ring->stopping = false;
	if (!ring->enabled) {
		/* Debian 12's liburing declares io_uring_enable_rings() but does not export it. */
		if (syscall(SYS_io_uring_register, ring->uring.ring_fd,
			    IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
			return -errno;
		/* Saves looking the ring's descriptor up in every turn; as well where it fails. */
		io_uring_register_ring_fd(&ring->uring);
		ring->enabled = true;
	}
	if (!ring->mailbox_waiting)
		ring_wait_for_mail(ring);
	while (!ring->stopping && r >= 0)
		r = ring_turn(ring);
	return r < 0 ? r : 0;
}

/* Operations. */

/* liburing's prep functions clear user_data in some versions; set it after them. */
#define RING_SUBMIT(ring, op, prepare, ...) \
	do { \
		struct io_uring_sqe *sqe_ = ring_sqe(ring, op); \
		prepare(sqe_, __VA_ARGS__); \
		io_uring_sqe_set_data(sqe_, op); \
	} while (0)

void ring_recvmsg(struct ring *ring, struct op *op, int fd, struct msghdr *message, int flags)
{
	struct io_uring_sqe *sqe = ring_sqe(ring, op);

	if (message->msg_iovlen == 1)
		io_uring_prep_recv(sqe, fd, message->msg_iov->iov_base, message->msg_iov->iov_len,
				   flags);
	else
		io_uring_prep_recvmsg(sqe, fd, message, (unsigned)flags);
	/* What was there has just been received: an attempt before waiting would mostly fail. */
	if (ring->newest) /* then it knows this, too, of 5.19 */
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data(sqe, op);
}

void ring_sendmsg(struct ring *ring, struct op *op, int fd, const struct msghdr *message, int flags)
{
	if (message->msg_iovlen == 1)
		RING_SUBMIT(ring, op, io_uring_prep_send, fd, message->msg_iov->iov_base,
			    message->msg_iov->iov_len, flags);
	else
		RING_SUBMIT(ring, op, io_uring_prep_sendmsg, fd, message, (unsigned)flags);
}

void ring_read(struct ring *ring, struct op *op, int fd, void *buffer, size_t length_bytes)
{
	RING_SUBMIT(ring, op, io_uring_prep_read, fd, buffer, (unsigned)length_bytes, (uint64_t)-1);
}

void ring_writev(struct ring *ring, struct op *op, int fd, const struct iovec *parts,
		 unsigned count)
{
	RING_SUBMIT(ring, op, io_uring_prep_writev, fd, parts, count, (uint64_t)-1);
}

void ring_driver_command(struct ring *ring, struct op *op, int fd, uint32_t operation,
			 const void *command)
{
	struct io_uring_sqe *sqe = ring_sqe(ring, op);

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = operation;
	memcpy(sqe->cmd, command, DRIVER_COMMAND_BYTES);
	io_uring_sqe_set_data(sqe, op);
}

void ring_madvise(struct ring *ring, struct op *op, void *memory, size_t length_bytes, int advice)
{
	RING_SUBMIT(ring, op, io_uring_prep_madvise, memory, (off_t)length_bytes, advice);
}

void ring_poll(struct ring *ring, struct op *op, int fd, unsigned events)
{
	RING_SUBMIT(ring, op, io_uring_prep_poll_add, fd, events);
}

void ring_poll_multishot(struct ring *ring, struct op *op, int fd, unsigned events)
{
	RING_SUBMIT(ring, op, io_uring_prep_poll_multishot, fd, events);
}

void ring_cancel(struct ring *ring, struct op *op)
{
	struct io_uring_sqe *sqe = ring_sqe(ring, NULL);

	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
