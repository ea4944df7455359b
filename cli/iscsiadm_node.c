/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/iscsiadm.h"

static bool has_selector(const struct options *options)
{
	return options->target || options->portal_text || options->iface_count > 0;
}

/* An address without port means port 3260: options_parse() has put it there. */
static struct selection selection_of(const struct options *options)
{
	return (struct selection){
		.target = options->target,
		.address = options->portal_text ? options->portal.address : NULL,
		.port = options->portal_text ? options->portal.port : 0,
		.iface = options->iface_count ? options->ifaces[0] : NULL,
	};
}

/* An interface that is not defined has iscsiadm's status of "no memory". */
static int no_records(struct iscsiadm *run)
{
	const struct options *options = &run->options;
	const struct record_place place = record_place_of_iface(options->ifaces[0]);
	owned_call call = {};

	if (options->iface_count > 0 && record_client_get(run->client, &place, &call) < 0 &&
	    call.error.code == ERROR_NO_OBJECTS_FOUND)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "Could not read iface info for %s.",
					 options->ifaces[0]);
	return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No records found");
}

/* Return: 0 and at least one node; the exit status otherwise. */
static int find_nodes(struct iscsiadm *run, const struct selection *selection,
		      struct node_list *nodes)
{
	owned_error struct error error = ERROR_INIT;
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (model_nodes(run->client, selection, nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	return nodes->count ? 0 : no_records(run);
}

/* Return: 0, also when there is none; the exit status otherwise. */
static int find_sessions(struct iscsiadm *run, const struct selection *selection,
			 struct session_list *sessions)
{
	owned_error struct error error = ERROR_INIT;
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (model_sessions(run->client, selection, sessions, &error) < 0)
		return iscsiadm_report(run, &error);
	return 0;
}

static int with_nodes(struct iscsiadm *run,
		      int (*act)(struct iscsiadm *run, const struct node_list *nodes))
{
	struct selection selection = selection_of(&run->options);
	owned_nodes nodes = {};
	int status = find_nodes(run, &selection, &nodes);

	return status ? status : act(run, &nodes);
}

static int with_sessions(struct iscsiadm *run,
			 int (*act)(struct iscsiadm *run, struct session_list *sessions))
{
	struct selection selection = selection_of(&run->options);
	owned_sessions sessions = {};
	int status = find_sessions(run, &selection, &sessions);

	return status ? status : act(run, &sessions);
}

/* --- what can be asked, in the order in which it counts when several things are --- */

static bool wants_login_all(const struct options *options)
{
	return options->login_all != NULL;
}

static int invalid_group(struct iscsiadm *run, const char *what, const char *word)
{
	int status =
		iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Invalid %s option %s.", what, word);

	fputs("Try `iscsiadm --help' for more information.\n", run->err);
	return status;
}

static bool is_group(const char *word, bool onboot)
{
	return strcmp(word, "all") == 0 || strcmp(word, "automatic") == 0 ||
	       strcmp(word, "manual") == 0 || (onboot && strcmp(word, "onboot") == 0);
}

static int login_selection(struct iscsiadm *run, const struct selection *selection)
{
	owned_nodes nodes = {};
	int status = find_nodes(run, selection, &nodes);

	return status ? status : iscsiadm_login(run, selection, &nodes);
}

static int login_all(struct iscsiadm *run)
{
	const char *word = run->options.login_all;

	if (!is_group(word, true))
		return invalid_group(run, "loginall", word);
	return login_selection(run, &(struct selection){
					    .startup = strcmp(word, "all") ? word : NULL,
				    });
}

static bool wants_logout_all(const struct options *options)
{
	return options->logout_all != NULL;
}

/* Return: the record that @session was made of, NULL when it is not among @nodes */
static const struct node_info *node_of(const struct node_list *nodes,
				       const struct session_info *session)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (strcmp(nodes->items[i].object, session->node) == 0)
			return &nodes->items[i];
	return NULL;
}

/* Sessions without a record, and those the machine has booted from, are left alone. */
static int logout_all(struct iscsiadm *run)
{
	const char *word = run->options.logout_all;
	const struct selection selection = {.startup = strcmp(word, "all") ? word : NULL};
	owned_error struct error error = ERROR_INIT;
	owned_sessions sessions = {};
	owned_nodes nodes = {};
	size_t kept = 0;
	int status;

	if (!is_group(word, false))
		return invalid_group(run, "logoutall", word);
	status = find_sessions(run, &(struct selection){}, &sessions);
	if (status != 0)
		return status;
	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	for (size_t i = 0; i < sessions.count; i++) {
		const struct node_info *node = node_of(&nodes, &sessions.items[i]);

		if (node && strcmp(node->startup, "onboot") != 0)
			sessions.items[kept++] = sessions.items[i];
		else
			free(sessions.items[i].units);
	}
	sessions.count = kept;
	return iscsiadm_logout(run, &sessions);
}

static bool wants_new(const struct options *options)
{
	return options->operations == OPERATION_NEW;
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

static bool wants_both(const struct options *options)
{
	return options->login && options->logout;
}

static int refuse_both(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				 "Invalid parameters. Both login and logout passed in");
}

static bool wants_action_and_operation(const struct options *options)
{
	return (options->login || options->logout) && options->operations != OPERATION_NONE;
}

static int refuse_action_and_operation(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				 "Invalid parameters. Login/logout and op passed in");
}

