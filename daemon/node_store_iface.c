/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The part of daemon/node_store.h that is about interface records. */

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

static const struct {
	const char *name, *transport;
} builtin[] = {{"default", "tcp"}, {"iser", "iser"}};

bool node_store_iface_is_builtin(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		if (strcmp(builtin[i].name, name) == 0)
			return true;
	return false;
}

static int check_name(const char *name, struct error *error)
{
	return layout_check_name("an interface name", name,
				 sizeof(((struct node_key *)0)->iface) - 1, true, error);
}

static int make_builtin_iface(const char *name, const char *transport, struct record **ret,
			      struct error *error)
{
	owned_record record = NULL;

	if (record_new(RECORD_IFACE, &record) < 0)
		return layout_no_memory(error);
	if (record_set(record, "iface.iscsi_ifacename", name, RECORD_INTERNAL, error) < 0 ||
	    record_set(record, "iface.transport_name", transport, RECORD_INTERNAL, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

int node_store_load_iface(struct node_store *store, const char *name, struct record **ret,
			  struct error *error)
{
	owned_memory char *path = NULL;
	owned_error struct error reason = ERROR_INIT;
	owned_record record = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		if (strcmp(builtin[i].name, name) == 0)
			return make_builtin_iface(name, builtin[i].transport, ret, error);
	if (check_name(name, error) < 0)
		return -1;
	path = layout_path(store, "ifaces/%s", name);
	if (!path)
		return layout_no_memory(error);
	if (layout_load_record(path, RECORD_IFACE, &record, &reason) < 0) {
		if (reason.code == ERROR_NO_OBJECTS_FOUND)
			return error_set(error, reason.code, "Could not read iface info for %s.",
					 name);
		return error_set(error, reason.code, "%s", error_text(&reason));
	}
	if (record_set(record, "iface.iscsi_ifacename", name, RECORD_INTERNAL, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

int node_store_ifaces(struct node_store *store, char ***names, unsigned *count, struct error *error)
{
	owned_memory char *path = layout_path(store, "ifaces");
	owned_listing listing = {};
	char **list;
	unsigned n = 0;
	int r;

	if (!path)
		return layout_no_memory(error);
	r = layout_list_folder(path, &listing);
	if (r < 0)
		return layout_disk_failed(error, "read", path, r);
	list = calloc((size_t)listing.count + 1, sizeof(*list));
	if (!list)
		return layout_no_memory(error);
	for (int i = 0; i < listing.count; i++) {
		const char *name = listing.entries[i]->d_name;

		/* an example that packages install */
		if (strcmp(name, "iface.example") == 0 ||
		    !layout_name_is_safe(name, sizeof(((struct node_key *)0)->iface) - 1, true))
			continue;
		list[n] = strdup(name);
		if (!list[n]) {
			while (n > 0)
				free(list[--n]);
			free(list);
			return layout_no_memory(error);
		}
		n++;
	}
	*names = list;
	*count = n;
	return 0;
}

static int check_changeable(const char *name, struct error *error)
{
	if (node_store_iface_is_builtin(name))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the interface %s is built in: it is not stored, changed or "
				 "deleted",
				 name);
	return check_name(name, error);
}

int node_store_save_iface(struct node_store *store, const char *name, const struct record *record,
			  struct error *error)
{
	owned_memory char *path = NULL;
	owned_record copy = NULL;
	owned_fd int lock = -1;

	if (check_changeable(name, error) < 0)
		return -1;
	path = layout_path(store, "ifaces/%s", name);
	if (!path || record_copy(record, &copy) < 0)
		return layout_no_memory(error);
	if (record_set(copy, "iface.iscsi_ifacename", name, RECORD_INTERNAL, error) < 0)
		return -1;
	lock = layout_lock(store, error);
	if (lock < 0 || layout_make_folders(store, "ifaces", error) < 0)
		return -1;
	return layout_save_record(path, copy, error);
}

int node_store_delete_iface(struct node_store *store, const char *name, struct error *error)
{
	owned_memory char *path = NULL;
	owned_fd int lock = -1;
	int r;

	if (check_changeable(name, error) < 0)
		return -1;
	path = layout_path(store, "ifaces/%s", name);
	if (!path)
		return layout_no_memory(error);
	lock = layout_lock(store, error);
	if (lock < 0)
		return -1;
	r = atomic_file_remove(path);
	if (r == -ENOENT || r == -ENOTDIR)
		return error_set(error, ERROR_NO_OBJECTS_FOUND, "Could not read iface info for %s.",
				 name);
	return r < 0 ? layout_disk_failed(error, "remove", path, r) : 0;
}
