/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What is agreed on beside the common keys, over TCP against the fake target: TaskReporting,
 * iSCSIProtocolLevel, negotiation in full feature phase, long CDBs, ping data; and what a Reject
 * means. A test for each row of docs/CONFORMANCE.md that names one here.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initiator.h"
#include "scsi/cdb.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

#define DIGESTS "want HeaderDigest=CRC32C\nwant DataDigest=CRC32C\n"

static void ends(const struct io *io, enum scsi_outcome outcome)
{
	assert_int_equal(io->done, 1);
	assert_int_equal(io->command.result.outcome, outcome);
}

static void log_in(struct initiator *initiator)
{
	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
	initiator_attach(initiator);
}

/* What the login request in which operational keys are offered says of @key. */
static const char *offered(struct initiator *initiator, const char *key)
{
	struct fake_pdu login;

	assert_true(fake_target_find(initiator->target, "login csg=1", 0, &login));
	return fake_target_key(&login, key);
}

/* Row 72, §13.23 */
static void task_reporting_offers_what_every_target_must_be_offered(void **state)
{
	static const char *const lists[TASK_REPORTING_COUNT] = {
		[TASK_REPORTING_RESPONSE_FENCE] = "ResponseFence,RFC3720",
		[TASK_REPORTING_FAST_ABORT] = "FastAbort,ResponseFence,RFC3720",
	};
	static const struct {
		const char *script;
		enum task_reporting agreed[TASK_REPORTING_COUNT];
	} answers[] = {
		{"", {0, TASK_REPORTING_RFC3720, TASK_REPORTING_RFC3720}},
		{"want TaskReporting=ResponseFence,RFC3720\n",
		 {0, TASK_REPORTING_RESPONSE_FENCE, TASK_REPORTING_RESPONSE_FENCE}},
		{"want TaskReporting=FastAbort,RFC3720\n",
		 {0, TASK_REPORTING_RFC3720, TASK_REPORTING_FAST_ABORT}},
		{"on login-response csg=1 : key TaskReporting=NotUnderstood\n",
		 {0, TASK_REPORTING_RFC3720, TASK_REPORTING_RFC3720}},
		{"on login-response csg=1 : key TaskReporting=Reject\n",
		 {0, TASK_REPORTING_RFC3720, TASK_REPORTING_RFC3720}},
		{"on login-response csg=1 : no-key TaskReporting\n",
		 {0, TASK_REPORTING_RFC3720, TASK_REPORTING_RFC3720}},
	};

	for (size_t i = 0; i < TASK_REPORTING_COUNT * ARRAY_SIZE(answers); i++) {
		enum task_reporting most = (enum task_reporting)(i % TASK_REPORTING_COUNT);
		size_t answer = i / TASK_REPORTING_COUNT;
		struct initiator *initiator;

		if (most == TASK_REPORTING_RFC3720)
			continue; /* not offered, see below */
		initiator = initiator_new(answers[answer].script);
		initiator->settings.task_reporting = most;
		log_in(initiator);
		assert_string_equal(offered(initiator, "TaskReporting"), lists[most]);
		assert_int_equal(initiator->negotiated.task_reporting,
				 answers[answer].agreed[most]);
		initiator_free(initiator);
	}
}

/* Rows 72, 73: old targets are not bothered with keys that they do not know */
static void neither_key_is_offered_unasked(void **state)
{
	struct initiator *initiator = initiator_start("");

	assert_null(offered(initiator, "TaskReporting"));
	assert_null(offered(initiator, "iSCSIProtocolLevel"));
	assert_int_equal(initiator->negotiated.protocol_level, 1);
	assert_int_equal(initiator->negotiated.task_reporting, TASK_REPORTING_RFC3720);
	initiator_free(initiator);
}

