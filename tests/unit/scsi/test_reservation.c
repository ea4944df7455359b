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

#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/reservation.h"
#include "util/bytes.h"
#include "util/cleanup.h"

static const uint8_t two_keys[] = {0, 0, 0,    7,    0, 0, 0, 16, 0, 0, 0,    0,
				   0, 0, 0xaa, 0xbb, 0, 0, 0, 0,  0, 0, 0x11, 0x22};
static const uint8_t held[] = {0, 0, 0,	   7,	 0, 0, 0, 16, 0, 0,    0, 0,
			       0, 0, 0xaa, 0xbb, 0, 0, 0, 0,  0, 0x05, 0, 0};

#define HOST "iqn.2026-01.org.example:host,i,0x00023d000001"

/* One registrant of READ FULL STATUS: iSCSI, or the 24 bytes of a SAS TransportID. */
static void put_registrant(struct writer *writer, uint64_t key, uint8_t flags, uint16_t port,
			   const char *name)
{
	size_t length = name ? (strlen(name) + 4) / 4 * 4 : 20;

	writer_u64(writer, key);
	writer_u32(writer, 0);
	writer_u8(writer, flags);
	writer_u8(writer, 5);
	writer_u32(writer, 0);
	writer_u16(writer, port);
	writer_u32(writer, (uint32_t)length + 4);
	writer_u16(writer, name ? 0x4500 : 0x0600);
	writer_u16(writer, (uint16_t)length);
	for (size_t i = 0; i < length; i++)
		writer_u8(writer, name && i < strlen(name) ? (uint8_t)name[i] : 0);
}

static size_t full_status(uint8_t *memory, size_t capacity)
{
	struct writer writer = writer_of(memory, capacity);
	be32 length;

	writer_u32(&writer, 9);
	writer_u32(&writer, 0);
	put_registrant(&writer, 0xaabb, 0x01, 1, HOST);
	put_registrant(&writer, 0x1122, 0x02, 2, NULL);
	assert_false(writer.failed);
	length = be32_of((uint32_t)writer.length - 8);
	memcpy(memory + 4, &length, sizeof(length));
	return writer.length;
}

static void a_type_is_known_by_its_words_short_form_and_number(void **state)
{
	static const struct {
		int type;
		const char *words, *in_short, *number;
	} rows[] = {
		{1, "write-exclusive", "WE", "1"},
		{3, "exclusive-access", "EA", "3"},
		{5, "write-exclusive-registrants-only", "WE-RO", "5"},
		{6, "exclusive-access-registrants-only", "ea-ro", "6"},
		{7, "write-exclusive-all-registrants", "we-ar", "7"},
		{8, "exclusive-access-all-registrants", "Ea-Ar", "8"},
	};
	char list[RESERVATION_TYPES_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(reservation_type_name((uint8_t)rows[i].type), rows[i].words);
		assert_int_equal(reservation_type_of(rows[i].words), rows[i].type);
		assert_int_equal(reservation_type_of(rows[i].in_short), rows[i].type);
		assert_int_equal(reservation_type_of(rows[i].number), rows[i].type);
		assert_int_equal(reservation_admits_registrants((uint8_t)rows[i].type),
				 rows[i].type >= 5);
		assert_int_equal(reservation_is_held_by_all((uint8_t)rows[i].type),
				 rows[i].type >= 7);
	}
	assert_string_equal(reservation_type_name(0), "");
	assert_string_equal(reservation_type_name(2), "unknown");
	assert_string_equal(reservation_type_name(255), "unknown");
	assert_false(reservation_admits_registrants(9));
	for (size_t i = 0; i < 7; i++) {
		static const char *const none[] = {"", "0", "2", "4", "9", "16", "shared"};

		assert_int_equal(reservation_type_of(none[i]), -EINVAL);
	}
	reservation_list_types(list);
	assert_string_equal(list, "write-exclusive-registrants-only (we-ro), "
				  "exclusive-access-registrants-only (ea-ro), "
				  "write-exclusive-all-registrants (we-ar), "
				  "exclusive-access-all-registrants (ea-ar)");
}

