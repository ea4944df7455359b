/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* A session at ErrorRecoveryLevel 1: what it does about PDUs that were lost. See recovery.h. */

#include <errno.h>

#include "iscsi/recovery.h"
#include "iscsi/session_private.h"
#include "util/ring.h"

static uint64_t session_now_ns(const struct session *session)
{
	return ring_now_ns(session->ring);
}

/* Something may be missing: see that it comes. */
static void session_watch(struct session *session)
{
	if (!recovery_idle(session->recovery))
		session_recovery_watch(session);
	connection_kick(session->connection);
}

void session_recovery_watch(struct session *session)
{
	if (!ring_timer_armed(&session->recovery_timer))
		ring_timer_arm(session->ring, &session->recovery_timer, RECOVERY_TICK_MS);
}

int session_recovery_attach(struct session *session, const struct login_outcome *outcome)
{
	struct negotiated *negotiated = &session->negotiated;
	int r = 0;

	if (negotiated->error_recovery_level == 0 || !negotiated->data_pdu_in_order ||
	    !negotiated->data_sequence_in_order) {
		recovery_free(session->recovery);
		session->recovery = NULL;
		return 0;
	}
	if (!session->recovery)
		r = recovery_new(session->tasks, session->settings.commands_max,
				 &session->recovery);
	if (r < 0)
		return r;
	recovery_start(session->recovery, outcome->exp_cmd_sn, session_now_ns(session));
	/* One at a time was agreed; one that asks again for what was lost comes on top (§7.8). */
	negotiated->max_outstanding_r2t = TASK_R2T_MAX;
	return 0;
}

void session_recovery_tick(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, recovery_timer);
	const char *why;

	if (session->logout_sent)
		return; /* nothing can be asked for any more (§11.14); the logout has its own limit
			 */
	why = recovery_check(session->recovery, session->cmd_sn, session_now_ns(session));
	if (why) {
		connection_drop(session->connection, CONNECTION_PROTOCOL_ERROR, -EPROTO, why);
		return;
	}
	connection_kick(session->connection);
	if (session->outstanding || !recovery_idle(session->recovery))
		session_recovery_watch(session);
}

/* Data-In and the status behind it. */

int session_recovery_header(struct session *session, struct task *task,
			    const struct bhs_data_in *data_in, void **data, const char **why)
{
	int r = recovery_data_in(session->recovery, task, &session->negotiated, data_in,
				 session_now_ns(session), data, why);

	if (!recovery_idle(session->recovery))
		session_watch(session);
	return r;
}

/* The status of @task is known. It ends now, or when the data before it has come. */
static int session_recovery_settle(struct session *session, struct task *task, const char **why)
{
	int r;

	if (!recovery_complete(session->recovery, task))
		return 0;
	r = task_check_data(task, why);
	if (r == 0)
		session_answer_task(session, task);
	return r;
}

/* Tell the task that its status is no reason to complain of data that is still to come. */
static int session_recovery_hold(struct session *session, struct task *task, uint32_t exp_data_sn,
				 be32 stat_sn, const char **why)
{
	int r = recovery_holds(session->recovery, task, exp_data_sn, session_now_ns(session), why);

	if (r <= 0)
		return r;
	task->state = TASK_HELD;
	recovery_hold(session->recovery, task, be32_get(stat_sn));
	session_watch(session);
	return 0;
}

static int session_recovery_status_in_data(struct session *session, struct task *task,
					   const struct bhs_data_in *data_in, const char **why)
{
	int r = session_recovery_hold(session, task, 0, data_in->stat_sn, why);

	if (r == 0)
		r = task_status_in_data(task, data_in, why);
	return r < 0 ? r : session_recovery_settle(session, task, why);
}

int session_recovery_data_in(struct session *session, const struct bhs_data_in *data_in,
			     bool status, const char **why)
{
	struct task *task = session_find_task(session, data_in->initiator_task_tag);

	if (!task) {
		if (status && (data_in->flags & DATA_IN_STATUS))
			session_abandoned_over(session, data_in->initiator_task_tag);
		return 0;
	}
	recovery_data_came(session->recovery, task, data_in, session_now_ns(session));
	connection_kick(session->connection);
	if (task->state == TASK_HELD)
		return session_recovery_settle(session, task, why);
	if (!status || !(data_in->flags & DATA_IN_STATUS))
		return 0;
	return session_recovery_status_in_data(session, task, data_in, why);
}

int session_recovery_response(struct session *session, struct task *task,
			      const struct bhs_scsi_response *response, const uint8_t *data,
			      const char **why)
{
	int r = 0;

	if (task->state == TASK_HELD)
		return 0; /* one status is enough */
	/* A task that failed in the target has no data that could be waited for (§11.4.3). */
	if (response->response == SCSI_RESPONSE_COMPLETED)
		r = session_recovery_hold(session, task, be32_get(response->exp_data_sn),
					  response->stat_sn, why);
	if (r == 0)
		r = task_response(task, response, data, why);
	if (r < 0)
		return r;
	if (task->state == TASK_HELD)
		return session_recovery_settle(session, task, why);
	session_answer_task(session, task);
	return 0;
}

int session_recovery_r2t(struct session *session, struct task *task, const struct bhs_r2t *r2t,
			 const char **why)
{
	int r = recovery_r2t(session->recovery, task, &session->negotiated, r2t,
			     session_now_ns(session), why);

	session_watch(session);
	return r;
}

/* Damage and gaps. */

/* Is the damaged PDU an answer that is missing now? Its header is a hint and no more (§7.8). */
static bool session_answer_lost(const struct session *session, const struct bhs *bhs)
{
	uint32_t exp_stat_sn = connection_exp_stat_sn(session->connection);
	uint32_t stat_sn = be32_get(((const struct bhs_response *)bhs)->stat_sn);

	if (!pdu_takes_stat_sn(bhs) || sn_less(stat_sn, exp_stat_sn))
		return false;
	return stat_sn == exp_stat_sn || !session->recovery->status.open;
}

