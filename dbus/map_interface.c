/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdio.h>

#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"

#define HOLDERS_MAX 4096 /* bytes */

static void holders(struct bus_call *call, void *map, void *manager)
{
	char text[HOLDERS_MAX] = "";

	manager_map_holders(manager, map, text, sizeof(text));
	bus_write_string(bus_call_answer(call), text);
	bus_call_send(call);
}

static void end_call(const struct error *error, void *userdata)
{
	bus_call_end(userdata, error);
}

static void reset(struct bus_call *call, void *map, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_reset_map(manager, map, end_call, call);
}

static void switch_group(struct bus_call *call, void *map, void *manager)
{
	struct bus_reader *arguments = bus_call_arguments(call);
	owned_error struct error error = ERROR_INIT;
	uint32_t number = bus_read_u32(arguments);

	if (read_no_options(arguments, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_switch_group(manager, map, number, end_call, call);
}

static void failback(struct bus_call *call, void *map, void *manager)
{
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_failback(manager, map, end_call, call);
}

struct remove_options {
	bool force;
};

static const struct bus_option remove_options[] = {
	BUS_OPTION("force", "b", struct remove_options, force),
	{},
};

static void remove_map(struct bus_call *call, void *map, void *manager)
{
	struct remove_options options = {};
	owned_error struct error error = ERROR_INIT;

	if (bus_read_options(bus_call_arguments(call), remove_options, &options, &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_remove_map(manager, map, options.force, end_call, call);
}

static const struct bus_method methods[] = {
	{"Failback", "a{sv} options", "", ACCESS_MANAGE_PATHS, failback},
	{"Holders", "", "s holders", ACCESS_READ, holders},
	{"Remove", "a{sv} options", "", ACCESS_LOGOUT, remove_map},
	{"Reset", "a{sv} options", "", ACCESS_RESET, reset},
	{"SwitchGroup", "u number, a{sv} options", "", ACCESS_MANAGE_PATHS, switch_group},
	{},
};

static const struct map_view *view(const void *object)
{
	return object;
}

static void get_name(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->name);
}

static void get_wwid(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->unit.identity.wwid);
}

static void get_device(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->device);
}

static void get_device_number(struct bus_writer *writer, const void *object)
{
	bus_open_struct(writer);
	bus_write_u32(writer, view(object)->major);
	bus_write_u32(writer, view(object)->minor);
	bus_close(writer);
}

static void get_size(struct bus_writer *writer, const void *object)
{
	const struct unit_limits *limits = &view(object)->unit.limits;

	bus_write_u64(writer, limits->blocks * limits->block_size);
}

static void get_block_size(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->unit.limits.block_size);
}

static void get_vendor(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->unit.identity.vendor);
}

static void get_product(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->unit.identity.product);
}

static void get_serial(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->unit.identity.serial);
}

static void get_read_only(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->unit.limits.read_only);
}

static void get_exporter(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->exporter);
}

static void get_policy(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->selector);
}

static void get_grouping(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, grouping_name(view(object)->grouping));
}

static void get_failback(struct bus_writer *writer, const void *object)
{
	int32_t failback_ms = view(object)->failback_ms;
	char text[32];

	snprintf(text, sizeof(text), "%d", failback_ms / 1000);
	bus_write_string(writer, failback_ms == 0		      ? "immediate"
				 : failback_ms == FAILBACK_MANUAL     ? "manual"
				 : failback_ms == FAILBACK_FOLLOWOVER ? "followover"
								      : text);
}

static void get_active_group(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->active_group);
}

static void get_groups(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->group_count);
}

static void get_no_path_retry(struct bus_writer *writer, const void *object)
{
	bus_write_i32(writer, view(object)->no_path_retry_ms);
}

static void get_integrity(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, integrity_name(view(object)->integrity));
}

static void get_fence_quality(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, fence_quality_name(view(object)->fence_quality));
}

static void get_in_doubt(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->guard.parked);
}

static void get_in_doubt_total(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->guard.in_doubt);
}