static void persistent_reserve_in_is_built_as_spc_says(void **state)
{
	static const uint8_t expected[16] = {0x5e, 0x03, 0, 0, 0, 0, 0, 0x20, 0x08};
	struct scsi_command command = {};

	reservation_in_fill(&command, RESERVATION_READ_FULL_STATUS, 0x2008);
	assert_memory_equal(command.cdb, expected, sizeof(expected));
	assert_int_equal(command.direction, SCSI_DATA_IN);
	assert_int_equal(command.data_length, 0x2008);
	assert_string_equal(cdb_name(&command), "PERSISTENT RESERVE IN");
}

static void persistent_reserve_out_is_built_as_spc_says(void **state)
{
	static const uint8_t cdb[16] = {0x5f, 0x05, 0x06, 0, 0, 0, 0, 0, 24};
	static const uint8_t list[24] = {0,    0,    0,	   0,	 0,    0,    0xaa,
					 0xbb, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
					 0x07, 0x08, 0,	   0,	 0,    0,    0x05};
	const struct reservation_order order = {
		.action = RESERVATION_PREEMPT_AND_ABORT,
		.type = RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
		.key = 0xaabb,
		.action_key = 0x0102030405060708,
		.survives_power = true,
		.all_target_ports = true,
	};
	struct scsi_command command = {};
	uint8_t memory[RESERVATION_LIST_BYTES];

	reservation_out_fill(&command, &order, memory);
	assert_memory_equal(command.cdb, cdb, sizeof(cdb));
	assert_memory_equal(memory, list, sizeof(list));
	assert_ptr_equal(command.data, memory);
	assert_int_equal(command.direction, SCSI_DATA_OUT);
	assert_int_equal(command.data_length, 24);
	assert_string_equal(cdb_name(&command), "PERSISTENT RESERVE OUT");
}

static void keys_are_read(void **state)
{
	struct reservation_keys keys;

	assert_int_equal(reservation_keys_parse(two_keys, sizeof(two_keys), &keys), 0);
	assert_int_equal(keys.generation, 7);
	assert_int_equal(keys.total, 2);
	assert_int_equal(keys.count, 2);
	assert_int_equal(keys.keys[0], 0xaabb);
	assert_int_equal(keys.keys[1], 0x1122);
}

static void keys_that_did_not_fit_are_counted(void **state)
{
	uint8_t data[16] = {0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 9};
	struct reservation_keys keys;

	assert_int_equal(reservation_keys_parse(data, sizeof(data), &keys), 0);
	assert_int_equal(keys.total, 0x4000 / 8);
	assert_int_equal(keys.count, 1);
	assert_int_equal(keys.keys[0], 9);
}

static void more_keys_than_there_is_room_for_are_left_out(void **state)
{
	size_t bytes = 8 + 8 * (RESERVATION_KEYS_MAX + 3);
	owned_memory uint8_t *data = calloc(1, bytes);
	be32 length = be32_of((uint32_t)bytes - 8);
	struct reservation_keys keys;

	memcpy(data + 4, &length, sizeof(length));
	assert_int_equal(reservation_keys_parse(data, bytes, &keys), 0);
	assert_int_equal(keys.count, RESERVATION_KEYS_MAX);
	assert_int_equal(keys.total, RESERVATION_KEYS_MAX + 3);
}

static void a_reservation_is_read_and_none_is_none(void **state)
{
	struct reservation_status status;

	assert_int_equal(reservation_status_parse(held, sizeof(held), &status), 0);
	assert_int_equal(status.generation, 7);
	assert_int_equal(status.key, 0xaabb);
	assert_int_equal(status.type, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY);

	assert_int_equal(reservation_status_parse("\0\0\0\3\0\0\0\0", 8, &status), 0);
	assert_int_equal(status.generation, 3);
	assert_int_equal(status.key, 0);
	assert_int_equal(status.type, RESERVATION_NONE);
}

static void capabilities_are_read_bit_by_bit(void **state)
{
	for (unsigned bits = 0; bits < 256; bits++) {
		const uint8_t data[8] = {0, 8, (uint8_t)bits, (uint8_t)bits, 0xea, 0x01};
		struct reservation_capabilities can;

		assert_int_equal(reservation_capabilities_parse(data, 8, &can), 0);
		assert_int_equal(can.may_survive_power, !!(bits & 0x01));
		assert_int_equal(can.all_target_ports, !!(bits & 0x04));
		assert_int_equal(can.names_initiators, !!(bits & 0x08));
		assert_int_equal(can.compatible_reserve, !!(bits & 0x10));
		assert_int_equal(can.survives_power, !!(bits & 0x01));
		/* without TMV the mask says nothing */
		assert_int_equal(can.types, bits & 0x80 ? 0x1ea : 0);
	}
}

