/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/task.h"

#include <assert.h>
#include <errno.h>

#include "iscsi/settings.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

/* Reads, writes and commands without data differ only here. */
static const uint8_t direction_flags[] = {
	[SCSI_NO_DATA] = 0,
	[SCSI_DATA_IN] = SCSI_COMMAND_READ,
	[SCSI_DATA_OUT] = SCSI_COMMAND_WRITE,
};

void task_start(struct task *task, const struct nexus *nexus, struct scsi_command *command)
{
	task->command = command;
	task->lun = be64_of(nexus->lun);
	task->state = TASK_QUEUED;
	task->abort_wanted = task->abort_rejected = task->suspended = false;
	task->abort_outcome = SCSI_ABORTED;
	list_init(&task->abort_link);
	task->burst_first = task->burst_count = 0;
	task->unsolicited = false;
	task->r2t_sn = task->data_sn = task->received = task->sent = 0;
	task->leaving = 0;
	command->task = task;
	/* outcome, status, its qualifier, sense_length and the residual; the sense bytes follow
	 * from the length */
	memset(&command->result, 0, __builtin_offsetof(struct scsi_result, sense));
}

static void task_add_burst(struct task *task, struct task_burst burst)
{
	unsigned at = (task->burst_first + task->burst_count) % ARRAY_SIZE(task->bursts);

	assert(task->burst_count < ARRAY_SIZE(task->bursts));
	task->bursts[at] = burst;
	task->burst_count++;
}

/* §11.2.2.3: bytes 16 and up of a CDB in a header segment of their own, in no data length */
static void task_add_extended_cdb(const struct scsi_command *command, struct pdu_slot *slot)
{
	struct ahs_extended_cdb *ahs = (struct ahs_extended_cdb *)slot->ahs;
	uint32_t length = sizeof(*ahs) + command->cdb_rest_length;

	assert(command->cdb_rest_length <= SCSI_CDB_REST_MAX);
	*ahs = (struct ahs_extended_cdb){
		.ahs_length = be16_of((uint16_t)(command->cdb_rest_length + 1)),
		.ahs_type = AHS_EXTENDED_CDB,
	};
	memcpy(ahs->cdb_rest, command->cdb_rest, command->cdb_rest_length);
	memset(ahs->cdb_rest + command->cdb_rest_length, 0, pdu_padding(length));
	slot->scsi_command.total_ahs_length = (uint8_t)(pdu_padded(length) / 4);
}

void task_command_pdu(struct task *task, const struct negotiated *negotiated, uint32_t cmd_sn,
		      struct pdu_slot *slot)
{
	const struct scsi_command *command = task->command;
	struct bhs_scsi_command *bhs = &slot->scsi_command;
	uint32_t immediate = 0, unsolicited = 0;

	task->cmd_sn = cmd_sn;
	task->state = TASK_SENT;
	if (command->direction == SCSI_DATA_OUT) {
		uint32_t first = MIN(command->data_length, negotiated->first_burst_length);

		/* §4.2.5.2: immediate data alone, or all of the unsolicited amount: never a part.
		 */
		if (negotiated->immediate_data)
			immediate = MIN(first, negotiated->max_xmit_data_segment_length);
		/* §11.7.7: what is not the last of a sequence fills whole 4-byte words. */
		if (immediate < first)
			immediate &= ~UINT32_C(3);
		if (!negotiated->initial_r2t)
			unsolicited = first - immediate;
	}
	*bhs = (struct bhs_scsi_command){
		.opcode = PDU_SCSI_COMMAND,
		.flags = (uint8_t)((unsolicited ? 0 : PDU_FINAL) |
				   direction_flags[command->direction] | TASK_ATTRIBUTE_SIMPLE),
		.lun = task->lun,
		.initiator_task_tag = be32_of(task->initiator_task_tag),
		.expected_data_transfer_length =
			be32_of(command->direction == SCSI_NO_DATA ? 0 : command->data_length),
		.cmd_sn = be32_of(cmd_sn),
	};
	memcpy(bhs->cdb, command->cdb, sizeof(bhs->cdb));
	if (command->cdb_rest_length)
		task_add_extended_cdb(command, slot);
	/* RFC 7144 §5.1.1: a reserved field below level 2 */
	if (negotiated->protocol_level >= 2)
		bhs->priority = (uint8_t)(command->priority << 4);
	slot->data = command->data;
	slot->data_length = immediate;
	slot->owner = task;
	task->leaving++;
	task->sent = immediate;
	if (unsolicited) {
		task->unsolicited = true;
		task_add_burst(task, (struct task_burst){.target_transfer_tag = RESERVED_TAG,
							 .offset = immediate,
							 .end = immediate + unsolicited});
	}
}

