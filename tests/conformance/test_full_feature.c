/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Full feature phase over TCP against the fake target, a test for each row of docs/CONFORMANCE.md
 * that names one here. The target's own checks (CmdSN, ExpStatSN, tags, first burst, Data-Out,
 * padding, digests, reserved fields) run under every one of them.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "initiator.h"
#include "scsi/nexus.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"

#define DIGESTS "want HeaderDigest=CRC32C\nwant DataDigest=CRC32C\n"

static void ends(const struct io *io, enum scsi_outcome outcome)
{
	assert_int_equal(io->done, 1);
	assert_int_equal(io->command.result.outcome, outcome);
}

/* A read that this offence of the target ends in doubt, with the session. */
static void offence_in_read(const char *script, enum session_loss loss)
{
	struct initiator *initiator = initiator_start(script);
	struct io *io = initiator_read(initiator, 0, 64);

	initiator_until_lost(initiator, loss);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	initiator_free(initiator);
}

static void offence_in_write(const char *script, enum session_loss loss)
{
	struct initiator *initiator = initiator_start(script);
	struct io *io = initiator_write(initiator, 0, 512);

	initiator_until_lost(initiator, loss);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	initiator_free(initiator);
}

/* A conversation that may not disturb anything. */
static void harmless(const char *script)
{
	struct initiator *initiator = initiator_start(script);

	initiator_verify(initiator, 3, 700);
	initiator_verify(initiator, 4000, 1);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Row 2, §11 */
static void reserved_fields_of_answers_are_ignored(void **state)
{
	harmless("on response : set byte9=0xff byte10=random byte15=0x5a\n"
		 "on r2t : set byte2=0xff byte3=0x81\n"
		 "on data-in : set byte2=0x7e\n"
		 "on logout-response : set byte3=random byte20=1 byte45=2\n"
		 "on login-response : set byte20=0xff byte38=0xff byte47=0xff\n");
}

/* Rows 12, 13, 14, §13.1, §11.2.3 */
static void digests_in_all_four_combinations(void **state)
{
	static const char *const scripts[] = {
		"want HeaderDigest=None\nwant DataDigest=None\n",
		"want HeaderDigest=CRC32C\nwant DataDigest=None\n",
		"want HeaderDigest=None\nwant DataDigest=CRC32C\n",
		DIGESTS,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct initiator *initiator = initiator_new(scripts[i]);

		initiator->settings.header_digest = initiator->settings.data_digest =
			DIGEST_CRC32C_NONE;
		assert_int_equal(initiator_login(initiator), LOGIN_DONE);
		assert_int_equal(initiator->negotiated.header_digest, i & 1);
		assert_int_equal(initiator->negotiated.data_digest, i >> 1);
		initiator_attach(initiator);
		initiator_verify(initiator, 1, 333);
		initiator_script(initiator, "send nop-in ttt=9");
		initiator_until(initiator, "nop-out ttt=9", 1);
		initiator_free(initiator);
	}
}

/* Rows 15, 17, 20, 23, §4.2.2.1, §11.12.8: the target complains of any CmdSN but the next */
static void cmd_sn_crosses_its_wrap(void **state)
{
	struct initiator *initiator = initiator_start("");
	struct fake_pdu login, command;

	for (unsigned i = 0; i < 100; i++)
		initiator_read(initiator, i, 1);
	initiator_finish(initiator);
	assert_int_equal(fake_target_count(initiator->target, "command"), 100);
	assert_true(fake_target_find(initiator->target, "login", 0, &login));
	assert_true(fake_target_find(initiator->target, "command", 0, &command));
	assert_int_equal(fake_target_field(&login, "cmd_sn"),
			 fake_target_field(&command, "cmd_sn"));
	assert_int_equal(fake_target_count(initiator->target, "command cmd_sn=0x53"), 1);
	initiator_free(initiator);
}

/* Rows 7, 8, §11.2.1.8: the target complains of tags in use and of the reserved one */
static void tags_are_unique_over_128_open_commands(void **state)
{
	struct initiator *initiator = initiator_start("window 128\non command : delay 20\n");

	for (unsigned i = 0; i < 128; i++)
		initiator_read(initiator, i, 1);
	initiator_finish(initiator);
	assert_int_equal(fake_target_count(initiator->target, "response"), 128);
	initiator_free(initiator);
}

/* Rows 18, 21, 22, §4.2.2.1 */
static void a_closed_window_holds_commands_back_and_a_ping_opens_it(void **state)
{
	struct initiator *initiator = initiator_start("window 1\n");
	struct io *io;

	io = initiator_read(initiator, 0, 1);
	initiator_finish(initiator);
	initiator_script(initiator, "window 0\nsend nop-in ttt=1");
	initiator_until(initiator, "nop-out ttt=1", 1);
	io = initiator_read(initiator, 0, 1);
	/* the window of 1 that the first answer had opened takes one more */
	initiator_finish(initiator);
	ends(io, SCSI_COMPLETED);
	io = initiator_read(initiator, 1, 1);
	initiator_run_ms(initiator, 30);
	assert_int_equal(io->done, 0);
	assert_int_equal(fake_target_count(initiator->target, "command"), 2);
	initiator_script(initiator, "send nop-in ttt=2");
	initiator_until(initiator, "nop-out ttt=2", 1);
	assert_int_equal(io->done, 0);
	initiator_script(initiator, "window 1\nsend nop-in ttt=3");
	initiator_finish(initiator);
	ends(io, SCSI_COMPLETED);
	initiator_free(initiator);
}

/* Row 19, §4.2.2.1 */
static void stale_and_impossible_windows_are_ignored(void **state)
{
	struct initiator *initiator;

	harmless("on response : set max_cmd_sn-=30\n");
	harmless("on r2t : set max_cmd_sn-=5000\n");
	/* taken for true it would let ten commands out into a window of two */
	initiator = initiator_start("window 2\non response : set exp_cmd_sn+=200 max_cmd_sn+=100\n"
				    "on command #2+ : ignore\n");
	initiator_read(initiator, 0, 1);
	initiator_finish(initiator);
	for (uint32_t i = 0; i < 10; i++)
		initiator_read(initiator, i, 1);
	initiator_until(initiator, "command", 3);
	initiator_run_ms(initiator, 20);
	assert_int_equal(fake_target_count(initiator->target, "command"), 3);
	initiator_free(initiator);
}

/* Row 24, §4.2.2.2: the target complains of ExpStatSN that goes back or too far */
static void stat_sn_begins_anywhere_and_wraps(void **state)
{
	harmless("stat-sn 0\n");
	harmless("stat-sn 0x7fffffff\n");
	harmless("stat-sn 0xffffffff\n");
	harmless("stat-sn 0xfffffffd\n");
}

/* Rows 25, 26, §4.2.2.2, §11.9, §11.17 */
static void only_answers_and_events_advance_exp_stat_sn(void **state)
{
	struct initiator *initiator = initiator_start("");
	struct fake_pdu before, after;

	initiator_script(initiator, "send nop-in ttt=1");
	initiator_until(initiator, "nop-out ttt=1", 1);
	initiator_script(initiator, "send nop-in ttt=2");
	initiator_until(initiator, "nop-out ttt=2", 1);
	assert_true(fake_target_find(initiator->target, "nop-out ttt=1", 0, &before));
	assert_true(fake_target_find(initiator->target, "nop-out ttt=2", 0, &after));
	assert_int_equal(fake_target_field(&before, "exp_stat_sn"),
			 fake_target_field(&after, "exp_stat_sn"));
	initiator_script(initiator, "send async event=255\nsend nop-in ttt=3");
	initiator_until(initiator, "nop-out ttt=3", 1);
	assert_true(fake_target_find(initiator->target, "nop-out ttt=3", 0, &after));
	assert_int_equal(fake_target_field(&after, "exp_stat_sn"),
			 fake_target_field(&before, "exp_stat_sn") + 1);
	initiator_free(initiator);
}

/* Row 27, §7.9 */
static void a_gap_in_stat_sn_ends_the_session(void **state)
{
	offence_in_read("on response : set stat_sn+=1\n", SESSION_LOSS_PROTOCOL);
}

/* Row 28, §4.2.2.2 */
static void a_huge_gap_in_stat_sn_ends_the_session(void **state)
{
	offence_in_read("on response : set stat_sn+=0x40000000\n", SESSION_LOSS_PROTOCOL);
}

/* Row 29, §4.2.2.4 */
static void a_lost_data_in_is_never_good(void **state)
{
	offence_in_read("data-in-bytes 4096\non data-in #2 : discard\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("data-in-bytes 4096\nstatus-in-data 1\non data-in #2 : discard\n",
			SESSION_LOSS_PROTOCOL);
	/* the last one: only the count tells */
	offence_in_read("data-in-bytes 4096\non data-in #8 : discard\n", SESSION_LOSS_PROTOCOL);
}

/* Row 31, §7.9 */
static void repeated_data_in_and_r2t_are_discarded(void **state)
{
	struct initiator *initiator =
		initiator_start("data-in-bytes 3000\non data-in #2 : twice\n"
				"want InitialR2T=Yes\nr2t-bytes 20000\non r2t #2 : twice\n");

	initiator_verify(initiator, 0, 512);
	assert_int_equal(fake_target_count(initiator->target, "r2t"),
			 fake_target_count(initiator->target, "data-out final=1"));
	initiator_free(initiator);
}

/* Row 35, §4.2.4 */
static void a_login_response_in_full_feature_phase_ends_the_session(void **state)
{
	offence_in_read("on command : send login-response\n", SESSION_LOSS_PROTOCOL);
}

/* Row 66, §13.12 */
static void segment_lengths_are_those_of_each_direction(void **state)
{
	struct initiator *initiator = initiator_start("want MaxRecvDataSegmentLength=512\n");

	initiator_verify(initiator, 0, 512);
	assert_int_equal(fake_target_count(initiator->target, "data-out length=512"),
			 fake_target_count(initiator->target, "data-out"));
	assert_int_equal(fake_target_count(initiator->target, "data-in length=262144"), 1);
	initiator_free(initiator);
}

/* Row 67, §13.12 */
static void segments_have_8192_bytes_when_nothing_is_declared(void **state)
{
	struct initiator *initiator = initiator_start("want MaxRecvDataSegmentLength=\n");

	assert_int_equal(initiator->negotiated.max_xmit_data_segment_length, 8192);
	initiator_verify(initiator, 0, 512);
	assert_int_equal(fake_target_count(initiator->target, "data-out length=8192"),
			 fake_target_count(initiator->target, "data-out"));
	initiator_free(initiator);
}

/* Rows 94 to 99, §4.2.5.2, §11.3, §11.7: the target complains of every wrong first burst */
static void the_first_burst_is_as_agreed(void **state)
{
	static const uint32_t first_bursts[] = {512, 4096, 65536},
			      blocks[] = {1, 7, 8, 9, 127, 600};
	char script[200];

	for (unsigned i = 0; i < 4 * ARRAY_SIZE(first_bursts); i++) {
		bool initial_r2t = i & 1, immediate_data = i & 2;
		struct initiator *initiator;

		snprintf(script, sizeof(script),
			 "want InitialR2T=%s\nwant ImmediateData=%s\nwant FirstBurstLength=%u\n"
			 "want MaxRecvDataSegmentLength=4096\n",
			 initial_r2t ? "Yes" : "No", immediate_data ? "Yes" : "No",
			 first_bursts[i / 4]);
		initiator = initiator_start(script);
		for (unsigned j = 0; j < ARRAY_SIZE(blocks); j++)
			initiator_verify(initiator, j * 1000, blocks[j]);
		if (initial_r2t)
			assert_int_equal(
				fake_target_count(initiator->target, "data-out ttt=0xffffffff"), 0);
		if (!immediate_data)
			assert_int_equal(fake_target_count(initiator->target, "command length!=0"),
					 0);
		initiator_free(initiator);
	}
}

/* Row 100, §11.7.7 */
static void odd_segments_are_filled_to_words(void **state)
{
	harmless("want MaxRecvDataSegmentLength=513\n");
}

/* Row 101, §11.8: tags, offsets and lengths; the target compares them all */
static void r2ts_are_honoured_exactly(void **state)
{
	harmless("want InitialR2T=Yes\nwant ImmediateData=No\nr2t-bytes 1\nfirst-tag 0\n"
		 "want MaxRecvDataSegmentLength=512\nr2t-bytes 4999\n");
	harmless("want InitialR2T=Yes\nr2t-bytes 777\nfirst-tag 0xfffffffe\n");
}

/* Row 102, §11.8 */
static void several_r2ts_are_served_in_order(void **state)
{
	struct initiator *initiator =
		initiator_new("want InitialR2T=Yes\nr2t-bytes 10000\nwant MaxOutstandingR2T=4\n");

	initiator->settings.max_outstanding_r2t = 4;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	assert_int_equal(initiator->negotiated.max_outstanding_r2t, 4);
	initiator_attach(initiator);
	initiator_verify(initiator, 0, 900);
	initiator_free(initiator);
}

/* Row 104, §4.2.5.2 */
static void unsolicited_data_comes_in_the_order_of_the_commands(void **state)
{
	struct initiator *initiator = initiator_start("want MaxRecvDataSegmentLength=4096\n");
	struct fake_pdu command, data_out;
	unsigned next = 0;

	for (uint32_t i = 0; i < 8; i++)
		initiator_write(initiator, i * 200, 128);
	initiator_finish(initiator);
	for (unsigned i = 0; i < 8; i++) {
		assert_true(fake_target_find(initiator->target, "command", i, &command));
		do {
			assert_true(fake_target_find(initiator->target, "data-out ttt=0xffffffff",
						     next++, &data_out));
			assert_int_equal(fake_target_field(&data_out, "itt"),
					 fake_target_field(&command, "itt"));
		} while (!fake_target_field(&data_out, "final"));
	}
	initiator_free(initiator);
}

/* Row 105, §11.8.4 */
static void impossible_r2ts_end_the_session(void **state)
{
	static const char *const lies[] = {
		"desired=0",	  "desired=0x1000001", "offset=0x40000000",
		"ttt=0xffffffff", "r2t_sn=5",	       "lun=0x0005000000000000",
	};
	char script[160];

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		snprintf(script, sizeof(script), "want InitialR2T=Yes\non r2t #1 : set %s\n",
			 lies[i]);
		offence_in_write(script, SESSION_LOSS_PROTOCOL);
	}
}

