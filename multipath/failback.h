/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Which path group is in use, and when a better one is gone back to. Sans clock; lives inside a map
 * and belongs to its worker.
 *
 * A group stays in use as long as it has a usable path. What the target says of its port groups is
 * followed at once: it knows who does the I/O. A group that is better only because its paths have
 * come back is gone back to as multipath.conf's failback says, and never before one of its paths
 * has proved itself.
 */

#include <stdbool.h>
#include <stdint.h>

struct grouped_paths;

/* Instead of a delay in milliseconds, 0 = immediate. */
#define FAILBACK_MANUAL -1 /* only when somebody asks for it */
#define FAILBACK_FOLLOWOVER \
	-2 /* only where this host had lost all its paths to the better group \
	    */

#define FAILBACK_NO_GROUP UINT32_MAX

struct failback {
	int32_t setting;
	uint64_t members; /* of the group in use; bit per path slot; 0 = none was yet */
	uint64_t lost;	  /* groups that were left because their paths were lost here */
	bool pinned;	  /* somebody chose it by hand */
	uint64_t better_since_ns, due_ns;
};

void failback_init(struct failback *failback, int32_t setting);

/**
 * failback_choose() - which group is in use now
 * @groups: the best first
 * @proven: bit per path slot: paths that carry I/O and are not on probation, or worse
 * @told: the target has said something new of its port groups
 *
 * Sets due_ns: when time alone may change it; UINT64_MAX = never.
 * Return: index in @groups; FAILBACK_NO_GROUP when no path is usable.
 */
unsigned failback_choose(struct failback *failback, const struct grouped_paths *groups,
			 uint64_t proven, bool told, uint64_t now_ns);

/** failback_switch() - by hand: use that group, until it has no usable path or failback_now() */
void failback_switch(struct failback *failback, const struct grouped_paths *groups, unsigned index);
/** failback_now() - by hand: the best one with the next failback_choose() */
void failback_now(struct failback *failback);
