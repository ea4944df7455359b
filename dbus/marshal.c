/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/marshal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/message.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define FNV_OFFSET 0xcbf29ce484222325u
#define FNV_PRIME  0x100000001b3u

const struct bus_option bus_no_options[] = {{}};

/* --- writing --- */

void bus_writer_init(struct bus_writer *writer, DBusMessage *message)
{
	*writer = (struct bus_writer){.message = message, .hash = FNV_OFFSET};
	if (message)
		dbus_message_iter_init_append(message, &writer->level[0]);
}

static void writer_mix(struct bus_writer *writer, char type, const void *data, size_t length_bytes)
{
	const uint8_t *bytes = data;

	if (!writer)
		return;
	writer->hash = (writer->hash ^ (uint8_t)type) * FNV_PRIME;
	for (size_t i = 0; i < length_bytes; i++)
		writer->hash = (writer->hash ^ bytes[i]) * FNV_PRIME;
}

/* Nothing can be appended: there is no message (any more), or only the hash is wanted. */
static bool is_closed(const struct bus_writer *writer)
{
	return !writer || !writer->message || writer->failed;
}

void bus_writer_fail(struct bus_writer *writer)
{
	for (; writer->depth > 0; writer->depth--)
		dbus_message_iter_abandon_container(&writer->level[writer->depth - 1],
						    &writer->level[writer->depth]);
	writer->failed = true;
}

static void append(struct bus_writer *writer, int type, const void *value)
{
	if (!is_closed(writer) &&
	    !dbus_message_iter_append_basic(&writer->level[writer->depth], type, value))
		bus_writer_fail(writer);
}

void bus_write_bool(struct bus_writer *writer, bool value)
{
	dbus_bool_t wire = value;

	writer_mix(writer, 'b', &value, sizeof(value));
	append(writer, DBUS_TYPE_BOOLEAN, &wire);
}

void bus_write_u16(struct bus_writer *writer, uint16_t value)
{
	writer_mix(writer, 'q', &value, sizeof(value));
	append(writer, DBUS_TYPE_UINT16, &value);
}

void bus_write_i32(struct bus_writer *writer, int32_t value)
{
	writer_mix(writer, 'i', &value, sizeof(value));
	append(writer, DBUS_TYPE_INT32, &value);
}

void bus_write_u32(struct bus_writer *writer, uint32_t value)
{
	writer_mix(writer, 'u', &value, sizeof(value));
	append(writer, DBUS_TYPE_UINT32, &value);
}

void bus_write_u64(struct bus_writer *writer, uint64_t value)
{
	writer_mix(writer, 't', &value, sizeof(value));
	append(writer, DBUS_TYPE_UINT64, &value);
}

void bus_write_fd(struct bus_writer *writer, int fd)
{
	append(writer, DBUS_TYPE_UNIX_FD, &fd);
}

const char *bus_valid_text(const char *text, char **owned)
{
	size_t length = strlen(text);

	if (dbus_validate_utf8(text, NULL))
		return text;
	*owned = malloc(length + 1);
	if (*owned)
		text_sanitise(*owned, length + 1, text, length);
	return *owned;
}

void bus_write_string(struct bus_writer *writer, const char *text)
{
	owned_memory char *repaired = NULL;

	text = text ? text : "";
	writer_mix(writer, 's', text, strlen(text) + 1);
	if (is_closed(writer))
		return;
	text = bus_valid_text(text, &repaired);
	if (text)
		append(writer, DBUS_TYPE_STRING, &text);
	else
		bus_writer_fail(writer);
}

void bus_write_object(struct bus_writer *writer, const char *path)
{
	path = path && dbus_validate_path(path, NULL) ? path : "/";
	writer_mix(writer, 'o', path, strlen(path) + 1);
	append(writer, DBUS_TYPE_OBJECT_PATH, &path);
}

static void open_container(struct bus_writer *writer, int type, const char *signature)
{
	writer_mix(writer, (char)type, signature, signature ? strlen(signature) : 0);
	if (is_closed(writer))
		return;
	assert(writer->depth + 1 < BUS_DEPTH_MAX);
	if (dbus_message_iter_open_container(&writer->level[writer->depth], type, signature,
					     &writer->level[writer->depth + 1]))
		writer->depth++;
	else
		bus_writer_fail(writer);
}

void bus_open_array(struct bus_writer *writer, const char *element_signature)
{
	open_container(writer, DBUS_TYPE_ARRAY, element_signature);
}

void bus_open_struct(struct bus_writer *writer)
{
	open_container(writer, DBUS_TYPE_STRUCT, NULL);
}

void bus_open_entry(struct bus_writer *writer)
{
	open_container(writer, DBUS_TYPE_DICT_ENTRY, NULL);
}

void bus_open_variant(struct bus_writer *writer, const char *signature)
{
	open_container(writer, DBUS_TYPE_VARIANT, signature);
}

