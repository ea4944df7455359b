/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/discovery.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/name.h"
#include "iscsi/pdu.h"
#include "iscsi/portal.h"
#include "iscsi/reason.h"
#include "iscsi/text_keys.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TEXT_TASK_TAG	  1u
#define LOGOUT_TASK_TAG	  2u
#define ANSWER_MAX	  (16u << 20) /* bytes of text */
#define PDUS_MAX	  65536u      /* an answer in pieces of nothing must end, too */
#define PORTALS_MAX	  65536u
#define DUPLICATES_WINDOW 256u	/* portals of one target that a new one is compared with */
#define OUTPUT_MAX	  4096u /* bytes: unsent answers to pings are the only ones to pile up */

enum phase {
	PHASE_ASKING,
	PHASE_LOGOUT, /* everything is known; waits for the Logout Response */
};

struct discovery {
	enum discovery_state state;
	enum phase phase;
	uint32_t cmd_sn, exp_stat_sn;
	unsigned pdus;
	struct text_keys answer;
	struct pdu_assembler assembler;

	uint8_t output[OUTPUT_MAX];
	size_t output_length; /* bytes */

	struct discovered_portal *portals;
	size_t count;
	struct discovery_skipped skipped;
	char failure[160];
};

DEFINE_OWNED(discovery);

static void fail(struct discovery *discovery, const char *text)
{
	text_copy(discovery->failure, sizeof(discovery->failure), text);
	discovery->state = DISCOVERY_FAILED;
	discovery->output_length = 0;
}

/*
 * Every request is immediate: a discovery session asks one thing at a time, and a closed CmdSN
 * window cannot hold it up. An immediate request carries the CmdSN and does not use it up
 * (§4.2.2.1).
 */
static void send_request(struct discovery *discovery, struct bhs_request *request, const char *text,
			 size_t length)
{
	int r;

	request->opcode |= PDU_IMMEDIATE;
	request->flags |= PDU_FINAL;
	request->cmd_sn = be32_of(discovery->cmd_sn);
	request->exp_stat_sn = be32_of(discovery->exp_stat_sn);
	r = pdu_write(request, text, length, discovery->output + discovery->output_length,
		      sizeof(discovery->output) - discovery->output_length);
	if (r < 0) {
		fail(discovery, "the target pings faster than it reads the answers");
		return;
	}
	discovery->output_length += (size_t)r;
	discovery->state = DISCOVERY_SENDING;
}

/* SendTargets=All, or with a target transfer tag: "go on" (appendix C, §11.10.4) */
static void ask(struct discovery *discovery, be64 lun, be32 target_transfer_tag)
{
	static const char text[] = "SendTargets=All";
	bool first = be32_get(target_transfer_tag) == RESERVED_TAG;
	struct bhs_request request = {
		.opcode = PDU_TEXT_REQUEST,
		.lun = lun,
		.initiator_task_tag = be32_of(TEXT_TASK_TAG),
		.specific_20 = target_transfer_tag,
	};

	send_request(discovery, &request, text, first ? sizeof(text) : 0);
}

static void log_out(struct discovery *discovery)
{
	struct bhs_request request = {
		.opcode = PDU_LOGOUT_REQUEST,
		.flags = LOGOUT_CLOSE_SESSION,
		.initiator_task_tag = be32_of(LOGOUT_TASK_TAG),
	};

	discovery->phase = PHASE_LOGOUT;
	send_request(discovery, &request, NULL, 0);
}

int discovery_new(const struct negotiated *negotiated, const struct login_outcome *outcome,
		  struct discovery **ret)
{
	owned(discovery) discovery = calloc(1, sizeof(*discovery));

	if (!discovery ||
	    pdu_assembler_init(&discovery->assembler, negotiated->max_recv_data_segment_length) < 0)
		return -ENOMEM;
	text_keys_init(&discovery->answer, ANSWER_MAX);
	discovery->cmd_sn = outcome->cmd_sn;
	discovery->exp_stat_sn = outcome->exp_stat_sn;
	ask(discovery, be64_of(0), be32_of(RESERVED_TAG));
	*ret = take(discovery);
	return 0;
}

