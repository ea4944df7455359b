/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/access.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

#define PREFERRED	     4 /* less than between two states */
#define PREFERRED_ACTIVATION 10

/* clang-format off */
static const struct {
	int priority;
	bool carries, awaited;
	int activation;
} states[ACCESS_STATE_COUNT] = {
	[ACCESS_UNKNOWN]       = {1,  true,  false, 0},
	[ACCESS_OPTIMIZED]     = {50, true,  false, 0},
	[ACCESS_NON_OPTIMIZED] = {10, true,  false, 3},
	[ACCESS_LBA_DEPENDENT] = {5,  true,  false, 0},
	[ACCESS_STANDBY]       = {1,  false, true,  2},
	[ACCESS_UNAVAILABLE]   = {0,  false, true,  1},
	[ACCESS_OFFLINE]       = {0,  false, false, 0},
	[ACCESS_TRANSITIONING] = {0,  false, true,  0},
};

static const char *const activation_names[ACTIVATION_COUNT] = {
	[ACTIVATION_NEVER]     = "never",
	[ACTIVATION_STALLED]   = "stalled",
	[ACTIVATION_OPTIMIZED] = "optimized",
};
/* clang-format on */

int access_priority(enum access_state state, bool preferred)
{
	return states[state].priority + (preferred && states[state].carries ? PREFERRED : 0);
}

bool access_carries(enum access_state state)
{
	return states[state].carries;
}

bool access_is_awaited(enum access_state state)
{
	return states[state].awaited;
}

int access_activation(enum access_state state, bool preferred)
{
	int activation = states[state].activation;

	return activation + (activation && preferred ? PREFERRED_ACTIVATION : 0);
}

const char *activation_name(enum activation activation)
{
	return activation_names[activation];
}

int activation_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(activation_names); i++) {
		if (strcmp(activation_names[i], name) == 0)
			return (int)i;
	}
	return -EINVAL;
}
