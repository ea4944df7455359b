/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

struct row {
	const char *name;
	int exit_status;
	const char *summary;
};

/* clang-format off */
static const struct row rows[ERROR_CODE_COUNT] = {
	[ERROR_NONE]                  = {"None",                  0, ""},
	[ERROR_FAILED]                = {"Failed",                1, "unknown error"},
	[ERROR_SESSION_NOT_FOUND]     = {"SessionNotFound",       2, "session not found"},
	[ERROR_NO_MEMORY]             = {"NoMemory",              3, "no available memory"},
	[ERROR_TRANSPORT_FAILED]      = {"TransportFailed",       4, "encountered connection failure"},
	[ERROR_LOGIN_FAILED]          = {"LoginFailed",           5, "encountered iSCSI login failure"},
	[ERROR_DATABASE_FAILED]       = {"DatabaseFailed",        6, "encountered iSCSI database failure"},
	[ERROR_INVALID_ARGUMENT]      = {"InvalidArgument",       7, "invalid parameter"},
	[ERROR_TRANSPORT_TIMEOUT]     = {"TransportTimeout",      8, "connection timed out"},
	[ERROR_INTERNAL]              = {"Internal",              9, "internal error"},
	[ERROR_LOGOUT_FAILED]         = {"LogoutFailed",         10, "encountered iSCSI logout failure"},
	[ERROR_PDU_TIMEOUT]           = {"PduTimeout",           11, "iSCSI PDU timed out"},
	[ERROR_TRANSPORT_NOT_FOUND]   = {"TransportNotFound",    12, "iSCSI driver not found. Please make sure it is loaded, and retry the operation"},
	[ERROR_ACCESS_DENIED]         = {"AccessDenied",         13, "daemon access denied"},
	[ERROR_TRANSPORT_CAPABILITY]  = {"TransportCapability",  14, "iSCSI driver does not support requested capability."},
	[ERROR_SESSION_EXISTS]        = {"SessionExists",        15, "session exists"},
	[ERROR_UNKNOWN_REQUEST]       = {"UnknownRequest",       16, "Unknown request"},
	[ERROR_FATAL_LOGIN]           = {"FatalLogin",           19, "encountered non-retryable iSCSI login failure"},
	[ERROR_NOT_CONNECTED]         = {"NotConnected",         20, "could not connect to iscsid"},
	[ERROR_NO_OBJECTS_FOUND]      = {"NoObjectsFound",       21, "no objects found"},
	[ERROR_HOST_NOT_FOUND]        = {"HostNotFound",         23, "host not found"},
	[ERROR_AUTHENTICATION_FAILED] = {"AuthenticationFailed", 24, "iSCSI login failed due to authorization failure"},
	[ERROR_ISNS_QUERY_FAILED]     = {"IsnsQueryFailed",      25, "iSNS query failed"},
	[ERROR_NOT_SUPPORTED]         = {"NotSupported",         27, "operation not supported"},
	[ERROR_BUSY]                  = {"Busy",                 28, "device or resource in use"},
	[ERROR_TRY_AGAIN]             = {"TryAgain",             29, "operation failed but retry may succeed"},
	[ERROR_SESSION_NOT_CONNECTED] = {"SessionNotConnected",  32, "target likely not connected"},
	[ERROR_REQUEST_TIMEOUT]       = {"RequestTimeout",       33, "iscsid request timed out"},
	[ERROR_RESERVATION_CONFLICT]  = {"ReservationConflict",  34, "reservation conflict"},
};
/* clang-format on */

static const struct row *row_of(enum error_code code)
{
	return &rows[(unsigned)code < ERROR_CODE_COUNT ? code : ERROR_FAILED];
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
	va_list arguments;

	if (!error || error_is_set(error))
		return -1;

	va_start(arguments, format);
	/* Without memory for the sentence the code alone has to do: text stays NULL. */
	if (vasprintf(&error->text, format, arguments) < 0)
		error->text = NULL;
	va_end(arguments);
	error->code = code;
	return -1;
}

void error_clear(struct error *error)
{
	free(error->text);
	*error = (struct error)ERROR_INIT;
}

const char *error_text(const struct error *error)
{
	return error->text ? error->text : error_summary(error->code);
}

const char *error_name(enum error_code code)
{
	return row_of(code)->name;
}

enum error_code error_code_of_name(const char *name)
{
	for (unsigned code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
		if (strcmp(rows[code].name, name) == 0)
			return (enum error_code)code;
	return ERROR_FAILED;
}

int error_exit_status(enum error_code code)
{
	return row_of(code)->exit_status;
}

const char *error_summary(enum error_code code)
{
	return row_of(code)->summary;
}
