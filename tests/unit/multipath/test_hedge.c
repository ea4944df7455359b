/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Reads that are sent twice. After each done() the request's memory gets another pattern: data of
 * whoever lost must never land in it.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "multipath/hedge.h"
#include "scsi/cdb.h"
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

#define UNTOUCHED 0x77

static struct fixture *start_with(uint32_t budget)
{
	struct map_settings settings = fixture_settings;

	settings.suspect_ms = 250;
	settings.hedge_budget = budget;
	return fixture_new(2, &settings);
}

static struct fixture *start(void)
{
	return start_with(2);
}

/* The data were right when it ended; nobody may write to them from now on. */
static void check_and_mark(struct request *request)
{
	const struct scsi_command *scsi = &request->command.scsi;

	assert_int_equal(request->error, 0);
	for (uint32_t i = 0; i < scsi->data_length; i++)
		assert_int_equal(request->data[i], 0);
	memset(request->data, UNTOUCHED, sizeof(request->data));
}

static struct request *read_of(struct fixture *f, uint64_t lba, uint32_t blocks)
{
	struct request *read = fixture_request(f, MAP_READ, lba, blocks, 0xee);

	read->on_done = check_and_mark;
	fixture_submit(f, read);
	return read;
}

/* On path 0, where it stays: that path is frozen. */
static struct request *stuck_read(struct fixture *f)
{
	struct request *read;

	f->nexus[0]->frozen = true;
	read = read_of(f, 0, 8);
	if (fixture_queued(f, 0) == 0) { /* it was the other one's turn */
		fixture_run(f);
		read = read_of(f, 0, 8);
	}
	assert_int_equal(fixture_where(f), 0);
	return read;
}

static void expect_won(const struct request *read)
{
	assert_int_equal(read->error, 0);
	for (size_t i = 0; i < sizeof(read->data); i++)
		assert_int_equal(read->data[i], UNTOUCHED);
}

/* Everything that is still under way comes home, ghosts strike, and nothing changes. */
static void end(struct fixture *f, const struct request *read)
{
	for (unsigned i = 0; i < f->path_count; i++)
		f->nexus[i]->frozen = false;
	fixture_run(f);
	for (unsigned i = 0; i < f->path_count; i++)
		fake_nexus_run_ghosts(f->nexus[i]);
	fake_ring_advance(f->ring, 2000);
	fixture_run(f);
	if (read)
		expect_won(read);
	fixture_free(f);
}

static uint64_t hedged(const struct fixture *f)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < f->path_count; i++)
		count += path_get_statistics(f->path[i])->hedged;
	return count;
}

static void a_read_on_a_path_that_becomes_suspect_is_hedged_at_once(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	assert_int_equal(fixture_queued(f, 1), 1);
	fake_nexus_run(f->nexus[1]);
	assert_int_equal(read->error, NOT_ENDED); /* path 0 may still write to its memory */
	assert_int_equal(f->nexus[0]->abandoned, 1);
	fake_nexus_run(f->nexus[0]);
	expect_won(read);
	assert_int_equal(path_get_statistics(f->path[1])->hedges_won, 1);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
	end(f, read);
}

static void the_original_wins_when_it_answers_first(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	f->nexus[1]->frozen = true;
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_nexus_run_one(f->nexus[0], 0);
	expect_won(read);
	assert_false(map_idle(f->map)); /* the copy is on a wire */
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fake_nexus_run_one(f->nexus[1], 0);
	assert_true(map_idle(f->map));
	assert_int_equal(path_get_statistics(f->path[1])->hedges_won, 0);
	end(f, read);
}

static void an_original_that_is_answered_while_it_is_abandoned_ends_once(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_nexus_run(f->nexus[1]);
	fake_nexus_run_one(f->nexus[0], 0);
	expect_won(read);
	assert_true(map_idle(f->map));
	end(f, read);
}

static void a_path_lost_with_the_original_waits_for_the_copy(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fixture_lose(f, 0);
	assert_int_equal(read->error, NOT_ENDED);
	assert_int_equal(fixture_queued(f, 1), 1);
	fixture_run(f);
	expect_won(read);
	end(f, read);
}

