/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/client.h"

#include <dbus/dbus.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

#define BUS_NAME     "org.hawser1"
#define ERROR_PREFIX "org.hawser1.Error."

/* Deepest nesting of a reply that is read: the API needs 7 levels. */
#define DEPTH_MAX 16

/* The system bus grants a connection 128 replies that are still due. */
#define CALLS_AT_ONCE 64

struct client {
	DBusConnection *connection;
	bool on_bus;  /* the system bus: calls name whom they are for */
	bool greeted; /* something was answered: see greet() */
	DBusMessage *signal;
	struct value *signal_arguments;
};

/* clang-format off */
static const struct {
	const char *name;
	enum error_code code;
} bus_errors[] = {
	{DBUS_ERROR_INVALID_ARGS,        ERROR_INVALID_ARGUMENT},
	{DBUS_ERROR_INVALID_SIGNATURE,   ERROR_INVALID_ARGUMENT},
	{DBUS_ERROR_ACCESS_DENIED,       ERROR_ACCESS_DENIED},
	{DBUS_ERROR_AUTH_FAILED,         ERROR_ACCESS_DENIED},
	{DBUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, ERROR_ACCESS_DENIED},
	{DBUS_ERROR_NO_MEMORY,           ERROR_NO_MEMORY},
	{DBUS_ERROR_LIMITS_EXCEEDED,     ERROR_TRY_AGAIN},
	{DBUS_ERROR_NOT_SUPPORTED,       ERROR_NOT_SUPPORTED},
	{DBUS_ERROR_UNKNOWN_METHOD,      ERROR_NOT_SUPPORTED},
	{DBUS_ERROR_UNKNOWN_INTERFACE,   ERROR_NOT_SUPPORTED},
	{DBUS_ERROR_UNKNOWN_PROPERTY,    ERROR_NOT_SUPPORTED},
	{DBUS_ERROR_UNKNOWN_OBJECT,      ERROR_NO_OBJECTS_FOUND},
	{DBUS_ERROR_SERVICE_UNKNOWN,     ERROR_NOT_CONNECTED},
	{DBUS_ERROR_NAME_HAS_NO_OWNER,   ERROR_NOT_CONNECTED},
	{DBUS_ERROR_DISCONNECTED,        ERROR_NOT_CONNECTED},
	{DBUS_ERROR_NO_SERVER,           ERROR_NOT_CONNECTED},
	{DBUS_ERROR_FILE_NOT_FOUND,      ERROR_NOT_CONNECTED},
	{DBUS_ERROR_NO_REPLY,            ERROR_NOT_CONNECTED},
	{DBUS_ERROR_TIMEOUT,             ERROR_REQUEST_TIMEOUT},
};
/* clang-format on */

enum error_code client_error_code(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(bus_errors); i++)
		if (strcmp(bus_errors[i].name, name) == 0)
			return bus_errors[i].code;
	/* systemd could not start it for us */
	if (text_starts_with(name, "org.freedesktop.DBus.Error.Spawn.") ||
	    text_starts_with(name, "org.freedesktop.systemd1."))
		return ERROR_NOT_CONNECTED;
	if (text_starts_with(name, ERROR_PREFIX))
		name += strlen(ERROR_PREFIX);
	return *name ? error_code_of_name(name) : ERROR_NONE;
}

void client_error(struct error *error, const char *name, const char *text)
{
	char shown[1024] = "";
	size_t length = 0;

	while (text && *text && length + 2 < sizeof(shown)) {
		size_t line = strcspn(text, "\n");

		if (length > 0)
			shown[length++] = '\n';
		length += text_sanitise(shown + length, sizeof(shown) - length, text, line);
		text += line + (text[line] == '\n');
	}
	error_set(error, client_error_code(name), "%s", *shown ? shown : name);
}

void call_clear(struct call *call)
{
	value_free(call->reply);
	call->reply = NULL;
	error_clear(&call->error);
}

/* --- connecting --- */

