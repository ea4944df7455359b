/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * READ CAPACITY data → how large a unit is (SBC-3 §5.15, §5.16). The parsers take whatever a device
 * sent; capacity_fault() then says whether it can be true. Plain functions: any thread.
 */

#include <stddef.h>

#include "scsi/unit.h"

#define CAPACITY_10_BYTES 8
#define CAPACITY_16_BYTES 32

/**
 * capacity_10_parse() - blocks, block_size; and physical_block_size, which it cannot tell, the same
 *
 * Return: 0; -EBADMSG when too short; -EOVERFLOW when the unit is too large for the answer. On
 * failure @limits is untouched.
 */
int capacity_10_parse(const void *data, size_t length, struct unit_limits *limits);

/**
 * capacity_16_parse() - blocks, block_size, physical_block_size, thin, unmapped_reads_zero
 *
 * Early devices send 12 bytes only: what is missing counts as zero.
 * Return: 0; -EBADMSG when too short, and @limits is untouched.
 */
int capacity_16_parse(const void *data, size_t length, struct unit_limits *limits);

/** capacity_fault() - why no disk can have this size, in a few words; NULL when one can */
const char *capacity_fault(const struct unit_limits *limits);
