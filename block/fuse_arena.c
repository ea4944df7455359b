/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/fuse_arena.h"

#include <assert.h>
#include <errno.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Since 5.18; our headers may be older. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* A page of 4 KiB or more on every machine; larger ones only align the payload less well. */
#define PAGE_BYTES	    4096u
#define WRITE_HEADERS_BYTES (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))

struct fuse_arena {
	uint8_t *memory;
	unsigned slot_count;
	size_t slot_bytes, payload_bytes;
};

int fuse_arena_new(unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret)
{
	struct fuse_arena *arena = calloc(1, sizeof(*arena));
	void *memory;

	if (!arena)
		return -ENOMEM;
	payload_bytes = (payload_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	arena->slot_count = slot_count;
	arena->payload_bytes = payload_bytes;
	/* One page in front that ends with the headers, and one behind. */
	arena->slot_bytes = PAGE_BYTES + payload_bytes + PAGE_BYTES;
	memory = mmap(NULL, slot_count * arena->slot_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		free(arena);
		return -ENOMEM;
	}
	arena->memory = memory;
	/* A huge page would make 2 MiB resident for a request of 4 KiB; user data stays out of
	 * core files. Both are wishes. */
	madvise(memory, slot_count * arena->slot_bytes, MADV_NOHUGEPAGE);
	madvise(memory, slot_count * arena->slot_bytes, MADV_DONTDUMP);
	*ret = arena;
	return 0;
}

void fuse_arena_free(struct fuse_arena *arena)
{
	if (!arena)
		return;
	munmap(arena->memory, arena->slot_count * arena->slot_bytes);
	free(arena);
}

void *fuse_arena_payload(const struct fuse_arena *arena, unsigned index)
{
	assert(index < arena->slot_count);
	return arena->memory + index * arena->slot_bytes + PAGE_BYTES;
}

void *fuse_arena_message(const struct fuse_arena *arena, unsigned index)
{
	return (uint8_t *)fuse_arena_payload(arena, index) - WRITE_HEADERS_BYTES;
}

size_t fuse_arena_message_bytes(const struct fuse_arena *arena)
{
	return WRITE_HEADERS_BYTES + arena->payload_bytes;
}

void fuse_arena_trim(struct fuse_arena *arena, unsigned index)
{
	void *slot = (uint8_t *)fuse_arena_payload(arena, index) - PAGE_BYTES;

	/* A daemon that locks its memory needs the first; kernels before 5.18 know the second. */
	if (madvise(slot, arena->slot_bytes, MADV_DONTNEED_LOCKED) < 0)
		madvise(slot, arena->slot_bytes, MADV_DONTNEED);
}
