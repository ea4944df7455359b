/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The states of a path as one table. Plain functions over constant data: any thread.
 *
 * A path that carries I/O has a standing, which its past gave it: probation, active or marginal.
 * Suspect and throttled are how it does at the moment; when that is over it has its standing again.
 */

#include <stdbool.h>

enum path_state {
	PATH_DOWN,	  /* its nexus is down */
	PATH_VERIFY,	  /* identity not verified yet, or to be verified again */
	PATH_PROBATION,	  /* back: carries a small share of the I/O until it has proved itself */
	PATH_ACTIVE,	  /* carries I/O */
	PATH_SUSPECT,	  /* it does not answer at the moment: no I/O while another path is there */
	PATH_THROTTLED,	  /* alive, but it takes no commands: the same */
	PATH_MARGINAL,	  /* errors, latency or flapping: held back while another path is there */
	PATH_FAILED,	  /* up, but it failed too often: not used, unless it is the last */
	PATH_UNMAPPED,	  /* the target says that there is no such unit any more */
	PATH_QUARANTINED, /* leads to another unit than it should: never used */
	PATH_STATE_COUNT,
};

enum path_state_event {
	PATH_EVENT_VERIFIED,	/* the right unit answers behind it, and its nexus is up */
	PATH_EVENT_LOST,	/* its nexus went down */
	PATH_EVENT_FAILED,	/* too many commands failed for which it is to blame */
	PATH_EVENT_DOUBTED,	/* the unit said that it was changed */
	PATH_EVENT_UNMAPPED,	/* the target said that there is no unit */
	PATH_EVENT_QUARANTINED, /* another unit answered */
	PATH_EVENT_SUSPECTED,	/* no answer for too long */
	PATH_EVENT_THROTTLED,	/* no room for commands for too long */
	PATH_EVENT_CLEARED,	/* neither any more */
	PATH_EVENT_STRUCK,	/* its health is bad: marginal */
	PATH_EVENT_HELD,	/* it was marginal for long enough */
	PATH_EVENT_PROVED,	/* probation is over */
	PATH_EVENT_COUNT,
};

/** path_state_name() - as D-Bus and the CLI show it: "down", "verify", "active" … */
const char *path_state_name(enum path_state state);

/**
 * path_state_next() - the table
 * @standing: PATH_PROBATION, PATH_ACTIVE or PATH_MARGINAL: what it is when nothing else is wrong
 */
enum path_state path_state_next(enum path_state state, enum path_state_event event,
				enum path_state standing);

/** path_state_carries() - I/O, if there is no path of a better rank */
bool path_state_carries(enum path_state state);

#define PATH_RANKS 4
/** path_state_rank() - 0 … PATH_RANKS-1, the best first; -1 when it carries nothing */
int path_state_rank(enum path_state state);
