/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/nbd_queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "block/nbd_protocol.h"
#include "block/request.h"
#include "util/cleanup.h"
#include "util/list.h"
#include "util/ring.h"

#ifndef MADV_POPULATE_WRITE /* since 5.14, as the exporter; our headers may be older */
#define MADV_POPULATE_WRITE 23
#endif

/*
 * What is received at once besides the data of one write: some hundred requests, or a burst of
 * small writes with their data, which is copied out of here. Large writes come mostly straight into
 * the request's own memory.
 */
#define INBOX_BYTES   (32u << 10)
#define REPLIES_MAX   64 /* that leave in one send */
#define TRIM_AFTER_MS 3000
/*
 * So many transfers have their memory at hand all the time. When memory is short, more of it may
 * only be had when what we carry to the disk is there, so that requests beyond these wait for
 * theirs on their own, and we never do.
 */
#define READY_MIN  4
#define GROW_SLOTS 8

enum nbd_answer {
	NBD_ANSWER_DUE,
	NBD_ANSWER_LEAVING,
	NBD_ANSWER_GONE, /* left, or nobody wants it any more */
};

struct nbd_slot {
	struct block_request request;
	struct nbd_queue *queue;
	struct list link; /* in queue.free, busy, answers or leaving */
	struct nbd_protocol_reply reply;
	uint8_t *data;
	uint32_t data_bytes; /* that follow a good reply */
	enum nbd_answer answer;
	bool in_map; /* the map works on it, maybe longer than for its answer */
};

struct nbd_queue {
	int fd;
	struct ring *ring; /* NULL: not started */
	struct block_target target;
	uint8_t *memory; /* depth times a transfer, then the largest */
	int memory_fd;
	unsigned depth;
	struct nbd_slot *slots; /* one more than depth: the last is for what is larger */
	unsigned ready;		/* the first so many have their memory */
	unsigned growing;	/* so many more are getting theirs */
	struct op grow_op;
	struct list free,
		busy; /* struct nbd_slot; free: those of the ready ones, last used first */

	uint8_t *inbox;
	size_t inbox_start, inbox_end; /* what of it is not consumed */
	struct nbd_slot *filling;      /* a write whose data is still coming */
	uint32_t filled_bytes;
	struct op receive_op;
	struct msghdr receive_message;
	struct iovec receive_parts[2];

	struct list answers, leaving; /* struct nbd_slot */
	struct op send_op;
	struct msghdr send_message;
	struct iovec send_parts[2 * REPLIES_MAX];

	struct deferred receive, send, finish;
	struct ring_timer trim;
	bool receiving, sending, gone, active;
	int failing; /* 0, or what all I/O is answered with */

	bool stopping;
	void (*stopped)(void *userdata);
	void *userdata;
};

static size_t memory_bytes(const struct nbd_queue *queue)
{
	return (size_t)queue->depth * NBD_QUEUE_TRANSFER_BYTES + NBD_QUEUE_LARGEST_BYTES;
}

static struct nbd_slot *largest_slot(struct nbd_queue *queue)
{
	return &queue->slots[queue->depth];
}

/* --- answers --- */

/* Its answer is gone and the map has given it back. */
static void slot_release(struct nbd_slot *slot)
{
	struct nbd_queue *queue = slot->queue;

	list_remove(&slot->link);
	if (slot != largest_slot(queue))
		list_prepend(&queue->free, &slot->link);
	ring_defer(queue->ring, queue->stopping ? &queue->finish : &queue->receive);
}

static void slot_answer_gone(struct nbd_slot *slot)
{
	slot->answer = NBD_ANSWER_GONE;
	list_remove(&slot->link);
	if (slot->in_map)
		list_append(&slot->queue->busy, &slot->link);
	else
		slot_release(slot);
}

/* What the protocol knows of our errors; anything else is an I/O error. */
static uint32_t protocol_error(int error)
{
	static const int same[] = {EPERM, EIO, ENOMEM, EINVAL, ENOSPC};

	if (error == -EROFS)
		return EPERM;
	for (unsigned i = 0; i < ARRAY_SIZE(same); i++)
		if (error == -same[i])
			return (uint32_t)same[i];
	return EIO;
}

