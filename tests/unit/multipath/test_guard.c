/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "multipath/command.h"
#include "multipath/guard.h"
#include "multipath/path.h"
#include "tests/fakes/fake_ring.h"
#include "util/cleanup.h"

static unsigned due_calls;

static void due(struct guard *guard)
{
	due_calls++;
}

static const struct guard_owner owner = {.due = due};

struct world {
	struct ring *ring;
	struct guard guard;
	struct path a, b;
	struct list freed;
};

static void world_init_as(struct world *w, enum integrity integrity, uint32_t fence_wait_ms,
			  int32_t timeout_ms)
{
	struct guard_settings settings = {integrity, fence_wait_ms, timeout_ms};

	*w = (struct world){.ring = fake_ring_new()};
	guard_init(&w->guard, w->ring, &settings, &owner);
	list_init(&w->freed);
	due_calls = 0;
}

/* Shared, with no fence_wait that could get in the way of the time that a test is about. */
static void world_init(struct world *w, int32_t timeout_ms)
{
	world_init_as(w, INTEGRITY_SHARED, 1000000, timeout_ms);
}

static void world_deinit(struct world *w)
{
	guard_free_all(&w->guard, true, &w->freed);
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
		guard_free_all(&w.guard, true, &w.freed);
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
	assert_int_equal(due_calls, 0);
	fake_ring_advance_us(w.ring, 1);
	assert_int_equal(due_calls, 1);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 1);
	assert_ptr_equal(next_freed(&w), &first);
	fake_ring_advance_us(w.ring, 400299);
	assert_int_equal(due_calls, 1);
	fake_ring_advance(w.ring, 1); /* timers have whole milliseconds */
	assert_int_equal(due_calls, 2);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 1);
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
	assert_int_equal(due_calls, 1); /* that of fence_wait */
	assert_int_equal(guard_expire(&w.guard, &w.freed), 0);
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
	assert_int_equal(due_calls, 1);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 1);
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
	assert_int_equal(guard_expire(&w.guard, &w.freed), 2);
	assert_int_equal(w.b.in_doubt, 0);
	world_deinit(&w);
}

/* --- exclusive: ranges --- */

static bool wire_is_clear;

static bool clear(struct guard *guard, const struct map_command *command)
{
	return wire_is_clear;
}

static void exclusive_world(struct world *w)
{
	world_init_as(w, INTEGRITY_EXCLUSIVE, 100, 1000);
	wire_is_clear = true;
}

static void park(struct world *w, struct map_command *command)
{
	guard_park(&w->guard, command);
}

/* After fence_wait: @command goes on, its ghost stays. */
static void release(struct world *w, struct map_command *command)
{
	fake_ring_advance(w->ring, 100);
	guard_release(&w->guard, clear, &w->freed);
	assert_ptr_equal(next_freed(w), command);
	assert_true(command->ghosts);
}

static struct guard_statistics figures(const struct world *w)
{
	struct guard_statistics statistics;

	guard_get_statistics(&w->guard, 1000, &statistics);
	return statistics;
}

static void an_exclusive_write_goes_on_after_fence_wait_and_its_range_stays(void **state)
{
	struct map_command write, later, elsewhere;
	struct world w;

	exclusive_world(&w);
	write = write_of(&w.a, 10, 10);
	later = write_of(&w.b, 19, 1);
	elsewhere = write_of(&w.b, 20, 1);
	park(&w, &write);
	fake_ring_advance(w.ring, 99);
	assert_int_equal(due_calls, 0);
	guard_release(&w.guard, clear, &w.freed);
	assert_null(next_freed(&w)); /* not yet */
	fake_ring_advance(w.ring, 1);
	assert_int_equal(due_calls, 1);
	guard_release(&w.guard, clear, &w.freed);
	assert_ptr_equal(next_freed(&w), &write);
	assert_false(guard_blocks(&w.guard, &write)); /* its own ghost is no obstacle */
	assert_true(guard_blocks(&w.guard, &later));
	assert_false(guard_blocks(&w.guard, &elsewhere));
	assert_int_equal(w.a.in_doubt, 1);
	guard_settle(&w.guard, &write);
	assert_true(guard_blocks(&w.guard, &write)); /* sent anew it is another write */
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_false(guard_active(&w.guard));
	assert_int_equal(w.a.in_doubt, 0);
	world_deinit(&w);
}