/* Row 105, §11.8 */
static void an_r2t_for_nobody_is_survived(void **state)
{
	harmless("on r2t #1 : send r2t itt=0x70707070 ttt=3 desired=512\n");
}

/* Row 106, §11.7 */
static void status_in_data_in_is_taken(void **state)
{
	struct initiator *initiator = initiator_start("status-in-data 1\n");

	initiator_verify(initiator, 0, 600);
	assert_int_equal(fake_target_count(initiator->target, "data-in with_status=1"), 1);
	assert_int_equal(fake_target_count(initiator->target, "response"), 1);
	initiator_free(initiator);
}

/* Row 107, §11.7.6 */
static void data_in_beyond_the_buffer_ends_the_session(void **state)
{
	offence_in_read("on data-in : set offset=0x7ffffe00\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("on data-in : set offset=1\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("on command : send data-in offset=0x8000 data=4\n", SESSION_LOSS_PROTOCOL);
}

/* Row 108, §11.7.2 */
static void the_a_bit_means_nothing_at_level_0(void **state)
{
	struct initiator *initiator = initiator_start("on data-in : set acknowledge=1 ttt=1\n");

	initiator_verify(initiator, 0, 600);
	assert_int_equal(fake_target_count(initiator->target, "snack"), 0);
	initiator_free(initiator);
}

/* Row 109, §11.4.5 */
static void residuals_are_handed_up_in_both_directions(void **state)
{
	struct initiator *initiator =
		initiator_start("on command : answer 2 5 0x24 0\n"
				"on response #1-2 : set underflow=1 residual=512\n"
				"on response #3-4 : set overflow=1 residual=77\n");
	struct io *ios[4];

	for (unsigned i = 0; i < 4; i++) {
		ios[i] = i % 2 ? initiator_write(initiator, 0, 1) : initiator_read(initiator, 0, 1);
		initiator_finish(initiator);
		ends(ios[i], SCSI_COMPLETED);
		assert_int_equal(ios[i]->command.result.status, SCSI_CHECK_CONDITION);
		assert_int_equal(ios[i]->command.result.underflow, i < 2);
		assert_int_equal(ios[i]->command.result.overflow, i >= 2);
		assert_int_equal(ios[i]->command.result.residual_bytes, i < 2 ? 512 : 77);
	}
	initiator_free(initiator);
}

/* Row 110, §11.4.3 */
static void a_response_that_is_not_completed_voids_the_status(void **state)
{
	static const char *const codes[] = {"1", "0x80", "0xff"};
	char script[80];

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct initiator *initiator;
		struct io *io;

		snprintf(script, sizeof(script), "on response : set response=%s\n", codes[i]);
		initiator = initiator_start(script);
		io = initiator_write(initiator, 0, 1);
		initiator_finish(initiator);
		ends(io, SCSI_TARGET_FAILURE);
		initiator_free(initiator);
	}
}

