/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/logout.h"
#include "tests/unit/cli/examples.h"
#include "util/cleanup.h"

#define A EXAMPLE_TARGET

static void add_text(struct value *parent, const char *text)
{
	struct value *item = value_new_item(parent);

	item->kind = VALUE_TEXT;
	item->text = strdup(text);
}

static struct value *new_results(void)
{
	struct value *results = calloc(1, sizeof(*results));

	results->kind = VALUE_LIST;
	return results;
}

/* One more row of LogoutMany's answer. */
static void add_result(struct value *results, const char *object, const char *name,
		       const char *text)
{
	struct value *row = value_new_item(results);

	row->kind = VALUE_LIST;
	add_text(row, object);
	add_text(row, name);
	add_text(row, text);
}

/* Sessions /s1, /s2 and /s3. */
static struct session_list three_sessions(struct session_info sessions[3])
{
	static const char *const objects[] = {"/s1", "/s2", "/s3"};

	for (uint32_t i = 0; i < 3; i++) {
		sessions[i] = example_session(i + 1, A, "10.0.0.1");
		sessions[i].object = objects[i];
	}
	return (struct session_list){.items = sessions, .count = 3};
}

static void assert_codes(const struct error *errors, enum error_code one, enum error_code two,
			 enum error_code three)
{
	assert_int_equal(errors[0].code, one);
	assert_int_equal(errors[1].code, two);
	assert_int_equal(errors[2].code, three);
}

static void each_session_gets_its_own_result_in_any_order(void **state)
{
	struct error *errors = calloc(3, sizeof(*errors));
	owned(value) results = new_results();
	struct session_info sessions[3];
	struct session_list list = three_sessions(sessions);

	add_result(results, "/s3", "", "");
	add_result(results, "/other", "org.hawser1.Error.Failed", "not ours");
	add_result(results, "/s1", "org.hawser1.Error.Busy", "mounted on /srv");
	add_result(results, "/s2", "org.hawser1.Error.LogoutFailed", "no");
	logout_results(results, &list, errors);
	assert_codes(errors, ERROR_BUSY, ERROR_LOGOUT_FAILED, ERROR_NONE);
	assert_string_equal(errors[0].text, "mounted on /srv");
	errors_free(errors, 3);
}

static void a_session_that_is_not_told_of_was_gone(void **state)
{
	struct error *errors = calloc(3, sizeof(*errors));
	owned(value) results = new_results();
	struct session_info sessions[3];
	struct session_list list = three_sessions(sessions);

	add_result(results, "/s2", "", "");
	logout_results(results, &list, errors);
	assert_codes(errors, ERROR_NO_OBJECTS_FOUND, ERROR_NONE, ERROR_NO_OBJECTS_FOUND);
	errors_free(errors, 3);
}

/* Programs give themselves names, and the daemon passes on who has a device in use. */
static void what_holders_call_themselves_does_no_harm(void **state)
{
	struct error *errors = calloc(3, sizeof(*errors));
	owned(value) results = new_results();
	struct session_info sessions[3];
	struct session_list list = three_sessions(sessions);

	add_result(results, "/s1", "org.hawser1.Error.Busy", "open in \033[2J\nanother line");
	add_result(results, "/s2", "org.hawser1.Error.OfTheFuture", "");
	add_result(results, "/s3", "", "");
	logout_results(results, &list, errors);
	assert_codes(errors, ERROR_BUSY, ERROR_FAILED, ERROR_NONE);
	assert_null(strchr(errors[0].text, '\033'));
	assert_non_null(strstr(errors[0].text, "\nanother line"));
	errors_free(errors, 3);
}

static void an_answer_of_another_shape_is_no_success(void **state)
{
	struct error *errors = calloc(3, sizeof(*errors));
	struct value number = {.kind = VALUE_NUMBER, .number = 1};
	struct session_info sessions[3];
	struct session_list list = three_sessions(sessions);

	logout_results(&number, &list, errors);
	assert_codes(errors, ERROR_NO_OBJECTS_FOUND, ERROR_NO_OBJECTS_FOUND,
		     ERROR_NO_OBJECTS_FOUND);
	errors_free(errors, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_session_gets_its_own_result_in_any_order),
		cmocka_unit_test(a_session_that_is_not_told_of_was_gone),
		cmocka_unit_test(what_holders_call_themselves_does_no_harm),
		cmocka_unit_test(an_answer_of_another_shape_is_no_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
