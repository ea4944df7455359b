/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/renegotiation.h"

#include "iscsi/negotiation.h"
#include "util/cleanup.h"

#define SEGMENT_KEY "MaxRecvDataSegmentLength"

static const struct text_exchange_limits limits = {
	.text_bytes = RENEGOTIATION_TEXT_MAX,
	.responses = RENEGOTIATION_EXCHANGES_MAX,
};

void renegotiation_init(struct renegotiation *renegotiation)
{
	text_exchange_init(&renegotiation->exchange);
}

void renegotiation_end(struct renegotiation *renegotiation)
{
	text_exchange_end(&renegotiation->exchange);
}

bool renegotiation_start(struct renegotiation *renegotiation, uint32_t initiator_task_tag,
			 uint32_t max_recv_data_segment_length)
{
	struct text_keys text;

	if (renegotiation->exchange.active)
		return false;
	text_keys_init(&text, TEXT_EXCHANGE_SAY_MAX);
	text_keys_add_number(&text, SEGMENT_KEY, max_recv_data_segment_length);
	/* Without memory for it an empty request is an answer, too (§11.9.1). */
	if (text.error)
		text_keys_clear(&text);
	text_exchange_start(&renegotiation->exchange, initiator_task_tag, &limits);
	renegotiation->declared = 0;
	text_exchange_say(&renegotiation->exchange, &text);
	text_keys_deinit(&text);
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

/* A logical text is whole. Return: false when the negotiation has failed. */
static bool renegotiation_read(struct renegotiation *renegotiation, struct text_keys *answers)
{
	struct text_span text = text_keys_span(&renegotiation->exchange.received);
	struct text_pair pair;
	int r;

	while ((r = text_pair_next(&text, &pair)) == 1)
		if (!renegotiation_take(renegotiation, &pair, answers))
			return false;
	text_keys_clear(&renegotiation->exchange.received);
	return r == 0;
}

static enum renegotiation_verdict renegotiation_whole(struct renegotiation *renegotiation,
						      bool final)
{
	enum renegotiation_verdict verdict = RENEGOTIATION_FAILED;
	struct text_keys answers;

	text_keys_init(&answers, TEXT_EXCHANGE_SAY_MAX);
	if (renegotiation_read(renegotiation, &answers)) {
		if (!final && text_exchange_say(&renegotiation->exchange, &answers))
			verdict = RENEGOTIATION_GOES_ON;
		else if (final && answers.length == 0 && !answers.error)
			verdict = RENEGOTIATION_AGREED; /* no question is left open (§6.4) */
	}
	text_keys_deinit(&answers);
	return verdict;
}

static enum renegotiation_verdict renegotiation_step(struct renegotiation *renegotiation,
						     enum text_exchange_step step)
{
	switch (step) {
	case TEXT_EXCHANGE_UNASKED:
		return RENEGOTIATION_UNASKED;
	case TEXT_EXCHANGE_MORE:
		return RENEGOTIATION_GOES_ON;
	case TEXT_EXCHANGE_TURN:
	case TEXT_EXCHANGE_FINAL:
		return renegotiation_whole(renegotiation, step == TEXT_EXCHANGE_FINAL);
	default:
		return RENEGOTIATION_FAILED;
	}
}

enum renegotiation_verdict renegotiation_response(struct renegotiation *renegotiation,
						  const struct bhs_text_response *response,
						  const uint8_t *data)
{
	enum renegotiation_verdict verdict = renegotiation_step(
		renegotiation, text_exchange_response(&renegotiation->exchange, response, data));

	if (verdict == RENEGOTIATION_AGREED || verdict == RENEGOTIATION_FAILED)
		renegotiation_end(renegotiation);
	return verdict;
}
