/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The run of commands that turns a nexus into a known logical unit, and the list of logical units
 * behind a target. Both only send commands and call back; they run on the nexus's thread and know
 * no clock: what is not ready after a few tries is for the caller to probe again later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/unit.h"

struct nexus;
struct probe;
struct lun_scan;

/* How a probe ended. */
enum probe_verdict {
	/* a disk: unit is valid */
	PROBE_FOUND,
	/* what answers is no block device that we may use (a controller, a well-known unit, LUNZ,
	   qualifier 1 or 3); unit has vendor, product, revision and device type */
	PROBE_NO_DISK,
	/* a disk that cannot tell who it is: using it could mean the wrong disk */
	PROBE_NO_IDENTITY,
	/* a disk that cannot be used now (becoming ready, standby port, busy, no medium): probe
	   again later; unit's identity is valid, its limits but for the port's numbers are not, and
	   access, when its port group is in another state than for I/O */
	PROBE_NOT_READY,
	/* the nexus went away, or the device broke the rules */
	PROBE_FAILED,
	PROBE_VERDICT_COUNT,
};

/** probe_verdict_name() - "found", "no-disk", "no-identity", "not-ready", "failed" */
const char *probe_verdict_name(enum probe_verdict verdict);

/**
 * probe_start() - learn what is behind @nexus
 * @nexus: must be up, and alive until done() has run or, after probe_cancel(), until the command in
 *         flight has come back; when it goes down the probe ends with PROBE_FAILED
 * @done: runs exactly once, never inside this call; @unit and @text are valid during the call.
 *        @unit: see enum probe_verdict; never NULL, zeroed where not valid. @text: one line on why
 *        it ended so, empty with PROBE_FOUND. The probe is freed when done() returns.
 *
 * One command is in flight at a time, 20 or so in all. Unit attentions are taken and the command is
 * sent again; one that tells of another identity starts the run anew (both bounded).
 * Return: 0; -ENOMEM; -ENOTCONN (done() never runs).
 */
int probe_start(struct nexus *nexus,
		void (*done)(enum probe_verdict verdict, const struct unit *unit, const char *text,
			     void *userdata),
		void *userdata, struct probe **ret);

/**
 * probe_start_brief() - only who is behind @nexus, and how large it is
 *
 * As probe_start(), in six commands or so; of the unit's limits only what READ CAPACITY and
 * INQUIRY tell is valid.
 */
int probe_start_brief(struct nexus *nexus,
		      void (*done)(enum probe_verdict verdict, const struct unit *unit,
				   const char *text, void *userdata),
		      void *userdata, struct probe **ret);

/**
 * probe_cancel() - done() will not run; @probe must not be touched again
 *
 * The command in flight is aborted, and its memory freed once it has come back. Harmless inside
 * done(). NULL is fine.
 */
void probe_cancel(struct probe *probe);

/**
 * lun_scan_start() - REPORT LUNS through @nexus (to LUN 0)
 * @nexus: as for probe_start()
 * @done: runs exactly once, never inside this call, and the scan is freed when it returns.
 *        @error: 0; -ENOTCONN, the nexus went down; -ETIMEDOUT, no answer; -EBUSY, the target stays
 *        busy or not ready; -ENOMEM; -EIO, another failure. @luns: 8-byte LUNs as numbers, in the
 *        order given, each once, 16,384 at most; valid during the call. Targets that refuse
 *        REPORT LUNS are reported as LUN 0 alone.
 *
 * Return: 0; -ENOMEM; -ENOTCONN (done() never runs).
 */
int lun_scan_start(struct nexus *nexus,
		   void (*done)(int error, const uint64_t *luns, size_t count, void *userdata),
		   void *userdata, struct lun_scan **ret);

/** lun_scan_cancel() - as probe_cancel() */
void lun_scan_cancel(struct lun_scan *scan);

/** lun_number() - the number Linux gives the 8-byte LUN (by-path names, iscsiadm -P 3) */
uint64_t lun_number(uint64_t lun);
