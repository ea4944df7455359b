/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The plain lists of hawser: one line per object, out of plain structs. Return: 0 or -errno
 */

#include "cli/model.h"
#include "cli/table.h"

int list_nodes(const struct node_list *nodes, const struct table_style *style, FILE *out);
int list_sessions(const struct session_list *sessions, const struct table_style *style, FILE *out);
/** list_maps() - @members: as of table_print() */
int list_maps(const struct map_list *maps, const char *members, const struct table_style *style,
	      FILE *out);
/** list_paths() - of the map with this name, or of all when @map is NULL */
int list_paths(const struct map_list *maps, const struct session_list *sessions, const char *map,
	       const struct table_style *style, FILE *out);

/** list_has_map() - is @word the name, WWID or device of @map? */
bool list_has_map(const struct map_info *map, const char *word);
