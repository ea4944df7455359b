/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The block device of a map: steps that take turns on a thread of their own, because they block,
 * and on the worker.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/event.h"
#include "daemon/job.h"
#include "daemon/map_device.h"
#include "daemon/worker.h"
#include "util/log.h"
#include "util/text.h"

struct disk_work {
	struct job job;
	struct map_device *device;
	int error;
	char step[64];
	bool force;
	bool withdraw; /* once it is resized */
	bool insisted; /* by force after all, if need be */
	bool adopted;
	uint64_t blocks;
	struct disk_node node; /* to adopt */
	int fds[DISK_KEPT_MAX];
	unsigned fd_count;
	struct list waiters; /* struct withdraw_waiter */
};

/* Several sessions that end together wait for one device. */
struct withdraw_waiter {
	struct list link;
	void (*done)(struct map_device *device, int error, void *userdata);
	void *userdata;
};

static void disk_work_next(struct disk_work *work, bool background, void (*step)(struct job *job),
			   void (*finished)(struct job *job))
{
	struct map_device *device = work->device;
	int r = 0;

	work->job.work = step;
	work->job.finished = finished;
	if (!background)
		job_send(&work->job, worker_mailbox(device->worker), device->home);
	else
		r = job_send_background(&work->job, device->home);
	if (r < 0) {
		work->error = r;
		finished(&work->job);
	}
}

static struct disk_work *disk_work_of(struct job *job)
{
	return container_of(job, struct disk_work, job);
}

static void disk_work_failed(struct disk_work *work, int error)
{
	work->error = error;
	text_copy(work->step, sizeof(work->step), disk_last_step());
}

static void tell_failed(struct map_device *device, const struct disk_work *work)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", work->step, strerror(-work->error));
	device->ops->event(device,
			   &(struct event_facts){.kind = EVENT_DEVICE_FAILED, .reason = text},
			   device->userdata);
}

static void expose_end(struct disk_work *work)
{
	struct map_device *device = work->device;

	device->disk_work = NULL;
	device->disk_error = work->error;
	if (work->error < 0) {
		device->stage = DISK_FAILED;
		tell_failed(device, work);
	} else {
		device->stage = DISK_LIVE;
	}
	free(work);
	device->ops->changed(device, device->userdata);
}

/* A resize that the process before this one did not live to end. */
static void catch_up_size(struct disk_work *work)
{
	struct map_device *device = work->device;
	const struct unit_limits *limits = &device->view.unit.limits;
	uint64_t size_bytes;

	if (disk_size(device->disk, &size_bytes) < 0 ||
	    size_bytes == limits->blocks * limits->block_size)
		return;
	if (disk_resize(device->disk, limits->blocks) < 0)
		log_warning("map %s: its device has another size than its unit: %s",
			    device->view.name, disk_last_step());
}

/* Set-up failed half-way: what was prepared is served already and must be stopped there. */
static void expose_undone(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	disk_free(work->device->disk);
	work->device->disk = NULL;
	expose_end(work);
}

static void disk_stopped(struct disk *disk, void *userdata)
{
	job_done(userdata);
}

static void disk_stop_work(struct job *job)
{
	disk_stop(disk_work_of(job)->device->disk, disk_stopped, job);
}

static void partitions_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	/* Without them the device is of use all the same. */
	if (disk_scan_partitions(work->device->disk) < 0)
		text_copy(work->step, sizeof(work->step), disk_last_step());
	job_done(job);
}

static void partitions_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	if (work->step[0])
		log_warning("map %s: cannot %s", work->device->view.name, work->step);
	expose_end(work);
}

/* Only now, when the device outlives us, may we wait for the unit: see disk_scan_partitions(). */
static void went_live(struct disk_work *work)
{
	struct map_device *device = work->device;

	text_copy(device->view.device, sizeof(device->view.device), disk_node(device->disk)->path);
	device->view.major = disk_node(device->disk)->major;
	device->view.minor = disk_node(device->disk)->minor;
	device->view.backing = disk_node(device->disk)->backing;
	device->resumed = disk_resumed(device->disk);
	device->ops->live(device, device->userdata);
	if (work->adopted)
		expose_end(work);
	else
		disk_work_next(work, true, partitions_work, partitions_finished);
}

static void live_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	int r = disk_go_live(work->device->disk);

	if (r < 0)
		disk_work_failed(work, r);
	else if (work->adopted)
		catch_up_size(work);
	job_done(job);
}

static void live_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	if (work->error < 0)
		disk_work_next(work, false, disk_stop_work, expose_undone);
	else
		went_live(work);
}

