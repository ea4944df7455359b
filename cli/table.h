/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Tables and trees for people, and the same rows as JSON for programs. Numbers are given as
 * numbers: people see "10.0 GiB" or "1.2 ms", JSON has bytes and microseconds.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/cleanup.h"

struct table;
struct table_row;

struct table_style {
	bool json, raw, no_headings, colour;
	unsigned width; /* characters; 0: as wide as it takes */
};

/** TABLE_SCHEMA - of the JSON documents; grows when a key changes its meaning or goes away */
#define TABLE_SCHEMA 1

enum cell_kind {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_BYTES,
	CELL_MICROSECONDS,
	CELL_BOOL,
};

struct column {
	const char *heading; /* NULL: only programs see it */
	const char *key;     /* in JSON */
	enum cell_kind kind;
	bool tree;     /* nesting is drawn here */
	bool optional; /* cut first when the terminal is narrow */
	bool sparse;   /* people see no 0 in it, and not the column when it is empty */
};

/**
 * table_new() - @columns: @count of them, alive as long as the table
 * @name: key of the rows in JSON
 *
 * Return: 0 or -ENOMEM. Later failures are kept until table_print().
 */
int table_new(const char *name, const struct column *columns, unsigned count,
	      const struct table_style *style, struct table **ret);
void table_free(struct table *table);
DEFINE_OWNED(table);

/** table_add_row() - @parent: NULL for the top. Return: it, the table's; NULL when memory is short
 */
struct table_row *table_add_row(struct table *table, struct table_row *parent);

/* Cells that are not set stay empty, null in JSON. @row may be NULL: then nothing happens. */
void table_set_text(struct table *table, struct table_row *row, unsigned column, const char *text);
void table_set_number(struct table *table, struct table_row *row, unsigned column, uint64_t number);
/** table_set_state() - as table_set_text(), in the colour that the word deserves */
void table_set_state(struct table *table, struct table_row *row, unsigned column,
		     const char *state);

/**
 * table_print() - @members: what else stands in the JSON document, "\"health\": \"ok\"", or NULL
 *
 * Return: 0; -ENOMEM or -EIO.
 */
int table_print(struct table *table, const char *members, FILE *out);
