/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What a session received: one handler for each opcode. */

#include <errno.h>
#include <string.h>

#include "iscsi/logical_unit.h"
#include "iscsi/session_private.h"
#include "scsi/nexus.h"
#include "scsi/sense.h"
#include "util/ring.h"

typedef int session_handler(struct session *session, const struct bhs *bhs, const uint8_t *data,
			    const char **why);

static int session_data_in(struct session *session, const struct bhs *bhs, const uint8_t *data,
			   const char **why)
{
	const struct bhs_data_in *data_in = (const struct bhs_data_in *)bhs;
	struct task *task;
	int r;

	session->statistics.datain_pdus++;
	if (session->recovery)
		return session_recovery_data_in(session, data_in, true, why);
	if (!(data_in->flags & DATA_IN_STATUS))
		return 0;
	task = session_find_task(session, data_in->initiator_task_tag);
	if (!task) {
		session_abandoned_over(session, data_in->initiator_task_tag);
		return 0;
	}
	r = task_status_in_data(task, data_in, why);
	if (r == 0)
		session_answer_task(session, task);
	return r;
}

/*
 * Nobody waits for it any more. But a unit attention is told once (SAM-5 §5.14), and whoever sends
 * to that unit has to know of it.
 */
static void session_abandoned_response(struct session *session,
				       const struct bhs_scsi_response *response,
				       const uint8_t *data)
{
	struct task *task = session_find_sent(session, response->initiator_task_tag);
	struct scsi_result result = {.outcome = SCSI_COMPLETED, .status = response->status};
	struct logical_unit *unit;
	struct scsi_sense sense;

	if (!task || task->command)
		return;
	if (data && response->response == SCSI_RESPONSE_COMPLETED)
		task_sense(response, data, &result);
	sense = sense_of(&result);
	unit = logical_units_find(&session->units, be64_get(task->lun));
	session_answer_task(session, task);
	if (unit && sense.valid && !sense.deferred && sense.key == SENSE_UNIT_ATTENTION)
		nexus_attention(&unit->nexus, &result);
}

static int session_scsi_response(struct session *session, const struct bhs *bhs,
				 const uint8_t *data, const char **why)
{
	const struct bhs_scsi_response *response = (const struct bhs_scsi_response *)bhs;
	struct task *task = session_find_task(session, response->initiator_task_tag);
	int r;

	session->statistics.scsirsp_pdus++;
	if (!task) { /* aborted meanwhile, or abandoned */
		session_abandoned_response(session, response, data);
		return 0;
	}
	/* RFC 7144 §5.2.1: it is nothing but a reserved field below level 2. */
	if (session->negotiated.protocol_level >= 2)
		task->command->result.status_qualifier = be16_get(response->status_qualifier);
	if (session->recovery)
		return session_recovery_response(session, task, response, data, why);
	r = task_response(task, response, data, why);
	if (r == 0)
		session_answer_task(session, task);
	return r;
}

static int session_r2t(struct session *session, const struct bhs *bhs, const uint8_t *data,
		       const char **why)
{
	const struct bhs_r2t *r2t = (const struct bhs_r2t *)bhs;
	struct task *task = session_find_task(session, r2t->initiator_task_tag);
	int r;

	session->statistics.r2t_pdus++;
	if (!task)
		return 0; /* it crossed an abort: nothing can be sent for it any more */
	r = session->recovery ? session_recovery_r2t(session, task, r2t, why)
			      : task_r2t(task, &session->negotiated, r2t, why);
	if (r < 0)
		return r;
	if (task_has_data(task) && !task->suspended && list_empty(&task->link))
		list_append(&session->data, &task->link);
	connection_kick(session->connection);
	return 0;
}

/* §11.19.2: what we sent, as far as it fits into what we take */
static bool session_is_echo(const struct session *session, const uint8_t *data, uint32_t length)
{
	uint32_t expected =
		MIN(session->ping_length, session->negotiated.max_recv_data_segment_length);

	return expected == 0 ||
	       (length == expected && memcmp(data, session->ping_data, expected) == 0);
}

