/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Task management of a session: its functions, what they end, and what a target tells of tasks that
 * others have ended (RFC 7143 §4.2.3, §11.5, §11.6; RFC 7144 §6).
 *
 * While a function that ends several tasks is out, no new command in its scope is sent: a command
 * that crosses a reset on its way may or may not be ended by it (§11.5.1), and nobody could tell.
 * Data that the target asks for is sent on, except under TaskReporting=FastAbort (§4.2.3.3,
 * §4.2.3.4). With the response all that it covers is over, and what comes later matches no task.
 */

#include <errno.h>

#include "iscsi/session_private.h"
#include "util/ring.h"

#define ABORT_HURRY_MS	    1000u
#define MANAGEMENT_PAUSE_MS 100 /* before a target that was too busy is asked again */

static void session_ask(struct session *session, struct management_request *request)
{
	request->row = management_function_of(request->function);
	task_management_ask(&session->management, request);
	connection_kick(session->connection);
}

int session_manage(struct session *session, struct management_request *request)
{
	const struct management_function *row = management_function_of(request->function);
	const struct task *task;

	if (!session->attached || session->logout_wanted)
		return -ENOTCONN;
	if (!row || row->code == TASK_MANAGEMENT_ABORT_TASK)
		return -EINVAL;
	if (row->level_2 && session->negotiated.protocol_level < 2)
		return -EOPNOTSUPP;
	if (row->scope == MANAGEMENT_OF_TASK) {
		task = session_task_of(session, request->command);
		if (!task || !task_is_running(task))
			return -ESRCH;
		request->lun = be64_get(task->lun);
		request->referenced_tag = task->initiator_task_tag;
		request->referenced_cmd_sn = task->cmd_sn;
	}
	session_ask(session, request);
	return 0;
}

/* Data-Out of the tasks of one unit, or of all. */

static bool session_is_fast(const struct session *session)
{
	return session->negotiated.task_reporting == TASK_REPORTING_FAST_ABORT;
}

static void session_resume_data(struct session *session, struct task *task)
{
	task->suspended = false;
	if (task_has_data(task) && list_empty(&task->link))
		list_append(&session->data, &task->link);
}

/* What is to be done to every task that was sent and that @request covers. */
enum covered_action { COVERED_SUSPEND, COVERED_RESUME, COVERED_END };

static void session_for_covered(struct session *session, const struct management_request *request,
				enum covered_action action)
{
	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (!task_is_running(task) || !management_covers(request, be64_get(task->lun)))
			continue;
		if (action == COVERED_SUSPEND)
			task->suspended = true;
		else if (action == COVERED_RESUME)
			session_resume_data(session, task);
		else
			session_task_aborted(session, task);
	}
}

/* What is aborted has hung for seconds. A target that then cannot even say so is not waited for
 * while every unit of the session has another path. */
static uint32_t session_abort_timeout_ms(const struct session *session)
{
	uint32_t timeout_ms = session->settings.abort_timeout_ms;

	if (!session->settings.suspect_ms || !session->others)
		return timeout_ms;
	return timeout_ms ? MIN(timeout_ms, ABORT_HURRY_MS) : ABORT_HURRY_MS;
}

void session_management_sent(struct session *session)
{
	const struct management_request *request = session->management.current;
	uint32_t timeout_ms;

	if (!request)
		timeout_ms = session_abort_timeout_ms(session);
	else if (request->timeout_ms)
		timeout_ms = request->timeout_ms;
	else
		timeout_ms = session->settings.abort_timeout_ms;

	session->statistics.tmfcmd_pdus++;
	if (timeout_ms)
		ring_timer_arm(session->ring, &session->management_timer, timeout_ms);
	if (request && session_is_fast(session))
		session_for_covered(session, request, COVERED_SUSPEND);
}

struct task *session_first_not_held(struct session *session)
{
	const struct management_request *request = session->management.current;
	struct task *task;

