/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/retry.h"

#include <assert.h>
#include <errno.h>

#include "scsi/sense.h"
#include "util/cleanup.h"

#define ANY	  RETRY_ANY
#define ATTENTION RETRY_ATTENTION
#define VERIFY	  (RETRY_ATTENTION | RETRY_VERIFY)
#define LOST	  (RETRY_ATTENTION | RETRY_EARLIER_LOST)
#define NEW_NEXUS (RETRY_ATTENTION | RETRY_VERIFY | RETRY_EARLIER_LOST)
#define KINDS(k)  .kinds = (k)

/* What is matched. Kinds are all kinds unless a rule says otherwise, see rule_kinds(). */
#define OUTCOME(o) .outcome = (o)
#define STATUS(s)  .outcome = SCSI_COMPLETED, .status = (s)
#define NO_SENSE   STATUS(SCSI_CHECK_CONDITION), .sense = RETRY_SENSE_NONE
#define DEFERRED   STATUS(SCSI_CHECK_CONDITION), .sense = RETRY_SENSE_DEFERRED
#define SENSES(k, a, first, last) \
	STATUS(SCSI_CHECK_CONDITION), .sense = RETRY_SENSE_CURRENT, .key = (k), .asc = (a), \
				      .ascq_first = (first), .ascq_last = (last)
#define SENSE(k, a, q) SENSES(k, a, q, q)
#define CODE(k, a)     SENSES(k, a, 0x00, 0xff)
#define KEY(k)	       SENSES(k, ANY, 0x00, 0xff)

/* What is to be done. */
#define DONE	.verdict.action = RETRY_DONE
#define FAIL(e) .verdict.action = RETRY_FAIL, .verdict.error = -(e)
#define SAME(n) .verdict.action = RETRY_SAME_PATH, .verdict.same_limit = (n)
#define DELAY(ms, n) \
	.verdict.action = RETRY_DELAY, .verdict.delay_ms = (ms), .verdict.same_limit = (n)
#define OTHER	  .verdict.action = RETRY_OTHER_PATH
#define FAIL_PATH .verdict.action = RETRY_FAIL_PATH
#define UNMAPPED  .verdict.action = RETRY_UNMAPPED
#define GUARD	  .verdict.action = RETRY_GUARD
#define OTHERS(n) .verdict.other_limit = (n)
#define PAUSE(ms) .verdict.delay_ms = (ms)
#define THEN(e)	  .verdict.error = -(e)
#define FLAGS(f)  .verdict.flags = (f)

/*
 * In the order of evaluation: how the transport ended it, SCSI status, deferred, sense key with the
 * most specific code first. The codes are T10's (SPC-4 Annex D).
 *
 * A command that came back with a status did not leave a ghost: the device is through with it. So
 * only SCSI_IN_DOUBT guards a write; everything else may be repeated anywhere.
 */
