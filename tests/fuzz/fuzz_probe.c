/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A whole probe of a hostile device: every vital product data page, the mode pages, both capacities
 * and the list of units are inputs of their own. A record of the input is a byte that says which, a
 * length of two bytes, and the answer.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/probe.h"
#include "scsi/unit.h"
#include "tests/fakes/fake_nexus.h"
#include "tests/fakes/fake_unit.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_found(enum probe_verdict verdict, const struct unit *unit, const char *text,
		     void *userdata)
{
	unsigned *ended = userdata;

	(*ended)++;
	assert(verdict < PROBE_VERDICT_COUNT && text_is_printable(text));
	assert(text_is_printable(unit->identity.wwid));
	assert(text_is_printable(unit->identity.serial));
	assert(text_is_printable(unit->identity.vendor));
	assert(verdict != PROBE_FOUND || *unit->identity.wwid);
	assert(verdict != PROBE_FOUND || unit->limits.block_size >= 512);
}

static void on_luns(int error, const uint64_t *luns, size_t count, void *userdata)
{
	unsigned *ended = userdata;

	(*ended)++;
	assert(error <= 0 && count <= 16384);
	for (size_t i = 1; i < count; i++)
		assert(luns[i] != luns[i - 1]);
}

/* Answers to whole commands; pages of INQUIRY stay the unit's. */
static void take_record(struct fake_nexus *nexus, struct reader *input, unsigned *pages)
{
	static const uint8_t page_codes[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	static const uint8_t opcodes[] = {SCSI_READ_CAPACITY_10, SCSI_SERVICE_ACTION_IN_16,
					  SCSI_MODE_SENSE_6,	 SCSI_MODE_SENSE_10,
					  SCSI_REPORT_LUNS,	 SCSI_TEST_UNIT_READY,
					  SCSI_MAINTENANCE_IN};
	uint8_t choice = reader_u8(input);
	size_t length = MIN((size_t)reader_u16(input), input->left);
	const uint8_t *bytes = reader_take(input, length);
	struct fake_answer answer = FAKE_DATA(bytes, length);

	if (!bytes)
		return;
	if (choice & 0x80)
		answer = FAKE_CHECK_CONDITION(choice & 0x0f, length > 0 ? bytes[0] : 0,
					      length > 1 ? bytes[1] : 0);
	if (choice & 0x80 || choice & 0x10)
		fake_nexus_script(nexus, opcodes[choice % sizeof(opcodes)],
				  choice & 0x40 ? FAKE_FOR_EVER : 1, &answer);
	else if ((*pages)++ < FAKE_PAGES_MAX)
		fake_unit_set_page(nexus->unit,
				   choice & 0x08 ? FAKE_STANDARD_DATA
						 : page_codes[choice % sizeof(page_codes)],
				   bytes, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_unit *unit = fake_unit_new(64, 512);
	struct fake_nexus *nexus = fake_nexus_new(unit, 0);
	struct reader input = reader_of(data, size);
	unsigned pages = 0, ended = 0;
	struct lun_scan *scan;
	struct probe *probe;

	while (!input.failed && input.left > 0)
		take_record(nexus, &input, &pages);
	assert(probe_start(&nexus->nexus, on_found, &ended, &probe) == 0);
	assert(fake_nexus_run(nexus) < 200);
	assert(ended == 1);
	assert(lun_scan_start(&nexus->nexus, on_luns, &ended, &scan) == 0);
	assert(fake_nexus_run(nexus) < 200);
	assert(ended == 2);
	fake_nexus_free(nexus);
	fake_unit_free(unit);
	return 0;
}
