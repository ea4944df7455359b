/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record.h"
#include "record_rows.h"
#include "util/cleanup.h"
#include "util/error.h"

DEFINE_OWNED(record);

/* As a host has them that open-iscsi 2.1.8 was used on, and a key of a release to come. */
static const char real_record[] = "# BEGIN RECORD 2.1.8\n"
				  "node.name = iqn.2004-10.com.example:array.a\n"
				  "node.tpgt = 1\n"
				  "node.startup = automatic\n"
				  "node.leading_login = No\n"
				  "iface.iscsi_ifacename = default\n"
				  "iface.prefix_len = 0\n"
				  "iface.transport_name = tcp\n"
				  "iface.vlan_id = 0\n"
				  "iface.tos = 0\n"
				  "node.discovery_address = 10.0.0.1\n"
				  "node.discovery_port = 3260\n"
				  "node.discovery_type = send_targets\n"
				  "node.session.initial_cmdsn = 0\n"
				  "node.session.xmit_thread_priority = -20\n"
				  "node.session.auth.authmethod = CHAP\n"
				  "node.session.auth.username = alice=bob\n"
				  "node.session.auth.password = top # secret\n"
				  "node.session.auth.chap_algs = SHA256,MD5\n"
				  "node.session.timeo.replacement_timeout = -1\n"
				  "node.session.conn_reopen_log_freq = 7\n"
				  "node.session.future_key = some value\n"
				  "node.conn[0].address = 10.0.0.1\n"
				  "node.conn[0].port = 3260\n"
				  "node.conn[0].iscsi.HeaderDigest = CRC32C,None\n"
				  "# END RECORD\n";

static struct record *make(enum record_kind kind)
{
	struct record *record = NULL;

	assert_int_equal(record_new(kind, &record), 0);
	assert_int_equal(record_get_kind(record), kind);
	return record;
}

static void set(struct record *record, const char *key, const char *value)
{
	assert_int_equal(record_set(record, key, value, RECORD_INTERNAL, NULL), 0);
}

static int read_text(struct record *record, const char *text, bool strict, struct error *error)
{
	return record_read(record, text, strlen(text), "file", strict, error);
}

static char *written(const struct record *record)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_int_equal(record_write(record, file), 0);
	fclose(file);
	return text;
}

/* --- tables --- */

static void check_rows(const struct record *record, const struct row *rows, size_t count)
{
	const char *key, *value;
	bool secret;

	for (size_t i = 0; i < count; i++) {
		assert_true(record_at(record, i, &key, &value, &secret));
		assert_string_equal(key, rows[i].key);
		assert_string_equal(value, rows[i].value);
		assert_string_equal(record_get(record, key), rows[i].value);
		assert_false(secret);
	}
	assert_false(record_at(record, count, &key, &value, &secret));
}

static void each_kind_shows_its_keys_in_order_with_built_in_defaults(void **state)
{
	owned(record) node = make(RECORD_NODE), *discovery = make(RECORD_SENDTARGETS),
		      *iface = make(RECORD_IFACE), *isns = make(RECORD_ISNS);

	check_rows(isns, isns_rows, ARRAY_SIZE(isns_rows));
	check_rows(node, node_rows, ARRAY_SIZE(node_rows));
	check_rows(discovery, sendtargets_rows, ARRAY_SIZE(sendtargets_rows));
	check_rows(iface, iface_rows, ARRAY_SIZE(iface_rows));
}

static void ipv6_interfaces_show_the_other_block(void **state)
{
	owned(record) by_name = make(RECORD_IFACE), *by_address = make(RECORD_IFACE),
		      *ipv4 = make(RECORD_IFACE);
	const char *key, *value;
	bool secret;

	set(by_name, "iface.iscsi_ifacename", "qla.ipv6.0");
	assert_true(record_at(by_name, 14, &key, &value, &secret));
	assert_string_equal(key, "iface.ipv6_autocfg");
	set(by_address, "iface.ipaddress", "fe80::1");
	for (size_t i = 0; i < ARRAY_SIZE(iface_ipv6_rows); i++) {
		assert_true(record_at(by_address, i, &key, &value, &secret));
		assert_string_equal(key, iface_ipv6_rows[i].key);
	}
	assert_false(record_at(by_address, ARRAY_SIZE(iface_ipv6_rows), &key, &value, &secret));
	set(ipv4, "iface.ipaddress", "10.0.0.1");
	assert_true(record_at(ipv4, 14, &key, &value, &secret));
	assert_string_equal(key, "iface.bootproto");
}

