/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/discovered_record.h"
#include "daemon/manager.h"
#include "daemon/record.h"
#include "util/cleanup.h"

static const struct node_key key = {
	.target = "iqn.2026-01.org.example:disk",
	.address = "192.0.2.1",
	.port = 3260,
	.tpgt = 2,
	.iface = "default",
};
static const struct discovered_origin origin = {"send_targets", "192.0.2.9", 3261};

static struct record *record_of(enum record_kind kind)
{
	struct record *record = NULL;

	assert_int_equal(record_new(kind, &record), 0);
	return record;
}

static void set(struct record *record, const char *name, const char *value)
{
	assert_int_equal(record_set(record, name, value, RECORD_INTERNAL, NULL), 0);
}

static void assert_value(const struct record *record, const char *name, const char *value)
{
	assert_string_equal(record_get(record, name), value);
}

/* --- what is done: every combination of operations, without a record and with one --- */

static enum discovered_plan expected_plan(unsigned operations, bool exists)
{
	if (operations & (DISCOVERY_NON_PERSISTENT | DISCOVERY_SHOW))
		return DISCOVERED_LEAVE;
	if (operations & DISCOVERY_UPDATE)
		return DISCOVERED_MAKE;
	if (operations & DISCOVERY_NEW)
		return exists ? DISCOVERED_LEAVE : DISCOVERED_MAKE;
	if (operations & DISCOVERY_DELETE)
		return DISCOVERED_LEAVE;
	return exists ? DISCOVERED_REFRESH : DISCOVERED_MAKE;
}

static void only_an_explicit_update_replaces_a_record(void **state)
{
	for (unsigned operations = 0; operations < 32; operations++) {
		assert_int_equal(discovered_plan_of(operations, false),
				 expected_plan(operations, false));
		assert_int_equal(discovered_plan_of(operations, true),
				 expected_plan(operations, true));
	}
}

/* --- a new record --- */

static void a_new_record_has_the_defaults_the_key_and_the_origin(void **state)
{
	struct record *defaults = record_of(RECORD_NODE), *made = NULL;

	set(defaults, "node.startup", "automatic");
	set(defaults, "node.session.timeo.replacement_timeout", "7");
	assert_int_equal(discovered_record_make(defaults, NULL, NULL, &key, &origin, &made, NULL),
			 0);
	assert_value(made, "node.startup", "automatic");
	assert_value(made, "node.session.timeo.replacement_timeout", "7");
	assert_value(made, "node.name", key.target);
	assert_value(made, "node.tpgt", "2");
	assert_value(made, "node.conn[0].address", "192.0.2.1");
	assert_value(made, "node.conn[0].port", "3260");
	assert_value(made, "iface.iscsi_ifacename", "default");
	assert_value(made, "node.discovery_address", "192.0.2.9");
	assert_value(made, "node.discovery_port", "3261");
	assert_value(made, "node.discovery_type", "send_targets");
	record_free(made);
	record_free(defaults);
}

static void what_the_discovery_record_says_of_nodes_comes_first(void **state)
{
	struct record *defaults = record_of(RECORD_NODE), *made = NULL;
	struct record *asked = record_of(RECORD_SENDTARGETS);

	set(defaults, "node.session.auth.chap_algs", "MD5");
	set(asked, "node.session.auth.chap_algs", "SHA256");
	set(asked, "discovery.sendtargets.auth.password", "for discovery only");
	assert_int_equal(discovered_record_make(defaults, asked, NULL, &key, &origin, &made, NULL),
			 0);
	assert_value(made, "node.session.auth.chap_algs", "SHA256");
	assert_value(made, "node.session.auth.password", "");
	record_free(made);
	record_free(asked);
	record_free(defaults);
}

static void a_new_record_carries_its_interface(void **state)
{
	struct record *defaults = record_of(RECORD_NODE), *made = NULL;
	struct record *iface = record_of(RECORD_IFACE);
	struct node_key bound = key;

	set(iface, "iface.iscsi_ifacename", "left");
	set(iface, "iface.net_ifacename", "eth7");
	set(iface, "iface.initiatorname", "iqn.2026-01.org.example:left");
	strcpy(bound.iface, "left");
	assert_int_equal(
		discovered_record_make(defaults, NULL, iface, &bound, &origin, &made, NULL), 0);
	assert_value(made, "iface.iscsi_ifacename", "left");
	assert_value(made, "iface.net_ifacename", "eth7");
	assert_value(made, "iface.initiatorname", "iqn.2026-01.org.example:left");
	record_free(made);
	record_free(iface);
	record_free(defaults);
}