static bool wants_login(const struct options *options)
{
	return options->login;
}

static int login(struct iscsiadm *run)
{
	struct selection selection = selection_of(&run->options);

	return login_selection(run, &selection);
}

static bool wants_logout(const struct options *options)
{
	return options->logout;
}

static int logout(struct iscsiadm *run)
{
	return with_sessions(run, iscsiadm_logout);
}

static bool wants_list(const struct options *options)
{
	return options->operations == OPERATION_NONE && !has_selector(options);
}

static int list(struct iscsiadm *run)
{
	static void (*const layouts[])(FILE * out, const struct node_info *nodes, size_t count) = {
		layout_nodes_flat,
		layout_nodes_tree,
	};
	int level = run->options.print_level > 0 ? run->options.print_level : 0;
	owned_nodes nodes = {};
	int status;

	if (level > 1)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "Invalid info level %d. Try 0 or 1.", level);
	status = find_nodes(run, &(struct selection){}, &nodes);
	if (status == 0)
		layouts[level](run->out, nodes.items, nodes.count);
	return status;
}

static bool wants_show(const struct options *options)
{
	return options->operations == OPERATION_NONE || options->operations == OPERATION_SHOW;
}

static int show(struct iscsiadm *run)
{
	return with_nodes(run, iscsiadm_show_records);
}

static bool wants_update(const struct options *options)
{
	return options->operations == OPERATION_UPDATE;
}

static int update(struct iscsiadm *run)
{
	return with_nodes(run, iscsiadm_update_records);
}

static bool wants_delete(const struct options *options)
{
	return options->operations == OPERATION_DELETE;
}

static int delete (struct iscsiadm *run)
{
	return with_nodes(run, iscsiadm_delete_records);
}

static int refuse(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "operation is not supported.");
}

static const struct step steps[] = {
	{wants_login_all, login_all},
	{wants_logout_all, logout_all},
	{wants_new, iscsiadm_create_records},
	{wants_rescan, rescan},
	{wants_statistics, statistics},
	{wants_both, refuse_both},
	{wants_action_and_operation, refuse_action_and_operation},
	{wants_login, login},
	{wants_logout, logout},
	{wants_list, list},
	{wants_show, show},
	{wants_update, update},
	{wants_delete, delete},
	{NULL, refuse},
};

int iscsiadm_node(struct iscsiadm *run)
{
	if (run->options.iface_count > 1)
		iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				  "NODE mode only accepts one interface. Using %s.",
				  run->options.ifaces[0]);
	return iscsiadm_first_step(run, steps);
}
