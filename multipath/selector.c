/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/selector.h"

#include <string.h>

#include "multipath/path.h"
#include "util/cleanup.h"

/* A path that did nothing for so long may have changed: it gets the benefit of the doubt. */
#define STALE_NS 1000000000u
/* Costs are compared in this unit, so that cost times throughput cannot overflow. */
#define COST_SHIFT 9

static bool is_candidate(const struct path *path, uint64_t avoid)
{
	return path_usable(path) && !(path_bit(path) & avoid);
}

/* The list is rotated by every choice, so its first usable path is the one whose turn it is. */
static struct path *round_robin_choose(struct list *paths, uint64_t avoid, uint64_t cost,
				       uint64_t now_ns)
{
	struct path *path;

	list_for_each (path, paths, group_link) {
		if (is_candidate(path, avoid))
			return path;
	}
	return NULL;
}

/* Fewest commands in flight. */
static struct path *queue_length_choose(struct list *paths, uint64_t avoid, uint64_t cost,
					uint64_t now_ns)
{
	struct path *path, *best = NULL;

	list_for_each (path, paths, group_link) {
		if (!is_candidate(path, avoid))
			continue;
		if (!best || path->statistics.in_flight < best->statistics.in_flight)
			best = path;
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
		load = (path->cost_in_flight + cost) >> COST_SHIFT;
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

static const struct selector_ops selectors[] = {
	{"service-time", service_time_choose},
	{"queue-length", queue_length_choose},
	{"round-robin", round_robin_choose},
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
