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

#include "daemon/links.h"
#include "util/cleanup.h"

static char folder[64];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/hawser-links-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	return rmdir(folder); /* fails when a test left something behind */
}

static void assert_points_to(const char *name, const char *device)
{
	char path[256], to[256] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	n = readlink(path, to, sizeof(to) - 1);
	if (!device) {
		assert_int_equal(n, -1);
		return;
	}
	assert_true(n > 0);
	assert_string_equal(to, device);
}

static void by_path_names_are_those_of_udev(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		uint64_t lun;
		const char *name;
	} cases[] = {
		{"10.0.0.1", 3260, 0, "disk/by-path/ip-10.0.0.1:3260-iscsi-iqn.x:y-lun-0"},
		{"10.0.0.1", 3261, 255, "disk/by-path/ip-10.0.0.1:3261-iscsi-iqn.x:y-lun-255"},
		{"fe80::1", 3260, 1, "disk/by-path/ip-fe80::1:3260-iscsi-iqn.x:y-lun-1"},
		{"10.0.0.1", 3260, 16640,
		 "disk/by-path/ip-10.0.0.1:3260-iscsi-iqn.x:y-lun-0x4100000000000000"},
		{"10.0.0.1", 3260, 0x0b03d204,
		 "disk/by-path/ip-10.0.0.1:3260-iscsi-iqn.x:y-lun-0xd2040b0300000000"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[256];

		links_by_path(cases[i].address, cases[i].port, "iqn.x:y", cases[i].lun, name,
			      sizeof(name));
		assert_string_equal(name, cases[i].name);
	}
}

static void a_link_is_made_with_its_folders_and_goes_with_them(void **state)
{
	assert_int_equal(links_set(folder, "disk/by-id/scsi-3600", "/dev/loop7"), 0);
	assert_points_to("disk/by-id/scsi-3600", "/dev/loop7");
	links_unset(folder, "disk/by-id/scsi-3600", "/dev/loop7");
	assert_points_to("disk/by-id/scsi-3600", NULL);
}

static void a_link_to_another_device_is_replaced_but_never_removed(void **state)
{
	assert_int_equal(links_set(folder, "hawser/a", "/dev/loop1"), 0);
	assert_int_equal(links_set(folder, "hawser/a", "/dev/loop2"), 0);
	assert_points_to("hawser/a", "/dev/loop2");
	links_unset(folder, "hawser/a", "/dev/loop1");
	assert_points_to("hawser/a", "/dev/loop2");
	links_unset(folder, "hawser/a", "/dev/loop2");
	assert_points_to("hawser/a", NULL);
}

static void all_links_of_one_device_go_together(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		char name[64];

		snprintf(name, sizeof(name), "disk/by-path/%u", i);
		assert_int_equal(links_set(folder, name, i == 1 ? "/dev/loop2" : "/dev/loop1"), 0);
	}
	links_unset_all(folder, "disk/by-path", "/dev/loop1");
	assert_points_to("disk/by-path/0", NULL);
	assert_points_to("disk/by-path/1", "/dev/loop2");
	assert_points_to("disk/by-path/2", NULL);
	links_unset_all(folder, "disk/by-path", "/dev/loop2");
	links_unset_all(folder, "disk/by-path", "/dev/loop2");
}

static void folders_that_others_use_stay(void **state)
{
	assert_int_equal(links_set(folder, "hawser/a", "/dev/loop1"), 0);
	assert_int_equal(links_set(folder, "hawser/b", "/dev/loop2"), 0);
	links_unset(folder, "hawser/a", "/dev/loop1");
	assert_points_to("hawser/b", "/dev/loop2");
	links_unset(folder, "hawser/b", "/dev/loop2");
}

static void what_is_no_folder_is_an_error(void **state)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/disk", folder);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_true(links_set(folder, "disk/by-id/x", "/dev/loop1") < 0);
	assert_int_equal(unlink(path), 0);
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_path_names_are_those_of_udev),
		LINK_TEST(a_link_is_made_with_its_folders_and_goes_with_them),
		LINK_TEST(all_links_of_one_device_go_together),
		LINK_TEST(a_link_to_another_device_is_replaced_but_never_removed),
		LINK_TEST(folders_that_others_use_stay),
		LINK_TEST(what_is_no_folder_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
