/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/fuse_arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE /* since 5.14; our headers may be older */
#define MADV_POPULATE_WRITE 23
#endif

/* A page of 4 KiB or more on every machine; larger ones only align the payload less well. */
#define PAGE_BYTES	    4096u
#define WRITE_HEADERS_BYTES (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))

struct fuse_arena {
	int fd;
	uint8_t *memory; /* the marks, in whole pages, and then the slots */
	unsigned slot_count;
	size_t marks_bytes, slot_bytes, payload_bytes;
};

static size_t whole_pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static size_t arena_bytes(const struct fuse_arena *arena)
{
	return arena->marks_bytes + arena->slot_count * arena->slot_bytes;
}

static int arena_map(struct fuse_arena *arena)
{
	void *memory = mmap(NULL, arena_bytes(arena), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_NORESERVE, arena->fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	arena->memory = memory;
	/* A huge page would make 2 MiB resident for a request of 4 KiB; user data stays out of
	 * core files. Both are wishes. */
	madvise(memory, arena_bytes(arena), MADV_NOHUGEPAGE);
	madvise(memory, arena_bytes(arena), MADV_DONTDUMP);
	return 0;
}

/* Takes @fd. */
static int arena_make(int fd, unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret)
{
	struct fuse_arena *arena = calloc(1, sizeof(*arena));

	if (!arena) {
		close(fd);
		return -ENOMEM;
	}
	arena->fd = fd;
	arena->slot_count = slot_count;
	arena->payload_bytes = whole_pages(payload_bytes);
	arena->marks_bytes = whole_pages(slot_count * sizeof(struct fuse_arena_mark));
	/* One page in front that ends with the headers, and one behind. */
	arena->slot_bytes = PAGE_BYTES + arena->payload_bytes + PAGE_BYTES;
	*ret = arena;
	return 0;
}

int fuse_arena_new(unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret)
{
	int fd = memfd_create("hawser-requests", MFD_CLOEXEC);
	struct fuse_arena *arena;
	int r;

	if (fd < 0)
		return -errno;
	r = arena_make(fd, slot_count, payload_bytes, &arena);
	if (r < 0)
		return r;
	r = ftruncate(fd, (off_t)arena_bytes(arena)) < 0 ? -errno : arena_map(arena);
	if (r < 0) {
		fuse_arena_free(arena);
		return r;
	}
	*ret = arena;
	return 0;
}

int fuse_arena_adopt(int fd, unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret)
{
	struct fuse_arena *arena;
	struct stat st;
	int r = arena_make(fd, slot_count, payload_bytes, &arena);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (st.st_size != (off_t)arena_bytes(arena))
		r = -EINVAL;
	else
		r = arena_map(arena);
	if (r < 0) {
		fuse_arena_free(arena);
		return r;
	}
	*ret = arena;
	return 0;
}

void fuse_arena_free(struct fuse_arena *arena)
{
	if (!arena)
		return;
	if (arena->memory)
		munmap(arena->memory, arena_bytes(arena));
	close(arena->fd);
	free(arena);
}

int fuse_arena_fd(const struct fuse_arena *arena)
{
	return arena->fd;
}

struct fuse_arena_mark *fuse_arena_mark(const struct fuse_arena *arena, unsigned index)
{
	assert(index < arena->slot_count);
	return (struct fuse_arena_mark *)(void *)arena->memory + index;
}

static size_t slot_offset(const struct fuse_arena *arena, unsigned index)
{
	assert(index < arena->slot_count);
	return arena->marks_bytes + index * arena->slot_bytes;
}

void *fuse_arena_payload(const struct fuse_arena *arena, unsigned index)
{
	return arena->memory + slot_offset(arena, index) + PAGE_BYTES;
}

void *fuse_arena_message(const struct fuse_arena *arena, unsigned index)
{
	return (uint8_t *)fuse_arena_payload(arena, index) - WRITE_HEADERS_BYTES;
}

size_t fuse_arena_message_bytes(const struct fuse_arena *arena)
{
	return WRITE_HEADERS_BYTES + arena->payload_bytes;
}

void *fuse_arena_slot(const struct fuse_arena *arena, unsigned index)
{
	return arena->memory + slot_offset(arena, index);
}

size_t fuse_arena_slot_bytes(const struct fuse_arena *arena)
{
	return PAGE_BYTES + arena->payload_bytes;
}

void fuse_arena_populate(struct fuse_arena *arena, unsigned index)
{
	volatile uint8_t *slot = fuse_arena_slot(arena, index);
	size_t bytes = fuse_arena_slot_bytes(arena);

	if (madvise((void *)(uintptr_t)slot, bytes, MADV_POPULATE_WRITE) == 0)
		return;
	/* Linux before 5.14: the slow way. It may hold something already. */
	for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
		uint8_t byte = slot[i];

		slot[i] = byte;
	}
}

void fuse_arena_trim(struct fuse_arena *arena, unsigned index)
{
	/* By the file and not by madvise(), which refuses where a daemon locks its memory. */
	fallocate(arena->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		  (off_t)slot_offset(arena, index), (off_t)arena->slot_bytes);
}
