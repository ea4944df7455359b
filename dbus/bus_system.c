/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The way to the system bus and back to it. dbus_bus_get() and its relatives wait for answers and
 * arm exit-on-disconnect, so Hello and RequestName are ordinary calls here.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dbus/bus_internal.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define BUS_CALL_MS	25000
#define NAME_OWNER_RULE \
	"type='signal',sender='" DBUS_SERVICE_DBUS "',interface='" DBUS_INTERFACE_DBUS \
	"',member='NameOwnerChanged',arg0='%s'"

static void again_later(struct bus *bus, const char *why)
{
	uint32_t delay_ms = backoff_next_ms(&bus->backoff, backoff_random());

	/* a host without any bus is not worth a line every ten seconds */
	log_line(bus->complained ? LOG_DEBUG : LOG_NOTICE, NULL, 0,
		 "no system bus (%s), trying again", why);
	bus->complained = true;
	(void)sd_event_source_set_time_relative(bus->reconnect, (uint64_t)delay_ms * 1000);
	(void)sd_event_source_set_enabled(bus->reconnect, SD_EVENT_ONESHOT);
}

void bus_system_lost(struct bus *bus)
{
	if (bus->handler->name_vanished)
		bus->handler->name_vanished(NULL, bus->userdata);
	again_later(bus, "connection lost");
}

/* Its Disconnected message comes by dispatch, and then bus_system_lost(). */
static void give_up(struct bus_connection *connection, const char *what, const char *error_name)
{
	log_debug("system bus: %s: %s", what, error_name);
	dbus_connection_close(connection->dbus);
}

static void named(struct bus_connection *connection)
{
	if (connection->has_name)
		return; /* the signal and the answer both say so */
	connection->has_name = true;
	connection->bus->complained = false;
	backoff_reset(&connection->bus->backoff);
	log_info("serving " BUS_NAME " on the system bus");
}

static void on_name(struct bus_reader *answer, const char *error_name, void *userdata)
{
	struct bus_connection *connection = userdata;
	uint32_t code = answer ? bus_read_u32(answer) : 0;

	if (!answer) {
		if (!connection->bus->complained)
			log_warning("the system bus does not give us the name " BUS_NAME
				    " (%s); is "
				    "its policy file installed?",
				    error_name);
		give_up(connection, "RequestName", error_name);
	} else if (code == DBUS_REQUEST_NAME_REPLY_IN_QUEUE) {
		log_warning("somebody else has the name " BUS_NAME " on the system bus, waiting "
			    "for it");
	} else {
		named(connection);
	}
}

static void on_hello(struct bus_reader *answer, const char *error_name, void *userdata)
{
	struct bus_connection *connection = userdata;
	struct bus_message *request;
	const char *unique = answer ? bus_read_string(answer) : "";

	if (!*unique || !dbus_bus_set_unique_name(connection->dbus, unique)) {
		give_up(connection, "Hello", error_name ? error_name : DBUS_ERROR_FAILED);
		return;
	}
	request = bus_request_new(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS,
				  "RequestName");
	bus_write_string(bus_message_writer(request), BUS_NAME);
	bus_write_u32(bus_message_writer(request), 0); /* queue behind another owner */
	if (bus_request_send_on(connection, request, BUS_CALL_MS, on_name, connection) < 0)
		give_up(connection, "RequestName", DBUS_ERROR_NO_MEMORY);
}

/*
 * connect() to a Unix socket waits while its backlog is full, that is while the bus itself is
 * stopped; libdbus only becomes non-blocking afterwards. So ask first, without waiting.
 */
static int socket_answers(DBusAddressEntry *entry)
{
	const char *path = dbus_address_entry_get_value(entry, "path");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	owned_fd int fd = -1;

	if (strcmp(dbus_address_entry_get_method(entry), "unix") != 0 || !path)
		return 0;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static int address_answers(const char *address)
{
	DBusAddressEntry **entries = NULL;
	int count = 0, r = -EINVAL;

	if (!dbus_parse_address(address, &entries, &count, NULL))
		return -EINVAL;
	for (int i = 0; i < count && r < 0; i++)
		r = socket_answers(entries[i]);
	dbus_address_entries_free(entries);
	return r;
}

static int on_reconnect(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct bus *bus = userdata;
	DBusConnection *dbus;
	struct bus_message *hello;
	int r = address_answers(bus->system_address);

	if (r < 0) {
		again_later(bus, strerror(-r));
		return 0;
	}
	dbus = dbus_connection_open_private(bus->system_address, NULL);
	if (!dbus || bus_connection_new(bus, dbus, 0, &bus->system) < 0) {
		again_later(bus, "cannot connect");
		return 0;
	}
	bus->epoch++;
	hello = bus_request_new(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "Hello");
	if (bus_request_send_on(bus->system, hello, BUS_CALL_MS, on_hello, bus->system) < 0)
		give_up(bus->system, "Hello", DBUS_ERROR_NO_MEMORY);
	return 0;
}

int bus_connect_system(struct bus *bus, const char *address)
{
	if (!address)
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
	bus->system_address = strdup(address && *address ? address : DEFAULT_ADDRESS);
	if (!bus->system_address)
		return -ENOMEM;
	return sd_event_add_time_relative(bus->event, &bus->reconnect, CLOCK_MONOTONIC, 0, 0,
					  on_reconnect, bus);
}

void bus_system_stop(struct bus *bus)
{
	bus->reconnect = sd_event_source_disable_unref(bus->reconnect);
	free(bus->system_address);
	bus->system_address = NULL;
}

bool bus_has_name(const struct bus *bus)
{
	return bus->system && bus->system->has_name;
}

unsigned bus_epoch(const struct bus *bus)
{
	return bus->epoch;
}

static void on_name_owner_changed(struct bus *bus, DBusMessage *message)
{
	const char *name, *before, *now;

	if (dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING, &before,
				  DBUS_TYPE_STRING, &now, DBUS_TYPE_INVALID) &&
	    !*now && bus->handler->name_vanished)
		bus->handler->name_vanished(name, bus->userdata);
}

void bus_system_signal(struct bus_connection *connection, DBusMessage *message)
{
	const char *name;

	if (!dbus_message_has_sender(message, DBUS_SERVICE_DBUS))
		return;
	if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged")) {
		on_name_owner_changed(connection->bus, message);
		return;
	}
	if (!dbus_message_get_args(message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID) ||
	    strcmp(name, BUS_NAME) != 0)
		return;
	if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameAcquired")) {
		named(connection);
	} else if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameLost")) {
		connection->has_name = false;
		log_warning("lost the name " BUS_NAME " on the system bus");
	}
}

static void change_match(struct bus *bus, const char *member, const char *name)
{
	owned_memory char *rule = NULL;
	const char *argument;
	DBusMessage *message;

	if (!bus->system || asprintf(&rule, NAME_OWNER_RULE, name) < 0)
		return;
	message = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
					       DBUS_INTERFACE_DBUS, member);
	if (!message)
		return;
	argument = rule;
	dbus_message_set_no_reply(message, TRUE);
	if (dbus_message_append_args(message, DBUS_TYPE_STRING, &argument, DBUS_TYPE_INVALID))
		bus_connection_send(bus->system, message, false);
	dbus_message_unref(message);
}

void bus_follow_name(struct bus *bus, const char *name)
{
	change_match(bus, "AddMatch", name);
}

void bus_unfollow_name(struct bus *bus, const char *name)
{
	change_match(bus, "RemoveMatch", name);
}
