/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/hawser_status.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/hawser.h"
#include "util/text.h"

/* clang-format off */
enum status_column {
	COLUMN_NAME, COLUMN_KIND, COLUMN_STATE, COLUMN_DEVICE, COLUMN_SIZE, COLUMN_PATHS_UP,
	COLUMN_PATHS_TOTAL, COLUMN_PATHS, COLUMN_READS, COLUMN_WRITES, COLUMN_READ_BYTES,
	COLUMN_WRITTEN_BYTES, COLUMN_LATENCY, COLUMN_ERRORS, COLUMN_DETAIL, COLUMN_OBJECT,
	COLUMN_COUNT,
};

static const struct column columns[COLUMN_COUNT] = {
	[COLUMN_NAME]          = {"NAME",    "name",          CELL_TEXT, .tree = true},
	[COLUMN_KIND]          = {NULL,      "kind",          CELL_TEXT},
	[COLUMN_STATE]         = {"STATE",   "state",         CELL_TEXT},
	[COLUMN_DEVICE]        = {"DEVICE",  "device",        CELL_TEXT},
	[COLUMN_SIZE]          = {"SIZE",    "size_bytes",    CELL_BYTES},
	[COLUMN_PATHS_UP]      = {NULL,      "paths_up",      CELL_NUMBER},
	[COLUMN_PATHS_TOTAL]   = {NULL,      "paths_total",   CELL_NUMBER},
	[COLUMN_PATHS]         = {"PATHS",   "paths",         CELL_TEXT},
	[COLUMN_READS]         = {"READS",   "reads",         CELL_NUMBER},
	[COLUMN_WRITES]        = {"WRITES",  "writes",        CELL_NUMBER},
	[COLUMN_READ_BYTES]    = {"READ",    "bytes_read",    CELL_BYTES},
	[COLUMN_WRITTEN_BYTES] = {"WRITTEN", "bytes_written", CELL_BYTES},
	[COLUMN_LATENCY]       = {"LATENCY", "latency_us",    CELL_MICROSECONDS},
	[COLUMN_ERRORS]        = {"ERRORS",  "errors",        CELL_NUMBER},
	[COLUMN_DETAIL]        = {"DETAIL",  "detail",        CELL_TEXT, .optional = true},
	[COLUMN_OBJECT]        = {NULL,      "object",        CELL_TEXT},
};

/* The same, with what was measured between two samples. */
static const struct column rate_columns[COLUMN_COUNT] = {
	[COLUMN_NAME]          = {"NAME",      "name",                     CELL_TEXT, .tree = true},
	[COLUMN_KIND]          = {NULL,        "kind",                     CELL_TEXT},
	[COLUMN_STATE]         = {"STATE",     "state",                    CELL_TEXT},
	[COLUMN_DEVICE]        = {"DEVICE",    "device",                   CELL_TEXT},
	[COLUMN_SIZE]          = {"SIZE",      "size_bytes",               CELL_BYTES},
	[COLUMN_PATHS_UP]      = {NULL,        "paths_up",                 CELL_NUMBER},
	[COLUMN_PATHS_TOTAL]   = {NULL,        "paths_total",              CELL_NUMBER},
	[COLUMN_PATHS]         = {"PATHS",     "paths",                    CELL_TEXT},
	[COLUMN_READS]         = {"READS/s",   "reads_per_second",         CELL_NUMBER},
	[COLUMN_WRITES]        = {"WRITES/s",  "writes_per_second",        CELL_NUMBER},
	[COLUMN_READ_BYTES]    = {"READ/s",    "bytes_read_per_second",    CELL_BYTES},
	[COLUMN_WRITTEN_BYTES] = {"WRITTEN/s", "bytes_written_per_second", CELL_BYTES},
	[COLUMN_LATENCY]       = {"LATENCY",   "latency_us",               CELL_MICROSECONDS},
	[COLUMN_ERRORS]        = {"ERRORS",    "errors",                   CELL_NUMBER},
	[COLUMN_DETAIL]        = {"DETAIL",    "detail",                   CELL_TEXT, .optional = true},
	[COLUMN_OBJECT]        = {NULL,        "object",                   CELL_TEXT},
};
/* clang-format on */

/* --- counters --- */

double samples_rate(const struct samples *samples, const char *object, const char *counter)
{
	uint64_t before, after;

	if (!samples->before || !samples->after || samples->seconds <= 0)
		return 0;
	before = value_u64(value_get(value_get(samples->before, object), counter));
	after = value_u64(value_get(value_get(samples->after, object), counter));
	/* a counter that went back belongs to a path that was made anew meanwhile */
	return after > before ? (double)(after - before) / samples->seconds : 0;
}

