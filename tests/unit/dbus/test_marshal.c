/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "dbus/error_names.h"
#include "dbus/interface.h"
#include "dbus/marshal.h"
#include "dbus/message.h"

struct values {
	bool b;
	uint16_t q;
	uint32_t u;
	const char *s;
	struct bus_strings as;
	struct bus_numbers au;
};

static const struct bus_option options[] = {
	BUS_OPTION("yes", "b", struct values, b),
	BUS_OPTION("port", "q", struct values, q),
	BUS_OPTION("sid", "u", struct values, u),
	BUS_OPTION("name", "s", struct values, s),
	BUS_OPTION("list", "as", struct values, as),
	BUS_OPTION("sids", "au", struct values, au),
	{},
};

static DBusMessage *new_message(struct bus_writer *writer)
{
	DBusMessage *message = dbus_message_new_signal("/a", "a.b", "C");

	assert_non_null(message);
	bus_writer_init(writer, message);
	return message;
}

static int read_back(DBusMessage *message, struct values *values, struct error *error)
{
	struct bus_reader reader;

	bus_reader_init(&reader, message);
	return bus_read_options(&reader, options, values, error);
}

static void every_type_comes_back_as_it_was_written(void **state)
{
	struct bus_writer writer;
	struct bus_reader reader;
	DBusMessage *message = new_message(&writer);

	bus_write_bool(&writer, true);
	bus_write_u16(&writer, 65535);
	bus_write_i32(&writer, -1);
	bus_write_u32(&writer, UINT32_MAX);
	bus_write_string(&writer, "text");
	bus_write_object(&writer, "/org/hawser1");
	assert_false(writer.failed);
	assert_string_equal(dbus_message_get_signature(message), "bqiuso");

	bus_reader_init(&reader, message);
	assert_true(bus_read_bool(&reader));
	assert_int_equal(bus_read_u16(&reader), 65535);
	assert_int_equal(bus_read_i32(&reader), -1);
	assert_int_equal(bus_read_u32(&reader), UINT32_MAX);
	assert_string_equal(bus_read_string(&reader), "text");
	assert_string_equal(bus_read_string(&reader), "/org/hawser1");
	assert_false(bus_reader_failed(&reader));
	assert_false(bus_more(&reader));
	assert_int_equal(bus_read_u32(&reader), 0);
	assert_true(bus_reader_failed(&reader));
	dbus_message_unref(message);
}

static void text_that_is_not_utf8_is_repaired_before_libdbus_sees_it(void **state)
{
	static const char *const hostile[] = {"\xff\xfe", "a\xc3",	 "\xed\xa0\x80",
					      "\xc0\xaf", "caf\xe9 bar", "\xf4\x90\x80\x80"};
	struct bus_writer writer;
	struct bus_reader reader;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		DBusMessage *message = new_message(&writer);

		bus_write_string(&writer, hostile[i]);
		assert_false(writer.failed);
		bus_reader_init(&reader, message);
		assert_true(dbus_validate_utf8(bus_read_string(&reader), NULL));
		dbus_message_unref(message);
	}
}

static void what_is_no_object_path_becomes_the_root(void **state)
{
	static const char *const wrong[] = {"", "no/slash", "/two//slashes", "/end/", "/b\xc3\xa4"};
	struct bus_writer writer;
	struct bus_reader reader;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		DBusMessage *message = new_message(&writer);

		bus_write_object(&writer, wrong[i]);
		bus_reader_init(&reader, message);
		assert_string_equal(bus_read_string(&reader), "/");
		dbus_message_unref(message);
	}
}

static void a_null_writer_takes_everything(void **state)
{
	bus_open_array(NULL, "{sv}");
	bus_property_string(NULL, "key", "value");
	bus_property_object(NULL, "key", "/");
	bus_close(NULL);
}

static void a_half_written_message_can_be_given_up(void **state)
{
	struct bus_writer writer;
	DBusMessage *message = new_message(&writer);

	bus_open_array(&writer, "(oss)");
	bus_open_struct(&writer);
	bus_write_object(&writer, "/");
	bus_writer_fail(&writer);
	bus_write_string(&writer, "nothing happens any more");
	bus_close(&writer);
	assert_true(writer.failed);
	dbus_message_unref(message);
}

static void hash_of_one(struct bus_writer *writer, const void *object)
{
	bus_open_array(writer, "s");
	bus_write_string(writer, object);
	bus_close(writer);
}

static void equal_values_have_equal_hashes_and_others_do_not(void **state)
{
	assert_true(bus_value_hash(hash_of_one, "a") == bus_value_hash(hash_of_one, "a"));
	assert_true(bus_value_hash(hash_of_one, "a") != bus_value_hash(hash_of_one, "b"));
	assert_true(bus_value_hash(hash_of_one, "") != bus_value_hash(hash_of_one, "a"));
}

static void options_fill_the_members_they_name(void **state)
{
	struct values values = {.q = 7};
	struct bus_writer writer;
	DBusMessage *message = new_message(&writer);

	bus_open_array(&writer, "{sv}");
	bus_property_bool(&writer, "yes", true);
	bus_property_u32(&writer, "sid", 42);
	bus_property_string(&writer, "name", "backup");
	bus_open_property(&writer, "list", "as");
	bus_open_array(&writer, "s");
	bus_write_string(&writer, "one");
	bus_write_string(&writer, "two");
	bus_close(&writer);
	bus_close_property(&writer);
	bus_close(&writer);
	assert_int_equal(read_back(message, &values, NULL), 0);
	assert_true(values.b);
	assert_int_equal(values.q, 7); /* not there: the default stays */
	assert_int_equal(values.u, 42);
	assert_string_equal(values.s, "backup");
	assert_int_equal(values.as.count, 2);
	assert_string_equal(values.as.text[1], "two");
	dbus_message_unref(message);
}

