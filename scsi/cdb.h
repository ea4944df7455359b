/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The command descriptor blocks that we send (SPC-4 §6, SBC-3 §5). Each cdb_…() sets @command's
 * cdb, direction and data_length, and nothing else: the memory (data), the time limit and done()
 * stay the submitter's to set. Plain functions over the caller's memory: any thread.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

struct scsi_command;

enum scsi_opcode {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_READ_CAPACITY_10 = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
	SCSI_UNMAP = 0x42,
	SCSI_MODE_SENSE_10 = 0x5a,
	SCSI_PERSISTENT_RESERVE_IN = 0x5e,
	SCSI_PERSISTENT_RESERVE_OUT = 0x5f,
	SCSI_READ_16 = 0x88,
	SCSI_WRITE_16 = 0x8a,
	SCSI_SYNCHRONIZE_CACHE_16 = 0x91,
	SCSI_WRITE_SAME_16 = 0x93,
	SCSI_SERVICE_ACTION_IN_16 = 0x9e,
	SCSI_REPORT_LUNS = 0xa0,
	SCSI_MAINTENANCE_IN = 0xa3,
	SCSI_MAINTENANCE_OUT = 0xa4,
};

/* Service actions, in bits 4-0 of byte 1. */
#define SCSI_SERVICE_ACTION_MASK	      0x1f
#define SCSI_READ_CAPACITY_16		      0x10 /* of SERVICE ACTION IN(16) */
#define SCSI_REPORT_TARGET_PORT_GROUPS	      0x0a /* of MAINTENANCE IN */
#define SCSI_SET_TARGET_PORT_GROUPS	      0x0a /* of MAINTENANCE OUT */
#define SCSI_REPORT_SUPPORTED_OPERATION_CODES 0x0c /* of MAINTENANCE IN */

/* Flags in byte 1 of the block commands, as arguments to the functions below. */
#define CDB_FUA		      0x08 /* READ, WRITE: force unit access */
#define CDB_DPO		      0x10 /* READ, WRITE: disable page out */
#define CDB_WRITE_SAME_NDOB   0x01 /* no data-out buffer: zeros */
#define CDB_WRITE_SAME_UNMAP  0x08 /* may unmap instead of write */
#define CDB_WRITE_SAME_ANCHOR 0x10

/* The layouts. Fields that a command does not have are reserved there, and zero. */

struct cdb_6 { /* TEST UNIT READY, REQUEST SENSE, MODE SENSE(6) */
	uint8_t opcode;
	uint8_t flags;
	uint8_t page;	 /* MODE SENSE: page control and page code */
	uint8_t subpage; /* MODE SENSE */
	uint8_t allocation_length;
	uint8_t control;
};
static_assert(sizeof(struct cdb_6) == 6, "SPC-4 §6.12, §6.39");

struct cdb_inquiry {
	uint8_t opcode;
	uint8_t flags; /* EVPD */
	uint8_t page;
	be16 allocation_length;
	uint8_t control;
};
static_assert(sizeof(struct cdb_inquiry) == 6, "SPC-4 §6.6");

struct cdb_10 { /* READ, WRITE, SYNCHRONIZE CACHE, READ CAPACITY, UNMAP */
	uint8_t opcode;
	uint8_t flags;
	be32 lba;
	uint8_t group;
	be16 length; /* blocks; UNMAP: bytes of the parameter list */
	uint8_t control;
};
static_assert(sizeof(struct cdb_10) == 10, "SBC-3 §5");

struct cdb_mode_sense_10 {
	uint8_t opcode;
	uint8_t flags;
	uint8_t page;
	uint8_t subpage;
	uint8_t reserved[3];
	be16 allocation_length;
	uint8_t control;
};
static_assert(sizeof(struct cdb_mode_sense_10) == 10, "SPC-4 §6.13");

struct cdb_report_luns {
	uint8_t opcode;
	uint8_t reserved;
	uint8_t select_report;
	uint8_t reserved2[3];
	be32 allocation_length;
	uint8_t reserved3;
	uint8_t control;
};
static_assert(sizeof(struct cdb_report_luns) == 12, "SPC-4 §6.33");

struct cdb_maintenance_in {
	uint8_t opcode;
	uint8_t service_action;
	uint8_t options;	  /* REPORT SUPPORTED OPERATION CODES */
	uint8_t requested_opcode; /* the same */
	be16 requested_service_action;
	be32 allocation_length;
	uint8_t reserved;
	uint8_t control;
};
static_assert(sizeof(struct cdb_maintenance_in) == 12, "SPC-4 §6.35, §6.37");

struct cdb_maintenance_out {
	uint8_t opcode;
	uint8_t service_action;
	uint8_t reserved[4];
	be32 parameter_list_length;
	uint8_t reserved2;
	uint8_t control;
};
static_assert(sizeof(struct cdb_maintenance_out) == 12, "SPC-4 §6.45");

