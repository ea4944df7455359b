/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/discovery.h"
#include "iscsi/pdu.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TEXT(literal) literal, sizeof(literal) - 1

/* --- the text --- */

/* clang-format off */
static const struct parse_row {
	const char *text;
	size_t length;
	int result;
	size_t count;
	unsigned skipped;
	struct discovered_portal portals[4];
} parse_rows[] = {
	{TEXT(""), 0, 0, 0, {}},
	{TEXT("\0\0\0"), 0, 0, 0, {}},
	{TEXT("TargetName=iqn.a\0TargetAddress=10.0.0.1:3260,1\0"), 0, 1, 0, {{"iqn.a", "10.0.0.1", 3260, 1}}},
	{TEXT("TargetName=iqn.a\0TargetAddress=10.0.0.1:3261,1\0TargetAddress=10.0.1.1,2\0"), 0, 2, 0,
		{{"iqn.a", "10.0.0.1", 3261, 1}, {"iqn.a", "10.0.1.1", 3260, 2}}},
	{TEXT("TargetName=iqn.a\0TargetAddress=10.0.0.1,1\0TargetName=iqn.b\0TargetAddress=10.0.0.1,1\0"), 0, 2, 0,
		{{"iqn.a", "10.0.0.1", 3260, 1}, {"iqn.b", "10.0.0.1", 3260, 1}}},
	/* no address: where it was asked */
	{TEXT("TargetName=iqn.a\0"), 0, 1, 0, {{"iqn.a", "", 0, -1}}},
	{TEXT("TargetName=iqn.a\0TargetName=iqn.b\0TargetAddress=host,3\0TargetName=iqn.c\0"), 0, 3, 0,
		{{"iqn.a", "", 0, -1}, {"iqn.b", "host", 3260, 3}, {"iqn.c", "", 0, -1}}},
	/* any address */
	{TEXT("TargetName=iqn.a\0TargetAddress=0.0.0.0:3261,1\0TargetAddress=[::]:3262,1\0"), 0, 2, 0,
		{{"iqn.a", "", 3261, 1}, {"iqn.a", "", 3262, 1}}},
	/* IPv6 */
	{TEXT("TargetName=iqn.a\0TargetAddress=[fe80::1]:3260,1\0TargetAddress=[2001:db8::1],0x10\0"), 0, 2, 0,
		{{"iqn.a", "fe80::1", 3260, 1}, {"iqn.a", "2001:db8::1", 3260, 16}}},
	/* port 0, no tag, odd tags */
	{TEXT("TargetName=iqn.a\0TargetAddress=a:0,1\0TargetAddress=b:3260\0TargetAddress=c:3260,-1\0TargetAddress=d:3260,65536\0"), 0, 4, 0,
		{{"iqn.a", "a", 3260, 1}, {"iqn.a", "b", 3260, -1}, {"iqn.a", "c", 3260, -1}, {"iqn.a", "d", 3260, -1}}},
	/* twice the same */
	{TEXT("TargetName=iqn.a\0TargetAddress=a,1\0TargetAddress=a,1\0TargetAddress=a,2\0"), 0, 2, 0,
		{{"iqn.a", "a", 3260, 1}, {"iqn.a", "a", 3260, 2}}},
	/* without the last NUL, with too many, with keys that have no business here */
	{TEXT("TargetName=iqn.a\0TargetAddress=a,1"), 0, 1, 0, {{"iqn.a", "a", 3260, 1}}},
	{TEXT("\0TargetName=iqn.a\0\0\0TargetAlias=x\0garbage\0=\0TargetAddress=a,1\0\0\0\0"), 0, 1, 0, {{"iqn.a", "a", 3260, 1}}},
	{TEXT("X-foo=1\0TargetName=iqn.a\0targetaddress=b,1\0"), 0, 1, 0, {{"iqn.a", "", 0, -1}}},
	/* unusable */
	{TEXT("TargetName=iqn.a\0TargetAddress=../x,1\0TargetAddress=a:99999,1\0TargetAddress=,1\0TargetAddress=b,1\0"), 0, 1, 3,
		{{"iqn.a", "b", 3260, 1}}},
	{TEXT("TargetName=iqn.a\0TargetAddress=[fe80\0"), 0, 0, 1, {}},
	{TEXT("TargetName=../../etc\0TargetAddress=a,1\0TargetName=iqn.b\0TargetAddress=a,1\0"), 0, 1, 1, {{"iqn.b", "a", 3260, 1}}},
	{TEXT("TargetName=a b\0TargetName=\0TargetName=iqn.b\0TargetAddress=a,1\0"), 0, 1, 2, {{"iqn.b", "a", 3260, 1}}},
	/* names are kept as they stand */
	{TEXT("TargetName=iqn.2004-04.com.qnap:TS-439:iscsi.A_1\0TargetAddress=a,1\0"), 0, 1, 0,
		{{"iqn.2004-04.com.qnap:TS-439:iscsi.A_1", "a", 3260, 1}}},
	/* an address of nobody */
	{TEXT("TargetAddress=10.0.0.1:3260,1\0TargetName=iqn.a\0"), -EPROTO, 0, 0, {}},
};
/* clang-format on */

