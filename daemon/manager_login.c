/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Login as an operation: the sessions that a node wants, and who waits for them. */

#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define LANES_MAX 32u  /* sessions of one node */
#define GRACE_MS  3000 /* for the other portals, when one of a target was there first */

/* Someone waits for all sessions of a node. */
struct login_request {
	struct list link;
	struct manager *manager;
	struct node *node;
	struct error error; /* the first session that was given up */
	sd_event_source *grace;
	bool target_is_enough; /* the grace is over */
	manager_done *done;
	void *userdata;
};

/* Making sessions. */

static bool isid_taken(struct manager *manager, const char *target, const uint8_t isid[6])
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (strcmp(session->target, target) == 0 && memcmp(session->isid, isid, 6) == 0)
			return true;
	return false;
}

static void session_identify(struct manager *manager, struct session_view *view, struct node *node,
			     unsigned lane)
{
	struct record *iface = manager_node_iface(manager, node->key.iface, node->record);
	const char *name = iface_binding(iface, "iface.initiatorname");
	const struct isid_path path = {
		.address = node->key.address,
		.port = node->key.port,
		.iface = node->key.iface,
		.lane = lane,
	};

	view->sid = manager->next_sid++;
	view->node = node;
	view->lane = lane;
	text_copy(view->target, sizeof(view->target), node->key.target);
	text_copy(view->iface, sizeof(view->iface), node->key.iface);
	text_copy(view->initiator_name, sizeof(view->initiator_name),
		  name[0] ? name : manager->initiator.name);
	text_copy(view->persistent_address, sizeof(view->persistent_address), node->key.address);
	text_copy(view->address, sizeof(view->address), node->key.address);
	view->persistent_port = view->port = node->key.port;
	view->tpgt = node->key.tpgt;
	for (unsigned attempt = 0; attempt < 16; attempt++) {
		initiator_isid(view->initiator_name, &path, attempt, view->isid);
		if (!isid_taken(manager, view->target, view->isid))
			break;
	}
	record_free(iface);
}

static bool node_is_wanted_always(const struct node *node)
{
	const char *startup = record_get(node->record, "node.startup");

	return startup && strcmp(startup, "manual") != 0;
}

static struct managed_session *session_make(struct manager *manager, struct node *node,
					    unsigned lane)
{
	const struct supervisor_settings settings = {
		.reconnect_min_ms = (uint32_t)manager->config.reconnect_min_ms,
		.reconnect_max_ms = (uint32_t)manager->config.reconnect_max_ms,
		.first_tries = (uint32_t)MAX(
			record_get_number(node->record, "node.session.initial_login_retry_max"),
			INT64_C(1)),
		.for_ever = node_is_wanted_always(node),
	};
	struct managed_session *managed = calloc(1, sizeof(*managed));
	struct session_settings session_settings;

	if (!managed)
		return NULL;
	managed->manager = manager;
	list_init(&managed->waiters);
	node_session_settings(node->record, &manager->config, &session_settings);
	if (supervisor_new(manager->event, manager->home, manager_worker(manager, lane),
			   &session_settings, &settings, &manager_supervisor_ops, managed,
			   &managed->supervisor) < 0) {
		free(managed);
		return NULL;
	}
	session_identify(manager, &managed->supervisor->view, node, lane);
	list_append(&manager->sessions, &managed->supervisor->view.link);
	list_append(&node->sessions, &managed->supervisor->view.node_link);
	manager_notify_added(manager, OBJECT_SESSION, &managed->supervisor->view);
	return managed;
}

struct managed_session *manager_resume_session(struct manager *manager, struct node *node,
					       unsigned lane)
{
	struct managed_session *managed = session_make(manager, node, lane);

	if (managed)
		supervisor_resume(managed->supervisor);
	return managed;
}

/* Login. */

static bool lane_in_use(const struct node *node, unsigned lane)
{
	const struct session_view *session;

	list_for_each (session, &node->sessions, node_link)
		if (session->lane == lane)
			return true;
	return false;
}

/* How far a node's sessions are. @error: why one of them will not be there soon */
static bool node_settled(const struct node *node, struct error *error)
{
	struct session_view *session;

	list_for_each (session, &node->sessions, node_link) {
		struct managed_session *managed = managed_of(session);

		if (managed->leaving)
			return false;
		if (session->state == SESSION_STATE_LOGGED_IN) {
			if (!managed->scanned || !manager_units_settled(managed, error))
				return false;
		} else if (session->state == SESSION_STATE_WAITING &&
			   session->attempts >= managed->supervisor->settings.first_tries) {
			/* It is tried for ever; whoever waits for it is not kept waiting. */
			error_set(error, session->last_error.code, "%s", session->last_error.text);
		} else {
			return false;
		}
	}
	return true;
}

/* Is @node's target there, through another node? */
static bool target_reached(struct manager *manager, const struct node *node)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		owned_error struct error ignored = ERROR_INIT;

		if (session->node != node && strcmp(session->target, node->key.target) == 0 &&
		    session->state == SESSION_STATE_LOGGED_IN &&
		    node_settled(session->node, &ignored))
			return true;
	}
	return false;
}

static bool login_ended(struct login_request *request)
{
	if (node_settled(request->node, &request->error))
		return true;
	if (!request->target_is_enough || !target_reached(request->manager, request->node))
		return false;
	error_set(&request->error, ERROR_TRY_AGAIN,
		  "it does not answer yet; the target is reached through another portal");
	return true;
}