/* Return: the connection, or NULL with @problem set. */
static DBusConnection *open_socket(const char *run_dir, DBusError *problem)
{
	DBusConnection *connection;
	char path[512], address[2048];
	char *escaped;

	snprintf(path, sizeof(path), "%s/bus", run_dir);
	escaped = dbus_address_escape_value(path);
	if (!escaped) {
		dbus_set_error_const(problem, DBUS_ERROR_NO_MEMORY, "out of memory");
		return NULL;
	}
	snprintf(address, sizeof(address), "unix:path=%s", escaped);
	dbus_free(escaped);
	connection = dbus_connection_open_private(address, problem);
	if (connection)
		dbus_connection_set_exit_on_disconnect(connection, FALSE);
	return connection;
}

static DBusConnection *open_system_bus(void)
{
	DBusError problem = DBUS_ERROR_INIT;
	DBusConnection *connection = dbus_bus_get_private(DBUS_BUS_SYSTEM, &problem);

	dbus_error_free(&problem);
	if (connection)
		dbus_connection_set_exit_on_disconnect(connection, FALSE);
	return connection;
}

static int refuse(DBusError *problem, const char *run_dir, struct error *error)
{
	if (dbus_error_has_name(problem, DBUS_ERROR_ACCESS_DENIED))
		error_set(error, ERROR_ACCESS_DENIED, "not permitted to open %s/bus", run_dir);
	else if (dbus_error_has_name(problem, DBUS_ERROR_FILE_NOT_FOUND))
		error_set(error, ERROR_NOT_CONNECTED, "hawserd is not running: there is no %s/bus",
			  run_dir);
	else
		error_set(error, ERROR_NOT_CONNECTED, "hawserd does not answer at %s/bus", run_dir);
	dbus_error_free(problem);
	return -1;
}

int client_open(struct client **ret, struct error *error)
{
	owned(client) client = calloc(1, sizeof(*client));
	DBusError problem = DBUS_ERROR_INIT;
	const char *run_dir = getenv("HAWSER_RUN_DIR");
	bool is_ours = run_dir && *run_dir;

	if (!client)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	run_dir = is_ours ? run_dir : "/run/hawser";
	client->connection = open_socket(run_dir, &problem);
	if (!client->connection && !is_ours) {
		client->connection = open_system_bus();
		client->on_bus = client->connection != NULL;
	}
	if (!client->connection)
		return refuse(&problem, run_dir, error);
	dbus_error_free(&problem);
	*ret = take(client);
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	value_free(client->signal_arguments);
	if (client->signal)
		dbus_message_unref(client->signal);
	if (client->connection) {
		dbus_connection_close(client->connection);
		dbus_connection_unref(client->connection);
	}
	free(client);
}

/* --- arguments --- */

static const char *argument_signature(const struct argument *argument, char buffer[2])
{
	switch (argument->type) {
	case 'A':
		return "as";
	case 'U':
		return "au";
	case 'V':
		return "a{sv}";
	case 'S':
		return "a{ss}";
	default:
		buffer[0] = argument->type;
		buffer[1] = '\0';
		return buffer;
	}
}

/* libdbus aborts the program when it is given text that is not UTF-8. Return: 0 or -errno */
static int append_text(DBusMessageIter *at, const char *text)
{
	if (!dbus_validate_utf8(text, NULL))
		return -EILSEQ;
	return dbus_message_iter_append_basic(at, DBUS_TYPE_STRING, &text) ? 0 : -ENOMEM;
}

static int append_number(DBusMessageIter *at, char type, int64_t number)
{
	union {
		dbus_uint16_t q;
		dbus_uint32_t u;
		dbus_int32_t i;
		dbus_bool_t b;
		dbus_uint64_t t;
		int h;
	} v = {};

	switch (type) {
	case DBUS_TYPE_UINT16:
		v.q = (dbus_uint16_t)number;
		break;
	case DBUS_TYPE_UINT64:
		v.t = (dbus_uint64_t)number;
		break;
	case DBUS_TYPE_BOOLEAN:
		v.b = number != 0;
		break;
	default:
		v.u = (dbus_uint32_t)number; /* 'u', 'i' and 'h' are all 32 bits wide */
		break;
	}
	return dbus_message_iter_append_basic(at, type, &v) ? 0 : -ENOMEM;
}

static int append_argument(DBusMessageIter *at, const struct argument *argument);

static int append_texts(DBusMessageIter *at, const char *const *texts)
{
	DBusMessageIter array;
	int r = 0;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "s", &array))
		return -ENOMEM;
	for (; texts && *texts && r == 0; texts++)
		r = append_text(&array, *texts);
	if (r < 0) {
		dbus_message_iter_abandon_container(at, &array);
		return r;
	}
	return dbus_message_iter_close_container(at, &array) ? 0 : -ENOMEM;
}

