/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/login.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/chap.h"
#include "iscsi/negotiation.h"
#include "iscsi/pdu.h"
#include "iscsi/portal.h"
#include "iscsi/reason.h"
#include "iscsi/text_keys.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LOGIN_TASK_TAG 0u /* the whole login is one task (RFC 7143 §11.12.7) */
#define LOGIN_EXCHANGES_MAX \
	256 /* "SHOULD allow at least six" (§6.2); a C bit costs one as well \
	     */

struct login {
	struct login_settings settings;
	enum login_state state;
	struct login_result result;
	struct login_outcome outcome;

	enum login_stage stage;
	bool transit;	   /* our last request asked for the next stage */
	bool told_stat_sn; /* a first response came */
	unsigned exchanges;
	struct negotiation negotiation;
	struct chap chap;

	struct text_keys received; /* the logical text so far */
	struct text_keys request;  /* keys of the request that is being built */
	struct pdu_assembler assembler;
	uint8_t output[BHS_LENGTH + LOGIN_DATA_SEGMENT];
	size_t output_length, output_sent; /* bytes */

	char redirect[PORTAL_TEXT_MAX];
	bool redirect_permanent;
};

DEFINE_OWNED(login);

/* No secret is kept beyond the end of the exchange. */
static void end(struct login *login, enum login_state state)
{
	login->state = state;
	explicit_bzero(&login->settings.initiator, sizeof(login->settings.initiator));
	explicit_bzero(&login->settings.target, sizeof(login->settings.target));
	chap_deinit(&login->chap);
	text_keys_deinit(&login->received);
	text_keys_deinit(&login->request);
	pdu_assembler_deinit(&login->assembler);
	explicit_bzero(login->output, sizeof(login->output));
	login->output_length = login->output_sent = 0;
}

static void fail(struct login *login, enum login_failure failure, const char *text)
{
	login->result.failure = failure;
	text_copy(login->result.text, sizeof(login->result.text), text);
	end(login, LOGIN_FAILED);
}

static void fail_protocol(struct login *login, const char *text)
{
	fail(login, LOGIN_FAILURE_PROTOCOL, text);
}

/* Put the request's keys on the wire, and ask for the next stage if @transit. */
static void send_request(struct login *login, bool transit)
{
	const struct login_settings *settings = &login->settings;
	struct bhs_login_request request = {
		.opcode = PDU_LOGIN_REQUEST | PDU_IMMEDIATE,
		.flags = (uint8_t)(login->stage << LOGIN_CURRENT_STAGE_SHIFT),
		.version_max = ISCSI_VERSION,
		.version_min = ISCSI_VERSION,
		.tsih = be16_of(settings->tsih),
		.initiator_task_tag = be32_of(LOGIN_TASK_TAG),
		.cid = be16_of(settings->cid),
		.cmd_sn = be32_of(settings->cmd_sn),
		.exp_stat_sn = be32_of(login->outcome.exp_stat_sn),
	};
	int r;

	if (transit)
		request.flags |= LOGIN_TRANSIT |
				 (login->stage == LOGIN_STAGE_SECURITY ? LOGIN_STAGE_OPERATIONAL
								       : LOGIN_STAGE_FULL_FEATURE);
	memcpy(request.isid, settings->isid, sizeof(request.isid));

	r = login->request.error;
	if (r == 0)
		r = pdu_write(&request, login->request.bytes, login->request.length, login->output,
			      sizeof(login->output));
	if (r < 0) {
		fail_protocol(login,
			      r == -ENOMEM
				      ? "out of memory"
				      : "the target asks more questions than one answer holds");
		return;
	}
	login->output_length = (size_t)r;
	login->output_sent = 0;
	login->transit = transit;
	login->state = LOGIN_SENDING;
	text_keys_clear(&login->request);
}

/*
 * Empty, after a response with the C bit (§6.2). The end of the stage that was asked for before
 * stays on offer: targets grant it with the last piece of their text.
 */
static void go_on(struct login *login)
{
	bool transit = login->transit;

	send_request(login, false);
	login->transit = transit;
}

/* The first request says who speaks to whom (§6.3); these keys never come again. */
static void start(struct login *login)
{
	const struct login_settings *settings = &login->settings;
	struct text_keys *request = &login->request;

	text_keys_add(request, "InitiatorName", settings->initiator_name);
	if (settings->initiator_alias[0] != '\0')
		text_keys_add(request, "InitiatorAlias", settings->initiator_alias);
	if (!settings->discovery)
		text_keys_add(request, "TargetName", settings->target_name);
	text_keys_add(request, "SessionType", settings->discovery ? "Discovery" : "Normal");
	negotiation_offer(&login->negotiation, LOGIN_STAGE_SECURITY, request);
	send_request(login, !settings->authenticate);
}

