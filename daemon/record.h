/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A record: the settings of one node, discovery address or interface as open-iscsi keeps them, a
 * list of "key = value" in a fixed order. Which keys there are, with type, default, masking and
 * whether they can be changed, is one table per kind of record. Keys starting with "hawser." carry
 * what open-iscsi has no word for; they are kept in the same file. Control thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;
struct record;

enum record_kind {
	RECORD_NODE,
	RECORD_SENDTARGETS,
	RECORD_ISNS,
	RECORD_IFACE,
	RECORD_KIND_COUNT,
};

/* What is written behind "# BEGIN RECORD": the release of open-iscsi whose keys these are. */
#define RECORD_FORMAT_VERSION "2.1.11"

/** record_new() - all keys at their built-in defaults. Return: 0 or -ENOMEM */
int record_new(enum record_kind kind, struct record **ret);
/** record_copy() - Return: 0 or -ENOMEM */
int record_copy(const struct record *record, struct record **ret);
/** record_free() - wipes secrets; NULL is fine */
void record_free(struct record *record);

/** record_equal() - the same kind, and the same value under every key */
bool record_equal(const struct record *a, const struct record *b);

enum record_kind record_get_kind(const struct record *record);

/** record_get() - value of @key as text ("" when empty); NULL for a key that does not exist */
const char *record_get(const struct record *record, const char *key);
/** record_get_number() - as a number, clamped into the key's range; 0 for an unknown key and for an
 * empty hawser.* key, which means "as hawser.conf says": look at record_get() first */
int64_t record_get_number(const struct record *record, const char *key);
/** record_get_bool() - "Yes" is true */
bool record_get_bool(const struct record *record, const char *key);

/* How strict record_set() is. */
enum record_origin {
	/* -o update: lookup keys refused; error texts as iscsiadm's. A number must be one (iscsiadm
	 * takes any text for 0, which as replacement_timeout means "fail at once"), its range is
	 * looked at only when it is used. */
	RECORD_FROM_USER,
	/* what a file may hold: unknown keys are kept, garbage for a number is 0, a word that a key
	 * does not know leaves it as it was */
	RECORD_FROM_FILE,
	RECORD_INTERNAL, /* as from the user, and lookup keys allowed */
};

/**
 * record_set() - change one value
 * @value: "" clears a text; at most 255 bytes, no control characters, no blank at either end: those
 *         would not come back from the file as they were
 *
 * Return: 0; -1 with @error set (ERROR_INVALID_ARGUMENT) and nothing changed. Its text can be two
 * lines with '\n' between, where iscsiadm prints two.
 */
int record_set(struct record *record, const char *key, const char *value, enum record_origin origin,
	       struct error *error);

/**
 * record_at() - the @index-th key in the order in which iscsiadm shows them
 * @value: "" is shown as "<empty>"
 * @secret: set to true when the value must be masked
 *
 * hawser.* keys come last and only when set; keys that we do not know are not shown.
 * Return: false behind the last one.
 */
bool record_at(const struct record *record, size_t index, const char **key, const char **value,
	       bool *secret);

/**
 * record_read() - values out of open-iscsi's text, into @record
 * @name: of the file, for error texts
 * @strict: unknown keys are errors (listing); otherwise they are kept and written back unchanged
 *
 * A text without its "# BEGIN RECORD" and "# END RECORD" lines is damaged, and so is one with
 * anything but comments outside of them, a line without "=", an overlong line or value, a control
 * character.
 * Return: 0; -1 with @error set (ERROR_INVALID_ARGUMENT; ERROR_NO_MEMORY) and @record unchanged,
 * never half read.
 */
int record_read(struct record *record, const char *text, size_t length_bytes, const char *name,
		bool strict, struct error *error);

/** record_write() - open-iscsi's file format, file order, empty values left out; secrets in clear.
 * Return: 0; -EIO when @file had an error */
int record_write(const struct record *record, FILE *file);
