/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iscsi/negotiation.h"
#include "util/cleanup.h"

struct fixture {
	struct login_settings settings;
	struct negotiation negotiation;
	struct text_keys offer, answers;
};

static void begin(struct fixture *f, const struct login_settings *settings)
{
	f->settings = *settings;
	text_keys_init(&f->offer, 8192);
	text_keys_init(&f->answers, 8192);
	negotiation_init(&f->negotiation, &f->settings);
	negotiation_offer(&f->negotiation, LOGIN_STAGE_SECURITY, &f->offer);
	negotiation_offer(&f->negotiation, LOGIN_STAGE_OPERATIONAL, &f->offer);
	assert_int_equal(f->offer.error, 0);
}

static void finish(struct fixture *f)
{
	text_keys_deinit(&f->offer);
	text_keys_deinit(&f->answers);
}

static int receive(struct fixture *f, enum login_stage stage, const char *key, const char *value)
{
	struct text_pair pair = {text_span_of(key), text_span_of(value)};

	return negotiation_receive(&f->negotiation, stage, &pair, &f->answers);
}

static int receive_operational(struct fixture *f, const char *key, const char *value)
{
	return receive(f, LOGIN_STAGE_OPERATIONAL, key, value);
}

/* An offer that leaves every rule room on both sides. */
static const struct login_settings normal = {
	.initiator_name = "iqn.2001-04.com.example:i",
	.target_name = "iqn.2001-04.com.example:t",
	.header_digest = DIGEST_CRC32C_NONE,
	.data_digest = DIGEST_NONE_CRC32C,
	.max_recv_data_segment_length = 262144,
	.max_burst_length = 1048576,
	.first_burst_length = 131072,
	.default_time2wait = 5,
	.default_time2retain = 60,
	.max_outstanding_r2t = 4,
	.max_connections = 2,
	.error_recovery_level = 1,
	.initial_r2t = false,
	.immediate_data = true,
	.data_pdu_in_order = false,
	.data_sequence_in_order = false,
};

static struct login_settings discovery_settings(void)
{
	struct login_settings settings = normal;

	settings.discovery = true;
	settings.target_name[0] = '\0';
	return settings;
}

static void assert_text(const struct text_keys *text, const char *want, size_t length)
{
	assert_int_equal(text->length, length);
	assert_memory_equal(text->bytes, want, length);
}

#define assert_text_is(text, literal) assert_text(text, literal, sizeof(literal) - 1)

static void a_normal_session_offers_every_operational_key_once(void **state)
{
	struct fixture f;

	begin(&f, &normal);
	assert_text_is(&f.offer,
		       "AuthMethod=None\0HeaderDigest=CRC32C,None\0DataDigest=None,CRC32C\0"
		       "MaxRecvDataSegmentLength=262144\0InitialR2T=No\0ImmediateData=Yes\0"
		       "MaxBurstLength=1048576\0FirstBurstLength=131072\0"
		       "DefaultTime2Wait=5\0DefaultTime2Retain=60\0MaxOutstandingR2T=4\0"
		       "MaxConnections=2\0DataPDUInOrder=No\0DataSequenceInOrder=No\0"
		       "ErrorRecoveryLevel=1\0");
	finish(&f);
}

static void a_discovery_session_offers_what_matters_there(void **state)
{
	struct login_settings settings = discovery_settings();
	struct fixture f;

	begin(&f, &settings);
	assert_text_is(&f.offer, "AuthMethod=None\0HeaderDigest=None\0DataDigest=None\0"
				 "MaxRecvDataSegmentLength=262144\0DefaultTime2Wait=5\0"
				 "DefaultTime2Retain=60\0ErrorRecoveryLevel=0\0");
	finish(&f);
}

static void an_added_connection_offers_nothing_of_the_session(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.tsih = 7;
	begin(&f, &settings);
	assert_text_is(&f.offer,
		       "AuthMethod=None\0HeaderDigest=CRC32C,None\0DataDigest=None,CRC32C\0"
		       "MaxRecvDataSegmentLength=262144\0");
	assert_int_equal(receive_operational(&f, "MaxBurstLength", "4096"), 0);
	assert_text_is(&f.answers, "MaxBurstLength=Irrelevant\0");
	finish(&f);
}

