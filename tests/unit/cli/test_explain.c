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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_the_daemon_is_explained_under_its_name),
		cmocka_unit_test(codes_are_found_by_number_and_by_any_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
