/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "multipath/command.h"
#include "multipath/path.h"
#include "scsi/cdb.h"
#include "tests/fakes/fake_nexus.h"
#include "tests/fakes/fake_ring.h"
#include "util/cleanup.h"

#define NS_PER_MS UINT64_C(1000000)

static unsigned changes, fences;
static enum path_state last_from;
static char last_reason[64];

static void changed(struct path *path, enum path_state from, const char *reason)
{
	changes++;
	last_from = from;
	strncpy(last_reason, reason, sizeof(last_reason) - 1);
}

static void fenced(struct path *path)
{
	fences++;
}

static const struct path_owner owner = {changed, fenced};

struct world {
	struct ring *ring;
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct path *path;
};

static struct world world_new(void)
{
	struct world world;

	world.ring = fake_ring_new();
	world.unit = fake_unit_new(64, 512);
	world.nexus = fake_nexus_new(world.unit, 0);
	assert_int_equal(
		path_new(world.ring, NULL, &world.nexus->nexus, 5, &owner, world.unit, &world.path),
		0);
	changes = fences = 0;
	return world;
}

static void world_free(struct world *world)
{
	path_free(world->path);
	fake_nexus_free(world->nexus);
	fake_unit_free(world->unit);
	ring_free(world->ring);
}

static void lose(struct path *path)
{
	path_lost(path, "lost");
}

static void fail_it(struct path *path)
{
	path_fail(path, "failed");
}

static void quarantine(struct path *path)
{
	path_quarantine(path, "quarantined");
}

static void a_new_path_waits_to_be_verified_and_is_not_usable(void **state)
{
	struct world world = world_new();

	assert_int_equal(path_get_state(world.path), PATH_VERIFY);
	assert_false(path_usable(world.path));
	assert_ptr_equal(path_userdata(world.path), world.unit);
	assert_ptr_equal(path_nexus(world.path), &world.nexus->nexus);
	assert_int_equal(path_bit(world.path), 1 << 5);
	world_free(&world);
}

static void verification_of_a_nexus_that_is_down_again_does_not_activate(void **state)
{
	struct world world = world_new();

	lose(world.path);
	fake_nexus_set_up(world.nexus, false);
	path_verified(world.path);
	assert_int_equal(path_get_state(world.path), PATH_DOWN);
	assert_int_equal(fences, 1); /* but the relogin did kill the old nexus */
	assert_int_equal(world.path->fenced_login, 1);
	world_free(&world);
}

static void only_a_verified_path_that_is_up_is_reinstated(void **state)
{
	struct world world = world_new();

	assert_false(path_reinstate(world.path, "")); /* to be verified */
	path_verified(world.path);
	assert_false(path_reinstate(world.path, "")); /* active */
	fail_it(world.path);
	fake_nexus_set_up(world.nexus, false);
	assert_false(path_reinstate(world.path, ""));
	fake_nexus_set_up(world.nexus, true);
	assert_true(path_reinstate(world.path, "the last"));
	assert_int_equal(path_get_state(world.path), PATH_PROBATION);
	lose(world.path);
	assert_false(path_reinstate(world.path, "")); /* another unit may be there now */
	quarantine(world.path);
	assert_false(path_reinstate(world.path, ""));
	world_free(&world);
}

static void fencing_covers_the_logins_before_the_last_loss(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	path_fenced(world.path);
	assert_false(world.path->login < world.path->fenced_login);
	lose(world.path);
	path_fenced(world.path);
	assert_int_equal(world.path->fenced_login, 1);
	assert_int_equal(world.path->login, 1); /* what is sent now is not covered */
	world_free(&world);
}

static void the_nexus_is_told_of_being_last_only_when_that_changes(void **state)
{
	struct world world = world_new();

	path_set_last(world.path, false);
	assert_int_equal(world.nexus->set_last_paths, 0);
	path_set_last(world.path, true);
	path_set_last(world.path, true);
	assert_int_equal(world.nexus->set_last_paths, 1);
	assert_true(world.nexus->last_path);
	path_set_last(world.path, false);
	assert_int_equal(world.nexus->set_last_paths, 2);
	assert_false(world.nexus->last_path);
	world_free(&world);
}

