/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* INQUIRY and the vital product data of the fake unit (SPC-4 §6.6, §7.8; SBC-3 §6.6). */

#include <string.h>

#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"

static void put_text(struct writer *writer, const char *text, size_t width)
{
	for (size_t i = 0; i < width; i++)
		writer_u8(writer, *text ? (uint8_t)*text++ : ' ');
}

static void put_standard(const struct fake_unit *unit, struct writer *writer)
{
	static const uint16_t standards[8] = {
		0x00a0, /* SAM-5 */
		0x0960, /* iSCSI */
		0x0460, /* SPC-4 */
		0x04c0, /* SBC-3 */
	};
	static const uint8_t vendor_specific[22];

	writer_u8(writer, (uint8_t)(unit->qualifier << 5 | unit->device_type));
	writer_u8(writer, 0);
	writer_u8(writer, unit->version);
	writer_u8(writer, 0x12); /* HISUP, response data format 2 */
	writer_u8(writer, 74 - 5);
	writer_u8(writer, (uint8_t)(unit->tpgs << 4));
	writer_u16(writer, 0x0002); /* CMDQUE */
	put_text(writer, unit->vendor, 8);
	put_text(writer, unit->product, 16);
	put_text(writer, unit->revision, 4);
	writer_bytes(writer, vendor_specific, sizeof(vendor_specific));
	for (size_t i = 0; i < ARRAY_SIZE(standards); i++)
		writer_u16(writer, standards[i]);
}

static void put_page_list(struct fake_request *request, struct writer *writer)
{
	static const uint8_t codes[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};

	writer_bytes(writer, codes, sizeof(codes));
}

static void put_serial(struct fake_request *request, struct writer *writer)
{
	put_text(writer, request->unit->serial, strlen(request->unit->serial));
}

static void put_designators(struct fake_request *request, struct writer *writer)
{
	writer_u32(writer, 0x01030010); /* binary, logical unit, NAA, 16 bytes */
	writer_bytes(writer, request->unit->naa, 16);
	writer_u32(writer, 0x51940004); /* binary, iSCSI, target port, relative target port */
	writer_u32(writer, request->origin->relative_port);
	writer_u32(writer, 0x51950004); /* the same, target port group */
	writer_u32(writer, request->origin->target_port_group);
}

static void put_block_limits(struct fake_request *request, struct writer *writer)
{
	static const uint8_t atomic_fields[20];
	const struct fake_unit *unit = request->unit;

	writer_u8(writer, 0); /* WSNZ = 0: WRITE SAME of 0 blocks goes to the end */
	writer_u8(writer, (uint8_t)unit->max_compare_blocks);
	writer_u16(writer, 1); /* optimal granularity */
	writer_u32(writer, unit->max_transfer_blocks);
	writer_u32(writer, unit->optimal_transfer_blocks);
	writer_u32(writer, 0);
	writer_u32(writer, unit->unmap ? unit->max_unmap_blocks : 0);
	writer_u32(writer, unit->unmap ? unit->max_unmap_descriptors : 0);
	writer_u32(writer, unit->unmap_granularity_blocks);
	writer_u32(writer, 0);
	writer_u64(writer, unit->max_write_same_blocks);
	writer_bytes(writer, atomic_fields, sizeof(atomic_fields));
}

static void put_characteristics(struct fake_request *request, struct writer *writer)
{
	static const uint8_t reserved[58];

	writer_u16(writer, 1); /* does not rotate */
	writer_bytes(writer, reserved, sizeof(reserved));
}

static void put_provisioning(struct fake_request *request, struct writer *writer)
{
	const struct fake_unit *unit = request->unit;

	writer_u8(writer, 0);
	writer_u8(writer, (uint8_t)((unit->unmap ? 0x80 : 0) | (unit->write_same ? 0x60 : 0) |
				    (unit->unmapped_reads_zero ? 0x04 : 0)));
	writer_u8(writer, unit->thin ? 2 : 0);
	writer_u8(writer, 0);
}

static const struct {
	uint8_t code;
	void (*put)(struct fake_request *request, struct writer *writer);
} vital_pages[] = {
	{0x00, put_page_list},	  {0x80, put_serial},	       {0x83, put_designators},
	{0xb0, put_block_limits}, {0xb1, put_characteristics}, {0xb2, put_provisioning},
};

static bool give_set_page(struct fake_request *request, int page)
{
	const struct fake_unit *unit = request->unit;

	for (size_t i = unit->page_count; i-- > 0;) {
		if (unit->pages[i].page != page)
			continue;
		fake_data_in(request->command, unit->pages[i].data, unit->pages[i].length);
		return true;
	}
	return false;
}

static void give_vital_page(struct fake_request *request, uint8_t code, size_t allocation_length)
{
	uint8_t memory[FAKE_ANSWER_MAX];
	struct writer writer = writer_of(memory, sizeof(memory));

	for (size_t i = 0; i < ARRAY_SIZE(vital_pages); i++) {
		if (vital_pages[i].code != code)
			continue;
		writer_u8(&writer,
			  (uint8_t)(request->unit->qualifier << 5 | request->unit->device_type));
		writer_u8(&writer, code);
		writer_u16(&writer, 0);
		vital_pages[i].put(request, &writer);
		memory[2] = (uint8_t)((writer.length - 4) >> 8);
		memory[3] = (uint8_t)(writer.length - 4);
		return fake_give(request, &writer, allocation_length);
	}
	fake_refuse(request, FAKE_INVALID_IN_CDB);
}

void fake_inquiry(struct fake_request *request)
{
	const uint8_t *cdb = request->command->cdb;
	uint8_t memory[74];
	struct writer writer = writer_of(memory, sizeof(memory));
	bool evpd = cdb[1] & 1;
	size_t allocation_length = (size_t)cdb[3] << 8 | cdb[4];

	if (evpd ? request->unit->no_vpd : cdb[2] != 0)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (give_set_page(request, evpd ? cdb[2] : FAKE_STANDARD_DATA))
		return;
	if (evpd)
		return give_vital_page(request, cdb[2], allocation_length);
	put_standard(request->unit, &writer);
	fake_give(request, &writer, allocation_length);
}
