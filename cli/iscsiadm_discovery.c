/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "cli/iscsiadm.h"
#include "util/text.h"

#define ISNS_PORT 3205 /* RFC 4171 §2.9 */

/* --- SendTargets and iSNS --- */

/* clang-format off */
static const struct text_name operation_words[] = {
	{OPERATION_NEW,            "new"},
	{OPERATION_UPDATE,         "update"},
	{OPERATION_DELETE,         "delete"},
	{OPERATION_NON_PERSISTENT, "nonpersistent"},
	{OPERATION_SHOW,           "show"},
};

/* What iscsiadm says before its summary, by how discovery ended; %s is the address. */
static const struct {
	enum error_code code;
	const char *line;
} failure_lines[] = {
	{ERROR_PDU_TIMEOUT,           "connection login retries (reopen_max) 5 exceeded"},
	{ERROR_AUTHENTICATION_FAILED, "discovery login to %s rejected: initiator failed authorization"},
	{ERROR_FATAL_LOGIN,           "discovery login to %s failed, giving up"},
	{ERROR_LOGIN_FAILED,          "discovery login to %s failed, giving up"},
};
/* clang-format on */

static const char *const kinds[] = {
	[DISCOVERY_TYPE_NONE] = "SendTargets", /* a stored record is one of SendTargets */
	[DISCOVERY_TYPE_SENDTARGETS] = "SendTargets",
	[DISCOVERY_TYPE_ISNS] = "iSNS",
};

static int tell_failure(struct iscsiadm *run, const struct error *error)
{
	const char *line = NULL;

	if (error->code == ERROR_NO_OBJECTS_FOUND || error->code == ERROR_NOT_CONNECTED ||
	    error->code == ERROR_ACCESS_DENIED || error->code == ERROR_DATABASE_FAILED ||
	    error->code == ERROR_INVALID_ARGUMENT)
		return iscsiadm_report(run, error);
	for (size_t i = 0; i < ARRAY_SIZE(failure_lines); i++)
		if (failure_lines[i].code == error->code)
			line = failure_lines[i].line;
	iscsiadm_report(run, error);
	if (line) {
		/* the table is ours, and its only conversion is the address */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		iscsiadm_complain(run, error->code, line, run->options.portal.address);
#pragma GCC diagnostic pop
	}
	return iscsiadm_complain(run, error->code, "Could not perform %s discovery: %s",
				 kinds[run->options.type], error_summary(error->code));
}

/* Return: the portals, @count of them, pointing into @list; NULL: no memory */
static struct found *found_of(const struct value *list, size_t *count)
{
	struct found *found;

	*count = value_count(list);
	found = calloc(*count + 1, sizeof(*found));
	for (size_t i = 0; found && i < *count; i++) {
		const struct value *one = value_at(list, i);

		found[i] = (struct found){
			.object = value_text(value_get(one, "node")),
			.target = value_text(value_get(one, "target")),
			.address = value_text(value_get(one, "address")),
			.iface = value_text(value_get(one, "iface")),
			.port = (uint16_t)value_u64(value_get(one, "port")),
			.tpgt = (int32_t)value_i64(value_get(one, "tpgt")),
		};
	}
	return found;
}

/* How many sessions the node of @object wants and has. */
static void count_sessions(const struct node_list *nodes, struct login_row *row)
{
	row->wanted = 1;
	for (size_t i = 0; i < nodes->count; i++) {
		if (strcmp(nodes->items[i].object, row->node.object) != 0)
			continue;
		row->wanted = nodes->items[i].wanted ? nodes->items[i].wanted : 1;
		row->present = nodes->items[i].sessions;
	}
	if (row->code == ERROR_SESSION_EXISTS && row->present < row->wanted)
		row->present = row->wanted;
}

