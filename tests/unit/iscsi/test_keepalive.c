/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "iscsi/keepalive.h"
#include "util/cleanup.h"

#define MS UINT64_C(1000000)

static const struct keepalive_settings usual = {
	.noop_interval_ms = 5000,
	.noop_timeout_ms = 4000,
	.suspect_ms = 250,
	.suspect_timeout_ms = 750,
};

/* What a connection lived through, milliseconds since its start; 0 = it did not. */
struct check {
	bool aggressive;
	uint64_t heard, busy, pinged;
	uint64_t now;
	enum keepalive_verdict verdict;
	uint32_t again_ms;
};

/* clang-format off */
static const struct check checks[] = {
	/* aggr  heard  busy  pinged    now  verdict          again */
	/* idle: the interval counts from what was heard last */
	{false,     0,     0,     0,      0, KEEPALIVE_FINE,  5000},
	{false,     0,     0,     0,   4999, KEEPALIVE_FINE,     1},
	{false,     0,     0,     0,   5000, KEEPALIVE_PING,  4000},
	{false,     0,     0,     0,  60000, KEEPALIVE_PING,  4000},
	{false,  3000,     0,     0,   5000, KEEPALIVE_FINE,  3000},
	{false,  3000,     0,     0,   8000, KEEPALIVE_PING,  4000},
	/* pinged: the timeout counts from the ping, or from any byte since */
	{false,     0,     0,  5000,   5001, KEEPALIVE_FINE,  3999},
	{false,     0,     0,  5000,   8999, KEEPALIVE_FINE,     1},
	{false,     0,     0,  5000,   9000, KEEPALIVE_DEAD,     0},
	{false,  8000,     0,  5000,   9000, KEEPALIVE_FINE,  3000},
	{false,  8000,     0,  5000,  12000, KEEPALIVE_DEAD,     0},
	/* aggressive, but idle: patient all the same */
	{true,      0,     0,     0,    300, KEEPALIVE_FINE,  4700},
	{true,      0,     0,     0,   5000, KEEPALIVE_PING,  4000},
	/* aggressive and busy: the silence before the command is no reproach to it */
	{true,      0,  4000,     0,   4000, KEEPALIVE_FINE,   250},
	{true,      0,  4000,     0,   4249, KEEPALIVE_FINE,     1},
	{true,      0,  4000,     0,   4250, KEEPALIVE_PING,   750},
	{true,   4100,  4000,     0,   4250, KEEPALIVE_FINE,   100},
	{true,   4100,  4000,  4350,   5099, KEEPALIVE_FINE,     1},
	{true,   4100,  4000,  4350,   5100, KEEPALIVE_DEAD,     0},
	{true,   4900,  4000,  4350,   5100, KEEPALIVE_FINE,   550},
	/* busy on the last path: patient */
	{false,     0,  4000,     0,   4250, KEEPALIVE_FINE,  4750},
	{false,     0,  4000,     0,   9000, KEEPALIVE_PING,  4000},
	/* a ping that idleness sent, unanswered for long when a command comes */
	{true,      0,  5900,  5000,   6149, KEEPALIVE_DEAD,     0},
};
/* clang-format on */

static void live_through(struct keepalive *keepalive, const struct keepalive_settings *settings,
			 const struct check *check)
{
	/* not at zero, which means "never" */
	const uint64_t start = 1000000 * MS;

	*keepalive = (struct keepalive){};
	keepalive_start(keepalive, settings, start);
	keepalive->aggressive = check->aggressive;
	keepalive_heard(keepalive, start + check->heard * MS);
	if (check->busy)
		keepalive_busy(keepalive, start + check->busy * MS);
	if (check->pinged)
		keepalive_pinged(keepalive, start + check->pinged * MS);
}

static void every_row_gets_its_verdict(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct keepalive keepalive;
		uint32_t again_ms = 77;
		enum keepalive_verdict verdict;

		live_through(&keepalive, &usual, &checks[i]);
		verdict = keepalive_check(&keepalive, (1000000 + checks[i].now) * MS, &again_ms);
		if (verdict != checks[i].verdict || again_ms != checks[i].again_ms)
			fail_msg("row %zu: verdict %d, again in %u ms", i, verdict, again_ms);
	}
}

/* Asking exactly when told gives the same as asking at every millisecond. */
static void asking_when_told_misses_nothing(void **state)
{
	struct keepalive keepalive = {};
	uint64_t now = 1000 * MS, pinged = 0, dead = 0;
	uint32_t again_ms;

	keepalive_start(&keepalive, &usual, now);
	again_ms = keepalive_first_check_ms(&keepalive);
	while (!dead) {
		assert_int_not_equal(again_ms, 0);
		now += again_ms * MS;
		switch (keepalive_check(&keepalive, now, &again_ms)) {
		case KEEPALIVE_PING:
			keepalive_pinged(&keepalive, now);
			pinged = now;
			break;
		case KEEPALIVE_DEAD:
			dead = now;
			break;
		default:
			break;
		}
	}
	assert_int_equal(pinged, (1000 + 5000) * MS);
	assert_int_equal(dead, (1000 + 5000 + 4000) * MS);
}

