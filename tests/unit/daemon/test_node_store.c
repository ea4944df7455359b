/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/node_store.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"

#define TARGET "iqn.2004-10.com.example:a"

DEFINE_OWNED(record);

/* One store in a folder of its own. */
struct fixture {
	char folder[64];
	struct node_store *store;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	text_copy(fixture->folder, sizeof(fixture->folder), "/tmp/hawser-store-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	assert_int_equal(node_store_open(fixture->folder, &fixture->store, NULL), 0);
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	node_store_close(fixture->store);
	nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

static const char *in(const struct fixture *fixture, const char *below)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", fixture->folder, below);
	return path;
}

static bool exists(const struct fixture *fixture, const char *below)
{
	struct stat st;

	return lstat(in(fixture, below), &st) == 0;
}

static void put(const struct fixture *fixture, const char *below, const char *text)
{
	char path[512];
	FILE *file;

	text_copy(path, sizeof(path), in(fixture, below));
	for (char *slash = strchr(path + strlen(fixture->folder) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static char *get(const struct fixture *fixture, const char *below)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(in(fixture, below), "r");

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) < 65535);
	fclose(file);
	return text;
}

static struct node_key key_of(const char *target, const char *address, uint16_t port, int32_t tpgt,
			      const char *iface)
{
	struct node_key key = {.port = port, .tpgt = tpgt};

	text_copy(key.target, sizeof(key.target), target);
	text_copy(key.address, sizeof(key.address), address);
	text_copy(key.iface, sizeof(key.iface), iface);
	return key;
}

static void save(const struct fixture *fixture, const struct node_key *key, const char *username)
{
	struct record *record;

	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	assert_int_equal(
		record_set(record, "node.session.auth.username", username, RECORD_INTERNAL, NULL),
		0);
	assert_int_equal(node_store_save(fixture->store, key, record, NULL), 0);
	record_free(record);
}

/* What a load found: "target address,port,tpgt iface username" or "! problem", line by line. */
struct found {
	char text[16384];
	unsigned records, problems;
};

static void visit(const struct node_key *key, struct record *record, const struct error *problem,
		  void *userdata)
{
	struct found *found = userdata;
	size_t used = strlen(found->text);

	assert_true(!record != !problem);
	if (record)
		snprintf(found->text + used, sizeof(found->text) - used, "%s %s,%u,%d %s %s\n",
			 key->target, key->address, key->port, key->tpgt, key->iface,
			 record_get(record, "node.session.auth.username"));
	else
		snprintf(found->text + used, sizeof(found->text) - used, "! %s\n", problem->text);
	found->records += record != NULL;
	found->problems += problem != NULL;
	if (record) {
		char tpgt[16];

		snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
		assert_string_equal(record_get(record, "node.tpgt"), tpgt);
		assert_string_equal(record_get(record, "node.name"), key->target);
	}
	record_free(record);
}

static const char *load(const struct fixture *fixture)
{
	static struct found found;

	memset(&found, 0, sizeof(found));
	assert_int_equal(node_store_load(fixture->store, visit, &found, NULL), 0);
	return found.text;
}

/* --- layout --- */

static void an_empty_store_has_no_records_and_makes_no_folders(void **state)
{
	assert_string_equal(load(*state), "");
	assert_false(exists(*state, "nodes"));
}

static void a_record_stands_where_open_iscsi_keeps_it(void **state)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	struct stat st;

