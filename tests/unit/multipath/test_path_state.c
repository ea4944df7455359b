/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "multipath/path_state.h"
#include "util/cleanup.h"

/* clang-format off */
static const struct {
	enum path_state state;
	const char *name;
	int rank;
} states[] = {
	{PATH_DOWN,        "down",        -1},
	{PATH_VERIFY,      "verify",      -1},
	{PATH_PROBATION,   "probation",    0},
	{PATH_ACTIVE,      "active",       0},
	{PATH_SUSPECT,     "suspect",      3},
	{PATH_THROTTLED,   "throttled",    2},
	{PATH_MARGINAL,    "marginal",     1},
	{PATH_FAILED,      "failed",      -1},
	{PATH_UNMAPPED,    "unmapped",    -1},
	{PATH_QUARANTINED, "quarantined", -1},
};

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
#define BACK  PATH_STATE_COUNT

/* What the design says, cell by cell; BACK is tried with each standing. */
static const struct {
	enum path_state_event event;
	enum path_state to[PATH_STATE_COUNT];
} steps[] = {
	/* from                   DOWN  VERIFY PROBAT ACTIVE SUSPCT THROTT MARGIN FAILED UNMAPP QUARANTINED */
	{PATH_EVENT_VERIFIED,    {BACK,  BACK,  PROB,  ACTI,  SUSP,  THRO,  MARG,  BACK,  BACK,  QUAR}},
	{PATH_EVENT_LOST,        {DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  DOWN,  QUAR}},
	{PATH_EVENT_FAILED,      {DOWN,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_DOUBTED,     {DOWN,  VERI,  VERI,  VERI,  VERI,  VERI,  VERI,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_UNMAPPED,    {UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  UNMA,  QUAR}},
	{PATH_EVENT_QUARANTINED, {QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR,  QUAR}},
	{PATH_EVENT_SUSPECTED,   {DOWN,  VERI,  SUSP,  SUSP,  SUSP,  SUSP,  SUSP,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_THROTTLED,   {DOWN,  VERI,  THRO,  THRO,  THRO,  THRO,  THRO,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_CLEARED,     {DOWN,  VERI,  PROB,  ACTI,  BACK,  BACK,  MARG,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_STRUCK,      {DOWN,  VERI,  MARG,  MARG,  SUSP,  THRO,  MARG,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_HELD,        {DOWN,  VERI,  PROB,  ACTI,  SUSP,  THRO,  PROB,  FAIL,  UNMA,  QUAR}},
	{PATH_EVENT_PROVED,      {DOWN,  VERI,  ACTI,  ACTI,  SUSP,  THRO,  MARG,  FAIL,  UNMA,  QUAR}},
};
/* clang-format on */

static void every_event_in_every_state_with_every_standing_steps_as_designed(void **state)
{
	static const enum path_state standings[] = {PATH_PROBATION, PATH_ACTIVE, PATH_MARGINAL};

	assert_int_equal(ARRAY_SIZE(steps), PATH_EVENT_COUNT);
	for (size_t e = 0; e < ARRAY_SIZE(steps); e++) {
		assert_int_equal(steps[e].event, e);
		for (unsigned from = 0; from < PATH_STATE_COUNT; from++) {
			for (size_t s = 0; s < ARRAY_SIZE(standings); s++) {
				enum path_state to = steps[e].to[from];

				assert_int_equal(
					path_state_next(from, steps[e].event, standings[s]),
					to == BACK ? standings[s] : to);
			}
		}
	}
}

static void states_have_the_names_of_the_bus_and_their_ranks(void **state)
{
	assert_int_equal(ARRAY_SIZE(states), PATH_STATE_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		assert_int_equal(states[i].state, i);
		assert_string_equal(path_state_name(states[i].state), states[i].name);
		assert_int_equal(path_state_rank(states[i].state), states[i].rank);
		assert_int_equal(path_state_carries(states[i].state), states[i].rank >= 0);
		assert_true(states[i].rank < PATH_RANKS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_with_every_standing_steps_as_designed),
		cmocka_unit_test(states_have_the_names_of_the_bus_and_their_ranks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
