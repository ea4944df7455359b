/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

static void copy_says_whether_all_of_it_fitted(void **state)
{
	char buffer[5];

	assert_true(text_copy(buffer, sizeof(buffer), "abcd"));
	assert_string_equal(buffer, "abcd");
	assert_false(text_copy(buffer, sizeof(buffer), "abcde"));
	assert_string_equal(buffer, "abcd");
	assert_true(text_copy(buffer, 1, ""));
	assert_false(text_copy(buffer, 1, "x"));
	assert_string_equal(buffer, "");
}

static void copy_never_halves_a_character(void **state)
{
	char buffer[4];

	assert_false(text_copy(buffer, sizeof(buffer), "ab€"));
	assert_string_equal(buffer, "ab");
	assert_false(text_copy(buffer, sizeof(buffer), "abcé"));
	assert_string_equal(buffer, "abc");
	assert_true(text_copy(buffer, sizeof(buffer), "aé"));
	assert_string_equal(buffer, "aé");
}

static void prefix_suffix_and_trim(void **state)
{
	char text[] = " \t key \r\n", blank[] = " \t", none[] = "";

	assert_true(text_starts_with("iscsid.x", "iscsid."));
	assert_false(text_starts_with("iscsi", "iscsid."));
	assert_true(text_ends_with("a.conf", ".conf"));
	assert_false(text_ends_with("conf", ".conf"));
	assert_true(text_ends_with("x", ""));
	assert_string_equal(text_trim(text), "key");
	assert_string_equal(text_trim(blank), "");
	assert_string_equal(text_trim(none), "");
}

static void names_and_values_go_both_ways(void **state)
{
	static const struct text_name table[] = {{3, "three"}, {-1, "minus"}};
	int value = 99;

	assert_string_equal(text_name_of(table, 2, -1, "?"), "minus");
	assert_string_equal(text_name_of(table, 2, 4, "?"), "?");
	assert_int_equal(text_value_of(table, 2, "three", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(text_value_of(table, 2, "Three", &value), -EINVAL);
	assert_int_equal(value, 3);
}

static void numbers_are_taken_strictly(void **state)
{
	static const char *const garbage[] = {"",  " 1",  "1 ",	 "+1", "0x1", "1a",
					      "-", "--1", "1.0", "١",  "\n",  "1\n"};
	uint64_t u = 7;
	int64_t i = 7;

	for (unsigned n = 0; n < ARRAY_SIZE(garbage); n++) {
		assert_int_equal(text_parse_u64(garbage[n], 0, UINT64_MAX, &u), -EINVAL);
		assert_int_equal(text_parse_i64(garbage[n], INT64_MIN, INT64_MAX, &i), -EINVAL);
	}
	assert_int_equal(text_parse_u64("-1", 0, UINT64_MAX, &u), -EINVAL);
	assert_int_equal(u, 7);
	assert_int_equal(i, 7);
}

static void number_ranges_hold_at_both_ends(void **state)
{
	uint64_t u;
	int64_t i;

	assert_int_equal(text_parse_u64("18446744073709551615", 0, UINT64_MAX, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(text_parse_u64("18446744073709551616", 0, UINT64_MAX, &u), -ERANGE);
	assert_int_equal(text_parse_u64("99999999999999999999999999", 0, UINT64_MAX, &u), -ERANGE);
	assert_int_equal(text_parse_u64("5", 5, 9, &u), 0);
	assert_int_equal(text_parse_u64("4", 5, 9, &u), -ERANGE);
	assert_int_equal(text_parse_u64("9", 5, 9, &u), 0);
	assert_int_equal(text_parse_u64("10", 5, 9, &u), -ERANGE);
	assert_int_equal(text_parse_u64("007", 0, 9, &u), 0);
	assert_true(u == 7);
	assert_int_equal(text_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(text_parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(text_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i), -ERANGE);
	assert_int_equal(text_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i), -ERANGE);
	assert_int_equal(text_parse_i64("-3", -2, 2, &i), -ERANGE);
	assert_int_equal(text_parse_i64("-0", -2, 2, &i), 0);
	assert_true(i == 0);
}

static void bools_have_eight_words(void **state)
{
	static const char *const yes[] = {"yes", "Yes", "TRUE", "on", "1"};
	static const char *const no[] = {"no", "No", "false", "OFF", "0"};
	bool value;

	for (unsigned i = 0; i < ARRAY_SIZE(yes); i++) {
		value = false;
		assert_int_equal(text_parse_bool(yes[i], &value), 0);
		assert_true(value);
		assert_int_equal(text_parse_bool(no[i], &value), 0);
		assert_false(value);
	}
	assert_int_equal(text_parse_bool("", &value), -EINVAL);
	assert_int_equal(text_parse_bool("y", &value), -EINVAL);
	assert_int_equal(text_parse_bool("2", &value), -EINVAL);
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"250 ms", 250},  {"250ms", 250},	  {"1.5s", 1500},  {"2 sec", 2000},
		    {"60", 60000},    {"10 min", 600000}, {"1m", 60000},   {"2h", 7200000},
		    {"1d", 86400000}, {"0", 0},		  {"0.25 s", 250}, {"1 MS", 1}};
	static const char *const bad[] = {"",	  "ms",	   "1 x",   "-1 s",	  "1.s",
					  ".5 s", "1 s s", "1e3 s", "1.0000001 s"};
	uint64_t ms;

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_parse_ms(good[i].text, 1000, &ms), 0);
		assert_true(ms == good[i].ms);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_parse_ms(bad[i], 1000, &ms), -EINVAL);
	assert_int_equal(text_parse_ms("250", 1, &ms), 0);
	assert_true(ms == 250);
	assert_int_equal(text_parse_ms("1.5 ms", 1000, &ms), -ERANGE);
	assert_int_equal(text_parse_ms("0.0001 s", 1000, &ms), -ERANGE);
	assert_int_equal(text_parse_ms("18446744073709551615 d", 1000, &ms), -ERANGE);
	assert_int_equal(text_parse_ms("99999999999999999999999", 1000, &ms), -ERANGE);
}

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"512", 512},	{"64K", 65536},	 {"1.5 GiB", 1610612736},
		    {"1 b", 1},		{"2M", 2097152}, {"1 TiB", 1ULL << 40},
		    {"3P", 3ULL << 50}, {"1kib", 1024},	 {"1G", 1ULL << 30},
		    {"0.5K", 512}};
	uint64_t bytes;

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_parse_bytes(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	assert_int_equal(text_parse_bytes("1 KB", &bytes), -EINVAL);
	assert_int_equal(text_parse_bytes("99999999 P", &bytes), -ERANGE);
	assert_int_equal(text_parse_bytes("0.3", &bytes), -ERANGE);
}

