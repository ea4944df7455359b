/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a target must not send, and what it may send though few do: the session ends or goes on, and
 * no command's memory is touched beyond its rights. Residuals and sense data belong here too.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "session_fixture.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define READ_BYTES  1000
#define WRITE_BYTES 20000 /* 8192 of them immediate */

/* A read and a write that the target holds in its hand. */
struct held {
	struct fixture f;
	struct io *read, *write, *test;
	const struct bhs_scsi_command *read_command, *write_command, *test_command;
};

static void held_start(struct held *h)
{
	fixture_init(&h->f);
	h->f.negotiated.max_recv_data_segment_length = 16384;
	h->f.negotiated.max_burst_length = 8192;
	h->f.negotiated.max_outstanding_r2t = 2;
	fixture_attach(&h->f);
	h->read = io_read(&h->f, 0, READ_BYTES);
	memset(h->read->data, 0x5a, READ_BYTES);
	h->write = io_write(&h->f, 0, WRITE_BYTES);
	h->test = io_make(&h->f, SCSI_NO_DATA, 0, 0);
	h->test->command.data = NULL;
	assert_int_equal(io_submit(h->test), 0);
	fixture_run(&h->f);
	h->read_command = target_take(&h->f.target, PDU_SCSI_COMMAND);
	h->write_command = target_take(&h->f.target, PDU_SCSI_COMMAND);
	h->test_command = target_take(&h->f.target, PDU_SCSI_COMMAND);
}

/* Other bytes at each place, so that it matters where they go. */
static uint8_t data_at(uint32_t offset)
{
	return (uint8_t)(0xd1 + offset * 7 + (offset >> 8));
}

static void data_in(struct held *h, uint32_t data_sn, uint32_t offset, uint32_t length,
		    uint8_t flags)
{
	static uint8_t data[16384];

	for (uint32_t i = 0; i < length; i++)
		data[i] = data_at(offset + i);
	target_data_in(&h->f.target, h->read_command->initiator_task_tag, data_sn, offset, data,
		       length, flags);
}

static void r2t(struct held *h, uint32_t tag, uint32_t r2t_sn, uint32_t offset, uint32_t length)
{
	target_r2t(&h->f.target, h->write_command, tag, r2t_sn, offset, length);
}

static void give_header(struct held *h, uint8_t opcode, uint8_t ahs_length, uint32_t data_length)
{
	struct bhs_response bhs = {
		.opcode = opcode,
		.flags = PDU_FINAL,
		.total_ahs_length = ahs_length,
		.data_segment_length = be24_of(data_length),
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.specific_20 = be32_of(RESERVED_TAG),
	};

	target_stamp(&h->f.target, &bhs);
	target_emit(&h->f.target, &bhs, NULL, 0);
}

/* --- what ends the session --- */

static void ahs(struct held *h)
{
	give_header(h, PDU_NOP_IN, 1, 0);
}

static void ahs_of_the_largest_length(struct held *h)
{
	give_header(h, PDU_SCSI_RESPONSE, 255, 0);
}

static void data_beyond_our_limit(struct held *h)
{
	give_header(h, PDU_NOP_IN, 0, 16385);
}

static void data_of_the_largest_length(struct held *h)
{
	give_header(h, PDU_DATA_IN, 0, DATA_SEGMENT_MAX);
}

static void a_login_response(struct held *h)
{
	give_header(h, PDU_LOGIN_RESPONSE, 0, 0);
}

static void a_text_response(struct held *h)
{
	give_header(h, PDU_TEXT_RESPONSE, 0, 0);
}

static void an_initiators_opcode(struct held *h)
{
	give_header(h, PDU_SCSI_COMMAND, 0, 0);
}

static void an_initiators_nop(struct held *h)
{
	give_header(h, PDU_NOP_OUT, 0, 0);
}

static void an_opcode_of_nobody(struct held *h)
{
	give_header(h, 0x2a, 0, 0);
}

