/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/request.h"
#include "scsi/cdb.h"
#include "tests/unit/block/fixture.h"
#include "util/cleanup.h"

#define DISK_BLOCKS 8192
#define PENDING	    1000 /* no errno */

struct bench {
	struct fixture fixture;
	struct block_target target;
	struct block_request request;
	int error, dones;
};

static void note_done(struct block_request *request, int error)
{
	struct bench *bench = container_of(request, struct bench, request);

	bench->error = error;
	bench->dones++;
}

static struct bench *bench_new(uint32_t block_size)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	fixture_init(&bench->fixture, DISK_BLOCKS, block_size);
	/* Nothing reads as zero by accident. */
	memset(bench->fixture.fake_unit->data, 0xaa, (size_t)DISK_BLOCKS * block_size);
	return bench;
}

static void bench_begin(struct bench *bench, uint32_t transfer_max_bytes)
{
	fixture_begin_map(&bench->fixture);
	assert_int_equal(block_target_init(&bench->target, bench->fixture.map,
					   &bench->fixture.unit.limits, transfer_max_bytes),
			 0);
}

static void bench_free(struct bench *bench)
{
	block_target_deinit(&bench->target);
	block_target_deinit(&bench->target);
	fixture_deinit(&bench->fixture);
	free(bench);
}

static struct unit_limits *limits_of(struct bench *bench)
{
	return &bench->fixture.unit.limits;
}

static int submit(struct bench *bench, enum block_operation operation, unsigned flags,
		  uint64_t block, uint64_t blocks, void *data)
{
	uint32_t block_size = limits_of(bench)->block_size;

	bench->request.operation = operation;
	bench->request.flags = flags;
	bench->request.offset_bytes = block * block_size;
	bench->request.length_bytes = blocks * block_size;
	bench->request.data = data;
	bench->request.done = note_done;
	bench->dones = 0;
	bench->error = PENDING;
	return block_submit(&bench->target, &bench->request);
}

/* Submit, let the disk answer, give the error; a request that never ran gives what submit said. */
static int run(struct bench *bench, enum block_operation operation, unsigned flags, uint64_t block,
	       uint64_t blocks, void *data)
{
	int r = submit(bench, operation, flags, block, blocks, data);

	assert_int_equal(bench->dones, 0);
	fixture_settle(&bench->fixture);
	assert_int_equal(bench->dones, r == 0 ? 1 : 0);
	return r == 0 ? bench->error : r;
}

static unsigned count(struct bench *bench, int opcode)
{
	return (unsigned)fake_nexus_count(bench->fixture.nexus, opcode);
}

static const struct fake_record *record(struct bench *bench, size_t index)
{
	assert_true(index < bench->fixture.nexus->record_count);
	return &bench->fixture.nexus->records[index];
}

static bool is_filled(struct bench *bench, uint64_t block, uint64_t blocks, uint8_t byte)
{
	const uint8_t *data = bench->fixture.fake_unit->data;
	uint32_t block_size = limits_of(bench)->block_size;

	for (uint64_t i = block * block_size; i < (block + blocks) * block_size; i++)
		if (data[i] != byte)
			return false;
	return true;
}

/* --- reads and writes --- */