	save(*state, &key, "alice");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,1 default alice\n");
	assert_int_equal(stat(in(*state, "nodes/" TARGET "/10.0.0.1,3260,1/default"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in(*state, "nodes/" TARGET "/10.0.0.1,3260,1"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(in(*state, "nodes"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void what_is_written_says_who_it_is(void **state)
{
	const struct node_key key = key_of(TARGET, "fe80::1", 860, 7, "if,0:x.y");
	owned_memory char *text = NULL;

	save(*state, &key, "a");
	text = get(*state, "nodes/" TARGET "/fe80::1,860,7/if,0:x.y");
	assert_non_null(strstr(text, "\nnode.name = " TARGET "\nnode.tpgt = 7\n"));
	assert_non_null(strstr(text, "\niface.iscsi_ifacename = if,0:x.y\n"));
	assert_non_null(
		strstr(text, "\nnode.conn[0].address = fe80::1\nnode.conn[0].port = 860\n"));
}

static void records_are_listed_as_iscsiadm_sorts_them(void **state)
{
	const struct node_key keys[] = {
		key_of("iqn.b", "10.0.0.1", 3260, 1, "default"),
		key_of("iqn.a", "10.0.0.2", 3260, 1, "default"),
		key_of("iqn.a", "10.0.0.10", 3260, 1, "if1"),
		key_of("iqn.a", "10.0.0.10", 3260, 1, "default"),
		key_of("iqn.B", "10.0.0.1", 3260, 1, "default"),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		save(*state, &keys[i], "-");
	assert_string_equal(load(*state), "iqn.B 10.0.0.1,3260,1 default -\n"
					  "iqn.a 10.0.0.10,3260,1 default -\n"
					  "iqn.a 10.0.0.10,3260,1 if1 -\n"
					  "iqn.a 10.0.0.2,3260,1 default -\n"
					  "iqn.b 10.0.0.1,3260,1 default -\n");
}

static void without_portal_group_the_old_plain_file_is_written(void **state)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, -1, "default");
	struct stat st;

	save(*state, &key, "alice");
	assert_int_equal(stat(in(*state, "nodes/" TARGET "/10.0.0.1,3260"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,-1 default alice\n");
}

static void a_portal_group_that_is_learned_replaces_the_plain_file(void **state)
{
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, -1, "default");

	save(*state, &key, "old");
	key.tpgt = 3;
	save(*state, &key, "new");
	assert_false(exists(*state, "nodes/" TARGET "/10.0.0.1,3260"));
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,3 default new\n");
}

static void a_portal_group_that_is_known_stays_known(void **state)
{
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 3, "default");

	save(*state, &key, "old");
	key.tpgt = -1;
	save(*state, &key, "new");
	text_copy(key.iface, sizeof(key.iface), "if1");
	save(*state, &key, "second");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,3 default new\n" TARGET
						 " 10.0.0.1,3260,3 if1 second\n");
}

static void another_portal_group_moves_the_record(void **state)
{
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");

	save(*state, &key, "old");
	key.tpgt = 2;
	save(*state, &key, "new");
	assert_false(exists(*state, "nodes/" TARGET "/10.0.0.1,3260,1"));
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,2 default new\n");
}

static void a_second_interface_never_replaces_the_first(void **state)
{
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, -1, "default");

	save(*state, &key, "first");
	text_copy(key.iface, sizeof(key.iface), "if1");
	save(*state, &key, "second");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,-1 default first\n" TARGET
						 " 10.0.0.1,3260,-1 if1 second\n");
	key.tpgt = 1;
	save(*state, &key, "third");
	text_copy(key.iface, sizeof(key.iface), "default");
	save(*state, &key, "fourth");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,1 default fourth\n" TARGET
						 " 10.0.0.1,3260,1 if1 third\n");
}

static void learning_the_portal_group_takes_the_other_interface_along(void **state)
{
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, -1, "if1");

	save(*state, &key, "first");
	key = key_of(TARGET, "10.0.0.1", 3260, 4, "default");
	save(*state, &key, "second");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,4 default second\n" TARGET
						 " 10.0.0.1,3260,4 if1 first\n");
	assert_false(exists(*state, "nodes/" TARGET "/10.0.0.1,3260"));
}

static void a_record_of_another_tool_is_read(void **state)
{
	put(*state, "nodes/iqn.x/10.0.0.1,3260,1/default",
	    "# BEGIN RECORD 2.0-873\nnode.name = iqn.x\nnode.tpgt = 1\n"
	    "node.conn[0].address = 10.0.0.1\nnode.session.auth.username = bob\n"
	    "node.session.no_such_key_any_more = 5\n# END RECORD\n");
	put(*state, "nodes/iqn.y/san.example,3261",
	    "# BEGIN RECORD 2.0-868\nnode.name = iqn.y\nnode.tpgt = 9\n"
	    "node.conn[0].address = san.example\nnode.conn[0].port = 3261\n# END RECORD\n");
	assert_string_equal(load(*state), "iqn.x 10.0.0.1,3260,1 default bob\n"
					  "iqn.y san.example,3261,9 default \n");
}

static void the_folder_with_nodes_is_found(void **state)
{
	struct fixture *fixture = *state;
	char other[64] = "/tmp/hawser-store-XXXXXX", nodes[80];

	assert_non_null(mkdtemp(other));
	assert_string_equal(node_store_find(fixture->folder, other), fixture->folder);
	snprintf(nodes, sizeof(nodes), "%s/nodes", other);
	mkdir(nodes, 0700);
	assert_string_equal(node_store_find(fixture->folder, other), other);
	mkdir(in(fixture, "nodes"), 0700);
	assert_string_equal(node_store_find(fixture->folder, other), fixture->folder);
	rmdir(nodes);
	rmdir(other);
}

/* --- links --- */

static void check_link(const struct fixture *fixture, const char *below, const char *destination)
{
	char text[512] = "";
	const char *expected = in(fixture, destination);

	assert_true(readlink(in(fixture, below), text, sizeof(text) - 1) > 0);
	assert_string_equal(text, expected);
}

static void discovery_links_point_to_the_portal(void **state)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned(record) record = NULL;