int login_new(const struct login_settings *settings, struct login **ret)
{
	owned(login) login = calloc(1, sizeof(*login));

	if (!login || pdu_assembler_init(&login->assembler, LOGIN_DATA_SEGMENT) < 0)
		return -ENOMEM;

	login->settings = *settings;
	login->outcome.cmd_sn = settings->cmd_sn;
	login->outcome.exp_cmd_sn = login->outcome.max_cmd_sn = settings->cmd_sn;
	text_keys_init(&login->received, TEXT_KEYS_LOGIN_MAX);
	text_keys_init(&login->request, LOGIN_DATA_SEGMENT);
	negotiation_init(&login->negotiation, &login->settings);

	if (settings->authenticate && chap_init(&login->chap, settings) < 0)
		fail(login, LOGIN_FAILURE_AUTHENTICATION, login->chap.failure);
	else
		start(login);
	*ret = take(login);
	return 0;
}

void login_free(struct login *login)
{
	if (!login)
		return;
	end(login, LOGIN_FAILED);
	free(login);
}

void login_share_challenges(struct login *login, struct chap_challenges *challenges)
{
	if (login->settings.authenticate)
		chap_share(&login->chap, challenges);
}

/* Class 01: "the target has moved"; only TargetAddress is looked at (§11.13.5). */
static void follow_redirect(struct login *login, const struct bhs_login_response *response)
{
	struct text_span text = text_keys_span(&login->received);
	struct text_pair pair;
	struct portal portal;
	int r;

	while ((r = text_pair_next(&text, &pair)) != 0) {
		if (r < 0 || !text_span_is(pair.key, "TargetAddress") ||
		    pair.value.length >= sizeof(login->redirect) ||
		    portal_parse(pair.value.at, pair.value.length, &portal) < 0)
			continue;
		memcpy(login->redirect, pair.value.at, pair.value.length);
		login->redirect[pair.value.length] = '\0';
		login->redirect_permanent = response->status_detail == 0x02;
		snprintf(login->result.text, sizeof(login->result.text), "%s",
			 reason_of_login(response->status_class, response->status_detail)->meaning);
		end(login, LOGIN_REDIRECTED);
		return;
	}
	fail_protocol(login, "the target redirects the login without a usable address");
}

static void refused(struct login *login, const struct bhs_login_response *response)
{
	const struct login_reason *reason =
		reason_of_login(response->status_class, response->status_detail);
	char text[sizeof(login->result.text)];

	login->result.status_class = response->status_class;
	login->result.status_detail = response->status_detail;
	login->result.try_md5_alone = response->status_class == 2 && response->status_detail == 1 &&
				      login->chap.state == CHAP_OFFERED &&
				      login->chap.algorithms[1] != 0 &&
				      memchr(login->chap.algorithms, CHAP_MD5, CHAP_ALGORITHM_MAX);
	if (response->status_class == 1) {
		follow_redirect(login, response);
		return;
	}
	snprintf(text, sizeof(text), "the target refused the login: %s (%02x%02x)", reason->meaning,
		 response->status_class, response->status_detail);
	fail(login, LOGIN_FAILURE_STATUS, text);
}

/*
 * What each Login Response must look like (§11.13). One that refuses the login is not measured by
 * this: why it refuses is worth more to know. Return: what is wrong, or NULL.
 */
static const char *check_response(const struct login *login,
				  const struct bhs_login_response *response)
{
	unsigned current =
		(response->flags & LOGIN_CURRENT_STAGE_MASK) >> LOGIN_CURRENT_STAGE_SHIFT;
	unsigned next = response->flags & LOGIN_NEXT_STAGE_MASK;
	bool transit = response->flags & LOGIN_TRANSIT;

	if (be32_get(response->initiator_task_tag) != LOGIN_TASK_TAG)
		return "the target answered another task than the login";
	if (memcmp(response->isid, login->settings.isid, sizeof(response->isid)) != 0)
		return "the target answered for another session (ISID)";
	if (response->version_active != ISCSI_VERSION)
		return "the target speaks another version of the protocol";
	if (current != login->stage)
		return "the target answered for another stage of the login";
	if (transit && (response->flags & LOGIN_CONTINUE))
		return "the target ended a stage in the middle of its text";
	if (transit && !login->transit)
		return "the target ended a stage that was not offered to end";
	/* each stage is left for the next one: we never ask for more */
	if (transit && next != (login->stage == LOGIN_STAGE_SECURITY ? LOGIN_STAGE_OPERATIONAL
								     : LOGIN_STAGE_FULL_FEATURE))
		return "the target went to a stage that was not asked for";
	if (login->told_stat_sn && be32_get(response->stat_sn) != login->outcome.exp_stat_sn)
		return "the target left out a response (StatSN)";
	return NULL;
}

