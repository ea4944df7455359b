/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/command.h"
#include "util/cleanup.h"

/* Every byte position here is the table of SPC-4 §6 and SBC-3 §5, written out. */

static void is(struct scsi_command *command, const char *cdb, size_t length,
	       enum scsi_direction direction, uint32_t data_length)
{
	uint8_t expected[16] = {};

	memcpy(expected, cdb, length);
	assert_memory_equal(command->cdb, expected, sizeof(expected));
	assert_int_equal(command->direction, direction);
	assert_int_equal(command->data_length, data_length);
	assert_int_equal(cdb_length(command->cdb[0]), length);
	/* what the last test left behind must not show through in the next command */
	memset(command->cdb, 0xff, sizeof(command->cdb));
}

static void commands_without_an_address_match_the_standard(void **state)
{
	struct scsi_command c = {};

	cdb_test_unit_ready(&c);
	is(&c, "\0\0\0\0\0\0", 6, SCSI_NO_DATA, 0);
	cdb_request_sense(&c, 252);
	is(&c, "\x03\0\0\0\xfc\0", 6, SCSI_DATA_IN, 252);
	cdb_inquiry(&c, 36);
	is(&c, "\x12\0\0\0\x24\0", 6, SCSI_DATA_IN, 36);
	cdb_inquiry_page(&c, 0x83, 0x1234);
	is(&c, "\x12\x01\x83\x12\x34\0", 6, SCSI_DATA_IN, 0x1234);
	cdb_report_luns(&c, 0x01020304);
	is(&c, "\xa0\0\0\0\0\0\x01\x02\x03\x04\0\0", 12, SCSI_DATA_IN, 0x01020304);
	cdb_read_capacity_10(&c);
	is(&c, "\x25\0\0\0\0\0\0\0\0\0", 10, SCSI_DATA_IN, 8);
	cdb_read_capacity_16(&c, 32);
	is(&c, "\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0", 16, SCSI_DATA_IN, 32);
	cdb_mode_sense_6(&c, 0x08, 192);
	is(&c, "\x1a\0\x08\0\xc0\0", 6, SCSI_DATA_IN, 192);
	cdb_mode_sense_10(&c, 0x08, 0x0201);
	is(&c, "\x5a\0\x08\0\0\0\0\x02\x01\0", 10, SCSI_DATA_IN, 0x0201);
}

static void maintenance_commands_match_the_standard(void **state)
{
	struct scsi_command c = {};

	cdb_report_supported_operation_code(&c, 0x42, -1, 64);
	is(&c, "\xa3\x0c\x01\x42\0\0\0\0\0\x40\0\0", 12, SCSI_DATA_IN, 64);
	cdb_report_supported_operation_code(&c, 0x9e, 0x10, 64);
	is(&c, "\xa3\x0c\x02\x9e\0\x10\0\0\0\x40\0\0", 12, SCSI_DATA_IN, 64);
	cdb_report_target_port_groups(&c, false, 0x100);
	is(&c, "\xa3\x0a\0\0\0\0\0\0\x01\0\0\0", 12, SCSI_DATA_IN, 0x100);
	cdb_report_target_port_groups(&c, true, 0x100);
	is(&c, "\xa3\x2a\0\0\0\0\0\0\x01\0\0\0", 12, SCSI_DATA_IN, 0x100);
	cdb_set_target_port_groups(&c, 8);
	is(&c, "\xa4\x0a\0\0\0\0\0\0\0\x08\0\0", 12, SCSI_DATA_OUT, 8);
}

static void reads_and_writes_carry_address_length_and_flags(void **state)
{
	struct scsi_command c = {};

	cdb_read_10(&c, 0, 0x01020304, 0x0506, 512);
	is(&c, "\x28\0\x01\x02\x03\x04\0\x05\x06\0", 10, SCSI_DATA_IN, 0x0506 * 512);
	cdb_write_10(&c, CDB_FUA, UINT32_MAX, UINT16_MAX, 4096);
	is(&c, "\x2a\x08\xff\xff\xff\xff\0\xff\xff\0", 10, SCSI_DATA_OUT, 65535 * 4096);
	cdb_read_16(&c, CDB_DPO | CDB_FUA, 0x0102030405060708, 0x000a0b0c, 512);
	is(&c, "\x88\x18\x01\x02\x03\x04\x05\x06\x07\x08\0\x0a\x0b\x0c\0\0", 16, SCSI_DATA_IN,
	   0x000a0b0c * 512);
	cdb_write_16(&c, 0, 1, 8, 4096);
	is(&c, "\x8a\0\0\0\0\0\0\0\0\x01\0\0\0\x08\0\0", 16, SCSI_DATA_OUT, 32768);
}

