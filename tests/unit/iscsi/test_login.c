/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/chap.h"
#include "iscsi/login.h"
#include "iscsi/pdu.h"
#include "util/cleanup.h"
#include "util/text.h"

/* CSG << 2 | NSG, with LOGIN_TRANSIT or LOGIN_CONTINUE */
#define SECURITY	0x00
#define OPERATIONAL	0x04
#define TO_OPERATIONAL	0x81
#define TO_FULL_FEATURE 0x87
#define ANY_TEXT	NULL, 0
#define NO_TEXT		"", 0
#define TEXT(literal)	literal, sizeof(literal) - 1

#define SECRET	     "abcdefghijklmnop"
#define OTHER_SECRET "ponmlkjihgfedcba"
#define CHALLENGE    "CHAP_A=5\0CHAP_I=82\0CHAP_C=0x000102030405060708090a0b0c0d0e0f\0"
#define RESPONSE     "CHAP_N=user\0CHAP_R=0x83111be7385c6bba1a4d726d2a67347f\0"

#define NAMES \
	"InitiatorName=iqn.2001-04.com.example:i\0TargetName=iqn.2001-04.com.example:t\0SessionType=Normal\0"
#define OFFER \
	"HeaderDigest=CRC32C,None\0DataDigest=None\0MaxRecvDataSegmentLength=262144\0" \
	"InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength=1048576\0FirstBurstLength=131072\0" \
	"DefaultTime2Wait=2\0DefaultTime2Retain=0\0MaxOutstandingR2T=1\0MaxConnections=1\0" \
	"DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0ErrorRecoveryLevel=0\0"
#define ANSWER \
	"HeaderDigest=CRC32C\0DataDigest=None\0MaxRecvDataSegmentLength=65536\0" \
	"InitialR2T=Yes\0ImmediateData=Yes\0MaxBurstLength=262144\0FirstBurstLength=65536\0" \
	"DefaultTime2Wait=2\0DefaultTime2Retain=0\0MaxOutstandingR2T=1\0MaxConnections=1\0" \
	"DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0ErrorRecoveryLevel=0\0"

/* One request beside its reply. */
struct exchange {
	uint8_t want_flags;
	const char *want_text; /* NULL: any */
	size_t want_length;
	uint8_t flags;
	const char *text;
	size_t length;
	uint16_t tsih;
	uint8_t status_class, status_detail;
};

enum proof { PROOF_NONE, PROOF_RIGHT, PROOF_WRONG, PROOF_REPLAY };

struct script {
	const char *name;
	bool discovery, authenticate, mutual;
	enum proof proof; /* the last reply of the security stage gets CHAP_N and CHAP_R */
	enum login_state state;
	enum login_failure failure;
	const char *says; /* part of the message */
	struct exchange exchanges[16];
};

/* The other side of the wire. */
struct target {
	struct login *login;
	uint32_t stat_sn;
	uint8_t request[BHS_LENGTH + 8192]; /* the last one */
	size_t request_length;
	size_t send_step, receive_step;
};

static struct login_settings make_settings(const struct script *script)
{
	struct login_settings settings = {
		.initiator_name = "iqn.2001-04.com.example:i",
		.isid = {0x80, 0x12, 0x34, 0x56, 0x00, 0x07},
		.cid = 3,
		.cmd_sn = 0xfffffff0,
		.header_digest = DIGEST_CRC32C_NONE,
		.max_recv_data_segment_length = 262144,
		.max_burst_length = 1048576,
		.first_burst_length = 131072,
		.default_time2wait = 2,
		.max_outstanding_r2t = 1,
		.max_connections = 1,
		.immediate_data = true,
		.data_pdu_in_order = true,
		.data_sequence_in_order = true,
	};

	settings.discovery = script->discovery;
	settings.authenticate = script->authenticate;
	if (!script->discovery)
		strcpy(settings.target_name, "iqn.2001-04.com.example:t");
	if (script->authenticate) {
		strcpy(settings.initiator.name, "user");
		memcpy(settings.initiator.secret, SECRET, 16);
		settings.initiator.secret_length = 16;
	}
	if (script->mutual) {
		strcpy(settings.target.name, "target");
		memcpy(settings.target.secret, OTHER_SECRET, 16);
		settings.target.secret_length = 16;
	}
	return settings;
}

static void begin(struct target *target, const struct login_settings *settings)
{
	*target = (struct target){
		.stat_sn = 0xffffffff, .send_step = SIZE_MAX, .receive_step = SIZE_MAX};
	assert_int_equal(login_new(settings, &target->login), 0);
}

static void take_request(struct target *target)
{
	target->request_length = 0;
	while (login_get_state(target->login) == LOGIN_SENDING) {
		size_t length, part;
		const void *output = login_output(target->login, &length);

		part = MIN(length, target->send_step);
		assert_true(part > 0);
		assert_true(target->request_length + part <= sizeof(target->request));
		memcpy(target->request + target->request_length, output, part);
		target->request_length += part;
		login_sent(target->login, part);
	}
}

