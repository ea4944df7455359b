/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Path selectors: which of a group's usable paths carries the next command. A selector is a row of
 * a table, holds nothing of its own and allocates nothing. Belongs to the map's worker.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/list.h"

struct path;

struct selector_ops {
	const char *name; /* as in multipath.conf, path_selector */
	/**
	 * @paths: struct path by group_link, least recently chosen first; ties go to the first
	 * @avoid: bit per path slot: not these
	 * @cost: of the command, see PATH_COMMAND_COST
	 * Return: the path, or NULL when none is usable, or all are full.
	 */
	struct path *(*choose)(struct list *paths, uint64_t avoid, uint64_t cost, uint64_t now_ns);
};

/** selector_find() - NULL for a name we do not know */
const struct selector_ops *selector_find(const char *name);

/** selector_at() - the @index-th of the table; NULL behind the last */
const struct selector_ops *selector_at(size_t index);
