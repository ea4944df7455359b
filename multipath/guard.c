/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/guard.h"

#include <assert.h>
#include <limits.h>

#include "multipath/command.h"
#include "multipath/path.h"
#include "util/text.h"

#define NS_PER_MS UINT64_C(1000000)
#define RETRY_MS  10u /* at least, before a write that could not go on is looked at again */

static const struct text_name names[INTEGRITY_COUNT] = {
	{INTEGRITY_EXCLUSIVE, "exclusive"},
	{INTEGRITY_SHARED, "shared"},
	{INTEGRITY_LEGACY, "legacy"},
};

const char *integrity_name(enum integrity integrity)
{
	return text_name_of(names, ARRAY_SIZE(names), (int)integrity, "?");
}

int integrity_of(const char *name)
{
	int value;
	int r = text_value_of(names, ARRAY_SIZE(names), name, &value);

	return r < 0 ? r : value;
}

static void timer_expired(struct ring_timer *timer)
{
	struct guard *guard = container_of(timer, struct guard, timer);

	guard->owner->due(guard);
}

void guard_init(struct guard *guard, struct ring *ring, const struct guard_settings *settings,
		const struct guard_owner *owner)
{
	guard->ring = ring;
	guard->owner = owner;
	guard->settings = *settings;
	guard->active = guard->range_count = 0;
	guard->no_room = false;
	guard->in_doubt = guard->overdue = guard->longest_ns = 0;
	list_init(&guard->parked);
	list_init(&guard->held);
	ring_timer_init(&guard->timer, timer_expired);
}

void guard_deinit(struct guard *guard)
{
	assert(list_empty(&guard->parked) && list_empty(&guard->held));
	ring_timer_disarm(guard->ring, &guard->timer);
}

/* --- time --- */

static uint64_t now(const struct guard *guard)
{
	return ring_now_ns(guard->ring);
}

static bool can_time_out(const struct guard *guard)
{
	return guard->settings.timeout_ms >= 0;
}

static uint64_t end_of_life(const struct guard *guard, uint64_t since_ns)
{
	return since_ns + (uint64_t)guard->settings.timeout_ms * NS_PER_MS;
}

static uint64_t end_of_wait(const struct guard *guard, const struct map_command *command)
{
	return command->wake_ns + guard->settings.fence_wait_ms * NS_PER_MS;
}

/* Rounded up, so that the time is really over when the timer says so. */
static void arm(struct guard *guard, uint64_t at_ns)
{
	uint64_t now_ns = now(guard);

	ring_timer_arm(guard->ring, &guard->timer,
		       at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0);
}

/* When @command, parked, is to be looked at: also after its fence_wait, if only to ask for help. */
static uint64_t next_look(const struct guard *guard, const struct map_command *command)
{
	uint64_t at_ns = end_of_wait(guard, command);

	if (at_ns <= now(guard))
		at_ns = guard->settings.integrity == INTEGRITY_EXCLUSIVE
				? now(guard) +
					  MAX(guard->settings.fence_wait_ms, RETRY_MS) * NS_PER_MS
				: UINT64_MAX;
	return can_time_out(guard) ? MIN(at_ns, end_of_life(guard, command->wake_ns)) : at_ns;
}

static void set_timer(struct guard *guard)
{
	const struct map_command *command;
	uint64_t at_ns = UINT64_MAX;

	list_for_each (command, &guard->parked, link)
		at_ns = MIN(at_ns, next_look(guard, command));
	for (unsigned i = 0; can_time_out(guard) && i < guard->range_count; i++)
		at_ns = MIN(at_ns, end_of_life(guard, guard->ranges[i].since_ns));
	if (at_ns == UINT64_MAX)
		ring_timer_disarm(guard->ring, &guard->timer);
	else
		arm(guard, at_ns);
}

static void lived(struct guard *guard, uint64_t since_ns)
{
	guard->longest_ns = MAX(guard->longest_ns, now(guard) - since_ns);
}

/* --- ranges of blocks --- */

static uint64_t range_start(const struct map_command *command)
{
	return command->blocks == 0 ? 0 : command->lba;
}

/* First block behind the range, as far as it can be told. */
static uint64_t range_end(const struct map_command *command)
{
	uint64_t end;

	if (command->blocks == 0 || __builtin_add_overflow(command->lba, command->blocks, &end))
		return UINT64_MAX;
	return end;
}

bool guard_overlap(const struct map_command *a, const struct map_command *b)
{
	return range_start(a) < range_end(b) && range_start(b) < range_end(a);
}

static bool in_range(const struct guard_range *range, const struct map_command *command)
{
	return range->start < range_end(command) && range_start(command) < range->end;
}