static void answers_are_read_as_targets_write_them(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(parse_rows); i++) {
		const struct parse_row *row = &parse_rows[i];
		owned_memory struct discovered_portal *portals = NULL;
		owned_memory char *copy = malloc(row->length + 1);
		struct discovery_skipped skipped = {.count = 77};
		size_t count = 77;

		/* exactly as long as told, so that a sanitizer sees a read beyond */
		memcpy(copy, row->text, row->length);
		copy = realloc(copy, row->length ? row->length : 1);
		if (discovery_parse(copy, row->length, &portals, &count, &skipped) != row->result)
			fail_msg("row %zu", i);
		if (row->result < 0) {
			assert_int_equal(count, 77);
			continue;
		}
		if (count != row->count || skipped.count != row->skipped)
			fail_msg("row %zu: %zu portals, %u skipped", i, count, skipped.count);
		for (size_t k = 0; k < count; k++) {
			assert_string_equal(portals[k].target_name, row->portals[k].target_name);
			assert_string_equal(portals[k].address, row->portals[k].address);
			assert_int_equal(portals[k].port, row->portals[k].port);
			assert_int_equal(portals[k].tpgt, row->portals[k].tpgt);
		}
	}
}

static void what_is_skipped_is_named_as_far_as_there_is_room(void **state)
{
	static const char text[] = "TargetName=iqn.a\0TargetAddress=10.0.0.1,1\0"
				   "TargetAddress=[fe80::x],1\0TargetAddress=bad\033[name";
	struct discovery_skipped skipped = {};
	owned_memory struct discovered_portal *portals = NULL;
	size_t count;

	assert_int_equal(discovery_parse(text, sizeof(text), &portals, &count, &skipped), 0);
	assert_int_equal(count, 1);
	assert_int_equal(skipped.count, 2);
	assert_string_equal(skipped.names, "[fe80::x],1, bad?[name");
	for (unsigned i = 0; i < 1000; i++)
		discovery_skip(&skipped, "203.0.113.300", 13);
	assert_int_equal(skipped.count, 1002);
	assert_true(strlen(skipped.names) < sizeof(skipped.names));
	assert_true(text_ends_with(skipped.names, ", 203.0.113.300"));
}