static void write_and_read_back_for_every_size_and_limit(void **state)
{
	static const struct {
		uint32_t block_size, max_transfer_blocks, cap_bytes;
		uint64_t block, blocks;
		unsigned commands;
	} rows[] = {
		{512, 0, 0, 0, 1, 1},	  {512, 0, 0, 8191, 1, 1},    {512, 0, 0, 3, 2048, 1},
		{512, 0, 0, 3, 2049, 2},  {512, 7, 0, 5, 100, 15},    {512, 1, 0, 1, 9, 9},
		{512, 0, 4096, 1, 9, 2},  {512, 100, 4096, 0, 16, 2}, {512, 0, 512, 0, 5, 5},
		{512, 0, 0, 0, 8192, 4},  {4096, 0, 0, 0, 1, 1},      {4096, 0, 0, 10, 256, 1},
		{4096, 0, 0, 10, 257, 2}, {4096, 3, 0, 1, 10, 4},     {4096, 0, 8192, 8190, 2, 1},
		{2048, 0, 5000, 0, 5, 3},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new(rows[i].block_size);
		size_t bytes = rows[i].blocks * rows[i].block_size;
		owned_memory uint8_t *out = malloc(bytes);
		owned_memory uint8_t *in = malloc(bytes);
		uint64_t next = rows[i].block;

		limits_of(bench)->max_transfer_blocks = rows[i].max_transfer_blocks;
		bench_begin(bench, rows[i].cap_bytes);
		for (size_t k = 0; k < bytes; k++)
			out[k] = (uint8_t)(k * 7 + k / 512);
		assert_int_equal(run(bench, BLOCK_WRITE, 0, rows[i].block, rows[i].blocks, out), 0);
		assert_int_equal(count(bench, SCSI_WRITE_16), rows[i].commands);
		for (unsigned k = 0; k < rows[i].commands; k++) {
			assert_int_equal(fake_record_lba(record(bench, k)), next);
			next += fake_record_blocks(record(bench, k));
		}
		assert_int_equal(next, rows[i].block + rows[i].blocks);
		assert_int_equal(run(bench, BLOCK_READ, 0, rows[i].block, rows[i].blocks, in), 0);
		assert_int_equal(count(bench, SCSI_READ_16), rows[i].commands);
		assert_memory_equal(in, out, bytes);
		if (rows[i].block > 0)
			assert_true(is_filled(bench, rows[i].block - 1, 1, 0xaa));
		bench_free(bench);
	}
}

static void old_unit_gets_10_byte_commands_of_16_bits(void **state)
{
	struct bench *bench = bench_new(512);
	owned_memory uint8_t *data = malloc(70000 * 512);

	free(bench->fixture.fake_unit->data);
	bench->fixture.fake_unit->data = calloc(80000, 512);
	bench->fixture.fake_unit->blocks = limits_of(bench)->blocks = 80000;
	bench->fixture.fake_unit->no_16 = true;
	limits_of(bench)->needs_10_byte = true;
	bench_begin(bench, 64u << 20);
	memset(data, 0x5c, 70000 * 512);
	assert_int_equal(run(bench, BLOCK_WRITE, 0, 9, 70000, data), 0);
	assert_int_equal(count(bench, SCSI_WRITE_10), 2);
	assert_int_equal(fake_record_blocks(record(bench, 0)), 65535);
	assert_true(is_filled(bench, 9, 70000, 0x5c));
	assert_int_equal(run(bench, BLOCK_READ, 0, 0, 1, data), 0);
	assert_int_equal(count(bench, SCSI_READ_10), 1);
	assert_int_equal(run(bench, BLOCK_WRITE_ZEROES, 0, 1, 50, NULL), 0);
	assert_int_equal(count(bench, SCSI_WRITE_SAME_16), 0);
	assert_true(is_filled(bench, 1, 50, 0));
	bench_free(bench);
}

static void no_more_pieces_are_in_flight_than_a_request_has(void **state)
{
	struct bench *bench = bench_new(512);
	uint8_t data[20 * 512] = {};

	limits_of(bench)->max_transfer_blocks = 1;
	bench_begin(bench, 0);
	assert_int_equal(submit(bench, BLOCK_WRITE, 0, 0, 20, data), 0);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), BLOCK_PIECES);
	assert_true(fake_nexus_run_one(bench->fixture.nexus, 2));
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), BLOCK_PIECES);
	fixture_settle(&bench->fixture);
	assert_int_equal(bench->dones, 1);
	assert_int_equal(bench->error, 0);
	assert_true(is_filled(bench, 0, 20, 0));
	bench_free(bench);
}

