/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/guard.h"

#include <assert.h>

#include "multipath/command.h"
#include "multipath/path.h"

#define NS_PER_MS 1000000u

static void timer_expired(struct ring_timer *timer)
{
	struct guard *guard = container_of(timer, struct guard, timer);

	guard->overdue(guard);
}

void guard_init(struct guard *guard, struct ring *ring, int32_t timeout_ms,
		void (*overdue)(struct guard *guard))
{
	guard->ring = ring;
	guard->timeout_ms = timeout_ms;
	guard->overdue = overdue;
	list_init(&guard->parked);
	list_init(&guard->held);
	ring_timer_init(&guard->timer, timer_expired);
}

void guard_deinit(struct guard *guard)
{
	assert(list_empty(&guard->parked) && list_empty(&guard->held));
	ring_timer_disarm(guard->ring, &guard->timer);
}

/* All are parked for the same time, so the first in the list is the first to be over. */
static void set_timer(struct guard *guard)
{
	const struct map_command *first = list_first(&guard->parked, struct map_command, link);
	uint64_t now_ns = ring_now_ns(guard->ring), end_ns;

	if (!first || guard->timeout_ms < 0) {
		ring_timer_disarm(guard->ring, &guard->timer);
		return;
	}
	end_ns = first->wake_ns + (uint64_t)guard->timeout_ms * NS_PER_MS;
	/* Rounded up, so that the time is really over when the timer says so. */
	ring_timer_arm(guard->ring, &guard->timer,
		       end_ns > now_ns ? (end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0);
}

void guard_park(struct guard *guard, struct map_command *command)
{
	command->wake_ns = ring_now_ns(guard->ring);
	command->path->in_doubt++;
	list_append(&guard->parked, &command->link);
	if (!ring_timer_armed(&guard->timer))
		set_timer(guard);
}

/* First block behind the range, as far as it can be told. */
static uint64_t range_end(const struct map_command *command)
{
	uint64_t end;

	if (command->blocks == 0 || __builtin_add_overflow(command->lba, command->blocks, &end))
		return UINT64_MAX;
	return end;
}

static uint64_t range_start(const struct map_command *command)
{
	return command->blocks == 0 ? 0 : command->lba;
}

static bool overlaps(const struct map_command *a, const struct map_command *b)
{
	return range_start(a) < range_end(b) && range_start(b) < range_end(a);
}

bool guard_blocks(const struct guard *guard, const struct map_command *command)
{
	const struct map_command *parked;

	list_for_each (parked, &guard->parked, link) {
		if (overlaps(parked, command))
			return true;
	}
	return false;
}

void guard_hold(struct guard *guard, struct map_command *command)
{
	list_append(&guard->held, &command->link);
}

static void free_parked(struct map_command *command, struct list *freed)
{
	list_remove(&command->link);
	if (command->path)
		command->path->in_doubt--;
	list_append(freed, &command->link);
}

static void free_held(struct guard *guard, struct list *freed)
{
	struct map_command *command, *following;

	list_for_each_safe (command, following, &guard->held, link) {
		if (guard_blocks(guard, command))
			continue;
		list_remove(&command->link);
		list_append(freed, &command->link);
	}
	set_timer(guard);
}

void guard_free_fenced(struct guard *guard, struct path *path, struct list *freed)
{
	struct map_command *command, *following;

	if (path->in_doubt == 0)
		return;
	list_for_each_safe (command, following, &guard->parked, link) {
		if (command->path == path && command->login < path->fenced_login)
			free_parked(command, freed);
	}
	free_held(guard, freed);
}

unsigned guard_free_overdue(struct guard *guard, struct list *freed)
{
	uint64_t timeout_ns = (uint64_t)guard->timeout_ms * NS_PER_MS;
	uint64_t now_ns = ring_now_ns(guard->ring);
	struct map_command *command;
	unsigned count = 0;

	if (guard->timeout_ms < 0)
		return 0;
	while ((command = list_first(&guard->parked, struct map_command, link)) &&
	       now_ns - command->wake_ns >= timeout_ns) {
		free_parked(command, freed);
		count++;
	}
	free_held(guard, freed);
	return count;
}

void guard_free_all(struct guard *guard, struct list *freed)
{
	struct map_command *command;

	while ((command = list_first(&guard->parked, struct map_command, link)))
		free_parked(command, freed);
	free_held(guard, freed);
}

void guard_forget_path(struct guard *guard, struct path *path)
{
	struct map_command *command;

	list_for_each (command, &guard->parked, link) {
		if (command->path == path)
			command->path = NULL;
	}
	path->in_doubt = 0;
}