static void chap_is_offered_alone(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.authenticate = true;
	begin(&f, &settings);
	assert_memory_equal(f.offer.bytes, "AuthMethod=CHAP\0", 16);
	assert_null(negotiation_authentication(&f.negotiation));
	assert_int_equal(receive(&f, LOGIN_STAGE_SECURITY, "AuthMethod", "CHAP"), 0);
	assert_string_equal(negotiation_authentication(&f.negotiation), "CHAP");
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	assert_string_equal(f.negotiation.result.authentication, "CHAP");
	finish(&f);
}

static void offers_are_brought_into_range_and_agree_with_each_other(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.max_recv_data_segment_length = 0;
	settings.max_burst_length = 4096;
	settings.first_burst_length = 8192;
	settings.max_outstanding_r2t = 8;
	settings.max_connections = 0;
	settings.default_time2wait = 65535;
	settings.error_recovery_level = 9;
	settings.data_sequence_in_order = true;
	begin(&f, &settings);
	assert_non_null(
		memmem(f.offer.bytes, f.offer.length, "MaxRecvDataSegmentLength=512\0", 29));
	assert_non_null(memmem(f.offer.bytes, f.offer.length, "FirstBurstLength=4096\0", 22));
	assert_non_null(memmem(f.offer.bytes, f.offer.length, "MaxConnections=1\0", 17));
	assert_non_null(memmem(f.offer.bytes, f.offer.length, "DefaultTime2Wait=3600\0", 22));
	assert_non_null(memmem(f.offer.bytes, f.offer.length, "ErrorRecoveryLevel=2\0", 21));
	/* RFC 7143 §13.17: with ERL > 0 and sequences in order only one R2T */
	assert_non_null(memmem(f.offer.bytes, f.offer.length, "MaxOutstandingR2T=1\0", 20));
	finish(&f);
}

static void segments_come_to_us_in_whole_words(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.max_recv_data_segment_length = 777;
	begin(&f, &settings);
	assert_non_null(
		memmem(f.offer.bytes, f.offer.length, "MaxRecvDataSegmentLength=776\0", 29));
	finish(&f);
}

#define AT(name) offsetof(struct negotiated, name), sizeof(((struct negotiated *)0)->name)

