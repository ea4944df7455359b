/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A block device by the kernel's ublk driver: the shortest way there is, and one that needs nobody
 * to keep anything when we die. The device stays, its requests wait in the kernel, and the next
 * process begins recovery; whatever was not answered comes again then.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "block/device_node.h"
#include "block/disk.h"
#include "block/exporter.h"
#include "block/on_worker.h"
#include "block/ublk_abi.h"
#include "block/ublk_control.h"
#include "block/ublk_parameters.h"
#include "block/ublk_queue.h"
#include "util/cleanup.h"
#include "util/ring.h"
#include "util/text.h"

#define DEPTH_DEFAULT 128
#define SECTOR_BYTES  512u
#define NAME_PREFIX   "ublkb"
#define SYS_DEVICES   "/sys/class/ublk-char"
/* In front of owner and random part of a cookie, so that a device of ours is seen for what it is.
 */
#define COOKIE_MAGIC UINT64_C(0x6861)

struct ublk_device {
	struct ublk_control control;
	uint32_t id;
	bool added; /* id is a device of ours */
	bool adopted;
	uint64_t cookie;
	int char_fd; /* /dev/ublkcN; -1 */
	const struct ublk_io_descriptor *descriptors;
	unsigned depth;		 /* tags */
	struct device_node node; /* the block device, once it is live */
	struct unit_limits limits;
	struct ublk_queue *queue;
	struct ring *ring; /* NULL until served */
	char dev_dir[256];
};

/*
 * One tag more than requests are taken. It is never used, so that its command stays with the
 * driver, which then notices the end of this process at once; before Linux 6.15 a process that dies
 * with a request in each tag is noticed when the first of them times out.
 */
static unsigned tags_of(const struct disk_settings *settings)
{
	unsigned depth = settings->queue_depth ? settings->queue_depth : DEPTH_DEFAULT;

	return MIN(depth, UBLK_DEPTH_MAX - 1u) + 1;
}

static int device_probe(const char *dev_dir, const char **step)
{
	struct ublk_control control;
	int r = ublk_control_open(&control, dev_dir, step);

	ublk_control_close(&control);
	return r;
}

/* --- making and ending --- */

static size_t descriptors_bytes(const struct ublk_device *device)
{
	size_t bytes = device->depth * sizeof(struct ublk_io_descriptor);
	size_t page = (size_t)getpagesize();

	return (bytes + page - 1) / page * page;
}

static void device_free(void *userdata)
{
	struct ublk_device *device = userdata;

	if (!device)
		return;
	if (device->descriptors)
		munmap((void *)(uintptr_t)device->descriptors, descriptors_bytes(device));
	if (device->char_fd >= 0)
		close(device->char_fd);
	ublk_queue_free(device->queue);
	if (device->added)
		ublk_delete(&device->control, device->id);
	ublk_control_close(&device->control);
	free(device);
}

static int device_new(const struct disk_settings *settings, struct map *map,
		      const struct unit *unit, struct ublk_device **ret, const char **step)
{
	struct ublk_device *device = calloc(1, sizeof(*device));
	int r;

	*step = "allocate memory";
	if (!device)
		return -ENOMEM;
	device->char_fd = device->control.fd = -1;
	device->limits = unit->limits;
	device->depth = tags_of(settings);
	text_copy(device->dev_dir, sizeof(device->dev_dir), settings->dev_dir);
	r = ublk_queue_new(map, &unit->limits, device->depth, &device->queue);
	if (r == 0)
		r = ublk_control_open(&device->control, settings->dev_dir, step);
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

/* From here on we are the device's server; nobody else can open it. */
static int device_open(struct ublk_device *device, const char **step)
{
	char path[288];
	void *memory;

	*step = "open the ublk device";
	snprintf(path, sizeof(path), "%s/ublkc%u", device->dev_dir, device->id);
	device->char_fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->char_fd < 0)
		return -errno;
	*step = "map the ublk device's requests";
	memory = mmap(NULL, descriptors_bytes(device), PROT_READ, MAP_SHARED | MAP_POPULATE,
		      device->char_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	device->descriptors = memory;
	return 0;
}

static uint64_t owners_cookie(uint16_t owner)
{
	return COOKIE_MAGIC << 48 | (uint64_t)owner << 32;
}

static bool is_owners(uint64_t cookie, uint16_t owner)
{
	return (cookie & ~(uint64_t)UINT32_MAX) == owners_cookie(owner);
}

static uint64_t new_cookie(uint16_t owner)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint32_t)getpid();
	return owners_cookie(owner) | number;
}

static int device_add(struct ublk_device *device, uint16_t owner, const char **step)
{
	struct ublk_parameters parameters;
	int r;

	*step = "add a ublk device";
	device->cookie = new_cookie(owner);
	r = ublk_add(&device->control, device->depth, UBLK_QUEUE_REQUEST_MAX_BYTES, device->cookie,
		     &device->id);
	if (r < 0)
		return r;
	device->added = true;
	*step = "set up the ublk device";
	ublk_parameters_of(&device->limits, ublk_queue_can_discard(device->queue),
			   UBLK_QUEUE_REQUEST_MAX_BYTES, &parameters);
	r = ublk_set_parameters(&device->control, device->id, &parameters);
	return r < 0 ? r : device_open(device, step);
}

