/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The end of a session on purpose: by a drain and a Logout, or at once. */

#include <errno.h>

#include "iscsi/session_private.h"
#include "util/ring.h"

#define DRAIN_MAX_MS 2000u /* how long running commands may hold up a logout */

void session_logout_now(struct session *session)
{
	if (session->logout_due)
		return;
	session->logout_due = true;
	ring_timer_disarm(session->ring, &session->logout_timer);
	if (session->settings.logout_timeout_ms)
		ring_timer_arm(session->ring, &session->logout_timer,
			       session->settings.logout_timeout_ms);
	connection_kick(session->connection);
}

/* Take nothing new, let what runs finish, then log out. */
static void session_drain(struct session *session, uint32_t grace_ms)
{
	session->logout_wanted = true;
	logical_units_set_up(&session->units, false);
	if (session->outstanding && grace_ms)
		ring_timer_arm(session->ring, &session->logout_timer, grace_ms);
	else
		session_logout_now(session);
}

void session_asked_to_log_out(struct session *session, unsigned seconds)
{
	if (session->logout_wanted) {
		session_logout_now(session);
		return;
	}
	session->target_asked = true;
	session_drain(session, MIN(seconds * 500u, DRAIN_MAX_MS));
}

void session_logout_timeout(struct ring_timer *timer)
{
	struct session *session = container_of(timer, struct session, logout_timer);

	if (session->logout_due)
		session_drop(session, "the target does not answer a logout");
	else
		session_logout_now(session);
}

void session_drop(struct session *session, const char *why)
{
	connection_drop(session->connection, CONNECTION_DROPPED, -ECONNABORTED, why);
}

void session_logout(struct session *session)
{
	if (!session->attached)
		return;
	session->target_asked = false; /* now it is our wish */
	if (!session->logout_wanted)
		session_drain(session, DRAIN_MAX_MS);
}
