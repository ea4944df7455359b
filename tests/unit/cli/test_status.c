/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/status.h"
#include "tests/unit/cli/examples.h"
#include "tests/unit/cli/printed.h"
#include "util/cleanup.h"

#define A EXAMPLE_TARGET

static struct session_info sessions[2];
static struct path_info paths[2];
static struct map_info map;
static struct node_info node;

static int set_up(void **state)
{
	sessions[0] = example_session(1, A, "10.0.0.1");
	sessions[0].object = "/s1";
	sessions[1] = example_session(2, A, "10.0.0.2");
	sessions[1].object = "/s2";
	paths[0] = example_path("/p1", "/s1", "active");
	paths[1] = example_path("/p2", "/s2", "active");
	map = example_map("backup", paths, 2);
	node = example_node("iqn.b", "10.0.0.3", 1);
	return 0;
}

static void assert_status(size_t session_count, size_t map_count, size_t node_count,
			  const char *health, const char *expected)
{
	struct printed *out = printed_new();
	const struct session_list session_list = {.items = sessions, .count = session_count};
	const struct map_list map_list = {.items = &map, .count = map_count};
	const struct node_list node_list = {.items = &node, .count = node_count};
	const struct status_view view = {
		.nodes = &node_list,
		.sessions = &session_list,
		.maps = &map_list,
		.health = health,
		.now_us = 1000000,
	};

	assert_int_equal(status_print(&view, &(struct table_style){.no_headings = true}, out->file),
			 0);
	assert_string_equal(printed_text(out), expected);
	printed_free(out);
}

static void a_healthy_tree_shows_sessions_maps_and_paths(void **state)
{
	assert_status(
		2, 1, 0, "ok",
		/* clang-format off */
		      "iqn.2004-10.com.example:a       ok                                     20     10 8.0 KiB 2.0 KiB  2.0 ms\n"
		      "|-session 1 10.0.0.1:3260       logged-in                              10      5 4.0 KiB 1.0 KiB  2.0 ms\n"
		      "|-session 2 10.0.0.2:3260       logged-in                              10      5 4.0 KiB 1.0 KiB  2.0 ms\n"
		      "`-map backup                    ok        /dev/loop0 64.0 MiB 2/2      20     10 8.0 KiB 2.0 KiB  2.0 ms\n"
		      "  |-via session 1 10.0.0.1:3260 active                                 10      5 4.0 KiB 1.0 KiB  2.0 ms\n"
		      "  `-via session 2 10.0.0.2:3260 active                                 10      5 4.0 KiB 1.0 KiB  2.0 ms\n"
		      "ok: 2 of 2 sessions logged in, 1 map, 2 of 2 paths up\n"
		/* clang-format on */
	);
}

/* The line of the tree that starts with @start, for whoever frees it; NULL: none */
static char *line_of(size_t session_count, size_t map_count, size_t node_count, const char *health,
		     const char *start)
{
	struct printed *out = printed_new();
	const struct session_list session_list = {.items = sessions, .count = session_count};
	const struct map_list map_list = {.items = &map, .count = map_count};
	const struct node_list node_list = {.items = &node, .count = node_count};
	const struct status_view view = {&node_list, &session_list, &map_list, health, {}, 1000000};
	char *line = NULL;
	const char *at;

	assert_int_equal(status_print(&view, &(struct table_style){}, out->file), 0);
	at = strstr(printed_text(out), start);
	if (at)
		line = strndup(at, strcspn(at, "\n"));
	printed_free(out);
	return line;
}

static void assert_line(const char *start, size_t session_count, size_t map_count,
			size_t node_count, const char *part)
{
	owned_memory char *line = line_of(session_count, map_count, node_count, "degraded", start);

	if (!part) {
		assert_null(line);
		return;
	}
	assert_non_null(line);
	assert_non_null(strstr(line, part));
}

