/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/selector.h"

#include <string.h>

#include "multipath/path.h"
#include "util/cleanup.h"

/* A path that did nothing for so long may have changed: it gets the benefit of the doubt. */
#define STALE_NS 1000000000u
/* Costs are compared in this unit, so that cost times throughput cannot overflow. */
#define COST_SHIFT	9
#define WEIGHT_SHIFT	8
#define STALE_LATENCIES 32

static bool is_candidate(const struct path *path, uint64_t avoid)
{
	return path_usable(path) && path_has_room(path) && !(path_bit(path) & avoid);
}

/*
 * The list is rotated by every choice, so its first usable path is the one whose turn it is. The
 * others leave a path alone that does not get on; this one would fill it.
 */
static struct path *round_robin_choose(struct list *paths, uint64_t avoid, uint64_t cost,
				       uint64_t now_ns)
{
	struct path *path;

	list_for_each (path, paths, group_link) {
		if (is_candidate(path, avoid) && !path->full)
			return path;
	}
	return NULL;
}

/* Fewest commands in flight. */
static struct path *queue_length_choose(struct list *paths, uint64_t avoid, uint64_t cost,
					uint64_t now_ns)
{
	struct path *path, *best = NULL;
	uint64_t load, best_load = 0;

	list_for_each (path, paths, group_link) {
		if (!is_candidate(path, avoid))
			continue;
		load = (path->statistics.in_flight + UINT64_C(1)) * path->weight_scale;
		if (!best || load < best_load) {
			best = path;
			best_load = load;
		}
	}
	return best;
}

static uint64_t known_throughput(const struct path *path, uint64_t now_ns)
{
	if (path->statistics.in_flight == 0 && now_ns - path->measured_ns > STALE_NS)
		return 0;
	return path->throughput;
}

/*
 * Where it would be answered first: (what is in flight + this command) / measured throughput. A
 * path that is not measured counts as fast as the fastest; one command on it will tell. Quotients
 * are compared crosswise, there is no division.
 */
static struct path *service_time_choose(struct list *paths, uint64_t avoid, uint64_t cost,
					uint64_t now_ns)
{
	uint64_t fastest = 1, best_load = 0, best_throughput = 0;
	struct path *path, *best = NULL;

	list_for_each (path, paths, group_link) {
		if (is_candidate(path, avoid))
			fastest = MAX(fastest, known_throughput(path, now_ns));
	}
	list_for_each (path, paths, group_link) {
		uint64_t load, throughput;

		if (!is_candidate(path, avoid))
			continue;
		load = ((path->cost_in_flight + cost) >> COST_SHIFT) * path->weight_scale >>
		       WEIGHT_SHIFT;
		throughput = known_throughput(path, now_ns);
		if (throughput == 0)
			throughput = fastest;
		if (!best || load * best_throughput < best_load * throughput) {
			best = path;
			best_load = load;
			best_throughput = throughput;
		}
	}
	return best;
}

/* Nobody knows how fast it is, or nobody has asked it for long: one command will tell. */
static bool wants_asking(const struct path *path, uint64_t least_ns, uint64_t now_ns)
{
	return least_ns == 0 || path->cost_time == 0 ||
	       now_ns - path->answered_ns > MAX(STALE_NS, STALE_LATENCIES * least_ns);
}

static uint64_t expected_delay_ns(const struct path *path, uint64_t cost, uint64_t now_ns)
{
	uint64_t least_ns = path_least_latency_ns(path), queue_ns;

	if (wants_asking(path, least_ns, now_ns) && path->statistics.in_flight == 0)
		return 0;
	if (least_ns == 0 || path->cost_time == 0) /* it is being asked */
		return UINT64_MAX / 2 + path->cost_in_flight;
	queue_ns = (path->cost_in_flight + cost) * path->cost_time >> 16;
	return (least_ns + queue_ns) * path->weight_scale;
}

/*
 * Where it would be answered first: what the way takes by itself, and the time to serve what is in
 * flight and this command at the bandwidth that was measured. Unlike service-time it tells a way
 * that is long from one that is narrow.
 */
static struct path *shortest_delay_choose(struct list *paths, uint64_t avoid, uint64_t cost,
					  uint64_t now_ns)
{
	uint64_t delay_ns, best_delay_ns = 0;
	struct path *path, *best = NULL;

	list_for_each (path, paths, group_link) {
		if (!is_candidate(path, avoid))
			continue;
		delay_ns = expected_delay_ns(path, cost, now_ns);
		if (!best || delay_ns < best_delay_ns) {
			best = path;
			best_delay_ns = delay_ns;
		}
	}
	return best;
}

static const struct selector_ops selectors[] = {
	{"service-time", service_time_choose},
	{"queue-length", queue_length_choose},
	{"round-robin", round_robin_choose},
	{"shortest-expected-delay", shortest_delay_choose},
};

const struct selector_ops *selector_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		if (strcmp(selectors[i].name, name) == 0)
			return &selectors[i];
	}
	return NULL;
}

const struct selector_ops *selector_at(size_t index)
{
	return index < ARRAY_SIZE(selectors) ? &selectors[index] : NULL;
}
