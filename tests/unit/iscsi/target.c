/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "target.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "iscsi/settings.h"
#include "scsi/cdb.h"
#include "tests/fakes/fake_wire.h"
#include "tests/fakes/request_rules.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

static bool target_work(void *userdata);

void target_init(struct target *target, struct fake_wire *wire, const struct negotiated *negotiated,
		 uint32_t disk_bytes)
{
	*target = (struct target){
		.wire = wire,
		.negotiated = negotiated,
		.disk = calloc(1, disk_bytes ? disk_bytes : 1),
		.disk_bytes = disk_bytes,
	};
	assert_non_null(target->disk);
	fake_wire_set_peer(wire, target_work, target);
}

void target_deinit(struct target *target)
{
	for (size_t i = 0; i < target->pdu_count; i++)
		free(target->pdus[i].data);
	free(target->disk);
}

/* What the initiator sends. */

/* Reserved fields are sent as zero (§11); LUN and tag rules follow below. */
static void check_reserved(const struct bhs *bhs)
{
	const char *broken = request_broken_rule(bhs);

	if (broken)
		fail_msg("opcode %02x: %s", pdu_opcode(bhs), broken);
	if (pdu_opcode(bhs) == PDU_TASK_MANAGEMENT_REQUEST)
		assert_int_equal(
			be32_get(((const struct bhs_task_management_request *)bhs)->exp_data_sn),
			0);
	if (pdu_opcode(bhs) == PDU_LOGOUT_REQUEST)
		assert_int_equal(be16_get(((const struct bhs_logout_request *)bhs)->cid), 0);
}

static void check_numbers(struct target *target, const struct bhs *bhs)
{
	const struct bhs_request *request = (const struct bhs_request *)bhs;
	uint32_t exp_stat_sn = be32_get(request->exp_stat_sn), cmd_sn = be32_get(request->cmd_sn);

	assert_false(sn_less(target->stat_sn, exp_stat_sn));
	assert_false(sn_less(exp_stat_sn, target->heard_stat_sn));
	target->heard_stat_sn = exp_stat_sn;
	if (pdu_opcode(bhs) == PDU_DATA_OUT || pdu_opcode(bhs) == PDU_SNACK)
		return;
	assert_int_equal(cmd_sn, target->exp_cmd_sn);
	if (bhs->opcode & PDU_IMMEDIATE)
		return;
	assert_true(sn_less_equal(cmd_sn, target->max_cmd_sn));
	target->exp_cmd_sn++;
	if (target->window)
		target->max_cmd_sn = target->exp_cmd_sn + target->window - 1;
}

static void check_request(struct target *target, const struct bhs *bhs, uint32_t length)
{
	uint8_t opcode = pdu_opcode(bhs);
	bool immediate = bhs->opcode & PDU_IMMEDIATE;

	check_reserved(bhs);
	check_numbers(target, bhs);
	switch (opcode) {
	case PDU_SCSI_COMMAND:
	case PDU_DATA_OUT:
		assert_false(immediate);
		return;
	case PDU_SNACK:
		assert_true(target->negotiated->error_recovery_level > 0);
		assert_int_equal(length, 0);
		return;
	case PDU_NOP_OUT:
	case PDU_TEXT_REQUEST:
		assert_true(immediate);
		return;
	case PDU_TASK_MANAGEMENT_REQUEST:
	case PDU_LOGOUT_REQUEST:
		assert_true(immediate);
		assert_true(bhs->flags & PDU_FINAL);
		assert_int_equal(length, 0);
		return;
	default:
		fail_msg("opcode %02x from an initiator", opcode);
	}
}

