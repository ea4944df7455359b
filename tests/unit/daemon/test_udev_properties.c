/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/udev_properties.h"

/* A device number that no machine has, so that no device is looked at again. */
#define MAJOR 4095
#define MINOR 77

static char folder[64], file_path[128];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/hawser-udev-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file_path, sizeof(file_path), "%s/dev/%u:%u", folder, MAJOR, MINOR);
	return 0;
}

static int remove_folder(void **state)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/dev", folder);
	rmdir(path);
	return rmdir(folder); /* fails when a test left something behind */
}

static const char *told(char *text, size_t size_bytes)
{
	FILE *file = fopen(file_path, "re");

	assert_non_null(file);
	text[fread(text, 1, size_bytes - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void set_up(struct map_view *map, struct session_view *sessions, struct path_view *paths)
{
	static const char *const addresses[] = {"192.0.2.2", "198.51.100.2"};

	*map = (struct map_view){
		.name = "data", .device = "/dev/loop7", .major = MAJOR, .minor = MINOR};
	strcpy(map->unit.identity.wwid, "360014050000000000000000000000001");
	strcpy(map->unit.identity.vendor, "LIO-ORG");
	list_init(&map->paths);
	for (size_t i = 0; i < 2; i++) {
		sessions[i] = (struct session_view){.persistent_port = 3260};
		strcpy(sessions[i].target, "iqn.x:y");
		strcpy(sessions[i].persistent_address, addresses[i]);
		paths[i] = (struct path_view){.session = &sessions[i], .lun_number = 1};
		list_append(&map->paths, &paths[i].link);
	}
}

static bool never(const char *by_path, void *userdata)
{
	return false;
}

static bool is_wanted(const char *by_path, void *userdata)
{
	return strcmp(by_path, userdata) == 0;
}

static void each_path_has_a_property_of_its_own(void **state)
{
	struct session_view sessions[2];
	struct path_view paths[2];
	struct map_view map;
	char text[4096];

	set_up(&map, sessions, paths);
	assert_int_equal(udev_properties_set(folder, &map, never, NULL), 0);
	told(text, sizeof(text));
	assert_non_null(strstr(text, "\nID_PATH=\"ip-192.0.2.2:3260-iscsi-iqn.x:y-lun-1\"\n"));
	assert_non_null(strstr(
		text, "\nHAWSER_PATH_0=\"disk/by-path/ip-192.0.2.2:3260-iscsi-iqn.x:y-lun-1\"\n"));
	assert_non_null(strstr(
		text,
		"\nHAWSER_PATH_1=\"disk/by-path/ip-198.51.100.2:3260-iscsi-iqn.x:y-lun-1\"\n"));
	udev_properties_unset(folder, MAJOR, MINOR);
	assert_int_equal(access(file_path, F_OK), -1);
}

static void what_a_target_says_of_itself_ends_no_value(void **state)
{
	struct session_view sessions[2];
	struct path_view paths[2];
	struct map_view map;
	char text[4096];

	set_up(&map, sessions, paths);
	strcpy(map.unit.identity.vendor, "a\"$(b)`");
	assert_int_equal(udev_properties_set(folder, &map, never, NULL), 0);
	assert_non_null(strstr(told(text, sizeof(text)), "\nID_VENDOR=\"a__(b)_\"\n"));
	udev_properties_unset(folder, MAJOR, MINOR);
}

#define FIRST  "disk/by-path/ip-192.0.2.2:3260-iscsi-iqn.x:y-lun-1"
#define SECOND "disk/by-path/ip-198.51.100.2:3260-iscsi-iqn.x:y-lun-1"

static void a_path_that_is_expected_back_keeps_its_name(void **state)
{
	struct session_view sessions[2];
	struct path_view paths[2];
	struct map_view map;
	char text[4096];

	set_up(&map, sessions, paths);
	assert_int_equal(udev_properties_set(folder, &map, never, NULL), 0);
	list_remove(&paths[0].link);
	assert_int_equal(udev_properties_set(folder, &map, is_wanted, (void *)FIRST), 0);
	told(text, sizeof(text));
	assert_non_null(strstr(text, "\nHAWSER_PATH_0=\"" SECOND "\"\n"));
	assert_non_null(strstr(text, "\nHAWSER_PATH_1=\"" FIRST "\"\n"));
	list_append(&map.paths, &paths[0].link); /* it came, and is there once */
	assert_int_equal(udev_properties_set(folder, &map, is_wanted, (void *)FIRST), 0);
	told(text, sizeof(text));
	assert_non_null(strstr(text, "\nHAWSER_PATH_1=\"" FIRST "\"\n"));
	assert_null(strstr(text, "HAWSER_PATH_2"));
	list_remove(&paths[0].link);
	list_remove(&paths[1].link); /* none is left */
	assert_int_equal(udev_properties_set(folder, &map, is_wanted, (void *)FIRST), 0);
	told(text, sizeof(text));
	assert_non_null(strstr(text, "\nID_PATH=\"ip-192.0.2.2:3260-iscsi-iqn.x:y-lun-1\"\n"));
	assert_null(strstr(text, SECOND));
	assert_int_equal(udev_properties_set(folder, &map, never, NULL), 0);
	assert_null(strstr(told(text, sizeof(text)), "by-path"));
	udev_properties_unset(folder, MAJOR, MINOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_path_has_a_property_of_its_own, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_path_that_is_expected_back_keeps_its_name,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_a_target_says_of_itself_ends_no_value,
						make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
