/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdlib.h>
#include <string.h>

#include "cli/iscsiadm.h"
#include "cli/secret.h"
#include "util/text.h"

/* --- show --- */

/* -S: the secret in place of its mask. Return: it, for secret_free(); NULL after it was told why */
static char *unmask(struct iscsiadm *run, const struct record_place *place, const char *key,
		    int *status)
{
	owned_error struct error error = ERROR_INIT;
	char *secret = record_client_secret(run->client, place, key, &error);

	if (!secret)
		*status = iscsiadm_report(run, &error);
	return secret;
}

int iscsiadm_print_record(struct iscsiadm *run, const struct record_place *place,
			  const struct value *record)
{
	size_t count = value_count(record);
	owned_memory struct setting *settings = calloc(count + 1, sizeof(*settings));
	owned_memory char **secrets = calloc(count + 1, sizeof(*secrets));
	int status = 0;

	if (!settings || !secrets)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count && status == 0; i++) {
		settings[i] = (struct setting){
			value_key(record, i),
			value_text(value_of(record, i)),
		};
		if (!run->options.show_secrets || !secret_is_key(settings[i].name) ||
		    !*settings[i].value)
			continue;
		secrets[i] = unmask(run, place, settings[i].name, &status);
		settings[i].value = secrets[i];
	}
	if (status == 0)
		layout_record(run->out, settings, count);
	for (size_t i = 0; i < count; i++)
		secret_free(secrets[i]);
	return status;
}

int iscsiadm_show_records(struct iscsiadm *run, const struct node_list *nodes)
{
	int status = 0;

	for (size_t i = 0; i < nodes->count && status == 0; i++) {
		struct record_place place = record_place_of_node(nodes->items[i].object);
		owned_call call = {};

		if (record_client_get(run->client, &place, &call) < 0)
			return iscsiadm_report(run, &call.error);
		status = iscsiadm_print_record(run, &place, value_at(call.reply, 0));
	}
	return status;
}

/* --- update --- */

static int tell_trailer(struct iscsiadm *run, enum error_code code)
{
	if (code == ERROR_NONE)
		return 0;
	return iscsiadm_complain(run, code, "Could not execute operation on all records: %s",
				 error_summary(code));
}

static int check_settings(struct iscsiadm *run)
{
	const struct options *options = &run->options;

	if (options->setting_count == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "update requires name and value");
	for (unsigned i = 0; i < options->setting_count; i++) {
		const char *name = options->settings[i].name;

		if (text_starts_with(name, "iface.") && strcmp(name, "iface.transport_name") != 0)
			return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
						 "Cannot modify %s. Use iface mode to update this "
						 "value.",
						 name);
	}
	return 0;
}

int iscsiadm_read_values(struct iscsiadm *run, char *values[OPTIONS_SETTINGS_MAX])
{
	struct options *options = &run->options;

	for (unsigned i = 0; i < options->setting_count; i++) {
		struct setting *setting = &options->settings[i];

		if (strcmp(setting->value, "-") == 0)
			values[i] = secret_read_line(stdin);
		else if (secret_is_key(setting->name))
			values[i] = secret_take_argument(setting->value);
		else
			continue;
		if (!values[i])
			return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
						 "no value for %s on standard input",
						 setting->name);
		setting->value = values[i];
	}
	return 0;
}

void iscsiadm_free_values(char *values[OPTIONS_SETTINGS_MAX])
{
	for (unsigned i = 0; i < OPTIONS_SETTINGS_MAX; i++)
		secret_free(values[i]);
}

static int update_all(struct iscsiadm *run, const struct node_list *nodes)
{
	const struct options *options = &run->options;
	struct tally tally = {};

	for (size_t i = 0; i < nodes->count; i++) {
		struct record_place place = record_place_of_node(nodes->items[i].object);
		owned_error struct error error = ERROR_INIT;

		if (record_client_update(run->client, &place, options->settings,
					 options->setting_count, &error) < 0)
			iscsiadm_report(run, &error);
		tally_add(&tally, error.code);
	}
	return tell_trailer(run, tally.first);
}

int iscsiadm_update_records(struct iscsiadm *run, const struct node_list *nodes)
{
	char *values[OPTIONS_SETTINGS_MAX] = {};
	int status = check_settings(run);

	if (status == 0)
		status = iscsiadm_read_values(run, values);
	if (status == 0)
		status = update_all(run, nodes);
	iscsiadm_free_values(values);
	return status;
}

/* --- delete --- */

