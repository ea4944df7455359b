/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The guard of a map: writes whose fate is in doubt, and what must not be overtaken by them.
 *
 * A write that went onto a wire and got no answer may still be executed by the device, long after:
 * its ghost. A ghost is dead once its old nexus was fenced (fence.h), or else when time is over,
 * which is told loudly. Until then one of two things holds its place here:
 *
 * - The write itself, parked: not sent again, not acknowledged. So every write begins, for
 *   @fence_wait_ms: mostly the fence closes within that time. With INTEGRITY_SHARED it stays so.
 * - With INTEGRITY_EXCLUSIVE, after that time, a range that is guarded while the write goes on
 *   elsewhere and is acknowledged.
 *
 * What a ghost could do to the requests that come meanwhile:
 *
 * - WRITE, with and without FUA, WRITE SAME, UNMAP to overlapping blocks: it could fall upon them
 *   after they were acknowledged. They are held until no ghost they overlap is alive.
 * - READ: passes. It sees the old or the new data of a write that nobody was told is done; and once
 *   the write was repeated, its data and the ghost's are the same.
 * - SYNCHRONIZE CACHE: passes. It promises that writes acknowledged before it are on the medium; a
 *   parked write was not acknowledged, and of a repeated one the second copy was flushed: the ghost
 *   can only put the same bytes into the cache again.
 * - The repeated write: passes its own ghosts, of which it may have several, because the bytes are
 *   the same (or, of UNMAP and WRITE SAME, because doing it twice is doing it once). It must not
 *   pass the ghost of another write, nor overtake a write that was on its way at the same time and
 *   could still land behind it: then the last word would be the ghost's. In both cases it stays
 *   parked; see guard_release().
 * - COMPARE AND WRITE, ORWRITE, PERSISTENT RESERVE OUT cannot be repeated safely. No map carries
 *   them: see struct map_command.
 *
 * Room is bounded: GUARD_RANGES ranges, ranges of one lost login that touch become one as soon as
 * their writes were answered. When there is no room the write stays parked and waits. Only where a
 * write in doubt has to end (with an error, since there has been no path for too long) ranges are
 * stretched to take its ghost in: too much is guarded then, never too little.
 *
 * Lives inside a map and belongs to its worker. Allocates nothing.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"
#include "util/ring.h"

struct guard;
struct map_command;
struct path;

#define GUARD_RANGES  256
#define GUARD_RESERVE 64 /* more, for writes that have to end: one for each path */

/* What may happen to a write in doubt before its ghost is dead. */
enum integrity {
	INTEGRITY_EXCLUSIVE, /* this host alone writes: repeat it, guard its range */
	INTEGRITY_SHARED,    /* others write too: nobody may be told that it is done */
	INTEGRITY_LEGACY,    /* repeat it, guard nothing, as dm-multipath does */
	INTEGRITY_COUNT,
};

/** integrity_name() - as settings and D-Bus have it: "exclusive", "shared", "legacy" */
const char *integrity_name(enum integrity integrity);
/** integrity_of() - Return: -EINVAL for a name that is none */
int integrity_of(const char *name);

struct guard_settings {
	enum integrity integrity;
	uint32_t fence_wait_ms; /* how long every write in doubt is parked for its fence */
	int32_t timeout_ms;	/* how long a ghost is taken to live; -1 = for ever */
};

/* The ghosts of a lost login in these blocks. */
struct guard_range {
	struct path *path;	   /* that carried them; NULL: it is gone, only time ends this */
	struct map_command *owner; /* while that write is under way */
	uint32_t login;
	uint64_t start, end; /* blocks, end is behind the last */
	uint64_t since_ns;   /* when the youngest of them became in doubt */
};

/* Of the map as long as it exists; "now" is when it was asked for. */
struct guard_statistics {
	uint64_t guarded_blocks;    /* now, of ranges and of parked writes */
	uint64_t longest_ms;	    /* that any ghost was guarded against, those now included */
	uint32_t parked, held;	    /* writes, now */
	uint64_t in_doubt, overdue; /* writes that ever came to be so; guards that ended by time */
};

struct guard_owner {
	/** time has come for something: call guard_expire() and guard_release() */
	void (*due)(struct guard *guard);
};

struct guard {
	struct ring *ring;
	const struct guard_owner *owner;
	struct guard_settings settings;
	unsigned active;    /* parked writes and ranges */
	struct list parked; /* struct map_command */
	struct list held;   /* struct map_command in the order they came */
	struct ring_timer timer;
	bool no_room; /* a write stays parked for want of a range */
	unsigned range_count;
	struct guard_range ranges[GUARD_RANGES + GUARD_RESERVE];
	uint64_t in_doubt, overdue, longest_ns;
};

void guard_init(struct guard *guard, struct ring *ring, const struct guard_settings *settings,
		const struct guard_owner *owner);
/** guard_deinit() - no command may be left; ranges are forgotten */
void guard_deinit(struct guard *guard);

/** guard_active() - is anything guarded at all? All that an ordinary write costs. */
static inline bool guard_active(const struct guard *guard)
{
	return guard->active > 0;
}

/** guard_park() - @command became in doubt on @command->path */
void guard_park(struct guard *guard, struct map_command *command);
/** guard_blocks() - would @command, a write, overlap a ghost that is not its own? */
bool guard_blocks(const struct guard *guard, const struct map_command *command);
/** guard_overlap() - do two writes touch the same block? */
bool guard_overlap(const struct map_command *a, const struct map_command *b);
/** guard_hold() - @command waits until guard_blocks() is no longer true */
void guard_hold(struct guard *guard, struct map_command *command);

/**
 * guard_abandon() - @command, in doubt and not parked, ends now: its range stays guarded
 *
 * Not with INTEGRITY_LEGACY. See above for what happens when there is no room.
 */
void guard_abandon(struct guard *guard, struct map_command *command);
/** guard_settle() - @command ends, some ranges are its (command->ghosts) */
void guard_settle(struct guard *guard, struct map_command *command);

/*
 * What becomes free is moved to the end of @freed, first the parked ones, then the held ones that
 * nothing blocks any more.
 */

/** guard_free_fenced() - what @path carried in a login before path->fenced_login is dead */
void guard_free_fenced(struct guard *guard, struct path *path, struct list *freed);
/** guard_expire() - Return: how many ghosts are no longer guarded against although they may live */
unsigned guard_expire(struct guard *guard, struct list *freed);
/**
 * guard_release() - INTEGRITY_EXCLUSIVE: parked writes whose fence_wait is over go on
 * @clear: no other write that overlaps @command is on a wire
 */
void guard_release(struct guard *guard,
		   bool (*clear)(struct guard *guard, const struct map_command *command),
		   struct list *freed);
/**
 * guard_free_all() - every command, also what is still blocked
 * @forget: nothing will be written any more: the ghosts may do as they like
 */
void guard_free_all(struct guard *guard, bool forget, struct list *freed);

/** guard_waits_for() - some write's fence_wait is over, and only @path's fence can free it */
bool guard_waits_for(const struct guard *guard, const struct path *path);

/** guard_forget_path() - @path goes away; its ghosts stay guarded until their time is over */
void guard_forget_path(struct guard *guard, struct path *path);

/** guard_get_statistics() - @blocks: of the unit, for writes of unknown range */
void guard_get_statistics(const struct guard *guard, uint64_t blocks, struct guard_statistics *ret);
