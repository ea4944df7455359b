/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/target_query.h"

#include <errno.h>

static const struct text_exchange_limits limits = {
	.text_bytes = TARGET_QUERY_TEXT_MAX,
	.responses = TARGET_QUERY_RESPONSES_MAX,
};

void target_query_init(struct target_query *query)
{
	text_exchange_init(&query->exchange);
	query->request = NULL;
}

int target_query_start(struct target_query *query, uint32_t initiator_task_tag,
		       struct target_request *request)
{
	struct text_keys text;
	int error;

	text_keys_init(&text, TEXT_EXCHANGE_SAY_MAX);
	text_keys_add(&text, "SendTargets", ""); /* no name: the session's own target */
	error = text.error;
	if (!error) {
		text_exchange_start(&query->exchange, initiator_task_tag, &limits);
		text_exchange_say(&query->exchange, &text);
		query->request = request;
	}
	text_keys_deinit(&text);
	return error;
}

void target_query_end(struct target_query *query, int error)
{
	if (!query->exchange.active)
		return;
	text_exchange_end(&query->exchange);
	query->request->error = error;
}

/* What the target lists may come with breaks between its lines: then an empty request asks on. */
static void target_query_ask_on(struct target_query *query)
{
	query->exchange.text_length = 0;
	query->exchange.due = true;
}

static void target_query_read(struct target_query *query)
{
	struct target_request *request = query->request;
	struct text_keys *received = &query->exchange.received;

	target_query_end(query,
			 discovery_parse(received->bytes, received->length, &request->portals,
					 &request->count, &request->skipped));
}

bool target_query_response(struct target_query *query, const struct bhs_text_response *response,
			   const uint8_t *data)
{
	switch (text_exchange_response(&query->exchange, response, data)) {
	case TEXT_EXCHANGE_UNASKED:
		return false;
	case TEXT_EXCHANGE_BROKEN:
		target_query_end(query, -EPROTO);
		return true;
	case TEXT_EXCHANGE_MORE:
		return true;
	case TEXT_EXCHANGE_TURN:
		target_query_ask_on(query);
		return true;
	case TEXT_EXCHANGE_FINAL:
		target_query_read(query);
		return true;
	}
	return true;
}

struct target_request *target_query_take(struct target_query *query)
{
	struct target_request *request = query->request;

	if (!request || query->exchange.active)
		return NULL;
	query->request = NULL;
	return request;
}
