/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * ErrorRecoveryLevel 1: what was lost or came damaged is asked for again on the connection, and
 * when that does not help the session ends as at level 0 (RFC 7143 §7.1.4, §7.2.1, §7.8, §7.9,
 * §11.16). The target answers by hand.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "iscsi/recovery.h"
#include "session_fixture.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define PIECE 1024u /* bytes in one Data-In */

static uint8_t piece[64][PIECE];

static void start(struct fixture *f)
{
	for (size_t i = 0; i < sizeof(piece); i++)
		((uint8_t *)piece)[i] = (uint8_t)(i * 13 + (i >> 10));
	fixture_init(f);
	f->negotiated.header_digest = f->negotiated.data_digest = true;
	f->negotiated.error_recovery_level = 1;
	fixture_attach(f);
}

struct read {
	struct io *io;
	const struct bhs_scsi_command *command;
	be32 tag;
	uint32_t pieces;
};

static struct read read_of(struct fixture *f, uint32_t pieces)
{
	struct read read = {.io = io_read(f, 0, pieces * PIECE), .pieces = pieces};

	fixture_run(f);
	read.command = target_take(&f->target, PDU_SCSI_COMMAND);
	read.tag = read.command->initiator_task_tag;
	return read;
}

static void give(struct fixture *f, const struct read *read, uint32_t sn, uint8_t flags)
{
	target_data_in(&f->target, read->tag, sn, sn * PIECE, piece[sn], PIECE, flags);
}

static void give_damaged(struct fixture *f, const struct read *read, uint32_t sn, uint8_t flags)
{
	f->target.damage = 1;
	give(f, read, sn, flags);
}

static void respond(struct fixture *f, const struct read *read)
{
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL,
		.initiator_task_tag = read->tag,
		.exp_data_sn = be32_of(read->pieces),
	};

	target_send(&f->target, &response, NULL, 0);
}

static void is_good(const struct read *read)
{
	io_ended(read->io, SCSI_COMPLETED);
	assert_int_equal(read->io->command.result.status, SCSI_GOOD);
	assert_memory_equal(read->io->data, piece, read->pieces * PIECE);
}

static void takes_snack(struct fixture *f, enum snack_type type, be32 itt, be32 ttt, uint32_t beg,
			uint32_t run)
{
	const struct bhs_snack *snack;

	fixture_run(f);
	snack = target_take(&f->target, PDU_SNACK);
	assert_int_equal(snack->flags, PDU_FINAL | type);
	assert_int_equal(be32_get(snack->initiator_task_tag), be32_get(itt));
	assert_int_equal(be32_get(snack->target_transfer_tag), be32_get(ttt));
	assert_int_equal(be32_get(snack->beg_run), beg);
	assert_int_equal(be32_get(snack->run_length), run);
	if (type != SNACK_DATA_ACK)
		assert_int_equal(be64_get(snack->lun), 0);
}

static void takes_data_snack(struct fixture *f, const struct read *read, uint32_t beg, uint32_t run)
{
	takes_snack(f, SNACK_DATA_OR_R2T, read->tag, be32_of(RESERVED_TAG), beg, run);
}

static void takes_status_snack(struct fixture *f, uint32_t beg)
{
	takes_snack(f, SNACK_STATUS, be32_of(RESERVED_TAG), be32_of(RESERVED_TAG), beg, 0);
}

/* ExpStatSN as a ping shows it. */
static uint32_t acknowledged(struct fixture *f)
{
	const struct bhs_nop_out *nop;

	target_nop_in(&f->target, RESERVED_TAG, 1, 0);
	fixture_run(f);
	nop = target_take(&f->target, PDU_NOP_OUT);
	return be32_get(nop->exp_stat_sn);
}

static void finish(struct fixture *f)
{
	assert_true(target_idle(&f->target));
	assert_int_equal(f->lost, 0);
	fixture_deinit(f);
}

/* Data-In */

static void damage_anywhere(uint32_t at, bool status_in_data)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 5);
	for (uint32_t sn = 0; sn < 5; sn++) {
		uint8_t flags = sn < 4 ? 0 : PDU_FINAL | (status_in_data ? DATA_IN_STATUS : 0);

		if (sn == at)
			give_damaged(&f, &read, sn, flags);
		else
			give(&f, &read, sn, flags);
	}
	if (!status_in_data)
		respond(&f, &read);
	takes_data_snack(&f, &read, at, 1);
	io_pending(read.io);
	if (status_in_data && at == 4) {
		takes_status_snack(&f, 1);
		f.target.stat_sn--; /* the same again, status and all */
		give(&f, &read, 4, PDU_FINAL | DATA_IN_STATUS);
	} else {
		give(&f, &read, at, at == 4 ? PDU_FINAL : 0);
	}
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(session_get_statistics(f.session)->digest_err, 1);
	assert_int_equal(f.damaged, 1);
	finish(&f);
}

static void damaged_data_is_asked_for_again_wherever_it_stands(void **state)
{
	for (uint32_t at = 0; at < 5; at++) {
		damage_anywhere(at, false);
		damage_anywhere(at, true);
	}
}

