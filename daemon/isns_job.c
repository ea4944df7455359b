/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/isns_job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "daemon/interface_lookup.h"
#include "util/text.h"

struct isns_job {
	sd_event *event;
	void (*done)(const struct isns_job_result *result, void *userdata);
	void *userdata;

	struct connect_job *connect;
	struct isns_query *query;
	sd_event_source *io, *timer;
	int fd; /* -1: not connected yet */
	char text[300];
};

static void isns_job_close(struct isns_job *job)
{
	connect_job_free(job->connect);
	job->connect = NULL;
	job->io = sd_event_source_disable_unref(job->io);
	job->timer = sd_event_source_disable_unref(job->timer);
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
}

static void isns_job_fail(struct isns_job *job, int error, const char *text)
{
	struct isns_job_result result = {.error = error, .text = job->text};

	/* what is closed may be what the text stands in */
	text_copy(job->text, sizeof(job->text), text);
	isns_job_close(job);
	job->done(&result, job->userdata);
}

/* Return: the query goes on; otherwise the job may be gone */
static bool isns_job_check(struct isns_job *job)
{
	struct isns_job_result result = {};

	switch (isns_get_state(job->query)) {
	case ISNS_DONE:
		interface_of_socket(job->fd, result.interface);
		isns_job_close(job);
		result.portals = isns_portals(job->query, &result.count);
		result.skipped = isns_skipped(job->query);
		job->done(&result, job->userdata);
		return false;
	case ISNS_FAILED:
		isns_job_fail(job, -EPROTO, isns_failure(job->query));
		return false;
	case ISNS_SENDING:
	case ISNS_RECEIVING:
		break;
	}
	return true;
}

static void isns_job_write(struct isns_job *job)
{
	uint32_t events = EPOLLIN;

	while (isns_get_state(job->query) == ISNS_SENDING) {
		size_t length;
		const void *output = isns_output(job->query, &length);
		ssize_t n = send(job->fd, output, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			events |= EPOLLOUT;
			break;
		}
		if (n < 0) {
			isns_job_fail(job, -errno, strerror(errno));
			return;
		}
		isns_sent(job->query, (size_t)n);
	}
	sd_event_source_set_io_events(job->io, events);
}

/* A server that only owes us the end of a deregistration has answered. */
static void isns_job_closed(struct isns_job *job, int error, const char *text)
{
	isns_closed(job->query);
	if (isns_get_state(job->query) == ISNS_DONE)
		isns_job_check(job);
	else
		isns_job_fail(job, error, text);
}

static void isns_job_read(struct isns_job *job)
{
	uint8_t input[8192];
	ssize_t n = recv(job->fd, input, sizeof(input), 0);
	size_t used = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		isns_job_closed(job, n < 0 ? -errno : -ECONNRESET,
				n < 0 ? strerror(errno) : "the connection was closed");
		return;
	}
	/* twice: bytes behind an answer that led to the next question are an error to be told */
	for (int i = 0; i < 2 && used < (size_t)n; i++)
		used += isns_input(job->query, input + used, (size_t)n - used);
	if (isns_job_check(job))
		isns_job_write(job);
}

static int isns_job_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct isns_job *job = userdata;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		isns_job_read(job);
	else
		isns_job_write(job);
	return 0;
}

static void isns_job_connected(const struct connect_result *connected, void *userdata)
{
	struct isns_job *job = userdata;
	int r;

	if (connected->end != CONNECT_DONE) {
		isns_job_fail(job, connected->error, connected->text);
		return;
	}
	job->fd = connected->fd;
	r = sd_event_add_io(job->event, &job->io, job->fd, EPOLLIN, isns_job_io, job);
	if (r < 0)
		isns_job_fail(job, r, strerror(-r));
	else
		isns_job_write(job);
}

static int isns_job_timeout(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct isns_job *job = userdata;

	isns_job_closed(job, -ETIMEDOUT,
			job->fd < 0 ? "no answer to the connection attempt"
				    : "the iSNS server does not answer");
	return 0;
}

int isns_job_start(sd_event *event, struct mailbox *home, const struct isns_job_settings *settings,
		   void (*done)(const struct isns_job_result *result, void *userdata),
		   void *userdata, struct isns_job **ret)
{
	struct isns_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->event = event;
	job->done = done;
	job->userdata = userdata;
	job->fd = -1;
	r = isns_query_new(settings->initiator_name, &job->query);
	if (r == 0)
		r = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC,
					       settings->timeout_ms * UINT64_C(1000), 1000,
					       isns_job_timeout, job);
	if (r >= 0)
		r = connect_job_start(event, home, &settings->server, isns_job_connected, job,
				      &job->connect);
	if (r < 0) {
		isns_job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

void isns_job_free(struct isns_job *job)
{
	if (!job)
		return;
	isns_job_close(job);
	isns_query_free(job->query);
	free(job);
}
