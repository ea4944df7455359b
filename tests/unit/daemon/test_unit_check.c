/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/unit_check.h"
#include "scsi/alua.h"
#include "util/cleanup.h"

static const struct unit expected = {
	.identity = {.wwid = "36001405aaaaaaaaaaaaaaaaaaaaaaaaa", .serial = "a"},
	.limits = {.blocks = 1000, .block_size = 512},
};
static const struct unit larger = {
	.identity = {.wwid = "36001405aaaaaaaaaaaaaaaaaaaaaaaaa", .serial = "a"},
	.limits = {.blocks = 2000, .block_size = 512},
};
static const struct unit reformatted = {
	.identity = {.wwid = "36001405aaaaaaaaaaaaaaaaaaaaaaaaa", .serial = "a"},
	.limits = {.blocks = 1000, .block_size = 4096},
};
static const struct unit other = {
	.identity = {.wwid = "36001405bbbbbbbbbbbbbbbbbbbbbbbbb", .serial = "b"},
	.limits = {.blocks = 1000, .block_size = 512},
};
static const struct unit nothing;
/* through a port in standby */
static const struct unit passive = {
	.identity = {.wwid = "36001405aaaaaaaaaaaaaaaaaaaaaaaaa", .serial = "a"},
	.limits = {.access = ACCESS_STANDBY},
};
static const struct unit passive_other = {
	.identity = {.wwid = "36001405bbbbbbbbbbbbbbbbbbbbbbbbb", .serial = "b"},
	.limits = {.access = ACCESS_STANDBY},
};

/* --- one look at a unit: every verdict of a probe, listed and not --- */

static void every_verdict_of_a_probe_has_its_meaning(void **state)
{
	static const struct {
		enum probe_verdict verdict;
		const struct unit *found;
		enum unit_verdict listed, hidden;
	} rows[] = {
		{PROBE_FOUND, &expected, UNIT_SAME, UNIT_SAME},
		{PROBE_FOUND, &larger, UNIT_RESIZED, UNIT_RESIZED},
		{PROBE_FOUND, &reformatted, UNIT_REFORMATTED, UNIT_REFORMATTED},
		{PROBE_FOUND, &other, UNIT_OTHER, UNIT_OTHER},
		{PROBE_NO_DISK, &nothing, UNIT_GONE, UNIT_GONE},
		{PROBE_NO_IDENTITY, &nothing, UNIT_OTHER, UNIT_GONE},
		{PROBE_NOT_READY, &expected, UNIT_UNKNOWN, UNIT_UNKNOWN},
		{PROBE_NOT_READY, &other, UNIT_OTHER, UNIT_OTHER},
		{PROBE_NOT_READY, &passive, UNIT_SAME, UNIT_SAME},
		{PROBE_NOT_READY, &passive_other, UNIT_OTHER, UNIT_OTHER},
		{PROBE_FAILED, &nothing, UNIT_UNKNOWN, UNIT_UNKNOWN},
	};
	unsigned seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(unit_check(&expected, true, rows[i].verdict, rows[i].found),
				 rows[i].listed);
		assert_int_equal(unit_check(&expected, false, rows[i].verdict, rows[i].found),
				 rows[i].hidden);
		seen |= 1u << rows[i].verdict;
	}
	assert_int_equal(seen, (1u << PROBE_VERDICT_COUNT) - 1);
}

/* --- what to do about one that is gone --- */

static void a_path_leaves_after_some_seconds_and_at_once_when_asked(void **state)
{
	/* it was in use: no more I/O from the first look on */
	assert_int_equal(unit_step(1, 0, true, false), UNIT_STEP_FAIL);
	assert_int_equal(unit_step(9, 3999, true, false), UNIT_STEP_FAIL);
	assert_int_equal(unit_step(2, 4000, true, false), UNIT_STEP_LEAVE);
	/* it was not: the target may still be starting */
	assert_int_equal(unit_step(1, 0, false, false), UNIT_STEP_WAIT);
	assert_int_equal(unit_step(2, 100, false, false), UNIT_STEP_FAIL);
	assert_int_equal(unit_step(3, 4000, false, false), UNIT_STEP_LEAVE);
	/* one look alone says little, however late it is */
	assert_int_equal(unit_step(1, 60000, false, false), UNIT_STEP_WAIT);
	assert_int_equal(unit_step(1, 0, true, true), UNIT_STEP_LEAVE);
	assert_int_equal(unit_step(1, 0, false, true), UNIT_STEP_LEAVE);
}

/* --- lists --- */

static void what_is_not_listed_any_more_is_found_in_any_order(void **state)
{
	static const uint64_t known[] = {0, 1, 5, 2, 3}, same[] = {0, 1, 5, 2, 3},
			      turned[] = {3, 2, 1, 0, 5}, fewer[] = {5, 0, 3},
			      more[] = {9, 0, 1, 2, 3, 5};
	uint64_t missing[5];

	assert_int_equal(unit_lists_missing(known, 5, same, 5, missing), 0);
	assert_int_equal(unit_lists_missing(known, 5, turned, 5, missing), 0);
	assert_int_equal(unit_lists_missing(known, 5, more, 6, missing), 0);
	assert_int_equal(unit_lists_missing(known, 5, fewer, 3, missing), 2);
	assert_int_equal(missing[0], 1);
	assert_int_equal(missing[1], 2);
	assert_int_equal(unit_lists_missing(known, 5, NULL, 0, missing), 5);
	assert_int_equal(unit_lists_missing(NULL, 0, known, 5, missing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verdict_of_a_probe_has_its_meaning),
		cmocka_unit_test(a_path_leaves_after_some_seconds_and_at_once_when_asked),
		cmocka_unit_test(what_is_not_listed_any_more_is_found_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
