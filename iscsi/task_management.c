/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/task_management.h"

#include "util/cleanup.h"

#define TAG_BASE 0xc3000000u /* apart from those of tasks, pings and logout */

void task_management_init(struct task_management *management)
{
	management->initiator_task_tag = RESERVED_TAG;
	management->paused = false;
	list_init(&management->wanted);
}

void task_management_abort(struct task_management *management, struct task *task)
{
	if (task->abort_wanted)
		return;
	task->abort_wanted = true;
	list_append(&management->wanted, &task->abort_link);
}

void task_management_forget(struct task *task)
{
	list_remove(&task->abort_link);
}

bool task_management_next_pdu(struct task_management *management, uint32_t cmd_sn,
			      struct pdu_slot *slot)
{
	struct task *task;

	if (management->paused || management->initiator_task_tag != RESERVED_TAG)
		return false;
	task = list_pop(&management->wanted, struct task, abort_link);
	if (!task)
		return false;
	management->initiator_task_tag = TAG_BASE | management->counter++;
	management->referenced_tag = task->initiator_task_tag;
	slot->task_management = (struct bhs_task_management_request){
		.opcode = PDU_TASK_MANAGEMENT_REQUEST | PDU_IMMEDIATE,
		.flags = PDU_FINAL | TASK_MANAGEMENT_ABORT_TASK,
		.lun = task->lun,
		.initiator_task_tag = be32_of(management->initiator_task_tag),
		.referenced_task_tag = be32_of(task->initiator_task_tag),
		.cmd_sn = be32_of(cmd_sn),
		.ref_cmd_sn = be32_of(task->cmd_sn),
	};
	slot->data_length = 0;
	slot->owner = NULL;
	return true;
}

bool task_management_rejected(struct task_management *management, struct task *task)
{
	management->initiator_task_tag = RESERVED_TAG;
	management->paused = true;
	if (!task)
		return true;
	if (task->abort_rejected)
		return false;
	task->abort_rejected = true;
	list_prepend(&management->wanted, &task->abort_link);
	return true;
}

void task_management_resume(struct task_management *management)
{
	management->paused = false;
}

enum task_management_verdict task_management_response(
	struct task_management *management, const struct bhs_task_management_response *response,
	uint32_t *referenced_tag)
{
	if (management->initiator_task_tag == RESERVED_TAG ||
	    be32_get(response->initiator_task_tag) != management->initiator_task_tag)
		return TASK_MANAGEMENT_IGNORED;
	management->initiator_task_tag = RESERVED_TAG;
	*referenced_tag = management->referenced_tag;
	switch (response->response) {
	case TASK_MANAGEMENT_COMPLETE: /* it was aborted, or the CmdSN counts as received */
	case TASK_MANAGEMENT_NO_TASK:  /* its answer was sent before, or it never existed */
	case TASK_MANAGEMENT_NO_LUN:
		return TASK_MANAGEMENT_TASK_OVER;
	default:
		return TASK_MANAGEMENT_REFUSED;
	}
}