void discovery_free(struct discovery *discovery)
{
	if (!discovery)
		return;
	pdu_assembler_deinit(&discovery->assembler);
	text_keys_deinit(&discovery->answer);
	free(discovery->portals);
	free(discovery);
}

/* The whole text is there. */
static void take_answer(struct discovery *discovery)
{
	int r = discovery_parse(discovery->answer.bytes, discovery->answer.length,
				&discovery->portals, &discovery->count, &discovery->skipped);

	text_keys_deinit(&discovery->answer);
	if (r == 0)
		log_out(discovery);
	else if (r == -ENOMEM)
		fail(discovery, "out of memory");
	else if (r == -E2BIG)
		fail(discovery, "the target lists more portals than anybody could use");
	else
		fail(discovery, "the target lists an address before it names a target");
}

static void take_text(struct discovery *discovery, const struct bhs_text_response *response)
{
	bool final = response->flags & PDU_FINAL;

	if (discovery->phase != PHASE_ASKING ||
	    be32_get(response->initiator_task_tag) != TEXT_TASK_TAG) {
		fail(discovery, "the target answered a question that was not asked");
		return;
	}
	if (final && (response->flags & TEXT_CONTINUE)) {
		fail(discovery, "the target ended its answer in the middle of its text");
		return;
	}
	if (text_keys_append(&discovery->answer, discovery->assembler.data,
			     discovery->assembler.data_length) < 0) {
		fail(discovery, "the answer of the target is too large");
		return;
	}
	if (final)
		take_answer(discovery);
	else if (be32_get(response->target_transfer_tag) == RESERVED_TAG)
		fail(discovery, "the target has more to say but gives no tag to ask for it");
	else
		ask(discovery, response->lun, response->target_transfer_tag);
}

/* A ping of the target; what is not a ping needs no answer (§11.18, §11.19). */
static void take_nop_in(struct discovery *discovery, const struct bhs_nop_in *nop_in)
{
	struct bhs_request nop_out = {
		.opcode = PDU_NOP_OUT,
		.lun = nop_in->lun,
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.specific_20 = nop_in->target_transfer_tag,
	};

	if (be32_get(nop_in->initiator_task_tag) != RESERVED_TAG)
		fail(discovery, "the target answered a ping that was not sent");
	else if (be32_get(nop_in->target_transfer_tag) != RESERVED_TAG)
		send_request(discovery, &nop_out, NULL, 0);
}

static void take_reject(struct discovery *discovery, const struct bhs_reject *reject)
{
	const struct bhs *rejected = (const struct bhs *)discovery->assembler.data;
	char text[120];

	/* an answer to a ping that the target does not want after all */
	if (discovery->assembler.data_length >= BHS_LENGTH && pdu_opcode(rejected) == PDU_NOP_OUT)
		return;
	if (discovery->phase == PHASE_LOGOUT) {
		discovery->state = DISCOVERY_DONE;
		return;
	}
	snprintf(text, sizeof(text), "the target rejected SendTargets: %s",
		 reason_of_reject(reject->reason)->meaning);
	fail(discovery, text);
}

static void take_async(struct discovery *discovery, const struct bhs_async_message *message)
{
	char text[120];

	if (message->async_event < ASYNC_LOGOUT_REQUEST ||
	    message->async_event > ASYNC_SESSION_DROP)
		return;
	if (discovery->phase == PHASE_LOGOUT)
		return;
	snprintf(text, sizeof(text), "the target did not finish its answer: %s",
		 reason_of_async(message->async_event)->meaning);
	fail(discovery, text);
}

static void take_logout(struct discovery *discovery, const struct bhs_logout_response *response)
{
	if (discovery->phase != PHASE_LOGOUT ||
	    be32_get(response->initiator_task_tag) != LOGOUT_TASK_TAG)
		fail(discovery, "the target logged out a session that did not ask for it");
	else
		discovery->state = DISCOVERY_DONE; /* whatever it says: the connection closes now */
}

