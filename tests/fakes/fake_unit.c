/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_unit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"

#define NO_ACTION     -1
#define ONE_COMMAND   0x07 /* REPORTING OPTIONS */
#define WITH_TIMEOUTS 0x80 /* RCTD */
#define SUPPORTED     0x03 /* as the standard says */

struct fake_unit *fake_unit_new(uint64_t blocks, uint32_t block_size)
{
	static const uint8_t naa[16] = {0x60, 0x01, 0x40, 0x5a, 0x11, 0x22, 0x33, 0x44,
					0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc};
	struct fake_unit *unit = calloc(1, sizeof(*unit));

	assert(unit);
	*unit = (struct fake_unit){
		.version = 6,
		.vendor = "HAWSER",
		.product = "RAM disk",
		.revision = "1.0",
		.serial = "FAKE0001",
		.blocks = blocks,
		.block_size = block_size,
		.write_cache = true,
		.fua = true,
		.thin = true,
		.unmap = true,
		.write_same = true,
		.unmapped_reads_zero = true,
		.max_transfer_blocks = 0,
		.max_unmap_blocks = 1 << 20,
		.max_unmap_descriptors = 16,
		.max_compare_blocks = 255,
		.passive_state = 2,
		.holder = -1,
		.reserved_by = -1,
		.mapped_blocks = blocks,
	};
	memcpy(unit->naa, naa, sizeof(naa));
	unit->data = calloc(blocks ? blocks : 1, block_size);
	unit->mapped = calloc(blocks ? blocks : 1, 1);
	assert(unit->data && unit->mapped);
	return unit;
}

void fake_unit_free(struct fake_unit *unit)
{
	if (!unit)
		return;
	free(unit->data);
	free(unit->mapped);
	free(unit);
}

void fake_unit_set_page(struct fake_unit *unit, int page, const void *data, size_t length)
{
	assert(unit->page_count < FAKE_PAGES_MAX);
	unit->pages[unit->page_count].page = page;
	unit->pages[unit->page_count].data = data;
	unit->pages[unit->page_count].length = length;
	unit->page_count++;
}

void *fake_unit_block(struct fake_unit *unit, uint64_t lba)
{
	assert(lba < unit->blocks);
	return unit->data + lba * unit->block_size;
}

void fake_unit_wwid(const struct fake_unit *unit, char wwid[34])
{
	wwid[0] = '3';
	for (size_t i = 0; i < sizeof(unit->naa); i++)
		snprintf(wwid + 1 + 2 * i, 3, "%02x", unit->naa[i]);
}

/* ---- answers --------------------------------------------------------------------------------- */

void fake_sense(struct scsi_command *command, bool descriptor_format, bool deferred, uint8_t key,
		uint8_t asc, uint8_t ascq)
{
	struct scsi_result *result = &command->result;

	memset(result, 0, sizeof(*result));
	result->outcome = SCSI_COMPLETED;
	result->status = SCSI_CHECK_CONDITION;
	if (descriptor_format) {
		result->sense[0] = deferred ? 0x73 : 0x72;
		result->sense[1] = key;
		result->sense[2] = asc;
		result->sense[3] = ascq;
		result->sense_length = 8;
		return;
	}
	result->sense[0] = deferred ? 0x71 : 0x70;
	result->sense[2] = key;
	result->sense[7] = 10;
	result->sense[12] = asc;
	result->sense[13] = ascq;
	result->sense_length = 18;
}

void fake_data_in(struct scsi_command *command, const void *data, size_t length)
{
	struct scsi_result *result = &command->result;
	size_t sent = MIN(length, (size_t)command->data_length);

	memset(result, 0, sizeof(*result));
	if (sent > 0)
		memcpy(command->data, data, sent);
	result->underflow = sent < command->data_length;
	result->residual_bytes = (uint32_t)(command->data_length - sent);
}

void fake_fail(struct fake_request *request, uint8_t key, enum fake_asc asc)
{
	fake_sense(request->command, request->unit->descriptor_sense, false, key,
		   (uint8_t)(asc >> 8), (uint8_t)asc);
}

void fake_fail_at(struct fake_request *request, uint8_t key, enum fake_asc asc,
		  uint32_t information)
{
	struct scsi_result *result = &request->command->result;
	be32 field = be32_of(information);

	fake_fail(request, key, asc);
	if (!request->unit->descriptor_sense) {
		result->sense[0] |= 0x80; /* VALID */
		memcpy(result->sense + 3, &field, sizeof(field));
		return;
	}
	result->sense[7] = 12; /* an information descriptor */
	result->sense[9] = 10;
	result->sense[10] = 0x80;
	memcpy(result->sense + 16, &field, sizeof(field));
	result->sense_length = 20;
}