/* The next whole PDU on the wire, its digests checked. Return: bytes of it; 0 = none */
static size_t parse(struct target *target, struct bhs *bhs, const uint8_t **data, uint32_t *length)
{
	const struct negotiated *negotiated = target->negotiated;
	size_t digested, header, left, total;
	const uint8_t *at = fake_wire_taken(target->wire, &left);
	uint32_t padding, digest;

	if (left < BHS_LENGTH)
		return 0;
	memcpy(bhs, at, BHS_LENGTH);
	digested = BHS_LENGTH + pdu_ahs_length(bhs);
	header = digested + (negotiated->header_digest ? DIGEST_LENGTH : 0);
	if (left < header)
		return 0;
	memcpy(target->ahs, at + BHS_LENGTH, pdu_ahs_length(bhs));
	if (bhs->total_ahs_length) /* at least one byte of a CDB is in it (§11.2.2.3) */
		assert_true(be16_get(((const struct ahs_extended_cdb *)target->ahs)->ahs_length) >
			    1);
	if (negotiated->header_digest)
		assert_int_equal(crc32c(0, at, digested), crc32c_from_wire(at + digested));
	*length = pdu_data_length(bhs);
	assert_in_range(*length, 0, negotiated->max_xmit_data_segment_length);
	padding = pdu_padding(*length);
	digest = negotiated->data_digest && *length ? DIGEST_LENGTH : 0;
	total = header + *length + padding + digest;
	if (left < total)
		return 0;
	*data = at + header;
	for (uint32_t i = 0; i < padding; i++)
		assert_int_equal((*data)[*length + i], 0);
	if (digest)
		assert_int_equal(crc32c(0, *data, *length + padding),
				 crc32c_from_wire(*data + *length + padding));
	return total;
}

const void *target_take(struct target *target, enum pdu_opcode opcode)
{
	const struct bhs *bhs;

	assert_in_range(target->pdu_next + 1, 1, target->pdu_count);
	bhs = &target->pdus[target->pdu_next++].bhs;
	assert_int_equal(pdu_opcode(bhs), opcode);
	return bhs;
}

bool target_idle(const struct target *target)
{
	size_t left;

	fake_wire_taken(target->wire, &left);
	return left == 0 && target->pdu_next == target->pdu_count;
}

/* What the target sends. */

static bool counts(const struct bhs *bhs)
{
	switch (pdu_opcode(bhs)) {
	case PDU_R2T:
		return false;
	case PDU_NOP_IN:
		return be32_get(bhs->initiator_task_tag) != RESERVED_TAG;
	case PDU_DATA_IN:
		return bhs->flags & DATA_IN_STATUS;
	default:
		return true;
	}
}

void target_stamp(struct target *target, void *bhs)
{
	struct bhs_response *response = bhs;

	/* Data-In without status has no StatSN: nothing may come of what stands there. */
	response->stat_sn = be32_of(target->stat_sn);
	if (response->opcode == PDU_DATA_IN && !(response->flags & DATA_IN_STATUS))
		response->stat_sn = be32_of(target->stat_sn + 0x40000000);
	if (counts(bhs))
		target->stat_sn++;
	response->exp_cmd_sn = be32_of(target->exp_cmd_sn);
	response->max_cmd_sn = be32_of(target->max_cmd_sn);
}

void target_emit(struct target *target, const void *bhs, const void *data, uint32_t length)
{
	static const uint8_t padding[3];
	uint8_t digest[DIGEST_LENGTH];
	uint32_t crc;

	fake_wire_give(target->wire, bhs, BHS_LENGTH);
	if (target->negotiated->header_digest) {
		crc32c_to_wire(crc32c(0, bhs, BHS_LENGTH), digest);
		fake_wire_give(target->wire, digest, DIGEST_LENGTH);
	}
	if (!length)
		return;
	fake_wire_give(target->wire, data, length);
	fake_wire_give(target->wire, padding, pdu_padding(length));
	if (target->negotiated->data_digest) {
		crc = crc32c(crc32c(0, data, length), padding, pdu_padding(length));
		crc32c_to_wire(crc, digest);
		if (target->damage > 0) {
			target->damage--;
			digest[2] ^= 0x08;
		}
		fake_wire_give(target->wire, digest, DIGEST_LENGTH);
	}
}