static void get_held(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->guard.held);
}

static void get_guarded_bytes(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer,
		      view(object)->guard.guarded_blocks * view(object)->unit.limits.block_size);
}

static void get_longest_guard(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->guard.longest_ms);
}

static void get_guards_expired(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->guard.overdue);
}

static void get_state(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, map_state_name(view(object)->state));
}

static void get_state_since(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->since_us);
}

static void get_paths_up(struct bus_writer *writer, const void *object)
{
	const struct path_view *path;
	uint32_t up = 0;

	list_for_each (path, &view(object)->paths, link)
		up += path_state_carries(path->state);
	bus_write_u32(writer, up);
}

static void get_paths_total(struct bus_writer *writer, const void *object)
{
	const struct path_view *path;
	uint32_t total = 0;

	list_for_each (path, &view(object)->paths, link)
		total++;
	bus_write_u32(writer, total);
}

static void get_paths(struct bus_writer *writer, const void *object)
{
	const struct path_view *path;
	char buffer[SHOWN_PATH_MAX];

	bus_open_array(writer, "o");
	list_for_each (path, &view(object)->paths, link)
		bus_write_object(writer, path_path(path, buffer));
	bus_close(writer);
}

/* clang-format off */
static const struct bus_property properties[] = {
	{"Name",         "s",    CHANGE_EMITTED,  get_name},
	{"Wwid",         "s",    CHANGE_CONSTANT, get_wwid},
	{"Device",       "s",    CHANGE_EMITTED,  get_device},
	{"DeviceNumber", "(uu)", CHANGE_EMITTED,  get_device_number},
	{"Size",         "t",    CHANGE_EMITTED,  get_size},
	{"BlockSize",    "u",    CHANGE_CONSTANT, get_block_size},
	{"Vendor",       "s",    CHANGE_CONSTANT, get_vendor},
	{"Product",      "s",    CHANGE_CONSTANT, get_product},
	{"Serial",       "s",    CHANGE_CONSTANT, get_serial},
	{"ReadOnly",     "b",    CHANGE_EMITTED,  get_read_only},
	{"Exporter",     "s",    CHANGE_CONSTANT, get_exporter},
	{"Policy",       "s",    CHANGE_EMITTED,  get_policy},
	{"PathGroupingPolicy", "s", CHANGE_CONSTANT, get_grouping},
	{"Failback",     "s",    CHANGE_CONSTANT, get_failback},
	{"ActiveGroup",  "u",    CHANGE_EMITTED,  get_active_group},
	{"Groups",       "u",    CHANGE_EMITTED,  get_groups},
	{"NoPathRetry",  "i",    CHANGE_EMITTED,  get_no_path_retry},
	{"Integrity",    "s",    CHANGE_CONSTANT, get_integrity},
	{"FenceQuality", "s",    CHANGE_EMITTED,  get_fence_quality},
	{"InDoubt",      "u",    CHANGE_SILENT,   get_in_doubt},
	{"InDoubtTotal", "t",    CHANGE_SILENT,   get_in_doubt_total},
	{"Held",         "u",    CHANGE_SILENT,   get_held},
	{"GuardedBytes", "t",    CHANGE_SILENT,   get_guarded_bytes},
	{"LongestGuardMs", "t",  CHANGE_SILENT,   get_longest_guard},
	{"GuardsExpired", "t",   CHANGE_SILENT,   get_guards_expired},
	{"State",        "s",    CHANGE_EMITTED,  get_state},
	{"StateSince",   "t",    CHANGE_EMITTED,  get_state_since},
	{"PathsUp",      "u",    CHANGE_EMITTED,  get_paths_up},
	{"PathsTotal",   "u",    CHANGE_EMITTED,  get_paths_total},
	{"Paths",        "ao",   CHANGE_EMITTED,  get_paths},
	{},
};
/* clang-format on */

const struct bus_interface map_interface = {
	.name = BUS_NAME ".Map",
	.methods = methods,
	.properties = properties,
};
