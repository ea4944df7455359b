/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a command's result means for the command and for its path, as one table: the first rule that
 * matches is the verdict. Policy is here and nowhere else; the map only carries it out. Plain
 * functions over constant data: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "multipath/command.h"

struct scsi_result;
struct scsi_sense;

enum retry_action {
	RETRY_DONE,	  /* it ended well */
	RETRY_FAIL,	  /* it ended with @error; no path would do better */
	RETRY_SAME_PATH,  /* send it again on this path, up to @same_limit times; then as OTHER_PATH
			   */
	RETRY_DELAY,	  /* as SAME_PATH, @delay_ms later */
	RETRY_OTHER_PATH, /* send it on another path now, one that it was not tried on */
	RETRY_FAIL_PATH,  /* the same, and this path is not to be used, unless it is the last */
	RETRY_UNMAPPED,	  /* the same, there is no unit behind this path any more */
	RETRY_GUARD,	  /* a write in doubt: see guard.h */
	RETRY_ACTION_COUNT,
};

enum retry_flags {
	RETRY_ATTENTION = 1,	/* tell the observer ASC and ASCQ: somebody should look */
	RETRY_VERIFY = 2,	/* no more I/O on this path until its identity was checked again */
	RETRY_EARLIER_LOST = 4, /* what this path carried before it will not be answered */
	RETRY_DEFERRED_ERROR = 8, /* a write that was acknowledged is lost: fail the next flush */
	RETRY_ACCESS = 16,	  /* of the target port group: it does I/O no more, or again */
};

#define RETRY_NO_LIMIT 255

struct retry_verdict {
	enum retry_action action;
	uint8_t same_limit;  /* times on one path in a row */
	uint8_t other_limit; /* with @error: times it moves to another path */
	uint16_t delay_ms; /* first pause: of DELAY, or when every path was tried; 0 = a default */
	/*
	 * 0: the path is to blame. The command goes on as long as there is another path, and when
	 *    all were tried pauses and starts over, for no_path_retry.
	 * -errno: the unit is to blame. That is what the submitter gets after the limits.
	 */
	int error;
	unsigned flags; /* enum retry_flags */
};

enum retry_sense {
	RETRY_SENSE_ANY, /* or none, or the status has none */
	RETRY_SENSE_NONE,
	RETRY_SENSE_CURRENT,
	RETRY_SENSE_DEFERRED,
};

enum retry_residual {
	RETRY_RESIDUAL_ANY,
	RETRY_UNDERFLOW, /* less was transferred than expected */
	RETRY_OVERFLOW,	 /* the device had more, or wanted more */
};

#define RETRY_ANY	 -1 /* for status, key, asc */
#define RETRY_READ	 (1u << MAP_READ)
#define RETRY_WRITE	 (1u << MAP_WRITE)
#define RETRY_FLUSH	 (1u << MAP_FLUSH)
#define RETRY_EVERY_KIND (RETRY_READ | RETRY_WRITE | RETRY_FLUSH)

struct retry_rule {
	enum scsi_outcome outcome;
	unsigned kinds; /* RETRY_READ … */
	int status;	/* enum scsi_status; only with SCSI_COMPLETED */
	enum retry_residual residual;
	enum retry_sense sense;
	int key, asc; /* only with RETRY_SENSE_CURRENT */
	uint8_t ascq_first, ascq_last;
	struct retry_verdict verdict;
	const char *meaning;
};

/**
 * retry_judge() - the rule for a result; there always is one
 * @sense: what the result's sense data say, for the flags; not valid when there are none
 */
const struct retry_rule *retry_judge(const struct scsi_result *result, enum map_command_kind kind,
				     struct scsi_sense *sense);

#define RETRY_TOLD_MAX_MS 10000

/**
 * retry_told_ms() - how long the device wants to be left alone, with BUSY and TASK SET FULL
 *
 * What is longer than RETRY_TOLD_MAX_MS is cut: a target must not be able to hold a command for the
 * half hour that it can say.
 * Source: SAM-5 §5.3.2 (status qualifier)
 * Return: milliseconds; 0: it did not say.
 */
uint32_t retry_told_ms(const struct scsi_result *result);

/** retry_rule_at() - the @index-th rule of the table, the first that matches wins; NULL behind it
 */
const struct retry_rule *retry_rule_at(size_t index);
