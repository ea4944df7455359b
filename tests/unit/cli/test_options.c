/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "tests/unit/cli/printed.h"
#include "util/cleanup.h"

/* One command line and what came of it; the options point into it. */
struct outcome {
	int status;
	struct printed *out, *err;
	struct options options;
	char *argv[64];
	int argc;
};

static struct outcome parse(const char *const words[])
{
	struct outcome outcome = {.out = printed_new(), .err = printed_new()};

	outcome.argv[outcome.argc++] = strdup("iscsiadm");
	for (; *words; words++)
		outcome.argv[outcome.argc++] = strdup(*words);
	outcome.status = options_parse(outcome.argc, outcome.argv, outcome.out->file,
				       outcome.err->file, &outcome.options);
	return outcome;
}

static void outcome_clear(struct outcome *outcome)
{
	printed_free(outcome->out);
	printed_free(outcome->err);
	for (int i = 0; i < outcome->argc; i++)
		free(outcome->argv[i]);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *const words[], int status, const char *err)
{
	struct outcome outcome = parse(words);

	assert_int_equal(outcome.status, status);
	assert_string_equal(printed_text(outcome.err), err);
	assert_string_equal(printed_text(outcome.out), "");
	outcome_clear(&outcome);
}

/* --- modes and letters --- */

/* clang-format off */
static const struct {
	enum mode mode;
	const char *word, *allowed;
} modes[] = {
	{MODE_DISCOVERY,   "discovery",   "DSIPdmntplov"},
	{MODE_DISCOVERYDB, "discoverydb", "DSIPdmntplov"},
	{MODE_NODE,        "node",        "RsPIdmlSonvupTULW"},
	{MODE_SESSION,     "session",     "PiRdrmusonSv"},
	{MODE_IFACE,       "iface",       "HIdnvmPoCabci"},
	{MODE_HOST,        "host",        "CHdmPotnvxA"},
	{MODE_FW,          "fw",          "dmlWnv"},
};

/* Every letter there is, with an argument that it takes. */
static const struct {
	char letter;
	const char *argument;
	const char *name;
} letters[] = {
	{'m', NULL,          "mode"},
	{'p', "192.0.2.1",   "portal"},
	{'T', "iqn.x",       "targetname"},
	{'I', "default",     "interface"},
	{'o', "show",        "op"},
	{'t', "st",          "type"},
	{'n', "key",         "name"},
	{'v', "value",       "value"},
	{'H', "0",           "host"},
	{'r', "1",           "sid"},
	{'R', NULL,          "rescan"},
	{'P', "1",           "print"},
	{'D', NULL,          "discover"},
	{'l', NULL,          "login"},
	{'L', "all",         "loginall"},
	{'u', NULL,          "logout"},
	{'U', "all",         "logoutall"},
	{'s', NULL,          "stats"},
	{'S', NULL,          "show"},
	{'k', "0",           "killiscsid"},
	{'d', "8",           "debug"},
	{'V', NULL,          "version"},
	{'h', NULL,          "help"},
	{'C', "chap",        "submode"},
	{'a', "192.0.2.1",   "ip"},
	{'b', "32",          "packetsize"},
	{'c', "1",           "count"},
	{'i', "1",           "interval"},
	{'x', "0",           "index"},
	{'A', "ipv4",        "portal_type"},
	{'W', NULL,          "no_wait"},
};
/* clang-format on */

static void check_cell(size_t mode, size_t letter, bool is_long)
{
	const char *argument = letters[letter].argument;
	bool allowed = strchr(modes[mode].allowed, letters[letter].letter) != NULL;
	char option[64], expected[128];
	struct outcome outcome;

	if (is_long)
		snprintf(option, sizeof(option), "--%s%s%s", letters[letter].name,
			 argument ? "=" : "", argument ? argument : "");
	else
		snprintf(option, sizeof(option), "-%c%s", letters[letter].letter,
			 argument ? argument : "");
	outcome = parse(WORDS("-m", modes[mode].word, option));
	snprintf(expected, sizeof(expected),
		 "iscsiadm: %s mode: option '-%c' is not allowed/supported\n", modes[mode].word,
		 letters[letter].letter);
	assert_int_equal(options_allowed(modes[mode].mode, letters[letter].letter), allowed);
	assert_string_equal(printed_text(outcome.err), allowed ? "" : expected);
	assert_int_equal(outcome.status, allowed ? OPTIONS_RUN : 7);
	outcome_clear(&outcome);
}

