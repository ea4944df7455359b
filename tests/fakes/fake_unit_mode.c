/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Mode pages of the fake unit (SPC-4 §7.5, SBC-3 §6.5), and START STOP UNIT. */

#include <string.h>

#include "scsi/cdb.h"
#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"

#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff
#define PAGE_MAX     20

/* PAGE CONTROL, bits 7 and 6 */
enum control { CURRENT, CHANGEABLE, DEFAULT, SAVED };

static void recovery(const struct fake_unit *unit, enum control control, uint8_t *page)
{
}

static void caching(const struct fake_unit *unit, enum control control, uint8_t *page)
{
	if (control == CHANGEABLE || (control == CURRENT ? unit->write_cache : true))
		page[2] = 0x04; /* WCE */
}

static void device_control(const struct fake_unit *unit, enum control control, uint8_t *page)
{
	bool changeable = control == CHANGEABLE, current = control == CURRENT;

	if (changeable || (current && unit->descriptor_sense))
		page[2] = 0x04; /* D_SENSE */
	if (changeable || (current && unit->software_read_only))
		page[4] = 0x08; /* SWP */
}

static const struct {
	uint8_t code, length; /* behind the first two bytes */
	void (*fill)(const struct fake_unit *unit, enum control control, uint8_t *page);
} pages[] = {
	{0x01, 10, recovery},
	{0x08, 18, caching},
	{0x0a, 10, device_control},
};

static size_t put_page(const struct fake_unit *unit, size_t i, enum control control,
		       uint8_t page[PAGE_MAX])
{
	memset(page, 0, PAGE_MAX);
	page[0] = pages[i].code;
	page[1] = pages[i].length;
	pages[i].fill(unit, control, page);
	return 2u + pages[i].length;
}

void fake_mode_sense(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	const uint8_t *cdb = request->command->cdb;
	bool ten = cdb[0] == SCSI_MODE_SENSE_10, found = false;
	uint8_t code = cdb[2] & 0x3f, memory[128] = {}, page[PAGE_MAX];
	enum control control = (enum control)(cdb[2] >> 6);
	struct writer writer = writer_of(memory, sizeof(memory));

	if (cdb[3] != 0 && cdb[3] != ALL_SUBPAGES)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (control == SAVED)
		return fake_refuse(request, FAKE_SAVING_NOT_SUPPORTED);
	writer.length = ten ? 8 : 4;
	memory[ten ? 3 : 2] = (uint8_t)((unit->read_only || unit->software_read_only ? 0x80 : 0) |
					(unit->fua ? 0x10 : 0));
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (code != ALL_PAGES && code != pages[i].code)
			continue;
		found = true;
		writer_bytes(&writer, page, put_page(unit, i, control, page));
	}
	if (!found)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	memory[ten ? 1 : 0] = (uint8_t)(writer.length - (ten ? 2 : 1));
	fake_give(request, &writer, ten ? (size_t)cdb[7] << 8 | cdb[8] : cdb[4]);
}

static void apply(struct fake_unit *unit, uint8_t code, const uint8_t *page)
{
	if (code == 0x08)
		unit->write_cache = page[2] & 0x04;
	if (code != 0x0a)
		return;
	unit->descriptor_sense = page[2] & 0x04;
	unit->software_read_only = page[4] & 0x08;
}

/* Return: false when it is no page of ours, or changes what cannot be changed */
static bool select_page(struct fake_unit *unit, struct reader *list)
{
	uint8_t current[PAGE_MAX], changeable[PAGE_MAX];
	uint8_t code = reader_u8(list), length = reader_u8(list);
	const uint8_t *values = reader_take(list, length);

	for (size_t i = 0; i < ARRAY_SIZE(pages) && values; i++) {
		if (pages[i].code != (code & 0x7f) || pages[i].length != length)
			continue;
		put_page(unit, i, CURRENT, current);
		put_page(unit, i, CHANGEABLE, changeable);
		for (size_t j = 0; j < length; j++)
			if ((values[j] ^ current[2 + j]) & ~changeable[2 + j])
				return false;
		apply(unit, code, values - 2);
		return true;
	}
	return false;
}

void fake_mode_select(struct fake_request *request)
{
	const uint8_t *cdb = request->command->cdb;
	bool ten = cdb[0] == FAKE_MODE_SELECT_10;
	size_t length = ten ? (size_t)cdb[7] << 8 | cdb[8] : cdb[4];
	struct reader list = reader_of(request->command->data,
				       MIN(length, (size_t)request->command->data_length));

	if (!(cdb[1] & 0x10) || (cdb[1] & 0x01)) /* PF and SP */
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (length == 0)
		return fake_good(request);
	reader_skip(&list, ten ? 6 : 3);
	reader_skip(&list, ten ? reader_u16(&list) : reader_u8(&list)); /* block descriptors */
	if (list.failed)
		return fake_refuse(request, FAKE_PARAMETER_LIST_LENGTH);
	while (list.left > 0)
		if (!select_page(request->unit, &list))
			return fake_refuse(request, list.failed ? FAKE_PARAMETER_LIST_LENGTH
								: FAKE_INVALID_IN_PARAMETERS);
	fake_attend(request->unit, fake_registrant_of(request->unit, request->origin, false),
		    FAKE_MODE_PARAMETERS_CHANGED);
	fake_good(request);
}

/* SBC-3 §5.22; it has no power conditions, and nothing to eject */
void fake_start_stop(struct fake_request *request)
{
	uint8_t what = request->command->cdb[4];

	if (what & 0xf2)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	request->unit->stopped = !(what & 0x01);
	fake_good(request);
}