	list_for_each (task, &session->queued, link)
		if (!management_covers(request, be64_get(task->lun)))
			return task;
	return NULL;
}

/* The end of a request. */

/* The target treats a cold reset as a power cycle, and a nexus reset as a session timeout: it ends
 * its connections, as if it had announced it (§11.5.1, RFC 7144 §6.3). */
static void session_expect_close(struct session *session)
{
	session->target_asked = true;
	session->wait_seconds = session->negotiated.default_time2wait;
}

static void session_request_over(struct session *session, struct management_request *request)
{
	bool over =
		request->outcome == MANAGEMENT_COMPLETE || request->outcome == MANAGEMENT_NO_UNIT;
	const struct management_function *row = request->row;

	if (over && row->ends)
		session_for_covered(session, request, COVERED_END);
	else if (row->ends)
		session_for_covered(session, request, COVERED_RESUME);
	request->done(request);
	if (!over || !row->closes)
		return;
	session_expect_close(session);
	connection_drop(session->connection, CONNECTION_CLOSED_BY_TARGET, -ECONNRESET,
			"the target ends its connections after the reset");
}

static int session_request_answered(struct session *session,
				    const struct bhs_task_management_response *response,
				    const char **why)
{
	struct management_request *request =
		task_management_request_answered(&session->management, response);

	if (!request)
		return 0;
	ring_timer_disarm(session->ring, &session->management_timer);
	session_request_over(session, request);
	connection_kick(session->connection);
	/* A response fence holds other answers up until this one is acknowledged (§4.2.2.3.3). */
	if (session->negotiated.task_reporting != TASK_REPORTING_RFC3720)
		return session_queue_nop(session, be64_of(0), be32_of(RESERVED_TAG), why);
	return 0;
}

int session_management_response(struct session *session, const struct bhs *bhs, const uint8_t *data,
				const char **why)
{
	const struct bhs_task_management_response *response =
		(const struct bhs_task_management_response *)bhs;
	uint32_t tag;
	struct task *task;

	session->statistics.tmfrsp_pdus++;
	if (session->management.current)
		return session_request_answered(session, response, why);
	switch (task_management_response(&session->management, response, &tag)) {
	case TASK_MANAGEMENT_IGNORED:
		return 0;
	case TASK_MANAGEMENT_REFUSED:
		*why = "the target refuses to abort a task";
		return -ETIMEDOUT;
	case TASK_MANAGEMENT_TASK_OVER:
		break;
	}
	ring_timer_disarm(session->ring, &session->management_timer);
	task = session_find_sent(session, be32_of(tag));
	if (task)
		session_task_aborted(session, task);
	connection_kick(session->connection);
	return 0;
}

/* Rejects: a busy target may have no room for an immediate request, which is no refusal yet. */

static void session_pause_management(struct session *session)
{
	ring_timer_arm(session->ring, &session->management_timer, MANAGEMENT_PAUSE_MS);
}

static void session_request_rejected(struct session *session, uint8_t reason)
{
	struct task_management *management = &session->management;
	struct management_request *request;

	management->current->rejected |= reason != REJECT_IMMEDIATE_COMMAND;
	request = task_management_request_rejected(management);
	if (!request) {
		session_for_covered(
			session, list_first(&management->requests, struct management_request, link),
			COVERED_RESUME);
		session_pause_management(session);
		return;
	}
	ring_timer_disarm(session->ring, &session->management_timer);
	session_request_over(session, request);
	connection_kick(session->connection);
}

int session_management_rejected(struct session *session, uint8_t reason, be32 tag, const char **why)
{
	struct task_management *management = &session->management;
	bool ours =
		be32_get(tag) != RESERVED_TAG && be32_get(tag) == management->initiator_task_tag;
	struct task *task;

	if (ours && management->current) {
		session_request_rejected(session, reason);
		return 0;
	}
	*why = "the target rejected a task management request";
	if (reason != REJECT_IMMEDIATE_COMMAND)
		return -EPROTO;
	if (!ours)
		return 0; /* of one that was answered before */
	task = session_find_sent(session, be32_of(management->referenced_tag));
	if (!task_management_rejected(management, task))
		return -EPROTO;
	session_pause_management(session);
	return 0;
}