static void a_vendors_opcode(struct held *h)
{
	give_header(h, 0x3e, 0, 0);
}

static void a_nop_that_is_question_and_answer(struct held *h)
{
	target_nop_in(&h->f.target, 1, 1, 0);
}

static void data_in_beyond_the_end(struct held *h)
{
	data_in(h, 0, 0, READ_BYTES + 1, 0);
}

static void data_in_that_starts_beyond_the_end(struct held *h)
{
	data_in(h, 0, READ_BYTES + 1, 0, 0);
}

static void data_in_at_an_offset_that_wraps(struct held *h)
{
	data_in(h, 0, 0xffffffff, 2, 0);
}

static void data_in_out_of_order(struct held *h)
{
	data_in(h, 0, 4, 4, 0);
}

static void data_in_with_a_gap_in_data_sn(struct held *h)
{
	data_in(h, 0, 0, 4, 0);
	data_in(h, 2, 4, 4, 0);
}

static void data_in_for_a_write(struct held *h)
{
	target_data_in(&h->f.target, h->write_command->initiator_task_tag, 0, 0, "x", 1, 0);
}

static void empty_data_in_for_a_write(struct held *h)
{
	target_data_in(&h->f.target, h->write_command->initiator_task_tag, 0, 0, NULL, 0,
		       PDU_FINAL | DATA_IN_STATUS);
}

static void data_in_for_a_command_without_data(struct held *h)
{
	target_data_in(&h->f.target, h->test_command->initiator_task_tag, 0, 0, "x", 1, 0);
}

static void status_before_the_last_data(struct held *h)
{
	data_in(h, 0, 0, READ_BYTES - 1, PDU_FINAL | DATA_IN_STATUS);
}

static void status_in_data_that_is_not_final(struct held *h)
{
	data_in(h, 0, 0, READ_BYTES, DATA_IN_STATUS);
}

static void underflow_and_overflow_in_data(struct held *h)
{
	data_in(h, 0, 0, READ_BYTES,
		PDU_FINAL | DATA_IN_STATUS | DATA_IN_OVERFLOW | DATA_IN_UNDERFLOW);
}

static void a_bad_status_in_data(struct held *h)
{
	struct bhs_data_in bhs = {
		.opcode = PDU_DATA_IN,
		.flags = PDU_FINAL | DATA_IN_STATUS,
		.status = SCSI_CHECK_CONDITION,
		.initiator_task_tag = h->read_command->initiator_task_tag,
	};

	target_send(&h->f.target, &bhs, NULL, 0);
}

static void good_without_the_data(struct held *h)
{
	target_respond(&h->f.target, h->read_command->initiator_task_tag, SCSI_GOOD);
}

static void good_before_the_data_was_asked_for(struct held *h)
{
	target_respond(&h->f.target, h->write_command->initiator_task_tag, SCSI_GOOD);
}

static void respond_with(struct held *h, be32 tag, uint8_t flags, uint32_t residual)
{
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL | flags,
		.initiator_task_tag = tag,
		.residual_count = be32_of(residual),
	};

	target_send(&h->f.target, &response, NULL, 0);
}

static void underflow_and_overflow(struct held *h)
{
	respond_with(h, h->test_command->initiator_task_tag,
		     SCSI_RESPONSE_OVERFLOW | SCSI_RESPONSE_UNDERFLOW, 0);
}

static void underflow_and_overflow_with_sense(struct held *h)
{
	static const uint8_t sense[20] = {0, 18, 0x70, 0, 5};
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL | SCSI_RESPONSE_OVERFLOW | SCSI_RESPONSE_UNDERFLOW,
		.status = SCSI_CHECK_CONDITION,
		.initiator_task_tag = h->test_command->initiator_task_tag,
	};

	target_send(&h->f.target, &response, sense, sizeof(sense));
}

static void less_data_than_the_residual_admits(struct held *h)
{
	data_in(h, 0, 0, READ_BYTES - 11, PDU_FINAL);
	respond_with(h, h->read_command->initiator_task_tag, SCSI_RESPONSE_UNDERFLOW, 10);
}

