/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Four paths that come and go at random, against a model of what was acknowledged. Whatever
 * happens, every command ends exactly once, and no read and no look at the medium shows data that
 * an acknowledged write replaced. HAWSER_TEST_SEED starts with another seed.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/unit/multipath/fixture.h"
#include "util/cleanup.h"

#define PATHS	    4
#define BLOCKS	    12 /* few, so that commands overlap */
#define LENGTH_MAX  4  /* blocks */
#define STEPS	    1500
#define ROUNDS	    120
#define OUTSTANDING 24
#define NEVER	    UINT64_MAX

/* A write as its submitter knows it. Its stamp is in the first bytes of each of its blocks. */
struct record {
	uint64_t submitted, ended; /* steps of the model's own clock */
};

struct link {
	bool lost_told; /* path_lost() was called since its nexus went down */
	bool down;
};

struct world {
	struct fixture *f;
	uint64_t random, clock;
	bool patient; /* settings under which no command may fail */
	unsigned outstanding;
	struct link links[PATHS];
	uint32_t record_count;
	struct record records[STEPS + 1]; /* by stamp; 0 is the empty medium */
	bool touched[STEPS + 1][BLOCKS];
};

static uint64_t seed_now;
static bool round_ended = true;

/* xorshift64* */
static uint64_t rnd(struct world *w, uint64_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * UINT64_C(2685821657736338717) >> 33) % below;
}

static uint32_t stamp_of(const void *block)
{
	uint32_t stamp;

	memcpy(&stamp, block, sizeof(stamp));
	return stamp;
}

/* May block @lba show write @stamp to somebody who started to look at time @since? */
static void check_block(const struct world *w, uint64_t lba, uint32_t stamp, uint64_t since)
{
	const struct record *shown;

	assert_in_range(stamp, 0, w->record_count);
	assert_true(stamp == 0 || w->touched[stamp][lba]);
	shown = &w->records[stamp];
	for (uint32_t i = 1; i <= w->record_count; i++) {
		const struct record *other = &w->records[i];

		if (w->touched[i][lba] && other->ended < since && other->submitted > shown->ended)
			fail_msg("block %llu shows write %u, which acknowledged write %u replaced",
				 (unsigned long long)lba, stamp, i);
	}
}

static struct world *world_of_round;

static void ended(struct request *request)
{
	struct world *w = world_of_round;
	const struct map_command *command = &request->command;

	w->outstanding--;
	w->clock++;
	if (w->patient)
		assert_int_equal(request->error, 0);
	else
		assert_true(request->error == 0 || request->error == -EIO);
	if (command->kind == MAP_WRITE) {
		w->records[stamp_of(request->data)].ended = request->error ? NEVER : w->clock;
	} else if (command->kind == MAP_READ && request->error == 0 && w->patient) {
		for (uint32_t i = 0; i < command->blocks; i++)
			check_block(w, command->lba + i,
				    stamp_of(request->data + i * FIXTURE_BLOCK_SIZE),
				    command->scsi.submitted_ns);
	}
}

static void submit(struct world *w)
{
	static const enum map_command_kind kinds[] = {MAP_READ,	 MAP_READ,  MAP_WRITE,
						      MAP_WRITE, MAP_WRITE, MAP_FLUSH};
	enum map_command_kind kind = kinds[rnd(w, ARRAY_SIZE(kinds))];
	uint32_t blocks = 1 + (uint32_t)rnd(w, LENGTH_MAX);
	uint64_t lba = rnd(w, BLOCKS - blocks + 1);
	struct request *request;

	if (w->outstanding >= OUTSTANDING)
		return;
	request = fixture_request(w->f, kind, lba, blocks, 0);
	request->on_done = ended;
	w->outstanding++;
	w->clock++;
	if (kind == MAP_WRITE) {
		uint32_t stamp = ++w->record_count;

		w->records[stamp] = (struct record){w->clock, NEVER};
		for (uint32_t i = 0; i < blocks; i++) {
			memcpy(request->data + i * FIXTURE_BLOCK_SIZE, &stamp, sizeof(stamp));
			w->touched[stamp][lba + i] = true;
		}
	}
	request->command.scsi.submitted_ns = w->clock; /* nobody else uses it here */
	fixture_submit(w->f, request);
}

