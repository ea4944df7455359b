/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/object.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/access.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/marshal.h"
#include "dbus/object_internal.h"
#include "util/cleanup.h"

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

/* --- tables --- */

const char *bus_arguments_signature(const char *arguments, char signature[BUS_SIGNATURE_MAX])
{
	size_t length = 0;

	while (*arguments && length < BUS_SIGNATURE_MAX - 1) {
		size_t type = strcspn(arguments, " ");

		type = MIN(type, BUS_SIGNATURE_MAX - 1 - length);
		memcpy(signature + length, arguments, type);
		length += type;
		arguments += strcspn(arguments, ",");
		arguments += strspn(arguments, ", ");
	}
	signature[length] = '\0';
	return signature;
}

void bus_write_properties(struct bus_writer *writer, const struct bus_interface *interface,
			  const void *owner)
{
	const struct bus_property *property;

	for (property = interface->properties; property && property->name; property++) {
		bus_open_property(writer, property->name, property->signature);
		property->get(writer, owner);
		bus_close_property(writer);
	}
}

/* --- the tree --- */

static int compare_paths(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int compare_owners(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return (x->owner > y->owner) - (x->owner < y->owner);
}

struct object *tree_find(const struct object_tree *tree, const char *path)
{
	struct object key = {.path = (char *)path};
	void *found = tfind(&key, &tree->by_path, compare_paths);

	return found ? *(struct object **)found : NULL;
}

static struct object *find_owner(const struct object_tree *tree, const void *owner)
{
	struct object key = {.owner = (void *)owner};
	void *found = tfind(&key, &tree->by_owner, compare_owners);

	return found ? *(struct object **)found : NULL;
}

bool object_is_root(const struct object_tree *tree, const struct object *object)
{
	return strcmp(object->path, tree->root) == 0;
}

static int on_flush(sd_event_source *source, void *userdata)
{
	object_tree_flush(userdata);
	return 0;
}

int object_tree_new(struct sd_event *event, const char *root, void *context,
		    struct object_tree **ret)
{
	struct object_tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return -ENOMEM;
	list_init(&tree->objects);
	list_init(&tree->pending);
	tree->context = context;
	tree->event = sd_event_ref(event);
	tree->root = strdup(root);
	r = tree->root ? sd_event_add_defer(event, &tree->flush, on_flush, tree) : -ENOMEM;
	if (r < 0) {
		object_tree_free(tree);
		return r;
	}
	(void)sd_event_source_set_enabled(tree->flush, SD_EVENT_OFF);
	*ret = tree;
	return 0;
}

static void object_free(struct object *object)
{
	list_remove(&object->link);
	list_remove(&object->pending_link);
	free(object->path);
	free(object->hashes);
	free(object);
}

static void unlink_object(struct object_tree *tree, struct object *object)
{
	tdelete(object, &tree->by_path, compare_paths);
	tdelete(object, &tree->by_owner, compare_owners);
	list_remove(&object->link);
	object->owner = NULL;
}

void object_tree_free(struct object_tree *tree)
{
	struct object *object;

	if (!tree)
		return;
	while ((object = list_first(&tree->objects, struct object, link))) {
		unlink_object(tree, object);
		object_free(object);
	}
	while ((object = list_first(&tree->pending, struct object, pending_link)))
		object_free(object);
	sd_event_source_disable_unref(tree->flush);
	sd_event_unref(tree->event);
	free(tree->root);
	free(tree);
}

void object_tree_serve(struct object_tree *tree, struct bus *bus, struct access *access)
{
	tree->bus = bus;
	tree->access = access;
}

static void set_news(struct object_tree *tree, struct object *object, enum news news)
{
	object->news = news;
	list_remove(&object->pending_link);
	list_append(&tree->pending, &object->pending_link);
	(void)sd_event_source_set_enabled(tree->flush, SD_EVENT_ONESHOT);
}

void object_tree_flush(struct object_tree *tree)
{
	struct object *object;

	while ((object = list_pop(&tree->pending, struct object, pending_link))) {
		standard_emit(tree, object);
		if (object->news == NEWS_REMOVED)
			object_free(object);
		else
			object->news = NEWS_NONE;
	}
	(void)sd_event_source_set_enabled(tree->flush, SD_EVENT_OFF);
}

static size_t count_properties(const struct bus_interface *const *interfaces)
{
	size_t count = 0;

	for (; *interfaces; interfaces++) {
		const struct bus_property *property = (*interfaces)->properties;

		for (; property && property->name; property++)
			count++;
	}
	return count;
}

static struct object *object_new(const char *path, const struct bus_interface *const *interfaces,
				 void *owner)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	list_init(&object->link);
	list_init(&object->pending_link);
	object->owner = owner;
	object->interfaces = interfaces;
	object->path = strdup(path);
	object->hashes = calloc(count_properties(interfaces) + 1, sizeof(*object->hashes));
	if (object->path && object->hashes)
		return object;
	object_free(object);
	return NULL;
}

int object_add(struct object_tree *tree, const char *path,
	       const struct bus_interface *const *interfaces, void *owner)
{
	struct object *object;

	if (tree_find(tree, path) || find_owner(tree, owner))
		return -EEXIST;
	object = object_new(path, interfaces, owner);
	if (!object)
		return -ENOMEM;
	list_append(&tree->objects, &object->link);
	if (!tsearch(object, &tree->by_path, compare_paths) ||
	    !tsearch(object, &tree->by_owner, compare_owners)) {
		unlink_object(tree, object);
		object_free(object);
		return -ENOMEM;
	}
	if (tree->bus)
		set_news(tree, object, NEWS_ADDED);
	else
		standard_remember(object); /* nobody can listen yet */
	return 0;
}

