/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* PDUs of the fake target in and out: framing, digests, numbers, the script's rules, the record. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"
#include "tests/fakes/request_rules.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

uint64_t fake_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void fake_buffer_add(struct fake_buffer *buffer, const void *bytes, size_t length)
{
	if (buffer->size - buffer->length < length) {
		buffer->size = MAX(buffer->size * 2, buffer->length + length + 4096);
		buffer->bytes = realloc(buffer->bytes, buffer->size);
		assert(buffer->bytes);
	}
	if (length)
		memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

void fake_buffer_drop(struct fake_buffer *buffer, size_t length)
{
	buffer->length -= length;
	if (buffer->length)
		memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

void fake_buffer_free(struct fake_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct fake_buffer){};
}

/* --- record --- */

void fake_complain(struct fake_connection *connection, const struct bhs *bhs, const char *what)
{
	struct fake_target *target = connection->target;
	char line[256];
	int length = snprintf(line, sizeof(line), "connection %u, %s: %s\n", connection->number,
			      fake_target_event_name(pdu_opcode(bhs)), what);

	if (target->complaints.length < 65536)
		fake_buffer_add(&target->complaints, line, (size_t)length);
	if (target->complain)
		target->complain(line);
}

static bool keeps_data(uint8_t event)
{
	return event != PDU_SCSI_COMMAND && event != PDU_DATA_OUT && event != PDU_DATA_IN;
}

void fake_record(struct fake_connection *connection, uint8_t event, const struct bhs *bhs,
		 const void *data, uint32_t length)
{
	struct fake_target *target = connection->target;
	struct fake_pdu *pdu;

	if (target->record_count == target->record_size) {
		target->record_size = MAX(target->record_size * 2, (size_t)1024);
		target->record =
			realloc(target->record, target->record_size * sizeof(*target->record));
		assert(target->record);
	}
	pdu = &target->record[target->record_count++];
	*pdu = (struct fake_pdu){
		.event = event,
		.connection = connection->number,
		.length = length,
		.at_ms = fake_now_ms(),
	};
	if (bhs)
		pdu->bhs = *bhs;
	if (bhs && bhs->total_ahs_length) {
		pdu->ahs = malloc(pdu_ahs_length(bhs));
		assert(pdu->ahs);
		memcpy(pdu->ahs, connection->ahs, pdu_ahs_length(bhs));
	}
	if (length && keeps_data(event)) {
		pdu->data = malloc(length + 1);
		assert(pdu->data);
		memcpy(pdu->data, data, length);
		pdu->data[length] = '\0';
	}
	if (target->watch)
		target->watch(pdu);
	pthread_cond_broadcast(&target->changed);
}

/* --- the end of a connection --- */

void fake_end(struct fake_connection *connection, bool reset)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct fake_origin origin;

	if (connection->fd < 0)
		return;
	if (reset)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(connection->fd);
	connection->fd = -1;
	fake_tasks_end(connection);
	if (connection->full_feature && !connection->discovery)
		fake_unit_nexus_lost(connection->target->unit, fake_origin_of(connection, &origin));
}

/* --- out --- */

static void stamp(struct fake_connection *connection, struct bhs_response *response)
{
	response->stat_sn = be32_of(connection->stat_sn);
	if (response->opcode == PDU_DATA_IN && !(response->flags & DATA_IN_STATUS))
		response->stat_sn = be32_of(0);
	if (pdu_takes_stat_sn((struct bhs *)response))
		connection->stat_sn++;
	response->exp_cmd_sn = be32_of(connection->exp_cmd_sn);
	response->max_cmd_sn =
		be32_of(connection->exp_cmd_sn + connection->target->settings.window - 1);
}

struct outgoing {
	struct bhs bhs;
	struct fake_buffer data;
	bool discard, twice, hold, corrupt[3];
	uint32_t truncate; /* bytes that go out; 0 = all */
};

static void add_digest(struct fake_buffer *out, uint32_t crc, bool corrupt)
{
	uint8_t wire[DIGEST_LENGTH];

	crc32c_to_wire(crc, wire);
	if (corrupt)
		wire[1] ^= 0x10;
	fake_buffer_add(out, wire, sizeof(wire));
}

