/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/portal.h"
#include "util/text.h"

/* clang-format off */
enum status_column {
	COLUMN_NAME, COLUMN_KIND, COLUMN_STATE, COLUMN_DEVICE, COLUMN_SIZE, COLUMN_PATHS_UP,
	COLUMN_PATHS_TOTAL, COLUMN_PATHS, COLUMN_TOTAL, COLUMN_RATE = COLUMN_TOTAL + TRAFFIC_COUNT,
	COLUMN_LATENCY = COLUMN_RATE + TRAFFIC_COUNT, COLUMN_ERRORS, COLUMN_DETAIL, COLUMN_VENDOR,
	COLUMN_PRODUCT, COLUMN_OBJECT, COLUMN_COUNT,
};

static const struct column columns[COLUMN_COUNT] = {
	[COLUMN_NAME]        = {"NAME",    "name",        CELL_TEXT, .tree = true},
	[COLUMN_KIND]        = {NULL,      "kind",        CELL_TEXT},
	[COLUMN_STATE]       = {"STATE",   "state",       CELL_TEXT},
	[COLUMN_DEVICE]      = {"DEVICE",  "device",      CELL_TEXT},
	[COLUMN_SIZE]        = {"SIZE",    "size_bytes",  CELL_BYTES},
	[COLUMN_PATHS_UP]    = {NULL,      "paths_up",    CELL_NUMBER},
	[COLUMN_PATHS_TOTAL] = {NULL,      "paths_total", CELL_NUMBER},
	[COLUMN_PATHS]       = {"PATHS",   "paths",       CELL_TEXT},
	[COLUMN_TOTAL + TRAFFIC_READS]         = {"READS",   "reads",         CELL_NUMBER},
	[COLUMN_TOTAL + TRAFFIC_WRITES]        = {"WRITES",  "writes",        CELL_NUMBER},
	[COLUMN_TOTAL + TRAFFIC_BYTES_READ]    = {"READ",    "bytes_read",    CELL_BYTES},
	[COLUMN_TOTAL + TRAFFIC_BYTES_WRITTEN] = {"WRITTEN", "bytes_written", CELL_BYTES},
	[COLUMN_RATE + TRAFFIC_READS]          = {"R IOPS",  "read_iops",     CELL_NUMBER},
	[COLUMN_RATE + TRAFFIC_WRITES]         = {"W IOPS",  "write_iops",    CELL_NUMBER},
	[COLUMN_RATE + TRAFFIC_BYTES_READ]     = {"READ/s",  "bytes_read_per_second",    CELL_BYTES},
	[COLUMN_RATE + TRAFFIC_BYTES_WRITTEN]  = {"WRITE/s", "bytes_written_per_second", CELL_BYTES},
	[COLUMN_LATENCY]     = {"LATENCY", "latency_us",  CELL_MICROSECONDS},
	[COLUMN_ERRORS]      = {"ERRORS",  "errors",      CELL_NUMBER, .sparse = true},
	[COLUMN_DETAIL]      = {"DETAIL",  "detail",      CELL_TEXT, .optional = true, .sparse = true},
	[COLUMN_VENDOR]      = {NULL,      "vendor",      CELL_TEXT},
	[COLUMN_PRODUCT]     = {NULL,      "product",     CELL_TEXT},
	[COLUMN_OBJECT]      = {NULL,      "object",      CELL_TEXT},
};
/* clang-format on */

/* People see what was measured, or what was counted: both do not fit a line. */
static void choose_columns(bool measured, struct column chosen[COLUMN_COUNT])
{
	unsigned hidden = measured ? COLUMN_TOTAL : COLUMN_RATE;

	memcpy(chosen, columns, sizeof(columns));
	for (unsigned i = 0; i < TRAFFIC_COUNT; i++)
		chosen[hidden + i].heading = NULL;
}

/* One path, the session that it goes through (NULL: it is gone), and what goes over it. */
struct route {
	const struct path_info *path;
	const struct session_info *session;
	struct traffic traffic;
};

/* One map, and through which target it is reached: "" when it has no path left. */
struct branch {
	const struct map_info *map;
	const char *target;
	const struct route *routes; /* one per path */
};

struct tree {
	const struct status_view *view;
	struct table *table;
	struct branch *branches; /* one per map, in the order of the list */
	struct route *routes;	 /* of all of them */
	size_t route_count;
};

static void tree_deinit(struct tree *tree)
{
	free(tree->branches);
	free(tree->routes);
	table_free(tree->table);
}

