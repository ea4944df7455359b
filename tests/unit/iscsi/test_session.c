/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The life of a session: numbers and windows, pings, aborts, logout, loss. For data see
 * test_transfer.c, for what a target must not send test_hostile.c.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session_fixture.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define TAG_NONE RESERVED_TAG

/* Answer the oldest command that was taken by nobody yet. */
static const struct bhs_scsi_command *take_command(struct fixture *f)
{
	return target_take(&f->target, PDU_SCSI_COMMAND);
}

static void respond_to(struct fixture *f, const struct bhs_scsi_command *command)
{
	target_respond(&f->target, command->initiator_task_tag, SCSI_GOOD);
	fixture_run(f);
}

static struct io *submit_test(struct fixture *f)
{
	struct io *io = io_make(f, SCSI_NO_DATA, 0, 0);

	assert_int_equal(io_submit(io), 0);
	return io;
}

/* --- up and down --- */

static void commands_are_refused_while_it_is_not_attached(void **state)
{
	struct fixture f;
	struct io *io;

	fixture_start(&f, true);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "for the test");
	session_logout(f.session);
	session_drop(f.session, "again");
	assert_int_equal(fake_ring_timers(f.ring), 0);
	io = io_make(&f, SCSI_NO_DATA, 0, 0);
	assert_int_equal(io_submit(io), -ENOTCONN);
	assert_int_equal(f.nexus->ops->execute(f.nexus, &io->command), -ENOTCONN);
	fixture_attach(&f);
	assert_int_equal(io_submit(io), 0);
	fixture_run(&f);
	respond_to(&f, take_command(&f));
	io_ended(io, SCSI_COMPLETED);
	fixture_deinit(&f);
}

static void a_second_connection_is_refused_and_closed(void **state)
{
	struct fixture f;
	struct fake_wire *other;

	fixture_start(&f, true);
	other = fake_wire_new(f.ring);
	assert_int_equal(
		session_attach(f.session, fake_wire_fd(other), &f.negotiated, &f.outcome, NULL, 0),
		-EBUSY);
	assert_true(fake_wire_closed(other));
	fake_wire_free(other);
	assert_true(session_attached(f.session));
	fixture_deinit(&f);
}

static void units_are_made_once_and_follow_the_connection(void **state)
{
	struct nexus *first, *second;
	struct fixture f;

	fixture_start(&f, true);
	assert_int_equal(session_unit(f.session, 7, &first), 0);
	assert_int_equal(session_unit(f.session, 7, &second), 0);
	assert_ptr_equal(first, second);
	assert_ptr_not_equal(first, f.nexus);
	assert_true(first->up);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	assert_false(first->up);
	assert_int_equal(session_unit(f.session, 9, &second), 0);
	assert_false(second->up);
	fixture_attach(&f);
	assert_true(first->up && second->up);
	fixture_deinit(&f);
}

static void a_tag_is_not_used_again_soon(void **state)
{
	be32 tags[200];
	struct fixture f;

	fixture_start(&f, false);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		const struct bhs_scsi_command *command;

		if (i == 100) {
			session_drop(f.session, "for the test");
			fixture_run(&f);
			fixture_attach(&f);
		}
		submit_test(&f);
		fixture_run(&f);
		command = take_command(&f);
		tags[i] = command->initiator_task_tag;
		respond_to(&f, command);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(be32_get(tags[j]), be32_get(tags[i]));
	}
	fixture_deinit(&f);
}

/* --- bytes that came with the login --- */

struct early {
	struct target target;
	struct fake_wire *wire;
	struct negotiated negotiated;
};

static void early_init(struct early *early, struct fixture *f)
{
	fixture_init(f);
	fixture_attach(f);
	session_drop(f->session, "to attach again");
	fixture_run(f);
	f->lost = 0;
	early->negotiated = f->negotiated;
	early->wire = fake_wire_new(f->ring);
	target_init(&early->target, early->wire, &early->negotiated, 0);
	early->target.exp_cmd_sn = 1;
	early->target.max_cmd_sn = 32;
	early->target.stat_sn = 1;
}

/* What the early target said becomes the bytes behind the login response. */
static void early_attach(struct early *early, struct fixture *f)
{
	size_t length;
	const uint8_t *bytes = fake_wire_unread(early->wire, &length);

	fixture_attach_early(f, bytes, length);
	target_deinit(&early->target);
	fake_wire_free(early->wire);
}

static void bytes_behind_the_login_response_are_heard(void **state)
{
	struct early early;
	struct fixture f;

	early_init(&early, &f);
	target_nop_in(&early.target, TAG_NONE, 77, 5);
	early_attach(&early, &f);
	fixture_run(&f);
	assert_int_equal(be32_get(((const struct bhs_nop_out *)target_take(&f.target, PDU_NOP_OUT))
					  ->target_transfer_tag),
			 77);
	fixture_deinit(&f);
}

static void a_fault_in_early_bytes_ends_the_connection(void **state)
{
	struct bhs_nop_in nop = {.opcode = PDU_NOP_IN, .total_ahs_length = 1};
	struct early early;
	struct fixture f;

	early_init(&early, &f);
	target_emit(&early.target, &nop, NULL, 0);
	early_attach(&early, &f);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "malformed");
	fixture_deinit(&f);

	early_init(&early, &f);
	f.negotiated.header_digest = early.negotiated.header_digest = true;
	nop = (struct bhs_nop_in){.opcode = PDU_NOP_IN};
	early.negotiated.header_digest = false;
	target_emit(&early.target, &nop, NULL, 0);
	target_emit(&early.target, &nop, NULL, 0);
	early_attach(&early, &f);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_DIGEST, "digest");
	fixture_deinit(&f);
}

static void an_end_announced_early_ends_the_connection(void **state)
{
	struct early early;
	struct fixture f;

	early_init(&early, &f);
	target_async(&early.target, ASYNC_SESSION_DROP, 4, 0);
	early_attach(&early, &f);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_ASKED, "drops");
	assert_int_equal(f.wait_s, 4);
	fixture_deinit(&f);
}

static void more_early_bytes_than_a_login_can_leave_are_refused(void **state)
{
	static const uint8_t bytes[1 << 17];
	struct fake_wire *wire;
	struct fixture f;

	fixture_start(&f, false);
	session_drop(f.session, "to attach again");
	fixture_run(&f);
	wire = fake_wire_new(f.ring);
	assert_int_equal(session_attach(f.session, fake_wire_fd(wire), &f.negotiated, &f.outcome,
					bytes, sizeof(bytes)),
			 -ENOBUFS);
	assert_true(fake_wire_closed(wire));
	assert_false(session_attached(f.session));
	fake_wire_free(wire);
	fixture_deinit(&f);
}

/* --- numbers (RFC 7143 §4.2.2) --- */

static void cmd_sn_begins_where_the_login_ended_and_wraps(void **state)
{
	static const uint32_t first[] = {0, 1, 0x7fffffe0, 0x7fffffff, 0xffffffe0, 0xffffffff};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		struct io *ios[100];
		struct fixture f;

		fixture_init(&f);
		f.outcome.cmd_sn = f.outcome.exp_cmd_sn = first[i];
		f.outcome.max_cmd_sn = first[i] + 7;
		fixture_attach(&f);
		f.target.serves = true;
		for (size_t j = 0; j < ARRAY_SIZE(ios); j++)
			ios[j] = io_read(&f, 0, 10);
		fixture_run(&f);
		for (size_t j = 0; j < ARRAY_SIZE(ios); j++)
			io_ended(ios[j], SCSI_COMPLETED);
		assert_int_equal(f.target.exp_cmd_sn, first[i] + 100);
		fixture_deinit(&f);
	}
}

static void start_with_closed_window(struct fixture *f)
{
	fixture_init(f);
	f->outcome.max_cmd_sn = f->outcome.cmd_sn - 1;
	fixture_attach(f);
	f->target.window = 0;
}

