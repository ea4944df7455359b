/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One multipath map: every path to one logical unit, and the commands on their way to it. Belongs
 * to one worker; every call comes from that worker's thread.
 *
 * A command is sent on the path that the selector chooses. When a path fails, what is safe moves to
 * another path at once; a write whose fate is in doubt is held back (the guard) until its old nexus
 * is known to be dead or replacement_timeout is over. With no usable path, commands queue for
 * no_path_retry and then fail with EIO.
 */

#include <stdbool.h>
#include <stdint.h>

#include "scsi/command.h"
#include "scsi/unit.h"
#include "util/list.h"

struct map;
struct nexus;
struct path;
struct ring;

/* What may happen to a command whose fate is in doubt depends on what it does. */
enum map_command_kind {
	MAP_READ,  /* changes nothing: repeat anywhere */
	MAP_WRITE, /* WRITE, WRITE SAME, UNMAP: repeatable, but only once its ghost is dead */
	MAP_FLUSH, /* SYNCHRONIZE CACHE: repeat anywhere */
};

/* One command for a map; block/request embeds it. */
struct map_command {
	struct scsi_command
		scsi; /* cdb, direction, data, data_length set by the submitter; rest ours */
	enum map_command_kind kind;
	uint64_t lba, blocks; /* the range it touches; for guards and accounting */

	/** @error: 0, or -errno (-EIO, -ENOSPC, -EBADE, -EROFS, -EOPNOTSUPP, …); runs exactly once
	 */
	void (*done)(struct map_command *command, int error);

	/* the map's while it has the command */
	struct map *map;
	struct path *path;
	struct list link;
	uint64_t queued_ns, sent_ns;
	uint8_t tries;
};

struct map_settings {
	char selector[32];	  /* "service-time", "round-robin" */
	int32_t no_path_retry_ms; /* how long commands queue with no usable path; -1 = for ever */
	int32_t replacement_timeout_ms; /* how long an in-doubt write waits; -1 = for ever */
};

enum map_state {
	MAP_OK,		      /* every path is usable */
	MAP_DEGRADED,	      /* some are */
	MAP_NO_PATH_QUEUEING, /* none is, commands queue */
	MAP_NO_PATH_FAILING,  /* none is, commands fail with EIO */
	MAP_STATE_COUNT,
};

enum path_state {
	PATH_PENDING,	  /* its nexus is up, identity not verified yet */
	PATH_ACTIVE,	  /* carries I/O */
	PATH_FAILED,	  /* its nexus is down, or failed too often */
	PATH_QUARANTINED, /* leads to another unit than it should: never used */
	PATH_STATE_COUNT,
};

/* Names as D-Bus and the CLI show them ("ok", "no-path-queueing", "active" …). */
const char *map_state_name(enum map_state state);
const char *path_state_name(enum path_state state);

/* Counters of a map or path since it exists. Read on the worker, copied to others. */
struct path_statistics {
	uint64_t reads, writes, flushes, discards; /* commands completed */
	uint64_t bytes_read, bytes_written;
	uint64_t errors;			 /* commands that came back with a path error */
	uint64_t failures;			 /* times the path failed */
	uint64_t latency_sum_ns, latency_max_ns; /* over completed reads and writes */
	uint32_t in_flight;
	uint64_t in_flight_bytes;
	uint64_t ewma_latency_ns;
};

/* What happened to a map; every call comes on the map's own thread. */
struct map_observer {
	/** @path: changed state; @reason: a few plain words, valid during the call */
	void (*path_changed)(struct map *map, struct path *path, enum path_state from,
			     const char *reason, void *userdata);
	void (*map_changed)(struct map *map, enum map_state from, void *userdata);
	/** the unit said that its @lun inventory, capacity or identity changed: look again */
	void (*attention)(struct map *map, struct path *path, uint8_t asc, uint8_t ascq,
			  void *userdata);
};

/**
 * map_new() - an empty map for @unit, with no path yet
 * @ring: of the worker that owns it
 * @unit: copied
 * @observer: alive as long as the map; may be NULL
 *
 * Return: 0; -ENOMEM; -EINVAL for an unknown selector.
 */
int map_new(struct ring *ring, const struct unit *unit, const struct map_settings *settings,
	    const struct map_observer *observer, void *userdata, struct map **ret);

/** map_free() - NULL is fine; no command may be in the map, see map_fail_all() */
void map_free(struct map *map);

const struct unit *map_unit(const struct map *map);
enum map_state map_get_state(const struct map *map);
unsigned map_path_count(const struct map *map);

/** map_submit() - @command is the map's until done() has run, never inside this call */
void map_submit(struct map *map, struct map_command *command);

/** map_fail_all() - end every command that is not on the wire with @error, and all later ones */
void map_fail_all(struct map *map, int error);

/** map_idle() - no command is in the map */
bool map_idle(const struct map *map);

/**
 * map_add_path() - one more way to the unit, PENDING until path_verified()
 * @nexus: alive as long as the path
 * @userdata: the owner's, see path_userdata()
 */
int map_add_path(struct map *map, struct nexus *nexus, void *userdata, struct path **ret);

/** map_remove_path() - frees @path; its commands move as if it had failed; none may be on its wire
 */
void map_remove_path(struct map *map, struct path *path);

/** path_verified() - the identity behind the nexus was checked since its last login: use it */
void path_verified(struct path *path);
/** path_lost() - its nexus went down; the transport returns its commands one by one */
void path_lost(struct path *path, const char *reason);
/** path_quarantine() - another unit answers behind it: no read, no write, until it is removed */
void path_quarantine(struct path *path, const char *reason);
/** path_fenced() - its old nexus is dead (session reinstated): in-doubt writes may go elsewhere */
void path_fenced(struct path *path);

enum path_state path_get_state(const struct path *path);
void *path_userdata(const struct path *path);
const struct path_statistics *path_get_statistics(const struct path *path);
/** path_in_doubt() - number of writes that wait for this path's old nexus to be fenced */
unsigned path_in_doubt(const struct path *path);