static void first_error_wins_and_is_told_when_all_pieces_ended(void **state)
{
	struct bench *bench = bench_new(512);
	uint8_t data[20 * 512] = {};
	struct fake_nexus *nexus = bench->fixture.nexus;

	limits_of(bench)->max_transfer_blocks = 1;
	bench_begin(bench, 0);
	assert_int_equal(submit(bench, BLOCK_WRITE, 0, 0, 20, data), 0);
	fake_nexus_complete(nexus, 1, &FAKE_CHECK_CONDITION(0x7, 0x27, 0x07)); /* ENOSPC */
	assert_int_equal(bench->dones, 0);
	fake_nexus_complete(nexus, 0, &FAKE_CHECK_CONDITION(0x3, 0x11, 0x00)); /* EIO */
	assert_int_equal(bench->dones, 0);
	assert_int_equal(fake_nexus_queued(nexus), 2);
	fixture_settle(&bench->fixture);
	assert_int_equal(bench->dones, 1);
	assert_int_equal(bench->error, -ENOSPC);
	assert_int_equal(count(bench, SCSI_WRITE_16), BLOCK_PIECES);
	bench_free(bench);
}

static void what_is_outside_or_off_block_is_refused(void **state)
{
	static const struct {
		uint64_t offset_bytes, length_bytes;
		int r;
	} rows[] = {
		{1, 512, -EINVAL},
		{512, 511, -EINVAL},
		{DISK_BLOCKS * 512, 512, -EINVAL},
		{(DISK_BLOCKS - 1) * 512, 1024, -EINVAL},
		{UINT64_MAX - 511, 512, -EINVAL},
		{512, UINT64_MAX - 511, -EINVAL},
		{DISK_BLOCKS * 512, 0, 1},
		{0, 0, 1},
	};
	struct bench *bench = bench_new(512);
	uint8_t data[1024];

	bench_begin(bench, 0);
	for (int operation = 0; operation < BLOCK_OPERATION_COUNT; operation++) {
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			bench->request = (struct block_request){
				.operation = (enum block_operation)operation,
				.offset_bytes = rows[i].offset_bytes,
				.length_bytes = rows[i].length_bytes,
				.data = data,
				.done = note_done,
			};
			if (operation == BLOCK_FLUSH)
				continue;
			assert_int_equal(block_submit(&bench->target, &bench->request), rows[i].r);
		}
	}
	assert_int_equal(count(bench, FAKE_ANY_OPCODE), 0);
	bench_free(bench);
}

static void read_only_unit_can_be_read_and_flushed_only(void **state)
{
	static const int wanted[BLOCK_OPERATION_COUNT] = {
		[BLOCK_WRITE] = -EROFS,
		[BLOCK_DISCARD] = -EROFS,
		[BLOCK_WRITE_ZEROES] = -EROFS,
	};
	struct bench *bench = bench_new(512);
	uint8_t data[512];

	limits_of(bench)->read_only = true;
	bench_begin(bench, 0);
	for (int i = 0; i < BLOCK_OPERATION_COUNT; i++)
		assert_int_equal(run(bench, (enum block_operation)i, 0, 0, 1, data), wanted[i]);
	bench_free(bench);
}

static void impossible_block_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 256, 520, 3072, 8192, UINT32_MAX};
	struct bench *bench = bench_new(512);

	bench_begin(bench, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct unit_limits limits = *limits_of(bench);
		struct block_target target;

		limits.block_size = sizes[i];
		assert_int_equal(block_target_init(&target, bench->fixture.map, &limits, 0),
				 -EINVAL);
	}
	bench_free(bench);
}

/* --- flush and FUA --- */