/* What must hold for every Login Request (RFC 7143 §11.12). */
static void check_request(struct target *target, const struct exchange *exchange, bool first)
{
	const struct bhs_login_request *request = (const void *)target->request;
	uint32_t length = be24_get(request->data_segment_length);
	static const uint8_t zero[16];

	assert_int_equal(request->opcode, 0x43);
	assert_int_equal(request->version_max, 0);
	assert_int_equal(request->version_min, 0);
	assert_int_equal(request->total_ahs_length, 0);
	assert_memory_equal(request->isid, "\x80\x12\x34\x56\x00\x07", 6);
	assert_int_equal(be16_get(request->cid), 3);
	assert_int_equal(be32_get(request->initiator_task_tag), 0);
	assert_int_equal(be32_get(request->cmd_sn), 0xfffffff0);
	assert_int_equal(be32_get(request->exp_stat_sn), first ? 0 : target->stat_sn);
	assert_memory_equal(request->reserved_22, zero, 2);
	assert_memory_equal(request->reserved_32, zero, 16);
	assert_int_equal(target->request_length, BHS_LENGTH + pdu_padded(length));
	assert_memory_equal(target->request + BHS_LENGTH + length, zero, pdu_padding(length));

	assert_int_equal(request->flags, exchange->want_flags);
	if (exchange->want_text) {
		assert_int_equal(length, exchange->want_length);
		assert_memory_equal(target->request + BHS_LENGTH, exchange->want_text, length);
	}
}

static size_t make_response(struct target *target, const struct exchange *exchange, uint8_t *out,
			    size_t capacity)
{
	struct bhs_login_response response = {
		.opcode = PDU_LOGIN_RESPONSE,
		.flags = exchange->flags,
		.isid = {0x80, 0x12, 0x34, 0x56, 0x00, 0x07},
		.tsih = be16_of(exchange->tsih),
		.stat_sn = be32_of(target->stat_sn++),
		.exp_cmd_sn = be32_of(0xfffffff0),
		.max_cmd_sn = be32_of(0x10),
		.status_class = exchange->status_class,
		.status_detail = exchange->status_detail,
	};
	int r;

	/* "reserved fields are ignored on receive" (§11) */
	memset(response.reserved_20, 0xa5, sizeof(response.reserved_20));
	memset(response.reserved_38, 0xa5, sizeof(response.reserved_38));
	r = pdu_write(&response, exchange->text, exchange->length, out, capacity);
	assert_true(r > 0);
	return (size_t)r;
}

static size_t give(struct target *target, const uint8_t *bytes, size_t length)
{
	size_t total = 0;

	while (total < length) {
		size_t part = MIN(length - total, target->receive_step), used;

		used = login_input(target->login, bytes + total, part);
		total += used;
		if (used < part)
			break;
	}
	return total;
}

/* The target's half of mutual CHAP, from the challenge in the last request. */
static void add_proof(const struct target *target, enum proof proof, char *text, size_t *length)
{
	const char *at = (const char *)target->request + BHS_LENGTH;
	const char *identifier = memmem(at, target->request_length, "CHAP_I=", 7);
	const char *challenge = memmem(at, target->request_length, "CHAP_C=0x", 9);
	const char *secret = proof == PROOF_WRONG ? "wrong" : OTHER_SECRET;
	char response[65] = "83111be7385c6bba1a4d726d2a67347f";
	uint8_t bytes[32], digest[CHAP_DIGEST_MAX];

	assert_non_null(identifier);
	assert_non_null(challenge);
	assert_int_equal(text_hex_decode(challenge + 9, bytes, sizeof(bytes)), 32);
	if (proof != PROOF_REPLAY) {
		assert_int_equal(chap_hash(CHAP_MD5, (uint8_t)atoi(identifier + 7), secret,
					   strlen(secret), bytes, 32, digest),
				 16);
		text_hex_encode(digest, 16, response);
	}
	*length +=
		(size_t)snprintf(text + *length, 200, "CHAP_N=target%cCHAP_R=0x%s", 0, response) +
		1;
}

static void play(struct target *target, const struct script *script)
{
	for (size_t i = 0; i < ARRAY_SIZE(script->exchanges) && script->exchanges[i].text; i++) {
		struct exchange exchange = script->exchanges[i];
		static uint8_t response[BHS_LENGTH + 16384];
		static char text[16384];
		size_t length;

		assert_int_equal(login_get_state(target->login), LOGIN_SENDING);
		take_request(target);
		check_request(target, &exchange, i == 0);
		if (script->proof != PROOF_NONE && (exchange.want_flags & 0x0c) == 0 &&
		    memmem(target->request, target->request_length, "CHAP_R=", 7)) {
			memcpy(text, exchange.text, exchange.length);
			add_proof(target, script->proof, text, &exchange.length);
			exchange.text = text;
		}
		length = make_response(target, &exchange, response, sizeof(response));
		assert_int_equal(give(target, response, length), length);
	}
}

#define CHAP_START \
	{SECURITY, TEXT(NAMES "AuthMethod=CHAP\0"), SECURITY, \
	 TEXT("TargetPortalGroupTag=1\0AuthMethod=CHAP\0")}, \
	{ \
		SECURITY, TEXT("CHAP_A=5\0"), SECURITY, TEXT(CHALLENGE) \
	}
#define NONE_START \
	{ \
		TO_OPERATIONAL, TEXT(NAMES "AuthMethod=None\0"), TO_OPERATIONAL, \
			TEXT("TargetPortalGroupTag=1\0AuthMethod=None\0") \
	}
#define FINISH \
	{ \
		TO_FULL_FEATURE, TEXT(OFFER), TO_FULL_FEATURE, TEXT(ANSWER), .tsih = 0x1234 \
	}

