/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/record_client.h"

#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/secret.h"
#include "util/cleanup.h"

#define MORE_MAX 3 /* arguments behind a record's name */

struct record_place record_place_of_node(const char *object)
{
	return (struct record_place){.object = object, .interface = "Node"};
}

struct record_place record_place_of_iface(const char *name)
{
	return (struct record_place){
		.object = CLIENT_ROOT,
		.interface = "Ifaces",
		.name = {{.type = 's', .text = name}},
		.name_count = 1,
	};
}

int record_client_call(struct client *client, const struct record_place *place, const char *member,
		       const struct argument *more, struct call *call)
{
	struct argument arguments[RECORD_NAME_MAX + MORE_MAX + 1] = {};
	size_t count = place->name_count;
	int r;

	memcpy(arguments, place->name, count * sizeof(*arguments));
	while (more->type && count < RECORD_NAME_MAX + MORE_MAX)
		arguments[count++] = *more++;
	*call = (struct call){
		.object = place->object,
		.interface = place->interface,
		.member = member,
		.arguments = arguments,
	};
	r = client_call(client, call);
	call->arguments = NULL;
	return r;
}

int record_client_get(struct client *client, const struct record_place *place, struct call *call)
{
	static const struct argument all_keys[] = {{.type = 'A'}, {}};

	return record_client_call(client, place, "Get", all_keys, call);
}

static int put_secret(struct client *client, const struct record_place *place,
		      const struct setting *setting, struct error *error)
{
	owned_fd int fd = secret_fd(setting->value);
	const struct argument arguments[] = {
		{.type = 's', .text = setting->name},
		{.type = 'h', .number = fd},
		{.type = 'V'},
		{},
	};
	owned_call call = {};

	if (fd < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "%s is too long for a secret",
				 setting->name);
	if (record_client_call(client, place, "SetSecret", arguments, &call) == 0)
		return 0;
	return error_set(error, call.error.code, "%s", call.error.text);
}

static bool is_secret(const struct setting *setting)
{
	return secret_is_key(setting->name) && *setting->value;
}

static bool is_overridden(const struct setting *settings, size_t count, size_t index)
{
	for (size_t i = index + 1; i < count; i++)
		if (strcmp(settings[i].name, settings[index].name) == 0)
			return true;
	return false;
}

int record_client_update(struct client *client, const struct record_place *place,
			 const struct setting *settings, size_t count, struct error *error)
{
	owned_memory struct argument *changes = calloc(count + 1, sizeof(*changes));
	const struct argument arguments[] = {{.type = 'S', .entries = changes}, {.type = 'V'}, {}};
	owned_call call = {};
	size_t plain = 0;

	if (!changes)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!is_secret(&settings[i]) && !is_overridden(settings, count, i))
			changes[plain++] = (struct argument){
				.type = 's',
				.key = settings[i].name,
				.text = settings[i].value,
			};
	if (plain > 0 && record_client_call(client, place, "Update", arguments, &call) < 0)
		return error_set(error, call.error.code, "%s", call.error.text);
	for (size_t i = 0; i < count; i++)
		if (is_secret(&settings[i]) && !is_overridden(settings, count, i) &&
		    put_secret(client, place, &settings[i], error) < 0)
			return -1;
	return 0;
}

char *record_client_secret(struct client *client, const struct record_place *place, const char *key,
			   struct error *error)
{
	const struct argument arguments[] = {{.type = 's', .text = key}, {.type = 'V'}, {}};
	owned_call call = {};
	char *secret;

	if (record_client_call(client, place, "GetSecret", arguments, &call) < 0) {
		error_set(error, call.error.code, "%s", call.error.text);
		return NULL;
	}
	secret = secret_from_fd(value_fd(value_at(call.reply, 0)));
	if (!secret)
		error_set(error, ERROR_FAILED, "the daemon gave no secret for %s", key);
	return secret;
}
