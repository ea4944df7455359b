/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The session's tasks: from the command to the tag, to the end, and by abort to an early one. */

#include <assert.h>
#include <errno.h>

#include "iscsi/session_private.h"
#include "util/ring.h"

#define DEADLINE_TICK_MS 250 /* how exactly command deadlines are kept */
/* How long an abandoned task may go on before the target is asked to abort it. */
#define ABANDONED_MAX_NS UINT64_C(5000000000)
/* With recovery it may be a hole in CmdSN that holds up all others, and the abort fills it. */
#define ABANDONED_HOLE_NS UINT64_C(1000000000)

struct task *session_find_sent(struct session *session, be32 tag)
{
	uint32_t initiator_task_tag = be32_get(tag), index = initiator_task_tag & TAG_INDEX_MASK;
	struct task *task;

	if (index >= session->settings.commands_max)
		return NULL;
	task = &session->tasks[index];
	if (!task_is_running(task) || task->initiator_task_tag != initiator_task_tag)
		return NULL;
	return task;
}

struct task *session_find_task(struct session *session, be32 tag)
{
	struct task *task = session_find_sent(session, tag);

	return task && task->command ? task : NULL;
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

void session_release_task(struct session *session, struct task *task)
{
	list_remove(&task->link);
	task_management_forget(task);
	if (session->letting_go == task)
		session->letting_go = NULL;
	if (session->recovery)
		recovery_forget(session->recovery, task);
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

void session_command_over(struct session *session, const struct scsi_command *command)
{
	if ((!command || command->timeout_ms) && --session->deadlines == 0)
		ring_timer_disarm(session->ring, &session->deadline_timer);
	if (--session->outstanding > 0)
		return;
	connection_set_busy(session->connection, false);
	ring_timer_disarm(session->ring, &session->window_timer);
	if (session->logout_wanted)
		session_logout_now(session);
}

static void session_finish_task(struct session *session, struct task *task)
{
	struct scsi_command *command = task->command;

	session_release_task(session, task);
	session_command_over(session, command);
	session_admit_waiting(session);
	if (command)
		command->done(command);
}

/* The answer is known; the command ends as soon as the kernel no longer reads its data. */
void session_answer_task(struct session *session, struct task *task)
{
	task_management_forget(task);
	list_remove(&task->link); /* no more data is sent */
	task->state = TASK_ANSWERED;
	if (task->leaving == 0)
		session_finish_task(session, task);
}

void session_task_aborted(struct session *session, struct task *task)
{
	if (task->command)
		task->command->result.outcome = task->abort_outcome;
	session_answer_task(session, task);
}

void session_abandoned_over(struct session *session, be32 tag)
{
	struct task *task = session_find_sent(session, tag);

	if (task && !task->command)
		session_answer_task(session, task);
}

static void session_count_deadline(struct session *session)
{
	if (session->deadlines++ == 0)
		ring_timer_arm(session->ring, &session->deadline_timer, DEADLINE_TICK_MS);
}

static void session_becomes_busy(struct session *session)
{
	connection_set_busy(session->connection, true);
	if (session->recovery)
		session_recovery_watch(session);
}

int session_execute(void *owner, struct nexus *nexus, struct scsi_command *command)
{
	struct session *session = owner;

	if (!session->attached || session->logout_wanted)
		return -ENOTCONN;
	command->submitted_ns = ring_now_ns(session->ring);
	if (command->timeout_ms)
		session_count_deadline(session);
	if (session->outstanding++ == 0)
		session_becomes_busy(session);
	if (list_empty(&session->free)) {
		command->task = nexus;
		list_append(&session->waiting, &command->link);
	} else {
		session_start_task(session, nexus, command);
	}
	return 0;
}

void session_pdu_left(struct connection *connection, void *owner)
{
	struct task *task = owner;

	task->leaving--;
	if (task->state == TASK_ANSWERED && task->leaving == 0)
		session_finish_task(connection_owner(connection), task);
}

/* Aborts and deadlines. */

void session_give_up(struct session *session, struct scsi_command *command)
{
	command->result = (struct scsi_result){.outcome = SCSI_NOT_SENT};
	list_append(&session->given_up, &command->link);
	session_command_over(session, command);
	ring_defer(session->ring, &session->give_up);
}

void session_end_given_up(struct deferred *deferred)
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

struct task *session_task_of(struct session *session, const struct scsi_command *command)
{
	for (uint32_t i = 0; i < session->settings.commands_max; i++) {
		struct task *task = &session->tasks[i];

		if (task->state != TASK_FREE && task->command == command)
			return task;
	}
	return NULL;
}

void session_abort(void *owner, struct scsi_command *command)
{
	struct session *session = owner;
	struct task *task = session_task_of(session, command);
	struct scsi_command *waiting;

	if (task) {
		session_abort_task(session, task);
		return;
	}
	list_for_each (waiting, &session->waiting, link) {
		if (waiting == command) {
			list_remove(&command->link);
			session_give_up(session, command);
			return;
		}
	}
}

/* Nothing is received for it any more: the command goes, the task stays for its tag's sake. */
static void session_detach(struct session *session, struct task *task)
{
	struct scsi_command *command = task->command;

	if (!command->timeout_ms)
		session_count_deadline(session);
	task->command = NULL;
	task->abandoned_ns = ring_now_ns(session->ring);
	command->result = (struct scsi_result){.outcome = SCSI_IN_DOUBT};
	list_append(&session->given_up, &command->link);
	ring_defer(session->ring, &session->give_up);
	list_remove(&task->link); /* nor is it sent again */
	if (session->recovery)
		recovery_forget(session->recovery, task);
	if (task->state == TASK_HELD)
		session_answer_task(session, task); /* the target is through with it */
}

void session_abandon(void *owner, struct scsi_command *command)
{
	struct session *session = owner;
	struct task *task = session_task_of(session, command);

	assert(command->direction != SCSI_DATA_OUT);
	if (!task || task->state == TASK_QUEUED)
		session_abort(session, command);
	else if (task_is_running(task) && session->letting_go != task) {
		if (connection_let_go(session->connection, command->data, command->data_length))
			session_detach(session, task);
		else
			session->letting_go = task;
	}
}

void session_let_go(struct connection *connection)
{
	struct session *session = connection_owner(connection);
	struct task *task = session->letting_go;

	session->letting_go = NULL;
	if (task && task_is_running(task))
		session_detach(session, task);
}

static bool session_overdue(const struct session *session, const struct scsi_command *command)
{
	return command->timeout_ms &&
	       ring_now_ns(session->ring) >=
		       command->submitted_ns + command->timeout_ms * UINT64_C(1000000);
}

/* Most end soon by themselves. A tag that stays taken is worth the trouble of an abort. */
static void session_check_abandoned(struct session *session, struct task *task)
{
	uint64_t patience_ns = session->recovery ? ABANDONED_HOLE_NS : ABANDONED_MAX_NS;

	if (task->state != TASK_SENT ||
	    ring_now_ns(session->ring) < task->abandoned_ns + patience_ns)
		return;
	task_management_abort(&session->management, task);
	connection_kick(session->connection);
}

void session_check_deadlines(struct ring_timer *timer)
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

		if (task->state != TASK_FREE && !task->command)
			session_check_abandoned(session, task);
		else if (task->state != TASK_FREE && session_overdue(session, task->command))
			session_abort_task(session, task);
	}
	if (session->deadlines)
		ring_timer_arm(session->ring, timer, DEADLINE_TICK_MS);
}