static void serve_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	int r = disk_serve(work->device->disk, worker_ring(work->device->worker));

	if (r < 0)
		disk_work_failed(work, r);
	job_done(job);
}

static void serve_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	if (work->error < 0)
		expose_undone(job);
	else
		disk_work_next(work, true, live_work, live_finished);
}

static void prepare_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	struct map_device *device = work->device;
	const struct disk_settings *settings = &device->disk_settings;
	const struct unit *unit = &device->view.unit;
	int r;

	if (work->adopted)
		r = disk_adopt(settings, device->map, unit, &work->node, work->fds, work->fd_count,
			       &device->disk);
	else
		r = disk_prepare(settings, device->map, unit, &device->disk);

	if (r < 0)
		disk_work_failed(work, r);
	job_done(job);
}

static void prepare_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	if (work->error < 0)
		expose_end(work);
	else
		disk_work_next(work, false, serve_work, serve_finished);
}

static struct disk_work *expose_begin(struct map_device *device)
{
	struct disk_work *work = calloc(1, sizeof(*work));

	if (!work) {
		device->stage = DISK_FAILED;
		device->disk_error = -ENOMEM;
		return NULL;
	}
	work->device = device;
	device->disk_work = work;
	device->stage = DISK_CREATING;
	return work;
}

void map_device_expose(struct map_device *device)
{
	struct disk_work *work;

	if (device->stage != DISK_NONE && device->stage != DISK_FAILED)
		return;
	work = expose_begin(device);
	if (work)
		disk_work_next(work, true, prepare_work, prepare_finished);
}

void map_device_adopt(struct map_device *device, const struct disk_node *node, const int *fds,
		      unsigned fd_count)
{
	struct disk_work *work = expose_begin(device);

	if (!work) {
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
		return;
	}
	work->adopted = true;
	work->node = device->adopted = *node;
	work->fd_count = fd_count;
	memcpy(work->fds, fds, fd_count * sizeof(*fds));
	disk_work_next(work, true, prepare_work, prepare_finished);
}

const struct disk_node *map_device_adopted_node(const struct map_device *device)
{
	return &device->adopted;
}

static void withdraw_begin(struct disk_work *work);

static void withdraw_end(struct disk_work *work)
{
	struct map_device *device = work->device;
	struct withdraw_waiter *waiter;

	if (work->error < 0 && work->insisted && !work->force) {
		work->error = 0;
		work->force = true;
		withdraw_begin(work);
		return;
	}
	device->disk_work = NULL;
	if (work->error < 0) {
		device->stage = DISK_LIVE;
	} else {
		device->stage = DISK_NONE;
		device->ops->withdrawn(device, device->userdata);
		device->view.device[0] = '\0';
		device->view.major = device->view.minor = 0;
	}
	/* The last of them may end the device. */
	while ((waiter = list_pop(&work->waiters, struct withdraw_waiter, link))) {
		waiter->done(device, work->error, waiter->userdata);
		free(waiter);
	}
	free(work);
}

static void withdraw_stopped(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	disk_free(work->device->disk);
	work->device->disk = NULL;
	withdraw_end(work);
}

static void withdraw_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	int r = disk_remove(work->device->disk, work->force);

	if (r < 0)
		disk_work_failed(work, r);
	job_done(job);
}

static void withdraw_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);

	if (work->error < 0)
		withdraw_end(work);
	else
		disk_work_next(work, false, disk_stop_work, withdraw_stopped);
}

/* By force nothing may wait for a path that will not come: queued requests fail first. */
static void fail_all_work(struct job *job)
{
	map_fail_all(disk_work_of(job)->device->map, -EIO);
	job_done(job);
}

static void fail_all_finished(struct job *job)
{
	disk_work_next(disk_work_of(job), true, withdraw_work, withdraw_finished);
}

static void withdraw_begin(struct disk_work *work)
{
	work->device->stage = DISK_REMOVING;
	if (work->force)
		disk_work_next(work, false, fail_all_work, fail_all_finished);
	else
		disk_work_next(work, true, withdraw_work, withdraw_finished);
}

/* Behind the back of what is under way, which may wait for a request that cannot end otherwise. */
struct give_up {
	struct job job;
	struct map *map;
};

static void give_up_work(struct job *job)
{
	map_fail_all(container_of(job, struct give_up, job)->map, -EIO);
	job_done(job);
}

static void give_up_finished(struct job *job)
{
	free(container_of(job, struct give_up, job));
}

void map_device_give_up(struct map_device *device)
{
	struct give_up *work = calloc(1, sizeof(*work));

	if (!work)
		return;
	work->map = device->map;
	work->job.work = give_up_work;
	work->job.finished = give_up_finished;
	job_send(&work->job, worker_mailbox(device->worker), device->home);
}

