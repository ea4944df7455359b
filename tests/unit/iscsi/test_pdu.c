/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "iscsi/pdu.h"
#include "util/cleanup.h"

/* RFC 7143 §11: where the fields that differ between PDUs stand */
static void fields_stand_where_the_standard_puts_them(void **state)
{
	static const struct {
		size_t have, want;
	} offsets[] = {
		{offsetof(struct bhs, data_segment_length), 5},
		{offsetof(struct bhs, lun), 8},
		{offsetof(struct bhs, initiator_task_tag), 16},
		{offsetof(struct bhs_request, cmd_sn), 24},
		{offsetof(struct bhs_request, exp_stat_sn), 28},
		{offsetof(struct bhs_response, stat_sn), 24},
		{offsetof(struct bhs_response, exp_cmd_sn), 28},
		{offsetof(struct bhs_response, max_cmd_sn), 32},
		{offsetof(struct bhs_scsi_command, expected_data_transfer_length), 20},
		{offsetof(struct bhs_scsi_command, cdb), 32},
		{offsetof(struct bhs_scsi_response, response), 2},
		{offsetof(struct bhs_scsi_response, status), 3},
		{offsetof(struct bhs_scsi_response, exp_data_sn), 36},
		{offsetof(struct bhs_scsi_response, bidirectional_residual_count), 40},
		{offsetof(struct bhs_scsi_response, residual_count), 44},
		{offsetof(struct bhs_task_management_request, referenced_task_tag), 20},
		{offsetof(struct bhs_task_management_request, ref_cmd_sn), 32},
		{offsetof(struct bhs_task_management_request, exp_data_sn), 36},
		{offsetof(struct bhs_task_management_response, response), 2},
		{offsetof(struct bhs_task_management_response, stat_sn), 24},
		{offsetof(struct bhs_data_out, target_transfer_tag), 20},
		{offsetof(struct bhs_data_out, exp_stat_sn), 28},
		{offsetof(struct bhs_data_out, data_sn), 36},
		{offsetof(struct bhs_data_out, buffer_offset), 40},
		{offsetof(struct bhs_data_in, status), 3},
		{offsetof(struct bhs_data_in, target_transfer_tag), 20},
		{offsetof(struct bhs_data_in, data_sn), 36},
		{offsetof(struct bhs_data_in, buffer_offset), 40},
		{offsetof(struct bhs_data_in, residual_count), 44},
		{offsetof(struct bhs_r2t, target_transfer_tag), 20},
		{offsetof(struct bhs_r2t, r2t_sn), 36},
		{offsetof(struct bhs_r2t, buffer_offset), 40},
		{offsetof(struct bhs_r2t, desired_data_transfer_length), 44},
		{offsetof(struct bhs_async_message, async_event), 36},
		{offsetof(struct bhs_async_message, async_vcode), 37},
		{offsetof(struct bhs_async_message, parameter1), 38},
		{offsetof(struct bhs_async_message, parameter2), 40},
		{offsetof(struct bhs_async_message, parameter3), 42},
		{offsetof(struct bhs_text_request, target_transfer_tag), 20},
		{offsetof(struct bhs_text_response, target_transfer_tag), 20},
		{offsetof(struct bhs_login_request, version_max), 2},
		{offsetof(struct bhs_login_request, version_min), 3},
		{offsetof(struct bhs_login_request, isid), 8},
		{offsetof(struct bhs_login_request, tsih), 14},
		{offsetof(struct bhs_login_request, cid), 20},
		{offsetof(struct bhs_login_response, version_active), 3},
		{offsetof(struct bhs_login_response, tsih), 14},
		{offsetof(struct bhs_login_response, status_class), 36},
		{offsetof(struct bhs_login_response, status_detail), 37},
		{offsetof(struct bhs_logout_request, cid), 20},
		{offsetof(struct bhs_logout_response, response), 2},
		{offsetof(struct bhs_logout_response, time2wait), 40},
		{offsetof(struct bhs_logout_response, time2retain), 42},
		{offsetof(struct bhs_snack, target_transfer_tag), 20},
		{offsetof(struct bhs_snack, exp_stat_sn), 28},
		{offsetof(struct bhs_snack, beg_run), 40},
		{offsetof(struct bhs_snack, run_length), 44},
		{offsetof(struct bhs_reject, reason), 2},
		{offsetof(struct bhs_reject, data_sn), 36},
		{offsetof(struct bhs_nop_out, target_transfer_tag), 20},
		{offsetof(struct bhs_nop_in, target_transfer_tag), 20},
	};
	be16 number_16;
	be24 number_24;
	be32 number_32;
	be64 number_64;

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		assert_int_equal(offsets[i].have, offsets[i].want);
	number_16 = be16_of(0x0102);
	assert_memory_equal(&number_16, "\1\2", 2);
	number_24 = be24_of(0x010203);
	assert_memory_equal(&number_24, "\1\2\3", 3);
	number_32 = be32_of(0x01020304);
	assert_memory_equal(&number_32, "\1\2\3\4", 4);
	number_64 = be64_of(0x0102030405060708);
	assert_memory_equal(&number_64, "\1\2\3\4\5\6\7\10", 8);
}