static void fua_and_flush_follow_the_cache(void **state)
{
	/* clang-format off */
	static const struct {
		enum block_operation operation;
		unsigned flags;
		bool write_cache, fua;
		bool fua_bit;
		unsigned syncs;
	} rows[] = {
		{BLOCK_FLUSH,        0,         true,  true,  false, 1},
		{BLOCK_FLUSH,        BLOCK_FUA, true,  true,  false, 1},
		{BLOCK_FLUSH,        0,         true,  false, false, 1},
		{BLOCK_FLUSH,        0,         false, true,  false, 0},
		{BLOCK_FLUSH,        0,         false, false, false, 0},
		{BLOCK_WRITE,        0,         true,  true,  false, 0},
		{BLOCK_WRITE,        BLOCK_FUA, true,  true,  true,  0},
		{BLOCK_WRITE,        BLOCK_FUA, true,  false, false, 1},
		{BLOCK_WRITE,        BLOCK_FUA, false, true,  true,  0},
		{BLOCK_WRITE,        BLOCK_FUA, false, false, false, 0},
		{BLOCK_READ,         BLOCK_FUA, true,  false, false, 0},
		{BLOCK_WRITE_ZEROES, BLOCK_FUA, true,  true,  false, 1},
		{BLOCK_WRITE_ZEROES, BLOCK_FUA, false, true,  false, 0},
		{BLOCK_WRITE_ZEROES, 0,         true,  true,  false, 0},
		{BLOCK_DISCARD,      BLOCK_FUA, true,  true,  false, 1},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new(512);
		uint8_t data[512] = {};
		int r;

		limits_of(bench)->write_cache = rows[i].write_cache;
		limits_of(bench)->fua = rows[i].fua;
		bench_begin(bench, 0);
		r = run(bench, rows[i].operation, rows[i].flags, 4, 1, data);
		if (rows[i].operation == BLOCK_FLUSH && !rows[i].write_cache)
			assert_int_equal(r, 1);
		else
			assert_int_equal(r, 0);
		assert_int_equal(count(bench, SCSI_SYNCHRONIZE_CACHE_10), rows[i].syncs);
		if (rows[i].operation == BLOCK_WRITE)
			assert_int_equal(!!(record(bench, 0)->cdb[1] & CDB_FUA), rows[i].fua_bit);
		bench_free(bench);
	}
}

static void flush_waits_for_every_piece_of_a_fua_write(void **state)
{
	struct bench *bench = bench_new(512);
	struct fake_nexus *nexus = bench->fixture.nexus;
	uint8_t data[3 * 512] = {};

	limits_of(bench)->fua = false;
	limits_of(bench)->max_transfer_blocks = 1;
	bench_begin(bench, 0);
	assert_int_equal(submit(bench, BLOCK_WRITE, BLOCK_FUA, 0, 3, data), 0);
	fake_nexus_run_one(nexus, 0);
	fake_nexus_run_one(nexus, 0);
	assert_int_equal(count(bench, SCSI_SYNCHRONIZE_CACHE_10), 0);
	fake_nexus_run_one(nexus, 0);
	assert_int_equal(count(bench, SCSI_SYNCHRONIZE_CACHE_10), 1);
	assert_int_equal(bench->dones, 0);
	fixture_settle(&bench->fixture);
	assert_int_equal(bench->dones, 1);
	bench_free(bench);
}

static void failed_fua_write_is_not_flushed(void **state)
{
	struct bench *bench = bench_new(512);
	uint8_t data[512] = {};

	limits_of(bench)->fua = false;
	bench_begin(bench, 0);
	fake_nexus_script(bench->fixture.nexus, SCSI_WRITE_16, 1,
			  &FAKE_CHECK_CONDITION(0x3, 0x0c, 0x02));
	fake_nexus_script(bench->fixture.nexus, SCSI_WRITE_16, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0x3, 0x0c, 0x02));
	assert_int_equal(run(bench, BLOCK_WRITE, BLOCK_FUA, 0, 1, data), -EIO);
	assert_int_equal(count(bench, SCSI_SYNCHRONIZE_CACHE_10), 0);
	bench_free(bench);
}

/* --- discard and zero --- */

enum way { WAY_NONE, WAY_UNMAP, WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME, WAY_WRITE };

static enum way way_of(const struct fake_record *record)
{
	switch (record->cdb[0]) {
	case SCSI_UNMAP:
		return WAY_UNMAP;
	case SCSI_WRITE_SAME_16:
		return record->cdb[1] & CDB_WRITE_SAME_UNMAP ? WAY_WRITE_SAME_UNMAP
							     : WAY_WRITE_SAME;
	case SCSI_WRITE_16:
		return WAY_WRITE;
	default:
		return WAY_NONE;
	}
}