static void with_shared_integrity_nothing_goes_on_before_the_fence(void **state)
{
	struct map_command write;
	struct world w;

	world_init_as(&w, INTEGRITY_SHARED, 100, 1000);
	write = write_of(&w.a, 10, 10);
	park(&w, &write);
	fake_ring_advance(w.ring, 999);
	guard_release(&w.guard, clear, &w.freed);
	assert_null(next_freed(&w));
	world_deinit(&w);
}

static void a_write_that_another_overlaps_on_a_wire_stays_parked(void **state)
{
	struct map_command write;
	struct world w;

	exclusive_world(&w);
	write = write_of(&w.a, 10, 10);
	park(&w, &write);
	wire_is_clear = false;
	fake_ring_advance(w.ring, 100);
	guard_release(&w.guard, clear, &w.freed);
	assert_null(next_freed(&w));
	due_calls = 0;
	fake_ring_advance(w.ring, 100);
	assert_int_equal(due_calls, 1); /* looked at again */
	wire_is_clear = true;
	guard_release(&w.guard, clear, &w.freed);
	assert_ptr_equal(next_freed(&w), &write);
	guard_settle(&w.guard, &write);
	world_deinit(&w);
}

static void two_ghosts_in_one_place_wait_for_each_other(void **state)
{
	struct map_command one, two;
	struct world w;

	exclusive_world(&w);
	one = write_of(&w.a, 10, 10);
	two = write_of(&w.b, 15, 10);
	park(&w, &one);
	park(&w, &two);
	fake_ring_advance(w.ring, 100);
	guard_release(&w.guard, clear, &w.freed);
	assert_null(next_freed(&w));
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_ptr_equal(next_freed(&w), &one);
	guard_release(&w.guard, clear, &w.freed);
	assert_ptr_equal(next_freed(&w), &two);
	guard_settle(&w.guard, &two);
	world_deinit(&w);
}

static void a_write_with_several_ghosts_passes_them_all(void **state)
{
	struct map_command write;
	struct world w;

	exclusive_world(&w);
	write = write_of(&w.a, 10, 10);
	park(&w, &write);
	release(&w, &write);
	write.path = &w.b;
	park(&w, &write);
	release(&w, &write);
	assert_false(guard_blocks(&w.guard, &write));
	assert_int_equal(w.a.in_doubt + w.b.in_doubt, 2);
	guard_settle(&w.guard, &write);
	assert_int_equal(w.a.in_doubt + w.b.in_doubt, 2); /* two nexuses: never joined */
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_true(guard_active(&w.guard));
	w.b.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.b, &w.freed);
	assert_false(guard_active(&w.guard));
	world_deinit(&w);
}

static void ranges_that_touch_become_one_once_their_writes_were_answered(void **state)
{
	struct map_command low, middle, high, far;
	struct world w;

	exclusive_world(&w);
	low = write_of(&w.a, 10, 10);
	middle = write_of(&w.a, 20, 10);
	high = write_of(&w.a, 30, 10);
	far = write_of(&w.a, 41, 10);
	park(&w, &low);
	park(&w, &middle);
	park(&w, &high);
	park(&w, &far);
	fake_ring_advance(w.ring, 100);
	guard_release(&w.guard, clear, &w.freed);
	list_init(&w.freed);
	assert_int_equal(w.guard.range_count, 4);
	guard_settle(&w.guard, &low);
	guard_settle(&w.guard, &high);
	assert_int_equal(w.guard.range_count, 4);
	guard_settle(&w.guard, &middle); /* fills the gap */
	assert_int_equal(w.guard.range_count, 2);
	guard_settle(&w.guard, &far);
	assert_int_equal(w.guard.range_count, 2);
	assert_int_equal(w.a.in_doubt, 2);
	assert_int_equal(figures(&w).guarded_blocks, 40);
	for (uint64_t lba = 9; lba < 52; lba++) {
		struct map_command probe = write_of(&w.b, lba, 1);

		assert_int_equal(guard_blocks(&w.guard, &probe),
				 lba >= 10 && lba != 40 && lba < 51);
	}
	w.a.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_false(guard_active(&w.guard));
	assert_int_equal(w.a.in_doubt, 0);
	world_deinit(&w);
}

