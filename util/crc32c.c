/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "util/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

#include "util/cleanup.h"

uint32_t crc32c(uint32_t seed, const void *data, size_t length_bytes)
{
	/* ISA-L leaves both inversions to its caller, takes an int and does not write to the data.
	 */
	union {
		const void *in;
		unsigned char *out;
	} at = {.in = data};
	uint32_t crc = ~seed;

	while (length_bytes > 0) {
		int piece = (int)MIN(length_bytes, (size_t)INT_MAX);

		crc = crc32_iscsi(at.out, piece, crc);
		at.out += piece;
		length_bytes -= (size_t)piece;
	}
	return ~crc;
}
