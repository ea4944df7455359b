/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Logout as an operation: first the devices that would lose their last path; and the stop. */

#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/manager_private.h"
#include "util/cleanup.h"

#define STOP_PATIENCE_US UINT64_C(10000000) /* how long a stop waits for devices in use */
#define STOP_RETRY_MS	 250

static void logout_failed(struct managed_session *managed, enum error_code code, const char *text)
{
	owned_error struct error error = ERROR_INIT;
	manager_done *done = managed->logout_done;

	managed->logout_done = NULL;
	error_set(&error, code, "%s", text);
	if (done)
		done(&error, managed->logout_userdata);
}

static void logout_goes_on(struct managed_session *managed)
{
	if (error_is_set(&managed->logout_error)) {
		struct error error = managed->logout_error;

		managed->logout_error = (struct error)ERROR_INIT;
		logout_failed(managed, error.code, error.text);
		error_clear(&error);
		return;
	}
	supervisor_stop(managed->supervisor);
}

static void on_withdrawn(struct map_device *device, int error, void *userdata)
{
	struct managed_session *managed = userdata;
	char holders[256];

	if (error == -EBUSY) {
		map_device_holders(device, holders, sizeof(holders));
		error_set(&managed->logout_error, ERROR_BUSY, "device %s (%s) is in use%s%s",
			  device->view.device, device->view.name, holders[0] ? ": " : "", holders);
	} else if (error < 0) {
		error_set(&managed->logout_error, ERROR_LOGOUT_FAILED,
			  "what was written to device %s (%s) cannot be flushed: %s; only a forced "
			  "logout gives it up",
			  device->view.device, device->view.name, strerror(-error));
	} else {
		manager_notify_changed(managed->manager, OBJECT_MAP, &device->view);
	}
	if (--managed->withdrawing == 0)
		logout_goes_on(managed);
}

void manager_plan_logout(struct session_view *session, bool planned)
{
	managed_of(session)->planned = planned;
}

/* Does the path stay when @path goes? Those of sessions that are logged out as well do not. */
static bool path_stays(const struct path_view *other, const struct path_view *path)
{
	const struct managed_session *managed = managed_of(other->session);

	return other != path && !managed->planned && !managed->logout_done && !managed->leaving;
}

/* No path that stays can carry I/O now. */
static bool is_last_path(const struct map_view *map, const struct path_view *path)
{
	const struct path_view *other;

	list_for_each (other, &map->paths, link)
		if (path_stays(other, path) && path_state_carries(other->state))
			return false;
	return true;
}

/* No path stays at all. */
static bool is_only_path(const struct map_view *map, const struct path_view *path)
{
	const struct path_view *other;

	list_for_each (other, &map->paths, link)
		if (path_stays(other, path))
			return false;
	return true;
}

static bool has_active_path(const struct map_view *map)
{
	const struct path_view *path;

	list_for_each (path, &map->paths, link)
		if (path_state_carries(path->state))
			return true;
	return false;
}

/* Would the logout take the last way to a device that somebody uses? */
static bool logout_refused(struct session_view *session, struct error *error)
{
	struct unit_view *unit;
	char holders[256];

	list_for_each (unit, &session->units, link) {
		if (!unit->path || !is_last_path(unit->path->map, unit->path))
			continue;
		map_device_holders(device_of(unit->path->map), holders, sizeof(holders));
		if (holders[0])
			return error_set(error, ERROR_BUSY, "device %s (%s) is in use: %s",
					 unit->path->map->device, unit->path->map->name,
					 holders) < 0;
	}
	return false;
}

/* Take away the devices that have no other path; count them first, answers may come at once. */
static void withdraw_devices(struct managed_session *managed)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit;

	managed->withdrawing = 1;
	list_for_each (unit, &session->units, link) {
		struct map_device *device;

		if (!unit->path || !is_only_path(unit->path->map, unit->path))
			continue;
		device = device_of(unit->path->map);
		managed->withdrawing++;
		/* With no path there is nothing to flush to, and a flush would wait for one. */
		map_device_withdraw(device, managed->force || !has_active_path(unit->path->map),
				    on_withdrawn, managed);
	}
	if (--managed->withdrawing == 0)
		logout_goes_on(managed);
}

