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
	RECORD_IFACE,
	RECORD_KIND_COUNT,
};

/** record_new() - all keys at their built-in defaults. Return: 0 or -ENOMEM */
int record_new(enum record_kind kind, struct record **ret);
int record_copy(const struct record *record, struct record **ret);
/** record_free() - wipes secrets; NULL is fine */
void record_free(struct record *record);

enum record_kind record_get_kind(const struct record *record);

/** record_get() - value of @key as text ("" when empty); NULL for a key that does not exist */
const char *record_get(const struct record *record, const char *key);
/** record_get_number() - as a number, clamped into the key's range; 0 for an unknown key */
int64_t record_get_number(const struct record *record, const char *key);
/** record_get_bool() - "Yes" is true */
bool record_get_bool(const struct record *record, const char *key);

/* How strict record_set() is. */
enum record_origin {
	RECORD_FROM_USER, /* -o update: lookup keys refused, values checked; error texts as iscsiadm's */
	RECORD_FROM_FILE, /* everything that the file may hold */
	RECORD_INTERNAL,  /* lookup keys allowed */
};

/** record_set() - Return: 0; -1 with @error set (ERROR_INVALID_ARGUMENT) and nothing changed */
int record_set(struct record *record, const char *key, const char *value, enum record_origin origin,
	       struct error *error);

/**
 * record_at() - the @index-th key in the order in which iscsiadm shows them
 * @secret: set to true when the value must be masked
 * Return: false behind the last one.
 */
bool record_at(const struct record *record, size_t index, const char **key, const char **value,
	       bool *secret);

/**
 * record_read() - values out of open-iscsi's text, into @record
 * @name: of the file, for error texts
 * @strict: unknown keys are errors (listing); otherwise they are kept and written back unchanged
 *
 * A text without its "# BEGIN RECORD" and "# END RECORD" lines is damaged: -1, never a half record.
 */
int record_read(struct record *record, const char *text, size_t length_bytes, const char *name,
		bool strict, struct error *error);

/** record_write() - open-iscsi's file format; secrets in clear. Return: 0 or -errno */
int record_write(const struct record *record, FILE *file);

