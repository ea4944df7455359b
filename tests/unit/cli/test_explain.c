/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "util/error.h"

static void every_code_of_the_daemon_is_explained_under_its_name(void **state)
{
	for (enum error_code code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
		const struct explanation *explanation = explain_word(error_name(code));

		assert_non_null(explanation);
		assert_int_equal(explanation->status, error_exit_status(code));
		assert_ptr_equal(explain_status(error_exit_status(code)), explanation);
		assert_true(*explanation->meaning && *explanation->next);
	}
}

static void codes_are_found_by_number_and_by_any_spelling(void **state)
{
	assert_int_equal(explain_word("24")->status, 24);
	assert_int_equal(explain_word("authenticationfailed")->status, 24);
	assert_int_equal(explain_word("org.hawser1.Error.Busy")->status, 28);
	assert_int_equal(explain_word("0")->status, 0);
	assert_null(explain_word("255"));
	assert_null(explain_word("nonsense"));
	assert_null(explain_word(""));
	assert_null(explain_word("-1"));
	assert_null(explain_status(17));
}

static void what_to_do_next_depends_on_the_verb(void **state)
{
	/* a disk that works, a portal where nobody listens: no word of logins, or of large packets
	 */
	assert_non_null(strstr(explain_next(15, "remove"), "hawser logout"));
	assert_non_null(strstr(explain_next(15, "login"), "For a login"));
	assert_non_null(strstr(explain_next(11, "discover"), "listens"));
	assert_null(strstr(explain_next(11, "discover"), "MTU"));
	assert_non_null(strstr(explain_next(11, "login"), "MTU"));
	for (size_t i = 0; i < 4; i++) {
		const char *of_maps[] = {"remove", "pr", "group", "reset"};

		assert_non_null(strstr(explain_next(21, of_maps[i]), "'hawser maps'"));
	}
	assert_string_equal(explain_next(21, "logout"), explain_status(21)->next);
	assert_string_equal(explain_next(21, NULL), explain_status(21)->next);
	assert_null(explain_next(17, "remove"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_the_daemon_is_explained_under_its_name),
		cmocka_unit_test(codes_are_found_by_number_and_by_any_spelling),
		cmocka_unit_test(what_to_do_next_depends_on_the_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
