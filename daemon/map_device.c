/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/map_device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/clock.h"
#include "daemon/job.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "iscsi/session.h"
#include "scsi/nexus.h"
#include "scsi/probe.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

/* What happened on the worker, on its way to the control thread. */
struct map_event {
	struct mail mail;
	void (*apply)(struct map_event *event);
	struct map_device *device;
	struct map_path *path;
	int from, to;
	uint8_t asc, ascq;
	int severity;
	const char *id;
	char text[160];
};

static void map_event_deliver(struct mail *mail)
{
	struct map_event *event = container_of(mail, struct map_event, mail);

	event->apply(event);
	free(event);
}

static void map_event_post(const struct map_event *template)
{
	struct map_event *event = malloc(sizeof(*event));

	if (!event) {
		log_error("no memory to report what happened to a map");
		return;
	}
	*event = *template;
	event->mail.deliver = map_event_deliver;
	mailbox_post(event->device->home, &event->mail);
}

static void apply_path_state(struct map_event *event)
{
	struct path_view *view = &event->path->view;

	view->state = (enum path_state)event->to;
	view->since_us = clock_realtime_us();
	text_copy(view->state_reason, sizeof(view->state_reason), event->text);
	event->device->ops->path_changed(event->path, (enum path_state)event->from,
					 event->device->userdata);
}

static void apply_map_state(struct map_event *event)
{
	event->device->view.state = (enum map_state)event->to;
	event->device->view.since_us = clock_realtime_us();
	event->device->ops->changed(event->device, event->device->userdata);
}

static void apply_attention(struct map_event *event)
{
	event->device->ops->attention(event->path, event->asc, event->ascq,
				      event->device->userdata);
}

static void apply_event(struct map_event *event)
{
	event->device->ops->event(event->device, event->severity, event->id, event->text,
				  event->device->userdata);
}

/* Observers: on the worker. */

static void on_path_changed(struct map *map, struct path *path, enum path_state from,
			    const char *reason, void *userdata)
{
	struct map_event event = {
		.apply = apply_path_state,
		.device = userdata,
		.path = path_userdata(path),
		.from = from,
		.to = path_get_state(path),
	};

	text_copy(event.text, sizeof(event.text), reason ? reason : "");
	map_event_post(&event);
}

static void on_map_changed(struct map *map, enum map_state from, void *userdata)
{
	map_event_post(&(struct map_event){
		.apply = apply_map_state,
		.device = userdata,
		.to = map_get_state(map),
	});
}

static void on_attention(struct map *map, struct path *path, uint8_t asc, uint8_t ascq,
			 void *userdata)
{
	map_event_post(&(struct map_event){
		.apply = apply_attention,
		.device = userdata,
		.path = path_userdata(path),
		.asc = asc,
		.ascq = ascq,
	});
}

static void on_deferred_error(struct map *map, struct path *path, uint8_t key, uint8_t asc,
			      uint8_t ascq, void *userdata)
{
	struct map_event event = {
		.apply = apply_event,
		.device = userdata,
		.severity = LOG_CRIT,
		.id = "deferred-error",
	};

	snprintf(event.text, sizeof(event.text),
		 "the unit lost a write that it had acknowledged (sense %x/%02x/%02x); the next "
		 "flush fails",
		 key, asc, ascq);
	map_event_post(&event);
}

static void on_guard_expired(struct map *map, unsigned writes, void *userdata)
{
	struct map_event event = {
		.apply = apply_event,
		.device = userdata,
		.severity = LOG_ERR,
		.id = "guard-expired",
	};

	snprintf(event.text, sizeof(event.text),
		 "%u writes in doubt go on although their old path was never fenced", writes);
	map_event_post(&event);
}

static const struct map_observer device_observer = {
	.path_changed = on_path_changed,
	.map_changed = on_map_changed,
	.attention = on_attention,
	.deferred_error = on_deferred_error,
	.guard_expired = on_guard_expired,
};

