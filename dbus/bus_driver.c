/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * On the private socket there is no bus, but busctl, gdbus and others greet one: this answers as
 * org.freedesktop.DBus would, with us and the caller as the only two names. Signals are not
 * filtered: whoever is connected gets all of them.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dbus/bus_internal.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"

#define OUR_UNIQUE_NAME ":1.0"

struct visit {
	struct bus_connection *connection;
	struct bus_reader *arguments;
	struct bus_writer *answer;
	char unique_name[16]; /* the caller's */
};

/* Return: NULL, or the D-Bus error name that is the answer. */
typedef const char *driver_method(struct visit *visit);

/* Who is behind @name: NULL when nobody. */
static const char *owner_of(const struct visit *visit, const char *name)
{
	if (strcmp(name, DBUS_SERVICE_DBUS) == 0)
		return DBUS_SERVICE_DBUS;
	if (strcmp(name, BUS_NAME) == 0 || strcmp(name, OUR_UNIQUE_NAME) == 0)
		return OUR_UNIQUE_NAME;
	return strcmp(name, visit->unique_name) == 0 ? visit->unique_name : NULL;
}

static const char *hello(struct visit *visit)
{
	bus_write_string(visit->answer, visit->unique_name);
	return NULL;
}

static const char *nothing(struct visit *visit)
{
	return NULL;
}

static const char *get_name_owner(struct visit *visit)
{
	const char *owner = owner_of(visit, bus_read_string(visit->arguments));

	if (!owner)
		return DBUS_ERROR_NAME_HAS_NO_OWNER;
	bus_write_string(visit->answer, owner);
	return NULL;
}

static const char *name_has_owner(struct visit *visit)
{
	bus_write_bool(visit->answer, owner_of(visit, bus_read_string(visit->arguments)));
	return NULL;
}

static const char *list_names(struct visit *visit)
{
	bus_open_array(visit->answer, "s");
	bus_write_string(visit->answer, DBUS_SERVICE_DBUS);
	bus_write_string(visit->answer, BUS_NAME);
	bus_write_string(visit->answer, OUR_UNIQUE_NAME);
	bus_write_string(visit->answer, visit->unique_name);
	bus_close(visit->answer);
	return NULL;
}

static const char *list_activatable_names(struct visit *visit)
{
	bus_open_array(visit->answer, "s");
	bus_close(visit->answer);
	return NULL;
}

static const char *start_service(struct visit *visit)
{
	if (!owner_of(visit, bus_read_string(visit->arguments)))
		return DBUS_ERROR_SERVICE_UNKNOWN;
	bus_write_u32(visit->answer, DBUS_START_REPLY_ALREADY_RUNNING);
	return NULL;
}

static const char *get_id(struct visit *visit)
{
	char *id = dbus_connection_get_server_id(visit->connection->dbus);

	bus_write_string(visit->answer, id ? id : "00000000000000000000000000000000");
	dbus_free(id);
	return NULL;
}

struct identity {
	unsigned long uid, pid;
};

static bool identify(struct visit *visit, struct identity *identity)
{
	const char *owner = owner_of(visit, bus_read_string(visit->arguments));
	DBusConnection *dbus = visit->connection->dbus;

	if (!owner)
		return false;
	*identity = (struct identity){geteuid(), (unsigned long)getpid()};
	return owner != visit->unique_name ||
	       (dbus_connection_get_unix_user(dbus, &identity->uid) &&
		dbus_connection_get_unix_process_id(dbus, &identity->pid));
}

static const char *get_user(struct visit *visit)
{
	struct identity identity;

	if (!identify(visit, &identity))
		return DBUS_ERROR_NAME_HAS_NO_OWNER;
	bus_write_u32(visit->answer, (uint32_t)identity.uid);
	return NULL;
}

static const char *get_process(struct visit *visit)
{
	struct identity identity;

	if (!identify(visit, &identity))
		return DBUS_ERROR_NAME_HAS_NO_OWNER;
	bus_write_u32(visit->answer, (uint32_t)identity.pid);
	return NULL;
}

static const char *get_credentials(struct visit *visit)
{
	struct identity identity;

	if (!identify(visit, &identity))
		return DBUS_ERROR_NAME_HAS_NO_OWNER;
	bus_open_array(visit->answer, "{sv}");
	bus_property_u32(visit->answer, "UnixUserID", (uint32_t)identity.uid);
	bus_property_u32(visit->answer, "ProcessID", (uint32_t)identity.pid);
	bus_close(visit->answer);
	return NULL;
}

/* clang-format off */
static const struct driver_row {
	const char *member, *signature;
	driver_method *method;
} rows[] = {
	{"Hello",                      "",     hello},
	{"AddMatch",                   "s",    nothing},
	{"RemoveMatch",                "s",    nothing},
	{"GetNameOwner",               "s",    get_name_owner},
	{"NameHasOwner",               "s",    name_has_owner},
	{"ListNames",                  "",     list_names},
	{"ListActivatableNames",       "",     list_activatable_names},
	{"StartServiceByName",         "su",   start_service},
	{"GetId",                      "",     get_id},
	{"GetConnectionUnixUser",      "s",    get_user},
	{"GetConnectionUnixProcessID", "s",    get_process},
	{"GetConnectionCredentials",   "s",    get_credentials},
};
/* clang-format on */

static const struct driver_row *find_row(const char *member)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (member && strcmp(rows[i].member, member) == 0)
			return &rows[i];
	}
	return NULL;
}

static const char *run(const struct driver_row *row, struct bus_connection *connection,
		       DBusMessage *message, DBusMessage *answer, bool *no_memory)
{
	struct bus_reader reader;
	struct bus_writer writer;
	struct visit visit = {connection, &reader, &writer, ""};
	const char *failure;

	snprintf(visit.unique_name, sizeof(visit.unique_name), ":1.%u", connection->peer);
	bus_reader_init(&reader, message);
	bus_writer_init(&writer, answer);
	failure = row->method(&visit);
	*no_memory = writer.failed;
	return failure;
}

static DBusMessage *answer_to(struct bus_connection *connection, DBusMessage *message)
{
	const struct driver_row *row = find_row(dbus_message_get_member(message));
	DBusMessage *answer;
	const char *failure;
	bool no_memory = false;

	if (!row)
		return dbus_message_new_error(message, DBUS_ERROR_UNKNOWN_METHOD,
					      "There is no message bus behind this socket");
	if (!dbus_message_has_signature(message, row->signature))
		return dbus_message_new_error(message, DBUS_ERROR_INVALID_ARGS, "Wrong arguments");
	answer = dbus_message_new_method_return(message);
	if (!answer)
		return NULL;
	failure = run(row, connection, message, answer, &no_memory);
	if (!failure && !no_memory)
		return answer;
	dbus_message_unref(answer);
	return dbus_message_new_error(message, no_memory ? DBUS_ERROR_NO_MEMORY : failure,
				      "Nobody has this name");
}

bool bus_driver_answer(struct bus_connection *connection, DBusMessage *message)
{
	const char *destination = dbus_message_get_destination(message);
	const char *interface = dbus_message_get_interface(message);
	DBusMessage *answer;

	if (destination ? strcmp(destination, DBUS_SERVICE_DBUS) != 0
			: !interface || strcmp(interface, DBUS_INTERFACE_DBUS) != 0)
		return false;
	answer = answer_to(connection, message);
	if (!answer)
		return true; /* no memory even to say so */
	dbus_message_set_sender(answer, DBUS_SERVICE_DBUS);
	if (!dbus_message_get_no_reply(message))
		bus_connection_send(connection, answer, false);
	dbus_message_unref(answer);
	return true;
}
