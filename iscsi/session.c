/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/session.h"

#include <assert.h>
#include <errno.h>

#include "iscsi/connection.h"
#include "iscsi/logical_unit.h"
#include "iscsi/task.h"
#include "iscsi/task_management.h"
#include "scsi/command.h"
#include "util/cleanup.h"
#include "util/ring.h"

/*
 * Initiator task tags: the task's index in the low bits and a generation above, so that a late PDU
 * of an earlier task matches nothing. Pings and logouts have tags of their own.
 */
#define TAG_INDEX_BITS	12
#define TAG_INDEX_MASK	((1u << TAG_INDEX_BITS) - 1)
#define TAG_GENERATIONS (1u << 19)
#define TAG_PING	0xc1000000u
#define TAG_LOGOUT	0xc2000000u

#define NOP_REPLIES_MAX	 16    /* target's pings that wait for an answer; more is a flood */
#define DEADLINE_TICK_MS 250   /* how exactly command deadlines are kept */
#define DRAIN_MAX_MS	 2000u /* how long running commands may hold up a logout */

struct nop_reply {
	be64 lun;
	be32 target_transfer_tag;
};

struct session {
	struct ring *ring;
	struct session_settings settings;
	const struct session_observer *observer;
	void *userdata;
	struct session_statistics statistics;

	struct connection *connection;
	struct negotiated negotiated;
	bool attached;
	uint32_t cmd_sn, max_cmd_sn;

	struct task *tasks;
	struct list free;     /* struct task */
	struct list queued;   /* have a tag, command not sent yet */
	struct list data;     /* have Data-Out PDUs due */
	struct list waiting;  /* struct scsi_command, for which no tag is free */
	struct list given_up; /* struct scsi_command: over, done() comes at the end of the turn */
	struct deferred give_up;
	uint32_t outstanding; /* commands in the session, but for those given up */
	bool data_turn;	      /* Data-Out and new commands take turns */

	struct task_management management;
	struct ring_timer management_timer;
	struct ring_timer deadline_timer;
	uint32_t deadlines; /* outstanding commands that have one */

	struct nop_reply nop_replies[NOP_REPLIES_MAX];
	uint8_t nop_reply_count;
	bool ping_due;
	uint32_t ping_tag; /* of the ping in flight; RESERVED_TAG: none */
	uint16_t tag_counter;

	bool logout_wanted; /* take no new commands */
	bool logout_due;    /* nor send any: the request is next */
	bool logout_sent, logout_complete, tasks_over;
	uint32_t logout_tag;
	struct ring_timer logout_timer;
	bool target_asked;     /* the loss to come is the target's wish */
	unsigned wait_seconds; /* it wants no login before */

	struct list units; /* struct logical_unit */
};

DEFINE_OWNED(session);

/* Tasks. */

static struct task *session_find_task(struct session *session, be32 tag)
{
	uint32_t initiator_task_tag = be32_get(tag), index = initiator_task_tag & TAG_INDEX_MASK;
	struct task *task;

	if (index >= session->settings.commands_max)
		return NULL;
	task = &session->tasks[index];
	if (task->state != TASK_SENT || task->initiator_task_tag != initiator_task_tag)
		return NULL;
	return task;
}

static void session_start_task(struct session *session, struct nexus *nexus,
			       struct scsi_command *command)
{
	struct task *task = list_pop(&session->free, struct task, link);
	uint32_t index = (uint32_t)(task - session->tasks);
	uint32_t generation = (task->initiator_task_tag >> TAG_INDEX_BITS) + 1;

	task->initiator_task_tag = (generation % TAG_GENERATIONS) << TAG_INDEX_BITS | index;
	task_start(task, nexus, command);
	list_append(&session->queued, &task->link);
	connection_kick(session->connection);
}

static void session_release_task(struct session *session, struct task *task)
{
	list_remove(&task->link);
	task_management_forget(task);
	task->state = TASK_FREE;
	task->command = NULL;
	list_prepend(&session->free, &task->link);
}

