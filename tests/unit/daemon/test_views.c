/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/views.h"
#include "util/cleanup.h"

static void a_path_is_shown_by_what_keeps_it_from_io(void **state)
{
	static const struct {
		enum path_state state;
		enum session_state session;
		bool barred;
		enum access_state access;
		const char *shown;
	} rows[] = {
		{PATH_ACTIVE, SESSION_STATE_LOGGED_IN, false, ACCESS_UNKNOWN, "active"},
		{PATH_ACTIVE, SESSION_STATE_LOGGED_IN, false, ACCESS_NON_OPTIMIZED, "active"},
		{PATH_ACTIVE, SESSION_STATE_LOGGED_IN, true, ACCESS_STANDBY, "standby"},
		{PATH_SUSPECT, SESSION_STATE_LOGGED_IN, true, ACCESS_TRANSITIONING,
		 "transitioning"},
		/* its size is being read */
		{PATH_ACTIVE, SESSION_STATE_LOGGED_IN, true, ACCESS_OPTIMIZED, "verify"},
		{PATH_FAILED, SESSION_STATE_LOGGED_IN, true, ACCESS_STANDBY, "failed"},
		{PATH_DOWN, SESSION_STATE_CONNECTING, true, ACCESS_STANDBY, "connecting"},
		{PATH_DOWN, SESSION_STATE_LOGIN, false, ACCESS_UNKNOWN, "login"},
		{PATH_DOWN, SESSION_STATE_LOGGED_IN, false, ACCESS_UNKNOWN, "verify"},
		{PATH_DOWN, SESSION_STATE_WAITING, false, ACCESS_UNKNOWN, "down"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session_view session = {.state = rows[i].session};
		struct path_view path = {
			.session = &session,
			.state = rows[i].state,
			.access = {.state = rows[i].access, .barred = rows[i].barred},
		};

		assert_string_equal(path_view_state(&path), rows[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_shown_by_what_keeps_it_from_io),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
