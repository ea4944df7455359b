/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Which sessions are wanted: login and logout as operations, and the stop of everything. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define STOP_PATIENCE_US UINT64_C(10000000) /* how long a stop waits for devices in use */
#define STOP_RETRY_MS	 250

/* Someone waits for all sessions of a node. */
struct login_request {
	struct list link;
	struct node *node;
	struct error error; /* the first session that was given up */
	manager_done *done;
	void *userdata;
};

/* What a supervisor asks and tells. */

static struct manager *manager_of(struct supervisor *supervisor)
{
	return ((struct managed_session *)supervisor->userdata)->manager;
}

static void on_settings(struct supervisor *supervisor, struct login_job_settings *ret)
{
	struct manager *manager = manager_of(supervisor);
	struct session_view *view = &supervisor->view;
	struct record *iface = manager_iface(manager, view->iface);
	struct node_key key = {.port = view->persistent_port};

	text_copy(key.target, sizeof(key.target), view->target);
	text_copy(key.address, sizeof(key.address), view->persistent_address);
	node_login_settings(&key, view->node ? view->node->record : manager->config.node_defaults,
			    iface, manager->initiator.name, manager->initiator.alias, ret);
	text_copy(ret->login.initiator_name, sizeof(ret->login.initiator_name),
		  view->initiator_name);
	memcpy(ret->login.isid, view->isid, sizeof(ret->login.isid));
	record_free(iface);
}

static bool on_fence_portal(struct supervisor *supervisor, char address[256], uint16_t *port)
{
	struct session_view *view = &supervisor->view, *other;

	list_for_each (other, &manager_of(supervisor)->sessions, link) {
		if (other->state != SESSION_STATE_LOGGED_IN || other->tpgt != view->tpgt ||
		    view->tpgt < 0 || strcmp(other->target, view->target) != 0)
			continue;
		if (strcmp(other->address, view->address) == 0 && other->port == view->port)
			continue;
		text_copy(address, 256, other->address);
		*port = other->port;
		return true;
	}
	return false;
}

static void on_changed(struct supervisor *supervisor, enum session_state from)
{
	struct manager *manager = manager_of(supervisor);
	struct session_view *view = &supervisor->view;

	if (view->state == SESSION_STATE_WAITING && from != SESSION_STATE_LOGGED_IN)
		manager_event(manager, OBJECT_SESSION, view,
			      view->attempts <= 3 ? LOG_WARNING : LOG_INFO, "login-failed",
			      "session %u: login to %s failed (attempt %u): %s", view->sid,
			      view->target, view->attempts, view->last_error.text);
	if (view->state == SESSION_STATE_WAITING && view->node && error_is_set(&view->last_error)) {
		error_clear(&view->node->last_error);
		error_set(&view->node->last_error, view->last_error.code, "%s",
			  view->last_error.text);
		view->node->last_error_us = clock_realtime_us();
	}
	manager_notify_changed(manager, OBJECT_SESSION, view);
	if (view->node)
		manager_notify_changed(manager, OBJECT_NODE, view->node);
	manager_check_logins(manager);
}

static void on_logged_in(struct supervisor *supervisor)
{
	struct managed_session *managed = supervisor->userdata;
	struct session_view *view = &supervisor->view;
	const char *scan = view->node ? record_get(view->node->record, "node.session.scan") : NULL;

	manager_find_link(managed);
	if (view->node)
		error_clear(&view->node->last_error);
	manager_event(managed->manager, OBJECT_SESSION, view, LOG_NOTICE, "logged-in",
		      "session %u: logged in to %s at %s:%u", view->sid, view->target,
		      view->address, view->port);
	if (scan && strcmp(scan, "manual") == 0 && list_empty(&view->units))
		managed->scanned = true;
	else
		manager_scan(managed);
	manager_check_logins(managed->manager);
}

static void on_lost(struct supervisor *supervisor, const char *reason, bool logged_out)
{
	struct managed_session *managed = supervisor->userdata;
	struct session_view *view = &supervisor->view;

	if (logged_out)
		manager_event(managed->manager, OBJECT_SESSION, view, LOG_NOTICE, "logged-out",
			      "session %u: logged out of %s at %s:%u", view->sid, view->target,
			      view->address, view->port);
	else
		manager_event(
			managed->manager, OBJECT_SESSION, view, LOG_WARNING, "session-lost",
			"session %u: lost the connection to %s at %s:%u: %s, connecting again",
			view->sid, view->target, view->address, view->port, reason);
	manager_session_lost(managed, reason, logged_out);
}

