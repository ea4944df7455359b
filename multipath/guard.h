/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The guard of a map: writes whose fate is in doubt, and writes that must not overtake them.
 *
 * A write that went onto a wire and got no answer may still be executed by the device, long after:
 * its ghost. It is parked here, not acknowledged, and not sent again, until its ghost is dead (its
 * old nexus was fenced) or the time for that is over. Meanwhile a later write to an overlapping
 * range is held, because the ghost, or the repeated write, could fall upon it after it was
 * acknowledged. Reads pass: they see the old or the new data of a write that nobody was told is
 * done. So do flushes: what a flush promises covers writes that were acknowledged before it, and a
 * parked write was not.
 *
 * Every ghost ends with its command here: when the time is over the command goes on, and nothing is
 * guarded any more. Ranges that stay guarded beyond that would live in this module too.
 *
 * Lives inside a map and belongs to its worker. Allocates nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"
#include "util/ring.h"

struct map_command;
struct path;

struct guard {
	struct ring *ring;
	int32_t timeout_ms; /* how long a write is parked; -1 = for ever */
	void (*overdue)(struct guard *guard);
	struct list parked; /* struct map_command, the one parked first in front */
	struct list held;   /* struct map_command in the order they came */
	struct ring_timer timer;
};

/** guard_init() - @overdue: time is over for some writes, call guard_free_overdue() */
void guard_init(struct guard *guard, struct ring *ring, int32_t timeout_ms,
		void (*overdue)(struct guard *guard));
/** guard_deinit() - must be empty */
void guard_deinit(struct guard *guard);

/** guard_active() - is anything guarded at all? All that an ordinary write costs. */
static inline bool guard_active(const struct guard *guard)
{
	return !list_empty(&guard->parked);
}

/** guard_park() - @command became in doubt on @command->path */
void guard_park(struct guard *guard, struct map_command *command);
/** guard_blocks() - would @command, a write, overlap a parked one? */
bool guard_blocks(const struct guard *guard, const struct map_command *command);
/** guard_hold() - @command waits until guard_blocks() is no longer true */
void guard_hold(struct guard *guard, struct map_command *command);

/*
 * What becomes free is moved to the end of @freed, first the parked ones, then the held ones that
 * nothing blocks any more.
 */

/** guard_free_fenced() - what @path carried in a login before path->fenced_login is dead */
void guard_free_fenced(struct guard *guard, struct path *path, struct list *freed);
/** guard_free_overdue() - Return: how many parked writes go on without having been fenced */
unsigned guard_free_overdue(struct guard *guard, struct list *freed);
/** guard_free_all() - everything, also what is still blocked */
void guard_free_all(struct guard *guard, struct list *freed);

/** guard_forget_path() - @path goes away; its parked writes stay until their time is over */
void guard_forget_path(struct guard *guard, struct path *path);
