/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the daemon told, as plain structs for whoever prints it. Strings are never NULL; they belong
 * to the answer that a list was made of and live as long as the list.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/client.h"
#include "cli/options.h"

struct failure {
	const char *name; /* of the error, "" when there is none */
	const char *text;
	uint64_t when_us;
};

struct node_info {
	const char *object;
	const char *target, *address, *iface, *startup, *state;
	uint16_t port;
	int32_t tpgt;
	unsigned sessions; /* that it has */
	unsigned wanted;   /* node.session.nr_sessions */
	struct failure last_error;
};

/* Numbers are -1 where the daemon named none. */
struct negotiated_info {
	const char *header_digest, *data_digest;
	int64_t max_receive, max_transmit, first_burst, max_burst, max_outstanding_r2t;
	int immediate_data, initial_r2t;
};

struct unit_info {
	uint64_t number; /* as Linux counts */
	const char *wwid, *vendor, *product, *device, *map;
	bool disk;
};

struct session_info {
	const char *object, *node; /* node "/" when its record is gone */
	uint32_t sid;
	const char *target, *iface, *initiator_name, *state, *state_reason;
	const char *address, *persistent_address, *local_address;
	uint16_t port, persistent_port;
	int32_t tpgt;
	const char *username, *username_in;
	bool ever_logged_in;
	uint64_t since_us, next_retry_us;
	uint32_t attempts;
	struct failure last_error;
	struct negotiated_info negotiated;
	int64_t recovery_timeout, target_reset_timeout, lun_reset_timeout,
		abort_timeout; /* s; -1 none */
	struct unit_info *units;
	size_t unit_count;
	/* out of the node record; "" where it names none */
	const char *hwaddress, *net_ifacename;
	char *password,
		*password_in; /* after model_session_secrets(); owned, NULL when not known */
};

struct path_info {
	const char *object, *session, *state, *state_reason, *alua_state;
	int64_t priority, target_port_group;
	uint32_t group;
	bool preferred;
	uint64_t lun, since_us, failures, errors, in_flight, latency_us, latency_p99_us;
	uint64_t reads, writes, bytes_read, bytes_written;
};

struct map_info {
	const char *object, *name, *wwid, *device, *vendor, *product, *serial, *exporter, *policy,
		*state, *integrity, *fence_quality, *grouping, *failback;
	uint64_t size_bytes, since_us;
	uint64_t in_doubt, in_doubt_total, held, guarded_bytes, longest_guard_ms, guards_expired;
	uint32_t block_size, paths_up, paths_total, active_group, groups;
	int64_t no_path_retry_ms;
	bool read_only;
	struct path_info *paths;
	size_t path_count;
};

/* Lists own what their items point at; {} is an empty one. */
struct node_list {
	struct node_info *items;
	size_t count;
	struct value *reply;
};
struct session_list {
	struct session_info *items;
	size_t count;
	struct value *reply;
	struct value **records; /* one per item, or NULL */
};
struct map_list {
	struct map_info *items;
	size_t count;
	struct value *reply;
};

void node_list_clear(struct node_list *list);
void session_list_clear(struct session_list *list);
void map_list_clear(struct map_list *list);
#define owned_nodes    __attribute__((cleanup(node_list_clear))) struct node_list
#define owned_sessions __attribute__((cleanup(session_list_clear))) struct session_list
#define owned_maps     __attribute__((cleanup(map_list_clear))) struct map_list

/* What names some nodes or sessions: NULL and 0 match all. */
struct selection {
	const char *target, *address, *iface, *startup;
	uint16_t port;
	const uint32_t *sids;
	size_t sid_count;
};

#define SELECTION_ARGUMENTS 8

/** selection_arguments() - @entries of an a{sv} argument; point into @selection */
void selection_arguments(const struct selection *selection,
			 struct argument entries[SELECTION_ARGUMENTS]);

/* Each asks the daemon. Return: 0 with *@ret filled (maybe empty); -1 with @error set. */
int model_nodes(struct client *client, const struct selection *selection, struct node_list *ret,
		struct error *error);
int model_sessions(struct client *client, const struct selection *selection,
		   struct session_list *ret, struct error *error);
int model_maps(struct client *client, struct map_list *ret, struct error *error);

/** model_session_records() - fill hwaddress and net_ifacename of @list out of the node records */
void model_session_records(struct client *client, struct session_list *list);

/** model_session_secrets() - fill password and password_in out of the node records. Return: 0; -1
 * with @error set */
int model_session_secrets(struct client *client, struct session_list *list, struct error *error);

/* The same out of an answer that is there already; @reply is the list's from then on. */
int node_list_of(struct value *reply, struct node_list *ret);
int session_list_of(struct value *reply, struct session_list *ret);
int map_list_of(struct value *reply, struct map_list *ret);

/** sessions_sort_as_listed() - iscsiadm's order: by the text of the session id: 1, 10, 2 */
void sessions_sort_as_listed(struct session_list *list);
/** sessions_group_by_target() - keep the order, but all of a target together */
void sessions_group_by_target(struct session_list *list);
/** sessions_keep() - drop what @keep does not want */
void sessions_keep(struct session_list *list, bool (*keep)(const struct session_info *session));