static int append_numbers(DBusMessageIter *at, const uint32_t *numbers, size_t count)
{
	DBusMessageIter array;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, "u", &array))
		return -ENOMEM;
	if (count > 0 &&
	    !dbus_message_iter_append_fixed_array(&array, DBUS_TYPE_UINT32, &numbers, (int)count)) {
		dbus_message_iter_abandon_container(at, &array);
		return -ENOMEM;
	}
	return dbus_message_iter_close_container(at, &array) ? 0 : -ENOMEM;
}

static int append_variant(DBusMessageIter *at, const struct argument *argument)
{
	DBusMessageIter variant;
	char buffer[2];
	int r;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_VARIANT,
					      argument_signature(argument, buffer), &variant))
		return -ENOMEM;
	r = append_argument(&variant, argument);
	if (r < 0) {
		dbus_message_iter_abandon_container(at, &variant);
		return r;
	}
	return dbus_message_iter_close_container(at, &variant) ? 0 : -ENOMEM;
}

static int append_entry(DBusMessageIter *at, const struct argument *argument, bool variants)
{
	DBusMessageIter entry;
	int r;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
		return -ENOMEM;
	r = append_text(&entry, argument->key);
	if (r == 0)
		r = variants ? append_variant(&entry, argument) : append_argument(&entry, argument);
	if (r < 0) {
		dbus_message_iter_abandon_container(at, &entry);
		return r;
	}
	return dbus_message_iter_close_container(at, &entry) ? 0 : -ENOMEM;
}

static int append_dict(DBusMessageIter *at, const struct argument *entries, bool variants)
{
	DBusMessageIter array;
	int r = 0;

	if (!dbus_message_iter_open_container(at, DBUS_TYPE_ARRAY, variants ? "{sv}" : "{ss}",
					      &array))
		return -ENOMEM;
	for (; entries && entries->type && r == 0; entries++)
		r = append_entry(&array, entries, variants);
	if (r < 0) {
		dbus_message_iter_abandon_container(at, &array);
		return r;
	}
	return dbus_message_iter_close_container(at, &array) ? 0 : -ENOMEM;
}

static int append_argument(DBusMessageIter *at, const struct argument *argument)
{
	switch (argument->type) {
	case DBUS_TYPE_STRING:
		return append_text(at, argument->text);
	case 'A':
		return append_texts(at, argument->texts);
	case 'U':
		return append_numbers(at, argument->numbers, argument->count);
	case 'V':
	case 'S':
		return append_dict(at, argument->entries, argument->type == 'V');
	default:
		return append_number(at, argument->type, argument->number);
	}
}

/* --- replies --- */

static int read_values(DBusMessageIter *at, struct value *parent, unsigned depth);

static int read_text(DBusMessageIter *at, struct value *value)
{
	const char *text;

	dbus_message_iter_get_basic(at, &text);
	value->kind = VALUE_TEXT;
	value->text = strdup(text);
	return value->text ? 0 : -ENOMEM;
}

static int read_number(DBusMessageIter *at, int type, struct value *value)
{
	DBusBasicValue v = {};

	dbus_message_iter_get_basic(at, &v);
	value->kind = VALUE_NUMBER;
	switch (type) {
	case DBUS_TYPE_BYTE:
		value->number = v.byt;
		break;
	case DBUS_TYPE_UINT16:
		value->number = v.u16;
		break;
	case DBUS_TYPE_UINT32:
		value->number = v.u32;
		break;
	case DBUS_TYPE_UINT64:
		value->number = v.u64;
		break;
	case DBUS_TYPE_BOOLEAN:
		value->kind = VALUE_BOOL;
		value->number = v.bool_val != FALSE;
		break;
	default:
		value->is_signed = true;
		value->number = type == DBUS_TYPE_INT16	  ? (uint64_t)(int64_t)v.i16
				: type == DBUS_TYPE_INT32 ? (uint64_t)(int64_t)v.i32
							  : (uint64_t)v.i64;
		break;
	}
	return 0;
}

