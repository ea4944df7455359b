/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * An I_T_L nexus: one logical unit as one initiator port sees it through one target port
 * (SAM-5 §4.6). This is the seam between those who send commands (probe, multipath) and the
 * transport that carries them: iscsi implements it, tests fake it. Every call comes from the thread
 * that owns the nexus.
 *
 * A nexus outlives the loss of its connection. While it is down execute() refuses; when it comes
 * back its holder must check that the unit is still the same one before it sends I/O again.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

struct nexus;
struct scsi_command;

struct nexus_ops {
	/**
	 * @command: stays the caller's, alive until command->done() has run
	 * Return: 0, and done() runs exactly once, later; -ENOTCONN, and done() never runs.
	 */
	int (*execute)(struct nexus *nexus, struct scsi_command *command);
	/** ask for an early end; done() still comes, with SCSI_ABORTED or how it ended instead */
	void (*abort)(struct nexus *nexus, struct scsi_command *command);
	/**
	 * @last: no other path leads to the unit, so a silent target is given its full time;
	 *        otherwise silence is taken for loss as soon as the settings say
	 */
	void (*set_last_path)(struct nexus *nexus, bool last);
};

struct nexus {
	const struct nexus_ops *ops;
	uint64_t lun; /* the 8 bytes of SAM-5 §4.7 as a big-endian number, as REPORT LUNS gave them
		       */
	bool up;      /* the transport is connected: execute() will be taken */
};

static inline int nexus_execute(struct nexus *nexus, struct scsi_command *command)
{
	return nexus->up ? nexus->ops->execute(nexus, command) : -ENOTCONN;
}

static inline void nexus_abort(struct nexus *nexus, struct scsi_command *command)
{
	nexus->ops->abort(nexus, command);
}

static inline void nexus_set_last_path(struct nexus *nexus, bool last)
{
	nexus->ops->set_last_path(nexus, last);
}
