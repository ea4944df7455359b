/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Full feature phase of the fake target: commands on its RAM disk, and all else that is asked. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/command.h"
#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"

#define BLOCK_MAX 4096 /* bytes; WRITE SAME reads one whatever was sent */

struct fake_task *fake_find_task(struct fake_connection *connection, be32 tag)
{
	for (size_t i = 0; i < FAKE_TASKS_MAX; i++) {
		struct fake_task *task = &connection->tasks[i];

		if (task->live && be32_get(task->command.initiator_task_tag) == be32_get(tag))
			return task;
	}
	return NULL;
}

void fake_end_task(struct fake_task *task)
{
	free(task->data);
	*task = (struct fake_task){};
}

void fake_tasks_end(struct fake_connection *connection)
{
	for (size_t i = 0; i < FAKE_TASKS_MAX; i++)
		fake_end_task(&connection->tasks[i]);
}

/* --- answers --- */

static void add_residual(const struct scsi_result *result, uint8_t *flags, be32 *residual)
{
	if (result->underflow)
		*flags |= SCSI_RESPONSE_UNDERFLOW;
	if (result->overflow)
		*flags |= SCSI_RESPONSE_OVERFLOW;
	*residual = be32_of(result->residual_bytes);
}

static void respond(struct fake_connection *connection, struct fake_task *task,
		    const struct scsi_result *result)
{
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL,
		.status = result->status,
		.initiator_task_tag = task->command.initiator_task_tag,
	};
	uint8_t sense[2 + SCSI_SENSE_MAX] = {0, result->sense_length};

	if (!(task->command.flags & SCSI_COMMAND_WRITE))
		response.exp_data_sn = be32_of(task->data_sn);
	add_residual(result, &response.flags, &response.residual_count);
	memcpy(sense + 2, result->sense, result->sense_length);
	fake_end_task(task);
	fake_send(connection, &response, sense,
		  result->sense_length ? 2u + result->sense_length : 0);
}

static void send_data(struct fake_connection *connection, struct fake_task *task,
		      const struct scsi_result *result, uint32_t length)
{
	const struct fake_settings *settings = &connection->target->settings;
	uint32_t largest = connection->max_send, burst = 0, offset = 0;
	bool with_status = settings->status_in_data && result->status == SCSI_GOOD && length > 0;

	if (settings->data_in_bytes)
		largest = MIN(largest, settings->data_in_bytes);
	while (offset < length && connection->fd >= 0) {
		uint32_t n = MIN(MIN(largest, length - offset), connection->max_burst - burst);
		bool last = offset + n == length;
		struct bhs_data_in data_in = {
			.opcode = PDU_DATA_IN,
			.initiator_task_tag = task->command.initiator_task_tag,
			.target_transfer_tag = be32_of(RESERVED_TAG),
			.data_sn = be32_of(task->data_sn++),
			.buffer_offset = be32_of(offset),
		};

		burst += n;
		if (last || burst == connection->max_burst) {
			data_in.flags = PDU_FINAL;
			burst = 0;
		}
		if (last && with_status) {
			data_in.flags |= DATA_IN_STATUS;
			add_residual(result, &data_in.flags, &data_in.residual_count);
		}
		fake_send(connection, &data_in, task->data + offset, n);
		offset += n;
	}
	if (connection->fd < 0)
		return;
	if (with_status)
		fake_end_task(task);
	else
		respond(connection, task, result);
}

/* READ(32) and WRITE(32) (SBC-3 §5.10, §5.34) as what the RAM disk knows. */
static void take_long_cdb(const struct fake_task *task, struct scsi_command *command)
{
	uint8_t cdb[16 + SCSI_CDB_REST_MAX];
	uint16_t service_action;

	memcpy(cdb, task->command.cdb, 16);
	memcpy(cdb + 16, task->cdb_rest, sizeof(task->cdb_rest));
	service_action = (uint16_t)(cdb[8] << 8 | cdb[9]);
	if (cdb[0] != 0x7f || cdb[7] != 0x18 ||
	    (service_action != 0x0009 && service_action != 0x000b))
		return;
	memset(command->cdb, 0, sizeof(command->cdb));
	command->cdb[0] = service_action == 0x0009 ? SCSI_READ_16 : SCSI_WRITE_16;
	memcpy(command->cdb + 2, cdb + 12, 8);
	memcpy(command->cdb + 10, cdb + 28, 4);
}