static void every_mode_takes_its_letters_and_no_other(void **state)
{
	for (size_t mode = 0; mode < ARRAY_SIZE(modes); mode++)
		for (size_t letter = 0; letter < ARRAY_SIZE(letters); letter++) {
			if (letters[letter].letter == 'm')
				continue; /* it is there already */
			check_cell(mode, letter, false);
			check_cell(mode, letter, true);
		}
}

static void every_mode_word_is_its_mode(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct outcome outcome = parse(WORDS("-m", modes[i].word));

		assert_int_equal(outcome.status, OPTIONS_RUN);
		assert_int_equal(outcome.options.mode, modes[i].mode);
		assert_string_equal(outcome.options.mode_word, modes[i].word);
		outcome_clear(&outcome);
	}
}

static void an_unknown_mode_is_refused_in_the_known_words(void **state)
{
	assert_refused(WORDS("-m", "nodes"), 7, "iscsiadm: nodes mode is unkonwn/unsupported\n");
}

static void without_a_mode_it_says_so(void **state)
{
	assert_refused(WORDS("-p", "192.0.2.1"), 7,
		       "iscsiadm: no mode specified\n"
		       "Try `iscsiadm --help' for more information.\n");
}

static void the_whole_line_is_held_against_the_mode_when_it_is_reached(void **state)
{
	/* -T comes before -m, and still counts; the bad -o behind it is never looked at */
	assert_refused(WORDS("-T", "iqn.x", "-m", "session", "-o", "bogus"), 7,
		       "iscsiadm: session mode: option '-T' is not allowed/supported\n");
}

static void help_and_version_act_when_they_are_reached(void **state)
{
	struct outcome outcome = parse(WORDS("-V", "-m", "node"));

	assert_int_equal(outcome.status, 0);
	assert_string_equal(printed_text(outcome.out), "iscsiadm version " ISCSIADM_VERSION "\n");
	outcome_clear(&outcome);
	outcome = parse(WORDS("-h", "-m", "nodes"));
	assert_int_equal(outcome.status, 0);
	assert_int_equal(strncmp(printed_text(outcome.out), "iscsiadm -m discoverydb ", 24), 0);
	assert_string_equal(printed_text(outcome.err), "");
	outcome_clear(&outcome);
}

static void usage_has_a_line_per_mode_and_one_for_k(void **state)
{
	static const char *const starts[] = {
		"iscsiadm -m discoverydb", "iscsiadm -m discovery", "iscsiadm -m node",
		"iscsiadm -m session",	   "iscsiadm -m iface",	    "iscsiadm -m fw",
		"iscsiadm -m host",	   "iscsiadm -k priority",
	};
	struct outcome outcome = parse(WORDS("--help"));
	const char *line = printed_text(outcome.out);

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		assert_int_equal(strncmp(line, starts[i], strlen(starts[i])), 0);
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");
	outcome_clear(&outcome);
}

/* --- single options --- */

static void operations_accumulate(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node", "-o", "new", "--op=delete"));

	assert_int_equal(outcome.options.operations, OPERATION_NEW | OPERATION_DELETE);
	outcome_clear(&outcome);
}

static void only_the_first_operation_must_be_a_known_word(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node", "-o", "update", "-o", "frob"));

	assert_int_equal(outcome.status, OPTIONS_RUN);
	assert_int_equal(outcome.options.operations, OPERATION_UPDATE);
	outcome_clear(&outcome);
	assert_refused(WORDS("-m", "node", "-o", "frob", "-o", "update"), 7,
		       "iscsiadm: can not recognize operation: 'frob'\n");
}

