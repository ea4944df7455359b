/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/event_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

struct event_ring {
	unsigned capacity;
	uint64_t last; /* sequence number; number n is in slot n % capacity */
	struct event slots[];
};

int event_ring_new(unsigned capacity, struct event_ring **ret)
{
	/* Pages that no event has touched yet cost nothing. */
	struct event_ring *ring = calloc(1, sizeof(*ring) + capacity * sizeof(ring->slots[0]));

	if (!ring)
		return -ENOMEM;
	ring->capacity = capacity;
	*ret = ring;
	return 0;
}

void event_ring_free(struct event_ring *ring)
{
	free(ring);
}

void event_ring_add(struct event_ring *ring, struct event *event)
{
	event->sequence = ++ring->last;
	ring->slots[event->sequence % ring->capacity] = *event;
}

uint64_t event_ring_last(const struct event_ring *ring)
{
	return ring->last;
}

uint64_t event_ring_first(const struct event_ring *ring)
{
	return ring->last > ring->capacity ? ring->last - ring->capacity + 1 : 1;
}

const struct event *event_ring_at(const struct event_ring *ring, uint64_t sequence)
{
	if (sequence < event_ring_first(ring) || sequence > ring->last)
		return NULL;
	return &ring->slots[sequence % ring->capacity];
}

static bool is(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

/* "10.0.0.1" and "10.0.0.1:3260" are both 10.0.0.1:3260. */
static bool is_portal(const char *wanted, const char *portal)
{
	size_t length;

	if (is(wanted, portal))
		return true;
	length = strlen(wanted);
	if (portal[0] == '[')
		return strncmp(portal + 1, wanted, length) == 0 && portal[length + 1] == ']';
	return strncmp(portal, wanted, length) == 0 && portal[length] == ':' &&
	       !strchr(wanted, ':');
}

bool event_matches(const struct event *event, const struct event_filter *filter)
{
	return is(filter->target, event_target(event)) && is(filter->map, event_map(event)) &&
	       is_portal(filter->portal, event_portal(event)) &&
	       (filter->kind == 0 || filter->kind == event->kind + 1) &&
	       (filter->severity == 0 || event->severity <= filter->severity) &&
	       event->realtime_us >= filter->from_us;
}
