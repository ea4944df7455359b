/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One SendTargets discovery: a discovery session logged in, asked, logged out (RFC 7143 §4.3).
 * Tried again a few times when the portal does not answer. Control thread only.
 */

#include <net/if.h>
#include <stddef.h>

#include "daemon/login_job.h"
#include "iscsi/discovery.h"

struct discovery_job;

struct discovery_job_settings {
	struct login_job_settings login; /* a discovery session */
	unsigned tries;		    /* at least 1; only failures of TCP and time are tried again */
	unsigned pause_ms;	    /* between them */
	unsigned answer_timeout_ms; /* for the answer, once logged in */
};

/* Valid during done(). */
struct discovery_job_result {
	enum login_job_end end; /* of the last try */
	int failed;		/* logged in, but the answer was none */
	struct login_result login;
	int error;
	const char *text; /* one sentence, when it failed */
	const struct discovered_portal *portals;
	size_t count;
	const struct discovery_skipped *skipped; /* addresses that cannot be used */
	char interface[IFNAMSIZ]; /* over which it was asked; "" when that is not known */
};

/** discovery_job_start() - done() runs exactly once unless freed first; the job may be freed inside
 */
int discovery_job_start(sd_event *event, struct mailbox *home,
			const struct discovery_job_settings *settings,
			void (*done)(const struct discovery_job_result *result, void *userdata),
			void *userdata, struct discovery_job **ret);
void discovery_job_free(struct discovery_job *job);
