/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "multipath/path_latency.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static void add(struct path_latency *latency, unsigned count, uint64_t ns)
{
	for (unsigned i = 0; i < count; i++)
		path_latency_add(latency, ns);
}

static void few_samples_tell_nothing(void **state)
{
	struct path_latency latency = {};

	add(&latency, 31, MS);
	assert_int_equal(latency.p99_ns, 0);
	add(&latency, 1, MS);
	assert_true(latency.p99_ns > 0);
}

/* A quantile is the end of a bucket, so at most a quarter too large, and never too small. */
static void quantiles_are_right_to_a_quarter_at_every_scale(void **state)
{
	for (uint64_t ns = 5 * US; ns < 10000 * MS; ns = ns * 13 / 10) {
		struct path_latency latency = {};

		add(&latency, 32, ns);
		assert_in_range(latency.p50_ns, ns, ns * 13 / 10 + 2 * US);
		assert_int_equal(latency.p99_ns, latency.p50_ns);
	}
}

static void one_in_a_hundred_is_beyond_p99_and_two_are_not(void **state)
{
	struct path_latency rare = {}, common = {};

	add(&rare, 32, MS);
	add(&rare, 127, MS);
	add(&rare, 1, 100 * MS); /* of 160 */
	assert_in_range(rare.p99_ns, MS, 2 * MS);
	add(&common, 32, MS);
	add(&common, 124, MS);
	add(&common, 4, 100 * MS);
	assert_in_range(common.p99_ns, 100 * MS, 130 * MS);
	assert_in_range(common.p50_ns, MS, 2 * MS);
}

static void what_was_long_ago_is_forgotten(void **state)
{
	struct path_latency latency = {};

	add(&latency, 4000, MS);
	add(&latency, 2048, 10 * MS);
	assert_in_range(latency.p50_ns, 10 * MS, 13 * MS);
}

static void absurd_values_have_a_bucket_too(void **state)
{
	struct path_latency latency = {};

	add(&latency, 100000, UINT64_MAX);
	assert_true(latency.p99_ns > 10000 * MS);
	add(&latency, 100000, 0);
	assert_in_range(latency.p99_ns, 1, 2 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_samples_tell_nothing),
		cmocka_unit_test(quantiles_are_right_to_a_quarter_at_every_scale),
		cmocka_unit_test(one_in_a_hundred_is_beyond_p99_and_two_are_not),
		cmocka_unit_test(what_was_long_ago_is_forgotten),
		cmocka_unit_test(absurd_values_have_a_bucket_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
