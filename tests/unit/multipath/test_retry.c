/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "multipath/retry.h"
#include "scsi/command.h"
#include "scsi/sense.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"

#define READ  RETRY_READ
#define WRITE RETRY_WRITE
#define FLUSH RETRY_FLUSH
#define EVERY RETRY_EVERY_KIND
#define A     RETRY_ATTENTION
#define G     RETRY_ACCESS
#define V     (RETRY_ATTENTION | RETRY_VERIFY)
#define L     (RETRY_ATTENTION | RETRY_EARLIER_LOST)
#define N     (RETRY_ATTENTION | RETRY_VERIFY | RETRY_EARLIER_LOST)

static const struct retry_verdict *judge(const struct scsi_result *result,
					 enum map_command_kind kind)
{
	struct scsi_sense sense;

	return &retry_judge(result, kind, &sense)->verdict;
}

static struct scsi_result with_sense(bool deferred, uint8_t key, uint8_t asc, uint8_t ascq)
{
	struct scsi_command command = {};

	fake_sense(&command, asc & 1, deferred, key, asc, ascq);
	return command.result;
}

static void check(const struct retry_verdict *is, const struct retry_verdict *should,
		  const char *what, unsigned kind)
{
	if (is->action != should->action || is->same_limit != should->same_limit ||
	    is->other_limit != should->other_limit || is->delay_ms != should->delay_ms ||
	    is->error != should->error || is->flags != should->flags)
		fail_msg("%s, kind %u: action %u same %u other %u delay %u error %d flags %#x, "
			 "expected %u %u %u %u %d %#x",
			 what, kind, is->action, is->same_limit, is->other_limit, is->delay_ms,
			 is->error, is->flags, should->action, should->same_limit,
			 should->other_limit, should->delay_ms, should->error, should->flags);
}

static void check_kinds(const struct scsi_result *result, unsigned kinds,
			const struct retry_verdict *should, const char *what)
{
	for (unsigned kind = MAP_READ; kind <= MAP_FLUSH; kind++) {
		if (kinds & 1u << kind)
			check(judge(result, kind), should, what, kind);
	}
}

/* What the policy asks for, cell by cell. Columns of a verdict: action, times on the same path,
 * times on others, delay in ms, error, flags. */
