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

#include "daemon/links.h"
#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "daemon/udev_properties.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

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
	/* Those of a hawserd before this one, to which no path leads any more. */
	if (!set)
		links_unset_all(((struct manager *)device->userdata)->dev_dir, "disk/by-path",
				device->view.device);
}

/* "…-iscsi-<target>-lun-": what the names of all units behind a session begin with. */
static bool is_behind(const struct session_view *session, const char *by_path)
{
	char name[512], *end;

	links_by_path(session->persistent_address, session->persistent_port, session->target, 0,
		      name, sizeof(name));
	end = strrchr(name, '-');
	end[1] = '\0';
	return text_starts_with(by_path, name);
}

/* Is there a session that is not back yet, or whose units are not known yet? */
static bool is_expected(const char *by_path, void *userdata)
{
	struct manager *manager = userdata;
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		const struct managed_session *managed = managed_of(session);
		bool known = session->state == SESSION_STATE_LOGGED_IN && managed->scanned;

		if (!managed->leaving && !known && is_behind(session, by_path))
			return true;
	}
	return false;
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
		r = udev_properties_set(manager->run_dir, view, is_expected, manager);
	else
		udev_properties_unset(manager->run_dir, view->major, view->minor);
	if (r < 0)
		log_warning("map %s: udev is not told: %s", view->name, strerror(-r));
}

void manager_forget_names(struct manager *manager, const struct session_view *session)
{
	struct map_view *map;
	struct path_view *path;

	list_for_each (map, &manager->maps, link)
		list_for_each (path, &map->paths, link) {
			if (!device_of(map)->named ||
			    strcmp(path->session->target, session->target) != 0)
				continue;
			device_names(device_of(map), true);
			break;
		}
}

/* What maps report. */

static void map_end(struct manager *manager, struct map_device *device)
{
	manager_recovery_forget(manager, device);
	manager_reservation_end(device);
	manager_event(manager, OBJECT_MAP, &device->view, EVENT_MAP_REMOVED, NULL);
	manager_notify_removed(manager, OBJECT_MAP, &device->view);
	list_remove(&device->view.link);
	manager_removed(manager, device);
	map_device_free(device);
}

static void on_withdrawn_empty(struct map_device *device, int error, void *userdata)
{
	/* It is being made: on_device_changed() comes, and ends it. */
	if (error == -EBUSY && device->stage == DISK_CREATING)
		return;
	if (error < 0)
		log_error("map %s: its device cannot be taken away: %s", device->view.name,
			  strerror(-error));
	else
		map_end(userdata, device);
}

static void on_device_withdrawn(struct map_device *device, void *userdata)
{
	manager_unkeep_map(userdata, device);
	device_names(device, false);
}

static void on_device_live(struct map_device *device, void *userdata)
{
	const struct map_view *view = &device->view;

	manager_raise(userdata, OBJECT_MAP, view,
		      &(struct event_facts){
			      .kind = EVENT_DEVICE_LIVE,
			      .reason = view->device,
			      .numbers = {view->unit.limits.blocks * view->unit.limits.block_size,
					  device->resumed},
		      });
	manager_keep_map(userdata, device);
}

