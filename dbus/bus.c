/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/bus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dbus/bus_internal.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/log.h"

#define RETRY_US	 100000 /* after libdbus ran out of memory */
#define LAST_WORDS_MS	 250	/* for answers that are still queued when we stop */
#define RECONNECT_MIN_MS 250
#define RECONNECT_MAX_MS 10000

/* --- connections --- */

static void dispatch_later(DBusConnection *dbus, DBusDispatchStatus status, void *userdata)
{
	struct bus_connection *connection = userdata;

	/* libdbus holds its lock here: dispatching waits for the next pass of the loop */
	if (status == DBUS_DISPATCH_DATA_REMAINS)
		(void)sd_event_source_set_enabled(connection->dispatch, SD_EVENT_ON);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct bus_connection *connection = userdata;

	(void)sd_event_source_set_enabled(connection->dispatch, SD_EVENT_ON);
	return 0;
}

static int on_dispatch(sd_event_source *source, void *userdata)
{
	struct bus_connection *connection = userdata;
	DBusDispatchStatus status = dbus_connection_dispatch(connection->dbus);

	if (connection->disconnected) {
		struct bus *bus = connection->bus;
		bool was_system = connection->peer == 0;

		bus_connection_free(connection);
		if (was_system)
			bus_system_lost(bus);
		return 0;
	}
	if (status == DBUS_DISPATCH_DATA_REMAINS)
		return 0;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (status == DBUS_DISPATCH_NEED_MEMORY) {
		(void)sd_event_source_set_time_relative(connection->retry, RETRY_US);
		(void)sd_event_source_set_enabled(connection->retry, SD_EVENT_ONESHOT);
	}
	return 0;
}

static bool is_for_somebody_else(const struct bus_connection *connection, DBusMessage *message)
{
	const char *destination = dbus_message_get_destination(message);

	/* a bus only hands us what is ours; on the private socket we are BUS_NAME and ":1.0" */
	return connection->peer && destination && strcmp(destination, BUS_NAME) != 0 &&
	       strcmp(destination, ":1.0") != 0;
}

static bool refuse(struct bus_connection *connection, DBusMessage *message)
{
	DBusMessage *answer =
		dbus_message_new_error(message, DBUS_ERROR_SERVICE_UNKNOWN,
				       "Only " BUS_NAME " is here; this is no message bus");

	if (!answer)
		return false;
	bus_connection_send(connection, answer, false);
	dbus_message_unref(answer);
	return true;
}

static bool on_method_call(struct bus_connection *connection, DBusMessage *message)
{
	if (connection->peer && bus_driver_answer(connection, message))
		return true;
	if (is_for_somebody_else(connection, message))
		return refuse(connection, message);
	return bus_call_arrived(connection, message);
}

static DBusHandlerResult on_message(DBusConnection *dbus, DBusMessage *message, void *userdata)
{
	struct bus_connection *connection = userdata;

	/* a peer cannot fake this one: libdbus drops who sends on the Local interface */
	if (dbus_message_is_signal(message, DBUS_INTERFACE_LOCAL, "Disconnected")) {
		connection->disconnected = true;
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	switch (dbus_message_get_type(message)) {
	case DBUS_MESSAGE_TYPE_METHOD_CALL:
		return on_method_call(connection, message) ? DBUS_HANDLER_RESULT_HANDLED
							   : DBUS_HANDLER_RESULT_NEED_MEMORY;
	case DBUS_MESSAGE_TYPE_SIGNAL:
		if (connection->peer == 0)
			bus_system_signal(connection, message);
		break;
	default:
		break;
	}
	return DBUS_HANDLER_RESULT_HANDLED;
}

static void set_limits(DBusConnection *dbus)
{
	dbus_connection_set_exit_on_disconnect(dbus, FALSE);
	dbus_connection_set_max_message_size(dbus, BUS_MESSAGE_MAX);
	dbus_connection_set_max_received_size(dbus, BUS_RECEIVED_MAX);
	dbus_connection_set_max_message_unix_fds(dbus, BUS_FDS_MAX);
	dbus_connection_set_max_received_unix_fds(dbus, 4 * BUS_FDS_MAX);
}

static int connection_start(struct bus_connection *connection)
{
	sd_event *event = connection->bus->event;
	int r;

	r = sd_event_add_defer(event, &connection->dispatch, on_dispatch, connection);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &connection->retry, CLOCK_MONOTONIC, 0, 0, on_retry,
				       connection);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(connection->retry, SD_EVENT_OFF);
	if (!dbus_connection_add_filter(connection->dbus, on_message, connection, NULL) ||
	    !bus_loop_attach_connection(&connection->loop, connection->dbus))
		return -ENOMEM;
	dbus_connection_set_dispatch_status_function(connection->dbus, dispatch_later, connection,
						     NULL);
	/* something may have arrived already: the first dispatch finds out */
	return sd_event_source_set_enabled(connection->dispatch, SD_EVENT_ON);
}