/* Row 73, RFC 7144 §7: the target's own offer does not raise the level either */
static void the_level_is_the_smaller_of_both(void **state)
{
	static const struct {
		const char *script;
		uint8_t ours, agreed;
	} levels[] = {
		{"want iSCSIProtocolLevel=2\n", 2, 2},
		{"want iSCSIProtocolLevel=31\n", 2, 2},
		{"want iSCSIProtocolLevel=31\n", 7, 2},
		{"want iSCSIProtocolLevel=1\n", 2, 1},
		{"want iSCSIProtocolLevel=0\n", 2, 0},
		{"on login-response csg=1 : key iSCSIProtocolLevel=NotUnderstood\n", 2, 1},
		{"on login-response csg=1 : no-key iSCSIProtocolLevel\n", 2, 1},
		{"want iSCSIProtocolLevel=2\n", 1, 1},
		{"want iSCSIProtocolLevel=2\n", 0, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		struct initiator *initiator = initiator_new(levels[i].script);

		initiator->settings.protocol_level = levels[i].ours;
		log_in(initiator);
		assert_int_equal(initiator->negotiated.protocol_level, levels[i].agreed);
		initiator_free(initiator);
	}
}

/* Row 73, RFC 7144 §5.1.1, §5.2.1; the target complains of a priority below level 2 */
static void priority_and_status_qualifier_count_at_level_2_only(void **state)
{
	for (uint8_t level = 1; level <= 2; level++) {
		struct initiator *initiator = initiator_new(
			"want iSCSIProtocolLevel=2\n"
			"on command : answer 8\non response : set byte8=1 byte9=0x2c\n");
		struct io *io;

		initiator->settings.protocol_level = level;
		log_in(initiator);
		io = initiator_read(initiator, 0, 1);
		initiator_finish(initiator);
		io->done = 0;
		io->command.priority = 9;
		assert_int_equal(nexus_execute(initiator->nexus, &io->command), 0);
		initiator->pending++;
		initiator_finish(initiator);
		ends(io, SCSI_COMPLETED);
		assert_int_equal(io->command.result.status, SCSI_BUSY);
		assert_int_equal(io->command.result.status_qualifier, level == 2 ? 0x12c : 0);
		assert_int_equal(fake_target_count(initiator->target, "command byte2=0x90"),
				 level == 2);
		initiator_free(initiator);
	}
}

/* Row 121, §11.9.1 event 4 */
static void asked_to_negotiate_it_declares_and_listens(void **state)
{
	struct initiator *initiator = initiator_start("want MaxRecvDataSegmentLength=65536\n");
	struct fake_pdu text;

	initiator_verify(initiator, 0, 512);
	assert_int_equal(fake_target_count(initiator->target, "data-out length=65536"), 3);
	initiator_script(initiator, "want MaxRecvDataSegmentLength=4096\n"
				    "send async event=4 parameter3=3");
	initiator_until(initiator, "text-response", 1);
	/* from now on the target ends the connection at the first byte beyond 4096 */
	initiator_verify(initiator, 1000, 512);
	assert_true(fake_target_find(initiator->target,
				     "text final=1 immediate=1 ttt=0xffffffff lun=0", 0, &text));
	assert_string_equal(fake_target_key(&text, "MaxRecvDataSegmentLength"), "262144");
	assert_true(fake_target_count(initiator->target, "data-out length=4096") > 4);
	assert_int_equal(fake_target_count(initiator->target, "logout"), 0);
	/* and up again, as often as the target likes */
	initiator_script(initiator, "want MaxRecvDataSegmentLength=131072\n"
				    "send async event=4 parameter3=3");
	initiator_until(initiator, "text-response", 2);
	initiator_verify(initiator, 2000, 512);
	assert_int_equal(fake_target_count(initiator->target, "data-out length=131072"), 1);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Row 121: one Text Request at a time (§11.10) */
static void a_negotiation_under_way_is_answer_enough(void **state)
{
	struct initiator *initiator = initiator_start("on text : ignore\n");

	initiator_script(initiator, "send async event=4\nsend async event=4\nsend nop-in ttt=1");
	initiator_until(initiator, "nop-out ttt=1", 1);
	initiator_until(initiator, "text", 1);
	initiator_script(initiator, "send async event=4\nsend nop-in ttt=2");
	initiator_until(initiator, "nop-out ttt=2", 1);
	initiator_verify(initiator, 0, 8);
	assert_int_equal(fake_target_count(initiator->target, "text"), 1);
	initiator_free(initiator);
}

/* Row 159, §6.4, §7.12 b */
static void a_negotiation_that_fails_leaves_everything_as_it_was(void **state)
{
	static const char *const failures[] = {
		"on text : reject 9",
		"on text : reject 0x0b",
		"on text-response : key MaxRecvDataSegmentLength=511",
		"on text-response : key MaxRecvDataSegmentLength=16777216",
		"on text-response : key MaxRecvDataSegmentLength=many",
		"on text : ignore ; send text-response "
		"text=\"MaxRecvDataSegmentLength=512\\0MaxRecvDataSegmentLength=1024\"",
		"on text : ignore ; send text-response text=\"MaxRecvDataSegmentLength\"",
		/* no tag to go on with; the end in the middle of the text; a question at the end */
		"on text : ignore ; send text-response flags=0 "
		"text=\"MaxRecvDataSegmentLength=512\"",
		"on text : ignore ; send text-response flags=0xc0 "
		"text=\"MaxRecvDataSegmentLength=512\"",
		"on text : ignore ; send text-response "
		"text=\"MaxRecvDataSegmentLength=512\\0MaxBurstLength=512\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		struct initiator *initiator =
			initiator_start("want MaxRecvDataSegmentLength=65536\n");

		initiator_script(initiator, failures[i]);
		initiator_script(initiator, "send async event=4 parameter3=3");
		initiator_until(initiator, "text", 1);
		initiator_script(initiator, "send nop-in ttt=1");
		initiator_until(initiator, "nop-out ttt=1", 1);
		initiator_verify(initiator, 0, 512);
		assert_int_equal(fake_target_count(initiator->target, "data-out length=65536"), 3);
		assert_int_equal(initiator->lost, 0);
		initiator_free(initiator);
	}
}

/* Row 159: partial results count for nothing; keys of the login are not talked about any more */
static void a_negotiation_in_pieces_is_one(void **state)
{
	struct initiator *initiator = initiator_start(
		"want MaxRecvDataSegmentLength=65536\n"
		"on text #1 : ignore ; send text-response flags=0x40 ttt=7 lun=0x0005000000000000 "
		"text=\"MaxRecvDataSegmentLength=4096\"\n");
	struct fake_pdu text;

	initiator_script(initiator, "on text #2 : ignore ; send text-response flags=0 ttt=8 "
				    "text=\"X-org.example.moon=full\\0MaxBurstLength=1024\"\n"
				    "on text #3 : ignore ; send text-response");
	initiator_script(initiator, "send async event=4");
	initiator_until(initiator, "text", 3);
	initiator_script(initiator, "send nop-in ttt=1");
	initiator_until(initiator, "nop-out ttt=1", 1);
	assert_int_equal(
		fake_target_count(initiator->target, "text ttt=7 lun=0x0005000000000000 length=0"),
		1);
	assert_true(fake_target_find(initiator->target, "text ttt=8", 0, &text));
	assert_string_equal(fake_target_key(&text, "MaxBurstLength"), "Reject");
	assert_string_equal(fake_target_key(&text, "X-org.example.moon"), "NotUnderstood");
	initiator_write(initiator, 0, 256);
	initiator_finish(initiator);
	assert_int_equal(fake_target_count(initiator->target, "data-out length=4096"), 31);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* READ(32) or WRITE(32) (SBC-3 §5.10, §5.34), whose bytes 16 and up are in @rest. */
static void make_32(struct scsi_command *command, uint8_t rest[16], bool write, uint32_t lba,
		    uint32_t blocks)
{
	memset(command->cdb, 0, sizeof(command->cdb));
	memset(rest, 0, 16);
	command->cdb[0] = 0x7f;
	command->cdb[7] = 0x18;
	command->cdb[9] = write ? 0x0b : 0x09;
	rest[1] = (uint8_t)(lba >> 16);
	rest[2] = (uint8_t)(lba >> 8);
	rest[3] = (uint8_t)lba;
	rest[14] = (uint8_t)(blocks >> 8);
	rest[15] = (uint8_t)blocks;
	command->cdb_rest = rest;
	command->cdb_rest_length = 16;
}

/* An I/O that has ended once more, with what was changed in its command. */
static void again(struct io *io)
{
	io->done = 0;
	assert_int_equal(nexus_execute(io->initiator->nexus, &io->command), 0);
	io->initiator->pending++;
	initiator_finish(io->initiator);
}

/* Row 9, §11.2.2.3; digests, the first burst and segment lengths are the target's to check */
static void long_cdbs_move_every_byte(void **state)
{
	static const char *const scripts[] = {
		"",
		DIGESTS,
		DIGESTS "want MaxRecvDataSegmentLength=512\n",
		"want HeaderDigest=CRC32C\nwant ImmediateData=No\nwant InitialR2T=Yes\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct initiator *initiator = initiator_new(scripts[i]);
		uint8_t rests[2][16];
		struct io *write, *read;

		initiator->settings.header_digest = initiator->settings.data_digest =
			DIGEST_CRC32C_NONE;
		log_in(initiator);
		write = initiator_write(initiator, 0, 300);
		read = initiator_read(initiator, 0, 300);
		initiator_finish(initiator);
		for (uint32_t at = 0; at < 300 * BLOCK_BYTES; at++)
			write->data[at] = (uint8_t)(at * 13 + at / 512);
		make_32(&write->command, rests[0], true, 70000, 300);
		make_32(&read->command, rests[1], false, 70000, 300);
		again(write);
		again(read);
		assert_true(scsi_command_good(&write->command));
		assert_true(scsi_command_good(&read->command));
		assert_memory_equal(read->data, write->data, 300 * BLOCK_BYTES);
		assert_int_equal(fake_target_count(initiator->target, "command cdb=0x7f ahs=5"), 2);
		/* what comes behind has none again */
		initiator_verify(initiator, 5, 5);
		initiator_free(initiator);
	}
}

/* Row 9, §11.2.2.1, §11.2.2.3 */
static void cdbs_of_every_length_stand_behind_the_header(void **state)
{
	struct initiator *initiator = initiator_new(DIGESTS);
	uint8_t rest[SCSI_CDB_REST_MAX];
	struct fake_pdu command;
	struct io *io;

	for (size_t i = 0; i < sizeof(rest); i++)
		rest[i] = (uint8_t)(i * 3 + 1);
	initiator->settings.header_digest = DIGEST_CRC32C;
	log_in(initiator);
	io = initiator_read(initiator, 0, 1);
	initiator_finish(initiator);
	io->command.cdb[0] = 0x7e;
	io->command.cdb_rest = rest;
	for (unsigned length = 17; length <= 260; length++) {
		uint8_t padding = (uint8_t)(-(length - 16) & 3);

		io->command.cdb_rest_length = (uint8_t)(length - 16);
		again(io);
		ends(io, SCSI_COMPLETED);
		assert_true(fake_target_find(initiator->target, "command", length - 16, &command));
		assert_int_equal(fake_target_field(&command, "ahs"),
				 (4 + length - 16 + padding) / 4);
		assert_int_equal(command.ahs[0] << 8 | command.ahs[1], length - 15);
		assert_int_equal(command.ahs[2], 1);
		assert_int_equal(command.ahs[3], 0);
		assert_memory_equal(command.ahs + 4, rest, length - 16);
		for (unsigned i = 0; i < padding; i++)
			assert_int_equal(command.ahs[4 + length - 16 + i], 0);
	}
	initiator_free(initiator);
}

static struct initiator *start_with_pings(const char *script, uint32_t bytes)
{
	struct initiator *initiator = initiator_new(script);

	initiator->session_settings.noop_interval_ms = 10;
	initiator->session_settings.noop_timeout_ms = 0; /* never: only the data counts here */
	initiator->session_settings.ping_bytes = bytes;
	return initiator;
}

/* Row 117, §11.18.3, §11.19.2: as long as either side takes, and never the same */
static void ping_data_comes_back(void **state)
{
	static const struct {
		uint32_t bytes, max_recv;
		const char *script;
		const char *sent;
	} pings[] = {
		{0, 262144, "", "nop-out length=0"},
		{3, 262144, DIGESTS, "nop-out length=3"},
		{4096, 262144, "", "nop-out length=4096"},
		{4096, 512, "", "nop-out length=4096"},
		{4096, 262144, "want MaxRecvDataSegmentLength=1000\n", "nop-out length=1000"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pings); i++) {
		struct initiator *initiator = start_with_pings(pings[i].script, pings[i].bytes);
		struct fake_pdu first, second;

		initiator->settings.max_recv_data_segment_length = pings[i].max_recv;
		log_in(initiator);
		initiator_until(initiator, pings[i].sent, 3);
		assert_int_equal(initiator->lost, 0);
		assert_true(fake_target_find(initiator->target, "nop-out", 0, &first));
		assert_true(fake_target_find(initiator->target, "nop-out", 1, &second));
		if (pings[i].bytes)
			assert_memory_not_equal(first.data, second.data, first.length);
		initiator_free(initiator);
	}
}

/* Row 117 */
static void another_echo_than_the_ping_ends_the_connection(void **state)
{
	static const char *const echoes[] = {
		"on nop-in : corrupt data\n",
		"on nop-in #2 : corrupt data\n",
		"on nop-out : ignore ; send nop-in itt=0xc1000000\n",
		"on nop-out : ignore ; send nop-in itt=0xc1000000 data=63\n",
		"on nop-out : ignore ; send nop-in itt=0xc1000000 data=65\n",
		"on nop-out : ignore ; send nop-in itt=0xc1000000 data=64\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(echoes); i++) {
		struct initiator *initiator = start_with_pings(echoes[i], 64);

		log_in(initiator);
		initiator_until_lost(initiator, SESSION_LOSS_PROTOCOL);
		assert_non_null(strstr(initiator->text, "ping"));
		initiator_free(initiator);
	}
}

/* Row 124, §7.3: the hole is filled, and what stood behind it goes on */
static void a_rejected_command_leaves_no_hole(void **state)
{
	struct initiator *initiator = initiator_start("on command #2 : reject 9\n");
	struct fake_pdu command;
	struct io *ios[6];
	char pattern[120];

	for (unsigned i = 0; i < 6; i++)
		ios[i] = i % 2 ? initiator_write(initiator, i * 200, 200)
			       : initiator_read(initiator, i * 200, 200);
	initiator_finish(initiator);
	for (unsigned i = 0; i < 6; i++)
		ends(ios[i], i == 1 ? SCSI_TARGET_FAILURE : SCSI_COMPLETED);
	assert_true(fake_target_find(initiator->target, "command", 1, &command));
	snprintf(pattern, sizeof(pattern), "task-management function=1 ref_cmd_sn=%u referenced=%u",
		 (unsigned)fake_target_field(&command, "cmd_sn"),
		 (unsigned)fake_target_field(&command, "itt"));
	assert_int_equal(fake_target_count(initiator->target, pattern), 1);
	assert_int_equal(initiator->lost, 0);
	initiator_verify(initiator, 0, 64);
	initiator_free(initiator);
}

/* Row 127, §11.17.1 */
static void every_reason_to_reject_a_command_has_its_meaning(void **state)
{
	for (unsigned reason = 0; reason < 256; reason += reason < 16 ? 1 : 16) {
		struct initiator *initiator;
		char script[80];
		struct io *io;

		snprintf(script, sizeof(script), "on command #1 : reject %u\n", reason);
		initiator = initiator_start(script);
		io = initiator_read(initiator, 0, 1);
		switch (reason) {
		case REJECT_DATA_DIGEST: /* at recovery level 0 */
		case REJECT_TASK_IN_PROGRESS:
		case REJECT_NEGOTIATION_RESET:
			initiator_until_lost(initiator, SESSION_LOSS_PROTOCOL);
			initiator_finish(initiator);
			ends(io, SCSI_IN_DOUBT);
			break;
		case REJECT_WAITING_FOR_LOGOUT:
			initiator_until_lost(initiator, SESSION_LOSS_ASKED);
			initiator_finish(initiator);
			ends(io, SCSI_ABORTED);
			assert_int_equal(fake_target_count(initiator->target, "logout"), 1);
			break;
		default:
			initiator_finish(initiator);
			ends(io,
			     reason == REJECT_IMMEDIATE_COMMAND || reason == REJECT_LONG_OPERATION
				     ? SCSI_ABORTED
				     : SCSI_TARGET_FAILURE);
			initiator_verify(initiator, 0, 8);
			assert_int_equal(initiator->lost, 0);
		}
		initiator_free(initiator);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_reporting_offers_what_every_target_must_be_offered),
		cmocka_unit_test(neither_key_is_offered_unasked),
		cmocka_unit_test(the_level_is_the_smaller_of_both),
		cmocka_unit_test(priority_and_status_qualifier_count_at_level_2_only),
		cmocka_unit_test(asked_to_negotiate_it_declares_and_listens),
		cmocka_unit_test(a_negotiation_under_way_is_answer_enough),
		cmocka_unit_test(a_negotiation_that_fails_leaves_everything_as_it_was),
		cmocka_unit_test(a_negotiation_in_pieces_is_one),
		cmocka_unit_test(long_cdbs_move_every_byte),
		cmocka_unit_test(cdbs_of_every_length_stand_behind_the_header),
		cmocka_unit_test(ping_data_comes_back),
		cmocka_unit_test(another_echo_than_the_ping_ends_the_connection),
		cmocka_unit_test(a_rejected_command_leaves_no_hole),
		cmocka_unit_test(every_reason_to_reject_a_command_has_its_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