static void secrets_are_masked_once_they_are_set(void **state)
{
	static const char *const secrets[] = {"node.session.auth.password",
					      "node.session.auth.password_in"};
	owned(record) record = make(RECORD_NODE);
	const char *key, *value;
	unsigned masked = 0;
	bool secret;

	for (unsigned i = 0; i < 2; i++)
		set(record, secrets[i], "x");
	for (size_t i = 0; record_at(record, i, &key, &value, &secret); i++) {
		bool is_password = strstr(key, "password") != NULL;

		assert_int_equal(secret, is_password);
		masked += secret;
	}
	assert_int_equal(masked, 2);
}

/* --- what a user may set --- */

static void check_refused(struct record *record, const char *key, const char *value,
			  const char *text)
{
	owned_error struct error error = ERROR_INIT;
	owned_memory char *before = written(record), *after = NULL;

	assert_int_equal(record_set(record, key, value, RECORD_FROM_USER, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	assert_string_equal(error.text, text);
	after = written(record);
	assert_string_equal(before, after);
}

static void lookup_keys_are_refused_to_users_only(void **state)
{
	owned(record) node = make(RECORD_NODE), *discovery = make(RECORD_SENDTARGETS);

	for (size_t i = 0; i < ARRAY_SIZE(lookup_keys); i++) {
		struct record *record = record_get(node, lookup_keys[i]) ? node : discovery;
		char text[200];

		snprintf(
			text, sizeof(text),
			"Cannot modify %s. It is used to look up the record and cannot be changed.",
			lookup_keys[i]);
		check_refused(record, lookup_keys[i], "5", text);
	}
	set(node, "node.name", "iqn.x");
	assert_string_equal(record_get(node, "node.name"), "iqn.x");
}

static void every_other_key_takes_its_own_default_from_a_user(void **state)
{
	owned(record) node = make(RECORD_NODE), *discovery = make(RECORD_SENDTARGETS);
	size_t refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(node_rows); i++)
		refused += record_set(node, node_rows[i].key, node_rows[i].value, RECORD_FROM_USER,
				      NULL) < 0;
	/* 55 keys are the interface's, one of which may change; 7 name the record */
	assert_int_equal(refused, 54 + 7);
	refused = 0;
	for (size_t i = 0; i < ARRAY_SIZE(sendtargets_rows); i++)
		refused += record_set(discovery, sendtargets_rows[i].key, sendtargets_rows[i].value,
				      RECORD_FROM_USER, NULL) < 0;
	assert_int_equal(refused, 3);
}

static void interface_keys_of_a_node_belong_to_iface_mode(void **state)
{
	owned(record) node = make(RECORD_NODE), *iface = make(RECORD_IFACE);

	for (size_t i = 0; i < ARRAY_SIZE(iface_rows); i++) {
		char text[200];

		if (strcmp(iface_rows[i].key, "iface.transport_name") == 0)
			continue;
		snprintf(text, sizeof(text),
			 "Cannot modify %s. Use iface mode to update this value.",
			 iface_rows[i].key);
		check_refused(node, iface_rows[i].key, "5", text);
	}
	assert_int_equal(record_set(node, "iface.transport_name", "iser", RECORD_FROM_USER, NULL),
			 0);
	assert_int_equal(record_set(node, "node.transport_name", "tcp", RECORD_FROM_USER, NULL), 0);
	assert_string_equal(record_get(node, "iface.transport_name"), "tcp");

	assert_int_equal(record_set(iface, "iface.ipaddress", "10.0.0.9", RECORD_FROM_USER, NULL),
			 0);
	check_refused(iface, "iface.iscsi_ifacename", "x",
		      "Cannot modify iface.iscsi_ifacename. It is used to look up the record and "
		      "cannot be changed.");
}

static void unknown_keys_are_refused_to_users(void **state)
{
	owned(record) node = make(RECORD_NODE);

	check_refused(node, "node.sesion.queue_depth", "1",
		      "Cannot modify node.sesion.queue_depth. Invalid param name.");
	check_refused(node, "hawser.unknown", "1",
		      "Cannot modify hawser.unknown. Invalid param name.");
	check_refused(node, "", "1", "Cannot modify . Invalid param name.");
	check_refused(node, "a\nb", "1", "Cannot modify a?b. Invalid param name.");
	check_refused(node, "node.session", "", "Cannot modify node.session. Invalid param name.");
}

static void hidden_password_lengths_are_taken_and_never_shown(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_memory char *text = NULL;

	assert_int_equal(
		record_set(node, "node.session.auth.password_length", "3", RECORD_FROM_USER, NULL),
		0);
	text = written(node);
	assert_null(strstr(text, "length"));
	assert_null(record_get(node, "node.session.auth.password_length"));
}

static void check_bad_value(const char *key, const char *value, const char *shown)
{
	owned(record) node = make(RECORD_NODE);
	char text[600];

	snprintf(text, sizeof(text),
		 "unknown value format '%s' for parameter name '%s'\nUnknown parameter %s.", shown,
		 key, key);
	check_refused(node, key, value, text);
}

static void words_a_key_does_not_know_are_refused(void **state)
{
	check_bad_value("node.startup", "Automatic", "Automatic");
	check_bad_value("node.startup", "", "");
	check_bad_value("node.startup", "auto", "auto");
	check_bad_value("node.leading_login", "yes", "yes");
	check_bad_value("node.session.auth.authmethod", "chap", "chap");
	check_bad_value("node.session.scan", "automatic", "automatic");
	check_bad_value("node.conn[0].iscsi.HeaderDigest", "CRC32C, None", "CRC32C, None");
	check_bad_value("node.session.auth.chap_algs", "MD6", "MD6");
	check_bad_value("node.session.auth.chap_algs", "", "");
	check_bad_value("hawser.selector", "fastest", "fastest");
}

static void a_number_must_be_one_but_may_be_any(void **state)
{
	owned(record) node = make(RECORD_NODE);

	check_bad_value("node.session.queue_depth", "lots", "lots");
	check_bad_value("node.session.queue_depth", "32x", "32x");
	check_bad_value("node.session.queue_depth", "", "");
	check_bad_value("node.session.timeo.replacement_timeout", "1.5", "1.5");
	check_bad_value("node.session.timeo.replacement_timeout", "99999999999", "99999999999");
	assert_int_equal(
		record_set(node, "node.session.queue_depth", "007", RECORD_FROM_USER, NULL), 0);
	assert_string_equal(record_get(node, "node.session.queue_depth"), "7");
	assert_int_equal(
		record_set(node, "node.session.queue_depth", "99999", RECORD_FROM_USER, NULL), 0);
	assert_string_equal(record_get(node, "node.session.queue_depth"), "99999");
}

static void values_that_no_line_could_hold_are_refused(void **state)
{
	char longest[257];

	memset(longest, 'x', sizeof(longest));
	longest[256] = '\0';
	check_bad_value("node.session.auth.username", "a\nnode.name = b", "a?node.name = b");
	check_bad_value("node.session.auth.username", " a", " a");
	check_bad_value("node.session.auth.username", "a ", "a ");
	check_bad_value("node.session.auth.username", "a\t", "a?");
	check_bad_value("node.session.auth.password", "a\rb", "********");
	check_bad_value("node.session.auth.username", longest, longest + 1);
	longest[255] = '\0';
	{
		owned(record) node = make(RECORD_NODE);

		assert_int_equal(record_set(node, "node.session.auth.username", longest,
					    RECORD_FROM_USER, NULL),
				 0);
		assert_string_equal(record_get(node, "node.session.auth.username"), longest);
	}
}

static void algorithm_lists_keep_order_and_drop_what_is_unknown_or_repeated(void **state)
{
	static const struct {
		const char *in, *out;
	} lists[] = {
		{"MD5", "MD5"},
		{"SHA3-256,SHA256,SHA1,MD5", "SHA3-256,SHA256,SHA1,MD5"},
		{"SHA256 MD5", "SHA256,MD5"},
		{"SHA1, SHA1,MD4,,MD5", "SHA1,MD5"},
		{"SHA2,SHA256", "SHA256"},
	};
	owned(record) node = make(RECORD_NODE);

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		assert_int_equal(record_set(node, "node.session.auth.chap_algs", lists[i].in,
					    RECORD_FROM_USER, NULL),
				 0);
		assert_string_equal(record_get(node, "node.session.auth.chap_algs"), lists[i].out);
	}
}

