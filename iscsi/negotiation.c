/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/negotiation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

#define SEGMENT_MIN 512u
#define SEGMENT_MAX 16777215u

/* a field of the same name in both structs */
#define BOTH(name) \
	{ \
		offsetof(struct login_settings, name), offsetof(struct negotiated, name), \
			sizeof(((struct negotiated *)0)->name) \
	}
/* a field that only the target fills */
#define THEIRS(name) \
	{ \
		0, offsetof(struct negotiated, name), sizeof(((struct negotiated *)0)->name) \
	}

#define OFFER	(KEY_BY_BOTH | KEY_IN_OPERATIONAL | KEY_OFFERED)
#define LEADING (OFFER | KEY_LEADING_ONLY)
#define NORMAL	(LEADING | KEY_NORMAL_ONLY)
#define NOT_OFFERED \
	(KEY_BY_BOTH | KEY_IN_OPERATIONAL | KEY_LEADING_ONLY | KEY_NORMAL_ONLY | KEY_OPTIONAL)
#define ON_REQUEST (NOT_OFFERED | KEY_ON_REQUEST)
#define OBSOLETE   (KEY_BY_BOTH | KEY_IN_OPERATIONAL | KEY_OPTIONAL)
#define SECURITY   (KEY_BY_BOTH | KEY_IN_SECURITY)
#define SENT_ONLY  (KEY_BY_INITIATOR | KEY_IN_ANY_STAGE)

/* clang-format off */
/*
 * The order is that of our offer; MaxBurstLength comes before FirstBurstLength because some targets
 * judge in order of arrival. MaxRecvDataSegmentLength is declared by each side for itself: what
 * arrives is what we may send.
 */
static const struct negotiation_key keys[] = {
	/* name                        rule                flags    default min          max          field */
	{"AuthMethod",                 KEY_LIST,           SECURITY | KEY_OFFERED, 0, 0, 0, {}},
	{"HeaderDigest",               KEY_LIST,           OFFER,   0,      0,           0,           {}},
	{"DataDigest",                 KEY_LIST,           OFFER,   0,      0,           0,           {}},
	{"MaxRecvDataSegmentLength",   KEY_NUMBER,         OFFER,   8192,   SEGMENT_MIN, SEGMENT_MAX,
		{offsetof(struct login_settings, max_recv_data_segment_length),
		 offsetof(struct negotiated, max_xmit_data_segment_length), 4}},
	{"InitialR2T",                 KEY_OR,             NORMAL,  1,      0,           1,           BOTH(initial_r2t)},
	{"ImmediateData",              KEY_AND,            NORMAL,  1,      0,           1,           BOTH(immediate_data)},
	{"MaxBurstLength",             KEY_MINIMUM,        NORMAL,  262144, SEGMENT_MIN, SEGMENT_MAX, BOTH(max_burst_length)},
	{"FirstBurstLength",           KEY_MINIMUM,        NORMAL,  65536,  SEGMENT_MIN, SEGMENT_MAX, BOTH(first_burst_length)},
	{"DefaultTime2Wait",           KEY_MAXIMUM,        LEADING, 2,      0,           3600,        BOTH(default_time2wait)},
	{"DefaultTime2Retain",         KEY_MINIMUM,        LEADING, 20,     0,           3600,        BOTH(default_time2retain)},
	{"MaxOutstandingR2T",          KEY_MINIMUM,        NORMAL,  1,      1,           65535,       BOTH(max_outstanding_r2t)},
	{"MaxConnections",             KEY_MINIMUM,        NORMAL,  1,      1,           65535,       BOTH(max_connections)},
	{"DataPDUInOrder",             KEY_OR,             NORMAL,  1,      0,           1,           BOTH(data_pdu_in_order)},
	{"DataSequenceInOrder",        KEY_OR,             NORMAL,  1,      0,           1,           BOTH(data_sequence_in_order)},
	{"ErrorRecoveryLevel",         KEY_MINIMUM,        LEADING, 0,      0,           2,           BOTH(error_recovery_level)},

	{"TaskReporting",              KEY_LIST,           ON_REQUEST, 0,   0,           0,           {}},
	{"iSCSIProtocolLevel",         KEY_MINIMUM,        ON_REQUEST, 1,   0,           31,          BOTH(protocol_level)},
	{"X#NodeArchitecture",         KEY_TEXT,           KEY_BY_BOTH | KEY_IN_OPERATIONAL, 0, 0, 0, {}},
	{"TargetAlias",                KEY_TEXT,           KEY_BY_TARGET | KEY_IN_ANY_STAGE, 0, 0, 0, THEIRS(target_alias)},
	{"TargetAddress",              KEY_TEXT,           KEY_BY_TARGET | KEY_IN_ANY_STAGE | KEY_REPEATABLE, 0, 0, 0, {}},
	{"TargetPortalGroupTag",       KEY_NUMBER,         KEY_BY_TARGET | KEY_IN_ANY_STAGE, 0, 0, 65535, THEIRS(target_portal_group_tag)},
	{"InitiatorName",              KEY_TEXT,           SENT_ONLY, 0,    0,           0,           {}},
	{"InitiatorAlias",             KEY_TEXT,           SENT_ONLY | KEY_OPTIONAL, 0, 0, 0,         {}},
	{"TargetName",                 KEY_TEXT,           SENT_ONLY, 0,    0,           0,           {}},
	{"SessionType",                KEY_TEXT,           SENT_ONLY, 0,    0,           0,           {}},
	{"SendTargets",                KEY_TEXT,           KEY_BY_INITIATOR, 0, 0,       0,           {}},

	{"CHAP_A",                     KEY_AUTHENTICATION, SECURITY, 0,     0,           0,           {}},
	{"CHAP_I",                     KEY_AUTHENTICATION, SECURITY, 0,     0,           0,           {}},
	{"CHAP_C",                     KEY_AUTHENTICATION, SECURITY, 0,     0,           0,           {}},
	{"CHAP_N",                     KEY_AUTHENTICATION, SECURITY, 0,     0,           0,           {}},
	{"CHAP_R",                     KEY_AUTHENTICATION, SECURITY, 0,     0,           0,           {}},

	{"IFMarker",                   KEY_OBSOLETE,       OBSOLETE, 0,     0,           0,           {}},
	{"OFMarker",                   KEY_OBSOLETE,       OBSOLETE, 0,     0,           0,           {}},
	{"IFMarkInt",                  KEY_OBSOLETE,       OBSOLETE, 0,     0,           0,           {}},
	{"OFMarkInt",                  KEY_OBSOLETE,       OBSOLETE, 0,     0,           0,           {}},
};

