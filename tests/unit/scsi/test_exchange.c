/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "tests/fakes/fake_nexus.h"
#include "util/cleanup.h"

static enum exchange_answer judge_sense(uint8_t key, uint8_t asc, uint8_t ascq, bool deferred)
{
	struct scsi_command command = {};
	struct scsi_sense sense;
	enum exchange_answer answer;

	fake_sense(&command, false, deferred, key, asc, ascq);
	answer = exchange_judge(&command.result, &sense);
	assert_true(sense.valid);
	assert_int_equal(sense.key, key);
	return answer;
}

static void every_sense_key_has_its_answer(void **state)
{
	static const enum exchange_answer answers[16] = {
		EXCHANGE_GOOD,	EXCHANGE_GOOD,	  EXCHANGE_NOT_READY, EXCHANGE_ERROR,
		EXCHANGE_ERROR, EXCHANGE_REFUSED, EXCHANGE_ATTENTION, EXCHANGE_ERROR,
		EXCHANGE_ERROR, EXCHANGE_ERROR,	  EXCHANGE_ERROR,     EXCHANGE_AGAIN,
		EXCHANGE_ERROR, EXCHANGE_ERROR,	  EXCHANGE_ERROR,     EXCHANGE_GOOD,
	};

	for (uint8_t key = 0; key < 16; key++) {
		assert_int_equal(judge_sense(key, 0x04, 0x01, false), answers[key]);
		assert_int_equal(judge_sense(key, 0x04, 0x01, true), EXCHANGE_AGAIN);
		assert_int_equal(judge_sense(key, 0x25, 0x00, false),
				 key == 5 || key == 0xb ? EXCHANGE_NO_UNIT : answers[key]);
	}
}

static void every_status_has_its_answer(void **state)
{
	for (unsigned status = 0; status < 256; status++) {
		struct scsi_result result = {.status = (uint8_t)status};
		enum exchange_answer expected = EXCHANGE_ERROR;
		struct scsi_sense sense;

		if (status == 0x00 || status == 0x04)
			expected = EXCHANGE_GOOD;
		else if (status == 0x08 || status == 0x28)
			expected = EXCHANGE_BUSY;
		else if (status == 0x18)
			expected = EXCHANGE_RESERVED;
		else if (status == 0x02 || status == 0x30 || status == 0x40)
			expected = EXCHANGE_AGAIN; /* 02h: without sense data */
		assert_int_equal(exchange_judge(&result, &sense), expected);
		assert_false(sense.valid);
	}
}

static void every_outcome_has_its_answer_and_words(void **state)
{
	static const struct {
		enum scsi_outcome outcome;
		enum exchange_answer answer;
		const char *text;
	} rows[] = {
		{SCSI_COMPLETED, EXCHANGE_GOOD, "READ CAPACITY(16): good"},
		{SCSI_NOT_SENT, EXCHANGE_LOST,
		 "READ CAPACITY(16): connection lost before it was sent"},
		{SCSI_IN_DOUBT, EXCHANGE_LOST,
		 "READ CAPACITY(16): connection lost before it was answered"},
		{SCSI_ABORTED, EXCHANGE_LOST, "READ CAPACITY(16): aborted, no answer in time"},
		{SCSI_TARGET_FAILURE, EXCHANGE_AGAIN, "READ CAPACITY(16): target failure"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scsi_command command = {.result = {.outcome = rows[i].outcome}};
		struct scsi_sense sense;
		char text[EXCHANGE_TEXT_MAX];

		cdb_read_capacity_16(&command, 32);
		assert_int_equal(exchange_judge(&command.result, &sense), rows[i].answer);
		assert_string_equal(exchange_describe(&command, text), rows[i].text);
	}
}

static void sense_is_described_behind_the_command(void **state)
{
	struct scsi_command command = {};
	char text[EXCHANGE_TEXT_MAX];

	cdb_report_supported_operation_code(&command, 0x42, -1, 64); /* the longest name */
	fake_sense(&command, true, true, 6, 0x2a, 0x07);
	assert_string_equal(exchange_describe(&command, text),
			    "REPORT SUPPORTED OPERATION CODES: deferred unit attention: implicit "
			    "asymmetric access state transition failed (6/2a/07)");
}

/* An owner that counts. */
struct owner {
	struct exchange exchange;
	unsigned answered, released;
	enum exchange_answer last;
	bool resend;
};

static void answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct owner *owner = container_of(exchange, struct owner, exchange);

	owner->answered++;
	owner->last = answer;
	if (owner->resend)
		exchange_resend(exchange, answer);
}