/* Neighbours mostly have neighbours: the search starts at @guess. */
static const struct session_info *find_session(const struct session_list *sessions,
					       const char *object, size_t guess)
{
	for (size_t i = 0; i < sessions->count; i++) {
		const struct session_info *session =
			&sessions->items[(guess + i) % sessions->count];

		if (strcmp(session->object, object) == 0)
			return session;
	}
	return NULL;
}

static void find_routes(struct tree *tree, struct branch *branch, size_t index)
{
	const struct session_list *sessions = tree->view->sessions;
	const struct map_info *map = &tree->view->maps->items[index];
	size_t guess = 0;

	*branch = (struct branch){map, "", &tree->routes[tree->route_count]};
	for (size_t i = 0; i < map->path_count; i++) {
		const struct path_info *path = &map->paths[i];
		struct route *route = &tree->routes[tree->route_count++];

		route->path = path;
		route->session = find_session(sessions, path->session, guess);
		route->traffic = traffic_of(&tree->view->samples, map, index, path);
		if (!route->session)
			continue;
		guess = (size_t)(route->session - sessions->items) + 1;
		if (*branch->target == '\0')
			branch->target = route->session->target;
	}
}

static int find_branches(struct tree *tree)
{
	const struct map_list *maps = tree->view->maps;
	size_t path_count = 0;

	for (size_t i = 0; i < maps->count; i++)
		path_count += maps->items[i].path_count;
	tree->branches = calloc(maps->count + 1, sizeof(*tree->branches));
	tree->routes = calloc(path_count + 1, sizeof(*tree->routes));
	if (!tree->branches || !tree->routes)
		return -ENOMEM;
	for (size_t i = 0; i < maps->count; i++)
		find_routes(tree, &tree->branches[i], i);
	return 0;
}

/* --- rows --- */

static struct table_row *add_row(const struct tree *tree, struct table_row *parent,
				 const char *kind, const char *name, const char *state,
				 const char *object)
{
	struct table_row *row = table_add_row(tree->table, parent);

	table_set_text(tree->table, row, COLUMN_KIND, kind);
	table_set_text(tree->table, row, COLUMN_NAME, name);
	table_set_state(tree->table, row, COLUMN_STATE, state);
	table_set_text(tree->table, row, COLUMN_OBJECT, object);
	return row;
}

static void set_traffic(const struct tree *tree, struct table_row *row,
			const struct traffic *traffic)
{
	uint64_t latency_us = traffic_latency_us(traffic);

	if (traffic->paths == 0)
		return;
	for (unsigned i = 0; i < TRAFFIC_COUNT; i++) {
		table_set_number(tree->table, row, COLUMN_TOTAL + i, traffic->total[i]);
		if (tree->view->samples.before)
			table_set_number(tree->table, row, COLUMN_RATE + i,
					 (uint64_t)(traffic->rate[i] + 0.5));
	}
	table_set_number(tree->table, row, COLUMN_ERRORS, traffic->errors);
	if (latency_us > 0)
		table_set_number(tree->table, row, COLUMN_LATENCY, latency_us);
}

static void session_detail(const struct status_view *view, const struct session_info *session,
			   char *text, size_t size_bytes)
{
	const char *reason =
		*session->state_reason ? session->state_reason : session->last_error.text;
	char delay[TEXT_FORMAT_MAX];

	if (strcmp(session->state, "logged-in") == 0)
		*text = '\0';
	else if (session->next_retry_us > view->now_us)
		snprintf(text, size_bytes, "%s%snext try in %s", reason, *reason ? "; " : "",
			 text_format_ns((session->next_retry_us - view->now_us) * 1000, delay));
	else
		snprintf(text, size_bytes, "%s", reason);
}

static void add_session(const struct tree *tree, struct table_row *parent,
			const struct session_info *session)
{
	char name[PORTAL_TEXT_MAX + 32], portal[PORTAL_TEXT_MAX], detail[512];
	struct traffic traffic = {};
	struct table_row *row;

	snprintf(name, sizeof(name), "session %u %s", session->sid,
		 portal_format(session->address, session->port, portal));
	row = add_row(tree, parent, "session", name, session->state, session->object);
	session_detail(tree->view, session, detail, sizeof(detail));
	table_set_text(tree->table, row, COLUMN_DETAIL, detail);
	for (size_t i = 0; i < tree->route_count; i++)
		if (tree->routes[i].session == session)
			traffic_add(&traffic, &tree->routes[i].traffic);
	set_traffic(tree, row, &traffic);
}

