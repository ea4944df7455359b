/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The modern face: verbs, tables and trees, --json, and errors that say what to do next. A verb is
 * a row of a table in hawser.c; its handler returns the exit status, which is iscsiadm's for
 * errors.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/client.h"
#include "cli/model.h"
#include "cli/portal.h"
#include "cli/table.h"

/** hawser_main() - Return: the exit status */
int hawser_main(int argc, char **argv);

struct hawser {
	FILE *out, *err;
	struct client *client; /* connected before the verb runs, if it needs it */
	struct table_style style;
	const char *verb; /* NULL until it is known */
	char **operands;  /* what follows the verb, NULL at the end */
	unsigned operand_count;

	struct portal portal;
	bool has_portal;
	const char *iface;
	uint32_t sid;
	bool all, automatic, no_wait, force, login, dry_run, no_rates;
	bool per_path, ignore, aptpl, all_target_ports, abort;
	const char *type;		  /* of a reservation */
	unsigned watch_s;		  /* 0: once */
	const char *since, *map, *target; /* of events; NULL: all */
	bool follow;
};

struct hawser_verb {
	const char *name;
	const char *operands; /* as help shows them */
	unsigned min_operands, max_operands;
	const char *letters; /* of the options it takes, beside -h */
	bool needs_daemon;
	int (*run)(struct hawser *run);
	const char *summary;
};
/** hawser_verb_at() - the @index-th verb, NULL behind the last */
const struct hawser_verb *hawser_verb_at(unsigned index);

/** hawser_fail() - message, and what to do next, on standard error. Return: the exit status */
int hawser_fail(struct hawser *run, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** hawser_report() - hawser_fail() with what the daemon said; @what: "login to iqn…", or NULL */
int hawser_report(struct hawser *run, const char *what, const struct error *error);
/** hawser_selection() - of --portal, --interface, --sid and @target (NULL: any) */
struct selection hawser_selection(const struct hawser *run, const char *target);
/** hawser_print_table() - table_print() to run->out. Return: the exit status */
int hawser_print_table(struct hawser *run, struct table *table, const char *members);

/* --- verbs --- */
int hawser_status(struct hawser *run);
int hawser_sessions(struct hawser *run);
int hawser_maps(struct hawser *run);
int hawser_paths(struct hawser *run);
int hawser_nodes(struct hawser *run);
int hawser_discover(struct hawser *run);
int hawser_login(struct hawser *run);
int hawser_logout(struct hawser *run);
int hawser_rescan(struct hawser *run);
int hawser_rediscover(struct hawser *run);
int hawser_remove(struct hawser *run);
int hawser_reset(struct hawser *run);
int hawser_group(struct hawser *run);
int hawser_pr(struct hawser *run);
int hawser_set(struct hawser *run);
int hawser_show(struct hawser *run);
int hawser_events(struct hawser *run);
int hawser_monitor(struct hawser *run);
int hawser_explain(struct hawser *run);
int hawser_version(struct hawser *run);
int hawser_help(struct hawser *run);
