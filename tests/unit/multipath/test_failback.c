/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "multipath/failback.h"
#include "multipath/grouping.h"

#define MS UINT64_C(1000000)

/* Paths 0 and 1 are one group, path 2 is the other. */
#define GOOD 0x3u
#define POOR 0x4u
#define ALL  0x7u

/* The best first, as grouping_form() has it. */
static struct grouped_paths groups_of(uint64_t usable)
{
	const struct path_set good = {GOOD, (unsigned)__builtin_popcountll(usable & GOOD), 50};
	const struct path_set poor = {POOR, (unsigned)__builtin_popcountll(usable & POOR), 10};

	if (good.usable == 0 && poor.usable > 0)
		return (struct grouped_paths){2, {poor, good}};
	return (struct grouped_paths){2, {good, poor}};
}

static uint64_t used(struct failback *failback, uint64_t usable, uint64_t proven, bool told,
		     uint64_t now_ns)
{
	struct grouped_paths groups = groups_of(usable);
	unsigned i = failback_choose(failback, &groups, proven, told, now_ns);

	return i == FAILBACK_NO_GROUP ? 0 : groups.sets[i].members;
}

static void the_best_group_is_used_first_and_the_other_when_it_is_lost(void **state)
{
	struct failback failback;

	failback_init(&failback, 0);
	assert_int_equal(used(&failback, ALL, ALL, false, 1 * MS), GOOD);
	assert_int_equal(used(&failback, 0x5, 0x5, false, 2 * MS), GOOD);
	assert_int_equal(used(&failback, POOR, POOR, false, 3 * MS), POOR);
	assert_int_equal(used(&failback, 0, 0, false, 4 * MS), 0);
	assert_int_equal(used(&failback, POOR, POOR, false, 5 * MS), POOR);
	assert_int_equal(failback.due_ns, UINT64_MAX);
}

/* What each setting does once the lost group is back, on probation and proven, and after 10 s. */
static void each_setting_goes_back_as_it_says(void **state)
{
	static const struct {
		int32_t setting;
		uint64_t on_probation, proven, later;
	} rows[] = {
		{0, POOR, GOOD, GOOD},
		{10000, POOR, POOR, GOOD},
		{FAILBACK_MANUAL, POOR, POOR, POOR},
		{FAILBACK_FOLLOWOVER, POOR, GOOD, GOOD},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct failback failback;

		failback_init(&failback, rows[i].setting);
		assert_int_equal(used(&failback, ALL, ALL, false, 1 * MS), GOOD);
		assert_int_equal(used(&failback, POOR, POOR, false, 2 * MS), POOR);
		assert_int_equal(used(&failback, ALL, POOR, false, 3 * MS), rows[i].on_probation);
		assert_int_equal(used(&failback, ALL, ALL, false, 4 * MS), rows[i].proven);
		assert_int_equal(used(&failback, ALL, ALL, false, 10003 * MS), rows[i].proven);
		assert_int_equal(used(&failback, ALL, ALL, false, 10004 * MS), rows[i].later);
	}
}

static void the_delay_is_told_and_begins_anew_with_each_relapse(void **state)
{
	struct failback failback;

	failback_init(&failback, 1000);
	used(&failback, POOR, POOR, false, 1 * MS);
	used(&failback, ALL, ALL, false, 5 * MS);
	assert_int_equal(failback.due_ns, 1005 * MS);
	used(&failback, POOR, POOR, false, 500 * MS);
	assert_int_equal(failback.due_ns, UINT64_MAX);
	used(&failback, ALL, ALL, false, 600 * MS);
	assert_int_equal(failback.due_ns, 1600 * MS);
	assert_int_equal(used(&failback, ALL, ALL, false, 1600 * MS), GOOD);
	assert_int_equal(failback.due_ns, UINT64_MAX);
}

static void followover_follows_only_what_this_host_has_lost(void **state)
{
	struct failback failback;

	failback_init(&failback, FAILBACK_FOLLOWOVER);
	used(&failback, ALL, ALL, false, 1 * MS);
	/* the target has moved it away, and the paths do I/O again later */
	assert_int_equal(used(&failback, POOR, POOR, true, 2 * MS), POOR);
	assert_int_equal(used(&failback, ALL, ALL, false, 3 * MS), POOR);
	/* which it has done for good when it goes back once */
	failback_now(&failback);
	assert_int_equal(used(&failback, ALL, ALL, false, 4 * MS), GOOD);
	assert_int_equal(used(&failback, POOR, POOR, false, 5 * MS), POOR);
	assert_int_equal(used(&failback, ALL, ALL, false, 6 * MS), GOOD);
}

static void what_the_target_says_is_followed_at_once(void **state)
{
	static const int32_t settings[] = {0, 60000, FAILBACK_MANUAL, FAILBACK_FOLLOWOVER};

	for (size_t i = 0; i < 4; i++) {
		struct failback failback;

		failback_init(&failback, settings[i]);
		used(&failback, POOR, POOR, false, 1 * MS);
		assert_int_equal(used(&failback, ALL, 0, true, 2 * MS), GOOD);
	}
}

static void a_group_that_is_not_better_is_not_followed(void **state)
{
	struct grouped_paths groups = {2, {{GOOD, 2, 50}, {POOR, 1, 50}}};
	struct failback failback;

	failback_init(&failback, FAILBACK_MANUAL);
	failback.members = POOR;
	assert_int_equal(failback_choose(&failback, &groups, ALL, true, 1), 1);
}

static void a_group_chosen_by_hand_stays_until_it_is_lost(void **state)
{
	struct grouped_paths groups = groups_of(ALL);
	struct failback failback;

	failback_init(&failback, 0);
	used(&failback, ALL, ALL, false, 1 * MS);
	failback_switch(&failback, &groups, 1);
	assert_int_equal(used(&failback, ALL, ALL, false, 2 * MS), POOR);
	assert_int_equal(used(&failback, ALL, ALL, false, 99999 * MS), POOR);
	assert_int_equal(used(&failback, GOOD, GOOD, false, 100000 * MS), GOOD);
	assert_int_equal(used(&failback, ALL, ALL, false, 100001 * MS), GOOD);
	failback_switch(&failback, &groups, 1);
	failback_now(&failback);
	assert_int_equal(used(&failback, ALL, ALL, false, 100002 * MS), GOOD);
}

static void a_group_that_is_formed_anew_is_known_by_its_paths(void **state)
{
	/* path 1 has left its group for the other one */
	struct grouped_paths groups = {2, {{0x6, 2, 50}, {0x1, 1, 50}}};
	struct failback failback;

	failback_init(&failback, FAILBACK_MANUAL);
	failback.members = 0x1;
	assert_int_equal(failback_choose(&failback, &groups, ALL, false, 1), 1);
	failback.members = 0x3 | 0x4;
	assert_int_equal(failback_choose(&failback, &groups, ALL, false, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_group_is_used_first_and_the_other_when_it_is_lost),
		cmocka_unit_test(each_setting_goes_back_as_it_says),
		cmocka_unit_test(the_delay_is_told_and_begins_anew_with_each_relapse),
		cmocka_unit_test(followover_follows_only_what_this_host_has_lost),
		cmocka_unit_test(what_the_target_says_is_followed_at_once),
		cmocka_unit_test(a_group_that_is_not_better_is_not_followed),
		cmocka_unit_test(a_group_chosen_by_hand_stays_until_it_is_lost),
		cmocka_unit_test(a_group_that_is_formed_anew_is_known_by_its_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
