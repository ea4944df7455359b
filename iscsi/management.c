/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/management.h"

#include <stddef.h>

#include "util/cleanup.h"

/*
 * Nothing escalates to a larger reset by itself: that would end tasks of other hosts. A target that
 * does not answer at all holds the one request that it need have room for (§4.2.2.1), so that
 * silence always ends the session; its tasks are made sure of by session reinstatement (§6.3.5).
 */
/* clang-format off */
static const struct management_function functions[] = {
	/* code                                     name                       scope                  ends   closes level2 must */
	{TASK_MANAGEMENT_ABORT_TASK,               "abort-task",               MANAGEMENT_OF_TASK,    true,  false, false, true},
	{TASK_MANAGEMENT_ABORT_TASK_SET,           "abort-task-set",           MANAGEMENT_OF_UNIT,    true,  false, false, false},
	{TASK_MANAGEMENT_CLEAR_ACA,                "clear-aca",                MANAGEMENT_OF_UNIT,    false, false, false, false},
	{TASK_MANAGEMENT_CLEAR_TASK_SET,           "clear-task-set",           MANAGEMENT_OF_UNIT,    true,  false, false, false},
	{TASK_MANAGEMENT_LOGICAL_UNIT_RESET,       "logical-unit-reset",       MANAGEMENT_OF_UNIT,    true,  false, false, false},
	{TASK_MANAGEMENT_TARGET_WARM_RESET,        "target-warm-reset",        MANAGEMENT_OF_SESSION, true,  false, false, false},
	{TASK_MANAGEMENT_TARGET_COLD_RESET,        "target-cold-reset",        MANAGEMENT_OF_SESSION, true,  true,  false, false},
	{TASK_MANAGEMENT_QUERY_TASK,               "query-task",               MANAGEMENT_OF_TASK,    false, false, true,  false},
	{TASK_MANAGEMENT_QUERY_TASK_SET,           "query-task-set",           MANAGEMENT_OF_UNIT,    false, false, true,  false},
	{TASK_MANAGEMENT_I_T_NEXUS_RESET,          "i-t-nexus-reset",          MANAGEMENT_OF_SESSION, true,  true,  true,  false},
	{TASK_MANAGEMENT_QUERY_ASYNCHRONOUS_EVENT, "query-asynchronous-event", MANAGEMENT_OF_UNIT,    false, false, true,  false},
};

/* Whom an answer makes sense for; everything else is a refusal, whatever else it was meant to be. */
enum { FOR_TASK = 1 << MANAGEMENT_OF_TASK, FOR_UNIT = 1 << MANAGEMENT_OF_UNIT, FOR_SESSION = 1 << MANAGEMENT_OF_SESSION };

static const struct {
	enum task_management_response_code code;
	unsigned scopes;
	bool only_queries;
	enum management_outcome outcome;
} answers[] = {
	{TASK_MANAGEMENT_COMPLETE,  FOR_TASK | FOR_UNIT | FOR_SESSION, false, MANAGEMENT_COMPLETE},
	{TASK_MANAGEMENT_NO_TASK,   FOR_TASK,                          false, MANAGEMENT_COMPLETE}, /* its answer was sent before, or it never existed */
	{TASK_MANAGEMENT_NO_LUN,    FOR_TASK | FOR_UNIT,               false, MANAGEMENT_NO_UNIT},
	{TASK_MANAGEMENT_SUCCEEDED, FOR_TASK | FOR_UNIT,               true,  MANAGEMENT_SUCCEEDED},
};
/* clang-format on */

const struct management_function *management_function_of(enum task_management_function code)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		if (functions[i].code == code)
			return &functions[i];
	return NULL;
}

enum management_outcome management_outcome_of(const struct management_function *function,
					      uint8_t response)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].code == response && (answers[i].scopes & 1u << function->scope) &&
		    !(answers[i].only_queries && !function->level_2))
			return answers[i].outcome;
	return MANAGEMENT_REFUSED;
}
