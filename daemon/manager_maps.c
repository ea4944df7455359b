/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * From what a session shows to maps: every logical unit is a path of the map that has its WWID. A
 * path carries I/O only after the unit behind it was seen to be the right one since its last login.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "daemon/inventory.h"
#include "daemon/links.h"
#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "daemon/udev_properties.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define RESCAN_MS 2000 /* when a unit was not ready, or could not be looked at */

/* Device links. */

static void device_link(struct map_device *device, const char *name, bool set)
{
	struct manager *manager = device->userdata;
	int r = 0;

	if (set)
		r = links_set(manager->dev_dir, name, device->view.device);
	else
		links_unset(manager->dev_dir, name, device->view.device);
	if (r < 0)
		log_error("map %s: link %s/%s: %s", device->view.name, manager->dev_dir, name,
			  strerror(-r));
}

static void path_link(struct map_device *device, const struct path_view *path, bool set)
{
	char name[512];

	links_by_path(path->session->persistent_address, path->session->persistent_port,
		      path->session->target, path->lun_number, name, sizeof(name));
	device_link(device, name, set);
}

static void device_links(struct map_device *device, bool set)
{
	const char *wwid = device->view.unit.identity.wwid;
	struct path_view *path;
	char name[UNIT_WWID_MAX + 32];

	snprintf(name, sizeof(name), "hawser/%s", device->view.name);
	device_link(device, name, set);
	snprintf(name, sizeof(name), "disk/by-id/scsi-%s", wwid);
	device_link(device, name, set);
	if (wwid[0] == '3') { /* NAA: the designator itself follows */
		snprintf(name, sizeof(name), "disk/by-id/wwn-0x%s", wwid + 1);
		device_link(device, name, set);
	}
	list_for_each (path, &device->view.paths, link)
		path_link(device, path, set);
}

/* Looking again. */

static int rescan_now(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct managed_session *managed = userdata;

	managed->rescan_timer = sd_event_source_disable_unref(managed->rescan_timer);
	manager_scan(managed);
	return 0;
}

static void rescan_later(struct managed_session *managed)
{
	if (!managed->rescan_timer)
		sd_event_add_time_relative(managed->manager->event, &managed->rescan_timer,
					   CLOCK_MONOTONIC, RESCAN_MS * UINT64_C(1000), 100000,
					   rescan_now, managed);
}

/* Links that we make ourselves, and the same by udev where it runs. */
static void device_names(struct map_device *device, bool set)
{
	struct manager *manager = device->userdata;
	struct map_view *view = &device->view;
	int r = 0;

	device->named = set;
	device_links(device, set);
	if (set)
		r = udev_properties_set(manager->run_dir, view);
	else
		udev_properties_unset(manager->run_dir, view->major, view->minor);
	if (r < 0)
		log_warning("map %s: udev is not told: %s", view->name, strerror(-r));
}

/* What maps report. */

static void on_device_withdrawn(struct map_device *device, void *userdata)
{
	device_names(device, false);
}

static void on_device_changed(struct map_device *device, void *userdata)
{
	struct manager *manager = userdata;

	if (device->stage == DISK_LIVE && !device->named)
		device_names(device, true);
	manager_notify_changed(manager, OBJECT_MAP, &device->view);
	manager_notify_changed(manager, OBJECT_MANAGER, manager);
	manager_check_logins(manager);
	if (manager->stopping)
		manager_stop_step(manager);
}

static unsigned active_paths(const struct map_device *device)
{
	const struct path_view *path;
	unsigned n = 0;

	list_for_each (path, &device->view.paths, link)
		n += path_state_carries(path->state);
	return n;
}

static unsigned all_paths(const struct map_device *device)
{
	const struct path_view *path;
	unsigned n = 0;

	list_for_each (path, &device->view.paths, link)
		n++;
	return n;
}

static int path_severity(enum path_state state)
{
	if (state == PATH_ACTIVE || state == PATH_PROBATION || state == PATH_VERIFY)
		return LOG_NOTICE;
	return state == PATH_SUSPECT ? LOG_INFO : LOG_WARNING;
}