static void sizes_read_well(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {{0, "0 B"},
		    {1023, "1023 B"},
		    {1024, "1.0 KiB"},
		    {1536, "1.5 KiB"},
		    {10ULL << 30, "10.0 GiB"},
		    {(1ULL << 20) - 1, "1.0 MiB"},
		    {(1ULL << 30) + (1ULL << 29), "1.5 GiB"},
		    {1ULL << 40, "1.0 TiB"},
		    {1ULL << 50, "1.0 PiB"},
		    {UINT64_MAX, "16.0 EiB"}};
	char text[TEXT_FORMAT_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(text_format_bytes(rows[i].bytes, text), rows[i].text);
}

static void durations_read_well(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {{0, "0 ns"},
		    {999, "999 ns"},
		    {1000, "1.0 µs"},
		    {1234567, "1.2 ms"},
		    {999960, "1.0 ms"},
		    {999999999, "1.0 s"},
		    {3000000000, "3.0 s"},
		    {59949999999, "59.9 s"},
		    {59950000000, "1 min 0 s"},
		    {125000000000, "2 min 5 s"},
		    {3599600000000, "1 h 0 min"},
		    {12000000000000, "3 h 20 min"},
		    {370800000000000, "4 d 7 h"},
		    {UINT64_MAX, "213503 d 23 h"}};
	char text[TEXT_FORMAT_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(text_format_ns(rows[i].ns, text), rows[i].text);
}

static void siphash_gives_the_published_vector(void **state)
{
	uint8_t key[16], data[15];

	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < 15; i++)
		data[i] = (uint8_t)i;
	/* appendix A of the SipHash paper, and the first of its authors' list */
	assert_true(text_siphash(key, data, 15) == 0xa129ca6149be45e5);
	assert_true(text_siphash(key, data, 0) == 0x726fdb47dd0e0e31);
	assert_true(text_siphash(key, data, 8) == 0x93f5f5799a932462);
}

static void hash_of_a_tuple_never_changes(void **state)
{
	const char *const parts[] = {"iqn.2004-10.org.example:a", "10.0.0.1", "3260", "default"};
	const char *const ab_c[] = {"ab", "c"}, *const a_bc[] = {"a", "bc"};
	const char *const null[] = {NULL}, *const empty[] = {""};

	/* object paths and ISIDs that others stored depend on this number */
	assert_true(text_hash(parts, 4) == 0x06860b293e4296f2);
	assert_true(text_hash(ab_c, 2) != text_hash(a_bc, 2));
	assert_true(text_hash(null, 1) == text_hash(empty, 1));
	assert_true(text_hash(empty, 1) != text_hash(empty, 0));
}

static const char *sanitised(const char *source, size_t length)
{
	static char out[64];

	text_sanitise(out, sizeof(out), source, length);
	return out;
}

static void clean_text_stays_as_it_is(void **state)
{
	static const char *const clean[] = {"", "iqn.2004-10.org.example:a",
					    "käse €100 \xf0\x9f\x98\x80"};

	for (unsigned i = 0; i < ARRAY_SIZE(clean); i++) {
		assert_string_equal(sanitised(clean[i], strlen(clean[i])), clean[i]);
		assert_true(text_is_printable(clean[i]));
	}
}

static void hostile_bytes_become_question_marks(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"a\x1b[31mb", "a?[31mb"},
		{"line\nline\r\t", "line?line??"},
		{"\x7f", "?"},
		{"\xc2\x85", "?"},		   /* C1: next line */
		{"\xc0\xaf", "??"},		   /* overlong '/' */
		{"\xe0\x80\xaf", "???"},	   /* overlong */
		{"\xed\xa0\x80", "???"},	   /* surrogate */
		{"\xf4\x90\x80\x80", "????"},	   /* above U+10FFFF */
		{"\xf8\x88\x80\x80\x80", "?????"}, /* five bytes */
		{"\xff\xfe", "??"},
		{"\x80", "?"},	      /* lone continuation */
		{"a\xe2\x82", "a??"}, /* cut off */
		{"\xe2\x82z", "??z"},
		{"a\xe2\x80\xae"
		 "b",
		 "a?b"},	       /* right-to-left override */
		{"\xe2\x80\xa8", "?"}, /* line separator */
		{"\xef\xbb\xbf"
		 "x",
		 "?x"}, /* byte order mark */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(sanitised(rows[i].in, strlen(rows[i].in)), rows[i].out);
		assert_false(text_is_printable(rows[i].in));
	}
	assert_string_equal(sanitised("ab\0cd", 5), "ab");
	assert_string_equal(sanitised("abcd", 2), "ab");
}