static struct path *returned_to;
static uint64_t returned_ns;
static bool returned_good;

static void returned(struct scsi_command *scsi)
{
	struct map_command *command = container_of(scsi, struct map_command, scsi);

	path_returned(returned_to, command, returned_good, returned_ns);
}

static uint8_t memory[32768];

static struct map_command command_of(enum map_command_kind kind, uint32_t blocks)
{
	struct map_command command = {.kind = kind, .scsi = {.data = memory, .done = returned}};

	if (kind == MAP_READ)
		cdb_read_16(&command.scsi, 0, 0, blocks, 512);
	else if (kind == MAP_WRITE)
		cdb_write_16(&command.scsi, 0, 0, blocks, 512);
	else
		cdb_synchronize_cache_16(&command.scsi, 0, 0);
	return command;
}

static void carry(struct world *world, struct map_command *command, bool good, uint64_t from_ns,
		  uint64_t to_ns)
{
	assert_int_equal(path_send(world->path, command, from_ns), 0);
	returned_to = world->path;
	returned_good = good;
	returned_ns = to_ns;
	assert_int_equal(fake_nexus_run(world->nexus), 1);
}

static void statistics_count_what_ended_well(void **state)
{
	struct world world = world_new();
	struct map_command read = command_of(MAP_READ, 8), write = command_of(MAP_WRITE, 16);
	struct map_command flush = command_of(MAP_FLUSH, 0), unmap = command_of(MAP_WRITE, 1);
	struct map_command zero = command_of(MAP_WRITE, 1);
	const struct path_statistics *s = path_get_statistics(world.path);

	cdb_unmap(&unmap.scsi, 24);
	cdb_write_same_16(&zero.scsi, CDB_WRITE_SAME_UNMAP, 0, 8, 512);
	path_verified(world.path);
	carry(&world, &read, true, 10 * NS_PER_MS, 12 * NS_PER_MS);
	carry(&world, &write, true, 20 * NS_PER_MS, 30 * NS_PER_MS);
	carry(&world, &read, false, 40 * NS_PER_MS, 90 * NS_PER_MS);
	carry(&world, &flush, true, 91 * NS_PER_MS, 99 * NS_PER_MS);
	carry(&world, &unmap, true, 100 * NS_PER_MS, 101 * NS_PER_MS);
	carry(&world, &zero, true, 102 * NS_PER_MS, 103 * NS_PER_MS);
	assert_int_equal(s->reads, 1);
	assert_int_equal(s->writes, 1);
	assert_int_equal(s->flushes, 1);
	assert_int_equal(s->discards, 2);
	assert_int_equal(s->bytes_read, 8 * 512);
	assert_int_equal(s->bytes_written, 16 * 512);
	assert_int_equal(s->latency_sum_ns, 12 * NS_PER_MS);
	assert_int_equal(s->latency_max_ns, 10 * NS_PER_MS);
	assert_int_equal(s->ewma_latency_ns, 3 * NS_PER_MS); /* (2·7 + 10) / 8 */
	assert_int_equal(s->in_flight, 0);
	assert_int_equal(s->in_flight_bytes, 0);
	assert_int_equal(world.path->cost_in_flight, 0);
	world_free(&world);
}

static void in_flight_counts_commands_and_bytes(void **state)
{
	struct world world = world_new();
	struct map_command a = command_of(MAP_READ, 8), b = command_of(MAP_WRITE, 1);
	const struct path_statistics *s = path_get_statistics(world.path);

	assert_int_equal(path_send(world.path, &a, NS_PER_MS), 0);
	assert_int_equal(path_send(world.path, &b, NS_PER_MS), 0);
	assert_int_equal(s->in_flight, 2);
	assert_int_equal(s->in_flight_bytes, 9 * 512);
	assert_int_equal(world.path->cost_in_flight, 9 * 512 + 2 * PATH_COMMAND_COST);
	returned_to = world.path;
	fake_nexus_run(world.nexus);
	assert_int_equal(s->in_flight, 0);
	world_free(&world);
}

