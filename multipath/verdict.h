/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The words for what is done about something that happened to a command, a path or a unit, and for
 * how much is known of a command's fate. Rules (retry.h), events, journal, D-Bus and documents use
 * these words and no others. Plain functions over constant data: any thread.
 */

#include <stddef.h>

struct retry_rule;

/* What is done; bits, because a rule may ask for several. */
enum verdict {
	VERDICT_OK = 1 << 0,
	VERDICT_SAME = 1 << 1,
	VERDICT_OTHER = 1 << 2,
	VERDICT_DELAY = 1 << 3,
	VERDICT_ERR = 1 << 4,
	VERDICT_FAILP = 1 << 5,
	VERDICT_FAILG = 1 << 6,
	VERDICT_SUSPECT = 1 << 7,
	VERDICT_PROBE = 1 << 8,
	VERDICT_RTPG = 1 << 9,
	VERDICT_RESCAN = 1 << 10,
	VERDICT_CAP = 1 << 11,
	VERDICT_MODE = 1 << 12,
	VERDICT_PRCHK = 1 << 13,
	VERDICT_QUAR = 1 << 14,
	VERDICT_FENCE = 1 << 15,
	VERDICT_EVT = 1 << 16,
};
#define VERDICT_COUNT 17

/* Whether the device executed the commands that it is about. */
enum doubt {
	DOUBT_NOT_SAID, /* about no command */
	DOUBT_NONE,	/* "N": definitely not executed */
	DOUBT_EXECUTED, /* "Y" */
	DOUBT_OPEN,	/* "D": some may have been, or may still be */
	DOUBT_COUNT,
};

/* One word of the vocabulary. */
struct verdict_word {
	unsigned verdict; /* one bit */
	const char *name, *meaning;
};

/** verdict_word_at() - the @index-th; NULL behind the last */
const struct verdict_word *verdict_word_at(size_t index);

#define VERDICT_TEXT_MAX 128 /* bytes that all words together fit into */

/** verdict_text() - "OTHER RTPG"; "" for 0. Gives @text back */
const char *verdict_text(unsigned verdicts, char text[VERDICT_TEXT_MAX]);

/** doubt_letter() - "N", "Y", "D", or "" */
const char *doubt_letter(enum doubt doubt);
const char *doubt_meaning(enum doubt doubt);

/** verdict_of_rule() - what a rule of retry.h does, in these words */
unsigned verdict_of_rule(const struct retry_rule *rule);
