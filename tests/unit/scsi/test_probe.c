/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/alua.h"
#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/probe.h"
#include "tests/fakes/fake_nexus.h"
#include "util/cleanup.h"

#define WWID "36001405a112233445566778899aabbcc"

struct world {
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct probe *probe;

	unsigned ended;
	enum probe_verdict verdict;
	struct unit found;
	char text[256];
	bool cancel_in_done;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->unit = fake_unit_new(4096, 512);
	w->nexus = fake_nexus_new(w->unit, 0x0001000000000000);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	fake_nexus_free(w->nexus);
	fake_unit_free(w->unit);
	free(w);
	return 0;
}

static void probe_done(enum probe_verdict verdict, const struct unit *unit, const char *text,
		       void *userdata)
{
	struct world *w = userdata;

	w->ended++;
	w->verdict = verdict;
	w->found = *unit;
	strncpy(w->text, text, sizeof(w->text) - 1);
	if (w->cancel_in_done)
		probe_cancel(w->probe);
}

static void start(struct world *w)
{
	w->ended = 0;
	assert_int_equal(probe_start(&w->nexus->nexus, probe_done, w, &w->probe), 0);
	assert_int_equal(w->ended, 0);
}

static void run(struct world *w)
{
	start(w);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(fake_nexus_queued(w->nexus), 0);
}

static void run_to(struct world *w, enum probe_verdict verdict, const char *text)
{
	run(w);
	assert_string_equal(w->text, text);
	assert_string_equal(probe_verdict_name(w->verdict), probe_verdict_name(verdict));
}

static void a_brief_look_tells_who_it_is_and_how_large(void **state)
{
	struct world *w = *state;
	size_t whole;

	run_to(w, PROBE_FOUND, "");
	whole = fake_nexus_count(w->nexus, FAKE_ANY_OPCODE);
	w->unit->blocks = 8192;
	w->unit->naa[15] = 0xdd;
	w->ended = 0;
	assert_int_equal(probe_start_brief(&w->nexus->nexus, probe_done, w, &w->probe), 0);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->verdict, PROBE_FOUND);
	assert_string_equal(w->found.identity.wwid, "36001405a112233445566778899aabbdd");
	assert_string_equal(w->found.identity.serial, "FAKE0001");
	assert_int_equal(w->found.limits.blocks, 8192);
	assert_int_equal(w->found.limits.block_size, 512);
	assert_true(fake_nexus_count(w->nexus, FAKE_ANY_OPCODE) - whole < whole);
	assert_true(fake_nexus_count(w->nexus, FAKE_ANY_OPCODE) - whole <= 6);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MODE_SENSE_10), 1);
}

static const struct fake_answer refused = {.status = SCSI_CHECK_CONDITION, .key = 5, .asc = 0x20};

/* ---- what is found --------------------------------------------------------------------------- */

static void a_good_disk_is_found_with_all_it_can(void **state)
{
	struct world *w = *state;

	w->unit->blocks = 1ull << 33;
	w->unit->physical_exponent = 3;
	w->unit->max_transfer_blocks = 8192;
	w->unit->optimal_transfer_blocks = 1024;
	w->unit->unmap_granularity_blocks = 16;
	w->unit->max_write_same_blocks = 65536;
	w->unit->tpgs = 3;
	w->nexus->target_port_group = 0x102;
	w->nexus->relative_port = 7;
	run_to(w, PROBE_FOUND, "");

	assert_string_equal(w->found.identity.wwid, WWID);
	assert_string_equal(w->found.identity.serial, "FAKE0001");
	assert_string_equal(w->found.identity.vendor, "HAWSER");
	assert_string_equal(w->found.identity.product, "RAM disk");
	assert_string_equal(w->found.identity.revision, "1.0");
	assert_int_equal(w->found.identity.device_type, 0);
	assert_true(w->found.limits.blocks == 1ull << 33);
	assert_int_equal(w->found.limits.block_size, 512);
	assert_int_equal(w->found.limits.physical_block_size, 4096);
	assert_int_equal(w->found.limits.max_transfer_blocks, 8192);
	assert_int_equal(w->found.limits.optimal_transfer_blocks, 1024);
	assert_int_equal(w->found.limits.max_unmap_blocks, 1 << 20);
	assert_int_equal(w->found.limits.max_unmap_descriptors, 16);
	assert_int_equal(w->found.limits.unmap_granularity_blocks, 16);
	assert_int_equal(w->found.limits.max_write_same_blocks, 65536);
	assert_false(w->found.limits.read_only);
	assert_true(w->found.limits.write_cache);
	assert_true(w->found.limits.fua);
	assert_true(w->found.limits.thin);
	assert_true(w->found.limits.unmap);
	assert_true(w->found.limits.write_same_unmap);
	assert_true(w->found.limits.unmapped_reads_zero);
	assert_false(w->found.limits.needs_10_byte);
	assert_int_equal(w->found.limits.tpgs, 3);
	assert_int_equal(w->found.limits.target_port_group, 0x102);
	assert_int_equal(w->found.limits.relative_target_port, 7);
}

