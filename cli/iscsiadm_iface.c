/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/iscsiadm.h"
#include "util/text.h"

/*
 * The daemon shows no interface records; what is known of them stands in the records of the nodes
 * that are bound to them. "default" is built in and needs no daemon.
 */

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

static int get_record(struct iscsiadm *run, const struct node_info *node, struct call *call)
{
	static const struct argument all_keys[] = {{.type = 'A'}, {}};

	*call = (struct call){
		.object = node->object,
		.interface = "Node",
		.member = "Get",
		.arguments = all_keys,
	};
	return client_call(run->client, call);
}

/* --- show --- */

static int show_of_record(struct iscsiadm *run, const struct value *record)
{
	owned_memory struct setting *settings = calloc(value_count(record) + 1, sizeof(*settings));
	size_t count = 0;

	if (!settings)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < value_count(record); i++)
		if (text_starts_with(value_key(record, i), "iface."))
			settings[count++] = (struct setting){
				value_key(record, i),
				value_text(value_of(record, i)),
			};
	layout_record(run->out, settings, count);
	return 0;
}

static int show(struct iscsiadm *run)
{
	const char *name = run->options.ifaces[0];
	owned_call call = {};
	owned_nodes nodes = {};
	int status;

	if (strcmp(name, "default") == 0) {
		layout_iface_default(run->out);
		return 0;
	}
	status = find_nodes(run, name, &nodes);
	if (status != 0)
		return status;
	if (nodes.count == 0)
		return iscsiadm_complain(run, ERROR_DATABASE_FAILED,
					 "Could not read iface %s: no node is bound to it", name);
	if (get_record(run, &nodes.items[0], &call) < 0)
		return iscsiadm_report(run, &call.error);
	return show_of_record(run, value_at(call.reply, 0));
}

/* --- lists --- */

static int compare_by_iface(const void *a, const void *b)
{
	return strcmp(((const struct node_info *)a)->iface, ((const struct node_info *)b)->iface);
}

/* Is @index the first of its interface, and not of the built-in one? Sorted by interface. */
static bool starts_iface(const struct node_list *nodes, size_t index)
{
	const struct node_info *node = &nodes->items[index];

	return strcmp(node->iface, "default") != 0 &&
	       (index == 0 || strcmp(node->iface, node[-1].iface) != 0);
}

static int print_bound(struct iscsiadm *run, const struct node_info *node)
{
	owned_call call = {};
	const struct value *record;

	if (get_record(run, node, &call) < 0)
		return iscsiadm_report(run, &call.error);
	record = value_at(call.reply, 0);
	layout_ifaces_flat(
		run->out,
		&(struct iface_info){
			.name = node->iface,
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
	owned_nodes nodes = {};
	int status = find_nodes(run, NULL, &nodes);

	if (nodes.count > 0)
		qsort(nodes.items, nodes.count, sizeof(*nodes.items), compare_by_iface);
	for (size_t i = 0; i < nodes.count && status == 0; i++)
		if (starts_iface(&nodes, i))
			status = print_bound(run, &nodes.items[i]);
	if (status == 0)
		layout_ifaces_flat(run->out, &(struct iface_info){"default", "tcp"}, 1);
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

/* --- what can be asked, in the order in which it counts --- */

static bool wants_change(const struct options *options)
{
	return options->submode != SUBMODE_NONE ||
	       (options->operations & ~(unsigned)OPERATION_SHOW) != 0;
}

static int refuse_change(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_NOT_SUPPORTED,
				 "interface records cannot be changed from here: "
				 "operation not supported");
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
	{wants_change, refuse_change},
	{wants_wrong_level, refuse_level},
	{wants_tree, list_tree},
	{wants_show, show},
	{NULL, list_flat},
};

int iscsiadm_iface(struct iscsiadm *run)
{
	return iscsiadm_first_step(run, steps);
}
