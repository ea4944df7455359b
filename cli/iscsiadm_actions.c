/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/iscsiadm.h"
#include "cli/logout.h"

/* --- login --- */

int iscsiadm_tell_logins(struct iscsiadm *run, const struct login_row *rows, size_t count,
			 bool trailer)
{
	struct tally tally = {};

	/* those that are there already are known before anything is tried */
	for (size_t i = 0; i < count; i++) {
		if (rows[i].code != ERROR_SESSION_EXISTS)
			continue;
		layout_login_present(run->err, rows[i].node.iface, rows[i].wanted, rows[i].present);
		tally_add(&tally, rows[i].code);
	}
	for (size_t i = 0; i < count; i++) {
		unsigned made =
			rows[i].wanted > rows[i].present ? rows[i].wanted - rows[i].present : 1;

		if (rows[i].code == ERROR_SESSION_EXISTS)
			continue;
		if (rows[i].code != ERROR_NONE)
			layout_login_failed(run->err, &rows[i].node, rows[i].code);
		while (rows[i].code == ERROR_NONE && !run->options.no_wait && made-- > 0)
			layout_login_done(run->out, &rows[i].node);
		tally_add(&tally, rows[i].code);
	}
	if (tally.first != ERROR_NONE && trailer)
		iscsiadm_complain(run, tally.first, "Could not log into all portals");
	return error_exit_status(tally.first);
}

static const struct node_info *find_node(const struct node_list *nodes, const char *object)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (strcmp(nodes->items[i].object, object) == 0)
			return &nodes->items[i];
	return NULL;
}

static struct login_row login_row_of(const struct node_info *node, enum error_code code)
{
	return (struct login_row){
		.node =
			{
				.object = node->object,
				.target = node->target,
				.address = node->address,
				.iface = node->iface,
				.port = node->port,
				.tpgt = node->tpgt,
			},
		.code = code,
		.wanted = node->wanted ? node->wanted : 1,
		/* that it has them all is the daemon's word, and newer than our list */
		.present = code == ERROR_SESSION_EXISTS && node->sessions < node->wanted
				   ? node->wanted
				   : node->sessions,
	};
}

static int tell_login_reply(struct iscsiadm *run, const struct value *reply,
			    const struct node_list *nodes)
{
	const struct value *results = value_at(reply, 0);
	owned_memory struct login_row *rows = calloc(value_count(results) + 1, sizeof(*rows));
	size_t count = 0;

	if (!rows)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < value_count(results); i++) {
		const struct value *result = value_at(results, i);
		const struct node_info *node = find_node(nodes, value_text(value_at(result, 0)));
		enum error_code code = client_error_code(value_text(value_at(result, 1)));

		if (node)
			rows[count++] = login_row_of(node, code);
	}
	return iscsiadm_tell_logins(run, rows, count, true);
}

int iscsiadm_login(struct iscsiadm *run, const struct selection *selection,
		   const struct node_list *nodes)
{
	const struct argument options[] = {
		{.type = 'b', .key = "wait", .number = !run->options.no_wait}, {}};
	struct argument entries[SELECTION_ARGUMENTS];
	const struct argument arguments[] = {
		{.type = 'V', .entries = entries}, {.type = 'V', .entries = options}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "LoginMany",
		.arguments = arguments,
	};

	selection_arguments(selection, entries);
	if (client_call(run->client, &call) < 0) {
		if (call.error.code == ERROR_NO_OBJECTS_FOUND)
			return iscsiadm_complain(run, call.error.code, "No records found");
		return iscsiadm_report(run, &call.error);
	}
	return tell_login_reply(run, call.reply, nodes);
}

/* --- sessions --- */

