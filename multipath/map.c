/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "multipath/dispatch.h"
#include "multipath/fence.h"
#include "multipath/path_group.h"
#include "multipath/selector.h"
#include "scsi/sense.h"
#include "util/cleanup.h"
#include "util/ring.h"

struct map {
	struct ring *ring;
	struct unit unit;
	int32_t no_path_retry_ms;
	const struct map_observer *observer;
	void *userdata;

	enum map_state state;
	struct list paths; /* struct path by link, in the order they were added */
	unsigned path_count;
	uint64_t slots; /* bit per slot in use */
	struct fence_settings fence;
	enum grouping grouping;
	unsigned active_group;	     /* from 1; 0 = none */
	struct grouped_paths groups; /* which belong together, the best first */
	struct failback failback;    /* which of them is in use */
	struct port_groups port_groups;
	struct path_group group;
	struct dispatch dispatch;
	struct ring_timer no_path_timer;
	struct ring_timer health_timer; /* for what time does to the states of paths */
	struct ring_timer failback_timer;
};

#define NS_PER_MS UINT64_C(1000000)

static const struct map_observer nobody = {};

static const char *const state_names[MAP_STATE_COUNT] = {
	[MAP_OK] = "ok",
	[MAP_DEGRADED] = "degraded",
	[MAP_NO_PATH_QUEUEING] = "no-path-queueing",
	[MAP_NO_PATH_FAILING] = "no-path-failing",
	[MAP_LOST] = "lost",
};

const char *map_state_name(enum map_state state)
{
	assert(state < MAP_STATE_COUNT);
	return state_names[state];
}

/* --- states --- */

/* The only place that changes the state. */
static void set_state(struct map *map, enum map_state to)
{
	enum map_state from = map->state;

	if (to == from)
		return;
	map->state = to;
	if (map->observer->map_changed)
		map->observer->map_changed(map, from, map->userdata);
}

static unsigned count(const struct map *map, bool (*fits)(const struct path *path))
{
	const struct path *path;
	unsigned n = 0;

	list_for_each (path, &map->paths, link)
		n += fits(path);
	return n;
}

/* How long commands wait for a path: as set, and for a port group as long as a target may take. */
static int32_t patience_ms(const struct map *map)
{
	int32_t set_ms = map->no_path_retry_ms;

	return set_ms < 0 ? set_ms
			  : MAX(set_ms, (int32_t)port_groups_patience_ms(&map->port_groups));
}

/*
 * How long commands may wait counts from the moment when one could not be sent: the last path's
 * end, or, with nothing to do at that time, the first command after it.
 */
static void start_no_path_clock(struct map *map)
{
	if (map->state == MAP_NO_PATH_QUEUEING && map->no_path_retry_ms >= 0 &&
	    map->dispatch.commands > 0 && !ring_timer_armed(&map->no_path_timer))
		ring_timer_arm(map->ring, &map->no_path_timer, (uint64_t)MAX(patience_ms(map), 1));
}

static void give_up(struct map *map)
{
	set_state(map, MAP_NO_PATH_FAILING);
	dispatch_give_up(&map->dispatch, -EIO);
}

static void no_path_expired(struct ring_timer *timer)
{
	give_up(container_of(timer, struct map, no_path_timer));
}

static bool all_unmapped(const struct map *map)
{
	const struct path *path;

	list_for_each (path, &map->paths, link) {
		if (path->state != PATH_UNMAPPED)
			return false;
	}
	return map->path_count > 0;
}

static void lose_last_path(struct map *map)
{
	if (map->state == MAP_LOST)
		return;
	if (all_unmapped(map)) {
		ring_timer_disarm(map->ring, &map->no_path_timer);
		set_state(map, MAP_LOST);
		dispatch_give_up(&map->dispatch, -ENODEV);
		return;
	}
	if (map->state == MAP_NO_PATH_FAILING)
		return;
	if (patience_ms(map) == 0) {
		give_up(map);
		return;
	}
	set_state(map, MAP_NO_PATH_QUEUEING);
	start_no_path_clock(map);
}

