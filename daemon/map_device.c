/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* A map as the control thread sees it: its life, and what its worker reports. */

#include "daemon/map_device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/event.h"
#include "daemon/job.h"
#include "daemon/worker.h"
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
	unsigned in_doubt;
	struct path_access access;
	unsigned active_group, group_count;
	uint8_t asc, ascq;
	struct event_facts facts; /* but its reason is @text */
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
	event->device->ops->path_changed(event->path, (enum path_state)event->from, event->in_doubt,
					 event->device->userdata);
}

static void apply_path_group(struct map_event *event)
{
	struct path_view *view = &event->path->view;
	struct map_view *map = &event->device->view;

	view->access = event->access;
	map->active_group = event->active_group;
	map->group_count = event->group_count;
	event->device->ops->path_changed(event->path, view->state, 0, event->device->userdata);
}

static void apply_map_state(struct map_event *event)
{
	event->device->view.state = (enum map_state)event->to;
	event->device->view.since_us = clock_realtime_us();
	event->device->ops->changed(event->device, event->device->userdata);
	event->device->ops->state_changed(event->device, (enum map_state)event->from,
					  event->device->userdata);
}

static void apply_attention(struct map_event *event)
{
	event->device->ops->attention(event->path, event->asc, event->ascq,
				      event->device->userdata);
}

static void apply_event(struct map_event *event)
{
	event->facts.reason = event->text;
	event->device->ops->event(event->device, &event->facts, event->device->userdata);
}

static void apply_conflict(struct map_event *event)
{
	event->device->ops->conflict(event->path, event->device->userdata);
}

static void apply_fence_wanted(struct map_event *event)
{
	apply_event(event);
	event->device->ops->fence_wanted(event->path, event->device->userdata);
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
		.in_doubt = path_in_doubt(path),
	};

	text_copy(event.text, sizeof(event.text), reason ? reason : "");
	map_event_post(&event);
}

static void on_map_changed(struct map *map, enum map_state from, void *userdata)
{
	map_event_post(&(struct map_event){
		.apply = apply_map_state,
		.device = userdata,
		.from = from,
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
		.facts = {.kind = EVENT_DEFERRED_ERROR, .numbers = {key, asc, ascq}},
	};

	snprintf(event.text, sizeof(event.text), "sense %x/%02x/%02x", key, asc, ascq);
	map_event_post(&event);
}

static void on_path_grouped(struct map *map, struct path *path, void *userdata)
{
	struct map_event event = {
		.apply = apply_path_group,
		.device = userdata,
		.path = path_userdata(path),
		.active_group = map_active_group(map),
		.group_count = map_group_count(map),
	};

	path_get_access(path, &event.access);
	map_event_post(&event);
}

static const char *words_for(enum access_state state)
{
	return state == ACCESS_UNKNOWN ? "unknown" : access_state_name(state);
}

static void on_access_changed(struct map *map, uint16_t id, enum access_state from,
			      enum access_state to, bool overdue, void *userdata)
{
	struct map_event event = {
		.apply = apply_event,
		.device = userdata,
		.facts = {.kind = EVENT_ACCESS_CHANGED,
			  .severity = from == ACCESS_UNKNOWN ? LOG_INFO : 0,
			  .verdicts = overdue ? VERDICT_FAILG : 0,
			  .state = words_for(to),
			  .from = words_for(from),
			  .numbers = {id}},
	};

	if (overdue)
		text_copy(event.text, sizeof(event.text),
			  "the transition takes too long, and is not waited for any more");
	map_event_post(&event);
}

static void on_activated(struct map *map, uint16_t id, int error, void *userdata)
{
	struct map_event event = {
		.apply = apply_event,
		.device = userdata,
		.facts = {.kind = error < 0 ? EVENT_ACTIVATION_FAILED : EVENT_GROUP_ACTIVATED,
			  .numbers = {id}},
	};

	if (error < 0)
		text_copy(event.text, sizeof(event.text), strerror(-error));
	map_event_post(&event);
}

static void on_guard_expired(struct map *map, unsigned ghosts, void *userdata)
{
	struct map_event event = {
		.apply = apply_event,
		.device = userdata,
		.facts = {.kind = EVENT_GUARD_EXPIRED, .doubt = DOUBT_OPEN, .numbers = {ghosts}},
	};

	map_event_post(&event);
}

static void on_fence_wanted(struct map *map, struct path *path, void *userdata)
{
	bool shared = ((struct map_device *)userdata)->view.integrity == INTEGRITY_SHARED;
	struct map_event event = {
		.apply = apply_fence_wanted,
		.device = userdata,
		.path = path_userdata(path),
		.facts = {.kind = EVENT_FENCE_WANTED,
			  .doubt = DOUBT_OPEN,
			  .numbers = {path_in_doubt(path)}},
	};

	text_copy(event.text, sizeof(event.text),
		  shared ? "they wait" : "they go on elsewhere, and their blocks are guarded");
	map_event_post(&event);
}

static void on_conflict(struct map *map, struct path *path, void *userdata)
{
	map_event_post(&(struct map_event){
		.apply = apply_conflict,
		.device = userdata,
		.path = path_userdata(path),
	});
}

static const struct map_observer device_observer = {
	.path_changed = on_path_changed,
	.map_changed = on_map_changed,
	.attention = on_attention,
	.deferred_error = on_deferred_error,
	.path_grouped = on_path_grouped,
	.access_changed = on_access_changed,
	.activated = on_activated,
	.guard_expired = on_guard_expired,
	.fence_wanted = on_fence_wanted,
	.conflict = on_conflict,
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
	device->view.grouping = map_settings->grouping;
	device->view.failback_ms = map_settings->failback_ms;
	device->view.integrity = map_settings->guard.integrity;
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
	device->view.fence_quality = map_fence_quality(device->map);
	*ret = device;
	return 0;
}

/* A word for the map on its worker. */
struct map_word {
	struct job job;
	struct map *map;
	bool registered;
	int write_error;
};

static void map_word_work(struct job *job)
{
	struct map_word *word = container_of(job, struct map_word, job);

	map_set_reservation(word->map, word->registered, word->write_error);
	job_done(job);
}

static void map_word_finished(struct job *job)
{
	free(container_of(job, struct map_word, job));
}

void map_device_set_reservation(struct map_device *device, bool registered, int write_error)
{
	struct map_word *word;

	if (device->registered == registered && device->write_error == write_error)
		return;
	word = calloc(1, sizeof(*word));
	if (!word) {
		log_error("map %s: no memory to tell it about its reservation", device->view.name);
		return;
	}
	device->registered = registered;
	device->write_error = write_error;
	word->map = device->map;
	word->registered = registered;
	word->write_error = write_error;
	word->job.work = map_word_work;
	word->job.finished = map_word_finished;
	job_send(&word->job, worker_mailbox(device->worker), device->home);
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
