/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record_keys.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

/* open-iscsi's limits, all with the final NUL */
#define KEY_MAX	  128
#define VALUE_MAX 256
#define LINE_MAX  2048

#define EXTRAS_MAX \
	256 /* keys of a file that we do not know; none is known that has more than ten */

/* A key out of a file that is in no table; kept and written back. */
struct extra {
	char *key, *value;
};

struct record {
	enum record_kind kind;
	const struct record_table *table;
	struct extra *extras;
	size_t n_extras;
	char *values[]; /* by index into the table; NULL = the default */
};

static void secret_free(char *value)
{
	if (value)
		explicit_bzero(value, strlen(value));
	free(value);
}

static const struct record_table *table_of(enum record_kind kind)
{
	static const struct record_table *const tables[RECORD_KIND_COUNT] = {
		[RECORD_NODE] = &record_table_node,
		[RECORD_SENDTARGETS] = &record_table_sendtargets,
		[RECORD_ISNS] = &record_table_isns,
		[RECORD_IFACE] = &record_table_iface,
	};

	assert((unsigned)kind < RECORD_KIND_COUNT);
	return tables[kind];
}

int record_new(enum record_kind kind, struct record **ret)
{
	const struct record_table *table = table_of(kind);
	struct record *record;

	record = calloc(1, sizeof(*record) + table->count * sizeof(record->values[0]));
	if (!record)
		return -ENOMEM;
	record->kind = kind;
	record->table = table;
	*ret = record;
	return 0;
}

void record_free(struct record *record)
{
	if (!record)
		return;
	/* Any value may be a secret: a password can stand behind a key that we do not know. */
	for (size_t i = 0; i < record->table->count; i++)
		secret_free(record->values[i]);
	for (size_t i = 0; i < record->n_extras; i++) {
		free(record->extras[i].key);
		secret_free(record->extras[i].value);
	}
	free(record->extras);
	free(record);
}

DEFINE_OWNED(record);

static int add_extra(struct record *record, const char *key, const char *value)
{
	struct extra *grown, extra;

	grown = reallocarray(record->extras, record->n_extras + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	record->extras = grown;
	extra = (struct extra){strdup(key), strdup(value)};
	if (!extra.key || !extra.value) {
		free(extra.key);
		secret_free(extra.value);
		return -ENOMEM;
	}
	record->extras[record->n_extras++] = extra;
	return 0;
}

int record_copy(const struct record *record, struct record **ret)
{
	owned(record) copy = NULL;
	int r;

	r = record_new(record->kind, &copy);
	if (r < 0)
		return r;
	for (size_t i = 0; i < record->table->count; i++) {
		if (!record->values[i])
			continue;
		copy->values[i] = strdup(record->values[i]);
		if (!copy->values[i])
			return -ENOMEM;
	}
	for (size_t i = 0; i < record->n_extras; i++) {
		r = add_extra(copy, record->extras[i].key, record->extras[i].value);
		if (r < 0)
			return r;
	}
	*ret = take(copy);
	return 0;
}

enum record_kind record_get_kind(const struct record *record)
{
	return record->kind;
}

/* --- reading values --- */

/* Index of @key; the table's count when there is none. Files have our order: begin at @hint. */
static size_t find_key(const struct record_table *table, const char *key, size_t hint)
{
	for (size_t i = 0; i < table->count; i++) {
		size_t at = (hint + i) % table->count;

		if (strcmp(table->keys[at].name, key) == 0)
			return at;
	}
	return table->count;
}

static const char *value_at(const struct record *record, size_t at)
{
	return record->values[at] ? record->values[at] : record->table->keys[at].default_value;
}

bool record_equal(const struct record *a, const struct record *b)
{
	if (a->kind != b->kind || a->n_extras != b->n_extras)
		return false;
	for (size_t i = 0; i < a->table->count; i++)
		if (strcmp(value_at(a, i), value_at(b, i)) != 0)
			return false;
	for (size_t i = 0; i < a->n_extras; i++)
		if (strcmp(a->extras[i].key, b->extras[i].key) != 0 ||
		    strcmp(a->extras[i].value, b->extras[i].value) != 0)
			return false;
	return true;
}

const char *record_get(const struct record *record, const char *key)
{
	size_t at = find_key(record->table, record_key_alias(key), 0);

	return at < record->table->count ? value_at(record, at) : NULL;
}

int64_t record_get_number(const struct record *record, const char *key)
{
	size_t at = find_key(record->table, record_key_alias(key), 0);
	const struct record_key *row;
	int64_t number;

	if (at == record->table->count)
		return 0;
	row = &record->table->keys[at];
	if (row->type != KEY_NUMBER ||
	    text_parse_i64(value_at(record, at), INT64_MIN, INT64_MAX, &number) < 0)
		return 0;
	if (number == 0 && (row->flags & KEY_ZERO))
		return 0;
	return MAX(row->min, MIN(row->max, number));
}

bool record_get_bool(const struct record *record, const char *key)
{
	const char *value = record_get(record, key);

	return value && strcmp(value, "Yes") == 0;
}

/* --- values that a key can take; each gives what is to be stored in @stored --- */

static bool is_one_of(const char *const *choices, const char *value)
{
	for (; *choices; choices++)
		if (strcmp(*choices, value) == 0)
			return true;
	return false;
}

static int store_number(const char *value, enum record_origin origin, char stored[VALUE_MAX])
{
	int64_t number;

	if (text_parse_i64(value, INT32_MIN, UINT32_MAX, &number) < 0) {
		if (origin != RECORD_FROM_FILE)
			return -EINVAL;
		/* iscsiadm reads what stands in front of the garbage, 0 when nothing does */
		number = strtol(value, NULL, 10);
		number = MAX((int64_t)INT32_MIN, MIN((int64_t)UINT32_MAX, number));
	}
	snprintf(stored, VALUE_MAX, "%" PRId64, number);
	return 0;
}

/*
 * CHAP algorithms, separated by commas or blanks. Unknown and repeated ones are dropped, as
 * iscsiadm does; it is an error when nothing is left.
 */
static int store_algorithms(const char *value, char stored[VALUE_MAX])
{
	static const char *const algorithms[] = {"MD5", "SHA1", "SHA256", "SHA3-256"};
	static const char separators[] = ", \t";
	bool seen[ARRAY_SIZE(algorithms)] = {};
	size_t used = 0;

	while (*(value += strspn(value, separators))) {
		size_t length = strcspn(value, separators);

		for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
			if (seen[i] || strlen(algorithms[i]) != length ||
			    memcmp(algorithms[i], value, length) != 0)
				continue;
			seen[i] = true;
			used += (size_t)snprintf(stored + used, VALUE_MAX - used, "%s%s",
						 used ? "," : "", algorithms[i]);
		}
		value += length;
	}
	return used > 0 ? 0 : -EINVAL;
}