/* -l: every portal that was found, not only new ones. */
static int login_found(struct iscsiadm *run, const struct found *found, size_t count)
{
	static const struct argument arguments[] = {{.type = 'V'}, {}};
	owned_memory struct call *calls = calloc(count + 1, sizeof(*calls));
	owned_memory struct login_row *rows = calloc(count + 1, sizeof(*rows));
	owned_error struct error error = ERROR_INIT;
	owned_nodes nodes = {};

	if (!calls || !rows)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	if (model_nodes(run->client, &(struct selection){}, &nodes, &error) < 0)
		return iscsiadm_report(run, &error);
	for (size_t i = 0; i < count; i++) {
		calls[i].object = found[i].object;
		calls[i].interface = "Node";
		calls[i].member = "Login";
		calls[i].arguments = arguments;
	}
	fflush(run->out);
	client_call_many(run->client, calls, count);
	for (size_t i = 0; i < count; i++) {
		rows[i].node = found[i];
		rows[i].code = calls[i].error.code;
		count_sessions(&nodes, &rows[i]);
		call_clear(&calls[i]);
	}
	return iscsiadm_tell_logins(run, rows, count, false);
}

static int tell_found(struct iscsiadm *run, const struct value *reply)
{
	size_t count;
	owned_memory struct found *found = found_of(value_at(reply, 0), &count);
	int level = run->options.print_level;

	if (!found)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	if (count == 0)
		return iscsiadm_complain(run, ERROR_NO_OBJECTS_FOUND, "No portals found");
	if (level <= 0)
		layout_found_flat(run->out, found, count);
	else if (level == 1)
		layout_found_tree(run->out, found, count);
	if (!run->options.login)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(found[i].object, "/") == 0 || *found[i].object == '\0')
			return iscsiadm_complain(run, ERROR_NOT_SUPPORTED,
						 "login needs node records; discover without "
						 "-o nonpersistent: operation not supported");
	return login_found(run, found, count);
}

static void list_operations(const struct options *options,
			    const char *names[ARRAY_SIZE(operation_words) + 1])
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(operation_words); i++)
		if (options->operations & (unsigned)operation_words[i].value)
			names[count++] = operation_words[i].name;
}

/*
 * One method of org.hawser1.Discovery; @details ends with {}, and its first two rows are filled in.
 */
static int discover(struct iscsiadm *run, const char *method, struct argument *details)
{
	const struct options *options = &run->options;
	const char *operations[ARRAY_SIZE(operation_words) + 1] = {};
	const char *ifaces[OPTIONS_IFACES_MAX + 1] = {};
	const struct argument arguments[] = {
		{.type = 's', .text = options->portal.address},
		{.type = 'q', .number = options->portal.port},
		{.type = 'V', .entries = details},
		{},
	};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Discovery",
		.member = method,
		.arguments = arguments,
	};
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	list_operations(options, operations);
	for (unsigned i = 0; i < options->iface_count; i++)
		ifaces[i] = options->ifaces[i];
	details[0] = (struct argument){.type = 'A', .key = "operations", .texts = operations};
	details[1] = (struct argument){.type = 'A', .key = "ifaces", .texts = ifaces};
	if (client_call(run->client, &call) < 0)
		return tell_failure(run, &call.error);
	return tell_found(run, call.reply);
}

static int send_targets(struct iscsiadm *run, bool stored)
{
	struct argument details[] = {{}, {}, {.type = 'b', .key = "stored", .number = stored}, {}};

	return discover(run, "SendTargets", details);
}

static int ask_isns(struct iscsiadm *run, bool stored)
{
	struct argument details[] = {{}, {}, {.type = 'b', .key = "stored", .number = stored}, {}};

	return discover(run, "Isns", details);
}

/* --- firmware --- */

#define EXIT_NO_FIRMWARE 22 /* iscsiadm ends with the raw EINVAL */

