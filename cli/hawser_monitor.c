/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>
#include <time.h>

#include "cli/hawser.h"
#include "cli/json.h"
#include "util/text.h"

/* One line per event, with the time at which it is printed or, for events, at which it happened. */
static void print_time(FILE *out, uint64_t at_us)
{
	struct timespec now;
	struct tm local;
	char text[16];

	clock_gettime(CLOCK_REALTIME, &now);
	if (at_us > 0) {
		now.tv_sec = (time_t)(at_us / 1000000);
		now.tv_nsec = (long)(at_us % 1000000) * 1000;
	}
	localtime_r(&now.tv_sec, &local);
	strftime(text, sizeof(text), "%H:%M:%S", &local);
	fprintf(out, "%s.%03ld ", text, now.tv_nsec / 1000000);
}

/* "/org/hawser1/session/1" is "session/1" to people. */
static const char *short_name(const char *object)
{
	if (!text_starts_with(object, CLIENT_ROOT))
		return object;
	object += strlen(CLIENT_ROOT);
	return *object == '/' ? object + 1 : "daemon";
}

static void print_value(FILE *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_TEXT:
		fputs(*value->text == '/' ? short_name(value->text) : value->text, out);
		return;
	case VALUE_NUMBER:
		if (value->is_signed)
			fprintf(out, "%lld", (long long)value_i64(value));
		else
			fprintf(out, "%llu", (unsigned long long)value_u64(value));
		return;
	case VALUE_BOOL:
		fputs(value_bool(value) ? "yes" : "no", out);
		return;
	case VALUE_NOTHING:
		return;
	default:
		fprintf(out, "(%zu)", value_count(value));
		return;
	}
}

static void print_changes(FILE *out, const char *object, const struct value *properties)
{
	print_time(out, 0);
	fprintf(out, "%s:", short_name(object));
	for (size_t i = 0; i < value_count(properties); i++) {
		fprintf(out, "%s %s ", i ? "," : "", value_key(properties, i));
		print_value(out, value_of(properties, i));
	}
	fputc('\n', out);
}

static void print_event(FILE *out, const struct value *arguments)
{
	print_time(out, value_u64(value_at(arguments, 0)));
	fprintf(out, "%s: %s [%s]\n", short_name(value_text(value_at(arguments, 4))),
		value_text(value_at(arguments, 3)), value_text(value_at(arguments, 1)));
}

static void print_signal(FILE *out, const struct signal *signal)
{
	const struct value *arguments = signal->arguments;

	if (strcmp(signal->member, "Event") == 0) {
		print_event(out, arguments);
	} else if (strcmp(signal->member, "PropertiesChanged") == 0) {
		print_changes(out, signal->object, value_at(arguments, 1));
	} else if (strcmp(signal->member, "InterfacesAdded") == 0 ||
		   strcmp(signal->member, "InterfacesRemoved") == 0) {
		print_time(out, 0);
		fprintf(out, "%s: %s\n", short_name(value_text(value_at(arguments, 0))),
			strcmp(signal->member, "InterfacesAdded") == 0 ? "appeared" : "is gone");
	}
}

static void print_json(FILE *out, const struct signal *signal)
{
	fputs("{\"object\":", out);
	json_text(out, signal->object);
	fputs(",\"interface\":", out);
	json_text(out, signal->interface);
	fputs(",\"signal\":", out);
	json_text(out, signal->member);
	fputs(",\"arguments\":", out);
	json_value(out, signal->arguments);
	fputs("}\n", out);
}

int hawser_monitor(struct hawser *run)
{
	owned_error struct error error = ERROR_INIT;
	struct signal signal;

	if (client_subscribe(run->client, &error) < 0)
		return hawser_report(run, NULL, &error);
	fflush(run->out);
	while (client_next_signal(run->client, &signal, &error) == 0) {
		if (run->style.json)
			print_json(run->out, &signal);
		else
			print_signal(run->out, &signal);
		if (fflush(run->out) != 0)
			return 0; /* whoever read it has gone */
	}
	return hawser_report(run, NULL, &error);
}