static void released(struct exchange *exchange)
{
	container_of(exchange, struct owner, exchange)->released++;
}

static unsigned times_sent(const struct fake_answer *answer)
{
	struct fake_unit *unit = fake_unit_new(1, 512);
	struct fake_nexus *nexus = fake_nexus_new(unit, 0);
	struct owner owner = {
		.exchange = {.nexus = &nexus->nexus, .answered = answered, .released = released},
		.resend = true,
	};
	unsigned times;

	cdb_test_unit_ready(&owner.exchange.command);
	fake_nexus_script(nexus, FAKE_ANY_OPCODE, FAKE_FOR_EVER, answer);
	assert_int_equal(exchange_send(&owner.exchange), 0);
	assert_true(owner.exchange.command.timeout_ms > 0);
	fake_nexus_run(nexus);
	times = (unsigned)nexus->record_count;
	assert_int_equal(owner.answered, times);
	fake_nexus_free(nexus);
	fake_unit_free(unit);
	return times;
}

static void resending_is_bounded_by_what_went_wrong(void **state)
{
	assert_int_equal(times_sent(&FAKE_STATUS(SCSI_GOOD)), 1);
	assert_int_equal(times_sent(&FAKE_STATUS(SCSI_BUSY)), EXCHANGE_TRIES_MAX);
	assert_int_equal(times_sent(&FAKE_CHECK_CONDITION(2, 4, 1)), EXCHANGE_TRIES_MAX);
	assert_int_equal(times_sent(&FAKE_CHECK_CONDITION(0xb, 0x47, 0)), EXCHANGE_TRIES_MAX);
	assert_int_equal(times_sent(&FAKE_DEFERRED(3, 0x0c, 0)), EXCHANGE_TRIES_MAX);
	assert_int_equal(times_sent(&FAKE_CHECK_CONDITION(6, 0x29, 0)),
			 EXCHANGE_ATTENTIONS_MAX + 1);
	assert_int_equal(times_sent(&FAKE_CHECK_CONDITION(5, 0x20, 0)), 1);
	assert_int_equal(times_sent(&FAKE_CHECK_CONDITION(4, 0x44, 0)), 1);
	assert_int_equal(times_sent(&FAKE_OUTCOME(SCSI_IN_DOUBT)), 1);
	assert_int_equal(times_sent(&FAKE_STATUS(SCSI_RESERVATION_CONFLICT)), 1);
}

static void a_cancelled_exchange_is_released_when_its_command_is_back(void **state)
{
	struct fake_unit *unit = fake_unit_new(1, 512);
	struct fake_nexus *nexus = fake_nexus_new(unit, 0);
	struct owner owner = {
		.exchange = {.nexus = &nexus->nexus, .answered = answered, .released = released},
	};

	cdb_test_unit_ready(&owner.exchange.command);
	nexus->ignores_aborts = true; /* the answer was on its way already */
	assert_int_equal(exchange_send(&owner.exchange), 0);
	exchange_cancel(&owner.exchange);
	assert_int_equal(nexus->aborts, 1);
	assert_int_equal(owner.released, 0);
	fake_nexus_run(nexus);
	assert_int_equal(owner.answered, 0);
	assert_int_equal(owner.released, 1);
	fake_nexus_free(nexus);
	fake_unit_free(unit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sense_key_has_its_answer),
		cmocka_unit_test(every_status_has_its_answer),
		cmocka_unit_test(every_outcome_has_its_answer_and_words),
		cmocka_unit_test(sense_is_described_behind_the_command),
		cmocka_unit_test(resending_is_bounded_by_what_went_wrong),
		cmocka_unit_test(a_cancelled_exchange_is_released_when_its_command_is_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
