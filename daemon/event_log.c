/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/event_log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "daemon/clock.h"
#include "daemon/event_limit.h"
#include "daemon/event_ring.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

struct event_log {
	struct event_ring *ring;
	struct event_limit limit;
	sd_event *event;
	struct sd_event_source *timer; /* while something is suppressed */
	void (*told)(const struct event *event, void *userdata);
	void *userdata;
};

/* --- the journal --- */

#define NUMBER_NAME_MAX 32
#define NUMBER_TEXT_MAX 24

/* "in-doubt" is ISCSI_IN_DOUBT. */
static void field_name(const char *name, char field[NUMBER_NAME_MAX])
{
	size_t i = 0;

	for (; name[i] && i < NUMBER_NAME_MAX - 1; i++)
		field[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
	field[i] = '\0';
}

/* The numbers as fields. Return: how many. */
static unsigned number_fields(const struct event *event, struct log_field *fields,
			      char names[EVENT_NUMBERS_MAX][NUMBER_NAME_MAX],
			      char texts[EVENT_NUMBERS_MAX][NUMBER_TEXT_MAX])
{
	const struct event_kind_row *row = event_kind_row((enum event_kind)event->kind);
	unsigned n = 0;

	for (; n < EVENT_NUMBERS_MAX && row->numbers[n]; n++) {
		field_name(row->numbers[n], names[n]);
		snprintf(texts[n], NUMBER_TEXT_MAX, "%" PRIu64, event->numbers[n]);
		fields[n] = LOG_FIELD(names[n], texts[n]);
	}
	return n;
}

static void write_line(const struct event *event)
{
	const struct event_kind_row *row = event_kind_row((enum event_kind)event->kind);
	char names[EVENT_NUMBERS_MAX][NUMBER_NAME_MAX], numbers[EVENT_NUMBERS_MAX][NUMBER_TEXT_MAX];
	char path[EVENT_PATH_NAME_MAX], verdicts[VERDICT_TEXT_MAX], text[EVENT_TEXT_MAX];
	char sid[12] = "", lun[24] = "", sequence[24];
	struct log_field fields[14 + EVENT_NUMBERS_MAX];
	unsigned n = 0;

	if (event->sid)
		snprintf(sid, sizeof(sid), "%" PRIu32, event->sid);
	if (event->about == OBJECT_PATH)
		snprintf(lun, sizeof(lun), "%" PRIu64, event->lun);
	snprintf(sequence, sizeof(sequence), "%" PRIu64, event->sequence);
	fields[n++] = LOG_FIELD("MESSAGE_ID", row->message_id);
	fields[n++] = LOG_FIELD("EVENT", row->name);
	fields[n++] = LOG_FIELD("SEQUENCE", sequence);
	fields[n++] = LOG_FIELD("TARGET", event_target(event));
	fields[n++] = LOG_FIELD("PORTAL", event_portal(event));
	fields[n++] = LOG_FIELD("SID", sid);
	fields[n++] = LOG_FIELD("MAP", event_map(event));
	fields[n++] = LOG_FIELD("PATH", event_path_name(event, path));
	fields[n++] = LOG_FIELD("LUN", lun);
	fields[n++] = LOG_FIELD("STATE", event->state);
	fields[n++] = LOG_FIELD("OLD_STATE", event->from);
	fields[n++] = LOG_FIELD("VERDICT", verdict_text(event->verdicts, verdicts));
	fields[n++] = LOG_FIELD("DOUBT", doubt_letter((enum doubt)event->doubt));
	fields[n++] = LOG_FIELD("REASON", event_reason(event));
	n += number_fields(event, fields + n, names, numbers);
	log_line(event->severity, fields, n, "%s", event_text(event, text));
}

/* --- what comes too often --- */

static void arm(struct event_log *log);

/* Into the ring, to those who follow, and to the journal when @written. */
static void publish(struct event_log *log, struct event *event, bool limited)
{
	event_ring_add(log->ring, event);
	if (!limited || event_limit_take(&log->limit, event))
		write_line(event);
	log->told(event, log->userdata);
}

static void tell_suppressed(struct event_log *log, const struct event_suppressed *suppressed)
{
	const struct event *last = event_ring_at(log->ring, suppressed->last);
	uint64_t now_us = clock_monotonic_us();
	struct event_facts facts = {
		.kind = EVENT_SUPPRESSED,
		.state = last ? event_kind_row((enum event_kind)last->kind)->name : "of many kinds",
		.numbers = {suppressed->count, (now_us - suppressed->since_us) / 1000000},
	};
	struct event event;

	event_fill(&event, OBJECT_MANAGER, NULL, &facts, clock_realtime_us(), now_us);
	if (last)
		event_set_about(&event, last);
	publish(log, &event, false);
}

static int on_window_over(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct event_log *log = userdata;
	struct event_suppressed suppressed;

	log->timer = sd_event_source_disable_unref(log->timer);
	while (event_limit_pop(&log->limit, clock_monotonic_us(), &suppressed))
		tell_suppressed(log, &suppressed);
	arm(log);
	return 0;
}

/* Without a timer (no memory) the line comes with the last one, when the daemon ends. */
static void arm(struct event_log *log)
{
	uint64_t due_us = event_limit_due_us(&log->limit);

	if (!log->timer && due_us != UINT64_MAX)
		(void)sd_event_add_time(log->event, &log->timer, CLOCK_MONOTONIC, due_us, 0,
					on_window_over, log);
}

/* --- the log --- */

void event_log_raise(struct event_log *log, enum object_kind about, const void *object,
		     const struct event_facts *facts)
{
	struct event event;

	event_fill(&event, about, object, facts, clock_realtime_us(), clock_monotonic_us());
	publish(log, &event, true);
	arm(log);
}

const struct event_ring *event_log_ring(const struct event_log *log)
{
	return log->ring;
}

int event_log_new(sd_event *event, void (*told)(const struct event *event, void *userdata),
		  void *userdata, struct event_log **ret)
{
	struct event_log *log = calloc(1, sizeof(*log));

	if (!log || event_ring_new(EVENT_RING_EVENTS, &log->ring) < 0) {
		free(log);
		return -ENOMEM;
	}
	log->event = sd_event_ref(event);
	log->told = told;
	log->userdata = userdata;
	*ret = log;
	return 0;
}

void event_log_free(struct event_log *log)
{
	struct event_suppressed suppressed;

	if (!log)
		return;
	while (event_limit_pop(&log->limit, UINT64_MAX, &suppressed))
		tell_suppressed(log, &suppressed);
	sd_event_source_disable_unref(log->timer);
	sd_event_unref(log->event);
	event_ring_free(log->ring);
	free(log);
}
