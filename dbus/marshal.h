/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Values into and out of D-Bus messages. A writer's first failure (out of memory) is sticky: write
 * everything, and bus_call_send() looks once; a NULL writer takes everything and keeps nothing.
 * Every string passes one place that makes it valid UTF-8, because libdbus ends the process on any
 * other, and targets send what they like.
 *
 * A reader gives zero and "" for what is not there or has another type, and remembers it in
 * bus_reader_failed(); the signature of a call was checked before its handler runs. Control thread
 * only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_reader;
struct bus_writer;
struct error;

void bus_write_bool(struct bus_writer *writer, bool value);
void bus_write_u16(struct bus_writer *writer, uint16_t value);
void bus_write_i32(struct bus_writer *writer, int32_t value);
void bus_write_u32(struct bus_writer *writer, uint32_t value);
void bus_write_u64(struct bus_writer *writer, uint64_t value);
/** bus_write_string() - @text: any bytes; what is not UTF-8 goes through text_sanitise(); NULL is
 * "" */
void bus_write_string(struct bus_writer *writer, const char *text);
/** bus_write_fd() - a copy of it goes out; @fd stays the caller's */
void bus_write_fd(struct bus_writer *writer, int fd);
/** bus_write_object() - @path: "/" is written when it is no valid object path */
void bus_write_object(struct bus_writer *writer, const char *path);

/* Containers: each open is ended by one bus_close(). */
void bus_open_array(struct bus_writer *writer, const char *element_signature);
void bus_open_struct(struct bus_writer *writer);
/** bus_open_entry() - one key and value of an array of "{..}" */
void bus_open_entry(struct bus_writer *writer);
void bus_open_variant(struct bus_writer *writer, const char *signature);
void bus_close(struct bus_writer *writer);

/** bus_open_property() - an entry of a{sv}: key and open variant; ended by bus_close_property() */
void bus_open_property(struct bus_writer *writer, const char *key, const char *signature);
void bus_close_property(struct bus_writer *writer);

/* Whole entries of a{sv}. */
void bus_property_bool(struct bus_writer *writer, const char *key, bool value);
void bus_property_u16(struct bus_writer *writer, const char *key, uint16_t value);
void bus_property_i32(struct bus_writer *writer, const char *key, int32_t value);
void bus_property_u32(struct bus_writer *writer, const char *key, uint32_t value);
void bus_property_u64(struct bus_writer *writer, const char *key, uint64_t value);
void bus_property_string(struct bus_writer *writer, const char *key, const char *text);
void bus_property_object(struct bus_writer *writer, const char *key, const char *path);

/** bus_value_hash() - of what @get writes; costs no memory. Equal values have equal hashes */
uint64_t bus_value_hash(void (*get)(struct bus_writer *writer, const void *object),
			const void *object);

bool bus_read_bool(struct bus_reader *reader);
uint16_t bus_read_u16(struct bus_reader *reader);
int32_t bus_read_i32(struct bus_reader *reader);
uint32_t bus_read_u32(struct bus_reader *reader);
uint64_t bus_read_u64(struct bus_reader *reader);
/** bus_read_string() - string or object path; lives as long as its message */
const char *bus_read_string(struct bus_reader *reader);
/** bus_read_fd() - a descriptor of our own, the caller's to close; -1 when there is none */
int bus_read_fd(struct bus_reader *reader);

/* Containers: each enter that was true is ended by one bus_leave(), wherever the reader stands. */
bool bus_enter_array(struct bus_reader *reader);
bool bus_enter_struct(struct bus_reader *reader);
bool bus_enter_entry(struct bus_reader *reader);
bool bus_enter_variant(struct bus_reader *reader);
void bus_leave(struct bus_reader *reader);
/** bus_more() - something is left in the container (or message) that the reader stands in */
bool bus_more(const struct bus_reader *reader);
/** bus_skip() - go past the value the reader stands at */
void bus_skip(struct bus_reader *reader);
bool bus_reader_failed(const struct bus_reader *reader);

#define BUS_STRINGS_MAX 64

/** struct bus_strings - an "as" option; the texts live as long as the message */
struct bus_strings {
	unsigned count;
	const char *text[BUS_STRINGS_MAX];
};

/** struct bus_numbers - an "au" option; the numbers live as long as the message */
struct bus_numbers {
	bool given; /* an empty list is not the same as none */
	unsigned count;
	const uint32_t *items;
};

/**
 * struct bus_option - one key that a trailing a{sv} may hold
 * @signature: "b" bool, "q" uint16_t, "u" uint32_t, "s" const char *, "as" struct bus_strings,
 *	"au" struct bus_numbers
 * @offset: of the member in the struct that bus_read_options() fills
 */
struct bus_option {
	const char *key, *signature;
	size_t offset;
};

#define BUS_OPTION(key, signature, type, member) \
	{ \
		key, signature, offsetof(type, member) \
	}

/**
 * bus_read_options() - read an a{sv} into @values by the table @options, which ends with {}
 * @values: holds the defaults; members whose key is absent stay as they are
 *
 * Return: 0; -1 with @error (ERROR_INVALID_ARGUMENT) for an unknown key or a value of another type.
 */
int bus_read_options(struct bus_reader *reader, const struct bus_option *options, void *values,
		     struct error *error);

/** bus_no_options - the table of a method that has none yet */
extern const struct bus_option bus_no_options[];
