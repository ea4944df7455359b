/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/model.h"

#include "cli/record_client.h"
#include "cli/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- selections --- */

void selection_arguments(const struct selection *selection,
			 struct argument entries[SELECTION_ARGUMENTS])
{
	const struct argument all[] = {
		{.type = 's', .key = "target", .text = selection->target},
		{.type = 's', .key = "address", .text = selection->address},
		{.type = 's', .key = "iface", .text = selection->iface},
		{.type = 's', .key = "startup", .text = selection->startup},
		{.type = 'q', .key = "port", .number = selection->port},
		{.type = 'U',
		 .key = "sids",
		 .numbers = selection->sids,
		 .count = selection->sid_count},
	};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].text || all[i].number || all[i].count)
			entries[count++] = all[i];
	entries[count] = (struct argument){};
}

/* --- properties --- */

static const char *text_of(const struct value *properties, const char *key)
{
	return value_text(value_get(properties, key));
}

static uint64_t number_of(const struct value *properties, const char *key)
{
	return value_u64(value_get(properties, key));
}

/* -1 where the daemon named none */
static int64_t optional_of(const struct value *properties, const char *key)
{
	const struct value *value = value_get(properties, key);

	return value->kind == VALUE_NUMBER ? value_i64(value) : -1;
}

static int optional_bool_of(const struct value *properties, const char *key)
{
	const struct value *value = value_get(properties, key);

	return value->kind == VALUE_BOOL ? value_bool(value) : -1;
}

static struct failure failure_of(const struct value *properties)
{
	const struct value *failure = value_get(properties, "LastError");

	return (struct failure){
		.name = value_text(value_at(failure, 0)),
		.text = value_text(value_at(failure, 1)),
		.when_us = value_u64(value_at(failure, 2)),
	};
}

/* --- nodes --- */

static struct node_info node_of(const char *object, const struct value *properties)
{
	return (struct node_info){
		.object = object,
		.target = text_of(properties, "TargetName"),
		.address = text_of(properties, "Address"),
		.port = (uint16_t)number_of(properties, "Port"),
		.tpgt = (int32_t)value_i64(value_get(properties, "Tpgt")),
		.iface = text_of(properties, "Iface"),
		.startup = text_of(properties, "Startup"),
		.state = text_of(properties, "State"),
		.sessions = (unsigned)value_count(value_get(properties, "Sessions")),
		.wanted = (unsigned)number_of(properties, "NrSessions"),
		.last_error = failure_of(properties),
	};
}

int node_list_of(struct value *reply, struct node_list *ret)
{
	struct node_list list = {.reply = reply};
	const struct value *rows = value_at(reply, 0);

	list.count = value_count(rows);
	list.items = calloc(list.count + 1, sizeof(*list.items));
	if (!list.items) {
		value_free(reply);
		return -ENOMEM;
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct value *row = value_at(rows, i);

		list.items[i] = node_of(value_text(value_at(row, 0)), value_at(row, 1));
	}
	*ret = list;
	return 0;
}

void node_list_clear(struct node_list *list)
{
	free(list->items);
	value_free(list->reply);
	*list = (struct node_list){};
}

/* --- sessions --- */

static struct negotiated_info negotiated_of(const struct value *properties)
{
	const struct value *n = value_get(properties, "Negotiated");

	return (struct negotiated_info){
		.header_digest = text_of(n, "HeaderDigest"),
		.data_digest = text_of(n, "DataDigest"),
		.max_receive = optional_of(n, "MaxRecvDataSegmentLength"),
		.max_transmit = optional_of(n, "MaxXmitDataSegmentLength"),
		.first_burst = optional_of(n, "FirstBurstLength"),
		.max_burst = optional_of(n, "MaxBurstLength"),
		.max_outstanding_r2t = optional_of(n, "MaxOutstandingR2T"),
		.immediate_data = optional_bool_of(n, "ImmediateData"),
		.initial_r2t = optional_bool_of(n, "InitialR2T"),
	};
}

