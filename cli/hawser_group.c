/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Path groups of a map, chosen by hand. */

#include <stdlib.h>
#include <string.h>

#include "cli/hawser.h"
#include "cli/hawser_lists.h"

static int use_best(struct hawser *run, const struct map_info *map)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_call call = {.object = map->object,
			   .interface = "Map",
			   .member = "Failback",
			   .arguments = no_options};

	if (client_call(run->client, &call) < 0)
		return hawser_report(run, map->name, &call.error);
	fprintf(run->out, "%s: the best path group is used\n", map->name);
	return 0;
}

static int use_group(struct hawser *run, const struct map_info *map, uint32_t number)
{
	const struct argument arguments[] = {{.type = 'u', .number = number}, {.type = 'V'}, {}};
	owned_call call = {.object = map->object,
			   .interface = "Map",
			   .member = "SwitchGroup",
			   .arguments = arguments};

	if (client_call(run->client, &call) < 0)
		return hawser_report(run, map->name, &call.error);
	fprintf(run->out, "%s: path group %u is to be used\n", map->name, number);
	return 0;
}

int hawser_group(struct hawser *run)
{
	const char *word = run->operands[1];
	bool best = strcmp(word, "best") == 0;
	owned_error struct error error = ERROR_INIT;
	owned_maps maps = {};
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	if (!best && (*end || end == word || number == 0 || number > UINT32_MAX))
		return hawser_fail(run, ERROR_INVALID_ARGUMENT,
				   "'%s' is no path group; a number from 1 on is, and best", word);
	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	for (size_t i = 0; i < maps.count; i++) {
		if (!list_has_map(&maps.items[i], run->operands[0]))
			continue;
		return best ? use_best(run, &maps.items[i])
			    : use_group(run, &maps.items[i], (uint32_t)number);
	}
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no map '%s'", run->operands[0]);
}