static void an_r2t_for_a_read(struct held *h)
{
	target_r2t(&h->f.target, h->read_command, 1, 0, 0, 1);
}

static void an_r2t_without_a_tag(struct held *h)
{
	r2t(h, RESERVED_TAG, 0, 8192, 1);
}

static void an_r2t_for_nothing(struct held *h)
{
	r2t(h, 1, 0, 8192, 0);
}

static void an_r2t_for_more_than_max_burst_length(struct held *h)
{
	r2t(h, 1, 0, 8192, 8193);
}

static void an_r2t_beyond_the_end(struct held *h)
{
	r2t(h, 1, 0, WRITE_BYTES - 10, 11);
}

static void an_r2t_at_an_offset_that_wraps(struct held *h)
{
	r2t(h, 1, 0, 0xffffffff, 2);
}

static void an_r2t_for_another_unit(struct held *h)
{
	struct bhs_scsi_command command = *h->write_command;

	command.lun = be64_of(FIXTURE_LUN + 1);
	target_r2t(&h->f.target, &command, 1, 0, 8192, 1);
}

static void an_r2t_with_a_gap_in_r2t_sn(struct held *h)
{
	r2t(h, 1, 1, 8192, 1);
}

static void more_r2ts_than_agreed(struct held *h)
{
	fake_wire_hold(h->f.wire, true);
	target_nop_in(&h->f.target, RESERVED_TAG, 4, 0); /* its answer blocks the wire */
	for (uint32_t i = 0; i < 3; i++)
		r2t(h, i, i, 8192 + i, 1);
}

static void a_logout_response_that_nobody_asked_for(struct held *h)
{
	target_logout_respond(&h->f.target, be32_of(0), LOGOUT_CLOSED);
}

struct offence {
	const char *name;
	void (*commit)(struct held *h);
	const char *says;
};

#define OFFENCE(name, says) \
	{ \
#name, name, says \
	}

static const struct offence offences[] = {
	OFFENCE(ahs, "header"),
	OFFENCE(ahs_of_the_largest_length, "header"),
	OFFENCE(data_beyond_our_limit, "header"),
	OFFENCE(data_of_the_largest_length, "header"),
	OFFENCE(a_login_response, "full feature phase"),
	OFFENCE(a_text_response, "without a request"),
	OFFENCE(an_initiators_opcode, "full feature phase"),
	OFFENCE(an_initiators_nop, "full feature phase"),
	OFFENCE(an_opcode_of_nobody, "full feature phase"),
	OFFENCE(a_vendors_opcode, "full feature phase"),
	OFFENCE(a_nop_that_is_question_and_answer, "question"),
	OFFENCE(data_in_beyond_the_end, "beyond"),
	OFFENCE(data_in_that_starts_beyond_the_end, "beyond"),
	OFFENCE(data_in_at_an_offset_that_wraps, "beyond"),
	OFFENCE(data_in_out_of_order, "out of order"),
	OFFENCE(data_in_with_a_gap_in_data_sn, "DataSN"),
	OFFENCE(data_in_for_a_write, "reads nothing"),
	OFFENCE(empty_data_in_for_a_write, "reads nothing"),
	OFFENCE(data_in_for_a_command_without_data, "reads nothing"),
	OFFENCE(status_before_the_last_data, "missing"),
	OFFENCE(status_in_data_that_is_not_final, "not the last"),
	OFFENCE(underflow_and_overflow_in_data, "at once"),
	OFFENCE(a_bad_status_in_data, "belongs"),
	OFFENCE(good_without_the_data, "missing"),
	OFFENCE(good_before_the_data_was_asked_for, "missing"),
	OFFENCE(underflow_and_overflow, "at once"),
	OFFENCE(underflow_and_overflow_with_sense, "at once"),
	OFFENCE(less_data_than_the_residual_admits, "missing"),
	OFFENCE(an_r2t_for_a_read, "writes nothing"),
	OFFENCE(an_r2t_without_a_tag, "target transfer tag"),
	OFFENCE(an_r2t_for_nothing, "MaxBurstLength"),
	OFFENCE(an_r2t_for_more_than_max_burst_length, "MaxBurstLength"),
	OFFENCE(an_r2t_beyond_the_end, "beyond"),
	OFFENCE(an_r2t_at_an_offset_that_wraps, "beyond"),
	OFFENCE(an_r2t_for_another_unit, "another logical unit"),
	OFFENCE(an_r2t_with_a_gap_in_r2t_sn, "R2TSN"),
	OFFENCE(more_r2ts_than_agreed, "MaxOutstandingR2T"),
	OFFENCE(a_logout_response_that_nobody_asked_for, "without a request"),
};

