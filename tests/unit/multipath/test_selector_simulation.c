/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Selectors on unequal paths, in simulated time: each path is a link with a bandwidth, over which
 * answers leave one by one, and a delay. A fixed number of reads is always under way. The figures
 * that this prints are why service-time is the default.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

#define PATHS	  2
#define DEPTH_MAX 128
#define KIB	  1024u

struct link_model {
	uint32_t mbit;	   /* per second */
	uint32_t delay_us; /* of a command and its answer together */
};

struct scenario {
	const char *name;
	struct link_model links[PATHS];
	unsigned depth;	   /* reads under way */
	uint32_t bytes[2]; /* lengths, in turn */
	uint32_t turn_ms;  /* after which the first link has @turn_mbit; 0 = never */
	uint32_t turn_mbit;
};

struct result {
	uint64_t bytes_per_s;
	uint64_t mean_us, p99_us;
	unsigned share; /* percent of the commands that the first path carried */
};

struct read_loop {
	struct map_command command;
	struct simulation *simulation;
	uint64_t started_us;
};

/* What is on the wire of one path: when each is answered, oldest first. */
struct wire {
	uint64_t due_us[DEPTH_MAX];
	unsigned first, count;
	uint64_t free_us; /* when the link is */
	size_t seen;	  /* commands of the nexus */
};

#define SAMPLES 20000

struct simulation {
	const struct scenario *scenario;
	struct ring *ring;
	struct map *map;
	struct fake_nexus *nexus[PATHS];
	struct path *path[PATHS];
	struct wire wires[PATHS];
	struct read_loop readers[DEPTH_MAX];
	uint64_t now_us, bytes;
	uint32_t *latencies_us;
	size_t done, turn;
	uint8_t *memory;
};

static uint32_t mbit_of(const struct simulation *s, unsigned path)
{
	const struct scenario *scenario = s->scenario;

	if (path == 0 && scenario->turn_ms && s->now_us >= scenario->turn_ms * UINT64_C(1000))
		return scenario->turn_mbit;
	return scenario->links[path].mbit;
}

/* What was submitted since: the link serves in order, and each answer takes its delay on top. */
static void take_submitted(struct simulation *s)
{
	for (unsigned p = 0; p < PATHS; p++) {
		struct wire *wire = &s->wires[p];
		const struct fake_nexus *nexus = s->nexus[p];

		for (; wire->seen < nexus->record_count; wire->seen++) {
			uint64_t bits = nexus->records[wire->seen].data_length * UINT64_C(8);

			wire->free_us = MAX(wire->free_us, s->now_us) + bits / mbit_of(s, p) + 1;
			assert_true(wire->count < DEPTH_MAX);
			wire->due_us[(wire->first + wire->count++) % DEPTH_MAX] =
				wire->free_us + s->scenario->links[p].delay_us;
		}
	}
}

static void submit(struct simulation *s, struct read_loop *reader)
{
	uint32_t bytes = s->scenario->bytes[s->turn++ % 2];
	struct scsi_command *scsi = &reader->command.scsi;

	reader->started_us = s->now_us;
	reader->command.kind = MAP_READ;
	scsi->data = s->memory;
	cdb_read_16(scsi, 0, 0, bytes / 512, 512);
	map_submit(s->map, &reader->command);
}

static void reader_done(struct map_command *command, int error)
{
	struct read_loop *reader = container_of(command, struct read_loop, command);
	struct simulation *s = reader->simulation;

	assert_int_equal(error, 0);
	if (s->done >= SAMPLES)
		return;
	s->latencies_us[s->done++] = (uint32_t)(s->now_us - reader->started_us);
	s->bytes += command->scsi.data_length;
	submit(s, reader);
}