static void a_lost_session_says_why_and_when_it_tries_again(void **state)
{
	sessions[1].state = "reconnecting";
	sessions[1].state_reason = "connection refused";
	sessions[1].next_retry_us = 4000000;
	paths[1].state = "failed";
	paths[1].state_reason = "session lost";
	map.state = "degraded";
	map.paths_up = 1;
	assert_line(A, 2, 1, 0, "degraded");
	assert_line("session 2", 2, 1, 0, "connection refused; next try in 3.0 s");
	assert_line("via session 2", 2, 1, 0, "session lost");
	assert_line("map backup", 2, 1, 0, "1/2");
	assert_line("degraded:", 2, 1, 0, "1 of 2 sessions logged in, 1 map, 1 of 2 paths up");
}

static void a_map_tells_of_writes_in_doubt_as_long_as_there_are_any(void **state)
{
	map.in_doubt = 2;
	map.held = 1;
	map.guarded_bytes = 8192;
	assert_line("map backup", 2, 1, 0, "2 writes in doubt, 8.0 KiB guarded, 1 writes held");
	map.guards_expired = 3;
	assert_line("map backup", 2, 1, 0, "held; 3 writes in doubt never fenced");
	map.in_doubt = map.held = map.guarded_bytes = 0;
	assert_line("map backup", 2, 1, 0, " 3 writes in doubt never fenced");
}

static void a_target_without_any_session_up_is_down(void **state)
{
	sessions[0].state = sessions[1].state = "reconnecting";
	assert_line(A, 2, 0, 0, "down");
}

static void a_node_without_session_shows_when_it_should_have_one(void **state)
{
	assert_line("node 10.0.0.3:3260", 2, 1, 1, NULL);
	node.startup = "automatic";
	assert_line("node 10.0.0.3:3260", 2, 1, 1, "idle");
	node.startup = "manual";
	node.last_error = (struct failure){"LoginFailed", "no such target", 1};
	assert_line("node 10.0.0.3:3260", 2, 1, 1, "no such target");
	assert_line("iqn.b", 2, 1, 1, "idle");
}

static void a_map_without_path_still_shows(void **state)
{
	map.path_count = 0;
	map.paths_up = map.paths_total = 0;
	map.state = "no-path-queueing";
	assert_line("map backup", 0, 1, 0, "no-path-queueing");
}

static void health_is_the_exit_status(void **state)
{
	assert_int_equal(status_exit("ok"), 0);
	assert_int_equal(status_exit("degraded"), 1);
	assert_int_equal(status_exit("critical"), 2);
	assert_int_equal(status_exit(""), 3);
	assert_int_equal(status_exit("better-than-ever"), 3);
}

/* What one line of JSON says of @key, behind the first @start; "" when it is not there. */
static char *member_of(const char *text, const char *start, const char *key, char *buffer,
		       size_t size)
{
	char quoted[64];
	const char *at = strstr(text, start);

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	at = at ? strstr(at, quoted) : NULL;
	at = at ? at + strlen(quoted) : "";
	snprintf(buffer, size, "%.*s", (int)strcspn(at, ",\n"), at);
	return buffer;
}

