/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/ublk_abi.h"
#include "block/ublk_queue.h"
#include "scsi/cdb.h"
#include "tests/unit/block/fixture.h"
#include "util/cleanup.h"

#define DISK_BLOCKS 4096
#define DEPTH	    4

/* The driver: what is with it of each tag. */
struct bench {
	struct fixture fixture;
	struct ublk_queue *queue;
	struct ublk_io_descriptor descriptors[DEPTH];
	struct {
		struct op *op; /* NULL: the queue has the tag */
		uint32_t operation;
		struct ublk_io_command command;
	} tags[DEPTH];
	bool stopped;
};

static void take_command(void *driver, struct ring *ring, struct op *op, uint32_t operation,
			 const struct ublk_io_command *command)
{
	struct bench *bench = driver;

	assert_true(command->tag < DEPTH);
	assert_int_equal(command->queue_id, 0);
	assert_null(bench->tags[command->tag].op);
	bench->tags[command->tag].op = op;
	bench->tags[command->tag].operation = operation;
	bench->tags[command->tag].command = *command;
}

static const struct ublk_queue_ops fake_ops = {take_command};

static struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	fixture_init(&bench->fixture, DISK_BLOCKS, 512);
	fixture_begin_map(&bench->fixture);
	assert_int_equal(ublk_queue_new(bench->fixture.map, &bench->fixture.unit.limits, DEPTH,
					&bench->queue),
			 0);
	ublk_queue_start(bench->queue, bench->fixture.ring, bench->descriptors, &fake_ops, bench);
	return bench;
}

static void complete(struct bench *bench, unsigned tag, int result)
{
	struct op *op = bench->tags[tag].op;

	assert_non_null(op);
	bench->tags[tag].op = NULL;
	op->done(op, result, 0);
}

/* All tags come back, as when the device is stopped. */
static void abort_all(struct bench *bench)
{
	for (unsigned i = 0; i < DEPTH; i++)
		if (bench->tags[i].op)
			complete(bench, i, UBLK_IO_ABORTED);
}

static void note_stopped(void *userdata)
{
	*(bool *)userdata = true;
}

static void bench_free(struct bench *bench)
{
	if (!bench->stopped) {
		ublk_queue_stop(bench->queue, note_stopped, &bench->stopped);
		abort_all(bench);
		fixture_settle(&bench->fixture);
		assert_true(bench->stopped);
	}
	ublk_queue_free(bench->queue);
	fixture_deinit(&bench->fixture);
	free(bench);
}

/* Where the driver copies data to and from, as the last command of @tag told. */
static uint8_t *buffer(struct bench *bench, unsigned tag)
{
	return (uint8_t *)(uintptr_t)bench->tags[tag].command.address;
}

static void request(struct bench *bench, unsigned tag, uint32_t operation, uint64_t sector,
		    uint32_t sectors)
{
	bench->descriptors[tag] = (struct ublk_io_descriptor){
		.operation = operation,
		.start_sector = sector,
		.sectors = sectors,
	};
	complete(bench, tag, 0);
}

/* The answer to what @tag has; it must be with the driver again. */
static int answer(struct bench *bench, unsigned tag)
{
	assert_non_null(bench->tags[tag].op);
	assert_int_equal(bench->tags[tag].operation, UBLK_IO_COMMIT_AND_FETCH);
	return bench->tags[tag].command.result;
}

static int run(struct bench *bench, uint32_t operation, uint64_t sector, uint32_t sectors)
{
	request(bench, 0, operation, sector, sectors);
	fixture_settle(&bench->fixture);
	return answer(bench, 0);
}

static unsigned count(struct bench *bench, int opcode)
{
	return (unsigned)fake_nexus_count(bench->fixture.nexus, opcode);
}

/* --- requests --- */

static void every_tag_is_fetched_with_a_buffer_of_its_own(void **state)
{
	struct bench *bench = bench_new();

	for (unsigned i = 0; i < DEPTH; i++) {
		assert_non_null(bench->tags[i].op);
		assert_int_equal(bench->tags[i].operation, UBLK_IO_FETCH);
		assert_int_equal(bench->tags[i].command.tag, i);
		memset(buffer(bench, i), (int)i, UBLK_QUEUE_REQUEST_MAX_BYTES);
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		assert_int_equal(buffer(bench, i)[0], i);
		assert_int_equal(buffer(bench, i)[UBLK_QUEUE_REQUEST_MAX_BYTES - 1], i);
	}
	bench_free(bench);
}