void task_retry_pdu(struct task *task, const struct negotiated *negotiated, struct pdu_slot *slot)
{
	task->burst_first = task->burst_count = 0;
	task->unsolicited = false;
	task_command_pdu(task, negotiated, task->cmd_sn, slot);
}

void task_data_pdu(struct task *task, const struct negotiated *negotiated, struct pdu_slot *slot)
{
	struct task_burst *burst = &task->bursts[task->burst_first];
	uint32_t length = burst->end - burst->offset;
	bool last = true;

	if (length > negotiated->max_xmit_data_segment_length) {
		/* §11.7.7: all PDUs of a sequence but the last fill whole 4-byte words. */
		length = negotiated->max_xmit_data_segment_length & ~UINT32_C(3);
		last = false;
	}
	slot->data_out = (struct bhs_data_out){
		.opcode = PDU_DATA_OUT,
		.flags = last ? PDU_FINAL : 0,
		.initiator_task_tag = be32_of(task->initiator_task_tag),
		.target_transfer_tag = be32_of(burst->target_transfer_tag),
		.data_sn = be32_of(burst->data_sn++),
		.buffer_offset = be32_of(burst->offset),
	};
	if (burst->target_transfer_tag != RESERVED_TAG)
		slot->data_out.lun = task->lun;
	slot->data = (const uint8_t *)task->command->data + burst->offset;
	slot->data_length = length;
	slot->owner = task;
	task->leaving++;
	burst->offset += length;
	task->sent = (uint32_t)MIN((uint64_t)task->sent + length, (uint64_t)UINT32_MAX);
	if (last) {
		task->burst_first = (uint8_t)((task->burst_first + 1u) % ARRAY_SIZE(task->bursts));
		task->burst_count--;
		task->unsolicited = false;
	}
}

int task_r2t(struct task *task, const struct negotiated *negotiated, const struct bhs_r2t *r2t,
	     const char **why)
{
	uint32_t offset = be32_get(r2t->buffer_offset);
	uint32_t length = be32_get(r2t->desired_data_transfer_length);
	unsigned outstanding = task->burst_count - (task->unsolicited ? 1u : 0u);

	*why = NULL;
	if (sn_less(be32_get(r2t->r2t_sn), task->r2t_sn))
		return 0;
	if (task->command->direction != SCSI_DATA_OUT)
		*why = "R2T for a command that writes nothing";
	else if (be32_get(r2t->target_transfer_tag) == RESERVED_TAG)
		*why = "R2T without a target transfer tag";
	else if (length == 0 || length > negotiated->max_burst_length)
		*why = "R2T for no data or more than MaxBurstLength";
	else if (offset > task->command->data_length ||
		 length > task->command->data_length - offset)
		*why = "R2T beyond the command's data";
	else if (memcmp(&r2t->lun, &task->lun, sizeof(task->lun)) != 0 && be64_get(r2t->lun) != 0)
		*why = "R2T with another logical unit than its command";
	else if (be32_get(r2t->r2t_sn) != task->r2t_sn)
		*why = "R2TSN out of order";
	else if (outstanding >=
		 MIN((unsigned)negotiated->max_outstanding_r2t, (unsigned)TASK_R2T_MAX))
		*why = "more R2Ts than MaxOutstandingR2T";
	if (*why)
		return -EPROTO;
	task->r2t_sn++;
	task_add_burst(task, (struct task_burst){
				     .target_transfer_tag = be32_get(r2t->target_transfer_tag),
				     .offset = offset,
				     .end = offset + length,
			     });
	return 0;
}

