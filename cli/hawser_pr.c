/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Persistent reservations: what cluster managers and their fencing agents ask for. */

#include <inttypes.h>
#include <string.h>

#include "cli/hawser.h"
#include "cli/hawser_lists.h"
#include "util/text.h"

#define KEY_TEXT_MAX 19 /* "0x" and 16 digits */
#define INTERFACE    "Reservation"

static const struct argument no_options[] = {{.type = 'V'}, {}};

/* Of a map. */
struct unit {
	struct hawser *run;
	const char *object, *name;
};

static char *format_key(uint64_t key, char text[KEY_TEXT_MAX])
{
	snprintf(text, KEY_TEXT_MAX, "0x%" PRIx64, key);
	return text;
}

static int ask(const struct unit *unit, const char *member, struct call *call)
{
	*call = (struct call){.object = unit->object,
			      .interface = INTERFACE,
			      .member = member,
			      .arguments = no_options};
	return client_call(unit->run->client, call);
}

/* --- keys --- */

/* clang-format off */
enum { KEY_KEY, KEY_HOLDS, KEY_PORT, KEY_INITIATOR, KEY_COLUMNS };

static const struct column key_columns[] = {
	[KEY_KEY]       = {"KEY",       "key",       CELL_TEXT},
	[KEY_HOLDS]     = {"HOLDS",     "holds",     CELL_TEXT},
	[KEY_PORT]      = {"PORT",      "port",      CELL_NUMBER, .sparse = true},
	[KEY_INITIATOR] = {"INITIATOR", "initiator", CELL_TEXT},
};
/* clang-format on */

static void add_registrant(struct table *table, const struct value *who)
{
	struct table_row *row = table_add_row(table, NULL);
	char key[KEY_TEXT_MAX];

	table_set_text(table, row, KEY_KEY, format_key(value_u64(value_at(who, 0)), key));
	table_set_text(table, row, KEY_HOLDS, value_text(value_at(who, 2)));
	table_set_number(table, row, KEY_PORT, value_u64(value_at(who, 3)));
	table_set_text(table, row, KEY_INITIATOR, value_text(value_at(who, 4)));
}

static void add_key(struct table *table, const struct value *number)
{
	char key[KEY_TEXT_MAX];

	table_set_text(table, table_add_row(table, NULL), KEY_KEY,
		       format_key(value_u64(number), key));
}

/* READ FULL STATUS, or where the unit does not know it READ KEYS. */
static int print_keys(const struct unit *unit)
{
	owned_call full = {}, plain = {};
	owned(table) table = NULL;
	const struct value *rows;
	char members[48];
	bool named = ask(unit, "ReadFullStatus", &full) == 0;

	if (!named && full.error.code != ERROR_NOT_SUPPORTED)
		return hawser_report(unit->run, NULL, &full.error);
	if (!named && ask(unit, "ReadKeys", &plain) < 0)
		return hawser_report(unit->run, NULL, &plain.error);
	if (table_new("registrants", key_columns, KEY_COLUMNS, &unit->run->style, &table) < 0)
		return hawser_fail(unit->run, ERROR_NO_MEMORY, "out of memory");
	rows = value_at(named ? full.reply : plain.reply, 1);
	for (size_t i = 0; i < value_count(rows); i++) {
		if (named)
			add_registrant(table, value_at(rows, i));
		else
			add_key(table, value_at(rows, i));
	}
	snprintf(members, sizeof(members), "\"generation\": %" PRIu64,
		 value_u64(value_at(named ? full.reply : plain.reply, 0)));
	return hawser_print_table(unit->run, table, members);
}

/* --- show --- */

/* clang-format off */
enum { FACT_KEY, FACT_VALUE, FACT_COLUMNS };

static const struct column fact_columns[] = {
	[FACT_KEY]   = {"PROPERTY", "property", CELL_TEXT},
	[FACT_VALUE] = {"VALUE",    "value",    CELL_TEXT},
};
/* clang-format on */

