/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/alua.h"
#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "tests/fakes/fake_nexus.h"
#include "util/cleanup.h"

/* ---- states ---------------------------------------------------------------------------------- */

static void every_state_has_its_code_and_its_name(void **state)
{
	static const struct {
		uint8_t code;
		enum access_state state;
		const char *name;
	} rows[16] = {
		{0x0, ACCESS_OPTIMIZED, "optimized"},
		{0x1, ACCESS_NON_OPTIMIZED, "non-optimized"},
		{0x2, ACCESS_STANDBY, "standby"},
		{0x3, ACCESS_UNAVAILABLE, "unavailable"},
		{0x4, ACCESS_LBA_DEPENDENT, "lba-dependent"},
		{0x5, ACCESS_UNKNOWN, ""},
		{0x6, ACCESS_UNKNOWN, ""},
		{0x7, ACCESS_UNKNOWN, ""},
		{0x8, ACCESS_UNKNOWN, ""},
		{0x9, ACCESS_UNKNOWN, ""},
		{0xa, ACCESS_UNKNOWN, ""},
		{0xb, ACCESS_UNKNOWN, ""},
		{0xc, ACCESS_UNKNOWN, ""},
		{0xd, ACCESS_UNKNOWN, ""},
		{0xe, ACCESS_OFFLINE, "offline"},
		{0xf, ACCESS_TRANSITIONING, "transitioning"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(access_state_of(rows[i].code), rows[i].state);
		assert_string_equal(access_state_name(rows[i].state), rows[i].name);
	}
}

static void sense_data_tell_the_state_of_the_port_group(void **state)
{
	static const struct {
		uint8_t key, ascq;
		enum access_state state;
	} rows[] = {
		{0x2, 0x0a, ACCESS_TRANSITIONING}, {0x2, 0x0b, ACCESS_STANDBY},
		{0x2, 0x0c, ACCESS_UNAVAILABLE},   {0x2, 0x12, ACCESS_OFFLINE},
		{0x6, 0x0a, ACCESS_TRANSITIONING}, {0x2, 0x01, ACCESS_UNKNOWN},
		{0x5, 0x0b, ACCESS_UNKNOWN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(access_state_of_sense(rows[i].key, 0x04, rows[i].ascq),
				 rows[i].state);
	assert_int_equal(access_state_of_sense(0x2, 0x05, 0x0b), ACCESS_UNKNOWN);
	assert_true(access_sense_is_change(0x6, 0x2a, 0x06));
	assert_true(access_sense_is_change(0x6, 0x2a, 0x07));
	assert_false(access_sense_is_change(0x6, 0x2a, 0x05));
	assert_false(access_sense_is_change(0x6, 0x2a, 0x08));
	assert_false(access_sense_is_change(0x2, 0x2a, 0x06));
}

/* ---- the parser ------------------------------------------------------------------------------ */

#define PLAIN \
	"\0\0\0\x1c" \
	"\x80\xdf\0\x01\0\x02\0\x02\0\0\0\x05\0\0\x01\x06" \
	"\x0f\x0f\x12\x34\0\x01\0\x01\0\0\0\x07"
#define EXTENDED \
	"\0\0\0\x10" \
	"\x10\x1e\0\0" \
	"\x02\x0f\0\x01\0\x02\0\x01\0\0\0\x05"

static void both_groups_are_read_with_a_header_of_the_length_alone(void **state)
{
	struct alua_report report;
	struct alua_group group;

	assert_int_equal(alua_report_length(PLAIN, 32), 32);
	assert_int_equal(alua_report_parse(PLAIN, 32, &report), 0);
	assert_int_equal(report.transition_s, 0);
	assert_true(alua_report_next(&report, &group));
	assert_int_equal(group.id, 1);
	assert_int_equal(group.state, ACCESS_OPTIMIZED);
	assert_true(group.preferred);
	assert_int_equal(group.supported, 0xdf);
	assert_int_equal(group.status, 2);
	assert_true(alua_group_has_port(&group, 5));
	assert_true(alua_group_has_port(&group, 0x0106));
	assert_false(alua_group_has_port(&group, 6));
	assert_true(alua_report_next(&report, &group));
	assert_int_equal(group.id, 0x1234);
	assert_int_equal(group.state, ACCESS_TRANSITIONING);
	assert_false(group.preferred);
	assert_false(alua_report_next(&report, &group));
}

static void the_extended_header_has_the_transition_time(void **state)
{
	struct alua_report report;
	struct alua_group group;

	assert_int_equal(alua_report_parse(EXTENDED, 20, &report), 0);
	assert_int_equal(report.transition_s, 30);
	assert_true(alua_report_next(&report, &group));
	assert_int_equal(group.id, 1);
	assert_int_equal(group.state, ACCESS_STANDBY);
	assert_false(alua_report_next(&report, &group));
}

static void nothing_is_read_behind_what_came(void **state)
{
	struct alua_report report;
	struct alua_group group;
	unsigned found;

	for (size_t length = 0; length < 32; length++) {
		owned_memory char *copy = malloc(length ? length : 1);

		assert_non_null(copy);
		memcpy(copy, PLAIN, length);
		if (length < 4) {
			assert_int_equal(alua_report_parse(copy, length, &report), -EBADMSG);
			assert_int_equal(alua_report_length(copy, length), 0);
			continue;
		}
		assert_int_equal(alua_report_parse(copy, length, &report), 0);
		for (found = 0; alua_report_next(&report, &group);) {
			assert_false(alua_group_has_port(&group, 99));
			found++;
		}
		assert_int_equal(found, length >= 28 ? 2 : length >= 12 ? 1 : 0);
	}
}

/* As LIO of Linux 6.12 sends it: its length lacks the four bytes of the extended header. */
static void a_group_whose_ports_are_cut_off_counts(void **state)
{
	char copy[20];
	struct alua_report report;
	struct alua_group group;

	memcpy(copy, EXTENDED, sizeof(copy));
	copy[3] = 12;
	assert_int_equal(alua_report_parse(copy, 16, &report), 0);
	assert_true(alua_report_find(&report, 5, 1, &group));
	assert_int_equal(group.id, 1);
	assert_int_equal(group.state, ACCESS_STANDBY);
	assert_false(alua_group_has_port(&group, 5));
}

static void what_stands_behind_the_told_length_does_not_count(void **state)
{
	char copy[32];
	struct alua_report report;
	struct alua_group group;

	memcpy(copy, PLAIN, sizeof(copy));
	copy[3] = 16;
	assert_int_equal(alua_report_parse(copy, sizeof(copy), &report), 0);
	assert_true(alua_report_next(&report, &group));
	assert_false(alua_report_next(&report, &group));
	memset(copy, 0xff, 4);
	assert_int_equal(alua_report_length(copy, sizeof(copy)), UINT32_MAX);
	assert_int_equal(alua_report_parse(copy, sizeof(copy), &report), 0);
}

static void a_port_is_in_the_group_that_lists_it(void **state)
{
	struct alua_report report;
	struct alua_group group;

	assert_int_equal(alua_report_parse(PLAIN, 32, &report), 0);
	assert_true(alua_report_find(&report, 7, 1, &group));
	assert_int_equal(group.id, 0x1234);
	assert_true(alua_report_find(&report, 99, 1, &group));
	assert_int_equal(group.id, 1);
	assert_true(alua_report_find(&report, -1, 0x1234, &group));
	assert_int_equal(group.id, 0x1234);
	assert_false(alua_report_find(&report, 99, 99, &group));
	assert_false(alua_report_find(&report, -1, -1, &group));
}

/* ---- the questions --------------------------------------------------------------------------- */

struct world {
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct alua_query *query;
	struct alua_activation *activation;
	unsigned ended;
	int error;
	unsigned groups;
	struct alua_group last;
	uint8_t transition_s;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->unit = fake_unit_new(16, 512);
	w->unit->tpgs = 3;
	fake_unit_set_port_group(w->unit, 1, 0x0, true);
	fake_unit_set_port_group(w->unit, 2, 0x2, false);
	w->nexus = fake_nexus_new(w->unit, 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	fake_nexus_free(w->nexus);
	fake_unit_free(w->unit);
	free(w);
	return 0;
}

static void queried(int error, const struct alua_report *report, void *userdata)
{
	struct world *w = userdata;
	struct alua_report rest;

	w->ended++;
	w->error = error;
	w->groups = 0;
	if (error < 0)
		return;
	rest = *report;
	w->transition_s = report->transition_s;
	while (alua_report_next(&rest, &w->last))
		w->groups++;
	alua_query_cancel(w->query); /* harmless in here */
}

static void ask(struct world *w)
{
	w->ended = 0;
	assert_int_equal(alua_query_start(&w->nexus->nexus, 2000, queried, w, &w->query), 0);
	assert_int_equal(w->ended, 0);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(fake_nexus_queued(w->nexus), 0);
}

static void the_groups_of_a_unit_are_asked_for(void **state)
{
	struct world *w = *state;

	w->unit->transition_s = 42;
	ask(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->groups, 2);
	assert_int_equal(w->transition_s, 42);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MAINTENANCE_IN), 1);
}

static void a_refused_header_is_asked_for_without(void **state)
{
	struct world *w = *state;

	w->unit->no_extended_header = true;
	ask(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->groups, 2);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MAINTENANCE_IN), 2);
	assert_int_equal(w->nexus->records[0].cdb[1], 0x2a);
	assert_int_equal(w->nexus->records[1].cdb[1], 0x0a);
}

