/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

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

static void ignore_link(unsigned interface_index, bool up, void *userdata)
{
}

static void ignore_address(const char *address, void *userdata)
{
}

static void count(void *userdata)
{
	++*(unsigned *)userdata;
}

static void in_loopback_namespace(const char *command)
{
	if (unshare(CLONE_NEWNET) < 0)
		skip(); /* not root */
	if (system(command) != 0)
		skip();
}

static void many_changes_of_routes_are_told_once(void **state)
{
	static const struct link_observer observer = {ignore_link, ignore_address, count};
	struct link_monitor *monitor;
	unsigned changes = 0;
	sd_event *event;

	in_loopback_namespace("ip link set lo up 2>/dev/null");
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(link_monitor_new(event, &observer, &changes, &monitor), 0);
	assert_int_equal(
		system("for n in 1 2 3 4 5 6 7 8; do ip route add 192.0.2.$n dev lo; done"), 0);
	while (changes == 0)
		assert_true(sd_event_run(event, 10000000) > 0);
	assert_int_equal(changes, 1);
	link_monitor_free(monitor);
	sd_event_unref(event);
}

static void an_address_without_a_route_is_unreachable(void **state)
{
	in_loopback_namespace("ip link set lo up 2>/dev/null");
	assert_int_equal(link_of_route("192.0.2.1", ""), -ENETUNREACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_route_to_this_machine_is_the_loopback_interface),
		cmocka_unit_test(what_is_no_address_has_no_route),
		cmocka_unit_test(many_changes_of_routes_are_told_once),
		cmocka_unit_test(an_address_without_a_route_is_unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