	save(*state, &key, "static");
	check_link(*state, "static/" TARGET ",10.0.0.1,3260,1,default",
		   "nodes/" TARGET "/10.0.0.1,3260,1");

	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	record_set(record, "node.discovery_type", "send_targets", RECORD_INTERNAL, NULL);
	record_set(record, "node.discovery_address", "10.0.0.9", RECORD_INTERNAL, NULL);
	record_set(record, "node.discovery_port", "3260", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_save(((struct fixture *)*state)->store, &key, record, NULL), 0);
	check_link(*state, "send_targets/10.0.0.9,3260/" TARGET ",10.0.0.1,3260,1,default",
		   "nodes/" TARGET "/10.0.0.1,3260,1");
	assert_false(exists(*state, "static/" TARGET ",10.0.0.1,3260,1,default"));
	/* saving once more leaves it */
	assert_int_equal(node_store_save(((struct fixture *)*state)->store, &key, record, NULL), 0);
	assert_true(
		exists(*state, "send_targets/10.0.0.9,3260/" TARGET ",10.0.0.1,3260,1,default"));
}

static void names_too_long_for_a_link_still_have_a_record(void **state)
{
	struct node_key key =
		key_of("iqn.", "2001:db8:1111:2222:3333:4444:5555:6666", 3260, 1,
		       "interface-with-a-name-of-many-letters-to-fill-sixty-four-bytes-x");

	memset(key.target + 4, 'x', ISCSI_NAME_MAX - 4);
	save(*state, &key, "long");
	assert_int_equal(strlen(load(*state)), 223 + 1 + 38 + 1 + 4 + 1 + 1 + 1 + 64 + 1 + 4 + 1);
}

static void deleting_takes_links_and_empty_folders_along(void **state)
{
	struct fixture *fixture = *state;
	struct node_key first = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	struct node_key second = key_of(TARGET, "10.0.0.1", 3260, 1, "if1");
	owned_error struct error error = ERROR_INIT;

	save(fixture, &first, "-");
	save(fixture, &second, "-");
	assert_int_equal(node_store_delete(fixture->store, &first, NULL), 0);
	assert_string_equal(load(fixture), TARGET " 10.0.0.1,3260,1 if1 -\n");
	assert_false(exists(fixture, "static/" TARGET ",10.0.0.1,3260,1,default"));
	assert_true(exists(fixture, "static/" TARGET ",10.0.0.1,3260,1,if1"));
	second.tpgt = -1; /* never used for matching */
	assert_int_equal(node_store_delete(fixture->store, &second, NULL), 0);
	assert_false(exists(fixture, "nodes/" TARGET));
	assert_true(exists(fixture, "nodes"));
	assert_int_equal(node_store_delete(fixture->store, &second, &error), -1);
	assert_int_equal(error.code, ERROR_NO_OBJECTS_FOUND);
}

static void deleting_one_interface_spares_the_plain_file_of_another(void **state)
{
	struct fixture *fixture = *state;
	struct node_key key = key_of(TARGET, "10.0.0.1", 3260, -1, "if1");

	save(fixture, &key, "kept");
	text_copy(key.iface, sizeof(key.iface), "default");
	assert_int_equal(node_store_delete(fixture->store, &key, NULL), -1);
	assert_string_equal(load(fixture), TARGET " 10.0.0.1,3260,-1 if1 kept\n");
	text_copy(key.iface, sizeof(key.iface), "if1");
	assert_int_equal(node_store_delete(fixture->store, &key, NULL), 0);
	assert_false(exists(fixture, "nodes/" TARGET));
}

/* --- damage --- */

