/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
/*
 * The half of daemon/node_store.h that writes node records.
 */

#include "daemon/node_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/atomic_file.h"
#include "daemon/node_layout.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"

/* --- links --- */

/* Links serve open-iscsi's listing by discovery address; a record without one is as good. */
static void link_failed(const char *path, int r)
{
	log_warning("could not write the link %s: %s; iscsiadm of open-iscsi would not list the "
		    "record under its discovery",
		    path, strerror(-r));
}

static char *link_name(const struct node_store *store, const char *folder,
		       const struct node_key *key)
{
	return layout_path(store, "%s/%s,%s,%u,%d,%s", folder, key->target, key->address, key->port,
			   key->tpgt, key->iface);
}

/* Return: the folder for the links of how @record was found, malloc()ed; NULL for none. */
static char *link_folder(const struct record *record)
{
	static const struct {
		const char *type, *folder;
		bool by_address;
	} folders[] = {
		{"send_targets", "send_targets", true},
		{"offload_send_targets", "send_targets", true},
		{"isns", "isns", true},
		{"static", "static", false},
		{"fw", "fw", false},
	};
	const char *type = record_get(record, "node.discovery_type");
	const char *address = record_get(record, "node.discovery_address");
	int64_t port = record_get_number(record, "node.discovery_port");
	char *folder = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (strcmp(folders[i].type, type) != 0)
			continue;
		if (!folders[i].by_address)
			return strdup(folders[i].folder);
		if (!layout_name_is_safe(address, LAYOUT_ADDRESS_MAX, false) ||
		    asprintf(&folder, "%s/%s,%d", folders[i].folder, address, (int)port) < 0)
			return NULL;
		return folder;
	}
	return NULL;
}

static void remove_link(const struct node_store *store, const char *folder,
			const struct node_key *key)
{
	owned_memory char *path = link_name(store, folder, key);

	if (path)
		(void)unlink(path);
}

/* Take away every link to the record of @key, under whichever discovery it stands. */
static void remove_links(const struct node_store *store, const struct node_key *key)
{
	static const char *const by_address[] = {"send_targets", "isns"};

	remove_link(store, "static", key);
	remove_link(store, "fw", key);
	for (size_t i = 0; i < ARRAY_SIZE(by_address); i++) {
		owned_memory char *path = layout_path(store, "%s", by_address[i]);
		owned_listing discoveries = {};

		if (!path || layout_list_folder(path, &discoveries) < 0)
			continue;
		for (int j = 0; j < discoveries.count; j++) {
			owned_memory char *folder = NULL;

			if (asprintf(&folder, "%s/%s", by_address[i],
				     discoveries.entries[j]->d_name) >= 0)
				remove_link(store, folder, key);
		}
	}
}

static void add_link(const struct node_store *store, const struct node_key *key,
		     const struct record *record, const char *portal_path)
{
	owned_error struct error error = ERROR_INIT;
	owned_memory char *folder = link_folder(record);
	owned_memory char *path = folder ? link_name(store, folder, key) : NULL;
	struct stat st;
	int r;

	if (!path)
		return;
	if (lstat(path, &st) < 0)
		remove_links(store, key); /* those of another way in which it was found before */
	if (layout_make_folders(store, folder, &error) < 0) {
		log_warning("%s", error_text(&error));
		return;
	}
	r = atomic_file_link(portal_path, path);
	if (r < 0 && r != -ENAMETOOLONG)
		link_failed(path, r);
}

/* --- saving and deleting nodes --- */

/* All that stands for the portal of one key in its target's folder. */
struct portal_entries {
	struct portal_entry *entries;
	size_t count;
};

static void portal_entries_deinit(struct portal_entries *entries)
{
	free(entries->entries);
}
#define owned_portal_entries __attribute__((cleanup(portal_entries_deinit))) struct portal_entries

static int find_portal_entries(const struct node_store *store, const struct node_key *key,
			       struct portal_entries *found, struct error *error)
{
	owned_memory char *path = layout_path(store, "nodes/%s", key->target);
	owned_listing names = {};
	int r;