static void commands_go_out_one_by_one_in_the_order_of_the_table(void **state)
{
	static const struct {
		uint8_t opcode, byte1, byte2;
	} rows[] = {
		{0x12, 0, 0},	 {0x12, 1, 0x00}, {0x12, 1, 0x80}, {0x12, 1, 0x83}, {0x00, 0, 0},
		{0x9e, 0x10, 0}, {0x5a, 0, 0x08}, {0x12, 1, 0xb0}, {0x12, 1, 0xb2},
	};
	struct world *w = *state;

	start(w);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint8_t *cdb;

		assert_int_equal(fake_nexus_queued(w->nexus), 1);
		assert_int_equal(w->ended, 0);
		cdb = w->nexus->records[i].cdb;
		assert_int_equal(cdb[0], rows[i].opcode);
		assert_int_equal(cdb[1], rows[i].byte1);
		assert_int_equal(cdb[2], rows[i].byte2);
		fake_nexus_run_one(w->nexus, 0);
	}
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->nexus->record_count, ARRAY_SIZE(rows));
}

static void modes_are_read_from_the_caching_page(void **state)
{
	struct world *w = *state;

	w->unit->write_cache = false;
	w->unit->fua = false;
	w->unit->read_only = true;
	run_to(w, PROBE_FOUND, "");
	assert_false(w->found.limits.write_cache);
	assert_false(w->found.limits.fua);
	assert_true(w->found.limits.read_only);
}

static void mode_sense_6_stands_in_for_10(void **state)
{
	struct world *w = *state;

	w->unit->no_mode_sense_10 = true;
	w->unit->write_cache = false;
	w->unit->read_only = true;
	run_to(w, PROBE_FOUND, "");
	assert_false(w->found.limits.write_cache);
	assert_true(w->found.limits.read_only);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MODE_SENSE_6), 1);
}

static void a_disk_without_the_caching_page_still_tells_of_write_protection(void **state)
{
	static const uint8_t header[] = {3, 0, 0x80, 0};
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_MODE_SENSE_10, 1, &refused);
	fake_nexus_script(w->nexus, SCSI_MODE_SENSE_6, 1, &refused);
	fake_nexus_script(w->nexus, SCSI_MODE_SENSE_6, 1, &FAKE_DATA(header, sizeof(header)));
	run_to(w, PROBE_FOUND, "");
	assert_true(w->found.limits.read_only);
	assert_true(w->found.limits.write_cache);
	assert_int_equal(w->nexus->records[w->nexus->record_count - 3].cdb[2], 0x3f);
}

static void with_no_mode_sense_at_all_a_write_cache_is_assumed(void **state)
{
	struct world *w = *state;

	w->unit->no_mode_sense_10 = w->unit->no_mode_sense_6 = true;
	run_to(w, PROBE_FOUND, "");
	assert_true(w->found.limits.write_cache);
	assert_false(w->found.limits.fua);
	assert_false(w->found.limits.read_only);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MODE_SENSE_6), 2);
}

