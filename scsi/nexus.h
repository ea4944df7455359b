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
struct nexus_holder;
struct scsi_command;
struct scsi_result;

/* A LOGICAL UNIT RESET that is under way; embed it, alive until done() has run. */
struct nexus_reset {
	/** @error: 0, the unit's tasks of every nexus are over; -EOPNOTSUPP, refused; -ENOTCONN */
	void (*done)(struct nexus_reset *reset, int error);
};

/* How a nexus that is up does, as far as its transport can tell. */
enum nexus_health {
	NEXUS_WELL,
	NEXUS_SUSPECT,	 /* with commands outstanding it is silent, or hears nothing of ours */
	NEXUS_THROTTLED, /* it lives, but has not let us send a command for long */
	NEXUS_HEALTH_COUNT,
};

struct nexus_ops {
	/**
	 * @command: stays the caller's, alive until command->done() has run
	 * Return: 0, and done() runs exactly once, later; -ENOTCONN, and done() never runs.
	 */
	int (*execute)(struct nexus *nexus, struct scsi_command *command);
	/** ask for an early end; done() still comes, with SCSI_ABORTED or how it ended instead */
	void (*abort)(struct nexus *nexus, struct scsi_command *command);
	/**
	 * give @command back now, which sends no data, whether it is answered or not: done() comes
	 * as soon as nothing can write to its memory any more, with how it ended meanwhile, or
	 * SCSI_NOT_SENT, or SCSI_IN_DOUBT. What the device still does with it is thrown away.
	 */
	void (*abandon)(struct nexus *nexus, struct scsi_command *command);
	/**
	 * @last: no other path leads to the unit, so a silent target is given its full time;
	 *        otherwise silence is taken for loss as soon as the settings say
	 */
	void (*set_last_path)(struct nexus *nexus, bool last);
	/**
	 * LOGICAL UNIT RESET (SAM-5 §7.7), which hurts everybody who uses the unit; NULL: cannot
	 * Return: 0, and done() runs exactly once, later; -ENOTCONN; -EBUSY while one is under way.
	 */
	int (*reset)(struct nexus *nexus, struct nexus_reset *reset);
};

/* Whoever sends through a nexus and wants to hear how it does; embed it, set nexus->holder. */
struct nexus_holder {
	/**
	 * @nexus->health changed; not when it goes down, which ends any health. May execute, abort
	 * and abandon. @reason: a few plain words, valid during the call
	 */
	void (*health_changed)(struct nexus_holder *holder, struct nexus *nexus,
			       const char *reason);
	/**
	 * a command of somebody else met a unit attention there, which is told once (SAM-5 §5.14):
	 * what the holder sends will not meet it any more. May be NULL
	 */
	void (*attention)(struct nexus_holder *holder, struct nexus *nexus,
			  const struct scsi_result *result);
};

struct nexus {
	const struct nexus_ops *ops;
	struct nexus_holder *holder; /* NULL = nobody */
	uint64_t lun; /* the 8 bytes of SAM-5 §4.7 as a big-endian number, as REPORT LUNS gave them
		       */
	bool up;      /* the transport is connected: execute() will be taken */
	uint32_t doubts; /* times its holder had reason to ask anew who is behind it */
	enum nexus_health health;
};

/** nexus_attention() - @result, of a command that was not its holder's, is a unit attention */
static inline void nexus_attention(struct nexus *nexus, const struct scsi_result *result)
{
	if (nexus->holder && nexus->holder->attention)
		nexus->holder->attention(nexus->holder, nexus, result);
}

static inline int nexus_execute(struct nexus *nexus, struct scsi_command *command)
{
	return nexus->up ? nexus->ops->execute(nexus, command) : -ENOTCONN;
}

static inline void nexus_abort(struct nexus *nexus, struct scsi_command *command)
{
	nexus->ops->abort(nexus, command);
}

static inline void nexus_abandon(struct nexus *nexus, struct scsi_command *command)
{
	nexus->ops->abandon(nexus, command);
}

static inline void nexus_set_last_path(struct nexus *nexus, bool last)
{
	nexus->ops->set_last_path(nexus, last);
}

static inline int nexus_reset(struct nexus *nexus, struct nexus_reset *reset)
{
	if (!nexus->ops->reset)
		return -EOPNOTSUPP;
	return nexus->up ? nexus->ops->reset(nexus, reset) : -ENOTCONN;
}