static const char *const digest_lists[] = {
	[DIGEST_NONE]        = "None",
	[DIGEST_CRC32C]      = "CRC32C",
	[DIGEST_CRC32C_NONE] = "CRC32C,None",
	[DIGEST_NONE_CRC32C] = "None,CRC32C",
};
/* RFC3720 and ResponseFence are offered whenever the key is (§13.23). */
static const char *const task_reporting_lists[TASK_REPORTING_COUNT] = {
	[TASK_REPORTING_RFC3720]        = "RFC3720",
	[TASK_REPORTING_RESPONSE_FENCE] = "ResponseFence,RFC3720",
	[TASK_REPORTING_FAST_ABORT]     = "FastAbort,ResponseFence,RFC3720",
};
/* clang-format on */

static_assert(ARRAY_SIZE(keys) <= NEGOTIATION_KEYS_MAX, "one bit and one value per key");

const struct negotiation_key *negotiation_keys(size_t *count)
{
	*count = ARRAY_SIZE(keys);
	return keys;
}

static uint64_t bit(size_t row)
{
	return UINT64_C(1) << row;
}

static size_t row_of(const char *name)
{
	size_t row = 0;

	while (strcmp(keys[row].name, name) != 0)
		row++;
	return row;
}

static uint32_t field_get(const void *object, size_t offset, size_t size)
{
	uint32_t value = 0;

	/* little endian, as bytes.h asserts: the low bytes come first */
	memcpy(&value, (const uint8_t *)object + offset, size);
	return value;
}

static void field_set(void *object, size_t offset, size_t size, uint32_t value)
{
	memcpy((uint8_t *)object + offset, &value, size);
}

