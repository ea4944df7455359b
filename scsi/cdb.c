/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/cdb.h"

#include <errno.h>

#include "scsi/command.h"
#include "util/cleanup.h"

#define INQUIRY_EVPD		0x01
#define RTPG_EXTENDED_HEADER	0x20 /* PARAMETER DATA FORMAT 001b, bits 7-5 of byte 1 */
#define RSOC_ONE_OPCODE		0x01 /* REPORTING OPTIONS */
#define RSOC_ONE_SERVICE_ACTION 0x02
#define MODE_PAGE_MASK		0x3f /* page control 00b: current values */

/* clang-format off */
static const struct {
	uint8_t opcode;
	int8_t service_action; /* -1: any */
	const char *name;
} names[] = {
	{SCSI_TEST_UNIT_READY,      -1, "TEST UNIT READY"},
	{SCSI_REQUEST_SENSE,        -1, "REQUEST SENSE"},
	{SCSI_INQUIRY,              -1, "INQUIRY"},
	{SCSI_MODE_SENSE_6,         -1, "MODE SENSE(6)"},
	{SCSI_READ_CAPACITY_10,     -1, "READ CAPACITY(10)"},
	{SCSI_READ_10,              -1, "READ(10)"},
	{SCSI_WRITE_10,             -1, "WRITE(10)"},
	{SCSI_SYNCHRONIZE_CACHE_10, -1, "SYNCHRONIZE CACHE(10)"},
	{SCSI_UNMAP,                -1, "UNMAP"},
	{SCSI_MODE_SENSE_10,        -1, "MODE SENSE(10)"},
	{SCSI_PERSISTENT_RESERVE_IN,  -1, "PERSISTENT RESERVE IN"},
	{SCSI_PERSISTENT_RESERVE_OUT, -1, "PERSISTENT RESERVE OUT"},
	{SCSI_READ_16,              -1, "READ(16)"},
	{SCSI_WRITE_16,             -1, "WRITE(16)"},
	{SCSI_SYNCHRONIZE_CACHE_16, -1, "SYNCHRONIZE CACHE(16)"},
	{SCSI_WRITE_SAME_16,        -1, "WRITE SAME(16)"},
	{SCSI_REPORT_LUNS,          -1, "REPORT LUNS"},
	{SCSI_SERVICE_ACTION_IN_16, SCSI_READ_CAPACITY_16, "READ CAPACITY(16)"},
	{SCSI_MAINTENANCE_IN, SCSI_REPORT_TARGET_PORT_GROUPS, "REPORT TARGET PORT GROUPS"},
	{SCSI_MAINTENANCE_IN, SCSI_REPORT_SUPPORTED_OPERATION_CODES,
	 "REPORT SUPPORTED OPERATION CODES"},
	{SCSI_MAINTENANCE_OUT, SCSI_SET_TARGET_PORT_GROUPS, "SET TARGET PORT GROUPS"},
};
/* clang-format on */

unsigned cdb_length(uint8_t opcode)
{
	/* the group code in the top three bits; 3, 6 and 7 have no fixed length */
	static const uint8_t lengths[8] = {6, 10, 10, 16, 16, 12, 16, 16};

	return lengths[opcode >> 5];
}

const char *cdb_name(const struct scsi_command *command)
{
	const uint8_t *cdb = command->cdb;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].opcode != cdb[0])
			continue;
		if (names[i].service_action < 0 ||
		    names[i].service_action == (cdb[1] & SCSI_SERVICE_ACTION_MASK))
			return names[i].name;
	}
	return "command";
}

static void set(struct scsi_command *command, const void *cdb, size_t length_bytes,
		enum scsi_direction direction, uint32_t data_length)
{
	memset(command->cdb, 0, sizeof(command->cdb));
	memcpy(command->cdb, cdb, length_bytes);
	command->cdb_rest = NULL;
	command->cdb_rest_length = command->priority = 0;
	command->direction = direction;
	command->data_length = data_length;
}

