/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Sessions follow their network interface and their route: a pulled cable, and a route that is
 * gone, fail the path at once, as long as another one carries on, and what is back ends the pause
 * before the next attempt.
 */

#include <errno.h>
#include <string.h>

#include "daemon/link_monitor.h"
#include "daemon/manager_private.h"
#include "daemon/session_host.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Has everything that the session shows an active path elsewhere? Patience on the last path. */
static bool has_other_paths(const struct session_view *session)
{
	const struct unit_view *unit;
	const struct path_view *path;

	list_for_each (unit, &session->units, link) {
		bool other = false;

		if (!unit->path)
			continue;
		list_for_each (path, &unit->path->map->paths, link)
			other |= path != unit->path && path_state_carries(path->state);
		if (!other)
			return false;
	}
	return true;
}

static void lose(struct session_view *session, const char *why)
{
	if (session->state == SESSION_STATE_LOGGED_IN && has_other_paths(session))
		session_host_drop(supervisor_of(session)->host, why);
}

/* The first time only: interfaces have news of many kinds. */
static void tell_link(struct manager *manager, struct session_view *session, bool up)
{
	struct managed_session *managed = managed_of(session);

	if (managed->link_down == !up)
		return;
	managed->link_down = !up;
	manager_raise(manager, OBJECT_SESSION, session,
		      &(struct event_facts){
			      .kind = up ? EVENT_LINK_UP : EVENT_LINK_DOWN,
			      .numbers = {managed->interface_index},
		      });
}

static void on_link_changed(unsigned interface_index, bool up, void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		if (managed_of(session)->interface_index != interface_index)
			continue;
		tell_link(manager, session, up);
		if (up)
			supervisor_hurry(supervisor_of(session));
		else
			lose(session, "the network link is down");
	}
}

static void on_address_gone(const char *address, void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (session->state == SESSION_STATE_LOGGED_IN &&
		    strcmp(session->local_address, address) == 0) {
			manager_event(manager, OBJECT_SESSION, session, EVENT_ADDRESS_GONE, "%s",
				      address);
			lose(session, "the local address is gone");
		}
}

static bool means_no_route(int error)
{
	return error == -ENETUNREACH || error == -EHOSTUNREACH || error == -ESRCH;
}

/* A connection whose way leads elsewhere may live on: its pings tell. */
static void check_route(struct manager *manager, struct session_view *session)
{
	struct managed_session *managed = managed_of(session);
	int r = link_of_route(session->address, session->local_address);

	if (means_no_route(r)) {
		if (!managed->route_gone && session->state == SESSION_STATE_LOGGED_IN)
			manager_event(manager, OBJECT_SESSION, session, EVENT_ROUTE_GONE, NULL);
		managed->route_gone = true;
		lose(session, "there is no route to the portal");
		return;
	}
	if (r > 0 && managed->interface_index && (unsigned)r != managed->interface_index) {
		managed->interface_index = (unsigned)r;
		managed->link_down = false;
		manager_raise(manager, OBJECT_SESSION, session,
			      &(struct event_facts){.kind = EVENT_ROUTE_CHANGED,
						    .numbers = {(unsigned)r}});
	}
	if (r > 0 && managed->route_gone) {
		managed->route_gone = false;
		supervisor_hurry(supervisor_of(session));
	}
}

static void on_routes_changed(void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session, *next;

	list_for_each_safe (session, next, &manager->sessions, link)
		if (session->local_address[0])
			check_route(manager, session);
}

static const struct link_observer observer = {
	.link_changed = on_link_changed,
	.address_gone = on_address_gone,
	.routes_changed = on_routes_changed,
};

void manager_watch_links(struct manager *manager)
{
	int r = link_monitor_new(manager->event, &observer, manager, &manager->links);

	if (r < 0)
		log_warning("network interfaces cannot be watched (%s): only pings tell of a lost "
			    "link",
			    strerror(-r));
}

void manager_find_link(struct managed_session *managed)
{
	struct session_view *session = &managed->supervisor->view;
	int r = link_of_route(session->address, session->local_address);

	managed->interface_index = r > 0 ? (unsigned)r : 0;
	managed->link_down = managed->route_gone = false;
}
