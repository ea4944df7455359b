/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/size_agreement.h"
#include "util/cleanup.h"

#define DEVICE 100

static const struct {
	uint64_t reports[3];
	size_t count;
	enum size_verdict verdict;
	uint64_t blocks, needed;
} cases[] = {
	{{}, 0, SIZE_AGREED, DEVICE, DEVICE},
	{{100}, 1, SIZE_AGREED, DEVICE, 100},
	{{100, 100}, 2, SIZE_AGREED, DEVICE, 100},
	{{200}, 1, SIZE_GROWN, 200, 100},
	{{200, 200, 200}, 3, SIZE_GROWN, 200, 100},
	{{50}, 1, SIZE_SHRUNK, 50, 50},
	{{50, 50}, 2, SIZE_SHRUNK, 50, 50},
	/* one has heard of it first */
	{{200, 100}, 2, SIZE_DISAGREED, DEVICE, 100},
	{{100, 200, 100}, 3, SIZE_DISAGREED, DEVICE, 100},
	{{100, 50}, 2, SIZE_DISAGREED, DEVICE, 100},
	{{200, 50}, 2, SIZE_DISAGREED, DEVICE, 100},
	{{200, 300}, 2, SIZE_DISAGREED, DEVICE, 100},
	/* all have shrunk, and one more than the other */
	{{50, 40}, 2, SIZE_DISAGREED, DEVICE, 50},
	{{0}, 1, SIZE_SHRUNK, 0, 0},
	{{UINT64_MAX}, 1, SIZE_GROWN, UINT64_MAX, 100},
};

static void the_device_follows_only_when_all_paths_agree(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct size_agreement agreement =
			size_agree(DEVICE, cases[i].reports, cases[i].count);

		assert_int_equal(agreement.verdict, cases[i].verdict);
		assert_int_equal(agreement.blocks, cases[i].blocks);
		assert_int_equal(agreement.needed_blocks, cases[i].needed);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_follows_only_when_all_paths_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
