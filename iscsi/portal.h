/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Network portals as text: host[:port][,tag], where host is a name, a dotted IPv4 address or an
 * IPv6 address in brackets (RFC 7143 §13.8). Nothing here asks a resolver.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTAL_PORT_DEFAULT 3260 /* never 860 (§13.8) */
#define PORTAL_TAG_UNKNOWN  (-1)
#define PORTAL_ADDRESS_MAX  255 /* bytes */
#define PORTAL_TEXT_MAX	    (PORTAL_ADDRESS_MAX + 2 + 6 + 6 + 1)

struct portal {
	char address[PORTAL_ADDRESS_MAX + 1]; /* without brackets */
	uint16_t port;
	int32_t tpgt; /* target portal group tag; PORTAL_TAG_UNKNOWN */
};

/**
 * portal_parse() - read one
 * @text: @length_bytes bytes, no NUL needed
 *
 * Accepted beyond the standard, as people and targets write them: an IPv6 address without brackets
 * (then without a port), an interface after "%", port 0 (the default is taken), and a tag that is
 * no number of 16 bits, such as -1 (unknown). Return: 0; -EINVAL.
 */
int portal_parse(const char *text, size_t length_bytes, struct portal *ret);

/**
 * portal_format() - "address:port", or "[address]:port" when it has a colon; with @tag ",tag" too
 * Return: @out, which holds PORTAL_TEXT_MAX bytes
 */
const char *portal_format(const struct portal *portal, bool tag, char out[PORTAL_TEXT_MAX]);

/**
 * portal_address_equal() - numbers are compared as numbers (fe80::1 and FE80:0::1; 10.0.0.1 and
 * ::ffff:10.0.0.1), names without regard to case
 */
bool portal_address_equal(const char *a, const char *b);

/** portal_equal() - same address and port; tags do not count */
bool portal_equal(const struct portal *a, const struct portal *b);

/** portal_address_link_local() - fe80::/10, which means nothing without an interface? */
bool portal_address_link_local(const char *address);

/**
 * portal_address_set_zone() - a link-local address is one of this interface
 * @address: changed in place; of @size_bytes. Another zone in it, which was somebody else's name
 *           for an interface of theirs, is replaced
 *
 * Return: 0, also for any other address, which stays; -ENODEV when @interface is "" and it would be
 * needed; -ENAMETOOLONG.
 */
int portal_address_set_zone(char *address, size_t size_bytes, const char *interface);

/** portal_address_unspecified() - 0.0.0.0 or :: ? */
bool portal_address_unspecified(const char *address);

/** portal_address_numeric() - an IPv4 or IPv6 address rather than a name? */
bool portal_address_numeric(const char *address);
