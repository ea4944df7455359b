/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/layout.h"
#include "cli/options.h"
#include "tests/unit/cli/examples.h"
#include "tests/unit/cli/printed.h"
#include "util/cleanup.h"

#define A EXAMPLE_TARGET
#define B "iqn.2004-10.com.example:b"

/* Compares all that was printed, and closes the stream. */
static void assert_printed(struct printed *printed, const char *expected)
{
	assert_string_equal(printed_text(printed), expected);
	printed_free(printed);
}

static struct found found(const char *target, const char *address, const char *iface)
{
	return (struct found){"/", target, address, iface, 3260, 1};
}

/* --- discovery --- */

static void found_portals_are_one_line_each(void **state)
{
	struct printed *out = printed_new();
	struct found rows[] = {
		found(A, "10.0.0.1", "default"),
		found(A, "fe80::1", "default"),
		found(B, "san1", "default"),
	};

	rows[2].tpgt = -1;
	layout_found_flat(out->file, rows, 3);
	assert_printed(out, "10.0.0.1:3260,1 " A "\n"
			    "[fe80::1]:3260,1 " A "\n"
			    "[san1]:3260,-1 " B "\n");
}

static void the_tree_of_found_portals_repeats_nothing(void **state)
{
	struct printed *out = printed_new();
	const struct found rows[] = {
		found(A, "10.0.0.1", "default"),
		found(A, "10.0.0.1", "eth1"),
		found(A, "10.0.0.2", "default"),
		found(B, "10.0.0.2", "default"),
	};

	layout_found_tree(out->file, rows, 4);
	assert_printed(out, "Target: " A "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n"
			    "\t\tIface Name: eth1\n"
			    "\tPortal: 10.0.0.2:3260,1\n"
			    "\t\tIface Name: default\n"
			    "Target: " B "\n"
			    "\tPortal: 10.0.0.2:3260,1\n"
			    "\t\tIface Name: default\n");
}

static void discovery_addresses_are_listed_once(void **state)
{
	struct printed *out = printed_new();
	const struct origin rows[] = {
		{found(A, "10.0.0.1", "default"), "send_targets", "10.0.0.1", 3260},
		{found(B, "10.0.0.1", "default"), "send_targets", "10.0.0.1", 3260},
		{found(B, "10.0.0.2", "default"), "send_targets", "fe80::1", 3261},
		{found(B, "10.0.0.3", "default"), "static", "", 0},
	};

	assert_int_equal(layout_origins_flat(out->file, rows, 4), 2);
	assert_printed(out, "10.0.0.1:3260 via sendtargets\n"
			    "fe80::1:3261 via sendtargets\n");
}

static void all_four_sections_stand_in_the_tree_of_discovery(void **state)
{
	struct printed *out = printed_new();
	const struct origin rows[] = {
		{found(A, "10.0.0.1", "default"), "send_targets", "10.0.0.1", 3260},
		{found(A, "10.0.0.2", "default"), "send_targets", "10.0.0.1", 3260},
		{found(B, "10.0.0.3", "default"), "static", "", 0},
	};

	layout_origins_tree(out->file, rows, 3);
	assert_printed(out, "SENDTARGETS:\n"
			    "DiscoveryAddress: 10.0.0.1,3260\n"
			    "Target: " A "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n"
			    "\tPortal: 10.0.0.2:3260,1\n"
			    "\t\tIface Name: default\n"
			    "iSNS:\n"
			    "No targets found.\n"
			    "STATIC:\n"
			    "Target: " B "\n"
			    "\tPortal: 10.0.0.3:3260,1\n"
			    "\t\tIface Name: default\n"
			    "FIRMWARE:\n"
			    "No targets found.\n");
}

