/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "multipath/path_group.h"
#include "multipath/selector.h"
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

#define PATHS 4

/* Paths of a map, in a group of their own with the selector to be tested. */
struct world {
	struct fixture *fixture;
	struct path_group group;
};

static struct world *world_new(const char *selector)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->fixture = fixture_new(PATHS, NULL);
	path_group_init(&world->group, selector_find(selector));
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *path = world->fixture->path[i];

		list_remove(&path->group_link);
		path_group_add(&world->group, path);
	}
	return world;
}

static int choose(struct world *world, uint32_t bytes, uint64_t avoid)
{
	struct map_command command = {.scsi.data_length = bytes, .tried = avoid};
	const struct path *path =
		path_group_choose(&world->group, &command, ring_now_ns(world->fixture->ring));

	for (int i = 0; i < PATHS; i++) {
		if (world->fixture->path[i] == path)
			return i;
	}
	assert_null(path);
	return -1;
}

static void world_free(struct world *world)
{
	for (unsigned i = 0; i < PATHS; i++)
		list_remove(&world->fixture->path[i]->group_link);
	fixture_free(world->fixture);
	free(world);
}

static const char *const names[] = {"service-time", "queue-length", "round-robin",
				    "shortest-expected-delay"};

static void selectors_are_found_by_their_names(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_non_null(selector_find(names[i]));
		assert_ptr_equal(selector_find(names[i]), selector_at(i));
		assert_string_equal(selector_at(i)->name, names[i]);
	}
	assert_null(selector_at(ARRAY_SIZE(names)));
	assert_null(selector_find("historical-service-time"));
	assert_null(selector_find(""));
}

static void every_selector_spreads_ties_over_all_paths(void **state)
{
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct world *world = world_new(names[n]);
		unsigned chosen[PATHS] = {};

		for (int i = 0; i < 8 * PATHS; i++)
			chosen[choose(world, 4096, 0)]++;
		for (int i = 0; i < PATHS; i++)
			assert_int_equal(chosen[i], 8);
		world_free(world);
	}
}

static void no_selector_takes_a_path_that_is_not_usable(void **state)
{
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct world *world = world_new(names[n]);

		world->fixture->path[0]->state = PATH_VERIFY;
		world->fixture->path[1]->state = PATH_QUARANTINED;
		fake_nexus_set_up(world->fixture->nexus[2], false);
		for (int i = 0; i < 8; i++)
			assert_int_equal(choose(world, 4096, 0), 3);
		world->fixture->path[3]->state = PATH_FAILED;
		assert_int_equal(choose(world, 4096, 0), -1);
		fake_nexus_set_up(world->fixture->nexus[2], true);
		assert_int_equal(choose(world, 4096, 0), 2);
		world_free(world);
	}
}

static void a_path_that_was_tried_is_taken_only_when_no_other_is_left(void **state)
{
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct world *world = world_new(names[n]);
		uint64_t three = path_bit(world->fixture->path[0]) |
				 path_bit(world->fixture->path[1]) |
				 path_bit(world->fixture->path[3]);

		for (int i = 0; i < 5; i++)
			assert_int_equal(choose(world, 4096, three), 2);
		assert_true(path_group_has(&world->group, three));
		world->fixture->path[2]->state = PATH_FAILED;
		assert_int_not_equal(choose(world, 4096, three), 2);
		assert_false(path_group_has(&world->group, three));
		assert_true(path_group_has(&world->group, 0));
		world_free(world);
	}
}

static void round_robin_takes_turns_whatever_is_in_flight(void **state)
{
	struct world *world = world_new("round-robin");

	world->fixture->path[0]->statistics.in_flight = 100;
	world->fixture->path[0]->cost_in_flight = 1 << 30;
	for (int i = 0; i < 3 * PATHS; i++)
		assert_int_equal(choose(world, 4096, 0), i % PATHS);
	world->fixture->path[0]->statistics.in_flight = 0;
	world->fixture->path[0]->cost_in_flight = 0;
	world_free(world);
}