static void empty_value_clears_a_text(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_memory char *text = NULL;

	set(node, "node.session.auth.username", "alice");
	assert_int_equal(record_set(node, "node.session.auth.username", "", RECORD_FROM_USER, NULL),
			 0);
	assert_string_equal(record_get(node, "node.session.auth.username"), "");
	set(node, "node.session.auth.username", "<empty>");
	text = written(node);
	assert_non_null(strstr(text, "node.session.auth.username = <empty>\n"));
}

/* --- hawser.* --- */

static void hawser_keys_are_shown_and_written_only_when_set(void **state)
{
	static const struct row keys[] = {{"hawser.selector", "round-robin"},
					  {"hawser.no_path_retry", "-1"},
					  {"hawser.integrity", "shared"},
					  {"hawser.fence_wait_ms", "100"},
					  {"hawser.guard_timeout", "-1"},
					  {"hawser.fence_lun_reset", "never"},
					  {"hawser.suspect_ms", "100"},
					  {"hawser.suspect_timeout_ms", "400"},
					  {"hawser.path_grouping_policy", "failover"},
					  {"hawser.failback", "-2"},
					  {"hawser.alua_activation", "stalled"}};
	owned(record) node = make(RECORD_NODE);

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *key, *value;
		bool secret;
		char line[100];
		owned_memory char *text = NULL;

		assert_string_equal(record_get(node, keys[i].key), "");
		assert_int_equal(record_get_number(node, keys[i].key), 0);
		assert_int_equal(
			record_set(node, keys[i].key, keys[i].value, RECORD_FROM_USER, NULL), 0);
		assert_true(record_at(node, ARRAY_SIZE(node_rows), &key, &value, &secret));
		assert_string_equal(key, keys[i].key);
		assert_string_equal(value, keys[i].value);
		text = written(node);
		snprintf(line, sizeof(line), "\n%s = %s\n# END RECORD\n", keys[i].key,
			 keys[i].value);
		assert_non_null(strstr(text, line));
		assert_int_equal(record_set(node, keys[i].key, "", RECORD_FROM_USER, NULL), 0);
		assert_false(record_at(node, ARRAY_SIZE(node_rows), &key, &value, &secret));
	}
}

