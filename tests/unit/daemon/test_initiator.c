/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/initiator.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define NAME "iqn.1993-08.org.debian:01:abcdef"

static char folder[] = "/tmp/hawser-initiator-XXXXXX";

static int setup(void **state)
{
	text_copy(folder, sizeof(folder), "/tmp/hawser-initiator-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static const char *file_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/initiatorname.iscsi", folder);
	return path;
}

static void put(const char *text)
{
	FILE *file = fopen(file_path(), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* --- the file --- */

static void names_are_taken_as_the_file_has_them(void **state)
{
	static const struct {
		const char *text, *name, *alias;
	} rows[] = {
		{"InitiatorName=" NAME "\n", NAME, NULL},
		{"# comment\n\nInitiatorName=" NAME "\nInitiatorAlias=my host\n", NAME, "my host"},
		{"  InitiatorName = " NAME " \r\n", NAME, NULL},
		{"#InitiatorName=iqn.no\nInitiatorName=" NAME "\nInitiatorName=iqn.later\n", NAME,
		 NULL},
		{"InitiatorName=eui.0123456789abcdef", "eui.0123456789abcdef", NULL},
		{"GenerateName=yes\nInitiatorName=naa.52004567ba64678d\n", "naa.52004567ba64678d",
		 NULL},
		{"InitiatorAlias=a\x1bz\nInitiatorName=" NAME, NAME, "a?z"},
		{"no equals sign\nOther=x\nInitiatorName=" NAME, NAME, NULL},
	};
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct initiator initiator;
		bool generate = true;

		assert_int_equal(initiator_parse(rows[i].text, strlen(rows[i].text), "f",
						 &initiator, &generate, NULL),
				 0);
		assert_string_equal(initiator.name, rows[i].name);
		assert_string_equal(initiator.alias, rows[i].alias ? rows[i].alias : host);
		assert_false(generate);
	}
}

static void files_without_a_usable_name_are_told(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "f holds no line InitiatorName=iqn…"},
		{"# InitiatorName=" NAME "\n", "f holds no line InitiatorName=iqn…"},
		{"GenerateName=no\n", "f holds no line InitiatorName=iqn…"},
		{"InitiatorName=\n", "f: '' is no iSCSI name"},
		{"InitiatorName=\"" NAME "\"\n", "f: '\"" NAME "\"' is no iSCSI name"},
		{"InitiatorName=iqn.a b\n", "f: 'iqn.a b' is no iSCSI name"},
		{"InitiatorName=host\x07name\n", "f: 'host?name' is no iSCSI name"},
	};
	char huge[2000];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct initiator initiator = {.name = "untouched"};
		owned_error struct error error = ERROR_INIT;
		bool generate;

		assert_int_equal(initiator_parse(rows[i].text, strlen(rows[i].text), "f",
						 &initiator, &generate, &error),
				 -1);
		assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
		assert_string_equal(error.text, rows[i].error);
		assert_string_equal(initiator.name, "untouched");
	}
	memset(huge, 'x', sizeof(huge));
	{
		struct initiator initiator;
		bool generate;

		assert_int_equal(
			initiator_parse(huge, sizeof(huge), "f", &initiator, &generate, NULL), -1);
		assert_int_equal(initiator_parse("Initi\0", 6, "f", &initiator, &generate, NULL),
				 -1);
	}
}

static void name_rules(void **state)
{
	char longest[225] = "iqn.";

	assert_true(initiator_name_valid(NAME));
	assert_true(initiator_name_valid("IQN.2000-01.org.x"));
	assert_false(initiator_name_valid("iqn."));
	assert_false(initiator_name_valid("iqn"));
	assert_false(initiator_name_valid("qqn.2000"));
	assert_false(initiator_name_valid("iqn.2000,i,0x1"));
	memset(longest + 4, 'x', 219);
	assert_true(initiator_name_valid(longest));
	longest[223] = 'x';
	assert_false(initiator_name_valid(longest));
}