static void a_disk_of_10_byte_commands_is_marked_so(void **state)
{
	struct world *w = *state;

	w->unit->no_16 = true;
	run_to(w, PROBE_FOUND, "");
	assert_true(w->found.limits.needs_10_byte);
	assert_int_equal(w->found.limits.blocks, 4096);
	assert_int_equal(w->found.limits.block_size, 512);
	assert_int_equal(w->found.limits.physical_block_size, 512);
	assert_false(w->found.limits.thin);
	assert_false(w->found.limits.unmap);
	assert_false(w->found.limits.write_same_unmap);
	assert_int_equal(w->found.limits.max_unmap_blocks, 0);
}

static void unmap_counts_only_when_provisioning_limits_and_page_agree(void **state)
{
	static const struct {
		bool thin, unmap, write_same;
		uint32_t blocks, descriptors;
		bool can_unmap, can_write_same;
	} rows[] = {
		{true, true, true, 8, 1, true, true},	  {false, true, true, 8, 1, false, false},
		{true, false, true, 8, 1, false, true},	  {true, true, false, 8, 1, true, false},
		{true, true, true, 0, 1, false, true},	  {true, true, true, 8, 0, false, true},
		{true, false, false, 8, 1, false, false},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		w->unit->thin = rows[i].thin;
		w->unit->unmap = rows[i].unmap;
		w->unit->write_same = rows[i].write_same;
		w->unit->max_unmap_blocks = rows[i].blocks;
		w->unit->max_unmap_descriptors = rows[i].descriptors;
		run_to(w, PROBE_FOUND, "");
		assert_int_equal(w->found.limits.unmap, rows[i].can_unmap);
		assert_int_equal(w->found.limits.write_same_unmap, rows[i].can_write_same);
		assert_int_equal(w->found.limits.max_unmap_blocks,
				 rows[i].can_unmap ? rows[i].blocks : 0);
		assert_int_equal(w->found.limits.unmapped_reads_zero, rows[i].thin);
	}
}

static void without_page_b2_limits_for_unmap_are_enough(void **state)
{
	static const uint8_t list[] = {0, 0, 0, 4, 0x00, 0x80, 0x83, 0xb0};
	struct world *w = *state;

	fake_unit_set_page(w->unit, 0x00, list, sizeof(list));
	run_to(w, PROBE_FOUND, "");
	assert_true(w->found.limits.unmap);
	assert_false(w->found.limits.write_same_unmap);
}

/* ---- identity -------------------------------------------------------------------------------- */

static void only_pages_that_are_listed_are_asked_for(void **state)
{
	static const uint8_t list[] = {0, 0, 0, 2, 0x00, 0x80};
	struct world *w = *state;

	fake_unit_set_page(w->unit, 0x00, list, sizeof(list));
	run_to(w, PROBE_FOUND, "");
	for (size_t i = 0; i < w->nexus->record_count; i++) {
		const uint8_t *cdb = w->nexus->records[i].cdb;

		if (cdb[0] == SCSI_INQUIRY && (cdb[1] & 1))
			assert_true(cdb[2] == 0x00 || cdb[2] == 0x80);
	}
	assert_string_equal(w->found.identity.wwid, "SHAWSER_RAM_disk_FAKE0001");
	assert_int_equal(w->found.limits.target_port_group, -1);
}

static void a_listed_page_that_is_refused_is_done_without(void **state)
{
	struct world *w = *state;
	static const uint8_t other_page[] = {0, 0x42, 0, 0};

	fake_unit_set_page(w->unit, 0x83, other_page, sizeof(other_page));
	run_to(w, PROBE_FOUND, "");
	assert_string_equal(w->found.identity.wwid, "SHAWSER_RAM_disk_FAKE0001");
}

