/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/text.h"

#define SYS_BLOCK "/sys/block"
/* Each try that fails means that somebody else got a device. */
#define ATTACH_TRIES 64
#define WAIT_STEP_MS 2

static void sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&time, NULL);
}

static int open_control(const char *dev_dir)
{
	char path[288];
	int fd;

	snprintf(path, sizeof(path), "%s/loop-control", dev_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int loop_probe(const char *dev_dir)
{
	owned_fd int fd = open_control(dev_dir);

	return fd < 0 ? fd : 0;
}

/* --- settings --- */

/*
 * Only what can be undone. discard_max_bytes cannot be set again after 0, not even by the next user
 * of the device: units that cannot discard say so when they are asked.
 */
void loop_tune(const struct loop *loop, bool write_cache)
{
	device_node_set(&loop->node, "queue/scheduler", "none");
	device_node_set(&loop->node, "queue/write_cache",
			write_cache ? "write back" : "write through");
}

/* --- attach --- */

static int configure(int fd, const struct loop_settings *settings, uint64_t *backing)
{
	struct loop_info64 info;
	struct loop_config config = {
		.fd = (uint32_t)settings->file_fd,
		.block_size = settings->block_size,
		.info.lo_flags = LO_FLAGS_DIRECT_IO,
	};

	if (settings->read_only)
		config.info.lo_flags |= LO_FLAGS_READ_ONLY;
	text_copy((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name),
		  settings->name);
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0) {
		int r = -errno;

		ioctl(fd, LOOP_CLR_FD, 0);
		return r;
	}
	*backing = info.lo_device;
	return 0;
}

static int attach_once(struct loop *loop, const struct loop_settings *settings, int control_fd,
		       const char **step)
{
	int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
	owned_fd int fd = -1;
	char name[16];
	int r;

	*step = "find a free loop device";
	if (number < 0)
		return -errno;
	*step = "find the loop device's node";
	*loop = (struct loop){};
	snprintf(name, sizeof(name), "loop%d", number);
	r = device_node_find(&loop->node, settings->dev_dir, name);
	if (r < 0)
		return r;
	*step = "open the loop device";
	fd = open(loop->node.path, (settings->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	/* Whoever took it first may remove it again: ENXIO and ENODEV are a lost race as well. */
	if (fd < 0)
		return errno == ENXIO || errno == ENODEV ? -EBUSY : -errno;
	*step = "attach the loop device";
	return configure(fd, settings, &loop->backing);
}

int loop_attach(struct loop *loop, const struct loop_settings *settings, const char **step)
{
	owned_fd int control_fd = open_control(settings->dev_dir);
	struct loop found = {};
	int r = -EBUSY;

	*step = "open /dev/loop-control";
	if (control_fd < 0)
		return control_fd;
	for (unsigned i = 0; i < ATTACH_TRIES && r == -EBUSY; i++)
		r = attach_once(&found, settings, control_fd, step);
	if (r < 0)
		return r;
	*loop = found;
	return 0;
}

int loop_scan_partitions(struct loop *loop)
{
	owned_fd int fd = open(loop->node.path, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info;

	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	info.lo_flags |= LO_FLAGS_PARTSCAN;
	if (ioctl(fd, LOOP_SET_STATUS64, &info) < 0)
		return -errno;
	device_node_add_partitions(&loop->node);
	return 0;
}

int loop_resize(const struct loop *loop)
{
	owned_fd int fd = open(loop->node.path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, LOOP_SET_CAPACITY, 0) < 0 ? -errno : 0;
}

/* --- detach --- */

static bool attached(const struct loop *loop)
{
	char path[96];

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/loop/backing_file", loop->node.name);
	return access(path, F_OK) == 0;
}

/* The number may be another file's by now. */
static bool ours(const struct loop *loop)
{
	owned_fd int fd = open(loop->node.path, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info;

	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
	       info.lo_device == loop->backing;
}

static bool wait_until_free(const struct loop *loop, unsigned wait_ms)
{
	for (unsigned waited_ms = 0; attached(loop); waited_ms += WAIT_STEP_MS) {
		if (waited_ms >= wait_ms)
			return false;
		sleep_ms(WAIT_STEP_MS);
	}
	return true;
}

static bool idle(const struct loop *loop)
{
	unsigned reads = 1, writes = 1;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/inflight", loop->node.name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%u %u", &reads, &writes) != 2)
		reads = 1;
	fclose(file);
	return reads == 0 && writes == 0;
}

/*
 * LOOP_CLR_FD of a device that others have open means "when they are gone": take that back, so that
 * the device stays theirs for good. Not while it has requests: the kernel would wait for them to
 * end, and they may wait for us.
 *
 * Return: -EBUSY when it is still attached, 0 when it was free by then.
 */
static int keep_attached(const struct loop *loop)
{
	owned_fd int fd = open(loop->node.path, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info;

	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return errno == ENXIO ? 0 : -errno;
	info.lo_flags &= ~(uint32_t)LO_FLAGS_AUTOCLEAR;
	if (idle(loop) && ioctl(fd, LOOP_SET_STATUS64, &info) < 0 && errno == ENXIO)
		return 0;
	return -EBUSY;
}

static void forget(struct loop *loop)
{
	/* It would stay with the device. */
	device_node_set(&loop->node, "queue/write_cache", "write back");
	device_node_forget(&loop->node);
	*loop = (struct loop){};
}

static int clear(const struct loop *loop, int open_flags)
{
	/* O_EXCL: nobody has it mounted or claimed, and nobody can until we are done. */
	owned_fd int fd = open(loop->node.path, O_RDONLY | O_CLOEXEC | open_flags);

	if (fd < 0)
		return -errno;
	return ioctl(fd, LOOP_CLR_FD, 0) < 0 ? -errno : 0;
}

int loop_detach(struct loop *loop, bool force, unsigned grace_ms)
{
	int r;

	if (!loop->node.name[0])
		return 0;
	if (!ours(loop)) {
		*loop = (struct loop){};
		return 0;
	}
	r = clear(loop, force ? 0 : O_EXCL);
	if (r < 0 && r != -ENXIO) /* ENXIO: somebody else has detached it */
		return r;
	if (!wait_until_free(loop, grace_ms) && !force) {
		r = keep_attached(loop);
		if (r < 0)
			return r;
	}
	forget(loop);
	return 0;
}

int loop_adopt(struct loop *loop, const char *name, const char *device, uint32_t major,
	       uint32_t minor, uint64_t backing)
{
	struct loop found = {.node = {.major = major, .minor = minor}, .backing = backing};

	if (!text_copy(found.node.name, sizeof(found.node.name), name) ||
	    !text_copy(found.node.path, sizeof(found.node.path), device) || !attached(&found) ||
	    !ours(&found))
		return -ENODEV;
	*loop = found;
	return 0;
}

int loop_reap(uint32_t major, uint32_t minor, uint64_t backing)
{
	struct loop loop = {.node = {.major = major, .minor = minor}, .backing = backing};
	int r = device_node_by_number(major, minor, loop.node.name, sizeof(loop.node.name));

	if (r < 0 || !text_starts_with(loop.node.name, "loop"))
		return -ENODEV;
	snprintf(loop.node.path, sizeof(loop.node.path), "/dev/%s", loop.node.name);
	if (!ours(&loop))
		return -ENODEV;
	r = clear(&loop, 0);
	if (r < 0)
		return r == -ENXIO ? 0 : r;
	return attached(&loop) ? 1 : 0;
}