/* A silent target is given its full time by the only path, and by no other. */
static void tell_last_path(struct map *map, unsigned alive)
{
	struct path *path;

	list_for_each (path, &map->paths, link) {
		if (path_alive(path))
			path_set_last(path, alive == 1);
	}
}

/* --- path groups --- */

static uint64_t proven_paths(const struct map *map)
{
	const struct path *path;
	uint64_t proven = 0;

	list_for_each (path, &map->paths, link)
		proven |= path->state == PATH_ACTIVE && path_usable(path) ? path_bit(path) : 0;
	return proven;
}

/* The one in use first, then the others in their order. */
static void set_tiers(struct map *map, unsigned active)
{
	uint64_t tiers[PATH_SLOTS];
	unsigned n = 0;

	if (active != FAILBACK_NO_GROUP)
		tiers[n++] = map->groups.sets[active].members;
	for (unsigned i = 0; i < map->groups.count; i++) {
		if (i != active)
			tiers[n++] = map->groups.sets[i].members;
	}
	if (n > 0)
		path_group_set_tiers(&map->group, tiers, n);
}

/* Return: some path is in another group than before */
static bool number_groups(struct map *map)
{
	struct path *path;
	bool changed = false;

	for (unsigned i = 0; i < map->groups.count; i++) {
		list_for_each (path, &map->paths, link) {
			if (!(path_bit(path) & map->groups.sets[i].members))
				continue;
			changed |= path->group != i + 1;
			path->group = i + 1;
		}
	}
	return changed;
}

static void tell_groups(struct map *map)
{
	struct path *path;

	if (!map->observer->path_grouped)
		return;
	list_for_each (path, &map->paths, link)
		map->observer->path_grouped(map, path, map->userdata);
}

/* @told: the target has said something new of its port groups */
static void form_groups(struct map *map, bool told)
{
	uint64_t now_ns = ring_now_ns(map->ring), members = map->failback.members;
	unsigned active, number = map->active_group;

	grouping_form(map->grouping, &map->paths, &map->groups);
	active = failback_choose(&map->failback, &map->groups, proven_paths(map), told, now_ns);
	set_tiers(map, active);
	map->active_group = active == FAILBACK_NO_GROUP ? 0 : active + 1;
	if (map->failback.due_ns == UINT64_MAX)
		ring_timer_disarm(map->ring, &map->failback_timer);
	else
		ring_timer_arm(map->ring, &map->failback_timer,
			       (map->failback.due_ns - now_ns) / NS_PER_MS + 1);
	if (number_groups(map) || number != map->active_group || members != map->failback.members)
		tell_groups(map);
}

static void failback_due(struct ring_timer *timer)
{
	form_groups(container_of(timer, struct map, failback_timer), false);
}

/* Paths that only failed too many commands are better than none. */
static bool reinstate_paths(struct map *map)
{
	struct path *path;
	bool any = false;

	list_for_each (path, &map->paths, link)
		any |= path_reinstate(path, "no other path is left");
	return any;
}

/* After every change of the set of usable paths. */
static void update(struct map *map, bool told)
{
	unsigned alive = count(map, path_alive);

	form_groups(map, told);
	tell_last_path(map, alive);
	if (count(map, path_usable) == 0) {
		/* A path that came back has been here itself. */
		if (!reinstate_paths(map))
			lose_last_path(map);
		return;
	}
	ring_timer_disarm(map->ring, &map->no_path_timer);
	set_state(map, alive == map->path_count ? MAP_OK : MAP_DEGRADED);
	dispatch_resume(&map->dispatch);
}