/* clang-format off */
static const struct script scripts[] = {
	{"without authentication", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		FINISH,
	}},
	{"a target that passes over AuthMethod when None was all that was offered", .state = LOGIN_DONE, .exchanges = {
		{TO_OPERATIONAL, TEXT(NAMES "AuthMethod=None\0"), TO_OPERATIONAL, NO_TEXT},
		FINISH,
	}},
	{"discovery", .discovery = true, .state = LOGIN_DONE, .exchanges = {
		{TO_OPERATIONAL, TEXT("InitiatorName=iqn.2001-04.com.example:i\0SessionType=Discovery\0AuthMethod=None\0"),
		 TO_OPERATIONAL, TEXT("AuthMethod=None\0")},
		{TO_FULL_FEATURE, TEXT("HeaderDigest=None\0DataDigest=None\0MaxRecvDataSegmentLength=262144\0"
				       "DefaultTime2Wait=2\0DefaultTime2Retain=0\0ErrorRecoveryLevel=0\0"),
		 TO_FULL_FEATURE, TEXT("HeaderDigest=None\0DataDigest=None\0DefaultTime2Retain=NotUnderstood\0"), .tsih = 1},
	}},
	{"CHAP", .authenticate = true, .state = LOGIN_DONE, .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, TEXT(RESPONSE), TO_OPERATIONAL, NO_TEXT},
		FINISH,
	}},
	{"CHAP, the end of the stage comes later", .authenticate = true, .state = LOGIN_DONE, .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, TEXT(RESPONSE), SECURITY, NO_TEXT},
		{TO_OPERATIONAL, NO_TEXT, SECURITY, TEXT("TargetAlias=disk\0")},
		{TO_OPERATIONAL, NO_TEXT, TO_OPERATIONAL, NO_TEXT},
		FINISH,
	}},
	{"CHAP, wrong secret", .authenticate = true, .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_STATUS,
	 .says = "credentials", .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, TEXT(RESPONSE), SECURITY, NO_TEXT, .status_class = 2, .status_detail = 1},
	}},
	{"mutual CHAP", .authenticate = true, .mutual = true, .proof = PROOF_RIGHT, .state = LOGIN_DONE, .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, NO_TEXT},
		FINISH,
	}},
	{"mutual CHAP, proof before the end of the stage", .authenticate = true, .mutual = true, .proof = PROOF_RIGHT,
	 .state = LOGIN_DONE, .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, NO_TEXT},
		{TO_OPERATIONAL, NO_TEXT, TO_OPERATIONAL, NO_TEXT},
		FINISH,
	}},
	{"mutual CHAP, wrong proof", .authenticate = true, .mutual = true, .proof = PROOF_WRONG, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "does not know", .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, NO_TEXT},
	}},
	{"mutual CHAP, our own response played back", .authenticate = true, .mutual = true, .proof = PROOF_REPLAY,
	 .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "does not know", .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, NO_TEXT},
	}},
	{"mutual CHAP, no proof", .authenticate = true, .mutual = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "did not prove", .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, NO_TEXT},
	}},
	{"mutual CHAP, no proof and no end of the stage", .authenticate = true, .mutual = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "did not prove", .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, NO_TEXT},
	}},
	{"CHAP is skipped by choosing None", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "AuthMethod=None", .exchanges = {
		{SECURITY, ANY_TEXT, SECURITY, TEXT("AuthMethod=None\0")},
	}},
	{"CHAP is skipped by going on", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_PROTOCOL, .says = "not offered to end", .exchanges = {
		{SECURITY, ANY_TEXT, TO_OPERATIONAL, TEXT("AuthMethod=CHAP\0")},
	}},
	{"CHAP is skipped by jumping to full feature phase", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_PROTOCOL, .exchanges = {
		{SECURITY, ANY_TEXT, 0x83, TEXT("AuthMethod=CHAP\0"), .tsih = 1},
	}},
	{"CHAP is skipped by saying nothing", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "did not say", .exchanges = {
		{SECURITY, ANY_TEXT, SECURITY, NO_TEXT},
	}},
	{"CHAP is ended after the challenge was asked for", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_PROTOCOL, .exchanges = {
		{SECURITY, ANY_TEXT, SECURITY, TEXT("AuthMethod=CHAP\0")},
		{SECURITY, ANY_TEXT, TO_OPERATIONAL, NO_TEXT},
	}},
	{"a challenge without CHAP_C", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "CHAP_C", .exchanges = {
		{SECURITY, ANY_TEXT, SECURITY, TEXT("AuthMethod=CHAP\0")},
		{SECURITY, ANY_TEXT, SECURITY, TEXT("CHAP_A=5\0CHAP_I=1\0")},
	}},
	{"a challenge before CHAP was agreed on", .authenticate = true, .state = LOGIN_FAILED,
	 .failure = LOGIN_FAILURE_AUTHENTICATION, .says = "wrong moment", .exchanges = {
		{SECURITY, ANY_TEXT, SECURITY, TEXT("AuthMethod=CHAP\0" CHALLENGE)},
	}},
	{"a challenge that nobody asked for", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_AUTHENTICATION, .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, TEXT(CHALLENGE)},
	}},
	{"AuthMethod is rejected", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_AUTHENTICATION,
	 .says = "AuthMethod=Reject", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, TEXT("AuthMethod=Reject\0")},
	}},
	{"text split inside a key over three PDUs", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL | LOGIN_CONTINUE, TEXT("HeaderDig")},
		{OPERATIONAL, NO_TEXT, OPERATIONAL | LOGIN_CONTINUE, TEXT("est=CRC")},
		{OPERATIONAL, NO_TEXT, OPERATIONAL, TEXT("32C\0DataDigest=None\0MaxRecvDataSegmentLength=65536\0")},
		{TO_FULL_FEATURE, NO_TEXT, TO_FULL_FEATURE, TEXT("MaxBurstLength=262144\0FirstBurstLength=65536\0"), .tsih = 0x1234},
	}},
	{"the end of the stage comes with the last piece", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL | LOGIN_CONTINUE, TEXT("HeaderDig")},
		{OPERATIONAL, NO_TEXT, TO_FULL_FEATURE,
		 TEXT("est=CRC32C\0MaxRecvDataSegmentLength=65536\0MaxBurstLength=262144\0FirstBurstLength=65536\0"), .tsih = 0x1234},
	}},
	{"one key at a time", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL, TEXT("HeaderDigest=CRC32C\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("DataDigest=None\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("MaxRecvDataSegmentLength=65536\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("InitialR2T=Yes\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("MaxBurstLength=262144\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("FirstBurstLength=65536\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, NO_TEXT},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, NO_TEXT},
		{TO_FULL_FEATURE, NO_TEXT, TO_FULL_FEATURE, NO_TEXT, .tsih = 0x1234},
	}},
	{"keys that the target proposes are answered", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL, TEXT(ANSWER "X-com.example.foo=1\0IFMarker=No\0TaskReporting=RFC3720\0")},
		{TO_FULL_FEATURE, TEXT("X-com.example.foo=NotUnderstood\0IFMarker=Reject\0TaskReporting=RFC3720\0"),
		 TO_FULL_FEATURE, NO_TEXT, .tsih = 0x1234},
	}},
	{"an unknown key with the last response is passed over", .state = LOGIN_DONE, .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), TO_FULL_FEATURE, TEXT(ANSWER "X-com.example.foo=1\0"), .tsih = 0x1234},
	}},
	{"a question with the last response", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_NEGOTIATION,
	 .says = "no time to answer", .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), TO_FULL_FEATURE, TEXT(ANSWER "TaskReporting=RFC3720\0"), .tsih = 0x1234},
	}},
	{"an answer that no offer allows", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_NEGOTIATION,
	 .says = "MaxBurstLength=2097152", .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), TO_FULL_FEATURE, TEXT("MaxBurstLength=2097152\0"), .tsih = 0x1234},
	}},
	{"a key twice", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_NEGOTIATION, .says = "twice", .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL, TEXT("DataDigest=None\0")},
		{TO_FULL_FEATURE, NO_TEXT, OPERATIONAL, TEXT("DataDigest=None\0")},
	}},
	{"an operational key in the security stage", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_NEGOTIATION,
	 .says = "another stage", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, TEXT("MaxRecvDataSegmentLength=8192\0")},
	}},
	{"text that is no pair", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_PROTOCOL, .says = "key=value", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, TEXT("AuthMethod\0")},
	}},
	{"no session handle", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_PROTOCOL, .says = "TSIH", .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), TO_FULL_FEATURE, TEXT(ANSWER)},
	}},
	{"moved temporarily", .state = LOGIN_REDIRECTED, .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, TEXT("TargetAddress=10.0.0.9:3261\0"), .status_class = 1, .status_detail = 1},
	}},
	{"moved after authentication, with more keys and a tag", .authenticate = true, .state = LOGIN_REDIRECTED, .exchanges = {
		CHAP_START,
		{TO_OPERATIONAL, ANY_TEXT, TO_OPERATIONAL, TEXT("TargetName=iqn.x\0TargetAddress=[fe80::1]:3260,1\0"),
		 .status_class = 1, .status_detail = 2},
	}},
	{"moved without an address", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_PROTOCOL, .says = "usable address", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, NO_TEXT, .status_class = 1, .status_detail = 1},
	}},
	{"moved to nowhere", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_PROTOCOL, .says = "usable address", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, TEXT("TargetAddress=../etc\0"), .status_class = 1, .status_detail = 1},
	}},
	{"no such target", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_STATUS, .says = "(0203)", .exchanges = {
		{TO_OPERATIONAL, ANY_TEXT, SECURITY, NO_TEXT, .status_class = 2, .status_detail = 3},
	}},
	{"out of resources in the last stage", .state = LOGIN_FAILED, .failure = LOGIN_FAILURE_STATUS, .says = "(0302)", .exchanges = {
		NONE_START,
		{TO_FULL_FEATURE, TEXT(OFFER), OPERATIONAL, NO_TEXT, .status_class = 3, .status_detail = 2},
	}},
};
/* clang-format on */

