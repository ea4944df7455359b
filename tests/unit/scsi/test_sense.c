/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scsi/command.h"
#include "scsi/sense.h"
#include "util/cleanup.h"

/* In memory of exactly its size, so that a sanitizer sees one byte too many. */
static struct scsi_sense parse(const void *data, size_t length)
{
	owned_memory uint8_t *copy = malloc(length ? length : 1);
	struct scsi_sense sense;
	bool valid;

	assert_non_null(copy);
	memcpy(copy, data, length);
	memset(&sense, 0xff, sizeof(sense));
	valid = sense_parse(copy, length, &sense);
	assert_int_equal(valid, sense.valid);
	return sense;
}

/* What tgt answers to the first command after login. */
static const uint8_t tgt_reset[18] = {0x70, 0, 0x06, 0,	   0, 0, 0, 0x0a, 0,
				      0,    0, 0,    0x29, 0, 0, 0, 0,	  0};

static void fixed_format_gives_key_and_codes(void **state)
{
	struct scsi_sense sense = parse(tgt_reset, sizeof(tgt_reset));

	assert_true(sense.valid);
	assert_false(sense.deferred);
	assert_int_equal(sense.key, SENSE_UNIT_ATTENTION);
	assert_int_equal(sense.asc, 0x29);
	assert_int_equal(sense.ascq, 0x00);
	assert_false(sense.information_valid);
	assert_false(sense.specific_valid);
}

static void fixed_format_gives_information_and_field_pointer(void **state)
{
	static const uint8_t data[18] = {0xf0, 0, 0x63, 0x00, 0x12, 0x34, 0x56, 0x0a, 0,
					 0,    0, 0,	0x11, 0x04, 0,	  0xcf, 0x01, 0x02};
	struct scsi_sense sense = parse(data, sizeof(data));

	assert_int_equal(sense.key, SENSE_MEDIUM_ERROR); /* FILEMARK, EOM, ILI are not the key */
	assert_int_equal(sense.asc, 0x11);
	assert_int_equal(sense.ascq, 0x04);
	assert_true(sense.information_valid);
	assert_int_equal(sense.information, 0x00123456);
	assert_true(sense.specific_valid);
	assert_memory_equal(sense.specific, "\xcf\x01\x02", 3);
}

static void descriptor_format_gives_all_fields(void **state)
{
	static const uint8_t data[] =
		{
			0x72, 0x05, 0x24, 0x01, 0,    0,    0,	  24,	0x03, 0x02,
			0,    0x77, /* field replaceable unit: not ours */
			0x00, 0x0a, 0x80, 0,	0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
			0x07, 0x08, 0x02, 0x06, 0,    0,    0xc0, 0x00, 0x02, 0,
		};
	struct scsi_sense sense = parse(data, sizeof(data));

	assert_true(sense.valid);
	assert_false(sense.deferred);
	assert_int_equal(sense.key, SENSE_ILLEGAL_REQUEST);
	assert_int_equal(sense.asc, 0x24);
	assert_int_equal(sense.ascq, 0x01);
	assert_true(sense.information_valid);
	assert_true(sense.information == 0x0102030405060708);
	assert_true(sense.specific_valid);
	assert_memory_equal(sense.specific, "\xc0\x00\x02", 3);
}

static void direct_access_descriptor_stands_for_the_others(void **state)
{
	uint8_t data[8 + 24] = {0x72, 0x03, 0x11, 0x00, 0, 0, 0, 24, 0x0d, 22, 0x80, 0, 0x81, 2, 3};

	data[8 + 15] = 0x42;
	struct scsi_sense sense = parse(data, sizeof(data));

	assert_true(sense.information_valid);
	assert_int_equal(sense.information, 0x42);
	assert_memory_equal(sense.specific, "\x81\x02\x03", 3);
}