/* --- a record that is there --- */

static struct record *edited_record(const char *type)
{
	struct record *record = record_of(RECORD_NODE);

	set(record, "node.name", key.target);
	set(record, "node.tpgt", "1");
	set(record, "node.startup", "automatic");
	set(record, "node.session.auth.username", "joe");
	set(record, "node.session.auth.password", "a secret of joe's");
	set(record, "node.conn[0].iscsi.HeaderDigest", "CRC32C");
	set(record, "hawser.selector", "round-robin");
	set(record, "node.discovery_type", type);
	set(record, "node.discovery_address", "198.51.100.1");
	set(record, "node.discovery_port", "3260");
	return record;
}

static void assert_edits_are_kept(const struct record *record)
{
	assert_value(record, "node.startup", "automatic");
	assert_value(record, "node.session.auth.username", "joe");
	assert_value(record, "node.session.auth.password", "a secret of joe's");
	assert_value(record, "node.conn[0].iscsi.HeaderDigest", "CRC32C");
	assert_value(record, "hawser.selector", "round-robin");
}

static void a_record_keeps_what_somebody_set_and_learns_the_facts(void **state)
{
	struct record *existing = edited_record("send_targets"), *refreshed = NULL;

	assert_int_equal(discovered_record_refresh(existing, &key, &origin, &refreshed, NULL), 0);
	assert_edits_are_kept(refreshed);
	assert_value(refreshed, "node.tpgt", "2");
	assert_value(refreshed, "node.discovery_address", "192.0.2.9");
	assert_value(refreshed, "node.discovery_port", "3261");
	assert_false(record_equal(existing, refreshed));
	record_free(refreshed);

	/* the same answer once more is nothing new */
	set(existing, "node.tpgt", "2");
	set(existing, "node.discovery_address", "192.0.2.9");
	set(existing, "node.discovery_port", "3261");
	assert_int_equal(discovered_record_refresh(existing, &key, &origin, &refreshed, NULL), 0);
	assert_true(record_equal(existing, refreshed));
	record_free(refreshed);
	record_free(existing);
}

static void a_portal_group_that_is_not_told_stays(void **state)
{
	struct record *existing = edited_record("isns"), *refreshed = NULL;
	struct node_key unknown = key;

	unknown.tpgt = -1;
	assert_int_equal(discovered_record_refresh(existing, &unknown, &origin, &refreshed, NULL),
			 0);
	assert_value(refreshed, "node.tpgt", "1");
	assert_value(refreshed, "node.discovery_type", "send_targets");
	record_free(refreshed);
	record_free(existing);
}

static void what_was_made_by_hand_or_firmware_is_no_discoverys(void **state)
{
	static const char *const types[] = {"static", "fw"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct record *existing = edited_record(types[i]), *refreshed = NULL;

		assert_int_equal(
			discovered_record_refresh(existing, &key, &origin, &refreshed, NULL), 0);
		assert_edits_are_kept(refreshed);
		assert_value(refreshed, "node.tpgt", "2");
		assert_value(refreshed, "node.discovery_type", types[i]);
		assert_value(refreshed, "node.discovery_address", "198.51.100.1");
		record_free(refreshed);
		record_free(existing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_explicit_update_replaces_a_record),
		cmocka_unit_test(a_new_record_has_the_defaults_the_key_and_the_origin),
		cmocka_unit_test(what_the_discovery_record_says_of_nodes_comes_first),
		cmocka_unit_test(a_new_record_carries_its_interface),
		cmocka_unit_test(a_record_keeps_what_somebody_set_and_learns_the_facts),
		cmocka_unit_test(a_portal_group_that_is_not_told_stays),
		cmocka_unit_test(what_was_made_by_hand_or_firmware_is_no_discoverys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