static void a_run_that_is_missing_is_asked_for_in_one(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 6);
	give(&f, &read, 0, 0);
	give(&f, &read, 4, 0);
	takes_data_snack(&f, &read, 1, 3);
	give(&f, &read, 5, PDU_FINAL);
	respond(&f, &read);
	for (uint32_t sn = 1; sn < 4; sn++) {
		fixture_run(&f);
		io_pending(read.io);
		give(&f, &read, sn, 0);
	}
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(f.damaged, 0);
	finish(&f);
}

static void each_hole_is_asked_for_once(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 9);
	for (uint32_t sn = 1; sn < 9; sn += 2) {
		give(&f, &read, sn, 0);
		takes_data_snack(&f, &read, sn - 1, 1);
	}
	give(&f, &read, 8, PDU_FINAL);
	respond(&f, &read);
	/* in any order */
	give(&f, &read, 4, 0);
	give(&f, &read, 0, 0);
	give(&f, &read, 6, 0);
	fixture_run(&f);
	io_pending(read.io);
	give(&f, &read, 2, 0);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void neighbours_that_are_damaged_together_are_one_run(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 4);
	give(&f, &read, 0, 0);
	f.target.damage = 2;
	give(&f, &read, 1, 0);
	give(&f, &read, 2, 0);
	give(&f, &read, 3, PDU_FINAL);
	takes_data_snack(&f, &read, 1, 2);
	give(&f, &read, 1, 0);
	give(&f, &read, 2, 0);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(session_get_statistics(f.session)->digest_err, 2);
	assert_int_equal(f.damaged, 1);
	finish(&f);
}

static void a_lost_end_is_known_by_exp_data_sn(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 5);
	give(&f, &read, 0, 0);
	give(&f, &read, 1, 0);
	respond(&f, &read);
	takes_data_snack(&f, &read, 2, 3);
	io_pending(read.io);
	give(&f, &read, 2, 0);
	give_damaged(&f, &read, 3, 0);
	give(&f, &read, 4, PDU_FINAL); /* not before 3: it comes again with it */
	takes_data_snack(&f, &read, 3, 2);
	give(&f, &read, 3, 0);
	give_damaged(&f, &read, 4, PDU_FINAL);
	takes_data_snack(&f, &read, 4, 1);
	give(&f, &read, 4, PDU_FINAL);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void a_status_that_waits_is_not_acknowledged(void **state)
{
	struct fixture f;
	struct read read, other;

	start(&f);
	read = read_of(&f, 3);
	other = read_of(&f, 1);
	give(&f, &read, 0, 0);
	give(&f, &read, 2, PDU_FINAL);
	takes_data_snack(&f, &read, 1, 1);
	respond(&f, &read);
	give(&f, &other, 0, PDU_FINAL);
	respond(&f, &other);
	fixture_run(&f);
	is_good(&other); /* it need not wait for another command's data */
	io_pending(read.io);
	assert_int_equal(acknowledged(&f), 1);
	give(&f, &read, 1, 0);
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(acknowledged(&f), 3);
	finish(&f);
}

static void damaged_duplicates_are_nothing_new(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 2);
	give(&f, &read, 0, 0);
	give_damaged(&f, &read, 0, 0);
	give(&f, &read, 1, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(f.target.counts[PDU_SNACK], 0);
	finish(&f);
}

static void a_status_may_come_before_the_data_that_carried_it(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 2);
	give(&f, &read, 0, 0);
	give_damaged(&f, &read, 1, PDU_FINAL | DATA_IN_STATUS);
	takes_data_snack(&f, &read, 1, 1);
	takes_status_snack(&f, 1);
	f.target.stat_sn = 1;
	respond(&f, &read);
	fixture_run(&f);
	io_pending(read.io);
	f.target.stat_sn = 1; /* its status is a duplicate by now, its data is not */
	give(&f, &read, 1, PDU_FINAL | DATA_IN_STATUS);
	fixture_run(&f);
	is_good(&read);
	assert_int_equal(acknowledged(&f), 2);
	finish(&f);
}

