/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The part of daemon/node_store.h that is about discovery records. */

#include "daemon/node_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/atomic_file.h"
#include "daemon/node_layout.h"
#include "util/error.h"
#include "util/text.h"

struct place {
	const char *folder, *file;
};

static const struct place *place_of(enum record_kind kind)
{
	static const struct place targets = {"send_targets", "st_config"};
	static const struct place servers = {"isns", "isns_config"};

	return kind == RECORD_ISNS ? &servers : &targets;
}

/* Return: <folder>/<address>,<port> below the store, malloc()ed; NULL: no memory */
static char *name_folder(const struct place *place, const char *address, uint16_t port)
{
	char *folder;

	return asprintf(&folder, "%s/%s,%u", place->folder, address, port) < 0 ? NULL : folder;
}

int node_store_save_discovery(struct node_store *store, const char *address, uint16_t port,
			      const struct record *record, struct error *error)
{
	const struct place *place = place_of(record_get_kind(record));
	owned_memory char *folder = NULL, *path = NULL;
	owned_record copy = NULL;
	owned_fd int lock = -1;
	char port_text[16];

	if (layout_check_portal(address, port, error) < 0)
		return -1;
	snprintf(port_text, sizeof(port_text), "%u", port);
	folder = name_folder(place, address, port);
	path = folder ? layout_path(store, "%s/%s", folder, place->file) : NULL;
	if (!path || record_copy(record, &copy) < 0)
		return layout_no_memory(error);
	if (record_set(copy, "discovery.sendtargets.address", address, RECORD_INTERNAL, error) <
		    0 ||
	    record_set(copy, "discovery.sendtargets.port", port_text, RECORD_INTERNAL, error) < 0)
		return -1;
	lock = layout_lock(store, error);
	if (lock < 0 || layout_make_folders(store, folder, error) < 0)
		return -1;
	return layout_save_record(path, copy, error);
}

int node_store_load_discovery(struct node_store *store, enum record_kind kind, const char *address,
			      uint16_t port, struct record **ret, struct error *error)
{
	const struct place *place = place_of(kind);
	owned_memory char *path = NULL;

	if (layout_check_portal(address, port, error) < 0)
		return -1;
	path = layout_path(store, "%s/%s,%u/%s", place->folder, address, port, place->file);
	if (!path)
		return layout_no_memory(error);
	return layout_load_record(path, kind, ret, error);
}

/* What is left in a folder without its record are links to nodes, which stay. */
static void remove_folder(const char *folder)
{
	owned_listing links = {};

	if (layout_list_folder(folder, &links) == 0) {
		for (int i = 0; i < links.count; i++) {
			owned_memory char *link = NULL;
			struct stat st;

			if (asprintf(&link, "%s/%s", folder, links.entries[i]->d_name) >= 0 &&
			    lstat(link, &st) == 0 && S_ISLNK(st.st_mode))
				(void)atomic_file_remove(link);
		}
	}
	(void)atomic_file_remove_folder(folder);
}

int node_store_delete_discovery(struct node_store *store, enum record_kind kind,
				const char *address, uint16_t port, struct error *error)
{
	const struct place *place = place_of(kind);
	owned_memory char *folder = NULL, *path = NULL;
	owned_fd int lock = -1;
	int r;

	if (layout_check_portal(address, port, error) < 0)
		return -1;
	folder = layout_path(store, "%s/%s,%u", place->folder, address, port);
	if (!folder || asprintf(&path, "%s/%s", folder, place->file) < 0)
		return layout_no_memory(error);
	lock = layout_lock(store, error);
	if (lock < 0)
		return -1;
	r = atomic_file_remove(path);
	if (r == -ENOENT || r == -ENOTDIR)
		return error_set(error, ERROR_NO_OBJECTS_FOUND, "there is no %s", path);
	if (r < 0)
		return layout_disk_failed(error, "remove", path, r);
	remove_folder(folder);
	return 0;
}

/* Is @name the folder of an address that has a record, and not only links? */
static bool is_discovery(const char *folder, const struct place *place, const char *name,
			 struct portal_entry *portal)
{
	owned_memory char *path = NULL;
	struct stat st;

	return asprintf(&path, "%s/%s/%s", folder, name, place->file) >= 0 &&
	       stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       layout_parse_portal(name, false, portal);
}

int node_store_discoveries(struct node_store *store, enum record_kind kind,
			   struct discovery_place **ret, size_t *count, struct error *error)
{
	const struct place *place = place_of(kind);
	owned_memory char *folder = layout_path(store, "%s", place->folder);
	owned_memory struct discovery_place *found = NULL;
	owned_listing names = {};
	size_t n = 0;
	int r;

	if (!folder)
		return layout_no_memory(error);
	r = layout_list_folder(folder, &names);
	if (r < 0)
		return layout_disk_failed(error, "read", folder, r);
	found = calloc((size_t)names.count + 1, sizeof(*found));
	if (!found)
		return layout_no_memory(error);
	for (int i = 0; i < names.count; i++) {
		struct portal_entry portal;

		if (!is_discovery(folder, place, names.entries[i]->d_name, &portal))
			continue;
		text_copy(found[n].address, sizeof(found[n].address), portal.address);
		found[n++].port = portal.port;
	}
	*ret = take(found);
	*count = n;
	return 0;
}
