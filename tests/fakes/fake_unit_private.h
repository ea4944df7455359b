/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What the files of fake_unit share: a command on its way, and what each family can do with it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/command.h"
#include "tests/fakes/fake_unit.h"
#include "util/bytes.h"

#define FAKE_ANSWER_MAX 4096 /* bytes of the longest parameter data, REPORT LUNS left out */

/* Opcodes that only the fake unit knows; the rest are in scsi/cdb.h (SPC-4, SBC-3). */
enum fake_opcode {
	FAKE_READ_6 = 0x08,
	FAKE_WRITE_6 = 0x0a,
	FAKE_MODE_SELECT_6 = 0x15,
	FAKE_RESERVE_6 = 0x16,
	FAKE_RELEASE_6 = 0x17,
	FAKE_START_STOP_UNIT = 0x1b,
	FAKE_WRITE_AND_VERIFY_10 = 0x2e,
	FAKE_VERIFY_10 = 0x2f,
	FAKE_PRE_FETCH_10 = 0x34,
	FAKE_WRITE_SAME_10 = 0x41,
	FAKE_MODE_SELECT_10 = 0x55,
	FAKE_PERSISTENT_RESERVE_IN = 0x5e,
	FAKE_PERSISTENT_RESERVE_OUT = 0x5f,
	FAKE_COMPARE_AND_WRITE = 0x89,
	FAKE_ORWRITE = 0x8b,
	FAKE_WRITE_AND_VERIFY_16 = 0x8e,
	FAKE_VERIFY_16 = 0x8f,
	FAKE_PRE_FETCH_16 = 0x90,
	FAKE_READ_12 = 0xa8,
	FAKE_WRITE_12 = 0xaa,
	FAKE_WRITE_AND_VERIFY_12 = 0xae,
	FAKE_VERIFY_12 = 0xaf,
};

/* Additional sense codes; the qualifier in the low byte. */
enum fake_asc {
	FAKE_PARAMETER_LIST_LENGTH = 0x1a00,
	FAKE_MISCOMPARE = 0x1d00,
	FAKE_INVALID_OPCODE = 0x2000,
	FAKE_LBA_OUT_OF_RANGE = 0x2100,
	FAKE_INVALID_IN_CDB = 0x2400,
	FAKE_INVALID_IN_PARAMETERS = 0x2600,
	FAKE_INVALID_RELEASE = 0x2604,
	FAKE_WRITE_PROTECTED = 0x2700,
	FAKE_SOFTWARE_WRITE_PROTECTED = 0x2702,
	FAKE_RESET_OCCURRED = 0x2903,
	FAKE_MODE_PARAMETERS_CHANGED = 0x2a01,
	FAKE_RESERVATIONS_PREEMPTED = 0x2a03,
	FAKE_RESERVATIONS_RELEASED = 0x2a04,
	FAKE_REGISTRATIONS_PREEMPTED = 0x2a05,
	FAKE_ACCESS_CHANGED = 0x2a06,
	FAKE_SET_PORT_GROUPS_FAILED = 0x670a,
	FAKE_INSUFFICIENT_RESOURCES = 0x5504,
	FAKE_NOT_READY_START_IT = 0x0402,
	FAKE_SAVING_NOT_SUPPORTED = 0x3900,
};

/* One command on its way through the unit. */
struct fake_request {
	struct fake_unit *unit;
	struct scsi_command *command;
	const struct fake_origin *origin;
	uint64_t lba;	 /* of a block command */
	uint64_t blocks; /* the same */
};

typedef void fake_execute(struct fake_request *request);

/* fake_unit.c */

/** fake_fail() - CHECK CONDITION with this sense key and code */
void fake_fail(struct fake_request *request, uint8_t key, enum fake_asc asc);
/** fake_fail_at() - the same, with @information (which bytes, how many; SPC-4 §4.5) */
void fake_fail_at(struct fake_request *request, uint8_t key, enum fake_asc asc,
		  uint32_t information);
/** fake_refuse() - ILLEGAL REQUEST */
void fake_refuse(struct fake_request *request, enum fake_asc asc);
/** fake_good() - GOOD without data */
void fake_good(struct fake_request *request);
/** fake_give() - parameter data, cut to @allocation_length of the CDB */
void fake_give(struct fake_request *request, const struct writer *data, size_t allocation_length);

/* fake_unit_inquiry.c, fake_unit_mode.c, fake_unit_blocks.c, fake_unit_reservations.c,
 * fake_unit_access.c */

fake_execute fake_inquiry;
fake_execute fake_mode_sense, fake_mode_select, fake_start_stop;
fake_execute fake_read, fake_write, fake_write_verify, fake_verify, fake_pre_fetch, fake_orwrite,
	fake_compare_and_write, fake_write_same, fake_unmap, fake_synchronize_cache,
	fake_read_capacity_10, fake_read_capacity_16, fake_lba_status;
fake_execute fake_reserve_6, fake_release_6, fake_read_keys, fake_read_reservation,
	fake_report_capabilities, fake_read_full_status, fake_register, fake_reserve, fake_release,
	fake_clear, fake_preempt;

fake_execute fake_report_port_groups, fake_set_port_groups;
/** fake_access_refuses() - its port group does not do this now; then @request has its answer */
bool fake_access_refuses(struct fake_request *request);

/** fake_registrant_of() - who sent this; -1: nobody that it has to remember. @add: remember it */
int fake_registrant_of(struct fake_unit *unit, const struct fake_origin *origin, bool add);
/** fake_attend() - all that are remembered, but for @except, hear of it with their next command */
void fake_attend(struct fake_unit *unit, int except, enum fake_asc asc);

/* What another's reservation keeps from a command. */
enum fake_access {
	FAKE_FREE,     /* nothing */
	FAKE_SETTINGS, /* RESERVE(6) */
	FAKE_READS,    /* the exclusive access ones */
	FAKE_WRITES,   /* all */
};

/** fake_conflicts() - is there a reservation of another that forbids this? */
bool fake_conflicts(struct fake_request *request, enum fake_access access);