static int units_of(const struct value *properties, struct session_info *session)
{
	const struct value *units = value_get(properties, "LogicalUnits");

	session->unit_count = value_count(units);
	session->units = calloc(session->unit_count + 1, sizeof(*session->units));
	if (!session->units)
		return -ENOMEM;
	for (size_t i = 0; i < session->unit_count; i++) {
		const struct value *unit = value_at(units, i);

		session->units[i] = (struct unit_info){
			.number = number_of(unit, "Number"),
			.wwid = text_of(unit, "Wwid"),
			.vendor = text_of(unit, "Vendor"),
			.product = text_of(unit, "Product"),
			.device = text_of(unit, "Device"),
			.map = text_of(unit, "Map"),
			.disk = value_bool(value_get(unit, "Disk")),
		};
	}
	return 0;
}

static struct session_info session_of(const char *object, const struct value *properties)
{
	const struct value *timeouts = value_get(properties, "Timeouts");

	return (struct session_info){
		.object = object,
		.node = text_of(properties, "Node"),
		.sid = (uint32_t)number_of(properties, "Sid"),
		.target = text_of(properties, "TargetName"),
		.iface = text_of(properties, "Iface"),
		.initiator_name = text_of(properties, "InitiatorName"),
		.state = text_of(properties, "State"),
		.state_reason = text_of(properties, "StateReason"),
		.address = text_of(properties, "Address"),
		.port = (uint16_t)number_of(properties, "Port"),
		.persistent_address = text_of(properties, "PersistentAddress"),
		.persistent_port = (uint16_t)number_of(properties, "PersistentPort"),
		.local_address = text_of(properties, "LocalAddress"),
		.tpgt = (int32_t)value_i64(value_get(properties, "Tpgt")),
		.username = text_of(properties, "Username"),
		.username_in = text_of(properties, "UsernameIn"),
		.ever_logged_in = value_bool(value_get(properties, "EverLoggedIn")),
		.since_us = number_of(properties, "Since"),
		.next_retry_us = number_of(properties, "NextRetry"),
		.attempts = (uint32_t)number_of(properties, "Attempts"),
		.last_error = failure_of(properties),
		.negotiated = negotiated_of(properties),
		.recovery_timeout = optional_of(timeouts, "Recovery"),
		.target_reset_timeout = optional_of(timeouts, "TargetReset"),
		.lun_reset_timeout = optional_of(timeouts, "LunReset"),
		.abort_timeout = optional_of(timeouts, "Abort"),
		.hwaddress = "",
		.net_ifacename = "",
	};
}

int session_list_of(struct value *reply, struct session_list *ret)
{
	struct session_list list = {.reply = reply};
	const struct value *rows = value_at(reply, 0);
	size_t count = value_count(rows);

	list.items = calloc(count + 1, sizeof(*list.items));
	for (; list.items && list.count < count; list.count++) {
		const struct value *row = value_at(rows, list.count);
		struct session_info *session = &list.items[list.count];

		*session = session_of(value_text(value_at(row, 0)), value_at(row, 1));
		if (units_of(value_at(row, 1), session) < 0)
			break;
	}
	if (!list.items || list.count < count) {
		session_list_clear(&list);
		return -ENOMEM;
	}
	*ret = list;
	return 0;
}

void session_list_clear(struct session_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].units);
		secret_free(list->items[i].password);
		secret_free(list->items[i].password_in);
		if (list->records)
			value_free(list->records[i]);
	}
	free(list->records);
	free(list->items);
	value_free(list->reply);
	*list = (struct session_list){};
}

static int compare_sid_text(const void *a, const void *b)
{
	char left[12], right[12];

	snprintf(left, sizeof(left), "%u", ((const struct session_info *)a)->sid);
	snprintf(right, sizeof(right), "%u", ((const struct session_info *)b)->sid);
	return strcmp(left, right);
}

void sessions_sort_as_listed(struct session_list *list)
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_sid_text);
}

