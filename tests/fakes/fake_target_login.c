/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Login and text of the fake target (RFC 7143 §6, §11.10 to §11.13, §12, §13). */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "iscsi/chap.h"
#include "iscsi/text_keys.h"
#include "tests/fakes/fake_target_private.h"
#include "util/cleanup.h"
#include "util/text.h"

const char *fake_text_find(const void *text, size_t length, const char *key)
{
	const char *at = text, *end = at + length;
	size_t name = strlen(key);

	while (at < end) {
		size_t left = strnlen(at, (size_t)(end - at));

		if (left > name && strncmp(at, key, name) == 0 && at[name] == '=')
			return at + name + 1;
		at += left + 1;
	}
	return NULL;
}

const char *fake_target_key(const struct fake_pdu *pdu, const char *key)
{
	return pdu->data ? fake_text_find(pdu->data, pdu->length, key) : NULL;
}

static void say(struct fake_connection *connection, const char *key, const char *value)
{
	fake_buffer_add(&connection->answer, key, strlen(key));
	fake_buffer_add(&connection->answer, "=", 1);
	fake_buffer_add(&connection->answer, value, strlen(value) + 1);
}

static const char *heard(struct fake_connection *connection, const char *key)
{
	return fake_text_find(connection->text.bytes, connection->text.length, key);
}

/* --- operational keys --- */

enum rule { MINIMUM, MAXIMUM, OR, AND, LIST, DECLARED, QUIET };

static const struct key {
	const char *name;
	enum rule rule;
	const char *wanted; /* unless the script says otherwise */
} keys[] = {
	{"HeaderDigest", LIST, "CRC32C,None"},
	{"DataDigest", LIST, "CRC32C,None"},
	{"MaxRecvDataSegmentLength", DECLARED, "262144"},
	{"MaxBurstLength", MINIMUM, "16776192"},
	{"FirstBurstLength", MINIMUM, "262144"},
	{"InitialR2T", OR, "No"},
	{"ImmediateData", AND, "Yes"},
	{"DefaultTime2Wait", MAXIMUM, "2"},
	{"DefaultTime2Retain", MINIMUM, "20"},
	{"MaxOutstandingR2T", MINIMUM, "8"},
	{"MaxConnections", MINIMUM, "1"},
	{"DataPDUInOrder", OR, "Yes"},
	{"DataSequenceInOrder", OR, "Yes"},
	{"ErrorRecoveryLevel", MINIMUM, "0"},
	{"TaskReporting", LIST, "RFC3720"},
	{"iSCSIProtocolLevel", MINIMUM, "1"},
	{"IFMarker", AND, "No"},
	{"OFMarker", AND, "No"},
	{"InitiatorName", QUIET, NULL},
	{"InitiatorAlias", QUIET, NULL},
	{"TargetName", QUIET, NULL},
	{"SessionType", QUIET, NULL},
	{"AuthMethod", QUIET, NULL},
	{"CHAP_A", QUIET, NULL},
	{"CHAP_I", QUIET, NULL},
	{"CHAP_C", QUIET, NULL},
	{"CHAP_N", QUIET, NULL},
	{"CHAP_R", QUIET, NULL},
};

static const char *wanted(struct fake_connection *connection, const struct key *key)
{
	const struct fake_settings *settings = &connection->target->settings;

	for (size_t i = 0; i < settings->key_count; i++)
		if (strcmp(settings->keys[i].key, key->name) == 0)
			return settings->keys[i].value;
	return key->wanted;
}

static const char *settle_list(const char *offered, const char *ours, char *result, size_t size)
{
	struct text_span list = text_span_of(offered), value;

	while (text_list_next(&list, &value)) {
		if (!text_list_contains(text_span_of(ours), value))
			continue;
		snprintf(result, size, "%.*s", (int)value.length, value.at);
		return result;
	}
	return "Reject";
}

static const char *settle(const struct key *key, const char *offered, const char *ours,
			  char *result, size_t size)
{
	unsigned long long theirs = strtoull(offered, NULL, 0), own = strtoull(ours, NULL, 0);
	bool yes = strcmp(offered, "Yes") == 0, own_yes = strcmp(ours, "Yes") == 0;

	switch (key->rule) {
	case LIST:
		return settle_list(offered, ours, result, size);
	case OR:
		return yes || own_yes ? "Yes" : "No";
	case AND:
		return yes && own_yes ? "Yes" : "No";
	case MAXIMUM:
		snprintf(result, size, "%llu", MAX(theirs, own));
		return result;
	default:
		snprintf(result, size, "%llu", MIN(theirs, own));
		return result;
	}
}