void object_remove(struct object_tree *tree, const void *owner)
{
	struct object *object = find_owner(tree, owner);

	if (!object)
		return;
	unlink_object(tree, object);
	if (tree->bus && object->news != NEWS_ADDED)
		set_news(tree, object, NEWS_REMOVED);
	else
		object_free(object); /* nobody has ever heard of it */
}

void object_changed(struct object_tree *tree, const void *owner)
{
	struct object *object = find_owner(tree, owner);

	if (object && object->news == NEWS_NONE && tree->bus)
		set_news(tree, object, NEWS_CHANGED);
}

const char *object_path_of(const struct object_tree *tree, const void *owner)
{
	const struct object *object = find_owner(tree, owner);

	return object ? object->path : NULL;
}

/* --- calls --- */

const struct bus_interface *object_find_interface(const struct object *object, const char *name)
{
	const struct bus_interface *const *interface;

	for (interface = object->interfaces; *interface; interface++) {
		if (strcmp((*interface)->name, name) == 0)
			return *interface;
	}
	return NULL;
}

/* A method that was found, and what its handler gets. */
struct target {
	const struct bus_method *method;
	void *object, *context;
	bool interface_found;
};

static void search(const struct bus_interface *interface, const struct bus_call *call, void *object,
		   void *context, struct target *target)
{
	const char *wanted = bus_call_interface(call);
	const struct bus_method *method;

	if (target->method || (wanted && strcmp(wanted, interface->name) != 0))
		return;
	target->interface_found = true;
	for (method = interface->methods; method && method->name; method++) {
		if (strcmp(method->name, bus_call_member(call)) == 0) {
			*target = (struct target){method, object, context, true};
			return;
		}
	}
}

static struct target find_method(struct object_tree *tree, struct object *object,
				 const struct bus_call *call)
{
	const struct bus_interface *const *interface;
	struct target target = {};

	for (interface = object->interfaces; *interface; interface++)
		search(*interface, call, object->owner, tree->context, &target);
	for (interface = standard_interfaces; *interface; interface++)
		search(*interface, call, object, tree, &target);
	if (object_is_root(tree, object))
		search(&standard_object_manager, call, object, tree, &target);
	return target;
}

static void introspect_folder(struct object_tree *tree, struct bus_call *call)
{
	owned_memory char *xml = introspect_xml(tree, bus_call_path(call), NULL);

	if (!xml) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return;
	}
	bus_write_string(bus_call_answer(call), xml);
	bus_call_send(call);
}

/* There is no object, but tools walk down from "/". */
static void call_nowhere(struct object_tree *tree, struct bus_call *call)
{
	const char *interface = bus_call_interface(call);

	if (strcmp(bus_call_member(call), "Introspect") == 0 &&
	    (!interface || strcmp(interface, INTROSPECTABLE) == 0) &&
	    introspect_is_folder(tree, bus_call_path(call)))
		introspect_folder(tree, call);
	else
		bus_call_fail(call, BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s",
			      bus_call_path(call));
}

/* Details for polkit rules that come from properties of the object. */
static const struct {
	const char *property, *detail;
} details[] = {
	{"TargetName", "target"},
	{"Address", "address"},
	{"Iface", "iface"},
	{"Wwid", "wwid"},
};

static void describe_property(const struct bus_property *property, const void *owner,
			      struct bus_writer *writer)
{
	for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
		if (strcmp(property->name, details[i].property) != 0)
			continue;
		bus_open_entry(writer);
		bus_write_string(writer, details[i].detail);
		property->get(writer, owner);
		bus_close(writer);
	}
}

static void describe(struct bus_call *call, struct bus_writer *writer, void *userdata)
{
	struct object_tree *tree = userdata;
	struct object *object = tree_find(tree, bus_call_path(call));
	const struct bus_interface *const *interface;
	const struct bus_property *property;

	bus_open_entry(writer);
	bus_write_string(writer, "method");
	bus_write_string(writer, bus_call_member(call));
	bus_close(writer);
	for (interface = object ? object->interfaces : NULL; interface && *interface; interface++) {
		for (property = (*interface)->properties; property && property->name; property++)
			describe_property(property, object->owner, writer);
	}
}

/* The object may have gone while polkit was thinking: everything is looked up again. */
static void granted(struct bus_call *call, void *userdata)
{
	struct object_tree *tree = userdata;
	struct object *object = tree_find(tree, bus_call_path(call));
	struct target target;

	if (!object) {
		call_nowhere(tree, call);
		return;
	}
	target = find_method(tree, object, call);
	target.method->handler(call, target.object, target.context);
}

static const struct access_handler access_handler = {describe, granted};

void object_tree_call(struct object_tree *tree, struct bus_call *call)
{
	struct object *object = tree_find(tree, bus_call_path(call));
	const char *interface = bus_call_interface(call);
	char signature[BUS_SIGNATURE_MAX];
	struct target target;

	if (!object) {
		call_nowhere(tree, call);
		return;
	}
	target = find_method(tree, object, call);
	if (!target.interface_found)
		bus_call_fail(call, BUS_ERROR_UNKNOWN_INTERFACE, "%s has no interface %s",
			      object->path, interface ? interface : "at all");
	else if (!target.method)
		bus_call_fail(call, BUS_ERROR_UNKNOWN_METHOD, "There is no method %s here",
			      bus_call_member(call));
	else if (strcmp(bus_arguments_signature(target.method->in, signature),
			bus_call_signature(call)) != 0)
		bus_call_fail(call, BUS_ERROR_INVALID_ARGS,
			      "%s takes arguments of type '%s', not '%s'", target.method->name,
			      signature, bus_call_signature(call));
	else if (target.method->access == ACCESS_READ)
		target.method->handler(call, target.object, target.context);
	else
		access_check(tree->access, call, target.method->access, &access_handler, tree);
}
