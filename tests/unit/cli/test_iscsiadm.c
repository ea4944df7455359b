/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/iscsiadm.h"
#include "tests/unit/cli/printed.h"
#include "util/cleanup.h"

/* --- which error becomes the exit status --- */

static void a_tally_keeps_the_first_and_the_last_error(void **state)
{
	struct tally tally = {};

	tally_add(&tally, ERROR_NONE);
	assert_int_equal(tally.first, ERROR_NONE);
	assert_int_equal(tally.last, ERROR_NONE);
	tally_add(&tally, ERROR_BUSY);
	tally_add(&tally, ERROR_NONE);
	tally_add(&tally, ERROR_LOGOUT_FAILED);
	tally_add(&tally, ERROR_NONE);
	assert_int_equal(tally.first, ERROR_BUSY);
	assert_int_equal(tally.last, ERROR_LOGOUT_FAILED);
}

static struct login_row row(const char *address, enum error_code code, unsigned wanted,
			    unsigned present)
{
	return (struct login_row){
		.node = {"/n", "iqn.x", address, "default", 3260, 1},
		.code = code,
		.wanted = wanted,
		.present = present,
	};
}

static void assert_logins(const struct login_row *rows, size_t count, bool trailer, bool no_wait,
			  int status, const char *out, const char *err)
{
	struct printed *printed_out = printed_new(), *printed_err = printed_new();
	struct iscsiadm run = {.out = printed_out->file, .err = printed_err->file};

	run.options.no_wait = no_wait;
	assert_int_equal(iscsiadm_tell_logins(&run, rows, count, trailer), status);
	assert_string_equal(printed_text(printed_out), out);
	assert_string_equal(printed_text(printed_err), err);
	printed_free(printed_out);
	printed_free(printed_err);
}

static void logins_that_work_say_nothing_on_standard_error(void **state)
{
	const struct login_row rows[] = {
		row("10.0.0.1", ERROR_NONE, 1, 0),
		row("10.0.0.2", ERROR_NONE, 1, 0),
	};

	assert_logins(
		rows, 2, true, false, 0,
		"Login to [iface: default, target: iqn.x, portal: 10.0.0.1,3260] successful.\n"
		"Login to [iface: default, target: iqn.x, portal: 10.0.0.2,3260] successful.\n",
		"");
}

static void the_first_failed_login_is_the_exit_status(void **state)
{
	const struct login_row rows[] = {
		row("10.0.0.1", ERROR_NONE, 1, 0),
		row("10.0.0.2", ERROR_TRANSPORT_TIMEOUT, 1, 0),
		row("10.0.0.3", ERROR_AUTHENTICATION_FAILED, 1, 0),
	};

	assert_logins(
		rows, 3, true, false, 8,
		"Login to [iface: default, target: iqn.x, portal: 10.0.0.1,3260] successful.\n",
		"iscsiadm: Could not login to [iface: default, target: iqn.x, portal: 10.0.0.2,3260].\n"
		"iscsiadm: initiator reported error (8 - connection timed out)\n"
		"iscsiadm: Could not login to [iface: default, target: iqn.x, portal: 10.0.0.3,3260].\n"
		"iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization "
		"failure)\n"
		"iscsiadm: Could not log into all portals\n");
}

static void sessions_that_are_there_are_told_first_and_end_with_15(void **state)
{
	const struct login_row rows[] = {
		row("10.0.0.1", ERROR_LOGIN_FAILED, 1, 0),
		row("10.0.0.2", ERROR_SESSION_EXISTS, 1, 1),
	};

	assert_logins(
		rows, 2, true, false, 15, "",
		"iscsiadm: default: 1 session requested, but 1 already present.\n"
		"iscsiadm: Could not login to [iface: default, target: iqn.x, portal: 10.0.0.1,3260].\n"
		"iscsiadm: initiator reported error (5 - encountered iSCSI login failure)\n"
		"iscsiadm: Could not log into all portals\n");
}

static void each_missing_session_has_its_line(void **state)
{
	const struct login_row rows[] = {row("10.0.0.1", ERROR_NONE, 3, 1)};

	assert_logins(
		rows, 1, true, false, 0,
		"Login to [iface: default, target: iqn.x, portal: 10.0.0.1,3260] successful.\n"
		"Login to [iface: default, target: iqn.x, portal: 10.0.0.1,3260] successful.\n",
		"");
}

static void without_waiting_nothing_is_printed(void **state)
{
	const struct login_row rows[] = {row("10.0.0.1", ERROR_NONE, 1, 0)};

	assert_logins(rows, 1, true, true, 0, "", "");
}

