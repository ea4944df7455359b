/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Node, discovery and interface records on disk, in open-iscsi's own directories and format
 * (<conf-dir>/nodes, send_targets, isns, ifaces, static). Every write is atomic: temporary file in
 * the same folder, fsync, rename, fsync of the folder; a crash at any instruction leaves the old
 * record or the new one. A damaged record is reported and skipped, never taken for an empty one.
 * Control thread only. All fallible calls return 0, or -1 with @error set: ERROR_INVALID_ARGUMENT
 * for names that cannot be file names, before anything is touched; ERROR_DATABASE_FAILED with the
 * system's words for what the disk refuses.
 *
 * Layout: nodes/<target>/<address>,<port>,<tpgt>/<iface> holds one record, and so does the plain
 * file nodes/<target>/<address>,<port> while the portal group is not known. There is one record per
 * target, address, port and interface. Absolute links to the portal's folder or file stand in
 * send_targets/<address>,<port>/ or static/; open-iscsi goes by them, we only keep them.
 *
 * Writers of several daemons wait for each other by flock() on the folder itself. open-iscsi's own
 * lock (/run/lock/iscsi) is not taken: a tool that died with it would stop us for half a minute,
 * and its tools are not meant to run beside this daemon; whole files keep even that harmless.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/node_key.h"
#include "daemon/record.h"

struct error;
struct node_store;

/**
 * node_store_open() - also takes away temporary files that a crash has left
 * @conf_dir: "/etc/iscsi"; it is made when missing, the folders in it when first needed
 */
int node_store_open(const char *conf_dir, struct node_store **ret, struct error *error);
/** node_store_close() - NULL is fine */
void node_store_close(struct node_store *store);

/**
 * node_store_find() - where this host keeps its records
 * @conf_dir: "/etc/iscsi"
 * @state_dir: "/var/lib/iscsi", where other distributions have them
 *
 * Return: @state_dir when only it has a folder "nodes"; otherwise @conf_dir.
 */
const char *node_store_find(const char *conf_dir, const char *state_dir);

/*
 * Called for every node record found; damaged ones come with @record NULL and @problem set (NULL
 * otherwise), and with as much of @key as their place tells.
 */
typedef void node_store_visit(const struct node_key *key, struct record *record,
			      const struct error *problem, void *userdata);

/** node_store_load() - visit all records, sorted as iscsiadm lists them; @record is the visitor's
 */
int node_store_load(struct node_store *store, node_store_visit *visit, void *userdata,
		    struct error *error);

/**
 * node_store_save() - write the record of @key, replacing an old one; also its discovery link
 * @key: where its tpgt is -1 and the portal is known with one, that one is written
 * @record: stays the caller's; its lookup keys are taken from @key in what is written
 */
int node_store_save(struct node_store *store, const struct node_key *key,
		    const struct record *record, struct error *error);
/** node_store_delete() - remove record, its links, and folders that became empty;
 * ERROR_NO_OBJECTS_FOUND when there is none */
int node_store_delete(struct node_store *store, const struct node_key *key, struct error *error);

/**
 * node_store_save_discovery() - record of one address that discovery asks
 * @record: RECORD_SENDTARGETS or RECORD_ISNS; stays the caller's
 */
int node_store_save_discovery(struct node_store *store, const char *address, uint16_t port,
			      const struct record *record, struct error *error);
/** node_store_load_discovery() - ERROR_NO_OBJECTS_FOUND when there is none */
int node_store_load_discovery(struct node_store *store, enum record_kind kind, const char *address,
			      uint16_t port, struct record **ret, struct error *error);
/** node_store_delete_discovery() - and the links beside it; the node records stay */
int node_store_delete_discovery(struct node_store *store, enum record_kind kind,
				const char *address, uint16_t port, struct error *error);

struct discovery_place {
	char address[256];
	uint16_t port;
};
/** node_store_discoveries() - addresses that have a record of @kind, sorted; free() the array */
int node_store_discoveries(struct node_store *store, enum record_kind kind,
			   struct discovery_place **ret, size_t *count, struct error *error);

/** node_store_iface_is_builtin() - "default" and "iser": in no file, and never changed */
bool node_store_iface_is_builtin(const char *name);

/** node_store_load_iface() - also the built-in ones; ERROR_NO_OBJECTS_FOUND for a name that is not
 * there (where iscsiadm exits as for ERROR_NO_MEMORY in node mode) */
int node_store_load_iface(struct node_store *store, const char *name, struct record **ret,
			  struct error *error);
/** node_store_save_iface() - make or replace; @record stays the caller's. ERROR_INVALID_ARGUMENT
 * for a built-in one */
int node_store_save_iface(struct node_store *store, const char *name, const struct record *record,
			  struct error *error);
/** node_store_delete_iface() - ERROR_NO_OBJECTS_FOUND when there is none */
int node_store_delete_iface(struct node_store *store, const char *name, struct error *error);

/** node_store_ifaces() - names of stored ifaces, sorted; @count of them; free() each and the array
 */
int node_store_ifaces(struct node_store *store, char ***names, unsigned *count,
		      struct error *error);