/* Return: 0 with @call answered, or the exit status after it was told why not */
static int ask_firmware(struct iscsiadm *run, const char *const *operations, struct call *call)
{
	const struct argument details[] = {
		{.type = 'A', .key = "operations", .texts = operations},
		{},
	};
	const struct argument arguments[] = {{.type = 'V', .entries = details}, {}};
	int status = iscsiadm_connect(run);

	if (status != 0)
		return status;
	call->object = CLIENT_ROOT;
	call->interface = "Discovery";
	call->member = "Firmware";
	call->arguments = arguments;
	status = client_call(run->client, call);
	call->arguments = NULL;
	if (status == 0)
		return 0;
	if (call->error.code != ERROR_NO_OBJECTS_FOUND)
		return iscsiadm_report(run, &call->error);
	iscsiadm_complain(run, call->error.code,
			  "Could not get list of targets from firmware. (err %d)",
			  EXIT_NO_FIRMWARE);
	return EXIT_NO_FIRMWARE;
}

static int discover_firmware(struct iscsiadm *run)
{
	const char *operations[ARRAY_SIZE(operation_words) + 1] = {};
	owned_call call = {};
	int status;

	list_operations(&run->options, operations);
	status = ask_firmware(run, operations, &call);
	return status ? status : tell_found(run, call.reply);
}

/* -m fw: a block for each target; nothing is written. */
static int print_firmware(struct iscsiadm *run)
{
	static const char *const operations[] = {"nonpersistent", NULL};
	owned_call call = {};
	int status = ask_firmware(run, operations, &call);
	const struct value *list = status ? NULL : value_at(call.reply, 0);

	for (size_t i = 0; list && i < value_count(list); i++) {
		const struct value *block = value_get(value_at(list, i), "firmware");
		size_t count = value_count(block);
		owned_memory struct setting *settings = calloc(count + 1, sizeof(*settings));

		if (!settings)
			return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
		for (size_t k = 0; k < count; k++)
			settings[k] = (struct setting){value_key(block, k),
						       value_text(value_of(block, k))};
		layout_record(run->out, settings, count);
	}
	return status;
}

/* -m fw -l: as iscsiadm, the exit status does not tell how the logins went. */
static int login_firmware(struct iscsiadm *run)
{
	static const char *const operations[] = {"new", NULL};
	owned_memory struct found *found = NULL;
	owned_call call = {};
	size_t count;
	int status;

	if (run->options.setting_count)
		return iscsiadm_complain(run, ERROR_NOT_SUPPORTED,
					 "change the records of the targets instead "
					 "(-m node -o update): operation not supported");
	status = ask_firmware(run, operations, &call);
	if (status)
		return status;
	found = found_of(value_at(call.reply, 0), &count);
	if (!found)
		return iscsiadm_complain(run, ERROR_NO_MEMORY, "out of memory");
	(void)login_found(run, found, count);
	return 0;
}

int iscsiadm_fw(struct iscsiadm *run)
{
	return run->options.login ? login_firmware(run) : print_firmware(run);
}

/* --- modes --- */

static bool has_no_portal(const struct options *options)
{
	return !options->portal_text;
}

static int ask_portal(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				 "Please specify portal as <ipaddr>[:<ipport>]");
}

static bool wants_list(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_NONE && !options->portal_text &&
	       (options->operations == OPERATION_NONE || options->operations == OPERATION_SHOW) &&
	       !options->discover && !options->login;
}

static bool wants_isns(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_ISNS;
}

/* The port that is meant when none is said is another than options_parse() has put there. */
static bool read_isns_portal(struct iscsiadm *run)
{
	const struct options *options = &run->options;

	return options->portal_text &&
	       portal_parse(options->portal_text, ISNS_PORT, &run->options.portal) == 0;
}

static int discover_isns(struct iscsiadm *run)
{
	return read_isns_portal(run) ? ask_isns(run, false) : ask_portal(run);
}

static bool wants_firmware(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_FIRMWARE;
}

static bool wants_send_targets(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_SENDTARGETS;
}

