/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Records as the daemon serves them: of nodes, of discovery addresses and of interfaces are read
 * and changed the same way, only under another name.
 */

#include <stddef.h>

#include "cli/client.h"

struct setting;

#define RECORD_NAME_MAX 3

/* Which record: where its methods are, and the arguments in front of all others. */
struct record_place {
	const char *object, *interface;
	struct argument name[RECORD_NAME_MAX];
	size_t name_count;
};

/** record_place_of_node() - @object: of the node */
struct record_place record_place_of_node(const char *object);
/** record_place_of_iface() - @name: of the interface record */
struct record_place record_place_of_iface(const char *name);

/**
 * record_client_call() - call @member on the record
 * @more: arguments behind its name; ends with {}
 * @call: answered, for call_clear()
 *
 * Return: 0; -1 with call->error set.
 */
int record_client_call(struct client *client, const struct record_place *place, const char *member,
		       const struct argument *more, struct call *call);

/** record_client_get() - all values, as the dictionary value_at(call->reply, 0); see
 * record_client_call() */
int record_client_get(struct client *client, const struct record_place *place, struct call *call);

/**
 * record_client_update() - change values: plain ones in one call, all or none; each secret through
 * a descriptor of its own
 *
 * The last one of several settings of one key counts. To clear a secret tells none: that goes with
 * the plain settings. Return: 0; -1 with @error set.
 */
int record_client_update(struct client *client, const struct record_place *place,
			 const struct setting *settings, size_t count, struct error *error);

/** record_client_secret() - what is stored under @key; "" when nothing is. Return: it, for
 * secret_free(); NULL with @error set */
char *record_client_secret(struct client *client, const struct record_place *place, const char *key,
			   struct error *error);