static void agree(struct fake_connection *connection, const char *name, const char *value)
{
	uint32_t number = (uint32_t)strtoul(value, NULL, 0);
	bool yes = strcmp(value, "Yes") == 0;

	if (strcmp(name, "HeaderDigest") == 0)
		connection->header_digest = strcmp(value, "CRC32C") == 0;
	else if (strcmp(name, "DataDigest") == 0)
		connection->data_digest = strcmp(value, "CRC32C") == 0;
	else if (strcmp(name, "MaxBurstLength") == 0)
		connection->max_burst = number;
	else if (strcmp(name, "FirstBurstLength") == 0)
		connection->first_burst = number;
	else if (strcmp(name, "MaxOutstandingR2T") == 0)
		connection->max_r2t = MIN(number, (uint32_t)FAKE_R2TS_MAX);
	else if (strcmp(name, "TaskReporting") == 0)
		connection->fast_abort = strcmp(value, "FastAbort") == 0;
	else if (strcmp(name, "iSCSIProtocolLevel") == 0)
		connection->protocol_level = (uint8_t)number;
	else if (strcmp(name, "ErrorRecoveryLevel") == 0)
		connection->level = number;
	else if (strcmp(name, "InitialR2T") == 0)
		connection->initial_r2t = yes;
	else if (strcmp(name, "ImmediateData") == 0)
		connection->immediate_data = yes;
}

static void answer_key(struct fake_connection *connection, const char *name, const char *value)
{
	char result[256];
	const char *settled;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (keys[i].rule == QUIET)
			return;
		if (keys[i].rule == DECLARED) {
			connection->max_send = (uint32_t)strtoul(value, NULL, 0);
			return;
		}
		settled = settle(&keys[i], value, wanted(connection, &keys[i]), result,
				 sizeof(result));
		agree(connection, name, settled);
		say(connection, name, settled);
		return;
	}
	say(connection, name, "NotUnderstood");
}

static void answer_operational(struct fake_connection *connection)
{
	const char *at = (const char *)connection->text.bytes, *end = at + connection->text.length;
	const char *limit = wanted(connection, &keys[2]);

	while (at < end) {
		char name[64];
		const char *equals = strchr(at, '=');

		if (equals && (size_t)(equals - at) < sizeof(name)) {
			snprintf(name, sizeof(name), "%.*s", (int)(equals - at), at);
			answer_key(connection, name, equals + 1);
		}
		at += strlen(at) + 1;
	}
	if (*limit && connection->max_recv == 0) {
		connection->max_recv = (uint32_t)strtoul(limit, NULL, 0);
		say(connection, "MaxRecvDataSegmentLength", limit);
	}
}

/* --- CHAP --- */

static void say_binary(struct fake_connection *connection, const char *key, const void *bytes,
		       size_t length)
{
	char text[2 + 2 * CHAP_CHALLENGE_MAX + 1] = "0x";

	text_hex_encode(bytes, length, text + 2);
	say(connection, key, text);
}

static void challenge(struct fake_connection *connection)
{
	const struct fake_settings *settings = &connection->target->settings;
	char number[16];

	snprintf(number, sizeof(number), "%u", settings->chap_algorithm);
	say(connection, "CHAP_A", number);
	if (getrandom(connection->challenge, sizeof(connection->challenge), 0) < 0)
		abort();
	connection->identifier = (uint8_t)connection->challenge[0];
	snprintf(number, sizeof(number), "%u", connection->identifier);
	say(connection, "CHAP_I", number);
	say_binary(connection, "CHAP_C", connection->challenge, 16);
	connection->asked_for_proof = true;
}

static size_t proof_of(struct fake_connection *connection, uint8_t identifier, const char *secret,
		       const void *bytes, size_t length, uint8_t *digest)
{
	int r = chap_hash((uint8_t)connection->target->settings.chap_algorithm, identifier, secret,
			  strlen(secret), bytes, length, digest);

	return r < 0 ? 0 : (size_t)r;
}

static void prove_ourselves(struct fake_connection *connection, const char *identifier,
			    const char *text)
{
	const struct fake_settings *settings = &connection->target->settings;
	uint8_t digest[CHAP_DIGEST_MAX];
	struct chap_binary theirs;
	size_t length;

	if (chap_binary_decode(text_span_of(text), &theirs) < 0)
		return;
	length = proof_of(connection, (uint8_t)strtoul(identifier, NULL, 0),
			  settings->mutual_secret, theirs.bytes, theirs.length, digest);
	say(connection, "CHAP_N", settings->mutual_user);
	say_binary(connection, "CHAP_R", digest, length);
}

