/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The interfaces that D-Bus itself defines, over the same tables as ours. Handlers get the struct
 * object, and the tree as their context. Peer is answered inside libdbus.
 */

#include <stdlib.h>
#include <string.h>

#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/marshal.h"
#include "dbus/object_internal.h"
#include "util/cleanup.h"

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* --- Properties --- */

static const struct bus_property *find_property(const struct bus_interface *interface,
						const char *name)
{
	const struct bus_property *property;

	for (property = interface->properties; property && property->name; property++) {
		if (strcmp(property->name, name) == 0)
			return property;
	}
	return NULL;
}

/* @interface "" means any, which D-Bus allows. Fails @call when there is no such property. */
static const struct bus_property *asked_property(struct bus_call *call, struct object *object)
{
	const char *interface = bus_read_string(bus_call_arguments(call));
	const char *name = bus_read_string(bus_call_arguments(call));
	const struct bus_interface *const *at;

	if (*interface && !object_find_interface(object, interface)) {
		bus_call_fail(call, BUS_ERROR_UNKNOWN_INTERFACE,
			      "%s has no interface '%s' with properties", object->path, interface);
		return NULL;
	}
	for (at = object->interfaces; *at; at++) {
		const struct bus_property *property = find_property(*at, name);

		if (property && (!*interface || strcmp((*at)->name, interface) == 0))
			return property;
	}
	bus_call_fail(call, BUS_ERROR_UNKNOWN_PROPERTY, "There is no property '%s' here", name);
	return NULL;
}

static void properties_get(struct bus_call *call, void *userdata, void *context)
{
	struct object *object = userdata;
	const struct bus_property *property = asked_property(call, object);
	struct bus_writer *writer;

	if (!property)
		return;
	writer = bus_call_answer(call);
	bus_open_variant(writer, property->signature);
	property->get(writer, object->owner);
	bus_close(writer);
	bus_call_send(call);
}

static void properties_set(struct bus_call *call, void *object, void *context)
{
	const struct bus_property *property = asked_property(call, object);

	if (property)
		bus_call_fail(call, BUS_ERROR_PROPERTY_READ_ONLY, "Property %s cannot be set",
			      property->name);
}

static bool is_standard(const char *name)
{
	return strncmp(name, "org.freedesktop.DBus.", strlen("org.freedesktop.DBus.")) == 0;
}

static void properties_get_all(struct bus_call *call, void *userdata, void *context)
{
	struct object *object = userdata;
	const char *name = bus_read_string(bus_call_arguments(call));
	const struct bus_interface *const *interface;
	struct bus_writer *writer;

	if (*name && !object_find_interface(object, name) && !is_standard(name)) {
		bus_call_fail(call, BUS_ERROR_UNKNOWN_INTERFACE, "%s has no interface '%s'",
			      object->path, name);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "{sv}");
	for (interface = object->interfaces; *interface; interface++) {
		if (!*name || strcmp((*interface)->name, name) == 0)
			bus_write_properties(writer, *interface, object->owner);
	}
	bus_close(writer);
	bus_call_send(call);
}

static const struct bus_method properties_methods[] = {
	{"Get", "s interface_name, s property_name", "v value", ACCESS_READ, properties_get},
	{"GetAll", "s interface_name", "a{sv} properties", ACCESS_READ, properties_get_all},
	{"Set", "s interface_name, s property_name, v value", "", ACCESS_READ, properties_set},
	{},
};

static const struct bus_signal properties_signals[] = {
	{"PropertiesChanged",
	 "s interface_name, a{sv} changed_properties, as invalidated_properties"},
	{},
};

static const struct bus_interface properties = {
	.name = PROPERTIES,
	.methods = properties_methods,
	.signals = properties_signals,
};

/* --- Introspectable, Peer --- */

static void introspect(struct bus_call *call, void *userdata, void *context)
{
	struct object *object = userdata;
	owned_memory char *xml = introspect_xml(context, object->path, object);

	if (!xml) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return;
	}
	bus_write_string(bus_call_answer(call), xml);
	bus_call_send(call);
}

static const struct bus_method introspectable_methods[] = {
	{"Introspect", "", "s xml_data", ACCESS_READ, introspect},
	{},
};

static const struct bus_interface introspectable = {
	.name = "org.freedesktop.DBus.Introspectable",
	.methods = introspectable_methods,
};

static const struct bus_method peer_methods[] = {
	{"GetMachineId", "", "s machine_uuid", ACCESS_READ, NULL},
	{"Ping", "", "", ACCESS_READ, NULL},
	{},
};

/* in introspection only: libdbus answers before we see the call */
const struct bus_interface standard_peer = {
	.name = "org.freedesktop.DBus.Peer",
	.methods = peer_methods,
};

const struct bus_interface *const standard_interfaces[] = {&introspectable, &properties, NULL};

/* --- ObjectManager --- */