static void a_page_longer_than_255_bytes_is_asked_for_again(void **state)
{
	struct world *w = *state;
	uint8_t page[4 + 260 + 20] = {0, 0x83, 0x01, 0x18, 0x02, 0x00, 0, 250};

	/* the designator that names the unit is behind 255 bytes */
	memset(page + 8, 'v', 250);
	memcpy(page + 258, "\x01\x03\x00\x10\x60\x0a\x09\x80\0\0\0\0\0\0\0\0\0\0\0\x07", 20);
	page[2] = 0x01;
	page[3] = 0x12; /* 274 */
	fake_unit_set_page(w->unit, 0x83, page, 278);
	run_to(w, PROBE_FOUND, "");
	assert_string_equal(w->found.identity.wwid, "3600a0980000000000000000000000007");
	assert_int_equal(w->nexus->records[4].cdb[2], 0x83);
	assert_int_equal(w->nexus->records[4].data_length, 278);
}

static void a_device_that_refuses_long_pages_is_taken_by_what_it_gave(void **state)
{
	struct world *w = *state;
	uint8_t page[300] = {0, 0x83, 0x01, 0x24, 0x01, 0x03, 0, 16, 0x60, 1, 2, 3};

	fake_unit_set_page(w->unit, 0x83, page, sizeof(page));
	start(w);
	for (unsigned i = 0; i < 4; i++)
		fake_nexus_run_one(w->nexus, 0);
	assert_int_equal(w->nexus->records[4].data_length, 296);
	assert_true(fake_nexus_complete(w->nexus, 0, &refused));
	fake_nexus_run(w->nexus);
	assert_int_equal(w->verdict, PROBE_FOUND);
	assert_string_equal(w->found.identity.wwid, "360010203000000000000000000000000");
}

static void a_disk_without_identity_is_not_used(void **state)
{
	struct world *w = *state;

	w->unit->no_vpd = true;
	run_to(w, PROBE_NO_IDENTITY, "tells neither an identifier nor a serial number");
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_READ_CAPACITY_10), 0);
	assert_string_equal(w->found.identity.wwid, "");
}

static void a_device_that_ignores_evpd_has_no_identity(void **state)
{
	static const uint8_t standard[36] =
		"\x00\x00\x02\x02\x1f\0\0\0HAWSER  RAM disk        1.0 ";
	struct world *w = *state;

	fake_unit_set_page(w->unit, FAKE_STANDARD_DATA, standard, sizeof(standard));
	fake_unit_set_page(w->unit, 0x00, standard, sizeof(standard));
	run_to(w, PROBE_NO_IDENTITY, "tells neither an identifier nor a serial number");
}

static void what_is_no_disk_is_told_by_its_names(void **state)
{
	static const struct {
		uint8_t qualifier, type;
		const char *product, *text;
	} rows[] = {
		{1, 0x00, "RAM disk", "no unit is connected at this LUN"},
		{3, 0x1f, "RAM disk", "no unit at this LUN"},
		{2, 0x00, "RAM disk", "no unit at this LUN"},
		{0, 0x0c, "Controller", "storage array controller"},
		{0, 0x1e, "RAM disk", "well-known logical unit"},
		{0, 0x1f, "RAM disk", "no device"},
		{0, 0x05, "RAM disk", "CD or DVD"},
		{0, 0x11, "RAM disk", "device"},
		{0, 0x00, "LUNZ", "placeholder of an array with no unit mapped (LUNZ)"},
		{0, 0x00, "Universal Xport", "management unit of an array (Universal Xport)"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		w->unit->qualifier = rows[i].qualifier;
		w->unit->device_type = rows[i].type;
		strcpy(w->unit->product, rows[i].product);
		run_to(w, PROBE_NO_DISK, rows[i].text);
		assert_int_equal(w->found.identity.device_type, rows[i].type);
		assert_string_equal(w->found.identity.product, rows[i].product);
		assert_string_equal(w->found.identity.vendor, "HAWSER");
		assert_int_equal(w->nexus->record_count, i + 1); /* INQUIRY and nothing else */
	}
}

static void a_lun_with_nothing_behind_it_is_no_disk(void **state)
{
	struct world *w = *state;

	w->nexus->unit = NULL;
	run_to(w, PROBE_NO_DISK, "no unit at this LUN");
	w->nexus->unit = w->unit;
	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, 1, &FAKE_CHECK_CONDITION(5, 0x25, 0));
	run_to(w, PROBE_NO_DISK,
	       "TEST UNIT READY: illegal request: logical unit not supported (5/25/00)");
}

