/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/renegotiation.h"

#include <string.h>

#include "iscsi/negotiation.h"
#include "util/cleanup.h"

#define SEGMENT_KEY "MaxRecvDataSegmentLength"

void renegotiation_init(struct renegotiation *renegotiation)
{
	renegotiation->active = renegotiation->due = false;
	text_keys_init(&renegotiation->received, RENEGOTIATION_TEXT_MAX);
}

void renegotiation_end(struct renegotiation *renegotiation)
{
	renegotiation->active = renegotiation->due = false;
	text_keys_deinit(&renegotiation->received);
}

/* Return: false when it does not fit. */
static bool renegotiation_say(struct renegotiation *renegotiation, const struct text_keys *text)
{
	if (text->error || text->length > sizeof(renegotiation->text))
		return false;
	if (text->length)
		memcpy(renegotiation->text, text->bytes, text->length);
	renegotiation->text_length = (uint32_t)text->length;
	renegotiation->due = true;
	return true;
}

bool renegotiation_start(struct renegotiation *renegotiation, uint32_t initiator_task_tag,
			 uint32_t max_recv_data_segment_length)
{
	struct text_keys text;

	if (renegotiation->active)
		return false;
	text_keys_init(&text, sizeof(renegotiation->text));
	text_keys_add_number(&text, SEGMENT_KEY, max_recv_data_segment_length);
	/* Without memory for it an empty request is an answer, too (§11.9.1). */
	if (text.error)
		text_keys_clear(&text);
	renegotiation_end(renegotiation);
	renegotiation_init(renegotiation);
	renegotiation->active = true;
	renegotiation->initiator_task_tag = initiator_task_tag;
	renegotiation->target_transfer_tag = RESERVED_TAG;
	renegotiation->lun = be64_of(0);
	renegotiation->exchanges = 0;
	renegotiation->declared = 0;
	renegotiation_say(renegotiation, &text);
	text_keys_deinit(&text);
	return true;
}

bool renegotiation_next_pdu(struct renegotiation *renegotiation, uint32_t cmd_sn,
			    struct pdu_slot *slot)
{
	if (!renegotiation->due)
		return false;
	renegotiation->due = false;
	slot->text_request = (struct bhs_text_request){
		.opcode = PDU_TEXT_REQUEST | PDU_IMMEDIATE,
		.flags = PDU_FINAL, /* we have nothing else to talk about */
		.lun = renegotiation->lun,
		.initiator_task_tag = be32_of(renegotiation->initiator_task_tag),
		.target_transfer_tag = be32_of(renegotiation->target_transfer_tag),
		.cmd_sn = be32_of(cmd_sn),
	};
	slot->data = renegotiation->text;
	slot->data_length = renegotiation->text_length;
	slot->owner = NULL;
	return true;
}

static bool renegotiation_is_reserved(struct text_span value)
{
	return text_span_is(value, "Reject") || text_span_is(value, "Irrelevant") ||
	       text_span_is(value, "NotUnderstood");
}

/* A key that the table of login knows, and that belongs there. */
static const struct negotiation_key *renegotiation_login_key(struct text_span name)
{
	size_t count;
	const struct negotiation_key *keys = negotiation_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (text_span_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

/* §6.2: twice is an error, and so is a declaration out of its range (§13.12). */
static bool renegotiation_declared(struct renegotiation *renegotiation, struct text_span value)
{
	const struct negotiation_key *key = renegotiation_login_key(text_span_of(SEGMENT_KEY));
	uint64_t number;

	if (renegotiation->declared || text_span_number(value, &number) < 0 ||
	    number < key->minimum || number > key->maximum)
		return false;
	renegotiation->declared = (uint32_t)number;
	return true;
}

/* Return: false when the negotiation has failed. */
static bool renegotiation_take(struct renegotiation *renegotiation, const struct text_pair *pair,
			       struct text_keys *answers)
{
	const struct negotiation_key *key = renegotiation_login_key(pair->key);

	if (text_span_is(pair->key, SEGMENT_KEY))
		return renegotiation_declared(renegotiation, pair->value);
	if (renegotiation_is_reserved(pair->value))
		return true;
	if (!key)
		text_keys_add_answer(answers, pair->key, "NotUnderstood");
	else if (key->rule != KEY_TEXT)
		text_keys_add(answers, key->name, "Reject"); /* only at login (§13) */
	return true;
}

/* Return: false when the negotiation has failed. */
static bool renegotiation_read(struct renegotiation *renegotiation, struct text_keys *answers)
{
	struct text_span text = text_keys_span(&renegotiation->received);
	struct text_pair pair;
	int r;

	while ((r = text_pair_next(&text, &pair)) == 1)
		if (!renegotiation_take(renegotiation, &pair, answers))
			return false;
	text_keys_clear(&renegotiation->received);
	return r == 0;
}

/* Return: false when the response cannot be what the exchange goes on with (§11.11.1, §11.11.4). */
static bool renegotiation_legal(struct renegotiation *renegotiation,
				const struct bhs_text_response *response)
{
	bool final = response->flags & PDU_FINAL, more = response->flags & TEXT_CONTINUE;
	bool tag = be32_get(response->target_transfer_tag) != RESERVED_TAG;

	return !(final && more) && final != tag &&
	       ++renegotiation->exchanges <= RENEGOTIATION_EXCHANGES_MAX;
}

/* One response. Return: false when the negotiation has failed. */
static bool renegotiation_step(struct renegotiation *renegotiation,
			       const struct bhs_text_response *response, const uint8_t *data,
			       struct text_keys *answers)
{
	if (!renegotiation_legal(renegotiation, response) ||
	    text_keys_append(&renegotiation->received, data,
			     be24_get(response->data_segment_length)) < 0)
		return false;
	if (!(response->flags & TEXT_CONTINUE) && !renegotiation_read(renegotiation, answers))
		return false;
	if (response->flags & PDU_FINAL)
		return answers->length == 0; /* no question may be left without an answer (§6.4) */
	renegotiation->target_transfer_tag = be32_get(response->target_transfer_tag);
	renegotiation->lun = response->lun;
	return renegotiation_say(renegotiation, answers);
}

enum renegotiation_verdict renegotiation_response(struct renegotiation *renegotiation,
						  const struct bhs_text_response *response,
						  const uint8_t *data)
{
	struct text_keys answers;
	bool went_well;

	if (!renegotiation->active || renegotiation->due ||
	    be32_get(response->initiator_task_tag) != renegotiation->initiator_task_tag)
		return RENEGOTIATION_UNASKED;
	text_keys_init(&answers, sizeof(renegotiation->text));
	went_well = renegotiation_step(renegotiation, response, data, &answers);
	text_keys_deinit(&answers);
	if (went_well && renegotiation->due)
		return RENEGOTIATION_GOES_ON;
	renegotiation_end(renegotiation);
	return went_well ? RENEGOTIATION_AGREED : RENEGOTIATION_FAILED;
}
