/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "daemon/record.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "dbus/secret.h"
#include "util/cleanup.h"

/* --- methods --- */

struct login_options {
	bool wait, additional;
};

static const struct bus_option login_options[] = {
	BUS_OPTION("wait", "b", struct login_options, wait),
	BUS_OPTION("additional", "b", struct login_options, additional),
	{},
};

static void end_call(const struct error *error, void *userdata)
{
	bus_call_end(userdata, error);
}

static void login(struct bus_call *call, void *node, void *manager)
{
	struct login_options options = {.wait = true};
	owned_error struct error error = ERROR_INIT;

	if (bus_read_options(bus_call_arguments(call), login_options, &options, &error) < 0)
		bus_call_fail_error(call, &error);
	else if (options.additional)
		manager_login_more(manager, node, end_call, call);
	else
		manager_login(manager, node, options.wait ? LOGIN_WAIT_NODE : LOGIN_WAIT_NOT,
			      end_call, call);
}

struct logout_options {
	bool force;
};

static const struct bus_option logout_options[] = {
	BUS_OPTION("force", "b", struct logout_options, force),
	{},
};

/* Logging out one session may take it away within the call: only sids are kept over it. */
static void plan_logout(struct manager *manager, const uint32_t *sids, size_t count, bool planned)
{
	for (size_t i = 0; i < count; i++) {
		struct session_view *session = manager_find_session(manager, sids[i]);

		if (session)
			manager_plan_logout(session, planned);
	}
}

static void logout_all(struct bus_call *call, struct manager *manager, const uint32_t *sids,
		       size_t count, bool force)
{
	struct batch *batch = batch_new_first(call, count);
	char buffer[SHOWN_PATH_MAX];

	if (!batch)
		return;
	plan_logout(manager, sids, count, true);
	for (size_t i = 0; i < count; i++) {
		struct session_view *session = manager_find_session(manager, sids[i]);

		if (session)
			manager_logout(manager, session, force, batch_done,
				       batch_add(batch, session_path(session, buffer)));
	}
	plan_logout(manager, sids, count, false);
	batch_started(batch);
}

static size_t count_sessions(const struct node *node)
{
	const struct session_view *session;
	size_t count = 0;

	list_for_each (session, &node->sessions, node_link)
		count++;
	return count;
}

static void logout(struct bus_call *call, void *object, void *manager)
{
	struct logout_options options = {};
	owned_error struct error error = ERROR_INIT;
	owned_memory uint32_t *sids = NULL;
	const struct session_view *session;
	const struct node *node = object;
	size_t count = 0;

	if (bus_read_options(bus_call_arguments(call), logout_options, &options, &error) == 0) {
		if (list_empty(&node->sessions))
			error_set(&error, ERROR_NO_OBJECTS_FOUND, "the node has no session");
		else if (!(sids = calloc(count_sessions(node), sizeof(*sids))))
			error_set(&error, ERROR_NO_MEMORY, "out of memory");
	}
	if (error_is_set(&error)) {
		bus_call_fail_error(call, &error);
		return;
	}
	list_for_each (session, &node->sessions, node_link)
		sids[count++] = session->sid;
	logout_all(call, manager, sids, count, options.force);
}

static void get(struct bus_call *call, void *node, void *manager)
{
	record_answer(call, ((const struct node *)node)->record);
}

static void update(struct bus_call *call, void *node, void *manager)
{
	struct record_change changes[RECORD_CHANGES_MAX];
	owned_error struct error error = ERROR_INIT;
	int count = record_read_changes(call, changes, &error);

	if (count >= 0 && read_no_options(bus_call_arguments(call), &error) == 0)
		(void)manager_update_node(manager, node, changes, (size_t)count, &error);
	bus_call_end(call, &error);
}

static void set_secret(struct bus_call *call, void *node, void *manager)
{
	owned_error struct error error = ERROR_INIT;
	char text[SECRET_SIZE] = "";
	struct record_change change;

	if (record_read_secret(call, &change, text, &error) == 0)
		(void)manager_update_node(manager, node, &change, 1, &error);
	explicit_bzero(text, sizeof(text));
	bus_call_end(call, &error);
}

static void get_secret(struct bus_call *call, void *node, void *manager)
{
	record_answer_secret(call, ((const struct node *)node)->record);
}

static void delete (struct bus_call *call, void *node, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) == 0)
		(void)manager_delete_node(manager, node, &error);
	bus_call_end(call, &error);
}

