/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/record.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"
#include "util/text.h"

/* --- methods --- */

struct logout_options {
	bool force;
};

static const struct bus_option logout_options[] = {
	BUS_OPTION("force", "b", struct logout_options, force),
	{},
};

static void end_call(const struct error *error, void *userdata)
{
	bus_call_end(userdata, error);
}

static void logout(struct bus_call *call, void *session, void *manager)
{
	struct logout_options options = {};
	owned_error struct error error = ERROR_INIT;

	if (bus_read_options(bus_call_arguments(call), logout_options, &options, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_logout(manager, session, options.force, end_call, call);
}

static void rescan(struct bus_call *call, void *session, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_rescan(manager, session, end_call, call);
}

static void rediscovered(const struct error *error, struct node *const *fresh, size_t count,
			 void *userdata)
{
	struct bus_call *call = userdata;
	struct bus_writer *writer;
	char buffer[SHOWN_PATH_MAX];

	if (error_is_set(error)) {
		bus_call_end(call, error);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "o");
	for (size_t i = 0; i < count; i++)
		bus_write_object(writer, node_path(fresh[i], buffer));
	bus_close(writer);
	bus_call_send(call);
}

static void rediscover(struct bus_call *call, void *session, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_rediscover(manager, session, rediscovered, call);
}

static const struct text_name reset_scopes[] = {
	{RESET_TASK_SET, "task-set"},
	{RESET_UNIT, "logical-unit"},
	{RESET_TARGET_WARM, "target-warm"},
	{RESET_TARGET_COLD, "target-cold"},
	{RESET_NEXUS, "nexus"},
};

struct reset_options {
	uint64_t lun;
};

static const struct bus_option reset_options[] = {
	BUS_OPTION("lun", "t", struct reset_options, lun),
	{},
};

static int read_scope(struct bus_reader *reader, int *scope, struct error *error)
{
	char word[32];

	if (read_text(reader, "scope", word, sizeof(word), error) < 0)
		return -1;
	if (text_value_of(reset_scopes, ARRAY_SIZE(reset_scopes), word, scope) < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "there is no scope '%s'", word);
	return 0;
}

static void reset(struct bus_call *call, void *session, void *manager)
{
	struct bus_reader *reader = bus_call_arguments(call);
	struct reset_options options = {};
	owned_error struct error error = ERROR_INIT;
	int scope;

	if (read_scope(reader, &scope, &error) < 0 ||
	    bus_read_options(reader, reset_options, &options, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_reset(manager, session, (enum reset_scope)scope, options.lun, end_call,
			      call);
}

static const struct bus_method methods[] = {
	{"Logout", "a{sv} options", "", ACCESS_LOGOUT, logout},
	{"Rescan", "a{sv} options", "", ACCESS_LOGIN, rescan},
	{"Rediscover", "a{sv} options", "ao nodes", ACCESS_DISCOVER, rediscover},
	{"Reset", "s scope, a{sv} options", "", ACCESS_RESET, reset},
	{},
};

/* --- properties --- */

static const struct session_view *view(const void *object)
{
	return object;
}

static void get_sid(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->sid);
}

static void get_node(struct bus_writer *writer, const void *object)
{
	char buffer[SHOWN_PATH_MAX];

	bus_write_object(writer, node_path(view(object)->node, buffer));
}

static void get_target_name(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->target);
}

static void get_iface(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->iface);
}

static void get_isid(struct bus_writer *writer, const void *object)
{
	char text[2 + 2 * sizeof(view(object)->isid) + 1] = "0x";

	text_hex_encode(view(object)->isid, sizeof(view(object)->isid), text + 2);
	bus_write_string(writer, text);
}

static void get_tsih(struct bus_writer *writer, const void *object)
{
	bus_write_u16(writer, view(object)->tsih);
}

static void get_tpgt(struct bus_writer *writer, const void *object)
{
	bus_write_i32(writer, view(object)->tpgt);
}

static void get_state(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, session_state_name(view(object)->state));
}

static void get_state_reason(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->state_reason);
}

static void get_since(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->since_us);
}

static void get_attempts(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->attempts);
}

static void get_next_retry(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->next_retry_us);
}

static void get_last_error(struct bus_writer *writer, const void *object)
{
	const struct session_view *session = view(object);
	bool failed = error_is_set(&session->last_error);

	bus_open_struct(writer);
	bus_write_error(writer, &session->last_error);
	/* a session that failed is in its state since then */
	bus_write_u64(writer, failed ? session->since_us : 0);
	bus_close(writer);
}

static void get_initiator_name(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->initiator_name);
}

static void get_address(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->address);
}

static void get_port(struct bus_writer *writer, const void *object)
{
	bus_write_u16(writer, view(object)->port);
}

static void get_persistent_address(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->persistent_address);
}

static void get_persistent_port(struct bus_writer *writer, const void *object)
{
	bus_write_u16(writer, view(object)->persistent_port);
}

static void get_local_address(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->local_address);
}

static void get_auth_method(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->negotiated.authentication);
}

