/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What one task says and accepts, table by table. Whole conversations are in test_transfer.c. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "iscsi/settings.h"
#include "iscsi/task.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

#define TAG 0x00005001u
#define LUN UINT64_C(0x4001000200030004)

struct fixture {
	struct negotiated negotiated;
	struct nexus nexus;
	struct scsi_command command;
	struct task task;
	struct pdu_slot slot;
	uint8_t data[65536];
};

static void setup(struct fixture *f, enum scsi_direction direction, uint32_t length)
{
	*f = (struct fixture){
		.negotiated = {.max_xmit_data_segment_length = 8192,
			       .max_burst_length = 16384,
			       .first_burst_length = 16384,
			       .max_outstanding_r2t = 2,
			       .initial_r2t = true,
			       .data_pdu_in_order = true,
			       .data_sequence_in_order = true},
		.nexus.lun = LUN,
	};
	cdb_write_16(&f->command, 0, 0x11223344, 8, 512);
	f->command.direction = direction;
	f->command.data = f->data;
	f->command.data_length = length;
	memset(&f->command.result, 0xee, sizeof(f->command.result));
	list_init(&f->task.link);
	f->task.initiator_task_tag = TAG;
	task_start(&f->task, &f->nexus, &f->command);
}

/* --- SCSI Command (§11.3) --- */

static void the_command_pdu_says_what_the_command_is(void **state)
{
	static const uint8_t flags[] = {
		[SCSI_NO_DATA] = 0x81, [SCSI_DATA_IN] = 0xc1, [SCSI_DATA_OUT] = 0xa1};

	for (enum scsi_direction direction = SCSI_NO_DATA; direction <= SCSI_DATA_OUT;
	     direction++) {
		struct fixture f;
		const struct bhs_scsi_command *bhs = &f.slot.scsi_command;

		setup(&f, direction, 5000);
		assert_int_equal(f.task.state, TASK_QUEUED);
		assert_ptr_equal(f.command.task, &f.task);
		task_command_pdu(&f.task, &f.negotiated, 0xfffffff0, &f.slot);
		assert_int_equal(f.task.state, TASK_SENT);
		assert_int_equal(f.task.cmd_sn, 0xfffffff0);
		assert_int_equal(f.task.leaving, 1);
		assert_int_equal(bhs->opcode, PDU_SCSI_COMMAND);
		assert_int_equal(bhs->flags, flags[direction]);
		assert_int_equal(bhs->total_ahs_length, 0);
		assert_int_equal(be64_get(bhs->lun), LUN);
		assert_int_equal(be32_get(bhs->initiator_task_tag), TAG);
		assert_int_equal(be32_get(bhs->expected_data_transfer_length),
				 direction == SCSI_NO_DATA ? 0 : 5000);
		assert_int_equal(be32_get(bhs->cmd_sn), 0xfffffff0);
		assert_memory_equal(bhs->cdb, f.command.cdb, 16);
		assert_ptr_equal(f.slot.owner, &f.task);
		assert_int_equal(f.slot.data_length, 0);
		assert_false(task_has_data(&f.task));
	}
}

/* RFC 7143 §4.2.5.2: what goes with the command, and what follows unasked */
struct first_burst {
	bool initial_r2t, immediate_data;
	uint32_t length, first_burst, xmit;
	uint32_t immediate, unsolicited; /* bytes */
};

/* clang-format off */
static const struct first_burst first_bursts[] = {
	/* r2t  immediate length   FBL   MRDSL  immediate unsolicited */
	{true,  false,    10000,  4096,  8192,     0,     0},
	{true,  true,     10000,  4096,  8192,  4096,     0},
	{true,  true,     10000, 16384,  8192,  8192,     0},
	{true,  true,      4096,  4096,  4096,  4096,     0},
	{true,  true,      4095,  4096,  4096,  4095,     0},
	{true,  true,     10000,   513,  8192,   513,     0},
	{true,  true,     10000,  4096,   513,   512,     0},
	{true,  true,       513,  4096,   513,   513,     0},
	{true,  true,         0,  4096,   513,     0,     0},
	{true,  true,         1,  4096,   513,     1,     0},
	{false, false,    10000,  4096,  8192,     0,  4096},
	{false, false,     4000,  4096,  8192,     0,  4000},
	{false, false,        0,  4096,  8192,     0,     0},
	{false, true,     10000,  4096,  8192,  4096,     0},
	{false, true,     10000,  4096,   512,   512,  3584},
	{false, true,     10000,  4096,   513,   512,  3584},
	{false, true,     10000,   513,   512,   512,     1},
	{false, true,     10000,   777,   777,   777,     0},
	{false, true,       514,   777,   513,   512,     2},
	{false, true,       513,   777,   513,   513,     0},
	{false, true,         3,   777,   513,     3,     0},
};
/* clang-format on */

