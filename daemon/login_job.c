/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/login_job.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/connect_job.h"
#include "daemon/interface_lookup.h"
#include "iscsi/portal.h"
#include "iscsi/reason.h"
#include "util/cleanup.h"
#include "util/text.h"

#define REDIRECTS_MAX 8
#define INPUT_BYTES   16384 /* more than one login PDU, so that what follows it comes along */

struct login_job {
	sd_event *event;
	struct mailbox *home;
	struct login_job_settings settings; /* address and port change with redirects */
	const struct login_job_observer *observer;
	void *userdata;

	struct connect_job *connect;
	sd_event_source *io, *timer, *report;
	int fd;
	bool connected;
	unsigned redirects;
	bool sent_on; /* temporarily, by some hop: those behind it tell nothing of the record's
			 portal */
	bool reported;
	bool md5_alone; /* the second try, with no other CHAP algorithm */
	struct login *login;
	struct login_job_result result;
	uint8_t input[INPUT_BYTES];
};

static void login_job_connect(struct login_job *job);

static void login_job_disconnect(struct login_job *job)
{
	connect_job_free(job->connect);
	job->connect = NULL;
	job->io = sd_event_source_disable_unref(job->io);
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	login_free(job->login);
	job->login = NULL;
}

static int login_job_report(sd_event_source *source, void *userdata)
{
	struct login_job *job = userdata;

	job->reported = true;
	job->observer->done(&job->result, job->userdata);
	return 0;
}

/* The end of the attempt; told from the loop, so that it is never told inside login_job_start(). */
static void login_job_end(struct login_job *job, enum login_job_end end, int error)
{
	job->result.end = end;
	job->result.error = error;
	job->result.connected = job->connected;
	job->timer = sd_event_source_disable_unref(job->timer);
	if (end != LOGIN_JOB_DONE)
		login_job_disconnect(job);
	if (sd_event_add_defer(job->event, &job->report, login_job_report, job) < 0)
		login_job_report(NULL, job);
}

static void login_job_fail(struct login_job *job, enum login_job_end end, int error,
			   const char *what)
{
	char text[PORTAL_TEXT_MAX];
	struct portal portal = {.port = job->settings.port, .tpgt = PORTAL_TAG_UNKNOWN};

	text_copy(portal.address, sizeof(portal.address), job->settings.address);
	snprintf(job->result.text, sizeof(job->result.text), "%s: %s",
		 portal_format(&portal, false, text), what);
	login_job_end(job, end, error);
}

/* Login. */

static void login_job_succeed(struct login_job *job, const uint8_t *early, size_t early_bytes)
{
	struct login_job_result *result = &job->result;
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);

	result->negotiated = *login_negotiated(job->login);
	result->outcome = *login_get_outcome(job->login);
	result->early = early;
	result->early_bytes = early_bytes;
	text_copy(result->address, sizeof(result->address), job->settings.address);
	result->port = job->settings.port;
	if (getsockname(job->fd, (struct sockaddr *)&local, &length) == 0)
		getnameinfo((struct sockaddr *)&local, length, result->local_address,
			    sizeof(result->local_address), NULL, 0, NI_NUMERICHOST);
	job->io = sd_event_source_disable_unref(job->io);
	result->fd = take_fd(job->fd);
	login_job_end(job, LOGIN_JOB_DONE, 0);
}

/*
 * LIO before Linux 3.15, and arrays built on it, refuse a CHAP_A list that has more than MD5 with
 * "authentication failure". Asked once more with MD5 alone; in FIPS mode there is no MD5 to offer.
 */
static bool login_job_try_md5(struct login_job *job)
{
	struct login_settings *login = &job->settings.login;

	if (!job->result.login.try_md5_alone || job->md5_alone || login->forbid_md5)
		return false;
	job->md5_alone = true;
	memset(login->chap_algorithms, 0, sizeof(login->chap_algorithms));
	login->chap_algorithms[0] = CHAP_MD5;
	login_job_disconnect(job);
	login_job_connect(job);
	return true;
}

static void login_job_refused(struct login_job *job)
{
	job->result.login = *login_get_result(job->login);
	if (login_job_try_md5(job))
		return;
	login_job_fail(job, LOGIN_JOB_REFUSED, -ECONNREFUSED, job->result.login.text);
}

static void login_job_redirect(struct login_job *job)
{
	const char *where = login_redirect(job->login);
	char interface[IFNAMSIZ];
	struct portal portal;

	if (++job->redirects > REDIRECTS_MAX) {
		login_job_fail(job, LOGIN_JOB_REFUSED, -ELOOP,
			       "the target keeps sending the login to other portals");
		return;
	}
	interface_of_socket(job->fd, interface);
	if (!where || portal_parse(where, strlen(where), &portal) < 0 ||
	    portal_address_set_zone(portal.address, sizeof(portal.address), interface) < 0) {
		login_job_fail(job, LOGIN_JOB_REFUSED, -EPROTO,
			       "the target redirects to an address that is none");
		return;
	}
	job->sent_on |= !login_redirect_permanent(job->login);
	if (!job->sent_on) {
		text_copy(job->result.moved_address, sizeof(job->result.moved_address),
			  portal.address);
		job->result.moved_port = portal.port;
	}
	text_copy(job->settings.address, sizeof(job->settings.address), portal.address);
	job->settings.port = portal.port;
	/* what the record says of its portal says nothing of this one */
	job->settings.login.check_portal_group = portal.tpgt != PORTAL_TAG_UNKNOWN;
	job->settings.login.portal_group_tag = (uint16_t)portal.tpgt;
	login_job_disconnect(job);
	login_job_connect(job);
}