/* clang-format off */
static const struct answer_row {
	const char *key, *value;
	int result;
	size_t offset, size; /* in struct negotiated */
	uint32_t agreed;
} answer_rows[] = {
	/* minimum: at most what was offered, in range; otherwise the default */
	{"MaxBurstLength",      "1048576",       0,       AT(max_burst_length), 1048576},
	{"MaxBurstLength",      "0x10000",       0,       AT(max_burst_length), 65536},
	{"MaxBurstLength",      "512",           0,       AT(max_burst_length), 512},
	{"MaxBurstLength",      "Reject",        0,       AT(max_burst_length), 262144},
	{"MaxBurstLength",      "Irrelevant",    0,       AT(max_burst_length), 262144},
	{"MaxBurstLength",      "NotUnderstood", -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "None",          -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "1048577",       -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "511",           -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "16777216",      -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "-1",            -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "12x",           -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "",              -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "18446744073709551616", -EPROTO, 0, 0, 0},
	{"MaxBurstLength",      "512~1024",      -EPROTO, 0, 0, 0},
	{"FirstBurstLength",    "131072",        0,       AT(first_burst_length), 131072},
	{"FirstBurstLength",    "4096",          0,       AT(first_burst_length), 4096},
	{"FirstBurstLength",    "Irrelevant",    0,       AT(first_burst_length), 65536},
	{"FirstBurstLength",    "131073",        -EPROTO, 0, 0, 0},
	{"DefaultTime2Retain",  "0",             0,       AT(default_time2retain), 0},
	{"DefaultTime2Retain",  "Reject",        0,       AT(default_time2retain), 20},
	{"DefaultTime2Retain",  "61",            -EPROTO, 0, 0, 0},
	{"MaxOutstandingR2T",   "1",             0,       AT(max_outstanding_r2t), 1},
	{"MaxOutstandingR2T",   "0",             -EPROTO, 0, 0, 0},
	{"MaxOutstandingR2T",   "5",             -EPROTO, 0, 0, 0},
	{"MaxConnections",      "1",             0,       AT(max_connections), 1},
	{"MaxConnections",      "Reject",        0,       AT(max_connections), 1},
	{"MaxConnections",      "3",             -EPROTO, 0, 0, 0},
	{"ErrorRecoveryLevel",  "0",             0,       AT(error_recovery_level), 0},
	{"ErrorRecoveryLevel",  "1",             0,       AT(error_recovery_level), 1},
	{"ErrorRecoveryLevel",  "2",             -EPROTO, 0, 0, 0},
	{"ErrorRecoveryLevel",  "3",             -EPROTO, 0, 0, 0},
	/* maximum */
	{"DefaultTime2Wait",    "5",             0,       AT(default_time2wait), 5},
	{"DefaultTime2Wait",    "3600",          0,       AT(default_time2wait), 3600},
	{"DefaultTime2Wait",    "Irrelevant",    0,       AT(default_time2wait), 2},
	{"DefaultTime2Wait",    "4",             -EPROTO, 0, 0, 0},
	{"DefaultTime2Wait",    "3601",          -EPROTO, 0, 0, 0},
	/* or: No was offered */
	{"InitialR2T",          "No",            0,       AT(initial_r2t), 0},
	{"InitialR2T",          "Yes",           0,       AT(initial_r2t), 1},
	{"InitialR2T",          "Reject",        0,       AT(initial_r2t), 1},
	{"InitialR2T",          "NotUnderstood", -EPROTO, 0, 0, 0},
	{"InitialR2T",          "yes",           -EPROTO, 0, 0, 0},
	{"InitialR2T",          "1",             -EPROTO, 0, 0, 0},
	{"InitialR2T",          "",              -EPROTO, 0, 0, 0},
	{"DataPDUInOrder",      "Yes",           0,       AT(data_pdu_in_order), 1},
	{"DataPDUInOrder",      "No",            0,       AT(data_pdu_in_order), 0},
	{"DataSequenceInOrder", "Yes",           0,       AT(data_sequence_in_order), 1},
	{"DataSequenceInOrder", "Irrelevant",    0,       AT(data_sequence_in_order), 1},
	/* and: Yes was offered */
	{"ImmediateData",       "No",            0,       AT(immediate_data), 0},
	{"ImmediateData",       "Yes",           0,       AT(immediate_data), 1},
	{"ImmediateData",       "Reject",        0,       AT(immediate_data), 1},
	{"ImmediateData",       "None",          -EPROTO, 0, 0, 0},
	/* list */
	{"HeaderDigest",        "CRC32C",        0,       AT(header_digest), 1},
	{"HeaderDigest",        "None",          0,       AT(header_digest), 0},
	{"HeaderDigest",        "Reject",        0,       AT(header_digest), 0},
	{"HeaderDigest",        "Irrelevant",    0,       AT(header_digest), 0},
	{"HeaderDigest",        "NotUnderstood", -EPROTO, 0, 0, 0},
	{"HeaderDigest",        "MD5",           -EPROTO, 0, 0, 0},
	{"HeaderDigest",        "crc32c",        -EPROTO, 0, 0, 0},
	{"HeaderDigest",        "CRC32C,None",   -EPROTO, 0, 0, 0},
	{"HeaderDigest",        "",              -EPROTO, 0, 0, 0},
	{"DataDigest",          "CRC32C",        0,       AT(data_digest), 1},
	{"DataDigest",          "None",          0,       AT(data_digest), 0},
	/* declared, each side for itself: what we may send */
	{"MaxRecvDataSegmentLength", "512",      0,       AT(max_xmit_data_segment_length), 512},
	{"MaxRecvDataSegmentLength", "16777215", 0,       AT(max_xmit_data_segment_length), 16777215},
	{"MaxRecvDataSegmentLength", "0",        -EPROTO, 0, 0, 0},
	{"MaxRecvDataSegmentLength", "511",      -EPROTO, 0, 0, 0},
	{"MaxRecvDataSegmentLength", "16777216", -EPROTO, 0, 0, 0},
	{"MaxRecvDataSegmentLength", "Reject",   -EPROTO, 0, 0, 0},
	{"MaxRecvDataSegmentLength", "NotUnderstood", -EPROTO, 0, 0, 0},
	{"MaxRecvDataSegmentLength", "Irrelevant", 0,     AT(max_xmit_data_segment_length), 8192},
	{"TargetPortalGroupTag", "0",            0,       AT(target_portal_group_tag), 0},
	{"TargetPortalGroupTag", "65535",        0,       AT(target_portal_group_tag), 65535},
	{"TargetPortalGroupTag", "65536",        -EPROTO, 0, 0, 0},
	{"TargetPortalGroupTag", "-1",           -EPROTO, 0, 0, 0},
	/* not the target's to send */
	{"InitiatorName",       "iqn.x",         -EPROTO, 0, 0, 0},
	{"SessionType",         "Normal",        -EPROTO, 0, 0, 0},
	{"TargetName",          "iqn.x",         -EPROTO, 0, 0, 0},
	{"SendTargets",         "All",           -EPROTO, 0, 0, 0},
	{"InitiatorAlias",      "x",             -EPROTO, 0, 0, 0},
	{"InitiatorName",       "NotUnderstood", -EPROTO, 0, 0, 0},
	/* of the security stage */
	{"AuthMethod",          "None",          -EPROTO, 0, 0, 0},
	{"CHAP_A",              "5",             -EPROTO, 0, 0, 0},
	/* replies to what was not offered */
	{"TaskReporting",       "NotUnderstood", -EPROTO, 0, 0, 0},
	{"iSCSIProtocolLevel",  "Irrelevant",    -EPROTO, 0, 0, 0},
};
/* clang-format on */