void sessions_group_by_target(struct session_list *list)
{
	size_t end = 0; /* of the groups that are complete and the one that is being gathered */

	while (end < list->count) {
		const char *target = list->items[end++].target;

		for (size_t i = end; i < list->count; i++) {
			struct session_info session = list->items[i];

			if (strcmp(session.target, target) != 0)
				continue;
			memmove(&list->items[end + 1], &list->items[end],
				(i - end) * sizeof(session));
			list->items[end++] = session;
		}
	}
}

void sessions_keep(struct session_list *list, bool (*keep)(const struct session_info *session))
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (keep(&list->items[i]))
			list->items[kept++] = list->items[i];
		else
			free(list->items[i].units);
	}
	list->count = kept;
}

/* --- maps --- */

static struct path_info path_of(const struct value *properties)
{
	return (struct path_info){
		.object = text_of(properties, "Object"),
		.session = text_of(properties, "Session"),
		.state = text_of(properties, "State"),
		.state_reason = text_of(properties, "StateReason"),
		.alua_state = text_of(properties, "AluaState"),
		.priority = optional_of(properties, "Priority"),
		.target_port_group = optional_of(properties, "TargetPortGroup"),
		.group = (uint32_t)number_of(properties, "Group"),
		.preferred = value_bool(value_get(properties, "Preferred")),
		.lun = number_of(properties, "Lun"),
		.since_us = number_of(properties, "Since"),
		.failures = number_of(properties, "Failures"),
		.errors = number_of(properties, "Errors"),
		.in_flight = number_of(properties, "InFlight"),
		.latency_us = number_of(properties, "LatencyUs"),
		.latency_p99_us = number_of(properties, "LatencyP99Us"),
		.reads = number_of(properties, "Reads"),
		.writes = number_of(properties, "Writes"),
		.bytes_read = number_of(properties, "BytesRead"),
		.bytes_written = number_of(properties, "BytesWritten"),
	};
}

static int map_of(const char *object, const struct value *properties, struct map_info *ret)
{
	const struct value *paths = value_get(properties, "PathDetails");

	*ret = (struct map_info){
		.object = object,
		.name = text_of(properties, "Name"),
		.wwid = text_of(properties, "Wwid"),
		.device = text_of(properties, "Device"),
		.vendor = text_of(properties, "Vendor"),
		.product = text_of(properties, "Product"),
		.serial = text_of(properties, "Serial"),
		.exporter = text_of(properties, "Exporter"),
		.policy = text_of(properties, "Policy"),
		.state = text_of(properties, "State"),
		.size_bytes = number_of(properties, "Size"),
		.since_us = number_of(properties, "StateSince"),
		.block_size = (uint32_t)number_of(properties, "BlockSize"),
		.paths_up = (uint32_t)number_of(properties, "PathsUp"),
		.paths_total = (uint32_t)number_of(properties, "PathsTotal"),
		.no_path_retry_ms = optional_of(properties, "NoPathRetry"),
		.integrity = text_of(properties, "Integrity"),
		.fence_quality = text_of(properties, "FenceQuality"),
		.grouping = text_of(properties, "PathGroupingPolicy"),
		.failback = text_of(properties, "Failback"),
		.active_group = (uint32_t)number_of(properties, "ActiveGroup"),
		.groups = (uint32_t)number_of(properties, "Groups"),
		.in_doubt = number_of(properties, "InDoubt"),
		.in_doubt_total = number_of(properties, "InDoubtTotal"),
		.held = number_of(properties, "Held"),
		.guarded_bytes = number_of(properties, "GuardedBytes"),
		.longest_guard_ms = number_of(properties, "LongestGuardMs"),
		.guards_expired = number_of(properties, "GuardsExpired"),
		.read_only = value_bool(value_get(properties, "ReadOnly")),
		.path_count = value_count(paths),
	};
	ret->paths = calloc(ret->path_count + 1, sizeof(*ret->paths));
	if (!ret->paths)
		return -ENOMEM;
	for (size_t i = 0; i < ret->path_count; i++)
		ret->paths[i] = path_of(value_at(paths, i));
	return 0;
}

