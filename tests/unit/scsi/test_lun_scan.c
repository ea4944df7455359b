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

#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/probe.h"
#include "tests/fakes/fake_nexus.h"
#include "util/cleanup.h"

#define LUN(n) ((uint64_t)(n) << 48)

struct world {
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct lun_scan *scan;

	unsigned ended;
	int error;
	uint64_t *luns;
	size_t count;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->unit = fake_unit_new(16, 512);
	w->nexus = fake_nexus_new(w->unit, 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	fake_nexus_free(w->nexus);
	fake_unit_free(w->unit);
	free(w->luns);
	free(w);
	return 0;
}

static void scan_done(int error, const uint64_t *luns, size_t count, void *userdata)
{
	struct world *w = userdata;

	w->ended++;
	w->error = error;
	w->count = count;
	free(w->luns);
	w->luns = calloc(count + 1, sizeof(*luns));
	if (count > 0)
		memcpy(w->luns, luns, count * sizeof(*luns));
	lun_scan_cancel(w->scan); /* harmless in here */
}

static void start(struct world *w)
{
	w->ended = 0;
	assert_int_equal(lun_scan_start(&w->nexus->nexus, scan_done, w, &w->scan), 0);
	assert_int_equal(w->ended, 0);
}

static void run(struct world *w)
{
	start(w);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(fake_nexus_queued(w->nexus), 0);
}

static void serve(struct world *w, const uint64_t *luns, size_t count)
{
	w->nexus->luns = luns;
	w->nexus->lun_count = count;
}

static void luns_come_in_the_order_given(void **state)
{
	static const uint64_t luns[] = {LUN(0), LUN(7), LUN(1), LUN(0x4100), 0xd2040b0300000000};
	struct world *w = *state;

	serve(w, luns, ARRAY_SIZE(luns));
	run(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->count, ARRAY_SIZE(luns));
	assert_memory_equal(w->luns, luns, sizeof(luns));
	assert_int_equal(w->nexus->record_count, 1);
}

static void a_target_that_shows_nothing_gives_an_empty_list(void **state)
{
	struct world *w = *state;

	serve(w, NULL, 0);
	run(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->count, 0);
}

static void a_long_list_is_asked_for_again_with_room_for_all(void **state)
{
	struct world *w = *state;
	uint64_t luns[2000];

	for (size_t i = 0; i < ARRAY_SIZE(luns); i++)
		luns[i] = LUN(0x4000 + i);
	serve(w, luns, ARRAY_SIZE(luns));
	run(w);
	assert_int_equal(w->count, ARRAY_SIZE(luns));
	assert_memory_equal(w->luns, luns, sizeof(luns));
	assert_int_equal(w->nexus->record_count, 2);
	assert_int_equal(w->nexus->records[0].data_length, 4096);
	assert_int_equal(w->nexus->records[1].data_length, 8 + 8 * 2000);
}

static void a_list_without_end_is_cut_at_16384(void **state)
{
	struct world *w = *state;
	size_t count = 20000;
	owned_memory uint64_t *luns = calloc(count, sizeof(*luns));

	for (size_t i = 0; i < count; i++)
		luns[i] = LUN(i);
	serve(w, luns, count);
	run(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->count, 16384);
	assert_memory_equal(w->luns, luns, 16384 * sizeof(*luns));
	assert_int_equal(w->nexus->record_count, 2);
	assert_int_equal(w->nexus->records[1].data_length, 8 + 8 * 16384);
}

static void told_lengths_of_any_size_are_survived(void **state)
{
	static const struct {
		const char *data;
		size_t length, count;
		int error;
	} rows[] = {
		/* claims half a billion, cut in a LUN, no multiple of 8, more than it tells */
		{"\xff\xff\xff\xff\0\0\0\0\0\1\0\0\0\0\0\0", 16, 0, -EIO},
		{"\0\0\0\x08\0\0\0\0\0\1\0\0\0\0\0\0", 12, 0, -EIO},
		{"\0\0\0\x0f\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0", 24, 1, 0},
		{"\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 16, 0, 0},
		/* no whole header */
		{"\0\0\0\x08\0\0\0", 7, 0, -EIO},
		{"", 0, 0, -EIO},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_nexus_script(w->nexus, SCSI_REPORT_LUNS, FAKE_FOR_EVER,
				  &FAKE_DATA(rows[i].data, rows[i].length));
		run(w);
		assert_int_equal(w->error, rows[i].error);
		assert_int_equal(w->count, rows[i].count);
		if (w->count > 0)
			assert_true(w->luns[0] == LUN(1));
		fake_nexus_clear_script(w->nexus);
	}
}

static void each_lun_is_given_once_and_the_unspecified_one_never(void **state)
{
	static const uint64_t luns[] = {LUN(3), 0, UINT64_MAX, LUN(3), 0, LUN(4), UINT64_MAX - 1};
	static const uint64_t expected[] = {LUN(3), 0, LUN(4), UINT64_MAX - 1};
	struct world *w = *state;

	serve(w, luns, ARRAY_SIZE(luns));
	run(w);
	assert_int_equal(w->count, ARRAY_SIZE(expected));
	assert_memory_equal(w->luns, expected, sizeof(expected));
}

static void a_target_without_report_luns_has_lun_0_alone(void **state)
{
	static const uint8_t codes[][2] = {{0x20, 0}, {0x24, 0}, {0x25, 0}};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		fake_nexus_script(w->nexus, SCSI_REPORT_LUNS, 1,
				  &FAKE_CHECK_CONDITION(5, codes[i][0], codes[i][1]));
		run(w);
		assert_int_equal(w->error, 0);
		assert_int_equal(w->count, 1);
		assert_true(w->luns[0] == 0);
	}
}

static void attentions_and_a_busy_target_are_tried_again(void **state)
{
	struct world *w = *state;

	fake_nexus_script(w->nexus, SCSI_REPORT_LUNS, 5, &FAKE_CHECK_CONDITION(6, 0x3f, 0x0e));
	fake_nexus_script(w->nexus, SCSI_REPORT_LUNS, EXCHANGE_TRIES_MAX - 1,
			  &FAKE_STATUS(SCSI_BUSY));
	run(w);
	assert_int_equal(w->error, 0);
	assert_int_equal(w->count, 1);
}

static void endings_of_every_kind_have_their_error(void **state)
{
	static const struct {
		struct fake_answer answer;
		int error;
	} rows[] = {
		{{.status = SCSI_BUSY}, -EBUSY},
		{{.status = SCSI_CHECK_CONDITION, .key = 2, .asc = 4}, -EBUSY},
		{{.status = SCSI_CHECK_CONDITION, .key = 6, .asc = 0x29}, -EIO},
		{{.status = SCSI_CHECK_CONDITION, .key = 4, .asc = 0x44}, -EIO},
		{{.status = SCSI_RESERVATION_CONFLICT}, -EIO},
		{{.outcome = SCSI_TARGET_FAILURE}, -EIO},
		{{.outcome = SCSI_ABORTED}, -ETIMEDOUT},
		{{.outcome = SCSI_IN_DOUBT}, -ENOTCONN},
		{{.outcome = SCSI_NOT_SENT}, -ENOTCONN},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_nexus_script(w->nexus, SCSI_REPORT_LUNS, FAKE_FOR_EVER, &rows[i].answer);
		run(w);
		assert_int_equal(w->error, rows[i].error);
		assert_int_equal(w->count, 0);
		fake_nexus_clear_script(w->nexus);
	}
}

static void a_nexus_that_is_down_refuses_the_start(void **state)
{
	struct world *w = *state;

	fake_nexus_set_up(w->nexus, false);
	assert_int_equal(lun_scan_start(&w->nexus->nexus, scan_done, w, &w->scan), -ENOTCONN);
	assert_int_equal(w->ended, 0);
}

static void loss_between_the_two_commands_ends_the_scan(void **state)
{
	struct world *w = *state;
	uint64_t luns[600] = {};

	serve(w, luns, ARRAY_SIZE(luns));
	start(w);
	fake_nexus_set_up(w->nexus, false);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 1);
	assert_int_equal(w->error, -ENOTCONN);
}

