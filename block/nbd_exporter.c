/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A block device by the kernel's NBD client, which has no server but the other end of a socket
 * pair.
 *
 * The device outlives us without anybody's help: when we die, the connection does, and requests
 * wait in the kernel until the next daemon gives the device another one. What had been sent is then
 * sent again, as soon as the block layer looks at the requests' age, once a second.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nbd-netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "block/device_node.h"
#include "block/disk.h"
#include "block/exporter.h"
#include "block/nbd_netlink.h"
#include "block/nbd_queue.h"
#include "block/on_worker.h"
#include "util/cleanup.h"
#include "util/ring.h"
#include "util/text.h"

/* Requests without a connection wait for the next daemon; a day is as good as for ever, and ends.
 */
#define DEAD_CONNECTION_S (24 * 3600)
/*
 * How often the kernel looks whether the connection of an unanswered request is still the one that
 * it was sent over: so long, and up to a second more, a request waits at most after a crash. Each
 * look at a request that waits costs a line in the kernel's log.
 */
#define LOOK_MS	      "1000"
#define TRANSFER_KIB  "256"
#define DEVICES_MAX   4096
#define UDEV_CONTROL  "/run/udev/control"
#define SOCKET_BYTES  (4 << 20)
#define GRACE_MS      5000 /* for the end of a process that was killed, and of its connection */
#define GRACE_STEP_MS 10

static_assert(NBD_QUEUE_TRANSFER_BYTES == 256 << 10, "the kernel is asked for TRANSFER_KIB");

struct nbd_device {
	int fd;		/* our end; the worker's while it serves */
	int kernel_fd;	/* until the kernel has it */
	uint32_t index; /* once it is live */
	uint64_t backing;
	struct device_node node;
	struct nbd_queue *queue;
	struct ring *ring; /* NULL until served */
	struct unit_limits limits;
	char dev_dir[256];
	bool adopted;
	unsigned resumed;
};

static void pause_ms(unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&time, NULL);
}

static int device_probe(const char *dev_dir, const char **step)
{
	int r = nbd_netlink_probe();

	*step = "find the kernel's NBD client (modprobe nbd)";
	if (r == -EOPNOTSUPP)
		*step = "mark NBD devices as ours (needs Linux 5.14)";
	return r;
}

/* What the kernel shows of it below /sys/block, so that nobody else's device is taken for ours. */
static void backend_of(uint64_t backing, char backend[NBD_BACKEND_MAX])
{
	snprintf(backend, NBD_BACKEND_MAX, "hawser-%016" PRIx64, backing);
}

static bool is_ours(const char *name, uint64_t backing)
{
	char wanted[NBD_BACKEND_MAX], found[NBD_BACKEND_MAX];

	backend_of(backing, wanted);
	return device_node_get(name, "backend", found, sizeof(found)) == 0 &&
	       strcmp(found, wanted) == 0;
}

/* --- life --- */

static void device_free(void *userdata)
{
	struct nbd_device *device = userdata;

	if (!device)
		return;
	nbd_queue_free(device->queue);
	if (device->fd >= 0)
		close(device->fd);
	if (device->kernel_fd >= 0)
		close(device->kernel_fd);
	free(device);
}

static int make_sockets(struct nbd_device *device)
{
	int fds[2], bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	device->fd = fds[0];
	device->kernel_fd = fds[1];
	/* Room for some of the largest requests; what is allowed without privilege will do, too. */
	for (unsigned i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return 0;
}

static unsigned depth_of(const struct disk_settings *settings)
{
	unsigned wanted = settings->queue_depth ? settings->queue_depth : NBD_QUEUE_DEPTH;

	return MIN(wanted, (unsigned)NBD_QUEUE_DEPTH);
}

static int device_make(struct nbd_device *device, const struct disk_settings *settings,
		       struct map *map, const struct unit *unit, const char **step)
{
	int r;

	device->fd = device->kernel_fd = -1;
	device->limits = unit->limits;
	text_copy(device->dev_dir, sizeof(device->dev_dir), settings->dev_dir);
	*step = "make a socket pair";
	r = make_sockets(device);
	if (r < 0)
		return r;
	*step = "set up the request queue";
	return nbd_queue_new(device->fd, map, &unit->limits, depth_of(settings), &device->queue);
}

static int device_prepare(const struct disk_settings *settings, struct map *map,
			  const struct unit *unit, void **ret, const char **step)
{
	struct nbd_device *device = calloc(1, sizeof(*device));
	int r;

	*step = "allocate memory";
	if (!device)
		return -ENOMEM;
	r = device_make(device, settings, map, unit, step);
	if (r == 0 && getrandom(&device->backing, sizeof(device->backing), 0) < 0)
		r = -errno;
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

/* Nothing has to be kept open. */
static unsigned device_keep(void *userdata, int fds[DISK_KEPT_MAX])
{
	return 0;
}

static int device_adopt(const struct disk_settings *settings, struct map *map,
			const struct unit *unit, const struct disk_node *node, const int *fds,
			unsigned fd_count, void **ret, const char **step)
{
	void *made;
	int r;

	for (unsigned i = 0; i < fd_count; i++)
		close(fds[i]);
	*step = "find the NBD device again";
	if (!text_starts_with(node->name, "nbd") || !is_ours(node->name, node->backing))
		return -ENODEV;
	r = device_prepare(settings, map, unit, &made, step);
	if (r == 0) {
		struct nbd_device *device = made;

		device->adopted = true;
		device->backing = node->backing;
		*ret = device;
	}
	return r;
}

static unsigned device_resumed(const void *userdata)
{
	return ((const struct nbd_device *)userdata)->resumed;
}

static int device_serve(void *userdata, struct ring *ring)
{
	struct nbd_device *device = userdata;

	device->ring = ring;
	nbd_queue_start(device->queue, ring);
	return 0;
}

/* --- the kernel's side --- */

static int device_send(struct nbd_device *device, struct nbd_message *message)
{
	char backend[NBD_BACKEND_MAX];

	backend_of(device->backing, backend);
	message->backend = backend;
	return nbd_netlink_send(message, &device->index);
}

static int device_connect(struct nbd_device *device, uint32_t index)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_CONNECT);

	message.index = index;
	message.size_bytes = device->limits.blocks * device->limits.block_size;
	message.block_size = device->limits.block_size;
	message.flags = nbd_queue_flags(device->queue);
	message.fd = device->kernel_fd;
	message.dead_connection_s = DEAD_CONNECTION_S;
	return device_send(device, &message);
}