/* clang-format off */
static const struct retry_rule rules[] = {
	/* --- the transport --- */
	{OUTCOME(SCSI_IN_DOUBT), KINDS(RETRY_WRITE), GUARD, .meaning = "write in doubt"},
	{OUTCOME(SCSI_IN_DOUBT),              OTHER, .meaning = "no answer came"},
	{OUTCOME(SCSI_NOT_SENT),              OTHER, .meaning = "not sent"},
	{OUTCOME(SCSI_ABORTED),               OTHER, .meaning = "aborted"},
	{OUTCOME(SCSI_TARGET_FAILURE),        OTHER, .meaning = "target failure (RFC 7143 §11.4.3)"},

	/* --- SCSI status (SAM-5 §5.3.1) --- */
	{STATUS(SCSI_GOOD), .residual = RETRY_UNDERFLOW, KINDS(RETRY_READ | RETRY_WRITE),
	                                      SAME(1), OTHERS(1), THEN(EIO), .meaning = "short transfer"},
	{STATUS(SCSI_GOOD), .residual = RETRY_OVERFLOW, KINDS(RETRY_WRITE),
	                                      OTHER, OTHERS(1), THEN(EIO), .meaning = "device wanted more data"},
	{STATUS(SCSI_GOOD),                   DONE, .meaning = "good"},
	{STATUS(SCSI_CONDITION_MET),          DONE, .meaning = "condition met"},
	{STATUS(SCSI_BUSY),                   DELAY(10, 3), .meaning = "busy"},
	{STATUS(SCSI_RESERVATION_CONFLICT),   FAIL(EBADE), .meaning = "reservation conflict"},
	{STATUS(SCSI_TASK_SET_FULL),          DELAY(10, 5), .meaning = "task set full"},
	{STATUS(SCSI_ACA_ACTIVE),             FAIL_PATH, .meaning = "ACA active, which we never ask for"},
	{STATUS(SCSI_TASK_ABORTED),           OTHER, .meaning = "task aborted by another initiator"},

	{NO_SENSE,                            SAME(1), .meaning = "check condition without sense data"},
	{DEFERRED,                            SAME(8), FLAGS(ATTENTION | RETRY_DEFERRED_ERROR),
	                                      .meaning = "deferred error of an earlier write"},

	/* --- 0 no sense, 1 recovered error: the command was executed --- */
	{KEY(0x0), .residual = RETRY_UNDERFLOW, KINDS(RETRY_READ | RETRY_WRITE),
	                                      SAME(1), OTHERS(1), THEN(EIO), .meaning = "short transfer"},
	{KEY(0x0),                            DONE, .meaning = "no sense"},
	{KEY(0x1), .residual = RETRY_UNDERFLOW, KINDS(RETRY_READ | RETRY_WRITE),
	                                      SAME(1), OTHERS(1), THEN(EIO), .meaning = "short transfer"},
	{KEY(0x1),                            DONE, .meaning = "recovered error"},

	/* --- 2 not ready --- */
	{SENSE(0x2, 0x04, 0x00),              OTHER, FLAGS(ATTENTION), .meaning = "not ready, cause not reported"},
	{SENSE(0x2, 0x04, 0x01),              OTHER, PAUSE(200), .meaning = "becoming ready"},
	{SENSE(0x2, 0x04, 0x02),              FAIL_PATH, FLAGS(ATTENTION), .meaning = "start command required"},
	{SENSE(0x2, 0x04, 0x03),              FAIL_PATH, FLAGS(ATTENTION), .meaning = "manual intervention required"},
	{SENSES(0x2, 0x04, 0x04, 0x09),       DELAY(1000, RETRY_NO_LIMIT), THEN(EIO), .meaning = "operation in progress"},
	{SENSE(0x2, 0x04, 0x0a),              OTHER, PAUSE(500), FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "asymmetric access state transition"},
	{SENSE(0x2, 0x04, 0x0b),              OTHER, PAUSE(1000), FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "target port in standby state"},
	{SENSE(0x2, 0x04, 0x0c),              OTHER, PAUSE(1000), FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "target port in unavailable state"},
	{SENSES(0x2, 0x04, 0x0d, 0x10),       FAIL_PATH, FLAGS(ATTENTION), .meaning = "structure check, security session, auxiliary memory"},
	{SENSE(0x2, 0x04, 0x11),              DELAY(1000, RETRY_NO_LIMIT), THEN(EIO), .meaning = "spin-up notification required"},
	{SENSE(0x2, 0x04, 0x12),              FAIL_PATH, FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "offline"},
	{SENSES(0x2, 0x04, 0x13, 0x14),       DELAY(1000, RETRY_NO_LIMIT), THEN(EIO), .meaning = "SA creation or space allocation in progress"},
	{SENSES(0x2, 0x04, 0x15, 0x19),       FAIL_PATH, FLAGS(ATTENTION), .meaning = "configuration, calibration, sequential mode"},
	{SENSES(0x2, 0x04, 0x1a, 0x1d),       DELAY(1000, RETRY_NO_LIMIT), THEN(EIO), .meaning = "start/stop, sanitize, power, configuration"},
	{SENSES(0x2, 0x04, 0x1e, 0x23),       FAIL_PATH, FLAGS(ATTENTION), .meaning = "microcode, reset or power cycle required"},
	{SENSES(0x2, 0x04, 0x24, 0x25),       FAIL(EIO), .meaning = "depopulation"},
	{CODE(0x2, 0x05),                     FAIL_PATH, FLAGS(ATTENTION), .meaning = "no response to selection"},
	{CODE(0x2, 0x08),                     FAIL_PATH, FLAGS(ATTENTION), .meaning = "communication failure"},
	{CODE(0x2, 0x3a),                     OTHER, OTHERS(1), THEN(ENOMEDIUM), FLAGS(ATTENTION), .meaning = "medium not present"},
	{SENSE(0x2, 0x3e, 0x00),              DELAY(1000, RETRY_NO_LIMIT), THEN(EIO), .meaning = "not self-configured yet"},
	{SENSES(0x2, 0x3e, 0x01, 0x04),       FAIL_PATH, FLAGS(ATTENTION), .meaning = "logical unit failure"},
	{CODE(0x2, 0x4c),                     FAIL_PATH, FLAGS(ATTENTION), .meaning = "failed self-configuration"},
	{KEY(0x2),                            OTHER, FLAGS(ATTENTION), .meaning = "not ready"},

	/* --- 3 medium error: no path does better --- */
	{CODE(0x3, 0x03), KINDS(RETRY_READ),  SAME(1), THEN(ENODATA), .meaning = "write fault"},
	{CODE(0x3, 0x03),                     SAME(1), THEN(EIO), .meaning = "write fault"},
	{CODE(0x3, 0x0c), KINDS(RETRY_READ),  SAME(1), THEN(ENODATA), .meaning = "write error"},
	{CODE(0x3, 0x0c),                     SAME(1), THEN(EIO), .meaning = "write error"},
	{CODE(0x3, 0x10), KINDS(RETRY_READ),  SAME(1), THEN(ENODATA), .meaning = "ID or CRC error"},
	{CODE(0x3, 0x10),                     SAME(1), THEN(EIO), .meaning = "ID or CRC error"},
	{KEY(0x3), KINDS(RETRY_READ),         FAIL(ENODATA), .meaning = "medium error"},
	{KEY(0x3),                            FAIL(EIO), .meaning = "medium error"},

	/* --- 4 hardware error: maybe of one controller only --- */
	{KEY(0x4),                            OTHER, OTHERS(1), THEN(EREMOTEIO), .meaning = "hardware error"},

	/* --- 5 illegal request --- */
	{SENSE(0x5, 0x20, 0x00),              FAIL(EOPNOTSUPP), .meaning = "invalid command operation code"},
	{CODE(0x5, 0x20),                     FAIL(EACCES), .meaning = "access denied"},
	{SENSE(0x5, 0x21, 0x00),              OTHER, OTHERS(1), THEN(EIO), FLAGS(ATTENTION), .meaning = "block address out of range"},
	{CODE(0x5, 0x21),                     FAIL(EIO), .meaning = "invalid address"},
	{SENSE(0x5, 0x25, 0x00),              UNMAPPED, FLAGS(ATTENTION), .meaning = "logical unit not supported: unmapped"},
	{SENSE(0x5, 0x26, 0x04),              FAIL(EBADE), FLAGS(ATTENTION), .meaning = "invalid release of a reservation"},
	{SENSE(0x5, 0x27, 0x07),              FAIL(ENOSPC), FLAGS(ATTENTION), .meaning = "space allocation failed"},
	{SENSE(0x5, 0x27, 0x08),              FAIL(EIO), .meaning = "zone is read only"},
	{CODE(0x5, 0x27),                     OTHER, OTHERS(1), THEN(EROFS), FLAGS(ATTENTION), .meaning = "write protected"},
	{CODE(0x5, 0x74),                     FAIL(EACCES), .meaning = "security error"},
	{CODE(0x5, 0x8b),                     OTHER, FLAGS(ATTENTION), .meaning = "vendor: this controller does not own it"},
	{SENSE(0x5, 0x91, 0x36),              OTHER, FLAGS(ATTENTION), .meaning = "vendor: this controller does not own it"},
	{SENSE(0x5, 0x94, 0x01),              OTHER, FLAGS(ATTENTION), .meaning = "vendor: this controller does not own it"},
	{KEY(0x5),                            FAIL(EREMOTEIO), .meaning = "illegal request"},

	/* --- 6 unit attention: the command was not executed (SAM-5 §5.14) --- */
	{SENSE(0x6, 0x04, 0x0a),              OTHER, PAUSE(500), FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "asymmetric access state transition"},
	{CODE(0x6, 0x28),                     SAME(8), FLAGS(VERIFY), .meaning = "medium may have changed"},
	{CODE(0x6, 0x29),                     SAME(8), FLAGS(NEW_NEXUS), .meaning = "power on, reset, or nexus loss"},
	{SENSES(0x6, 0x2a, 0x06, 0x07),       SAME(8), FLAGS(ATTENTION | RETRY_ACCESS), .meaning = "asymmetric access state changed"},
	{CODE(0x6, 0x2f),                     SAME(8), FLAGS(LOST), .meaning = "commands cleared by another initiator"},
	{SENSE(0x6, 0x3f, 0x03),              SAME(8), FLAGS(VERIFY), .meaning = "inquiry data changed"},
	{SENSE(0x6, 0x3f, 0x05),              SAME(8), FLAGS(VERIFY), .meaning = "device identifier changed"},
	{SENSE(0x6, 0x3f, 0x0e),              SAME(8), FLAGS(VERIFY), .meaning = "reported LUNs data changed"},
	{KEY(0x6),                            SAME(8), FLAGS(ATTENTION), .meaning = "unit attention"},

	/* --- 7 data protect --- */
	{CODE(0x7, 0x20),                     FAIL(EACCES), .meaning = "access denied"},
	{SENSES(0x7, 0x27, 0x00, 0x06),       OTHER, OTHERS(1), THEN(EROFS), FLAGS(ATTENTION), .meaning = "write protected"},
	{SENSE(0x7, 0x27, 0x07),              FAIL(ENOSPC), FLAGS(ATTENTION), .meaning = "space allocation failed"},
	{KEY(0x7),                            FAIL(EIO), .meaning = "data protect"},

	{KEY(0x8),                            FAIL(EIO), .meaning = "blank check"},
	{KEY(0x9),                            OTHER, OTHERS(1), THEN(EIO), .meaning = "vendor specific"},
	{KEY(0xa),                            FAIL(EIO), .meaning = "copy aborted"},

	/* --- b aborted command --- */
	{CODE(0xb, 0x00),                     SAME(2), .meaning = "aborted, no cause"},
	{CODE(0xb, 0x04),                     SAME(2), .meaning = "aborted, not ready"},
	{CODE(0xb, 0x08),                     OTHER, .meaning = "communication failure"},
	{SENSES(0xb, 0x0c, 0x0c, 0x0d),       FAIL_PATH, .meaning = "unsolicited data mismatch (RFC 7143 §11.4.7.2)"},
	{CODE(0xb, 0x10),                     FAIL(EILSEQ), .meaning = "protection information check failed"},
	{SENSE(0xb, 0x11, 0x13),              SAME(3), .meaning = "failed retransmission (SNACK)"},
	{SENSE(0xb, 0x1b, 0x00),              OTHER, .meaning = "synchronous data transfer error"},
	{SENSE(0xb, 0x25, 0x00),              UNMAPPED, FLAGS(ATTENTION), .meaning = "logical unit not supported: unmapped"},
	{CODE(0xb, 0x29),                     SAME(8), FLAGS(NEW_NEXUS), .meaning = "power on, reset, or nexus loss"},
	{SENSES(0xb, 0x2e, 0x01, 0x03),       FAIL(ETIME), .meaning = "command duration limit"},
	{CODE(0xb, 0x2f),                     SAME(8), FLAGS(LOST), .meaning = "commands cleared by another initiator"},
	{SENSE(0xb, 0x43, 0x00),              OTHER, .meaning = "message error"},
	{SENSE(0xb, 0x44, 0x00),              OTHER, .meaning = "internal target failure"},
	{SENSE(0xb, 0x45, 0x00),              OTHER, .meaning = "select or reselect failure"},
	{CODE(0xb, 0x47),                     OTHER, .meaning = "parity, CRC or protocol service error"},
	{SENSE(0xb, 0x48, 0x00),              OTHER, .meaning = "initiator detected error"},
	{SENSE(0xb, 0x49, 0x00),              OTHER, .meaning = "invalid message"},
	{CODE(0xb, 0x4b),                     OTHER, .meaning = "data phase error"},
	{SENSE(0xb, 0x4e, 0x00),              FAIL_PATH, .meaning = "overlapped commands attempted"},
	{CODE(0xb, 0x53),                     DELAY(10, 5), .meaning = "media load or resources"},
	{CODE(0xb, 0x55),                     DELAY(10, 5), .meaning = "system resource failure"},
	{SENSE(0xb, 0xc1, 0x01),              DELAY(100, 3), .meaning = "vendor: aborted for now"},
	{KEY(0xb),                            SAME(3), .meaning = "aborted command"},

	{KEY(0xd),                            FAIL(ENOSPC), .meaning = "volume overflow"},
	{KEY(0xe),                            FAIL(EILSEQ), .meaning = "miscompare"},
	{SENSE(0xf, 0x55, 0x0a),              FAIL(ETIME), .meaning = "completed: duration limit"},

	/* A key or status that no standard we know defines. */
	{STATUS(ANY),                         FAIL(EIO), .meaning = "unknown status or sense key"},
};
/* clang-format on */

