/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Login, CHAP and discovery over TCP against the fake target, which itself complains of version,
 * ISID, tags and stages that change, text without its NUL, and reserved fields.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "initiator.h"
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
	static const uint8_t algorithms[] = {CHAP_SHA3_256, CHAP_SHA256, CHAP_SHA1, CHAP_MD5};
	struct initiator *initiator = initiator_new(script);

	initiator->settings.authenticate = true;
	memcpy(initiator->settings.chap_algorithms, algorithms, sizeof(algorithms));
	set_secret(&initiator->settings.initiator, "user", CONFORMANCE_SECRET);
	if (mutual)
		set_secret(&initiator->settings.target, "target", CONFORMANCE_OTHER_SECRET);
	return initiator;
}

static void logs_in(struct initiator *initiator)
{
	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
}

static void is_refused(struct initiator *initiator, enum login_failure failure)
{
	assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
	if (initiator->result.failure != failure)
		print_message("%s\n", initiator->result.text);
	assert_int_equal(initiator->result.failure, failure);
	assert_true(fake_target_wait(initiator->target, "closed", 1, 5000) ||
		    fake_target_wait(initiator->target, "reset", 1, 1));
	initiator_free(initiator);
}

/* Each of these on a login response is an offence that ends the login. */
static void offences(const char *const *scripts, size_t count, enum login_failure failure)
{
	char line[256];

	for (size_t i = 0; i < count; i++) {
		struct initiator *initiator;

		snprintf(line, sizeof(line), "on login-response #1 : %s\n", scripts[i]);
		initiator = initiator_new(line);
		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		if (initiator->result.failure != failure)
			print_message("%s: %s\n", scripts[i], initiator->result.text);
		assert_int_equal(initiator->result.failure, failure);
		initiator_free(initiator);
	}
}

/* Rows 33, 36, 37, 42, 43, 54, 57, §6.3, §11.12 */
static void the_first_request_says_who_speaks_to_whom(void **state)
{
	struct initiator *initiator = with_chap(MUTUAL, true);
	struct fake_pdu first, last;

	logs_in(initiator);
	assert_true(fake_target_find(initiator->target, "login", 0, &first));
	assert_string_equal(fake_target_key(&first, "InitiatorName"),
			    initiator->settings.initiator_name);
	assert_string_equal(fake_target_key(&first, "TargetName"), FAKE_TARGET_NAME);
	assert_string_equal(fake_target_key(&first, "SessionType"), "Normal");
	assert_int_equal(fake_target_field(&first, "tsih"), 0);
	assert_int_equal(fake_target_field(&first, "version_max"), 0);
	assert_int_equal(fake_target_field(&first, "version_min"), 0);
	assert_true(fake_target_find(initiator->target, "login nsg=3", 0, &last));
	assert_null(fake_target_key(&last, "InitiatorName"));
	assert_null(fake_target_key(&last, "TargetName"));
	assert_null(fake_target_key(&last, "SessionType"));
	initiator_free(initiator);
}

/* Row 34, §4.2.4 */
static void anything_but_a_login_response_ends_the_login(void **state)
{
	static const char *const scripts[] = {
		"discard ; send nop-in",
		"discard ; send text-response",
		"discard ; send async event=255",
		"discard ; send reject reason=4",
		"set opcode=0x21",
	};

	offences(scripts, ARRAY_SIZE(scripts), LOGIN_FAILURE_PROTOCOL);
}

/* Row 38, §13.21; row 74, §13.22; row 132, §4.3: the target complains of all but text and logout */
static void a_discovery_session_says_so_and_offers_no_more_than_it_needs(void **state)
{
	struct initiator *initiator = initiator_new("");
	struct discovery *discovery = initiator_discover(initiator);
	struct fake_pdu first;

	assert_int_equal(discovery_get_state(discovery), DISCOVERY_DONE);
	assert_true(fake_target_find(initiator->target, "login", 0, &first));
	assert_string_equal(fake_target_key(&first, "SessionType"), "Discovery");
	assert_null(fake_target_key(&first, "TargetName"));
	for (unsigned i = 0; fake_target_find(initiator->target, "login", i, &first); i++)
		for (uint32_t at = 0; at + 2 < first.length; at++)
			assert_false((at == 0 || first.data[at - 1] == 0) && first.data[at] == 'X');
	assert_int_equal(fake_target_count(initiator->target, "text"), 1);
	assert_int_equal(fake_target_count(initiator->target, "logout reason=0"), 1);
	discovery_free(discovery);
	initiator_free(initiator);
}

