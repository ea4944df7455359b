/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/verdict.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "multipath/retry.h"
#include "util/cleanup.h"

/* clang-format off */
static const struct verdict_word words[] = {
	{VERDICT_OK,      "OK",      "the command is complete"},
	{VERDICT_SAME,    "SAME",    "it is sent again on the same path"},
	{VERDICT_OTHER,   "OTHER",   "it is sent on another usable path; this one keeps its state"},
	{VERDICT_DELAY,   "DELAY",   "it is sent again after a pause"},
	{VERDICT_ERR,     "ERR",     "it fails: no path would do better"},
	{VERDICT_FAILP,   "FAILP",   "the path is failed: what it carried moves, or is fenced"},
	{VERDICT_FAILG,   "FAILG",   "the same for every path of a target port group"},
	{VERDICT_SUSPECT, "SUSPECT", "the path gets nothing new while another one is there"},
	{VERDICT_PROBE,   "PROBE",   "identity and readiness are checked before it carries I/O"},
	{VERDICT_RTPG,    "RTPG",    "the target port groups are read anew"},
	{VERDICT_RESCAN,  "RESCAN",  "what the target shows is listed anew"},
	{VERDICT_CAP,     "CAP",     "the capacity is read anew"},
	{VERDICT_MODE,    "MODE",    "the mode pages are read anew"},
	{VERDICT_PRCHK,   "PRCHK",   "keys and reservation are read anew"},
	{VERDICT_QUAR,    "QUAR",    "the path is quarantined: no read, no write"},
	{VERDICT_FENCE,   "FENCE",   "writes in doubt are fenced, or guarded against"},
	{VERDICT_EVT,     "EVT",     "somebody is told, or is to look"},
};

static const struct {
	const char *letter, *meaning;
} doubts[DOUBT_COUNT] = {
	[DOUBT_NOT_SAID] = {"",  ""},
	[DOUBT_NONE]     = {"N", "definitely not executed"},
	[DOUBT_EXECUTED] = {"Y", "executed"},
	[DOUBT_OPEN]     = {"D", "in doubt: some of it may have been executed, or may still be"},
};
/* clang-format on */

static_assert(ARRAY_SIZE(words) == VERDICT_COUNT, "every verdict has its word");

const struct verdict_word *verdict_word_at(size_t index)
{
	return index < ARRAY_SIZE(words) ? &words[index] : NULL;
}

const char *verdict_text(unsigned verdicts, char text[VERDICT_TEXT_MAX])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words) && used < VERDICT_TEXT_MAX; i++)
		if (verdicts & words[i].verdict)
			used += (size_t)snprintf(text + used, VERDICT_TEXT_MAX - used, "%s%s",
						 used ? " " : "", words[i].name);
	return text;
}

const char *doubt_letter(enum doubt doubt)
{
	return doubts[doubt].letter;
}

const char *doubt_meaning(enum doubt doubt)
{
	return doubts[doubt].meaning;
}

unsigned verdict_of_rule(const struct retry_rule *rule)
{
	static const unsigned actions[RETRY_ACTION_COUNT] = {
		[RETRY_DONE] = VERDICT_OK,
		[RETRY_FAIL] = VERDICT_ERR,
		[RETRY_SAME_PATH] = VERDICT_SAME,
		[RETRY_DELAY] = VERDICT_DELAY,
		[RETRY_OTHER_PATH] = VERDICT_OTHER,
		[RETRY_FAIL_PATH] = VERDICT_FAILP | VERDICT_OTHER,
		[RETRY_UNMAPPED] = VERDICT_RESCAN | VERDICT_OTHER,
		[RETRY_GUARD] = VERDICT_FENCE,
	};
	static const struct {
		unsigned flag, verdicts;
	} flags[] = {
		{RETRY_ATTENTION, VERDICT_EVT},
		{RETRY_VERIFY, VERDICT_PROBE},
		{RETRY_DEFERRED_ERROR, VERDICT_EVT},
		{RETRY_ACCESS, VERDICT_RTPG},
	};
	unsigned verdicts = actions[rule->verdict.action];

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (rule->verdict.flags & flags[i].flag)
			verdicts |= flags[i].verdicts;
	return verdicts;
}