static void every_conversation_ends_as_written(void **state)
{
	static const size_t steps[][2] = {{SIZE_MAX, SIZE_MAX}, {1, 1}, {7, 5}};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct login_settings settings = make_settings(&scripts[i]);
			const struct login_result *result;
			struct target target;

			begin(&target, &settings);
			target.send_step = steps[k][0];
			target.receive_step = steps[k][1];
			play(&target, &scripts[i]);
			result = login_get_result(target.login);
			if (login_get_state(target.login) != scripts[i].state ||
			    result->failure != scripts[i].failure ||
			    !strstr(result->text, scripts[i].says ? scripts[i].says : ""))
				fail_msg("%s: state %d, failure %d, \"%s\"", scripts[i].name,
					 login_get_state(target.login), result->failure,
					 result->text);
			if (scripts[i].state == LOGIN_FAILED)
				assert_true(result->text[0] != '\0');
			login_free(target.login);
		}
	}
}

static const struct script *script_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (strcmp(scripts[i].name, name) == 0)
			return &scripts[i];
	}
	fail();
	return NULL;
}

static void the_outcome_says_where_full_feature_phase_begins(void **state)
{
	const struct script *script = script_named("CHAP");
	struct login_settings settings = make_settings(script);
	const struct login_outcome *outcome;
	const struct negotiated *negotiated;
	struct target target;

	begin(&target, &settings);
	play(&target, script);
	outcome = login_get_outcome(target.login);
	negotiated = login_negotiated(target.login);
	assert_int_equal(outcome->tsih, 0x1234);
	assert_int_equal(outcome->cmd_sn, 0xfffffff0);
	assert_int_equal(outcome->exp_cmd_sn, 0xfffffff0);
	assert_int_equal(outcome->max_cmd_sn, 0x10);
	assert_int_equal(outcome->exp_stat_sn, target.stat_sn);
	assert_true(negotiated->header_digest);
	assert_false(negotiated->data_digest);
	assert_int_equal(negotiated->max_recv_data_segment_length, 262144);
	assert_int_equal(negotiated->max_xmit_data_segment_length, 65536);
	assert_int_equal(negotiated->max_burst_length, 262144);
	assert_int_equal(negotiated->first_burst_length, 65536);
	assert_int_equal(negotiated->default_time2retain, 0);
	assert_true(negotiated->initial_r2t && negotiated->immediate_data);
	assert_int_equal(negotiated->target_portal_group_tag, 1);
	assert_string_equal(negotiated->authentication, "CHAP");
	login_free(target.login);
}

