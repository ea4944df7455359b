/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The persistent reservation of a map. */

#include "daemon/manager_reservations.h"
#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "scsi/reservation.h"
#include "util/cleanup.h"

#define REGISTRANTS_MAX 512

/* --- orders --- */

static void order_ended(const struct error *error, const struct reservation_call *answer,
			void *userdata)
{
	bus_call_end(userdata, error);
}

static void give_order(struct bus_call *call, struct map_view *map, struct manager *manager,
		       const struct reservation_request *request, const struct error *error)
{
	if (error_is_set(error))
		bus_call_fail_error(call, error);
	else
		manager_ask_reservation(manager, map, request, order_ended, call);
}

static uint8_t type_of(const char *name, struct error *error)
{
	int type = reservation_type_of(name);
	char known[RESERVATION_TYPES_TEXT_MAX];

	if (type < 0) {
		reservation_list_types(known);
		error_set(
			error, ERROR_INVALID_ARGUMENT,
			"there is no type of reservation '%s'; those that serve several paths are %s",
			name, known);
	}
	return type < 0 ? 0 : (uint8_t)type;
}

struct register_options {
	bool per_path, ignore, survives_power, all_target_ports;
};

static void do_register(struct bus_call *call, void *map, void *manager)
{
	static const struct bus_option options[] = {
		BUS_OPTION("per-path", "b", struct register_options, per_path),
		BUS_OPTION("ignore", "b", struct register_options, ignore),
		BUS_OPTION("aptpl", "b", struct register_options, survives_power),
		BUS_OPTION("all-target-ports", "b", struct register_options, all_target_ports),
		{},
	};
	struct bus_reader *arguments = bus_call_arguments(call);
	uint64_t key = bus_read_u64(arguments);
	owned_error struct error error = ERROR_INIT;
	struct register_options given = {};

	(void)bus_read_options(arguments, options, &given, &error);
	give_order(call, map, manager,
		   &(struct reservation_request){
			   .verb = RESERVATION_DO_REGISTER,
			   .key = key,
			   .per_path = given.per_path,
			   .ignore = given.ignore,
			   .survives_power = given.survives_power,
			   .all_target_ports = given.all_target_ports,
		   },
		   &error);
}

static void plain_order(struct bus_call *call, void *map, void *manager, enum reservation_verb verb)
{
	owned_error struct error error = ERROR_INIT;

	(void)read_no_options(bus_call_arguments(call), &error);
	give_order(call, map, manager, &(struct reservation_request){.verb = verb}, &error);
}

static void do_unregister(struct bus_call *call, void *map, void *manager)
{
	plain_order(call, map, manager, RESERVATION_DO_UNREGISTER);
}

static void do_release(struct bus_call *call, void *map, void *manager)
{
	plain_order(call, map, manager, RESERVATION_DO_RELEASE);
}

static void do_clear(struct bus_call *call, void *map, void *manager)
{
	plain_order(call, map, manager, RESERVATION_DO_CLEAR);
}

static void do_reserve(struct bus_call *call, void *map, void *manager)
{
	struct bus_reader *arguments = bus_call_arguments(call);
	owned_error struct error error = ERROR_INIT;
	uint8_t type = type_of(bus_read_string(arguments), &error);

	(void)read_no_options(arguments, &error);
	give_order(call, map, manager,
		   &(struct reservation_request){.verb = RESERVATION_DO_RESERVE, .type = type},
		   &error);
}

struct preempt_options {
	bool abort;
	const char *type;
};

static void do_preempt(struct bus_call *call, void *map, void *manager)
{
	static const struct bus_option options[] = {
		BUS_OPTION("abort", "b", struct preempt_options, abort),
		BUS_OPTION("type", "s", struct preempt_options, type),
		{},
	};
	struct bus_reader *arguments = bus_call_arguments(call);
	struct reservation_request request = {
		.verb = RESERVATION_DO_PREEMPT,
		.key = bus_read_u64(arguments),
	};
	owned_error struct error error = ERROR_INIT;
	struct preempt_options given = {};

	(void)bus_read_options(arguments, options, &given, &error);
	request.abort = given.abort;
	if (given.type)
		request.type = type_of(given.type, &error);
	give_order(call, map, manager, &request, &error);
}

