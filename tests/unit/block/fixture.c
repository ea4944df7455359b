/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "tests/unit/block/fixture.h"

#include <assert.h>
#include <stdint.h>

struct turn {
	struct ring_timer timer;
	struct ring *ring;
};

static void end_turn(struct ring_timer *timer)
{
	ring_stop(((struct turn *)timer)->ring);
}

void fixture_turn(struct fixture *fixture)
{
	struct turn turn = {.ring = fixture->ring};

	ring_timer_init(&turn.timer, end_turn);
	ring_timer_arm(fixture->ring, &turn.timer, 0);
	assert(ring_run(fixture->ring) == 0);
}

void fixture_settle(struct fixture *fixture)
{
	for (unsigned calm = 0; calm < 4; calm++) {
		fixture_turn(fixture);
		if (fake_nexus_run(fixture->nexus) > 0)
			calm = 0;
	}
}

void fixture_init(struct fixture *fixture, uint64_t blocks, uint32_t block_size)
{
	*fixture = (struct fixture){};
	assert(ring_new(64, &fixture->ring) == 0);
	fixture->fake_unit = fake_unit_new(blocks, block_size);
	fixture->nexus = fake_nexus_new(fixture->fake_unit, 0);
	fixture->unit = (struct unit){
		.identity = {.wwid = "3600", .vendor = "HAWSER", .product = "RAM disk"},
		.limits =
			{
				.blocks = blocks,
				.block_size = block_size,
				.physical_block_size = block_size,
				.max_unmap_blocks = 1 << 20,
				.max_unmap_descriptors = 16,
				.write_cache = true,
				.fua = true,
				.thin = true,
				.unmap = true,
				.write_same_unmap = true,
				.unmapped_reads_zero = true,
				.target_port_group = 1,
				.relative_target_port = 1,
			},
	};
}

void fixture_begin_map(struct fixture *fixture)
{
	struct map_settings settings = {
		.selector = "round-robin",
		.no_path_retry_ms = 0,
		.guard = {.timeout_ms = 0},
	};

	assert(map_new(fixture->ring, &fixture->unit, &settings, NULL, NULL, &fixture->map) == 0);
	assert(map_add_path(fixture->map, &fixture->nexus->nexus, NULL, &fixture->path) == 0);
	path_verified(fixture->path);
	fixture_settle(fixture);
}

void fixture_deinit(struct fixture *fixture)
{
	if (fixture->map) {
		map_remove_path(fixture->map, fixture->path);
		map_free(fixture->map);
	}
	fake_nexus_free(fixture->nexus);
	fake_unit_free(fixture->fake_unit);
	ring_free(fixture->ring);
}