/* A command that waited for a tag remembers its nexus where its task will be. */
static void session_admit_waiting(struct session *session)
{
	struct scsi_command *command;

	while (!list_empty(&session->free) &&
	       (command = list_pop(&session->waiting, struct scsi_command, link)))
		session_start_task(session, command->task, command);
}

static void session_logout_now(struct session *session);
static void session_drain(struct session *session, uint32_t grace_ms);

/* One command less in the session. */
static void session_command_over(struct session *session, const struct scsi_command *command)
{
	if (command->timeout_ms && --session->deadlines == 0)
		ring_timer_disarm(session->ring, &session->deadline_timer);
	if (--session->outstanding > 0)
		return;
	connection_set_busy(session->connection, false);
	if (session->logout_wanted)
		session_logout_now(session);
}

static void session_finish_task(struct session *session, struct task *task)
{
	struct scsi_command *command = task->command;

	session_release_task(session, task);
	session_command_over(session, command);
	session_admit_waiting(session);
	command->done(command);
}

/* The answer is known; the command ends as soon as the kernel no longer reads its data. */
static void session_answer_task(struct session *session, struct task *task)
{
	task_management_forget(task);
	list_remove(&task->link); /* no more data is sent */
	task->state = TASK_ANSWERED;
	if (task->leaving == 0)
		session_finish_task(session, task);
}

static int session_execute(void *owner, struct nexus *nexus, struct scsi_command *command)
{
	struct session *session = owner;

	if (!session->attached || session->logout_wanted)
		return -ENOTCONN;
	command->submitted_ns = ring_now_ns(session->ring);
	if (command->timeout_ms && session->deadlines++ == 0)
		ring_timer_arm(session->ring, &session->deadline_timer, DEADLINE_TICK_MS);
	if (session->outstanding++ == 0)
		connection_set_busy(session->connection, true);
	if (list_empty(&session->free)) {
		command->task = nexus;
		list_append(&session->waiting, &command->link);
	} else {
		session_start_task(session, nexus, command);
	}
	return 0;
}

/* Aborts and deadlines. */

/* No byte of it was sent, and none will be. */
static void session_give_up(struct session *session, struct scsi_command *command)
{
	command->result = (struct scsi_result){.outcome = SCSI_NOT_SENT};
	list_append(&session->given_up, &command->link);
	session_command_over(session, command);
	ring_defer(session->ring, &session->give_up);
}

static void session_end_given_up(struct deferred *deferred)
{
	struct session *session = container_of(deferred, struct session, give_up);
	struct scsi_command *command;
	struct list commands;

	/* Only what is there now: done() may submit and abort again. */
	list_init(&commands);
	list_splice(&commands, &session->given_up);
	while ((command = list_pop(&commands, struct scsi_command, link)))
		command->done(command);
}

static void session_abort_task(struct session *session, struct task *task)
{
	struct scsi_command *command = task->command;

	if (task->state == TASK_QUEUED) {
		session_release_task(session, task);
		session_give_up(session, command);
		session_admit_waiting(session);
	} else if (task->state == TASK_SENT) {
		task_management_abort(&session->management, task);
		connection_kick(session->connection);
	}
}

static void session_abort(void *owner, struct scsi_command *command)
{
	struct session *session = owner;
	struct scsi_command *waiting;

	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (task->state != TASK_FREE && task->command == command) {
			session_abort_task(session, task);
			return;
		}
	}
	list_for_each (waiting, &session->waiting, link) {
		if (waiting == command) {
			list_remove(&command->link);
			session_give_up(session, command);
			return;
		}
	}
}

static bool session_overdue(const struct session *session, const struct scsi_command *command)
{
	return command->timeout_ms &&
	       ring_now_ns(session->ring) >=
		       command->submitted_ns + command->timeout_ms * UINT64_C(1000000);
}

static void session_check_deadlines(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, deadline_timer);
	struct scsi_command *command, *next;

	/* These first: the end of a task lets them become tasks. */
	list_for_each_safe (command, next, &session->waiting, link) {
		if (session_overdue(session, command)) {
			list_remove(&command->link);
			session_give_up(session, command);
		}
	}
	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (task->state != TASK_FREE && session_overdue(session, task->command))
			session_abort_task(session, task);
	}
	if (session->deadlines)
		ring_timer_arm(session->ring, timer, DEADLINE_TICK_MS);
}