static int store_value(const struct record_key *row, const char *value, enum record_origin origin,
		       char stored[VALUE_MAX])
{
	if (*value == '\0' && (row->flags & KEY_HAWSER)) {
		*stored = '\0';
		return 0;
	}
	switch (row->type) {
	case KEY_NUMBER:
		return store_number(value, origin, stored);
	case KEY_CHOICE:
		if (!is_one_of(row->choices, value))
			return -EINVAL;
		break;
	case KEY_ALGORITHMS:
		return store_algorithms(value, stored);
	case KEY_TEXT:
	case KEY_SECRET:
		break;
	}
	text_copy(stored, VALUE_MAX, value);
	return 0;
}

/* What a line of a file can carry and give back unchanged. */
static bool fits_a_line(const char *text, size_t size)
{
	size_t length = strlen(text);

	if (length == 0)
		return true;
	if (length >= size || strchr(" \t", text[0]) || strchr(" \t", text[length - 1]))
		return false;
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

/* --- changing --- */

static int refuse_value(const char *key, const char *value, bool secret, struct error *error)
{
	char shown[VALUE_MAX];

	text_sanitise(shown, sizeof(shown), value, strlen(value));
	return error_set(error, ERROR_INVALID_ARGUMENT,
			 "unknown value format '%s' for parameter name '%s'\n"
			 "Unknown parameter %s.",
			 secret ? "********" : shown, key, key);
}

/* May a user change this key here? */
static int check_permission(const struct record *record, const struct record_key *row,
			    const char *key, struct error *error)
{
	if (record->kind == RECORD_NODE && (row->flags & KEY_IFACE) &&
	    !(row->flags & KEY_MAY_CHANGE))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "Cannot modify %s. Use iface mode to update this value.", key);
	if (row->flags & KEY_LOOKUP)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "Cannot modify %s. It is used to look up the record and cannot be "
				 "changed.",
				 key);
	return 0;
}

/* The lengths of secrets are keys of their own in open-iscsi, hidden and derived. */
static bool is_hidden_key(const char *key)
{
	return text_ends_with(key, ".password_length") ||
	       text_ends_with(key, ".password_in_length");
}