struct cdb_16 { /* READ, WRITE, SYNCHRONIZE CACHE, WRITE SAME, READ CAPACITY */
	uint8_t opcode;
	uint8_t flags; /* READ CAPACITY: the service action */
	be64 lba;
	be32 length; /* blocks; READ CAPACITY: allocation length */
	uint8_t group;
	uint8_t control;
};
static_assert(sizeof(struct cdb_16) == 16, "SBC-3 §5");

/** cdb_length() - bytes of the CDB that starts with @opcode (SPC-4 §4.2.5.1); 16 when not fixed */
unsigned cdb_length(uint8_t opcode);

/** cdb_name() - the command's name in the standards' capitals, "command" when we do not send it */
const char *cdb_name(const struct scsi_command *command);

/* For each @allocation_length: bytes that the device may send, the size of the caller's memory. */

void cdb_test_unit_ready(struct scsi_command *command);
/** cdb_request_sense() - fixed format (DESC = 0) */
void cdb_request_sense(struct scsi_command *command, uint8_t allocation_length);
void cdb_inquiry(struct scsi_command *command, uint16_t allocation_length);
/** cdb_inquiry_page() - vital product data page @page (EVPD = 1) */
void cdb_inquiry_page(struct scsi_command *command, uint8_t page, uint16_t allocation_length);
/** cdb_report_luns() - SELECT REPORT 0: all but well-known units; at least 16 bytes */
void cdb_report_luns(struct scsi_command *command, uint32_t allocation_length);
void cdb_read_capacity_10(struct scsi_command *command);
void cdb_read_capacity_16(struct scsi_command *command, uint32_t allocation_length);
/** cdb_mode_sense_6() - current values of @page (6 bits), subpage 0 */
void cdb_mode_sense_6(struct scsi_command *command, uint8_t page, uint8_t allocation_length);
void cdb_mode_sense_10(struct scsi_command *command, uint8_t page, uint16_t allocation_length);

/**
 * cdb_read_10(), cdb_read_16(), cdb_write_10(), cdb_write_16() - move @blocks blocks
 * @flags: 0 or CDB_FUA, CDB_DPO
 * @block_size: bytes; blocks × block_size must fit 32 bits, and for the 10-byte commands @lba must
 *              fit 32 bits and @blocks 16 bits
 */
void cdb_read_10(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		 uint32_t block_size);
void cdb_read_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		 uint32_t block_size);
void cdb_write_10(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		  uint32_t block_size);
void cdb_write_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		  uint32_t block_size);

/** cdb_synchronize_cache_10(), …_16() - @blocks from @lba; 0 blocks = up to the end */
void cdb_synchronize_cache_10(struct scsi_command *command, uint64_t lba, uint16_t blocks);
void cdb_synchronize_cache_16(struct scsi_command *command, uint64_t lba, uint32_t blocks);

/**
 * cdb_write_same_16() - write one block's content to @blocks blocks
 * @flags: CDB_WRITE_SAME_…; without NDOB the data-out is one block of @block_size bytes
 * @blocks: not 0, which some devices take for "up to the end"
 */
void cdb_write_same_16(struct scsi_command *command, uint8_t flags, uint64_t lba, uint32_t blocks,
		       uint32_t block_size);

/* One range of an UNMAP parameter list. */
struct unmap_range {
	uint64_t lba;
	uint32_t blocks;
};

#define UNMAP_HEADER_BYTES     8
#define UNMAP_DESCRIPTOR_BYTES 16

/** cdb_unmap() - @parameter_length: bytes, as unmap_parameters_fill() gave */
void cdb_unmap(struct scsi_command *command, uint16_t parameter_length);

/**
 * unmap_parameters_fill() - the UNMAP parameter list for @count ranges (SBC-3 §5.28)
 * @memory: 8 bytes and 16 more for each range
 *
 * Return: bytes written; -ENOSPC when @capacity_bytes, or the CDB's 16-bit length, is too small.
 */
int unmap_parameters_fill(void *memory, size_t capacity_bytes, const struct unmap_range *ranges,
			  size_t count);

/**
 * cdb_report_supported_operation_code() - is one command known, and which bits of its CDB count?
 * @service_action: -1 when @opcode has none
 */
void cdb_report_supported_operation_code(struct scsi_command *command, uint8_t opcode,
					 int service_action, uint32_t allocation_length);

/** cdb_report_target_port_groups() - @extended: with the extended header (transition time) */
void cdb_report_target_port_groups(struct scsi_command *command, bool extended,
				   uint32_t allocation_length);

/** cdb_set_target_port_groups() - @parameter_length: bytes of the data-out */
void cdb_set_target_port_groups(struct scsi_command *command, uint32_t parameter_length);
