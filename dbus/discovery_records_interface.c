/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "daemon/record.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "util/cleanup.h"
#include "util/text.h"

static const struct text_name type_names[] = {
	{DISCOVERY_KIND_SEND_TARGETS, "sendtargets"},
	{DISCOVERY_KIND_ISNS, "isns"},
};

/* Which record is meant: "s type, s address, q port". */
static int read_address(struct bus_call *call, struct discovery_address *address,
			struct error *error)
{
	struct bus_reader *reader = bus_call_arguments(call);
	const char *type = bus_read_string(reader);
	int kind;

	*address = (struct discovery_address){};
	if (text_value_of(type_names, ARRAY_SIZE(type_names), type, &kind) < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "'%.64s' is no kind of discovery record", type);
	address->kind = (enum discovery_kind)kind;
	if (read_text(reader, "address", address->address, sizeof(address->address), error) < 0)
		return -1;
	address->port = bus_read_u16(reader);
	return 0;
}

static void list(struct bus_call *call, void *object, void *manager)
{
	owned_memory struct discovery_address *all = NULL;
	owned_error struct error error = ERROR_INIT;
	struct bus_writer *writer;
	size_t count;

	if (read_no_options(bus_call_arguments(call), &error) < 0 ||
	    manager_list_discoveries(manager, &all, &count, &error) < 0) {
		bus_call_fail_error(call, &error);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "a{sv}");
	for (size_t i = 0; i < count; i++) {
		bus_open_array(writer, "{sv}");
		bus_property_string(
			writer, "type",
			text_name_of(type_names, ARRAY_SIZE(type_names), (int)all[i].kind, ""));
		bus_property_string(writer, "address", all[i].address);
		bus_property_u16(writer, "port", all[i].port);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(call);
}

static void answer_from(struct bus_call *call, struct manager *manager,
			void (*answer)(struct bus_call *call, const struct record *record))
{
	owned_error struct error error = ERROR_INIT;
	struct discovery_address address;
	struct record *record = NULL;

	if (read_address(call, &address, &error) < 0 ||
	    manager_read_discovery(manager, &address, &record, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		answer(call, record);
	record_free(record);
}

static void get(struct bus_call *call, void *object, void *manager)
{
	answer_from(call, manager, record_answer);
}

static void get_secret(struct bus_call *call, void *object, void *manager)
{
	answer_from(call, manager, record_answer_secret);
}

static void end_with(struct bus_call *call, struct manager *manager,
		     int (*act)(struct manager *manager, const struct discovery_address *address,
				struct error *error))
{
	owned_error struct error error = ERROR_INIT;
	struct discovery_address address;

	if (read_address(call, &address, &error) == 0 &&
	    read_no_options(bus_call_arguments(call), &error) == 0)
		(void)act(manager, &address, &error);
	bus_call_end(call, &error);
}

static void create(struct bus_call *call, void *object, void *manager)
{
	end_with(call, manager, manager_create_discovery);
}

static void delete (struct bus_call *call, void *object, void *manager)
{
	end_with(call, manager, manager_delete_discovery);
}

static void update(struct bus_call *call, void *object, void *manager)
{
	struct record_change changes[RECORD_CHANGES_MAX];
	owned_error struct error error = ERROR_INIT;
	struct discovery_address address;
	int count;

	if (read_address(call, &address, &error) == 0) {
		count = record_read_changes(call, changes, &error);
		if (count >= 0 && read_no_options(bus_call_arguments(call), &error) == 0)
			(void)manager_update_discovery(manager, &address, changes, (size_t)count,
						       &error);
	}
	bus_call_end(call, &error);
}

static void set_secret(struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;
	struct discovery_address address;
	char text[SECRET_SIZE] = "";
	struct record_change change;

	if (read_address(call, &address, &error) == 0 &&
	    record_read_secret(call, &change, text, &error) == 0)
		(void)manager_update_discovery(manager, &address, &change, 1, &error);
	explicit_bzero(text, sizeof(text));
	bus_call_end(call, &error);
}

/* clang-format off */
static const struct bus_method methods[] = {
	{"List", "a{sv} options", "aa{sv} records", ACCESS_READ, list},
	{"Get", "s type, s address, q port, as keys", "a{ss} values", ACCESS_READ, get},
	{"Create", "s type, s address, q port, a{sv} options", "", ACCESS_MANAGE_RECORDS, create},
	{"Update", "s type, s address, q port, a{ss} changes, a{sv} options", "", ACCESS_MANAGE_RECORDS, update},
	{"SetSecret", "s type, s address, q port, s key, h fd, a{sv} options", "", ACCESS_SET_SECRET, set_secret},
	{"GetSecret", "s type, s address, q port, s key, a{sv} options", "h fd", ACCESS_SET_SECRET, get_secret},
	{"Delete", "s type, s address, q port, a{sv} options", "", ACCESS_MANAGE_RECORDS, delete},
	{},
};
/* clang-format on */

const struct bus_interface discovery_records_interface = {
	.name = BUS_NAME ".DiscoveryRecords",
	.methods = methods,
};