/* clang-format off */
static const struct {
	enum scsi_outcome outcome;
	int status;
	bool underflow, overflow;
	unsigned kinds;
	struct retry_verdict verdict;
} status_cells[] = {
	{SCSI_IN_DOUBT, 0, false, false, WRITE,             {RETRY_GUARD}},
	{SCSI_IN_DOUBT, 0, false, false, READ | FLUSH,      {RETRY_OTHER_PATH}},
	{SCSI_NOT_SENT, 0, false, false, EVERY,             {RETRY_OTHER_PATH}},
	{SCSI_ABORTED, 0, false, false, EVERY,              {RETRY_OTHER_PATH}},
	{SCSI_TARGET_FAILURE, 0, false, false, EVERY,       {RETRY_OTHER_PATH}},
	{SCSI_COMPLETED, 0x00, false, false, EVERY,         {RETRY_DONE}},
	{SCSI_COMPLETED, 0x00, true, false, READ | WRITE,   {RETRY_SAME_PATH, 1, 1, 0, -EIO, 0}},
	{SCSI_COMPLETED, 0x00, true, false, FLUSH,          {RETRY_DONE}},
	{SCSI_COMPLETED, 0x00, false, true, WRITE,          {RETRY_OTHER_PATH, 0, 1, 0, -EIO, 0}},
	{SCSI_COMPLETED, 0x00, false, true, READ | FLUSH,   {RETRY_DONE}},
	{SCSI_COMPLETED, 0x04, false, false, EVERY,         {RETRY_DONE}},
	{SCSI_COMPLETED, 0x08, false, false, EVERY,         {RETRY_DELAY, 3, 0, 10, 0, 0}},
	{SCSI_COMPLETED, 0x10, false, false, EVERY,         {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{SCSI_COMPLETED, 0x14, false, false, EVERY,         {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{SCSI_COMPLETED, 0x18, false, false, EVERY,         {RETRY_FAIL, 0, 0, 0, -EBADE, 0}},
	{SCSI_COMPLETED, 0x22, false, false, EVERY,         {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{SCSI_COMPLETED, 0x28, false, false, EVERY,         {RETRY_DELAY, 5, 0, 10, 0, 0}},
	{SCSI_COMPLETED, 0x30, false, false, EVERY,         {RETRY_FAIL_PATH}},
	{SCSI_COMPLETED, 0x40, false, false, EVERY,         {RETRY_OTHER_PATH}},
	{SCSI_COMPLETED, 0x02, false, false, EVERY,         {RETRY_SAME_PATH, 1, 0, 0, 0, 0}}, /* no sense */
	{SCSI_COMPLETED, 0xff, false, false, EVERY,         {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
};

static const struct {
	uint8_t key;
	int asc;
	uint8_t first, last;
	unsigned kinds;
	struct retry_verdict verdict;
} sense_cells[] = {
	{0x0, 0x00, 0x00, 0x00, EVERY, {RETRY_DONE}},
	{0x0, 0x00, 0x1d, 0x1d, EVERY, {RETRY_DONE}},
	{0x1, 0x00, 0x00, 0x00, EVERY, {RETRY_DONE}},
	{0x1, 0x5d, 0x00, 0xff, EVERY, {RETRY_DONE}},
	{0x1, 0x17, 0x00, 0xff, EVERY, {RETRY_DONE}},

	{0x2, 0x04, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x04, 0x01, 0x01, EVERY, {RETRY_OTHER_PATH, 0, 0, 200, 0, 0}},
	{0x2, 0x04, 0x02, 0x03, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x04, 0x04, 0x09, EVERY, {RETRY_DELAY, RETRY_NO_LIMIT, 0, 1000, -EIO, 0}},
	{0x2, 0x04, 0x0a, 0x0a, EVERY, {RETRY_OTHER_PATH, 0, 0, 500, 0, A | G}},
	{0x2, 0x04, 0x0b, 0x0c, EVERY, {RETRY_OTHER_PATH, 0, 0, 1000, 0, A | G}},
	{0x2, 0x04, 0x0d, 0x10, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x04, 0x11, 0x11, EVERY, {RETRY_DELAY, RETRY_NO_LIMIT, 0, 1000, -EIO, 0}},
	{0x2, 0x04, 0x12, 0x12, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A | G}},
	{0x2, 0x04, 0x13, 0x14, EVERY, {RETRY_DELAY, RETRY_NO_LIMIT, 0, 1000, -EIO, 0}},
	{0x2, 0x04, 0x15, 0x19, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x04, 0x1a, 0x1d, EVERY, {RETRY_DELAY, RETRY_NO_LIMIT, 0, 1000, -EIO, 0}},
	{0x2, 0x04, 0x1e, 0x23, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x04, 0x24, 0x25, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x2, 0x04, 0x26, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x05, 0x00, 0x00, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x08, 0x00, 0x04, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x3a, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -ENOMEDIUM, A}},
	{0x2, 0x3e, 0x00, 0x00, EVERY, {RETRY_DELAY, RETRY_NO_LIMIT, 0, 1000, -EIO, 0}},
	{0x2, 0x3e, 0x01, 0x04, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x4c, 0x00, 0x00, EVERY, {RETRY_FAIL_PATH, 0, 0, 0, 0, A}},
	{0x2, 0x06, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},

	{0x3, 0x03, 0x00, 0xff, WRITE | FLUSH, {RETRY_SAME_PATH, 1, 0, 0, -EIO, 0}},
	{0x3, 0x03, 0x00, 0xff, READ, {RETRY_SAME_PATH, 1, 0, 0, -ENODATA, 0}},
	{0x3, 0x0c, 0x00, 0xff, WRITE | FLUSH, {RETRY_SAME_PATH, 1, 0, 0, -EIO, 0}},
	{0x3, 0x0c, 0x00, 0xff, READ, {RETRY_SAME_PATH, 1, 0, 0, -ENODATA, 0}},
	{0x3, 0x10, 0x00, 0xff, WRITE | FLUSH, {RETRY_SAME_PATH, 1, 0, 0, -EIO, 0}},
	{0x3, 0x10, 0x00, 0xff, READ, {RETRY_SAME_PATH, 1, 0, 0, -ENODATA, 0}},
	{0x3, 0x11, 0x00, 0xff, READ, {RETRY_FAIL, 0, 0, 0, -ENODATA, 0}},
	{0x3, 0x11, 0x00, 0xff, WRITE | FLUSH, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x3, 0x13, 0x00, 0x00, READ, {RETRY_FAIL, 0, 0, 0, -ENODATA, 0}},
	{0x3, 0x14, 0x00, 0x01, READ, {RETRY_FAIL, 0, 0, 0, -ENODATA, 0}},
	{0x3, 0x31, 0x00, 0x00, WRITE, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},

	{0x4, 0x44, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EREMOTEIO, 0}},
	{0x4, 0x08, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EREMOTEIO, 0}},
	{0x4, 0x80, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EREMOTEIO, 0}},

	{0x5, 0x20, 0x00, 0x00, EVERY, {RETRY_FAIL, 0, 0, 0, -EOPNOTSUPP, 0}},
	{0x5, 0x20, 0x01, 0x0b, EVERY, {RETRY_FAIL, 0, 0, 0, -EACCES, 0}},
	{0x5, 0x21, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EIO, A}},
	{0x5, 0x21, 0x01, 0x07, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x5, 0x22, 0x00, 0x00, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x24, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x25, 0x00, 0x00, EVERY, {RETRY_UNMAPPED, 0, 0, 0, 0, A}},
	{0x5, 0x26, 0x00, 0x03, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x26, 0x04, 0x04, EVERY, {RETRY_FAIL, 0, 0, 0, -EBADE, A}},
	{0x5, 0x27, 0x00, 0x06, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EROFS, A}},
	{0x5, 0x27, 0x07, 0x07, EVERY, {RETRY_FAIL, 0, 0, 0, -ENOSPC, A}},
	{0x5, 0x27, 0x08, 0x08, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x5, 0x2c, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x39, 0x00, 0x00, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x55, 0x04, 0x04, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},
	{0x5, 0x74, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EACCES, 0}},
	{0x5, 0x8b, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},
	{0x5, 0x91, 0x36, 0x36, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},
	{0x5, 0x94, 0x01, 0x01, EVERY, {RETRY_OTHER_PATH, 0, 0, 0, 0, A}},
	{0x5, 0x94, 0x02, 0x02, EVERY, {RETRY_FAIL, 0, 0, 0, -EREMOTEIO, 0}},

	{0x6, 0x04, 0x0a, 0x0a, EVERY, {RETRY_OTHER_PATH, 0, 0, 500, 0, A | G}},
	{0x6, 0x28, 0x00, 0x00, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, V}},
	{0x6, 0x29, 0x00, 0x07, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, N}},
	{0x6, 0x2a, 0x00, 0x05, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x2a, 0x06, 0x07, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A | G}},
	{0x6, 0x2a, 0x08, 0x09, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x2f, 0x00, 0x02, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, L}},
	{0x6, 0x38, 0x07, 0x07, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x3f, 0x00, 0x02, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x3f, 0x03, 0x03, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, V}},
	{0x6, 0x3f, 0x05, 0x05, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, V}},
	{0x6, 0x3f, 0x06, 0x0d, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x3f, 0x0e, 0x0e, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, V}},
	{0x6, 0x3f, 0x0f, 0x1b, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},
	{0x6, 0x5d, 0x00, 0xff, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, A}},

	{0x7, 0x20, 0x02, 0x02, EVERY, {RETRY_FAIL, 0, 0, 0, -EACCES, 0}},
	{0x7, 0x27, 0x00, 0x06, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EROFS, A}},
	{0x7, 0x27, 0x07, 0x07, EVERY, {RETRY_FAIL, 0, 0, 0, -ENOSPC, A}},
	{0x7, 0x27, 0x08, 0x08, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x7, 0x55, 0x0e, 0x0f, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x8, 0x00, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0x9, 0x80, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH, 0, 1, 0, -EIO, 0}},
	{0xa, 0x00, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},

	{0xb, 0x00, 0x00, 0xff, EVERY, {RETRY_SAME_PATH, 2, 0, 0, 0, 0}},
	{0xb, 0x04, 0x00, 0xff, EVERY, {RETRY_SAME_PATH, 2, 0, 0, 0, 0}},
	{0xb, 0x08, 0x00, 0xff, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x0c, 0x0c, 0x0d, EVERY, {RETRY_FAIL_PATH}},
	{0xb, 0x10, 0x00, 0x05, EVERY, {RETRY_FAIL, 0, 0, 0, -EILSEQ, 0}},
	{0xb, 0x11, 0x13, 0x13, EVERY, {RETRY_SAME_PATH, 3, 0, 0, 0, 0}},
	{0xb, 0x1b, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x25, 0x00, 0x00, EVERY, {RETRY_UNMAPPED, 0, 0, 0, 0, A}},
	{0xb, 0x29, 0x00, 0x07, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, N}},
	{0xb, 0x2e, 0x01, 0x03, EVERY, {RETRY_FAIL, 0, 0, 0, -ETIME, 0}},
	{0xb, 0x2f, 0x00, 0x02, EVERY, {RETRY_SAME_PATH, 8, 0, 0, 0, L}},
	{0xb, 0x43, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x44, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x45, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x47, 0x00, 0x7f, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x48, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x49, 0x00, 0x00, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x4b, 0x00, 0x13, EVERY, {RETRY_OTHER_PATH}},
	{0xb, 0x4e, 0x00, 0x00, EVERY, {RETRY_FAIL_PATH}},
	{0xb, 0x53, 0x00, 0xff, EVERY, {RETRY_DELAY, 5, 0, 10, 0, 0}},
	{0xb, 0x55, 0x00, 0xff, EVERY, {RETRY_DELAY, 5, 0, 10, 0, 0}},
	{0xb, 0xc1, 0x01, 0x01, EVERY, {RETRY_DELAY, 3, 0, 100, 0, 0}},
	{0xb, 0x80, 0x00, 0xff, EVERY, {RETRY_SAME_PATH, 3, 0, 0, 0, 0}},

	{0xc, 0x00, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
	{0xd, 0x00, 0x00, 0xff, EVERY, {RETRY_FAIL, 0, 0, 0, -ENOSPC, 0}},
	{0xe, 0x1d, 0x00, 0x00, EVERY, {RETRY_FAIL, 0, 0, 0, -EILSEQ, 0}},
	{0xf, 0x55, 0x0a, 0x0a, EVERY, {RETRY_FAIL, 0, 0, 0, -ETIME, 0}},
	{0xf, 0x00, 0x00, 0x00, EVERY, {RETRY_FAIL, 0, 0, 0, -EIO, 0}},
};
/* clang-format on */

