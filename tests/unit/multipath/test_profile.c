/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "multipath/profile.h"
#include "util/cleanup.h"

static const struct {
	const char *vendor, *product, *target;
	enum profile_drain drain;
} devices[] = {
	{"LIO-ORG", "disk0", "LIO", PROFILE_DRAINS},
	{"SCST_FIO", "volume", "SCST", PROFILE_DRAINS},
	{"SCST_BIO", "", "SCST", PROFILE_DRAINS},
	{"IET", "VIRTUAL-DISK", "tgt", PROFILE_LEAVES},
	{"IET", "VIRTUAL-CDROM", "other", PROFILE_UNKNOWN},
	{"NETAPP", "LUN C-Mode", "other", PROFILE_UNKNOWN},
	{"lio-org", "", "other", PROFILE_UNKNOWN},
	{"", "", "other", PROFILE_UNKNOWN},
};

static void targets_are_known_by_vendor_and_product(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		const struct profile *profile = profile_of(devices[i].vendor, devices[i].product);

		assert_string_equal(profile->target, devices[i].target);
		assert_int_equal(profile->drain, devices[i].drain);
	}
}

static void the_last_row_fits_everything_and_no_row_hides_another(void **state)
{
	size_t count = 0;

	while (profile_at(count))
		count++;
	assert_string_equal(profile_at(count - 1)->vendor, "");
	assert_string_equal(profile_at(count - 1)->product, "");
	for (size_t i = 0; i < count; i++) {
		const struct profile *row = profile_at(i);

		assert_ptr_equal(profile_of(row->vendor, row->product), row);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_known_by_vendor_and_product),
		cmocka_unit_test(the_last_row_fits_everything_and_no_row_hides_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
