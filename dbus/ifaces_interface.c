/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdlib.h>

#include "daemon/record.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "util/cleanup.h"

static int read_name(struct bus_call *call, const char **name, struct error *error)
{
	*name = bus_read_string(bus_call_arguments(call));
	return **name ? 0 : error_set(error, ERROR_INVALID_ARGUMENT, "the interface name is empty");
}

static void list(struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;
	struct bus_writer *writer;
	char **names;
	unsigned count;

	if (read_no_options(bus_call_arguments(call), &error) < 0 ||
	    manager_list_ifaces(manager, &names, &count, &error) < 0) {
		bus_call_fail_error(call, &error);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "s");
	for (unsigned i = 0; i < count; i++) {
		bus_write_string(writer, names[i]);
		free(names[i]);
	}
	free(names);
	bus_close(writer);
	bus_call_send(call);
}

static void get(struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;
	struct record *record = NULL;
	const char *name;

	if (read_name(call, &name, &error) < 0 ||
	    manager_read_iface(manager, name, &record, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		record_answer(call, record);
	record_free(record);
}

static void change(struct bus_call *call, struct manager *manager,
		   int (*act)(struct manager *manager, const char *name,
			      const struct record_change *changes, size_t count,
			      struct error *error))
{
	struct record_change changes[RECORD_CHANGES_MAX];
	owned_error struct error error = ERROR_INIT;
	const char *name;
	int count;

	if (read_name(call, &name, &error) == 0) {
		count = record_read_changes(call, changes, &error);
		if (count >= 0 && read_no_options(bus_call_arguments(call), &error) == 0)
			(void)act(manager, name, changes, (size_t)count, &error);
	}
	bus_call_end(call, &error);
}

static void create(struct bus_call *call, void *object, void *manager)
{
	change(call, manager, manager_create_iface);
}

static void update(struct bus_call *call, void *object, void *manager)
{
	change(call, manager, manager_update_iface);
}

static void delete (struct bus_call *call, void *object, void *manager)
{
	owned_error struct error error = ERROR_INIT;
	const char *name;

	if (read_name(call, &name, &error) == 0 &&
	    read_no_options(bus_call_arguments(call), &error) == 0)
		(void)manager_delete_iface(manager, name, &error);
	bus_call_end(call, &error);
}

/* clang-format off */
static const struct bus_method methods[] = {
	{"List", "a{sv} options", "as names", ACCESS_READ, list},
	{"Get", "s name, as keys", "a{ss} values", ACCESS_READ, get},
	{"Create", "s name, a{ss} values, a{sv} options", "", ACCESS_MANAGE_RECORDS, create},
	{"Update", "s name, a{ss} changes, a{sv} options", "", ACCESS_MANAGE_RECORDS, update},
	{"Delete", "s name, a{sv} options", "", ACCESS_MANAGE_RECORDS, delete},
	{},
};
/* clang-format on */

const struct bus_interface ifaces_interface = {
	.name = BUS_NAME ".Ifaces",
	.methods = methods,
};
