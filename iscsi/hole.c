/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/hole.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "iscsi/pdu.h"

int hole_set_add(struct hole_set *set, struct hole hole)
{
	struct hole *holes = set->holes, *next, *before;
	bool full = set->count == HOLES_MAX;
	unsigned at = 0;

	if (hole.end - hole.first > HOLE_RUN_MAX)
		return -ENOSPC;
	while (at < set->count && sn_less(holes[at].first, hole.first))
		at++;
	next = at < set->count ? &holes[at] : NULL;
	before = at > 0 ? &holes[at - 1] : NULL;
	hole.due = true;
	if (next && next->first == hole.end) {
		next->first = hole.first;
		next->offset = hole.offset;
		next->due = true;
		return 0;
	}
	/* One that was asked for already is asked for again only when there is no other place. */
	if (before && before->end == hole.first && (before->due || full)) {
		before->end = hole.end;
		before->offset_end = hole.offset_end;
		before->last = hole.last;
		before->due = true;
		return 0;
	}
	if (full)
		return -ENOSPC;
	memmove(&holes[at + 1], &holes[at], (set->count - at) * sizeof(*holes));
	holes[at] = hole;
	set->count++;
	return 0;
}

struct hole *hole_set_find(struct hole_set *set, uint32_t sn)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->holes[i].first == sn)
			return &set->holes[i];
	return NULL;
}

void hole_set_shrink(struct hole_set *set, struct hole *hole, uint32_t length)
{
	unsigned at = (unsigned)(hole - set->holes);

	hole->first++;
	hole->offset += length;
	if (hole->first != hole->end)
		return;
	set->count--;
	memmove(hole, hole + 1, (set->count - at) * sizeof(*hole));
}
