/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "iscsi/renegotiation.h"

#define TAG 0xc4000007u

static void start(struct renegotiation *renegotiation, struct pdu_slot *slot)
{
	renegotiation_init(renegotiation);
	assert_true(renegotiation_start(renegotiation, TAG, 262144));
	assert_true(text_exchange_next_pdu(&renegotiation->exchange, 9, slot));
	assert_false(text_exchange_next_pdu(&renegotiation->exchange, 9, slot));
}

static enum renegotiation_verdict answer(struct renegotiation *renegotiation, uint32_t tag,
					 uint8_t flags, uint32_t transfer_tag, const void *text,
					 size_t length)
{
	const struct bhs_text_response response = {
		.opcode = PDU_TEXT_RESPONSE,
		.flags = flags,
		.data_segment_length = be24_of((uint32_t)length),
		.initiator_task_tag = be32_of(tag),
		.target_transfer_tag = be32_of(transfer_tag),
	};

	return renegotiation_response(renegotiation, &response, text);
}

static void the_request_declares_what_we_take(void **state)
{
	static const char text[] = "MaxRecvDataSegmentLength=262144";
	struct renegotiation renegotiation;
	struct pdu_slot slot = {};

	start(&renegotiation, &slot);
	assert_int_equal(slot.bhs.opcode, PDU_TEXT_REQUEST | PDU_IMMEDIATE);
	assert_int_equal(slot.bhs.flags, PDU_FINAL);
	assert_int_equal(be32_get(slot.text_request.initiator_task_tag), TAG);
	assert_int_equal(be32_get(slot.text_request.target_transfer_tag), RESERVED_TAG);
	assert_int_equal(be32_get(slot.text_request.cmd_sn), 9);
	assert_int_equal(slot.data_length, sizeof(text));
	assert_memory_equal(slot.data, text, sizeof(text));
	assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_AGREED);
	assert_int_equal(renegotiation.declared, 0);
}

static void one_is_under_way_at_a_time(void **state)
{
	struct renegotiation renegotiation;
	struct pdu_slot slot;

	start(&renegotiation, &slot);
	assert_false(renegotiation_start(&renegotiation, TAG + 1, 262144));
	renegotiation_end(&renegotiation);
	assert_true(renegotiation_start(&renegotiation, TAG + 1, 262144));
	renegotiation_end(&renegotiation);
	assert_false(text_exchange_next_pdu(&renegotiation.exchange, 9, &slot));
}

static void an_answer_to_nothing_is_told(void **state)
{
	struct renegotiation renegotiation;
	struct pdu_slot slot;

	renegotiation_init(&renegotiation);
	assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_UNASKED);
	/* before it was sent, for another task, and twice */
	assert_true(renegotiation_start(&renegotiation, TAG, 262144));
	assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_UNASKED);
	assert_true(text_exchange_next_pdu(&renegotiation.exchange, 9, &slot));
	assert_int_equal(answer(&renegotiation, TAG + 1, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_UNASKED);
	assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_AGREED);
	assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, NULL, 0),
			 RENEGOTIATION_UNASKED);
}

static void the_declaration_counts_in_its_range(void **state)
{
	static const struct {
		const char *text;
		uint32_t declared; /* 0: the negotiation fails */
	} texts[] = {
		{"MaxRecvDataSegmentLength=512", 512},
		{"MaxRecvDataSegmentLength=16777215", 16777215},
		{"MaxRecvDataSegmentLength=0x1000", 4096},
		{"MaxRecvDataSegmentLength=511", 0},
		{"MaxRecvDataSegmentLength=16777216", 0},
		{"MaxRecvDataSegmentLength=18446744073709551616", 0},
		{"MaxRecvDataSegmentLength=Reject", 0},
		{"MaxRecvDataSegmentLength=", 0},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct renegotiation renegotiation;
		struct pdu_slot slot;

		start(&renegotiation, &slot);
		assert_int_equal(answer(&renegotiation, TAG, PDU_FINAL, RESERVED_TAG, texts[i].text,
					strlen(texts[i].text) + 1),
				 texts[i].declared ? RENEGOTIATION_AGREED : RENEGOTIATION_FAILED);
		if (texts[i].declared)
			assert_int_equal(renegotiation.declared, texts[i].declared);
	}
}

static void an_exchange_without_end_is_given_up(void **state)
{
	struct renegotiation renegotiation;
	struct pdu_slot slot;
	unsigned rounds = 0;

	start(&renegotiation, &slot);
	while (answer(&renegotiation, TAG, 0, 5, NULL, 0) == RENEGOTIATION_GOES_ON) {
		assert_in_range(++rounds, 1, RENEGOTIATION_EXCHANGES_MAX);
		assert_true(text_exchange_next_pdu(&renegotiation.exchange, 9, &slot));
		assert_int_equal(slot.data_length, 0);
		assert_int_equal(be32_get(slot.text_request.target_transfer_tag), 5);
	}
	assert_int_equal(rounds, RENEGOTIATION_EXCHANGES_MAX);
	assert_false(renegotiation.exchange.active);
}

static void more_text_than_anybody_needs_is_given_up(void **state)
{
	static const char text[RENEGOTIATION_TEXT_MAX];
	struct renegotiation renegotiation;
	struct pdu_slot slot;

	start(&renegotiation, &slot);
	assert_int_equal(answer(&renegotiation, TAG, TEXT_CONTINUE, 5, text, sizeof(text)),
			 RENEGOTIATION_GOES_ON);
	assert_true(text_exchange_next_pdu(&renegotiation.exchange, 9, &slot));
	assert_int_equal(answer(&renegotiation, TAG, TEXT_CONTINUE, 5, text, 1),
			 RENEGOTIATION_FAILED);
}

/* More questions than one request can answer. */
static void too_many_questions_are_given_up(void **state)
{
	struct renegotiation renegotiation;
	struct pdu_slot slot;
	char text[4096];
	size_t length = 0;

	for (unsigned i = 0; i < 200; i++) {
		memcpy(text + length, "X-a=1", 6);
		length += 6;
	}
	start(&renegotiation, &slot);
	assert_int_equal(answer(&renegotiation, TAG, 0, 5, text, length), RENEGOTIATION_FAILED);
	assert_false(text_exchange_next_pdu(&renegotiation.exchange, 9, &slot));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_declares_what_we_take),
		cmocka_unit_test(one_is_under_way_at_a_time),
		cmocka_unit_test(an_answer_to_nothing_is_told),
		cmocka_unit_test(the_declaration_counts_in_its_range),
		cmocka_unit_test(an_exchange_without_end_is_given_up),
		cmocka_unit_test(more_text_than_anybody_needs_is_given_up),
		cmocka_unit_test(too_many_questions_are_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
