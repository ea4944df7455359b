/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/saved_map.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/atomic_file.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LINE_MAX_BYTES 2048
#define END_LINE       "end"
#define SETTLED	       "settled"
#define IN_DOUBT       "in-doubt"

enum kind { TEXT, NUMBER, FLAG };

struct field {
	const char *key;
	enum kind kind;
	size_t offset, size;
	bool is_signed;
};

#define FIELD(key, kind, member) \
	{ \
		key, kind, offsetof(struct saved_map, member), \
			sizeof(((struct saved_map *)NULL)->member), \
	}
#define SIGNED(key, member) \
	{ \
		key, NUMBER, offsetof(struct saved_map, member), \
			sizeof(((struct saved_map *)NULL)->member), true, \
	}

static const struct field fields[] = {
	FIELD("name", TEXT, name),
	FIELD("exporter", TEXT, exporter),
	FIELD("queue_depth", NUMBER, queue_depth),
	FIELD("node.path", TEXT, node.path),
	FIELD("node.name", TEXT, node.name),
	FIELD("node.major", NUMBER, node.major),
	FIELD("node.minor", NUMBER, node.minor),
	FIELD("node.backing", NUMBER, node.backing),
	FIELD("wwid", TEXT, unit.identity.wwid),
	FIELD("serial", TEXT, unit.identity.serial),
	FIELD("vendor", TEXT, unit.identity.vendor),
	FIELD("product", TEXT, unit.identity.product),
	FIELD("revision", TEXT, unit.identity.revision),
	FIELD("device_type", NUMBER, unit.identity.device_type),
	FIELD("blocks", NUMBER, unit.limits.blocks),
	FIELD("block_size", NUMBER, unit.limits.block_size),
	FIELD("physical_block_size", NUMBER, unit.limits.physical_block_size),
	FIELD("max_transfer_blocks", NUMBER, unit.limits.max_transfer_blocks),
	FIELD("optimal_transfer_blocks", NUMBER, unit.limits.optimal_transfer_blocks),
	FIELD("max_unmap_blocks", NUMBER, unit.limits.max_unmap_blocks),
	FIELD("max_unmap_descriptors", NUMBER, unit.limits.max_unmap_descriptors),
	FIELD("unmap_granularity_blocks", NUMBER, unit.limits.unmap_granularity_blocks),
	FIELD("unmap_alignment_blocks", NUMBER, unit.limits.unmap_alignment_blocks),
	FIELD("max_write_same_blocks", NUMBER, unit.limits.max_write_same_blocks),
	FIELD("read_only", FLAG, unit.limits.read_only),
	FIELD("write_cache", FLAG, unit.limits.write_cache),
	FIELD("fua", FLAG, unit.limits.fua),
	FIELD("thin", FLAG, unit.limits.thin),
	FIELD("unmap", FLAG, unit.limits.unmap),
	FIELD("write_same_unmap", FLAG, unit.limits.write_same_unmap),
	FIELD("unmapped_reads_zero", FLAG, unit.limits.unmapped_reads_zero),
	FIELD("needs_10_byte", FLAG, unit.limits.needs_10_byte),
	FIELD("tpgs", NUMBER, unit.limits.tpgs),
	SIGNED("target_port_group", unit.limits.target_port_group),
	SIGNED("relative_target_port", unit.limits.relative_target_port),
};

/* --- numbers of any size --- */

static uint64_t get_unsigned(const void *at, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		return *(const uint16_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static void set_unsigned(void *at, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)at = value;
	}
}

static int parse_number(const char *text, const struct field *field, void *at)
{
	uint64_t most = field->size == 8 ? UINT64_MAX : (UINT64_C(1) << (field->size * 8)) - 1;
	int64_t negative;
	uint64_t value;
	int r;

	if (field->is_signed) {
		r = text_parse_i64(text, INT32_MIN, INT32_MAX, &negative);
		if (r == 0)
			*(int32_t *)at = (int32_t)negative;
		return r;
	}
	r = text_parse_u64(text, 0, most, &value);
	if (r == 0)
		set_unsigned(at, field->size, value);
	return r;
}

/* --- writing --- */

static void put_field(FILE *file, const struct saved_map *state, const struct field *field)
{
	const void *at = (const char *)state + field->offset;

	fprintf(file, "%s = ", field->key);
	if (field->kind == TEXT)
		fprintf(file, "%s\n", (const char *)at);
	else if (field->kind == FLAG)
		fprintf(file, "%s\n", *(const bool *)at ? "yes" : "no");
	else if (field->is_signed)
		fprintf(file, "%" PRId32 "\n", *(const int32_t *)at);
	else
		fprintf(file, "%" PRIu64 "\n", get_unsigned(at, field->size));
}

