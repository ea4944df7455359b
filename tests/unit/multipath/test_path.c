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
	struct fake_unit *unit;
	struct fake_nexus *nexus;
	struct path *path;
};

static struct world world_new(void)
{
	struct world world;

	world.unit = fake_unit_new(64, 512);
	world.nexus = fake_nexus_new(world.unit, 0);
	assert_int_equal(path_new(NULL, &world.nexus->nexus, 5, &owner, world.unit, &world.path),
			 0);
	changes = fences = 0;
	return world;
}

static void world_free(struct world *world)
{
	path_free(world->path);
	fake_nexus_free(world->nexus);
	fake_unit_free(world->unit);
}

static void verify(struct path *path)
{
	path_verified(path);
}

static void lose(struct path *path)
{
	path_lost(path, "lost");
}

static void fail_it(struct path *path)
{
	path_fail(path, "failed");
}

static void doubt(struct path *path)
{
	path_doubt_identity(path, "doubted");
}

static void quarantine(struct path *path)
{
	path_quarantine(path, "quarantined");
}

/* clang-format off */
static const struct {
	void (*event)(struct path *path);
	const char *reason;
	enum path_state to[PATH_STATE_COUNT]; /* from pending, active, failed, quarantined */
} steps[] = {
	{verify,     "identity verified", {PATH_ACTIVE, PATH_ACTIVE, PATH_ACTIVE, PATH_QUARANTINED}},
	{lose,       "lost",        {PATH_FAILED, PATH_FAILED, PATH_FAILED, PATH_QUARANTINED}},
	{fail_it,    "failed",      {PATH_FAILED, PATH_FAILED, PATH_FAILED, PATH_QUARANTINED}},
	{doubt,      "doubted",     {PATH_PENDING, PATH_PENDING, PATH_FAILED, PATH_QUARANTINED}},
	{quarantine, "quarantined", {PATH_QUARANTINED, PATH_QUARANTINED, PATH_QUARANTINED, PATH_QUARANTINED}},
};
/* clang-format on */

static void every_event_in_every_state_steps_as_the_table_says(void **state)
{
	for (size_t e = 0; e < ARRAY_SIZE(steps); e++) {
		for (unsigned from = 0; from < PATH_STATE_COUNT; from++) {
			struct world world = world_new();

			world.path->state = from;
			steps[e].event(world.path);
			assert_int_equal(path_get_state(world.path), steps[e].to[from]);
			assert_int_equal(changes, steps[e].to[from] != from);
			if (changes) {
				assert_int_equal(last_from, from);
				assert_string_equal(last_reason, steps[e].reason);
			}
			world_free(&world);
		}
	}
}

static void states_have_the_names_of_the_bus(void **state)
{
	assert_string_equal(path_state_name(PATH_PENDING), "pending");
	assert_string_equal(path_state_name(PATH_ACTIVE), "active");
	assert_string_equal(path_state_name(PATH_FAILED), "failed");
	assert_string_equal(path_state_name(PATH_QUARANTINED), "quarantined");
}

static void a_new_path_is_pending_and_not_usable(void **state)
{
	struct world world = world_new();

	assert_int_equal(path_get_state(world.path), PATH_PENDING);
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
	assert_int_equal(path_get_state(world.path), PATH_FAILED);
	assert_int_equal(fences, 1); /* but the relogin did kill the old nexus */
	assert_int_equal(world.path->fenced_login, 1);
	world_free(&world);
}

static void only_a_verified_path_that_is_up_is_reinstated(void **state)
{
	struct world world = world_new();

	assert_false(path_reinstate(world.path, "")); /* pending */
	path_verified(world.path);
	assert_false(path_reinstate(world.path, "")); /* active */
	fail_it(world.path);
	fake_nexus_set_up(world.nexus, false);
	assert_false(path_reinstate(world.path, ""));
	fake_nexus_set_up(world.nexus, true);
	assert_true(path_reinstate(world.path, "the last"));
	assert_int_equal(path_get_state(world.path), PATH_ACTIVE);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_steps_as_the_table_says),
		cmocka_unit_test(states_have_the_names_of_the_bus),
		cmocka_unit_test(a_new_path_is_pending_and_not_usable),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