static void add_fact(struct table *table, const char *key, const char *value)
{
	struct table_row *row = table_add_row(table, NULL);

	table_set_text(table, row, FACT_KEY, key);
	table_set_text(table, row, FACT_VALUE, value);
}

static void add_reservation(struct table *table, const struct value *reply)
{
	const char *type = value_text(value_at(reply, 2));
	char key[KEY_TEXT_MAX];

	add_fact(table, "reservation", *type ? type : "none");
	if (*type)
		add_fact(table, "reserved by", format_key(value_u64(value_at(reply, 1)), key));
}

static void add_capabilities(struct table *table, const struct value *can)
{
	const struct value *types = value_get(can, "types");
	char text[512] = "";
	size_t length = 0;

	for (size_t i = 0; i < value_count(types) && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   i ? ", " : "", value_text(value_at(types, i)));
	add_fact(table, "types", *text ? text : "not told");
	add_fact(table, "APTPL",
		 value_bool(value_get(can, "aptpl-active"))    ? "active"
		 : value_bool(value_get(can, "aptpl-capable")) ? "possible"
							       : "not possible");
}

static void add_state(struct table *table, const struct value *properties)
{
	char text[64], key[KEY_TEXT_MAX];

	add_fact(table, "state", value_text(value_get(properties, "State")));
	snprintf(text, sizeof(text), "%s%s",
		 format_key(value_u64(value_get(properties, "Key")), key),
		 value_bool(value_get(properties, "PerPath")) ? ", and a number for each path"
							      : "");
	add_fact(table, "key", value_u64(value_get(properties, "Key")) ? text : "none");
	snprintf(text, sizeof(text), "%zu", value_count(value_get(properties, "RegisteredPaths")));
	add_fact(table, "registered paths", text);
	add_fact(table, "holds the reservation",
		 value_bool(value_get(properties, "Held")) ? "yes" : "no");
}

static int print_state(const struct unit *unit)
{
	const struct argument of_ours[] = {{.type = 's', .text = "org.hawser1." INTERFACE}, {}};
	owned_call properties = {.object = unit->object,
				 .interface = "org.freedesktop.DBus.Properties",
				 .member = "GetAll",
				 .arguments = of_ours};
	owned_call reservation = {}, capabilities = {};
	owned(table) table = NULL;

	if (client_call(unit->run->client, &properties) < 0)
		return hawser_report(unit->run, NULL, &properties.error);
	if (table_new("reservation", fact_columns, FACT_COLUMNS, &unit->run->style, &table) < 0)
		return hawser_fail(unit->run, ERROR_NO_MEMORY, "out of memory");
	add_fact(table, "map", unit->name);
	add_state(table, value_at(properties.reply, 0));
	if (ask(unit, "ReadReservation", &reservation) < 0)
		return hawser_report(unit->run, NULL, &reservation.error);
	add_reservation(table, reservation.reply);
	if (ask(unit, "ReportCapabilities", &capabilities) == 0)
		add_capabilities(table, value_at(capabilities.reply, 0));
	return hawser_print_table(unit->run, table, NULL);
}

/* --- orders --- */

static int order(const struct unit *unit, const char *member, const struct argument *arguments,
		 const char *what)
{
	owned_call call = {.object = unit->object,
			   .interface = INTERFACE,
			   .member = member,
			   .arguments = arguments};
	char text[300];

	snprintf(text, sizeof(text), "%s %s", what, unit->name);
	if (client_call(unit->run->client, &call) < 0)
		return hawser_report(unit->run, text, &call.error);
	fprintf(unit->run->out, "%s: done\n", text);
	return 0;
}

static int take_key(const struct unit *unit, uint64_t *ret)
{
	const char *text = unit->run->operands[2];

	if (text_parse_hex(text, ret) < 0 || *ret == 0)
		return hawser_fail(unit->run, ERROR_INVALID_ARGUMENT,
				   "'%s' is no key: 1 to 16 hexadecimal digits, and not 0", text);
	return 0;
}

