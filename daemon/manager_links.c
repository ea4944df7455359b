/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Sessions follow their network interface: a pulled cable fails the path at once, as long as
 * another one carries on, and a cable that is back ends the pause before the next attempt.
 */

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

static void on_link_changed(unsigned interface_index, bool up, void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		if (managed_of(session)->interface_index != interface_index)
			continue;
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
		if (strcmp(session->local_address, address) == 0)
			lose(session, "the local address is gone");
}

static const struct link_observer observer = {
	.link_changed = on_link_changed,
	.address_gone = on_address_gone,
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
}
