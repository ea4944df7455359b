/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "iscsi/reason.h"
#include "util/cleanup.h"

/* RFC 7143 §11.13.5 */
static void every_login_status_says_when_to_try_again(void **state)
{
	static const struct {
		uint8_t status_class, status_detail;
		const char *name;
		enum login_retry retry;
	} rows[] = {
		{1, 0, "redirected", LOGIN_RETRY_REDIRECT},
		{1, 1, "moved-temporarily", LOGIN_RETRY_REDIRECT},
		{1, 2, "moved-permanently", LOGIN_RETRY_REDIRECT},
		{2, 0, "initiator-error", LOGIN_RETRY_SLOW},
		{2, 1, "authentication-failure", LOGIN_RETRY_NEVER},
		{2, 2, "authorization-failure", LOGIN_RETRY_SLOW},
		{2, 3, "not-found", LOGIN_RETRY_SLOW},
		{2, 4, "target-removed", LOGIN_RETRY_NEVER},
		{2, 5, "unsupported-version", LOGIN_RETRY_NEVER},
		{2, 6, "too-many-connections", LOGIN_RETRY_SLOW},
		{2, 7, "missing-parameter", LOGIN_RETRY_NEVER},
		{2, 8, "cannot-include-in-session", LOGIN_RETRY_NEVER},
		{2, 9, "session-type-unsupported", LOGIN_RETRY_NEVER},
		{2, 10, "session-does-not-exist", LOGIN_RETRY_NEW},
		{2, 11, "invalid-during-login", LOGIN_RETRY_NEVER},
		{2, 12, "initiator-error", LOGIN_RETRY_SLOW},
		{2, 255, "initiator-error", LOGIN_RETRY_SLOW},
		{3, 0, "target-error", LOGIN_RETRY_BACKOFF},
		{3, 1, "service-unavailable", LOGIN_RETRY_BACKOFF},
		{3, 2, "out-of-resources", LOGIN_RETRY_BACKOFF},
		{3, 3, "target-error", LOGIN_RETRY_BACKOFF},
		{4, 0, "unknown-status", LOGIN_RETRY_SLOW},
		{255, 255, "unknown-status", LOGIN_RETRY_SLOW},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct login_reason *reason =
			reason_of_login(rows[i].status_class, rows[i].status_detail);

		assert_string_equal(reason->name, rows[i].name);
		assert_int_equal(reason->retry, rows[i].retry);
		assert_true(reason->meaning[0] != '\0');
	}
}

struct row {
	uint8_t code;
	const char *name;
};

static void check(const struct reason *(*lookup)(uint8_t), const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(lookup(rows[i].code)->name, rows[i].name);
	for (unsigned code = 0; code < 256; code++)
		assert_true(lookup((uint8_t)code)->meaning[0] != '\0');
}

static void every_other_code_has_a_name(void **state)
{
	static const struct row reject[] = {
		{0x00, "unknown-reason"},	    {0x01, "unknown-reason"},
		{0x02, "data-digest-error"},	    {0x03, "snack-reject"},
		{0x04, "protocol-error"},	    {0x05, "command-not-supported"},
		{0x06, "immediate-command-reject"}, {0x07, "task-in-progress"},
		{0x08, "invalid-data-ack"},	    {0x09, "invalid-pdu-field"},
		{0x0a, "long-operation-reject"},    {0x0b, "negotiation-reset"},
		{0x0c, "waiting-for-logout"},	    {0x0d, "unknown-reason"},
	};
	static const struct row logout[] = {
		{0, "closed"},	       {1, "connection-not-found"}, {2, "recovery-not-supported"},
		{3, "cleanup-failed"}, {4, "unknown-response"},
	};
	static const struct row async[] = {
		{0, "scsi-event"},     {1, "logout-request"},	   {2, "connection-drop"},
		{3, "session-drop"},   {4, "negotiation-request"}, {5, "task-termination"},
		{6, "unknown-event"},  {247, "unknown-event"},	   {248, "vendor-event"},
		{255, "vendor-event"},
	};
	static const struct row task_management[] = {
		{0, "complete"},
		{1, "task-does-not-exist"},
		{2, "lun-does-not-exist"},
		{3, "task-still-allegiant"},
		{4, "reassign-not-supported"},
		{5, "function-not-supported"},
		{6, "not-authorized"},
		{7, "succeeded"},
		{8, "unknown-response"},
		{255, "rejected"},
	};

	check(reason_of_reject, reject, ARRAY_SIZE(reject));
	check(reason_of_logout, logout, ARRAY_SIZE(logout));
	check(reason_of_async, async, ARRAY_SIZE(async));
	check(reason_of_task_management, task_management, ARRAY_SIZE(task_management));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_login_status_says_when_to_try_again),
		cmocka_unit_test(every_other_code_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
