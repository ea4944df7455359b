/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a session shows: REPORT LUNS, and a probe of each logical unit. The commands run on the
 * session's worker; asked for and answered on the control thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/probe.h"
#include "scsi/unit.h"

struct inventory;
struct mailbox;
struct session_host;

struct inventory_unit {
	uint64_t lun;
	bool listed;	 /* false: only known from before, and probed nevertheless */
	bool brief;	 /* see probe_start_brief() */
	uint32_t doubts; /* of its nexus when the probe began: more by now, and it saw too little */
	enum probe_verdict verdict;
	struct unit unit;
	char text[160]; /* why it is no disk, or cannot be used */
};

struct inventory_settings {
	const uint64_t *known;		/* LUNs that the session showed before; copied */
	size_t known_count, used_count; /* the first of them are in use */
	/* A short look: is what is used still the same, and is the list the known one? */
	bool only_changes;
	bool only_used; /* with only_changes: the target is not asked for its list */
};

/* Valid during done(). */
struct inventory_result {
	int error;	/* -errno when the list of units could not be had */
	bool unchanged; /* with only_changes: @units are those in use */
	const struct inventory_unit *units;
	size_t count;
};

/**
 * inventory_start() - look at everything behind a session that is logged in, and at what was there
 * @done: runs exactly once unless cancelled; the inventory is freed when it returns
 * Return: 0 or -ENOMEM
 */
int inventory_start(struct session_host *host, struct mailbox *home,
		    const struct inventory_settings *settings,
		    void (*done)(const struct inventory_result *result, void *userdata),
		    void *userdata, struct inventory **ret);

/** inventory_cancel() - done() will not run; NULL is fine */
void inventory_cancel(struct inventory *inventory);
