/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/settings.h"
#include "util/text.h"

struct values {
	bool flag;
	int32_t number, duration_ms, short_ms, choice;
	char text[8], word[8];
};

static const struct text_name colours[] = {{4, "red"}, {9, "blue"}};
static const struct text_name forever[] = {{-1, "queue"}};

#define AT(member) offsetof(struct values, member), sizeof(((struct values *)0)->member)

/* clang-format off */
static const struct setting rows[] = {
	{"a.flag",     SETTING_BOOL,     NULL, 0, 0,       "no",   NULL, 0,    AT(flag),        "."},
	{"a.number",   SETTING_NUMBER,   NULL, -5, 10,     "3",    forever, 1, AT(number),      "."},
	{"a.duration", SETTING_DURATION, "s",  0, 90000,   "60",   forever, 1, AT(duration_ms), "."},
	{"b.short",    SETTING_DURATION, "ms", 10, 500,    "250",  NULL, 0,    AT(short_ms),    "."},
	{"b.choice",   SETTING_CHOICE,   NULL, 0, 0,       "blue", colours, 2, AT(choice),      "."},
	{"b.text",     SETTING_TEXT,     NULL, 0, 0,       "abc",  NULL, 0,    AT(text),        "."},
	{"b.word",     SETTING_TEXT,     NULL, 0, 0,       "red",  colours, 2, AT(word),        "."},
};
/* clang-format on */
static const struct settings_table table = {rows, ARRAY_SIZE(rows)};

/* What was reported: "file:line: text" one behind the other. */
static char problems[4096];

static void note(const char *file, unsigned line, const char *text, void *userdata)
{
	size_t used = strlen(problems);

	assert_ptr_equal(userdata, problems);
	snprintf(problems + used, sizeof(problems) - used, "%s:%u: %s\n", file, line, text);
}

static struct values read_values(const char *text)
{
	struct values values = {};

	*problems = '\0';
	settings_defaults(&table, &values);
	settings_read_text(&table, &values, text, strlen(text), "f", note, problems);
	return values;
}

static void every_value_starts_at_its_default(void **state)
{
	struct values values = read_values("");

	assert_false(values.flag);
	assert_int_equal(values.number, 3);
	assert_int_equal(values.duration_ms, 60000);
	assert_int_equal(values.short_ms, 250);
	assert_int_equal(values.choice, 9);
	assert_string_equal(values.text, "abc");
	assert_string_equal(values.word, "red");
	assert_string_equal(problems, "");
}

static void sections_dots_comments_and_blanks_are_understood(void **state)
{
	struct values values =
		read_values("# comment\n; comment\n\n a.flag = yes\r\n[a]\nnumber=-5\n"
			    "duration = 1.5 s\n [ b ] \nshort = 100\nchoice =red\n"
			    "text=\tx y\t\nword = blue");

	assert_string_equal(problems, "");
	assert_true(values.flag);
	assert_int_equal(values.number, -5);
	assert_int_equal(values.duration_ms, 1500);
	assert_int_equal(values.short_ms, 100);
	assert_int_equal(values.choice, 4);
	assert_string_equal(values.text, "x y");
	assert_string_equal(values.word, "blue");
}

static void words_stand_for_numbers_and_the_last_line_wins(void **state)
{
	struct values values = read_values("[a]\nnumber = 1\nnumber = queue\nduration = queue\n");

	assert_int_equal(values.number, -1);
	assert_int_equal(values.duration_ms, -1);
}

static void each_bad_line_is_told_with_file_and_line_and_skipped(void **state)
{
	static const struct {
		const char *text, *problem;
	} bad[] = {
		{"x.y = 1", "f:1: there is no setting \"x.y\"\n"},
		{"[a]\nfoo = 1", "f:2: there is no setting \"a.foo\"\n"},
		{"nonsense", "f:1: neither a section nor \"key = value\"\n"},
		{"\n[a\n", "f:2: a section header without closing bracket\n"},
		{"a.flag = maybe",
		 "f:1: \"maybe\" is neither yes nor no; a.flag stays as it was\n"},
		{"a.number = x", "f:1: \"x\" is no whole number; a.number stays as it was\n"},
		{"a.number = 11", "f:1: \"11\" is out of range; a.number stays as it was\n"},
		{"a.number =", "f:1: \"\" is no whole number; a.number stays as it was\n"},
		{"a.duration = 2 x",
		 "f:1: \"2 x\" is no duration such as \"250 ms\" or \"60 s\"; a.duration stays as it was\n"},
		{"a.duration = 91", "f:1: \"91\" is out of range; a.duration stays as it was\n"},
		{"b.short = 9", "f:1: \"9\" is out of range; b.short stays as it was\n"},
		{"b.choice = Red",
		 "f:1: \"Red\" is none of the words that are known here; b.choice stays as it was\n"},
		{"b.word = pink",
		 "f:1: \"pink\" is none of the words that are known here; b.word stays as it was\n"},
		{"b.text = 12345678", "f:1: \"12345678\" is too long; b.text stays as it was\n"},
		{"b.te\x1bxt = 1", "f:1: there is no setting \"b.te?xt\"\n"},
	};
	struct values defaults = read_values("");

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct values values = read_values(bad[i].text);

		assert_string_equal(problems, bad[i].problem);
		assert_memory_equal(&values, &defaults, sizeof(values));
	}
}

