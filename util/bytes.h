/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Bytes as they stand on the wire: big-endian field types for packed layouts, and a bounded reader
 * and writer for what has no fixed layout (VPD pages, sense data, text). The types are byte arrays:
 * no padding, no alignment trap, and forgetting a conversion does not compile.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
	uint8_t b[2];
} be16;

typedef struct {
	uint8_t b[3];
} be24;

typedef struct {
	uint8_t b[4];
} be32;

typedef struct {
	uint8_t b[8];
} be64;

static inline uint16_t be16_get(be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline uint32_t be24_get(be24 v)
{
	return (uint32_t)v.b[0] << 16 | (uint32_t)v.b[1] << 8 | v.b[2];
}

static inline uint32_t be32_get(be32 v)
{
	uint32_t n;

	memcpy(&n, v.b, sizeof(n));
	return __builtin_bswap32(n);
}

static inline uint64_t be64_get(be64 v)
{
	uint64_t n;

	memcpy(&n, v.b, sizeof(n));
	return __builtin_bswap64(n);
}

static inline be16 be16_of(uint16_t n)
{
	return (be16){{(uint8_t)(n >> 8), (uint8_t)n}};
}

static inline be24 be24_of(uint32_t n)
{
	return (be24){{(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline be32 be32_of(uint32_t n)
{
	be32 v;

	n = __builtin_bswap32(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static inline be64 be64_of(uint64_t n)
{
	be64 v;

	n = __builtin_bswap64(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be32_get() swaps");

/*
 * A bounded reader. A read beyond the end gives zero and sets @failed, which stays set: read
 * everything, check once.
 */
struct reader {
	const uint8_t *at;
	size_t left; /* bytes */
	bool failed;
};

static inline struct reader reader_of(const void *data, size_t length_bytes)
{
	return (struct reader){.at = data, .left = length_bytes};
}

/** reader_take() - @length_bytes bytes in place, or NULL (and failed) when there are fewer */
static inline const uint8_t *reader_take(struct reader *reader, size_t length_bytes)
{
	const uint8_t *at = reader->at;

	if (reader->failed || reader->left < length_bytes) {
		reader->failed = true;
		return NULL;
	}
	reader->at += length_bytes;
	reader->left -= length_bytes;
	return at;
}

static inline void reader_skip(struct reader *reader, size_t length_bytes)
{
	(void)reader_take(reader, length_bytes);
}

static inline uint8_t reader_u8(struct reader *reader)
{
	const uint8_t *p = reader_take(reader, 1);

	return p ? *p : 0;
}

static inline uint16_t reader_u16(struct reader *reader)
{
	const uint8_t *p = reader_take(reader, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t reader_u24(struct reader *reader)
{
	const uint8_t *p = reader_take(reader, 3);

	return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t reader_u32(struct reader *reader)
{
	const uint8_t *p = reader_take(reader, 4);
	be32 v = {};

	if (p)
		memcpy(&v, p, 4);
	return be32_get(v);
}

static inline uint64_t reader_u64(struct reader *reader)
{
	const uint8_t *p = reader_take(reader, 8);
	be64 v = {};

	if (p)
		memcpy(&v, p, 8);
	return be64_get(v);
}

/** reader_sub() - the next @length_bytes bytes as a reader of their own */
static inline struct reader reader_sub(struct reader *reader, size_t length_bytes)
{
	const uint8_t *p = reader_take(reader, length_bytes);

	return p ? reader_of(p, length_bytes) : (struct reader){.failed = true};
}

/*
 * A bounded writer into memory that stays the caller's. A write that does not fit writes nothing
 * and sets @failed, which stays set.
 */
struct writer {
	uint8_t *start;
	size_t length, capacity; /* bytes */
	bool failed;
};

static inline struct writer writer_of(void *memory, size_t capacity_bytes)
{
	return (struct writer){.start = memory, .capacity = capacity_bytes};
}

static inline void writer_bytes(struct writer *writer, const void *data, size_t length_bytes)
{
	if (writer->failed || writer->capacity - writer->length < length_bytes) {
		writer->failed = true;
		return;
	}
	memcpy(writer->start + writer->length, data, length_bytes);
	writer->length += length_bytes;
}

static inline void writer_u8(struct writer *writer, uint8_t n)
{
	writer_bytes(writer, &n, 1);
}

static inline void writer_u16(struct writer *writer, uint16_t n)
{
	be16 v = be16_of(n);

	writer_bytes(writer, &v, sizeof(v));
}

static inline void writer_u32(struct writer *writer, uint32_t n)
{
	be32 v = be32_of(n);

	writer_bytes(writer, &v, sizeof(v));
}

static inline void writer_u64(struct writer *writer, uint64_t n)
{
	be64 v = be64_of(n);

	writer_bytes(writer, &v, sizeof(v));
}
