/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One path of a map: a nexus to the unit, whether it may carry I/O, and what it carries. The first
 * part is for whoever brings paths up and takes them down; the second is for the rest of this room.
 * Belongs to the map's worker; every call comes from that worker's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/access.h"
#include "multipath/path_health.h"
#include "multipath/path_latency.h"
#include "multipath/path_state.h"
#include "scsi/nexus.h"
#include "util/list.h"

struct fence;
struct fence_settings;
struct map;
struct map_command;
struct path;
struct port_group;
struct probe;
struct ring;
struct scsi_result;

/* Counters of a path since it exists. Read on the worker, copied to others. */
struct path_statistics {
	uint64_t reads, writes, flushes, discards; /* commands completed */
	uint64_t bytes_read, bytes_written;
	uint64_t errors;			 /* commands that came back with a path error */
	uint64_t failures;			 /* times the path failed */
	uint64_t latency_sum_ns, latency_max_ns; /* over completed reads and writes */
	uint32_t in_flight;
	uint64_t in_flight_bytes;
	uint64_t ewma_latency_ns;
	uint64_t p99_latency_ns; /* of the last thousand reads or so; 0 = not known yet */
	uint64_t hedged;	 /* its reads that were sent over another path, too */
	uint64_t hedges_won;	 /* reads of other paths that it answered first */
};

/* Which target port a path goes through, and what is known of it before anybody was asked. */
struct path_port {
	uint64_t target; /* the same for all ports of one target, by its name */
	int32_t group;	 /* target port group, relative target port (VPD 83h); -1 = not told */
	int32_t relative;
	uint8_t tpgs;		/* ALUA_IMPLICIT, ALUA_EXPLICIT; 0 = there are no port groups */
	enum access_state seen; /* when the unit was probed; ACCESS_UNKNOWN: it did all */
};

/**
 * path_set_port() - before path_verified(), for which it counts
 *
 * With @port->seen the size behind the path could not be read: it carries I/O only when that is
 * done, after its port group has begun to.
 */
void path_set_port(struct path *path, const struct path_port *port);

/* How the target says that its unit is reached through a path. */
struct path_access {
	enum access_state state;
	bool preferred;
	bool barred;	    /* it carries no I/O because of that */
	int32_t port_group; /* -1 = none */
	int priority;
	unsigned group; /* path group, from 1; 0 = none */
};
void path_get_access(const struct path *path, struct path_access *ret);

/**
 * path_verified() - the identity behind the nexus was checked since its last login: use it
 *
 * It carries I/O from then on, unless it is quarantined: at first on probation if it has carried
 * some before and fell, or marginal if it does so again and again. It also says that the nexus was
 * logged in again since path_lost(), in place of the old one: so where writes are in doubt,
 * path_fence() follows over the path's own nexus.
 */
void path_verified(struct path *path);

/**
 * path_lost() - its nexus went down; the transport returns its commands one by one
 * @reason: a few plain words, for the observer
 */
void path_lost(struct path *path, const char *reason);

/**
 * path_unmapped() - the target says that there is no such unit behind the nexus
 *
 * Not a fault of the path. When all paths of a map say so the unit is lost.
 */
void path_unmapped(struct path *path, const char *reason);

/**
 * path_doubt_identity() - no more I/O before path_verified(): the unit may be another by now
 *
 * What is on its wire counts no more: it is sent again. Raises nexus->doubts, so that whoever began
 * to look before can tell that he saw too little.
 */
void path_doubt_identity(struct path *path, const char *reason);

/** path_suspend() - the same, while who it leads to is not in question: something else has to be
 * done */
void path_suspend(struct path *path, const char *reason);

/** path_quarantine() - another unit answers behind it: no read, no write, until it is removed */
void path_quarantine(struct path *path, const char *reason);

/**
 * path_fenced() - its old nexus is dead: in-doubt writes may go elsewhere
 *
 * For use after path_lost(), when the session was logged out with an answer, or its tasks were
 * ended by PREEMPT AND ABORT. Covers what was sent before path_lost(), also what the transport
 * returns later.
 */
void path_fenced(struct path *path);

