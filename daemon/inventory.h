/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a session shows: REPORT LUNS, and a probe of each logical unit. The commands run on the
 * session's worker; asked for and answered on the control thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "scsi/probe.h"
#include "scsi/unit.h"

struct inventory;
struct mailbox;
struct session_host;

struct inventory_unit {
	uint64_t lun;
	enum probe_verdict verdict;
	struct unit unit;
	char text[160]; /* why it is no disk, or cannot be used */
};

/**
 * inventory_start() - look at everything behind a session that is logged in
 * @done: runs exactly once unless cancelled; the inventory is freed when it returns. @error: 0, or
 *        -errno when the list of units could not be had; @units are valid during the call
 * Return: 0 or -ENOMEM
 */
int inventory_start(struct session_host *host, struct mailbox *home,
		    void (*done)(int error, const struct inventory_unit *units, size_t count,
				 void *userdata),
		    void *userdata, struct inventory **ret);

/** inventory_cancel() - done() will not run; NULL is fine */
void inventory_cancel(struct inventory *inventory);
