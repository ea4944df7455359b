/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/saved_reservation.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/atomic_file.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LINE_MAX_BYTES 128
#define END_LINE       "end"

static const struct text_name states[] = {
	{RESERVATION_UNREGISTERED, "unregistered"},
	{RESERVATION_REGISTERED, "registered"},
	{RESERVATION_LOST, "lost"},
};

const char *reservation_state_name(enum reservation_state state)
{
	return text_name_of(states, ARRAY_SIZE(states), (int)state, "unknown");
}

static int path_of(const char *run_dir, const char *name, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/reservations/%s", run_dir, name) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

/* --- writing --- */

static int fill(FILE *file, void *userdata)
{
	const struct saved_reservation *state = userdata;

	fprintf(file, "state = %s\n", reservation_state_name(state->state));
	fprintf(file, "key = %016" PRIx64 "\n", state->key);
	fprintf(file, "per_path = %s\n", state->per_path ? "yes" : "no");
	fprintf(file, "survives_power = %s\n", state->survives_power ? "yes" : "no");
	fprintf(file, "all_target_ports = %s\n", state->all_target_ports ? "yes" : "no");
	fprintf(file, "type = %u\n", state->type);
	fprintf(file, "holder = %016" PRIx64 "\n", state->holder);
	for (uint32_t i = 0; i < state->path_count; i++)
		fprintf(file, "path = %016" PRIx64 "\n", state->paths[i]);
	fputs(END_LINE "\n", file);
	return ferror(file) ? -EIO : 0;
}

int saved_reservation_save(const char *run_dir, const char *name,
			   const struct saved_reservation *state)
{
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/reservations", run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = atomic_file_make_folder(path, 0700);
	if (r == 0)
		r = path_of(run_dir, name, path);
	return r < 0 ? r : atomic_file_write(path, fill, (void *)(uintptr_t)state);
}

void saved_reservation_remove(const char *run_dir, const char *name)
{
	char path[PATH_MAX];

	if (path_of(run_dir, name, path) == 0)
		atomic_file_remove(path);
}

/* --- reading --- */

static int take_key(const char *value, uint64_t *ret)
{
	uint8_t bytes[8];
	uint64_t key = 0;

	if (text_hex_decode(value, bytes, sizeof(bytes)) != (int)sizeof(bytes))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		key = key << 8 | bytes[i];
	*ret = key;
	return 0;
}

static int take_state(const char *value, enum reservation_state *ret)
{
	int state, r = text_value_of(states, ARRAY_SIZE(states), value, &state);

	if (r == 0)
		*ret = (enum reservation_state)state;
	return r;
}

static int take_type(const char *value, uint8_t *ret)
{
	uint64_t type;
	int r = text_parse_u64(value, 0, 15, &type);

	if (r == 0)
		*ret = (uint8_t)type;
	return r;
}

static int take_path(const char *value, struct saved_reservation *state)
{
	if (state->path_count == SAVED_RESERVATION_PATHS_MAX)
		return -EINVAL;
	return take_key(value, &state->paths[state->path_count++]);
}

static int take_line(char *line, struct saved_reservation *state, unsigned *seen)
{
	static const char *const keys[] = {
		"state", "key", "per_path", "survives_power", "all_target_ports", "type", "holder"};
	char *value = strstr(line, " = ");

	if (!value)
		return -EINVAL;
	*value = '\0';
	value += 3;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(line, keys[i]) != 0)
			continue;
		*seen |= 1u << i;
		switch (i) {
		case 0:
			return take_state(value, &state->state);
		case 1:
			return take_key(value, &state->key);
		case 2:
			return text_parse_bool(value, &state->per_path);
		case 3:
			return text_parse_bool(value, &state->survives_power);
		case 4:
			return text_parse_bool(value, &state->all_target_ports);
		case 5:
			return take_type(value, &state->type);
		default:
			return take_key(value, &state->holder);
		}
	}
	return strcmp(line, "path") == 0 ? take_path(value, state) : -EINVAL;
}

static int read_lines(FILE *file, struct saved_reservation *state)
{
	char line[LINE_MAX_BYTES];
	unsigned seen = 0;
	int r = 0;

	while (r == 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, END_LINE) == 0)
			return seen == 0x7f ? 0 : -EINVAL;
		r = take_line(line, state, &seen);
	}
	return -EINVAL; /* a line that is none, or no end */
}

int saved_reservation_load(const char *run_dir, const char *name, struct saved_reservation *ret)
{
	struct saved_reservation state = {};
	char path[PATH_MAX];
	FILE *file;
	int r = path_of(run_dir, name, path);

	if (r < 0)
		return r;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	r = read_lines(file, &state);
	fclose(file);
	if (r == 0)
		*ret = state;
	return r;
}
