/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <errno.h>
#include <string.h>

#include "cli/hawser.h"
#include "cli/hawser_lists.h"
#include "cli/json.h"
#include "util/text.h"

/* --- a target: all settings of its node records --- */

/* clang-format off */
enum { SETTING_TARGET, SETTING_PORTAL, SETTING_IFACE, SETTING_KEY, SETTING_VALUE, SETTING_COLUMNS };

static const struct column setting_columns[] = {
	[SETTING_TARGET] = {NULL,     "target", CELL_TEXT},
	[SETTING_PORTAL] = {"PORTAL", "portal", CELL_TEXT},
	[SETTING_IFACE]  = {"IFACE",  "iface",  CELL_TEXT},
	[SETTING_KEY]    = {"KEY",    "key",    CELL_TEXT},
	[SETTING_VALUE]  = {"VALUE",  "value",  CELL_TEXT},
};
/* clang-format on */

static void add_settings(struct table *table, const struct node_info *node,
			 const struct value *record)
{
	char portal[PORTAL_TEXT_MAX];

	portal_format(node->address, node->port, portal);
	for (size_t i = 0; i < value_count(record); i++) {
		struct table_row *row = table_add_row(table, NULL);

		table_set_text(table, row, SETTING_TARGET, node->target);
		table_set_text(table, row, SETTING_PORTAL, portal);
		table_set_text(table, row, SETTING_IFACE, node->iface);
		table_set_text(table, row, SETTING_KEY, value_key(record, i));
		table_set_text(table, row, SETTING_VALUE, value_text(value_of(record, i)));
	}
}

static int show_nodes(struct hawser *run, const struct node_list *nodes)
{
	static const struct argument all_keys[] = {{.type = 'A'}, {}};
	owned(table) table = NULL;

	if (table_new("settings", setting_columns, SETTING_COLUMNS, &run->style, &table) < 0)
		return hawser_fail(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < nodes->count; i++) {
		owned_call call = {
			.object = nodes->items[i].object,
			.interface = "Node",
			.member = "Get",
			.arguments = all_keys,
		};

		if (client_call(run->client, &call) < 0)
			return hawser_report(run, NULL, &call.error);
		add_settings(table, &nodes->items[i], value_at(call.reply, 0));
	}
	return hawser_print_table(run, table, NULL);
}

/* --- a map --- */

/* clang-format off */
enum { FACT_KEY, FACT_VALUE, FACT_COLUMNS };

static const struct column fact_columns[] = {
	[FACT_KEY]   = {"PROPERTY", "property", CELL_TEXT},
	[FACT_VALUE] = {"VALUE",    "value",    CELL_TEXT},
};
/* clang-format on */

static void add_fact(struct table *table, const char *key, const char *value)
{
	struct table_row *row = table_add_row(table, NULL);

	table_set_text(table, row, FACT_KEY, key);
	table_set_text(table, row, FACT_VALUE, value);
}

static void add_integrity(struct table *table, const struct map_info *map)
{
	char text[128], bytes[TEXT_FORMAT_MAX], longest[TEXT_FORMAT_MAX];

	add_fact(table, "integrity", map->integrity);
	add_fact(table, "fence quality", map->fence_quality);
	snprintf(text, sizeof(text), "%llu now, %llu ever", (unsigned long long)map->in_doubt,
		 (unsigned long long)map->in_doubt_total);
	add_fact(table, "writes in doubt", text);
	snprintf(text, sizeof(text), "%s, %llu writes held",
		 text_format_bytes(map->guarded_bytes, bytes), (unsigned long long)map->held);
	add_fact(table, "guarded", text);
	snprintf(text, sizeof(text), "%s, %llu ended by time",
		 text_format_ns(map->longest_guard_ms * 1000000, longest),
		 (unsigned long long)map->guards_expired);
	add_fact(table, "longest guard", text);
}

static void add_facts(struct table *table, const struct map_info *map, const char *holders)
{
	char text[64], size[TEXT_FORMAT_MAX], retry[TEXT_FORMAT_MAX];

	add_fact(table, "name", map->name);
	add_fact(table, "device", map->device);
	add_fact(table, "in use by", *holders ? holders : "nobody");
	add_fact(table, "state", map->state);
	snprintf(text, sizeof(text), "%u of %u up", map->paths_up, map->paths_total);
	add_fact(table, "paths", text);
	snprintf(text, sizeof(text), "%llu bytes, %s", (unsigned long long)map->size_bytes,
		 text_format_bytes(map->size_bytes, size));
	add_fact(table, "size", text);
	snprintf(text, sizeof(text), "%u bytes", map->block_size);
	add_fact(table, "block size", text);
	add_fact(table, "read-only", map->read_only ? "yes" : "no");
	add_fact(table, "vendor", map->vendor);
	add_fact(table, "product", map->product);
	add_fact(table, "serial", map->serial);
	add_fact(table, "WWID", map->wwid);
	add_fact(table, "exporter", map->exporter);
	add_fact(table, "policy", map->policy);
	add_fact(table, "no path retry",
		 map->no_path_retry_ms < 0
			 ? "for ever"
			 : text_format_ns((uint64_t)map->no_path_retry_ms * 1000000, retry));
	add_fact(table, "path groups by", map->grouping);
	snprintf(text, sizeof(text), "%u of %u", map->active_group, map->groups);
	add_fact(table, "path group in use", text);
	add_fact(table, "failback", map->failback);
	add_integrity(table, map);
}

static int print_map_json(struct hawser *run, struct map_info *map, const char *holders)
{
	const struct map_list one = {.items = map, .count = 1};
	owned_memory char *members = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&members, &length);

	if (!file)
		return -ENOMEM;
	fputs("\"in_use_by\": ", file);
	json_text(file, holders);
	if (fclose(file) != 0)
		return -ENOMEM;
	return list_maps(&one, members, &run->style, run->out);
}

static int print_map(struct hawser *run, const struct map_info *map, const char *holders,
		     const struct map_list *maps, const struct session_list *sessions)
{
	owned(table) table = NULL;
	int r = table_new("map", fact_columns, FACT_COLUMNS, &run->style, &table);

	if (r < 0)
		return r;
	add_facts(table, map, holders);
	r = table_print(table, NULL, run->out);
	fputc('\n', run->out);
	return r < 0 ? r : list_paths(maps, sessions, map->name, &run->style, run->out);
}

static int show_map(struct hawser *run, struct map_info *map, const struct map_list *maps)
{
	owned_call call = {
		.object = map->object,
		.interface = "Map",
		.member = "Holders",
	};
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	const char *holders;
	int r;

	if (client_call(run->client, &call) < 0)
		return hawser_report(run, NULL, &call.error);
	if (model_sessions(run->client, &(struct selection){}, &sessions, &error) < 0)
		return hawser_report(run, NULL, &error);
	holders = value_text(value_at(call.reply, 0));
	r = run->style.json ? print_map_json(run, map, holders)
			    : print_map(run, map, holders, maps, &sessions);
	return r < 0 ? hawser_fail(run, ERROR_FAILED, "cannot print: %s", strerror(-r)) : 0;
}

int hawser_show(struct hawser *run)
{
	struct selection selection = hawser_selection(run, run->operands[0]);
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};
	owned_maps maps = {};

	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return hawser_report(run, NULL, &error);
	if (nodes.count > 0)
		return show_nodes(run, &nodes);
	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	for (size_t i = 0; i < maps.count; i++)
		if (list_has_map(&maps.items[i], run->operands[0]))
			return show_map(run, &maps.items[i], &maps);
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no target and no map '%s'",
			   run->operands[0]);
}