int bus_connection_new(struct bus *bus, DBusConnection *dbus, unsigned peer,
		       struct bus_connection **ret)
{
	struct bus_connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection) {
		dbus_connection_close(dbus);
		dbus_connection_unref(dbus);
		return -ENOMEM;
	}
	connection->bus = bus;
	connection->dbus = dbus;
	connection->peer = peer;
	bus->peers += peer ? 1 : 0;
	list_init(&connection->requests);
	list_append(&bus->connections, &connection->link);
	bus_loop_init(&connection->loop, bus->event);
	set_limits(dbus);
	r = connection_start(connection);
	if (r < 0) {
		bus_connection_free(connection);
		return r;
	}
	*ret = connection;
	return 0;
}

void bus_connection_free(struct bus_connection *connection)
{
	struct bus *bus = connection->bus;

	list_remove(&connection->link);
	bus->peers -= connection->peer ? 1 : 0;
	if (bus->system == connection)
		bus->system = NULL;
	bus_calls_forget(bus, connection);
	bus_requests_fail(connection);
	dbus_connection_set_dispatch_status_function(connection->dbus, NULL, NULL, NULL);
	dbus_connection_remove_filter(connection->dbus, on_message, connection);
	dbus_connection_close(connection->dbus);
	bus_loop_detach_connection(connection->dbus);
	dbus_connection_unref(connection->dbus);
	sd_event_source_disable_unref(connection->dispatch);
	sd_event_source_disable_unref(connection->retry);
	free(connection);
}

void bus_connection_send(struct bus_connection *connection, DBusMessage *message, bool optional)
{
	long queued = dbus_connection_get_outgoing_size(connection->dbus);

	if (!dbus_connection_get_is_connected(connection->dbus) ||
	    !dbus_connection_get_is_authenticated(connection->dbus))
		return;
	if (optional && queued > (long)BUS_QUEUE_OPTIONAL_MAX)
		return;
	if (queued > (long)BUS_QUEUE_MAX) {
		/* what follows a gap would be wrong; who comes back reads everything anew */
		log_warning("D-Bus peer %u does not read what it asked for, closing its connection",
			    connection->peer);
		dbus_connection_close(connection->dbus);
		return;
	}
	(void)dbus_connection_send(connection->dbus, message, NULL); /* no memory: it is lost */
}

/* --- the private socket --- */

static dbus_bool_t may_connect(DBusConnection *dbus, unsigned long uid, void *userdata)
{
	return uid == 0 || uid == geteuid();
}

static void on_peer(DBusServer *server, DBusConnection *dbus, void *userdata)
{
	struct bus *bus = userdata;
	struct bus_connection *connection;

	if (bus->peers >= BUS_PEERS_MAX) {
		log_warning("more than %u connections to the private socket, refusing one",
			    BUS_PEERS_MAX);
		return; /* nobody took a reference: libdbus closes it */
	}
	dbus_connection_ref(dbus);
	dbus_connection_set_allow_anonymous(dbus, FALSE);
	dbus_connection_set_unix_user_function(dbus, may_connect, NULL, NULL);
	if (bus_connection_new(bus, dbus, ++bus->last_peer, &connection) < 0)
		log_warning("out of memory, refusing a connection to the private socket");
}

