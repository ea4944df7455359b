/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Cases of the UNH-IOL suites for iSCSI initiators that no row of the checklist asks for by itself.
 * docs/CONFORMANCE.md maps all of them, these and those that stand elsewhere.
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
#include "iscsi/chap.h"
#include "util/cleanup.h"
#include "util/text.h"

#define CHAP   "chap user " CONFORMANCE_SECRET "\n"
#define MUTUAL CHAP "mutual target " CONFORMANCE_OTHER_SECRET "\n"

static void set_secret(struct chap_credentials *credentials, const char *name, const char *secret)
{
	text_copy(credentials->name, sizeof(credentials->name), name);
	credentials->secret_length = (uint16_t)strlen(secret);
	memcpy(credentials->secret, secret, strlen(secret));
}

static struct initiator *with_chap(const char *script, bool mutual)
{
	struct initiator *initiator = initiator_new(script);

	initiator->settings.authenticate = true;
	initiator->settings.chap_algorithms[0] = CHAP_MD5;
	set_secret(&initiator->settings.initiator, "user", CONFORMANCE_SECRET);
	if (mutual)
		set_secret(&initiator->settings.target, "target", CONFORMANCE_OTHER_SECRET);
	return initiator;
}

/* Login 4.1, 4.2, 5.1 */
static void every_login_response_is_acknowledged_wherever_stat_sn_begins(void **state)
{
	static const uint32_t firsts[] = {0, 1, 7, 0x7fffffff, 0xfffffffe, 0xffffffff};
	char script[60];

	for (size_t i = 0; i < ARRAY_SIZE(firsts); i++) {
		struct initiator *initiator;
		struct fake_pdu request, response;
		unsigned n = 0;

		snprintf(script, sizeof(script), CHAP "stat-sn %u\n", firsts[i]);
		initiator = with_chap(script, false);
		assert_int_equal(initiator_login(initiator), LOGIN_DONE);
		for (; fake_target_find(initiator->target, "login", n, &request); n++) {
			if (n == 0)
				continue;
			assert_true(fake_target_find(initiator->target, "login-response", n - 1,
						     &response));
			assert_int_equal((uint32_t)fake_target_field(&response, "stat_sn"),
					 firsts[i] + n - 1);
			assert_int_equal((uint32_t)fake_target_field(&request, "exp_stat_sn"),
					 firsts[i] + n);
		}
		assert_int_equal(n, 4);
		assert_int_equal(initiator->outcome.exp_stat_sn, firsts[i] + n);
		initiator_free(initiator);
	}
}

/* Login 2.2: 0 in the last response, and another handle than before, are the target's mistakes */
static void the_session_handle_counts_in_the_last_response_only(void **state)
{
	struct initiator *initiator = initiator_new("on login-response csg=0 : set tsih=0x1111\n"
						    "on login-response nsg=3 : set tsih=0x2222\n");

	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	assert_int_equal(initiator->outcome.tsih, 0x2222);
	assert_int_equal(fake_target_count(initiator->target, "login tsih!=0"), 0);
	initiator_free(initiator);
	initiator_refused("on login-response nsg=3 : set tsih=0\n", LOGIN_FAILURE_PROTOCOL, "TSIH");
}

/* Login 6.1 */
static void no_key_is_offered_twice(void **state)
{
	struct initiator *initiator =
		initiator_new("on login-response csg=1 #1-2 : set transit=0 nsg=0\n");
	char seen[60][64];
	struct fake_pdu pdu;
	size_t count = 0;

	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	for (unsigned i = 0; fake_target_find(initiator->target, "login", i, &pdu); i++) {
		const char *at = (const char *)pdu.data, *end = at + pdu.length;

		for (; at && at < end; at += strlen(at) + 1) {
			assert_true(count < ARRAY_SIZE(seen));
			snprintf(seen[count], sizeof(seen[count]), "%.*s", (int)strcspn(at, "="),
				 at);
			for (size_t k = 0; k < count; k++)
				assert_string_not_equal(seen[k], seen[count]);
			count++;
		}
	}
	assert_true(count > 15);
	initiator_free(initiator);
}

/* Login 6.2, 6.3 */
static void a_key_that_comes_twice_ends_the_login_in_one_pdu_or_in_two(void **state)
{
	initiator_refused("on login-response csg=1 #1 : set transit=0 nsg=0\n"
			  "on login-response csg=1 #2 : key ImmediateData=Yes\n",
			  LOGIN_FAILURE_NEGOTIATION, "twice");
	initiator_refused(
		"on login-response csg=1 : key \"ImmediateData=Yes\\0ImmediateData=Yes\"\n",
		LOGIN_FAILURE_NEGOTIATION, "twice");
}

