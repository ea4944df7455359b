/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path_state.h"

#include <assert.h>

/* clang-format off */

#define DOWN  PATH_DOWN
#define VERI  PATH_VERIFY
#define PROB  PATH_PROBATION
#define ACTI  PATH_ACTIVE
#define SUSP  PATH_SUSPECT
#define THRO  PATH_THROTTLED
#define MARG  PATH_MARGINAL
#define FAIL  PATH_FAILED
#define UNMA  PATH_UNMAPPED
#define QUAR  PATH_QUARANTINED
#define BACK  PATH_STATE_COUNT /* to its standing */

static const enum path_state steps[PATH_EVENT_COUNT][PATH_STATE_COUNT] = {
	/* from                     DOWN  VERIFY PROBAT ACTIVE SUSPCT THROTT MARGIN FAILED UNMAPP QUARANTINED */
	[PATH_EVENT_VERIFIED]    = {BACK,  BACK,  PROB,  ACTI,  SUSP,  THRO,  MARG,  BACK,  BACK,  QUAR},
	[PATH_EVENT_LOST]        = {DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  QUAR},
	[PATH_EVENT_FAILED]      = {DOWN,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_DOUBTED]     = {DOWN,  VERI,  VERI,  VERI,  VERI,  VERI,  VERI,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_UNMAPPED]    = {UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  QUAR},
	[PATH_EVENT_QUARANTINED] = {QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR},
	[PATH_EVENT_SUSPECTED]   = {DOWN,  VERI,  SUSP,  SUSP,  SUSP,  SUSP,  SUSP,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_THROTTLED]   = {DOWN,  VERI,  THRO,  THRO,  THRO,  THRO,  THRO,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_CLEARED]     = {DOWN,  VERI,  PROB,  ACTI,  BACK,  BACK,  MARG,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_STRUCK]      = {DOWN,  VERI,  MARG,  MARG,  SUSP,  THRO,  MARG,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_HELD]        = {DOWN,  VERI,  PROB,  ACTI,  SUSP,  THRO,  PROB,  FAIL,  UNMA,  QUAR},
	[PATH_EVENT_PROVED]      = {DOWN,  VERI,  ACTI,  ACTI,  SUSP,  THRO,  MARG,  FAIL,  UNMA,  QUAR},
};

static const struct {
	const char *name;
	int rank;
} states[PATH_STATE_COUNT] = {
	[PATH_DOWN]        = {"down",        -1},
	[PATH_VERIFY]      = {"verify",      -1},
	[PATH_PROBATION]   = {"probation",    0},
	[PATH_ACTIVE]      = {"active",       0},
	[PATH_SUSPECT]     = {"suspect",      3},
	[PATH_THROTTLED]   = {"throttled",    2},
	[PATH_MARGINAL]    = {"marginal",     1},
	[PATH_FAILED]      = {"failed",      -1},
	[PATH_UNMAPPED]    = {"unmapped",    -1},
	[PATH_QUARANTINED] = {"quarantined", -1},
};
/* clang-format on */

const char *path_state_name(enum path_state state)
{
	assert(state < PATH_STATE_COUNT);
	return states[state].name;
}

enum path_state path_state_next(enum path_state state, enum path_state_event event,
				enum path_state standing)
{
	enum path_state next = steps[event][state];

	assert(path_state_rank(standing) == 0 || standing == PATH_MARGINAL);
	return next == BACK ? standing : next;
}

int path_state_rank(enum path_state state)
{
	return states[state].rank;
}

bool path_state_carries(enum path_state state)
{
	return path_state_rank(state) >= 0;
}