static void what_comes_again_must_be_what_was_lost(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		struct fixture f;
		struct read read;
		uint32_t offset = kind == 0 ? 0 : kind == 1 ? 2 * PIECE : PIECE;
		uint32_t length = kind == 2 ? PIECE / 2 : PIECE;

		start(&f);
		read = read_of(&f, 4);
		give(&f, &read, 0, 0);
		give(&f, &read, 2, 0);
		takes_data_snack(&f, &read, 1, 1);
		if (kind == 3) /* a gap that goes backwards */
			target_data_in(&f.target, read.tag, 9, PIECE, piece, PIECE, 0);
		else
			target_data_in(&f.target, read.tag, 1, offset, piece, length, 0);
		fixture_run(&f);
		fixture_lost(&f, SESSION_LOSS_PROTOCOL,
			     kind == 3 ? "DataSN out of order" : "was not sent again as it was");
		io_ended(read.io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void too_many_holes_end_the_session(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 2 * HOLES_MAX + 4);
	for (uint32_t sn = 1; sn < 2 * HOLES_MAX; sn += 2)
		give(&f, &read, sn, 0);
	fixture_run(&f);
	assert_int_equal(f.lost, 0);
	give(&f, &read, 2 * HOLES_MAX + 1, 0);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "more of a command's data is lost");
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void data_that_never_comes_is_asked_for_three_times(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 3);
	give(&f, &read, 0, 0);
	give(&f, &read, 2, PDU_FINAL);
	respond(&f, &read);
	takes_data_snack(&f, &read, 1, 1);
	for (unsigned i = 1; i < RECOVERY_ATTEMPTS_MAX; i++) {
		fixture_advance(&f, RECOVERY_PATIENCE_MS + RECOVERY_TICK_MS);
		takes_data_snack(&f, &read, 1, 1);
	}
	fixture_advance(&f, RECOVERY_PATIENCE_MS + RECOVERY_TICK_MS);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "does not send again what was lost");
	io_ended(read.io, SCSI_IN_DOUBT); /* although its status was known */
	fixture_deinit(&f);
}

static void while_data_comes_it_is_not_asked_for_again(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 8);
	give(&f, &read, 7, PDU_FINAL);
	respond(&f, &read);
	takes_data_snack(&f, &read, 0, 7);
	for (uint32_t sn = 0; sn < 7; sn++) {
		fixture_advance(&f, RECOVERY_PATIENCE_MS - RECOVERY_TICK_MS / 2);
		assert_true(target_idle(&f.target));
		give(&f, &read, sn, 0);
	}
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void slow_progress_has_an_end_too(void **state)
{
	struct fixture f;
	struct read read;
	uint32_t sn = 0;

	start(&f);
	read = read_of(&f, 40);
	give(&f, &read, 39, PDU_FINAL);
	for (; sn < 38 && !f.lost; sn++) {
		fixture_advance(&f, 200);
		if (!f.lost)
			give(&f, &read, sn, 0);
	}
	assert_in_range(sn, RECOVERY_LIMIT_MS / 200, RECOVERY_LIMIT_MS / 200 + 4);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "does not send again what was lost");
	fixture_deinit(&f);
}

static void damage_again_and_again_ends_the_session(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 2);
	give_damaged(&f, &read, 0, 0);
	for (unsigned i = 0; i < RECOVERY_ATTEMPTS_MAX; i++) {
		takes_data_snack(&f, &read, 0, 1);
		give_damaged(&f, &read, 0, 0);
	}
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_DIGEST, "again and again");
	assert_int_equal(session_get_statistics(f.session)->digest_err, RECOVERY_ATTEMPTS_MAX + 1);
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void a_wrong_header_digest_still_ends_the_connection(void **state)
{
	uint8_t bytes[BHS_LENGTH + DIGEST_LENGTH] = {PDU_NOP_IN, PDU_FINAL};
	struct fixture f;

	start(&f);
	fake_wire_give(f.wire, bytes, sizeof(bytes));
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_DIGEST, "wrong digest");
	fixture_deinit(&f);
}

static void level_0_asks_for_nothing(void **state)
{
	struct fixture f;
	struct read read;

	fixture_init(&f);
	f.negotiated.data_digest = true;
	fixture_attach(&f);
	read = read_of(&f, 2);
	give_damaged(&f, &read, 0, 0);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_DIGEST, "wrong digest");
	assert_int_equal(f.target.counts[PDU_SNACK], 0);
	assert_int_equal(f.damaged, 0);
	fixture_deinit(&f);
}

/* SNACKs that are refused */

