/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/logout.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* The row of @object; the empty value when there is none. Rows mostly come in our order. */
static const struct value *result_of(const struct value *results, const char *object, size_t guess)
{
	size_t count = value_count(results);

	for (size_t i = 0; i < count; i++) {
		const struct value *result = value_at(results, (guess + i) % count);

		if (strcmp(value_text(value_at(result, 0)), object) == 0)
			return result;
	}
	return value_at(results, count);
}

void logout_results(const struct value *results, const struct session_list *sessions,
		    struct error *errors)
{
	for (size_t i = 0; i < sessions->count; i++) {
		const struct value *result = result_of(results, sessions->items[i].object, i);
		const char *name = value_text(value_at(result, 1));

		if (value_count(result) == 0)
			error_set(&errors[i], ERROR_NO_OBJECTS_FOUND, "the session is gone");
		else if (*name)
			client_error(&errors[i], name, value_text(value_at(result, 2)));
	}
}

void errors_free(struct error *errors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		error_clear(&errors[i]);
	free(errors);
}

void logout_together(struct client *client, const struct session_list *sessions, bool force,
		     struct error *errors)
{
	owned_memory uint32_t *sids = calloc(sessions->count + 1, sizeof(*sids));
	/* a list, also when it is empty: without the key the daemon would take all there are */
	const struct argument selector[] = {
		{.type = 'U', .key = "sids", .numbers = sids, .count = sessions->count}, {}};
	const struct argument options[] = {{.type = 'b', .key = "force", .number = force}, {}};
	const struct argument arguments[] = {
		{.type = 'V', .entries = selector}, {.type = 'V', .entries = options}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "LogoutMany",
		.arguments = arguments,
	};

	for (size_t i = 0; sids && i < sessions->count; i++)
		sids[i] = sessions->items[i].sid;
	if (!sids)
		error_set(&call.error, ERROR_NO_MEMORY, "out of memory");
	else if (client_call(client, &call) == 0)
		logout_results(value_at(call.reply, 0), sessions, errors);
	for (size_t i = 0; error_is_set(&call.error) && i < sessions->count; i++)
		error_set(&errors[i], call.error.code, "%s", error_text(&call.error));
}
