/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/hawser_lists.h"

#include <errno.h>
#include <string.h>

#include "cli/hawser.h"

static void set_portal(struct table *table, struct table_row *row, unsigned column,
		       const char *address, uint16_t port)
{
	char text[PORTAL_TEXT_MAX];

	table_set_text(table, row, column, portal_format(address, port, text));
}

/* --- nodes --- */

/* clang-format off */
enum { NODE_TARGET, NODE_PORTAL, NODE_TPGT, NODE_IFACE, NODE_STARTUP, NODE_STATE, NODE_SESSIONS,
       NODE_ERROR, NODE_OBJECT, NODE_COLUMNS };

static const struct column node_columns[] = {
	[NODE_TARGET]   = {"TARGET",     "target",     CELL_TEXT},
	[NODE_PORTAL]   = {"PORTAL",     "portal",     CELL_TEXT},
	[NODE_TPGT]     = {NULL,         "tpgt",       CELL_NUMBER},
	[NODE_IFACE]    = {"IFACE",      "iface",      CELL_TEXT},
	[NODE_STARTUP]  = {"STARTUP",    "startup",    CELL_TEXT},
	[NODE_STATE]    = {"STATE",      "state",      CELL_TEXT},
	[NODE_SESSIONS] = {"SESSIONS",   "sessions",   CELL_NUMBER},
	[NODE_ERROR]    = {"LAST ERROR", "last_error", CELL_TEXT, .optional = true, .sparse = true},
	[NODE_OBJECT]   = {NULL,         "object",     CELL_TEXT},
};
/* clang-format on */

int list_nodes(const struct node_list *nodes, const struct table_style *style, FILE *out)
{
	owned(table) table = NULL;
	int r = table_new("nodes", node_columns, NODE_COLUMNS, style, &table);

	for (size_t i = 0; r == 0 && i < nodes->count; i++) {
		const struct node_info *node = &nodes->items[i];
		struct table_row *row = table_add_row(table, NULL);

		table_set_text(table, row, NODE_TARGET, node->target);
		set_portal(table, row, NODE_PORTAL, node->address, node->port);
		if (node->tpgt >= 0)
			table_set_number(table, row, NODE_TPGT, (uint64_t)node->tpgt);
		table_set_text(table, row, NODE_IFACE, node->iface);
		table_set_text(table, row, NODE_STARTUP, node->startup);
		table_set_state(table, row, NODE_STATE, node->state);
		table_set_number(table, row, NODE_SESSIONS, node->sessions);
		table_set_text(table, row, NODE_ERROR, node->last_error.text);
		table_set_text(table, row, NODE_OBJECT, node->object);
	}
	return r < 0 ? r : table_print(table, NULL, out);
}

/* --- sessions --- */

/* clang-format off */
enum { SESSION_SID, SESSION_TARGET, SESSION_PORTAL, SESSION_LOCAL, SESSION_IFACE, SESSION_STATE,
       SESSION_UNITS, SESSION_DETAIL, SESSION_INITIATOR, SESSION_SINCE, SESSION_OBJECT,
       SESSION_COLUMNS };

static const struct column session_columns[] = {
	[SESSION_SID]       = {"SID",    "sid",            CELL_NUMBER},
	[SESSION_TARGET]    = {"TARGET", "target",         CELL_TEXT},
	[SESSION_PORTAL]    = {"PORTAL", "portal",         CELL_TEXT},
	[SESSION_LOCAL]     = {"FROM",   "local_address",  CELL_TEXT},
	[SESSION_IFACE]     = {"IFACE",  "iface",          CELL_TEXT},
	[SESSION_STATE]     = {"STATE",  "state",          CELL_TEXT},
	[SESSION_UNITS]     = {"LUNS",   "logical_units",  CELL_NUMBER},
	[SESSION_DETAIL]    = {"DETAIL", "detail",         CELL_TEXT, .optional = true, .sparse = true},
	[SESSION_INITIATOR] = {NULL,     "initiator_name", CELL_TEXT},
	[SESSION_SINCE]     = {NULL,     "since_us",       CELL_NUMBER},
	[SESSION_OBJECT]    = {NULL,     "object",         CELL_TEXT},
};
/* clang-format on */

