/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/hole.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

static void add(struct hole_set *set, uint32_t first, uint32_t end)
{
	assert_int_equal(hole_set_add(set, (struct hole){.first = first,
							 .end = end,
							 .offset = first * 10,
							 .offset_end = end * 10}),
			 0);
}

static void is(const struct hole_set *set, unsigned at, uint32_t first, uint32_t end)
{
	assert_in_range(at + 1, 1, set->count);
	assert_int_equal(set->holes[at].first, first);
	assert_int_equal(set->holes[at].end, end);
	assert_int_equal(set->holes[at].offset, first * 10);
	assert_int_equal(set->holes[at].offset_end, end * 10);
}

static void holes_stand_in_their_order(void **state)
{
	struct hole_set set = {};

	add(&set, 0, 2);
	add(&set, 7, 9);
	add(&set, 4, 5);
	is(&set, 0, 0, 2);
	is(&set, 1, 4, 5);
	is(&set, 2, 7, 9);
	assert_int_equal(set.count, 3);
}

static void numbers_may_wrap(void **state)
{
	struct hole_set set = {};

	add(&set, 3, 4);
	add(&set, 0xfffffffe, 1);
	is(&set, 0, 0xfffffffe, 1);
	is(&set, 1, 3, 4);
}

static void neighbours_that_are_due_become_one(void **state)
{
	struct hole_set set = {};

	add(&set, 1, 2);
	add(&set, 2, 4);
	is(&set, 0, 1, 4);
	assert_int_equal(set.count, 1);
	/* what was asked for is not asked for twice */
	set.holes[0].due = false;
	add(&set, 4, 5);
	assert_int_equal(set.count, 2);
	assert_false(set.holes[0].due);
	assert_true(set.holes[1].due);
}

static void what_was_lost_once_more_goes_back_to_the_rest(void **state)
{
	struct hole_set set = {};

	add(&set, 1, 4);
	set.holes[0].due = false;
	hole_set_shrink(&set, hole_set_find(&set, 1), 10);
	is(&set, 0, 2, 4);
	add(&set, 1, 2);
	is(&set, 0, 1, 4);
	assert_true(set.holes[0].due);
	assert_int_equal(set.count, 1);
}

static void a_hole_closes_from_its_start(void **state)
{
	struct hole_set set = {};

	add(&set, 1, 3);
	add(&set, 5, 6);
	assert_null(hole_set_find(&set, 2));
	hole_set_shrink(&set, hole_set_find(&set, 5), 10);
	assert_null(hole_set_find(&set, 5));
	hole_set_shrink(&set, hole_set_find(&set, 1), 10);
	hole_set_shrink(&set, hole_set_find(&set, 2), 10);
	assert_int_equal(set.count, 0);
}

static void a_full_set_takes_neighbours_only(void **state)
{
	struct hole_set set = {};

	for (uint32_t i = 0; i < HOLES_MAX; i++) {
		add(&set, 2 * i, 2 * i + 1);
		set.holes[i].due = false;
	}
	assert_int_equal(hole_set_add(&set, (struct hole){.first = 100, .end = 101}), -ENOSPC);
	add(&set, 2 * HOLES_MAX - 1, 2 * HOLES_MAX);
	is(&set, HOLES_MAX - 1, 2 * HOLES_MAX - 2, 2 * HOLES_MAX);
	assert_true(set.holes[HOLES_MAX - 1].due);
}

static void a_run_has_a_longest(void **state)
{
	struct hole_set set = {};

	assert_int_equal(hole_set_add(&set, (struct hole){.end = HOLE_RUN_MAX + 1}), -ENOSPC);
	assert_int_equal(hole_set_add(&set, (struct hole){.end = HOLE_RUN_MAX}), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_stand_in_their_order),
		cmocka_unit_test(numbers_may_wrap),
		cmocka_unit_test(neighbours_that_are_due_become_one),
		cmocka_unit_test(what_was_lost_once_more_goes_back_to_the_rest),
		cmocka_unit_test(a_hole_closes_from_its_start),
		cmocka_unit_test(a_full_set_takes_neighbours_only),
		cmocka_unit_test(a_run_has_a_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
