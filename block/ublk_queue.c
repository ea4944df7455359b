/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/ublk_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "block/request.h"
#include "block/ublk_abi.h"
#include "util/cleanup.h"
#include "util/ring.h"

#ifndef MADV_DONTNEED_LOCKED /* since 5.18; our headers may be older */
#define MADV_DONTNEED_LOCKED 24
#endif

#define SECTOR_BYTES  512u
#define TRIM_AFTER_MS 3000
/* So much of a buffer stays: a write of one page needs no memory even where there is none left. */
#define KEPT_BYTES 4096u

struct ublk_slot {
	struct block_request request;
	struct ublk_queue *queue;
	struct op op; /* of the command that is with the driver */
	uint16_t tag;
	bool fetched;	       /* such a command is under way */
	bool in_map;	       /* the map has the request */
	bool answered;	       /* it was failed early: the map still has it, the driver does not */
	uint32_t length_bytes; /* of its data; what is answered when all went well */
	uint32_t used_bytes;   /* of its buffer, since it was trimmed */
};

struct ublk_queue {
	struct block_target target;
	struct ring *ring; /* NULL: not started */
	const struct ublk_queue_ops *ops;
	void *driver;
	const struct ublk_io_descriptor *descriptors;
	struct ublk_slot *slots;
	uint8_t *buffers; /* one per slot, and one more for data that nobody wants */
	unsigned depth, fetched, in_map;
	int failing; /* 0, or what all is answered with */
	_Atomic int refused;
	bool active; /* something was answered since the last look of the timer */
	struct ring_timer trim;

	struct deferred finish;
	void (*stopped)(void *userdata);
	void *userdata;
	bool stopping;
};

static uint8_t *buffer_of(const struct ublk_queue *queue, unsigned index)
{
	return queue->buffers + (size_t)index * UBLK_QUEUE_REQUEST_MAX_BYTES;
}

static size_t buffers_bytes(const struct ublk_queue *queue)
{
	return (size_t)(queue->depth + 1) * UBLK_QUEUE_REQUEST_MAX_BYTES;
}

/* --- answers --- */

/*
 * A tag whose old request is still with the map takes new ones only to fail them. Their data go to
 * the spare buffer: the old request's may be on a wire yet.
 */
static void slot_submit(struct ublk_slot *slot, uint32_t operation, int result)
{
	struct ublk_queue *queue = slot->queue;
	bool spare = slot->in_map || queue->failing;
	struct ublk_io_command command = {
		.tag = slot->tag,
		.result = result,
		.address = (uintptr_t)buffer_of(queue, spare ? queue->depth : slot->tag),
	};

	slot->fetched = true;
	queue->fetched++;
	queue->ops->submit(queue->driver, queue->ring, &slot->op, operation, &command);
}

static void slot_answer(struct ublk_slot *slot, int result)
{
	struct ublk_queue *queue = slot->queue;

	queue->active = true;
	if (!queue->stopping && !ring_timer_armed(&queue->trim))
		ring_timer_arm(queue->ring, &queue->trim, TRIM_AFTER_MS);
	slot_submit(slot, UBLK_IO_COMMIT_AND_FETCH, result);
}

static void slot_ended(struct block_request *request, int error)
{
	struct ublk_slot *slot = container_of(request, struct ublk_slot, request);
	struct ublk_queue *queue = slot->queue;

	slot->in_map = false;
	queue->in_map--;
	if (queue->stopping)
		ring_defer(queue->ring, &queue->finish);
	if (slot->answered)
		return;
	slot_answer(slot, error ? error : (int)slot->length_bytes);
}

/* --- requests --- */

struct translation {
	enum block_operation operation;
	bool known, data;
};

static const struct translation translations[] = {
	[UBLK_IO_READ] = {BLOCK_READ, true, true},
	[UBLK_IO_WRITE] = {BLOCK_WRITE, true, true},
	[UBLK_IO_FLUSH] = {BLOCK_FLUSH, true, false},
	[UBLK_IO_DISCARD] = {BLOCK_DISCARD, true, false},
	[UBLK_IO_WRITE_ZEROES] = {BLOCK_WRITE_ZEROES, true, false},
};