/* Row 39, §4.2.7.1 */
static void names_of_223_bytes_are_sent(void **state)
{
	char script[300], name[ISCSI_NAME_MAX + 1];
	struct initiator *initiator;
	struct fake_pdu first;

	memset(name, 'n', ISCSI_NAME_MAX);
	memcpy(name, "iqn.2026-01.org.example:", 24);
	name[ISCSI_NAME_MAX] = '\0';
	snprintf(script, sizeof(script), "name %s\n", name);
	initiator = initiator_new(script);
	strcpy(initiator->settings.target_name, name);
	memcpy(initiator->settings.initiator_name, name, sizeof(name));
	logs_in(initiator);
	assert_true(fake_target_find(initiator->target, "login", 0, &first));
	assert_string_equal(fake_target_key(&first, "TargetName"), name);
	assert_string_equal(fake_target_key(&first, "InitiatorName"), name);
	initiator_free(initiator);
}

/* Row 41, §6.3 */
static void one_request_waits_for_its_response(void **state)
{
	struct initiator *initiator = initiator_new("on login #1 : delay 300\n");
	struct fake_pdu response, second;

	initiator->settings.authenticate = false;
	logs_in(initiator);
	assert_true(fake_target_find(initiator->target, "login-response", 0, &response));
	if (fake_target_find(initiator->target, "login", 1, &second))
		assert_true(second.at_ms >= response.at_ms + 250);
	assert_int_equal(fake_target_count(initiator->target, "login"),
			 fake_target_count(initiator->target, "login-response"));
	initiator_free(initiator);
}

/* Row 43, §11.13; row 44, §6.3; row 45, §11.13.6; row 42 and others: what no response may say */
static void responses_out_of_order_end_the_login(void **state)
{
	static const char *const scripts[] = {
		"set version_active=1",		  "set csg=2",	"set csg=3",  "set transit=1 nsg=2",
		"set continue=1 transit=1 nsg=1", "set itt=77", "set isid=1",
	};

	offences(scripts, ARRAY_SIZE(scripts), LOGIN_FAILURE_PROTOCOL);
}

/* Row 46, §6.3.3 */
static void it_keeps_asking_while_the_target_is_not_ready(void **state)
{
	struct initiator *initiator =
		initiator_new("on login-response csg=1 #1-3 : set transit=0 nsg=0\n");

	logs_in(initiator);
	assert_int_equal(fake_target_count(initiator->target, "login csg=1"), 4);
	assert_int_equal(fake_target_count(initiator->target, "login csg=1 transit=1 nsg=3"), 4);
	initiator_free(initiator);
}

/* Row 47, §6.2 */
static void a_login_of_many_exchanges_is_patient(void **state)
{
	struct initiator *initiator = initiator_new("login-bytes 40\n");

	logs_in(initiator);
	assert_true(fake_target_count(initiator->target, "login") > 6);
	assert_int_equal(
		fake_target_count(initiator->target, "login-response continue=1"),
		fake_target_count(initiator->target, "login length=0 continue=0 transit=0"));
	initiator_free(initiator);
}

/* Rows 48, 49, §6.2 */
static void text_in_pieces_is_acknowledged_with_empty_requests(void **state)
{
	struct initiator *initiator = with_chap(MUTUAL "login-bytes 7\n", true);

	logs_in(initiator);
	assert_true(fake_target_count(initiator->target, "login-response continue=1") > 20);
	assert_int_equal(fake_target_count(initiator->target, "login continue=1"), 0);
	initiator_free(initiator);
}

/* Row 53, §6.3.1 */
static void the_portal_group_of_the_response_is_known(void **state)
{
	struct initiator *initiator = initiator_new("portal 127.0.0.1 0 4711\n");

	logs_in(initiator);
	assert_int_equal(initiator->negotiated.target_portal_group_tag, 4711);
	initiator_free(initiator);
}