/* ---- capacity -------------------------------------------------------------------------------- */

static void sizes_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint64_t blocks;
		uint32_t block_size;
		const char *text;
	} rows[] = {
		{1000, 0, "READ CAPACITY(10): malformed answer"},
		{1000, 256, "block size is no power of two from 512 to 4096 bytes"},
		{1000, 520, "block size is no power of two from 512 to 4096 bytes"},
		{1000, 8192, "block size is no power of two from 512 to 4096 bytes"},
		{1000, UINT32_MAX, "block size is no power of two from 512 to 4096 bytes"},
		{0, 512, "the disk has no blocks"},
		{UINT64_MAX, 512, "size does not fit 63 bits"},
		{1ull << 54, 512, "size does not fit 63 bits"},
		{(1ull << 54) - 1, 512, ""},
		{1ull << 51, 4096, "size does not fit 63 bits"},
		{1, 4096, ""},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		w->unit->blocks = rows[i].blocks;
		w->unit->block_size = rows[i].block_size;
		if (rows[i].block_size == 0) /* and then not even that is there */
			fake_nexus_script(w->nexus, SCSI_READ_CAPACITY_10, 1, &FAKE_DATA("", 0));
		run_to(w, rows[i].text[0] ? PROBE_FAILED : PROBE_FOUND, rows[i].text);
	}
}

static void too_large_for_the_only_capacity_command_is_refused(void **state)
{
	struct world *w = *state;

	w->unit->no_16 = true;
	w->unit->blocks = 1ull << 32;
	run_to(w, PROBE_FAILED,
	       "too large for READ CAPACITY(10), and does not know READ CAPACITY(16)");
}

static void a_short_answer_to_the_first_inquiry_fails(void **state)
{
	struct world *w = *state;

	fake_unit_set_page(w->unit, FAKE_STANDARD_DATA, "\0\0\5", 3);
	run_to(w, PROBE_FAILED, "INQUIRY: malformed answer");
}

/* ---- unit attentions, not ready, busy -------------------------------------------------------- */

static void unit_attentions_are_taken_wherever_they_come(void **state)
{
	static const uint8_t opcodes[] = {SCSI_INQUIRY, SCSI_TEST_UNIT_READY,
					  SCSI_SERVICE_ACTION_IN_16, SCSI_MODE_SENSE_10};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
		fake_nexus_script(w->nexus, opcodes[i], 5, &FAKE_CHECK_CONDITION(6, 0x29, 0x00));
	run_to(w, PROBE_FOUND, "");
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_TEST_UNIT_READY), 6);
	assert_string_equal(w->found.identity.wwid, WWID);
}

static void unit_attentions_without_end_fail_the_probe(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(6, 0x29, 0x00));
	run_to(w, PROBE_FAILED,
	       "TEST UNIT READY: unit attention: power on, reset or bus reset (6/29/00)");
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_TEST_UNIT_READY),
			 EXCHANGE_ATTENTIONS_MAX + 1);
}

static void an_attention_that_may_mean_another_unit_begins_anew(void **state)
{
	static const uint8_t codes[][2] = {{0x28, 0}, {0x3f, 3}, {0x3f, 5}, {0x3f, 0x0e}};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		w->unit->naa[15] = 0x01;
		start(w);
		for (unsigned j = 0; j < 4; j++) /* INQUIRY, 00, 80, 83 */
			fake_nexus_run_one(w->nexus, 0);
		w->unit->naa[15] = 0x02; /* and behind the nexus somebody maps another unit */
		fake_nexus_unit_attention(w->nexus, codes[i][0], codes[i][1]);
		fake_nexus_run(w->nexus);
		assert_int_equal(w->verdict, PROBE_FOUND);
		assert_string_equal(w->found.identity.wwid, "36001405a112233445566778899aabb02");
	}
	/* without end: the same bound */
	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(6, 0x3f, 0x05));
	run_to(w, PROBE_FAILED,
	       "TEST UNIT READY: unit attention: device identifier changed (6/3f/05)");
}