static void a_redirect_says_where_to_and_for_how_long(void **state)
{
	const struct script *temporary = script_named("moved temporarily");
	const struct script *permanent =
		script_named("moved after authentication, with more keys and a tag");
	struct login_settings settings = make_settings(temporary);
	struct target target;

	begin(&target, &settings);
	play(&target, temporary);
	assert_string_equal(login_redirect(target.login), "10.0.0.9:3261");
	assert_false(login_redirect_permanent(target.login));
	assert_int_equal(login_get_result(target.login)->status_class, 1);
	login_free(target.login);

	settings = make_settings(permanent);
	begin(&target, &settings);
	play(&target, permanent);
	assert_string_equal(login_redirect(target.login), "[fe80::1]:3260,1");
	assert_true(login_redirect_permanent(target.login));
	login_free(target.login);
}

static void bytes_behind_the_last_response_are_left_alone(void **state)
{
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);
	uint8_t bytes[BHS_LENGTH + 1024 + BHS_LENGTH];
	struct target target;
	size_t length;

	begin(&target, &settings);
	take_request(&target);
	length = make_response(&target, &script->exchanges[0], bytes, sizeof(bytes));
	assert_int_equal(give(&target, bytes, length), length);
	take_request(&target);
	length = make_response(&target, &script->exchanges[1], bytes, sizeof(bytes));
	memset(bytes + length, 0x20, BHS_LENGTH);
	assert_int_equal(login_input(target.login, bytes, length + BHS_LENGTH), length);
	assert_int_equal(login_get_state(target.login), LOGIN_DONE);
	assert_int_equal(login_input(target.login, bytes + length, BHS_LENGTH), 0);
	login_free(target.login);
}

/* One byte of a good response is changed. */
static void responses_that_break_a_rule_end_the_login(void **state)
{
	static const struct {
		size_t exchange, offset;
		uint8_t value;
		const char *says;
	} rows[] = {
		{0, 0, 0x20, "type 20h"},      {0, 0, 0x24, "type 24h"},
		{0, 0, 0x21, "type 21h"},      {0, 0, 0x03, "type 03h"},
		{0, 0, 0x3f, "rejected"},      {0, 1, 0x85, "another stage"},
		{0, 1, 0x80, "not asked for"}, {0, 1, 0x82, "not asked for"},
		{0, 1, 0x83, "not asked for"}, {0, 1, 0xc1, "middle of its text"},
		{0, 3, 1, "another version"},  {0, 4, 1, "additional headers"},
		{0, 5, 1, "larger PDU"},       {0, 6, 0x20, "larger PDU"},
		{0, 8, 0x00, "ISID"},	       {0, 13, 0x08, "ISID"},
		{0, 19, 1, "another task"},    {1, 1, 0x81, "another stage"},
		{1, 1, 0x85, "not asked for"}, {1, 1, 0x86, "not asked for"},
		{1, 1, 0x8b, "another stage"}, {1, 27, 9, "StatSN"},
		{1, 36, 4, "(0400)"},	       {1, 36, 255, "(ff00)"},
	};
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[BHS_LENGTH + 1024];
		struct target target;

		begin(&target, &settings);
		for (size_t k = 0; k <= rows[i].exchange; k++) {
			size_t length;

			take_request(&target);
			length =
				make_response(&target, &script->exchanges[k], bytes, sizeof(bytes));
			if (k == rows[i].exchange)
				bytes[rows[i].offset] = rows[i].value;
			give(&target, bytes, length);
		}
		assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
		if (!strstr(login_get_result(target.login)->text, rows[i].says))
			fail_msg("row %zu: \"%s\"", i, login_get_result(target.login)->text);
		login_free(target.login);
	}
}

