/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_unit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/command.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define ANSWER_MAX 4096 /* bytes of the longest parameter data, REPORT LUNS left out */

/* One command on its way through the unit. */
struct request {
	struct fake_unit *unit;
	struct scsi_command *command;
	const uint64_t *luns;
	size_t lun_count;
	uint16_t target_port_group, relative_port;
	uint64_t lba; /* of a 10 or 16-byte block command */
	uint32_t blocks;
};

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
	};
	memcpy(unit->naa, naa, sizeof(naa));
	unit->data = calloc(blocks ? blocks : 1, block_size);
	assert(unit->data);
	return unit;
}

void fake_unit_free(struct fake_unit *unit)
{
	if (!unit)
		return;
	free(unit->data);
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

static void good(struct scsi_command *command)
{
	memset(&command->result, 0, sizeof(command->result));
}

static void refuse(struct request *request, uint8_t asc)
{
	fake_sense(request->command, false, false, 0x5, asc, 0x00);
}

/* ---- parameter data -------------------------------------------------------------------------- */

static void put_text(struct writer *writer, const char *text, size_t width)
{
	for (size_t i = 0; i < width; i++)
		writer_u8(writer, *text ? (uint8_t)*text++ : ' ');
}

static void put_standard(struct request *request, struct writer *writer)
{
	struct fake_unit *unit = request->unit;

	writer_u8(writer, (uint8_t)(unit->qualifier << 5 | unit->device_type));
	writer_u8(writer, 0);
	writer_u8(writer, unit->version);
	writer_u8(writer, 0x12); /* HISUP, response data format 2 */
	writer_u8(writer, 31);
	writer_u8(writer, (uint8_t)(unit->tpgs << 4));
	writer_u16(writer, 0x0002); /* CMDQUE */
	put_text(writer, unit->vendor, 8);
	put_text(writer, unit->product, 16);
	put_text(writer, unit->revision, 4);
}

static void put_page_list(struct request *request, struct writer *writer)
{
	static const uint8_t codes[] = {0x00, 0x80, 0x83, 0xb0, 0xb2};

	writer_bytes(writer, codes, sizeof(codes));
}

static void put_serial(struct request *request, struct writer *writer)
{
	put_text(writer, request->unit->serial, strlen(request->unit->serial));
}

static void put_designators(struct request *request, struct writer *writer)
{
	writer_u32(writer, 0x01030010); /* binary, logical unit, NAA, 16 bytes */
	writer_bytes(writer, request->unit->naa, 16);
	writer_u32(writer, 0x51940004); /* binary, iSCSI, target port, relative target port */
	writer_u32(writer, request->relative_port);
	writer_u32(writer, 0x51950004); /* the same, target port group */
	writer_u32(writer, request->target_port_group);
}

static void put_block_limits(struct request *request, struct writer *writer)
{
	static const uint8_t atomic_fields[20];
	const struct fake_unit *unit = request->unit;

	writer_u32(writer, 0x00000001); /* optimal granularity 1 */
	writer_u32(writer, unit->max_transfer_blocks);
	writer_u32(writer, unit->optimal_transfer_blocks);
	writer_u32(writer, 0);
	writer_u32(writer, unit->unmap ? unit->max_unmap_blocks : 0);
	writer_u32(writer, unit->unmap ? unit->max_unmap_descriptors : 0);
	writer_u32(writer, unit->unmap_granularity_blocks);
	writer_u32(writer, 0);
	writer_u64(writer, unit->max_write_same_blocks);
	writer_bytes(writer, atomic_fields, sizeof(atomic_fields));
}

static void put_provisioning(struct request *request, struct writer *writer)
{
	const struct fake_unit *unit = request->unit;

	writer_u8(writer, 0);
	writer_u8(writer, (uint8_t)((unit->unmap ? 0x80 : 0) | (unit->write_same ? 0x40 : 0) |
				    (unit->unmapped_reads_zero ? 0x04 : 0)));
	writer_u8(writer, unit->thin ? 2 : 0);
	writer_u8(writer, 0);
}

static const struct {
	uint8_t code;
	void (*put)(struct request *request, struct writer *writer);
} vital_pages[] = {
	{0x00, put_page_list},	  {0x80, put_serial},	    {0x83, put_designators},
	{0xb0, put_block_limits}, {0xb2, put_provisioning},
};

static bool give_set_page(struct request *request, int page)
{
	const struct fake_unit *unit = request->unit;

	for (size_t i = unit->page_count; i-- > 0;) {
		if (unit->pages[i].page != page)
			continue;
		fake_data_in(request->command, unit->pages[i].data, unit->pages[i].length);
		return true;
	}
	return false;
}

static void give_vital_page(struct request *request, uint8_t code)
{
	uint8_t memory[ANSWER_MAX] = {};
	struct writer writer = writer_of(memory + 4, sizeof(memory) - 4);

	for (size_t i = 0; i < ARRAY_SIZE(vital_pages); i++) {
		if (vital_pages[i].code != code)
			continue;
		vital_pages[i].put(request, &writer);
		assert(!writer.failed);
		memory[0] = (uint8_t)(request->unit->qualifier << 5 | request->unit->device_type);
		memory[1] = code;
		memory[2] = (uint8_t)(writer.length >> 8);
		memory[3] = (uint8_t)writer.length;
		fake_data_in(request->command, memory, 4 + writer.length);
		return;
	}
	refuse(request, 0x24);
}

static void do_inquiry(struct request *request)
{
	uint8_t memory[36];
	struct writer writer = writer_of(memory, sizeof(memory));
	bool evpd = request->command->cdb[1] & 1;
	int page = evpd ? request->command->cdb[2] : FAKE_STANDARD_DATA;

	if (evpd && request->unit->no_vpd)
		return refuse(request, 0x24);
	if (give_set_page(request, page))
		return;
	if (evpd)
		return give_vital_page(request, (uint8_t)page);
	put_standard(request, &writer);
	fake_data_in(request->command, memory, writer.length);
}

static void do_report_luns(struct request *request)
{
	size_t length = 8 + 8 * request->lun_count;
	owned_memory uint8_t *memory = calloc(1, length);
	struct writer writer = writer_of(memory, length);

	assert(memory);
	if (request->unit->no_report_luns)
		return refuse(request, 0x20);
	writer_u32(&writer, (uint32_t)(8 * request->lun_count));
	writer_u32(&writer, 0);
	for (size_t i = 0; i < request->lun_count; i++)
		writer_u64(&writer, request->luns[i]);
	fake_data_in(request->command, memory, length);
}

static void do_read_capacity_10(struct request *request)
{
	uint64_t last = request->unit->blocks - 1;
	struct {
		be32 last_lba, block_size;
	} answer = {
		be32_of(last > UINT32_MAX ? UINT32_MAX : (uint32_t)last),
		be32_of(request->unit->block_size),
	};

	fake_data_in(request->command, &answer, sizeof(answer));
}

static void do_service_action_in_16(struct request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[32] = {};
	struct writer writer = writer_of(memory, sizeof(memory));

	if ((request->command->cdb[1] & SCSI_SERVICE_ACTION_MASK) != SCSI_READ_CAPACITY_16)
		return refuse(request, 0x24);
	if (unit->no_16)
		return refuse(request, 0x20);
	writer_u64(&writer, unit->blocks - 1);
	writer_u32(&writer, unit->block_size);
	writer_u8(&writer, 0);
	writer_u8(&writer, unit->physical_exponent);
	writer_u8(&writer,
		  (uint8_t)((unit->thin ? 0x80 : 0) | (unit->unmapped_reads_zero ? 0x40 : 0)));
	fake_data_in(request->command, memory, sizeof(memory));
}

static void do_mode_sense(struct request *request)
{
	const struct fake_unit *unit = request->unit;
	bool ten = request->command->cdb[0] == SCSI_MODE_SENSE_10;
	uint8_t code = request->command->cdb[2] & 0x3f;
	uint8_t device = (uint8_t)((unit->read_only ? 0x80 : 0) | (unit->fua ? 0x10 : 0));
	uint8_t memory[28] = {};
	size_t header = ten ? 8 : 4;

	if (ten ? unit->no_mode_sense_10 : unit->no_mode_sense_6)
		return refuse(request, 0x20);
	if (code != 0x08 && code != 0x3f)
		return refuse(request, 0x24);
	memory[ten ? 1 : 0] = (uint8_t)(header + 20 - (ten ? 2 : 1));
	memory[ten ? 3 : 2] = device;
	memory[header] = 0x08;
	memory[header + 1] = 18;
	memory[header + 2] = unit->write_cache ? 0x04 : 0;
	fake_data_in(request->command, memory, header + 20);
}

/* ---- block commands -------------------------------------------------------------------------- */

static bool in_range(struct request *request, uint64_t lba, uint64_t blocks)
{
	if (lba <= request->unit->blocks && blocks <= request->unit->blocks - lba)
		return true;
	refuse(request, 0x21);
	return false;
}

static void residual(struct scsi_command *command, uint64_t length)
{
	good(command);
	if (command->data_length > length) {
		command->result.underflow = true;
		command->result.residual_bytes = (uint32_t)(command->data_length - length);
	} else if (command->data_length < length) {
		command->result.overflow = true;
		command->result.residual_bytes = (uint32_t)(length - command->data_length);
	}
}

static bool may_write(struct request *request)
{
	if (!request->unit->read_only)
		return true;
	fake_sense(request->command, false, false, 0x7, 0x27, 0x00);
	return false;
}

/* RDPROTECT, WRPROTECT: it is not formatted with protection information (SBC-3 §5.11) */
static bool is_unprotected(struct request *request)
{
	if (!(request->command->cdb[1] & 0xe0))
		return true;
	refuse(request, 0x24);
	return false;
}

static void do_read(struct request *request)
{
	struct fake_unit *unit = request->unit;
	struct scsi_command *command = request->command;
	uint64_t length = (uint64_t)request->blocks * unit->block_size;

	if (!is_unprotected(request) || !in_range(request, request->lba, request->blocks))
		return;
	unit->reads++;
	if (length > 0)
		memcpy(command->data, unit->data + request->lba * unit->block_size,
		       MIN(length, (uint64_t)command->data_length));
	residual(command, length);
}

static void do_write(struct request *request)
{
	struct fake_unit *unit = request->unit;
	struct scsi_command *command = request->command;
	uint64_t length = (uint64_t)request->blocks * unit->block_size;

	if (!may_write(request) || !is_unprotected(request) ||
	    !in_range(request, request->lba, request->blocks))
		return;
	unit->writes++;
	if (length > 0)
		memcpy(unit->data + request->lba * unit->block_size, command->data,
		       MIN(length, (uint64_t)command->data_length));
	residual(command, length);
}

static void do_synchronize_cache(struct request *request)
{
	if (!in_range(request, request->lba, request->blocks))
		return;
	request->unit->flushes++;
	good(request->command);
}

static void do_write_same(struct request *request)
{
	struct fake_unit *unit = request->unit;
	bool no_data = request->command->cdb[1] & CDB_WRITE_SAME_NDOB;

	if (!unit->write_same)
		return refuse(request, 0x20);
	if (!may_write(request) || !in_range(request, request->lba, request->blocks))
		return;
	if (unit->max_write_same_blocks > 0 && request->blocks > unit->max_write_same_blocks)
		return refuse(request, 0x24);
	unit->write_sames++;
	for (uint32_t i = 0; i < request->blocks; i++) {
		void *block = fake_unit_block(unit, request->lba + i);

		if (no_data)
			memset(block, 0, unit->block_size);
		else
			memcpy(block, request->command->data, unit->block_size);
	}
	residual(request->command, no_data ? 0 : unit->block_size);
}

static void do_unmap(struct request *request)
{
	struct fake_unit *unit = request->unit;
	struct reader list = reader_of(request->command->data, request->command->data_length);
	uint16_t descriptors;

	if (!unit->unmap)
		return refuse(request, 0x20);
	if (!may_write(request))
		return;
	reader_skip(&list, 2);
	descriptors = reader_u16(&list) / UNMAP_DESCRIPTOR_BYTES;
	reader_skip(&list, 4);
	if (descriptors > unit->max_unmap_descriptors)
		return refuse(request, 0x26);
	for (; descriptors > 0; descriptors--) {
		uint64_t lba = reader_u64(&list);
		uint32_t blocks = reader_u32(&list);

		reader_skip(&list, 4);
		if (list.failed || blocks > unit->max_unmap_blocks)
			return refuse(request, 0x26);
		if (!in_range(request, lba, blocks))
			return;
		if (blocks > 0)
			memset(fake_unit_block(unit, lba), 0, (size_t)blocks * unit->block_size);
	}
	unit->unmaps++;
	good(request->command);
}

static void do_test_unit_ready(struct request *request)
{
	good(request->command);
}

static void do_request_sense(struct request *request)
{
	static const uint8_t no_sense[18] = {0x70, 0, 0, 0, 0, 0, 0, 10};

	fake_data_in(request->command, no_sense, sizeof(no_sense));
}

/* clang-format off */
static const struct {
	uint8_t opcode;
	void (*execute)(struct request *request);
} commands[] = {
	{SCSI_TEST_UNIT_READY,      do_test_unit_ready},
	{SCSI_REQUEST_SENSE,        do_request_sense},
	{SCSI_INQUIRY,              do_inquiry},
	{SCSI_MODE_SENSE_6,         do_mode_sense},
	{SCSI_READ_CAPACITY_10,     do_read_capacity_10},
	{SCSI_READ_10,              do_read},
	{SCSI_WRITE_10,             do_write},
	{SCSI_SYNCHRONIZE_CACHE_10, do_synchronize_cache},
	{SCSI_UNMAP,                do_unmap},
	{SCSI_MODE_SENSE_10,        do_mode_sense},
	{SCSI_READ_16,              do_read},
	{SCSI_WRITE_16,             do_write},
	{SCSI_SYNCHRONIZE_CACHE_16, do_synchronize_cache},
	{SCSI_WRITE_SAME_16,        do_write_same},
	{SCSI_SERVICE_ACTION_IN_16, do_service_action_in_16},
	{SCSI_REPORT_LUNS,          do_report_luns},
};
/* clang-format on */

static bool is_refused(const struct fake_unit *unit, uint8_t opcode)
{
	if (opcode == SCSI_READ_10 || opcode == SCSI_WRITE_10)
		return unit->no_10;
	return cdb_length(opcode) == 16 && unit->no_16;
}

void fake_unit_execute(struct fake_unit *unit, struct scsi_command *command, const uint64_t *luns,
		       size_t lun_count, uint16_t target_port_group, uint16_t relative_port)
{
	struct request request = {
		.unit = unit,
		.command = command,
		.luns = luns,
		.lun_count = lun_count,
		.target_port_group = target_port_group,
		.relative_port = relative_port,
	};
	bool is_16 = cdb_length(command->cdb[0]) == 16;
	struct cdb_10 ten;
	struct cdb_16 sixteen;

	memcpy(&ten, command->cdb, sizeof(ten));
	memcpy(&sixteen, command->cdb, sizeof(sixteen));
	request.lba = is_16 ? be64_get(sixteen.lba) : be32_get(ten.lba);
	request.blocks = is_16 ? be32_get(sixteen.length) : be16_get(ten.length);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].opcode != command->cdb[0])
			continue;
		if (is_refused(unit, command->cdb[0]))
			break;
		commands[i].execute(&request);
		return;
	}
	refuse(&request, 0x20);
}
