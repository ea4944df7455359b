/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/ring.h"

static struct ring *ring;

static int make_ring(void **state)
{
	return ring_new(64, &ring);
}

static int drop_ring(void **state)
{
	ring_free(ring);
	return 0;
}

#define TIMERS 500

struct counted_timer {
	struct ring_timer timer;
	unsigned delay_ms;
};

static struct counted_timer timers[TIMERS];
static unsigned fired, last_delay_ms;
static bool ascending;

static void timer_fired(struct ring_timer *timer)
{
	struct counted_timer *t = container_of(timer, struct counted_timer, timer);

	if (t->delay_ms < last_delay_ms)
		ascending = false;
	last_delay_ms = t->delay_ms;
	fired++;
}

static void stop_ring(struct ring_timer *timer)
{
	ring_stop(ring);
}

static void timers_fire_in_order_and_disarmed_ones_never(void **state)
{
	struct ring_timer stop;
	unsigned seed = 1, disarmed = 0;

	fired = last_delay_ms = 0;
	ascending = true;
	for (unsigned i = 0; i < TIMERS; i++) {
		ring_timer_init(&timers[i].timer, timer_fired);
		timers[i].delay_ms = (unsigned)rand_r(&seed) % 40;
		ring_timer_arm(ring, &timers[i].timer, timers[i].delay_ms);
	}
	for (unsigned i = 0; i < TIMERS; i += 3, disarmed++)
		ring_timer_disarm(ring, &timers[i].timer);
	for (unsigned i = 0; i < TIMERS; i++)
		assert_int_equal(ring_timer_armed(&timers[i].timer), i % 3 != 0);
	ring_timer_init(&stop, stop_ring);
	ring_timer_arm(ring, &stop, 41);
	assert_int_equal(ring_run(ring), 0);
	assert_int_equal(fired, TIMERS - disarmed);
	assert_true(ascending);
}

static unsigned runs;
static struct deferred again;

static void run_again(struct deferred *deferred)
{
	if (++runs == 3)
		ring_stop(ring);
	else
		ring_defer(ring, deferred);
}

static void deferred_work_may_defer_itself_and_runs_once_per_turn(void **state)
{
	runs = 0;
	deferred_init(&again, run_again);
	ring_defer(ring, &again);
	ring_defer(ring, &again);
	assert_int_equal(ring_run(ring), 0);
	assert_int_equal(runs, 3);
	ring_defer(ring, &again);
	ring_undefer(&again);
	assert_true(list_empty(&again.link));
}

struct transfer {
	struct op op;
	struct msghdr message;
	struct iovec iov;
	int res;
	bool finished;
};

static unsigned pending;

static void transfer_done(struct op *op, int res, unsigned flags)
{
	struct transfer *t = container_of(op, struct transfer, op);

	assert_false(t->finished);
	t->res = res;
	t->finished = true;
	if (--pending == 0)
		ring_stop(ring);
}

static void prepare(struct transfer *t, void *data, size_t length)
{
	*t = (struct transfer){.op.done = transfer_done, .iov = {data, length}};
	t->message.msg_iov = &t->iov;
	t->message.msg_iovlen = 1;
}

static void what_is_sent_arrives_and_done_comes_after_the_call(void **state)
{
	struct transfer out, in;
	char from[] = "hawser", to[16] = "";
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	prepare(&out, from, sizeof(from));
	prepare(&in, to, sizeof(to));
	pending = 2;
	ring_recvmsg(ring, &in.op, pair[0], &in.message, 0);
	ring_sendmsg(ring, &out.op, pair[1], &out.message, 0);
	assert_false(out.finished);
	assert_int_equal(ring_run(ring), 0);
	assert_int_equal(out.res, sizeof(from));
	assert_int_equal(in.res, sizeof(from));
	assert_string_equal(to, from);
	close(pair[0]);
	close(pair[1]);
}

