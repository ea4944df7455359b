/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/job.h"

#include <pthread.h>
#include <signal.h>

#include "util/cleanup.h"

static void job_come_home(struct mail *mail)
{
	struct job *job = container_of(mail, struct job, mail);

	job->finished(job);
}

static void job_arrive(struct mail *mail)
{
	struct job *job = container_of(mail, struct job, mail);

	job->work(job);
}

void job_send(struct job *job, struct mailbox *to, struct mailbox *home)
{
	job->home = home;
	job->mail.deliver = job_arrive;
	mailbox_post(to, &job->mail);
}

void job_done(struct job *job)
{
	job->mail.deliver = job_come_home;
	mailbox_post(job->home, &job->mail);
}

static void *job_run(void *arg)
{
	struct job *job = arg;

	job->work(job);
	return NULL;
}

int job_send_background(struct job *job, struct mailbox *home)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	job->home = home;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attributes, job_run, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}
