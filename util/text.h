/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Text: bounded copies, tables of names, strict numbers, sizes and durations for people, a stable
 * hash, and making text fit to show out of bytes that a stranger sent. Any thread; nothing here
 * keeps state or looks at the locale.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * text_copy() - copy @source, always ended by NUL
 * @size_bytes: of @destination, with the NUL; at least 1
 *
 * Return: true when all of it fitted; false, and what fits stands there (never half a UTF-8
 * character).
 */
bool text_copy(char *destination, size_t size_bytes, const char *source);

bool text_starts_with(const char *text, const char *prefix);
bool text_ends_with(const char *text, const char *suffix);

/** text_trim() - cut blanks (space, tab, CR, LF) off both ends in place; gives the new start */
char *text_trim(char *text);

/* --- names of enum values --- */

struct text_name {
	int value;
	const char *name;
};

/** text_name_of() - @fallback when no row of @table has @value */
const char *text_name_of(const struct text_name *table, size_t count, int value,
			 const char *fallback);
/** text_value_of() - Return: 0; -EINVAL when no row has exactly @name (case counts) */
int text_value_of(const struct text_name *table, size_t count, const char *name, int *ret);

/* --- strict parsing: all of the text, nothing else, no blanks, no plus sign --- */

/** text_parse_u64() - decimal. Return: 0; -EINVAL no such number; -ERANGE outside @min … @max */
int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/** text_parse_i64() - decimal, with a leading minus; otherwise as text_parse_u64() */
int text_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);
/** text_parse_bool() - yes/no, true/false, on/off, 1/0 in any case. Return: 0 or -EINVAL */
int text_parse_bool(const char *text, bool *ret);
/** text_parse_hex() - 1 to 16 hexadecimal digits, with or without "0x". Return: 0 or -EINVAL */
int text_parse_hex(const char *text, uint64_t *ret);
/**
 * text_parse_ms() - "250 ms", "1.5s", "10 min", "2h", "1d"
 * @unit_ms: what a number without unit counts, milliseconds (1000: seconds)
 *
 * Return: 0; -EINVAL; -ERANGE when it does not fit or is finer than 1 ms.
 */
int text_parse_ms(const char *text, uint64_t unit_ms, uint64_t *ret);
/** text_parse_bytes() - "512", "64K", "1.5 GiB": powers of 1024. Return: 0; -EINVAL; -ERANGE */
int text_parse_bytes(const char *text, uint64_t *ret);

/* --- for people; @buffer is given back --- */

#define TEXT_FORMAT_MAX 32 /* bytes that every text_format_…() fits into */

/** text_format_bytes() - "512 B", "10.0 GiB" */
char *text_format_bytes(uint64_t bytes, char buffer[TEXT_FORMAT_MAX]);
/** text_format_ns() - "850 ns", "1.2 ms", "3.0 s", "2 min 5 s", "3 h 20 min", "4 d 7 h" */
char *text_format_ns(uint64_t ns, char buffer[TEXT_FORMAT_MAX]);

/* --- hash --- */

/** text_siphash() - SipHash-2-4 of @length_bytes bytes under a 128-bit key */
uint64_t text_siphash(const uint8_t key[16], const void *data, size_t length_bytes);

/**
 * text_hash() - 64-bit name of a tuple of strings, the same in every run, version and machine
 * @parts: @count strings; NULL counts as ""
 *
 * SipHash-2-4 under a fixed key over every string with its final NUL, so that ("ab", "c") and
 * ("a", "bc") differ. For identities (D-Bus object paths, ISIDs), not against an enemy who may
 * choose the strings and compute for long: whoever uses it for look-up compares the strings too.
 */
uint64_t text_hash(const char *const *parts, size_t count);

/* --- bytes from a stranger --- */

/**
 * text_sanitise() - valid UTF-8 without control characters, out of any bytes
 * @destination: ended by NUL; may be @source
 * @size_bytes: of @destination; at least 1
 *
 * Control characters (C0, DEL, C1), bytes that are not UTF-8, overlong forms, surrogates and what
 * a terminal could be fooled with (bidirectional overrides, line and paragraph separators) become
 * '?'. Ends at a NUL in @source.
 * Return: length of the result, bytes.
 */
size_t text_sanitise(char *destination, size_t size_bytes, const void *source, size_t length_bytes);

/** text_is_printable() - true when text_sanitise() would change nothing */
bool text_is_printable(const char *text);

/* --- hexadecimal --- */

/** text_hex_encode() - lower case, ended by NUL; @text has room for 2 × @length_bytes + 1 */
void text_hex_encode(const void *data, size_t length_bytes, char *text);
/**
 * text_hex_decode() - both cases, no prefix
 * @capacity_bytes: of @data
 *
 * Return: bytes decoded; -EINVAL odd length or another character; -ENOSPC.
 */
int text_hex_decode(const char *text, void *data, size_t capacity_bytes);
