/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Where records stand on disk: names, folders, locks and single files of the record database. The
 * shared part of daemon/node_store.c and daemon/node_store_save.c. Control thread only.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/node_key.h"
#include "daemon/record.h"
#include "util/cleanup.h"

struct dirent;
struct error;

#define LAYOUT_ADDRESS_MAX 240 /* bytes; leaves room for ",65535,65535" in a file name */

struct node_store {
	char *folder; /* absolute, for the links */
};

/* What stands in a target's folder for one portal. */
struct portal_entry {
	char address[LAYOUT_ADDRESS_MAX + 1];
	uint16_t port;
	int32_t tpgt;
	bool is_folder; /* false: the old plain file */
};

/** layout_no_memory() - ERROR_NO_MEMORY. Return: -1 */
int layout_no_memory(struct error *error);
/** layout_disk_failed() - "could not <verb> <path>: <words of -errno r>". Return: -1 */
int layout_disk_failed(struct error *error, const char *verb, const char *path, int r);

/** layout_path() - a path below the store's folder, malloc()ed; NULL without memory */
char *layout_path(const struct node_store *store, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * layout_name_is_safe() - can @name be a file's name? It must not lead anywhere else, be hidden, or
 * come back from the record as another one.
 * @comma: it may have commas; most may not, because links are taken apart at them
 */
bool layout_name_is_safe(const char *name, size_t max_bytes, bool comma);
/* The same, with ERROR_INVALID_ARGUMENT. Return: 0 or -1 */
int layout_check_name(const char *what, const char *name, size_t max_bytes, bool comma,
		      struct error *error);
int layout_check_portal(const char *address, uint16_t port, struct error *error);
int layout_check_key(const struct node_key *key, struct error *error);

/**
 * layout_lock() - wait for other daemons that write here, one second at most
 *
 * A lock is held for single calls only, so that a process that the daemon forked never keeps it.
 * Return: a descriptor whose close() ends the lock; -1 with @error set.
 */
int layout_lock(const struct node_store *store, struct error *error);

/** layout_load_record() - Return: 0; -1 with @error set, ERROR_NO_OBJECTS_FOUND when there is no
 * such file */
int layout_load_record(const char *path, enum record_kind kind, struct record **ret,
		       struct error *error);
/** layout_save_record() - Return: 0; -1 with @error set and the old file as it was */
int layout_save_record(const char *path, struct record *record, struct error *error);
/** layout_make_folders() - make every folder of @below, a path in the store */
int layout_make_folders(const struct node_store *store, const char *below, struct error *error);

/* The visible names in one folder, sorted by their bytes. */
struct layout_listing {
	struct dirent **entries;
	int count;
};

void layout_listing_deinit(struct layout_listing *listing);
#define owned_listing __attribute__((cleanup(layout_listing_deinit))) struct layout_listing

/** layout_list_folder() - a folder that is not there is empty. Return: 0 or -errno */
int layout_list_folder(const char *path, struct layout_listing *listing);
bool layout_is_folder(const char *path);

/** layout_parse_portal() - "<address>,<port>" for a file, "<address>,<port>,<tpgt>" for a folder */
bool layout_parse_portal(const char *name, bool folder, struct portal_entry *portal);
void layout_name_portal(const struct portal_entry *portal, char name[NAME_MAX + 1]);

static inline void layout_record_freep(struct record **record)
{
	record_free(*record);
}
#define owned_record __attribute__((cleanup(layout_record_freep))) struct record *
