/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What is missing of one task: runs of its Data-In PDUs or of its R2Ts that did not come (RFC 7143
 * §4.2.2.4). Bounded, without memory of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#define HOLES_MAX    8u	    /* in one task */
#define HOLE_RUN_MAX 65536u /* PDUs in one hole */

struct hole {
	uint32_t first, end;	     /* DataSN or R2TSN: [first, end) */
	uint32_t offset, offset_end; /* bytes of the command's data in them; Data-In only */
	bool last;		     /* nothing came behind it: it may be shorter */
	bool due;		     /* it is to be asked for */
};

struct hole_set {
	struct hole holes[HOLES_MAX]; /* ascending, apart from each other or asked for apart */
	uint8_t count;
};

/**
 * hole_set_add() - @hole is missing from now on, and due; it overlaps none that is
 * Return: 0; -ENOSPC when it is too long or there are too many.
 */
int hole_set_add(struct hole_set *set, struct hole hole);
/** hole_set_find() - the hole that begins with @sn; NULL: none does */
struct hole *hole_set_find(struct hole_set *set, uint32_t sn);
/** hole_set_shrink() - the first PDU of @hole, one of @set, came with @length bytes */
void hole_set_shrink(struct hole_set *set, struct hole *hole, uint32_t length);