void manager_logout(struct manager *manager, struct session_view *session, bool force,
		    manager_done *done, void *userdata)
{
	struct managed_session *managed = managed_of(session);
	owned_error struct error error = ERROR_INIT;

	if (managed->logout_done || managed->leaving)
		error_set(&error, ERROR_TRY_AGAIN, "session %u is being logged out already",
			  session->sid);
	else if (!force)
		logout_refused(session, &error);
	if (error_is_set(&error)) {
		done(&error, userdata);
		return;
	}
	managed->logout_done = done;
	managed->logout_userdata = userdata;
	managed->force = force;
	withdraw_devices(managed);
}

/* The end of everything. */

static int stop_again(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct manager *manager = userdata;

	manager->stop_timer = sd_event_source_disable_unref(manager->stop_timer);
	manager_stop_step(manager);
	return 0;
}

static void stop_later(struct manager *manager)
{
	if (!manager->stop_timer)
		sd_event_add_time_relative(manager->event, &manager->stop_timer, CLOCK_MONOTONIC,
					   STOP_RETRY_MS * UINT64_C(1000), 1000, stop_again,
					   manager);
}

static void stop_logged_out(const struct error *error, void *userdata)
{
	/* Busy: asked again; gone: manager_session_left() goes on. */
	if (error_is_set(error))
		stop_later(userdata);
}

static bool is_map_used(struct map_view *map)
{
	char holders[256];

	map_device_holders(device_of(map), holders, sizeof(holders));
	return holders[0] != '\0';
}

/* Somebody uses its device, which outlives us: the next hawserd goes on with it. */
static bool is_map_left(struct map_view *map)
{
	return device_of(map)->kept && is_map_used(map);
}

/* Nobody uses it, but a session that stays for the sake of another map carries it. */
static bool is_map_beside(struct map_view *map)
{
	const struct path_view *path;

	list_for_each (path, &map->paths, link)
		if (managed_of(path->session)->left)
			return !is_map_used(map);
	return false;
}

static bool is_session_left(struct session_view *session)
{
	struct unit_view *unit;

	list_for_each (unit, &session->units, link)
		if (unit->path && is_map_left(unit->path->map))
			return true;
	return false;
}

static bool is_everything_left(struct manager *manager)
{
	struct session_view *session;
	struct map_view *map;

	list_for_each (session, &manager->sessions, link)
		if (!managed_of(session)->left)
			return false;
	list_for_each (map, &manager->maps, link)
		if (!is_map_left(map) && !is_map_beside(map))
			return false;
	return !manager->stop_insisted;
}

/* Maps that were taken over, and to which no session ever led again. */
static void end_lonely_maps(struct manager *manager)
{
	struct map_view *map, *next;

	list_for_each_safe (map, next, &manager->maps, link)
		if (list_empty(&map->paths) && (manager->stop_insisted || !is_map_left(map)))
			manager_end_map(manager, device_of(map));
}

void manager_stop_step(struct manager *manager)
{
	bool force = clock_realtime_us() >= manager->stop_force_us;
	struct session_view *session, *next;

	list_for_each (session, &manager->sessions, link)
		managed_of(session)->left = !manager->stop_insisted && is_session_left(session);
	end_lonely_maps(manager);
	manager->left = !list_empty(&manager->maps) && is_everything_left(manager);
	if (manager->left || (list_empty(&manager->sessions) && list_empty(&manager->maps))) {
		void (*stopped)(struct manager *, void *) = manager->stopped;

		manager->stopped = NULL;
		if (stopped)
			stopped(manager, manager->stopped_userdata);
		return;
	}
	list_for_each_safe (session, next, &manager->sessions, link) {
		struct managed_session *managed = managed_of(session);

		if (managed->logout_done || managed->leaving || managed->left)
			continue;
		manager_logout(manager, session, force, stop_logged_out, manager);
		/* That may have ended any session, or everything. */
		stop_later(manager);
		return;
	}
	stop_later(manager);
}

void manager_stop(struct manager *manager, bool last,
		  void (*stopped)(struct manager *manager, void *userdata), void *userdata)
{
	bool again = manager->stopping;

	manager->stopping = true;
	manager->stop_insisted = again || last;
	manager->stopped = stopped;
	manager->stopped_userdata = userdata;
	manager->stop_force_us = clock_realtime_us() + (again ? 0 : STOP_PATIENCE_US);
	manager_stop_step(manager);
}