static void on_path_changed(struct map_path *path, enum path_state from, void *userdata)
{
	struct manager *manager = userdata;
	struct path_view *view = &path->view;

	manager_notify_changed(manager, OBJECT_PATH, view);
	manager_notify_changed(manager, OBJECT_MAP, view->map);
	if (path->leaving || view->state == from)
		return;
	manager_event(manager, OBJECT_PATH, view, path_severity(view->state), "path-changed",
		      "map %s: path %s is %s (was %s)%s%s; %u of %u paths usable", view->map->name,
		      view->session->persistent_address, path_state_name(view->state),
		      path_state_name(from), view->state_reason[0] ? ": " : "", view->state_reason,
		      active_paths(path->device), all_paths(path->device));
	/* Its session is up: only a look at the unit can bring it back. */
	if (view->state == PATH_FAILED && view->session->state == SESSION_STATE_LOGGED_IN)
		rescan_later(managed_of(view->session));
	manager_check_logins(manager);
}

static void map_end(struct manager *manager, struct map_device *device)
{
	manager_notify_removed(manager, OBJECT_MAP, &device->view);
	list_remove(&device->view.link);
	map_device_free(device);
}

static void on_withdrawn_empty(struct map_device *device, int error, void *userdata)
{
	if (error < 0)
		log_error("map %s: its device cannot be taken away: %s", device->view.name,
			  strerror(-error));
	else
		map_end(userdata, device);
}

static void on_path_removed(struct map_path *path, void *userdata)
{
	struct manager *manager = userdata;
	struct map_device *device = path->device;
	struct session_view *session = path->view.session;
	struct unit_view *unit;

	/* Also while the device is being taken away: its other links go with it. */
	if (device->view.device[0])
		path_link(device, &path->view, false);
	if (device->named)
		device_names(device, true);
	manager_notify_removed(manager, OBJECT_PATH, &path->view);
	list_for_each (unit, &session->units, link)
		if (unit->path == &path->view)
			unit->path = NULL;
	if (list_empty(&device->view.paths))
		map_device_withdraw(device, true, on_withdrawn_empty, manager);
	else
		manager_notify_changed(manager, OBJECT_MAP, &device->view);
	if (managed_of(session)->leaving)
		manager_session_left(managed_of(session));
}

static void on_attention(struct map_path *path, uint8_t asc, uint8_t ascq, void *userdata)
{
	manager_event(userdata, OBJECT_PATH, &path->view, LOG_NOTICE, "unit-attention",
		      "map %s: the unit reports a change (%02x/%02x), looking again",
		      path->view.map->name, asc, ascq);
	manager_scan(managed_of(path->view.session));
}

static void on_event(struct map_device *device, int severity, const char *id, const char *text,
		     void *userdata)
{
	manager_event(userdata, OBJECT_MAP, &device->view, severity, id, "map %s: %s",
		      device->view.name, text);
}

static const struct map_device_ops map_device_ops = {
	.withdrawn = on_device_withdrawn,
	.changed = on_device_changed,
	.path_changed = on_path_changed,
	.path_removed = on_path_removed,
	.attention = on_attention,
	.event = on_event,
};

/* Units into maps. */

static struct map_device *find_device(struct manager *manager, const char *wwid)
{
	struct map_view *map;

	list_for_each (map, &manager->maps, link)
		if (strcmp(map->unit.identity.wwid, wwid) == 0)
			return device_of(map);
	return NULL;
}

/* A WWID as a file name: what a target may put into it must not lead anywhere. */
static void name_of(const char *wwid, char name[UNIT_WWID_MAX])
{
	size_t i;

	for (i = 0; wwid[i] && i < UNIT_WWID_MAX - 1; i++)
		name[i] = (wwid[i] == '/' || (unsigned char)wwid[i] <= ' ') ? '_' : wwid[i];
	name[i] = '\0';
	if (name[0] == '.')
		name[0] = '_';
}

static struct map_device *make_device(struct managed_session *managed, const struct unit *unit)
{
	struct manager *manager = managed->manager;
	struct session_view *session = &managed->supervisor->view;
	struct disk_settings disk = {.queue_depth = (uint16_t)manager->config.queue_depth};
	struct map_settings settings;
	struct map_device *device;
	struct map_view *other;
	int r;

