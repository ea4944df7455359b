/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <syslog.h>

#include "daemon/event_ring.h"

static struct session_view session = {
	.sid = 1,
	.target = "iqn.a",
	.persistent_address = "10.0.0.1",
	.persistent_port = 3260,
};
static struct map_view map = {.id = 1, .name = "backup"};
static struct path_view path = {.id = 2, .map = &map, .session = &session};

static void add(struct event_ring *ring, uint64_t number)
{
	struct event event;

	event_fill(&event, OBJECT_MANAGER, NULL,
		   &(struct event_facts){.kind = EVENT_LINK_UP, .numbers = {number}}, 100, 100);
	event_ring_add(ring, &event);
	assert_int_equal(event.sequence, number);
}

static void sequence_numbers_begin_with_one(void **state)
{
	struct event_ring *ring;

	assert_int_equal(event_ring_new(3, &ring), 0);
	assert_int_equal(event_ring_last(ring), 0);
	assert_int_equal(event_ring_first(ring), 1);
	assert_null(event_ring_at(ring, 0));
	assert_null(event_ring_at(ring, 1));
	add(ring, 1);
	assert_int_equal(event_ring_last(ring), 1);
	assert_int_equal(event_ring_at(ring, 1)->numbers[0], 1);
	assert_null(event_ring_at(ring, 2));
	event_ring_free(ring);
}

static void the_oldest_make_room(void **state)
{
	struct event_ring *ring;

	assert_int_equal(event_ring_new(3, &ring), 0);
	for (uint64_t number = 1; number <= 3; number++)
		add(ring, number);
	assert_int_equal(event_ring_first(ring), 1);
	for (uint64_t number = 4; number <= 20; number++) {
		add(ring, number);
		assert_int_equal(event_ring_last(ring), number);
		assert_int_equal(event_ring_first(ring), number - 2);
		assert_null(event_ring_at(ring, number - 3));
		for (uint64_t kept = number - 2; kept <= number; kept++) {
			assert_int_equal(event_ring_at(ring, kept)->sequence, kept);
			assert_int_equal(event_ring_at(ring, kept)->numbers[0], kept);
		}
	}
	assert_null(event_ring_at(ring, UINT64_MAX));
	event_ring_free(ring);
}

static void the_daemons_ring_keeps_ten_thousand(void **state)
{
	struct event_ring *ring;

	assert_true(EVENT_RING_EVENTS >= 10000);
	assert_int_equal(event_ring_new(EVENT_RING_EVENTS, &ring), 0);
	for (uint64_t number = 1; number <= EVENT_RING_EVENTS + 1; number++)
		add(ring, number);
	assert_int_equal(event_ring_first(ring), 2);
	assert_non_null(event_ring_at(ring, 2));
	event_ring_free(ring);
}

static void a_filter_wants_all_of_what_it_names(void **state)
{
	static const struct {
		struct event_filter filter;
		bool fits;
	} rows[] = {
		{{}, true},
		{{.target = "iqn.a"}, true},
		{{.target = "iqn.ab"}, false},
		{{.target = ""}, false},
		{{.map = "backup"}, true},
		{{.map = "back"}, false},
		{{.portal = "10.0.0.1:3260"}, true},
		{{.portal = "10.0.0.1"}, true},
		{{.portal = "10.0.0"}, false},
		{{.portal = "10.0.0.1:326"}, false},
		{{.portal = "10.0.0.10"}, false},
		{{.kind = 1 + EVENT_WRONG_UNIT}, true},
		{{.kind = 1 + EVENT_UNIT_GONE}, false},
		{{.severity = LOG_ERR}, true},
		{{.severity = LOG_WARNING}, true},
		{{.severity = LOG_CRIT}, false},
		{{.from_us = 1000}, true},
		{{.from_us = 1001}, false},
		{{.target = "iqn.a", .map = "other"}, false},
		{{.target = "iqn.a", .map = "backup", .severity = LOG_ERR}, true},
	};
	struct event event;

	event_fill(&event, OBJECT_PATH, &path, &(struct event_facts){.kind = EVENT_WRONG_UNIT},
		   1000, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(event_matches(&event, &rows[i].filter), rows[i].fits);
}

static void an_ipv6_portal_is_found_without_brackets(void **state)
{
	struct session_view six = {.persistent_address = "fe80::1", .persistent_port = 3260};
	struct event event;

	event_fill(&event, OBJECT_SESSION, &six, &(struct event_facts){.kind = EVENT_LOGGED_IN}, 1,
		   1);
	assert_true(event_matches(&event, &(struct event_filter){.portal = "fe80::1"}));
	assert_true(event_matches(&event, &(struct event_filter){.portal = "[fe80::1]:3260"}));
	assert_false(event_matches(&event, &(struct event_filter){.portal = "fe80:"}));
	assert_false(event_matches(&event, &(struct event_filter){.portal = "fe80::12"}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequence_numbers_begin_with_one),
		cmocka_unit_test(the_oldest_make_room),
		cmocka_unit_test(the_daemons_ring_keeps_ten_thousand),
		cmocka_unit_test(a_filter_wants_all_of_what_it_names),
		cmocka_unit_test(an_ipv6_portal_is_found_without_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
