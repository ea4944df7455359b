/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One SCSI command on its way to a logical unit, and how it ended (SAM-5 §5.1, Execute Command).
 * The memory is its submitter's and stays alive until done() has run; done() runs exactly once,
 * never inside the call that submitted.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"

enum scsi_direction {
	SCSI_NO_DATA,
	SCSI_DATA_IN,  /* from the device */
	SCSI_DATA_OUT, /* to the device */
};

/*
 * What the transport knows about the command's fate. Only SCSI_COMPLETED has a status. The others
 * differ in doubt: whether the device may have executed the command, or may still execute it.
 */
enum scsi_outcome {
	SCSI_COMPLETED,	     /* the device answered: @status, @sense, @residual_bytes */
	SCSI_NOT_SENT,	     /* no byte reached the transport: can be sent elsewhere freely */
	SCSI_IN_DOUBT,	     /* some or all of it reached the transport, and no answer came */
	SCSI_ABORTED,	     /* the device confirmed that it is over: it will not execute later */
	SCSI_TARGET_FAILURE, /* iSCSI Response other than 00h (RFC 7143 §11.4.3); status is void */
};

/* SAM-5 §5.3.1 */
enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_ACA_ACTIVE = 0x30,
	SCSI_TASK_ABORTED = 0x40,
};

#define SCSI_CDB_REST_MAX 244 /* SPC-4 §4.2.3: a CDB has up to 260 bytes */

#define SCSI_SENSE_MAX 96 /* bytes that we keep of it; SPC-4 allows 252, targets send 18 to 32 */

struct scsi_result {
	enum scsi_outcome outcome;
	uint8_t status;		  /* enum scsi_status; valid when SCSI_COMPLETED */
	uint8_t sense_length;	  /* bytes in @sense; 0 when there is none */
	bool underflow, overflow; /* residual flags U and O (RFC 7143 §11.4.5) */
	uint32_t residual_bytes;  /* with @underflow or @overflow */
	/* SAM-5 §5.3.2, 0 = not told; with BUSY and TASK SET FULL how long to hold commands back */
	uint16_t status_qualifier;
	uint8_t sense[SCSI_SENSE_MAX];
};

struct scsi_command {
	/* set by the submitter */
	uint8_t cdb[16];
	/* bytes 16 and up of a longer one, padded with nothing; alive until done(); NULL: there are
	 * none */
	const uint8_t *cdb_rest;
	uint8_t cdb_rest_length; /* bytes, up to SCSI_CDB_REST_MAX */
	uint8_t priority;	 /* SAM-5 §8.7: 1 (first) to 15, 0 = none; where it can be told */
	enum scsi_direction direction;
	void *data;	      /* contiguous; written (DATA_IN) or read (DATA_OUT) until done() */
	uint32_t data_length; /* bytes; the Expected Data Transfer Length */
	uint32_t timeout_ms;  /* 0 = the transport's own limits only */
	void (*done)(struct scsi_command *command);

	/* set before done() */
	struct scsi_result result;

	/* the transport's while it has the command */
	struct list link;
	void *task;
	uint64_t submitted_ns;
};

/** scsi_command_good() - it completed with GOOD or CONDITION MET */
static inline bool scsi_command_good(const struct scsi_command *command)
{
	return command->result.outcome == SCSI_COMPLETED &&
	       (command->result.status == SCSI_GOOD ||
		command->result.status == SCSI_CONDITION_MET);
}

/** scsi_command_received() - bytes of data that are valid after a GOOD data-in command */
static inline uint32_t scsi_command_received(const struct scsi_command *command)
{
	const struct scsi_result *result = &command->result;

	if (!result->underflow)
		return command->data_length;
	return result->residual_bytes >= command->data_length
		       ? 0
		       : command->data_length - result->residual_bytes;
}