static int read_fd(DBusMessageIter *at, struct value *value)
{
	int fd = -1;

	dbus_message_iter_get_basic(at, &fd);
	if (fd < 0)
		return -EBADF;
	value->kind = VALUE_FD;
	value->number = (uint64_t)fd;
	return 0;
}

static int read_value(DBusMessageIter *at, struct value *value, unsigned depth)
{
	int type = dbus_message_iter_get_arg_type(at);
	DBusMessageIter inside;

	switch (type) {
	case DBUS_TYPE_STRING:
	case DBUS_TYPE_OBJECT_PATH:
	case DBUS_TYPE_SIGNATURE:
		return read_text(at, value);
	case DBUS_TYPE_UNIX_FD:
		return read_fd(at, value);
	case DBUS_TYPE_DOUBLE:
		return 0; /* the API has none of them */
	case DBUS_TYPE_VARIANT:
		dbus_message_iter_recurse(at, &inside);
		return depth == 0 ? -ELOOP : read_value(&inside, value, depth - 1);
	case DBUS_TYPE_ARRAY:
		value->kind = dbus_message_iter_get_element_type(at) == DBUS_TYPE_DICT_ENTRY
				      ? VALUE_DICT
				      : VALUE_LIST;
		dbus_message_iter_recurse(at, &inside);
		return read_values(&inside, value, depth);
	case DBUS_TYPE_STRUCT:
		value->kind = VALUE_LIST;
		dbus_message_iter_recurse(at, &inside);
		return read_values(&inside, value, depth);
	default:
		return read_number(at, type, value);
	}
}

/* Everything from @at on becomes items of @parent; a dictionary's keys and values alternate. */
static int read_values(DBusMessageIter *at, struct value *parent, unsigned depth)
{
	int r = 0;

	if (depth == 0)
		return -ELOOP;
	for (int type; r == 0 && (type = dbus_message_iter_get_arg_type(at)) != DBUS_TYPE_INVALID;
	     dbus_message_iter_next(at)) {
		DBusMessageIter entry;
		struct value *item;

		if (type == DBUS_TYPE_DICT_ENTRY) {
			dbus_message_iter_recurse(at, &entry);
			r = read_values(&entry, parent, depth - 1);
			continue;
		}
		item = value_new_item(parent);
		r = item ? read_value(at, item, depth - 1) : -ENOMEM;
	}
	return r;
}

static int read_message(DBusMessage *message, struct value **ret)
{
	owned(value) root = calloc(1, sizeof(*root));
	DBusMessageIter at;
	int r;

	if (!root)
		return -ENOMEM;
	root->kind = VALUE_LIST;
	dbus_message_iter_init(message, &at);
	r = read_values(&at, root, DEPTH_MAX);
	if (r < 0)
		return r;
	*ret = take(root);
	return 0;
}

/* --- calls --- */

static int fill(DBusMessage *message, const struct argument *arguments)
{
	DBusMessageIter at;
	int r = 0;

	dbus_message_iter_init_append(message, &at);
	for (; arguments && arguments->type && r == 0; arguments++)
		r = append_argument(&at, arguments);
	return r;
}

static DBusMessage *message_of(const struct client *client, const struct call *call)
{
	char interface[128];

	snprintf(interface, sizeof(interface), "%s%s",
		 strchr(call->interface, '.') ? "" : "org.hawser1.", call->interface);
	return dbus_message_new_method_call(client->on_bus ? BUS_NAME : NULL, call->object,
					    interface, call->member);
}

static bool has_fd(const struct argument *arguments)
{
	for (; arguments && arguments->type; arguments++)
		if (arguments->type == DBUS_TYPE_UNIX_FD)
			return true;
	return false;
}

/*
 * libdbus gives up a message with descriptors while it does not know yet that they can be sent, and
 * a daemon that reads it together with the end of the authentication loses them. An answer to
 * anything else shows that both are past that.
 */
static void greet(struct client *client)
{
	DBusMessage *ping = dbus_message_new_method_call(client->on_bus ? BUS_NAME : NULL,
							 CLIENT_ROOT, DBUS_INTERFACE_PEER, "Ping");
	DBusMessage *pong = NULL;

	if (ping) {
		pong = dbus_connection_send_with_reply_and_block(client->connection, ping,
								 DBUS_TIMEOUT_INFINITE, NULL);
		dbus_message_unref(ping);
	}
	if (pong)
		dbus_message_unref(pong);
	client->greeted = true;
}

