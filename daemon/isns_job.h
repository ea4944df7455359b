/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One question to an iSNS server: connected to, asked, heard (RFC 4171). One clock for all of it.
 * Control thread only.
 */

#include <net/if.h>
#include <stddef.h>

#include "daemon/connect_job.h"
#include "iscsi/isns.h"

struct isns_job;

struct isns_job_settings {
	struct connect_settings server;
	const char *initiator_name; /* copied */
	unsigned timeout_ms;	    /* for everything together */
};

/* Valid during done(). */
struct isns_job_result {
	int error;	  /* 0; -errno: then @text says why, in one sentence */
	const char *text; /* without the server's address */
	const struct discovered_portal *portals;
	size_t count;
	unsigned skipped;	  /* targets and portals that cannot be used */
	char interface[IFNAMSIZ]; /* over which it was asked; "" when that is not known */
};

/**
 * isns_job_start() - done() runs exactly once, never inside this call, and not at all when the job
 * is freed first; the job may be freed inside
 * @home: the control thread's mailbox
 * Return: 0; -EINVAL when the initiator name is none; another -errno
 */
int isns_job_start(sd_event *event, struct mailbox *home, const struct isns_job_settings *settings,
		   void (*done)(const struct isns_job_result *result, void *userdata),
		   void *userdata, struct isns_job **ret);

/** isns_job_free() - also while it runs: the connection is closed. NULL is fine */
void isns_job_free(struct isns_job *job);
