/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a user types for a portal: "host", "host:port", "host:port,tpgt", "host,tpgt", "[v6]",
 * "[v6]:port,tpgt", a bare IPv6 address; and how listings print one. Pure text, no look-ups.
 */

#include <stddef.h>
#include <stdint.h>

#define PORTAL_DEFAULT_PORT 3260 /* RFC 7143 §4.1: iscsi-target */
#define PORTAL_UNKNOWN_TPGT (-1)

struct portal {
	char address[256]; /* as typed, without brackets */
	uint16_t port;
	int32_t tpgt; /* PORTAL_UNKNOWN_TPGT when not given */
};

/**
 * portal_parse() - @default_port when @text names none
 *
 * Return: 0; -EINVAL, and *@ret untouched, for anything else than the forms above.
 */
int portal_parse(const char *text, uint16_t default_port, struct portal *ret);

#define PORTAL_TEXT_MAX 272 /* bytes: address, brackets, colon, port, NUL */

/**
 * portal_format() - "1.2.3.4:3260", "[fe80::1]:3260"; @text is given back
 *
 * Brackets stand around every address without a dot, also around a host name, because the programs
 * that read iscsiadm's listings know it so.
 */
char *portal_format(const char *address, uint16_t port, char text[PORTAL_TEXT_MAX]);
