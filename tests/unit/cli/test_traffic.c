/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/traffic.h"
#include "tests/unit/cli/examples.h"

/* Two maps with a path each, then and now; the second map is looked at. */
static struct path_info before_paths[2], paths[2];
static struct map_info before_maps[2], maps[2];
static struct map_list before;

static int set_up(void **state)
{
	static const char *const path_objects[] = {"/m0/p", "/m1/p"};
	static const char *const map_objects[] = {"/m0", "/m1"};

	for (unsigned i = 0; i < 2; i++) {
		before_paths[i] = paths[i] = example_path(path_objects[i], "/s", "active");
		before_maps[i] = example_map("a", &before_paths[i], 1);
		maps[i] = example_map("a", &paths[i], 1);
		before_maps[i].object = maps[i].object = map_objects[i];
	}
	before = (struct map_list){.items = before_maps, .count = 2};
	paths[1].reads += 250;
	paths[1].writes += 3;
	paths[1].bytes_read += 1000000;
	paths[1].bytes_written += 4096;
	return 0;
}

static struct traffic now(double seconds)
{
	return traffic_of(&(struct samples){&before, seconds}, &maps[1], 1, &paths[1]);
}

static void assert_rates(const struct traffic *traffic, double reads, double writes,
			 double bytes_read, double bytes_written)
{
	assert_true(traffic->rate[TRAFFIC_READS] == reads);
	assert_true(traffic->rate[TRAFFIC_WRITES] == writes);
	assert_true(traffic->rate[TRAFFIC_BYTES_READ] == bytes_read);
	assert_true(traffic->rate[TRAFFIC_BYTES_WRITTEN] == bytes_written);
}

static void rates_are_differences_over_time(void **state)
{
	struct traffic traffic = now(2.0);

	assert_rates(&traffic, 125, 1.5, 500000, 2048);
	assert_int_equal(traffic.total[TRAFFIC_READS], 260);
	assert_int_equal(traffic.total[TRAFFIC_WRITES], 8);
	assert_int_equal(traffic.total[TRAFFIC_BYTES_READ], 1004096);
	assert_int_equal(traffic.total[TRAFFIC_BYTES_WRITTEN], 5120);
}

static void no_time_and_no_sample_give_no_rate(void **state)
{
	struct traffic none = traffic_of(&(struct samples){}, &maps[1], 1, &paths[1]);
	struct traffic zero = now(0), negative = now(-1.0);

	assert_rates(&none, 0, 0, 0, 0);
	assert_rates(&zero, 0, 0, 0, 0);
	assert_rates(&negative, 0, 0, 0, 0);
	assert_int_equal(none.total[TRAFFIC_READS], 260);
}

static void a_new_path_has_no_rate_yet(void **state)
{
	struct traffic traffic;

	paths[1].object = "/m1/other";
	traffic = now(1.0);
	assert_rates(&traffic, 0, 0, 0, 0);
	before.count = 1; /* now the whole map is new */
	traffic = now(1.0);
	assert_rates(&traffic, 0, 0, 0, 0);
	before.count = 0;
	traffic = now(1.0);
	assert_rates(&traffic, 0, 0, 0, 0);
}

static void a_counter_that_went_back_gives_no_rate(void **state)
{
	struct traffic traffic;

	before_paths[1].reads = 1000;
	traffic = now(1.0);
	assert_rates(&traffic, 0, 3, 1000000, 4096);
}

static void maps_may_have_changed_places(void **state)
{
	struct map_info first = before_maps[0];
	struct traffic traffic;

	before_maps[0] = before_maps[1];
	before_maps[1] = first;
	traffic = now(2.0);
	assert_true(traffic.rate[TRAFFIC_READS] == 125);
}

static void sums_add_up(void **state)
{
	struct traffic sum = {}, traffic = now(2.0);

	paths[1].errors = 2;
	traffic_add(&sum, &traffic);
	traffic = now(2.0);
	traffic_add(&sum, &traffic);
	assert_rates(&sum, 250, 3, 1000000, 4096);
	assert_int_equal(sum.total[TRAFFIC_READS], 520);
	assert_int_equal(sum.errors, 2);
	assert_int_equal(sum.paths, 2);
}

static void latency_is_that_of_the_paths_that_carry_something(void **state)
{
	/* clang-format off */
	static const struct {
		struct {
			uint64_t reads, latency_us;
		} one, two;
		uint64_t latency_us;
	} cells[] = {
		{{  0,    0}, {  0,    0},    0}, /* nothing is known */
		{{  0, 1000}, {  0, 3000}, 2000}, /* idle: both the same */
		{{  0, 1000}, {  0,    0}, 1000},
		{{100, 1000}, {  0, 9000}, 1000}, /* the second is idle */
		{{300, 1000}, {100, 5000}, 2000}, /* as much as they carry */
		{{100, 1000}, {100,    0}, 1000}, /* the second is not known yet */
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct traffic sum = {}, traffic;

		before_paths[1].writes = paths[1].writes;
		paths[1].reads = before_paths[1].reads + cells[i].one.reads;
		paths[1].latency_us = cells[i].one.latency_us;
		traffic = now(0.5);
		traffic_add(&sum, &traffic);
		paths[1].reads = before_paths[1].reads + cells[i].two.reads;
		paths[1].latency_us = cells[i].two.latency_us;
		traffic = now(0.5);
		traffic_add(&sum, &traffic);
		assert_int_equal(traffic_latency_us(&sum), cells[i].latency_us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rates_are_differences_over_time, set_up),
		cmocka_unit_test_setup(no_time_and_no_sample_give_no_rate, set_up),
		cmocka_unit_test_setup(a_new_path_has_no_rate_yet, set_up),
		cmocka_unit_test_setup(a_counter_that_went_back_gives_no_rate, set_up),
		cmocka_unit_test_setup(maps_may_have_changed_places, set_up),
		cmocka_unit_test_setup(sums_add_up, set_up),
		cmocka_unit_test_setup(latency_is_that_of_the_paths_that_carry_something, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
