/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "multipath/grouping.h"
#include "util/cleanup.h"

#define PATHS 4

struct world {
	struct nexus nexus;
	struct path paths[PATHS];
	struct list list;
	struct grouped_paths groups;
};

/* Two targets; of each, one path is optimized and one is not. */
static void set_up(struct world *w)
{
	*w = (struct world){.nexus = {.up = true}};
	list_init(&w->list);
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *path = &w->paths[i];

		path->nexus = &w->nexus;
		path->state = PATH_ACTIVE;
		path->slot = i;
		path->port.target = i / 2;
		path->port.group = (int32_t)(i % 2);
		path->access = i % 2 ? ACCESS_NON_OPTIMIZED : ACCESS_OPTIMIZED;
		path->priority = access_priority(path->access, false);
		list_append(&w->list, &path->link);
	}
}

static void form(struct world *w, enum grouping grouping)
{
	grouping_form(grouping, &w->list, &w->groups);
}

static void is(const struct world *w, unsigned index, uint64_t members, int priority)
{
	assert_true(index < w->groups.count);
	assert_int_equal(w->groups.sets[index].members, members);
	assert_int_equal(w->groups.sets[index].priority, priority);
}

static void each_policy_makes_its_groups(void **state)
{
	struct world w;

	set_up(&w);
	form(&w, GROUPING_BY_PRIO);
	assert_int_equal(w.groups.count, 2);
	is(&w, 0, 0x5, 50);
	is(&w, 1, 0xa, 10);
	form(&w, GROUPING_MULTIBUS);
	assert_int_equal(w.groups.count, 1);
	is(&w, 0, 0xf, 30);
	form(&w, GROUPING_FAILOVER);
	assert_int_equal(w.groups.count, 4);
	is(&w, 0, 0x1, 50);
	is(&w, 1, 0x4, 50);
	is(&w, 2, 0x2, 10);
	is(&w, 3, 0x8, 10);
	form(&w, GROUPING_BY_NODE_NAME);
	assert_int_equal(w.groups.count, 2);
	is(&w, 0, 0x3, 30);
	is(&w, 1, 0xc, 30);
	form(&w, GROUPING_BY_TPG);
	assert_int_equal(w.groups.count, 4);
	is(&w, 0, 0x1, 50);
}

static void a_group_without_a_usable_path_comes_last(void **state)
{
	struct world w;

	set_up(&w);
	w.paths[0].state = w.paths[2].state = PATH_DOWN;
	form(&w, GROUPING_BY_PRIO);
	is(&w, 0, 0xa, 10);
	is(&w, 1, 0x5, 50);
	assert_int_equal(w.groups.sets[1].usable, 0);
}

static void what_the_target_bars_is_not_usable(void **state)
{
	struct world w;

	set_up(&w);
	w.paths[0].barred = w.paths[2].barred = true;
	form(&w, GROUPING_BY_PRIO);
	is(&w, 0, 0xa, 10);
}

static void the_mean_is_that_of_usable_paths(void **state)
{
	struct world w;

	set_up(&w);
	w.paths[1].state = PATH_FAILED;
	form(&w, GROUPING_BY_NODE_NAME);
	is(&w, 0, 0x3, 50);
	is(&w, 1, 0xc, 30);
}

static void of_equal_groups_the_one_with_more_paths_comes_first(void **state)
{
	struct world w;

	set_up(&w);
	for (unsigned i = 0; i < PATHS; i++)
		w.paths[i].priority = 1;
	w.paths[0].state = PATH_DOWN;
	form(&w, GROUPING_BY_NODE_NAME);
	is(&w, 0, 0xc, 1);
	w.paths[0].state = PATH_ACTIVE;
	form(&w, GROUPING_BY_NODE_NAME);
	is(&w, 0, 0x3, 1);
}

static void what_carries_nothing_is_never_grouped_with_what_does(void **state)
{
	struct world w;

	set_up(&w);
	for (unsigned i = 0; i < PATHS; i++)
		w.paths[i].priority = 1;
	w.paths[3].access = ACCESS_STANDBY;
	w.paths[3].barred = true;
	w.paths[0].access = w.paths[1].access = w.paths[2].access = ACCESS_UNKNOWN;
	form(&w, GROUPING_BY_PRIO);
	is(&w, 0, 0x7, 1);
	is(&w, 1, 0x8, 1);
}

static void without_paths_there_are_no_groups(void **state)
{
	struct world w = {};

	list_init(&w.list);
	form(&w, GROUPING_BY_PRIO);
	assert_int_equal(w.groups.count, 0);
}

static void policies_have_the_names_of_multipath_conf(void **state)
{
	static const char *const names[GROUPING_COUNT] = {"group_by_prio", "multibus", "failover",
							  "group_by_node_name", "group_by_tpg"};

	for (int i = 0; i < GROUPING_COUNT; i++) {
		assert_string_equal(grouping_name((enum grouping)i), names[i]);
		assert_int_equal(grouping_of(names[i]), i);
	}
	assert_int_equal(grouping_of("group_by_colour"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_policy_makes_its_groups),
		cmocka_unit_test(a_group_without_a_usable_path_comes_last),
		cmocka_unit_test(what_the_target_bars_is_not_usable),
		cmocka_unit_test(the_mean_is_that_of_usable_paths),
		cmocka_unit_test(of_equal_groups_the_one_with_more_paths_comes_first),
		cmocka_unit_test(what_carries_nothing_is_never_grouped_with_what_does),
		cmocka_unit_test(without_paths_there_are_no_groups),
		cmocka_unit_test(policies_have_the_names_of_multipath_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