/* Row 111, §11.4.1 */
static void overflow_and_underflow_at_once_end_the_session(void **state)
{
	offence_in_read("on response : set overflow=1 underflow=1\n", SESSION_LOSS_PROTOCOL);
}

/* Row 112, §10.2 */
static void every_status_arrives_with_its_sense(void **state)
{
	struct initiator *initiator = initiator_start("on command : answer 2 3 0x11 4\n");
	struct io *io = initiator_read(initiator, 0, 1);

	initiator_finish(initiator);
	ends(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_CHECK_CONDITION);
	assert_int_equal(io->command.result.sense_length, 18);
	assert_int_equal(io->command.result.sense[2], 3);
	assert_int_equal(io->command.result.sense[12], 0x11);
	assert_int_equal(io->command.result.sense[13], 4);
	initiator_free(initiator);
}

/* Row 114, §11.18 */
static void a_ping_of_the_target_is_answered_with_its_tag_and_lun(void **state)
{
	static const char *const tags[] = {"0", "1", "0x7fffffff"};
	struct initiator *initiator = initiator_start("");
	char line[120];

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		snprintf(line, sizeof(line), "send nop-in ttt=%s lun=0x0003000000000000", tags[i]);
		initiator_script(initiator, line);
		snprintf(line, sizeof(line),
			 "nop-out ttt=%s lun=0x0003000000000000 itt=0xffffffff immediate=1 "
			 "cmd_sn=0xfffffff0",
			 tags[i]);
		initiator_until(initiator, line, 1);
	}
	initiator_free(initiator);
}

