/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/discovered_record.h"
#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "iscsi/name.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

/* Nodes and selectors. */

static object_id node_id(const struct node_key *key)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", key->port);
	return text_hash((const char *[]){"node", key->target, key->address, port, key->iface}, 5);
}

struct node *manager_find_node(struct manager *manager, object_id id)
{
	struct node *node;

	list_for_each (node, &manager->nodes, link)
		if (node->id == id)
			return node;
	return NULL;
}

struct node *manager_find_node_by_key(struct manager *manager, const struct node_key *key)
{
	return manager_find_node(manager, node_id(key));
}

static bool portal_matches(const struct node_selector *selector, const char *address, uint16_t port)
{
	if (selector->address[0] == '\0')
		return true;
	return port == (selector->port ? selector->port : PORTAL_PORT_DEFAULT) &&
	       portal_address_equal(selector->address, address);
}

static bool text_matches(const char *wanted, const char *text)
{
	return wanted[0] == '\0' || strcmp(wanted, text) == 0;
}

static bool name_matches(const char *wanted, const char *name)
{
	return wanted[0] == '\0' || name_equal(wanted, name);
}

static bool startup_matches(const struct node *node, const char *startup)
{
	const char *session = record_get(node->record, "node.startup");
	const char *connection = record_get(node->record, "node.conn[0].startup");

	return startup[0] == '\0' || (session && strcmp(session, startup) == 0) ||
	       (connection && strcmp(connection, startup) == 0);
}

bool node_matches(const struct node *node, const struct node_selector *selector)
{
	return name_matches(selector->target, node->key.target) &&
	       text_matches(selector->iface, node->key.iface) &&
	       portal_matches(selector, node->key.address, node->key.port) &&
	       startup_matches(node, selector->startup);
}

bool session_matches(const struct session_view *session, const struct node_selector *selector)
{
	if (selector->startup[0] &&
	    (!session->node || !startup_matches(session->node, selector->startup)))
		return false;
	return name_matches(selector->target, session->target) &&
	       text_matches(selector->iface, session->iface) &&
	       portal_matches(selector, session->persistent_address, session->persistent_port);
}

/* iscsiadm's order: target name, then the portal folder's name, then interface, bytewise. */
static int node_compare(const struct node_key *a, const struct node_key *b)
{
	char portal_a[300], portal_b[300];
	int r = strcmp(a->target, b->target);

	if (r)
		return r;
	snprintf(portal_a, sizeof(portal_a), "%s,%u,%d", a->address, a->port, a->tpgt);
	snprintf(portal_b, sizeof(portal_b), "%s,%u,%d", b->address, b->port, b->tpgt);
	r = strcmp(portal_a, portal_b);
	return r ? r : strcmp(a->iface, b->iface);
}

static void node_insert(struct manager *manager, struct node *node)
{
	struct node *other;

	list_for_each (other, &manager->nodes, link)
		if (node_compare(&node->key, &other->key) < 0)
			break;
	list_append(&other->link, &node->link); /* before @other, or at the end */
}

/* Sessions of a target that were there before their record came back belong to it again. */
static void node_adopt_sessions(struct manager *manager, struct node *node)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		if (session->node || strcmp(session->target, node->key.target) != 0 ||
		    strcmp(session->iface, node->key.iface) != 0 ||
		    session->persistent_port != node->key.port ||
		    strcmp(session->persistent_address, node->key.address) != 0)
			continue;
		session->node = node;
		list_append(&node->sessions, &session->node_link);
	}
}

static struct node *node_new(struct manager *manager, const struct node_key *key,
			     struct record *record)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->key = *key;
	node->id = node_id(key);
	node->record = record;
	list_init(&node->sessions);
	node_insert(manager, node);
	node_adopt_sessions(manager, node);
	return node;
}

static void node_free(struct node *node)
{
	struct session_view *session, *next;

	list_for_each_safe (session, next, &node->sessions, node_link) {
		struct managed_session *managed = managed_of(session);

		list_remove(&session->node_link);
		session->node = NULL;
		record_free(take(managed->record));
		if (record_copy(node->record, &managed->record) < 0)
			log_warning("session %u: no memory to keep its record", session->sid);
	}
	list_remove(&node->link);
	record_free(node->record);
	error_clear(&node->last_error);
	free(node);
}

void manager_free_nodes(struct manager *manager)
{
	struct node *node, *next;

	list_for_each_safe (node, next, &manager->nodes, link)
		node_free(node);
}

/* Loading. */

struct loading {
	struct manager *manager;
	struct list seen; /* nodes that are on disk */
};

static void load_node(const struct node_key *key, struct record *record,
		      const struct error *problem, void *userdata)
{
	struct loading *loading = userdata;
	struct manager *manager = loading->manager;
	struct node *node;

	if (!record) {
		manager_event(manager, OBJECT_MANAGER, NULL, EVENT_RECORD_DAMAGED, "%s",
			      problem ? problem->text : "unreadable");
		return;
	}
	node = manager_find_node_by_key(manager, key);
	if (!node) {
		node = node_new(manager, key, record);
		if (node && manager->ready)
			manager_notify_added(manager, OBJECT_NODE, node);
	} else {
		record_free(node->record);
		node->record = record;
		node->key.tpgt = key->tpgt;
		manager_notify_changed(manager, OBJECT_NODE, node);
	}
	if (!node) {
		record_free(record);
		return;
	}
	list_remove(&node->link);
	list_append(&loading->seen, &node->link);
}

