/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What an iSNS server answers a query with: attributes, turned into portals (RFC 4171 §5.7, §6). */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/isns.h"
#include "iscsi/name.h"
#include "iscsi/portal.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PORTALS_MAX 16384u
#define PORT_IS_UDP 0x00010000u /* §6.3.2 */

/*
 * The list while it grows. A portal that cannot be used stands in it without an address until the
 * end, so that group tags come to the portals they belong to.
 */
struct listing {
	struct discovered_portal *portals;
	size_t count, capacity;
	unsigned skipped;
	bool in_node;
	char target_name[ISCSI_NAME_MAX + 1]; /* empty: the name cannot be used */
	size_t first, tagged;		      /* the node's first portal, the next one for a tag */
	char address[INET6_ADDRSTRLEN];	      /* for the port that follows; empty: unusable */
};

/*
 * IPv4 comes in its mapped form (§6.3.1); open-isns writes it with zeros in front (::10.0.0.1). No
 * IPv6 address in use looks like that: ::1 and :: have a zero where IPv4 has its first byte.
 */
static void format_address(const uint8_t bytes[16], char address[INET6_ADDRSTRLEN])
{
	static const uint8_t zeros[16], mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (memcmp(bytes, mapped, 12) == 0 || (memcmp(bytes, zeros, 12) == 0 && bytes[12] != 0))
		inet_ntop(AF_INET, bytes + 12, address, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, bytes, address, INET6_ADDRSTRLEN);
	if (portal_address_unspecified(address))
		address[0] = '\0';
}

static int append(struct listing *listing, const struct discovered_portal *portal)
{
	struct discovered_portal *grown;

	if (listing->count == PORTALS_MAX)
		return -E2BIG;
	if (listing->count == listing->capacity) {
		size_t capacity = MAX(listing->capacity * 2, (size_t)16);

		grown = realloc(listing->portals, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		listing->portals = grown;
		listing->capacity = capacity;
	}
	listing->portals[listing->count++] = *portal;
	return 0;
}

static void end_node(struct listing *listing)
{
	if (listing->in_node && listing->count == listing->first)
		listing->skipped++;
}

static int take_name(struct listing *listing, struct reader value)
{
	size_t length = value.left ? strnlen((const char *)value.at, value.left) : 0;

	end_node(listing);
	listing->in_node = true;
	listing->first = listing->tagged = listing->count;
	listing->target_name[0] = listing->address[0] = '\0';
	if (length > 0 && name_usable((const char *)value.at, length)) {
		memcpy(listing->target_name, value.at, length);
		listing->target_name[length] = '\0';
	}
	return 0;
}

static int take_address(struct listing *listing, struct reader value)
{
	listing->address[0] = '\0';
	if (value.left == 16)
		format_address(value.at, listing->address);
	return 0;
}

static int take_port(struct listing *listing, struct reader value)
{
	uint32_t port = reader_u32(&value);
	struct discovered_portal portal = {.tpgt = PORTAL_TAG_UNKNOWN};

	if (!listing->in_node)
		return -EPROTO;
	if (value.failed || port & PORT_IS_UDP || listing->target_name[0] == '\0' ||
	    listing->address[0] == '\0') {
		listing->skipped++;
	} else {
		text_copy(portal.target_name, sizeof(portal.target_name), listing->target_name);
		text_copy(portal.address, sizeof(portal.address), listing->address);
		portal.port = (uint16_t)port ? (uint16_t)port : PORTAL_PORT_DEFAULT;
	}
	listing->address[0] = '\0';
	return append(listing, &portal);
}

/* An empty tag says that the node cannot be reached over the portal (§5.6.5.2, §6.5.4). */
static int take_tag(struct listing *listing, struct reader value)
{
	struct discovered_portal *portal;
	bool empty = value.left == 0;
	uint32_t tag = reader_u32(&value);

	if (listing->tagged == listing->count)
		return 0;
	portal = &listing->portals[listing->tagged++];
	if (empty)
		portal->address[0] = '\0';
	else if (!value.failed)
		portal->tpgt = (uint16_t)tag;
	return 0;
}

/* The rest is passed over: the message key, the delimiter, what nobody asked for. */
static const struct {
	uint32_t tag;
	int (*read)(struct listing *listing, struct reader value);
} attributes_taken[] = {
	{ISNS_TAG_ISCSI_NAME, take_name},
	{ISNS_TAG_PORTAL_ADDRESS, take_address},
	{ISNS_TAG_PORTAL_PORT, take_port},
	{ISNS_TAG_PORTAL_GROUP, take_tag},
};

static int take_attribute(struct listing *listing, struct reader *reader)
{
	uint32_t tag = reader_u32(reader), length = reader_u32(reader);
	struct reader value = reader_sub(reader, length);

	if (reader->failed || length % 4 != 0)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(attributes_taken); i++)
		if (attributes_taken[i].tag == tag)
			return attributes_taken[i].read(listing, value);
	return 0;
}

static size_t compact(struct discovered_portal *portals, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (portals[i].address[0] != '\0') {
			if (kept != i)
				portals[kept] = portals[i];
			kept++;
		}
	return kept;
}

int isns_parse(const void *attributes, size_t length_bytes, struct discovered_portal **portals,
	       size_t *count, unsigned *skipped)
{
	struct reader reader = reader_of(attributes, length_bytes);
	struct listing listing = {};
	int r = 0;

	while (r == 0 && reader.left > 0)
		r = take_attribute(&listing, &reader);
	if (r < 0) {
		free(listing.portals);
		return r;
	}
	end_node(&listing);
	*portals = listing.portals;
	*count = compact(listing.portals, listing.count);
	*skipped = listing.skipped;
	return 0;
}
