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
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

static void states_have_the_names_of_the_bus(void **state)
{
	assert_string_equal(map_state_name(MAP_OK), "ok");
	assert_string_equal(map_state_name(MAP_DEGRADED), "degraded");
	assert_string_equal(map_state_name(MAP_NO_PATH_QUEUEING), "no-path-queueing");
	assert_string_equal(map_state_name(MAP_NO_PATH_FAILING), "no-path-failing");
	assert_string_equal(map_state_name(MAP_LOST), "lost");
}

static void an_unknown_selector_is_refused(void **state)
{
	struct map_settings settings = fixture_settings;
	struct ring *ring = fake_ring_new();
	struct unit unit = {};
	struct map *map = NULL;

	strcpy(settings.selector, "magic");
	assert_int_equal(map_new(ring, &unit, &settings, NULL, NULL, &map), -EINVAL);
	assert_null(map);
	map_free(NULL);
	ring_free(ring);
}

static void what_was_written_is_read_back_through_any_path(void **state)
{
	struct fixture *f = fixture_new(3, NULL);
	struct request *write = fixture_write(f, 10, 8, 0x5a), *read;

	fixture_run(f);
	assert_int_equal(write->error, 0);
	for (int i = 0; i < 3; i++) {
		read = fixture_read(f, 10, 8);
		fixture_run(f);
		assert_int_equal(read->error, 0);
		assert_memory_equal(read->data, write->data, sizeof(read->data));
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(fake_nexus_count(f->nexus[i], FAKE_ANY_OPCODE), 1, 2);
	fixture_free(f);
}

static void a_map_is_degraded_unless_every_path_is_usable(void **state)
{
	struct fixture *f = fixture_new(0, NULL);

	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	fixture_add_path(f);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	path_verified(f->path[0]);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	fixture_add_path(f);
	assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
	path_verified(f->path[1]);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	path_quarantine(f->path[0], "other serial number");
	assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
	fixture_remove_path(f, 0);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	assert_int_equal(map_path_count(f->map), 1);
	fixture_lose(f, 1);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	fixture_relogin(f, 1);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	assert_int_equal(f->map_event_count, 7);
	fixture_free(f);
}

static void the_observer_hears_each_step_of_a_path_with_its_reason(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	fixture_lose(f, 1);
	fixture_relogin(f, 1);
	path_quarantine(f->path[1], "it is another disk");
	assert_int_equal(f->path_event_count, 3);
	assert_ptr_equal(f->path_events[0].path, f->path[1]);
	assert_int_equal(f->path_events[0].from, PATH_ACTIVE);
	assert_int_equal(f->path_events[0].to, PATH_DOWN);
	assert_string_equal(f->path_events[0].reason, "connection reset");
	assert_int_equal(f->path_events[1].to, PATH_PROBATION);
	assert_string_equal(f->path_events[1].reason, "identity verified");
	assert_int_equal(f->path_events[2].to, PATH_QUARANTINED);
	assert_string_equal(f->path_events[2].reason, "it is another disk");
	fixture_free(f);
}

static void a_map_without_observer_works(void **state)
{
	struct ring *ring = fake_ring_new();
	struct fake_nexus *nexus = fake_nexus_new(NULL, 0);
	struct unit unit = {};
	struct path *path;
	struct map *map;

	assert_int_equal(map_new(ring, &unit, &fixture_settings, NULL, ring, &map), 0);
	assert_ptr_equal(map_userdata(map), ring);
	assert_int_equal(map_add_path(map, &nexus->nexus, NULL, &path), 0);
	path_verified(path);
	path_lost(path, "gone");
	assert_int_equal(map_get_state(map), MAP_NO_PATH_QUEUEING);
	map_free(map);
	fake_nexus_free(nexus);
	ring_free(ring);
}

static void a_nexus_joins_once_and_at_most_64_do(void **state)
{
	struct ring *ring = fake_ring_new();
	struct fake_nexus *nexus[PATH_SLOTS + 1];
	struct path *path[PATH_SLOTS], *other = NULL;
	struct unit unit = {};
	struct map *map;

	assert_int_equal(map_new(ring, &unit, &fixture_settings, NULL, NULL, &map), 0);
	for (int i = 0; i <= PATH_SLOTS; i++)
		nexus[i] = fake_nexus_new(NULL, 0);
	for (int i = 0; i < PATH_SLOTS; i++)
		assert_int_equal(map_add_path(map, &nexus[i]->nexus, NULL, &path[i]), 0);
	assert_int_equal(map_add_path(map, &nexus[3]->nexus, NULL, &other), -EEXIST);
	assert_int_equal(map_add_path(map, &nexus[PATH_SLOTS]->nexus, NULL, &other), -ENOSPC);
	assert_null(other);
	map_remove_path(map, path[17]);
	assert_int_equal(map_add_path(map, &nexus[PATH_SLOTS]->nexus, NULL, &other), 0);
	assert_int_equal(other->slot, 17);
	assert_ptr_equal(path_map(other), map);
	map_free(map);
	for (int i = 0; i <= PATH_SLOTS; i++)
		fake_nexus_free(nexus[i]);
	ring_free(ring);
}

static void limits_can_be_replaced_after_a_resize(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct unit_limits limits = map_unit(f->map)->limits;

	limits.blocks *= 2;
	map_set_limits(f->map, &limits);
	assert_int_equal(map_unit(f->map)->limits.blocks, 2 * FIXTURE_BLOCKS);
	assert_string_equal(map_unit(f->map)->identity.wwid, f->description.identity.wwid);
	fixture_free(f);
}

/* --- the last path --- */

static void only_the_only_usable_path_is_told_that_it_is_the_last(void **state)
{
	struct fixture *f = fixture_new(1, NULL);

	assert_true(f->nexus[0]->last_path);
	fixture_add_path(f);
	assert_true(f->nexus[0]->last_path);
	path_verified(f->path[1]);
	assert_false(f->nexus[0]->last_path);
	assert_false(f->nexus[1]->last_path);
	fixture_lose(f, 0);
	assert_true(f->nexus[1]->last_path);
	fixture_relogin(f, 0);
	assert_false(f->nexus[0]->last_path);
	assert_false(f->nexus[1]->last_path);
	fixture_remove_path(f, 1);
	assert_true(f->nexus[0]->last_path);
	fixture_free(f);
}

static void the_last_path_is_kept_however_it_fails_commands(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	for (unsigned i = 0; i < 2; i++)
		fake_nexus_script(f->nexus[i], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
				  &FAKE_CHECK_CONDITION(0x2, 0x04, 0x03));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(path_get_state(f->path[0]), PATH_FAILED);
	assert_string_equal(f->path_events[0].reason, "manual intervention required");
	assert_int_equal(path_get_state(f->path[1]), PATH_ACTIVE);
	for (unsigned i = 0; i < 2; i++)
		fake_nexus_clear_script(f->nexus[i]);
	fake_ring_advance(f->ring, 100);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void a_path_that_only_failed_commands_is_back_when_no_other_is_left(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_CHECK_CONDITION(0x2, 0x08, 0x00));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_FAILED);
	fixture_lose(f, 1);
	assert_int_equal(path_get_state(f->path[0]), PATH_PROBATION);
	assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
	assert_true(f->nexus[0]->last_path);
	fixture_free(f);
}