void target_send(struct target *target, void *bhs, const void *data, uint32_t length)
{
	((struct bhs *)bhs)->data_segment_length = be24_of(length);
	target_stamp(target, bhs);
	target_emit(target, bhs, data, length);
}

void target_respond(struct target *target, be32 tag, uint8_t status)
{
	struct bhs_scsi_response response = {
		.opcode = PDU_SCSI_RESPONSE,
		.flags = PDU_FINAL,
		.status = status,
		.initiator_task_tag = tag,
	};

	target_send(target, &response, NULL, 0);
}

void target_data_in(struct target *target, be32 tag, uint32_t data_sn, uint32_t offset,
		    const void *data, uint32_t length, uint8_t flags)
{
	struct bhs_data_in data_in = {
		.opcode = PDU_DATA_IN,
		.flags = flags,
		.initiator_task_tag = tag,
		.target_transfer_tag = be32_of(RESERVED_TAG),
		.data_sn = be32_of(data_sn),
		.buffer_offset = be32_of(offset),
	};

	target_send(target, &data_in, data, length);
}

void target_r2t(struct target *target, const struct bhs_scsi_command *command, uint32_t tag,
		uint32_t r2t_sn, uint32_t offset, uint32_t length)
{
	struct bhs_r2t r2t = {
		.opcode = PDU_R2T,
		.flags = PDU_FINAL,
		.lun = command->lun,
		.initiator_task_tag = command->initiator_task_tag,
		.target_transfer_tag = be32_of(tag),
		.r2t_sn = be32_of(r2t_sn),
		.buffer_offset = be32_of(offset),
		.desired_data_transfer_length = be32_of(length),
	};

	target_send(target, &r2t, NULL, 0);
}

void target_nop_in(struct target *target, uint32_t initiator_tag, uint32_t target_tag, uint64_t lun)
{
	struct bhs_nop_in nop = {
		.opcode = PDU_NOP_IN,
		.flags = PDU_FINAL,
		.lun = be64_of(lun),
		.initiator_task_tag = be32_of(initiator_tag),
		.target_transfer_tag = be32_of(target_tag),
	};

	target_send(target, &nop, NULL, 0);
}

void target_async(struct target *target, uint8_t event, uint16_t parameter2, uint16_t parameter3)
{
	struct bhs_async_message async = {
		.opcode = PDU_ASYNC_MESSAGE,
		.flags = PDU_FINAL,
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.async_event = event,
		.parameter2 = be16_of(parameter2),
		.parameter3 = be16_of(parameter3),
	};

	target_send(target, &async, NULL, 0);
}

void target_reject(struct target *target, uint8_t reason, const void *rejected)
{
	struct bhs_reject reject = {
		.opcode = PDU_REJECT,
		.flags = PDU_FINAL,
		.reason = reason,
		.initiator_task_tag = be32_of(RESERVED_TAG),
	};

	target_send(target, &reject, rejected, rejected ? BHS_LENGTH : 0);
}

void target_management_respond(struct target *target, be32 tag, uint8_t response)
{
	struct bhs_task_management_response bhs = {
		.opcode = PDU_TASK_MANAGEMENT_RESPONSE,
		.flags = PDU_FINAL,
		.response = response,
		.initiator_task_tag = tag,
	};

	target_send(target, &bhs, NULL, 0);
}

void target_logout_respond(struct target *target, be32 tag, uint8_t response)
{
	struct bhs_logout_response bhs = {
		.opcode = PDU_LOGOUT_RESPONSE,
		.flags = PDU_FINAL,
		.response = response,
		.initiator_task_tag = tag,
		.time2wait = be16_of(7),
	};

	target_send(target, &bhs, NULL, 0);
}

/* The RAM disk. */

static struct target_task *find_task(struct target *target, be32 tag)
{
	for (size_t i = 0; i < TARGET_TASKS_MAX; i++) {
		struct target_task *task = &target->tasks[i];

		if (task->live && be32_get(task->command.initiator_task_tag) == be32_get(tag))
			return task;
	}
	return NULL;
}

