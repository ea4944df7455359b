/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path_group.h"

#include "multipath/command.h"
#include "multipath/path.h"
#include "multipath/selector.h"

void path_group_init(struct path_group *group, const struct selector_ops *selector)
{
	group->selector = selector;
	list_init(&group->paths);
}

void path_group_add(struct path_group *group, struct path *path)
{
	list_append(&group->paths, &path->group_link);
}

void path_group_remove(struct path_group *group, struct path *path)
{
	list_remove(&path->group_link);
}

struct path *path_group_choose(struct path_group *group, const struct map_command *command,
			       uint64_t now_ns)
{
	uint64_t cost = PATH_COMMAND_COST + (uint64_t)command->scsi.data_length;
	struct path *path = group->selector->choose(&group->paths, command->tried, cost, now_ns);

	if (!path && command->tried)
		path = group->selector->choose(&group->paths, 0, cost, now_ns);
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

struct path *path_group_find_down(const struct path_group *group)
{
	struct path *path;

	list_for_each (path, &group->paths, group_link) {
		if (path->state == PATH_ACTIVE && !path_usable(path))
			return path;
	}
	return NULL;
}