/* --- failover --- */

static void commands_not_sent_move_at_once_and_freely(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *r[3] = {fixture_read(f, 0, 1), fixture_write(f, 0, 1, 1), NULL};

	r[2] = fixture_flush(f);
	fake_nexus_lose(f->nexus[0], 0); /* before anybody says so */
	assert_int_equal(path_get_state(f->path[0]), PATH_DOWN);
	path_lost(f->path[0], "connection reset");
	assert_int_equal(fixture_queued(f, 1), 3);
	fixture_run(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(r[i]->error, 0);
	fixture_free(f);
}

static void reads_and_flushes_in_doubt_are_sent_elsewhere_at_once(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *r[4];

	for (int i = 0; i < 4; i++)
		r[i] = i < 2 ? fixture_read(f, (uint64_t)i, 1) : fixture_flush(f);
	fixture_lose(f, 0);
	assert_int_equal(fixture_queued(f, 1), 4);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	fixture_run(f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(r[i]->error, 0);
	fixture_free(f);
}

static void commands_may_come_back_in_any_order(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *r[6];

	for (int i = 0; i < 6; i++)
		r[i] = fixture_write(f, (uint64_t)i, 1, (uint8_t)i);
	for (size_t left = 6; left > 0; left--)
		fake_nexus_run_one(f->nexus[0], left / 2);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(r[i]->error, 0);
		assert_int_equal(*(uint8_t *)fake_unit_block(f->unit, (uint64_t)i), i);
	}
	fixture_free(f);
}

static void standby_port_moves_the_command_to_another_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b));
	read = fixture_read(f, 0, 1);
	assert_int_equal(fixture_where(f), 0);
	fake_nexus_run(f->nexus[0]);
	assert_int_equal(fixture_where(f), 1);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 1);
	assert_int_equal(f->attention_count, 1);
	fixture_free(f);
}

static void every_other_path_is_tried_before_one_is_tried_again(void **state)
{
	struct fixture *f = fixture_new(4, NULL);
	struct request *read;

	for (unsigned i = 0; i < 4; i++)
		fake_nexus_script(f->nexus[i], FAKE_ANY_OPCODE, 1,
				  &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fake_nexus_count(f->nexus[i], FAKE_ANY_OPCODE), 1);
	assert_int_equal(read->error, NOT_ENDED);
	fake_ring_advance(f->ring, 99);
	assert_int_equal(fixture_executed(f), 4);
	fake_ring_advance(f->ring, 1);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void path_trouble_on_every_path_ends_with_eio_after_no_path_retry(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = 5000;
	f = fixture_new(2, &settings);
	for (unsigned i = 0; i < 2; i++)
		fake_nexus_script(f->nexus[i], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
				  &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	read = fixture_read(f, 0, 1);
	for (int ms = 0; ms < 4900; ms += 100) {
		fixture_run(f);
		assert_int_equal(read->error, NOT_ENDED);
		fake_ring_advance(f->ring, 100);
	}
	for (int ms = 0; ms < 2000; ms += 100) {
		fixture_run(f);
		fake_ring_advance(f->ring, 100);
	}
	assert_int_equal(read->error, -EIO);
	assert_true(fixture_executed(f) < 30); /* pauses grow */
	fixture_free(f);
}

static void with_no_path_retry_for_ever_path_trouble_never_ends_a_command(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = -1;
	f = fixture_new(1, &settings);
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 500, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	read = fixture_read(f, 0, 1);
	for (int i = 0; i < 500; i++) {
		fixture_run(f);
		assert_int_equal(read->error, NOT_ENDED);
		fake_ring_advance(f->ring, 1000);
	}
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void with_no_path_retry_zero_path_trouble_ends_when_all_were_tried(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = 0;
	f = fixture_new(3, &settings);
	for (unsigned i = 0; i < 3; i++)
		fake_nexus_script(f->nexus[i], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
				  &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(read->error, -EIO);
	assert_int_equal(fixture_executed(f), 3);
	fixture_free(f);
}

static void a_path_that_fails_eight_commands_in_a_row_has_failed(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0xb, 0x47, 0x05));
	for (int i = 0; i < 8; i++) { /* after each failover it is path 0's turn again */
		fixture_read(f, 0, 1);
		assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
		fixture_run(f);
	}
	assert_int_equal(path_get_state(f->path[0]), PATH_FAILED);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 8);
	assert_int_equal(path_get_statistics(f->path[0])->failures, 1);
	fixture_free(f);
}

static void a_success_between_errors_clears_the_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	for (int i = 0; i < 45; i++) {
		if (i % 9 < 7)
			fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1,
					  &FAKE_CHECK_CONDITION(0xb, 0x47, 0x05));
		fixture_read(f, 0, 1);
		fixture_run(f);
	}
	assert_int_equal(path_get_statistics(f->path[0])->errors, 35);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fixture_free(f);
}

/* --- errors that are the submitter's --- */

static const struct {
	struct fake_answer answer;
	enum map_command_kind kind;
	int error;
	size_t executed; /* of two paths */
} failures[] = {
	{FAKE_CHECK_CONDITION(0x3, 0x11, 0x00), MAP_READ, -ENODATA, 1},
	{FAKE_CHECK_CONDITION(0x3, 0x11, 0x00), MAP_WRITE, -EIO, 1},
	{FAKE_CHECK_CONDITION(0x3, 0x0c, 0x00), MAP_WRITE, -EIO, 2},
	{FAKE_CHECK_CONDITION(0x4, 0x44, 0x00), MAP_READ, -EREMOTEIO, 2},
	{FAKE_CHECK_CONDITION(0x5, 0x20, 0x00), MAP_WRITE, -EOPNOTSUPP, 1},
	{FAKE_CHECK_CONDITION(0x5, 0x24, 0x00), MAP_WRITE, -EREMOTEIO, 1},
	{FAKE_CHECK_CONDITION(0x5, 0x21, 0x00), MAP_READ, -EIO, 2},
	{FAKE_CHECK_CONDITION(0x7, 0x27, 0x00), MAP_WRITE, -EROFS, 2},
	{FAKE_CHECK_CONDITION(0x7, 0x27, 0x07), MAP_WRITE, -ENOSPC, 1},
	{FAKE_STATUS(SCSI_RESERVATION_CONFLICT), MAP_WRITE, -EBADE, 1},
};

