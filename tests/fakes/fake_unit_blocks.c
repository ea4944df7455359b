/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Block commands of the fake unit (SBC-3 §5). */

#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"

#define PROTECT		0xe0 /* RDPROTECT, WRPROTECT, VRPROTECT, ORPROTECT */
#define FUA_AND_DPO	(CDB_FUA | CDB_DPO)
#define WRITE_UNMAPS	(CDB_WRITE_SAME_UNMAP | CDB_WRITE_SAME_ANCHOR)
#define UNMAP_ANCHOR	0x01
#define PMI		0x01
#define DEALLOCATED	0x01
#define STATUS_BYTES	16 /* of an LBA status descriptor */
#define DESCRIPTORS_MAX 64

static bool in_range(struct fake_request *request, uint64_t lba, uint64_t blocks)
{
	if (lba <= request->unit->blocks && blocks <= request->unit->blocks - lba)
		return true;
	fake_refuse(request, FAKE_LBA_OUT_OF_RANGE);
	return false;
}

static void residual(struct fake_request *request, uint64_t length)
{
	struct scsi_command *command = request->command;

	fake_good(request);
	if (command->data_length > length) {
		command->result.underflow = true;
		command->result.residual_bytes = (uint32_t)(command->data_length - length);
	} else if (command->data_length < length) {
		command->result.overflow = true;
		command->result.residual_bytes = (uint32_t)(length - command->data_length);
	}
}

static bool may_write(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;

	if (!unit->read_only && !unit->software_read_only)
		return true;
	fake_fail(request, 0x7,
		  unit->read_only ? FAKE_WRITE_PROTECTED : FAKE_SOFTWARE_WRITE_PROTECTED);
	return false;
}

/* It is not formatted with protection information (SBC-3 §5.11); DPO and FUA when told so. */
static bool flags_are_fine(struct fake_request *request)
{
	uint8_t flags = request->command->cdb[1];

	if (cdb_length(request->command->cdb[0]) == 6)
		return true; /* LBA bits */
	if (!(flags & PROTECT) && (request->unit->fua || !(flags & FUA_AND_DPO)))
		return true;
	fake_refuse(request, FAKE_INVALID_IN_CDB);
	return false;
}

static uint8_t *block_of(struct fake_request *request)
{
	return request->unit->data + request->lba * request->unit->block_size;
}

static void set_mapped(struct fake_unit *unit, uint64_t lba, uint64_t blocks, bool mapped)
{
	if (lba < unit->mapped_blocks)
		memset(unit->mapped + lba, mapped, MIN(blocks, unit->mapped_blocks - lba));
}

static bool is_mapped(const struct fake_unit *unit, uint64_t lba)
{
	return !unit->thin || lba >= unit->mapped_blocks || unit->mapped[lba];
}

static uint64_t bytes_of(const struct fake_request *request)
{
	return request->blocks * request->unit->block_size;
}

static uint64_t bytes_sent(const struct fake_request *request)
{
	return MIN(bytes_of(request), (uint64_t)request->command->data_length);
}

/* ---- read and write -------------------------------------------------------------------------- */

void fake_read(struct fake_request *request)
{
	if (!flags_are_fine(request) || !in_range(request, request->lba, request->blocks))
		return;
	request->unit->reads++;
	if (bytes_sent(request) > 0)
		memcpy(request->command->data, block_of(request), bytes_sent(request));
	residual(request, bytes_of(request));
}

static void put_data(struct fake_request *request)
{
	request->unit->writes++;
	if (bytes_sent(request) > 0)
		memcpy(block_of(request), request->command->data, bytes_sent(request));
	set_mapped(request->unit, request->lba, request->blocks, true);
	residual(request, bytes_of(request));
}

void fake_write(struct fake_request *request)
{
	if (may_write(request) && flags_are_fine(request) &&
	    in_range(request, request->lba, request->blocks))
		put_data(request);
}

/* BYTCHK, bits 2 and 1 of the flags */
static unsigned byte_check(const struct fake_request *request)
{
	return request->command->cdb[1] >> 1 & 3;
}

static bool verify_flags_are_fine(struct fake_request *request, bool writes)
{
	uint8_t flags = request->command->cdb[1];
	unsigned check = byte_check(request);

	if (!(flags & PROTECT) && (request->unit->fua || !(flags & CDB_DPO)) &&
	    !(flags & CDB_FUA) && check != 2 && !(writes && check == 3))
		return true;
	fake_refuse(request, FAKE_INVALID_IN_CDB);
	return false;
}

void fake_write_verify(struct fake_request *request)
{
	if (may_write(request) && verify_flags_are_fine(request, true) &&
	    in_range(request, request->lba, request->blocks))
		put_data(request);
}