const struct fake_origin *fake_origin_of(struct fake_connection *connection,
					 struct fake_origin *ret)
{
	static const uint64_t luns[] = {0};
	const uint8_t *isid = connection->first.isid;

	snprintf(connection->initiator_port, sizeof(connection->initiator_port),
		 "%s,i,0x%02x%02x%02x%02x%02x%02x", connection->initiator, isid[0], isid[1],
		 isid[2], isid[3], isid[4], isid[5]);

	*ret = (struct fake_origin){
		.initiator = connection->initiator_port,
		.target_port_group = connection->portal->tag,
		.relative_port = connection->portal->tag,
		.luns = luns,
		.lun_count = ARRAY_SIZE(luns),
	};
	return ret;
}

static void execute(struct fake_connection *connection, struct fake_task *task)
{
	struct fake_origin origin;
	bool reads = task->command.flags & SCSI_COMMAND_READ;
	bool writes = task->command.flags & SCSI_COMMAND_WRITE;
	struct scsi_command command = {
		.direction = reads    ? SCSI_DATA_IN
			     : writes ? SCSI_DATA_OUT
				      : SCSI_NO_DATA,
		.data = task->data,
		.data_length = task->length,
	};
	uint32_t length;

	if (task->answer && task->answer->verb != FAKE_ANSWER) {
		bool strand = task->answer->verb == FAKE_STRAND;

		fake_ghost_keep(connection, task);
		if (strand)
			fake_end(connection, true);
		return;
	}
	memcpy(command.cdb, task->command.cdb, sizeof(command.cdb));
	if (task->command.total_ahs_length)
		take_long_cdb(task, &command);
	if (task->answer)
		fake_sense(&command, false, false, (uint8_t)task->answer->numbers[1],
			   (uint8_t)task->answer->numbers[2], (uint8_t)task->answer->numbers[3]);
	else if (be64_get(task->command.lun) != 0 && command.cdb[0] != 0xa0)
		fake_sense(&command, false, false, 0x5, 0x25, 0x00);
	else
		fake_unit_execute(fake_unit_behind(connection), &command,
				  fake_origin_of(connection, &origin));
	if (task->answer) {
		command.result.status = (uint8_t)task->answer->numbers[0];
		if (command.result.status != SCSI_CHECK_CONDITION)
			command.result.sense_length = 0;
	}
	length = reads && command.result.status == SCSI_GOOD ? scsi_command_received(&command) : 0;
	if (length > 0)
		send_data(connection, task, &command.result, length);
	else
		respond(connection, task, &command.result);
}

/* --- data out --- */

static void ask_for_more(struct fake_connection *connection, struct fake_task *task)
{
	const struct fake_settings *settings = &connection->target->settings;
	uint32_t burst = connection->max_burst;

	if (settings->r2t_bytes)
		burst = MIN(burst, settings->r2t_bytes);
	while (task->live && task->asked < task->length && task->r2t_count < connection->max_r2t) {
		struct fake_r2t *r2t = &task->r2ts[task->r2t_count++];
		struct bhs_r2t bhs = {
			.opcode = PDU_R2T,
			.flags = PDU_FINAL,
			.lun = task->command.lun,
			.initiator_task_tag = task->command.initiator_task_tag,
			.r2t_sn = be32_of(task->r2t_sn++),
			.buffer_offset = be32_of(task->asked),
		};

		if (connection->target->next_tag == RESERVED_TAG)
			connection->target->next_tag = 0;
		*r2t = (struct fake_r2t){
			.tag = connection->target->next_tag++,
			.offset = task->asked,
			.length = MIN(burst, task->length - task->asked),
		};
		task->asked += r2t->length;
		bhs.target_transfer_tag = be32_of(r2t->tag);
		bhs.desired_data_transfer_length = be32_of(r2t->length);
		fake_send(connection, &bhs, NULL, 0);
	}
}

