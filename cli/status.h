/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * "Is my storage well?": the tree and the last line of hawser status, out of plain structs.
 */

#include <stdint.h>

#include "cli/model.h"
#include "cli/table.h"
#include "cli/traffic.h"

struct status_view {
	const struct node_list *nodes;
	const struct session_list *sessions;
	const struct map_list *maps;
	const char *health;	/* "ok", "degraded" or "critical" */
	struct samples samples; /* with them people see rates instead of totals, JSON has both */
	uint64_t now_us;	/* CLOCK_REALTIME, for "next try in 3 s" */
};

/** status_print() - tree and health line, or JSON. Return: 0 or -errno */
int status_print(const struct status_view *view, const struct table_style *style, FILE *out);

/** status_exit() - of a health word: 0, 1 degraded, 2 critical, 3 unknown */
int status_exit(const char *health);