static void every_unit_is_discarded_and_zeroed_its_best_way(void **state)
{
	/* clang-format off */
	static const struct {
		bool unmap, write_same_unmap, reads_zero;
		enum way discard, must_zero, zeroes, zeroes_no_unmap;
	} rows[] = {
		{false, false, false, WAY_NONE,             WAY_WRITE_SAME,       WAY_WRITE_SAME,       WAY_WRITE_SAME},
		{false, false, true,  WAY_NONE,             WAY_WRITE_SAME,       WAY_WRITE_SAME,       WAY_WRITE_SAME},
		{false, true,  false, WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME,       WAY_WRITE_SAME,       WAY_WRITE_SAME},
		{false, true,  true,  WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME},
		{true,  false, false, WAY_UNMAP,            WAY_WRITE_SAME,       WAY_WRITE_SAME,       WAY_WRITE_SAME},
		{true,  false, true,  WAY_UNMAP,            WAY_UNMAP,            WAY_UNMAP,            WAY_WRITE_SAME},
		{true,  true,  false, WAY_UNMAP,            WAY_WRITE_SAME,       WAY_WRITE_SAME,       WAY_WRITE_SAME},
		{true,  true,  true,  WAY_UNMAP,            WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME_UNMAP, WAY_WRITE_SAME},
	};
	/* clang-format on */
	static const struct {
		enum block_operation operation;
		unsigned flags;
	} requests[] = {
		{BLOCK_DISCARD, 0},
		{BLOCK_DISCARD, BLOCK_MUST_ZERO},
		{BLOCK_WRITE_ZEROES, 0},
		{BLOCK_WRITE_ZEROES, BLOCK_NO_UNMAP},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const enum way ways[] = {rows[i].discard, rows[i].must_zero, rows[i].zeroes,
					 rows[i].zeroes_no_unmap};

		for (unsigned k = 0; k < ARRAY_SIZE(requests); k++) {
			struct bench *bench = bench_new(512);
			struct unit_limits *limits = limits_of(bench);
			int r;

			limits->unmap = rows[i].unmap;
			limits->write_same_unmap = rows[i].write_same_unmap;
			limits->unmapped_reads_zero = rows[i].reads_zero;
			bench_begin(bench, 0);
			r = run(bench, requests[k].operation, requests[k].flags, 16, 100, NULL);
			assert_int_equal(r, ways[k] == WAY_NONE ? -EOPNOTSUPP : 0);
			if (ways[k] == WAY_NONE)
				assert_int_equal(count(bench, FAKE_ANY_OPCODE), 0);
			else
				assert_int_equal(way_of(record(bench, 0)), ways[k]);
			if (k > 0)
				assert_true(is_filled(bench, 16, 100, 0));
			assert_true(is_filled(bench, 15, 1, 0xaa));
			assert_true(is_filled(bench, 116, 1, 0xaa));
			assert_int_equal(block_target_can_discard(&bench->target, false),
					 ways[0] != WAY_NONE);
			assert_int_equal(block_target_can_discard(&bench->target, true),
					 ways[1] == WAY_UNMAP || ways[1] == WAY_WRITE_SAME_UNMAP);
			bench_free(bench);
		}
	}
}

static void refused_methods_are_replaced_and_never_tried_again(void **state)
{
	static const struct {
		uint8_t key, asc, ascq;
	} refusals[] = {{0x5, 0x20, 0x00}, {0x5, 0x24, 0x00}, {0x5, 0x26, 0x00}};

	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct bench *bench = bench_new(512);
		struct fake_answer refusal =
			FAKE_CHECK_CONDITION(refusals[i].key, refusals[i].asc, refusals[i].ascq);
		size_t writes;

		bench_begin(bench, 64 * 512);
		fake_nexus_script(bench->fixture.nexus, SCSI_WRITE_SAME_16, FAKE_FOR_EVER,
				  &refusal);
		fake_nexus_script(bench->fixture.nexus, SCSI_UNMAP, FAKE_FOR_EVER, &refusal);
		assert_int_equal(run(bench, BLOCK_DISCARD, BLOCK_MUST_ZERO, 10, 1000, NULL), 0);
		assert_true(is_filled(bench, 10, 1000, 0));
		assert_true(is_filled(bench, 9, 1, 0xaa));
		assert_true(is_filled(bench, 1010, 1, 0xaa));
		assert_int_equal(count(bench, SCSI_UNMAP), 1);
		assert_int_equal(count(bench, SCSI_WRITE_SAME_16), 2);
		writes = count(bench, SCSI_WRITE_16);
		assert_int_equal(writes, 16);
		assert_int_equal(run(bench, BLOCK_WRITE_ZEROES, 0, 2000, 64, NULL), 0);
		assert_int_equal(count(bench, FAKE_ANY_OPCODE), 3 + writes + 1);
		assert_int_equal(run(bench, BLOCK_DISCARD, 0, 0, 1, NULL), -EOPNOTSUPP);
		bench_free(bench);
	}
}

