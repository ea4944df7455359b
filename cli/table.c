/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/table.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <string.h>

#include "util/text.h"

struct table {
	struct libscols_table *cells;
	const struct column *columns;
	struct table_style style;
	int *places;  /* of each column in @cells, -1 when it is not shown */
	bool *filled; /* whether a column has anything in it */
	unsigned count;
	bool failed;
};

static int json_type(enum cell_kind kind)
{
	switch (kind) {
	case CELL_TEXT:
		return SCOLS_JSON_STRING;
	case CELL_BOOL:
		return SCOLS_JSON_BOOLEAN;
	default:
		return SCOLS_JSON_NUMBER;
	}
}

static int add_column(struct table *table, const struct column *column)
{
	struct libscols_column *cells;
	int flags = 0;

	flags |= column->tree ? SCOLS_FL_TREE : 0;
	flags |= column->optional ? SCOLS_FL_TRUNC : 0;
	flags |= column->kind == CELL_TEXT || column->kind == CELL_BOOL ? 0 : SCOLS_FL_RIGHT;
	cells = scols_table_new_column(table->cells,
				       table->style.json ? column->key : column->heading, 0, flags);
	if (!cells)
		return -ENOMEM;
	scols_column_set_json_type(cells, json_type(column->kind));
	return 0;
}

static int set_up(struct table *table, const char *name, unsigned count)
{
	const struct table_style *style = &table->style;
	int place = 0, r = 0;

	scols_table_set_name(table->cells, name);
	scols_table_enable_json(table->cells, style->json);
	scols_table_enable_raw(table->cells, style->raw && !style->json);
	scols_table_enable_noheadings(table->cells, style->no_headings);
	scols_table_enable_colors(table->cells, style->colour && !style->json);
	if (style->width > 0) {
		scols_table_set_termforce(table->cells, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(table->cells, style->width);
	} else {
		scols_table_set_termforce(table->cells, SCOLS_TERMFORCE_NEVER);
	}
	for (unsigned i = 0; i < count && r == 0; i++) {
		bool shown = style->json || table->columns[i].heading;

		table->places[i] = shown ? place++ : -1;
		r = shown ? add_column(table, &table->columns[i]) : 0;
	}
	return r;
}

int table_new(const char *name, const struct column *columns, unsigned count,
	      const struct table_style *style, struct table **ret)
{
	owned(table) table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->columns = columns;
	table->count = count;
	table->style = *style;
	table->filled = calloc(count, sizeof(*table->filled));
	table->places = calloc(count, sizeof(*table->places));
	table->cells = scols_new_table();
	if (!table->places || !table->filled || !table->cells || set_up(table, name, count) < 0)
		return -ENOMEM;
	*ret = take(table);
	return 0;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	scols_unref_table(table->cells);
	free(table->places);
	free(table->filled);
	free(table);
}

struct table_row *table_add_row(struct table *table, struct table_row *parent)
{
	struct libscols_line *line =
		scols_table_new_line(table->cells, (struct libscols_line *)parent);

	table->failed |= !line;
	return (struct table_row *)line;
}

void table_set_text(struct table *table, struct table_row *row, unsigned column, const char *text)
{
	struct libscols_line *line = (struct libscols_line *)row;
	int place = table->places[column];

	if (!line || place < 0 || !text || (*text == '\0' && table->style.json))
		return;
	table->filled[column] |= *text != '\0';
	table->failed |= scols_line_set_data(line, (size_t)place, text) != 0;
}

static bool is_for_people(const struct table *table)
{
	return !table->style.json && !table->style.raw;
}

void table_set_number(struct table *table, struct table_row *row, unsigned column, uint64_t number)
{
	char text[TEXT_FORMAT_MAX];

	if (number == 0 && table->columns[column].sparse && is_for_people(table))
		return;
	if (table->columns[column].kind == CELL_BYTES && !table->style.json)
		text_format_bytes(number, text);
	else if (table->columns[column].kind == CELL_MICROSECONDS && !table->style.json)
		text_format_ns(number * 1000, text);
	else if (table->columns[column].kind == CELL_BOOL)
		text_copy(text, sizeof(text),
			  table->style.json ? (number ? "1" : "0") : (number ? "yes" : "no"));
	else
		snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	table_set_text(table, row, column, text);
}

/* Words of all kinds of state. A word that is not here has no colour. */
/* clang-format off */
static const struct {
	const char *state, *colour;
} state_colours[] = {
	{"ok",                "green"},
	{"active",            "green"},
	{"logged-in",         "green"},
	{"degraded",          "brown"},
	{"partial",           "brown"},
	{"verify",            "brown"},
	{"probation",         "green"},
	{"suspect",           "brown"},
	{"throttled",         "brown"},
	{"marginal",          "brown"},
	{"connecting",        "brown"},
	{"login",             "brown"},
	{"logging-in",        "brown"},
	{"logging-out",       "brown"},
	{"reconnecting",      "brown"},
	{"no-path-queueing",  "red"},
	{"no-path-failing",   "red"},
	{"down",              "red"},
	{"failed",            "red"},
	{"unmapped",          "red"},
	{"lost",              "red"},
	{"quarantined",       "red"},
	{"critical",          "red"},
};
/* clang-format on */

void table_set_state(struct table *table, struct table_row *row, unsigned column, const char *state)
{
	struct libscols_line *line = (struct libscols_line *)row;
	int place = table->places[column];

	table_set_text(table, row, column, state);
	if (!line || place < 0 || !table->style.colour)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(state_colours); i++)
		if (strcmp(state_colours[i].state, state) == 0)
			scols_cell_set_color(scols_line_get_cell(line, (size_t)place),
					     state_colours[i].colour);
}