static void a_nexus_that_refuses_changes_nothing(void **state)
{
	struct world world = world_new();
	struct map_command read = command_of(MAP_READ, 8);

	fake_nexus_set_up(world.nexus, false);
	assert_int_equal(path_send(world.path, &read, NS_PER_MS), -ENOTCONN);
	assert_int_equal(path_get_statistics(world.path)->in_flight, 0);
	assert_int_equal(world.path->cost_in_flight, 0);
	world_free(&world);
}

static void throughput_is_measured_over_busy_time_only(void **state)
{
	struct world world = world_new();
	struct map_command read = command_of(MAP_READ, 8); /* costs 8 KiB with its share */
	uint64_t at_ns = 1000 * NS_PER_MS;

	assert_int_equal(world.path->throughput, 0);
	for (int i = 0; i < 5; i++) {
		carry(&world, &read, true, at_ns, at_ns + NS_PER_MS);
		at_ns += 100 * NS_PER_MS; /* 1 % busy */
	}
	assert_int_equal(world.path->throughput, 8192); /* per millisecond of being busy */
	/* Four times slower: a quarter of the way at each measurement of 5 ms. */
	carry(&world, &read, true, at_ns, at_ns + 8 * NS_PER_MS);
	assert_int_equal(world.path->throughput, (3 * 8192 + 1024) / 4);
	world_free(&world);
}

static void a_path_that_answers_nothing_for_long_has_a_low_but_known_throughput(void **state)
{
	struct world world = world_new();
	struct map_command read = command_of(MAP_READ, 1);

	carry(&world, &read, false, NS_PER_MS, 3600 * 1000 * NS_PER_MS);
	assert_int_equal(world.path->throughput, 1);
	world_free(&world);
}

static void aborting_what_came_before_spares_what_came_after(void **state)
{
	struct world world = world_new();
	struct map_command c[5];

	path_verified(world.path);
	for (int i = 0; i < 5; i++) {
		c[i] = command_of(MAP_READ, 1);
		assert_int_equal(path_send(world.path, &c[i], NS_PER_MS), 0);
	}
	path_abort_before(world.path, &c[3]);
	assert_int_equal(world.nexus->aborts, 3);
	path_abort_before(world.path, &c[3]);
	assert_int_equal(world.nexus->aborts, 3);
	path_abort_before(world.path, &c[1]); /* being aborted itself: nobody is before it */
	assert_int_equal(world.nexus->aborts, 3);
	returned_to = world.path;
	returned_good = true;
	fake_nexus_run(world.nexus);
	for (int i = 0; i < 5; i++)
		assert_int_equal(c[i].scsi.result.outcome, i < 3 ? SCSI_ABORTED : SCSI_COMPLETED);
	world_free(&world);
}

static void a_nexus_that_is_down_is_not_asked_to_abort(void **state)
{
	struct world world = world_new();
	struct map_command read = command_of(MAP_READ, 1);

	assert_int_equal(path_send(world.path, &read, NS_PER_MS), 0);
	fake_nexus_set_up(world.nexus, false);
	path_abort(world.path, &read);
	assert_int_equal(world.nexus->aborts, 0);
	returned_to = world.path;
	fake_nexus_lose(world.nexus, SIZE_MAX);
	world_free(&world);
}

static void the_same_attention_within_half_a_second_is_not_new(void **state)
{
	struct world world = world_new();
	uint64_t t = 1000 * NS_PER_MS;

	assert_true(path_attention_is_new(world.path, 0x2a, 0x09, t));
	assert_false(path_attention_is_new(world.path, 0x2a, 0x09, t + 499 * NS_PER_MS));
	assert_true(path_attention_is_new(world.path, 0x2a, 0x06, t + 499 * NS_PER_MS));
	assert_true(path_attention_is_new(world.path, 0x2a, 0x09, t + 499 * NS_PER_MS));
	assert_true(path_attention_is_new(world.path, 0x2a, 0x09, t + 999 * NS_PER_MS));
	world_free(&world);
}

