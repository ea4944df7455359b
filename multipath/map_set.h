/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The maps of one worker by WWID, so that every path to a unit, through whichever portal, target
 * and LUN, joins the one map of that unit. Every call comes from the worker's thread.
 */

#include "multipath/map.h"

struct map_set;

/** map_set_new() - Return: 0 or -ENOMEM */
int map_set_new(struct ring *ring, struct map_set **ret);
/** map_set_free() - no map may be left; NULL is fine */
void map_set_free(struct map_set *set);

/** map_set_find() - the map of @wwid, or NULL */
struct map *map_set_find(const struct map_set *set, const char *wwid);
unsigned map_set_count(const struct map_set *set);

/**
 * map_set_join() - make @nexus a path of the map of @unit, which is made if there is none yet
 * @nexus: was probed: @unit is what answered behind it; alive as long as the path
 * @settings, @observer, @map_userdata: for a new map, see map_new(); unused otherwise
 * @path_userdata: see map_add_path()
 * @ret: the path, still PENDING; path_map() is its map
 *
 * Nothing is merged that differs: one WWID with two sizes is a misconfigured target, and writing to
 * both would destroy one of them.
 *
 * Return: 0; -EINVAL for an empty WWID or an unknown selector; -EMEDIUMTYPE when the WWID is known
 * with another serial number or device type; -ERANGE with another size or block size; or as
 * map_add_path().
 */
int map_set_join(struct map_set *set, struct nexus *nexus, const struct unit *unit,
		 const struct map_settings *settings, const struct map_observer *observer,
		 void *map_userdata, void *path_userdata, struct path **ret);

/** map_set_remove() - free @map; as map_free() */
void map_set_remove(struct map_set *set, struct map *map);
