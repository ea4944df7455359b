/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Reservations of the fake unit: RESERVE(6) of SPC-2 and persistent ones (SPC-4 §5.13). A
 * registration is of one I_T nexus: an initiator port and a target port, whichever portal of it.
 */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LIST_BYTES	      24   /* of PERSISTENT RESERVE OUT */
#define SPECIAL_REGISTRATIONS 0x0d /* SPEC_I_PT, ALL_TG_PT, APTPL */
#define APTPL		      0x01
#define REGISTER_AND_IGNORE   6

enum type {
	WRITE_EXCLUSIVE = 1,
	EXCLUSIVE_ACCESS = 3,
	WRITE_EXCLUSIVE_REGISTRANTS = 5,
	EXCLUSIVE_ACCESS_REGISTRANTS = 6,
	WRITE_EXCLUSIVE_ALL = 7,
	EXCLUSIVE_ACCESS_ALL = 8,
};

/* ---- who ------------------------------------------------------------------------------------- */

static const char *initiator_of(const struct fake_origin *origin)
{
	return origin->initiator ? origin->initiator : "";
}

/* A place that nobody has. */
static int free_place(struct fake_unit *unit)
{
	for (size_t i = 0; i < unit->registrant_count; i++)
		if (!unit->registrants[i].known)
			return (int)i;
	return unit->registrant_count < FAKE_REGISTRANTS_MAX ? (int)unit->registrant_count++ : -1;
}

int fake_registrant_of(struct fake_unit *unit, const struct fake_origin *origin, bool add)
{
	int i;

	for (i = 0; i < (int)unit->registrant_count; i++)
		if (unit->registrants[i].known &&
		    unit->registrants[i].relative_port == origin->relative_port &&
		    strcmp(unit->registrants[i].initiator, initiator_of(origin)) == 0)
			return i;
	i = add ? free_place(unit) : -1;
	if (i < 0)
		return -1;
	unit->registrants[i] = (struct fake_registrant){
		.known = true,
		.relative_port = origin->relative_port,
	};
	text_copy(unit->registrants[i].initiator, sizeof(unit->registrants[i].initiator),
		  initiator_of(origin));
	return i;
}

static void attend(struct fake_registrant *registrant, enum fake_asc asc)
{
	registrant->attention[0] = (uint8_t)(asc >> 8);
	registrant->attention[1] = (uint8_t)asc;
}

void fake_attend(struct fake_unit *unit, int except, enum fake_asc asc)
{
	for (size_t i = 0; i < unit->registrant_count; i++)
		if ((int)i != except)
			attend(&unit->registrants[i], asc);
}

static void attend_registrants(struct fake_unit *unit, int except, enum fake_asc asc)
{
	for (size_t i = 0; i < unit->registrant_count; i++)
		if ((int)i != except && unit->registrants[i].registered)
			attend(&unit->registrants[i], asc);
}

static bool is_registered(const struct fake_unit *unit, int who)
{
	return who >= 0 && unit->registrants[who].registered;
}

static bool of_all_registrants(const struct fake_unit *unit)
{
	return unit->reservation_type >= WRITE_EXCLUSIVE_ALL;
}

static bool holds(const struct fake_unit *unit, int who)
{
	if (!unit->reservation_type)
		return false;
	return of_all_registrants(unit) ? is_registered(unit, who) : who == unit->holder;
}

static bool anybody_registered(const struct fake_unit *unit)
{
	for (size_t i = 0; i < unit->registrant_count; i++)
		if (unit->registrants[i].registered)
			return true;
	return false;
}

/* ---- what they keep others from -------------------------------------------------------------- */

