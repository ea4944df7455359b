/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/hawser.h"
#include "cli/logout.h"
#include "cli/secret.h"

static const char *target_of(const struct hawser *run)
{
	return run->operand_count > 0 ? run->operands[0] : NULL;
}

/* "Everything" must be said, never meant by leaving something out. */
static int check_scope(struct hawser *run, const char *verb)
{
	if (target_of(run) || run->has_portal || run->iface || run->sid || run->all ||
	    run->automatic)
		return 0;
	return hawser_fail(run, ERROR_INVALID_ARGUMENT,
			   "%s of what? Name a target, --portal, --interface or --all", verb);
}

static int no_match(struct hawser *run, const char *what)
{
	if (target_of(run))
		return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "%s has no %s that matches",
				   target_of(run), what);
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "no %s matches", what);
}

/* --- discover --- */

/* clang-format off */
enum { FOUND_TARGET, FOUND_PORTAL, FOUND_TPGT, FOUND_IFACE, FOUND_OBJECT, FOUND_COLUMNS };

static const struct column found_columns[] = {
	[FOUND_TARGET] = {"TARGET", "target", CELL_TEXT},
	[FOUND_PORTAL] = {"PORTAL", "portal", CELL_TEXT},
	[FOUND_TPGT]   = {"TPGT",   "tpgt",   CELL_NUMBER},
	[FOUND_IFACE]  = {"IFACE",  "iface",  CELL_TEXT},
	[FOUND_OBJECT] = {NULL,     "object", CELL_TEXT},
};
/* clang-format on */

static int print_found(struct hawser *run, const struct value *found)
{
	owned(table) table = NULL;

	if (table_new("found", found_columns, FOUND_COLUMNS, &run->style, &table) < 0)
		return hawser_fail(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < value_count(found); i++) {
		const struct value *one = value_at(found, i);
		struct table_row *row = table_add_row(table, NULL);
		char portal[PORTAL_TEXT_MAX];

		table_set_text(table, row, FOUND_TARGET, value_text(value_get(one, "target")));
		table_set_text(table, row, FOUND_PORTAL,
			       portal_format(value_text(value_get(one, "address")),
					     (uint16_t)value_u64(value_get(one, "port")), portal));
		if (value_i64(value_get(one, "tpgt")) >= 0)
			table_set_number(table, row, FOUND_TPGT, value_u64(value_get(one, "tpgt")));
		table_set_text(table, row, FOUND_IFACE, value_text(value_get(one, "iface")));
		table_set_text(table, row, FOUND_OBJECT, value_text(value_get(one, "node")));
	}
	return hawser_print_table(run, table, NULL);
}

/* --- several calls at once --- */

static void free_calls(struct call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		call_clear(&calls[i]);
	free(calls);
}

/* "@what: done", or why not. Return: the exit status */
static int tell_end(struct hawser *run, const char *what, const struct error *error)
{
	if (error_is_set(error))
		return hawser_report(run, what, error);
	fprintf(run->out, "%s: done\n", what);
	return 0;
}

static int tell_login_found(struct hawser *run, const struct value *one, const struct error *error)
{
	char portal[PORTAL_TEXT_MAX], what[1100];

	snprintf(what, sizeof(what), "login to %s through %s", value_text(value_get(one, "target")),
		 portal_format(value_text(value_get(one, "address")),
			       (uint16_t)value_u64(value_get(one, "port")), portal));
	return tell_end(run, what, error);
}

static int login_found(struct hawser *run, const struct value *found)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	size_t count = value_count(found);
	struct call *calls = calloc(count + 1, sizeof(*calls));
	int status = 0;

	if (!calls)
		return hawser_fail(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		calls[i] = (struct call){
			.object = value_text(value_get(value_at(found, i), "node")),
			.interface = "Node",
			.member = "Login",
			.arguments = no_options,
		};
	client_call_many(run->client, calls, count);
	for (size_t i = 0; i < count; i++) {
		int r;

		if (calls[i].error.code == ERROR_SESSION_EXISTS)
			error_clear(&calls[i].error); /* it is as it was asked to be */
		r = tell_login_found(run, value_at(found, i), &calls[i].error);
		status = status ? status : r;
	}
	free_calls(calls, count);
	return status;
}