static void add_numbers(struct bus_writer *writer, unsigned count)
{
	bus_open_array(writer, "{sv}");
	bus_open_property(writer, "sids", "au");
	bus_open_array(writer, "u");
	for (unsigned i = 0; i < count; i++)
		bus_write_u32(writer, UINT32_MAX - i);
	bus_close(writer);
	bus_close_property(writer);
	bus_property_u32(writer, "sid", 42); /* what follows is still found */
	bus_close(writer);
}

static void numbers_are_read_where_they_lie(void **state)
{
	static const unsigned counts[] = {0, 1, 1000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct values values = {};
		struct bus_writer writer;
		DBusMessage *message = new_message(&writer);

		add_numbers(&writer, counts[i]);
		assert_int_equal(read_back(message, &values, NULL), 0);
		assert_true(values.au.given);
		assert_int_equal(values.au.count, counts[i]);
		for (unsigned j = 0; j < counts[i]; j++)
			assert_int_equal(values.au.items[j], UINT32_MAX - j);
		assert_int_equal(values.u, 42);
		dbus_message_unref(message);
	}
}

static void numbers_that_are_not_given_are_not_an_empty_list(void **state)
{
	struct values values = {};
	struct bus_writer writer;
	DBusMessage *message = new_message(&writer);

	bus_open_array(&writer, "{sv}");
	bus_close(&writer);
	assert_int_equal(read_back(message, &values, NULL), 0);
	assert_false(values.au.given);
	dbus_message_unref(message);
}

static void an_unknown_option_is_named_in_the_error(void **state)
{
	owned_error struct error error = ERROR_INIT;
	struct values values = {};
	struct bus_writer writer;
	DBusMessage *message = new_message(&writer);

	bus_open_array(&writer, "{sv}");
	bus_property_bool(&writer, "yes", true);
	bus_property_bool(&writer, "fast", true);
	bus_close(&writer);
	assert_int_equal(read_back(message, &values, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	assert_non_null(strstr(error.text, "'fast'"));
	dbus_message_unref(message);
}

static void an_option_of_another_type_is_refused(void **state)
{
	static const char *const keys[] = {"yes", "port", "sid", "list", "sids"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		owned_error struct error error = ERROR_INIT;
		struct values values = {};
		struct bus_writer writer;
		DBusMessage *message = new_message(&writer);

		bus_open_array(&writer, "{sv}");
		bus_property_string(&writer, keys[i], "text");
		bus_close(&writer);
		assert_int_equal(read_back(message, &values, &error), -1);
		assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
		assert_non_null(strstr(error.text, keys[i]));
		dbus_message_unref(message);
	}
}

static void a_list_option_is_bounded(void **state)
{
	owned_error struct error error = ERROR_INIT;
	struct values values = {};
	struct bus_writer writer;
	DBusMessage *message = new_message(&writer);

	bus_open_array(&writer, "{sv}");
	bus_open_property(&writer, "list", "as");
	bus_open_array(&writer, "s");
	for (unsigned i = 0; i <= BUS_STRINGS_MAX; i++)
		bus_write_string(&writer, "x");
	bus_close(&writer);
	bus_close_property(&writer);
	bus_close(&writer);
	assert_int_equal(read_back(message, &values, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	dbus_message_unref(message);
}

static void argument_lists_give_their_signature(void **state)
{
	char signature[BUS_SIGNATURE_MAX];

	assert_string_equal(bus_arguments_signature("", signature), "");
	assert_string_equal(bus_arguments_signature("u sid", signature), "u");
	assert_string_equal(
		bus_arguments_signature("s target, q port, (sst) error, a{sv} options", signature),
		"sq(sst)a{sv}");
}

static void every_error_code_has_its_d_bus_name(void **state)
{
	char buffer[BUS_ERROR_NAME_MAX], expected[BUS_ERROR_NAME_MAX + 64];

	assert_string_equal(bus_error_name(ERROR_NONE, buffer), "");
	for (int code = ERROR_FAILED; code < ERROR_CODE_COUNT; code++) {
		if (code == ERROR_INVALID_ARGUMENT)
			strcpy(expected, "org.freedesktop.DBus.Error.InvalidArgs");
		else if (code == ERROR_ACCESS_DENIED)
			strcpy(expected, "org.freedesktop.DBus.Error.AccessDenied");
		else
			snprintf(expected, sizeof(expected), "org.hawser1.Error.%s",
				 error_name((enum error_code)code));
		assert_string_equal(bus_error_name((enum error_code)code, buffer), expected);
		assert_true(dbus_validate_error_name(expected, NULL));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_back_as_it_was_written),
		cmocka_unit_test(text_that_is_not_utf8_is_repaired_before_libdbus_sees_it),
		cmocka_unit_test(what_is_no_object_path_becomes_the_root),
		cmocka_unit_test(a_null_writer_takes_everything),
		cmocka_unit_test(a_half_written_message_can_be_given_up),
		cmocka_unit_test(equal_values_have_equal_hashes_and_others_do_not),
		cmocka_unit_test(options_fill_the_members_they_name),
		cmocka_unit_test(numbers_are_read_where_they_lie),
		cmocka_unit_test(numbers_that_are_not_given_are_not_an_empty_list),
		cmocka_unit_test(an_unknown_option_is_named_in_the_error),
		cmocka_unit_test(an_option_of_another_type_is_refused),
		cmocka_unit_test(a_list_option_is_bounded),
		cmocka_unit_test(argument_lists_give_their_signature),
		cmocka_unit_test(every_error_code_has_its_d_bus_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