static void unit_attentions_cost_nothing(void **state)
{
	struct world *w = *state;

	fake_nexus_unit_attention(w->nexus, 0x2a, 0x06);
	fake_nexus_unit_attention(w->nexus, 0x29, 0x00);
	ask(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->groups, 2);
}

static void a_long_answer_is_asked_for_once_more(void **state)
{
	static uint8_t answer[4 + 200 * 12];
	struct world *w = *state;
	struct writer writer = writer_of(answer, sizeof(answer));

	writer_u32(&writer, sizeof(answer) - 4);
	for (uint16_t i = 0; i < 200; i++) {
		writer_u16(&writer, 0x0100);
		writer_u16(&writer, i);
		writer_u32(&writer, 1);
		writer_u32(&writer, i);
	}
	fake_nexus_script(w->nexus, SCSI_MAINTENANCE_IN, 2, &FAKE_DATA(answer, sizeof(answer)));
	ask(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->groups, 200);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MAINTENANCE_IN), 2);
	assert_int_equal(w->nexus->records[1].data_length, sizeof(answer));
}

static void nobody_is_believed_to_have_more_than_64_kib(void **state)
{
	static const uint8_t answer[1024] = {0xff, 0xff, 0xff, 0xff};
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_MAINTENANCE_IN, FAKE_FOR_EVER,
			  &FAKE_DATA(answer, sizeof(answer)));
	ask(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(fake_nexus_count(w->nexus, SCSI_MAINTENANCE_IN), 2);
	assert_int_equal(w->nexus->records[1].data_length, 65536);
}

