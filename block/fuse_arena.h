/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The memory that FUSE messages are read into: equal slots in one contiguous mapping. Only the
 * arena knows where they are, so that the mapping can come to be a memfd that outlives the process
 * together with the requests in it.
 *
 * A slot is laid out so that one read(2) at fuse_arena_message() puts the payload of a WRITE at a
 * page boundary, where it stays until the target has it; the data of a READ goes to the same place.
 * Pages are touched by use only, and given back by fuse_arena_trim().
 */

#include <stddef.h>

struct fuse_arena;

/**
 * fuse_arena_new() - @payload_bytes: most data of one message
 *
 * Return: 0; -ENOMEM.
 */
int fuse_arena_new(unsigned slot_count, size_t payload_bytes, struct fuse_arena **ret);

/** fuse_arena_free() - NULL is fine */
void fuse_arena_free(struct fuse_arena *arena);

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

/** fuse_arena_trim() - give slot @index's pages back to the kernel; its contents are lost */
void fuse_arena_trim(struct fuse_arena *arena, unsigned index);
