/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/text_exchange.h"

#include <string.h>

void text_exchange_init(struct text_exchange *exchange)
{
	exchange->active = exchange->due = false;
	text_keys_init(&exchange->received, 0);
}

void text_exchange_end(struct text_exchange *exchange)
{
	exchange->active = exchange->due = false;
	text_keys_deinit(&exchange->received);
}

void text_exchange_start(struct text_exchange *exchange, uint32_t initiator_task_tag,
			 const struct text_exchange_limits *limits)
{
	text_exchange_end(exchange);
	text_keys_init(&exchange->received, limits->text_bytes);
	exchange->active = true;
	exchange->initiator_task_tag = initiator_task_tag;
	exchange->target_transfer_tag = RESERVED_TAG;
	exchange->lun = be64_of(0);
	exchange->limits = *limits;
	exchange->responses = 0;
}

bool text_exchange_say(struct text_exchange *exchange, const struct text_keys *text)
{
	if (text->error || text->length > sizeof(exchange->text))
		return false;
	if (text->length)
		memcpy(exchange->text, text->bytes, text->length);
	exchange->text_length = (uint32_t)text->length;
	exchange->due = true;
	return true;
}

bool text_exchange_next_pdu(struct text_exchange *exchange, uint32_t cmd_sn, struct pdu_slot *slot)
{
	if (!exchange->due)
		return false;
	exchange->due = false;
	slot->text_request = (struct bhs_text_request){
		.opcode = PDU_TEXT_REQUEST | PDU_IMMEDIATE,
		.flags = PDU_FINAL, /* we have nothing else to talk about */
		.lun = exchange->lun,
		.initiator_task_tag = be32_of(exchange->initiator_task_tag),
		.target_transfer_tag = be32_of(exchange->target_transfer_tag),
		.cmd_sn = be32_of(cmd_sn),
	};
	slot->data = exchange->text;
	slot->data_length = exchange->text_length;
	slot->owner = NULL;
	return true;
}

/* §11.11.1, §11.11.4 */
static bool text_exchange_legal(struct text_exchange *exchange,
				const struct bhs_text_response *response)
{
	bool final = response->flags & PDU_FINAL, more = response->flags & TEXT_CONTINUE;
	bool tag = be32_get(response->target_transfer_tag) != RESERVED_TAG;

	return !(final && more) && final != tag &&
	       ++exchange->responses <= exchange->limits.responses;
}

enum text_exchange_step text_exchange_response(struct text_exchange *exchange,
					       const struct bhs_text_response *response,
					       const uint8_t *data)
{
	if (exchange->due || !text_exchange_is_for(exchange, response->initiator_task_tag))
		return TEXT_EXCHANGE_UNASKED;
	if (!text_exchange_legal(exchange, response) ||
	    text_keys_append(&exchange->received, data, be24_get(response->data_segment_length)) <
		    0)
		return TEXT_EXCHANGE_BROKEN;
	if (response->flags & PDU_FINAL)
		return TEXT_EXCHANGE_FINAL;
	exchange->target_transfer_tag = be32_get(response->target_transfer_tag);
	exchange->lun = response->lun;
	if (!(response->flags & TEXT_CONTINUE))
		return TEXT_EXCHANGE_TURN;
	exchange->text_length = 0;
	exchange->due = true;
	return TEXT_EXCHANGE_MORE;
}
