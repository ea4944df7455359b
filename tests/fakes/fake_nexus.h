/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A nexus for tests: commands wait in a queue until the test lets them end. By default a command
 * ends as the RAM disk behind it (fake_unit.h) answers; a script can say otherwise, command by
 * command. No clock, no thread, and done() never runs inside nexus_execute().
 *
 *	struct fake_unit *unit = fake_unit_new(2048, 512);
 *	struct fake_nexus *path = fake_nexus_new(unit, 0);
 *
 *	fake_nexus_script(path, SCSI_WRITE_16, 1, &FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b));
 *	nexus_execute(&path->nexus, &command);
 *	fake_nexus_run(path);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/command.h"
#include "scsi/nexus.h"
#include "tests/fakes/fake_unit.h"

#define FAKE_ANY_OPCODE -1
#define FAKE_FOR_EVER	UINT32_MAX

/* How a command ends instead of as the unit would answer. */
struct fake_answer {
	bool held;     /* not at all: it waits for fake_nexus_complete(), _lose() or an abort */
	bool executed; /* the unit executes it first (an answer lost on the way: SCSI_IN_DOUBT) */
	enum scsi_outcome outcome;
	uint8_t status; /* with SCSI_COMPLETED */
	uint16_t status_qualifier;
	uint8_t key, asc, ascq; /* with CHECK CONDITION; all 0 = no sense data at all */
	bool deferred, descriptor_format;
	const void *data; /* data-in that the device sends, with GOOD; alive until it ran */
	size_t data_length;
};

/* clang-format off */
#define FAKE_CHECK_CONDITION(k, a, q) \
	((struct fake_answer){.outcome = SCSI_COMPLETED, .status = SCSI_CHECK_CONDITION, \
			      .key = (k), .asc = (a), .ascq = (q)})
#define FAKE_DEFERRED(k, a, q) \
	((struct fake_answer){.outcome = SCSI_COMPLETED, .status = SCSI_CHECK_CONDITION, \
			      .deferred = true, .key = (k), .asc = (a), .ascq = (q)})
#define FAKE_STATUS(s) ((struct fake_answer){.outcome = SCSI_COMPLETED, .status = (s)})
#define FAKE_DATA(d, n) \
	((struct fake_answer){.outcome = SCSI_COMPLETED, .data = (d), .data_length = (n)})
#define FAKE_OUTCOME(o) ((struct fake_answer){.outcome = (o)})
#define FAKE_EXECUTED_IN_DOUBT ((struct fake_answer){.executed = true, .outcome = SCSI_IN_DOUBT})
#define FAKE_HELD ((struct fake_answer){.held = true})
/* clang-format on */

/* One command as it was submitted. */
struct fake_record {
	uint8_t cdb[16];
	enum scsi_direction direction;
	uint32_t data_length;
};

struct fake_script; /* a list of answers to come */

struct fake_nexus {
	struct nexus nexus;
	struct fake_unit *unit; /* not owned; NULL = no unit at this LUN (5/25/00) */
	uint16_t target_port_group, relative_port; /* 1, 1 */
	const uint64_t *luns;			   /* for REPORT LUNS; default: this nexus's own */
	size_t lun_count;
	bool frozen;	     /* fake_nexus_run() ends nothing: a silent target */
	bool ignores_aborts; /* abort() has no effect */
	bool refuses_resets; /* reset() ends with -EOPNOTSUPP */
	/* the unit was reset through this nexus: its ghosts are dead, what of the others? May be
	 * NULL */
	void (*unit_was_reset)(struct fake_nexus *fake, void *userdata);
	void *userdata;

	/*
	 * What abandon() was asked for comes back with the next fake_nexus_run(), even when frozen,
	 * SCSI_IN_DOUBT, and lives on as a ghost; or with fake_nexus_run_one() as it was answered.
	 */

	/* what happened so far */
	struct fake_record *records;
	size_t record_count;
	unsigned aborts;	 /* calls of abort() */
	unsigned abandoned;	 /* calls of abandon() */
	unsigned resets;	 /* calls of reset() */
	unsigned set_last_paths; /* calls of set_last_path() */
	bool last_path;		 /* its last argument */

	/* the fake's own */
	struct list queue;
	struct list scripts, ghosts;
	struct nexus_reset *reset; /* not answered yet; fake_nexus_run() answers it last */
	uint8_t attentions[16][2];
	size_t attention_count;
};

/** fake_nexus_new() - connected; @lun in the nexus's form: 0x0001000000000000 is LUN 1 */
struct fake_nexus *fake_nexus_new(struct fake_unit *unit, uint64_t lun);

/** fake_nexus_free() - no command may be queued; ghosts are forgotten; NULL is fine */
void fake_nexus_free(struct fake_nexus *fake);

/**
 * fake_nexus_script() - the next @times commands with @opcode end as @answer says
 * @opcode: FAKE_ANY_OPCODE for all
 * @times: FAKE_FOR_EVER until fake_nexus_clear_script()
 * @answer: copied; looked up when the command is submitted, the oldest script that matches first
 */
void fake_nexus_script(struct fake_nexus *fake, int opcode, uint32_t times,
		       const struct fake_answer *answer);
void fake_nexus_clear_script(struct fake_nexus *fake);

/** fake_nexus_unit_attention() - the next command that may carry it ends with 6/@asc/@ascq */
void fake_nexus_unit_attention(struct fake_nexus *fake, uint8_t asc, uint8_t ascq);

/** fake_nexus_queued() - commands that wait, held ones too */
size_t fake_nexus_queued(const struct fake_nexus *fake);
/** fake_nexus_command() - the @index-th that waits, oldest first; NULL when there are fewer */
struct scsi_command *fake_nexus_command(const struct fake_nexus *fake, size_t index);

/**
 * fake_nexus_run() - end what is queued, oldest first, and what is submitted meanwhile
 *
 * Return: how many ended.
 */
size_t fake_nexus_run(struct fake_nexus *fake);
/** fake_nexus_run_one() - end the @index-th that waits, also a held one. Return: was there one? */
bool fake_nexus_run_one(struct fake_nexus *fake, size_t index);
/** fake_nexus_complete() - end the @index-th that waits as @answer says */
bool fake_nexus_complete(struct fake_nexus *fake, size_t index, const struct fake_answer *answer);

/**
 * fake_nexus_lose() - the connection breaks: the nexus goes down and every command comes back
 * @sent: so many, the oldest, are SCSI_IN_DOUBT, and live on as ghosts in the device; the rest are
 *        SCSI_NOT_SENT. SIZE_MAX for all.
 */
void fake_nexus_lose(struct fake_nexus *fake, size_t sent);
/** fake_nexus_set_health() - and tell the holder */
void fake_nexus_set_health(struct fake_nexus *fake, enum nexus_health health);
/** fake_nexus_set_up() - only changes nexus.up; nothing comes back */
void fake_nexus_set_up(struct fake_nexus *fake, bool up);

/** fake_nexus_run_ghosts() - the device executes at last what was in doubt. Return: how many */
size_t fake_nexus_run_ghosts(struct fake_nexus *fake);
/** fake_nexus_kill_ghosts() - they never will be (the session was reinstated) */
void fake_nexus_kill_ghosts(struct fake_nexus *fake);

/** fake_nexus_count() - commands with @opcode submitted so far; FAKE_ANY_OPCODE for all */
size_t fake_nexus_count(const struct fake_nexus *fake, int opcode);
/** fake_record_lba(), fake_record_blocks() - of a 10 or 16-byte block command's record */
uint64_t fake_record_lba(const struct fake_record *record);
uint32_t fake_record_blocks(const struct fake_record *record);