static void every_outcome_and_status_has_the_verdict_of_the_policy(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_cells); i++) {
		struct scsi_result result = {
			.outcome = status_cells[i].outcome,
			.status = (uint8_t)status_cells[i].status,
			.underflow = status_cells[i].underflow,
			.overflow = status_cells[i].overflow,
			.residual_bytes = status_cells[i].underflow || status_cells[i].overflow,
		};
		char what[64];

		snprintf(what, sizeof(what), "outcome %d, status %02x", result.outcome,
			 result.status);
		check_kinds(&result, status_cells[i].kinds, &status_cells[i].verdict, what);
	}
}

static void every_sense_code_has_the_verdict_of_the_policy(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sense_cells); i++) {
		for (unsigned q = sense_cells[i].first; q <= sense_cells[i].last; q++) {
			struct scsi_result result = with_sense(
				false, sense_cells[i].key, (uint8_t)sense_cells[i].asc, (uint8_t)q);
			char what[64];

			snprintf(what, sizeof(what), "sense %x/%02x/%02x", sense_cells[i].key,
				 sense_cells[i].asc, q);
			check_kinds(&result, sense_cells[i].kinds, &sense_cells[i].verdict, what);
		}
	}
}

static void deferred_error_never_judges_the_command_that_carries_it(void **state)
{
	const struct retry_verdict should = {RETRY_SAME_PATH, 8, 0, 0, 0, A | RETRY_DEFERRED_ERROR};

	for (unsigned key = 0; key <= 0xf; key++) {
		struct scsi_result result = with_sense(true, (uint8_t)key, 0x0c, 0x00);

		check_kinds(&result, EVERY, &should, "deferred");
	}
}