static int tell_logouts(struct iscsiadm *run, const struct session_list *sessions,
			const struct error *errors)
{
	struct tally tally = {};

	for (size_t i = 0; i < sessions->count; i++) {
		if (errors[i].code == ERROR_NONE)
			layout_logout_done(run->out, &sessions->items[i]);
		else
			layout_logout_failed(run->err, &sessions->items[i], errors[i].code);
		/* the name of who has the device in use is worth a line of its own */
		if (errors[i].code == ERROR_BUSY)
			iscsiadm_report(run, &errors[i]);
		tally_add(&tally, errors[i].code);
	}
	if (tally.last != ERROR_NONE)
		iscsiadm_complain(run, tally.last, "Could not logout of all requested sessions");
	return error_exit_status(tally.last);
}

int iscsiadm_logout(struct iscsiadm *run, struct session_list *sessions)
{
	struct error *errors;
	int status;

	if (sessions->count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No matching sessions found");
	errors = calloc(sessions->count, sizeof(*errors));
	if (!errors)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	sessions_sort_as_listed(sessions);
	sessions_group_by_target(sessions);
	for (size_t i = 0; i < sessions->count; i++)
		layout_logout_begun(run->out, &sessions->items[i]);
	fflush(run->out); /* what is about to be done stands there while it takes its time */
	logout_together(run->client, sessions, false, errors);
	status = tell_logouts(run, sessions, errors);
	errors_free(errors, sessions->count);
	return status;
}

/* Rescan every one of @sessions, many at a time. Return: the calls, or NULL: no memory */
static struct call *call_rescans(struct iscsiadm *run, const struct session_list *sessions)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	struct call *calls = calloc(sessions->count + 1, sizeof(*calls));

	if (!calls) {
		iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < sessions->count; i++) {
		calls[i].object = sessions->items[i].object;
		calls[i].interface = "Session";
		calls[i].member = "Rescan";
		calls[i].arguments = no_options;
	}
	fflush(run->out); /* what is about to be done stands there while it takes its time */
	client_call_many(run->client, calls, sessions->count);
	return calls;
}

static void free_calls(struct call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		call_clear(&calls[i]);
	free(calls);
}

static bool is_listed(const struct session_info *session)
{
	return session->ever_logged_in;
}

int iscsiadm_rescan(struct iscsiadm *run, struct session_list *sessions)
{
	struct tally tally = {};
	struct call *calls;

	sessions_keep(sessions, is_listed);
	if (sessions->count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No session found.");
	sessions_sort_as_listed(sessions);
	for (size_t i = 0; i < sessions->count; i++)
		layout_rescan(run->out, &sessions->items[i]);
	calls = call_rescans(run, sessions);
	if (!calls)
		return error_exit_status(ERROR_NO_MEMORY);
	for (size_t i = 0; i < sessions->count; i++) {
		if (calls[i].error.code != ERROR_NONE)
			iscsiadm_report(run, &calls[i].error);
		tally_add(&tally, calls[i].error.code);
	}
	free_calls(calls, sessions->count);
	return error_exit_status(tally.first);
}

static int print_statistics(struct iscsiadm *run, const struct session_info *session,
			    const struct value *all)
{
	const struct value *statistics = value_get(all, session->object);
	size_t count = value_count(statistics);
	owned_memory struct counter *counters = calloc(count + 1, sizeof(*counters));

	if (!counters)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		counters[i] = (struct counter){
			value_key(statistics, i),
			value_u64(value_of(statistics, i)),
		};
	layout_statistics(run->out, session, counters, count);
	return 0;
}

int iscsiadm_statistics(struct iscsiadm *run, struct session_list *sessions)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "GetStatistics",
		.arguments = no_options,
	};
	int status = 0;

	sessions_keep(sessions, is_listed);
	if (sessions->count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No session found.");
	if (client_call(run->client, &call) < 0)
		return iscsiadm_report(run, &call.error);
	sessions_sort_as_listed(sessions);
	for (size_t i = 0; i < sessions->count && status == 0; i++)
		status = print_statistics(run, &sessions->items[i], value_at(call.reply, 0));
	return status;
}
