/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Hedged reads of a map: a read that takes too long on its path is sent over another one as well,
 * and the first answer wins.
 *
 * - A read older than max(p99, 3 × p50, 5 ms) of the quickest path is hedged within a budget, a
 *   share of all reads, so that hedging never doubles the load of a target that is slow as a whole.
 * - A read on a path that became suspect is hedged at once, and one that is older than suspect_ms
 *   is wherever it is, both beyond the budget.
 *
 * Two streams never write to the same memory. A hedge has memory of its own, out of a pool of fixed
 * size, and when it wins its original is first taken off its wire (nexus_abandon()) before the data
 * are copied and the original ends. Where no hedge is free, or the read is too long for one, the
 * read itself is taken off the suspect path and sent again.
 *
 * The same clock finds paths whose unit leaves commands unanswered while the session lives, and
 * asks them now and then, by a read that nobody waits for, whether they are back.
 *
 * Lives inside a dispatch and belongs to its worker. Allocates nothing after hedging_prepare().
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/command.h"
#include "util/list.h"
#include "util/ring.h"

struct dispatch;
struct hedging;
struct path;
struct path_group;

#define HEDGE_SLOTS 16
#define HEDGE_BYTES (256u * 1024) /* longest read that fits */

enum hedge_state {
	HEDGE_RACING, /* both are on a wire, or nobody waits for the copy any more */
	HEDGE_WAITED, /* the original came back in vain: it goes on when the copy did, too */
	HEDGE_WON,    /* the copy has the data; the original is on its way back */
};

struct hedge {
	struct map_command copy;
	struct map_command *original; /* NULL: nobody waits for the copy */
	enum hedge_state state;
	struct list link; /* in free or busy */
};

/* Up to the dispatch. */
struct hedging_owner {
	/** the copy of a read comes back: judge it and call hedging_copy_returned() */
	void (*copy_done)(struct scsi_command *copy);
	/** @original ended well, its data are in place */
	void (*finish)(struct hedging *hedging, struct map_command *original);
	/** the copy came back in vain, too: go on with @original by its own result; its path may be
	 * NULL when that was removed meanwhile */
	void (*resume)(struct hedging *hedging, struct map_command *original);
};

struct hedging_settings {
	uint32_t suspect_ms; /* unanswered for so long: suspect; 0 = never, and nothing is hedged */
	uint32_t budget;     /* hedges per hundred reads; 0 = only suspects are hedged */
	uint32_t block_size; /* bytes, for a read that asks whether a unit is back */
};

struct hedging {
	const struct hedging_owner *owner;
	struct hedging_settings settings;
	struct dispatch *dispatch;
	struct ring *ring;
	struct path_group *group;
	uint32_t tokens; /* a hundred buy a hedge */
	uint32_t reads;
	uint64_t look_after_ns; /* how old a read may grow before it is looked at */
	uint8_t *memory;	/* HEDGE_SLOTS times HEDGE_BYTES; NULL until it is prepared */
	struct hedge slots[HEDGE_SLOTS];
	struct list free, busy; /* struct hedge */
	struct ring_timer timer;
};

/** hedging_init() - @dispatch: whose it is */
void hedging_init(struct hedging *hedging, struct dispatch *dispatch, struct ring *ring,
		  struct path_group *group, const struct hedging_settings *settings,
		  const struct hedging_owner *owner);
/** hedging_deinit() - none may be busy */
void hedging_deinit(struct hedging *hedging);

/**
 * hedging_prepare() - two paths carry I/O, perhaps for the first time: there may be hedges from now
 * on
 *
 * Without memory for them there are none, and reads are moved only.
 */
void hedging_prepare(struct hedging *hedging);

/** hedging_idle() - no copy is on any wire */
static inline bool hedging_idle(const struct hedging *hedging)
{
	return list_empty(&hedging->busy);
}

/** hedging_sent() - @command went onto a wire */
void hedging_sent(struct hedging *hedging, const struct map_command *command);

/**
 * hedging_returned() - a read that has a hedge came back
 * Return: true when it is taken care of: finish() has run, or it or resume() will
 */
bool hedging_returned(struct hedging *hedging, struct map_command *original, bool good);

/** hedging_copy_returned() - a copy did; path_returned() was called for it */
void hedging_copy_returned(struct hedging *hedging, struct map_command *copy, bool good);

/** hedging_path_suspect() - @path became suspect: its reads are sent elsewhere, too */
void hedging_path_suspect(struct hedging *hedging, struct path *path);

/** hedging_forget_path() - @path goes away; nothing is on its wire */
void hedging_forget_path(struct hedging *hedging, struct path *path);
