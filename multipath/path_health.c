/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path_health.h"

#include "util/cleanup.h"

#define NS_PER_MS	 UINT64_C(1000000)
#define NS_PER_S	 UINT64_C(1000000000)
#define STRIKE_WINDOW_NS (60 * NS_PER_S)
#define STRIKE_APART_NS	 NS_PER_S /* what follows sooner is the same trouble */
#define SHORT_LIFE_NS	 (60 * NS_PER_S)
#define SHORT_LIVES	 2 /* one can be a restart; two in a row are flapping */
#define HOLD_MIN_MS	 10000u
#define HOLD_MAX_MS	 600000u
#define RELAPSE_NS	 (600 * NS_PER_S) /* after so long without, it is no relapse */
/* Some 5 % of the last hundred or so commands. */
#define ERROR_RATE_MAX (PATH_HEALTH_ONE / 20)

bool path_health_error(struct path_health *health)
{
	health->error_rate += (PATH_HEALTH_ONE - health->error_rate) >> 6;
	if (health->error_rate < ERROR_RATE_MAX)
		return false;
	/* From here the rate has to rise anew, by half as much: what hovers there strikes again. */
	health->error_rate = ERROR_RATE_MAX / 2;
	return true;
}

bool path_health_strike(struct path_health *health, uint64_t now_ns)
{
	uint64_t apart_ns = now_ns - health->strike_ns;
	bool second = health->strike_ns && apart_ns < STRIKE_WINDOW_NS;

	if (second && apart_ns < STRIKE_APART_NS)
		return false;
	health->strike_ns = second ? 0 : now_ns;
	return second;
}

void path_health_admitted(struct path_health *health, uint64_t now_ns)
{
	health->admitted_ns = now_ns;
}

bool path_health_fell(struct path_health *health, uint64_t now_ns)
{
	if (now_ns - health->admitted_ns >= SHORT_LIFE_NS)
		health->short_lives = 0;
	else if (health->short_lives < SHORT_LIVES)
		health->short_lives++;
	health->error_rate = 0;
	return health->short_lives == SHORT_LIVES;
}

void path_health_hold(struct path_health *health, uint64_t now_ns)
{
	bool relapse = health->hold_end_ns && now_ns < health->hold_end_ns + RELAPSE_NS;

	health->hold_ms = relapse ? MIN(health->hold_ms * 2, HOLD_MAX_MS) : HOLD_MIN_MS;
	health->hold_end_ns = now_ns + health->hold_ms * NS_PER_MS;
}

void path_health_begin_probation(struct path_health *health, uint64_t now_ns)
{
	health->probation_ns = now_ns;
	health->proofs = 0;
}

bool path_health_proof(struct path_health *health)
{
	return ++health->proofs >= PATH_PROBATION_COMMANDS;
}