/* --- questions --- */

static void unreadable(struct bus_call *call)
{
	const struct error error = {.code = ERROR_FAILED,
				    .text = (char *)"the unit's answer cannot be read"};

	bus_call_fail_error(call, &error);
}

static void ask(struct bus_call *call, void *map, void *manager, enum reservation_in query,
		reservation_done *answered)
{
	const struct reservation_request request = {.verb = RESERVATION_DO_QUERY, .query = query};
	owned_error struct error error = ERROR_INIT;

	if (read_no_options(bus_call_arguments(call), &error) < 0)
		bus_call_fail_error(call, &error);
	else
		manager_ask_reservation(manager, map, &request, answered, call);
}

static void keys_read(const struct error *error, const struct reservation_call *answer, void *call)
{
	owned_memory struct reservation_keys *keys = malloc(sizeof(*keys));
	struct bus_writer *writer;

	if (error_is_set(error)) {
		bus_call_fail_error(call, error);
		return;
	}
	if (!keys || reservation_keys_parse(answer->answer, answer->length, keys) < 0) {
		unreadable(call);
		return;
	}
	writer = bus_call_answer(call);
	bus_write_u32(writer, keys->generation);
	bus_open_array(writer, "t");
	for (uint32_t i = 0; i < keys->count; i++)
		bus_write_u64(writer, keys->keys[i]);
	bus_close(writer);
	bus_call_send(call);
}

static void reservation_read(const struct error *error, const struct reservation_call *answer,
			     void *call)
{
	struct reservation_status status;
	struct bus_writer *writer;

	if (error_is_set(error)) {
		bus_call_fail_error(call, error);
		return;
	}
	if (reservation_status_parse(answer->answer, answer->length, &status) < 0) {
		unreadable(call);
		return;
	}
	writer = bus_call_answer(call);
	bus_write_u32(writer, status.generation);
	bus_write_u64(writer, status.key);
	bus_write_string(writer, reservation_type_name(status.type));
	bus_call_send(call);
}

static void write_types(struct bus_writer *writer, uint16_t types)
{
	bus_open_property(writer, "types", "as");
	bus_open_array(writer, "s");
	for (uint8_t type = 1; type < RESERVATION_TYPES; type++)
		if (types & 1u << type)
			bus_write_string(writer, reservation_type_name(type));
	bus_close(writer);
	bus_close_property(writer);
}

static void capabilities_read(const struct error *error, const struct reservation_call *answer,
			      void *call)
{
	struct reservation_capabilities can;
	struct bus_writer *writer;

	if (error_is_set(error)) {
		bus_call_fail_error(call, error);
		return;
	}
	if (reservation_capabilities_parse(answer->answer, answer->length, &can) < 0) {
		unreadable(call);
		return;
	}
	writer = bus_call_answer(call);
	bus_open_array(writer, "{sv}");
	bus_property_bool(writer, "aptpl-capable", can.may_survive_power);
	bus_property_bool(writer, "aptpl-active", can.survives_power);
	bus_property_bool(writer, "all-target-ports", can.all_target_ports);
	bus_property_bool(writer, "specify-initiator-ports", can.names_initiators);
	bus_property_bool(writer, "compatible-reserve", can.compatible_reserve);
	write_types(writer, can.types);
	bus_close(writer);
	bus_call_send(call);
}

static void write_registrant(struct bus_writer *writer, const struct reservation_registrant *who)
{
	bus_open_struct(writer);
	bus_write_u64(writer, who->key);
	bus_write_bool(writer, who->holder);
	bus_write_string(writer, reservation_type_name(who->type));
	bus_write_u16(writer, who->relative_port);
	bus_write_string(writer, who->initiator);
	bus_close(writer);
}

