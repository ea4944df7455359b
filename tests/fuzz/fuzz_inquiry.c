/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a device answers to the questions of a probe. The first byte chooses the parser; standard
 * INQUIRY data is cut off the front, the rest is the page.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scsi/capacity.h"
#include "scsi/inquiry.h"
#include "scsi/mode.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_identity(const struct unit_identity *identity)
{
	struct unit_wwn wwn;

	assert(memchr(identity->wwid, '\0', sizeof(identity->wwid)));
	assert(!strpbrk(identity->wwid, " /\\\n"));
	assert(text_is_printable(identity->wwid));
	assert(text_is_printable(identity->serial));
	assert(text_is_printable(identity->vendor));
	assert(text_is_printable(identity->product));
	unit_wwn_of(identity->wwid, &wwn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inquiry_standard standard;
	struct vital_page_set set;
	struct unit unit = {};
	uint8_t choice;

	if (size < 1 || inquiry_standard_parse(data + 1, size - 1, &standard) < 0)
		return 0;
	choice = data[0];
	data += 1 + 8;
	size -= 1 + 8;
	inquiry_identity_fill(&standard, &unit.identity);
	inquiry_no_disk_reason(&standard);
	switch (choice % 8) {
	case 0:
		inquiry_page_list_parse(data, size, &standard, &set);
		break;
	case 1:
		inquiry_serial_parse(data, size, &standard, &unit.identity);
		break;
	case 2:
		inquiry_identification_parse(data, size, &standard, &unit.identity, &unit.limits);
		break;
	case 3:
		inquiry_block_limits_parse(data, size, &unit.limits);
		break;
	case 4:
		inquiry_provisioning_parse(data, size, &unit.limits);
		break;
	case 5:
		mode_parse(data, size, choice & 0x80 ? MODE_FORMAT_10 : MODE_FORMAT_6,
			   &unit.limits);
		break;
	case 6:
		capacity_10_parse(data, size, &unit.limits);
		capacity_fault(&unit.limits);
		break;
	default:
		capacity_16_parse(data, size, &unit.limits);
		capacity_fault(&unit.limits);
		break;
	}
	check_identity(&unit.identity);
	return 0;
}