void fake_refuse(struct fake_request *request, enum fake_asc asc)
{
	fake_fail(request, 0x5, asc);
}

void fake_good(struct fake_request *request)
{
	memset(&request->command->result, 0, sizeof(request->command->result));
}

void fake_give(struct fake_request *request, const struct writer *data, size_t allocation_length)
{
	assert(!data->failed);
	fake_data_in(request->command, data->start, MIN(data->length, allocation_length));
}

/* ---- what has no family ---------------------------------------------------------------------- */

static void test_unit_ready(struct fake_request *request)
{
	fake_good(request);
}

static void request_sense(struct fake_request *request)
{
	bool descriptor = request->command->cdb[1] & 1;
	int who = fake_registrant_of(request->unit, request->origin, false);
	uint8_t memory[18];
	struct writer writer = writer_of(memory, sizeof(memory));
	struct scsi_command sense = {};

	fake_sense(&sense, descriptor, false, 0, 0, 0);
	if (who >= 0 && request->unit->registrants[who].attention[0]) {
		uint8_t *attention = request->unit->registrants[who].attention;

		fake_sense(&sense, descriptor, false, 0x6, attention[0], attention[1]);
		memset(attention, 0, 2);
	}
	writer_bytes(&writer, sense.result.sense, sense.result.sense_length);
	fake_give(request, &writer, request->command->cdb[4]);
}

static void report_luns(struct fake_request *request)
{
	const struct fake_origin *origin = request->origin;
	size_t length = 8 + 8 * origin->lun_count;
	owned_memory uint8_t *memory = calloc(1, length);
	struct writer writer = writer_of(memory, length);

	assert(memory);
	writer_u32(&writer, (uint32_t)(8 * origin->lun_count));
	writer_u32(&writer, 0);
	for (size_t i = 0; i < origin->lun_count; i++)
		writer_u64(&writer, origin->luns[i]);
	fake_data_in(request->command, memory, length);
}

/* ---- the table ------------------------------------------------------------------------------- */

static fake_execute report_opcodes;

/*
 * @usage: which bits of the CDB count, from byte 1 on (SPC-4 §6.35.3); NULL: byte 1 has @flags and
 * then come LBA and length where a block command of this size has them.
 */