static void set_health_timer(struct map *map)
{
	uint64_t now_ns = ring_now_ns(map->ring), first_ns = UINT64_MAX;
	const struct path *path;

	list_for_each (path, &map->paths, link)
		first_ns = MIN(first_ns, path_due_ns(path));
	if (first_ns == UINT64_MAX)
		ring_timer_disarm(map->ring, &map->health_timer);
	else
		ring_timer_arm(map->ring, &map->health_timer,
			       first_ns > now_ns ? (first_ns - now_ns) / NS_PER_MS + 1 : 1);
}

static void health_due(struct ring_timer *timer)
{
	struct map *map = container_of(timer, struct map, health_timer);
	struct path *path;

	list_for_each (path, &map->paths, link)
		path_check_due(path);
	set_health_timer(map);
}

/* --- from below --- */

/* A path is lost, or silent: perhaps the target does the unit's I/O elsewhere now. */
static void ask_why(struct map *map)
{
	if (count(map, path_usable) == 0)
		port_groups_ask(&map->port_groups, NULL);
	else
		port_groups_ask_soon(&map->port_groups);
}

static void path_changed(struct path *path, enum path_state from, const char *reason)
{
	struct map *map = path->map;
	bool carried = path_state_carries(from), carries = path_state_carries(path->state);

	if (!carried && carries)
		port_groups_join(&map->port_groups, path);
	else if ((carried && !carries) || path->state == PATH_SUSPECT)
		ask_why(map);
	path_group_update(&map->group, path);
	if (map->observer->path_changed)
		map->observer->path_changed(map, path, from, reason, map->userdata);
	/* Silence of one path speaks against it only while another one does better. */
	if (path->state == PATH_SUSPECT && path_group_has_better(&map->group, path))
		path_strike(path, "suspect again and again");
	update(map, false);
	set_health_timer(map);
	if (path->state == PATH_SUSPECT)
		dispatch_path_suspect(&map->dispatch, path);
}

static void path_was_fenced(struct path *path)
{
	dispatch_fenced(&path->map->dispatch, path);
}

static const struct fence_settings *path_fencing(struct path *path, struct ring **ring)
{
	*ring = path->map->ring;
	return &path->map->fence;
}

static void path_unit_reset(struct path *path)
{
	struct path *other;

	list_for_each (other, &path->map->paths, link)
		path_abort_all(other);
}

static void path_attention(struct path *path, const struct scsi_result *result)
{
	dispatch_attention(&path->map->dispatch, path, result);
}

static const struct path_owner path_owner = {
	.changed = path_changed,
	.fenced = path_was_fenced,
	.fencing = path_fencing,
	.unit_reset = path_unit_reset,
	.attention = path_attention,
};

static struct map *map_of(struct dispatch *dispatch)
{
	return container_of(dispatch, struct map, dispatch);
}

static void attention(struct dispatch *dispatch, struct path *path, const struct scsi_sense *sense)
{
	struct map *map = map_of(dispatch);
	const struct map_observer *observer = map->observer;

	if (sense->deferred) {
		if (observer->deferred_error)
			observer->deferred_error(map, path, sense->key, sense->asc, sense->ascq,
						 map->userdata);
	} else if (observer->attention) {
		observer->attention(map, path, sense->asc, sense->ascq, map->userdata);
	}
}

static void guard_expired(struct dispatch *dispatch, unsigned ghosts)
{
	struct map *map = map_of(dispatch);

	if (map->observer->guard_expired)
		map->observer->guard_expired(map, ghosts, map->userdata);
}

static void fence_wanted(struct dispatch *dispatch, struct path *path)
{
	struct map *map = map_of(dispatch);

	if (map->observer->fence_wanted)
		map->observer->fence_wanted(map, path, map->userdata);
}

static bool access_sense(struct dispatch *dispatch, struct path *path,
			 const struct scsi_sense *sense, uint64_t sent_ns)
{
	return port_groups_sense(&map_of(dispatch)->port_groups, path, sense, sent_ns);
}