static void a_missing_file_is_made_once_and_then_kept(void **state)
{
	struct initiator first, second;
	struct stat st;

	assert_int_equal(initiator_load(folder, &first, NULL), 0);
	assert_true(text_starts_with(first.name, "iqn.2026-11.org.hawser:"));
	assert_int_equal(strlen(first.name), strlen("iqn.2026-11.org.hawser:") + 12);
	assert_true(initiator_name_valid(first.name));
	assert_int_equal(stat(file_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(initiator_load(folder, &second, NULL), 0);
	assert_string_equal(first.name, second.name);
	assert_string_equal(first.alias, second.alias);

	assert_int_equal(unlink(file_path()), 0);
	assert_int_equal(initiator_load(folder, &second, NULL), 0);
	assert_string_not_equal(first.name, second.name);
}

static void generate_name_is_replaced_by_a_name_and_the_alias_stays(void **state)
{
	struct initiator first, second;

	put("GenerateName=yes\nInitiatorAlias=backup\n");
	assert_int_equal(initiator_load(folder, &first, NULL), 0);
	assert_int_equal(initiator_load(folder, &second, NULL), 0);
	assert_string_equal(first.name, second.name);
	assert_string_equal(second.alias, "backup");
}

static void a_name_that_was_set_is_never_replaced(void **state)
{
	struct initiator initiator;
	owned_error struct error error = ERROR_INIT;

	put("InitiatorName=" NAME "\n");
	assert_int_equal(initiator_load(folder, &initiator, NULL), 0);
	assert_string_equal(initiator.name, NAME);
	put("InitiatorName=typo\n");
	assert_int_equal(initiator_load(folder, &initiator, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	error_clear(&error);
	unlink(file_path());
	mkdir(file_path(), 0700);
	assert_int_equal(initiator_load(folder, &initiator, &error), -1);
	assert_int_equal(error.code, ERROR_DATABASE_FAILED);
}

/* --- ISID --- */

static const struct isid_path path = {"10.0.0.1", 3260, "default", 0};

static void isid_is_of_type_random_and_never_changes(void **state)
{
	uint8_t isid[6];
	char text[13];

	initiator_isid(NAME, &path, 0, isid);
	text_hex_encode(isid, 6, text);
	/* targets and persistent reservations remember it */
	assert_string_equal(text, "8041344655b6");
}

static void isid_has_legal_fields(void **state)
{
	for (unsigned lane = 0; lane < 100; lane++) {
		const struct isid_path lanes = {"10.0.0.1", 3260, "default", lane};
		uint8_t isid[6];

		initiator_isid(NAME, &lanes, 0, isid);
		assert_int_equal(isid[0], 0x80); /* T = 10b, the other six bits reserved */
	}
}

static void every_part_of_the_path_makes_another_qualifier(void **state)
{
	const struct isid_path others[] = {
		{"10.0.0.2", 3260, "default", 0},
		{"10.0.0.1", 3261, "default", 0},
		{"10.0.0.1", 3260, "if1", 0},
		{"10.0.0.1", 3260, "default", 1},
	};
	uint8_t first[6], other[6];

	initiator_isid(NAME, &path, 0, first);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		initiator_isid(NAME, &others[i], 0, other);
		assert_memory_equal(other, first, 4);
		assert_memory_not_equal(other + 4, first + 4, 2);
	}
	initiator_isid(NAME, &path, 1, other);
	assert_memory_equal(other, first, 4);
	assert_memory_not_equal(other + 4, first + 4, 2);
	initiator_isid("iqn.other", &path, 0, other);
	assert_memory_not_equal(other + 1, first + 1, 3);
	assert_memory_equal(other + 4, first + 4, 2);
}

static void a_collision_is_over_after_a_few_attempts(void **state)
{
	static bool taken[65536];
	unsigned most = 0;

	/* far more sessions to one target than any host has */
	for (unsigned i = 0; i < 2000; i++) {
		const struct isid_path one = {"10.0.0.1", (uint16_t)(i + 1), "default", 0};
		unsigned attempt = 0, qualifier;

		for (;; attempt++) {
			uint8_t isid[6];

			initiator_isid(NAME, &one, attempt, isid);
			qualifier = (unsigned)isid[4] << 8 | isid[5];
			if (!taken[qualifier])
				break;
		}
		taken[qualifier] = true;
		most = attempt > most ? attempt : most;
	}
	assert_in_range(most, 1, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_taken_as_the_file_has_them),
		TEST(files_without_a_usable_name_are_told),
		TEST(name_rules),
		TEST(a_missing_file_is_made_once_and_then_kept),
		TEST(generate_name_is_replaced_by_a_name_and_the_alias_stays),
		TEST(a_name_that_was_set_is_never_replaced),
		TEST(isid_is_of_type_random_and_never_changes),
		TEST(isid_has_legal_fields),
		TEST(every_part_of_the_path_makes_another_qualifier),
		TEST(a_collision_is_over_after_a_few_attempts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
