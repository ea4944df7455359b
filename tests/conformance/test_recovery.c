/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * ErrorRecoveryLevel 1 over TCP against the fake target, which loses, damages, keeps and sends
 * again. Its own checks run under every test: what a SNACK asks for must be missing and not
 * acknowledged, and its fields be those of its type (RFC 7143 §11.16).
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
#include "util/cleanup.h"

#define LEVEL_1 \
	"want ErrorRecoveryLevel=1\n" \
	"want HeaderDigest=CRC32C\nwant DataDigest=CRC32C\n" \
	"data-in-bytes 4096\n"

static struct initiator *start(const char *script)
{
	struct initiator *initiator;
	char lines[2048];

	snprintf(lines, sizeof(lines), LEVEL_1 "%s", script);
	initiator = initiator_new(lines);
	initiator->settings.error_recovery_level = 1;
	initiator->settings.header_digest = initiator->settings.data_digest = DIGEST_CRC32C;
	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
	assert_int_equal(initiator->negotiated.error_recovery_level, 1);
	initiator_attach(initiator);
	return initiator;
}

static void ends(const struct io *io, enum scsi_outcome outcome)
{
	assert_int_equal(io->done, 1);
	assert_int_equal(io->command.result.outcome, outcome);
}

/* Everything is read and written as if nothing had been lost. */
static struct initiator *survives(const char *script)
{
	struct initiator *initiator = start(script);

	initiator_verify(initiator, 3, 64);
	initiator_verify(initiator, 999, 5);
	assert_int_equal(initiator->lost, 0);
	return initiator;
}

static unsigned snacks(struct initiator *initiator, enum snack_type type)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "snack flags=0x%x", PDU_FINAL | type);
	return fake_target_count(initiator->target, pattern);
}

/* A read that this offence ends in doubt, with the session. */
static void ends_session(const char *script, enum session_loss loss, const char *says)
{
	struct initiator *initiator = start(script);
	struct io *io = initiator_read(initiator, 0, 64);

	initiator_until_lost(initiator, loss);
	if (!strstr(initiator->text, says))
		fail_msg("\"%s\" does not say \"%s\"", initiator->text, says);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	initiator_free(initiator);
}

/* Rows 149, 153, §7.8: 64 blocks are 8 Data-In PDUs */
static void data_that_comes_damaged_is_asked_for_again(void **state)
{
	for (unsigned status = 0; status < 2; status++) {
		for (unsigned at = 1; at <= 8; at++) {
			struct initiator *initiator;
			char script[128];

			snprintf(script, sizeof(script),
				 "status-in-data %u\non data-in #%u : corrupt data%s\n", status, at,
				 at % 2 ? "" : "-digest");
			initiator = survives(script);
			assert_int_equal(snacks(initiator, SNACK_DATA_OR_R2T), 1);
			assert_int_equal(session_get_statistics(initiator->session)->digest_err, 1);
			assert_int_equal(session_get_statistics(initiator->session)->snack_pdus,
					 fake_target_count(initiator->target, "snack"));
			initiator_free(initiator);
		}
	}
}

/* Row 153, §7.9 */
static void data_that_was_lost_is_asked_for(void **state)
{
	for (unsigned status = 0; status < 2; status++) {
		for (unsigned at = 1; at <= 8; at++) {
			struct initiator *initiator;
			struct fake_pdu snack;
			char script[128];

			if (status && at == 8)
				continue; /* that is a lost status */
			snprintf(script, sizeof(script),
				 "status-in-data %u\non data-in #%u : discard\n", status, at);
			initiator = survives(script);
			assert_true(fake_target_find(initiator->target, "snack", 0, &snack));
			assert_int_equal(fake_target_field(&snack, "beg_run"), at - 1);
			assert_int_equal(fake_target_field(&snack, "run_length"), 1);
			assert_int_equal(snacks(initiator, SNACK_DATA_OR_R2T), 1);
			initiator_free(initiator);
		}
	}
}

