/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/iscsiadm.h"
#include "util/text.h"

/* "default" is built in and needs no daemon to be shown. */

static const char *name_of(const struct options *options)
{
	return options->iface_count ? options->ifaces[0] : "";
}

/* --- show --- */

static int show(struct iscsiadm *run)
{
	const struct record_place place = record_place_of_iface(name_of(&run->options));
	owned_call call = {};
	int status;

	if (strcmp(name_of(&run->options), "default") == 0) {
		layout_iface_default(run->out);
		return 0;
	}
	status = iscsiadm_connect(run);
	if (status != 0)
		return status;
	if (record_client_get(run->client, &place, &call) == 0)
		return iscsiadm_print_record(run, &place, value_at(call.reply, 0));
	iscsiadm_report(run, &call.error);
	return error_exit_status(call.error.code == ERROR_NO_OBJECTS_FOUND ? ERROR_DATABASE_FAILED
									   : call.error.code);
}

/* --- lists --- */

static int find_nodes(struct iscsiadm *run, const char *iface, struct node_list *nodes)
{
	owned_error struct error error = ERROR_INIT;
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (model_nodes(run->client, &(struct selection){.iface = iface}, nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	return 0;
}

static int print_iface(struct iscsiadm *run, const char *name)
{
	const struct record_place place = record_place_of_iface(name);
	owned_call call = {};
	const struct value *record;

	if (record_client_get(run->client, &place, &call) < 0)
		return iscsiadm_report(run, &call.error);
	record = value_at(call.reply, 0);
	layout_ifaces_flat(
		run->out,
		&(struct iface_info){
			.name = name,
			.transport = value_text(value_get(record, "iface.transport_name")),
			.hwaddress = value_text(value_get(record, "iface.hwaddress")),
			.ipaddress = value_text(value_get(record, "iface.ipaddress")),
			.net_ifacename = value_text(value_get(record, "iface.net_ifacename")),
			.initiator_name = value_text(value_get(record, "iface.initiatorname")),
		},
		1);
	return 0;
}

static int list_flat(struct iscsiadm *run)
{
	static const struct iface_info builtin[] = {{"default", "tcp"}, {"iser", "iser"}};
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Ifaces",
		.member = "List",
		.arguments = no_options,
	};
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (client_call(run->client, &call) < 0)
		return iscsiadm_report(run, &call.error);
	for (size_t i = 0; i < value_count(value_at(call.reply, 0)) && status == 0; i++)
		status = print_iface(run, value_text(value_at(value_at(call.reply, 0), i)));
	if (status == 0)
		layout_ifaces_flat(run->out, builtin, ARRAY_SIZE(builtin));
	return status;
}

static bool is_first_of_iface(const struct node_list *nodes, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(nodes->items[i].iface, nodes->items[index].iface) == 0)
			return false;
	return true;
}

static int list_tree(struct iscsiadm *run)
{
	owned_nodes nodes = {};
	int status =
		find_nodes(run, run->options.iface_count ? run->options.ifaces[0] : NULL, &nodes);

	for (size_t i = 0; i < nodes.count; i++)
		if (is_first_of_iface(&nodes, i))
			layout_iface_tree(run->out, nodes.items[i].iface, nodes.items, nodes.count);
	return status; /* nothing, and 0, without nodes */
}

/* --- changes --- */

#define EXIT_NO_IFACE 22 /* iscsiadm ends with the raw EINVAL */

/* Create with the settings of the command line. Return: 0; -1 with @error set */
static int call_create(struct iscsiadm *run, struct error *error)
{
	const struct record_place place = record_place_of_iface(name_of(&run->options));
	const struct options *options = &run->options;
	struct argument values[OPTIONS_SETTINGS_MAX + 1] = {};
	const struct argument arguments[] = {{.type = 'S', .entries = values}, {.type = 'V'}, {}};
	owned_call call = {};

	for (unsigned i = 0; i < options->setting_count; i++)
		values[i] = (struct argument){
			.type = 's',
			.key = options->settings[i].name,
			.text = options->settings[i].value,
		};
	if (record_client_call(run->client, &place, "Create", arguments, &call) == 0)
		return 0;
	return error_set(error, call.error.code, "%s", call.error.text);
}