bool guard_blocks(const struct guard *guard, const struct map_command *command)
{
	const struct map_command *parked;

	for (unsigned i = 0; i < guard->range_count; i++) {
		if (guard->ranges[i].owner != command && in_range(&guard->ranges[i], command))
			return true;
	}
	list_for_each (parked, &guard->parked, link) {
		if (parked != command && guard_overlap(parked, command))
			return true;
	}
	return false;
}

/* --- guarded ranges --- */

static void range_remove(struct guard *guard, unsigned index)
{
	struct guard_range *range = &guard->ranges[index];

	lived(guard, range->since_ns);
	if (range->path)
		range->path->in_doubt--;
	*range = guard->ranges[--guard->range_count];
	guard->active--;
}

static void range_add(struct guard *guard, struct map_command *command, struct map_command *owner)
{
	guard->ranges[guard->range_count++] = (struct guard_range){
		.path = command->path,
		.owner = owner,
		.login = command->login,
		.start = range_start(command),
		.end = range_end(command),
		.since_ns = command->wake_ns,
	};
	guard->active++;
	if (command->path)
		command->path->in_doubt++;
}

/* The ghosts of @from are from now on taken care of by @to. */
static void range_stretch(struct guard_range *to, uint64_t start, uint64_t end, uint64_t since_ns)
{
	to->start = MIN(to->start, start);
	to->end = MAX(to->end, end);
	to->since_ns = MAX(to->since_ns, since_ns);
}

/* A range whose write was answered and which @range could be a part of. */
static struct guard_range *find_neighbour(struct guard *guard, const struct guard_range *range)
{
	for (unsigned i = 0; i < guard->range_count; i++) {
		struct guard_range *other = &guard->ranges[i];

		if (other != range && !other->owner && other->path == range->path &&
		    other->login == range->login && other->start <= range->end &&
		    range->start <= other->end)
			return other;
	}
	return NULL;
}

/* It may fill the gap between two others; the last range takes the place of the one that goes. */
static void join_neighbours(struct guard *guard, unsigned index)
{
	struct guard_range *range = &guard->ranges[index], *other;

	while ((other = find_neighbour(guard, range))) {
		range_stretch(range, other->start, other->end, other->since_ns);
		if (range == &guard->ranges[guard->range_count - 1]) {
			*other = *range;
			range = other;
		} else {
			*other = guard->ranges[guard->range_count - 1];
		}
		guard->range_count--;
		guard->active--;
		if (range->path)
			range->path->in_doubt--;
	}
}

void guard_settle(struct guard *guard, struct map_command *command)
{
	command->ghosts = false;
	for (unsigned i = 0; i < guard->range_count; i++) {
		if (guard->ranges[i].owner != command)
			continue;
		guard->ranges[i].owner = NULL;
		join_neighbours(guard, i);
		i = UINT_MAX; /* they changed places: look through them again */
	}
	if (guard->no_room && guard->range_count < GUARD_RANGES)
		arm(guard, now(guard));
}

/* The best range to stretch: of the same nexus, or any, which then only time can end. */
static struct guard_range *find_stretchable(struct guard *guard, const struct map_command *command)
{
	for (unsigned i = 0; i < guard->range_count; i++) {
		if (guard->ranges[i].path == command->path && !guard->ranges[i].owner)
			return &guard->ranges[i];
	}
	return NULL;
}

void guard_abandon(struct guard *guard, struct map_command *command)
{
	struct guard_range *range;

	guard_settle(guard, command);
	range = guard->range_count < GUARD_RANGES ? NULL : find_stretchable(guard, command);
	if (!range && guard->range_count < GUARD_RANGES + GUARD_RESERVE) {
		range_add(guard, command, NULL);
		join_neighbours(guard, guard->range_count - 1);
	} else if (range) {
		range_stretch(range, range_start(command), range_end(command), command->wake_ns);
		range->login = MAX(range->login, command->login);
	} else {
		range = &guard->ranges[0];
		range_stretch(range, range_start(command), range_end(command), command->wake_ns);
		if (range->path)
			range->path->in_doubt--;
		range->path = NULL;
		range->owner = NULL;
	}
	set_timer(guard);
}

/* --- commands --- */

void guard_park(struct guard *guard, struct map_command *command)
{
	uint64_t at_ns;

	command->wake_ns = now(guard);
	command->path->in_doubt++;
	guard->active++;
	guard->in_doubt++;
	list_append(&guard->parked, &command->link);
	at_ns = next_look(guard, command);
	if (!ring_timer_armed(&guard->timer) || guard->timer.at_ns > at_ns)
		arm(guard, at_ns);
}

