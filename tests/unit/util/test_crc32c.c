/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util/crc32c.h"

/* clang-format off */
/* RFC 7143 appendix A.4 */
static const uint8_t read_10[48] = {
	0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
	0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
};
/* clang-format on */

static void check(const void *data, size_t length, const char wire[static 5])
{
	uint8_t digest[4];

	crc32c_to_wire(crc32c(0, data, length), digest);
	assert_memory_equal(digest, wire, 4);
	assert_int_equal(crc32c_from_wire(digest), crc32c(0, data, length));
}

static void vectors_give_the_bytes_that_stand_on_the_wire(void **state)
{
	uint8_t data[32];

	memset(data, 0, sizeof(data));
	check(data, sizeof(data), "\xaa\x36\x91\x8a");
	memset(data, 0xff, sizeof(data));
	check(data, sizeof(data), "\x43\xab\xa8\x62");
	for (unsigned i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	check(data, sizeof(data), "\x4e\x79\xdd\x46");
	for (unsigned i = 0; i < 32; i++)
		data[i] = (uint8_t)(31 - i);
	check(data, sizeof(data), "\x5c\xdb\x3f\x11");
	check("123456789", 9, "\x83\x92\x06\xe3");
	check(read_10, sizeof(read_10), "\x56\x3a\x96\xd9");
}

static void nothing_has_digest_zero(void **state)
{
	assert_int_equal(crc32c(0, "", 0), 0);
	assert_int_equal(crc32c(0x12345678, "", 0), 0x12345678);
}

static uint32_t bit_by_bit(const uint8_t *data, size_t length)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static void pieces_give_the_same_as_the_whole(void **state)
{
	uint8_t data[300];
	uint32_t whole;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	whole = crc32c(0, data, sizeof(data));
	assert_int_equal(whole, bit_by_bit(data, sizeof(data)));
	for (size_t cut = 0; cut <= sizeof(data); cut++)
		assert_int_equal(crc32c(crc32c(0, data, cut), data + cut, sizeof(data) - cut),
				 whole);
}

static void every_length_and_alignment_agrees_with_the_definition(void **state)
{
	uint8_t data[128];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(255 - i * 3);
	for (size_t offset = 0; offset < 16; offset++)
		for (size_t length = 0; length <= 100; length++)
			assert_int_equal(crc32c(0, data + offset, length),
					 bit_by_bit(data + offset, length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_give_the_bytes_that_stand_on_the_wire),
		cmocka_unit_test(nothing_has_digest_zero),
		cmocka_unit_test(pieces_give_the_same_as_the_whole),
		cmocka_unit_test(every_length_and_alignment_agrees_with_the_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
