/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The run of commands that turns a nexus into a known logical unit, and the list of logical units
 * behind a target. Both only send commands and call back; they run on the nexus's thread.
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
	PROBE_FOUND,      /* unit is valid */
	PROBE_NO_DISK,    /* something answers, but it is no block device we may use (a controller,
	                     a well-known unit, LUNZ, qualifier 1 or 3) */
	PROBE_NO_IDENTITY, /* a disk that cannot tell who it is: using it could mean the wrong disk */
	PROBE_NOT_READY,  /* it stayed not ready for the time given */
	PROBE_FAILED,     /* the nexus went away, or the device broke the rules; see text */
};

/**
 * probe_start() - learn what is behind @nexus
 * @nexus: must be up; when it goes down the probe ends with PROBE_FAILED
 * @ready_timeout_ms: how long NOT READY and BUSY are waited for (polled without sleeping: the
 *                    probe re-sends when the previous answer came; the caller owns the clock by
 *                    @now_ns)
 * @done: runs exactly once, never inside this call; @unit is valid during the call with PROBE_FOUND
 *
 * Return: 0; -ENOMEM; -ENOTCONN (done() never runs).
 */
int probe_start(struct nexus *nexus, uint32_t ready_timeout_ms,
		void (*done)(enum probe_verdict verdict, const struct unit *unit, const char *text,
			     void *userdata),
		void *userdata, struct probe **ret);

/** probe_cancel() - done() will not run; commands in flight are waited for internally */
void probe_cancel(struct probe *probe);

/**
 * lun_scan_start() - REPORT LUNS through @nexus (to LUN 0)
 * @done: @luns: 8-byte LUNs as numbers, in the order given; @error 0 or -errno. Targets without
 *        REPORT LUNS are reported as LUN 0 alone.
 */
int lun_scan_start(struct nexus *nexus,
		   void (*done)(int error, const uint64_t *luns, size_t count, void *userdata),
		   void *userdata, struct lun_scan **ret);
void lun_scan_cancel(struct lun_scan *scan);

/** lun_number() - the number Linux gives the 8-byte LUN (by-path names, iscsiadm -P 3) */
uint64_t lun_number(uint64_t lun);

/** unit_identity_equal() - do both tell of the same logical unit? */
bool unit_identity_equal(const struct unit_identity *a, const struct unit_identity *b);
/** unit_geometry_equal() - same size and block size: paths that differ must not be merged */
bool unit_geometry_equal(const struct unit_limits *a, const struct unit_limits *b);