static void every_failure_has_its_error(void **state)
{
	static const struct {
		struct fake_answer answer;
		int error;
	} rows[] = {
		{FAKE_CHECK_CONDITION(0x5, 0x20, 0x00), -EOPNOTSUPP},
		{FAKE_CHECK_CONDITION(0x5, 0x25, 0x00), -EIO},
		{FAKE_CHECK_CONDITION(0x2, 0x04, 0x0a), -EINPROGRESS},
		{FAKE_CHECK_CONDITION(0x2, 0x04, 0x01), -EBUSY},
		{FAKE_CHECK_CONDITION(0x4, 0x44, 0x00), -EIO},
		{FAKE_CHECK_CONDITION(0xb, 0x00, 0x00), -EIO},
		{FAKE_STATUS(SCSI_BUSY), -EBUSY},
		{FAKE_STATUS(SCSI_RESERVATION_CONFLICT), -EIO},
		{FAKE_OUTCOME(SCSI_ABORTED), -ETIMEDOUT},
		{FAKE_DATA("\0\0", 2), -EBADMSG},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_nexus_script(w->nexus, SCSI_MAINTENANCE_IN, FAKE_FOR_EVER, &rows[i].answer);
		ask(w);
		assert_int_equal(w->error, rows[i].error);
		fake_nexus_clear_script(w->nexus);
	}
}

