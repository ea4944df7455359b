/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Path groups: which paths of a map belong together, and in which order the groups are to be used,
 * in multipath.conf's words. Plain functions over the paths; belongs to the map's worker.
 */

#include <stdint.h>

#include "multipath/path.h"
#include "util/list.h"

/* path_grouping_policy */
enum grouping {
	GROUPING_BY_PRIO,      /* equal priority; one group where the target has no port groups */
	GROUPING_MULTIBUS,     /* all */
	GROUPING_FAILOVER,     /* each path by itself */
	GROUPING_BY_NODE_NAME, /* those to one target name */
	GROUPING_BY_TPG,       /* those through one target port group */
	GROUPING_COUNT,
};

/** grouping_name() - "group_by_prio" … */
const char *grouping_name(enum grouping grouping);
/** grouping_of() - Return: -EINVAL for a name that is none */
int grouping_of(const char *name);

struct path_set {
	uint64_t members; /* bit per path slot */
	unsigned usable;  /* how many of them can carry I/O now */
	int priority;	  /* mean of those that can; of all when none can */
};

struct grouped_paths {
	unsigned count;
	struct path_set sets[PATH_SLOTS]; /* the best first */
};

/**
 * grouping_form() - the groups of @paths
 * @paths: struct path by link
 *
 * Order: what can carry I/O first, then by priority, then who has more usable paths, then who was
 * added first.
 */
void grouping_form(enum grouping grouping, const struct list *paths, struct grouped_paths *ret);
