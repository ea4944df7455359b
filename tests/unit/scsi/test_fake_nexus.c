/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/sense.h"
#include "tests/fakes/fake_nexus.h"
#include "util/cleanup.h"

/* Tests of multipath and block stand on this fake; what it promises is checked here. */

#define COMMANDS 4

struct world {
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct scsi_command commands[COMMANDS];
	uint8_t data[COMMANDS][4096];
};

static unsigned order[16];
static unsigned order_count;

static void command_done(struct scsi_command *command)
{
	assert_true(order_count < ARRAY_SIZE(order));
	order[order_count++] = command->timeout_ms; /* the test's number of it */
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	order_count = 0;
	w->unit = fake_unit_new(64, 512);
	w->nexus = fake_nexus_new(w->unit, 0);
	for (unsigned i = 0; i < COMMANDS; i++) {
		w->commands[i].data = w->data[i];
		w->commands[i].done = command_done;
		w->commands[i].timeout_ms = i;
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	fake_nexus_free(w->nexus);
	fake_unit_free(w->unit);
	free(w);
	return 0;
}

static void send(struct world *w, unsigned i)
{
	assert_int_equal(nexus_execute(&w->nexus->nexus, &w->commands[i]), 0);
}

static void send_writes(struct world *w)
{
	for (unsigned i = 0; i < COMMANDS; i++) {
		memset(w->data[i], 'a' + (int)i, 512);
		cdb_write_16(&w->commands[i], 0, i, 1, 512);
		send(w, i);
	}
}

static uint8_t first_byte(struct world *w, uint64_t lba)
{
	return *(uint8_t *)fake_unit_block(w->unit, lba);
}

static void what_is_written_is_read_back(void **state)
{
	struct world *w = *state;

	memset(w->data[0], 'x', 1024);
	cdb_write_16(&w->commands[0], CDB_FUA, 5, 2, 512);
	cdb_read_10(&w->commands[1], 0, 5, 2, 512);
	send(w, 0);
	send(w, 1);
	assert_int_equal(order_count, 0);
	assert_int_equal(fake_nexus_run(w->nexus), 2);
	assert_true(scsi_command_good(&w->commands[0]));
	assert_true(scsi_command_good(&w->commands[1]));
	assert_int_equal(scsi_command_received(&w->commands[1]), 1024);
	assert_memory_equal(w->data[1], w->data[0], 1024);
	assert_int_equal(w->unit->writes, 1);
	assert_int_equal(w->unit->reads, 1);
}

static void addresses_behind_the_end_are_refused(void **state)
{
	static const struct {
		uint64_t lba;
		uint32_t blocks;
		bool good;
	} rows[] = {{63, 1, true},  {63, 2, false}, {64, 0, true},
		    {64, 1, false}, {65, 0, false}, {UINT64_MAX, 2, false}};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cdb_write_16(&w->commands[0], 0, rows[i].lba, rows[i].blocks, 512);
		send(w, 0);
		fake_nexus_run(w->nexus);
		assert_int_equal(scsi_command_good(&w->commands[0]), rows[i].good);
		if (!rows[i].good)
			assert_int_equal(sense_of(&w->commands[0].result).asc, 0x21);
	}
}

static void unmap_write_same_and_flush_do_what_they_say(void **state)
{
	static const struct unmap_range ranges[] = {{1, 1}, {3, 1}};
	struct world *w = *state;

	memset(w->data[0], 'x', 512);
	cdb_write_same_16(&w->commands[0], 0, 0, 4, 512);
	cdb_unmap(&w->commands[1],
		  (uint16_t)unmap_parameters_fill(w->data[1], sizeof(w->data[1]), ranges, 2));
	cdb_synchronize_cache_10(&w->commands[2], 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		send(w, i);
		fake_nexus_run(w->nexus);
		assert_true(scsi_command_good(&w->commands[i]));
	}
	assert_int_equal(first_byte(w, 0), 'x');
	assert_int_equal(first_byte(w, 1), 0);
	assert_int_equal(first_byte(w, 2), 'x');
	assert_int_equal(first_byte(w, 3), 0);
	cdb_write_same_16(&w->commands[3], CDB_WRITE_SAME_NDOB, 0, 1, 512);
	send(w, 3);
	fake_nexus_run(w->nexus);
	assert_int_equal(first_byte(w, 0), 0);
	assert_int_equal(w->unit->flushes, 1);
	assert_int_equal(w->unit->unmaps, 1);
	assert_int_equal(w->unit->write_sames, 2);
}

