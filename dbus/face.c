/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The D-Bus face: shows the manager's objects, follows their changes, and serves them on the
 * private socket and on the system bus.
 */

#include "daemon/face.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/access.h"
#include "dbus/bus.h"
#include "dbus/events.h"
#include "dbus/interfaces.h"
#include "dbus/object.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/log.h"

struct dbus_face {
	struct manager *manager;
	struct manager_observer observer;
	struct bus *bus;
	struct access *access;
	struct object_tree *tree;
};

static const struct bus_interface *const interfaces[][OBJECT_INTERFACES_MAX + 1] = {
	[OBJECT_MANAGER] = {&manager_interface, &discovery_interface, &discovery_records_interface,
			    &ifaces_interface},
	[OBJECT_NODE] = {&node_interface},
	[OBJECT_SESSION] = {&session_interface},
	[OBJECT_MAP] = {&map_interface, &reservation_interface},
	[OBJECT_PATH] = {&path_interface},
};

/* --- following the manager --- */

static struct dbus_face *face_of(struct manager_observer *observer)
{
	return container_of(observer, struct dbus_face, observer);
}

static void units_changed(struct dbus_face *face, const struct map_view *map)
{
	const struct path_view *path;

	/* sessions show the device of each unit */
	list_for_each (path, &map->paths, link)
		object_changed(face->tree, path->session);
}

/*
 * What else shows something of @object. Too many are no harm: only values that differ are told.
 * The others are only looked up by address, so that it does not matter which of two is gone first.
 */
static void relatives_changed(struct dbus_face *face, enum object_kind kind, const void *object)
{
	const struct node *node = object;
	const struct session_view *session = object;
	const struct path_view *path = object;

	switch (kind) {
	case OBJECT_NODE:
		list_for_each (session, &node->sessions, node_link)
			object_changed(face->tree, session);
		break;
	case OBJECT_SESSION:
		object_changed(face->tree, session->node);
		break;
	case OBJECT_PATH:
		object_changed(face->tree, path->map);
		object_changed(face->tree, path->session);
		break;
	case OBJECT_MAP:
	case OBJECT_MANAGER:
		break;
	}
	object_changed(face->tree, face->manager);
}

static void show(struct dbus_face *face, enum object_kind kind, void *object)
{
	char path[SHOWN_PATH_MAX];
	int r = object_add(face->tree, shown_path(kind, object, path), interfaces[kind], object);

	if (r < 0 && r != -EEXIST)
		log_error("cannot show %s on D-Bus: %s", path, strerror(-r));
}

static void on_added(struct manager_observer *observer, enum object_kind kind, void *object)
{
	show(face_of(observer), kind, object);
	relatives_changed(face_of(observer), kind, object);
}

static void on_changed(struct manager_observer *observer, enum object_kind kind, void *object)
{
	object_changed(face_of(observer)->tree, object);
	if (kind == OBJECT_MAP)
		units_changed(face_of(observer), object);
	relatives_changed(face_of(observer), kind, object);
}

static void on_removed(struct manager_observer *observer, enum object_kind kind, void *object)
{
	object_remove(face_of(observer)->tree, object);
	relatives_changed(face_of(observer), kind, object);
}

static void on_event(struct manager_observer *observer, const struct event *event)
{
	struct dbus_face *face = face_of(observer);
	struct bus_message *message = bus_signal_new(ROOT_PATH, manager_interface.name,
						     manager_interface.signals[0].name);

	event_write(bus_message_writer(message), event);
	bus_emit(face->bus, message, true);
}

static const struct manager_observer observer = {
	.added = on_added,
	.changed = on_changed,
	.removed = on_removed,
	.event = on_event,
};

static void show_all(struct dbus_face *face)
{
	struct node *node;
	struct session_view *session;
	struct map_view *map;
	struct path_view *path;

	show(face, OBJECT_MANAGER, face->manager);
	list_for_each (node, manager_nodes(face->manager), link)
		show(face, OBJECT_NODE, node);
	list_for_each (session, manager_sessions(face->manager), link)
		show(face, OBJECT_SESSION, session);
	list_for_each (map, manager_maps(face->manager), link) {
		show(face, OBJECT_MAP, map);
		list_for_each (path, &map->paths, link)
			show(face, OBJECT_PATH, path);
	}
}

/* --- what the bus wants --- */

static void on_call(struct bus_call *call, void *userdata)
{
	struct dbus_face *face = userdata;

	object_tree_call(face->tree, call);
}

static void before_answer(void *userdata)
{
	struct dbus_face *face = userdata;

	object_tree_flush(face->tree);
}

static void on_name_vanished(const char *name, void *userdata)
{
	struct dbus_face *face = userdata;

	if (name)
		access_name_vanished(face->access, name);
}

static const struct bus_handler bus_handler = {on_call, before_answer, on_name_vanished};

/* --- start and stop --- */

static void face_stop(void *userdata)
{
	struct dbus_face *face = userdata;

	if (!face)
		return;
	manager_unobserve(&face->observer);
	if (face->tree)
		object_tree_flush(face->tree);
	bus_free(face->bus);
	access_free(face->access);
	object_tree_free(face->tree);
	free(face);
}

static int build(struct dbus_face *face, struct sd_event *event)
{
	int r;

	r = object_tree_new(event, ROOT_PATH, face->manager, &face->tree);
	if (r < 0)
		return r;
	r = bus_new(event, &bus_handler, face, &face->bus);
	if (r < 0)
		return r;
	r = access_new(face->bus, &face->access);
	if (r < 0)
		return r;
	show_all(face);
	object_tree_serve(face->tree, face->bus, face->access);
	manager_observe(face->manager, &face->observer);
	return 0;
}

static int open_doors(struct dbus_face *face, const char *run_dir, struct error *error)
{
	owned_memory char *socket = NULL;

	if (asprintf(&socket, "%s/bus", run_dir) < 0)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	if (bus_listen(face->bus, socket, error) < 0)
		return -1;
	if (bus_connect_system(face->bus, NULL) < 0)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	return 0;
}

static int face_start(struct sd_event *event, struct manager *manager, const char *run_dir,
		      struct error *error, void **ret)
{
	struct dbus_face *face = calloc(1, sizeof(*face));
	int r;

	if (!face)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	face->manager = manager;
	face->observer = observer;
	list_init(&face->observer.link);
	r = build(face, event);
	if (r < 0)
		r = error_set(error, ERROR_FAILED, "cannot start D-Bus: %s", strerror(-r));
	else
		r = open_doors(face, run_dir, error);
	if (r < 0) {
		face_stop(face);
		return -1;
	}
	*ret = face;
	return 0;
}

const struct face dbus_face = {
	.name = "D-Bus",
	.start = face_start,
	.stop = face_stop,
};
