/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Maps whose unit is reached through several target port groups: two paths to each of two. */

#include "fixture.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "scsi/cdb.h"
#include "util/cleanup.h"

#define OPTIMIZED     0x0
#define NON_OPTIMIZED 0x1
#define STANDBY	      0x2
#define UNAVAILABLE   0x3
#define OFFLINE	      0xe
#define TRANSITIONING 0xf

#define PATHS 4

static struct map_settings settings_of(enum grouping grouping, int32_t failback_ms)
{
	struct map_settings settings = fixture_settings;

	settings.grouping = grouping;
	settings.failback_ms = failback_ms;
	settings.port_groups = (struct port_groups_settings){
		.poll_ms = 0,
		.transition_ms = 60000,
		.activation = ACTIVATION_OPTIMIZED,
	};
	return settings;
}

static void set_states(struct fixture *f, uint8_t one, uint8_t two)
{
	fake_unit_set_port_group(f->unit, 1, one, false);
	fake_unit_set_port_group(f->unit, 2, two, false);
}

static void add_path(struct fixture *f, uint16_t group, enum access_state seen)
{
	const struct path_port port = {
		.target = 7,
		.group = group,
		.relative = group,
		.tpgs = f->unit->tpgs,
		.seen = seen,
	};
	unsigned i = fixture_add_path(f);

	f->nexus[i]->target_port_group = f->nexus[i]->relative_port = group;
	path_set_port(f->path[i], &port);
	path_verified(f->path[i]);
}

/* Paths 0 and 1 go through group 1, paths 2 and 3 through group 2. */
static struct fixture *new_fixture(const struct map_settings *settings, uint8_t tpgs, uint8_t one,
				   uint8_t two)
{
	struct fixture *f = fixture_new(0, settings);

	f->unit->tpgs = tpgs;
	set_states(f, one, two);
	for (unsigned i = 0; i < PATHS; i++)
		add_path(f, (uint16_t)(1 + i / 2), ACCESS_UNKNOWN);
	fixture_run(f);
	for (unsigned i = 0; i < 3; i++) { /* what is asked once more, and its interval */
		fake_ring_advance(f->ring, 100);
		fixture_run(f);
	}
	f->unit->access_reports = 0;
	f->map_event_count = 0;
	return f;
}

static struct fixture *usual(uint8_t one, uint8_t two)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);

	return new_fixture(&settings, ALUA_IMPLICIT, one, two);
}

static enum access_state state_of(struct fixture *f, unsigned i)
{
	struct path_access access;

	path_get_access(f->path[i], &access);
	return access.state;
}

static void tell_all(struct fixture *f, uint8_t ascq)
{
	for (unsigned i = 0; i < f->path_count; i++)
		fake_nexus_unit_attention(f->nexus[i], 0x2a, ascq);
}

/* Bit per path that gets reads. */
static unsigned ways(struct fixture *f, unsigned reads)
{
	unsigned found = 0;

	for (unsigned i = 0; i < reads; i++)
		fixture_read(f, i, 1);
	for (unsigned i = 0; i < f->path_count; i++)
		found |= fixture_queued(f, i) > 0 ? 1u << i : 0;
	fixture_run(f);
	return found;
}

/* ---- which paths ----------------------------------------------------------------------------- */

static void reads_go_to_the_optimized_group_and_are_spread_there(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);
	struct path_access access;

	assert_int_equal(ways(f, 8), 0x3);
	path_get_access(f->path[3], &access);
	assert_int_equal(access.state, ACCESS_NON_OPTIMIZED);
	assert_int_equal(access.priority, 10);
	assert_int_equal(access.port_group, 2);
	assert_int_equal(access.group, 2);
	assert_false(access.barred);
	assert_int_equal(map_active_group(f->map), 1);
	assert_int_equal(map_group_count(f->map), 2);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	fixture_free(f);
}

