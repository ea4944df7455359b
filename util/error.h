/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What an operator reads when something could not be done: a code out of one closed table and one
 * sentence. Filled in daemon/, carried by dbus/, shown by cli/. The table gives each code its D-Bus
 * error name (after "org.hawser1.Error."), iscsiadm's exit status and iscsiadm's text for it.
 */

#include <stdbool.h>

/* clang-format off */
enum error_code {
	ERROR_NONE,
	ERROR_FAILED,                 /*  1 */
	ERROR_SESSION_NOT_FOUND,      /*  2 */
	ERROR_NO_MEMORY,              /*  3 */
	ERROR_TRANSPORT_FAILED,       /*  4 */
	ERROR_LOGIN_FAILED,           /*  5 */
	ERROR_DATABASE_FAILED,        /*  6 */
	ERROR_INVALID_ARGUMENT,       /*  7 */
	ERROR_TRANSPORT_TIMEOUT,      /*  8 */
	ERROR_INTERNAL,               /*  9 */
	ERROR_LOGOUT_FAILED,          /* 10 */
	ERROR_PDU_TIMEOUT,            /* 11 */
	ERROR_TRANSPORT_NOT_FOUND,    /* 12 */
	ERROR_ACCESS_DENIED,          /* 13 */
	ERROR_TRANSPORT_CAPABILITY,   /* 14 */
	ERROR_SESSION_EXISTS,         /* 15 */
	ERROR_UNKNOWN_REQUEST,        /* 16 */
	ERROR_FATAL_LOGIN,            /* 19 */
	ERROR_NOT_CONNECTED,          /* 20: the daemon cannot be reached */
	ERROR_NO_OBJECTS_FOUND,       /* 21 */
	ERROR_HOST_NOT_FOUND,         /* 23 */
	ERROR_AUTHENTICATION_FAILED,  /* 24 */
	ERROR_ISNS_QUERY_FAILED,      /* 25 */
	ERROR_NOT_SUPPORTED,          /* 27 */
	ERROR_BUSY,                   /* 28 */
	ERROR_TRY_AGAIN,              /* 29 */
	ERROR_SESSION_NOT_CONNECTED,  /* 32 */
	ERROR_REQUEST_TIMEOUT,        /* 33 */
	ERROR_RESERVATION_CONFLICT,   /* 34 */
	ERROR_CODE_COUNT,
};
/* clang-format on */

/** struct error - ERROR_NONE and NULL when there is none; initialise with ERROR_INIT */
struct error {
	enum error_code code;
	char *text; /* one sentence without the final stop; owned */
};

#define ERROR_INIT \
	{ \
	}

/**
 * error_set() - say what went wrong; an error that is already set stays (the first cause counts)
 * @error: may be NULL: then nothing is kept
 *
 * Return: -1, so that callers can write return error_set(…).
 */
int error_set(struct error *error, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** error_clear() - free the text; the error can be used again */
void error_clear(struct error *error);

static inline bool error_is_set(const struct error *error)
{
	return error->code != ERROR_NONE;
}

/** error_text() - the sentence, or the code's summary when there is none; never NULL */
const char *error_text(const struct error *error);

/** owned_error - struct error that clears itself: owned_error struct error e = ERROR_INIT; */
#define owned_error __attribute__((cleanup(error_clear)))

/** error_name() - D-Bus name after the "org.hawser1.Error." prefix, such as "LoginFailed" */
const char *error_name(enum error_code code);
/** error_code_of_name() - the code, or ERROR_FAILED for a name we do not know */
enum error_code error_code_of_name(const char *name);
/** error_exit_status() - iscsiadm's exit status */
int error_exit_status(enum error_code code);
/** error_summary() - iscsiadm's fixed text of that status ("iSCSI PDU timed out") */
const char *error_summary(enum error_code code);
