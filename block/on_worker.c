/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/on_worker.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/ring.h"

#define ANSWER_S 5

/* Whoever of both is through with it last frees it: the caller may have given up. */
struct call {
	struct mail mail;
	void (*work)(void *argument);
	void *argument;
	sem_t ended;
	_Atomic unsigned users;
};

static void call_release(struct call *call)
{
	if (atomic_fetch_sub(&call->users, 1) != 1)
		return;
	sem_destroy(&call->ended);
	free(call);
}

static void call_run(struct mail *mail)
{
	struct call *call = container_of(mail, struct call, mail);

	call->work(call->argument);
	sem_post(&call->ended);
	call_release(call);
}

int on_worker(struct ring *ring, void (*work)(void *argument), void *argument)
{
	struct call *call = calloc(1, sizeof(*call));
	struct timespec deadline;
	int r;

	if (!call)
		return -ENOMEM;
	call->mail.deliver = call_run;
	call->work = work;
	call->argument = argument;
	call->users = 2;
	sem_init(&call->ended, 0, 0);
	mailbox_post(ring_mailbox(ring), &call->mail);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += ANSWER_S;
	do
		r = sem_timedwait(&call->ended, &deadline) < 0 ? -errno : 0;
	while (r == -EINTR);
	call_release(call);
	return r == -ETIMEDOUT ? -ETIME : r;
}
