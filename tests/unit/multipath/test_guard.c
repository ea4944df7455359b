/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "multipath/command.h"
#include "multipath/guard.h"
#include "multipath/path.h"
#include "tests/fakes/fake_ring.h"
#include "util/cleanup.h"

static unsigned overdue_calls;

static void overdue(struct guard *guard)
{
	overdue_calls++;
}

struct world {
	struct ring *ring;
	struct guard guard;
	struct path a, b;
	struct list freed;
};

static void world_init(struct world *w, int32_t timeout_ms)
{
	*w = (struct world){.ring = fake_ring_new()};
	guard_init(&w->guard, w->ring, timeout_ms, overdue);
	list_init(&w->freed);
	overdue_calls = 0;
}

static void world_deinit(struct world *w)
{
	guard_free_all(&w->guard, &w->freed);
	guard_deinit(&w->guard);
	ring_free(w->ring);
}

static struct map_command write_of(struct path *path, uint64_t lba, uint64_t blocks)
{
	return (struct map_command){.kind = MAP_WRITE,
				    .lba = lba,
				    .blocks = blocks,
				    .path = path,
				    .login = path->login};
}

static struct map_command *next_freed(struct world *w)
{
	return list_pop(&w->freed, struct map_command, link);
}

/* Against a parked write of blocks 100 … 109. */
static const struct {
	uint64_t lba, blocks;
	bool blocked;
} ranges[] = {
	{100, 10, true},	{99, 1, false},		{99, 2, true},
	{109, 1, true},		{110, 1, false},	{0, 100, false},
	{0, 101, true},		{0, 1000, true},	{105, 1, true},
	{0, 0, true},		{5000, 0, true}, /* no blocks: it may touch everything */
	{UINT64_MAX, 1, false}, {50, UINT64_MAX, true}, {UINT64_MAX, UINT64_MAX, false},
};

static void only_overlapping_writes_are_blocked(void **state)
{
	struct world w;

	world_init(&w, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct map_command parked = write_of(&w.a, 100, 10);
		struct map_command later = write_of(&w.b, ranges[i].lba, ranges[i].blocks);

		assert_false(guard_active(&w.guard));
		guard_park(&w.guard, &parked);
		assert_true(guard_active(&w.guard));
		assert_int_equal(guard_blocks(&w.guard, &later), ranges[i].blocked);
		guard_free_all(&w.guard, &w.freed);
		assert_ptr_equal(next_freed(&w), &parked);
		assert_false(guard_blocks(&w.guard, &later));
	}
	world_deinit(&w);
}

static void a_write_of_unknown_range_blocks_everything(void **state)
{
	struct map_command parked, later;
	struct world w;

	world_init(&w, 1000);
	parked = write_of(&w.a, 7, 0);
	later = write_of(&w.b, 1 << 30, 1);
	guard_park(&w.guard, &parked);
	assert_true(guard_blocks(&w.guard, &later));
	world_deinit(&w);
}

static void a_fence_frees_what_that_path_carried_and_what_waited_for_it(void **state)
{
	struct map_command on_a, on_b, after_a, after_b, after_both;
	struct world w;

	world_init(&w, 1000);
	on_a = write_of(&w.a, 0, 10);
	on_b = write_of(&w.b, 10, 10);
	after_b = write_of(&w.b, 15, 1);
	after_both = write_of(&w.b, 5, 10);
	after_a = write_of(&w.b, 5, 1);
	guard_park(&w.guard, &on_a);
	guard_park(&w.guard, &on_b);
	guard_hold(&w.guard, &after_b);
	guard_hold(&w.guard, &after_both);
	guard_hold(&w.guard, &after_a);
	assert_int_equal(w.a.in_doubt, 1);
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_int_equal(w.a.in_doubt, 0);
	assert_int_equal(w.b.in_doubt, 1);
	assert_ptr_equal(next_freed(&w), &on_a);
	assert_ptr_equal(next_freed(&w), &after_a);
	assert_null(next_freed(&w));
	w.b.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.b, &w.freed);
	assert_ptr_equal(next_freed(&w), &on_b);
	assert_ptr_equal(next_freed(&w), &after_b);
	assert_ptr_equal(next_freed(&w), &after_both);
	assert_null(next_freed(&w));
	assert_int_equal(fake_ring_timers(w.ring), 0);
	world_deinit(&w);
}

