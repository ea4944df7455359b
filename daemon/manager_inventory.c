/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Looking at what sessions show: when they log in, when the target says that something has changed,
 * now and then, and when an operator asks. New units join their maps; a unit that is gone, or whose
 * LUN is another's by now, leaves its map.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "daemon/clock.h"
#include "daemon/inventory.h"
#include "daemon/manager_private.h"
#include "daemon/unit_check.h"
#include "util/cleanup.h"
#include "util/log.h"

#define RESCAN_MS   2000  /* when a unit was not ready, not there, or could not be looked at */
#define POLL_OFF_MS 10000 /* until it is looked whether the setting is still off */

static void look(struct managed_session *managed, bool only_changes);

/* Looking again. */

static int rescan_now(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct managed_session *managed = userdata;

	managed->rescan_timer = sd_event_source_disable_unref(managed->rescan_timer);
	manager_scan(managed);
	return 0;
}

void manager_rescan_later(struct managed_session *managed)
{
	if (!managed->rescan_timer)
		sd_event_add_time_relative(managed->manager->event, &managed->rescan_timer,
					   CLOCK_MONOTONIC, RESCAN_MS * UINT64_C(1000), 100000,
					   rescan_now, managed);
}

/* node.session.scan = manual: what is used is watched, new units are for whoever asks. */
static bool scans_by_itself(const struct managed_session *managed)
{
	return strcmp(record_get(record_of(managed), "node.session.scan"), "manual") != 0;
}

/* One that is gone may be back, and its device may have lost its last user. */
static bool misses_unit(const struct managed_session *managed)
{
	const struct unit_view *unit;

	list_for_each (unit, &managed->supervisor->view.units, link)
		if (unit->gone_looks > 0)
			return true;
	return false;
}

static int poll_units(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		struct managed_session *managed = managed_of(session);

		if (manager->config.inventory_poll_ms > 0 && managed->scanned)
			look(managed, !misses_unit(managed));
	}
	if (manager->config.inventory_poll_ms > 0)
		manager_poll_reservations(manager);
	manager_poll_units(manager);
	return 0;
}

void manager_poll_units(struct manager *manager)
{
	uint64_t ms = manager->config.inventory_poll_ms > 0
			      ? (uint64_t)manager->config.inventory_poll_ms
			      : POLL_OFF_MS;

	manager->poll_timer = sd_event_source_disable_unref(manager->poll_timer);
	if (sd_event_add_time_relative(manager->event, &manager->poll_timer, CLOCK_MONOTONIC,
				       ms * 1000, 0, poll_units, manager) < 0)
		log_error("no memory to look for new units by itself");
}

/* Units that are gone, and those whose LUN is another's. */

/* Does nothing stay of the map when @path leaves? Paths that leave already do not count. */
static bool is_only_path(const struct path_view *path)
{
	struct path_view *other;

	list_for_each (other, &path->map->paths, link)
		if (other != path && !map_path_of(other)->leaving)
			return false;
	return true;
}

/*
 * A device that somebody uses stays, and its I/O fails: who has it mounted finds it again if the
 * unit comes back, and takes it off if not.
 */
static void leave_map(struct managed_session *managed, struct unit_view *unit)
{
	struct map_path *path = map_path_of(unit->path);
	char holders[256] = "";

	if (is_only_path(unit->path))
		map_device_holders(path->device, holders, sizeof(holders));
	if (!holders[0]) {
		map_path_remove_idle(path);
		manager_rescan_later(managed); /* in case something was on its wire */
		return;
	}
	if (!unit->held)
		manager_event(managed->manager, OBJECT_MAP, &path->device->view,
			      EVENT_UNIT_GONE_IN_USE, "%s", holders);
	unit->held = true;
}

static void fail_path(struct managed_session *managed, struct unit_view *unit,
		      enum unit_verdict verdict)
{
	struct map_path *path = map_path_of(unit->path);
	struct manager *manager = managed->manager;

	if (verdict == UNIT_GONE) {
		if (!unit->told)
			manager_event(manager, OBJECT_PATH, unit->path, EVENT_UNIT_GONE, NULL);
		map_path_unmapped(path, "the target shows the unit no more");
	} else if (!unit->told) {
		manager_event(manager, OBJECT_PATH, unit->path, EVENT_WRONG_UNIT,
			      "another unit answers");
		map_path_quarantine(path, "another unit answers behind it");
	}
	unit->told = true;
}