static void unknown_hawser_keys_survive_even_a_strict_reader(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_memory char *text = NULL;

	assert_int_equal(
		read_text(node, "# BEGIN RECORD 9\nhawser.later = x y\n# END RECORD\n", true, NULL),
		0);
	text = written(node);
	assert_non_null(strstr(text, "\nhawser.later = x y\n# END RECORD\n"));
}

/* --- numbers --- */

static void numbers_are_clamped_when_used(void **state)
{
	static const struct {
		const char *key, *value;
		int64_t number;
	} rows[] = {
		{"node.session.queue_depth", "0", 1},
		{"node.session.queue_depth", "9999", 1024},
		{"node.session.cmds_max", "1", 2},
		{"node.session.nr_sessions", "0", 1},
		{"node.session.nr_sessions", "1000000", 64},
		{"node.session.timeo.replacement_timeout", "-1", -1},
		{"node.session.timeo.replacement_timeout", "0", 0},
		{"node.conn[0].timeo.noop_out_interval", "-5", 0},
		{"node.conn[0].timeo.login_timeout", "2147483647", 2147483},
		{"node.conn[0].iscsi.MaxXmitDataSegmentLength", "0", 0},
		{"node.conn[0].iscsi.MaxXmitDataSegmentLength", "1", 512},
		{"node.conn[0].iscsi.MaxRecvDataSegmentLength", "0", 512},
		{"node.session.iscsi.MaxBurstLength", "16777216", 16777215},
		{"node.conn[0].port", "70000", 65535},
		{"node.conn[0].port", "0", 1},
		{"node.tpgt", "-1", -1},
		{"node.session.initial_cmdsn", "4294967295", 4294967295},
	};
	owned(record) node = make(RECORD_NODE);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		set(node, rows[i].key, rows[i].value);
		assert_true(record_get_number(node, rows[i].key) == rows[i].number);
	}
	assert_int_equal(record_get_number(node, "no.such.key"), 0);
	assert_int_equal(record_get_number(node, "node.startup"), 0);
	assert_null(record_get(node, "no.such.key"));
	assert_true(record_get_bool(node, "node.session.iscsi.ImmediateData"));
	assert_false(record_get_bool(node, "node.session.iscsi.InitialR2T"));
	assert_false(record_get_bool(node, "no.such.key"));
}

