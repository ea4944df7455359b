/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Path groups by hand: another one than the map would choose, and back. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/manager_private.h"
#include "util/cleanup.h"

struct group_request {
	struct manager *manager;
	unsigned number; /* 0: the best */
	manager_done *done;
	void *userdata;
};

static void tell_why(const struct group_request *request, int error, struct error *ret)
{
	switch (error) {
	case -EINVAL:
		error_set(ret, ERROR_INVALID_ARGUMENT, "the map has no path group %u",
			  request->number);
		break;
	case -EALREADY:
	case -ENOTCONN:
		error_set(ret, ERROR_SESSION_NOT_CONNECTED, "no path of the group is usable");
		break;
	case -EOPNOTSUPP:
		error_set(ret, ERROR_NOT_SUPPORTED,
			  "path group %u does no I/O, and the target does not let initiators "
			  "change that",
			  request->number);
		break;
	case -EBUSY:
		error_set(ret, ERROR_BUSY, "a port group is being activated already");
		break;
	default:
		error_set(ret, ERROR_FAILED, "%s", strerror(-error));
	}
}

static void on_switched(struct map_device *device, int r, void *userdata)
{
	struct group_request *request = userdata;
	owned_error struct error error = ERROR_INIT;

	if (r < 0)
		tell_why(request, r, &error);
	else if (request->number)
		manager_event(request->manager, OBJECT_MAP, &device->view, EVENT_GROUP_SWITCHED,
			      "path group %u", request->number);
	else
		manager_event(request->manager, OBJECT_MAP, &device->view, EVENT_GROUP_SWITCHED,
			      "the best path group");
	request->done(&error, request->userdata);
	free(request);
}

static void switch_group(struct manager *manager, struct map_view *map, unsigned number,
			 manager_done *done, void *userdata)
{
	struct group_request *request = malloc(sizeof(*request));
	owned_error struct error error = ERROR_INIT;

	if (request)
		*request = (struct group_request){manager, number, done, userdata};
	if (request && map_device_switch_group(device_of(map), number, on_switched, request) == 0)
		return;
	free(request);
	error_set(&error, ERROR_NO_MEMORY, "out of memory");
	done(&error, userdata);
}

void manager_switch_group(struct manager *manager, struct map_view *map, unsigned number,
			  manager_done *done, void *userdata)
{
	owned_error struct error error = ERROR_INIT;

	if (number > 0) {
		switch_group(manager, map, number, done, userdata);
		return;
	}
	error_set(&error, ERROR_INVALID_ARGUMENT, "path groups are counted from 1");
	done(&error, userdata);
}

void manager_failback(struct manager *manager, struct map_view *map, manager_done *done,
		      void *userdata)
{
	switch_group(manager, map, 0, done, userdata);
}
