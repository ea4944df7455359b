/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A stream whose text a test can look at.
 */

#include <stdio.h>
#include <stdlib.h>

struct printed {
	FILE *file;
	char *text;
	size_t length;
};

static inline struct printed *printed_new(void)
{
	struct printed *printed = calloc(1, sizeof(*printed));

	printed->file = open_memstream(&printed->text, &printed->length);
	return printed;
}

/** printed_text() - all that was printed so far */
static inline const char *printed_text(struct printed *printed)
{
	fflush(printed->file);
	return printed->text;
}

static inline void printed_free(struct printed *printed)
{
	fclose(printed->file);
	free(printed->text);
	free(printed);
}