/* What a line shows of the traffic of one path, or of all paths of a map. */
struct traffic {
	uint64_t reads, writes, bytes_read, bytes_written, errors;
	uint64_t latency_us, weight; /* mean over the paths that have one */
};

static uint64_t rate(const struct samples *samples, const char *object, const char *counter)
{
	return (uint64_t)(samples_rate(samples, object, counter) + 0.5);
}

static void add_traffic(struct traffic *traffic, const struct samples *samples,
			const struct path_info *path)
{
	bool measured = samples->after != NULL;

	traffic->reads += measured ? rate(samples, path->object, "reads") : path->reads;
	traffic->writes += measured ? rate(samples, path->object, "writes") : path->writes;
	traffic->bytes_read +=
		measured ? rate(samples, path->object, "bytes_read") : path->bytes_read;
	traffic->bytes_written +=
		measured ? rate(samples, path->object, "bytes_written") : path->bytes_written;
	traffic->errors += path->errors;
	if (path->latency_us > 0) {
		traffic->latency_us += path->latency_us;
		traffic->weight++;
	}
}

static void set_traffic(struct table *table, struct table_row *row, const struct traffic *traffic)
{
	table_set_number(table, row, COLUMN_READS, traffic->reads);
	table_set_number(table, row, COLUMN_WRITES, traffic->writes);
	table_set_number(table, row, COLUMN_READ_BYTES, traffic->bytes_read);
	table_set_number(table, row, COLUMN_WRITTEN_BYTES, traffic->bytes_written);
	table_set_number(table, row, COLUMN_ERRORS, traffic->errors);
	if (traffic->weight > 0)
		table_set_number(table, row, COLUMN_LATENCY, traffic->latency_us / traffic->weight);
}

/* --- rows --- */

struct tree {
	const struct status_view *view;
	struct table *table;
};

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

static const struct session_info *session_of(const struct status_view *view, const char *object)
{
	for (size_t i = 0; i < view->sessions->count; i++)
		if (strcmp(view->sessions->items[i].object, object) == 0)
			return &view->sessions->items[i];
	return NULL;
}

/* Through which target a map is reached; "" when it has no path left. */
static const char *target_of(const struct status_view *view, const struct map_info *map)
{
	for (size_t i = 0; i < map->path_count; i++) {
		const struct session_info *session = session_of(view, map->paths[i].session);

		if (session)
			return session->target;
	}
	return "";
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
	struct table_row *row;

	snprintf(name, sizeof(name), "session %u %s", session->sid,
		 portal_format(session->address, session->port, portal));
	row = add_row(tree, parent, "session", name, session->state, session->object);
	session_detail(tree->view, session, detail, sizeof(detail));
	table_set_text(tree->table, row, COLUMN_DETAIL, detail);
}

static void add_path(const struct tree *tree, struct table_row *parent,
		     const struct path_info *path)
{
	const struct session_info *session = session_of(tree->view, path->session);
	char name[PORTAL_TEXT_MAX + 32], portal[PORTAL_TEXT_MAX];
	struct traffic traffic = {};
	struct table_row *row;

	if (session)
		snprintf(name, sizeof(name), "path via session %u %s", session->sid,
			 portal_format(session->address, session->port, portal));
	else
		snprintf(name, sizeof(name), "path");
	row = add_row(tree, parent, "path", name, path->state, path->object);
	add_traffic(&traffic, &tree->view->samples, path);
	set_traffic(tree->table, row, &traffic);
	if (strcmp(path->state, "active") != 0)
		table_set_text(tree->table, row, COLUMN_DETAIL, path->state_reason);
}