int map_device_new(struct worker *worker, struct mailbox *home, const char *name,
		   const struct unit *unit, const struct map_settings *map_settings,
		   const struct disk_settings *disk_settings, const struct map_device_ops *ops,
		   void *userdata, struct map_device **ret)
{
	struct map_device *device = calloc(1, sizeof(*device));
	const char *wwid = unit->identity.wwid;
	int r;

	if (!device)
		return -ENOMEM;
	device->worker = worker;
	device->home = home;
	device->ops = ops;
	device->userdata = userdata;
	device->disk_settings = *disk_settings;
	device->view.id = text_hash((const char *[]){"map", wwid}, 2);
	device->view.unit = *unit;
	device->view.no_path_retry_ms = map_settings->no_path_retry_ms;
	device->view.state = MAP_NO_PATH_QUEUEING;
	device->view.since_us = clock_realtime_us();
	text_copy(device->view.name, sizeof(device->view.name), name);
	text_copy(device->view.selector, sizeof(device->view.selector), map_settings->selector);
	list_init(&device->view.link);
	list_init(&device->view.paths);
	/* Only memory is touched here: the map does nothing before the first job reaches it. */
	r = map_new(worker_ring(worker), unit, map_settings, &device_observer, device,
		    &device->map);
	if (r < 0) {
		free(device);
		return r;
	}
	*ret = device;
	return 0;
}

/* The last job of a device: its map ends where it lived. */
struct map_end {
	struct job job;
	struct map_device *device;
};

static void map_end_work(struct job *job)
{
	map_free(container_of(job, struct map_end, job)->device->map);
	job_done(job);
}

static void map_end_finished(struct job *job)
{
	struct map_end *end = container_of(job, struct map_end, job);

	free(end->device);
	free(end);
}

void map_device_free(struct map_device *device)
{
	struct map_end *end;

	if (!device)
		return;
	assert(list_empty(&device->view.paths) && !device->disk && !device->disk_work);
	end = calloc(1, sizeof(*end));
	if (!end)
		return; /* better a lost map than one freed under its worker */
	end->device = device;
	end->job.work = map_end_work;
	end->job.finished = map_end_finished;
	job_send(&end->job, worker_mailbox(device->worker), device->home);
}

/* Paths: every call is one small job, and jobs keep their order. */

struct path_call {
	struct job job;
	struct map_path *path;
	struct session *session; /* to add */
	char reason[160];
	int error;
};

static void path_call_free(struct job *job)
{
	free(container_of(job, struct path_call, job));
}

static void path_call_send(struct map_path *path, void (*work)(struct job *job),
			   void (*finished)(struct job *job), struct session *session,
			   const char *reason)
{
	struct path_call *call = calloc(1, sizeof(*call));

	if (!call) {
		log_error("no memory to tell a map about its path");
		return;
	}
	call->path = path;
	call->session = session;
	text_copy(call->reason, sizeof(call->reason), reason ? reason : "");
	call->job.work = work;
	call->job.finished = finished;
	job_send(&call->job, worker_mailbox(path->device->worker), path->device->home);
}

static void path_add_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct map_path *path = call->path;

	call->error = session_unit(call->session, path->view.lun, &path->nexus);
	if (call->error == 0)
		call->error = map_add_path(path->device->map, path->nexus, path, &path->path);
	if (call->error == 0 && path->nexus->up)
		path_verified(path->path);
	else if (call->error == 0)
		path_lost(path->path, "the session went down meanwhile");
	job_done(job);
}

static void path_add_failed(struct map_path *path, int error)
{
	enum path_state from = path->view.state;

	path->view.state = PATH_FAILED;
	snprintf(path->view.state_reason, sizeof(path->view.state_reason),
		 "it could not be added: %s", strerror(-error));
	path->device->ops->path_changed(path, from, path->device->userdata);
}

static void path_add_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->error < 0)
		path_add_failed(call->path, call->error);
	free(call);
}