static bool step(struct simulation *s)
{
	unsigned next = PATHS;
	uint64_t due_us = UINT64_MAX;
	struct wire *wire;

	take_submitted(s);
	for (unsigned p = 0; p < PATHS; p++) {
		wire = &s->wires[p];
		if (wire->count > 0 && wire->due_us[wire->first] < due_us) {
			due_us = wire->due_us[wire->first];
			next = p;
		}
	}
	if (next == PATHS)
		return false;
	fake_ring_advance_us(s->ring, due_us - s->now_us);
	s->now_us = due_us;
	wire = &s->wires[next];
	wire->first = (wire->first + 1) % DEPTH_MAX;
	wire->count--;
	assert_true(fake_nexus_complete(s->nexus[next], 0, &FAKE_STATUS(SCSI_GOOD)));
	return true;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct result measure(const struct simulation *s)
{
	uint64_t sum = 0, all = s->nexus[0]->record_count + s->nexus[1]->record_count;

	for (size_t i = 0; i < s->done; i++)
		sum += s->latencies_us[i];
	qsort(s->latencies_us, s->done, sizeof(s->latencies_us[0]), by_value);
	return (struct result){
		.bytes_per_s = s->bytes * 1000000 / s->now_us,
		.mean_us = sum / s->done,
		.p99_us = s->latencies_us[s->done * 99 / 100],
		.share = (unsigned)(s->nexus[0]->record_count * 100 / all),
	};
}

static struct result simulate(const struct scenario *scenario, const char *selector)
{
	struct simulation *s = calloc(1, sizeof(*s));
	struct map_settings settings = fixture_settings;
	const struct unit unit = {.limits = {.blocks = 4096, .block_size = 512}};
	struct result result;

	strcpy(settings.selector, selector);
	s->scenario = scenario;
	s->ring = fake_ring_new();
	s->memory = calloc(1, 1024 * KIB);
	s->latencies_us = calloc(SAMPLES, sizeof(s->latencies_us[0]));
	assert_int_equal(map_new(s->ring, &unit, &settings, NULL, NULL, &s->map), 0);
	for (unsigned p = 0; p < PATHS; p++) {
		s->nexus[p] = fake_nexus_new(NULL, p);
		assert_int_equal(map_add_path(s->map, &s->nexus[p]->nexus, NULL, &s->path[p]), 0);
		path_verified(s->path[p]);
	}
	for (unsigned i = 0; i < scenario->depth; i++) {
		s->readers[i].simulation = s;
		s->readers[i].command.done = reader_done;
		submit(s, &s->readers[i]);
	}
	while (step(s))
		;
	result = measure(s);
	map_free(s->map);
	for (unsigned p = 0; p < PATHS; p++)
		fake_nexus_free(s->nexus[p]);
	ring_free(s->ring);
	free(s->latencies_us);
	free(s->memory);
	free(s);
	return result;
}

/* clang-format off */
static const struct scenario scenarios[] = {
	{"equal, 64 KiB × 32",              {{1000, 200}, {1000, 200}},   32, {64 * KIB, 64 * KIB}},
	{"100/300 Mbit/s, 64 KiB × 32",     {{100, 200}, {300, 200}},     32, {64 * KIB, 64 * KIB}},
	{"100/300 Mbit/s, 4 KiB × 4",       {{100, 200}, {300, 200}},      4, {4 * KIB, 4 * KIB}},
	{"100/300 Mbit/s, 4 KiB and 256 KiB × 16", {{100, 200}, {300, 200}}, 16, {4 * KIB, 256 * KIB}},
	{"one +50 ms, 4 KiB × 1",           {{1000, 50200}, {1000, 200}},  1, {4 * KIB, 4 * KIB}},
	{"one +50 ms, 4 KiB × 16",          {{1000, 50200}, {1000, 200}}, 16, {4 * KIB, 4 * KIB}},
	{"one +50 ms, 64 KiB × 32",         {{1000, 50200}, {1000, 200}}, 32, {64 * KIB, 64 * KIB}},
	{"one +50 ms, 256 KiB × 128",       {{1000, 50200}, {1000, 200}}, 128, {256 * KIB, 256 * KIB}},
	{"200 Mbit/s, one +100 ms, 64 KiB × 22", {{200, 100200}, {200, 200}}, 22, {64 * KIB, 64 * KIB}},
	{"one falls from 1000 to 10 Mbit/s, 16 KiB × 16", {{1000, 200}, {1000, 200}}, 16,
	                                    {16 * KIB, 16 * KIB}, 500, 10},
};
/* clang-format on */

enum {
	EQUAL,
	UNEQUAL,
	UNEQUAL_SMALL,
	UNEQUAL_MIXED,
	FAR_ONE,
	FAR_SOME,
	FAR_MANY,
	FAR_FULL,
	FAR_NARROW,
	FALLS
};

static const char *const names[] = {"service-time", "shortest-expected-delay", "queue-length",
				    "round-robin"};

enum { SERVICE_TIME, SHORTEST_DELAY, QUEUE_LENGTH, ROUND_ROBIN };

static struct result results[ARRAY_SIZE(scenarios)][ARRAY_SIZE(names)];

static int simulate_all(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		printf("%s\n", scenarios[i].name);
		for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
			struct result *r = &results[i][n];

			*r = simulate(&scenarios[i], names[n]);
			printf("  %-24s %6.1f MB/s  mean %8.2f ms  p99 %8.2f ms  first path %u %%\n",
			       names[n], (double)r->bytes_per_s / 1e6, (double)r->mean_us / 1e3,
			       (double)r->p99_us / 1e3, r->share);
		}
	}
	return 0;
}

