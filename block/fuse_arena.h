/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The memory that FUSE messages are read into: equal slots in one contiguous mapping of a memfd,
 * and a mark for each that says how far its request is. Who keeps the memfd and the /dev/fuse
 * descriptor open when this process dies can hand them to the next one, which then finds in the
 * marks every request that the kernel still waits for, and its data. No help of the kernel is
 * needed for that.
 *
 * A slot is laid out so that one read(2) at fuse_arena_message() puts the payload of a WRITE at a
 * page boundary, where it stays until the target has it; the data of a READ goes to the same place.
 * A slot's pages are taken at its first use, and given back by fuse_arena_trim().
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct fuse_arena;

/*
 * How far a slot is. The process may die between any two instructions, so a step is one store, made
 * after all that it speaks of.
 */
enum fuse_arena_state {
	FUSE_ARENA_FREE,
	FUSE_ARENA_TAKING,   /* holds a request if its header's unique is not 0: carry it out */
	FUSE_ARENA_ANSWERED, /* was carried out; the kernel may not have been told: tell it again */
};

/* Where the data of an answer is. */
enum fuse_arena_answer {
	FUSE_ARENA_ANSWER_EMPTY,
	FUSE_ARENA_ANSWER_PAYLOAD, /* length_bytes of the payload from skew_bytes on */
	FUSE_ARENA_ANSWER_WRITTEN, /* a struct fuse_write_out that says length_bytes */
};

struct fuse_arena_mark {
	_Atomic uint32_t state; /* enum fuse_arena_state */
	/* when it is ANSWERED */
	int32_t error;
	uint32_t answer; /* enum fuse_arena_answer */
	uint32_t length_bytes, skew_bytes;
};

/**
 * fuse_arena_new() - @payload_bytes: most data of one message
 *
 * Return: 0; -ENOMEM; -errno.
 */
int fuse_arena_new(unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret);

/**
 * fuse_arena_adopt() - one that a process before this one made, with the same numbers
 * @fd: of fuse_arena_fd(); the arena's from now on, also after an error
 *
 * Return: 0; -EINVAL when it has another size; -errno.
 */
int fuse_arena_adopt(int fd, unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret);

/** fuse_arena_free() - NULL is fine */
void fuse_arena_free(struct fuse_arena *arena);

/** fuse_arena_fd() - the memfd; stays the arena's */
int fuse_arena_fd(const struct fuse_arena *arena);

/** fuse_arena_mark() - slot @index's; all are FREE in a new arena */
struct fuse_arena_mark *fuse_arena_mark(const struct fuse_arena *arena, unsigned index);

static inline void fuse_arena_set(struct fuse_arena_mark *mark, enum fuse_arena_state state)
{
	atomic_store_explicit(&mark->state, state, memory_order_release);
}

/** fuse_arena_message() - where slot @index's message is read to */
void *fuse_arena_message(const struct fuse_arena *arena, unsigned index);
/** fuse_arena_message_bytes() - how long a message may be */
size_t fuse_arena_message_bytes(const struct fuse_arena *arena);

/**
 * fuse_arena_payload() - slot @index's data, page-aligned: what follows the two headers of a WRITE
 *
 * It is one page longer than the largest payload, for reads that have to begin or end off block.
 */
void *fuse_arena_payload(const struct fuse_arena *arena, unsigned index);

/**
 * fuse_arena_populate() - have slot @index's memory at hand before a message is read into it
 *
 * The kernel copies a message page by page. Where it has to find a page first and the process is
 * killed meanwhile, it gives the request up with EIO: nobody would ever see it again.
 */
void fuse_arena_populate(struct fuse_arena *arena, unsigned index);

/** fuse_arena_slot() - the memory of slot @index, for who populates it in another way */
void *fuse_arena_slot(const struct fuse_arena *arena, unsigned index);
/** fuse_arena_slot_bytes() - how much that is */
size_t fuse_arena_slot_bytes(const struct fuse_arena *arena);

/** fuse_arena_trim() - give slot @index's pages back to the kernel; its contents are lost */
void fuse_arena_trim(struct fuse_arena *arena, unsigned index);
