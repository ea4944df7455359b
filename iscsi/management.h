/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The task management functions of RFC 7143 §11.5 and RFC 7144 §6 as one table: what each is about,
 * what it ends, and what follows when the target does not do it. Constant data: any thread; a
 * request belongs to the worker of its session.
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/pdu.h"
#include "util/list.h"

struct management_request;
struct scsi_command;

/* What a function is about; this decides its LUN and Referenced Task Tag (§11.5.3, §11.5.4). */
enum management_scope {
	MANAGEMENT_OF_TASK,    /* LUN and tag of the task */
	MANAGEMENT_OF_UNIT,    /* LUN; the tag is ffffffff */
	MANAGEMENT_OF_SESSION, /* LUN 0; the tag is ffffffff: all that the session has */
};

struct management_function {
	enum task_management_function code;
	const char *name; /* "logical-unit-reset" */
	enum management_scope scope;
	bool ends;    /* with the response the tasks in its scope are over (§4.2.3.3 c) */
	bool closes;  /* the target ends its connections, perhaps in place of an answer */
	bool level_2; /* only where iSCSIProtocolLevel 2 was agreed on (RFC 7144 §6.3) */
	bool must;    /* refused, it escalates to the end of the session; else that is told, and
			 tasks go on as before. Silence always ends the session. */
};

/** management_function_of() - its row; NULL for codes that we never send */
const struct management_function *management_function_of(enum task_management_function code);

/* How a request ended. */
enum management_outcome {
	MANAGEMENT_COMPLETE,  /* done; what it ends is over. Of a query: no */
	MANAGEMENT_SUCCEEDED, /* of a query: yes (RFC 7144 §6.4.2) */
	MANAGEMENT_NO_UNIT,   /* there is no such unit, and so no task of it */
	MANAGEMENT_REFUSED,   /* nothing was done: @response says why */
	MANAGEMENT_CLOSED,    /* no answer, but the target closed the connection as it should */
	MANAGEMENT_LOST,      /* the connection ended first: nothing is known */
};

/**
 * management_outcome_of() - what the target's answer to a function means
 * @response: Response of the Task Management Function Response (§11.6.1, RFC 7144 §6.4.2)
 * Return: one of the first four; what makes no sense for the function counts as a refusal
 */
enum management_outcome management_outcome_of(const struct management_function *function,
					      uint8_t response);

/** struct management_request - one function that a target is asked for; see session_manage() */
struct management_request {
	/* set by whoever asks */
	enum task_management_function function;
	uint64_t lun;		      /* of functions of a unit, as in struct nexus */
	struct scsi_command *command; /* of QUERY TASK: which one */
	uint32_t timeout_ms;	      /* to answer; 0 = the session's limit for an abort */
	void (*done)(struct management_request *request);

	/* set before done() */
	enum management_outcome outcome;
	uint8_t response; /* enum task_management_response_code; valid unless CLOSED or LOST */
	uint8_t information[3]; /* SAM-5 §7.10, §7.12: what a query found; with SUCCEEDED */

	/* the session's while it has the request */
	const struct management_function *row;
	uint32_t referenced_tag, referenced_cmd_sn;
	bool rejected;
	struct list link;
};

/** management_covers() - is a task of unit @lun in the scope of what @request ends? */
static inline bool management_covers(const struct management_request *request, uint64_t lun)
{
	return request->row->ends &&
	       (request->row->scope == MANAGEMENT_OF_SESSION || request->lun == lun);
}
