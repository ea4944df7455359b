/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * SendTargets over a discovery session that has reached full feature phase, sans I/O (RFC 7143
 * §4.3, appendix C): asks for All, collects the answer over as many PDUs as it takes, logs out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"

struct discovery;

/* One TargetAddress of one target. */
struct discovered_portal {
	char target_name[ISCSI_NAME_MAX + 1];
	char address[256]; /* without brackets; empty: the address that discovery went to */
	uint16_t port;	   /* 0, only without an address: the port that discovery went to */
	int32_t tpgt;	   /* -1 = not told */
};

/* Addresses that are none, or of a target whose name is none. */
struct discovery_skipped {
	unsigned count;
	char names[240]; /* the first of them, fit to be shown: "fe80::, 10.0.0.300" */
};

/** discovery_skip() - one more; @text: @length_bytes bytes of a stranger's */
void discovery_skip(struct discovery_skipped *skipped, const char *text, size_t length_bytes);

enum discovery_state {
	DISCOVERY_SENDING,
	DISCOVERY_RECEIVING,
	DISCOVERY_DONE,	  /* logged out: portals are valid */
	DISCOVERY_FAILED, /* see discovery_failure() */
};

/** discovery_new() - continue a login that is done. Return: 0 or -ENOMEM */
int discovery_new(const struct negotiated *negotiated, const struct login_outcome *outcome,
		  struct discovery **ret);
void discovery_free(struct discovery *discovery);

enum discovery_state discovery_get_state(const struct discovery *discovery);
const void *discovery_output(const struct discovery *discovery, size_t *length_bytes);
void discovery_sent(struct discovery *discovery, size_t length_bytes);
/** discovery_input() - Return: bytes used */
size_t discovery_input(struct discovery *discovery, const void *data, size_t length_bytes);
/**
 * discovery_closed() - the target closed the connection, or its answer to the logout is overdue:
 * that is DISCOVERY_DONE when only the logout was still to be answered, and DISCOVERY_FAILED
 * otherwise
 */
void discovery_closed(struct discovery *discovery);
const char *discovery_failure(const struct discovery *discovery);

/** discovery_portals() - in the order the target gave them; an array that stays the discovery's */
const struct discovered_portal *discovery_portals(const struct discovery *discovery, size_t *count);
/** discovery_skipped() - addresses that were unusable and left out */
const struct discovery_skipped *discovery_skipped(const struct discovery *discovery);

/**
 * discovery_parse() - the text of a SendTargets answer (key=value pairs, each ended by NUL)
 * @portals: the caller's to free(); NULL when there are none
 * @skipped: addresses that were unusable
 *
 * Return: 0; -ENOMEM; -EPROTO when a TargetAddress has no TargetName before it; -E2BIG beyond
 * 65,536 portals.
 */
int discovery_parse(const char *text, size_t length_bytes, struct discovered_portal **portals,
		    size_t *count, struct discovery_skipped *skipped);
