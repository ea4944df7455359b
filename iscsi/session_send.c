/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What a session sends next. */

#include <errno.h>

#include "iscsi/session_private.h"
#include "util/ring.h"

/* §11.18: ITT reserved, TTT and LUN copied, immediate, CmdSN not consumed */
static bool session_next_nop_reply(struct session *session, struct pdu_slot *slot)
{
	struct nop_reply reply = session->nop_replies[0];

	if (session->nop_reply_count == 0)
		return false;
	session->nop_reply_count--;
	memmove(session->nop_replies, session->nop_replies + 1,
		session->nop_reply_count * sizeof(session->nop_replies[0]));
	slot->nop_out = (struct bhs_nop_out){
		.opcode = PDU_NOP_OUT | PDU_IMMEDIATE,
		.flags = PDU_FINAL,
		.lun = reply.lun,
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.target_transfer_tag = reply.target_transfer_tag,
		.cmd_sn = be32_of(session->cmd_sn),
	};
	session->statistics.noptx_pdus++;
	return true;
}

int session_queue_nop(struct session *session, be64 lun, be32 target_transfer_tag, const char **why)
{
	if (session->nop_reply_count == NOP_REPLIES_MAX) {
		*why = "more pings than can be answered";
		return -EPROTO;
	}
	session->nop_replies[session->nop_reply_count++] = (struct nop_reply){
		.lun = lun,
		.target_transfer_tag = target_transfer_tag,
	};
	connection_kick(session->connection);
	return 0;
}

uint32_t session_ping_answered(struct session *session)
{
	session->ping_tag = RESERVED_TAG;
	return connection_ping_answered(session->connection);
}

/* Other bytes each time, so that an old echo is not taken for a new one. */
static void session_fill_ping(struct session *session, struct pdu_slot *slot)
{
	uint32_t length =
		MIN(session->settings.ping_bytes, session->negotiated.max_xmit_data_segment_length);

	session->ping_length = length;
	if (!length)
		return;
	for (uint32_t i = 0; i < length; i++)
		session->ping_data[i] = (uint8_t)(session->ping_tag * 31 + i * 7 + (i >> 8));
	slot->data = session->ping_data;
	slot->data_length = length;
}

static bool session_next_ping(struct session *session, struct pdu_slot *slot)
{
	if (!session->ping_due)
		return false;
	session->ping_due = false;
	session->ping_tag = TAG_PING | session->tag_counter++;
	slot->nop_out = (struct bhs_nop_out){
		.opcode = PDU_NOP_OUT | PDU_IMMEDIATE,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(session->ping_tag),
		.target_transfer_tag = be32_of(RESERVED_TAG),
		.cmd_sn = be32_of(session->cmd_sn),
	};
	session_fill_ping(session, slot);
	session->statistics.noptx_pdus++;
	return true;
}

static bool session_next_management(struct session *session, struct pdu_slot *slot)
{
	if (!task_management_next_pdu(&session->management, session->cmd_sn, slot))
		return false;
	session_management_sent(session);
	return true;
}

/* §11.14: reason 0; immediate, so that a closed window cannot hold it */
static bool session_next_logout(struct session *session, struct pdu_slot *slot)
{
	if (!session->logout_due)
		return false;
	session->logout_sent = true;
	session->logout_tag = TAG_LOGOUT | session->tag_counter++;
	slot->logout = (struct bhs_logout_request){
		.opcode = PDU_LOGOUT_REQUEST | PDU_IMMEDIATE,
		.flags = PDU_FINAL | LOGOUT_CLOSE_SESSION,
		.initiator_task_tag = be32_of(session->logout_tag),
		.cmd_sn = be32_of(session->cmd_sn),
	};
	session->statistics.logout_pdus++;
	return true;
}

static bool session_next_command(struct session *session, struct pdu_slot *slot)
{
	struct task *task = session->management.current
				    ? session_first_not_held(session)
				    : list_first(&session->queued, struct task, link);

	if (!task)
		return false;
	if (!session_window_open(session)) {
		if (!ring_timer_armed(&session->window_timer))
			ring_timer_arm(session->ring, &session->window_timer, WINDOW_THROTTLED_MS);
		return false;
	}
	list_remove(&task->link);
	/* CmdSN is given at the moment of sending: whatever has one is sent (§4.2.2.1). */
	task_command_pdu(task, &session->negotiated, session->cmd_sn++, slot);
	if (task_has_data(task))
		list_append(&session->data, &task->link);
	session->statistics.scsicmd_pdus++;
	return true;
}

static bool session_next_data(struct session *session, struct pdu_slot *slot)
{
	struct task *task;

	while ((task = list_first(&session->data, struct task, link)) && task->suspended)
		list_remove(&task->link);
	if (!task)
		return false;
	task_data_pdu(task, &session->negotiated, slot);
	if (!task_has_data(task))
		list_remove(&task->link);
	session->statistics.dataout_pdus++;
	return true;
}

bool session_next_pdu(struct connection *connection, struct pdu_slot *slot)
{
	struct session *session = connection_owner(connection);

	slot->data_length = 0;
	slot->owner = NULL;
	if (session->logout_sent)
		return false; /* §11.14: no new requests after it */
	if (session->recovery && session_next_recovery(session, slot))
		return true;
	if (session_next_nop_reply(session, slot) || session_next_ping(session, slot) ||
	    session_next_logout(session, slot) || session_next_text(session, slot) ||
	    session_next_management(session, slot))
		return true;
	/* In turns: a long write must not keep short commands waiting, nor they it. */
	session->data_turn = !session->data_turn;
	if (session->data_turn)
		return session_next_data(session, slot) || session_next_command(session, slot);
	return session_next_command(session, slot) || session_next_data(session, slot);
}

bool session_ping(struct connection *connection)
{
	struct session *session = connection_owner(connection);

	session->ping_due = true;
	connection_kick(connection);
	return true;
}
