/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"
#include "util/text.h"

#define ISCSI_PORT 3260 /* RFC 7143 §13.8: when none is said */
#define ISNS_PORT  3205 /* RFC 4171 §2.9 */

struct discovery_options {
	struct bus_strings operations, ifaces;
	bool stored;
};

static const struct bus_option options_table[] = {
	BUS_OPTION("operations", "as", struct discovery_options, operations),
	BUS_OPTION("ifaces", "as", struct discovery_options, ifaces),
	BUS_OPTION("stored", "b", struct discovery_options, stored),
	{},
};

static const struct text_name operation_names[] = {
	{DISCOVERY_NEW, "new"},	      {DISCOVERY_UPDATE, "update"},
	{DISCOVERY_DELETE, "delete"}, {DISCOVERY_NON_PERSISTENT, "nonpersistent"},
	{DISCOVERY_SHOW, "show"},
};

static int set_operations(struct discovery_request *request, const struct bus_strings *names,
			  struct error *error)
{
	int operation;

	for (unsigned i = 0; i < names->count; i++) {
		if (text_value_of(operation_names, ARRAY_SIZE(operation_names), names->text[i],
				  &operation) < 0)
			return error_set(error, ERROR_INVALID_ARGUMENT,
					 "'%s' is no operation of a discovery", names->text[i]);
		request->operations |= (unsigned)operation;
	}
	return 0;
}

static int set_ifaces(struct discovery_request *request, const struct bus_strings *names,
		      struct error *error)
{
	if (names->count > ARRAY_SIZE(request->ifaces))
		return error_set(error, ERROR_INVALID_ARGUMENT, "more than %zu interfaces",
				 ARRAY_SIZE(request->ifaces));
	for (unsigned i = 0; i < names->count; i++) {
		if (!*names->text[i] ||
		    !text_copy(request->ifaces[i], sizeof(request->ifaces[i]), names->text[i]))
			return error_set(error, ERROR_INVALID_ARGUMENT,
					 "'%.64s' is no interface name", names->text[i]);
	}
	request->iface_count = names->count;
	return 0;
}

static const struct bus_option firmware_options_table[] = {
	BUS_OPTION("operations", "as", struct discovery_options, operations),
	{},
};

/* What the methods differ in. */
struct asked {
	enum discovery_kind kind;
	uint16_t port; /* when none is said; 0: there are no address and port */
	const struct bus_option *options;
};

static int read_request(struct bus_reader *reader, const struct asked *asked,
			struct discovery_request *request, struct error *error)
{
	struct discovery_options options = {};

	request->kind = asked->kind;
	if (asked->port) {
		if (read_text(reader, "address", request->address, sizeof(request->address),
			      error) < 0)
			return -1;
		request->port = bus_read_u16(reader);
		if (request->port == 0)
			request->port = asked->port;
	}
	if (bus_read_options(reader, asked->options, &options, error) < 0 ||
	    set_operations(request, &options.operations, error) < 0)
		return -1;
	request->stored = options.stored;
	return set_ifaces(request, &options.ifaces, error);
}

static void write_details(struct bus_writer *writer, const struct discovery_result *result)
{
	bus_open_property(writer, "firmware", "a{ss}");
	bus_open_array(writer, "{ss}");
	for (size_t i = 0; i < result->detail_count; i++) {
		bus_open_entry(writer);
		bus_write_string(writer, result->details[i].key);
		bus_write_string(writer, result->details[i].value);
		bus_close(writer);
	}
	bus_close(writer);
	bus_close_property(writer);
}

static void write_result(struct bus_writer *writer, const struct discovery_result *result)
{
	char buffer[SHOWN_PATH_MAX];

	bus_open_array(writer, "{sv}");
	bus_property_string(writer, "target", result->key.target);
	bus_property_string(writer, "address", result->key.address);
	bus_property_u16(writer, "port", result->key.port);
	bus_property_i32(writer, "tpgt", result->key.tpgt);
	bus_property_string(writer, "iface", result->key.iface);
	bus_property_object(writer, "node", node_path(result->node, buffer));
	if (result->detail_count)
		write_details(writer, result);
	bus_close(writer);
}

static void on_discovered(const struct error *error, const struct discovery_result *results,
			  size_t count, void *userdata)
{
	struct bus_call *call = userdata;
	struct bus_writer *writer;

	if (error && error_is_set(error)) {
		bus_call_fail_error(call, error);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "a{sv}");
	for (size_t i = 0; i < count; i++)
		write_result(writer, &results[i]);
	bus_close(writer);
	bus_call_send(call);
}

static void discover(struct bus_call *call, struct manager *manager, const struct asked *asked)
{
	owned_error struct error error = ERROR_INIT;
	struct discovery_request request = {};

	if (read_request(bus_call_arguments(call), asked, &request, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_discover(manager, &request, on_discovered, call);
}

static void send_targets(struct bus_call *call, void *object, void *manager)
{
	static const struct asked asked = {DISCOVERY_KIND_SEND_TARGETS, ISCSI_PORT, options_table};

	discover(call, manager, &asked);
}

static void isns(struct bus_call *call, void *object, void *manager)
{
	static const struct asked asked = {DISCOVERY_KIND_ISNS, ISNS_PORT, options_table};

	discover(call, manager, &asked);
}

static void firmware(struct bus_call *call, void *object, void *manager)
{
	static const struct asked asked = {DISCOVERY_KIND_FIRMWARE, 0, firmware_options_table};

	discover(call, manager, &asked);
}

static const struct bus_method methods[] = {
	{"SendTargets", "s address, q port, a{sv} options", "aa{sv} targets", ACCESS_DISCOVER,
	 send_targets},
	{"Isns", "s address, q port, a{sv} options", "aa{sv} targets", ACCESS_DISCOVER, isns},
	{"Firmware", "a{sv} options", "aa{sv} targets", ACCESS_DISCOVER, firmware},
	{},
};

const struct bus_interface discovery_interface = {
	.name = BUS_NAME ".Discovery",
	.methods = methods,
};
