/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Which keys a record has: one table per kind of record, in the order in which iscsiadm shows them.
 * For daemon/record.c.
 */

#include <stddef.h>
#include <stdint.h>

enum record_key_type {
	KEY_TEXT,
	KEY_SECRET, /* text that is masked, and wiped after use */
	KEY_NUMBER,
	KEY_CHOICE,	/* one of @choices, in exactly these letters */
	KEY_ALGORITHMS, /* list of CHAP algorithms in order of preference */
};

enum record_key_flag {
	KEY_LOOKUP = 1, /* names the record: no update changes it */
	KEY_IFACE = 2,	/* copied from the interface: in a node changed through iface mode only */
	KEY_IPV4 = 4,	/* shown unless the interface is IPv6 */
	KEY_IPV6 = 8,	/* shown when the interface is IPv6 */
	KEY_FILE_HEAD = 16, /* in a node's file among the first of the interface's keys */
	KEY_ZERO = 32,	    /* 0 has a meaning of its own, outside the range */
	KEY_HAWSER = 64,    /* not open-iscsi's: empty means "as hawser.conf says", and not shown */
	KEY_MAY_CHANGE = 128, /* overrides KEY_IFACE in a node */
};

struct record_key {
	const char *name;
	enum record_key_type type;
	const char *default_value;
	unsigned flags;		    /* enum record_key_flag */
	int64_t min, max;	    /* of numbers, for use; what is stored may lie outside */
	const char *const *choices; /* NULL-terminated */
};

struct record_table {
	const struct record_key *keys;
	size_t count;
	const char *const
		*file_head; /* names of the KEY_FILE_HEAD keys in the file's order; NULL ends */
};

/* The keys of each kind of record. */
extern const struct record_table record_table_node, record_table_sendtargets, record_table_isns,
	record_table_iface;

/** record_key_alias() - today's name of a key that older releases wrote under another; or @name */
const char *record_key_alias(const char *name);