static void damaged_records_are_reported_and_the_others_read(void **state)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	struct fixture *fixture = *state;
	char expected[4096];

	save(fixture, &key, "good");
	put(fixture, "nodes/iqn.a/10.0.0.1,3260,1/default", "");
	put(fixture, "nodes/iqn.b/10.0.0.1,3260,1/default",
	    "# BEGIN RECORD 2\nnode.name = iqn.b\n");
	put(fixture, "nodes/iqn.c/10.0.0.1,3260,1/default",
	    "# BEGIN RECORD 2\nnode.name = iqn.other\n# END RECORD\n");
	put(fixture, "nodes/iqn.d/10.0.0.1,3260,1/default", "# BEGIN RECORD 2\n# END RECORD\n");
	put(fixture, "nodes/iqn.e/10.0.0.1,3260,1/if1",
	    "# BEGIN RECORD 2\nnode.name = iqn.e\nnode.conn[0].address = 10.0.0.1\n# END RECORD\n");
	put(fixture, "nodes/iqn.f/10.0.0.1,x", "");
	put(fixture, "nodes/iqn.g/10.0.0.1,3260,1/default",
	    "# BEGIN RECORD 2\nnode.name = iqn.g\nnode.conn[0].address = 10.0.0.1\n"
	    "node.conn[0].port = 1\n# END RECORD\n");
	put(fixture, "nodes/stray", "");
	mkfifo(in(fixture, "nodes/iqn.a/10.0.0.2,3260"), 0600);
	snprintf(
		expected, sizeof(expected),
		TARGET
		" 10.0.0.1,3260,1 default good\n"
		"! %1$s/nodes/iqn.a/10.0.0.1,3260,1/default: there is no \"# BEGIN RECORD\"\n"
		"! %1$s/nodes/iqn.a/10.0.0.2,3260 is no regular file\n"
		"! %1$s/nodes/iqn.b/10.0.0.1,3260,1/default: cut off: there is no \"# END RECORD\"\n"
		"! %1$s/nodes/iqn.c/10.0.0.1,3260,1/default: its node.name is 'iqn.other', which does "
		"not fit its place\n"
		"! %1$s/nodes/iqn.d/10.0.0.1,3260,1/default: its node.name is '', which does not fit "
		"its place\n"
		"! %1$s/nodes/iqn.e/10.0.0.1,3260,1/if1: its iface.iscsi_ifacename is 'default', "
		"which does not fit its place\n"
		"! %1$s/nodes/iqn.f/10.0.0.1,x is no portal's record or folder\n"
		"! %1$s/nodes/iqn.g/10.0.0.1,3260,1/default: its port does not fit its place\n"
		"! %1$s/nodes/stray cannot be listed: Not a directory\n",
		fixture->folder);
	assert_string_equal(load(fixture), expected);
}

static void a_second_record_of_the_same_portal_is_reported(void **state)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned_memory char *text = NULL;
	const char *found;

	save(*state, &key, "first");
	text = get(*state, "nodes/" TARGET "/10.0.0.1,3260,1/default");
	put(*state, "nodes/" TARGET "/10.0.0.1,3260,2/default", text);
	found = load(*state);
	assert_non_null(strstr(found, TARGET " 10.0.0.1,3260,1 default first\n! "));
	assert_non_null(strstr(found, "/10.0.0.1,3260,2/default: a second record of the same"));
	/* and the next save leaves one */
	save(*state, &key, "second");
	assert_string_equal(load(*state), TARGET " 10.0.0.1,3260,1 default second\n");
}

static void hidden_files_and_temporary_ones_are_no_records(void **state)
{
	put(*state, "nodes/.git/config", "");
	put(*state, "nodes/iqn.x/.hawser-abcdef", "");
	put(*state, "nodes/iqn.x/10.0.0.1,3260,1/.hawser-abcdef", "");
	assert_string_equal(load(*state), "");
}

/* --- hostile names --- */

