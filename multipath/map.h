/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One multipath map: every path to one logical unit, and the commands on their way to it. Belongs
 * to one worker; every call comes from that worker's thread.
 *
 * A command is sent on the path that the selector chooses. When a path fails, what is safe moves to
 * another path at once; a write whose fate is in doubt is held back for its old nexus to be fenced,
 * and what follows depends on the map's integrity (guard.h). With no usable path, commands queue
 * for no_path_retry and then fail with EIO; when all paths say that there is no such unit any more
 * they fail with ENODEV at once.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/command.h"
#include "multipath/failback.h"
#include "multipath/fence.h"
#include "multipath/grouping.h"
#include "multipath/guard.h"
#include "multipath/path.h"
#include "multipath/port_groups.h"
#include "scsi/unit.h"

struct map;
struct nexus;
struct ring;

struct map_settings {
	char selector[32];	  /* "service-time", "queue-length", "round-robin" */
	int32_t no_path_retry_ms; /* how long commands queue with no usable path; -1 = for ever */
	struct guard_settings guard;
	enum fence_reset fence_reset; /* may a fence reset the unit? */
	uint32_t timeout_ms; /* of a command on one path; then it is aborted and moved; 0 = none.
				The last path has no limit */
	uint32_t suspect_ms; /* without an answer make a path suspect, see hedge.h; 0 = none does */
	uint32_t hedge_budget; /* reads sent twice, of a hundred */
	enum grouping grouping;
	int32_t failback_ms; /* 0 = immediate; FAILBACK_MANUAL, FAILBACK_FOLLOWOVER */
	struct port_groups_settings port_groups;
};

enum map_state {
	MAP_OK,		      /* every path is usable */
	MAP_DEGRADED,	      /* some are */
	MAP_NO_PATH_QUEUEING, /* none is, commands queue */
	MAP_NO_PATH_FAILING,  /* none is, commands fail with EIO */
	MAP_LOST,	      /* all paths say that the unit is no more: they fail with ENODEV */
	MAP_STATE_COUNT,
};

/** map_state_name() - as D-Bus and the CLI show it: "ok", "degraded", "no-path-queueing", "lost" …
 */
const char *map_state_name(enum map_state state);

/*
 * What happened to a map; every call comes on the map's own thread. Any of them may be NULL. None
 * of them may remove a path or free the map.
 */
struct map_observer {
	/** @path: changed state; @reason: a few plain words, valid during the call */
	void (*path_changed)(struct map *map, struct path *path, enum path_state from,
			     const char *reason, void *userdata);
	void (*map_changed)(struct map *map, enum map_state from, void *userdata);
	/**
	 * the unit said that its inventory, capacity, identity or state changed: look again. Where
	 * the identity is in question the path is in VERIFY already, and waits for path_verified()
	 * or path_quarantine().
	 */
	void (*attention)(struct map *map, struct path *path, uint8_t asc, uint8_t ascq,
			  void *userdata);
	/** the unit lost data of a write that it acknowledged; the next flush fails with EIO */
	void (*deferred_error)(struct map *map, struct path *path, uint8_t key, uint8_t asc,
			       uint8_t ascq, void *userdata);
	/** for each path when path groups were formed anew or another one is in use: see
	 * path_get_access() */
	void (*path_grouped)(struct map *map, struct path *path, void *userdata);
	/** the target port group @id is in another access state; @overdue: since it took too long
	 */
	void (*access_changed)(struct map *map, uint16_t id, enum access_state from,
			       enum access_state to, bool overdue, void *userdata);
	/** SET TARGET PORT GROUPS for the port group @id ended with @error */
	void (*activated)(struct map *map, uint16_t id, int error, void *userdata);
	/**
	 * the guard's time is over: @ghosts, writes in doubt or ranges of them, are no longer
	 * guarded against although nobody fenced their nexus
	 */
	void (*guard_expired)(struct map *map, unsigned ghosts, void *userdata);
	/**
	 * writes on @path, which was lost, still wait for a fence after fence_wait. Who can end its
	 * tasks in another way does so, and calls path_fenced(): with PREEMPT AND ABORT of the key
	 * that was registered through @path, where the map holds one (SPC-4 §5.13.11.2.6). Once for
	 * each loss.
	 */
	void (*fence_wanted)(struct map *map, struct path *path, void *userdata);
	/**
	 * the unit refused a command on @path for another's reservation, although the map is
	 * registered: its registration may be lost. @path is in VERIFY and waits for
	 * path_verified(). Once in each login.
	 */
	void (*conflict)(struct map *map, struct path *path, void *userdata);
};

