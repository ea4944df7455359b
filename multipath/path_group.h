/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The paths of a map as path groups, in the order in which they are to be used, and the selector
 * that spreads commands over those of one group. Lives inside a map and belongs to its worker.
 *
 * Which paths make a group and which group comes first is said by path_group_set_tiers(). A group
 * behind the first has its turn when all before it have no usable path, or none but worse ones: a
 * path that is silent at the moment waits for an answer while those of the next group work.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/path_state.h"
#include "util/list.h"

struct map_command;
struct path;
struct selector_ops;

#define PATH_GROUPS_MAX 64 /* as many as a map has paths */

struct path_group {
	const struct selector_ops *selector;
	struct list paths;	     /* struct path by group_link, least recently chosen first */
	uint64_t ranked[PATH_RANKS]; /* bit per path slot: paths in a state of that rank */
	uint64_t carriers;	     /* those of any rank */
	uint64_t probation;	     /* those of rank 0 that get only a small share */
	unsigned turn;		     /* commands since one of them had one */
	unsigned tier_count;
	uint64_t tiers[PATH_GROUPS_MAX]; /* bit per path slot: the path groups, best first */
};

void path_group_init(struct path_group *group, const struct selector_ops *selector);

/** path_group_add() - @path may be chosen as soon as it is usable */
void path_group_add(struct path_group *group, struct path *path);
void path_group_remove(struct path_group *group, struct path *path);
/** path_group_update() - the state of @path changed, or whether its port group carries I/O */
void path_group_update(struct path_group *group, const struct path *path);
/** path_group_set_tiers() - bit per path slot; every path is in one. At first all are in one */
void path_group_set_tiers(struct path_group *group, const uint64_t *tiers, unsigned count);

/**
 * path_group_choose() - the path for @command
 *
 * One that @command->tried does not name, if there is one; else any usable one. Of those one of the
 * best rank; and on probation only now and then.
 * Return: NULL when no path is usable, or when the devices behind all of the group that is in use
 * are full: what is too much for the best paths is not given to worse ones.
 */
struct path *path_group_choose(struct path_group *group, const struct map_command *command,
			       uint64_t now_ns);

/** path_group_has() - is there a usable path that is not in @avoid (bit per path slot)? */
bool path_group_has(const struct path_group *group, uint64_t avoid);

/** path_group_has_two() - do two paths carry I/O? Costs next to nothing */
static inline bool path_group_has_two(const struct path_group *group)
{
	return (group->carriers & (group->carriers - 1)) != 0;
}

/** path_group_has_better() - is a path of a better rank than @path usable that answered later? */
bool path_group_has_better(const struct path_group *group, const struct path *path);

/** path_group_has_room() - has the group in use a path whose device takes one more command? */
bool path_group_has_room(const struct path_group *group);

/** path_group_find_down() - a path that carries I/O and whose nexus is down, which nobody told the
 * path yet */
struct path *path_group_find_down(const struct path_group *group);