/* The timer of a request that is out, or of the pause before the next. */
void session_management_timeout(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, management_timer);

	if (!session->management.paused) {
		session_drop(session, "the target does not answer a task management request");
		return;
	}
	task_management_resume(&session->management);
	connection_kick(session->connection);
}

/* Tasks that somebody else has ended (§11.9.1, event 5). */

static void session_unit_cleared(struct management_request *request)
{
	struct logical_unit *unit = container_of(request, struct logical_unit, clear);

	unit->clearing = false;
	if (request->outcome == MANAGEMENT_REFUSED)
		session_drop(unit->owner, "the target ended tasks and does not say which");
}

/*
 * The target does not name the tasks: of a command that crossed its message it may never have
 * heard. So it is asked to end all that this session still has at the unit, and what it answers is
 * known.
 */
static void session_clear_unit(struct session *session, struct logical_unit *unit)
{
	if (unit->clearing)
		return;
	unit->clearing = true;
	unit->clear = (struct management_request){
		.function = TASK_MANAGEMENT_ABORT_TASK_SET,
		.lun = unit->nexus.lun,
		.done = session_unit_cleared,
	};
	session_ask(session, &unit->clear);
	session_for_covered(session, &unit->clear, COVERED_SUSPEND);
}

int session_tasks_terminated(struct session *session, be64 lun, const char **why)
{
	struct logical_unit *unit = logical_units_find(&session->units, be64_get(lun));

	if (unit)
		session_clear_unit(session, unit);
	return session_queue_nop(session, lun, be32_of(RESERVED_TAG), why);
}

/* LOGICAL UNIT RESET for whoever holds the nexus. */

static int session_reset_error(enum management_outcome outcome)
{
	switch (outcome) {
	case MANAGEMENT_COMPLETE:
	case MANAGEMENT_NO_UNIT: /* nor any task of it */
		return 0;
	case MANAGEMENT_REFUSED:
		return -EOPNOTSUPP;
	default:
		return -ENOTCONN;
	}
}

static void session_unit_was_reset(struct management_request *request)
{
	struct logical_unit *unit = container_of(request, struct logical_unit, reset);
	struct nexus_reset *reset = unit->resetting;

	unit->resetting = NULL;
	reset->done(reset, session_reset_error(request->outcome));
}

int session_reset_unit(void *owner, struct nexus *nexus, struct nexus_reset *reset)
{
	struct logical_unit *unit = container_of(nexus, struct logical_unit, nexus);
	struct session *session = owner;
	int r;

	if (unit->resetting)
		return -EBUSY;
	unit->reset = (struct management_request){
		.function = TASK_MANAGEMENT_LOGICAL_UNIT_RESET,
		.lun = nexus->lun,
		.timeout_ms = session->settings.lu_reset_timeout_ms,
		.done = session_unit_was_reset,
	};
	r = session_manage(session, &unit->reset);
	if (r == 0)
		unit->resetting = reset;
	return r;
}

/* The end of the connection. */

void session_collect_requests(struct session *session, bool closed, struct list *requests)
{
	struct management_request *current = session->management.current, *request;

	if (current)
		list_prepend(&session->management.requests, &current->link);
	list_for_each (request, &session->management.requests, link)
		request->outcome = MANAGEMENT_LOST;
	list_splice(requests, &session->management.requests);
	if (!current || !current->row->closes || !closed)
		return;
	current->outcome = MANAGEMENT_CLOSED;
	session_expect_close(session);
}

void session_end_requests(struct list *requests)
{
	struct management_request *request;

	while ((request = list_pop(requests, struct management_request, link)))
		request->done(request);
}
