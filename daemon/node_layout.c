/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/node_layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/atomic_file.h"
#include "util/error.h"
#include "util/settings.h"
#include "util/text.h"

#define RECORD_FILE_MAX (64u << 10) /* bytes; a full node record has 4 KiB */

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000L

/* --- small words --- */

int layout_no_memory(struct error *error)
{
	return error_set(error, ERROR_NO_MEMORY, "no memory for the record database");
}

int layout_disk_failed(struct error *error, const char *verb, const char *path, int r)
{
	if (r == -ENOMEM)
		return layout_no_memory(error);
	return error_set(error, ERROR_DATABASE_FAILED, "could not %s %s: %s", verb, path,
			 strerror(-r));
}

char *layout_path(const struct node_store *store, const char *format, ...)
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

bool layout_name_is_safe(const char *name, size_t max_bytes, bool comma)
{
	size_t length = strlen(name);

	return length > 0 && length <= max_bytes && name[0] != '.' && !strpbrk(name, "/ ") &&
	       (comma || !strchr(name, ',')) && text_is_printable(name);
}

int layout_check_name(const char *what, const char *name, size_t max_bytes, bool comma,
		      struct error *error)
{
	char shown[64];

	if (layout_name_is_safe(name, max_bytes, comma))
		return 0;
	text_sanitise(shown, sizeof(shown), name, strlen(name));
	return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' cannot be used as %s", shown, what);
}

int layout_check_portal(const char *address, uint16_t port, struct error *error)
{
	if (layout_check_name("an address", address, LAYOUT_ADDRESS_MAX, false, error) < 0)
		return -1;
	if (port == 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "0 cannot be used as a port");
	return 0;
}

int layout_check_key(const struct node_key *key, struct error *error)
{
	if (layout_check_name("a target name", key->target, ISCSI_NAME_MAX, false, error) < 0 ||
	    layout_check_portal(key->address, key->port, error) < 0 ||
	    layout_check_name("an interface name", key->iface, sizeof(key->iface) - 1, true,
			      error) < 0)
		return -1;
	if (key->tpgt < -1 || key->tpgt > UINT16_MAX)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "%d cannot be used as a portal group tag", key->tpgt);
	return 0;
}

int layout_lock(const struct node_store *store, struct error *error)
{
	owned_fd int fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return layout_disk_failed(error, "open", store->folder, -errno);
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return take_fd(fd);
		if (errno != EWOULDBLOCK && errno != EINTR)
			return layout_disk_failed(error, "lock", store->folder, -errno);
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
	}
	return error_set(error, ERROR_DATABASE_FAILED, "%s is locked by another process",
			 store->folder);
}

/* --- one file --- */

int layout_load_record(const char *path, enum record_kind kind, struct record **ret,
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
		return layout_disk_failed(error, "read", path, r);

	r = record_new(kind, &record);
	if (r == 0)
		r = record_read(record, text, length, path, false, error);
	else
		layout_no_memory(error);
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

int layout_save_record(const char *path, struct record *record, struct error *error)
{
	int r = atomic_file_write(path, fill_record, record);

	return r < 0 ? layout_disk_failed(error, "write", path, r) : 0;
}

int layout_make_folders(const struct node_store *store, const char *below, struct error *error)
{
	for (const char *end = below; *end;) {
		owned_memory char *path = NULL;
		int r;

		end += strcspn(end + 1, "/") + 1;
		path = layout_path(store, "%.*s", (int)(end - below), below);
		if (!path)
			return layout_no_memory(error);
		r = atomic_file_make_folder(path, 0700);
		if (r < 0)
			return layout_disk_failed(error, "make", path, r);
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

void layout_listing_deinit(struct layout_listing *listing)
{
	for (int i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
}

int layout_list_folder(const char *path, struct layout_listing *listing)
{
	int count = scandir(path, &listing->entries, is_visible, by_bytes);

	if (count < 0) {
		listing->entries = NULL;
		return errno == ENOENT ? 0 : -errno;
	}
	listing->count = count;
	return 0;
}

bool layout_is_folder(const char *path)
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

bool layout_parse_portal(const char *name, bool folder, struct portal_entry *portal)
{
	char text[NAME_MAX + 1];
	int64_t port, tpgt = -1;

	if (!text_copy(text, sizeof(text), name))
		return false;
	if (folder && !cut_number(text, -1, UINT16_MAX, &tpgt))
		return false;
	if (!cut_number(text, 1, UINT16_MAX, &port) ||
	    !layout_name_is_safe(text, LAYOUT_ADDRESS_MAX, false))
		return false;
	text_copy(portal->address, sizeof(portal->address), text);
	portal->port = (uint16_t)port;
	portal->tpgt = (int32_t)tpgt;
	portal->is_folder = folder;
	return true;
}

void layout_name_portal(const struct portal_entry *portal, char name[NAME_MAX + 1])
{
	int length = snprintf(name, NAME_MAX + 1, "%s,%u", portal->address, portal->port);

	if (portal->is_folder)
		snprintf(name + length, NAME_MAX + 1 - (size_t)length, ",%d", portal->tpgt);
}
