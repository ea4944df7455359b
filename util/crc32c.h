/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * CRC32C, the digest of iSCSI (RFC 7143 §13.1): polynomial 0x1EDC6F41, reflected, start value and
 * final xor all ones. Any thread.
 */

#include <stddef.h>
#include <stdint.h>

/**
 * crc32c() - digest of @length_bytes bytes, in one piece or several
 * @seed: 0 for the first piece, then what the piece before gave
 *
 * Header and data digests stand least significant byte first on the wire; see crc32c_to_wire().
 */
uint32_t crc32c(uint32_t seed, const void *data, size_t length_bytes);

/** crc32c_to_wire() - the 4 bytes of a digest field */
static inline void crc32c_to_wire(uint32_t crc, uint8_t wire[4])
{
	wire[0] = (uint8_t)crc;
	wire[1] = (uint8_t)(crc >> 8);
	wire[2] = (uint8_t)(crc >> 16);
	wire[3] = (uint8_t)(crc >> 24);
}

/** crc32c_from_wire() - the digest out of its 4 bytes */
static inline uint32_t crc32c_from_wire(const uint8_t wire[4])
{
	return (uint32_t)wire[3] << 24 | (uint32_t)wire[2] << 16 | (uint32_t)wire[1] << 8 | wire[0];
}
