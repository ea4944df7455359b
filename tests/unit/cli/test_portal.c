/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cli/portal.h"
#include "util/cleanup.h"

/* clang-format off */
static const struct {
	const char *text, *address;
	uint16_t port;
	int32_t tpgt;
} good[] = {
	{"10.0.0.1",                   "10.0.0.1",        3260, -1},
	{"10.0.0.1:3261",              "10.0.0.1",        3261, -1},
	{"10.0.0.1:3261,7",            "10.0.0.1",        3261, 7},
	{"10.0.0.1,7",                 "10.0.0.1",        3260, 7},
	{"10.0.0.1:1,0",               "10.0.0.1",        1,    0},
	{"10.0.0.1:65535,65535",       "10.0.0.1",        65535, 65535},
	{"san1",                       "san1",            3260, -1},
	{"san1:3261",                  "san1",            3261, -1},
	{"san1.example.org:3261,1",    "san1.example.org", 3261, 1},
	{"fe80::1",                    "fe80::1",         3260, -1},
	{"fe80::1,2",                  "fe80::1",         3260, 2},
	{"::1",                        "::1",             3260, -1},
	{"fe80::1%eth0.5",             "fe80::1%eth0.5",  3260, -1},
	{"[fe80::1]",                  "fe80::1",         3260, -1},
	{"[fe80::1]:3261",             "fe80::1",         3261, -1},
	{"[fe80::1]:3261,2",           "fe80::1",         3261, 2},
	{"[fe80::1],2",                "fe80::1",         3260, 2},
	{"[::ffff:1.2.3.4]:3261",      "::ffff:1.2.3.4",  3261, -1},
};

static const char *const bad[] = {
	"", ",1", ":3260", "[", "[]", "[fe80::1", "[fe80::1]x", "[fe80::1]3260", "10.0.0.1:", "10.0.0.1:0",
	"10.0.0.1:65536", "10.0.0.1:port", "10.0.0.1:-1", "10.0.0.1:3260,", "10.0.0.1,65536",
	"10.0.0.1,-1", "10.0.0.1:3260,1,1", "10.0.0.1: 3260", "a\nb",
};

static const struct {
	const char *address;
	uint16_t port;
	const char *text;
} formatted[] = {
	{"fe80::1%eth0.5", 3260, "[fe80::1%eth0.5]:3260"},
	{"10.0.0.1",          3260, "10.0.0.1:3260"},
	{"san1.example.org",  3261, "san1.example.org:3261"},
	{"fe80::1",           3260, "[fe80::1]:3260"},
	{"san1",              3260, "[san1]:3260"},
};
/* clang-format on */

static void every_form_of_a_portal_is_understood(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct portal portal;

		assert_int_equal(portal_parse(good[i].text, 3260, &portal), 0);
		assert_string_equal(portal.address, good[i].address);
		assert_int_equal(portal.port, good[i].port);
		assert_int_equal(portal.tpgt, good[i].tpgt);
	}
}

static void the_default_port_is_the_caller_s(void **state)
{
	struct portal portal;

	assert_int_equal(portal_parse("10.0.0.1", 3205, &portal), 0);
	assert_int_equal(portal.port, 3205);
}

static void anything_else_is_refused_and_nothing_written(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct portal portal = {.port = 7};

		assert_int_equal(portal_parse(bad[i], 3260, &portal), -EINVAL);
		assert_int_equal(portal.port, 7);
	}
}

static void an_address_as_long_as_it_may_be_fits_and_one_more_does_not(void **state)
{
	char text[300];
	struct portal portal;

	memset(text, 'a', sizeof(text));
	text[255] = '\0';
	assert_int_equal(portal_parse(text, 3260, &portal), 0);
	text[255] = 'a';
	text[256] = '\0';
	assert_int_equal(portal_parse(text, 3260, &portal), -EINVAL);
	text[256] = 'a';
	text[299] = '\0';
	assert_int_equal(portal_parse(text, 3260, &portal), -EINVAL);
}

static void brackets_stand_around_what_has_no_dot(void **state)
{
	char text[PORTAL_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(formatted); i++)
		assert_string_equal(portal_format(formatted[i].address, formatted[i].port, text),
				    formatted[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_a_portal_is_understood),
		cmocka_unit_test(the_default_port_is_the_caller_s),
		cmocka_unit_test(anything_else_is_refused_and_nothing_written),
		cmocka_unit_test(an_address_as_long_as_it_may_be_fits_and_one_more_does_not),
		cmocka_unit_test(brackets_stand_around_what_has_no_dot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
