/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "util/cleanup.h"
#include "util/text.h"

static bool usable_ascii(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-.:_", c));
}

bool name_usable(const char *name, size_t length_bytes)
{
	char copy[ISCSI_NAME_MAX + 1];

	if (length_bytes == 0 || length_bytes > ISCSI_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < length_bytes; i++) {
		if ((unsigned char)name[i] < 0x80 && !usable_ascii(name[i]))
			return false;
	}
	memcpy(copy, name, length_bytes);
	copy[length_bytes] = '\0';
	return text_is_printable(copy);
}

static size_t count_digits(const char *text)
{
	size_t n = 0;

	while (text[n] >= '0' && text[n] <= '9')
		n++;
	return n;
}

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdefABCDEF") == length;
}

/* "yyyy-mm." of a month that exists, then a domain that has a first letter */
static bool is_dated_domain(const char *text)
{
	int month;

	if (count_digits(text) != 4 || text[4] != '-' || count_digits(text + 5) != 2 ||
	    text[7] != '.')
		return false;
	month = (text[5] - '0') * 10 + text[6] - '0';
	return month >= 1 && month <= 12 && text[8] != '\0' && text[8] != '.' && text[8] != ':';
}

enum name_format name_get_format(const char *name)
{
	if (strncasecmp(name, "iqn.", 4) == 0 && is_dated_domain(name + 4))
		return NAME_IQN;
	if (strncasecmp(name, "eui.", 4) == 0 && is_hex(name + 4, 16))
		return NAME_EUI;
	if (strncasecmp(name, "naa.", 4) == 0 && (is_hex(name + 4, 16) || is_hex(name + 4, 32)))
		return NAME_NAA;
	return NAME_OTHER;
}

/*
 * Characters that stringprep with the profile of RFC 3722 maps to themselves, and that compose with
 * nothing before them, so that a string of them is in Normalization Form C. tests/style/names.py
 * compares this with Unicode 3.2, on which the profile is based.
 */
static const struct {
	uint32_t first, last;
} prepared[] = {
	{0x00e0, 0x00f6}, /* Latin */
	{0x00f8, 0x00ff}, /* Latin */
	{0x03b1, 0x03c1}, /* Greek */
	{0x03c3, 0x03c9}, /* Greek */
	{0x0430, 0x045f}, /* Cyrillic */
	{0x0561, 0x0586}, /* Armenian */
	{0x0905, 0x0939}, /* Devanagari */
	{0x0e01, 0x0e30}, /* Thai */
	{0x10d0, 0x10f8}, /* Georgian */
	{0x1780, 0x17b3}, /* Khmer */
	{0x3041, 0x3096}, /* Hiragana */
	{0x30a1, 0x30fa}, /* Katakana */
	{0x3105, 0x312c}, /* Bopomofo */
	{0x3400, 0x4db5}, /* CJK */
	{0x4e00, 0x9fa5}, /* CJK */
	{0xac00, 0xd7a3}, /* Hangul */
};

/* Decode one character of well-formed UTF-8. */
static uint32_t take_character(const char **at)
{
	const unsigned char *bytes = (const unsigned char *)*at;
	unsigned length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	uint32_t character = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);

	for (unsigned i = 1; i < length; i++)
		character = character << 6 | (bytes[i] & 0x3fu);
	*at += length;
	return character;
}

static bool is_prepared(uint32_t character)
{
	if (character < 0x80)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(prepared); i++)
		if (character >= prepared[i].first && character <= prepared[i].last)
			return true;
	return false;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool name_equal(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

int name_normalise(const char *text, char out[ISCSI_NAME_MAX + 1])
{
	size_t length;

	text += strspn(text, " \t\r\n");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		length--;

	if (length > ISCSI_NAME_MAX)
		return -ENAMETOOLONG;
	if (!name_usable(text, length))
		return -EINVAL;
	for (const char *at = text; at < text + length;)
		if (!is_prepared(take_character(&at)))
			return -EILSEQ;
	for (size_t i = 0; i < length; i++)
		out[i] = lower(text[i]);
	out[length] = '\0';
	return 0;
}