/* clang-format off */
static const struct row {
	uint8_t opcode;
	int8_t action; /* service action */
	fake_execute *execute;
	enum fake_access access;
	bool medium; /* needs the unit to be started */
	uint8_t flags;
	const char *usage;
} rows[] = {
	{SCSI_TEST_UNIT_READY, NO_ACTION, test_unit_ready, FAKE_SETTINGS, true, 0, "\0\0\0\0"},
	{SCSI_REQUEST_SENSE, NO_ACTION, request_sense, FAKE_FREE, false, 0, "\x01\0\0\xff"},
	{FAKE_READ_6, NO_ACTION, fake_read, FAKE_READS, true, 0, "\x1f\xff\xff\xff"},
	{FAKE_WRITE_6, NO_ACTION, fake_write, FAKE_WRITES, true, 0, "\x1f\xff\xff\xff"},
	{SCSI_INQUIRY, NO_ACTION, fake_inquiry, FAKE_FREE, false, 0, "\x01\xff\xff\xff"},
	{FAKE_MODE_SELECT_6, NO_ACTION, fake_mode_select, FAKE_WRITES, false, 0, "\x11\0\0\xff"},
	{FAKE_RESERVE_6, NO_ACTION, fake_reserve_6, FAKE_SETTINGS, false, 0, "\0\0\0\0"},
	{FAKE_RELEASE_6, NO_ACTION, fake_release_6, FAKE_FREE, false, 0, "\0\0\0\0"},
	{SCSI_MODE_SENSE_6, NO_ACTION, fake_mode_sense, FAKE_WRITES, false, 0, "\x08\xff\xff\xff"},
	{FAKE_START_STOP_UNIT, NO_ACTION, fake_start_stop, FAKE_WRITES, false, 0, "\x01\0\0\xf7"},
	{SCSI_READ_CAPACITY_10, NO_ACTION, fake_read_capacity_10, FAKE_FREE, true, 0,
	 "\0\xff\xff\xff\xff\0\0\x01"},
	{SCSI_READ_10, NO_ACTION, fake_read, FAKE_READS, true, 0xf8, NULL},
	{SCSI_WRITE_10, NO_ACTION, fake_write, FAKE_WRITES, true, 0xf8, NULL},
	{FAKE_WRITE_AND_VERIFY_10, NO_ACTION, fake_write_verify, FAKE_WRITES, true, 0xf6, NULL},
	{FAKE_VERIFY_10, NO_ACTION, fake_verify, FAKE_READS, true, 0xf6, NULL},
	{FAKE_PRE_FETCH_10, NO_ACTION, fake_pre_fetch, FAKE_READS, true, 0x02, NULL},
	{SCSI_SYNCHRONIZE_CACHE_10, NO_ACTION, fake_synchronize_cache, FAKE_WRITES, true, 0x02, NULL},
	{FAKE_WRITE_SAME_10, NO_ACTION, fake_write_same, FAKE_WRITES, true, 0xf8, NULL},
	{SCSI_UNMAP, NO_ACTION, fake_unmap, FAKE_WRITES, true, 0, "\x01\0\0\0\0\0\xff\xff"},
	{FAKE_MODE_SELECT_10, NO_ACTION, fake_mode_select, FAKE_WRITES, false, 0,
	 "\x11\0\0\0\0\0\xff\xff"},
	{SCSI_MODE_SENSE_10, NO_ACTION, fake_mode_sense, FAKE_WRITES, false, 0,
	 "\x18\xff\xff\0\0\0\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_IN, 0, fake_read_keys, FAKE_SETTINGS, false, 0,
	 "\x1f\0\0\0\0\0\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_IN, 1, fake_read_reservation, FAKE_SETTINGS, false, 0,
	 "\x1f\0\0\0\0\0\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_IN, 2, fake_report_capabilities, FAKE_SETTINGS, false, 0,
	 "\x1f\0\0\0\0\0\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_IN, 3, fake_read_full_status, FAKE_SETTINGS, false, 0,
	 "\x1f\0\0\0\0\0\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 0, fake_register, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 1, fake_reserve, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 2, fake_release, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 3, fake_clear, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 4, fake_preempt, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 5, fake_preempt, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{FAKE_PERSISTENT_RESERVE_OUT, 6, fake_register, FAKE_SETTINGS, false, 0,
	 "\x1f\xff\0\0\xff\xff\xff\xff"},
	{SCSI_READ_16, NO_ACTION, fake_read, FAKE_READS, true, 0xf8, NULL},
	{FAKE_COMPARE_AND_WRITE, NO_ACTION, fake_compare_and_write, FAKE_WRITES, true, 0,
	 "\xf8\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\xff\0"},
	{SCSI_WRITE_16, NO_ACTION, fake_write, FAKE_WRITES, true, 0xf8, NULL},
	{FAKE_ORWRITE, NO_ACTION, fake_orwrite, FAKE_WRITES, true, 0xf8, NULL},
	{FAKE_WRITE_AND_VERIFY_16, NO_ACTION, fake_write_verify, FAKE_WRITES, true, 0xf6, NULL},
	{FAKE_VERIFY_16, NO_ACTION, fake_verify, FAKE_READS, true, 0xf6, NULL},
	{FAKE_PRE_FETCH_16, NO_ACTION, fake_pre_fetch, FAKE_READS, true, 0x02, NULL},
	{SCSI_SYNCHRONIZE_CACHE_16, NO_ACTION, fake_synchronize_cache, FAKE_WRITES, true, 0x02, NULL},
	{SCSI_WRITE_SAME_16, NO_ACTION, fake_write_same, FAKE_WRITES, true, 0xf9, NULL},
	{SCSI_SERVICE_ACTION_IN_16, 0x10, fake_read_capacity_16, FAKE_FREE, true, 0,
	 "\x1f\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0"},
	{SCSI_SERVICE_ACTION_IN_16, 0x12, fake_lba_status, FAKE_READS, true, 0,
	 "\x1f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0"},
	{SCSI_REPORT_LUNS, NO_ACTION, report_luns, FAKE_FREE, false, 0,
	 "\0\xff\0\0\0\xff\xff\xff\xff\0"},
	{SCSI_MAINTENANCE_IN, 0x0a, fake_report_port_groups, FAKE_FREE, false, 0,
	 "\xff\0\0\0\0\xff\xff\xff\xff\0"},
	{SCSI_MAINTENANCE_OUT, 0x0a, fake_set_port_groups, FAKE_SETTINGS, false, 0,
	 "\x1f\0\0\0\0\xff\xff\xff\xff\0"},
	{SCSI_MAINTENANCE_IN, 0x0c, report_opcodes, FAKE_SETTINGS, false, 0,
	 "\x1f\x87\xff\xff\xff\xff\xff\xff\xff\0"},
	{FAKE_READ_12, NO_ACTION, fake_read, FAKE_READS, true, 0xf8, NULL},
	{FAKE_WRITE_12, NO_ACTION, fake_write, FAKE_WRITES, true, 0xf8, NULL},
	{FAKE_WRITE_AND_VERIFY_12, NO_ACTION, fake_write_verify, FAKE_WRITES, true, 0xf6, NULL},
	{FAKE_VERIFY_12, NO_ACTION, fake_verify, FAKE_READS, true, 0xf6, NULL},
};
/* clang-format on */

