/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The target port groups of a map's unit: in which access state each is, and so which paths carry
 * I/O at all. States are a logical unit's own (SPC-4 §5.15.2.1), so each map asks for its unit; it
 * asks once per target, however many paths and unit attentions say that something has changed:
 * one question at a time, and at most every 100 ms.
 *
 * What sense data say of a port group counts at once, until the target has answered. A group in
 * transition is waited for as long as the target says that one may take, or a minute, and is then
 * taken for one in standby. Where no group does I/O, or none does it well, and the target takes SET
 * TARGET PORT GROUPS, one is activated (activation.c).
 *
 * Lives inside a map and belongs to its worker. Not on the way of any I/O: questions allocate.
 */

#include <stdbool.h>
#include <stdint.h>

#include "multipath/access.h"
#include "util/list.h"
#include "util/ring.h"

struct alua_activation;
struct alua_query;
struct path;
struct port_groups;
struct scsi_sense;
struct unit;

#define PORT_GROUPS_MAX	 32 /* of one unit; paths through more are used as if they had none */
#define PORT_TARGETS_MAX 32

struct port_groups_settings {
	uint32_t poll_ms;	/* ask again after so long, in case nobody told; 0 = never */
	uint32_t transition_ms; /* how long one may take when the target does not say */
	enum activation activation;
};

/* One target port group that a path of the map goes through. */
struct port_group {
	struct port_target *target;
	uint16_t id;
	bool used; /* a place that is not is free */
	enum access_state state;
	bool preferred;
	uint8_t supported;     /* as told; 0 = not */
	uint64_t told_ns;      /* when the target was last asked; what was sent before is stale */
	uint64_t changed_ns;   /* when a transition began */
	bool overdue;	       /* it took too long */
	uint64_t activated_ns; /* when that was tried last; 0 = never */
};

/* One target: who answers questions. */
struct port_target {
	struct port_groups *groups;
	uint64_t name; /* see struct path_port */
	bool used;
	bool refused; /* it does not know REPORT TARGET PORT GROUPS, in spite of what it says */
	bool no_activation; /* nor SET TARGET PORT GROUPS */
	uint8_t tpgs;
	struct alua_query *query; /* under way, through @asked */
	struct path *asked;
	bool again;	       /* something happened meanwhile */
	uint64_t asked_ns;     /* when it was asked last; 0 = never */
	uint64_t due_ns;       /* when to ask next; UINT64_MAX = never */
	uint64_t tried;	       /* bit per path slot: through these nobody answered */
	unsigned failures;     /* rounds in a row without an answer */
	uint32_t transition_s; /* as told; 0 = not */
};

/* Up to the map. */
struct port_groups_owner {
	/** what paths may carry has changed; @told: because the target has said so */
	void (*changed)(struct port_groups *groups, bool told);
	/** for people: @group was in @from */
	void (*told)(struct port_groups *groups, const struct port_group *group,
		     enum access_state from);
	/** the same: SET TARGET PORT GROUPS for @group ended */
	void (*activated)(struct port_groups *groups, const struct port_group *group, int error);
};

struct port_groups {
	const struct port_groups_owner *owner;
	struct ring *ring;
	struct list *paths; /* the map's, by link */
	const struct unit *unit;
	struct port_groups_settings settings;
	struct port_target targets[PORT_TARGETS_MAX];
	struct port_group groups[PORT_GROUPS_MAX];
	struct ring_timer timer;

	struct alua_activation *activation; /* under way, through @activating */
	struct path *activating;
	struct port_group *activated;
	enum activation lack; /* ACTIVATION_NEVER: nothing is lacking */
	uint64_t lack_ns;     /* since when */
};

/** port_groups_init() - @paths, @unit: the map's; the same for both as long as @groups */
void port_groups_init(struct port_groups *groups, struct ring *ring, struct list *paths,
		      const struct unit *unit, const struct port_groups_settings *settings,
		      const struct port_groups_owner *owner);
/** port_groups_deinit() - what is under way is given up */
void port_groups_deinit(struct port_groups *groups);

/** port_groups_join() - @path was verified; its target is asked */
void port_groups_join(struct port_groups *groups, struct path *path);
/** port_groups_leave() - @path is taken out of the map */
void port_groups_leave(struct port_groups *groups, struct path *path);
/** port_groups_ask() - something happened to @path: ask; NULL: every target */
void port_groups_ask(struct port_groups *groups, const struct path *path);
/**
 * port_groups_ask_soon() - the same of every target, but nobody waits for the answer
 *
 * What happens to one path often happens to those of hundreds of units: each asks at a moment of
 * its own within a quarter of a second.
 */
void port_groups_ask_soon(struct port_groups *groups);
/**
 * port_groups_sense() - a command that was sent at @sent_ns over @path ended with @sense
 * Return: false when it says nothing of port groups, or the path has none
 */
bool port_groups_sense(struct port_groups *groups, struct path *path,
		       const struct scsi_sense *sense, uint64_t sent_ns);

/**
 * port_groups_patience_ms() - how long to wait for a port group while no path is usable
 * Return: 0 when there is nothing to wait for.
 */
uint32_t port_groups_patience_ms(const struct port_groups *groups);

/**
 * port_groups_activate() - by hand: SET TARGET PORT GROUPS for the group of one of @members
 * @members: bit per path slot
 * Return: 0, activated() tells how it ended; -EALREADY, it does I/O as well as it can; -EOPNOTSUPP,
 * the target does not take it; -ENOTCONN; -EBUSY while one is under way.
 */
int port_groups_activate(struct port_groups *groups, uint64_t members);

/* --- between port_groups.c and activation.c --- */

/** port_groups_speaker() - the path through which to ask or tell @target; @group: NULL = any */
struct path *port_groups_speaker(const struct port_groups *groups, const struct port_target *target,
				 const struct port_group *group, uint64_t avoid);
/** port_groups_ask_now() - all targets, also those that were asked a moment ago */
void port_groups_ask_now(struct port_groups *groups);
/** port_groups_set_timer() - for what is due next */
void port_groups_set_timer(struct port_groups *groups);
/** activation_check() - is it time to activate a group? Return: when to look again */
uint64_t activation_check(struct port_groups *groups, uint64_t now_ns);
/** activation_forget() - @path is taken out; NULL: all of them */
void activation_forget(struct port_groups *groups, const struct path *path);
