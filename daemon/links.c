/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/links.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void links_by_path(const char *address, uint16_t port, const char *target, uint64_t lun_number,
		   char *text, size_t size_bytes)
{
	char lun[32];

	if (lun_number < 256)
		snprintf(lun, sizeof(lun), "%u", (unsigned)lun_number);
	else
		snprintf(lun, sizeof(lun), "0x%04x%04x00000000", (unsigned)(lun_number & 0xffff),
			 (unsigned)(lun_number >> 16 & 0xffff));
	snprintf(text, size_bytes, "disk/by-path/ip-%s:%u-iscsi-%s-lun-%s", address, port, target,
		 lun);
}

/* Make every folder that @path lies in. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r = 0;

		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

int links_set(const char *dev_dir, const char *name, const char *device)
{
	char path[PATH_MAX], temporary[PATH_MAX + 16], now[PATH_MAX];
	ssize_t length;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dev_dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	length = readlink(path, now, sizeof(now) - 1);
	if (length > 0) {
		now[length] = '\0';
		if (strcmp(now, device) == 0)
			return 0;
	}
	r = make_folders(path);
	if (r < 0)
		return r;
	snprintf(temporary, sizeof(temporary), "%s.hawser-new", path);
	unlink(temporary);
	if (symlink(device, temporary) < 0)
		return -errno;
	if (rename(temporary, path) < 0) {
		r = -errno;
		unlink(temporary);
		return r;
	}
	return 0;
}

void links_unset(const char *dev_dir, const char *name, const char *device)
{
	char path[PATH_MAX], now[PATH_MAX];
	ssize_t length;
	char *slash;

	if (snprintf(path, sizeof(path), "%s/%s", dev_dir, name) >= (int)sizeof(path))
		return;
	length = readlink(path, now, sizeof(now) - 1);
	if (length <= 0)
		return;
	now[length] = '\0';
	if (strcmp(now, device) != 0 || unlink(path) < 0)
		return;
	/* Never the device folder itself; rmdir() refuses what others use. */
	while ((slash = strrchr(path, '/')) && slash > path + strlen(dev_dir)) {
		*slash = '\0';
		if (rmdir(path) < 0)
			break;
	}
}

void links_unset_all(const char *dev_dir, const char *folder, const char *device)
{
	char path[PATH_MAX], name[PATH_MAX];
	struct dirent *entry;
	DIR *directory;

	if (snprintf(path, sizeof(path), "%s/%s", dev_dir, folder) >= (int)sizeof(path))
		return;
	directory = opendir(path);
	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && snprintf(name, sizeof(name), "%s/%s", folder,
							entry->d_name) < (int)sizeof(name))
			links_unset(dev_dir, name, device);
	closedir(directory);
}
