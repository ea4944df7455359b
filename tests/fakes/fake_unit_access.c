/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Target port groups of the fake unit (SPC-4 §5.15, §6.37, §6.45). A group has one port, its own
 * number. */

#include <string.h>

#include "scsi/alua.h"
#include "scsi/cdb.h"
#include "tests/fakes/fake_unit_private.h"
#include "util/cleanup.h"

#define EXTENDED   0x20
#define SUPPORTED  0xdf
#define BY_COMMAND 1
#define BY_TARGET  2

/* As on the wire. */
enum {
	OPTIMIZED = 0x0,
	NON_OPTIMIZED = 0x1,
	STANDBY = 0x2,
	UNAVAILABLE = 0x3,
	LBA_DEPENDENT = 0x4,
	OFFLINE = 0xe,
	TRANSITIONING = 0xf,
};

static struct fake_port_group *find(struct fake_unit *unit, uint16_t id)
{
	for (size_t i = 0; i < unit->port_group_count; i++)
		if (unit->port_groups[i].id == id)
			return &unit->port_groups[i];
	return NULL;
}

bool fake_unit_set_port_group(struct fake_unit *unit, uint16_t id, uint8_t state, bool preferred)
{
	struct fake_port_group *group = find(unit, id);

	if (!group && unit->port_group_count == FAKE_PORT_GROUPS_MAX)
		return false;
	if (!group)
		group = &unit->port_groups[unit->port_group_count++];
	*group = (struct fake_port_group){id, state, preferred, BY_TARGET};
	return true;
}

void fake_unit_tell_access(struct fake_unit *unit)
{
	fake_attend(unit, -1, FAKE_ACCESS_CHANGED);
}

/* ---- what a state keeps from a command (SPC-4 §5.15.2.4) ------------------------------------- */

static bool is_always_served(const struct scsi_command *command)
{
	switch (command->cdb[0]) {
	case SCSI_INQUIRY:
	case SCSI_REPORT_LUNS:
	case SCSI_REQUEST_SENSE:
		return true;
	case SCSI_MAINTENANCE_IN:
	case SCSI_MAINTENANCE_OUT:
		return (command->cdb[1] & SCSI_SERVICE_ACTION_MASK) ==
		       SCSI_REPORT_TARGET_PORT_GROUPS;
	default:
		return false;
	}
}

bool fake_access_refuses(struct fake_request *request)
{
	static const struct {
		uint8_t state;
		enum fake_asc asc;
	} refusals[] = {
		{TRANSITIONING, 0x040a},
		{STANDBY, 0x040b},
		{UNAVAILABLE, 0x040c},
		{OFFLINE, 0x0412},
	};
	const struct fake_port_group *group =
		find(request->unit, request->origin->target_port_group);

	if (!group || is_always_served(request->command))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (refusals[i].state != group->state)
			continue;
		fake_fail(request, 0x2, refusals[i].asc);
		return true;
	}
	return false;
}

/* ---- REPORT TARGET PORT GROUPS --------------------------------------------------------------- */

void fake_report_port_groups(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	bool extended = (request->command->cdb[1] & 0xe0) == EXTENDED;
	struct cdb_maintenance_in cdb;
	uint8_t memory[FAKE_ANSWER_MAX];
	struct writer writer = writer_of(memory, sizeof(memory));

	memcpy(&cdb, request->command->cdb, sizeof(cdb));
	if (extended && unit->no_extended_header)
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	writer_u32(&writer, (uint32_t)((extended ? 4 : 0) + 12 * unit->port_group_count));
	if (extended) {
		writer_u8(&writer, 0x10);
		writer_u8(&writer, unit->transition_s);
		writer_u16(&writer, 0);
	}
	for (size_t i = 0; i < unit->port_group_count; i++) {
		const struct fake_port_group *group = &unit->port_groups[i];

		writer_u8(&writer, (uint8_t)((group->preferred ? 0x80 : 0) | group->state));
		writer_u8(&writer, SUPPORTED);
		writer_u16(&writer, group->id);
		writer_u8(&writer, 0);
		writer_u8(&writer, group->status);
		writer_u8(&writer, 0);
		writer_u8(&writer, 1);
		writer_u32(&writer, group->id);
	}
	unit->access_reports++;
	fake_give(request, &writer, be32_get(cdb.allocation_length));
}

/* ---- SET TARGET PORT GROUPS ------------------------------------------------------------------ */

static void activate(struct fake_unit *unit, struct fake_port_group *chosen)
{
	for (size_t i = 0; i < unit->port_group_count; i++) {
		struct fake_port_group *group = &unit->port_groups[i];

		if (group != chosen && group->state == OPTIMIZED)
			group->state = unit->passive_state;
	}
	chosen->state = OPTIMIZED;
	chosen->status = BY_COMMAND;
}

void fake_set_port_groups(struct fake_request *request)
{
	struct fake_unit *unit = request->unit;
	struct reader reader = reader_of(request->command->data, request->command->data_length);
	struct fake_port_group *group;
	uint8_t state;

	if (!(unit->tpgs & ALUA_EXPLICIT))
		return fake_refuse(request, FAKE_INVALID_IN_CDB);
	reader_skip(&reader, 4);
	state = reader_u8(&reader) & 0x0f;
	reader_skip(&reader, 1);
	group = find(unit, reader_u16(&reader));
	if (reader.failed || !group || state != OPTIMIZED)
		return fake_refuse(request, FAKE_INVALID_IN_PARAMETERS);
	if (unit->refuses_activation)
		return fake_refuse(request, FAKE_SET_PORT_GROUPS_FAILED);
	activate(unit, group);
	unit->activations++;
	fake_attend(unit, fake_registrant_of(unit, request->origin, false), FAKE_ACCESS_CHANGED);
	fake_good(request);
}
