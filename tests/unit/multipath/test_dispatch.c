/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Doubt: writes that went onto a wire and got no answer, and what must not overtake them. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "scsi/cdb.h"
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

static uint8_t block(const struct fixture *f, uint64_t lba)
{
	return *(const uint8_t *)fake_unit_block(f->unit, lba);
}

/* A write in doubt on path 0, of blocks 10 … 13, while path 1 is usable. */
static struct request *doubtful_write(struct fixture *f)
{
	struct request *write = fixture_write(f, 10, 4, 0xaa);

	assert_int_equal(fixture_where(f), 0);
	fixture_lose(f, 0);
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	assert_int_equal(fixture_queued(f, 1), 0);
	return write;
}

static void a_write_in_doubt_waits_for_its_fence_and_goes_elsewhere(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f);

	fake_ring_advance(f->ring, 119999);
	assert_int_equal(fixture_queued(f, 1), 0);
	assert_int_equal(write->error, NOT_ENDED);
	fake_nexus_kill_ghosts(f->nexus[0]);
	path_fenced(f->path[0]); /* through another portal: path 0 itself is still down */
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_DOWN);
	assert_int_equal(fixture_queued(f, 1), 1);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(block(f, 13), 0xaa);
	assert_int_equal(f->guards_expired, 0);
	fixture_free(f);
}