static uint32_t clamp(uint32_t value, uint32_t minimum, uint32_t maximum)
{
	return value < minimum ? minimum : value > maximum ? maximum : value;
}

/* Is @row a matter of this kind of session at all? */
static bool applies(const struct negotiation *negotiation, const struct negotiation_key *key)
{
	return !(negotiation->discovery && (key->flags & KEY_NORMAL_ONLY)) &&
	       !(!negotiation->leading && (key->flags & KEY_LEADING_ONLY));
}

/* Rules between keys that our own offer must keep (RFC 7143 §13.14, §13.17, §13.20). */
static void make_offer_consistent(struct negotiation *negotiation)
{
	uint32_t *ours = negotiation->ours;
	size_t first = row_of("FirstBurstLength"), level = row_of("ErrorRecoveryLevel");

	ours[first] = MIN(ours[first], ours[row_of("MaxBurstLength")]);
	/* data should come in whole words (§11.7.7), and tgt spoils it when it does not */
	ours[row_of("MaxRecvDataSegmentLength")] &= ~3u;
	if (negotiation->discovery)
		ours[level] = 0;
	if (ours[level] > 0 && ours[row_of("DataSequenceInOrder")])
		ours[row_of("MaxOutstandingR2T")] = 1;
}

/* What is offered beyond what every target knows. */
static void take_requests(struct negotiation *negotiation, const struct login_settings *settings)
{
	size_t level = row_of("iSCSIProtocolLevel"), reporting = row_of("TaskReporting");

	if (settings->protocol_level > keys[level].standard) {
		negotiation->requested |= bit(level);
		negotiation->ours[level] =
			MIN((uint32_t)settings->protocol_level, (uint32_t)ISCSI_PROTOCOL_LEVEL);
	}
	if (settings->task_reporting != TASK_REPORTING_RFC3720)
		negotiation->requested |= bit(reporting);
	negotiation->lists[reporting] = task_reporting_lists[settings->task_reporting];
}

void negotiation_init(struct negotiation *negotiation, const struct login_settings *settings)
{
	*negotiation = (struct negotiation){
		.discovery = settings->discovery,
		.leading = settings->tsih == 0,
		.max_xmit_cap = settings->max_xmit_data_segment_length,
		.result.target_portal_group_tag = -1,
	};
	for (size_t row = 0; row < ARRAY_SIZE(keys); row++) {
		const struct negotiation_key *key = &keys[row];
		uint32_t value = key->standard;

		if (key->field.size > 0 && (key->flags & KEY_OFFERED))
			value = field_get(settings, key->field.settings_offset, key->field.size);
		negotiation->ours[row] = clamp(value, key->minimum, key->maximum);
	}
	make_offer_consistent(negotiation);

	negotiation->lists[row_of("AuthMethod")] = settings->authenticate ? "CHAP" : "None";
	/* some targets pick CRC32C for discovery and then cannot do it */
	negotiation->lists[row_of("HeaderDigest")] =
		digest_lists[settings->discovery ? DIGEST_NONE : settings->header_digest];
	negotiation->lists[row_of("DataDigest")] =
		digest_lists[settings->discovery ? DIGEST_NONE : settings->data_digest];
	take_requests(negotiation, settings);
}

static void offer(struct negotiation *negotiation, size_t row, struct text_keys *out)
{
	const struct negotiation_key *key = &keys[row];

	switch (key->rule) {
	case KEY_LIST:
		text_keys_add(out, key->name, negotiation->lists[row]);
		break;
	case KEY_OR:
	case KEY_AND:
		text_keys_add(out, key->name, negotiation->ours[row] ? "Yes" : "No");
		break;
	default:
		text_keys_add_number(out, key->name, negotiation->ours[row]);
		break;
	}
	negotiation->offered |= bit(row);
}

static unsigned stage_flag(enum login_stage stage)
{
	return stage == LOGIN_STAGE_SECURITY ? KEY_IN_SECURITY : KEY_IN_OPERATIONAL;
}

void negotiation_offer(struct negotiation *negotiation, enum login_stage stage,
		       struct text_keys *out)
{
	for (size_t row = 0; row < ARRAY_SIZE(keys); row++) {
		bool ours = (keys[row].flags & KEY_OFFERED) || (negotiation->requested & bit(row));

		if (ours && (keys[row].flags & stage_flag(stage)) &&
		    applies(negotiation, &keys[row]))
			offer(negotiation, row, out);
	}
}