static void ask_for_more(struct target *target, struct target_task *task)
{
	uint32_t burst = target->negotiated->max_burst_length;

	if (target->r2t_bytes)
		burst = MIN(burst, target->r2t_bytes);
	while (task->asked < task->length &&
	       task->r2t_count < target->negotiated->max_outstanding_r2t) {
		struct target_r2t *r2t = &task->r2ts[task->r2t_count++];

		if (target->next_tag == RESERVED_TAG)
			target->next_tag = 0;
		*r2t = (struct target_r2t){
			.tag = target->next_tag++,
			.offset = task->asked,
			.length = MIN(burst, task->length - task->asked),
		};
		target_r2t(target, &task->command, r2t->tag, task->r2t_sn++, r2t->offset,
			   r2t->length);
		task->asked += r2t->length;
	}
}

static void continue_write(struct target *target, struct target_task *task)
{
	if (task->received < task->length) {
		if (!task->unsolicited_end)
			ask_for_more(target, task);
		return;
	}
	if (target->holds_status)
		return;
	target_respond(target, task->command.initiator_task_tag, 0);
	task->live = false;
}

static void begin_write(struct target *target, struct target_task *task, const uint8_t *data,
			uint32_t immediate)
{
	const struct negotiated *negotiated = target->negotiated;
	uint32_t first = MIN(task->length, negotiated->first_burst_length);
	bool final = task->command.flags & PDU_FINAL;

	/* §4.2.5.2: nothing that was not agreed on; immediate data alone or all of the first burst
	 */
	assert_in_range(immediate, 0, negotiated->immediate_data ? first : 0);
	if (immediate < task->length && !final)
		assert_int_equal(immediate % 4, 0);
	if (negotiated->initial_r2t)
		assert_true(final);
	else
		assert_int_equal(final, immediate == first);
	if (negotiated->immediate_data)
		assert_true(immediate + 4 > MIN(first, negotiated->max_xmit_data_segment_length));
	memcpy(target->disk + task->disk_offset, data, immediate);
	task->received = task->asked = immediate;
	if (!final)
		task->unsolicited_end = task->asked = first;
	continue_write(target, task);
}

static void serve_read(struct target *target, struct target_task *task)
{
	const struct negotiated *negotiated = target->negotiated;
	uint32_t largest = negotiated->max_recv_data_segment_length, burst = 0, offset = 0;
	be32 tag = task->command.initiator_task_tag;

	if (target->data_in_bytes)
		largest = MIN(largest, target->data_in_bytes);
	while (offset < task->length) {
		uint32_t n = MIN(MIN(largest, task->length - offset),
				 negotiated->max_burst_length - burst);
		bool last = offset + n == task->length;
		uint8_t flags = 0;

		burst += n;
		if (last || burst == negotiated->max_burst_length) {
			flags = PDU_FINAL;
			burst = 0;
		}
		if (last && target->status_in_data)
			flags |= DATA_IN_STATUS;
		target_data_in(target, tag, task->data_sn++, offset,
			       target->disk + task->disk_offset + offset, n, flags);
		offset += n;
	}
	if (!target->status_in_data || task->length == 0)
		target_respond(target, tag, 0);
	task->live = false;
}

