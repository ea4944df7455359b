/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/node_key.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "util/error.h"

static struct record *record;

static int make_record(void **state)
{
	return record_new(RECORD_NODE, &record);
}

static int drop_record(void **state)
{
	record_free(record);
	return 0;
}

static void set(const char *key, const char *value)
{
	assert_int_equal(record_set(record, key, value, RECORD_INTERNAL, NULL), 0);
}

static struct login_job_settings login_settings(void)
{
	static const struct node_key key = {"iqn.2026-11.org.example:t", "10.0.0.7", 3261, 1,
					    "default"};
	struct login_job_settings settings;

	node_login_settings(&key, record, NULL, "iqn.2026-11.org.example:i", "host", &settings);
	return settings;
}

static void a_login_goes_where_the_key_says_and_says_who_we_are(void **state)
{
	struct login_job_settings settings = login_settings();

	assert_string_equal(settings.address, "10.0.0.7");
	assert_int_equal(settings.port, 3261);
	assert_string_equal(settings.login.target_name, "iqn.2026-11.org.example:t");
	assert_string_equal(settings.login.initiator_name, "iqn.2026-11.org.example:i");
	assert_string_equal(settings.login.initiator_alias, "host");
	assert_false(settings.login.discovery);
	assert_int_equal(settings.login.tsih, 0);
}