static void on_fenced(struct supervisor *supervisor)
{
	manager_event(manager_of(supervisor), OBJECT_SESSION, &supervisor->view, LOG_NOTICE,
		      "fenced", "session %u: what it had at %s was ended through another portal",
		      supervisor->view.sid, supervisor->view.target);
	manager_session_fenced(supervisor->userdata);
}

static void on_async_event(struct supervisor *supervisor, unsigned event, uint64_t lun)
{
	if (event == 0)
		manager_scan(supervisor->userdata);
	else
		log_info("session %u: asynchronous event %u", supervisor->view.sid, event);
}

static void on_moved(struct supervisor *supervisor, const char *address, uint16_t port)
{
	/* The record stays: its address names it, and the target says the same again next time. */
	manager_event(manager_of(supervisor), OBJECT_SESSION, &supervisor->view, LOG_NOTICE,
		      "moved", "session %u: target %s has moved permanently to %s:%u",
		      supervisor->view.sid, supervisor->view.target, address, port);
}

/* The end of a session: its paths leave first, then it is forgotten. */

void manager_session_left(struct managed_session *managed)
{
	struct manager *manager = managed->manager;
	struct session_view *view = &managed->supervisor->view;
	struct error error = managed->logout_error;
	manager_done *done = managed->logout_done;
	void *userdata = managed->logout_userdata;
	struct node *node = view->node;

	if (manager_drop_units(managed))
		return;
	manager_notify_removed(manager, OBJECT_SESSION, view);
	list_remove(&view->link);
	list_remove(&view->node_link);
	supervisor_free(managed->supervisor);
	free(managed);
	if (node)
		manager_notify_changed(manager, OBJECT_NODE, node);
	manager_notify_changed(manager, OBJECT_MANAGER, manager);
	if (done)
		done(&error, userdata);
	error_clear(&error);
	manager_check_logins(manager);
	if (manager->stopping)
		manager_stop_step(manager);
}

static void on_stopped(struct supervisor *supervisor)
{
	struct managed_session *managed = supervisor->userdata;

	managed->leaving = true;
	manager_scan_cancel(managed);
	manager_session_left(managed);
}

static void on_gave_up(struct supervisor *supervisor)
{
	struct session_view *view = &supervisor->view;
	struct manager *manager = manager_of(supervisor);
	struct login_request *request;

	manager_event(manager, OBJECT_SESSION, view, LOG_WARNING, "login-given-up",
		      "login to %s given up: %s", view->target, view->last_error.text);
	if (view->node) {
		error_clear(&view->node->last_error);
		error_set(&view->node->last_error, view->last_error.code, "%s",
			  view->last_error.text);
		view->node->last_error_us = clock_realtime_us();
	}
	list_for_each (request, &manager->logins, link)
		if (request->node == view->node)
			error_set(&request->error, view->last_error.code, "%s",
				  view->last_error.text);
	on_stopped(supervisor);
}

static const struct supervisor_ops supervisor_ops = {
	.settings = on_settings,
	.fence_portal = on_fence_portal,
	.changed = on_changed,
	.logged_in = on_logged_in,
	.lost = on_lost,
	.fenced = on_fenced,
	.gave_up = on_gave_up,
	.stopped = on_stopped,
	.async_event = on_async_event,
	.moved = on_moved,
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
	struct record *iface = manager_iface(manager, node->key.iface);
	const char *name = iface ? record_get(iface, "iface.initiatorname") : NULL;
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
		  name && name[0] ? name : manager->initiator.name);
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
			   &session_settings, &settings, &supervisor_ops, managed,
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

static void answer_login(struct login_request *request)
{
	list_remove(&request->link);
	request->done(&request->error, request->userdata);
	error_clear(&request->error);
	free(request);
}