static void longer_lists_than_anybody_has_are_refused(void **state)
{
	size_t capacity = 65537 * 40 + 100, length;
	owned_memory struct discovered_portal *portals = NULL;
	owned_memory char *text = malloc(capacity);
	struct discovery_skipped skipped;
	size_t count;

	length = (size_t)sprintf(text, "TargetName=iqn.a") + 1;
	for (unsigned i = 0; i < 65536; i++)
		length += (size_t)sprintf(text + length, "TargetAddress=10.%u.%u.1,1", i >> 8,
					  i & 255) +
			  1;
	assert_int_equal(discovery_parse(text, length, &portals, &count, &skipped), 0);
	assert_int_equal(count, 65536);
	free(portals);
	portals = NULL;
	length += (size_t)sprintf(text + length, "TargetAddress=11.0.0.1,1") + 1;
	assert_int_equal(discovery_parse(text, length, &portals, &count, &skipped), -E2BIG);
}

/* --- the conversation --- */

struct target {
	struct discovery *discovery;
	uint32_t stat_sn;
	uint8_t request[4096]; /* what was sent last */
	size_t request_length;
	size_t receive_step;
};

static void begin(struct target *target)
{
	struct negotiated negotiated = {.max_recv_data_segment_length = 8192};
	struct login_outcome outcome = {.tsih = 1, .cmd_sn = 0x20, .exp_stat_sn = 0xffffffff};

	*target = (struct target){.stat_sn = 0xffffffff, .receive_step = SIZE_MAX};
	assert_int_equal(discovery_new(&negotiated, &outcome, &target->discovery), 0);
}

static void take_requests(struct target *target)
{
	target->request_length = 0;
	while (discovery_get_state(target->discovery) == DISCOVERY_SENDING) {
		size_t length;
		const void *output = discovery_output(target->discovery, &length);

		assert_true(length > 0);
		target->request[target->request_length++] = *(const uint8_t *)output;
		discovery_sent(target->discovery, 1);
	}
}

static void send_bytes(struct target *target, const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t part = MIN(length - at, target->receive_step);
		size_t used = discovery_input(target->discovery, bytes + at, part);

		at += used;
		if (used < part)
			break;
	}
}

/* @response: any response; its StatSN is set here, and counted when @count */
static void respond(struct target *target, void *response, bool count, const char *text,
		    size_t length)
{
	static uint8_t bytes[BHS_LENGTH + 8192 + 4];
	struct bhs_response *bhs = response;
	int r;

	bhs->stat_sn = be32_of(target->stat_sn);
	target->stat_sn += count;
	r = pdu_write(response, text, length, bytes, sizeof(bytes));
	assert_true(r > 0);
	send_bytes(target, bytes, (size_t)r);
}

static void respond_text(struct target *target, uint8_t flags, uint32_t tag, const char *text,
			 size_t length)
{
	struct bhs_text_response response = {
		.opcode = PDU_TEXT_RESPONSE,
		.flags = flags,
		.lun = be64_of(0x1122334455667788),
		.initiator_task_tag = be32_of(1),
		.target_transfer_tag = be32_of(tag),
	};

	respond(target, &response, true, text, length);
}

static void respond_logout(struct target *target)
{
	struct bhs_logout_response response = {
		.opcode = PDU_LOGOUT_RESPONSE,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(2),
	};

	respond(target, &response, true, NULL, 0);
}

/* SendTargets=All, as RFC 7143 appendix C has it */
static void assert_asked(struct target *target)
{
	const struct bhs_text_request *request = (void *)target->request;

	take_requests(target);
	assert_int_equal(target->request_length, 64);
	assert_int_equal(request->opcode, PDU_TEXT_REQUEST | PDU_IMMEDIATE);
	assert_int_equal(request->flags, PDU_FINAL);
	assert_int_equal(be32_get(request->initiator_task_tag), 1);
	assert_int_equal(be32_get(request->target_transfer_tag), RESERVED_TAG);
	assert_int_equal(be32_get(request->cmd_sn), 0x20);
	assert_int_equal(be32_get(request->exp_stat_sn), 0xffffffff);
	assert_int_equal(be24_get(request->data_segment_length), 16);
	assert_memory_equal(target->request + BHS_LENGTH, "SendTargets=All\0", 16);
}

