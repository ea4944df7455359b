/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Settings: a plain struct of values, one table that says what each value is, and files that change
 * them:
 *
 *	# comment
 *	[failure]
 *	suspect = 250 ms
 *
 * sets "failure.suspect", and so does "failure.suspect = 250 ms" in front of the first section. A
 * later line wins. What cannot be understood is reported with file and line and then skipped: a
 * daemon that carries disks starts with what is left rather than not at all.
 */

#include <stddef.h>
#include <stdint.h>

struct text_name;

/* The type of the value in the struct. */
enum setting_type {
	SETTING_BOOL,	  /* bool */
	SETTING_NUMBER,	  /* int32_t */
	SETTING_DURATION, /* int32_t, milliseconds; "250 ms", "60 s", "10 min" */
	SETTING_CHOICE,	  /* int32_t, one of @names */
	SETTING_TEXT, /* char[@size]; one of @names when there are any (their values do not count)
		       */
};

/* One row of the table. */
struct setting {
	const char *name; /* "section.key" */
	enum setting_type type;
	const char *unit; /* of a number, for documentation; a duration without unit counts seconds,
			     or milliseconds when this is "ms" */
	int32_t min, max; /* of numbers (a duration's in milliseconds) */
	const char *default_text;      /* as it would stand in a file */
	const struct text_name *names; /* choices; for numbers: words that stand for a number */
	size_t n_names;
	size_t offset, size; /* of the value in the struct */
	const char *doc;     /* one sentence, for man page and "show" */
};

struct settings_table {
	const struct setting *rows;
	size_t count;
};

/**
 * settings_problem - something in a file could not be used
 * @line: from 1; 0 when it is about the whole file
 * @text: one sentence without the final stop; valid during the call
 */
typedef void settings_problem(const char *file, unsigned line, const char *text, void *userdata);

/** settings_find() - NULL when no row has that name */
const struct setting *settings_find(const struct settings_table *table, const char *name);

/** settings_defaults() - every value of @values at its default */
void settings_defaults(const struct settings_table *table, void *values);

/**
 * settings_set() - one value out of text
 * @reason: set to a static text when it fails: what is wrong with @text
 *
 * Return: 0; -EINVAL or -ERANGE with nothing changed.
 */
int settings_set(const struct setting *setting, void *values, const char *text,
		 const char **reason);

/** settings_format() - the value as it would stand in a file. @text: at least 64 bytes */
void settings_format(const struct setting *setting, const void *values, char *text,
		     size_t size_bytes);

/** settings_read_text() - the text of one file; @file: its name, for @problem, which may be NULL */
void settings_read_text(const struct settings_table *table, void *values, const char *text,
			size_t length_bytes, const char *file, settings_problem *problem,
			void *userdata);

/**
 * settings_read_file() - a file that is not there is no problem
 *
 * Return: 0 when it was read; -errno of reading it (-ENOENT; others were reported too), -EFBIG
 * above 1 MiB, -EINVAL for what is no regular file.
 */
int settings_read_file(const struct settings_table *table, void *values, const char *path,
		       settings_problem *problem, void *userdata);

/** settings_read_folder() - all "*.conf" in it, sorted by name; a missing folder is no problem */
void settings_read_folder(const struct settings_table *table, void *values, const char *path,
			  settings_problem *problem, void *userdata);

/**
 * settings_load_file() - the bytes of a small file, for other readers of settings
 * @text: malloc()ed, the caller's, with a NUL behind it
 * @max_bytes: larger files are refused
 *
 * Never waits: a FIFO or device in the file's place is refused.
 * Return: 0; -errno of opening or reading; -EINVAL no regular file; -EFBIG; -ENOMEM.
 */
int settings_load_file(const char *path, size_t max_bytes, char **text, size_t *length_bytes);
