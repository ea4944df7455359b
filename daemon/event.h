/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Something that happened, once, for everybody: the journal's line, the D-Bus signal, the ring of
 * the last ones and what "hawser events" shows are made of the same struct event. Its kind is a row
 * of one table (event_kinds.c), from which the catalog of the journal and docs/EVENTS.md are made,
 * too. Plain functions: any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "daemon/views.h"
#include "multipath/verdict.h"

/* One row of the table each, in its order. */
enum event_kind {
	/* sessions */
	EVENT_LOGGED_IN,
	EVENT_LOGGED_OUT,
	EVENT_LOGIN_FAILED,
	EVENT_LOGIN_GIVEN_UP,
	EVENT_SESSION_LOST,
	EVENT_SESSION_FENCED,
	EVENT_TARGET_REPORT,
	EVENT_TARGET_MOVED,
	EVENT_PORTAL_ADDED,
	EVENT_PORTAL_MISSING,
	EVENT_DIGEST_ERROR,
	EVENT_RESET,
	/* the network of this host */
	EVENT_LINK_DOWN,
	EVENT_LINK_UP,
	EVENT_ADDRESS_GONE,
	EVENT_ROUTE_GONE,
	EVENT_ROUTE_CHANGED,
	/* paths and units */
	EVENT_PATH_CHANGED,
	EVENT_PATH_ADDED,
	EVENT_PATH_REMOVED,
	EVENT_UNIT_ATTENTION,
	EVENT_UNIT_GONE,
	EVENT_UNIT_GONE_IN_USE,
	EVENT_WRONG_UNIT,
	EVENT_GEOMETRY_DIFFERS,
	EVENT_SIZE_DIFFERS,
	EVENT_SHRINK_REFUSED,
	EVENT_RESIZED,
	EVENT_RESIZE_FAILED,
	/* maps and their devices */
	EVENT_MAP_CHANGED,
	EVENT_MAP_ADDED,
	EVENT_MAP_REMOVED,
	EVENT_DEVICE_LIVE,
	EVENT_DEVICE_FAILED,
	EVENT_DEFERRED_ERROR,
	EVENT_FENCE_WANTED,
	EVENT_GUARD_EXPIRED,
	EVENT_ACCESS_CHANGED,
	EVENT_GROUP_ACTIVATED,
	EVENT_ACTIVATION_FAILED,
	EVENT_GROUP_SWITCHED,
	EVENT_RECOVERY_UNFENCED,
	/* persistent reservations */
	EVENT_REGISTRATION_LOST,
	EVENT_RESERVATION_LOST,
	EVENT_RESERVATION_ADOPTED,
	EVENT_PATH_NOT_REGISTERED,
	EVENT_PATH_PREEMPTED,
	EVENT_PREEMPT_FAILED,
	EVENT_MAP_TAKEN_AWAY,
	/* records, settings, the daemon */
	EVENT_RECORD_DAMAGED,
	EVENT_SETTING_LIMITED,
	EVENT_SUPPRESSED,
	EVENT_KIND_COUNT,
};

#define EVENT_NUMBERS_MAX 4

/*
 * @name:     in D-Bus, JSON and filters; never changes
 * @message_id: MESSAGE_ID of the journal (sd-id128(3)), 32 hexadecimal digits; the same
 * @severity: syslog's; an event may have another
 * @verdicts: enum verdict that it always has; an event may add some
 * @numbers:  names of the numbers that come with it, in their order
 * @text:     the sentence. {target} {portal} {sid} {map} {path} {lun} {state} {from} {reason}
 *            {verdict} {doubt} and {a number's name} stand for what the event has; of what is in
 *            [brackets] nothing is said unless every field in it has a value other than 0
 * @meaning, @advice: for catalog and documents; @advice "" when there is nothing to do
 */
struct event_kind_row {
	const char *name, *message_id;
	int severity;
	unsigned verdicts;
	const char *numbers[EVENT_NUMBERS_MAX];
	const char *text, *meaning, *advice;
};

const struct event_kind_row *event_kind_row(enum event_kind kind);
/** event_kind_of() - Return: -EINVAL for a name that is none */
int event_kind_of(const char *name);

/* What whoever raises an event says of it; strings are copied, except @state and @from. */
struct event_facts {
	enum event_kind kind;
	int severity;	   /* 0: the kind's */
	unsigned verdicts; /* enum verdict, beside the kind's */
	enum doubt doubt;
	const char *state, *from;	     /* names out of a constant table, or NULL */
	const char *reason;		     /* a few plain words, or NULL */
	uint64_t numbers[EVENT_NUMBERS_MAX]; /* as the row names them */
};

#define EVENT_STRINGS	 520 /* bytes of all strings, which makes an event 640 bytes large */
#define EVENT_TARGET_MAX 224 /* bytes with NUL of each string; what is longer is cut */
#define EVENT_PORTAL_MAX 64
#define EVENT_MAP_MAX	 128
#define EVENT_REASON_MAX 256 /* and less where the others take the room */
#define EVENT_TEXT_MAX	 640 /* bytes with NUL of the sentence */

/* One event. It owns nothing and points at constants only, so that it may be copied. */
struct event {
	uint64_t sequence; /* 1, 2, 3 … since the daemon was started; given by event_ring_add() */
	uint64_t realtime_us, monotonic_us;
	uint64_t numbers[EVENT_NUMBERS_MAX];
	object_id id, map_id; /* of what it is about: as in its view; of a path also its map's */
	uint64_t lun;
	const char *state, *from; /* "" when there is none */
	unsigned verdicts;
	uint32_t sid;			      /* 0: about no session */
	uint16_t target, portal, map, reason; /* where in @strings; use event_target() … */
	uint8_t kind, severity, about, doubt; /* enum event_kind, object_kind, doubt */
	char strings[EVENT_STRINGS];
};

/**
 * event_fill() - make an event; all of it but the sequence number
 * @about, @object: what it is about; NULL with OBJECT_MAP and others counts as OBJECT_MANAGER
 * @realtime_us, @monotonic_us: when it happened
 *
 * Strings from outside become printable UTF-8, and are cut where they are too long.
 */
void event_fill(struct event *event, enum object_kind about, const void *object,
		const struct event_facts *facts, uint64_t realtime_us, uint64_t monotonic_us);

/** event_set_about() - @event, which has no reason, is about what @other is about */
void event_set_about(struct event *event, const struct event *other);

static inline const char *event_target(const struct event *event)
{
	return event->strings + event->target;
}

/** event_portal() - "10.0.0.1:3260", "[fe80::1%eth0]:3260" */
static inline const char *event_portal(const struct event *event)
{
	return event->strings + event->portal;
}

static inline const char *event_map(const struct event *event)
{
	return event->strings + event->map;
}

static inline const char *event_reason(const struct event *event)
{
	return event->strings + event->reason;
}

#define EVENT_PATH_NAME_MAX 18
/** event_path_name() - "p" and 16 hexadecimal digits, the last part of its D-Bus path; "" */
const char *event_path_name(const struct event *event, char name[EVENT_PATH_NAME_MAX]);

/** event_text() - the sentence of its kind. Gives @text back */
const char *event_text(const struct event *event, char text[EVENT_TEXT_MAX]);
