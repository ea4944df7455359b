/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path_latency.h"

#include "util/cleanup.h"

#define UNIT_SHIFT	10 /* units of 1024 ns */
#define SAMPLES_PER_SUM 128
#define FIRST_SUM	32

/* Values below 4 have a bucket each; above, the two bits behind the highest one choose. */
static unsigned bucket_of(uint64_t units)
{
	unsigned exponent, bucket;

	if (units < 4)
		return (unsigned)units;
	exponent = 63u - (unsigned)__builtin_clzll(units);
	bucket = 4 * (exponent - 1) + (unsigned)(units >> (exponent - 2) & 3);
	return MIN(bucket, PATH_LATENCY_BUCKETS - 1u);
}

/* The first value that belongs into the next bucket. */
static uint64_t bucket_end_ns(unsigned bucket)
{
	uint64_t units =
		bucket < 4 ? bucket + 1 : (UINT64_C(5) + bucket % 4) << (bucket / 4 + 1) >> 2;

	return units << UNIT_SHIFT;
}

static uint64_t quantile_ns(const struct path_latency *latency, uint32_t rank)
{
	unsigned bucket = 0;
	uint32_t seen = latency->buckets[0];

	while (seen < rank && bucket < PATH_LATENCY_BUCKETS - 1)
		seen += latency->buckets[++bucket];
	return bucket_end_ns(bucket);
}

static void sum_up(struct path_latency *latency)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < PATH_LATENCY_BUCKETS; i++)
		count += latency->buckets[i];
	latency->p50_ns = quantile_ns(latency, (count + 1) / 2);
	latency->p99_ns = quantile_ns(latency, count - count / 100);
	latency->fresh = 0;
	/* So that the last thousand or so count, and the latest of them most. */
	for (unsigned i = 0; i < PATH_LATENCY_BUCKETS && count > 1024; i++)
		latency->buckets[i] /= 2;
}

void path_latency_add(struct path_latency *latency, uint64_t latency_ns)
{
	latency->buckets[bucket_of(latency_ns >> UNIT_SHIFT)]++;
	if (++latency->fresh >= (latency->p99_ns ? SAMPLES_PER_SUM : FIRST_SUM))
		sum_up(latency);
}