static void each_state_carries_what_it_is_said_to(void **state)
{
	static const struct {
		uint8_t one, two;
		unsigned ways;
	} rows[] = {
		{OPTIMIZED, OPTIMIZED, 0xf},
		{NON_OPTIMIZED, NON_OPTIMIZED, 0xf},
		{STANDBY, OPTIMIZED, 0xc},
		{STANDBY, NON_OPTIMIZED, 0xc},
		{UNAVAILABLE, NON_OPTIMIZED, 0xc},
		{OFFLINE, NON_OPTIMIZED, 0xc},
		{TRANSITIONING, NON_OPTIMIZED, 0xc},
		{0x4, NON_OPTIMIZED, 0xc},
		{0x4, STANDBY, 0x3},
		{0x7, STANDBY, 0x3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *f = usual(rows[i].one, rows[i].two);

		assert_int_equal(ways(f, 8), rows[i].ways);
		assert_int_equal(map_get_state(f->map), MAP_OK);
		fixture_free(f);
	}
}

static void a_silent_path_waits_while_the_next_group_works(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	fake_nexus_set_health(f->nexus[0], NEXUS_SUSPECT);
	assert_int_equal(ways(f, 4), 0x2);
	fake_nexus_set_health(f->nexus[1], NEXUS_SUSPECT);
	assert_int_equal(ways(f, 4), 0xc);
	assert_int_equal(map_active_group(f->map), 1);
	fake_nexus_set_health(f->nexus[1], NEXUS_WELL);
	assert_int_equal(ways(f, 4), 0x2);
	fake_nexus_set_health(f->nexus[0], NEXUS_WELL);
	fixture_free(f);
}

static void what_is_too_much_for_the_best_group_does_not_go_to_a_worse_one(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	for (unsigned i = 0; i < 2; i++)
		f->path[i]->window = 1;
	for (unsigned i = 0; i < 4; i++)
		fixture_read(f, i, 1);
	for (unsigned i = 0; i < PATHS; i++)
		assert_int_equal(fixture_queued(f, i), i < 2 ? 1 : 0);
	fixture_run(f);
	fixture_free(f);
}

static void a_target_that_refuses_the_question_is_used_as_if_it_had_no_groups(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = fixture_new(0, &settings);

	for (unsigned i = 0; i < 2; i++) {
		f->unit->tpgs = ALUA_IMPLICIT; /* as INQUIRY says, and it is not so */
		add_path(f, (uint16_t)(1 + i), ACCESS_UNKNOWN);
		f->unit->tpgs = 0;
	}
	fixture_run(f);
	assert_int_equal(ways(f, 4), 0x3);
	fake_ring_advance(f->ring, 600000);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_MAINTENANCE_IN) +
				 fake_nexus_count(f->nexus[1], SCSI_MAINTENANCE_IN),
			 2); /* with and without the extended header */
	fixture_free(f);
}

static void a_unit_without_port_groups_is_never_asked(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = new_fixture(&settings, 0, OPTIMIZED, STANDBY);

	for (unsigned i = 0; i < PATHS; i++)
		assert_int_equal(fake_nexus_count(f->nexus[i], SCSI_MAINTENANCE_IN), 0);
	assert_int_equal(map_group_count(f->map), 1);
	f->unit->port_group_count = 0;
	assert_int_equal(ways(f, 8), 0xf);
	fixture_free(f);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void a_change_is_followed_and_asked_for_once_however_many_paths_hear_of_it(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	set_states(f, NON_OPTIMIZED, OPTIMIZED);
	tell_all(f, 0x06);
	ways(f, 8);
	assert_int_equal(f->unit->access_reports, 1);
	assert_int_equal(ways(f, 8), 0xc);
	fake_ring_advance(f->ring, 1000);
	fixture_run(f);
	assert_true(f->unit->access_reports <= 2);
	assert_int_equal(f->attention_count, 0);
	for (unsigned i = 0; i < PATHS; i++)
		assert_int_equal(state_of(f, i), i < 2 ? ACCESS_NON_OPTIMIZED : ACCESS_OPTIMIZED);
	fixture_free(f);
}

static void a_standby_port_moves_the_command_to_the_other_group_at_once(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);
	struct request *read;

	set_states(f, STANDBY, OPTIMIZED);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(state_of(f, 0), ACCESS_STANDBY);
	assert_int_equal(state_of(f, 1), ACCESS_STANDBY);
	assert_int_equal(ways(f, 8), 0xc);
	/* that is no fault of the paths */
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	assert_int_equal(path_get_statistics(f->path[0])->errors, 0);
	assert_int_equal(map_get_state(f->map), MAP_OK);
	fixture_free(f);
}