/* Login 7.3, 7.4, 7.5 */
static void values_that_no_key_has_end_the_login(void **state)
{
	static const char *const operational[] = {
		"FirstBurstLength=16777216",
		"FirstBurstLength=511",
		"FirstBurstLength=131072",
		"ImmediateData=yes",
		"ImmediateData=",
		"ImmediateData=Yes,No",
		"InitialR2T=1",
		"MaxConnections=0",
		"MaxConnections=65536",
		"DefaultTime2Wait=3601",
		"DefaultTime2Retain=-1",
	};
	static const char *const methods[] = {"KRB5", "SRP", "CHAP", "none", "", "None,CHAP"};
	char script[100];

	for (size_t i = 0; i < ARRAY_SIZE(operational); i++) {
		snprintf(script, sizeof(script), "on login-response csg=1 : key %s\n",
			 operational[i]);
		initiator_refused(script, LOGIN_FAILURE_NEGOTIATION, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		snprintf(script, sizeof(script), "on login-response csg=0 : key AuthMethod=%s\n",
			 methods[i]);
		initiator_refused(script, LOGIN_FAILURE_AUTHENTICATION, "AuthMethod");
	}
}

/* Login 10.1, 13.1, 17.1 to 20.1: what is offered, and what the two sides make of it */
static void what_is_offered_is_what_the_settings_say(void **state)
{
	static const char *const offers[][2] = {
		{"MaxConnections", "1"},       {"InitialR2T", "No"},
		{"ImmediateData", "Yes"},      {"DefaultTime2Wait", "2"},
		{"DefaultTime2Retain", "20"},  {"MaxOutstandingR2T", "4"},
		{"ErrorRecoveryLevel", "1"},   {"DataPDUInOrder", "Yes"},
		{"DataSequenceInOrder", "No"}, {"MaxBurstLength", "1048576"},
		{"FirstBurstLength", "65536"}, {"MaxRecvDataSegmentLength", "262144"},
	};
	struct initiator *initiator = initiator_new("want ErrorRecoveryLevel=0\n"
						    "want MaxOutstandingR2T=3\n"
						    "want InitialR2T=Yes\nwant ImmediateData=No\n");
	struct fake_pdu offer;

	initiator->settings.default_time2retain = 20;
	initiator->settings.max_outstanding_r2t = 4;
	initiator->settings.error_recovery_level = 1;
	/* in order and above level 0, one R2T alone may be open (§13.17) */
	initiator->settings.data_sequence_in_order = false;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	assert_true(fake_target_find(initiator->target, "login csg=1", 0, &offer));
	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		const char *value = fake_target_key(&offer, offers[i][0]);

		if (!value)
			fail_msg("%s is not offered", offers[i][0]);
		assert_string_equal(value, offers[i][1]);
	}
	assert_int_equal(initiator->negotiated.max_outstanding_r2t, 3);
	assert_int_equal(initiator->negotiated.error_recovery_level, 0);
	assert_true(initiator->negotiated.initial_r2t);
	assert_false(initiator->negotiated.immediate_data);
	initiator_free(initiator);
}

/* CHAP 1.3, 2.3, 3.5, 4.5 */
static void keys_of_chap_in_the_wrong_step_end_the_login(void **state)
{
	static const struct {
		unsigned response;
		const char *key;
	} rows[] = {
		{1, "CHAP_A=5"},    {1, "CHAP_I=1"},	{1, "CHAP_C=0x01"}, {1, "CHAP_N=target"},
		{1, "CHAP_R=0x01"}, {2, "CHAP_N=x"},	{2, "CHAP_R=0x01"}, {3, "CHAP_A=5"},
		{3, "CHAP_I=1"},    {3, "CHAP_C=0x01"},
	};
	char script[200];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct initiator *initiator;

		snprintf(script, sizeof(script), MUTUAL "on login-response #%u : key %s\n",
			 rows[i].response, rows[i].key);
		initiator = with_chap(script, true);
		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_AUTHENTICATION);
		assert_non_null(strstr(initiator->result.text, "wrong moment"));
		initiator_free(initiator);
	}
}

/* What the initiator answers to these; the target did not ask them and refuses the answer. */
static void answers(const char *identifier, uint8_t number, const void *challenge, size_t length)
{
	char script[2 * CHAP_CHALLENGE_MAX + 200], hex[2 * CHAP_CHALLENGE_MAX + 1];
	struct initiator *initiator;
	struct fake_pdu answer;
	struct chap_binary told;
	uint8_t digest[CHAP_DIGEST_MAX];
	int size = chap_hash(CHAP_MD5, number, CONFORMANCE_SECRET, strlen(CONFORMANCE_SECRET),
			     challenge, length, digest);

	text_hex_encode(challenge, length, hex);
	snprintf(script, sizeof(script),
		 CHAP "on login-response #2 : key CHAP_I=%s ; key CHAP_C=0x%s\n", identifier, hex);
	initiator = with_chap(script, false);
	initiator_login(initiator);
	assert_true(fake_target_find(initiator->target, "login", 2, &answer));
	assert_string_equal(fake_target_key(&answer, "CHAP_N"), "user");
	assert_int_equal(
		chap_binary_decode(text_span_of(fake_target_key(&answer, "CHAP_R")), &told), 0);
	assert_int_equal(told.length, size);
	assert_memory_equal(told.bytes, digest, size);
	initiator_free(initiator);
}