static void a_refused_snack_ends_the_session(void **state)
{
	for (unsigned status = 0; status < 2; status++) {
		struct fixture f;
		struct read read;
		struct bhs_snack snack;

		start(&f);
		read = read_of(&f, 3);
		give(&f, &read, 0, 0);
		if (status) {
			f.target.stat_sn++;
			respond(&f, &read);
		} else {
			give(&f, &read, 2, 0);
		}
		fixture_run(&f);
		snack = *(const struct bhs_snack *)target_take(&f.target, PDU_SNACK);
		target_reject(&f.target, REJECT_SNACK, &snack);
		fixture_run(&f);
		fixture_lost(&f, SESSION_LOSS_PROTOCOL, "refuses to send");
		io_ended(read.io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void a_refusal_that_comes_too_late_is_survived(void **state)
{
	struct fixture f;
	struct read read;
	struct bhs_snack snack;

	start(&f);
	read = read_of(&f, 2);
	give(&f, &read, 1, PDU_FINAL);
	fixture_run(&f);
	snack = *(const struct bhs_snack *)target_take(&f.target, PDU_SNACK);
	give(&f, &read, 0, 0);
	target_reject(&f.target, REJECT_PROTOCOL_ERROR, &snack);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	target_reject(&f.target, REJECT_SNACK, &snack);
	snack.flags = PDU_FINAL | SNACK_STATUS;
	target_reject(&f.target, REJECT_SNACK, &snack);
	snack.flags = PDU_FINAL | SNACK_DATA_ACK;
	target_reject(&f.target, REJECT_INVALID_DATA_ACK, &snack);
	fixture_run(&f);
	assert_int_equal(acknowledged(&f), 6);
	finish(&f);
}

/* Answers */

static void a_lost_answer_is_asked_for_and_order_is_kept(void **state)
{
	struct fixture f;
	struct read reads[3];

	start(&f);
	for (unsigned i = 0; i < 3; i++) {
		reads[i] = read_of(&f, 1);
		give(&f, &reads[i], 0, PDU_FINAL);
	}
	f.target.stat_sn = 2; /* the first answer had 1 */
	respond(&f, &reads[1]);
	respond(&f, &reads[2]);
	takes_status_snack(&f, 1);
	io_pending(reads[1].io);
	assert_int_equal(acknowledged(&f), 1);
	f.target.stat_sn = 1;
	for (unsigned i = 0; i < 3; i++)
		respond(&f, &reads[i]);
	fixture_run(&f);
	for (unsigned i = 0; i < 3; i++)
		is_good(&reads[i]);
	assert_int_equal(acknowledged(&f), 4);
	fixture_advance(&f, RECOVERY_LIMIT_MS); /* nothing is missed any more */
	finish(&f);
}

static void respond_with_sense(struct fixture *f, const struct read *read)
{
	static const uint8_t sense[] = {0, 18, 0x70, 0, 3,    0, 0, 0, 0, 10,
					0, 0,  0,    0, 0x11, 0, 0, 0, 0, 0};
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL,
		.status = SCSI_CHECK_CONDITION,
		.initiator_task_tag = read->tag,
	};

	target_send(&f->target, &response, sense, sizeof(sense));
}

static void a_damaged_answer_is_asked_for_at_once(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 1);
	f.target.damage = 2;
	for (unsigned i = 0; i < 3; i++) {
		f.target.stat_sn = 1;
		respond_with_sense(&f, &read);
		if (i < 2)
			takes_status_snack(&f, 1);
	}
	fixture_run(&f);
	io_ended(read.io, SCSI_COMPLETED);
	assert_int_equal(read.io->command.result.status, SCSI_CHECK_CONDITION);
	assert_int_equal(read.io->command.result.sense_length, 18);
	assert_int_equal(read.io->command.result.sense[2], 3);
	assert_int_equal(acknowledged(&f), 2);
	finish(&f);
}

/* The header of a damaged PDU is not believed either (§7.8): neither its window nor its number. */
static void nothing_of_a_damaged_answer_counts(void **state)
{
	struct fixture f;
	struct io *late;
	struct read read;

	fixture_init(&f);
	f.negotiated.header_digest = f.negotiated.data_digest = true;
	f.negotiated.error_recovery_level = 1;
	f.outcome.max_cmd_sn = f.outcome.cmd_sn; /* room for one command */
	fixture_attach(&f);
	f.target.window = 0;
	read = read_of(&f, 1);
	late = io_read(&f, 0, PIECE);
	f.target.max_cmd_sn++;
	f.target.damage = 1;
	respond_with_sense(&f, &read);
	takes_status_snack(&f, 1);
	assert_true(target_idle(&f.target));
	f.target.stat_sn = 1;
	respond_with_sense(&f, &read);
	fixture_run(&f);
	target_take(&f.target, PDU_SCSI_COMMAND);
	io_pending(late);
	io_ended(read.io, SCSI_COMPLETED);
	finish(&f);
}

static void the_loss_of_the_last_answer_is_told_by_a_ping_or_an_r2t(void **state)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		struct fixture f;
		struct read read;
		struct io *write;

		start(&f);
		read = read_of(&f, 1);
		give(&f, &read, 0, PDU_FINAL);
		f.target.stat_sn++; /* the answer was sent */
		if (kind == 0) {
			target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
			target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
			takes_status_snack(&f, 1);
		} else {
			write = io_write(&f, 0, 16384);
			fixture_run(&f);
			target_r2t(&f.target, target_take(&f.target, PDU_SCSI_COMMAND), 7, 0, 8192,
				   8192);
			takes_status_snack(&f, 1);
			target_take(&f.target, PDU_DATA_OUT);
			io_pending(write);
		}
		f.target.stat_sn = 1;
		respond(&f, &read);
		fixture_run(&f);
		is_good(&read);
		finish(&f);
	}
}

static void an_answer_that_is_lost_again_is_asked_for_again(void **state)
{
	struct fixture f;
	struct read reads[3];

	start(&f);
	for (unsigned i = 0; i < 3; i++) {
		reads[i] = read_of(&f, 1);
		give(&f, &reads[i], 0, PDU_FINAL);
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		f.target.stat_sn = 2; /* the second pass shows that the first was of no use */
		respond(&f, &reads[1]);
		respond(&f, &reads[2]);
		takes_status_snack(&f, 1);
	}
	f.target.stat_sn = 1;
	for (unsigned i = 0; i < 3; i++)
		respond(&f, &reads[i]);
	fixture_run(&f);
	is_good(&reads[0]);
	is_good(&reads[2]);
	finish(&f);
}