void manager_check_logins(struct manager *manager)
{
	struct login_request *request, *next;

	/* An answer may change the list: start over after each. */
again:
	list_for_each_safe (request, next, &manager->logins, link) {
		if (!node_settled(request->node, &request->error))
			continue;
		answer_login(request);
		goto again;
	}
}

static unsigned sessions_to_start(struct manager *manager, struct node *node, unsigned wanted)
{
	struct managed_session *managed;
	unsigned started = 0;

	for (unsigned lane = 0; lane < wanted; lane++) {
		if (lane_in_use(node, lane))
			continue;
		managed = session_make(manager, node, lane);
		if (!managed)
			break;
		started++;
		supervisor_start(managed->supervisor);
	}
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

void manager_login(struct manager *manager, struct node *node, bool wait, manager_done *done,
		   void *userdata)
{
	unsigned wanted = (unsigned)MIN(
		MAX(record_get_number(node->record, "node.session.nr_sessions"), INT64_C(1)),
		INT64_C(32));
	struct login_request *request = calloc(1, sizeof(*request));
	owned_error struct error error = ERROR_INIT;
	struct session_view *session;

	if (!request || manager->stopping) {
		error_set(&error, request ? ERROR_TRY_AGAIN : ERROR_NO_MEMORY, "%s",
			  request ? "the daemon is stopping" : "no memory");
		free(request);
		done(&error, userdata);
		return;
	}
	request->node = node;
	request->done = done;
	request->userdata = userdata;
	list_append(&manager->logins, &request->link);
	list_for_each (session, &node->sessions, node_link)
		supervisor_hurry(supervisor_of(session));
	if (sessions_to_start(manager, node, wanted) == 0 && !login_under_way(node)) {
		error_set(&request->error, ERROR_SESSION_EXISTS,
			  "%u session%s requested, but %u already present", wanted,
			  wanted == 1 ? "" : "s", wanted);
		answer_login(request);
		return;
	}
	if (!wait) {
		answer_login(request);
		return;
	}
	manager_check_logins(manager);
}

/* Logout. */

static void logout_failed(struct managed_session *managed, enum error_code code, const char *text)
{
	owned_error struct error error = ERROR_INIT;
	manager_done *done = managed->logout_done;

	managed->logout_done = NULL;
	error_set(&error, code, "%s", text);
	if (done)
		done(&error, managed->logout_userdata);
}

static void logout_goes_on(struct managed_session *managed)
{
	if (error_is_set(&managed->logout_error)) {
		struct error error = managed->logout_error;

		managed->logout_error = (struct error)ERROR_INIT;
		logout_failed(managed, error.code, error.text);
		error_clear(&error);
		return;
	}
	supervisor_stop(managed->supervisor);
}

static void on_withdrawn(struct map_device *device, int error, void *userdata)
{
	struct managed_session *managed = userdata;
	char holders[256];

	if (error == -EBUSY) {
		map_device_holders(device, holders, sizeof(holders));
		error_set(&managed->logout_error, ERROR_BUSY, "device %s (%s) is in use%s%s",
			  device->view.device, device->view.name, holders[0] ? ": " : "", holders);
	} else if (error < 0) {
		error_set(&managed->logout_error, ERROR_LOGOUT_FAILED,
			  "what was written to device %s (%s) cannot be flushed: %s; only a forced "
			  "logout gives it up",
			  device->view.device, device->view.name, strerror(-error));
	} else {
		manager_notify_changed(managed->manager, OBJECT_MAP, &device->view);
	}
	if (--managed->withdrawing == 0)
		logout_goes_on(managed);
}

void manager_plan_logout(struct session_view *session, bool planned)
{
	managed_of(session)->planned = planned;
}

/* Does the path stay when @path goes? Those of sessions that are logged out as well do not. */
static bool path_stays(const struct path_view *other, const struct path_view *path)
{
	const struct managed_session *managed = managed_of(other->session);

	return other != path && !managed->planned && !managed->logout_done && !managed->leaving;
}

/* No path that stays can carry I/O now. */
static bool is_last_path(const struct map_view *map, const struct path_view *path)
{
	const struct path_view *other;

	list_for_each (other, &map->paths, link)
		if (path_stays(other, path) && other->state == PATH_ACTIVE)
			return false;
	return true;
}

/* No path stays at all. */
static bool is_only_path(const struct map_view *map, const struct path_view *path)
{
	const struct path_view *other;

	list_for_each (other, &map->paths, link)
		if (path_stays(other, path))
			return false;
	return true;
}

static bool has_active_path(const struct map_view *map)
{
	const struct path_view *path;

	list_for_each (path, &map->paths, link)
		if (path->state == PATH_ACTIVE)
			return true;
	return false;
}

/* Would the logout take the last way to a device that somebody uses? */
static bool logout_refused(struct session_view *session, struct error *error)
{
	struct unit_view *unit;
	char holders[256];

	list_for_each (unit, &session->units, link) {
		if (!unit->path || !is_last_path(unit->path->map, unit->path))
			continue;
		map_device_holders(device_of(unit->path->map), holders, sizeof(holders));
		if (holders[0])
			return error_set(error, ERROR_BUSY, "device %s (%s) is in use: %s",
					 unit->path->map->device, unit->path->map->name,
					 holders) < 0;
	}
	return false;
}

/* Take away the devices that have no other path; count them first, answers may come at once. */
static void withdraw_devices(struct managed_session *managed)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit;

	managed->withdrawing = 1;
	list_for_each (unit, &session->units, link) {
		struct map_device *device;

		if (!unit->path || !is_only_path(unit->path->map, unit->path))
			continue;
		device = device_of(unit->path->map);
		managed->withdrawing++;
		/* With no path there is nothing to flush to, and a flush would wait for one. */
		map_device_withdraw(device, managed->force || !has_active_path(unit->path->map),
				    on_withdrawn, managed);
	}
	if (--managed->withdrawing == 0)
		logout_goes_on(managed);
}

