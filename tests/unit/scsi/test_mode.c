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

#include "scsi/mode.h"
#include "util/cleanup.h"
#include "util/text.h"

/* What tgt 1.0.85 answers, taken off the wire: block descriptor, then the caching page. */
#define TGT_10 "0022001000000008000000000000020008121400ffff0000ffffffff8014000000000000"
#define TGT_6  "1f001008000000000000020008121400ffff0000ffffffff8014000000000000"
/* MODE SENSE(6) for all pages: the caching page is the second of five. */
#define TGT_ALL \
	"6900100800000000000002000000020e8080000a0000000000000000000008121400ffff0000ffff" \
	"ffff80140000000000000a0a021000000000000002004a01001c0400000000000000000000000000" \
	"00000000000000000000000000001c0a08000000000000000000"

static int parse(const char *hex, size_t length, enum mode_format format,
		 struct unit_limits *limits)
{
	uint8_t whole[256];
	owned_memory uint8_t *cut = NULL;
	int bytes = text_hex_decode(hex, whole, sizeof(whole));

	assert_true(bytes >= 0);
	length = MIN(length, (size_t)bytes);
	cut = malloc(length ? length : 1);
	memcpy(cut, whole, length);
	return mode_parse(cut, length, format, limits);
}

static void modes_of_tgt_in_every_form(void **state)
{
	static const struct {
		const char *hex;
		enum mode_format format;
	} rows[] = {
		{TGT_10, MODE_FORMAT_10},
		{TGT_6, MODE_FORMAT_6},
		{TGT_ALL, MODE_FORMAT_6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_limits limits = {.read_only = true};

		assert_int_equal(parse(rows[i].hex, SIZE_MAX, rows[i].format, &limits), 0);
		assert_false(limits.read_only);
		assert_true(limits.fua);
		assert_true(limits.write_cache);
	}
}

static void each_bit_is_read_alone(void **state)
{
	static const struct {
		const char *six, *ten;
		bool read_only, fua, write_cache;
	} rows[] = {
		{"170000000812"
		 "00",
		 "001a000000000000"
		 "0812"
		 "00",
		 false, false, false},
		{"170080000812"
		 "00",
		 "001a008000000000"
		 "0812"
		 "00",
		 true, false, false},
		{"170010000812"
		 "00",
		 "001a001000000000"
		 "0812"
		 "00",
		 false, true, false},
		{"170000000812"
		 "04",
		 "001a000000000000"
		 "0812"
		 "04",
		 false, false, true},
		{"17006f000812"
		 "fb",
		 "001a006f00000000"
		 "8812"
		 "fb",
		 false, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned ten = 0; ten < 2; ten++) {
			struct unit_limits limits = {};

			assert_int_equal(parse(ten ? rows[i].ten : rows[i].six, SIZE_MAX,
					       ten ? MODE_FORMAT_10 : MODE_FORMAT_6, &limits),
					 0);
			assert_int_equal(limits.read_only, rows[i].read_only);
			assert_int_equal(limits.fua, rows[i].fua);
			assert_int_equal(limits.write_cache, rows[i].write_cache);
		}
	}
}

static void without_the_caching_page_a_write_cache_is_assumed(void **state)
{
	static const char *const rows[] = {
		"03000000", /* header alone */
		"0b000000"
		"0a0a0200"
		"0000",		/* another page, cut */
		"050000000800", /* caching page of length 0 */
		"04000000"
		"08", /* cut in the page's header */
		"07000000"
		"48120004", /* subpage of the caching page's code */
		"ff0000ff"
		"081204", /* block descriptors swallow it */
		"03000000"
		"081200", /* behind the told length */
		"00000000"
		"081200", /* told length that is shorter than the header */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_limits limits = {};

		assert_int_equal(parse(rows[i], SIZE_MAX, MODE_FORMAT_6, &limits), 0);
		assert_true(limits.write_cache);
	}
}

static void pages_in_front_are_stepped_over(void **state)
{
	struct unit_limits limits = {.write_cache = true};

	/* a page, a subpage with its two bytes of length, then caching without WCE */
	assert_int_equal(parse("ff000000"
			       "0202aaaa"
			       "4a010003aaaaaa"
			       "081200",
			       SIZE_MAX, MODE_FORMAT_6, &limits),
			 0);
	assert_false(limits.write_cache);
}

static void answers_cut_anywhere_are_survived(void **state)
{
	for (size_t length = 0; length <= 36; length++) {
		struct unit_limits ten = {.read_only = true}, six = {.read_only = true};

		assert_int_equal(parse(TGT_10, length, MODE_FORMAT_10, &ten),
				 length < 8 ? -EBADMSG : 0);
		assert_int_equal(ten.read_only, length < 8);
		assert_int_equal(parse(TGT_6, length, MODE_FORMAT_6, &six),
				 length < 4 ? -EBADMSG : 0);
		assert_int_equal(six.read_only, length < 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_of_tgt_in_every_form),
		cmocka_unit_test(each_bit_is_read_alone),
		cmocka_unit_test(without_the_caching_page_a_write_cache_is_assumed),
		cmocka_unit_test(pages_in_front_are_stepped_over),
		cmocka_unit_test(answers_cut_anywhere_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
