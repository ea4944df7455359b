/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Resets that an operator asks for: task management functions of one session (RFC 7143 §11.5, RFC
 * 7144 §6.3). What they end comes back to the maps as aborted, and is sent again.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "iscsi/management.h"
#include "iscsi/reason.h"
#include "util/cleanup.h"
#include "util/log.h"

/* clang-format off */
static const struct {
	enum task_management_function function;
	bool unit;
	const char *timeout; /* of the record, seconds */
	const char *words;
} scopes[RESET_SCOPE_COUNT] = {
	[RESET_TASK_SET]    = {TASK_MANAGEMENT_ABORT_TASK_SET,     true,  "node.session.err_timeo.abort_timeout",     "abort of the task set"},
	[RESET_UNIT]        = {TASK_MANAGEMENT_LOGICAL_UNIT_RESET, true,  "node.session.err_timeo.lu_reset_timeout",  "logical unit reset"},
	[RESET_TARGET_WARM] = {TASK_MANAGEMENT_TARGET_WARM_RESET,  false, "node.session.err_timeo.tgt_reset_timeout", "target warm reset"},
	[RESET_TARGET_COLD] = {TASK_MANAGEMENT_TARGET_COLD_RESET,  false, "node.session.err_timeo.tgt_reset_timeout", "target cold reset"},
	[RESET_NEXUS]       = {TASK_MANAGEMENT_I_T_NEXUS_RESET,    false, "node.session.err_timeo.tgt_reset_timeout", "nexus reset"},
};
/* clang-format on */

/* One request; the worker's between the two threads of its job. */
struct reset_job {
	struct job job;
	struct management_request request;
	struct session_host *host; /* there until the worker has answered, and not longer */
	int error;		   /* of session_manage() */

	struct manager *manager;
	enum reset_scope scope;
	uint32_t sid;
	object_id map; /* whose other paths are to be cleared; 0: none */
	manager_done *done;
	void *userdata;
};

static void on_worker_answered(struct management_request *request)
{
	job_done(&container_of(request, struct reset_job, request)->job);
}

static void reset_on_worker(struct job *job)
{
	struct reset_job *reset = container_of(job, struct reset_job, job);

	reset->error = session_manage(session_host_session(reset->host), &reset->request);
	if (reset->error < 0)
		job_done(job);
}

/* Why the request could not even be sent. */
static void tell_not_sent(const struct reset_job *reset, struct error *error)
{
	if (reset->error == -EOPNOTSUPP)
		error_set(error, ERROR_NOT_SUPPORTED,
			  "session %u: a %s needs iSCSIProtocolLevel 2, which was not agreed on",
			  reset->sid, scopes[reset->scope].words);
	else
		error_set(error, ERROR_SESSION_NOT_CONNECTED, "session %u is not logged in",
			  reset->sid);
}

static void tell_outcome(const struct reset_job *reset, struct error *error)
{
	const char *words = scopes[reset->scope].words;

	if (reset->error < 0) {
		tell_not_sent(reset, error);
		return;
	}
	switch (reset->request.outcome) {
	case MANAGEMENT_COMPLETE:
	case MANAGEMENT_SUCCEEDED:
	case MANAGEMENT_CLOSED:
		return;
	case MANAGEMENT_NO_UNIT:
		error_set(error, ERROR_NO_OBJECTS_FOUND, "the target has no such logical unit");
		return;
	case MANAGEMENT_REFUSED:
		error_set(error, ERROR_NOT_SUPPORTED, "the target refuses the %s: %s", words,
			  reason_of_task_management(reset->request.response)->meaning);
		return;
	case MANAGEMENT_LOST:
		error_set(error, ERROR_TRANSPORT_FAILED,
			  "the connection was lost before the target answered the %s", words);
		return;
	}
}

static uint32_t reset_timeout_ms(const struct session_view *session, enum reset_scope scope)
{
	int64_t seconds =
		session->node ? record_get_number(session->node->record, scopes[scope].timeout) : 0;

	return seconds > 0 && seconds <= 3600 ? (uint32_t)seconds * 1000 : 0;
}

/* Return: NULL without memory */
static struct reset_job *reset_new(struct manager *manager, struct session_view *session,
				   enum reset_scope scope, uint64_t lun)
{
	struct reset_job *reset = calloc(1, sizeof(*reset));