static void a_discovery_address_without_nodes_is_listed_too(void **state)
{
	struct printed *out = printed_new();
	const struct origin rows[] = {
		{{}, "send_targets", "10.0.0.9", 3260},
		{{}, "isns", "10.0.0.8", 3205},
		{{}, "send_targets", "10.0.0.1", 3260},
		{found(A, "10.0.0.1", "default"), "send_targets", "10.0.0.1", 3260},
	};

	assert_int_equal(layout_origins_flat(out->file, rows, 4), 3);
	layout_origins_tree(out->file, rows, 4);
	assert_printed(out, "10.0.0.9:3260 via sendtargets\n"
			    "10.0.0.1:3260 via sendtargets\n"
			    "10.0.0.8:3205 via isns\n"
			    "SENDTARGETS:\n"
			    "DiscoveryAddress: 10.0.0.9,3260\n"
			    "DiscoveryAddress: 10.0.0.1,3260\n"
			    "Target: " A "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n"
			    "iSNS:\n"
			    "DiscoveryAddress: 10.0.0.8,3205\n"
			    "STATIC:\n"
			    "No targets found.\n"
			    "FIRMWARE:\n"
			    "No targets found.\n");
}

/* --- nodes --- */

static void an_unknown_tpgt_is_4294967295_in_the_flat_list_only(void **state)
{
	struct printed *out = printed_new();
	const struct node_info nodes[] = {
		example_node(A, "10.0.0.1", 1),
		example_node(A, "fe80::1", -1),
	};

	layout_nodes_flat(out->file, nodes, 2);
	layout_nodes_tree(out->file, nodes, 2);
	assert_printed(out, "10.0.0.1:3260,1 " A "\n"
			    "[fe80::1]:3260,4294967295 " A "\n"
			    "Target: " A "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n"
			    "\tPortal: [fe80::1]:3260,-1\n"
			    "\t\tIface Name: default\n");
}

static void the_node_tree_repeats_the_portal_of_every_record(void **state)
{
	struct printed *out = printed_new();
	struct node_info nodes[] = {
		example_node(A, "10.0.0.1", 1),
		example_node(A, "10.0.0.1", 1),
		example_node(B, "10.0.0.1", 1),
	};

	nodes[1].iface = "eth1";
	layout_nodes_tree(out->file, nodes, 3);
	assert_printed(out, "Target: " A "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: eth1\n"
			    "Target: " B "\n"
			    "\tPortal: 10.0.0.1:3260,1\n"
			    "\t\tIface Name: default\n");
}

static void a_record_shows_empty_values_as_empty(void **state)
{
	struct printed *out = printed_new();
	const struct setting settings[] = {{"node.name", A}, {"iface.hwaddress", ""}};

	layout_record(out->file, settings, 2);
	assert_printed(out, "# BEGIN RECORD " ISCSIADM_VERSION "\n"
			    "node.name = " A "\n"
			    "iface.hwaddress = <empty>\n"
			    "# END RECORD\n");
}

static void a_new_node_is_told_in_one_line(void **state)
{
	struct printed *out = printed_new();
	struct found node = {"/", "iqn.x", "10.0.0.1", "default", 3260, -1};
	const struct binding plain = {"tcp", "", "", "", "default"};
	const struct binding bound = {"tcp", "00:11", "10.0.0.9", "eth1", "fast"};

	layout_node_added(out->file, &plain, &node);
	node.address = "fe80::1";
	layout_node_added(out->file, &bound, &node);
	assert_printed(out, "New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] "
			    "10.0.0.1,3260,-1 iqn.x] added\n"
			    "New iSCSI node [tcp:[hw=00:11,ip=10.0.0.9,net_if=eth1,iscsi_if=fast] "
			    "fe80::1,3260,-1 iqn.x] added\n");
}

/* --- sessions --- */

static void a_session_is_one_line_that_scripts_can_split(void **state)
{
	struct printed *out = printed_new();
	struct session_info sessions[] = {
		example_session(1, A, "10.0.0.1"),
		example_session(10, A, "fe80::1"),
	};

	sessions[0].address = "10.9.9.9"; /* redirected: the list shows the persistent portal */
	layout_sessions_flat(out->file, sessions, 2);
	assert_printed(out, "tcp: [1] 10.0.0.1:3260,1 " A " (non-flash)\n"
			    "tcp: [10] [fe80::1]:3260,1 " A " (non-flash)\n");
}