static int set_unknown(struct record *record, const char *key, const char *value,
		       enum record_origin origin, struct error *error)
{
	char shown[KEY_MAX];

	if (is_hidden_key(key))
		return 0;
	if (origin == RECORD_FROM_FILE && record->n_extras < EXTRAS_MAX)
		return add_extra(record, key, value) < 0
			       ? error_set(error, ERROR_NO_MEMORY, "no memory for a record")
			       : 0;
	text_sanitise(shown, sizeof(shown), key, strlen(key));
	return error_set(error, ERROR_INVALID_ARGUMENT, "Cannot modify %s. Invalid param name.",
			 shown);
}

static int set_at(struct record *record, size_t at, const char *key, const char *value,
		  enum record_origin origin, struct error *error)
{
	const struct record_key *row = &record->table->keys[at];
	char stored[VALUE_MAX], *copy;

	if (origin == RECORD_FROM_USER && check_permission(record, row, key, error) < 0)
		return -1;
	if (!fits_a_line(value, VALUE_MAX))
		return refuse_value(key, value, row->type == KEY_SECRET, error);
	if (store_value(row, value, origin, stored) < 0)
		return origin == RECORD_FROM_FILE ? 0 : refuse_value(key, value, false, error);

	copy = strdup(stored);
	explicit_bzero(stored, sizeof(stored));
	if (!copy)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	secret_free(record->values[at]);
	record->values[at] = copy;
	return 0;
}

int record_set(struct record *record, const char *key, const char *value, enum record_origin origin,
	       struct error *error)
{
	size_t at = find_key(record->table, record_key_alias(key), 0);

	if (at < record->table->count)
		return set_at(record, at, key, value, origin, error);
	if (!fits_a_line(key, KEY_MAX) || !fits_a_line(value, VALUE_MAX))
		origin = RECORD_FROM_USER; /* no file could hold it */
	return set_unknown(record, key, value, origin, error);
}

/* --- showing and writing --- */

static bool is_ipv6(const struct record *record)
{
	const char *name = record_get(record, "iface.iscsi_ifacename");
	const char *address = record_get(record, "iface.ipaddress");

	return (name && strstr(name, "ipv6")) || (address && *address && !strchr(address, '.'));
}

static bool is_shown(const struct record *record, size_t at, bool ipv6)
{
	unsigned flags = record->table->keys[at].flags;

	if (flags & KEY_HAWSER)
		return *value_at(record, at) != '\0';
	return !(flags & (ipv6 ? KEY_IPV4 : KEY_IPV6));
}

bool record_at(const struct record *record, size_t index, const char **key, const char **value,
	       bool *secret)
{
	bool ipv6 = is_ipv6(record);

	for (size_t at = 0; at < record->table->count; at++) {
		if (!is_shown(record, at, ipv6) || index-- > 0)
			continue;
		*key = record->table->keys[at].name;
		*value = value_at(record, at);
		*secret = record->table->keys[at].type == KEY_SECRET && **value;
		return true;
	}
	return false;
}

static void write_key(const struct record *record, size_t at, bool ipv6, FILE *file)
{
	const char *value = value_at(record, at);

	/* What the other address family's keys hold is written only where someone has set it. */
	if (*value && (is_shown(record, at, ipv6) || record->values[at]))
		fprintf(file, "%s = %s\n", record->table->keys[at].name, value);
}

/* A node's file has the interface's keys in another order than the screen. */
static void write_keys(const struct record *record, FILE *file)
{
	const struct record_table *table = record->table;
	bool ipv6 = is_ipv6(record), head_written = !table->file_head;

	for (size_t at = 0; at < table->count; at++) {
		unsigned flags = table->keys[at].flags;

		if ((flags & KEY_FILE_HEAD) && !head_written) {
			for (const char *const *name = table->file_head; *name; name++)
				write_key(record, find_key(table, *name, at), ipv6, file);
			head_written = true;
		}
		if (!(flags & KEY_FILE_HEAD) || !table->file_head)
			write_key(record, at, ipv6, file);
	}
}

int record_write(const struct record *record, FILE *file)
{
	fprintf(file, "# BEGIN RECORD " RECORD_FORMAT_VERSION "\n");
	write_keys(record, file);
	for (size_t i = 0; i < record->n_extras; i++)
		fprintf(file, "%s = %s\n", record->extras[i].key, record->extras[i].value);
	fprintf(file, "# END RECORD\n");
	return ferror(file) ? -EIO : 0;
}

