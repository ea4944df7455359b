/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "cli/table.h"
#include "tests/unit/cli/printed.h"

static const struct column columns[] = {
	{"NAME", "name", CELL_TEXT, .tree = true},
	{"SIZE", "size_bytes", CELL_BYTES},
	{"LATENCY", "latency_us", CELL_MICROSECONDS},
	{"RO", "read_only", CELL_BOOL},
	{"N", "number", CELL_NUMBER},
	{NULL, "object", CELL_TEXT},
};

static void assert_table(struct table_style style, const char *members, bool filled,
			 const char *expected)
{
	struct printed *out = printed_new();
	owned(table) table = NULL;
	struct table_row *row, *child;

	assert_int_equal(table_new("rows", columns, 6, &style, &table), 0);
	if (filled) {
		row = table_add_row(table, NULL);
		child = table_add_row(table, row);
		table_set_text(table, row, 0, "disk");
		table_set_number(table, row, 1, 10737418240);
		table_set_number(table, row, 2, 1500);
		table_set_number(table, row, 3, 1);
		table_set_number(table, row, 4, 7);
		table_set_text(table, row, 5, "/o");
		table_set_state(table, child, 0, "ok");
		table_set_number(table, child, 3, 0);
	}
	assert_int_equal(table_print(table, members, out->file), 0);
	assert_string_equal(printed_text(out), expected);
	printed_free(out);
}

static void people_see_units_and_a_tree(void **state)
{
	assert_table((struct table_style){}, NULL, true,
		     "NAME     SIZE LATENCY RO  N\n"
		     "disk 10.0 GiB  1.5 ms yes 7\n"
		     "`-ok                  no\n");
}

static void headings_can_be_left_out(void **state)
{
	assert_table((struct table_style){.no_headings = true}, NULL, true,
		     "disk 10.0 GiB  1.5 ms yes 7\n"
		     "`-ok                  no\n");
}

static void programs_see_numbers_and_what_is_hidden(void **state)
{
	assert_table((struct table_style){.json = true}, "\"health\": \"ok\"", true,
		     "{\n"
		     "   \"schema\": 1,\n"
		     "   \"health\": \"ok\",\n"
		     "   \"rows\": [\n"
		     "      {\n"
		     "         \"name\": \"disk\",\n"
		     "         \"size_bytes\": 10737418240,\n"
		     "         \"latency_us\": 1500,\n"
		     "         \"read_only\": true,\n"
		     "         \"number\": 7,\n"
		     "         \"object\": \"/o\",\n"
		     "         \"children\": [\n"
		     "            {\n"
		     "               \"name\": \"ok\",\n"
		     "               \"size_bytes\": null,\n"
		     "               \"latency_us\": null,\n"
		     "               \"read_only\": false,\n"
		     "               \"number\": null,\n"
		     "               \"object\": null\n"
		     "            }\n"
		     "         ]\n"
		     "      }\n"
		     "   ]\n"
		     "}\n");
}

static void a_table_without_rows_prints_nothing_but_is_valid_json(void **state)
{
	assert_table((struct table_style){}, NULL, false, "");
	assert_table((struct table_style){.json = true}, NULL, false,
		     "{\n   \"schema\": 1,\n   \"rows\": []\n}\n");
	assert_table((struct table_style){.json = true}, "\"health\": \"ok\"", false,
		     "{\n   \"schema\": 1,\n   \"health\": \"ok\",\n   \"rows\": []\n}\n");
}

static void colour_is_only_there_when_asked_for(void **state)
{
	struct table_style style = {.colour = true};
	struct printed *out = printed_new();
	owned(table) table = NULL;

	assert_int_equal(table_new("rows", columns, 6, &style, &table), 0);
	table_set_state(table, table_add_row(table, NULL), 0, "failed");
	assert_int_equal(table_print(table, NULL, out->file), 0);
	assert_non_null(strstr(printed_text(out), "\033[31m"));
	printed_free(out);
}

static const struct column sparse_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"ERRORS", "errors", CELL_NUMBER, .sparse = true},
	{"DETAIL", "detail", CELL_TEXT, .sparse = true},
};

static void assert_sparse(struct table_style style, uint64_t errors, const char *expected)
{
	struct printed *out = printed_new();
	owned(table) table = NULL;
	struct table_row *row;

	assert_int_equal(table_new("rows", sparse_columns, 3, &style, &table), 0);
	row = table_add_row(table, NULL);
	table_set_text(table, row, 0, "disk");
	table_set_number(table, row, 1, errors);
	table_set_text(table, row, 2, "");
	assert_int_equal(table_print(table, NULL, out->file), 0);
	assert_string_equal(printed_text(out), expected);
	printed_free(out);
}

static void people_do_not_see_columns_with_nothing_in_them(void **state)
{
	assert_sparse((struct table_style){}, 0, "NAME\ndisk\n");
	assert_sparse((struct table_style){}, 7,
		      "NAME ERRORS\n"
		      "disk      7\n");
	/* whoever counts columns finds them all */
	assert_sparse((struct table_style){.raw = true}, 0,
		      "NAME ERRORS DETAIL\n"
		      "disk 0 \n");
	assert_sparse((struct table_style){.json = true}, 0,
		      "{\n"
		      "   \"schema\": 1,\n"
		      "   \"rows\": [\n"
		      "      {\n"
		      "         \"name\": \"disk\",\n"
		      "         \"errors\": 0,\n"
		      "         \"detail\": null\n"
		      "      }\n"
		      "   ]\n"
		      "}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(people_see_units_and_a_tree),
		cmocka_unit_test(headings_can_be_left_out),
		cmocka_unit_test(programs_see_numbers_and_what_is_hidden),
		cmocka_unit_test(a_table_without_rows_prints_nothing_but_is_valid_json),
		cmocka_unit_test(colour_is_only_there_when_asked_for),
		cmocka_unit_test(people_do_not_see_columns_with_nothing_in_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