static DBusServer *listen_at(const char *path, struct error *error)
{
	DBusError problem = DBUS_ERROR_INIT;
	char *escaped = dbus_address_escape_value(path);
	owned_memory char *address = NULL;
	DBusServer *server = NULL;

	if (escaped && asprintf(&address, "unix:path=%s", escaped) < 0)
		address = NULL;
	dbus_free(escaped);
	if (address)
		server = dbus_server_listen(address, &problem);
	if (!server)
		error_set(error, ERROR_FAILED, "cannot listen on %s: %s", path,
			  problem.message ? problem.message : "out of memory");
	dbus_error_free(&problem);
	return server;
}

static int serve(struct bus *bus, struct error *error)
{
	static const char *mechanisms[] = {"EXTERNAL", NULL};

	bus_loop_init(&bus->server_loop, bus->event);
	dbus_server_set_new_connection_function(bus->server, on_peer, bus, NULL);
	if (!dbus_server_set_auth_mechanisms(bus->server, mechanisms) ||
	    !bus_loop_attach_server(&bus->server_loop, bus->server))
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	return 0;
}

int bus_listen(struct bus *bus, const char *path, struct error *error)
{
	owned_memory char *fresh = NULL;

	if (strlen(path) + strlen(".new") >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(error, ERROR_INVALID_ARGUMENT, "%s is too long for a socket",
				 path);
	bus->socket_path = strdup(path);
	if (!bus->socket_path || asprintf(&fresh, "%s.new", path) < 0)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");

	/* libdbus opens the mode to everybody: narrow it before the name is the one that people
	 * know. Who is quicker is still refused by may_connect(). */
	bus->server = listen_at(fresh, error);
	if (!bus->server)
		return -1;
	if (chmod(fresh, 0600) < 0 || rename(fresh, path) < 0) {
		error_set(error, ERROR_FAILED, "cannot make the socket %s: %s", path,
			  strerror(errno));
		unlink(fresh);
		return -1;
	}
	return serve(bus, error);
}

void bus_server_stop(struct bus *bus)
{
	if (!bus->server)
		return;
	dbus_server_disconnect(bus->server);
	bus_loop_detach_server(bus->server);
	dbus_server_unref(bus->server);
	bus->server = NULL;
	unlink(bus->socket_path);
}

/* --- the whole --- */

int bus_new(struct sd_event *event, const struct bus_handler *handler, void *userdata,
	    struct bus **ret)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->event = sd_event_ref(event);
	bus->handler = handler;
	bus->userdata = userdata;
	list_init(&bus->connections);
	list_init(&bus->calls);
	backoff_init(&bus->backoff, RECONNECT_MIN_MS, RECONNECT_MAX_MS);
	*ret = bus;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Without waiting for whoever does not read: each turn writes what the socket takes. */
static void say_last_words(struct bus *bus)
{
	int64_t end = now_ms() + LAST_WORDS_MS;
	struct bus_connection *connection;

	list_for_each (connection, &bus->connections, link) {
		struct pollfd writable = {.fd = -1, .events = POLLOUT};
		int64_t left;

		(void)dbus_connection_get_unix_fd(connection->dbus, &writable.fd);
		while (dbus_connection_has_messages_to_send(connection->dbus) &&
		       (left = end - now_ms()) > 0 && poll(&writable, 1, (int)left) > 0) {
			if (!dbus_connection_read_write(connection->dbus, 0))
				break;
		}
	}
}

void bus_free(struct bus *bus)
{
	struct bus_connection *connection;

	if (!bus)
		return;
	bus->closing = true;
	bus_calls_forget(bus, NULL);
	say_last_words(bus);
	bus_server_stop(bus);
	bus_system_stop(bus);
	while ((connection = list_first(&bus->connections, struct bus_connection, link)))
		bus_connection_free(connection);
	sd_event_unref(bus->event);
	free(bus->socket_path);
	free(bus);
}