int map_list_of(struct value *reply, struct map_list *ret)
{
	struct map_list list = {.reply = reply};
	const struct value *rows = value_at(reply, 0);
	size_t count = value_count(rows);

	list.items = calloc(count + 1, sizeof(*list.items));
	for (; list.items && list.count < count; list.count++) {
		const struct value *row = value_at(rows, list.count);

		if (map_of(value_text(value_at(row, 0)), value_at(row, 1),
			   &list.items[list.count]) < 0)
			break;
	}
	if (!list.items || list.count < count) {
		map_list_clear(&list);
		return -ENOMEM;
	}
	*ret = list;
	return 0;
}

void map_list_clear(struct map_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].paths);
	free(list->items);
	value_free(list->reply);
	*list = (struct map_list){};
}

/* --- asking --- */

/* Return: the reply, which is the caller's; NULL with @error set. */
static struct value *ask(struct client *client, const char *member,
			 const struct selection *selection, struct error *error)
{
	struct argument entries[SELECTION_ARGUMENTS];
	const struct argument arguments[] = {{.type = 'V', .entries = entries}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "Manager",
		.member = member,
		.arguments = arguments,
	};

	selection_arguments(selection, entries);
	if (client_call(client, &call) < 0) {
		error_set(error, call.error.code, "%s", call.error.text);
		return NULL;
	}
	return take(call.reply);
}

static int no_memory(struct error *error)
{
	return error_set(error, ERROR_NO_MEMORY, "out of memory");
}

int model_nodes(struct client *client, const struct selection *selection, struct node_list *ret,
		struct error *error)
{
	struct value *reply = ask(client, "ListNodes", selection, error);

	if (!reply)
		return -1;
	return node_list_of(reply, ret) < 0 ? no_memory(error) : 0;
}

int model_sessions(struct client *client, const struct selection *selection,
		   struct session_list *ret, struct error *error)
{
	struct value *reply = ask(client, "ListSessions", selection, error);

	if (!reply)
		return -1;
	return session_list_of(reply, ret) < 0 ? no_memory(error) : 0;
}

int model_maps(struct client *client, struct map_list *ret, struct error *error)
{
	struct value *reply = ask(client, "ListMaps", &(struct selection){}, error);

	if (!reply)
		return -1;
	return map_list_of(reply, ret) < 0 ? no_memory(error) : 0;
}

void model_session_records(struct client *client, struct session_list *list)
{
	static const char *const keys[] = {"iface.hwaddress", "iface.net_ifacename", NULL};
	static const struct argument arguments[] = {{.type = 'A', .texts = keys}, {}};

	list->records = calloc(list->count + 1, sizeof(*list->records));
	for (size_t i = 0; list->records && i < list->count; i++) {
		struct session_info *session = &list->items[i];
		owned_call call = {
			.object = session->node,
			.interface = "Node",
			.member = "Get",
			.arguments = arguments,
		};

		if (session->node[0] != '/' || session->node[1] == '\0' ||
		    client_call(client, &call) < 0)
			continue; /* the record is gone: nothing is known about its interface */
		list->records[i] = take(call.reply);
		session->hwaddress = text_of(value_at(list->records[i], 0), keys[0]);
		session->net_ifacename = text_of(value_at(list->records[i], 0), keys[1]);
	}
}

int model_session_secrets(struct client *client, struct session_list *list, struct error *error)
{
	for (size_t i = 0; i < list->count; i++) {
		struct session_info *session = &list->items[i];
		const struct record_place place = record_place_of_node(session->node);

		if (session->node[0] != '/' || session->node[1] == '\0')
			continue; /* its record is gone */
		session->password =
			record_client_secret(client, &place, "node.session.auth.password", error);
		if (session->password)
			session->password_in = record_client_secret(
				client, &place, "node.session.auth.password_in", error);
		if (!session->password_in)
			return -1;
	}
	return 0;
}