int list_sessions(const struct session_list *sessions, const struct table_style *style, FILE *out)
{
	owned(table) table = NULL;
	int r = table_new("sessions", session_columns, SESSION_COLUMNS, style, &table);

	for (size_t i = 0; r == 0 && i < sessions->count; i++) {
		const struct session_info *session = &sessions->items[i];
		struct table_row *row = table_add_row(table, NULL);

		table_set_number(table, row, SESSION_SID, session->sid);
		table_set_text(table, row, SESSION_TARGET, session->target);
		set_portal(table, row, SESSION_PORTAL, session->address, session->port);
		table_set_text(table, row, SESSION_LOCAL, session->local_address);
		table_set_text(table, row, SESSION_IFACE, session->iface);
		table_set_state(table, row, SESSION_STATE, session->state);
		table_set_number(table, row, SESSION_UNITS, session->unit_count);
		if (strcmp(session->state, "logged-in") != 0)
			table_set_text(table, row, SESSION_DETAIL, session->state_reason);
		table_set_text(table, row, SESSION_INITIATOR, session->initiator_name);
		table_set_number(table, row, SESSION_SINCE, session->since_us);
		table_set_text(table, row, SESSION_OBJECT, session->object);
	}
	return r < 0 ? r : table_print(table, NULL, out);
}

/* --- maps --- */

/* clang-format off */
enum { MAP_NAME, MAP_DEVICE, MAP_SIZE, MAP_STATE, MAP_PATHS_UP, MAP_PATHS_TOTAL, MAP_PATHS,
       MAP_POLICY, MAP_EXPORTER, MAP_VENDOR, MAP_PRODUCT, MAP_SERIAL, MAP_WWID, MAP_BLOCK_SIZE,
       MAP_READ_ONLY, MAP_INTEGRITY, MAP_FENCE_QUALITY, MAP_IN_DOUBT, MAP_IN_DOUBT_TOTAL, MAP_HELD,
       MAP_GUARDED, MAP_LONGEST_GUARD, MAP_GUARDS_EXPIRED, MAP_GROUPING, MAP_FAILBACK,
       MAP_ACTIVE_GROUP, MAP_GROUPS, MAP_OBJECT, MAP_COLUMNS };

