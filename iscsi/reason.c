/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/reason.h"

#include <stddef.h>

#include "iscsi/pdu.h"
#include "util/cleanup.h"

#define ANY 0xff /* of a status detail: the rest of its class */

/* clang-format off */
/* The first row that fits counts. */
static const struct login_reason login_reasons[] = {
	{0x00, ANY,  "success",                   "it succeeded",                                              LOGIN_RETRY_NEVER},
	{0x01, 0x01, "moved-temporarily",         "the target is for now at another address",                  LOGIN_RETRY_REDIRECT},
	{0x01, 0x02, "moved-permanently",         "the target has moved to another address",                   LOGIN_RETRY_REDIRECT},
	{0x01, ANY,  "redirected",                "the target is at another address",                          LOGIN_RETRY_REDIRECT},
	{0x02, 0x00, "initiator-error",           "it blames this side and does not say why",                  LOGIN_RETRY_SLOW},
	{0x02, 0x01, "authentication-failure",    "the credentials are wrong or missing",                      LOGIN_RETRY_NEVER},
	{0x02, 0x02, "authorization-failure",     "this initiator is not allowed to use the target",           LOGIN_RETRY_SLOW},
	{0x02, 0x03, "not-found",                 "there is no such target at this address",                   LOGIN_RETRY_SLOW},
	{0x02, 0x04, "target-removed",            "the target was removed and left no other address",          LOGIN_RETRY_NEVER},
	{0x02, 0x05, "unsupported-version",       "it speaks another version of the protocol",                 LOGIN_RETRY_NEVER},
	{0x02, 0x06, "too-many-connections",      "the session has too many connections",                      LOGIN_RETRY_SLOW},
	{0x02, 0x07, "missing-parameter",         "it misses a parameter",                                     LOGIN_RETRY_NEVER},
	{0x02, 0x08, "cannot-include-in-session", "its portal cannot join this session",                       LOGIN_RETRY_NEVER},
	{0x02, 0x09, "session-type-unsupported",  "it does not support this type of session",                  LOGIN_RETRY_NEVER},
	{0x02, 0x0a, "session-does-not-exist",    "it does not know the session",                              LOGIN_RETRY_NEW},
	{0x02, 0x0b, "invalid-during-login",      "it calls a request invalid during login",                   LOGIN_RETRY_NEVER},
	{0x02, ANY,  "initiator-error",           "it blames this side for a reason that is not in the standard", LOGIN_RETRY_SLOW},
	{0x03, 0x00, "target-error",              "it has a hardware or software error",                       LOGIN_RETRY_BACKOFF},
	{0x03, 0x01, "service-unavailable",       "its service is not available at the moment",                LOGIN_RETRY_BACKOFF},
	{0x03, 0x02, "out-of-resources",          "it is out of resources",                                    LOGIN_RETRY_BACKOFF},
	{0x03, ANY,  "target-error",              "it has an error that is not in the standard",               LOGIN_RETRY_BACKOFF},
};

static const struct login_reason login_unknown =
	{ANY,  ANY,  "unknown-status",            "it gave a status that is not in the standard",              LOGIN_RETRY_SLOW};

static const struct reason reject_reasons[] = {
	{REJECT_DATA_DIGEST,           "data-digest-error",        "the data of a request reached it damaged"},
	{REJECT_SNACK,                 "snack-reject",             "it cannot send again what was asked for"},
	{REJECT_PROTOCOL_ERROR,        "protocol-error",           "it calls a request a violation of the protocol"},
	{REJECT_COMMAND_NOT_SUPPORTED, "command-not-supported",    "it does not support a request"},
	{REJECT_IMMEDIATE_COMMAND,     "immediate-command-reject", "it has too many immediate requests"},
	{REJECT_TASK_IN_PROGRESS,      "task-in-progress",         "it has a task of the same tag already"},
	{REJECT_INVALID_DATA_ACK,      "invalid-data-ack",         "it did not expect a data acknowledgement"},
	{REJECT_INVALID_PDU_FIELD,     "invalid-pdu-field",        "it calls a field of a request invalid"},
	{REJECT_LONG_OPERATION,        "long-operation-reject",    "it has no room for so long an operation"},
	{REJECT_NEGOTIATION_RESET,     "negotiation-reset",        "it ended the negotiation"},
	{REJECT_WAITING_FOR_LOGOUT,    "waiting-for-logout",       "it waits for a logout"},
};
static const struct reason reject_unknown =
	{0, "unknown-reason", "it gave a reason that is not in the standard"};