static int do_register(const struct unit *unit)
{
	const struct hawser *run = unit->run;
	const struct argument options[] = {
		{.type = 'b', .key = "per-path", .number = run->per_path},
		{.type = 'b', .key = "ignore", .number = run->ignore},
		{.type = 'b', .key = "aptpl", .number = run->aptpl},
		{.type = 'b', .key = "all-target-ports", .number = run->all_target_ports},
		{},
	};
	struct argument arguments[] = {{.type = 't'}, {.type = 'V', .entries = options}, {}};
	uint64_t key = 0;
	int status = run->operand_count > 2 ? take_key(unit, &key) : 0;

	arguments[0].number = (int64_t)key;
	return status ? status : order(unit, "Register", arguments, "registration at");
}

static int do_unregister(const struct unit *unit)
{
	return order(unit, "Unregister", no_options, "end of the registration at");
}

static int do_reserve(const struct unit *unit)
{
	const struct argument arguments[] = {
		{.type = 's', .text = unit->run->operands[2]}, {.type = 'V'}, {}};

	return order(unit, "Reserve", arguments, "reservation of");
}

static int do_release(const struct unit *unit)
{
	return order(unit, "Release", no_options, "release of");
}

static int do_preempt(const struct unit *unit)
{
	const struct argument options[] = {
		{.type = 'b', .key = "abort", .number = unit->run->abort},
		/* the last one, left out without a type */
		{.type = unit->run->type ? 's' : 0, .key = "type", .text = unit->run->type},
		{},
	};
	struct argument arguments[] = {{.type = 't'}, {.type = 'V', .entries = options}, {}};
	uint64_t key = 0;
	int status = take_key(unit, &key);

	arguments[0].number = (int64_t)key;
	return status ? status : order(unit, "Preempt", arguments, "preemption at");
}

static int do_clear(const struct unit *unit)
{
	if (!unit->run->force)
		return hawser_fail(unit->run, ERROR_INVALID_ARGUMENT,
				   "clearing takes away the keys of all hosts; --force says that "
				   "this is meant");
	return order(unit, "Clear", no_options, "clearing of all keys at");
}

/* clang-format off */
static const struct pr_command {
	const char *name, *operand; /* behind the map; NULL: none */
	bool required;
	int (*run)(const struct unit *unit);
} commands[] = {
	{"show",       NULL,   false, print_state},
	{"keys",       NULL,   false, print_keys},
	{"register",   "KEY",  false, do_register},
	{"unregister", NULL,   false, do_unregister},
	{"reserve",    "TYPE", true,  do_reserve},
	{"release",    NULL,   false, do_release},
	{"preempt",    "KEY",  true,  do_preempt},
	{"clear",      NULL,   false, do_clear},
};
/* clang-format on */

static const struct pr_command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int run_at_map(struct hawser *run, const struct pr_command *command)
{
	owned_error struct error error = ERROR_INIT;
	owned_maps maps = {};

	if (model_maps(run->client, &maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	for (size_t i = 0; i < maps.count; i++) {
		const struct unit unit = {run, maps.items[i].object, maps.items[i].name};

		if (list_has_map(&maps.items[i], run->operands[1]))
			return command->run(&unit);
	}
	return hawser_fail(run, ERROR_NO_OBJECTS_FOUND, "there is no map '%s'", run->operands[1]);
}

int hawser_pr(struct hawser *run)
{
	const struct pr_command *command = find_command(run->operands[0]);
	unsigned operands;

	if (!command)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT,
				   "'%s' is not one of show, keys, register, unregister, reserve, "
				   "release, preempt and clear",
				   run->operands[0]);
	operands = command->required ? 3 : 2;
	if (run->operand_count < operands || run->operand_count > (command->operand ? 3u : 2u))
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "usage: hawser pr %s MAP%s%s%s",
				   command->name,
				   !command->operand   ? ""
				   : command->required ? " "
						       : " [",
				   command->operand ? command->operand : "",
				   command->operand && !command->required ? "]" : "");
	return run_at_map(run, command);
}
