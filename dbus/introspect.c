/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The introspection text, made from the same tables that the methods run from.
 */

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/object_internal.h"
#include "util/cleanup.h"

#define HEAD \
	"<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n" \
	" \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n" \
	"<node>\n"

static const char *const change_names[] = {
	[CHANGE_EMITTED] = "true",
	[CHANGE_CONSTANT] = "const",
	[CHANGE_SILENT] = "false",
};

/* "s key, a{sv} options" as <arg> elements; @direction NULL for signals */
static void write_arguments(FILE *out, const char *arguments, const char *direction)
{
	while (*arguments) {
		size_t type = strcspn(arguments, " ");
		const char *name = arguments + type + strspn(arguments + type, " ");
		size_t length = strcspn(name, ",");

		fprintf(out, "   <arg name=\"%.*s\" type=\"%.*s\"", (int)length, name, (int)type,
			arguments);
		if (direction)
			fprintf(out, " direction=\"%s\"", direction);
		fputs("/>\n", out);
		arguments = name + length;
		arguments += strspn(arguments, ", ");
	}
}

static void write_members(FILE *out, const struct bus_interface *interface)
{
	const struct bus_method *method;
	const struct bus_signal *signal;
	const struct bus_property *property;

	for (method = interface->methods; method && method->name; method++) {
		fprintf(out, "  <method name=\"%s\">\n", method->name);
		write_arguments(out, method->in, "in");
		write_arguments(out, method->out, "out");
		fputs("  </method>\n", out);
	}
	for (signal = interface->signals; signal && signal->name; signal++) {
		fprintf(out, "  <signal name=\"%s\">\n", signal->name);
		write_arguments(out, signal->arguments, NULL);
		fputs("  </signal>\n", out);
	}
	for (property = interface->properties; property && property->name; property++)
		fprintf(out,
			"  <property name=\"%s\" type=\"%s\" access=\"read\">\n"
			"   <annotation name=\"org.freedesktop.DBus.Property.EmitsChangedSignal\" "
			"value=\"%s\"/>\n"
			"  </property>\n",
			property->name, property->signature, change_names[property->change]);
}

static void write_interface(FILE *out, const struct bus_interface *interface)
{
	fprintf(out, " <interface name=\"%s\">\n", interface->name);
	write_members(out, interface);
	fputs(" </interface>\n", out);
}

static void write_interfaces(FILE *out, const struct object_tree *tree, const struct object *object)
{
	const struct bus_interface *const *interface;

	for (interface = standard_interfaces; *interface; interface++)
		write_interface(out, *interface);
	write_interface(out, &standard_peer);
	if (object_is_root(tree, object))
		write_interface(out, &standard_object_manager);
	for (interface = object->interfaces; *interface; interface++)
		write_interface(out, *interface);
}

/* What lies right below a path, found on a walk over all paths in order. */
struct children {
	FILE *out; /* NULL: only count */
	const char *path;
	size_t path_length; /* 0 for "/" */
	const char *last;   /* the name written last: equal ones follow each other */
	size_t last_length;
	unsigned count;
};

static void visit(const void *node, VISIT which, void *closure)
{
	const struct object *object = *(struct object *const *)node;
	struct children *children = closure;
	const char *name;
	size_t length;

	if (which != postorder && which != leaf)
		return;
	if (strncmp(object->path, children->path, children->path_length) != 0 ||
	    object->path[children->path_length] != '/')
		return;
	name = object->path + children->path_length + 1;
	length = strcspn(name, "/");
	if (length == 0 || (children->last && children->last_length == length &&
			    memcmp(children->last, name, length) == 0))
		return;
	children->last = name;
	children->last_length = length;
	children->count++;
	if (children->out)
		fprintf(children->out, " <node name=\"%.*s\"/>\n", (int)length, name);
}

static unsigned walk_children(const struct object_tree *tree, const char *path, FILE *out)
{
	struct children children = {.out = out, .path = path};

	children.path_length = strcmp(path, "/") == 0 ? 0 : strlen(path);
	twalk_r(tree->by_path, visit, &children);
	return children.count;
}

bool introspect_is_folder(const struct object_tree *tree, const char *path)
{
	return walk_children(tree, path, NULL) > 0;
}

char *introspect_xml(const struct object_tree *tree, const char *path, const struct object *object)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	fputs(HEAD, out);
	if (object)
		write_interfaces(out, tree, object);
	walk_children(tree, path, out);
	fputs("</node>\n", out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