static void login_after_discovery_has_no_trailer(void **state)
{
	const struct login_row rows[] = {row("10.0.0.1", ERROR_SESSION_EXISTS, 1, 1)};

	assert_logins(rows, 1, false, false, 15, "",
		      "iscsiadm: default: 1 session requested, but 1 already present.\n");
}

/* --- what the daemon said --- */

static void assert_reported(enum error_code code, const char *text, int status, const char *err)
{
	struct printed *printed = printed_new();
	struct iscsiadm run = {.err = printed->file};
	owned_error struct error error = ERROR_INIT;

	error_set(&error, code, "%s", text);
	assert_int_equal(iscsiadm_report(&run, &error), status);
	assert_string_equal(printed_text(printed), err);
	printed_free(printed);
}

static void every_line_of_an_error_has_the_prefix(void **state)
{
	assert_reported(ERROR_INVALID_ARGUMENT, "one\ntwo", 7, "iscsiadm: one\niscsiadm: two\n");
	assert_reported(ERROR_BUSY, "in use", 28, "iscsiadm: in use\n");
}

static void a_daemon_that_is_away_is_told_in_two_lines(void **state)
{
	assert_reported(ERROR_NOT_CONNECTED, "whatever", 20,
			"iscsiadm: hawserd is not running and could not be started; see "
			"'systemctl status hawserd.service'\n"
			"iscsiadm: can not connect to iSCSI daemon (111)!\n");
}

static void a_refusal_is_told_as_daemon_access_denied(void **state)
{
	assert_reported(ERROR_ACCESS_DENIED, "whatever", 13,
			"iscsiadm: initiator reported error (13 - daemon access denied)\n");
}

/* --- what needs no daemon --- */

static void assert_usage(int (*mode)(struct iscsiadm *run), struct options options, int status,
			 const char *err)
{
	struct printed *out = printed_new(), *printed = printed_new();
	struct iscsiadm run = {.out = out->file, .err = printed->file, .options = options};

	assert_int_equal(mode(&run), status);
	assert_string_equal(printed_text(printed), err);
	assert_string_equal(printed_text(out), "");
	printed_free(printed);
	printed_free(out);
}

static void contradictions_in_node_mode_are_refused(void **state)
{
	assert_usage(iscsiadm_node, (struct options){.login = true, .logout = true}, 7,
		     "iscsiadm: Invalid parameters. Both login and logout passed in\n");
	assert_usage(iscsiadm_node, (struct options){.login = true, .operations = OPERATION_DELETE},
		     7, "iscsiadm: Invalid parameters. Login/logout and op passed in\n");
	assert_usage(iscsiadm_node, (struct options){.logout = true, .operations = OPERATION_SHOW},
		     7, "iscsiadm: Invalid parameters. Login/logout and op passed in\n");
	assert_usage(iscsiadm_node,
		     (struct options){.operations = OPERATION_NEW | OPERATION_DELETE}, 7,
		     "iscsiadm: operation is not supported.\n");
	assert_usage(iscsiadm_node, (struct options){.operations = OPERATION_APPLY}, 7,
		     "iscsiadm: operation is not supported.\n");
	assert_usage(iscsiadm_node, (struct options){.print_level = 2}, 7,
		     "iscsiadm: Invalid info level 2. Try 0 or 1.\n");
}

static void group_words_are_checked(void **state)
{
	assert_usage(iscsiadm_node, (struct options){.login_all = "bogus"}, 7,
		     "iscsiadm: Invalid loginall option bogus.\n"
		     "Try `iscsiadm --help' for more information.\n");
	assert_usage(iscsiadm_node, (struct options){.logout_all = "onboot"}, 7,
		     "iscsiadm: Invalid logoutall option onboot.\n"
		     "Try `iscsiadm --help' for more information.\n");
	/* a group counts before everything else on the line */
	assert_usage(iscsiadm_node,
		     (struct options){.login_all = "x", .logout_all = "y", .login = true}, 7,
		     "iscsiadm: Invalid loginall option x.\n"
		     "Try `iscsiadm --help' for more information.\n");
}

