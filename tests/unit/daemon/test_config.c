/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "daemon/config.h"
#include "daemon/record.h"
#include "multipath/access.h"
#include "multipath/failback.h"
#include "multipath/fence.h"
#include "multipath/grouping.h"
#include "util/cleanup.h"
#include "util/text.h"

static char folder[] = "/tmp/hawser-config-XXXXXX";

/* What was reported: "level file:line: text", files without their folder. */
static char problems[8192];

static int setup(void **state)
{
	text_copy(folder, sizeof(folder), "/tmp/hawser-config-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/hawser.conf.d", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void note(int level, const char *file, unsigned line, const char *text, void *userdata)
{
	size_t used = strlen(problems);

	assert_ptr_equal(userdata, problems);
	assert_true(text_starts_with(file, folder));
	snprintf(problems + used, sizeof(problems) - used, "%d %s:%u: %s\n", level,
		 file + strlen(folder) + 1, line, text);
}

static struct config load(void)
{
	struct config config;
	char path[128];

	*problems = '\0';
	snprintf(path, sizeof(path), "%s/hawser.conf", folder);
	assert_int_equal(config_load(folder, path, &config, note, problems), 0);
	return config;
}

static void without_any_file_everything_has_its_default(void **state)
{
	struct config config = load();

	assert_string_equal(problems, "");
	assert_int_equal(config.log_level, LOG_INFO);
	assert_int_equal(config.workers, 0);
	assert_string_equal(config.exporter, "auto");
	assert_int_equal(config.queue_depth, 128);
	assert_string_equal(config.selector, "service-time");
	assert_int_equal(config.no_path_retry_ms, 60000);
	assert_int_equal(config.integrity, INTEGRITY_EXCLUSIVE);
	assert_int_equal(config.fence_wait_ms, 250);
	assert_int_equal(config.guard_timeout_ms, 60000);
	assert_int_equal(config.fence_lun_reset, FENCE_RESET_EXCLUSIVE);
	assert_int_equal(config.grouping, GROUPING_BY_PRIO);
	assert_int_equal(config.failback_ms, 0);
	assert_int_equal(config.activation, ACTIVATION_OPTIMIZED);
	assert_int_equal(config.transition_ms, 60000);
	assert_int_equal(config.access_poll_ms, 60000);
	assert_int_equal(config.suspect_ms, 250);
	assert_int_equal(config.suspect_timeout_ms, 750);
	assert_int_equal(config.lu_hang_timeout_ms, 5000);
	assert_int_equal(config.hedge_budget, 2);
	assert_int_equal(config.reconnect_min_ms, 1000);
	assert_int_equal(config.reconnect_max_ms, 30000);
	assert_int_equal(config.inventory_poll_ms, 30000);
	assert_false(config.allow_short_secrets);
	assert_string_equal(config.records_dir, "");
	assert_false(config.safe_logout);
	/* the built-in ones, not those of the iscsid.conf that distributions ship */
	assert_string_equal(
		record_get(config.node_defaults, "node.session.initial_login_retry_max"), "4");
	assert_string_equal(record_get(config.node_defaults, "node.conn[0].timeo.login_timeout"),
			    "30");
	assert_int_equal(record_get_kind(config.target_defaults), RECORD_SENDTARGETS);
	config_deinit(&config);
	config_deinit(&config);
}

static void every_row_can_be_set_and_shown(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"log.level", "debug"},
		{"worker.count", "3"},
		{"block.exporter", "fuse"},
		{"block.queue_depth", "64"},
		{"multipath.selector", "round-robin"},
		{"multipath.no_path_retry", "queue"},
		{"multipath.integrity", "shared"},
		{"multipath.fence_wait", "400 ms"},
		{"multipath.guard_timeout", "never"},
		{"multipath.fence_lun_reset", "always"},
		{"multipath.path_grouping_policy", "failover"},
		{"multipath.failback", "followover"},
		{"multipath.alua_activation", "never"},
		{"multipath.alua_transition", "30 s"},
		{"multipath.alua_poll", "off"},
		{"multipath.reservation_key", "0xaa0000"},
		{"failure.suspect", "100 ms"},
		{"failure.suspect_timeout", "300 ms"},
		{"failure.lu_hang_timeout", "never"},
		{"failure.hedge_budget", "0"},
		{"reconnect.min", "500 ms"},
		{"reconnect.max", "20 s"},
		{"inventory.poll", "off"},
		{"auth.allow_short_secrets", "yes"},
		{"records.dir", "/var/lib/iscsi"},
	};
	const struct settings_table *table = config_table();
	struct config config;
	char text[2048] = "", shown[64];

	assert_int_equal(ARRAY_SIZE(rows), table->count);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t used = strlen(text);

		assert_string_equal(table->rows[i].name, rows[i].name);
		assert_true(strlen(table->rows[i].doc) > 20);
		snprintf(text + used, sizeof(text) - used, "%s = %s\n", rows[i].name,
			 rows[i].value);
	}
	put("hawser.conf", text);
	config = load();
	assert_string_equal(problems, "");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		settings_format(&table->rows[i], &config, shown, sizeof(shown));
		assert_string_equal(shown, rows[i].value);
	}
	assert_int_equal(config.no_path_retry_ms, -1);
	assert_int_equal(config.integrity, INTEGRITY_SHARED);
	assert_int_equal(config.guard_timeout_ms, -1);
	assert_int_equal(config.fence_lun_reset, FENCE_RESET_ALWAYS);
	assert_int_equal(config.grouping, GROUPING_FAILOVER);
	assert_int_equal(config.failback_ms, FAILBACK_FOLLOWOVER);
	assert_int_equal(config.activation, ACTIVATION_NEVER);
	assert_int_equal(config.transition_ms, 30000);
	assert_int_equal(config.access_poll_ms, 0);
	config_deinit(&config);
}

