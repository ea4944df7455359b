/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A target that has moved for good (login status 0102h, RFC 7143 §11.13.5). The address is part of
 * what names a record, so the record is written under its new name first and the old one is taken
 * away then: a crash between the two leaves both, and both lead to the target.
 */

#include <string.h>

#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "iscsi/portal.h"
#include "util/log.h"
#include "util/text.h"

/* The tag is known when the login ended where the target has moved to. */
static struct node_key moved_key(const struct session_view *view, const char *address,
				 uint16_t port)
{
	struct node_key key = view->node->key;
	bool here = port == view->port && portal_address_equal(address, view->address);

	text_copy(key.address, sizeof(key.address), address);
	key.port = port;
	key.tpgt = here ? view->negotiated.target_portal_group_tag : PORTAL_TAG_UNKNOWN;
	return key;
}

/* The record's new self: the one that the portal has already, or a copy of the old. */
static struct node *moved_node(struct manager *manager, const struct node *from,
			       const struct node_key *key, struct error *error)
{
	struct node *to = manager_find_node_by_key(manager, key);
	struct record *record = NULL;

	if (to)
		return to;
	if (record_copy(from->record, &record) < 0) {
		error_set(error, ERROR_NO_MEMORY, "no memory for a record");
		return NULL;
	}
	if (manager_set_record_key(record, key, error) < 0 ||
	    manager_store_node(manager, key, record, &to, error) < 0) {
		record_free(record);
		return NULL;
	}
	return to;
}

static void take_sessions(struct manager *manager, struct node *from, struct node *to)
{
	struct session_view *view, *next;

	list_for_each_safe (view, next, &from->sessions, node_link) {
		list_remove(&view->node_link);
		list_append(&to->sessions, &view->node_link);
		view->node = to;
		text_copy(view->persistent_address, sizeof(view->persistent_address),
			  to->key.address);
		view->persistent_port = to->key.port;
		manager_notify_changed(manager, OBJECT_SESSION, view);
	}
	manager_login_moved(manager, from, to);
}

/* Return: 0; -1 with @error set and everything as it was, or with both records there */
static int move(struct manager *manager, struct node *from, const struct node_key *key,
		struct error *error)
{
	struct node *to = moved_node(manager, from, key, error);

	if (!to)
		return -1;
	if (!list_empty(&to->sessions))
		return error_set(error, ERROR_SESSION_EXISTS,
				 "that portal has a record and a session of its own");
	take_sessions(manager, from, to);
	manager_notify_changed(manager, OBJECT_NODE, to);
	return manager_delete_node(manager, from, error);
}

void manager_session_moved(struct managed_session *managed, const char *address, uint16_t port)
{
	struct manager *manager = managed->manager;
	struct session_view *view = &managed->supervisor->view;
	owned_error struct error error = ERROR_INIT;
	char before[256], after[256] = "; its record says so now";
	struct node_key key;

	if (!view->node ||
	    (port == view->node->key.port && strcmp(address, view->node->key.address) == 0))
		return;
	key = moved_key(view, address, port);
	text_copy(before, sizeof(before), view->node->key.address);
	if (move(manager, view->node, &key, &error) < 0)
		snprintf(after, sizeof(after), ", but its record stays: %s", error_text(&error));
	manager_event(manager, OBJECT_SESSION, view, EVENT_TARGET_MOVED,
		      "from %s to %s:%u for good%s", before, address, port, after);
}
