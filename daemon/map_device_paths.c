/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The paths of a map: every call is one small job on its worker, and jobs keep their order. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/job.h"
#include "daemon/map_device.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "iscsi/session.h"
#include "multipath/path_state.h"
#include "scsi/nexus.h"
#include "scsi/probe.h"
#include "util/log.h"
#include "util/text.h"

struct path_call {
	struct job job;
	struct map_path *path;
	struct session *session; /* to add */
	struct path_port port;
	char reason[160];
	bool held, settled;
	unsigned verifications; /* when this was asked */
	uint32_t doubts;	/* that who verified it knew of */
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
	call->held = path->device->held || path->withheld || path->waits;
	call->port = path->port;
	call->doubts = path->doubts;
	call->verifications = path->verifications;
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
	if (call->error == 0) {
		path_set_weight(path->path, path->weight);
		path_set_port(path->path, &call->port);
	}
	if (call->error == 0 && path->nexus->up && !call->held)
		path_verified(path->path);
	else if (call->error == 0 && !path->nexus->up)
		path_lost(path->path, "the session went down meanwhile");
	job_done(job);
}

static void path_add_failed(struct map_path *path, int error)
{
	enum path_state from = path->view.state;

	path->view.state = PATH_FAILED;
	snprintf(path->view.state_reason, sizeof(path->view.state_reason),
		 "it could not be added: %s", strerror(-error));
	path->device->ops->path_changed(path, from, 0, path->device->userdata);
}

static void path_add_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->error < 0)
		path_add_failed(call->path, call->error);
	free(call);
}

void map_path_set_port(struct map_path *path, const struct unit_limits *limits)
{
	path->port = (struct path_port){
		.target = text_hash((const char *[]){path->view.session->target}, 1),
		.group = limits->target_port_group,
		.relative = limits->relative_target_port,
		.tpgs = limits->tpgs,
		.seen = (enum access_state)limits->access,
	};
}

int map_device_add_path(struct map_device *device, struct session_view *session,
			struct session_host *host, uint64_t lun, unsigned weight,
			const struct unit_limits *limits, bool waits, struct map_path **ret)
{
	struct map_path *path = calloc(1, sizeof(*path));
	char sid[16], number[32];

	if (!path)
		return -ENOMEM;
	path->device = device;
	path->weight = weight;
	path->view.map = &device->view;
	path->view.session = session;
	path->view.lun = lun;
	path->view.lun_number = lun_number(lun);
	path->view.state = PATH_VERIFY;
	map_path_set_port(path, limits);
	path->verified_held = device->held && !waits;
	path->waits = waits;
	path->view.since_us = clock_realtime_us();
	snprintf(sid, sizeof(sid), "%u", session->sid);
	snprintf(number, sizeof(number), "%016llx", (unsigned long long)lun);
	path->view.id =
		text_hash((const char *[]){"path", device->view.unit.identity.wwid, session->target,
					   session->persistent_address, sid, number},
			  6);
	list_append(&device->view.paths, &path->view.link);
	path->withheld = !device->held && !device->ops->may_carry(path, device->userdata);
	device->ops->save(device, device->userdata);
	path_call_send(path, path_add_work, path_add_finished, session_host_session(host), NULL);
	*ret = path;
	return 0;
}

static void path_verified_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	/*
	 * The session may have gone down again since it was looked at, or the unit may have said
	 * that it is another.
	 */
	if (call->path->path && call->path->nexus->doubts != call->doubts) {
		call->error = -ESTALE;
	} else if (call->path->path && call->path->nexus->up) {
		path_set_port(call->path->path, &call->port);
		path_verified(call->path->path);
	}
	job_done(job);
}

static void path_verified_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct map_path *path = call->path;

	if (call->error == -ESTALE && !path->leaving)
		path->device->ops->path_doubted(path, path->device->userdata);
	free(call);
}

/* It is about to carry I/O again. */
static void path_unsettle(struct map_path *path)
{
	path->verifications++;
	if (!path->settled)
		return;
	path->settled = false;
	path->device->ops->save(path->device, path->device->userdata);
}

void map_path_verified(struct map_path *path, uint32_t doubts)
{
	path->doubts = doubts;
	if (path->device->held) {
		path->verified_held = true;
		return;
	}
	if (path->device->ops->may_carry(path, path->device->userdata))
		map_path_admit(path);
}

void map_path_admit(struct map_path *path)
{
	path->withheld = false;
	if (path->waits)
		return; /* it is verified when that is over */
	path_unsettle(path);
	path_call_send(path, path_verified_work, path_verified_finished, NULL, NULL);
}

static void path_doubt_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_doubt_identity(call->path->path, call->reason);
	job_done(job);
}