static void discard_ends_when_the_unit_refuses_every_way(void **state)
{
	struct bench *bench = bench_new(512);

	bench_begin(bench, 0);
	bench->fixture.fake_unit->unmap = false;
	bench->fixture.fake_unit->write_same = false;
	assert_int_equal(run(bench, BLOCK_DISCARD, 0, 0, 100, NULL), -EOPNOTSUPP);
	assert_int_equal(count(bench, FAKE_ANY_OPCODE), 2);
	assert_true(is_filled(bench, 0, 100, 0xaa));
	bench_free(bench);
}

static void other_errors_do_not_make_a_method_forgotten(void **state)
{
	struct bench *bench = bench_new(512);

	bench_begin(bench, 0);
	fake_nexus_script(bench->fixture.nexus, SCSI_UNMAP, 2,
			  &FAKE_CHECK_CONDITION(0x4, 0x44, 0x00)); /* EREMOTEIO */
	assert_true(run(bench, BLOCK_DISCARD, 0, 0, 8, NULL) < 0);
	fake_nexus_clear_script(bench->fixture.nexus);
	assert_int_equal(run(bench, BLOCK_DISCARD, 0, 0, 8, NULL), 0);
	assert_int_equal(count(bench, SCSI_WRITE_SAME_16), 0);
	bench_free(bench);
}

static void unmap_keeps_to_granules_and_leaves_the_rest_alone(void **state)
{
	/* clang-format off */
	static const struct {
		uint32_t granule, alignment, max_blocks;
		uint64_t block, blocks;
		uint64_t first, count; /* what is unmapped */
		unsigned commands;
	} rows[] = {
		{0,  0, 1 << 20, 3,  10,   3,  10,   1},
		{1,  0, 1 << 20, 3,  10,   3,  10,   1},
		{8,  0, 1 << 20, 8,  16,   8,  16,   1},
		{8,  0, 1 << 20, 3,  30,   8,  24,   1},
		{8,  3, 1 << 20, 3,  17,   3,  16,   1},
		{8,  3, 1 << 20, 0,  19,   3,  16,   1},
		{8, 11, 1 << 20, 0,  19,   3,  16,   1},
		{8,  0, 1 << 20, 1,  6,    0,  0,    0},
		{8,  0, 1 << 20, 1,  14,   0,  0,    0},
		{8,  0, 20,      0,  64,   0,  64,   4},
		{8,  0, 4,       0,  8,    0,  4,    1},
		{64, 0, 1 << 20, 60, 1000, 64, 960,  1},
		{0,  0, 100,     5,  1000, 5,  1000, 10},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new(512);
		struct unit_limits *limits = limits_of(bench);
		uint64_t end = rows[i].first + rows[i].count;
		int r;

		limits->unmap_granularity_blocks = rows[i].granule;
		limits->unmap_alignment_blocks = rows[i].alignment;
		limits->max_unmap_blocks = rows[i].max_blocks;
		bench->fixture.fake_unit->max_unmap_blocks = rows[i].max_blocks;
		bench_begin(bench, 0);
		r = run(bench, BLOCK_DISCARD, 0, rows[i].block, rows[i].blocks, NULL);
		assert_int_equal(r, rows[i].commands ? 0 : 1);
		assert_int_equal(count(bench, SCSI_UNMAP), rows[i].commands);
		assert_true(is_filled(bench, 0, rows[i].first, 0xaa));
		assert_true(is_filled(bench, rows[i].first, rows[i].count, 0));
		assert_true(is_filled(bench, end, DISK_BLOCKS - end, 0xaa));
		bench_free(bench);
	}
}

