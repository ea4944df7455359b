/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>

#include "daemon/link_monitor.h"

static void the_route_to_this_machine_is_the_loopback_interface(void **state)
{
	unsigned loopback = if_nametoindex("lo");

	if (loopback == 0)
		skip();
	assert_int_equal(link_of_route("127.0.0.1", ""), loopback);
	assert_int_equal(link_of_route("127.0.0.2", "127.0.0.1"), loopback);
}

static void what_is_no_address_has_no_route(void **state)
{
	assert_int_equal(link_of_route("san.example.org", ""), -EINVAL);
	assert_int_equal(link_of_route("", ""), -EINVAL);
	assert_int_equal(link_of_route("127.0.0.1", "::1"), -EINVAL);
	assert_int_equal(link_of_route("127.0.0.1", "nonsense"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_route_to_this_machine_is_the_loopback_interface),
		cmocka_unit_test(what_is_no_address_has_no_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