static void login_job_write(struct login_job *job)
{
	while (login_get_state(job->login) == LOGIN_SENDING) {
		size_t length;
		const void *output = login_output(job->login, &length);
		ssize_t n = send(job->fd, output, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			login_job_fail(job, LOGIN_JOB_CLOSED, -errno, strerror(errno));
			return;
		}
		login_sent(job->login, (size_t)n);
	}
	sd_event_source_set_io_events(
		job->io,
		EPOLLIN | (login_get_state(job->login) == LOGIN_SENDING ? (uint32_t)EPOLLOUT : 0));
}

static void login_job_read(struct login_job *job)
{
	ssize_t n = recv(job->fd, job->input, sizeof(job->input), 0);
	size_t used;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		int error = n < 0 ? -errno : -ECONNRESET;

		login_job_fail(job, LOGIN_JOB_CLOSED, error,
			       n < 0 ? strerror(errno) : "the connection was closed during login");
		return;
	}
	used = login_input(job->login, job->input, (size_t)n);
	switch (login_get_state(job->login)) {
	case LOGIN_SENDING:
		login_job_write(job);
		break;
	case LOGIN_RECEIVING:
		break;
	case LOGIN_DONE:
		login_job_succeed(job, job->input + used, (size_t)n - used);
		break;
	case LOGIN_FAILED:
		login_job_refused(job);
		break;
	case LOGIN_REDIRECTED:
		login_job_redirect(job);
		break;
	}
}

static int login_job_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct login_job *job = userdata;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		login_job_read(job);
	else
		login_job_write(job);
	return 0;
}

/* TCP. */

static void login_job_connected(const struct connect_result *connected, void *userdata)
{
	struct login_job *job = userdata;
	int r;

	if (connected->end != CONNECT_DONE) {
		login_job_fail(job,
			       connected->end == CONNECT_UNKNOWN ? LOGIN_JOB_RESOLVE
								 : LOGIN_JOB_CONNECT,
			       connected->error, connected->text);
		return;
	}
	job->fd = connected->fd;
	job->connected = true;
	r = login_new(&job->settings.login, &job->login);
	if (r >= 0 && job->settings.challenges)
		login_share_challenges(job->login, job->settings.challenges);
	if (r >= 0)
		r = sd_event_add_io(job->event, &job->io, job->fd, EPOLLIN, login_job_io, job);
	if (r < 0) {
		login_job_fail(job, LOGIN_JOB_CONNECT, r, strerror(-r));
		return;
	}
	if (job->observer->connected)
		job->observer->connected(job->userdata);
	if (login_get_state(job->login) == LOGIN_FAILED) /* credentials that must not be used */
		login_job_refused(job);
	else
		login_job_write(job);
}

static void login_job_connect(struct login_job *job)
{
	const struct connect_settings settings = {
		.address = job->settings.address,
		.port = job->settings.port,
		.interface = job->settings.interface,
		.hardware_address = job->settings.hardware_address,
		.source_address = job->settings.source_address,
	};
	int r = connect_job_start(job->event, job->home, &settings, login_job_connected, job,
				  &job->connect);

	job->connected = false;
	job->result.attempts++;
	if (r < 0)
		login_job_fail(job, LOGIN_JOB_RESOLVE, r, strerror(-r));
}

static int login_job_timeout(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct login_job *job = userdata;

	login_job_fail(job, LOGIN_JOB_TIMEOUT, -ETIMEDOUT,
		       job->connected ? "the target does not finish the login"
				      : "no answer to the connection attempt");
	return 0;
}

int login_job_start(sd_event *event, struct mailbox *home,
		    const struct login_job_settings *settings,
		    const struct login_job_observer *observer, void *userdata,
		    struct login_job **ret)
{
	struct login_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->event = event;
	job->home = home;
	job->settings = *settings;
	job->observer = observer;
	job->userdata = userdata;
	job->fd = job->result.fd = -1;
	r = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC,
				       settings->timeout_ms * UINT64_C(1000), 1000,
				       login_job_timeout, job);
	if (r < 0) {
		login_job_free(job);
		return r;
	}
	*ret = job;
	login_job_connect(job);
	return 0;
}

void login_job_free(struct login_job *job)
{
	if (!job)
		return;
	sd_event_source_disable_unref(job->timer);
	sd_event_source_disable_unref(job->report);
	login_job_disconnect(job);
	if (!job->reported && job->result.fd >= 0)
		close(job->result.fd);
	explicit_bzero(&job->settings, sizeof(job->settings));
	free(job);
}
