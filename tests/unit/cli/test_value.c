/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/json.h"
#include "cli/value.h"
#include "tests/unit/cli/printed.h"

static struct value *add_text(struct value *parent, const char *text)
{
	struct value *item = value_new_item(parent);

	item->kind = VALUE_TEXT;
	item->text = strdup(text);
	return item;
}

static struct value *add_number(struct value *parent, uint64_t number)
{
	struct value *item = value_new_item(parent);

	item->kind = VALUE_NUMBER;
	item->number = number;
	return item;
}

/* {"name": "a\"b", "port": 3260, "tpgt": -1, "up": true, "none": null, "list": ["x", 7]} */
static struct value *example(void)
{
	struct value *dict = calloc(1, sizeof(*dict)), *list, *flag;

	dict->kind = VALUE_DICT;
	add_text(dict, "name");
	add_text(dict, "a\"b\n");
	add_text(dict, "port");
	add_number(dict, 3260);
	add_text(dict, "tpgt");
	add_number(dict, (uint64_t)-1)->is_signed = true;
	add_text(dict, "up");
	flag = value_new_item(dict);
	flag->kind = VALUE_BOOL;
	flag->number = 1;
	add_text(dict, "none");
	value_new_item(dict);
	add_text(dict, "list");
	list = value_new_item(dict);
	list->kind = VALUE_LIST;
	add_text(list, "x");
	add_number(list, 7);
	return dict;
}

static void values_are_found_by_key_and_place(void **state)
{
	owned(value) dict = example();

	assert_int_equal(value_count(dict), 6);
	assert_string_equal(value_key(dict, 1), "port");
	assert_int_equal(value_u64(value_of(dict, 1)), 3260);
	assert_int_equal(value_i64(value_get(dict, "tpgt")), -1);
	assert_true(value_bool(value_get(dict, "up")));
	assert_string_equal(value_text(value_at(value_get(dict, "list"), 0)), "x");
	assert_int_equal(value_count(value_get(dict, "list")), 2);
}

static void what_is_missing_or_of_another_kind_reads_as_empty(void **state)
{
	owned(value) dict = example();

	assert_string_equal(value_text(value_get(dict, "port")), "");
	assert_int_equal(value_u64(value_get(dict, "name")), 0);
	assert_false(value_bool(value_get(dict, "port")));
	assert_string_equal(value_text(value_get(dict, "absent")), "");
	assert_int_equal(value_count(value_get(dict, "absent")), 0);
	assert_string_equal(value_key(dict, 6), "");
	assert_int_equal(value_at(dict, 0)->kind, VALUE_NOTHING); /* no list */
	assert_int_equal(value_at(value_get(dict, "list"), 2)->kind, VALUE_NOTHING);
	assert_int_equal(value_get(value_get(dict, "list"), "x")->kind, VALUE_NOTHING);
}

static void a_list_grows_as_long_as_it_must(void **state)
{
	owned(value) list = calloc(1, sizeof(*list));

	list->kind = VALUE_LIST;
	for (uint64_t i = 0; i < 1000; i++)
		add_number(list, i);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(value_u64(value_at(list, i)), i);
}

static void json_has_every_kind_of_value(void **state)
{
	struct printed *out = printed_new();
	owned(value) dict = example();

	json_value(out->file, dict);
	assert_string_equal(printed_text(out),
			    "{\"name\":\"a\\\"b\\u000a\",\"port\":3260,\"tpgt\":-1,\"up\":true,"
			    "\"none\":null,\"list\":[\"x\",7]}");
	printed_free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_by_key_and_place),
		cmocka_unit_test(what_is_missing_or_of_another_kind_reads_as_empty),
		cmocka_unit_test(a_list_grows_as_long_as_it_must),
		cmocka_unit_test(json_has_every_kind_of_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