static void unit_lost(struct managed_session *managed, struct unit_view *unit,
		      enum unit_verdict verdict)
{
	bool asked = !list_empty(&managed->waiters);
	bool carries = path_state_carries(unit->path->state) || verdict == UNIT_OTHER;
	uint64_t now_us = clock_monotonic_us();
	enum unit_step step;

	if (unit->gone_looks++ == 0)
		unit->gone_since_us = now_us;
	step = unit_step(unit->gone_looks, (now_us - unit->gone_since_us) / 1000, carries, asked);

	if (step != UNIT_STEP_WAIT)
		fail_path(managed, unit, verdict);
	if (step == UNIT_STEP_LEAVE)
		leave_map(managed, unit);
	else
		manager_rescan_later(managed);
}

static void unit_is_back(struct unit_view *unit)
{
	unit->gone_looks = 0;
	unit->told = unit->held = false;
}

static void unit_reformatted(struct managed_session *managed, struct unit_view *unit)
{
	struct map_path *path = map_path_of(unit->path);

	path->seen = false;
	if (unit->path->state != PATH_QUARANTINED)
		manager_event(managed->manager, OBJECT_PATH, unit->path, EVENT_WRONG_UNIT,
			      "the unit has another block size");
	map_path_quarantine(path, "the unit has another block size");
}

static void unit_found(struct managed_session *managed, struct unit_view *unit,
		       const struct inventory_unit *found)
{
	struct map_path *path = map_path_of(unit->path);

	unit_is_back(unit);
	map_path_set_port(path, &found->unit.limits);
	if (found->unit.limits.access) { /* its size is for another time */
		path->seen = false;
		map_path_verified(path, found->doubts);
		return;
	}
	unit->unit.limits.blocks = found->unit.limits.blocks;
	if (manager_note_size(managed->manager, path, found->unit.limits.blocks))
		map_path_verified(path, found->doubts);
}

static void check_path(struct managed_session *managed, struct unit_view *unit,
		       const struct inventory_unit *found)
{
	struct map_path *path = map_path_of(unit->path);
	enum unit_verdict verdict =
		unit_check(&path->device->view.unit, found->listed, found->verdict, &found->unit);

	switch (verdict) {
	case UNIT_SAME:
	case UNIT_RESIZED:
		unit_found(managed, unit, found);
		break;
	case UNIT_REFORMATTED:
		unit_reformatted(managed, unit);
		break;
	case UNIT_GONE:
	case UNIT_OTHER:
		path->seen = false;
		unit_lost(managed, unit, verdict);
		break;
	default:
		/* stays as it is: no I/O before it was seen to be the right one */
		manager_rescan_later(managed);
		break;
	}
}

/* One look. */

static struct unit_view *find_unit(struct session_view *session, uint64_t lun)
{
	struct unit_view *unit;

	list_for_each (unit, &session->units, link)
		if (unit->lun == lun)
			return unit;
	return NULL;
}

static struct unit_view *add_unit(struct managed_session *managed,
				  const struct inventory_unit *found)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit;

	if (!scans_by_itself(managed) && list_empty(&managed->waiters))
		return NULL;
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return NULL;
	unit->lun = found->lun;
	unit->number = lun_number(found->lun);
	unit->session = session;
	list_append(&session->units, &unit->link);
	return unit;
}

static void forget_unit(struct unit_view *unit)
{
	list_remove(&unit->link);
	free(unit);
}

static void reconcile_unit(struct managed_session *managed, const struct inventory_unit *found)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit = find_unit(session, found->lun);
	bool passive;

	if (unit && unit->path) {
		check_path(managed, unit, found);
		return;
	}
	if (found->brief)
		return;
	if (!found->listed) {
		if (unit)
			forget_unit(unit);
		return;
	}
	unit = unit ? unit : add_unit(managed, found);
	if (!unit)
		return;
	unit_is_back(unit);
	unit->unit = found->unit;
	/* Through a port in standby nothing but its identity can be read. */
	passive = found->verdict == PROBE_NOT_READY && found->unit.limits.access;
	unit->disk = found->verdict == PROBE_FOUND || passive;
	if (unit->disk)
		manager_join_map(managed, unit);
	else if (found->verdict != PROBE_NO_DISK)
		log_warning("session %u, LUN %" PRIu64 ": %s", session->sid, unit->number,
			    found->text);
	if ((found->verdict == PROBE_NOT_READY && !passive) || found->verdict == PROBE_FAILED)
		manager_rescan_later(managed);
}

/* Requests that wait for a scan. */
struct rescan_request {
	struct list link;
	manager_done *done;
	void *userdata;
};

