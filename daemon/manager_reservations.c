/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The persistent reservations of maps: what daemon/map_reservation.h asks for is done to sessions,
 * paths and files here, and what happens to those is told there.
 */

#include "daemon/manager_reservations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

/* Of one map; userdata of its reservation. */
struct managed_reservation {
	struct manager *manager;
	struct map_device *device;
	struct saved_reservation saved; /* as the file has it */
	enum fence_quality unaided;	/* what its fences are worth without keys */
};

static struct map_path *path_of(const struct reservation_path *path)
{
	return container_of((struct reservation_path *)(uintptr_t)path, struct map_path,
			    reservation);
}

static struct managed_reservation *managed_by(struct map_reservation *reservation)
{
	return reservation->userdata;
}

/* --- what a reservation asks for --- */

static bool on_connected(const struct reservation_path *path)
{
	const struct map_path *map_path = path_of(path);

	return map_path->view.session->state == SESSION_STATE_LOGGED_IN && !map_path->leaving &&
	       map_path->view.state != PATH_QUARANTINED && map_path->view.state != PATH_UNMAPPED;
}

static int on_send(struct reservation_path *path, struct reservation_call *call)
{
	struct map_path *map_path = path_of(path);

	if (!on_connected(path))
		return -ENOTCONN;
	reservation_call_send(call, supervisor_of(map_path->view.session)->host,
			      map_path->view.lun);
	return 0;
}

static void on_admit(struct reservation_path *path)
{
	path_of(path)->view.refused = false;
	map_path_admit(path_of(path));
}

static void on_withhold(struct reservation_path *path, const char *reason)
{
	struct map_path *map_path = path_of(path);
	struct managed_reservation *managed = managed_by(path->reservation);
	bool told = map_path->view.refused;

	map_path->view.refused = true;
	text_copy(map_path->view.state_reason, sizeof(map_path->view.state_reason), reason);
	manager_notify_changed(managed->manager, OBJECT_PATH, &map_path->view);
	if (!told)
		manager_event(managed->manager, OBJECT_PATH, &map_path->view,
			      EVENT_PATH_NOT_REGISTERED, "%s", reason);
	manager_rescan_later(managed_of(map_path->view.session));
	manager_check_logins(managed->manager);
}

static void on_suspend(struct reservation_path *path)
{
	map_path_suspend(path_of(path), "it is registered anew");
}

static void on_fenced(struct reservation_path *path)
{
	map_path_fenced(path_of(path));
}

static void on_event(struct map_reservation *reservation, enum event_kind kind, const char *reason)
{
	struct managed_reservation *managed = managed_by(reservation);

	manager_raise(managed->manager, OBJECT_MAP, &managed->device->view,
		      &(struct event_facts){.kind = kind, .reason = reason});
}

static void save(struct managed_reservation *managed, const struct saved_reservation *holding)
{
	const char *run_dir = managed->manager->run_dir, *name = managed->device->view.name;
	int r = 0;

	if (memcmp(&managed->saved, holding, sizeof(*holding)) == 0)
		return;
	managed->saved = *holding;
	if (holding->state == RESERVATION_UNREGISTERED)
		saved_reservation_remove(run_dir, name);
	else
		r = saved_reservation_save(run_dir, name, holding);
	if (r < 0)
		log_error("map %s: its reservation cannot be saved: %s; after a restart its paths "
			  "would not be registered",
			  name, strerror(-r));
}

static void show(struct managed_reservation *managed, struct map_reservation *reservation)
{
	const struct saved_reservation *holding = &reservation->holding;
	struct map_device *device = managed->device;
	struct reservation_view *view = &device->view.reservation;
	struct path_view *path;

	*view = (struct reservation_view){
		.state = holding->state,
		.key = holding->state == RESERVATION_UNREGISTERED ? 0 : holding->key,
		.per_path = holding->per_path,
		.survives_power = holding->survives_power,
		.type = holding->type ? holding->type : reservation->status.type,
		.held = holding->type != RESERVATION_NONE,
	};
	device->view.fence_quality = managed->unaided;
	if (managed->unaided == FENCE_QUALITY_TIMED && map_reservation_can_fence(reservation))
		device->view.fence_quality = FENCE_QUALITY_STANDARD;
	list_for_each (path, &device->view.paths, link)
		path->registered = map_path_of(path)->reservation.registered;
}

static void on_changed(struct map_reservation *reservation)
{
	struct managed_reservation *managed = managed_by(reservation);
	enum reservation_state state = reservation->holding.state;

	save(managed, &reservation->holding);
	show(managed, reservation);
	map_device_set_reservation(managed->device, state == RESERVATION_REGISTERED,
				   state == RESERVATION_LOST ? -EBADE : 0);
	manager_notify_changed(managed->manager, OBJECT_MAP, &managed->device->view);
}

