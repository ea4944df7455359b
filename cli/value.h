/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the daemon answered, as a tree of values. Variants are looked through. Reading something
 * that is not there, or is of another kind, gives an empty value ("", 0, false, no items), so that
 * a newer or older daemon shows less instead of failing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

enum value_kind {
	VALUE_NOTHING,
	VALUE_TEXT,
	VALUE_NUMBER, /* signed types are sign-extended into @number */
	VALUE_BOOL,
	VALUE_LIST, /* array or struct */
	VALUE_DICT, /* key and value alternate in @items */
	VALUE_FD,   /* @number is a file descriptor, closed with the value */
};

struct value {
	enum value_kind kind;
	bool is_signed;
	char *text;
	uint64_t number;
	struct value *items;
	size_t count; /* of @items */
};

/** value_free() - the tree under @value and @value itself; NULL is fine */
void value_free(struct value *value);
DEFINE_OWNED(value);

/** value_new_item() - one more, empty, at the end of @parent's items. Return: it; NULL: no memory
 */
struct value *value_new_item(struct value *parent);

/** value_at() - @index-th item of a list; the empty value when there is none */
const struct value *value_at(const struct value *list, size_t index);
/** value_count() - items of a list, or pairs of a dictionary */
size_t value_count(const struct value *value);
/** value_key() - key of the @index-th pair of a dictionary, "" when there is none */
const char *value_key(const struct value *dict, size_t index);
/** value_of() - value of the @index-th pair of a dictionary */
const struct value *value_of(const struct value *dict, size_t index);
/** value_get() - value of @key in a dictionary with text keys */
const struct value *value_get(const struct value *dict, const char *key);

const char *value_text(const struct value *value);
uint64_t value_u64(const struct value *value);
int64_t value_i64(const struct value *value);
bool value_bool(const struct value *value);
/** value_fd() - stays the value's; -1 when it is none */
int value_fd(const struct value *value);
