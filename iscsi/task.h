/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One SCSI task: what of its data was sent and received, and which PDU comes next. Bookkeeping
 * only, sans I/O: the session decides when, the connection moves the bytes (RFC 7143 §4.2.5, §11.3,
 * §11.4, §11.7, §11.8).
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/pdu.h"
#include "scsi/command.h"
#include "util/list.h"

struct negotiated;
struct nexus;

#define TASK_R2T_MAX 8 /* we never negotiate a larger MaxOutstandingR2T */

/* One PDU on its way out: header, data in place, owner. The connection adds digests and padding. */
struct pdu_slot {
	union {
		struct bhs bhs;
		struct bhs_request request;
		struct bhs_scsi_command scsi_command;
		struct bhs_data_out data_out;
		struct bhs_nop_out nop_out;
		struct bhs_task_management_request task_management;
		struct bhs_logout_request logout;
		struct bhs_snack snack;
		struct bhs_text_request text_request;
	};
	/* right behind the header, as on the wire: pdu_ahs_length() bytes of it count */
	uint8_t ahs[EXTENDED_CDB_MAX];
	const void *data;
	uint32_t data_length; /* bytes */
	void *owner;	      /* told when the PDU has left; NULL when nobody cares */
};

static_assert(offsetof(struct pdu_slot, ahs) == BHS_LENGTH, "header segments follow each other");

/* A run of Data-Out PDUs: the unsolicited burst, or the answer to one R2T. */
struct task_burst {
	uint32_t target_transfer_tag; /* RESERVED_TAG: unsolicited */
	uint32_t offset, end;	      /* bytes of the command's data */
	uint32_t data_sn;
};

enum task_state {
	TASK_FREE,
	TASK_QUEUED,   /* has a tag; no byte of it went out */
	TASK_SENT,     /* its command PDU was handed to the connection */
	TASK_HELD,     /* status is known; Data-In before it was lost and is asked for again */
	TASK_ANSWERED, /* status is known; waits for PDUs that point into its data to leave */
};

struct task {
	struct list link;	      /* in the session's free, queued or data list */
	struct list abort_link;	      /* in struct task_management */
	struct scsi_command *command; /* NULL: abandoned, it only holds its tag until it is over */
	uint64_t abandoned_ns;	      /* when */
	be64 lun;
	uint32_t initiator_task_tag;
	uint32_t cmd_sn;
	enum task_state state;
	bool abort_wanted, abort_rejected; /* see struct task_management */
	bool suspended;			   /* its data is not sent on: it is about to be ended */
	enum scsi_outcome abort_outcome;   /* how it ends when the target has ended it */
	uint16_t leaving; /* PDUs that were handed to the connection and have not left */

	struct task_burst bursts[TASK_R2T_MAX + 1]; /* a queue; the unsolicited one is the extra */
	uint8_t burst_first, burst_count;
	bool unsolicited; /* the first burst is the unsolicited one */
	uint32_t r2t_sn;  /* expected next */
	uint32_t sent;	  /* bytes of data handed to the connection so far */

	uint32_t received; /* bytes of Data-In so far */
	uint32_t data_sn;  /* expected next */
};

/** task_start() - take @command on, for the unit of @nexus; the tag is set before */
void task_start(struct task *task, const struct nexus *nexus, struct scsi_command *command);

/** task_command_pdu() - its SCSI Command PDU with immediate data; CmdSN is @cmd_sn from now on */
void task_command_pdu(struct task *task, const struct negotiated *negotiated, uint32_t cmd_sn,
		      struct pdu_slot *slot);

/**
 * task_retry_pdu() - its SCSI Command PDU once more, the same in every field, because the target
 * never took it (§7.2.1); unsolicited data follows anew
 */
void task_retry_pdu(struct task *task, const struct negotiated *negotiated, struct pdu_slot *slot);

/** task_is_running() - it was sent, and has not ended for us */
static inline bool task_is_running(const struct task *task)
{
	return task->state == TASK_SENT || task->state == TASK_HELD;
}

/** task_has_data() - a Data-Out PDU is due */
static inline bool task_has_data(const struct task *task)
{
	return task->burst_count > 0;
}

/** task_data_pdu() - the next Data-Out PDU; only when task_has_data() */
void task_data_pdu(struct task *task, const struct negotiated *negotiated, struct pdu_slot *slot);

/**
 * task_r2t() - the target asks for data (§11.8); a duplicate is dropped (§7.9)
 * Return: 0; -EPROTO with @why set when it asks for what it may not
 */
int task_r2t(struct task *task, const struct negotiated *negotiated, const struct bhs_r2t *r2t,
	     const char **why);

/**
 * task_data_in() - a Data-In header came (§11.7)
 * @data: set to where its data belongs; left as it is for no data and for a duplicate (§7.9)
 * Return: 0; -EPROTO with @why set when it is out of order or out of range
 */
int task_data_in(struct task *task, const struct negotiated *negotiated,
		 const struct bhs_data_in *data_in, void **data, const char **why);

/**
 * task_status_in_data() - the last Data-In PDU is complete and carries status (S bit, §11.7.3)
 * Return: 0 and the command's result is set; -EPROTO with @why set when data is missing, or the
 * status or its flags contradict themselves
 */
int task_status_in_data(struct task *task, const struct bhs_data_in *data_in, const char **why);

/**
 * task_response() - the SCSI Response (§11.4)
 * @data: data segment: SenseLength, sense, response data
 * Return: as task_status_in_data()
 */
int task_response(struct task *task, const struct bhs_scsi_response *response, const uint8_t *data,
		  const char **why);

/** task_sense() - the sense data of a response; @data as above, not NULL */
void task_sense(const struct bhs_scsi_response *response, const uint8_t *data,
		struct scsi_result *result);

/**
 * task_check_data() - is all data of a task there whose status is known? For one in TASK_HELD;
 * otherwise the two above have asked
 * Return: 0; -EPROTO with @why set
 */
int task_check_data(const struct task *task, const char **why);
