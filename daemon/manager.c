/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/fips.h"
#include "daemon/link_monitor.h"
#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "daemon/worker.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/mailbox.h"
#include "util/text.h"

DEFINE_OWNED(manager);

/* Observers. */

void manager_observe(struct manager *manager, struct manager_observer *observer)
{
	list_append(&manager->observers, &observer->link);
}

void manager_unobserve(struct manager_observer *observer)
{
	list_remove(&observer->link);
}

void manager_notify_added(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer, *next;

	list_for_each_safe (observer, next, &manager->observers, link)
		observer->added(observer, kind, object);
}

void manager_notify_changed(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer, *next;

	list_for_each_safe (observer, next, &manager->observers, link)
		observer->changed(observer, kind, object);
}

void manager_notify_removed(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer, *next;

	list_for_each_safe (observer, next, &manager->observers, link)
		observer->removed(observer, kind, object);
}

/* Events. */

static void tell_event(const struct event *event, void *userdata)
{
	struct manager *manager = userdata;
	struct manager_observer *observer, *next;

	list_for_each_safe (observer, next, &manager->observers, link)
		observer->event(observer, event);
}

void manager_raise(struct manager *manager, enum object_kind about, const void *object,
		   const struct event_facts *facts)
{
	event_log_raise(manager->events, about, object, facts);
}

void manager_event(struct manager *manager, enum object_kind about, const void *object,
		   enum event_kind kind, const char *format, ...)
{
	struct event_facts facts = {.kind = kind};
	char reason[EVENT_REASON_MAX] = "";
	va_list arguments;

	if (format) {
		va_start(arguments, format);
		vsnprintf(reason, sizeof(reason), format, arguments);
		va_end(arguments);
	}
	facts.reason = reason;
	manager_raise(manager, about, object, &facts);
}

const struct event_ring *manager_events(struct manager *manager)
{
	return event_log_ring(manager->events);
}

/* Look-ups. */

struct list *manager_nodes(struct manager *manager)
{
	return &manager->nodes;
}

struct list *manager_sessions(struct manager *manager)
{
	return &manager->sessions;
}

struct list *manager_maps(struct manager *manager)
{
	return &manager->maps;
}

struct session_view *manager_find_session(struct manager *manager, uint32_t sid)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (session->sid == sid)
			return session;
	return NULL;
}

struct map_view *manager_find_map(struct manager *manager, object_id id)
{
	struct map_view *map;

	list_for_each (map, &manager->maps, link)
		if (map->id == id)
			return map;
	return NULL;
}

struct path_view *manager_find_path(struct manager *manager, object_id id)
{
	struct map_view *map;
	struct path_view *path;

	list_for_each (map, &manager->maps, link)
		list_for_each (path, &map->paths, link)
			if (path->id == id)
				return path;
	return NULL;
}

const char *manager_initiator_name(struct manager *manager)
{
	return manager->initiator.name;
}

const char *manager_version(void)
{
	return HAWSER_VERSION;
}

bool manager_ready(struct manager *manager)
{
	return manager->ready;
}

bool manager_left(struct manager *manager)
{
	return manager->left;
}

const char *manager_health(struct manager *manager)
{
	const char *health = "ok";
	struct map_view *map;

	list_for_each (map, &manager->maps, link) {
		if (map->state == MAP_NO_PATH_QUEUEING || map->state == MAP_NO_PATH_FAILING ||
		    map->state == MAP_LOST)
			return "critical";
		if (map->state == MAP_DEGRADED)
			health = "degraded";
	}
	return health;
}

/*
 * A lane lives on one worker, so that a map and all its paths do. The FUSE exporter has one queue
 * per device and thus serves one lane; see docs/decisions.
 */
struct worker *manager_worker(struct manager *manager, unsigned lane)
{
	return manager->workers[0];
}

void manager_map_holders(struct manager *manager, const struct map_view *map, char *text,
			 size_t size_bytes)
{
	map_device_holders(device_of((struct map_view *)map), text, size_bytes);
}

/* Life. */

static void report_problem(int level, const char *file, unsigned line, const char *text,
			   void *userdata)
{
	if (line)
		log_line(level, NULL, 0, "%s:%u: %s", file, line, text);
	else
		log_line(level, NULL, 0, "%s: %s", file, text);
}

