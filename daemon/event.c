/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/event.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

/* --- making one --- */

/* Append @source, cut to @max bytes with its NUL and to what is left. Return: where it stands. */
static uint16_t keep_string(struct event *event, size_t *used, const char *source, size_t max)
{
	size_t at = *used, room = MIN(max, sizeof(event->strings) - at);

	if (!source || !*source || room < 2)
		return 0; /* the empty one that all begin with */
	*used += text_sanitise(event->strings + at, room, source, strlen(source)) + 1;
	return (uint16_t)at;
}

static uint16_t keep_portal(struct event *event, size_t *used, const char *address, uint16_t port)
{
	bool brackets = strchr(address, ':') != NULL;
	char text[EVENT_PORTAL_MAX + 256];

	snprintf(text, sizeof(text), brackets ? "[%s]:%u" : "%s:%u", address, port);
	return keep_string(event, used, text, EVENT_PORTAL_MAX);
}

static void about_session(struct event *event, size_t *used, const struct session_view *session)
{
	event->sid = session->sid;
	event->target = keep_string(event, used, session->target, EVENT_TARGET_MAX);
	event->portal =
		keep_portal(event, used, session->persistent_address, session->persistent_port);
}

static void about_map(struct event *event, size_t *used, const struct map_view *map)
{
	event->map_id = map->id;
	event->map = keep_string(event, used, map->name, EVENT_MAP_MAX);
}

static void about_object(struct event *event, size_t *used, const void *object)
{
	const struct node *node = object;
	const struct path_view *path = object;

	switch ((enum object_kind)event->about) {
	case OBJECT_NODE:
		event->id = node->id;
		event->target = keep_string(event, used, node->key.target, EVENT_TARGET_MAX);
		event->portal = keep_portal(event, used, node->key.address, node->key.port);
		break;
	case OBJECT_SESSION:
		about_session(event, used, object);
		break;
	case OBJECT_MAP:
		about_map(event, used, object);
		event->id = event->map_id;
		break;
	case OBJECT_PATH:
		event->id = path->id;
		event->lun = path->lun_number;
		about_session(event, used, path->session);
		about_map(event, used, path->map);
		break;
	case OBJECT_MANAGER:
		break;
	}
}

void event_fill(struct event *event, enum object_kind about, const void *object,
		const struct event_facts *facts, uint64_t realtime_us, uint64_t monotonic_us)
{
	const struct event_kind_row *row = event_kind_row(facts->kind);
	size_t used = 1;

	*event = (struct event){
		.realtime_us = realtime_us,
		.monotonic_us = monotonic_us,
		.state = facts->state ? facts->state : "",
		.from = facts->from ? facts->from : "",
		.verdicts = row->verdicts | facts->verdicts,
		.kind = (uint8_t)facts->kind,
		.severity = (uint8_t)(facts->severity ? facts->severity : row->severity),
		.about = (uint8_t)(object ? about : OBJECT_MANAGER),
		.doubt = (uint8_t)facts->doubt,
	};
	memcpy(event->numbers, facts->numbers, sizeof(event->numbers));
	about_object(event, &used, object);
	event->reason = keep_string(event, &used, facts->reason, EVENT_REASON_MAX);
}

void event_set_about(struct event *event, const struct event *other)
{
	size_t used = 1;

	event->about = other->about;
	event->id = other->id;
	event->map_id = other->map_id;
	event->lun = other->lun;
	event->sid = other->sid;
	event->target = keep_string(event, &used, event_target(other), EVENT_TARGET_MAX);
	event->portal = keep_string(event, &used, event_portal(other), EVENT_PORTAL_MAX);
	event->map = keep_string(event, &used, event_map(other), EVENT_MAP_MAX);
}

const char *event_path_name(const struct event *event, char name[EVENT_PATH_NAME_MAX])
{
	name[0] = '\0';
	if (event->about == OBJECT_PATH)
		snprintf(name, EVENT_PATH_NAME_MAX, "p%016" PRIx64, event->id);
	return name;
}

/* --- its sentence --- */

#define FIELD_MAX 256 /* more than any string, and all verdicts */

static void show_number(uint64_t number, char value[FIELD_MAX])
{
	snprintf(value, FIELD_MAX, "%" PRIu64, number);
}

static bool show_named_number(const struct event *event, const char *name, char value[FIELD_MAX])
{
	const struct event_kind_row *row = event_kind_row((enum event_kind)event->kind);

	for (size_t i = 0; i < EVENT_NUMBERS_MAX && row->numbers[i]; i++) {
		if (strcmp(row->numbers[i], name) != 0)
			continue;
		show_number(event->numbers[i], value);
		return true;
	}
	return false;
}

/* What stands for {@name}. Return: false when there is no such field. */
static bool show_field(const struct event *event, const char *name, char value[FIELD_MAX])
{
	char path[EVENT_PATH_NAME_MAX], verdicts[VERDICT_TEXT_MAX];
	const struct {
		const char *name, *value;
	} strings[] = {
		{"target", event_target(event)},
		{"portal", event_portal(event)},
		{"map", event_map(event)},
		{"path", event_path_name(event, path)},
		{"state", event->state},
		{"from", event->from},
		{"reason", event_reason(event)},
		{"verdict", verdict_text(event->verdicts, verdicts)},
		{"doubt", doubt_meaning((enum doubt)event->doubt)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		if (strcmp(strings[i].name, name) != 0)
			continue;
		text_copy(value, FIELD_MAX, strings[i].value);
		return true;
	}
	if (strcmp(name, "sid") == 0)
		show_number(event->sid, value);
	else if (strcmp(name, "lun") == 0)
		show_number(event->lun, value);
	else
		return show_named_number(event, name, value);
	return true;
}

/* The sentence while it is written; what does not fit any more is left out. */
struct sentence {
	char *text;
	size_t used, size_bytes;
};

static void say(struct sentence *sentence, const char *text)
{
	if (!text_copy(sentence->text + sentence->used, sentence->size_bytes - sentence->used,
		       text))
		sentence->size_bytes = sentence->used + strlen(sentence->text + sentence->used) + 1;
	sentence->used += strlen(sentence->text + sentence->used);
}

/* @at: behind the brace of {name}. Return: behind its other brace; *@given: it has a value */
static const char *say_field(struct sentence *sentence, const struct event *event, const char *at,
			     bool *given)
{
	size_t length = strcspn(at, "}");
	char name[32], value[FIELD_MAX] = "";

	snprintf(name, sizeof(name), "%.*s", (int)length, at);
	*given = show_field(event, name, value) && value[0] && strcmp(value, "0") != 0;
	say(sentence, value);
	return at[length] ? at + length + 1 : at + length;
}

const char *event_text(const struct event *event, char text[EVENT_TEXT_MAX])
{
	struct sentence sentence = {.text = text, .size_bytes = EVENT_TEXT_MAX};
	size_t bracket = 0; /* what was said before the bracket that is open */
	bool inside = false, wanted = true, given;

	text[0] = '\0';
	for (const char *at = event_kind_row((enum event_kind)event->kind)->text; *at;) {
		if (*at == '{') {
			at = say_field(&sentence, event, at + 1, &given);
			wanted &= given;
			continue;
		}
		if (*at == '[') {
			bracket = sentence.used;
			inside = wanted = true;
		} else if (*at == ']' && inside) {
			if (!wanted)
				text[sentence.used = bracket] = '\0';
			inside = false;
		} else {
			say(&sentence, (char[]){*at, '\0'});
		}
		at++;
	}
	return text;
}