static int device_prepare(const struct disk_settings *settings, struct map *map,
			  const struct unit *unit, void **ret, const char **step)
{
	struct ublk_device *device;
	int r = device_new(settings, map, unit, &device, step);

	if (r < 0)
		return r;
	r = device_add(device, settings->owner, step);
	if (r < 0) {
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

static int id_of(const char *name, const char *prefix, uint32_t *id)
{
	uint64_t number;

	if (!text_starts_with(name, prefix) ||
	    text_parse_u64(name + strlen(prefix), 0, UINT32_MAX - 1, &number) < 0)
		return -ENODEV;
	*id = (uint32_t)number;
	return 0;
}

static int device_recover(struct ublk_device *device, const struct disk_node *node,
			  const char **step)
{
	struct ublk_device_info info = {};
	int r;

	*step = "find the ublk device again";
	device->cookie = node->backing;
	r = id_of(node->name, NAME_PREFIX, &device->id);
	if (r == 0)
		r = ublk_find(&device->control, device->id, node->backing, &info);
	if (r < 0)
		return r;
	device->added = true;
	*step = "see the ublk device's old server go";
	if (info.queue_depth != device->depth)
		return -EINVAL;
	return ublk_await_recovery(&device->control, device->id, node->backing);
}

static int device_adopt(const struct disk_settings *settings, struct map *map,
			const struct unit *unit, const struct disk_node *node, const int *fds,
			unsigned fd_count, void **ret, const char **step)
{
	struct ublk_device *device;
	int r;

	for (unsigned i = 0; i < fd_count; i++)
		close(fds[i]);
	r = device_new(settings, map, unit, &device, step);
	if (r < 0)
		return r;
	device->adopted = true;
	r = device_recover(device, node, step);
	if (r < 0) {
		/* Nobody else will serve it: better an error than a wait for ever. */
		if (device->added)
			ublk_stop(&device->control, device->id);
		device_free(device);
		return r;
	}
	*ret = device;
	return 0;
}

/* --- serving --- */

static void submit_to_driver(void *driver, struct ring *ring, struct op *op, uint32_t operation,
			     const struct ublk_io_command *command)
{
	const struct ublk_device *device = driver;

	ring_driver_command(ring, op, device->char_fd, operation, command);
}

static const struct ublk_queue_ops driver_ops = {submit_to_driver};

static int device_serve(void *userdata, struct ring *ring)
{
	struct ublk_device *device = userdata;
	const char *step;
	int r = 0;

	/* Here, as the first tag has to follow at once: see ublk_begin_recovery(). */
	if (device->adopted)
		r = ublk_begin_recovery(&device->control, device->id);
	if (r == 0 && device->adopted)
		r = device_open(device, &step);
	if (r < 0) {
		ublk_stop(&device->control, device->id);
		return r;
	}
	device->ring = ring;
	ublk_queue_start(device->queue, ring, device->descriptors, &driver_ops, device);
	return 0;
}

static bool is_refused(void *userdata)
{
	const struct ublk_device *device = userdata;

	return ublk_queue_refused(device->queue) < 0;
}

/*
 * The scheduler first, as a change of it sets the number of requests anew. The time-out never ends
 * a request: the driver only takes the occasion to see whether its server is alive.
 *
 * Only of a new device. The kernel lets all requests of a queue end before it changes it: who is
 * killed while he waits for that cannot die before another one serves, nor can another one serve
 * before he is dead.
 */
static void device_tune(const struct ublk_device *device)
{
	char requests[16];

	snprintf(requests, sizeof(requests), "%u", device->depth - 1);
	device_node_set(&device->node, "queue/scheduler", "none");
	device_node_set(&device->node, "queue/nr_requests", requests);
	device_node_set(&device->node, "queue/io_timeout", "1000");
}

static int device_find(struct ublk_device *device, struct disk_node *ret)
{
	struct device_node *node = &device->node;
	char name[32];
	int r;

	snprintf(name, sizeof(name), NAME_PREFIX "%u", device->id);
	r = device_node_find(node, device->dev_dir, name);
	if (r < 0)
		return r;
	*ret = (struct disk_node){
		.major = node->major,
		.minor = node->minor,
		.backing = device->cookie,
	};
	text_copy(ret->name, sizeof(ret->name), node->name);
	text_copy(ret->path, sizeof(ret->path), node->path);
	return 0;
}

static int device_go_live(void *userdata, struct disk_node *node, const char **step)
{
	struct ublk_device *device = userdata;
	struct ublk_patience patience = {.hopeless = is_refused, .userdata = device};
	int r;

	if (device->adopted) {
		*step = "end the ublk device's recovery";
		r = ublk_end_recovery(&device->control, device->id, &patience);
	} else {
		*step = "start the ublk device";
		r = ublk_start(&device->control, device->id, &patience);
	}
	if (r == 0) {
		*step = "find the ublk device's block device";
		r = device_find(device, node);
	}
	if (r < 0) {
		/* Its tags have to end before the queue can. */
		ublk_stop(&device->control, device->id);
		return is_refused(device) ? ublk_queue_refused(device->queue) : r;
	}
	if (!device->adopted)
		device_tune(device);
	device_node_add_partitions(&device->node);
	return 0;
}

static int device_scan_partitions(void *userdata, const char **step)
{
	return 0; /* the kernel did, when it was started */
}

static unsigned device_keep(void *userdata, int fds[DISK_KEPT_MAX])
{
	return 0;
}

static unsigned device_resumed(const void *userdata)
{
	return 0; /* the driver does not tell */
}

struct resizing {
	struct ublk_device *device;
	uint64_t blocks;
};

static void resize_on_worker(void *argument)
{
	struct resizing *resizing = argument;

	ublk_queue_set_blocks(resizing->device->queue, resizing->blocks);
	free(resizing);
}

static int device_resize(void *userdata, uint64_t blocks, const char **step)
{
	struct ublk_device *device = userdata;
	struct resizing *resizing;
	int r;

	*step = "resize the ublk device (needs Linux 6.16; else it has its new size when it is next made)";
	if (!(device->control.features & UBLK_F_UPDATE_SIZE))
		return -EOPNOTSUPP;
	resizing = malloc(sizeof(*resizing));
	if (!resizing)
		return -ENOMEM;
	*resizing = (struct resizing){device, blocks};
	r = on_worker(device->ring, resize_on_worker, resizing);
	if (r == -ENOMEM)
		free(resizing);
	if (r < 0)
		return r;
	return ublk_resize(&device->control, device->id,
			   blocks * (device->limits.block_size / SECTOR_BYTES));
}

/* --- the end --- */

static void fail_on_worker(void *argument)
{
	struct ublk_device *device = argument;

	ublk_queue_fail(device->queue, -EIO);
}

static int device_remove(void *userdata, bool force)
{
	struct ublk_device *device = userdata;
	/* To stop it ends requests with an error, so nobody shall be at it. */
	owned_fd int fd = force ? -1 : device_node_claim(device->node.path);
	int r;

	if (!force && fd < 0)
		return fd;
	if (force)
		on_worker(device->ring, fail_on_worker, device);
	r = ublk_stop(&device->control, device->id);
	if (r == 0)
		device_node_forget(&device->node);
	return r;
}

static void device_stop(void *userdata, void (*stopped)(void *userdata), void *stopped_userdata)
{
	struct ublk_device *device = userdata;

	ublk_queue_stop(device->queue, stopped, stopped_userdata);
}

static int device_reap(uint32_t major, uint32_t minor, uint64_t backing)
{
	struct ublk_device_info info = {};
	struct ublk_control control;
	const char *step;
	char name[32];
	uint32_t id;
	int r;

	if (device_node_by_number(major, minor, name, sizeof(name)) < 0 ||
	    id_of(name, NAME_PREFIX, &id) < 0)
		return -ENODEV;
	r = ublk_control_open(&control, "/dev", &step);
	if (r < 0)
		return r;
	r = ublk_find(&control, id, backing, &info);
	if (r == 0)
		r = ublk_stop(&control, id);
	if (r == 0)
		r = ublk_delete(&control, id);
	ublk_control_close(&control);
	return r;
}

/* Has nobody but us anything to do with it any more? */
static bool is_unknown(struct ublk_control *control, uint32_t id, uint16_t owner,
		       bool (*known)(uint32_t major, uint32_t minor, uint64_t backing,
				     void *userdata),
		       void *userdata)
{
	struct ublk_device_info info = {};
	char name[32], number[32];
	unsigned major, minor;

	if (ublk_get_info(control, id, &info) < 0 || !is_owners(info.server_data, owner))
		return false;
	snprintf(name, sizeof(name), NAME_PREFIX "%u", id);
	/* Without a block device it was never started, or was stopped and not deleted. */
	if (device_node_get(name, "dev", number, sizeof(number)) < 0 ||
	    sscanf(number, "%u:%u", &major, &minor) != 2)
		return true;
	return !known(major, minor, info.server_data, userdata);
}

static unsigned device_reap_unknown(uint16_t owner,
				    bool (*known)(uint32_t major, uint32_t minor, uint64_t backing,
						  void *userdata),
				    void *userdata)
{
	DIR *folder = opendir(SYS_DEVICES);
	struct ublk_control control;
	struct dirent *entry;
	unsigned count = 0;
	const char *step;
	uint32_t id;

	if (!folder)
		return 0; /* no driver, or none in use */
	if (ublk_control_open(&control, "/dev", &step) < 0) {
		closedir(folder);
		return 0;
	}
	while ((entry = readdir(folder))) {
		if (id_of(entry->d_name, "ublkc", &id) < 0 ||
		    !is_unknown(&control, id, owner, known, userdata))
			continue;
		count += ublk_stop(&control, id) == 0 && ublk_delete(&control, id) >= 0;
	}
	closedir(folder);
	ublk_control_close(&control);
	return count;
}

const struct exporter_ops ublk_exporter = {
	.name = "ublk",
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
	.reap_unknown = device_reap_unknown,
};