/* CHAP 2.1, 2.4 */
static void every_identifier_is_answered(void **state)
{
	static const char challenge[] = "sixteen bytes...";
	static const struct {
		const char *text;
		uint8_t number;
	} rows[] = {{"0", 0}, {"1", 1}, {"1", 1}, {"255", 255}, {"0xfF", 255}, {"0x00", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		answers(rows[i].text, rows[i].number, challenge, 16);
}

/* CHAP 3.1, 3.2 */
static void challenges_of_every_length_are_answered(void **state)
{
	static const size_t lengths[] = {1, 2, 15, 16, 17, 255, 256, 1023, 1024};
	uint8_t challenge[CHAP_CHALLENGE_MAX];

	for (size_t i = 0; i < sizeof(challenge); i++)
		challenge[i] = (uint8_t)(i * 37 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		answers("82", 82, challenge, lengths[i]);
}

/* CHAP 3.3, 3.4 */
static void challenges_that_are_too_long_or_empty_are_not_answered(void **state)
{
	static const char *const empty[] = {"0x", "0b", "", "0", "0x0g"};
	char script[2 * CHAP_CHALLENGE_MAX + 200];

	for (size_t i = 0; i <= ARRAY_SIZE(empty); i++) {
		struct initiator *initiator;
		int length = snprintf(script, sizeof(script),
				      CHAP "on login-response #2 : key CHAP_C=%s",
				      i < ARRAY_SIZE(empty) ? empty[i] : "0x");

		if (i == ARRAY_SIZE(empty)) {
			memset(script + length, 'a', 2 * (CHAP_CHALLENGE_MAX + 1));
			script[length + 2 * (CHAP_CHALLENGE_MAX + 1)] = '\0';
		}
		initiator = with_chap(script, false);
		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_AUTHENTICATION);
		assert_int_equal(fake_target_count(initiator->target, "login"), 2);
		initiator_free(initiator);
	}
}

/* CHAP 4.1 to 4.4 */
static void names_of_the_target_have_1_to_255_bytes(void **state)
{
	static const size_t lengths[] = {1, 254, 255, 256, 0};
	char script[700];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		bool legal = lengths[i] >= 1 && lengths[i] <= CHAP_NAME_MAX;
		struct initiator *initiator;
		int length = snprintf(script, sizeof(script),
				      MUTUAL "on login-response #3 : key CHAP_N=");

		memset(script + length, 'n', lengths[i]);
		script[(size_t)length + lengths[i]] = '\0';
		initiator = with_chap(script, true);
		/* any name will do, so that its length alone decides */
		initiator->settings.target.name[0] = '\0';
		assert_int_equal(initiator_login(initiator), legal ? LOGIN_DONE : LOGIN_FAILED);
		initiator_free(initiator);
	}
}

/* CHAP 4.6, 4.7, 4.8 */
static void only_the_name_that_is_expected_will_do(void **state)
{
	static const char *const others[] = {"user", "Target", "targe", "targets", "0x74"};
	char script[200];

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		snprintf(script, sizeof(script), MUTUAL "on login-response #3 : key CHAP_N=%s\n",
			 others[i]);
		struct initiator *initiator = with_chap(script, true);

		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_AUTHENTICATION);
		initiator_free(initiator);
	}
}

/* CHAP 5.1 to 5.3 */
static void proofs_of_a_wrong_value_or_length_are_refused(void **state)
{
	static const size_t lengths[] = {1, 15, 16, 17, 32, 255, 1024};
	char script[2 * CHAP_CHALLENGE_MAX + 200];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct initiator *initiator;
		int length = snprintf(script, sizeof(script),
				      MUTUAL "on login-response #3 : key CHAP_R=0x");

		memset(script + length, '5', 2 * lengths[i]);
		script[(size_t)length + 2 * lengths[i]] = '\0';
		initiator = with_chap(script, true);
		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_AUTHENTICATION);
		initiator_free(initiator);
	}
}