static void commands_wait_for_a_transition_and_then_go_on(void **state)
{
	struct fixture *f = usual(OPTIMIZED, UNAVAILABLE);
	struct request *read, *write;

	set_states(f, TRANSITIONING, TRANSITIONING);
	read = fixture_read(f, 0, 1);
	write = fixture_write(f, 8, 1, 0x5a);
	fixture_run(f);
	for (unsigned i = 0; i < 50; i++) {
		fake_ring_advance(f->ring, 100);
		fixture_run(f);
	}
	assert_int_equal(read->ended, 0);
	assert_int_equal(write->ended, 0);
	assert_int_equal(map_get_state(f->map), MAP_NO_PATH_QUEUEING);
	assert_true(f->unit->access_reports >= 8 && f->unit->access_reports <= 13);
	set_states(f, STANDBY, OPTIMIZED);
	fake_ring_advance(f->ring, 600);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(write->error, 0);
	assert_int_equal(ways(f, 4), 0xc);
	fixture_free(f);
}

static void run_for(struct fixture *f, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		fake_ring_advance(f->ring, 100);
		fixture_run(f);
	}
}

static void no_error_comes_of_a_transition_even_where_no_path_retry_is_fail(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct request *read;
	struct fixture *f;

	settings.no_path_retry_ms = 0;
	f = new_fixture(&settings, ALUA_IMPLICIT, OPTIMIZED, STANDBY);
	set_states(f, TRANSITIONING, STANDBY);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	run_for(f, 55);
	assert_int_equal(read->ended, 0);
	set_states(f, STANDBY, OPTIMIZED);
	run_for(f, 1);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void a_transition_without_end_is_given_up(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct request *read;
	struct fixture *f;

	settings.no_path_retry_ms = 0;
	f = new_fixture(&settings, ALUA_IMPLICIT, OPTIMIZED, OFFLINE);
	f->unit->transition_s = 10;
	tell_all(f, 0x06);
	ways(f, 4); /* so that it is known */
	run_for(f, 1);
	set_states(f, TRANSITIONING, OFFLINE);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	run_for(f, 9);
	assert_int_equal(read->ended, 0);
	assert_int_equal(state_of(f, 0), ACCESS_TRANSITIONING);
	run_for(f, 2);
	assert_int_equal(state_of(f, 0), ACCESS_STANDBY);
	assert_int_equal(read->error, -EIO);
	/* until it tells something else */
	set_states(f, OPTIMIZED, OFFLINE);
	run_for(f, 2);
	assert_int_equal(state_of(f, 0), ACCESS_OPTIMIZED);
	assert_int_equal(ways(f, 4), 0x3);
	fixture_free(f);
}

/* Hundreds of units may lose a path at once. */
static void a_lost_path_asks_later_while_another_one_works_and_at_once_when_none_does(void **state)
{
	struct fixture *f = usual(OPTIMIZED, STANDBY);

	fixture_lose(f, 0);
	assert_int_equal(fixture_queued(f, 1) + fixture_queued(f, 2) + fixture_queued(f, 3), 0);
	run_for(f, 1);
	assert_int_equal(f->unit->access_reports, 1);
	fixture_lose(f, 1);
	assert_int_equal(fixture_queued(f, 2) + fixture_queued(f, 3), 1);
	fixture_run(f);
	assert_int_equal(f->unit->access_reports, 2);
	fixture_free(f);
}

static void a_late_answer_of_before_does_not_count(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);
	struct request *late = fixture_read(f, 0, 1);
	unsigned i = fixture_where(f);

	fake_ring_advance(f->ring, 100);
	map_ask_access(f->map);
	for (unsigned k = 0; k < 2; k++)
		while (fixture_queued(f, k) > (k == i ? 1 : 0))
			fake_nexus_run_one(f->nexus[k], fixture_queued(f, k) - 1);
	fake_nexus_complete(f->nexus[i], 0, &FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b));
	fixture_run(f);
	assert_int_equal(late->error, 0);
	assert_int_equal(state_of(f, i), ACCESS_OPTIMIZED);
	fixture_free(f);
}

