/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/task_management.h"

#include <string.h>

#include "util/cleanup.h"

#define TAG_BASE 0xc3000000u /* apart from those of tasks, pings and logout */

void task_management_init(struct task_management *management)
{
	management->initiator_task_tag = RESERVED_TAG;
	management->paused = false;
	management->current = NULL;
	list_init(&management->wanted);
	list_init(&management->requests);
}

void task_management_abort(struct task_management *management, struct task *task)
{
	if (task->abort_wanted)
		return;
	task->abort_wanted = true;
	list_append(&management->wanted, &task->abort_link);
}

void task_management_ask(struct task_management *management, struct management_request *request)
{
	request->rejected = false;
	list_append(&management->requests, &request->link);
}

void task_management_forget(struct task *task)
{
	list_remove(&task->abort_link);
}

/* §11.5: what has no meaning for the function is 0, and its referenced tag ffffffff */
static void task_management_request_pdu(struct task_management *management, uint32_t cmd_sn,
					struct pdu_slot *slot)
{
	const struct management_request *request = management->current;

	management->initiator_task_tag = TAG_BASE | management->counter++;
	slot->task_management = (struct bhs_task_management_request){
		.opcode = PDU_TASK_MANAGEMENT_REQUEST | PDU_IMMEDIATE,
		.flags = (uint8_t)(PDU_FINAL | request->row->code),
		.lun = be64_of(request->row->scope == MANAGEMENT_OF_SESSION ? 0 : request->lun),
		.initiator_task_tag = be32_of(management->initiator_task_tag),
		.referenced_task_tag = be32_of(RESERVED_TAG),
		.cmd_sn = be32_of(cmd_sn),
	};
	if (request->row->scope == MANAGEMENT_OF_TASK) {
		slot->task_management.referenced_task_tag = be32_of(request->referenced_tag);
		slot->task_management.ref_cmd_sn = be32_of(request->referenced_cmd_sn);
	}
	slot->data_length = 0;
	slot->owner = NULL;
}

bool task_management_next_pdu(struct task_management *management, uint32_t cmd_sn,
			      struct pdu_slot *slot)
{
	struct task *task;

	if (management->paused || management->initiator_task_tag != RESERVED_TAG)
		return false;
	management->current = list_pop(&management->requests, struct management_request, link);
	if (management->current) {
		task_management_request_pdu(management, cmd_sn, slot);
		return true;
	}
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

struct management_request *task_management_request_rejected(struct task_management *management)
{
	struct management_request *request = management->current;

	management->initiator_task_tag = RESERVED_TAG;
	management->current = NULL;
	if (request->rejected) {
		request->outcome = MANAGEMENT_REFUSED;
		request->response = TASK_MANAGEMENT_REJECTED;
		return request;
	}
	request->rejected = management->paused = true;
	list_prepend(&management->requests, &request->link);
	return NULL;
}

struct management_request *task_management_request_answered(
	struct task_management *management, const struct bhs_task_management_response *response)
{
	struct management_request *request = management->current;

	if (be32_get(response->initiator_task_tag) != management->initiator_task_tag)
		return NULL;
	management->initiator_task_tag = RESERVED_TAG;
	management->current = NULL;
	request->response = response->response;
	memcpy(request->information, response->additional_information,
	       sizeof(request->information));
	request->outcome = management_outcome_of(request->row, response->response);
	return request;
}

enum task_management_verdict task_management_response(
	struct task_management *management, const struct bhs_task_management_response *response,
	uint32_t *referenced_tag)
{
	const struct management_function *row;

	if (management->initiator_task_tag == RESERVED_TAG ||
	    be32_get(response->initiator_task_tag) != management->initiator_task_tag)
		return TASK_MANAGEMENT_IGNORED;
	management->initiator_task_tag = RESERVED_TAG;
	*referenced_tag = management->referenced_tag;
	row = management_function_of(TASK_MANAGEMENT_ABORT_TASK);
	if (management_outcome_of(row, response->response) == MANAGEMENT_REFUSED && row->must)
		return TASK_MANAGEMENT_REFUSED;
	return TASK_MANAGEMENT_TASK_OVER; /* aborted, or never there, or its unit is not */
}