int hawser_discover(struct hawser *run)
{
	const char *non_persistent[] = {"nonpersistent", NULL};
	/* existing records stay as they are: settings made by hand are never lost */
	const char *only_new[] = {"new", NULL};
	const char *ifaces[] = {run->iface, NULL};
	const struct argument options[] = {
		{.type = 'A',
		 .key = "operations",
		 .texts = run->dry_run ? non_persistent : only_new},
		{.type = 'A', .key = "ifaces", .texts = ifaces},
		{},
	};
	struct argument arguments[] = {
		{.type = 's'}, {.type = 'q'}, {.type = 'V', .entries = options}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Discovery",
		.member = "SendTargets",
		.arguments = arguments,
	};
	struct portal portal;
	int status;

	if (portal_parse(run->operands[0], PORTAL_DEFAULT_PORT, &portal) < 0)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "'%s' is not ADDRESS[:PORT]",
				   run->operands[0]);
	if (run->login && run->dry_run)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT,
				   "--login needs the records that --dry-run does not make");
	arguments[0].text = portal.address;
	arguments[1].number = portal.port;
	if (client_call(run->client, &call) < 0)
		return hawser_report(run, "discovery", &call.error);
	if (value_count(value_at(call.reply, 0)) == 0)
		return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "%s offers no target to %s",
				   run->operands[0], "this initiator");
	status = print_found(run, value_at(call.reply, 0));
	if (status == 0 && run->login)
		status = login_found(run, value_at(call.reply, 0));
	return status;
}

/* --- login --- */

static const struct node_info *find_node(const struct node_list *nodes, const char *object)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (strcmp(nodes->items[i].object, object) == 0)
			return &nodes->items[i];
	return NULL;
}

static int tell_login(struct hawser *run, const struct value *result, const struct node_info *node)
{
	owned_error struct error error = ERROR_INIT;
	enum error_code code = client_error_code(value_text(value_at(result, 1)));
	char line[1024], portal[PORTAL_TEXT_MAX];

	portal_format(node->address, node->port, portal);
	if (code == ERROR_NONE || code == ERROR_SESSION_EXISTS) {
		fprintf(run->out, "login to %s through %s: %s\n", node->target, portal,
			code == ERROR_SESSION_EXISTS ? "already logged in"
			: run->no_wait		     ? "started"
						     : "done");
		return 0;
	}
	snprintf(line, sizeof(line), "login to %s through %s", node->target, portal);
	client_error(&error, value_text(value_at(result, 1)), value_text(value_at(result, 2)));
	return hawser_report(run, line, &error);
}

static bool is_there(const struct value *result)
{
	enum error_code code = client_error_code(value_text(value_at(result, 1)));

	return code == ERROR_NONE || code == ERROR_SESSION_EXISTS;
}

/* Is @target logged in to through any portal? */
static bool is_reached(const struct value *results, const struct node_list *nodes,
		       const char *target)
{
	for (size_t i = 0; i < value_count(results); i++) {
		const struct value *result = value_at(results, i);
		const struct node_info *node = find_node(nodes, value_text(value_at(result, 0)));

		if (node && is_there(result) && strcmp(node->target, target) == 0)
			return true;
	}
	return false;
}

/*
 * A portal that is down makes no failure of a boot whose disks are all there: the daemon goes on
 * trying it.
 */
static int tell_logins(struct hawser *run, const struct value *results,
		       const struct node_list *nodes)
{
	int status = 0;

	for (size_t i = 0; i < value_count(results); i++) {
		const struct value *result = value_at(results, i);
		const struct node_info *node = find_node(nodes, value_text(value_at(result, 0)));
		int r = node ? tell_login(run, result, node) : 0;

		if (r != 0 && run->automatic && is_reached(results, nodes, node->target))
			continue;
		status = status ? status : r;
	}
	return status;
}

