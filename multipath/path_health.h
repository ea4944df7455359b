/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a path's past says of it: how often its commands fail, how often it comes and goes, and how
 * long it must therefore be held back. Sans clock; lives inside a path. What follows is the path's.
 *
 * Errors and latency are judged by strikes: one alone means nothing, two within a minute make the
 * path marginal. It is held back for 10 s then, for twice as long at each relapse, up to 10 min,
 * and has to prove itself afterwards. A path that falls soon after each return (it flaps) comes
 * back marginal, too.
 */

#include <stdbool.h>
#include <stdint.h>

#define PATH_PROBATION_COMMANDS 16		     /* that end well, or … */
#define PATH_PROBATION_NS	UINT64_C(5000000000) /* … so long without an error, prove a path */

struct path_health {
	uint32_t error_rate;  /* moving average; PATH_HEALTH_ONE = every command */
	uint64_t strike_ns;   /* the last one; 0 = none that counts */
	uint64_t admitted_ns; /* when it was last let in; 0 = never */
	uint8_t short_lives;  /* times in a row that it fell soon after that */

	uint64_t probation_ns; /* since when; starts again with each error */
	uint8_t proofs;	       /* commands that ended well since then */

	uint32_t hold_ms;     /* how long it is, or was last, held back */
	uint64_t hold_end_ns; /* when that is over; 0 = it never was */
};

#define PATH_HEALTH_ONE (1u << 16)

/** path_health_good() - a command ended well; all that an ordinary command costs */
static inline void path_health_good(struct path_health *health)
{
	health->error_rate -= health->error_rate >> 6;
}

/** path_health_error() - a command failed for which the path is to blame. Return: it is a strike */
bool path_health_error(struct path_health *health);

/**
 * path_health_strike() - Return: it is the second within a minute: the path is marginal. What comes
 * within a second of the first belongs to it.
 */
bool path_health_strike(struct path_health *health, uint64_t now_ns);

/** path_health_admitted() - from now on it carries I/O */
void path_health_admitted(struct path_health *health, uint64_t now_ns);
/** path_health_fell() - it no longer does. Return: it flaps, so it is to come back marginal */
bool path_health_fell(struct path_health *health, uint64_t now_ns);

/** path_health_hold() - it became marginal: hold_end_ns says until when */
void path_health_hold(struct path_health *health, uint64_t now_ns);

/** path_health_begin_probation() - also again, after an error */
void path_health_begin_probation(struct path_health *health, uint64_t now_ns);
/** path_health_proof() - a command ended well on probation. Return: that is proof enough */
bool path_health_proof(struct path_health *health);