static void a_copy_that_fails_leaves_the_original_alone(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_nexus_complete(f->nexus[1], 0, &FAKE_STATUS(SCSI_BUSY));
	assert_int_equal(read->error, NOT_ENDED);
	assert_int_equal(f->nexus[0]->abandoned, 0);
	fake_nexus_run_one(f->nexus[0], 0);
	expect_won(read);
	end(f, read);
}

static void a_copy_that_failed_is_followed_by_another(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_nexus_complete(f->nexus[1], 0, &FAKE_STATUS(SCSI_BUSY));
	fake_ring_advance(f->ring, 500);
	assert_int_equal(fixture_queued(f, 1), 1);
	fixture_run(f);
	expect_won(read);
	end(f, read);
}

static void when_both_fail_the_read_goes_its_usual_way(void **state)
{
	for (unsigned original_first = 0; original_first < 2; original_first++) {
		struct fixture *f = start();
		struct request *read = stuck_read(f);

		fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
		if (!original_first)
			fake_nexus_complete(f->nexus[1], 0, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
		fake_nexus_complete(f->nexus[0], 0, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
		if (original_first)
			fake_nexus_complete(f->nexus[1], 0, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
		assert_int_equal(path_get_statistics(f->path[0])->errors, 1);
		assert_int_equal(path_get_statistics(f->path[1])->errors, 1);
		fixture_run(f);
		expect_won(read);
		end(f, read);
	}
}

static void an_error_of_the_unit_counts_only_when_the_copy_fails_too(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	read->on_done = NULL;
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_nexus_complete(f->nexus[0], 0, &FAKE_CHECK_CONDITION(0x3, 0x11, 0x00));
	assert_int_equal(read->error, NOT_ENDED);
	fake_nexus_complete(f->nexus[1], 0, &FAKE_CHECK_CONDITION(0x3, 0x11, 0x00));
	assert_int_equal(read->error, -ENODATA);
	end(f, NULL);
}

static void a_path_removed_while_its_read_waits_for_the_copy_is_not_touched(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fixture_lose(f, 0);
	path_fenced(f->path[0]);
	fixture_remove_path(f, 0);
	fake_nexus_complete(f->nexus[1], 0, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	fixture_run(f);
	expect_won(read);
	f->path[0] = f->path[1];
	end(f, read);
}

static void more_reads_than_hedges_are_moved_off_the_suspect_path(void **state)
{
	struct fixture *f = start();
	struct request *reads[3 * HEDGE_SLOTS];
	size_t stuck;

	f->nexus[0]->frozen = true;
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		reads[i] = read_of(f, i, 1);
	fake_nexus_run(f->nexus[1]);
	stuck = fixture_queued(f, 0);
	assert_true(stuck > HEDGE_SLOTS);
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	assert_int_equal(fixture_queued(f, 1), HEDGE_SLOTS);
	assert_int_equal(f->nexus[0]->abandoned, stuck - HEDGE_SLOTS);
	fixture_run(f);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
		expect_won(reads[i]);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
	end(f, reads[0]);
}

static void a_read_too_long_for_a_hedge_is_moved(void **state)
{
	const uint32_t blocks = HEDGE_BYTES / FIXTURE_BLOCK_SIZE + 1;
	struct fixture *f = start();
	struct request *read = fixture_request(f, MAP_READ, 0, 1, 0xee);
	uint8_t *data = calloc(blocks, FIXTURE_BLOCK_SIZE);

	read->command.scsi.data = data;
	cdb_read_16(&read->command.scsi, 0, 0, blocks, FIXTURE_BLOCK_SIZE);
	f->nexus[0]->frozen = true;
	fixture_submit(f, read);
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	assert_int_equal(fixture_queued(f, 1), 0);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_READ_16), 1);
	free(data); /* what comes late must not touch it */
	end(f, NULL);
}

static void writes_and_flushes_are_never_sent_twice(void **state)
{
	struct fixture *f = start();
	struct request *write, *flush;

	for (unsigned i = 0; i < 2; i++)
		f->nexus[i]->frozen = true;
	write = fixture_write(f, 0, 1, 1);
	flush = fixture_flush(f);
	fixture_read(f, 0, 1);
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_ring_advance(f->ring, 10000);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_WRITE_16) +
				 fake_nexus_count(f->nexus[1], SCSI_WRITE_16),
			 1);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_SYNCHRONIZE_CACHE_16) +
				 fake_nexus_count(f->nexus[1], SCSI_SYNCHRONIZE_CACHE_16),
			 1);
	for (unsigned i = 0; i < 2; i++)
		f->nexus[i]->frozen = false;
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(flush->error, 0);
	end(f, NULL);
}

