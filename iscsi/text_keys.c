/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/text_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define CAPACITY_FIRST 1024u

void text_keys_init(struct text_keys *text, size_t limit_bytes)
{
	*text = (struct text_keys){.limit = limit_bytes};
}

void text_keys_deinit(struct text_keys *text)
{
	text_keys_clear(text);
	free(text->bytes);
	*text = (struct text_keys){.limit = text->limit};
}

void text_keys_clear(struct text_keys *text)
{
	if (text->bytes)
		explicit_bzero(text->bytes, text->length);
	text->length = 0;
	text->error = 0;
}

/* No realloc(): it could leave a copy behind that nobody wipes. */
static int grow(struct text_keys *text, size_t needed)
{
	size_t capacity = text->capacity ? text->capacity : CAPACITY_FIRST;
	char *bytes;

	if (needed <= text->capacity)
		return 0;
	while (capacity < needed)
		capacity *= 2;
	capacity = MIN(capacity, text->limit);

	bytes = malloc(capacity);
	if (!bytes)
		return -ENOMEM;
	if (text->length > 0) {
		memcpy(bytes, text->bytes, text->length);
		explicit_bzero(text->bytes, text->length);
	}
	free(text->bytes);
	text->bytes = bytes;
	text->capacity = capacity;
	return 0;
}

int text_keys_append(struct text_keys *text, const void *bytes, size_t length_bytes)
{
	if (text->error < 0 || length_bytes == 0)
		return text->error;

	if (length_bytes > text->limit - text->length)
		text->error = -E2BIG;
	else
		text->error = grow(text, text->length + length_bytes);
	if (text->error < 0)
		return text->error;

	memcpy(text->bytes + text->length, bytes, length_bytes);
	text->length += length_bytes;
	return 0;
}

void text_keys_add_answer(struct text_keys *text, struct text_span key, const char *value)
{
	text_keys_append(text, key.at, key.length);
	text_keys_append(text, "=", 1);
	text_keys_append(text, value, strlen(value) + 1);
}

void text_keys_add(struct text_keys *text, const char *key, const char *value)
{
	text_keys_add_answer(text, text_span_of(key), value);
}

void text_keys_add_number(struct text_keys *text, const char *key, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	text_keys_add(text, key, digits);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * "A standard-label MUST begin with a capital letter and must not exceed 63 characters" (§6.1). A
 * small first letter is let through: it is a key that we do not know, not a reason to hang up. "#"
 * is there for X#NodeArchitecture.
 */
static bool is_key_name(struct text_span key)
{
	if (key.length == 0 || key.length > TEXT_KEY_NAME_MAX || !is_letter(key.at[0]))
		return false;
	for (size_t i = 0; i < key.length; i++) {
		char c = key.at[i];

		if (!is_letter(c) && !is_digit(c) && !(c != '\0' && strchr(".-+@_#", c)))
			return false;
	}
	return true;
}

/* Cut @text at the first @separator, which belongs to neither part; true when there was one. */
static bool cut(struct text_span *text, char separator, struct text_span *front)
{
	const char *found = text->length > 0 ? memchr(text->at, separator, text->length) : NULL;

	*front = *text;
	if (found)
		front->length = (size_t)(found - text->at);
	text->at += front->length + (found ? 1 : 0);
	text->length -= front->length + (found ? 1 : 0);
	return found;
}

int text_pair_next(struct text_span *text, struct text_pair *pair)
{
	struct text_span line;

	do {
		if (text->length == 0)
			return 0;
		cut(text, '\0', &line);
	} while (line.length == 0);

	if (!cut(&line, '=', &pair->key) || !is_key_name(pair->key))
		return -EBADMSG;
	pair->value = line;
	return 1;
}

bool text_list_next(struct text_span *list, struct text_span *value)
{
	if (list->length == 0)
		return false;
	cut(list, ',', value);
	return true;
}

bool text_list_contains(struct text_span list, struct text_span value)
{
	struct text_span item;

	while (text_list_next(&list, &item)) {
		if (item.length == value.length && memcmp(item.at, value.at, item.length) == 0)
			return true;
	}
	return false;
}

bool text_span_is(struct text_span text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.at, string, text.length) == 0;
}

struct text_span text_span_of(const char *string)
{
	return (struct text_span){string, strlen(string)};
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16; /* no digit in either base */
}

int text_span_number(struct text_span text, uint64_t *ret)
{
	uint64_t number = 0;
	int base = 10;

	if (text.length > 2 && text.at[0] == '0' && (text.at[1] == 'x' || text.at[1] == 'X')) {
		base = 16;
		text.at += 2;
		text.length -= 2;
	} else if (text.length == 0 || (text.at[0] == '0' && text.length > 1)) {
		return -EINVAL;
	}

	for (size_t i = 0; i < text.length; i++) {
		int digit = digit_value(text.at[i]);

		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(number, (uint64_t)base, &number) ||
		    __builtin_add_overflow(number, (uint64_t)digit, &number))
			return -ERANGE;
	}
	*ret = number;
	return 0;
}
