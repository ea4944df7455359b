/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/model.h"
#include "tests/unit/cli/examples.h"

static void assert_sids(const struct session_list *list, const uint32_t *sids, size_t count)
{
	assert_int_equal(list->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list->items[i].sid, sids[i]);
}

static struct session_list list_of(const struct session_info *sessions, size_t count)
{
	struct session_list list = {.count = count};

	list.items = calloc(count, sizeof(*sessions));
	memcpy(list.items, sessions, count * sizeof(*sessions));
	return list;
}

static void sessions_are_listed_by_the_text_of_their_number(void **state)
{
	const struct session_info sessions[] = {
		example_session(1, "a", "x"),  example_session(2, "a", "x"),
		example_session(10, "a", "x"), example_session(9, "a", "x"),
		example_session(11, "a", "x"),
	};
	owned_sessions list = list_of(sessions, 5);

	sessions_sort_as_listed(&list);
	assert_sids(&list, (const uint32_t[]){1, 10, 11, 2, 9}, 5);
}

static void sessions_of_a_target_come_together_in_their_order(void **state)
{
	const struct session_info sessions[] = {
		example_session(1, "b", "x"), example_session(2, "a", "x"),
		example_session(3, "c", "x"), example_session(4, "b", "x"),
		example_session(5, "a", "x"), example_session(6, "b", "x"),
	};
	owned_sessions list = list_of(sessions, 6);

	sessions_group_by_target(&list);
	assert_sids(&list, (const uint32_t[]){1, 4, 6, 2, 5, 3}, 6);
}

static bool is_even(const struct session_info *session)
{
	return session->sid % 2 == 0;
}

static void sessions_that_are_not_wanted_go_away(void **state)
{
	struct session_info sessions[] = {
		example_session(1, "a", "x"),
		example_session(2, "a", "x"),
		example_session(3, "a", "x"),
		example_session(4, "a", "x"),
	};
	owned_sessions list = {};

	for (size_t i = 0; i < 4; i++)
		sessions[i].units = calloc(1, sizeof(struct unit_info));
	list = list_of(sessions, 4);
	sessions_keep(&list, is_even);
	assert_sids(&list, (const uint32_t[]){2, 4}, 2);
}

static void empty_lists_are_fine(void **state)
{
	owned_sessions list = {};

	sessions_sort_as_listed(&list);
	sessions_group_by_target(&list);
	sessions_keep(&list, is_even);
	assert_int_equal(list.count, 0);
}

static void a_selection_says_only_what_it_names(void **state)
{
	static const uint32_t sids[] = {7, 8};
	struct argument entries[SELECTION_ARGUMENTS];

	selection_arguments(&(struct selection){.sids = sids}, entries);
	assert_int_equal(entries[0].type, 0);
	selection_arguments(
		&(struct selection){.target = "t", .port = 3260, .sids = sids, .sid_count = 2},
		entries);
	assert_string_equal(entries[0].key, "target");
	assert_string_equal(entries[0].text, "t");
	assert_string_equal(entries[1].key, "port");
	assert_int_equal(entries[1].type, 'q');
	assert_int_equal(entries[1].number, 3260);
	assert_string_equal(entries[2].key, "sids");
	assert_int_equal(entries[2].type, 'U');
	assert_ptr_equal(entries[2].numbers, sids);
	assert_int_equal(entries[2].count, 2);
	assert_int_equal(entries[3].type, 0);
}

/* An answer that is not what it should be, as from a daemon of another version. */
static void a_strange_answer_gives_empty_fields(void **state)
{
	struct value *reply = calloc(1, sizeof(*reply)), *rows, *row;
	owned_sessions sessions = {};

	reply->kind = VALUE_LIST;
	rows = value_new_item(reply);
	rows->kind = VALUE_LIST;
	row = value_new_item(rows);
	row->kind = VALUE_NUMBER;
	assert_int_equal(session_list_of(reply, &sessions), 0);
	assert_int_equal(sessions.count, 1);
	assert_string_equal(sessions.items[0].target, "");
	assert_string_equal(sessions.items[0].last_error.text, "");
	assert_int_equal(sessions.items[0].negotiated.max_burst, -1);
	assert_int_equal(sessions.items[0].unit_count, 0);
}

static void error_names_are_known_with_and_without_prefix(void **state)
{
	assert_int_equal(client_error_code(""), ERROR_NONE);
	assert_int_equal(client_error_code("org.hawser1.Error.Busy"), ERROR_BUSY);
	assert_int_equal(client_error_code("SessionExists"), ERROR_SESSION_EXISTS);
	assert_int_equal(client_error_code("org.hawser1.Error.OfTheFuture"), ERROR_FAILED);
	assert_int_equal(client_error_code("org.freedesktop.DBus.Error.InvalidArgs"),
			 ERROR_INVALID_ARGUMENT);
	assert_int_equal(client_error_code("org.freedesktop.DBus.Error.AccessDenied"),
			 ERROR_ACCESS_DENIED);
	assert_int_equal(client_error_code("org.freedesktop.DBus.Error.ServiceUnknown"),
			 ERROR_NOT_CONNECTED);
	assert_int_equal(client_error_code("org.freedesktop.DBus.Error.Spawn.ChildExited"),
			 ERROR_NOT_CONNECTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_listed_by_the_text_of_their_number),
		cmocka_unit_test(sessions_of_a_target_come_together_in_their_order),
		cmocka_unit_test(sessions_that_are_not_wanted_go_away),
		cmocka_unit_test(empty_lists_are_fine),
		cmocka_unit_test(a_selection_says_only_what_it_names),
		cmocka_unit_test(a_strange_answer_gives_empty_fields),
		cmocka_unit_test(error_names_are_known_with_and_without_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