/* What to send next. */

static bool session_window_open(const struct session *session)
{
	return sn_less_equal(session->cmd_sn, session->max_cmd_sn);
}

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
	session->statistics.noptx_pdus++;
	return true;
}

static bool session_next_management(struct session *session, struct pdu_slot *slot)
{
	if (!task_management_next_pdu(&session->management, session->cmd_sn, slot))
		return false;
	session->statistics.tmfcmd_pdus++;
	if (session->settings.abort_timeout_ms)
		ring_timer_arm(session->ring, &session->management_timer,
			       session->settings.abort_timeout_ms);
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
	struct task *task = list_first(&session->queued, struct task, link);

	if (!task || !session_window_open(session))
		return false;
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
	struct task *task = list_first(&session->data, struct task, link);

	if (!task)
		return false;
	task_data_pdu(task, &session->negotiated, slot);
	if (!task_has_data(task))
		list_remove(&task->link);
	session->statistics.dataout_pdus++;
	return true;
}

static bool session_next_pdu(struct connection *connection, struct pdu_slot *slot)
{
	struct session *session = connection_owner(connection);

	slot->data_length = 0;
	slot->owner = NULL;
	if (session->logout_sent)
		return false; /* §11.14: no new requests after it */
	if (session_next_nop_reply(session, slot) || session_next_ping(session, slot) ||
	    session_next_logout(session, slot) || session_next_management(session, slot))
		return true;
	/* In turns: a long write must not keep short commands waiting, nor they it. */
	session->data_turn = !session->data_turn;
	if (session->data_turn)
		return session_next_data(session, slot) || session_next_command(session, slot);
	return session_next_command(session, slot) || session_next_data(session, slot);
}

static void session_pdu_left(struct connection *connection, void *owner)
{
	struct task *task = owner;

	task->leaving--;
	if (task->state == TASK_ANSWERED && task->leaving == 0)
		session_finish_task(connection_owner(connection), task);
}

/* What came. */

typedef int session_handler(struct session *session, const struct bhs *bhs, const uint8_t *data,
			    const char **why);

static int session_data_in(struct session *session, const struct bhs *bhs, const uint8_t *data,
			   const char **why)
{
	const struct bhs_data_in *data_in = (const struct bhs_data_in *)bhs;
	struct task *task;
	int r;

	session->statistics.datain_pdus++;
	if (!(data_in->flags & DATA_IN_STATUS))
		return 0;
	task = session_find_task(session, data_in->initiator_task_tag);
	if (!task)
		return 0;
	r = task_status_in_data(task, data_in, why);
	if (r == 0)
		session_answer_task(session, task);
	return r;
}

static int session_scsi_response(struct session *session, const struct bhs *bhs,
				 const uint8_t *data, const char **why)
{
	const struct bhs_scsi_response *response = (const struct bhs_scsi_response *)bhs;
	struct task *task = session_find_task(session, response->initiator_task_tag);
	int r;

	session->statistics.scsirsp_pdus++;
	if (!task)
		return 0; /* of a task that was aborted meanwhile */
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
	r = task_r2t(task, &session->negotiated, r2t, why);
	if (r < 0)
		return r;
	if (task_has_data(task) && list_empty(&task->link))
		list_append(&session->data, &task->link);
	connection_kick(session->connection);
	return 0;
}

static uint32_t session_ping_answered(struct session *session)
{
	session->ping_tag = RESERVED_TAG;
	return connection_ping_answered(session->connection);
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
	if (answer && be32_get(nop->initiator_task_tag) == session->ping_tag)
		session->statistics.ping_rtt_us = session_ping_answered(session);
	if (!wants_answer)
		return 0;
	if (session->nop_reply_count == NOP_REPLIES_MAX) {
		*why = "more pings than can be answered";
		return -EPROTO;
	}
	session->nop_replies[session->nop_reply_count++] = (struct nop_reply){
		.lun = nop->lun,
		.target_transfer_tag = nop->target_transfer_tag,
	};
	connection_kick(session->connection);
	return 0;
}

