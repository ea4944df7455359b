/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/hedge.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "multipath/path.h"
#include "multipath/path_group.h"
#include "scsi/cdb.h"
#include "util/cleanup.h"

#define NS_PER_MS	 UINT64_C(1000000)
#define TRIGGER_MIN_NS	 (5 * NS_PER_MS)
#define LEARN_READS	 32 /* so often is looked up what is slow */
#define TOKENS_PER_HEDGE 100u
#define TOKENS_MAX	 (HEDGE_SLOTS * TOKENS_PER_HEDGE)
#define PROBE_NS	 (1000 * NS_PER_MS) /* between reads that ask a suspect unit */
#define SUSPECT_LATENCIES \
	8		 /* a path that is that much slower than usual is suspect; at least … \
			  */
#define SLOW_LATENCIES 8 /* a path that is slower by so much is marginal, if it is … */
#define SLOW_NS	       (100 * NS_PER_MS) /* … slower by that, too */
#define SUSPECT_MAX_NS (5000 * NS_PER_MS)

static void hedging_check(struct ring_timer *timer);
static void arm(struct hedging *hedging, uint64_t at_ns, uint64_t now_ns);

void hedging_init(struct hedging *hedging, struct dispatch *dispatch, struct ring *ring,
		  struct path_group *group, const struct hedging_settings *settings,
		  const struct hedging_owner *owner)
{
	*hedging = (struct hedging){
		.owner = owner,
		.settings = *settings,
		.dispatch = dispatch,
		.ring = ring,
		.group = group,
		.tokens = TOKENS_PER_HEDGE,
		.look_after_ns = settings->suspect_ms * NS_PER_MS,
	};
	list_init(&hedging->free);
	list_init(&hedging->busy);
	ring_timer_init(&hedging->timer, hedging_check);
}

void hedging_prepare(struct hedging *hedging)
{
	uint64_t now_ns = ring_now_ns(hedging->ring);

	if (!hedging->settings.suspect_ms)
		return;
	/* What is on the only path so far was not watched. */
	arm(hedging, now_ns + hedging->settings.suspect_ms * NS_PER_MS, now_ns);
	if (hedging->memory)
		return;
	/* Its pages are there when they are used, which few maps ever do. */
	hedging->memory = malloc((size_t)HEDGE_SLOTS * HEDGE_BYTES);
	for (size_t i = 0; hedging->memory && i < HEDGE_SLOTS; i++) {
		struct hedge *hedge = &hedging->slots[i];

		hedge->copy.kind = MAP_READ;
		hedge->copy.dispatch = hedging->dispatch;
		hedge->copy.scsi.direction = SCSI_DATA_IN;
		hedge->copy.scsi.data = hedging->memory + i * HEDGE_BYTES;
		hedge->copy.scsi.done = hedging->owner->copy_done;
		list_append(&hedging->free, &hedge->link);
	}
}

void hedging_deinit(struct hedging *hedging)
{
	assert(hedging_idle(hedging));
	ring_timer_disarm(hedging->ring, &hedging->timer);
	free(hedging->memory);
}

/* --- copies --- */

static struct hedge *hedge_of(struct map_command *copy)
{
	return container_of(copy, struct hedge, copy);
}

static void let_free(struct hedging *hedging, struct hedge *hedge)
{
	hedge->original = NULL;
	list_remove(&hedge->link);
	/* The one used last has its memory in the cache. */
	list_prepend(&hedging->free, &hedge->link);
}

/* @hedge has its CDB and length. Return: it is on the wire of @path. */
static bool send_copy(struct hedging *hedging, struct hedge *hedge, struct path *path)
{
	hedge->state = HEDGE_RACING;
	if (path_send(path, &hedge->copy, ring_now_ns(hedging->ring)) < 0)
		return false;
	list_remove(&hedge->link);
	list_append(&hedging->busy, &hedge->link);
	return true;
}

/* Where @original is not, and where it can be hoped to be answered; or NULL. */
static struct path *other_path(struct hedging *hedging, const struct map_command *original)
{
	struct map_command avoiding = *original;
	struct path *path;

