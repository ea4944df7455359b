/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The login exchange of one connection, sans I/O (RFC 7143 §6.3, §11.12, §11.13). The caller moves
 * bytes: it sends what login_output() gives, hands what it received to login_input(), and stops
 * when the state is LOGIN_DONE or LOGIN_FAILED. It also owns the clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"

struct chap_challenges;
struct login;

enum login_state {
	LOGIN_SENDING,	 /* login_output() has bytes */
	LOGIN_RECEIVING, /* waits for the target */
	LOGIN_DONE,	 /* full feature phase; login_negotiated(), login_get_outcome() are valid */
	LOGIN_FAILED,	 /* see login_get_result() */
	LOGIN_REDIRECTED, /* class 01: login_redirect() says where to */
};

/* How it ended. Policy reads @status_class and @status_detail (RFC 7143 §11.13.5). */
enum login_failure {
	LOGIN_FAILURE_NONE,
	LOGIN_FAILURE_STATUS,	      /* the target's Status-Class was not 0 */
	LOGIN_FAILURE_PROTOCOL,	      /* the target broke a rule; @text says which */
	LOGIN_FAILURE_AUTHENTICATION, /* the target could not prove itself, or refused to prove */
	LOGIN_FAILURE_NEGOTIATION,    /* an answer that no offer allows */
	LOGIN_FAILURE_PORTAL_GROUP,   /* not the portal group that was meant (§6.3.1) */
};

struct login_result {
	enum login_failure failure;
	uint8_t status_class, status_detail;
	/* refused (0201h) upon a list of CHAP algorithms that has more than MD5, before one was
	 * chosen: there are targets that only know a list of MD5 alone */
	bool try_md5_alone;
	char text[160]; /* one sentence for the log */
};

/** login_new() - @settings are copied; secrets are wiped by login_free(). Return: 0 or -ENOMEM */
int login_new(const struct login_settings *settings, struct login **ret);
void login_free(struct login *login);

/** login_share_challenges() - before the first byte: no CHAP challenge of ours that is outstanding
 * in @challenges is answered as the target's. @challenges outlives @login */
void login_share_challenges(struct login *login, struct chap_challenges *challenges);

enum login_state login_get_state(const struct login *login);

/** login_output() - bytes to send; the same until login_sent() took them */
const void *login_output(const struct login *login, size_t *length_bytes);
/** login_sent() - @length_bytes of it were sent */
void login_sent(struct login *login, size_t length_bytes);

/**
 * login_input() - bytes that came
 *
 * Return: how many were used. Less than @length_bytes only in LOGIN_DONE and LOGIN_FAILED: the rest
 * belongs to full feature phase (and starts with its first PDU).
 */
size_t login_input(struct login *login, const void *data, size_t length_bytes);

const struct login_result *login_get_result(const struct login *login);
const struct negotiated *login_negotiated(const struct login *login);
const struct login_outcome *login_get_outcome(const struct login *login);
/** login_redirect() - TargetAddress as the target gave it: host, [v6], optional :port and ,tag */
const char *login_redirect(const struct login *login);
/** login_redirect_permanent() - class 01 detail 02: store the new address */
int login_redirect_permanent(const struct login *login);
