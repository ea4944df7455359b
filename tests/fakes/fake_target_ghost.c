/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Ghosts of the fake target: commands that it has whole, with their data, and neither carries out
 * nor answers ("withhold") until it is told to ("release"). They outlive their connection. A login
 * in place of their session ends them (RFC 7143 §6.3.5), unless the target leaves such tasks
 * running; then only task management does.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/command.h"
#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"
#include "util/text.h"

struct fake_ghost {
	struct fake_task task;
	char initiator[256];
	uint8_t isid[6];
	uint16_t tag; /* of the portal group */
	char port[300];
	struct fake_origin origin; /* @port is its initiator: reservations know it by that */
	struct fake_ghost *next;
};

void fake_ghost_keep(struct fake_connection *connection, struct fake_task *task)
{
	struct fake_ghost *ghost = calloc(1, sizeof(*ghost)), **end = &connection->target->ghosts;

	assert(ghost);
	ghost->task = *task;
	*task = (struct fake_task){}; /* its data are the ghost's */
	memcpy(ghost->initiator, connection->initiator, sizeof(ghost->initiator));
	memcpy(ghost->isid, connection->first.isid, sizeof(ghost->isid));
	ghost->tag = connection->portal->tag;
	fake_origin_of(connection, &ghost->origin);
	text_copy(ghost->port, sizeof(ghost->port), ghost->origin.initiator);
	ghost->origin.initiator = ghost->port;
	while (*end)
		end = &(*end)->next;
	*end = ghost;
}

static bool is_of(const struct fake_ghost *ghost, const struct fake_connection *connection)
{
	return strcmp(ghost->initiator, connection->initiator) == 0 &&
	       memcmp(ghost->isid, connection->first.isid, sizeof(ghost->isid)) == 0 &&
	       ghost->tag == connection->portal->tag;
}

static void carry_out(struct fake_connection *connection, struct fake_ghost *ghost)
{
	bool writes = ghost->task.command.flags & SCSI_COMMAND_WRITE;
	struct scsi_command command = {
		.direction = writes ? SCSI_DATA_OUT : SCSI_NO_DATA,
		.data = ghost->task.data,
		.data_length = ghost->task.length,
	};

	memcpy(command.cdb, ghost->task.command.cdb, sizeof(command.cdb));
	fake_unit_execute(connection->target->unit, &command, &ghost->origin);
}

/* Takes those out that @connection's session has left, or all with NULL. */
static struct fake_ghost *take_out(struct fake_target *target,
				   const struct fake_connection *connection)
{
	struct fake_ghost *taken = NULL, **at = &target->ghosts;

	while (*at) {
		struct fake_ghost *ghost = *at;

		if (connection && !is_of(ghost, connection)) {
			at = &ghost->next;
			continue;
		}
		*at = ghost->next;
		ghost->next = taken;
		taken = ghost;
	}
	return taken;
}

static void ghosts_free(struct fake_ghost *ghost)
{
	while (ghost) {
		struct fake_ghost *next = ghost->next;

		free(ghost->task.data);
		free(ghost);
		ghost = next;
	}
}

void fake_ghosts_release(struct fake_connection *connection)
{
	struct fake_ghost *ghosts = take_out(connection->target, NULL);

	for (struct fake_ghost *ghost = ghosts; ghost; ghost = ghost->next)
		carry_out(connection, ghost);
	ghosts_free(ghosts);
}

void fake_ghosts_end(struct fake_target *target, const struct fake_connection *of)
{
	ghosts_free(take_out(target, of));
}

unsigned fake_ghosts_matching(struct fake_connection *connection,
			      bool (*fits)(const struct fake_task *task,
					   const struct bhs_task_management_request *request,
					   const struct management_function *function),
			      const struct bhs_task_management_request *request,
			      const struct management_function *function, bool end)
{
	struct fake_ghost **at = &connection->target->ghosts;
	unsigned count = 0;

	while (*at) {
		struct fake_ghost *ghost = *at;

		if (!is_of(ghost, connection) || !fits(&ghost->task, request, function)) {
			at = &ghost->next;
			continue;
		}
		count++;
		if (!end) {
			at = &ghost->next;
			continue;
		}
		*at = ghost->next;
		ghost->next = NULL;
		ghosts_free(ghost);
	}
	return count;
}
