/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* CmdSN order of the fake target: what comes behind a hole waits until it is filled (§4.2.2.1). */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_target_private.h"

struct fake_pending {
	bool counts, missing;
	uint32_t cmd_sn;
	struct bhs bhs;
	uint8_t *data;
	uint32_t length;
	bool carries; /* a PDU that is to be worked on */
	const struct fake_action *answer;
	struct fake_pending *next;
};

static struct fake_pending *add(struct fake_connection *connection)
{
	struct fake_pending **end = &connection->pending;

	while (*end)
		end = &(*end)->next;
	*end = calloc(1, sizeof(**end));
	assert(*end);
	return *end;
}

static struct fake_pending *missing(struct fake_connection *connection, uint32_t cmd_sn)
{
	struct fake_pending *pending = connection->pending;

	while (pending && !(pending->missing && pending->cmd_sn == cmd_sn))
		pending = pending->next;
	return pending;
}

bool fake_order_misses(struct fake_connection *connection, uint32_t cmd_sn)
{
	return missing(connection, cmd_sn);
}

bool fake_order_waits(const struct fake_connection *connection)
{
	return connection->pending;
}

void fake_order_lost(struct fake_connection *connection, uint32_t cmd_sn)
{
	struct fake_pending *pending;

	if (missing(connection, cmd_sn))
		return;
	pending = add(connection);
	pending->counts = pending->missing = true;
	pending->cmd_sn = cmd_sn;
	connection->next_cmd_sn++;
}

/* Take what is at the front and whole. */
static void drain(struct fake_connection *connection)
{
	while (connection->pending && !connection->pending->missing) {
		struct fake_pending *pending = connection->pending;

		connection->pending = pending->next;
		connection->exp_cmd_sn += pending->counts;
		if (pending->carries && connection->fd >= 0)
			fake_full_feature(connection, &pending->bhs, pending->data, pending->length,
					  pending->answer);
		free(pending->data);
		free(pending);
	}
}

void fake_order_take(struct fake_connection *connection, const struct bhs *bhs, const uint8_t *data,
		     uint32_t length, const struct fake_order *order)
{
	uint32_t cmd_sn = be32_get(((const struct bhs_request *)bhs)->cmd_sn);
	struct fake_pending *pending = order->counts ? missing(connection, cmd_sn) : NULL;

	if (!pending) {
		pending = add(connection);
		connection->next_cmd_sn += order->counts;
	}
	pending->counts = order->counts;
	pending->missing = false;
	pending->bhs = *bhs;
	pending->data = malloc(length + 1);
	assert(pending->data);
	memcpy(pending->data, data, length);
	pending->length = length;
	pending->carries = !order->ignore;
	pending->answer = order->answer;
	drain(connection);
}

void fake_order_plug(struct fake_connection *connection, uint32_t cmd_sn)
{
	struct fake_pending *pending = missing(connection, cmd_sn);

	if (pending)
		pending->missing = false;
	drain(connection);
}

void fake_order_free(struct fake_connection *connection)
{
	while (connection->pending) {
		struct fake_pending *next = connection->pending->next;

		free(connection->pending->data);
		free(connection->pending);
		connection->pending = next;
	}
}