static void assert_continued(struct target *target, uint32_t tag)
{
	const struct bhs_text_request *request = (void *)target->request;

	take_requests(target);
	assert_int_equal(target->request_length, 48);
	assert_int_equal(request->opcode, PDU_TEXT_REQUEST | PDU_IMMEDIATE);
	assert_int_equal(request->flags, PDU_FINAL);
	assert_int_equal(be32_get(request->initiator_task_tag), 1);
	assert_int_equal(be32_get(request->target_transfer_tag), tag);
	assert_true(be64_get(request->lun) == 0x1122334455667788);
	assert_int_equal(be32_get(request->exp_stat_sn), target->stat_sn);
}

static void assert_logging_out(struct target *target)
{
	const struct bhs_logout_request *request = (void *)target->request;

	take_requests(target);
	assert_int_equal(target->request_length, 48);
	assert_int_equal(request->opcode, PDU_LOGOUT_REQUEST | PDU_IMMEDIATE);
	assert_int_equal(request->flags, PDU_FINAL | LOGOUT_CLOSE_SESSION);
	assert_int_equal(be32_get(request->exp_stat_sn), target->stat_sn);
	assert_int_equal(be32_get(request->initiator_task_tag), 2);
	assert_int_equal(be16_get(request->cid), 0);
}

static void assert_done(struct target *target, size_t count)
{
	size_t have;

	assert_int_equal(discovery_get_state(target->discovery), DISCOVERY_DONE);
	discovery_portals(target->discovery, &have);
	assert_int_equal(have, count);
	discovery_free(target->discovery);
}

static void assert_failed(struct target *target, const char *says)
{
	size_t count = 77;

	assert_int_equal(discovery_get_state(target->discovery), DISCOVERY_FAILED);
	if (!strstr(discovery_failure(target->discovery), says))
		fail_msg("\"%s\"", discovery_failure(target->discovery));
	discovery_portals(target->discovery, &count);
	assert_int_equal(count, 0);
	discovery_free(target->discovery);
}

static void one_answer_and_a_logout(void **state)
{
	struct target target;

	begin(&target);
	target.receive_step = 1;
	assert_asked(&target);
	respond_text(&target, PDU_FINAL, RESERVED_TAG,
		     TEXT("TargetName=iqn.a\0TargetAddress=10.0.0.1:3260,1\0"));
	assert_logging_out(&target);
	respond_logout(&target);
	assert_done(&target, 1);
}

static void an_answer_over_five_pdus_is_put_together(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t tag;
		const char *text;
		size_t length;
	} pieces[] = {
		{0, 0, TEXT("TargetName=iqn.a\0TargetAddress=10.0.0.1")},
		{TEXT_CONTINUE, 1, TEXT(":3260,1\0Target")},
		{TEXT_CONTINUE, 0x7fffffff, TEXT("")},
		{0, 0xfffffffe, TEXT("Name=iqn.b\0")},
		{PDU_FINAL, RESERVED_TAG, TEXT("TargetAddress=10.0.0.2,1\0")},
	};
	const struct discovered_portal *portals;
	struct target target;
	size_t count;

	begin(&target);
	assert_asked(&target);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		respond_text(&target, pieces[i].flags, pieces[i].tag, pieces[i].text,
			     pieces[i].length);
		if (i < ARRAY_SIZE(pieces) - 1)
			assert_continued(&target, pieces[i].tag);
	}
	assert_logging_out(&target);
	respond_logout(&target);
	portals = discovery_portals(target.discovery, &count);
	assert_int_equal(count, 2);
	assert_string_equal(portals[0].address, "10.0.0.1");
	assert_string_equal(portals[1].target_name, "iqn.b");
	assert_int_equal(discovery_skipped(target.discovery)->count, 0);
	assert_done(&target, 2);
}

