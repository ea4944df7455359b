/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/discovered_record.h"

#include <stdio.h>
#include <string.h>

#include "daemon/manager.h"
#include "daemon/node_layout.h"
#include "daemon/record.h"
#include "util/cleanup.h"
#include "util/text.h"

enum discovered_plan discovered_plan_of(unsigned operations, bool exists)
{
	if (operations & (DISCOVERY_NON_PERSISTENT | DISCOVERY_SHOW))
		return DISCOVERED_LEAVE;
	if (operations & DISCOVERY_UPDATE)
		return DISCOVERED_MAKE;
	if (operations == DISCOVERY_DEFAULT)
		return exists ? DISCOVERED_REFRESH : DISCOVERED_MAKE;
	return operations & DISCOVERY_NEW && !exists ? DISCOVERED_MAKE : DISCOVERED_LEAVE;
}

struct value {
	const char *key, *value;
};

static int set_values(struct record *record, const struct value *values, size_t count,
		      struct error *error)
{
	for (size_t i = 0; i < count; i++)
		if (record_set(record, values[i].key, values[i].value, RECORD_INTERNAL, error) < 0)
			return -1;
	return 0;
}

static int set_origin(struct record *record, const struct discovered_origin *origin,
		      struct error *error)
{
	char port[8];
	const struct value values[] = {
		{"node.discovery_address", origin->address},
		{"node.discovery_port", port},
		{"node.discovery_type", origin->type},
	};

	snprintf(port, sizeof(port), "%u", origin->port);
	return set_values(record, values, ARRAY_SIZE(values), error);
}

static int set_key(struct record *record, const struct node_key *key, struct error *error)
{
	char port[8], tpgt[16];
	const struct value values[] = {
		{"node.name", key->target},
		{"node.tpgt", tpgt},
		{"node.conn[0].address", key->address},
		{"node.conn[0].port", port},
		{"iface.iscsi_ifacename", key->iface},
	};

	snprintf(port, sizeof(port), "%u", key->port);
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	return set_values(record, values, ARRAY_SIZE(values), error);
}

/* A key that both kinds of record have (node.session.auth.chap_algs) says more for the address. */
static int take_node_keys(struct record *record, const struct record *asked, struct error *error)
{
	const char *key, *value;
	bool secret;

	for (size_t i = 0; asked && record_at(asked, i, &key, &value, &secret); i++)
		if (text_starts_with(key, "node.") && record_get(record, key) &&
		    record_set(record, key, value, RECORD_INTERNAL, error) < 0)
			return -1;
	return 0;
}

int discovered_record_bind(struct record *record, const struct record *iface, struct error *error)
{
	owned_record builtin = NULL;
	const char *key, *value;
	bool secret;

	if (!iface && record_new(RECORD_IFACE, &builtin) < 0)
		return layout_no_memory(error);
	for (size_t i = 0; record_at(iface ? iface : builtin, i, &key, &value, &secret); i++)
		if (record_set(record, key, value, RECORD_INTERNAL, error) < 0)
			return -1;
	return 0;
}

int discovered_record_make(const struct record *defaults, const struct record *asked,
			   const struct record *iface, const struct node_key *key,
			   const struct discovered_origin *origin, struct record **ret,
			   struct error *error)
{
	owned_record record = NULL;

	if (record_copy(defaults, &record) < 0)
		return layout_no_memory(error);
	if (take_node_keys(record, asked, error) < 0 ||
	    (iface && discovered_record_bind(record, iface, error) < 0) ||
	    set_key(record, key, error) < 0 || set_origin(record, origin, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

/* Was it a server that told of it, so that another one may take it over? */
static bool belongs_to_discovery(const struct record *record)
{
	const char *type = record_get(record, "node.discovery_type");

	return strcmp(type, "static") != 0 && strcmp(type, "fw") != 0;
}

int discovered_record_refresh(const struct record *existing, const struct node_key *key,
			      const struct discovered_origin *origin, struct record **ret,
			      struct error *error)
{
	owned_record record = NULL;
	char tpgt[16];

	if (record_copy(existing, &record) < 0)
		return layout_no_memory(error);
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	if (key->tpgt >= 0 && record_set(record, "node.tpgt", tpgt, RECORD_INTERNAL, error) < 0)
		return -1;
	if (belongs_to_discovery(existing) && set_origin(record, origin, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}