static int session_management_response(struct session *session, const struct bhs *bhs,
				       const uint8_t *data, const char **why)
{
	uint32_t tag;
	struct task *task;

	session->statistics.tmfrsp_pdus++;
	switch (task_management_response(&session->management,
					 (const struct bhs_task_management_response *)bhs, &tag)) {
	case TASK_MANAGEMENT_IGNORED:
		return 0;
	case TASK_MANAGEMENT_REFUSED:
		*why = "the target refuses to abort a task";
		return -ETIMEDOUT;
	case TASK_MANAGEMENT_TASK_OVER:
		break;
	}
	ring_timer_disarm(session->ring, &session->management_timer);
	task = session_find_task(session, be32_of(tag));
	if (task) {
		task->command->result.outcome = SCSI_ABORTED;
		session_answer_task(session, task);
	}
	connection_kick(session->connection);
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

/* The target wants us to log out within @seconds, "as early as possible" (§11.9.1). */
static void session_asked_to_log_out(struct session *session, unsigned seconds)
{
	if (session->logout_wanted) {
		session_logout_now(session);
		return;
	}
	session->target_asked = true;
	session_drain(session, MIN(seconds * 500u, DRAIN_MAX_MS));
}

static int session_async(struct session *session, const struct bhs *bhs, const uint8_t *data,
			 const char **why)
{
	const struct bhs_async_message *async = (const struct bhs_async_message *)bhs;

	session->statistics.async_pdus++;
	switch (async->async_event) {
	case ASYNC_LOGOUT_REQUEST:
	case ASYNC_NEGOTIATION_REQUEST: /* logging out is the other legal answer (§11.9.1) */
		session_asked_to_log_out(session, be16_get(async->parameter3));
		return 0;
	case ASYNC_CONNECTION_DROP:
	case ASYNC_SESSION_DROP:
		session->target_asked = true;
		session->wait_seconds = be16_get(async->parameter2);
		connection_drop(session->connection, CONNECTION_CLOSED_BY_TARGET, -ECONNRESET,
				"the target announced that it drops the connection");
		return 0;
	default:
		session->observer->async_event(session, async->async_event, be64_get(async->lun),
					       session->userdata);
		return 0;
	}
}

static int session_reject(struct session *session, const struct bhs *bhs, const uint8_t *data,
			  const char **why)
{
	const struct bhs *rejected = (const struct bhs *)data;

	session->statistics.rjt_pdus++;
	*why = "the target rejected a PDU";
	if (!data || pdu_data_length(bhs) < BHS_LENGTH)
		return -EPROTO;
	switch (pdu_opcode(rejected)) {
	case PDU_NOP_OUT:
		/* There was no room for an immediate ping: it is alive all the same. */
		if (be32_get(rejected->initiator_task_tag) == session->ping_tag)
			session_ping_answered(session);
		return 0;
	case PDU_DATA_OUT:
		/* A Reject ends no task: its response still comes (§7.3, §11.17.1). */
		return 0;
	default:
		/* It leaves a task whose fate is unclear or a hole in CmdSN: at recovery level 0
		 * only a new session helps. */
		return -EPROTO;
	}
}

/* Indexed by opcode without bit 0x20, which all of the target's opcodes have. */
static session_handler *const session_handlers[0x20] = {
	[PDU_NOP_IN & 0x1f] = session_nop_in,
	[PDU_SCSI_RESPONSE & 0x1f] = session_scsi_response,
	[PDU_TASK_MANAGEMENT_RESPONSE & 0x1f] = session_management_response,
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

static int session_header(struct connection *connection, const struct bhs *bhs, void **data,
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
	if (!was_open && session_window_open(session))
		connection_kick(session->connection);
}

static int session_received(struct connection *connection, const struct bhs *bhs,
			    const uint8_t *data, const char **why)
{
	struct session *session = connection_owner(connection);

	session_update_window(session, (const struct bhs_response *)bhs);
	return session_find_handler(bhs)(session, bhs, data, why);
}

static bool session_ping(struct connection *connection)
{
	struct session *session = connection_owner(connection);

	session->ping_due = true;
	connection_kick(connection);
	return true;
}

/* The end of a connection. */

static const enum session_loss loss_of_end[] = {
	[CONNECTION_CLOSED_BY_TARGET] = SESSION_LOSS_CLOSED,
	[CONNECTION_SILENT] = SESSION_LOSS_TIMEOUT,
	[CONNECTION_PROTOCOL_ERROR] = SESSION_LOSS_PROTOCOL,
	[CONNECTION_DIGEST_ERROR] = SESSION_LOSS_DIGEST,
	[CONNECTION_DROPPED] = SESSION_LOSS_LOCAL,
};

/* What is known of a task's fate when its connection is gone (answered ones have their result). */
static enum scsi_outcome session_outcome(const struct session *session, const struct task *task)
{
	switch (task->state) {
	case TASK_QUEUED:
		return SCSI_NOT_SENT;
	case TASK_SENT:
		/* A logout that was answered has ended all tasks (§11.14). */
		return session->tasks_over ? SCSI_ABORTED : SCSI_IN_DOUBT;
	default:
		return task->command->result.outcome;
	}
}

static void session_collect_commands(struct session *session, struct list *commands)
{
	struct scsi_command *command;

	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (task->state == TASK_FREE)
			continue;
		command = task->command;
		command->result.outcome = session_outcome(session, task);
		session_release_task(session, task);
		session_command_over(session, command);
		list_append(commands, &command->link);
	}
	while ((command = list_pop(&session->waiting, struct scsi_command, link)))
		session_give_up(session, command);
	list_splice(commands, &session->given_up);
	ring_undefer(&session->give_up);
}

static void session_ended(struct connection *connection, enum connection_end end, int error,
			  const char *text)
{
	struct session *session = connection_owner(connection);
	enum session_loss loss = loss_of_end[end];
	struct scsi_command *command;
	struct list commands;

	list_init(&commands);
	session->attached = false;
	logical_units_set_up(&session->units, false);
	session_collect_commands(session, &commands);
	ring_timer_disarm(session->ring, &session->management_timer);
	ring_timer_disarm(session->ring, &session->logout_timer);
	if (session->target_asked)
		loss = SESSION_LOSS_ASKED;
	else if (session->logout_complete)
		loss = SESSION_LOSS_LOGOUT;
	session->observer->lost(session, loss, error, text, session->wait_seconds,
				session->userdata);
	while ((command = list_pop(&commands, struct scsi_command, link)))
		command->done(command);
}

static void session_management_timeout(struct ring_timer *timer)
{
	session_drop(container_of(timer, struct session, management_timer),
		     "the target does not answer a task management request");
}

/* The Logout request leaves now; what has not been answered by then ends with its response. */
static void session_logout_now(struct session *session)
{
	if (session->logout_due)
		return;
	session->logout_due = true;
	ring_timer_disarm(session->ring, &session->logout_timer);
	if (session->settings.logout_timeout_ms)
		ring_timer_arm(session->ring, &session->logout_timer,
			       session->settings.logout_timeout_ms);
	connection_kick(session->connection);
}

/* Take nothing new, let what runs finish, then log out. */
static void session_drain(struct session *session, uint32_t grace_ms)
{
	session->logout_wanted = true;
	logical_units_set_up(&session->units, false);
	if (session->outstanding && grace_ms)
		ring_timer_arm(session->ring, &session->logout_timer, grace_ms);
	else
		session_logout_now(session);
}

static void session_logout_timeout(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, logout_timer);

	if (session->logout_due)
		session_drop(session, "the target does not answer a logout");
	else
		session_logout_now(session);
}

