/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The D-Bus face over a fake manager, and clients of it, in one thread: the daemon's loop turns and
 * the clients read until what a test waits for has happened. Nothing sleeps for a guessed time.
 */

#include <dbus/dbus.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "tests/fakes/fake_manager.h"

#define HARNESS_CLIENTS_MAX 8
#define HARNESS_SIGNALS_MAX 4096

struct harness {
	sd_event *event;
	struct manager *manager;
	void *face;
	char run_dir[64], address[128];
	DBusConnection *client; /* on the private socket */
	DBusConnection *clients[HARNESS_CLIENTS_MAX];
	unsigned client_count;
	DBusMessage *signals[HARNESS_SIGNALS_MAX]; /* that came to @client, in order */
	unsigned signal_count;
};

/** harness_start() - face and client; no objects yet; the system bus is wherever the environment
 * says */
struct harness *harness_start(void);
/** harness_start_populated() - with fake_manager_populate() */
struct harness *harness_start_populated(void);
void harness_stop(struct harness *h);

/** harness_connect() - one more client, that harness_turn() reads for; not a bus: no Hello */
DBusConnection *harness_connect(struct harness *h, const char *address);
void harness_disconnect(struct harness *h, DBusConnection *client);
/** harness_turn() - the daemon's loop and all clients once; aborts after a minute of turns */
void harness_turn(struct harness *h);
#define HARNESS_WAIT(h, condition) \
	do { \
		while (!(condition)) \
			harness_turn(h); \
	} while (0)

/** harness_forget_signals() - after everything on its way has arrived */
void harness_forget_signals(struct harness *h);
/** harness_find_signal() - index of the first @member of @path at or behind @from, or -1 */
int harness_find_signal(const struct harness *h, unsigned from, const char *path,
			const char *member);

/* Calls; replies and errors are the caller's to unref. */
DBusMessage *harness_method(const char *path, const char *interface, const char *member);
/** harness_call() - send, wait, give the answer; unrefs @message */
DBusMessage *harness_call(struct harness *h, DBusConnection *client, DBusMessage *message);
/** harness_ask() - path, member "Interface.Member" of ours, @n_dicts empty a{sv} */
DBusMessage *harness_ask(struct harness *h, const char *path, const char *member, unsigned n_dicts);
DBusPendingCall *harness_send(struct harness *h, DBusConnection *client, DBusMessage *message);
/** harness_assert_error() - @reply is the error @name; unrefs it */
void harness_assert_error(DBusMessage *reply, const char *name);
/** harness_assert_reply() - @reply is no error and has @signature; unrefs it */
void harness_assert_reply(DBusMessage *reply, const char *signature);

/* A trailing a{sv}: open, entries, close. */
struct dict {
	DBusMessageIter message, array;
};
void dict_open(DBusMessage *message, struct dict *dict);
void dict_add(struct dict *dict, const char *key, int type, const void *value);
void dict_add_strings(struct dict *dict, const char *key, const char *const *texts, int count);
void dict_add_numbers(struct dict *dict, const char *key, const uint32_t *numbers, int count);
void dict_close(struct dict *dict);
void dict_empty(DBusMessage *message);

/** harness_property() - Get, value as text ("true", "7", "up"); in a static buffer */
const char *harness_property(struct harness *h, const char *path, const char *interface,
			     const char *name);
/** harness_text_of() - one basic value (or variant of it) as text; in a static buffer */
const char *harness_text_of(DBusMessageIter *at);