static void what_was_written_is_read(void **state)
{
	struct bench *bench = bench_new();

	memset(buffer(bench, 0), 0x5a, 8 * 512);
	assert_int_equal(run(bench, UBLK_IO_WRITE, 16, 8), 8 * 512);
	assert_int_equal(bench->fixture.fake_unit->data[16 * 512], 0x5a);
	memset(buffer(bench, 0), 0, 8 * 512);
	assert_int_equal(run(bench, UBLK_IO_READ, 16, 8), 8 * 512);
	assert_int_equal(buffer(bench, 0)[8 * 512 - 1], 0x5a);
	bench_free(bench);
}

static void requests_without_data_are_answered_with_zero(void **state)
{
	struct bench *bench = bench_new();

	assert_int_equal(run(bench, UBLK_IO_FLUSH, 0, 0), 0);
	assert_int_equal(count(bench, SCSI_SYNCHRONIZE_CACHE_10), 1);
	memset(bench->fixture.fake_unit->data, 0xaa, 512 * 64);
	assert_int_equal(run(bench, UBLK_IO_WRITE_ZEROES, 8, 16), 0);
	assert_int_equal(bench->fixture.fake_unit->data[8 * 512], 0);
	assert_int_equal(bench->fixture.fake_unit->data[24 * 512], 0xaa);
	assert_int_equal(run(bench, UBLK_IO_DISCARD, 32, 16), 0);
	assert_int_equal(count(bench, SCSI_UNMAP) + count(bench, SCSI_WRITE_SAME_16), 2);
	bench_free(bench);
}

static void fua_reaches_the_unit(void **state)
{
	struct bench *bench = bench_new();
	size_t index;

	assert_int_equal(run(bench, UBLK_IO_WRITE | UBLK_IO_FUA, 0, 1), 512);
	index = bench->fixture.nexus->record_count - 1;
	assert_int_equal(bench->fixture.nexus->records[index].cdb[0], SCSI_WRITE_16);
	assert_true(bench->fixture.nexus->records[index].cdb[1] & 0x08);
	bench_free(bench);
}

static void zeroes_that_must_stay_allocated_are_not_unmapped(void **state)
{
	struct bench *bench = bench_new();
	size_t index;

	assert_int_equal(run(bench, UBLK_IO_WRITE_ZEROES | UBLK_IO_NO_UNMAP, 0, 8), 0);
	index = bench->fixture.nexus->record_count - 1;
	assert_int_equal(bench->fixture.nexus->records[index].cdb[0], SCSI_WRITE_SAME_16);
	assert_false(bench->fixture.nexus->records[index].cdb[1] & 0x08); /* UNMAP */
	bench_free(bench);
}

static void requests_that_make_no_sense_are_refused(void **state)
{
	struct bench *bench = bench_new();

	assert_int_equal(run(bench, UBLK_IO_WRITE_SAME, 0, 8), -EOPNOTSUPP);
	assert_int_equal(run(bench, 0xee, 0, 8), -EOPNOTSUPP);
	assert_int_equal(run(bench, UBLK_IO_READ, 0, UBLK_QUEUE_REQUEST_MAX_BYTES / 512 + 1),
			 -EINVAL);
	assert_int_equal(run(bench, UBLK_IO_READ, DISK_BLOCKS, 1), -EINVAL);
	assert_int_equal(count(bench, FAKE_ANY_OPCODE), 0);
	bench_free(bench);
}

static void tags_are_answered_as_they_end(void **state)
{
	struct bench *bench = bench_new();

	for (unsigned i = 0; i < DEPTH; i++)
		request(bench, i, UBLK_IO_READ, i * 8, 8);
	for (unsigned i = 0; i < DEPTH; i++)
		assert_null(bench->tags[i].op);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < DEPTH; i++)
		assert_int_equal(answer(bench, i), 8 * 512);
	bench_free(bench);
}

static void resized_unit_is_used_to_its_end(void **state)
{
	struct bench *bench = bench_new();

	ublk_queue_set_blocks(bench->queue, DISK_BLOCKS / 2);
	assert_int_equal(run(bench, UBLK_IO_READ, DISK_BLOCKS / 2, 1), -EINVAL);
	ublk_queue_set_blocks(bench->queue, DISK_BLOCKS);
	assert_int_equal(run(bench, UBLK_IO_READ, DISK_BLOCKS / 2, 1), 512);
	bench_free(bench);
}

