/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus_internal.h"
#include "util/cleanup.h"

/* --- method calls from others --- */

struct bus_call {
	struct list link;		   /* in bus->calls */
	struct bus *bus;		   /* NULL once the bus is gone */
	struct bus_connection *connection; /* NULL once the caller is gone */
	bool is_private;
	DBusMessage *message;
	DBusMessage *no_memory; /* made before it is needed */
	DBusMessage *answer;
	struct bus_reader reader;
	struct bus_writer writer;
};

static void call_free(struct bus_call *call)
{
	list_remove(&call->link);
	bus_writer_fail(&call->writer); /* an answer may have been left half written */
	dbus_message_unref(call->message);
	if (call->no_memory)
		dbus_message_unref(call->no_memory);
	if (call->answer)
		dbus_message_unref(call->answer);
	free(call);
}

bool bus_call_arrived(struct bus_connection *connection, DBusMessage *message)
{
	struct bus *bus = connection->bus;
	struct bus_call *call = calloc(1, sizeof(*call));

	if (!call)
		return false;
	list_init(&call->link);
	call->bus = bus;
	call->connection = connection;
	call->is_private = connection->peer != 0;
	call->message = dbus_message_ref(message);
	call->no_memory = dbus_message_new_error(message, DBUS_ERROR_NO_MEMORY, "Out of memory");
	if (!call->no_memory) {
		call_free(call);
		return false;
	}
	list_append(&bus->calls, &call->link);
	bus_reader_init(&call->reader, message);
	bus->handler->call(call, bus->userdata);
	return true;
}

const char *bus_call_path(const struct bus_call *call)
{
	const char *path = dbus_message_get_path(call->message);

	return path ? path : "/";
}

const char *bus_call_interface(const struct bus_call *call)
{
	return dbus_message_get_interface(call->message);
}

const char *bus_call_member(const struct bus_call *call)
{
	const char *member = dbus_message_get_member(call->message);

	return member ? member : "";
}

const char *bus_call_signature(const struct bus_call *call)
{
	return dbus_message_get_signature(call->message);
}

const char *bus_call_sender(const struct bus_call *call)
{
	return call->is_private ? NULL : dbus_message_get_sender(call->message);
}

bool bus_call_private(const struct bus_call *call)
{
	return call->is_private;
}

bool bus_call_interactive(const struct bus_call *call)
{
	return dbus_message_get_allow_interactive_authorization(call->message);
}

struct bus_reader *bus_call_arguments(struct bus_call *call)
{
	return &call->reader;
}

struct bus_writer *bus_call_answer(struct bus_call *call)
{
	if (call->answer || call->writer.failed)
		return &call->writer;
	call->answer = dbus_message_new_method_return(call->message);
	bus_writer_init(&call->writer, call->answer);
	call->writer.failed = !call->answer;
	return &call->writer;
}

/* Send @message as the answer to @call, behind the signals that it caused, and end the call. */
static void answer(struct bus_call *call, DBusMessage *message)
{
	if (call->bus && !call->bus->closing)
		call->bus->handler->before_answer(call->bus->userdata);
	/* before_answer() may have closed a connection, but it frees none */
	if (call->connection && !dbus_message_get_no_reply(call->message))
		bus_connection_send(call->connection, message, false);
	call_free(call);
}

void bus_call_send(struct bus_call *call)
{
	struct bus_writer *writer = bus_call_answer(call);

	answer(call, writer->failed ? call->no_memory : call->answer);
}

void bus_call_fail(struct bus_call *call, const char *name, const char *format, ...)
{
	owned_memory char *text = NULL, *repaired = NULL;
	DBusMessage *message = NULL;
	const char *valid;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);

	valid = text ? bus_valid_text(text, &repaired) : NULL;
	if (valid)
		message = dbus_message_new_error(call->message, name, valid);
	answer(call, message ? message : call->no_memory);
	if (message)
		dbus_message_unref(message);
}

static void send_closing(struct bus_call *call)
{
	DBusMessage *message = dbus_message_new_error(call->message, DBUS_ERROR_NO_REPLY,
						      "The daemon is stopping");

	if (call->connection && !dbus_message_get_no_reply(call->message))
		bus_connection_send(call->connection, message ? message : call->no_memory, false);
	if (message)
		dbus_message_unref(message);
}