static void frame(struct fake_connection *connection, struct outgoing *pdu, struct fake_buffer *out)
{
	static const uint8_t padding[3];
	uint32_t length = (uint32_t)pdu->data.length, crc;

	fake_buffer_add(out, &pdu->bhs, BHS_LENGTH);
	if (connection->digests_on && connection->header_digest)
		add_digest(out, crc32c(0, &pdu->bhs, BHS_LENGTH), pdu->corrupt[0]);
	if (!length)
		return;
	crc = crc32c(0, pdu->data.bytes, length);
	crc = crc32c(crc, padding, pdu_padding(length));
	if (pdu->corrupt[2])
		pdu->data.bytes[length / 2] ^= 0x40;
	fake_buffer_add(out, pdu->data.bytes, length);
	fake_buffer_add(out, padding, pdu_padding(length));
	if (connection->digests_on && connection->data_digest)
		add_digest(out, crc, pdu->corrupt[1]);
}

static void change_key(struct outgoing *pdu, const struct fake_action *action)
{
	struct fake_buffer changed = {};
	size_t name = strlen(action->key);

	for (size_t at = 0; at < pdu->data.length;) {
		const char *pair = (const char *)pdu->data.bytes + at;
		size_t length = strnlen(pair, pdu->data.length - at);

		if (length <= name || strncmp(pair, action->key, name) != 0 || pair[name] != '=') {
			fake_buffer_add(&changed, pair, length);
			fake_buffer_add(&changed, "", 1);
		}
		at += length + 1;
	}
	if (action->verb == FAKE_KEY) {
		fake_buffer_add(&changed, action->key, name);
		fake_buffer_add(&changed, "=", 1);
		fake_buffer_add(&changed, action->text, action->text_length);
		fake_buffer_add(&changed, "", 1);
	}
	fake_buffer_free(&pdu->data);
	pdu->data = changed;
	pdu->bhs.data_segment_length = be24_of((uint32_t)changed.length);
}

static void act_on_outgoing(struct fake_connection *connection, struct outgoing *pdu,
			    const struct fake_action *action)
{
	switch (action->verb) {
	case FAKE_SET:
		fake_terms_apply(&action->pdu, &pdu->bhs);
		break;
	case FAKE_KEY:
	case FAKE_NO_KEY:
		change_key(pdu, action);
		break;
	case FAKE_DISCARD:
		pdu->discard = true;
		break;
	case FAKE_TWICE:
		pdu->twice = true;
		break;
	case FAKE_HOLD:
		pdu->hold = true;
		break;
	case FAKE_CORRUPT:
		pdu->corrupt[action->numbers[0]] = true;
		break;
	case FAKE_TRUNCATE:
		pdu->truncate = (uint32_t)action->numbers[0];
		break;
	default:
		fake_act(connection, action, &pdu->bhs);
	}
}

static bool rule_applies(const struct fake_connection *connection, struct fake_rule *rule,
			 const struct bhs *bhs)
{
	ptrdiff_t portal = connection->portal - connection->target->settings.portals + 1;

	if (rule->forgotten || (rule->portal && rule->portal != (unsigned)portal) ||
	    !fake_pattern_fits(&rule->pattern, pdu_opcode(bhs), bhs))
		return false;
	rule->seen++;
	return rule->seen >= rule->first && (!rule->last || rule->seen <= rule->last);
}

static void put(struct fake_connection *connection, const struct fake_buffer *bytes)
{
	struct fake_buffer held = connection->held;

	connection->held = (struct fake_buffer){};
	fake_buffer_add(&connection->out, bytes->bytes, bytes->length);
	fake_buffer_add(&connection->out, held.bytes, held.length);
	fake_buffer_free(&held);
}

static void emit(struct fake_connection *connection, struct outgoing *pdu)
{
	struct fake_buffer bytes = {};
	struct bhs_response *response = (struct bhs_response *)&pdu->bhs;
	uint32_t max = be32_get(response->max_cmd_sn), exp = be32_get(response->exp_cmd_sn);

	if (pdu->discard || connection->fd < 0)
		return;
	if (sn_less_equal(exp - 1, max) && sn_less(connection->max_cmd_sn, max))
		connection->max_cmd_sn = max;
	fake_record(connection, pdu_opcode(&pdu->bhs), &pdu->bhs, pdu->data.bytes,
		    (uint32_t)pdu->data.length);
	frame(connection, pdu, &bytes);
	if (pdu->twice)
		frame(connection, pdu, &bytes);
	if (pdu->truncate && pdu->truncate < bytes.length) {
		bytes.length = pdu->truncate;
		connection->closing = true;
	}
	if (pdu->hold)
		fake_buffer_add(&connection->held, bytes.bytes, bytes.length);
	else
		put(connection, &bytes);
	fake_buffer_free(&bytes);
}