	avoiding.tried = path_bit(original->path);
	path = path_group_choose(hedging->group, &avoiding, ring_now_ns(hedging->ring));
	return path && path != original->path && path->state != PATH_SUSPECT ? path : NULL;
}

static bool start(struct hedging *hedging, struct map_command *original, struct path *other)
{
	struct hedge *hedge = list_first(&hedging->free, struct hedge, link);

	if (!hedge || original->scsi.data_length > HEDGE_BYTES)
		return false;
	memcpy(hedge->copy.scsi.cdb, original->scsi.cdb, sizeof(hedge->copy.scsi.cdb));
	hedge->copy.scsi.data_length = original->scsi.data_length;
	hedge->copy.lba = original->lba;
	hedge->copy.blocks = original->blocks;
	if (!send_copy(hedging, hedge, other))
		return false;
	hedge->original = original;
	original->hedge = hedge;
	original->path->statistics.hedged++;
	return true;
}

/* The one way to send it again without a hedge: its memory is free of the wire first. */
static void move(struct map_command *original)
{
	if (original->moving || !original->path->nexus->up)
		return;
	original->moving = true;
	nexus_abandon(original->path->nexus, &original->scsi);
}

/* What was waited for in vain tells how slow the path is, as far as it is known. */
static void lose(struct hedging *hedging, struct map_command *original)
{
	path_late(original->path, ring_now_ns(hedging->ring) - original->sent_ns);
	if (original->path->nexus->up)
		nexus_abandon(original->path->nexus, &original->scsi);
}

static void take_data(struct hedging *hedging, struct hedge *hedge)
{
	struct map_command *original = hedge->original;
	uint32_t length = scsi_command_received(&hedge->copy.scsi);

	memcpy(original->scsi.data, hedge->copy.scsi.data, length);
	original->scsi.result = hedge->copy.scsi.result;
	original->hedge = NULL;
	let_free(hedging, hedge);
	hedging->owner->finish(hedging, original);
}

bool hedging_returned(struct hedging *hedging, struct map_command *original, bool good)
{
	struct hedge *hedge = original->hedge;

	if (hedge->state == HEDGE_WON && !good) {
		take_data(hedging, hedge);
		return true;
	}
	if (!good) {
		hedge->state = HEDGE_WAITED;
		return true;
	}
	original->hedge = NULL;
	hedge->original = NULL;
	if (hedge->state == HEDGE_WON)
		let_free(hedging, hedge);
	return false;
}

void hedging_copy_returned(struct hedging *hedging, struct map_command *copy, bool good)
{
	struct hedge *hedge = hedge_of(copy);
	struct map_command *original = hedge->original;
	bool waited = hedge->state == HEDGE_WAITED;

	if (!original) {
		let_free(hedging, hedge);
	} else if (!good) {
		original->hedge = NULL;
		let_free(hedging, hedge);
		if (waited)
			hedging->owner->resume(hedging, original);
	} else {
		copy->path->statistics.hedges_won++;
		if (waited) {
			take_data(hedging, hedge);
			return;
		}
		hedge->state = HEDGE_WON;
		lose(hedging, original);
	}
}

void hedging_forget_path(struct hedging *hedging, struct path *path)
{
	struct hedge *hedge;

	list_for_each (hedge, &hedging->busy, link) {
		if (hedge->original && hedge->state == HEDGE_WAITED &&
		    hedge->original->path == path)
			hedge->original->path = NULL;
	}
}

/* --- when --- */

static bool is_copy(const struct hedging *hedging, const struct map_command *command)
{
	return (uintptr_t)command - (uintptr_t)hedging->slots < sizeof(hedging->slots);
}

static bool may_be_hedged(const struct hedging *hedging, const struct map_command *command)
{
	return command->kind == MAP_READ && !command->hedge && !command->moving &&
	       !is_copy(hedging, command);
}

/* Beyond the budget: by a copy, or by moving the read itself. */
static void hedge_surely(struct hedging *hedging, struct map_command *original, bool or_move)
{
	struct path *other = other_path(hedging, original);

	if (other && !start(hedging, original, other) && or_move)
		move(original);
}

