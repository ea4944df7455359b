/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "iscsi/async_queue.h"
#include "util/cleanup.h"

static bool put(struct async_queue *queue, uint8_t event, uint64_t lun)
{
	return async_queue_put(queue, &(struct async_message){.event = event, .lun = lun});
}

static void fill_window(struct async_queue *queue)
{
	async_queue_init(queue);
	for (unsigned i = 0; i < ASYNC_QUEUE_MAX; i++)
		assert_true(put(queue, 0, 7));
}

static void next_is(struct async_queue *queue, uint8_t event, uint64_t lun, uint32_t left_out)
{
	struct async_message message;

	assert_true(async_queue_next(queue, &message));
	assert_int_equal(message.event, event);
	assert_int_equal(message.lun, lun);
	assert_int_equal(message.left_out, left_out);
}

static void nothing_is_next(struct async_queue *queue)
{
	struct async_message message = {.event = 99};

	assert_false(async_queue_next(queue, &message));
	assert_int_equal(message.event, 99);
}

static void a_window_has_room_for_so_many_and_the_next_for_as_many_again(void **state)
{
	struct async_queue queue;

	fill_window(&queue);
	assert_false(put(&queue, 0, 7));
	nothing_is_next(&queue);
	async_queue_renew(&queue);
	next_is(&queue, 0, 7, 0);
	nothing_is_next(&queue);
	for (unsigned i = 1; i < ASYNC_QUEUE_MAX; i++)
		assert_true(put(&queue, 0, 7));
	assert_false(put(&queue, 0, 7));
}

static void what_waits_is_told_in_the_order_it_came(void **state)
{
	struct async_queue queue;

	fill_window(&queue);
	for (uint8_t i = 0; i < ASYNC_QUEUE_MAX; i++)
		assert_false(put(&queue, i, 100u - i));
	async_queue_renew(&queue);
	/* one that comes now does not overtake them */
	assert_false(put(&queue, 200, 0));
	next_is(&queue, 0, 100, 1);
	assert_false(put(&queue, 201, 0));
	for (uint8_t i = 1; i < ASYNC_QUEUE_MAX; i++)
		next_is(&queue, i, 100u - i, 0);
	nothing_is_next(&queue); /* the window is full again */
	async_queue_renew(&queue);
	next_is(&queue, 201, 0, 0);
	nothing_is_next(&queue);
}

static void the_same_thing_waits_once(void **state)
{
	struct async_queue queue;

	fill_window(&queue);
	for (unsigned i = 0; i < 1000; i++) {
		assert_false(put(&queue, 0, 7));
		assert_false(put(&queue, 0, 8));
		assert_false(put(&queue, 1, 7));
	}
	async_queue_renew(&queue);
	next_is(&queue, 0, 7, 0);
	next_is(&queue, 0, 8, 0);
	next_is(&queue, 1, 7, 0);
	nothing_is_next(&queue);
}

static void the_same_unit_with_other_sense_is_another_thing(void **state)
{
	struct async_message luns_changed = {.lun = 7, .sense_length = 2, .sense = {0x3f, 0x0e}};
	struct async_message capacity_changed = {
		.lun = 7, .sense_length = 2, .sense = {0x2a, 0x09}};
	struct async_message message;
	struct async_queue queue;

	fill_window(&queue);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(async_queue_put(&queue, &luns_changed));
		assert_false(async_queue_put(&queue, &capacity_changed));
		assert_false(put(&queue, 0, 7));
	}
	async_queue_renew(&queue);
	assert_true(async_queue_next(&queue, &message));
	assert_int_equal(message.sense_length, 2);
	assert_memory_equal(message.sense, luns_changed.sense, 2);
	assert_true(async_queue_next(&queue, &message));
	assert_int_equal(message.sense_length, 2);
	assert_memory_equal(message.sense, capacity_changed.sense, 2);
	next_is(&queue, 0, 7, 0);
	nothing_is_next(&queue);
}

static void what_finds_no_room_is_counted_once(void **state)
{
	struct async_queue queue;

	fill_window(&queue);
	for (uint64_t lun = 0; lun < 1000; lun++)
		assert_false(put(&queue, 0, lun));
	async_queue_renew(&queue);
	next_is(&queue, 0, 0, 1000 - ASYNC_QUEUE_MAX);
	next_is(&queue, 0, 1, 0);
}

static void the_clock_runs_until_a_window_passes_in_silence(void **state)
{
	struct async_queue queue;

	async_queue_init(&queue);
	assert_true(async_queue_idle(&queue));
	assert_true(put(&queue, 0, 7));
	assert_false(async_queue_idle(&queue));
	async_queue_renew(&queue);
	assert_true(async_queue_idle(&queue));
	fill_window(&queue);
	assert_false(put(&queue, 0, 7));
	async_queue_renew(&queue);
	assert_false(async_queue_idle(&queue));
	next_is(&queue, 0, 7, 0);
	assert_false(async_queue_idle(&queue));
	async_queue_renew(&queue);
	assert_true(async_queue_idle(&queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_has_room_for_so_many_and_the_next_for_as_many_again),
		cmocka_unit_test(what_waits_is_told_in_the_order_it_came),
		cmocka_unit_test(the_same_thing_waits_once),
		cmocka_unit_test(the_same_unit_with_other_sense_is_another_thing),
		cmocka_unit_test(what_finds_no_room_is_counted_once),
		cmocka_unit_test(the_clock_runs_until_a_window_passes_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
