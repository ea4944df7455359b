/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdlib.h>
#include <string.h>

#include "daemon/event_ring.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/events.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "dbus/object.h"
#include "dbus/statistics.h"
#include "util/cleanup.h"
#include "util/text.h"

/* --- lists --- */

/* Return: 0, or -1 and @call was failed. */
static int read_selection(struct bus_call *call, struct selection *selection)
{
	owned_error struct error error = ERROR_INIT;

	if (selection_read(bus_call_arguments(call), selection, &error) == 0)
		return 0;
	bus_call_fail_error(call, &error);
	return -1;
}

static void list_nodes(struct bus_call *call, void *object, void *manager)
{
	char buffer[SHOWN_PATH_MAX];
	struct selection selection;
	struct bus_writer *writer;
	const struct node *node;

	if (read_selection(call, &selection) < 0)
		return;
	writer = bus_call_answer(call);
	bus_open_array(writer, "(oa{sv})");
	list_for_each (node, manager_nodes(manager), link) {
		if (!selection_has_node(&selection, node))
			continue;
		bus_open_struct(writer);
		bus_write_object(writer, node_path(node, buffer));
		bus_open_array(writer, "{sv}");
		bus_write_properties(writer, &node_interface, node);
		bus_close(writer);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(call);
}

static void list_sessions(struct bus_call *call, void *object, void *manager)
{
	char buffer[SHOWN_PATH_MAX];
	struct selection selection;
	struct bus_writer *writer;
	const struct session_view *session;

	if (read_selection(call, &selection) < 0)
		return;
	writer = bus_call_answer(call);
	bus_open_array(writer, "(oa{sv})");
	list_for_each (session, manager_sessions(manager), link) {
		if (!selection_has_session(&selection, session))
			continue;
		bus_open_struct(writer);
		bus_write_object(writer, session_path(session, buffer));
		bus_open_array(writer, "{sv}");
		bus_write_properties(writer, &session_interface, session);
		bus_close(writer);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(call);
}

static void write_path_details(struct bus_writer *writer, const struct map_view *map)
{
	char buffer[SHOWN_PATH_MAX];
	const struct path_view *path;

	bus_open_property(writer, "PathDetails", "aa{sv}");
	bus_open_array(writer, "a{sv}");
	list_for_each (path, &map->paths, link) {
		bus_open_array(writer, "{sv}");
		bus_write_properties(writer, &path_interface, path);
		bus_property_object(writer, "Object", path_path(path, buffer));
		bus_close(writer);
	}
	bus_close(writer);
	bus_close_property(writer);
}

/* A ListMaps between its start and its end. */
struct listing {
	struct bus_call *call;
	struct manager *manager;
	struct selection selection;
};

/* When the workers could not be asked the counters are older: that is no reason to show nothing. */
static void answer_maps(const struct error *error, void *userdata)
{
	owned_memory struct listing *listing = userdata;
	struct bus_writer *writer = bus_call_answer(listing->call);
	char buffer[SHOWN_PATH_MAX];
	const struct map_view *map;

	bus_open_array(writer, "(oa{sv})");
	list_for_each (map, manager_maps(listing->manager), link) {
		if (!selection_has_map(&listing->selection, map))
			continue;
		bus_open_struct(writer);
		bus_write_object(writer, map_path(map, buffer));
		bus_open_array(writer, "{sv}");
		bus_write_properties(writer, &map_interface, map);
		write_path_details(writer, map);
		bus_close(writer);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(listing->call);
}

static void list_maps(struct bus_call *call, void *object, void *manager)
{
	struct selection selection;
	struct listing *listing;

	if (read_selection(call, &selection) < 0)
		return;
	listing = malloc(sizeof(*listing));
	if (!listing) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return;
	}
	*listing = (struct listing){call, manager, selection};
	manager_refresh_statistics(manager, answer_maps, listing);
}

/* --- one object by name --- */

static void answer_object(struct bus_call *call, const char *path)
{
	bus_write_object(bus_call_answer(call), path);
	bus_call_send(call);
}

static void fail_not_found(struct bus_call *call, const char *what)
{
	char name[BUS_ERROR_NAME_MAX];

	bus_call_fail(call, bus_error_name(ERROR_NO_OBJECTS_FOUND, name), "there is no such %s",
		      what);
}

static void get_node(struct bus_call *call, void *object, void *manager)
{
	struct bus_reader *reader = bus_call_arguments(call);
	struct node_selector selector = {};
	char buffer[SHOWN_PATH_MAX];
	const struct node *node;
	bool fits;

	fits = text_copy(selector.target, sizeof(selector.target), bus_read_string(reader));
	fits &= text_copy(selector.address, sizeof(selector.address), bus_read_string(reader));
	selector.port = bus_read_u16(reader);
	fits &= text_copy(selector.iface, sizeof(selector.iface), bus_read_string(reader));
	list_for_each (node, manager_nodes(manager), link) {
		if (fits && node_matches(node, &selector)) {
			answer_object(call, node_path(node, buffer));
			return;
		}
	}
	fail_not_found(call, "node");
}

static void get_session(struct bus_call *call, void *object, void *manager)
{
	const struct session_view *session =
		manager_find_session(manager, bus_read_u32(bus_call_arguments(call)));
	char buffer[SHOWN_PATH_MAX];

	if (session)
		answer_object(call, session_path(session, buffer));
	else
		fail_not_found(call, "session");
}

static bool is_called(const struct map_view *map, const char *name)
{
	static const char folder[] = "/dev/hawser/";

	if (!*name)
		return false;
	if (text_starts_with(name, folder))
		name += strlen(folder);
	return strcmp(map->name, name) == 0 || strcmp(map->unit.identity.wwid, name) == 0 ||
	       strcmp(map->device, name) == 0;
}

static void get_map(struct bus_call *call, void *object, void *manager)
{
	const char *name = bus_read_string(bus_call_arguments(call));
	char buffer[SHOWN_PATH_MAX];
	const struct map_view *map;

	list_for_each (map, manager_maps(manager), link) {
		if (is_called(map, name)) {
			answer_object(call, map_path(map, buffer));
			return;
		}
	}
	fail_not_found(call, "map");
}

/* --- work --- */

/* Names end up as names of folders: nothing in them may climb out. */
static int check_name(const char *what, const char *text, struct error *error)
{
	if (text_is_printable(text) && !strpbrk(text, "/ \t,") && text[0] != '.')
		return 0;
	return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' is no %s", text, what);
}

static int read_key(struct bus_reader *reader, struct node_key *key, struct error *error)
{
	const char *iface;

	if (read_text(reader, "target name", key->target, sizeof(key->target), error) < 0 ||
	    read_text(reader, "address", key->address, sizeof(key->address), error) < 0)
		return -1;
	key->port = bus_read_u16(reader);
	key->tpgt = bus_read_i32(reader);
	iface = bus_read_string(reader);
	if (!text_copy(key->iface, sizeof(key->iface), *iface ? iface : "default"))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the interface name is too long");
	if (key->port == 0)
		key->port = 3260; /* RFC 7143 §13.8: when none is said */
	if (check_name("target name", key->target, error) < 0 ||
	    check_name("address", key->address, error) < 0)
		return -1;
	return check_name("interface name", key->iface, error);
}

static void create_node(struct bus_call *call, void *object, void *manager)
{
	struct bus_reader *reader = bus_call_arguments(call);
	owned_error struct error error = ERROR_INIT;
	char buffer[SHOWN_PATH_MAX];
	struct node_key key = {};
	struct node *node;

	if (read_key(reader, &key, &error) < 0 || read_no_options(reader, &error) < 0 ||
	    manager_create_node(manager, &key, &node, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		answer_object(call, node_path(node, buffer));
}

struct login_options {
	bool wait, one_portal;
};

static const struct bus_option login_options[] = {
	BUS_OPTION("wait", "b", struct login_options, wait),
	BUS_OPTION("one-portal", "b", struct login_options, one_portal),
	{},
};

static enum login_wait login_wait(const struct login_options *options)
{
	if (!options->wait)
		return LOGIN_WAIT_NOT;
	return options->one_portal ? LOGIN_WAIT_TARGET : LOGIN_WAIT_NODE;
}

struct logout_options {
	bool force;
};

static const struct bus_option logout_options[] = {
	BUS_OPTION("force", "b", struct logout_options, force),
	{},
};

/* What a call on many objects is about, taken down before any of them is touched: an operation may
 * end inside the call that starts it, and take objects with it. */
struct picked {
	size_t count;
	uint64_t ids[]; /* of nodes, or sids */
};

static size_t count_all(const struct list *head)
{
	size_t count = 0;

	for (const struct list *at = head->next; at != head; at = at->next)
		count++;
	return count;
}

static struct picked *new_picked(const struct list *head)
{
	return calloc(1, sizeof(struct picked) + count_all(head) * sizeof(uint64_t));
}

static struct picked *pick_nodes(struct manager *manager, const struct selection *selection)
{
	struct picked *picked = new_picked(manager_nodes(manager));
	const struct node *node;

	if (!picked)
		return NULL;
	list_for_each (node, manager_nodes(manager), link) {
		if (selection_has_node(selection, node))
			picked->ids[picked->count++] = node->id;
	}
	return picked;
}

static struct picked *pick_sessions(struct manager *manager, const struct selection *selection)
{
	struct picked *picked = new_picked(manager_sessions(manager));
	const struct session_view *session;

	if (!picked)
		return NULL;
	list_for_each (session, manager_sessions(manager), link) {
		if (selection_has_session(selection, session))
			picked->ids[picked->count++] = session->sid;
	}
	return picked;
}

/* Return: the batch that answers @call, or NULL, and @call was failed. */
static struct batch *start_batch(struct bus_call *call, const struct picked *picked)
{
	char name[BUS_ERROR_NAME_MAX];

	if (!picked) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return NULL;
	}
	if (picked->count == 0) {
		bus_call_fail(call, bus_error_name(ERROR_NO_OBJECTS_FOUND, name),
			      "nothing matches");
		return NULL;
	}
	return batch_new(call, picked->count);
}

/* Selector and options of the calls on many. Return: 0, or -1 and @call was failed. */
static int read_many(struct bus_call *call, struct selection *selection,
		     const struct bus_option *options, void *values)
{
	owned_error struct error error = ERROR_INIT;

	if (read_selection(call, selection) < 0)
		return -1;
	if (bus_read_options(bus_call_arguments(call), options, values, &error) == 0)
		return 0;
	bus_call_fail_error(call, &error);
	return -1;
}

static void login_many(struct bus_call *call, void *object, void *manager)
{
	struct login_options options = {.wait = true};
	owned_memory struct picked *picked = NULL;
	char buffer[SHOWN_PATH_MAX];
	struct selection selection;
	struct batch *batch;

	if (read_many(call, &selection, login_options, &options) < 0)
		return;
	picked = pick_nodes(manager, &selection);
	batch = start_batch(call, picked);
	if (!batch)
		return;
	for (size_t i = 0; i < picked->count; i++) {
		struct node *node = manager_find_node(manager, picked->ids[i]);

		if (node)
			manager_login(manager, node, login_wait(&options), batch_done,
				      batch_add(batch, node_path(node, buffer)));
	}
	batch_started(batch);
}

static void plan_logout(struct manager *manager, const struct picked *picked, bool planned)
{
	for (size_t i = 0; i < picked->count; i++) {
		struct session_view *session =
			manager_find_session(manager, (uint32_t)picked->ids[i]);

		if (session)
			manager_plan_logout(session, planned);
	}
}

static void logout_many(struct bus_call *call, void *object, void *manager)
{
	struct logout_options options = {};
	owned_memory struct picked *picked = NULL;
	char buffer[SHOWN_PATH_MAX];
	struct selection selection;
	struct batch *batch;

	if (read_many(call, &selection, logout_options, &options) < 0)
		return;
	picked = pick_sessions(manager, &selection);
	batch = start_batch(call, picked);
	if (!batch)
		return;
	plan_logout(manager, picked, true);
	for (size_t i = 0; i < picked->count; i++) {
		struct session_view *session =
			manager_find_session(manager, (uint32_t)picked->ids[i]);

		if (session)
			manager_logout(manager, session, options.force, batch_done,
				       batch_add(batch, session_path(session, buffer)));
	}
	plan_logout(manager, picked, false);
	batch_started(batch);
}

static void rescan(struct bus_call *call, void *object, void *manager)
{
	owned_memory struct picked *picked = NULL;
	char buffer[SHOWN_PATH_MAX];
	struct selection selection;
	struct batch *batch;

	if (read_many(call, &selection, bus_no_options, NULL) < 0)
		return;
	picked = pick_sessions(manager, &selection);
	batch = start_batch(call, picked);
	if (!batch)
		return;
	for (size_t i = 0; i < picked->count; i++) {
		struct session_view *session =
			manager_find_session(manager, (uint32_t)picked->ids[i]);

		if (session)
			manager_rescan(manager, session, batch_done,
				       batch_add(batch, session_path(session, buffer)));
	}
	batch_started(batch);
}

static void reload(struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) == 0)
		(void)manager_reload(manager, &error);
	bus_call_end(call, &error);
}

static void get_events(struct bus_call *call, void *object, void *manager)
{
	events_answer(call, manager);
}

static void get_statistics(struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		statistics_answer(call, manager);
}

/* clang-format off */
static const struct bus_method methods[] = {
	{"ListNodes", "a{sv} selector", "a(oa{sv}) nodes", ACCESS_READ, list_nodes},
	{"ListSessions", "a{sv} selector", "a(oa{sv}) sessions", ACCESS_READ, list_sessions},
	{"ListMaps", "a{sv} selector", "a(oa{sv}) maps", ACCESS_READ, list_maps},
	{"GetNode", "s target, s address, q port, s iface", "o node", ACCESS_READ, get_node},
	{"GetSession", "u sid", "o session", ACCESS_READ, get_session},
	{"GetMap", "s name_wwid_or_device", "o map", ACCESS_READ, get_map},
	{"CreateNode", "s target, s address, q port, i tpgt, s iface, a{sv} options", "o node",
	 ACCESS_MANAGE_RECORDS, create_node},
	{"LoginMany", "a{sv} selector, a{sv} options", "a(oss) results", ACCESS_LOGIN, login_many},
	{"LogoutMany", "a{sv} selector, a{sv} options", "a(oss) results", ACCESS_LOGOUT, logout_many},
	{"Rescan", "a{sv} selector, a{sv} options", "a(oss) results", ACCESS_LOGIN, rescan},
	{"Reload", "a{sv} options", "", ACCESS_MANAGE_SETTINGS, reload},
	{"GetEvents", "t since, u max, a{sv} filter", EVENTS_ARGUMENTS " events", ACCESS_READ,
	 get_events},
	{"GetStatistics", "a{sv} options", "a{oa{st}} counters", ACCESS_READ, get_statistics},
	{},
};
/* clang-format on */

/* --- properties --- */

static void get_version(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, manager_version());
}