static void send_through(struct fake_connection *connection, struct outgoing *pdu)
{
	struct fake_rule *rule = connection->target->rules;

	pdu->bhs.data_segment_length = be24_of((uint32_t)pdu->data.length);
	for (; rule && connection->fd >= 0; rule = rule->next) {
		if (!rule_applies(connection, rule, &pdu->bhs))
			continue;
		for (struct fake_action *action = rule->actions; action; action = action->next)
			act_on_outgoing(connection, pdu, action);
	}
	emit(connection, pdu);
	fake_buffer_free(&pdu->data);
}

void fake_send(struct fake_connection *connection, void *bhs, const void *data, uint32_t length)
{
	struct outgoing pdu = {};

	if (connection->fd < 0)
		return;
	stamp(connection, bhs);
	fake_recovery_keep(connection, bhs, data, length);
	memcpy(&pdu.bhs, bhs, BHS_LENGTH);
	fake_buffer_add(&pdu.data, data, length);
	send_through(connection, &pdu);
	memcpy(bhs, &pdu.bhs, BHS_LENGTH);
}

void fake_resend(struct fake_connection *connection, const struct bhs *bhs, const void *data,
		 uint32_t length)
{
	struct outgoing pdu = {};
	struct bhs_response response;
	be32 stat_sn;

	memcpy(&response, bhs, BHS_LENGTH);
	stat_sn = response.stat_sn;
	/* §11.16: ExpCmdSN and MaxCmdSN are current, and StatSN of an R2T; all else is a replica */
	if (pdu_takes_stat_sn(bhs))
		connection->stat_sn--; /* for stamp() gives it a new one */
	stamp(connection, &response);
	if (response.opcode != PDU_R2T)
		response.stat_sn = stat_sn;
	memcpy(&pdu.bhs, &response, BHS_LENGTH);
	fake_buffer_add(&pdu.data, data, length);
	send_through(connection, &pdu);
}

static bool answers_a_task(uint8_t opcode)
{
	return opcode != PDU_NOP_IN && opcode != PDU_ASYNC_MESSAGE && opcode != PDU_REJECT;
}

/* A PDU that the script makes up; rules do not apply to it. */
static void send_own(struct fake_connection *connection, const struct fake_action *action,
		     const struct bhs *trigger)
{
	struct outgoing pdu = {};
	struct bhs_response *response = (struct bhs_response *)&pdu.bhs;

	response->opcode = action->pdu.event;
	response->flags = PDU_FINAL;
	response->initiator_task_tag = trigger && answers_a_task(response->opcode)
					       ? trigger->initiator_task_tag
					       : be32_of(RESERVED_TAG);
	if (response->opcode == PDU_R2T && trigger)
		response->lun = trigger->lun;
	if (response->opcode == PDU_NOP_IN || response->opcode == PDU_DATA_IN ||
	    response->opcode == PDU_TEXT_RESPONSE)
		response->specific_20 = be32_of(RESERVED_TAG);
	fake_terms_apply(&action->pdu, &pdu.bhs);
	stamp(connection, response);
	if (action->text)
		fake_buffer_add(&pdu.data, action->text, action->text_length);
	else if (response->opcode == PDU_REJECT && trigger)
		fake_buffer_add(&pdu.data, trigger, BHS_LENGTH);
	pdu.bhs.data_segment_length = be24_of((uint32_t)pdu.data.length);
	fake_terms_apply(&action->pdu, &pdu.bhs);
	emit(connection, &pdu);
	fake_buffer_free(&pdu.data);
}

void fake_act(struct fake_connection *connection, const struct fake_action *action,
	      const struct bhs *trigger)
{
	switch (action->verb) {
	case FAKE_SEND:
		send_own(connection, action, trigger);
		break;
	case FAKE_AGAIN:
		fake_r2t_again(connection, trigger);
		break;
	case FAKE_DELAY:
		connection->paused_until_ms = fake_now_ms() + action->numbers[0];
		break;
	case FAKE_FREEZE:
		connection->frozen = true;
		break;
	case FAKE_CLOSE:
		connection->closing = true;
		break;
	case FAKE_DROP:
		fake_end(connection, true);
		break;
	case FAKE_RELEASE:
		fake_ghosts_release(connection);
		break;
	default:
		break;
	}
}

