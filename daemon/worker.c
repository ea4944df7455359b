/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/mailbox.h"
#include "util/ring.h"

#define RING_ENTRIES 512
#define STACK_BYTES  (128u << 10)

struct worker {
	struct ring *ring;
	pthread_t thread;
	struct mail stop;
	unsigned index;
};

static void worker_stop(struct mail *mail)
{
	struct worker *worker = container_of(mail, struct worker, stop);

	ring_stop(worker->ring);
}

/* The stack is there before memory is short. */
static __attribute__((noinline)) void touch_stack(void)
{
	volatile char stack[STACK_BYTES];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "hawser-io%u", worker->index);
	pthread_setname_np(pthread_self(), name);
	touch_stack();
	r = ring_run(worker->ring);
	if (r < 0)
		log_error("worker %u stopped: %s", worker->index, strerror(-r));
	return NULL;
}

int worker_new(unsigned index, struct worker **ret)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	sigset_t all, before;
	int r;

	if (!worker)
		return -ENOMEM;
	worker->index = index;
	worker->stop.deliver = worker_stop;
	r = ring_new(RING_ENTRIES, &worker->ring);
	if (r < 0)
		goto fail;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&worker->thread, NULL, worker_run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		goto fail;
	*ret = worker;
	return 0;
fail:
	ring_free(worker->ring);
	free(worker);
	return r;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	mailbox_post(ring_mailbox(worker->ring), &worker->stop);
	pthread_join(worker->thread, NULL);
	ring_free(worker->ring);
	free(worker);
}

struct ring *worker_ring(struct worker *worker)
{
	return worker->ring;
}

struct mailbox *worker_mailbox(struct worker *worker)
{
	return ring_mailbox(worker->ring);
}