static void get_initiator_name(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, manager_initiator_name((struct manager *)object));
}

static void get_ready(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, manager_ready((struct manager *)object));
}

static void get_health(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, manager_health((struct manager *)object));
}

static void get_sessions(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, (uint32_t)count_all(manager_sessions((struct manager *)object)));
}

static void get_maps(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, (uint32_t)count_all(manager_maps((struct manager *)object)));
}

static void get_last_event(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, event_ring_last(manager_events((struct manager *)object)));
}

/* clang-format off */
static const struct bus_property properties[] = {
	{"Version",       "s", CHANGE_CONSTANT, get_version},
	{"InitiatorName", "s", CHANGE_EMITTED,  get_initiator_name},
	{"Ready",         "b", CHANGE_EMITTED,  get_ready},
	{"Health",        "s", CHANGE_EMITTED,  get_health},
	{"Sessions",      "u", CHANGE_EMITTED,  get_sessions},
	{"Maps",          "u", CHANGE_EMITTED,  get_maps},
	{"LastEvent",     "t", CHANGE_SILENT,   get_last_event},
	{},
};
/* clang-format on */

static const struct bus_signal signals[] = {
	{"Event", EVENT_ARGUMENTS},
	{},
};

const struct bus_interface manager_interface = {
	.name = BUS_NAME ".Manager",
	.methods = methods,
	.properties = properties,
	.signals = signals,
};