static const char level_1[] = "Target: " A " (non-flash)\n"
			      "\tCurrent Portal: 10.0.0.1:3260,1\n"
			      "\tPersistent Portal: 10.0.0.1:3260,1\n"
			      "\t\t**********\n"
			      "\t\tInterface:\n"
			      "\t\t**********\n"
			      "\t\tIface Name: default\n"
			      "\t\tIface Transport: tcp\n"
			      "\t\tIface Initiatorname: iqn.2004-10.com.example:host\n"
			      "\t\tIface IPaddress: 10.0.0.9\n"
			      "\t\tIface HWaddress: default\n"
			      "\t\tIface Netdev: default\n"
			      "\t\tSID: 1\n"
			      "\t\tiSCSI Connection State: LOGGED IN\n"
			      "\t\tiSCSI Session State: LOGGED_IN\n"
			      "\t\tInternal iscsid Session State: NO CHANGE\n";

static const char level_2[] = "\t\t*********\n"
			      "\t\tTimeouts:\n"
			      "\t\t*********\n"
			      "\t\tRecovery Timeout: 120\n"
			      "\t\tTarget Reset Timeout: 30\n"
			      "\t\tLUN Reset Timeout: 30\n"
			      "\t\tAbort Timeout: 15\n"
			      "\t\t*****\n"
			      "\t\tCHAP:\n"
			      "\t\t*****\n"
			      "\t\tusername: <empty>\n"
			      "\t\tpassword: ********\n"
			      "\t\tusername_in: <empty>\n"
			      "\t\tpassword_in: ********\n"
			      "\t\t************************\n"
			      "\t\tNegotiated iSCSI params:\n"
			      "\t\t************************\n"
			      "\t\tHeaderDigest: None\n"
			      "\t\tDataDigest: CRC32C\n"
			      "\t\tMaxRecvDataSegmentLength: 262144\n"
			      "\t\tMaxXmitDataSegmentLength: 65536\n"
			      "\t\tFirstBurstLength: 262144\n"
			      "\t\tMaxBurstLength: 16776192\n"
			      "\t\tImmediateData: Yes\n"
			      "\t\tInitialR2T: No\n"
			      "\t\tMaxOutstandingR2T: 1\n";

static const char level_3[] = "\t\t************************\n"
			      "\t\tAttached SCSI devices:\n"
			      "\t\t************************\n"
			      "\t\tHost Number: 1\tState: running\n"
			      "\t\tscsi1 Channel 00 Id 0 Lun: 0\n"
			      "\t\tscsi1 Channel 00 Id 0 Lun: 1\n"
			      "\t\t\tAttached scsi disk loop0\t\tState: running\n";

static void every_level_of_the_session_tree_adds_its_blocks(void **state)
{
	static const char *const blocks[] = {level_1, level_2, level_3};
	struct unit_info units[] = {
		{0, "", "IET", "Controller", "", "/", false},
		{1, "3600", "IET", "VIRTUAL-DISK", "/dev/loop0", "/org/hawser1/map/m1", true},
	};
	struct session_info session = example_session(1, A, "10.0.0.1");
	char expected[4096] = "";

	session.units = units;
	session.unit_count = 2;
	for (int level = 1; level <= 3; level++) {
		struct printed *out = printed_new();

		strcat(expected, blocks[level - 1]);
		layout_sessions_tree(out->file, &session, 1, level, false);
		assert_printed(out, expected);
	}
}

/* How many lines of the tree are exactly @line? */
static unsigned lines_of(const struct session_info *sessions, size_t count, int level,
			 bool show_secrets, const char *line)
{
	struct printed *out = printed_new();
	unsigned lines = 0;
	char *text, *rest, *one;

	layout_sessions_tree(out->file, sessions, count, level, show_secrets);
	text = rest = strdup(printed_text(out));
	while ((one = strsep(&rest, "\n")))
		lines += strcmp(one, line) == 0;
	free(text);
	printed_free(out);
	return lines;
}