static void parts_of_granules_are_written_when_they_must_read_zero(void **state)
{
	struct bench *bench = bench_new(512);
	struct unit_limits *limits = limits_of(bench);

	limits->write_same_unmap = false;
	limits->unmap_granularity_blocks = 64;
	limits->unmap_alignment_blocks = 4;
	bench_begin(bench, 0);
	assert_int_equal(run(bench, BLOCK_DISCARD, BLOCK_MUST_ZERO, 10, 500, NULL), 0);
	assert_true(is_filled(bench, 10, 500, 0));
	assert_true(is_filled(bench, 0, 10, 0xaa));
	assert_true(is_filled(bench, 510, 10, 0xaa));
	assert_int_equal(count(bench, SCSI_UNMAP), 1);
	assert_int_equal(count(bench, SCSI_WRITE_SAME_16), 2);

	bench->fixture.fake_unit->write_same = false;
	memset(bench->fixture.fake_unit->data, 0xaa, 600 * 512);
	assert_int_equal(run(bench, BLOCK_WRITE_ZEROES, 0, 10, 500, NULL), 0);
	assert_true(is_filled(bench, 10, 500, 0));
	assert_true(is_filled(bench, 0, 10, 0xaa));
	assert_true(is_filled(bench, 510, 10, 0xaa));
	assert_int_equal(count(bench, SCSI_UNMAP), 2);
	assert_int_equal(count(bench, SCSI_WRITE_16), 2);
	bench_free(bench);
}

static void write_same_is_cut_to_its_limit(void **state)
{
	struct bench *bench = bench_new(4096);

	limits_of(bench)->max_write_same_blocks = 100;
	bench->fixture.fake_unit->max_write_same_blocks = 100;
	bench_begin(bench, 0);
	assert_int_equal(run(bench, BLOCK_WRITE_ZEROES, BLOCK_NO_UNMAP, 1, 1000, NULL), 0);
	assert_int_equal(count(bench, SCSI_WRITE_SAME_16), 10);
	assert_int_equal(record(bench, 0)->data_length, 4096);
	assert_true(is_filled(bench, 1, 1000, 0));
	assert_true(is_filled(bench, 1001, 1, 0xaa));
	bench_free(bench);
}

static void four_gibibytes_are_discarded_in_one_request(void **state)
{
	struct bench *bench = bench_new(512);
	uint64_t blocks = (4ULL << 30) / 512;

	limits_of(bench)->blocks = 1ULL << 40;
	limits_of(bench)->max_unmap_blocks = 1 << 20;
	bench_begin(bench, 0);
	fake_nexus_script(bench->fixture.nexus, SCSI_UNMAP, FAKE_FOR_EVER, &FAKE_STATUS(SCSI_GOOD));
	assert_int_equal(run(bench, BLOCK_DISCARD, 0, 1ULL << 39, blocks, NULL), 0);
	assert_int_equal(count(bench, SCSI_UNMAP), blocks >> 20);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_and_read_back_for_every_size_and_limit),
		cmocka_unit_test(old_unit_gets_10_byte_commands_of_16_bits),
		cmocka_unit_test(no_more_pieces_are_in_flight_than_a_request_has),
		cmocka_unit_test(first_error_wins_and_is_told_when_all_pieces_ended),
		cmocka_unit_test(what_is_outside_or_off_block_is_refused),
		cmocka_unit_test(read_only_unit_can_be_read_and_flushed_only),
		cmocka_unit_test(impossible_block_sizes_are_refused),
		cmocka_unit_test(fua_and_flush_follow_the_cache),
		cmocka_unit_test(flush_waits_for_every_piece_of_a_fua_write),
		cmocka_unit_test(failed_fua_write_is_not_flushed),
		cmocka_unit_test(every_unit_is_discarded_and_zeroed_its_best_way),
		cmocka_unit_test(refused_methods_are_replaced_and_never_tried_again),
		cmocka_unit_test(discard_ends_when_the_unit_refuses_every_way),
		cmocka_unit_test(other_errors_do_not_make_a_method_forgotten),
		cmocka_unit_test(unmap_keeps_to_granules_and_leaves_the_rest_alone),
		cmocka_unit_test(parts_of_granules_are_written_when_they_must_read_zero),
		cmocka_unit_test(write_same_is_cut_to_its_limit),
		cmocka_unit_test(four_gibibytes_are_discarded_in_one_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
