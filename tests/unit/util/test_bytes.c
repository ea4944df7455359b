/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/bytes.h"

static void big_endian_fields_go_both_ways(void **state)
{
	be16 two = be16_of(0x1234);
	be24 three = be24_of(0x123456);
	be32 four = be32_of(0x12345678);
	be64 eight = be64_of(0x123456789abcdef0);

	assert_memory_equal(two.b, "\x12\x34", 2);
	assert_memory_equal(three.b, "\x12\x34\x56", 3);
	assert_memory_equal(four.b, "\x12\x34\x56\x78", 4);
	assert_memory_equal(eight.b, "\x12\x34\x56\x78\x9a\xbc\xde\xf0", 8);
	assert_int_equal(be16_get(two), 0x1234);
	assert_int_equal(be24_get(three), 0x123456);
	assert_int_equal(be32_get(four), 0x12345678);
	assert_true(be64_get(eight) == 0x123456789abcdef0);
	assert_int_equal(be32_get(be32_of(0xffffffff)), 0xffffffff);
	assert_int_equal(be24_get((be24){{0xff, 0xff, 0xff}}), 0xffffff);
}

static void reader_takes_each_width(void **state)
{
	static const uint8_t data[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,
				       10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct reader reader = reader_of(data, sizeof(data));

	assert_int_equal(reader_u8(&reader), 0x01);
	assert_int_equal(reader_u16(&reader), 0x0203);
	assert_int_equal(reader_u24(&reader), 0x040506);
	assert_int_equal(reader_u32(&reader), 0x0708090a);
	assert_true(reader_u64(&reader) == 0x0b0c0d0e0f101112);
	assert_int_equal(reader.left, 0);
	assert_false(reader.failed);
}

static void a_short_read_gives_zero_and_stays_failed(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct reader reader = reader_of(data, sizeof(data));

	assert_int_equal(reader_u32(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(reader_u8(&reader), 0);
	assert_int_equal(reader_u16(&reader), 0);
	assert_int_equal(reader_u24(&reader), 0);
	assert_true(reader_u64(&reader) == 0);
	assert_null(reader_take(&reader, 0));
	assert_true(reader.failed);
}

static void huge_lengths_do_not_wrap(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct reader reader = reader_of(data, sizeof(data));
	uint8_t memory[4];
	struct writer writer = writer_of(memory, sizeof(memory));
	volatile size_t endless = SIZE_MAX; /* a number that no compiler sees through */

	assert_null(reader_take(&reader, endless));
	assert_true(reader.failed);
	writer_u8(&writer, 1);
	writer_bytes(&writer, data, endless);
	assert_true(writer.failed);
}

static void sub_reader_cannot_leave_its_part(void **state)
{
	static const uint8_t data[] = {1, 2, 3, 4};
	struct reader reader = reader_of(data, sizeof(data)), part, too_long;

	reader_skip(&reader, 1);
	part = reader_sub(&reader, 2);
	assert_int_equal(reader_u16(&part), 0x0203);
	assert_int_equal(reader_u8(&part), 0);
	assert_true(part.failed);
	assert_false(reader.failed);
	assert_int_equal(reader_u8(&reader), 4);
	too_long = reader_sub(&reader, 1);
	assert_true(too_long.failed);
	assert_true(reader.failed);
}

static void writer_writes_all_or_nothing(void **state)
{
	uint8_t memory[18] = {};
	struct writer writer = writer_of(memory, 17);

	writer_u8(&writer, 0x01);
	writer_u16(&writer, 0x0203);
	writer_u32(&writer, 0x04050607);
	writer_u64(&writer, 0x08090a0b0c0d0e0f);
	assert_false(writer.failed);
	assert_int_equal(writer.length, 15);
	writer_u32(&writer, 0xffffffff);
	assert_true(writer.failed);
	writer_u8(&writer, 0xff);
	assert_int_equal(writer.length, 15);
	assert_memory_equal(
		memory, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\0\0\0", 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(big_endian_fields_go_both_ways),
		cmocka_unit_test(reader_takes_each_width),
		cmocka_unit_test(a_short_read_gives_zero_and_stays_failed),
		cmocka_unit_test(huge_lengths_do_not_wrap),
		cmocka_unit_test(sub_reader_cannot_leave_its_part),
		cmocka_unit_test(writer_writes_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