/* libsmartcols prints nothing at all for a table without rows. */
static void print_empty_json(const struct table *table, const char *members, FILE *out)
{
	fprintf(out, "{\n   \"schema\": %d,\n", TABLE_SCHEMA);
	if (members)
		fprintf(out, "   %s,\n", members);
	fprintf(out, "   \"%s\": []\n}\n", scols_table_get_name(table->cells));
}

static void print_json(const char *document, const char *members, FILE *out)
{
	fprintf(out, "{\n   \"schema\": %d,\n", TABLE_SCHEMA);
	if (members)
		fprintf(out, "   %s,\n", members);
	document += strspn(document, "{\n"); /* the brace that was opened above */
	fputs(document, out);
	if (!text_ends_with(document, "\n"))
		fputc('\n', out);
}

/* Blanks at the ends of lines are of no use to anybody; raw ones stand for empty cells. */
static void print_lines(const char *text, bool raw, FILE *out)
{
	while (*text) {
		size_t length = strcspn(text, "\n"), shown = length;

		while (!raw && shown > 0 && text[shown - 1] == ' ')
			shown--;
		fprintf(out, "%.*s\n", (int)shown, text);
		text += length + (text[length] == '\n');
	}
}

static void hide_empty_columns(struct table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		struct libscols_column *cells;

		if (!table->columns[i].sparse || table->filled[i] || table->places[i] < 0)
			continue;
		cells = scols_table_get_column(table->cells, (size_t)table->places[i]);
		scols_column_set_flags(cells, scols_column_get_flags(cells) | SCOLS_FL_HIDDEN);
	}
}

int table_print(struct table *table, const char *members, FILE *out)
{
	char *text = NULL;

	if (table->failed)
		return -ENOMEM;
	if (scols_table_is_empty(table->cells)) {
		if (table->style.json)
			print_empty_json(table, members, out);
		return 0;
	}
	if (is_for_people(table))
		hide_empty_columns(table);
	if (scols_print_table_to_string(table->cells, &text) != 0)
		return -ENOMEM;
	if (table->style.json)
		print_json(text, members, out);
	else
		print_lines(text, table->style.raw, out);
	free(text);
	return ferror(out) ? -EIO : 0;
}
