/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One command at a time over a nexus, judged and sent again a bounded number of times: what probe
 * and LUN scan have in common. Embedded in its owner, which stays alive until the command in flight
 * has come back. Runs on the nexus's thread; knows no clock.
 */

#include <stdbool.h>

#include "scsi/command.h"
#include "scsi/sense.h"

struct nexus;

/* What an answer means to someone who asks questions (SPC-4 §4.5, SAM-5 §5.3). */
enum exchange_answer {
	EXCHANGE_GOOD,	    /* the data counts; also with a recovered error */
	EXCHANGE_ATTENTION, /* unit attention: not executed */
	EXCHANGE_NOT_READY, /* not now: key 2 */
	EXCHANGE_BUSY,	    /* not now: BUSY, TASK SET FULL */
	EXCHANGE_AGAIN,	    /* went wrong, and may go well next time */
	EXCHANGE_REFUSED,   /* the device does not know the command, or a field of it */
	EXCHANGE_RESERVED,  /* reservation conflict */
	EXCHANGE_NO_UNIT,   /* no logical unit is there */
	EXCHANGE_ERROR,	    /* medium or hardware error, data protect … */
	EXCHANGE_LOST,	    /* no answer: see the command's outcome */
	EXCHANGE_ANSWER_COUNT,
};

#define EXCHANGE_ATTENTIONS_MAX 32 /* unit attentions that one exchange takes in its life */
#define EXCHANGE_TRIES_MAX	4  /* times that one command is sent for any other reason */
#define EXCHANGE_TIMEOUT_MS	15000
#define EXCHANGE_TEXT_MAX	192 /* bytes that every exchange_describe() fits into */

struct exchange {
	struct nexus *nexus;
	struct scsi_command command; /* the owner fills cdb, direction, data, data_length */
	struct scsi_sense sense;     /* of the last answer; not valid when it had none */
	/** the last command was answered; runs never inside exchange_send() or _resend() */
	void (*answered)(struct exchange *exchange, enum exchange_answer answer);
	/** after exchange_cancel(), once nothing is in flight: free the owner */
	void (*released)(struct exchange *exchange);

	uint32_t timeout_ms; /* of each command; 0 = EXCHANGE_TIMEOUT_MS */
	bool cancelled;
	unsigned attentions, tries;
};

/** exchange_send() - send the command. Return: 0; -ENOTCONN, and answered() never runs */
int exchange_send(struct exchange *exchange);

/**
 * exchange_resend() - send the same command again if @answer asks for it and the budget allows
 *
 * Return: true, and answered() runs again; false: the answer stands. When the nexus went down in
 * between the answer is still the best there is, and stands too.
 */
bool exchange_resend(struct exchange *exchange, enum exchange_answer answer);

/** exchange_cancel() - a command must be in flight; it is aborted, and released() runs later */
void exchange_cancel(struct exchange *exchange);

/** exchange_judge() - what a command's result means; @sense is filled when it has any */
enum exchange_answer exchange_judge(const struct scsi_result *result, struct scsi_sense *sense);

/** exchange_describe() - "READ CAPACITY(16): not ready: becoming ready (2/04/01)"; gives @buffer */
char *exchange_describe(const struct scsi_command *command, char buffer[EXCHANGE_TEXT_MAX]);
