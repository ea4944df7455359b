/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A RAM disk, one path to it, and a map over the path: what block/ stands on, without a kernel or a
 * clock.
 */

#include "multipath/map.h"
#include "scsi/unit.h"
#include "tests/fakes/fake_nexus.h"
#include "util/ring.h"

struct fixture {
	struct ring *ring;
	struct fake_unit *fake_unit;
	struct fake_nexus *nexus;
	struct unit unit; /* all that fake_unit can; change before fixture_begin_map() */
	struct map *map;
	struct path *path;
};

/** fixture_init() - a disk of zeroes, and limits that allow everything */
void fixture_init(struct fixture *fixture, uint64_t blocks, uint32_t block_size);
/** fixture_begin_map() - the map, with one active path; fixture->unit is final from here */
void fixture_begin_map(struct fixture *fixture);
void fixture_deinit(struct fixture *fixture);

/** fixture_settle() - let the disk answer all that is queued, and the ring turn, until calm */
void fixture_settle(struct fixture *fixture);
/** fixture_turn() - one turn of the ring */
void fixture_turn(struct fixture *fixture);