static void recovered_error_with_too_little_data_is_repeated(void **state)
{
	const struct retry_verdict should = {RETRY_SAME_PATH, 1, 1, 0, -EIO, 0};

	for (uint8_t key = 0; key <= 1; key++) {
		struct scsi_result result = with_sense(false, key, 0x00, 0x00);

		result.underflow = true;
		result.residual_bytes = 512;
		check_kinds(&result, READ | WRITE, &should, "recovered, short");
		assert_int_equal(judge(&result, MAP_FLUSH)->action, RETRY_DONE);
	}
}

static void residual_of_zero_bytes_is_no_residual(void **state)
{
	struct scsi_result result = {.outcome = SCSI_COMPLETED, .underflow = true};

	assert_int_equal(judge(&result, MAP_READ)->action, RETRY_DONE);
}

static void damaged_sense_data_count_as_none(void **state)
{
	struct scsi_result result = {.outcome = SCSI_COMPLETED, .status = SCSI_CHECK_CONDITION};

	for (uint8_t length = 0; length <= 2; length++) {
		result.sense_length = length;
		memset(result.sense, 0xee, sizeof(result.sense));
		assert_int_equal(judge(&result, MAP_READ)->action, RETRY_SAME_PATH);
		assert_int_equal(judge(&result, MAP_READ)->same_limit, 1);
		assert_int_equal(judge(&result, MAP_READ)->error, 0);
	}
}