static void a_target_that_hangs_is_asked_through_another_path(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	set_states(f, NON_OPTIMIZED, OPTIMIZED);
	fake_nexus_script(f->nexus[0], SCSI_MAINTENANCE_IN, FAKE_FOR_EVER,
			  &FAKE_OUTCOME(SCSI_ABORTED));
	fake_nexus_script(f->nexus[1], SCSI_MAINTENANCE_IN, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0x4, 0x44, 0x00));
	map_ask_access(f->map);
	fixture_run(f);
	assert_int_equal(state_of(f, 0), ACCESS_NON_OPTIMIZED);
	fixture_free(f);
}

static void when_nobody_answers_at_all_nothing_is_barred_for_ever(void **state)
{
	struct fixture *f = usual(OPTIMIZED, STANDBY);

	for (unsigned i = 0; i < PATHS; i++)
		fake_nexus_script(f->nexus[i], SCSI_MAINTENANCE_IN, FAKE_FOR_EVER,
				  &FAKE_CHECK_CONDITION(0x4, 0x44, 0x00));
	map_ask_access(f->map);
	fixture_run(f);
	run_for(f, 10);
	for (unsigned i = 0; i < PATHS; i++)
		assert_int_equal(state_of(f, i), ACCESS_UNKNOWN);
	for (unsigned i = 0; i < PATHS; i++)
		fake_nexus_clear_script(f->nexus[i]);
	run_for(f, 60);
	assert_int_equal(state_of(f, 3), ACCESS_STANDBY);
	fixture_free(f);
}

static void it_is_asked_now_and_then_in_case_nobody_tells(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f;

	settings.port_groups.poll_ms = 30000;
	f = new_fixture(&settings, ALUA_IMPLICIT, OPTIMIZED, NON_OPTIMIZED);
	set_states(f, NON_OPTIMIZED, OPTIMIZED);
	run_for(f, 31);
	assert_int_equal(f->unit->access_reports, 1);
	assert_int_equal(ways(f, 4), 0xc);
	fixture_free(f);
}

static void a_port_that_was_moved_to_another_group_is_found_there(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);
	struct path_access access;
	static const uint8_t report[] = {0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0,
					 0, 9, 1, 0,  0, 5, 0, 0, 0, 1, 0, 0, 0, 1};

	fake_nexus_script(f->nexus[0], SCSI_MAINTENANCE_IN, 1, &FAKE_DATA(report, sizeof(report)));
	map_ask_access(f->map);
	fixture_run(f);
	path_get_access(f->path[0], &access);
	assert_int_equal(access.port_group, 5);
	assert_int_equal(access.state, ACCESS_NON_OPTIMIZED);
	path_get_access(f->path[2], &access);
	assert_int_equal(access.state, ACCESS_UNKNOWN); /* in no group any more */
	fixture_free(f);
}

/* ---- a path that joins while its port is in standby ------------------------------------------ */

static struct fixture *with_unsized_path(uint64_t blocks)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = fixture_new(0, &settings);

	f->unit->tpgs = ALUA_IMPLICIT;
	fake_unit_wwid(f->unit, f->description.identity.wwid);
	f->description.limits.blocks = blocks;
	map_free(f->map);
	strcpy(f->description.identity.serial, f->unit->serial);
	strcpy(f->description.identity.vendor, f->unit->vendor);
	strcpy(f->description.identity.product, f->unit->product);
	assert_int_equal(map_new(f->ring, &f->description, &f->settings, NULL, f, &f->map), 0);
	set_states(f, OPTIMIZED, STANDBY);
	add_path(f, 1, ACCESS_UNKNOWN);
	add_path(f, 2, ACCESS_STANDBY);
	for (unsigned i = 0; i < 3; i++) {
		fixture_run(f);
		fake_ring_advance(f->ring, 100);
	}
	fixture_run(f);
	return f;
}

