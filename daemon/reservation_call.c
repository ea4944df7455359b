/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/reservation_call.h"

#include <errno.h>

#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "util/cleanup.h"
#include "util/text.h"

#define INVALID_OPCODE_ASC	    0x20
#define INSUFFICIENT_RESOURCES_ASC  0x55
#define INSUFFICIENT_RESOURCES_ASCQ 0x04

void reservation_call_fail(struct reservation_call *call, int error, const char *text)
{
	call->error = error;
	call->length = 0;
	text_copy(call->text, sizeof(call->text), text);
}

static int error_of_refusal(const struct scsi_sense *sense)
{
	if (sense->asc == INVALID_OPCODE_ASC)
		return -EOPNOTSUPP;
	if (sense->asc == INSUFFICIENT_RESOURCES_ASC && sense->ascq == INSUFFICIENT_RESOURCES_ASCQ)
		return -ENOSPC;
	return -EINVAL;
}

static int error_of(const struct exchange *exchange, enum exchange_answer answer)
{
	static const int errors[EXCHANGE_ANSWER_COUNT] = {
		[EXCHANGE_ATTENTION] = -EBUSY, [EXCHANGE_NOT_READY] = -EBUSY,
		[EXCHANGE_BUSY] = -EBUSY,      [EXCHANGE_AGAIN] = -EIO,
		[EXCHANGE_RESERVED] = -EBADE,  [EXCHANGE_NO_UNIT] = -ENODEV,
		[EXCHANGE_ERROR] = -EIO,       [EXCHANGE_LOST] = -ENOTCONN,
	};

	return answer == EXCHANGE_REFUSED ? error_of_refusal(&exchange->sense) : errors[answer];
}

/*
 * Sent again only when the unit said that it was not executed: CLEAR and PREEMPT mean something
 * else the second time.
 */
static bool may_repeat(enum exchange_answer answer)
{
	return answer == EXCHANGE_ATTENTION || answer == EXCHANGE_NOT_READY ||
	       answer == EXCHANGE_BUSY;
}

static void answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct reservation_call *call = container_of(exchange, struct reservation_call, exchange);

	if (may_repeat(answer) && exchange_resend(exchange, answer))
		return;
	call->error = error_of(exchange, answer);
	if (call->error < 0)
		exchange_describe(&exchange->command, call->text);
	else if (call->is_in)
		call->length = scsi_command_received(&exchange->command);
	job_done(&call->job);
}

static void work(struct job *job)
{
	struct reservation_call *call = container_of(job, struct reservation_call, job);
	struct exchange *exchange = &call->exchange;
	int r;

	*exchange = (struct exchange){.answered = answered};
	if (call->is_in) {
		reservation_in_fill(&exchange->command, call->in, sizeof(call->answer));
		exchange->command.data = call->answer;
	} else {
		reservation_out_fill(&exchange->command, &call->order, call->list);
	}
	r = session_unit(session_host_session(call->host), call->lun, &exchange->nexus);
	if (r == 0)
		r = exchange_send(exchange);
	if (r == 0)
		return;
	reservation_call_fail(call, r == -ENOMEM ? r : -ENOTCONN, "the session is not connected");
	job_done(job);
}

static void finished(struct job *job)
{
	struct reservation_call *call = container_of(job, struct reservation_call, job);

	call->done(call);
}

void reservation_call_send(struct reservation_call *call, struct session_host *host, uint64_t lun)
{
	call->host = host;
	call->lun = lun;
	call->error = 0;
	call->text[0] = '\0';
	call->length = 0;
	call->job.work = work;
	call->job.finished = finished;
	job_send(&call->job, worker_mailbox(session_host_worker(host)), session_host_home(host));
}
