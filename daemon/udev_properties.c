/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/udev_properties.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

/* One property for each path: udev makes no two links of one value with a space in it. */
static void put_paths(FILE *file, const struct map_view *map)
{
	const struct path_view *path;
	unsigned number = 0;
	char key[32], name[512];

	list_for_each (path, &map->paths, link) {
		links_by_path(path->session->persistent_address, path->session->persistent_port,
			      path->session->target, path->lun_number, name, sizeof(name));
		if (number == 0)
			put(file, "ID_PATH", name + strlen(BY_PATH));
		snprintf(key, sizeof(key), "HAWSER_PATH_%u", number++);
		put(file, key, name);
	}
}

static int write_file(const char *path, const struct map_view *map)
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
	put_paths(file, map);
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

int udev_properties_set(const char *run_dir, const struct map_view *map)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	bool first;
	int r;

	snprintf(path, sizeof(path), "%s/dev", run_dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (snprintf(path, sizeof(path), "%s/dev/%u:%u", run_dir, map->major, map->minor) >=
		    (int)sizeof(path) ||
	    snprintf(temporary, sizeof(temporary), "%s/dev/.new", run_dir) >=
		    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	first = access(path, F_OK) < 0;
	r = write_file(temporary, map);
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