static void slot_answer(struct nbd_slot *slot, int error)
{
	struct nbd_queue *queue = slot->queue;

	slot->reply.magic = be32_of(NBD_PROTOCOL_REPLY_MAGIC);
	slot->reply.error = be32_of(error ? protocol_error(error) : 0);
	if (error)
		slot->data_bytes = 0;
	slot->answer = NBD_ANSWER_LEAVING;
	list_remove(&slot->link);
	list_append(&queue->answers, &slot->link);
	ring_defer(queue->ring, &queue->send);
}

static void drop_answers(struct list *answers)
{
	while (!list_empty(answers))
		slot_answer_gone(list_first(answers, struct nbd_slot, link));
}

static void send_rest(struct nbd_queue *queue)
{
	queue->sending = true;
	ring_sendmsg(queue->ring, &queue->send_op, queue->fd, &queue->send_message, MSG_NOSIGNAL);
}

/* All that was answered in a turn leaves together at its end. */
static void queue_send(struct deferred *deferred)
{
	struct nbd_queue *queue = container_of(deferred, struct nbd_queue, send);
	struct iovec *part = queue->send_parts;
	struct nbd_slot *slot;

	if (queue->sending)
		return;
	if (queue->gone || queue->stopping)
		drop_answers(&queue->answers);
	for (unsigned i = 0; i < REPLIES_MAX && !list_empty(&queue->answers); i++) {
		slot = list_pop(&queue->answers, struct nbd_slot, link);
		list_append(&queue->leaving, &slot->link);
		*part++ = (struct iovec){&slot->reply, sizeof(slot->reply)};
		if (slot->data_bytes > 0)
			*part++ = (struct iovec){slot->data, slot->data_bytes};
	}
	if (part == queue->send_parts)
		return;
	queue->send_message = (struct msghdr){
		.msg_iov = queue->send_parts,
		.msg_iovlen = (size_t)(part - queue->send_parts),
	};
	send_rest(queue);
}

/* Skip what was sent. Return: is there more? */
static bool message_advance(struct msghdr *message, size_t sent_bytes)
{
	while (message->msg_iovlen > 0 && sent_bytes >= message->msg_iov->iov_len) {
		sent_bytes -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen == 0)
		return false;
	message->msg_iov->iov_base = (uint8_t *)message->msg_iov->iov_base + sent_bytes;
	message->msg_iov->iov_len -= sent_bytes;
	return true;
}

static void queue_sent(struct op *op, int res, unsigned flags)
{
	struct nbd_queue *queue = container_of(op, struct nbd_queue, send_op);
	bool again = res == -EAGAIN || res == -EINTR;

	queue->sending = false;
	if (!queue->stopping &&
	    (again || (res > 0 && message_advance(&queue->send_message, (size_t)res)))) {
		send_rest(queue);
		return;
	}
	/* The kernel's end is gone; it asks again at another one, if it still wants to know. */
	if (res <= 0)
		queue->gone = true;
	drop_answers(&queue->leaving);
	ring_defer(queue->ring, queue->stopping ? &queue->finish : &queue->send);
}

/* --- I/O --- */

static void slot_finish(struct nbd_slot *slot, int error)
{
	/* A hint that the unit turned out not to know was heeded as well as it can be. */
	if (error == -EOPNOTSUPP && slot->request.operation == BLOCK_DISCARD)
		error = 0;
	slot_answer(slot, error);
}

static void slot_io_done(struct block_request *request, int error)
{
	struct nbd_slot *slot = container_of(request, struct nbd_slot, request);

	slot->in_map = false;
	if (slot->answer == NBD_ANSWER_DUE)
		slot_finish(slot, error);
	else if (slot->answer == NBD_ANSWER_GONE)
		slot_release(slot);
}

