/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/unit/dbus/harness.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/face.h"

#define TURN_US	  1000
#define GIVE_UP_S 60

static DBusHandlerResult on_message(DBusConnection *connection, DBusMessage *message,
				    void *userdata)
{
	struct harness *h = userdata;

	if (dbus_message_get_type(message) != DBUS_MESSAGE_TYPE_SIGNAL ||
	    dbus_message_has_interface(message, DBUS_INTERFACE_LOCAL))
		return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
	assert_true(h->signal_count < HARNESS_SIGNALS_MAX);
	h->signals[h->signal_count++] = dbus_message_ref(message);
	return DBUS_HANDLER_RESULT_HANDLED;
}

DBusConnection *harness_connect(struct harness *h, const char *address)
{
	DBusConnection *client = dbus_connection_open_private(address, NULL);

	assert_non_null(client);
	assert_true(h->client_count < HARNESS_CLIENTS_MAX);
	dbus_connection_set_exit_on_disconnect(client, FALSE);
	h->clients[h->client_count++] = client;
	return client;
}

void harness_disconnect(struct harness *h, DBusConnection *client)
{
	for (unsigned i = 0; i < h->client_count; i++) {
		if (h->clients[i] != client)
			continue;
		h->clients[i] = h->clients[--h->client_count];
		dbus_connection_close(client);
		dbus_connection_unref(client);
		return;
	}
}

static struct harness *start(bool populated)
{
	struct harness *h = calloc(1, sizeof(*h));
	struct error error = ERROR_INIT;

	assert_non_null(h);
	snprintf(h->run_dir, sizeof(h->run_dir), "/tmp/hawser-test-XXXXXX");
	assert_non_null(mkdtemp(h->run_dir));
	snprintf(h->address, sizeof(h->address), "unix:path=%s/bus", h->run_dir);
	assert_true(sd_event_new(&h->event) >= 0);
	h->manager = fake_manager_new();
	if (populated)
		fake_manager_populate(h->manager);
	assert_int_equal(dbus_face.start(h->event, h->manager, h->run_dir, &error, &h->face), 0);
	h->client = harness_connect(h, h->address);
	assert_true(dbus_connection_add_filter(h->client, on_message, h, NULL));
	dbus_message_unref(harness_call(h, h->client,
					harness_method("/", "org.freedesktop.DBus.Peer", "Ping")));
	return h;
}

struct harness *harness_start(void)
{
	return start(false);
}

struct harness *harness_start_populated(void)
{
	return start(true);
}

static void drop_signals(struct harness *h)
{
	while (h->signal_count > 0)
		dbus_message_unref(h->signals[--h->signal_count]);
}

void harness_stop(struct harness *h)
{
	while (h->client_count > 0)
		harness_disconnect(h, h->clients[0]);
	dbus_face.stop(h->face);
	drop_signals(h);
	fake_manager_free(h->manager);
	sd_event_unref(h->event);
	assert_int_equal(rmdir(h->run_dir), 0); /* the socket is gone */
	free(h);
}

void harness_turn(struct harness *h)
{
	static time_t start_s;
	static unsigned turns;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (turns++ == 0)
		start_s = now.tv_sec;
	assert_true(sd_event_run(h->event, TURN_US) >= 0);
	for (unsigned i = 0; i < h->client_count; i++) {
		(void)dbus_connection_read_write(h->clients[i], 0);
		while (dbus_connection_dispatch(h->clients[i]) == DBUS_DISPATCH_DATA_REMAINS)
			;
	}
	if (now.tv_sec - start_s > 4 * GIVE_UP_S) {
		fprintf(stderr, "what the test waits for does not happen\n");
		abort();
	}
}

void harness_forget_signals(struct harness *h)
{
	/* an answer comes behind every signal that was sent before */
	dbus_message_unref(
		harness_call(h, h->client,
			     harness_method("/org/hawser1", "org.freedesktop.DBus.Introspectable",
					    "Introspect")));
	drop_signals(h);
}

int harness_find_signal(const struct harness *h, unsigned from, const char *path,
			const char *member)
{
	for (unsigned i = from; i < h->signal_count; i++) {
		if (strcmp(dbus_message_get_member(h->signals[i]), member) == 0 &&
		    (!path || strcmp(dbus_message_get_path(h->signals[i]), path) == 0))
			return (int)i;
	}
	return -1;
}

DBusMessage *harness_method(const char *path, const char *interface, const char *member)
{
	DBusMessage *message = dbus_message_new_method_call(NULL, path, interface, member);

	assert_non_null(message);
	return message;
}

DBusPendingCall *harness_send(struct harness *h, DBusConnection *client, DBusMessage *message)
{
	DBusPendingCall *pending = NULL;

	assert_true(
		dbus_connection_send_with_reply(client, message, &pending, DBUS_TIMEOUT_INFINITE));
	dbus_message_unref(message);
	assert_non_null(pending);
	return pending;
}

DBusMessage *harness_call(struct harness *h, DBusConnection *client, DBusMessage *message)
{
	DBusPendingCall *pending = harness_send(h, client, message);
	DBusMessage *reply;

	HARNESS_WAIT(h, dbus_pending_call_get_completed(pending));
	reply = dbus_pending_call_steal_reply(pending);
	dbus_pending_call_unref(pending);
	return reply;
}

