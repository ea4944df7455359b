/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/event_limit.h"

#include <syslog.h>

#include "util/cleanup.h"
#include "util/text.h"

static uint64_t key_id(const struct event *event)
{
	static const uint8_t key[16] = "one for events.";
	const uint64_t about[] = {event->kind, event->about, event->id, event->sid};
	uint64_t id = text_siphash(key, about, sizeof(about));

	return id ? id : 1;
}

static bool is_over(const struct event_limit_key *key, uint64_t now_us)
{
	return now_us - key->since_us >= EVENT_LIMIT_WINDOW_US;
}

/* The key's place; where it has none yet, the one that can be spared best. */
static struct event_limit_key *find_key(struct event_limit *limit, uint64_t id, uint64_t now_us)
{
	struct event_limit_key *spare = NULL;

	for (unsigned i = 0; i < EVENT_LIMIT_PROBES; i++) {
		struct event_limit_key *key = &limit->keys[(id + i) % EVENT_LIMIT_KEYS];

		if (key->id == id)
			return key;
		if (key->suppressed) /* it has something to tell yet */
			continue;
		if (!spare || key->since_us < spare->since_us || is_over(key, now_us))
			spare = key;
	}
	return spare ? spare : &limit->others;
}

static void suppress(struct event_limit *limit, struct event_limit_key *key, uint64_t sequence)
{
	limit->waiting += key->suppressed == 0;
	key->suppressed++;
	key->last = key == &limit->others ? 0 : sequence;
}

bool event_limit_take(struct event_limit *limit, const struct event *event)
{
	uint64_t id = key_id(event), now_us = event->monotonic_us;
	struct event_limit_key *key;

	if (event->severity <= LOG_CRIT)
		return true;
	key = find_key(limit, id, now_us);
	if (key == &limit->others)
		id = 0;
	if (key->suppressed == 0 && (key->id != id || is_over(key, now_us)))
		*key = (struct event_limit_key){.id = id, .since_us = now_us};
	if (key->lines < EVENT_LIMIT_LINES) {
		key->lines++;
		return true;
	}
	suppress(limit, key, event->sequence);
	return false;
}

/* The keys, and behind them the one for the others. */
static struct event_limit_key *key_at(struct event_limit *limit, unsigned index)
{
	return index < EVENT_LIMIT_KEYS ? &limit->keys[index] : &limit->others;
}

uint64_t event_limit_due_us(struct event_limit *limit)
{
	uint64_t due_us = UINT64_MAX;

	for (unsigned i = 0; limit->waiting && i <= EVENT_LIMIT_KEYS; i++) {
		const struct event_limit_key *key = key_at(limit, i);

		if (key->suppressed)
			due_us = MIN(due_us, key->since_us + EVENT_LIMIT_WINDOW_US);
	}
	return due_us;
}

bool event_limit_pop(struct event_limit *limit, uint64_t now_us, struct event_suppressed *ret)
{
	for (unsigned i = 0; limit->waiting && i <= EVENT_LIMIT_KEYS; i++) {
		struct event_limit_key *key = key_at(limit, i);

		if (!key->suppressed || !is_over(key, now_us))
			continue;
		*ret = (struct event_suppressed){key->last, key->since_us, key->suppressed};
		*key = (struct event_limit_key){};
		limit->waiting--;
		return true;
	}
	return false;
}