static void its_size_is_read_before_it_carries_anything(void **state)
{
	struct fixture *f = with_unsized_path(FIXTURE_BLOCKS);

	assert_int_equal(ways(f, 4), 0x1);
	set_states(f, UNAVAILABLE, OPTIMIZED);
	fixture_read(f, 0, 1);
	fake_nexus_run(f->nexus[0]); /* 2/04/0C, and the question through another path */
	fixture_run(f);
	assert_int_equal(state_of(f, 1), ACCESS_OPTIMIZED);
	assert_true(fake_nexus_count(f->nexus[1], SCSI_SERVICE_ACTION_IN_16) > 0);
	assert_int_equal(ways(f, 4), 0x2);
	fixture_free(f);
}

static void with_another_size_behind_it_it_is_never_used(void **state)
{
	struct fixture *f = with_unsized_path(FIXTURE_BLOCKS / 2);
	struct request *read;

	set_states(f, UNAVAILABLE, OPTIMIZED);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(path_get_state(f->path[1]), PATH_QUARANTINED);
	assert_int_equal(fake_nexus_count(f->nexus[1], SCSI_READ_16), 0);
	assert_int_equal(read->ended, 0);
	map_fail_all(f->map, -EIO);
	fixture_run(f);
	fixture_free(f);
}

/* ---- SET TARGET PORT GROUPS ------------------------------------------------------------------ */

static void a_group_is_activated_when_the_paths_to_the_active_one_are_lost(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = new_fixture(&settings, ALUA_EXPLICIT, OPTIMIZED, STANDBY);
	struct request *read;

	fixture_lose(f, 0);
	fixture_lose(f, 1);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(f->unit->activations, 0); /* they may be back at once */
	run_for(f, 1);
	assert_int_equal(f->unit->activations, 1);
	assert_int_equal(read->error, 0);
	assert_int_equal(state_of(f, 2), ACCESS_OPTIMIZED);
	assert_int_equal(ways(f, 4), 0xc);
	fixture_free(f);
}

static void at_once_when_the_target_says_that_no_group_is_active(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = new_fixture(&settings, ALUA_EXPLICIT, OPTIMIZED, STANDBY);
	struct request *read;

	set_states(f, STANDBY, STANDBY);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	fake_ring_advance(f->ring, 100);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	assert_int_equal(f->unit->activations, 1);
	fixture_free(f);
}