void bus_close(struct bus_writer *writer)
{
	writer_mix(writer, ')', NULL, 0);
	if (is_closed(writer))
		return;
	assert(writer->depth > 0);
	writer->depth--;
	/* libdbus frees the inner iterator also when closing fails: nothing to abandon at it */
	if (!dbus_message_iter_close_container(&writer->level[writer->depth],
					       &writer->level[writer->depth + 1]))
		bus_writer_fail(writer);
}

void bus_open_property(struct bus_writer *writer, const char *key, const char *signature)
{
	bus_open_entry(writer);
	bus_write_string(writer, key);
	bus_open_variant(writer, signature);
}

void bus_close_property(struct bus_writer *writer)
{
	bus_close(writer);
	bus_close(writer);
}

void bus_property_bool(struct bus_writer *writer, const char *key, bool value)
{
	bus_open_property(writer, key, "b");
	bus_write_bool(writer, value);
	bus_close_property(writer);
}

void bus_property_u16(struct bus_writer *writer, const char *key, uint16_t value)
{
	bus_open_property(writer, key, "q");
	bus_write_u16(writer, value);
	bus_close_property(writer);
}

void bus_property_i32(struct bus_writer *writer, const char *key, int32_t value)
{
	bus_open_property(writer, key, "i");
	bus_write_i32(writer, value);
	bus_close_property(writer);
}

void bus_property_u32(struct bus_writer *writer, const char *key, uint32_t value)
{
	bus_open_property(writer, key, "u");
	bus_write_u32(writer, value);
	bus_close_property(writer);
}

void bus_property_u64(struct bus_writer *writer, const char *key, uint64_t value)
{
	bus_open_property(writer, key, "t");
	bus_write_u64(writer, value);
	bus_close_property(writer);
}

void bus_property_string(struct bus_writer *writer, const char *key, const char *text)
{
	bus_open_property(writer, key, "s");
	bus_write_string(writer, text);
	bus_close_property(writer);
}

void bus_property_object(struct bus_writer *writer, const char *key, const char *path)
{
	bus_open_property(writer, key, "o");
	bus_write_object(writer, path);
	bus_close_property(writer);
}

uint64_t bus_value_hash(void (*get)(struct bus_writer *writer, const void *object),
			const void *object)
{
	struct bus_writer writer;

	bus_writer_init(&writer, NULL);
	get(&writer, object);
	return writer.hash;
}

/* --- reading --- */

void bus_reader_init(struct bus_reader *reader, DBusMessage *message)
{
	*reader = (struct bus_reader){};
	dbus_message_iter_init(message, &reader->level[0]);
}

static int type_here(const struct bus_reader *reader)
{
	/* the iterator is not changed, but libdbus has no const */
	return dbus_message_iter_get_arg_type((DBusMessageIter *)&reader->level[reader->depth]);
}

static bool read_basic(struct bus_reader *reader, int type, void *value)
{
	if (type_here(reader) != type) {
		reader->failed = true;
		return false;
	}
	dbus_message_iter_get_basic(&reader->level[reader->depth], value);
	dbus_message_iter_next(&reader->level[reader->depth]);
	return true;
}

bool bus_read_bool(struct bus_reader *reader)
{
	dbus_bool_t value = FALSE;

	return read_basic(reader, DBUS_TYPE_BOOLEAN, &value) && value;
}

uint16_t bus_read_u16(struct bus_reader *reader)
{
	uint16_t value = 0;

	read_basic(reader, DBUS_TYPE_UINT16, &value);
	return value;
}

int32_t bus_read_i32(struct bus_reader *reader)
{
	int32_t value = 0;

	read_basic(reader, DBUS_TYPE_INT32, &value);
	return value;
}

uint32_t bus_read_u32(struct bus_reader *reader)
{
	uint32_t value = 0;

	read_basic(reader, DBUS_TYPE_UINT32, &value);
	return value;
}

uint64_t bus_read_u64(struct bus_reader *reader)
{
	uint64_t value = 0;

	read_basic(reader, DBUS_TYPE_UINT64, &value);
	return value;
}

const char *bus_read_string(struct bus_reader *reader)
{
	const char *value = "";
	int type = type_here(reader);

	read_basic(reader, type == DBUS_TYPE_OBJECT_PATH ? type : DBUS_TYPE_STRING, &value);
	return value;
}

int bus_read_fd(struct bus_reader *reader)
{
	int fd = -1;

	read_basic(reader, DBUS_TYPE_UNIX_FD, &fd);
	return fd;
}

static bool enter(struct bus_reader *reader, int type)
{
	if (type_here(reader) != type || reader->depth + 1 >= BUS_DEPTH_MAX) {
		reader->failed = true;
		return false;
	}
	dbus_message_iter_recurse(&reader->level[reader->depth], &reader->level[reader->depth + 1]);
	reader->depth++;
	return true;
}