static void slot_submit(struct nbd_slot *slot)
{
	struct nbd_queue *queue = slot->queue;
	int r = queue->failing;

	if (!r)
		r = block_submit(&queue->target, &slot->request);
	if (r == 0)
		slot->in_map = true;
	else
		slot_finish(slot, MIN(r, 0));
}

/* --- taking requests --- */

enum taken {
	TAKEN,
	TAKEN_NOT,  /* there is no place for it now */
	TAKEN_PART, /* the rest of its data has to come */
	TAKEN_LAST, /* the kernel said good-bye, or nonsense */
};

struct operation {
	enum block_operation operation;
	bool known, sends, wants; /* does data follow the request, or the reply? */
};

/* clang-format off */
static const struct operation operations[NBD_PROTOCOL_TYPE_COUNT] = {
	[NBD_PROTOCOL_READ]         = {BLOCK_READ,         true, false, true},
	[NBD_PROTOCOL_WRITE]        = {BLOCK_WRITE,        true, true,  false},
	[NBD_PROTOCOL_FLUSH]        = {BLOCK_FLUSH,        true, false, false},
	[NBD_PROTOCOL_TRIM]         = {BLOCK_DISCARD,      true, false, false},
	[NBD_PROTOCOL_WRITE_ZEROES] = {BLOCK_WRITE_ZEROES, true, false, false},
};
/* clang-format on */

static unsigned ready_min(const struct nbd_queue *queue)
{
	return MIN(queue->depth, (unsigned)READY_MIN);
}

/* Slots from the first that has no memory yet. */
static void queue_grow(struct nbd_queue *queue)
{
	queue->growing = MIN(queue->depth - queue->ready, (unsigned)GROW_SLOTS);
	ring_madvise(queue->ring, &queue->grow_op, queue->slots[queue->ready].data,
		     (size_t)queue->growing * NBD_QUEUE_TRANSFER_BYTES, MADV_POPULATE_WRITE);
}

static void queue_grown(struct op *op, int res, unsigned flags)
{
	struct nbd_queue *queue = container_of(op, struct nbd_queue, grow_op);

	/* If it could not be, whoever needs it next asks again. */
	for (; res == 0 && queue->growing > 0; queue->growing--)
		list_append(&queue->free, &queue->slots[queue->ready++].link);
	queue->growing = 0;
	ring_defer(queue->ring, queue->stopping ? &queue->finish : &queue->receive);
}

static struct nbd_slot *find_slot(struct nbd_queue *queue, uint32_t data_bytes)
{
	struct nbd_slot *largest = largest_slot(queue);

	if (data_bytes <= NBD_QUEUE_TRANSFER_BYTES) {
		if (list_empty(&queue->free) && queue->ready < queue->depth && !queue->growing)
			queue_grow(queue);
		return list_pop(&queue->free, struct nbd_slot, link);
	}
	return list_empty(&largest->link) ? largest : NULL;
}

static void slot_begin(struct nbd_slot *slot, const struct nbd_protocol_request *wire,
		       const struct operation *operation)
{
	uint16_t flags = be16_get(wire->flags);

	list_append(&slot->queue->busy, &slot->link);
	memcpy(slot->reply.cookie, wire->cookie, sizeof(slot->reply.cookie));
	slot->answer = NBD_ANSWER_DUE;
	slot->request.operation = operation->operation;
	slot->request.flags = flags & NBD_PROTOCOL_FUA ? BLOCK_FUA : 0;
	if (flags & NBD_PROTOCOL_NO_HOLE)
		slot->request.flags |= BLOCK_NO_UNMAP;
	slot->request.offset_bytes = be64_get(wire->offset_bytes);
	slot->request.length_bytes = be32_get(wire->length_bytes);
	slot->request.data = slot->data;
	slot->request.done = slot_io_done;
	slot->data_bytes = operation->wants ? be32_get(wire->length_bytes) : 0;
}

