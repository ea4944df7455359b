/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/hawser.h"
#include "cli/hawser_lists.h"

/* What the second operand may be; the first one is what a map gets without it. */
/* clang-format off */
static const struct scope {
	const char *word, *scope; /* as D-Bus says it; NULL: a map's unit */
	bool others;              /* other hosts lose what they have under way there */
	bool one;                 /* through one session is enough */
} scopes[] = {
	{"unit",        NULL,          false, true},
	{"target",      "target-warm", true,  true},
	{"target-cold", "target-cold", true,  true},
	{"session",     "nexus",       false, false},
};
/* clang-format on */

static const struct scope *find_scope(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (strcmp(scopes[i].word, word) == 0)
			return &scopes[i];
	return NULL;
}

static int tell(struct hawser *run, const char *what, const struct error *error)
{
	if (error_is_set(error))
		return hawser_report(run, what, error);
	fprintf(run->out, "%s: done\n", what);
	return 0;
}

static int reset_map(struct hawser *run)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_error struct error error = ERROR_INIT;
	owned_maps maps = {};

	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, "reset", &error);
	for (size_t i = 0; i < maps.count; i++) {
		owned_call call = {.object = maps.items[i].object,
				   .interface = "Map",
				   .member = "Reset",
				   .arguments = no_options};
		char what[300];

		if (!list_has_map(&maps.items[i], run->operands[0]))
			continue;
		snprintf(what, sizeof(what), "reset of the logical unit of %s", maps.items[i].name);
		client_call(run->client, &call);
		return tell(run, what, &call.error);
	}
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no map '%s'", run->operands[0]);
}

static int reset_session(struct hawser *run, const struct session_info *session,
			 const struct scope *scope)
{
	const struct argument arguments[] = {
		{.type = 's', .text = scope->scope}, {.type = 'V'}, {}};
	owned_call call = {.object = session->object,
			   .interface = "Session",
			   .member = "Reset",
			   .arguments = arguments};
	char what[1100];

	snprintf(what, sizeof(what), "reset of %s %s through session %u",
		 scope->one ? "target" : "what is under way at", session->target, session->sid);
	client_call(run->client, &call);
	return tell(run, what, &call.error);
}

static int reset_sessions(struct hawser *run, const struct scope *scope)
{
	struct selection selection = hawser_selection(run, run->operands[0]);
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	int status = 0;

	if (model_sessions(run->client, &selection, &sessions, &error) < 0)
		return hawser_report(run, "reset", &error);
	if (sessions.count == 0)
		return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "%s has no session that matches",
				   run->operands[0]);
	for (size_t i = 0; i < sessions.count; i++) {
		bool last = i + 1 == sessions.count;
		int r;

		if (scope->one && !last && strcmp(sessions.items[i].state, "logged-in") != 0)
			continue;
		r = reset_session(run, &sessions.items[i], scope);

		if (scope->one)
			return r;
		status = status ? status : r;
	}
	return status;
}

int hawser_reset(struct hawser *run)
{
	const char *word = run->operand_count > 1 ? run->operands[1] : scopes[0].word;
	const struct scope *scope = find_scope(word);

	if (!scope)
		return hawser_fail(
			run, ERROR_INVALID_ARGUMENT,
			"'%s' cannot be reset; unit, target, target-cold and session can", word);
	if (scope->others && !run->force)
		return hawser_fail(
			run, ERROR_INVALID_ARGUMENT,
			"a reset of the target ends what all hosts have under way there; "
			"--force says that this is meant");
	return scope->scope ? reset_sessions(run, scope) : reset_map(run);
}
