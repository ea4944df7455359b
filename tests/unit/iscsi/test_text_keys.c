/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/text_keys.h"
#include "util/cleanup.h"

#define SPAN(literal) ((struct text_span){literal, sizeof(literal) - 1})

static void pairs_come_out_in_order(void **state)
{
	struct text_span text = SPAN("A=1\0B=x=y\0\0\0C=\0D=last");
	static const char *const want[][2] = {{"A", "1"}, {"B", "x=y"}, {"C", ""}, {"D", "last"}};
	struct text_pair pair;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(text_pair_next(&text, &pair), 1);
		assert_true(text_span_is(pair.key, want[i][0]));
		assert_true(text_span_is(pair.value, want[i][1]));
	}
	assert_int_equal(text_pair_next(&text, &pair), 0);
	assert_int_equal(text_pair_next(&text, &pair), 0);
}

static void empty_text_has_no_pairs(void **state)
{
	struct text_span none = {}, nuls = SPAN("\0\0\0");
	struct text_pair pair;

	assert_int_equal(text_pair_next(&none, &pair), 0);
	assert_int_equal(text_pair_next(&nuls, &pair), 0);
}

static void malformed_pairs_are_told_and_passed_over(void **state)
{
	static const struct text_span bad[] = {
		SPAN("novalue\0Good=1\0"),
		SPAN("=1\0Good=1\0"),
		SPAN("1A=1\0Good=1\0"),
		SPAN("A B=1\0Good=1\0"),
		SPAN("A/B=1\0Good=1\0"),
		SPAN("A\xc3\xa9=1\0Good=1\0"),
		SPAN("-A=1\0Good=1\0"),
		SPAN("A\n=1\0Good=1\0"),
		SPAN("A234567890123456789012345678901234567890123456789012345678901234=1\0Good=1\0"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct text_span text = bad[i];
		struct text_pair pair;

		assert_int_equal(text_pair_next(&text, &pair), -EBADMSG);
		assert_int_equal(text_pair_next(&text, &pair), 1);
		assert_true(text_span_is(pair.key, "Good"));
	}
}

static void key_names_have_63_of_the_allowed_characters(void **state)
{
	struct text_span text =
		SPAN("A23456789012345678901234567890123456789012345678901234567890123=1\0"
		     "X-com.example_a+b@c=2\0X#NodeArchitecture=3\0headerdigest=4\0");
	struct text_pair pair;

	for (int i = 0; i < 4; i++)
		assert_int_equal(text_pair_next(&text, &pair), 1);
	assert_true(text_span_is(pair.value, "4"));
}

static void key_names_are_compared_with_case(void **state)
{
	assert_true(text_span_is(SPAN("HeaderDigest"), "HeaderDigest"));
	assert_false(text_span_is(SPAN("headerdigest"), "HeaderDigest"));
	assert_false(text_span_is(SPAN("HeaderDigestX"), "HeaderDigest"));
	assert_false(text_span_is(SPAN("Header"), "HeaderDigest"));
}

static void numbers_follow_the_grammar(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"512", 0, 512},
		{"16777216", 0, 16777216},
		{"0x1F", 0, 31},
		{"0X00ff", 0, 255},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"0xffffffffffffffff", 0, UINT64_MAX},
		{"0x10000000000000000", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"12x", -EINVAL, 0},
		{"007", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"0xg", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1~2", -EINVAL, 0},
		{"a", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 0;

		assert_int_equal(text_span_number(text_span_of(rows[i].text), &value),
				 rows[i].error);
		assert_true(value == rows[i].value);
	}
}

static void lists_are_cut_at_commas(void **state)
{
	struct text_span list = SPAN("CRC32C,None,,X");
	static const char *const want[] = {"CRC32C", "None", "", "X"};
	struct text_span value;

	assert_true(text_list_contains(list, SPAN("None")));
	assert_false(text_list_contains(list, SPAN("Non")));
	assert_false(text_list_contains(list, SPAN("none")));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(text_list_next(&list, &value));
		assert_true(text_span_is(value, want[i]));
	}
	assert_false(text_list_next(&list, &value));
}

static void text_grows_piece_by_piece_up_to_its_limit(void **state)
{
	struct text_keys text;
	char piece[1000] = {};

	text_keys_init(&text, TEXT_KEYS_LOGIN_MAX);
	for (int i = 0; i < 65; i++)
		assert_int_equal(text_keys_append(&text, piece, sizeof(piece)), 0);
	assert_int_equal(text_keys_append(&text, piece, 536), 0);
	assert_int_equal(text.length, TEXT_KEYS_LOGIN_MAX);
	assert_int_equal(text_keys_append(&text, piece, 1), -E2BIG);
	assert_int_equal(text_keys_append(&text, piece, 0), -E2BIG);
	assert_int_equal(text.length, TEXT_KEYS_LOGIN_MAX);

	text_keys_clear(&text);
	assert_int_equal(text_keys_append(&text, "A", 1), 0);
	assert_int_equal(text_keys_append(&text, "B=1\0", 4), 0);
	assert_memory_equal(text.bytes, "AB=1\0", 5);
	text_keys_deinit(&text);
	text_keys_deinit(&text);
}

static void built_pairs_end_with_one_nul_each(void **state)
{
	struct text_keys text;

	text_keys_init(&text, 64);
	text_keys_add(&text, "A", "x");
	text_keys_add_number(&text, "B", 16777215);
	text_keys_add_answer(&text, (struct text_span){"CDE", 1}, "Reject");
	assert_int_equal(text.error, 0);
	assert_int_equal(text.length, 24);
	assert_memory_equal(text.bytes, "A=x\0B=16777215\0C=Reject\0", 24);
	for (int i = 0; i < 10; i++)
		text_keys_add(&text, "D", "12345678");
	assert_int_equal(text.error, -E2BIG);
	text_keys_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_come_out_in_order),
		cmocka_unit_test(empty_text_has_no_pairs),
		cmocka_unit_test(malformed_pairs_are_told_and_passed_over),
		cmocka_unit_test(key_names_have_63_of_the_allowed_characters),
		cmocka_unit_test(key_names_are_compared_with_case),
		cmocka_unit_test(numbers_follow_the_grammar),
		cmocka_unit_test(lists_are_cut_at_commas),
		cmocka_unit_test(text_grows_piece_by_piece_up_to_its_limit),
		cmocka_unit_test(built_pairs_end_with_one_nul_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
