/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/capacity.h"

#include <errno.h>

#include "util/bytes.h"

#define BLOCK_SIZE_MIN 512
#define BLOCK_SIZE_MAX 4096

#define PHYSICAL_EXPONENT_MASK 0x0f
#define LBPME		       0x80
#define LBPRZ		       0x40

int capacity_10_parse(const void *data, size_t length, struct unit_limits *limits)
{
	struct reader reader = reader_of(data, length);
	uint32_t last_lba = reader_u32(&reader);
	uint32_t block_size = reader_u32(&reader);

	if (reader.failed)
		return -EBADMSG;
	if (last_lba == UINT32_MAX)
		return -EOVERFLOW;

	limits->blocks = (uint64_t)last_lba + 1;
	limits->block_size = limits->physical_block_size = block_size;
	return 0;
}

int capacity_16_parse(const void *data, size_t length, struct unit_limits *limits)
{
	struct reader reader = reader_of(data, length);
	uint64_t last_lba = reader_u64(&reader);
	uint32_t block_size = reader_u32(&reader);
	uint8_t exponent, provisioning;

	if (reader.failed)
		return -EBADMSG;

	reader_skip(&reader, 1); /* protection */
	exponent = reader_u8(&reader) & PHYSICAL_EXPONENT_MASK;
	provisioning = reader_u8(&reader);
	limits->blocks = last_lba + 1; /* 0 for a last LBA of all ones: capacity_fault() */
	limits->block_size = block_size;
	limits->physical_block_size = block_size <= BLOCK_SIZE_MAX ? block_size << exponent : 0;
	limits->thin = provisioning & LBPME;
	limits->unmapped_reads_zero = provisioning & LBPRZ;
	return 0;
}

const char *capacity_fault(const struct unit_limits *limits)
{
	uint32_t size = limits->block_size;

	if (size < BLOCK_SIZE_MIN || size > BLOCK_SIZE_MAX || (size & (size - 1)) != 0)
		return "block size is no power of two from 512 to 4096 bytes";
	if (limits->blocks == 0)
		return "the disk has no blocks";
	if (limits->blocks > (uint64_t)INT64_MAX / size)
		return "size does not fit 63 bits";
	return NULL;
}