static void relogin_of_the_path_is_a_fence(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *write = fixture_write(f, 10, 4, 0xaa);

	fixture_lose(f, 0);
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	fixture_relogin(f, 0);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void an_unfenced_write_goes_on_after_guard_timeout_with_a_loud_event(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f);

	fake_ring_advance(f->ring, 119999);
	assert_int_equal(f->guards_expired, 0);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(f->guards_expired, 1);
	assert_int_equal(f->ghosts_unguarded, 1);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void guard_timeout_of_minus_one_waits_for_ever(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *write;

	settings.guard.timeout_ms = -1;
	f = fixture_new(2, &settings);
	write = doubtful_write(f);
	fake_ring_advance(f->ring, 1000000000);
	assert_int_equal(write->error, NOT_ENDED);
	path_fenced(f->path[0]);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void a_later_write_to_the_same_blocks_waits_behind_the_ghost(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *first = doubtful_write(f), *second = fixture_write(f, 13, 2, 0xbb);

	assert_int_equal(fixture_queued(f, 1), 0);
	/* The ghost strikes as late as it can: it must not fall upon acknowledged data. */
	fixture_run(f);
	assert_int_equal(second->error, NOT_ENDED);
	fake_nexus_run_ghosts(f->nexus[0]);
	assert_int_equal(block(f, 13), 0xaa);
	path_fenced(f->path[0]);
	fixture_run(f);
	assert_int_equal(first->error, 0);
	assert_int_equal(second->error, 0);
	assert_int_equal(block(f, 12), 0xaa);
	assert_int_equal(block(f, 13), 0xbb);
	assert_int_equal(block(f, 14), 0xbb);
	fixture_free(f);
}

static void writes_elsewhere_reads_and_flushes_pass_the_guard(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *first = doubtful_write(f);
	struct request *before = fixture_write(f, 9, 1, 1), *behind = fixture_write(f, 14, 1, 1);
	struct request *read = fixture_read(f, 10, 4), *flush = fixture_flush(f);

	fixture_run(f);
	assert_int_equal(before->error, 0);
	assert_int_equal(behind->error, 0);
	assert_int_equal(read->error, 0);
	assert_int_equal(flush->error, 0);
	assert_int_equal(first->error, NOT_ENDED);
	path_fenced(f->path[0]);
	fixture_run(f);
	fixture_free(f);
}

static void a_repeated_write_is_held_too(void **state)
{
	struct fixture *f = fixture_new(3, NULL);
	struct request *first = fixture_write(f, 10, 4, 0xaa), *second;

	fake_nexus_script(f->nexus[1], FAKE_ANY_OPCODE, 1, &FAKE_STATUS(SCSI_BUSY));
	second = fixture_write(f, 10, 1, 0xbb);
	fake_nexus_run(f->nexus[1]);
	fixture_lose(f, 0);
	fake_ring_advance(f->ring, 10); /* the pause is over, but now there is a ghost */
	fixture_run(f);
	assert_int_equal(second->error, NOT_ENDED);
	assert_int_equal(fixture_executed(f), 2);
	path_fenced(f->path[0]);
	fixture_run(f);
	assert_int_equal(first->error, 0);
	assert_int_equal(second->error, 0);
	fixture_free(f);
}

static void held_writes_keep_their_order(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	doubtful_write(f);
	for (int i = 1; i <= 5; i++)
		fixture_write(f, 10, 1, (uint8_t)i);
	path_fenced(f->path[0]);
	fixture_run(f);
	assert_int_equal(block(f, 10), 5);
	fixture_free(f);
}

static void two_ghosts_on_two_paths_do_not_wait_for_each_other_for_ever(void **state)
{
	struct fixture *f = fixture_new(3, NULL);
	struct request *a = fixture_write(f, 10, 4, 0xaa), *b = fixture_write(f, 12, 4, 0xbb);

	fixture_lose(f, 0);
	fixture_lose(f, 1);
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	assert_int_equal(path_in_doubt(f->path[1]), 1);
	path_fenced(f->path[0]); /* a may go, but b's ghost lives */
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	fixture_run(f);
	assert_int_equal(a->error, NOT_ENDED);
	path_fenced(f->path[1]);
	fixture_run(f);
	assert_int_equal(a->error, 0);
	assert_int_equal(b->error, 0);
	fixture_free(f);
}

static void a_write_returned_after_the_fence_needs_no_other_fence(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = fixture_write(f, 10, 4, 0xaa);

	path_lost(f->path[0], "carrier lost");
	path_fenced(f->path[0]);
	fake_nexus_lose(f->nexus[0], SIZE_MAX);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	assert_int_equal(fixture_queued(f, 1), 1);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void late_errors_of_an_old_login_do_not_fail_the_new_one(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	for (int i = 0; i < 40; i++)
		fixture_read(f, 0, 1);
	path_lost(f->path[0], "carrier lost");
	path_verified(f->path[0]);
	while (fixture_queued(f, 0) > 0)
		fake_nexus_complete(f->nexus[0], 0, &FAKE_OUTCOME(SCSI_IN_DOUBT));
	assert_int_equal(path_get_state(f->path[0]), PATH_PROBATION);
	fixture_run(f);
	fixture_free(f);
}

static void a_fence_does_not_cover_what_the_new_login_carries(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write;

	fixture_lose(f, 0);
	fixture_relogin(f, 0);
	fixture_prove(f);
	path_fenced(f->path[0]);
	write = fixture_write(f, 10, 4, 0xaa);
	assert_int_equal(fixture_where(f), 0);
	fake_nexus_complete(f->nexus[0], 0, &FAKE_OUTCOME(SCSI_IN_DOUBT)); /* abort unanswered */
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	path_verified(f->path[0]); /* a check without a new login */
	path_fenced(f->path[0]);
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	path_lost(f->path[0], "session dropped");
	path_fenced(f->path[0]);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void writes_in_doubt_again_on_the_next_path_wait_again(void **state)
{
	struct fixture *f = fixture_new(3, NULL);
	struct request *write = doubtful_write(f);

	path_fenced(f->path[0]);
	assert_int_equal(fixture_queued(f, 1), 1);
	fixture_lose(f, 1);
	assert_int_equal(path_in_doubt(f->path[1]), 1);
	assert_int_equal(fixture_queued(f, 2), 0);
	fixture_relogin(f, 1);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void removal_of_the_path_leaves_the_write_waiting_for_guard_timeout(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f), *second = fixture_write(f, 10, 1, 0xbb);

	fake_ring_advance(f->ring, 60000);
	fixture_remove_path(f, 0);
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	assert_int_equal(second->error, NOT_ENDED);
	fake_ring_advance(f->ring, 60000);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(second->error, 0);
	assert_int_equal(f->ghosts_unguarded, 1);
	fixture_free(f);
}

static void removal_after_a_fence_leaves_nothing_behind(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f);

	path_fenced(f->path[0]); /* logout was answered */
	fixture_remove_path(f, 0);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void a_fence_counts_even_for_a_path_in_quarantine(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f);

	path_quarantine(f->path[0], "another disk");
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_WRITE_16), 1);
	assert_int_equal(fake_nexus_count(f->nexus[0], FAKE_ANY_OPCODE), 2); /* the barrier */
	fixture_free(f);
}

static void answered_and_aborted_writes_leave_no_ghost(void **state)
{
	static const struct fake_answer answers[] = {
		FAKE_OUTCOME(SCSI_ABORTED),
		FAKE_OUTCOME(SCSI_TARGET_FAILURE),
		FAKE_STATUS(SCSI_TASK_ABORTED),
		FAKE_CHECK_CONDITION(0xb, 0x47, 0x05),
		FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b),
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct fixture *f = fixture_new(2, NULL);
		struct request *write;

		fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &answers[i]);
		write = fixture_write(f, 0, 1, 1);
		fixture_run(f);
		assert_int_equal(write->error, 0);
		assert_int_equal(path_in_doubt(f->path[0]), 0);
		fixture_free(f);
	}
}