/**
 * path_fence() - a login took the place of the lost one: make sure that nothing of that can follow
 * @nexus: to the same unit through the new session; alive until @done has run or, when the path is
 *         removed before, until its commands have come back
 * @done: runs exactly once, maybe inside this call; @fenced: as path_fenced(). May be NULL
 *
 * After path_lost(). A fence that is under way already is given up for this one. See fence.h.
 */
void path_fence(struct path *path, struct nexus *nexus,
		void (*done)(struct path *path, bool fenced, void *userdata), void *userdata);

/**
 * path_set_weight() - how much it is to carry in comparison with others
 * @weight: 1 … 10000; PATH_WEIGHT_USUAL (100) is what every path has at first
 *
 * For selectors that weigh: all but round-robin.
 */
void path_set_weight(struct path *path, unsigned weight);

enum path_state path_get_state(const struct path *path);
struct map *path_map(const struct path *path);
struct nexus *path_nexus(const struct path *path);
void *path_userdata(const struct path *path);
const struct path_statistics *path_get_statistics(const struct path *path);
/** path_in_doubt() - writes and guarded ranges that wait for its old nexus to be fenced */
unsigned path_in_doubt(const struct path *path);

/* --- for this room --- */

#define PATH_SLOTS 64 /* most paths of one map */

/* Up to the map; no call may free the path. */
struct path_owner {
	void (*changed)(struct path *path, enum path_state from, const char *reason);
	void (*fenced)(struct path *path);
	/** how to fence it, and the clock for that */
	const struct fence_settings *(*fencing)(struct path *path, struct ring **ring);
	/** a fence has reset the unit: what is on any wire to it is over */
	void (*unit_reset)(struct path *path);
	/** somebody else's command met a unit attention behind it */
	void (*attention)(struct path *path, const struct scsi_result *result);
};

/* Why a path is suspect or throttled; bits. */
enum path_trouble {
	PATH_SILENT = 1,     /* its transport says so: all that goes through it is suspect */
	PATH_UNANSWERED = 2, /* the unit behind it leaves commands unanswered */
	PATH_CLOSED = 4,     /* its transport may not send */
};

struct path {
	const struct path_owner *owner;
	const struct ring *ring;
	struct map *map;
	struct nexus *nexus;
	struct nexus_holder holder;
	void *userdata;
	enum path_state state;
	enum path_state standing; /* see path_state.h */
	unsigned trouble;	  /* enum path_trouble */
	bool fell;		  /* since it was let in last; its standing is new */
	struct path_health health;
	unsigned slot; /* 0 … PATH_SLOTS-1, unique in its map */
	bool last;     /* what its nexus was told last */
	bool verified; /* its identity, since its last login */
	struct path_port port;
	struct port_group *port_group; /* of port_groups.h; NULL = none */
	enum access_state access;      /* what the target says of it */
	bool preferred;
	bool barred;	     /* it carries no I/O, whatever its own state */
	bool unsized;	     /* the size behind it was not read yet */
	struct probe *sizer; /* while it is being read */
	int priority;
	unsigned group;		  /* path group in use, from 1; the map's */
	uint32_t login;		  /* counts the times its nexus went down */
	uint32_t fenced_login;	  /* what was sent in an earlier login than this one is dead */
	uint32_t errors_in_a_row; /* path errors since a command last ended well */
	unsigned in_doubt;	  /* guard.c counts */
	uint32_t help_asked;	  /* login up to which somebody was asked for another fence */
	bool conflict_told;	  /* since its last login: a reservation keeps it from writing */
	struct fence *fence;	  /* under way; path_fence.c has it and what follows */
	uint32_t fence_login;	  /* it covers what was sent before */
	void (*fence_done)(struct path *path, bool fenced, void *userdata);
	void *fence_userdata;
	struct list link;	/* in its map */
	struct list group_link; /* in its path group, least recently chosen first */
	struct list on_wire;	/* struct map_command, oldest first */
	struct list aborting;	/* those that were asked to end early */
	struct path_statistics statistics;
	struct path_latency latency;
	uint64_t answered_ns; /* when the device last said anything to a command */
	uint64_t probed_ns;   /* when it was last asked whether it answers again */