static void an_answer_that_never_comes_is_asked_for_three_times(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 1);
	f.target.stat_sn++;
	target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
	takes_status_snack(&f, 1);
	for (unsigned i = 1; i < RECOVERY_ATTEMPTS_MAX; i++) {
		fixture_advance(&f, RECOVERY_PATIENCE_MS + RECOVERY_TICK_MS);
		takes_status_snack(&f, 1);
	}
	fixture_advance(&f, RECOVERY_PATIENCE_MS + RECOVERY_TICK_MS);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "does not send again what was lost");
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void a_huge_gap_is_no_loss(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 1);
	f.target.stat_sn += 100000;
	respond(&f, &read);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "StatSN skips");
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void status_in_data_ahead_of_a_lost_answer_leaves_its_data(void **state)
{
	struct fixture f;
	struct read first, second;

	start(&f);
	first = read_of(&f, 1);
	second = read_of(&f, 2);
	give(&f, &first, 0, PDU_FINAL);
	f.target.stat_sn = 2;
	give(&f, &second, 0, 0);
	give(&f, &second, 1, PDU_FINAL | DATA_IN_STATUS);
	takes_status_snack(&f, 1);
	io_pending(second.io);
	f.target.stat_sn = 1;
	respond(&f, &first);
	respond(&f, &second); /* a status alone may stand for it: its data is there */
	fixture_run(&f);
	is_good(&first);
	is_good(&second);
	finish(&f);
}

static void a_logout_is_answered_behind_a_lost_answer(void **state)
{
	struct fixture f;
	struct read read;
	const struct bhs_logout_request *logout;

	start(&f);
	read = read_of(&f, 1);
	session_logout(f.session);
	fixture_advance(&f, 2500);
	while (!target_idle(&f.target) &&
	       pdu_opcode(&f.target.pdus[f.target.pdu_next].bhs) == PDU_NOP_OUT)
		target_take(&f.target, PDU_NOP_OUT);
	logout = target_take(&f.target, PDU_LOGOUT_REQUEST);
	f.target.stat_sn++;
	target_logout_respond(&f.target, logout->initiator_task_tag, LOGOUT_CLOSED);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOGOUT, "logged out");
	io_ended(read.io, SCSI_ABORTED);
	fixture_deinit(&f);
}

static void an_abort_that_is_answered_ends_what_waits_for_data(void **state)
{
	struct fixture f;
	struct read read;
	const struct bhs_task_management_request *abort;

	start(&f);
	read = read_of(&f, 2);
	io_abort(read.io);
	fixture_run(&f);
	abort = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	give(&f, &read, 1, PDU_FINAL);
	respond(&f, &read);
	takes_data_snack(&f, &read, 0, 1);
	io_pending(read.io);
	target_management_respond(&f.target, abort->initiator_task_tag, TASK_MANAGEMENT_NO_TASK);
	fixture_run(&f);
	io_ended(read.io, SCSI_ABORTED);
	assert_int_equal(acknowledged(&f), 3);
	fixture_advance(&f, RECOVERY_LIMIT_MS);
	finish(&f);
}

static void io_abandon(struct io *io)
{
	io->fixture->in_call = true;
	nexus_abandon(io->fixture->nexus, &io->command);
	io->fixture->in_call = false;
}

static void an_abandoned_command_misses_nothing(void **state)
{
	for (unsigned answered = 0; answered < 2; answered++) {
		struct fixture f;
		struct read read;

		start(&f);
		read = read_of(&f, 2);
		give(&f, &read, 1, PDU_FINAL);
		if (answered)
			respond(&f, &read);
		takes_data_snack(&f, &read, 0, 1);
		io_abandon(read.io);
		fixture_run(&f);
		io_ended(read.io, SCSI_IN_DOUBT);
		give_damaged(&f, &read, 0, 0); /* nobody cares */
		if (!answered)
			respond(&f, &read);
		fixture_run(&f);
		assert_int_equal(acknowledged(&f), 2);
		fixture_advance(&f, RECOVERY_LIMIT_MS);
		finish(&f);
	}
}

/* DataACK */

static void give_with_a(struct fixture *f, const struct read *read, uint32_t sn, uint32_t tag)
{
	struct bhs_data_in data_in = {
		.opcode = PDU_DATA_IN,
		.flags = PDU_FINAL | DATA_IN_ACKNOWLEDGE,
		.lun = read->command->lun,
		.initiator_task_tag = read->tag,
		.target_transfer_tag = be32_of(tag),
		.data_sn = be32_of(sn),
		.buffer_offset = be32_of(sn * PIECE),
	};

	target_send(&f->target, &data_in, piece[sn], PIECE);
}

static void takes_data_ack(struct fixture *f, const struct read *read, uint32_t tag, uint32_t beg)
{
	const struct bhs_snack *snack;

	fixture_run(f);
	snack = (const struct bhs_snack *)&f->target.pdus[f->target.pdu_next].bhs;
	takes_snack(f, SNACK_DATA_ACK, be32_of(RESERVED_TAG), be32_of(tag), beg, 0);
	assert_memory_equal(&snack->lun, &read->command->lun, sizeof(snack->lun));
}