static void a_disk_that_stays_not_ready_is_told_with_its_identity(void **state)
{
	struct world *w = *state;

	w->unit->tpgs = 1;
	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(2, 0x04, 0x0b));
	run_to(w, PROBE_NOT_READY,
	       "TEST UNIT READY: not ready: target port in standby state (2/04/0b)");
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_TEST_UNIT_READY), EXCHANGE_TRIES_MAX);
	assert_string_equal(w->found.identity.wwid, WWID);
	assert_int_equal(w->found.limits.blocks, 0);
	assert_int_equal(w->found.limits.tpgs, 1);
	assert_int_equal(w->found.limits.target_port_group, 1);
	assert_int_equal(w->found.limits.relative_target_port, 1);
	assert_int_equal(w->found.limits.access, ACCESS_STANDBY);
}

static void only_a_unit_with_port_groups_is_not_ready_because_of_them(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(2, 0x04, 0x0b));
	run_to(w, PROBE_NOT_READY,
	       "TEST UNIT READY: not ready: target port in standby state (2/04/0b)");
	assert_int_equal(w->found.limits.access, ACCESS_UNKNOWN);
	fake_nexus_clear_script(w->nexus);
	w->unit->tpgs = 1;
	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(2, 0x04, 0x03));
	run_to(w, PROBE_NOT_READY,
	       "TEST UNIT READY: not ready: manual intervention required (2/04/03)");
	assert_int_equal(w->found.limits.access, ACCESS_UNKNOWN);
}

static void a_disk_that_becomes_ready_in_time_is_found(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_TEST_UNIT_READY, EXCHANGE_TRIES_MAX - 1,
			  &FAKE_CHECK_CONDITION(2, 0x04, 0x01));
	run_to(w, PROBE_FOUND, "");
}

static void endings_of_every_kind_lead_to_their_verdict(void **state)
{
	static const struct {
		uint8_t opcode;
		struct fake_answer answer;
		enum probe_verdict verdict;
		const char *text;
	} rows[] = {
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_BUSY},
		 PROBE_NOT_READY,
		 "TEST UNIT READY: busy"},
		{SCSI_INQUIRY,
		 {.status = SCSI_TASK_SET_FULL},
		 PROBE_NOT_READY,
		 "INQUIRY: task set full"},
		{SCSI_TEST_UNIT_READY, {.status = SCSI_RESERVATION_CONFLICT}, PROBE_FOUND, ""},
		{SCSI_MODE_SENSE_10, {.status = SCSI_RESERVATION_CONFLICT}, PROBE_FOUND, ""},
		{SCSI_INQUIRY,
		 {.status = SCSI_RESERVATION_CONFLICT},
		 PROBE_FAILED,
		 "INQUIRY: reservation conflict"},
		{SCSI_TEST_UNIT_READY,
		 {.status = 0x22},
		 PROBE_FAILED,
		 "TEST UNIT READY: reserved status code"},
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_TASK_ABORTED},
		 PROBE_FAILED,
		 "TEST UNIT READY: task aborted by another initiator"},
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_CHECK_CONDITION},
		 PROBE_FAILED,
		 "TEST UNIT READY: no sense data"},
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_CHECK_CONDITION, .key = 4, .asc = 0x44},
		 PROBE_FAILED,
		 "TEST UNIT READY: hardware error: internal target failure (4/44/00)"},
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_CHECK_CONDITION, .key = 5, .asc = 0x20},
		 PROBE_FOUND,
		 ""},
		{SCSI_TEST_UNIT_READY,
		 {.status = SCSI_CHECK_CONDITION, .key = 1, .asc = 0x5d},
		 PROBE_FOUND,
		 ""},
		{SCSI_INQUIRY,
		 {.status = SCSI_CHECK_CONDITION, .key = 5, .asc = 0x24},
		 PROBE_FAILED,
		 "INQUIRY: illegal request: invalid field in CDB (5/24/00)"},
		{SCSI_TEST_UNIT_READY,
		 {.outcome = SCSI_TARGET_FAILURE},
		 PROBE_FAILED,
		 "TEST UNIT READY: target failure"},
		{SCSI_TEST_UNIT_READY,
		 {.outcome = SCSI_ABORTED},
		 PROBE_FAILED,
		 "TEST UNIT READY: aborted, no answer in time"},
		{SCSI_TEST_UNIT_READY,
		 {.outcome = SCSI_IN_DOUBT},
		 PROBE_FAILED,
		 "TEST UNIT READY: connection lost before it was answered"},
		{SCSI_TEST_UNIT_READY,
		 {.outcome = SCSI_NOT_SENT},
		 PROBE_FAILED,
		 "TEST UNIT READY: connection lost before it was sent"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_nexus_script(w->nexus, rows[i].opcode, FAKE_FOR_EVER, &rows[i].answer);
		run_to(w, rows[i].verdict, rows[i].text);
		fake_nexus_clear_script(w->nexus);
	}
}

