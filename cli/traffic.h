/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What goes over paths: counted since they exist, and measured between two looks at them.
 */

#include "cli/model.h"

/* clang-format off */
enum traffic_counter {
	TRAFFIC_READS, TRAFFIC_WRITES, TRAFFIC_BYTES_READ, TRAFFIC_BYTES_WRITTEN, TRAFFIC_COUNT,
};
/* clang-format on */

/* Counters of a while ago; {} when nothing was measured. */
struct samples {
	const struct map_list *before;
	double seconds; /* that have gone since then */
};

/* Of one path, or the sum of several; {} is none. */
struct traffic {
	uint64_t total[TRAFFIC_COUNT];
	double rate[TRAFFIC_COUNT]; /* per second; 0 when nothing was measured */
	uint64_t errors;
	unsigned paths;
	/* of the paths that have a latency: how many, their sum, and weighted by commands per
	 * second */
	unsigned timed;
	double latency_us, weighted_latency_us, weight;
};

/**
 * traffic_of() - of one path of @map, as it is now
 * @index: where the map is in its list: the same place is looked at first in @samples
 */
struct traffic traffic_of(const struct samples *samples, const struct map_info *map, size_t index,
			  const struct path_info *path);
void traffic_add(struct traffic *sum, const struct traffic *traffic);

/**
 * traffic_latency_us() - moving average
 *
 * Of several paths those count that carry something, as much as they carry; when none does, all
 * count the same. Return: 0 when it is not known.
 */
uint64_t traffic_latency_us(const struct traffic *traffic);
