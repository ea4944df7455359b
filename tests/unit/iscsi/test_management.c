/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "iscsi/management.h"
#include "util/cleanup.h"

#define TASK	MANAGEMENT_OF_TASK
#define UNIT	MANAGEMENT_OF_UNIT
#define SESSION MANAGEMENT_OF_SESSION

/* RFC 7143 §4.2.3.2, §11.5.1; RFC 7144 §6.3 */
static const struct {
	uint8_t code;
	enum management_scope scope;
	bool ends, closes, level_2;
} standard[] = {
	{1, TASK, true, false, false},	  /* ABORT TASK */
	{2, UNIT, true, false, false},	  /* ABORT TASK SET */
	{3, UNIT, false, false, false},	  /* CLEAR ACA */
	{4, UNIT, true, false, false},	  /* CLEAR TASK SET */
	{5, UNIT, true, false, false},	  /* LOGICAL UNIT RESET */
	{6, SESSION, true, false, false}, /* TARGET WARM RESET */
	{7, SESSION, true, true, false},  /* TARGET COLD RESET */
	{9, TASK, false, false, true},	  /* QUERY TASK */
	{10, UNIT, false, false, true},	  /* QUERY TASK SET */
	{11, SESSION, true, true, true},  /* I_T NEXUS RESET */
	{12, UNIT, false, false, true},	  /* QUERY ASYNCHRONOUS EVENT */
};

static void every_function_is_as_the_standards_say(void **state)
{
	size_t known = 0;

	for (unsigned code = 0; code < 128; code++) {
		const struct management_function *row =
			management_function_of((enum task_management_function)code);

		if (known == ARRAY_SIZE(standard) || standard[known].code != code) {
			assert_null(row);
			continue;
		}
		assert_int_equal(row->code, code);
		assert_int_equal(row->scope, standard[known].scope);
		assert_int_equal(row->ends, standard[known].ends);
		assert_int_equal(row->closes, standard[known].closes);
		assert_int_equal(row->level_2, standard[known].level_2);
		known++;
	}
	assert_int_equal(known, ARRAY_SIZE(standard));
}

/* RFC 7143 §11.6.1: 0 and 1 are FUNCTION COMPLETE, 2 is INCORRECT LOGICAL UNIT NUMBER, all else
 * FUNCTION REJECTED; RFC 7144 §6.4.2: 7 answers a query */
static enum management_outcome expected(size_t i, unsigned response)
{
	bool query = standard[i].level_2 && !standard[i].ends;

	if (response == 0 || (response == 1 && standard[i].scope == TASK))
		return MANAGEMENT_COMPLETE;
	if (response == 2 && standard[i].scope != SESSION)
		return MANAGEMENT_NO_UNIT;
	return response == 7 && query ? MANAGEMENT_SUCCEEDED : MANAGEMENT_REFUSED;
}

static void every_answer_to_every_function_has_its_meaning(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		for (unsigned response = 0; response < 256; response++)
			assert_int_equal(
				management_outcome_of(management_function_of(standard[i].code),
						      (uint8_t)response),
				expected(i, response));
}

static void only_an_abort_must_succeed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		assert_int_equal(management_function_of(standard[i].code)->must,
				 standard[i].code == 1);
}

static void a_function_covers_its_unit_or_all_or_nothing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
		struct management_request request = {
			.lun = 5, .row = management_function_of(standard[i].code)};

		assert_int_equal(management_covers(&request, 5), standard[i].ends);
		assert_int_equal(management_covers(&request, 6),
				 standard[i].ends && standard[i].scope == SESSION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_is_as_the_standards_say),
		cmocka_unit_test(every_answer_to_every_function_has_its_meaning),
		cmocka_unit_test(only_an_abort_must_succeed),
		cmocka_unit_test(a_function_covers_its_unit_or_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
