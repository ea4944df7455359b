/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The other side of full feature phase: a target that checks every PDU of the initiator against RFC
 * 7143 and fails the test at the first that breaks a rule. Either it serves a RAM disk, or the test
 * takes PDU after PDU and answers by hand.
 *
 * Its CDBs are READ(16) and WRITE(16) with bytes in place of blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/pdu.h"

#define TARGET_TASKS_MAX 256
#define TARGET_PDUS_MAX	 512
#define TARGET_R2TS_MAX	 16

struct fake_wire;
struct negotiated;

struct target_r2t {
	uint32_t tag, offset, length;
};

struct target_task {
	bool live;
	struct bhs_scsi_command command;
	uint32_t disk_offset, length; /* bytes */
	uint32_t unsolicited_end;     /* of the burst that is coming; 0 = none */
	uint32_t received, asked;     /* bytes, both from the start */
	uint32_t data_sn, r2t_sn;
	uint32_t burst_received; /* of the oldest R2T */
	struct target_r2t r2ts[TARGET_R2TS_MAX];
	unsigned r2t_count;
};

struct target_pdu {
	struct bhs bhs;
	uint8_t *data;
	uint32_t length;
};

struct target {
	struct fake_wire *wire;
	const struct negotiated *negotiated; /* as the initiator sees it */
	uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
	uint32_t window; /* the CmdSN window moves with the commands; 0 = by hand */
	uint32_t heard_stat_sn;
	unsigned counts[64];	     /* PDUs by opcode */
	unsigned damage;	     /* so many data digests to come are wrong */
	uint8_t ahs[AHS_LENGTH_MAX]; /* of the last one that had any */

	/* serving */
	bool serves;
	uint8_t *disk;
	uint32_t disk_bytes;
	uint32_t data_in_bytes; /* per PDU; 0 = as many as may be */
	uint32_t r2t_bytes;	/* per R2T; 0 = as many as may be */
	bool status_in_data, holds_status;
	uint32_t next_tag; /* any but RESERVED_TAG */
	struct target_task tasks[TARGET_TASKS_MAX];

	/* by hand */
	struct target_pdu pdus[TARGET_PDUS_MAX];
	size_t pdu_count, pdu_next;
};

void target_init(struct target *target, struct fake_wire *wire, const struct negotiated *negotiated,
		 uint32_t disk_bytes);
void target_deinit(struct target *target);

/** target_take() - the next PDU of the initiator, which must have opcode @opcode */
const void *target_take(struct target *target, enum pdu_opcode opcode);
/** target_idle() - everything that came was taken */
bool target_idle(const struct target *target);

/** target_stamp() - StatSN, ExpCmdSN and MaxCmdSN as they are due */
void target_stamp(struct target *target, void *bhs);
/** target_emit() - as it is, with what the digests should be */
void target_emit(struct target *target, const void *bhs, const void *data, uint32_t length);
/** target_send() - stamped, its length set, and emitted */
void target_send(struct target *target, void *bhs, const void *data, uint32_t length);

void target_respond(struct target *target, be32 tag, uint8_t status);
/** target_data_in() - @flags: with DATA_IN_STATUS the status is GOOD */
void target_data_in(struct target *target, be32 tag, uint32_t data_sn, uint32_t offset,
		    const void *data, uint32_t length, uint8_t flags);
void target_r2t(struct target *target, const struct bhs_scsi_command *command, uint32_t tag,
		uint32_t r2t_sn, uint32_t offset, uint32_t length);
void target_nop_in(struct target *target, uint32_t initiator_tag, uint32_t target_tag,
		   uint64_t lun);
void target_async(struct target *target, uint8_t event, uint16_t parameter2, uint16_t parameter3);
void target_reject(struct target *target, uint8_t reason, const void *rejected);
void target_management_respond(struct target *target, be32 tag, uint8_t response);
void target_logout_respond(struct target *target, be32 tag, uint8_t response);