static void hedge_in_budget(struct hedging *hedging, struct map_command *original)
{
	struct path *other;

	if (hedging->tokens < TOKENS_PER_HEDGE)
		return;
	other = other_path(hedging, original);
	if (other && start(hedging, original, other))
		hedging->tokens -= TOKENS_PER_HEDGE;
}

void hedging_path_suspect(struct hedging *hedging, struct path *path)
{
	struct map_command *command, *following;

	if (!hedging->settings.suspect_ms)
		return;
	list_for_each_safe (command, following, &path->on_wire, link) {
		if (may_be_hedged(hedging, command))
			hedge_surely(hedging, command, true);
	}
}

/* The age at which a read is hedged within the budget; UINT64_MAX: nobody knows yet. */
static uint64_t trigger_ns(const struct hedging *hedging)
{
	uint64_t trigger = UINT64_MAX;
	const struct path *path;

	if (hedging->tokens < TOKENS_PER_HEDGE)
		return UINT64_MAX;
	list_for_each (path, &hedging->group->paths, group_link) {
		const struct path_latency *latency = &path->latency;

		if (path_usable(path) && latency->p99_ns)
			trigger = MIN(trigger, MAX(latency->p99_ns, 3 * latency->p50_ns));
	}
	return MAX(trigger, TRIGGER_MIN_NS);
}

static void learn(struct hedging *hedging)
{
	hedging->look_after_ns = MIN(trigger_ns(hedging), hedging->settings.suspect_ms * NS_PER_MS);
}

static uint64_t suspect_after_ns(const struct hedging *hedging, const struct path *path)
{
	uint64_t usual_ns = SUSPECT_LATENCIES * path->statistics.ewma_latency_ns;

	return MAX(hedging->settings.suspect_ms * NS_PER_MS, MIN(usual_ns, SUSPECT_MAX_NS));
}

/*
 * Reads and writes that a healthy unit answers soon. A flush or a discard may take its time, and a
 * unit that answers others lives.
 */
static uint64_t unanswered_since_ns(const struct path *path)
{
	const struct map_command *command;

	list_for_each (command, &path->on_wire, link) {
		if (path_expects_soon(command))
			return MAX(command->sent_ns, path->answered_ns);
	}
	return UINT64_MAX;
}

/* Return: when to look at its silence again; UINT64_MAX = never */
static uint64_t check_silence(struct hedging *hedging, struct path *path, uint64_t now_ns)
{
	uint64_t since_ns = unanswered_since_ns(path), end_ns;

	if (since_ns == UINT64_MAX || path->state == PATH_SUSPECT)
		return UINT64_MAX;
	end_ns = since_ns + suspect_after_ns(hedging, path);
	if (now_ns < end_ns)
		return end_ns;
	if (path_usable(path) && path_group_has(hedging->group, path_bit(path)))
		path_suspect(path, "the unit leaves commands unanswered");
	return path->state == PATH_SUSPECT ? UINT64_MAX : now_ns + PROBE_NS;
}

/* Return: when the next of its reads is due */
static uint64_t check_reads(struct hedging *hedging, struct path *path, uint64_t now_ns)
{
	uint64_t sure_ns = hedging->settings.suspect_ms * NS_PER_MS;
	struct map_command *command, *following;
	uint64_t at_ns = UINT64_MAX;

	list_for_each_safe (command, following, &path->on_wire, link) {
		uint64_t age_ns = now_ns - command->sent_ns;

		if (!may_be_hedged(hedging, command))
			continue;
		if (age_ns < hedging->look_after_ns)
			/* All behind it are younger. */
			return MIN(at_ns, command->sent_ns + hedging->look_after_ns);
		if (age_ns >= sure_ns)
			hedge_surely(hedging, command, path->state == PATH_SUSPECT);
		else
			hedge_in_budget(hedging, command);
		if (may_be_hedged(hedging, command)) /* not now */
			at_ns = MIN(at_ns, now_ns + hedging->look_after_ns);
		learn(hedging);
	}
	return at_ns;
}

