/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/async_action.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "iscsi/async_queue.h"
#include "iscsi/pdu.h"
#include "iscsi/reason.h"
#include "scsi/probe.h"
#include "scsi/sense.h"
#include "util/cleanup.h"

struct async_rule {
	uint8_t asc, ascq_first, ascq_last;
	enum async_action action;
};

/*
 * Unit attentions (sense key 6) whose cause a look at the units cannot find, or that concern none
 * of what is kept about them; all others are looked into.
 */
/* clang-format off */
static const struct async_rule rules[] = {
	{0x2a, 0x02, 0x05, ASYNC_ACTION_LOG}, /* log parameters, reservations, registrations */
	{0x2a, 0x06, 0x07, ASYNC_ACTION_ACCESS}, /* asymmetric access state */
	{0x2a, 0x08, 0x08, ASYNC_ACTION_LOG}, /* priority */
	{0x2a, 0x0a, 0x13, ASYNC_ACTION_LOG}, /* error history, timestamp, encryption */
	{0x2a, 0x21, 0x21, ASYNC_ACTION_LOG}, /* data encryption configuration */
	{0x2f, 0x00, 0xff, ASYNC_ACTION_LOG}, /* commands cleared: their own results say so */
	{0x38, 0x07, 0x07, ASYNC_ACTION_LOG}, /* thin provisioning soft threshold */
	{0x3f, 0x0f, 0x11, ASYNC_ACTION_LOG}, /* echo buffer, state of the medium */
	{0x3f, 0x12, 0x14, ASYNC_ACTION_PORTALS}, /* iSCSI addresses added, removed, changed */
	{0x3f, 0x15, 0x15, ASYNC_ACTION_LOG}, /* referrals */
	{0x3f, 0x17, 0x1b, ASYNC_ACTION_LOG}, /* attributes of media, statistics */
	{0x5a, 0x00, 0xff, ASYNC_ACTION_LOG}, /* operator request */
	{0x5e, 0x00, 0xff, ASYNC_ACTION_LOG}, /* power condition */
};
/* clang-format on */

enum async_action async_action_of(const struct async_message *message)
{
	struct scsi_sense sense;

	if (message->left_out)
		return ASYNC_ACTION_SCAN;
	if (message->event != ASYNC_SCSI_EVENT)
		return ASYNC_ACTION_LOG;
	if (!sense_parse(message->sense, message->sense_length, &sense))
		return ASYNC_ACTION_SCAN;
	if (sense.key != SENSE_UNIT_ATTENTION)
		return ASYNC_ACTION_LOG;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (sense.asc == rules[i].asc && sense.ascq >= rules[i].ascq_first &&
		    sense.ascq <= rules[i].ascq_last)
			return rules[i].action;
	return ASYNC_ACTION_SCAN;
}

static void describe_unit_event(const struct async_message *message, char *text, size_t size_bytes)
{
	char description[SENSE_DESCRIPTION_MAX];
	struct scsi_sense sense;

	snprintf(text, size_bytes, "unit %" PRIu64 ": %s", lun_number(message->lun),
		 sense_parse(message->sense, message->sense_length, &sense)
			 ? sense_describe(&sense, description)
			 : "an event without sense data");
}

void async_action_describe(const struct async_message *message, char *text, size_t size_bytes)
{
	int length = 0;

	if (message->left_out)
		length = snprintf(text, size_bytes, "%u more than it may at once, and ",
				  message->left_out);
	if (length < 0 || (size_t)length >= size_bytes)
		return;
	text += length;
	size_bytes -= (size_t)length;
	if (message->event == ASYNC_SCSI_EVENT)
		describe_unit_event(message, text, size_bytes);
	else
		snprintf(text, size_bytes, "asynchronous event %u: %s", message->event,
			 reason_of_async(message->event)->meaning);
}
