/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/grouping.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

/* ---- who belongs together -------------------------------------------------------------------- */

static bool same_priority(const struct path *a, const struct path *b)
{
	return a->priority == b->priority && access_carries(a->access) == access_carries(b->access);
}

static bool always(const struct path *a, const struct path *b)
{
	return true;
}

static bool never(const struct path *a, const struct path *b)
{
	return false;
}

static bool same_target(const struct path *a, const struct path *b)
{
	return a->port.target == b->port.target;
}

static bool same_port_group(const struct path *a, const struct path *b)
{
	return same_target(a, b) && a->port.group == b->port.group;
}

/* clang-format off */
static const struct {
	const char *name;
	bool (*belong)(const struct path *a, const struct path *b);
} groupings[GROUPING_COUNT] = {
	[GROUPING_BY_PRIO]      = {"group_by_prio",      same_priority},
	[GROUPING_MULTIBUS]     = {"multibus",           always},
	[GROUPING_FAILOVER]     = {"failover",           never},
	[GROUPING_BY_NODE_NAME] = {"group_by_node_name", same_target},
	[GROUPING_BY_TPG]       = {"group_by_tpg",       same_port_group},
};
/* clang-format on */

const char *grouping_name(enum grouping grouping)
{
	return groupings[grouping].name;
}

int grouping_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(groupings); i++) {
		if (strcmp(groupings[i].name, name) == 0)
			return (int)i;
	}
	return -EINVAL;
}

/* ---- the groups ------------------------------------------------------------------------------ */

struct forming {
	const struct path *first; /* who stands for the group */
	struct path_set set;
	int sum, usable_sum;
	unsigned count;
};

static void add(struct forming *group, const struct path *path)
{
	group->set.members |= path_bit(path);
	group->sum += path->priority;
	group->count++;
	if (path_usable(path)) {
		group->set.usable++;
		group->usable_sum += path->priority;
	}
}

static bool comes_before(const struct path_set *a, const struct path_set *b)
{
	if ((a->usable > 0) != (b->usable > 0))
		return a->usable > 0;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->usable > b->usable;
}

/* By insertion, which keeps the order of what is equal. */
static void insert(struct grouped_paths *groups, const struct path_set *set)
{
	unsigned at = groups->count++;

	for (; at > 0 && comes_before(set, &groups->sets[at - 1]); at--)
		groups->sets[at] = groups->sets[at - 1];
	groups->sets[at] = *set;
}

void grouping_form(enum grouping grouping, const struct list *paths, struct grouped_paths *ret)
{
	struct forming forming[PATH_SLOTS];
	const struct path *path;
	unsigned count = 0;

	list_for_each (path, paths, link) {
		unsigned i = 0;

		while (i < count && !groupings[grouping].belong(forming[i].first, path))
			i++;
		if (i == count)
			forming[count++] = (struct forming){.first = path};
		add(&forming[i], path);
	}
	ret->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct forming *group = &forming[i];

		group->set.priority = group->set.usable ? group->usable_sum / (int)group->set.usable
							: group->sum / (int)group->count;
		insert(ret, &group->set);
	}
}
