/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/saved_map.h"
#include "util/cleanup.h"

static char folder[] = "/tmp/saved-map-XXXXXX";

static struct saved_map example(void)
{
	return (struct saved_map){
		.name = "3600140512345678",
		.exporter = "fuse",
		.queue_depth = 128,
		.node = {.path = "/dev/loop3",
			 .name = "loop3",
			 .major = 7,
			 .minor = 3,
			 .backing = UINT64_MAX},
		.unit =
			{
				.identity = {.wwid = "3600140512345678",
					     .serial = "a serial = with blanks",
					     .vendor = "LIO-ORG",
					     .product = "disk",
					     .revision = "4.0"},
				.limits = {.blocks = UINT64_C(1) << 40,
					   .block_size = 4096,
					   .physical_block_size = 4096,
					   .max_write_same_blocks = 65535,
					   .write_cache = true,
					   .thin = true,
					   .tpgs = 3,
					   .target_port_group = -1,
					   .relative_target_port = 2},
			},
		.session_count = 2,
		.sessions =
			{
				{.node = {.target = "iqn.2001-04.org.example:disk",
					  .address = "192.0.2.1",
					  .port = 3260,
					  .tpgt = 1,
					  .iface = "default"}},
				{.node = {.target = "iqn.2001-04.org.example:disk",
					  .address = "fe80::1%eth0",
					  .port = 860,
					  .tpgt = -1,
					  .iface = "iface0"},
				 .lane = 3,
				 .settled = true},
			},
	};
}

static void everything_comes_back(void **state)
{
	struct saved_map saved = example(), loaded;

	assert_int_equal(saved_map_save(folder, &saved), 0);
	assert_int_equal(saved_map_load(folder, saved.name, &loaded), 0);
	assert_string_equal(loaded.exporter, "fuse");
	assert_int_equal(loaded.queue_depth, 128);
	assert_memory_equal(&loaded.node, &saved.node, sizeof(saved.node));
	assert_true(unit_identity_equal(&loaded.unit.identity, &saved.unit.identity));
	assert_string_equal(loaded.unit.identity.serial, saved.unit.identity.serial);
	assert_memory_equal(&loaded.unit.limits, &saved.unit.limits, sizeof(saved.unit.limits));
	assert_int_equal(loaded.session_count, 2);
	assert_string_equal(loaded.sessions[1].node.address, "fe80::1%eth0");
	assert_string_equal(loaded.sessions[1].node.iface, "iface0");
	assert_int_equal(loaded.sessions[1].node.tpgt, -1);
	assert_int_equal(loaded.sessions[1].node.port, 860);
	assert_int_equal(loaded.sessions[1].lane, 3);
	assert_false(loaded.sessions[0].settled);
	assert_true(loaded.sessions[1].settled);
}

static void names_are_listed_and_removed(void **state)
{
	struct saved_map saved = example();
	char **names;

	strcpy(saved.name, "another");
	assert_int_equal(saved_map_save(folder, &saved), 0);
	assert_int_equal(saved_map_list(folder, &names), 2);
	assert_true(strcmp(names[0], "another") == 0 || strcmp(names[1], "another") == 0);
	free(names[0]);
	free(names[1]);
	free(names);
	saved_map_remove(folder, "another");
	saved_map_remove(folder, "another");
	assert_int_equal(saved_map_list(folder, &names), 1);
	free(names[0]);
	free(names);
	assert_int_equal(saved_map_list("/nowhere", &names), 0);
	assert_null(names);
}

/* The file with everything behind its first @bytes cut off, or with one line changed. */
static void damage(const char *from, const char *to, size_t bytes)
{
	char path[128], text[8192] = "", *at;
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/maps/3600140512345678", folder);
	file = fopen(path, "r");
	length = fread(text, 1, sizeof(text) - 256, file);
	fclose(file);
	if (from) {
		char rest[8192];

		at = strstr(text, from);
		assert_non_null(at);
		strcpy(rest, at + strlen(from));
		strcpy(at, to);
		strcat(at, rest);
		length = strlen(text);
	} else {
		length = MIN(length, bytes);
	}
	file = fopen(path, "w");
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void a_file_that_is_not_whole_is_no_state(void **state)
{
	static const char *const changes[][2] = {
		{"blocks = 1", "blocks = x"},
		{"fua = no", "fua = maybe"},
		{"tpgs = 3", "tpgs = 300"},
		{"vendor = LIO", "vendor = TOOLONGFORALL"},
		{"thin = yes\n", ""},
		{"end\n", ""},
		{"wwid = ", "unknown = "},
		{"session = iqn", "session = x y z iqn"},
		{" in-doubt\n", " maybe\n"},
		{" in-doubt\n", "\n"},
		{"name = 3600", "name = ../../3600"},
	};
	struct saved_map saved = example(), loaded;

	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
		assert_int_equal(saved_map_save(folder, &saved), 0);
		damage(changes[i][0], changes[i][1], 0);
		assert_int_equal(saved_map_load(folder, saved.name, &loaded), -EINVAL);
	}
	for (size_t bytes = 0; bytes < 600; bytes += 37) {
		assert_int_equal(saved_map_save(folder, &saved), 0);
		damage(NULL, NULL, bytes);
		assert_int_equal(saved_map_load(folder, saved.name, &loaded), -EINVAL);
	}
	assert_int_equal(saved_map_load(folder, "nothing", &loaded), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(names_are_listed_and_removed),
		cmocka_unit_test(a_file_that_is_not_whole_is_no_state),
	};
	char command[64];
	int r;

	if (!mkdtemp(folder))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 1 : r;
}