/* Where data-out and medium differ. @period: bytes after which data-out begins again */
static bool differs(struct fake_request *request, uint64_t length, uint64_t period, uint32_t *ret)
{
	const uint8_t *data = request->command->data, *medium = block_of(request);

	for (uint64_t i = 0; i < length; i++) {
		if (data[i % period] == medium[i])
			continue;
		*ret = (uint32_t)i;
		return true;
	}
	return false;
}

void fake_verify(struct fake_request *request)
{
	uint32_t length = request->command->data_length, where;
	unsigned check = byte_check(request);

	if (!verify_flags_are_fine(request, false) ||
	    !in_range(request, request->lba, request->blocks))
		return;
	if (check == 0 || request->blocks == 0)
		return residual(request, 0);
	if (check == 3) {
		if (length < request->unit->block_size)
			return fake_refuse(request, FAKE_INVALID_IN_CDB);
		length = request->unit->block_size;
	}
	if (differs(request, check == 1 ? bytes_sent(request) : bytes_of(request), length, &where))
		return fake_fail_at(request, 0xe, FAKE_MISCOMPARE, where);
	residual(request, check == 1 ? bytes_of(request) : length);
}

void fake_pre_fetch(struct fake_request *request)
{
	if (!in_range(request, request->lba, request->blocks))
		return;
	fake_good(request);
	request->command->result.status = SCSI_CONDITION_MET; /* it is all in memory */
}

void fake_orwrite(struct fake_request *request)
{
	const uint8_t *data = request->command->data;

	if (!may_write(request) || !flags_are_fine(request) ||
	    !in_range(request, request->lba, request->blocks))
		return;
	request->unit->writes++;
	for (uint64_t i = 0; i < bytes_sent(request); i++)
		block_of(request)[i] |= data[i];
	set_mapped(request->unit, request->lba, request->blocks, true);
	residual(request, bytes_of(request));
}

/* SBC-3 §5.2 */
void fake_compare_and_write(struct fake_request *request)
{
	uint64_t length = bytes_of(request);
	uint32_t where;

	if (!may_write(request) || !flags_are_fine(request) ||
	    !in_range(request, request->lba, request->blocks))
		return;
	if (request->blocks > request->unit->max_compare_blocks)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (request->command->data_length != 2 * length)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (length > 0 && differs(request, length, length, &where))
		return fake_fail_at(request, 0xe, FAKE_MISCOMPARE, where);
	request->unit->writes++;
	if (length > 0)
		memcpy(block_of(request), (uint8_t *)request->command->data + length, length);
	set_mapped(request->unit, request->lba, request->blocks, true);
	residual(request, 2 * length);
}

void fake_synchronize_cache(struct fake_request *request)
{
	if (!in_range(request, request->lba, request->blocks))
		return;
	request->unit->flushes++;
	fake_good(request);
}

/* ---- the same everywhere, and nothing anywhere ----------------------------------------------- */

static bool write_same_flags_are_fine(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t flags = request->command->cdb[1];

	/* ANCHOR without UNMAP means nothing; and it cannot anchor (ANC_SUP = 0) */
	if (!(flags & PROTECT) && !(flags & CDB_WRITE_SAME_ANCHOR) &&
	    (unit->thin || !(flags & CDB_WRITE_SAME_UNMAP)) && !(flags & 0x06))
		return true;
	fake_refuse(request, FAKE_INVALID_IN_CDB);
	return false;
}

static bool is_zero(const uint8_t *data, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (data[i])
			return false;
	return true;
}

/* SBC-3 §5.41, §5.42 */
void fake_write_same(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	uint8_t flags = request->command->cdb[1];
	bool no_data =
		request->command->cdb[0] == SCSI_WRITE_SAME_16 && (flags & CDB_WRITE_SAME_NDOB);

	if (!may_write(request) || !write_same_flags_are_fine(request) ||
	    !in_range(request, request->lba, request->blocks))
		return;
	if (request->blocks == 0)
		request->blocks = unit->blocks - request->lba;
	if (unit->max_write_same_blocks > 0 && request->blocks > unit->max_write_same_blocks)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (!no_data && request->command->data_length != unit->block_size)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	unit->write_sames++;
	for (uint64_t i = 0; i < request->blocks; i++) {
		void *block = fake_unit_block(unit, request->lba + i);

		if (no_data)
			memset(block, 0, unit->block_size);
		else
			memcpy(block, request->command->data, unit->block_size);
	}
	/* it may unmap only what then reads as it was to be written */
	set_mapped(unit, request->lba, request->blocks,
		   !(flags & CDB_WRITE_SAME_UNMAP) || !unit->unmapped_reads_zero ||
			   !(no_data || is_zero(request->command->data, unit->block_size)));
	residual(request, no_data ? 0 : unit->block_size);
}