int map_device_add_path(struct map_device *device, struct session_view *session,
			struct session_host *host, uint64_t lun, struct map_path **ret)
{
	struct map_path *path = calloc(1, sizeof(*path));
	char sid[16], number[32];

	if (!path)
		return -ENOMEM;
	path->device = device;
	path->view.map = &device->view;
	path->view.session = session;
	path->view.lun = lun;
	path->view.lun_number = lun_number(lun);
	path->view.state = PATH_PENDING;
	path->view.since_us = clock_realtime_us();
	snprintf(sid, sizeof(sid), "%u", session->sid);
	snprintf(number, sizeof(number), "%016llx", (unsigned long long)lun);
	path->view.id =
		text_hash((const char *[]){"path", device->view.unit.identity.wwid, session->target,
					   session->persistent_address, sid, number},
			  6);
	list_append(&device->view.paths, &path->view.link);
	path_call_send(path, path_add_work, path_add_finished, session_host_session(host), NULL);
	*ret = path;
	return 0;
}

static void path_verified_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	/* The session may have gone down again since it was looked at. */
	if (call->path->path && call->path->nexus->up)
		path_verified(call->path->path);
	job_done(job);
}

void map_path_verified(struct map_path *path)
{
	path_call_send(path, path_verified_work, path_call_free, NULL, NULL);
}

static void path_lost_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_lost(call->path->path, call->reason);
	job_done(job);
}

void map_path_lost(struct map_path *path, const char *reason)
{
	path_call_send(path, path_lost_work, path_call_free, NULL, reason);
}

static void path_quarantine_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_quarantine(call->path->path, call->reason);
	job_done(job);
}

void map_path_quarantine(struct map_path *path, const char *reason)
{
	path_call_send(path, path_quarantine_work, path_call_free, NULL, reason);
}

static void path_fenced_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_fenced(call->path->path);
	job_done(job);
}

void map_path_fenced(struct map_path *path)
{
	path_call_send(path, path_fenced_work, path_call_free, NULL, NULL);
}

static void path_remove_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		map_remove_path(call->path->device->map, call->path->path);
	call->path->path = NULL;
	job_done(job);
}

static void path_remove_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct map_path *path = call->path;

	list_remove(&path->view.link);
	path->device->ops->path_removed(path, path->device->userdata);
	free(path);
	free(call);
}

void map_path_remove(struct map_path *path)
{
	if (path->leaving)
		return;
	path->leaving = true;
	path_call_send(path, path_remove_work, path_remove_finished, NULL, NULL);
}

/* The block device: steps that take turns on a thread of their own and on the worker. */

struct disk_work {
	struct job job;
	struct map_device *device;
	int error;
	char step[64];
	bool force;
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

static void expose_end(struct disk_work *work)
{
	struct map_device *device = work->device;

	device->disk_work = NULL;
	device->disk_error = work->error;
	if (work->error < 0) {
		device->stage = DISK_FAILED;
		log_error("map %s: no block device: %s: %s", device->view.name, work->step,
			  strerror(-work->error));
	} else {
		device->stage = DISK_LIVE;
		text_copy(device->view.device, sizeof(device->view.device),
			  disk_device(device->disk));
		disk_device_number(device->disk, &device->view.major, &device->view.minor);
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
		expose_end(work);
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
	int r = disk_prepare(&device->disk_settings, device->map, &device->view.unit,
			     &device->disk);

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

void map_device_expose(struct map_device *device)
{
	struct disk_work *work;

	if (device->stage != DISK_NONE && device->stage != DISK_FAILED)
		return;
	work = calloc(1, sizeof(*work));
	if (!work) {
		device->stage = DISK_FAILED;
		device->disk_error = -ENOMEM;
		return;
	}
	work->device = device;
	device->disk_work = work;
	device->stage = DISK_CREATING;
	disk_work_next(work, true, prepare_work, prepare_finished);
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