static const struct bus_method methods[] = {
	{"Login", "a{sv} options", "", ACCESS_LOGIN, login},
	{"Logout", "a{sv} options", "", ACCESS_LOGOUT, logout},
	{"Get", "as keys", "a{ss} values", ACCESS_READ, get},
	{"Update", "a{ss} changes, a{sv} options", "", ACCESS_MANAGE_RECORDS, update},
	{"SetSecret", "s key, h fd, a{sv} options", "", ACCESS_SET_SECRET, set_secret},
	{"GetSecret", "s key, a{sv} options", "h fd", ACCESS_SET_SECRET, get_secret},
	{"Delete", "a{sv} options", "", ACCESS_MANAGE_RECORDS, delete},
	{},
};

/* --- properties --- */

static const char *value_of(const struct node *node, const char *key)
{
	const char *value = record_get(node->record, key);

	return value ? value : "";
}

static void get_target_name(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, ((const struct node *)object)->key.target);
}

static void get_address(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, ((const struct node *)object)->key.address);
}

static void get_port(struct bus_writer *writer, const void *object)
{
	bus_write_u16(writer, ((const struct node *)object)->key.port);
}

static void get_tpgt(struct bus_writer *writer, const void *object)
{
	bus_write_i32(writer, ((const struct node *)object)->key.tpgt);
}

static void get_iface(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, ((const struct node *)object)->key.iface);
}

static void get_startup(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, value_of(object, "node.startup"));
}

/* One word for all sessions of a node. */
static void get_state(struct bus_writer *writer, const void *object)
{
	const struct node *node = object;
	const struct session_view *session;
	size_t all = 0, up = 0, trying = 0, lost = 0;

	list_for_each (session, &node->sessions, node_link) {
		bool is_trying = session->state == SESSION_STATE_CONNECTING ||
				 session->state == SESSION_STATE_LOGIN ||
				 session->state == SESSION_STATE_WAITING;

		all++;
		up += session->state == SESSION_STATE_LOGGED_IN;
		trying += is_trying;
		lost += is_trying && session->ever_logged_in;
	}
	if (up > 0)
		bus_write_string(writer, up == all ? "logged-in" : "partial");
	else if (lost > 0)
		bus_write_string(writer, "reconnecting");
	else
		bus_write_string(writer, trying > 0 ? "logging-in" : "idle");
}

static void get_sessions(struct bus_writer *writer, const void *object)
{
	const struct node *node = object;
	const struct session_view *session;
	char buffer[SHOWN_PATH_MAX];

	bus_open_array(writer, "o");
	list_for_each (session, &node->sessions, node_link)
		bus_write_object(writer, session_path(session, buffer));
	bus_close(writer);
}

static void get_last_error(struct bus_writer *writer, const void *object)
{
	const struct node *node = object;

	bus_open_struct(writer);
	bus_write_error(writer, &node->last_error);
	bus_write_u64(writer, node->last_error_us);
	bus_close(writer);
}

static void get_has_secret(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, *value_of(object, "node.session.auth.password") != '\0');
}

static void get_username(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, value_of(object, "node.session.auth.username"));
}

static void get_nr_sessions(struct bus_writer *writer, const void *object)
{
	const struct node *node = object;

	bus_write_u32(writer,
		      (uint32_t)record_get_number(node->record, "node.session.nr_sessions"));
}

/* clang-format off */
static const struct bus_property properties[] = {
	{"TargetName", "s",     CHANGE_CONSTANT, get_target_name},
	{"Address",    "s",     CHANGE_CONSTANT, get_address},
	{"Port",       "q",     CHANGE_CONSTANT, get_port},
	{"Tpgt",       "i",     CHANGE_EMITTED,  get_tpgt},
	{"Iface",      "s",     CHANGE_CONSTANT, get_iface},
	{"Startup",    "s",     CHANGE_EMITTED,  get_startup},
	{"State",      "s",     CHANGE_EMITTED,  get_state},
	{"Sessions",   "ao",    CHANGE_EMITTED,  get_sessions},
	{"LastError",  "(sst)", CHANGE_EMITTED,  get_last_error},
	{"HasSecret",  "b",     CHANGE_EMITTED,  get_has_secret},
	{"Username",   "s",     CHANGE_EMITTED,  get_username},
	{"NrSessions", "u",     CHANGE_EMITTED,  get_nr_sessions},
	{},
};
/* clang-format on */

const struct bus_interface node_interface = {
	.name = BUS_NAME ".Node",
	.methods = methods,
	.properties = properties,
};