static void an_error_of_the_unit_is_the_submitters_and_no_fault_of_the_path(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_new(2, NULL);
		struct request *request;

		for (unsigned p = 0; p < 2; p++)
			fake_nexus_script(f->nexus[p], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
					  &failures[i].answer);
		request = fixture_request(f, failures[i].kind, 0, 1, 0);
		fixture_submit(f, request);
		fixture_run(f);
		assert_int_equal(request->error, failures[i].error);
		assert_int_equal(fixture_executed(f), failures[i].executed);
		assert_int_equal(map_get_state(f->map), MAP_OK);
		for (unsigned p = 0; p < 2; p++)
			assert_int_equal(path_get_statistics(f->path[p])->errors, 0);
		fixture_free(f);
	}
}

static void a_short_read_is_repeated_and_then_an_error(void **state)
{
	static const uint8_t half[256];
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	for (unsigned i = 0; i < 2; i++)
		fake_nexus_script(f->nexus[i], SCSI_READ_16, FAKE_FOR_EVER,
				  &FAKE_DATA(half, sizeof(half)));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(read->error, -EIO);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_READ_16), 2);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_READ_16), 2);
	fixture_free(f);
}

/* --- delays --- */

static void a_busy_unit_is_asked_again_later_and_then_through_another_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, FAKE_FOR_EVER, &FAKE_STATUS(SCSI_BUSY));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fixture_executed(f), i + 1);
		fake_ring_advance(f->ring, (10u << i) - 1);
		fixture_run(f);
		assert_int_equal(fixture_executed(f), i + 1);
		fake_ring_advance(f->ring, 1);
		fixture_run(f);
	}
	assert_int_equal(fake_nexus_count(f->nexus[0], FAKE_ANY_OPCODE), 4);
	fake_ring_advance(f->ring, 80);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[1], FAKE_ANY_OPCODE), 1);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
	fixture_free(f);
}

static void a_unit_that_says_how_long_it_is_busy_is_left_alone_for_so_long(void **state)
{
	struct fake_answer busy = FAKE_STATUS(SCSI_BUSY);
	struct fixture *f = fixture_new(1, NULL);
	struct request *read;

	busy.status_qualifier = 7; /* of 100 ms */
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &busy);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	fake_ring_advance(f->ring, 699);
	fixture_run(f);
	assert_int_equal(fixture_executed(f), 1);
	fake_ring_advance(f->ring, 1);
	fixture_run(f);
	assert_int_equal(fixture_executed(f), 2);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void a_unit_that_is_busy_for_ever_ends_the_command(void **state)
{
	static const struct fake_answer answers[] = {
		FAKE_STATUS(SCSI_BUSY),
		FAKE_STATUS(SCSI_TASK_SET_FULL),
		FAKE_CHECK_CONDITION(0x2, 0x04, 0x04),
	};

	for (size_t n = 0; n < ARRAY_SIZE(answers); n++) {
		struct fixture *f = fixture_new(1, NULL);
		struct request *read;
		int ms = 0;

		fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, FAKE_FOR_EVER, &answers[n]);
		read = fixture_read(f, 0, 1);
		for (; read->error == NOT_ENDED && ms < 70000; ms += 10) {
			fixture_run(f);
			fake_ring_advance(f->ring, 10);
		}
		assert_int_equal(read->error, -EIO);
		assert_in_range(ms, 60000, 62000);
		assert_true(fixture_executed(f) < 100);
		fixture_free(f);
	}
}

static void a_busy_unit_is_waited_for_also_with_no_path_retry_zero(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = 0;
	f = fixture_new(1, &settings);
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 20, &FAKE_STATUS(SCSI_BUSY));
	read = fixture_read(f, 0, 1);
	for (int i = 0; i < 20; i++) {
		fixture_run(f);
		fake_ring_advance(f->ring, 1000);
	}
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void delayed_commands_wake_each_at_its_time(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *slow, *fast;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_CHECK_CONDITION(0x2, 0x04, 0x04));
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_STATUS(SCSI_BUSY));
	slow = fixture_read(f, 0, 1);
	fast = fixture_read(f, 1, 1);
	fixture_run(f);
	fake_ring_advance(f->ring, 10);
	fixture_run(f);
	assert_int_equal(fast->error, 0);
	assert_int_equal(slow->error, NOT_ENDED);
	fake_ring_advance(f->ring, 990);
	fixture_run(f);
	assert_int_equal(slow->error, 0);
	fixture_free(f);
}

static void a_delayed_command_survives_the_removal_of_its_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_STATUS(SCSI_BUSY));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	fixture_remove_path(f, 0);
	fake_ring_advance(f->ring, 10);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[1], FAKE_ANY_OPCODE), 1);
	fixture_free(f);
}

/* --- unit attentions --- */

static void a_unit_attention_is_reported_and_the_command_repeated_on_its_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write;

	fake_nexus_unit_attention(f->nexus[0], 0x2a, 0x09);
	write = fixture_write(f, 3, 1, 0x33);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_WRITE_16), 2);
	assert_int_equal(fake_nexus_count(f->nexus[1], FAKE_ANY_OPCODE), 0);
	assert_int_equal(f->attention_count, 1);
	assert_ptr_equal(f->attentions[0].path, f->path[0]);
	assert_int_equal(f->attentions[0].asc, 0x2a);
	assert_int_equal(f->attentions[0].ascq, 0x09);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	fixture_free(f);
}

static void a_storm_of_unit_attentions_ends_and_is_few_events(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = 3000;
	f = fixture_new(2, &settings);
	for (unsigned i = 0; i < 2; i++)
		fake_nexus_script(f->nexus[i], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
				  &FAKE_CHECK_CONDITION(0x6, 0x2a, 0x01));
	read = fixture_read(f, 0, 1);
	for (int ms = 0; ms < 6000; ms += 100) {
		fixture_run(f);
		fake_ring_advance(f->ring, 100);
	}
	assert_int_equal(read->error, -EIO);
	assert_true(fixture_executed(f) < 200);
	assert_true(f->attention_count < 20);
	fixture_free(f);
}