static void every_rule_settles_every_kind_of_answer(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(answer_rows); i++) {
		const struct answer_row *row = &answer_rows[i];
		struct fixture f;
		uint32_t agreed = 0;

		begin(&f, &normal);
		if (receive_operational(&f, row->key, row->value) != row->result)
			fail_msg("%s=%s: expected %d", row->key, row->value, row->result);
		if (row->result < 0) {
			assert_true(strlen(f.negotiation.failure) > 10);
		} else {
			assert_int_equal(f.answers.length, 0);
			assert_int_equal(negotiation_conclude(&f.negotiation), 0);
			memcpy(&agreed, (uint8_t *)&f.negotiation.result + row->offset, row->size);
			if (agreed != row->agreed)
				fail_msg("%s=%s: agreed on %u", row->key, row->value, agreed);
		}
		finish(&f);
	}
}

static void unanswered_offers_have_the_defaults_of_the_standard(void **state)
{
	const struct negotiated *result;
	struct fixture f;

	begin(&f, &normal);
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	result = &f.negotiation.result;
	assert_false(result->header_digest || result->data_digest);
	assert_int_equal(result->max_recv_data_segment_length, 262144);
	assert_int_equal(result->max_xmit_data_segment_length, 8192);
	assert_int_equal(result->max_burst_length, 262144);
	assert_int_equal(result->first_burst_length, 65536);
	assert_int_equal(result->default_time2wait, 2);
	assert_int_equal(result->default_time2retain, 20);
	assert_int_equal(result->max_outstanding_r2t, 1);
	assert_int_equal(result->max_connections, 1);
	assert_int_equal(result->error_recovery_level, 0);
	assert_true(result->initial_r2t && result->immediate_data);
	assert_true(result->data_pdu_in_order && result->data_sequence_in_order);
	assert_int_equal(result->target_portal_group_tag, -1);
	assert_string_equal(result->target_alias, "");
	assert_string_equal(result->authentication, "None");
	finish(&f);
}