static bool proof_is_right(struct fake_connection *connection)
{
	const struct fake_settings *settings = &connection->target->settings;
	const char *name = heard(connection, "CHAP_N"), *text = heard(connection, "CHAP_R");
	const char *identifier = heard(connection, "CHAP_I"), *theirs = heard(connection, "CHAP_C");
	uint8_t digest[CHAP_DIGEST_MAX];
	struct chap_binary response;
	size_t length;

	if (!name || !text || chap_binary_decode(text_span_of(text), &response) < 0)
		return false;
	length = proof_of(connection, connection->identifier, settings->chap_secret,
			  connection->challenge, 16, digest);
	if (strcmp(name, settings->chap_user) != 0 || response.length != length ||
	    memcmp(response.bytes, digest, length) != 0)
		return false;
	if (identifier && theirs && *settings->mutual_secret)
		prove_ourselves(connection, identifier, theirs);
	return true;
}

/* Return: the status to end the login with, or 0 */
static uint16_t answer_security(struct fake_connection *connection)
{
	const struct fake_settings *settings = &connection->target->settings;
	const char *methods = heard(connection, "AuthMethod"), *offered;
	const char *method = *settings->chap_secret ? "CHAP" : "None";
	char number[16];

	if (methods) {
		if (!text_list_contains(text_span_of(methods), text_span_of(method)))
			return 0x0201;
		say(connection, "AuthMethod", method);
	}
	if (!*settings->chap_secret) {
		connection->proved = true;
		return 0;
	}
	offered = heard(connection, "CHAP_A");
	if (offered) {
		snprintf(number, sizeof(number), "%u", settings->chap_algorithm);
		if (!text_list_contains(text_span_of(offered), text_span_of(number)))
			return 0x0201;
		challenge(connection);
	} else if (connection->asked_for_proof && !connection->proved) {
		connection->proved = proof_is_right(connection);
		return connection->proved ? 0 : 0x0201;
	}
	return 0;
}

/* --- the login itself --- */

static void respond(struct fake_connection *connection, const struct bhs_login_request *request,
		    uint8_t flags, uint16_t status)
{
	struct bhs_login_response response = {
		.opcode = PDU_LOGIN_RESPONSE,
		.flags = flags,
		.tsih = request->tsih,
		.initiator_task_tag = request->initiator_task_tag,
		.status_class = (uint8_t)(status >> 8),
		.status_detail = (uint8_t)status,
	};
	uint32_t length = (uint32_t)connection->answer.length;

	if (connection->target->settings.login_bytes)
		length = MIN(length, connection->target->settings.login_bytes);
	length = MIN(length, LOGIN_DATA_SEGMENT);
	if (length < connection->answer.length)
		response.flags = (uint8_t)((flags & LOGIN_CURRENT_STAGE_MASK) | LOGIN_CONTINUE);
	if ((response.flags & LOGIN_TRANSIT) &&
	    (response.flags & LOGIN_NEXT_STAGE_MASK) == LOGIN_STAGE_FULL_FEATURE && status == 0)
		response.tsih = be16_of(connection->tsih);
	memcpy(response.isid, request->isid, sizeof(response.isid));
	fake_send(connection, &response, connection->answer.bytes, length);
	fake_buffer_drop(&connection->answer, length);
	connection->heard_stat_sn = connection->stat_sn;
	/* what it said, lie or not, is where it stands now */
	if (response.status_class) {
		connection->closing = true;
	} else if (response.flags & LOGIN_TRANSIT) {
		connection->stage = response.flags & LOGIN_NEXT_STAGE_MASK;
		if (connection->stage == LOGIN_STAGE_FULL_FEATURE)
			connection->full_feature = connection->digests_on = true;
	}
}

static bool same_task(const struct bhs_login_request *a, const struct bhs_login_request *b)
{
	return memcmp(a->isid, b->isid, sizeof(a->isid)) == 0 &&
	       be16_get(a->tsih) == be16_get(b->tsih) && be16_get(a->cid) == be16_get(b->cid) &&
	       be32_get(a->initiator_task_tag) == be32_get(b->initiator_task_tag) &&
	       be32_get(a->cmd_sn) == be32_get(b->cmd_sn) && a->version_max == b->version_max &&
	       a->version_min == b->version_min;
}