	if (!path)
		return layout_no_memory(error);
	r = layout_list_folder(path, &names);
	if (r < 0)
		return layout_disk_failed(error, "read", path, r);
	found->entries = calloc((size_t)names.count + 1, sizeof(*found->entries));
	if (!found->entries)
		return layout_no_memory(error);
	for (int i = 0; i < names.count; i++) {
		struct portal_entry *entry = &found->entries[found->count];
		owned_memory char *name = NULL;

		if (asprintf(&name, "%s/%s", path, names.entries[i]->d_name) < 0)
			return layout_no_memory(error);
		if (layout_parse_portal(names.entries[i]->d_name, layout_is_folder(name), entry) &&
		    entry->port == key->port && strcmp(entry->address, key->address) == 0)
			found->count++;
	}
	return 0;
}

static char *portal_path(const struct node_store *store, const struct node_key *key,
			 const struct portal_entry *portal)
{
	char name[NAME_MAX + 1];

	layout_name_portal(portal, name);
	return layout_path(store, "nodes/%s/%s", key->target, name);
}

/* The file that the record of @iface has, or would have, in @portal. */
static char *node_path(const struct node_store *store, const struct node_key *key,
		       const struct portal_entry *portal)
{
	owned_memory char *path = portal_path(store, key, portal);
	char *file = NULL;

	if (!path || !portal->is_folder)
		return take(path);
	return asprintf(&file, "%s/%s", path, key->iface) < 0 ? NULL : file;
}

/* The record in the old plain file belongs to one interface, which only the record tells. */
static struct record *load_other_iface(const struct node_store *store, const struct node_key *key,
				       const struct portal_entry *portal)
{
	owned_memory char *path = portal_path(store, key, portal);
	owned_error struct error error = ERROR_INIT;
	owned_record record = NULL;

	if (!path || layout_load_record(path, RECORD_NODE, &record, &error) < 0 ||
	    strcmp(record_get(record, "iface.iscsi_ifacename"), key->iface) == 0)
		return NULL;
	return take(record);
}

/*
 * Where the record of @key is to be written. A portal group that is known stays known; the plain
 * file holds one interface, so a second one makes it a folder.
 */
static struct portal_entry choose_portal(const struct node_store *store, const struct node_key *key,
					 const struct portal_entries *found)
{
	struct portal_entry portal = {
		.port = key->port, .tpgt = key->tpgt, .is_folder = key->tpgt >= 0};

	text_copy(portal.address, sizeof(portal.address), key->address);
	for (size_t i = 0; i < found->count && key->tpgt < 0; i++) {
		owned_record other = NULL;

		if (found->entries[i].is_folder)
			return found->entries[i];
		other = load_other_iface(store, key, &found->entries[i]);
		portal.is_folder = other != NULL;
	}
	return portal;
}

static int set_identity(struct record *record, const struct node_key *key, struct error *error)
{
	char port[16], tpgt[16];
	const struct {
		const char *key, *value;
	} values[] = {
		{"node.name", key->target},
		{"node.tpgt", tpgt},
		{"node.conn[0].port", port},
		{"node.conn[0].address", key->address},
		{"iface.iscsi_ifacename", key->iface},
	};

	snprintf(port, sizeof(port), "%u", key->port);
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (record_set(record, values[i].key, values[i].value, RECORD_INTERNAL, error) < 0)
			return -1;
	return 0;
}

/* Write a record into its portal's place, making the folders on the way, and its link. */
static int write_node(const struct node_store *store, const struct node_key *key,
		      const struct portal_entry *portal, const struct record *record,
		      struct error *error)
{
	struct node_key placed = *key;
	owned_memory char *folders = NULL, *path = NULL, *destination = NULL;
	owned_record copy = NULL;
	char name[NAME_MAX + 1];
	int r;

