/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Preloaded under valgrind: what memcheck cannot know of io_uring. The kernel takes and fills
 * memory behind its back, so what is sent must be looked at here (uninitialised bytes on the wire),
 * and what is received be called defined. And a wait inside io_uring_enter() would stop all
 * threads, because valgrind runs one at a time: poll() takes its place.
 */

#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <valgrind/memcheck.h>

int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_get_events(struct io_uring *ring);
int io_uring_submit_and_wait(struct io_uring *ring, unsigned count);

static void look_at(void *bytes, size_t length, bool out)
{
	if (out)
		VALGRIND_CHECK_MEM_IS_DEFINED(bytes, length);
	else
		VALGRIND_MAKE_MEM_DEFINED(bytes, length);
}

static void look_at_parts(const struct iovec *parts, size_t count, bool out)
{
	for (size_t i = 0; i < count; i++)
		look_at(parts[i].iov_base, parts[i].iov_len, out);
}

static void look_at_entry(const struct io_uring_sqe *entry)
{
	void *address = (void *)(uintptr_t)entry->addr;
	const struct msghdr *message = address;

	switch (entry->opcode) {
	case IORING_OP_SEND:
	case IORING_OP_WRITE:
	case IORING_OP_RECV:
	case IORING_OP_READ:
		return look_at(address, entry->len,
			       entry->opcode == IORING_OP_SEND || entry->opcode == IORING_OP_WRITE);
	case IORING_OP_SENDMSG:
	case IORING_OP_RECVMSG:
		return look_at_parts(message->msg_iov, message->msg_iovlen,
				     entry->opcode == IORING_OP_SENDMSG);
	case IORING_OP_WRITEV:
	case IORING_OP_READV:
		return look_at_parts(address, entry->len, entry->opcode == IORING_OP_WRITEV);
	default:
		return;
	}
}

static void look_at_queue(const struct io_uring *ring)
{
	const struct io_uring_sq *queue = &ring->sq;

	for (unsigned i = queue->sqe_head; i != queue->sqe_tail; i++)
		look_at_entry(&queue->sqes[i & queue->ring_mask]);
}

static int submit(struct io_uring *ring, const char *name)
{
	int (*real)(struct io_uring *) = (int (*)(struct io_uring *))dlsym(RTLD_NEXT, name);

	look_at_queue(ring);
	return real(ring);
}

int io_uring_submit(struct io_uring *ring)
{
	return submit(ring, "io_uring_submit");
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
	return submit(ring, "io_uring_submit_and_get_events");
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
	struct pollfd wait = {.fd = ring->ring_fd, .events = POLLIN};
	int submitted = io_uring_submit_and_get_events(ring);

	while (submitted >= 0 && io_uring_cq_ready(ring) < count) {
		/* not for ever: a poll that task work interrupts may not see what it brought */
		if (poll(&wait, 1, 1) < 0)
			return -errno;
		io_uring_submit_and_get_events(ring);
	}
	return submitted;
}
