/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Keeps one wanted session logged in: connects, logs in, hands the socket over, and starts again
 * when it is lost, with growing pauses, for ever. A state table says what may follow what. When a
 * session is lost while another portal of its portal group is reachable, it logs in there with the
 * same ISID: session reinstatement ends what the lost session still had at the target (RFC 7143
 * §6.3.5), so that its writes in doubt need not wait for the dead portal. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/login_job.h"
#include "daemon/retry_plan.h"
#include "daemon/views.h"

struct async_message;
struct mailbox;
struct session_host;
struct session_settings;
struct supervisor;
struct worker;

/* Events of the state table. */
enum supervisor_event {
	SUPERVISOR_START,
	SUPERVISOR_CONNECTED,
	SUPERVISOR_LOGGED_IN,
	SUPERVISOR_FAILED, /* the attempt did */
	SUPERVISOR_LOST,   /* the session did */
	SUPERVISOR_RETRY,
	SUPERVISOR_STOP,
	SUPERVISOR_EVENT_COUNT,
};

struct supervisor_ops {
	/** how to log in now; ISID included */
	void (*settings)(struct supervisor *supervisor, struct login_job_settings *ret);
	/** another portal of the same group that is logged in. Return: false when there is none */
	bool (*fence_portal)(struct supervisor *supervisor, char address[256], uint16_t *port);
	/** the view changed; @from: state before */
	void (*changed)(struct supervisor *supervisor, enum session_state from);
	/** full feature phase: its units can be looked at */
	void (*logged_in)(struct supervisor *supervisor);
	/** the connection is gone; @logged_out: by a logout that was answered */
	void (*lost)(struct supervisor *supervisor, const char *reason, bool logged_out);
	/**
	 * another session took the lost one's place at the target: end what it left over that one,
	 * which is not logged in to again. @login: its fd is the callee's; supervisor_fence_ended()
	 * follows, not inside this call
	 */
	void (*reinstated)(struct supervisor *supervisor, const struct login_job_result *login);
	/** an attempt failed and no more will be made: view.last_error */
	void (*gave_up)(struct supervisor *supervisor);
	/** a stop is complete: nothing is under way any more */
	void (*stopped)(struct supervisor *supervisor);
	/** see struct session_observer */
	void (*async_event)(struct supervisor *supervisor, const struct async_message *message);
	void (*damaged)(struct supervisor *supervisor);
	/** it moved for good: store the portal (login status 0102h) */
	void (*moved)(struct supervisor *supervisor, const char *address, uint16_t port);
};

struct supervisor_settings {
	uint32_t reconnect_min_ms, reconnect_max_ms;
	uint32_t first_tries; /* attempts before the very first login is given up */
	bool for_ever;	      /* never give up, not even the first login */
};

struct supervisor {
	struct session_view view;
	struct supervisor_settings settings;
	const struct supervisor_ops *ops;
	void *userdata;

	sd_event *event;
	struct mailbox *home;
	struct session_host *host;
	struct login_job *login;
	struct login_job *fence; /* the login that takes the lost session's place */
	struct sd_event_source *retry_timer, *fence_timer;
	struct retry_plan retry_plan;
	uint32_t pause_ms;	    /* before the next attempt */
	bool handing_over;	    /* the worker has the socket and has not answered yet */
	bool stop_pending;	    /* stop as soon as it has */
	bool fence_needed, fencing; /* fencing: by ops->reinstated() */
	unsigned wait_s;	    /* the target wants no login before */
};

/**
 * supervisor_new() - IDLE; the view's identity (sid, target, portal, isid …) is for the caller to
 * set
 * @worker: where the session will live
 */
int supervisor_new(sd_event *event, struct mailbox *home, struct worker *worker,
		   const struct session_settings *session_settings,
		   const struct supervisor_settings *settings, const struct supervisor_ops *ops,
		   void *userdata, struct supervisor **ret);
/** supervisor_free() - only in IDLE; NULL is fine */
void supervisor_free(struct supervisor *supervisor);

/** supervisor_start() - want the session from now on */
void supervisor_start(struct supervisor *supervisor);
/**
 * supervisor_resume() - in place of supervisor_start(): a process before this one had the session
 *
 * It is never given up, and what that process left at the target is fenced as after a loss.
 */
void supervisor_resume(struct supervisor *supervisor);
/** supervisor_stop() - log out and want it no longer; stopped() follows, maybe inside the call */
void supervisor_stop(struct supervisor *supervisor);
/** supervisor_hurry() - something changed: try now instead of when the pause is over; not before
 * the time that the target asked for has passed */
void supervisor_hurry(struct supervisor *supervisor);

/** supervisor_fence_ended() - what ops->reinstated() began; not @fenced: it is tried again */
void supervisor_fence_ended(struct supervisor *supervisor, bool fenced);

/** supervisor_next_state() - the table. Return: the state that follows; -EPROTO for no such step */
int supervisor_next_state(enum session_state state, enum supervisor_event event);

/** supervisor_retry() - when another attempt makes sense after one that ended so */
enum login_retry supervisor_retry(const struct login_job_result *result);

/** supervisor_error_code() - what an attempt that ended so is called */
enum error_code supervisor_error_code(const struct login_job_result *result);