/* --- standing and health --- */

#define SECOND 1000

static void expect(const struct world *world, enum path_state state)
{
	assert_string_equal(path_state_name(path_get_state(world->path)), path_state_name(state));
}

/* Time passes, and the owner looks when the path asked it to. */
static void pass(struct world *world, uint64_t ms)
{
	fake_ring_advance(world->ring, ms);
	path_check_due(world->path);
}

static void come_back(struct world *world)
{
	fake_nexus_set_up(world->nexus, true);
	path_verified(world->path);
}

static void fall(struct world *world)
{
	fake_nexus_set_up(world->nexus, false);
	lose(world->path);
}

static void end_well(struct world *world, unsigned commands)
{
	struct map_command read = command_of(MAP_READ, 1);

	for (unsigned i = 0; i < commands; i++)
		carry(world, &read, true, ring_now_ns(world->ring), ring_now_ns(world->ring));
}

static void a_new_path_is_active_at_once_and_a_fallen_one_comes_back_on_probation(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	expect(&world, PATH_ACTIVE);
	pass(&world, 100 * SECOND);
	fall(&world);
	expect(&world, PATH_DOWN);
	come_back(&world);
	expect(&world, PATH_PROBATION);
	world_free(&world);
}

static void probation_ends_after_sixteen_good_commands(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	pass(&world, 100 * SECOND);
	fall(&world);
	come_back(&world);
	end_well(&world, 15);
	expect(&world, PATH_PROBATION);
	path_error(world.path); /* all over again */
	end_well(&world, 15);
	expect(&world, PATH_PROBATION);
	end_well(&world, 1);
	expect(&world, PATH_ACTIVE);
	assert_int_equal(path_due_ns(world.path), UINT64_MAX);
	world_free(&world);
}

static void probation_ends_after_five_seconds_without_an_error(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	pass(&world, 100 * SECOND);
	fall(&world);
	come_back(&world);
	pass(&world, 4 * SECOND);
	path_error(world.path);
	pass(&world, 5 * SECOND - 1);
	expect(&world, PATH_PROBATION);
	assert_int_equal(path_due_ns(world.path), ring_now_ns(world.ring) + NS_PER_MS);
	pass(&world, 1);
	expect(&world, PATH_ACTIVE);
	world_free(&world);
}

static void a_path_that_was_only_checked_again_keeps_its_standing(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	path_doubt_identity(world.path, "changed");
	expect(&world, PATH_VERIFY);
	path_verified(world.path);
	expect(&world, PATH_ACTIVE);
	world_free(&world);
}

static void a_flapping_path_is_held_back_for_longer_and_longer(void **state)
{
	static const unsigned holds_s[] = {10, 20, 40, 80, 160, 320, 600, 600};
	struct world world = world_new();

	path_verified(world.path);
	pass(&world, 3600 * SECOND);
	fall(&world); /* after a long life */
	come_back(&world);
	expect(&world, PATH_PROBATION);
	fall(&world); /* after a short one: that may be a restart */
	come_back(&world);
	expect(&world, PATH_PROBATION);
	for (size_t i = 0; i < ARRAY_SIZE(holds_s); i++) {
		pass(&world, SECOND);
		fall(&world);
		come_back(&world);
		expect(&world, PATH_MARGINAL);
		assert_true(path_usable(world.path)); /* if it is the last */
		assert_int_equal(path_due_ns(world.path),
				 ring_now_ns(world.ring) + holds_s[i] * SECOND * NS_PER_MS);
	}
	pass(&world, 600 * SECOND - 1);
	expect(&world, PATH_MARGINAL);
	pass(&world, 1);
	expect(&world, PATH_PROBATION);
	end_well(&world, 16);
	expect(&world, PATH_ACTIVE);
	world_free(&world);
}

