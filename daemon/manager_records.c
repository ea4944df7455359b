/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Records that are no node's: of discovery addresses and of interfaces. */

#include <stdio.h>
#include <string.h>

#include "daemon/discovered_record.h"
#include "daemon/discovery_work.h"
#include "daemon/node_layout.h"
#include "util/log.h"
#include "util/text.h"

/* Discovery addresses. */

static const enum record_kind record_kinds[DISCOVERY_KIND_COUNT] = {
	[DISCOVERY_KIND_SEND_TARGETS] = RECORD_SENDTARGETS,
	[DISCOVERY_KIND_ISNS] = RECORD_ISNS,
};

static uint16_t port_of(const struct discovery_address *address)
{
	return address->port ? address->port : discovery_ways[address->kind].port;
}

static int check_kind(const struct discovery_address *address, struct error *error)
{
	if (address->kind == DISCOVERY_KIND_FIRMWARE)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the firmware has no discovery record");
	return 0;
}

static int append_discoveries(struct manager *manager, enum discovery_kind kind,
			      struct discovery_address **all, size_t *count, struct error *error)
{
	owned_memory struct discovery_place *places = NULL;
	struct discovery_address *larger;
	size_t found;

	if (node_store_discoveries(manager->store, record_kinds[kind], &places, &found, error) < 0)
		return -1;
	larger = reallocarray(*all, *count + found + 1, sizeof(*larger));
	if (!larger)
		return layout_no_memory(error);
	*all = larger;
	for (size_t i = 0; i < found; i++) {
		struct discovery_address *address = &larger[(*count)++];

		*address = (struct discovery_address){.kind = kind, .port = places[i].port};
		text_copy(address->address, sizeof(address->address), places[i].address);
	}
	return 0;
}

int manager_list_discoveries(struct manager *manager, struct discovery_address **ret, size_t *count,
			     struct error *error)
{
	owned_memory struct discovery_address *all = NULL;
	size_t found = 0;

	if (append_discoveries(manager, DISCOVERY_KIND_SEND_TARGETS, &all, &found, error) < 0 ||
	    append_discoveries(manager, DISCOVERY_KIND_ISNS, &all, &found, error) < 0)
		return -1;
	*ret = take(all);
	*count = found;
	return 0;
}

int manager_read_discovery(struct manager *manager, const struct discovery_address *address,
			   struct record **ret, struct error *error)
{
	if (check_kind(address, error) < 0)
		return -1;
	return node_store_load_discovery(manager->store, record_kinds[address->kind],
					 address->address, port_of(address), ret, error);
}

int manager_create_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error)
{
	if (check_kind(address, error) < 0)
		return -1;
	return node_store_save_discovery(manager->store, address->address, port_of(address),
					 address->kind == DISCOVERY_KIND_ISNS
						 ? manager->config.isns_defaults
						 : manager->config.target_defaults,
					 error);
}

static int apply(struct record *record, const struct record_change *changes, size_t count,
		 struct error *error)
{
	for (size_t i = 0; i < count; i++)
		if (record_set(record, changes[i].key, changes[i].value, RECORD_FROM_USER, error) <
		    0)
			return -1;
	return 0;
}

int manager_update_discovery(struct manager *manager, const struct discovery_address *address,
			     const struct record_change *changes, size_t count, struct error *error)
{
	owned_record record = NULL;

	if (manager_read_discovery(manager, address, &record, error) < 0 ||
	    apply(record, changes, count, error) < 0)
		return -1;
	return node_store_save_discovery(manager->store, address->address, port_of(address), record,
					 error);
}

bool manager_node_is_from(const struct node *node, enum discovery_kind kind, const char *address,
			  uint16_t port)
{
	const char *from = record_get(node->record, "node.discovery_address");
	const char *type = record_get(node->record, "node.discovery_type");

	return strcmp(from, address) == 0 && strcmp(type, discovery_ways[kind].type) == 0 &&
	       record_get_number(node->record, "node.discovery_port") == port;
}

int manager_delete_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error)
{
	const uint16_t port = port_of(address);
	struct node *node, *next;

	if (check_kind(address, error) < 0 ||
	    node_store_delete_discovery(manager->store, record_kinds[address->kind],
					address->address, port, error) < 0)
		return -1;
	list_for_each_safe (node, next, &manager->nodes, link)
		if (manager_node_is_from(node, address->kind, address->address, port) &&
		    manager_drop_node(manager, node, error) < 0)
			return -1;
	return 0;
}

/* Interfaces. */

int manager_list_ifaces(struct manager *manager, char ***names, unsigned *count,
			struct error *error)
{
	return node_store_ifaces(manager->store, names, count, error);
}

int manager_read_iface(struct manager *manager, const char *name, struct record **ret,
		       struct error *error)
{
	return node_store_load_iface(manager->store, name, ret, error);
}

static int check_unused(struct manager *manager, const char *name, struct error *error)
{
	const struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (strcmp(session->iface, name) == 0)
			return error_set(error, ERROR_SESSION_EXISTS,
					 "session %u goes over the interface %s: log out first",
					 session->sid, name);
	return 0;
}

/* What names the network card must be one thing: with two of them one would be wrong in the end. */
static int check_binding(const struct record *record, struct error *error)
{
	if (*record_get(record, "iface.net_ifacename") && *record_get(record, "iface.hwaddress"))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "an interface is bound by iface.net_ifacename or by "
				 "iface.hwaddress, not by both");
	return 0;
}

int manager_create_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error)
{
	owned_record record = NULL;

	if (check_unused(manager, name, error) < 0)
		return -1;
	if (record_new(RECORD_IFACE, &record) < 0)
		return layout_no_memory(error);
	if (apply(record, changes, count, error) < 0 || check_binding(record, error) < 0)
		return -1;
	return node_store_save_iface(manager->store, name, record, error);
}

/* Bound nodes carry a copy of the interface's keys. */
static int rebind_nodes(struct manager *manager, const char *name, const struct record *iface,
			struct error *error)
{
	struct node *node, *next;

	list_for_each_safe (node, next, &manager->nodes, link) {
		struct record *record = NULL;

		if (strcmp(node->key.iface, name) != 0)
			continue;
		if (record_copy(node->record, &record) < 0)
			return layout_no_memory(error);
		if (discovered_record_bind(record, iface, error) < 0 ||
		    manager_store_node(manager, &node->key, record, &node, error) < 0) {
			record_free(record);
			return -1;
		}
	}
	return 0;
}

int manager_update_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error)
{
	owned_record record = NULL;

	if (node_store_load_iface(manager->store, name, &record, error) < 0 ||
	    apply(record, changes, count, error) < 0 || check_binding(record, error) < 0 ||
	    node_store_save_iface(manager->store, name, record, error) < 0)
		return -1;
	return rebind_nodes(manager, name, record, error);
}

int manager_delete_iface(struct manager *manager, const char *name, struct error *error)
{
	struct node *node, *next;

	if (check_unused(manager, name, error) < 0 ||
	    node_store_delete_iface(manager->store, name, error) < 0)
		return -1;
	list_for_each_safe (node, next, &manager->nodes, link)
		if (strcmp(node->key.iface, name) == 0 &&
		    manager_drop_node(manager, node, error) < 0)
			return -1;
	return 0;
}