static void good_lines_around_a_bad_one_count(void **state)
{
	struct values values = read_values("a.number = 1\nrubbish\na.flag = yes\n");

	assert_string_equal(problems, "f:2: neither a section nor \"key = value\"\n");
	assert_int_equal(values.number, 1);
	assert_true(values.flag);
}

static void nul_bytes_and_endless_lines_are_told(void **state)
{
	struct values values = {};
	char text[4000];

	settings_defaults(&table, &values);
	memset(text, 'x', sizeof(text));
	memcpy(text, "a.fl\0g=1\n", 9);
	memcpy(text + sizeof(text) - 11, "\na.number=2", 11);
	*problems = '\0';
	settings_read_text(&table, &values, text, sizeof(text), "f", note, problems);
	assert_string_equal(problems, "f:1: a line that is too long or holds a NUL byte\n"
				      "f:2: a line that is too long or holds a NUL byte\n");
	assert_int_equal(values.number, 2);
}

static void values_are_shown_as_a_file_would_have_them(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} shown[] = {
		{"a.flag", "1", "yes"},
		{"a.flag", "off", "no"},
		{"a.number", "-1", "queue"},
		{"a.number", "7", "7"},
		{"a.duration", "1500 ms", "1500 ms"},
		{"a.duration", "queue", "queue"},
		{"a.duration", "1 min", "60 s"},
		{"b.choice", "red", "red"},
		{"b.text", "", ""},
		{"b.word", "blue", "blue"},
	};
	struct values values = {};
	char text[64];

	settings_defaults(&table, &values);
	for (unsigned i = 0; i < ARRAY_SIZE(shown); i++) {
		const struct setting *setting = settings_find(&table, shown[i].name);
		const char *reason;

		assert_non_null(setting);
		assert_int_equal(settings_set(setting, &values, shown[i].in, &reason), 0);
		settings_format(setting, &values, text, sizeof(text));
		assert_string_equal(text, shown[i].out);
		assert_int_equal(settings_set(setting, &values, text, &reason), 0);
	}
	assert_null(settings_find(&table, "a"));
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void folder_is_read_sorted_and_only_conf_files(void **state)
{
	char folder[] = "/tmp/hawser-test-XXXXXX", path[128];
	static const char *const names[] = {"20-b.conf", "10-a.conf", "30-c.conf~", ".hidden.conf"};
	struct values values = {};

	assert_non_null(mkdtemp(folder));
	*problems = '\0';
	settings_defaults(&table, &values);
	settings_read_folder(&table, &values, "/nonexistent/hawser.conf.d", note, problems);
	assert_string_equal(problems, "");
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		put(path, i == 0 ? "a.number=2" : i == 1 ? "a.number=1\na.flag=yes" : "a.number=9");
	}
	settings_read_folder(&table, &values, folder, note, problems);
	assert_string_equal(problems, "");
	assert_int_equal(values.number, 2);
	assert_true(values.flag);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void files_that_are_missing_or_no_files_do_no_harm(void **state)
{
	char folder[] = "/tmp/hawser-test-XXXXXX", path[128], expected[256];
	struct values values = {};
	char *text = NULL;
	size_t length;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.conf", folder);
	*problems = '\0';
	assert_int_equal(settings_read_file(&table, &values, path, note, problems), -ENOENT);
	assert_string_equal(problems, "");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(settings_read_file(&table, &values, path, note, problems), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:0: cannot be read: Invalid argument\n", path);
	assert_string_equal(problems, expected);
	unlink(path);
	put(path, "12345");
	assert_int_equal(settings_load_file(path, 4, &text, &length), -EFBIG);
	assert_int_equal(settings_load_file(path, 5, &text, &length), 0);
	assert_int_equal(length, 5);
	assert_string_equal(text, "12345");
	free(text);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_starts_at_its_default),
		cmocka_unit_test(sections_dots_comments_and_blanks_are_understood),
		cmocka_unit_test(words_stand_for_numbers_and_the_last_line_wins),
		cmocka_unit_test(each_bad_line_is_told_with_file_and_line_and_skipped),
		cmocka_unit_test(good_lines_around_a_bad_one_count),
		cmocka_unit_test(nul_bytes_and_endless_lines_are_told),
		cmocka_unit_test(values_are_shown_as_a_file_would_have_them),
		cmocka_unit_test(folder_is_read_sorted_and_only_conf_files),
		cmocka_unit_test(files_that_are_missing_or_no_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
