/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Any bytes as the file of a record: the first chooses kind and strictness. What is read must come
 * back the same once it was written.
 */

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *written(const struct record *record, size_t *length_bytes)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, length_bytes);

	assert(file);
	assert(record_write(record, file) == 0);
	fclose(file);
	return text;
}

static void check_round_trip(const struct record *record, enum record_kind kind)
{
	struct record *again = NULL;
	char *first, *second;
	size_t first_length, second_length;
	int r;

	first = written(record, &first_length);
	r = record_new(kind, &again);
	assert(r == 0);
	r = record_read(again, first, first_length, "again", false, NULL);
	assert(r == 0);
	second = written(again, &second_length);
	assert(first_length == second_length && memcmp(first, second, first_length) == 0);
	record_free(again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	owned_error struct error error = ERROR_INIT;
	struct record *record = NULL;
	enum record_kind kind;

	if (size == 0)
		return 0;
	kind = (enum record_kind)(data[0] % RECORD_KIND_COUNT);
	if (record_new(kind, &record) < 0)
		return 0;
	if (record_read(record, (const char *)data + 1, size - 1, "fuzz", data[0] & 0x80, &error) ==
	    0)
		check_round_trip(record, kind);
	record_free(record);
	return 0;
}