static void each_offence_ends_the_session_and_leaves_commands_in_doubt(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(offences); i++) {
		struct held h;

		held_start(&h);
		offences[i].commit(&h);
		fixture_run(&h.f);
		if (h.f.lost != 1)
			fail_msg("%s is not noticed", offences[i].name);
		fixture_lost(&h.f, SESSION_LOSS_PROTOCOL, offences[i].says);
		io_ended(h.read, SCSI_IN_DOUBT);
		io_ended(h.write, SCSI_IN_DOUBT);
		io_ended(h.test, SCSI_IN_DOUBT);
		fixture_deinit(&h.f);
	}
}

static void a_wrong_digest_ends_the_session(void **state)
{
	for (unsigned bit = 0; bit < 2; bit++) {
		for (size_t at = 0; at < BHS_LENGTH + 4 + 8 + 4; at++) {
			struct bhs_data_in bhs = {.opcode = PDU_DATA_IN,
						  .data_segment_length = be24_of(5)};
			uint8_t bytes[BHS_LENGTH + 4 + 8 + 4];
			size_t length;
			struct fixture f;
			struct io *io;

			fixture_init(&f);
			f.negotiated.header_digest = f.negotiated.data_digest = true;
			fixture_attach(&f);
			io = io_read(&f, 0, 5);
			fixture_run(&f);
			bhs.initiator_task_tag = ((const struct bhs_scsi_command *)target_take(
							  &f.target, PDU_SCSI_COMMAND))
							 ->initiator_task_tag;
			bhs.flags = PDU_FINAL | DATA_IN_STATUS;
			target_stamp(&f.target, &bhs);
			target_emit(&f.target, &bhs, "right", 5);
			memcpy(bytes, fake_wire_unread(f.wire, &length), sizeof(bytes));
			assert_int_equal(length, sizeof(bytes));
			bytes[at] ^= bit ? 0x80 : 0x01;
			fake_wire_forget(f.wire);
			fake_wire_give(f.wire, bytes, sizeof(bytes));
			fixture_run(&f);
			fixture_lost(&f, SESSION_LOSS_DIGEST, "digest");
			assert_int_equal(session_get_statistics(f.session)->digest_err, 1);
			io_ended(io, SCSI_IN_DOUBT);
			fixture_deinit(&f);
		}
	}
}

/* --- what is borne --- */

static void finish_read(struct held *h, uint32_t data_sn, uint32_t offset)
{
	data_in(h, data_sn, offset, READ_BYTES - offset, PDU_FINAL | DATA_IN_STATUS);
	fixture_run(&h->f);
	io_ended(h->read, SCSI_COMPLETED);
	for (unsigned i = 0; i < READ_BYTES; i++)
		assert_int_equal(h->read->data[i], data_at(i));
	assert_int_equal(h->f.lost, 0);
	fixture_deinit(&h->f);
}

static void a_repeated_data_in_is_dropped(void **state)
{
	struct held h;

	held_start(&h);
	data_in(&h, 0, 0, 10, 0);
	target_data_in(&h.f.target, h.read_command->initiator_task_tag, 0, 0, "0123456789", 10, 0);
	data_in(&h, 1, 10, 10, 0);
	finish_read(&h, 2, 20);
}