static void every_state_has_its_three_words(void **state)
{
	/* clang-format off */
	static const struct {
		const char *state, *connection, *session, *daemon;
	} rows[] = {
		{"idle",         "FREE",           "FREE",      "NO CHANGE"},
		{"connecting",   "TRANSPORT WAIT", "FAILED",    "REOPEN"},
		{"login",        "IN LOGIN",       "FAILED",    "REOPEN"},
		{"logged-in",    "LOGGED IN",      "LOGGED_IN", "NO CHANGE"},
		{"reconnecting", "TRANSPORT WAIT", "FAILED",    "REOPEN"},
		{"logging-out",  "IN LOGOUT",      "LOGGED_IN", "CLEANUP"},
		{"of-the-future", "Unknown",       "Unknown",   "Unknown"},
	};
	/* clang-format on */
	char line[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session_info session = example_session(1, A, "10.0.0.1");

		session.state = rows[i].state;
		snprintf(line, sizeof(line), "\t\tiSCSI Connection State: %s", rows[i].connection);
		assert_int_equal(lines_of(&session, 1, 1, false, line), 1);
		snprintf(line, sizeof(line), "\t\tiSCSI Session State: %s", rows[i].session);
		assert_int_equal(lines_of(&session, 1, 1, false, line), 1);
		snprintf(line, sizeof(line), "\t\tInternal iscsid Session State: %s",
			 rows[i].daemon);
		assert_int_equal(lines_of(&session, 1, 1, false, line), 1);
	}
}

static void sessions_of_one_portal_share_its_lines(void **state)
{
	const struct session_info sessions[] = {
		example_session(1, A, "10.0.0.1"),
		example_session(10, A, "10.0.0.1"), /* same target and portal: one empty line */
		example_session(2, A, "10.0.0.2"),
		example_session(3, B, "10.0.0.2"),
		example_session(4, A, "10.0.0.2"), /* a target may come again */
	};

	assert_int_equal(lines_of(sessions, 5, 1, false, "Target: " A " (non-flash)"), 2);
	assert_int_equal(lines_of(sessions, 5, 1, false, "Target: " B " (non-flash)"), 1);
	assert_int_equal(lines_of(sessions, 5, 1, false, "\tCurrent Portal: 10.0.0.1:3260,1"), 1);
	assert_int_equal(lines_of(sessions, 5, 1, false, "\tCurrent Portal: 10.0.0.2:3260,1"), 3);
	/* one, and what strsep() sees behind the last newline */
	assert_int_equal(lines_of(sessions, 5, 1, false, ""), 2);
}

static void what_the_daemon_does_not_name_is_left_out(void **state)
{
	struct session_info session = example_session(1, A, "10.0.0.1");

	session.negotiated.immediate_data = -1;
	session.negotiated.max_burst = -1;
	session.negotiated.header_digest = "";
	session.lun_reset_timeout = -1;
	session.local_address = "";
	session.iface = "";
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tImmediateData: No"), 0);
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tMaxBurstLength: -1"), 0);
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tHeaderDigest: "), 0);
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tLUN Reset Timeout: <empty>"), 1);
	assert_int_equal(lines_of(&session, 1, 1, false, "\t\tIface IPaddress: <empty>"), 1);
	assert_int_equal(lines_of(&session, 1, 1, false, "\t\tIface Name: <empty>"), 1);
}

static void an_ipv6_source_address_stands_in_brackets(void **state)
{
	struct session_info session = example_session(1, A, "fe80::1");

	session.local_address = "fe80::9";
	session.hwaddress = "00:11:22:33:44:55";
	session.net_ifacename = "eth1";
	assert_int_equal(lines_of(&session, 1, 1, false, "\t\tIface IPaddress: [fe80::9]"), 1);
	assert_int_equal(lines_of(&session, 1, 1, false, "\tCurrent Portal: [fe80::1]:3260,1"), 1);
	assert_int_equal(lines_of(&session, 1, 1, false, "\t\tIface HWaddress: 00:11:22:33:44:55"),
			 1);
	assert_int_equal(lines_of(&session, 1, 1, false, "\t\tIface Netdev: eth1"), 1);
}

static void secrets_are_masked_unless_they_are_asked_for(void **state)
{
	struct session_info session = example_session(1, A, "10.0.0.1");
	char secret[] = "joes-own-secret";

	session.username = "joe";
	session.password = secret;
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tusername: joe"), 1);
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tpassword: ********"), 1);
	assert_int_equal(lines_of(&session, 1, 2, false, "\t\tpassword_in: ********"), 1);
	assert_int_equal(lines_of(&session, 1, 2, true, "\t\tpassword: joes-own-secret"), 1);
	/* open-iscsi's label for the second one, too */
	assert_int_equal(lines_of(&session, 1, 2, true, "\t\tpassword: <empty>"), 1);
	assert_int_equal(lines_of(&session, 1, 2, true, "\t\tpassword_in: <empty>"), 0);
}