static void totals_and_rates_are_both_in_json(void **state)
{
	static const struct {
		const char *start, *key, *expected;
	} cells[] = {
		{"\"path\"", "reads", "10"},
		{"\"path\"", "read_iops", "4"},
		{"\"path\"", "writes", "5"},
		{"\"path\"", "write_iops", "2"},
		{"\"path\"", "bytes_read", "4096"},
		{"\"path\"", "bytes_read_per_second", "2048"},
		{"\"path\"", "bytes_written", "1024"},
		{"\"path\"", "bytes_written_per_second", "0"},
		{"\"path\"", "latency_us", "2000"},
		{"\"path\"", "errors", "0"},
		{"\"map\"", "reads", "20"},
		{"\"map\"", "read_iops", "4"},
		{"\"map\"", "vendor", "\"IET\""},
		{"\"session\"", "read_iops", "4"},
		{"\"target\"", "reads", "20"},
		{"\"target\"", "read_iops", "4"},
	};
	const struct session_list session_list = {.items = sessions, .count = 2};
	const struct map_list map_list = {.items = &map, .count = 1};
	const struct node_list node_list = {};
	struct path_info paths_before[2] = {paths[0], paths[1]};
	struct map_info map_before = example_map("backup", paths_before, 2);
	const struct map_list before = {.items = &map_before, .count = 1};
	struct printed *out = printed_new();
	char buffer[64];

	paths_before[0].reads = 2;
	paths_before[0].writes = 1;
	paths_before[0].bytes_read = 0;
	assert_int_equal(status_print(&(struct status_view){&node_list,
							    &session_list,
							    &map_list,
							    "ok",
							    {&before, 2.0},
							    1000000},
				      &(struct table_style){.json = true}, out->file),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		assert_string_equal(member_of(printed_text(out), cells[i].start, cells[i].key,
					      buffer, sizeof(buffer)),
				    cells[i].expected);
	printed_free(out);
}

static void what_was_not_measured_is_null(void **state)
{
	const struct session_list session_list = {.items = sessions, .count = 2};
	const struct map_list map_list = {.items = &map, .count = 1};
	const struct node_list node_list = {};
	struct printed *out = printed_new();
	char buffer[64];

	assert_int_equal(status_print(
				 &(struct status_view){
					 &node_list, &session_list, &map_list, "ok", {}, 1000000},
				 &(struct table_style){.json = true}, out->file),
			 0);
	assert_string_equal(member_of(printed_text(out), "\"path\"", "read_iops", buffer, 64),
			    "null");
	printed_free(out);
}

/* A unit named by its WWID behind private addresses, busy, as it is in most houses. */
static void the_usual_case_fits_120_columns(void **state)
{
	const struct session_list session_list = {.items = sessions, .count = 2};
	const struct map_list map_list = {.items = &map, .count = 1};
	const struct node_list node_list = {};
	struct path_info paths_before[2] = {paths[0], paths[1]};
	struct map_info map_before = example_map("x", paths_before, 2);
	const struct map_list before = {.items = &map_before, .count = 1};
	struct printed *out = printed_new();

	map.name = "360000000000000000e00000000010001";
	map.size_bytes = 1099511627776;
	for (unsigned i = 0; i < 2; i++) {
		sessions[i].address = "192.168.100.10";
		paths[i].reads += 450000;
		paths[i].writes += 90000;
		paths[i].bytes_read += 1000000000;
		paths[i].bytes_written += 500000000;
	}
	assert_int_equal(status_print(&(struct status_view){&node_list,
							    &session_list,
							    &map_list,
							    "ok",
							    {&before, 1.0},
							    1000000},
				      &(struct table_style){}, out->file),
			 0);
	for (const char *line = printed_text(out); *line; line += strcspn(line, "\n") + 1)
		assert_in_range(strcspn(line, "\n"), 1, 120);
	assert_non_null(strstr(printed_text(out), "R IOPS"));
	assert_non_null(strstr(printed_text(out), "900000"));
	printed_free(out);
}

static void errors_show_where_there_are_any(void **state)
{
	assert_line("NAME", 2, 1, 0, "LATENCY");
	assert_line("ERRORS", 2, 1, 0, NULL);
	paths[1].errors = 3;
	assert_line("ERRORS", 2, 1, 0, "ERRORS");
	assert_line("via session 2", 2, 1, 0, " 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_healthy_tree_shows_sessions_maps_and_paths, set_up),
		cmocka_unit_test_setup(a_lost_session_says_why_and_when_it_tries_again, set_up),
		cmocka_unit_test_setup(a_map_tells_of_writes_in_doubt_as_long_as_there_are_any,
				       set_up),
		cmocka_unit_test_setup(a_target_without_any_session_up_is_down, set_up),
		cmocka_unit_test_setup(a_node_without_session_shows_when_it_should_have_one,
				       set_up),
		cmocka_unit_test_setup(a_map_without_path_still_shows, set_up),
		cmocka_unit_test_setup(health_is_the_exit_status, set_up),
		cmocka_unit_test_setup(totals_and_rates_are_both_in_json, set_up),
		cmocka_unit_test_setup(what_was_not_measured_is_null, set_up),
		cmocka_unit_test_setup(the_usual_case_fits_120_columns, set_up),
		cmocka_unit_test_setup(errors_show_where_there_are_any, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