static void what_went_wrong_once_is_sent_again(void **state)
{
	static const struct fake_answer answers[] = {
		{.status = SCSI_BUSY},
		{.status = SCSI_TASK_ABORTED},
		{.status = SCSI_CHECK_CONDITION},
		{.status = SCSI_CHECK_CONDITION, .key = 0xb, .asc = 0x47},
		{.status = SCSI_CHECK_CONDITION, .key = 3, .asc = 0x0c, .deferred = true},
		{.status = SCSI_CHECK_CONDITION, .key = 6, .asc = 0x29, .descriptor_format = true},
		{.outcome = SCSI_TARGET_FAILURE},
	};
	static const uint8_t opcodes[] = {SCSI_INQUIRY, SCSI_TEST_UNIT_READY,
					  SCSI_SERVICE_ACTION_IN_16, SCSI_MODE_SENSE_10};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(opcodes); j++)
			fake_nexus_script(w->nexus, opcodes[j], 1, &answers[i]);
		run_to(w, PROBE_FOUND, "");
		assert_string_equal(w->found.identity.wwid, WWID);
		assert_false(w->found.limits.needs_10_byte);
	}
}

static void an_identity_page_that_fails_does_not_give_the_disk_another_name(void **state)
{
	struct world *w = *state;

	start(w);
	for (unsigned i = 0; i < 3; i++)
		fake_nexus_run_one(w->nexus, 0);
	for (unsigned i = 0; i < EXCHANGE_TRIES_MAX; i++)
		fake_nexus_complete(w->nexus, 0, &FAKE_CHECK_CONDITION(0xb, 0x47, 0x05));
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->verdict, PROBE_FAILED);
	assert_string_equal(w->found.identity.wwid, "");
}

/* ---- loss and cancelling --------------------------------------------------------------------- */

static void a_nexus_that_is_down_refuses_the_start(void **state)
{
	struct world *w = *state;

	fake_nexus_set_up(w->nexus, false);
	assert_int_equal(probe_start(&w->nexus->nexus, probe_done, w, &w->probe), -ENOTCONN);
	assert_int_equal(w->ended, 0);
}

static void loss_at_any_step_ends_the_probe_once(void **state)
{
	for (unsigned step = 0; step < 9; step++) {
		struct world *w = *state;

		start(w);
		for (unsigned i = 0; i < step; i++)
			fake_nexus_run_one(w->nexus, 0);
		fake_nexus_lose(w->nexus, step % 2);
		assert_int_equal(w->ended, 1);
		assert_int_equal(w->verdict, PROBE_FAILED);
		assert_string_equal(w->found.identity.wwid, "");
		fake_nexus_set_up(w->nexus, true);
	}
}

