/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One attempt to reach full feature phase: resolve, connect, log in, follow redirects, offer CHAP
 * with MD5 alone where a longer list was refused. It moves the bytes and keeps the clock for
 * iscsi/login. Control thread only.
 */

#include <stddef.h>
#include <stdint.h>

#include "iscsi/login.h"
#include "iscsi/settings.h"

struct login_job;
struct mailbox;
typedef struct sd_event sd_event;

struct login_job_settings {
	char address[256]; /* literal or name, without brackets */
	uint16_t port;
	uint32_t timeout_ms;	   /* for everything together */
	char interface[16];	   /* bind to this network interface; empty: the route decides */
	char hardware_address[32]; /* or to the one that has this; empty: none */
	char source_address[64];   /* and to this address; empty: any */
	struct login_settings login;
	struct chap_challenges *challenges; /* of all logins of this process; NULL: not compared */
};

enum login_job_end {
	LOGIN_JOB_DONE,
	LOGIN_JOB_RESOLVE, /* the name has no address */
	LOGIN_JOB_CONNECT, /* TCP: @error says why */
	LOGIN_JOB_TIMEOUT, /* TCP was not connected in time, or login not finished: see @connected
			    */
	LOGIN_JOB_CLOSED,  /* the target closed the connection during login */
	LOGIN_JOB_REFUSED, /* @login says why */
};

/* Valid during done(). */
struct login_job_result {
	enum login_job_end end;
	int error;     /* -errno, with LOGIN_JOB_CONNECT and _RESOLVE */
	int connected; /* TCP was established */
	struct login_result login;
	char text[320];	   /* one sentence */
	unsigned attempts; /* connections that were tried: redirects, CHAP with MD5 alone */

	/* with LOGIN_JOB_DONE: */
	int fd; /* the receiver's from now on */
	struct negotiated negotiated;
	struct login_outcome outcome;
	const void *early; /* bytes behind the last login response */
	size_t early_bytes;
	char address[256]; /* where we are now; differs after a redirect */
	uint16_t port;
	char local_address[64];
	/* the target has moved there for good (login status 0102h): store it. Empty: it has not.
	 * Differs from @address when it sent the login on from there, for now only */
	char moved_address[256];
	uint16_t moved_port;
};

struct login_job_observer {
	/** TCP is established; the login phase begins. May be NULL */
	void (*connected)(void *userdata);
	/** runs exactly once, unless the job is freed first; the job may be freed inside */
	void (*done)(const struct login_job_result *result, void *userdata);
};

/**
 * login_job_start() - @settings copied; done() never runs inside this call
 * @home: the control thread's mailbox, for name resolution on a thread of its own
 * Return: 0 or -errno
 */
int login_job_start(sd_event *event, struct mailbox *home,
		    const struct login_job_settings *settings,
		    const struct login_job_observer *observer, void *userdata,
		    struct login_job **ret);

/** login_job_free() - also while it runs: the connection is closed. NULL is fine */
void login_job_free(struct login_job *job);