static void booleans_that_the_offer_decides_need_no_answer(void **state)
{
	struct login_settings settings = normal;
	static const char *const answers[] = {NULL, "Reject", "Irrelevant"};

	settings.initial_r2t = true;
	settings.immediate_data = false;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fixture f;

		begin(&f, &settings);
		if (answers[i]) {
			assert_int_equal(receive_operational(&f, "InitialR2T", answers[i]), 0);
			assert_int_equal(receive_operational(&f, "ImmediateData", answers[i]), 0);
		}
		assert_int_equal(negotiation_conclude(&f.negotiation), 0);
		assert_true(f.negotiation.result.initial_r2t);
		assert_false(f.negotiation.result.immediate_data);
		finish(&f);
	}
}

static void decided_booleans_cannot_be_undone(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.initial_r2t = true;
	settings.immediate_data = false;
	begin(&f, &settings);
	assert_int_equal(receive_operational(&f, "InitialR2T", "No"), -EPROTO);
	finish(&f);
	begin(&f, &settings);
	assert_int_equal(receive_operational(&f, "ImmediateData", "Yes"), -EPROTO);
	finish(&f);
}

static void a_key_comes_once(void **state)
{
	static const char *const once[][2] = {
		{"HeaderDigest", "None"},  {"MaxRecvDataSegmentLength", "8192"},
		{"MaxBurstLength", "512"}, {"TargetPortalGroupTag", "1"},
		{"TargetAlias", "x"},	   {"ImmediateData", "Reject"},
		{"IFMarker", "No"},	   {"TaskReporting", "RFC3720"},
	};
	struct fixture f;

	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		begin(&f, &normal);
		assert_int_equal(receive_operational(&f, once[i][0], once[i][1]), 0);
		assert_int_equal(receive_operational(&f, once[i][0], once[i][1]), -EPROTO);
		finish(&f);
	}
	begin(&f, &normal);
	assert_int_equal(receive_operational(&f, "TargetAddress", "10.0.0.1:3260"), 0);
	assert_int_equal(receive_operational(&f, "TargetAddress", "10.0.0.2:3260"), 0);
	assert_int_equal(f.answers.length, 0);
	finish(&f);
}