static void a_long_good_life_is_no_flapping_and_no_relapse(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	for (int i = 0; i < 2; i++) {
		fall(&world);
		come_back(&world);
	}
	expect(&world, PATH_MARGINAL);
	pass(&world, 10 * SECOND);
	pass(&world, 700 * SECOND);
	expect(&world, PATH_ACTIVE);
	fall(&world);
	come_back(&world);
	expect(&world, PATH_PROBATION);
	for (int i = 0; i < 2; i++) {
		fall(&world);
		come_back(&world);
	}
	expect(&world, PATH_MARGINAL);
	assert_int_equal(world.path->health.hold_ms, 10 * SECOND);
	world_free(&world);
}

/* The errors of one strike: the first one takes four in a row, the next come sooner. */
static void strike_by_errors(struct world *world, unsigned errors)
{
	for (unsigned i = 0; i < errors; i++)
		path_error(world->path);
}

static void errors_make_a_path_marginal_at_the_second_strike_in_a_minute(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	strike_by_errors(&world, 4);
	expect(&world, PATH_ACTIVE);
	pass(&world, 60 * SECOND);
	strike_by_errors(&world, 2); /* too late: counts as the first */
	expect(&world, PATH_ACTIVE);
	pass(&world, 59 * SECOND);
	strike_by_errors(&world, 2);
	expect(&world, PATH_MARGINAL);
	assert_string_equal(last_reason, "too many commands fail");
	pass(&world, 10 * SECOND);
	expect(&world, PATH_PROBATION);
	pass(&world, 5 * SECOND);
	expect(&world, PATH_ACTIVE);
	path_strike(world.path, "a relapse");
	pass(&world, 999);
	path_strike(world.path, "still the same");
	expect(&world, PATH_ACTIVE);
	pass(&world, 1);
	path_strike(world.path, "a relapse");
	expect(&world, PATH_MARGINAL);
	assert_int_equal(world.path->health.hold_ms, 20 * SECOND);
	world_free(&world);
}

static void rare_errors_between_many_successes_are_no_strike(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	for (int i = 0; i < 100; i++) {
		path_error(world.path);
		end_well(&world, 60);
	}
	expect(&world, PATH_ACTIVE);
	assert_int_equal(world.path->health.strike_ns, 0);
	world_free(&world);
}

static void what_the_transport_says_of_a_nexus_shows_until_it_is_well_again(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	fake_nexus_set_health(world.nexus, NEXUS_SUSPECT);
	expect(&world, PATH_SUSPECT);
	assert_string_equal(last_reason, "so the test says");
	assert_true(path_usable(world.path));
	fake_nexus_set_health(world.nexus, NEXUS_THROTTLED);
	expect(&world, PATH_THROTTLED);
	fake_nexus_set_health(world.nexus, NEXUS_SUSPECT);
	expect(&world, PATH_SUSPECT);
	fake_nexus_set_health(world.nexus, NEXUS_WELL);
	expect(&world, PATH_ACTIVE);
	fake_nexus_set_health(world.nexus, NEXUS_SUSPECT);
	fall(&world);
	expect(&world, PATH_DOWN);
	fake_nexus_set_up(world.nexus, true);
	path_verified(world.path);
	expect(&world, PATH_PROBATION);
	world_free(&world);
}

static void a_nexus_that_is_in_trouble_when_it_is_verified_shows_it(void **state)
{
	struct world world = world_new();

	fake_nexus_set_health(world.nexus, NEXUS_THROTTLED);
	expect(&world, PATH_VERIFY);
	path_verified(world.path);
	expect(&world, PATH_THROTTLED);
	world_free(&world);
}

static void suspicion_of_the_unit_ends_with_an_answer_and_not_with_life_of_the_transport(
	void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	path_suspect(world.path, "unanswered");
	expect(&world, PATH_SUSPECT);
	fake_nexus_set_health(world.nexus, NEXUS_SUSPECT);
	fake_nexus_set_health(world.nexus, NEXUS_WELL);
	expect(&world, PATH_SUSPECT);
	end_well(&world, 1);
	expect(&world, PATH_ACTIVE);
	world_free(&world);
}