static void discovery_wants_what_it_needs(void **state)
{
	assert_usage(iscsiadm_discovery, (struct options){.type = DISCOVERY_TYPE_ISNS}, 7,
		     "iscsiadm: Please specify portal as <ipaddr>[:<ipport>]\n");
	assert_usage(iscsiadm_discoverydb,
		     (struct options){.type = DISCOVERY_TYPE_ISNS, .discover = true}, 7,
		     "iscsiadm: Please specify portal as <ipaddr>[:<ipport>]\n");
	assert_usage(iscsiadm_discovery, (struct options){.type = DISCOVERY_TYPE_SENDTARGETS}, 7,
		     "iscsiadm: Please specify portal as <ipaddr>[:<ipport>]\n");
	assert_usage(iscsiadm_discovery, (struct options){.operations = OPERATION_NEW}, 7,
		     "iscsiadm: Invalid operation.\n");
	assert_usage(iscsiadm_discovery,
		     (struct options){.portal_text = "x", .operations = OPERATION_UPDATE}, 7,
		     "iscsiadm: Invalid operation.\n");
	assert_usage(iscsiadm_discoverydb, (struct options){.type = DISCOVERY_TYPE_SENDTARGETS}, 7,
		     "iscsiadm: Please specify portal as <ipaddr>[:<ipport>]\n");
	assert_usage(iscsiadm_discoverydb,
		     (struct options){.type = DISCOVERY_TYPE_SENDTARGETS,
				      .portal_text = "x",
				      .operations = OPERATION_NON_PERSISTENT},
		     7, "iscsiadm: Operation is not supported.\n");
	assert_usage(iscsiadm_discoverydb,
		     (struct options){.type = DISCOVERY_TYPE_SENDTARGETS,
				      .portal_text = "x",
				      .operations = OPERATION_UPDATE},
		     7, "iscsiadm: update requires name and value\n");
}

static void what_a_software_initiator_has_not_ends_with_27(void **state)
{
	assert_usage(
		iscsiadm_iface,
		(struct options){.operations = OPERATION_APPLY, .ifaces = {"x"}, .iface_count = 1},
		27, "iscsiadm: Could not apply net configuration: operation not supported\n");
	assert_usage(iscsiadm_iface, (struct options){.operations = OPERATION_APPLY_ALL}, 27,
		     "iscsiadm: Could not apply net configuration: operation not supported\n");
	assert_usage(iscsiadm_iface,
		     (struct options){.submode = SUBMODE_PING, .ifaces = {"x"}, .iface_count = 1},
		     27,
		     "iscsiadm: there is no offload adapter that pings; use ping(8): operation not "
		     "supported\n");
}

static void interface_mode_wants_what_it_needs(void **state)
{
	assert_usage(iscsiadm_iface, (struct options){.operations = OPERATION_NEW}, 22,
		     "iscsiadm: Could not add interface. No interface passed in.\n");
	assert_usage(
		iscsiadm_iface,
		(struct options){.operations = OPERATION_UPDATE, .ifaces = {"x"}, .iface_count = 1},
		7, "iscsiadm: Update requires name, value, and iface.\n");
	assert_usage(iscsiadm_iface,
		     (struct options){.operations = OPERATION_UPDATE,
				      .settings = {{"iface.mtu", "1500"}},
				      .setting_count = 1},
		     7, "iscsiadm: Update requires name, value, and iface.\n");
	assert_usage(iscsiadm_iface, (struct options){.operations = OPERATION_DELETE}, 7,
		     "iscsiadm: Delete requires iface.\n");
	assert_usage(iscsiadm_iface, (struct options){.submode = SUBMODE_PING}, 7,
		     "iscsiadm: Ping requires iface.\n");
	assert_usage(iscsiadm_iface, (struct options){.print_level = 2}, 7,
		     "iscsiadm: Invalid info level 2. Try 0 or 1.\n");
	assert_usage(iscsiadm_iface,
		     (struct options){.operations = OPERATION_NEW | OPERATION_DELETE}, 7,
		     "iscsiadm: operation is not supported.\n");
}

static void a_new_session_needs_an_old_one(void **state)
{
	assert_usage(iscsiadm_session, (struct options){.operations = OPERATION_NEW}, 7,
		     "iscsiadm: session mode: operation 'new' requires a session id\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tally_keeps_the_first_and_the_last_error),
		cmocka_unit_test(logins_that_work_say_nothing_on_standard_error),
		cmocka_unit_test(the_first_failed_login_is_the_exit_status),
		cmocka_unit_test(sessions_that_are_there_are_told_first_and_end_with_15),
		cmocka_unit_test(each_missing_session_has_its_line),
		cmocka_unit_test(without_waiting_nothing_is_printed),
		cmocka_unit_test(login_after_discovery_has_no_trailer),
		cmocka_unit_test(every_line_of_an_error_has_the_prefix),
		cmocka_unit_test(a_daemon_that_is_away_is_told_in_two_lines),
		cmocka_unit_test(a_refusal_is_told_as_daemon_access_denied),
		cmocka_unit_test(contradictions_in_node_mode_are_refused),
		cmocka_unit_test(group_words_are_checked),
		cmocka_unit_test(discovery_wants_what_it_needs),
		cmocka_unit_test(what_a_software_initiator_has_not_ends_with_27),
		cmocka_unit_test(interface_mode_wants_what_it_needs),
		cmocka_unit_test(a_new_session_needs_an_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