static int grace_over(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct login_request *request = userdata;

	request->grace = sd_event_source_disable_unref(request->grace);
	request->target_is_enough = true;
	manager_check_logins(request->manager); /* the request may be gone then */
	return 0;
}

static void answer_login(struct login_request *request)
{
	sd_event_source_disable_unref(request->grace);
	list_remove(&request->link);
	request->done(&request->error, request->userdata);
	error_clear(&request->error);
	free(request);
}

void manager_login_gave_up(struct manager *manager, const struct session_view *session)
{
	struct login_request *request;

	list_for_each (request, &manager->logins, link)
		if (request->node == session->node)
			error_set(&request->error, session->last_error.code, "%s",
				  session->last_error.text);
}

void manager_login_moved(struct manager *manager, const struct node *from, struct node *to)
{
	struct login_request *request;

	list_for_each (request, &manager->logins, link)
		if (request->node == from)
			request->node = to;
}

void manager_check_logins(struct manager *manager)
{
	struct login_request *request, *next;

	/* An answer may change the list: start over after each. */
again:
	list_for_each_safe (request, next, &manager->logins, link) {
		if (!login_ended(request))
			continue;
		answer_login(request);
		goto again;
	}
}

/* Once for each login that an operator or the start-up asks for, not for every reconnection. */
static void tell_limit(struct manager *manager, struct node *node)
{
	const char *limit = node_login_limit(node->record);

	if (limit)
		manager_event(manager, OBJECT_NODE, node, EVENT_SETTING_LIMITED, "%s", limit);
}

static bool start_session(struct manager *manager, struct node *node, unsigned lane)
{
	struct managed_session *managed = session_make(manager, node, lane);

	if (managed)
		supervisor_start(managed->supervisor);
	return managed;
}

static unsigned sessions_to_start(struct manager *manager, struct node *node, unsigned wanted)
{
	unsigned started = 0;

	for (unsigned lane = 0; lane < wanted; lane++) {
		if (lane_in_use(node, lane))
			continue;
		if (!start_session(manager, node, lane))
			break;
		started++;
	}
	if (started > 0)
		tell_limit(manager, node);
	return started;
}

/* Is the node's first login still under way, so that a second caller can wait with the first? */
static bool login_under_way(const struct node *node)
{
	const struct session_view *session;

	list_for_each (session, &node->sessions, node_link)
		if (!session->ever_logged_in)
			return true;
	return false;
}

static int check_login(struct manager *manager, const struct node *node, struct error *error)
{
	const char *transport = record_get(node->record, "iface.transport_name");

	if (manager->stopping)
		return error_set(error, ERROR_TRY_AGAIN, "the daemon is stopping");
	if (strcmp(transport, "tcp") != 0)
		return error_set(error, ERROR_TRANSPORT_NOT_FOUND,
				 "there is no transport '%s': only tcp", transport);
	return 0;
}

/* Return: a request that is in the list; NULL, and done() has run */
static struct login_request *request_login(struct manager *manager, struct node *node,
					   manager_done *done, void *userdata)
{
	struct login_request *request = calloc(1, sizeof(*request));
	owned_error struct error error = ERROR_INIT;

	if (!request)
		error_set(&error, ERROR_NO_MEMORY, "no memory");
	if (!request || check_login(manager, node, &error) < 0) {
		free(request);
		done(&error, userdata);
		return NULL;
	}
	request->manager = manager;
	request->node = node;
	request->done = done;
	request->userdata = userdata;
	list_append(&manager->logins, &request->link);
	return request;
}

void manager_login_more(struct manager *manager, struct node *node, manager_done *done,
			void *userdata)
{
	struct login_request *request = request_login(manager, node, done, userdata);
	unsigned lane = 0;

	if (!request)
		return;
	while (lane < LANES_MAX && lane_in_use(node, lane))
		lane++;
	if (lane == LANES_MAX)
		error_set(&request->error, ERROR_BUSY, "the node has %u sessions: no more",
			  LANES_MAX);
	else if (!start_session(manager, node, lane))
		error_set(&request->error, ERROR_NO_MEMORY, "no memory for a session");
	if (error_is_set(&request->error))
		answer_login(request);
	else
		manager_check_logins(manager);
}

void manager_login(struct manager *manager, struct node *node, enum login_wait wait,
		   manager_done *done, void *userdata)
{
	unsigned wanted = (unsigned)MIN(
		MAX(record_get_number(node->record, "node.session.nr_sessions"), INT64_C(1)),
		(int64_t)LANES_MAX);
	struct login_request *request = request_login(manager, node, done, userdata);
	struct session_view *session;

	if (!request)
		return;
	list_for_each (session, &node->sessions, node_link)
		supervisor_hurry(supervisor_of(session));
	if (sessions_to_start(manager, node, wanted) == 0 && !login_under_way(node)) {
		error_set(&request->error, ERROR_SESSION_EXISTS,
			  "%u session%s requested, but %u already present", wanted,
			  wanted == 1 ? "" : "s", wanted);
		answer_login(request);
		return;
	}
	if (wait == LOGIN_WAIT_NOT) {
		answer_login(request);
		return;
	}
	if (wait == LOGIN_WAIT_TARGET)
		sd_event_add_time_relative(manager->event, &request->grace, CLOCK_MONOTONIC,
					   GRACE_MS * UINT64_C(1000), 100000, grace_over, request);
	manager_check_logins(manager);
}
