/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The commands of a map and their way: onto a path's wire, back, and by the verdict of retry.h to
 * an end or onto a wire again. It knows which paths there are and not why; that is the map's.
 *
 * A command is in exactly one place: on the wire of a path, in the guard, or in one of the lists
 * here. Nothing is allocated for it. Lives inside a map and belongs to its worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/guard.h"
#include "multipath/hedge.h"
#include "util/list.h"
#include "util/ring.h"

struct dispatch;
struct map_command;
struct path;
struct path_group;
struct scsi_sense;

/* Up to the map. */
struct dispatch_owner {
	/** a result asks for somebody's attention; @sense says why */
	void (*attention)(struct dispatch *dispatch, struct path *path,
			  const struct scsi_sense *sense);
	/**
	 * @sense of a command that was sent at @sent_ns tells of the path's target port group
	 * Return: that is looked after, and nobody's attention is needed
	 */
	bool (*access)(struct dispatch *dispatch, struct path *path, const struct scsi_sense *sense,
		       uint64_t sent_ns);
	/** @ghosts are no longer guarded against, although nobody fenced them */
	void (*guard_expired)(struct dispatch *dispatch, unsigned ghosts);
	/** writes on @path wait for a fence longer than one takes; once for each loss */
	void (*fence_wanted)(struct dispatch *dispatch, struct path *path);
	/** @path met a reservation although it should be registered; once in each login */
	void (*conflict)(struct dispatch *dispatch, struct path *path);
};

struct dispatch {
	const struct dispatch_owner *owner;
	struct ring *ring;
	struct path_group *group;
	struct guard guard;
	struct hedging hedging;
	int32_t no_path_retry_ms; /* -1 = for ever */
	uint32_t timeout_ms;	  /* of a command on one path; 0 = none */

	unsigned commands;    /* everywhere, until their done() runs */
	struct list waiting;  /* for a usable path */
	struct list delayed;  /* until their wake_ns */
	struct list finished; /* until done() may run, with their error */
	struct deferred finish;
	struct deferred resume; /* there may be room for what waits */
	struct ring_timer delay_timer, deadline_timer;

	int no_path_error;   /* what waiting for a path ends with now; 0 = waiting goes on */
	int shut_error;	     /* of dispatch_shut(); 0 = open */
	bool deferred_error; /* the next flush must fail */
	bool registered;     /* with a key, on every path that carries I/O */
	int write_error;     /* what every write ends with; 0 = none does */
};

/** dispatch_init() - @group: the paths to choose from; stays the map's, as @owner does */
void dispatch_init(struct dispatch *dispatch, struct ring *ring, struct path_group *group,
		   int32_t no_path_retry_ms, const struct guard_settings *guard_settings,
		   uint32_t timeout_ms, const struct hedging_settings *hedging,
		   const struct dispatch_owner *owner);
/** dispatch_deinit() - it must be idle */
void dispatch_deinit(struct dispatch *dispatch);

/** dispatch_idle() - no command is left, nor a copy of one on any wire */
static inline bool dispatch_idle(const struct dispatch *dispatch)
{
	return dispatch->commands == 0 && hedging_idle(&dispatch->hedging);
}

/** dispatch_submit() - see map_submit() */
void dispatch_submit(struct dispatch *dispatch, struct map_command *command);
/** dispatch_resume() - a path is usable (again): send what waited for one */
void dispatch_resume(struct dispatch *dispatch);
/**
 * dispatch_give_up() - with no path for too long
 *
 * What is not on a wire ends with @error, and so does what comes until dispatch_resume().
 */
void dispatch_give_up(struct dispatch *dispatch, int error);
/** dispatch_shut() - the same, for ever: see map_fail_all() */
void dispatch_shut(struct dispatch *dispatch, int error);
/** dispatch_set_reservation() - see map_set_reservation() */
void dispatch_set_reservation(struct dispatch *dispatch, bool registered, int write_error);
/** dispatch_fenced() - @path->fenced_login changed */
void dispatch_fenced(struct dispatch *dispatch, struct path *path);
/** dispatch_attention() - somebody else met a unit attention behind @path, which carries I/O */
void dispatch_attention(struct dispatch *dispatch, struct path *path,
			const struct scsi_result *result);
/** dispatch_path_suspect() - @path became suspect: its reads are hedged */
void dispatch_path_suspect(struct dispatch *dispatch, struct path *path);
/** dispatch_forget_path() - @path goes away, it was taken out of the group */
void dispatch_forget_path(struct dispatch *dispatch, struct path *path);