static void answers_larger_than_a_login_text_are_taken(void **state)
{
	struct target target;

	begin(&target);
	assert_asked(&target);
	for (unsigned i = 0; i < 100; i++) {
		char text[8192];
		size_t length = 0;

		for (unsigned k = 0; k < 100; k++)
			length += (size_t)sprintf(
					  text + length,
					  "TargetName=iqn.a%ux%u%cTargetAddress=10.0.0.1:3260,1", i,
					  k, 0) +
				  1;
		respond_text(&target, i == 99 ? PDU_FINAL : 0, i == 99 ? RESERVED_TAG : i, text,
			     length);
		if (i < 99)
			assert_continued(&target, i);
	}
	assert_logging_out(&target);
	respond_logout(&target);
	assert_done(&target, 10000);
}

static void nothing_to_see_is_an_answer(void **state)
{
	struct target target;

	begin(&target);
	assert_asked(&target);
	respond_text(&target, PDU_FINAL, RESERVED_TAG, NULL, 0);
	assert_logging_out(&target);
	respond_logout(&target);
	assert_done(&target, 0);
}

static void pings_of_the_target_are_answered(void **state)
{
	static const uint32_t tags[] = {0, 1, 0x7fffffff, 0xfffffffe};
	struct target target;

	begin(&target);
	assert_asked(&target);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		struct bhs_nop_in ping = {
			.opcode = PDU_NOP_IN,
			.flags = PDU_FINAL,
			.lun = be64_of(0x0001000000000000),
			.initiator_task_tag = be32_of(RESERVED_TAG),
			.target_transfer_tag = be32_of(tags[i]),
		};
		const struct bhs_nop_out *answer = (void *)target.request;

		respond(&target, &ping, false, NULL, 0);
		take_requests(&target);
		assert_int_equal(target.request_length, 48);
		assert_int_equal(answer->opcode, PDU_NOP_OUT | PDU_IMMEDIATE);
		assert_int_equal(answer->flags, PDU_FINAL);
		assert_int_equal(be32_get(answer->initiator_task_tag), RESERVED_TAG);
		assert_int_equal(be32_get(answer->target_transfer_tag), tags[i]);
		assert_true(be64_get(answer->lun) == 0x0001000000000000);
		assert_int_equal(be32_get(answer->cmd_sn), 0x20);
	}
	respond_text(&target, PDU_FINAL, RESERVED_TAG, TEXT("TargetName=iqn.a\0"));
	assert_logging_out(&target);
	respond_logout(&target);
	assert_done(&target, 1);
}

static void information_that_is_no_ping_is_not_answered(void **state)
{
	struct bhs_nop_in note = {
		.opcode = PDU_NOP_IN,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.target_transfer_tag = be32_of(RESERVED_TAG),
	};
	struct bhs_async_message event = {
		.opcode = PDU_ASYNC_MESSAGE,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.async_event = 255,
	};
	struct target target;

	begin(&target);
	assert_asked(&target);
	respond(&target, &note, false, NULL, 0);
	respond(&target, &event, true, NULL, 0);
	event.async_event = ASYNC_SCSI_EVENT;
	respond(&target, &event, true, NULL, 0);
	assert_int_equal(discovery_get_state(target.discovery), DISCOVERY_RECEIVING);
	respond_text(&target, PDU_FINAL, RESERVED_TAG, NULL, 0);
	assert_logging_out(&target);
	respond_logout(&target);
	assert_done(&target, 0);
}

static void a_target_that_asks_for_logout_ends_the_question(void **state)
{
	for (uint8_t event = ASYNC_LOGOUT_REQUEST; event <= ASYNC_SESSION_DROP; event++) {
		struct bhs_async_message message = {
			.opcode = PDU_ASYNC_MESSAGE,
			.flags = PDU_FINAL,
			.initiator_task_tag = be32_of(RESERVED_TAG),
			.async_event = event,
		};
		struct target target;

		begin(&target);
		assert_asked(&target);
		respond(&target, &message, true, NULL, 0);
		assert_failed(&target, "did not finish");
	}
}