	placed.tpgt = portal->tpgt;
	layout_name_portal(portal, name);
	path = node_path(store, key, portal);
	destination = portal_path(store, key, portal);
	r = asprintf(&folders, "nodes/%s%s%s", key->target, portal->is_folder ? "/" : "",
		     portal->is_folder ? name : "");
	if (r < 0 || !path || !destination || record_copy(record, &copy) < 0)
		return layout_no_memory(error);
	if (set_identity(copy, &placed, error) < 0 ||
	    layout_make_folders(store, folders, error) < 0 ||
	    layout_save_record(path, copy, error) < 0)
		return -1;
	add_link(store, &placed, copy, destination);
	return 0;
}

static void remove_folder_if_empty(const struct node_store *store, const char *target,
				   const struct portal_entry *portal)
{
	char name[NAME_MAX + 1] = "";
	owned_memory char *path = NULL;

	if (portal)
		layout_name_portal(portal, name);
	path = layout_path(store, "nodes/%s%s%s", target, portal ? "/" : "", name);
	if (path)
		(void)atomic_file_remove_folder(path);
}

/* Return: 1 when it was there, 0 when not, -1 with @error set */
static int remove_node(const struct node_store *store, const struct node_key *key,
		       const struct portal_entry *portal, struct error *error)
{
	owned_memory char *path = node_path(store, key, portal);
	struct node_key placed = *key;
	int r;

	if (!path)
		return layout_no_memory(error);
	placed.tpgt = portal->tpgt;
	r = atomic_file_remove(path);
	if (r < 0 && r != -ENOENT)
		return layout_disk_failed(error, "remove", path, r);
	if (r == 0)
		remove_links(store, &placed);
	if (portal->is_folder)
		remove_folder_if_empty(store, key->target, portal);
	return r == 0;
}

/*
 * The record of @key now stands in @kept: take it away elsewhere. Another interface's record out of
 * the plain file moves to the folder first.
 */
static int remove_superseded(const struct node_store *store, const struct node_key *key,
			     const struct portal_entry *kept, const struct portal_entry *entry,
			     struct error *error)
{
	owned_record other = NULL;
	struct node_key other_key = *key;

	if (entry->is_folder == kept->is_folder && entry->tpgt == kept->tpgt)
		return 0;
	if (!entry->is_folder) {
		other = load_other_iface(store, key, entry);
		if (other &&
		    text_copy(other_key.iface, sizeof(other_key.iface),
			      record_get(other, "iface.iscsi_ifacename")) &&
		    layout_check_key(&other_key, NULL) == 0 &&
		    write_node(store, &other_key, kept, other, error) < 0)
			return -1;
	}
	return remove_node(store, other ? &other_key : key, entry, error) < 0 ? -1 : 0;
}

int node_store_save(struct node_store *store, const struct node_key *key,
		    const struct record *record, struct error *error)
{
	owned_portal_entries found = {};
	struct portal_entry portal;
	owned_fd int lock = -1;

	if (layout_check_key(key, error) < 0)
		return -1;
	lock = layout_lock(store, error);
	if (lock < 0 || find_portal_entries(store, key, &found, error) < 0)
		return -1;
	portal = choose_portal(store, key, &found);
	if (write_node(store, key, &portal, record, error) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++)
		if (remove_superseded(store, key, &portal, &found.entries[i], error) < 0)
			return -1;
	return 0;
}

int node_store_delete(struct node_store *store, const struct node_key *key, struct error *error)
{
	owned_portal_entries found = {};
	owned_fd int lock = -1;
	bool removed = false;

	if (layout_check_key(key, error) < 0)
		return -1;
	lock = layout_lock(store, error);
	if (lock < 0 || find_portal_entries(store, key, &found, error) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		owned_record other = NULL;
		int r;

		if (!found.entries[i].is_folder)
			other = load_other_iface(store, key, &found.entries[i]);
		if (other)
			continue;
		r = remove_node(store, key, &found.entries[i], error);
		if (r < 0)
			return -1;
		removed |= r > 0;
	}
	if (!removed)
		return error_set(error, ERROR_NO_OBJECTS_FOUND, "No records found");
	remove_folder_if_empty(store, key->target, NULL);
	return 0;
}
