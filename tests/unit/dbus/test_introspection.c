/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * docs/dbus/<interface>.rst and what the daemon says of itself must be the same: each member is one
 * line in double back-quotes at the start of a line, with types and names of all arguments.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dbus/harness.h"
#include "util/cleanup.h"

#define MEMBERS_MAX 64
#define LINE_SIZE   256

struct members {
	unsigned count;
	char line[MEMBERS_MAX][LINE_SIZE];
};

static void add(struct members *members, const char *line)
{
	assert_true(members->count < MEMBERS_MAX && strlen(line) < LINE_SIZE);
	strcpy(members->line[members->count++], line);
}

static bool has(const struct members *members, const char *line)
{
	for (unsigned i = 0; i < members->count; i++) {
		if (strcmp(members->line[i], line) == 0)
			return true;
	}
	return false;
}

/* Value of @name="…" in @element (up to its '>'), cut into @value. */
static bool attribute(const char *element, const char *name, char value[LINE_SIZE])
{
	char key[64];
	const char *end = strchr(element, '>'), *at;

	snprintf(key, sizeof(key), " %s=\"", name);
	at = strstr(element, key);
	if (!at || at > end)
		return false;
	at += strlen(key);
	snprintf(value, LINE_SIZE, "%.*s", (int)strcspn(at, "\""), at);
	return true;
}

/* The arguments of one direction (NULL: signal) as "(s a, u b)". */
static void append_arguments(const char *from, const char *end, const char *direction, char *line)
{
	char name[LINE_SIZE], type[LINE_SIZE], way[LINE_SIZE];
	bool first = true;

	strcat(line, "(");
	for (const char *at = from; (at = strstr(at, "<arg ")) && at < end; at++) {
		if (direction && (!attribute(at, "direction", way) || strcmp(way, direction) != 0))
			continue;
		assert_true(attribute(at, "name", name) && attribute(at, "type", type));
		if (!first)
			strcat(line, ", ");
		strcat(line, type);
		strcat(line, " ");
		strcat(line, name);
		first = false;
	}
	strcat(line, ")");
}

static void take_method(struct members *members, const char *at)
{
	const char *end = strstr(at, "</method>");
	char line[4 * LINE_SIZE] = "";

	assert_true(attribute(at, "name", line));
	append_arguments(at, end, "in", line);
	strcat(line, " -> ");
	append_arguments(at, end, "out", line);
	add(members, line);
}

static void take_signal(struct members *members, const char *at)
{
	char line[4 * LINE_SIZE] = "";

	assert_true(attribute(at, "name", line));
	append_arguments(at, strstr(at, "</signal>"), NULL, line);
	add(members, line);
}

static void take_property(struct members *members, const char *at)
{
	char name[LINE_SIZE], type[LINE_SIZE], value[LINE_SIZE], line[4 * LINE_SIZE];
	const char *change;

	assert_true(attribute(at, "name", name) && attribute(at, "type", type));
	assert_true(attribute(at, "access", value));
	assert_string_equal(value, "read");
	assert_true(attribute(strstr(at, "<annotation"), "value", value));
	change = strcmp(value, "true") == 0 ? "emits-change" : "silent";
	if (strcmp(value, "const") == 0)
		change = "const";
	snprintf(line, sizeof(line), "%s %s %s", name, type, change);
	add(members, line);
}

static void members_of_xml(struct members *members, const char *xml, const char *interface)
{
	char opening[LINE_SIZE];
	const char *at, *end;

	snprintf(opening, sizeof(opening), "<interface name=\"%s\">", interface);
	at = strstr(xml, opening);
	if (!at)
		fail_msg("nothing shows %s", interface);
	end = strstr(at, "</interface>");
	for (; at < end; at++) {
		if (strncmp(at, "<method ", 8) == 0)
			take_method(members, at);
		else if (strncmp(at, "<signal ", 8) == 0)
			take_signal(members, at);
		else if (strncmp(at, "<property ", 10) == 0)
			take_property(members, at);
	}
}

static void members_of_page(struct members *members, const char *interface)
{
	char name[512], line[1024];
	FILE *page;

	snprintf(name, sizeof(name), "%s/docs/dbus/%s.rst", getenv("HAWSER_SOURCE_DIR"), interface);
	page = fopen(name, "r");
	if (!page)
		fail_msg("there is no %s", name);
	while (fgets(line, sizeof(line), page)) {
		size_t length = strcspn(line, "\n");

		if (length < 5 || strncmp(line, "``", 2) != 0 ||
		    strncmp(line + length - 2, "``", 2) != 0)
			continue;
		line[length - 2] = '\0';
		add(members, line + 2);
	}
	fclose(page);
}