static void queue_length_takes_the_path_with_the_fewest_commands(void **state)
{
	static const uint32_t in_flight[PATHS] = {3, 2, 1, 2};
	struct world *world = world_new("queue-length");

	for (int i = 0; i < PATHS; i++)
		world->fixture->path[i]->statistics.in_flight = in_flight[i];
	assert_int_equal(choose(world, 4096, 0), 2);
	assert_int_equal(choose(world, 4096, 0), 2);
	world->fixture->path[2]->statistics.in_flight = 3;
	assert_int_equal(choose(world, 4096, 0), 1);
	assert_int_equal(choose(world, 4096, 0), 3);
	for (int i = 0; i < PATHS; i++)
		world->fixture->path[i]->statistics.in_flight = 0;
	world_free(world);
}

static void load(struct world *world, int i, uint64_t cost, uint64_t throughput)
{
	struct path *path = world->fixture->path[i];

	path->cost_in_flight = cost;
	path->statistics.in_flight = cost > 0;
	path->throughput = throughput;
	path->measured_ns = ring_now_ns(world->fixture->ring);
}

static void unload(struct world *world)
{
	for (int i = 0; i < PATHS; i++)
		load(world, i, 0, 0);
}

static void service_time_takes_the_path_with_the_fewest_bytes_when_all_are_as_fast(void **state)
{
	struct world *world = world_new("service-time");

	load(world, 0, 3 << 20, 1000);
	load(world, 1, 1 << 20, 1000);
	load(world, 2, 2 << 20, 1000);
	load(world, 3, 4 << 20, 1000);
	assert_int_equal(choose(world, 4096, 0), 1);
	load(world, 1, 5 << 20, 1000);
	assert_int_equal(choose(world, 4096, 0), 2);
	unload(world);
	world_free(world);
}

static void service_time_gives_a_path_as_much_as_it_is_fast(void **state)
{
	static const uint64_t throughput[PATHS] = {1000, 2000, 4000, 1000};
	struct world *world = world_new("service-time");
	uint64_t cost[PATHS] = {};

	for (int n = 0; n < 800; n++) {
		int i;

		for (int p = 0; p < PATHS; p++)
			load(world, p, cost[p], throughput[p]);
		i = choose(world, 65536 - PATH_COMMAND_COST, 0);
		cost[i] += 65536;
	}
	for (int i = 0; i < PATHS; i++)
		assert_in_range(cost[i] / 65536, throughput[i] / 10 - 1, throughput[i] / 10 + 1);
	unload(world);
	world_free(world);
}

static void service_time_tries_a_path_that_was_slow_long_ago(void **state)
{
	struct world *world = world_new("service-time");

	load(world, 0, 0, 1);
	for (int i = 1; i < PATHS; i++)
		load(world, i, 0, 100000);
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(choose(world, 4096, 0), 0);
	fake_ring_advance(world->fixture->ring, 1001);
	for (int i = 1; i < PATHS; i++)
		load(world, i, 1 << 20, 100000);
	assert_int_equal(choose(world, 4096, 0), 0);
	unload(world);
	world_free(world);
}

static void service_time_does_not_try_a_slow_path_that_still_has_something_to_do(void **state)
{
	struct world *world = world_new("service-time");

	load(world, 0, 65536, 1);
	for (int i = 1; i < PATHS; i++)
		load(world, i, 1 << 20, 100000);
	fake_ring_advance(world->fixture->ring, 5000);
	for (int i = 0; i < 10; i++)
		assert_int_not_equal(choose(world, 4096, 0), 0);
	unload(world);
	world_free(world);
}