static void recovery_is_offered_when_the_record_asks_and_as_far_as_it_goes(void **state)
{
	static const struct {
		const char *level, *connections;
		unsigned offered;
		const char *says, *says_too;
	} rows[] = {
		{"0", "1", 0, NULL, NULL},
		{"1", "1", 1, NULL, NULL},
		{"2", "1", 1, "ERL = 2 is offered as 1", "a new session"},
		{"0", "4", 0, "MaxConnections is offered as 1", "nr_sessions"},
		{"2", "2", 1, "ERL = 2 and MaxConnections", "nr_sessions"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct login_job_settings settings;
		const char *limit;

		set("node.session.iscsi.ERL", rows[i].level);
		set("node.session.iscsi.MaxConnections", rows[i].connections);
		settings = login_settings();
		assert_int_equal(settings.login.error_recovery_level, rows[i].offered);
		assert_int_equal(settings.login.max_connections, 1);
		limit = node_login_limit(record);
		assert_int_equal(!!limit, !!rows[i].says);
		if (!limit)
			continue;
		assert_non_null(strstr(limit, rows[i].says));
		assert_non_null(strstr(limit, rows[i].says_too));
	}
}

static void a_binding_is_what_the_interface_says_and_default_is_none(void **state)
{
	static const struct node_key key = {"iqn.a", "192.0.2.1", 3260, 1, "left"};
	struct login_job_settings settings;
	struct record *iface = NULL;

	assert_int_equal(record_new(RECORD_IFACE, &iface), 0);
	for (int i = 0; i < 2; i++) {
		/* "default" stands in records that open-iscsi wrote long ago */
		record_set(iface, "iface.net_ifacename", i ? "eth7" : "default", RECORD_INTERNAL,
			   NULL);
		record_set(iface, "iface.hwaddress", i ? "52:54:00:12:34:56" : "default",
			   RECORD_INTERNAL, NULL);
		record_set(iface, "iface.ipaddress", i ? "192.0.2.9" : "default", RECORD_INTERNAL,
			   NULL);
		record_set(iface, "iface.initiatorname", i ? "iqn.left" : "", RECORD_INTERNAL,
			   NULL);
		node_login_settings(&key, record, iface, "iqn.host", "", &settings);
		assert_string_equal(settings.interface, i ? "eth7" : "");
		assert_string_equal(settings.hardware_address, i ? "52:54:00:12:34:56" : "");
		assert_string_equal(settings.source_address, i ? "192.0.2.9" : "");
		assert_string_equal(settings.login.initiator_name, i ? "iqn.left" : "iqn.host");
	}
	node_login_settings(&key, record, NULL, "iqn.host", "", &settings);
	assert_string_equal(settings.interface, "");
	assert_string_equal(iface_binding(NULL, "iface.ipaddress"), "");
	record_free(iface);
}

static void chap_is_used_whenever_there_is_a_secret(void **state)
{
	struct login_job_settings settings = login_settings();

	assert_false(settings.login.authenticate);
	set("node.session.auth.username", "user");
	set("node.session.auth.password", "secret-of-12-bytes");
	set("node.session.auth.password_in", "other-secret-here");
	set("node.session.auth.chap_algs", "SHA256,MD5");
	settings = login_settings();
	assert_true(settings.login.authenticate);
	assert_string_equal(settings.login.initiator.name, "user");
	assert_int_equal(settings.login.initiator.secret_length, 18);
	assert_memory_equal(settings.login.initiator.secret, "secret-of-12-bytes", 18);
	assert_int_equal(settings.login.target.secret_length, 17);
	assert_int_equal(settings.login.chap_algorithms[0], CHAP_SHA256);
	assert_int_equal(settings.login.chap_algorithms[1], CHAP_MD5);
	assert_int_equal(settings.login.chap_algorithms[2], 0);
}

static void the_record_says_whether_a_short_secret_will_do_or_else_the_daemon(void **state)
{
	static const struct {
		const char *in_record;
		bool in_config, allowed;
	} rows[] = {
		{"", false, false},  {"", true, true},	   {"No", false, false},
		{"No", true, false}, {"Yes", false, true}, {"Yes", true, true},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct config config = {.allow_short_secrets = rows[i].in_config};
		struct login_settings login = {};

		set("hawser.auth.allow_short_secrets", rows[i].in_record);
		login_security(record, &config, false, &login);
		assert_int_equal(login.allow_short_secret, rows[i].allowed);
		assert_false(login.forbid_md5);
		login_security(record, &config, true, &login);
		assert_true(login.forbid_md5);
	}
}

/* RFC 7143 §6.3.1 */
static void the_portal_group_of_the_record_is_the_one_that_is_meant(void **state)
{
	static const struct {
		const char *found_by;
		int32_t tag;
		bool checked;
	} rows[] = {
		{"send_targets", 1, true}, {"send_targets", 0, true}, {"static", 65535, true},
		{"static", -1, false},	   {"isns", 2, true},	      {"fw", 1, false},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct node_key key = {"iqn.2026-11.org.example:t", "10.0.0.7", 3261,
					     rows[i].tag, "default"};
		struct login_job_settings settings;

		set("node.discovery_type", rows[i].found_by);
		node_login_settings(&key, record, NULL, "iqn.2026-11.org.example:i", "host",
				    &settings);
		assert_int_equal(settings.login.check_portal_group, rows[i].checked);
		if (rows[i].checked)
			assert_int_equal(settings.login.portal_group_tag, rows[i].tag);
	}
}

static void values_outside_the_standard_are_brought_inside(void **state)
{
	struct login_job_settings settings;

	set("node.session.iscsi.MaxBurstLength", "4096");
	set("node.session.iscsi.FirstBurstLength", "262144");
	set("node.conn[0].iscsi.MaxRecvDataSegmentLength", "16777215");
	set("node.session.iscsi.MaxOutstandingR2T", "64");
	set("node.conn[0].timeo.login_timeout", "0");
	settings = login_settings();
	/* FirstBurstLength may not exceed MaxBurstLength (RFC 7143 §13.14) */
	assert_int_equal(settings.login.max_burst_length, 4096);
	assert_int_equal(settings.login.first_burst_length, 4096);
	assert_int_equal(settings.login.max_recv_data_segment_length, 1048576);
	assert_int_equal(settings.login.max_outstanding_r2t, 8);
	assert_int_equal(settings.timeout_ms, 1000);
}

static void digests_and_flags_are_offered_as_the_record_says(void **state)
{
	static const struct {
		const char *text;
		enum digest_choice choice;
	} digests[] = {
		{"None", DIGEST_NONE},
		{"CRC32C", DIGEST_CRC32C},
		{"CRC32C,None", DIGEST_CRC32C_NONE},
		{"None,CRC32C", DIGEST_NONE_CRC32C},
	};

	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		set("node.conn[0].iscsi.HeaderDigest", digests[i].text);
		set("node.conn[0].iscsi.DataDigest", digests[i].text);
		assert_int_equal(login_settings().login.header_digest, digests[i].choice);
		assert_int_equal(login_settings().login.data_digest, digests[i].choice);
	}
	set("node.session.iscsi.InitialR2T", "Yes");
	set("node.session.iscsi.ImmediateData", "No");
	assert_true(login_settings().login.initial_r2t);
	assert_false(login_settings().login.immediate_data);
}

/* Small targets dislike keys that they do not know (RFC 7143 §13.23, RFC 7144 §7). */
static void what_is_beyond_the_common_keys_must_be_asked_for(void **state)
{
	const struct config config = {};
	struct session_settings session;

	assert_int_equal(login_settings().login.task_reporting, TASK_REPORTING_RFC3720);
	assert_int_equal(login_settings().login.protocol_level, 0);
	node_session_settings(record, &config, &session);
	assert_int_equal(session.ping_bytes, 0);
	set("hawser.task_reporting", "ResponseFence");
	assert_int_equal(login_settings().login.task_reporting, TASK_REPORTING_RESPONSE_FENCE);
	set("hawser.task_reporting", "FastAbort");
	assert_int_equal(login_settings().login.task_reporting, TASK_REPORTING_FAST_ABORT);
	set("hawser.protocol_level", "2");
	assert_int_equal(login_settings().login.protocol_level, 2);
	set("hawser.ping_bytes", "100");
	node_session_settings(record, &config, &session);
	assert_int_equal(session.ping_bytes, 100);
}

