/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/holders.h"

/* A device that does not exist here, so that only the trees below can tell of it. */
#define DISK   "loop987"
#define NUMBER "259:987"

struct tree {
	char root[64], proc[80], sys[80];
	char text[256];
	unsigned found;
};

static void make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void put(const struct tree *tree, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree->root, name);
	make_folders(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_link(const struct tree *tree, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", tree->root, name);
	make_folders(path);
	assert_int_equal(symlink(target, path), 0);
}

static struct tree *tree_new(void)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	strcpy(tree->root, "/tmp/holders-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	snprintf(tree->proc, sizeof(tree->proc), "%s/proc", tree->root);
	snprintf(tree->sys, sizeof(tree->sys), "%s/sys", tree->root);
	put(tree, "sys/block/" DISK "/dev", NUMBER "\n");
	put(tree, "sys/block/" DISK "/" DISK "p1/dev", "259:1001\n");
	put(tree, "sys/block/loop9/dev", "259:9\n");
	put(tree, "proc/swaps", "Filename Type Size Used Priority\n");
	put_link(tree, "proc/self/ns/mnt", "mnt:[1]");
	put(tree, "proc/self/mountinfo", "21 1 0:20 / /proc rw - proc proc rw\n");
	return tree;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	return remove(path);
}

static void tree_free(struct tree *tree)
{
	nftw(tree->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(tree);
}

static const char *describe(struct tree *tree)
{
	tree->found = holders_describe(tree->proc, tree->sys, DISK, tree->text, sizeof(tree->text));
	return tree->text;
}

static void unused_device_has_no_holders(void **state)
{
	struct tree *tree = tree_new();

	assert_string_equal(describe(tree), "");
	assert_int_equal(tree->found, 0);
	holders_describe("/nowhere", "/nowhere", DISK, tree->text, sizeof(tree->text));
	assert_string_equal(tree->text, "");
	tree_free(tree);
}

static void mounts_are_found_by_number_and_by_source(void **state)
{
	static const struct {
		const char *line, *wanted;
	} rows[] = {
		{"36 35 " NUMBER " / /srv rw,noatime shared:1 - ext4 /dev/other rw\n",
		 "mounted on /srv"},
		{"36 35 259:1001 / /srv/part rw - ext4 /dev/" DISK "p1 rw\n",
		 "mounted on /srv/part"},
		{"36 35 0:99 / /btrfs rw shared:5 master:2 - btrfs /dev/" DISK " rw\n",
		 "mounted on /btrfs"},
		{"36 35 " NUMBER " / /with\\040blank rw - ext4 /dev/x rw\n",
		 "mounted on /with blank"},
		{"36 35 259:9 / /other rw - ext4 /dev/loop9 rw\n", ""},
		{"36 35 0:99 / /tmp rw - tmpfs " DISK " rw\n", ""},
		{"garbage\n", ""},
		{"36 35 x:y / /srv\n", ""},
		{"\n", ""},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct tree *tree = tree_new();

		put(tree, "proc/self/mountinfo", rows[i].line);
		assert_string_equal(describe(tree), rows[i].wanted);
		tree_free(tree);
	}
}

static void mounts_of_other_namespaces_are_found_once(void **state)
{
	struct tree *tree = tree_new();
	const char *mounted = "36 35 " NUMBER " / /container rw - ext4 /dev/x rw\n";

	put_link(tree, "proc/41/ns/mnt", "mnt:[1]");
	put(tree, "proc/41/mountinfo", "36 35 " NUMBER " / /same rw - ext4 /dev/x rw\n");
	put_link(tree, "proc/42/ns/mnt", "mnt:[2]");
	put(tree, "proc/42/mountinfo", mounted);
	put_link(tree, "proc/43/ns/mnt", "mnt:[2]");
	put(tree, "proc/43/mountinfo", mounted);
	assert_string_equal(describe(tree), "mounted on /container");
	assert_int_equal(tree->found, HOLDERS_LASTING);
	tree_free(tree);
}

static void swap_and_stacked_devices_are_found(void **state)
{
	struct tree *tree = tree_new();

	put(tree, "proc/swaps", "Filename Type\n/dev/" DISK "p1 partition 1 0 -2\n/dev/sda file\n");
	put(tree, "sys/block/" DISK "/holders/dm-0", "");
	put(tree, "sys/block/" DISK "/" DISK "p1/holders/md127", "");
	describe(tree);
	assert_non_null(strstr(tree->text, "used by dm-0"));
	assert_non_null(strstr(tree->text, "used by md127"));
	assert_non_null(strstr(tree->text, "used as swap"));
	assert_int_equal(strlen(tree->text), strlen("used by dm-0, used by md127, used as swap"));
	tree_free(tree);
}

static void processes_are_named_but_not_ourselves(void **state)
{
	struct tree *tree = tree_new();
	char own[64];

	put(tree, "proc/312/comm", "fio\n");
	put_link(tree, "proc/312/fd/3", "/dev/" DISK);
	put_link(tree, "proc/312/fd/4", "/dev/" DISK);
	put(tree, "proc/313/comm", "cat\n");
	put_link(tree, "proc/313/fd/3", "/dev/loop9");
	put_link(tree, "proc/313/fd/5", "/srv/" DISK);
	put_link(tree, "proc/313/fd/6", "socket:[1]");
	snprintf(own, sizeof(own), "proc/%d/fd/3", (int)getpid());
	put_link(tree, own, "/dev/" DISK);
	assert_string_equal(describe(tree), "open by fio (pid 312)");
	assert_int_equal(tree->found, HOLDERS_OPEN);
	tree_free(tree);
}

static void udev_is_noticed_but_is_nobody_to_complain_about(void **state)
{
	struct tree *tree = tree_new();

	put(tree, "proc/208/comm", "(udev-worker)\n");
	put_link(tree, "proc/208/fd/9", "/dev/" DISK);
	assert_string_equal(describe(tree), "");
	assert_int_equal(tree->found, HOLDERS_UDEV);
	put(tree, "proc/209/comm", "blkid\n");
	put_link(tree, "proc/209/fd/3", "/dev/" DISK "p1");
	assert_string_equal(describe(tree), "open by blkid (pid 209)");
	assert_int_equal(tree->found, HOLDERS_OPEN | HOLDERS_UDEV);
	tree_free(tree);
}

static void names_of_processes_cannot_forge_the_list(void **state)
{
	struct tree *tree = tree_new();

	put(tree, "proc/7/comm", "a, mounted\033 b\n");
	put_link(tree, "proc/7/fd/0", "/dev/" DISK "p1");
	assert_string_equal(describe(tree), "open by a? mounted? b (pid 7)");
	tree_free(tree);
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct tree *tree = tree_new();
	char name[40], text[64];

	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "sys/block/" DISK "/holders/dm-%u", i);
		put(tree, name, "");
	}
	holders_describe(tree->proc, tree->sys, DISK, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text));
	assert_true(strlen(text) > 40);
	assert_int_equal(strncmp(text, "used by dm-", 11), 0);
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unused_device_has_no_holders),
		cmocka_unit_test(mounts_are_found_by_number_and_by_source),
		cmocka_unit_test(mounts_of_other_namespaces_are_found_once),
		cmocka_unit_test(swap_and_stacked_devices_are_found),
		cmocka_unit_test(processes_are_named_but_not_ourselves),
		cmocka_unit_test(udev_is_noticed_but_is_nobody_to_complain_about),
		cmocka_unit_test(names_of_processes_cannot_forge_the_list),
		cmocka_unit_test(what_does_not_fit_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