static void add_path(const struct tree *tree, struct table_row *parent, const struct route *route)
{
	const struct path_info *path = route->path;
	char name[PORTAL_TEXT_MAX + 32], portal[PORTAL_TEXT_MAX];
	struct table_row *row;

	if (route->session)
		snprintf(name, sizeof(name), "via session %u %s", route->session->sid,
			 portal_format(route->session->address, route->session->port, portal));
	else
		snprintf(name, sizeof(name), "path");
	row = add_row(tree, parent, "path", name, path->state, path->object);
	set_traffic(tree, row, &route->traffic);
	if (strcmp(path->state, "active") != 0)
		table_set_text(tree->table, row, COLUMN_DETAIL, path->state_reason);
}

/* Only while it matters: what writes in doubt hold up, and whether any got away. */
static void set_guard(const struct tree *tree, struct table_row *row, const struct map_info *map)
{
	char text[160] = "", bytes[TEXT_FORMAT_MAX];
	size_t used = 0;

	if (map->in_doubt || map->guarded_bytes)
		used = (size_t)snprintf(text, sizeof(text),
					"%llu writes in doubt, %s guarded, %llu writes held",
					(unsigned long long)map->in_doubt,
					text_format_bytes(map->guarded_bytes, bytes),
					(unsigned long long)map->held);
	if (map->guards_expired)
		snprintf(text + used, sizeof(text) - used, "%s%llu writes in doubt never fenced",
			 used ? "; " : "", (unsigned long long)map->guards_expired);
	table_set_text(tree->table, row, COLUMN_DETAIL, text);
}

static void add_map(const struct tree *tree, struct table_row *parent, const struct branch *branch)
{
	const struct map_info *map = branch->map;
	struct traffic traffic = {};
	char name[300], paths[32];
	struct table_row *row;

	snprintf(name, sizeof(name), "map %s", map->name);
	row = add_row(tree, parent, "map", name, map->state, map->object);
	table_set_text(tree->table, row, COLUMN_DEVICE, map->device);
	table_set_number(tree->table, row, COLUMN_SIZE, map->size_bytes);
	table_set_number(tree->table, row, COLUMN_PATHS_UP, map->paths_up);
	table_set_number(tree->table, row, COLUMN_PATHS_TOTAL, map->paths_total);
	snprintf(paths, sizeof(paths), "%u/%u", map->paths_up, map->paths_total);
	table_set_text(tree->table, row, COLUMN_PATHS, paths);
	set_guard(tree, row, map);
	table_set_text(tree->table, row, COLUMN_VENDOR, map->vendor);
	table_set_text(tree->table, row, COLUMN_PRODUCT, map->product);
	for (size_t i = 0; i < map->path_count; i++)
		traffic_add(&traffic, &branch->routes[i].traffic);
	set_traffic(tree, row, &traffic);
	for (size_t i = 0; i < map->path_count; i++)
		add_path(tree, row, &branch->routes[i]);
}

/* A record without session matters when it should have one, or when the last try failed. */
static bool is_missed(const struct node_info *node)
{
	return node->sessions == 0 &&
	       (strcmp(node->startup, "manual") != 0 || *node->last_error.name);
}

static void add_node(const struct tree *tree, struct table_row *parent,
		     const struct node_info *node)
{
	char name[PORTAL_TEXT_MAX + 32], portal[PORTAL_TEXT_MAX];
	struct table_row *row;

	snprintf(name, sizeof(name), "node %s", portal_format(node->address, node->port, portal));
	row = add_row(tree, parent, "node", name, node->state, node->object);
	table_set_text(tree->table, row, COLUMN_DETAIL, node->last_error.text);
}

/* "ok" when all its sessions are logged in, "down" when none is. */
static const char *target_state(const struct status_view *view, const char *target)
{
	size_t all = 0, up = 0;

	for (size_t i = 0; i < view->sessions->count; i++) {
		const struct session_info *session = &view->sessions->items[i];

		if (strcmp(session->target, target) != 0)
			continue;
		all++;
		up += strcmp(session->state, "logged-in") == 0;
	}
	return all == 0 ? "idle" : up == all ? "ok" : up == 0 ? "down" : "degraded";
}

static void set_target_traffic(const struct tree *tree, struct table_row *row, const char *target)
{
	struct traffic traffic = {};

	for (size_t i = 0; i < tree->route_count; i++)
		if (tree->routes[i].session && strcmp(tree->routes[i].session->target, target) == 0)
			traffic_add(&traffic, &tree->routes[i].traffic);
	set_traffic(tree, row, &traffic);
}