static const struct reason logout_reasons[] = {
	{LOGOUT_CLOSED,                 "closed",                 "the connection or session is closed"},
	{LOGOUT_CID_NOT_FOUND,          "connection-not-found",   "it does not know the connection"},
	{LOGOUT_RECOVERY_NOT_SUPPORTED, "recovery-not-supported", "it does not support connection recovery"},
	{LOGOUT_CLEANUP_FAILED,         "cleanup-failed",         "it could not clean up"},
};
static const struct reason logout_unknown =
	{0, "unknown-response", "it gave a response that is not in the standard"};

static const struct reason async_reasons[] = {
	{ASYNC_SCSI_EVENT,          "scsi-event",          "a logical unit reports an event"},
	{ASYNC_LOGOUT_REQUEST,      "logout-request",      "it asks for a logout"},
	{ASYNC_CONNECTION_DROP,     "connection-drop",     "it is about to drop a connection"},
	{ASYNC_SESSION_DROP,        "session-drop",        "it is about to drop all connections of the session"},
	{ASYNC_NEGOTIATION_REQUEST, "negotiation-request", "it asks for a negotiation"},
	{ASYNC_TASK_TERMINATION,    "task-termination",    "it ends the tasks of a logical unit"},
};
static const struct reason async_vendor = {ASYNC_VENDOR_FIRST, "vendor-event", "an event of its vendor"};
static const struct reason async_unknown = {0, "unknown-event", "an event that is not in the standard"};

static const struct reason task_management_reasons[] = {
	{TASK_MANAGEMENT_COMPLETE,               "complete",               "the function is complete"},
	{TASK_MANAGEMENT_NO_TASK,                "task-does-not-exist",    "it does not know the task"},
	{TASK_MANAGEMENT_NO_LUN,                 "lun-does-not-exist",     "it does not know the logical unit"},
	{TASK_MANAGEMENT_STILL_ALLEGIANT,        "task-still-allegiant",   "the task still belongs to its connection"},
	{TASK_MANAGEMENT_REASSIGN_NOT_SUPPORTED, "reassign-not-supported", "it does not support moving tasks"},
	{TASK_MANAGEMENT_NOT_SUPPORTED,          "function-not-supported", "it does not support the function"},
	{TASK_MANAGEMENT_NOT_AUTHORIZED,         "not-authorized",         "this initiator may not use the function"},
	{TASK_MANAGEMENT_SUCCEEDED,              "succeeded",              "the function found what it asked for"},
	{TASK_MANAGEMENT_REJECTED,               "rejected",               "it rejected the function"},
};
static const struct reason task_management_unknown =
	{0, "unknown-response", "it gave a response that is not in the standard"};
/* clang-format on */

const struct login_reason *reason_of_login(uint8_t status_class, uint8_t status_detail)
{
	for (size_t i = 0; i < ARRAY_SIZE(login_reasons); i++) {
		const struct login_reason *row = &login_reasons[i];

		if (row->status_class == status_class &&
		    (row->status_detail == status_detail || row->status_detail == ANY))
			return row;
	}
	return &login_unknown;
}

static const struct reason *find(const struct reason *rows, size_t count, uint8_t code,
				 const struct reason *otherwise)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].code == code)
			return &rows[i];
	}
	return otherwise;
}

const struct reason *reason_of_reject(uint8_t code)
{
	return find(reject_reasons, ARRAY_SIZE(reject_reasons), code, &reject_unknown);
}

const struct reason *reason_of_logout(uint8_t code)
{
	return find(logout_reasons, ARRAY_SIZE(logout_reasons), code, &logout_unknown);
}

const struct reason *reason_of_async(uint8_t code)
{
	return find(async_reasons, ARRAY_SIZE(async_reasons), code,
		    code >= ASYNC_VENDOR_FIRST ? &async_vendor : &async_unknown);
}

const struct reason *reason_of_task_management(uint8_t code)
{
	return find(task_management_reasons, ARRAY_SIZE(task_management_reasons), code,
		    &task_management_unknown);
}