static void full_status_read(const struct error *error, const struct reservation_call *answer,
			     void *call)
{
	owned_memory struct reservation_registrant *found = calloc(REGISTRANTS_MAX, sizeof(*found));
	struct bus_writer *writer;
	uint32_t generation;
	int count = -1;

	if (error_is_set(error)) {
		bus_call_fail_error(call, error);
		return;
	}
	if (found)
		count = reservation_registrants_parse(answer->answer, answer->length, &generation,
						      found, REGISTRANTS_MAX);
	if (count < 0) {
		unreadable(call);
		return;
	}
	writer = bus_call_answer(call);
	bus_write_u32(writer, generation);
	bus_open_array(writer, "(tbsqs)");
	for (int i = 0; i < count; i++)
		write_registrant(writer, &found[i]);
	bus_close(writer);
	bus_call_send(call);
}

static void read_keys(struct bus_call *call, void *map, void *manager)
{
	ask(call, map, manager, RESERVATION_READ_KEYS, keys_read);
}

static void read_reservation(struct bus_call *call, void *map, void *manager)
{
	ask(call, map, manager, RESERVATION_READ_RESERVATION, reservation_read);
}

static void report_capabilities(struct bus_call *call, void *map, void *manager)
{
	ask(call, map, manager, RESERVATION_REPORT_CAPABILITIES, capabilities_read);
}

static void read_full_status(struct bus_call *call, void *map, void *manager)
{
	ask(call, map, manager, RESERVATION_READ_FULL_STATUS, full_status_read);
}

/* --- tables --- */

/* clang-format off */
static const struct bus_method methods[] = {
	{"ReadKeys", "a{sv} options", "u generation, at keys", ACCESS_RESERVE, read_keys},
	{"ReadReservation", "a{sv} options", "u generation, t key, s type", ACCESS_RESERVE, read_reservation},
	{"ReadFullStatus", "a{sv} options", "u generation, a(tbsqs) registrants", ACCESS_RESERVE, read_full_status},
	{"ReportCapabilities", "a{sv} options", "a{sv} capabilities", ACCESS_RESERVE, report_capabilities},
	{"Register", "t key, a{sv} options", "", ACCESS_RESERVE, do_register},
	{"Unregister", "a{sv} options", "", ACCESS_RESERVE, do_unregister},
	{"Reserve", "s type, a{sv} options", "", ACCESS_RESERVE, do_reserve},
	{"Release", "a{sv} options", "", ACCESS_RESERVE, do_release},
	{"Preempt", "t key, a{sv} options", "", ACCESS_RESERVE, do_preempt},
	{"Clear", "a{sv} options", "", ACCESS_RESERVE, do_clear},
	{},
};
/* clang-format on */

static const struct reservation_view *view(const void *object)
{
	return &((const struct map_view *)object)->reservation;
}

static void get_state(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, reservation_state_name(view(object)->state));
}

static void get_key(struct bus_writer *writer, const void *object)
{
	bus_write_u64(writer, view(object)->key);
}

static void get_per_path(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->per_path);
}

static void get_aptpl(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->survives_power);
}

static void get_type(struct bus_writer *writer, const void *object)
{
	bus_write_string(writer, reservation_type_name(view(object)->type));
}

static void get_held(struct bus_writer *writer, const void *object)
{
	bus_write_bool(writer, view(object)->held);
}

static void get_registered(struct bus_writer *writer, const void *object)
{
	const struct map_view *map = object;
	const struct path_view *path;
	char buffer[SHOWN_PATH_MAX];

	bus_open_array(writer, "o");
	list_for_each (path, &map->paths, link)
		if (path->registered)
			bus_write_object(writer, path_path(path, buffer));
	bus_close(writer);
}

static const struct bus_property properties[] = {
	{"State", "s", CHANGE_EMITTED, get_state},
	{"Key", "t", CHANGE_EMITTED, get_key},
	{"PerPath", "b", CHANGE_EMITTED, get_per_path},
	{"Aptpl", "b", CHANGE_EMITTED, get_aptpl},
	{"Type", "s", CHANGE_EMITTED, get_type},
	{"Held", "b", CHANGE_EMITTED, get_held},
	{"RegisteredPaths", "ao", CHANGE_EMITTED, get_registered},
	{},
};

const struct bus_interface reservation_interface = {
	.name = BUS_NAME ".Reservation",
	.methods = methods,
	.properties = properties,
};
