/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "multipath/retry.h"
#include "multipath/verdict.h"

static void every_bit_has_one_word(void **state)
{
	const struct verdict_word *word;
	unsigned all = 0;
	size_t i = 0;

	for (; (word = verdict_word_at(i)); i++) {
		assert_int_equal(word->verdict & (word->verdict - 1), 0);
		assert_int_equal(all & word->verdict, 0);
		assert_true(*word->name && *word->meaning);
		all |= word->verdict;
	}
	assert_int_equal(i, VERDICT_COUNT);
	assert_int_equal(all, (1u << VERDICT_COUNT) - 1);
}

static void words_stand_in_one_order_apart_by_a_blank(void **state)
{
	char text[VERDICT_TEXT_MAX];

	assert_string_equal(verdict_text(0, text), "");
	assert_string_equal(verdict_text(VERDICT_QUAR, text), "QUAR");
	assert_string_equal(verdict_text(VERDICT_RTPG | VERDICT_OTHER, text), "OTHER RTPG");
	assert_true(strlen(verdict_text(~0u, text)) < VERDICT_TEXT_MAX - 1); /* none was cut */
	assert_non_null(strstr(text, "FENCE EVT"));
}

static void doubt_has_a_letter(void **state)
{
	assert_string_equal(doubt_letter(DOUBT_NOT_SAID), "");
	assert_string_equal(doubt_letter(DOUBT_NONE), "N");
	assert_string_equal(doubt_letter(DOUBT_EXECUTED), "Y");
	assert_string_equal(doubt_letter(DOUBT_OPEN), "D");
}

static void every_rule_is_told_in_these_words(void **state)
{
	static const struct {
		enum retry_action action;
		unsigned flags, verdicts;
	} rows[] = {
		{RETRY_DONE, 0, VERDICT_OK},
		{RETRY_FAIL, 0, VERDICT_ERR},
		{RETRY_SAME_PATH, 0, VERDICT_SAME},
		{RETRY_DELAY, 0, VERDICT_DELAY},
		{RETRY_OTHER_PATH, 0, VERDICT_OTHER},
		{RETRY_FAIL_PATH, 0, VERDICT_FAILP | VERDICT_OTHER},
		{RETRY_UNMAPPED, 0, VERDICT_RESCAN | VERDICT_OTHER},
		{RETRY_GUARD, 0, VERDICT_FENCE},
		{RETRY_SAME_PATH, RETRY_ATTENTION, VERDICT_SAME | VERDICT_EVT},
		{RETRY_SAME_PATH, RETRY_VERIFY, VERDICT_SAME | VERDICT_PROBE},
		{RETRY_OTHER_PATH, RETRY_ACCESS, VERDICT_OTHER | VERDICT_RTPG},
		{RETRY_SAME_PATH, RETRY_DEFERRED_ERROR, VERDICT_SAME | VERDICT_EVT},
	};
	const struct retry_rule *rule;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			verdict_of_rule(&(struct retry_rule){
				.verdict = {.action = rows[i].action, .flags = rows[i].flags}}),
			rows[i].verdicts);
	for (size_t i = 0; (rule = retry_rule_at(i)); i++)
		assert_true(verdict_of_rule(rule) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_has_one_word),
		cmocka_unit_test(words_stand_in_one_order_apart_by_a_blank),
		cmocka_unit_test(doubt_has_a_letter),
		cmocka_unit_test(every_rule_is_told_in_these_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