/* Does the PDU use up a StatSN? All but a NOP-In that answers nothing (§11.19.1). */
static bool counts(const struct bhs *bhs)
{
	return pdu_opcode(bhs) != PDU_NOP_IN || be32_get(bhs->initiator_task_tag) != RESERVED_TAG;
}

static void take_pdu(struct discovery *discovery)
{
	const struct bhs *bhs = &discovery->assembler.bhs;
	const struct bhs_response *response = (const struct bhs_response *)bhs;
	char text[80];

	if (++discovery->pdus > PDUS_MAX) {
		fail(discovery, "the answer of the target does not come to an end");
		return;
	}
	if (counts(bhs)) {
		if (be32_get(response->stat_sn) != discovery->exp_stat_sn) {
			fail(discovery, "the target left out a response (StatSN)");
			return;
		}
		discovery->exp_stat_sn++;
	}

	switch (bhs->opcode) {
	case PDU_TEXT_RESPONSE:
		take_text(discovery, (const struct bhs_text_response *)bhs);
		break;
	case PDU_NOP_IN:
		take_nop_in(discovery, (const struct bhs_nop_in *)bhs);
		break;
	case PDU_REJECT:
		take_reject(discovery, (const struct bhs_reject *)bhs);
		break;
	case PDU_ASYNC_MESSAGE:
		take_async(discovery, (const struct bhs_async_message *)bhs);
		break;
	case PDU_LOGOUT_RESPONSE:
		take_logout(discovery, (const struct bhs_logout_response *)bhs);
		break;
	default:
		snprintf(text, sizeof(text), "the target sent a PDU of type %02xh during discovery",
			 bhs->opcode);
		fail(discovery, text);
		break;
	}
}

enum discovery_state discovery_get_state(const struct discovery *discovery)
{
	return discovery->state;
}

const void *discovery_output(const struct discovery *discovery, size_t *length_bytes)
{
	*length_bytes = discovery->output_length;
	return discovery->output;
}

void discovery_sent(struct discovery *discovery, size_t length_bytes)
{
	assert(length_bytes <= discovery->output_length);
	discovery->output_length -= length_bytes;
	memmove(discovery->output, discovery->output + length_bytes, discovery->output_length);
	if (discovery->state == DISCOVERY_SENDING && discovery->output_length == 0)
		discovery->state = DISCOVERY_RECEIVING;
}

size_t discovery_input(struct discovery *discovery, const void *data, size_t length_bytes)
{
	size_t total = 0, used;

	while (total < length_bytes &&
	       (discovery->state == DISCOVERY_SENDING || discovery->state == DISCOVERY_RECEIVING)) {
		int r = pdu_assembler_feed(&discovery->assembler, (const uint8_t *)data + total,
					   length_bytes - total, &used);

		total += used;
		if (r == 1)
			take_pdu(discovery);
		else if (r == -EMSGSIZE)
			fail(discovery, "the target sent a larger PDU than was agreed");
		else if (r < 0)
			fail(discovery, "the target sent a PDU with additional headers");
	}
	return total;
}

void discovery_closed(struct discovery *discovery)
{
	if (discovery->state != DISCOVERY_SENDING && discovery->state != DISCOVERY_RECEIVING)
		return;
	if (discovery->phase == PHASE_LOGOUT) {
		discovery->output_length = 0;
		discovery->state = DISCOVERY_DONE;
		return;
	}
	fail(discovery, "the target closed the connection before its answer was complete");
}

const char *discovery_failure(const struct discovery *discovery)
{
	return discovery->failure;
}

const struct discovered_portal *discovery_portals(const struct discovery *discovery, size_t *count)
{
	*count = discovery->state == DISCOVERY_DONE ? discovery->count : 0;
	return discovery->portals;
}

const struct discovery_skipped *discovery_skipped(const struct discovery *discovery)
{
	return &discovery->skipped;
}

void discovery_skip(struct discovery_skipped *skipped, const char *text, size_t length_bytes)
{
	size_t used = strlen(skipped->names);
	char shown[PORTAL_TEXT_MAX];

	skipped->count++;
	text_sanitise(shown, sizeof(shown), text, MIN(length_bytes, sizeof(shown) - 1));
	/* whole names only */
	if (used + strlen(shown) + 3 <= sizeof(skipped->names))
		snprintf(skipped->names + used, sizeof(skipped->names) - used, "%s%s",
			 used ? ", " : "", shown);
}