void manager_logout(struct manager *manager, struct session_view *session, bool force,
		    manager_done *done, void *userdata)
{
	struct managed_session *managed = managed_of(session);
	owned_error struct error error = ERROR_INIT;

	if (managed->logout_done || managed->leaving)
		error_set(&error, ERROR_TRY_AGAIN, "session %u is being logged out already",
			  session->sid);
	else if (!force)
		logout_refused(session, &error);
	if (error_is_set(&error)) {
		done(&error, userdata);
		return;
	}
	managed->logout_done = done;
	managed->logout_userdata = userdata;
	managed->force = force;
	withdraw_devices(managed);
}

/* The end of everything. */

static int stop_again(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct manager *manager = userdata;

	manager->stop_timer = sd_event_source_disable_unref(manager->stop_timer);
	manager_stop_step(manager);
	return 0;
}

static void stop_later(struct manager *manager)
{
	if (!manager->stop_timer)
		sd_event_add_time_relative(manager->event, &manager->stop_timer, CLOCK_MONOTONIC,
					   STOP_RETRY_MS * UINT64_C(1000), 1000, stop_again,
					   manager);
}

static void stop_logged_out(const struct error *error, void *userdata)
{
	/* Busy: asked again; gone: manager_session_left() goes on. */
	if (error_is_set(error))
		stop_later(userdata);
}

void manager_stop_step(struct manager *manager)
{
	bool force = clock_realtime_us() >= manager->stop_force_us;
	struct session_view *session, *next;

	if (list_empty(&manager->sessions) && list_empty(&manager->maps)) {
		void (*stopped)(struct manager *, void *) = manager->stopped;

		manager->stopped = NULL;
		if (stopped)
			stopped(manager, manager->stopped_userdata);
		return;
	}
	list_for_each_safe (session, next, &manager->sessions, link) {
		struct managed_session *managed = managed_of(session);

		if (managed->logout_done || managed->leaving)
			continue;
		manager_logout(manager, session, force, stop_logged_out, manager);
		/* That may have ended any session, or everything. */
		stop_later(manager);
		return;
	}
	stop_later(manager);
}

void manager_stop(struct manager *manager, void (*stopped)(struct manager *manager, void *userdata),
		  void *userdata)
{
	bool again = manager->stopping;

	manager->stopping = true;
	manager->stopped = stopped;
	manager->stopped_userdata = userdata;
	manager->stop_force_us = clock_realtime_us() + (again ? 0 : STOP_PATIENCE_US);
	manager_stop_step(manager);
}
