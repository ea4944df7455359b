/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/device_node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/text.h"

#define SYS_BLOCK     "/sys/block"
#define LOCK_STEP_MS  10
#define LOCK_LIMIT_MS 10000

/* "7:3" of a disk or partition, by its folder in sysfs */
static int read_number(const char *folder, dev_t *number)
{
	char path[160];
	unsigned major_number, minor_number;
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "%s/dev", folder);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	n = fscanf(file, "%u:%u", &major_number, &minor_number);
	fclose(file);
	if (n != 2)
		return -EIO;
	*number = makedev(major_number, minor_number);
	return 0;
}

/* devtmpfs makes nodes by itself; where /dev is something else nobody does. */
static int make_node(const char *path, dev_t number, bool *made)
{
	struct stat status;

	if (stat(path, &status) == 0)
		return S_ISBLK(status.st_mode) && status.st_rdev == number ? 0 : -EEXIST;
	if (errno != ENOENT)
		return -errno;
	if (mknod(path, S_IFBLK | 0660, number) < 0)
		return -errno;
	*made = true;
	return 0;
}

static bool is_partition(const struct device_node *node, const char *name)
{
	size_t length = strlen(node->name);

	return strncmp(name, node->name, length) == 0 && name[length] == 'p';
}

/* For every partition: make its node, or remove it. */
static void for_partition_nodes(struct device_node *node, bool make)
{
	char folder[64], path[560];
	struct dirent *entry;
	DIR *directory;

	snprintf(folder, sizeof(folder), SYS_BLOCK "/%s", node->name);
	directory = opendir(folder);
	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		dev_t number;

		if (!is_partition(node, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%.32s", folder, entry->d_name);
		if (make && read_number(path, &number) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%.32s", node->dev_dir, entry->d_name);
		if (make)
			make_node(path, number, &node->made_partitions);
		else
			unlink(path);
	}
	closedir(directory);
}

int device_node_find(struct device_node *node, const char *dev_dir, const char *name)
{
	struct device_node found = {};
	char folder[64];
	dev_t device;
	int r;

	if (!text_copy(found.name, sizeof(found.name), name) ||
	    !text_copy(found.dev_dir, sizeof(found.dev_dir), dev_dir))
		return -ENAMETOOLONG;
	snprintf(found.path, sizeof(found.path), "%s/%.30s", found.dev_dir, found.name);
	snprintf(folder, sizeof(folder), SYS_BLOCK "/%s", found.name);
	r = read_number(folder, &device);
	if (r < 0)
		return r;
	found.major = major(device);
	found.minor = minor(device);
	r = make_node(found.path, device, &found.made);
	if (r == 0)
		*node = found;
	return r;
}

int device_node_by_number(uint32_t major, uint32_t minor, char *name, size_t size_bytes)
{
	char path[64], target[256];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
	length = readlink(path, target, sizeof(target) - 1);
	if (length <= 0)
		return -ENODEV;
	target[length] = '\0';
	return text_copy(name, size_bytes, basename(target)) ? 0 : -ENODEV;
}

void device_node_add_partitions(struct device_node *node)
{
	for_partition_nodes(node, true);
}

int device_node_claim(const char *path)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
	owned_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_EXCL);

	if (fd < 0)
		return -errno;
	for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited_ms >= LOCK_LIMIT_MS)
			return -EBUSY;
		nanosleep(&step, NULL);
	}
	return take_fd(fd);
}

void device_node_forget(struct device_node *node)
{
	if (node->made_partitions)
		for_partition_nodes(node, false);
	if (node->made)
		unlink(node->path);
	*node = (struct device_node){};
}

void device_node_set(const struct device_node *node, const char *attribute, const char *value)
{
	char path[128];
	owned_fd int fd = -1;

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/%s", node->name, attribute);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		return;
}

int device_node_get(const char *name, const char *attribute, char *value, size_t size_bytes)
{
	char path[128];
	FILE *file;
	int r = 0;

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/%s", name, attribute);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fgets(value, (int)size_bytes, file))
		value[strcspn(value, "\n")] = '\0';
	else
		r = -EIO;
	fclose(file);
	return r;
}