static const uint8_t identity_attentions[][2] = {{0x28, 0x00}, {0x29, 0x00}, {0x29, 0x03},
						 {0x29, 0x07}, {0x3f, 0x03}, {0x3f, 0x05},
						 {0x3f, 0x0e}};

static void an_identity_in_question_stops_io_on_the_path_until_verified(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(identity_attentions); i++) {
		struct fixture *f = fixture_new(1, NULL);
		struct request *write;

		fake_nexus_unit_attention(f->nexus[0], identity_attentions[i][0],
					  identity_attentions[i][1]);
		write = fixture_write(f, 3, 1, 0x33);
		fixture_run(f);
		assert_int_equal(path_get_state(f->path[0]), PATH_VERIFY);
		assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
		assert_int_equal(f->attention_count, 1);
		assert_int_equal(write->error, NOT_ENDED);
		assert_int_equal(fixture_executed(f), 1);
		path_verified(f->path[0]);
		fixture_run(f);
		assert_int_equal(write->error, 0);
		fixture_free(f);
	}
}

static void each_doubt_about_an_identity_is_reported_however_soon_after_another(void **state)
{
	struct fixture *f = fixture_new(1, NULL);

	for (size_t i = 1; i <= 5; i++) {
		fake_nexus_unit_attention(f->nexus[0], 0x29, 0x00);
		fixture_read(f, 0, 1);
		fixture_run(f);
		assert_int_equal(path_get_state(f->path[0]), PATH_VERIFY);
		assert_int_equal(f->attention_count, i);
		path_verified(f->path[0]);
		fixture_run(f);
	}
	fixture_free(f);
}

/* A unit attention stops one command; those behind it on the wire are carried out, by whomever. */
static void answers_right_behind_a_doubt_do_not_count(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(identity_attentions); i++) {
		struct fixture *f = fixture_new(1, NULL);
		struct fake_unit *right = f->unit, *wrong = fake_unit_new(FIXTURE_BLOCKS, 512);
		struct request *carrier, *read, *write, *beyond;

		memset(fake_unit_block(right, 7), 0x77, 512);
		f->nexus[0]->unit = wrong;
		fake_nexus_unit_attention(f->nexus[0], identity_attentions[i][0],
					  identity_attentions[i][1]);
		carrier = fixture_read(f, 0, 1);
		read = fixture_read(f, 7, 1);
		write = fixture_write(f, 8, 1, 0x88);
		wrong->blocks = 16;
		beyond = fixture_read(f, 20, 1);
		fixture_run(f);
		assert_int_equal(carrier->error, NOT_ENDED);
		assert_int_equal(read->error, NOT_ENDED);
		assert_int_equal(write->error, NOT_ENDED);
		assert_int_equal(beyond->error, NOT_ENDED);
		assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
		f->nexus[0]->unit = right;
		path_verified(f->path[0]);
		fixture_run(f);
		assert_int_equal(carrier->error, 0);
		assert_int_equal(read->error, 0);
		assert_int_equal(read->data[0], 0x77);
		assert_int_equal(write->error, 0);
		assert_int_equal(*(uint8_t *)fake_unit_block(right, 8), 0x88);
		assert_int_equal(beyond->error, 0);
		fake_unit_free(wrong);
		fixture_free(f);
	}
}

static void an_attention_that_somebody_else_met_stops_io_as_well(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(identity_attentions); i++) {
		struct fixture *f = fixture_new(1, NULL);
		struct scsi_command met = {};
		uint32_t doubts = f->nexus[0]->nexus.doubts;
		struct request *read;

		fake_sense(&met, false, false, 0x6, identity_attentions[i][0],
			   identity_attentions[i][1]);
		nexus_attention(&f->nexus[0]->nexus, &met.result);
		assert_int_equal(path_get_state(f->path[0]), PATH_VERIFY);
		assert_int_equal(f->nexus[0]->nexus.doubts, doubts + 1);
		assert_int_equal(f->attention_count, 1);
		read = fixture_read(f, 0, 1);
		fixture_run(f);
		assert_int_equal(fixture_executed(f), 0);
		/* while it is being looked at it is no news */
		nexus_attention(&f->nexus[0]->nexus, &met.result);
		assert_int_equal(f->nexus[0]->nexus.doubts, doubts + 1);
		assert_int_equal(f->attention_count, 1);
		path_verified(f->path[0]);
		fixture_run(f);
		assert_int_equal(read->error, 0);
		fixture_free(f);
	}
}

static void other_paths_go_on_while_one_has_its_identity_checked(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write;

	fake_nexus_unit_attention(f->nexus[0], 0x3f, 0x05);
	write = fixture_write(f, 3, 1, 0x33);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_WRITE_16), 1);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
	fixture_free(f);
}

static void commands_that_a_reset_swallowed_are_aborted_and_sent_again(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *early[2], *carrier, *late;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 2, &FAKE_HELD);
	early[0] = fixture_read(f, 0, 1);
	early[1] = fixture_write(f, 1, 1, 0x11);
	fake_nexus_unit_attention(f->nexus[0], 0x2f, 0x00);
	carrier = fixture_read(f, 2, 1);
	late = fixture_read(f, 3, 1);
	fixture_run(f);
	assert_int_equal(f->nexus[0]->aborts, 2);
	assert_int_equal(carrier->error, 0);
	assert_int_equal(late->error, 0);
	fake_ring_advance(f->ring, 100);
	fixture_run(f);
	assert_int_equal(early[0]->error, 0);
	assert_int_equal(early[1]->error, 0);
	fixture_free(f);
}

static void a_deferred_error_fails_the_next_flush_and_nothing_else(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read, *write, *flush[2];

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_DEFERRED(0x3, 0x0c, 0x00));
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(f->deferred_errors, 1);
	assert_int_equal(f->attention_count, 0);
	write = fixture_write(f, 0, 1, 1);
	flush[0] = fixture_flush(f);
	fixture_run(f);
	flush[1] = fixture_flush(f);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(flush[0]->error, -EIO);
	assert_int_equal(flush[1]->error, 0);
	fixture_free(f);
}

/* --- no usable path --- */