static int manager_read_settings(struct manager *manager, struct error *error)
{
	struct config config = {};
	struct initiator initiator;

	if (config_load(manager->conf_dir, manager->hawser_conf, &config, report_problem, NULL) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory to read the settings");
	if (initiator_load(manager->conf_dir, &initiator, error) < 0) {
		config_deinit(&config);
		return -1;
	}
	config_deinit(&manager->config);
	manager->config = config;
	manager->initiator = initiator;
	log_set_level(config.log_level);
	return 0;
}

int manager_reload(struct manager *manager, struct error *error)
{
	if (manager_read_settings(manager, error) < 0 || manager_load_nodes(manager, error) < 0)
		return -1;
	manager_notify_changed(manager, OBJECT_MANAGER, manager);
	return 0;
}

static int manager_mail(struct sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct manager *manager = userdata;

	mailbox_deliver(manager->home);
	return 0;
}

static int manager_start_workers(struct manager *manager, unsigned wanted)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count = wanted ? wanted : (unsigned)manager->config.workers;

	if (count == 0)
		count = cpus > 2 ? (unsigned)cpus / 2 : 1;
	manager->workers = calloc(count, sizeof(*manager->workers));
	if (!manager->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		int r = worker_new(i, &manager->workers[i]);

		if (r < 0)
			return r;
		manager->worker_count++;
	}
	return 0;
}

static int manager_open(struct manager *manager, const struct manager_settings *settings,
			struct error *error)
{
	const char *records;
	int r;

	if (!text_copy(manager->conf_dir, sizeof(manager->conf_dir), settings->conf_dir) ||
	    !text_copy(manager->hawser_conf, sizeof(manager->hawser_conf), settings->hawser_conf) ||
	    !text_copy(manager->run_dir, sizeof(manager->run_dir), settings->run_dir) ||
	    !text_copy(manager->dev_dir, sizeof(manager->dev_dir), settings->dev_dir) ||
	    !text_copy(manager->firmware_dir, sizeof(manager->firmware_dir),
		       settings->firmware_dir))
		return error_set(error, ERROR_INVALID_ARGUMENT, "a folder's name is too long");
	if (mkdir(manager->run_dir, 0755) < 0 && errno != EEXIST)
		return error_set(error, ERROR_DATABASE_FAILED, "%s: %s", manager->run_dir,
				 strerror(errno));
	if (manager_read_settings(manager, error) < 0)
		return -1;
	records = manager->config.records_dir[0]
			  ? manager->config.records_dir
			  : node_store_find(settings->conf_dir, settings->state_dir);
	if (node_store_open(records, &manager->store, error) < 0 ||
	    manager_load_nodes(manager, error) < 0)
		return -1;
	r = mailbox_new(&manager->home);
	if (r >= 0)
		r = sd_event_add_io(manager->event, &manager->mail, mailbox_fd(manager->home),
				    EPOLLIN, manager_mail, manager);
	if (r < 0)
		return error_set(error, ERROR_FAILED, "event loop: %s", strerror(-r));
	r = manager_start_workers(manager, settings->workers);
	if (r < 0)
		return error_set(error, ERROR_NOT_SUPPORTED, "io_uring cannot be used here: %s",
				 strerror(-r));
	return 0;
}

int manager_new(sd_event *event, const struct manager_settings *settings, struct manager **ret,
		struct error *error)
{
	owned(manager) manager = calloc(1, sizeof(*manager));

	if (!manager)
		return error_set(error, ERROR_NO_MEMORY, "no memory");
	manager->event = event;
	manager->next_sid = 1;
	list_init(&manager->nodes);
	list_init(&manager->sessions);
	list_init(&manager->maps);
	list_init(&manager->observers);
	list_init(&manager->logins);
	list_init(&manager->discoveries);
	list_init(&manager->recoveries);
	list_init(&manager->removals);
	chap_challenges_init(&manager->challenges);
	manager->fips = fips_enabled(FIPS_SWITCH);
	if (event_log_new(event, tell_event, manager, &manager->events) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory");
	if (manager_open(manager, settings, error) < 0)
		return -1;
	manager_watch_links(manager);
	manager_recover(manager, settings->fd_store);
	manager_poll_units(manager);
	manager->ready = true;
	*ret = take(manager);
	return 0;
}

void manager_free(struct manager *manager)
{
	if (!manager)
		return;
	manager_cancel_discoveries(manager);
	/* Workers first: what they still had to say is delivered, and frees itself. */
	for (unsigned i = 0; i < manager->worker_count; i++)
		worker_free(manager->workers[i]);
	if (manager->home)
		while (mailbox_deliver(manager->home))
			;
	manager_recovery_deinit(manager);
	link_monitor_free(manager->links);
	sd_event_source_disable_unref(manager->mail);
	sd_event_source_disable_unref(manager->poll_timer);
	sd_event_source_disable_unref(manager->stop_timer);
	mailbox_free(manager->home);
	manager_free_nodes(manager);
	node_store_close(manager->store);
	config_deinit(&manager->config);
	event_log_free(manager->events);
	free(manager->workers);
	free(manager);
}