/* Row 115, §11.18 */
static void information_that_is_no_ping_is_not_answered(void **state)
{
	struct initiator *initiator = initiator_start("");

	initiator_script(initiator, "send nop-in\nsend nop-in\nsend nop-in ttt=1");
	initiator_until(initiator, "nop-out", 1);
	initiator_verify(initiator, 0, 1);
	assert_int_equal(fake_target_count(initiator->target, "nop-out"), 1);
	initiator_free(initiator);
}

/* Row 116, §7.7 */
static void a_ping_with_both_tags_ends_the_session(void **state)
{
	offence_in_read("on command : ignore ; send nop-in itt=5 ttt=5\n", SESSION_LOSS_PROTOCOL);
}

/* Row 118, §7.14 */
static void an_unanswered_ping_ends_the_connection(void **state)
{
	struct initiator *initiator = initiator_new("on nop-out : ignore\n");

	initiator->session_settings.noop_interval_ms = 50;
	initiator->session_settings.noop_timeout_ms = 100;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	initiator_until_lost(initiator, SESSION_LOSS_TIMEOUT);
	assert_int_equal(fake_target_count(initiator->target, "nop-out"), 1);
	initiator_free(initiator);
}

/* Row 118, §7.14 */
static void a_frozen_target_is_noticed_under_a_command(void **state)
{
	struct initiator *initiator = initiator_new("on command : freeze\n");
	struct io *io;

	initiator->session_settings.noop_interval_ms = 50;
	initiator->session_settings.noop_timeout_ms = 100;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	io = initiator_write(initiator, 0, 64);
	initiator_until_lost(initiator, SESSION_LOSS_TIMEOUT);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	initiator_free(initiator);
}