int hawser_login(struct hawser *run)
{
	struct selection selection = hawser_selection(run, target_of(run));
	struct argument entries[SELECTION_ARGUMENTS];
	const struct argument options[] = {
		{.type = 'b', .key = "wait", .number = !run->no_wait},
		{.type = 'b', .key = "one-portal", .number = run->automatic},
		{}};
	const struct argument arguments[] = {
		{.type = 'V', .entries = entries}, {.type = 'V', .entries = options}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "LoginMany",
		.arguments = arguments,
	};
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};
	int status = check_scope(run, "login");

	if (status != 0)
		return status;
	selection.startup = run->automatic ? "automatic" : NULL;
	selection_arguments(&selection, entries);
	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return hawser_report(run, "login", &error);
	if (nodes.count == 0)
		return no_match(run, "node record");
	if (client_call(run->client, &call) < 0)
		return hawser_report(run, "login", &call.error);
	return tell_logins(run, value_at(call.reply, 0), &nodes);
}

/* --- logout, rescan --- */

static int tell_session(struct hawser *run, const char *verb, const struct session_info *session,
			const struct error *error)
{
	char portal[PORTAL_TEXT_MAX], what[1100];

	snprintf(what, sizeof(what), "%s of session %u, %s through %s", verb, session->sid,
		 session->target, portal_format(session->address, session->port, portal));
	return tell_end(run, what, error);
}

/* The sessions that the command line means. Return: 0; the exit status after it was told why not */
static int find_sessions(struct hawser *run, const char *verb, struct session_list *sessions)
{
	struct selection selection = hawser_selection(run, target_of(run));
	owned_error struct error error = ERROR_INIT;

	if (model_sessions(run->client, &selection, sessions, &error) < 0)
		return hawser_report(run, verb, &error);
	return sessions->count == 0 ? no_match(run, "session") : 0;
}

int hawser_logout(struct hawser *run)
{
	owned_sessions sessions = {};
	struct error *errors;
	int status = check_scope(run, "logout");

	if (status == 0)
		status = find_sessions(run, "logout", &sessions);
	if (status != 0)
		return status;
	errors = calloc(sessions.count, sizeof(*errors));
	if (!errors)
		return hawser_fail(run, ERROR_NO_MEMORY, "out of memory");
	logout_together(run->client, &sessions, run->force, errors);
	for (size_t i = 0; i < sessions.count; i++) {
		int r = tell_session(run, "logout", &sessions.items[i], &errors[i]);

		status = status ? status : r;
	}
	errors_free(errors, sessions.count);
	return status;
}

/* Have @member done by all sessions at once. Return: 0; the exit status of the first that failed */
static int call_sessions(struct hawser *run, const char *verb, const char *member,
			 int (*tell)(struct hawser *run, const struct session_info *session,
				     const struct call *call))
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_sessions sessions = {};
	struct call *calls;
	int status = find_sessions(run, verb, &sessions);

	if (status != 0)
		return status;
	calls = calloc(sessions.count, sizeof(*calls));
	if (!calls)
		return hawser_fail(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < sessions.count; i++)
		calls[i] = (struct call){
			.object = sessions.items[i].object,
			.interface = "Session",
			.member = member,
			.arguments = no_options,
		};
	client_call_many(run->client, calls, sessions.count);
	for (size_t i = 0; i < sessions.count; i++) {
		int r = tell(run, &sessions.items[i], &calls[i]);

		status = status ? status : r;
	}
	free_calls(calls, sessions.count);
	return status;
}

static int tell_rescan(struct hawser *run, const struct session_info *session,
		       const struct call *call)
{
	return tell_session(run, "rescan", session, &call->error);
}

int hawser_rescan(struct hawser *run)
{
	return call_sessions(run, "rescan", "Rescan", tell_rescan);
}

