/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/session_host.h"
#include "iscsi/reason.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define FENCE_DELAY_MS	 100 /* the own portal gets this head start */
#define FENCE_TIMEOUT_MS 5000

/* The table: what may follow, and what is done on the way. An empty cell is an illegal step. */

struct step {
	enum session_state next;
	void (*action)(struct supervisor *supervisor);
};

static void attempt(struct supervisor *supervisor);
static void announce(struct supervisor *supervisor);
static void pause_before_retry(struct supervisor *supervisor);
static void reconnect(struct supervisor *supervisor);
static void abandon(struct supervisor *supervisor);
static void log_out(struct supervisor *supervisor);
static void end(struct supervisor *supervisor);

/* clang-format off */
static const struct step steps[SESSION_STATE_COUNT][SUPERVISOR_EVENT_COUNT] = {
	[SESSION_STATE_IDLE] = {
		[SUPERVISOR_START]     = {SESSION_STATE_CONNECTING, attempt},
		[SUPERVISOR_STOP]      = {SESSION_STATE_IDLE,       end},
	},
	[SESSION_STATE_CONNECTING] = {
		[SUPERVISOR_CONNECTED] = {SESSION_STATE_LOGIN,      announce},
		[SUPERVISOR_FAILED]    = {SESSION_STATE_WAITING,    pause_before_retry},
		[SUPERVISOR_STOP]      = {SESSION_STATE_IDLE,       abandon},
	},
	[SESSION_STATE_LOGIN] = {
		[SUPERVISOR_CONNECTED] = {SESSION_STATE_LOGIN,      announce}, /* after a redirect */
		[SUPERVISOR_LOGGED_IN] = {SESSION_STATE_LOGGED_IN,  announce},
		[SUPERVISOR_FAILED]    = {SESSION_STATE_WAITING,    pause_before_retry},
		[SUPERVISOR_STOP]      = {SESSION_STATE_IDLE,       abandon},
	},
	[SESSION_STATE_LOGGED_IN] = {
		[SUPERVISOR_LOST]      = {SESSION_STATE_WAITING,    reconnect},
		[SUPERVISOR_STOP]      = {SESSION_STATE_LOGOUT,     log_out},
	},
	[SESSION_STATE_WAITING] = {
		[SUPERVISOR_RETRY]     = {SESSION_STATE_CONNECTING, attempt},
		[SUPERVISOR_STOP]      = {SESSION_STATE_IDLE,       abandon},
	},
	[SESSION_STATE_LOGOUT] = {
		[SUPERVISOR_LOST]      = {SESSION_STATE_IDLE,       end},
	},
};
/* clang-format on */

int supervisor_next_state(enum session_state state, enum supervisor_event event)
{
	const struct step *step = &steps[state][event];

	return step->action ? (int)step->next : -EPROTO;
}

static void supervisor_step(struct supervisor *supervisor, enum supervisor_event event)
{
	const struct step *step = &steps[supervisor->view.state][event];
	enum session_state from = supervisor->view.state;

	assert(step->action);
	supervisor->view.state = step->next;
	if (from != step->next)
		supervisor->view.since_us = clock_realtime_us();
	step->action(supervisor);
	/* The action may have freed it: only a stop that is complete does that, and it ends here.
	 */
	if (step->action != abandon && step->action != end)
		supervisor->ops->changed(supervisor, from);
}

static bool supervisor_may(const struct supervisor *supervisor, enum supervisor_event event)
{
	return steps[supervisor->view.state][event].action != NULL;
}

/* What an attempt's end means. */

enum error_code supervisor_error_code(const struct login_job_result *result)
{
	switch (result->end) {
	case LOGIN_JOB_DONE:
		return ERROR_NONE;
	case LOGIN_JOB_RESOLVE:
		return ERROR_TRANSPORT_FAILED;
	case LOGIN_JOB_CONNECT:
		return ERROR_TRANSPORT_TIMEOUT; /* open-iscsi's word for a portal that never
						   answered */
	case LOGIN_JOB_TIMEOUT:
		return result->connected ? ERROR_PDU_TIMEOUT : ERROR_TRANSPORT_TIMEOUT;
	case LOGIN_JOB_CLOSED:
		return ERROR_LOGIN_FAILED;
	case LOGIN_JOB_REFUSED:
		break;
	}
	if (result->login.failure == LOGIN_FAILURE_AUTHENTICATION)
		return ERROR_AUTHENTICATION_FAILED;
	if (result->login.failure != LOGIN_FAILURE_STATUS || result->login.status_class != 2)
		return ERROR_LOGIN_FAILED;
	return result->login.status_detail == 1 || result->login.status_detail == 2
		       ? ERROR_AUTHENTICATION_FAILED
		       : ERROR_FATAL_LOGIN;
}

