/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One LUN of a session as an I_T_L nexus: implements scsi/nexus.h for its session, which it calls
 * through struct logical_unit_ops. Belongs to one worker.
 */

#include "iscsi/management.h"
#include "scsi/nexus.h"
#include "util/list.h"

struct logical_unit;

struct logical_unit_ops {
	int (*execute)(void *owner, struct nexus *nexus, struct scsi_command *command);
	void (*abort)(void *owner, struct scsi_command *command);
	void (*abandon)(void *owner, struct scsi_command *command);
	int (*reset)(void *owner, struct nexus *nexus, struct nexus_reset *reset);
	/** some unit's role changed */
	void (*role_changed)(void *owner);
};

/* What this path is to its unit, as far as its user said. */
enum logical_unit_role {
	LOGICAL_UNIT_UNUSED,	  /* in no map: decides nothing */
	LOGICAL_UNIT_OTHER_PATHS, /* other paths lead to it */
	LOGICAL_UNIT_LAST_PATH,
};

struct logical_unit {
	struct nexus nexus;
	struct list link; /* in the session's units */
	const struct logical_unit_ops *ops;
	void *owner;
	enum logical_unit_role role;
	struct management_request clear; /* its owner's, see session_management.c */
	bool clearing;
	struct management_request reset; /* the same */
	struct nexus_reset *resetting;	 /* who asked for it; NULL: none is out */
};

/** logical_unit_new() - @ops alive as long. Return: 0 or -ENOMEM */
int logical_unit_new(uint64_t lun, const struct logical_unit_ops *ops, void *owner,
		     struct logical_unit **ret);
void logical_unit_free(struct logical_unit *unit);

/** logical_units_find() - the one with @lun, or NULL */
struct logical_unit *logical_units_find(struct list *units, uint64_t lun);

/** logical_units_set_up() - the connection came or went */
void logical_units_set_up(struct list *units, bool up);
/** logical_units_set_health() - of all, which share the connection; tells their holders */
void logical_units_set_health(struct list *units, enum nexus_health health, const char *reason);

/** logical_units_have_other_paths() - some have other paths, and for none it is the last */
bool logical_units_have_other_paths(struct list *units);