/* "the target <what> <key>=<value>" as the failure; gives @error */
static int refuse(struct negotiation *negotiation, int error, const char *what,
		  const struct text_pair *pair)
{
	char key[40], value[40];

	text_sanitise(key, sizeof(key), pair->key.at, pair->key.length);
	text_sanitise(value, sizeof(value), pair->value.at, pair->value.length);
	snprintf(negotiation->failure, sizeof(negotiation->failure), "the target %s %s=%s", what,
		 key, value);
	return error;
}

static bool is_reserved(struct text_span value)
{
	return text_span_is(value, "Reject") || text_span_is(value, "Irrelevant") ||
	       text_span_is(value, "NotUnderstood");
}

/* A value as a number in the row's range: booleans are 0 and 1. */
static int read_value(const struct negotiation_key *key, struct text_span text, uint32_t *ret)
{
	uint64_t number;
	int r;

	if (key->rule == KEY_OR || key->rule == KEY_AND) {
		*ret = text_span_is(text, "Yes");
		return *ret || text_span_is(text, "No") ? 0 : -EINVAL;
	}
	r = text_span_number(text, &number);
	if (r < 0)
		return r;
	if (number < key->minimum || number > key->maximum)
		return -ERANGE;
	*ret = (uint32_t)number;
	return 0;
}

/* The result of one side's value and the other's; it does not matter whose is whose. */
static uint32_t combine(enum key_rule rule, uint32_t a, uint32_t b)
{
	switch (rule) {
	case KEY_MINIMUM:
		return MIN(a, b);
	case KEY_MAXIMUM:
		return MAX(a, b);
	case KEY_OR:
		return a | b;
	case KEY_AND:
		return a & b;
	default:
		return b;
	}
}

/* The first of the target's list that is in ours, as a pointer into ours. */
static struct text_span choose(const char *ours, struct text_span theirs)
{
	struct text_span item, mine;

	while (text_list_next(&theirs, &item)) {
		struct text_span list = text_span_of(ours);

		while (text_list_next(&list, &mine)) {
			if (mine.length == item.length &&
			    memcmp(mine.at, item.at, item.length) == 0)
				return mine;
		}
	}
	return (struct text_span){};
}

/*
 * A value that no offer allows is one that the rule would not give for any choice of the target:
 * combining it with our offer changes it.
 */
static int settle_answer(struct negotiation *negotiation, size_t row, const struct text_pair *pair)
{
	const struct negotiation_key *key = &keys[row];
	uint32_t value;

	if (key->rule == KEY_LIST) {
		if (!text_list_contains(text_span_of(negotiation->lists[row]), pair->value))
			return refuse(negotiation, row == row_of("AuthMethod") ? -EACCES : -EPROTO,
				      "chose what was not offered:", pair);
		negotiation->chosen[row] = choose(negotiation->lists[row], pair->value);
		negotiation->settled |= bit(row);
		return 0;
	}

	if (read_value(key, pair->value, &value) < 0)
		return refuse(negotiation, -EPROTO, "gave a value out of range:", pair);
	if (combine(key->rule, negotiation->ours[row], value) != value)
		return refuse(negotiation, -EPROTO, "went beyond the offer with", pair);
	negotiation->agreed[row] = value;
	negotiation->settled |= bit(row);
	return 0;
}

/*
 * Reject and Irrelevant leave a key at its default. NotUnderstood breaks the rules for the keys of
 * RFC 7143 (§6.2), but targets say it of what does not matter in a discovery session.
 */
static int settle_reserved(struct negotiation *negotiation, size_t row,
			   const struct text_pair *pair)
{
	const struct negotiation_key *key = &keys[row];

	if (row == row_of("AuthMethod"))
		return refuse(negotiation, -EACCES,
			      "does not accept our way to authenticate:", pair);
	if (text_span_is(pair->value, "NotUnderstood") && !negotiation->discovery &&
	    !(key->flags & KEY_OPTIONAL))
		return refuse(negotiation, -EPROTO, "must know every standard key but said", pair);
	if (key->rule == KEY_NUMBER && text_span_is(pair->value, "Reject"))
		return refuse(negotiation, -EPROTO, "refused a declaration:", pair);
	return 0;
}

