/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What each exit status and error name means in plain words, and what to do next.
 */

struct explanation {
	int status;	     /* exit status of iscsiadm and hawser */
	const char *name;    /* after "org.hawser1.Error." */
	const char *meaning; /* one sentence */
	const char *next;    /* what to do */
};

/** explain_status() - NULL for a status that is never used */
const struct explanation *explain_status(int status);
/**
 * explain_next() - what to do after this status
 * @verb: what hawser was asked for, "remove"; NULL: not known
 *
 * Return: NULL for a status that is never used
 */
const char *explain_next(int status, const char *verb);
/** explain_word() - @word: a number, or a name in any case, with or without its prefix; NULL: none
 */
const struct explanation *explain_word(const char *word);
