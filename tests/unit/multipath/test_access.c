/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "multipath/access.h"
#include "util/cleanup.h"

/* clang-format off */
static const struct {
	enum access_state state;
	int priority, preferred;
	bool carries, awaited;
	int activation, preferred_activation;
} rows[] = {
	{ACCESS_UNKNOWN,       1,  5,  true,  false, 0, 0},
	{ACCESS_OPTIMIZED,     50, 54, true,  false, 0, 0},
	{ACCESS_NON_OPTIMIZED, 10, 14, true,  false, 3, 13},
	{ACCESS_LBA_DEPENDENT, 5,  9,  true,  false, 0, 0},
	{ACCESS_STANDBY,       1,  1,  false, true,  2, 12},
	{ACCESS_UNAVAILABLE,   0,  0,  false, true,  1, 11},
	{ACCESS_OFFLINE,       0,  0,  false, false, 0, 0},
	{ACCESS_TRANSITIONING, 0,  0,  false, true,  0, 0},
};
/* clang-format on */

static void every_state_has_its_meaning(void **state)
{
	assert_int_equal(ARRAY_SIZE(rows), ACCESS_STATE_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum access_state s = rows[i].state;

		assert_int_equal(access_priority(s, false), rows[i].priority);
		assert_int_equal(access_priority(s, true), rows[i].preferred);
		assert_int_equal(access_carries(s), rows[i].carries);
		assert_int_equal(access_is_awaited(s), rows[i].awaited);
		assert_int_equal(access_activation(s, false), rows[i].activation);
		assert_int_equal(access_activation(s, true), rows[i].preferred_activation);
	}
}

static void the_preferred_bit_never_outweighs_a_better_state(void **state)
{
	assert_true(access_priority(ACCESS_NON_OPTIMIZED, true) <
		    access_priority(ACCESS_OPTIMIZED, false));
	assert_true(access_priority(ACCESS_LBA_DEPENDENT, true) <
		    access_priority(ACCESS_NON_OPTIMIZED, false));
}

static void activation_has_the_names_of_the_setting(void **state)
{
	for (int i = 0; i < ACTIVATION_COUNT; i++)
		assert_int_equal(activation_of(activation_name((enum activation)i)), i);
	assert_string_equal(activation_name(ACTIVATION_STALLED), "stalled");
	assert_int_equal(activation_of("yes"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_meaning),
		cmocka_unit_test(the_preferred_bit_never_outweighs_a_better_state),
		cmocka_unit_test(activation_has_the_names_of_the_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
