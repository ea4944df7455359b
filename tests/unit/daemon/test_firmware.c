/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/firmware.h"
#include "util/cleanup.h"

/* --- a tree as the kernel shows it --- */

static void make_folder(const char *root, const char *name)
{
	owned_memory char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", root, name) > 0);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

static void write_file(const char *root, const char *name, const char *text)
{
	owned_memory char *path = NULL, *folder = strdup(name);
	FILE *file;

	*strrchr(folder, '/') = '\0';
	make_folder(root, folder);
	assert_true(asprintf(&path, "%s/%s", root, name) > 0);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	char *root = strdup("/tmp/hawser-test-XXXXXX");

	*state = mkdtemp(root);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	int r = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return r;
}

/* clang-format off */
static const char *const ibft[][2] = {
	{"initiator/index",               "0\n"},
	{"initiator/flags",               "3\n"},
	{"initiator/initiator-name",      "iqn.2026-01.org.example:host\n"},
	{"ethernet0/index",               "0\n"},
	{"ethernet0/flags",               "3\n"},
	{"ethernet0/mac",                 "52:54:00:12:34:56\n"},
	{"ethernet0/origin",              "3\n"},
	{"ethernet0/dhcp",                "10.0.0.254\n"},
	{"ethernet0/ip-addr",             "10.0.0.7\n"},
	{"ethernet0/prefix-len",          "24\n"},
	{"ethernet0/subnet-mask",         "255.255.255.0\n"},
	{"ethernet0/gateway",             "10.0.0.1\n"},
	{"ethernet0/primary-dns",         "10.0.0.53\n"},
	{"ethernet0/secondary-dns",       "0.0.0.0\n"},
	{"ethernet0/vlan",                "0\n"},
	{"ethernet0/device/net/eth7/mtu", "1500\n"},
	{"ethernet1/mac",                 "52:54:00:12:34:57\n"},
	{"ethernet1/origin",              "1\n"},
	{"ethernet1/vlan",                "12\n"},
	{"target0/index",                 "0\n"},
	{"target0/flags",                 "3\n"},
	{"target0/target-name",           "iqn.2026-01.org.example:boot\n"},
	{"target0/ip-addr",               "10.0.0.2\n"},
	{"target0/port",                  "3261\n"},
	{"target0/lun",                   "00000000\n"},
	{"target0/chap-type",             "2\n"},
	{"target0/chap-name",             "user\n"},
	{"target0/chap-secret",           "secret of twelve\n"},
	{"target0/rev-chap-name",         "target\n"},
	{"target0/rev-chap-name-secret",  "another secret\n"},
	{"target0/nic-assoc",             "0\n"},
	{"target1/flags",                 "1\n"},
	{"target1/target-name",           "iqn.2026-01.org.example:other\n"},
	{"target1/ip-addr",               "fe80:0000:0000:0000:0000:0000:0000:0002\n"},
	{"target1/chap-type",             "0\n"},
	{"target1/chap-name",             "left over\n"},
	{"target1/nic-assoc",             "1\n"},
	{"acpi_header/signature",         "iBFT\n"},
};

static const char *const wanted[][2][2] = { /* key: of target0, of target1 */
	{{"iface.initiatorname",           "iqn.2026-01.org.example:host"}, {"", "iqn.2026-01.org.example:host"}},
	{{"iface.transport_name",          "tcp"},                          {"", "tcp"}},
	{{"iface.hwaddress",               "52:54:00:12:34:56"},            {"", "52:54:00:12:34:57"}},
	{{"iface.bootproto",               "DHCP"},                         {"", "STATIC"}},
	{{"iface.ipaddress",               "10.0.0.7"},                     {"", ""}},
	{{"iface.prefix_len",              "24"},                           {"", ""}},
	{{"iface.subnet_mask",             "255.255.255.0"},                {"", ""}},
	{{"iface.gateway",                 "10.0.0.1"},                     {"", ""}},
	{{"iface.primary_dns",             "10.0.0.53"},                    {"", ""}},
	{{"iface.secondary_dns",           ""},                             {"", ""}},
	{{"iface.vlan_id",                 ""},                             {"", "12"}},
	{{"iface.net_ifacename",           "eth7"},                         {"", ""}},
	{{"node.name",                     "iqn.2026-01.org.example:boot"}, {"", "iqn.2026-01.org.example:other"}},
	{{"node.conn[0].address",          "10.0.0.2"},                     {"", "fe80:0000:0000:0000:0000:0000:0000:0002"}},
	{{"node.conn[0].port",             "3261"},                         {"", "3260"}},
	{{"node.session.auth.username",    "user"},                         {"", ""}},
	{{"node.session.auth.password",    "secret of twelve"},             {"", ""}},
	{{"node.session.auth.username_in", "target"},                       {"", ""}},
	{{"node.session.auth.password_in", "another secret"},               {"", ""}},
	{{"node.boot_lun",                 "00000000"},                     {"", ""}},
};
/* clang-format on */

static void the_kernels_tree_is_read_whole(void **state)
{
	struct firmware *firmware;
	struct firmware_target target;
	const char *key, *value;
	bool secret;

	for (size_t i = 0; i < ARRAY_SIZE(ibft); i++)
		write_file(*state, ibft[i][0], ibft[i][1]);
	assert_int_equal(firmware_read(*state, &firmware), 0);
	assert_true(firmware_target(firmware, 0, &target));
	assert_int_equal(target.index, 0);
	assert_string_equal(target.name, "iqn.2026-01.org.example:boot");
	assert_string_equal(target.address, "10.0.0.2");
	assert_int_equal(target.port, 3261);
	assert_true(firmware_target(firmware, 1, &target));
	assert_int_equal(target.index, 1);
	assert_string_equal(target.name, "iqn.2026-01.org.example:other");
	assert_int_equal(target.port, 3260);
	assert_false(firmware_target(firmware, 2, &target));
	for (unsigned index = 0; index < 2; index++) {
		for (size_t row = 0; row < ARRAY_SIZE(wanted); row++) {
			assert_true(firmware_setting(firmware, index, row, &key, &value, &secret));
			assert_string_equal(key, wanted[row][0][0]);
			assert_string_equal(value, wanted[row][index][1]);
			assert_int_equal(secret, strstr(key, "password") != NULL);
		}
		assert_false(firmware_setting(firmware, index, ARRAY_SIZE(wanted), &key, &value,
					      &secret));
	}
	firmware_free(firmware);
}

static void a_machine_without_firmware_table_is_told_apart(void **state)
{
	owned_memory char *path = NULL;
	struct firmware *firmware = NULL;
	struct firmware_target target;

	assert_true(asprintf(&path, "%s/ibft", (char *)*state) > 0);
	assert_int_equal(firmware_read(path, &firmware), -ENOENT);
	assert_null(firmware);
	make_folder(*state, "ibft");
	assert_int_equal(firmware_read(path, &firmware), 0);
	assert_false(firmware_target(firmware, 0, &target));
	firmware_free(firmware);
	firmware_free(NULL);
}

static void odd_trees_are_read_as_far_as_they_make_sense(void **state)
{
	char path[128], longest[600];
	struct firmware *firmware;
	struct firmware_target target;

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	write_file(*state, "target16/target-name", "iqn.a\n");
	write_file(*state, "target16/ip-addr", "10.0.0.2\n");
	write_file(*state, "target-1/target-name", "iqn.a\n");
	write_file(*state, "target99999999999999999999/target-name", "iqn.a\n");
	write_file(*state, "target1x/target-name", "iqn.a\n");
	write_file(*state, "target3/target-name", longest);
	write_file(*state, "target3/ip-addr", "10.0.0.2\n");
	make_folder(*state, "target4/target-name");
	snprintf(path, sizeof(path), "%s/target4/ip-addr", (char *)*state);
	assert_int_equal(mkfifo(path, 0600), 0);
	write_file(*state, "target5/target-name", "iqn.a\n");
	snprintf(path, sizeof(path), "%s/target5/ip-addr", (char *)*state);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	write_file(*state, "target6/target-name", "iqn.six\n");
	write_file(*state, "target6/ip-addr", "10.0.0.6");
	assert_int_equal(firmware_read(*state, &firmware), 0);
	assert_true(firmware_target(firmware, 0, &target));
	assert_int_equal(target.index, 6);
	assert_string_equal(target.name, "iqn.six");
	assert_false(firmware_target(firmware, 7, &target));
	firmware_free(firmware);
}

/* --- one value --- */

static void values_are_of_their_kind_or_none(void **state)
{
	/* clang-format off */
	static const struct {
		enum firmware_folder folder;
		const char *attribute, *value;
		size_t row;
		const char *wanted;
	} rows[] = {
		{FIRMWARE_INITIATOR, "initiator-name", "iqn.a", 0, "iqn.a"},
		{FIRMWARE_INITIATOR, "initiator-name", "../../etc", 0, ""},
		{FIRMWARE_INITIATOR, "initiator-name", "a b", 0, ""},
		{FIRMWARE_NIC, "mac", "\x1b[31m", 2, ""},
		{FIRMWARE_NIC, "mac", "two\nlines", 2, ""},
		{FIRMWARE_NIC, "origin", "3", 3, "DHCP"},
		{FIRMWARE_NIC, "origin", "4", 3, "STATIC"},
		{FIRMWARE_NIC, "dhcp", "10.0.0.1", 3, "DHCP"},
		{FIRMWARE_NIC, "dhcp", "0.0.0.0", 3, "STATIC"},
		{FIRMWARE_NIC, "ip-addr", "::", 4, ""},
		{FIRMWARE_NIC, "ip-addr", "2001:db8::1", 4, "2001:db8::1"},
		{FIRMWARE_NIC, "prefix-len", "0", 5, ""},
		{FIRMWARE_NIC, "prefix-len", "64", 5, "64"},
		{FIRMWARE_NIC, "prefix-len", "x", 5, ""},
		{FIRMWARE_NIC, "vlan", "65536", 10, ""},
		{FIRMWARE_TARGET, "ip-addr", "10.0.0.2", 13, "10.0.0.2"},
		{FIRMWARE_TARGET, "ip-addr", "san.example", 13, ""},
		{FIRMWARE_TARGET, "ip-addr", "fe80::1%eth0", 13, ""},
		{FIRMWARE_TARGET, "ip-addr", "10.0.0.2/../x", 13, ""},
		{FIRMWARE_TARGET, "port", "0", 14, "3260"},
		{FIRMWARE_TARGET, "port", "860", 14, "860"},
		{FIRMWARE_TARGET, "port", "-1", 14, "3260"},
		{FIRMWARE_TARGET, "chap-secret", "secret", 16, "secret"},
		{FIRMWARE_TARGET, "chap-secret", "sec\tret", 16, ""},
		{FIRMWARE_TARGET, "rev-chap-name", "in", 17, "in"},
		{FIRMWARE_TARGET, "", "x", 1, "tcp"},
		{FIRMWARE_TARGET, "mac", "x", 2, ""},
		{FIRMWARE_TARGET, "unheard-of", "x", 19, ""},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct firmware *firmware = firmware_new();
		const char *key, *value;
		bool secret;

		firmware_take(firmware, rows[i].folder, 0, rows[i].attribute, rows[i].value,
			      strlen(rows[i].value));
		assert_true(firmware_setting(firmware, 0, rows[i].row, &key, &value, &secret));
		if (strcmp(value, rows[i].wanted) != 0)
			fail_msg("row %zu: %s", i, value);
		firmware_free(firmware);
	}
}

static void chap_counts_as_far_as_its_type_says(void **state)
{
	static const char *const types[] = {"0", "1", "2"};

	for (unsigned type = 0; type < 3; type++) {
		struct firmware *firmware = firmware_new();
		const char *key, *value;
		bool secret;

		firmware_take(firmware, FIRMWARE_TARGET, 0, "chap-type", types[type], 1);
		firmware_take(firmware, FIRMWARE_TARGET, 0, "chap-name", "a", 1);
		firmware_take(firmware, FIRMWARE_TARGET, 0, "chap-secret", "b", 1);
		firmware_take(firmware, FIRMWARE_TARGET, 0, "rev-chap-name", "c", 1);
		firmware_take(firmware, FIRMWARE_TARGET, 0, "rev-chap-name-secret", "d", 1);
		for (size_t row = 15; row < 19; row++) {
			assert_true(firmware_setting(firmware, 0, row, &key, &value, &secret));
			assert_int_equal(value[0] != '\0', type >= (row < 17 ? 1 : 2));
		}
		firmware_free(firmware);
	}
}

static void only_valid_targets_count(void **state)
{
	static const struct {
		const char *flags;
		bool wanted;
	} rows[] = {{"0", false}, {"1", true}, {"2", false}, {"3", true}, {NULL, true}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct firmware *firmware = firmware_new();
		struct firmware_target target;

		firmware_take(firmware, FIRMWARE_TARGET, 5, "target-name", "iqn.a", 5);
		assert_false(firmware_target(firmware, 0, &target));
		firmware_take(firmware, FIRMWARE_TARGET, 5, "ip-addr", "10.0.0.1", 8);
		if (rows[i].flags)
			firmware_take(firmware, FIRMWARE_TARGET, 5, "flags", rows[i].flags, 1);
		assert_int_equal(firmware_target(firmware, 0, &target), rows[i].wanted);
		firmware_free(firmware);
	}
}

static void values_are_bounded(void **state)
{
	struct firmware *firmware = firmware_new();
	const char *key, *value;
	char text[257];
	bool secret;

	memset(text, 'x', sizeof(text));
	firmware_take(firmware, FIRMWARE_TARGET, 0, "lun", text, 256);
	firmware_take(firmware, FIRMWARE_TARGET, 0, "lun", "a\0b", 3);
	firmware_take(firmware, FIRMWARE_TARGET, 0, "lun", "\n", 1);
	firmware_take(firmware, FIRMWARE_TARGET, 0, "lun", "", 0);
	firmware_take(firmware, FIRMWARE_TARGET, FIRMWARE_TARGETS_MAX, "lun", "1", 1);
	firmware_take(firmware, FIRMWARE_NIC, FIRMWARE_NICS_MAX, "mac", "1", 1);
	firmware_take(firmware, FIRMWARE_INITIATOR, 1, "initiator-name", "iqn.a", 5);
	assert_true(firmware_setting(firmware, 0, 19, &key, &value, &secret));
	assert_string_equal(value, "");
	text[255] = '\n';
	firmware_take(firmware, FIRMWARE_TARGET, 0, "lun", text, 256);
	assert_true(firmware_setting(firmware, 0, 19, &key, &value, &secret));
	assert_int_equal(strlen(value), 255);
	assert_false(firmware_setting(firmware, FIRMWARE_TARGETS_MAX, 0, &key, &value, &secret));
	/* a card that the table does not have */
	firmware_take(firmware, FIRMWARE_TARGET, 0, "nic-assoc", "65535", 5);
	assert_true(firmware_setting(firmware, 0, 2, &key, &value, &secret));
	assert_string_equal(value, "");
	firmware_free(firmware);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_kernels_tree_is_read_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_machine_without_firmware_table_is_told_apart,
						setup, teardown),
		cmocka_unit_test_setup_teardown(odd_trees_are_read_as_far_as_they_make_sense, setup,
						teardown),
		cmocka_unit_test(values_are_of_their_kind_or_none),
		cmocka_unit_test(chap_counts_as_far_as_its_type_says),
		cmocka_unit_test(only_valid_targets_count),
		cmocka_unit_test(values_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
