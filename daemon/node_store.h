/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Node, discovery and interface records on disk, in open-iscsi's own directories and format
 * (<conf-dir>/nodes, send_targets, ifaces, static). Every write is atomic: temporary file in the
 * same folder, fsync, rename, fsync of the folder; a crash at any instruction leaves the old record
 * or the new one. A damaged record is reported and skipped, never taken for an empty one. Control
 * thread only. All fallible calls return 0, or -1 with @error set.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/record.h"
#include "iscsi/settings.h"

struct error;
struct node_store;

/* What names a node record. */
struct node_key {
	char target[ISCSI_NAME_MAX + 1];
	char address[256]; /* as the user typed it, without brackets */
	uint16_t port;
	int32_t tpgt; /* -1 = unknown; never used for matching */
	char iface[65];
};

/** node_store_open() - @conf_dir: "/etc/iscsi"; folders are made when first needed */
int node_store_open(const char *conf_dir, struct node_store **ret, struct error *error);
void node_store_close(struct node_store *store);

/* Called for every node record found; damaged ones come with @record NULL and @problem set. */
typedef void node_store_visit(const struct node_key *key, struct record *record,
			      const struct error *problem, void *userdata);

/** node_store_load() - visit all records, sorted as iscsiadm lists them; @record is the visitor's */
int node_store_load(struct node_store *store, node_store_visit *visit, void *userdata,
		    struct error *error);

/** node_store_save() - write the record of @key, replacing an old one; also its discovery link */
int node_store_save(struct node_store *store, const struct node_key *key,
		    const struct record *record, struct error *error);
/** node_store_delete() - remove record, its links, and folders that became empty */
int node_store_delete(struct node_store *store, const struct node_key *key, struct error *error);

/** node_store_save_discovery() - record of one SendTargets address */
int node_store_save_discovery(struct node_store *store, const char *address, uint16_t port,
			      const struct record *record, struct error *error);
/** node_store_load_discovery() - ERROR_NO_OBJECTS_FOUND when there is none */
int node_store_load_discovery(struct node_store *store, const char *address, uint16_t port,
			      struct record **ret, struct error *error);
int node_store_delete_discovery(struct node_store *store, const char *address, uint16_t port,
				struct error *error);

/** node_store_load_iface() - "default" is built in. ERROR_NO_MEMORY's exit status is iscsiadm's for
 * an unknown interface, see iscsi reference; the code is ERROR_NO_OBJECTS_FOUND here */
int node_store_load_iface(struct node_store *store, const char *name, struct record **ret,
			  struct error *error);

/** node_store_names() - names of stored ifaces, sorted; @count of them; free() each and the array */
int node_store_ifaces(struct node_store *store, char ***names, unsigned *count, struct error *error);
