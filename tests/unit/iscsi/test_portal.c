/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "iscsi/portal.h"
#include "util/cleanup.h"

static void portals_are_read_as_targets_and_people_write_them(void **state)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
		int32_t tpgt;
	} rows[] = {
		{"10.0.0.1", "10.0.0.1", 3260, -1},
		{"10.0.0.1:3261", "10.0.0.1", 3261, -1},
		{"10.0.0.1:3261,7", "10.0.0.1", 3261, 7},
		{"10.0.0.1,7", "10.0.0.1", 3260, 7},
		{"10.0.0.1:0,1", "10.0.0.1", 3260, 1},
		{"10.0.0.1:3260,0", "10.0.0.1", 3260, 0},
		{"10.0.0.1:3260,0x1f", "10.0.0.1", 3260, 31},
		{"10.0.0.1:3260,65535", "10.0.0.1", 3260, 65535},
		{"10.0.0.1:3260,65536", "10.0.0.1", 3260, -1},
		{"10.0.0.1:3260,-1", "10.0.0.1", 3260, -1},
		{"10.0.0.1:3260,", "10.0.0.1", 3260, -1},
		{"storage-1.example.com:860,1", "storage-1.example.com", 860, 1},
		{"host_name", "host_name", 3260, -1},
		{"[fe80::1]", "fe80::1", 3260, -1},
		{"[fe80::1]:3261,2", "fe80::1", 3261, 2},
		{"[fe80::1],2", "fe80::1", 3260, 2},
		{"[fe80::1%eth0.5]:3260", "fe80::1%eth0.5", 3260, -1},
		{"fe80::1", "fe80::1", 3260, -1},
		{"::,1", "::", 3260, 1},
		{"[::ffff:1.2.3.4]:3260", "::ffff:1.2.3.4", 3260, -1},
	};
	struct portal portal;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(portal_parse(rows[i].text, strlen(rows[i].text), &portal), 0);
		assert_string_equal(portal.address, rows[i].address);
		assert_int_equal(portal.port, rows[i].port);
		assert_int_equal(portal.tpgt, rows[i].tpgt);
	}
}

static void nonsense_is_no_portal(void **state)
{
	static const char *const rows[] = {
		"",
		",1",
		":3260",
		"10.0.0.1:",
		"10.0.0.1:65536",
		"10.0.0.1:x",
		"10.0.0.1:-1",
		"[",
		"[]",
		"[]:3260",
		"[fe80::1",
		"[fe80::1]3260",
		"[fe80::1]:",
		"[10.0.0.1]:3260",
		"[fe80::zz]",
		"fe80:::1:2:zz",
		"a b",
		"a/b",
		"../x",
		"..",
		"a;b",
		"[fe80::1%]",
		"[fe80::1%a/b]",
		"10.0.0.1%eth0",
		"10.0.0.1:99999999999999999999",
	};
	struct portal portal = {.port = 42};
	char longest[PORTAL_ADDRESS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(portal_parse(rows[i], strlen(rows[i]), &portal), -EINVAL);
	assert_int_equal(portal_parse("a\0b", 3, &portal), -EINVAL);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(portal_parse(longest, sizeof(longest), &portal), -EINVAL);
	assert_int_equal(portal.port, 42);
	assert_int_equal(portal_parse(longest, sizeof(longest) - 1, &portal), 0);
}

static void portals_are_written_with_brackets_where_needed(void **state)
{
	struct portal four = {"10.0.0.1", 3260, 1}, six = {"fe80::1", 3261, -1},
		      longest = {.tpgt = 65535};
	char text[PORTAL_TEXT_MAX];

	assert_string_equal(portal_format(&four, false, text), "10.0.0.1:3260");
	assert_string_equal(portal_format(&four, true, text), "10.0.0.1:3260,1");
	assert_string_equal(portal_format(&six, false, text), "[fe80::1]:3261");
	assert_string_equal(portal_format(&six, true, text), "[fe80::1]:3261,-1");

	memset(longest.address, ':', PORTAL_ADDRESS_MAX);
	longest.port = 65535;
	portal_format(&longest, true, text);
	assert_int_equal(strlen(text), PORTAL_TEXT_MAX - 1);
}

static void addresses_are_compared_as_numbers(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"fe80::1", "FE80:0::0001", true},
		{"fe80::1", "fe80::2", false},
		{"fe80::1%eth0", "fe80::1%eth0", true},
		{"fe80::1%eth0", "fe80::1%eth1", false},
		{"fe80::1%eth0", "fe80::1", false},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"Storage.Example", "storage.example", true},
		{"storage", "10.0.0.1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(portal_address_equal(rows[i].a, rows[i].b), rows[i].equal);
	assert_true(portal_address_unspecified("0.0.0.0"));
	assert_true(portal_address_unspecified("::"));
	assert_true(portal_address_unspecified("0:0::0"));
	assert_false(portal_address_unspecified("0.0.0.1"));
	assert_false(portal_address_unspecified("zero"));
	assert_true(portal_address_numeric("10.0.0.1"));
	assert_true(portal_address_numeric("fe80::1%eth0"));
	assert_false(portal_address_numeric("10.0.0"));
	assert_false(portal_address_numeric("storage"));
}

static void portals_differ_by_port_and_not_by_tag(void **state)
{
	struct portal a = {"10.0.0.1", 3260, 1}, b = {"10.0.0.1", 3260, 2},
		      c = {"10.0.0.1", 3261, 1};

	assert_true(portal_equal(&a, &b));
	assert_false(portal_equal(&a, &c));
}

static void link_local_addresses_are_of_an_interface(void **state)
{
	static const struct {
		const char *address, *interface;
		int result;
		const char *wanted;
	} rows[] = {
		{"fe80::1", "eth0", 0, "fe80::1%eth0"},
		{"FE80:0::1", "eth0.5", 0, "FE80:0::1%eth0.5"},
		{"febf::1%2", "eth0", 0, "febf::1%eth0"},
		{"fe80::1%theirs", "eth0", 0, "fe80::1%eth0"},
		{"fe80::1", "", -ENODEV, "fe80::1"},
		{"fec0::1", "", 0, "fec0::1"},
		{"2001:db8::1", "eth0", 0, "2001:db8::1"},
		{"169.254.1.1", "eth0", 0, "169.254.1.1"},
		{"fe80.example", "eth0", 0, "fe80.example"},
	};
	char address[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		strcpy(address, rows[i].address);
		assert_int_equal(
			portal_address_set_zone(address, sizeof(address), rows[i].interface),
			rows[i].result);
		assert_string_equal(address, rows[i].wanted);
	}
	strcpy(address, "fe80::1111:2222:3333:4444");
	assert_int_equal(portal_address_set_zone(address, sizeof(address), "enp0s31f6"),
			 -ENAMETOOLONG);
	assert_true(portal_address_link_local("fe80::1%eth0"));
	assert_false(portal_address_link_local("10.0.0.1"));
	assert_false(portal_address_link_local("::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(portals_are_read_as_targets_and_people_write_them),
		cmocka_unit_test(nonsense_is_no_portal),
		cmocka_unit_test(portals_are_written_with_brackets_where_needed),
		cmocka_unit_test(addresses_are_compared_as_numbers),
		cmocka_unit_test(portals_differ_by_port_and_not_by_tag),
		cmocka_unit_test(link_local_addresses_are_of_an_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
