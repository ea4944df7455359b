/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Task management on one connection: which tasks are to be aborted, what else the target is to be
 * asked for, the one request that is outstanding, and what its response means (RFC 7143 §11.5,
 * §11.6). Sans I/O; the owner sends, receives and keeps the clock. One request at a time, because a
 * target need hold only one immediate task management request per connection (§4.2.2.1).
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/management.h"
#include "iscsi/task.h"
#include "util/list.h"

struct task_management {
	uint32_t initiator_task_tag; /* of the outstanding request; RESERVED_TAG when there is none
				      */
	uint32_t referenced_tag;     /* of the task that it aborts */
	uint16_t counter;
	bool paused;	      /* no request before task_management_resume() */
	struct list wanted;   /* struct task, to be aborted, oldest first */
	struct list requests; /* struct management_request, oldest first; these go before aborts */
	struct management_request *current; /* that is outstanding; NULL: an abort, or nothing */
};

/* What became of the task that a response is about. */
enum task_management_verdict {
	TASK_MANAGEMENT_IGNORED,   /* the response matches no request */
	TASK_MANAGEMENT_TASK_OVER, /* it will not execute any more (§11.6.1) */
	TASK_MANAGEMENT_REFUSED,   /* the target does not do it: end the session to be sure */
};

void task_management_init(struct task_management *management);

/** task_management_abort() - a request for @task is due, once however often this is called */
void task_management_abort(struct task_management *management, struct task *task);

/** task_management_ask() - @request is due; its @row and referenced task are set */
void task_management_ask(struct task_management *management, struct management_request *request);

/** task_management_forget() - @task is over by itself: no request for it is due any more */
void task_management_forget(struct task *task);

/**
 * task_management_next_pdu() - the next request, as soon as the one before was answered
 * @cmd_sn: the session's current CmdSN, not consumed (immediate)
 *
 * Return: false when none is due.
 */
bool task_management_next_pdu(struct task_management *management, uint32_t cmd_sn,
			      struct pdu_slot *slot);

/**
 * task_management_rejected() - the target had no room for the outstanding request (Reject, reason
 * 06h, RFC 7143 §11.17.1)
 * @task: that it was to abort; NULL when it is over by itself
 *
 * No request is due now; the one for @task is the first after task_management_resume().
 * Return: false when it was rejected for the second time: end the session to be sure.
 */
bool task_management_rejected(struct task_management *management, struct task *task);
void task_management_resume(struct task_management *management);

/**
 * task_management_request_rejected() - the same for a struct management_request
 * Return: the request when this was the second time, and it is over; otherwise NULL
 */
struct management_request *task_management_request_rejected(struct task_management *management);

/**
 * task_management_request_answered() - a response came while a struct management_request is out
 * Return: the request, with its outcome; NULL when the response matches nothing
 */
struct management_request *task_management_request_answered(
	struct task_management *management, const struct bhs_task_management_response *response);

/** task_management_response() - @referenced_tag: set to the tag of the task it is about */
enum task_management_verdict task_management_response(
	struct task_management *management, const struct bhs_task_management_response *response,
	uint32_t *referenced_tag);
