/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The fence: what makes sure that nothing of a lost login can still be executed by the unit.
 *
 * It begins with a login that takes the place of the lost one: same initiator name and ISID, at any
 * portal of the same portal group (session reinstatement, RFC 7143 §6.3.5). Whoever logs in does
 * that, and brings the nexus of the new session here. Its first commands on that nexus are the
 * rungs of a ladder, climbed as far as the target's profile asks for:
 *
 * 1. A READ of one block as barrier. It comes back when the target has got so far; a target that
 *    accepts the login first and ends the old session afterwards holds it back for so long.
 * 2. LOGICAL UNIT RESET, for targets that leave tasks of the old session running. It ends the tasks
 *    of every initiator, so it is climbed only as far as may_reset allows.
 *
 * What other ways there are to end a ghost do not come here: ABORT TASK that the old nexus still
 * answers (the command is SCSI_ABORTED, and never was in doubt), PREEMPT AND ABORT by whoever keeps
 * the keys of a map (see fence_wanted in map.h), and time (guard.h).
 *
 * LOGICAL UNIT RESET alone, over a healthy path, is no fence: bytes that are still in the old TCP
 * stream are unknown to the target, and become commands later (RFC 7143 §4.2.3.3). Only after
 * reinstatement there is no such stream.
 *
 * Runs on the nexus's worker. Not on the way of any I/O: it allocates.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/guard.h"
#include "multipath/profile.h"

struct fence;
struct nexus;
struct ring;

/* What may be done to other initiators for a fence's sake. */
enum fence_reset {
	FENCE_RESET_NEVER,
	FENCE_RESET_EXCLUSIVE, /* on units that no other initiator uses: the default */
	FENCE_RESET_ALWAYS,
	FENCE_RESET_COUNT,
};

/** fence_reset_name() - "never", "exclusive", "always" */
const char *fence_reset_name(enum fence_reset reset);
/** fence_reset_of() - Return: -EINVAL for a name that is none */
int fence_reset_of(const char *name);

/* How sure one can be that a ghost is dead when its write is no longer guarded. */
enum fence_quality {
	FENCE_QUALITY_EXACT,	 /* the target is known to end what reinstatement leaves */
	FENCE_QUALITY_STANDARD,	 /* the standard says that it must; nobody looked */
	FENCE_QUALITY_LUN_RESET, /* it does not, and its LOGICAL UNIT RESET does */
	FENCE_QUALITY_TIMED,	 /* it does not, and resets are not allowed: only time helps */
	FENCE_QUALITY_NONE,	 /* INTEGRITY_LEGACY */
	FENCE_QUALITY_COUNT,
};

/** fence_quality_name() - "exact", "standard", "lun-reset", "timed", "none" */
const char *fence_quality_name(enum fence_quality quality);

struct fence_settings {
	enum profile_drain drain;
	bool may_reset;
	bool needs_10_byte;  /* see struct unit_limits */
	uint32_t block_size; /* bytes */
};

/** fence_may_reset() - is LOGICAL UNIT RESET allowed on such a unit? */
bool fence_may_reset(enum fence_reset reset, enum integrity integrity);
/** fence_quality() - what the ladder comes to */
enum fence_quality fence_quality(enum integrity integrity, enum profile_drain drain,
				 bool may_reset);

enum fence_end {
	FENCE_CLOSED, /* nothing of the lost login can be executed any more */
	FENCE_RESET,  /* the same, and tasks on all other nexuses of the unit were ended */
	FENCE_FAILED, /* the nexus went down, or no rung is left: nothing is known */
};

/**
 * fence_start() - climb the ladder over @nexus
 * @nexus: of a session that took the place of the lost one; up; alive until done() has run or,
 * after fence_cancel(), until its commands have come back
 * @done: runs once, never inside this call; the fence is freed when it returns
 *
 * Rungs that the target has no time for (busy, becoming ready) are tried again until it does.
 * Return: 0; -ENOMEM; -ENOTCONN (done() never runs).
 */
int fence_start(struct ring *ring, struct nexus *nexus, const struct fence_settings *settings,
		void (*done)(enum fence_end end, void *userdata), void *userdata,
		struct fence **ret);

/** fence_cancel() - done() will not run, @fence must not be touched again; NULL is fine */
void fence_cancel(struct fence *fence);