static void an_added_connection_stays_in_its_session(void **state)
{
	static const struct {
		uint16_t tsih;
		enum login_state state;
	} rows[] = {{7, LOGIN_DONE}, {8, LOGIN_FAILED}, {0, LOGIN_FAILED}};
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);

	settings.tsih = 7;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct exchange last = {.flags = TO_FULL_FEATURE, .text = "", .tsih = rows[i].tsih};
		uint8_t bytes[BHS_LENGTH + 1024];
		struct target target;

		begin(&target, &settings);
		take_request(&target);
		assert_int_equal(
			be16_get(((struct bhs_login_request *)(void *)target.request)->tsih), 7);
		give(&target, bytes,
		     make_response(&target, &script->exchanges[0], bytes, sizeof(bytes)));
		take_request(&target);
		give(&target, bytes, make_response(&target, &last, bytes, sizeof(bytes)));
		assert_int_equal(login_get_state(target.login), rows[i].state);
		login_free(target.login);
	}
}

static void command_windows_that_contradict_themselves_are_ignored(void **state)
{
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);
	uint8_t bytes[BHS_LENGTH + 1024];
	struct target target;

	begin(&target, &settings);
	for (size_t k = 0; k < 2; k++) {
		struct bhs_login_response *response = (void *)bytes;
		size_t length;

		take_request(&target);
		length = make_response(&target, &script->exchanges[k], bytes, sizeof(bytes));
		response->exp_cmd_sn = be32_of(0xfffffff0);
		response->max_cmd_sn = be32_of(0xffffffee);
		give(&target, bytes, length);
	}
	assert_int_equal(login_get_state(target.login), LOGIN_DONE);
	assert_int_equal(login_get_outcome(target.login)->exp_cmd_sn, 0xfffffff0);
	assert_int_equal(login_get_outcome(target.login)->max_cmd_sn, 0xfffffff0);
	login_free(target.login);
}

static void an_answer_before_the_question_ends_the_login(void **state)
{
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);
	struct target target;

	begin(&target, &settings);
	assert_int_equal(login_input(target.login, "x", 1), 0);
	assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
	login_free(target.login);
}

/* @count responses of @exchange after the security stage; gives how many were taken. */
static size_t repeat(const struct exchange *exchange, size_t count, struct target *target)
{
	const struct script *script = script_named("without authentication");
	struct login_settings settings = make_settings(script);
	static uint8_t bytes[BHS_LENGTH + 8192];
	size_t i;

	begin(target, &settings);
	take_request(target);
	give(target, bytes, make_response(target, &script->exchanges[0], bytes, sizeof(bytes)));
	for (i = 0; i < count && login_get_state(target->login) == LOGIN_SENDING; i++) {
		take_request(target);
		give(target, bytes, make_response(target, exchange, bytes, sizeof(bytes)));
	}
	return i;
}

static void a_login_without_end_is_given_up(void **state)
{
	struct exchange empty = {.flags = OPERATIONAL, .text = ""};
	struct target target;

	assert_in_range(repeat(&empty, 10000, &target), 6, 1000);
	assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
	assert_int_equal(login_get_result(target.login)->failure, LOGIN_FAILURE_PROTOCOL);
	login_free(target.login);
}

static void text_without_end_is_given_up(void **state)
{
	static char text[8192];
	struct exchange piece = {
		.flags = OPERATIONAL | LOGIN_CONTINUE, .text = text, .length = 8192};
	struct target target;

	memset(text, 'A', sizeof(text));
	assert_int_equal(repeat(&piece, 10000, &target), 9); /* 64 KiB are taken */
	assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
	assert_non_null(strstr(login_get_result(target.login)->text, "more text"));
	login_free(target.login);
}

static void long_text_is_taken(void **state)
{
	static char text[8192];
	struct exchange piece = {
		.flags = OPERATIONAL | LOGIN_CONTINUE, .text = text, .length = 8192};
	struct exchange last = {.flags = OPERATIONAL, .text = "", .length = 0};
	static uint8_t bytes[BHS_LENGTH + 8192];
	struct target target;

	/* TargetAddress may come as often as it likes */
	for (size_t i = 0; i < sizeof(text); i += 32)
		memcpy(text + i, "TargetAddress=10.0.0.123:3260,1\0", 32);
	assert_int_equal(repeat(&piece, 7, &target), 7);
	take_request(&target);
	give(&target, bytes, make_response(&target, &last, bytes, sizeof(bytes)));
	assert_int_equal(login_get_state(target.login), LOGIN_SENDING);
	login_free(target.login);
}

static void more_questions_than_fit_an_answer_are_refused(void **state)
{
	static char text[8192];
	struct exchange questions = {.flags = OPERATIONAL, .text = text};
	struct target target;

	for (int i = 0; i < 1000; i++)
		questions.length += (size_t)sprintf(text + questions.length, "K%d=1", i) + 1;
	repeat(&questions, 1, &target);
	assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
	assert_non_null(strstr(login_get_result(target.login)->text, "questions"));
	login_free(target.login);
}