/* What a device or transport may say without the fault being the unit's. */
static const struct fake_answer answers[] = {
	FAKE_STATUS(SCSI_BUSY),
	FAKE_STATUS(SCSI_TASK_SET_FULL),
	FAKE_STATUS(SCSI_TASK_ABORTED),
	FAKE_CHECK_CONDITION(0x2, 0x04, 0x01),
	FAKE_CHECK_CONDITION(0x2, 0x04, 0x03),
	FAKE_CHECK_CONDITION(0x2, 0x04, 0x0a),
	FAKE_CHECK_CONDITION(0x2, 0x04, 0x0b),
	FAKE_CHECK_CONDITION(0x6, 0x29, 0x00),
	FAKE_CHECK_CONDITION(0x6, 0x2a, 0x06),
	FAKE_CHECK_CONDITION(0x6, 0x2f, 0x00),
	FAKE_CHECK_CONDITION(0x6, 0x3f, 0x0e),
	FAKE_CHECK_CONDITION(0xb, 0x47, 0x05),
	FAKE_CHECK_CONDITION(0xb, 0x00, 0x00),
	FAKE_OUTCOME(SCSI_TARGET_FAILURE),
	FAKE_OUTCOME(SCSI_ABORTED),
	FAKE_OUTCOME(SCSI_NOT_SENT),
	FAKE_OUTCOME(SCSI_IN_DOUBT),
	FAKE_EXECUTED_IN_DOUBT,
	{.executed = true, .outcome = SCSI_ABORTED},
	{.executed = true, .outcome = SCSI_TARGET_FAILURE},
};

static unsigned pick(struct world *w)
{
	return (unsigned)rnd(w, PATHS);
}

static void answer(struct world *w)
{
	unsigned i = pick(w);
	size_t queued = fixture_queued(w->f, i);

	if (queued > 0)
		fake_nexus_run_one(w->f->nexus[i], rnd(w, queued));
}

static void answer_badly(struct world *w)
{
	unsigned i = pick(w);
	size_t queued = fixture_queued(w->f, i);

	if (queued > 0)
		fake_nexus_complete(w->f->nexus[i], rnd(w, queued),
				    &answers[rnd(w, ARRAY_SIZE(answers))]);
}

static void lose(struct world *w)
{
	unsigned i = pick(w);
	struct link *link = &w->links[i];

	if (link->down)
		return;
	link->down = true;
	link->lost_told = rnd(w, 2);
	if (link->lost_told && rnd(w, 2)) /* the map may hear of it first */
		path_lost(w->f->path[i], "flap");
	fake_nexus_lose(w->f->nexus[i], rnd(w, 3) ? SIZE_MAX : rnd(w, 8));
	if (link->lost_told)
		path_lost(w->f->path[i], "flap");
}

/* The device gets round to what the old session left; or the fence is closed before it does. */
static void settle_ghosts(struct world *w, unsigned i)
{
	if (rnd(w, 2))
		fake_nexus_run_ghosts(w->f->nexus[i]);
	fake_nexus_kill_ghosts(w->f->nexus[i]);
}

static void tell_lost(struct world *w, unsigned i)
{
	if (!w->links[i].lost_told)
		path_lost(w->f->path[i], "flap, told late");
	w->links[i].lost_told = true;
}

static void run_ghosts(struct world *w)
{
	unsigned i = pick(w);

	if (w->links[i].down)
		fake_nexus_run_ghosts(w->f->nexus[i]);
}

static void fence(struct world *w)
{
	unsigned i = pick(w);

	if (!w->links[i].down)
		return;
	tell_lost(w, i);
	settle_ghosts(w, i);
	path_fenced(w->f->path[i]);
}

static void relogin(struct world *w, unsigned i)
{
	tell_lost(w, i);
	settle_ghosts(w, i);
	fake_nexus_set_up(w->f->nexus[i], true);
	w->links[i].down = false;
	path_verified(w->f->path[i]);
}

static void come_back(struct world *w)
{
	unsigned i = pick(w);

	if (w->links[i].down)
		relogin(w, i);
	else
		path_verified(w->f->path[i]); /* checked again */
}

/* Logged out with an answer, and in again as a path of its own. */
static void replace(struct world *w)
{
	unsigned i = pick(w);

	if (!w->links[i].down || rnd(w, 4))
		return;
	tell_lost(w, i);
	settle_ghosts(w, i);
	if (rnd(w, 2))
		path_quarantine(w->f->path[i], "another unit");
	path_fenced(w->f->path[i]);
	map_remove_path(w->f->map, w->f->path[i]);
	assert_int_equal(map_add_path(w->f->map, &w->f->nexus[i]->nexus, NULL, &w->f->path[i]), 0);
}

