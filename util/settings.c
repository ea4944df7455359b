/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "util/settings.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/text.h"

#define FILE_MAX_BYTES (1u << 20)
#define NAME_MAX_BYTES 128

/* One run over one text. */
struct reading {
	const struct settings_table *table;
	void *values;
	const char *file;
	unsigned line;
	char section[NAME_MAX_BYTES];
	settings_problem *problem;
	void *userdata;
};

__attribute__((format(printf, 2, 3))) static void report(const struct reading *reading,
							 const char *format, ...)
{
	char text[512], shown[512];
	va_list arguments;

	if (!reading->problem)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_sanitise(shown, sizeof(shown), text, sizeof(text));
	reading->problem(reading->file, reading->line, shown, reading->userdata);
}

const struct setting *settings_find(const struct settings_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	return NULL;
}

/* --- one value --- */

static int parse_number(const struct setting *setting, const char *text, int32_t *ret)
{
	int64_t number;
	int value;
	int r;

	if (text_value_of(setting->names, setting->n_names, text, &value) == 0) {
		*ret = value;
		return 0;
	}
	r = text_parse_i64(text, setting->min, setting->max, &number);
	if (r == 0)
		*ret = (int32_t)number;
	return r;
}

static int parse_duration(const struct setting *setting, const char *text, int32_t *ret)
{
	uint64_t bare_ms = setting->unit && strcmp(setting->unit, "ms") == 0 ? 1 : 1000;
	uint64_t ms;
	int value;
	int r;

	if (text_value_of(setting->names, setting->n_names, text, &value) == 0) {
		*ret = value;
		return 0;
	}
	r = text_parse_ms(text, bare_ms, &ms);
	if (r < 0)
		return r;
	if (ms > (uint64_t)setting->max || (int64_t)ms < setting->min)
		return -ERANGE;
	*ret = (int32_t)ms;
	return 0;
}

static int parse_text(const struct setting *setting, const char *text, char *destination)
{
	int value;

	if (setting->n_names > 0 &&
	    text_value_of(setting->names, setting->n_names, text, &value) < 0)
		return -EINVAL;
	if (strlen(text) >= setting->size)
		return -ERANGE;
	text_copy(destination, setting->size, text);
	return 0;
}

static const char *reason_of(const struct setting *setting, int error)
{
	/* clang-format off */
	static const struct {
		const char *invalid, *out_of_range;
	} reasons[] = {
		[SETTING_BOOL]     = {"is neither yes nor no", ""},
		[SETTING_NUMBER]   = {"is no whole number", "is out of range"},
		[SETTING_DURATION] = {"is no duration such as \"250 ms\" or \"60 s\"", "is out of range"},
		[SETTING_CHOICE]   = {"is none of the words that are known here", ""},
		[SETTING_TEXT]     = {"is none of the words that are known here", "is too long"},
	};
	/* clang-format on */

	return error == -ERANGE ? reasons[setting->type].out_of_range
				: reasons[setting->type].invalid;
}

int settings_set(const struct setting *setting, void *values, const char *text, const char **reason)
{
	void *value = (char *)values + setting->offset;
	int number;
	int r = -EINVAL;

	switch (setting->type) {
	case SETTING_BOOL:
		r = text_parse_bool(text, value);
		break;
	case SETTING_NUMBER:
		r = parse_number(setting, text, value);
		break;
	case SETTING_DURATION:
		r = parse_duration(setting, text, value);
		break;
	case SETTING_CHOICE:
		r = text_value_of(setting->names, setting->n_names, text, &number);
		if (r == 0)
			*(int32_t *)value = number;
		break;
	case SETTING_TEXT:
		r = parse_text(setting, text, value);
		break;
	}
	if (r < 0 && reason)
		*reason = reason_of(setting, r);
	return r;
}

void settings_defaults(const struct settings_table *table, void *values)
{
	for (size_t i = 0; i < table->count; i++) {
		int r = settings_set(&table->rows[i], values, table->rows[i].default_text, NULL);

		assert(r == 0); /* a default that its own row refuses */
		(void)r;
	}
}