/* The list while it grows, and the record that is being read. */
struct listing {
	struct discovered_portal *portals;
	size_t count, capacity;
	struct discovery_skipped skipped;
	char target_name[ISCSI_NAME_MAX + 1]; /* empty: the name cannot be used */
	size_t first;			      /* the record's first portal */
	bool in_record, has_address;
};

static bool known(const struct listing *listing, const struct discovered_portal *portal)
{
	size_t at = listing->first;

	if (listing->count - at > DUPLICATES_WINDOW)
		at = listing->count - DUPLICATES_WINDOW;
	for (; at < listing->count; at++) {
		const struct discovered_portal *other = &listing->portals[at];

		if (other->port == portal->port && other->tpgt == portal->tpgt &&
		    strcmp(other->address, portal->address) == 0)
			return true;
	}
	return false;
}

static int append(struct listing *listing, struct discovered_portal *portal)
{
	struct discovered_portal *grown;

	text_copy(portal->target_name, sizeof(portal->target_name), listing->target_name);
	if (known(listing, portal))
		return 0;
	if (listing->count == PORTALS_MAX)
		return -E2BIG;
	if (listing->count == listing->capacity) {
		size_t capacity = MAX(listing->capacity * 2, (size_t)16);

		grown = realloc(listing->portals, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		listing->portals = grown;
		listing->capacity = capacity;
	}
	listing->portals[listing->count++] = *portal;
	return 0;
}

/* A target without an address is at the address that was asked (appendix C). */
static int end_record(struct listing *listing)
{
	struct discovered_portal here = {.port = 0, .tpgt = PORTAL_TAG_UNKNOWN};

	if (!listing->in_record || listing->has_address)
		return 0;
	if (listing->target_name[0] == '\0') {
		static const char text[] = "a target without a usable name";

		discovery_skip(&listing->skipped, text, strlen(text));
		return 0;
	}
	return append(listing, &here);
}

static int begin_record(struct listing *listing, struct text_span name)
{
	int r = end_record(listing);

	listing->in_record = true;
	listing->has_address = false;
	listing->first = listing->count;
	listing->target_name[0] = '\0';
	if (name_usable(name.at, name.length)) {
		memcpy(listing->target_name, name.at, name.length);
		listing->target_name[name.length] = '\0';
	}
	return r;
}

static int take_address(struct listing *listing, struct text_span text)
{
	struct discovered_portal found = {};
	struct portal portal;

	if (!listing->in_record)
		return -EPROTO;
	listing->has_address = true;
	if (listing->target_name[0] == '\0' || portal_parse(text.at, text.length, &portal) < 0) {
		discovery_skip(&listing->skipped, text.at, text.length);
		return 0;
	}
	/* "any address": the one that was asked is the one we know to work */
	if (!portal_address_unspecified(portal.address))
		text_copy(found.address, sizeof(found.address), portal.address);
	found.port = portal.port;
	found.tpgt = portal.tpgt;
	return append(listing, &found);
}

int discovery_parse(const char *text, size_t length_bytes, struct discovered_portal **portals,
		    size_t *count, struct discovery_skipped *skipped)
{
	struct text_span left = {text, length_bytes};
	struct listing listing = {};
	struct text_pair pair;
	int r = 0, more;

	/* malformed pairs and unknown keys are passed over: the other targets still count */
	while (r == 0 && (more = text_pair_next(&left, &pair)) != 0) {
		if (more < 0)
			continue;
		if (text_span_is(pair.key, "TargetName"))
			r = begin_record(&listing, pair.value);
		else if (text_span_is(pair.key, "TargetAddress"))
			r = take_address(&listing, pair.value);
	}
	if (r == 0)
		r = end_record(&listing);
	if (r < 0) {
		free(listing.portals);
		return r;
	}
	*portals = listing.portals;
	*count = listing.count;
	*skipped = listing.skipped;
	return 0;
}
