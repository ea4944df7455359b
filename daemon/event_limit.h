/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Against a journal full of one flapping path: of each kind of event about each object so many
 * lines are written within a minute; the rest is counted, and told in one line. Nothing here
 * allocates, and time is passed in. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/event.h"

#define EVENT_LIMIT_LINES     10
#define EVENT_LIMIT_WINDOW_US (60 * UINT64_C(1000000))
#define EVENT_LIMIT_KEYS      256
#define EVENT_LIMIT_PROBES    8 /* places where a key may be */

/* One kind of event about one object, within one window. */
struct event_limit_key {
	uint64_t id; /* of kind and object; 0: nobody's */
	uint64_t since_us;
	uint64_t last; /* sequence number of the last one that was not written */
	uint32_t lines, suppressed;
};

struct event_limit {
	struct event_limit_key keys[EVENT_LIMIT_KEYS];
	struct event_limit_key others; /* that find no place among them: all together */
	unsigned waiting;	       /* keys with something suppressed */
};

/* What was not written. */
struct event_suppressed {
	uint64_t last; /* sequence number of the last of them; 0: of many kinds and objects */
	uint64_t since_us;
	uint32_t count;
};

/**
 * event_limit_take() - is @event to be written?
 * @event: with its sequence number and monotonic time; LOG_CRIT and worse always are
 */
bool event_limit_take(struct event_limit *limit, const struct event *event);

/** event_limit_due_us() - when the first window ends that has suppressed something; UINT64_MAX */
uint64_t event_limit_due_us(struct event_limit *limit);

/** event_limit_pop() - one whose window is over at @now_us. Return: false when there is none */
bool event_limit_pop(struct event_limit *limit, uint64_t now_us, struct event_suppressed *ret);