static void flushes_have_no_data(void **state)
{
	struct scsi_command c = {};

	cdb_synchronize_cache_10(&c, 0, 0);
	is(&c, "\x35\0\0\0\0\0\0\0\0\0", 10, SCSI_NO_DATA, 0);
	cdb_synchronize_cache_16(&c, 0x0102030405060708, 9);
	is(&c, "\x91\0\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x09\0\0", 16, SCSI_NO_DATA, 0);
}

static void write_same_has_one_block_of_data_or_none_with_ndob(void **state)
{
	struct scsi_command c = {};

	cdb_write_same_16(&c, CDB_WRITE_SAME_UNMAP, 2, 3, 512);
	is(&c, "\x93\x08\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0", 16, SCSI_DATA_OUT, 512);
	cdb_write_same_16(&c, CDB_WRITE_SAME_NDOB | CDB_WRITE_SAME_ANCHOR, 2, 3, 512);
	is(&c, "\x93\x11\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0", 16, SCSI_NO_DATA, 0);
}

static void unmap_lists_every_range(void **state)
{
	const struct unmap_range ranges[] = {{0x0102030405060708, 0x090a0b0c}, {16, 32}};
	static const char expected[] = "\0\x26\0\x20\0\0\0\0"
				       "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\0\0\0\0"
				       "\0\0\0\0\0\0\0\x10\0\0\0\x20\0\0\0";
	struct scsi_command c = {};
	uint8_t list[40];

	assert_int_equal(unmap_parameters_fill(list, sizeof(list), ranges, 2), 40);
	assert_memory_equal(list, expected, sizeof(list));
	cdb_unmap(&c, 40);
	is(&c, "\x42\0\0\0\0\0\0\0\x28\0", 10, SCSI_DATA_OUT, 40);
}

static void unmap_lists_that_do_not_fit_are_refused(void **state)
{
	struct unmap_range ranges[4096] = {};
	uint8_t list[8 + 16 * 4096];

	assert_int_equal(unmap_parameters_fill(list, 39, ranges, 2), -ENOSPC);
	assert_int_equal(unmap_parameters_fill(list, 8, ranges, 0), 8);
	assert_int_equal(unmap_parameters_fill(list, sizeof(list), ranges, 4095), 8 + 16 * 4095);
	assert_int_equal(unmap_parameters_fill(list, sizeof(list), ranges, 4096), -ENOSPC);
	assert_int_equal(unmap_parameters_fill(list, sizeof(list), ranges, SIZE_MAX), -ENOSPC);
}

static void every_command_that_we_send_has_a_name(void **state)
{
	static const struct {
		uint8_t opcode, service_action;
		const char *name;
	} rows[] = {
		{0x00, 0, "TEST UNIT READY"},
		{0x03, 0, "REQUEST SENSE"},
		{0x12, 1, "INQUIRY"},
		{0x1a, 0, "MODE SENSE(6)"},
		{0x25, 0, "READ CAPACITY(10)"},
		{0x28, 0, "READ(10)"},
		{0x2a, 0x08, "WRITE(10)"},
		{0x35, 0, "SYNCHRONIZE CACHE(10)"},
		{0x42, 0, "UNMAP"},
		{0x5a, 0, "MODE SENSE(10)"},
		{0x88, 0, "READ(16)"},
		{0x8a, 0x18, "WRITE(16)"},
		{0x91, 0, "SYNCHRONIZE CACHE(16)"},
		{0x93, 0, "WRITE SAME(16)"},
		{0x9e, 0x10, "READ CAPACITY(16)"},
		{0x9e, 0x12, "command"},
		{0xa0, 0, "REPORT LUNS"},
		{0xa3, 0x0a, "REPORT TARGET PORT GROUPS"},
		{0xa3, 0x2a, "REPORT TARGET PORT GROUPS"},
		{0xa3, 0x0c, "REPORT SUPPORTED OPERATION CODES"},
		{0xff, 0, "command"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scsi_command c = {.cdb = {rows[i].opcode, rows[i].service_action}};

		assert_string_equal(cdb_name(&c), rows[i].name);
	}
}

static void cdb_lengths_follow_the_group_code(void **state)
{
	static const unsigned lengths[8] = {6, 10, 10, 16, 16, 12, 16, 16};

	for (unsigned opcode = 0; opcode < 256; opcode++)
		assert_int_equal(cdb_length((uint8_t)opcode), lengths[opcode / 32]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_without_an_address_match_the_standard),
		cmocka_unit_test(maintenance_commands_match_the_standard),
		cmocka_unit_test(reads_and_writes_carry_address_length_and_flags),
		cmocka_unit_test(flushes_have_no_data),
		cmocka_unit_test(write_same_has_one_block_of_data_or_none_with_ndob),
		cmocka_unit_test(unmap_lists_every_range),
		cmocka_unit_test(unmap_lists_that_do_not_fit_are_refused),
		cmocka_unit_test(every_command_that_we_send_has_a_name),
		cmocka_unit_test(cdb_lengths_follow_the_group_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