static void queueing_that_ends_takes_the_writes_in_doubt_along(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *write = fixture_write(f, 10, 4, 0xaa), *held;

	fixture_lose(f, 0);
	held = fixture_write(f, 10, 4, 0xbb);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(write->error, -EIO);
	assert_int_equal(held->error, -EIO);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_FAILING);
	fixture_free(f);
}

static void a_discard_in_doubt_is_guarded_as_a_write(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *discard = fixture_request(f, MAP_WRITE, 0, 8, 0), *write;

	cdb_write_same_16(&discard->command.scsi, CDB_WRITE_SAME_UNMAP, 0, 8, FIXTURE_BLOCK_SIZE);
	fixture_submit(f, discard);
	fixture_lose(f, 0);
	write = fixture_write(f, 7, 1, 0x77);
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	path_fenced(f->path[0]);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(block(f, 7), 0x77);
	fixture_free(f);
}

/* --- exclusive --- */

static struct fixture *exclusive_fixture(unsigned paths)
{
	struct map_settings settings = fixture_settings;

	settings.guard.integrity = INTEGRITY_EXCLUSIVE;
	return fixture_new(paths, &settings);
}

static void an_exclusive_write_is_acknowledged_and_what_overlaps_it_is_held(void **state)
{
	struct fixture *f = exclusive_fixture(2);
	struct request *write = doubtful_write(f), *later, *other;
	struct guard_statistics guard;

	fake_ring_advance(f->ring, 250);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(f->fences_wanted, 1);
	assert_ptr_equal(f->fence_wanted, f->path[0]);
	later = fixture_write(f, 13, 1, 0xbb);
	other = fixture_write(f, 14, 1, 0xcc);
	fixture_run(f);
	assert_int_equal(later->error, NOT_ENDED);
	assert_int_equal(other->error, 0);
	map_get_guard_statistics(f->map, &guard);
	assert_int_equal(guard.held, 1);
	assert_int_equal(guard.guarded_blocks, 4);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(later->error, 0);
	assert_int_equal(f->guards_expired, 0);
	assert_int_equal(f->fences_wanted, 1);
	map_get_guard_statistics(f->map, &guard);
	assert_int_equal(guard.held + guard.guarded_blocks, 0);
	fixture_free(f);
}

static void an_exclusive_write_waits_for_one_that_overlaps_it_on_another_path(void **state)
{
	struct fixture *f = exclusive_fixture(2);
	struct request *first = fixture_write(f, 10, 4, 0xaa), *second;

	second = fixture_write(f, 12, 4, 0xbb); /* on path 1, at the same time */
	fixture_lose(f, 0);
	fake_ring_advance(f->ring, 300);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_WRITE_16), 1);
	fixture_run(f);
	assert_int_equal(second->error, 0);
	assert_int_equal(first->error, NOT_ENDED);
	fake_ring_advance(f->ring, 300);
	fixture_run(f);
	assert_int_equal(first->error, 0);
	/* the last word is that of the write whose ghost is alive: it cannot change anything */
	assert_int_equal(*(uint8_t *)fake_unit_block(f->unit, 12), 0xaa);
	fixture_free(f);
}