static void a_rejected_question_fails(void **state)
{
	struct bhs_reject reject = {
		.opcode = PDU_REJECT,
		.flags = PDU_FINAL,
		.reason = REJECT_COMMAND_NOT_SUPPORTED,
		.initiator_task_tag = be32_of(RESERVED_TAG),
	};
	struct bhs rejected = {.opcode = PDU_TEXT_REQUEST};
	struct target target;

	begin(&target);
	assert_asked(&target);
	respond(&target, &reject, true, (const char *)&rejected, sizeof(rejected));
	assert_failed(&target, "does not support");

	begin(&target);
	assert_asked(&target);
	respond(&target, &reject, true, NULL, 0);
	assert_failed(&target, "does not support");

	/* an answer to a ping that the target does not want after all */
	rejected.opcode = PDU_NOP_OUT | PDU_IMMEDIATE;
	begin(&target);
	assert_asked(&target);
	respond(&target, &reject, true, (const char *)&rejected, sizeof(rejected));
	assert_int_equal(discovery_get_state(target.discovery), DISCOVERY_RECEIVING);
	discovery_free(target.discovery);
}

static void a_logout_that_is_not_answered_does_not_spoil_the_answer(void **state)
{
	struct bhs_reject reject = {
		.opcode = PDU_REJECT,
		.flags = PDU_FINAL,
		.reason = REJECT_PROTOCOL_ERROR,
		.initiator_task_tag = be32_of(RESERVED_TAG),
	};
	struct target target;

	begin(&target);
	assert_asked(&target);
	respond_text(&target, PDU_FINAL, RESERVED_TAG, TEXT("TargetName=iqn.a\0"));
	assert_logging_out(&target);
	discovery_closed(target.discovery);
	assert_done(&target, 1);

	begin(&target);
	assert_asked(&target);
	respond_text(&target, PDU_FINAL, RESERVED_TAG, TEXT("TargetName=iqn.a\0"));
	assert_logging_out(&target);
	respond(&target, &reject, true, NULL, 0);
	assert_done(&target, 1);

	begin(&target);
	assert_asked(&target);
	respond_text(&target, 0, 1, TEXT("TargetName=iqn.a\0"));
	discovery_closed(target.discovery);
	assert_failed(&target, "closed the connection");
}

