/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/bus.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"

#define NS_PER_US 1000

static const struct path_view *view(const void *object)
{
	return object;
}

static void get_session(struct bus_writer *writer, const void *object)
{
	char buffer[SHOWN_PATH_MAX];

	bus_write_object(writer, session_path(view(object)->session, buffer));
}

static void get_map(struct bus_writer *writer, const void *object)
{
	char buffer[SHOWN_PATH_MAX];

	bus_write_object(writer, map_path(view(object)->map, buffer));
}

static void get_lun(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->lun_number);
}

static void get_state(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, path_view_state(view(object)));
}

static void get_state_reason(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, view(object)->state_reason);
}

static void get_access_state(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, access_state_name(view(object)->access.state));
}

static void get_preferred(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->access.preferred);
}

static void get_port_group(struct bus_writer *writer, const void *object)
{
	bus_write_i32(writer, view(object)->access.port_group);
}

static void get_priority(struct bus_writer *writer, const void *object)
{
	bus_write_i32(writer, view(object)->access.priority);
}

static void get_group(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->access.group);
}

static void get_since(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->since_us);
}

static void get_failures(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.failures);
}

static void get_errors(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.errors);
}

static void get_in_flight(struct bus_writer *writer, const void *object)
{
	bus_write_u32(writer, view(object)->statistics.in_flight);
}

static void get_latency_us(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.ewma_latency_ns / NS_PER_US);
}

static void get_latency_p99_us(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.p99_latency_ns / NS_PER_US);
}

static void get_hedged(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.hedged);
}

static void get_hedges_won(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.hedges_won);
}

static void get_reads(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.reads);
}

static void get_writes(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.writes);
}

static void get_bytes_read(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.bytes_read);
}

static void get_bytes_written(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->statistics.bytes_written);
}

/* clang-format off */
static const struct bus_property properties[] = {
	{"Session",      "o", CHANGE_CONSTANT, get_session},
	{"Map",          "o", CHANGE_CONSTANT, get_map},
	{"Lun",          "t", CHANGE_CONSTANT, get_lun},
	{"State",        "s", CHANGE_EMITTED,  get_state},
	{"StateReason",  "s", CHANGE_EMITTED,  get_state_reason},
	{"Since",        "t", CHANGE_EMITTED,  get_since},
	{"AluaState",    "s", CHANGE_EMITTED,  get_access_state},
	{"Preferred",    "b", CHANGE_EMITTED,  get_preferred},
	{"TargetPortGroup", "i", CHANGE_EMITTED, get_port_group},
	{"Priority",     "i", CHANGE_EMITTED,  get_priority},
	{"Group",        "u", CHANGE_EMITTED,  get_group},
	{"Failures",     "t", CHANGE_SILENT,   get_failures},
	{"Errors",       "t", CHANGE_SILENT,   get_errors},
	{"InFlight",     "u", CHANGE_SILENT,   get_in_flight},
	{"LatencyUs",    "t", CHANGE_SILENT,   get_latency_us},
	{"LatencyP99Us", "t", CHANGE_SILENT,   get_latency_p99_us},
	{"Hedged",       "t", CHANGE_SILENT,   get_hedged},
	{"HedgesWon",    "t", CHANGE_SILENT,   get_hedges_won},
	{"Reads",        "t", CHANGE_SILENT,   get_reads},
	{"Writes",       "t", CHANGE_SILENT,   get_writes},
	{"BytesRead",    "t", CHANGE_SILENT,   get_bytes_read},
	{"BytesWritten", "t", CHANGE_SILENT,   get_bytes_written},
	{},
};
/* clang-format on */

const struct bus_interface path_interface = {
	.name = BUS_NAME ".Path",
	.properties = properties,
};