/* Something is under way: a resize, after which it is taken away, or this very thing. */
static void withdraw_later(struct disk_work *work, bool force)
{
	struct map_device *device = work->device;

	if (device->stage == DISK_RESIZING) {
		work->withdraw = true;
		work->force |= force;
	}
	if (!force || work->insisted)
		return;
	work->insisted = true;
	map_device_give_up(device);
}

void map_device_withdraw(struct map_device *device, bool force,
			 void (*done)(struct map_device *device, int error, void *userdata),
			 void *userdata)
{
	struct withdraw_waiter *waiter;
	struct disk_work *work;

	if (device->stage == DISK_NONE || device->stage == DISK_FAILED) {
		done(device, 0, userdata);
		return;
	}
	if (device->stage == DISK_CREATING) {
		done(device, -EBUSY, userdata);
		return;
	}
	waiter = calloc(1, sizeof(*waiter));
	work = device->disk_work ? device->disk_work : calloc(1, sizeof(*work));
	if (!waiter || !work) {
		free(waiter);
		done(device, -ENOMEM, userdata);
		return;
	}
	waiter->done = done;
	waiter->userdata = userdata;
	if (device->disk_work) {
		list_append(&work->waiters, &waiter->link);
		withdraw_later(work, force);
		return;
	}
	work->device = device;
	work->force = force;
	list_init(&work->waiters);
	list_append(&work->waiters, &waiter->link);
	device->disk_work = work;
	withdraw_begin(work);
}

/* --- another size --- */

/* The map counts in blocks of its unit, and waits for nobody. */
struct new_limits {
	struct job job;
	struct map *map;
	uint64_t blocks;
};

static void new_limits_work(struct job *job)
{
	struct new_limits *work = container_of(job, struct new_limits, job);
	struct unit_limits limits = map_unit(work->map)->limits;

	limits.blocks = work->blocks;
	map_set_limits(work->map, &limits);
	job_done(job);
}

static void new_limits_finished(struct job *job)
{
	free(container_of(job, struct new_limits, job));
}

static void set_blocks(struct map_device *device, uint64_t blocks)
{
	struct new_limits *work = calloc(1, sizeof(*work));

	device->view.unit.limits.blocks = blocks;
	if (!work)
		return;
	work->map = device->map;
	work->blocks = blocks;
	work->job.work = new_limits_work;
	work->job.finished = new_limits_finished;
	job_send(&work->job, worker_mailbox(device->worker), device->home);
}

static void resize_end(struct disk_work *work)
{
	struct map_device *device = work->device;
	uint64_t old_blocks = device->view.unit.limits.blocks;

	if (work->error == 0)
		set_blocks(device, work->blocks);
	device->resize_blocks = 0;
	device->disk_work = NULL;
	device->stage = DISK_LIVE;
	device->ops->resized(device, old_blocks, work->error, work->step, device->userdata);
	device->ops->changed(device, device->userdata);
}

static void resize_finished(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	struct map_device *device = work->device;

	if (work->withdraw) {
		/* It is taken away: its size does not matter any more. */
		work->error = 0;
		device->resize_blocks = 0;
		withdraw_begin(work);
		return;
	}
	resize_end(work);
	free(work);
}

static void resize_work(struct job *job)
{
	struct disk_work *work = disk_work_of(job);
	int r = disk_resize(work->device->disk, work->blocks);

	if (r < 0)
		disk_work_failed(work, r);
	job_done(job);
}

void map_device_resize(struct map_device *device, uint64_t blocks)
{
	struct disk_work *work;
	uint64_t old_blocks = device->view.unit.limits.blocks;

	if (device->stage == DISK_NONE || device->stage == DISK_FAILED) {
		set_blocks(device, blocks);
		device->ops->resized(device, old_blocks, 0, "", device->userdata);
		return;
	}
	if (device->disk_work)
		return;
	work = calloc(1, sizeof(*work));
	if (!work)
		return; /* looked at again */
	work->device = device;
	work->blocks = device->resize_blocks = blocks;
	list_init(&work->waiters);
	device->disk_work = work;
	device->stage = DISK_RESIZING;
	if (blocks > old_blocks)
		device->ops->growing(device, device->userdata);
	disk_work_next(work, true, resize_work, resize_finished);
}

void map_device_holders(const struct map_device *device, char *text, size_t size_bytes)
{
	text[0] = '\0';
	if (device->stage == DISK_LIVE || device->stage == DISK_RESIZING)
		disk_holders(device->disk, text, size_bytes);
}