static void a_run_is_asked_for_in_one_and_two_runs_in_two(void **state)
{
	struct initiator *initiator;

	initiator = survives("on data-in #2-5 : discard\n");
	assert_int_equal(fake_target_count(initiator->target, "snack beg_run=1 run_length=4"), 1);
	assert_int_equal(fake_target_count(initiator->target, "snack"), 1);
	initiator_free(initiator);
	initiator = survives("on data-in #2-3 : discard\non data-in #6-8 : discard\n");
	assert_int_equal(fake_target_count(initiator->target, "snack beg_run=1 run_length=2"), 1);
	assert_int_equal(fake_target_count(initiator->target, "snack beg_run=5 run_length=3"), 1);
	assert_int_equal(fake_target_count(initiator->target, "snack"), 2);
	initiator_free(initiator);
}

static void damage_that_comes_twice_is_asked_for_twice(void **state)
{
	struct initiator *initiator = survives("on data-in data_sn=3 #1-2 : corrupt data\n");

	assert_int_equal(snacks(initiator, SNACK_DATA_OR_R2T), 2);
	initiator_free(initiator);
}

static void much_damage_over_many_commands_is_survived(void **state)
{
	struct initiator *initiator = start("on data-in data_sn=2 #1-16 : corrupt data\n"
					    "on data-in data_sn=5 #1-16 : discard\n");
	struct io *ios[16];

	for (unsigned i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = initiator_read(initiator, i * 64, 64);
	initiator_finish(initiator);
	for (unsigned i = 0; i < ARRAY_SIZE(ios); i++)
		assert_true(scsi_command_good(&ios[i]->command));
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Rows 27, 153, §7.9, §7.1.4.2 */
static void a_lost_answer_is_asked_for(void **state)
{
	struct initiator *initiator = survives("on response #1 : discard\n"
					       "on response #2 : discard ; send nop-in\n");

	/* the first by the next one; what that left open by the target's information */
	assert_in_range(snacks(initiator, SNACK_STATUS), 1, 2);
	initiator_free(initiator);
	initiator = start("on response #1 : discard\n");
	initiator_read(initiator, 0, 1);
	initiator_read(initiator, 0, 1);
	initiator_read(initiator, 0, 1);
	initiator_finish(initiator);
	assert_int_equal(snacks(initiator, SNACK_STATUS), 1);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

static void a_lost_status_in_data_is_asked_for(void **state)
{
	struct initiator *initiator =
		survives("status-in-data 1\non data-in with_status=1 #1 : discard ; send nop-in\n");

	assert_int_equal(snacks(initiator, SNACK_STATUS), 1);
	initiator_free(initiator);
}

/* Row 150, §7.8 */
static void an_answer_that_comes_damaged_is_asked_for_again(void **state)
{
	struct initiator *initiator = start("on command #1 : answer 2 3 0x11 0\n"
					    "on response #1-2 : corrupt data\n");
	struct io *io = initiator_read(initiator, 0, 8);

	initiator_finish(initiator);
	ends(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_CHECK_CONDITION);
	assert_int_equal(io->command.result.sense_length, 18);
	assert_int_equal(io->command.result.sense[12], 0x11);
	assert_int_equal(snacks(initiator, SNACK_STATUS), 2);
	assert_int_equal(session_get_statistics(initiator->session)->digest_err, 2);
	initiator_free(initiator);
}

/* Rows 108, 154, §11.16.2 */
static void the_a_bit_is_answered_once_nothing_is_missing(void **state)
{
	struct initiator *initiator =
		start("on data-in data_sn=1 #1 : set acknowledge=1 ttt=0\n"
		      "on data-in data_sn=3 #1 : discard\n"
		      "on data-in data_sn=5 #1 : set acknowledge=1 ttt=0x55\n");
	struct fake_pdu first, hole, second;
	struct io *io = initiator_read(initiator, 0, 64);

	initiator_finish(initiator);
	assert_true(scsi_command_good(&io->command));
	initiator_until(initiator, "snack", 3);
	assert_int_equal(snacks(initiator, SNACK_DATA_ACK), 2);
	assert_true(fake_target_find(initiator->target, "snack ttt=0", 0, &first));
	assert_true(fake_target_find(initiator->target, "snack beg_run=3", 0, &hole));
	assert_true(fake_target_find(initiator->target, "snack ttt=0x55", 0, &second));
	assert_int_equal(fake_target_field(&first, "beg_run"), 2);
	assert_int_equal(fake_target_field(&first, "itt"), RESERVED_TAG);
	assert_int_equal(fake_target_field(&first, "run_length"), 0);
	assert_int_equal(fake_target_field(&hole, "run_length"), 1);
	/* postponed until the hole was filled, and by then more had come */
	assert_in_range(fake_target_field(&second, "beg_run"), 6, 8);
	assert_true(second.at_ms >= hole.at_ms);
	initiator_free(initiator);
}

/* Row 155, §7.8: the target refuses Data-Out as damaged and asks for the range again */
static void data_is_sent_again_for_a_recovery_r2t(void **state)
{
	static const char *const scripts[] = {
		"on data-out #1 : reject 2\n",
		"on data-out #2 : reject 2\n",
		"on data-out final=1 #1 : reject 2\n",
		"on data-out #1-4 : reject 2\n",
		"want InitialR2T=Yes\nr2t-bytes 8192\non data-out #3 : reject 2\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct initiator *initiator;
		char script[256];

		snprintf(script, sizeof(script),
			 "want ImmediateData=No\nwant MaxRecvDataSegmentLength=4096\n%s",
			 scripts[i]);
		initiator = survives(script);
		assert_true(fake_target_count(initiator->target, "reject reason=2") > 0);
		initiator_free(initiator);
	}
}

/* Row 153, §7.9: that it is lost shows when the target asks again with the next number */
static void a_lost_r2t_is_asked_for(void **state)
{
	struct initiator *initiator = survives("want InitialR2T=Yes\nwant ImmediateData=No\n"
					       "on r2t #1 : discard ; again\n");

	assert_int_equal(fake_target_count(initiator->target, "snack beg_run=0 run_length=1"), 1);
	initiator_free(initiator);
}

/* Row 152, §7.2.1 */
static void same_command(struct initiator *initiator, const char *pattern)
{
	struct fake_pdu first, second;

	assert_int_equal(fake_target_count(initiator->target, pattern), 2);
	assert_true(fake_target_find(initiator->target, pattern, 0, &first));
	assert_true(fake_target_find(initiator->target, pattern, 1, &second));
	assert_int_equal(first.connection, second.connection);
	assert_int_equal(first.length, second.length);
	memset(first.bhs.rest + 8, 0, 4); /* ExpStatSN may have moved */
	memset(second.bhs.rest + 8, 0, 4);
	assert_memory_equal(&first.bhs, &second.bhs, BHS_LENGTH);
}

static void a_command_whose_data_came_damaged_is_sent_again(void **state)
{
	static const char *const keys[] = {"", "want InitialR2T=Yes\n",
					   "want MaxRecvDataSegmentLength=4096\n"};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		struct initiator *initiator;
		char script[128];

		snprintf(script, sizeof(script), "%son command #1 : reject 2\n", keys[i]);
		initiator = start(script);
		initiator_verify(initiator, 3, 64);
		same_command(initiator, "command write=1");
		initiator_free(initiator);
	}
}

static void a_command_that_was_lost_is_sent_again(void **state)
{
	struct initiator *initiator = start("on command #1 : lose\n");
	struct io *io = initiator_read(initiator, 7, 64);

	initiator_finish(initiator);
	assert_true(scsi_command_good(&io->command));
	same_command(initiator, "command");
	/* not before a ping has proved it; a busy machine may need another */
	assert_true(fake_target_count(initiator->target, "nop-out immediate=1") >= 1);
	initiator_verify(initiator, 3, 64);
	initiator_free(initiator);
}

/* What stands behind it waits in the target until it has come (§4.2.2.1). */
static void several_commands_that_were_lost_are_sent_again(void **state)
{
	struct initiator *initiator = start("on command #1 : lose\non command #3-4 : lose\n");
	struct io *ios[6];

	for (unsigned i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = initiator_read(initiator, i * 8, 8);
	initiator_finish(initiator);
	for (unsigned i = 0; i < ARRAY_SIZE(ios); i++)
		assert_true(scsi_command_good(&ios[i]->command));
	assert_int_equal(fake_target_count(initiator->target, "command"), ARRAY_SIZE(ios) + 3);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* A slow target is not asked twice. */
static void a_command_that_was_taken_is_not_sent_again(void **state)
{
	struct initiator *initiator = start("on command #1 : ignore\n");

	initiator_read(initiator, 0, 8);
	initiator_until(initiator, "nop-out", 1);
	initiator_run_ms(initiator, 700);
	assert_int_equal(fake_target_count(initiator->target, "command"), 1);
	initiator_free(initiator);
}

/* --- when it does not help --- */

static void a_target_that_refuses_to_send_again_is_left(void **state)
{
	ends_session("on data-in #3 : corrupt data\non snack : reject 3\n", SESSION_LOSS_PROTOCOL,
		     "refuses to send data again");
	ends_session("on command #1 : answer 2 3 0x11 0\non response #1 : corrupt data\n"
		     "on snack : reject 4\n",
		     SESSION_LOSS_PROTOCOL, "refuses to send an answer again");
}

static void a_target_that_does_not_send_again_is_left(void **state)
{
	ends_session("on data-in #3 : corrupt data\non snack : ignore\n", SESSION_LOSS_PROTOCOL,
		     "does not send again");
	ends_session("on response #1 : discard ; send nop-in\non snack : ignore\n",
		     SESSION_LOSS_PROTOCOL, "does not send again");
}

static void damage_without_end_ends_the_session(void **state)
{
	ends_session("on data-in : corrupt data\n", SESSION_LOSS_DIGEST, "again and again");
	ends_session("on data-in data_sn=0 : corrupt data-digest\n", SESSION_LOSS_DIGEST,
		     "again and again");
	ends_session("on response : discard ; send nop-in\n", SESSION_LOSS_PROTOCOL,
		     "does not send again");
	ends_session("on command #1 : answer 2 3 0x11 0\non response : corrupt data\n",
		     SESSION_LOSS_DIGEST, "does not send again");
}

static void a_command_that_is_never_taken_ends_the_session(void **state)
{
	ends_session("on command : lose\n", SESSION_LOSS_PROTOCOL, "does not take a command");
}

/* Row 148, §7.8: nothing tells where the next PDU begins */
static void a_wrong_header_digest_ends_the_connection_at_every_level(void **state)
{
	ends_session("on data-in #3 : corrupt header-digest\n", SESSION_LOSS_DIGEST,
		     "wrong digest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_that_comes_damaged_is_asked_for_again),
		cmocka_unit_test(data_that_was_lost_is_asked_for),
		cmocka_unit_test(a_run_is_asked_for_in_one_and_two_runs_in_two),
		cmocka_unit_test(damage_that_comes_twice_is_asked_for_twice),
		cmocka_unit_test(much_damage_over_many_commands_is_survived),
		cmocka_unit_test(a_lost_answer_is_asked_for),
		cmocka_unit_test(a_lost_status_in_data_is_asked_for),
		cmocka_unit_test(an_answer_that_comes_damaged_is_asked_for_again),
		cmocka_unit_test(the_a_bit_is_answered_once_nothing_is_missing),
		cmocka_unit_test(data_is_sent_again_for_a_recovery_r2t),
		cmocka_unit_test(a_lost_r2t_is_asked_for),
		cmocka_unit_test(a_command_whose_data_came_damaged_is_sent_again),
		cmocka_unit_test(a_command_that_was_lost_is_sent_again),
		cmocka_unit_test(several_commands_that_were_lost_are_sent_again),
		cmocka_unit_test(a_command_that_was_taken_is_not_sent_again),
		cmocka_unit_test(a_target_that_refuses_to_send_again_is_left),
		cmocka_unit_test(a_target_that_does_not_send_again_is_left),
		cmocka_unit_test(damage_without_end_ends_the_session),
		cmocka_unit_test(a_command_that_is_never_taken_ends_the_session),
		cmocka_unit_test(a_wrong_header_digest_ends_the_connection_at_every_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