	node_map_settings(record_of(managed), &manager->config, &settings);
	text_copy(disk.exporter, sizeof(disk.exporter), manager->config.exporter);
	/* The kernel's own nodes are where the kernel makes them; --dev-dir is for our links. */
	text_copy(disk.dev_dir, sizeof(disk.dev_dir), "/dev");
	name_of(unit->identity.wwid, disk.name);
	r = map_device_new(manager_worker(manager, session->lane), manager->home, disk.name, unit,
			   &settings, &disk, &map_device_ops, manager, &device);
	if (r < 0) {
		log_error("map %s: %s", unit->identity.wwid, strerror(-r));
		return NULL;
	}
	list_for_each (other, &manager->maps, link)
		if (strcmp(disk.name, other->name) < 0)
			break;
	list_append(&other->link, &device->view.link);
	manager_notify_added(manager, OBJECT_MAP, &device->view);
	return device;
}

static void join_map(struct managed_session *managed, struct unit_view *unit)
{
	struct manager *manager = managed->manager;
	struct map_device *device = find_device(manager, unit->unit.identity.wwid);
	struct map_path *path;
	int r;

	if (device && !unit_geometry_equal(&device->view.unit.limits, &unit->unit.limits)) {
		manager_event(manager, OBJECT_SESSION, unit->session, LOG_ERR, "geometry-differs",
			      "unit %s has another size through portal %s than through the paths "
			      "it has: not used",
			      unit->unit.identity.wwid, unit->session->persistent_address);
		return;
	}
	if (!device)
		device = make_device(managed, &unit->unit);
	if (!device)
		return;
	r = map_device_add_path(device, unit->session, managed->supervisor->host, unit->lun, &path);
	if (r < 0) {
		log_error("map %s: %s", device->view.name, strerror(-r));
		return;
	}
	unit->path = &path->view;
	manager_notify_added(manager, OBJECT_PATH, &path->view);
	manager_notify_changed(manager, OBJECT_MAP, &device->view);
	if (device->named)
		device_names(device, true);
	map_device_expose(device);
}

static void check_path(struct managed_session *managed, struct unit_view *unit,
		       const struct inventory_unit *found)
{
	struct map_path *path = map_path_of(unit->path);
	const struct unit *expected = &path->device->view.unit;

	if (found->verdict == PROBE_NOT_READY || found->verdict == PROBE_FAILED)
		return; /* stays as it is: no I/O before it was seen to be the right one */
	if (found->verdict == PROBE_FOUND &&
	    unit_identity_equal(&expected->identity, &found->unit.identity) &&
	    unit_geometry_equal(&expected->limits, &found->unit.limits)) {
		map_path_verified(path);
		return;
	}
	manager_event(managed->manager, OBJECT_PATH, unit->path, LOG_ERR, "wrong-unit",
		      "map %s: another unit answers behind portal %s, LUN %" PRIu64
		      ": the path is not used",
		      path->device->view.name, unit->session->persistent_address, unit->number);
	map_path_quarantine(path, "another unit answers behind it");
}

static struct unit_view *find_unit(struct session_view *session, uint64_t lun)
{
	struct unit_view *unit;

	list_for_each (unit, &session->units, link)
		if (unit->lun == lun)
			return unit;
	return NULL;
}

static void reconcile_unit(struct managed_session *managed, const struct inventory_unit *found)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit = find_unit(session, found->lun);

	if (!unit) {
		unit = calloc(1, sizeof(*unit));
		if (!unit)
			return;
		unit->lun = found->lun;
		unit->number = lun_number(found->lun);
		unit->session = session;
		list_append(&session->units, &unit->link);
	}
	if (unit->path) {
		check_path(managed, unit, found);
		return;
	}
	unit->unit = found->unit;
	unit->disk = found->verdict == PROBE_FOUND;
	if (unit->disk)
		join_map(managed, unit);
	else if (found->verdict != PROBE_NO_DISK)
		log_warning("session %u, LUN %" PRIu64 ": %s", session->sid, unit->number,
			    found->text);
}

static bool was_found(const struct inventory_unit *units, size_t count, uint64_t lun)
{
	for (size_t i = 0; i < count; i++)
		if (units[i].lun == lun)
			return true;
	return false;
}