static void error_of_the_unit_is_told(void **state)
{
	struct bench *bench = bench_new();

	fake_nexus_script(bench->fixture.nexus, SCSI_READ_16, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0x3, 0x11, 0x00));
	assert_true(run(bench, UBLK_IO_READ, 0, 8) < 0);
	bench_free(bench);
}

/* --- failing and stopping --- */

static void failing_answers_what_is_under_way_and_what_comes(void **state)
{
	struct bench *bench = bench_new();

	request(bench, 0, UBLK_IO_READ, 0, 8);
	ublk_queue_fail(bench->queue, -EIO);
	assert_int_equal(answer(bench, 0), -EIO);
	request(bench, 1, UBLK_IO_WRITE, 0, 8);
	assert_int_equal(answer(bench, 1), -EIO);
	fixture_settle(&bench->fixture); /* the map gives the first one back: no second answer */
	assert_int_equal(answer(bench, 0), -EIO);
	bench_free(bench);
}

static void data_of_a_failed_write_are_not_overwritten_while_it_may_be_on_a_wire(void **state)
{
	struct bench *bench = bench_new();
	uint8_t *first = buffer(bench, 0);

	memset(first, 0x11, 512);
	request(bench, 0, UBLK_IO_WRITE, 0, 1);
	ublk_queue_fail(bench->queue, -EIO);
	assert_ptr_not_equal(buffer(bench, 0), first);
	memset(buffer(bench, 0), 0x22, 512); /* the driver copies the next write's data */
	request(bench, 0, UBLK_IO_WRITE, 0, 1);
	assert_ptr_not_equal(buffer(bench, 0), first);
	assert_int_equal(answer(bench, 0), -EIO);
	fixture_settle(&bench->fixture);
	assert_int_equal(bench->fixture.fake_unit->data[0], 0x11);
	bench_free(bench);
}

static void stop_waits_for_the_tags_and_for_the_map(void **state)
{
	struct bench *bench = bench_new();

	fake_nexus_script(bench->fixture.nexus, SCSI_READ_16, 1, &FAKE_HELD);
	request(bench, 0, UBLK_IO_READ, 0, 8);
	fixture_turn(&bench->fixture);
	ublk_queue_stop(bench->queue, note_stopped, &bench->stopped);
	fixture_turn(&bench->fixture);
	assert_false(bench->stopped);
	abort_all(bench);
	fixture_settle(&bench->fixture);
	assert_false(bench->stopped); /* the map has one yet */
	fake_nexus_lose(bench->fixture.nexus, SCSI_NOT_SENT);
	map_fail_all(bench->fixture.map, -EIO);
	fixture_settle(&bench->fixture);
	assert_true(bench->stopped);
	bench_free(bench);
}

static void refused_tag_is_noticed(void **state)
{
	struct bench *bench = bench_new();

	assert_int_equal(ublk_queue_refused(bench->queue), 0);
	complete(bench, 2, UBLK_IO_ABORTED);
	assert_int_equal(ublk_queue_refused(bench->queue), 0); /* that is how they all end */
	complete(bench, 3, -EINVAL);
	assert_int_equal(ublk_queue_refused(bench->queue), -EINVAL);
	bench_free(bench);
}

static void queue_can_discard_as_the_unit_can(void **state)
{
	struct bench *bench = bench_new();
	struct unit_limits limits = bench->fixture.unit.limits;
	struct ublk_queue *other;

	assert_true(ublk_queue_can_discard(bench->queue));
	limits.unmap = limits.write_same_unmap = limits.thin = false;
	assert_int_equal(ublk_queue_new(bench->fixture.map, &limits, DEPTH, &other), 0);
	assert_false(ublk_queue_can_discard(other));
	ublk_queue_free(other);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tag_is_fetched_with_a_buffer_of_its_own),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(requests_without_data_are_answered_with_zero),
		cmocka_unit_test(fua_reaches_the_unit),
		cmocka_unit_test(zeroes_that_must_stay_allocated_are_not_unmapped),
		cmocka_unit_test(requests_that_make_no_sense_are_refused),
		cmocka_unit_test(tags_are_answered_as_they_end),
		cmocka_unit_test(resized_unit_is_used_to_its_end),
		cmocka_unit_test(error_of_the_unit_is_told),
		cmocka_unit_test(failing_answers_what_is_under_way_and_what_comes),
		cmocka_unit_test(
			data_of_a_failed_write_are_not_overwritten_while_it_may_be_on_a_wire),
		cmocka_unit_test(stop_waits_for_the_tags_and_for_the_map),
		cmocka_unit_test(refused_tag_is_noticed),
		cmocka_unit_test(queue_can_discard_as_the_unit_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