/**
 * map_new() - an empty map for @unit, with no path yet
 * @ring: of the worker that owns it
 * @unit, @settings: copied
 * @observer: alive as long as the map; may be NULL
 *
 * Return: 0; -ENOMEM; -EINVAL for an unknown selector.
 */
int map_new(struct ring *ring, const struct unit *unit, const struct map_settings *settings,
	    const struct map_observer *observer, void *userdata, struct map **ret);

/**
 * map_free() - with the paths that are left; NULL is fine
 *
 * No command may be in the map, see map_fail_all(). Not from inside a done() or an observer.
 */
void map_free(struct map *map);

const struct unit *map_unit(const struct map *map);
/** map_set_limits() - the unit was resized: what its paths now agree upon */
void map_set_limits(struct map *map, const struct unit_limits *limits);
void *map_userdata(const struct map *map);
enum fence_quality map_fence_quality(const struct map *map);
/** map_get_guard_statistics() - as of now */
void map_get_guard_statistics(const struct map *map, struct guard_statistics *ret);
enum map_state map_get_state(const struct map *map);
unsigned map_path_count(const struct map *map);

/** map_active_group() - the path group in use, from 1; 0 = none */
unsigned map_active_group(const struct map *map);
unsigned map_group_count(const struct map *map);

/**
 * map_switch_group() - use path group @number (from 1) until it has no usable path, or
 * map_failback()
 *
 * A group whose target port groups do no I/O is activated where the target takes that.
 * Return: 0; -EINVAL when there is no such group; -ENOTCONN when none of its paths is up;
 * -EOPNOTSUPP when it does no I/O, and the target does not let us change that; -EBUSY while another
 * one is being activated.
 */
int map_switch_group(struct map *map, unsigned number);
/** map_failback() - use the best path group, now. Return: 0; -ENOTCONN when no path is usable */
int map_failback(struct map *map);
/** map_ask_access() - something was told of the unit's port groups: ask; at most every 100 ms */
void map_ask_access(struct map *map);

/**
 * map_set_reservation() - what persistent reservations (SPC-4 §5.13) mean for the map
 * @registered: whoever verifies its paths registers a key through each of them first. So a
 *              RESERVATION CONFLICT may be one of a registration that was lost: the command is
 * tried once more, see conflict() of the observer. Otherwise it is the submitter's.
 * @write_error: what every write ends with from now on; 0 = none does. -EBADE when the key was
 *               taken away by somebody who may have begun to write.
 */
void map_set_reservation(struct map *map, bool registered, int write_error);

/** map_submit() - @command is the map's until done() has run, never inside this call */
void map_submit(struct map *map, struct map_command *command);

/**
 * map_fail_all() - end every command that is not on the wire with @error, and all later ones
 * @error: -errno
 *
 * What is on the wire ends as the device says, or with @error when it would have to be repeated.
 */
void map_fail_all(struct map *map, int error);

/** map_idle() - no command is in the map, nor a copy of one on a wire */
bool map_idle(const struct map *map);

/**
 * map_add_path() - one more way to the unit, in VERIFY until path_verified()
 * @nexus: alive as long as the path
 * @userdata: the owner's, see path_userdata()
 *
 * Return: 0; -ENOMEM; -EEXIST when @nexus is a path of the map already; -ENOSPC with PATH_SLOTS
 * paths.
 */
int map_add_path(struct map *map, struct nexus *nexus, void *userdata, struct path **ret);

/**
 * map_remove_path() - frees @path; its commands move as if it had failed; none may be on its wire
 *
 * Call path_fenced() first when the session was logged out with an answer: otherwise what is in
 * doubt is guarded against until the guard's time is over. No path_changed() comes.
 */
void map_remove_path(struct map *map, struct path *path);
