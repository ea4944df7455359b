/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/leftovers.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "block/disk.h"
#include "daemon/links.h"
#include "daemon/udev_properties.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define FILE_MAX_BYTES 65536

/* The value of @key in a text of KEY="value" lines; "" when it is not there. */
static const char *value_of(const char *text, const char *key, char *value, size_t size_bytes)
{
	size_t key_length = strlen(key), length;

	value[0] = '\0';
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, key_length) != 0 ||
		    strncmp(line + key_length, "=\"", 2) != 0)
			continue;
		line += key_length + 2;
		length = strcspn(line, "\"\n");
		if (length < size_bytes) {
			memcpy(value, line, length);
			value[length] = '\0';
		}
		break;
	}
	return value;
}

static void unset(const char *dev_dir, const char *folder, const char *name, const char *device)
{
	char link[NAME_MAX + 64];

	if (name[0] && snprintf(link, sizeof(link), "%s%s", folder, name) < (int)sizeof(link))
		links_unset(dev_dir, link, device);
}

static void remove_links(const char *dev_dir, const char *text)
{
	char device[64], name[NAME_MAX], path[PATH_MAX], key[32];

	value_of(text, "HAWSER_DEVICE", device, sizeof(device));
	unset(dev_dir, "hawser/", value_of(text, "HAWSER_NAME", name, sizeof(name)), device);
	unset(dev_dir, "disk/by-id/scsi-", value_of(text, "ID_SERIAL", name, sizeof(name)), device);
	unset(dev_dir, "disk/by-id/wwn-",
	      value_of(text, "ID_WWN_WITH_EXTENSION", name, sizeof(name)), device);
	for (unsigned i = 0;; i++) {
		snprintf(key, sizeof(key), "HAWSER_PATH_%u", i);
		if (!*value_of(text, key, path, sizeof(path)))
			break;
		unset(dev_dir, "", path, device);
	}
}

struct leftovers {
	const char *run_dir, *dev_dir;
	bool (*keep)(uint32_t major, uint32_t minor, uint64_t backing, void *userdata);
	void *userdata;
};

static void remove_one(const struct leftovers *leftovers, const char *file_name)
{
	const char *run_dir = leftovers->run_dir, *dev_dir = leftovers->dev_dir;
	owned_memory char *text = calloc(1, FILE_MAX_BYTES);
	char path[PATH_MAX], name[NAME_MAX], backing[32];
	unsigned major, minor;
	uint64_t number;
	bool known;
	FILE *file;
	int r;

	if (!text || sscanf(file_name, "%u:%u", &major, &minor) != 2 ||
	    snprintf(path, sizeof(path), "%s/dev/%s", run_dir, file_name) >= (int)sizeof(path))
		return;
	file = fopen(path, "re");
	if (!file)
		return;
	if (fread(text, 1, FILE_MAX_BYTES - 1, file) == 0)
		text[0] = '\0';
	fclose(file);
	value_of(text, "HAWSER_BACKING", backing, sizeof(backing));
	known = text_parse_u64(backing, 0, UINT64_MAX, &number) == 0;
	if (known && leftovers->keep(major, minor, number, leftovers->userdata))
		return;
	remove_links(dev_dir, text);
	if (known) {
		r = disk_reap(major, minor, number);
		if (r >= 0)
			log_warning(
				"map %s: took away device %u:%u, which a daemon that was killed "
				"had left%s",
				value_of(text, "HAWSER_NAME", name, sizeof(name)), major, minor,
				r > 0 ? "; it goes with its last user" : "");
	}
	udev_properties_unset(run_dir, major, minor);
}

void leftovers_remove(const char *run_dir, const char *dev_dir,
		      bool (*keep)(uint32_t major, uint32_t minor, uint64_t backing,
				   void *userdata),
		      void *userdata)
{
	const struct leftovers leftovers = {run_dir, dev_dir, keep, userdata};
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/dev", run_dir) >= (int)sizeof(path))
		return;
	folder = opendir(path);
	if (!folder)
		return;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			remove_one(&leftovers, entry->d_name);
	closedir(folder);
}
