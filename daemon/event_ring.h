/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The last events, in a ring that is made once and never grows. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/event.h"

struct event_ring;

#define EVENT_RING_EVENTS 10000

/** event_ring_new() - @capacity: events that it keeps, at least 1. Return: 0; -ENOMEM */
int event_ring_new(unsigned capacity, struct event_ring **ret);
/** event_ring_free() - NULL is fine */
void event_ring_free(struct event_ring *ring);

/** event_ring_add() - a copy of @event, which gets its sequence number */
void event_ring_add(struct event_ring *ring, struct event *event);

/** event_ring_last() - sequence number of the last one; 0: there was none yet */
uint64_t event_ring_last(const struct event_ring *ring);
/** event_ring_first() - of the oldest one that is still there; one behind the last when empty */
uint64_t event_ring_first(const struct event_ring *ring);
/** event_ring_at() - NULL when it is not there (any more). Valid until the next one is added */
const struct event *event_ring_at(const struct event_ring *ring, uint64_t sequence);

/* Which events are meant; {} are all. */
struct event_filter {
	const char *target, *portal, *map; /* NULL: any; @portal also without its port */
	int kind;			   /* 1 + enum event_kind; 0: any */
	int severity;			   /* this one or worse; 0: any */
	uint64_t from_us;		   /* CLOCK_REALTIME: not before */
};

bool event_matches(const struct event *event, const struct event_filter *filter);