static int create(struct iscsiadm *run)
{
	const char *name = name_of(&run->options);
	owned_error struct error error = ERROR_INIT;
	int status;

	if (!*name) {
		iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				  "Could not add interface. No interface passed in.");
		return EXIT_NO_IFACE;
	}
	status = iscsiadm_connect(run);
	if (status != 0)
		return status;
	if (call_create(run, &error) < 0) {
		iscsiadm_report(run, &error);
		return iscsiadm_complain(run, error.code, "Could not create new interface %s.",
					 name);
	}
	fprintf(run->out, "%s updated.\nNew interface %s added\n", name, name);
	return 0;
}

/* An interface that is not there is a wrong parameter, where changes are asked for. */
static enum error_code code_of(const struct error *error)
{
	return error->code == ERROR_NO_OBJECTS_FOUND ? ERROR_INVALID_ARGUMENT : error->code;
}

static int update(struct iscsiadm *run)
{
	const struct options *options = &run->options;
	const struct record_place place = record_place_of_iface(name_of(options));
	owned_error struct error error = ERROR_INIT;
	int status;

	if (options->iface_count == 0 || options->setting_count == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "Update requires name, value, and iface.");
	status = iscsiadm_connect(run);
	if (status != 0)
		return status;
	if (record_client_update(run->client, &place, options->settings, options->setting_count,
				 &error) < 0) {
		iscsiadm_report(run, &error);
		return iscsiadm_complain(run, code_of(&error), "Could not update iface %s: %s",
					 name_of(options), error_summary(code_of(&error)));
	}
	fprintf(run->out, "%s updated.\n", name_of(options));
	return 0;
}

static int delete (struct iscsiadm *run)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	const char *name = name_of(&run->options);
	const struct record_place place = record_place_of_iface(name);
	owned_call call = {};
	int status;

	if (!*name)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Delete requires iface.");
	status = iscsiadm_connect(run);
	if (status != 0)
		return status;
	if (record_client_call(run->client, &place, "Delete", no_options, &call) < 0) {
		iscsiadm_report(run, &call.error);
		return iscsiadm_complain(run, code_of(&call.error), "Could not delete iface %s: %s",
					 name, error_summary(code_of(&call.error)));
	}
	fprintf(run->out, "%s unbound and deleted.\n", name);
	return 0;
}

/* The network is configured by the host, not by an adapter that could be told to. */
static int refuse_apply(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_NOT_SUPPORTED, "Could not apply net configuration: %s",
				 error_summary(ERROR_NOT_SUPPORTED));
}

static int refuse_ping(struct iscsiadm *run)
{
	if (run->options.iface_count == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Ping requires iface.");
	return iscsiadm_complain(run, ERROR_NOT_SUPPORTED,
				 "there is no offload adapter that pings; use ping(8): %s",
				 error_summary(ERROR_NOT_SUPPORTED));
}

/* --- what can be asked, in the order in which it counts --- */

static bool wants_submode(const struct options *options)
{
	return options->submode != SUBMODE_NONE;
}

static bool wants_new(const struct options *options)
{
	return options->operations == OPERATION_NEW;
}

static bool wants_update(const struct options *options)
{
	return options->operations == OPERATION_UPDATE;
}

static bool wants_delete(const struct options *options)
{
	return options->operations == OPERATION_DELETE;
}

static bool wants_apply(const struct options *options)
{
	return options->operations == OPERATION_APPLY || options->operations == OPERATION_APPLY_ALL;
}

static bool wants_unknown_operation(const struct options *options)
{
	return (options->operations & ~(unsigned)OPERATION_SHOW) != 0;
}

static int refuse_operation(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "operation is not supported.");
}

static bool wants_wrong_level(const struct options *options)
{
	return options->print_level > 1;
}

static int refuse_level(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Invalid info level %d. Try 0 or 1.",
				 run->options.print_level);
}

static bool wants_tree(const struct options *options)
{
	return options->print_level == 1;
}

static bool wants_show(const struct options *options)
{
	return options->iface_count > 0;
}

static const struct step steps[] = {
	{wants_submode, refuse_ping},
	{wants_new, create},
	{wants_update, update},
	{wants_delete, delete},
	{wants_apply, refuse_apply},
	{wants_unknown_operation, refuse_operation},
	{wants_wrong_level, refuse_level},
	{wants_tree, list_tree},
	{wants_show, show},
	{NULL, list_flat},
};

int iscsiadm_iface(struct iscsiadm *run)
{
	return iscsiadm_first_step(run, steps);
}
