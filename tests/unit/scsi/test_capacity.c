/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/capacity.h"
#include "util/cleanup.h"

/* What tgt 1.0.85 answers for 16 MiB, taken off the wire. */
static const uint8_t tgt_10[8] = {0x00, 0x00, 0x7f, 0xff, 0x00, 0x00, 0x02, 0x00};
static const uint8_t tgt_16[32] = {0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0, 0, 0x02, 0, 0, 0x03};

static void both_answers_of_tgt_agree(void **state)
{
	struct unit_limits a = {}, b = {};

	assert_int_equal(capacity_10_parse(tgt_10, sizeof(tgt_10), &a), 0);
	assert_int_equal(capacity_16_parse(tgt_16, sizeof(tgt_16), &b), 0);
	assert_int_equal(a.blocks, 32768);
	assert_int_equal(a.block_size, 512);
	assert_int_equal(a.physical_block_size, 512);
	assert_int_equal(b.blocks, 32768);
	assert_int_equal(b.block_size, 512);
	assert_int_equal(b.physical_block_size, 4096);
	assert_false(b.thin);
	assert_false(b.unmapped_reads_zero);
	assert_null(capacity_fault(&a));
	assert_null(capacity_fault(&b));
}

static void provisioning_bits_are_read_one_by_one(void **state)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		struct unit_limits limits = {};
		uint8_t data[32];

		memcpy(data, tgt_16, sizeof(data));
		data[14] = (uint8_t)flags;
		assert_int_equal(capacity_16_parse(data, sizeof(data), &limits), 0);
		assert_int_equal(limits.thin, !!(flags & 0x80));
		assert_int_equal(limits.unmapped_reads_zero, !!(flags & 0x40));
	}
}

static void answers_cut_anywhere_leave_the_limits_alone(void **state)
{
	for (size_t length = 0; length <= 32; length++) {
		struct unit_limits limits = {.blocks = 7, .block_size = 9};
		owned_memory uint8_t *cut = malloc(length ? length : 1);

		memcpy(cut, tgt_16, length);
		assert_int_equal(capacity_16_parse(cut, length, &limits),
				 length < 12 ? -EBADMSG : 0);
		assert_int_equal(limits.blocks, length < 12 ? 7 : 32768);
		/* early devices send 12 bytes */
		if (length >= 12)
			assert_int_equal(limits.physical_block_size, length < 14 ? 512 : 4096);
	}
	for (size_t length = 0; length <= 8; length++) {
		struct unit_limits limits = {.blocks = 7};
		owned_memory uint8_t *cut = malloc(length ? length : 1);

		memcpy(cut, tgt_10, length);
		assert_int_equal(capacity_10_parse(cut, length, &limits),
				 length < 8 ? -EBADMSG : 0);
		assert_int_equal(limits.blocks, length < 8 ? 7 : 32768);
	}
}

static void the_short_answer_says_when_it_is_too_short(void **state)
{
	static const uint8_t data[8] = {0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0};
	static const uint8_t largest[8] = {0xff, 0xff, 0xff, 0xfe, 0, 0, 2, 0};
	struct unit_limits limits = {.blocks = 7};

	assert_int_equal(capacity_10_parse(data, sizeof(data), &limits), -EOVERFLOW);
	assert_int_equal(limits.blocks, 7);
	assert_int_equal(capacity_10_parse(largest, sizeof(largest), &limits), 0);
	assert_true(limits.blocks == UINT32_MAX);
}

static void a_last_block_of_all_ones_is_no_disk(void **state)
{
	uint8_t data[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0};
	struct unit_limits limits = {};

	assert_int_equal(capacity_16_parse(data, sizeof(data), &limits), 0);
	assert_string_equal(capacity_fault(&limits), "the disk has no blocks");
	data[7] = 0xfe;
	assert_int_equal(capacity_16_parse(data, sizeof(data), &limits), 0);
	assert_string_equal(capacity_fault(&limits), "size does not fit 63 bits");
}

static void only_block_sizes_of_disks_pass(void **state)
{
	for (uint64_t size = 0; size <= 0x10000; size++) {
		struct unit_limits limits = {.blocks = 1, .block_size = (uint32_t)size};
		bool good = size == 512 || size == 1024 || size == 2048 || size == 4096;

		assert_int_equal(capacity_fault(&limits) == NULL, good);
	}
	for (unsigned bit = 13; bit < 32; bit++) {
		struct unit_limits limits = {.blocks = 1, .block_size = 1u << bit};

		assert_non_null(capacity_fault(&limits));
	}
}

static void hostile_block_sizes_and_exponents_do_not_overflow(void **state)
{
	uint8_t data[32] = {0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0xff};
	struct unit_limits limits = {};

	assert_int_equal(capacity_16_parse(data, sizeof(data), &limits), 0);
	assert_int_equal(limits.physical_block_size, 0);
	memcpy(data + 8, "\0\0\x10\0", 4);
	assert_int_equal(capacity_16_parse(data, sizeof(data), &limits), 0);
	assert_int_equal(limits.physical_block_size, 4096u << 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_answers_of_tgt_agree),
		cmocka_unit_test(provisioning_bits_are_read_one_by_one),
		cmocka_unit_test(answers_cut_anywhere_leave_the_limits_alone),
		cmocka_unit_test(the_short_answer_says_when_it_is_too_short),
		cmocka_unit_test(a_last_block_of_all_ones_is_no_disk),
		cmocka_unit_test(only_block_sizes_of_disks_pass),
		cmocka_unit_test(hostile_block_sizes_and_exponents_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