/* Each rule must win for some result that it names, or it is dead. */
static bool rule_wins(const struct retry_rule *rule, enum map_command_kind kind, uint8_t asc,
		      uint8_t ascq)
{
	struct scsi_result result = {
		.outcome = rule->outcome,
		.status = rule->status == RETRY_ANY ? 0xfe : (uint8_t)rule->status,
	};
	struct scsi_sense sense;

	if (rule->sense == RETRY_SENSE_CURRENT)
		result = with_sense(false, (uint8_t)rule->key, asc, ascq);
	else if (rule->sense == RETRY_SENSE_DEFERRED)
		result = with_sense(true, 0x3, asc, ascq);
	result.underflow = rule->residual == RETRY_UNDERFLOW;
	result.overflow = rule->residual == RETRY_OVERFLOW;
	result.residual_bytes = result.underflow || result.overflow;
	return retry_judge(&result, kind, &sense) == rule;
}

static bool wins_for_kind(const struct retry_rule *rule, enum map_command_kind kind)
{
	for (unsigned code = 0; code <= 0xffff; code++) {
		uint8_t asc = (uint8_t)(code >> 8), ascq = (uint8_t)code;

		if (rule->asc != RETRY_ANY && asc != rule->asc)
			continue;
		if (ascq >= rule->ascq_first && ascq <= rule->ascq_last &&
		    rule_wins(rule, kind, asc, ascq))
			return true;
	}
	return false;
}

