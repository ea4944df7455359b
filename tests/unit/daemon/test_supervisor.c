/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "daemon/supervisor.h"
#include "util/cleanup.h"

/* Every legal step; all other cells must be refused. */
static const struct {
	enum session_state from;
	enum supervisor_event event;
	enum session_state to;
} legal[] = {
	{SESSION_STATE_IDLE, SUPERVISOR_START, SESSION_STATE_CONNECTING},
	{SESSION_STATE_IDLE, SUPERVISOR_STOP, SESSION_STATE_IDLE},
	{SESSION_STATE_CONNECTING, SUPERVISOR_CONNECTED, SESSION_STATE_LOGIN},
	{SESSION_STATE_CONNECTING, SUPERVISOR_FAILED, SESSION_STATE_WAITING},
	{SESSION_STATE_CONNECTING, SUPERVISOR_STOP, SESSION_STATE_IDLE},
	{SESSION_STATE_LOGIN, SUPERVISOR_CONNECTED, SESSION_STATE_LOGIN},
	{SESSION_STATE_LOGIN, SUPERVISOR_LOGGED_IN, SESSION_STATE_LOGGED_IN},
	{SESSION_STATE_LOGIN, SUPERVISOR_FAILED, SESSION_STATE_WAITING},
	{SESSION_STATE_LOGIN, SUPERVISOR_STOP, SESSION_STATE_IDLE},
	{SESSION_STATE_LOGGED_IN, SUPERVISOR_LOST, SESSION_STATE_WAITING},
	{SESSION_STATE_LOGGED_IN, SUPERVISOR_STOP, SESSION_STATE_LOGOUT},
	{SESSION_STATE_WAITING, SUPERVISOR_RETRY, SESSION_STATE_CONNECTING},
	{SESSION_STATE_WAITING, SUPERVISOR_STOP, SESSION_STATE_IDLE},
	{SESSION_STATE_LOGOUT, SUPERVISOR_LOST, SESSION_STATE_IDLE},
};

static int expected_step(enum session_state state, enum supervisor_event event)
{
	for (size_t i = 0; i < ARRAY_SIZE(legal); i++)
		if (legal[i].from == state && legal[i].event == event)
			return (int)legal[i].to;
	return -EPROTO;
}

static void every_cell_of_the_table_is_as_listed(void **state)
{
	for (int s = 0; s < SESSION_STATE_COUNT; s++)
		for (int e = 0; e < SUPERVISOR_EVENT_COUNT; e++)
			assert_int_equal(
				supervisor_next_state((enum session_state)s,
						      (enum supervisor_event)e),
				expected_step((enum session_state)s, (enum supervisor_event)e));
}

static void a_wanted_session_is_never_given_up_by_a_failure_or_a_loss(void **state)
{
	/* From any state a failure or a loss leads back to an attempt, except out of a logout. */
	for (int s = 0; s < SESSION_STATE_LOGOUT; s++) {
		int failed = supervisor_next_state((enum session_state)s, SUPERVISOR_FAILED);
		int lost = supervisor_next_state((enum session_state)s, SUPERVISOR_LOST);

		assert_true(failed == -EPROTO || failed == SESSION_STATE_WAITING);
		assert_true(lost == -EPROTO || lost == SESSION_STATE_WAITING);
	}
	assert_int_equal(supervisor_next_state(SESSION_STATE_WAITING, SUPERVISOR_RETRY),
			 SESSION_STATE_CONNECTING);
}

static void every_state_has_a_name_of_its_own(void **state)
{
	for (int a = 0; a < SESSION_STATE_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(session_state_name((enum session_state)a),
						session_state_name((enum session_state)b));
	assert_string_equal(session_state_name(SESSION_STATE_COUNT), "unknown");
}

static void the_end_of_an_attempt_has_the_code_that_iscsiadm_documents(void **state)
{
	static const struct {
		struct login_job_result result;
		enum error_code code;
	} cases[] = {
		{{.end = LOGIN_JOB_DONE}, ERROR_NONE},
		{{.end = LOGIN_JOB_RESOLVE}, ERROR_TRANSPORT_FAILED},
		{{.end = LOGIN_JOB_CONNECT, .error = -ECONNREFUSED}, ERROR_TRANSPORT_TIMEOUT},
		{{.end = LOGIN_JOB_TIMEOUT}, ERROR_TRANSPORT_TIMEOUT},
		{{.end = LOGIN_JOB_TIMEOUT, .connected = 1}, ERROR_PDU_TIMEOUT},
		{{.end = LOGIN_JOB_CLOSED}, ERROR_LOGIN_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 1}},
		 ERROR_AUTHENTICATION_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 2}},
		 ERROR_AUTHENTICATION_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 3}},
		 ERROR_FATAL_LOGIN},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 0}},
		 ERROR_FATAL_LOGIN},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 3, 1}},
		 ERROR_LOGIN_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_AUTHENTICATION}},
		 ERROR_AUTHENTICATION_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_PROTOCOL}}, ERROR_LOGIN_FAILED},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_NEGOTIATION}},
		 ERROR_LOGIN_FAILED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(supervisor_error_code(&cases[i].result), cases[i].code);
}

static void only_a_status_of_the_target_decides_when_to_try_again(void **state)
{
	static const struct {
		struct login_job_result result;
		enum login_retry retry;
	} cases[] = {
		{{.end = LOGIN_JOB_RESOLVE}, LOGIN_RETRY_BACKOFF},
		{{.end = LOGIN_JOB_CONNECT, .error = -ECONNREFUSED}, LOGIN_RETRY_BACKOFF},
		{{.end = LOGIN_JOB_TIMEOUT, .connected = 1}, LOGIN_RETRY_BACKOFF},
		{{.end = LOGIN_JOB_CLOSED}, LOGIN_RETRY_BACKOFF},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 1}},
		 LOGIN_RETRY_NEVER},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 2, 3}},
		 LOGIN_RETRY_SLOW},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_STATUS, 3, 1}},
		 LOGIN_RETRY_BACKOFF},
		/* the target's faults and our own settings do not mend themselves soon */
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_PROTOCOL}}, LOGIN_RETRY_SLOW},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_PORTAL_GROUP}},
		 LOGIN_RETRY_SLOW},
		{{.end = LOGIN_JOB_REFUSED, .login = {LOGIN_FAILURE_AUTHENTICATION}},
		 LOGIN_RETRY_SLOW},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(supervisor_retry(&cases[i].result), cases[i].retry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_of_the_table_is_as_listed),
		cmocka_unit_test(a_wanted_session_is_never_given_up_by_a_failure_or_a_loss),
		cmocka_unit_test(every_state_has_a_name_of_its_own),
		cmocka_unit_test(the_end_of_an_attempt_has_the_code_that_iscsiadm_documents),
		cmocka_unit_test(only_a_status_of_the_target_decides_when_to_try_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