/* Row 54, §11.12.6 */
static void the_session_has_the_handle_of_the_target(void **state)
{
	struct initiator *initiator = initiator_new("on login-response nsg=3 : set tsih=0xbadd\n");

	logs_in(initiator);
	assert_int_equal(initiator->outcome.tsih, 0xbadd);
	initiator_free(initiator);
	initiator = initiator_new("on login-response nsg=3 : set tsih=0\n");
	is_refused(initiator, LOGIN_FAILURE_PROTOCOL);
}

/* Rows 63 to 65, 80, §6.2 */
static void answers_that_no_offer_allows_end_the_login(void **state)
{
	static const char *const keys[] = {
		"HeaderDigest=MD5",
		"DataDigest=CRC32",
		"MaxBurstLength=16776193",
		"MaxBurstLength=511",
		"MaxBurstLength=-1",
		"MaxBurstLength=12x",
		"MaxBurstLength=18446744073709551616",
		"DefaultTime2Wait=1",
		"DefaultTime2Retain=21",
		"MaxOutstandingR2T=0",
		"MaxOutstandingR2T=2",
		"MaxConnections=2",
		"ImmediateData=Maybe",
		"DataPDUInOrder=No",
		"DataSequenceInOrder=No",
		"ErrorRecoveryLevel=1",
		"ErrorRecoveryLevel=3",
		"MaxRecvDataSegmentLength=0",
		"MaxRecvDataSegmentLength=511",
		"MaxRecvDataSegmentLength=16777216",
	};
	char script[120];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct initiator *initiator;

		snprintf(script, sizeof(script), "on login-response nsg=3 : key %s\n", keys[i]);
		initiator = initiator_new(script);
		if (initiator_login(initiator) != LOGIN_FAILED)
			fail_msg("%s was taken", keys[i]);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_NEGOTIATION);
		initiator_free(initiator);
	}
}

/* Row 68, §13.14 */
static void the_first_burst_is_never_longer_than_the_longest(void **state)
{
	struct initiator *initiator =
		initiator_new("want MaxBurstLength=4096\nwant FirstBurstLength=262144\n");

	logs_in(initiator);
	assert_int_equal(initiator->negotiated.max_burst_length, 4096);
	assert_in_range(initiator->negotiated.first_burst_length, 512, 4096);
	initiator_free(initiator);
}

/* Row 69, §13.15, §13.16 */
static void time2wait_is_the_larger_and_time2retain_the_smaller(void **state)
{
	struct initiator *initiator =
		initiator_new("want DefaultTime2Wait=5\nwant DefaultTime2Retain=7\n");

	initiator->settings.default_time2retain = 20;
	logs_in(initiator);
	assert_int_equal(initiator->negotiated.default_time2wait, 5);
	assert_int_equal(initiator->negotiated.default_time2retain, 7);
	initiator_free(initiator);
}

/* Row 71, §12 */
static void the_security_stage_has_no_other_keys(void **state)
{
	static const char *const allowed[] = {
		"InitiatorName", "InitiatorAlias", "TargetName", "SessionType", "AuthMethod",
		"CHAP_A",	 "CHAP_I",	   "CHAP_C",	 "CHAP_N",	"CHAP_R"};
	struct initiator *initiator = with_chap(MUTUAL, true);
	struct fake_pdu pdu;

	logs_in(initiator);
	for (unsigned i = 0; fake_target_find(initiator->target, "login csg=0", i, &pdu); i++) {
		const char *at = (const char *)pdu.data, *end = at + pdu.length;

		for (; at && at < end; at += strlen(at) + 1) {
			size_t name = strcspn(at, "="), known = 0;

			while (known < ARRAY_SIZE(allowed) &&
			       (strlen(allowed[known]) != name ||
				strncmp(allowed[known], at, name) != 0))
				known++;
			if (known == ARRAY_SIZE(allowed))
				fail_msg("%s", at);
		}
	}
	initiator_free(initiator);
}

/* Row 76, §11.13.5 */
static void every_status_but_success_ends_the_login(void **state)
{
	char script[100];

	for (unsigned i = 0; i < 36; i++) {
		unsigned class = 2 + i / 12, detail = i % 12;
		struct initiator *initiator;

		snprintf(script, sizeof(script),
			 "on login-response #1 : set class=%u detail=%u transit=0 nsg=0\n", class,
			 detail);
		initiator = initiator_new(script);
		assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
		assert_int_equal(initiator->result.failure, LOGIN_FAILURE_STATUS);
		assert_int_equal(initiator->result.status_class, class);
		assert_int_equal(initiator->result.status_detail, detail);
		initiator_free(initiator);
	}
}

