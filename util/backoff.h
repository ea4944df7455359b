/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A delay that doubles with each failure up to a ceiling, with jitter so that many who failed
 * together do not try again together. Plain data: whoever owns it calls.
 */

#include <stdint.h>

struct backoff {
	uint32_t first_ms, ceiling_ms;
	uint32_t base_ms; /* of the next delay, before jitter */
};

/** backoff_init() - @ceiling_ms below @first_ms counts as @first_ms */
void backoff_init(struct backoff *backoff, uint32_t first_ms, uint32_t ceiling_ms);

/**
 * backoff_next_ms() - how long to wait after one more failure
 * @random: any 32 bits, such as backoff_random(); the same give the same delay
 *
 * Return: between three quarters of the base and the base, milliseconds; the base starts at
 * first_ms, doubles at each call, and stays at ceiling_ms.
 */
uint32_t backoff_next_ms(struct backoff *backoff, uint32_t random);

/** backoff_reset() - it worked: start over with the first delay */
void backoff_reset(struct backoff *backoff);

/** backoff_random() - 32 random bits from the kernel */
uint32_t backoff_random(void);