static unsigned rule_kinds(const struct retry_rule *rule)
{
	return rule->kinds ? rule->kinds : RETRY_EVERY_KIND;
}

static enum retry_sense sense_class(const struct scsi_sense *sense)
{
	if (!sense->valid)
		return RETRY_SENSE_NONE;
	return sense->deferred ? RETRY_SENSE_DEFERRED : RETRY_SENSE_CURRENT;
}

static bool sense_matches(const struct retry_rule *rule, const struct scsi_sense *sense)
{
	if (rule->sense == RETRY_SENSE_ANY)
		return true;
	if (rule->sense != sense_class(sense))
		return false;
	if (rule->sense != RETRY_SENSE_CURRENT)
		return true;
	return rule->key == sense->key && (rule->asc == ANY || rule->asc == sense->asc) &&
	       sense->ascq >= rule->ascq_first && sense->ascq <= rule->ascq_last;
}

static bool residual_matches(const struct retry_rule *rule, const struct scsi_result *result)
{
	switch (rule->residual) {
	case RETRY_UNDERFLOW:
		return result->underflow && result->residual_bytes > 0;
	case RETRY_OVERFLOW:
		return result->overflow && result->residual_bytes > 0;
	case RETRY_RESIDUAL_ANY:
		break;
	}
	return true;
}