static void a_lost_session_has_blocked_disks(void **state)
{
	struct unit_info unit = {1, "3600", "IET", "DISK", "/dev/ublkb0", "/m", true};
	struct session_info session = example_session(7, A, "10.0.0.1");

	session.state = "reconnecting";
	session.units = &unit;
	session.unit_count = 1;
	assert_int_equal(lines_of(&session, 1, 3, false,
				  "\t\t\tAttached scsi disk ublkb0\t\tState: blocked"),
			 1);
	assert_int_equal(lines_of(&session, 1, 3, false, "\t\tscsi7 Channel 00 Id 0 Lun: 1"), 1);
}

/* --- statistics --- */

static void statistics_have_a_fixed_order_and_ours_come_behind(void **state)
{
	struct printed *out = printed_new();
	const struct session_info session = example_session(1, A, "fe80::1");
	const struct counter counters[] = {
		{"sends", 3}, {"timeout_err", 2}, {"txdata_octets", 18446744073709551615ULL}};

	layout_statistics(out->file, &session, counters, 3);
	assert_printed(out, "Stats for session [sid: 1, target: " A ", portal: fe80::1,3260]\n"
			    "iSCSI SNMP:\n"
			    "\ttxdata_octets: 18446744073709551615\n"
			    "\trxdata_octets: 0\n"
			    "\tnoptx_pdus: 0\n"
			    "\tscsicmd_pdus: 0\n"
			    "\ttmfcmd_pdus: 0\n"
			    "\tlogin_pdus: 0\n"
			    "\ttext_pdus: 0\n"
			    "\tdataout_pdus: 0\n"
			    "\tlogout_pdus: 0\n"
			    "\tsnack_pdus: 0\n"
			    "\tnoprx_pdus: 0\n"
			    "\tscsirsp_pdus: 0\n"
			    "\ttmfrsp_pdus: 0\n"
			    "\ttextrsp_pdus: 0\n"
			    "\tdatain_pdus: 0\n"
			    "\tlogoutrsp_pdus: 0\n"
			    "\tr2t_pdus: 0\n"
			    "\tasync_pdus: 0\n"
			    "\trjt_pdus: 0\n"
			    "\tdigest_err: 0\n"
			    "\ttimeout_err: 2\n"
			    "iSCSI Extended:\n"
			    "\tsends: 3\n");
}

/* --- login, logout, rescan --- */

static void login_is_told_with_a_comma_before_the_port(void **state)
{
	struct printed *out = printed_new();
	const struct found node = found(A, "fe80::1", "default");

	layout_login_done(out->file, &node);
	layout_login_failed(out->file, &node, ERROR_AUTHENTICATION_FAILED);
	layout_login_present(out->file, "default", 1, 1);
	layout_login_present(out->file, "eth1", 4, 4);
	assert_printed(out, "Login to [iface: default, target: " A
			    ", portal: fe80::1,3260] successful.\n"
			    "iscsiadm: Could not login to [iface: default, target: " A
			    ", portal: fe80::1,3260].\n"
			    "iscsiadm: initiator reported error (24 - iSCSI login failed due to "
			    "authorization failure)\n"
			    "iscsiadm: default: 1 session requested, but 1 already present.\n"
			    "iscsiadm: eth1: 4 sessions requested, but 4 already present.\n");
}

static void logout_and_rescan_name_the_session(void **state)
{
	struct printed *out = printed_new();
	const struct session_info session = example_session(1, A, "10.0.0.1");

	layout_logout_begun(out->file, &session);
	layout_logout_done(out->file, &session);
	layout_logout_failed(out->file, &session, ERROR_BUSY);
	layout_rescan(out->file, &session);
	assert_printed(out,
		       "Logging out of session [sid: 1, target: " A ", portal: 10.0.0.1,3260]\n"
		       "Logout of [sid: 1, target: " A ", portal: 10.0.0.1,3260] successful.\n"
		       "iscsiadm: Could not logout of [sid: 1, target: " A
		       ", portal: 10.0.0.1,3260].\n"
		       "iscsiadm: initiator reported error (28 - device or resource in use)\n"
		       "Rescanning session [sid: 1, target: " A ", portal: 10.0.0.1,3260]\n");
}