static void ail(struct world *w)
{
	unsigned i = pick(w);

	if (!w->links[i].down)
		fake_nexus_set_health(w->f->nexus[i],
				      (enum nexus_health)rnd(w, NEXUS_HEALTH_COUNT));
}

static void pass_time(struct world *w)
{
	fake_ring_advance_us(w->f->ring, rnd(w, 40000));
}

static void (*const actions[])(struct world *w) = {
	submit, submit,	   submit,	 submit,     submit, answer,	answer,	 answer,
	answer, answer,	   answer,	 answer,     answer, pass_time, answer,	 pass_time,
	lose,	come_back, answer_badly, run_ghosts, fence,  come_back, replace, ail,
};

static void world_end(struct world *w)
{
	for (unsigned i = 0; i < PATHS; i++) {
		if (!w->links[i].down) { /* what is in doubt on a live session needs a new one */
			fake_nexus_lose(w->f->nexus[i], SIZE_MAX);
			w->links[i] = (struct link){.down = true};
		}
		relogin(w, i);
	}
	for (int n = 0; n < 1000 && !map_idle(w->f->map); n++) {
		fixture_run(w->f);
		fake_ring_advance(w->f->ring, 100);
	}
	assert_true(map_idle(w->f->map));
	assert_int_equal(w->outstanding, 0);
	w->clock++;
	for (uint64_t lba = 0; lba < BLOCKS && w->patient; lba++)
		check_block(w, lba, stamp_of(fake_unit_block(w->f->unit, lba)), w->clock);
}

static void round_of(uint64_t seed, const struct map_settings *settings, bool patient)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	seed_now = seed;
	round_ended = false;
	world_of_round = w;
	w->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	w->patient = patient;
	w->f = fixture_new(PATHS, settings);
	for (int i = 0; i < STEPS; i++) {
		actions[rnd(w, ARRAY_SIZE(actions))](w);
		fake_ring_turn(w->f->ring);
	}
	world_end(w);
	fake_ring_advance(w->f->ring, 10000); /* what timers are left find nothing to do … */
	fixture_run(w->f);		      /* … but to ask whether a suspect path is back */
	fixture_free(w->f);
	free(w);
	round_ended = true;
}

static uint64_t first_seed(void)
{
	const char *text = getenv("HAWSER_TEST_SEED");

	return text ? strtoull(text, NULL, 0) : 1;
}

static int tell_seed(void **state)
{
	if (!round_ended)
		print_error("HAWSER_TEST_SEED=%llu\n", (unsigned long long)seed_now);
	return 0;
}

static void acknowledged_data_survive_flapping_paths(void **state)
{
	struct map_settings settings = fixture_settings;

	settings.no_path_retry_ms = -1;
	settings.guard.timeout_ms = -1;
	settings.guard.fence_wait_ms = 5;
	for (uint64_t seed = first_seed(), n = 0; n < ROUNDS; n++) {
		strcpy(settings.selector, n % 2 ? "service-time" : "round-robin");
		settings.timeout_ms = n % 3 ? 0 : 100;
		settings.suspect_ms = n % 5 ? 30 : 0;
		settings.hedge_budget = n % 4 ? 50 : 0;
		settings.guard.integrity = n % 4 < 2 ? INTEGRITY_EXCLUSIVE : INTEGRITY_SHARED;
		round_of(seed + n, &settings, true);
	}
}

static void every_command_ends_once_also_when_time_runs_out(void **state)
{
	struct map_settings settings = fixture_settings;

	for (uint64_t seed = first_seed(), n = 0; n < ROUNDS; n++) {
		settings.no_path_retry_ms = n % 2 ? 50 : 0;
		settings.guard.timeout_ms = n % 3 ? 70 : 0;
		settings.timeout_ms = n % 4 ? 60 : 0;
		settings.suspect_ms = n % 5 ? 20 : 0;
		settings.hedge_budget = 10;
		settings.guard.integrity = (enum integrity)(n % 5 % INTEGRITY_COUNT);
		settings.guard.fence_wait_ms = n % 7 ? 20 : 0;
		round_of(seed + n, &settings, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(acknowledged_data_survive_flapping_paths, tell_seed),
		cmocka_unit_test_teardown(every_command_ends_once_also_when_time_runs_out,
					  tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