void map_path_doubt(struct map_path *path, const char *reason)
{
	path->verified_held = false;
	path_call_send(path, path_doubt_work, path_call_free, NULL, reason);
}

static void path_suspend_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_suspend(call->path->path, call->reason);
	job_done(job);
}

void map_path_suspend(struct map_path *path, const char *reason)
{
	path_call_send(path, path_suspend_work, path_call_free, NULL, reason);
}

static void path_settled_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct map_path *path = call->path;

	call->settled = !path->path || (!path_state_carries(path_get_state(path->path)) &&
					!path->nexus->up && path_in_doubt(path->path) == 0);
	job_done(job);
}

static void path_settled_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct map_path *path = call->path;

	path->asked_settled = false;
	/* A path that was verified since the question is used by now. */
	if (call->settled && !path->leaving && !path_state_carries(path->view.state) &&
	    call->verifications == path->verifications) {
		path->settled = true;
		path->device->ops->save(path->device, path->device->userdata);
	}
	free(call);
}

void map_path_ask_settled(struct map_path *path)
{
	if (path->asked_settled || path->leaving)
		return;
	path->asked_settled = true;
	path_call_send(path, path_settled_work, path_settled_finished, NULL, NULL);
}

static void path_lost_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_lost(call->path->path, call->reason);
	job_done(job);
}

void map_device_hold(struct map_device *device)
{
	device->held = true;
}

void map_device_release(struct map_device *device)
{
	struct path_view *view;

	device->held = false;
	list_for_each (view, &device->view.paths, link) {
		struct map_path *path = container_of(view, struct map_path, view);

		if (path->verified_held)
			map_path_verified(path, path->doubts);
		path->verified_held = false;
	}
}

void map_path_lost(struct map_path *path, const char *reason)
{
	path->verified_held = false;
	path_call_send(path, path_lost_work, path_call_free, NULL, reason);
}

static void path_unmapped_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->path->path)
		path_unmapped(call->path->path, call->reason);
	job_done(job);
}

void map_path_unmapped(struct map_path *path, const char *reason)
{
	path_call_send(path, path_unmapped_work, path_call_free, NULL, reason);
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

static void path_remove_idle_work(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);
	struct path *path = call->path->path;

	if (path && path_get_statistics(path)->in_flight > 0) {
		call->error = -EBUSY;
		job_done(job);
		return;
	}
	/* Nothing of it is at the target: no write waits for its nexus to end. */
	if (path)
		path_fenced(path);
	path_remove_work(job);
}

static void path_remove_idle_finished(struct job *job)
{
	struct path_call *call = container_of(job, struct path_call, job);

	if (call->error == 0) {
		path_remove_finished(job);
		return;
	}
	call->path->leaving = false;
	free(call);
}

void map_path_remove_idle(struct map_path *path)
{
	if (path->leaving)
		return;
	path->leaving = true;
	path_call_send(path, path_remove_idle_work, path_remove_idle_finished, NULL, NULL);
}

/* Its path groups. */

struct group_call {
	struct job job;
	struct map_device *device;
	unsigned number;
	int error;
	void (*done)(struct map_device *device, int error, void *userdata);
	void *userdata;
};

static void group_call_finished(struct job *job)
{
	struct group_call *call = container_of(job, struct group_call, job);

	if (call->done)
		call->done(call->device, call->error, call->userdata);
	free(call);
}

static int group_call_send(struct group_call call, void (*work)(struct job *job))
{
	struct group_call *sent = malloc(sizeof(*sent));

	if (!sent)
		return -ENOMEM;
	*sent = call;
	sent->job = (struct job){.work = work, .finished = group_call_finished};
	job_send(&sent->job, worker_mailbox(call.device->worker), call.device->home);
	return 0;
}

static void ask_access_work(struct job *job)
{
	map_ask_access(container_of(job, struct group_call, job)->device->map);
	job_done(job);
}

void map_device_ask_access(struct map_device *device)
{
	if (group_call_send((struct group_call){.device = device}, ask_access_work) < 0)
		log_error("no memory to ask for the states of port groups");
}

static void switch_group_work(struct job *job)
{
	struct group_call *call = container_of(job, struct group_call, job);
	struct map *map = call->device->map;

	call->error = call->number ? map_switch_group(map, call->number) : map_failback(map);
	job_done(job);
}

int map_device_switch_group(struct map_device *device, unsigned number,
			    void (*done)(struct map_device *device, int error, void *userdata),
			    void *userdata)
{
	return group_call_send(
		(struct group_call){
			.device = device, .number = number, .done = done, .userdata = userdata},
		switch_group_work);
}
