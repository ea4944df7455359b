/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the access state of a target port group means for the paths through it, as one table. Plain
 * functions over constant data: any thread.
 */

#include <stdbool.h>

#include "scsi/alua.h"

/**
 * access_priority() - of a path, as multipath.conf's "alua" has it
 * @preferred: the target prefers this group. It comes before others in the same state, and not
 *	       before a better state: a target that is being upgraded may prefer what is not ready
 */
int access_priority(enum access_state state, bool preferred);

/** access_carries() - I/O: the target port group does it, well or badly */
bool access_carries(enum access_state state);

/** access_is_awaited() - it does not now, and may without anybody's hand: requests wait for it */
bool access_is_awaited(enum access_state state);

/**
 * access_activation() - how good a candidate the group is for SET TARGET PORT GROUPS
 * Return: the more the better; 0 = none, it is as it should be, or cannot be helped
 */
int access_activation(enum access_state state, bool preferred);

/* When SET TARGET PORT GROUPS is used, where the target takes it. */
enum activation {
	ACTIVATION_NEVER,
	ACTIVATION_STALLED,   /* when no path carries I/O */
	ACTIVATION_OPTIMIZED, /* also when none does so well */
	ACTIVATION_COUNT,
};
/** activation_name() - "never", "stalled", "optimized" */
const char *activation_name(enum activation activation);
/** activation_of() - Return: -EINVAL for a name that is none */
int activation_of(const char *name);
