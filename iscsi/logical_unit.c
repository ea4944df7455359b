/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/logical_unit.h"

static struct logical_unit *unit_of(struct nexus *nexus)
{
	return container_of(nexus, struct logical_unit, nexus);
}

static int logical_unit_execute(struct nexus *nexus, struct scsi_command *command)
{
	struct logical_unit *unit = unit_of(nexus);

	return unit->ops->execute(unit->owner, nexus, command);
}

static void logical_unit_abort(struct nexus *nexus, struct scsi_command *command)
{
	struct logical_unit *unit = unit_of(nexus);

	unit->ops->abort(unit->owner, command);
}

static void logical_unit_abandon(struct nexus *nexus, struct scsi_command *command)
{
	struct logical_unit *unit = unit_of(nexus);

	unit->ops->abandon(unit->owner, command);
}

static int logical_unit_reset(struct nexus *nexus, struct nexus_reset *reset)
{
	struct logical_unit *unit = unit_of(nexus);

	return unit->ops->reset(unit->owner, nexus, reset);
}

static void logical_unit_set_last_path(struct nexus *nexus, bool last)
{
	struct logical_unit *unit = unit_of(nexus);

	unit->role = last ? LOGICAL_UNIT_LAST_PATH : LOGICAL_UNIT_OTHER_PATHS;
	unit->ops->role_changed(unit->owner);
}

static const struct nexus_ops logical_unit_nexus_ops = {
	.execute = logical_unit_execute,
	.abort = logical_unit_abort,
	.abandon = logical_unit_abandon,
	.set_last_path = logical_unit_set_last_path,
	.reset = logical_unit_reset,
};

int logical_unit_new(uint64_t lun, const struct logical_unit_ops *ops, void *owner,
		     struct logical_unit **ret)
{
	struct logical_unit *unit = calloc(1, sizeof(*unit));

	if (!unit)
		return -ENOMEM;
	unit->nexus.ops = &logical_unit_nexus_ops;
	unit->nexus.lun = lun;
	unit->ops = ops;
	unit->owner = owner;
	list_init(&unit->link);
	*ret = unit;
	return 0;
}

void logical_unit_free(struct logical_unit *unit)
{
	if (!unit)
		return;
	list_remove(&unit->link);
	free(unit);
}

struct logical_unit *logical_units_find(struct list *units, uint64_t lun)
{
	struct logical_unit *unit;

	list_for_each (unit, units, link)
		if (unit->nexus.lun == lun)
			return unit;
	return NULL;
}

void logical_units_set_up(struct list *units, bool up)
{
	struct logical_unit *unit;

	list_for_each (unit, units, link) {
		unit->nexus.up = up;
		unit->nexus.health = NEXUS_WELL;
	}
}

void logical_units_set_health(struct list *units, enum nexus_health health, const char *reason)
{
	struct logical_unit *unit;

	/* What a holder does may reach the units that come later: they all know by then. */
	list_for_each (unit, units, link)
		unit->nexus.health = health;
	list_for_each (unit, units, link) {
		struct nexus_holder *holder = unit->nexus.holder;

		if (holder)
			holder->health_changed(holder, &unit->nexus, reason);
	}
}

bool logical_units_have_other_paths(struct list *units)
{
	struct logical_unit *unit;
	bool others = false;

	list_for_each (unit, units, link) {
		if (unit->role == LOGICAL_UNIT_LAST_PATH)
			return false;
		if (unit->role == LOGICAL_UNIT_OTHER_PATHS)
			others = true;
	}
	return others;
}