static void commands_queue_without_a_path_and_go_on_in_order(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *r[4];

	fixture_lose(f, 0);
	for (int i = 0; i < 4; i++)
		r[i] = fixture_write(f, 7, 1, (uint8_t)i);
	fake_ring_advance(f->ring, 59000);
	assert_false(map_idle(f->map));
	fixture_relogin(f, 0);
	assert_int_equal(fixture_queued(f, 0), 4);
	fixture_run(f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(r[i]->error, 0);
	assert_int_equal(*(uint8_t *)fake_unit_block(f->unit, 7), 3);
	assert_true(map_idle(f->map));
	fixture_free(f);
}

static void queueing_ends_no_path_retry_after_the_last_path_went(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *early = fixture_read(f, 0, 1), *late, *after;

	fixture_lose(f, 1);
	fixture_lose(f, 0);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	fake_ring_advance(f->ring, 50000);
	late = fixture_read(f, 1, 1);
	fake_ring_advance(f->ring, 9999);
	assert_int_equal(early->error, NOT_ENDED);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(early->error, -EIO);
	assert_int_equal(late->error, -EIO);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_FAILING);
	after = fixture_read(f, 2, 1);
	assert_int_equal(after->error, NOT_ENDED); /* never inside map_submit() */
	fake_ring_turn(f->ring);
	assert_int_equal(after->error, -EIO);
	fixture_relogin(f, 1);
	assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
	after = fixture_read(f, 2, 1);
	fixture_run(f);
	assert_int_equal(after->error, 0);
	fixture_free(f);
}

static void a_map_that_gave_up_holds_no_write_behind_one_in_doubt(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *doubtful, *held, *after;

	settings.no_path_retry_ms = 1000;
	f = fixture_new(1, &settings);
	doubtful = fixture_write(f, 5, 1, 1);
	fixture_lose(f, 0);
	held = fixture_write(f, 5, 1, 2);
	assert_int_equal(held->error, NOT_ENDED);
	fake_ring_advance(f->ring, 1000);
	assert_int_equal(doubtful->error, -EIO);
	assert_int_equal(held->error, -EIO);
	after = fixture_write(f, 5, 1, 3);
	assert_int_equal(after->error, NOT_ENDED); /* never inside map_submit() */
	fake_ring_turn(f->ring);
	assert_int_equal(after->error, -EIO);
	fixture_relogin(f, 0);
	after = fixture_write(f, 5, 1, 4);
	fixture_run(f);
	assert_int_equal(after->error, 0);
	assert_int_equal(*(uint8_t *)fake_unit_block(f->unit, 5), 4);
	fixture_free(f);
}

static void an_idle_map_starts_to_count_at_the_first_command(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *read;

	fixture_lose(f, 0);
	fake_ring_advance(f->ring, 1000000);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	read = fixture_read(f, 0, 1);
	fake_ring_advance(f->ring, 59999);
	assert_int_equal(read->error, NOT_ENDED);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(read->error, -EIO);
	fixture_free(f);
}

static void no_path_retry_of_minus_one_queues_for_ever(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.no_path_retry_ms = -1;
	f = fixture_new(1, &settings);
	fixture_lose(f, 0);
	read = fixture_read(f, 0, 1);
	fake_ring_advance(f->ring, 1000000000);
	assert_int_equal(read->error, NOT_ENDED);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void no_path_retry_of_zero_fails_at_once(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *r[3];

	settings.no_path_retry_ms = 0;
	f = fixture_new(0, &settings);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_FAILING);
	r[0] = fixture_read(f, 0, 1);
	fake_ring_turn(f->ring);
	assert_int_equal(r[0]->error, -EIO);
	fixture_add_path(f);
	path_verified(f->path[0]);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	r[1] = fixture_read(f, 0, 1);
	r[2] = fixture_write(f, 0, 1, 1);
	fixture_lose(f, 0);
	fake_ring_turn(f->ring);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_FAILING);
	assert_int_equal(r[1]->error, -EIO);
	assert_int_equal(r[2]->error, -EIO);
	fixture_free(f);
}

static void resubmit(struct request *request)
{
	static int left = 3;

	if (left-- > 0)
		fixture_read(request->fixture, 0, 1)->on_done = resubmit;
}

static void done_may_submit_again_also_while_commands_fail(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;

	settings.no_path_retry_ms = 0;
	f = fixture_new(0, &settings);
	fixture_read(f, 0, 1)->on_done = resubmit;
	fake_ring_turn(f->ring);
	assert_true(map_idle(f->map));
	fixture_free(f);
}

static void a_nexus_found_down_at_submit_fails_its_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *r[2];

	fake_nexus_set_up(f->nexus[0], false);
	r[0] = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(r[0]->error, 0);
	fake_nexus_set_up(f->nexus[1], false);
	r[1] = fixture_read(f, 0, 1);
	assert_int_equal(path_get_state(f->path[0]), PATH_DOWN);
	assert_int_equal(path_get_state(f->path[1]), PATH_DOWN);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(r[1]->error, -EIO);
	fixture_free(f);
}

/* --- ranks of paths --- */

/* @count reads, all answered. */
static void work(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct request *read = fixture_read(f, 0, 1);

		fixture_run(f);
		assert_int_equal(read->error, 0);
	}
}

static size_t carried_by(const struct fixture *f, unsigned path)
{
	return fake_nexus_count(f->nexus[path], FAKE_ANY_OPCODE);
}

static void suspect_throttled_and_marginal_paths_carry_nothing_while_another_is_there(void **state)
{
	static const enum nexus_health healths[] = {NEXUS_SUSPECT, NEXUS_THROTTLED};

	for (size_t i = 0; i < ARRAY_SIZE(healths); i++) {
		struct fixture *f = fixture_new(2, NULL);

		fake_nexus_set_health(f->nexus[0], healths[i]);
		assert_int_equal(map_get_state(f->map), MAP_OK);
		work(f, 10);
		assert_int_equal(carried_by(f, 0), 0);
		fake_nexus_set_health(f->nexus[0], NEXUS_WELL);
		work(f, 10);
		assert_int_equal(carried_by(f, 0), 5);
		fixture_free(f);
	}
}

static void the_last_path_carries_everything_whatever_its_rank(void **state)
{
	static const enum nexus_health healths[] = {NEXUS_SUSPECT, NEXUS_THROTTLED};

	for (size_t i = 0; i < ARRAY_SIZE(healths); i++) {
		struct fixture *f = fixture_new(2, NULL);

		fake_nexus_set_health(f->nexus[0], healths[i]);
		fixture_lose(f, 1);
		work(f, 10);
		assert_int_equal(carried_by(f, 0), 10);
		fixture_free(f);
	}
}