enum login_retry supervisor_retry(const struct login_job_result *result)
{
	if (result->end != LOGIN_JOB_REFUSED)
		return LOGIN_RETRY_BACKOFF;
	if (result->login.failure == LOGIN_FAILURE_STATUS)
		return reason_of_login(result->login.status_class, result->login.status_detail)
			->retry;
	return LOGIN_RETRY_SLOW;
}

/* The fence: end what the lost session left, through another portal of its group. */

static void reinstate_end(struct supervisor *supervisor)
{
	supervisor->fence_timer = sd_event_source_disable_unref(supervisor->fence_timer);
	login_job_free(supervisor->fence);
	supervisor->fence = NULL;
}

/* Another portal group is another target port, and a login there takes nobody's place (§4.4.3.1).
 */
static const char *not_reinstated(const struct supervisor *supervisor,
				  const struct login_job_result *result)
{
	if (result->end != LOGIN_JOB_DONE)
		return result->text;
	return result->negotiated.target_portal_group_tag == supervisor->view.tpgt
		       ? NULL
		       : "the portal belongs to another group than it said";
}

static void reinstate_done(const struct login_job_result *result, void *userdata)
{
	struct supervisor *supervisor = userdata;
	struct login_job *fence = supervisor->fence;
	const char *why_not = not_reinstated(supervisor, result);

	supervisor->fence = NULL;
	if (!why_not) {
		supervisor->fencing = true;
		supervisor->ops->reinstated(supervisor, result);
	} else {
		if (result->end == LOGIN_JOB_DONE)
			close(result->fd);
		log_info("session %u: its lost connection could not be fenced: %s",
			 supervisor->view.sid, why_not);
	}
	login_job_free(fence);
}

static const struct login_job_observer reinstate_observer = {.done = reinstate_done};

static int reinstate_start(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct supervisor *supervisor = userdata;
	struct login_job_settings settings;
	char address[256];
	uint16_t port;

	supervisor->fence_timer = sd_event_source_disable_unref(supervisor->fence_timer);
	if (!supervisor->fence_needed || supervisor->fence || supervisor->fencing ||
	    !supervisor->ops->fence_portal(supervisor, address, &port))
		return 0;
	supervisor->ops->settings(supervisor, &settings);
	text_copy(settings.address, sizeof(settings.address), address);
	settings.port = port;
	settings.timeout_ms = FENCE_TIMEOUT_MS;
	settings.login.check_portal_group = true;
	settings.login.portal_group_tag = (uint16_t)supervisor->view.tpgt;
	login_job_start(supervisor->event, supervisor->home, &settings, &reinstate_observer,
			supervisor, &supervisor->fence);
	explicit_bzero(&settings, sizeof(settings));
	return 0;
}

static void reinstate_soon(struct supervisor *supervisor, unsigned delay_ms)
{
	supervisor->fence_timer = sd_event_source_disable_unref(supervisor->fence_timer);
	if (supervisor->fence_needed && !supervisor->fence && !supervisor->fencing)
		sd_event_add_time_relative(supervisor->event, &supervisor->fence_timer,
					   CLOCK_MONOTONIC, delay_ms * UINT64_C(1000), 1000,
					   reinstate_start, supervisor);
}

void supervisor_fence_ended(struct supervisor *supervisor, bool fenced)
{
	supervisor->fencing = false;
	/* Otherwise tried again with the next attempt that fails. */
	if (fenced)
		supervisor->fence_needed = false;
}

/* Attempts. */

static void attempt_connected(void *userdata)
{
	struct supervisor *supervisor = userdata;

	/* The own portal answers: its login fences by itself, and two of them would fight. */
	reinstate_end(supervisor);
	supervisor_step(supervisor, SUPERVISOR_CONNECTED);
}

static void attempt_failed(struct supervisor *supervisor, enum error_code code,
			   enum login_retry retry, const char *text)
{
	struct session_view *view = &supervisor->view;
	int64_t pause_ms = retry_plan_failed(&supervisor->retry_plan, retry, backoff_random());