static void segments_are_padded_to_four_bytes(void **state)
{
	static const uint32_t padding[] = {0, 3, 2, 1, 0, 3};

	for (uint32_t i = 0; i < ARRAY_SIZE(padding); i++) {
		assert_int_equal(pdu_padding(i), padding[i]);
		assert_int_equal(pdu_padded(i), i + padding[i]);
	}
	assert_int_equal(pdu_padding(DATA_SEGMENT_MAX), 1);
}

static void serial_numbers_compare_across_the_wrap(void **state)
{
	assert_true(sn_less(1, 2));
	assert_false(sn_less(2, 1));
	assert_false(sn_less(7, 7));
	assert_true(sn_less(0xffffffff, 0));
	assert_true(sn_less(0xfffffff0, 0x10));
	assert_true(sn_less(0x7fffffff, 0x80000000));
	assert_false(sn_less(0x80000000, 0x7fffffff));
	assert_true(sn_less_equal(7, 7));
	assert_true(sn_less_equal(0xffffffff, 5));
	assert_false(sn_less_equal(5, 0xffffffff));
}

static void a_written_pdu_has_its_length_and_zero_padding(void **state)
{
	struct bhs_text_request request = {.opcode = PDU_TEXT_REQUEST};
	uint8_t out[60];

	memset(out, 0xaa, sizeof(out));
	assert_int_equal(pdu_write(&request, "abcde", 5, out, sizeof(out)), 56);
	assert_memory_equal(out + 4, "\0\0\0\5", 4);
	assert_memory_equal(out + BHS_LENGTH, "abcde\0\0\0", 8);
	assert_int_equal(out[56], 0xaa);
	assert_int_equal(pdu_write(&request, NULL, 0, out, BHS_LENGTH), 48);
	assert_int_equal(pdu_write(&request, "a", 1, out, 51), -E2BIG);
	assert_int_equal(pdu_write(&request, out, DATA_SEGMENT_MAX + 1, out, SIZE_MAX), -E2BIG);
}

static void pdus_are_put_together_from_any_pieces(void **state)
{
	struct bhs_text_response response = {.opcode = PDU_TEXT_RESPONSE};
	uint8_t stream[48 + 8 + 48 + 48 + 4];
	struct pdu_assembler assembler;
	size_t length = 0, used;

	length += (size_t)pdu_write(&response, "hello", 5, stream, sizeof(stream));
	length += (size_t)pdu_write(&response, NULL, 0, stream + length, sizeof(stream) - length);
	length += (size_t)pdu_write(&response, "four", 4, stream + length, sizeof(stream) - length);
	assert_int_equal(length, sizeof(stream));

	for (size_t step = 1; step <= sizeof(stream); step++) {
		static const char *const want[] = {"hello", "", "four"};
		size_t pdus = 0;

		assert_int_equal(pdu_assembler_init(&assembler, 8), 0);
		for (size_t at = 0; at < sizeof(stream);) {
			size_t part = MIN(step, sizeof(stream) - at);
			int r = pdu_assembler_feed(&assembler, stream + at, part, &used);

			assert_in_range(r, 0, 1);
			assert_true(used > 0 && used <= part);
			at += used;
			if (r == 1) {
				assert_true(pdus < ARRAY_SIZE(want));
				assert_int_equal(assembler.data_length, strlen(want[pdus]));
				assert_memory_equal(assembler.data, want[pdus], strlen(want[pdus]));
				pdus++;
			}
		}
		assert_int_equal(pdus, 3);
		pdu_assembler_deinit(&assembler);
	}
	pdu_assembler_deinit(&assembler);
}

static void lengths_that_no_response_may_have_are_refused(void **state)
{
	struct bhs_text_response response = {.opcode = PDU_TEXT_RESPONSE};
	struct pdu_assembler assembler;
	size_t used;

	assert_int_equal(pdu_assembler_init(&assembler, 8), 0);
	response.data_segment_length = be24_of(9);
	assert_int_equal(pdu_assembler_feed(&assembler, &response, 48, &used), -EMSGSIZE);
	pdu_assembler_deinit(&assembler);

	assert_int_equal(pdu_assembler_init(&assembler, 8), 0);
	response.data_segment_length = be24_of(8);
	response.total_ahs_length = 1;
	assert_int_equal(pdu_assembler_feed(&assembler, &response, 48, &used), -EBADMSG);
	pdu_assembler_deinit(&assembler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_stand_where_the_standard_puts_them),
		cmocka_unit_test(segments_are_padded_to_four_bytes),
		cmocka_unit_test(serial_numbers_compare_across_the_wrap),
		cmocka_unit_test(a_written_pdu_has_its_length_and_zero_padding),
		cmocka_unit_test(pdus_are_put_together_from_any_pieces),
		cmocka_unit_test(lengths_that_no_response_may_have_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