static void the_first_burst_is_as_agreed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(first_bursts); i++) {
		const struct first_burst *row = &first_bursts[i];
		uint32_t unsolicited = 0;
		struct fixture f;

		setup(&f, SCSI_DATA_OUT, row->length);
		f.negotiated.initial_r2t = row->initial_r2t;
		f.negotiated.immediate_data = row->immediate_data;
		f.negotiated.first_burst_length = row->first_burst;
		f.negotiated.max_xmit_data_segment_length = row->xmit;
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		assert_int_equal(f.slot.data_length, row->immediate);
		assert_int_equal(f.slot.bhs.flags & PDU_FINAL, row->unsolicited ? 0 : PDU_FINAL);
		while (task_has_data(&f.task)) {
			const struct bhs_data_out *out = &f.slot.data_out;

			task_data_pdu(&f.task, &f.negotiated, &f.slot);
			assert_int_equal(be32_get(out->target_transfer_tag), RESERVED_TAG);
			assert_int_equal(be64_get(out->lun), 0);
			assert_int_equal(be32_get(out->buffer_offset),
					 row->immediate + unsolicited);
			unsolicited += f.slot.data_length;
		}
		assert_int_equal(unsolicited, row->unsolicited);
		assert_int_equal(f.task.sent, row->immediate + row->unsolicited);
	}
}

/* --- R2T and Data-Out (§11.7, §11.8) --- */

static int give_r2t(struct fixture *f, uint32_t tag, uint32_t r2t_sn, uint32_t offset,
		    uint32_t length)
{
	struct bhs_r2t r2t = {
		.opcode = PDU_R2T,
		.lun = be64_of(LUN),
		.initiator_task_tag = be32_of(TAG),
		.target_transfer_tag = be32_of(tag),
		.r2t_sn = be32_of(r2t_sn),
		.buffer_offset = be32_of(offset),
		.desired_data_transfer_length = be32_of(length),
	};
	const char *why = "untouched";
	int r = task_r2t(&f->task, &f->negotiated, &r2t, &why);

	assert_int_equal(r, why ? -EPROTO : 0);
	return r;
}

static void r2ts_are_answered_in_their_order_and_in_full(void **state)
{
	static const struct {
		uint32_t tag, data_sn, offset, length;
		bool final;
	} want[] = {
		{RESERVED_TAG, 0, 0, 512, false}, {RESERVED_TAG, 1, 512, 488, true},
		{0, 0, 3001, 512, false},	  {0, 1, 3513, 515, true},
		{9, 0, 1000, 512, false},	  {9, 1, 1512, 4, true},
	};
	struct fixture f;

	setup(&f, SCSI_DATA_OUT, 10000);
	f.negotiated.initial_r2t = false;
	f.negotiated.first_burst_length = 1000;
	f.negotiated.max_xmit_data_segment_length = 515; /* PDUs fill whole words: 512 */
	task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
	/* the unsolicited burst is none of the two that may be outstanding */
	assert_int_equal(give_r2t(&f, 0, 0, 3001, 1027), 0);
	assert_int_equal(give_r2t(&f, 9, 1, 1000, 516), 0);
	assert_int_equal(give_r2t(&f, 10, 2, 1513, 1), -EPROTO);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct bhs_data_out *out = &f.slot.data_out;

		assert_true(task_has_data(&f.task));
		task_data_pdu(&f.task, &f.negotiated, &f.slot);
		assert_int_equal(out->opcode, PDU_DATA_OUT);
		assert_int_equal(out->flags, want[i].final ? PDU_FINAL : 0);
		assert_int_equal(be32_get(out->initiator_task_tag), TAG);
		assert_int_equal(be32_get(out->target_transfer_tag), want[i].tag);
		assert_int_equal(be64_get(out->lun), want[i].tag == RESERVED_TAG ? 0 : LUN);
		assert_int_equal(be32_get(out->data_sn), want[i].data_sn);
		assert_int_equal(be32_get(out->buffer_offset), want[i].offset);
		assert_int_equal(f.slot.data_length, want[i].length);
		assert_ptr_equal(f.slot.data, f.data + want[i].offset);
		assert_ptr_equal(f.slot.owner, &f.task);
	}
	assert_false(task_has_data(&f.task));
	assert_int_equal(f.task.leaving, 1 + ARRAY_SIZE(want));
	assert_int_equal(f.task.sent, 1000 + 1027 + 516);
}