/* The kernel may still be busy with the end of the connection before this one: ENOSPC. */
static int device_reconnect(struct nbd_device *device)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_RECONFIGURE);
	int r;

	message.index = device->index;
	message.fd = device->kernel_fd;
	for (unsigned waited_ms = 0;; waited_ms += GRACE_STEP_MS) {
		r = device_send(device, &message);
		if (r != -ENOSPC || waited_ms >= GRACE_MS)
			return r;
		pause_ms(GRACE_STEP_MS);
	}
}

/* Requests that are under way or come fail from now on; it goes with its last user. */
static int disconnect(uint32_t index)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_DISCONNECT);

	message.index = index;
	return nbd_netlink_send(&message, NULL);
}

static unsigned requests_under_way(const char *name)
{
	unsigned reads, writes;
	char text[64];

	if (device_node_get(name, "inflight", text, sizeof(text)) < 0 ||
	    sscanf(text, "%u %u", &reads, &writes) != 2)
		return 0;
	return reads + writes;
}

struct tuning {
	const char *attribute, *value;
	const char *shown;     /* as it reads when it is set; part of it will do */
	const char *untouched; /* for whoever uses the device after us */
};

static const struct tuning tunings[] = {
	{"queue/scheduler", "none", "[none]", NULL},
	{"queue/io_timeout", LOOK_MS, LOOK_MS, "30000"},
	{"queue/max_sectors_kb", TRANSFER_KIB, TRANSFER_KIB, "0"},
};

static bool is_tuned(const struct device_node *node, const struct tuning *tuning)
{
	char text[128];

	return device_node_get(node->name, tuning->attribute, text, sizeof(text)) == 0 &&
	       strstr(text, tuning->shown);
}

/*
 * Before the device is connected. To write here waits until no request is under way, in a way that
 * not even SIGKILL ends; a request that waits for us meanwhile would never end.
 */
static void tune(const struct device_node *node)
{
	for (unsigned i = 0; i < ARRAY_SIZE(tunings); i++)
		if (!is_tuned(node, &tunings[i]))
			device_node_set(node, tunings[i].attribute, tunings[i].value);
}

static void untune(const struct device_node *node)
{
	for (unsigned i = 0; i < ARRAY_SIZE(tunings); i++)
		if (tunings[i].untouched)
			device_node_set(node, tunings[i].attribute, tunings[i].untouched);
}

static int device_resume(struct nbd_device *device, const struct disk_node *node, const char **step)
{
	uint64_t index;
	int r;

	*step = "find the NBD device again";
	if (text_parse_u64(node->name + strlen("nbd"), 0, INT32_MAX, &index) < 0)
		return -ENODEV;
	device->index = (uint32_t)index;
	r = device_node_find(&device->node, device->dev_dir, node->name);
	if (r < 0)
		return r;
	device->resumed = requests_under_way(node->name);
	*step = "connect the NBD device again";
	return device_reconnect(device);
}

/*
 * No command adds a device without connecting it. But one that is to be connected over what is no
 * socket is added first, and refused then.
 */
static void add_device(uint32_t index)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_CONNECT);

	message.index = index;
	message.size_bytes = message.block_size = 4096;
	message.fd = INT32_MAX;
	nbd_netlink_send(&message, NULL);
}

