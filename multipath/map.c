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
	struct path_group group;
	struct dispatch dispatch;
	struct ring_timer no_path_timer;
	struct ring_timer health_timer; /* for what time does to the states of paths */
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

static unsigned count_usable(const struct map *map)
{
	const struct path *path;
	unsigned count = 0;

	list_for_each (path, &map->paths, link)
		count += path_usable(path);
	return count;
}

/*
 * How long commands may wait counts from the moment when one could not be sent: the last path's
 * end, or, with nothing to do at that time, the first command after it.
 */
static void start_no_path_clock(struct map *map)
{
	if (map->state == MAP_NO_PATH_QUEUEING && map->no_path_retry_ms > 0 &&
	    map->dispatch.commands > 0 && !ring_timer_armed(&map->no_path_timer))
		ring_timer_arm(map->ring, &map->no_path_timer, (uint64_t)map->no_path_retry_ms);
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
	if (map->no_path_retry_ms == 0) {
		give_up(map);
		return;
	}
	set_state(map, MAP_NO_PATH_QUEUEING);
	start_no_path_clock(map);
}

/* A silent target is given its full time by the only path, and by no other. */
static void tell_last_path(struct map *map, unsigned usable)
{
	struct path *path;

	list_for_each (path, &map->paths, link) {
		if (path_usable(path))
			path_set_last(path, usable == 1);
	}
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
static void update(struct map *map)
{
	unsigned usable = count_usable(map);

	if (usable == 0) {
		/* A path that came back has been here itself. */
		if (!reinstate_paths(map))
			lose_last_path(map);
		return;
	}
	tell_last_path(map, usable);
	ring_timer_disarm(map->ring, &map->no_path_timer);
	set_state(map, usable == map->path_count ? MAP_OK : MAP_DEGRADED);
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

static void path_changed(struct path *path, enum path_state from, const char *reason)
{
	struct map *map = path->map;

	path_group_update(&map->group, path);
	if (map->observer->path_changed)
		map->observer->path_changed(map, path, from, reason, map->userdata);
	/* Silence of one path speaks against it only while another one does better. */
	if (path->state == PATH_SUSPECT && path_group_has_better(&map->group, path))
		path_strike(path, "suspect again and again");
	update(map);
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

static const struct path_owner path_owner = {
	.changed = path_changed,
	.fenced = path_was_fenced,
	.fencing = path_fencing,
	.unit_reset = path_unit_reset,
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

static const struct dispatch_owner dispatch_owner = {
	.attention = attention,
	.guard_expired = guard_expired,
	.fence_wanted = fence_wanted,
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
	while ((path = list_pop(&map->paths, struct path, link)))
		path_free(path);
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
	update(map);
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
	path_free(path);
	update(map);
}
