/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a Reject means for what was rejected (RFC 7143 §7.3, §11.17.1). One of a command leaves a
 * hole in CmdSN that must be filled before the target goes on: ABORT TASK with that RefCmdSN fills
 * it and tells for certain that the task does not exist (§11.6.1 b).
 */

#include <errno.h>

#include "iscsi/session_private.h"

enum command_reject {
	REJECTED_COMMAND_FAILS,	 /* this target does not take it */
	REJECTED_COMMAND_AGAIN,	 /* it may be sent again: another path, or later */
	REJECTED_COMMAND_LOGOUT, /* no command is taken any more */
	REJECTED_COMMAND_ENDS,	 /* only a new session helps */
};

/* Reasons that are not listed, reserved ones and those that mean nothing for a command among them,
 * are taken for a protocol error of this command. */
static const struct {
	uint8_t reason;
	enum command_reject meaning;
} command_rejects[] = {
	{REJECT_DATA_DIGEST, REJECTED_COMMAND_ENDS}, /* recovery level 0: §7.8 */
	{REJECT_IMMEDIATE_COMMAND, REJECTED_COMMAND_AGAIN},
	{REJECT_TASK_IN_PROGRESS, REJECTED_COMMAND_ENDS}, /* the sides differ about what is open */
	{REJECT_LONG_OPERATION, REJECTED_COMMAND_AGAIN},
	{REJECT_NEGOTIATION_RESET, REJECTED_COMMAND_ENDS}, /* note 3 */
	{REJECT_WAITING_FOR_LOGOUT, REJECTED_COMMAND_LOGOUT},
};

static enum command_reject command_reject_of(uint8_t reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_rejects); i++)
		if (command_rejects[i].reason == reason)
			return command_rejects[i].meaning;
	return REJECTED_COMMAND_FAILS;
}

static int session_command_rejected(struct session *session, const struct bhs_reject *reject,
				    const struct bhs *rejected, const char **why)
{
	struct task *task = session_find_sent(session, rejected->initiator_task_tag);
	enum command_reject meaning = command_reject_of(reject->reason);

	if (reject->reason == REJECT_DATA_DIGEST && session->recovery)
		return session_recovery_reject(session, reject, rejected, why);
	if (!task || meaning == REJECTED_COMMAND_ENDS)
		return -EPROTO;
	list_remove(&task->link);
	task->suspended = true;
	if (meaning == REJECTED_COMMAND_FAILS)
		task->abort_outcome = SCSI_TARGET_FAILURE;
	if (meaning == REJECTED_COMMAND_LOGOUT)
		session_asked_to_log_out(session, 0);
	else
		task_management_abort(&session->management, task);
	connection_kick(session->connection);
	return 0;
}

int session_reject(struct session *session, const struct bhs *bhs, const uint8_t *data,
		   const char **why)
{
	const struct bhs_reject *reject = (const struct bhs_reject *)bhs;
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
	case PDU_TASK_MANAGEMENT_REQUEST:
		return session_management_rejected(session, reject->reason,
						   rejected->initiator_task_tag, why);
	case PDU_DATA_OUT:
		/* A Reject ends no task: its response still comes (§7.3, §11.17.1). */
		return 0;
	case PDU_SCSI_COMMAND:
		return session_command_rejected(session, reject, rejected, why);
	case PDU_SNACK:
		return session->recovery ? session_recovery_reject(session, reject, rejected, why)
					 : -EPROTO;
	case PDU_TEXT_REQUEST:
		session_text_rejected(session, rejected->initiator_task_tag);
		return 0;
	default:
		return -EPROTO;
	}
}
