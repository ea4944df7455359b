/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Counters live where they are counted, on the workers; here they are fetched into the views. */

#include <errno.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/manager_private.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "util/cleanup.h"

struct session_sample {
	uint32_t sid;
	struct session *session;
	struct session_statistics statistics;
};

struct path_sample {
	object_id id;
	struct map_path *path;
	struct path_statistics statistics;
};

struct map_sample {
	object_id id;
	struct map *map;
	struct guard_statistics guard;
};

/* One worker's share. */
struct sampling {
	struct job job;
	struct sampling_round *round;
	size_t session_count, path_count, map_count;
	struct session_sample *sessions;
	struct path_sample *paths;
	struct map_sample *maps;
};

struct sampling_round {
	struct manager *manager;
	unsigned pending;
	manager_done *done;
	void *userdata;
};

static void sampling_work(struct job *job)
{
	struct sampling *sampling = container_of(job, struct sampling, job);

	for (size_t i = 0; i < sampling->session_count; i++)
		sampling->sessions[i].statistics =
			*session_get_statistics(sampling->sessions[i].session);
	for (size_t i = 0; i < sampling->path_count; i++)
		if (sampling->paths[i].path->path)
			sampling->paths[i].statistics =
				*path_get_statistics(sampling->paths[i].path->path);
	for (size_t i = 0; i < sampling->map_count; i++)
		map_get_guard_statistics(sampling->maps[i].map, &sampling->maps[i].guard);
	job_done(job);
}

static void round_end(struct sampling_round *round)
{
	struct error none = ERROR_INIT;

	if (--round->pending)
		return;
	round->done(&none, round->userdata);
	free(round);
}

static void sampling_free(struct sampling *sampling)
{
	free(sampling->sessions);
	free(sampling->paths);
	free(sampling->maps);
	free(sampling);
}

static void sampling_finished(struct job *job)
{
	struct sampling *sampling = container_of(job, struct sampling, job);
	struct manager *manager = sampling->round->manager;

	/* By name: a session or path may have gone meanwhile. */
	for (size_t i = 0; i < sampling->session_count; i++) {
		struct session_view *view =
			manager_find_session(manager, sampling->sessions[i].sid);

		if (view)
			view->statistics = sampling->sessions[i].statistics;
	}
	for (size_t i = 0; i < sampling->path_count; i++) {
		struct path_view *view = manager_find_path(manager, sampling->paths[i].id);

		if (view)
			view->statistics = sampling->paths[i].statistics;
	}
	for (size_t i = 0; i < sampling->map_count; i++) {
		struct map_view *view = manager_find_map(manager, sampling->maps[i].id);

		if (view)
			view->guard = sampling->maps[i].guard;
	}
	round_end(sampling->round);
	sampling_free(sampling);
}

static void collect(struct sampling *sampling, struct manager *manager, struct worker *worker)
{
	struct session_view *session;
	struct map_view *map;
	struct path_view *path;

	list_for_each (session, &manager->sessions, link) {
		struct session_host *host = supervisor_of(session)->host;

		if (session_host_worker(host) != worker)
			continue;
		sampling->sessions[sampling->session_count++] = (struct session_sample){
			.sid = session->sid,
			.session = session_host_session(host),
		};
	}
	list_for_each (map, &manager->maps, link) {
		if (device_of(map)->worker != worker)
			continue;
		sampling->maps[sampling->map_count++] = (struct map_sample){
			.id = map->id,
			.map = device_of(map)->map,
		};
		list_for_each (path, &map->paths, link)
			sampling->paths[sampling->path_count++] = (struct path_sample){
				.id = path->id,
				.path = map_path_of(path),
			};
	}
}

static int sample_worker(struct sampling_round *round, struct worker *worker, size_t sessions,
			 size_t paths, size_t maps)
{
	struct sampling *sampling = calloc(1, sizeof(*sampling));

	if (!sampling)
		return -ENOMEM;
	sampling->round = round;
	sampling->sessions = calloc(sessions + 1, sizeof(*sampling->sessions));
	sampling->paths = calloc(paths + 1, sizeof(*sampling->paths));
	sampling->maps = calloc(maps + 1, sizeof(*sampling->maps));
	if (!sampling->sessions || !sampling->paths || !sampling->maps) {
		sampling_free(sampling);
		return -ENOMEM;
	}
	collect(sampling, round->manager, worker);
	sampling->job.work = sampling_work;
	sampling->job.finished = sampling_finished;
	round->pending++;
	job_send(&sampling->job, worker_mailbox(worker), round->manager->home);
	return 0;
}

void manager_refresh_statistics(struct manager *manager, manager_done *done, void *userdata)
{
	struct sampling_round *round = calloc(1, sizeof(*round));
	owned_error struct error error = ERROR_INIT;
	size_t sessions = 0, paths = 0, maps = 0;
	struct session_view *session;
	struct map_view *map;
	struct path_view *path;

	if (!round) {
		error_set(&error, ERROR_NO_MEMORY, "no memory");
		done(&error, userdata);
		return;
	}
	list_for_each (session, &manager->sessions, link)
		sessions++;
	list_for_each (map, &manager->maps, link) {
		maps++;
		list_for_each (path, &map->paths, link)
			paths++;
	}
	round->manager = manager;
	round->done = done;
	round->userdata = userdata;
	round->pending = 1;
	for (unsigned i = 0; i < manager->worker_count; i++)
		sample_worker(round, manager->workers[i], sessions, paths, maps);
	round_end(round);
}