static void continue_write(struct fake_connection *connection, struct fake_task *task)
{
	if (task->dying)
		return;
	if (task->received == task->length)
		execute(connection, task);
	else if (!task->unsolicited_end)
		ask_for_more(connection, task);
}

static void check_first_burst(struct fake_connection *connection, const struct bhs *bhs,
			      uint32_t immediate, uint32_t first, bool final)
{
	if (immediate && !connection->immediate_data)
		fake_complain(connection, bhs, "immediate data with ImmediateData=No (13.11)");
	if (immediate > first)
		fake_complain(connection, bhs, "more than FirstBurstLength (13.14)");
	if (!final && connection->initial_r2t)
		fake_complain(connection, bhs, "F=0 with InitialR2T=Yes (11.3.1)");
	if (!final && immediate == first)
		fake_complain(connection, bhs, "F=0 and nothing can follow (11.3.1)");
}

static void begin_write(struct fake_connection *connection, struct fake_task *task,
			const uint8_t *data, uint32_t immediate)
{
	const struct bhs *bhs = (const struct bhs *)&task->command;
	uint32_t first = MIN(task->length, connection->first_burst);
	bool final = task->command.flags & PDU_FINAL;

	check_first_burst(connection, bhs, immediate, first, final);
	immediate = MIN(immediate, task->length);
	if (immediate)
		memcpy(task->data, data, immediate);
	task->received = task->asked = immediate;
	if (!final && immediate < first)
		task->unsolicited_end = task->asked = first;
	continue_write(connection, task);
}

static const char *broken_data_out_rule(struct fake_connection *connection,
					const struct fake_task *task,
					const struct bhs_data_out *out, uint32_t length,
					uint32_t end)
{
	uint32_t tag = be32_get(out->target_transfer_tag);
	bool final = out->flags & PDU_FINAL;

	if (task->unsolicited_end ? tag != RESERVED_TAG : tag != task->r2ts[0].tag)
		return "another target transfer tag than that of the R2T (11.7.4)";
	if (task->unsolicited_end ? be64_get(out->lun) != 0
				  : be64_get(out->lun) != be64_get(task->command.lun))
		return "another LUN than that of the R2T (11.7.3)";
	if (be32_get(out->data_sn) != task->data_sn)
		return "DataSN is not the next one (11.7.5)";
	if (be32_get(out->buffer_offset) != task->received)
		return "not the next offset (11.7.6, 13.18)";
	if (length > end - task->received)
		return "more than was asked for (11.8)";
	if (final != (task->received + length == end))
		return "F does not end the sequence (11.7.1)";
	if (!final && length % 4 != 0)
		return "not filled up to a word (11.7.7)";
	return NULL;
}

static void end_sequence(struct fake_connection *connection, struct fake_task *task)
{
	task->data_sn = 0;
	if (!task->unsolicited_end) {
		task->r2t_count--;
		memmove(task->r2ts, task->r2ts + 1, task->r2t_count * sizeof(task->r2ts[0]));
	}
	task->unsolicited_end = 0;
	continue_write(connection, task);
	fake_management_continue(connection);
}

/* Level 0 cannot ask for it again (§7.9, §11.4.7.2). */
static void fail_lost_data(struct fake_connection *connection, struct fake_task *task)
{
	struct scsi_command command;

	fake_sense(&command, false, false, 0xb, 0x47, 0x05);
	respond(connection, task, &command.result);
}

