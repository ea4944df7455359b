/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/fence_session.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/job.h"
#include "daemon/login_job.h"
#include "daemon/map_device.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "scsi/probe.h"
#include "util/log.h"

/* One path of the lost session. */
struct fence_unit {
	struct fence_session *fence;
	struct map_path *path;
	struct nexus *nexus;
	struct unit unit; /* that should be there */
	bool fenced;
};

struct fence_session {
	struct session_host *host;
	struct session_view *lost;
	void (*done)(bool fenced, void *userdata);
	void *userdata;
	bool attached, climbing, cancelled;
	bool pathless; /* nothing to climb for: the login was all there is to do */

	struct job climb; /* the worker's while climbing */
	size_t pending;	  /* there */
	size_t count;
	struct fence_unit *units;
};

static void fence_over(struct fence_session *fence)
{
	bool fenced = (fence->count > 0 || fence->pathless) && !fence->cancelled;

	if (fence->attached || fence->climbing)
		return;
	for (size_t i = 0; i < fence->count; i++)
		fenced = fenced && fence->units[i].fenced;
	session_host_free(fence->host);
	fence->done(fenced, fence->userdata);
	free(fence->units);
	free(fence);
}

/* --- on the worker --- */

static void one_less(struct fence_session *fence)
{
	if (--fence->pending == 0)
		job_done(&fence->climb);
}

static void unit_fenced(struct path *path, bool fenced, void *userdata)
{
	struct fence_unit *unit = userdata;

	unit->fenced = fenced;
	one_less(unit->fence);
}

static void unit_climb(struct fence_unit *unit)
{
	path_fence(unit->path->path, unit->nexus, unit_fenced, unit);
}

/* What another unit would be told in place of ours must not be a reset. */
static void unit_probed(enum probe_verdict verdict, const struct unit *found, const char *text,
			void *userdata)
{
	struct fence_unit *unit = userdata;

	if (verdict == PROBE_FOUND && unit_identity_equal(&found->identity, &unit->unit.identity) &&
	    unit->path->path)
		unit_climb(unit);
	else
		one_less(unit->fence);
}

static void unit_begin(struct fence_unit *unit)
{
	struct fence_session *fence = unit->fence;
	const struct unit_identity *identity = &unit->unit.identity;
	bool leaves = profile_of(identity->vendor, identity->product)->drain == PROFILE_LEAVES;
	struct probe *probe;

	if (!unit->path->path ||
	    session_unit(session_host_session(fence->host), unit->path->view.lun, &unit->nexus) < 0)
		one_less(fence);
	else if (!leaves)
		unit_climb(unit);
	else if (probe_start(unit->nexus, unit_probed, unit, &probe) < 0)
		one_less(fence);
}

static void climb_work(struct job *job)
{
	struct fence_session *fence = container_of(job, struct fence_session, climb);

	fence->pending = fence->count + 1;
	for (size_t i = 0; i < fence->count; i++)
		unit_begin(&fence->units[i]);
	one_less(fence);
}

/* --- on the control thread --- */

static void climbed(struct job *job)
{
	struct fence_session *fence = container_of(job, struct fence_session, climb);

	fence->climbing = false;
	if (fence->attached && session_host_logout(fence->host) < 0)
		log_error("session %u: no memory to log out what fenced it", fence->lost->sid);
	fence_over(fence);
}

static int collect_paths(struct fence_session *fence)
{
	struct unit_view *unit;
	size_t count = 0;

	list_for_each (unit, &fence->lost->units, link)
		count += unit->path != NULL;
	fence->units = calloc(count + 1, sizeof(*fence->units));
	if (!fence->units)
		return -ENOMEM;
	list_for_each (unit, &fence->lost->units, link) {
		if (!unit->path)
			continue;
		fence->units[fence->count++] = (struct fence_unit){
			.fence = fence,
			.path = container_of(unit->path, struct map_path, view),
			.unit = unit->path->map->unit,
		};
	}
	return 0;
}

static void on_attached(int error, void *userdata)
{
	struct fence_session *fence = userdata;

	fence->attached = error == 0;
	if (error == 0 && (fence->cancelled || collect_paths(fence) < 0)) {
		session_host_drop(fence->host, "not needed any more");
	} else if (error == 0 && fence->count == 0) {
		/* A daemon before this one had the session. */
		fence->pathless = true;
		session_host_drop(fence->host, "what it stood in for has ended");
	} else if (error == 0) {
		fence->climbing = true;
		fence->climb.work = climb_work;
		fence->climb.finished = climbed;
		job_send(&fence->climb, worker_mailbox(session_host_worker(fence->host)),
			 session_host_home(fence->host));
	}
	fence_over(fence);
}

static void on_lost(enum session_loss loss, int error, const char *text, unsigned wait_s,
		    void *userdata)
{
	struct fence_session *fence = userdata;

	fence->attached = false;
	fence_over(fence);
}

static void on_async_event(const struct async_message *message, void *userdata)
{
	/* Whatever it is, the session that comes back will hear of it. */
}

static const struct session_host_observer observer = {
	.lost = on_lost,
	.async_event = on_async_event,
};

int fence_session_start(struct worker *worker, struct mailbox *home,
			const struct session_settings *settings,
			const struct login_job_result *login, struct session_view *lost,
			void (*done)(bool fenced, void *userdata), void *userdata,
			struct fence_session **ret)
{
	struct fence_session *fence = calloc(1, sizeof(*fence));
	int r = fence ? session_host_new(worker, home, settings, &observer, fence, &fence->host)
		      : -ENOMEM;

	if (r < 0) {
		free(fence);
		close(login->fd);
		return r;
	}
	fence->lost = lost;
	fence->done = done;
	fence->userdata = userdata;
	r = session_host_attach(fence->host, login->fd, &login->negotiated, &login->outcome,
				login->early, login->early_bytes, on_attached);
	if (r < 0) {
		session_host_free(fence->host);
		free(fence);
		return r;
	}
	*ret = fence;
	return 0;
}

void fence_session_cancel(struct fence_session *fence)
{
	if (!fence || fence->cancelled)
		return;
	fence->cancelled = true;
	/* Without memory to say so it ends by itself, only later. */
	if (fence->attached)
		session_host_drop(fence->host, "not needed any more");
}