static void add_map(const struct tree *tree, struct table_row *parent, const struct map_info *map)
{
	char name[300], paths[32], detail[128];
	struct traffic traffic = {};
	struct table_row *row;

	snprintf(name, sizeof(name), "map %s", map->name);
	row = add_row(tree, parent, "map", name, map->state, map->object);
	table_set_text(tree->table, row, COLUMN_DEVICE, map->device);
	table_set_number(tree->table, row, COLUMN_SIZE, map->size_bytes);
	table_set_number(tree->table, row, COLUMN_PATHS_UP, map->paths_up);
	table_set_number(tree->table, row, COLUMN_PATHS_TOTAL, map->paths_total);
	snprintf(paths, sizeof(paths), "%u/%u", map->paths_up, map->paths_total);
	table_set_text(tree->table, row, COLUMN_PATHS, paths);
	snprintf(detail, sizeof(detail), "%s %s", map->vendor, map->product);
	table_set_text(tree->table, row, COLUMN_DETAIL, text_trim(detail));
	for (size_t i = 0; i < map->path_count; i++)
		add_traffic(&traffic, &tree->view->samples, &map->paths[i]);
	set_traffic(tree->table, row, &traffic);
	for (size_t i = 0; i < map->path_count; i++)
		add_path(tree, row, &map->paths[i]);
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

static void add_target(const struct tree *tree, const char *target)
{
	const struct status_view *view = tree->view;
	struct table_row *row =
		add_row(tree, NULL, "target", target, target_state(view, target), NULL);

	for (size_t i = 0; i < view->sessions->count; i++)
		if (strcmp(view->sessions->items[i].target, target) == 0)
			add_session(tree, row, &view->sessions->items[i]);
	for (size_t i = 0; i < view->nodes->count; i++)
		if (strcmp(view->nodes->items[i].target, target) == 0 &&
		    is_missed(&view->nodes->items[i]))
			add_node(tree, row, &view->nodes->items[i]);
	for (size_t i = 0; i < view->maps->count; i++)
		if (strcmp(target_of(view, &view->maps->items[i]), target) == 0)
			add_map(tree, row, &view->maps->items[i]);
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

int status_print(const struct status_view *view, const struct table_style *style, FILE *out)
{
	owned_memory const char **seen =
		calloc(view->sessions->count + view->nodes->count + 1, sizeof(*seen));
	struct tree tree = {.view = view};
	owned(table) table = NULL;
	char members[64];
	int r;

	if (!seen)
		return -ENOMEM;
	r = table_new("targets", view->samples.after ? rate_columns : columns, COLUMN_COUNT, style,
		      &table);
	if (r < 0)
		return r;
	tree.table = table;
	add_targets(&tree, seen);
	for (size_t i = 0; i < view->maps->count; i++)
		if (*target_of(view, &view->maps->items[i]) == '\0')
			add_map(&tree, NULL, &view->maps->items[i]);
	snprintf(members, sizeof(members), "\"health\": \"%.16s\"", view->health);
	r = table_print(table, members, out);
	if (r == 0 && !style->json && !style->raw)
		print_health(view, style, out);
	return r;
}

/* --- the verb --- */

static struct value *get_statistics(struct hawser *run, struct error *error)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "GetStatistics",
		.arguments = no_options,
	};

	if (client_call(run->client, &call) == 0)
		return take(call.reply);
	error_set(error, call.error.code, "%s", call.error.text);
	return NULL;
}

static struct value *get_health(struct hawser *run, struct error *error)
{
	static const struct argument arguments[] = {
		{.type = 's', .text = "org.hawser1.Manager"}, {.type = 's', .text = "Health"}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "org.freedesktop.DBus.Properties",
		.member = "Get",
		.arguments = arguments,
	};

	if (client_call(run->client, &call) == 0)
		return take(call.reply);
	error_set(error, call.error.code, "%s", call.error.text);
	return NULL;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* One picture. @before: counters of @seconds ago, or NULL. Return: the exit status */
static int show_once(struct hawser *run, const struct value *before, const struct value *after,
		     double seconds)
{
	const struct selection all = {};
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	owned_nodes nodes = {};
	owned_maps maps = {};
	owned(value) health = NULL;
	struct status_view view = {&nodes, &sessions, &maps};
	int r;

	health = get_health(run, &error);
	if (!health || model_nodes(run->client, &all, &nodes, &error) < 0 ||
	    model_sessions(run->client, &all, &sessions, &error) < 0 ||
	    model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	view.health = value_text(value_at(health, 0));
	view.now_us = wall_clock_us();
	if (before && after)
		view.samples = (struct samples){value_at(before, 0), value_at(after, 0), seconds};
	r = status_print(&view, &run->style, run->out);
	if (r < 0)
		return hawser_fail(run, ERROR_FAILED, "cannot print: %s", strerror(-r));
	return status_exit(view.health);
}

static void pause_for(unsigned seconds)
{
	struct timespec time = {.tv_sec = seconds};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		continue;
}

static int show_rates(struct hawser *run, unsigned interval_s)
{
	owned_error struct error error = ERROR_INIT;
	owned(value) before = get_statistics(run, &error);
	double then = seconds_now();
	int status;

	do {
		owned(value) after = NULL;
		double now;

		pause_for(interval_s);
		after = before ? get_statistics(run, &error) : NULL;
		if (!after)
			return hawser_report(run, NULL, &error);
		now = seconds_now();
		if (run->watch_s && run->style.width)
			fputs("\033[H\033[2J", run->out); /* a terminal: always the same place */
		status = show_once(run, before, after, now - then);
		fflush(run->out);
		value_free(before);
		before = take(after);
		then = now;
	} while (run->watch_s > 0 && status <= 3);
	return status;
}

int hawser_status(struct hawser *run)
{
	if (run->watch_s > 0)
		return show_rates(run, run->watch_s);
	return run->rates ? show_rates(run, 1) : show_once(run, NULL, NULL, 0);
}