/* --- reading a file --- */

enum reading_place { BEFORE_RECORD, IN_RECORD, BEHIND_RECORD };

struct reading {
	struct record *record;
	const char *name;
	unsigned line;
	bool strict;
	enum reading_place place;
	size_t hint; /* where in the table the next key is expected */
};

__attribute__((format(printf, 3, 4))) static int damaged(const struct reading *reading,
							 struct error *error, const char *format,
							 ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(error, ERROR_INVALID_ARGUMENT, "%s: line %u: %s", reading->name,
			 reading->line, text);
}

static int read_comment(struct reading *reading, const char *line, struct error *error)
{
	if (text_starts_with(line, "# BEGIN RECORD")) {
		if (reading->place != BEFORE_RECORD)
			return damaged(reading, error, "a second record begins");
		reading->place = IN_RECORD;
	} else if (strcmp(line, "# END RECORD") == 0) {
		if (reading->place != IN_RECORD)
			return damaged(reading, error, "a record ends that did not begin");
		reading->place = BEHIND_RECORD;
	}
	return 0;
}

static int read_key(struct reading *reading, const char *key, const char *value,
		    struct error *error)
{
	const struct record_table *table = reading->record->table;
	size_t at = find_key(table, record_key_alias(key), reading->hint);

	if (*key == '\0' || !fits_a_line(key, KEY_MAX) || !text_is_printable(key))
		return damaged(reading, error, "no key in front of \"=\"");
	if (!fits_a_line(value, VALUE_MAX))
		return damaged(reading, error, "a value too long or with control characters");
	if (at < table->count) {
		reading->hint = at + 1;
		return set_at(reading->record, at, key, value, RECORD_FROM_FILE, error);
	}
	if (reading->strict && !is_hidden_key(key) && !text_starts_with(key, "hawser."))
		return damaged(reading, error, "unknown key %s", key);
	if (!is_hidden_key(key) && reading->record->n_extras == EXTRAS_MAX)
		return damaged(reading, error, "too many unknown keys");
	return set_unknown(reading->record, key, value, RECORD_FROM_FILE, error);
}

static int read_line(struct reading *reading, char *line, struct error *error)
{
	char *equals;

	line = text_trim(line);
	if (*line == '\0')
		return 0;
	if (*line == '#')
		return read_comment(reading, line, error);
	if (reading->place != IN_RECORD)
		return damaged(reading, error, "a key outside of the record");
	equals = strchr(line, '=');
	if (!equals)
		return damaged(reading, error, "no \"=\"");
	*equals = '\0';
	return read_key(reading, text_trim(line), text_trim(equals + 1), error);
}

static int read_text(struct reading *reading, const char *text, size_t length_bytes,
		     struct error *error)
{
	const char *end = text + length_bytes;
	char line[LINE_MAX];

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		int r;

		reading->line++;
		if (length >= sizeof(line) || memchr(text, '\0', length))
			return damaged(reading, error, "too long, or with a NUL byte");
		memcpy(line, text, length);
		line[length] = '\0';
		r = read_line(reading, line, error);
		explicit_bzero(line, length);
		if (r < 0)
			return r;
		text = newline ? newline + 1 : end;
	}
	if (reading->place != BEHIND_RECORD)
		return error_set(error, ERROR_INVALID_ARGUMENT, "%s: %s", reading->name,
				 reading->place == BEFORE_RECORD
					 ? "there is no \"# BEGIN RECORD\""
					 : "cut off: there is no \"# END RECORD\"");
	return 0;
}

/* Give @record what @other holds, and the other way round. */
static void swap_content(struct record *record, struct record *other)
{
	struct record head = *record;

	assert(record->kind == other->kind);
	record->extras = other->extras;
	record->n_extras = other->n_extras;
	other->extras = head.extras;
	other->n_extras = head.n_extras;
	for (size_t i = 0; i < record->table->count; i++) {
		char *value = record->values[i];

		record->values[i] = other->values[i];
		other->values[i] = value;
	}
}

int record_read(struct record *record, const char *text, size_t length_bytes, const char *name,
		bool strict, struct error *error)
{
	owned(record) copy = NULL;
	struct reading reading = {.name = name, .strict = strict};

	if (record_copy(record, &copy) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	reading.record = copy;
	if (read_text(&reading, text, length_bytes, error) < 0)
		return -1;
	swap_content(record, copy);
	return 0;
}
