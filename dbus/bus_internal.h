/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the bus_*.c files share behind bus.h: connections, the calls that came over them, and the
 * requests that went out.
 */

#include <dbus/dbus.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "dbus/bus.h"
#include "dbus/bus_loop.h"
#include "dbus/message.h"
#include "util/backoff.h"
#include "util/list.h"

struct bus_message {
	DBusMessage *message;
	struct bus_writer writer;
};

struct bus_connection {
	struct list link; /* in bus->connections */
	struct bus *bus;
	DBusConnection *dbus;
	struct bus_loop loop;
	sd_event_source *dispatch; /* defer: one message per pass */
	sd_event_source *retry;	   /* after libdbus ran out of memory */
	struct list requests;	   /* struct bus_request, system bus only */
	unsigned peer;		   /* ":1.<peer>" on the private socket; 0: the system bus */
	bool has_name;		   /* system bus: BUS_NAME is ours */
	bool disconnected;	   /* to be freed once libdbus has returned */
};

struct bus {
	sd_event *event;
	const struct bus_handler *handler;
	void *userdata;
	struct list connections; /* struct bus_connection */
	struct list calls;	 /* struct bus_call that were not answered yet */

	DBusServer *server;
	struct bus_loop server_loop;
	char *socket_path;
	unsigned peers, last_peer;

	char *system_address;
	struct bus_connection *system;
	sd_event_source *reconnect;
	struct backoff backoff;
	unsigned epoch;
	bool complained; /* of a bus that cannot be reached: once per outage */
	bool closing;
};

/** bus_connection_new() - takes over @dbus's reference, also on failure */
int bus_connection_new(struct bus *bus, DBusConnection *dbus, unsigned peer,
		       struct bus_connection **ret);
void bus_connection_free(struct bus_connection *connection);
/** bus_connection_send() - @message stays the caller's; nothing is sent where nobody listens */
void bus_connection_send(struct bus_connection *connection, DBusMessage *message, bool optional);

/** bus_call_arrived() - @message is a method call. Return: false when out of memory */
bool bus_call_arrived(struct bus_connection *connection, DBusMessage *message);
/** bus_calls_orphan() - answer every open call of @connection (NULL: of all) with an error */
void bus_calls_forget(struct bus *bus, struct bus_connection *connection);

/** bus_request_send_on() - as bus_request_send(), on a connection that has no name yet */
int bus_request_send_on(struct bus_connection *connection, struct bus_message *request,
			int timeout_ms, bus_answered *done, void *userdata);
/** bus_requests_fail() - end what is open on @connection with an error */
void bus_requests_fail(struct bus_connection *connection);

/** bus_system_signal() - a signal came over the system bus */
void bus_system_signal(struct bus_connection *connection, DBusMessage *message);
/** bus_system_lost() - the connection to the system bus was freed: connect again later */
void bus_system_lost(struct bus *bus);
void bus_system_stop(struct bus *bus);

/** bus_server_stop() - no new peers; the socket is removed */
void bus_server_stop(struct bus *bus);

/**
 * bus_driver_answer() - be the org.freedesktop.DBus that tools expect to find on a bus
 * Return: true when @message was for it and was answered.
 */
bool bus_driver_answer(struct bus_connection *connection, DBusMessage *message);