static void service_time_compares_huge_loads_without_overflow(void **state)
{
	struct world *world = world_new("service-time");

	load(world, 0, UINT64_C(1) << 40, 12500000); /* 1 TiB at 12.5 GB/s */
	load(world, 1, UINT64_C(1) << 41, 12500000);
	load(world, 2, UINT64_C(1) << 41, 12500000);
	load(world, 3, UINT64_C(1) << 41, 12500000);
	assert_int_equal(choose(world, UINT32_MAX, 0), 0);
	unload(world);
	world_free(world);
}

/* --- shortest-expected-delay --- */

#define MS UINT64_C(1000000)

static void know(struct world *world, int i, uint64_t least_ns, uint64_t cost_per_ms)
{
	struct path *path = world->fixture->path[i];

	path->least_latency_ns = least_ns;
	path->cost_time = cost_per_ms ? (MS << 16) / cost_per_ms : 0;
	path->answered_ns = ring_now_ns(world->fixture->ring);
}

static void shortest_delay_adds_the_length_of_the_way_to_what_waits_on_it(void **state)
{
	struct world *world = world_new("shortest-expected-delay");

	for (int i = 0; i < PATHS; i++)
		know(world, i, 50 * MS, 100000);
	know(world, 2, MS, 100000);
	assert_int_equal(choose(world, 4096, 0), 2);
	load(world, 2, 4 << 20, 0); /* 42 ms of work: still less than the way of the others */
	assert_int_equal(choose(world, 4096, 0), 2);
	load(world, 2, 8 << 20, 0); /* 84 ms */
	assert_int_not_equal(choose(world, 4096, 0), 2);
	unload(world);
	world_free(world);
}

static void shortest_delay_knows_a_narrow_way_from_a_long_one(void **state)
{
	struct world *world = world_new("shortest-expected-delay");

	know(world, 0, MS, 1000); /* 4 KiB take 8 ms, 1 MiB takes a second */
	for (int i = 1; i < PATHS; i++)
		know(world, i, 20 * MS, 1000000);
	assert_int_equal(choose(world, 4096, 0), 0);
	assert_int_not_equal(choose(world, 1 << 20, 0), 0);
	unload(world);
	world_free(world);
}

static void shortest_delay_asks_one_command_of_a_path_that_is_new_or_silent_for_long(void **state)
{
	struct world *world = world_new("shortest-expected-delay");

	for (int i = 0; i < PATHS; i++)
		know(world, i, MS, 1000000);
	know(world, 3, 0, 0);
	assert_int_equal(choose(world, 4096, 0), 3);
	load(world, 3, 8192, 0); /* it is being asked */
	for (int i = 0; i < 8; i++)
		assert_int_not_equal(choose(world, 4096, 0), 3);
	load(world, 3, 0, 0);
	know(world, 3, 10 * MS, 1000);
	for (int i = 0; i < 8; i++)
		assert_int_not_equal(choose(world, 4096, 0), 3);
	fake_ring_advance(world->fixture->ring, 1001);
	for (int i = 0; i < 3; i++)
		know(world, i, MS, 1000000);
	assert_int_equal(choose(world, 4096, 0), 3);
	unload(world);
	world_free(world);
}

static void shortest_delay_compares_huge_loads_without_overflow(void **state)
{
	struct world *world = world_new("shortest-expected-delay");

	for (int i = 0; i < PATHS; i++) {
		know(world, i, MS, 1);
		world->fixture->path[i]->cost_time = UINT64_C(1) << 32;
		load(world, i, (UINT64_C(1) << 29) + (i == 1 ? 0 : 4096), 0);
	}
	assert_int_equal(choose(world, 1 << 20, 0), 1);
	unload(world);
	world_free(world);
}

/* --- weights and room --- */