static void a_target_that_proposes_is_answered_by_rule(void **state)
{
	static const struct {
		const char *key, *value, *answer;
		bool owes;
	} rows[] = {
		{"MaxBurstLength", "4096", "4096", true},
		{"MaxBurstLength", "16777215", "1048576", true},
		{"MaxBurstLength", "511", "Reject", true},
		{"MaxBurstLength", "512~1024", "Reject", true},
		{"DefaultTime2Wait", "1", "5", true},
		{"DefaultTime2Wait", "30", "30", true},
		{"InitialR2T", "Yes", "Yes", true},
		{"InitialR2T", "No", "No", true},
		{"InitialR2T", "Maybe", "Reject", true},
		{"ImmediateData", "Yes", "Yes", true},
		{"ImmediateData", "No", "No", true},
		{"HeaderDigest", "None,CRC32C", "None", true},
		{"HeaderDigest", "X-md5,CRC32C", "CRC32C", true},
		{"HeaderDigest", "X-md5", "Reject", true},
		{"TaskReporting", "FastAbort,RFC3720", "RFC3720", true},
		{"TaskReporting", "FastAbort", "Reject", true},
		{"iSCSIProtocolLevel", "2", "1", true},
		{"IFMarker", "Yes", "Reject", false},
		{"OFMarker", "No", "Reject", false},
		{"IFMarkInt", "2048~8192", "Reject", false},
		{"OFMarkInt", "2048~8192", "Reject", false},
		{"X-com.example.foo", "1", "NotUnderstood", false},
		{"RDMAExtensions", "Yes", "NotUnderstood", false},
		{"headerdigest", "CRC32C", "NotUnderstood", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f = {};
		char want[128];
		int length = snprintf(want, sizeof(want), "%s=%s", rows[i].key, rows[i].answer) + 1;

		/* nothing was offered yet */
		text_keys_init(&f.answers, 8192);
		negotiation_init(&f.negotiation, &normal);
		assert_int_equal(receive_operational(&f, rows[i].key, rows[i].value), 0);
		assert_text(&f.answers, want, (size_t)length);
		assert_int_equal(f.negotiation.owes_answer, rows[i].owes);
		finish(&f);
	}
}

static void a_proposal_that_was_answered_counts(void **state)
{
	struct fixture f = {};

	text_keys_init(&f.answers, 8192);
	negotiation_init(&f.negotiation, &normal);
	assert_int_equal(receive_operational(&f, "MaxBurstLength", "4096"), 0);
	assert_int_equal(receive_operational(&f, "HeaderDigest", "CRC32C"), 0);
	assert_int_equal(receive_operational(&f, "ImmediateData", "No"), 0);
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	assert_int_equal(f.negotiation.result.max_burst_length, 4096);
	assert_int_equal(f.negotiation.result.first_burst_length, 4096);
	assert_true(f.negotiation.result.header_digest);
	assert_false(f.negotiation.result.immediate_data);
	finish(&f);
}

static void keys_without_meaning_in_discovery_are_irrelevant(void **state)
{
	struct login_settings settings = discovery_settings();
	static const char *const keys[][2] = {
		{"MaxBurstLength", "4096"}, {"InitialR2T", "Yes"},
		{"ImmediateData", "No"},    {"MaxConnections", "4"},
		{"MaxOutstandingR2T", "1"}, {"TaskReporting", "RFC3720"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct fixture f;
		char want[64];
		int length = snprintf(want, sizeof(want), "%s=Irrelevant", keys[i][0]) + 1;

		begin(&f, &settings);
		assert_int_equal(receive_operational(&f, keys[i][0], keys[i][1]), 0);
		assert_text(&f.answers, want, (size_t)length);
		assert_false(f.negotiation.owes_answer);
		finish(&f);
	}
}

static void discovery_lives_with_targets_that_do_not_know_keys(void **state)
{
	struct login_settings settings = discovery_settings();
	static const char *const keys[] = {"DefaultTime2Wait", "DefaultTime2Retain",
					   "ErrorRecoveryLevel", "HeaderDigest",
					   "MaxRecvDataSegmentLength"};
	struct fixture f;

	begin(&f, &settings);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(receive_operational(&f, keys[i], "NotUnderstood"), 0);
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	finish(&f);
}

static void a_digest_that_must_be_is_not_given_up(void **state)
{
	struct login_settings settings = normal;
	static const char *const answers[] = {NULL, "Reject", "Irrelevant"};

	settings.header_digest = DIGEST_CRC32C;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fixture f;

		begin(&f, &settings);
		if (answers[i])
			assert_int_equal(receive_operational(&f, "HeaderDigest", answers[i]), 0);
		assert_int_equal(negotiation_conclude(&f.negotiation), -EPROTO);
		assert_non_null(strstr(f.negotiation.failure, "HeaderDigest"));
		finish(&f);
	}
}

static void another_way_to_authenticate_is_refused(void **state)
{
	static const struct {
		bool chap;
		const char *answer;
	} rows[] = {{true, "None"}, {true, "Reject"}, {true, "SRP"},	{true, "NotUnderstood"},
		    {true, ""},	    {false, "CHAP"},  {false, "Reject"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct login_settings settings = normal;
		struct fixture f;

		settings.authenticate = rows[i].chap;
		begin(&f, &settings);
		assert_int_equal(receive(&f, LOGIN_STAGE_SECURITY, "AuthMethod", rows[i].answer),
				 -EACCES);
		finish(&f);
	}
}

static void operational_keys_stay_out_of_the_security_stage(void **state)
{
	size_t count;
	const struct negotiation_key *keys = negotiation_keys(&count);

	for (size_t i = 0; i < count; i++) {
		struct fixture f;

		if (keys[i].flags & KEY_IN_SECURITY)
			continue;
		begin(&f, &normal);
		assert_int_equal(receive(&f, LOGIN_STAGE_SECURITY, keys[i].name, "1"), -EPROTO);
		finish(&f);
	}
}

static void keys_of_the_method_are_left_to_it(void **state)
{
	static const char *const keys[] = {"CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R"};
	struct fixture f;

	begin(&f, &normal);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(receive(&f, LOGIN_STAGE_SECURITY, keys[i], "x"), 1);
	finish(&f);
}

static void what_we_send_is_capped_by_the_settings(void **state)
{
	struct login_settings settings = normal;
	struct fixture f;

	settings.max_xmit_data_segment_length = 65536;
	begin(&f, &settings);
	assert_int_equal(receive_operational(&f, "MaxRecvDataSegmentLength", "262144"), 0);
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	assert_int_equal(f.negotiation.result.max_xmit_data_segment_length, 65536);
	finish(&f);

	begin(&f, &settings);
	assert_int_equal(receive_operational(&f, "MaxRecvDataSegmentLength", "4096"), 0);
	assert_int_equal(negotiation_conclude(&f.negotiation), 0);
	assert_int_equal(f.negotiation.result.max_xmit_data_segment_length, 4096);
	finish(&f);
}

static void an_alias_is_made_safe_to_show(void **state)
{
	struct fixture f;
	char alias[257];

	begin(&f, &normal);
	assert_int_equal(receive_operational(&f, "TargetAlias", "disk\x1b[31m \xc3\xa9\xff"), 0);
	assert_string_equal(f.negotiation.result.target_alias, "disk?[31m \xc3\xa9?");
	finish(&f);

	memset(alias, 'a', 256);
	alias[256] = '\0';
	begin(&f, &normal);
	assert_int_equal(receive_operational(&f, "TargetAlias", alias), -EPROTO);
	finish(&f);
	alias[255] = '\0';
	begin(&f, &normal);
	assert_int_equal(receive_operational(&f, "TargetAlias", alias), 0);
	assert_string_equal(f.negotiation.result.target_alias, alias);
	finish(&f);
}

static void a_harmless_declaration_may_be_not_understood(void **state)
{
	struct fixture f;

	begin(&f, &normal);
	assert_int_equal(receive_operational(&f, "InitiatorAlias", "NotUnderstood"), 0);
	assert_int_equal(receive_operational(&f, "X-com.example.foo", "NotUnderstood"), 0);
	assert_int_equal(receive_operational(&f, "X#NodeArchitecture", "Amiga"), 0);
	assert_int_equal(f.answers.length, 0);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_normal_session_offers_every_operational_key_once),
		cmocka_unit_test(a_discovery_session_offers_what_matters_there),
		cmocka_unit_test(an_added_connection_offers_nothing_of_the_session),
		cmocka_unit_test(chap_is_offered_alone),
		cmocka_unit_test(offers_are_brought_into_range_and_agree_with_each_other),
		cmocka_unit_test(segments_come_to_us_in_whole_words),
		cmocka_unit_test(every_rule_settles_every_kind_of_answer),
		cmocka_unit_test(unanswered_offers_have_the_defaults_of_the_standard),
		cmocka_unit_test(booleans_that_the_offer_decides_need_no_answer),
		cmocka_unit_test(decided_booleans_cannot_be_undone),
		cmocka_unit_test(a_key_comes_once),
		cmocka_unit_test(a_target_that_proposes_is_answered_by_rule),
		cmocka_unit_test(a_proposal_that_was_answered_counts),
		cmocka_unit_test(keys_without_meaning_in_discovery_are_irrelevant),
		cmocka_unit_test(discovery_lives_with_targets_that_do_not_know_keys),
		cmocka_unit_test(a_digest_that_must_be_is_not_given_up),
		cmocka_unit_test(another_way_to_authenticate_is_refused),
		cmocka_unit_test(operational_keys_stay_out_of_the_security_stage),
		cmocka_unit_test(keys_of_the_method_are_left_to_it),
		cmocka_unit_test(what_we_send_is_capped_by_the_settings),
		cmocka_unit_test(an_alias_is_made_safe_to_show),
		cmocka_unit_test(a_harmless_declaration_may_be_not_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
