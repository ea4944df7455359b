/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

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
	for (size_t i = 0; i < length; i++)
		out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	out[length] = '\0';
	return 0;
}