/* What the fields of struct fake_unit take away. */
static bool has(const struct fake_unit *unit, const struct row *row)
{
	switch (row->opcode) {
	case SCSI_READ_10:
	case SCSI_WRITE_10:
		return !unit->no_10;
	case SCSI_REPORT_LUNS:
		return !unit->no_report_luns;
	case SCSI_MODE_SENSE_6:
		return !unit->no_mode_sense_6;
	case SCSI_MODE_SENSE_10:
		return !unit->no_mode_sense_10;
	case FAKE_WRITE_SAME_10:
	case SCSI_WRITE_SAME_16:
		return unit->write_same && !(row->opcode == SCSI_WRITE_SAME_16 && unit->no_16);
	case SCSI_UNMAP:
		return unit->unmap;
	case SCSI_MAINTENANCE_IN:
		return row->action != SCSI_REPORT_TARGET_PORT_GROUPS || unit->tpgs != 0;
	case SCSI_MAINTENANCE_OUT:
		return unit->tpgs != 0;
	case FAKE_COMPARE_AND_WRITE:
		return unit->max_compare_blocks > 0 && !unit->no_16;
	default:
		return cdb_length(row->opcode) != 16 || !unit->no_16;
	}
}

static const struct row *find_row(const struct fake_unit *unit, uint8_t opcode, int action)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].opcode == opcode && has(unit, &rows[i]) &&
		    (action < 0 || rows[i].action == NO_ACTION || rows[i].action == action))
			return &rows[i];
	return NULL;
}

static void put_timeouts(struct writer *writer)
{
	static const uint8_t not_told[12] = {0, 10};

	writer_bytes(writer, not_told, sizeof(not_told));
}

static void put_usage(struct writer *writer, const struct row *row)
{
	unsigned length = cdb_length(row->opcode);
	uint8_t usage[16] = {row->opcode, row->flags};

	if (row->usage)
		memcpy(usage + 1, row->usage, length - 2);
	else if (length == 10)
		memcpy(usage + 2, "\xff\xff\xff\xff\0\xff\xff", 7);
	else
		memset(usage + 2, 0xff, length - 4);
	if (row->action != NO_ACTION)
		usage[1] = (uint8_t)((usage[1] & ~SCSI_SERVICE_ACTION_MASK) | row->action);
	writer_bytes(writer, usage, length);
}

static void put_one_command(struct fake_request *request, struct writer *writer,
			    const struct row *row)
{
	bool timeouts = request->command->cdb[2] & WITH_TIMEOUTS;

	writer_u8(writer, 0);
	if (!row) {
		writer_u8(writer, 0x01); /* not supported */
		writer_u16(writer, 0);
		return;
	}
	writer_u8(writer, (uint8_t)(SUPPORTED | (timeouts ? 0x80 : 0)));
	writer_u16(writer, (uint16_t)cdb_length(row->opcode));
	put_usage(writer, row);
	if (timeouts)
		put_timeouts(writer);
}

static void put_all_commands(struct fake_request *request, struct writer *writer)
{
	bool timeouts = request->command->cdb[2] & WITH_TIMEOUTS;
	be32 length;

	writer_u32(writer, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		bool has_action = row->action != NO_ACTION;

		if (!has(request->unit, row))
			continue;
		writer_u8(writer, row->opcode);
		writer_u8(writer, 0);
		writer_u16(writer, has_action ? (uint16_t)row->action : 0);
		writer_u8(writer, 0);
		writer_u8(writer, (uint8_t)((timeouts ? 0x02 : 0) | (has_action ? 0x01 : 0)));
		writer_u16(writer, (uint16_t)cdb_length(row->opcode));
		if (timeouts)
			put_timeouts(writer);
	}
	length = be32_of((uint32_t)writer->length - 4);
	memcpy(writer->start, &length, sizeof(length));
}

