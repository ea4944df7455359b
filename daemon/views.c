/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/views.h"

static const char *const state_names[SESSION_STATE_COUNT] = {
	[SESSION_STATE_IDLE] = "idle",
	[SESSION_STATE_CONNECTING] = "connecting",
	[SESSION_STATE_LOGIN] = "login",
	[SESSION_STATE_LOGGED_IN] = "logged-in",
	[SESSION_STATE_WAITING] = "reconnecting",
	[SESSION_STATE_LOGOUT] = "logging-out",
};

const char *path_view_state(const struct path_view *path)
{
	if (path_state_carries(path->state) && path->access.barred)
		return access_carries(path->access.state)
			       ? path_state_name(PATH_VERIFY) /* its size is being read */
			       : access_state_name(path->access.state);
	if (path->state != PATH_DOWN)
		return path_state_name(path->state);
	switch (path->session->state) {
	case SESSION_STATE_CONNECTING:
		return "connecting";
	case SESSION_STATE_LOGIN:
		return "login";
	case SESSION_STATE_LOGGED_IN: /* nobody has looked at the unit yet */
		return path_state_name(PATH_VERIFY);
	default:
		return path_state_name(PATH_DOWN);
	}
}

const char *session_state_name(enum session_state state)
{
	return state < SESSION_STATE_COUNT ? state_names[state] : "unknown";
}