/* What of a write's data came with the request, or with others before it. */
static enum taken slot_fill(struct nbd_slot *slot)
{
	struct nbd_queue *queue = slot->queue;
	size_t there = queue->inbox_end - queue->inbox_start;
	size_t bytes = MIN(there, (size_t)slot->request.length_bytes);

	memcpy(slot->data, queue->inbox + queue->inbox_start, bytes);
	queue->inbox_start += bytes;
	if (bytes < slot->request.length_bytes) {
		queue->filling = slot;
		queue->filled_bytes = (uint32_t)bytes;
		return TAKEN_PART;
	}
	slot_submit(slot);
	return TAKEN;
}

static enum taken queue_take(struct nbd_queue *queue, const struct nbd_protocol_request *wire)
{
	static const struct operation unknown;
	uint16_t type = be16_get(wire->type);
	const struct operation *operation =
		type < NBD_PROTOCOL_TYPE_COUNT ? &operations[type] : &unknown;
	bool moves = operation->sends || operation->wants;
	uint32_t data_bytes = moves ? be32_get(wire->length_bytes) : 0;
	struct nbd_slot *slot;

	/* After what is no request, or has more data than any, nobody knows where the next begins.
	 */
	if (be32_get(wire->magic) != NBD_PROTOCOL_REQUEST_MAGIC ||
	    type == NBD_PROTOCOL_DISCONNECT || data_bytes > NBD_QUEUE_LARGEST_BYTES)
		return TAKEN_LAST;
	slot = find_slot(queue, data_bytes);
	if (!slot)
		return TAKEN_NOT;
	slot_begin(slot, wire, operation);
	queue->inbox_start += sizeof(*wire);
	if (operation->sends)
		return slot_fill(slot);
	if (operation->known)
		slot_submit(slot);
	else
		slot_finish(slot, -EINVAL);
	return TAKEN;
}

/* Requests in the inbox, as far as they are whole and there is a place for them. */
static enum taken queue_take_all(struct nbd_queue *queue)
{
	struct nbd_protocol_request wire;
	enum taken taken = TAKEN;

	while (taken == TAKEN && queue->inbox_end - queue->inbox_start >= sizeof(wire)) {
		memcpy(&wire, queue->inbox + queue->inbox_start, sizeof(wire));
		taken = queue_take(queue, &wire);
	}
	return taken;
}

static void receive_more(struct nbd_queue *queue)
{
	struct nbd_slot *slot = queue->filling;
	struct iovec *part = queue->receive_parts;
	size_t rest = queue->inbox_end - queue->inbox_start;

	memmove(queue->inbox, queue->inbox + queue->inbox_start, rest);
	queue->inbox_start = 0;
	queue->inbox_end = rest;
	if (slot)
		*part++ = (struct iovec){slot->data + queue->filled_bytes,
					 slot->request.length_bytes - queue->filled_bytes};
	*part++ = (struct iovec){queue->inbox + rest, INBOX_BYTES - rest};
	queue->receive_message = (struct msghdr){
		.msg_iov = queue->receive_parts,
		.msg_iovlen = (size_t)(part - queue->receive_parts),
	};
	queue->receiving = true;
	ring_recvmsg(queue->ring, &queue->receive_op, queue->fd, &queue->receive_message, 0);
}

static void queue_end(struct nbd_queue *queue)
{
	queue->gone = true;
	/* The kernel notices, and does not wait for answers to what was nonsense. */
	shutdown(queue->fd, SHUT_RDWR);
	if (queue->filling)
		slot_answer_gone(take(queue->filling));
}

/* At the end of a turn that received something, or in which a slot became free. */
static void queue_receive(struct deferred *deferred)
{
	struct nbd_queue *queue = container_of(deferred, struct nbd_queue, receive);
	enum taken taken;

	if (queue->receiving || queue->gone || queue->stopping)
		return;
	taken = queue->filling ? TAKEN_PART : queue_take_all(queue);
	if (taken == TAKEN_LAST)
		queue_end(queue);
	else if (taken != TAKEN_NOT)
		receive_more(queue);
}