static void a_nexus_that_goes_down_between_two_commands_ends_the_probe(void **state)
{
	struct world *w = *state;

	start(w);
	fake_nexus_set_up(w->nexus, false);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->verdict, PROBE_FAILED);
	assert_string_equal(w->text, "connection lost");
}

static void cancel_waits_for_the_command_in_flight_and_says_nothing(void **state)
{
	for (unsigned step = 0; step < 9; step++) {
		struct world *w = *state;
		size_t sent;

		start(w);
		for (unsigned i = 0; i < step; i++)
			fake_nexus_run_one(w->nexus, 0);
		sent = w->nexus->record_count;
		probe_cancel(w->probe);
		assert_int_equal(w->nexus->aborts, step + 1);
		assert_int_equal(fake_nexus_queued(w->nexus), 1);
		fake_nexus_run(w->nexus);
		assert_int_equal(w->nexus->record_count, sent);
		assert_int_equal(w->ended, 0);
	}
}

static void cancel_inside_done_is_harmless(void **state)
{
	struct world *w = *state;

	w->cancel_in_done = true;
	run_to(w, PROBE_FOUND, "");
	assert_int_equal(w->nexus->aborts, 0);
	probe_cancel(NULL);
}

static void verdicts_have_names(void **state)
{
	static const char *const names[] = {"found", "no-disk", "no-identity", "not-ready",
					    "failed"};

	assert_int_equal(ARRAY_SIZE(names), PROBE_VERDICT_COUNT);
	for (int i = 0; i < PROBE_VERDICT_COUNT; i++)
		assert_string_equal(probe_verdict_name((enum probe_verdict)i), names[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_disk_is_found_with_all_it_can),
		TEST(a_brief_look_tells_who_it_is_and_how_large),
		TEST(commands_go_out_one_by_one_in_the_order_of_the_table),
		TEST(modes_are_read_from_the_caching_page),
		TEST(mode_sense_6_stands_in_for_10),
		TEST(a_disk_without_the_caching_page_still_tells_of_write_protection),
		TEST(with_no_mode_sense_at_all_a_write_cache_is_assumed),
		TEST(a_disk_of_10_byte_commands_is_marked_so),
		TEST(unmap_counts_only_when_provisioning_limits_and_page_agree),
		TEST(without_page_b2_limits_for_unmap_are_enough),
		TEST(only_pages_that_are_listed_are_asked_for),
		TEST(a_listed_page_that_is_refused_is_done_without),
		TEST(a_page_longer_than_255_bytes_is_asked_for_again),
		TEST(a_device_that_refuses_long_pages_is_taken_by_what_it_gave),
		TEST(a_disk_without_identity_is_not_used),
		TEST(a_device_that_ignores_evpd_has_no_identity),
		TEST(what_is_no_disk_is_told_by_its_names),
		TEST(a_lun_with_nothing_behind_it_is_no_disk),
		TEST(sizes_that_cannot_be_are_refused),
		TEST(too_large_for_the_only_capacity_command_is_refused),
		TEST(a_short_answer_to_the_first_inquiry_fails),
		TEST(unit_attentions_are_taken_wherever_they_come),
		TEST(unit_attentions_without_end_fail_the_probe),
		TEST(an_attention_that_may_mean_another_unit_begins_anew),
		TEST(a_disk_that_stays_not_ready_is_told_with_its_identity),
		TEST(only_a_unit_with_port_groups_is_not_ready_because_of_them),
		TEST(a_disk_that_becomes_ready_in_time_is_found),
		TEST(endings_of_every_kind_lead_to_their_verdict),
		TEST(what_went_wrong_once_is_sent_again),
		TEST(an_identity_page_that_fails_does_not_give_the_disk_another_name),
		TEST(a_nexus_that_is_down_refuses_the_start),
		TEST(loss_at_any_step_ends_the_probe_once),
		TEST(a_nexus_that_goes_down_between_two_commands_ends_the_probe),
		TEST(cancel_waits_for_the_command_in_flight_and_says_nothing),
		TEST(cancel_inside_done_is_harmless),
		TEST(verdicts_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