/* SPC-4 §6.35 */
static void report_opcodes(struct fake_request *request)
{
	struct cdb_maintenance_in cdb;
	uint8_t memory[FAKE_ANSWER_MAX] = {};
	struct writer writer = writer_of(memory, sizeof(memory));
	const struct row *row;
	uint16_t action;
	uint8_t options;

	memcpy(&cdb, request->command->cdb, sizeof(cdb));
	options = cdb.options & ONE_COMMAND;
	action = be16_get(cdb.requested_service_action);
	row = find_row(request->unit, cdb.requested_opcode, NO_ACTION);
	switch (options) {
	case 0:
		put_all_commands(request, &writer);
		break;
	case 1:
	case 2:
		if (row && (row->action == NO_ACTION) != (options == 1))
			return fake_refuse(request, FAKE_INVALID_IN_CDB);
		if (options == 2)
			row = find_row(request->unit, cdb.requested_opcode, action);
		put_one_command(request, &writer, row);
		break;
	case 3:
		if (row && row->action == NO_ACTION && action != 0)
			row = NULL;
		else
			row = find_row(request->unit, cdb.requested_opcode, action);
		put_one_command(request, &writer, row);
		break;
	default:
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	}
	fake_give(request, &writer, be32_get(cdb.allocation_length));
}

/* ---- execute --------------------------------------------------------------------------------- */

static void read_range(struct fake_request *request)
{
	const uint8_t *cdb = request->command->cdb;
	struct cdb_10 ten;
	struct cdb_16 sixteen;
	be32 length;

	memcpy(&ten, cdb, sizeof(ten));
	memcpy(&sixteen, cdb, sizeof(sixteen));
	memcpy(&length, cdb + 6, sizeof(length));
	request->lba = be32_get(ten.lba);
	switch (cdb_length(cdb[0])) {
	case 6:
		request->lba = (cdb[1] & 0x1fu) << 16 | cdb[2] << 8 | cdb[3];
		request->blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		request->blocks = be16_get(ten.length);
		break;
	case 12:
		request->blocks = be32_get(length);
		break;
	default:
		request->lba = be64_get(sixteen.lba);
		request->blocks = be32_get(sixteen.length);
	}
	if (cdb[0] == FAKE_COMPARE_AND_WRITE)
		request->blocks = cdb[13];
}

static bool attention_is_told(struct fake_request *request)
{
	int who = fake_registrant_of(request->unit, request->origin, false);
	uint8_t opcode = request->command->cdb[0], *attention;

	if (who < 0 || opcode == SCSI_INQUIRY || opcode == SCSI_REPORT_LUNS ||
	    opcode == SCSI_REQUEST_SENSE)
		return false;
	attention = request->unit->registrants[who].attention;
	if (!attention[0])
		return false;
	fake_fail(request, 0x6, (enum fake_asc)(attention[0] << 8 | attention[1]));
	memset(attention, 0, 2);
	return true;
}

void fake_unit_execute(struct fake_unit *unit, struct scsi_command *command,
		       const struct fake_origin *origin)
{
	struct fake_request request = {.unit = unit, .command = command, .origin = origin};
	uint8_t opcode = command->cdb[0];
	const struct row *row = find_row(unit, opcode, command->cdb[1] & SCSI_SERVICE_ACTION_MASK);

	fake_registrant_of(unit, origin, origin->initiator != NULL);
	if (attention_is_told(&request))
		return;
	if (!row)
		return fake_refuse(&request, find_row(unit, opcode, NO_ACTION)
						     ? FAKE_INVALID_IN_CDB
						     : FAKE_INVALID_OPCODE);
	if (fake_access_refuses(&request))
		return;
	if (fake_conflicts(&request, row->access)) {
		fake_good(&request);
		command->result.status = SCSI_RESERVATION_CONFLICT;
		return;
	}
	if (row->medium && unit->stopped)
		return fake_fail(&request, 0x2, FAKE_NOT_READY_START_IT);
	read_range(&request);
	row->execute(&request);
}