static void every_pdu_may_open_the_window(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		const struct bhs_scsi_command *command;
		struct fixture f;
		struct io *io, *held;

		fixture_init(&f);
		f.outcome.max_cmd_sn = f.outcome.cmd_sn;
		f.negotiated.immediate_data = false;
		fixture_attach(&f);
		f.target.window = 0;
		io = kind == 1 ? io_read(&f, 0, 4) : io_write(&f, 0, 4);
		held = submit_test(&f);
		fixture_run(&f);
		command = take_command(&f);
		assert_true(target_idle(&f.target));
		f.target.max_cmd_sn++;
		if (kind == 0)
			target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
		else if (kind == 1)
			target_data_in(&f.target, command->initiator_task_tag, 0, 0, "data", 4, 0);
		else if (kind == 2)
			target_r2t(&f.target, command, 1, 0, 0, 4);
		else
			target_async(&f.target, 255, 0, 0);
		fixture_run(&f);
		assert_int_equal(f.target.counts[PDU_SCSI_COMMAND], 2);
		assert_int_equal(f.target.counts[PDU_DATA_OUT], kind == 2);
		io_pending(io);
		io_pending(held);
		fixture_deinit(&f);
	}
}

static void the_window_only_moves_forward(void **state)
{
	struct fixture f;
	struct io *ios[3];

	start_with_closed_window(&f);
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = submit_test(&f);
	f.target.max_cmd_sn = 2; /* two commands */
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	f.target.max_cmd_sn = 0; /* an older number, which says nothing */
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	f.target.exp_cmd_sn = 100; /* MaxCmdSN < ExpCmdSN - 1: neither counts */
	f.target.max_cmd_sn = 98;
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	f.target.exp_cmd_sn = 1;
	f.target.max_cmd_sn = 2;
	fixture_run(&f);
	respond_to(&f, take_command(&f));
	respond_to(&f, take_command(&f));
	io_ended(ios[1], SCSI_COMPLETED);
	io_pending(ios[2]);
	assert_true(target_idle(&f.target));
	fixture_deinit(&f);
}

static void pings_and_aborts_pass_a_closed_window(void **state)
{
	struct fixture f;
	struct io *io, *held;

	fixture_init(&f);
	f.outcome.max_cmd_sn = f.outcome.cmd_sn;
	fixture_attach(&f);
	io = submit_test(&f);
	held = submit_test(&f);
	f.target.window = 0;
	fixture_run(&f);
	take_command(&f);
	target_nop_in(&f.target, TAG_NONE, 3, FIXTURE_LUN);
	fixture_run(&f);
	target_take(&f.target, PDU_NOP_OUT);
	io_abort(io);
	fixture_run(&f);
	target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	assert_true(target_idle(&f.target));
	io_pending(held);
	fixture_deinit(&f);
}

static void every_answer_is_acknowledged_by_exp_stat_sn(void **state)
{
	static const uint32_t first[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
	const struct bhs_data_out late = {.opcode = PDU_DATA_OUT};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		struct fixture f;

		fixture_init(&f);
		f.outcome.exp_stat_sn = first[i];
		fixture_attach(&f);
		for (unsigned n = 0; n < 5; n++) {
			const struct bhs_scsi_command *command;

			submit_test(&f);
			fixture_run(&f);
			command = take_command(&f);
			/* the answer before, the async message and the reject behind it */
			assert_int_equal(be32_get(command->exp_stat_sn), first[i] + 3 * n);
			respond_to(&f, command);
			target_async(&f.target, 200, 0, 0);
			target_reject(&f.target, REJECT_PROTOCOL_ERROR, &late);
			/* these carry the next StatSN and consume none (§4.2.2.2) */
			target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
			fixture_run(&f);
		}
		assert_int_equal(f.lost, 0);
		fixture_deinit(&f);
	}
}