/* Row 78, §11.13.5 */
static void redirects_are_taken_before_and_after_security(void **state)
{
	static const char *const addresses[] = {"10.1.2.3", "10.1.2.3:860", "[fe80::1]:3260",
						"array.example.org:3260", "10.1.2.3:3260,1"};
	/* at first, with the proof that CHAP asked for, and when all is agreed */
	static const unsigned when[] = {1, 3, 4};
	char script[200];

	for (unsigned i = 0; i < ARRAY_SIZE(when) * ARRAY_SIZE(addresses); i++) {
		struct initiator *initiator;

		snprintf(script, sizeof(script),
			 CHAP
			 "on login-response #%u : set class=1 detail=1 ; key TargetAddress=%s\n",
			 when[i % ARRAY_SIZE(when)], addresses[i / ARRAY_SIZE(when)]);
		initiator = with_chap(script, false);
		assert_int_equal(initiator_login(initiator), LOGIN_REDIRECTED);
		assert_string_equal(initiator->redirect, addresses[i / ARRAY_SIZE(when)]);
		initiator_free(initiator);
	}
}

/* Rows 81, 84, §12.1.3 */
static void every_algorithm_proves_both_sides(void **state)
{
	char script[200];

	for (unsigned algorithm = 5; algorithm <= 8; algorithm++) {
		struct initiator *initiator;
		struct fake_pdu offer;

		snprintf(script, sizeof(script), MUTUAL "chap-algorithm %u\n", algorithm);
		initiator = with_chap(script, true);
		logs_in(initiator);
		assert_string_equal(initiator->negotiated.authentication, "CHAP");
		assert_true(fake_target_find(initiator->target, "login", 1, &offer));
		assert_string_equal(fake_target_key(&offer, "CHAP_A"), "8,7,6,5");
		initiator_free(initiator);
	}
}

/* Row 82, §12.1.3; row 85, §9.2 */
static void steps_of_chap_that_are_wrong_end_the_login(void **state)
{
	static const char *const steps[] = {
		"no-key CHAP_C",   "no-key CHAP_I", "no-key CHAP_A",
		"key CHAP_R=0x00", "key CHAP_A=9",  "key CHAP_A=MD5",
		"key CHAP_I=256",  "key CHAP_C=0x", "key CHAP_C=zz",
	};
	char script[200];

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct initiator *initiator;

		snprintf(script, sizeof(script), CHAP "on login-response #2 : %s\n", steps[i]);
		initiator = with_chap(script, false);
		/* by us, before the target can: it shares our code for all that is hashed */
		if (initiator_login(initiator) != LOGIN_FAILED ||
		    initiator->result.failure != LOGIN_FAILURE_AUTHENTICATION)
			fail_msg("%s was taken", steps[i]);
		initiator_free(initiator);
	}
}

/* Row 86, §12.1.3 */
static void a_target_that_does_not_prove_itself_is_left(void **state)
{
	static const char *const lies[] = {
		"no-key CHAP_R",
		"no-key CHAP_N",
		"no-key CHAP_N ; no-key CHAP_R",
		"key CHAP_R=0x00112233445566778899aabbccddeeff",
		"key CHAP_R=0x00",
		"key CHAP_N=somebody",
	};
	char script[200];

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct initiator *initiator;

		snprintf(script, sizeof(script), MUTUAL "on login-response #3 : %s\n", lies[i]);
		initiator = with_chap(script, true);
		if (initiator_login(initiator) == LOGIN_DONE)
			fail_msg("%s was taken", lies[i]);
		initiator_free(initiator);
	}
}

/* Row 87, §9.2.1 */
static void challenges_are_fresh_over_100_logins(void **state)
{
	char seen[100][80];

	for (unsigned i = 0; i < 100; i++) {
		struct initiator *initiator = with_chap(MUTUAL, true);
		struct fake_pdu ours, theirs;

		logs_in(initiator);
		assert_true(fake_target_find(initiator->target, "login", 2, &ours));
		assert_true(fake_target_find(initiator->target, "login-response", 1, &theirs));
		assert_string_not_equal(fake_target_key(&ours, "CHAP_C"),
					fake_target_key(&theirs, "CHAP_C"));
		snprintf(seen[i], sizeof(seen[i]), "%s", fake_target_key(&ours, "CHAP_C"));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
		initiator_free(initiator);
	}
}

