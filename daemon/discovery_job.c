/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/discovery_job.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/interface_lookup.h"
#include "util/cleanup.h"

struct discovery_job {
	sd_event *event;
	struct mailbox *home;
	struct discovery_job_settings settings;
	void (*done)(const struct discovery_job_result *result, void *userdata);
	void *userdata;

	unsigned tried;
	struct login_job *login;
	struct discovery *discovery;
	sd_event_source *io, *timer;
	int fd;
};

static void discovery_job_try(struct discovery_job *job);

static void discovery_job_close(struct discovery_job *job)
{
	job->io = sd_event_source_disable_unref(job->io);
	job->timer = sd_event_source_disable_unref(job->timer);
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
}

static void discovery_job_fail(struct discovery_job *job, int error, const char *text)
{
	struct discovery_job_result result = {
		.end = LOGIN_JOB_DONE,
		.failed = 1,
		.error = error,
		.text = text,
	};

	discovery_job_close(job);
	job->done(&result, job->userdata);
}

static void discovery_job_succeed(struct discovery_job *job)
{
	struct discovery_job_result result = {.end = LOGIN_JOB_DONE};

	interface_of_socket(job->fd, result.interface);
	discovery_job_close(job);
	result.portals = discovery_portals(job->discovery, &result.count);
	result.skipped = discovery_skipped(job->discovery);
	job->done(&result, job->userdata);
}

static void discovery_job_write(struct discovery_job *job)
{
	uint32_t events = EPOLLIN;

	while (discovery_get_state(job->discovery) == DISCOVERY_SENDING) {
		size_t length;
		const void *output = discovery_output(job->discovery, &length);
		ssize_t n = send(job->fd, output, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			events |= EPOLLOUT;
			break;
		}
		if (n < 0) {
			discovery_job_fail(job, -errno, strerror(errno));
			return;
		}
		discovery_sent(job->discovery, (size_t)n);
	}
	sd_event_source_set_io_events(job->io, events);
}

/* One more piece of the answer. Return: the job goes on. */
static bool discovery_job_feed(struct discovery_job *job, const uint8_t *bytes, size_t length)
{
	while (length) {
		size_t used = discovery_input(job->discovery, bytes, length);

		bytes += used;
		length -= used;
		switch (discovery_get_state(job->discovery)) {
		case DISCOVERY_DONE:
			discovery_job_succeed(job);
			return false;
		case DISCOVERY_FAILED:
			discovery_job_fail(job, -EPROTO, discovery_failure(job->discovery));
			return false;
		case DISCOVERY_SENDING:
		case DISCOVERY_RECEIVING:
			break;
		}
		if (!used)
			break;
	}
	return true;
}

/* A target that hangs up instead of answering the logout has still told its portals. */
static void discovery_job_closed(struct discovery_job *job, int error, const char *text)
{
	discovery_closed(job->discovery);
	if (discovery_get_state(job->discovery) == DISCOVERY_DONE)
		discovery_job_succeed(job);
	else
		discovery_job_fail(job, error, text);
}

static void discovery_job_read(struct discovery_job *job)
{
	uint8_t input[8192];
	ssize_t n = recv(job->fd, input, sizeof(input), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		discovery_job_closed(job, n < 0 ? -errno : -ECONNRESET,
				     n < 0 ? strerror(errno) : "the connection was closed");
	else if (discovery_job_feed(job, input, (size_t)n))
		discovery_job_write(job);
}

static int discovery_job_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct discovery_job *job = userdata;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		discovery_job_read(job);
	else
		discovery_job_write(job);
	return 0;
}

static int discovery_job_timeout(sd_event_source *source, uint64_t now_us, void *userdata)
{
	discovery_job_closed(userdata, -ETIMEDOUT, "the target does not answer SendTargets");
	return 0;
}

static void discovery_job_ask(struct discovery_job *job, const struct login_job_result *login)
{
	int r = discovery_new(&login->negotiated, &login->outcome, &job->discovery);

	job->fd = login->fd;
	if (r == 0)
		r = sd_event_add_io(job->event, &job->io, job->fd, EPOLLIN, discovery_job_io, job);
	if (r >= 0)
		r = sd_event_add_time_relative(job->event, &job->timer, CLOCK_MONOTONIC,
					       job->settings.answer_timeout_ms * UINT64_C(1000),
					       1000, discovery_job_timeout, job);
	if (r < 0) {
		discovery_job_fail(job, r, strerror(-r));
		return;
	}
	if (discovery_job_feed(job, login->early, login->early_bytes))
		discovery_job_write(job);
}

static int discovery_job_again(sd_event_source *source, uint64_t now_us, void *userdata)
{
	discovery_job_try(userdata);
	return 0;
}

/* Only what may be different in a second is worth a second try. */
static bool discovery_job_worth_another(const struct discovery_job *job, enum login_job_end end)
{
	return job->tried < job->settings.tries &&
	       (end == LOGIN_JOB_CONNECT || end == LOGIN_JOB_TIMEOUT || end == LOGIN_JOB_CLOSED);
}

static void discovery_job_logged_in(const struct login_job_result *login, void *userdata)
{
	struct discovery_job *job = userdata;
	struct discovery_job_result result = {
		.end = login->end,
		.error = login->error,
		.login = login->login,
		.text = login->text,
	};

	if (login->end == LOGIN_JOB_DONE) {
		discovery_job_ask(job, login);
		return;
	}
	if (discovery_job_worth_another(job, login->end) &&
	    sd_event_add_time_relative(job->event, &job->timer, CLOCK_MONOTONIC,
				       job->settings.pause_ms * UINT64_C(1000), 1000,
				       discovery_job_again, job) >= 0)
		return;
	job->done(&result, job->userdata);
}

static const struct login_job_observer discovery_login_observer = {
	.done = discovery_job_logged_in,
};

static void discovery_job_try(struct discovery_job *job)
{
	int r;

	job->timer = sd_event_source_disable_unref(job->timer);
	login_job_free(job->login);
	job->login = NULL;
	job->tried++;
	r = login_job_start(job->event, job->home, &job->settings.login, &discovery_login_observer,
			    job, &job->login);
	if (r < 0)
		discovery_job_fail(job, r, strerror(-r));
}

int discovery_job_start(sd_event *event, struct mailbox *home,
			const struct discovery_job_settings *settings,
			void (*done)(const struct discovery_job_result *result, void *userdata),
			void *userdata, struct discovery_job **ret)
{
	struct discovery_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->event = event;
	job->home = home;
	job->settings = *settings;
	job->done = done;
	job->userdata = userdata;
	job->fd = -1;
	job->tried = 1;
	r = login_job_start(event, home, &settings->login, &discovery_login_observer, job,
			    &job->login);
	if (r < 0) {
		discovery_job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

void discovery_job_free(struct discovery_job *job)
{
	if (!job)
		return;
	discovery_job_close(job);
	login_job_free(job->login);
	discovery_free(job->discovery);
	explicit_bzero(&job->settings, sizeof(job->settings));
	free(job);
}