static void what_failed_for_want_of_a_path_is_guarded_against_all_the_same(void **state)
{
	struct fixture *f = exclusive_fixture(1);
	struct request *write = fixture_write(f, 10, 4, 0xaa), *later;
	unsigned other;

	fixture_lose(f, 0);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(write->error, -EIO);
	other = fixture_add_path(f);
	path_verified(f->path[other]);
	later = fixture_write(f, 10, 4, 0xbb);
	fixture_run(f);
	assert_int_equal(later->error, NOT_ENDED);
	fake_nexus_run_ghosts(f->nexus[0]);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(later->error, 0);
	assert_int_equal(*(uint8_t *)fake_unit_block(f->unit, 10), 0xbb);
	fixture_free(f);
}

static void a_late_write_in_doubt_of_a_map_that_gave_up_is_guarded_against(void **state)
{
	struct fixture *f = exclusive_fixture(1);
	struct request *write;

	write = fixture_write(f, 10, 4, 0xaa);
	path_lost(f->path[0], "told before its commands came back");
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(write->error, NOT_ENDED); /* still on the wire */
	fake_nexus_lose(f->nexus[0], SIZE_MAX);
	assert_int_equal(write->error, -EIO);
	assert_int_equal(path_in_doubt(f->path[0]), 1);
	fixture_free(f);
}

static void legacy_repeats_at_once_and_guards_nothing(void **state)
{
	struct map_settings settings = fixture_settings;
	struct request *write, *later;
	struct fixture *f;

	settings.guard.integrity = INTEGRITY_LEGACY;
	f = fixture_new(2, &settings);
	write = fixture_write(f, 10, 4, 0xaa);
	fixture_lose(f, 0);
	later = fixture_write(f, 10, 4, 0xbb);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(later->error, 0);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	assert_int_equal(map_fence_quality(f->map), FENCE_QUALITY_NONE);
	fixture_free(f);
}

