/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/node_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/atomic_file.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/log.h"
#include "util/settings.h"
#include "util/text.h"

#define RECORD_FILE_MAX (64u << 10) /* bytes; a full node record has 4 KiB */
#define ADDRESS_MAX	240	    /* leaves room for ",65535,65535" in a file name */

#define LOCK_TRIES    200
#define LOCK_PAUSE_NS 10000000L

struct node_store {
	char *folder; /* absolute, for the links */
};

/* What stands in a target's folder for one portal. */
struct portal_entry {
	char address[ADDRESS_MAX + 1];
	uint16_t port;
	int32_t tpgt;
	bool is_folder; /* false: the old plain file */
};

static void record_freep(struct record **record)
{
	record_free(*record);
}
#define owned_record __attribute__((cleanup(record_freep))) struct record *

/* --- small words --- */

static int no_memory(struct error *error)
{
	return error_set(error, ERROR_NO_MEMORY, "no memory for the record database");
}

static int disk_failed(struct error *error, const char *verb, const char *path, int r)
{
	if (r == -ENOMEM)
		return no_memory(error);
	return error_set(error, ERROR_DATABASE_FAILED, "could not %s %s: %s", verb, path,
			 strerror(-r));
}

/* Return: a path below the store's folder, malloc()ed; NULL without memory. */
__attribute__((format(printf, 2, 3))) static char *path_of(const struct node_store *store,
							   const char *format, ...)
{
	owned_memory char *below = NULL;
	char *path = NULL;
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(&below, format, arguments);
	va_end(arguments);
	if (r < 0) {
		below = NULL;
		return NULL;
	}
	return asprintf(&path, "%s/%s", store->folder, below) < 0 ? NULL : path;
}

/*
 * A name that becomes a file name: it must not lead anywhere else, be hidden, or come back from the
 * record as another one. Links are taken apart at commas (@comma: it may have some).
 */
static bool is_safe_name(const char *name, size_t max_bytes, bool comma)
{
	size_t length = strlen(name);

	return length > 0 && length <= max_bytes && name[0] != '.' && !strpbrk(name, "/ ") &&
	       (comma || !strchr(name, ',')) && text_is_printable(name);
}

static int check_name(const char *what, const char *name, size_t max_bytes, bool comma,
		      struct error *error)
{
	char shown[64];

	if (is_safe_name(name, max_bytes, comma))
		return 0;
	text_sanitise(shown, sizeof(shown), name, strlen(name));
	return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' cannot be used as %s", shown, what);
}

static int check_portal(const char *address, uint16_t port, struct error *error)
{
	if (check_name("an address", address, ADDRESS_MAX, false, error) < 0)
		return -1;
	if (port == 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "0 cannot be used as a port");
	return 0;
}

static int check_key(const struct node_key *key, struct error *error)
{
	if (check_name("a target name", key->target, ISCSI_NAME_MAX, false, error) < 0 ||
	    check_portal(key->address, key->port, error) < 0 ||
	    check_name("an interface name", key->iface, sizeof(key->iface) - 1, true, error) < 0)
		return -1;
	if (key->tpgt < -1 || key->tpgt > UINT16_MAX)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "%d cannot be used as a portal group tag", key->tpgt);
	return 0;
}

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

/*
 * Return: a descriptor whose close() ends the lock; -1 with @error set. A lock is held for single
 * calls only, so that a process that was forked by the daemon never keeps it.
 */
static int lock_store(const struct node_store *store, struct error *error)
{
	owned_fd int fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return disk_failed(error, "open", store->folder, -errno);
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return take_fd(fd);
		if (errno != EWOULDBLOCK && errno != EINTR)
			return disk_failed(error, "lock", store->folder, -errno);
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
	}
	return error_set(error, ERROR_DATABASE_FAILED, "%s is locked by another process",
			 store->folder);
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
		owned_memory char *path = path_of(store, "%s", places[i].folder);

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
		return no_memory(error);
	r = atomic_file_make_folder(conf_dir, 0755);
	store->folder = r == 0 ? realpath(conf_dir, NULL) : NULL;
	if (!store->folder) {
		free(store);
		return disk_failed(error, "open", conf_dir, r < 0 ? r : -errno);
	}
	/* Who cannot lock cannot write either, but may still read. */
	lock = lock_store(store, &lock_error);
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

/* --- one file --- */

/* Return: 0; -1 with @error set, ERROR_NO_OBJECTS_FOUND when there is no such file. */
static int load_record(const char *path, enum record_kind kind, struct record **ret,
		       struct error *error)
{
	owned_record record = NULL;
	char *text = NULL;
	size_t length;
	int r;