bool fake_conflicts(struct fake_request *request, enum fake_access access)
{
	const struct fake_unit *unit = request->unit;
	int who = fake_registrant_of(request->unit, request->origin, false);

	if (access == FAKE_FREE)
		return false;
	if (unit->reserved_by >= 0 && unit->reserved_by != who)
		return true;
	if (access == FAKE_SETTINGS || holds(unit, who))
		return false;
	switch (unit->reservation_type) {
	case WRITE_EXCLUSIVE:
		return access == FAKE_WRITES;
	case EXCLUSIVE_ACCESS:
		return true;
	case WRITE_EXCLUSIVE_REGISTRANTS:
	case WRITE_EXCLUSIVE_ALL:
		return access == FAKE_WRITES && !is_registered(unit, who);
	case EXCLUSIVE_ACCESS_REGISTRANTS:
	case EXCLUSIVE_ACCESS_ALL:
		return !is_registered(unit, who);
	default:
		return false;
	}
}

static void conflict(struct fake_request *request)
{
	fake_good(request);
	request->command->result.status = SCSI_RESERVATION_CONFLICT;
}

/* ---- RESERVE(6) ------------------------------------------------------------------------------ */

void fake_reserve_6(struct fake_request *request)
{
	int who = fake_registrant_of(request->unit, request->origin, true);

	if (request->command->cdb[1] & 0x1f) /* third-party, extents */
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	if (who < 0)
		return fake_refuse(request, FAKE_INSUFFICIENT_RESOURCES);
	if (anybody_registered(request->unit))
		return conflict(request);
	request->unit->reserved_by = who;
	fake_good(request);
}

void fake_release_6(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	int who = fake_registrant_of(unit, request->origin, false);

	if (anybody_registered(unit))
		return conflict(request);
	if (who >= 0 && unit->reserved_by == who)
		unit->reserved_by = -1;
	fake_good(request);
}

void fake_unit_nexus_lost(struct fake_unit *unit, const struct fake_origin *origin)
{
	int who = fake_registrant_of(unit, origin, false);

	if (who < 0)
		return;
	if (unit->reserved_by == who)
		unit->reserved_by = -1;
	unit->registrants[who].known = unit->registrants[who].registered;
}

void fake_unit_reset(struct fake_unit *unit)
{
	unit->reserved_by = -1;
	if (unit->tells_resets)
		fake_attend(unit, -1, FAKE_RESET_OCCURRED);
}

/* ---- PERSISTENT RESERVE IN (SPC-4 §6.15) ----------------------------------------------------- */

static void give_list(struct fake_request *request, struct writer *writer)
{
	const uint8_t *cdb = request->command->cdb;
	be32 header[2] = {be32_of(request->unit->generation),
			  be32_of((uint32_t)writer->length - 8)};

	memcpy(writer->start, header, sizeof(header));
	fake_give(request, writer, (size_t)cdb[7] << 8 | cdb[8]);
}

void fake_read_keys(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[8 + 8 * FAKE_REGISTRANTS_MAX] = {};
	struct writer writer = writer_of(memory, sizeof(memory));

	writer.length = 8;
	for (size_t i = 0; i < unit->registrant_count; i++)
		if (unit->registrants[i].registered)
			writer_u64(&writer, unit->registrants[i].key);
	give_list(request, &writer);
}

void fake_read_reservation(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[24] = {};
	struct writer writer = writer_of(memory, sizeof(memory));

	writer.length = 8;
	if (unit->reservation_type) {
		writer_u64(&writer,
			   of_all_registrants(unit) ? 0 : unit->registrants[unit->holder].key);
		writer_u32(&writer, 0);
		writer_u8(&writer, 0);
		writer_u8(&writer, unit->reservation_type);
		writer_u16(&writer, 0);
	}
	give_list(request, &writer);
}

void fake_report_capabilities(struct fake_request *request)
{
	/* TMV; all six types; ALLOW COMMANDS 000b, perhaps APTPL, no ALL_TG_PT */
	bool keeps = request->unit->keeps_registrations;
	const uint8_t answer[8] = {0, 8, keeps, (uint8_t)(0x80 | keeps), 0xea, 0x01};
	uint8_t memory[sizeof(answer)];
	struct writer writer = writer_of(memory, sizeof(memory));
	const uint8_t *cdb = request->command->cdb;

	writer_bytes(&writer, answer, sizeof(answer));
	fake_give(request, &writer, (size_t)cdb[7] << 8 | cdb[8]);
}

