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
	bool adopted;
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

static void withdraw_end(struct disk_work *work)
{
	struct map_device *device = work->device;
	struct withdraw_waiter *waiter;

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
		return;
	}
	work->device = device;
	work->force = force;
	list_init(&work->waiters);
	list_append(&work->waiters, &waiter->link);
	device->disk_work = work;
	device->stage = DISK_REMOVING;
	if (force)
		disk_work_next(work, false, fail_all_work, fail_all_finished);
	else
		disk_work_next(work, true, withdraw_work, withdraw_finished);
}

void map_device_holders(const struct map_device *device, char *text, size_t size_bytes)
{
	text[0] = '\0';
	if (device->stage == DISK_LIVE)
		disk_holders(device->disk, text, size_bytes);
}