static void folder_overrides_file_and_problems_name_their_place(void **state)
{
	struct config config;

	put("hawser.conf", "[failure]\nsuspect = 100\nsuspekt = 5\n[block]\nexporter = floppy\n");
	put("hawser.conf.d/10.conf", "[failure]\nsuspect = 200\n");
	put("hawser.conf.d/20.conf", "[failure]\nsuspect = 1 ms\n");
	config = load();
	assert_int_equal(config.suspect_ms, 200);
	assert_string_equal(config.exporter, "auto");
	assert_string_equal(problems,
			    "4 hawser.conf:3: there is no setting \"failure.suspekt\"\n"
			    "4 hawser.conf:5: \"floppy\" is none of the words that are known here; "
			    "block.exporter stays as it was\n"
			    "4 hawser.conf.d/20.conf:2: \"1 ms\" is out of range; failure.suspect "
			    "stays as it was\n");
	config_deinit(&config);
}

static void reconnect_ceiling_is_never_below_the_floor(void **state)
{
	struct config config;

	put("hawser.conf", "reconnect.min = 60 s\n");
	config = load();
	assert_int_equal(config.reconnect_max_ms, 60000);
	config_deinit(&config);
}

static void iscsid_conf_gives_defaults_of_new_records(void **state)
{
	struct config config;

	put("iscsid.conf", "# as a distribution ships it\n"
			   "iscsid.startup = /bin/systemctl start iscsid.socket\n"
			   "iscsid.safe_logout = Yes\n"
			   "\n"
			   "node.startup = automatic\n"
			   "node.session.auth.chap_algs = SHA256,MD5\n"
			   "node.session.auth.username = user\n"
			   "node.session.auth.password = p#ss = word\n"
			   "discovery.sendtargets.auth.username=disc\n"
			   "node.session.initial_login_retry_max = 8\n"
			   "node.conn[0].timeo.login_timeout = 15\n"
			   "node.session.timeo.replacement_timeout = 20\n"
			   "discovery.sendtargets.iscsi.MaxRecvDataSegmentLength = 65536\n");
	config = load();
	assert_string_equal(problems,
			    "7 iscsid.conf:2: iscsid.startup has no meaning for this daemon\n");
	assert_true(config.safe_logout);
	assert_string_equal(record_get(config.node_defaults, "node.startup"), "automatic");
	assert_string_equal(record_get(config.node_defaults, "node.session.auth.chap_algs"),
			    "SHA256,MD5");
	assert_string_equal(record_get(config.target_defaults, "node.session.auth.chap_algs"),
			    "SHA256,MD5");
	assert_string_equal(record_get(config.node_defaults, "node.session.auth.password"),
			    "p#ss = word");
	assert_string_equal(
		record_get(config.target_defaults, "discovery.sendtargets.auth.username"), "disc");
	assert_int_equal(
		record_get_number(config.node_defaults, "node.session.initial_login_retry_max"), 8);
	assert_int_equal(record_get_number(config.target_defaults,
					   "discovery.sendtargets.iscsi.MaxRecvDataSegmentLength"),
			 65536);
	config_deinit(&config);
}

static void what_iscsid_conf_says_wrong_is_told_and_skipped(void **state)
{
	struct config config;

	put("iscsid.conf", "node.startup = sometimes\n"
			   "node.sesion.typo = 1\n"
			   "rubbish\n"
			   "iscsid.safe_logout = perhaps\n"
			   "node.name = iqn.everyone\n"
			   "node.session.auth.password = a\x01z\n"
			   "node.session.queue_depth = 64\n");
	config = load();
	assert_string_equal(
		problems,
		"4 iscsid.conf:1: unknown value format 'sometimes' for parameter name 'node.startup'\n"
		"7 iscsid.conf:2: there is no setting \"node.sesion.typo\"\n"
		"4 iscsid.conf:3: no \"=\"\n"
		"4 iscsid.conf:4: iscsid.safe_logout is neither Yes nor No\n"
		"4 iscsid.conf:5: Cannot modify node.name. It is used to look up the record and cannot "
		"be changed.\n"
		"4 iscsid.conf:6: unknown value format '********' for parameter name "
		"'node.session.auth.password'\n");
	assert_string_equal(record_get(config.node_defaults, "node.startup"), "manual");
	assert_string_equal(record_get(config.node_defaults, "node.name"), "");
	assert_int_equal(record_get_number(config.node_defaults, "node.session.queue_depth"), 64);
	config_deinit(&config);
}

static void an_iscsid_conf_that_cannot_be_read_is_told(void **state)
{
	struct config config;
	char path[128];

	snprintf(path, sizeof(path), "%s/iscsid.conf", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	config = load();
	assert_string_equal(problems, "4 iscsid.conf:0: cannot be read: Invalid argument\n");
	config_deinit(&config);
	snprintf(path, sizeof(path), "%s/hawser.conf", folder);
	assert_int_equal(config_load(folder, path, &config, NULL, NULL), 0);
	config_deinit(&config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_any_file_everything_has_its_default),
		TEST(every_row_can_be_set_and_shown),
		TEST(folder_overrides_file_and_problems_name_their_place),
		TEST(reconnect_ceiling_is_never_below_the_floor),
		TEST(iscsid_conf_gives_defaults_of_new_records),
		TEST(what_iscsid_conf_says_wrong_is_told_and_skipped),
		TEST(an_iscsid_conf_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
