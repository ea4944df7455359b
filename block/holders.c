/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"

#define DEVICES_MAX    130 /* the disk and 128 partitions, as many as GPT usually has */
#define NAMESPACES_MAX 64
#define PATH_BYTES     512

struct device {
	char name[32];
	dev_t number;
};

struct search {
	const char *proc_dir, *sys_dir, *disk;
	struct device devices[DEVICES_MAX];
	unsigned device_count;
	unsigned found; /* enum holders */
	char *text;
	size_t size_bytes;
};

/* --- the list of words --- */

static bool already_told(const struct search *search, const char *phrase)
{
	size_t length = strlen(phrase);
	const char *at = search->text;

	while ((at = strstr(at, phrase))) {
		if (at[length] == '\0' || at[length] == ',')
			return true;
		at++;
	}
	return false;
}

static void tell(struct search *search, enum holders kind, const char *format, const char *who)
{
	char phrase[PATH_BYTES];
	size_t used = strlen(search->text), length;

	search->found |= kind;
	snprintf(phrase, sizeof(phrase), format, who);
	length = strlen(phrase);
	if (already_told(search, phrase) || used + length + 3 > search->size_bytes)
		return;
	if (used > 0) {
		memcpy(search->text + used, ", ", 2);
		used += 2;
	}
	memcpy(search->text + used, phrase, length + 1);
}

/* --- the devices --- */

static void add_device(struct search *search, const char *folder, const char *name)
{
	char path[PATH_BYTES];
	unsigned major_number, minor_number;
	struct device *device = &search->devices[search->device_count];
	FILE *file;

	if (search->device_count == DEVICES_MAX || strlen(name) >= sizeof(device->name))
		return;
	snprintf(path, sizeof(path), "%s/dev", folder);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%u:%u", &major_number, &minor_number) == 2) {
		strcpy(device->name, name);
		device->number = makedev(major_number, minor_number);
		search->device_count++;
	}
	fclose(file);
}

static void tell_stacked(struct search *search, const char *folder)
{
	char path[PATH_BYTES];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/holders", folder);
	directory = opendir(path);
	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			tell(search, HOLDERS_LASTING, "used by %s", entry->d_name);
	closedir(directory);
}

/* The disk and its partitions, and what is stacked on them. */
static void find_devices(struct search *search)
{
	char folder[PATH_BYTES / 2], path[PATH_BYTES];
	size_t length = strlen(search->disk);
	struct dirent *entry;
	DIR *directory;

	snprintf(folder, sizeof(folder), "%s/block/%s", search->sys_dir, search->disk);
	add_device(search, folder, search->disk);
	tell_stacked(search, folder);
	directory = opendir(folder);
	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, search->disk, length) != 0 || !entry->d_name[length])
			continue;
		snprintf(path, sizeof(path), "%s/%.200s", folder, entry->d_name);
		add_device(search, path, entry->d_name);
		tell_stacked(search, path);
	}
	closedir(directory);
}

static bool is_device_number(const struct search *search, dev_t number)
{
	for (unsigned i = 0; i < search->device_count; i++)
		if (search->devices[i].number == number)
			return true;
	return false;
}

/* Is @path, which may not exist here, one of the devices? */
static bool is_device_path(const struct search *search, const char *path)
{
	const char *base = strrchr(path, '/');
	struct stat status;

	/* Only below /dev: asking a file of a dead network file system would hang. */
	if (strncmp(path, "/dev/", 5) != 0)
		return false;
	if (stat(path, &status) == 0)
		return S_ISBLK(status.st_mode) && is_device_number(search, status.st_rdev);
	for (unsigned i = 0; i < search->device_count; i++)
		if (strcmp(search->devices[i].name, base + 1) == 0)
			return true;
	return false;
}

/* --- mounts and swap --- */

/* /proc writes blank, tab, line end and backslash as \ooo (proc(5)). */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "36 35 7:3 / /srv rw,noatime master:1 - ext4 /dev/loop3 rw" */
static void read_mount(struct search *search, char *line)
{
	unsigned major_number, minor_number;
	char mount_point[PATH_BYTES / 2], source[PATH_BYTES / 2] = "";
	const char *rest = strstr(line, " - ");

	if (sscanf(line, "%*u %*u %u:%u %*s %255s", &major_number, &minor_number, mount_point) != 3)
		return;
	if (rest)
		sscanf(rest, " - %*s %255s", source);
	unescape(mount_point);
	unescape(source);
	/* Some file systems (btrfs) have a number of their own; then the source tells. */
	if (is_device_number(search, makedev(major_number, minor_number)) ||
	    is_device_path(search, source))
		tell(search, HOLDERS_LASTING, "mounted on %s", mount_point);
}

