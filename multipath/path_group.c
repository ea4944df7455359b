/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path_group.h"

#include <assert.h>
#include <string.h>

#include "multipath/command.h"
#include "multipath/path.h"
#include "multipath/selector.h"

#define PROBATION_SHARE 10

void path_group_init(struct path_group *group, const struct selector_ops *selector)
{
	*group = (struct path_group){.selector = selector, .tier_count = 1, .tiers = {UINT64_MAX}};
	list_init(&group->paths);
}

void path_group_set_tiers(struct path_group *group, const uint64_t *tiers, unsigned count)
{
	assert(count > 0 && count <= PATH_GROUPS_MAX);
	memcpy(group->tiers, tiers, count * sizeof(*tiers));
	group->tier_count = count;
}

void path_group_add(struct path_group *group, struct path *path)
{
	list_append(&group->paths, &path->group_link);
	path_group_update(group, path);
}

static void forget(struct path_group *group, const struct path *path)
{
	for (unsigned rank = 0; rank < PATH_RANKS; rank++)
		group->ranked[rank] &= ~path_bit(path);
	group->probation &= ~path_bit(path);
	group->carriers &= ~path_bit(path);
}

void path_group_remove(struct path_group *group, struct path *path)
{
	list_remove(&path->group_link);
	forget(group, path);
}

void path_group_update(struct path_group *group, const struct path *path)
{
	int rank = path->barred ? -1 : path_state_rank(path->state);

	forget(group, path);
	if (rank >= 0) {
		group->ranked[rank] |= path_bit(path);
		group->carriers |= path_bit(path);
	}
	if (path->state == PATH_PROBATION)
		group->probation |= path_bit(path);
}

/* One command in ten of its share: those on probation together have a turn like that. */
static uint64_t spare_probation(struct path_group *group, uint64_t among)
{
	uint64_t trusted = among & ~group->probation;

	if (!trusted)
		return among;
	if (++group->turn < PROBATION_SHARE * (unsigned)__builtin_popcountll(among))
		return trusted;
	group->turn = 0;
	return among & group->probation;
}

static struct path *least_loaded(struct path_group *group, uint64_t among)
{
	struct path *path, *best = NULL;

	list_for_each (path, &group->paths, group_link) {
		if (!(path_bit(path) & among) || !path_usable(path) || !path_has_room(path))
			continue;
		if (!best || path->cost_in_flight < best->cost_in_flight)
			best = path;
	}
	return best;
}

/* Return: the paths of the group that has a path of the best rank there is; 0 = there is none */
static uint64_t tier_in_use(const struct path_group *group, uint64_t avoid)
{
	for (unsigned rank = 0; rank < PATH_RANKS; rank++) {
		uint64_t all = group->ranked[rank] & ~avoid;

		for (unsigned i = 0; all && i < group->tier_count; i++) {
			if (all & group->tiers[i])
				return group->tiers[i];
		}
	}
	return 0;
}

static struct path *choose(struct path_group *group, uint64_t avoid, uint64_t cost, uint64_t now_ns)
{
	uint64_t tier = tier_in_use(group, avoid);

	for (unsigned rank = 0; tier && rank < PATH_RANKS; rank++) {
		uint64_t all = group->ranked[rank] & tier & ~avoid, among = all;
		struct path *path;

		if (!all)
			continue;
		if (all & group->probation)
			among = spare_probation(group, all);
		path = group->selector->choose(&group->paths, ~among, cost, now_ns);
		if (!path && among != all) /* those are down, and nobody was told yet */
			path = group->selector->choose(&group->paths, ~all, cost, now_ns);
		if (!path) /* or full */
			path = least_loaded(group, all);
		if (path)
			return path;
	}
	return NULL;
}

struct path *path_group_choose(struct path_group *group, const struct map_command *command,
			       uint64_t now_ns)
{
	uint64_t cost = PATH_COMMAND_COST + (uint64_t)command->scsi.data_length;
	struct path *path = choose(group, command->tried, cost, now_ns);

	if (!path && command->tried)
		path = choose(group, 0, cost, now_ns);
	if (path) {
		list_remove(&path->group_link);
		list_append(&group->paths, &path->group_link);
	}
	return path;
}

bool path_group_has(const struct path_group *group, uint64_t avoid)
{
	const struct path *path;

	list_for_each (path, &group->paths, group_link) {
		if (path_usable(path) && !(path_bit(path) & avoid))
			return true;
	}
	return false;
}

bool path_group_has_better(const struct path_group *group, const struct path *path)
{
	const struct path *other;

	list_for_each (other, &group->paths, group_link) {
		if (path_usable(other) && other->answered_ns > path->answered_ns &&
		    path_state_rank(other->state) < path_state_rank(path->state))
			return true;
	}
	return false;
}

bool path_group_has_room(const struct path_group *group)
{
	uint64_t tier = tier_in_use(group, 0);
	const struct path *path;

	list_for_each (path, &group->paths, group_link) {
		if ((path_bit(path) & tier) && path_usable(path) && path_has_room(path))
			return true;
	}
	return false;
}

struct path *path_group_find_down(const struct path_group *group)
{
	struct path *path;

	list_for_each (path, &group->paths, group_link) {
		if (path_state_carries(path->state) && !path_alive(path))
			return path;
	}
	return NULL;
}
