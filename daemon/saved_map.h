/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the next hawserd must know to go on with a map and its block device when this one dies: a
 * small file for each map in the run folder, lines of "key = value". Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "block/disk.h"
#include "daemon/node_store.h"
#include "scsi/unit.h"

#define SAVED_MAP_SESSIONS_MAX 64

/* A session that is wanted again. */
struct saved_map_session {
	struct node_key node;
	uint32_t lane;
	bool settled; /* it has nothing of the map's that could still come; else its ghosts have to
			 be killed first */
};

struct saved_map {
	char name[UNIT_WWID_MAX]; /* of the map: no slash, no leading dot */
	char exporter[16];
	uint16_t queue_depth;
	struct disk_node node;
	struct unit unit;
	uint32_t session_count;
	struct saved_map_session sessions[SAVED_MAP_SESSIONS_MAX];
};

/** saved_map_save() - make or replace the file. Return: 0; -errno */
int saved_map_save(const char *run_dir, const struct saved_map *state);

/** saved_map_remove() - a file that is not there is fine */
void saved_map_remove(const char *run_dir, const char *name);

/**
 * saved_map_load() - Return: 0; -ENOENT; -EINVAL for a file that is not whole; -errno
 * @name: of the file
 */
int saved_map_load(const char *run_dir, const char *name, struct saved_map *ret);

/**
 * saved_map_list() - the names of all files there are
 * @names: malloc()ed texts in a malloc()ed array; the caller's
 *
 * Return: how many; -errno.
 */
int saved_map_list(const char *run_dir, char ***names);