static void commands_end_in_order_or_as_chosen(void **state)
{
	static const unsigned expected[] = {2, 0, 1, 3};
	struct world *w = *state;

	send_writes(w);
	assert_int_equal(fake_nexus_queued(w->nexus), 4);
	assert_ptr_equal(fake_nexus_command(w->nexus, 2), &w->commands[2]);
	assert_null(fake_nexus_command(w->nexus, 4));
	assert_true(fake_nexus_run_one(w->nexus, 2));
	assert_int_equal(first_byte(w, 2), 'c');
	assert_int_equal(first_byte(w, 0), 0);
	assert_int_equal(fake_nexus_run(w->nexus), 3);
	assert_false(fake_nexus_run_one(w->nexus, 0));
	assert_memory_equal(order, expected, sizeof(expected));
}

static void scripts_answer_by_opcode_and_count(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_WRITE_16, 2, &FAKE_CHECK_CONDITION(2, 0x04, 0x0b));
	fake_nexus_script(w->nexus, SCSI_READ_16, FAKE_FOR_EVER, &FAKE_STATUS(SCSI_BUSY));
	send_writes(w);
	fake_nexus_run(w->nexus);
	for (unsigned i = 0; i < COMMANDS; i++)
		assert_int_equal(scsi_command_good(&w->commands[i]), i >= 2);
	assert_int_equal(sense_of(&w->commands[0].result).ascq, 0x0b);
	assert_int_equal(first_byte(w, 0), 0);
	assert_int_equal(first_byte(w, 2), 'c');
	fake_nexus_clear_script(w->nexus);
}

static void held_commands_wait_for_a_word_of_their_own(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, FAKE_ANY_OPCODE, 2, &FAKE_HELD);
	send_writes(w);
	assert_int_equal(fake_nexus_run(w->nexus), 2);
	assert_int_equal(fake_nexus_queued(w->nexus), 2);
	fake_nexus_complete(w->nexus, 0, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	assert_int_equal(w->commands[0].result.outcome, SCSI_TARGET_FAILURE);
	nexus_abort(&w->nexus->nexus, &w->commands[1]);
	assert_int_equal(order_count, 3); /* an abort ends nothing inside its call */
	assert_int_equal(fake_nexus_run(w->nexus), 1);
	assert_int_equal(w->commands[1].result.outcome, SCSI_ABORTED);
	assert_int_equal(first_byte(w, 1), 0);
}

static void a_frozen_target_answers_nothing(void **state)
{
	struct world *w = *state;

	w->nexus->frozen = true;
	send_writes(w);
	assert_int_equal(fake_nexus_run(w->nexus), 0);
	w->nexus->frozen = false;
	assert_int_equal(fake_nexus_run(w->nexus), 4);
}

static void a_lost_connection_returns_all_and_leaves_ghosts(void **state)
{
	struct world *w = *state;

	send_writes(w);
	fake_nexus_lose(w->nexus, 2);
	assert_int_equal(order_count, 4);
	for (unsigned i = 0; i < COMMANDS; i++)
		assert_int_equal(w->commands[i].result.outcome,
				 i < 2 ? SCSI_IN_DOUBT : SCSI_NOT_SENT);
	assert_false(w->nexus->nexus.up);
	assert_int_equal(nexus_execute(&w->nexus->nexus, &w->commands[0]), -ENOTCONN);

	memset(w->data[0], 'z', 512); /* its memory is the submitter's again */
	assert_int_equal(first_byte(w, 0), 0);
	assert_int_equal(fake_nexus_run_ghosts(w->nexus), 2);
	assert_int_equal(first_byte(w, 0), 'a');
	assert_int_equal(first_byte(w, 1), 'b');
	assert_int_equal(first_byte(w, 2), 0);
	assert_int_equal(order_count, 4);
}

static void ghosts_can_be_killed(void **state)
{
	struct world *w = *state;

	send_writes(w);
	fake_nexus_lose(w->nexus, SIZE_MAX);
	fake_nexus_kill_ghosts(w->nexus);
	assert_int_equal(fake_nexus_run_ghosts(w->nexus), 0);
	assert_int_equal(first_byte(w, 0), 0);
}