static void with_no_room_writes_stay_parked_until_there_is(void **state)
{
	static struct map_command writes[GUARD_RANGES + 10];
	unsigned gone_on = 0;
	struct world w;

	exclusive_world(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		writes[i] = write_of(&w.a, i, 1);
		park(&w, &writes[i]);
	}
	fake_ring_advance(w.ring, 100);
	guard_release(&w.guard, clear, &w.freed);
	while (next_freed(&w))
		gone_on++;
	assert_int_equal(gone_on, GUARD_RANGES);
	assert_int_equal(figures(&w).parked, 10);
	due_calls = 0;
	for (unsigned i = 0; i < GUARD_RANGES; i++)
		guard_settle(&w.guard, &writes[i]);
	assert_int_equal(w.guard.range_count, 1);
	fake_ring_advance(w.ring, 0);
	assert_int_equal(due_calls, 1); /* at once, not with the next look */
	guard_release(&w.guard, clear, &w.freed);
	while (next_freed(&w))
		gone_on++;
	assert_int_equal(gone_on, ARRAY_SIZE(writes));
	for (unsigned i = GUARD_RANGES; i < ARRAY_SIZE(writes); i++)
		guard_settle(&w.guard, &writes[i]);
	assert_int_equal(figures(&w).guarded_blocks, ARRAY_SIZE(writes));
	world_deinit(&w);
}

static void writes_that_have_to_end_leave_their_ghosts_guarded_however_many(void **state)
{
	struct world w;

	exclusive_world(&w);
	/* Far apart, so that none can be joined; by and by everything between is guarded, too. */
	for (unsigned i = 0; i < 2 * (GUARD_RANGES + GUARD_RESERVE); i++) {
		struct map_command write = write_of(i % 2 ? &w.a : &w.b, i * 10, 1), probe;

		park(&w, &write);
		guard_free_all(&w.guard, false, &w.freed);
		assert_ptr_equal(next_freed(&w), &write);
		for (unsigned n = 0; n <= i; n++) {
			probe = write_of(&w.b, n * 10, 1);
			assert_true(guard_blocks(&w.guard, &probe));
		}
	}
	assert_int_equal(w.guard.range_count, GUARD_RANGES);
	w.a.fenced_login = w.b.fenced_login = 1;
	guard_free_fenced(&w.guard, &w.a, &w.freed);
	assert_true(guard_active(&w.guard));
	guard_free_fenced(&w.guard, &w.b, &w.freed);
	assert_false(guard_active(&w.guard));
	assert_int_equal(w.a.in_doubt + w.b.in_doubt, 0);
	world_deinit(&w);
}

static void even_the_last_room_guards_too_much_and_not_too_little(void **state)
{
	static struct path paths[GUARD_RESERVE + 1];
	static struct map_command owners[GUARD_RANGES];
	struct map_command last, probe;
	struct world w;

	exclusive_world(&w);
	for (unsigned i = 0; i < GUARD_RANGES; i++) {
		owners[i] = write_of(&w.a, i * 10, 1);
		park(&w, &owners[i]);
	}
	fake_ring_advance(w.ring, 100);
	guard_release(&w.guard, clear, &w.freed); /* all rooms taken, by writes under way */
	list_init(&w.freed);
	for (unsigned i = 0; i < GUARD_RESERVE; i++) {
		last = write_of(&paths[i], 100000 + i * 10, 1);
		park(&w, &last);
		guard_free_all(&w.guard, false, &w.freed);
		list_init(&w.freed);
	}
	assert_int_equal(w.guard.range_count, GUARD_RANGES + GUARD_RESERVE);
	last = write_of(&paths[GUARD_RESERVE], 500000, 1);
	park(&w, &last);
	guard_free_all(&w.guard, false, &w.freed);
	list_init(&w.freed);
	probe = write_of(&w.b, 500000, 1);
	assert_true(guard_blocks(&w.guard, &probe));
	for (unsigned i = 0; i < GUARD_RANGES; i++)
		guard_settle(&w.guard, &owners[i]);
	fake_ring_advance(w.ring, 1000);
	guard_expire(&w.guard, &w.freed);
	assert_false(guard_active(&w.guard));
	world_deinit(&w);
}

