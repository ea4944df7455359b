/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * iscsiadm's command line: getopt_long's rules, one table of options, one table of the letters that
 * each mode takes. Errors are told here, with the words and exit status that scripts know.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/portal.h"

enum mode {
	MODE_NONE,
	MODE_DISCOVERY,
	MODE_DISCOVERYDB,
	MODE_NODE,
	MODE_SESSION,
	MODE_IFACE,
	MODE_FW,
	MODE_HOST,
	MODE_COUNT,
};

/* -o: bits, because it accumulates. */
enum operation {
	OPERATION_NONE = 0,
	OPERATION_NEW = 1 << 0,
	OPERATION_DELETE = 1 << 1,
	OPERATION_UPDATE = 1 << 2,
	OPERATION_SHOW = 1 << 3,
	OPERATION_NON_PERSISTENT = 1 << 4,
	OPERATION_APPLY = 1 << 5,
	OPERATION_APPLY_ALL = 1 << 6,
	OPERATION_LOGIN = 1 << 7,
	OPERATION_LOGOUT = 1 << 8,
};

enum discovery_type {
	DISCOVERY_TYPE_NONE,
	DISCOVERY_TYPE_SENDTARGETS,
	DISCOVERY_TYPE_ISNS,
	DISCOVERY_TYPE_FIRMWARE,
};

enum submode { SUBMODE_NONE, SUBMODE_PING, SUBMODE_CHAP, SUBMODE_FLASHNODE, SUBMODE_STATS };

/* One "-n name -v value". */
struct setting {
	const char *name, *value;
};

#define OPTIONS_IFACES_MAX   8
#define OPTIONS_SETTINGS_MAX 128

/* Strings point into argv. */
struct options {
	enum mode mode;
	const char *mode_word; /* as typed */
	struct portal portal;
	const char *portal_text; /* NULL: no -p */
	const char *target;
	const char *ifaces[OPTIONS_IFACES_MAX];
	unsigned iface_count;
	unsigned operations; /* enum operation */
	enum discovery_type type;
	enum submode submode;
	struct setting settings[OPTIONS_SETTINGS_MAX];
	unsigned setting_count;
	uint32_t sid;	 /* 0: no -r */
	int print_level; /* -1: no -P; acts as 0 */
	bool rescan, discover, login, logout, statistics, show_secrets, no_wait;
	const char *login_all, *logout_all;
};

#define OPTIONS_RUN (-1)

/**
 * options_parse() - read iscsiadm's command line
 * @argv: may be permuted; alive as long as @ret
 * @out, @err: where -h, -V and complaints go
 *
 * Return: OPTIONS_RUN with *@ret filled; otherwise the exit status with which the program ends now.
 */
int options_parse(int argc, char **argv, FILE *out, FILE *err, struct options *ret);

/** options_allowed() - may @letter be used in @mode? */
bool options_allowed(enum mode mode, int letter);

/**
 * options_parse_sid() - session id, or a sysfs path with a component "session<N>"
 * Return: 0; the exit status otherwise (1: neither id nor path, 7: path without session).
 */
int options_parse_sid(const char *text, uint32_t *ret);

/** ISCSIADM_VERSION - the iscsiadm that this one behaves like; in -V and in record headers */
#define ISCSIADM_VERSION "2.1.11"
