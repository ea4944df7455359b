/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/session_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/worker.h"
#include "util/cleanup.h"
#include "util/log.h"

struct session_host {
	struct worker *worker;
	struct mailbox *home;
	const struct session_host_observer *observer; /* NULL once it is being freed */
	void *userdata;
	struct session *session;
	struct job free_job;
};

enum session_event_kind { SESSION_EVENT_LOST, SESSION_EVENT_ASYNC, SESSION_EVENT_DAMAGED };

/* One message from the session on the worker to its host. */
struct session_event {
	struct mail mail;
	struct session_host *host;
	enum session_event_kind kind;
	enum session_loss reason;
	int error;
	char text[160];
	unsigned wait_s;
	struct async_message message;
};

static void session_event_tell(struct session_host *host, const struct session_event *event)
{
	switch (event->kind) {
	case SESSION_EVENT_LOST:
		host->observer->lost(event->reason, event->error, event->text, event->wait_s,
				     host->userdata);
		break;
	case SESSION_EVENT_ASYNC:
		host->observer->async_event(&event->message, host->userdata);
		break;
	case SESSION_EVENT_DAMAGED:
		host->observer->damaged(host->userdata);
		break;
	}
}

static void session_event_deliver(struct mail *mail)
{
	struct session_event *event = container_of(mail, struct session_event, mail);

	if (event->host->observer)
		session_event_tell(event->host, event);
	free(event);
}

static void session_event_post(const struct session_event *template)
{
	struct session_event *event = malloc(sizeof(*event));

	if (!event) {
		log_error("no memory to report what happened to a session");
		return;
	}
	*event = *template;
	event->mail.deliver = session_event_deliver;
	mailbox_post(event->host->home, &event->mail);
}

static void on_worker_lost(struct session *session, enum session_loss loss, int error,
			   const char *text, unsigned wait_s, void *userdata)
{
	struct session_event event = {
		.host = userdata,
		.kind = SESSION_EVENT_LOST,
		.reason = loss,
		.error = error,
		.wait_s = wait_s,
	};

	snprintf(event.text, sizeof(event.text), "%s", text);
	session_event_post(&event);
}

static void on_worker_async(struct session *session, const struct async_message *message,
			    void *userdata)
{
	session_event_post(&(struct session_event){
		.host = userdata,
		.kind = SESSION_EVENT_ASYNC,
		.message = *message,
	});
}

static void on_worker_damaged(struct session *session, void *userdata)
{
	session_event_post(&(struct session_event){
		.host = userdata,
		.kind = SESSION_EVENT_DAMAGED,
	});
}

static const struct session_observer worker_observer = {
	.lost = on_worker_lost,
	.async_event = on_worker_async,
	.damaged = on_worker_damaged,
};

int session_host_new(struct worker *worker, struct mailbox *home,
		     const struct session_settings *settings,
		     const struct session_host_observer *observer, void *userdata,
		     struct session_host **ret)
{
	struct session_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->worker = worker;
	host->home = home;
	host->observer = observer;
	host->userdata = userdata;
	/* Only memory is touched here: nothing of it runs before the first job reaches the worker.
	 */
	r = session_new(worker_ring(worker), settings, &worker_observer, host, &host->session);
	if (r < 0) {
		free(host);
		return r;
	}
	*ret = host;
	return 0;
}

static void session_host_free_on_worker(struct job *job)
{
	struct session_host *host = container_of(job, struct session_host, free_job);

	session_free(host->session);
	job_done(job);
}

static void session_host_freed(struct job *job)
{
	free(container_of(job, struct session_host, free_job));
}

void session_host_free(struct session_host *host)
{
	if (!host)
		return;
	/* Events that are on their way still find the host: mail keeps its order. */
	host->observer = NULL;
	host->free_job.work = session_host_free_on_worker;
	host->free_job.finished = session_host_freed;
	job_send(&host->free_job, worker_mailbox(host->worker), host->home);
}

struct session *session_host_session(const struct session_host *host)
{
	return host->session;
}

struct worker *session_host_worker(const struct session_host *host)
{
	return host->worker;
}

struct mailbox *session_host_home(const struct session_host *host)
{
	return host->home;
}

/* Calls that are carried over. */

struct session_call {
	struct job job;
	struct session_host *host;
	int fd;
	struct negotiated negotiated;
	struct login_outcome outcome;
	const char *why;
	void (*done)(int error, void *userdata);
	int error;
	size_t early_bytes;
	uint8_t early[];
};

static void session_call_finished(struct job *job)
{
	struct session_call *call = container_of(job, struct session_call, job);

	if (call->done && call->host->observer)
		call->done(call->error, call->host->userdata);
	free(call);
}

static int session_call_send(struct session_host *host, struct session_call *call,
			     void (*work)(struct job *job))
{
	if (!call)
		return -ENOMEM;
	call->host = host;
	call->job.work = work;
	call->job.finished = session_call_finished;
	job_send(&call->job, worker_mailbox(host->worker), host->home);
	return 0;
}

static void session_attach_on_worker(struct job *job)
{
	struct session_call *call = container_of(job, struct session_call, job);

	call->error = session_attach(call->host->session, call->fd, &call->negotiated,
				     &call->outcome, call->early, call->early_bytes);
	job_done(job);
}

int session_host_attach(struct session_host *host, int fd, const struct negotiated *negotiated,
			const struct login_outcome *outcome, const void *early, size_t early_bytes,
			void (*done)(int error, void *userdata))
{
	struct session_call *call = calloc(1, sizeof(*call) + early_bytes);

	if (!call) {
		close(fd);
		return -ENOMEM;
	}
	call->fd = fd;
	call->negotiated = *negotiated;
	call->outcome = *outcome;
	call->done = done;
	call->early_bytes = early_bytes;
	if (early_bytes)
		memcpy(call->early, early, early_bytes);
	return session_call_send(host, call, session_attach_on_worker);
}

static void session_logout_on_worker(struct job *job)
{
	struct session_call *call = container_of(job, struct session_call, job);

	session_logout(call->host->session);
	job_done(job);
}

int session_host_logout(struct session_host *host)
{
	return session_call_send(host, calloc(1, sizeof(struct session_call)),
				 session_logout_on_worker);
}

static void session_drop_on_worker(struct job *job)
{
	struct session_call *call = container_of(job, struct session_call, job);

	session_drop(call->host->session, call->why);
	job_done(job);
}

int session_host_drop(struct session_host *host, const char *why)
{
	struct session_call *call = calloc(1, sizeof(*call));

	if (call)
		call->why = why;
	return session_call_send(host, call, session_drop_on_worker);
}