	r = settings_load_file(path, RECORD_FILE_MAX, &text, &length);
	if (r == -ENOENT || r == -ENOTDIR)
		return error_set(error, ERROR_NO_OBJECTS_FOUND, "there is no %s", path);
	if (r == -EINVAL)
		return error_set(error, ERROR_DATABASE_FAILED, "%s is no regular file", path);
	if (r < 0)
		return disk_failed(error, "read", path, r);

	r = record_new(kind, &record);
	if (r == 0)
		r = record_read(record, text, length, path, false, error);
	else
		no_memory(error);
	explicit_bzero(text, length);
	free(text);
	if (r == 0)
		*ret = take(record);
	return r;
}

static int fill_record(FILE *file, void *userdata)
{
	return record_write(userdata, file);
}

static int save_record(const char *path, struct record *record, struct error *error)
{
	int r = atomic_file_write(path, fill_record, record);

	return r < 0 ? disk_failed(error, "write", path, r) : 0;
}

/* Make every folder of @below, a path of folders in the store. */
static int make_folders(const struct node_store *store, const char *below, struct error *error)
{
	for (const char *end = below; *end;) {
		owned_memory char *path = NULL;
		int r;

		end += strcspn(end + 1, "/") + 1;
		path = path_of(store, "%.*s", (int)(end - below), below);
		if (!path)
			return no_memory(error);
		r = atomic_file_make_folder(path, 0700);
		if (r < 0)
			return disk_failed(error, "make", path, r);
	}
	return 0;
}

/* --- listing folders --- */

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The visible names in one folder, sorted by their bytes. */
struct listing {
	struct dirent **entries;
	int count;
};