/* --- files --- */

static void a_real_record_is_read_and_comes_back_whole(void **state)
{
	static const struct row values[] = {
		{"node.name", "iqn.2004-10.com.example:array.a"},
		{"node.tpgt", "1"},
		{"node.startup", "automatic"},
		{"node.session.xmit_thread_priority", "-20"},
		{"node.session.auth.username", "alice=bob"},
		{"node.session.auth.password", "top # secret"},
		{"node.session.auth.chap_algs", "SHA256,MD5"},
		{"node.session.timeo.replacement_timeout", "-1"},
		{"node.session.sess_reopen_log_freq", "7"},
		{"node.conn[0].iscsi.HeaderDigest", "CRC32C,None"},
		{"node.conn[0].iscsi.DataDigest", "None"},
	};
	owned(record) record = make(RECORD_NODE), *again = make(RECORD_NODE);
	owned_memory char *text = NULL, *text_again = NULL;

	assert_int_equal(read_text(record, real_record, false, NULL), 0);
	text = written(record);
	assert_int_equal(read_text(again, text, false, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		assert_string_equal(record_get(record, values[i].key), values[i].value);
		assert_string_equal(record_get(again, values[i].key), values[i].value);
	}
	assert_non_null(strstr(text, "node.session.future_key = some value\n"));
	assert_null(strstr(text, "conn_reopen_log_freq"));
	text_again = written(again);
	assert_string_equal(text, text_again);
}

static void the_file_order_differs_in_the_interface_part(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_memory char *text = NULL;
	const char *at;

	for (size_t i = 0; i < ARRAY_SIZE(node_file_head); i++)
		set(node, node_file_head[i], "1");
	set(node, "iface.ipaddress", "1.1.1.1");
	set(node, "iface.bootproto", "dhcp");
	set(node, "node.name", "iqn.x");
	text = written(node);
	assert_true(strncmp(text,
			    "# BEGIN RECORD 2.1.11\nnode.name = iqn.x\nnode.tpgt = -1\n"
			    "node.startup = manual\nnode.leading_login = No\niface.hwaddress = 1\n",
			    90) == 0);
	at = text;
	for (size_t i = 0; i < ARRAY_SIZE(node_file_head); i++) {
		const char *next = strstr(text, node_file_head[i]);

		assert_true(next > at);
		at = next;
	}
	assert_true(strstr(text, "iface.bootproto = dhcp\niface.tos = 0\n") > at);
	assert_true(strstr(text, "iface.max_burst_len = 0\nnode.discovery_port = 0\n") > at);
	assert_null(strstr(text, "iface.delayed_ack"));
	assert_null(strstr(text, "ipv6"));
	assert_null(strstr(text, "discovery_address"));
}

static void keys_of_the_other_family_are_not_lost(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_memory char *text = NULL;

	set(node, "iface.hop_limit", "9");
	text = written(node);
	assert_non_null(strstr(text, "iface.hop_limit = 9\n"));
	assert_null(strstr(text, "iface.flow_label"));
}

static void comments_blank_lines_and_any_order_are_fine(void **state)
{
	owned(record) node = make(RECORD_NODE);

	assert_int_equal(read_text(node,
				   "\n# a comment\n# BEGIN RECORD\n\n  node.tpgt=5\r\n# x\n"
				   "\tnode.name\t=\tiqn.y \n# END RECORD\n\n# the end\n",
				   true, NULL),
			 0);
	assert_string_equal(record_get(node, "node.name"), "iqn.y");
	assert_string_equal(record_get(node, "node.tpgt"), "5");
}

static void strict_readers_refuse_unknown_keys(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_error struct error error = ERROR_INIT;

	assert_int_equal(read_text(node, real_record, true, &error), -1);
	assert_string_equal(error.text, "file: line 22: unknown key node.session.future_key");
	assert_string_equal(record_get(node, "node.name"), "");
}

static void files_are_read_leniently_where_iscsiadm_does(void **state)
{
	owned(record) node = make(RECORD_NODE);

	assert_int_equal(read_text(node,
				   "# BEGIN RECORD 2\nnode.session.queue_depth = many\n"
				   "node.session.cmds_max = 64k\nnode.startup = sometimes\n"
				   "node.session.auth.password_length = 12\n# END RECORD\n",
				   true, NULL),
			 0);
	assert_string_equal(record_get(node, "node.session.queue_depth"), "0");
	assert_string_equal(record_get(node, "node.session.cmds_max"), "64");
	assert_string_equal(record_get(node, "node.startup"), "manual");
}

static void damage_is_told_with_its_line_and_nothing_is_taken(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "file: there is no \"# BEGIN RECORD\""},
		{"# END RECORD\n", "file: line 1: a record ends that did not begin"},
		{"node.name = x\n", "file: line 1: a key outside of the record"},
		{"# BEGIN RECORD\nnode.name = x\n", "file: cut off: there is no \"# END RECORD\""},
		{"# BEGIN RECORD\nnode.name = x\n# END RECORD\nnode.tpgt = 1\n",
		 "file: line 4: a key outside of the record"},
		{"# BEGIN RECORD\n# BEGIN RECORD\n", "file: line 2: a second record begins"},
		{"# BEGIN RECORD\n# END RECORD\n# BEGIN RECORD\n# END RECORD\n",
		 "file: line 3: a second record begins"},
		{"# BEGIN RECORD\nnode.name\n# END RECORD\n", "file: line 2: no \"=\""},
		{"# BEGIN RECORD\n = x\n# END RECORD\n", "file: line 2: no key in front of \"=\""},
		{"# BEGIN RECORD\n\xff = x\n# END RECORD\n",
		 "file: line 2: no key in front of \"=\""},
		{"# BEGIN RECORD\nnode.name = a\x01z\n# END RECORD\n",
		 "file: line 2: a value too long or with control characters"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		owned(record) node = make(RECORD_NODE);
		owned_error struct error error = ERROR_INIT;

		assert_int_equal(read_text(node, rows[i].text, false, &error), -1);
		assert_string_equal(error.text, rows[i].error);
		check_rows(node, node_rows, ARRAY_SIZE(node_rows));
	}
}

