/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/connect_job.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "daemon/job.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Name resolution; outlives its connect job when that is freed meanwhile. */
struct resolution {
	struct job job;
	struct connect_job *connect_job; /* NULL: nobody waits any more */
	char address[256], port[8];
	struct addrinfo *found;
	int error; /* EAI_… */
};

struct connect_job {
	sd_event *event;
	struct mailbox *home;
	char address[256], interface[16], source_address[64];
	uint16_t port;
	void (*done)(const struct connect_result *result, void *userdata);
	void *userdata;

	struct resolution *resolution;
	sd_event_source *io, *report;
	int fd;
	struct connect_result result;
};

static int connect_job_report(sd_event_source *source, void *userdata)
{
	struct connect_job *job = userdata;

	job->done(&job->result, job->userdata);
	return 0;
}

/* Told from the loop, so that it is never told inside connect_job_start(). */
static void connect_job_fail(struct connect_job *job, enum connect_end end, int error,
			     const char *text)
{
	job->result = (struct connect_result){.end = end, .fd = -1, .error = error, .text = text};
	job->io = sd_event_source_disable_unref(job->io);
	if (sd_event_add_defer(job->event, &job->report, connect_job_report, job) < 0)
		connect_job_report(NULL, job);
}

static int connect_job_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connect_job *job = userdata;
	int error = 0, one = 1;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error) {
		connect_job_fail(job, CONNECT_FAILED, -error, strerror(error));
		return 0;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	job->io = sd_event_source_disable_unref(job->io);
	job->result = (struct connect_result){.end = CONNECT_DONE, .fd = take_fd(job->fd)};
	job->done(&job->result, job->userdata);
	return 0;
}

static int socket_bind(int fd, const struct connect_job *job)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *source;
	int r = 0;

	if (job->interface[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, job->interface,
					    (socklen_t)strlen(job->interface)) < 0)
		return -errno;
	if (!job->source_address[0])
		return 0;
	if (getaddrinfo(job->source_address, NULL, &hints, &source) != 0)
		return -EADDRNOTAVAIL;
	if (bind(fd, source->ai_addr, source->ai_addrlen) < 0)
		r = -errno;
	freeaddrinfo(source);
	return r;
}

static void connect_job_connect(struct connect_job *job, const struct addrinfo *to)
{
	int r;

	job->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = job->fd < 0 ? -errno : socket_bind(job->fd, job);
	if (r == 0 && connect(job->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(job->event, &job->io, job->fd, EPOLLOUT, connect_job_io, job);
	if (r < 0)
		connect_job_fail(job, CONNECT_FAILED, r, strerror(-r));
}

static void resolution_work(struct job *job)
{
	struct resolution *resolution = container_of(job, struct resolution, job);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};

	resolution->error =
		getaddrinfo(resolution->address, resolution->port, &hints, &resolution->found);
	job_done(job);
}

static void resolution_free(struct resolution *resolution)
{
	if (resolution->found)
		freeaddrinfo(resolution->found);
	free(resolution);
}

static void resolution_finished(struct job *job)
{
	struct resolution *resolution = container_of(job, struct resolution, job);
	struct connect_job *connect_job = resolution->connect_job;

	if (connect_job) {
		connect_job->resolution = NULL;
		if (resolution->error)
			connect_job_fail(connect_job, CONNECT_UNKNOWN, -EHOSTUNREACH,
					 gai_strerror(resolution->error));
		else
			connect_job_connect(connect_job, resolution->found);
	}
	resolution_free(resolution);
}

/* Literals are resolved in place; the rest may block, and does so elsewhere. */
static int connect_job_resolve(struct connect_job *job)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct resolution *resolution = calloc(1, sizeof(*resolution));
	int r;

	if (!resolution)
		return -ENOMEM;
	text_copy(resolution->address, sizeof(resolution->address), job->address);
	snprintf(resolution->port, sizeof(resolution->port), "%u", job->port);
	if (getaddrinfo(resolution->address, resolution->port, &hints, &resolution->found) == 0) {
		connect_job_connect(job, resolution->found);
		resolution_free(resolution);
		return 0;
	}
	resolution->job.work = resolution_work;
	resolution->job.finished = resolution_finished;
	resolution->connect_job = job;
	job->resolution = resolution;
	r = job_send_background(&resolution->job, job->home);
	if (r < 0) {
		job->resolution = NULL;
		resolution_free(resolution);
	}
	return r;
}

int connect_job_start(sd_event *event, struct mailbox *home,
		      const struct connect_settings *settings,
		      void (*done)(const struct connect_result *result, void *userdata),
		      void *userdata, struct connect_job **ret)
{
	struct connect_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->event = event;
	job->home = home;
	text_copy(job->address, sizeof(job->address), settings->address);
	text_copy(job->interface, sizeof(job->interface), settings->interface);
	text_copy(job->source_address, sizeof(job->source_address), settings->source_address);
	job->port = settings->port;
	job->done = done;
	job->userdata = userdata;
	job->fd = -1;
	r = connect_job_resolve(job);
	if (r < 0) {
		connect_job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

void connect_job_free(struct connect_job *job)
{
	if (!job)
		return;
	if (job->resolution)
		job->resolution->connect_job = NULL;
	sd_event_source_disable_unref(job->io);
	sd_event_source_disable_unref(job->report);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}