static void a_lost_connection_ends_the_question(void **state)
{
	struct world *w = *state;

	assert_int_equal(alua_query_start(&w->nexus->nexus, 2000, queried, w, &w->query), 0);
	fake_nexus_lose(w->nexus, 1);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->error, -ENOTCONN);
	assert_int_equal(alua_query_start(&w->nexus->nexus, 2000, queried, w, &w->query),
			 -ENOTCONN);
	assert_int_equal(w->ended, 1);
}

static void a_cancelled_question_is_silent(void **state)
{
	struct world *w = *state;

	assert_int_equal(alua_query_start(&w->nexus->nexus, 2000, queried, w, &w->query), 0);
	alua_query_cancel(w->query);
	alua_query_cancel(NULL);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 0);
	assert_int_equal(w->nexus->aborts, 1);
}

static void activated(int error, void *userdata)
{
	struct world *w = userdata;

	w->ended++;
	w->error = error;
	alua_activation_cancel(w->activation); /* harmless in here */
}

static void activate(struct world *w, uint16_t group)
{
	w->ended = 0;
	assert_int_equal(
		alua_activation_start(&w->nexus->nexus, group, 60000, activated, w, &w->activation),
		0);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
}

static void a_group_is_activated(void **state)
{
	struct world *w = *state;

	w->nexus->target_port_group = 2;
	fake_nexus_unit_attention(w->nexus, 0x29, 0x00);
	activate(w, 2);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->unit->activations, 1);
	ask(w);
	assert_int_equal(w->last.id, 2);
	assert_int_equal(w->last.state, ACCESS_OPTIMIZED);
}

static void an_activation_that_fails_is_not_sent_again(void **state)
{
	struct world *w = *state;
	static const struct {
		struct fake_answer answer;
		int error;
	} rows[] = {
		{FAKE_CHECK_CONDITION(0x5, 0x67, 0x0a), -EREMOTEIO},
		{FAKE_CHECK_CONDITION(0x5, 0x20, 0x00), -EOPNOTSUPP},
		{FAKE_STATUS(SCSI_BUSY), -EBUSY},
		{FAKE_CHECK_CONDITION(0x2, 0x04, 0x0a), -EINPROGRESS},
		{FAKE_CHECK_CONDITION(0xb, 0x00, 0x00), -EIO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_nexus_script(w->nexus, SCSI_MAINTENANCE_OUT, FAKE_FOR_EVER, &rows[i].answer);
		activate(w, 2);
		assert_int_equal(w->error, rows[i].error);
		assert_int_equal(fake_nexus_count(w->nexus, SCSI_MAINTENANCE_OUT), i + 1);
		fake_nexus_clear_script(w->nexus);
	}
	assert_int_equal(
		alua_activation_start(&w->nexus->nexus, 2, 60000, activated, w, &w->activation), 0);
	alua_activation_cancel(w->activation);
	fake_nexus_run(w->nexus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_code_and_its_name),
		cmocka_unit_test(sense_data_tell_the_state_of_the_port_group),
		cmocka_unit_test(both_groups_are_read_with_a_header_of_the_length_alone),
		cmocka_unit_test(the_extended_header_has_the_transition_time),
		cmocka_unit_test(nothing_is_read_behind_what_came),
		cmocka_unit_test(a_group_whose_ports_are_cut_off_counts),
		cmocka_unit_test(what_stands_behind_the_told_length_does_not_count),
		cmocka_unit_test(a_port_is_in_the_group_that_lists_it),
		cmocka_unit_test_setup_teardown(the_groups_of_a_unit_are_asked_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_refused_header_is_asked_for_without, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(unit_attentions_cost_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_answer_is_asked_for_once_more, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_believed_to_have_more_than_64_kib, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_failure_has_its_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_connection_ends_the_question, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_question_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_group_is_activated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_activation_that_fails_is_not_sent_again, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
