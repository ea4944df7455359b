/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What is behind the LUN: through each portal the disk can be of another size, or another disk.
 */

#include <assert.h>
#include <string.h>

#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"

void fake_units_new(struct fake_target *target)
{
	const struct fake_settings *settings = &target->settings;
	struct fake_unit *units[] = {
		fake_unit_new(settings->blocks, settings->block_size),
		fake_unit_new(settings->blocks, settings->block_size),
	};

	for (size_t i = 0; i < 2; i++) {
		units[i]->physical_exponent = (uint8_t)settings->physical_exponent;
		units[i]->read_only = settings->read_only;
		units[i]->tells_resets = settings->attentions;
		units[i]->tpgs = (uint8_t)settings->tpgs;
		units[i]->transition_s = (uint8_t)settings->transition_s;
		units[i]->port_group_count = settings->port_group_count;
		memcpy(units[i]->port_groups, settings->port_groups, sizeof(units[i]->port_groups));
	}
	target->unit = units[0];
	target->other = units[1];
	target->other->naa[15] ^= 0xff;
	strcpy(target->other->serial, "FAKE0002");
}

void fake_units_free(struct fake_target *target)
{
	fake_unit_free(target->unit);
	fake_unit_free(target->other);
}

struct fake_unit *fake_unit_behind(const struct fake_connection *connection)
{
	const struct fake_settings *settings = &connection->target->settings;
	const struct fake_portal *portal = connection->portal;
	struct fake_unit *unit =
		portal->swapped ? connection->target->other : connection->target->unit;

	unit->block_size = portal->block_size ? portal->block_size : settings->block_size;
	unit->blocks = portal->blocks ? portal->blocks : settings->blocks;
	unit->blocks = unit->blocks * settings->block_size / unit->block_size;
	return unit;
}
