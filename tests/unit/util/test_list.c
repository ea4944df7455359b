/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/list.h"

struct item {
	int number;
	struct list link;
};

static int contents(struct list *head)
{
	struct item *item;
	int digits = 0;

	list_for_each (item, head, link)
		digits = digits * 10 + item->number;
	return digits;
}

static void members_keep_their_order(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[] = {{1}, {2}, {3}};

	assert_true(list_empty(&head));
	assert_int_equal(contents(&head), 0);
	list_append(&head, &items[1].link);
	list_append(&head, &items[2].link);
	list_prepend(&head, &items[0].link);
	assert_false(list_empty(&head));
	assert_int_equal(contents(&head), 123);
	assert_ptr_equal(list_first(&head, struct item, link), &items[0]);
}

static void removing_twice_does_no_harm(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[] = {{1}, {2}, {3}};

	for (unsigned i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	assert_int_equal(contents(&head), 13);
	assert_true(list_empty(&items[1].link));
	list_append(&head, &items[1].link);
	assert_int_equal(contents(&head), 132);
}

static void pop_gives_all_in_order_and_then_null(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[] = {{1}, {2}};

	assert_null(list_first(&head, struct item, link));
	assert_null(list_pop(&head, struct item, link));
	list_append(&head, &items[0].link);
	list_append(&head, &items[1].link);
	assert_ptr_equal(list_pop(&head, struct item, link), &items[0]);
	assert_ptr_equal(list_pop(&head, struct item, link), &items[1]);
	assert_null(list_pop(&head, struct item, link));
	assert_true(list_empty(&items[0].link));
}

static void splice_moves_everything_to_the_end(void **state)
{
	struct list to = LIST_INIT(to), from = LIST_INIT(from);
	struct item items[] = {{1}, {2}, {3}, {4}};

	list_splice(&to, &from);
	assert_true(list_empty(&to));
	list_append(&from, &items[0].link);
	list_append(&from, &items[1].link);
	list_splice(&to, &from);
	assert_int_equal(contents(&to), 12);
	assert_true(list_empty(&from));
	list_append(&from, &items[2].link);
	list_append(&from, &items[3].link);
	list_splice(&to, &from);
	assert_int_equal(contents(&to), 1234);
	list_append(&from, &items[0].link);
}

static void safe_loop_survives_removal_of_each_entry(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[] = {{1}, {2}, {3}, {4}}, *item, *following;

	for (unsigned i = 0; i < 4; i++)
		list_append(&head, &items[i].link);
	list_for_each_safe (item, following, &head, link) {
		if (item->number % 2 == 0)
			list_remove(&item->link);
	}
	assert_int_equal(contents(&head), 13);
	list_for_each_safe (item, following, &head, link)
		list_remove(&item->link);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_keep_their_order),
		cmocka_unit_test(removing_twice_does_no_harm),
		cmocka_unit_test(pop_gives_all_in_order_and_then_null),
		cmocka_unit_test(splice_moves_everything_to_the_end),
		cmocka_unit_test(safe_loop_survives_removal_of_each_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
