/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * How long the reads of a path take: a histogram with four buckets to each power of two, that
 * forgets by halves, and the quantiles that hedging needs. Lives inside a path.
 */

#include <stdint.h>

#define PATH_LATENCY_BUCKETS 100

struct path_latency {
	uint64_t p50_ns, p99_ns; /* as of the last count; 0 = not known yet */
	uint16_t buckets[PATH_LATENCY_BUCKETS];
	uint16_t fresh; /* samples since then */
};

/** path_latency_add() - one more read took so long; a shift and an addition, mostly */
void path_latency_add(struct path_latency *latency, uint64_t latency_ns);
