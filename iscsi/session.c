/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/session.h"

#include <assert.h>
#include <errno.h>

#include "iscsi/session_private.h"
#include "util/cleanup.h"
#include "util/ring.h"

DEFINE_OWNED(session);

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
	case TASK_HELD: /* its status is known, but not all of its data came */
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
		if (command)
			command->result.outcome = session_outcome(session, task);
		session_release_task(session, task);
		session_command_over(session, command);
		if (command)
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
	struct target_request *request;
	struct scsi_command *command;
	struct list commands, requests;

	list_init(&commands);
	list_init(&requests);
	session->attached = false;
	logical_units_set_up(&session->units, false);
	session_collect_commands(session, &commands);
	session_collect_requests(session, end == CONNECTION_CLOSED_BY_TARGET, &requests);
	request = session_text_end(session);
	ring_timer_disarm(session->ring, &session->management_timer);
	ring_timer_disarm(session->ring, &session->logout_timer);
	ring_timer_disarm(session->ring, &session->async_timer);
	ring_timer_disarm(session->ring, &session->window_timer);
	ring_timer_disarm(session->ring, &session->recovery_timer);
	if (session->target_asked)
		loss = SESSION_LOSS_ASKED;
	else if (session->logout_complete)
		loss = SESSION_LOSS_LOGOUT;
	session->observer->lost(session, loss, error, text, session->wait_seconds,
				session->userdata);
	while ((command = list_pop(&commands, struct scsi_command, link)))
		command->done(command);
	session_end_requests(&requests);
	if (request)
		request->done(request);
}

/* Units. */

/* A suspect connection is worse than a window that is closed. */
static void session_tell_health(struct session *session, const char *reason)
{
	enum nexus_health health = session->connection_health;

	if (health == NEXUS_WELL && session->throttled)
		health = NEXUS_THROTTLED;
	logical_units_set_health(&session->units, health, reason);
}

static void session_health_changed(struct connection *connection, enum nexus_health health,
				   const char *reason)
{
	struct session *session = connection_owner(connection);

	session->connection_health = health;
	session_tell_health(session, reason);
}

void session_window_timeout(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, window_timer);

	if (list_empty(&session->queued))
		return;
	if (session->throttled && session->others) {
		session_drop(session, "the target takes no commands");
		return;
	}
	ring_timer_arm(session->ring, timer, WINDOW_DROP_MS - WINDOW_THROTTLED_MS);
	if (session->throttled)
		return;
	session->throttled = true;
	session_tell_health(session, "the target takes no commands");
}

void session_window_opened(struct session *session)
{
	ring_timer_disarm(session->ring, &session->window_timer);
	if (!session->throttled)
		return;
	session->throttled = false;
	session_tell_health(session, "the target takes commands again");
}

static void session_role_changed(void *owner)
{
	struct session *session = owner;

	session->others = logical_units_have_other_paths(&session->units);
	connection_set_aggressive(session->connection, session->others);
}

static const struct logical_unit_ops session_unit_ops = {
	.execute = session_execute,
	.abort = session_abort,
	.abandon = session_abandon,
	.reset = session_reset_unit,
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
	.out_of_order = session_out_of_order,
	.damaged = session_damaged,
	.ping = session_ping,
	.let_go = session_let_go,
	.health_changed = session_health_changed,
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
	list_init(&session->retries);
	list_init(&session->waiting);
	list_init(&session->given_up);
	list_init(&session->units);
	deferred_init(&session->give_up, session_end_given_up);
	ring_timer_init(&session->management_timer, session_management_timeout);
	ring_timer_init(&session->deadline_timer, session_check_deadlines);
	ring_timer_init(&session->logout_timer, session_logout_timeout);
	ring_timer_init(&session->async_timer, session_async_window_over);
	ring_timer_init(&session->window_timer, session_window_timeout);
	ring_timer_init(&session->recovery_timer, session_recovery_tick);
	session->tasks = calloc(settings->commands_max, sizeof(*session->tasks));
	if (settings->ping_bytes)
		session->ping_data = malloc(settings->ping_bytes);
	if (!session->tasks || (settings->ping_bytes && !session->ping_data))
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
	recovery_free(session->recovery);
	free(session->ping_data);
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
	session_text_init(session);
	async_queue_init(&session->async);
	session->nop_reply_count = 0;
	session->ping_due = false;
	session->ping_tag = RESERVED_TAG;
	session->ping_length = 0;
	session->logout_wanted = session->logout_due = session->logout_sent = false;
	session->logout_complete = session->tasks_over = false;
	session->target_asked = false;
	session->throttled = false;
	session->connection_health = NEXUS_WELL;
	session->wait_seconds = 0;
	r = session_recovery_attach(session, outcome);
	if (r < 0) {
		close(fd);
		return r;
	}
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