void guard_hold(struct guard *guard, struct map_command *command)
{
	list_append(&guard->held, &command->link);
}

static void unpark(struct guard *guard, struct map_command *command, struct list *to)
{
	lived(guard, command->wake_ns);
	list_remove(&command->link);
	guard->active--;
	if (command->path)
		command->path->in_doubt--;
	list_append(to, &command->link);
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

static bool is_dead(const struct path *path, uint32_t login)
{
	return login < path->fenced_login;
}

void guard_free_fenced(struct guard *guard, struct path *path, struct list *freed)
{
	struct map_command *command, *following;

	if (path->in_doubt == 0)
		return;
	list_for_each_safe (command, following, &guard->parked, link) {
		if (command->path == path && is_dead(path, command->login))
			unpark(guard, command, freed);
	}
	for (unsigned i = guard->range_count; i-- > 0;) {
		if (guard->ranges[i].path == path && is_dead(path, guard->ranges[i].login))
			range_remove(guard, i);
	}
	free_held(guard, freed);
}

unsigned guard_expire(struct guard *guard, struct list *freed)
{
	struct map_command *command, *following;
	uint64_t now_ns = now(guard);
	unsigned count = 0;

	if (!can_time_out(guard))
		return 0;
	list_for_each_safe (command, following, &guard->parked, link) {
		if (now_ns < end_of_life(guard, command->wake_ns))
			continue;
		unpark(guard, command, freed);
		count++;
	}
	for (unsigned i = guard->range_count; i-- > 0;) {
		if (now_ns < end_of_life(guard, guard->ranges[i].since_ns))
			continue;
		range_remove(guard, i);
		count++;
	}
	guard->overdue += count;
	free_held(guard, freed);
	return count;
}

void guard_release(struct guard *guard,
		   bool (*clear)(struct guard *guard, const struct map_command *command),
		   struct list *freed)
{
	struct map_command *command, *following;

	guard->no_room = false;
	list_for_each_safe (command, following, &guard->parked, link) {
		if (guard->settings.integrity != INTEGRITY_EXCLUSIVE ||
		    now(guard) < end_of_wait(guard, command) || guard_blocks(guard, command) ||
		    !clear(guard, command))
			continue;
		if (guard->range_count >= GUARD_RANGES) {
			guard->no_room = true;
			break;
		}
		range_add(guard, command, command);
		unpark(guard, command, freed);
		command->ghosts = true;
	}
	set_timer(guard);
}

void guard_free_all(struct guard *guard, bool forget, struct list *freed)
{
	struct map_command *command;

	while ((command = list_first(&guard->parked, struct map_command, link))) {
		unpark(guard, command, freed);
		if (!forget)
			guard_abandon(guard, command);
	}
	list_splice(freed, &guard->held);
	while (forget && guard->range_count > 0)
		range_remove(guard, guard->range_count - 1);
	set_timer(guard);
}

bool guard_waits_for(const struct guard *guard, const struct path *path)
{
	const struct map_command *command;

	for (unsigned i = 0; i < guard->range_count; i++) {
		if (guard->ranges[i].path == path)
			return true;
	}
	list_for_each (command, &guard->parked, link) {
		if (command->path == path && now(guard) >= end_of_wait(guard, command))
			return true;
	}
	return false;
}

void guard_forget_path(struct guard *guard, struct path *path)
{
	struct map_command *command;

	list_for_each (command, &guard->parked, link) {
		if (command->path == path)
			command->path = NULL;
	}
	for (unsigned i = 0; i < guard->range_count; i++) {
		if (guard->ranges[i].path == path)
			guard->ranges[i].path = NULL;
	}
	path->in_doubt = 0;
}

/* --- figures --- */

void guard_get_statistics(const struct guard *guard, uint64_t blocks, struct guard_statistics *ret)
{
	const struct map_command *command;
	uint64_t longest_ns = guard->longest_ns;

	*ret = (struct guard_statistics){.in_doubt = guard->in_doubt, .overdue = guard->overdue};
	for (unsigned i = 0; i < guard->range_count; i++) {
		const struct guard_range *range = &guard->ranges[i];
		uint64_t end = MIN(range->end, MAX(blocks, range->start));

		ret->guarded_blocks += end - range->start;
		longest_ns = MAX(longest_ns, now(guard) - range->since_ns);
	}
	list_for_each (command, &guard->parked, link) {
		ret->parked++;
		ret->guarded_blocks += command->blocks ? command->blocks : blocks;
		longest_ns = MAX(longest_ns, now(guard) - command->wake_ns);
	}
	list_for_each (command, &guard->held, link)
		ret->held++;
	ret->longest_ms = longest_ns / NS_PER_MS;
}