static void of_bad_paths_the_least_bad_is_taken(void **state)
{
	static const unsigned order[] = {3, 0, 1, 2}; /* active, marginal, throttled, suspect */
	struct fixture *f = fixture_new(4, NULL);

	path_strike(f->path[0], "slow");
	fake_ring_advance(f->ring, 1000);
	path_strike(f->path[0], "slow");
	assert_int_equal(path_get_state(f->path[0]), PATH_MARGINAL);
	fake_nexus_set_health(f->nexus[1], NEXUS_THROTTLED);
	fake_nexus_set_health(f->nexus[2], NEXUS_SUSPECT);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		work(f, 4);
		assert_int_equal(carried_by(f, order[i]), 4);
		if (i + 1 < ARRAY_SIZE(order))
			fixture_lose(f, order[i]);
	}
	fixture_free(f);
}

static void a_command_that_failed_on_the_best_path_is_tried_on_a_worse_one(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	fake_nexus_set_health(f->nexus[1], NEXUS_SUSPECT);
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	work(f, 1);
	assert_int_equal(carried_by(f, 1), 1);
	fixture_free(f);
}

static void a_path_on_probation_gets_a_tenth_of_its_share(void **state)
{
	struct fixture *f = fixture_new(4, NULL);

	fixture_lose(f, 2);
	fixture_relogin(f, 2);
	work(f, 400);
	assert_int_equal(carried_by(f, 2), 10); /* a tenth of a quarter */
	assert_int_equal(path_get_state(f->path[2]), PATH_PROBATION);
	work(f, 240);
	assert_int_equal(path_get_state(f->path[2]), PATH_ACTIVE);
	work(f, 40);
	assert_int_equal(carried_by(f, 2), 26);
	fixture_free(f);
}

static void time_ends_probation_and_hold_without_any_io(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	for (int i = 0; i < 3; i++) {
		fixture_lose(f, 0);
		fixture_relogin(f, 0);
	}
	assert_int_equal(path_get_state(f->path[0]), PATH_MARGINAL);
	fake_ring_advance(f->ring, 20001);
	assert_int_equal(path_get_state(f->path[0]), PATH_PROBATION);
	fake_ring_advance(f->ring, 5001);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	assert_int_equal(fake_ring_timers(f->ring), 0);
	fixture_free(f);
}

static void silence_speaks_against_a_path_only_while_another_does_better(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	for (int i = 0; i < 3; i++) { /* both: it is the target */
		for (unsigned p = 0; p < 2; p++)
			fake_nexus_set_health(f->nexus[p], NEXUS_SUSPECT);
		for (unsigned p = 0; p < 2; p++)
			fake_nexus_set_health(f->nexus[p], NEXUS_WELL);
		fake_ring_advance(f->ring, 2000);
	}
	assert_int_equal(path_get_state(f->path[1]), PATH_ACTIVE);
	for (int i = 0; i < 2; i++) {
		fixture_read(f, 0, 1);
		fixture_read(f, 0, 1);
		for (unsigned p = 2; p-- > 0; fake_ring_advance(f->ring, 1))
			fake_nexus_run(f->nexus[p]); /* path 0 answers last */
		fake_nexus_set_health(f->nexus[1], NEXUS_SUSPECT);
		fake_ring_advance(f->ring, 2000);
		fake_nexus_set_health(f->nexus[1], NEXUS_WELL);
	}
	assert_int_equal(path_get_state(f->path[1]), PATH_MARGINAL);
	fixture_free(f);
}

/* --- a device that is full --- */

static void task_set_full_narrows_the_window_of_the_path_and_success_widens_it(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *reads[12];

	for (size_t i = 0; i < 4; i++)
		reads[i] = fixture_read(f, i, 1);
	fake_nexus_complete(f->nexus[0], 3, &FAKE_STATUS(SCSI_TASK_SET_FULL));
	assert_int_equal(f->path[0]->window, 3); /* what was taken before */
	for (size_t i = 4; i < 8; i++)
		reads[i] = fixture_read(f, i, 1);
	assert_int_equal(fixture_queued(f, 0), 3);
	fake_nexus_run_one(f->nexus[0], 0);
	fake_ring_turn(f->ring);
	assert_int_equal(fixture_queued(f, 0), 3); /* one out, one in */
	fixture_run(f);
	fake_ring_advance(f->ring, 10);
	fixture_run(f);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(reads[i]->error, 0);
	for (uint32_t window = 4; window <= 6; window++) {
		fake_ring_advance(f->ring, 2000);
		fixture_read(f, 0, 1);
		fixture_run(f);
		assert_int_equal(f->path[0]->window, window);
	}
	f->path[0]->window = 256;
	fake_ring_advance(f->ring, 2000);
	fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(f->path[0]->window, 0);
	fixture_free(f);
}

static void what_one_full_device_does_not_take_goes_over_another_path(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	fixture_read(f, 0, 1);
	fixture_read(f, 0, 1);
	fixture_read(f, 0, 1);
	fake_nexus_complete(f->nexus[0], 1, &FAKE_STATUS(SCSI_TASK_SET_FULL));
	for (int i = 0; i < 6; i++)
		fixture_read(f, 0, 1);
	assert_int_equal(fixture_queued(f, 0), 1);
	assert_int_equal(fixture_queued(f, 1), 7);
	fixture_run(f);
	fake_ring_advance(f->ring, 10);
	fixture_run(f);
	fixture_free(f);
}

static void a_window_of_one_still_lets_one_through(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *read;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 3, &FAKE_STATUS(SCSI_TASK_SET_FULL));
	read = fixture_read(f, 0, 1);
	for (int i = 0; i < 20; i++) {
		fixture_run(f);
		fake_ring_advance(f->ring, 50);
	}
	assert_int_equal(read->error, 0);
	assert_int_equal(f->path[0]->window, 1);
	fixture_free(f);
}

static void what_waits_for_room_goes_elsewhere_when_the_full_path_is_lost(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fake_nexus_set_health(f->nexus[1], NEXUS_SUSPECT);
	f->path[0]->window = f->path[1]->window = 1;
	f->path[0]->window_ns = f->path[1]->window_ns = ring_now_ns(f->ring);
	fixture_read(f, 0, 1);
	fixture_read(f, 0, 1);
	read = fixture_read(f, 0, 1);
	assert_int_equal(fixture_queued(f, 0) + fixture_queued(f, 1), 2);
	fixture_lose(f, 0);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

/* --- a unit that is no more --- */

static void unmap(struct fixture *f, unsigned path)
{
	fake_nexus_script(f->nexus[path], FAKE_ANY_OPCODE, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0x5, 0x25, 0x00));
}

static void a_unit_unmapped_on_one_path_is_used_through_the_other(void **state)
{
	struct fixture *f = fixture_new(2, NULL);

	unmap(f, 0);
	work(f, 10);
	assert_int_equal(path_get_state(f->path[0]), PATH_UNMAPPED);
	assert_int_equal(carried_by(f, 0), 1);
	assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
	assert_int_equal(f->attention_count, 1);
	fixture_free(f);
}