static void read_swap(struct search *search, char *line)
{
	char path[PATH_BYTES / 2];

	if (sscanf(line, "%255s", path) != 1)
		return;
	unescape(path);
	if (is_device_path(search, path))
		tell(search, HOLDERS_LASTING, "used as swap%s", "");
}

static void read_lines(struct search *search, const char *path,
		       void (*read_line)(struct search *search, char *line))
{
	owned_memory char *line = NULL;
	size_t capacity = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return;
	while (getline(&line, &capacity, file) > 0)
		read_line(search, line);
	fclose(file);
}

/* --- processes --- */

/* What a worker of udev calls itself, by age of systemd. */
static const char *const udev_names[] = {"(udev-worker)", "systemd-udevd", "udevd"};

static bool is_udev(const char *comm)
{
	for (size_t i = 0; i < ARRAY_SIZE(udev_names); i++)
		if (strcmp(comm, udev_names[i]) == 0)
			return true;
	return false;
}

static void tell_process(struct search *search, const char *folder, const char *pid)
{
	char path[PATH_BYTES], comm[32] = "a process", who[80];
	FILE *file;

	snprintf(path, sizeof(path), "%s/comm", folder);
	file = fopen(path, "re");
	if (file) {
		if (fgets(comm, sizeof(comm), file))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
	}
	if (is_udev(comm)) {
		search->found |= HOLDERS_UDEV;
		return;
	}
	/* A process may call itself anything, a comma included. */
	for (char *c = comm; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == ',')
			*c = '?';
	snprintf(who, sizeof(who), "%s (pid %.16s)", comm, pid);
	tell(search, HOLDERS_OPEN, "open by %s", who);
}

static void find_open_files(struct search *search, const char *folder, const char *pid)
{
	char path[PATH_BYTES], target[PATH_BYTES];
	struct dirent *entry;
	DIR *directory;
	bool found = false;

	snprintf(path, sizeof(path), "%s/fd", folder);
	directory = opendir(path);
	if (!directory)
		return;
	while (!found && (entry = readdir(directory))) {
		ssize_t length;

		length = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		found = is_device_path(search, target);
	}
	closedir(directory);
	if (found)
		tell_process(search, folder, pid);
}

/* Mounts of other mount namespaces, each namespace read once. */
struct namespaces {
	char seen[NAMESPACES_MAX][40];
	unsigned count;
};

static bool is_new_namespace(struct namespaces *namespaces, const char *folder)
{
	char path[PATH_BYTES], name[40] = "";
	ssize_t length;

	snprintf(path, sizeof(path), "%s/ns/mnt", folder);
	length = readlink(path, name, sizeof(name) - 1);
	if (length <= 0 || namespaces->count == NAMESPACES_MAX)
		return false;
	name[length] = '\0';
	for (unsigned i = 0; i < namespaces->count; i++)
		if (strcmp(namespaces->seen[i], name) == 0)
			return false;
	strcpy(namespaces->seen[namespaces->count++], name);
	return true;
}

static void find_processes(struct search *search)
{
	char folder[PATH_BYTES / 2], path[PATH_BYTES];
	struct namespaces namespaces = {};
	struct dirent *entry;
	DIR *directory = opendir(search->proc_dir);

	if (!directory)
		return;
	snprintf(folder, sizeof(folder), "%s/self", search->proc_dir);
	is_new_namespace(&namespaces, folder);
	while ((entry = readdir(directory))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    atol(entry->d_name) == (long)getpid())
			continue;
		snprintf(folder, sizeof(folder), "%s/%.32s", search->proc_dir, entry->d_name);
		if (is_new_namespace(&namespaces, folder)) {
			snprintf(path, sizeof(path), "%s/mountinfo", folder);
			read_lines(search, path, read_mount);
		}
		find_open_files(search, folder, entry->d_name);
	}
	closedir(directory);
}

unsigned holders_describe(const char *proc_dir, const char *sys_dir, const char *disk, char *text,
			  size_t size_bytes)
{
	struct search search = {
		.proc_dir = proc_dir,
		.sys_dir = sys_dir,
		.disk = disk,
		.text = text,
		.size_bytes = size_bytes,
	};
	char path[PATH_BYTES];

	text[0] = '\0';
	find_devices(&search);
	snprintf(path, sizeof(path), "%s/self/mountinfo", proc_dir);
	read_lines(&search, path, read_mount);
	snprintf(path, sizeof(path), "%s/swaps", proc_dir);
	read_lines(&search, path, read_swap);
	find_processes(&search);
	return search.found;
}
