/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "daemon/retry_plan.h"
#include "util/cleanup.h"

#define NO_JITTER 0 /* of 32 random bits: the longest pause */

/* RFC 7143 §11.13.5: "the request may succeed when it is tried again" */
static void a_busy_target_is_asked_again_after_pauses_that_grow(void **state)
{
	static const int64_t pauses_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct retry_plan plan;

	retry_plan_init(&plan, 4);
	retry_plan_logged_in(&plan, 1000, 30000);
	for (size_t i = 0; i < ARRAY_SIZE(pauses_ms); i++)
		assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER),
				 pauses_ms[i]);
	/* up again, and lost again: from the beginning */
	retry_plan_logged_in(&plan, 1000, 30000);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER), 1000);
}

static void a_first_login_is_given_up_after_its_tries(void **state)
{
	struct retry_plan plan;

	retry_plan_init(&plan, 4);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER), 250);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER), 500);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER), 1000);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER),
			 RETRY_PLAN_GIVE_UP);
	retry_plan_init(&plan, 1);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER),
			 RETRY_PLAN_GIVE_UP);
}

static void a_login_that_is_wanted_always_is_never_given_up(void **state)
{
	struct retry_plan plan;

	retry_plan_init(&plan, 0);
	for (int i = 0; i < 10000; i++)
		assert_true(retry_plan_failed(&plan, (enum login_retry)(i % LOGIN_RETRY_COUNT),
					      NO_JITTER) > 0);
}

static void what_was_refused_is_not_asked_again_at_once(void **state)
{
	static const enum login_retry refusals[] = {LOGIN_RETRY_NEVER, LOGIN_RETRY_SLOW};
	struct retry_plan plan;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		retry_plan_init(&plan, 4);
		assert_int_equal(retry_plan_failed(&plan, refusals[i], NO_JITTER),
				 RETRY_PLAN_GIVE_UP);
		retry_plan_logged_in(&plan, 1000, 30000);
		assert_true(retry_plan_failed(&plan, refusals[i], UINT32_MAX) >= 7500);
	}
}

static void a_session_that_has_been_up_hopes_for_the_target_to_be_mended(void **state)
{
	struct retry_plan plan;

	retry_plan_init(&plan, 4);
	retry_plan_logged_in(&plan, 1000, 30000);
	/* not there for a while, as when its daemon is restarted: more and more rarely */
	for (int64_t ms = 10000; ms < 300000; ms *= 2)
		assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_SLOW, NO_JITTER), ms);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_SLOW, NO_JITTER), 300000);
	/* refused until somebody changes something: every five minutes and no more */
	retry_plan_logged_in(&plan, 1000, 30000);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_NEVER, NO_JITTER), 300000);
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_NEVER, NO_JITTER), 300000);
	/* and it is only busy now: as often as any */
	assert_int_equal(retry_plan_failed(&plan, LOGIN_RETRY_BACKOFF, NO_JITTER), 30000);
}

/* Every Status-Class and Status-Detail, by the table of iscsi/reason. */
static void each_status_leads_to_its_first_pause(void **state)
{
	/* clang-format off */
	static const struct {
		uint8_t status_class, first, last;
		int64_t first_login_ms, later_ms;
	} rows[] = {
		{2,  0,   0, RETRY_PLAN_GIVE_UP,  10000},
		{2,  1,   1, RETRY_PLAN_GIVE_UP, 300000},
		{2,  2,   3, RETRY_PLAN_GIVE_UP,  10000},
		{2,  4,   5, RETRY_PLAN_GIVE_UP, 300000},
		{2,  6,   6, RETRY_PLAN_GIVE_UP,  10000},
		{2,  7,   9, RETRY_PLAN_GIVE_UP, 300000},
		{2, 10,  10,                250,   1000},
		{2, 11,  11, RETRY_PLAN_GIVE_UP, 300000},
		{2, 12, 255, RETRY_PLAN_GIVE_UP,  10000},
		{3,  0, 255,                250,   1000},
		{4,  0, 255, RETRY_PLAN_GIVE_UP,  10000},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned detail = rows[i].first; detail <= rows[i].last; detail++) {
			enum login_retry retry =
				reason_of_login(rows[i].status_class, (uint8_t)detail)->retry;
			struct retry_plan plan;

			retry_plan_init(&plan, 4);
			assert_int_equal(retry_plan_failed(&plan, retry, NO_JITTER),
					 rows[i].first_login_ms);
			retry_plan_logged_in(&plan, 1000, 30000);
			assert_int_equal(retry_plan_failed(&plan, retry, NO_JITTER),
					 rows[i].later_ms);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_target_is_asked_again_after_pauses_that_grow),
		cmocka_unit_test(a_first_login_is_given_up_after_its_tries),
		cmocka_unit_test(a_login_that_is_wanted_always_is_never_given_up),
		cmocka_unit_test(what_was_refused_is_not_asked_again_at_once),
		cmocka_unit_test(a_session_that_has_been_up_hopes_for_the_target_to_be_mended),
		cmocka_unit_test(each_status_leads_to_its_first_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