static void a_path_of_twice_the_weight_is_given_twice_as_much(void **state)
{
	static const char *const weighing[] = {"service-time", "queue-length",
					       "shortest-expected-delay"};

	for (size_t n = 0; n < ARRAY_SIZE(weighing); n++) {
		struct world *world = world_new(weighing[n]);
		unsigned chosen[PATHS] = {};

		path_set_weight(world->fixture->path[1], 2 * PATH_WEIGHT_USUAL);
		for (int i = 0; i < 500; i++) {
			int p;

			for (int k = 0; k < PATHS; k++) {
				load(world, k, chosen[k] * UINT64_C(65536), 1000);
				know(world, k, 1, 1000);
				world->fixture->path[k]->statistics.in_flight = chosen[k];
			}
			p = choose(world, 65536 - PATH_COMMAND_COST, 0);
			chosen[p]++;
		}
		for (int i = 0; i < PATHS; i++)
			assert_in_range(chosen[i], i == 1 ? 197 : 98, i == 1 ? 203 : 102);
		unload(world);
		for (int i = 0; i < PATHS; i++)
			know(world, i, 0, 0);
		world_free(world);
	}
}

static void round_robin_passes_over_a_path_with_enough_to_do_until_all_have(void **state)
{
	struct world *world = world_new("round-robin");

	for (int i = 0; i < PATHS; i++)
		load(world, i, (uint64_t)(PATHS - i) << 20, 1000);
	for (int i = 0; i < 3; i++)
		world->fixture->path[i]->full = true;
	for (int i = 0; i < 8; i++)
		assert_int_equal(choose(world, 4096, 0), 3);
	load(world, 3, 64 << 20, 1000);
	world->fixture->path[3]->full = true;
	assert_int_equal(choose(world, 4096, 0), 2); /* all are: the one with the least */
	unload(world);
	world_free(world);
}

static void no_selector_sends_more_than_a_device_takes(void **state)
{
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		struct world *world = world_new(names[n]);

		for (int i = 0; i < PATHS; i++) {
			world->fixture->path[i]->window = 4;
			world->fixture->path[i]->statistics.in_flight = i == 2 ? 3 : 4;
		}
		for (int i = 0; i < 8; i++)
			assert_int_equal(choose(world, 4096, 0), 2);
		world->fixture->path[2]->statistics.in_flight = 4;
		assert_int_equal(choose(world, 4096, 0), -1);
		for (int i = 0; i < PATHS; i++)
			world->fixture->path[i]->statistics.in_flight = 0;
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors_are_found_by_their_names),
		cmocka_unit_test(every_selector_spreads_ties_over_all_paths),
		cmocka_unit_test(no_selector_takes_a_path_that_is_not_usable),
		cmocka_unit_test(a_path_that_was_tried_is_taken_only_when_no_other_is_left),
		cmocka_unit_test(round_robin_takes_turns_whatever_is_in_flight),
		cmocka_unit_test(queue_length_takes_the_path_with_the_fewest_commands),
		cmocka_unit_test(
			service_time_takes_the_path_with_the_fewest_bytes_when_all_are_as_fast),
		cmocka_unit_test(service_time_gives_a_path_as_much_as_it_is_fast),
		cmocka_unit_test(service_time_tries_a_path_that_was_slow_long_ago),
		cmocka_unit_test(
			service_time_does_not_try_a_slow_path_that_still_has_something_to_do),
		cmocka_unit_test(service_time_compares_huge_loads_without_overflow),
		cmocka_unit_test(shortest_delay_adds_the_length_of_the_way_to_what_waits_on_it),
		cmocka_unit_test(shortest_delay_knows_a_narrow_way_from_a_long_one),
		cmocka_unit_test(
			shortest_delay_asks_one_command_of_a_path_that_is_new_or_silent_for_long),
		cmocka_unit_test(shortest_delay_compares_huge_loads_without_overflow),
		cmocka_unit_test(a_path_of_twice_the_weight_is_given_twice_as_much),
		cmocka_unit_test(round_robin_passes_over_a_path_with_enough_to_do_until_all_have),
		cmocka_unit_test(no_selector_sends_more_than_a_device_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