/* One range; the request's own LBA and blocks are it. */
static void unmap_range(struct fake_request *request)
{
	if (request->blocks == 0)
		return;
	memset(block_of(request), 0, bytes_of(request));
	set_mapped(request->unit, request->lba, request->blocks, false);
}

/* SBC-3 §5.28; first all are looked at, then all are unmapped */
static bool each_range(struct fake_request *request, struct reader list, uint16_t count,
		       void (*act)(struct fake_request *request))
{
	uint64_t sum = 0;

	for (; count > 0; count--) {
		request->lba = reader_u64(&list);
		request->blocks = reader_u32(&list);
		reader_skip(&list, 4);
		sum += request->blocks;
		if (list.failed || sum > request->unit->max_unmap_blocks) {
			fake_refuse(request, list.failed ? FAKE_PARAMETER_LIST_LENGTH
							 : FAKE_INVALID_IN_PARAMETERS);
			return false;
		}
		if (!in_range(request, request->lba, request->blocks))
			return false;
		if (act)
			act(request);
	}
	return true;
}

void fake_unmap(struct fake_request *request)
{
	const struct scsi_command *command = request->command;
	size_t length = (size_t)command->cdb[7] << 8 | command->cdb[8];
	struct reader list = reader_of(command->data, MIN(length, (size_t)command->data_length));
	uint16_t count;

	if (command->cdb[1] & UNMAP_ANCHOR)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (!may_write(request))
		return;
	if (length == 0)
		return fake_good(request);
	reader_skip(&list, 2);
	count = reader_u16(&list) / UNMAP_DESCRIPTOR_BYTES;
	reader_skip(&list, 4);
	if (list.failed)
		return fake_refuse(request, FAKE_PARAMETER_LIST_LENGTH);
	if (count > request->unit->max_unmap_descriptors)
		return fake_refuse(request, FAKE_INVALID_IN_PARAMETERS);
	if (!each_range(request, list, count, NULL) ||
	    !each_range(request, list, count, unmap_range))
		return;
	request->unit->unmaps++;
	fake_good(request);
}

/* SBC-3 §5.6 */
void fake_lba_status(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[8 + DESCRIPTORS_MAX * STATUS_BYTES] = {};
	struct writer writer = writer_of(memory, sizeof(memory));
	uint64_t lba = request->lba, end;
	be32 allocation_length, length;

	memcpy(&allocation_length, request->command->cdb + 10, sizeof(allocation_length));
	if (lba >= unit->blocks)
		return fake_refuse(request, FAKE_LBA_OUT_OF_RANGE);
	writer.length = 8;
	for (; lba < unit->blocks && writer.capacity - writer.length >= STATUS_BYTES; lba = end) {
		bool mapped = is_mapped(unit, lba);

		for (end = lba + 1; end < unit->blocks && is_mapped(unit, end) == mapped; end++)
			if (end - lba == UINT32_MAX)
				break;
		writer_u64(&writer, lba);
		writer_u32(&writer, (uint32_t)(end - lba));
		writer_u32(&writer, mapped ? 0 : DEALLOCATED << 24);
	}
	length = be32_of((uint32_t)writer.length - 4);
	memcpy(memory, &length, sizeof(length));
	fake_give(request, &writer, be32_get(allocation_length));
}

/* ---- capacity -------------------------------------------------------------------------------- */

void fake_read_capacity_10(struct fake_request *request)
{
	uint64_t last = request->unit->blocks - 1;
	uint8_t memory[8];
	struct writer writer = writer_of(memory, sizeof(memory));

	if (request->lba != 0 && !(request->command->cdb[8] & PMI))
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	writer_u32(&writer, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	writer_u32(&writer, request->unit->block_size);
	fake_give(request, &writer, writer.length);
}

void fake_read_capacity_16(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[32] = {};
	struct writer writer = writer_of(memory, sizeof(memory));
	be32 allocation_length;

	memcpy(&allocation_length, request->command->cdb + 10, sizeof(allocation_length));
	writer_u64(&writer, unit->blocks - 1);
	writer_u32(&writer, unit->block_size);
	writer_u8(&writer, 0);
	writer_u8(&writer, unit->physical_exponent);
	writer_u8(&writer,
		  (uint8_t)((unit->thin ? 0x80 : 0) | (unit->unmapped_reads_zero ? 0x40 : 0)));
	writer.length = sizeof(memory);
	fake_give(request, &writer, be32_get(allocation_length));
}
