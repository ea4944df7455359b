/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>
#include <time.h>

#include "cli/hawser.h"
#include "cli/json.h"
#include "util/text.h"

/*
 * The daemon is asked for what came after the last event that was shown. When the next one comes,
 * the signal that tells of it only says when to ask again: so none is shown twice, and those whose
 * signal got lost are shown, too.
 */

static const char *const severities[] = {"emergency", "alert",	"critical", "error",
					 "warning",   "notice", "info",	    "debug"};

/* Where each value of an event stands (docs/dbus/org.hawser1.Manager.rst). */
enum { AT_WHEN, AT_ID, AT_SEVERITY, AT_TEXT, AT_OBJECT, AT_FIELDS };

static const char *severity_name(const struct value *event)
{
	uint64_t severity = value_u64(value_at(event, AT_SEVERITY));

	return severity < ARRAY_SIZE(severities) ? severities[severity] : "";
}

static uint64_t sequence_of(const struct value *event)
{
	return value_u64(value_get(value_at(event, AT_FIELDS), "Sequence"));
}

static void print_line(FILE *out, const struct value *event)
{
	uint64_t when_us = value_u64(value_at(event, AT_WHEN));
	const char *verdict = value_text(value_get(value_at(event, AT_FIELDS), "Verdict"));
	time_t seconds = (time_t)(when_us / 1000000);
	struct tm local;
	char text[32];

	localtime_r(&seconds, &local);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	fprintf(out, "%s.%03u %-8s %s [%s%s%s, %llu]\n", text, (unsigned)(when_us / 1000 % 1000),
		severity_name(event), value_text(value_at(event, AT_TEXT)),
		value_text(value_at(event, AT_ID)), *verdict ? ", " : "", verdict,
		(unsigned long long)sequence_of(event));
}

/* "OldState" is old_state to programs. */
static void print_key(FILE *out, const char *name)
{
	char key[64];
	size_t used = 0;

	for (const char *at = name; *at && used < sizeof(key) - 2; at++) {
		if (*at >= 'A' && *at <= 'Z' && at > name)
			key[used++] = '_';
		key[used++] = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
	}
	key[used] = '\0';
	json_text(out, key);
}

static void print_json(FILE *out, const struct value *event)
{
	const struct value *fields = value_at(event, AT_FIELDS);

	fprintf(out, "{\"when_us\":%llu,\"event\":",
		(unsigned long long)value_u64(value_at(event, AT_WHEN)));
	json_text(out, value_text(value_at(event, AT_ID)));
	fputs(",\"severity\":", out);
	json_text(out, severity_name(event));
	fputs(",\"text\":", out);
	json_text(out, value_text(value_at(event, AT_TEXT)));
	fputs(",\"object\":", out);
	json_text(out, value_text(value_at(event, AT_OBJECT)));
	for (size_t i = 0; i < value_count(fields); i++) {
		fputc(',', out);
		print_key(out, value_key(fields, i));
		fputc(':', out);
		json_value(out, value_of(fields, i));
	}
	fputc('}', out);
}

/* What is asked for, and how far it was shown. */
struct review {
	struct hawser *run;
	struct argument filter[5];
	char portal[PORTAL_TEXT_MAX];
	uint64_t since; /* sequence number */
	bool any;	/* something was shown */
};

static void show(struct review *review, const struct value *event)
{
	struct hawser *run = review->run;

	if (!run->style.json) {
		print_line(run->out, event);
	} else {
		if (!run->follow)
			fputs(review->any ? ",\n  " : "\n  ", run->out);
		print_json(run->out, event);
		if (run->follow)
			fputc('\n', run->out);
	}
	review->any = true;
}

/* All that came since. Return: 0; -1 with @error set */
static int catch_up(struct review *review, struct error *error)
{
	size_t count;

	do {
		struct argument arguments[] = {
			{.type = 't', .number = (int64_t)review->since},
			{.type = 'u', .number = 0},
			{.type = 'V', .entries = review->filter},
			{},
		};
		owned_call call = {.object = CLIENT_ROOT,
				   .interface = "Manager",
				   .member = "GetEvents",
				   .arguments = arguments};
		const struct value *events;

		if (client_call(review->run->client, &call) < 0) {
			*error = call.error;
			call.error = (struct error)ERROR_INIT;
			return -1;
		}
		events = value_at(call.reply, 0);
		count = value_count(events);
		for (size_t i = 0; i < count; i++)
			show(review, value_at(events, i));
		if (count > 0)
			review->since = sequence_of(value_at(events, count - 1));
	} while (count > 0);
	return 0;
}

static int follow(struct review *review, struct error *error)
{
	struct hawser *run = review->run;
	struct signal signal;

	while (fflush(run->out) == 0) {
		if (client_next_signal(run->client, &signal, error) < 0)
			return -1;
		if (strcmp(signal.member, "Event") == 0 &&
		    sequence_of(signal.arguments) > review->since && catch_up(review, error) < 0)
			return -1;
	}
	return 0; /* whoever read it has gone */
}

/* Return: 0, or the exit status and it was told why. */
static int set_since(struct review *review, struct argument *from)
{
	const char *text = review->run->since;
	uint64_t ms;

	if (!text || text_parse_u64(text, 0, INT64_MAX, &review->since) == 0)
		return 0;
	if (text_parse_ms(text, 1000, &ms) < 0 || ms > (uint64_t)time(NULL) * 1000)
		return hawser_fail(review->run, ERROR_INVALID_ARGUMENT,
				   "'%s' is neither the number of an event nor a time like 10min",
				   text);
	*from = (struct argument){.type = 't',
				  .key = "from",
				  .number = ((int64_t)time(NULL) * 1000 - (int64_t)ms) * 1000};
	return 0;
}

static int set_filter(struct review *review)
{
	struct hawser *run = review->run;
	struct argument from = {};
	unsigned n = 0;
	int status = set_since(review, &from);

	if (status != 0)
		return status;
	if (from.type)
		review->filter[n++] = from;
	if (run->target)
		review->filter[n++] =
			(struct argument){.type = 's', .key = "target", .text = run->target};
	if (run->map)
		review->filter[n++] =
			(struct argument){.type = 's', .key = "map", .text = run->map};
	if (run->has_portal)
		review->filter[n++] = (struct argument){
			.type = 's',
			.key = "portal",
			.text = portal_format(run->portal.address, run->portal.port,
					      review->portal),
		};
	return 0;
}

int hawser_events(struct hawser *run)
{
	owned_error struct error error = ERROR_INIT;
	struct review review = {.run = run};
	bool document = run->style.json && !run->follow;
	int r, status = set_filter(&review);

	if (status != 0)
		return status;
	if (run->follow && client_subscribe(run->client, &error) < 0)
		return hawser_report(run, NULL, &error);
	if (document)
		fprintf(run->out, "{\"schema\": %d, \"events\": [", TABLE_SCHEMA);
	r = catch_up(&review, &error);
	if (document)
		fputs(review.any ? "\n]}\n" : "]}\n", run->out);
	if (r == 0 && run->follow)
		r = follow(&review, &error);
	return r < 0 ? hawser_report(run, NULL, &error) : 0;
}
