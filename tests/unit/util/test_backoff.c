/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "util/backoff.h"

static void doubles_up_to_the_ceiling(void **state)
{
	static const uint32_t expected_ms[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	struct backoff backoff;

	backoff_init(&backoff, 1000, 30000);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(backoff_next_ms(&backoff, 0), expected_ms[i]);
}

static void jitter_takes_away_a_quarter_at_most(void **state)
{
	struct backoff backoff;

	backoff_init(&backoff, 1000, 1000);
	assert_int_equal(backoff_next_ms(&backoff, 0), 1000);
	assert_int_equal(backoff_next_ms(&backoff, UINT32_MAX), 750);
	assert_in_range(backoff_next_ms(&backoff, UINT32_MAX / 2), 870, 880);
	for (uint32_t i = 0; i < 1000; i++)
		assert_in_range(backoff_next_ms(&backoff, i * 4294967u), 750, 1000);
}

static void starts_over_after_success(void **state)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 5000);
	backoff_next_ms(&backoff, 0);
	backoff_next_ms(&backoff, 0);
	assert_int_equal(backoff_next_ms(&backoff, 0), 400);
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, 0), 100);
}

static void extremes_do_not_overflow(void **state)
{
	struct backoff backoff;

	backoff_init(&backoff, UINT32_MAX, 1);
	assert_int_equal(backoff_next_ms(&backoff, 0), UINT32_MAX);
	assert_true(backoff_next_ms(&backoff, UINT32_MAX) >= UINT32_MAX / 4 * 3);
	backoff_init(&backoff, 0, 10);
	assert_int_equal(backoff_next_ms(&backoff, UINT32_MAX), 0);
	backoff_init(&backoff, 0x90000000u, UINT32_MAX);
	backoff_next_ms(&backoff, 0);
	assert_int_equal(backoff_next_ms(&backoff, 0), UINT32_MAX);
}

static void random_numbers_differ(void **state)
{
	uint32_t first = backoff_random();
	bool differs = false;

	for (unsigned i = 0; i < 8; i++)
		differs |= backoff_random() != first;
	assert_true(differs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_up_to_the_ceiling),
		cmocka_unit_test(jitter_takes_away_a_quarter_at_most),
		cmocka_unit_test(starts_over_after_success),
		cmocka_unit_test(extremes_do_not_overflow),
		cmocka_unit_test(random_numbers_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
