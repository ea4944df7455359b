/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * When to log in again after an attempt that failed: never, or after which pause. How the target
 * refused decides (RFC 7143 §11.13.5), and whether the session has ever been up. Plain data, and no
 * clock: whoever owns it waits.
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/reason.h"
#include "util/backoff.h"

#define RETRY_PLAN_GIVE_UP (-1)

struct retry_plan {
	struct backoff backoff;
	uint32_t ceiling_ms; /* as configured; a refusal raises it as long as it stands */
	uint32_t tries_left; /* of a first login; UINT32_MAX: it is never given up */
};

/**
 * retry_plan_init() - for a session that has not been up yet
 * @tries: failures after which its first login is given up; 0: never
 */
void retry_plan_init(struct retry_plan *plan, uint32_t tries);

/** retry_plan_logged_in() - it is up, and never given up from now on; pauses as configured */
void retry_plan_logged_in(struct retry_plan *plan, uint32_t min_ms, uint32_t max_ms);

/**
 * retry_plan_failed() - one attempt more has failed
 * @random: any 32 bits, such as backoff_random()
 * Return: milliseconds to wait before the next one; RETRY_PLAN_GIVE_UP.
 */
int64_t retry_plan_failed(struct retry_plan *plan, enum login_retry retry, uint32_t random);