void session_drop(struct session *session, const char *why)
{
	connection_drop(session->connection, CONNECTION_DROPPED, -ECONNABORTED, why);
}

void session_logout(struct session *session)
{
	if (!session->attached)
		return;
	session->target_asked = false; /* now it is our wish */
	if (!session->logout_wanted)
		session_drain(session, DRAIN_MAX_MS);
}

/* Units. */

static void session_role_changed(void *owner)
{
	struct session *session = owner;

	connection_set_aggressive(session->connection,
				  logical_units_have_other_paths(&session->units));
}

static const struct logical_unit_ops session_unit_ops = {
	.execute = session_execute,
	.abort = session_abort,
	.role_changed = session_role_changed,
};

int session_unit(struct session *session, uint64_t lun, struct nexus **ret)
{
	struct logical_unit *unit = logical_units_find(&session->units, lun);

	if (!unit) {
		int r = logical_unit_new(lun, &session_unit_ops, session, &unit);

		if (r < 0)
			return r;
		unit->nexus.up = session->attached && !session->logout_wanted;
		list_append(&session->units, &unit->link);
	}
	*ret = &unit->nexus;
	return 0;
}

/* The beginning. */

static const struct connection_ops session_connection_ops = {
	.next_pdu = session_next_pdu,
	.left = session_pdu_left,
	.header = session_header,
	.received = session_received,
	.ping = session_ping,
	.ended = session_ended,
};