static void take_sequence_numbers(struct login *login, const struct bhs_login_response *response)
{
	uint32_t exp_cmd_sn = be32_get(response->exp_cmd_sn);
	uint32_t max_cmd_sn = be32_get(response->max_cmd_sn);

	login->told_stat_sn = true;
	login->outcome.exp_stat_sn = be32_get(response->stat_sn) + 1;
	/* a pair that contradicts itself is ignored (§4.2.2.1) */
	if (!sn_less(max_cmd_sn, exp_cmd_sn - 1)) {
		login->outcome.exp_cmd_sn = exp_cmd_sn;
		login->outcome.max_cmd_sn = max_cmd_sn;
	}
}

/* Read the logical text, key by key. Return: 0, or negative when the login has failed. */
static int read_keys(struct login *login)
{
	struct text_span text = text_keys_span(&login->received);
	struct text_pair pair;
	int r;

	while ((r = text_pair_next(&text, &pair)) == 1) {
		r = negotiation_receive(&login->negotiation, login->stage, &pair, &login->request);
		if (r == 1) {
			r = chap_take(&login->chap, &pair);
			if (r < 0)
				fail(login, LOGIN_FAILURE_AUTHENTICATION, login->chap.failure);
		} else if (r < 0) {
			fail(login,
			     r == -EACCES ? LOGIN_FAILURE_AUTHENTICATION
					  : LOGIN_FAILURE_NEGOTIATION,
			     login->negotiation.failure);
		}
		if (r < 0)
			return r;
	}
	if (r < 0)
		fail_protocol(login, "the target sent text that is no key=value pair");
	text_keys_clear(&login->received);
	return r;
}

/*
 * One step of authentication. Return: 0 to go on with an empty or negotiated request; 1 when the
 * next stage may be asked for; negative when the login has failed.
 */
static int authenticate(struct login *login)
{
	int r;

	if (!login->settings.authenticate)
		return 1;

	switch (login->chap.state) {
	case CHAP_IDLE:
		if (!negotiation_authentication(&login->negotiation)) {
			fail(login, LOGIN_FAILURE_AUTHENTICATION,
			     "the target did not say how it wants to authenticate");
			return -EACCES;
		}
		chap_offer(&login->chap, &login->request);
		return 0;
	case CHAP_OFFERED:
		r = chap_respond(&login->chap, &login->request);
		break;
	case CHAP_RESPONDED:
		/* with mutual CHAP nothing but the target's proof may come next */
		r = chap_verify(&login->chap);
		break;
	default:
		r = 0;
		break;
	}
	if (r < 0)
		fail(login, LOGIN_FAILURE_AUTHENTICATION, login->chap.failure);
	return r < 0 ? r : 1;
}

static void finish(struct login *login, const struct bhs_login_response *response)
{
	uint16_t tsih = be16_get(response->tsih);

	if (tsih == 0) {
		fail_protocol(login, "the target gave no session handle (TSIH)");
		return;
	}
	if (login->settings.tsih != 0 && tsih != login->settings.tsih) {
		fail_protocol(login, "the target put the connection into another session (TSIH)");
		return;
	}
	if (negotiation_conclude(&login->negotiation) < 0) {
		fail(login, LOGIN_FAILURE_NEGOTIATION, login->negotiation.failure);
		return;
	}
	login->outcome.tsih = tsih;
	end(login, LOGIN_DONE);
}

/* The target agreed to end the stage: nothing may be left open in it. */
static void next_stage(struct login *login, const struct bhs_login_response *response)
{
	if (login->negotiation.owes_answer) {
		fail(login, LOGIN_FAILURE_NEGOTIATION,
		     "the target ended a stage with a question that it left no time to answer");
		return;
	}
	text_keys_clear(&login->request);
	if (login->stage == LOGIN_STAGE_OPERATIONAL) {
		finish(login, response);
		return;
	}
	login->stage = LOGIN_STAGE_OPERATIONAL;
	negotiation_offer(&login->negotiation, LOGIN_STAGE_OPERATIONAL, &login->request);
	send_request(login, true);
}

