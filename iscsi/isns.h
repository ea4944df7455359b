/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Asking an iSNS server which targets this initiator may see, sans I/O (RFC 4171): one Device
 * Attribute Query over TCP. A server that only answers nodes it knows is told our name first, and
 * asked to forget it afterwards.
 */

#include <stddef.h>
#include <stdint.h>

#include "iscsi/discovery.h"

#define ISNS_PORT_DEFAULT 3205 /* §2.9 */

/* Attributes that we ask for or tell (§6.1). */
enum isns_tag {
	ISNS_TAG_DELIMITER = 0,
	ISNS_TAG_PORTAL_ADDRESS = 16,
	ISNS_TAG_PORTAL_PORT = 17,
	ISNS_TAG_ISCSI_NAME = 32,
	ISNS_TAG_NODE_TYPE = 33,
	ISNS_TAG_PORTAL_GROUP = 51,
};

struct isns_query;

enum isns_state {
	ISNS_SENDING,
	ISNS_RECEIVING,
	ISNS_DONE,   /* portals are valid */
	ISNS_FAILED, /* see isns_failure() */
};

/**
 * isns_query_new() - begin, on a connection that is established
 * @initiator_name: the source of the query, which decides what the server shows (§5.6.1)
 *
 * Return: 0; -EINVAL for a name that is none; -ENOMEM.
 */
int isns_query_new(const char *initiator_name, struct isns_query **ret);
void isns_query_free(struct isns_query *query);

enum isns_state isns_get_state(const struct isns_query *query);
const void *isns_output(const struct isns_query *query, size_t *length_bytes);
void isns_sent(struct isns_query *query, size_t length_bytes);
/** isns_input() - Return: bytes used; fewer than given once it is done or has failed */
size_t isns_input(struct isns_query *query, const void *data, size_t length_bytes);
/**
 * isns_closed() - the server closed the connection, or its answer is overdue: ISNS_DONE when only
 * the deregistration was still to be answered, ISNS_FAILED otherwise
 */
void isns_closed(struct isns_query *query);
/** isns_failure() - one sentence about the server; it continues no other */
const char *isns_failure(const struct isns_query *query);

/** isns_portals() - in the order the server gave them; an array that stays the query's */
const struct discovered_portal *isns_portals(const struct isns_query *query, size_t *count);
/** isns_skipped() - targets without a portal, and portals that cannot be used */
unsigned isns_skipped(const struct isns_query *query);

/**
 * isns_parse() - the attributes of a Device Attribute Query Response, after its status (§5.7)
 * @portals: the caller's to free(); NULL when there are none
 * @skipped: as isns_skipped()
 *
 * Return: 0; -ENOMEM; -EBADMSG when an attribute does not fit or is not aligned; -EPROTO when a
 * portal has no node before it; -E2BIG beyond 16,384 portals.
 */
int isns_parse(const void *attributes, size_t length_bytes, struct discovered_portal **portals,
	       size_t *count, unsigned *skipped);

/** isns_status_name() - the standard's words for a response status (§5.4), also for reserved ones
 */
const char *isns_status_name(uint32_t status);
