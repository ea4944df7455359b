/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

#include <stdbool.h>

#include "daemon/fd_store.h"

/* hawserd's command line. */
struct options {
	const char *conf_dir;	     /* "/etc/iscsi" */
	const char *state_dir;	     /* "/var/lib/iscsi"; with a conf_dir of one's own that one */
	const char *hawser_conf;     /* "/etc/hawser/hawser.conf" */
	const char *run_dir;	     /* "/run/hawser" */
	const char *dev_dir;	     /* "/dev" */
	const char *firmware_dir;    /* "/sys/firmware/ibft" */
	enum fd_store_kind fd_store; /* where block devices outlive the process */
	unsigned workers;	     /* 0: as configured */
	bool foreground;	     /* log to standard error */
	bool debug;
};

/**
 * options_parse() - Return: 0 to go on; otherwise 1 + the exit status: help was printed, or what
 * was wrong with the command line
 */
int options_parse(int argc, char **argv, struct options *ret);
