/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The control thread's hold on a session that lives on a worker. Calls are made on the control
 * thread and carried over; answers and events come back there.
 */

#include <stddef.h>
#include <stdint.h>

#include "iscsi/async_queue.h"
#include "iscsi/session.h"

struct mailbox;
struct session_host;
struct worker;

/* Calls come on the control thread. */
struct session_host_observer {
	/** see struct session_observer; @text is valid during the call */
	void (*lost)(enum session_loss loss, int error, const char *text, unsigned wait_s,
		     void *userdata);
	void (*async_event)(const struct async_message *message, void *userdata);
	void (*damaged)(void *userdata);
};

/**
 * session_host_new() - make the session on @worker
 * @home: the control thread's mailbox
 * @observer: alive until session_host_free()
 */
int session_host_new(struct worker *worker, struct mailbox *home,
		     const struct session_settings *settings,
		     const struct session_host_observer *observer, void *userdata,
		     struct session_host **ret);

/** session_host_free() - the session is not attached; no call reaches the observer any more */
void session_host_free(struct session_host *host);

/**
 * session_host_attach() - hand a logged-in connection over to the worker
 * @fd: the host's from now on
 * @early: copied
 * @done: on the control thread, with 0 or the -errno of session_attach()
 */
int session_host_attach(struct session_host *host, int fd, const struct negotiated *negotiated,
			const struct login_outcome *outcome, const void *early, size_t early_bytes,
			void (*done)(int error, void *userdata));

/** session_host_logout() - lost() follows */
int session_host_logout(struct session_host *host);
/** session_host_drop() - lost() follows; @why: static text */
int session_host_drop(struct session_host *host, const char *why);

/** session_host_session() - to be used on the worker's thread only */
struct session *session_host_session(const struct session_host *host);
struct worker *session_host_worker(const struct session_host *host);
/** session_host_home() - the control thread's mailbox */
struct mailbox *session_host_home(const struct session_host *host);