static void put_full_status(const struct fake_unit *unit, int who, struct writer *writer)
{
	const struct fake_registrant *registrant = &unit->registrants[who];
	size_t length = strlen(registrant->initiator) + 1;
	size_t padded = MAX((length + 3) / 4 * 4, (size_t)20);

	writer_u64(writer, registrant->key);
	writer_u32(writer, 0);
	writer_u8(writer, holds(unit, who));
	writer_u8(writer, holds(unit, who) ? unit->reservation_type : 0);
	writer_u32(writer, 0);
	writer_u16(writer, registrant->relative_port);
	writer_u32(writer, (uint32_t)(4 + padded));
	writer_u16(writer, 0x4500); /* TransportID: iSCSI, name and ISID */
	writer_u16(writer, (uint16_t)padded);
	for (size_t i = 0; i < padded; i++)
		writer_u8(writer, i < length ? (uint8_t)registrant->initiator[i] : 0);
}

void fake_read_full_status(struct fake_request *request)
{
	const struct fake_unit *unit = request->unit;
	uint8_t memory[8 + 300 * FAKE_REGISTRANTS_MAX] = {};
	struct writer writer = writer_of(memory, sizeof(memory));

	writer.length = 8;
	for (size_t i = 0; i < unit->registrant_count; i++)
		if (unit->registrants[i].registered)
			put_full_status(unit, (int)i, &writer);
	give_list(request, &writer);
}

/* ---- PERSISTENT RESERVE OUT (SPC-4 §6.16) ---------------------------------------------------- */

struct out {
	int who;
	uint64_t key, action_key;
	uint8_t flags, type;
};

/* Reads the parameter list; answers when it, or the type, cannot be. */
static bool take_list(struct fake_request *request, struct out *ret)
{
	const uint8_t *cdb = request->command->cdb;
	struct reader list = reader_of(request->command->data, request->command->data_length);
	be32 length;

	memcpy(&length, cdb + 5, sizeof(length));
	ret->who = fake_registrant_of(request->unit, request->origin, false);
	ret->key = reader_u64(&list);
	ret->action_key = reader_u64(&list);
	reader_skip(&list, 4);
	ret->flags = reader_u8(&list);
	ret->type = cdb[2] & 0x0f;
	reader_skip(&list, 3);
	if (!list.failed && be32_get(length) == LIST_BYTES)
		return true;
	fake_refuse(request, FAKE_PARAMETER_LIST_LENGTH);
	return false;
}

/* All but REGISTER: from a registrant, with its key. */
static bool take_registrant(struct fake_request *request, struct out *ret)
{
	if (!take_list(request, ret))
		return false;
	if (is_registered(request->unit, ret->who) &&
	    request->unit->registrants[ret->who].key == ret->key)
		return true;
	conflict(request);
	return false;
}

static bool is_type(struct fake_request *request, const struct out *out)
{
	bool scope_is_unit = !(request->command->cdb[2] & 0xf0);

	if (scope_is_unit && out->type <= EXCLUSIVE_ACCESS_ALL && (1u << out->type & 0x1ea))
		return true;
	fake_refuse(request, FAKE_INVALID_IN_CDB);
	return false;
}

static void end_reservation(struct fake_unit *unit, int who)
{
	if (unit->reservation_type >= WRITE_EXCLUSIVE_REGISTRANTS)
		attend_registrants(unit, who, FAKE_RESERVATIONS_RELEASED);
	unit->reservation_type = 0;
	unit->holder = -1;
}

static void unregister(struct fake_unit *unit, int who)
{
	bool held = holds(unit, who);

	assert(who >= 0 && who < FAKE_REGISTRANTS_MAX);
	unit->registrants[who].registered = false;
	if (held && (!of_all_registrants(unit) || !anybody_registered(unit)))
		end_reservation(unit, who);
}