static void names_and_values_pair_up_in_either_order(void **state)
{
	struct outcome outcome = parse(
		WORDS("-m", "node", "-n", "a", "-v", "1", "-v", "2", "-n", "b", "-n", "lone"));

	assert_int_equal(outcome.options.setting_count, 2);
	assert_string_equal(outcome.options.settings[0].name, "a");
	assert_string_equal(outcome.options.settings[0].value, "1");
	assert_string_equal(outcome.options.settings[1].name, "b");
	assert_string_equal(outcome.options.settings[1].value, "2");
	outcome_clear(&outcome);
}

static void the_last_of_a_single_option_counts(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node", "-T", "iqn.a", "-T", "iqn.b", "-p",
					     "192.0.2.1", "-p", "192.0.2.2:3261,4"));

	assert_string_equal(outcome.options.target, "iqn.b");
	assert_string_equal(outcome.options.portal.address, "192.0.2.2");
	assert_int_equal(outcome.options.portal.port, 3261);
	assert_int_equal(outcome.options.portal.tpgt, 4);
	outcome_clear(&outcome);
}

static void interfaces_make_a_list(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node", "-I", "a", "-I", "b"));

	assert_int_equal(outcome.options.iface_count, 2);
	assert_string_equal(outcome.options.ifaces[0], "a");
	assert_string_equal(outcome.options.ifaces[1], "b");
	outcome_clear(&outcome);
}

static void an_interface_name_has_1_to_64_characters(void **state)
{
	char name[66], expected[160];
	struct outcome outcome;

	memset(name, 'i', sizeof(name));
	name[64] = '\0';
	outcome = parse(WORDS("-m", "node", "-I", name));
	assert_int_equal(outcome.status, OPTIONS_RUN);
	outcome_clear(&outcome);
	name[64] = 'i';
	name[65] = '\0';
	outcome = parse(WORDS("-m", "node", "-I", name));
	assert_int_equal(outcome.status, 7);
	snprintf(expected, sizeof(expected),
		 "Invalid iface name %s. Must be from 1 to 64 characters.\n", name);
	assert_string_equal(printed_text(outcome.out), expected); /* on standard output */
	outcome_clear(&outcome);
}

static void short_options_cluster_and_long_ones_may_be_cut(void **state)
{
	struct outcome outcome =
		parse(WORDS("-mnode", "-P1", "-lW", "--target", "iqn.x", "stray", "--rec=1"));

	assert_int_equal(outcome.status, 7); /* --rec is no prefix of anything here */
	outcome_clear(&outcome);
	outcome = parse(WORDS("-mnode", "-P1", "-lW", "--target", "iqn.x", "stray"));
	assert_int_equal(outcome.status, OPTIONS_RUN);
	assert_int_equal(outcome.options.print_level, 1);
	assert_true(outcome.options.login && outcome.options.no_wait);
	assert_string_equal(outcome.options.target, "iqn.x");
	outcome_clear(&outcome);
}

static void a_print_level_that_is_no_number_is_0(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node"));

	assert_int_equal(outcome.options.print_level, -1);
	outcome_clear(&outcome);
	outcome = parse(WORDS("-m", "node", "-P", "x"));
	assert_int_equal(outcome.options.print_level, 0);
	outcome_clear(&outcome);
}

static void a_bad_portal_never_acts_as_none(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "node", "-p", "[fe80::1", "-o", "delete"));

	assert_int_equal(outcome.status, 7);
	outcome_clear(&outcome);
}