static void session_tell_damage(struct session *session)
{
	if (!session->recovery->told && session->observer->damaged)
		session->observer->damaged(session, session->userdata);
	session->recovery->told = true;
}

int session_damaged(struct connection *connection, const struct bhs *bhs, const char **why)
{
	struct session *session = connection_owner(connection);
	struct task *task;
	int r = 0;

	if (!session->recovery)
		return -EBADMSG;
	session_tell_damage(session);
	task = pdu_opcode(bhs) == PDU_DATA_IN ? session_find_task(session, bhs->initiator_task_tag)
					      : NULL;
	if (task)
		r = recovery_data_damaged(session->recovery, task, (const struct bhs_data_in *)bhs,
					  session_now_ns(session), why);
	if (r == 0 && session_answer_lost(session, bhs))
		r = recovery_answer_lost(session->recovery, connection_exp_stat_sn(connection),
					 session_now_ns(session), why);
	session_watch(session);
	return r;
}

int session_recovery_ahead(struct session *session, uint32_t stat_sn, const char **why)
{
	int r = recovery_answer_ahead(session->recovery,
				      connection_exp_stat_sn(session->connection), stat_sn,
				      session_now_ns(session), why);

	session_watch(session);
	return r;
}

/* R2T and pings tell the StatSN that comes next: so the loss of the last answer is noticed. */
static int session_recovery_told(struct session *session, uint32_t next_stat_sn, const char **why)
{
	if (session->recovery->status.open ||
	    !sn_less(connection_exp_stat_sn(session->connection), next_stat_sn))
		return 0;
	return session_recovery_ahead(session, next_stat_sn - 1, why);
}

int session_recovery_observe(struct session *session, const struct bhs *bhs, const char **why)
{
	if (pdu_takes_stat_sn(bhs))
		recovery_answer_came(session->recovery);
	else if (pdu_opcode(bhs) != PDU_DATA_IN)
		return session_recovery_told(
			session, be32_get(((const struct bhs_response *)bhs)->stat_sn), why);
	return 0;
}

/* Commands that the target never took. */

static bool session_retry(struct session *session, struct task *task)
{
	if (!task->command || task->abort_wanted)
		return true; /* an abort is due, and makes its CmdSN count (§11.6.1) */
	if (session->management.current)
		return true; /* it must not pass a request that says that it is over */
	if (!recovery_may_retry(session->recovery, session_now_ns(session)))
		return false;
	list_remove(&task->link);
	list_append(&session->retries, &task->link);
	connection_kick(session->connection);
	return true;
}

static struct task *session_first_unacknowledged(struct session *session)
{
	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (task->state == TASK_SENT &&
		    task->cmd_sn == session->recovery->command.exp_cmd_sn)
			return task;
	}
	return NULL;
}

int session_recovery_probed(struct session *session, be32 tag, const char **why)
{
	struct task *task;

	if (!recovery_probed(session->recovery, tag) ||
	    !sn_less(session->recovery->command.exp_cmd_sn, session->cmd_sn))
		return 0;
	task = session_first_unacknowledged(session);
	if (task && session_retry(session, task))
		return 0;
	*why = "the target does not take a command that it was sent";
	return -EPROTO;
}

int session_recovery_reject(struct session *session, const struct bhs_reject *reject,
			    const struct bhs *rejected, const char **why)
{
	struct task *task = session_find_task(session, rejected->initiator_task_tag);

	if (pdu_opcode(rejected) == PDU_SNACK)
		return recovery_rejected(session->recovery, task,
					 (const struct bhs_snack *)rejected, why);
	/* Its immediate data came damaged; it holds its CmdSN no longer (§7.3, §7.8). */
	if (reject->reason == REJECT_DATA_DIGEST && task && task->state == TASK_SENT &&
	    !sn_less(task->cmd_sn, session->recovery->command.exp_cmd_sn) &&
	    session_retry(session, task))
		return 0;
	return -EPROTO;
}

/* What is sent about it. */

static bool session_next_probe(struct session *session, struct pdu_slot *slot)
{
	uint32_t tag = recovery_next_probe(session->recovery, session_now_ns(session));

	if (tag == RESERVED_TAG)
		return false;
	slot->nop_out = (struct bhs_nop_out){
		.opcode = PDU_NOP_OUT | PDU_IMMEDIATE,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(tag),
		.target_transfer_tag = be32_of(RESERVED_TAG),
		.cmd_sn = be32_of(session->cmd_sn),
	};
	session->statistics.noptx_pdus++;
	return true;
}

static bool session_next_retry(struct session *session, struct pdu_slot *slot)
{
	struct task *task = list_pop(&session->retries, struct task, link);

	if (!task)
		return false;
	task_retry_pdu(task, &session->negotiated, slot);
	if (task_has_data(task) && !task->suspended)
		list_append(&session->data, &task->link);
	session->statistics.scsicmd_pdus++;
	return true;
}

bool session_next_recovery(struct session *session, struct pdu_slot *slot)
{
	struct connection *connection = session->connection;
	uint32_t stat_sn;

	if (recovery_held_stat_sn(session->recovery, &stat_sn))
		connection_hold_acknowledgement(connection, stat_sn);
	else
		connection_release_acknowledgement(connection);
	if (recovery_next_pdu(session->recovery, connection_exp_stat_sn(connection),
			      session_now_ns(session), slot)) {
		session->statistics.snack_pdus++;
		return true;
	}
	return session_next_retry(session, slot) || session_next_probe(session, slot);
}