void cdb_test_unit_ready(struct scsi_command *command)
{
	struct cdb_6 cdb = {.opcode = SCSI_TEST_UNIT_READY};

	set(command, &cdb, sizeof(cdb), SCSI_NO_DATA, 0);
}

void cdb_request_sense(struct scsi_command *command, uint8_t allocation_length)
{
	struct cdb_6 cdb = {.opcode = SCSI_REQUEST_SENSE, .allocation_length = allocation_length};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_inquiry(struct scsi_command *command, uint16_t allocation_length)
{
	struct cdb_inquiry cdb = {
		.opcode = SCSI_INQUIRY,
		.allocation_length = be16_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_inquiry_page(struct scsi_command *command, uint8_t page, uint16_t allocation_length)
{
	struct cdb_inquiry cdb = {
		.opcode = SCSI_INQUIRY,
		.flags = INQUIRY_EVPD,
		.page = page,
		.allocation_length = be16_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_report_luns(struct scsi_command *command, uint32_t allocation_length)
{
	struct cdb_report_luns cdb = {
		.opcode = SCSI_REPORT_LUNS,
		.allocation_length = be32_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_read_capacity_10(struct scsi_command *command)
{
	struct cdb_10 cdb = {.opcode = SCSI_READ_CAPACITY_10};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, 8); /* has no allocation length */
}

void cdb_read_capacity_16(struct scsi_command *command, uint32_t allocation_length)
{
	struct cdb_16 cdb = {
		.opcode = SCSI_SERVICE_ACTION_IN_16,
		.flags = SCSI_READ_CAPACITY_16,
		.length = be32_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_mode_sense_6(struct scsi_command *command, uint8_t page, uint8_t allocation_length)
{
	struct cdb_6 cdb = {
		.opcode = SCSI_MODE_SENSE_6,
		.page = page & MODE_PAGE_MASK,
		.allocation_length = allocation_length,
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_mode_sense_10(struct scsi_command *command, uint8_t page, uint16_t allocation_length)
{
	struct cdb_mode_sense_10 cdb = {
		.opcode = SCSI_MODE_SENSE_10,
		.page = page & MODE_PAGE_MASK,
		.allocation_length = be16_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

static uint32_t bytes_of(uint32_t blocks, uint32_t block_size)
{
	assert((uint64_t)blocks * block_size <= UINT32_MAX);
	return blocks * block_size;
}

static void set_10(struct scsi_command *command, uint8_t opcode, uint8_t flags, uint64_t lba,
		   uint32_t blocks, enum scsi_direction direction, uint32_t data_length)
{
	struct cdb_10 cdb = {
		.opcode = opcode,
		.flags = flags,
		.lba = be32_of((uint32_t)lba),
		.length = be16_of((uint16_t)blocks),
	};

	assert(lba <= UINT32_MAX && blocks <= UINT16_MAX);
	set(command, &cdb, sizeof(cdb), direction, data_length);
}

static void set_16(struct scsi_command *command, uint8_t opcode, uint8_t flags, uint64_t lba,
		   uint32_t blocks, enum scsi_direction direction, uint32_t data_length)
{
	struct cdb_16 cdb = {
		.opcode = opcode,
		.flags = flags,
		.lba = be64_of(lba),
		.length = be32_of(blocks),
	};

	set(command, &cdb, sizeof(cdb), direction, data_length);
}

void cdb_read_10(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		 uint32_t block_size)
{
	set_10(command, SCSI_READ_10, flags, lba, blocks, SCSI_DATA_IN,
	       bytes_of(blocks, block_size));
}

void cdb_read_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		 uint32_t block_size)
{
	set_16(command, SCSI_READ_16, flags, lba, blocks, SCSI_DATA_IN,
	       bytes_of(blocks, block_size));
}

void cdb_write_10(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		  uint32_t block_size)
{
	set_10(command, SCSI_WRITE_10, flags, lba, blocks, SCSI_DATA_OUT,
	       bytes_of(blocks, block_size));
}

void cdb_write_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		  uint32_t block_size)
{
	set_16(command, SCSI_WRITE_16, flags, lba, blocks, SCSI_DATA_OUT,
	       bytes_of(blocks, block_size));
}

void cdb_synchronize_cache_10(struct scsi_command *command, uint64_t lba, uint16_t blocks)
{
	set_10(command, SCSI_SYNCHRONIZE_CACHE_10, 0, lba, blocks, SCSI_NO_DATA, 0);
}

void cdb_synchronize_cache_16(struct scsi_command *command, uint64_t lba, uint32_t blocks)
{
	set_16(command, SCSI_SYNCHRONIZE_CACHE_16, 0, lba, blocks, SCSI_NO_DATA, 0);
}

void cdb_write_same_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		       uint32_t block_size)
{
	bool no_data = flags & CDB_WRITE_SAME_NDOB;

	assert(blocks > 0);
	set_16(command, SCSI_WRITE_SAME_16, flags, lba, blocks,
	       no_data ? SCSI_NO_DATA : SCSI_DATA_OUT, no_data ? 0 : block_size);
}

void cdb_unmap(struct scsi_command *command, uint16_t parameter_length)
{
	set_10(command, SCSI_UNMAP, 0, 0, parameter_length, SCSI_DATA_OUT, parameter_length);
}

int unmap_parameters_fill(void *memory, size_t capacity_bytes, const struct unmap_range *ranges,
			  size_t count)
{
	struct writer writer = writer_of(memory, capacity_bytes);
	size_t descriptors = count * UNMAP_DESCRIPTOR_BYTES;

	if (count > (UINT16_MAX - UNMAP_HEADER_BYTES) / UNMAP_DESCRIPTOR_BYTES)
		return -ENOSPC;

	writer_u16(&writer, (uint16_t)(UNMAP_HEADER_BYTES - 2 + descriptors));
	writer_u16(&writer, (uint16_t)descriptors);
	writer_u32(&writer, 0);
	for (size_t i = 0; i < count; i++) {
		writer_u64(&writer, ranges[i].lba);
		writer_u32(&writer, ranges[i].blocks);
		writer_u32(&writer, 0);
	}
	return writer.failed ? -ENOSPC : (int)writer.length;
}

void cdb_report_supported_operation_code(struct scsi_command *command, uint8_t opcode,
					 int service_action, uint32_t allocation_length)
{
	struct cdb_maintenance_in cdb = {
		.opcode = SCSI_MAINTENANCE_IN,
		.service_action = SCSI_REPORT_SUPPORTED_OPERATION_CODES,
		.options = service_action < 0 ? RSOC_ONE_OPCODE : RSOC_ONE_SERVICE_ACTION,
		.requested_opcode = opcode,
		.requested_service_action =
			be16_of(service_action < 0 ? 0 : (uint16_t)service_action),
		.allocation_length = be32_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_report_target_port_groups(struct scsi_command *command, bool extended,
				   uint32_t allocation_length)
{
	struct cdb_maintenance_in cdb = {
		.opcode = SCSI_MAINTENANCE_IN,
		.service_action =
			SCSI_REPORT_TARGET_PORT_GROUPS | (extended ? RTPG_EXTENDED_HEADER : 0),
		.allocation_length = be32_of(allocation_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_IN, allocation_length);
}

void cdb_set_target_port_groups(struct scsi_command *command, uint32_t parameter_length)
{
	struct cdb_maintenance_out cdb = {
		.opcode = SCSI_MAINTENANCE_OUT,
		.service_action = SCSI_SET_TARGET_PORT_GROUPS,
		.parameter_list_length = be32_of(parameter_length),
	};

	set(command, &cdb, sizeof(cdb), SCSI_DATA_OUT, parameter_length);
}