/* Ask by a read that nobody waits for. */
static void probe(struct hedging *hedging, struct path *path)
{
	struct hedge *hedge = list_first(&hedging->free, struct hedge, link);
	struct scsi_command *scsi;

	if (!hedge || hedging->settings.block_size > HEDGE_BYTES)
		return;
	scsi = &hedge->copy.scsi;
	cdb_read_16(scsi, 0, 0, 1, hedging->settings.block_size);
	hedge->copy.lba = 0;
	hedge->copy.blocks = 1;
	send_copy(hedging, hedge, path);
}

/* Return: when it is to be asked again */
static uint64_t check_suspect(struct hedging *hedging, struct path *path, uint64_t now_ns)
{
	if (!(path->trouble & PATH_UNANSWERED) || !path_usable(path))
		return UINT64_MAX;
	if (path->statistics.in_flight > 0) {
		path->probed_ns = now_ns;
	} else if (now_ns - path->probed_ns >= PROBE_NS) {
		path->probed_ns = now_ns;
		probe(hedging, path);
	}
	return path->probed_ns + PROBE_NS;
}

static void arm(struct hedging *hedging, uint64_t at_ns, uint64_t now_ns)
{
	uint64_t delay_ms = at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 1;

	if (at_ns == UINT64_MAX)
		return;
	if (!ring_timer_armed(&hedging->timer) || hedging->timer.at_ns > at_ns)
		ring_timer_arm(hedging->ring, &hedging->timer, delay_ms);
}

/* One that is slower by far than the quickest, and slow for anybody. */
static void strike_slow_paths(struct hedging *hedging)
{
	uint64_t quickest_ns = UINT64_MAX, slow_ns;
	struct path *path;

	list_for_each (path, &hedging->group->paths, group_link) {
		if (path_usable(path) && path->statistics.ewma_latency_ns)
			quickest_ns = MIN(quickest_ns, path->statistics.ewma_latency_ns);
	}
	if (quickest_ns == UINT64_MAX)
		return;
	slow_ns = SLOW_NS + SLOW_LATENCIES * quickest_ns;
	list_for_each (path, &hedging->group->paths, group_link) {
		if (path_usable(path) && path->statistics.ewma_latency_ns > slow_ns)
			path_strike(path, "much slower than another path");
	}
}

static void hedging_check(struct ring_timer *timer)
{
	struct hedging *hedging = container_of(timer, struct hedging, timer);
	uint64_t now_ns = ring_now_ns(hedging->ring), at_ns = UINT64_MAX;
	struct path *paths[PATH_SLOTS], *path;
	unsigned count = 0;

	if (!path_group_has_two(hedging->group))
		return;
	learn(hedging);
	/* Choosing where to send turns the list. */
	list_for_each (path, &hedging->group->paths, group_link)
		paths[count++] = path;
	for (unsigned i = 0; i < count; i++) {
		at_ns = MIN(at_ns, check_silence(hedging, paths[i], now_ns));
		at_ns = MIN(at_ns, check_reads(hedging, paths[i], now_ns));
		at_ns = MIN(at_ns, check_suspect(hedging, paths[i], now_ns));
	}
	strike_slow_paths(hedging);
	arm(hedging, at_ns, now_ns);
}

void hedging_sent(struct hedging *hedging, const struct map_command *command)
{
	uint64_t at_ns = command->sent_ns;

	if (command->kind == MAP_READ) {
		if (hedging->tokens < TOKENS_MAX)
			hedging->tokens += hedging->settings.budget;
		if (++hedging->reads % LEARN_READS == 0)
			learn(hedging);
		at_ns += hedging->look_after_ns;
	} else {
		at_ns += hedging->settings.suspect_ms * NS_PER_MS;
	}
	if (ring_timer_armed(&hedging->timer) && hedging->timer.at_ns <= at_ns)
		return;
	if (hedging->settings.suspect_ms && path_group_has_two(hedging->group))
		arm(hedging, at_ns, command->sent_ns);
}