void settings_format(const struct setting *setting, const void *values, char *text,
		     size_t size_bytes)
{
	const void *value = (const char *)values + setting->offset;
	const char *word;

	if (setting->type == SETTING_BOOL) {
		snprintf(text, size_bytes, "%s", *(const bool *)value ? "yes" : "no");
		return;
	}
	if (setting->type == SETTING_TEXT) {
		text_copy(text, size_bytes, value);
		return;
	}
	word = text_name_of(setting->names, setting->n_names, *(const int32_t *)value, NULL);
	if (word)
		text_copy(text, size_bytes, word);
	else if (setting->type == SETTING_DURATION && *(const int32_t *)value % 1000 == 0)
		snprintf(text, size_bytes, "%d s", *(const int32_t *)value / 1000);
	else if (setting->type == SETTING_DURATION)
		snprintf(text, size_bytes, "%d ms", *(const int32_t *)value);
	else
		snprintf(text, size_bytes, "%d", *(const int32_t *)value);
}

/* --- one text --- */

static void read_section(struct reading *reading, char *line)
{
	size_t length = strlen(line);

	if (line[length - 1] != ']') {
		report(reading, "a section header without closing bracket");
		return;
	}
	line[length - 1] = '\0';
	if (!text_copy(reading->section, sizeof(reading->section), text_trim(line + 1)))
		report(reading, "the name of this section is too long");
}

static void read_assignment(struct reading *reading, char *line)
{
	char *equals = strchr(line, '=');
	char name[2 * NAME_MAX_BYTES];
	const struct setting *setting;
	const char *value, *reason;

	if (!equals) {
		report(reading, "neither a section nor \"key = value\"");
		return;
	}
	*equals = '\0';
	value = text_trim(equals + 1);
	snprintf(name, sizeof(name), "%s%s%s", reading->section, *reading->section ? "." : "",
		 text_trim(line));
	setting = settings_find(reading->table, name);
	if (!setting) {
		report(reading, "there is no setting \"%s\"", name);
		return;
	}
	if (settings_set(setting, reading->values, value, &reason) < 0)
		report(reading, "\"%s\" %s; %s stays as it was", value, reason, name);
}

static void read_line(struct reading *reading, char *line)
{
	line = text_trim(line);
	if (*line == '\0' || *line == '#' || *line == ';')
		return;
	if (*line == '[')
		read_section(reading, line);
	else
		read_assignment(reading, line);
}

void settings_read_text(const struct settings_table *table, void *values, const char *text,
			size_t length_bytes, const char *file, settings_problem *problem,
			void *userdata)
{
	struct reading reading = {
		.table = table,
		.values = values,
		.file = file,
		.problem = problem,
		.userdata = userdata,
	};
	const char *end = text + length_bytes;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		char line[2048];

		reading.line++;
		if (length >= sizeof(line) || memchr(text, '\0', length)) {
			report(&reading, "a line that is too long or holds a NUL byte");
		} else {
			memcpy(line, text, length);
			line[length] = '\0';
			read_line(&reading, line);
		}
		text = newline ? newline + 1 : end;
	}
}

/* --- files --- */

int settings_load_file(const char *path, size_t max_bytes, char **text, size_t *length_bytes)
{
	owned_memory char *buffer = NULL;
	owned_fd int fd = -1;
	size_t length = 0;
	struct stat st;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (uint64_t)st.st_size > max_bytes)
		return -EFBIG;

	buffer = malloc((size_t)st.st_size + 1);
	if (!buffer)
		return -ENOMEM;
	while (length < (size_t)st.st_size) {
		ssize_t r = read(fd, buffer + length, (size_t)st.st_size - length);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		length += (size_t)r;
	}
	buffer[length] = '\0';
	*text = take(buffer);
	*length_bytes = length;
	return 0;
}

int settings_read_file(const struct settings_table *table, void *values, const char *path,
		       settings_problem *problem, void *userdata)
{
	struct reading whole = {.file = path, .problem = problem, .userdata = userdata};
	owned_memory char *text = NULL;
	size_t length;
	int r;

	r = settings_load_file(path, FILE_MAX_BYTES, &text, &length);
	if (r == 0)
		settings_read_text(table, values, text, length, path, problem, userdata);
	else if (r != -ENOENT)
		report(&whole, "cannot be read: %s", strerror(-r));
	return r;
}

static int is_conf(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends_with(entry->d_name, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void settings_read_folder(const struct settings_table *table, void *values, const char *path,
			  settings_problem *problem, void *userdata)
{
	struct reading whole = {.file = path, .problem = problem, .userdata = userdata};
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_conf, by_name);

	if (count < 0 && errno != ENOENT)
		report(&whole, "cannot be listed: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		owned_memory char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) >= 0)
			settings_read_file(table, values, file, problem, userdata);
		free(entries[i]);
	}
	free(entries);
}