static void the_mask_of_types_is_read_bit_by_bit(void **state)
{
	static const struct {
		uint8_t high, low;
		unsigned type;
	} rows[] = {{0x02, 0, 1}, {0x08, 0, 3}, {0x20, 0, 5},
		    {0x40, 0, 6}, {0x80, 0, 7}, {0, 1, 8}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint8_t data[8] = {0, 8, 0, 0x80, rows[i].high, rows[i].low};
		struct reservation_capabilities can;

		assert_int_equal(reservation_capabilities_parse(data, 8, &can), 0);
		assert_int_equal(can.types, 1u << rows[i].type);
	}
}

static void registrants_of_any_transport_are_read(void **state)
{
	struct reservation_registrant found[4];
	uint8_t data[256];
	size_t length = full_status(data, sizeof(data));
	uint32_t generation;

	assert_int_equal(reservation_registrants_parse(data, length, &generation, found, 4), 2);
	assert_int_equal(generation, 9);
	assert_int_equal(found[0].key, 0xaabb);
	assert_true(found[0].holder);
	assert_false(found[0].all_target_ports);
	assert_int_equal(found[0].type, 5);
	assert_int_equal(found[0].relative_port, 1);
	assert_string_equal(found[0].initiator, HOST);
	assert_int_equal(found[1].key, 0x1122);
	assert_false(found[1].holder);
	assert_true(found[1].all_target_ports);
	assert_int_equal(found[1].type, RESERVATION_NONE);
	assert_memory_equal(found[1].initiator, "protocol 6 00", 13);

	assert_int_equal(reservation_registrants_parse(data, length, &generation, found, 1), 1);
}

static void answers_cut_anywhere_are_harmless(void **state)
{
	uint8_t data[256];
	size_t whole = full_status(data, sizeof(data));

	for (size_t length = 0; length <= whole; length++) {
		owned_memory uint8_t *cut = malloc(length ? length : 1);
		struct reservation_registrant found[4];
		struct reservation_status status = {.generation = 77};
		struct reservation_capabilities can;
		struct reservation_keys keys;
		uint32_t generation;
		int count;

		memcpy(cut, data, length);
		count = reservation_registrants_parse(cut, length, &generation, found, 4);
		assert_int_equal(count, length < 8	 ? -EBADMSG
					: length < 84	 ? 0
					: length < whole ? 1
							 : 2);
		assert_int_equal(reservation_keys_parse(cut, length, &keys),
				 length < 8 ? -EBADMSG : 0);
		assert_int_equal(reservation_status_parse(cut, length, &status),
				 length < 22 ? -EBADMSG : 0);
		assert_int_equal(status.generation, length < 22 ? 77 : 9);
		assert_int_equal(reservation_capabilities_parse(cut, length, &can),
				 length < 6 ? -EBADMSG : 0);
	}
}

static void a_hostile_name_is_made_fit_to_show(void **state)
{
	struct reservation_registrant found;
	uint8_t data[128];
	struct writer writer = writer_of(data, sizeof(data));
	uint32_t generation;

	writer_u32(&writer, 1);
	writer_u32(&writer, 1000);
	put_registrant(&writer, 1, 0, 1, "iqn\033[2Jx");
	assert_int_equal(reservation_registrants_parse(data, writer.length, &generation, &found, 1),
			 1);
	assert_string_equal(found.initiator, "iqn?[2Jx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_is_known_by_its_words_short_form_and_number),
		cmocka_unit_test(persistent_reserve_in_is_built_as_spc_says),
		cmocka_unit_test(persistent_reserve_out_is_built_as_spc_says),
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(keys_that_did_not_fit_are_counted),
		cmocka_unit_test(more_keys_than_there_is_room_for_are_left_out),
		cmocka_unit_test(a_reservation_is_read_and_none_is_none),
		cmocka_unit_test(capabilities_are_read_bit_by_bit),
		cmocka_unit_test(the_mask_of_types_is_read_bit_by_bit),
		cmocka_unit_test(registrants_of_any_transport_are_read),
		cmocka_unit_test(answers_cut_anywhere_are_harmless),
		cmocka_unit_test(a_hostile_name_is_made_fit_to_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
