/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What is known of targets beyond what they say of themselves: data, each row with its evidence.
 * Constant data: any thread.
 */

#include <stddef.h>

/*
 * What a target does with the commands of a session that another login takes the place of. All of
 * them "must" be terminated (RFC 7143 §6.3.5); the question is whether those that the backing store
 * is working on are over, or held back, before the new session has its first answer.
 */
enum profile_drain {
	PROFILE_UNKNOWN, /* nobody looked: only the standard says so */
	PROFILE_DRAINS,	 /* they are */
	PROFILE_LEAVES,	 /* they may go on */
	PROFILE_DRAIN_COUNT,
};

struct profile {
	const char *vendor, *product; /* beginnings of what INQUIRY says, trimmed; "" is any */
	enum profile_drain drain;
	const char *target; /* its name, for people */
};

/** profile_of() - the first row that fits; there always is one */
const struct profile *profile_of(const char *vendor, const char *product);

/** profile_at() - the @index-th row, the last fits everything; NULL behind it */
const struct profile *profile_at(size_t index);