	error_clear(&view->last_error);
	error_set(&view->last_error, code, "%s", text);
	text_copy(view->state_reason, sizeof(view->state_reason), text);
	if (pause_ms == RETRY_PLAN_GIVE_UP) {
		view->state = SESSION_STATE_IDLE;
		view->since_us = clock_realtime_us();
		supervisor->ops->gave_up(supervisor);
		return;
	}
	supervisor->pause_ms = (uint32_t)pause_ms;
	reinstate_soon(supervisor, 0);
	supervisor_step(supervisor, SUPERVISOR_FAILED);
}

static void handed_over(int error, void *userdata)
{
	struct supervisor *supervisor = userdata;
	struct session_view *view = &supervisor->view;

	supervisor->handing_over = false;
	if (error < 0) {
		attempt_failed(supervisor, ERROR_INTERNAL, LOGIN_RETRY_BACKOFF, strerror(-error));
		return;
	}
	view->attempts = 0;
	view->next_retry_us = 0;
	view->ever_logged_in = true;
	view->state_reason[0] = '\0';
	error_clear(&view->last_error);
	supervisor->fence_needed = false;
	retry_plan_logged_in(&supervisor->retry_plan, supervisor->settings.reconnect_min_ms,
			     supervisor->settings.reconnect_max_ms);
	supervisor_step(supervisor, SUPERVISOR_LOGGED_IN);
	supervisor->ops->logged_in(supervisor);
	if (supervisor->stop_pending)
		supervisor_step(supervisor, SUPERVISOR_STOP);
}

static void attempt_succeeded(struct supervisor *supervisor, const struct login_job_result *result)
{
	struct session_view *view = &supervisor->view;
	int r;

	view->negotiated = result->negotiated;
	view->outcome = result->outcome;
	view->tsih = result->outcome.tsih;
	if (result->negotiated.target_portal_group_tag >= 0)
		view->tpgt = result->negotiated.target_portal_group_tag;
	text_copy(view->address, sizeof(view->address), result->address);
	text_copy(view->local_address, sizeof(view->local_address), result->local_address);
	view->port = result->port;
	if (result->moved_address[0])
		supervisor->ops->moved(supervisor, result->moved_address, result->moved_port);
	supervisor->handing_over = true;
	r = session_host_attach(supervisor->host, result->fd, &result->negotiated, &result->outcome,
				result->early, result->early_bytes, handed_over);
	if (r < 0)
		handed_over(r, supervisor);
}

static void attempt_done(const struct login_job_result *result, void *userdata)
{
	struct supervisor *supervisor = userdata;
	struct login_job *login = supervisor->login;

	supervisor->login = NULL;
	if (result->end == LOGIN_JOB_DONE)
		attempt_succeeded(supervisor, result);
	else
		attempt_failed(supervisor, supervisor_error_code(result), supervisor_retry(result),
			       result->text);
	login_job_free(login);
}

static const struct login_job_observer attempt_observer = {
	.connected = attempt_connected,
	.done = attempt_done,
};

static void attempt(struct supervisor *supervisor)
{
	struct login_job_settings settings;
	int r;

	supervisor->retry_timer = sd_event_source_disable_unref(supervisor->retry_timer);
	supervisor->view.attempts++;
	supervisor->view.next_retry_us = 0;
	supervisor->ops->settings(supervisor, &settings);
	r = login_job_start(supervisor->event, supervisor->home, &settings, &attempt_observer,
			    supervisor, &supervisor->login);
	explicit_bzero(&settings, sizeof(settings));
	if (r < 0) {
		log_error("session %u: %s", supervisor->view.sid, strerror(-r));
		supervisor->view.state = SESSION_STATE_WAITING;
		supervisor->pause_ms = supervisor->settings.reconnect_max_ms;
		pause_before_retry(supervisor);
	}
}

static int retry_now(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	supervisor_step(userdata, SUPERVISOR_RETRY);
	return 0;
}

static void retry_after(struct supervisor *supervisor, uint32_t delay_ms)
{
	supervisor->retry_timer = sd_event_source_disable_unref(supervisor->retry_timer);
	supervisor->view.next_retry_us = clock_realtime_us() + delay_ms * UINT64_C(1000);
	sd_event_add_time_relative(supervisor->event, &supervisor->retry_timer, CLOCK_MONOTONIC,
				   delay_ms * UINT64_C(1000), 1000, retry_now, supervisor);
}

static void announce(struct supervisor *supervisor)
{
	/* the state says it all; changed() tells */
}

static void pause_before_retry(struct supervisor *supervisor)
{
	retry_after(supervisor, supervisor->pause_ms);
}