static void a_target_that_moves_units_by_itself_is_given_a_second_for_it(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f =
		new_fixture(&settings, ALUA_EXPLICIT | ALUA_IMPLICIT, OPTIMIZED, STANDBY);
	struct request *read;

	set_states(f, STANDBY, STANDBY);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	for (unsigned i = 0; i < 9; i++) {
		fake_ring_advance(f->ring, 100);
		fixture_run(f);
	}
	assert_int_equal(f->unit->activations, 0);
	run_for(f, 1);
	assert_int_equal(f->unit->activations, 1);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

static void a_preferred_group_is_activated_before_others(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = new_fixture(&settings, ALUA_EXPLICIT, OPTIMIZED, STANDBY);

	set_states(f, STANDBY, UNAVAILABLE);
	fake_unit_set_port_group(f->unit, 2, UNAVAILABLE, true);
	fixture_read(f, 0, 1);
	fixture_run(f);
	fake_ring_advance(f->ring, 100);
	fixture_run(f);
	assert_int_equal(state_of(f, 2), ACCESS_OPTIMIZED);
	fixture_free(f);
}

/* What is done 10 s after the optimized group's paths were lost, another group doing I/O badly. */
static void each_setting_activates_as_it_says(void **state)
{
	static const struct {
		enum activation activation;
		uint8_t tpgs;
		unsigned activations;
	} rows[] = {
		{ACTIVATION_NEVER, ALUA_EXPLICIT, 0},
		{ACTIVATION_STALLED, ALUA_EXPLICIT, 0},
		{ACTIVATION_OPTIMIZED, ALUA_EXPLICIT, 1},
		{ACTIVATION_OPTIMIZED, ALUA_EXPLICIT | ALUA_IMPLICIT, 1},
		{ACTIVATION_OPTIMIZED, ALUA_IMPLICIT, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
		struct fixture *f;

		settings.port_groups.activation = rows[i].activation;
		f = new_fixture(&settings, rows[i].tpgs, OPTIMIZED, NON_OPTIMIZED);
		fixture_lose(f, 0);
		fixture_lose(f, 1);
		assert_int_equal(ways(f, 4), 0xc);
		run_for(f, 4);
		assert_int_equal(f->unit->activations, 0);
		run_for(f, 6);
		assert_int_equal(f->unit->activations, rows[i].activations);
		fixture_free(f);
	}
}

static void an_activation_that_failed_is_tried_again_after_half_a_minute(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = new_fixture(&settings, ALUA_EXPLICIT, OPTIMIZED, STANDBY);
	struct request *read;
	size_t tries = 0;

	f->unit->refuses_activation = true;
	set_states(f, OFFLINE, STANDBY);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	run_for(f, 28);
	for (unsigned i = 2; i < PATHS; i++)
		tries += fake_nexus_count(f->nexus[i], SCSI_MAINTENANCE_OUT);
	assert_int_equal(tries, 1);
	f->unit->refuses_activation = false;
	run_for(f, 4);
	assert_int_equal(f->unit->activations, 1);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

/* ---- by hand, and back ----------------------------------------------------------------------- */

static void a_group_is_switched_to_and_back_by_hand(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	assert_int_equal(map_switch_group(f->map, 0), -EINVAL);
	assert_int_equal(map_switch_group(f->map, 3), -EINVAL);
	assert_int_equal(map_switch_group(f->map, 2), 0);
	assert_int_equal(map_active_group(f->map), 2);
	assert_int_equal(ways(f, 8), 0xc);
	run_for(f, 20);
	assert_int_equal(ways(f, 8), 0xc);
	assert_int_equal(map_failback(f->map), 0);
	assert_int_equal(ways(f, 8), 0x3);
	fixture_free(f);
}

static void a_group_in_standby_is_activated_by_hand_where_that_can_be(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, FAILBACK_MANUAL);
	struct fixture *f = new_fixture(&settings, ALUA_EXPLICIT, OPTIMIZED, STANDBY);

	assert_int_equal(map_switch_group(f->map, 2), 0);
	assert_int_equal(map_switch_group(f->map, 2), -EBUSY);
	fixture_run(f);
	assert_int_equal(ways(f, 8), 0xc);
	assert_int_equal(state_of(f, 0), ACCESS_STANDBY);
	fixture_free(f);

	f = usual(OPTIMIZED, STANDBY);
	assert_int_equal(map_switch_group(f->map, 2), -EOPNOTSUPP);
	fixture_free(f);
}

/* A lost path is back: when is its group used again? */
static void failback_waits_for_the_proof(void **state)
{
	struct fixture *f = usual(OPTIMIZED, NON_OPTIMIZED);

	fixture_lose(f, 0);
	fixture_lose(f, 1);
	assert_int_equal(ways(f, 4), 0xc);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(path_get_state(f->path[0]), PATH_PROBATION);
	assert_int_equal(ways(f, 8), 0xc);
	fixture_prove(f);
	assert_int_equal(ways(f, 8), 0x1);
	fixture_free(f);
}

static void failback_by_hand_only_is_by_hand_only(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, FAILBACK_MANUAL);
	struct fixture *f = new_fixture(&settings, ALUA_IMPLICIT, OPTIMIZED, NON_OPTIMIZED);

	fixture_lose(f, 0);
	fixture_lose(f, 1);
	fixture_relogin(f, 0);
	fixture_run(f);
	fixture_prove(f);
	fixture_run(f);
	assert_int_equal(ways(f, 8), 0xc);
	assert_int_equal(map_failback(f->map), 0);
	assert_int_equal(ways(f, 8), 0x1);
	fixture_free(f);
}

static void failback_comes_after_its_delay(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 30000);
	struct fixture *f = new_fixture(&settings, ALUA_IMPLICIT, OPTIMIZED, NON_OPTIMIZED);

	fixture_lose(f, 0);
	fixture_lose(f, 1);
	fixture_relogin(f, 0);
	fixture_run(f);
	fixture_prove(f);
	fixture_run(f);
	run_for(f, 29);
	assert_int_equal(ways(f, 8), 0xc);
	run_for(f, 2);
	assert_int_equal(ways(f, 8), 0x1);
	fixture_free(f);
}