static void an_answer_lost_on_the_way_was_executed(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_WRITE_16, 1, &FAKE_EXECUTED_IN_DOUBT);
	send_writes(w);
	fake_nexus_run_one(w->nexus, 0);
	assert_int_equal(w->commands[0].result.outcome, SCSI_IN_DOUBT);
	assert_int_equal(first_byte(w, 0), 'a');
	fake_nexus_run(w->nexus);
}

static void unit_attentions_wait_for_a_command_that_may_carry_them(void **state)
{
	struct world *w = *state;

	fake_nexus_unit_attention(w->nexus, 0x29, 0x07);
	fake_nexus_unit_attention(w->nexus, 0x2a, 0x09);
	cdb_inquiry(&w->commands[0], 36);
	for (unsigned i = 1; i < COMMANDS; i++)
		cdb_test_unit_ready(&w->commands[i]);
	for (unsigned i = 0; i < COMMANDS; i++)
		send(w, i);
	fake_nexus_run(w->nexus);
	assert_true(scsi_command_good(&w->commands[0]));
	assert_int_equal(sense_of(&w->commands[1].result).asc, 0x29);
	assert_int_equal(sense_of(&w->commands[2].result).asc, 0x2a);
	assert_true(scsi_command_good(&w->commands[3]));
}

static void every_submission_is_recorded(void **state)
{
	struct world *w = *state;

	send_writes(w);
	fake_nexus_run(w->nexus);
	cdb_read_10(&w->commands[0], 0, 9, 3, 512);
	send(w, 0);
	fake_nexus_run(w->nexus);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_WRITE_16), 4);
	assert_int_equal(fake_nexus_count(w->nexus, FAKE_ANY_OPCODE), 5);
	assert_int_equal(fake_record_lba(&w->nexus->records[3]), 3);
	assert_int_equal(fake_record_blocks(&w->nexus->records[3]), 1);
	assert_int_equal(fake_record_lba(&w->nexus->records[4]), 9);
	assert_int_equal(fake_record_blocks(&w->nexus->records[4]), 3);
	assert_int_equal(w->nexus->records[4].direction, SCSI_DATA_IN);
	assert_int_equal(w->nexus->records[4].data_length, 1536);
	nexus_set_last_path(&w->nexus->nexus, true);
	assert_true(w->nexus->last_path);
	assert_int_equal(w->nexus->set_last_paths, 1);
}

static void two_paths_lead_to_one_disk(void **state)
{
	struct world *w = *state;
	struct fake_nexus *other = fake_nexus_new(w->unit, 0);

	memset(w->data[0], 'q', 512);
	cdb_write_16(&w->commands[0], 0, 7, 1, 512);
	cdb_read_16(&w->commands[1], 0, 7, 1, 512);
	send(w, 0);
	fake_nexus_run(w->nexus);
	assert_int_equal(nexus_execute(&other->nexus, &w->commands[1]), 0);
	fake_nexus_run(other);
	assert_int_equal(w->data[1][511], 'q');
	fake_nexus_free(other);
}

static void a_read_only_disk_is_not_written(void **state)
{
	struct world *w = *state;

	w->unit->read_only = true;
	send_writes(w);
	fake_nexus_run(w->nexus);
	assert_int_equal(sense_of(&w->commands[0].result).key, SENSE_DATA_PROTECT);
	assert_int_equal(first_byte(w, 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(addresses_behind_the_end_are_refused),
		TEST(unmap_write_same_and_flush_do_what_they_say),
		TEST(commands_end_in_order_or_as_chosen),
		TEST(scripts_answer_by_opcode_and_count),
		TEST(held_commands_wait_for_a_word_of_their_own),
		TEST(a_frozen_target_answers_nothing),
		TEST(a_lost_connection_returns_all_and_leaves_ghosts),
		TEST(ghosts_can_be_killed),
		TEST(an_answer_lost_on_the_way_was_executed),
		TEST(unit_attentions_wait_for_a_command_that_may_carry_them),
		TEST(every_submission_is_recorded),
		TEST(two_paths_lead_to_one_disk),
		TEST(a_read_only_disk_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