static void a_range_is_over_at_its_own_time(void **state)
{
	struct map_command early, late;
	struct world w;

	exclusive_world(&w);
	early = write_of(&w.a, 0, 1);
	late = write_of(&w.a, 1, 1);
	park(&w, &early);
	release(&w, &early);
	guard_settle(&w.guard, &early);
	fake_ring_advance(w.ring, 400);
	park(&w, &late);
	release(&w, &late);
	guard_settle(&w.guard, &late); /* joined: the younger counts */
	assert_int_equal(w.guard.range_count, 1);
	fake_ring_advance(w.ring, 899);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 0);
	fake_ring_advance(w.ring, 1);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 1);
	assert_int_equal(figures(&w).overdue, 1);
	assert_int_equal(figures(&w).in_doubt, 2);
	assert_int_equal(figures(&w).longest_ms, 1000);
	assert_int_equal(fake_ring_timers(w.ring), 0);
	world_deinit(&w);
}

static void a_path_that_goes_away_leaves_its_ranges_to_time(void **state)
{
	struct map_command write, later;
	struct world w;

	exclusive_world(&w);
	write = write_of(&w.a, 0, 1);
	later = write_of(&w.b, 0, 1);
	park(&w, &write);
	release(&w, &write);
	guard_settle(&w.guard, &write);
	guard_hold(&w.guard, &later);
	guard_forget_path(&w.guard, &w.a);
	assert_int_equal(figures(&w).held, 1);
	assert_true(guard_blocks(&w.guard, &later));
	fake_ring_advance(w.ring, 900);
	assert_int_equal(guard_expire(&w.guard, &w.freed), 1);
	assert_ptr_equal(next_freed(&w), &later);
	world_deinit(&w);
}

static void help_is_wanted_once_fence_wait_is_over(void **state)
{
	struct map_command write;
	struct world w;

	exclusive_world(&w);
	write = write_of(&w.a, 0, 1);
	park(&w, &write);
	assert_false(guard_waits_for(&w.guard, &w.a));
	fake_ring_advance(w.ring, 100);
	assert_true(guard_waits_for(&w.guard, &w.a));
	assert_false(guard_waits_for(&w.guard, &w.b));
	release(&w, &write);
	assert_true(guard_waits_for(&w.guard, &w.a));
	guard_settle(&w.guard, &write);
	world_deinit(&w);
}

static void policies_have_the_names_of_the_settings(void **state)
{
	assert_string_equal(integrity_name(INTEGRITY_EXCLUSIVE), "exclusive");
	assert_string_equal(integrity_name(INTEGRITY_SHARED), "shared");
	assert_string_equal(integrity_name(INTEGRITY_LEGACY), "legacy");
	for (int i = 0; i < INTEGRITY_COUNT; i++)
		assert_int_equal(integrity_of(integrity_name((enum integrity)i)), i);
	assert_int_equal(integrity_of("none"), -EINVAL);
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
		cmocka_unit_test(an_exclusive_write_goes_on_after_fence_wait_and_its_range_stays),
		cmocka_unit_test(with_shared_integrity_nothing_goes_on_before_the_fence),
		cmocka_unit_test(a_write_that_another_overlaps_on_a_wire_stays_parked),
		cmocka_unit_test(two_ghosts_in_one_place_wait_for_each_other),
		cmocka_unit_test(a_write_with_several_ghosts_passes_them_all),
		cmocka_unit_test(ranges_that_touch_become_one_once_their_writes_were_answered),
		cmocka_unit_test(with_no_room_writes_stay_parked_until_there_is),
		cmocka_unit_test(writes_that_have_to_end_leave_their_ghosts_guarded_however_many),
		cmocka_unit_test(even_the_last_room_guards_too_much_and_not_too_little),
		cmocka_unit_test(a_range_is_over_at_its_own_time),
		cmocka_unit_test(a_path_that_goes_away_leaves_its_ranges_to_time),
		cmocka_unit_test(help_is_wanted_once_fence_wait_is_over),
		cmocka_unit_test(policies_have_the_names_of_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