static void take_data_out(struct fake_connection *connection, const struct bhs *bhs,
			  const uint8_t *data, uint32_t length)
{
	const struct bhs_data_out *out = (const struct bhs_data_out *)bhs;
	struct fake_task *task = fake_find_task(connection, out->initiator_task_tag);
	const char *broken;
	uint32_t end;

	if (!task) { /* its command has ended: a late one */
		if (connection->fast_abort &&
		    fake_management_ended(connection, bhs->initiator_task_tag))
			fake_complain(connection, bhs, "data for a task that was ended (4.2.3.4)");
		return;
	}
	if (fake_data_superseded(connection, task, out) ||
	    fake_data_lost(connection, task, false, out->flags & PDU_FINAL))
		return;
	if (!task->unsolicited_end && !task->r2t_count)
		return fake_complain(connection, bhs, "data that nobody asked for (4.2.5.2)");
	end = task->unsolicited_end ? task->unsolicited_end
				    : task->r2ts[0].offset + task->r2ts[0].length;
	broken = broken_data_out_rule(connection, task, out, length, end);
	if (broken)
		fake_complain(connection, bhs, broken);
	if (be32_get(out->data_sn) != task->data_sn)
		return fail_lost_data(connection, task);
	length = MIN(length, end - task->received);
	if (length)
		memcpy(task->data + task->received, data, length);
	task->received += length;
	task->data_sn++;
	if (out->flags & PDU_FINAL)
		end_sequence(connection, task);
}

/* --- commands --- */

static void check_command(struct fake_connection *connection,
			  const struct bhs_scsi_command *command, uint32_t immediate)
{
	const struct bhs *bhs = (const struct bhs *)command;
	bool writes = command->flags & SCSI_COMMAND_WRITE;

	if (command->priority != 0 && connection->protocol_level < 2)
		fake_complain(connection, bhs, "a priority, and no level 2 (7144, 5.1.1)");
	if (be32_get(command->initiator_task_tag) == RESERVED_TAG)
		fake_complain(connection, bhs, "the reserved tag (11.2.1.8)");
	if (fake_find_task(connection, command->initiator_task_tag))
		fake_complain(connection, bhs, "a tag that is in use (11.2.1.8)");
	if (!writes && !(command->flags & PDU_FINAL))
		fake_complain(connection, bhs, "neither W nor F (11.3.1)");
	if (!writes && immediate)
		fake_complain(connection, bhs, "data with a command that writes nothing (11.3)");
	if (immediate > be32_get(command->expected_data_transfer_length))
		fake_complain(connection, bhs, "more data than it expects to send (11.3.4)");
}

/* §11.2.2.3: the one additional header segment that we know */
static void take_ahs(struct fake_connection *connection, struct fake_task *task)
{
	const struct bhs *bhs = (const struct bhs *)&task->command;
	const struct ahs_extended_cdb *ahs = (const void *)connection->ahs;
	uint32_t total = pdu_ahs_length(bhs), length;

	if (total == 0)
		return;
	length = be16_get(ahs->ahs_length); /* CDB length - 15 */
	if (ahs->ahs_type != AHS_EXTENDED_CDB || ahs->reserved != 0 || length < 2 ||
	    length > 1 + SCSI_CDB_REST_MAX || pdu_padded(3 + length) != total) {
		fake_complain(connection, bhs, "no right extended CDB (11.2.2.3)");
		return;
	}
	memcpy(task->cdb_rest, ahs->cdb_rest, length - 1);
	for (uint32_t i = 3 + length; i < total; i++)
		if (connection->ahs[i] != 0)
			fake_complain(connection, bhs, "padding that is not 0 (11.2.2)");
}