static void empty_data_in_and_the_a_bit_are_nothing_special(void **state)
{
	struct held h;

	held_start(&h);
	data_in(&h, 0, 0, 0, 0);
	data_in(&h, 1, 0, 10, DATA_IN_ACKNOWLEDGE | PDU_FINAL);
	data_in(&h, 2, 10, 0, PDU_FINAL);
	finish_read(&h, 3, 10);
}

static void a_read_of_nothing_may_be_answered_in_data_in(void **state)
{
	struct held h;

	held_start(&h);
	target_data_in(&h.f.target, h.test_command->initiator_task_tag, 0, 0, NULL, 0,
		       PDU_FINAL | DATA_IN_STATUS);
	fixture_run(&h.f);
	io_ended(h.test, SCSI_COMPLETED);
	finish_read(&h, 0, 0);
}

static void data_may_come_out_of_order_when_that_was_agreed(void **state)
{
	struct held h;

	held_start(&h);
	session_drop(h.f.session, "to agree on something else");
	fixture_run(&h.f);
	h.f.lost = 0;
	h.f.negotiated.data_pdu_in_order = false;
	fixture_attach(&h.f);
	h.read = io_read(&h.f, 0, READ_BYTES);
	fixture_run(&h.f);
	h.read_command = target_take(&h.f.target, PDU_SCSI_COMMAND);
	data_in(&h, 0, 500, READ_BYTES - 500, 0);
	data_in(&h, 1, 0, 500, PDU_FINAL | DATA_IN_STATUS);
	fixture_run(&h.f);
	io_ended(h.read, SCSI_COMPLETED);
	for (unsigned i = 0; i < READ_BYTES; i++)
		assert_int_equal(h.read->data[i], data_at(i));
	fixture_deinit(&h.f);
}

static void unknown_tags_are_dropped_and_their_data_with_them(void **state)
{
	static const uint32_t tags[] = {0, 1, 64, 4095, 0x7fffffff, 0xc1000000, 0xfffffffe};
	static uint8_t data[16384];
	struct held h;

	held_start(&h);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		struct bhs_scsi_command command = {.initiator_task_tag = be32_of(tags[i])};

		target_data_in(&h.f.target, be32_of(tags[i]), 0, 0, data, sizeof(data), 0);
		target_data_in(&h.f.target, be32_of(tags[i]), 9, 9, data, 3,
			       PDU_FINAL | DATA_IN_STATUS);
		target_r2t(&h.f.target, &command, 1, 0, 0, 100);
		target_respond(&h.f.target, be32_of(tags[i]), SCSI_GOOD);
		target_management_respond(&h.f.target, be32_of(tags[i]), 0);
		target_nop_in(&h.f.target, tags[i], RESERVED_TAG, 0);
	}
	finish_read(&h, 0, 0);
}

static void data_beside_any_answer_is_skipped(void **state)
{
	static uint8_t data[16384];
	struct bhs_response bhs;
	struct held h;

	held_start(&h);
	for (unsigned i = 0; i < 2; i++) {
		bhs = (struct bhs_response){.opcode = i ? PDU_NOP_IN : PDU_ASYNC_MESSAGE,
					    .initiator_task_tag = be32_of(RESERVED_TAG),
					    .specific_20 = be32_of(RESERVED_TAG)};
		((struct bhs_async_message *)&bhs)->async_event = i ? 0 : 255;
		target_send(&h.f.target, &bhs, data, sizeof(data) - i);
	}
	finish_read(&h, 0, 0);
}

static void a_repeated_r2t_is_answered_once(void **state)
{
	struct held h;

	held_start(&h);
	for (unsigned i = 0; i < 3; i++) {
		r2t(&h, 1, 0, 8192, 5);
		fixture_run(&h.f);
	}
	assert_int_equal(h.f.target.counts[PDU_DATA_OUT], 1);
	finish_read(&h, 0, 0);
}

