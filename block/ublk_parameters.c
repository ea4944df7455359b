/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/ublk_parameters.h"

#include "block/ublk_abi.h"
#include "scsi/unit.h"
#include "util/cleanup.h"

#define SECTOR_BYTES 512u
/* Of one discard or write of zeroes: a power of two, so that it ends at a granule's end. */
#define RANGE_MAX_SECTORS (1u << 22)
#define IO_OPT_MAX_BYTES  (1u << 30)
#define PAGE_SECTORS	  8u /* the block layer wants to send a page at least */

static uint8_t log2_of(uint64_t value)
{
	return (uint8_t)(63 - __builtin_clzll(value));
}

/*
 * The driver knows powers of two only. The largest that divides the unit's optimal length lets
 * whole ones be made of it, whatever stripe stands behind it.
 */
static uint8_t io_opt_shift(const struct unit_limits *limits, uint8_t physical_shift)
{
	uint64_t bytes = (uint64_t)limits->optimal_transfer_blocks * limits->block_size;
	uint64_t divisor = bytes & -bytes;

	if (divisor <= (UINT64_C(1) << physical_shift) || divisor > IO_OPT_MAX_BYTES)
		return physical_shift;
	return log2_of(divisor);
}

static uint32_t request_sectors(const struct unit_limits *limits, uint32_t request_max_bytes)
{
	uint64_t bytes = (uint64_t)limits->max_transfer_blocks * limits->block_size;

	if (bytes == 0 || bytes > request_max_bytes)
		bytes = request_max_bytes;
	/* What is too much for the unit then goes in several commands: block/request. */
	return MAX((uint32_t)(bytes / SECTOR_BYTES), PAGE_SECTORS);
}

static uint32_t attributes_of(const struct unit_limits *limits)
{
	uint32_t attributes = 0;

	if (limits->read_only)
		attributes |= UBLK_READ_ONLY;
	if (limits->write_cache)
		attributes |= UBLK_VOLATILE_CACHE;
	/* Without it the kernel flushes after the write, which the unit would have to do as well.
	 */
	if (limits->write_cache && limits->fua)
		attributes |= UBLK_FUA;
	return attributes;
}

static void set_discard(const struct unit_limits *limits, bool can_discard,
			struct ublk_parameters *ret)
{
	uint64_t granule = (uint64_t)limits->unmap_granularity_blocks * limits->block_size;
	uint64_t least = MAX(limits->block_size, limits->physical_block_size);

	ret->discard_granularity = (uint32_t)MIN(MAX(granule, least), (uint64_t)INT32_MAX + 1);
	ret->discard_alignment = (uint32_t)MIN(
		(uint64_t)limits->unmap_alignment_blocks * limits->block_size, (uint64_t)INT32_MAX);
	ret->max_discard_sectors = can_discard && !limits->read_only ? RANGE_MAX_SECTORS : 0;
	ret->max_write_zeroes_sectors = limits->read_only ? 0 : RANGE_MAX_SECTORS;
	ret->max_discard_segments = 1;
}

void ublk_parameters_of(const struct unit_limits *limits, bool can_discard,
			uint32_t request_max_bytes, struct ublk_parameters *ret)
{
	uint8_t logical = log2_of(limits->block_size);
	uint8_t physical = log2_of(MAX(limits->physical_block_size, limits->block_size));

	*ret = (struct ublk_parameters){
		.length_bytes = sizeof(*ret),
		.types = UBLK_PARAMETERS_BASIC | UBLK_PARAMETERS_DISCARD,
		.attributes = attributes_of(limits),
		.logical_block_shift = logical,
		.physical_block_shift = physical,
		.io_min_shift = physical,
		.io_opt_shift = io_opt_shift(limits, physical),
		.max_sectors = request_sectors(limits, request_max_bytes),
		.device_sectors = limits->blocks * (limits->block_size / SECTOR_BYTES),
	};
	set_discard(limits, can_discard, ret);
}