/* Full feature 3.3: the target complains of every CmdSN beyond MaxCmdSN */
static void a_window_of_one_lets_out_one_command_at_a_time(void **state)
{
	struct initiator *initiator = initiator_start("window 1\n");
	struct fake_pdu command, response;

	for (uint32_t i = 0; i < 16; i++)
		initiator_write(initiator, i * 8, 8);
	initiator_finish(initiator);
	for (size_t i = 0; i < initiator->io_count; i++)
		assert_true(scsi_command_good(&initiator->ios[i]->command));
	for (unsigned i = 1; i < 16; i++) {
		assert_true(fake_target_find(initiator->target, "command", i, &command));
		assert_true(fake_target_find(initiator->target, "response", i - 1, &response));
		assert_int_equal((uint32_t)fake_target_field(&response, "max_cmd_sn"),
				 (uint32_t)fake_target_field(&command, "cmd_sn"));
	}
	initiator_free(initiator);
}

/* Full feature 12.4: each R2T is answered with the data of its own command */
static void parallel_commands_have_their_own_r2ts(void **state)
{
	struct initiator *initiator = initiator_new("want InitialR2T=Yes\nwant ImmediateData=No\n"
						    "r2t-bytes 1024\n");

	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	for (uint32_t i = 0; i < 16; i++)
		initiator_write(initiator, i * 16, 16);
	initiator_finish(initiator);
	assert_int_equal(fake_target_count(initiator->target, "r2t"), 16 * 8);
	for (uint32_t i = 0; i < 16; i++) {
		struct io *read = initiator_read(initiator, i * 16, 16);

		initiator_finish(initiator);
		assert_true(scsi_command_good(&read->command));
		assert_memory_equal(read->data, initiator->ios[i]->data, 16 * BLOCK_BYTES);
	}
	initiator_free(initiator);
}

/* Full feature 16.4.1, 16.4.3 to 16.4.6: handed up as they came; multipath decides what follows */
static void errors_of_delivery_and_busy_targets_are_handed_up(void **state)
{
	static const struct {
		const char *answer;
		uint8_t status, key, asc, ascq;
	} rows[] = {
		{"2 0xb 0x47 0x05", 0x02, 0xb, 0x47, 0x05}, /* protocol service CRC error */
		{"2 0xb 0x0c 0x0c", 0x02, 0xb, 0x0c, 0x0c}, /* unexpected unsolicited data */
		{"2 0xb 0x0c 0x0d", 0x02, 0xb, 0x0c, 0x0d}, /* not enough unsolicited data */
		{"8", 0x08, 0, 0, 0},			    /* BUSY */
		{"0x18", 0x18, 0, 0, 0},		    /* RESERVATION CONFLICT */
		{"0x28", 0x28, 0, 0, 0},		    /* TASK SET FULL */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct initiator *initiator;
		char script[60];
		struct io *io;

		snprintf(script, sizeof(script), "on command #1 : answer %s\n", rows[i].answer);
		initiator = initiator_start(script);
		io = initiator_write(initiator, 0, 8);
		initiator_finish(initiator);
		assert_int_equal(io->command.result.outcome, SCSI_COMPLETED);
		assert_int_equal(io->command.result.status, rows[i].status);
		if (rows[i].status == 0x02) {
			assert_int_equal(io->command.result.sense[2] & 0x0f, rows[i].key);
			assert_int_equal(io->command.result.sense[12], rows[i].asc);
			assert_int_equal(io->command.result.sense[13], rows[i].ascq);
		}
		/* the session goes on, and a new command has a new tag and CmdSN */
		initiator_verify(initiator, 0, 8);
		initiator_free(initiator);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_login_response_is_acknowledged_wherever_stat_sn_begins),
		cmocka_unit_test(the_session_handle_counts_in_the_last_response_only),
		cmocka_unit_test(no_key_is_offered_twice),
		cmocka_unit_test(a_key_that_comes_twice_ends_the_login_in_one_pdu_or_in_two),
		cmocka_unit_test(values_that_no_key_has_end_the_login),
		cmocka_unit_test(what_is_offered_is_what_the_settings_say),
		cmocka_unit_test(keys_of_chap_in_the_wrong_step_end_the_login),
		cmocka_unit_test(every_identifier_is_answered),
		cmocka_unit_test(challenges_of_every_length_are_answered),
		cmocka_unit_test(challenges_that_are_too_long_or_empty_are_not_answered),
		cmocka_unit_test(names_of_the_target_have_1_to_255_bytes),
		cmocka_unit_test(only_the_name_that_is_expected_will_do),
		cmocka_unit_test(proofs_of_a_wrong_value_or_length_are_refused),
		cmocka_unit_test(a_window_of_one_lets_out_one_command_at_a_time),
		cmocka_unit_test(parallel_commands_have_their_own_r2ts),
		cmocka_unit_test(errors_of_delivery_and_busy_targets_are_handed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