static unsigned flags_of(uint32_t operation)
{
	unsigned flags = 0;

	if (operation & UBLK_IO_FUA)
		flags |= BLOCK_FUA;
	if (operation & UBLK_IO_NO_UNMAP)
		flags |= BLOCK_NO_UNMAP;
	return flags;
}

/* Return: as block_submit(). */
static int slot_take(struct ublk_slot *slot)
{
	struct ublk_queue *queue = slot->queue;
	const struct ublk_io_descriptor *descriptor = &queue->descriptors[slot->tag];
	unsigned operation = descriptor->operation & UBLK_IO_OPERATION_MASK;
	uint64_t bytes = (uint64_t)descriptor->sectors * SECTOR_BYTES;
	const struct translation *translation;

	if (operation >= ARRAY_SIZE(translations) || !translations[operation].known)
		return -EOPNOTSUPP;
	translation = &translations[operation];
	if (translation->data && bytes > UBLK_QUEUE_REQUEST_MAX_BYTES)
		return -EINVAL;
	slot->length_bytes = translation->data ? (uint32_t)bytes : 0;
	slot->used_bytes = MAX(slot->used_bytes, slot->length_bytes);
	slot->request.operation = translation->operation;
	slot->request.flags = flags_of(descriptor->operation);
	slot->request.offset_bytes = descriptor->start_sector * SECTOR_BYTES;
	slot->request.length_bytes = translation->operation == BLOCK_FLUSH ? 0 : bytes;
	slot->request.data = buffer_of(queue, slot->tag);
	slot->request.done = slot_ended;
	return block_submit(&queue->target, &slot->request);
}

static void slot_came(struct ublk_slot *slot)
{
	struct ublk_queue *queue = slot->queue;
	int r = queue->failing;

	if (r == 0 && slot->in_map)
		r = -EIO;
	if (r == 0)
		r = slot_take(slot);
	if (r != 0) {
		slot_answer(slot, r > 0 ? (int)slot->length_bytes : r);
		return;
	}
	slot->in_map = true;
	slot->answered = false;
	queue->in_map++;
}

static void slot_completed(struct op *op, int res, unsigned flags)
{
	struct ublk_slot *slot = container_of(op, struct ublk_slot, op);
	struct ublk_queue *queue = slot->queue;

	slot->fetched = false;
	queue->fetched--;
	if (res == 0) {
		slot_came(slot);
		return;
	}
	/* The tag is over: the device was stopped, or the driver does not want us. */
	if (res != UBLK_IO_ABORTED)
		atomic_store(&queue->refused, res < 0 ? res : -EPROTO);
	if (queue->stopping)
		ring_defer(queue->ring, &queue->finish);
}

/* --- memory --- */

static void slot_trim(struct ublk_slot *slot)
{
	uint8_t *buffer = buffer_of(slot->queue, slot->tag);

	if (slot->in_map || slot->used_bytes <= KEPT_BYTES)
		return;
	madvise(buffer + KEPT_BYTES, UBLK_QUEUE_REQUEST_MAX_BYTES - KEPT_BYTES,
		MADV_DONTNEED_LOCKED);
	slot->used_bytes = 0;
}

/*
 * A buffer without a request has no data that anybody will want. Those of a READ are copied out
 * when its answer is submitted, at the end of the turn, so nothing that was answered lately is
 * touched. Those of a WRITE are copied in while this thread is in the kernel to wait for
 * completions, and nowhere else (the ring defers such work): a turn's timers run after all of its
 * completions.
 */
static void queue_trim(struct ring_timer *timer)
{
	struct ublk_queue *queue = container_of(timer, struct ublk_queue, trim);

	if (queue->active) {
		queue->active = false;
		ring_timer_arm(queue->ring, &queue->trim, TRIM_AFTER_MS);
		return;
	}
	for (unsigned i = 0; ring_defers_work(queue->ring) && i < queue->depth; i++)
		slot_trim(&queue->slots[i]);
}

