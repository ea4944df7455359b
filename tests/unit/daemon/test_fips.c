/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/fips.h"

static bool says(const char *text)
{
	char path[] = "/tmp/hawser-fips-XXXXXX";
	int fd = mkstemp(path);
	bool enabled;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	enabled = fips_enabled(path);
	unlink(path);
	return enabled;
}

static void the_kernels_switch_decides(void **state)
{
	assert_true(says("1\n"));
	assert_false(says("0\n"));
	assert_false(says(""));
	assert_false(fips_enabled("/tmp/there/is/no/such/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_switch_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