static void queue_note_active(struct nbd_queue *queue)
{
	queue->active = true;
	if (!ring_timer_armed(&queue->trim))
		ring_timer_arm(queue->ring, &queue->trim, TRIM_AFTER_MS);
}

/* @bytes came: first for the write that is being filled, the rest into the inbox. */
static void queue_came(struct nbd_queue *queue, size_t bytes)
{
	struct nbd_slot *slot = queue->filling;
	size_t wanted = slot ? slot->request.length_bytes - queue->filled_bytes : 0;
	size_t data_bytes = MIN(bytes, wanted);

	queue->filled_bytes += (uint32_t)data_bytes;
	queue->inbox_end += bytes - data_bytes;
	if (slot && data_bytes == wanted) {
		queue->filling = NULL;
		slot_submit(slot);
	}
}

static void queue_received(struct op *op, int res, unsigned flags)
{
	struct nbd_queue *queue = container_of(op, struct nbd_queue, receive_op);

	queue->receiving = false;
	if (queue->stopping) {
		ring_defer(queue->ring, &queue->finish);
		return;
	}
	if (res > 0) {
		queue_note_active(queue);
		queue_came(queue, (size_t)res);
	} else if (res != -EAGAIN && res != -EINTR) {
		queue_end(queue);
	}
	/* Not later in this turn: what is taken now still leaves with it. */
	queue_receive(&queue->receive);
}

/* --- life --- */

static bool queue_idle(const struct nbd_queue *queue)
{
	return list_empty(&queue->busy) && list_empty(&queue->answers) &&
	       list_empty(&queue->leaving);
}

static void queue_trim(struct ring_timer *timer)
{
	struct nbd_queue *queue = container_of(timer, struct nbd_queue, trim);

	if (queue->active || queue->growing || !queue_idle(queue)) {
		queue->active = false;
		ring_timer_arm(queue->ring, &queue->trim, TRIM_AFTER_MS);
		return;
	}
	/* By the file: madvise() refuses what is locked. */
	while (queue->ready > ready_min(queue))
		list_remove(&queue->slots[--queue->ready].link);
	fallocate(queue->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		  (off_t)queue->ready * NBD_QUEUE_TRANSFER_BYTES,
		  (off_t)(memory_bytes(queue) - (size_t)queue->ready * NBD_QUEUE_TRANSFER_BYTES));
}

static void queue_finish(struct deferred *deferred)
{
	struct nbd_queue *queue = container_of(deferred, struct nbd_queue, finish);
	void (*stopped)(void *userdata) = queue->stopped;

	if (queue->receiving || queue->sending || queue->growing || !queue_idle(queue) || !stopped)
		return;
	queue->stopped = NULL;
	stopped(queue->userdata);
}

