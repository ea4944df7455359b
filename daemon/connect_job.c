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
#include <time.h>
#include <unistd.h>

#include "daemon/interface_lookup.h"
#include "daemon/job.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATIENCE_MS 1000 /* for an address, while there is another one to try */

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
	char address[256], interface[16], hardware_address[32], source_address[64];
	uint16_t port;
	void (*done)(const struct connect_result *result, void *userdata);
	void *userdata;

	struct resolution *resolution;
	struct addrinfo *found, *next; /* addresses, and the one to be tried next */
	sd_event_source *io, *report, *patience;
	int fd;
	char text[300]; /* why it failed */
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
	text_copy(job->text, sizeof(job->text), text);
	job->result =
		(struct connect_result){.end = end, .fd = -1, .error = error, .text = job->text};
	job->io = sd_event_source_disable_unref(job->io);
	if (sd_event_add_defer(job->event, &job->report, connect_job_report, job) < 0)
		connect_job_report(NULL, job);
}

static void connect_job_next(struct connect_job *job);

/* This address does not answer, or cannot be reached: on to the next one. */
static void connect_job_gave_up(struct connect_job *job, int error, const char *text)
{
	job->io = sd_event_source_disable_unref(job->io);
	job->patience = sd_event_source_disable_unref(job->patience);
	if (!job->next) {
		connect_job_fail(job, CONNECT_FAILED, error, text);
		return;
	}
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	connect_job_next(job);
}

static int connect_job_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connect_job *job = userdata;
	int error = 0, one = 1;
	socklen_t length = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error) {
		connect_job_gave_up(job, -error, strerror(error));
		return 0;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	job->io = sd_event_source_disable_unref(job->io);
	job->patience = sd_event_source_disable_unref(job->patience);
	job->result = (struct connect_result){.end = CONNECT_DONE, .fd = take_fd(job->fd)};
	job->done(&job->result, job->userdata);
	return 0;
}

static int connect_job_impatient(sd_event_source *source, uint64_t now_us, void *userdata)
{
	connect_job_gave_up(userdata, -ETIMEDOUT, strerror(ETIMEDOUT));
	return 0;
}

static int socket_bind_device(int fd, const struct connect_job *job)
{
	char name[IFNAMSIZ] = "";
	int r = 0;

	if (job->hardware_address[0])
		r = interface_of_hardware(job->hardware_address, name);
	else
		text_copy(name, sizeof(name), job->interface);
	if (r < 0 || !name[0])
		return r;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) < 0
		       ? -errno
		       : 0;
}

static int socket_bind(int fd, const struct connect_job *job)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *source;
	int r = socket_bind_device(fd, job);

	if (r < 0 || !job->source_address[0])
		return r;
	if (getaddrinfo(job->source_address, NULL, &hints, &source) != 0)
		return -EADDRNOTAVAIL;
	if (bind(fd, source->ai_addr, source->ai_addrlen) < 0)
		r = -errno;
	freeaddrinfo(source);
	return r;
}

/* What the system's word for it does not tell. */
static void connect_job_explain(const struct connect_job *job, int error, char *text, size_t size)
{
	if (error == -EINVAL && portal_address_link_local(job->address))
		snprintf(text, size, "a link-local address needs its interface: %.200s%%INTERFACE",
			 job->address);
	else if (error == -ENODEV && job->hardware_address[0])
		snprintf(text, size, "no interface has the hardware address %s",
			 job->hardware_address);
	else if (error == -ENODEV)
		snprintf(text, size, "%s: %s", job->interface, strerror(ENODEV));
	else
		snprintf(text, size, "%s", strerror(-error));
}

/* Return: 0 when the address is being tried; -errno */
static int connect_job_try(struct connect_job *job, const struct addrinfo *to)
{
	int r;

	job->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = job->fd < 0 ? -errno : socket_bind(job->fd, job);
	if (r == 0 && connect(job->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(job->event, &job->io, job->fd, EPOLLOUT, connect_job_io, job);
	/* The last one has all the time that is left. */
	if (r >= 0 && job->next)
		r = sd_event_add_time_relative(job->event, &job->patience, CLOCK_MONOTONIC,
					       PATIENCE_MS * UINT64_C(1000), 1000,
					       connect_job_impatient, job);
	return MIN(r, 0);
}

static void connect_job_next(struct connect_job *job)
{
	const struct addrinfo *to = job->next;
	char text[300];
	int r;

	job->next = to->ai_next;
	r = connect_job_try(job, to);
	if (r == 0)
		return;
	connect_job_explain(job, r, text, sizeof(text));
	connect_job_gave_up(job, r, text);
}

static void connect_job_found(struct connect_job *job, struct resolution *resolution)
{
	job->found = job->next = take(resolution->found);
	connect_job_next(job);
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
			connect_job_found(connect_job, resolution);
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
		connect_job_found(job, resolution);
		resolution_free(resolution);
		return 0;
	}
	if (portal_address_numeric(job->address)) {
		resolution_free(resolution);
		connect_job_fail(job, CONNECT_FAILED, -ENODEV,
				 "there is no such interface as behind the %");
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
	text_copy(job->hardware_address, sizeof(job->hardware_address),
		  settings->hardware_address ? settings->hardware_address : "");
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
	sd_event_source_disable_unref(job->patience);
	if (job->found)
		freeaddrinfo(job->found);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}
