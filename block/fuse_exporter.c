/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A block device by way of a file on FUSE under a loop device: works wherever both are, plain
 * virtual machines and privileged containers included.
 */

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "block/disk.h"
#include "block/exporter.h"
#include "block/fuse_mount.h"
#include "block/fuse_queue.h"
#include "block/loop.h"
#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/ring.h"
#include "util/text.h"

#define DEPTH_DEFAULT	128 /* as many requests as a loop device has */
#define DEPTH_MAX	1024
#define GRACE_MS	1000
#define WORKER_ANSWER_S 5

struct fuse_device {
	struct fuse_mount fuse;
	struct loop loop;
	struct fuse_queue *queue;
	struct ring *ring; /* NULL until served */
	struct unit_limits limits;
	char dev_dir[256];
	char name[UNIT_WWID_MAX];
	bool adopted;

	struct mail fail_mail; /* tells the worker to fail all I/O */
	sem_t failed;
	bool fail_posted;
};

static int device_probe(const char *dev_dir, const char **step)
{
	char path[288];
	owned_fd int fd = -1;

	*step = "open /dev/fuse";
	snprintf(path, sizeof(path), "%s/fuse", dev_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*step = "open /dev/loop-control";
	return loop_probe(dev_dir);
}

static void device_free(void *userdata)
{
	struct fuse_device *device = userdata;

	if (!device)
		return;
	fuse_mount_detach(&device->fuse);
	fuse_queue_free(device->queue);
	sem_destroy(&device->failed);
	free(device);
}

static void fail_on_worker(struct mail *mail)
{
	struct fuse_device *device = container_of(mail, struct fuse_device, fail_mail);

	fuse_queue_fail(device->queue, -EIO);
	sem_post(&device->failed);
}

static struct fuse_device *device_new(const struct disk_settings *settings, const struct unit *unit)
{
	struct fuse_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->fuse = (struct fuse_mount)FUSE_MOUNT_INIT;
	device->limits = unit->limits;
	device->fail_mail.deliver = fail_on_worker;
	sem_init(&device->failed, 0, 0);
	text_copy(device->dev_dir, sizeof(device->dev_dir), settings->dev_dir);
	text_copy(device->name, sizeof(device->name), settings->name);
	return device;
}

static unsigned depth_of(const struct disk_settings *settings)
{
	unsigned wanted = settings->queue_depth ? settings->queue_depth : DEPTH_DEFAULT;

	return MIN(wanted, (unsigned)DEPTH_MAX);
}

static int device_prepare(const struct disk_settings *settings, struct map *map,
			  const struct unit *unit, void **ret, const char **step)
{
	struct fuse_device *device = device_new(settings, unit);
	char path[288];
	int r;

	*step = "allocate memory";
	if (!device)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/fuse", device->dev_dir);
	r = fuse_mount_attach(&device->fuse, path, step);
	if (r == 0) {
		*step = "set up the request queue";
		r = fuse_queue_new(device->fuse.device_fd, map, &unit->limits, depth_of(settings),
				   &device->queue);
	}
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

/* What is kept, in this order. */
enum { KEPT_DEVICE, KEPT_ARENA, KEPT_FILE, KEPT_COUNT };

static unsigned device_keep(void *userdata, int fds[DISK_KEPT_MAX])
{
	const struct fuse_device *device = userdata;

	fds[KEPT_DEVICE] = device->fuse.device_fd;
	fds[KEPT_ARENA] = fuse_queue_arena_fd(device->queue);
	fds[KEPT_FILE] = device->fuse.file_fd;
	return KEPT_COUNT;
}

static int device_adopt(const struct disk_settings *settings, struct map *map,
			const struct unit *unit, const struct disk_node *node, const int *fds,
			unsigned fd_count, void **ret, const char **step)
{
	struct fuse_device *device = fd_count == KEPT_COUNT ? device_new(settings, unit) : NULL;
	int r;

	*step = "take over the request queue";
	if (!device) {
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
		return fd_count == KEPT_COUNT ? -ENOMEM : -EINVAL;
	}
	device->adopted = true;
	device->fuse.device_fd = fds[KEPT_DEVICE];
	device->fuse.file_fd = fds[KEPT_FILE];
	r = fuse_queue_adopt(fds[KEPT_DEVICE], fds[KEPT_ARENA], map, &unit->limits,
			     depth_of(settings), &device->queue);
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

static unsigned device_resumed(const void *userdata)
{
	const struct fuse_device *device = userdata;

	return fuse_queue_resumed(device->queue);
}

static int device_serve(void *userdata, struct ring *ring)
{
	struct fuse_device *device = userdata;

	device->ring = ring;
	fuse_queue_start(device->queue, ring);
	return 0;
}

static int device_go_live(void *userdata, struct disk_node *node, const char **step)
{
	struct fuse_device *device = userdata;
	struct loop_settings settings = {
		.dev_dir = device->dev_dir,
		.name = device->name,
		.block_size = device->limits.block_size,
		.read_only = device->limits.read_only,
	};
	int r;

	if (device->adopted) {
		*step = "find the loop device again";
		return loop_adopt(&device->loop, node->name, node->path, node->major, node->minor,
				  node->backing);
	}
	r = fuse_mount_open_file(&device->fuse, step);
	if (r < 0)
		return r;
	settings.file_fd = device->fuse.file_fd;
	r = loop_attach(&device->loop, &settings, step);
	if (r < 0)
		return r;
	loop_tune(&device->loop, device->limits.write_cache);
	text_copy(node->path, sizeof(node->path), device->loop.node.path);
	text_copy(node->name, sizeof(node->name), device->loop.node.name);
	node->major = device->loop.node.major;
	node->minor = device->loop.node.minor;
	node->backing = device->loop.backing;
	return 0;
}

static int device_scan_partitions(void *userdata, const char **step)
{
	struct fuse_device *device = userdata;

	*step = "look for partitions";
	return loop_scan_partitions(&device->loop);
}

static int device_resize(void *userdata, uint64_t blocks, const char **step)
{
	struct fuse_device *device = userdata;
	uint64_t size_bytes = blocks * device->limits.block_size;

	*step = "resize the FUSE file";
	fuse_queue_allow_resize(device->queue, size_bytes);
	if (ftruncate(device->fuse.file_fd, (off_t)size_bytes) < 0)
		return -errno;
	*step = "resize the loop device";
	return loop_resize(&device->loop);
}

/* Have the worker answer everything with EIO, so that nobody is stuck in the device any more. */
static void fail_all(struct fuse_device *device)
{
	struct timespec deadline;

	if (!device->ring || device->fail_posted)
		return;
	device->fail_posted = true;
	mailbox_post(ring_mailbox(device->ring), &device->fail_mail);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += WORKER_ANSWER_S;
	while (sem_timedwait(&device->failed, &deadline) < 0 && errno == EINTR)
		;
}

static int device_remove(void *userdata, bool force)
{
	struct fuse_device *device = userdata;

	if (force)
		fail_all(device);
	return loop_detach(&device->loop, force, GRACE_MS);
}

static void device_stop(void *userdata, void (*stopped)(void *userdata), void *stopped_userdata)
{
	struct fuse_device *device = userdata;

	fuse_queue_stop(device->queue, stopped, stopped_userdata);
}

const struct exporter_ops fuse_exporter = {
	.name = "fuse",
	.needs_files = true,
	.probe = device_probe,
	.prepare = device_prepare,
	.adopt = device_adopt,
	.serve = device_serve,
	.go_live = device_go_live,
	.scan_partitions = device_scan_partitions,
	.keep = device_keep,
	.resumed = device_resumed,
	.resize = device_resize,
	.remove = device_remove,
	.stop = device_stop,
	.free = device_free,
	.reap = loop_reap,
};
