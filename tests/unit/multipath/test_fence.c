/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "multipath/fence.h"
#include "scsi/cdb.h"
#include "tests/fakes/fake_nexus.h"
#include "tests/fakes/fake_ring.h"
#include "util/cleanup.h"

#define NOT_OVER -1

struct world {
	struct ring *ring;
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct fence_settings settings;
	struct fence *fence;
	int end; /* enum fence_end */
};

static void done(enum fence_end end, void *userdata)
{
	struct world *w = userdata;

	assert_int_equal(w->end, NOT_OVER);
	w->end = (int)end;
}

static struct world world_new(enum profile_drain drain, bool may_reset)
{
	struct world w = {.ring = fake_ring_new(), .end = NOT_OVER};

	w.unit = fake_unit_new(64, 512);
	w.nexus = fake_nexus_new(w.unit, 0);
	w.settings =
		(struct fence_settings){.drain = drain, .may_reset = may_reset, .block_size = 512};
	return w;
}

static void start(struct world *w)
{
	assert_int_equal(fence_start(w->ring, &w->nexus->nexus, &w->settings, done, w, &w->fence),
			 0);
	assert_int_equal(w->end, NOT_OVER);
}

static void world_free(struct world *w)
{
	assert_int_equal(fake_ring_timers(w->ring), 0);
	fake_nexus_free(w->nexus);
	fake_unit_free(w->unit);
	ring_free(w->ring);
}

/* clang-format off */
static const struct {
	enum profile_drain drain;
	bool may_reset;
	enum fence_end end;
	unsigned resets;
	enum fence_quality exclusive; /* and shared, which has its say in may_reset */
} ladders[] = {
	{PROFILE_DRAINS,  false, FENCE_CLOSED, 0, FENCE_QUALITY_EXACT},
	{PROFILE_DRAINS,  true,  FENCE_CLOSED, 0, FENCE_QUALITY_EXACT},
	{PROFILE_UNKNOWN, false, FENCE_CLOSED, 0, FENCE_QUALITY_STANDARD},
	{PROFILE_UNKNOWN, true,  FENCE_CLOSED, 0, FENCE_QUALITY_STANDARD},
	{PROFILE_LEAVES,  false, FENCE_FAILED, 0, FENCE_QUALITY_TIMED},
	{PROFILE_LEAVES,  true,  FENCE_RESET,  1, FENCE_QUALITY_LUN_RESET},
};
/* clang-format on */

static void the_ladder_is_as_long_as_the_profile_asks_for(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(ladders); i++) {
		struct world w = world_new(ladders[i].drain, ladders[i].may_reset);

		start(&w);
		fake_nexus_run(w.nexus);
		assert_int_equal(w.end, ladders[i].end);
		assert_int_equal(w.nexus->resets, ladders[i].resets);
		assert_int_equal(fake_nexus_count(w.nexus, SCSI_READ_16), 1);
		assert_int_equal(
			fence_quality(INTEGRITY_EXCLUSIVE, ladders[i].drain, ladders[i].may_reset),
			ladders[i].exclusive);
		assert_int_equal(
			fence_quality(INTEGRITY_SHARED, ladders[i].drain, ladders[i].may_reset),
			ladders[i].exclusive);
		assert_int_equal(
			fence_quality(INTEGRITY_LEGACY, ladders[i].drain, ladders[i].may_reset),
			FENCE_QUALITY_NONE);
		world_free(&w);
	}
}

static void resets_are_for_units_that_no_other_initiator_uses(void **state)
{
	assert_false(fence_may_reset(FENCE_RESET_NEVER, INTEGRITY_EXCLUSIVE));
	assert_false(fence_may_reset(FENCE_RESET_NEVER, INTEGRITY_SHARED));
	assert_true(fence_may_reset(FENCE_RESET_EXCLUSIVE, INTEGRITY_EXCLUSIVE));
	assert_false(fence_may_reset(FENCE_RESET_EXCLUSIVE, INTEGRITY_SHARED));
	assert_true(fence_may_reset(FENCE_RESET_ALWAYS, INTEGRITY_EXCLUSIVE));
	assert_true(fence_may_reset(FENCE_RESET_ALWAYS, INTEGRITY_SHARED));
	for (int i = 0; i < FENCE_RESET_COUNT; i++) {
		assert_false(fence_may_reset((enum fence_reset)i, INTEGRITY_LEGACY));
		assert_int_equal(fence_reset_of(fence_reset_name((enum fence_reset)i)), i);
	}
	assert_int_equal(fence_reset_of("sometimes"), -EINVAL);
	assert_string_equal(fence_quality_name(FENCE_QUALITY_EXACT), "exact");
	assert_string_equal(fence_quality_name(FENCE_QUALITY_STANDARD), "standard");
	assert_string_equal(fence_quality_name(FENCE_QUALITY_LUN_RESET), "lun-reset");
	assert_string_equal(fence_quality_name(FENCE_QUALITY_TIMED), "timed");
	assert_string_equal(fence_quality_name(FENCE_QUALITY_NONE), "none");
}

