/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/udev_properties.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/links.h"
#include "scsi/inquiry.h"
#include "util/cleanup.h"
#include "util/text.h"

#define BY_PATH "disk/by-path/"

/* One property. What a target says of itself is trimmed and printable, but may hold quotes. */
static void put(FILE *file, const char *key, const char *value)
{
	fprintf(file, "%s=\"", key);
	for (; *value; value++)
		fputc(*value == '"' || *value == '\\' || *value == '$' || *value == '`' ? '_'
											: *value,
		      file);
	fputs("\"\n", file);
}

#define PATH_KEY      "HAWSER_PATH_"
#define NAME_BYTES    512
#define OLD_NAMES_MAX 64

/* Names that the file had before. */
struct old_names {
	char names[OLD_NAMES_MAX][NAME_BYTES];
	unsigned count;
};

static void read_old(const char *path, struct old_names *old)
{
	FILE *file = fopen(path, "re");
	char line[NAME_BYTES + 32];
	unsigned number;

	old->count = 0;
	if (!file)
		return;
	while (old->count < OLD_NAMES_MAX && fgets(line, sizeof(line), file))
		if (sscanf(line, PATH_KEY "%u=\"%511[^\"\n]", &number, old->names[old->count]) == 2)
			old->count++;
	fclose(file);
}

static void name_of(const struct path_view *path, char name[NAME_BYTES])
{
	links_by_path(path->session->persistent_address, path->session->persistent_port,
		      path->session->target, path->lun_number, name, NAME_BYTES);
}

static bool has_path(const struct map_view *map, const char *wanted)
{
	const struct path_view *path;
	char name[NAME_BYTES];

	list_for_each (path, &map->paths, link) {
		name_of(path, name);
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* One property for each path: udev makes no two links of one value with a space in it. */
static void put_path(FILE *file, unsigned number, const char *name)
{
	char key[32];

	if (number == 0)
		put(file, "ID_PATH", name + strlen(BY_PATH));
	snprintf(key, sizeof(key), PATH_KEY "%u", number);
	put(file, key, name);
}

static void put_paths(FILE *file, const struct map_view *map, const struct old_names *kept)
{
	const struct path_view *path;
	unsigned number = 0;
	char name[NAME_BYTES];

	list_for_each (path, &map->paths, link) {
		name_of(path, name);
		put_path(file, number++, name);
	}
	for (unsigned i = 0; i < kept->count; i++)
		put_path(file, number++, kept->names[i]);
}

static int write_file(const char *path, const struct map_view *map, const struct old_names *kept)
{
	const struct unit_identity *identity = &map->unit.identity;
	struct unit_wwn wwn;
	FILE *file = fopen(path, "we");
	int r;

	if (!file)
		return -errno;
	put(file, "ID_BUS", "scsi");
	put(file, "ID_SERIAL", identity->wwid);
	put(file, "ID_SERIAL_SHORT", identity->wwid + 1);
	if (identity->serial[0])
		put(file, "ID_SCSI_SERIAL", identity->serial);
	if (unit_wwn_of(identity->wwid, &wwn)) {
		put(file, "ID_WWN", wwn.wwn);
		put(file, "ID_WWN_WITH_EXTENSION", wwn.wwn_with_extension);
	}
	put(file, "ID_VENDOR", identity->vendor);
	put(file, "ID_MODEL", identity->product);
	put(file, "ID_REVISION", identity->revision);
	put(file, "HAWSER_NAME", map->name);
	put(file, "HAWSER_DEVICE", map->device);
	fprintf(file, "HAWSER_BACKING=\"%llu\"\n", (unsigned long long)map->backing);
	put_paths(file, map, kept);
	r = ferror(file) ? -EIO : 0;
	return fclose(file) < 0 && r == 0 ? -errno : r;
}

static void send_event(const char *folder, const char *action)
{
	char path[NAME_MAX + 128];
	int fd;

	snprintf(path, sizeof(path), "%s/uevent", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, action, strlen(action)) < 0)
		errno = 0; /* read-only sysfs in a container: then there is no udev to tell either
			    */
	close(fd);
}

/*
 * Harmless where no udev runs: the kernel then sends the event to nobody. Partitions take what they
 * are called from the disk, and the kernel may have found them before.
 */
static void look_again(uint32_t major, uint32_t minor, const char *action)
{
	char folder[64], path[NAME_MAX + 96];
	struct dirent *entry;
	DIR *directory;

	snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u", major, minor);
	send_event(folder, action);
	directory = opendir(folder);
	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%s/partition", folder, entry->d_name);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		send_event(path, action);
	}
	closedir(directory);
}

/*
 * What was not known of the device when the kernel added it is known now, and some only look at
 * what is added: LVM, for its volumes. With loop devices it is the other way round.
 */
static const char *first_action(const struct map_view *map)
{
	return text_starts_with(map->device, "/dev/loop") ? "change" : "add";
}

/* Of the names that @path has, those that @map has not and that are expected. */
static void keep_expected(const char *path, const struct map_view *map,
			  bool (*expected)(const char *by_path, void *userdata), void *userdata,
			  struct old_names *kept)
{
	unsigned count;

	read_old(path, kept);
	count = kept->count;
	kept->count = 0;
	for (unsigned i = 0; i < count; i++)
		if (text_starts_with(kept->names[i], BY_PATH) && !has_path(map, kept->names[i]) &&
		    expected(kept->names[i], userdata))
			memmove(kept->names[kept->count++], kept->names[i], NAME_BYTES);
}

int udev_properties_set(const char *run_dir, const struct map_view *map,
			bool (*expected)(const char *by_path, void *userdata), void *userdata)
{
	owned_memory struct old_names *kept = malloc(sizeof(*kept));
	char path[PATH_MAX], temporary[PATH_MAX];
	bool first;
	int r;

	if (!kept)
		return -ENOMEM;

	snprintf(path, sizeof(path), "%s/dev", run_dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (snprintf(path, sizeof(path), "%s/dev/%u:%u", run_dir, map->major, map->minor) >=
		    (int)sizeof(path) ||
	    snprintf(temporary, sizeof(temporary), "%s/dev/.new", run_dir) >=
		    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	first = access(path, F_OK) < 0;
	keep_expected(path, map, expected, userdata, kept);
	r = write_file(temporary, map, kept);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r == 0)
		look_again(map->major, map->minor, first ? first_action(map) : "change");
	return r;
}

void udev_properties_unset(const char *run_dir, uint32_t major, uint32_t minor)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dev/%u:%u", run_dir, major, minor);
	unlink(path);
	look_again(major, minor, "change");
}