/* --- in --- */

struct incoming {
	bool ignore, lose;
	const struct fake_action *answer;
};

void fake_reject(struct fake_connection *connection, const struct bhs *bhs, uint8_t reason)
{
	struct bhs_reject bhs_reject = {
		.opcode = PDU_REJECT,
		.flags = PDU_FINAL,
		.reason = reason,
		.initiator_task_tag = be32_of(RESERVED_TAG),
	};

	fake_send(connection, &bhs_reject, bhs, BHS_LENGTH);
}

static void act_on_incoming(struct fake_connection *connection, const struct bhs *bhs,
			    const struct fake_action *action, struct incoming *fate)
{
	switch (action->verb) {
	case FAKE_EXPECT:
		if (!fake_pattern_fits(&action->pdu, pdu_opcode(bhs), bhs))
			fake_complain(connection, bhs, "not as the script expects it");
		break;
	case FAKE_IGNORE:
		fate->ignore = true;
		break;
	case FAKE_LOSE:
		fate->lose = true;
		break;
	case FAKE_ANSWER:
	case FAKE_WITHHOLD:
	case FAKE_STRAND:
		fate->answer = action;
		break;
	case FAKE_REJECT:
		/* a rejected command does not use up its CmdSN (§7.3) */
		fate->lose = true;
		fake_reject(connection, bhs, (uint8_t)action->numbers[0]);
		if (pdu_opcode(bhs) == PDU_DATA_OUT && action->numbers[0] == REJECT_DATA_DIGEST)
			fake_data_rejected(connection, bhs);
		break;
	default:
		fake_act(connection, action, bhs);
	}
}

static struct incoming apply_rules(struct fake_connection *connection, const struct bhs *bhs)
{
	struct incoming fate = {};

	for (struct fake_rule *rule = connection->target->rules; rule && connection->fd >= 0;
	     rule = rule->next) {
		if (!rule_applies(connection, rule, bhs))
			continue;
		for (struct fake_action *action = rule->actions; action; action = action->next)
			act_on_incoming(connection, bhs, action, &fate);
	}
	return fate;
}

static void check_numbers(struct fake_connection *connection, const struct bhs *bhs)
{
	const struct bhs_request *request = (const struct bhs_request *)bhs;
	uint32_t exp_stat_sn = be32_get(request->exp_stat_sn), cmd_sn = be32_get(request->cmd_sn);
	uint8_t opcode = pdu_opcode(bhs);

	if (!connection->spoke)
		return;
	if (sn_less(connection->stat_sn, exp_stat_sn))
		fake_complain(connection, bhs, "ExpStatSN of what was never sent (4.2.2.2)");
	if (sn_less(exp_stat_sn, connection->heard_stat_sn))
		fake_complain(connection, bhs, "ExpStatSN goes backwards (4.2.2.2)");
	connection->heard_stat_sn = exp_stat_sn;
	fake_recovery_acknowledged(connection, exp_stat_sn);
	if (opcode == PDU_DATA_OUT || opcode == PDU_SNACK)
		return;
	if (cmd_sn != connection->next_cmd_sn &&
	    ((bhs->opcode & PDU_IMMEDIATE) || !fake_order_misses(connection, cmd_sn)))
		fake_complain(connection, bhs, "CmdSN is not the next one (4.2.2.1)");
	if (bhs->opcode & PDU_IMMEDIATE)
		return;
	if (sn_less(connection->max_cmd_sn, cmd_sn))
		fake_complain(connection, bhs, "beyond MaxCmdSN (4.2.2.1)");
}

static void check_request(struct fake_connection *connection, const struct bhs *bhs)
{
	const char *rule = request_broken_rule(bhs);

	if (rule)
		fake_complain(connection, bhs, rule);
	if (!connection->full_feature && pdu_opcode(bhs) != PDU_LOGIN_REQUEST)
		fake_complain(connection, bhs, "before the login is over (4.2.4)");
	if (connection->full_feature && pdu_opcode(bhs) == PDU_LOGIN_REQUEST)
		fake_complain(connection, bhs, "a login request in full feature phase (4.2.4)");
	if (connection->full_feature)
		check_numbers(connection, bhs);
}