static void a_cancelled_operation_still_gets_its_done(void **state)
{
	struct transfer in;
	char to[16];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	prepare(&in, to, sizeof(to));
	pending = 1;
	ring_recvmsg(ring, &in.op, pair[0], &in.message, 0);
	ring_cancel(ring, &in.op);
	assert_int_equal(ring_run(ring), 0);
	assert_int_equal(in.res, -ECANCELED);
	close(pair[0]);
	close(pair[1]);
}

static void note_result(struct op *op, int res, unsigned flags)
{
	struct transfer *transfer = container_of(op, struct transfer, op);

	transfer->finished = true;
	transfer->res = res;
	ring_stop(ring);
}

static void a_command_that_no_driver_knows_is_refused(void **state)
{
	struct transfer command = {.op.done = note_result};
	uint8_t bytes[16] = {};
	int pair[2];

	assert_int_equal(pipe(pair), 0);
	ring_driver_command(ring, &command.op, pair[0], 1, bytes);
	assert_false(command.finished);
	assert_int_equal(ring_run(ring), 0);
	assert_true(command.finished);
	assert_int_equal(command.res, -EOPNOTSUPP);
	close(pair[0]);
	close(pair[1]);
}

static void stop_by_mail(struct mail *mail)
{
	ring_stop(ring);
}

static struct mail stop_mail = {.deliver = stop_by_mail};

static struct {
	struct op op;
} many[300];

static void many_done(struct op *op, int res, unsigned flags)
{
	assert_true(res & POLLOUT);
	if (--pending == 0)
		ring_stop(ring);
}

static void more_operations_than_the_queue_holds_are_all_done(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	/* The first run binds the ring to its thread; before that no more than fit can be queued.
	 */
	mailbox_post(ring_mailbox(ring), &stop_mail);
	assert_int_equal(ring_run(ring), 0);
	pending = ARRAY_SIZE(many);
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].op.done = many_done;
		ring_poll(ring, &many[i].op, pair[0], POLLOUT);
	}
	assert_int_equal(ring_run(ring), 0);
	assert_int_equal(pending, 0);
	close(pair[0]);
	close(pair[1]);
}

static unsigned polls;

static void poll_done(struct op *op, int res, unsigned flags)
{
	polls++;
	assert_true(flags & IORING_CQE_F_MORE);
	ring_stop(ring);
}

static void poll_ended(struct op *op, int res, unsigned flags)
{
	assert_false(flags & IORING_CQE_F_MORE);
	ring_stop(ring);
}

static void a_multishot_poll_reports_again_and_again(void **state)
{
	struct op op = {.done = poll_done};
	int pair[2];
	char c = 'x';

	polls = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ring_poll_multishot(ring, &op, pair[0], POLLIN);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(write(pair[1], &c, 1), 1);
		assert_int_equal(ring_run(ring), 0);
		assert_int_equal(polls, i);
		assert_int_equal(read(pair[0], &c, 1), 1);
	}
	op.done = poll_ended;
	ring_cancel(ring, &op);
	assert_int_equal(ring_run(ring), 0);
	close(pair[0]);
	close(pair[1]);
}

static void *post_stop(void *arg)
{
	mailbox_post(ring_mailbox(ring), &stop_mail);
	return NULL;
}

static void mail_from_another_thread_wakes_the_ring(void **state)
{
	pthread_t thread;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&thread, NULL, post_stop, NULL), 0);
		assert_int_equal(ring_run(ring), 0);
		pthread_join(thread, NULL);
	}
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, make_ring, drop_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(timers_fire_in_order_and_disarmed_ones_never),
		RING_TEST(deferred_work_may_defer_itself_and_runs_once_per_turn),
		RING_TEST(what_is_sent_arrives_and_done_comes_after_the_call),
		RING_TEST(a_cancelled_operation_still_gets_its_done),
		RING_TEST(a_command_that_no_driver_knows_is_refused),
		RING_TEST(a_multishot_poll_reports_again_and_again),
		RING_TEST(mail_from_another_thread_wakes_the_ring),
		RING_TEST(more_operations_than_the_queue_holds_are_all_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