static void hostile_names_are_refused_before_the_disk_is_touched(void **state)
{
	struct fixture *fixture = *state;
	char longest[300];
	const struct {
		const char *target, *address, *iface;
	} names[] = {
		{"../../etc/passwd", "10.0.0.1", "default"},
		{"..", "10.0.0.1", "default"},
		{".", "10.0.0.1", "default"},
		{"", "10.0.0.1", "default"},
		{"iqn.x/y", "10.0.0.1", "default"},
		{".hawser-x", "10.0.0.1", "default"},
		{"iqn.x,y", "10.0.0.1", "default"},
		{"iqn.x\ny", "10.0.0.1", "default"},
		{"iqn.x y", "10.0.0.1", "default"},
		{"iqn.\xff", "10.0.0.1", "default"},
		{"iqn.x", "", "default"},
		{"iqn.x", "..", "default"},
		{"iqn.x", "10.0.0.1/..", "default"},
		{"iqn.x", "10.0.0.1,3", "default"},
		{"iqn.x", longest, "default"},
		{"iqn.x", "10.0.0.1", ""},
		{"iqn.x", "10.0.0.1", ".."},
		{"iqn.x", "10.0.0.1", "a/b"},
	};
	owned(record) record = NULL;

	memset(longest, 'a', sizeof(longest));
	longest[250] = '\0';
	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const struct node_key key =
			key_of(names[i].target, names[i].address, 3260, 1, names[i].iface);
		owned_error struct error error = ERROR_INIT, delete_error = ERROR_INIT;

		assert_int_equal(node_store_save(fixture->store, &key, record, &error), -1);
		assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
		assert_true(text_is_printable(error.text));
		assert_int_equal(node_store_delete(fixture->store, &key, &delete_error), -1);
		assert_int_equal(delete_error.code, ERROR_INVALID_ARGUMENT);
	}
	{
		struct node_key key = key_of("iqn.x", "10.0.0.1", 0, 1, "default");

		assert_int_equal(node_store_save(fixture->store, &key, record, NULL), -1);
		key = key_of("iqn.x", "10.0.0.1", 3260, 65536, "default");
		assert_int_equal(node_store_save(fixture->store, &key, record, NULL), -1);
		assert_int_equal(
			node_store_save_discovery(fixture->store, "../x", 3260, record, NULL), -1);
		assert_int_equal(node_store_delete_discovery(fixture->store, RECORD_SENDTARGETS,
							     "x/y", 3260, NULL),
				 -1);
	}
	assert_false(exists(fixture, "nodes"));
	assert_false(exists(fixture, "send_targets"));
}

/* --- discovery and interfaces --- */