/* --- by age --- */

/* Reads that take a millisecond each, so that both paths are known. */
static void learn(struct fixture *f, unsigned reads)
{
	for (unsigned i = 0; i < reads; i++) {
		read_of(f, 0, 1);
		fake_ring_advance(f->ring, 1);
		fixture_run(f);
	}
}

static void a_read_older_than_the_quantiles_allow_is_hedged(void **state)
{
	struct fixture *f = start();
	struct request *read;

	assert_int_equal(path_get_statistics(f->path[0])->p99_latency_ns, 0);
	learn(f, 100);
	assert_true(path_get_statistics(f->path[0])->p99_latency_ns >
		    0); /* which others see, too */
	assert_int_equal(hedged(f), 0);
	read = stuck_read(f);
	fake_ring_advance(f->ring, 4);
	assert_int_equal(hedged(f), 0);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(hedged(f), 1);
	fixture_run(f);
	expect_won(read);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	end(f, read);
}

static void nobody_knows_what_is_slow_before_some_reads_were_answered(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	fake_ring_advance(f->ring, 249);
	assert_int_equal(hedged(f), 0);
	fake_ring_advance(f->ring, 1); /* but a quarter of a second is always slow */
	assert_int_equal(hedged(f), 1);
	fixture_run(f);
	expect_won(read);
	end(f, read);
}

static void the_quicker_path_says_what_is_slow(void **state)
{
	struct fixture *f = start();
	struct request *read;

	for (unsigned i = 0; i < 200; i++) { /* path 0 takes 20 ms */
		read_of(f, 0, 1);
		fake_ring_advance(f->ring, fixture_queued(f, 0) ? 4 : 1);
		fixture_run(f);
	}
	f->path[0]->latency.p99_ns = f->path[0]->latency.p50_ns = 20000000;
	read = stuck_read(f);
	fake_ring_advance(f->ring, 6);
	assert_true(path_get_statistics(f->path[0])->hedged > 0);
	fixture_run(f);
	expect_won(read);
	end(f, read);
}

/* The share of reads that are hedged when every one of path 0 is slow. */
static uint64_t hedges_of(uint32_t budget, unsigned reads)
{
	struct fixture *f = start_with(budget);
	uint64_t count;

	learn(f, 100);
	for (unsigned i = 0; i < reads; i++) {
		read_of(f, 0, 1);
		fake_ring_advance(f->ring, fixture_queued(f, 0) ? 20 : 1);
		fixture_run(f);
	}
	count = hedged(f);
	end(f, NULL);
	return count;
}

static void hedges_by_age_are_limited_to_their_share_of_all_reads(void **state)
{
	/* One is there at the start, and the hundred reads of learning bring their share. */
	assert_int_equal(hedges_of(0, 400), 1);
	assert_in_range(hedges_of(2, 400), 2 + 8, 1 + 2 + 8);
	assert_in_range(hedges_of(10, 400), 40, 1 + 10 + 40);
	assert_in_range(hedges_of(100, 400), 100, 200); /* all that path 0 had */
}

static void a_quarter_of_a_second_is_hedged_beyond_the_budget(void **state)
{
	struct fixture *f = start_with(0);
	struct request *read[8];

	learn(f, 100);
	f->nexus[0]->frozen = true;
	for (size_t i = 0; i < ARRAY_SIZE(read); i++)
		read[i] = read_of(f, 0, 1);
	fake_nexus_run(f->nexus[1]);
	fake_ring_advance(f->ring, 250);
	fixture_run(f);
	for (size_t i = 0; i < ARRAY_SIZE(read); i++)
		expect_won(read[i]);
	end(f, read[0]);
}

