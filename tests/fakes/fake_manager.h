/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A daemon/manager.h without a daemon: nodes, sessions, maps and paths are whatever the test says,
 * records live in memory only, and an operation ends when the test wants it to. For the faces, and
 * for who talks to them.
 */

#include "daemon/manager.h"
#include "daemon/manager_reservations.h"

struct event_facts;

/** fake_manager_new() - no objects, ready, initiator name "iqn.2026-01.org.example:host" */
struct manager *fake_manager_new(void);
void fake_manager_free(struct manager *manager);

/** fake_manager_populate() - 2 nodes of one target, a session each, 1 map over both */
void fake_manager_populate(struct manager *manager);

/* Objects; observers hear of them. Texts are copied, too long ones cut. */
struct node *fake_node_add(struct manager *manager, const char *target, const char *address,
			   uint16_t port);
/** fake_session_add() - logged in, with a controller as logical unit 0 */
struct session_view *fake_session_add(struct manager *manager, struct node *node);
struct map_view *fake_map_add(struct manager *manager, const char *wwid, const char *name);
/** fake_path_add() - ACTIVE, logical unit 1; also as a unit of the session */
struct path_view *fake_path_add(struct manager *manager, struct map_view *map,
				struct session_view *session);
/** fake_session_remove() - with its paths; maps without path go too */
void fake_session_remove(struct manager *manager, struct session_view *session);

/** fake_changed() - tell the observers */
void fake_changed(struct manager *manager, enum object_kind kind, void *object);
/** fake_event() - into the ring, and the observers hear of it */
void fake_event(struct manager *manager, enum object_kind about, const void *object,
		const struct event_facts *facts);

/** fake_manager_hold() - from now on operations wait for fake_manager_release() */
void fake_manager_hold(struct manager *manager);
/** fake_manager_release() - end the operations that wait; the next ones wait no more */
void fake_manager_release(struct manager *manager);
/** fake_manager_waiting() - how many wait */
unsigned fake_manager_waiting(const struct manager *manager);
/** fake_manager_use() - from now on somebody has every device in use */
void fake_manager_use(struct manager *manager);
/** fake_manager_fail_next() - the next operation, a refresh apart, ends with this error */
void fake_manager_fail_next(struct manager *manager, enum error_code code, const char *text);

/** FAKE_READS_A_ROUND - that every path has served more after each manager_refresh_statistics() */
#define FAKE_READS_A_ROUND 1000000

/* What was asked for; sid 0: a map's unit. */
struct fake_reset {
	uint32_t sid;
	enum reset_scope scope;
	uint64_t number;
};
const struct fake_reset *fake_manager_last_reset(const struct manager *manager);
/** fake_manager_login_wait() - what the last login waited for */
enum login_wait fake_manager_login_wait(const struct manager *manager);
/** fake_manager_removed_by_force() - the option of the last removal */
bool fake_manager_removed_by_force(const struct manager *manager);
/** fake_manager_last_group() - the path group that was asked for; 0: the best */
unsigned fake_manager_last_group(const struct manager *manager);

/** fake_manager_last_reservation() - what was asked for; orders show in the map as if they worked
 */
const struct reservation_request *fake_manager_last_reservation(const struct manager *manager);

/** fake_manager_last_discovery() - what was asked for */
const struct discovery_request *fake_manager_last_discovery(const struct manager *manager);
