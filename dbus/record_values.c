/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What the interfaces of all kinds of record do alike: give values, take changes, move secrets. */

#include <string.h>
#include <unistd.h>

#include "daemon/record.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/secret.h"
#include "util/cleanup.h"

#define MASKED "********"

static void write_value(struct bus_writer *writer, const char *key, const char *value, bool secret)
{
	bus_open_entry(writer);
	bus_write_string(writer, key);
	bus_write_string(writer, *value && (secret || secret_is_key(key)) ? MASKED : value);
	bus_close(writer);
}

static void write_record(struct bus_writer *writer, const struct record *record)
{
	const char *key, *value;
	bool secret = false;

	for (size_t i = 0; record_at(record, i, &key, &value, &secret); i++) {
		write_value(writer, key, value ? value : "", secret);
		secret = false;
	}
}

/* Whether the record says that @key must be masked. */
static bool is_masked(const struct record *record, const char *wanted)
{
	const char *key, *value;
	bool secret = false;

	for (size_t i = 0; record_at(record, i, &key, &value, &secret); i++) {
		if (strcmp(key, wanted) == 0)
			return secret;
		secret = false;
	}
	return false;
}

static int write_keys(struct bus_writer *writer, const struct record *record,
		      struct bus_reader *keys, struct error *error)
{
	while (bus_more(keys)) {
		const char *key = bus_read_string(keys);
		const char *value = record_get(record, key);

		if (!value)
			return error_set(error, ERROR_INVALID_ARGUMENT,
					 "the record has no key '%.128s'", key);
		write_value(writer, key, value, is_masked(record, key));
	}
	return 0;
}

void record_answer(struct bus_call *call, const struct record *record)
{
	struct bus_reader *reader = bus_call_arguments(call);
	struct bus_writer *writer = bus_call_answer(call);
	owned_error struct error error = ERROR_INIT;

	bus_open_array(writer, "{ss}");
	if (bus_enter_array(reader) && bus_more(reader))
		(void)write_keys(writer, record, reader, &error);
	else
		write_record(writer, record);
	if (error_is_set(&error)) {
		bus_call_fail_error(call, &error);
		return;
	}
	bus_close(writer);
	bus_call_send(call);
}

int record_read_changes(struct bus_call *call, struct record_change changes[RECORD_CHANGES_MAX],
			struct error *error)
{
	struct bus_reader *reader = bus_call_arguments(call);
	int count = 0;

	if (!bus_enter_array(reader))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the changes are missing");
	while (bus_more(reader)) {
		struct record_change *change = &changes[count];

		if (count == RECORD_CHANGES_MAX)
			return error_set(error, ERROR_INVALID_ARGUMENT, "more than %d changes",
					 RECORD_CHANGES_MAX);
		if (!bus_enter_entry(reader))
			return error_set(error, ERROR_INVALID_ARGUMENT, "a change is no entry");
		change->key = bus_read_string(reader);
		change->value = bus_read_string(reader);
		bus_leave(reader);
		/* what crosses a bus can be watched; the private socket cannot */
		if (secret_is_key(change->key) && !bus_call_private(call))
			return error_set(error, ERROR_INVALID_ARGUMENT,
					 "%s is a secret: use SetSecret", change->key);
		count++;
	}
	bus_leave(reader);
	return count;
}

int record_read_secret(struct bus_call *call, struct record_change *change, char text[SECRET_SIZE],
		       struct error *error)
{
	struct bus_reader *reader = bus_call_arguments(call);
	owned_fd int fd = -1;

	*change = (struct record_change){bus_read_string(reader), text};
	fd = bus_read_fd(reader);
	if (!secret_is_key(change->key))
		return error_set(error, ERROR_INVALID_ARGUMENT, "'%.128s' is no secret of a record",
				 change->key);
	if (read_no_options(reader, error) < 0)
		return -1;
	return secret_read(fd, text, error);
}

static int open_secret(struct bus_call *call, const struct record *record, struct error *error)
{
	struct bus_reader *reader = bus_call_arguments(call);
	const char *key = bus_read_string(reader);
	const char *value = record_get(record, key);
	int fd;

	if (!value || !secret_is_key(key))
		return error_set(error, ERROR_INVALID_ARGUMENT, "'%.128s' is no secret of a record",
				 key);
	if (read_no_options(reader, error) < 0)
		return -1;
	fd = secret_open(value);
	return fd < 0 ? error_set(error, ERROR_NO_MEMORY, "no memory for a secret") : fd;
}

void record_answer_secret(struct bus_call *call, const struct record *record)
{
	owned_error struct error error = ERROR_INIT;
	owned_fd int fd = -1;

	if (!bus_call_private(call)) {
		bus_call_fail(call, BUS_ERROR_ACCESS_DENIED,
			      "secrets are given to root over the private socket only");
		return;
	}
	fd = open_secret(call, record, &error);
	if (fd < 0) {
		bus_call_fail_error(call, &error);
		return;
	}
	bus_write_fd(bus_call_answer(call), fd);
	bus_call_send(call);
}
