/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/portal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "iscsi/text_keys.h"

/* An address as 16 bytes, IPv4 in its mapped form, and the interface it is bound to. */
struct numeric {
	struct in6_addr address;
	const char *zone; /* after "%", "" when there is none */
};

static bool numeric_parse(const char *text, struct numeric *ret)
{
	char digits[INET6_ADDRSTRLEN];
	const char *zone = strchr(text, '%');
	size_t length = zone ? (size_t)(zone - text) : strlen(text);
	uint8_t *bytes = ret->address.s6_addr;

	if (length >= sizeof(digits))
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	ret->zone = zone ? zone + 1 : "";

	if (inet_pton(AF_INET6, digits, bytes) == 1)
		return true;
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	return !zone && inet_pton(AF_INET, digits, bytes + 12) == 1;
}

bool portal_address_numeric(const char *address)
{
	struct numeric number;

	return numeric_parse(address, &number);
}

bool portal_address_link_local(const char *address)
{
	struct numeric number;

	return numeric_parse(address, &number) && IN6_IS_ADDR_LINKLOCAL(&number.address);
}

int portal_address_set_zone(char *address, size_t size_bytes, const char *interface)
{
	size_t digits = strcspn(address, "%");

	if (!portal_address_link_local(address))
		return 0;
	if (!*interface)
		return -ENODEV;
	if (digits + 1 + strlen(interface) >= size_bytes)
		return -ENAMETOOLONG;
	address[digits] = '%';
	memcpy(address + digits + 1, interface, strlen(interface) + 1);
	return 0;
}

bool portal_address_equal(const char *a, const char *b)
{
	struct numeric x, y;

	if (numeric_parse(a, &x) && numeric_parse(b, &y))
		return memcmp(&x.address, &y.address, sizeof(x.address)) == 0 &&
		       strcmp(x.zone, y.zone) == 0;
	return strcasecmp(a, b) == 0;
}

bool portal_equal(const struct portal *a, const struct portal *b)
{
	return a->port == b->port && portal_address_equal(a->address, b->address);
}

bool portal_address_unspecified(const char *address)
{
	return portal_address_equal(address, "::") || portal_address_equal(address, "0.0.0.0");
}

/* Letters that may stand in a name or an interface; the address becomes part of file names. */
static bool host_characters(const char *text)
{
	return text[0] != '\0' && text[0] != '.' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
		       strlen(text);
}

static bool valid_address(const char *address, bool v6)
{
	const char *zone = strchr(address, '%');

	if (!v6)
		return host_characters(address);
	return portal_address_numeric(address) && strchr(address, ':') &&
	       (!zone || host_characters(zone + 1));
}

static int parse_port(struct text_span text, uint16_t *port)
{
	uint64_t number;

	if (text_span_number(text, &number) < 0 || number > UINT16_MAX)
		return -EINVAL;
	*port = number == 0 ? PORTAL_PORT_DEFAULT : (uint16_t)number;
	return 0;
}

static int32_t parse_tag(struct text_span text)
{
	uint64_t number;

	if (text_span_number(text, &number) < 0 || number > UINT16_MAX)
		return PORTAL_TAG_UNKNOWN;
	return (int32_t)number;
}

/* Split host[:port]; sets @port to an empty span when there is none. */
static int split_host(struct text_span text, struct text_span *host, struct text_span *port,
		      bool *v6)
{
	const char *end, *colon;

	*port = (struct text_span){};
	*host = text;
	*v6 = text.length > 0 && text.at[0] == '[';
	if (*v6) {
		end = memchr(text.at, ']', text.length);
		if (!end)
			return -EINVAL;
		*host = (struct text_span){text.at + 1, (size_t)(end - text.at) - 1};
		*port = (struct text_span){end + 1, text.length - host->length - 2};
		if (port->length == 0)
			return 0;
		if (port->at[0] != ':' || port->length == 1)
			return -EINVAL;
		*port = (struct text_span){port->at + 1, port->length - 1};
		return 0;
	}

	colon = text.length > 0 ? memchr(text.at, ':', text.length) : NULL;
	if (!colon)
		return 0;
	*v6 = memrchr(text.at, ':', text.length) != colon;
	if (*v6)
		return 0;
	host->length = (size_t)(colon - text.at);
	*port = (struct text_span){colon + 1, text.length - host->length - 1};
	return port->length > 0 ? 0 : -EINVAL;
}

int portal_parse(const char *text, size_t length_bytes, struct portal *ret)
{
	struct portal portal = {.port = PORTAL_PORT_DEFAULT, .tpgt = PORTAL_TAG_UNKNOWN};
	struct text_span tag = {text, length_bytes}, place, host, port;
	bool v6;
	int r;

	if (!text_list_next(&tag, &place))
		return -EINVAL;
	r = split_host(place, &host, &port, &v6);
	if (r < 0)
		return r;

	if (host.length > PORTAL_ADDRESS_MAX || memchr(host.at, '\0', host.length))
		return -EINVAL;
	memcpy(portal.address, host.at, host.length);
	if (!valid_address(portal.address, v6))
		return -EINVAL;
	if (port.length > 0) {
		r = parse_port(port, &portal.port);
		if (r < 0)
			return r;
	}
	if (tag.length > 0)
		portal.tpgt = parse_tag(tag);

	*ret = portal;
	return 0;
}

const char *portal_format(const struct portal *portal, bool tag, char out[PORTAL_TEXT_MAX])
{
	const char *format = strchr(portal->address, ':') ? "[%s]:%u" : "%s:%u";
	int length = snprintf(out, PORTAL_TEXT_MAX, format, portal->address, portal->port);

	if (tag)
		snprintf(out + length, PORTAL_TEXT_MAX - (size_t)length, ",%d", portal->tpgt);
	return out;
}