DBusMessage *harness_ask(struct harness *h, const char *path, const char *member, unsigned n_dicts)
{
	char interface[64];
	DBusMessage *message;
	const char *dot = strchr(member, '.');

	snprintf(interface, sizeof(interface), "org.hawser1.%.*s", (int)(dot - member), member);
	message = harness_method(path, interface, dot + 1);
	while (n_dicts-- > 0)
		dict_empty(message);
	return harness_call(h, h->client, message);
}

void harness_assert_error(DBusMessage *reply, const char *name)
{
	assert_int_equal(dbus_message_get_type(reply), DBUS_MESSAGE_TYPE_ERROR);
	assert_string_equal(dbus_message_get_error_name(reply), name);
	dbus_message_unref(reply);
}

void harness_assert_reply(DBusMessage *reply, const char *signature)
{
	if (dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_ERROR)
		fail_msg("unexpected error %s", dbus_message_get_error_name(reply));
	assert_string_equal(dbus_message_get_signature(reply), signature);
	dbus_message_unref(reply);
}

void dict_open(DBusMessage *message, struct dict *dict)
{
	dbus_message_iter_init_append(message, &dict->message);
	assert_true(dbus_message_iter_open_container(&dict->message, DBUS_TYPE_ARRAY, "{sv}",
						     &dict->array));
}

void dict_add(struct dict *dict, const char *key, int type, const void *value)
{
	DBusMessageIter entry, variant;
	const char signature[2] = {(char)type, '\0'};

	dbus_message_iter_open_container(&dict->array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key);
	dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, signature, &variant);
	dbus_message_iter_append_basic(&variant, type, value);
	dbus_message_iter_close_container(&entry, &variant);
	dbus_message_iter_close_container(&dict->array, &entry);
}

void dict_add_strings(struct dict *dict, const char *key, const char *const *texts, int count)
{
	DBusMessageIter entry, variant, array;

	dbus_message_iter_open_container(&dict->array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key);
	dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, "as", &variant);
	dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "s", &array);
	for (int i = 0; i < count; i++)
		dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &texts[i]);
	dbus_message_iter_close_container(&variant, &array);
	dbus_message_iter_close_container(&entry, &variant);
	dbus_message_iter_close_container(&dict->array, &entry);
}

void dict_add_numbers(struct dict *dict, const char *key, const uint32_t *numbers, int count)
{
	DBusMessageIter entry, variant, array;

	dbus_message_iter_open_container(&dict->array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key);
	dbus_message_iter_open_container(&entry, DBUS_TYPE_VARIANT, "au", &variant);
	dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "u", &array);
	for (int i = 0; i < count; i++)
		dbus_message_iter_append_basic(&array, DBUS_TYPE_UINT32, &numbers[i]);
	dbus_message_iter_close_container(&variant, &array);
	dbus_message_iter_close_container(&entry, &variant);
	dbus_message_iter_close_container(&dict->array, &entry);
}

void dict_close(struct dict *dict)
{
	dbus_message_iter_close_container(&dict->message, &dict->array);
}

void dict_empty(DBusMessage *message)
{
	struct dict dict;

	dict_open(message, &dict);
	dict_close(&dict);
}

const char *harness_text_of(DBusMessageIter *at)
{
	static char text[512];
	DBusMessageIter variant;
	DBusBasicValue value;

	if (dbus_message_iter_get_arg_type(at) == DBUS_TYPE_VARIANT) {
		dbus_message_iter_recurse(at, &variant);
		at = &variant;
	}
	if (!dbus_type_is_basic(dbus_message_iter_get_arg_type(at)))
		return "(container)";
	dbus_message_iter_get_basic(at, &value);
	switch (dbus_message_iter_get_arg_type(at)) {
	case DBUS_TYPE_STRING:
	case DBUS_TYPE_OBJECT_PATH:
		snprintf(text, sizeof(text), "%s", value.str);
		break;
	case DBUS_TYPE_BOOLEAN:
		snprintf(text, sizeof(text), "%s", value.bool_val ? "true" : "false");
		break;
	case DBUS_TYPE_UINT16:
		snprintf(text, sizeof(text), "%u", value.u16);
		break;
	case DBUS_TYPE_INT32:
		snprintf(text, sizeof(text), "%d", value.i32);
		break;
	case DBUS_TYPE_UINT32:
		snprintf(text, sizeof(text), "%u", value.u32);
		break;
	case DBUS_TYPE_UINT64:
		snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)value.u64);
		break;
	default:
		snprintf(text, sizeof(text), "(type %c)", dbus_message_iter_get_arg_type(at));
	}
	return text;
}

const char *harness_property(struct harness *h, const char *path, const char *interface,
			     const char *name)
{
	DBusMessage *message = harness_method(path, "org.freedesktop.DBus.Properties", "Get"),
		    *reply;
	const char *text;
	DBusMessageIter at;

	assert_true(dbus_message_append_args(message, DBUS_TYPE_STRING, &interface,
					     DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID));
	reply = harness_call(h, h->client, message);
	if (dbus_message_get_type(reply) == DBUS_MESSAGE_TYPE_ERROR) {
		dbus_message_unref(reply);
		return NULL;
	}
	dbus_message_iter_init(reply, &at);
	text = harness_text_of(&at);
	dbus_message_unref(reply);
	return text;
}
