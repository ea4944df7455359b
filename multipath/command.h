/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One command for a multipath map: a SCSI command, and what must be known to send it again
 * somewhere else. Belongs to one worker.
 */

#include <stdbool.h>
#include <stdint.h>

#include "scsi/command.h"
#include "util/list.h"

struct dispatch;
struct hedge;
struct path;

/* What may happen to a command whose fate is in doubt depends on what it does. */
enum map_command_kind {
	MAP_READ,  /* changes nothing: repeat anywhere */
	MAP_WRITE, /* WRITE, WRITE SAME, UNMAP: repeatable, but only once its ghost is dead */
	MAP_FLUSH, /* SYNCHRONIZE CACHE: repeat anywhere */
};

/*
 * One command for a map; block/request embeds it.
 *
 * A map may send any of them twice. So COMPARE AND WRITE, ORWRITE and PERSISTENT RESERVE OUT, which
 * mean something else the second time, do not come here: who needs them sends them over one nexus,
 * and after a loss reads back what has become of it.
 */
struct map_command {
	/* set by the submitter; of @scsi cdb, direction, data and data_length */
	struct scsi_command scsi;
	enum map_command_kind kind;
	uint64_t lba, blocks; /* the range it touches; a write of 0 blocks is the whole unit */

	/** @error: 0, or -errno (-EIO, -ENOSPC, -EBADE, -EROFS, …); runs exactly once */
	void (*done)(struct map_command *command, int error);

	/* the map's while it has the command */
	struct dispatch *dispatch;
	struct path *path;   /* on whose wire it is; or was, while it waits for that path */
	struct hedge *hedge; /* its copy that is, or was, on another wire */
	struct list link;    /* in exactly one list: on a wire, or waiting for something */
	uint64_t sent_ns;    /* last time it went onto a wire */
	uint64_t wake_ns;    /* not to be sent again before; or when it became in doubt */
	uint64_t trouble_ns; /* when it first had to pause; 0 = never */
	uint64_t tried;	     /* bit per path slot: paths that could not do it in this round */
	uint32_t login;	     /* which login of its path carried it */
	int error;	     /* how it ends, once that is decided */
	bool moving;	     /* taken off its wire unanswered, to be sent elsewhere: see hedge.h */
	bool ghosts;	     /* of its own are guarded against (guard.h) */
	bool ended;	     /* by a reset, say; it is aborted only so that it comes back */
	bool conflicted;     /* it met a reservation once, and was given another chance */
	uint8_t same_tries;  /* times it was sent again on the same path */
	uint8_t moves;	     /* times it moved on, blaming the unit and not the path */
	uint8_t pauses;	     /* times it had to pause; each is longer than the one before */
};