static bool wins_somewhere(const struct retry_rule *rule)
{
	unsigned kinds = rule->kinds ? rule->kinds : EVERY;

	for (unsigned kind = MAP_READ; kind <= MAP_FLUSH; kind++) {
		if ((kinds & 1u << kind) && wins_for_kind(rule, kind))
			return true;
	}
	return false;
}

static void no_rule_hides_behind_another(void **state)
{
	const struct retry_rule *rule;
	size_t count = 0;

	for (; (rule = retry_rule_at(count)); count++) {
		if (!wins_somewhere(rule))
			fail_msg("rule %zu (%s) never wins", count, rule->meaning);
		assert_non_null(rule->meaning);
	}
	assert_true(count > 100);
}

static void everything_a_device_can_say_has_a_verdict_that_ends(void **state)
{
	for (unsigned key = 0; key <= 0xf; key++) {
		for (unsigned code = 0; code <= 0xffff; code++) {
			struct scsi_result result = with_sense(false, (uint8_t)key,
							       (uint8_t)(code >> 8), (uint8_t)code);
			const struct retry_verdict *verdict = judge(&result, MAP_WRITE);

			assert_true(verdict->action < RETRY_ACTION_COUNT);
			assert_int_not_equal(verdict->action, RETRY_GUARD);
			assert_true(verdict->error <= 0);
			if (verdict->action == RETRY_FAIL)
				assert_true(verdict->error < 0);
			/* SAM-5 §5.14: a unit attention says nothing about this command. */
			if (key == 0x6)
				assert_int_not_equal(verdict->action, RETRY_FAIL);
		}
	}
	for (unsigned status = 0; status <= 0xff; status++) {
		struct scsi_result result = {.outcome = SCSI_COMPLETED, .status = (uint8_t)status};

		assert_true(judge(&result, MAP_WRITE)->action < RETRY_ACTION_COUNT);
	}
}

static void a_device_may_say_how_long_it_wants_to_be_left_alone(void **state)
{
	static const struct {
		uint8_t status;
		uint16_t qualifier;
		uint32_t ms;
	} rows[] = {
		{SCSI_BUSY, 0, 0},
		{SCSI_BUSY, 1, 100},
		{SCSI_TASK_SET_FULL, 3, 300},
		{SCSI_TASK_SET_FULL, 0x4003, 300}, /* with a scope */
		{SCSI_BUSY, 100, RETRY_TOLD_MAX_MS},
		{SCSI_BUSY, 0x3fef, RETRY_TOLD_MAX_MS},
		{SCSI_BUSY, 0x3ff0, 0},
		{SCSI_BUSY, 0x3ffe, 0},
		{SCSI_BUSY, 0xffff, 0},
		{SCSI_GOOD, 5, 0},
		{SCSI_RESERVATION_CONFLICT, 5, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scsi_result result = {
			.outcome = SCSI_COMPLETED,
			.status = rows[i].status,
			.status_qualifier = rows[i].qualifier,
		};

		assert_int_equal(retry_told_ms(&result), rows[i].ms);
		result.outcome = SCSI_IN_DOUBT;
		assert_int_equal(retry_told_ms(&result), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_and_status_has_the_verdict_of_the_policy),
		cmocka_unit_test(every_sense_code_has_the_verdict_of_the_policy),
		cmocka_unit_test(deferred_error_never_judges_the_command_that_carries_it),
		cmocka_unit_test(recovered_error_with_too_little_data_is_repeated),
		cmocka_unit_test(residual_of_zero_bytes_is_no_residual),
		cmocka_unit_test(damaged_sense_data_count_as_none),
		cmocka_unit_test(no_rule_hides_behind_another),
		cmocka_unit_test(everything_a_device_can_say_has_a_verdict_that_ends),
		cmocka_unit_test(a_device_may_say_how_long_it_wants_to_be_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
