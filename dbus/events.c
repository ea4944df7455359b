/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/event_ring.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "util/cleanup.h"
#include "util/error.h"

/* --- one event --- */

/* Where the object of @event is, or was. */
static const char *event_object(const struct event *event, char buffer[SHOWN_PATH_MAX])
{
	switch ((enum object_kind)event->about) {
	case OBJECT_NODE:
		snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/node/n%016" PRIx64, event->id);
		return buffer;
	case OBJECT_SESSION:
		snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/session/%" PRIu32, event->sid);
		return buffer;
	case OBJECT_MAP:
		snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/map/m%016" PRIx64, event->id);
		return buffer;
	case OBJECT_PATH:
		snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/map/m%016" PRIx64 "/path/p%016" PRIx64,
			 event->map_id, event->id);
		return buffer;
	case OBJECT_MANAGER:
		break;
	}
	return ROOT_PATH;
}

static void write_text(struct bus_writer *writer, const char *key, const char *text)
{
	if (*text)
		bus_property_string(writer, key, text);
}

static void write_numbers(struct bus_writer *writer, const struct event *event)
{
	const struct event_kind_row *row = event_kind_row((enum event_kind)event->kind);

	if (!row->numbers[0])
		return;
	bus_open_property(writer, "Numbers", "a{st}");
	bus_open_array(writer, "{st}");
	for (unsigned i = 0; i < EVENT_NUMBERS_MAX && row->numbers[i]; i++) {
		bus_open_entry(writer);
		bus_write_string(writer, row->numbers[i]);
		bus_write_u64(writer, event->numbers[i]);
		bus_close(writer);
	}
	bus_close(writer);
	bus_close_property(writer);
}

static void write_fields(struct bus_writer *writer, const struct event *event)
{
	char path[EVENT_PATH_NAME_MAX], verdicts[VERDICT_TEXT_MAX];

	bus_property_u64(writer, "Sequence", event->sequence);
	bus_property_u64(writer, "Monotonic", event->monotonic_us);
	bus_property_string(writer, "MessageId",
			    event_kind_row((enum event_kind)event->kind)->message_id);
	write_text(writer, "Target", event_target(event));
	write_text(writer, "Portal", event_portal(event));
	if (event->sid)
		bus_property_u32(writer, "Sid", event->sid);
	write_text(writer, "Map", event_map(event));
	write_text(writer, "Path", event_path_name(event, path));
	if (event->about == OBJECT_PATH)
		bus_property_u64(writer, "Lun", event->lun);
	write_text(writer, "State", event->state);
	write_text(writer, "OldState", event->from);
	write_text(writer, "Reason", event_reason(event));
	write_text(writer, "Verdict", verdict_text(event->verdicts, verdicts));
	write_text(writer, "Doubt", doubt_letter((enum doubt)event->doubt));
	write_numbers(writer, event);
}

void event_write(struct bus_writer *writer, const struct event *event)
{
	char object[SHOWN_PATH_MAX], text[EVENT_TEXT_MAX];

	bus_write_u64(writer, event->realtime_us);
	bus_write_string(writer, event_kind_row((enum event_kind)event->kind)->name);
	bus_write_u32(writer, event->severity);
	bus_write_string(writer, event_text(event, text));
	bus_write_object(writer, event_object(event, object));
	bus_open_array(writer, "{sv}");
	write_fields(writer, event);
	bus_close(writer);
}

/* --- the last ones --- */

/* The filter as it comes; NULL and 0 mean any. */
struct events_filter {
	const char *target, *portal, *map, *id;
	uint32_t severity;
	uint64_t from_us;
};

static const struct bus_option filter_options[] = {
	BUS_OPTION("target", "s", struct events_filter, target),
	BUS_OPTION("portal", "s", struct events_filter, portal),
	BUS_OPTION("map", "s", struct events_filter, map),
	BUS_OPTION("id", "s", struct events_filter, id),
	BUS_OPTION("severity", "u", struct events_filter, severity),
	BUS_OPTION("from", "t", struct events_filter, from_us),
	{},
};

static int read_filter(struct bus_reader *reader, struct event_filter *filter, struct error *error)
{
	struct events_filter wanted = {.severity = LOG_DEBUG};
	int kind = -1;

	if (bus_read_options(reader, filter_options, &wanted, error) < 0)
		return -1;
	if (wanted.severity > LOG_DEBUG)
		return error_set(error, ERROR_INVALID_ARGUMENT, "%u is no severity",
				 wanted.severity);
	if (wanted.id)
		kind = event_kind_of(wanted.id);
	if (wanted.id && kind < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "there is no event '%s'",
				 wanted.id);
	*filter = (struct event_filter){
		.target = wanted.target,
		.portal = wanted.portal,
		.map = wanted.map,
		.kind = kind + 1,
		.severity = (int)wanted.severity,
		.from_us = wanted.from_us,
	};
	return 0;
}

void events_answer(struct bus_call *call, struct manager *manager)
{
	struct bus_reader *reader = bus_call_arguments(call);
	const struct event_ring *ring = manager_events(manager);
	owned_error struct error error = ERROR_INIT;
	uint64_t since = bus_read_u64(reader);
	uint32_t room = bus_read_u32(reader);
	struct event_filter filter;
	struct bus_writer *writer;

	if (read_filter(reader, &filter, &error) < 0) {
		bus_call_fail_error(call, &error);
		return;
	}
	if (room == 0 || room > EVENTS_MAX)
		room = EVENTS_MAX;
	if (since > event_ring_last(ring))
		since = 0; /* of a daemon before this one: it knows none of these */
	since = MAX(since + 1, event_ring_first(ring));
	writer = bus_call_answer(call);
	bus_open_array(writer, "(tsusoa{sv})");
	for (; since <= event_ring_last(ring) && room > 0; since++) {
		const struct event *event = event_ring_at(ring, since);

		if (!event_matches(event, &filter))
			continue;
		bus_open_struct(writer);
		event_write(writer, event);
		bus_close(writer);
		room--;
	}
	bus_close(writer);
	bus_call_send(call);
}