static void discovery_records_are_kept_by_address(void **state)
{
	struct fixture *fixture = *state;
	owned(record) record = NULL, *loaded = NULL;
	owned_error struct error error = ERROR_INIT;
	struct stat st;

	assert_int_equal(record_new(RECORD_SENDTARGETS, &record), 0);
	record_set(record, "discovery.sendtargets.auth.username", "bob", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_load_discovery(fixture->store, RECORD_SENDTARGETS, "fe80::1",
						   3260, &loaded, &error),
			 -1);
	assert_int_equal(error.code, ERROR_NO_OBJECTS_FOUND);
	assert_int_equal(node_store_save_discovery(fixture->store, "fe80::1", 3260, record, NULL),
			 0);
	assert_int_equal(stat(in(fixture, "send_targets/fe80::1,3260/st_config"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(node_store_load_discovery(fixture->store, RECORD_SENDTARGETS, "fe80::1",
						   3260, &loaded, NULL),
			 0);
	assert_string_equal(record_get(loaded, "discovery.sendtargets.auth.username"), "bob");
	assert_string_equal(record_get(loaded, "discovery.sendtargets.address"), "fe80::1");
	assert_int_equal(node_store_delete_discovery(fixture->store, RECORD_SENDTARGETS, "fe80::1",
						     3260, NULL),
			 0);
	assert_false(exists(fixture, "send_targets/fe80::1,3260"));
	error_clear(&error);
	assert_int_equal(node_store_delete_discovery(fixture->store, RECORD_SENDTARGETS, "fe80::1",
						     3260, &error),
			 -1);
	assert_int_equal(error.code, ERROR_NO_OBJECTS_FOUND);
}

static void the_record_of_an_isns_server_is_another_one(void **state)
{
	struct fixture *fixture = *state;
	owned(record) asked = NULL, *server = NULL, *loaded = NULL;
	struct discovery_place *places = NULL;
	size_t count = 99;

	assert_int_equal(node_store_discoveries(fixture->store, RECORD_ISNS, &places, &count, NULL),
			 0);
	assert_int_equal(count, 0);
	free(places);
	assert_int_equal(record_new(RECORD_SENDTARGETS, &asked), 0);
	assert_int_equal(record_new(RECORD_ISNS, &server), 0);
	record_set(server, "discovery.isns.discoveryd_poll_inval", "60", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_save_discovery(fixture->store, "10.0.0.9", 3205, asked, NULL),
			 0);
	assert_int_equal(node_store_save_discovery(fixture->store, "10.0.0.9", 3205, server, NULL),
			 0);
	assert_int_equal(node_store_save_discovery(fixture->store, "10.0.0.10", 3205, server, NULL),
			 0);
	put(fixture, "isns/10.0.0.11,3205/link", "an address with links only\n");
	put(fixture, "isns/nonsense/isns_config", "no address\n");
	assert_true(exists(fixture, "isns/10.0.0.9,3205/isns_config"));
	assert_true(exists(fixture, "send_targets/10.0.0.9,3205/st_config"));
	assert_int_equal(node_store_load_discovery(fixture->store, RECORD_ISNS, "10.0.0.9", 3205,
						   &loaded, NULL),
			 0);
	assert_string_equal(record_get(loaded, "discovery.isns.discoveryd_poll_inval"), "60");
	assert_string_equal(record_get(loaded, "discovery.sendtargets.address"), "10.0.0.9");
	assert_int_equal(node_store_discoveries(fixture->store, RECORD_ISNS, &places, &count, NULL),
			 0);
	assert_int_equal(count, 2);
	assert_string_equal(places[0].address, "10.0.0.10");
	assert_string_equal(places[1].address, "10.0.0.9");
	assert_int_equal(places[1].port, 3205);
	free(places);
	assert_int_equal(
		node_store_delete_discovery(fixture->store, RECORD_ISNS, "10.0.0.9", 3205, NULL),
		0);
	assert_false(exists(fixture, "isns/10.0.0.9,3205"));
	assert_true(exists(fixture, "send_targets/10.0.0.9,3205/st_config"));
}

static void deleting_a_discovery_takes_its_links_and_no_node(void **state)
{
	struct fixture *fixture = *state;
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned(record) node = NULL, *discovery = NULL;

	assert_int_equal(record_new(RECORD_NODE, &node), 0);
	assert_int_equal(record_new(RECORD_SENDTARGETS, &discovery), 0);
	record_set(node, "node.discovery_type", "send_targets", RECORD_INTERNAL, NULL);
	record_set(node, "node.discovery_address", "10.0.0.9", RECORD_INTERNAL, NULL);
	record_set(node, "node.discovery_port", "3260", RECORD_INTERNAL, NULL);
	assert_int_equal(
		node_store_save_discovery(fixture->store, "10.0.0.9", 3260, discovery, NULL), 0);
	assert_int_equal(node_store_save(fixture->store, &key, node, NULL), 0);
	assert_int_equal(node_store_delete_discovery(fixture->store, RECORD_SENDTARGETS, "10.0.0.9",
						     3260, NULL),
			 0);
	assert_false(exists(fixture, "send_targets/10.0.0.9,3260"));
	assert_string_equal(load(fixture), TARGET " 10.0.0.1,3260,1 default \n");
}

static void interfaces_are_listed_and_two_are_built_in(void **state)
{
	struct fixture *fixture = *state;
	char **names = NULL;
	unsigned count = 99;
	struct record *record = NULL;
	owned_error struct error error = ERROR_INIT;

	assert_int_equal(node_store_ifaces(fixture->store, &names, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(names);
	put(fixture, "ifaces/if2",
	    "# BEGIN RECORD 2\niface.iscsi_ifacename = if2\n"
	    "iface.net_ifacename = eth1\n# END RECORD\n");
	put(fixture, "ifaces/if10", "# BEGIN RECORD 2\n");
	put(fixture, "ifaces/iface.example", "# example\n");
	assert_int_equal(node_store_ifaces(fixture->store, &names, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "if10");
	assert_string_equal(names[1], "if2");
	free(names[0]);
	free(names[1]);
	free(names);

	assert_int_equal(node_store_load_iface(fixture->store, "if2", &record, NULL), 0);
	assert_string_equal(record_get(record, "iface.net_ifacename"), "eth1");
	assert_string_equal(record_get(record, "iface.iscsi_ifacename"), "if2");
	record_free(record);
	assert_int_equal(node_store_load_iface(fixture->store, "default", &record, NULL), 0);
	assert_string_equal(record_get(record, "iface.transport_name"), "tcp");
	record_free(record);
	assert_int_equal(node_store_load_iface(fixture->store, "iser", &record, NULL), 0);
	assert_string_equal(record_get(record, "iface.transport_name"), "iser");
	assert_string_equal(record_get(record, "iface.iscsi_ifacename"), "iser");
	record_free(record);
	assert_int_equal(node_store_load_iface(fixture->store, "if3", &record, &error), -1);
	assert_int_equal(error.code, ERROR_NO_OBJECTS_FOUND);
	assert_string_equal(error.text, "Could not read iface info for if3.");
	error_clear(&error);
	assert_int_equal(node_store_load_iface(fixture->store, "if10", &record, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	error_clear(&error);
	assert_int_equal(node_store_load_iface(fixture->store, "../x", &record, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
}

static void interfaces_are_saved_and_deleted_but_not_the_built_in_ones(void **state)
{
	static const char *const unchangeable[] = {"default", "iser", "../x", "a/b", ".hidden", ""};
	struct fixture *fixture = *state;
	owned(record) record = NULL, *loaded = NULL;
	owned_error struct error error = ERROR_INIT;
	struct stat st;

	assert_int_equal(record_new(RECORD_IFACE, &record), 0);
	record_set(record, "iface.net_ifacename", "eth7", RECORD_INTERNAL, NULL);
	/* a name as Kubernetes makes it */
	assert_int_equal(node_store_save_iface(fixture->store, "10.0.0.1:3260:pv-1", record, NULL),
			 0);
	assert_int_equal(stat(in(fixture, "ifaces/10.0.0.1:3260:pv-1"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(node_store_load_iface(fixture->store, "10.0.0.1:3260:pv-1", &loaded, NULL),
			 0);
	assert_string_equal(record_get(loaded, "iface.net_ifacename"), "eth7");
	assert_string_equal(record_get(loaded, "iface.iscsi_ifacename"), "10.0.0.1:3260:pv-1");
	assert_int_equal(node_store_delete_iface(fixture->store, "10.0.0.1:3260:pv-1", NULL), 0);
	assert_int_equal(node_store_delete_iface(fixture->store, "10.0.0.1:3260:pv-1", &error), -1);
	assert_int_equal(error.code, ERROR_NO_OBJECTS_FOUND);
	for (size_t i = 0; i < ARRAY_SIZE(unchangeable); i++) {
		error_clear(&error);
		assert_int_equal(
			node_store_save_iface(fixture->store, unchangeable[i], record, &error), -1);
		assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
		error_clear(&error);
		assert_int_equal(node_store_delete_iface(fixture->store, unchangeable[i], &error),
				 -1);
		assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	}
}

/* --- what a disk and a crash do --- */

static unsigned count_temporary(const char *folder)
{
	DIR *listing = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	while (listing && (entry = readdir(listing))) {
		char below[1024];

		count += text_starts_with(entry->d_name, ".hawser-");
		snprintf(below, sizeof(below), "%s/%s", folder, entry->d_name);
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			count += count_temporary(below);
	}
	if (listing)
		closedir(listing);
	return count;
}

static void save_for_ever(const char *folder)
{
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	struct node_store *store;
	struct record *record;
	char text[16];

	if (node_store_open(folder, &store, NULL) < 0 || record_new(RECORD_NODE, &record) < 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		/* both values say the same number: half a record would not */
		snprintf(text, sizeof(text), "%u", i);
		if (record_set(record, "node.session.auth.username", text, RECORD_INTERNAL, NULL) <
			    0 ||
		    record_set(record, "node.conn[0].timeo.noop_out_interval", text,
			       RECORD_INTERNAL, NULL) < 0 ||
		    node_store_save(store, &key, record, NULL) < 0)
			_exit(2);
	}
}

static void check_whole(const struct node_key *key, struct record *record,
			const struct error *problem, void *userdata)
{
	unsigned *records = userdata;

	if (problem)
		fail_msg("%s", problem->text);
	assert_string_equal(record_get(record, "node.session.auth.username"),
			    record_get(record, "node.conn[0].timeo.noop_out_interval"));
	(*records)++;
	record_free(record);
}

static void kill_at_any_moment_leaves_the_old_record_or_the_new(void **state)
{
	struct fixture *fixture = *state;
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned(record) record = NULL;
	uint32_t seed = 20261122;

	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	record_set(record, "node.session.auth.username", "5", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_save(fixture->store, &key, record, NULL), 0);
	for (unsigned round = 0; round < 300; round++) {
		struct node_store *store;
		unsigned records = 0;
		pid_t child = fork();
		int status;

		if (child == 0)
			save_for_ever(fixture->folder);
		seed = seed * 1664525 + 1013904223;
		nanosleep(&(struct timespec){.tv_nsec = 200000 + (seed >> 8) % 3000000}, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		assert_int_equal(node_store_open(fixture->folder, &store, NULL), 0);
		assert_int_equal(count_temporary(fixture->folder), 0);
		assert_int_equal(node_store_load(store, check_whole, &records, NULL), 0);
		assert_int_equal(records, 1);
		node_store_close(store);
	}
}

static void two_daemons_write_one_after_the_other(void **state)
{
	struct fixture *fixture = *state;
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned_error struct error error = ERROR_INIT;
	owned(record) record = NULL;
	int fd = open(fixture->folder, O_RDONLY | O_DIRECTORY);

	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(node_store_save(fixture->store, &key, record, &error), -1);
	assert_int_equal(error.code, ERROR_DATABASE_FAILED);
	assert_non_null(strstr(error.text, "is locked by another process"));
	close(fd);
	assert_int_equal(node_store_save(fixture->store, &key, record, NULL), 0);
}

static void a_full_disk_keeps_the_old_record_and_says_so(void **state)
{
	struct fixture *fixture = *state;
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned(record) record = NULL;
	owned_error struct error error = ERROR_INIT;
	struct node_store *store;
	char folder[128], block[4096] = {};
	int fd;

	snprintf(folder, sizeof(folder), "%s/small", fixture->folder);
	mkdir(folder, 0700);
	if (mount("tmpfs", folder, "tmpfs", 0, "size=64k") < 0)
		skip();
	assert_int_equal(node_store_open(folder, &store, NULL), 0);
	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	record_set(record, "node.session.auth.username", "old", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_save(store, &key, record, NULL), 0);

	fd = open(in(fixture, "small/filler"), O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	record_set(record, "node.session.auth.username", "new", RECORD_INTERNAL, NULL);
	assert_int_equal(node_store_save(store, &key, record, &error), -1);
	assert_int_equal(error.code, ERROR_DATABASE_FAILED);
	assert_non_null(strstr(error.text, "No space left on device"));
	assert_int_equal(count_temporary(folder), 0);
	{
		struct fixture small = {.store = store};

		assert_string_equal(load(&small), TARGET " 10.0.0.1,3260,1 default old\n");
	}
	node_store_close(store);
	umount(folder);
}

/* root may write everywhere but in a read-only file system; others meet modes */
static void forbidden_writes_are_told_and_keep_the_old_record(void **state)
{
	struct fixture *fixture = *state;
	const struct node_key key = key_of(TARGET, "10.0.0.1", 3260, 1, "default");
	owned_error struct error error = ERROR_INIT;
	owned(record) record = NULL;
	pid_t child;
	int status;

	save(fixture, &key, "old");
	assert_int_equal(record_new(RECORD_NODE, &record), 0);
	if (geteuid() != 0)
		chmod(in(fixture, "nodes/" TARGET "/10.0.0.1,3260,1"), 0500);
	child = fork();
	if (child == 0) {
		struct stat st;

		if (geteuid() == 0 &&
		    (chmod(fixture->folder, 0755) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
			_exit(9);
		if (node_store_save(fixture->store, &key, record, &error) != -1)
			_exit(1);
		if (error.code != ERROR_DATABASE_FAILED || !strstr(error.text, "Permission denied"))
			_exit(2);
		_exit(stat(fixture->folder, &st) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	if (geteuid() != 0)
		chmod(in(fixture, "nodes/" TARGET "/10.0.0.1,3260,1"), 0700);
	assert_string_equal(load(fixture), TARGET " 10.0.0.1,3260,1 default old\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_store_has_no_records_and_makes_no_folders),
		TEST(a_record_stands_where_open_iscsi_keeps_it),
		TEST(what_is_written_says_who_it_is),
		TEST(records_are_listed_as_iscsiadm_sorts_them),
		TEST(without_portal_group_the_old_plain_file_is_written),
		TEST(a_portal_group_that_is_learned_replaces_the_plain_file),
		TEST(a_portal_group_that_is_known_stays_known),
		TEST(another_portal_group_moves_the_record),
		TEST(a_second_interface_never_replaces_the_first),
		TEST(learning_the_portal_group_takes_the_other_interface_along),
		TEST(a_record_of_another_tool_is_read),
		TEST(the_folder_with_nodes_is_found),
		TEST(discovery_links_point_to_the_portal),
		TEST(names_too_long_for_a_link_still_have_a_record),
		TEST(deleting_takes_links_and_empty_folders_along),
		TEST(deleting_one_interface_spares_the_plain_file_of_another),
		TEST(damaged_records_are_reported_and_the_others_read),
		TEST(a_second_record_of_the_same_portal_is_reported),
		TEST(hidden_files_and_temporary_ones_are_no_records),
		TEST(hostile_names_are_refused_before_the_disk_is_touched),
		TEST(discovery_records_are_kept_by_address),
		TEST(deleting_a_discovery_takes_its_links_and_no_node),
		TEST(interfaces_are_listed_and_two_are_built_in),
		TEST(the_record_of_an_isns_server_is_another_one),
		TEST(interfaces_are_saved_and_deleted_but_not_the_built_in_ones),
		TEST(kill_at_any_moment_leaves_the_old_record_or_the_new),
		TEST(two_daemons_write_one_after_the_other),
		TEST(a_full_disk_keeps_the_old_record_and_says_so),
		TEST(forbidden_writes_are_told_and_keep_the_old_record),
	};

	log_set_level(LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