void bus_calls_forget(struct bus *bus, struct bus_connection *connection)
{
	struct bus_call *call, *following;

	list_for_each_safe (call, following, &bus->calls, link) {
		if (connection && call->connection != connection)
			continue;
		if (!connection) {
			send_closing(call);
			call->bus = NULL;
			list_remove(&call->link);
		}
		/* whoever works on it still holds it, and ends it later */
		call->connection = NULL;
	}
}

/* --- messages of our own --- */

static struct bus_message *message_new(DBusMessage *dbus)
{
	struct bus_message *message = dbus ? calloc(1, sizeof(*message)) : NULL;

	if (!message) {
		if (dbus)
			dbus_message_unref(dbus);
		return NULL;
	}
	message->message = dbus;
	bus_writer_init(&message->writer, dbus);
	return message;
}

struct bus_message *bus_signal_new(const char *path, const char *interface, const char *member)
{
	return message_new(dbus_message_new_signal(path, interface, member));
}

struct bus_message *bus_request_new(const char *destination, const char *path,
				    const char *interface, const char *member)
{
	return message_new(dbus_message_new_method_call(destination, path, interface, member));
}

struct bus_writer *bus_message_writer(struct bus_message *message)
{
	return message ? &message->writer : NULL;
}

void bus_message_free(struct bus_message *message)
{
	if (!message)
		return;
	bus_writer_fail(&message->writer);
	dbus_message_unref(message->message);
	free(message);
}

void bus_emit(struct bus *bus, struct bus_message *message, bool optional)
{
	struct bus_connection *connection;

	if (message && !message->writer.failed) {
		list_for_each (connection, &bus->connections, link) {
			if (connection->peer || connection->has_name)
				bus_connection_send(connection, message->message, optional);
		}
	}
	bus_message_free(message);
}

/* --- method calls to others --- */

struct bus_request {
	struct list link; /* in connection->requests */
	DBusPendingCall *pending;
	bus_answered *done;
	void *userdata;
};

static void request_free(struct bus_request *request)
{
	list_remove(&request->link);
	if (request->pending)
		dbus_pending_call_unref(request->pending);
	free(request);
}

static void on_answer(DBusPendingCall *pending, void *userdata)
{
	struct bus_request *request = userdata;
	DBusMessage *message = dbus_pending_call_steal_reply(pending);
	struct bus_reader reader;

	list_remove(&request->link);
	if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_ERROR) {
		request->done(NULL, dbus_message_get_error_name(message), request->userdata);
	} else {
		bus_reader_init(&reader, message);
		request->done(&reader, NULL, request->userdata);
	}
	dbus_message_unref(message);
	request_free(request);
}

void bus_requests_fail(struct bus_connection *connection)
{
	struct bus_request *request;

	while ((request = list_pop(&connection->requests, struct bus_request, link))) {
		dbus_pending_call_cancel(request->pending);
		request->done(NULL, DBUS_ERROR_DISCONNECTED, request->userdata);
		request_free(request);
	}
}

static int request_start(struct bus_connection *connection, DBusMessage *message, int timeout_ms,
			 struct bus_request *request)
{
	int timeout = timeout_ms == BUS_NO_TIMEOUT ? DBUS_TIMEOUT_INFINITE : timeout_ms;

	if (!dbus_connection_send_with_reply(connection->dbus, message, &request->pending, timeout))
		return -ENOMEM;
	if (!request->pending)
		return -ENOTCONN;
	if (!dbus_pending_call_set_notify(request->pending, on_answer, request, NULL)) {
		dbus_pending_call_cancel(request->pending);
		return -ENOMEM;
	}
	list_append(&connection->requests, &request->link);
	return 0;
}

int bus_request_send_on(struct bus_connection *connection, struct bus_message *message,
			int timeout_ms, bus_answered *done, void *userdata)
{
	struct bus_request *request = NULL;
	int r = -ENOMEM;

	if (message && !message->writer.failed)
		request = calloc(1, sizeof(*request));
	if (request) {
		list_init(&request->link);
		request->done = done;
		request->userdata = userdata;
		r = request_start(connection, message->message, timeout_ms, request);
		if (r < 0)
			request_free(request);
	}
	bus_message_free(message);
	return r;
}

int bus_request_send(struct bus *bus, struct bus_message *message, int timeout_ms,
		     bus_answered *done, void *userdata)
{
	if (!bus->system || bus->system->disconnected) {
		bus_message_free(message);
		return -ENOTCONN;
	}
	return bus_request_send_on(bus->system, message, timeout_ms, done, userdata);
}