static char *introspect(struct harness *h, const char *path)
{
	DBusMessage *reply = harness_call(
		h, h->client,
		harness_method(path, "org.freedesktop.DBus.Introspectable", "Introspect"));
	const char *xml;
	char *copy;

	assert_true(dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &xml, DBUS_TYPE_INVALID));
	copy = strdup(xml);
	dbus_message_unref(reply);
	return copy;
}

static void compare(struct harness *h, const char *path, const char *interface)
{
	struct members *shown = calloc(1, sizeof(*shown)), *page = calloc(1, sizeof(*page));
	char *xml = introspect(h, path);
	unsigned wrong = 0;

	members_of_xml(shown, xml, interface);
	members_of_page(page, interface);
	assert_true(shown->count > 0);
	for (unsigned i = 0; i < shown->count; i++) {
		if (!has(page, shown->line[i]) && ++wrong)
			print_error("%s.rst lacks ``%s``\n", interface, shown->line[i]);
	}
	for (unsigned i = 0; i < page->count; i++) {
		if (!has(shown, page->line[i]) && ++wrong)
			print_error("%s has no ``%s``\n", interface, page->line[i]);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(page->count, shown->count);
	free(xml);
	free(shown);
	free(page);
}

static void pages_and_introspection_are_the_same(void **state)
{
	struct harness *h = harness_start_populated();
	const struct node *node = list_first(manager_nodes(h->manager), struct node, link);
	const struct map_view *map = list_first(manager_maps(h->manager), struct map_view, link);
	const struct path_view *path = list_first(&map->paths, struct path_view, link);
	char name[128];

	compare(h, "/org/hawser1", "org.hawser1.Manager");
	compare(h, "/org/hawser1", "org.hawser1.Discovery");
	compare(h, "/org/hawser1", "org.hawser1.DiscoveryRecords");
	compare(h, "/org/hawser1", "org.hawser1.Ifaces");
	compare(h, "/org/hawser1/session/1", "org.hawser1.Session");
	snprintf(name, sizeof(name), "/org/hawser1/node/n%016lx", (unsigned long)node->id);
	compare(h, name, "org.hawser1.Node");
	snprintf(name, sizeof(name), "/org/hawser1/map/m%016lx", (unsigned long)map->id);
	compare(h, name, "org.hawser1.Map");
	snprintf(name, sizeof(name), "/org/hawser1/map/m%016lx/path/p%016lx",
		 (unsigned long)map->id, (unsigned long)path->id);
	compare(h, name, "org.hawser1.Path");
	harness_stop(h);
}

static void only_the_root_is_an_object_manager(void **state)
{
	static const char *const everywhere[] = {"org.freedesktop.DBus.Properties",
						 "org.freedesktop.DBus.Introspectable",
						 "org.freedesktop.DBus.Peer"};
	struct harness *h = harness_start_populated();
	owned_memory char *root = introspect(h, "/org/hawser1");
	owned_memory char *session = introspect(h, "/org/hawser1/session/1");

	assert_non_null(strstr(root, "org.freedesktop.DBus.ObjectManager"));
	assert_null(strstr(session, "org.freedesktop.DBus.ObjectManager"));
	for (size_t i = 0; i < ARRAY_SIZE(everywhere); i++) {
		assert_non_null(strstr(root, everywhere[i]));
		assert_non_null(strstr(session, everywhere[i]));
	}
	harness_stop(h);
}

static void folders_name_what_lies_right_below_them(void **state)
{
	struct harness *h = harness_start_populated();
	static const struct {
		const char *path, *children[4];
	} folders[] = {
		{"/", {"org"}},
		{"/org", {"hawser1"}},
		{"/org/hawser1", {"map", "node", "session"}},
		{"/org/hawser1/session", {"1", "2"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		owned_memory char *xml = introspect(h, folders[i].path);
		unsigned count = 0, expected = 0;

		for (const char *at = xml; (at = strstr(at, "<node name=")); at++)
			count++;
		for (; folders[i].children[expected]; expected++) {
			char element[64];

			snprintf(element, sizeof(element), "<node name=\"%s\"/>",
				 folders[i].children[expected]);
			assert_non_null(strstr(xml, element));
		}
		assert_int_equal(count, expected);
	}
	harness_assert_error(
		harness_call(h, h->client, harness_method("/org/hawser", NULL, "Introspect")),
		"org.freedesktop.DBus.Error.UnknownObject");
	harness_stop(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_and_introspection_are_the_same),
		cmocka_unit_test(only_the_root_is_an_object_manager),
		cmocka_unit_test(folders_name_what_lies_right_below_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