static void when_all_paths_say_so_commands_fail_with_enodev_at_once(void **state)
{
	static const int32_t policies[] = {-1, 0, 60000};

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct map_settings settings = fixture_settings;
		struct request *read, *write, *later;
		struct fixture *f;

		settings.no_path_retry_ms = policies[i];
		f = fixture_new(2, &settings);
		unmap(f, 0);
		unmap(f, 1);
		read = fixture_read(f, 0, 1);
		write = fixture_write(f, 0, 1, 1);
		fixture_run(f);
		assert_int_equal(map_get_state(f->map), MAP_LOST);
		assert_int_equal(read->error, -ENODEV);
		assert_int_equal(write->error, -ENODEV);
		later = fixture_read(f, 0, 1);
		fake_ring_turn(f->ring);
		assert_int_equal(later->error, -ENODEV);
		fixture_lose(f, 0); /* a path that is down says nothing else */
		assert_int_equal(map_get_state(f->map), MAP_LOST);
		fake_nexus_clear_script(f->nexus[0]);
		fixture_relogin(f, 0);
		work(f, 1);
		assert_int_equal(map_get_state(f->map), MAP_DEGRADED);
		fixture_free(f);
	}
}

static void a_unit_is_not_lost_while_a_path_that_is_down_might_know_better(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read;

	fixture_lose(f, 1);
	unmap(f, 0);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	assert_int_equal(read->error, NOT_ENDED);
	path_unmapped(f->path[1], "not there either");
	fake_ring_turn(f->ring);
	assert_int_equal(map_get_state(f->map), MAP_LOST);
	assert_int_equal(read->error, -ENODEV);
	fixture_free(f);
}

static void a_late_unmapped_of_an_old_login_does_not_count(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read = fixture_read(f, 0, 1);

	assert_int_equal(fixture_where(f), 0);
	path_lost(f->path[0], "carrier lost");
	path_verified(f->path[0]);
	fake_nexus_complete(f->nexus[0], 0, &FAKE_CHECK_CONDITION(0x5, 0x25, 0x00));
	assert_int_equal(path_get_state(f->path[0]), PATH_PROBATION);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

/* --- ends --- */

static void failing_all_ends_what_is_not_on_the_wire_and_all_that_comes(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *on_wire, *delayed, *broken, *later;

	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_STATUS(SCSI_BUSY));
	delayed = fixture_read(f, 0, 1);
	fixture_run(f);
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, 1, &FAKE_OUTCOME(SCSI_TARGET_FAILURE));
	broken = fixture_read(f, 1, 1);
	on_wire = fixture_read(f, 2, 1);
	map_fail_all(f->map, -ESHUTDOWN);
	assert_int_equal(delayed->error, NOT_ENDED); /* never inside a call */
	fake_ring_turn(f->ring);
	assert_int_equal(delayed->error, -ESHUTDOWN);
	assert_int_equal(on_wire->error, NOT_ENDED);
	assert_false(map_idle(f->map));
	fixture_run(f);
	assert_int_equal(on_wire->error, 0);
	assert_int_equal(broken->error, -ESHUTDOWN);
	later = fixture_read(f, 3, 1);
	fake_ring_turn(f->ring);
	assert_int_equal(later->error, -ESHUTDOWN);
	assert_true(map_idle(f->map));
	fixture_free(f);
}

static void failing_all_ends_queued_parked_and_held_commands(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *parked = fixture_write(f, 0, 4, 1), *held, *queued;

	fixture_lose(f, 0);
	held = fixture_write(f, 2, 4, 2);
	queued = fixture_read(f, 0, 1);
	map_fail_all(f->map, -EIO);
	fake_ring_turn(f->ring);
	assert_int_equal(parked->error, -EIO);
	assert_int_equal(held->error, -EIO);
	assert_int_equal(queued->error, -EIO);
	assert_int_equal(path_in_doubt(f->path[0]), 0);
	assert_true(map_idle(f->map));
	fixture_free(f);
}

static void a_quarantined_path_is_not_believed(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *read, *write;

	read = fixture_read(f, 0, 1); /* goes to path 0, write to path 1 */
	write = fixture_write(f, 5, 1, 0x77);
	path_quarantine(f->path[0], "it is another disk");
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(write->error, 0);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_READ_16), 1);
	assert_int_equal(path_get_statistics(f->path[0])->reads, 0);
	path_verified(f->path[0]);
	assert_int_equal(path_get_state(f->path[0]), PATH_QUARANTINED);
	fixture_free(f);
}

/* --- time limit of a command --- */

static void a_command_without_answer_is_aborted_and_moves(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *r[2], *late;

	settings.timeout_ms = 5000;
	f = fixture_new(2, &settings);
	fake_nexus_script(f->nexus[0], FAKE_ANY_OPCODE, FAKE_FOR_EVER, &FAKE_HELD);
	r[0] = fixture_read(f, 0, 1);
	r[1] = fixture_write(f, 1, 1, 9);
	fixture_run(f);
	fake_ring_advance(f->ring, 3000);
	r[1] = fixture_write(f, 2, 1, 9);
	late = fixture_write(f, 3, 1, 9);
	fixture_run(f);
	fake_ring_advance(f->ring, 1999);
	assert_int_equal(f->nexus[0]->aborts, 0);
	fake_ring_advance(f->ring, 1);
	assert_int_equal(f->nexus[0]->aborts, 1);
	fixture_run(f);
	assert_int_equal(r[0]->error, 0);
	assert_int_equal(r[1]->error, NOT_ENDED);
	fake_ring_advance(f->ring, 3000);
	assert_int_equal(f->nexus[0]->aborts, 2);
	fixture_run(f);
	assert_int_equal(r[1]->error, 0);
	assert_int_equal(late->error, 0);
	fake_ring_advance(f->ring, 10000);
	fixture_free(f);
}

static void a_silent_path_is_asked_to_abort_once_per_command(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.timeout_ms = 1000;
	f = fixture_new(2, &settings);
	f->nexus[0]->frozen = true;
	read = fixture_read(f, 0, 1);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(f->nexus[0]->aborts, 1);
	f->nexus[0]->frozen = false;
	fixture_run(f);
	fake_ring_advance(f->ring, 100);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fake_ring_advance(f->ring, 1000);
	fixture_free(f);
}