static void as_many_r2ts_as_agreed_and_no_more(void **state)
{
	static const uint16_t agreed[] = {1, 2, TASK_R2T_MAX, 100};

	for (size_t i = 0; i < ARRAY_SIZE(agreed); i++) {
		uint32_t want = MIN(agreed[i], (uint16_t)TASK_R2T_MAX), taken = 0;
		struct fixture f;

		setup(&f, SCSI_DATA_OUT, 10000);
		f.negotiated.max_outstanding_r2t = agreed[i];
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		while (give_r2t(&f, taken, taken, taken, 1) == 0)
			taken++;
		assert_int_equal(taken, want);
		/* one is answered: there is room for one */
		for (uint32_t round = 0; round < 30; round++) {
			task_data_pdu(&f.task, &f.negotiated, &f.slot);
			assert_int_equal(be32_get(f.slot.data_out.target_transfer_tag), round);
			assert_int_equal(give_r2t(&f, taken, taken, taken, 1), 0);
			taken++;
			assert_int_equal(give_r2t(&f, taken, taken, taken, 1), -EPROTO);
		}
	}
}

struct r2t_row {
	uint32_t tag, r2t_sn, offset, length;
	int want;
};

static void r2ts_are_checked(void **state)
{
	/* of 10000 bytes, MaxBurstLength 4096, and R2TSN 1 is the next */
	static const struct r2t_row rows[] = {
		{0, 1, 0, 1, 0},
		{0xfffffffe, 1, 0, 1, 0},
		{RESERVED_TAG, 1, 0, 1, -EPROTO},
		{1, 2, 0, 1, -EPROTO},
		{1, 0x80000000, 0, 1, -EPROTO},
		{1, 0, 0, 1, 0}, /* a duplicate: dropped */
		{1, 0xffffffff, 20000, 0, 0},
		{1, 1, 0, 0, -EPROTO},
		{1, 1, 0, 4096, 0},
		{1, 1, 0, 4097, -EPROTO},
		{1, 1, 9999, 1, 0},
		{1, 1, 9999, 2, -EPROTO},
		{1, 1, 10000, 1, -EPROTO},
		{1, 1, 10001, 1, -EPROTO},
		{1, 1, 0xffffffff, 1, -EPROTO},
		{1, 1, 0xffffffff, 0xffffffff, -EPROTO},
		{1, 1, 1, 0xffffffff, -EPROTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		setup(&f, SCSI_DATA_OUT, 10000);
		f.negotiated.max_burst_length = 4096;
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		assert_int_equal(give_r2t(&f, 3, 0, 0, 1), 0);
		task_data_pdu(&f.task, &f.negotiated, &f.slot);
		if (give_r2t(&f, rows[i].tag, rows[i].r2t_sn, rows[i].offset, rows[i].length) !=
		    rows[i].want)
			fail_msg("row %zu", i);
		assert_int_equal(task_has_data(&f.task), rows[i].want == 0 && rows[i].r2t_sn == 1);
	}
}

static void only_writes_are_asked_for_data(void **state)
{
	struct fixture f;

	for (enum scsi_direction direction = SCSI_NO_DATA; direction < SCSI_DATA_OUT; direction++) {
		setup(&f, direction, 100);
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		assert_int_equal(give_r2t(&f, 1, 0, 0, 1), -EPROTO);
	}
}

/* --- Data-In (§11.7) --- */

static int give_data_in(struct fixture *f, uint32_t data_sn, uint32_t offset, uint32_t length,
			void **data)
{
	struct bhs_data_in bhs = {
		.opcode = PDU_DATA_IN,
		.data_segment_length = be24_of(length),
		.data_sn = be32_of(data_sn),
		.buffer_offset = be32_of(offset),
	};
	const char *why = "untouched";
	int r;

	*data = NULL;
	r = task_data_in(&f->task, &f->negotiated, &bhs, data, &why);
	assert_int_equal(r, why ? -EPROTO : 0);
	return r;
}

struct data_in_row {
	enum scsi_direction direction;
	bool any_order;
	uint32_t data_sn, offset, length;
	int want;
	bool placed;
};

static void data_in_is_checked(void **state)
{
	/* of 10000 bytes, of which 100 came as DataSN 0 */
	static const struct data_in_row rows[] = {
		{SCSI_DATA_IN, false, 1, 100, 1, 0, true},
		{SCSI_DATA_IN, false, 1, 100, 9900, 0, true},
		{SCSI_DATA_IN, false, 1, 100, 9901, -EPROTO, false},
		{SCSI_DATA_IN, false, 1, 100, 0, 0, false},
		{SCSI_DATA_IN, false, 1, 0, 0, 0, false},
		{SCSI_DATA_IN, false, 1, 10000, 0, 0, false},
		{SCSI_DATA_IN, false, 1, 10001, 0, -EPROTO, false},
		{SCSI_DATA_IN, false, 1, 99, 1, -EPROTO, false},
		{SCSI_DATA_IN, false, 1, 101, 1, -EPROTO, false},
		{SCSI_DATA_IN, true, 1, 99, 1, 0, true},
		{SCSI_DATA_IN, true, 1, 9999, 1, 0, true},
		{SCSI_DATA_IN, true, 1, 9999, 2, -EPROTO, false},
		{SCSI_DATA_IN, true, 1, 0xffffffff, 2, -EPROTO, false},
		{SCSI_DATA_IN, true, 2, 100, 1, -EPROTO, false},
		{SCSI_DATA_IN, true, 0, 100, 1, 0, false}, /* a duplicate: dropped */
		{SCSI_DATA_IN, true, 0xffffffff, 20000, 1, 0, false},
		{SCSI_DATA_OUT, false, 1, 100, 1, -EPROTO, false},
		{SCSI_DATA_OUT, false, 1, 100, 0, -EPROTO, false},
		{SCSI_NO_DATA, false, 1, 100, 1, -EPROTO, false},
		{SCSI_NO_DATA, false, 1, 0, 0, 0, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct data_in_row *row = &rows[i];
		struct fixture f;
		void *data;

		setup(&f, SCSI_DATA_IN, 10000);
		f.negotiated.data_sequence_in_order = !row->any_order;
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		assert_int_equal(give_data_in(&f, 0, 0, 100, &data), 0);
		assert_ptr_equal(data, f.data);
		f.command.direction = row->direction;
		if (give_data_in(&f, row->data_sn, row->offset, row->length, &data) != row->want)
			fail_msg("row %zu", i);
		if (row->placed)
			assert_ptr_equal(data, f.data + row->offset);
		else
			assert_null(data);
	}
}

/* --- the end (§11.4) --- */

static int respond(struct fixture *f, uint8_t status, uint8_t flags, uint32_t residual)
{
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL | flags,
		.status = status,
		.residual_count = be32_of(residual),
	};
	const char *why = "untouched";
	int r = task_response(&f->task, &response, NULL, &why);

	assert_int_equal(r, why ? -EPROTO : 0);
	return r;
}

/* Was all of it moved that a GOOD status claims? */
static void good_means_that_the_data_went_over(void **state)
{
	static const struct {
		uint32_t moved;
		uint8_t status, flags;
		uint32_t residual;
		int want;
	} rows[] = {
		{1000, SCSI_GOOD, 0, 0, 0},
		{999, SCSI_GOOD, 0, 0, -EPROTO},
		{0, SCSI_GOOD, 0, 0, -EPROTO},
		{0, SCSI_CONDITION_MET, 0, 0, -EPROTO},
		{0, SCSI_BUSY, 0, 0, 0},
		{0, SCSI_CHECK_CONDITION, 0, 0, 0},
		{999, SCSI_GOOD, SCSI_RESPONSE_UNDERFLOW, 1, 0},
		{998, SCSI_GOOD, SCSI_RESPONSE_UNDERFLOW, 1, -EPROTO},
		{0, SCSI_GOOD, SCSI_RESPONSE_UNDERFLOW, 1000, 0},
		{0, SCSI_GOOD, SCSI_RESPONSE_UNDERFLOW, 1001, 0},
		{0, SCSI_GOOD, SCSI_RESPONSE_UNDERFLOW, 0xffffffff, 0},
		{1000, SCSI_GOOD, SCSI_RESPONSE_OVERFLOW, 5, 0},
		{999, SCSI_GOOD, SCSI_RESPONSE_OVERFLOW, 5, -EPROTO},
		{1000, SCSI_GOOD, SCSI_RESPONSE_OVERFLOW | SCSI_RESPONSE_UNDERFLOW, 0, -EPROTO},
		{1000, SCSI_BUSY, SCSI_RESPONSE_OVERFLOW | SCSI_RESPONSE_UNDERFLOW, 0, -EPROTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const __typeof__(*rows) *row = &rows[i / 2];
		bool write = i % 2;
		struct fixture f;
		void *data;

		setup(&f, write ? SCSI_DATA_OUT : SCSI_DATA_IN, 1000);
		task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
		if (row->moved && write) {
			assert_int_equal(give_r2t(&f, 1, 0, 0, row->moved), 0);
			task_data_pdu(&f.task, &f.negotiated, &f.slot);
		} else if (row->moved) {
			assert_int_equal(give_data_in(&f, 0, 0, row->moved, &data), 0);
		}
		if (respond(&f, row->status, row->flags, row->residual) != row->want)
			fail_msg("row %zu", i / 2);
		if (row->want == 0)
			assert_int_equal(f.command.result.outcome, SCSI_COMPLETED);
	}
}

static void a_started_task_remembers_nothing_of_the_one_before(void **state)
{
	struct fixture f;
	void *data;

	setup(&f, SCSI_DATA_OUT, 1000);
	f.negotiated.initial_r2t = false;
	task_command_pdu(&f.task, &f.negotiated, 1, &f.slot);
	give_r2t(&f, 1, 0, 0, 1);
	f.task.abort_wanted = f.task.abort_rejected = true;
	task_start(&f.task, &f.nexus, &f.command);
	assert_false(task_has_data(&f.task));
	assert_false(f.task.abort_wanted);
	assert_false(f.task.abort_rejected);
	assert_int_equal(f.task.leaving, 0);
	f.negotiated.initial_r2t = true;
	task_command_pdu(&f.task, &f.negotiated, 2, &f.slot);
	assert_int_equal(give_r2t(&f, 1, 0, 0, 1), 0);
	f.command.direction = SCSI_DATA_IN;
	task_start(&f.task, &f.nexus, &f.command);
	task_command_pdu(&f.task, &f.negotiated, 3, &f.slot);
	assert_int_equal(give_data_in(&f, 0, 0, 1000, &data), 0);
	assert_int_equal(respond(&f, SCSI_GOOD, 0, 0), 0);
	assert_int_equal(f.command.result.sense_length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_pdu_says_what_the_command_is),
		cmocka_unit_test(the_first_burst_is_as_agreed),
		cmocka_unit_test(r2ts_are_answered_in_their_order_and_in_full),
		cmocka_unit_test(as_many_r2ts_as_agreed_and_no_more),
		cmocka_unit_test(r2ts_are_checked),
		cmocka_unit_test(only_writes_are_asked_for_data),
		cmocka_unit_test(data_in_is_checked),
		cmocka_unit_test(good_means_that_the_data_went_over),
		cmocka_unit_test(a_started_task_remembers_nothing_of_the_one_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