/* a{sa{sv}} */
static void write_interfaces(struct bus_writer *writer, const struct object *object)
{
	const struct bus_interface *const *interface;

	bus_open_array(writer, "{sa{sv}}");
	for (interface = object->interfaces; *interface; interface++) {
		bus_open_entry(writer);
		bus_write_string(writer, (*interface)->name);
		bus_open_array(writer, "{sv}");
		bus_write_properties(writer, *interface, object->owner);
		bus_close(writer);
		bus_close(writer);
	}
	bus_close(writer);
}

static void get_managed_objects(struct bus_call *call, void *userdata, void *context)
{
	const struct object_tree *tree = context;
	struct bus_writer *writer = bus_call_answer(call);
	const struct object *object;

	bus_open_array(writer, "{oa{sa{sv}}}");
	list_for_each (object, &tree->objects, link) {
		if (object_is_root(tree, object))
			continue;
		bus_open_entry(writer);
		bus_write_object(writer, object->path);
		write_interfaces(writer, object);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(call);
}

static const struct bus_method object_manager_methods[] = {
	{"GetManagedObjects", "", "a{oa{sa{sv}}} objpath_interfaces_and_properties", ACCESS_READ,
	 get_managed_objects},
	{},
};

static const struct bus_signal object_manager_signals[] = {
	{"InterfacesAdded", "o object_path, a{sa{sv}} interfaces_and_properties"},
	{"InterfacesRemoved", "o object_path, as interfaces"},
	{},
};

const struct bus_interface standard_object_manager = {
	.name = OBJECT_MANAGER,
	.methods = object_manager_methods,
	.signals = object_manager_signals,
};

/* --- news --- */

static void emit_added(struct object_tree *tree, struct object *object)
{
	struct bus_message *message = bus_signal_new(tree->root, OBJECT_MANAGER, "InterfacesAdded");

	bus_write_object(bus_message_writer(message), object->path);
	write_interfaces(bus_message_writer(message), object);
	bus_emit(tree->bus, message, false);
	standard_remember(object);
}

static void emit_removed(struct object_tree *tree, const struct object *object)
{
	struct bus_message *message =
		bus_signal_new(tree->root, OBJECT_MANAGER, "InterfacesRemoved");
	struct bus_writer *writer = bus_message_writer(message);
	const struct bus_interface *const *interface;

	bus_write_object(writer, object->path);
	bus_open_array(writer, "s");
	for (interface = object->interfaces; *interface; interface++)
		bus_write_string(writer, (*interface)->name);
	bus_close(writer);
	bus_emit(tree->bus, message, false);
}

/* Take the value of now as told. Return: it is another than the last. */
static bool remember(const struct bus_property *property, const void *owner, uint64_t *hash)
{
	uint64_t before = *hash;

	if (property->change != CHANGE_EMITTED)
		return false;
	*hash = bus_value_hash(property->get, owner);
	return *hash != before;
}

void standard_remember(struct object *object)
{
	const struct bus_interface *const *interface;
	const struct bus_property *property;
	uint64_t *hash = object->hashes;

	for (interface = object->interfaces; *interface; interface++) {
		for (property = (*interface)->properties; property && property->name; property++)
			(void)remember(property, object->owner, hash++);
	}
}

static struct bus_message *start_changed(const struct object *object, const char *interface)
{
	struct bus_message *message = bus_signal_new(object->path, PROPERTIES, "PropertiesChanged");

	bus_write_string(bus_message_writer(message), interface);
	bus_open_array(bus_message_writer(message), "{sv}");
	return message;
}

/* Return: where the hashes of the next interface begin. */
static uint64_t *emit_changed(struct object_tree *tree, const struct object *object,
			      const struct bus_interface *interface, uint64_t *hash)
{
	struct bus_message *message = NULL;
	const struct bus_property *property;
	bool started = false;

	for (property = interface->properties; property && property->name; property++) {
		if (!remember(property, object->owner, hash++))
			continue;
		if (!started)
			message = start_changed(object, interface->name);
		started = true;
		bus_open_property(bus_message_writer(message), property->name, property->signature);
		property->get(bus_message_writer(message), object->owner);
		bus_close_property(bus_message_writer(message));
	}
	if (started) {
		bus_close(bus_message_writer(message));
		bus_open_array(bus_message_writer(message), "s"); /* none is told without value */
		bus_close(bus_message_writer(message));
		bus_emit(tree->bus, message, false);
	}
	return hash;
}

void standard_emit(struct object_tree *tree, struct object *object)
{
	const struct bus_interface *const *interface;
	uint64_t *hash = object->hashes;

	switch (object->news) {
	case NEWS_ADDED:
		emit_added(tree, object);
		break;
	case NEWS_CHANGED:
		for (interface = object->interfaces; *interface; interface++)
			hash = emit_changed(tree, object, *interface, hash);
		break;
	case NEWS_REMOVED:
		emit_removed(tree, object);
		break;
	case NEWS_NONE:
		break;
	}
}