static void sanitise_fits_its_room_with_whole_characters(void **state)
{
	char out[4];

	assert_int_equal(text_sanitise(out, sizeof(out), "ab€", 5), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(text_sanitise(out, sizeof(out), "€x", 4), 3);
	assert_string_equal(out, "€");
	assert_int_equal(text_sanitise(out, 1, "x", 1), 0);
	assert_string_equal(out, "");
}

static void sanitise_works_in_place_and_its_result_is_clean(void **state)
{
	uint32_t seed = 20261122;
	char text[64];
	size_t length;

	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < sizeof(text) - 1; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = (char)(seed >> 24);
		}
		text[sizeof(text) - 1] = '\0';
		length = text_sanitise(text, sizeof(text), text, sizeof(text));
		assert_int_equal(length, strlen(text));
		assert_true(text_is_printable(text));
	}
}

static void hexadecimal_goes_both_ways(void **state)
{
	uint8_t data[4];
	char text[9];

	text_hex_encode("\x00\x9f\xff", 3, text);
	assert_string_equal(text, "009fff");
	assert_int_equal(text_hex_decode("009fFf", data, sizeof(data)), 3);
	assert_memory_equal(data, "\x00\x9f\xff", 3);
	assert_int_equal(text_hex_decode("", data, 0), 0);
	assert_int_equal(text_hex_decode("123", data, sizeof(data)), -EINVAL);
	assert_int_equal(text_hex_decode("1g", data, sizeof(data)), -EINVAL);
	assert_int_equal(text_hex_decode("0x", data, sizeof(data)), -EINVAL);
	assert_int_equal(text_hex_decode("0102030405", data, sizeof(data)), -ENOSPC);
}

static void hexadecimal_numbers_are_taken_with_and_without_prefix(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"0x0", 0},
		{"aB0", 0xab0},
		{"0Xff", 255},
		{"0xffffffffffffffff", UINT64_MAX},
		{"0000000000000001", 1},
	};
	static const char *const bad[] = {"",	"0x", "x1", "-1",    "+1",
					  " 1", "1 ", "1g", "0x0x1", "00000000000000001"};
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_parse_hex(good[i].text, &value), 0);
		assert_true(value == good[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_parse_hex(bad[i], &value), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hexadecimal_numbers_are_taken_with_and_without_prefix),
		cmocka_unit_test(copy_says_whether_all_of_it_fitted),
		cmocka_unit_test(copy_never_halves_a_character),
		cmocka_unit_test(prefix_suffix_and_trim),
		cmocka_unit_test(names_and_values_go_both_ways),
		cmocka_unit_test(numbers_are_taken_strictly),
		cmocka_unit_test(number_ranges_hold_at_both_ends),
		cmocka_unit_test(bools_have_eight_words),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(sizes_read_well),
		cmocka_unit_test(durations_read_well),
		cmocka_unit_test(siphash_gives_the_published_vector),
		cmocka_unit_test(hash_of_a_tuple_never_changes),
		cmocka_unit_test(clean_text_stays_as_it_is),
		cmocka_unit_test(hostile_bytes_become_question_marks),
		cmocka_unit_test(sanitise_fits_its_room_with_whole_characters),
		cmocka_unit_test(sanitise_works_in_place_and_its_result_is_clean),
		cmocka_unit_test(hexadecimal_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