static const struct column map_columns[] = {
	[MAP_NAME]        = {"NAME",     "name",        CELL_TEXT},
	[MAP_DEVICE]      = {"DEVICE",   "device",      CELL_TEXT},
	[MAP_SIZE]        = {"SIZE",     "size_bytes",  CELL_BYTES},
	[MAP_STATE]       = {"STATE",    "state",       CELL_TEXT},
	[MAP_PATHS_UP]    = {NULL,       "paths_up",    CELL_NUMBER},
	[MAP_PATHS_TOTAL] = {NULL,       "paths_total", CELL_NUMBER},
	[MAP_PATHS]       = {"PATHS",    "paths",       CELL_TEXT},
	[MAP_POLICY]      = {"POLICY",   "policy",      CELL_TEXT},
	[MAP_EXPORTER]    = {"EXPORTER", "exporter",    CELL_TEXT},
	[MAP_VENDOR]      = {"VENDOR",   "vendor",      CELL_TEXT},
	[MAP_PRODUCT]     = {"PRODUCT",  "product",     CELL_TEXT},
	[MAP_SERIAL]      = {NULL,       "serial",      CELL_TEXT},
	[MAP_WWID]        = {"WWID",     "wwid",        CELL_TEXT, .optional = true},
	[MAP_BLOCK_SIZE]  = {NULL,       "block_size",  CELL_NUMBER},
	[MAP_READ_ONLY]   = {NULL,       "read_only",   CELL_BOOL},
	[MAP_INTEGRITY]   = {"INTEGRITY", "integrity",  CELL_TEXT},
	[MAP_FENCE_QUALITY]  = {"FENCE", "fence_quality",    CELL_TEXT},
	[MAP_IN_DOUBT]       = {NULL,    "in_doubt",         CELL_NUMBER},
	[MAP_IN_DOUBT_TOTAL] = {NULL,    "in_doubt_total",   CELL_NUMBER},
	[MAP_HELD]           = {NULL,    "held",             CELL_NUMBER},
	[MAP_GUARDED]        = {NULL,    "guarded_bytes",    CELL_BYTES},
	[MAP_LONGEST_GUARD]  = {NULL,    "longest_guard_ms", CELL_NUMBER},
	[MAP_GUARDS_EXPIRED] = {NULL,    "guards_expired",   CELL_NUMBER},
	[MAP_GROUPING]       = {NULL,    "path_grouping_policy", CELL_TEXT},
	[MAP_FAILBACK]       = {NULL,    "failback",         CELL_TEXT},
	[MAP_ACTIVE_GROUP]   = {NULL,    "active_group",     CELL_NUMBER},
	[MAP_GROUPS]         = {NULL,    "groups",           CELL_NUMBER},
	[MAP_OBJECT]      = {NULL,       "object",      CELL_TEXT},
};
/* clang-format on */

static void add_map(struct table *table, const struct map_info *map)
{
	struct table_row *row = table_add_row(table, NULL);
	char paths[32];

	snprintf(paths, sizeof(paths), "%u/%u", map->paths_up, map->paths_total);
	table_set_text(table, row, MAP_NAME, map->name);
	table_set_text(table, row, MAP_DEVICE, map->device);
	table_set_number(table, row, MAP_SIZE, map->size_bytes);
	table_set_state(table, row, MAP_STATE, map->state);
	table_set_number(table, row, MAP_PATHS_UP, map->paths_up);
	table_set_number(table, row, MAP_PATHS_TOTAL, map->paths_total);
	table_set_text(table, row, MAP_PATHS, paths);
	table_set_text(table, row, MAP_POLICY, map->policy);
	table_set_text(table, row, MAP_EXPORTER, map->exporter);
	table_set_text(table, row, MAP_VENDOR, map->vendor);
	table_set_text(table, row, MAP_PRODUCT, map->product);
	table_set_text(table, row, MAP_SERIAL, map->serial);
	table_set_text(table, row, MAP_WWID, map->wwid);
	table_set_number(table, row, MAP_BLOCK_SIZE, map->block_size);
	table_set_number(table, row, MAP_READ_ONLY, map->read_only);
	table_set_text(table, row, MAP_INTEGRITY, map->integrity);
	table_set_text(table, row, MAP_FENCE_QUALITY, map->fence_quality);
	table_set_number(table, row, MAP_IN_DOUBT, map->in_doubt);
	table_set_number(table, row, MAP_IN_DOUBT_TOTAL, map->in_doubt_total);
	table_set_number(table, row, MAP_HELD, map->held);
	table_set_number(table, row, MAP_GUARDED, map->guarded_bytes);
	table_set_number(table, row, MAP_LONGEST_GUARD, map->longest_guard_ms);
	table_set_number(table, row, MAP_GUARDS_EXPIRED, map->guards_expired);
	table_set_text(table, row, MAP_GROUPING, map->grouping);
	table_set_text(table, row, MAP_FAILBACK, map->failback);
	table_set_number(table, row, MAP_ACTIVE_GROUP, map->active_group);
	table_set_number(table, row, MAP_GROUPS, map->groups);
	table_set_text(table, row, MAP_OBJECT, map->object);
}