static int session_nop_in(struct session *session, const struct bhs *bhs, const uint8_t *data,
			  const char **why)
{
	const struct bhs_nop_in *nop = (const struct bhs_nop_in *)bhs;
	bool answer = be32_get(nop->initiator_task_tag) != RESERVED_TAG;
	bool wants_answer = be32_get(nop->target_transfer_tag) != RESERVED_TAG;

	session->statistics.noprx_pdus++;
	if (answer && wants_answer) {
		*why = "NOP-In that is answer and question at once";
		return -EPROTO;
	}
	if (wants_answer)
		return session_queue_nop(session, nop->lun, nop->target_transfer_tag, why);
	if (!answer)
		return 0;
	if (be32_get(nop->initiator_task_tag) != session->ping_tag)
		return session->recovery
			       ? session_recovery_probed(session, nop->initiator_task_tag, why)
			       : 0;
	if (!session_is_echo(session, data, pdu_data_length(bhs))) {
		*why = "the answer to a ping has other data than the ping";
		return -EPROTO;
	}
	session->statistics.ping_rtt_us = session_ping_answered(session);
	return 0;
}

static int session_logout_response(struct session *session, const struct bhs *bhs,
				   const uint8_t *data, const char **why)
{
	const struct bhs_logout_response *response = (const struct bhs_logout_response *)bhs;

	session->statistics.logoutrsp_pdus++;
	if (!session->logout_sent ||
	    be32_get(response->initiator_task_tag) != session->logout_tag) {
		*why = "logout response without a request";
		return -EPROTO;
	}
	session->tasks_over = response->response == LOGOUT_CLOSED;
	session->logout_complete =
		session->tasks_over || response->response == LOGOUT_CID_NOT_FOUND;
	if (!session->logout_complete)
		session->wait_seconds = be16_get(response->time2wait);
	connection_drop(session->connection, CONNECTION_CLOSED_BY_TARGET, 0, "logged out");
	return 0;
}

/* Of a flood only so much reaches the observer: the listener behind it has other work. */
static void session_tell(struct session *session, const struct async_message *message)
{
	if (async_queue_idle(&session->async))
		ring_timer_arm(session->ring, &session->async_timer, ASYNC_WINDOW_MS);
	if (async_queue_put(&session->async, message))
		session->observer->async_event(session, message, session->userdata);
}

void session_async_window_over(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, async_timer);
	struct async_message message;

	async_queue_renew(&session->async);
	while (async_queue_next(&session->async, &message))
		session->observer->async_event(session, &message, session->userdata);
	if (!async_queue_idle(&session->async))
		ring_timer_arm(session->ring, timer, ASYNC_WINDOW_MS);
}

/* §11.9.4: SenseLength and sense data; a length beyond the segment is cut, not believed. */
static void session_async_read(const struct bhs_async_message *async, const uint8_t *data,
			       struct async_message *ret)
{
	struct reader reader = reader_of(data, data ? be24_get(async->data_segment_length) : 0);
	size_t length = reader_u16(&reader);

	*ret = (struct async_message){
		.event = async->async_event,
		.lun = be64_get(async->lun),
	};
	if (async->async_event != ASYNC_SCSI_EVENT || reader.failed)
		return;
	length = MIN(length, reader.left);
	ret->sense_length = (uint8_t)MIN(length, sizeof(ret->sense));
	memcpy(ret->sense, reader.at, ret->sense_length);
}

static int session_async(struct session *session, const struct bhs *bhs, const uint8_t *data,
			 const char **why)
{
	const struct bhs_async_message *async = (const struct bhs_async_message *)bhs;
	struct async_message message;

	session->statistics.async_pdus++;
	switch (async->async_event) {
	case ASYNC_LOGOUT_REQUEST:
		session_asked_to_log_out(session, be16_get(async->parameter3));
		return 0;
	case ASYNC_NEGOTIATION_REQUEST: /* a logout would be an answer as well (§11.9.1) */
		session_renegotiate(session);
		return 0;
	case ASYNC_CONNECTION_DROP:
	case ASYNC_SESSION_DROP:
		session->target_asked = true;
		session->wait_seconds = be16_get(async->parameter2);
		connection_drop(session->connection, CONNECTION_CLOSED_BY_TARGET, -ECONNRESET,
				"the target announced that it drops the connection");
		return 0;
	case ASYNC_TASK_TERMINATION:
		if (session->negotiated.task_reporting == TASK_REPORTING_FAST_ABORT)
			return session_tasks_terminated(session, async->lun, why);
		__attribute__((fallthrough)); /* it means nothing without that */
	default:
		session_async_read(async, data, &message);
		session_tell(session, &message);
		return 0;
	}
}

