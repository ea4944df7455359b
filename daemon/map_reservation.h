/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The persistent reservation of a map (SPC-4 §5.13). To a unit each path is a nexus of its own,
 * with a registration of its own; to whoever uses the map there is one host with one key. So this
 * keeps the key and what this host holds, registers all paths or none, and lets no path carry I/O
 * before it is registered again.
 *
 * Fencing is never undone: a path that comes back is registered only while a key of this host is
 * still there, through this nexus or another. When none is, somebody took it away: the state is
 * lost, writes fail with EBADE, and nothing is registered until an operator asks for it.
 *
 * Knows no session and no worker: it is told which paths there are, asks for commands to be sent
 * through them, and says which may carry I/O. One order is carried out after the other; each is a
 * few commands. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/event.h"
#include "daemon/reservation_call.h"
#include "daemon/saved_reservation.h"
#include "util/error.h"
#include "util/list.h"

struct map_reservation;

/* The low bits of the base key that are the number of a path, with a key for each path. */
#define RESERVATION_PATH_BITS UINT64_C(0xffff)

/* One path; embedded in its owner. */
struct reservation_path {
	struct map_reservation *reservation; /* NULL: not added yet */
	struct list link;
	uint64_t id; /* the same for the same portal, interface and lane in another life */
	bool registered;
	bool was_registered;  /* when it was lost: the unit has its key, as far as is known */
	bool waiting;	      /* to be registered, and then to be let in */
	bool passed, changed; /* by the order that is under way */
	bool silent;	      /* to it: another one is asked instead */
};

struct map_reservation_ops {
	/** can commands be sent through @path now? */
	bool (*connected)(const struct reservation_path *path);
	/** send @call; Return: 0, and call->done() runs later; -ENOTCONN */
	int (*send)(struct reservation_path *path, struct reservation_call *call);
	/** @path may carry I/O as far as this is concerned */
	void (*admit)(struct reservation_path *path);
	/** it may not, because of @reason; map_reservation_may_carry() is to be asked again */
	void (*withhold)(struct reservation_path *path, const char *reason);
	/** @path carries I/O perhaps: no more, until admit() */
	void (*suspend)(struct reservation_path *path);
	/** writes in doubt that went through @path, which is lost, can not be carried out any more
	 */
	void (*fenced)(struct reservation_path *path);
	/** something to be shown or saved has changed */
	void (*changed)(struct map_reservation *reservation);
	/** @reason: NULL where the kind says all */
	void (*event)(struct map_reservation *reservation, enum event_kind kind,
		      const char *reason);
};

/* Read by the owner. */
struct map_reservation {
	const struct map_reservation_ops *ops;
	void *userdata;
	struct saved_reservation holding; /* what must survive this process */
	struct reservation_status status; /* as the unit said last; of anybody */
	struct list paths;		  /* struct reservation_path */

	uint64_t configured; /* key to look for at the unit; 0: none */
	bool looked;	     /* for it */
	bool checked, check_queued;
	struct list orders; /* struct reservation_op; the first one is under way */
};

/**
 * map_reservation_new() - without paths
 * @saved: what a process before this one held; copied
 * @configured: the key of this host; when the unit has it already, it is ours; 0: none
 */
int map_reservation_new(const struct map_reservation_ops *ops, void *userdata,
			const struct saved_reservation *saved, uint64_t configured,
			struct map_reservation **ret);
/**
 * map_reservation_free() - its paths are gone; orders end with an error, and nothing that was asked
 * of the ops comes back here. NULL is fine
 */
void map_reservation_free(struct map_reservation *reservation);

void map_reservation_add_path(struct map_reservation *reservation, struct reservation_path *path,
			      uint64_t id);
/** map_reservation_remove_path() - one that was not added is fine */
void map_reservation_remove_path(struct reservation_path *path);

/**
 * map_reservation_may_carry() - @path leads to the right unit: may it carry I/O?
 *
 * Return: false, and admit() or withhold() follows.
 */
bool map_reservation_may_carry(struct reservation_path *path);
/** map_reservation_path_lost() - it has to be registered again when it is back */
void map_reservation_path_lost(struct reservation_path *path);
/** map_reservation_conflict() - @path was suspended, its command met a reservation */
void map_reservation_conflict(struct reservation_path *path);
/**
 * map_reservation_attention() - the unit said 6/@asc/@ascq through @path
 *
 * The path is to be verified again, and map_reservation_may_carry() to be asked.
 */
void map_reservation_attention(struct reservation_path *path, uint8_t asc, uint8_t ascq);

/** map_reservation_look() - now and then: does the unit still have what this host wants? */
void map_reservation_look(struct map_reservation *reservation);

/**
 * map_reservation_fence() - kill what went through @path, which is lost
 *
 * By PREEMPT AND ABORT of its key over another path: possible with a key for each path, while a
 * reservation keeps out who is not registered. fenced() follows when it worked.
 */
void map_reservation_fence(struct reservation_path *path);
/** map_reservation_can_fence() - as far as is known now */
bool map_reservation_can_fence(const struct map_reservation *reservation);

/** map_reservation_key() - of one path; 0 while there is none */
uint64_t map_reservation_key(const struct reservation_path *path);

/* What an operator or a cluster asks for. */
enum reservation_verb {
	RESERVATION_DO_QUERY,
	RESERVATION_DO_REGISTER,
	RESERVATION_DO_UNREGISTER,
	RESERVATION_DO_RESERVE,
	RESERVATION_DO_RELEASE,
	RESERVATION_DO_CLEAR,
	RESERVATION_DO_PREEMPT,
	RESERVATION_VERB_COUNT,
};

struct reservation_request {
	enum reservation_verb verb;
	enum reservation_in query;
	uint64_t key;  /* REGISTER: the new one, 0 = the configured one; PREEMPT: the victim's */
	uint8_t type;  /* RESERVE; PREEMPT, RELEASE: 0 = the one there is */
	bool per_path; /* REGISTER: a key for each path, see RESERVATION_PATH_BITS */
	bool ignore;   /* REGISTER: whatever is registered there already */
	bool survives_power;   /* REGISTER: APTPL */
	bool all_target_ports; /* REGISTER: ALL_TG_PT */
	bool abort;	       /* PREEMPT: end the victim's commands, too */
};

/**
 * reservation_done - how it ended
 * @answer: of a query, when it went well: length bytes of answer are valid during the call
 */
typedef void reservation_done(const struct error *error, const struct reservation_call *answer,
			      void *userdata);

/** map_reservation_ask() - @done runs exactly once, maybe inside this call */
void map_reservation_ask(struct map_reservation *reservation,
			 const struct reservation_request *request, reservation_done *done,
			 void *userdata);
