/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What this host holds at a unit, kept in a small file for each map in the run folder, so that the
 * next hawserd registers paths again before they carry I/O, or does not where the key was taken
 * away. It is there whether the map's block device outlives the daemon or not. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#define SAVED_RESERVATION_PATHS_MAX 64

enum reservation_state {
	RESERVATION_UNREGISTERED, /* nothing is wanted */
	RESERVATION_REGISTERED,	  /* every path is registered before it carries I/O */
	RESERVATION_LOST,	  /* somebody took the key away: writes fail until somebody acts */
	RESERVATION_STATE_COUNT,
};

/** reservation_state_name() - "unregistered", "registered", "lost" */
const char *reservation_state_name(enum reservation_state state);

struct saved_reservation {
	enum reservation_state state;
	uint64_t key;	       /* of this host; or the base of its paths' keys */
	bool per_path;	       /* each path has a key of its own */
	bool survives_power;   /* registered with APTPL */
	bool all_target_ports; /* … with ALL_TG_PT */
	uint8_t type;	       /* of the reservation that this host holds; 0: none */
	uint64_t holder;       /* id of the path that holds it; 0: not known, or all of them */
	uint32_t path_count;   /* paths that have a number of their own: from 1, by position */
	uint64_t paths[SAVED_RESERVATION_PATHS_MAX];
};

/** saved_reservation_save() - @name: of the map. Return: 0; -errno */
int saved_reservation_save(const char *run_dir, const char *name,
			   const struct saved_reservation *state);
/** saved_reservation_remove() - a file that is not there is fine */
void saved_reservation_remove(const char *run_dir, const char *name);
/** saved_reservation_load() - Return: 0; -ENOENT; -EINVAL for a file that is not whole; -errno */
int saved_reservation_load(const char *run_dir, const char *name, struct saved_reservation *ret);