static void chap_without_a_secret_does_not_begin(void **state)
{
	const struct script *script = script_named("CHAP");
	struct login_settings settings = make_settings(script);
	struct target target;
	size_t length;

	settings.initiator.secret_length = 0;
	begin(&target, &settings);
	assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
	assert_int_equal(login_get_result(target.login)->failure, LOGIN_FAILURE_AUTHENTICATION);
	login_output(target.login, &length);
	assert_int_equal(length, 0);
	login_free(target.login);
}

/* RFC 7143 §6.3.1 */
static void a_target_of_another_portal_group_is_left(void **state)
{
	const struct script *script = script_named("CHAP");
	struct login_settings settings = make_settings(script);
	uint8_t response[BHS_LENGTH + 200];
	struct target target;
	size_t length;

	settings.check_portal_group = true;
	for (unsigned tag = 0; tag < 3; tag++) {
		settings.portal_group_tag = (uint16_t)tag;
		begin(&target, &settings);
		take_request(&target);
		length = make_response(&target, &script->exchanges[0], response, sizeof(response));
		give(&target, response, length);
		if (tag == 1) {
			assert_int_equal(login_get_state(target.login), LOGIN_SENDING);
		} else {
			/* before anything is proved to it */
			assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
			assert_int_equal(login_get_result(target.login)->failure,
					 LOGIN_FAILURE_PORTAL_GROUP);
			assert_non_null(
				strstr(login_get_result(target.login)->text, "portal group 1 now"));
		}
		login_free(target.login);
	}
}

static void a_target_that_does_not_tell_its_portal_group_is_let_pass(void **state)
{
	const struct script *script = script_named(
		"a target that passes over AuthMethod when None was all that was offered");
	struct login_settings settings = make_settings(script);
	struct target target;

	settings.check_portal_group = true;
	settings.portal_group_tag = 7;
	begin(&target, &settings);
	play(&target, script);
	assert_int_equal(login_get_state(target.login), LOGIN_DONE);
	login_free(target.login);
}

/* Refused upon CHAP_A: not one of the target's, who knows? Refused upon CHAP_R: the secret is
 * wrong. */
static void a_list_of_algorithms_that_is_refused_may_be_tried_as_md5_alone(void **state)
{
	static const struct {
		uint8_t algorithms[CHAP_ALGORITHM_MAX];
		unsigned refused_at; /* which response */
		uint8_t class, detail;
		bool expected;
	} rows[] = {
		{{CHAP_SHA256, CHAP_MD5}, 1, 2, 1, true},
		{{CHAP_MD5, CHAP_SHA1}, 1, 2, 1, true},
		{{CHAP_MD5}, 1, 2, 1, false},
		{{CHAP_SHA256, CHAP_SHA1}, 1, 2, 1, false},
		{{CHAP_SHA256, CHAP_MD5}, 0, 2, 1, false},
		{{CHAP_SHA256, CHAP_MD5}, 2, 2, 1, false},
		{{CHAP_SHA256, CHAP_MD5}, 1, 2, 0, false},
		{{CHAP_SHA256, CHAP_MD5}, 1, 3, 1, false},
	};
	const struct script *script = script_named("CHAP");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct login_settings settings = make_settings(script);
		uint8_t response[BHS_LENGTH + 200];
		struct target target;

		memcpy(settings.chap_algorithms, rows[i].algorithms, CHAP_ALGORITHM_MAX);
		begin(&target, &settings);
		for (unsigned step = 0; step <= rows[i].refused_at; step++) {
			struct exchange exchange = script->exchanges[step];

			if (step == rows[i].refused_at)
				exchange = (struct exchange){
					.text = "",
					.status_class = rows[i].class,
					.status_detail = rows[i].detail,
				};
			take_request(&target);
			give(&target, response,
			     make_response(&target, &exchange, response, sizeof(response)));
		}
		assert_int_equal(login_get_state(target.login), LOGIN_FAILED);
		assert_int_equal(login_get_result(target.login)->try_md5_alone, rows[i].expected);
		login_free(target.login);
	}
}

static void no_secret_outlives_the_exchange(void **state)
{
	static const char *const ends[] = {"CHAP", "CHAP, wrong secret", "mutual CHAP",
					   "mutual CHAP, wrong proof",
					   "moved after authentication, with more keys and a tag"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const struct script *script = script_named(ends[i]);
		struct login_settings settings = make_settings(script);
		struct target target;
		size_t size;

		begin(&target, &settings);
		size = malloc_usable_size(target.login);
		assert_non_null(memmem(target.login, size, SECRET, 16));
		play(&target, script);
		assert_null(memmem(target.login, size, SECRET, 16));
		assert_null(memmem(target.login, size, OTHER_SECRET, 16));
		login_free(target.login);
	}
}

static void random_bytes_do_no_harm(void **state)
{
	const struct script *script = script_named("mutual CHAP");
	struct login_settings settings = make_settings(script);
	uint32_t seed = 1;

	for (int round = 0; round < 300; round++) {
		uint8_t bytes[256];
		struct target target;

		begin(&target, &settings);
		take_request(&target);
		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(seed >> 24);
		}
		if (round & 1)
			memcpy(bytes, "\x23\x00\x00\x00\x00\x00\x00", 7);
		give(&target, bytes, sizeof(bytes));
		login_free(target.login);
	}
	login_free(NULL);
}