static void a_file_cut_at_any_byte_is_damaged(void **state)
{
	size_t whole = sizeof(real_record) - 1;

	for (size_t length = 0; length < whole; length++) {
		owned(record) node = make(RECORD_NODE);
		owned_error struct error error = ERROR_INIT;
		int r = record_read(node, real_record, length, "file", false, &error);

		/* only the last newline can be missed without losing anything */
		assert_int_equal(r, length == whole - 1 ? 0 : -1);
		assert_int_equal(error_is_set(&error), r < 0);
		if (r < 0)
			check_rows(node, node_rows, ARRAY_SIZE(node_rows));
	}
}

static void a_file_filled_with_zeros_is_damaged(void **state)
{
	owned(record) node = make(RECORD_NODE);
	char text[sizeof(real_record)];

	/* as some file systems leave one after a power failure */
	memset(text, 0, sizeof(text));
	assert_int_equal(record_read(node, text, sizeof(text), "file", false, NULL), -1);
	memcpy(text, real_record, 300);
	assert_int_equal(record_read(node, text, sizeof(text), "file", false, NULL), -1);
}

static void long_lines_and_too_many_unknown_keys_are_damage(void **state)
{
	owned(record) node = make(RECORD_NODE);
	owned_error struct error error = ERROR_INIT;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	fprintf(file, "# BEGIN RECORD\nnode.name = %0300d\n# END RECORD\n", 1);
	fclose(file);
	assert_int_equal(read_text(node, text, false, &error), -1);
	assert_string_equal(error.text,
			    "file: line 2: a value too long or with control characters");
	error_clear(&error);
	free(text);

	file = open_memstream(&text, &length);
	fprintf(file, "# BEGIN RECORD\n# %03000d\n# END RECORD\n", 1);
	fclose(file);
	assert_int_equal(read_text(node, text, false, &error), -1);
	assert_string_equal(error.text, "file: line 2: too long, or with a NUL byte");
	error_clear(&error);
	free(text);

	file = open_memstream(&text, &length);
	fprintf(file, "# BEGIN RECORD\n");
	for (unsigned i = 0; i < 300; i++)
		fprintf(file, "x.%u = 1\n", i);
	fprintf(file, "# END RECORD\n");
	fclose(file);
	assert_int_equal(read_text(node, text, false, &error), -1);
	assert_string_equal(error.text, "file: line 258: too many unknown keys");
	free(text);
}

