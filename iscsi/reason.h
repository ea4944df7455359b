/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The codes by which a target says why: as a short name for journal fields and as plain words.
 * Every lookup gives a row, also for codes that are reserved or the vendor's.
 */

#include <stdint.h>

struct reason {
	uint8_t code;
	const char *name;    /* "protocol-error" */
	const char *meaning; /* "it calls a request a violation of the protocol" */
};

/* What to do after a Login Response that did not say success (RFC 7143 §11.13.5). */
enum login_retry {
	LOGIN_RETRY_NEVER,    /* not before somebody changed something */
	LOGIN_RETRY_SLOW,     /* may heal by itself, but hurrying does not help */
	LOGIN_RETRY_BACKOFF,  /* the target is busy or coming up: soon, then ever later */
	LOGIN_RETRY_REDIRECT, /* now, at the address it gave */
	LOGIN_RETRY_NEW,      /* now, as a new session (TSIH 0) */
	LOGIN_RETRY_COUNT,
};

struct login_reason {
	uint8_t status_class, status_detail;
	const char *name;
	const char *meaning; /* continues "the target refused the login: " */
	enum login_retry retry;
};

/** reason_of_login() - Status-Class and Status-Detail (RFC 7143 §11.13.5) */
const struct login_reason *reason_of_login(uint8_t status_class, uint8_t status_detail);
/** reason_of_reject() - Reason of a Reject PDU (§11.17.1) */
const struct reason *reason_of_reject(uint8_t code);
/** reason_of_logout() - Response of a Logout Response (§11.15.1) */
const struct reason *reason_of_logout(uint8_t code);
/** reason_of_async() - AsyncEvent of an Asynchronous Message (§11.9.1) */
const struct reason *reason_of_async(uint8_t code);
/** reason_of_task_management() - Response of a Task Management Function Response (§11.6.1) */
const struct reason *reason_of_task_management(uint8_t code);
