/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A plain D-Bus client of hawserd: calls block until the answer is there, however long a login
 * takes. The private socket <run-dir>/bus is tried first, then the system bus. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/value.h"
#include "util/error.h"

struct client;

#define CLIENT_ROOT "/org/hawser1"

/*
 * One argument of a call; a list of them ends with {}. @type: 's', 'q', 'u', 't', 'i', 'b' and 'h'
 * (file descriptor, stays the caller's) as in D-Bus, 'A' for as (@texts, ends with NULL), 'U' for
 * au
 * (@count of @numbers), 'V' for a{sv} and 'S' for a{ss} (@entries, each with its @key; NULL is the
 * empty one).
 */
struct argument {
	char type;
	const char *key;
	const char *text;
	int64_t number;
	const char *const *texts;
	const uint32_t *numbers;
	size_t count;
	const struct argument *entries;
};

struct call {
	const char *object;
	const char *interface; /* what follows "org.hawser1.", or a full name with dots */
	const char *member;
	const struct argument *arguments; /* NULL: none */
	/* out: */
	struct value *reply; /* list of the answer's arguments, NULL when it failed; owned */
	struct error error;
};

/** call_clear() - free what a call brought back */
void call_clear(struct call *call);
#define owned_call __attribute__((cleanup(call_clear))) struct call

/**
 * client_open() - connect
 *
 * $HAWSER_RUN_DIR names another run directory; then the system bus, which belongs to another
 * daemon, is not tried. Return: 0; -1 with @error set: ERROR_NOT_CONNECTED (no daemon) or
 * ERROR_ACCESS_DENIED.
 */
int client_open(struct client **ret, struct error *error);
/** client_close() - NULL is fine */
void client_close(struct client *client);
static inline void client_free(struct client *client)
{
	client_close(client);
}
DEFINE_OWNED(client);

/** client_call() - Return: 0 with call->reply set; -1 with call->error set */
int client_call(struct client *client, struct call *call);

/** client_call_many() - as client_call() for each of @count calls, many under way at a time */
void client_call_many(struct client *client, struct call *calls, size_t count);

/** client_error_code() - of a D-Bus error name, with or without "org.hawser1.Error." */
enum error_code client_error_code(const char *name);

/** client_error() - what the daemon said, made fit to show; its lines stay lines */
void client_error(struct error *error, const char *name, const char *text);

/** struct signal - strings are valid until the next client_next_signal() */
struct signal {
	const char *object, *interface, *member;
	const struct value *arguments;
};

/** client_subscribe() - ask for all signals of the daemon. Return: 0; -1 with @error set */
int client_subscribe(struct client *client, struct error *error);
/** client_next_signal() - wait for it. Return: 0; -1 with @error set when the daemon went away */
int client_next_signal(struct client *client, struct signal *ret, struct error *error);