static void serve_command(struct target *target, const struct bhs *bhs, const uint8_t *data,
			  uint32_t immediate)
{
	const struct bhs_scsi_command *command = (const struct bhs_scsi_command *)bhs;
	struct reader cdb = reader_of(command->cdb, sizeof(command->cdb));
	struct target_task *task = target->tasks;
	uint8_t opcode;

	assert_null(find_task(target, command->initiator_task_tag));
	while (task->live)
		task++;
	assert_true(task < target->tasks + TARGET_TASKS_MAX);
	opcode = reader_u8(&cdb);
	reader_skip(&cdb, 1);
	*task = (struct target_task){
		.live = true,
		.command = *command,
		.disk_offset = (uint32_t)reader_u64(&cdb),
		.length = reader_u32(&cdb),
	};
	assert_int_equal(be32_get(command->expected_data_transfer_length), task->length);
	assert_in_range((uint64_t)task->disk_offset + task->length, 0, target->disk_bytes);
	assert_int_equal(command->flags & SCSI_COMMAND_ATTRIBUTE_MASK, TASK_ATTRIBUTE_SIMPLE);
	assert_int_equal(command->flags & (SCSI_COMMAND_READ | SCSI_COMMAND_WRITE),
			 opcode == SCSI_READ_16 ? SCSI_COMMAND_READ : SCSI_COMMAND_WRITE);
	if (opcode == SCSI_WRITE_16) {
		begin_write(target, task, data, immediate);
		return;
	}
	assert_int_equal(immediate, 0);
	assert_true(command->flags & PDU_FINAL);
	serve_read(target, task);
}

static void serve_data_out(struct target *target, const struct bhs *bhs, const uint8_t *data,
			   uint32_t length)
{
	const struct bhs_data_out *out = (const struct bhs_data_out *)bhs;
	struct target_task *task = find_task(target, out->initiator_task_tag);
	uint32_t tag = be32_get(out->target_transfer_tag), end;
	bool final = out->flags & PDU_FINAL;

	assert_non_null(task);
	assert_int_equal(out->flags & ~PDU_FINAL, 0);
	assert_int_not_equal(length, 0);
	if (task->unsolicited_end) {
		assert_int_equal(tag, RESERVED_TAG);
		assert_int_equal(be64_get(out->lun), 0);
		end = task->unsolicited_end;
	} else {
		assert_int_not_equal(task->r2t_count, 0);
		assert_int_equal(tag, task->r2ts[0].tag);
		assert_memory_equal(&out->lun, &task->command.lun, sizeof(out->lun));
		end = task->r2ts[0].offset + task->r2ts[0].length;
	}
	assert_int_equal(be32_get(out->data_sn), task->data_sn++);
	assert_int_equal(be32_get(out->buffer_offset), task->received);
	assert_in_range(task->received + length, 1, end);
	assert_int_equal(final, task->received + length == end);
	if (!final)
		assert_int_equal(length,
				 target->negotiated->max_xmit_data_segment_length & ~UINT32_C(3));
	memcpy(target->disk + task->disk_offset + task->received, data, length);
	task->received += length;
	if (final) {
		task->data_sn = 0;
		if (!task->unsolicited_end) {
			task->r2t_count--;
			memmove(task->r2ts, task->r2ts + 1,
				task->r2t_count * sizeof(task->r2ts[0]));
		}
		task->unsolicited_end = 0;
		continue_write(target, task);
	}
}

static void keep(struct target *target, const struct bhs *bhs, const uint8_t *data, uint32_t length)
{
	struct target_pdu *pdu = &target->pdus[target->pdu_count++];

	assert_in_range(target->pdu_count, 1, TARGET_PDUS_MAX);
	*pdu = (struct target_pdu){.bhs = *bhs, .length = length, .data = malloc(length + 1)};
	assert_non_null(pdu->data);
	memcpy(pdu->data, data, length);
}

static bool target_work(void *userdata)
{
	struct target *target = userdata;
	bool worked = false;
	const uint8_t *data;
	struct bhs bhs;
	uint32_t length;
	size_t used;

	while ((used = parse(target, &bhs, &data, &length)) > 0) {
		uint8_t opcode = pdu_opcode(&bhs);

		worked = true;
		target->counts[opcode]++;
		check_request(target, &bhs, length);
		if (target->serves && opcode == PDU_SCSI_COMMAND)
			serve_command(target, &bhs, data, length);
		else if (target->serves && opcode == PDU_DATA_OUT)
			serve_data_out(target, &bhs, data, length);
		else
			keep(target, &bhs, data, length);
		fake_wire_skip(target->wire, used);
	}
	return worked;
}