/* Return: -EBUSY when it is somebody else's. */
static int connect_once(struct nbd_device *device, uint32_t index)
{
	char name[16], text[16];
	int r;

	snprintf(name, sizeof(name), "nbd%" PRIu32, index);
	if (device_node_get(name, "pid", text, sizeof(text)) == 0)
		return -EBUSY;
	r = device_node_find(&device->node, device->dev_dir, name);
	if (r == -ENOENT) {
		add_device(index);
		r = device_node_find(&device->node, device->dev_dir, name);
	}
	if (r < 0)
		return r;
	tune(&device->node);
	r = device_connect(device, index);
	if (r < 0)
		device_node_forget(&device->node);
	return r;
}

static int device_appear(struct nbd_device *device, struct disk_node *node, const char **step)
{
	int r = -EBUSY;

	*step = "connect an NBD device";
	for (uint32_t index = 0; index < DEVICES_MAX && r == -EBUSY; index++)
		r = connect_once(device, index);
	if (r < 0)
		return r;
	tune(&device->node); /* if somebody has changed it in between */
	text_copy(node->path, sizeof(node->path), device->node.path);
	text_copy(node->name, sizeof(node->name), device->node.name);
	node->major = device->node.major;
	node->minor = device->node.minor;
	node->backing = device->backing;
	return 0;
}

static int device_go_live(void *userdata, struct disk_node *node, const char **step)
{
	struct nbd_device *device = userdata;
	int r = device->adopted ? device_resume(device, node, step)
				: device_appear(device, node, step);

	if (r < 0)
		return r;
	/* Now that end is the kernel's alone, and ours notices when it goes. */
	close(device->kernel_fd);
	device->kernel_fd = -1;
	return 0;
}

static int device_scan_partitions(void *userdata, const char **step)
{
	struct nbd_device *device = userdata;
	owned_fd int fd = -1;

	/* Whoever opens it first has the kernel read the table, and that is udev, where it runs. */
	if (access(UDEV_CONTROL, F_OK) == 0)
		return 0;
	*step = "look for partitions";
	fd = open(device->node.path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	device_node_add_partitions(&device->node);
	return 0;
}

struct resizing {
	struct nbd_queue *queue;
	uint64_t blocks;
};

static void resize_on_worker(void *argument)
{
	struct resizing *resizing = argument;

	nbd_queue_resize(resizing->queue, resizing->blocks);
	free(resizing);
}

static int device_resize(void *userdata, uint64_t blocks, const char **step)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_RECONFIGURE);
	struct resizing *resizing = malloc(sizeof(*resizing));
	struct nbd_device *device = userdata;
	int r;

	*step = "resize the NBD device";
	if (!resizing)
		return -ENOMEM;
	*resizing = (struct resizing){device->queue, blocks};
	r = on_worker(device->ring, resize_on_worker, resizing);
	if (r < 0)
		return r;
	message.index = device->index;
	message.size_bytes = blocks * device->limits.block_size;
	message.block_size = device->limits.block_size;
	return device_send(device, &message);
}

/* Return: is it nobody's any more? */
static bool wait_until_free(uint32_t index)
{
	for (unsigned waited_ms = 0; nbd_netlink_status(index) == 1; waited_ms += GRACE_STEP_MS) {
		if (waited_ms >= GRACE_MS)
			return false;
		pause_ms(GRACE_STEP_MS);
	}
	return true;
}

static void fail_on_worker(void *argument)
{
	nbd_queue_fail(argument, -EIO);
}

static int device_remove(void *userdata, bool force)
{
	struct nbd_device *device = userdata;
	owned_fd int fd = -1;
	int r;

	if (!device->node.name[0])
		return 0;
	/* Somebody else has ended it, and maybe made another device of it. */
	if (!is_ours(device->node.name, device->backing)) {
		device_node_forget(&device->node);
		return 0;
	}
	fd = force ? -1 : device_node_claim(device->node.path);
	if (!force && fd < 0)
		return fd;
	if (force)
		on_worker(device->ring, fail_on_worker, device->queue);
	r = disconnect(device->index);
	if (r < 0)
		return r;
	if (fd >= 0)
		close(take_fd(fd));
	if (!force && wait_until_free(device->index))
		untune(&device->node);
	device_node_forget(&device->node);
	return 0;
}

static void device_stop(void *userdata, void (*stopped)(void *userdata), void *stopped_userdata)
{
	struct nbd_device *device = userdata;

	nbd_queue_stop(device->queue, stopped, stopped_userdata);
}

static int device_reap(uint32_t major, uint32_t minor, uint64_t backing)
{
	char name[32];
	uint64_t index;
	int r = device_node_by_number(major, minor, name, sizeof(name));

	if (r < 0 || !text_starts_with(name, "nbd") || !is_ours(name, backing) ||
	    text_parse_u64(name + strlen("nbd"), 0, INT32_MAX, &index) < 0)
		return -ENODEV;
	r = disconnect((uint32_t)index);
	if (r < 0)
		return r;
	return nbd_netlink_status((uint32_t)index) == 1 ? 1 : 0;
}

const struct exporter_ops nbd_exporter = {
	.name = "nbd",
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
	.reap = device_reap,
};
