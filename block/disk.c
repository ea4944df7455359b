/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "block/exporter.h"
#include "block/holders.h"
#include "util/cleanup.h"

#define GRACE_MS      1000
#define UDEV_GRACE_MS 10000 /* it reads the device, and on a busy machine that takes its time */
#define GRACE_STEP_MS 20
#define SECTOR_BYTES  512 /* in sysfs, whatever the block size */

/* The best first: "auto" takes the first that works here. */
static const struct exporter_ops *const exporters[] = {
	&ublk_exporter,
	&nbd_exporter,
	&fuse_exporter,
};

struct disk {
	const struct exporter_ops *ops;
	void *device;
	struct disk_node node; /* empty until it is live */
	void (*stopped)(struct disk *disk, void *userdata);
	void *userdata;
};

/* Of the last call on this thread that could fail. */
static _Thread_local const char *last_step = "";

const char *disk_last_step(void)
{
	return last_step;
}

static int find_exporter(const char *name, const char *dev_dir, const struct exporter_ops **ret)
{
	bool any = name[0] == '\0' || strcmp(name, "auto") == 0;
	int r = -ENODEV;

	last_step = "find an exporter of that name";
	for (unsigned i = 0; i < ARRAY_SIZE(exporters); i++) {
		if (!any && strcmp(name, exporters[i]->name) != 0)
			continue;
		r = exporters[i]->probe(dev_dir, &last_step);
		if (r == 0) {
			*ret = exporters[i];
			return 0;
		}
	}
	return any ? -ENODEV : r;
}

int exporter_probe(const char *name)
{
	const struct exporter_ops *ops;

	return find_exporter(name, "/dev", &ops);
}

bool exporter_needs_files(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(exporters); i++)
		if (strcmp(name, exporters[i]->name) == 0)
			return exporters[i]->needs_files;
	return true;
}

static int disk_make(const struct disk_settings *settings, struct disk **ret)
{
	const struct exporter_ops *ops;
	struct disk *disk;
	int r = find_exporter(settings->exporter, settings->dev_dir, &ops);

	if (r < 0)
		return r;
	last_step = "allocate memory";
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	disk->ops = ops;
	*ret = disk;
	return 0;
}

int disk_prepare(const struct disk_settings *settings, struct map *map, const struct unit *unit,
		 struct disk **ret)
{
	struct disk *disk;
	int r = disk_make(settings, &disk);

	if (r < 0)
		return r;
	r = disk->ops->prepare(settings, map, unit, &disk->device, &last_step);
	if (r < 0) {
		free(disk);
		return r;
	}
	*ret = disk;
	return 0;
}

int disk_adopt(const struct disk_settings *settings, struct map *map, const struct unit *unit,
	       const struct disk_node *node, const int *fds, unsigned fd_count, struct disk **ret)
{
	struct disk *disk;
	int r = disk_make(settings, &disk);

	if (r < 0) {
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
		return r;
	}
	r = disk->ops->adopt(settings, map, unit, node, fds, fd_count, &disk->device, &last_step);
	if (r < 0) {
		free(disk);
		return r;
	}
	disk->node = *node;
	*ret = disk;
	return 0;
}

int disk_scan_partitions(struct disk *disk)
{
	return disk->ops->scan_partitions(disk->device, &last_step);
}

unsigned disk_keep(const struct disk *disk, int fds[DISK_KEPT_MAX])
{
	return disk->ops->keep(disk->device, fds);
}

unsigned disk_resumed(const struct disk *disk)
{
	return disk->ops->resumed(disk->device);
}

int disk_serve(struct disk *disk, struct ring *ring)
{
	return disk->ops->serve(disk->device, ring);
}

int disk_go_live(struct disk *disk)
{
	return disk->ops->go_live(disk->device, &disk->node, &last_step);
}

const struct disk_node *disk_node(const struct disk *disk)
{
	return &disk->node;
}

const char *disk_exporter(const struct disk *disk)
{
	return disk->ops->name;
}

void disk_holders(const struct disk *disk, char *text, size_t size_bytes)
{
	assert(size_bytes > 0);
	text[0] = '\0';
	if (disk->node.name[0])
		holders_describe("/proc", "/sys", disk->node.name, text, size_bytes);
}

/* Not by opening it: the kernel may look for partitions then, and wait for the unit. */
int disk_size(const struct disk *disk, uint64_t *bytes)
{
	char path[96], text[32] = "";
	owned_fd int fd = -1;

	if (!disk->node.name[0])
		return -ENODEV;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", disk->node.major,
		 disk->node.minor);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	*bytes = strtoull(text, NULL, 10) * SECTOR_BYTES;
	return 0;
}

int disk_resize(struct disk *disk, uint64_t blocks)
{
	last_step = "find the device";
	if (!disk->node.name[0])
		return -ENODEV;
	return disk->ops->resize(disk->device, blocks, &last_step);
}

/*
 * Who has the device open for a moment only, udev and blkid above all, gets that moment. The kernel
 * is not asked: its way to find out is to begin the removal, and with requests hanging it would not
 * come back from there.
 */
static bool in_use(const struct disk *disk)
{
	struct timespec pause = {.tv_nsec = GRACE_STEP_MS * 1000000L};
	char text[256];

	for (unsigned waited_ms = 0; disk->node.name[0]; waited_ms += GRACE_STEP_MS) {
		unsigned found =
			holders_describe("/proc", "/sys", disk->node.name, text, sizeof(text));

		if (!found)
			return false;
		if (found & HOLDERS_LASTING)
			return true;
		if (waited_ms >= (found & HOLDERS_OPEN ? GRACE_MS : UDEV_GRACE_MS))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* What was written through the device's cache reaches the unit's medium before the device goes. */
static int flush(const struct disk *disk)
{
	owned_fd int fd = open(disk->node.path, O_RDONLY | O_CLOEXEC);

	last_step = "flush the device";
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int disk_remove(struct disk *disk, bool force)
{
	int r;

	if (!force && in_use(disk))
		return -EBUSY;
	r = !force && disk->node.path[0] ? flush(disk) : 0;
	if (r < 0)
		return r;
	r = disk->ops->remove(disk->device, force);
	if (r == 0)
		disk->node = (struct disk_node){};
	return r;
}

static void disk_stopped(void *userdata)
{
	struct disk *disk = userdata;

	disk->stopped(disk, disk->userdata);
}

void disk_stop(struct disk *disk, void (*stopped)(struct disk *disk, void *userdata),
	       void *userdata)
{
	disk->stopped = stopped;
	disk->userdata = userdata;
	disk->ops->stop(disk->device, disk_stopped, disk);
}

int disk_reap(uint32_t major, uint32_t minor, uint64_t backing)
{
	int r = -ENODEV;

	for (size_t i = 0; i < ARRAY_SIZE(exporters) && r == -ENODEV; i++)
		r = exporters[i]->reap(major, minor, backing);
	return r;
}

unsigned disk_reap_unknown(uint16_t owner,
			   bool (*known)(uint32_t major, uint32_t minor, uint64_t backing,
					 void *userdata),
			   void *userdata)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(exporters); i++)
		if (exporters[i]->reap_unknown)
			count += exporters[i]->reap_unknown(owner, known, userdata);
	return count;
}

void disk_free(struct disk *disk)
{
	if (!disk)
		return;
	disk->ops->free(disk->device);
	free(disk);
}