void fake_register(struct fake_request *request)
{
	bool ignore = (request->command->cdb[1] & SCSI_SERVICE_ACTION_MASK) == REGISTER_AND_IGNORE;
	struct fake_unit *unit = request->unit;
	struct out out;

	if (!take_list(request, &out))
		return;
	if (out.flags & SPECIAL_REGISTRATIONS & (unit->keeps_registrations ? ~APTPL : 0xff))
		return fake_refuse(request, FAKE_INVALID_IN_PARAMETERS);
	if (!ignore &&
	    out.key != (is_registered(unit, out.who) ? unit->registrants[out.who].key : 0))
		return conflict(request);
	if (out.action_key != 0) {
		out.who = fake_registrant_of(unit, request->origin, true);
		if (out.who < 0)
			return fake_refuse(request, FAKE_INSUFFICIENT_RESOURCES);
		unit->registrants[out.who].registered = true;
		unit->registrants[out.who].key = out.action_key;
	} else if (is_registered(unit, out.who)) {
		unregister(unit, out.who);
	}
	unit->generation++;
	fake_good(request);
}

void fake_reserve(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	struct out out;

	if (!take_registrant(request, &out) || !is_type(request, &out))
		return;
	if (unit->reservation_type && (!holds(unit, out.who) || unit->reservation_type != out.type))
		return conflict(request);
	unit->reservation_type = out.type;
	if (unit->holder < 0)
		unit->holder = out.who;
	fake_good(request);
}

void fake_release(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	struct out out;

	if (!take_registrant(request, &out))
		return;
	if (!holds(unit, out.who))
		return fake_good(request);
	if ((request->command->cdb[2] & 0xf0) || unit->reservation_type != out.type)
		return fake_refuse(request, FAKE_INVALID_RELEASE);
	end_reservation(unit, out.who);
	fake_good(request);
}

void fake_clear(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	struct out out;

	if (!take_registrant(request, &out))
		return;
	attend_registrants(unit, out.who, FAKE_RESERVATIONS_PREEMPTED);
	for (size_t i = 0; i < unit->registrant_count; i++)
		unit->registrants[i].registered = false;
	unit->reservation_type = 0;
	unit->holder = -1;
	unit->generation++;
	fake_good(request);
}

/* Those with @key, or all when it is 0, but for @except. Return: how many there were */
static unsigned remove_registrants(struct fake_unit *unit, uint64_t key, int except)
{
	unsigned count = 0;

	for (size_t i = 0; i < unit->registrant_count; i++) {
		struct fake_registrant *registrant = &unit->registrants[i];

		if (!registrant->registered || (key && registrant->key != key))
			continue;
		count++;
		if ((int)i == except)
			continue;
		registrant->registered = false;
		attend(registrant, FAKE_REGISTRATIONS_PREEMPTED);
	}
	return count;
}

/* SPC-4 §5.13.11.2.4. Nothing is running elsewhere here, so that AND ABORT has nothing to do. */
void fake_preempt(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	bool takes_over, everybody;
	struct out out;

	if (!take_registrant(request, &out) || !is_type(request, &out))
		return;
	everybody = of_all_registrants(unit) && unit->reservation_type && out.action_key == 0;
	takes_over = everybody || (unit->reservation_type && !of_all_registrants(unit) &&
				   unit->registrants[unit->holder].key == out.action_key);
	if (out.action_key == 0 && !everybody)
		return fake_refuse(request, FAKE_INVALID_IN_PARAMETERS);
	if (remove_registrants(unit, out.action_key, out.who) == 0)
		return conflict(request);
	if (takes_over) {
		if (unit->reservation_type != out.type)
			attend_registrants(unit, out.who, FAKE_RESERVATIONS_RELEASED);
		unit->reservation_type = out.type;
		unit->holder = out.who;
	}
	unit->generation++;
	fake_good(request);
}