static int fill(FILE *file, void *userdata)
{
	const struct saved_map *state = userdata;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		put_field(file, state, &fields[i]);
	for (uint32_t i = 0; i < state->session_count; i++) {
		const struct saved_map_session *session = &state->sessions[i];

		fprintf(file, "session = %s %s %u %d %s %u %s\n", session->node.target,
			session->node.address, session->node.port, session->node.tpgt,
			session->node.iface, session->lane, session->settled ? SETTLED : IN_DOUBT);
	}
	fputs(END_LINE "\n", file);
	return ferror(file) ? -EIO : 0;
}

static int path_of(const char *run_dir, const char *name, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/maps/%s", run_dir, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int saved_map_save(const char *run_dir, const struct saved_map *state)
{
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/maps", run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = atomic_file_make_folder(path, 0700);
	if (r == 0)
		r = path_of(run_dir, state->name, path);
	return r < 0 ? r : atomic_file_write(path, fill, (void *)(uintptr_t)state);
}

void saved_map_remove(const char *run_dir, const char *name)
{
	char path[PATH_MAX];

	if (path_of(run_dir, name, path) == 0)
		atomic_file_remove(path);
}

/* --- reading --- */

static int take_session(char *value, struct saved_map *state)
{
	struct saved_map_session *session = &state->sessions[state->session_count];
	char word[16];
	unsigned port;

	if (state->session_count == SAVED_MAP_SESSIONS_MAX)
		return -EINVAL;
	if (sscanf(value, "%223s %255s %u %d %64s %u %15s", session->node.target,
		   session->node.address, &port, &session->node.tpgt, session->node.iface,
		   &session->lane, word) != 7 ||
	    port > UINT16_MAX || (strcmp(word, SETTLED) != 0 && strcmp(word, IN_DOUBT) != 0))
		return -EINVAL;
	session->settled = strcmp(word, SETTLED) == 0;
	session->node.port = (uint16_t)port;
	state->session_count++;
	return 0;
}

static int take_value(const struct field *field, const char *value, struct saved_map *state)
{
	void *at = (char *)state + field->offset;

	switch (field->kind) {
	case TEXT:
		return text_copy(at, field->size, value) ? 0 : -EINVAL;
	case FLAG:
		return text_parse_bool(value, at);
	case NUMBER:
		break;
	}
	return parse_number(value, field, at);
}

static int take_line(char *line, struct saved_map *state, bool seen[ARRAY_SIZE(fields)])
{
	char *equals = strstr(line, " = ");

	if (!equals)
		return -EINVAL;
	*equals = '\0';
	if (strcmp(line, "session") == 0)
		return take_session(equals + 3, state);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(line, fields[i].key) != 0)
			continue;
		seen[i] = true;
		return take_value(&fields[i], equals + 3, state);
	}
	return -EINVAL;
}

static int read_lines(FILE *file, struct saved_map *state)
{
	bool seen[ARRAY_SIZE(fields)] = {};
	char line[LINE_MAX_BYTES];
	int r = 0;

	while (r == 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, END_LINE) != 0) {
			r = take_line(line, state, seen);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (!seen[i])
				return -EINVAL;
		return 0;
	}
	return -EINVAL; /* a line that is none, or no end */
}

int saved_map_load(const char *run_dir, const char *name, struct saved_map *ret)
{
	char path[PATH_MAX];
	FILE *file;
	int r = path_of(run_dir, name, path);

	if (r < 0)
		return r;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	*ret = (struct saved_map){};
	r = read_lines(file, ret);
	fclose(file);
	/* What it is called decides where links go. */
	return r == 0 && strcmp(ret->name, name) != 0 ? -EINVAL : r;
}

int saved_map_list(const char *run_dir, char ***names)
{
	char path[PATH_MAX], **list = NULL;
	struct dirent *entry;
	int count = 0;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s/maps", run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	*names = NULL;
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(folder))) {
		char **longer;

		if (entry->d_name[0] == '.' || atomic_file_is_temporary(entry->d_name))
			continue;
		longer = reallocarray(list, (size_t)count + 1, sizeof(*list));
		if (!longer)
			break;
		list = longer;
		list[count] = strdup(entry->d_name);
		if (!list[count])
			break;
		count++;
	}
	closedir(folder);
	*names = list;
	return count;
}