static void check_login(struct fake_connection *connection, const struct bhs_login_request *request)
{
	const struct bhs *bhs = (const struct bhs *)request;
	unsigned stage = (request->flags & LOGIN_CURRENT_STAGE_MASK) >> LOGIN_CURRENT_STAGE_SHIFT;

	if (request->version_max != 0 || request->version_min != 0)
		fake_complain(connection, bhs, "another version than 0 (11.12.3)");
	if ((request->isid[0] & 0xc0) == 0xc0)
		fake_complain(connection, bhs, "an ISID of the reserved type (11.12.5)");
	if ((request->flags & LOGIN_TRANSIT) && (request->flags & LOGIN_CONTINUE))
		fake_complain(connection, bhs, "T and C at once (11.12.2)");
	if (connection->spoke && !same_task(&connection->first, request))
		fake_complain(connection, bhs, "not the task of the first request (6.3)");
	if (connection->spoke && stage != connection->stage)
		fake_complain(connection, bhs, "not in the stage that was agreed on (6.3)");
	if (connection->spoke && be32_get(request->exp_stat_sn) != connection->stat_sn)
		fake_complain(connection, bhs, "ExpStatSN is not the next one (11.12.9)");
}

/* Session reinstatement (§6.3.5): the same initiator port again ends its old session. */
static void reinstate(struct fake_connection *connection)
{
	if (!connection->discovery && !connection->target->settings.leaves_tasks)
		fake_ghosts_end(connection->target, connection);
	for (struct fake_connection *c = connection->target->connections; c; c = c->next) {
		if (c == connection || c->fd < 0 || !c->full_feature || c->discovery ||
		    connection->discovery || strcmp(c->initiator, connection->initiator) != 0 ||
		    memcmp(c->first.isid, connection->first.isid, 6) != 0 ||
		    c->portal->tag != connection->portal->tag)
			continue;
		fake_end(c, false);
	}
}

/* Return: the status to end the login with, or 0 */
static uint16_t begin(struct fake_connection *connection, const struct bhs_login_request *request)
{
	const char *type = heard(connection, "SessionType");
	const char *initiator = heard(connection, "InitiatorName");
	const char *target = heard(connection, "TargetName");
	char tag[16];

	if (!initiator ||
	    !text_copy(connection->initiator, sizeof(connection->initiator), initiator))
		return 0x0207;
	connection->discovery = type && strcmp(type, "Discovery") == 0;
	if (!connection->discovery && !target)
		return 0x0207;
	if (!connection->discovery && strcmp(target, connection->target->settings.name) != 0)
		return 0x0203;
	if (be16_get(request->tsih) != 0)
		return 0x020a;
	if (!connection->discovery) {
		snprintf(tag, sizeof(tag), "%u", connection->portal->tag);
		say(connection, "TargetPortalGroupTag", tag);
	}
	if (*connection->target->settings.alias)
		say(connection, "TargetAlias", connection->target->settings.alias);
	return 0;
}

static uint16_t answer_text(struct fake_connection *connection,
			    const struct bhs_login_request *request)
{
	uint16_t status = 0;

	if (!connection->told_group) {
		connection->told_group = true;
		status = begin(connection, request);
	}
	if (status)
		return status;
	if (connection->stage == LOGIN_STAGE_SECURITY)
		return answer_security(connection);
	if (!connection->proved && *connection->target->settings.chap_secret)
		return 0x0201;
	answer_operational(connection);
	return 0;
}

static void start(struct fake_connection *connection, const struct bhs_login_request *request)
{
	connection->first = *request;
	connection->stage =
		(request->flags & LOGIN_CURRENT_STAGE_MASK) >> LOGIN_CURRENT_STAGE_SHIFT;
	connection->exp_cmd_sn = connection->next_cmd_sn = be32_get(request->cmd_sn);
	connection->max_cmd_sn = connection->exp_cmd_sn - 1;
	connection->max_send = LOGIN_DATA_SEGMENT;
	connection->max_burst = 262144;
	connection->first_burst = 65536;
	connection->max_r2t = 1;
	connection->initial_r2t = connection->immediate_data = true;
	connection->tsih = connection->target->next_tsih++;
}

