/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The face that people and scripts know: iscsiadm's modes over the daemon's D-Bus API. A mode reads
 * the options, asks the daemon and prints with cli/layout.h; its return value is the exit status.
 * What the daemon has no call for ends with 27 (operation not supported), never as if it were done.
 */

#include <stdio.h>

#include "cli/client.h"
#include "cli/layout.h"
#include "cli/model.h"
#include "cli/options.h"
#include "cli/record_client.h"

/** iscsiadm_main() - Return: the exit status */
int iscsiadm_main(int argc, char **argv);

struct iscsiadm {
	FILE *out, *err;
	struct options options;
	struct client *client; /* connected by iscsiadm_connect() */
};

/** iscsiadm_connect() - Return: 0, or the exit status after it was told why not */
int iscsiadm_connect(struct iscsiadm *run);

/** iscsiadm_complain() - "iscsiadm: …" on standard error. Return: the exit status of @code */
int iscsiadm_complain(struct iscsiadm *run, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** iscsiadm_report() - what the daemon said, one prefixed line each. Return: its exit status */
int iscsiadm_report(struct iscsiadm *run, const struct error *error);

/*
 * Several operations, one exit status: a failed login gives the first error, a failed logout the
 * last one.
 */
struct tally {
	enum error_code first, last;
};
void tally_add(struct tally *tally, enum error_code code);

/* A row of a mode: the first whose conditions hold is what the command does. */
struct step {
	bool (*wanted)(const struct options *options);
	int (*run)(struct iscsiadm *run);
};
int iscsiadm_first_step(struct iscsiadm *run, const struct step *steps);

/* --- modes --- */
int iscsiadm_discovery(struct iscsiadm *run);
int iscsiadm_discoverydb(struct iscsiadm *run);
int iscsiadm_node(struct iscsiadm *run);
int iscsiadm_session(struct iscsiadm *run);
int iscsiadm_iface(struct iscsiadm *run);
int iscsiadm_fw(struct iscsiadm *run);

/* --- records of any kind; iscsiadm_records.c --- */
/** iscsiadm_print_record() - @record, the values of @place; with -S its secrets in clear */
int iscsiadm_print_record(struct iscsiadm *run, const struct record_place *place,
			  const struct value *record);
/**
 * iscsiadm_read_values() - what the values of -v stand for
 *
 * "-v -" is the next line of standard input, so that it stands in no process list; a secret is
 * moved out of the command line. The settings point into @values, for iscsiadm_free_values().
 */
int iscsiadm_read_values(struct iscsiadm *run, char *values[OPTIONS_SETTINGS_MAX]);
void iscsiadm_free_values(char *values[OPTIONS_SETTINGS_MAX]);

/* --- discovery records; iscsiadm_discoverydb.c --- */
int iscsiadm_list_discoveries(struct iscsiadm *run);
/* What -o does with the one that -t and -p name; SendTargets without -t. A missing one ends with
 * @missing. */
int iscsiadm_show_discovery(struct iscsiadm *run, enum error_code missing);
int iscsiadm_update_discovery(struct iscsiadm *run, enum error_code missing);
int iscsiadm_delete_discovery(struct iscsiadm *run, enum error_code missing);
int iscsiadm_create_discovery(struct iscsiadm *run);
/** iscsiadm_check_discovery() - is it there? Return: 0; the exit status after it was told */
int iscsiadm_check_discovery(struct iscsiadm *run, enum error_code missing);

/* --- records: what -o does with every one of @nodes; iscsiadm_records.c --- */
int iscsiadm_show_records(struct iscsiadm *run, const struct node_list *nodes);
int iscsiadm_update_records(struct iscsiadm *run, const struct node_list *nodes);
int iscsiadm_delete_records(struct iscsiadm *run, const struct node_list *nodes);
int iscsiadm_create_records(struct iscsiadm *run);

/* --- sessions; iscsiadm_actions.c --- */
/* How one login ended. */
struct login_row {
	struct found node;
	enum error_code code;
	unsigned wanted, present; /* sessions, before */
};
/** iscsiadm_tell_logins() - successes, then failures with their trailer. Return: the exit status */
int iscsiadm_tell_logins(struct iscsiadm *run, const struct login_row *rows, size_t count,
			 bool trailer);
/** iscsiadm_login() - @selection's nodes, @nodes; they are not empty */
int iscsiadm_login(struct iscsiadm *run, const struct selection *selection,
		   const struct node_list *nodes);
int iscsiadm_logout(struct iscsiadm *run, struct session_list *sessions);
int iscsiadm_rescan(struct iscsiadm *run, struct session_list *sessions);
int iscsiadm_statistics(struct iscsiadm *run, struct session_list *sessions);