int list_maps(const struct map_list *maps, const char *members, const struct table_style *style,
	      FILE *out)
{
	owned(table) table = NULL;
	int r = table_new("maps", map_columns, MAP_COLUMNS, style, &table);

	for (size_t i = 0; r == 0 && i < maps->count; i++)
		add_map(table, &maps->items[i]);
	return r < 0 ? r : table_print(table, members, out);
}

bool list_has_map(const struct map_info *map, const char *word)
{
	return strcmp(map->name, word) == 0 || strcmp(map->wwid, word) == 0 ||
	       (*word && strcmp(map->device, word) == 0);
}

/* --- paths --- */

/* clang-format off */
enum { PATH_MAP, PATH_SID, PATH_PORTAL, PATH_STATE, PATH_GROUP, PATH_ACCESS, PATH_PRIORITY,
       PATH_PREFERRED, PATH_PORT_GROUP, PATH_IN_FLIGHT, PATH_LATENCY, PATH_P99, PATH_READS,
       PATH_WRITES, PATH_BYTES_READ, PATH_BYTES_WRITTEN, PATH_ERRORS, PATH_FAILURES, PATH_DETAIL,
       PATH_TARGET, PATH_OBJECT, PATH_COLUMNS };

static const struct column path_columns[] = {
	[PATH_MAP]           = {"MAP",       "map",           CELL_TEXT},
	[PATH_SID]           = {"SID",       "sid",           CELL_NUMBER},
	[PATH_PORTAL]        = {"PORTAL",    "portal",        CELL_TEXT},
	[PATH_STATE]         = {"STATE",     "state",         CELL_TEXT},
	[PATH_GROUP]         = {"GROUP",     "group",         CELL_NUMBER},
	[PATH_ACCESS]        = {"ALUA",      "alua_state",    CELL_TEXT, .sparse = true},
	[PATH_PRIORITY]      = {"PRIO",      "priority",      CELL_NUMBER},
	[PATH_PREFERRED]     = {NULL,        "preferred",     CELL_BOOL},
	[PATH_PORT_GROUP]    = {NULL,        "target_port_group", CELL_NUMBER},
	[PATH_IN_FLIGHT]     = {"IN FLIGHT", "in_flight",     CELL_NUMBER},
	[PATH_LATENCY]       = {"LATENCY",   "latency_us",    CELL_MICROSECONDS},
	[PATH_P99]           = {"P99",       "latency_p99_us", CELL_MICROSECONDS, .sparse = true},
	[PATH_READS]         = {"READS",     "reads",         CELL_NUMBER},
	[PATH_WRITES]        = {"WRITES",    "writes",        CELL_NUMBER},
	[PATH_BYTES_READ]    = {"READ",      "bytes_read",    CELL_BYTES},
	[PATH_BYTES_WRITTEN] = {"WRITTEN",   "bytes_written", CELL_BYTES},
	[PATH_ERRORS]        = {"ERRORS",    "errors",        CELL_NUMBER},
	[PATH_FAILURES]      = {"FAILURES",  "failures",      CELL_NUMBER},
	[PATH_DETAIL]        = {"DETAIL",    "detail",        CELL_TEXT, .optional = true, .sparse = true},
	[PATH_TARGET]        = {NULL,        "target",        CELL_TEXT},
	[PATH_OBJECT]        = {NULL,        "object",        CELL_TEXT},
};
/* clang-format on */

static void set_session(struct table *table, struct table_row *row,
			const struct session_list *sessions, const char *object)
{
	for (size_t i = 0; i < sessions->count; i++) {
		const struct session_info *session = &sessions->items[i];

		if (strcmp(session->object, object) != 0)
			continue;
		table_set_number(table, row, PATH_SID, session->sid);
		set_portal(table, row, PATH_PORTAL, session->address, session->port);
		table_set_text(table, row, PATH_TARGET, session->target);
	}
}