int manager_load_nodes(struct manager *manager, struct error *error)
{
	struct loading loading = {.manager = manager};
	struct node *node, *next;
	int r;

	list_init(&loading.seen);
	r = node_store_load(manager->store, load_node, &loading, error);
	/* What is not on disk any more is gone, unless it still has sessions. */
	list_for_each_safe (node, next, &manager->nodes, link) {
		if (r < 0 || !list_empty(&node->sessions)) {
			list_remove(&node->link);
			list_append(&loading.seen, &node->link);
			continue;
		}
		manager_notify_removed(manager, OBJECT_NODE, node);
		node_free(node);
	}
	while ((node = list_pop(&loading.seen, struct node, link)))
		node_insert(manager, node);
	return r;
}

struct record *manager_iface(struct manager *manager, const char *name)
{
	struct record *iface = NULL;
	owned_error struct error error = ERROR_INIT;

	if (strcmp(name, "default") == 0)
		return NULL;
	if (node_store_load_iface(manager->store, name, &iface, &error) < 0)
		log_warning("interface %s: %s", name, error.text);
	return iface;
}

struct record *manager_node_iface(struct manager *manager, const char *name,
				  const struct record *record)
{
	bool is_default = strcmp(name, "default") == 0;
	struct record *iface = manager_iface(manager, name);

	if (iface || (is_default && strcmp(record_get(record, "node.discovery_type"), "fw") != 0))
		return iface;
	return record_copy(record, &iface) < 0 ? NULL : iface;
}

/* Changes. */

/*
 * A name is stored and sent as it was typed, capitals included: targets that break the standard by
 * having some know themselves by no other spelling.
 */
static int node_key_check(const struct node_key *key, struct error *error)
{
	char prepared[ISCSI_NAME_MAX + 1];

	if (!name_usable(key->target, strlen(key->target)))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the target name is none: it may have 1 to %d bytes and no blanks",
				 ISCSI_NAME_MAX);
	if (name_normalise(key->target, prepared) == -EILSEQ)
		return error_set(
			error, ERROR_INVALID_ARGUMENT,
			"the target name has a character beyond ASCII that may have another "
			"form on the wire (RFC 3722): discover the target, and its name is "
			"taken as it is");
	if (key->address[0] == '\0' || strchr(key->address, '/') || strchr(key->address, ','))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the portal has no usable address");
	if (key->port == 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "port 0 is no port");
	return 0;
}

int manager_store_node(struct manager *manager, const struct node_key *key, struct record *record,
		       struct node **ret, struct error *error)
{
	struct node *node = manager_find_node_by_key(manager, key);

	if (node_store_save(manager->store, key, record, error) < 0)
		return -1;
	if (node) {
		record_free(node->record);
		node->record = record;
		node->key.tpgt = key->tpgt;
		manager_notify_changed(manager, OBJECT_NODE, node);
	} else {
		node = node_new(manager, key, record);
		if (!node)
			return error_set(error, ERROR_NO_MEMORY, "no memory for a node");
		manager_notify_added(manager, OBJECT_NODE, node);
	}
	*ret = node;
	return 0;
}

int manager_set_record_key(struct record *record, const struct node_key *key, struct error *error)
{
	char port[8], tpgt[16];
	const struct record_change values[] = {
		{"node.name", key->target},
		{"node.tpgt", tpgt},
		{"node.conn[0].address", key->address},
		{"node.conn[0].port", port},
		{"iface.iscsi_ifacename", key->iface},
	};

	snprintf(port, sizeof(port), "%u", key->port);
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (record_set(record, values[i].key, values[i].value, RECORD_INTERNAL, error) < 0)
			return -1;
	return 0;
}

int manager_create_node(struct manager *manager, const struct node_key *key, struct node **ret,
			struct error *error)
{
	struct node_key complete = *key;
	struct record *record = NULL, *iface = NULL;
	int r = -1;

	if (complete.iface[0] == '\0')
		text_copy(complete.iface, sizeof(complete.iface), "default");
	if (complete.port == 0)
		complete.port = PORTAL_PORT_DEFAULT;
	if (node_key_check(&complete, error) < 0)
		return -1;
	if (node_store_load_iface(manager->store, complete.iface, &iface, error) < 0)
		return -1;
	if (record_copy(manager->config.node_defaults, &record) < 0)
		error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	else if (discovered_record_bind(record, iface, error) == 0 &&
		 manager_set_record_key(record, &complete, error) == 0)
		r = manager_store_node(manager, &complete, record, ret, error);
	record_free(iface);
	if (r < 0)
		record_free(record);
	return r;
}

int manager_update_node(struct manager *manager, struct node *node,
			const struct record_change *changes, size_t count, struct error *error)
{
	struct record *record = NULL, *before = node->record;
	struct session_view *session;

	if (record_copy(node->record, &record) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	for (size_t i = 0; i < count; i++)
		if (record_set(record, changes[i].key, changes[i].value, RECORD_FROM_USER, error) <
		    0)
			goto fail;
	if (node_store_save(manager->store, &node->key, record, error) < 0)
		goto fail;
	node->record = record;
	record_free(before);
	manager_notify_changed(manager, OBJECT_NODE, node);
	/* what a target refused before, it may take now */
	list_for_each (session, &node->sessions, node_link)
		supervisor_hurry(supervisor_of(session));
	return 0;
fail:
	record_free(record);
	return -1;
}

int manager_drop_node(struct manager *manager, struct node *node, struct error *error)
{
	if (node_store_delete(manager->store, &node->key, error) < 0 &&
	    error->code != ERROR_NO_OBJECTS_FOUND)
		return -1;
	error_clear(error);
	manager_notify_removed(manager, OBJECT_NODE, node);
	node_free(node);
	return 0;
}

int manager_delete_node(struct manager *manager, struct node *node, struct error *error)
{
	if (!list_empty(&node->sessions))
		return error_set(error, ERROR_SESSION_EXISTS,
				 "target %s at %s is logged in: log out first", node->key.target,
				 node->key.address);
	return manager_drop_node(manager, node, error);
}