static void cancel_waits_for_the_command_in_flight_and_says_nothing(void **state)
{
	struct world *w = *state;

	start(w);
	lun_scan_cancel(w->scan);
	assert_int_equal(w->nexus->aborts, 1);
	fake_nexus_run(w->nexus);
	assert_int_equal(w->ended, 0);
	lun_scan_cancel(NULL);
}

static void lun_numbers_are_those_of_linux(void **state)
{
	static const struct {
		uint64_t lun, number;
	} rows[] = {
		{0, 0},
		{LUN(1), 1},
		{LUN(0x00ff), 255},
		{LUN(0x4100), 16640},
		{LUN(0xc101), 49409},
		{0xd2040b0300000000, 0x0b03d204},
		{0x0001000200030004, 0x0004000300020001},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(lun_number(rows[i].lun) == rows[i].number);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(luns_come_in_the_order_given),
		TEST(a_target_that_shows_nothing_gives_an_empty_list),
		TEST(a_long_list_is_asked_for_again_with_room_for_all),
		TEST(a_list_without_end_is_cut_at_16384),
		TEST(told_lengths_of_any_size_are_survived),
		TEST(each_lun_is_given_once_and_the_unspecified_one_never),
		TEST(a_target_without_report_luns_has_lun_0_alone),
		TEST(attentions_and_a_busy_target_are_tried_again),
		TEST(endings_of_every_kind_have_their_error),
		TEST(a_nexus_that_is_down_refuses_the_start),
		TEST(loss_between_the_two_commands_ends_the_scan),
		TEST(cancel_waits_for_the_command_in_flight_and_says_nothing),
		cmocka_unit_test(lun_numbers_are_those_of_linux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
