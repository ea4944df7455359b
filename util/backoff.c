/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "util/backoff.h"

#include <sys/random.h>
#include <time.h>

#include "util/cleanup.h"

void backoff_init(struct backoff *backoff, uint32_t first_ms, uint32_t ceiling_ms)
{
	*backoff = (struct backoff){
		.first_ms = first_ms,
		.ceiling_ms = MAX(first_ms, ceiling_ms),
		.base_ms = first_ms,
	};
}

uint32_t backoff_next_ms(struct backoff *backoff, uint32_t random)
{
	uint32_t base_ms = backoff->base_ms;
	uint32_t spread_ms = base_ms / 4;

	backoff->base_ms = (uint32_t)MIN((uint64_t)base_ms * 2, (uint64_t)backoff->ceiling_ms);
	return base_ms - (uint32_t)((uint64_t)random * ((uint64_t)spread_ms + 1) >> 32);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->base_ms = backoff->first_ms;
}

uint32_t backoff_random(void)
{
	uint32_t random;
	struct timespec now;

	/* Before the pool is seeded, in early boot, the clock's nanoseconds are jitter enough. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random))
		return random;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_nsec * 2654435761u;
}