bool bus_enter_array(struct bus_reader *reader)
{
	return enter(reader, DBUS_TYPE_ARRAY);
}

bool bus_enter_struct(struct bus_reader *reader)
{
	return enter(reader, DBUS_TYPE_STRUCT);
}

bool bus_enter_entry(struct bus_reader *reader)
{
	return enter(reader, DBUS_TYPE_DICT_ENTRY);
}

bool bus_enter_variant(struct bus_reader *reader)
{
	return enter(reader, DBUS_TYPE_VARIANT);
}

void bus_leave(struct bus_reader *reader)
{
	assert(reader->depth > 0);
	reader->depth--;
	dbus_message_iter_next(&reader->level[reader->depth]);
}

bool bus_more(const struct bus_reader *reader)
{
	return type_here(reader) != DBUS_TYPE_INVALID;
}

void bus_skip(struct bus_reader *reader)
{
	dbus_message_iter_next(&reader->level[reader->depth]);
}

bool bus_reader_failed(const struct bus_reader *reader)
{
	return reader->failed;
}

/* --- options --- */

static void read_strings(struct bus_reader *reader, void *value)
{
	struct bus_strings *strings = value;

	strings->count = 0;
	if (!bus_enter_array(reader))
		return;
	while (bus_more(reader)) {
		const char *text = bus_read_string(reader);

		if (strings->count == BUS_STRINGS_MAX) {
			reader->failed = true;
			break;
		}
		strings->text[strings->count++] = text;
	}
	bus_leave(reader);
}

static void read_numbers(struct bus_reader *reader, void *value)
{
	struct bus_numbers *numbers = value;
	int count = 0;

	*numbers = (struct bus_numbers){.given = true};
	if (!bus_enter_array(reader))
		return;
	/* not asked about an empty one: what it says of its items then is not defined */
	if (bus_more(reader))
		dbus_message_iter_get_fixed_array(&reader->level[reader->depth], &numbers->items,
						  &count);
	numbers->count = (unsigned)count;
	bus_leave(reader);
}

static void read_bool(struct bus_reader *reader, void *value)
{
	*(bool *)value = bus_read_bool(reader);
}

static void read_u16(struct bus_reader *reader, void *value)
{
	*(uint16_t *)value = bus_read_u16(reader);
}

static void read_u32(struct bus_reader *reader, void *value)
{
	*(uint32_t *)value = bus_read_u32(reader);
}

static void read_u64(struct bus_reader *reader, void *value)
{
	*(uint64_t *)value = bus_read_u64(reader);
}

static void read_string(struct bus_reader *reader, void *value)
{
	*(const char **)value = bus_read_string(reader);
}

static const struct option_type {
	const char *signature;
	void (*read)(struct bus_reader *reader, void *value);
} option_types[] = {
	{"b", read_bool},   {"q", read_u16},	  {"u", read_u32},	{"t", read_u64},
	{"s", read_string}, {"as", read_strings}, {"au", read_numbers},
};

static const struct option_type *find_type(const char *signature)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_types); i++) {
		if (strcmp(option_types[i].signature, signature) == 0)
			return &option_types[i];
	}
	return NULL;
}

static int read_option(struct bus_reader *reader, const struct bus_option *options, void *values,
		       struct error *error)
{
	const char *key = bus_read_string(reader);
	const struct bus_option *option = options;
	const struct option_type *type;
	char *found;
	bool same;

	while (option->key && strcmp(option->key, key) != 0)
		option++;
	if (!option->key)
		return error_set(error, ERROR_INVALID_ARGUMENT, "there is no option '%.64s' here",
				 key);
	if (!bus_enter_variant(reader))
		return error_set(error, ERROR_INVALID_ARGUMENT, "option '%s' has no value", key);

	found = dbus_message_iter_get_signature(&reader->level[reader->depth]);
	same = found && strcmp(found, option->signature) == 0;
	dbus_free(found);
	type = find_type(option->signature);
	assert(type);
	if (same)
		type->read(reader, (char *)values + option->offset);
	bus_leave(reader);
	if (!same)
		return error_set(error, ERROR_INVALID_ARGUMENT, "option '%s' must have type '%s'",
				 key, option->signature);
	if (reader->failed)
		return error_set(error, ERROR_INVALID_ARGUMENT, "option '%s' is too long", key);
	return 0;
}

int bus_read_options(struct bus_reader *reader, const struct bus_option *options, void *values,
		     struct error *error)
{
	int r = 0;

	if (!bus_enter_array(reader))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the options are missing");
	while (r == 0 && bus_more(reader)) {
		if (!bus_enter_entry(reader))
			return error_set(error, ERROR_INVALID_ARGUMENT, "the options are no a{sv}");
		r = read_option(reader, options, values, error);
		bus_leave(reader);
	}
	bus_leave(reader);
	return r;
}