/*
 * A target that has just started may show its units a moment later. So what was not used since the
 * login is looked for a second time, before it is taken for unmapped: that may lose the map.
 */
static void miss_unit(struct managed_session *managed, struct unit_view *unit)
{
	if (!unit->missing && !path_state_carries(unit->path->state))
		rescan_later(managed);
	else
		map_path_unmapped(map_path_of(unit->path), "the target shows the unit no more");
	unit->missing = true;
}

/* Units that the target shows no more. */
static void drop_missing(struct managed_session *managed, const struct inventory_unit *units,
			 size_t count)
{
	struct session_view *session = &managed->supervisor->view;
	struct unit_view *unit, *next;

	list_for_each_safe (unit, next, &session->units, link) {
		if (was_found(units, count, unit->lun)) {
			unit->missing = false;
			continue;
		}
		if (unit->path) {
			miss_unit(managed, unit);
			continue;
		}
		list_remove(&unit->link);
		free(unit);
	}
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

static void on_inventory(int error, const struct inventory_unit *units, size_t count,
			 void *userdata)
{
	struct managed_session *managed = userdata;
	struct session_view *session = &managed->supervisor->view;
	owned_error struct error failure = ERROR_INIT;
	bool again = managed->scan_again;

	managed->inventory = NULL;
	managed->scan_again = false;
	if (error < 0) {
		error_set(&failure, ERROR_FAILED, "the target's units cannot be listed: %s",
			  strerror(-error));
		log_warning("session %u: %s", session->sid, failure.text);
		rescan_later(managed);
	} else {
		for (size_t i = 0; i < count; i++) {
			reconcile_unit(managed, &units[i]);
			if (units[i].verdict == PROBE_NOT_READY || units[i].verdict == PROBE_FAILED)
				rescan_later(managed);
		}
		drop_missing(managed, units, count);
	}
	managed->scanned = true;
	manager_notify_changed(managed->manager, OBJECT_SESSION, session);
	answer_waiters(managed, &failure);
	if (again)
		manager_scan(managed);
	manager_check_logins(managed->manager);
}

void manager_scan(struct managed_session *managed)
{
	if (managed->supervisor->view.state != SESSION_STATE_LOGGED_IN)
		return;
	if (managed->inventory) {
		managed->scan_again = true;
		return;
	}
	if (inventory_start(managed->supervisor->host, managed->manager->home, on_inventory,
			    managed, &managed->inventory) < 0)
		rescan_later(managed);
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

/* Sessions come and go. */

void manager_session_lost(struct managed_session *managed, const char *reason, bool fenced)
{
	struct unit_view *unit;

	managed->scanned = false;
	manager_scan_cancel(managed);
	list_for_each (unit, &managed->supervisor->view.units, link) {
		unit->missing = false;
		if (!unit->path)
			continue;
		map_path_lost(map_path_of(unit->path), reason);
		if (fenced)
			map_path_fenced(map_path_of(unit->path));
	}
}

void manager_session_fenced(struct managed_session *managed)
{
	struct unit_view *unit;

	list_for_each (unit, &managed->supervisor->view.units, link)
		if (unit->path)
			map_path_fenced(map_path_of(unit->path));
}

bool manager_drop_units(struct managed_session *managed)
{
	struct unit_view *unit, *next;
	bool waiting = false;

	list_for_each_safe (unit, next, &managed->supervisor->view.units, link) {
		if (unit->path) {
			map_path_remove(map_path_of(unit->path));
			waiting = true;
			continue;
		}
		list_remove(&unit->link);
		free(unit);
	}
	return waiting;
}

bool manager_units_settled(struct managed_session *managed, struct error *error)
{
	struct unit_view *unit;

	list_for_each (unit, &managed->supervisor->view.units, link) {
		struct map_device *device;

		if (!unit->path)
			continue;
		device = device_of(unit->path->map);
		if (device->stage == DISK_CREATING || unit->path->state == PATH_VERIFY)
			return false;
		if (device->stage == DISK_FAILED)
			error_set(error, ERROR_INTERNAL,
				  "logged in, but unit %s has no block device: %s",
				  device->view.name, strerror(-device->disk_error));
	}
	return true;
}