static void add_target(const struct tree *tree, const char *target)
{
	const struct status_view *view = tree->view;
	struct table_row *row =
		add_row(tree, NULL, "target", target, target_state(view, target), NULL);

	set_target_traffic(tree, row, target);
	for (size_t i = 0; i < view->sessions->count; i++)
		if (strcmp(view->sessions->items[i].target, target) == 0)
			add_session(tree, row, &view->sessions->items[i]);
	for (size_t i = 0; i < view->nodes->count; i++)
		if (strcmp(view->nodes->items[i].target, target) == 0 &&
		    is_missed(&view->nodes->items[i]))
			add_node(tree, row, &view->nodes->items[i]);
	for (size_t i = 0; i < view->maps->count; i++)
		if (strcmp(tree->branches[i].target, target) == 0)
			add_map(tree, row, &tree->branches[i]);
}

/* Names of targets, each once: of sessions first, then of records that miss their session. */
static void add_targets(const struct tree *tree, const char **seen)
{
	const struct status_view *view = tree->view;
	size_t count = 0;

	for (size_t i = 0; i < view->sessions->count + view->nodes->count; i++) {
		bool is_session = i < view->sessions->count;
		const struct node_info *node =
			is_session ? NULL : &view->nodes->items[i - view->sessions->count];
		const char *target = is_session ? view->sessions->items[i].target : node->target;
		bool known = node && !is_missed(node);

		for (size_t j = 0; j < count && !known; j++)
			known = strcmp(seen[j], target) == 0;
		if (known)
			continue;
		seen[count++] = target;
		add_target(tree, target);
	}
}

/* --- the last line --- */

struct sums {
	size_t sessions, sessions_up;
	uint32_t paths, paths_up, maps;
};

static struct sums sum_up(const struct status_view *view)
{
	struct sums sums = {.sessions = view->sessions->count, .maps = (uint32_t)view->maps->count};

	for (size_t i = 0; i < view->sessions->count; i++)
		sums.sessions_up += strcmp(view->sessions->items[i].state, "logged-in") == 0;
	for (size_t i = 0; i < view->maps->count; i++) {
		sums.paths += view->maps->items[i].paths_total;
		sums.paths_up += view->maps->items[i].paths_up;
	}
	return sums;
}

int status_exit(const char *health)
{
	static const struct text_name words[] = {{0, "ok"}, {1, "degraded"}, {2, "critical"}};
	int status = 3;

	(void)text_value_of(words, ARRAY_SIZE(words), health, &status);
	return status;
}

static void print_health(const struct status_view *view, const struct table_style *style, FILE *out)
{
	static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m", "\033[31m"};
	struct sums sums = sum_up(view);
	const char *colour = style->colour ? colours[status_exit(view->health)] : "";

	fprintf(out, "%s%s%s: %zu of %zu sessions logged in, %u map%s, %u of %u paths up\n", colour,
		*view->health ? view->health : "unknown", *colour ? "\033[0m" : "",
		sums.sessions_up, sums.sessions, sums.maps, sums.maps == 1 ? "" : "s",
		sums.paths_up, sums.paths);
}

static int print_tree(struct tree *tree, FILE *out)
{
	const struct status_view *view = tree->view;
	owned_memory const char **seen =
		calloc(view->sessions->count + view->nodes->count + 1, sizeof(*seen));
	char members[64];

	if (!seen)
		return -ENOMEM;
	add_targets(tree, seen);
	for (size_t i = 0; i < view->maps->count; i++)
		if (*tree->branches[i].target == '\0')
			add_map(tree, NULL, &tree->branches[i]);
	snprintf(members, sizeof(members), "\"health\": \"%.16s\"", view->health);
	return table_print(tree->table, members, out);
}

int status_print(const struct status_view *view, const struct table_style *style, FILE *out)
{
	struct column chosen[COLUMN_COUNT];
	struct tree tree = {.view = view};
	int r;

	choose_columns(view->samples.before != NULL, chosen);
	r = table_new("targets", chosen, COLUMN_COUNT, style, &tree.table);
	if (r == 0)
		r = find_branches(&tree);
	if (r == 0)
		r = print_tree(&tree, out);
	if (r == 0 && !style->json && !style->raw)
		print_health(view, style, out);
	tree_deinit(&tree);
	return r;
}
