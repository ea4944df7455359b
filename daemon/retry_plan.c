/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/retry_plan.h"

#include "util/cleanup.h"

#define FIRST_PAUSE_MS	   250 /* between attempts at the very first login */
#define FIRST_PAUSE_MAX_MS 1000

/*
 * What the target's word does to the pauses. Those of a target that is busy, or does not answer,
 * are as configured; one that has refused is not asked again soon, and one that will go on refusing
 * until somebody changes something is only asked for the case that this was done at the target.
 */
static const struct {
	bool final;			  /* a first login is given up at once */
	uint32_t at_least_ms, ceiling_ms; /* 0: as configured */
} pauses[LOGIN_RETRY_COUNT] = {
	[LOGIN_RETRY_NEVER] = {true, 300000, 300000},
	[LOGIN_RETRY_SLOW] = {true, 10000, 300000},
	[LOGIN_RETRY_BACKOFF] = {},
	[LOGIN_RETRY_REDIRECT] = {},
	[LOGIN_RETRY_NEW] = {},
};

void retry_plan_init(struct retry_plan *plan, uint32_t tries)
{
	retry_plan_logged_in(plan, FIRST_PAUSE_MS, FIRST_PAUSE_MAX_MS);
	if (tries)
		plan->tries_left = tries;
}

void retry_plan_logged_in(struct retry_plan *plan, uint32_t min_ms, uint32_t max_ms)
{
	plan->tries_left = UINT32_MAX;
	backoff_init(&plan->backoff, min_ms, max_ms);
	plan->ceiling_ms = plan->backoff.ceiling_ms;
}

int64_t retry_plan_failed(struct retry_plan *plan, enum login_retry retry, uint32_t random)
{
	if (plan->tries_left != UINT32_MAX && (pauses[retry].final || --plan->tries_left == 0))
		return RETRY_PLAN_GIVE_UP;
	plan->backoff.ceiling_ms = MAX(plan->ceiling_ms, pauses[retry].ceiling_ms);
	plan->backoff.base_ms = MIN(MAX(plan->backoff.base_ms, pauses[retry].at_least_ms),
				    plan->backoff.ceiling_ms);
	return backoff_next_ms(&plan->backoff, random);
}