static void ten_thousand_mutations_break_nothing(void **state)
{
	uint32_t seed = 20261122;
	unsigned good = 0;

	for (unsigned round = 0; round < 10000; round++) {
		owned(record) node = make(RECORD_NODE), *again = make(RECORD_NODE);
		owned_memory char *text = strdup(real_record), *first = NULL, *second = NULL;
		size_t length = sizeof(real_record) - 1;

		for (unsigned i = 0; i <= round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % length] = (char)(seed >> 24);
		}
		if (record_read(node, text, length, "file", round % 2, NULL) < 0)
			continue;
		/* what was taken can be written, and read again as the same */
		good++;
		first = written(node);
		assert_int_equal(read_text(again, first, false, NULL), 0);
		second = written(again);
		assert_string_equal(first, second);
	}
	assert_true(good > 1000);
}

static void a_copy_is_independent(void **state)
{
	owned(record) record = make(RECORD_NODE), *copy = NULL;
	owned_memory char *text = NULL, *copied = NULL;

	assert_int_equal(read_text(record, real_record, false, NULL), 0);
	assert_int_equal(record_copy(record, &copy), 0);
	text = written(record);
	copied = written(copy);
	assert_string_equal(text, copied);
	set(copy, "node.name", "iqn.other");
	assert_string_equal(record_get(record, "node.name"), "iqn.2004-10.com.example:array.a");
}

static void writing_to_a_full_disk_is_told(void **state)
{
	owned(record) record = make(RECORD_NODE);
	FILE *file = fopen("/dev/full", "w");

	if (!file)
		skip();
	setvbuf(file, NULL, _IONBF, 0);
	assert_int_equal(record_write(record, file), -EIO);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_shows_its_keys_in_order_with_built_in_defaults),
		cmocka_unit_test(ipv6_interfaces_show_the_other_block),
		cmocka_unit_test(secrets_are_masked_once_they_are_set),
		cmocka_unit_test(lookup_keys_are_refused_to_users_only),
		cmocka_unit_test(every_other_key_takes_its_own_default_from_a_user),
		cmocka_unit_test(interface_keys_of_a_node_belong_to_iface_mode),
		cmocka_unit_test(unknown_keys_are_refused_to_users),
		cmocka_unit_test(hidden_password_lengths_are_taken_and_never_shown),
		cmocka_unit_test(words_a_key_does_not_know_are_refused),
		cmocka_unit_test(a_number_must_be_one_but_may_be_any),
		cmocka_unit_test(values_that_no_line_could_hold_are_refused),
		cmocka_unit_test(algorithm_lists_keep_order_and_drop_what_is_unknown_or_repeated),
		cmocka_unit_test(empty_value_clears_a_text),
		cmocka_unit_test(hawser_keys_are_shown_and_written_only_when_set),
		cmocka_unit_test(unknown_hawser_keys_survive_even_a_strict_reader),
		cmocka_unit_test(numbers_are_clamped_when_used),
		cmocka_unit_test(a_real_record_is_read_and_comes_back_whole),
		cmocka_unit_test(the_file_order_differs_in_the_interface_part),
		cmocka_unit_test(keys_of_the_other_family_are_not_lost),
		cmocka_unit_test(comments_blank_lines_and_any_order_are_fine),
		cmocka_unit_test(strict_readers_refuse_unknown_keys),
		cmocka_unit_test(files_are_read_leniently_where_iscsiadm_does),
		cmocka_unit_test(damage_is_told_with_its_line_and_nothing_is_taken),
		cmocka_unit_test(a_file_cut_at_any_byte_is_damaged),
		cmocka_unit_test(a_file_filled_with_zeros_is_damaged),
		cmocka_unit_test(long_lines_and_too_many_unknown_keys_are_damage),
		cmocka_unit_test(ten_thousand_mutations_break_nothing),
		cmocka_unit_test(a_copy_is_independent),
		cmocka_unit_test(writing_to_a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