static void conflict(struct dispatch *dispatch, struct path *path)
{
	struct map *map = map_of(dispatch);

	path_suspend(path, "reservation conflict: its registration is looked at");
	if (map->observer->conflict)
		map->observer->conflict(map, path, map->userdata);
}

static const struct dispatch_owner dispatch_owner = {
	.attention = attention,
	.access = access_sense,
	.guard_expired = guard_expired,
	.fence_wanted = fence_wanted,
	.conflict = conflict,
};

static struct map *map_of_port_groups(struct port_groups *groups)
{
	return container_of(groups, struct map, port_groups);
}

static void port_groups_changed(struct port_groups *groups, bool told)
{
	struct map *map = map_of_port_groups(groups);
	const struct path *path;

	list_for_each (path, &map->paths, link)
		path_group_update(&map->group, path);
	update(map, told);
	tell_groups(map);
}

static void port_group_told(struct port_groups *groups, const struct port_group *group,
			    enum access_state from)
{
	struct map *map = map_of_port_groups(groups);

	if (map->observer->access_changed)
		map->observer->access_changed(map, group->id, from, group->state, group->overdue,
					      map->userdata);
}

static void port_group_activated(struct port_groups *groups, const struct port_group *group,
				 int error)
{
	struct map *map = map_of_port_groups(groups);

	if (map->observer->activated)
		map->observer->activated(map, group->id, error, map->userdata);
}

static const struct port_groups_owner port_groups_owner = {
	.changed = port_groups_changed,
	.told = port_group_told,
	.activated = port_group_activated,
};

/* --- life --- */

int map_new(struct ring *ring, const struct unit *unit, const struct map_settings *settings,
	    const struct map_observer *observer, void *userdata, struct map **ret)
{
	const struct selector_ops *selector = selector_find(settings->selector);
	const struct hedging_settings hedging = {
		.suspect_ms = settings->suspect_ms,
		.budget = settings->hedge_budget,
		.block_size = unit->limits.block_size,
	};
	struct map *map;

	if (!selector)
		return -EINVAL;
	map = calloc(1, sizeof(*map));
	if (!map)
		return -ENOMEM;

	map->ring = ring;
	map->unit = *unit;
	map->no_path_retry_ms = settings->no_path_retry_ms;
	map->observer = observer ? observer : &nobody;
	map->userdata = userdata;
	map->state = MAP_NO_PATH_QUEUEING;
	list_init(&map->paths);
	map->grouping = settings->grouping;
	failback_init(&map->failback, settings->failback_ms);
	port_groups_init(&map->port_groups, ring, &map->paths, &map->unit, &settings->port_groups,
			 &port_groups_owner);
	path_group_init(&map->group, selector);
	dispatch_init(&map->dispatch, ring, &map->group, settings->no_path_retry_ms,
		      &settings->guard, settings->timeout_ms, &hedging, &dispatch_owner);
	map->fence = (struct fence_settings){
		.drain = profile_of(unit->identity.vendor, unit->identity.product)->drain,
		.may_reset = fence_may_reset(settings->fence_reset, settings->guard.integrity),
		.needs_10_byte = unit->limits.needs_10_byte,
		.block_size = unit->limits.block_size,
	};
	ring_timer_init(&map->no_path_timer, no_path_expired);
	ring_timer_init(&map->health_timer, health_due);
	ring_timer_init(&map->failback_timer, failback_due);
	if (map->no_path_retry_ms == 0) {
		map->state = MAP_NO_PATH_FAILING;
		dispatch_give_up(&map->dispatch, -EIO);
	}
	*ret = map;
	return 0;
}