static bool rule_matches(const struct retry_rule *rule, const struct scsi_result *result,
			 enum map_command_kind kind, const struct scsi_sense *sense)
{
	if (rule->outcome != result->outcome || !(rule_kinds(rule) & 1u << kind))
		return false;
	if (rule->outcome != SCSI_COMPLETED)
		return true;
	return (rule->status == ANY || rule->status == result->status) &&
	       residual_matches(rule, result) && sense_matches(rule, sense);
}

const struct retry_rule *retry_judge(const struct scsi_result *result, enum map_command_kind kind,
				     struct scsi_sense *sense)
{
	size_t i = 0;

	*sense = sense_of(result);
	while (i < ARRAY_SIZE(rules) && !rule_matches(&rules[i], result, kind, sense))
		i++;
	assert(i <
	       ARRAY_SIZE(rules)); /* the last row takes every status, the first every outcome */
	return &rules[i];
}

const struct retry_rule *retry_rule_at(size_t index)
{
	return index < ARRAY_SIZE(rules) ? &rules[index] : NULL;
}

uint32_t retry_told_ms(const struct scsi_result *result)
{
	uint32_t units = result->status_qualifier & 0x3fff; /* of 100 ms; above it is the scope */

	if (result->outcome != SCSI_COMPLETED ||
	    (result->status != SCSI_BUSY && result->status != SCSI_TASK_SET_FULL))
		return 0;
	if (units > 0x3fef) /* reserved, or "not now" without a time */
		return 0;
	return MIN(units * 100, (uint32_t)RETRY_TOLD_MAX_MS);
}