static void discovery_types_have_their_words(void **state)
{
	static const struct {
		const char *word;
		enum discovery_type type;
	} words[] = {
		{"sendtargets", DISCOVERY_TYPE_SENDTARGETS},
		{"st", DISCOVERY_TYPE_SENDTARGETS},
		{"isns", DISCOVERY_TYPE_ISNS},
		{"fw", DISCOVERY_TYPE_FIRMWARE},
		{"bogus", DISCOVERY_TYPE_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct outcome outcome = parse(WORDS("-m", "discovery", "-t", words[i].word));

		assert_int_equal(outcome.options.type, words[i].type);
		outcome_clear(&outcome);
	}
}

static void hosts_and_indexes_are_numbers(void **state)
{
	struct outcome outcome = parse(WORDS("-m", "host", "-H", "00:11:22:33:44:55"));

	assert_int_equal(outcome.status, 7);
	outcome_clear(&outcome);
	outcome = parse(WORDS("-m", "host", "-x", "70000"));
	assert_int_equal(outcome.status, 7);
	outcome_clear(&outcome);
}

static void stopping_the_daemon_is_never_said_to_be_done(void **state)
{
	struct outcome outcome = parse(WORDS("-k", "0"));

	assert_int_equal(outcome.status, 27);
	outcome_clear(&outcome);
	outcome = parse(WORDS("-k", "-1"));
	assert_int_equal(outcome.status, 7);
	outcome_clear(&outcome);
}

/* --- -r --- */

static void a_session_is_a_number_or_a_path_with_one(void **state)
{
	static const struct {
		const char *text;
		int status;
		uint32_t sid;
	} rows[] = {
		{"1", 0, 1},
		{"4294967295", 0, 4294967295U},
		{"/sys/class/iscsi_session/session12", 0, 12},
		{"/sys/devices/platform/host3/session7/target3:0:0", 0, 7},
		{"0", 1, 0},
		{"-1", 1, 0},
		{"4294967296", 1, 0},
		{"x", 1, 0},
		{"", 1, 0},
		{"/sys/class/iscsi_session/sessionx", 1, 0},
		{"/nonexistent/session5", 1, 0},
		{"/etc/passwd", 1, 0},
		{"/", 7, 0},
		{"/sys", 7, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t sid = 0;

		assert_int_equal(options_parse_sid(rows[i].text, &sid), rows[i].status);
		assert_int_equal(sid, rows[i].sid);
	}
}

static void a_folder_under_a_session_names_it(void **state)
{
	char folder[] = "/tmp/hawser-test-XXXXXX", path[64];
	uint32_t sid = 0;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/session42", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(options_parse_sid(path, &sid), 0);
	assert_int_equal(sid, 42);
	rmdir(path);
	rmdir(folder);
}

static void a_bad_session_is_told(void **state)
{
	assert_refused(WORDS("-m", "session", "-r", "0"), 1,
		       "iscsiadm: 0 is an invalid session ID or path\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode_takes_its_letters_and_no_other),
		cmocka_unit_test(every_mode_word_is_its_mode),
		cmocka_unit_test(an_unknown_mode_is_refused_in_the_known_words),
		cmocka_unit_test(without_a_mode_it_says_so),
		cmocka_unit_test(the_whole_line_is_held_against_the_mode_when_it_is_reached),
		cmocka_unit_test(help_and_version_act_when_they_are_reached),
		cmocka_unit_test(usage_has_a_line_per_mode_and_one_for_k),
		cmocka_unit_test(operations_accumulate),
		cmocka_unit_test(only_the_first_operation_must_be_a_known_word),
		cmocka_unit_test(names_and_values_pair_up_in_either_order),
		cmocka_unit_test(the_last_of_a_single_option_counts),
		cmocka_unit_test(interfaces_make_a_list),
		cmocka_unit_test(an_interface_name_has_1_to_64_characters),
		cmocka_unit_test(short_options_cluster_and_long_ones_may_be_cut),
		cmocka_unit_test(a_print_level_that_is_no_number_is_0),
		cmocka_unit_test(a_bad_portal_never_acts_as_none),
		cmocka_unit_test(discovery_types_have_their_words),
		cmocka_unit_test(hosts_and_indexes_are_numbers),
		cmocka_unit_test(stopping_the_daemon_is_never_said_to_be_done),
		cmocka_unit_test(a_session_is_a_number_or_a_path_with_one),
		cmocka_unit_test(a_folder_under_a_session_names_it),
		cmocka_unit_test(a_bad_session_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