int session_new(struct ring *ring, const struct session_settings *settings,
		const struct session_observer *observer, void *userdata, struct session **ret)
{
	owned(session) session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	assert(settings->commands_max > 0 && settings->commands_max <= TAG_INDEX_MASK + 1);
	session->ring = ring;
	session->settings = *settings;
	session->observer = observer;
	session->userdata = userdata;
	list_init(&session->free);
	list_init(&session->queued);
	list_init(&session->data);
	list_init(&session->waiting);
	list_init(&session->given_up);
	list_init(&session->units);
	deferred_init(&session->give_up, session_end_given_up);
	ring_timer_init(&session->management_timer, session_management_timeout);
	ring_timer_init(&session->deadline_timer, session_check_deadlines);
	ring_timer_init(&session->logout_timer, session_logout_timeout);
	session->tasks = calloc(settings->commands_max, sizeof(*session->tasks));
	if (!session->tasks)
		return -ENOMEM;
	for (uint32_t i = 0; i < settings->commands_max; i++)
		list_append(&session->free, &session->tasks[i].link);
	r = connection_new(ring, &session_connection_ops, session, &session->statistics,
			   &session->connection);
	if (r < 0)
		return r;
	*ret = take(session);
	return 0;
}

void session_free(struct session *session)
{
	struct logical_unit *unit, *next;

	if (!session)
		return;
	assert(!session->attached);
	list_for_each_safe (unit, next, &session->units, link)
		logical_unit_free(unit);
	connection_free(session->connection);
	free(session->tasks);
	free(session);
}

int session_attach(struct session *session, int fd, const struct negotiated *negotiated,
		   const struct login_outcome *outcome, const void *early, size_t early_bytes)
{
	const struct keepalive_settings keepalive = {
		.noop_interval_ms = session->settings.noop_interval_ms,
		.noop_timeout_ms = session->settings.noop_timeout_ms,
		.suspect_ms = session->settings.suspect_ms,
		.suspect_timeout_ms = session->settings.suspect_timeout_ms,
	};
	int r;

	if (session->attached) {
		close(fd);
		return -EBUSY;
	}
	session->negotiated = *negotiated;
	session->cmd_sn = outcome->cmd_sn;
	session->max_cmd_sn = outcome->max_cmd_sn;
	task_management_init(&session->management);
	session->nop_reply_count = 0;
	session->ping_due = false;
	session->ping_tag = RESERVED_TAG;
	session->logout_wanted = session->logout_due = session->logout_sent = false;
	session->logout_complete = session->tasks_over = false;
	session->target_asked = false;
	session->wait_seconds = 0;
	r = connection_start(session->connection, fd, negotiated, &keepalive, outcome->exp_stat_sn,
			     early, early_bytes);
	if (r < 0)
		return r;
	session->attached = true;
	session->statistics.connections++;
	logical_units_set_up(&session->units, true);
	session_role_changed(session);
	return 0;
}

bool session_attached(const struct session *session)
{
	return session->attached;
}

const struct session_statistics *session_get_statistics(const struct session *session)
{
	return &session->statistics;
}