static void the_same_simulation_has_the_same_result(void **state)
{
	struct result again = simulate(&scenarios[UNEQUAL_MIXED], names[SHORTEST_DELAY]);
	const struct result *first = &results[UNEQUAL_MIXED][SHORTEST_DELAY];

	assert_int_equal(again.bytes_per_s, first->bytes_per_s);
	assert_int_equal(again.mean_us, first->mean_us);
	assert_int_equal(again.p99_us, first->p99_us);
	assert_int_equal(again.share, first->share);
}

static uint64_t rate(int scenario, int selector)
{
	return results[scenario][selector].bytes_per_s;
}

static void selectors_that_look_give_unequal_paths_what_they_can_carry(void **state)
{
	const uint64_t both = 400 * UINT64_C(1000000) / 8;

	for (int n = SERVICE_TIME; n <= SHORTEST_DELAY; n++) {
		assert_true(rate(UNEQUAL, n) > both * 98 / 100);
		assert_true(rate(UNEQUAL_MIXED, n) > both * 98 / 100);
		assert_true(rate(EQUAL, n) > 2 * UINT64_C(125000000) * 98 / 100);
		assert_in_range(results[EQUAL][n].share, 49, 51);
	}
	assert_true(rate(UNEQUAL, ROUND_ROBIN) < both * 85 / 100);
}

static void a_long_way_is_used_when_the_short_one_is_full_and_else_left_alone(void **state)
{
	for (int n = SERVICE_TIME; n <= SHORTEST_DELAY; n++) {
		assert_in_range(results[FAR_ONE][n].p99_us, 0, 1000);
		assert_in_range(results[FAR_SOME][n].p99_us, 0, 2000);
		assert_true(rate(FAR_FULL, n) > 240 * UINT64_C(1000000));
	}
	/* With one read at a time all that counts is how seldom the long way is asked. */
	assert_true(rate(FAR_ONE, SHORTEST_DELAY) > rate(FAR_ONE, SERVICE_TIME));
	assert_true(rate(FAR_ONE, ROUND_ROBIN) < rate(FAR_ONE, SERVICE_TIME) / 10);
}

/* Answers over it come in bursts, and a burst is as fast as the short way's answers are. */
static void a_long_way_is_not_taken_for_a_fast_one_by_its_bursts(void **state)
{
	for (int n = SERVICE_TIME; n <= SHORTEST_DELAY; n++) {
		assert_in_range(results[FAR_NARROW][n].p99_us, 0, 60000);
		assert_in_range(results[FAR_NARROW][n].share, 0, 3);
	}
}

static void a_path_that_gets_slow_is_found_out(void **state)
{
	for (int n = SERVICE_TIME; n <= SHORTEST_DELAY; n++)
		assert_true(rate(FALLS, n) > 20 * rate(FALLS, ROUND_ROBIN));
}

/*
 * shortest-expected-delay would be the default if it won. It does for a single read at a time over
 * ways of different length; elsewhere the mean is the same, and the slowest reads are slower.
 */
static void service_time_is_as_good_or_better_wherever_there_is_a_queue(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const struct result *one = &results[i][SERVICE_TIME];
		const struct result *other = &results[i][SHORTEST_DELAY];

		if (i == FAR_ONE)
			continue;
		assert_true(one->bytes_per_s >= other->bytes_per_s * 98 / 100);
		assert_true(one->mean_us <= other->mean_us * 102 / 100);
		assert_true(one->p99_us <= other->p99_us * 102 / 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_simulation_has_the_same_result),
		cmocka_unit_test(selectors_that_look_give_unequal_paths_what_they_can_carry),
		cmocka_unit_test(a_long_way_is_used_when_the_short_one_is_full_and_else_left_alone),
		cmocka_unit_test(a_long_way_is_not_taken_for_a_fast_one_by_its_bursts),
		cmocka_unit_test(a_path_that_gets_slow_is_found_out),
		cmocka_unit_test(service_time_is_as_good_or_better_wherever_there_is_a_queue),
	};

	return cmocka_run_group_tests(tests, simulate_all, NULL);
}