static void listing_deinit(struct listing *listing)
{
	for (int i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
}
#define owned_listing __attribute__((cleanup(listing_deinit))) struct listing

/* A folder that is not there is empty. Return: 0 or -errno */
static int list_folder(const char *path, struct listing *listing)
{
	int count = scandir(path, &listing->entries, is_visible, by_bytes);

	if (count < 0) {
		listing->entries = NULL;
		return errno == ENOENT ? 0 : -errno;
	}
	listing->count = count;
	return 0;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool cut_number(char *text, int64_t min, int64_t max, int64_t *ret)
{
	char *comma = strrchr(text, ',');

	if (!comma || text_parse_i64(comma + 1, min, max, ret) < 0)
		return false;
	*comma = '\0';
	return true;
}

/* "<address>,<port>" for a file, "<address>,<port>,<tpgt>" for a folder. */
static bool parse_portal(const char *name, bool folder, struct portal_entry *portal)
{
	char text[NAME_MAX + 1];
	int64_t port, tpgt = -1;

	if (!text_copy(text, sizeof(text), name))
		return false;
	if (folder && !cut_number(text, -1, UINT16_MAX, &tpgt))
		return false;
	if (!cut_number(text, 1, UINT16_MAX, &port) || !is_safe_name(text, ADDRESS_MAX, false))
		return false;
	text_copy(portal->address, sizeof(portal->address), text);
	portal->port = (uint16_t)port;
	portal->tpgt = (int32_t)tpgt;
	portal->is_folder = folder;
	return true;
}

static void name_portal(const struct portal_entry *portal, char name[NAME_MAX + 1])
{
	int length = snprintf(name, NAME_MAX + 1, "%s,%u", portal->address, portal->port);

	if (portal->is_folder)
		snprintf(name + length, NAME_MAX + 1 - (size_t)length, ",%d", portal->tpgt);
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
		return no_memory(error);
	loading->seen = grown;
	loading->seen[loading->n_seen++] = *key;
	return 0;
}

static int load_node(struct loading *loading, const char *path, struct node_key *key,
		     bool old_layout, struct record **ret, struct error *error)
{
	owned_record record = NULL;
	char tpgt[16];

	if (load_record(path, RECORD_NODE, &record, error) < 0)
		return -1;
	if (old_layout) {
		key->tpgt = (int32_t)record_get_number(record, "node.tpgt");
		if (!text_copy(key->iface, sizeof(key->iface),
			       record_get(record, "iface.iscsi_ifacename")))
			*key->iface = '\0';
	}
	if (check_key(key, error) < 0 || check_identity(record, key, path, error) < 0 ||
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

static void visit_problem(struct loading *loading, const struct node_key *key, const char *path,
			  const char *text)
{
	owned_error struct error problem = ERROR_INIT;
	char shown[PATH_MAX];

	text_sanitise(shown, sizeof(shown), path, strlen(path));
	error_set(&problem, ERROR_DATABASE_FAILED, "%s %s", shown, text);
	loading->visit(key, NULL, &problem, loading->userdata);
}

static int visit_portal(struct loading *loading, const char *target, const char *name)
{
	owned_memory char *path = path_of(loading->store, "nodes/%s/%s", target, name);
	owned_listing ifaces = {};
	struct node_key key = {.tpgt = -1};
	struct portal_entry portal;
	int r;

	if (!path)
		return -ENOMEM;
	text_copy(key.target, sizeof(key.target), target);
	if (!parse_portal(name, is_folder(path), &portal)) {
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

	r = list_folder(path, &ifaces);
	if (r < 0)
		visit_problem(loading, &key, path, strerror(-r));
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
	owned_memory char *path = path_of(loading->store, "nodes/%s", target);
	owned_listing portals = {};
	struct node_key key = {.tpgt = -1};
	int r;

	if (!path)
		return -ENOMEM;
	if (!is_safe_name(target, ISCSI_NAME_MAX, false)) {
		visit_problem(loading, &key, path, "is no target name");
		return 0;
	}
	text_copy(key.target, sizeof(key.target), target);
	r = list_folder(path, &portals);
	if (r < 0)
		visit_problem(loading, &key, path, strerror(-r));
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
	owned_memory char *path = path_of(store, "nodes");
	owned_listing targets = {};
	int r;

	if (!path)
		return no_memory(error);
	r = list_folder(path, &targets);
	for (int i = 0; r == 0 && i < targets.count; i++)
		r = visit_target(&loading, targets.entries[i]->d_name);
	free(loading.seen);
	return r < 0 ? disk_failed(error, "read", path, r) : 0;
}

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
	return path_of(store, "%s/%s,%s,%u,%d,%s", folder, key->target, key->address, key->port,
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
		if (!is_safe_name(address, ADDRESS_MAX, false) ||
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
		owned_memory char *path = path_of(store, "%s", by_address[i]);
		owned_listing discoveries = {};

		if (!path || list_folder(path, &discoveries) < 0)
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
	if (make_folders(store, folder, &error) < 0) {
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
	owned_memory char *path = path_of(store, "nodes/%s", key->target);
	owned_listing names = {};
	int r;

	if (!path)
		return no_memory(error);
	r = list_folder(path, &names);
	if (r < 0)
		return disk_failed(error, "read", path, r);
	found->entries = calloc((size_t)names.count + 1, sizeof(*found->entries));
	if (!found->entries)
		return no_memory(error);
	for (int i = 0; i < names.count; i++) {
		struct portal_entry *entry = &found->entries[found->count];
		owned_memory char *name = NULL;

		if (asprintf(&name, "%s/%s", path, names.entries[i]->d_name) < 0)
			return no_memory(error);
		if (parse_portal(names.entries[i]->d_name, is_folder(name), entry) &&
		    entry->port == key->port && strcmp(entry->address, key->address) == 0)
			found->count++;
	}
	return 0;
}

static char *portal_path(const struct node_store *store, const struct node_key *key,
			 const struct portal_entry *portal)
{
	char name[NAME_MAX + 1];

	name_portal(portal, name);
	return path_of(store, "nodes/%s/%s", key->target, name);
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

	if (!path || load_record(path, RECORD_NODE, &record, &error) < 0 ||
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
	name_portal(portal, name);
	path = node_path(store, key, portal);
	destination = portal_path(store, key, portal);
	r = asprintf(&folders, "nodes/%s%s%s", key->target, portal->is_folder ? "/" : "",
		     portal->is_folder ? name : "");
	if (r < 0 || !path || !destination || record_copy(record, &copy) < 0)
		return no_memory(error);
	if (set_identity(copy, &placed, error) < 0 || make_folders(store, folders, error) < 0 ||
	    save_record(path, copy, error) < 0)
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
		name_portal(portal, name);
	path = path_of(store, "nodes/%s%s%s", target, portal ? "/" : "", name);
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
		return no_memory(error);
	placed.tpgt = portal->tpgt;
	r = atomic_file_remove(path);
	if (r < 0 && r != -ENOENT)
		return disk_failed(error, "remove", path, r);
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
		    check_key(&other_key, NULL) == 0 &&
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

	if (check_key(key, error) < 0)
		return -1;
	lock = lock_store(store, error);
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

	if (check_key(key, error) < 0)
		return -1;
	lock = lock_store(store, error);
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

/* --- discovery records --- */

int node_store_save_discovery(struct node_store *store, const char *address, uint16_t port,
			      const struct record *record, struct error *error)
{
	owned_memory char *folder = NULL, *path = NULL;
	owned_record copy = NULL;
	owned_fd int lock = -1;
	char port_text[16];

	if (check_portal(address, port, error) < 0)
		return -1;
	snprintf(port_text, sizeof(port_text), "%u", port);
	if (asprintf(&folder, "send_targets/%s,%s", address, port_text) < 0)
		return no_memory(error);
	path = path_of(store, "%s/st_config", folder);
	if (!path || record_copy(record, &copy) < 0)
		return no_memory(error);
	if (record_set(copy, "discovery.sendtargets.address", address, RECORD_INTERNAL, error) <
		    0 ||
	    record_set(copy, "discovery.sendtargets.port", port_text, RECORD_INTERNAL, error) < 0)
		return -1;
	lock = lock_store(store, error);
	if (lock < 0 || make_folders(store, folder, error) < 0)
		return -1;
	return save_record(path, copy, error);
}

int node_store_load_discovery(struct node_store *store, const char *address, uint16_t port,
			      struct record **ret, struct error *error)
{
	owned_memory char *path = NULL;

	if (check_portal(address, port, error) < 0)
		return -1;
	path = path_of(store, "send_targets/%s,%u/st_config", address, port);
	if (!path)
		return no_memory(error);
	return load_record(path, RECORD_SENDTARGETS, ret, error);
}

int node_store_delete_discovery(struct node_store *store, const char *address, uint16_t port,
				struct error *error)
{
	owned_memory char *folder = NULL, *path = NULL;
	owned_listing links = {};
	owned_fd int lock = -1;
	int r;

	if (check_portal(address, port, error) < 0)
		return -1;
	folder = path_of(store, "send_targets/%s,%u", address, port);
	if (!folder || asprintf(&path, "%s/st_config", folder) < 0)
		return no_memory(error);
	lock = lock_store(store, error);
	if (lock < 0)
		return -1;
	r = atomic_file_remove(path);
	if (r == -ENOENT || r == -ENOTDIR)
		return error_set(error, ERROR_NO_OBJECTS_FOUND, "there is no %s", path);
	if (r < 0)
		return disk_failed(error, "remove", path, r);

	/* What is left are links to nodes, which stay. */
	if (list_folder(folder, &links) == 0) {
		for (int i = 0; i < links.count; i++) {
			owned_memory char *link = NULL;
			struct stat st;

			if (asprintf(&link, "%s/%s", folder, links.entries[i]->d_name) >= 0 &&
			    lstat(link, &st) == 0 && S_ISLNK(st.st_mode))
				(void)atomic_file_remove(link);
		}
	}
	(void)atomic_file_remove_folder(folder);
	return 0;
}

/* --- interfaces --- */

static int make_builtin_iface(const char *name, const char *transport, struct record **ret,
			      struct error *error)
{
	owned_record record = NULL;

	if (record_new(RECORD_IFACE, &record) < 0)
		return no_memory(error);
	if (record_set(record, "iface.iscsi_ifacename", name, RECORD_INTERNAL, error) < 0 ||
	    record_set(record, "iface.transport_name", transport, RECORD_INTERNAL, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

int node_store_load_iface(struct node_store *store, const char *name, struct record **ret,
			  struct error *error)
{
	static const struct {
		const char *name, *transport;
	} builtin[] = {{"default", "tcp"}, {"iser", "iser"}};
	owned_memory char *path = NULL;
	owned_error struct error reason = ERROR_INIT;
	owned_record record = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		if (strcmp(builtin[i].name, name) == 0)
			return make_builtin_iface(name, builtin[i].transport, ret, error);
	if (check_name("an interface name", name, sizeof(((struct node_key *)0)->iface) - 1, true,
		       error) < 0)
		return -1;
	path = path_of(store, "ifaces/%s", name);
	if (!path)
		return no_memory(error);
	if (load_record(path, RECORD_IFACE, &record, &reason) < 0) {
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
	owned_memory char *path = path_of(store, "ifaces");
	owned_listing listing = {};
	char **list;
	unsigned n = 0;
	int r;

	if (!path)
		return no_memory(error);
	r = list_folder(path, &listing);
	if (r < 0)
		return disk_failed(error, "read", path, r);
	list = calloc((size_t)listing.count + 1, sizeof(*list));
	if (!list)
		return no_memory(error);
	for (int i = 0; i < listing.count; i++) {
		const char *name = listing.entries[i]->d_name;

		/* an example that packages install */
		if (strcmp(name, "iface.example") == 0 ||
		    !is_safe_name(name, sizeof(((struct node_key *)0)->iface) - 1, true))
			continue;
		list[n] = strdup(name);
		if (!list[n]) {
			while (n > 0)
				free(list[--n]);
			free(list);
			return no_memory(error);
		}
		n++;
	}
	*names = list;
	*count = n;
	return 0;
}