/* Rows 88, 91, §9.2.1 */
static void one_secret_for_both_directions_never_logs_in(void **state)
{
	struct initiator *initiator =
		with_chap(CHAP "mutual target " CONFORMANCE_SECRET "\n", true);

	set_secret(&initiator->settings.target, "target", CONFORMANCE_SECRET);
	assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
	assert_int_equal(fake_target_count(initiator->target, "login"), 0);
	initiator_free(initiator);
}

/* Row 92, §6.3.2 */
static void a_target_that_skips_authentication_is_left(void **state)
{
	static const struct {
		const char *script;
		enum login_failure failure;
	} skips[] = {
		{"on login-response #1 : key AuthMethod=None", LOGIN_FAILURE_AUTHENTICATION},
		{"on login-response #1 : set transit=1 nsg=3", LOGIN_FAILURE_PROTOCOL},
		{"on login-response #1 : set transit=1 nsg=1", LOGIN_FAILURE_PROTOCOL},
		{"on login-response #2 : set transit=1 nsg=3", LOGIN_FAILURE_PROTOCOL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(skips); i++) {
		char script[200];
		struct initiator *initiator;

		snprintf(script, sizeof(script), CHAP "%s\n", skips[i].script);
		initiator = with_chap(script, false);
		if (initiator_login(initiator) != LOGIN_FAILED ||
		    initiator->result.failure != skips[i].failure)
			fail_msg("%s was taken", skips[i].script);
		initiator_free(initiator);
	}
}

/* Row 128, §11.10: the target compares its tag; row 129, appendix C */
static void a_long_list_is_fetched_with_the_targets_tag(void **state)
{
	struct initiator *initiator =
		initiator_new("portal 127.0.0.1 0 1\nportal ::1 0 2\nlogin-bytes 20\n");
	const struct discovered_portal *portals;
	struct discovery *discovery;
	struct fake_pdu first, last;
	size_t count;

	discovery = initiator_discover(initiator);
	assert_int_equal(discovery_get_state(discovery), DISCOVERY_DONE);
	portals = discovery_portals(discovery, &count);
	assert_int_equal(count, 2);
	assert_string_equal(portals[0].target_name, FAKE_TARGET_NAME);
	assert_string_equal(portals[0].address, "127.0.0.1");
	assert_string_equal(portals[1].address, "::1");
	assert_int_equal(portals[1].port, fake_target_port(initiator->target, 1));
	assert_int_equal(portals[1].tpgt, 2);
	assert_true(fake_target_count(initiator->target, "text") >= 5);
	assert_true(fake_target_find(initiator->target, "text", 0, &first));
	assert_true(fake_target_find(initiator->target, "text", 4, &last));
	assert_int_equal(fake_target_field(&first, "itt"), fake_target_field(&last, "itt"));
	assert_string_equal(fake_target_key(&first, "SendTargets"), "All");
	assert_int_equal(first.length, sizeof("SendTargets=All"));
	assert_int_equal(last.length, 0);
	discovery_free(discovery);
	initiator_free(initiator);
}

/* Row 75, §13.26: "MUST NOT be used to change behaviour": two whole sessions are the same */
static void a_target_that_names_its_architecture_is_treated_like_any_other(void **state)
{
	static const char *const scripts[] = {
		"", "on login-response csg=1 #1 : key \"X#NodeArchitecture=Linux,x86_64,v1\"\n"};
	struct fake_pdu pdus[ARRAY_SIZE(scripts)];
	struct initiator *both[ARRAY_SIZE(scripts)];
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		both[i] = initiator_start(scripts[i]);
		initiator_verify(both[i], 7, 300);
	}
	assert_true(fake_target_find(both[1]->target, "login-response csg=1", 0, &pdus[1]));
	assert_string_equal(fake_target_key(&pdus[1], "X#NodeArchitecture"), "Linux,x86_64,v1");
	assert_memory_equal(&both[0]->negotiated, &both[1]->negotiated,
			    sizeof(both[0]->negotiated));
	for (; fake_target_find(both[0]->target, "any", count, &pdus[0]); count++) {
		assert_true(fake_target_find(both[1]->target, "any", count, &pdus[1]));
		assert_int_equal(pdus[0].event, pdus[1].event);
		if (pdus[0].event >= FAKE_CONNECTED || pdu_opcode(&pdus[0].bhs) >= PDU_NOP_IN)
			continue;
		assert_memory_equal(&pdus[0].bhs, &pdus[1].bhs, BHS_LENGTH);
		if (pdus[0].data)
			assert_memory_equal(pdus[0].data, pdus[1].data, pdus[0].length);
	}
	assert_true(count > 10);
	assert_false(fake_target_find(both[1]->target, "any", count, &pdus[1]));
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		initiator_free(both[i]);
}