static void the_last_path_is_asked_to_abort_nothing_until_there_is_another(void **state)
{
	struct map_settings settings = fixture_settings;
	struct fixture *f;
	struct request *read;

	settings.timeout_ms = 1000;
	f = fixture_new(2, &settings);
	f->nexus[0]->frozen = true;
	read = fixture_read(f, 0, 1);
	fixture_lose(f, 1);
	fake_ring_advance(f->ring, 60000);
	assert_int_equal(f->nexus[0]->aborts, 0);
	fixture_relogin(f, 1);
	fake_ring_advance(f->ring, 100);
	assert_int_equal(f->nexus[0]->aborts, 1);
	f->nexus[0]->frozen = false;
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fake_ring_advance(f->ring, 1000);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_have_the_names_of_the_bus),
		cmocka_unit_test(an_unknown_selector_is_refused),
		cmocka_unit_test(what_was_written_is_read_back_through_any_path),
		cmocka_unit_test(a_map_is_degraded_unless_every_path_is_usable),
		cmocka_unit_test(the_observer_hears_each_step_of_a_path_with_its_reason),
		cmocka_unit_test(a_map_without_observer_works),
		cmocka_unit_test(a_nexus_joins_once_and_at_most_64_do),
		cmocka_unit_test(limits_can_be_replaced_after_a_resize),
		cmocka_unit_test(only_the_only_usable_path_is_told_that_it_is_the_last),
		cmocka_unit_test(the_last_path_is_kept_however_it_fails_commands),
		cmocka_unit_test(a_path_that_only_failed_commands_is_back_when_no_other_is_left),
		cmocka_unit_test(commands_not_sent_move_at_once_and_freely),
		cmocka_unit_test(reads_and_flushes_in_doubt_are_sent_elsewhere_at_once),
		cmocka_unit_test(commands_may_come_back_in_any_order),
		cmocka_unit_test(standby_port_moves_the_command_to_another_path),
		cmocka_unit_test(every_other_path_is_tried_before_one_is_tried_again),
		cmocka_unit_test(path_trouble_on_every_path_ends_with_eio_after_no_path_retry),
		cmocka_unit_test(with_no_path_retry_for_ever_path_trouble_never_ends_a_command),
		cmocka_unit_test(with_no_path_retry_zero_path_trouble_ends_when_all_were_tried),
		cmocka_unit_test(a_path_that_fails_eight_commands_in_a_row_has_failed),
		cmocka_unit_test(a_success_between_errors_clears_the_path),
		cmocka_unit_test(an_error_of_the_unit_is_the_submitters_and_no_fault_of_the_path),
		cmocka_unit_test(a_short_read_is_repeated_and_then_an_error),
		cmocka_unit_test(a_busy_unit_is_asked_again_later_and_then_through_another_path),
		cmocka_unit_test(a_unit_that_says_how_long_it_is_busy_is_left_alone_for_so_long),
		cmocka_unit_test(a_unit_that_is_busy_for_ever_ends_the_command),
		cmocka_unit_test(a_busy_unit_is_waited_for_also_with_no_path_retry_zero),
		cmocka_unit_test(delayed_commands_wake_each_at_its_time),
		cmocka_unit_test(a_delayed_command_survives_the_removal_of_its_path),
		cmocka_unit_test(a_unit_attention_is_reported_and_the_command_repeated_on_its_path),
		cmocka_unit_test(a_storm_of_unit_attentions_ends_and_is_few_events),
		cmocka_unit_test(an_identity_in_question_stops_io_on_the_path_until_verified),
		cmocka_unit_test(
			each_doubt_about_an_identity_is_reported_however_soon_after_another),
		cmocka_unit_test(answers_right_behind_a_doubt_do_not_count),
		cmocka_unit_test(an_attention_that_somebody_else_met_stops_io_as_well),
		cmocka_unit_test(other_paths_go_on_while_one_has_its_identity_checked),
		cmocka_unit_test(commands_that_a_reset_swallowed_are_aborted_and_sent_again),
		cmocka_unit_test(a_deferred_error_fails_the_next_flush_and_nothing_else),
		cmocka_unit_test(commands_queue_without_a_path_and_go_on_in_order),
		cmocka_unit_test(queueing_ends_no_path_retry_after_the_last_path_went),
		cmocka_unit_test(a_map_that_gave_up_holds_no_write_behind_one_in_doubt),
		cmocka_unit_test(an_idle_map_starts_to_count_at_the_first_command),
		cmocka_unit_test(no_path_retry_of_minus_one_queues_for_ever),
		cmocka_unit_test(no_path_retry_of_zero_fails_at_once),
		cmocka_unit_test(done_may_submit_again_also_while_commands_fail),
		cmocka_unit_test(a_nexus_found_down_at_submit_fails_its_path),
		cmocka_unit_test(
			suspect_throttled_and_marginal_paths_carry_nothing_while_another_is_there),
		cmocka_unit_test(the_last_path_carries_everything_whatever_its_rank),
		cmocka_unit_test(of_bad_paths_the_least_bad_is_taken),
		cmocka_unit_test(a_command_that_failed_on_the_best_path_is_tried_on_a_worse_one),
		cmocka_unit_test(a_path_on_probation_gets_a_tenth_of_its_share),
		cmocka_unit_test(time_ends_probation_and_hold_without_any_io),
		cmocka_unit_test(silence_speaks_against_a_path_only_while_another_does_better),
		cmocka_unit_test(
			task_set_full_narrows_the_window_of_the_path_and_success_widens_it),
		cmocka_unit_test(what_one_full_device_does_not_take_goes_over_another_path),
		cmocka_unit_test(a_window_of_one_still_lets_one_through),
		cmocka_unit_test(what_waits_for_room_goes_elsewhere_when_the_full_path_is_lost),
		cmocka_unit_test(a_unit_unmapped_on_one_path_is_used_through_the_other),
		cmocka_unit_test(when_all_paths_say_so_commands_fail_with_enodev_at_once),
		cmocka_unit_test(a_unit_is_not_lost_while_a_path_that_is_down_might_know_better),
		cmocka_unit_test(a_late_unmapped_of_an_old_login_does_not_count),
		cmocka_unit_test(failing_all_ends_what_is_not_on_the_wire_and_all_that_comes),
		cmocka_unit_test(failing_all_ends_queued_parked_and_held_commands),
		cmocka_unit_test(a_quarantined_path_is_not_believed),
		cmocka_unit_test(a_command_without_answer_is_aborted_and_moves),
		cmocka_unit_test(a_silent_path_is_asked_to_abort_once_per_command),
		cmocka_unit_test(the_last_path_is_asked_to_abort_nothing_until_there_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
