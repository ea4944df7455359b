/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "cli/hawser.h"
#include "cli/hawser_lists.h"

static int remove_map(struct hawser *run, const struct map_info *map)
{
	const struct argument options[] = {{.type = 'b', .key = "force", .number = run->force}, {}};
	const struct argument arguments[] = {{.type = 'V', .entries = options}, {}};
	owned_call call = {
		.object = map->object,
		.interface = "Map",
		.member = "Remove",
		.arguments = arguments,
	};
	char what[300];

	snprintf(what, sizeof(what), "removal of %s", map->name);
	client_call(run->client, &call);
	if (error_is_set(&call.error))
		return hawser_report(run, what, &call.error);
	fprintf(run->out, "%s: done\n", what);
	return 0;
}

int hawser_remove(struct hawser *run)
{
	owned_error struct error error = ERROR_INIT;
	owned_maps maps = {};

	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, "removal", &error);
	for (size_t i = 0; i < maps.count; i++)
		if (list_has_map(&maps.items[i], run->operands[0]))
			return remove_map(run, &maps.items[i]);
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no map '%s'", run->operands[0]);
}