static int make_memory(struct nbd_queue *queue)
{
	void *memory;

	queue->inbox = malloc(INBOX_BYTES);
	queue->slots = calloc(queue->depth + 1, sizeof(*queue->slots));
	if (!queue->inbox || !queue->slots)
		return -ENOMEM;
	queue->memory_fd = memfd_create("hawser-requests", MFD_CLOEXEC);
	if (queue->memory_fd < 0 || ftruncate(queue->memory_fd, (off_t)memory_bytes(queue)) < 0)
		return -errno;
	memory = mmap(NULL, memory_bytes(queue), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		      queue->memory_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	queue->memory = memory;
	/* A huge page would make 2 MiB resident for 256 KiB; user data stays out of core files.
	 * Both are wishes. */
	madvise(memory, memory_bytes(queue), MADV_NOHUGEPAGE);
	madvise(memory, memory_bytes(queue), MADV_DONTDUMP);
	queue->ready = ready_min(queue);
	memset(memory, 0, (size_t)queue->ready * NBD_QUEUE_TRANSFER_BYTES);
	return 0;
}

static void make_slots(struct nbd_queue *queue)
{
	/* Backwards, so that the first is the one that is taken first. */
	for (unsigned i = queue->depth + 1; i > 0; i--) {
		struct nbd_slot *slot = &queue->slots[i - 1];

		slot->queue = queue;
		slot->data = queue->memory + (size_t)(i - 1) * NBD_QUEUE_TRANSFER_BYTES;
		list_init(&slot->link);
		if (i <= queue->ready)
			list_prepend(&queue->free, &slot->link);
	}
}

int nbd_queue_new(int fd, struct map *map, const struct unit_limits *limits, unsigned depth,
		  struct nbd_queue **ret)
{
	struct nbd_queue *queue = calloc(1, sizeof(*queue));
	int r;

	if (!queue)
		return -ENOMEM;
	queue->fd = fd;
	queue->depth = depth;
	queue->memory_fd = -1;
	r = make_memory(queue);
	if (r == 0)
		r = block_target_init(&queue->target, map, limits, 0);
	if (r < 0) {
		nbd_queue_free(queue);
		return r;
	}
	list_init(&queue->free);
	list_init(&queue->busy);
	list_init(&queue->answers);
	list_init(&queue->leaving);
	make_slots(queue);
	queue->receive_op.done = queue_received;
	queue->send_op.done = queue_sent;
	queue->grow_op.done = queue_grown;
	deferred_init(&queue->receive, queue_receive);
	deferred_init(&queue->send, queue_send);
	deferred_init(&queue->finish, queue_finish);
	ring_timer_init(&queue->trim, queue_trim);
	*ret = queue;
	return 0;
}

void nbd_queue_free(struct nbd_queue *queue)
{
	if (!queue)
		return;
	assert(!queue->receiving && !queue->sending && !queue->growing);
	block_target_deinit(&queue->target);
	if (queue->memory)
		munmap(queue->memory, memory_bytes(queue));
	if (queue->memory_fd >= 0)
		close(queue->memory_fd);
	free(queue->slots);
	free(queue->inbox);
	free(queue);
}

uint64_t nbd_queue_flags(const struct nbd_queue *queue)
{
	const struct unit_limits *limits = &queue->target.limits;
	uint64_t flags = NBD_PROTOCOL_HAS_FLAGS;

	if (limits->read_only)
		return flags | NBD_PROTOCOL_READ_ONLY;
	if (limits->write_cache)
		flags |= NBD_PROTOCOL_SEND_FLUSH;
	/* Without it the kernel sends a flush after the write, which comes to the same. */
	if (limits->write_cache && limits->fua)
		flags |= NBD_PROTOCOL_SEND_FUA;
	if (block_target_can_discard(&queue->target, false))
		flags |= NBD_PROTOCOL_SEND_TRIM;
	return flags | NBD_PROTOCOL_SEND_WRITE_ZEROES;
}

void nbd_queue_start(struct nbd_queue *queue, struct ring *ring)
{
	queue->ring = ring;
	ring_defer(ring, &queue->receive);
}

void nbd_queue_fail(struct nbd_queue *queue, int error)
{
	struct nbd_slot *slot, *next;

	queue->failing = error;
	list_for_each_safe (slot, next, &queue->busy, link) {
		if (slot != queue->filling && slot->answer == NBD_ANSWER_DUE)
			slot_answer(slot, error);
	}
}

void nbd_queue_resize(struct nbd_queue *queue, uint64_t blocks)
{
	queue->target.limits.blocks = blocks;
}

void nbd_queue_stop(struct nbd_queue *queue, void (*stopped)(void *userdata), void *userdata)
{
	queue->stopped = stopped;
	queue->userdata = userdata;
	nbd_queue_fail(queue, -EIO);
	queue->stopping = true;
	if (queue->filling)
		slot_answer_gone(take(queue->filling));
	drop_answers(&queue->answers);
	ring_timer_disarm(queue->ring, &queue->trim);
	ring_undefer(&queue->receive);
	ring_undefer(&queue->send);
	if (queue->receiving)
		ring_cancel(queue->ring, &queue->receive_op);
	if (queue->sending)
		ring_cancel(queue->ring, &queue->send_op);
	ring_defer(queue->ring, &queue->finish);
}
