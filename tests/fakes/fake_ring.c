/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_ring.h"

#include <assert.h>
#include <stdlib.h>

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u
#define TURN_MAX  100000 /* work that defers itself for ever is a bug in what is tested */

struct ring {
	uint64_t now_ns;
	struct ring_timer *timers; /* by sibling, the earliest first, then the one armed first */
	struct list deferred;
};

struct ring *fake_ring_new(void)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	assert(ring);
	ring->now_ns = 1000 * (uint64_t)NS_PER_MS;
	list_init(&ring->deferred);
	return ring;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	assert(!ring->timers && list_empty(&ring->deferred));
	free(ring);
}

uint64_t ring_now_ns(const struct ring *ring)
{
	return ring->now_ns;
}

void ring_timer_init(struct ring_timer *timer, void (*expired)(struct ring_timer *timer))
{
	*timer = (struct ring_timer){.expired = expired};
}

void ring_timer_disarm(struct ring *ring, struct ring_timer *timer)
{
	struct ring_timer **at = &ring->timers;

	if (!ring_timer_armed(timer))
		return;
	while (*at != timer)
		at = &(*at)->sibling;
	*at = timer->sibling;
	timer->sibling = NULL;
	timer->at_ns = 0;
}

void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t delay_ms)
{
	struct ring_timer **at = &ring->timers;

	ring_timer_disarm(ring, timer);
	timer->at_ns = ring->now_ns + delay_ms * NS_PER_MS;
	while (*at && (*at)->at_ns <= timer->at_ns)
		at = &(*at)->sibling;
	timer->sibling = *at;
	*at = timer;
}

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *deferred))
{
	deferred->run = run;
	list_init(&deferred->link);
}

void ring_defer(struct ring *ring, struct deferred *deferred)
{
	if (list_empty(&deferred->link))
		list_append(&ring->deferred, &deferred->link);
}

void ring_undefer(struct deferred *deferred)
{
	list_remove(&deferred->link);
}

void fake_ring_turn(struct ring *ring)
{
	struct deferred *deferred;
	unsigned count = 0;

	while ((deferred = list_pop(&ring->deferred, struct deferred, link))) {
		assert(count++ < TURN_MAX);
		deferred->run(deferred);
	}
}

void fake_ring_advance_us(struct ring *ring, uint64_t us)
{
	uint64_t end_ns = ring->now_ns + us * NS_PER_US;
	unsigned count = 0;

	fake_ring_turn(ring);
	while (ring->timers && ring->timers->at_ns <= end_ns) {
		struct ring_timer *timer = ring->timers;

		assert(count++ < TURN_MAX);
		if (timer->at_ns > ring->now_ns)
			ring->now_ns = timer->at_ns;
		ring_timer_disarm(ring, timer);
		timer->expired(timer);
		fake_ring_turn(ring);
	}
	ring->now_ns = end_ns;
}

void fake_ring_advance(struct ring *ring, uint64_t ms)
{
	fake_ring_advance_us(ring, ms * (NS_PER_MS / NS_PER_US));
}

unsigned fake_ring_timers(const struct ring *ring)
{
	unsigned count = 0;

	for (const struct ring_timer *t = ring->timers; t; t = t->sibling)
		count++;
	return count;
}