/* Keys and values, right and wrong, one behind the other as they come. */
static size_t random_text(uint32_t *seed, char *out, size_t size)
{
	static const char *const pairs[] = {
		"AuthMethod=CHAP",
		"AuthMethod=None",
		"AuthMethod=Reject",
		"CHAP_A=5",
		"CHAP_A=9",
		"CHAP_I=82",
		"CHAP_I=0x100",
		"CHAP_C=0x00",
		"CHAP_C=0bAAAA",
		"CHAP_C=0x",
		"CHAP_N=x",
		"CHAP_R=0x0000",
		"TargetPortalGroupTag=1",
		"TargetPortalGroupTag=-1",
		"TargetAlias=\xff",
		"HeaderDigest=CRC32C",
		"HeaderDigest=None,None",
		"DataDigest=",
		"MaxBurstLength=512",
		"FirstBurstLength=0x10000",
		"MaxRecvDataSegmentLength=0",
		"MaxRecvDataSegmentLength=16777215",
		"InitialR2T=Yes",
		"ImmediateData=Perhaps",
		"DefaultTime2Wait=3600",
		"ErrorRecoveryLevel=2",
		"X-org.example=1",
		"=",
		"Key",
		"lower=1",
		"MaxConnections=Irrelevant",
		"TargetAddress=[::1]:1",
		"IFMarker=Yes",
	};
	unsigned count = (*seed >> 20) % 5;
	size_t length = 0;

	for (unsigned i = 0; i < count; i++) {
		const char *pair;

		*seed = *seed * 1664525 + 1013904223;
		pair = pairs[(*seed >> 8) % ARRAY_SIZE(pairs)];
		if (length + strlen(pair) + 1 > size)
			break;
		memcpy(out + length, pair, strlen(pair) + 1);
		length += strlen(pair) + ((*seed >> 28) ? 1 : 0); /* now and then without its NUL */
	}
	return length;
}

/* @script as it is written for @steps exchanges, and then anything, until the login has ended. */
static void play_at_random(const struct script *script, unsigned steps, uint32_t seed)
{
	static uint8_t response[BHS_LENGTH + 1024];
	struct login_settings settings = make_settings(script);
	struct script beginning = *script;
	struct target target;

	memset(&beginning.exchanges[steps], 0, sizeof(beginning.exchanges[steps]));
	begin(&target, &settings);
	play(&target, &beginning);
	for (unsigned i = 0; i < 20 && login_get_state(target.login) == LOGIN_SENDING; i++) {
		struct exchange exchange = {.tsih = 1};
		char text[512];
		size_t length;

		seed = seed * 1664525 + 1013904223;
		exchange.status_class = (seed >> 11 & 31) ? 0 : (uint8_t)(seed >> 24);
		exchange.status_detail = (uint8_t)(seed >> 16);
		take_request(&target);
		exchange.length = random_text(&seed, text, sizeof(text));
		exchange.text = text;
		exchange.flags = (seed >> 8 & 7) ? target.request[1] : (uint8_t)(seed >> 16);
		length = make_response(&target, &exchange, response, sizeof(response));
		if (!(seed >> 12 & 31))
			response[seed >> 20 & 47] ^= (uint8_t)(1u << (seed >> 17 & 7));
		give(&target, response, length);
	}
	login_free(target.login);
}

/* Row 160, RFC 7143 §7.10 */
static void random_responses_do_no_harm_at_any_step(void **state)
{
	static const char *const names[] = {"without authentication", "discovery", "CHAP",
					    "mutual CHAP",
					    "text split inside a key over three PDUs"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct script *script = script_named(names[i]);

		for (unsigned steps = 0; script->exchanges[steps].text; steps++)
			for (uint32_t round = 0; round < 500; round++)
				play_at_random(script, steps,
					       (uint32_t)i << 20 | steps << 16 | round);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_conversation_ends_as_written),
		cmocka_unit_test(the_outcome_says_where_full_feature_phase_begins),
		cmocka_unit_test(a_redirect_says_where_to_and_for_how_long),
		cmocka_unit_test(bytes_behind_the_last_response_are_left_alone),
		cmocka_unit_test(responses_that_break_a_rule_end_the_login),
		cmocka_unit_test(an_added_connection_stays_in_its_session),
		cmocka_unit_test(command_windows_that_contradict_themselves_are_ignored),
		cmocka_unit_test(an_answer_before_the_question_ends_the_login),
		cmocka_unit_test(a_login_without_end_is_given_up),
		cmocka_unit_test(text_without_end_is_given_up),
		cmocka_unit_test(long_text_is_taken),
		cmocka_unit_test(more_questions_than_fit_an_answer_are_refused),
		cmocka_unit_test(chap_without_a_secret_does_not_begin),
		cmocka_unit_test(a_target_of_another_portal_group_is_left),
		cmocka_unit_test(a_target_that_does_not_tell_its_portal_group_is_let_pass),
		cmocka_unit_test(a_list_of_algorithms_that_is_refused_may_be_tried_as_md5_alone),
		cmocka_unit_test(no_secret_outlives_the_exchange),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(random_responses_do_no_harm_at_any_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
