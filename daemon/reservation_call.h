/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One PERSISTENT RESERVE command through one session, with its answer. It runs on the session's
 * worker; asked for and answered on the control thread.
 */

#include <stdint.h>

#include "daemon/job.h"
#include "scsi/exchange.h"
#include "scsi/reservation.h"

struct session_host;

#define RESERVATION_ANSWER_MAX 16384 /* bytes; some hundred registrants */

/* Embed it; the worker's from reservation_call_send() until done(). */
struct reservation_call {
	struct job job;
	struct exchange exchange;
	struct session_host *host;
	uint64_t lun;

	/* set by the submitter */
	bool is_in;
	enum reservation_in in;		/* with is_in */
	struct reservation_order order; /* without */
	void (*done)(struct reservation_call *call);

	/* set before done() */
	/*
	 * 0; -EBADE: reservation conflict; -ENOTCONN: no answer came, so it may have been done;
	 * -EOPNOTSUPP: the unit does not know the command; -EINVAL: nor these parameters;
	 * -ENOSPC: it has no room for another registration; -EBUSY: not now; -EIO: another reason
	 */
	int error;
	char text[EXCHANGE_TEXT_MAX]; /* what the unit said, when it failed */
	uint32_t length;	      /* bytes of @answer */
	uint8_t list[RESERVATION_LIST_BYTES];
	uint8_t answer[RESERVATION_ANSWER_MAX];
};

/**
 * reservation_call_send() - done() runs exactly once, on the control thread, not inside this call
 * @host: its session; stays until done() or until it has ended
 */
void reservation_call_send(struct reservation_call *call, struct session_host *host, uint64_t lun);

/** reservation_call_fail() - fill in an outcome without having sent anything */
void reservation_call_fail(struct reservation_call *call, int error, const char *text);