/* Indexed by opcode without bit 0x20, which all of the target's opcodes have. */
static session_handler *const session_handlers[0x20] = {
	[PDU_NOP_IN & 0x1f] = session_nop_in,
	[PDU_SCSI_RESPONSE & 0x1f] = session_scsi_response,
	[PDU_TASK_MANAGEMENT_RESPONSE & 0x1f] = session_management_response,
	[PDU_TEXT_RESPONSE & 0x1f] = session_text_response,
	[PDU_DATA_IN & 0x1f] = session_data_in,
	[PDU_LOGOUT_RESPONSE & 0x1f] = session_logout_response,
	[PDU_R2T & 0x1f] = session_r2t,
	[PDU_ASYNC_MESSAGE & 0x1f] = session_async,
	[PDU_REJECT & 0x1f] = session_reject,
};

static session_handler *session_find_handler(const struct bhs *bhs)
{
	uint8_t opcode = pdu_opcode(bhs);

	return opcode & 0x20 ? session_handlers[opcode & 0x1f] : NULL;
}

int session_header(struct connection *connection, const struct bhs *bhs, void **data,
		   const char **why)
{
	struct session *session = connection_owner(connection);
	struct task *task;

	if (!session_find_handler(bhs)) {
		*why = "a PDU that has no place in full feature phase";
		return -EPROTO;
	}
	if (pdu_opcode(bhs) != PDU_DATA_IN)
		return 0;
	task = session_find_task(session, bhs->initiator_task_tag);
	if (!task)
		return 0; /* late data of an aborted task: collected and forgotten */
	if (session->recovery)
		return session_recovery_header(session, task, (const struct bhs_data_in *)bhs, data,
					       why);
	return task_data_in(task, &session->negotiated, (const struct bhs_data_in *)bhs, data, why);
}

/* §4.2.2.1: numbers only move forward, and a window that ends before it begins means nothing. */
static void session_update_window(struct session *session, const struct bhs_response *bhs)
{
	uint32_t exp_cmd_sn = be32_get(bhs->exp_cmd_sn), max_cmd_sn = be32_get(bhs->max_cmd_sn);
	bool was_open = session_window_open(session);

	if (sn_less(max_cmd_sn, exp_cmd_sn - 1))
		return;
	if (sn_less(session->max_cmd_sn, max_cmd_sn))
		session->max_cmd_sn = max_cmd_sn;
	if (!was_open && session_window_open(session)) {
		connection_kick(session->connection);
		session_window_opened(session);
	}
	if (session->recovery)
		recovery_acknowledged(session->recovery, exp_cmd_sn, ring_now_ns(session->ring));
}

/* Only this much of an answer behind a lost one cannot wait until that has come (again). */
static int session_look_ahead(struct session *session, const struct bhs *bhs, const uint8_t *data,
			      const char **why)
{
	const struct bhs *rejected = (const struct bhs *)data;

	switch (pdu_opcode(bhs)) {
	case PDU_LOGOUT_RESPONSE: /* nothing can be asked for after a logout (§11.14) */
		return session_logout_response(session, bhs, data, why);
	case PDU_REJECT: /* of the very question? */
		if (!data || pdu_data_length(bhs) < BHS_LENGTH || pdu_opcode(rejected) != PDU_SNACK)
			return 0;
		return session_recovery_reject(session, (const struct bhs_reject *)bhs, rejected,
					       why);
	default:
		return 0;
	}
}

int session_out_of_order(struct connection *connection, const struct bhs *bhs, const uint8_t *data,
			 const char **why)
{
	struct session *session = connection_owner(connection);
	uint32_t stat_sn = be32_get(((const struct bhs_response *)bhs)->stat_sn);
	bool duplicate = sn_less(stat_sn, connection_exp_stat_sn(connection));
	int r = 0;

	if (!session->recovery) {
		*why = "StatSN skips: an answer was lost";
		return duplicate ? 0 : -EPROTO;
	}
	session_update_window(session, (const struct bhs_response *)bhs);
	/* Its data may be what is missing, whatever became of its status. */
	if (pdu_opcode(bhs) == PDU_DATA_IN)
		r = session_recovery_data_in(session, (const struct bhs_data_in *)bhs, false, why);
	if (r < 0 || duplicate)
		return r;
	r = session_look_ahead(session, bhs, data, why);
	return r < 0 ? r : session_recovery_ahead(session, stat_sn, why);
}

int session_received(struct connection *connection, const struct bhs *bhs, const uint8_t *data,
		     const char **why)
{
	struct session *session = connection_owner(connection);

	session_update_window(session, (const struct bhs_response *)bhs);
	if (session->recovery && session_recovery_observe(session, bhs, why) < 0)
		return -EPROTO;
	return session_find_handler(bhs)(session, bhs, data, why);
}