static void answer_list(struct negotiation *negotiation, size_t row, const struct text_pair *pair,
			struct text_keys *answers)
{
	struct text_span mine = choose(negotiation->lists[row], pair->value);
	char value[32] = "Reject";

	if (mine.length > 0) {
		assert(mine.length < sizeof(value));
		memcpy(value, mine.at, mine.length);
		value[mine.length] = '\0';
		negotiation->chosen[row] = mine;
		negotiation->settled |= bit(row);
	}
	text_keys_add(answers, keys[row].name, value);
}

static void answer_value(struct negotiation *negotiation, size_t row, const struct text_pair *pair,
			 struct text_keys *answers)
{
	const struct negotiation_key *key = &keys[row];
	uint32_t value;

	if (read_value(key, pair->value, &value) < 0) {
		text_keys_add(answers, key->name, "Reject");
		return;
	}
	value = combine(key->rule, negotiation->ours[row], value);
	negotiation->agreed[row] = value;
	negotiation->settled |= bit(row);
	if (key->rule == KEY_OR || key->rule == KEY_AND)
		text_keys_add(answers, key->name, value ? "Yes" : "No");
	else
		text_keys_add_number(answers, key->name, value);
}

/* The target proposes a key that we did not. */
static int answer_proposal(struct negotiation *negotiation, size_t row,
			   const struct text_pair *pair, struct text_keys *answers)
{
	const struct negotiation_key *key = &keys[row];

	if (is_reserved(pair->value))
		return refuse(negotiation, -EPROTO, "answered what was not offered:", pair);

	if (key->rule == KEY_OBSOLETE) {
		text_keys_add(answers, key->name, "Reject");
		return 0;
	}
	if (!applies(negotiation, key)) {
		text_keys_add(answers, key->name, "Irrelevant");
		return 0;
	}
	negotiation->owes_answer = true;
	if (key->rule == KEY_LIST)
		answer_list(negotiation, row, pair, answers);
	else
		answer_value(negotiation, row, pair, answers);
	return 0;
}

static int take_declaration(struct negotiation *negotiation, size_t row,
			    const struct text_pair *pair)
{
	const struct negotiation_key *key = &keys[row];

	if (key->rule == KEY_NUMBER)
		return settle_answer(negotiation, row, pair);
	if (key->field.size > 0)
		text_sanitise((char *)&negotiation->result + key->field.negotiated_offset,
			      key->field.size, pair->value.at, pair->value.length);
	return 0;
}

static int receive_known(struct negotiation *negotiation, size_t row, const struct text_pair *pair,
			 struct text_keys *answers)
{
	const struct negotiation_key *key = &keys[row];
	bool declared = key->rule == KEY_NUMBER || key->rule == KEY_TEXT;

	if (declared && is_reserved(pair->value))
		return settle_reserved(negotiation, row, pair);
	if (!(key->flags & KEY_BY_TARGET))
		return refuse(negotiation, -EPROTO, "sent a key that is not its own:", pair);
	if (declared)
		return take_declaration(negotiation, row, pair);
	if (!(negotiation->offered & bit(row)))
		return answer_proposal(negotiation, row, pair, answers);
	if (is_reserved(pair->value))
		return settle_reserved(negotiation, row, pair);
	return settle_answer(negotiation, row, pair);
}

int negotiation_receive(struct negotiation *negotiation, enum login_stage stage,
			const struct text_pair *pair, struct text_keys *answers)
{
	for (size_t row = 0; row < ARRAY_SIZE(keys); row++) {
		const struct negotiation_key *key = &keys[row];

		if (!text_span_is(pair->key, key->name))
			continue;
		if (!(key->flags & stage_flag(stage)))
			return refuse(negotiation, -EPROTO, "sent a key of another stage:", pair);
		if (key->rule == KEY_AUTHENTICATION)
			return 1;
		if (pair->value.length > TEXT_VALUE_MAX)
			return refuse(negotiation, -EPROTO, "sent too long a value:", pair);
		if ((negotiation->seen & bit(row)) && !(key->flags & KEY_REPEATABLE))
			return refuse(negotiation, -EPROTO, "sent a key twice:", pair);
		negotiation->seen |= bit(row);
		return receive_known(negotiation, row, pair, answers);
	}

	if (!is_reserved(pair->value))
		text_keys_add_answer(answers, pair->key, "NotUnderstood");
	return 0;
}

