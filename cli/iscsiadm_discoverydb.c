/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Records of discovery addresses: the list of them, and what -o does with one. */

#include <string.h>

#include "cli/iscsiadm.h"
#include "util/text.h"

/* --- one record --- */

static const char *type_word(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_ISNS ? "isns" : "sendtargets";
}

static struct record_place place_of(const struct options *options)
{
	return (struct record_place){
		.object = CLIENT_ROOT,
		.interface = "DiscoveryRecords",
		.name =
			{
				{.type = 's', .text = type_word(options)},
				{.type = 's', .text = options->portal.address},
				{.type = 'q', .number = options->portal.port},
			},
		.name_count = 3,
	};
}

static int tell_failed(struct iscsiadm *run, const struct error *error, enum error_code missing)
{
	if (error->code == ERROR_NO_OBJECTS_FOUND)
		return iscsiadm_complain(run, missing, "Discovery record [%s,%u] not found.",
					 run->options.portal.address, run->options.portal.port);
	return iscsiadm_report(run, error);
}

/* Return: 0 with @call answered; the exit status after it was told why not */
static int get(struct iscsiadm *run, enum error_code missing, struct call *call)
{
	const struct record_place place = place_of(&run->options);
	int status = iscsiadm_connect(run);

	if (status == 0 && record_client_get(run->client, &place, call) < 0)
		status = tell_failed(run, &call->error, missing);
	return status;
}

int iscsiadm_check_discovery(struct iscsiadm *run, enum error_code missing)
{
	owned_call call = {};

	return get(run, missing, &call);
}

int iscsiadm_show_discovery(struct iscsiadm *run, enum error_code missing)
{
	const struct record_place place = place_of(&run->options);
	owned_call call = {};
	int status = get(run, missing, &call);

	return status ? status : iscsiadm_print_record(run, &place, value_at(call.reply, 0));
}

static int update(struct iscsiadm *run, enum error_code missing)
{
	const struct options *options = &run->options;
	const struct record_place place = place_of(options);
	owned_error struct error error = ERROR_INIT;

	if (record_client_update(run->client, &place, options->settings, options->setting_count,
				 &error) < 0)
		return tell_failed(run, &error, missing);
	return 0;
}

int iscsiadm_update_discovery(struct iscsiadm *run, enum error_code missing)
{
	char *values[OPTIONS_SETTINGS_MAX] = {};
	int status;

	if (run->options.setting_count == 0)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "update requires name and value");
	status = iscsiadm_connect(run);
	if (status == 0)
		status = iscsiadm_read_values(run, values);
	if (status == 0)
		status = update(run, missing);
	iscsiadm_free_values(values);
	return status;
}

static int call_plainly(struct iscsiadm *run, const char *member, struct call *call)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	const struct record_place place = place_of(&run->options);

	return record_client_call(run->client, &place, member, no_options, call);
}

int iscsiadm_delete_discovery(struct iscsiadm *run, enum error_code missing)
{
	owned_call call = {};
	int status = iscsiadm_connect(run);

	if (status != 0 || call_plainly(run, "Delete", &call) == 0)
		return status;
	if (call.error.code == ERROR_NO_OBJECTS_FOUND)
		return tell_failed(run, &call.error, missing);
	iscsiadm_report(run, &call.error);
	return iscsiadm_complain(run, call.error.code, "Unable to delete record!");
}

int iscsiadm_create_discovery(struct iscsiadm *run)
{
	const struct portal *portal = &run->options.portal;
	owned_call call = {};
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (call_plainly(run, "Create", &call) < 0)
		return iscsiadm_report(run, &call.error);
	fprintf(run->out, "New discovery record for [%s,%u] added.\n", portal->address,
		portal->port);
	return 0;
}

/* --- the list: records, and how each node says that it was discovered --- */

/* Return: one "Get" per node, answered; NULL: no memory */
static struct call *get_origins(struct iscsiadm *run, const struct node_list *nodes)
{
	static const char *const keys[] = {"node.discovery_type", "node.discovery_address",
					   "node.discovery_port", NULL};
	static const struct argument arguments[] = {{.type = 'A', .texts = keys}, {}};
	struct call *calls = calloc(nodes->count + 1, sizeof(*calls));

	for (size_t i = 0; calls && i < nodes->count; i++) {
		calls[i].object = nodes->items[i].object;
		calls[i].interface = "Node";
		calls[i].member = "Get";
		calls[i].arguments = arguments;
	}
	if (calls)
		client_call_many(run->client, calls, nodes->count);
	return calls;
}

static struct origin origin_of_node(const struct node_info *node, const struct value *reply)
{
	const struct value *record = reply ? value_at(reply, 0) : reply;
	uint64_t port = 0;

	if (record)
		(void)text_parse_u64(value_text(value_get(record, "node.discovery_port")), 0,
				     UINT16_MAX, &port);
	return (struct origin){
		.node =
			{
				.object = node->object,
				.target = node->target,
				.address = node->address,
				.iface = node->iface,
				.port = node->port,
				.tpgt = node->tpgt,
			},
		.type = record ? value_text(value_get(record, "node.discovery_type")) : "",
		.address = record ? value_text(value_get(record, "node.discovery_address")) : "",
		.port = (uint16_t)port,
	};
}

/* A discovery record by itself: there may be no node left, or none yet. */
static struct origin origin_of_record(const struct value *record)
{
	const char *type = value_text(value_get(record, "type"));

	return (struct origin){
		.type = strcmp(type, "sendtargets") == 0 ? "send_targets" : type,
		.address = value_text(value_get(record, "address")),
		.port = (uint16_t)value_u64(value_get(record, "port")),
	};
}

static int print_origins(struct iscsiadm *run, const struct origin *origins, size_t count)
{
	size_t lines = count;

	if (run->options.print_level <= 0)
		lines = layout_origins_flat(run->out, origins, count);
	else
		layout_origins_tree(run->out, origins, count);
	return lines > 0 ? 0 : error_exit_status(ERROR_NO_OBJECTS_FOUND); /* silently */
}

static int print_list(struct iscsiadm *run, const struct value *records,
		      const struct node_list *nodes, const struct call *calls)
{
	size_t record_count = value_count(records);
	owned_memory struct origin *origins =
		calloc(record_count + nodes->count + 1, sizeof(*origins));

	if (!origins || !calls)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < record_count; i++)
		origins[i] = origin_of_record(value_at(records, i));
	for (size_t i = 0; i < nodes->count; i++)
		origins[record_count + i] = origin_of_node(&nodes->items[i], calls[i].reply);
	return print_origins(run, origins, record_count + nodes->count);
}

int iscsiadm_list_discoveries(struct iscsiadm *run)
{
	static const struct argument no_options[] = {{.type = 'V'}, {}};
	owned_call list = {
		.object = CLIENT_ROOT,
		.interface = "DiscoveryRecords",
		.member = "List",
		.arguments = no_options,
	};
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};
	struct call *calls;
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	if (run->options.print_level > 1)
		return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
					 "Invalid info level %d. Try 0 or 1.",
					 run->options.print_level);
	if (client_call(run->client, &list) < 0)
		return iscsiadm_report(run, &list.error);
	if (model_nodes(run->client, &(struct selection){}, &nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	calls = get_origins(run, &nodes);
	status = print_list(run, value_at(list.reply, 0), &nodes, calls);
	for (size_t i = 0; calls && i < nodes.count; i++)
		call_clear(&calls[i]);
	free(calls);
	return status;
}