static void a_missing_answer_ends_the_session(void **state)
{
	static const uint32_t gaps[] = {1, 2, 0x40000000, 0x7ffffffe};

	for (size_t i = 0; i < ARRAY_SIZE(gaps); i++) {
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		io = submit_test(&f);
		fixture_run(&f);
		f.target.stat_sn += gaps[i];
		respond_to(&f, take_command(&f));
		fixture_lost(&f, SESSION_LOSS_PROTOCOL, "StatSN");
		io_ended(io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void a_repeated_answer_is_dropped(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *first, *second;

	fixture_start(&f, false);
	first = submit_test(&f);
	second = submit_test(&f);
	fixture_run(&f);
	respond_to(&f, take_command(&f));
	command = take_command(&f);
	f.target.stat_sn--;
	respond_to(&f, command);
	io_ended(first, SCSI_COMPLETED);
	io_pending(second);
	respond_to(&f, command);
	io_ended(second, SCSI_COMPLETED);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

/* --- pings (§11.18, §11.19) --- */

static void the_targets_pings_are_answered(void **state)
{
	static const uint32_t tags[] = {0, 1, 0x7fffffff, 0xfffffffe};
	struct fixture f;

	fixture_start(&f, false);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		const struct bhs_nop_out *nop;

		target_nop_in(&f.target, TAG_NONE, tags[i], 0x0102030405060708);
		fixture_run(&f);
		nop = target_take(&f.target, PDU_NOP_OUT);
		assert_int_equal(be32_get(nop->initiator_task_tag), RESERVED_TAG);
		assert_int_equal(be32_get(nop->target_transfer_tag), tags[i]);
		assert_int_equal(be64_get(nop->lun), 0x0102030405060708);
	}
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	fixture_run(&f);
	assert_true(target_idle(&f.target));
	fixture_deinit(&f);
}

static void many_pings_at_once_are_answered_in_their_order(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	for (uint32_t i = 0; i < 16; i++)
		target_nop_in(&f.target, TAG_NONE, 100 + i, i);
	fixture_run(&f);
	for (uint32_t i = 0; i < 16; i++) {
		const struct bhs_nop_out *nop = target_take(&f.target, PDU_NOP_OUT);

		assert_int_equal(be32_get(nop->target_transfer_tag), 100 + i);
		assert_int_equal(be64_get(nop->lun), i);
	}
	fixture_deinit(&f);
}

static void a_flood_of_pings_ends_the_connection(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	submit_test(&f);
	fake_wire_hold(f.wire, true);
	for (uint32_t i = 0; i < 16; i++)
		target_nop_in(&f.target, TAG_NONE, i, 0);
	fixture_run(&f);
	assert_int_equal(f.lost, 0);
	target_nop_in(&f.target, TAG_NONE, 16, 0);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "pings");
	fixture_deinit(&f);
}

static void start_with_pings(struct fixture *f)
{
	fixture_init(f);
	f->settings.noop_interval_ms = 5000;
	f->settings.noop_timeout_ms = 3000;
	f->settings.suspect_ms = 250;
	f->settings.suspect_timeout_ms = 750;
	fixture_attach(f);
}

static void an_idle_connection_is_pinged_and_dropped_when_it_stays_silent(void **state)
{
	const struct bhs_nop_out *nop;
	struct fixture f;

	start_with_pings(&f);
	for (unsigned i = 0; i < 3; i++) {
		fixture_advance(&f, 4999);
		assert_true(target_idle(&f.target));
		fixture_advance(&f, 1);
		nop = target_take(&f.target, PDU_NOP_OUT);
		assert_int_equal(be32_get(nop->target_transfer_tag), RESERVED_TAG);
		target_nop_in(&f.target, be32_get(nop->initiator_task_tag), TAG_NONE, 0);
		fixture_run(&f);
	}
	fixture_advance(&f, 5000);
	target_take(&f.target, PDU_NOP_OUT);
	fixture_advance(&f, 2999);
	assert_int_equal(f.lost, 0);
	fixture_advance(&f, 1);
	fixture_lost(&f, SESSION_LOSS_TIMEOUT, "does not answer");
	assert_int_equal(session_get_statistics(f.session)->timeout_err, 1);
	fixture_deinit(&f);
}

static void silence_under_commands_is_noticed_soon_when_there_are_other_paths(void **state)
{
	struct fixture f;
	struct io *io;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	fixture_advance(&f, 2000);
	io = submit_test(&f);
	fixture_advance(&f, 249);
	take_command(&f);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 1);
	target_take(&f.target, PDU_NOP_OUT);
	fixture_advance(&f, 749);
	assert_int_equal(f.lost, 0);
	fixture_advance(&f, 1);
	fixture_lost(&f, SESSION_LOSS_TIMEOUT, "does not answer");
	io_ended(io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void another_path_that_comes_later_makes_it_hurry(void **state)
{
	struct fixture f;

	start_with_pings(&f);
	submit_test(&f);
	fixture_advance(&f, 1000);
	take_command(&f);
	assert_true(target_idle(&f.target));
	nexus_set_last_path(f.nexus, false);
	fixture_advance(&f, 250);
	target_take(&f.target, PDU_NOP_OUT);
	fixture_deinit(&f);
}

static void silence_after_the_last_command_is_no_reason_to_hurry(void **state)
{
	struct fixture f;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	submit_test(&f);
	fixture_advance(&f, 200);
	respond_to(&f, take_command(&f));
	fixture_advance(&f, 4999);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 1);
	target_take(&f.target, PDU_NOP_OUT);
	fixture_deinit(&f);
}

static void the_last_path_is_given_its_full_time(void **state)
{
	struct fixture f;
	struct io *io;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	nexus_set_last_path(f.nexus, true);
	io = submit_test(&f);
	fixture_advance(&f, 4999);
	take_command(&f);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 1 + 2999);
	io_pending(io);
	fixture_advance(&f, 1);
	io_ended(io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void a_slow_command_on_a_target_that_answers_pings_stays(void **state)
{
	struct fixture f;
	struct io *io;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	io = submit_test(&f);
	fixture_run(&f);
	take_command(&f);
	for (unsigned i = 0; i < 40; i++) {
		const struct bhs_nop_out *nop;

		fixture_advance(&f, 250);
		nop = target_take(&f.target, PDU_NOP_OUT);
		fixture_advance(&f, 700);
		target_nop_in(&f.target, be32_get(nop->initiator_task_tag), TAG_NONE, 0);
		fixture_run(&f);
	}
	io_pending(io);
	fixture_deinit(&f);
}

static void a_ping_that_cannot_leave_counts_as_unanswered(void **state)
{
	struct fixture f;
	struct io *io;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	fake_wire_hold(f.wire, true);
	io = submit_test(&f);
	fixture_advance(&f, 1000);
	fixture_lost(&f, SESSION_LOSS_TIMEOUT, "does not answer");
	io_ended(io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void the_answer_to_an_earlier_ping_does_not_count(void **state)
{
	const struct bhs_nop_out *first;
	struct fixture f;

	start_with_pings(&f);
	fixture_advance(&f, 5000);
	first = target_take(&f.target, PDU_NOP_OUT);
	target_nop_in(&f.target, be32_get(first->initiator_task_tag), TAG_NONE, 0);
	fixture_advance(&f, 5000);
	target_take(&f.target, PDU_NOP_OUT);
	target_nop_in(&f.target, be32_get(first->initiator_task_tag), TAG_NONE, 0);
	target_reject(&f.target, REJECT_IMMEDIATE_COMMAND, first);
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	fixture_advance(&f, 3000);
	fixture_lost(&f, SESSION_LOSS_TIMEOUT, "does not answer");
	fixture_deinit(&f);
}

static void a_rejected_ping_shows_life(void **state)
{
	struct fixture f;

	start_with_pings(&f);
	for (unsigned i = 0; i < 3; i++) {
		fixture_advance(&f, 5000);
		target_reject(&f.target, REJECT_IMMEDIATE_COMMAND,
			      target_take(&f.target, PDU_NOP_OUT));
		fixture_run(&f);
	}
	fixture_advance(&f, 4999);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

/* --- aborts and deadlines (§11.5, §11.6) --- */

static void an_abort_names_the_task_and_its_answer_ends_it(void **state)
{
	static const uint8_t over[] = {TASK_MANAGEMENT_COMPLETE, TASK_MANAGEMENT_NO_TASK,
				       TASK_MANAGEMENT_NO_LUN};

	for (size_t i = 0; i < ARRAY_SIZE(over); i++) {
		const struct bhs_task_management_request *request;
		const struct bhs_scsi_command *command;
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		submit_test(&f);
		io = io_read(&f, 0, 10);
		fixture_run(&f);
		respond_to(&f, take_command(&f));
		command = take_command(&f);
		io_abort(io);
		io_abort(io);
		fixture_run(&f);
		request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
		assert_int_equal(request->flags, PDU_FINAL | TASK_MANAGEMENT_ABORT_TASK);
		assert_memory_equal(&request->lun, &command->lun, 8);
		assert_int_equal(be32_get(request->referenced_task_tag),
				 be32_get(command->initiator_task_tag));
		assert_int_equal(be32_get(request->ref_cmd_sn), be32_get(command->cmd_sn));
		assert_int_not_equal(be32_get(request->initiator_task_tag),
				     be32_get(command->initiator_task_tag));
		io_pending(io);
		target_management_respond(&f.target, request->initiator_task_tag, over[i]);
		fixture_run(&f);
		io_ended(io, SCSI_ABORTED);
		assert_true(target_idle(&f.target));

		/* what comes late reaches nobody: data, status, R2T, the answer once more */
		target_data_in(&f.target, command->initiator_task_tag, 0, 0, "0123456789", 10, 0);
		respond_to(&f, command);
		target_r2t(&f.target, command, 4, 0, 0, 1);
		target_management_respond(&f.target, request->initiator_task_tag, 0);
		fixture_run(&f);
		assert_int_equal(f.lost, 0);
		fixture_deinit(&f);
	}
}

static void an_answer_that_crosses_the_abort_counts(void **state)
{
	const struct bhs_task_management_request *request;
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = submit_test(&f);
	fixture_run(&f);
	command = take_command(&f);
	io_abort(io);
	fixture_run(&f);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	respond_to(&f, command);
	io_ended(io, SCSI_COMPLETED);
	target_management_respond(&f.target, request->initiator_task_tag, TASK_MANAGEMENT_NO_TASK);
	fixture_run(&f);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void a_refused_abort_ends_the_session(void **state)
{
	static const uint8_t refusals[] = {
		TASK_MANAGEMENT_STILL_ALLEGIANT, TASK_MANAGEMENT_REASSIGN_NOT_SUPPORTED,
		TASK_MANAGEMENT_NOT_SUPPORTED,	 TASK_MANAGEMENT_NOT_AUTHORIZED,
		TASK_MANAGEMENT_SUCCEEDED,	 8,
		TASK_MANAGEMENT_REJECTED};

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct bhs_task_management_request *request;
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		io = submit_test(&f);
		fixture_run(&f);
		take_command(&f);
		io_abort(io);
		fixture_run(&f);
		request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
		target_management_respond(&f.target, request->initiator_task_tag, refusals[i]);
		fixture_run(&f);
		fixture_lost(&f, SESSION_LOSS_PROTOCOL, "abort");
		io_ended(io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

/* Two commands are aborted; the request for the first was rejected for @reason. */
static void reject_an_abort(struct fixture *f, struct io *ios[2], uint8_t reason,
			    const struct bhs_scsi_command **command)
{
	fixture_init(f);
	f->settings.abort_timeout_ms = 700;
	fixture_attach(f);
	for (unsigned i = 0; i < 2; i++)
		ios[i] = submit_test(f);
	fixture_run(f);
	*command = take_command(f);
	take_command(f);
	io_abort(ios[0]);
	io_abort(ios[1]);
	fixture_run(f);
	target_reject(&f->target, reason, target_take(&f->target, PDU_TASK_MANAGEMENT_REQUEST));
	fixture_run(f);
}

static void an_abort_without_room_is_tried_again_a_little_later(void **state)
{
	const struct bhs_task_management_request *request;
	const struct bhs_scsi_command *command;
	struct io *ios[2];
	struct fixture f;

	reject_an_abort(&f, ios, REJECT_IMMEDIATE_COMMAND, &command);
	fixture_advance(&f, 99);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 1);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	assert_true(target_idle(&f.target));
	assert_int_equal(be32_get(request->referenced_task_tag),
			 be32_get(command->initiator_task_tag));
	assert_int_equal(be32_get(request->ref_cmd_sn), be32_get(command->cmd_sn));
	/* it has its whole time to be answered */
	fixture_advance(&f, 699);
	assert_int_equal(f.lost, 0);
	target_management_respond(&f.target, request->initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(ios[0], SCSI_ABORTED);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	target_management_respond(&f.target, request->initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(ios[1], SCSI_ABORTED);
	fixture_advance(&f, 10000);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void an_abort_that_is_rejected_twice_ends_the_session(void **state)
{
	const struct bhs_scsi_command *command;
	struct io *ios[2];
	struct fixture f;

	reject_an_abort(&f, ios, REJECT_IMMEDIATE_COMMAND, &command);
	fixture_advance(&f, 100);
	target_reject(&f.target, REJECT_IMMEDIATE_COMMAND,
		      target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST));
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "task management");
	io_ended(ios[0], SCSI_IN_DOUBT);
	io_ended(ios[1], SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void an_abort_that_is_rejected_for_another_reason_ends_the_session(void **state)
{
	for (unsigned reason = 0; reason < 256; reason++) {
		const struct bhs_scsi_command *command;
		struct io *ios[2];
		struct fixture f;

		if (reason == REJECT_IMMEDIATE_COMMAND)
			continue;
		reject_an_abort(&f, ios, (uint8_t)reason, &command);
		fixture_lost(&f, SESSION_LOSS_PROTOCOL, "task management");
		io_ended(ios[0], SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void a_task_that_ends_by_itself_meanwhile_is_not_aborted_again(void **state)
{
	const struct bhs_task_management_request *request;
	const struct bhs_scsi_command *command;
	struct io *ios[2];
	struct fixture f;

	reject_an_abort(&f, ios, REJECT_IMMEDIATE_COMMAND, &command);
	respond_to(&f, command);
	io_ended(ios[0], SCSI_COMPLETED);
	fixture_advance(&f, 100);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	assert_int_not_equal(be32_get(request->referenced_task_tag),
			     be32_get(command->initiator_task_tag));
	target_management_respond(&f.target, request->initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(ios[1], SCSI_ABORTED);
	fixture_advance(&f, 10000);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void the_reject_of_an_abort_that_is_over_means_nothing(void **state)
{
	const struct bhs_task_management_request *request;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = submit_test(&f);
	fixture_run(&f);
	take_command(&f);
	io_abort(io);
	fixture_run(&f);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	target_management_respond(&f.target, request->initiator_task_tag, 0);
	for (unsigned i = 0; i < 3; i++)
		target_reject(&f.target, REJECT_IMMEDIATE_COMMAND, request);
	fixture_run(&f);
	io_ended(io, SCSI_ABORTED);
	fixture_advance(&f, 10000);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void an_abort_that_was_answered_has_no_timeout(void **state)
{
	const struct bhs_task_management_request *request;
	struct fixture f;
	struct io *io;

	fixture_init(&f);
	f.settings.abort_timeout_ms = 700;
	fixture_attach(&f);
	io = submit_test(&f);
	fixture_run(&f);
	take_command(&f);
	io_abort(io);
	fixture_run(&f);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	target_management_respond(&f.target, request->initiator_task_tag, 0);
	fixture_advance(&f, 1000);
	io_ended(io, SCSI_ABORTED);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void an_abort_that_is_not_answered_ends_the_session(void **state)
{
	struct fixture f;
	struct io *io;

	fixture_init(&f);
	f.settings.abort_timeout_ms = 700;
	fixture_attach(&f);
	io = submit_test(&f);
	fixture_run(&f);
	io_abort(io);
	fixture_advance(&f, 699);
	assert_int_equal(f.lost, 0);
	fixture_advance(&f, 1);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "task management");
	io_ended(io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void any_number_of_aborts_goes_out_one_by_one(void **state)
{
	struct io *ios[60];
	struct fixture f;

	fixture_init(&f);
	f.outcome.max_cmd_sn = 100;
	fixture_attach(&f);
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = submit_test(&f);
	fixture_run(&f);
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++) {
		take_command(&f);
		io_abort(ios[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++) {
		const struct bhs_task_management_request *request;

		fixture_run(&f);
		request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
		assert_true(target_idle(&f.target));
		target_management_respond(&f.target, request->initiator_task_tag, 0);
		fixture_run(&f);
		io_ended(ios[i], SCSI_ABORTED);
	}
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void what_was_not_sent_is_given_back_by_an_abort(void **state)
{
	struct io *queued, *waiting, *other;
	struct fixture f;

	fixture_init(&f);
	f.settings.commands_max = 1;
	f.outcome.max_cmd_sn = f.outcome.cmd_sn - 1;
	fixture_attach(&f);
	f.target.window = 0;
	queued = io_write(&f, 0, 100);
	other = io_write(&f, 0, 100);
	waiting = io_write(&f, 0, 100);
	fixture_run(&f);
	io_abort(waiting);
	fixture_run(&f);
	io_ended(waiting, SCSI_NOT_SENT);
	io_abort(queued);
	io_abort(queued);
	fixture_run(&f);
	io_ended(queued, SCSI_NOT_SENT);
	io_pending(other);
	f.target.max_cmd_sn = 1;
	target_nop_in(&f.target, TAG_NONE, TAG_NONE, 0);
	fixture_run(&f);
	respond_to(&f, take_command(&f));
	io_ended(other, SCSI_COMPLETED);
	assert_true(target_idle(&f.target));
	fixture_deinit(&f);
}

static void aborts_and_the_loss_in_one_turn_end_each_command_once(void **state)
{
	struct io *queued, *waiting;
	struct fixture f;

	fixture_init(&f);
	f.settings.commands_max = 1;
	f.outcome.max_cmd_sn = f.outcome.cmd_sn - 1;
	fixture_attach(&f);
	queued = submit_test(&f);
	waiting = submit_test(&f);
	fixture_run(&f);
	io_abort(queued);
	io_abort(waiting);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	io_ended(queued, SCSI_NOT_SENT);
	io_ended(waiting, SCSI_NOT_SENT);
	fixture_deinit(&f);
}

static struct io *submit_with_timeout(struct fixture *f, uint32_t timeout_ms)
{
	struct io *io = io_make(f, SCSI_NO_DATA, 0, 0);

	io->command.timeout_ms = timeout_ms;
	assert_int_equal(io_submit(io), 0);
	return io;
}

static void a_deadline_aborts_what_was_sent(void **state)
{
	struct fixture f;
	struct io *io, *patient;

	fixture_start(&f, false);
	io = submit_with_timeout(&f, 2000);
	patient = submit_with_timeout(&f, 60000);
	fixture_advance(&f, 1999);
	take_command(&f);
	take_command(&f);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 251);
	target_management_respond(&f.target,
				  ((const struct bhs_task_management_request *)target_take(
					   &f.target, PDU_TASK_MANAGEMENT_REQUEST))
					  ->initiator_task_tag,
				  0);
	fixture_run(&f);
	io_ended(io, SCSI_ABORTED);
	io_pending(patient);
	fixture_deinit(&f);
}

/* The time counts from the submission, wherever the command waits. */
static void a_deadline_ends_what_was_not_sent(void **state)
{
	struct io *queued, *waiting, *patient;
	struct fixture f;

	fixture_init(&f);
	f.settings.commands_max = 1;
	f.outcome.max_cmd_sn = f.outcome.cmd_sn - 1;
	fixture_attach(&f);
	queued = submit_with_timeout(&f, 1000);
	waiting = submit_with_timeout(&f, 2000);
	patient = submit_test(&f);
	fixture_advance(&f, 999);
	io_pending(queued);
	fixture_advance(&f, 251);
	io_ended(queued, SCSI_NOT_SENT);
	fixture_advance(&f, 749);
	io_pending(waiting);
	fixture_advance(&f, 251);
	io_ended(waiting, SCSI_NOT_SENT);
	assert_int_equal(fake_ring_timers(f.ring), 1); /* that of the closed window */
	fixture_advance(&f, 5000);
	io_pending(patient);
	fixture_deinit(&f);
}

static void waiting_commands_have_deadlines_too(void **state)
{
	struct fixture f;
	struct io *sent, *waiting;

	fixture_init(&f);
	f.settings.commands_max = 1;
	fixture_attach(&f);
	sent = submit_test(&f);
	waiting = submit_with_timeout(&f, 500);
	fixture_advance(&f, 750);
	io_ended(waiting, SCSI_NOT_SENT);
	io_pending(sent);
	fixture_deinit(&f);
}

/* --- logout (§11.14, §11.15) --- */

static const struct bhs_logout_request *take_logout(struct fixture *f)
{
	const struct bhs_logout_request *request = target_take(&f->target, PDU_LOGOUT_REQUEST);

	assert_int_equal(request->flags, PDU_FINAL | LOGOUT_CLOSE_SESSION);
	assert_true(target_idle(&f->target));
	return request;
}

static void respond_to_logout(struct fixture *f, uint8_t response)
{
	target_logout_respond(&f->target, take_logout(f)->initiator_task_tag, response);
	fixture_run(f);
}

static void an_idle_session_logs_out_at_once(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	session_logout(f.session);
	session_logout(f.session);
	assert_false(f.nexus->up);
	assert_int_equal(f.nexus->ops->execute(f.nexus, &io_make(&f, SCSI_NO_DATA, 0, 0)->command),
			 -ENOTCONN);
	list_first(&f.ios, struct io, link)->done = 1; /* it never was in the session */
	fixture_run(&f);
	respond_to_logout(&f, LOGOUT_CLOSED);
	fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
	session_logout(f.session);
	fixture_deinit(&f);
}

static void a_logout_lets_running_commands_end(void **state)
{
	const struct bhs_scsi_command *command;
	struct io *sent, *waiting;
	struct fixture f;

	fixture_init(&f);
	f.settings.commands_max = 1;
	fixture_attach(&f);
	sent = submit_test(&f);
	waiting = submit_test(&f);
	fixture_run(&f);
	session_logout(f.session);
	fixture_advance(&f, 1000);
	command = take_command(&f);
	assert_true(target_idle(&f.target));
	respond_to(&f, command);
	respond_to(&f, take_command(&f));
	io_ended(sent, SCSI_COMPLETED);
	io_ended(waiting, SCSI_COMPLETED);
	respond_to_logout(&f, LOGOUT_CLOSED);
	fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
	fixture_deinit(&f);
}

/* Commands that never end: the logout goes out all the same, and nothing behind it. */
static void start_late_logout(struct fixture *f, struct io **sent, struct io **queued)
{
	const struct bhs_scsi_command *command;

	fixture_init(f);
	f->outcome.max_cmd_sn = f->outcome.cmd_sn;
	fixture_attach(f);
	f->target.window = 0;
	*sent = io_write(f, 0, 30000);
	*queued = io_write(f, 0, 30000);
	fixture_run(f);
	command = take_command(f);
	session_logout(f->session);
	fixture_advance(f, 1999);
	assert_true(target_idle(&f->target));
	fixture_advance(f, 1);
	target_nop_in(&f->target, TAG_NONE, 4, 0);
	f->target.max_cmd_sn += 10;
	target_r2t(&f->target, command, 1, 0, 8192, 100);
	io_abort(*sent);
	fixture_run(f);
}

static void the_answer_to_a_logout_ends_all_tasks(void **state)
{
	struct io *sent, *queued;
	struct fixture f;

	start_late_logout(&f, &sent, &queued);
	respond_to_logout(&f, LOGOUT_CLOSED);
	fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
	io_ended(sent, SCSI_ABORTED);
	io_ended(queued, SCSI_NOT_SENT);
	fixture_deinit(&f);
}

static void other_answers_to_a_logout_leave_tasks_in_doubt(void **state)
{
	static const struct {
		uint8_t response;
		enum session_loss loss;
		unsigned wait_s;
	} answers[] = {
		{LOGOUT_CID_NOT_FOUND, SESSION_LOSS_LOGOUT, 0},
		{LOGOUT_RECOVERY_NOT_SUPPORTED, SESSION_LOSS_CLOSED, 7},
		{LOGOUT_CLEANUP_FAILED, SESSION_LOSS_CLOSED, 7},
		{200, SESSION_LOSS_CLOSED, 7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct io *sent, *queued;
		struct fixture f;

		start_late_logout(&f, &sent, &queued);
		respond_to_logout(&f, answers[i].response);
		fixture_lost(&f, answers[i].loss, "");
		assert_int_equal(f.wait_s, answers[i].wait_s);
		io_ended(sent, SCSI_IN_DOUBT);
		io_ended(queued, SCSI_NOT_SENT);
		fixture_deinit(&f);
	}
}

static void a_logout_that_is_not_answered_ends_anyway(void **state)
{
	struct io *sent, *queued;
	struct fixture f;

	start_late_logout(&f, &sent, &queued);
	take_logout(&f);
	fixture_advance(&f, 9999);
	assert_int_equal(f.lost, 0);
	fixture_advance(&f, 1);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "logout");
	io_ended(sent, SCSI_IN_DOUBT);
	io_ended(queued, SCSI_NOT_SENT);
	fixture_deinit(&f);

	start_late_logout(&f, &sent, &queued);
	take_logout(&f);
	fake_wire_end(f.wire, 0);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_CLOSED, "closed");
	io_ended(sent, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void asking_again_does_not_prolong_a_logout(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	session_logout(f.session);
	fixture_advance(&f, 9000);
	take_logout(&f);
	target_async(&f.target, ASYNC_LOGOUT_REQUEST, 0, 60);
	fixture_advance(&f, 1000);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "logout");
	fixture_deinit(&f);
}

static void a_logout_without_a_limit_waits(void **state)
{
	struct fixture f;

	fixture_init(&f);
	f.settings.logout_timeout_ms = 0;
	fixture_attach(&f);
	session_logout(f.session);
	fixture_advance(&f, 60000);
	respond_to_logout(&f, LOGOUT_CLOSED);
	fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
	fixture_deinit(&f);
}

static void a_logout_that_cannot_leave_ends_anyway(void **state)
{
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	fake_wire_hold(f.wire, true);
	io = submit_test(&f);
	fixture_run(&f);
	session_logout(f.session);
	fixture_advance(&f, 2000 + 9999);
	assert_int_equal(f.lost, 0);
	fixture_advance(&f, 1);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "logout");
	io_ended(io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

/* --- async messages (§11.9) and rejects (§11.17) --- */

static void the_target_may_ask_for_a_logout(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = submit_test(&f);
	fixture_run(&f);
	command = take_command(&f);
	target_async(&f.target, ASYNC_LOGOUT_REQUEST, 0, 3);
	fixture_run(&f);
	assert_false(f.nexus->up);
	fixture_advance(&f, 1400);
	assert_true(target_idle(&f.target));
	respond_to(&f, command);
	io_ended(io, SCSI_COMPLETED);
	respond_to_logout(&f, LOGOUT_CLOSED);
	fixture_lost(&f, SESSION_LOSS_ASKED, "logged out");
	fixture_deinit(&f);
}

/* §11.9.1: within Parameter3 seconds */
static void the_logout_comes_in_the_time_that_the_target_gave(void **state)
{
	static const struct {
		uint16_t seconds;
		unsigned ms;
	} graces[] = {{0, 0}, {1, 500}, {2, 1000}, {10, 2000}, {65535, 2000}};

	for (size_t i = 0; i < ARRAY_SIZE(graces); i++) {
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		io = submit_test(&f);
		fixture_run(&f);
		take_command(&f);
		target_async(&f.target, ASYNC_LOGOUT_REQUEST, 0, graces[i].seconds);
		if (graces[i].ms) {
			fixture_advance(&f, graces[i].ms - 1);
			assert_true(target_idle(&f.target));
			fixture_advance(&f, 1);
		}
		fixture_run(&f);
		respond_to_logout(&f, LOGOUT_CLOSED);
		fixture_lost(&f, SESSION_LOSS_ASKED, "logged out");
		io_ended(io, SCSI_ABORTED);
		fixture_deinit(&f);
	}
}

static void our_own_wish_to_log_out_is_the_stronger_one(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct fixture f;

		fixture_start(&f, false);
		submit_test(&f);
		fixture_run(&f);
		take_command(&f);
		if (i)
			session_logout(f.session);
		target_async(&f.target, ASYNC_LOGOUT_REQUEST, 0, 60);
		fixture_run(&f);
		session_logout(f.session);
		if (!i) /* else the target's wish makes ours urgent */
			fixture_advance(&f, 2000);
		respond_to_logout(&f, LOGOUT_CLOSED);
		fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
		fixture_deinit(&f);
	}
}

static void an_announced_drop_is_taken_at_its_word(void **state)
{
	static const uint8_t events[] = {ASYNC_CONNECTION_DROP, ASYNC_SESSION_DROP};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		io = submit_test(&f);
		fixture_run(&f);
		target_async(&f.target, events[i], 9, 20);
		/* more behind it in the same bytes: nothing of it is read any more */
		target_nop_in(&f.target, TAG_NONE, 4, 0);
		fixture_run(&f);
		fixture_lost(&f, SESSION_LOSS_ASKED, "announced");
		assert_int_equal(f.wait_s, 9);
		io_ended(io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void other_events_are_handed_on(void **state)
{
	static const uint8_t events[] = {
		ASYNC_SCSI_EVENT, ASYNC_TASK_TERMINATION, 6, 247, 248, 255};
	struct fixture f;

	fixture_start(&f, false);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct bhs_async_message async = {
			.opcode = PDU_ASYNC_MESSAGE,
			.flags = PDU_FINAL,
			.lun = be64_of(FIXTURE_LUN + i),
			.initiator_task_tag = be32_of(RESERVED_TAG),
			.async_event = events[i],
		};
		static const uint8_t sense[20] = {0, 18, 0x70, 0, 6};

		target_send(&f.target, &async, sense, sizeof(sense));
		fixture_run(&f);
		assert_int_equal(f.async, i + 1);
		assert_int_equal(f.async_last.event, events[i]);
		assert_int_equal(f.async_last.lun, FIXTURE_LUN + i);
	}
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void send_unit_event(struct fixture *f, uint64_t lun)
{
	struct bhs_async_message async = {
		.opcode = PDU_ASYNC_MESSAGE,
		.flags = PDU_FINAL,
		.lun = be64_of(lun),
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.async_event = ASYNC_SCSI_EVENT,
	};

	target_send(&f->target, &async, NULL, 0);
}

static void a_flood_of_events_reaches_the_observer_in_drops(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	for (unsigned i = 0; i < 1000; i++) {
		send_unit_event(&f, i);
		fixture_run(&f);
	}
	assert_int_equal(f.async, ASYNC_QUEUE_MAX);
	fixture_advance(&f, ASYNC_WINDOW_MS - 1);
	assert_int_equal(f.async, ASYNC_QUEUE_MAX);
	fixture_advance(&f, 1);
	assert_int_equal(f.async, 2 * ASYNC_QUEUE_MAX);
	assert_int_equal(f.async_left_out, 1000 - 2 * ASYNC_QUEUE_MAX);
	assert_int_equal(session_get_statistics(f.session)->async_pdus, 1000);
	/* that window was full, too */
	send_unit_event(&f, 5);
	fixture_run(&f);
	assert_int_equal(f.async, 2 * ASYNC_QUEUE_MAX);
	fixture_advance(&f, ASYNC_WINDOW_MS);
	assert_int_equal(f.async, 2 * ASYNC_QUEUE_MAX + 1);
	assert_int_equal(f.async_last.lun, 5);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void one_event_over_and_over_costs_one_call_in_a_window(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	for (unsigned i = 0; i < 1000; i++)
		send_unit_event(&f, FIXTURE_LUN);
	fixture_run(&f);
	assert_int_equal(f.async, ASYNC_QUEUE_MAX);
	for (unsigned i = 0; i < 10; i++)
		fixture_advance(&f, ASYNC_WINDOW_MS);
	assert_int_equal(f.async, ASYNC_QUEUE_MAX + 1);
	assert_int_equal(f.async_left_out, 0);
	fixture_deinit(&f);
}

static void what_waits_to_be_told_ends_with_the_connection(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	for (unsigned i = 0; i < 1000; i++)
		send_unit_event(&f, i);
	fixture_run(&f);
	session_drop(f.session, "enough");
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "enough");
	assert_int_equal(fake_ring_timers(f.ring), 0);
	fixture_attach(&f);
	fixture_advance(&f, 2 * ASYNC_WINDOW_MS);
	assert_int_equal(f.async, ASYNC_QUEUE_MAX);
	/* and the next one starts with a window of its own */
	send_unit_event(&f, 5);
	fixture_run(&f);
	assert_int_equal(f.async, ASYNC_QUEUE_MAX + 1);
	assert_int_equal(f.async_left_out, 0);
	fixture_deinit(&f);
}

static void a_unit_event_brings_its_sense_data(void **state)
{
	static const struct {
		uint8_t event, told_length;
		uint16_t sense_length, data_length;
	} checks[] = {
		{ASYNC_SCSI_EVENT, 18, 18, 20},
		{ASYNC_SCSI_EVENT, 18, 18, 100}, /* iSCSI event data behind it */
		{ASYNC_SCSI_EVENT, 18, 0xffff, 20},
		{ASYNC_SCSI_EVENT, SCSI_SENSE_MAX, 252, 254},
		{ASYNC_SCSI_EVENT, 0, 0, 20},
		{ASYNC_SCSI_EVENT, 0, 18, 2},
		{ASYNC_SCSI_EVENT, 0, 18, 1},
		{ASYNC_SCSI_EVENT, 0, 18, 0},
		{255, 0, 18, 20},
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct bhs_async_message async = {
			.opcode = PDU_ASYNC_MESSAGE,
			.flags = PDU_FINAL,
			.initiator_task_tag = be32_of(RESERVED_TAG),
			.async_event = checks[i].event,
		};
		uint8_t data[254] = {(uint8_t)(checks[i].sense_length >> 8),
				     (uint8_t)checks[i].sense_length, 0x70, 0, 6};
		struct fixture f;

		for (size_t j = 5; j < sizeof(data); j++)
			data[j] = (uint8_t)j;
		fixture_start(&f, false);
		target_send(&f.target, &async, data, checks[i].data_length);
		fixture_run(&f);
		assert_int_equal(f.async, 1);
		assert_int_equal(f.async_last.sense_length, checks[i].told_length);
		assert_memory_equal(f.async_last.sense, data + 2, checks[i].told_length);
		fixture_deinit(&f);
	}
}

static void a_reject_of_nobody_knows_what_ends_the_session(void **state)
{
	struct fixture f;

	fixture_start(&f, false);
	target_reject(&f.target, REJECT_PROTOCOL_ERROR, NULL);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "rejected");
	fixture_deinit(&f);
}

static void half_a_header_in_a_reject_tells_nothing(void **state)
{
	static const uint8_t nop_out[BHS_LENGTH - 1];
	struct bhs_reject reject = {.opcode = PDU_REJECT,
				    .initiator_task_tag = be32_of(RESERVED_TAG)};
	struct fixture f;

	fixture_start(&f, false);
	target_send(&f.target, &reject, nop_out, sizeof(nop_out));
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "rejected");
	fixture_deinit(&f);
}

static void a_task_survives_the_reject_of_its_data(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = io_write(&f, 0, 9000);
	fixture_run(&f);
	command = take_command(&f);
	target_r2t(&f.target, command, 1, 0, 8192, 808);
	fixture_run(&f);
	target_reject(&f.target, REJECT_DATA_DIGEST, target_take(&f.target, PDU_DATA_OUT));
	fixture_run(&f);
	io_pending(io);
	target_respond(&f.target, command->initiator_task_tag, SCSI_CHECK_CONDITION);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_CHECK_CONDITION);
	fixture_deinit(&f);
}

/* --- the end at any moment --- */

/* One of each kind; what the target says to it is cut after @bytes. Return: all that it says */
static int64_t run_until_cut(int64_t bytes, int error, bool sending)
{
	struct fixture f;
	struct io *ios[6];
	int64_t total;

	fixture_init(&f);
	f.negotiated.initial_r2t = false;
	f.negotiated.max_xmit_data_segment_length = 512;
	f.negotiated.first_burst_length = 777;
	f.negotiated.max_burst_length = 1000;
	f.outcome.max_cmd_sn = 4; /* the last ones wait for the window */
	fixture_attach(&f);
	f.target.serves = true;
	f.target.data_in_bytes = 700;
	for (uint32_t i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = i % 2 ? io_read(&f, 0, 2000) : io_write(&f, 10000 * i + 10000, 2500);
	if (sending)
		fake_wire_cut_sent(f.wire, bytes, error);
	else
		fake_wire_cut_given(f.wire, bytes, error);
	fixture_run(&f);
	total = sending ? fake_wire_sent_bytes(f.wire) : fake_wire_given_bytes(f.wire);
	assert_int_equal(f.lost, bytes >= 0);
	if (f.lost) {
		fixture_lost(&f, SESSION_LOSS_CLOSED, "");
		assert_int_equal(f.error, error ? error : -ECONNRESET);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(ios) && f.lost; i++) {
		bool seen = i < f.target.counts[PDU_SCSI_COMMAND];

		assert_int_equal(ios[i]->done, 1);
		switch (ios[i]->command.result.outcome) {
		case SCSI_COMPLETED:
			assert_int_equal(ios[i]->command.result.status, SCSI_GOOD);
			assert_true(seen);
			if (i % 2 == 0)
				assert_memory_equal(f.target.disk + 10000 * i + 10000, ios[i]->data,
						    2500);
			break;
		case SCSI_NOT_SENT: /* then the target has not seen it */
			assert_false(seen);
			break;
		default:
			assert_int_equal(ios[i]->command.result.outcome, SCSI_IN_DOUBT);
		}
	}
	fixture_deinit(&f);
	return total;
}

static void every_command_ends_once_wherever_the_stream_is_cut(void **state)
{
	static const int errors[] = {0, -ECONNRESET, -ETIMEDOUT};
	int64_t total = run_until_cut(-1, 0, false);

	assert_in_range(total, 3000, 100000);
	for (int64_t bytes = 0; bytes < total; bytes++)
		run_until_cut(bytes, errors[bytes % 3], false);
}

static void every_command_ends_once_wherever_sending_fails(void **state)
{
	int64_t total = run_until_cut(-1, 0, true);

	assert_in_range(total, 3000, 100000);
	for (int64_t bytes = 0; bytes < total; bytes++)
		run_until_cut(bytes, bytes % 2 ? -EPIPE : -ECONNRESET, true);
}

static void a_drop_waits_for_what_the_kernel_still_writes(void **state)
{
	static uint8_t bytes[10000];

	for (unsigned late = 0; late < 2; late++) {
		const struct bhs_scsi_command *command;
		struct fixture f;
		struct io *io;

		fixture_start(&f, false);
		io = io_read(&f, 0, sizeof(bytes));
		fixture_run(&f);
		command = take_command(&f);
		fake_wire_limit(f.wire, 1000, 0);
		target_data_in(&f.target, command->initiator_task_tag, 0, 0, bytes, 9000,
			       PDU_FINAL);
		fake_wire_cancel_late(f.wire, late);
		fake_wire_run_once(f.wire); /* a receive into its data is under way */
		session_drop(f.session, "for the test");
		io_pending(io);
		fixture_run(&f);
		io_ended(io, SCSI_IN_DOUBT);
		free(io->data);
		io->data = NULL;
		fixture_deinit(&f);
	}
}

/* The answer is known though the data has not all left when the connection ends. */
static void an_answer_outlives_the_connection(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = io_write(&f, 0, 9000);
	fixture_run(&f);
	command = take_command(&f);
	fake_wire_hold(f.wire, true);
	target_r2t(&f.target, command, 1, 0, 8192, 808);
	fixture_run(&f);
	target_respond(&f.target, command->initiator_task_tag, SCSI_BUSY);
	fixture_run(&f);
	io_pending(io);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "for the test");
	io_ended(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_BUSY);
	fixture_deinit(&f);
}

static void commands_that_wait_for_a_tag_end_with_the_connection(void **state)
{
	struct io *sent, *waiting[2];
	struct fixture f;

	fixture_init(&f);
	f.settings.commands_max = 1;
	fixture_attach(&f);
	sent = submit_test(&f);
	waiting[0] = submit_with_timeout(&f, 5000);
	waiting[1] = submit_test(&f);
	fixture_run(&f);
	fake_wire_end(f.wire, -ECONNRESET);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_CLOSED, "reset");
	io_ended(sent, SCSI_IN_DOUBT);
	io_ended(waiting[0], SCSI_NOT_SENT);
	io_ended(waiting[1], SCSI_NOT_SENT);
	assert_int_equal(fake_ring_timers(f.ring), 0);
	fixture_deinit(&f);
}

/* Pings, aborts, a logout and the target's wishes all end with the connection they belong to. */
static void a_new_connection_begins_afresh(void **state)
{
	struct fixture f;

	start_with_pings(&f);
	session_drop(f.session, "to change the settings");
	fixture_run(&f);
	for (unsigned round = 0; round < 3; round++) {
		struct io *io;

		f.lost = 0;
		fixture_attach(&f);
		io = submit_test(&f);
		fixture_advance(&f, 4000);
		respond_to(&f, take_command(&f));
		io_ended(io, SCSI_COMPLETED);
		assert_true(target_idle(&f.target));
		fake_wire_hold(f.wire, true);
		io = submit_test(&f);
		fixture_run(&f);
		io_abort(io);
		target_nop_in(&f.target, TAG_NONE, 4, 0);
		fixture_advance(&f, 5000);
		if (round == 0)
			session_logout(f.session);
		else if (round == 1)
			target_async(&f.target, ASYNC_SESSION_DROP, 5, 0);
		fixture_run(&f);
		if (round != 1)
			fake_wire_end(f.wire, 0);
		fixture_run(&f);
		fixture_lost(&f, round == 1 ? SESSION_LOSS_ASKED : SESSION_LOSS_CLOSED, "");
		assert_int_equal(f.wait_s, round == 1 ? 5 : 0);
		assert_int_equal(fake_ring_timers(f.ring), 0);
	}
	fixture_deinit(&f);
}

static void the_timeout_of_an_abort_ends_with_its_connection(void **state)
{
	struct fixture f;
	struct io *io;

	fixture_init(&f);
	f.settings.abort_timeout_ms = 700;
	fixture_attach(&f);
	io = submit_test(&f);
	fixture_run(&f);
	io_abort(io);
	fixture_run(&f);
	fake_wire_end(f.wire, 0);
	fixture_run(&f);
	io_ended(io, SCSI_IN_DOUBT);
	assert_int_equal(fake_ring_timers(f.ring), 0);
	fixture_deinit(&f);
}

static void a_new_connection_sends_nothing_of_the_old_one(void **state)
{
	struct fixture f;
	struct io *old, *new;

	fixture_start(&f, false);
	old = io_write(&f, 0, 5000);
	fake_wire_limit(f.wire, 0, 1000);
	fake_wire_run_once(f.wire);
	fake_wire_hold(f.wire, true);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	io_ended(old, SCSI_IN_DOUBT);
	f.lost = 0;
	fixture_attach(&f);
	new = submit_test(&f);
	fixture_run(&f);
	respond_to(&f, take_command(&f));
	io_ended(new, SCSI_COMPLETED);
	assert_true(target_idle(&f.target));
	fixture_deinit(&f);
}

static void submit_another(struct io *io)
{
	struct fixture *f = io->fixture;
	struct io *other = io_make(f, SCSI_NO_DATA, 0, 0);

	if (nexus_execute(f->nexus, &other->command) < 0)
		other->done = 1;
}

static void done_may_submit_drop_and_log_out(void **state)
{
	for (unsigned end = 0; end < 4; end++) {
		struct fixture f;
		struct io *io;

		fixture_start(&f, end != 3);
		io = io_read(&f, 0, 10);
		io->then = submit_another;
		submit_test(&f)->then = submit_another;
		if (end == 1)
			session_drop(f.session, "for the test");
		else if (end == 2)
			session_logout(f.session);
		else if (end == 3)
			fake_wire_end(f.wire, 0);
		f.target.serves = false;
		fixture_run(&f);
		fixture_deinit(&f);
	}
}

/* Between the drop and its end the session still takes commands, and gives them back. */
static void a_command_taken_while_the_connection_ends_comes_back(void **state)
{
	struct fixture f;
	struct io *io;

	start_with_pings(&f);
	nexus_set_last_path(f.nexus, false);
	session_drop(f.session, "for the test");
	io = submit_with_timeout(&f, 1000);
	fixture_run(&f);
	io_ended(io, SCSI_NOT_SENT);
	assert_int_equal(fake_ring_timers(f.ring), 0);
	fixture_deinit(&f);
}

static void drop_session(struct io *io)
{
	session_drop(io->fixture->session, "by done()");
}

static void a_drop_by_done_reads_nothing_more(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *first, *second;

	fixture_start(&f, false);
	first = submit_test(&f);
	first->then = drop_session;
	second = submit_test(&f);
	fixture_run(&f);
	command = take_command(&f);
	target_respond(&f.target, command->initiator_task_tag, SCSI_GOOD);
	command = take_command(&f);
	target_respond(&f.target, command->initiator_task_tag, SCSI_GOOD);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "by done()");
	io_ended(first, SCSI_COMPLETED);
	io_ended(second, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void statistics_count_what_went_by(void **state)
{
	const struct session_statistics *statistics;
	struct fixture f;
	struct io *io;

	fixture_start(&f, true);
	statistics = session_get_statistics(f.session);
	io_write(&f, 0, 20000);
	io_read(&f, 0, 20000);
	target_nop_in(&f.target, TAG_NONE, 4, 0);
	fixture_run(&f);
	assert_int_equal(statistics->txdata_octets, 20000 + 5 * BHS_LENGTH);
	assert_int_equal(statistics->rxdata_octets, 20000 + 5 * BHS_LENGTH);
	f.target.serves = false;
	io = submit_test(&f);
	fixture_run(&f);
	io_abort(io);
	fixture_run(&f);
	target_management_respond(&f.target, be32_of(0), 0);
	target_async(&f.target, 255, 0, 0);
	target_reject(&f.target, REJECT_IMMEDIATE_COMMAND, target_take(&f.target, PDU_NOP_OUT));
	fixture_run(&f);
	session_logout(f.session);
	fixture_advance(&f, 2000);
	take_command(&f);
	target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	respond_to_logout(&f, LOGOUT_CLOSED);
	assert_int_equal(statistics->tmfcmd_pdus, 1);
	assert_int_equal(statistics->tmfrsp_pdus, 1);
	assert_int_equal(statistics->async_pdus, 1);
	assert_int_equal(statistics->rjt_pdus, 1);
	assert_int_equal(statistics->logout_pdus, 1);
	assert_int_equal(statistics->logoutrsp_pdus, 1);
	assert_int_equal(statistics->connections, 1);
	assert_in_range(statistics->sends, 5, 9);
	assert_in_range(statistics->receives, 4, 9);
	assert_int_equal(statistics->scsicmd_pdus, 3);
	assert_int_equal(statistics->scsirsp_pdus, 2);
	assert_int_equal(statistics->dataout_pdus, 2);
	assert_int_equal(statistics->r2t_pdus, 1);
	assert_int_equal(statistics->datain_pdus, 1);
	assert_int_equal(statistics->noptx_pdus, 1);
	assert_int_equal(statistics->noprx_pdus, 1);
	fixture_deinit(&f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_are_refused_while_it_is_not_attached),
		TEST(a_second_connection_is_refused_and_closed),
		TEST(units_are_made_once_and_follow_the_connection),
		TEST(a_tag_is_not_used_again_soon),
		TEST(bytes_behind_the_login_response_are_heard),
		TEST(a_fault_in_early_bytes_ends_the_connection),
		TEST(an_end_announced_early_ends_the_connection),
		TEST(more_early_bytes_than_a_login_can_leave_are_refused),
		TEST(cmd_sn_begins_where_the_login_ended_and_wraps),
		TEST(every_pdu_may_open_the_window),
		TEST(the_window_only_moves_forward),
		TEST(pings_and_aborts_pass_a_closed_window),
		TEST(every_answer_is_acknowledged_by_exp_stat_sn),
		TEST(a_missing_answer_ends_the_session),
		TEST(a_repeated_answer_is_dropped),
		TEST(the_targets_pings_are_answered),
		TEST(many_pings_at_once_are_answered_in_their_order),
		TEST(a_flood_of_pings_ends_the_connection),
		TEST(an_idle_connection_is_pinged_and_dropped_when_it_stays_silent),
		TEST(silence_under_commands_is_noticed_soon_when_there_are_other_paths),
		TEST(another_path_that_comes_later_makes_it_hurry),
		TEST(silence_after_the_last_command_is_no_reason_to_hurry),
		TEST(the_last_path_is_given_its_full_time),
		TEST(a_slow_command_on_a_target_that_answers_pings_stays),
		TEST(a_ping_that_cannot_leave_counts_as_unanswered),
		TEST(the_answer_to_an_earlier_ping_does_not_count),
		TEST(a_rejected_ping_shows_life),
		TEST(an_abort_names_the_task_and_its_answer_ends_it),
		TEST(an_answer_that_crosses_the_abort_counts),
		TEST(a_refused_abort_ends_the_session),
		TEST(an_abort_without_room_is_tried_again_a_little_later),
		TEST(an_abort_that_is_rejected_twice_ends_the_session),
		TEST(an_abort_that_is_rejected_for_another_reason_ends_the_session),
		TEST(a_task_that_ends_by_itself_meanwhile_is_not_aborted_again),
		TEST(the_reject_of_an_abort_that_is_over_means_nothing),
		TEST(an_abort_that_was_answered_has_no_timeout),
		TEST(an_abort_that_is_not_answered_ends_the_session),
		TEST(any_number_of_aborts_goes_out_one_by_one),
		TEST(what_was_not_sent_is_given_back_by_an_abort),
		TEST(aborts_and_the_loss_in_one_turn_end_each_command_once),
		TEST(a_deadline_aborts_what_was_sent),
		TEST(a_deadline_ends_what_was_not_sent),
		TEST(waiting_commands_have_deadlines_too),
		TEST(an_idle_session_logs_out_at_once),
		TEST(a_logout_lets_running_commands_end),
		TEST(the_answer_to_a_logout_ends_all_tasks),
		TEST(other_answers_to_a_logout_leave_tasks_in_doubt),
		TEST(a_logout_that_is_not_answered_ends_anyway),
		TEST(asking_again_does_not_prolong_a_logout),
		TEST(a_logout_without_a_limit_waits),
		TEST(a_logout_that_cannot_leave_ends_anyway),
		TEST(the_target_may_ask_for_a_logout),
		TEST(the_logout_comes_in_the_time_that_the_target_gave),
		TEST(our_own_wish_to_log_out_is_the_stronger_one),
		TEST(an_announced_drop_is_taken_at_its_word),
		TEST(other_events_are_handed_on),
		TEST(a_flood_of_events_reaches_the_observer_in_drops),
		TEST(one_event_over_and_over_costs_one_call_in_a_window),
		TEST(what_waits_to_be_told_ends_with_the_connection),
		TEST(a_unit_event_brings_its_sense_data),
		TEST(a_reject_of_nobody_knows_what_ends_the_session),
		TEST(half_a_header_in_a_reject_tells_nothing),
		TEST(a_task_survives_the_reject_of_its_data),
		TEST(every_command_ends_once_wherever_the_stream_is_cut),
		TEST(every_command_ends_once_wherever_sending_fails),
		TEST(a_drop_waits_for_what_the_kernel_still_writes),
		TEST(an_answer_outlives_the_connection),
		TEST(commands_that_wait_for_a_tag_end_with_the_connection),
		TEST(a_new_connection_begins_afresh),
		TEST(the_timeout_of_an_abort_ends_with_its_connection),
		TEST(a_new_connection_sends_nothing_of_the_old_one),
		TEST(done_may_submit_drop_and_log_out),
		TEST(a_command_taken_while_the_connection_ends_comes_back),
		TEST(a_drop_by_done_reads_nothing_more),
		TEST(statistics_count_what_went_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
