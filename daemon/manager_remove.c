/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Maps that are taken away by hand, because their unit will not come back: the target is gone for
 * good, or the device was taken over from a hawserd before this one and no session leads to it any
 * more. All its I/O ends with EIO, its paths leave, and with the last of them the map ends as
 * usual.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/manager_private.h"
#include "util/cleanup.h"

#define STEP_MS	    100
#define PATIENCE_MS 15000 /* then whoever asked is told what is still waited for */

struct removal {
	struct list link; /* in manager.removals */
	struct manager *manager;
	struct map_device *device;
	struct sd_event_source *timer;
	unsigned waited_ms;
	manager_done *done; /* NULL: was told */
	void *userdata;
};

static struct removal *find_removal(struct manager *manager, const struct map_device *device)
{
	struct removal *removal;

	list_for_each (removal, &manager->removals, link)
		if (removal->device == device)
			return removal;
	return NULL;
}

static void answer(struct removal *removal, const struct error *error)
{
	manager_done *done = removal->done;

	removal->done = NULL;
	if (done)
		done(error, removal->userdata);
}

void manager_removed(struct manager *manager, const struct map_device *device)
{
	struct removal *removal = find_removal(manager, device);

	if (!removal)
		return;
	list_remove(&removal->link);
	sd_event_source_disable_unref(removal->timer);
	answer(removal, &(struct error)ERROR_INIT);
	free(removal);
}

static void tell_patience_is_over(struct removal *removal)
{
	owned_error struct error error = ERROR_INIT;

	error_set(&error, ERROR_REQUEST_TIMEOUT,
		  "map %s still waits for the kernel, or for commands that its target has; it goes "
		  "when they end",
		  removal->device->view.name);
	answer(removal, &error);
}

/* A path leaves when nothing is on its wire. */
static void drop_paths(struct removal *removal)
{
	struct path_view *path, *next;

	list_for_each_safe (path, next, &removal->device->view.paths, link)
		map_path_remove_idle(map_path_of(path));
}

static int step(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct removal *removal = userdata;

	sd_event_source_set_time_relative(source, STEP_MS * UINT64_C(1000));
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	drop_paths(removal);
	removal->waited_ms += STEP_MS;
	if (removal->done && removal->waited_ms >= PATIENCE_MS)
		tell_patience_is_over(removal);
	return 0;
}

static void begin(struct removal *removal)
{
	struct map_device *device = removal->device;
	bool lonely = list_empty(&device->view.paths);

	device->removing = true;
	map_device_give_up(device);
	if (!lonely) {
		drop_paths(removal);
		return;
	}
	device->ending = true;
	manager_end_map(removal->manager, device);
}

/* Why it must not be done. Return: ERROR_NONE when nothing speaks against it */
static void refuse(struct manager *manager, struct map_device *device, bool force,
		   struct error *error)
{
	const struct path_view *path;
	char holders[256];

	if (find_removal(manager, device)) {
		error_set(error, ERROR_TRY_AGAIN, "map %s is being taken away already",
			  device->view.name);
		return;
	}
	list_for_each (path, &device->view.paths, link)
		if (path_state_carries(path->state)) {
			error_set(error, ERROR_SESSION_EXISTS,
				  "map %s has paths that work; log out of %s instead",
				  device->view.name, path->session->target);
			return;
		}
	map_device_holders(device, holders, sizeof(holders));
	if (holders[0] && !force)
		error_set(error, ERROR_BUSY, "device %s (%s) is in use: %s", device->view.device,
			  device->view.name, holders);
}

void manager_remove_map(struct manager *manager, struct map_view *map, bool force,
			manager_done *done, void *userdata)
{
	struct map_device *device = device_of(map);
	owned_error struct error error = ERROR_INIT;
	struct removal *removal = NULL;
	char holders[256];

	refuse(manager, device, force, &error);
	if (!error_is_set(&error)) {
		removal = calloc(1, sizeof(*removal));
		if (!removal ||
		    sd_event_add_time_relative(manager->event, &removal->timer, CLOCK_MONOTONIC,
					       STEP_MS * 1000, 0, step, removal) < 0)
			error_set(&error, ERROR_NO_MEMORY, "no memory");
	}
	if (error_is_set(&error)) {
		free(removal);
		done(&error, userdata);
		return;
	}
	removal->manager = manager;
	removal->device = device;
	removal->done = done;
	removal->userdata = userdata;
	list_append(&manager->removals, &removal->link);
	map_device_holders(device, holders, sizeof(holders));
	manager_raise(manager, OBJECT_MAP, map,
		      &(struct event_facts){
			      .kind = EVENT_MAP_TAKEN_AWAY,
			      .severity = holders[0] ? LOG_ERR : 0,
			      .reason = holders,
		      });
	begin(removal); /* which may be all */
}