	if (!reset)
		return NULL;
	reset->manager = manager;
	reset->scope = scope;
	reset->sid = session->sid;
	reset->host = supervisor_of(session)->host;
	reset->request = (struct management_request){
		.function = scopes[scope].function,
		.lun = lun,
		.timeout_ms = reset_timeout_ms(session, scope),
		.done = on_worker_answered,
	};
	return reset;
}

static void reset_finished(struct job *job);

static void reset_send(struct reset_job *reset)
{
	reset->job.work = reset_on_worker;
	reset->job.finished = reset_finished;
	job_send(&reset->job, worker_mailbox(session_host_worker(reset->host)),
		 reset->manager->home);
}

/*
 * A reset of a unit ends what our other sessions have there, too, and the target need not tell them
 * (SAM-5 §5.6): each is asked to have done with it, so that nothing waits for an answer in vain.
 */
static void clear_other_paths(const struct reset_job *reset)
{
	const struct map_view *map = manager_find_map(reset->manager, reset->map);
	const struct path_view *path;
	struct reset_job *clear;

	if (!map)
		return;
	list_for_each (path, &map->paths, link) {
		if (path->session->sid == reset->sid ||
		    path->session->state != SESSION_STATE_LOGGED_IN)
			continue;
		clear = reset_new(reset->manager, path->session, RESET_TASK_SET, path->lun);
		if (clear)
			reset_send(clear);
	}
}

static void tell_event(const struct reset_job *reset, const struct error *error)
{
	struct session_view *session = manager_find_session(reset->manager, reset->sid);
	char text[EVENT_REASON_MAX];

	if (!reset->done)
		return;
	snprintf(text, sizeof(text), "%s: %s", scopes[reset->scope].words,
		 error_is_set(error) ? error->text : "done");
	manager_raise(reset->manager, session ? OBJECT_SESSION : OBJECT_MANAGER, session,
		      &(struct event_facts){
			      .kind = EVENT_RESET,
			      .severity = error_is_set(error) ? LOG_WARNING : LOG_NOTICE,
			      .reason = text,
		      });
}

static void reset_finished(struct job *job)
{
	struct reset_job *reset = container_of(job, struct reset_job, job);
	owned_error struct error error = ERROR_INIT;

	tell_outcome(reset, &error);
	tell_event(reset, &error);
	if (!error_is_set(&error) && reset->scope == RESET_UNIT)
		clear_other_paths(reset);
	if (reset->done)
		reset->done(&error, reset->userdata);
	free(reset);
}

static struct unit_view *find_unit(struct session_view *session, uint64_t number)
{
	struct unit_view *unit;

	list_for_each (unit, &session->units, link)
		if (unit->number == number)
			return unit;
	return NULL;
}

static void fail(manager_done *done, void *userdata, enum error_code code, const char *text)
{
	owned_error struct error error = ERROR_INIT;

	error_set(&error, code, "%s", text);
	done(&error, userdata);
}

static void reset(struct manager *manager, struct session_view *session, enum reset_scope scope,
		  const struct unit_view *unit, manager_done *done, void *userdata)
{
	struct reset_job *job;

	if (session->state != SESSION_STATE_LOGGED_IN) {
		fail(done, userdata, ERROR_SESSION_NOT_CONNECTED, "the session is not logged in");
		return;
	}
	job = reset_new(manager, session, scope, unit ? unit->lun : 0);
	if (!job) {
		fail(done, userdata, ERROR_NO_MEMORY, "out of memory");
		return;
	}
	job->map = unit && unit->path ? unit->path->map->id : 0;
	job->done = done;
	job->userdata = userdata;
	reset_send(job);
}

void manager_reset(struct manager *manager, struct session_view *session, enum reset_scope scope,
		   uint64_t number, manager_done *done, void *userdata)
{
	const struct unit_view *unit = scopes[scope].unit ? find_unit(session, number) : NULL;

	if (scopes[scope].unit && !unit)
		fail(done, userdata, ERROR_NO_OBJECTS_FOUND,
		     "the session shows no such logical unit");
	else
		reset(manager, session, scope, unit, done, userdata);
}

void manager_reset_map(struct manager *manager, struct map_view *map, manager_done *done,
		       void *userdata)
{
	const struct path_view *path;

	list_for_each (path, &map->paths, link) {
		struct unit_view *unit = find_unit(path->session, path->lun_number);

		if (path->session->state != SESSION_STATE_LOGGED_IN || !unit)
			continue;
		reset(manager, path->session, RESET_UNIT, unit, done, userdata);
		return;
	}
	fail(done, userdata, ERROR_SESSION_NOT_CONNECTED, "no path of the map is connected");
}