void fake_login(struct fake_connection *connection, const struct bhs_login_request *request,
		const uint8_t *data, uint32_t length)
{
	uint8_t flags = request->flags & (LOGIN_TRANSIT | LOGIN_CURRENT_STAGE_MASK);
	uint16_t status = 0;

	check_login(connection, request);
	if (!connection->spoke)
		start(connection, request);
	connection->spoke = true;
	fake_buffer_add(&connection->text, data, length);
	if (connection->text.length > FAKE_LOGIN_TEXT)
		return respond(connection, request, flags, 0x0200);
	if (request->flags & LOGIN_CONTINUE)
		return respond(connection, request, flags & LOGIN_CURRENT_STAGE_MASK, 0);
	if (connection->text.length &&
	    connection->text.bytes[connection->text.length - 1] != '\0') {
		fake_complain(connection, (const struct bhs *)request, "no NUL at the end (6.1)");
		return respond(connection, request, flags, 0x0200);
	}
	/* an empty request fetches the rest of an answer that was cut (§6.2) */
	if (connection->text.length > 0 || connection->answer.length == 0)
		status = answer_text(connection, request);
	else
		flags &= LOGIN_CURRENT_STAGE_MASK;
	connection->text.length = 0;
	if (status) {
		connection->answer.length = 0;
		return respond(connection, request, flags & LOGIN_CURRENT_STAGE_MASK, status);
	}
	if ((flags & LOGIN_TRANSIT) && !connection->proved &&
	    connection->stage == LOGIN_STAGE_SECURITY)
		flags &= (uint8_t)~LOGIN_TRANSIT;
	if (flags & LOGIN_TRANSIT)
		flags |= request->flags & LOGIN_NEXT_STAGE_MASK;
	if ((flags & LOGIN_TRANSIT) &&
	    (flags & LOGIN_NEXT_STAGE_MASK) == LOGIN_STAGE_FULL_FEATURE) {
		if (connection->max_recv == 0)
			connection->max_recv = LOGIN_DATA_SEGMENT;
		reinstate(connection);
	}
	respond(connection, request, flags, 0);
}

/* --- text in full feature phase: SendTargets (appendix C) --- */

static void tell_targets(struct fake_connection *connection, const char *which)
{
	const struct fake_settings *settings = &connection->target->settings;

	if (*which && strcmp(which, "All") != 0 && strcmp(which, settings->name) != 0)
		return;
	say(connection, "TargetName", settings->name);
	for (size_t i = 0; i < settings->portal_count; i++)
		say(connection, "TargetAddress", settings->portals[i].text);
}

/* Only declarations may change after the login (§13). */
static void negotiate(struct fake_connection *connection, const uint8_t *data, uint32_t length)
{
	const char *theirs = fake_text_find(data, length, "MaxRecvDataSegmentLength");
	const char *ours = wanted(connection, &keys[2]);

	if (!theirs)
		return;
	connection->max_send = (uint32_t)strtoul(theirs, NULL, 0);
	connection->max_recv = *ours ? (uint32_t)strtoul(ours, NULL, 0) : LOGIN_DATA_SEGMENT;
	if (*ours)
		say(connection, keys[2].name, ours);
}

void fake_text(struct fake_connection *connection, const struct bhs_text_request *request,
	       const uint8_t *data, uint32_t length)
{
	struct bhs_text_response response = {
		.opcode = PDU_TEXT_RESPONSE,
		.initiator_task_tag = request->initiator_task_tag,
	};
	const char *which = fake_text_find(data, length, "SendTargets");
	uint32_t piece, limit = connection->target->settings.login_bytes;

	if (length && data[length - 1] != '\0')
		fake_complain(connection, (const struct bhs *)request, "no NUL at the end (6.1)");
	if (be32_get(request->target_transfer_tag) == RESERVED_TAG)
		connection->answer.length = 0;
	else if (be32_get(request->target_transfer_tag) != connection->text_tag)
		fake_complain(connection, (const struct bhs *)request,
			      "not our target transfer tag (11.10.4)");
	if (which && connection->discovery != (strcmp(which, "All") == 0))
		fake_complain(connection, (const struct bhs *)request,
			      "All belongs to discovery sessions alone (appendix C)");
	if (which)
		tell_targets(connection, which);
	else if (!connection->discovery)
		negotiate(connection, data, length);
	piece = MIN((uint32_t)connection->answer.length, connection->max_send);
	if (limit)
		piece = MIN(piece, limit);
	response.target_transfer_tag = be32_of(RESERVED_TAG);
	response.flags = PDU_FINAL;
	if (piece < connection->answer.length) {
		connection->text_tag = connection->target->next_tag++;
		response.target_transfer_tag = be32_of(connection->text_tag);
		response.flags = 0;
	}
	fake_send(connection, &response, connection->answer.bytes, piece);
	fake_buffer_drop(&connection->answer, piece);
}
