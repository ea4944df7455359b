/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What becomes of a node record when a discovery finds its portal: a new one out of the defaults,
 * or the one that is there with what the discovery knows better and everything else as somebody
 * has set it (docs/decisions/0007). Plain functions. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

struct error;
struct node_key;
struct record;

/* What to do about a portal that was found. */
enum discovered_plan {
	DISCOVERED_LEAVE,   /* nothing is written */
	DISCOVERED_MAKE,    /* a record out of the defaults, in place of one that may be there */
	DISCOVERED_REFRESH, /* the settings stay, the facts are brought up to date */
	DISCOVERED_PLAN_COUNT,
};

/** discovered_plan_of() - @operations: enum discovery_operation; @exists: there is a record */
enum discovered_plan discovered_plan_of(unsigned operations, bool exists);

/* Where and how it was found: node.discovery_address, _port and _type. */
struct discovered_origin {
	const char *type, *address;
	uint16_t port;
};

/**
 * discovered_record_make() - a new record for what was found
 * @defaults: of iscsid.conf
 * @asked: the discovery address' own record, whose node.* keys come before those; may be NULL
 * @iface: the interface record that the node is bound to; NULL for the default one
 *
 * Return: 0; -1 with @error set.
 */
int discovered_record_make(const struct record *defaults, const struct record *asked,
			   const struct record *iface, const struct node_key *key,
			   const struct discovered_origin *origin, struct record **ret,
			   struct error *error);

/**
 * discovered_record_refresh() - @existing with the facts that the discovery knows better
 * @key: a portal group that is not known keeps the one of @existing
 *
 * The portal group tag is the target's to say. How it was found follows the last discovery, except
 * for records that somebody made by hand, and for those of the firmware: they are not a
 * discovery's to delete later.
 * Return: 0; -1 with @error set.
 */
int discovered_record_refresh(const struct record *existing, const struct node_key *key,
			      const struct discovered_origin *origin, struct record **ret,
			      struct error *error);

/** discovered_record_bind() - copy every key of the interface record @iface into @record; NULL:
 * those of the default interface. Return: 0; -1 with @error set */
int discovered_record_bind(struct record *record, const struct record *iface, struct error *error);