static void a_fence_does_not_free_what_a_later_login_carried(void **state)
{
	struct map_command early, late;
	struct world w;

	world_init(&w, 1000);
	early = write_of(&w.a, 0, 1);
	w.a.login = 1;
	late = write_of(&w.a, 1, 1);
	guard_park(&w.guard, &late);
	guard_park(&w.guard, &early);
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_ptr_equal(next_freed(&w), &early);
	assert_null(next_freed(&w));
	assert_int_equal(w.a.in_doubt, 1);
	world_deinit(&w);
}

static void each_write_is_overdue_at_its_own_time(void **state)
{
	struct map_command first, second;
	struct world w;

	world_init(&w, 1000);
	first = write_of(&w.a, 0, 1);
	second = write_of(&w.a, 1, 1);
	guard_park(&w.guard, &first);
	fake_ring_advance_us(w.ring, 400300);
	guard_park(&w.guard, &second);
	fake_ring_advance_us(w.ring, 599699);
	assert_int_equal(overdue_calls, 0);
	fake_ring_advance_us(w.ring, 1);
	assert_int_equal(overdue_calls, 1);
	assert_int_equal(guard_free_overdue(&w.guard, &w.freed), 1);
	assert_ptr_equal(next_freed(&w), &first);
	fake_ring_advance_us(w.ring, 400299);
	assert_int_equal(overdue_calls, 1);
	fake_ring_advance(w.ring, 1); /* timers have whole milliseconds */
	assert_int_equal(overdue_calls, 2);
	assert_int_equal(guard_free_overdue(&w.guard, &w.freed), 1);
	assert_ptr_equal(next_freed(&w), &second);
	assert_int_equal(fake_ring_timers(w.ring), 0);
	world_deinit(&w);
}

static void with_no_timeout_nothing_is_ever_overdue(void **state)
{
	struct map_command parked;
	struct world w;

	world_init(&w, -1);
	parked = write_of(&w.a, 0, 1);
	guard_park(&w.guard, &parked);
	fake_ring_advance(w.ring, 1000000000);
	assert_int_equal(overdue_calls, 0);
	assert_int_equal(guard_free_overdue(&w.guard, &w.freed), 0);
	assert_true(guard_active(&w.guard));
	world_deinit(&w);
}

static void a_timeout_of_zero_is_over_at_once(void **state)
{
	struct map_command parked;
	struct world w;

	world_init(&w, 0);
	parked = write_of(&w.a, 0, 1);
	guard_park(&w.guard, &parked);
	fake_ring_advance(w.ring, 0);
	assert_int_equal(overdue_calls, 1);
	assert_int_equal(guard_free_overdue(&w.guard, &w.freed), 1);
	world_deinit(&w);
}

static void a_path_that_goes_away_leaves_its_writes_behind(void **state)
{
	struct map_command on_a, on_b;
	struct world w;

	world_init(&w, 1000);
	on_a = write_of(&w.a, 0, 1);
	on_b = write_of(&w.b, 1, 1);
	guard_park(&w.guard, &on_a);
	guard_park(&w.guard, &on_b);
	guard_forget_path(&w.guard, &w.a);
	assert_null(on_a.path);
	assert_ptr_equal(on_b.path, &w.b);
	fake_ring_advance(w.ring, 1000);
	assert_int_equal(guard_free_overdue(&w.guard, &w.freed), 2);
	assert_int_equal(w.b.in_doubt, 0);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_overlapping_writes_are_blocked),
		cmocka_unit_test(a_write_of_unknown_range_blocks_everything),
		cmocka_unit_test(a_fence_frees_what_that_path_carried_and_what_waited_for_it),
		cmocka_unit_test(a_fence_does_not_free_what_a_later_login_carried),
		cmocka_unit_test(each_write_is_overdue_at_its_own_time),
		cmocka_unit_test(with_no_timeout_nothing_is_ever_overdue),
		cmocka_unit_test(a_timeout_of_zero_is_over_at_once),
		cmocka_unit_test(a_path_that_goes_away_leaves_its_writes_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
