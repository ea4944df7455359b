/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/saved_reservation.h"
#include "util/cleanup.h"

static char folder[64];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/hawser-reservation-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[128];

	saved_reservation_remove(folder, "map");
	snprintf(path, sizeof(path), "%s/reservations", folder);
	rmdir(path);
	return rmdir(folder);
}

static const struct saved_reservation some = {
	.state = RESERVATION_REGISTERED,
	.key = 0x1122334455660000,
	.per_path = true,
	.survives_power = true,
	.type = 5,
	.holder = 0xfedcba9876543210,
	.path_count = 2,
	.paths = {0xfedcba9876543210, 7},
};

static void what_was_saved_is_loaded(void **state)
{
	struct saved_reservation found;

	assert_int_equal(saved_reservation_load(folder, "map", &found), -ENOENT);
	assert_int_equal(saved_reservation_save(folder, "map", &some), 0);
	assert_int_equal(saved_reservation_load(folder, "map", &found), 0);
	assert_int_equal(found.state, some.state);
	assert_true(found.key == some.key);
	assert_true(found.per_path && found.survives_power && !found.all_target_ports);
	assert_int_equal(found.type, 5);
	assert_true(found.holder == some.holder);
	assert_int_equal(found.path_count, 2);
	assert_true(found.paths[0] == some.paths[0] && found.paths[1] == 7);
	saved_reservation_remove(folder, "map");
	assert_int_equal(saved_reservation_load(folder, "map", &found), -ENOENT);
}

static char *whole_file(char *text, size_t size)
{
	char path[128];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/reservations/map", folder);
	file = fopen(path, "r");
	assert_non_null(file);
	length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

static void put_file(const char *text, size_t length)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/reservations/map", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void a_file_cut_anywhere_is_not_taken(void **state)
{
	struct saved_reservation found = {.key = 77};
	char text[2048];
	size_t length;

	assert_int_equal(saved_reservation_save(folder, "map", &some), 0);
	length = strlen(whole_file(text, sizeof(text)));
	for (size_t cut = 0; cut + 1 < length; cut++) {
		put_file(text, cut);
		assert_int_equal(saved_reservation_load(folder, "map", &found), -EINVAL);
		assert_int_equal(found.key, 77);
	}
}

static void nonsense_is_not_taken(void **state)
{
	static const char *const lines[] = {
		"state = happy\n", "key = 12\n",    "key = 00000000000000zz\n",
		"per_path = so\n", "type = 16\n",   "path = 1\n",
		"what = ever\n",   "key without\n", "holder = \n",
	};
	struct saved_reservation found;
	char text[2048], other[4096];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(saved_reservation_save(folder, "map", &some), 0);
		snprintf(other, sizeof(other), "%s%s", lines[i], whole_file(text, sizeof(text)));
		put_file(other, strlen(other));
		assert_int_equal(saved_reservation_load(folder, "map", &found), -EINVAL);
	}
}

static void more_paths_than_there_can_be_are_not_taken(void **state)
{
	struct saved_reservation found;
	char text[2048], other[8192] = "";

	assert_int_equal(saved_reservation_save(folder, "map", &some), 0);
	for (unsigned i = 0; i < SAVED_RESERVATION_PATHS_MAX; i++)
		strcat(other, "path = 0000000000000001\n");
	strcat(other, whole_file(text, sizeof(text)));
	put_file(other, strlen(other));
	assert_int_equal(saved_reservation_load(folder, "map", &found), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_is_loaded),
		cmocka_unit_test(a_file_cut_anywhere_is_not_taken),
		cmocka_unit_test(nonsense_is_not_taken),
		cmocka_unit_test(more_paths_than_there_can_be_are_not_taken),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