void map_free(struct map *map)
{
	struct path *path;

	if (!map)
		return;
	assert(map_idle(map));
	port_groups_deinit(&map->port_groups);
	while ((path = list_pop(&map->paths, struct path, link))) {
		port_groups_leave(&map->port_groups, path);
		path_free(path);
	}
	ring_timer_disarm(map->ring, &map->failback_timer);
	ring_timer_disarm(map->ring, &map->no_path_timer);
	ring_timer_disarm(map->ring, &map->health_timer);
	dispatch_deinit(&map->dispatch);
	free(map);
}

const struct unit *map_unit(const struct map *map)
{
	return &map->unit;
}

void map_set_limits(struct map *map, const struct unit_limits *limits)
{
	map->unit.limits = *limits;
}

void *map_userdata(const struct map *map)
{
	return map->userdata;
}

enum fence_quality map_fence_quality(const struct map *map)
{
	return fence_quality(map->dispatch.guard.settings.integrity, map->fence.drain,
			     map->fence.may_reset);
}

void map_get_guard_statistics(const struct map *map, struct guard_statistics *ret)
{
	guard_get_statistics(&map->dispatch.guard, map->unit.limits.blocks, ret);
}

enum map_state map_get_state(const struct map *map)
{
	return map->state;
}

unsigned map_path_count(const struct map *map)
{
	return map->path_count;
}

void map_set_reservation(struct map *map, bool registered, int write_error)
{
	dispatch_set_reservation(&map->dispatch, registered, write_error);
}

/* --- commands --- */

void map_submit(struct map *map, struct map_command *command)
{
	dispatch_submit(&map->dispatch, command);
	start_no_path_clock(map);
}

void map_fail_all(struct map *map, int error)
{
	assert(error < 0);
	dispatch_shut(&map->dispatch, error);
}

bool map_idle(const struct map *map)
{
	return dispatch_idle(&map->dispatch);
}

/* --- path groups by hand --- */

unsigned map_active_group(const struct map *map)
{
	return map->active_group;
}

unsigned map_group_count(const struct map *map)
{
	return map->groups.count;
}

int map_switch_group(struct map *map, unsigned number)
{
	const struct path_set *set;

	if (number == 0 || number > map->groups.count)
		return -EINVAL;
	set = &map->groups.sets[number - 1];
	/* What the target then says of it is followed. */
	if (set->usable == 0)
		return port_groups_activate(&map->port_groups, set->members);
	failback_switch(&map->failback, &map->groups, number - 1);
	update(map, false);
	return 0;
}

int map_failback(struct map *map)
{
	failback_now(&map->failback);
	update(map, false);
	return map->active_group ? 0 : -ENOTCONN;
}

void map_ask_access(struct map *map)
{
	port_groups_ask(&map->port_groups, NULL);
}

/* --- paths --- */

static bool has_nexus(const struct map *map, const struct nexus *nexus)
{
	const struct path *path;

	list_for_each (path, &map->paths, link) {
		if (path->nexus == nexus)
			return true;
	}
	return false;
}

int map_add_path(struct map *map, struct nexus *nexus, void *userdata, struct path **ret)
{
	struct path *path;
	unsigned slot;
	int r;

	if (has_nexus(map, nexus))
		return -EEXIST;
	if (map->path_count == PATH_SLOTS)
		return -ENOSPC;
	slot = (unsigned)__builtin_ctzll(~map->slots);
	r = path_new(map->ring, map, nexus, slot, &path_owner, userdata, &path);
	if (r < 0)
		return r;

	map->slots |= path_bit(path);
	map->path_count++;
	list_append(&map->paths, &path->link);
	path_group_add(&map->group, path);
	*ret = path;
	update(map, false);
	return 0;
}

void map_remove_path(struct map *map, struct path *path)
{
	assert(path->map == map && path->statistics.in_flight == 0);
	map->slots &= ~path_bit(path);
	map->path_count--;
	list_remove(&path->link);
	path_group_remove(&map->group, path);
	dispatch_forget_path(&map->dispatch, path);
	port_groups_leave(&map->port_groups, path);
	path_free(path);
	update(map, false);
}
