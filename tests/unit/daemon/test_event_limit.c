/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <syslog.h>

#include "daemon/event_limit.h"

#define BEGIN_US UINT64_C(500000000)

static struct event_limit limit;
static uint64_t sequence;

static int forget(void **state)
{
	memset(&limit, 0, sizeof(limit));
	sequence = 0;
	return 0;
}

static struct event event_at(enum event_kind kind, uint64_t id, uint64_t now_us)
{
	return (struct event){
		.sequence = ++sequence,
		.monotonic_us = now_us,
		.kind = (uint8_t)kind,
		.about = OBJECT_PATH,
		.id = id,
		.severity = LOG_WARNING,
	};
}

static bool is_written(enum event_kind kind, uint64_t id, uint64_t now_us)
{
	struct event event = event_at(kind, id, now_us);

	return event_limit_take(&limit, &event);
}

/* How many of @count events in a row are written. */
static unsigned written(unsigned count, enum event_kind kind, uint64_t id, uint64_t now_us)
{
	unsigned lines = 0;

	for (unsigned i = 0; i < count; i++)
		lines += is_written(kind, id, now_us);
	return lines;
}

static void ten_lines_a_minute_are_written_and_the_rest_is_counted(void **state)
{
	struct event_suppressed suppressed;

	assert_int_equal(written(25, EVENT_PATH_CHANGED, 7, BEGIN_US), EVENT_LIMIT_LINES);
	assert_int_equal(event_limit_due_us(&limit), BEGIN_US + EVENT_LIMIT_WINDOW_US);
	assert_false(event_limit_pop(&limit, BEGIN_US + EVENT_LIMIT_WINDOW_US - 1, &suppressed));
	assert_true(event_limit_pop(&limit, BEGIN_US + EVENT_LIMIT_WINDOW_US, &suppressed));
	assert_int_equal(suppressed.count, 25 - EVENT_LIMIT_LINES);
	assert_int_equal(suppressed.last, 25);
	assert_int_equal(suppressed.since_us, BEGIN_US);
	assert_false(event_limit_pop(&limit, UINT64_MAX, &suppressed));
	assert_int_equal(event_limit_due_us(&limit), UINT64_MAX);
	assert_true(is_written(EVENT_PATH_CHANGED, 7, BEGIN_US + EVENT_LIMIT_WINDOW_US));
}

static void a_window_that_suppressed_nothing_ends_by_itself(void **state)
{
	assert_int_equal(written(EVENT_LIMIT_LINES, EVENT_PATH_CHANGED, 7, BEGIN_US),
			 EVENT_LIMIT_LINES);
	assert_int_equal(event_limit_due_us(&limit), UINT64_MAX);
	assert_int_equal(written(20, EVENT_PATH_CHANGED, 7, BEGIN_US + EVENT_LIMIT_WINDOW_US),
			 EVENT_LIMIT_LINES);
}

static void another_kind_and_another_object_are_not_concerned(void **state)
{
	assert_int_equal(written(20, EVENT_PATH_CHANGED, 7, BEGIN_US), EVENT_LIMIT_LINES);
	assert_true(is_written(EVENT_UNIT_ATTENTION, 7, BEGIN_US));
	assert_true(is_written(EVENT_PATH_CHANGED, 8, BEGIN_US));
}

static void what_is_critical_is_always_written(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		struct event event = event_at(EVENT_GUARD_EXPIRED, 1, BEGIN_US);

		event.severity = LOG_CRIT;
		assert_true(event_limit_take(&limit, &event));
	}
}

static void no_event_is_lost_to_the_count_however_many_objects_flap(void **state)
{
	struct event_suppressed suppressed;
	unsigned lines = 0, told = 0, keys = 0;

	for (uint64_t id = 1; id <= 2000; id++)
		lines += written(12, EVENT_PATH_CHANGED, id, BEGIN_US);
	while (event_limit_pop(&limit, BEGIN_US + EVENT_LIMIT_WINDOW_US, &suppressed)) {
		told += suppressed.count;
		keys++;
	}
	assert_int_equal(lines + told, 2000 * 12);
	assert_true(told >= 1000); /* a bounded table cannot know all of them, but it does limit */
	assert_in_range(keys, 2, EVENT_LIMIT_KEYS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ten_lines_a_minute_are_written_and_the_rest_is_counted,
				       forget),
		cmocka_unit_test_setup(a_window_that_suppressed_nothing_ends_by_itself, forget),
		cmocka_unit_test_setup(another_kind_and_another_object_are_not_concerned, forget),
		cmocka_unit_test_setup(what_is_critical_is_always_written, forget),
		cmocka_unit_test_setup(no_event_is_lost_to_the_count_however_many_objects_flap,
				       forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