static void add_path(struct table *table, const struct session_list *sessions,
		     const struct map_info *map, const struct path_info *path)
{
	struct table_row *row = table_add_row(table, NULL);

	table_set_text(table, row, PATH_MAP, map->name);
	set_session(table, row, sessions, path->session);
	table_set_state(table, row, PATH_STATE, path->state);
	table_set_number(table, row, PATH_GROUP, path->group);
	table_set_text(table, row, PATH_ACCESS, path->alua_state);
	if (path->priority >= 0)
		table_set_number(table, row, PATH_PRIORITY, (uint64_t)path->priority);
	table_set_number(table, row, PATH_PREFERRED, path->preferred);
	if (path->target_port_group >= 0)
		table_set_number(table, row, PATH_PORT_GROUP, (uint64_t)path->target_port_group);
	table_set_number(table, row, PATH_IN_FLIGHT, path->in_flight);
	table_set_number(table, row, PATH_LATENCY, path->latency_us);
	table_set_number(table, row, PATH_P99, path->latency_p99_us);
	table_set_number(table, row, PATH_READS, path->reads);
	table_set_number(table, row, PATH_WRITES, path->writes);
	table_set_number(table, row, PATH_BYTES_READ, path->bytes_read);
	table_set_number(table, row, PATH_BYTES_WRITTEN, path->bytes_written);
	table_set_number(table, row, PATH_ERRORS, path->errors);
	table_set_number(table, row, PATH_FAILURES, path->failures);
	table_set_text(table, row, PATH_DETAIL, path->state_reason);
	table_set_text(table, row, PATH_OBJECT, path->object);
}

int list_paths(const struct map_list *maps, const struct session_list *sessions, const char *map,
	       const struct table_style *style, FILE *out)
{
	owned(table) table = NULL;
	int r = table_new("paths", path_columns, PATH_COLUMNS, style, &table);

	for (size_t i = 0; r == 0 && i < maps->count; i++) {
		const struct map_info *of = &maps->items[i];

		if (map && !list_has_map(of, map))
			continue;
		for (size_t j = 0; j < of->path_count; j++)
			add_path(table, sessions, of, &of->paths[j]);
	}
	return r < 0 ? r : table_print(table, NULL, out);
}

/* --- verbs --- */

static int printed(struct hawser *run, int r)
{
	return r < 0 ? hawser_fail(run, ERROR_FAILED, "cannot print: %s", strerror(-r)) : 0;
}

static const char *operand(const struct hawser *run)
{
	return run->operand_count > 0 ? run->operands[0] : NULL;
}

int hawser_nodes(struct hawser *run)
{
	struct selection selection = hawser_selection(run, operand(run));
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};

	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return hawser_report(run, NULL, &error);
	return printed(run, list_nodes(&nodes, &run->style, run->out));
}

int hawser_sessions(struct hawser *run)
{
	struct selection selection = hawser_selection(run, operand(run));
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};

	if (model_sessions(run->client, &selection, &sessions, &error) < 0)
		return hawser_report(run, NULL, &error);
	return printed(run, list_sessions(&sessions, &run->style, run->out));
}

int hawser_maps(struct hawser *run)
{
	owned_error struct error error = ERROR_INIT;
	owned_maps maps = {};

	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	return printed(run, list_maps(&maps, NULL, &run->style, run->out));
}

int hawser_paths(struct hawser *run)
{
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	owned_maps maps = {};
	const char *map = operand(run);
	bool known = !map;

	if (model_maps(run->client, &maps, &error) < 0 ||
	    model_sessions(run->client, &(struct selection){}, &sessions, &error) < 0)
		return hawser_report(run, NULL, &error);
	for (size_t i = 0; i < maps.count; i++)
		known |= map && list_has_map(&maps.items[i], map);
	if (!known)
		return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no map '%s'", map);
	return printed(run, list_paths(&maps, &sessions, map, &run->style, run->out));
}
