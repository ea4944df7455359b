/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/exchange.h"

#include <assert.h>
#include <stdio.h>

#include "scsi/cdb.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/text.h"

/* clang-format off */
static const uint8_t key_answers[16] = {
	[SENSE_NO_SENSE]        = EXCHANGE_GOOD,
	[SENSE_RECOVERED_ERROR] = EXCHANGE_GOOD,
	[SENSE_NOT_READY]       = EXCHANGE_NOT_READY,
	[SENSE_MEDIUM_ERROR]    = EXCHANGE_ERROR,
	[SENSE_HARDWARE_ERROR]  = EXCHANGE_ERROR,
	[SENSE_ILLEGAL_REQUEST] = EXCHANGE_REFUSED,
	[SENSE_UNIT_ATTENTION]  = EXCHANGE_ATTENTION,
	[SENSE_DATA_PROTECT]    = EXCHANGE_ERROR,
	[SENSE_BLANK_CHECK]     = EXCHANGE_ERROR,
	[SENSE_VENDOR_SPECIFIC] = EXCHANGE_ERROR,
	[SENSE_COPY_ABORTED]    = EXCHANGE_ERROR,
	[SENSE_ABORTED_COMMAND] = EXCHANGE_AGAIN,
	[0xc]                   = EXCHANGE_ERROR,
	[SENSE_VOLUME_OVERFLOW] = EXCHANGE_ERROR,
	[SENSE_MISCOMPARE]      = EXCHANGE_ERROR,
	[SENSE_COMPLETED]       = EXCHANGE_GOOD,
};

static const struct {
	uint8_t status;
	uint8_t answer;
	const char *text;
} statuses[] = {
	{SCSI_GOOD,                 EXCHANGE_GOOD,     "good"},
	{SCSI_CONDITION_MET,        EXCHANGE_GOOD,     "condition met"},
	{SCSI_BUSY,                 EXCHANGE_BUSY,     "busy"},
	{SCSI_TASK_SET_FULL,        EXCHANGE_BUSY,     "task set full"},
	{SCSI_RESERVATION_CONFLICT, EXCHANGE_RESERVED, "reservation conflict"},
	{SCSI_ACA_ACTIVE,           EXCHANGE_AGAIN,    "auto contingent allegiance active"},
	{SCSI_TASK_ABORTED,         EXCHANGE_AGAIN,    "task aborted by another initiator"},
};

static const struct text_name outcomes[] = {
	{SCSI_NOT_SENT,       "connection lost before it was sent"},
	{SCSI_IN_DOUBT,       "connection lost before it was answered"},
	{SCSI_ABORTED,        "aborted, no answer in time"},
	{SCSI_TARGET_FAILURE, "target failure"},
};
/* clang-format on */

#define NO_UNIT_ASC 0x25 /* LOGICAL UNIT NOT SUPPORTED */

static enum exchange_answer judge_sense(const struct scsi_sense *sense)
{
	if (!sense->valid || sense->deferred)
		return EXCHANGE_AGAIN; /* a deferred error tells of another command */
	if (sense->asc == NO_UNIT_ASC && sense->ascq == 0 &&
	    (sense->key == SENSE_ILLEGAL_REQUEST || sense->key == SENSE_ABORTED_COMMAND))
		return EXCHANGE_NO_UNIT;
	return key_answers[sense->key & 0xf];
}

enum exchange_answer exchange_judge(const struct scsi_result *result, struct scsi_sense *sense)
{
	*sense = sense_of(result);
	if (result->outcome == SCSI_TARGET_FAILURE)
		return EXCHANGE_AGAIN;
	if (result->outcome != SCSI_COMPLETED)
		return EXCHANGE_LOST;
	if (result->status == SCSI_CHECK_CONDITION)
		return judge_sense(sense);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].status == result->status)
			return statuses[i].answer;
	}
	return EXCHANGE_ERROR;
}

char *exchange_describe(const struct scsi_command *command, char buffer[EXCHANGE_TEXT_MAX])
{
	const struct scsi_result *result = &command->result;
	struct scsi_sense sense = sense_of(result);
	char description[SENSE_DESCRIPTION_MAX];
	const char *text = "reserved status code";

	if (result->outcome != SCSI_COMPLETED)
		text = text_name_of(outcomes, ARRAY_SIZE(outcomes), (int)result->outcome, "lost");
	else if (result->status == SCSI_CHECK_CONDITION)
		text = sense_describe(&sense, description);
	for (size_t i = 0; result->outcome == SCSI_COMPLETED && i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].status == result->status)
			text = statuses[i].text;
	}
	snprintf(buffer, EXCHANGE_TEXT_MAX, "%s: %s", cdb_name(command), text);
	return buffer;
}

static void command_done(struct scsi_command *command)
{
	struct exchange *exchange = container_of(command, struct exchange, command);
	enum exchange_answer answer;

	if (exchange->cancelled) {
		exchange->released(exchange);
		return;
	}
	answer = exchange_judge(&command->result, &exchange->sense);
	if (answer == EXCHANGE_ATTENTION)
		nexus_attention(exchange->nexus, &command->result);
	exchange->answered(exchange, answer);
}

int exchange_send(struct exchange *exchange)
{
	exchange->tries = 1;
	exchange->command.timeout_ms =
		exchange->timeout_ms ? exchange->timeout_ms : EXCHANGE_TIMEOUT_MS;
	exchange->command.done = command_done;
	return nexus_execute(exchange->nexus, &exchange->command);
}

bool exchange_resend(struct exchange *exchange, enum exchange_answer answer)
{
	switch (answer) {
	case EXCHANGE_ATTENTION:
		if (exchange->attentions >= EXCHANGE_ATTENTIONS_MAX)
			return false;
		exchange->attentions++;
		break;
	case EXCHANGE_NOT_READY:
	case EXCHANGE_BUSY:
	case EXCHANGE_AGAIN:
		if (exchange->tries >= EXCHANGE_TRIES_MAX)
			return false;
		exchange->tries++;
		break;
	default:
		return false;
	}
	return nexus_execute(exchange->nexus, &exchange->command) == 0;
}

void exchange_cancel(struct exchange *exchange)
{
	assert(!exchange->cancelled);
	exchange->cancelled = true;
	nexus_abort(exchange->nexus, &exchange->command);
}