static void without_port_groups_paths_are_used_one_after_the_other_with_failover(void **state)
{
	struct map_settings settings = settings_of(GROUPING_FAILOVER, 0);
	struct fixture *f = new_fixture(&settings, 0, OPTIMIZED, OPTIMIZED);

	assert_int_equal(map_group_count(f->map), 4);
	assert_int_equal(ways(f, 8), 0x1);
	fixture_lose(f, 0);
	assert_int_equal(ways(f, 8), 0x2);
	fixture_relogin(f, 0);
	fixture_prove(f);
	assert_int_equal(ways(f, 8), 0x1);
	fixture_free(f);
}

static void a_path_that_is_removed_takes_its_questions_along(void **state)
{
	struct map_settings settings = settings_of(GROUPING_BY_PRIO, 0);
	struct fixture *f = fixture_new(0, &settings);

	f->unit->tpgs = ALUA_IMPLICIT;
	set_states(f, OPTIMIZED, NON_OPTIMIZED);
	add_path(f, 1, ACCESS_UNKNOWN);
	add_path(f, 2, ACCESS_UNKNOWN);
	assert_int_equal(fixture_queued(f, 0), 1);
	fixture_remove_path(f, 0);
	fixture_run(f);
	assert_int_equal(state_of(f, 1), ACCESS_NON_OPTIMIZED);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_go_to_the_optimized_group_and_are_spread_there),
		cmocka_unit_test(each_state_carries_what_it_is_said_to),
		cmocka_unit_test(a_silent_path_waits_while_the_next_group_works),
		cmocka_unit_test(what_is_too_much_for_the_best_group_does_not_go_to_a_worse_one),
		cmocka_unit_test(a_target_that_refuses_the_question_is_used_as_if_it_had_no_groups),
		cmocka_unit_test(a_unit_without_port_groups_is_never_asked),
		cmocka_unit_test(
			a_change_is_followed_and_asked_for_once_however_many_paths_hear_of_it),
		cmocka_unit_test(a_standby_port_moves_the_command_to_the_other_group_at_once),
		cmocka_unit_test(commands_wait_for_a_transition_and_then_go_on),
		cmocka_unit_test(no_error_comes_of_a_transition_even_where_no_path_retry_is_fail),
		cmocka_unit_test(a_transition_without_end_is_given_up),
		cmocka_unit_test(
			a_lost_path_asks_later_while_another_one_works_and_at_once_when_none_does),
		cmocka_unit_test(a_late_answer_of_before_does_not_count),
		cmocka_unit_test(a_target_that_hangs_is_asked_through_another_path),
		cmocka_unit_test(when_nobody_answers_at_all_nothing_is_barred_for_ever),
		cmocka_unit_test(it_is_asked_now_and_then_in_case_nobody_tells),
		cmocka_unit_test(a_port_that_was_moved_to_another_group_is_found_there),
		cmocka_unit_test(its_size_is_read_before_it_carries_anything),
		cmocka_unit_test(with_another_size_behind_it_it_is_never_used),
		cmocka_unit_test(a_group_is_activated_when_the_paths_to_the_active_one_are_lost),
		cmocka_unit_test(at_once_when_the_target_says_that_no_group_is_active),
		cmocka_unit_test(a_target_that_moves_units_by_itself_is_given_a_second_for_it),
		cmocka_unit_test(a_preferred_group_is_activated_before_others),
		cmocka_unit_test(each_setting_activates_as_it_says),
		cmocka_unit_test(an_activation_that_failed_is_tried_again_after_half_a_minute),
		cmocka_unit_test(a_group_is_switched_to_and_back_by_hand),
		cmocka_unit_test(a_group_in_standby_is_activated_by_hand_where_that_can_be),
		cmocka_unit_test(failback_waits_for_the_proof),
		cmocka_unit_test(failback_by_hand_only_is_by_hand_only),
		cmocka_unit_test(failback_comes_after_its_delay),
		cmocka_unit_test(
			without_port_groups_paths_are_used_one_after_the_other_with_failover),
		cmocka_unit_test(a_path_that_is_removed_takes_its_questions_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
