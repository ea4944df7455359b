/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/node_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
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

/* --- the store itself --- */

const char *node_store_find(const char *conf_dir, const char *state_dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/nodes", conf_dir);
	if (access(path, F_OK) == 0)
		return conf_dir;
	snprintf(path, sizeof(path), "%s/nodes", state_dir);
	return access(path, F_OK) == 0 ? state_dir : conf_dir;
}

static void sweep(const struct node_store *store)
{
	static const struct {
		const char *folder;
		unsigned depth;
	} places[] = {{".", 0},	     {"nodes", 2}, {"send_targets", 1}, {"isns", 1}, {"static", 0},
		      {"ifaces", 0}, {"fw", 0}};
	unsigned swept = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		owned_memory char *path = layout_path(store, "%s", places[i].folder);

		if (path)
			swept += atomic_file_sweep(path, places[i].depth);
	}
	if (swept > 0)
		log_info("%s: removed %u temporary files of a write that did not end",
			 store->folder, swept);
}

int node_store_open(const char *conf_dir, struct node_store **ret, struct error *error)
{
	struct node_store *store;
	owned_error struct error lock_error = ERROR_INIT;
	owned_fd int lock = -1;
	int r;

	store = calloc(1, sizeof(*store));
	if (!store)
		return layout_no_memory(error);
	r = atomic_file_make_folder(conf_dir, 0755);
	store->folder = r == 0 ? realpath(conf_dir, NULL) : NULL;
	if (!store->folder) {
		free(store);
		return layout_disk_failed(error, "open", conf_dir, r < 0 ? r : -errno);
	}
	/* Who cannot lock cannot write either, but may still read. */
	lock = layout_lock(store, &lock_error);
	if (lock >= 0)
		sweep(store);
	*ret = store;
	return 0;
}

void node_store_close(struct node_store *store)
{
	if (!store)
		return;
	free(store->folder);
	free(store);
}

/* --- loading all nodes --- */

struct loading {
	struct node_store *store;
	node_store_visit *visit;
	void *userdata;
	struct node_key *seen; /* in the target that is being read */
	size_t n_seen;
};

/* Where a record stands and what it says must agree: it is the key by which it is found. */
static int check_identity(const struct record *record, const struct node_key *key, const char *path,
			  struct error *error)
{
	const struct {
		const char *key, *wanted;
	} texts[] = {
		{"node.name", key->target},
		{"node.conn[0].address", key->address},
		{"iface.iscsi_ifacename", key->iface},
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(record_get(record, texts[i].key), texts[i].wanted) != 0)
			return error_set(error, ERROR_DATABASE_FAILED,
					 "%s: its %s is '%s', which does not fit its place", path,
					 texts[i].key, record_get(record, texts[i].key));
	if (record_get_number(record, "node.conn[0].port") != key->port)
		return error_set(error, ERROR_DATABASE_FAILED,
				 "%s: its port does not fit its place", path);
	return 0;
}

/* One record per portal and interface: whatever finds by these must find one. */
static int check_unique(struct loading *loading, const struct node_key *key, const char *path,
			struct error *error)
{
	struct node_key *grown;

	for (size_t i = 0; i < loading->n_seen; i++) {
		const struct node_key *other = &loading->seen[i];

		if (other->port == key->port && strcmp(other->address, key->address) == 0 &&
		    strcmp(other->iface, key->iface) == 0)
			return error_set(error, ERROR_DATABASE_FAILED,
					 "%s: a second record of the same portal and interface",
					 path);
	}
	grown = reallocarray(loading->seen, loading->n_seen + 1, sizeof(*grown));
	if (!grown)
		return layout_no_memory(error);
	loading->seen = grown;
	loading->seen[loading->n_seen++] = *key;
	return 0;
}