static void the_a_bit_is_answered_when_nothing_is_missing(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 6);
	give(&f, &read, 0, 0);
	give_with_a(&f, &read, 1, 0);
	takes_data_ack(&f, &read, 0, 2);
	give(&f, &read, 3, 0);
	takes_data_snack(&f, &read, 2, 1);
	give_with_a(&f, &read, 4, 77);
	fixture_run(&f);
	assert_true(target_idle(&f.target)); /* postponed */
	give(&f, &read, 2, 0);
	takes_data_ack(&f, &read, 77, 5);
	give_with_a(&f, &read, 4, 77); /* a duplicate asks for nothing */
	give_with_a(&f, &read, 5, 0x12345678);
	respond(&f, &read); /* the acknowledgement is owed all the same */
	takes_data_ack(&f, &read, 0x12345678, 6);
	is_good(&read);
	finish(&f);
}

static void an_acknowledgement_that_is_owed_keeps_its_tag(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 6);
	give(&f, &read, 0, 0);
	give_with_a(&f, &read, 1, 11);
	give(&f, &read, 3, 0);
	give_with_a(&f, &read, 4, 22);
	takes_data_snack(&f, &read, 2, 1);
	takes_data_ack(&f, &read, 11, 2);
	give(&f, &read, 2, 0);
	takes_data_ack(&f, &read, 22, 5);
	give(&f, &read, 5, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void a_damaged_a_bit_is_none(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 2);
	f.target.damage = 1;
	give_with_a(&f, &read, 0, 5);
	takes_data_snack(&f, &read, 0, 1);
	assert_true(target_idle(&f.target));
	give_with_a(&f, &read, 0, 5);
	takes_data_ack(&f, &read, 5, 1);
	give(&f, &read, 1, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

/* R2T and Data-Out */

static void takes_data_out(struct fixture *f, uint32_t tag, uint32_t offset, uint32_t length)
{
	const struct bhs_data_out *out = target_take(&f->target, PDU_DATA_OUT);

	assert_int_equal(be32_get(out->target_transfer_tag), tag);
	assert_int_equal(be32_get(out->data_sn), 0);
	assert_int_equal(be32_get(out->buffer_offset), offset);
	assert_int_equal(pdu_data_length((const struct bhs *)out), length);
	assert_int_equal(out->flags, PDU_FINAL);
}

static void a_range_is_sent_again_for_a_recovery_r2t(void **state)
{
	struct fixture f;
	struct io *io;
	const struct bhs_scsi_command *command;

	start(&f);
	io = io_write(&f, 0, 24576);
	fixture_run(&f);
	command = target_take(&f.target, PDU_SCSI_COMMAND);
	target_r2t(&f.target, command, 10, 0, 8192, 8192);
	fixture_run(&f);
	takes_data_out(&f, 10, 8192, 8192);
	/* a part of it again, before and after the next regular one */
	target_r2t(&f.target, command, 11, 1, 12288, 4096);
	target_r2t(&f.target, command, 12, 2, 16384, 8192);
	target_r2t(&f.target, command, 13, 3, 8192, 512);
	fixture_run(&f);
	takes_data_out(&f, 11, 12288, 4096);
	takes_data_out(&f, 12, 16384, 8192);
	takes_data_out(&f, 13, 8192, 512);
	target_respond(&f.target, command->initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	finish(&f);
}

static void a_lost_r2t_is_asked_for(void **state)
{
	struct fixture f;
	struct io *io;
	const struct bhs_scsi_command *command;

	start(&f);
	io = io_write(&f, 0, 24576);
	fixture_run(&f);
	command = target_take(&f.target, PDU_SCSI_COMMAND);
	target_r2t(&f.target, command, 12, 2, 16384, 8192);
	takes_snack(&f, SNACK_DATA_OR_R2T, command->initiator_task_tag, be32_of(RESERVED_TAG), 0,
		    2);
	takes_data_out(&f, 12, 16384, 8192);
	target_r2t(&f.target, command, 10, 0, 8192, 4096);
	target_r2t(&f.target, command, 11, 1, 12288, 4096);
	target_r2t(&f.target, command, 11, 1, 12288, 4096); /* a duplicate */
	fixture_run(&f);
	takes_data_out(&f, 10, 8192, 4096);
	takes_data_out(&f, 11, 12288, 4096);
	target_respond(&f.target, command->initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	finish(&f);
}

/* Commands */

static void same_command(const struct bhs_scsi_command *a, const struct bhs_scsi_command *b)
{
	struct bhs_scsi_command copy = *b;

	copy.exp_stat_sn = a->exp_stat_sn; /* what it acknowledges may have moved */
	assert_memory_equal(a, &copy, sizeof(copy));
}

static void a_command_that_came_damaged_is_sent_again_as_it_was(void **state)
{
	struct fixture f;
	struct io *io;
	struct bhs_scsi_command command;

	fixture_init(&f);
	f.negotiated.error_recovery_level = 1;
	f.negotiated.initial_r2t = false;
	fixture_attach(&f);
	io = io_write(&f, 0, 16384);
	fixture_run(&f);
	command = *(const struct bhs_scsi_command *)target_take(&f.target, PDU_SCSI_COMMAND);
	target_take(&f.target, PDU_DATA_OUT);
	f.target.exp_cmd_sn--; /* it was not taken (§7.3) */
	target_reject(&f.target, REJECT_DATA_DIGEST, &command);
	fixture_run(&f);
	assert_int_equal(f.target.pdus[f.target.pdu_next].length, 8192);
	assert_memory_equal(f.target.pdus[f.target.pdu_next].data, io->data, 8192);
	same_command(&command, target_take(&f.target, PDU_SCSI_COMMAND));
	takes_data_out(&f, RESERVED_TAG, 8192, 8192); /* and all that follows it */
	target_respond(&f.target, command.initiator_task_tag, 0);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	finish(&f);
}

static void answer_probe(struct fixture *f)
{
	const struct bhs_nop_out *nop = target_take(&f->target, PDU_NOP_OUT);

	assert_true(nop->opcode & PDU_IMMEDIATE);
	target_nop_in(&f->target, be32_get(nop->initiator_task_tag), RESERVED_TAG, 0);
	fixture_run(f);
}

static void a_command_that_was_lost_is_sent_again_when_a_ping_proves_it(void **state)
{
	struct fixture f;
	struct read read;
	struct bhs_scsi_command command;

	start(&f);
	read = read_of(&f, 1);
	command = *read.command;
	fixture_advance(&f, RECOVERY_PATIENCE_MS + 2 * RECOVERY_TICK_MS);
	f.target.exp_cmd_sn--;
	answer_probe(&f);
	same_command(&command, target_take(&f.target, PDU_SCSI_COMMAND));
	give(&f, &read, 0, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void a_command_that_was_taken_is_never_sent_again(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 1);
	fixture_advance(&f, RECOVERY_PATIENCE_MS + 2 * RECOVERY_TICK_MS);
	answer_probe(&f); /* ExpCmdSN is beyond it now */
	fixture_advance(&f, 10 * RECOVERY_PATIENCE_MS);
	assert_true(target_idle(&f.target));
	give(&f, &read, 0, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void a_ping_proves_nothing_of_what_was_sent_behind_it(void **state)
{
	struct fixture f;
	struct read read, later;

	start(&f);
	read = read_of(&f, 1);
	fixture_advance(&f, RECOVERY_PATIENCE_MS + 2 * RECOVERY_TICK_MS);
	later.io = io_read(&f, 0, PIECE);
	fixture_run(&f);
	f.target.exp_cmd_sn--; /* the ping was answered before it came */
	answer_probe(&f);
	f.target.exp_cmd_sn++;
	later.command = target_take(&f.target, PDU_SCSI_COMMAND);
	later.tag = later.command->initiator_task_tag;
	later.pieces = 1;
	assert_true(target_idle(&f.target));
	give(&f, &read, 0, PDU_FINAL);
	respond(&f, &read);
	give(&f, &later, 0, PDU_FINAL);
	respond(&f, &later);
	fixture_run(&f);
	is_good(&read);
	is_good(&later);
	finish(&f);
}

static void silence_proves_nothing(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	read = read_of(&f, 1);
	fixture_advance(&f, RECOVERY_LIMIT_MS);
	target_take(&f.target, PDU_NOP_OUT);
	assert_true(target_idle(&f.target));
	give(&f, &read, 0, PDU_FINAL);
	respond(&f, &read);
	fixture_run(&f);
	is_good(&read);
	finish(&f);
}

static void an_abandoned_command_is_not_sent_again(void **state)
{
	struct fixture f;
	struct read read;
	const struct bhs_task_management_request *abort;

	start(&f);
	read = read_of(&f, 1);
	io_abandon(read.io);
	fixture_advance(&f, RECOVERY_PATIENCE_MS + 2 * RECOVERY_TICK_MS);
	io_ended(read.io, SCSI_IN_DOUBT);
	f.target.exp_cmd_sn--;
	answer_probe(&f);
	f.target.exp_cmd_sn++; /* the abort stands for it */
	fixture_advance(&f, 1000);
	abort = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	assert_int_equal(be32_get(abort->ref_cmd_sn), 1);
	target_management_respond(&f.target, abort->initiator_task_tag, TASK_MANAGEMENT_COMPLETE);
	answer_probe(&f); /* it had been asked for once more */
	finish(&f);
}

static void a_command_that_is_never_taken_ends_the_session(void **state)
{
	struct fixture f;
	struct read read;
	unsigned retries = 0;

	start(&f);
	read = read_of(&f, 1);
	while (!f.lost) {
		assert_in_range(retries, 0, RECOVERY_ATTEMPTS_MAX);
		fixture_advance(&f, RECOVERY_PATIENCE_MS + 2 * RECOVERY_TICK_MS);
		f.target.exp_cmd_sn = 1;
		answer_probe(&f);
		if (f.lost)
			break;
		target_take(&f.target, PDU_SCSI_COMMAND);
		retries++;
	}
	assert_int_equal(retries, RECOVERY_ATTEMPTS_MAX);
	fixture_lost(&f, SESSION_LOSS_PROTOCOL, "does not take a command");
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

/* The life of a session */

static void commands_end_once_wherever_the_connection_is_lost(void **state)
{
	for (unsigned when = 0; when < 5; when++) {
		struct fixture f;
		struct read read;

		start(&f);
		read = read_of(&f, 3);
		give(&f, &read, 0, 0);
		if (when >= 1)
			give_damaged(&f, &read, 1, 0);
		if (when >= 2)
			give(&f, &read, 2, PDU_FINAL);
		if (when >= 3)
			respond(&f, &read);
		if (when >= 4)
			give_damaged(&f, &read, 1, 0);
		fixture_run(&f);
		session_drop(f.session, "enough");
		fixture_run(&f);
		io_ended(read.io, SCSI_IN_DOUBT);
		/* and the next connection knows nothing of it */
		f.lost = 0;
		fixture_attach(&f);
		read = read_of(&f, 1);
		give(&f, &read, 0, PDU_FINAL);
		respond(&f, &read);
		fixture_run(&f);
		is_good(&read);
		finish(&f);
	}
}

static void a_session_may_come_back_at_another_level(void **state)
{
	struct fixture f;
	struct read read;

	start(&f);
	session_drop(f.session, "enough");
	fixture_run(&f);
	f.negotiated.error_recovery_level = 0;
	fixture_attach(&f);
	f.lost = 0;
	read = read_of(&f, 1);
	give_damaged(&f, &read, 0, PDU_FINAL);
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_DIGEST, "wrong digest");
	io_ended(read.io, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_data_is_asked_for_again_wherever_it_stands),
		cmocka_unit_test(a_run_that_is_missing_is_asked_for_in_one),
		cmocka_unit_test(each_hole_is_asked_for_once),
		cmocka_unit_test(neighbours_that_are_damaged_together_are_one_run),
		cmocka_unit_test(a_lost_end_is_known_by_exp_data_sn),
		cmocka_unit_test(a_status_that_waits_is_not_acknowledged),
		cmocka_unit_test(damaged_duplicates_are_nothing_new),
		cmocka_unit_test(a_status_may_come_before_the_data_that_carried_it),
		cmocka_unit_test(what_comes_again_must_be_what_was_lost),
		cmocka_unit_test(too_many_holes_end_the_session),
		cmocka_unit_test(data_that_never_comes_is_asked_for_three_times),
		cmocka_unit_test(while_data_comes_it_is_not_asked_for_again),
		cmocka_unit_test(slow_progress_has_an_end_too),
		cmocka_unit_test(damage_again_and_again_ends_the_session),
		cmocka_unit_test(a_wrong_header_digest_still_ends_the_connection),
		cmocka_unit_test(level_0_asks_for_nothing),
		cmocka_unit_test(a_refused_snack_ends_the_session),
		cmocka_unit_test(a_refusal_that_comes_too_late_is_survived),
		cmocka_unit_test(a_lost_answer_is_asked_for_and_order_is_kept),
		cmocka_unit_test(a_damaged_answer_is_asked_for_at_once),
		cmocka_unit_test(nothing_of_a_damaged_answer_counts),
		cmocka_unit_test(the_loss_of_the_last_answer_is_told_by_a_ping_or_an_r2t),
		cmocka_unit_test(an_answer_that_is_lost_again_is_asked_for_again),
		cmocka_unit_test(an_answer_that_never_comes_is_asked_for_three_times),
		cmocka_unit_test(a_huge_gap_is_no_loss),
		cmocka_unit_test(status_in_data_ahead_of_a_lost_answer_leaves_its_data),
		cmocka_unit_test(a_logout_is_answered_behind_a_lost_answer),
		cmocka_unit_test(an_abort_that_is_answered_ends_what_waits_for_data),
		cmocka_unit_test(an_abandoned_command_misses_nothing),
		cmocka_unit_test(the_a_bit_is_answered_when_nothing_is_missing),
		cmocka_unit_test(an_acknowledgement_that_is_owed_keeps_its_tag),
		cmocka_unit_test(a_damaged_a_bit_is_none),
		cmocka_unit_test(a_range_is_sent_again_for_a_recovery_r2t),
		cmocka_unit_test(a_lost_r2t_is_asked_for),
		cmocka_unit_test(a_command_that_came_damaged_is_sent_again_as_it_was),
		cmocka_unit_test(a_command_that_was_lost_is_sent_again_when_a_ping_proves_it),
		cmocka_unit_test(a_command_that_was_taken_is_never_sent_again),
		cmocka_unit_test(a_ping_proves_nothing_of_what_was_sent_behind_it),
		cmocka_unit_test(silence_proves_nothing),
		cmocka_unit_test(an_abandoned_command_is_not_sent_again),
		cmocka_unit_test(a_command_that_is_never_taken_ends_the_session),
		cmocka_unit_test(commands_end_once_wherever_the_connection_is_lost),
		cmocka_unit_test(a_session_may_come_back_at_another_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