/* Return: the reply that is due, or NULL with call->error set. */
static DBusPendingCall *start(struct client *client, struct call *call)
{
	DBusMessage *message = message_of(client, call);
	DBusPendingCall *pending = NULL;
	int r = message ? fill(message, call->arguments) : -ENOMEM;

	if (r == 0) {
		if (!client->greeted && has_fd(call->arguments))
			greet(client);
		dbus_message_set_allow_interactive_authorization(message, TRUE);
		if (!dbus_connection_send_with_reply(client->connection, message, &pending,
						     DBUS_TIMEOUT_INFINITE))
			r = -ENOMEM;
	}
	if (message)
		dbus_message_unref(message);
	if (r == -EILSEQ)
		error_set(&call->error, ERROR_INVALID_ARGUMENT, "an argument is not UTF-8 text");
	else if (r < 0)
		error_set(&call->error, ERROR_NO_MEMORY, "out of memory");
	else if (!pending)
		error_set(&call->error, ERROR_NOT_CONNECTED, "hawserd closed the connection");
	return pending;
}

static void finish(DBusPendingCall *pending, struct call *call)
{
	DBusMessage *reply;
	DBusError problem = DBUS_ERROR_INIT;

	if (!pending)
		return;
	dbus_pending_call_block(pending);
	reply = dbus_pending_call_steal_reply(pending);
	dbus_pending_call_unref(pending);
	if (!reply) {
		error_set(&call->error, ERROR_NOT_CONNECTED, "hawserd did not answer");
		return;
	}
	if (dbus_set_error_from_message(&problem, reply)) {
		client_error(&call->error, problem.name, problem.message);
		dbus_error_free(&problem);
	} else if (read_message(reply, &call->reply) < 0) {
		error_set(&call->error, ERROR_NO_MEMORY, "the answer of hawserd is too large");
	}
	dbus_message_unref(reply);
}

int client_call(struct client *client, struct call *call)
{
	finish(start(client, call), call);
	return call->reply ? 0 : -1;
}

void client_call_many(struct client *client, struct call *calls, size_t count)
{
	DBusPendingCall *pending[CALLS_AT_ONCE] = {};

	for (size_t i = 0; i < count + CALLS_AT_ONCE; i++) {
		size_t slot = i % CALLS_AT_ONCE;

		if (i >= CALLS_AT_ONCE && i - CALLS_AT_ONCE < count)
			finish(pending[slot], &calls[i - CALLS_AT_ONCE]);
		pending[slot] = i < count ? start(client, &calls[i]) : NULL;
	}
}

/* --- signals --- */

int client_subscribe(struct client *client, struct error *error)
{
	DBusError problem = DBUS_ERROR_INIT;

	if (!client->on_bus)
		return 0; /* the private socket carries all of them unasked */
	dbus_bus_add_match(client->connection, "type='signal',sender='" BUS_NAME "'", &problem);
	if (!dbus_error_is_set(&problem))
		return 0;
	client_error(error, problem.name, problem.message);
	dbus_error_free(&problem);
	return -1;
}

int client_next_signal(struct client *client, struct signal *ret, struct error *error)
{
	for (;;) {
		if (client->signal)
			dbus_message_unref(client->signal);
		value_free(client->signal_arguments);
		client->signal_arguments = NULL;
		client->signal = dbus_connection_pop_message(client->connection);
		if (!client->signal) {
			if (!dbus_connection_read_write(client->connection, -1))
				return error_set(error, ERROR_NOT_CONNECTED,
						 "hawserd closed the connection");
			continue;
		}
		if (dbus_message_get_type(client->signal) != DBUS_MESSAGE_TYPE_SIGNAL)
			continue;
		if (dbus_message_is_signal(client->signal, DBUS_INTERFACE_LOCAL, "Disconnected"))
			return error_set(error, ERROR_NOT_CONNECTED,
					 "hawserd closed the connection");
		if (read_message(client->signal, &client->signal_arguments) < 0)
			return error_set(error, ERROR_NO_MEMORY, "out of memory");
		ret->object = dbus_message_get_path(client->signal);
		ret->interface = dbus_message_get_interface(client->signal);
		ret->member = dbus_message_get_member(client->signal);
		ret->arguments = client->signal_arguments;
		return 0;
	}
}