	/* The least that a command took lately: what the way costs when nothing is on it. */
	uint64_t least_latency_ns, least_before_ns, least_since_ns;
	/* Nanoseconds per cost at the best that it was seen to serve lately; times 2^16. */
	uint64_t cost_time;
	bool full; /* enough is on its way: others first */
	/* Commands that the device takes at once, since it said TASK SET FULL; 0 = no limit. */
	uint32_t window;
	uint64_t window_ns;    /* when that changed last */
	uint32_t weight_scale; /* PATH_WEIGHT_ONE = as any other; half of it = carries twice as much
				*/

	/* How fast it is: cost (see PATH_COMMAND_COST) served per millisecond of being busy. */
	uint64_t cost_in_flight, cost_served;
	uint64_t busy_since_ns, busy_ns, measured_ns;
	uint64_t throughput; /* 0 = not known */

	/* the unit attention reported last, so that a storm of them is one event */
	uint16_t attention; /* ASC and ASCQ */
	uint64_t attention_ns;
};

#define PATH_WEIGHT_ONE	  256u
#define PATH_WEIGHT_USUAL 100u

/* A command costs its bytes and this, so that many small ones count too. */
#define PATH_COMMAND_COST 4096

/**
 * path_new() - in PATH_VERIFY; it is the holder of @nexus from now on
 * @ring: for its clock
 * Return: 0 or -ENOMEM
 */
int path_new(const struct ring *ring, struct map *map, struct nexus *nexus, unsigned slot,
	     const struct path_owner *owner, void *userdata, struct path **ret);
/** path_free() - nothing may be on its wire; NULL is fine */
void path_free(struct path *path);

/** path_alive() - but for its target port group it is usable */
bool path_alive(const struct path *path);
/** path_usable() - it carries I/O, and its nexus takes commands */
bool path_usable(const struct path *path);
/** path_has_room() - the device has not said that its task set is full with what is there */
static inline bool path_has_room(const struct path *path)
{
	return path->window == 0 || path->statistics.in_flight < path->window;
}
/** path_task_set_full() - it said so of a command that has just come back */
void path_task_set_full(struct path *path);
/** path_bit() - its bit in map_command.tried */
uint64_t path_bit(const struct path *path);
/** path_error() - a command of its present login failed, and it is to blame */
void path_error(struct path *path);
/** path_strike() - something else speaks against it: see path_health.h */
void path_strike(struct path *path, const char *reason);
/** path_fail() - it failed commands too often; its nexus is still up */
void path_fail(struct path *path, const char *reason);
/** path_suspect() - commands stay unanswered; over with the first that ends well */
void path_suspect(struct path *path, const char *reason);
/** path_due_ns() - when time alone changes its state; UINT64_MAX = never */
uint64_t path_due_ns(const struct path *path);
/** path_check_due() - look whether that time has come */
void path_check_due(struct path *path);
/**
 * path_reinstate() - use it again after path_fail(), because no other path is left
 * Return: false when it must not be used, or is in use.
 */
bool path_reinstate(struct path *path, const char *reason);
/** path_set_last() - tell its nexus whether another path is usable */
void path_set_last(struct path *path, bool last);

/**
 * path_send() - put @command on the wire
 * Return: 0, and scsi.done() comes later; -ENOTCONN, and nothing happened.
 */
int path_send(struct path *path, struct map_command *command, uint64_t now_ns);
/** path_returned() - @command came back; @good: with success, so that it counts */
void path_returned(struct path *path, struct map_command *command, bool good, uint64_t now_ns);
/** path_least_latency_ns() - 0 = not known */
uint64_t path_least_latency_ns(const struct path *path);
/** path_late() - a read took at least so long; its answer is not waited for any more */
void path_late(struct path *path, uint64_t latency_ns);
/** path_expects_soon() - a read or write; a flush or a discard may take its time */
bool path_expects_soon(const struct map_command *command);
/** path_abort() - ask for an early end of @command, which is on the wire; once */
void path_abort(struct path *path, struct map_command *command);
/** path_abort_before() - ask for an early end of all that was sent before @command, on the wire */
void path_abort_before(struct path *path, struct map_command *command);
/** path_abort_all() - the same of all on the wire: somebody else has ended it */
void path_abort_all(struct path *path);
/** path_fence_cancel() - before it is removed, or lost again: done() tells that it is not fenced */
void path_fence_cancel(struct path *path);
/** path_attention_is_new() - not the same one as in the last half second, in the same state */
bool path_attention_is_new(struct path *path, uint8_t asc, uint8_t ascq, uint64_t now_ns);
