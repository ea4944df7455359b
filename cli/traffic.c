/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/traffic.h"

#include <string.h>

static const struct map_info *find_map(const struct map_list *maps, const char *object,
				       size_t guess)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct map_info *map = &maps->items[(guess + i) % maps->count];

		if (strcmp(map->object, object) == 0)
			return map;
	}
	return NULL;
}

/* How @path was when it was looked at first; NULL when it is new. */
static const struct path_info *path_before(const struct samples *samples,
					   const struct map_info *map, size_t index,
					   const struct path_info *path)
{
	const struct map_info *before;

	if (!samples->before || samples->seconds <= 0)
		return NULL;
	before = find_map(samples->before, map->object, index);
	for (size_t i = 0; before && i < before->path_count; i++)
		if (strcmp(before->paths[i].object, path->object) == 0)
			return &before->paths[i];
	return NULL;
}

static void totals_of(const struct path_info *path, uint64_t total[TRAFFIC_COUNT])
{
	total[TRAFFIC_READS] = path->reads;
	total[TRAFFIC_WRITES] = path->writes;
	total[TRAFFIC_BYTES_READ] = path->bytes_read;
	total[TRAFFIC_BYTES_WRITTEN] = path->bytes_written;
}

struct traffic traffic_of(const struct samples *samples, const struct map_info *map, size_t index,
			  const struct path_info *path)
{
	const struct path_info *before = path_before(samples, map, index, path);
	struct traffic traffic = {.errors = path->errors, .paths = 1};
	uint64_t then[TRAFFIC_COUNT];

	totals_of(path, traffic.total);
	totals_of(before ? before : path, then);
	for (unsigned i = 0; i < TRAFFIC_COUNT; i++)
		/* a counter that went back belongs to a path that was made anew meanwhile */
		if (traffic.total[i] > then[i])
			traffic.rate[i] = (double)(traffic.total[i] - then[i]) / samples->seconds;
	if (path->latency_us > 0) {
		traffic.timed = 1;
		traffic.latency_us = (double)path->latency_us;
		traffic.weight = traffic.rate[TRAFFIC_READS] + traffic.rate[TRAFFIC_WRITES];
		traffic.weighted_latency_us = traffic.latency_us * traffic.weight;
	}
	return traffic;
}

void traffic_add(struct traffic *sum, const struct traffic *traffic)
{
	for (unsigned i = 0; i < TRAFFIC_COUNT; i++) {
		sum->total[i] += traffic->total[i];
		sum->rate[i] += traffic->rate[i];
	}
	sum->errors += traffic->errors;
	sum->paths += traffic->paths;
	sum->timed += traffic->timed;
	sum->latency_us += traffic->latency_us;
	sum->weight += traffic->weight;
	sum->weighted_latency_us += traffic->weighted_latency_us;
}

uint64_t traffic_latency_us(const struct traffic *traffic)
{
	if (traffic->weight > 0)
		return (uint64_t)(traffic->weighted_latency_us / traffic->weight + 0.5);
	return traffic->timed ? (uint64_t)(traffic->latency_us / traffic->timed + 0.5) : 0;
}