static void an_answer_begins_a_new_interval(void **state)
{
	struct keepalive keepalive = {};
	uint32_t again_ms;

	keepalive_start(&keepalive, &usual, MS);
	keepalive_pinged(&keepalive, 5001 * MS);
	keepalive_heard(&keepalive, 5500 * MS);
	keepalive_answered(&keepalive);
	assert_int_equal(keepalive_check(&keepalive, 9001 * MS, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, 1499);
	assert_int_equal(keepalive_check(&keepalive, 10500 * MS, &again_ms), KEEPALIVE_PING);
}

static void what_is_zero_is_off(void **state)
{
	static const struct keepalive_settings none, no_timeout = {.noop_interval_ms = 100};
	static const struct keepalive_settings no_suspicion = {.noop_interval_ms = 100,
							       .noop_timeout_ms = 100};
	struct keepalive keepalive = {};
	uint32_t again_ms;

	keepalive_start(&keepalive, &none, MS);
	assert_int_equal(keepalive_check(&keepalive, 100000 * MS, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, 0);
	assert_int_equal(keepalive_first_check_ms(&keepalive), 0);

	/* unanswered for ever, but it may still be answered: ask again */
	keepalive_start(&keepalive, &no_timeout, MS);
	assert_int_equal(keepalive_check(&keepalive, 101 * MS, &again_ms), KEEPALIVE_PING);
	assert_int_equal(again_ms, 100);
	keepalive_pinged(&keepalive, 101 * MS);
	assert_int_equal(keepalive_check(&keepalive, 100000 * MS, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, 100);

	keepalive_start(&keepalive, &no_suspicion, MS);
	keepalive.aggressive = true;
	keepalive_busy(&keepalive, MS);
	assert_int_equal(keepalive_check(&keepalive, 100 * MS, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, 1);
}

static void a_new_connection_keeps_the_mood_and_nothing_else(void **state)
{
	struct keepalive keepalive = {};

	keepalive.aggressive = true;
	keepalive_busy(&keepalive, 5 * MS);
	keepalive_pinged(&keepalive, 5 * MS);
	keepalive_start(&keepalive, &usual, 9 * MS);
	assert_true(keepalive.aggressive);
	assert_int_equal(keepalive.busy_since_ns, 0);
	assert_int_equal(keepalive.pinged_ns, 0);
	assert_int_equal(keepalive.heard_ns, 9 * MS);
	assert_int_equal(keepalive_first_check_ms(&keepalive), 5000);
	keepalive_busy(&keepalive, 9 * MS);
	assert_int_equal(keepalive_first_check_ms(&keepalive), 250);
	keepalive_idle(&keepalive);
	assert_int_equal(keepalive_first_check_ms(&keepalive), 5000);
}

static void the_longest_times_do_not_wrap(void **state)
{
	static const struct keepalive_settings longest = {.noop_interval_ms = UINT32_MAX,
							  .noop_timeout_ms = UINT32_MAX};
	struct keepalive keepalive = {};
	uint32_t again_ms;

	keepalive_start(&keepalive, &longest, 1);
	assert_int_equal(keepalive_check(&keepalive, 1, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, UINT32_MAX);
	assert_int_equal(keepalive_check(&keepalive, UINT32_MAX * MS, &again_ms), KEEPALIVE_FINE);
	assert_int_equal(again_ms, 1);
	assert_int_equal(keepalive_check(&keepalive, UINT32_MAX * MS + 1, &again_ms),
			 KEEPALIVE_PING);
}

static void a_long_way_is_given_more_time_and_a_broken_one_not_for_ever(void **state)
{
	static const struct {
		uint32_t rtt_us, rto_us, suspect_ms, timeout_ms;
	} rows[] = {
		{100, 200000, 250, 750},	 {31250, 375000, 250, 750},
		{50000, 375500, 400, 751},	 {100000, 600000, 800, 1200},
		{9000000, 60000000, 5000, 5000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t start = 1000000 * MS;
		struct keepalive keepalive = {.aggressive = true};
		uint64_t now = start + rows[i].suspect_ms * MS;
		uint32_t again_ms;

		keepalive_start(&keepalive, &usual, start);
		keepalive_set_round_trip(&keepalive, rows[i].rtt_us, rows[i].rto_us);
		keepalive_busy(&keepalive, start);
		assert_false(keepalive_suspicious(&keepalive, now - 1));
		assert_int_equal(keepalive_check(&keepalive, now - 1, &again_ms), KEEPALIVE_FINE);
		assert_true(keepalive_suspicious(&keepalive, now));
		assert_int_equal(keepalive_check(&keepalive, now, &again_ms), KEEPALIVE_PING);
		assert_int_equal(again_ms, rows[i].timeout_ms);
		keepalive_idle(&keepalive);
		assert_false(keepalive_suspicious(&keepalive, now));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_gets_its_verdict),
		cmocka_unit_test(asking_when_told_misses_nothing),
		cmocka_unit_test(an_answer_begins_a_new_interval),
		cmocka_unit_test(what_is_zero_is_off),
		cmocka_unit_test(a_new_connection_keeps_the_mood_and_nothing_else),
		cmocka_unit_test(the_longest_times_do_not_wrap),
		cmocka_unit_test(a_long_way_is_given_more_time_and_a_broken_one_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