static void the_last_path_is_left_alone(void **state)
{
	struct fixture *f = start();
	struct request *read;

	learn(f, 100);
	fixture_lose(f, 1);
	read = stuck_read(f);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	assert_int_equal(hedged(f), 0);
	assert_int_equal(f->nexus[0]->abandoned, 0);
	end(f, read);
}

static void nothing_is_hedged_from_one_suspect_path_to_another(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);

	f->nexus[1]->frozen = true;
	fake_nexus_set_health(f->nexus[1], NEXUS_SUSPECT);
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_ring_advance(f->ring, 5000);
	assert_int_equal(fixture_queued(f, 1), 0);
	assert_int_equal(f->nexus[0]->abandoned, 0);
	end(f, read);
}

/* --- a unit that is silent behind a session that lives --- */

static void a_unit_that_leaves_a_write_unanswered_makes_its_path_suspect(void **state)
{
	struct fixture *f = start();
	struct request *write;

	f->nexus[0]->frozen = true;
	write = fixture_write(f, 0, 1, 1);
	assert_int_equal(fixture_where(f), 0);
	fake_ring_advance(f->ring, 249);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(path_get_state(f->path[0]), PATH_SUSPECT);
	for (int i = 0; i < 10; i++) {
		read_of(f, 0, 1);
		assert_int_equal(fixture_queued(f, 0), 1);
		fixture_run(f);
	}
	f->nexus[0]->frozen = false;
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	end(f, NULL);
}

static void a_flush_may_take_its_time(void **state)
{
	struct fixture *f = start();
	struct request *flush;

	f->nexus[0]->frozen = true;
	flush = fixture_flush(f);
	assert_int_equal(fixture_where(f), 0);
	fixture_write(f, 0, 1, 1);
	fake_ring_advance(f->ring, 10000);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	f->nexus[0]->frozen = false;
	fixture_run(f);
	assert_int_equal(flush->error, 0);
	end(f, NULL);
}

static void a_unit_that_answers_others_meanwhile_is_not_silent(void **state)
{
	struct fixture *f = start();

	fake_nexus_script(f->nexus[0], SCSI_WRITE_16, 1, &FAKE_HELD);
	fixture_write(f, 0, 1, 1);
	for (int i = 0; i < 20; i++) {
		fixture_read(f, 0, 1);
		fixture_read(f, 0, 1);
		fixture_run(f);
		fake_ring_advance(f->ring, 100);
	}
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fake_nexus_run_one(f->nexus[0], 0);
	end(f, NULL);
}

static void a_path_that_is_always_slow_is_given_more_time(void **state)
{
	struct fixture *f = start();

	f->path[0]->statistics.ewma_latency_ns = 100 * UINT64_C(1000000);
	f->nexus[0]->frozen = true;
	fixture_write(f, 0, 1, 1);
	fake_ring_advance(f->ring, 799);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(path_get_state(f->path[0]), PATH_SUSPECT);
	end(f, NULL);
}

static void a_suspect_unit_without_commands_is_asked_every_second_whether_it_is_back(void **state)
{
	struct fixture *f = start();
	struct request *read = stuck_read(f);
	size_t before;

	fake_ring_advance(f->ring, 250);
	fixture_run(f); /* the copy won; nothing is left on path 0 */
	expect_won(read);
	assert_int_equal(path_get_state(f->path[0]), PATH_SUSPECT);
	before = fake_nexus_count(f->nexus[0], SCSI_READ_16);
	fake_ring_advance(f->ring, 1001);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_READ_16), before + 1);
	fake_ring_advance(f->ring, 10000); /* one at a time */
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_READ_16), before + 1);
	fake_nexus_complete(f->nexus[0], 0, &FAKE_STATUS(SCSI_BUSY));
	assert_int_equal(path_get_state(f->path[0]), PATH_SUSPECT);
	fake_ring_advance(f->ring, 1001);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_READ_16), before + 2);
	fake_nexus_run_one(f->nexus[0], 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fake_ring_advance(f->ring, 5000);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_READ_16), before + 2);
	end(f, read);
}