static int discover_afresh(struct iscsiadm *run)
{
	return run->options.portal_text ? send_targets(run, false) : ask_portal(run);
}

static int refuse_operation(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Invalid operation.");
}

static bool wants_stored(const struct options *options)
{
	return options->discover || options->login;
}

static int discover_stored(struct iscsiadm *run)
{
	return run->options.type == DISCOVERY_TYPE_ISNS ? ask_isns(run, true)
							: send_targets(run, true);
}

/* In discovery mode the record has to be there; discoverydb makes one. */
static int discover_known(struct iscsiadm *run)
{
	int status = iscsiadm_check_discovery(run, ERROR_INVALID_ARGUMENT);

	return status ? status : discover_stored(run);
}

static bool wants_new_or_update(const struct options *options)
{
	return options->operations & (OPERATION_NEW | OPERATION_UPDATE);
}

static bool wants_delete(const struct options *options)
{
	return options->operations & OPERATION_DELETE;
}

static int delete_known(struct iscsiadm *run)
{
	return iscsiadm_delete_discovery(run, ERROR_INVALID_ARGUMENT);
}

static int show_known(struct iscsiadm *run)
{
	return iscsiadm_show_discovery(run, ERROR_INVALID_ARGUMENT);
}

static const struct step discovery_steps[] = {
	{wants_list, iscsiadm_list_discoveries},
	{wants_isns, discover_isns},
	{wants_firmware, discover_firmware},
	{wants_send_targets, discover_afresh},
	{has_no_portal, refuse_operation},
	{wants_stored, discover_known},
	{wants_new_or_update, refuse_operation},
	{wants_delete, delete_known},
	{NULL, show_known},
};

int iscsiadm_discovery(struct iscsiadm *run)
{
	return iscsiadm_first_step(run, discovery_steps);
}

static bool has_no_type(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_NONE;
}

static int ask_type(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				 "Invalid command. Give the kind of discovery with --type");
}

static bool wants_firmware_record(const struct options *options)
{
	return options->type == DISCOVERY_TYPE_FIRMWARE && !options->discover;
}

static int ask_discover(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT,
				 "Invalid command. Firmware has no record; give --discover");
}

static bool wants_discover(const struct options *options)
{
	return options->discover;
}

static bool wants_non_persistent(const struct options *options)
{
	return options->operations & OPERATION_NON_PERSISTENT;
}

static int refuse_non_persistent(struct iscsiadm *run)
{
	return iscsiadm_complain(run, ERROR_INVALID_ARGUMENT, "Operation is not supported.");
}

static bool wants_new(const struct options *options)
{
	return options->operations & OPERATION_NEW;
}

static bool wants_update(const struct options *options)
{
	return options->operations & OPERATION_UPDATE;
}

static int update_record(struct iscsiadm *run)
{
	return iscsiadm_update_discovery(run, ERROR_DATABASE_FAILED);
}

static int delete_record(struct iscsiadm *run)
{
	return iscsiadm_delete_discovery(run, ERROR_DATABASE_FAILED);
}

static int show_record(struct iscsiadm *run)
{
	return iscsiadm_show_discovery(run, ERROR_DATABASE_FAILED);
}

static const struct step discoverydb_steps[] = {
	{wants_list, iscsiadm_list_discoveries},
	{has_no_type, ask_type},
	{wants_firmware_record, ask_discover},
	{wants_firmware, discover_firmware},
	{has_no_portal, ask_portal},
	{wants_discover, discover_stored},
	{wants_non_persistent, refuse_non_persistent},
	{wants_new, iscsiadm_create_discovery},
	{wants_update, update_record},
	{wants_delete, delete_record},
	{NULL, show_record},
};

int iscsiadm_discoverydb(struct iscsiadm *run)
{
	if (wants_isns(&run->options) && !read_isns_portal(run))
		return ask_portal(run);
	return iscsiadm_first_step(run, discoverydb_steps);
}