static int load_node(struct loading *loading, const char *path, struct node_key *key,
		     bool old_layout, struct record **ret, struct error *error)
{
	owned_record record = NULL;
	char tpgt[16];

	if (layout_load_record(path, RECORD_NODE, &record, error) < 0)
		return -1;
	if (old_layout) {
		key->tpgt = (int32_t)record_get_number(record, "node.tpgt");
		if (!text_copy(key->iface, sizeof(key->iface),
			       record_get(record, "iface.iscsi_ifacename")))
			*key->iface = '\0';
	}
	if (layout_check_key(key, error) < 0 || check_identity(record, key, path, error) < 0 ||
	    check_unique(loading, key, path, error) < 0)
		return -1;
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	if (record_set(record, "node.tpgt", tpgt, RECORD_INTERNAL, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

static void visit_node(struct loading *loading, const char *path, struct node_key *key,
		       bool old_layout)
{
	owned_error struct error problem = ERROR_INIT;
	struct record *record = NULL;

	if (load_node(loading, path, key, old_layout, &record, &problem) == 0)
		loading->visit(key, record, NULL, loading->userdata);
	else
		loading->visit(key, NULL, &problem, loading->userdata);
}

__attribute__((format(printf, 4, 5))) static void visit_problem(struct loading *loading,
								const struct node_key *key,
								const char *path,
								const char *format, ...)
{
	owned_error struct error problem = ERROR_INIT;
	char shown[PATH_MAX], text[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_sanitise(shown, sizeof(shown), path, strlen(path));
	error_set(&problem, ERROR_DATABASE_FAILED, "%s %s", shown, text);
	loading->visit(key, NULL, &problem, loading->userdata);
}

static int visit_portal(struct loading *loading, const char *target, const char *name)
{
	owned_memory char *path = layout_path(loading->store, "nodes/%s/%s", target, name);
	owned_listing ifaces = {};
	struct node_key key = {.tpgt = -1};
	struct portal_entry portal;
	int r;

	if (!path)
		return -ENOMEM;
	text_copy(key.target, sizeof(key.target), target);
	if (!layout_parse_portal(name, layout_is_folder(path), &portal)) {
		visit_problem(loading, &key, path, "is no portal's record or folder");
		return 0;
	}
	text_copy(key.address, sizeof(key.address), portal.address);
	key.port = portal.port;
	key.tpgt = portal.tpgt;
	if (!portal.is_folder) {
		visit_node(loading, path, &key, true);
		return 0;
	}

	r = layout_list_folder(path, &ifaces);
	if (r < 0)
		visit_problem(loading, &key, path, "cannot be listed: %s", strerror(-r));
	for (int i = 0; i < ifaces.count; i++) {
		owned_memory char *file = NULL;

		if (asprintf(&file, "%s/%s", path, ifaces.entries[i]->d_name) < 0)
			return -ENOMEM;
		if (text_copy(key.iface, sizeof(key.iface), ifaces.entries[i]->d_name))
			visit_node(loading, file, &key, false);
		else
			visit_problem(loading, &key, file, "is no interface name");
	}
	return 0;
}

static int visit_target(struct loading *loading, const char *target)
{
	owned_memory char *path = layout_path(loading->store, "nodes/%s", target);
	owned_listing portals = {};
	struct node_key key = {.tpgt = -1};
	int r;

	if (!path)
		return -ENOMEM;
	if (!layout_name_is_safe(target, ISCSI_NAME_MAX, false)) {
		visit_problem(loading, &key, path, "is no target name");
		return 0;
	}
	text_copy(key.target, sizeof(key.target), target);
	r = layout_list_folder(path, &portals);
	if (r < 0)
		visit_problem(loading, &key, path, "cannot be listed: %s", strerror(-r));
	loading->n_seen = 0;
	for (int i = 0; i < portals.count; i++) {
		r = visit_portal(loading, target, portals.entries[i]->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

int node_store_load(struct node_store *store, node_store_visit *visit, void *userdata,
		    struct error *error)
{
	struct loading loading = {.store = store, .visit = visit, .userdata = userdata};
	owned_memory char *path = layout_path(store, "nodes");
	owned_listing targets = {};
	int r;

	if (!path)
		return layout_no_memory(error);
	r = layout_list_folder(path, &targets);
	for (int i = 0; r == 0 && i < targets.count; i++)
		r = visit_target(&loading, targets.entries[i]->d_name);
	free(loading.seen);
	return r < 0 ? layout_disk_failed(error, "read", path, r) : 0;
}