int iscsiadm_delete_records(struct iscsiadm *run, const struct node_list *nodes)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	struct tally tally = {};

	for (size_t i = 0; i < nodes->count; i++) {
		const struct node_info *node = &nodes->items[i];
		owned_call call = {
			.object = node->object,
			.interface = "Node",
			.member = "Delete",
			.arguments = no_options,
		};

		if (client_call(run->client, &call) < 0) {
			tally_add(&tally, call.error.code);
			if (call.error.code == ERROR_SESSION_EXISTS)
				iscsiadm_complain(run, call.error.code,
						  "The record [iface: %s, target: %s, portal: "
						  "%s,%u] has a session. Log out first, then "
						  "delete it.",
						  node->iface, node->target, node->address,
						  node->port);
			else
				iscsiadm_report(run, &call.error);
		}
	}
	return tell_trailer(run, tally.first);
}

/* --- new --- */

/* What the record says of its interface, for the line that -o new prints. */
static void tell_added(struct iscsiadm *run, const char *object, struct found *node)
{
	static const char *const keys[] = {
		"iface.transport_name", "iface.hwaddress", "iface.ipaddress",
		"iface.net_ifacename",	"node.tpgt",	   NULL};
	static const struct argument arguments[] = {{.type = 'A', .texts = keys}, {}};
	owned_call call = {
		.object = object,
		.interface = "Node",
		.member = "Get",
		.arguments = arguments,
	};
	struct binding binding = {"tcp", "", "", "", node->iface};
	int64_t tpgt;

	if (client_call(run->client, &call) == 0) {
		const struct value *record = value_at(call.reply, 0);
		const char *transport = value_text(value_get(record, keys[0]));

		binding.transport = *transport ? transport : binding.transport;
		binding.hwaddress = value_text(value_get(record, keys[1]));
		binding.ipaddress = value_text(value_get(record, keys[2]));
		binding.net_ifacename = value_text(value_get(record, keys[3]));
		if (text_parse_i64(value_text(value_get(record, keys[4])), INT32_MIN, INT32_MAX,
				   &tpgt) == 0)
			node->tpgt = (int32_t)tpgt;
	}
	layout_node_added(run->out, &binding, node);
}

static int create_record(struct iscsiadm *run, struct found node)
{
	const struct argument arguments[] = {
		{.type = 's', .text = node.target},
		{.type = 's', .text = node.address},
		{.type = 'q', .number = node.port},
		{.type = 'i', .number = node.tpgt},
		{.type = 's', .text = node.iface},
		{.type = 'V'},
		{},
	};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = "CreateNode",
		.arguments = arguments,
	};

	if (client_call(run->client, &call) == 0) {
		tell_added(run, value_text(value_at(call.reply, 0)), &node);
		return 0;
	}
	if (call.error.code == ERROR_NO_OBJECTS_FOUND)
		/* iscsiadm's status for an interface it does not know is that of "no memory" */
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "Could not read iface info for %s.",
					 node.iface);
	return iscsiadm_report(run, &call.error);
}

static bool same_portal(const struct node_info *a, const struct node_info *b)
{
	return strcmp(a->target, b->target) == 0 && strcmp(a->address, b->address) == 0 &&
	       a->port == b->port;
}

/* Not all of target and portal are given: every portal that is known and fits is bound anew. */
static int create_known(struct iscsiadm *run, const char *iface)
{
	const struct options *options = &run->options;
	const struct selection selection = {
		.target = options->target,
		.address = options->portal_text ? options->portal.address : NULL,
		.port = options->portal_text ? options->portal.port : 0,
	};
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};
	int status = 0;

	if (model_nodes(run->client, &selection, &nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	if (nodes.count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND,
					 "Error while adding record: no known portal matches");
	for (size_t i = 0; i < nodes.count; i++) {
		const struct node_info *node = &nodes.items[i];
		int r;

		if (i > 0 && same_portal(node, node - 1))
			continue; /* the same one, bound to another interface */
		r = create_record(run, (struct found){
					       .target = node->target,
					       .address = node->address,
					       .port = node->port,
					       .tpgt = node->tpgt,
					       .iface = iface,
				       });
		status = status ? status : r;
	}
	return status;
}

int iscsiadm_create_records(struct iscsiadm *run)
{
	const struct options *options = &run->options;
	const char *iface = options->iface_count ? options->ifaces[0] : "default";
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (!options->target && !options->portal_text && options->iface_count == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "new requires a target and a portal");
	if (!options->target || !options->portal_text)
		return create_known(run, iface);
	return create_record(run, (struct found){
					  .target = options->target,
					  .address = options->portal.address,
					  .port = options->portal.port,
					  .tpgt = options->portal.tpgt,
					  .iface = iface,
				  });
}