/* The first attempt after a loss is made at once, unless the target asked for a pause. */
static void reconnect(struct supervisor *supervisor)
{
	retry_after(supervisor, supervisor->wait_s * 1000);
	reinstate_soon(supervisor, FENCE_DELAY_MS);
}

/* Stopping. */

static void end(struct supervisor *supervisor)
{
	supervisor->stop_pending = false;
	supervisor->ops->stopped(supervisor);
}

static void abandon(struct supervisor *supervisor)
{
	supervisor->retry_timer = sd_event_source_disable_unref(supervisor->retry_timer);
	reinstate_end(supervisor);
	login_job_free(supervisor->login);
	supervisor->login = NULL;
	end(supervisor);
}

static void log_out(struct supervisor *supervisor)
{
	if (session_host_logout(supervisor->host) < 0)
		log_error("session %u: no memory to log out", supervisor->view.sid);
}

void supervisor_start(struct supervisor *supervisor)
{
	supervisor->stop_pending = false;
	if (supervisor_may(supervisor, SUPERVISOR_START))
		supervisor_step(supervisor, SUPERVISOR_START);
}

void supervisor_resume(struct supervisor *supervisor)
{
	supervisor->settings.for_ever = true;
	retry_plan_init(&supervisor->retry_plan, 0);
	supervisor->fence_needed = true;
	supervisor_start(supervisor);
}

void supervisor_stop(struct supervisor *supervisor)
{
	if (supervisor->handing_over)
		supervisor->stop_pending = true;
	else if (supervisor_may(supervisor, SUPERVISOR_STOP))
		supervisor_step(supervisor, SUPERVISOR_STOP);
}

void supervisor_hurry(struct supervisor *supervisor)
{
	bool respite = supervisor->wait_s > 0 && supervisor->view.attempts == 0;

	if (!respite && supervisor_may(supervisor, SUPERVISOR_RETRY))
		supervisor_step(supervisor, SUPERVISOR_RETRY);
}

/* From the session. */

static void on_lost(enum session_loss loss, int error, const char *text, unsigned wait_s,
		    void *userdata)
{
	struct supervisor *supervisor = userdata;
	bool logged_out = loss == SESSION_LOSS_LOGOUT;

	supervisor->wait_s = wait_s;
	supervisor->fence_needed = !logged_out;
	text_copy(supervisor->view.state_reason, sizeof(supervisor->view.state_reason), text);
	supervisor->ops->lost(supervisor, text, logged_out);
	supervisor_step(supervisor, SUPERVISOR_LOST);
}

static void on_async_event(const struct async_message *message, void *userdata)
{
	struct supervisor *supervisor = userdata;

	supervisor->ops->async_event(supervisor, message);
}

static void on_damaged(void *userdata)
{
	struct supervisor *supervisor = userdata;

	supervisor->ops->damaged(supervisor);
}

static const struct session_host_observer host_observer = {
	.lost = on_lost,
	.async_event = on_async_event,
	.damaged = on_damaged,
};

int supervisor_new(sd_event *event, struct mailbox *home, struct worker *worker,
		   const struct session_settings *session_settings,
		   const struct supervisor_settings *settings, const struct supervisor_ops *ops,
		   void *userdata, struct supervisor **ret)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (!supervisor)
		return -ENOMEM;
	supervisor->event = event;
	supervisor->home = home;
	supervisor->settings = *settings;
	supervisor->ops = ops;
	supervisor->userdata = userdata;
	supervisor->view.tpgt = -1;
	supervisor->view.since_us = clock_realtime_us();
	list_init(&supervisor->view.link);
	list_init(&supervisor->view.node_link);
	list_init(&supervisor->view.units);
	retry_plan_init(&supervisor->retry_plan, settings->for_ever ? 0 : settings->first_tries);
	r = session_host_new(worker, home, session_settings, &host_observer, supervisor,
			     &supervisor->host);
	if (r < 0) {
		free(supervisor);
		return r;
	}
	*ret = supervisor;
	return 0;
}

void supervisor_free(struct supervisor *supervisor)
{
	if (!supervisor)
		return;
	assert(supervisor->view.state == SESSION_STATE_IDLE && !supervisor->fencing);
	sd_event_source_disable_unref(supervisor->retry_timer);
	reinstate_end(supervisor);
	login_job_free(supervisor->login);
	session_host_free(supervisor->host);
	error_clear(&supervisor->view.last_error);
	free(supervisor);
}