static void an_r2t_may_leave_out_the_unit_and_ask_anywhere(void **state)
{
	struct bhs_scsi_command command;
	const struct bhs_data_out *out;
	struct held h;

	held_start(&h);
	command = *h.write_command;
	command.lun = be64_of(0);
	target_r2t(&h.f.target, &command, 0, 0, 15000, 5000);
	target_r2t(&h.f.target, &command, 0xfffffffe, 1, 8192, 6808);
	fixture_run(&h.f);
	out = target_take(&h.f.target, PDU_DATA_OUT);
	assert_int_equal(be32_get(out->target_transfer_tag), 0);
	assert_int_equal(be64_get(out->lun), FIXTURE_LUN);
	assert_memory_equal(h.f.target.pdus[h.f.target.pdu_next - 1].data, h.write->data + 15000,
			    5000);
	out = target_take(&h.f.target, PDU_DATA_OUT);
	assert_int_equal(be32_get(out->target_transfer_tag), 0xfffffffe);
	target_respond(&h.f.target, command.initiator_task_tag, SCSI_GOOD);
	fixture_run(&h.f);
	io_ended(h.write, SCSI_COMPLETED);
	finish_read(&h, 0, 0);
}

/* --- how a command ends (§11.4) --- */

static void another_response_than_completed_is_a_target_failure(void **state)
{
	for (unsigned code = 1; code < 256; code++) {
		struct held h;
		struct bhs_scsi_response response;

		held_start(&h);
		response = (struct bhs_scsi_response){
			.opcode = PDU_SCSI_RESPONSE,
			/* these would be an offence if they meant anything */
			.flags = PDU_FINAL | SCSI_RESPONSE_OVERFLOW | SCSI_RESPONSE_UNDERFLOW,
			.response = (uint8_t)code,
			.status = SCSI_GOOD,
			.initiator_task_tag = h.write_command->initiator_task_tag,
		};
		target_send(&h.f.target, &response, NULL, 0);
		fixture_run(&h.f);
		io_ended(h.write, SCSI_TARGET_FAILURE);
		assert_int_equal(h.write->command.result.sense_length, 0);
		finish_read(&h, 0, 0);
	}
}

static void every_status_is_handed_up(void **state)
{
	for (unsigned status = 0; status < 256; status++) {
		struct held h;

		held_start(&h);
		target_respond(&h.f.target, h.test_command->initiator_task_tag, (uint8_t)status);
		fixture_run(&h.f);
		io_ended(h.test, SCSI_COMPLETED);
		assert_int_equal(h.test->command.result.status, status);
		finish_read(&h, 0, 0);
	}
}

/* §11.4.7: SenseLength, sense, response data; whatever the lengths claim */
static void sense_data_is_cut_to_what_came(void **state)
{
	static const uint16_t claims[] = {0, 1, 2, 17, 18, 95, 96, 97, 252, 253, 65535};
	uint8_t data[300];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		for (uint32_t length = 0; length < sizeof(data); length += length < 5 ? 1 : 59) {
			struct bhs_scsi_response response;
			uint32_t want;
			struct held h;

			held_start(&h);
			response = (struct bhs_scsi_response){
				.opcode = PDU_SCSI_RESPONSE,
				.flags = PDU_FINAL,
				.status = SCSI_CHECK_CONDITION,
				.initiator_task_tag = h.test_command->initiator_task_tag,
			};
			data[0] = (uint8_t)(claims[i] >> 8);
			data[1] = (uint8_t)claims[i];
			target_send(&h.f.target, &response, data, length);
			fixture_run(&h.f);
			io_ended(h.test, SCSI_COMPLETED);
			want = length < 2 ? 0 : MIN((uint32_t)claims[i], length - 2);
			want = MIN(want, (uint32_t)SCSI_SENSE_MAX);
			assert_int_equal(h.test->command.result.sense_length, want);
			assert_memory_equal(h.test->command.result.sense, data + 2, want);
			finish_read(&h, 0, 0);
		}
	}
}

