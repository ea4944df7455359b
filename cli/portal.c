/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/portal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

static int parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	return text_parse_u64(text, 0, max, ret) < 0 ? -EINVAL : 0;
}

/* Splits "[address]rest"; without brackets two colons or more are all part of an IPv6 address. */
static int split_address(char *text, char **address, char **port)
{
	char *end;

	*port = NULL;
	*address = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		*address = text + 1;
		if (end[1] == ':')
			*port = end + 2;
		*end = '\0';
		return 0;
	}
	end = strchr(text, ':');
	if (end && !strchr(end + 1, ':')) {
		*end = '\0';
		*port = end + 1;
	}
	return 0;
}

int portal_parse(const char *text, uint16_t default_port, struct portal *ret)
{
	struct portal portal = {.port = default_port, .tpgt = PORTAL_UNKNOWN_TPGT};
	char buffer[PORTAL_TEXT_MAX + 8];
	char *address, *port, *tpgt;
	uint64_t number;

	if (!text_copy(buffer, sizeof(buffer), text))
		return -EINVAL;
	tpgt = strchr(buffer, ',');
	if (tpgt) {
		*tpgt++ = '\0';
		if (parse_number(tpgt, UINT16_MAX, &number) < 0)
			return -EINVAL;
		portal.tpgt = (int32_t)number;
	}
	if (split_address(buffer, &address, &port) < 0)
		return -EINVAL;
	if (port) {
		if (parse_number(port, UINT16_MAX, &number) < 0 || number == 0)
			return -EINVAL;
		portal.port = (uint16_t)number;
	}
	if (*address == '\0' || !text_is_printable(address) ||
	    !text_copy(portal.address, sizeof(portal.address), address))
		return -EINVAL;
	*ret = portal;
	return 0;
}

char *portal_format(const char *address, uint16_t port, char text[PORTAL_TEXT_MAX])
{
	const char *dot = strchr(address, '.'), *zone = strchr(address, '%');
	/* a dot in the name of an interface ("eth0.5") makes no IPv4 address */
	const char *form = dot && (!zone || dot < zone) ? "%.255s:%u" : "[%.255s]:%u";

	snprintf(text, PORTAL_TEXT_MAX, form, address, port);
	return text;
}