const char *negotiation_authentication(const struct negotiation *negotiation)
{
	return negotiation->settled & bit(row_of("AuthMethod"))
		       ? negotiation->lists[row_of("AuthMethod")]
		       : NULL;
}

int32_t negotiation_portal_group(const struct negotiation *negotiation)
{
	size_t row = row_of("TargetPortalGroupTag");

	return negotiation->settled & bit(row) ? (int32_t)negotiation->agreed[row] : -1;
}

/*
 * A boolean that our own offer decided needs no answer (§6.2.2), and no other answer can undo it;
 * anything else that was not settled is as if it had not been spoken of.
 */
static uint32_t outcome(const struct negotiation *negotiation, size_t row)
{
	const struct negotiation_key *key = &keys[row];
	uint32_t ours = negotiation->ours[row];

	if (negotiation->settled & bit(row))
		return negotiation->agreed[row];
	if ((negotiation->offered & bit(row)) &&
	    ((key->rule == KEY_OR && ours) || (key->rule == KEY_AND && !ours)))
		return ours;
	return key->standard;
}

static int conclude_digest(struct negotiation *negotiation, size_t row, bool *digest)
{
	if (negotiation->settled & bit(row)) {
		*digest = text_span_is(negotiation->chosen[row], "CRC32C");
		return 0;
	}
	*digest = false;
	if (text_list_contains(text_span_of(negotiation->lists[row]), text_span_of("None")))
		return 0;
	snprintf(negotiation->failure, sizeof(negotiation->failure),
		 "the target did not agree to %s=%s", keys[row].name, negotiation->lists[row]);
	return -EPROTO;
}

static enum task_reporting conclude_task_reporting(const struct negotiation *negotiation)
{
	size_t row = row_of("TaskReporting");

	for (int i = 0; i < TASK_REPORTING_COUNT; i++)
		if ((negotiation->settled & bit(row)) &&
		    text_span_is(negotiation->chosen[row],
				 task_reporting_name((enum task_reporting)i)))
			return (enum task_reporting)i;
	return TASK_REPORTING_RFC3720;
}

int negotiation_conclude(struct negotiation *negotiation)
{
	struct negotiated *result = &negotiation->result;
	const char *method = negotiation_authentication(negotiation);
	int r;

	for (size_t row = 0; row < ARRAY_SIZE(keys); row++) {
		const struct key_field *field = &keys[row].field;
		bool told = negotiation->settled & bit(row);

		/* a declaration without a default stays untold */
		if (field->size == 0 || keys[row].rule == KEY_TEXT ||
		    (!told && !(keys[row].flags & (KEY_OFFERED | KEY_ON_REQUEST))))
			continue;
		field_set(result, field->negotiated_offset, field->size, outcome(negotiation, row));
	}

	r = conclude_digest(negotiation, row_of("HeaderDigest"), &result->header_digest);
	if (r < 0)
		return r;
	r = conclude_digest(negotiation, row_of("DataDigest"), &result->data_digest);
	if (r < 0)
		return r;

	result->task_reporting = conclude_task_reporting(negotiation);
	result->max_xmit_cap = negotiation->max_xmit_cap;
	result->max_recv_data_segment_length =
		negotiation->ours[row_of("MaxRecvDataSegmentLength")];
	if (negotiation->max_xmit_cap > 0)
		result->max_xmit_data_segment_length =
			MIN(result->max_xmit_data_segment_length,
			    MAX(negotiation->max_xmit_cap, SEGMENT_MIN));
	/* a target may answer a smaller MaxBurstLength than the FirstBurstLength we offered
	 * (§13.14) */
	result->first_burst_length = MIN(result->first_burst_length, result->max_burst_length);
	text_copy(result->authentication, sizeof(result->authentication), method ? method : "None");
	return 0;
}
