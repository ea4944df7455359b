/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* When a target port group is to be made active/optimized by us, and which (SPC-4 §5.15.2.8). */

#include <errno.h>

#include "multipath/path.h"
#include "multipath/port_groups.h"
#include "util/cleanup.h"

#define NS_PER_MS UINT64_C(1000000)
#define ANSWER_MS 60000 /* a target may hold it until the switch is done */
#define AGAIN_NS  (30000 * NS_PER_MS)
#define RETURN_NS (250 * NS_PER_MS) /* for a path that was lost to be logged in again */
#define TARGET_NS \
	(1000 * NS_PER_MS) /* for a target that moves its units by itself to have done so */
#define PATIENCE_NS (5000 * NS_PER_MS) /* the same while others carry I/O, if not so well */

/* ---- is one needed? -------------------------------------------------------------------------- */

static enum activation what_is_lacking(const struct port_groups *groups)
{
	enum activation lack = ACTIVATION_STALLED;
	const struct path *path;

	list_for_each (path, groups->paths, link) {
		if (!path_usable(path))
			continue;
		/* Nobody knows whether another one would do it better. */
		if (path->access == ACCESS_OPTIMIZED || path->access == ACCESS_UNKNOWN)
			return ACTIVATION_NEVER;
		lack = ACTIVATION_OPTIMIZED;
	}
	return lack;
}

/* The target has a group that is optimized; it is our paths to it that are gone. */
static bool paths_are_lost(const struct port_groups *groups)
{
	const struct path *path;

	list_for_each (path, groups->paths, link) {
		if (path->access == ACCESS_OPTIMIZED && !path_alive(path))
			return true;
	}
	return false;
}

/* Something is about to be heard, or to change by itself. */
static bool is_unsettled(const struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++)
		if (groups->targets[i].query)
			return true;
	for (size_t i = 0; i < PORT_GROUPS_MAX; i++)
		if (groups->groups[i].used && groups->groups[i].state == ACCESS_TRANSITIONING)
			return true;
	return false;
}

/* ---- which one ------------------------------------------------------------------------------- */

static bool takes_activation(const struct port_target *target)
{
	return (target->tpgs & ALUA_EXPLICIT) && !target->refused && !target->no_activation;
}

static bool may_be_optimized(const struct port_group *group)
{
	return group->supported == 0 || (group->supported & ALUA_SUPPORTS_OPTIMIZED);
}

static struct path *way_to(const struct port_groups *groups, const struct port_group *group)
{
	struct path *path = port_groups_speaker(groups, group->target, group, 0);

	return path && path_alive(path) ? path : NULL;
}

static struct port_group *best_candidate(struct port_groups *groups)
{
	struct port_group *best = NULL;
	int most = 0;

	for (size_t i = 0; i < PORT_GROUPS_MAX; i++) {
		struct port_group *group = &groups->groups[i];
		int activation =
			group->used ? access_activation(group->state, group->preferred) : 0;

		if (activation <= most || !takes_activation(group->target) ||
		    !may_be_optimized(group) || !way_to(groups, group))
			continue;
		best = group;
		most = activation;
	}
	return best;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static void activated(int error, void *userdata)
{
	struct port_groups *groups = userdata;
	struct port_group *group = groups->activated;

	groups->activation = NULL;
	groups->activating = NULL;
	groups->activated = NULL;
	if (error == -EOPNOTSUPP)
		group->target->no_activation = true;
	groups->lack = ACTIVATION_NEVER; /* its time begins anew */
	groups->owner->activated(groups, group, error);
	port_groups_ask_now(groups);
}

static int activate(struct port_groups *groups, struct port_group *group, uint64_t now_ns)
{
	struct path *path = way_to(groups, group);
	int r = path ? alua_activation_start(path->nexus, group->id, ANSWER_MS, activated, groups,
					     &groups->activation)
		     : -ENOTCONN;

	group->activated_ns = now_ns;
	if (r < 0)
		return r;
	groups->activating = path;
	groups->activated = group;
	return 0;
}

uint64_t activation_check(struct port_groups *groups, uint64_t now_ns)
{
	enum activation lack = what_is_lacking(groups);
	struct port_group *group;
	uint64_t due_ns;

	if (lack != groups->lack) {
		groups->lack = lack;
		groups->lack_ns = now_ns;
	}
	if (groups->activation || lack == ACTIVATION_NEVER || lack > groups->settings.activation ||
	    is_unsettled(groups))
		return UINT64_MAX;
	group = best_candidate(groups);
	if (!group)
		return UINT64_MAX;
	due_ns = groups->lack_ns;
	if (lack == ACTIVATION_OPTIMIZED)
		due_ns += PATIENCE_NS;
	else if (group->target->tpgs & ALUA_IMPLICIT)
		due_ns += TARGET_NS;
	else if (paths_are_lost(groups))
		due_ns += RETURN_NS;
	if (group->activated_ns)
		due_ns = MAX(due_ns, group->activated_ns + AGAIN_NS);
	if (now_ns < due_ns)
		return due_ns;
	(void)activate(groups, group, now_ns);
	return UINT64_MAX;
}

int port_groups_activate(struct port_groups *groups, uint64_t members)
{
	const struct path *path;
	int r = -ENOTCONN;

	if (groups->activation)
		return -EBUSY;
	list_for_each (path, groups->paths, link) {
		struct port_group *group = path->port_group;

		if (!(path_bit(path) & members) || !path_alive(path))
			continue;
		if (!group || access_activation(group->state, group->preferred) == 0)
			return -EALREADY;
		if (!takes_activation(group->target))
			return -EOPNOTSUPP;
		r = activate(groups, group, ring_now_ns(groups->ring));
		if (r == 0)
			return 0;
	}
	return r;
}

void activation_forget(struct port_groups *groups, const struct path *path)
{
	if (!groups->activation || (path && groups->activating != path))
		return;
	alua_activation_cancel(groups->activation);
	groups->activation = NULL;
	groups->activating = NULL;
	groups->activated = NULL;
}
