/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a device answers to REPORT TARGET PORT GROUPS: in one piece to the parser, and as an answer
 * to the question, which may ask again for more.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scsi/alua.h"
#include "scsi/command.h"
#include "scsi/nexus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A nexus whose one command waits for the fuzzer. */
struct wire {
	struct nexus nexus;
	struct scsi_command *command;
};

static int wire_execute(struct nexus *nexus, struct scsi_command *command)
{
	((struct wire *)nexus)->command = command;
	return 0;
}

static void wire_abort(struct nexus *nexus, struct scsi_command *command)
{
}

static const struct nexus_ops wire_ops = {.execute = wire_execute, .abort = wire_abort};

static void walk(const struct alua_report *report, size_t size)
{
	struct alua_report rest = *report;
	struct alua_group group;
	size_t groups = 0;

	while (alua_report_next(&rest, &group)) {
		assert(group.state < ACCESS_STATE_COUNT && access_state_name(group.state));
		assert(group.ports.left <= 4 * UINT8_MAX && group.ports.left <= size);
		alua_group_has_port(&group, 1);
		groups++;
	}
	assert(groups <= size / 8);
	alua_report_find(report, 2, 1, &group);
	alua_report_find(report, -1, 65535, &group);
}

static void on_answer(int error, const struct alua_report *report, void *userdata)
{
	unsigned *ended = userdata;

	(*ended)++;
	assert(error <= 0);
	if (error == 0)
		walk(report, UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire wire = {.nexus = {.ops = &wire_ops, .up = true}};
	struct alua_query *query;
	struct alua_report report;
	unsigned ended = 0, rounds = 0;

	if (alua_report_parse(data, size, &report) == 0)
		walk(&report, size);
	assert(alua_query_start(&wire.nexus, 1000, on_answer, &ended, &query) == 0);
	while (ended == 0) {
		struct scsi_command *command = wire.command;
		size_t length = size < command->data_length ? size : command->data_length;

		assert(++rounds <= 3);
		memcpy(command->data, data, length);
		command->result = (struct scsi_result){
			.underflow = length < command->data_length,
			.residual_bytes = (uint32_t)(command->data_length - length),
		};
		command->done(command);
	}
	assert(ended == 1);
	return 0;
}
