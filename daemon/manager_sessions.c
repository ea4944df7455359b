/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What a session's supervisor asks and tells, up to the end of the session. */

#include <stdio.h>
#include <string.h>

#include "daemon/async_action.h"
#include "daemon/clock.h"
#include "daemon/fence_session.h"
#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "iscsi/portal.h"
#include "util/log.h"
#include "util/text.h"

static struct manager *manager_of(struct supervisor *supervisor)
{
	return ((struct managed_session *)supervisor->userdata)->manager;
}

static void on_settings(struct supervisor *supervisor, struct login_job_settings *ret)
{
	struct manager *manager = manager_of(supervisor);
	struct session_view *view = &supervisor->view;
	const struct record *record = record_of(supervisor->userdata);
	struct record *iface = manager_node_iface(manager, view->iface, record);
	struct node_key key = {
		.port = view->persistent_port,
		.tpgt = view->node ? view->node->key.tpgt : PORTAL_TAG_UNKNOWN,
	};

	text_copy(key.target, sizeof(key.target), view->target);
	text_copy(key.address, sizeof(key.address), view->persistent_address);
	node_login_settings(&key, record, iface, manager->initiator.name, manager->initiator.alias,
			    ret);
	login_security(record, &manager->config, manager->fips, &ret->login);
	ret->challenges = &manager->challenges;
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

/* What a path that is down is shown as depends on its session. */
static void paths_changed(struct manager *manager, const struct session_view *view)
{
	const struct unit_view *unit;

	list_for_each (unit, &view->units, link)
		if (unit->path && unit->path->state == PATH_DOWN)
			manager_notify_changed(manager, OBJECT_PATH, unit->path);
}

static void on_changed(struct supervisor *supervisor, enum session_state from)
{
	struct manager *manager = manager_of(supervisor);
	struct session_view *view = &supervisor->view;

	if (view->state == SESSION_STATE_WAITING && from != SESSION_STATE_LOGGED_IN)
		manager_raise(manager, OBJECT_SESSION, view,
			      &(struct event_facts){
				      .kind = EVENT_LOGIN_FAILED,
				      .severity = view->attempts <= 3 ? LOG_WARNING : LOG_INFO,
				      .reason = view->last_error.text,
				      .numbers = {view->attempts},
			      });
	if (view->state == SESSION_STATE_WAITING && view->node && error_is_set(&view->last_error)) {
		error_clear(&view->node->last_error);
		error_set(&view->node->last_error, view->last_error.code, "%s",
			  view->last_error.text);
		view->node->last_error_us = clock_realtime_us();
	}
	manager_notify_changed(manager, OBJECT_SESSION, view);
	paths_changed(manager, view);
	if (view->node)
		manager_notify_changed(manager, OBJECT_NODE, view->node);
	manager_check_logins(manager);
}

static void on_logged_in(struct supervisor *supervisor)
{
	struct managed_session *managed = supervisor->userdata;
	struct session_view *view = &supervisor->view;
	const char *scan = record_get(record_of(managed), "node.session.scan");

	manager_find_link(managed);
	manager_recovery_fenced(managed);
	if (view->node)
		error_clear(&view->node->last_error);
	if (strcmp(view->address, view->persistent_address) != 0)
		manager_event(managed->manager, OBJECT_SESSION, view, EVENT_LOGGED_IN, "%s:%u",
			      view->address, view->port);
	else
		manager_event(managed->manager, OBJECT_SESSION, view, EVENT_LOGGED_IN, NULL);
	if (strcmp(scan, "manual") == 0 && list_empty(&view->units))
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
		manager_event(managed->manager, OBJECT_SESSION, view, EVENT_LOGGED_OUT, NULL);
	else
		manager_event(managed->manager, OBJECT_SESSION, view, EVENT_SESSION_LOST, "%s",
			      reason);
	manager_session_lost(managed, reason, logged_out);
}

static void on_fence_ended(bool fenced, void *userdata)
{
	struct managed_session *managed = userdata;
	struct supervisor *supervisor = managed->supervisor;

	managed->fence = NULL;
	if (fenced)
		manager_event(managed->manager, OBJECT_SESSION, &supervisor->view,
			      EVENT_SESSION_FENCED, NULL);
	supervisor_fence_ended(supervisor, fenced);
	if (fenced)
		manager_recovery_fenced(managed);
	if (managed->leaving)
		manager_session_left(managed);
}

static void on_reinstated(struct supervisor *supervisor, const struct login_job_result *login)
{
	struct managed_session *managed = supervisor->userdata;
	struct manager *manager = managed->manager;
	struct session_view *view = &supervisor->view;
	struct session_settings settings;
	int r;

	node_session_settings(view->node ? view->node->record : manager->config.node_defaults,
			      &manager->config, &settings);
	r = fence_session_start(manager_worker(manager, view->lane), manager->home, &settings,
				login, view, on_fence_ended, managed, &managed->fence);
	if (r < 0)
		on_fence_ended(false, managed);
}

static void on_async_event(struct supervisor *supervisor, const struct async_message *message)
{
	enum async_action action = async_action_of(message);
	struct event_facts facts = {
		.kind = EVENT_TARGET_REPORT,
		.verdicts = action == ASYNC_ACTION_LOG ? 0 : VERDICT_RESCAN,
	};
	char text[256];

	async_action_describe(message, text, sizeof(text));
	facts.reason = text;
	manager_raise(manager_of(supervisor), OBJECT_SESSION, &supervisor->view, &facts);
	if (action == ASYNC_ACTION_SCAN)
		manager_scan(supervisor->userdata);
	else if (action == ASYNC_ACTION_ACCESS)
		manager_ask_access(supervisor->userdata);
	else if (action == ASYNC_ACTION_PORTALS)
		manager_rediscover(manager_of(supervisor), &supervisor->view, NULL, NULL);
}

static void on_damaged(struct supervisor *supervisor)
{
	manager_event(manager_of(supervisor), OBJECT_SESSION, &supervisor->view, EVENT_DIGEST_ERROR,
		      NULL);
}

static void on_moved(struct supervisor *supervisor, const char *address, uint16_t port)
{
	manager_session_moved(supervisor->userdata, address, port);
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

	if (managed->fence) {
		fence_session_cancel(managed->fence);
		return;
	}
	if (manager_drop_units(managed))
		return;
	manager_recovery_fenced(managed); /* nobody can wait for it any more */
	manager_notify_removed(manager, OBJECT_SESSION, view);
	list_remove(&view->link);
	list_remove(&view->node_link);
	if (!view->ever_logged_in)
		manager_forget_names(manager, view);
	supervisor_free(managed->supervisor);
	record_free(managed->record);
	error_clear(&managed->look_error);
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

	manager_event(manager, OBJECT_SESSION, view, EVENT_LOGIN_GIVEN_UP, "%s",
		      view->last_error.text);
	if (view->node) {
		error_clear(&view->node->last_error);
		error_set(&view->node->last_error, view->last_error.code, "%s",
			  view->last_error.text);
		view->node->last_error_us = clock_realtime_us();
	}
	manager_login_gave_up(manager, view);
	on_stopped(supervisor);
}

const struct supervisor_ops manager_supervisor_ops = {
	.settings = on_settings,
	.fence_portal = on_fence_portal,
	.changed = on_changed,
	.logged_in = on_logged_in,
	.lost = on_lost,
	.reinstated = on_reinstated,
	.gave_up = on_gave_up,
	.stopped = on_stopped,
	.async_event = on_async_event,
	.damaged = on_damaged,
	.moved = on_moved,
};