static void what_the_record_does_not_say_comes_from_the_daemon(void **state)
{
	const struct config config = {
		.selector = "service-time",
		.no_path_retry_ms = 60000,
		.integrity = INTEGRITY_SHARED,
		.fence_wait_ms = 300,
		.guard_timeout_ms = 70000,
		.fence_lun_reset = FENCE_RESET_ALWAYS,
		.suspect_ms = 250,
		.suspect_timeout_ms = 750,
		.lu_hang_timeout_ms = 5000,
		.hedge_budget = 2,
		.grouping = GROUPING_MULTIBUS,
		.failback_ms = 7000,
		.activation = ACTIVATION_STALLED,
		.access_poll_ms = 45000,
		.transition_ms = 20000,
	};
	struct session_settings session;
	struct map_settings map;

	node_session_settings(record, &config, &session);
	node_map_settings(record, &config, &map);
	assert_int_equal(session.suspect_ms, 250);
	assert_int_equal(session.suspect_timeout_ms, 750);
	assert_int_equal(session.commands_max, 128);
	assert_int_equal(map.no_path_retry_ms, 60000);
	assert_string_equal(map.selector, "service-time");
	assert_int_equal(map.suspect_ms, 250);
	assert_int_equal(map.timeout_ms, 5000);
	assert_int_equal(map.hedge_budget, 2);
	assert_int_equal(map.guard.integrity, INTEGRITY_SHARED);
	assert_int_equal(map.guard.fence_wait_ms, 300);
	assert_int_equal(map.guard.timeout_ms, 70000);
	assert_int_equal(map.fence_reset, FENCE_RESET_ALWAYS);
	assert_int_equal(map.grouping, GROUPING_MULTIBUS);
	assert_int_equal(map.failback_ms, 7000);
	assert_int_equal(map.port_groups.activation, ACTIVATION_STALLED);
	assert_int_equal(map.port_groups.poll_ms, 45000);
	assert_int_equal(map.port_groups.transition_ms, 20000);

	set("hawser.suspect_ms", "100");
	set("hawser.lu_hang_timeout_ms", "0");
	set("hawser.hedge_budget", "5");
	set("hawser.selector", "round-robin");
	set("hawser.no_path_retry", "-1");
	set("hawser.integrity", "legacy");
	set("hawser.fence_wait_ms", "0");
	set("hawser.guard_timeout", "5");
	set("hawser.fence_lun_reset", "never");
	set("hawser.path_grouping_policy", "group_by_tpg");
	set("hawser.failback", "-2");
	set("hawser.alua_activation", "never");
	node_session_settings(record, &config, &session);
	node_map_settings(record, &config, &map);
	assert_int_equal(session.suspect_ms, 100);
	assert_string_equal(map.selector, "round-robin");
	assert_int_equal(map.no_path_retry_ms, -1);
	assert_int_equal(map.suspect_ms, 100);
	assert_int_equal(map.timeout_ms, 0);
	assert_int_equal(map.hedge_budget, 5);
	assert_int_equal(map.guard.integrity, INTEGRITY_LEGACY);
	assert_int_equal(map.guard.fence_wait_ms, 0);
	assert_int_equal(map.guard.timeout_ms, 5000);
	assert_int_equal(map.fence_reset, FENCE_RESET_NEVER);
	assert_int_equal(map.grouping, GROUPING_BY_TPG);
	assert_int_equal(map.failback_ms, FAILBACK_FOLLOWOVER);
	assert_int_equal(map.port_groups.activation, ACTIVATION_NEVER);
	set("hawser.failback", "-1");
	node_map_settings(record, &config, &map);
	assert_int_equal(map.failback_ms, FAILBACK_MANUAL);
	set("hawser.failback", "30");
	node_map_settings(record, &config, &map);
	assert_int_equal(map.failback_ms, 30000);

	set("hawser.guard_timeout", "-1");
	node_map_settings(record, &config, &map);
	assert_int_equal(map.guard.timeout_ms, -1);
}

#define RECORD_TEST(name) cmocka_unit_test_setup_teardown(name, make_record, drop_record)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECORD_TEST(a_login_goes_where_the_key_says_and_says_who_we_are),
		RECORD_TEST(recovery_is_offered_when_the_record_asks_and_as_far_as_it_goes),
		RECORD_TEST(a_binding_is_what_the_interface_says_and_default_is_none),
		RECORD_TEST(chap_is_used_whenever_there_is_a_secret),
		RECORD_TEST(the_record_says_whether_a_short_secret_will_do_or_else_the_daemon),
		RECORD_TEST(the_portal_group_of_the_record_is_the_one_that_is_meant),
		RECORD_TEST(values_outside_the_standard_are_brought_inside),
		RECORD_TEST(digests_and_flags_are_offered_as_the_record_says),
		RECORD_TEST(what_is_beyond_the_common_keys_must_be_asked_for),
		RECORD_TEST(what_the_record_does_not_say_comes_from_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
