/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What iscsiadm prints, byte for byte: programs read these lines. Only plain structs come in, only
 * text goes out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/error.h"

struct node_info;
struct session_info;
struct setting;

/* One portal of a target as discovery found it. */
struct found {
	const char *object; /* of its node record, "/" when there is none */
	const char *target, *address, *iface;
	uint16_t port;
	int32_t tpgt;
};

/* One counter, as "name: value". */
struct counter {
	const char *name;
	uint64_t value;
};

/* --- discovery --- */
void layout_found_flat(FILE *out, const struct found *found, size_t count);
void layout_found_tree(FILE *out, const struct found *found, size_t count);

/* A node and how it was discovered: "send_targets", "isns", "static" or "fw". A discovery address
 * without any node has a node without target. */
struct origin {
	struct found node;
	const char *type, *address;
	uint16_t port;
};
/** layout_origins_flat() - one line per discovery address. Return: number of lines */
size_t layout_origins_flat(FILE *out, const struct origin *origins, size_t count);
/** layout_origins_tree() - the four sections with their nodes */
void layout_origins_tree(FILE *out, const struct origin *origins, size_t count);

/* --- nodes and records --- */
void layout_nodes_flat(FILE *out, const struct node_info *nodes, size_t count);
void layout_nodes_tree(FILE *out, const struct node_info *nodes, size_t count);
/** layout_record() - "key = value" lines between their BEGIN and END; "" shows as <empty> */
void layout_record(FILE *out, const struct setting *settings, size_t count);
/* What "-o new" tells about the interface that it bound a node to. */
struct binding {
	const char *transport, *hwaddress, *ipaddress, *net_ifacename, *iface;
};
void layout_node_added(FILE *out, const struct binding *binding, const struct found *node);

/* --- sessions --- */
void layout_sessions_flat(FILE *out, const struct session_info *sessions, size_t count);
/** layout_sessions_tree() - @level 1 … 3 */
void layout_sessions_tree(FILE *out, const struct session_info *sessions, size_t count, int level,
			  bool show_secrets);
/** layout_statistics() - names in @counters beyond iscsiadm's own come under "iSCSI Extended:" */
void layout_statistics(FILE *out, const struct session_info *session,
		       const struct counter *counters, size_t count);

/* --- login, logout, rescan --- */
void layout_login_done(FILE *out, const struct found *node);
void layout_login_failed(FILE *err, const struct found *node, enum error_code code);
void layout_login_present(FILE *err, const char *iface, unsigned wanted, unsigned present);
void layout_logout_begun(FILE *out, const struct session_info *session);
void layout_logout_done(FILE *out, const struct session_info *session);
void layout_logout_failed(FILE *err, const struct session_info *session, enum error_code code);
void layout_rescan(FILE *out, const struct session_info *session);

/* --- interfaces --- */
struct iface_info {
	const char *name, *transport, *hwaddress, *ipaddress, *net_ifacename, *initiator_name;
};
void layout_ifaces_flat(FILE *out, const struct iface_info *ifaces, size_t count);
/** layout_iface_tree() - @name with those of @nodes that are bound to it */
void layout_iface_tree(FILE *out, const char *name, const struct node_info *nodes, size_t count);
/** layout_iface_default() - the record of the interface "default", which is in no file */
void layout_iface_default(FILE *out);
