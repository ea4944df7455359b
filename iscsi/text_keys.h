/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Text of login and text negotiation: key=value pairs, each ended by one NUL (RFC 7143 §6.1). A
 * logical text may come in several PDUs, split anywhere (C bit); it is collected first and read as
 * a whole. Nothing here knows what a key means.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_KEYS_LOGIN_MAX 65536u /* bytes of one logical text that we take at login */
#define TEXT_KEY_NAME_MAX   63u	   /* bytes, §6.1 */
#define TEXT_VALUE_MAX	    255u   /* bytes of a simple value, §6.1 */

/** struct text_span - bytes inside somebody else's text; no NUL at the end */
struct text_span {
	const char *at;
	size_t length; /* bytes */
};

struct text_pair {
	struct text_span key, value;
};

/** struct text_keys - a logical text that is being collected or built; embed and text_keys_init()
 */
struct text_keys {
	char *bytes;
	size_t length, capacity, limit; /* bytes */
	int error;			/* sticky: -E2BIG or -ENOMEM */
};

/** text_keys_init() - empty; it will not grow beyond @limit_bytes */
void text_keys_init(struct text_keys *text, size_t limit_bytes);
/** text_keys_deinit() - wipes and frees; safe twice */
void text_keys_deinit(struct text_keys *text);
/** text_keys_clear() - wipes; the text is empty and without error again */
void text_keys_clear(struct text_keys *text);

/** text_keys_append() - bytes of one PDU. Return: 0; -E2BIG beyond the limit; -ENOMEM; both stay */
int text_keys_append(struct text_keys *text, const void *bytes, size_t length_bytes);
/** text_keys_add() - one pair with its NUL; a failure stays in @text->error */
void text_keys_add(struct text_keys *text, const char *key, const char *value);
void text_keys_add_number(struct text_keys *text, const char *key, uint64_t value);
/** text_keys_add_answer() - as text_keys_add(), with a key out of the other side's text */
void text_keys_add_answer(struct text_keys *text, struct text_span key, const char *value);

static inline struct text_span text_keys_span(const struct text_keys *text)
{
	return (struct text_span){text->bytes, text->length};
}

/**
 * text_pair_next() - take the next pair off the front of @text
 *
 * NULs between pairs are passed over, and the last pair may lack its own: targets do both.
 *
 * Return: 1; 0 at the end; -EBADMSG for a pair without "=", or with a key that is no key name: it
 * is taken off, so that a tolerant caller can go on.
 */
int text_pair_next(struct text_span *text, struct text_pair *pair);

/** text_list_next() - take the next value off a comma separated list. Return: false at the end */
bool text_list_next(struct text_span *list, struct text_span *value);
/** text_list_contains() - is @value one of the comma separated @list? */
bool text_list_contains(struct text_span list, struct text_span value);

/** text_span_is() - the same bytes, case included (§6.1)? */
bool text_span_is(struct text_span text, const char *string);
struct text_span text_span_of(const char *string);

/**
 * text_span_number() - numerical-value: decimal without leading zeros, or 0x and hex digits (§6.1)
 * Return: 0; -EINVAL; -ERANGE for 2^64 and more.
 */
int text_span_number(struct text_span text, uint64_t *ret);