/*
 * "The iSCSI initiator should use this key to ascertain that it had indeed initiated the Login
 * Phase with the intended target portal group" (§6.3.1). A target that does not tell its tag is let
 * pass.
 */
static bool check_portal_group(struct login *login)
{
	int32_t told = negotiation_portal_group(&login->negotiation);
	char text[sizeof(login->result.text)];

	if (!login->settings.check_portal_group || told < 0 ||
	    told == login->settings.portal_group_tag)
		return true;
	snprintf(text, sizeof(text),
		 "the portal belongs to portal group %d now, and not to %u as its record says: "
		 "discover the target again",
		 told, login->settings.portal_group_tag);
	fail(login, LOGIN_FAILURE_PORTAL_GROUP, text);
	return false;
}

/* A whole logical text has come, with or without the end of the stage. */
static void take_text(struct login *login, const struct bhs_login_response *response)
{
	bool transit = response->flags & LOGIN_TRANSIT;
	bool ready = true;

	login->negotiation.owes_answer = false;
	if (read_keys(login) < 0 || !check_portal_group(login))
		return;
	if (login->stage == LOGIN_STAGE_SECURITY) {
		int r = authenticate(login);

		if (r < 0)
			return;
		ready = r == 1;
	}
	if (transit)
		next_stage(login, response);
	else
		send_request(login, ready);
}

static void take_response(struct login *login, const struct bhs_login_response *response)
{
	const char *wrong;

	if (response->status_class == 0) {
		wrong = check_response(login, response);
		if (wrong) {
			fail_protocol(login, wrong);
			return;
		}
		take_sequence_numbers(login, response);
	}

	if (text_keys_append(&login->received, login->assembler.data,
			     login->assembler.data_length) < 0) {
		fail_protocol(login, "the target sends more text than a login may need");
		return;
	}
	if (response->status_class != 0)
		refused(login, response);
	else if (++login->exchanges > LOGIN_EXCHANGES_MAX)
		fail_protocol(login, "the login does not come to an end");
	else if (response->flags & LOGIN_CONTINUE)
		go_on(login);
	else
		take_text(login, response);
}

static void take_pdu(struct login *login)
{
	struct bhs_login_response response;
	char text[80];

	memcpy(&response, &login->assembler.bhs, sizeof(response));
	if (login->assembler.bhs.opcode == PDU_REJECT) {
		snprintf(text, sizeof(text), "the target rejected the login request: %s",
			 reason_of_reject(login->assembler.bhs.specific[0])->meaning);
		fail_protocol(login, text);
		return;
	}
	if (pdu_opcode(&login->assembler.bhs) != PDU_LOGIN_RESPONSE) {
		snprintf(text, sizeof(text), "the target sent a PDU of type %02xh during login",
			 pdu_opcode(&login->assembler.bhs));
		fail_protocol(login, text);
		return;
	}
	take_response(login, &response);
}

enum login_state login_get_state(const struct login *login)
{
	return login->state;
}

const void *login_output(const struct login *login, size_t *length_bytes)
{
	*length_bytes = login->output_length - login->output_sent;
	return login->output + login->output_sent;
}

void login_sent(struct login *login, size_t length_bytes)
{
	assert(login->state == LOGIN_SENDING);
	assert(length_bytes <= login->output_length - login->output_sent);
	login->output_sent += length_bytes;
	if (login->output_sent == login->output_length)
		login->state = LOGIN_RECEIVING;
}

size_t login_input(struct login *login, const void *data, size_t length_bytes)
{
	size_t total = 0, used;

	while (total < length_bytes &&
	       (login->state == LOGIN_SENDING || login->state == LOGIN_RECEIVING)) {
		int r;

		if (login->state == LOGIN_SENDING) {
			fail_protocol(login, "the target answered before it was asked");
			break;
		}
		r = pdu_assembler_feed(&login->assembler, (const uint8_t *)data + total,
				       length_bytes - total, &used);
		total += used;
		if (r == 1)
			take_pdu(login);
		else if (r == -EMSGSIZE)
			fail_protocol(login, "the target sent a larger PDU than a login allows");
		else if (r < 0)
			fail_protocol(login, "the target sent a PDU with additional headers");
	}
	return total;
}

const struct login_result *login_get_result(const struct login *login)
{
	return &login->result;
}

const struct negotiated *login_negotiated(const struct login *login)
{
	return &login->negotiation.result;
}

const struct login_outcome *login_get_outcome(const struct login *login)
{
	return &login->outcome;
}

const char *login_redirect(const struct login *login)
{
	return login->redirect;
}

int login_redirect_permanent(const struct login *login)
{
	return login->redirect_permanent;
}