static void residuals_are_handed_up(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t came, residual, want;
		bool underflow, overflow;
	} cases[] = {
		{0, READ_BYTES, 77, 0, false, false},
		{SCSI_RESPONSE_UNDERFLOW, READ_BYTES - 10, 10, 10, true, false},
		{SCSI_RESPONSE_UNDERFLOW, READ_BYTES, 10, 10, true, false},
		{SCSI_RESPONSE_UNDERFLOW, READ_BYTES, 0, 0, true, false},
		{SCSI_RESPONSE_UNDERFLOW, 0, READ_BYTES, READ_BYTES, true, false},
		{SCSI_RESPONSE_UNDERFLOW, 0, 0xffffffff, 0xffffffff, true, false},
		{SCSI_RESPONSE_OVERFLOW, READ_BYTES, 10, 10, false, true},
		/* of a bidirectional command, which this is not */
		{SCSI_RESPONSE_BIDI_OVERFLOW | SCSI_RESPONSE_BIDI_UNDERFLOW, READ_BYTES, 3, 0,
		 false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		const __typeof__(*cases) *c = &cases[i / 2];
		const struct scsi_result *result;
		struct held h;

		held_start(&h);
		result = &h.read->command.result;
		if (c->came)
			data_in(&h, 0, 0, c->came, PDU_FINAL);
		if (i % 2) {
			struct bhs_data_in bhs = {
				.opcode = PDU_DATA_IN,
				.flags = PDU_FINAL | DATA_IN_STATUS | (c->flags & 0x06),
				.initiator_task_tag = h.read_command->initiator_task_tag,
				.data_sn = be32_of(c->came ? 1 : 0),
				.buffer_offset = be32_of(c->came),
				.residual_count = be32_of(c->residual),
			};

			target_send(&h.f.target, &bhs, NULL, 0);
		} else {
			respond_with(&h, h.read_command->initiator_task_tag, c->flags, c->residual);
		}
		fixture_run(&h.f);
		io_ended(h.read, SCSI_COMPLETED);
		assert_int_equal(result->underflow, c->underflow);
		assert_int_equal(result->overflow, c->overflow);
		assert_int_equal(result->residual_bytes, c->want);
		assert_int_equal(h.f.lost, 0);
		fixture_deinit(&h.f);
	}
}

/* A write may be GOOD with less: the target says how much less. */
static void a_short_write_is_handed_up_with_its_residual(void **state)
{
	struct held h;

	held_start(&h);
	respond_with(&h, h.write_command->initiator_task_tag, SCSI_RESPONSE_UNDERFLOW,
		     WRITE_BYTES - 8192);
	fixture_run(&h.f);
	io_ended(h.write, SCSI_COMPLETED);
	assert_int_equal(h.write->command.result.residual_bytes, WRITE_BYTES - 8192);
	finish_read(&h, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_offence_ends_the_session_and_leaves_commands_in_doubt),
		cmocka_unit_test(a_wrong_digest_ends_the_session),
		cmocka_unit_test(a_repeated_data_in_is_dropped),
		cmocka_unit_test(empty_data_in_and_the_a_bit_are_nothing_special),
		cmocka_unit_test(a_read_of_nothing_may_be_answered_in_data_in),
		cmocka_unit_test(data_may_come_out_of_order_when_that_was_agreed),
		cmocka_unit_test(unknown_tags_are_dropped_and_their_data_with_them),
		cmocka_unit_test(data_beside_any_answer_is_skipped),
		cmocka_unit_test(a_repeated_r2t_is_answered_once),
		cmocka_unit_test(an_r2t_may_leave_out_the_unit_and_ask_anywhere),
		cmocka_unit_test(another_response_than_completed_is_a_target_failure),
		cmocka_unit_test(every_status_is_handed_up),
		cmocka_unit_test(sense_data_is_cut_to_what_came),
		cmocka_unit_test(residuals_are_handed_up),
		cmocka_unit_test(a_short_write_is_handed_up_with_its_residual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