/* What is new is listed by its record. */
static int tell_new_portals(struct hawser *run, const struct value *objects)
{
	const struct selection any = {};
	owned_nodes nodes = {};
	owned_error struct error error = ERROR_INIT;

	if (value_count(objects) == 0)
		return 0;
	if (model_nodes(run->client, &any, &nodes, &error) < 0)
		return hawser_report(run, "rediscover", &error);
	for (size_t i = 0; i < value_count(objects); i++) {
		const struct node_info *node = find_node(&nodes, value_text(value_at(objects, i)));
		char portal[PORTAL_TEXT_MAX];

		if (node)
			fprintf(run->out, "new portal of %s: %s\n", node->target,
				portal_format(node->address, node->port, portal));
	}
	return 0;
}

static int tell_rediscovery(struct hawser *run, const struct session_info *session,
			    const struct call *call)
{
	int status = tell_session(run, "rediscovery", session, &call->error);

	return status ? status : tell_new_portals(run, value_at(call->reply, 0));
}

int hawser_rediscover(struct hawser *run)
{
	return call_sessions(run, "rediscover", "Rediscover", tell_rediscovery);
}

/* --- set --- */

static int update(struct hawser *run, const char *object, const char *key, const char *value,
		  struct error *error)
{
	const struct argument change[] = {{.type = 's', .key = key, .text = value}, {}};
	const struct argument update_arguments[] = {
		{.type = 'S', .entries = change}, {.type = 'V'}, {}};
	bool secret = secret_is_key(key) && *value; /* to clear one tells none */
	owned_fd int fd = secret ? secret_fd(value) : -1;
	const struct argument secret_arguments[] = {
		{.type = 's', .text = key}, {.type = 'h', .number = fd}, {.type = 'V'}, {}};
	owned_call call = {
		.object = object,
		.interface = "Node",
		.member = secret ? "SetSecret" : "Update",
		.arguments = secret ? secret_arguments : update_arguments,
	};

	if (secret && fd < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "a secret has at most %d characters", SECRET_MAX);
	if (client_call(run->client, &call) == 0)
		return 0;
	return error_set(error, call.error.code, "%s", call.error.text);
}

/* Out of the command line, of standard input ("-"), or asked for. Return: for secret_free() */
static char *take_value(struct hawser *run, const char *key)
{
	const char *word = run->operand_count > 2 ? run->operands[2] : NULL;

	if (word && strcmp(word, "-") == 0)
		return secret_read_line(stdin);
	if (word)
		return secret_is_key(key) ? secret_take_argument(word) : strdup(word);
	return isatty(STDIN_FILENO) ? secret_ask("Value (not shown): ") : secret_read_line(stdin);
}

static int set_all(struct hawser *run, const struct node_list *nodes, const char *key,
		   const char *value)
{
	char portal[PORTAL_TEXT_MAX], line[1024];
	int status = 0;

	for (size_t i = 0; i < nodes->count; i++) {
		const struct node_info *node = &nodes->items[i];
		owned_error struct error error = ERROR_INIT;
		int r = 0;

		snprintf(line, sizeof(line), "%s through %s", node->target,
			 portal_format(node->address, node->port, portal));
		if (update(run, node->object, key, value, &error) < 0)
			r = hawser_report(run, line, &error);
		else
			fprintf(run->out, "%s: %s is set%s\n", line, key,
				node->sessions ? "; it counts from the next login" : "");
		status = status ? status : r;
	}
	return status;
}

int hawser_set(struct hawser *run)
{
	struct selection selection = hawser_selection(run, run->operands[0]);
	const char *key = run->operands[1];
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};
	char *value;
	int status;

	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return hawser_report(run, NULL, &error);
	if (nodes.count == 0)
		return no_match(run, "node record");
	value = take_value(run, key);
	if (!value)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "there is no value for %s", key);
	status = set_all(run, &nodes, key, value);
	secret_free(value);
	return status;
}