int task_data_in(struct task *task, const struct negotiated *negotiated,
		 const struct bhs_data_in *data_in, void **data, const char **why)
{
	const struct scsi_command *command = task->command;
	uint32_t offset = be32_get(data_in->buffer_offset);
	uint32_t length = pdu_data_length((const struct bhs *)data_in);

	*why = NULL;
	if (sn_less(be32_get(data_in->data_sn), task->data_sn))
		return 0;
	/* A target may take a read of nothing for a read. */
	if (command->direction == SCSI_DATA_OUT || (command->direction == SCSI_NO_DATA && length))
		*why = "Data-In for a command that reads nothing";
	else if (be32_get(data_in->data_sn) != task->data_sn)
		*why = "DataSN out of order";
	else if (offset > command->data_length || length > command->data_length - offset)
		*why = "Data-In beyond the command's data";
	else if (length && negotiated->data_pdu_in_order && negotiated->data_sequence_in_order &&
		 offset != task->received)
		*why = "Data-In out of order";
	if (*why)
		return -EPROTO;
	task->data_sn++;
	task->received += length;
	if (length)
		*data = (uint8_t *)command->data + offset;
	return 0;
}

/* Residual flags stand in the same bits in Data-In and SCSI Response. */
static_assert(DATA_IN_OVERFLOW == SCSI_RESPONSE_OVERFLOW &&
		      DATA_IN_UNDERFLOW == SCSI_RESPONSE_UNDERFLOW,
	      "residual flags");

/* Bytes of a GOOD command's data that went over this connection. */
static uint32_t task_transferred(const struct task *task)
{
	return task->command->direction == SCSI_DATA_IN ? task->received : task->sent;
}

int task_check_data(const struct task *task, const char **why)
{
	const struct scsi_command *command = task->command;

	if (command->direction == SCSI_NO_DATA || !scsi_command_good(command) ||
	    task_transferred(task) >= scsi_command_received(command))
		return 0;
	*why = "data is missing before the status"; /* lost PDU, §7.9; or never asked for */
	return -EPROTO;
}

static int task_complete(struct task *task, uint8_t flags, uint8_t status, be32 residual,
			 const char **why)
{
	struct scsi_command *command = task->command;
	struct scsi_result *result = &command->result;

	*why = NULL;
	result->outcome = SCSI_COMPLETED;
	result->status = status;
	result->overflow = flags & SCSI_RESPONSE_OVERFLOW;
	result->underflow = flags & SCSI_RESPONSE_UNDERFLOW;
	result->residual_bytes = result->overflow || result->underflow ? be32_get(residual) : 0;
	if (result->overflow && result->underflow)
		*why = "overflow and underflow at once"; /* §11.4.1 */
	if (*why)
		return -EPROTO;
	return task->state == TASK_HELD ? 0 : task_check_data(task, why);
}

int task_status_in_data(struct task *task, const struct bhs_data_in *data_in, const char **why)
{
	/* §11.7.3: status comes with the last Data-In, and never when sense would come with it. */
	if (!(data_in->flags & PDU_FINAL)) {
		*why = "status in a Data-In PDU that is not the last";
		return -EPROTO;
	}
	if (data_in->status != SCSI_GOOD && data_in->status != SCSI_CONDITION_MET) {
		*why = "a status in Data-In that belongs into a SCSI Response";
		return -EPROTO;
	}
	return task_complete(task, data_in->flags, data_in->status, data_in->residual_count, why);
}

void task_sense(const struct bhs_scsi_response *response, const uint8_t *data,
		struct scsi_result *result)
{
	struct reader reader = reader_of(data, pdu_data_length((const struct bhs *)response));
	/* A SenseLength larger than the segment is cut, not believed. */
	uint32_t length = reader_u16(&reader);

	length = MIN(MIN(length, (uint32_t)reader.left), (uint32_t)sizeof(result->sense));
	memcpy(result->sense, reader.at, length);
	result->sense_length = (uint8_t)length;
}

int task_response(struct task *task, const struct bhs_scsi_response *response, const uint8_t *data,
		  const char **why)
{
	struct scsi_result *result = &task->command->result;
	int r;

	if (response->response != SCSI_RESPONSE_COMPLETED) {
		/* §11.4.3: status and flags mean nothing then. */
		*why = NULL;
		result->outcome = SCSI_TARGET_FAILURE;
		return 0;
	}
	r = task_complete(task, response->flags, response->status, response->residual_count, why);
	if (r == 0 && data)
		task_sense(response, data, result);
	return r;
}