static void information_without_its_valid_bit_is_ignored(void **state)
{
	uint8_t fixed[18] = {0x70, 0, 0x03, 1, 2, 3, 4, 10};
	uint8_t descriptor[20] = {0x72, 0x03, 0, 0, 0, 0, 0, 12, 0x00, 0x0a, 0x00, 0, 1, 2, 3};

	assert_false(parse(fixed, sizeof(fixed)).information_valid);
	assert_false(parse(descriptor, sizeof(descriptor)).information_valid);
}

static void response_codes_71_and_73_are_deferred_errors(void **state)
{
	static const struct {
		uint8_t code;
		bool valid, deferred;
	} rows[] = {
		{0x70, true, false},  {0xf0, true, false},  {0x71, true, true},
		{0xf1, true, true},   {0x72, true, false},  {0x73, true, true},
		{0x74, false, false}, {0x7f, false, false}, {0x00, false, false},
		{0x6f, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t data[18] = {rows[i].code, 0x03, 0x03, 0, 0, 0, 0, 10};
		struct scsi_sense sense = parse(data, sizeof(data));

		assert_int_equal(sense.valid, rows[i].valid);
		assert_int_equal(sense.deferred, rows[i].deferred);
		assert_int_equal(sense.key, rows[i].valid ? 3 : 0);
	}
}

static void codes_beyond_the_told_length_do_not_count(void **state)
{
	uint8_t data[18] = {0x70, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x0b};
	static const struct {
		uint8_t additional, asc, ascq;
	} rows[] = {{0, 0, 0}, {4, 0, 0}, {5, 0x04, 0}, {6, 0x04, 0x0b}, {255, 0x04, 0x0b}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		data[7] = rows[i].additional;
		struct scsi_sense sense = parse(data, sizeof(data));

		assert_int_equal(sense.key, SENSE_NOT_READY);
		assert_int_equal(sense.asc, rows[i].asc);
		assert_int_equal(sense.ascq, rows[i].ascq);
	}
}

static void data_cut_anywhere_is_read_as_far_as_it_goes(void **state)
{
	static const uint8_t fixed[18] = {0xf0, 0, 0x03, 1,    2,    3, 4,    10, 0,
					  0,	0, 0,	 0x11, 0x01, 0, 0x80, 1,  2};
	static const uint8_t descriptor[20] = {0x72, 0x03, 0x11, 0x01, 0, 0, 0, 12, 0x00, 0x0a,
					       0x80, 0,	   1,	 2,    3, 4, 5, 6,  7,	  8};

	for (size_t length = 0; length <= sizeof(fixed); length++) {
		struct scsi_sense sense = parse(fixed, length);

		assert_int_equal(sense.valid, length >= 3);
		assert_int_equal(sense.information_valid, length >= 7);
		assert_int_equal(sense.asc, length >= 13 ? 0x11 : 0);
		assert_int_equal(sense.ascq, length >= 14 ? 0x01 : 0);
		assert_int_equal(sense.specific_valid, length >= 18);
	}
	for (size_t length = 0; length <= sizeof(descriptor); length++) {
		struct scsi_sense sense = parse(descriptor, length);

		assert_int_equal(sense.valid, length >= 2);
		assert_int_equal(sense.asc, length >= 3 ? 0x11 : 0);
		assert_int_equal(sense.ascq, length >= 4 ? 0x01 : 0);
		assert_int_equal(sense.information_valid, length >= 20);
	}
}

static void descriptors_that_claim_too_much_are_survived(void **state)
{
	uint8_t data[64];

	/* every pair of a told length and a descriptor length, over memory of its exact size */
	for (unsigned told = 0; told < 256; told++) {
		for (unsigned length = 0; length < 256; length += 5) {
			memset(data, 0xff, sizeof(data));
			memcpy(data, "\x72\x05\x24\x00\0\0\0", 7);
			data[7] = (uint8_t)told;
			data[8] = 0x00;
			data[9] = (uint8_t)length;
			struct scsi_sense sense = parse(data, sizeof(data));

			assert_int_equal(sense.key, 5);
			assert_int_equal(sense.information_valid, told >= 12 && length >= 10);
		}
	}
}

static void only_check_condition_has_sense(void **state)
{
	struct scsi_result result = {.status = SCSI_CHECK_CONDITION, .sense_length = 18};

	memcpy(result.sense, tgt_reset, sizeof(tgt_reset));
	assert_int_equal(sense_of(&result).asc, 0x29);
	result.status = SCSI_BUSY;
	assert_false(sense_of(&result).valid);
	result.status = SCSI_CHECK_CONDITION;
	result.outcome = SCSI_IN_DOUBT;
	assert_false(sense_of(&result).valid);
	result.outcome = SCSI_COMPLETED;
	result.sense_length = 255; /* more than there is memory for */
	assert_true(sense_of(&result).valid);
	result.sense_length = 0;
	assert_false(sense_of(&result).valid);
}

static void every_key_has_a_name(void **state)
{
	for (unsigned key = 0; key < 256; key++)
		assert_non_null(sense_key_name((uint8_t)key));
	assert_string_equal(sense_key_name(SENSE_NOT_READY), "not ready");
	assert_string_equal(sense_key_name(SENSE_UNIT_ATTENTION), "unit attention");
	assert_string_equal(sense_key_name(SENSE_ABORTED_COMMAND), "aborted command");
}

static void exact_codes_win_over_their_group(void **state)
{
	assert_string_equal(sense_code_text(0x04, 0x0b), "target port in standby state");
	assert_string_equal(sense_code_text(0x04, 0x99), "not ready");
	assert_string_equal(sense_code_text(0x3f, 0x0e), "reported LUNs changed");
	assert_string_equal(sense_code_text(0x29, 0x07), "I_T nexus loss");
	assert_string_equal(sense_code_text(0x27, 0x07),
			    "space allocation failed, write protected");
	assert_null(sense_code_text(0x99, 0x00));
	assert_null(sense_code_text(0x00, 0x00));
}

static void descriptions_name_key_code_and_numbers(void **state)
{
	char buffer[SENSE_DESCRIPTION_MAX];
	struct scsi_sense sense = {.valid = true, .key = 2, .asc = 0x04, .ascq = 0x0b};

	assert_string_equal(sense_describe(&sense, buffer),
			    "not ready: target port in standby state (2/04/0b)");
	sense = (struct scsi_sense){.valid = true, .deferred = true, .key = 3, .asc = 0x99};
	assert_string_equal(sense_describe(&sense, buffer), "deferred medium error (3/99/00)");
	sense = (struct scsi_sense){};
	assert_string_equal(sense_describe(&sense, buffer), "no sense data");
	for (unsigned i = 0; i < 0x10000; i++) {
		sense = (struct scsi_sense){.valid = true,
					    .deferred = true,
					    .key = 0xc,
					    .asc = (uint8_t)(i >> 8),
					    .ascq = (uint8_t)i};
		sense_describe(&sense, buffer);
		assert_int_equal(buffer[strlen(buffer) - 1], ')'); /* it fitted */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_format_gives_key_and_codes),
		cmocka_unit_test(fixed_format_gives_information_and_field_pointer),
		cmocka_unit_test(descriptor_format_gives_all_fields),
		cmocka_unit_test(direct_access_descriptor_stands_for_the_others),
		cmocka_unit_test(information_without_its_valid_bit_is_ignored),
		cmocka_unit_test(response_codes_71_and_73_are_deferred_errors),
		cmocka_unit_test(codes_beyond_the_told_length_do_not_count),
		cmocka_unit_test(data_cut_anywhere_is_read_as_far_as_it_goes),
		cmocka_unit_test(descriptors_that_claim_too_much_are_survived),
		cmocka_unit_test(only_check_condition_has_sense),
		cmocka_unit_test(every_key_has_a_name),
		cmocka_unit_test(exact_codes_win_over_their_group),
		cmocka_unit_test(descriptions_name_key_code_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