static void a_fence_wanted_is_a_chance_for_preempt_and_abort(void **state)
{
	struct fixture *f = fixture_new(2, NULL); /* shared */
	struct request *write = doubtful_write(f);

	fake_ring_advance(f->ring, 250);
	assert_ptr_equal(f->fence_wanted, f->path[0]);
	fake_ring_advance(f->ring, 1000);
	assert_int_equal(f->fences_wanted, 1);
	assert_int_equal(write->error, NOT_ENDED);
	path_fenced(f->fence_wanted);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void a_fence_by_reset_takes_the_commands_of_all_paths_back_without_blame(void **state)
{
	struct map_settings settings = fixture_settings;
	struct request *writes[20];
	struct fixture *f;

	settings.guard.integrity = INTEGRITY_EXCLUSIVE;
	settings.fence_reset = FENCE_RESET_EXCLUSIVE;
	fixture_vendor = "IET";
	f = fixture_new(3, &settings);
	fixture_vendor = NULL;
	assert_int_equal(map_fence_quality(f->map), FENCE_QUALITY_LUN_RESET);
	fixture_write(f, 500, 1, 1);
	fixture_lose(f, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		writes[i] = fixture_write(f, i, 1, 2);
	fake_nexus_set_up(f->nexus[0], true);
	path_verified(f->path[0]);
	fake_nexus_run(f->nexus[0]); /* barrier, reset */
	assert_int_equal(f->nexus[0]->resets, 1);
	assert_int_equal(f->nexus[1]->aborts + f->nexus[2]->aborts, ARRAY_SIZE(writes));
	fixture_run(f);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		assert_int_equal(writes[i]->error, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(path_get_statistics(f->path[i])->failures, i == 0);
	fixture_free(f);
}

static void a_fence_over_another_session_ends_with_that(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write = doubtful_write(f);
	struct fake_nexus *stand_in = fake_nexus_new(f->unit, 0);

	path_fence(f->path[0], &stand_in->nexus, NULL, NULL);
	fake_nexus_lose(stand_in, 0);
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	fake_nexus_set_up(stand_in, true);
	path_fence(f->path[0], &stand_in->nexus, NULL, NULL);
	path_lost(f->path[0], "again"); /* that fence knows nothing of what is lost now */
	fake_nexus_run(stand_in);
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	path_fence(f->path[0], &stand_in->nexus, NULL, NULL);
	fake_nexus_run(stand_in);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
	fake_nexus_free(stand_in);
}

static unsigned told;
static bool told_fenced;

static void on_fence_done(struct path *path, bool fenced, void *userdata)
{
	told++;
	told_fenced = fenced;
}

static void whoever_asked_for_a_fence_is_told_once_how_it_ended(void **state)
{
	for (int how = 0; how < 4; how++) {
		struct fixture *f = fixture_new(2, NULL);
		struct request *write = doubtful_write(f);
		struct fake_nexus *stand_in = fake_nexus_new(f->unit, 0);

		told = 0;
		path_fence(f->path[0], &stand_in->nexus, on_fence_done, NULL);
		if (how == 0)
			fake_nexus_run(stand_in);
		else if (how == 1)
			fake_nexus_lose(stand_in, 0);
		else if (how == 2)
			fixture_relogin(f, 0); /* another fence takes its place */
		else
			fixture_remove_path(f, 0);
		assert_int_equal(told, 1);
		assert_int_equal(told_fenced, how == 0);
		fake_nexus_run(stand_in);
		assert_int_equal(told, 1);
		fake_ring_advance(f->ring, 120000);
		fixture_run(f);
		assert_int_equal(write->error, 0);
		fixture_free(f);
		fake_nexus_free(stand_in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_in_doubt_waits_for_its_fence_and_goes_elsewhere),
		cmocka_unit_test(relogin_of_the_path_is_a_fence),
		cmocka_unit_test(an_unfenced_write_goes_on_after_guard_timeout_with_a_loud_event),
		cmocka_unit_test(guard_timeout_of_minus_one_waits_for_ever),
		cmocka_unit_test(a_later_write_to_the_same_blocks_waits_behind_the_ghost),
		cmocka_unit_test(writes_elsewhere_reads_and_flushes_pass_the_guard),
		cmocka_unit_test(a_repeated_write_is_held_too),
		cmocka_unit_test(held_writes_keep_their_order),
		cmocka_unit_test(two_ghosts_on_two_paths_do_not_wait_for_each_other_for_ever),
		cmocka_unit_test(a_write_returned_after_the_fence_needs_no_other_fence),
		cmocka_unit_test(late_errors_of_an_old_login_do_not_fail_the_new_one),
		cmocka_unit_test(a_fence_does_not_cover_what_the_new_login_carries),
		cmocka_unit_test(writes_in_doubt_again_on_the_next_path_wait_again),
		cmocka_unit_test(removal_of_the_path_leaves_the_write_waiting_for_guard_timeout),
		cmocka_unit_test(removal_after_a_fence_leaves_nothing_behind),
		cmocka_unit_test(a_fence_counts_even_for_a_path_in_quarantine),
		cmocka_unit_test(answered_and_aborted_writes_leave_no_ghost),
		cmocka_unit_test(queueing_that_ends_takes_the_writes_in_doubt_along),
		cmocka_unit_test(a_discard_in_doubt_is_guarded_as_a_write),
		cmocka_unit_test(an_exclusive_write_is_acknowledged_and_what_overlaps_it_is_held),
		cmocka_unit_test(an_exclusive_write_waits_for_one_that_overlaps_it_on_another_path),
		cmocka_unit_test(what_failed_for_want_of_a_path_is_guarded_against_all_the_same),
		cmocka_unit_test(a_late_write_in_doubt_of_a_map_that_gave_up_is_guarded_against),
		cmocka_unit_test(legacy_repeats_at_once_and_guards_nothing),
		cmocka_unit_test(a_fence_wanted_is_a_chance_for_preempt_and_abort),
		cmocka_unit_test(
			a_fence_by_reset_takes_the_commands_of_all_paths_back_without_blame),
		cmocka_unit_test(a_fence_over_another_session_ends_with_that),
		cmocka_unit_test(whoever_asked_for_a_fence_is_told_once_how_it_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
