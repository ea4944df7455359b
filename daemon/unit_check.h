/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a look at a session means for a unit that is in use through it. Plain functions: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/probe.h"

enum unit_verdict {
	UNIT_SAME,	  /* the right one answers */
	UNIT_UNKNOWN,	  /* nobody can tell now: look again */
	UNIT_RESIZED,	  /* the right one, with more or fewer blocks */
	UNIT_REFORMATTED, /* the same, but its blocks have another length */
	UNIT_OTHER,	  /* another unit has its LUN */
	UNIT_GONE,	  /* there is none behind its LUN any more */
	UNIT_VERDICT_COUNT,
};

/**
 * unit_check() - what became of @expected
 * @listed: REPORT LUNS names its LUN
 * @verdict, @found: of a probe of that LUN, which is made also when it is not listed
 *
 * A unit that answers is not gone, listed or not: a target may hide what it still serves.
 */
enum unit_verdict unit_check(const struct unit *expected, bool listed, enum probe_verdict verdict,
			     const struct unit *found);

/**
 * unit_lists_missing() - which of @known are not in @listed; each LUN stands in a list once
 * @missing: room for @known_count
 *
 * Return: how many; -ENOMEM.
 */
int unit_lists_missing(const uint64_t *known, size_t known_count, const uint64_t *listed,
		       size_t listed_count, uint64_t *missing);

/* How far it is with a unit that is gone, or whose LUN is another's. */
enum unit_step {
	UNIT_STEP_WAIT,	 /* look again: it may be back in a moment */
	UNIT_STEP_FAIL,	 /* no I/O through this path any more; look again */
	UNIT_STEP_LEAVE, /* the path leaves its map */
};

/**
 * unit_step() - what to do about a unit that was found gone
 * @looks: that found it so in a row, this one included
 * @gone_ms: since the first of them
 * @carries: its path was in use until now
 * @asked: an operator wants to know, and does not wait
 *
 * A target that has just started may show its units a moment later, so that what was not used since
 * the login is looked for a second time before the path fails: that may fail the whole map. And a
 * path leaves only after some seconds: what was unmapped by mistake comes back.
 */
enum unit_step unit_step(unsigned looks, uint64_t gone_ms, bool carries, bool asked);