static void answers_that_break_a_rule_end_the_discovery(void **state)
{
	static const struct {
		uint8_t opcode, flags;
		uint32_t task, tag;
		const char *text, *says;
	} rows[] = {
		{PDU_TEXT_RESPONSE, PDU_FINAL | TEXT_CONTINUE, 1, RESERVED_TAG, "",
		 "middle of its text"},
		{PDU_TEXT_RESPONSE, 0, 1, RESERVED_TAG, "", "gives no tag"},
		{PDU_TEXT_RESPONSE, TEXT_CONTINUE, 1, RESERVED_TAG, "", "gives no tag"},
		{PDU_TEXT_RESPONSE, PDU_FINAL, 5, RESERVED_TAG, "", "not asked"},
		{PDU_TEXT_RESPONSE, PDU_FINAL, 1, RESERVED_TAG, "TargetAddress=a,1",
		 "before it names"},
		{PDU_LOGOUT_RESPONSE, PDU_FINAL, 2, 0, "", "logged out"},
		{PDU_NOP_IN, PDU_FINAL, 1, RESERVED_TAG, "", "ping that was not sent"},
		{PDU_SCSI_RESPONSE, PDU_FINAL, 1, 0, "", "type 21h"},
		{PDU_LOGIN_RESPONSE, PDU_FINAL, 1, 0, "", "type 23h"},
		{PDU_TEXT_REQUEST, PDU_FINAL, 1, 0, "", "type 04h"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bhs_text_response response = {
			.opcode = rows[i].opcode,
			.flags = rows[i].flags,
			.initiator_task_tag = be32_of(rows[i].task),
			.target_transfer_tag = be32_of(rows[i].tag),
		};
		struct target target;

		begin(&target);
		assert_asked(&target);
		respond(&target, &response, true, rows[i].text, strlen(rows[i].text));
		assert_failed(&target, rows[i].says);
	}
}

static void a_gap_in_the_numbers_ends_the_discovery(void **state)
{
	struct target target;

	begin(&target);
	assert_asked(&target);
	target.stat_sn++;
	respond_text(&target, PDU_FINAL, RESERVED_TAG, NULL, 0);
	assert_failed(&target, "StatSN");
}

static void oversized_pdus_end_the_discovery(void **state)
{
	struct bhs_text_response response = {
		.opcode = PDU_TEXT_RESPONSE,
		.data_segment_length = be24_of(8193),
	};
	struct target target;

	begin(&target);
	assert_asked(&target);
	send_bytes(&target, (uint8_t *)&response, sizeof(response));
	assert_failed(&target, "larger PDU");

	response.data_segment_length = be24_of(0);
	response.total_ahs_length = 2;
	begin(&target);
	assert_asked(&target);
	send_bytes(&target, (uint8_t *)&response, sizeof(response));
	assert_failed(&target, "additional headers");
}

static void a_flood_of_pings_is_not_stored(void **state)
{
	struct bhs_nop_in ping = {
		.opcode = PDU_NOP_IN,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(RESERVED_TAG),
	};
	struct target target;

	begin(&target);
	assert_asked(&target);
	for (int i = 0; i < 1000 && discovery_get_state(target.discovery) != DISCOVERY_FAILED; i++)
		respond(&target, &ping, false, NULL, 0);
	assert_failed(&target, "pings faster");
}

static void text_without_end_is_given_up(void **state)
{
	static char text[8192];
	struct target target;
	unsigned i;

	memset(text, 'A', sizeof(text));
	begin(&target);
	assert_asked(&target);
	for (i = 0; i < 5000 && discovery_get_state(target.discovery) != DISCOVERY_FAILED; i++) {
		respond_text(&target, 0, 1, text, sizeof(text));
		take_requests(&target);
	}
	assert_int_equal(i, 2049); /* 16 MiB are taken */
	assert_failed(&target, "too large");

	begin(&target);
	assert_asked(&target);
	for (i = 0; i < 100000 && discovery_get_state(target.discovery) != DISCOVERY_FAILED; i++) {
		respond_text(&target, 0, 1, NULL, 0);
		take_requests(&target);
	}
	assert_failed(&target, "come to an end");
	discovery_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read_as_targets_write_them),
		cmocka_unit_test(longer_lists_than_anybody_has_are_refused),
		cmocka_unit_test(what_is_skipped_is_named_as_far_as_there_is_room),
		cmocka_unit_test(one_answer_and_a_logout),
		cmocka_unit_test(an_answer_over_five_pdus_is_put_together),
		cmocka_unit_test(answers_larger_than_a_login_text_are_taken),
		cmocka_unit_test(nothing_to_see_is_an_answer),
		cmocka_unit_test(pings_of_the_target_are_answered),
		cmocka_unit_test(information_that_is_no_ping_is_not_answered),
		cmocka_unit_test(a_target_that_asks_for_logout_ends_the_question),
		cmocka_unit_test(a_rejected_question_fails),
		cmocka_unit_test(a_logout_that_is_not_answered_does_not_spoil_the_answer),
		cmocka_unit_test(answers_that_break_a_rule_end_the_discovery),
		cmocka_unit_test(a_gap_in_the_numbers_ends_the_discovery),
		cmocka_unit_test(oversized_pdus_end_the_discovery),
		cmocka_unit_test(a_flood_of_pings_is_not_stored),
		cmocka_unit_test(text_without_end_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