static void take_command(struct fake_connection *connection, const struct bhs *bhs,
			 const uint8_t *data, uint32_t immediate, const struct fake_action *answer)
{
	const struct bhs_scsi_command *command = (const struct bhs_scsi_command *)bhs;
	uint32_t length = be32_get(command->expected_data_transfer_length);
	struct fake_task *task = connection->tasks;

	check_command(connection, command, immediate);
	while (task < connection->tasks + FAKE_TASKS_MAX && task->live)
		task++;
	if (task == connection->tasks + FAKE_TASKS_MAX || length > FAKE_TRANSFER_MAX) {
		fake_complain(connection, bhs, "too much for this target");
		fake_end(connection, true);
		return;
	}
	*task = (struct fake_task){
		.live = true,
		.command = *command,
		.data = calloc(1, MAX(length, (uint32_t)BLOCK_MAX)),
		.length = length,
		.answer = answer,
	};
	assert(task->data);
	take_ahs(connection, task);
	if (command->flags & SCSI_COMMAND_WRITE)
		begin_write(connection, task, data, immediate);
	else
		execute(connection, task);
}

/* --- the rest --- */

static void take_nop_out(struct fake_connection *connection, const struct bhs *bhs,
			 const uint8_t *data, uint32_t length)
{
	const struct bhs_nop_out *nop = (const struct bhs_nop_out *)bhs;
	struct bhs_nop_in reply = {
		.opcode = PDU_NOP_IN,
		.flags = PDU_FINAL,
		.initiator_task_tag = nop->initiator_task_tag,
		.target_transfer_tag = be32_of(RESERVED_TAG),
	};

	if (be32_get(nop->initiator_task_tag) == RESERVED_TAG) {
		if (!(nop->opcode & PDU_IMMEDIATE))
			fake_complain(connection, bhs, "no ping, and not immediate (11.18.1)");
		return;
	}
	if (be32_get(nop->target_transfer_tag) != RESERVED_TAG)
		fake_complain(connection, bhs, "both tags (11.18)");
	fake_send(connection, &reply, data, MIN(length, connection->max_send));
}

static void take_logout(struct fake_connection *connection, const struct bhs *bhs)
{
	const struct bhs_logout_request *request = (const void *)bhs;
	uint8_t reason = request->flags & LOGOUT_REASON_MASK;
	struct bhs_logout_response response = {
		.opcode = PDU_LOGOUT_RESPONSE,
		.flags = PDU_FINAL,
		.initiator_task_tag = request->initiator_task_tag,
	};

	if (reason > LOGOUT_REMOVE_FOR_RECOVERY)
		fake_complain(connection, bhs, "a reserved reason (11.14.1)");
	if (reason == LOGOUT_CLOSE_CONNECTION &&
	    be16_get(request->cid) != be16_get(connection->first.cid))
		fake_complain(connection, bhs, "the CID of no connection (11.14.2)");
	if (reason == LOGOUT_REMOVE_FOR_RECOVERY)
		response.response = LOGOUT_RECOVERY_NOT_SUPPORTED;
	fake_send(connection, &response, NULL, 0);
}

void fake_full_feature(struct fake_connection *connection, const struct bhs *bhs,
		       const uint8_t *data, uint32_t length, const struct fake_action *answer)
{
	uint8_t opcode = pdu_opcode(bhs);

	if (connection->discovery && opcode != PDU_TEXT_REQUEST && opcode != PDU_LOGOUT_REQUEST)
		fake_complain(connection, bhs, "not in a discovery session (4.3)");
	switch (opcode) {
	case PDU_SCSI_COMMAND:
		return take_command(connection, bhs, data, length, answer);
	case PDU_DATA_OUT:
		return take_data_out(connection, bhs, data, length);
	case PDU_NOP_OUT:
		return take_nop_out(connection, bhs, data, length);
	case PDU_TASK_MANAGEMENT_REQUEST:
		return fake_management(connection, bhs);
	case PDU_TEXT_REQUEST:
		return fake_text(connection, (const void *)bhs, data, length);
	case PDU_LOGOUT_REQUEST:
		return take_logout(connection, bhs);
	case PDU_SNACK:
		return fake_snack(connection, bhs);
	default:
		fake_end(connection, true);
	}
}
