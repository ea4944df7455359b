/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iscsi/name.h"
#include "util/cleanup.h"

static void formats_are_told_apart(void **state)
{
	static const struct {
		const char *name;
		enum name_format format;
	} rows[] = {
		{"iqn.2001-04.com.example", NAME_IQN},
		{"iqn.2001-04.com.example:storage.disk2.sys1.xyz", NAME_IQN},
		{"IQN.2001-12.com.Example:x", NAME_IQN},
		{"iqn.2001-00.com.example", NAME_OTHER},
		{"iqn.2001-13.com.example", NAME_OTHER},
		{"iqn.01-04.com.example", NAME_OTHER},
		{"iqn.2001-4.com.example", NAME_OTHER},
		{"iqn.2001-04", NAME_OTHER},
		{"iqn.2001-04.", NAME_OTHER},
		{"iqn.2001-04.:x", NAME_OTHER},
		{"iqn.", NAME_OTHER},
		{"iqn", NAME_OTHER},
		{"eui.02004567A425678D", NAME_EUI},
		{"eui.02004567A425678", NAME_OTHER},
		{"eui.02004567A425678D0", NAME_OTHER},
		{"eui.02004567A425678g", NAME_OTHER},
		{"naa.52004567BA64678D", NAME_NAA},
		{"naa.62004567BA64678D0123456789ABCDEF", NAME_NAA},
		{"naa.62004567BA64678D01", NAME_OTHER},
		{"com.example.disk", NAME_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(name_get_format(rows[i].name), rows[i].format);
}

static void names_that_could_hurt_a_path_or_a_list_are_unusable(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".x",
		"iqn.2001-04.com/x",
		"a b",
		"a,b",
		"a\nb",
		"a\tb",
		"a=b",
		"a\"b",
		"a%b",
		"a\x7f",
		"a\x80",
		"a\xc0\xaf",
		"a\xed\xa0\x80",
		"a\xc3",
		"a[1]",
	};
	static const char *const good[] = {
		"iqn.2004-04.com.qnap:TS-439:iscsi.A.C5",
		"x",
		"iqn.2001-04.com.example:a_b",
		"iqn.2001-04.com.example:\xc3\xa9",
		"iqn.2001-04.com.example:\xe6\x97\xa5",
		"iqn.2001-04.com.example:\xf0\x9f\x98\x80",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(name_usable(bad[i], strlen(bad[i])));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(name_usable(good[i], strlen(good[i])));
	assert_false(name_usable("a\0b", 3));
}

static void names_of_223_bytes_are_the_longest(void **state)
{
	char name[ISCSI_NAME_MAX + 2], out[ISCSI_NAME_MAX + 1];

	memset(name, 'a', sizeof(name));
	name[ISCSI_NAME_MAX + 1] = '\0';
	assert_false(name_usable(name, ISCSI_NAME_MAX + 1));
	assert_int_equal(name_normalise(name, out), -ENAMETOOLONG);
	name[ISCSI_NAME_MAX] = '\0';
	assert_true(name_usable(name, ISCSI_NAME_MAX));
	assert_int_equal(name_normalise(name, out), 0);
	assert_string_equal(out, name);
}

static void typed_names_become_lower_case_without_blanks(void **state)
{
	char out[ISCSI_NAME_MAX + 1] = "untouched";

	assert_int_equal(name_normalise("a b", out), -EINVAL);
	assert_int_equal(name_normalise(" ", out), -EINVAL);
	assert_string_equal(out, "untouched");
	assert_int_equal(name_normalise("  IQN.2001-04.com.Example:\xc3\xa9\n", out), 0);
	assert_string_equal(out, "iqn.2001-04.com.example:\xc3\xa9");
}

/* RFC 7143 §4.2.7.2, RFC 3722 */
static void what_preparation_would_change_is_not_taken_as_prepared(void **state)
{
	static const char *const changed[] = {
		"\xc3\x89",		    /* É: has a small form */
		"e\xcc\x81",		    /* e and an accent: one character in form C */
		"\xef\xbd\x81",		    /* a full-width a */
		"\xc3\x9f",		    /* ß: becomes ss */
		"\xe2\x84\xab",		    /* the sign of the ångström */
		"\xd7\x90",		    /* right to left, which "iqn." in front forbids */
		"\xe3\x80\x82",		    /* the ideographic full stop */
		"\xf0\x9f\x98\x80",	    /* unassigned in Unicode 3.2 */
		"\xc2\xad",		    /* a soft hyphen: disappears */
		"\xe1\x84\x80\xe1\x85\xa1", /* Hangul in parts */
	};
	static const char *const kept[] = {"\xc3\xa9",	   "\xd1\x84",	   "\xe6\x97\xa5",
					   "\xe3\x81\x82", "\xea\xb0\x80", "\xce\xb1"};
	char name[80], out[ISCSI_NAME_MAX + 1] = "untouched";

	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		snprintf(name, sizeof(name), "iqn.2001-04.com.example:%s", changed[i]);
		assert_int_equal(name_normalise(name, out), -EILSEQ);
		assert_string_equal(out, "untouched");
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		snprintf(name, sizeof(name), "iqn.2001-04.com.example:%s", kept[i]);
		assert_int_equal(name_normalise(name, out), 0);
		assert_string_equal(out, name);
	}
}

static void capitals_do_not_make_another_name(void **state)
{
	assert_true(name_equal("iqn.2001-04.com.example:a", "IQN.2001-04.com.Example:A"));
	assert_true(name_equal("", ""));
	assert_false(name_equal("iqn.2001-04.com.example:a", "iqn.2001-04.com.example:ab"));
	assert_false(name_equal("iqn.2001-04.com.example:ab", "iqn.2001-04.com.example:a"));
	assert_false(
		name_equal("iqn.2001-04.com.example:\xc3\xa9", "iqn.2001-04.com.example:\xc3\x89"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_told_apart),
		cmocka_unit_test(names_that_could_hurt_a_path_or_a_list_are_unusable),
		cmocka_unit_test(names_of_223_bytes_are_the_longest),
		cmocka_unit_test(typed_names_become_lower_case_without_blanks),
		cmocka_unit_test(what_preparation_would_change_is_not_taken_as_prepared),
		cmocka_unit_test(capitals_do_not_make_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