/* Row 61, §13.25; rows 59, 60, §6.2: the answers stand in the request that follows */
static void what_the_target_proposes_is_answered_by_its_rule(void **state)
{
	static const char *const proposals[][2] = {
		{"X-org.example.foo=1", "X-org.example.foo=NotUnderstood"},
		{"IFMarker=Yes", "IFMarker=Reject"},
		{"OFMarkInt=2048", "OFMarkInt=Reject"},
		{"FutureKey=7", "FutureKey=NotUnderstood"},
	};
	char script[200], name[40];

	for (size_t i = 0; i < ARRAY_SIZE(proposals); i++) {
		struct initiator *initiator;
		struct fake_pdu answer;
		const char *value;

		snprintf(script, sizeof(script),
			 "on login-response csg=1 #1 : key %s ; set transit=0 nsg=0\n",
			 proposals[i][0]);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(proposals[i][0], "="),
			 proposals[i][0]);
		initiator = initiator_new(script);
		initiator_login(initiator);
		if (!fake_target_find(initiator->target, "login csg=1", 1, &answer))
			fail_msg("%s: %s", script, initiator->result.text);
		value = fake_target_key(&answer, name);
		if (!value)
			fail_msg("%s was not answered", name);
		assert_string_equal(value, strchr(proposals[i][1], '=') + 1);
		initiator_free(initiator);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_request_says_who_speaks_to_whom),
		cmocka_unit_test(anything_but_a_login_response_ends_the_login),
		cmocka_unit_test(a_discovery_session_says_so_and_offers_no_more_than_it_needs),
		cmocka_unit_test(names_of_223_bytes_are_sent),
		cmocka_unit_test(one_request_waits_for_its_response),
		cmocka_unit_test(responses_out_of_order_end_the_login),
		cmocka_unit_test(it_keeps_asking_while_the_target_is_not_ready),
		cmocka_unit_test(a_login_of_many_exchanges_is_patient),
		cmocka_unit_test(text_in_pieces_is_acknowledged_with_empty_requests),
		cmocka_unit_test(the_portal_group_of_the_response_is_known),
		cmocka_unit_test(the_session_has_the_handle_of_the_target),
		cmocka_unit_test(answers_that_no_offer_allows_end_the_login),
		cmocka_unit_test(the_first_burst_is_never_longer_than_the_longest),
		cmocka_unit_test(time2wait_is_the_larger_and_time2retain_the_smaller),
		cmocka_unit_test(the_security_stage_has_no_other_keys),
		cmocka_unit_test(every_status_but_success_ends_the_login),
		cmocka_unit_test(redirects_are_taken_before_and_after_security),
		cmocka_unit_test(every_algorithm_proves_both_sides),
		cmocka_unit_test(steps_of_chap_that_are_wrong_end_the_login),
		cmocka_unit_test(a_target_that_does_not_prove_itself_is_left),
		cmocka_unit_test(challenges_are_fresh_over_100_logins),
		cmocka_unit_test(one_secret_for_both_directions_never_logs_in),
		cmocka_unit_test(a_target_that_skips_authentication_is_left),
		cmocka_unit_test(a_long_list_is_fetched_with_the_targets_tag),
		cmocka_unit_test(a_target_that_names_its_architecture_is_treated_like_any_other),
		cmocka_unit_test(what_the_target_proposes_is_answered_by_its_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
