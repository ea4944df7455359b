/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/unit_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define LEAVE_MS 4000

static enum unit_verdict check_found(const struct unit *expected, const struct unit *found)
{
	if (!unit_identity_equal(&expected->identity, &found->identity))
		return UNIT_OTHER;
	if (expected->limits.block_size != found->limits.block_size)
		return UNIT_REFORMATTED;
	return expected->limits.blocks == found->limits.blocks ? UNIT_SAME : UNIT_RESIZED;
}

enum unit_verdict unit_check(const struct unit *expected, bool listed, enum probe_verdict verdict,
			     const struct unit *found)
{
	switch (verdict) {
	case PROBE_FOUND:
		return check_found(expected, found);
	case PROBE_NO_DISK:
		return UNIT_GONE;
	case PROBE_NO_IDENTITY:
		/* it had one before */
		return listed ? UNIT_OTHER : UNIT_GONE;
	case PROBE_NOT_READY:
		/* its identity is known, even while it cannot be used */
		if (!unit_identity_equal(&expected->identity, &found->identity))
			return UNIT_OTHER;
		/* its size is looked at when its port group does I/O again: path_set_port() */
		return found->limits.access ? UNIT_SAME : UNIT_UNKNOWN;
	default:
		return UNIT_UNKNOWN;
	}
}

static int compare_luns(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int unit_lists_missing(const uint64_t *known, size_t known_count, const uint64_t *listed,
		       size_t listed_count, uint64_t *missing)
{
	owned_memory uint64_t *sorted = NULL;
	size_t same = 0;
	int count = 0;

	/* nearly always nothing has changed, and the order has not either */
	while (same < known_count && same < listed_count && known[same] == listed[same])
		same++;
	if (same == known_count)
		return 0;
	sorted = calloc(listed_count + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	if (listed_count > 0)
		memcpy(sorted, listed, listed_count * sizeof(*sorted));
	qsort(sorted, listed_count, sizeof(*sorted), compare_luns);
	for (; same < known_count; same++)
		if (!bsearch(&known[same], sorted, listed_count, sizeof(*sorted), compare_luns))
			missing[count++] = known[same];
	return count;
}

enum unit_step unit_step(unsigned looks, uint64_t gone_ms, bool carries, bool asked)
{
	if (asked || (looks > 1 && gone_ms >= LEAVE_MS))
		return UNIT_STEP_LEAVE;
	return looks > 1 || carries ? UNIT_STEP_FAIL : UNIT_STEP_WAIT;
}
