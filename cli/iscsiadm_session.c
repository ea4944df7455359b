/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/iscsiadm.h"

#define EXIT_NO_SUCH_SESSION 22 /* iscsiadm's "sysfs lookup failure" */

static bool is_listed(const struct session_info *session)
{
	return session->ever_logged_in;
}

/* All sessions, or the one of -r. Return: 0; the exit status after it was told why not. */
static int find(struct iscsiadm *run, struct session_list *sessions)
{
	const uint32_t sid = run->options.sid;
	const struct selection selection = {.sids = &sid, .sid_count = sid ? 1 : 0};
	owned_error struct error error = ERROR_INIT;
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (model_sessions(run->client, &selection, sessions, &error) < 0 &&
	    (error.code != ERROR_NO_OBJECTS_FOUND && error.code != ERROR_SESSION_NOT_FOUND))
		return iscsiadm_report(run, &error);
	if (sid == 0 || sessions->count > 0)
		return 0;
	iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "could not read session targetname: 5");
	iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "Could not get session info for sid %u",
			  sid);
	return EXIT_NO_SUCH_SESSION;
}

static int with_sessions(struct iscsiadm *run,
			 int (*act)(struct iscsiadm *run, struct session_list *sessions))
{
	owned_sessions sessions = {};
	int status = find(run, &sessions);

	return status ? status : act(run, &sessions);
}

/* The node record that the session of -r was made of: its object names it. */
static int with_record(struct iscsiadm *run,
		       int (*act)(struct iscsiadm *run, const struct node_list *nodes))
{
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	owned_nodes nodes = {};
	const struct session_info *session;
	int status = find(run, &sessions);

	if (status != 0)
		return status;
	session = &sessions.items[0];
	if (model_nodes(run->client,
			&(struct selection){
				.target = session->target,
				.address = session->persistent_address,
				.port = session->persistent_port,
				.iface = session->iface,
			},
			&nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	if (nodes.count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No records found");
	return act(run, &nodes);
}

/* --- what can be asked, in the order in which it counts --- */

static bool wants_new(const struct options *options)
{
	return options->operations == OPERATION_NEW;
}

/* One session more to the node of -r, whatever node.session.nr_sessions says. */
static int login_more(struct iscsiadm *run, const struct node_list *nodes)
{
	static const struct argument options[] = {
		{.type = 'b', .key = "additional", .number = true}, {}};
	static const struct argument arguments[] = {{.type = 'V', .entries = options}, {}};
	const struct node_info *node = &nodes->items[0];
	owned_call call = {
		.object = node->object,
		.interface = "Node",
		.member = "Login",
		.arguments = arguments,
	};
	struct login_row row = {
		.node = {node->object, node->target, node->address, node->iface, node->port,
			 node->tpgt},
		.wanted = 1,
	};

	if (client_call(run->client, &call) < 0)
		row.code = call.error.code;
	return iscsiadm_tell_logins(run, &row, 1, true);
}

static int new_session(struct iscsiadm *run)
{
	if (run->options.sid == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "session mode: operation 'new' requires a session id");
	return with_record(run, login_more);
}

static bool wants_rescan(const struct options *options)
{
	return options->rescan;
}

static int rescan(struct iscsiadm *run)
{
	return with_sessions(run, iscsiadm_rescan);
}

static bool wants_statistics(const struct options *options)
{
	return options->statistics;
}

static int statistics(struct iscsiadm *run)
{
	return with_sessions(run, iscsiadm_statistics);
}

static bool wants_logout(const struct options *options)
{
	return options->logout;
}

static int logout(struct iscsiadm *run)
{
	return with_sessions(run, iscsiadm_logout);
}

static bool wants_show_record(const struct options *options)
{
	return options->sid != 0 &&
	       (options->operations == OPERATION_SHOW ||
		(options->operations == OPERATION_NONE && options->print_level <= 0));
}

static int show_record(struct iscsiadm *run)
{
	return with_record(run, iscsiadm_show_records);
}

static bool wants_update(const struct options *options)
{
	return options->sid != 0 && options->operations == OPERATION_UPDATE;
}

static int update(struct iscsiadm *run)
{
	return with_record(run, iscsiadm_update_records);
}

static bool wants_delete(const struct options *options)
{
	return options->sid != 0 && options->operations == OPERATION_DELETE;
}

static int delete (struct iscsiadm *run)
{
	return with_record(run, iscsiadm_delete_records);
}

static bool wants_unknown_operation(const struct options *options)
{
	return options->sid != 0 && options->operations != OPERATION_NONE;
}

static int refuse_operation(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "operation is not supported.");
}

static int list(struct iscsiadm *run)
{
	const struct options *options = &run->options;
	int level = options->print_level > 0 ? options->print_level : 0;
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	int status = find(run, &sessions);

	if (status != 0)
		return status;
	sessions_keep(&sessions, is_listed);
	if (sessions.count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No active sessions.");
	if (level > 3)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "Invalid info level %d. Try 0 - 3.", level);
	sessions_sort_as_listed(&sessions);
	if (level == 0) {
		layout_sessions_flat(run->out, sessions.items, sessions.count);
		return 0;
	}
	model_session_records(run->client, &sessions);
	if (options->show_secrets && level >= 2 &&
	    model_session_secrets(run->client, &sessions, &error) < 0)
		return iscsiadm_report(run, &error);
	layout_sessions_tree(run->out, sessions.items, sessions.count, level,
			     options->show_secrets);
	return 0;
}

static const struct step steps[] = {
	{wants_new, new_session},
	{wants_rescan, rescan},
	{wants_statistics, statistics},
	{wants_logout, logout},
	{wants_show_record, show_record},
	{wants_update, update},
	{wants_delete, delete},
	{wants_unknown_operation, refuse_operation},
	{NULL, list},
};

int iscsiadm_session(struct iscsiadm *run)
{
	return iscsiadm_first_step(run, steps);
}
