/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util/error.h"

/* Every row: code, D-Bus name, exit status, iscsiadm's text. */
static const struct {
	enum error_code code;
	const char *name;
	int exit_status;
	const char *summary;
} expected[] = {
	{ERROR_NONE, "None", 0, ""},
	{ERROR_FAILED, "Failed", 1, "unknown error"},
	{ERROR_SESSION_NOT_FOUND, "SessionNotFound", 2, "session not found"},
	{ERROR_NO_MEMORY, "NoMemory", 3, "no available memory"},
	{ERROR_TRANSPORT_FAILED, "TransportFailed", 4, "encountered connection failure"},
	{ERROR_LOGIN_FAILED, "LoginFailed", 5, "encountered iSCSI login failure"},
	{ERROR_DATABASE_FAILED, "DatabaseFailed", 6, "encountered iSCSI database failure"},
	{ERROR_INVALID_ARGUMENT, "InvalidArgument", 7, "invalid parameter"},
	{ERROR_TRANSPORT_TIMEOUT, "TransportTimeout", 8, "connection timed out"},
	{ERROR_INTERNAL, "Internal", 9, "internal error"},
	{ERROR_LOGOUT_FAILED, "LogoutFailed", 10, "encountered iSCSI logout failure"},
	{ERROR_PDU_TIMEOUT, "PduTimeout", 11, "iSCSI PDU timed out"},
	{ERROR_TRANSPORT_NOT_FOUND, "TransportNotFound", 12,
	 "iSCSI driver not found. Please make sure it is loaded, and retry the operation"},
	{ERROR_ACCESS_DENIED, "AccessDenied", 13, "daemon access denied"},
	{ERROR_TRANSPORT_CAPABILITY, "TransportCapability", 14,
	 "iSCSI driver does not support requested capability."},
	{ERROR_SESSION_EXISTS, "SessionExists", 15, "session exists"},
	{ERROR_UNKNOWN_REQUEST, "UnknownRequest", 16, "Unknown request"},
	{ERROR_FATAL_LOGIN, "FatalLogin", 19, "encountered non-retryable iSCSI login failure"},
	{ERROR_NOT_CONNECTED, "NotConnected", 20, "could not connect to iscsid"},
	{ERROR_NO_OBJECTS_FOUND, "NoObjectsFound", 21, "no objects found"},
	{ERROR_HOST_NOT_FOUND, "HostNotFound", 23, "host not found"},
	{ERROR_AUTHENTICATION_FAILED, "AuthenticationFailed", 24,
	 "iSCSI login failed due to authorization failure"},
	{ERROR_ISNS_QUERY_FAILED, "IsnsQueryFailed", 25, "iSNS query failed"},
	{ERROR_NOT_SUPPORTED, "NotSupported", 27, "operation not supported"},
	{ERROR_BUSY, "Busy", 28, "device or resource in use"},
	{ERROR_TRY_AGAIN, "TryAgain", 29, "operation failed but retry may succeed"},
	{ERROR_SESSION_NOT_CONNECTED, "SessionNotConnected", 32, "target likely not connected"},
	{ERROR_REQUEST_TIMEOUT, "RequestTimeout", 33, "iscsid request timed out"},
	{ERROR_RESERVATION_CONFLICT, "ReservationConflict", 34, "reservation conflict"},
};

static void every_code_has_name_exit_status_and_text(void **state)
{
	assert_int_equal(sizeof(expected) / sizeof(expected[0]), ERROR_CODE_COUNT);
	for (unsigned i = 0; i < ERROR_CODE_COUNT; i++) {
		assert_int_equal(expected[i].code, i);
		assert_string_equal(error_name(expected[i].code), expected[i].name);
		assert_int_equal(error_exit_status(expected[i].code), expected[i].exit_status);
		assert_string_equal(error_summary(expected[i].code), expected[i].summary);
		if (i != ERROR_NONE)
			assert_int_equal(error_code_of_name(expected[i].name), i);
	}
}

static void unknown_names_and_codes_count_as_failed(void **state)
{
	assert_int_equal(error_code_of_name("org.freedesktop.DBus.Error.NoReply"), ERROR_FAILED);
	assert_int_equal(error_code_of_name(""), ERROR_FAILED);
	assert_int_equal(error_code_of_name("None"), ERROR_FAILED);
	assert_string_equal(error_name((enum error_code)999), "Failed");
	assert_int_equal(error_exit_status((enum error_code) - 1), 1);
}

static void the_first_cause_counts(void **state)
{
	owned_error struct error error = ERROR_INIT;

	assert_false(error_is_set(&error));
	assert_int_equal(error_set(&error, ERROR_BUSY, "used by %s", "dm-0"), -1);
	assert_int_equal(error_set(&error, ERROR_FAILED, "later"), -1);
	assert_true(error_is_set(&error));
	assert_int_equal(error.code, ERROR_BUSY);
	assert_string_equal(error.text, "used by dm-0");
	assert_string_equal(error_text(&error), "used by dm-0");
}

static void an_error_can_be_used_again_after_clear(void **state)
{
	struct error error = ERROR_INIT;

	error_set(&error, ERROR_FAILED, "one");
	error_clear(&error);
	error_clear(&error);
	assert_false(error_is_set(&error));
	assert_null(error.text);
	error_set(&error, ERROR_BUSY, "two");
	assert_string_equal(error.text, "two");
	error_clear(&error);
}

static void nowhere_to_put_it_is_fine(void **state)
{
	assert_int_equal(error_set(NULL, ERROR_FAILED, "gone"), -1);
}

static void text_falls_back_to_the_summary(void **state)
{
	struct error error = {.code = ERROR_PDU_TIMEOUT};

	assert_string_equal(error_text(&error), "iSCSI PDU timed out");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_name_exit_status_and_text),
		cmocka_unit_test(unknown_names_and_codes_count_as_failed),
		cmocka_unit_test(the_first_cause_counts),
		cmocka_unit_test(an_error_can_be_used_again_after_clear),
		cmocka_unit_test(nowhere_to_put_it_is_fine),
		cmocka_unit_test(text_falls_back_to_the_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