static void get_negotiated(struct bus_writer *writer, const void *object)
{
	const struct negotiated *n = &view(object)->negotiated;

	bus_open_array(writer, "{sv}");
	bus_property_string(writer, "HeaderDigest", n->header_digest ? "CRC32C" : "None");
	bus_property_string(writer, "DataDigest", n->data_digest ? "CRC32C" : "None");
	bus_property_u32(writer, "MaxRecvDataSegmentLength", n->max_recv_data_segment_length);
	bus_property_u32(writer, "MaxXmitDataSegmentLength", n->max_xmit_data_segment_length);
	bus_property_u32(writer, "FirstBurstLength", n->first_burst_length);
	bus_property_u32(writer, "MaxBurstLength", n->max_burst_length);
	bus_property_bool(writer, "ImmediateData", n->immediate_data);
	bus_property_bool(writer, "InitialR2T", n->initial_r2t);
	bus_property_u32(writer, "MaxOutstandingR2T", n->max_outstanding_r2t);
	bus_property_string(writer, "TaskReporting", task_reporting_name(n->task_reporting));
	bus_property_u32(writer, "iSCSIProtocolLevel", n->protocol_level);
	bus_close(writer);
}

static const struct {
	const char *name, *key;
} timeouts[] = {
	{"Recovery", "node.session.timeo.replacement_timeout"},
	{"TargetReset", "node.session.err_timeo.tgt_reset_timeout"},
	{"LunReset", "node.session.err_timeo.lu_reset_timeout"},
	{"Abort", "node.session.err_timeo.abort_timeout"},
};

static void get_timeouts(struct bus_writer *writer, const void *object)
{
	const struct node *node = view(object)->node;

	bus_open_array(writer, "{si}");
	for (size_t i = 0; node && i < ARRAY_SIZE(timeouts); i++) {
		bus_open_entry(writer);
		bus_write_string(writer, timeouts[i].name);
		bus_write_i32(writer, (int32_t)record_get_number(node->record, timeouts[i].key));
		bus_close(writer);
	}
	bus_close(writer);
}

static void write_record_text(struct bus_writer *writer, const void *object, const char *key)
{
	const struct node *node = view(object)->node;

	bus_write_string(writer, node ? record_get(node->record, key) : "");
}

static void get_username(struct bus_writer *writer, const void *object)
{
	write_record_text(writer, object, "node.session.auth.username");
}

static void get_username_in(struct bus_writer *writer, const void *object)
{
	write_record_text(writer, object, "node.session.auth.username_in");
}

static void get_ever_logged_in(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->ever_logged_in);
}

static void write_unit(struct bus_writer *writer, const struct unit_view *unit)
{
	const struct map_view *map = unit->path ? unit->path->map : NULL;
	const struct unit_identity *identity = &unit->unit.identity;
	char buffer[SHOWN_PATH_MAX];

	bus_open_array(writer, "{sv}");
	bus_property_u64(writer, "Lun", unit->lun);
	bus_property_u64(writer, "Number", unit->number);
	bus_property_string(writer, "Wwid", identity->wwid);
	bus_property_string(writer, "Vendor", identity->vendor);
	bus_property_string(writer, "Product", identity->product);
	bus_property_bool(writer, "Disk", unit->disk);
	bus_property_string(writer, "Device", map ? map->device : "");
	bus_property_object(writer, "Map", map_path(map, buffer));
	bus_close(writer);
}

static void get_logical_units(struct bus_writer *writer, const void *object)
{
	const struct unit_view *unit;

	bus_open_array(writer, "a{sv}");
	list_for_each (unit, &view(object)->units, link)
		write_unit(writer, unit);
	bus_close(writer);
}

/* clang-format off */
static const struct bus_property properties[] = {
	{"Sid",               "u",      CHANGE_CONSTANT, get_sid},
	{"Node",              "o",      CHANGE_EMITTED,  get_node},
	{"TargetName",        "s",      CHANGE_CONSTANT, get_target_name},
	{"Iface",             "s",      CHANGE_CONSTANT, get_iface},
	{"Isid",              "s",      CHANGE_CONSTANT, get_isid},
	{"Tsih",              "q",      CHANGE_EMITTED,  get_tsih},
	{"Tpgt",              "i",      CHANGE_EMITTED,  get_tpgt},
	{"State",             "s",      CHANGE_EMITTED,  get_state},
	{"StateReason",       "s",      CHANGE_EMITTED,  get_state_reason},
	{"Since",             "t",      CHANGE_EMITTED,  get_since},
	{"Attempts",          "u",      CHANGE_EMITTED,  get_attempts},
	{"NextRetry",         "t",      CHANGE_EMITTED,  get_next_retry},
	{"LastError",         "(sst)",  CHANGE_EMITTED,  get_last_error},
	{"InitiatorName",     "s",      CHANGE_CONSTANT, get_initiator_name},
	{"Address",           "s",      CHANGE_EMITTED,  get_address},
	{"Port",              "q",      CHANGE_EMITTED,  get_port},
	{"PersistentAddress", "s",      CHANGE_CONSTANT, get_persistent_address},
	{"PersistentPort",    "q",      CHANGE_CONSTANT, get_persistent_port},
	{"LocalAddress",      "s",      CHANGE_EMITTED,  get_local_address},
	{"AuthMethod",        "s",      CHANGE_EMITTED,  get_auth_method},
	{"Negotiated",        "a{sv}",  CHANGE_EMITTED,  get_negotiated},
	{"Timeouts",          "a{si}",  CHANGE_EMITTED,  get_timeouts},
	{"Username",          "s",      CHANGE_EMITTED,  get_username},
	{"UsernameIn",        "s",      CHANGE_EMITTED,  get_username_in},
	{"EverLoggedIn",      "b",      CHANGE_EMITTED,  get_ever_logged_in},
	{"LogicalUnits",      "aa{sv}", CHANGE_EMITTED,  get_logical_units},
	{},
};
/* clang-format on */

const struct bus_interface session_interface = {
	.name = BUS_NAME ".Session",
	.methods = methods,
	.properties = properties,
};