/* --- interfaces --- */

static void interfaces_are_one_line_each(void **state)
{
	struct printed *out = printed_new();
	const struct iface_info ifaces[] = {
		{"fast", "tcp", "00:11", "10.0.0.9", "eth1", "iqn.x"},
		{"default", "tcp", NULL, NULL, NULL, NULL},
	};

	layout_ifaces_flat(out->file, ifaces, 2);
	assert_printed(out, "fast tcp,00:11,10.0.0.9,eth1,iqn.x\n"
			    "default tcp,<empty>,<empty>,<empty>,<empty>\n");
}

static void the_interface_tree_holds_its_nodes_only(void **state)
{
	struct printed *out = printed_new();
	struct node_info nodes[] = {
		example_node(A, "10.0.0.1", 1),
		example_node(A, "10.0.0.2", 1),
		example_node(B, "10.0.0.1", 1),
	};

	nodes[1].iface = "eth1";
	layout_iface_tree(out->file, "default", nodes, 3);
	assert_printed(out, "Iface: default\n"
			    "\tTarget: " A "\n"
			    "\t\tPortal: 10.0.0.1:3260,1\n"
			    "\tTarget: " B "\n"
			    "\t\tPortal: 10.0.0.1:3260,1\n");
}

static void the_default_interface_has_all_keys(void **state)
{
	struct printed *out = printed_new();
	const char *text;
	unsigned lines = 0;

	layout_iface_default(out->file);
	text = printed_text(out);
	assert_int_equal(strncmp(text,
				 "# BEGIN RECORD " ISCSIADM_VERSION "\n"
				 "iface.iscsi_ifacename = default\n"
				 "iface.net_ifacename = <empty>\n"
				 "iface.ipaddress = <empty>\n"
				 "iface.prefix_len = 0\n"
				 "iface.hwaddress = <empty>\n"
				 "iface.transport_name = tcp\n",
				 strlen("# BEGIN RECORD " ISCSIADM_VERSION) + 160),
			 0);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 14 + 17 + 24 + 2);
	assert_non_null(strstr(text, "iface.discovery_logout = <empty>\n# END RECORD\n"));
	printed_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_portals_are_one_line_each),
		cmocka_unit_test(the_tree_of_found_portals_repeats_nothing),
		cmocka_unit_test(discovery_addresses_are_listed_once),
		cmocka_unit_test(all_four_sections_stand_in_the_tree_of_discovery),
		cmocka_unit_test(a_discovery_address_without_nodes_is_listed_too),
		cmocka_unit_test(an_unknown_tpgt_is_4294967295_in_the_flat_list_only),
		cmocka_unit_test(the_node_tree_repeats_the_portal_of_every_record),
		cmocka_unit_test(a_record_shows_empty_values_as_empty),
		cmocka_unit_test(a_new_node_is_told_in_one_line),
		cmocka_unit_test(a_session_is_one_line_that_scripts_can_split),
		cmocka_unit_test(every_level_of_the_session_tree_adds_its_blocks),
		cmocka_unit_test(every_state_has_its_three_words),
		cmocka_unit_test(sessions_of_one_portal_share_its_lines),
		cmocka_unit_test(what_the_daemon_does_not_name_is_left_out),
		cmocka_unit_test(an_ipv6_source_address_stands_in_brackets),
		cmocka_unit_test(secrets_are_masked_unless_they_are_asked_for),
		cmocka_unit_test(a_lost_session_has_blocked_disks),
		cmocka_unit_test(statistics_have_a_fixed_order_and_ours_come_behind),
		cmocka_unit_test(login_is_told_with_a_comma_before_the_port),
		cmocka_unit_test(logout_and_rescan_name_the_session),
		cmocka_unit_test(interfaces_are_one_line_each),
		cmocka_unit_test(the_interface_tree_holds_its_nodes_only),
		cmocka_unit_test(the_default_interface_has_all_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
