/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Jobs between the control thread, workers and threads of their own; run under TSan as well. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "daemon/job.h"
#include "daemon/worker.h"
#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/ring.h"

#define JOBS 5000

static struct mailbox *home;
static struct worker *worker;
static unsigned finished;

struct counted_job {
	struct job job;
	struct ring_timer timer;
	unsigned number, worked_as;
	pthread_t worked_on;
};

static unsigned worked; /* the worker's */

static int start(void **state)
{
	finished = worked = 0;
	return mailbox_new(&home) < 0 || worker_new(0, &worker) < 0 ? -1 : 0;
}

static int stop(void **state)
{
	worker_free(worker);
	mailbox_free(home);
	return 0;
}

static void wait_for(unsigned count)
{
	struct pollfd p = {.fd = mailbox_fd(home), .events = POLLIN};

	while (finished < count) {
		poll(&p, 1, -1);
		mailbox_deliver(home);
	}
}

static void work(struct job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	counted->worked_as = worked++;
	counted->worked_on = pthread_self();
	job_done(job);
}

static void come_home(struct job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	assert_false(pthread_equal(counted->worked_on, pthread_self()));
	assert_int_equal(counted->worked_as, counted->number);
	assert_int_equal(finished, counted->number);
	finished++;
}

static void jobs_keep_their_order_there_and_back(void **state)
{
	struct counted_job *jobs = calloc(JOBS, sizeof(*jobs));

	assert_non_null(jobs);
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i].number = i;
		jobs[i].job.work = work;
		jobs[i].job.finished = come_home;
		job_send(&jobs[i].job, worker_mailbox(worker), home);
	}
	wait_for(JOBS);
	free(jobs);
}

static void late_done(struct ring_timer *timer)
{
	struct counted_job *counted = container_of(timer, struct counted_job, timer);

	job_done(&counted->job);
}

static void late_work(struct job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);

	counted->worked_on = pthread_self();
	ring_timer_init(&counted->timer, late_done);
	ring_timer_arm(worker_ring(worker), &counted->timer, 1);
}

static void a_job_may_be_done_later_than_its_work(void **state)
{
	struct counted_job counted = {.job = {.work = late_work, .finished = come_home}};

	job_send(&counted.job, worker_mailbox(worker), home);
	wait_for(1);
}

static void what_may_block_has_a_thread_of_its_own(void **state)
{
	struct counted_job counted = {.job = {.work = work, .finished = come_home}};

	assert_int_equal(job_send_background(&counted.job, home), 0);
	wait_for(1);
}

static void a_worker_stops_with_nothing_to_do_and_with_work_just_done(void **state)
{
	struct worker *another;
	struct counted_job counted = {.job = {.work = work, .finished = come_home}};

	assert_int_equal(worker_new(1, &another), 0);
	worker_free(another);
	assert_int_equal(worker_new(2, &another), 0);
	job_send(&counted.job, worker_mailbox(another), home);
	worker_free(another);
	/* What was sent before the stop was worked on. */
	wait_for(1);
}

#define WORKER_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(jobs_keep_their_order_there_and_back),
		WORKER_TEST(a_job_may_be_done_later_than_its_work),
		WORKER_TEST(what_may_block_has_a_thread_of_its_own),
		WORKER_TEST(a_worker_stops_with_nothing_to_do_and_with_work_just_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