/* Such a command is not there at all (§4.2.2.1). */
static bool outside_window(const struct fake_connection *connection, const struct bhs *bhs)
{
	uint32_t cmd_sn = be32_get(((const struct bhs_request *)bhs)->cmd_sn);

	return connection->spoke &&
	       (sn_less(cmd_sn, connection->exp_cmd_sn) || sn_less(connection->max_cmd_sn, cmd_sn));
}

/* Unsolicited data of a command that stands behind a hole in CmdSN. */
static bool waits_for_its_command(struct fake_connection *connection, const struct bhs *bhs)
{
	return pdu_opcode(bhs) == PDU_DATA_OUT && fake_order_waits(connection) &&
	       !fake_find_task(connection, bhs->initiator_task_tag);
}

static void process(struct fake_connection *connection, const struct bhs *bhs, const uint8_t *data,
		    uint32_t length)
{
	bool counts = connection->full_feature && !(bhs->opcode & PDU_IMMEDIATE) &&
		      pdu_opcode(bhs) != PDU_DATA_OUT && pdu_opcode(bhs) != PDU_SNACK;
	struct incoming fate;

	fake_record(connection, pdu_opcode(bhs), bhs, data, length);
	check_request(connection, bhs);
	fate = apply_rules(connection, bhs);
	if (connection->fd < 0 || connection->frozen)
		return;
	if (counts && outside_window(connection, bhs))
		return;
	if (fate.lose) {
		if (counts)
			fake_order_lost(connection,
					be32_get(((const struct bhs_request *)bhs)->cmd_sn));
		return;
	}
	if (counts || waits_for_its_command(connection, bhs)) {
		fake_order_take(connection, bhs, data, length,
				&(struct fake_order){counts, fate.ignore, fate.answer});
		return;
	}
	if (fate.ignore)
		return;
	if (!connection->full_feature) {
		if (pdu_opcode(bhs) == PDU_LOGIN_REQUEST)
			fake_login(connection, (const void *)bhs, data, length);
		else
			fake_end(connection, true);
		return;
	}
	fake_full_feature(connection, bhs, data, length, fate.answer);
}

static void check_padding(struct fake_connection *connection, const struct bhs *bhs,
			  const uint8_t *padding)
{
	for (uint32_t i = 0; i < pdu_padding(pdu_data_length(bhs)); i++)
		if (padding[i] != 0)
			fake_complain(connection, bhs, "padding that is not 0 (11.1)");
}

static bool digest_is(const uint8_t *bytes, size_t length)
{
	return crc32c(0, bytes, length) == crc32c_from_wire(bytes + length);
}

bool fake_take(struct fake_connection *connection)
{
	const uint8_t *at = connection->in.bytes, *data;
	bool header_digest = connection->digests_on && connection->header_digest;
	bool data_digest = connection->digests_on && connection->data_digest;
	size_t header, total;
	uint32_t length, limit;
	struct bhs bhs;

	if (connection->in.length < BHS_LENGTH)
		return false;
	memcpy(&bhs, at, BHS_LENGTH);
	length = pdu_data_length(&bhs);
	limit = connection->full_feature ? connection->max_recv : LOGIN_DATA_SEGMENT;
	if (length > limit) {
		fake_complain(connection, &bhs, "more data than MaxRecvDataSegmentLength (13.12)");
		fake_end(connection, true);
		return false;
	}
	header = BHS_LENGTH + pdu_ahs_length(&bhs);
	data = at + header + (header_digest ? DIGEST_LENGTH : 0);
	total = (size_t)(data - at) + pdu_padded(length) +
		(data_digest && length ? DIGEST_LENGTH : 0);
	if (connection->in.length < total)
		return false;
	if (header_digest && !digest_is(at, header))
		fake_complain(connection, &bhs, "a wrong header digest (11.2.3)");
	if (data_digest && length && !digest_is(data, pdu_padded(length)))
		fake_complain(connection, &bhs, "a wrong data digest (11.2.3)");
	memcpy(connection->ahs, at + BHS_LENGTH, pdu_ahs_length(&bhs));
	check_padding(connection, &bhs, data + length);
	process(connection, &bhs, data, length);
	fake_buffer_drop(&connection->in, total);
	return true;
}
