/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "block/ublk_abi.h"
#include "block/ublk_parameters.h"
#include "scsi/unit.h"
#include "util/cleanup.h"

#define REQUEST_BYTES (512u << 10)

static const struct unit_limits plain = {
	.blocks = 2048,
	.block_size = 512,
	.physical_block_size = 512,
};

static struct ublk_parameters parameters_of(struct unit_limits limits)
{
	struct ublk_parameters parameters;

	ublk_parameters_of(&limits, true, REQUEST_BYTES, &parameters);
	return parameters;
}

static void size_is_told_in_sectors_whatever_the_block_size(void **state)
{
	struct unit_limits limits = plain;

	assert_int_equal(parameters_of(limits).device_sectors, 2048);
	assert_int_equal(parameters_of(limits).logical_block_shift, 9);
	limits.block_size = limits.physical_block_size = 4096;
	assert_int_equal(parameters_of(limits).device_sectors, 2048 * 8);
	assert_int_equal(parameters_of(limits).logical_block_shift, 12);
}

static void physical_block_is_never_less_than_the_logical_one(void **state)
{
	struct unit_limits limits = plain;

	limits.physical_block_size = 4096;
	assert_int_equal(parameters_of(limits).physical_block_shift, 12);
	assert_int_equal(parameters_of(limits).io_min_shift, 12);
	limits.block_size = 4096;
	limits.physical_block_size = 0;
	assert_int_equal(parameters_of(limits).physical_block_shift, 12);
}

static void attributes_follow_cache_fua_and_write_protection(void **state)
{
	static const struct {
		bool write_cache, fua, read_only;
		uint32_t attributes;
	} cells[] = {
		{false, false, false, 0},
		{true, false, false, UBLK_VOLATILE_CACHE},
		{false, true, false, 0}, /* nothing has to be forced to a medium */
		{true, true, false, UBLK_VOLATILE_CACHE | UBLK_FUA},
		{false, false, true, UBLK_READ_ONLY},
		{true, true, true, UBLK_READ_ONLY | UBLK_VOLATILE_CACHE | UBLK_FUA},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		struct unit_limits limits = plain;

		limits.write_cache = cells[i].write_cache;
		limits.fua = cells[i].fua;
		limits.read_only = cells[i].read_only;
		assert_int_equal(parameters_of(limits).attributes, cells[i].attributes);
	}
}

static void largest_request_is_the_smaller_of_ours_and_the_units(void **state)
{
	static const struct {
		uint32_t max_transfer_blocks, sectors;
	} cells[] = {
		{0, REQUEST_BYTES / 512},     /* the unit has no limit */
		{256, 256},		      /* 128 KiB */
		{65536, REQUEST_BYTES / 512}, /* 32 MiB */
		{1, 8}, /* the kernel sends a page at least; it goes in several commands */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		struct unit_limits limits = plain;

		limits.max_transfer_blocks = cells[i].max_transfer_blocks;
		assert_int_equal(parameters_of(limits).max_sectors, cells[i].sectors);
	}
}

static void optimal_length_is_the_power_of_two_that_divides_the_units(void **state)
{
	static const struct {
		uint32_t blocks;
		uint8_t shift;
	} cells[] = {
		{0, 9},			 /* not reported */
		{128, 16},		 /* 64 KiB */
		{1536, 18},		 /* 768 KiB: three stripes of 256 KiB */
		{1, 9},		 {3, 9}, /* nothing that would help */
		{UINT32_MAX, 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		struct unit_limits limits = plain;

		limits.optimal_transfer_blocks = cells[i].blocks;
		assert_int_equal(parameters_of(limits).io_opt_shift, cells[i].shift);
	}
}

static void discard_is_offered_only_where_the_unit_can(void **state)
{
	struct unit_limits limits = plain;
	struct ublk_parameters parameters;

	limits.unmap_granularity_blocks = 128;
	limits.unmap_alignment_blocks = 8;
	parameters = parameters_of(limits);
	assert_true(parameters.types & UBLK_PARAMETERS_DISCARD);
	assert_true(parameters.max_discard_sectors > 0);
	assert_int_equal(parameters.max_discard_segments, 1);
	assert_int_equal(parameters.discard_granularity, 65536);
	assert_int_equal(parameters.discard_alignment, 4096);
	ublk_parameters_of(&limits, false, REQUEST_BYTES, &parameters);
	assert_int_equal(parameters.max_discard_sectors, 0);
	assert_true(parameters.max_write_zeroes_sectors > 0); /* zeroes can always be written */
}

static void nothing_that_writes_is_offered_of_a_protected_unit(void **state)
{
	struct unit_limits limits = plain;
	struct ublk_parameters parameters;

	limits.read_only = true;
	parameters = parameters_of(limits);
	assert_int_equal(parameters.max_discard_sectors, 0);
	assert_int_equal(parameters.max_write_zeroes_sectors, 0);
}

static void granularity_is_never_zero_nor_less_than_a_block(void **state)
{
	struct unit_limits limits = plain;

	assert_int_equal(parameters_of(limits).discard_granularity, 512);
	limits.physical_block_size = 4096;
	assert_int_equal(parameters_of(limits).discard_granularity, 4096);
	limits.unmap_granularity_blocks = UINT32_MAX; /* who reports such a thing is not believed */
	assert_int_equal(parameters_of(limits).discard_granularity, 1u << 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_is_told_in_sectors_whatever_the_block_size),
		cmocka_unit_test(physical_block_is_never_less_than_the_logical_one),
		cmocka_unit_test(attributes_follow_cache_fua_and_write_protection),
		cmocka_unit_test(largest_request_is_the_smaller_of_ours_and_the_units),
		cmocka_unit_test(optimal_length_is_the_power_of_two_that_divides_the_units),
		cmocka_unit_test(discard_is_offered_only_where_the_unit_can),
		cmocka_unit_test(nothing_that_writes_is_offered_of_a_protected_unit),
		cmocka_unit_test(granularity_is_never_zero_nor_less_than_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
