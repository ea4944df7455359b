/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Task management of the fake target (RFC 7143 §4.2.3, §11.5, §11.6; RFC 7144 §6). */

#include "iscsi/management.h"

#include <string.h>

#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"

static bool is_of(const struct fake_task *task, const struct bhs_task_management_request *request,
		  const struct management_function *function)
{
	switch (function->scope) {
	case MANAGEMENT_OF_TASK:
		return be32_get(task->command.initiator_task_tag) ==
		       be32_get(request->referenced_task_tag);
	case MANAGEMENT_OF_UNIT:
		return be64_get(task->command.lun) == be64_get(request->lun);
	default:
		return true;
	}
}

static void check_task(struct fake_connection *connection, const struct bhs *bhs)
{
	const struct bhs_task_management_request *request = (const void *)bhs;
	struct fake_task *task = fake_find_task(connection, request->referenced_task_tag);

	if (task && be32_get(request->ref_cmd_sn) != be32_get(task->command.cmd_sn))
		fake_complain(connection, bhs, "RefCmdSN is not that of the task (11.5.5)");
	if (task && be64_get(request->lun) != be64_get(task->command.lun))
		fake_complain(connection, bhs, "LUN is not that of the task (11.5.3)");
}

static void check_management(struct fake_connection *connection, const struct bhs *bhs,
			     const struct management_function *function)
{
	const struct bhs_task_management_request *request = (const void *)bhs;

	if (pdu_data_length(bhs) != 0 || bhs->total_ahs_length != 0)
		fake_complain(connection, bhs, "data or AHS with task management (11.5.2)");
	if (!function)
		return;
	if (function->level_2 && connection->protocol_level < 2)
		fake_complain(connection, bhs, "a function of a level not agreed on (7144, 6.3)");
	if (function->scope == MANAGEMENT_OF_TASK) {
		check_task(connection, bhs);
		return;
	}
	if (be32_get(request->referenced_task_tag) != RESERVED_TAG)
		fake_complain(connection, bhs, "a referenced tag with no meaning (11.5.4)");
	if (be32_get(request->ref_cmd_sn) != 0)
		fake_complain(connection, bhs, "a RefCmdSN with no meaning (11.5.5)");
	if (function->scope == MANAGEMENT_OF_SESSION && be64_get(request->lun) != 0)
		fake_complain(connection, bhs, "a LUN with no meaning (11.5.3)");
}

static unsigned count_tasks(struct fake_connection *connection,
			    const struct bhs_task_management_request *request,
			    const struct management_function *function)
{
	unsigned count = 0;

	for (size_t i = 0; i < FAKE_TASKS_MAX; i++)
		count += connection->tasks[i].live &&
			 is_of(&connection->tasks[i], request, function);
	return count + fake_ghosts_matching(connection, is_of, request, function, false);
}

static void end_tasks(struct fake_connection *connection,
		      const struct bhs_task_management_request *request,
		      const struct management_function *function)
{
	for (size_t i = 0; i < FAKE_TASKS_MAX; i++) {
		struct fake_task *task = &connection->tasks[i];

		if (!task->live || !is_of(task, request, function))
			continue;
		connection->ended[connection->ended_count++ % FAKE_ENDED_MAX] =
			be32_get(task->command.initiator_task_tag);
		fake_end_task(task);
	}
	fake_ghosts_matching(connection, is_of, request, function, true);
}

static uint8_t respond_with(struct fake_connection *connection,
			    const struct bhs_task_management_request *request,
			    const struct management_function *function)
{
	unsigned tasks = count_tasks(connection, request, function);

	switch (function->code) {
	case TASK_MANAGEMENT_ABORT_TASK:
		return tasks ? TASK_MANAGEMENT_COMPLETE : TASK_MANAGEMENT_NO_TASK;
	case TASK_MANAGEMENT_QUERY_TASK:
	case TASK_MANAGEMENT_QUERY_TASK_SET:
		return tasks ? TASK_MANAGEMENT_SUCCEEDED : TASK_MANAGEMENT_COMPLETE;
	default:
		return TASK_MANAGEMENT_COMPLETE;
	}
}

static void close_connections(struct fake_connection *connection,
			      const struct management_function *function)
{
	bool all = function->code == TASK_MANAGEMENT_TARGET_COLD_RESET;

	for (struct fake_connection *c = connection->target->connections; c; c = c->next)
		if (c->fd >= 0 && (all || c == connection))
			c->closing = true;
}

static bool is_reset(const struct management_function *function)
{
	return function->code == TASK_MANAGEMENT_LOGICAL_UNIT_RESET ||
	       function->code == TASK_MANAGEMENT_TARGET_WARM_RESET ||
	       function->code == TASK_MANAGEMENT_TARGET_COLD_RESET;
}

static void execute(struct fake_connection *connection,
		    const struct bhs_task_management_request *request,
		    const struct management_function *function)
{
	struct bhs_task_management_response response = {
		.opcode = PDU_TASK_MANAGEMENT_RESPONSE,
		.flags = PDU_FINAL,
		.response = function ? respond_with(connection, request, function)
				     : TASK_MANAGEMENT_NOT_SUPPORTED,
		.initiator_task_tag = request->initiator_task_tag,
	};

	connection->management_waits = false;
	if (function && function->ends)
		end_tasks(connection, request, function);
	if (function && is_reset(function)) {
		fake_ghosts_end(connection->target, NULL);
		fake_unit_reset(connection->target->unit);
	}
	fake_send(connection, &response, NULL, 0);
	if (function && function->closes && response.response == TASK_MANAGEMENT_COMPLETE)
		close_connections(connection, function);
}

/* §4.2.3.3: first all that was asked for has to come; nothing more is asked for meanwhile. */
static bool must_wait(struct fake_connection *connection,
		      const struct bhs_task_management_request *request,
		      const struct management_function *function)
{
	bool waits = false;

	if (connection->fast_abort || !function->ends || function->scope == MANAGEMENT_OF_TASK)
		return false;
	for (size_t i = 0; i < FAKE_TASKS_MAX; i++) {
		struct fake_task *task = &connection->tasks[i];

		if (!task->live || !is_of(task, request, function))
			continue;
		task->dying = true;
		waits |= task->r2t_count || task->unsolicited_end;
	}
	return waits;
}

void fake_management(struct fake_connection *connection, const struct bhs *bhs)
{
	const struct bhs_task_management_request *request = (const void *)bhs;
	const struct management_function *function =
		management_function_of(request->flags & TASK_MANAGEMENT_FUNCTION_MASK);

	check_management(connection, bhs, function);
	if (connection->management_waits)
		fake_complain(connection, bhs, "two immediate ones at once (4.2.2.1)");
	if (function && function->code == TASK_MANAGEMENT_ABORT_TASK)
		fake_order_plug(connection, be32_get(request->ref_cmd_sn));
	if (function && must_wait(connection, request, function)) {
		connection->management_waits = true;
		connection->management = *request;
		return;
	}
	execute(connection, request, function);
}

void fake_management_continue(struct fake_connection *connection)
{
	struct bhs_task_management_request request = connection->management;

	if (!connection->management_waits)
		return;
	connection->management_waits = false;
	fake_management(connection, (const struct bhs *)&request);
}

bool fake_management_ended(const struct fake_connection *connection, be32 tag)
{
	for (unsigned i = 0; i < connection->ended_count && i < FAKE_ENDED_MAX; i++)
		if (connection->ended[i] == be32_get(tag))
			return true;
	return false;
}
