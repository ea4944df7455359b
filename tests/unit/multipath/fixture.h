/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A map over some fake paths to one RAM disk, a clock that stands still, and requests that keep
 * account of how they ended.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "multipath/map.h"
#include "tests/fakes/fake_nexus.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_unit.h"
#include "util/list.h"

#define FIXTURE_PATHS	   8
#define FIXTURE_BLOCKS	   1024
#define FIXTURE_BLOCK_SIZE 512
#define FIXTURE_EVENTS	   4096
#define NOT_ENDED	   1 /* a request's error while it is on its way */

struct path_event {
	struct path *path;
	enum path_state from, to;
	char reason[64];
};

struct map_event {
	enum map_state from, to;
};

struct attention_event {
	struct path *path;
	uint8_t asc, ascq;
};

struct fixture {
	struct ring *ring;
	struct fake_unit *unit;
	struct unit description;
	struct map_settings settings;
	struct map *map;
	unsigned path_count;
	struct fake_nexus *nexus[FIXTURE_PATHS];
	struct path *path[FIXTURE_PATHS];
	struct list requests;

	/* what the map told; counted for ever, kept up to FIXTURE_EVENTS */
	struct path_event path_events[FIXTURE_EVENTS];
	struct map_event map_events[FIXTURE_EVENTS];
	struct attention_event attentions[FIXTURE_EVENTS];
	size_t path_event_count, map_event_count, attention_count;
	unsigned deferred_errors, guards_expired, ghosts_unguarded, fences_wanted;
	struct path *fence_wanted; /* the last one */
	unsigned conflicts;
	struct path *conflict; /* the last one */
};

struct request {
	struct map_command command;
	struct fixture *fixture;
	struct list link;
	int error;	 /* NOT_ENDED, then what done() got */
	unsigned ended;	 /* times that done() ran */
	bool submitting; /* map_submit() has not returned */
	void (*on_done)(struct request *request);
	uint8_t data[8 * FIXTURE_BLOCK_SIZE];
};

/* 60 s, shared, fence 250 ms, guard 120 s, no timeout, round-robin */
extern const struct map_settings fixture_settings;
extern const char *fixture_vendor; /* of units to come; NULL: nobody knows that target */

/** fixture_new() - @paths active paths; @settings: NULL = fixture_settings */
struct fixture *fixture_new(unsigned paths, const struct map_settings *settings);
/** fixture_free() - every request must have ended, exactly once */
void fixture_free(struct fixture *fixture);

/** fixture_add_path() - pending; Return: its index */
unsigned fixture_add_path(struct fixture *fixture);
void fixture_remove_path(struct fixture *fixture, unsigned index);

/** fixture_run() - all paths answer until none has anything to do; no time passes */
void fixture_run(struct fixture *fixture);

/** fixture_lose() - the connection breaks with everything on it sent; the map is told */
void fixture_lose(struct fixture *fixture, unsigned index);
/** fixture_relogin() - a new session in place of the old: ghosts die, identity is verified, and the
 * fence's barrier is answered */
void fixture_relogin(struct fixture *fixture, unsigned index);
/** fixture_answer_fence() - let its barrier, sent last on @index's own nexus, come back */
void fixture_answer_fence(struct fixture *fixture, unsigned index);

/** fixture_prove() - so much time passes without an error that probation is over */
void fixture_prove(struct fixture *fixture);

struct request *fixture_read(struct fixture *fixture, uint64_t lba, uint32_t blocks);
/** fixture_write() - @blocks blocks full of @byte */
struct request *fixture_write(struct fixture *fixture, uint64_t lba, uint32_t blocks, uint8_t byte);
struct request *fixture_flush(struct fixture *fixture);
/** fixture_request() - made, not submitted */
struct request *fixture_request(struct fixture *fixture, enum map_command_kind kind, uint64_t lba,
				uint32_t blocks, uint8_t byte);
void fixture_submit(struct fixture *fixture, struct request *request);

/** fixture_queued() - commands on the wire of one path */
size_t fixture_queued(const struct fixture *fixture, unsigned index);
/** fixture_where() - index of the one path that has something on its wire; fails otherwise */
unsigned fixture_where(const struct fixture *fixture);
/** fixture_executed() - commands that all paths ever got */
size_t fixture_executed(const struct fixture *fixture);
