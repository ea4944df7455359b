/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/value.h"

#include <string.h>
#include <unistd.h>

static const struct value nothing;

static void value_deinit(struct value *value)
{
	for (size_t i = 0; i < value->count; i++)
		value_deinit(&value->items[i]);
	if (value->kind == VALUE_FD)
		close((int)value->number);
	free(value->items);
	free(value->text);
}

void value_free(struct value *value)
{
	if (!value)
		return;
	value_deinit(value);
	free(value);
}

struct value *value_new_item(struct value *parent)
{
	/* room for 8, 16, 32 … items: grown whenever the count reaches a power of two */
	bool full = parent->count == 0 ||
		    (parent->count >= 8 && (parent->count & (parent->count - 1)) == 0);

	if (full) {
		size_t room = parent->count ? parent->count * 2 : 8;
		struct value *items = reallocarray(parent->items, room, sizeof(*items));

		if (!items)
			return NULL;
		parent->items = items;
	}
	parent->items[parent->count] = (struct value){};
	return &parent->items[parent->count++];
}

static const struct value *item_at(const struct value *value, size_t index)
{
	return index < value->count ? &value->items[index] : &nothing;
}

const struct value *value_at(const struct value *list, size_t index)
{
	return list->kind == VALUE_LIST ? item_at(list, index) : &nothing;
}

size_t value_count(const struct value *value)
{
	return value->kind == VALUE_DICT ? value->count / 2 : value->count;
}

const char *value_key(const struct value *dict, size_t index)
{
	return dict->kind == VALUE_DICT ? value_text(item_at(dict, index * 2)) : "";
}

const struct value *value_of(const struct value *dict, size_t index)
{
	return dict->kind == VALUE_DICT ? item_at(dict, index * 2 + 1) : &nothing;
}

const struct value *value_get(const struct value *dict, const char *key)
{
	for (size_t i = 0; i < value_count(dict); i++)
		if (strcmp(value_key(dict, i), key) == 0)
			return value_of(dict, i);
	return &nothing;
}

const char *value_text(const struct value *value)
{
	return value->kind == VALUE_TEXT ? value->text : "";
}

uint64_t value_u64(const struct value *value)
{
	return value->kind == VALUE_NUMBER ? value->number : 0;
}

int64_t value_i64(const struct value *value)
{
	return (int64_t)value_u64(value);
}

bool value_bool(const struct value *value)
{
	return value->kind == VALUE_BOOL && value->number != 0;
}

int value_fd(const struct value *value)
{
	return value->kind == VALUE_FD ? (int)value->number : -1;
}