/* --- life --- */

static void queue_finish(struct deferred *deferred)
{
	struct ublk_queue *queue = container_of(deferred, struct ublk_queue, finish);
	void (*stopped)(void *userdata) = queue->stopped;

	if (queue->fetched > 0 || queue->in_map > 0 || !stopped)
		return;
	queue->stopped = NULL;
	stopped(queue->userdata);
}

static int queue_init(struct ublk_queue *queue, struct map *map, const struct unit_limits *limits)
{
	void *buffers;

	queue->slots = calloc(queue->depth, sizeof(*queue->slots));
	if (!queue->slots)
		return -ENOMEM;
	buffers = mmap(NULL, buffers_bytes(queue), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffers == MAP_FAILED)
		return -ENOMEM;
	queue->buffers = buffers;
	/* A huge page would make 2 MiB resident for 4 KiB; user data stay out of core files. */
	madvise(buffers, buffers_bytes(queue), MADV_NOHUGEPAGE);
	madvise(buffers, buffers_bytes(queue), MADV_DONTDUMP);
	return block_target_init(&queue->target, map, limits, 0);
}

int ublk_queue_new(struct map *map, const struct unit_limits *limits, unsigned depth,
		   struct ublk_queue **ret)
{
	struct ublk_queue *queue = calloc(1, sizeof(*queue));
	int r;

	if (!queue)
		return -ENOMEM;
	queue->depth = depth;
	deferred_init(&queue->finish, queue_finish);
	ring_timer_init(&queue->trim, queue_trim);
	r = queue_init(queue, map, limits);
	if (r < 0) {
		ublk_queue_free(queue);
		return r;
	}
	*ret = queue;
	return 0;
}

void ublk_queue_free(struct ublk_queue *queue)
{
	if (!queue)
		return;
	assert(queue->fetched == 0 && queue->in_map == 0);
	block_target_deinit(&queue->target);
	if (queue->buffers)
		munmap(queue->buffers, buffers_bytes(queue));
	free(queue->slots);
	free(queue);
}

bool ublk_queue_can_discard(const struct ublk_queue *queue)
{
	return block_target_can_discard(&queue->target, false);
}

void ublk_queue_start(struct ublk_queue *queue, struct ring *ring,
		      const struct ublk_io_descriptor *descriptors,
		      const struct ublk_queue_ops *ops, void *driver)
{
	queue->ring = ring;
	queue->descriptors = descriptors;
	queue->ops = ops;
	queue->driver = driver;
	for (unsigned i = 0; i < queue->depth; i++) {
		struct ublk_slot *slot = &queue->slots[i];

		slot->queue = queue;
		slot->tag = (uint16_t)i;
		slot->op.done = slot_completed;
		slot_submit(slot, UBLK_IO_FETCH, 0);
	}
}

int ublk_queue_refused(const struct ublk_queue *queue)
{
	return atomic_load(&queue->refused);
}

void ublk_queue_fail(struct ublk_queue *queue, int error)
{
	queue->failing = error;
	for (unsigned i = 0; i < queue->depth; i++) {
		struct ublk_slot *slot = &queue->slots[i];

		if (!slot->in_map || slot->answered)
			continue;
		slot->answered = true;
		slot_answer(slot, error);
	}
}

void ublk_queue_set_blocks(struct ublk_queue *queue, uint64_t blocks)
{
	queue->target.limits.blocks = blocks;
}

void ublk_queue_stop(struct ublk_queue *queue, void (*stopped)(void *userdata), void *userdata)
{
	queue->stopped = stopped;
	queue->userdata = userdata;
	queue->stopping = true;
	ublk_queue_fail(queue, -EIO);
	ring_timer_disarm(queue->ring, &queue->trim);
	ring_defer(queue->ring, &queue->finish);
}
