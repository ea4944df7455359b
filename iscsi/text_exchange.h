/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One text negotiation in full feature phase, request by request (RFC 7143 §6.2, §11.10, §11.11):
 * tags, the C and F bits, and how much a target may say. What the text means is for whoever uses
 * it. On one connection only one may be under way (§11.10). Sans I/O; belongs to its session.
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/task.h"
#include "iscsi/text_keys.h"

#define TEXT_EXCHANGE_SAY_MAX 1024u /* bytes of one request of ours */

/* What a target may cost. */
struct text_exchange_limits {
	uint32_t text_bytes; /* of one logical text */
	uint32_t responses;
};

struct text_exchange {
	bool active; /* from the start to its end */
	bool due;    /* a request is to be sent */
	uint32_t initiator_task_tag, target_transfer_tag;
	be64 lun;
	struct text_exchange_limits limits;
	unsigned responses;
	struct text_keys received;
	/* The kernel may still read it after the end: it stays where it is. */
	char text[TEXT_EXCHANGE_SAY_MAX];
	uint32_t text_length; /* bytes */
};

enum text_exchange_step {
	TEXT_EXCHANGE_UNASKED, /* the response matches no request */
	TEXT_EXCHANGE_BROKEN,  /* it cannot be what the exchange goes on with */
	TEXT_EXCHANGE_MORE,    /* the text has not ended; an empty request is due */
	TEXT_EXCHANGE_TURN,    /* text_exchange_received() is whole: text_exchange_say() */
	TEXT_EXCHANGE_FINAL,   /* the same, and nothing can follow: text_exchange_end() */
};

void text_exchange_init(struct text_exchange *exchange);
/** text_exchange_end() - at any time; frees what was received */
void text_exchange_end(struct text_exchange *exchange);

/**
 * text_exchange_start() - none is under way; text_exchange_say() is next
 * @initiator_task_tag: of the whole exchange
 */
void text_exchange_start(struct text_exchange *exchange, uint32_t initiator_task_tag,
			 const struct text_exchange_limits *limits);

/** text_exchange_say() - the next request. Return: false when @text failed, or is too long */
bool text_exchange_say(struct text_exchange *exchange, const struct text_keys *text);

/** text_exchange_next_pdu() - immediate: @cmd_sn is not consumed. Return: false: none is due */
bool text_exchange_next_pdu(struct text_exchange *exchange, uint32_t cmd_sn, struct pdu_slot *slot);

enum text_exchange_step text_exchange_response(struct text_exchange *exchange,
					       const struct bhs_text_response *response,
					       const uint8_t *data);

/** text_exchange_is_for() - did @initiator_task_tag come with a request of this exchange? */
static inline bool text_exchange_is_for(const struct text_exchange *exchange,
					be32 initiator_task_tag)
{
	return exchange->active && be32_get(initiator_task_tag) == exchange->initiator_task_tag;
}
