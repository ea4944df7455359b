/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What object.c, standard.c and introspect.c share: the tree from inside.
 */

#include <systemd/sd-event.h>

#include "dbus/object.h"
#include "util/list.h"

/* What the world has to hear of an object. */
enum news {
	NEWS_NONE,
	NEWS_ADDED,
	NEWS_CHANGED,
	NEWS_REMOVED,
};

struct object {
	struct list link, pending_link; /* in tree->objects, tree->pending */
	char *path;
	void *owner; /* NULL once it was removed */
	const struct bus_interface *const *interfaces;
	enum news news;
	uint64_t *hashes; /* of each property's value as last told, over all interfaces */
};

struct object_tree {
	sd_event *event;
	sd_event_source *flush;
	struct bus *bus;
	struct access *access;
	char *root;
	void *context;
	void *by_path, *by_owner; /* tsearch() */
	struct list objects;	  /* struct object, in order of object_add() */
	struct list pending;	  /* struct object with news, oldest first */
};

/** tree_find() - NULL when there is no object at @path */
struct object *tree_find(const struct object_tree *tree, const char *path);
/** object_is_root() - it is the ObjectManager */
bool object_is_root(const struct object_tree *tree, const struct object *object);
/** object_find_interface() - one of its own, or NULL */
const struct bus_interface *object_find_interface(const struct object *object, const char *name);

/* standard.c: handlers get struct object and, as context, struct object_tree */
extern const struct bus_interface *const standard_interfaces[];
extern const struct bus_interface standard_object_manager, standard_peer;

/** standard_emit() - tell the news of @object; @tree->bus is set */
void standard_emit(struct object_tree *tree, struct object *object);
/** standard_remember() - take the values of now as told */
void standard_remember(struct object *object);

/**
 * introspect_xml() - what is at @path: interfaces of @object (may be NULL) and names of the objects
 * below
 *
 * Return: text to be freed; NULL when out of memory.
 */
char *introspect_xml(const struct object_tree *tree, const char *path, const struct object *object);
/** introspect_is_folder() - some object lies below @path */
bool introspect_is_folder(const struct object_tree *tree, const char *path);