/* What the target may say to the barrier before it has got to it, and what when it has. */
static const struct {
	struct fake_answer answer;
	bool passed;
} answers[] = {
	{FAKE_CHECK_CONDITION(0x3, 0x11, 0x00), true}, /* the medium */
	{FAKE_STATUS(SCSI_RESERVATION_CONFLICT), true},
	{FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b), true}, /* standby: for as long as it is */
	{FAKE_CHECK_CONDITION(0x2, 0x04, 0x0c), true},
	{FAKE_CHECK_CONDITION(0x5, 0x21, 0x00), true},
	{FAKE_STATUS(SCSI_BUSY), false},
	{FAKE_STATUS(SCSI_TASK_SET_FULL), false},
	{FAKE_CHECK_CONDITION(0x2, 0x04, 0x01), false}, /* becoming ready */
	{FAKE_CHECK_CONDITION(0x6, 0x29, 0x07), false}, /* the loss of the old nexus, told */
	{FAKE_CHECK_CONDITION(0xb, 0x00, 0x00), false},
	{FAKE_OUTCOME(SCSI_ABORTED), false}, /* it took too long */
};

static void a_barrier_that_was_only_put_off_is_sent_until_it_passes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct world w = world_new(PROFILE_DRAINS, false);

		fake_nexus_script(w.nexus, SCSI_READ_16, 100, &answers[i].answer);
		start(&w);
		fake_nexus_run(w.nexus);
		assert_int_equal(w.end, answers[i].passed ? FENCE_CLOSED : NOT_OVER);
		fake_nexus_clear_script(w.nexus);
		for (int n = 0; n < 3 && w.end == NOT_OVER; n++) {
			fake_ring_advance(w.ring, 100);
			fake_nexus_run(w.nexus);
		}
		assert_int_equal(w.end, FENCE_CLOSED);
		world_free(&w);
	}
}

static void a_nexus_that_goes_down_fails_the_fence_at_any_rung(void **state)
{
	for (int rung = 0; rung < 3; rung++) {
		struct world w = world_new(PROFILE_LEAVES, true);

		if (rung == 2)
			fake_nexus_script(w.nexus, SCSI_READ_16, 100, &FAKE_STATUS(SCSI_BUSY));
		start(&w);
		if (rung == 1)
			fake_nexus_run_one(w.nexus, 0); /* the reset is out now */
		if (rung == 2)
			fake_nexus_run(w.nexus); /* a pause now */
		fake_nexus_lose(w.nexus, SIZE_MAX);
		fake_ring_advance(w.ring, 100);
		assert_int_equal(w.end, FENCE_FAILED);
		world_free(&w);
	}
}

static void a_refused_reset_leaves_the_fence_open(void **state)
{
	struct world w = world_new(PROFILE_LEAVES, true);

	w.nexus->refuses_resets = true;
	start(&w);
	fake_nexus_run(w.nexus);
	assert_int_equal(w.end, FENCE_FAILED);
	world_free(&w);
}

static void a_cancelled_fence_says_nothing_and_leaves_nothing(void **state)
{
	for (int rung = 0; rung < 3; rung++) {
		struct world w = world_new(PROFILE_LEAVES, true);

		if (rung == 2)
			fake_nexus_script(w.nexus, SCSI_READ_16, 100, &FAKE_STATUS(SCSI_BUSY));
		start(&w);
		if (rung == 1)
			fake_nexus_run_one(w.nexus, 0);
		if (rung == 2)
			fake_nexus_run(w.nexus);
		fence_cancel(w.fence);
		fake_nexus_run(w.nexus);
		fake_ring_advance(w.ring, 1000);
		assert_int_equal(w.end, NOT_OVER);
		world_free(&w);
	}
}

static void a_nexus_that_is_down_cannot_begin_a_fence(void **state)
{
	struct world w = world_new(PROFILE_DRAINS, false);

	fake_nexus_set_up(w.nexus, false);
	assert_int_equal(fence_start(w.ring, &w.nexus->nexus, &w.settings, done, &w, &w.fence),
			 -ENOTCONN);
	assert_int_equal(w.end, NOT_OVER);
	world_free(&w);
}

static void old_units_are_asked_with_a_10_byte_command(void **state)
{
	struct world w = world_new(PROFILE_DRAINS, false);

	w.settings.needs_10_byte = true;
	start(&w);
	fake_nexus_run(w.nexus);
	assert_int_equal(fake_nexus_count(w.nexus, SCSI_READ_10), 1);
	assert_int_equal(w.end, FENCE_CLOSED);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ladder_is_as_long_as_the_profile_asks_for),
		cmocka_unit_test(resets_are_for_units_that_no_other_initiator_uses),
		cmocka_unit_test(a_barrier_that_was_only_put_off_is_sent_until_it_passes),
		cmocka_unit_test(a_nexus_that_goes_down_fails_the_fence_at_any_rung),
		cmocka_unit_test(a_refused_reset_leaves_the_fence_open),
		cmocka_unit_test(a_cancelled_fence_says_nothing_and_leaves_nothing),
		cmocka_unit_test(a_nexus_that_is_down_cannot_begin_a_fence),
		cmocka_unit_test(old_units_are_asked_with_a_10_byte_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
