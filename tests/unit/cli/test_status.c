/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/hawser_status.h"
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
		      "iqn.2004-10.com.example:a            ok\n"
		      "|-session 1 10.0.0.1:3260            logged-in\n"
		      "|-session 2 10.0.0.2:3260            logged-in\n"
		      "`-map backup                         ok        /dev/loop0 64.0 MiB 2/2      20     10 8.0 KiB 2.0 KiB  2.0 ms      0 IET VIRTUAL-DISK\n"
		      "  |-path via session 1 10.0.0.1:3260 active                                 10      5 4.0 KiB 1.0 KiB  2.0 ms      0\n"
		      "  `-path via session 2 10.0.0.2:3260 active                                 10      5 4.0 KiB 1.0 KiB  2.0 ms      0\n"
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
	assert_line("path via session 2", 2, 1, 0, "session lost");
	assert_line("map backup", 2, 1, 0, "1/2");
	assert_line("degraded:", 2, 1, 0, "1 of 2 sessions logged in, 1 map, 1 of 2 paths up");
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

/* {"/p1": {"reads": @reads}} */
static struct value *sample(uint64_t reads)
{
	struct value *all = calloc(1, sizeof(*all)), *item;

	all->kind = VALUE_DICT;
	item = value_new_item(all);
	item->kind = VALUE_TEXT;
	item->text = strdup("/p1");
	item = value_new_item(all);
	item->kind = VALUE_DICT;
	item = value_new_item(item);
	item->kind = VALUE_TEXT;
	item->text = strdup("reads");
	item = value_new_item(&all->items[1]);
	item->kind = VALUE_NUMBER;
	item->number = reads;
	return all;
}

static void rates_are_differences_over_time(void **state)
{
	owned(value) before = sample(100);
	owned(value) after = sample(350);
	const struct samples samples = {before, after, 2.0};
	const struct samples backwards = {after, before, 2.0};

	assert_true(samples_rate(&samples, "/p1", "reads") == 125.0);
	assert_true(samples_rate(&samples, "/p1", "writes") == 0);
	assert_true(samples_rate(&samples, "/p2", "reads") == 0);
	assert_true(samples_rate(&backwards, "/p1", "reads") == 0);
	assert_true(samples_rate(&(struct samples){}, "/p1", "reads") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_healthy_tree_shows_sessions_maps_and_paths, set_up),
		cmocka_unit_test_setup(a_lost_session_says_why_and_when_it_tries_again, set_up),
		cmocka_unit_test_setup(a_target_without_any_session_up_is_down, set_up),
		cmocka_unit_test_setup(a_node_without_session_shows_when_it_should_have_one,
				       set_up),
		cmocka_unit_test_setup(a_map_without_path_still_shows, set_up),
		cmocka_unit_test_setup(health_is_the_exit_status, set_up),
		cmocka_unit_test(rates_are_differences_over_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