static const struct map_reservation_ops reservation_ops = {
	.connected = on_connected,
	.send = on_send,
	.admit = on_admit,
	.withhold = on_withhold,
	.suspend = on_suspend,
	.fenced = on_fenced,
	.changed = on_changed,
	.event = on_event,
};

/* --- life --- */

/* The key of this host: of the record, else of hawser.conf; 0: none */
static uint64_t configured_key(const struct map_device *device, const struct record *record,
			       const struct config *config)
{
	const char *text = record_get(record, "hawser.reservation_key");
	uint64_t key = 0;

	if (!text || !text[0])
		text = config->reservation_key;
	if (text[0] && text_parse_hex(text, &key) < 0)
		log_error("map %s: reservation_key '%s' is no hexadecimal number of up to 16 "
			  "digits: there is none",
			  device->view.name, text);
	return key;
}

static void load(const struct manager *manager, const struct map_device *device,
		 struct saved_reservation *ret)
{
	int r = saved_reservation_load(manager->run_dir, device->view.name, ret);

	if (r < 0 && r != -ENOENT)
		log_error("map %s: what is known of its reservation cannot be read: %s",
			  device->view.name, strerror(-r));
}

void manager_reservation_begin(struct manager *manager, struct map_device *device,
			       const struct record *record)
{
	struct managed_reservation *managed = calloc(1, sizeof(*managed));
	int r = -ENOMEM;

	if (managed) {
		managed->manager = manager;
		managed->device = device;
		managed->unaided = device->view.fence_quality;
		load(manager, device, &managed->saved);
		r = map_reservation_new(&reservation_ops, managed, &managed->saved,
					configured_key(device, record, &manager->config),
					&device->reservation);
	}
	if (r < 0) {
		log_error("map %s: no memory to look after its reservation", device->view.name);
		free(managed);
		return;
	}
	on_changed(device->reservation);
}

void manager_reservation_end(struct map_device *device)
{
	struct managed_reservation *managed;

	if (!device->reservation)
		return;
	managed = managed_by(device->reservation);
	map_reservation_free(device->reservation);
	device->reservation = NULL;
	free(managed);
}

/* --- what happens to paths --- */

/* What names its nexus in every life of the daemon: the ISID goes by the same. */
static uint64_t lasting_id(const struct path_view *path)
{
	const struct session_view *session = path->session;
	char lane[16], port[8], lun[24];

	snprintf(lane, sizeof(lane), "%u", session->lane);
	snprintf(port, sizeof(port), "%u", session->persistent_port);
	snprintf(lun, sizeof(lun), "%016" PRIx64, path->lun);
	return text_hash((const char *[]){"reservation", session->target,
					  session->persistent_address, port, session->iface, lane,
					  lun},
			 7);
}

bool manager_reservation_may_carry(struct map_path *path)
{
	struct map_reservation *reservation = path->device->reservation;

	if (!reservation)
		return true;
	if (!path->reservation.reservation)
		map_reservation_add_path(reservation, &path->reservation, lasting_id(&path->view));
	return map_reservation_may_carry(&path->reservation);
}

void manager_reservation_path_lost(struct map_path *path)
{
	path->view.refused = false;
	map_reservation_path_lost(&path->reservation);
}

void manager_reservation_path_removed(struct map_path *path)
{
	map_reservation_remove_path(&path->reservation);
}

void manager_reservation_attention(struct map_path *path, uint8_t asc, uint8_t ascq)
{
	if (path->reservation.reservation)
		map_reservation_attention(&path->reservation, asc, ascq);
}

void manager_reservation_conflict(struct map_path *path)
{
	if (path->reservation.reservation)
		map_reservation_conflict(&path->reservation);
	else
		map_path_admit(path);
}

void manager_reservation_fence_wanted(struct map_path *path)
{
	map_reservation_fence(&path->reservation);
}

/* A host that does nothing is told nothing: unit attentions wait for a command. */
void manager_poll_reservations(struct manager *manager)
{
	struct map_view *map;

	list_for_each (map, &manager->maps, link)
		if (device_of(map)->reservation)
			map_reservation_look(device_of(map)->reservation);
}

/* --- what faces ask for --- */

void manager_ask_reservation(struct manager *manager, struct map_view *map,
			     const struct reservation_request *request, reservation_done *done,
			     void *userdata)
{
	struct map_reservation *reservation = device_of(map)->reservation;
	owned_error struct error error = ERROR_INIT;

	if (reservation) {
		map_reservation_ask(reservation, request, done, userdata);
		return;
	}
	error_set(&error, ERROR_SESSION_NOT_CONNECTED, "the map is going away");
	done(&error, NULL, userdata);
}