static void a_path_that_is_slower_by_far_becomes_marginal_and_an_equal_one_does_not(void **state)
{
	struct fixture *f = start_with(0);

	for (int i = 0; i < 40; i++) {
		fixture_write(f, 0, 1, 1);
		fixture_write(f, 0, 1, 1);
		fake_ring_advance(f->ring, 1);
		fake_nexus_run(f->nexus[1]);
		fake_ring_advance(f->ring, 200);
		fixture_run(f);
	}
	assert_int_equal(path_get_state(f->path[0]), PATH_MARGINAL);
	assert_int_equal(path_get_state(f->path[1]), PATH_ACTIVE);
	fixture_free(f);
	f = start_with(0);
	for (int i = 0; i < 40; i++) {
		fixture_write(f, 0, 1, 1);
		fixture_write(f, 0, 1, 1);
		fake_ring_advance(f->ring, 200);
		fixture_run(f);
	}
	for (unsigned p = 0; p < 2; p++)
		assert_int_equal(path_get_state(f->path[p]), PATH_ACTIVE);
	end(f, NULL);
}

static void what_was_sent_over_the_only_path_is_watched_when_another_comes(void **state)
{
	struct fixture *f = start();
	struct request *read;

	fixture_lose(f, 1);
	read = stuck_read(f);
	fake_ring_advance(f->ring, 5000);
	fixture_relogin(f, 1);
	fake_ring_advance(f->ring, 250);
	fixture_run(f);
	expect_won(read);
	end(f, read);
}

static void with_suspicion_off_nothing_of_this_happens(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	learn(f, 100);
	read = stuck_read(f);
	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	fake_ring_advance(f->ring, 10000);
	assert_int_equal(hedged(f), 0);
	fake_nexus_set_health(f->nexus[0], NEXUS_WELL);
	end(f, read);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_on_a_path_that_becomes_suspect_is_hedged_at_once),
		TEST(the_original_wins_when_it_answers_first),
		TEST(an_original_that_is_answered_while_it_is_abandoned_ends_once),
		TEST(a_path_lost_with_the_original_waits_for_the_copy),
		TEST(a_copy_that_fails_leaves_the_original_alone),
		TEST(a_copy_that_failed_is_followed_by_another),
		TEST(when_both_fail_the_read_goes_its_usual_way),
		TEST(an_error_of_the_unit_counts_only_when_the_copy_fails_too),
		TEST(a_path_removed_while_its_read_waits_for_the_copy_is_not_touched),
		TEST(more_reads_than_hedges_are_moved_off_the_suspect_path),
		TEST(a_read_too_long_for_a_hedge_is_moved),
		TEST(writes_and_flushes_are_never_sent_twice),
		TEST(a_read_older_than_the_quantiles_allow_is_hedged),
		TEST(nobody_knows_what_is_slow_before_some_reads_were_answered),
		TEST(the_quicker_path_says_what_is_slow),
		TEST(hedges_by_age_are_limited_to_their_share_of_all_reads),
		TEST(a_quarter_of_a_second_is_hedged_beyond_the_budget),
		TEST(the_last_path_is_left_alone),
		TEST(nothing_is_hedged_from_one_suspect_path_to_another),
		TEST(a_unit_that_leaves_a_write_unanswered_makes_its_path_suspect),
		TEST(a_flush_may_take_its_time),
		TEST(a_unit_that_answers_others_meanwhile_is_not_silent),
		TEST(a_path_that_is_always_slow_is_given_more_time),
		TEST(a_suspect_unit_without_commands_is_asked_every_second_whether_it_is_back),
		TEST(a_path_that_is_slower_by_far_becomes_marginal_and_an_equal_one_does_not),
		TEST(what_was_sent_over_the_only_path_is_watched_when_another_comes),
		TEST(with_suspicion_off_nothing_of_this_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