static void answer_waiters(struct managed_session *managed, const struct error *error)
{
	struct rescan_request *request;

	while ((request = list_pop(&managed->waiters, struct rescan_request, link))) {
		request->done(error, request->userdata);
		free(request);
	}
}

/* A path is on its way out, or a device on its way in. */
static bool is_settling(const struct managed_session *managed)
{
	const struct unit_view *unit;

	list_for_each (unit, &managed->supervisor->view.units, link)
		if (unit->path && (map_path_of(unit->path)->leaving ||
				   device_of(unit->path->map)->stage == DISK_CREATING ||
				   device_of(unit->path->map)->stage == DISK_RESIZING))
			return true;
	return false;
}

void manager_check_rescans(struct manager *manager)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		struct managed_session *managed = managed_of(session);

		if (!list_empty(&managed->waiters) && !managed->inventory && !is_settling(managed))
			answer_waiters(managed, &managed->look_error);
	}
}

static void on_inventory(const struct inventory_result *result, void *userdata)
{
	struct managed_session *managed = userdata;
	struct session_view *session = &managed->supervisor->view;
	owned_error struct error failure = ERROR_INIT;
	bool again = managed->scan_again;

	managed->inventory = NULL;
	managed->scan_again = false;
	if (result->error < 0) {
		error_set(&failure, ERROR_FAILED, "the target's units cannot be listed: %s",
			  strerror(-result->error));
		log_warning("session %u: %s", session->sid, failure.text);
		manager_rescan_later(managed);
	}
	for (size_t i = 0; i < result->count; i++)
		reconcile_unit(managed, &result->units[i]);
	if (result->unchanged && !again)
		return;
	managed->scanned = true;
	manager_notify_changed(managed->manager, OBJECT_SESSION, session);
	error_clear(&managed->look_error);
	managed->look_error = failure;
	failure = (struct error)ERROR_INIT;
	if (again)
		manager_scan(managed);
	manager_check_rescans(managed->manager);
	manager_check_logins(managed->manager);
}

static void look(struct managed_session *managed, bool only_changes)
{
	struct session_view *session = &managed->supervisor->view;
	struct inventory_settings settings = {
		.only_changes = only_changes,
		.only_used = only_changes && !scans_by_itself(managed),
	};
	owned_memory uint64_t *known = NULL;
	struct unit_view *unit;
	size_t count = 0;

	if (session->state != SESSION_STATE_LOGGED_IN)
		return;
	if (managed->inventory) {
		managed->scan_again |= !only_changes;
		return;
	}
	list_for_each (unit, &session->units, link)
		count++;
	known = calloc(count + 1, sizeof(*known));
	settings.known = known;
	list_for_each (unit, &session->units, link)
		if (known && unit->path)
			known[settings.used_count++] = unit->lun;
	settings.known_count = settings.used_count;
	list_for_each (unit, &session->units, link)
		if (known && !unit->path)
			known[settings.known_count++] = unit->lun;
	if (!known || inventory_start(managed->supervisor->host, managed->manager->home, &settings,
				      on_inventory, managed, &managed->inventory) < 0)
		manager_rescan_later(managed);
}

void manager_scan(struct managed_session *managed)
{
	look(managed, false);
}

void manager_scan_target(struct manager *manager, const char *target)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (strcmp(session->target, target) == 0)
			manager_scan(managed_of(session));
}

void manager_scan_cancel(struct managed_session *managed)
{
	struct error lost = {.code = ERROR_SESSION_NOT_CONNECTED,
			     .text = (char *)"the session was lost"};

	inventory_cancel(managed->inventory);
	managed->inventory = NULL;
	managed->scan_again = false;
	managed->rescan_timer = sd_event_source_disable_unref(managed->rescan_timer);
	answer_waiters(managed, &lost);
}

void manager_rescan(struct manager *manager, struct session_view *session, manager_done *done,
		    void *userdata)
{
	struct managed_session *managed = managed_of(session);
	struct rescan_request *request;
	owned_error struct error error = ERROR_INIT;

	if (session->state != SESSION_STATE_LOGGED_IN) {
		error_set(&error, ERROR_SESSION_NOT_CONNECTED, "session %u is not connected",
			  session->sid);
		done(&error, userdata);
		return;
	}
	request = calloc(1, sizeof(*request));
	if (!request) {
		error_set(&error, ERROR_NO_MEMORY, "no memory");
		done(&error, userdata);
		return;
	}
	request->done = done;
	request->userdata = userdata;
	list_append(&managed->waiters, &request->link);
	manager_scan(managed);
}