/* Row 119, §11.9.1 */
static void asked_to_log_out_it_logs_out(void **state)
{
	struct initiator *initiator = initiator_start("");

	initiator_verify(initiator, 0, 64);
	initiator_script(initiator, "send async event=1 parameter3=5");
	initiator_until_lost(initiator, SESSION_LOSS_ASKED);
	assert_int_equal(fake_target_count(initiator->target, "logout"), 1);
	initiator_free(initiator);
}

/* Row 120, §7.1.4.3 */
static void an_announced_drop_is_taken_as_one_with_its_time(void **state)
{
	static const char *const events[] = {"send async event=2 parameter2=3 parameter3=0",
					     "send async event=3 parameter2=3 parameter3=0"};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct initiator *initiator = initiator_start("");

		initiator_script(initiator, events[i]);
		initiator_until_lost(initiator, SESSION_LOSS_ASKED);
		assert_int_equal(initiator->wait_s, 3);
		initiator_free(initiator);
	}
}

/* Row 123, §11.9 */
static void unknown_events_are_survived(void **state)
{
	struct initiator *initiator = initiator_start("");

	initiator_script(initiator, "send async event=6\nsend async event=200\n"
				    "send async event=255 vcode=9 data=100\n");
	initiator_verify(initiator, 0, 64);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Row 125, §7.3 */
static void a_write_survives_the_reject_of_its_data(void **state)
{
	struct initiator *initiator = initiator_start(
		"want InitialR2T=Yes\n"
		"on data-out #1 : send reject reason=9 ; send response status=8 ; ignore\n");
	struct io *io = initiator_write(initiator, 0, 512);

	initiator_finish(initiator);
	ends(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_BUSY);
	initiator->may_complain = true; /* the target still waits for the data */
	initiator_free(initiator);
}

/* Row 127, §11.17: whatever the reason, commands end once and nothing breaks */
static void every_reason_to_reject_is_survived(void **state)
{
	char script[80];

	for (unsigned reason = 0; reason < 256; reason += reason < 16 ? 1 : 17) {
		struct initiator *initiator;
		struct io *io;

		snprintf(script, sizeof(script), "on command : reject %u\n", reason);
		initiator = initiator_start(script);
		io = initiator_read(initiator, 0, 1);
		initiator_finish(initiator);
		assert_int_not_equal(io->command.result.outcome, SCSI_COMPLETED);
		initiator_free(initiator);
	}
}

/* Rows 133, 135, 140, §11.5.1, §7.11: the target compares the task's LUN and RefCmdSN */
static void an_abort_names_its_task_and_comes_at_once(void **state)
{
	struct initiator *initiator = initiator_start("on command : ignore\n");
	struct io *io = initiator_read(initiator, 0, 1);
	struct fake_pdu command, management;

	initiator_until(initiator, "command", 1);
	nexus_abort(initiator->nexus, &io->command);
	/* "task does not exist": it is over all the same */
	initiator_finish(initiator);
	ends(io, SCSI_ABORTED);
	assert_true(
		fake_target_find(initiator->target, "task-management function=1", 0, &management));
	assert_true(fake_target_find(initiator->target, "command", 0, &command));
	assert_int_equal(fake_target_field(&management, "referenced"),
			 fake_target_field(&command, "itt"));
	assert_int_equal(fake_target_field(&management, "ref_cmd_sn"),
			 fake_target_field(&command, "cmd_sn"));
	assert_int_equal(fake_target_field(&management, "immediate"), 1);
	initiator_free(initiator);
}

/* Row 138, §11.5.1 */
static void what_comes_behind_the_answer_to_an_abort_is_dropped(void **state)
{
	struct initiator *initiator = initiator_start("on command #1 : ignore\n");
	struct io *io = initiator_read(initiator, 0, 64);
	struct fake_pdu command;
	char line[120];

	initiator_until(initiator, "command", 1);
	nexus_abort(initiator->nexus, &io->command);
	initiator_finish(initiator);
	ends(io, SCSI_ABORTED);
	assert_true(fake_target_find(initiator->target, "command", 0, &command));
	snprintf(line, sizeof(line), "send data-in itt=%u data=512\nsend response itt=%u",
		 (unsigned)fake_target_field(&command, "itt"),
		 (unsigned)fake_target_field(&command, "itt"));
	initiator_script(initiator, line);
	initiator_verify(initiator, 0, 64);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Rows 141 to 143, 158, §11.14, §4.2.6 */
static void after_a_logout_the_connection_ends_with_fin(void **state)
{
	struct initiator *initiator = initiator_start("");

	initiator_verify(initiator, 0, 64);
	session_logout(initiator->session);
	initiator_until_lost(initiator, SESSION_LOSS_LOGOUT);
	assert_true(fake_target_wait(initiator->target, "closed", 1, 5000));
	assert_int_equal(fake_target_count(initiator->target, "reset"), 0);
	assert_int_equal(fake_target_count(initiator->target, "logout reason=0 cid=0"), 1);
	initiator_free(initiator);
}

/* Row 144, §11.15 */
static void every_answer_to_a_logout_and_none_ends_it(void **state)
{
	static const char *const scripts[] = {
		"on logout-response : set response=1",
		"on logout-response : set response=2",
		"on logout-response : set response=3",
		"on logout-response : set response=77",
		"on logout : ignore",
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct initiator *initiator = initiator_new(scripts[i]);
		unsigned turns = 0;

		initiator->session_settings.logout_timeout_ms = 100;
		assert_int_equal(initiator_login(initiator), LOGIN_DONE);
		initiator_attach(initiator);
		session_logout(initiator->session);
		for (; !initiator->lost; turns++) {
			assert_in_range(turns, 0, 5000);
			initiator_turn(initiator);
		}
		initiator_free(initiator);
	}
}

/* Row 146, §6.3.5, §7.15 */
static void a_new_login_takes_the_place_of_the_lost_session(void **state)
{
	struct initiator *initiator = initiator_start("on command #1 : drop\n");
	struct io *io = initiator_write(initiator, 0, 64);
	struct fake_pdu first, second;

	initiator_until_lost(initiator, SESSION_LOSS_CLOSED);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	initiator_verify(initiator, 0, 64);
	assert_true(fake_target_find(initiator->target, "login", 0, &first));
	assert_true(fake_target_find(initiator->target, "login tsih=0", 1, &second));
	assert_int_equal(fake_target_field(&first, "isid"), fake_target_field(&second, "isid"));
	initiator_free(initiator);
}

/* Row 147, §7.1.4.4: every answer of a small conversation is the last one, whole or cut */
static void every_command_ends_once_wherever_the_target_stops(void **state)
{
	char script[120];

	for (unsigned pdu = 1; pdu <= 24; pdu++) {
		struct initiator *initiator;
		unsigned turns = 0;

		snprintf(script, sizeof(script),
			 "data-in-bytes 5000\nr2t-bytes 9000\n"
			 "on any opcode!=0x23 opcode!=3 #%u : truncate %u ; close\n",
			 pdu, pdu * 3);
		initiator = initiator_start(script);
		for (uint32_t i = 0; i < 6; i++) {
			initiator_write(initiator, i * 100, 90);
			initiator_read(initiator, i * 100, 90);
		}
		for (; !initiator->lost && initiator->pending; turns++) {
			assert_in_range(turns, 0, 5000);
			initiator_turn(initiator);
		}
		initiator_finish(initiator);
		initiator_free(initiator);
	}
}

/* Row 148, §7.8 */
static void a_wrong_header_digest_ends_the_connection(void **state)
{
	offence_in_read(DIGESTS "on data-in : corrupt header-digest\n", SESSION_LOSS_DIGEST);
	offence_in_write(DIGESTS "on r2t : corrupt header-digest\nwant InitialR2T=Yes\n",
			 SESSION_LOSS_DIGEST);
}

/* Row 149, §7.8 */
static void data_with_a_wrong_digest_is_never_good(void **state)
{
	offence_in_read(DIGESTS "on data-in : corrupt data-digest\n", SESSION_LOSS_DIGEST);
	offence_in_read(DIGESTS "on data-in : corrupt data\n", SESSION_LOSS_DIGEST);
	offence_in_read(DIGESTS "status-in-data 1\non data-in : corrupt data\n",
			SESSION_LOSS_DIGEST);
}

/* Row 150, §7.8 */
static void an_answer_with_a_wrong_digest_does_not_count(void **state)
{
	offence_in_write(DIGESTS "on command : answer 2 5 0x24 0\n"
				 "on response : corrupt data-digest\nwant InitialR2T=No\n",
			 SESSION_LOSS_DIGEST);
}

/* Row 157, §7.7 */
static void format_errors_end_the_session(void **state)
{
	offence_in_read("on response : set ahs=1\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("on data-in : set length=0x50000\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("on data-in : set opcode=0x2f\n", SESSION_LOSS_PROTOCOL);
	offence_in_read("on data-in : set opcode=0x01\n", SESSION_LOSS_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserved_fields_of_answers_are_ignored),
		cmocka_unit_test(digests_in_all_four_combinations),
		cmocka_unit_test(cmd_sn_crosses_its_wrap),
		cmocka_unit_test(tags_are_unique_over_128_open_commands),
		cmocka_unit_test(a_closed_window_holds_commands_back_and_a_ping_opens_it),
		cmocka_unit_test(stale_and_impossible_windows_are_ignored),
		cmocka_unit_test(stat_sn_begins_anywhere_and_wraps),
		cmocka_unit_test(only_answers_and_events_advance_exp_stat_sn),
		cmocka_unit_test(a_gap_in_stat_sn_ends_the_session),
		cmocka_unit_test(a_huge_gap_in_stat_sn_ends_the_session),
		cmocka_unit_test(a_lost_data_in_is_never_good),
		cmocka_unit_test(repeated_data_in_and_r2t_are_discarded),
		cmocka_unit_test(a_login_response_in_full_feature_phase_ends_the_session),
		cmocka_unit_test(segment_lengths_are_those_of_each_direction),
		cmocka_unit_test(segments_have_8192_bytes_when_nothing_is_declared),
		cmocka_unit_test(the_first_burst_is_as_agreed),
		cmocka_unit_test(odd_segments_are_filled_to_words),
		cmocka_unit_test(r2ts_are_honoured_exactly),
		cmocka_unit_test(several_r2ts_are_served_in_order),
		cmocka_unit_test(unsolicited_data_comes_in_the_order_of_the_commands),
		cmocka_unit_test(impossible_r2ts_end_the_session),
		cmocka_unit_test(an_r2t_for_nobody_is_survived),
		cmocka_unit_test(status_in_data_in_is_taken),
		cmocka_unit_test(data_in_beyond_the_buffer_ends_the_session),
		cmocka_unit_test(the_a_bit_means_nothing_at_level_0),
		cmocka_unit_test(residuals_are_handed_up_in_both_directions),
		cmocka_unit_test(a_response_that_is_not_completed_voids_the_status),
		cmocka_unit_test(overflow_and_underflow_at_once_end_the_session),
		cmocka_unit_test(every_status_arrives_with_its_sense),
		cmocka_unit_test(a_ping_of_the_target_is_answered_with_its_tag_and_lun),
		cmocka_unit_test(information_that_is_no_ping_is_not_answered),
		cmocka_unit_test(a_ping_with_both_tags_ends_the_session),
		cmocka_unit_test(an_unanswered_ping_ends_the_connection),
		cmocka_unit_test(a_frozen_target_is_noticed_under_a_command),
		cmocka_unit_test(asked_to_log_out_it_logs_out),
		cmocka_unit_test(an_announced_drop_is_taken_as_one_with_its_time),
		cmocka_unit_test(unknown_events_are_survived),
		cmocka_unit_test(a_write_survives_the_reject_of_its_data),
		cmocka_unit_test(every_reason_to_reject_is_survived),
		cmocka_unit_test(an_abort_names_its_task_and_comes_at_once),
		cmocka_unit_test(what_comes_behind_the_answer_to_an_abort_is_dropped),
		cmocka_unit_test(after_a_logout_the_connection_ends_with_fin),
		cmocka_unit_test(every_answer_to_a_logout_and_none_ends_it),
		cmocka_unit_test(a_new_login_takes_the_place_of_the_lost_session),
		cmocka_unit_test(every_command_ends_once_wherever_the_target_stops),
		cmocka_unit_test(a_wrong_header_digest_ends_the_connection),
		cmocka_unit_test(data_with_a_wrong_digest_is_never_good),
		cmocka_unit_test(an_answer_with_a_wrong_digest_does_not_count),
		cmocka_unit_test(format_errors_end_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