static void on_device_changed(struct map_device *device, void *userdata)
{
	struct manager *manager = userdata;

	if (device->ending && (device->stage == DISK_LIVE || device->stage == DISK_FAILED)) {
		map_device_withdraw(device, true, on_withdrawn_empty, manager);
		return;
	}
	if (device->stage == DISK_LIVE && !device->named)
		device_names(device, true);
	if (device->stage == DISK_LIVE)
		manager_check_size(manager, device, NULL);
	manager_notify_changed(manager, OBJECT_MAP, &device->view);
	manager_notify_changed(manager, OBJECT_MANAGER, manager);
	manager_check_rescans(manager);
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

/* How loudly it is told that a path, or a map, is in this state, and what was decided by that. */
struct state_note {
	int severity;
	unsigned verdicts;
};

/* clang-format off */
static const struct state_note path_notes[PATH_STATE_COUNT] = {
	[PATH_DOWN]        = {LOG_WARNING, VERDICT_FAILP},
	[PATH_VERIFY]      = {LOG_NOTICE,  VERDICT_PROBE},
	[PATH_PROBATION]   = {LOG_NOTICE,  VERDICT_OK},
	[PATH_ACTIVE]      = {LOG_NOTICE,  VERDICT_OK},
	[PATH_SUSPECT]     = {LOG_INFO,    VERDICT_SUSPECT},
	[PATH_THROTTLED]   = {LOG_WARNING, VERDICT_DELAY},
	[PATH_MARGINAL]    = {LOG_WARNING, VERDICT_SUSPECT},
	[PATH_FAILED]      = {LOG_WARNING, VERDICT_FAILP},
	[PATH_UNMAPPED]    = {LOG_WARNING, VERDICT_RESCAN},
	[PATH_QUARANTINED] = {LOG_ERR,     VERDICT_QUAR},
};

static const struct state_note map_notes[MAP_STATE_COUNT] = {
	[MAP_OK]               = {LOG_NOTICE,  VERDICT_OK},
	[MAP_DEGRADED]         = {LOG_WARNING, VERDICT_OK},
	[MAP_NO_PATH_QUEUEING] = {LOG_ERR,     VERDICT_DELAY},
	[MAP_NO_PATH_FAILING]  = {LOG_CRIT,    VERDICT_ERR},
	[MAP_LOST]             = {LOG_CRIT,    VERDICT_ERR},
};
/* clang-format on */

static void tell_path_state(struct map_path *path, enum path_state from, unsigned in_doubt)
{
	const struct state_note *note = &path_notes[path->view.state];

	manager_raise(
		path->device->userdata, OBJECT_PATH, &path->view,
		&(struct event_facts){
			.kind = EVENT_PATH_CHANGED,
			.severity = note->severity,
			.verdicts = note->verdicts | (in_doubt ? VERDICT_FENCE : 0),
			.doubt = in_doubt ? DOUBT_OPEN : DOUBT_NOT_SAID,
			.state = path_state_name(path->view.state),
			.from = path_state_name(from),
			.reason = path->view.state_reason,
			.numbers = {active_paths(path->device), all_paths(path->device), in_doubt},
		});
}

/* A path that is new, or back, is looked at: then "degraded" is only a moment on the way to better.
 */
static bool is_looked_at(const struct map_device *device)
{
	const struct path_view *path;

	list_for_each (path, &device->view.paths, link)
		if (path->state == PATH_VERIFY)
			return true;
	return false;
}

static void on_map_state(struct map_device *device, enum map_state from, void *userdata)
{
	const struct state_note *note = &map_notes[device->view.state];

	if (device->view.state == from || device->ending)
		return;
	manager_raise(userdata, OBJECT_MAP, &device->view,
		      &(struct event_facts){
			      .kind = EVENT_MAP_CHANGED,
			      .severity = device->view.state == MAP_DEGRADED && is_looked_at(device)
						  ? LOG_NOTICE
						  : note->severity,
			      .verdicts = note->verdicts,
			      .state = map_state_name(device->view.state),
			      .from = map_state_name(from),
			      .numbers = {active_paths(device), all_paths(device)},
		      });
}

static void on_path_changed(struct map_path *path, enum path_state from, unsigned in_doubt,
			    void *userdata)
{
	struct manager *manager = userdata;
	struct path_view *view = &path->view;

	manager_notify_changed(manager, OBJECT_PATH, view);
	manager_notify_changed(manager, OBJECT_MAP, view->map);
	if (path->leaving || view->state == from)
		return;
	tell_path_state(path, from, in_doubt);
	if (!path_state_carries(view->state))
		manager_watch_doubt(manager);
	/* Its session is up: only a look at the unit can bring it back. */
	if (view->state == PATH_FAILED && view->session->state == SESSION_STATE_LOGGED_IN)
		manager_rescan_later(managed_of(view->session));
	manager_check_logins(manager);
}

void manager_end_map(struct manager *manager, struct map_device *device)
{
	if (device->stage != DISK_REMOVING)
		map_device_withdraw(device, true, on_withdrawn_empty, manager);
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
	manager_save_map(manager, device);
	manager_reservation_path_removed(path);
	manager_event(manager, OBJECT_PATH, &path->view, EVENT_PATH_REMOVED, NULL);
	manager_notify_removed(manager, OBJECT_PATH, &path->view);
	list_for_each (unit, &session->units, link)
		if (unit->path == &path->view)
			unit->path = NULL;
	if (list_empty(&device->view.paths)) {
		device->ending = true;
		map_device_withdraw(device, true, on_withdrawn_empty, manager);
	} else {
		manager_check_size(manager, device, NULL);
		manager_notify_changed(manager, OBJECT_MAP, &device->view);
	}
	if (managed_of(session)->leaving)
		manager_session_left(managed_of(session));
	else
		manager_scan(managed_of(session)); /* its LUN may be another unit's by now */
}

/* SPC-4: REPORTED LUNS DATA HAS CHANGED; the other sessions have no I/O that would tell them. */
static bool concerns_the_target(uint8_t asc, uint8_t ascq)
{
	return asc == 0x3f && ascq == 0x0e;
}

/* SPC-4: iSCSI IP ADDRESS ADDED, REMOVED, CHANGED */
static bool concerns_the_portals(uint8_t asc, uint8_t ascq)
{
	return asc == 0x3f && ascq >= 0x12 && ascq <= 0x14;
}

/*
 * Any LUN of it may be another unit's by now, and the first REPORT LUNS ends the unit attentions of
 * those that have carried no command since (SPC-4 §6.33).
 */
static void doubt_target(struct manager *manager, const char *target)
{
	struct session_view *session;
	struct unit_view *unit;

	list_for_each (session, &manager->sessions, link) {
		if (strcmp(session->target, target) != 0)
			continue;
		list_for_each (unit, &session->units, link)
			if (unit->path)
				map_path_doubt(map_path_of(unit->path),
					       "the target's units have changed");
	}
}

static void on_attention(struct map_path *path, uint8_t asc, uint8_t ascq, void *userdata)
{
	char text[8];

	manager_reservation_attention(path, asc, ascq);
	snprintf(text, sizeof(text), "%02x/%02x", asc, ascq);
	manager_raise(userdata, OBJECT_PATH, &path->view,
		      &(struct event_facts){
			      .kind = EVENT_UNIT_ATTENTION,
			      .verdicts = VERDICT_RESCAN,
			      .reason = text,
			      .numbers = {asc, ascq},
		      });
	if (concerns_the_portals(asc, ascq)) {
		manager_rediscover(userdata, path->view.session, NULL, NULL);
	} else if (concerns_the_target(asc, ascq)) {
		doubt_target(userdata, path->view.session->target);
		manager_scan_target(userdata, path->view.session->target);
	} else {
		manager_scan(managed_of(path->view.session));
	}
}

static void on_path_doubted(struct map_path *path, void *userdata)
{
	manager_scan(managed_of(path->view.session));
}

static void on_device_growing(struct map_device *device, void *userdata)
{
	manager_save_map(userdata, device);
}

static void on_device_resized(struct map_device *device, uint64_t old_blocks, int error,
			      const char *step, void *userdata)
{
	manager_device_resized(userdata, device, old_blocks, error, step);
}

static bool on_may_carry(struct map_path *path, void *userdata)
{
	return manager_reservation_may_carry(path);
}

static void on_conflict(struct map_path *path, void *userdata)
{
	manager_reservation_conflict(path);
}

static void on_fence_wanted(struct map_path *path, void *userdata)
{
	manager_reservation_fence_wanted(path);
}

static void on_event(struct map_device *device, const struct event_facts *facts, void *userdata)
{
	manager_raise(userdata, OBJECT_MAP, &device->view, facts);
}

static void on_save(struct map_device *device, void *userdata)
{
	manager_save_map(userdata, device);
}

static const struct map_device_ops map_device_ops = {
	.save = on_save,
	.withdrawn = on_device_withdrawn,
	.live = on_device_live,
	.growing = on_device_growing,
	.resized = on_device_resized,
	.path_doubted = on_path_doubted,
	.changed = on_device_changed,
	.state_changed = on_map_state,
	.path_changed = on_path_changed,
	.path_removed = on_path_removed,
	.may_carry = on_may_carry,
	.conflict = on_conflict,
	.fence_wanted = on_fence_wanted,
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

uint16_t manager_disk_owner(const struct manager *manager)
{
	return (uint16_t)text_hash((const char *[]){"owner", manager->run_dir}, 2);
}

struct map_device *manager_make_map(struct manager *manager, const struct record *record,
				    const struct unit *unit, const char *exporter,
				    uint16_t queue_depth)
{
	struct disk_settings disk = {
		.queue_depth = queue_depth,
		.owner = manager_disk_owner(manager),
	};
	struct map_settings settings;
	struct map_device *device;
	struct map_view *other;
	int r;

	node_map_settings(record, &manager->config, &settings);
	text_copy(disk.exporter, sizeof(disk.exporter), exporter);
	/* The kernel's own nodes are where the kernel makes them; --dev-dir is for our links. */
	text_copy(disk.dev_dir, sizeof(disk.dev_dir), "/dev");
	name_of(unit->identity.wwid, disk.name);
	r = map_device_new(manager_worker(manager, 0), manager->home, disk.name, unit, &settings,
			   &disk, &map_device_ops, manager, &device);
	if (r < 0) {
		log_error("map %s: %s", unit->identity.wwid, strerror(-r));
		return NULL;
	}
	list_for_each (other, &manager->maps, link)
		if (strcmp(disk.name, other->name) < 0)
			break;
	list_append(&other->link, &device->view.link);
	manager_reservation_begin(manager, device, record);
	manager_notify_added(manager, OBJECT_MAP, &device->view);
	manager_event(manager, OBJECT_MAP, &device->view, EVENT_MAP_ADDED, NULL);
	return device;
}

/* Can it be the unit that the device is of? Its size is another matter: manager_sizes.c. */
static bool differs(const struct map_device *device, const struct unit_view *unit)
{
	const struct unit *expected = &device->view.unit;

	return !unit_identity_equal(&expected->identity, &unit->unit.identity) ||
	       (!unit->unit.limits.access &&
		expected->limits.block_size != unit->unit.limits.block_size);
}

/* Through a port that does no I/O now, nobody knows. */
static bool fits(const struct map_device *device, const struct unit_limits *limits)
{
	return limits->access || manager_size_fits(device, limits->blocks);
}

void manager_join_map(struct managed_session *managed, struct unit_view *unit)
{
	struct manager *manager = managed->manager;
	struct map_device *device = find_device(manager, unit->unit.identity.wwid);
	struct map_path *path;
	int r;

	if (device && (device->ending || device->removing)) {
		manager_rescan_later(managed); /* the device of before is being taken away */
		return;
	}
	if (unit->unit.limits.access && !device) {
		manager_rescan_later(managed); /* nobody knows its size */
		return;
	}
	if (device && differs(device, unit)) {
		if (!unit->told)
			manager_event(manager, OBJECT_SESSION, unit->session,
				      EVENT_GEOMETRY_DIFFERS, "%s", unit->unit.identity.wwid);
		unit->told = true;
		return;
	}
	if (!device)
		device = manager_make_map(manager, record_of(managed), &unit->unit,
					  manager->config.exporter,
					  (uint16_t)manager->config.queue_depth);
	if (!device)
		return;
	r = map_device_add_path(device, unit->session, managed->supervisor->host, unit->lun,
				node_path_weight(unit->session->node
							 ? unit->session->node->record
							 : manager->config.node_defaults),
				&unit->unit.limits, !fits(device, &unit->unit.limits), &path);
	if (r < 0) {
		log_error("map %s: %s", device->view.name, strerror(-r));
		return;
	}
	unit->path = &path->view;
	manager_notify_added(manager, OBJECT_PATH, &path->view);
	manager_event(manager, OBJECT_PATH, &path->view, EVENT_PATH_ADDED, NULL);
	path->agreed = !path->waits && !unit->unit.limits.access;
	if (!unit->unit.limits.access)
		manager_note_size(manager, path, unit->unit.limits.blocks);
	manager_notify_changed(manager, OBJECT_MAP, &device->view);
	if (device->named)
		device_names(device, true);
	map_device_expose(device);
}

void manager_ask_access(struct managed_session *managed)
{
	struct unit_view *unit;

	list_for_each (unit, &managed->supervisor->view.units, link)
		if (unit->path)
			map_device_ask_access(device_of(unit->path->map));
}

/* Sessions come and go. */

void manager_session_lost(struct managed_session *managed, const char *reason, bool fenced)
{
	struct unit_view *unit;

	managed->scanned = false;
	manager_scan_cancel(managed);
	list_for_each (unit, &managed->supervisor->view.units, link) {
		unit->gone_looks = 0;
		unit->told = unit->held = false;
		if (!unit->path)
			continue;
		manager_reservation_path_lost(map_path_of(unit->path));
		map_path_of(unit->path)->seen = false;
		map_path_lost(map_path_of(unit->path), reason);
		if (fenced)
			map_path_fenced(map_path_of(unit->path));
		manager_check_size(managed->manager, device_of(unit->path->map), NULL);
	}
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
		if (unit->path->refused)
			error_set(error, ERROR_FAILED,
				  "logged in, but a path to %s is not used, because it %s",
				  device->view.name, unit->path->state_reason);
		else if (unit->path->state == PATH_VERIFY && !map_path_of(unit->path)->waits)
			return false;
		if (device->stage == DISK_CREATING)
			return false;
		if (device->stage == DISK_FAILED)
			error_set(error, ERROR_INTERNAL,
				  "logged in, but unit %s has no block device: %s",
				  device->view.name, strerror(-device->disk_error));
	}
	return true;
}
