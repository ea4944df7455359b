/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One discovery from request to answer: manager_discovery.c leads it and keeps the records,
 * discovery_ways.c knows whom each kind asks, and how. Nobody else includes this.
 */

#include "daemon/discovery_job.h"
#include "daemon/firmware.h"
#include "daemon/isns_job.h"
#include "daemon/manager_private.h"

struct discovery_work {
	struct list link; /* in manager.discoveries */
	struct manager *manager;
	struct discovery_request request;
	struct record *record; /* of the discovery address */
	char (*ifaces)[65];
	unsigned iface_count, iface_next;
	struct discovery_job *job;
	struct isns_job *isns;
	struct firmware *firmware;
	unsigned firmware_targets[FIRMWARE_TARGETS_MAX]; /* of each result */
	struct record_change *details;			 /* of all results */

	struct discovery_result *results;
	size_t count;
	struct error error; /* of the last interface that failed */
	unsigned succeeded;
	manager_discovered *done;
	void *userdata;
};

/* How the kinds differ. */
struct discovery_way {
	const char *type; /* node.discovery_type */
	uint16_t port;	  /* when none is said; 0: there is no address to ask */
	/** have the address' own record ready. NULL: it has none */
	int (*prepare)(struct discovery_work *work, struct error *error);
	/**
	 * ask over one interface; ends in discovery_next(), now or later
	 * @iface: its record, NULL for the default one
	 * Return: 0; -errno: then it has not begun
	 */
	int (*ask)(struct discovery_work *work, const char *name, const struct record *iface);
	/**
	 * what a record holds beyond the portal. NULL: nothing
	 * @fresh: the record is a new one; otherwise one of this kind, with settings to be kept
	 */
	int (*fill)(struct discovery_work *work, size_t result, struct record *record, bool fresh,
		    struct error *error);
};
extern const struct discovery_way discovery_ways[DISCOVERY_KIND_COUNT];

/** discovery_add() - one line more of the answer, unless it is there already */
void discovery_add(struct discovery_work *work, const struct discovered_portal *portal,
		   const char *iface);
/**
 * discovery_found() - the answer that came over the interface that was asked last
 * @interface: of the network, to which its link-local addresses belong; "" when not known
 */
void discovery_found(struct discovery_work *work, const struct discovered_portal *portals,
		     size_t count, const struct discovery_skipped *skipped, const char *interface);
/** discovery_failed() - or why there was none */
void discovery_failed(struct discovery_work *work, enum error_code code, const char *text);
/** discovery_next() - ask over the next interface, or end; @work may be gone afterwards */
void discovery_next(struct discovery_work *work);