static void standing_that_changes_while_it_is_suspect_shows_afterwards(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	path_suspect(world.path, "unanswered");
	path_strike(world.path, "again");
	pass(&world, SECOND);
	path_strike(world.path, "and again");
	expect(&world, PATH_SUSPECT);
	end_well(&world, 1);
	expect(&world, PATH_MARGINAL);
	path_suspect(world.path, "unanswered");
	pass(&world, 10 * SECOND); /* the hold is over meanwhile */
	expect(&world, PATH_SUSPECT);
	end_well(&world, 1);
	expect(&world, PATH_PROBATION);
	world_free(&world);
}

static void an_answer_of_an_earlier_login_proves_nothing(void **state)
{
	struct map_command read = command_of(MAP_READ, 1);
	struct world world = world_new();

	path_verified(world.path);
	assert_int_equal(path_send(world.path, &read, NS_PER_MS), 0);
	lose(world.path);
	path_verified(world.path);
	returned_to = world.path;
	returned_good = true;
	returned_ns = ring_now_ns(world.ring);
	fake_nexus_run(world.nexus);
	assert_int_equal(world.path->health.proofs, 0);
	world_free(&world);
}

static void an_unmapped_path_is_not_usable_and_that_is_no_failure(void **state)
{
	struct world world = world_new();

	path_verified(world.path);
	path_unmapped(world.path, "no such unit");
	expect(&world, PATH_UNMAPPED);
	assert_false(path_usable(world.path));
	assert_int_equal(path_get_statistics(world.path)->failures, 0);
	assert_false(path_reinstate(world.path, "the last"));
	path_verified(world.path);
	expect(&world, PATH_PROBATION);
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_path_waits_to_be_verified_and_is_not_usable),
		cmocka_unit_test(verification_of_a_nexus_that_is_down_again_does_not_activate),
		cmocka_unit_test(only_a_verified_path_that_is_up_is_reinstated),
		cmocka_unit_test(fencing_covers_the_logins_before_the_last_loss),
		cmocka_unit_test(the_nexus_is_told_of_being_last_only_when_that_changes),
		cmocka_unit_test(statistics_count_what_ended_well),
		cmocka_unit_test(in_flight_counts_commands_and_bytes),
		cmocka_unit_test(a_nexus_that_refuses_changes_nothing),
		cmocka_unit_test(throughput_is_measured_over_busy_time_only),
		cmocka_unit_test(
			a_path_that_answers_nothing_for_long_has_a_low_but_known_throughput),
		cmocka_unit_test(aborting_what_came_before_spares_what_came_after),
		cmocka_unit_test(a_nexus_that_is_down_is_not_asked_to_abort),
		cmocka_unit_test(the_same_attention_within_half_a_second_is_not_new),
		cmocka_unit_test(
			a_new_path_is_active_at_once_and_a_fallen_one_comes_back_on_probation),
		cmocka_unit_test(probation_ends_after_sixteen_good_commands),
		cmocka_unit_test(probation_ends_after_five_seconds_without_an_error),
		cmocka_unit_test(a_path_that_was_only_checked_again_keeps_its_standing),
		cmocka_unit_test(a_flapping_path_is_held_back_for_longer_and_longer),
		cmocka_unit_test(a_long_good_life_is_no_flapping_and_no_relapse),
		cmocka_unit_test(errors_make_a_path_marginal_at_the_second_strike_in_a_minute),
		cmocka_unit_test(rare_errors_between_many_successes_are_no_strike),
		cmocka_unit_test(what_the_transport_says_of_a_nexus_shows_until_it_is_well_again),
		cmocka_unit_test(a_nexus_that_is_in_trouble_when_it_is_verified_shows_it),
		cmocka_unit_test(
			suspicion_of_the_unit_ends_with_an_answer_and_not_with_life_of_the_transport),
		cmocka_unit_test(standing_that_changes_while_it_is_suspect_shows_afterwards),
		cmocka_unit_test(an_answer_of_an_earlier_login_proves_nothing),
		cmocka_unit_test(an_unmapped_path_is_not_usable_and_that_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
