/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Preloaded by mutants.py: runs only the tests that CMOCKA_FILTER names, of any cmocka program. */

#include <stdlib.h>

void cmocka_set_test_filter(const char *pattern);

__attribute__((constructor)) static void set_filter(void)
{
	cmocka_set_test_filter(getenv("CMOCKA_FILTER"));
}
