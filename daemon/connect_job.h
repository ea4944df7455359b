/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One TCP connection: resolve, bind, connect. Names may block, and are looked up on a thread of
 * their own; of several addresses the first that answers is taken. How long it may take is the
 * caller's to say. Control thread only.
 */

#include <stdint.h>

struct connect_job;
struct mailbox;
typedef struct sd_event sd_event;

/* Texts are copied. */
struct connect_settings {
	const char *address; /* literal or name, without brackets; link-local with "%interface" */
	uint16_t port;
	const char *interface;	      /* bind to this network interface; "": the route decides */
	const char *hardware_address; /* or to the one that has this; NULL, "": none */
	const char *source_address;   /* and to this address; "": any */
};

enum connect_end {
	CONNECT_DONE,
	CONNECT_UNKNOWN, /* the name has no address */
	CONNECT_FAILED,	 /* TCP: @error says why */
};

/* Valid during done(). */
struct connect_result {
	enum connect_end end;
	int fd;		  /* with CONNECT_DONE: non-blocking, TCP_NODELAY; the receiver's */
	int error;	  /* -errno otherwise */
	const char *text; /* and in words */
};

/**
 * connect_job_start() - done() runs exactly once, never inside this call, and not at all when the
 * job is freed first; the job may be freed inside
 * @home: the control thread's mailbox
 * Return: 0 or -errno
 */
int connect_job_start(sd_event *event, struct mailbox *home,
		      const struct connect_settings *settings,
		      void (*done)(const struct connect_result *result, void *userdata),
		      void *userdata, struct connect_job **ret);

/** connect_job_free() - also while it runs. NULL is fine */
void connect_job_free(struct connect_job *job);
