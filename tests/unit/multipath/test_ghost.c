/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The ghost of a write. W1 is sent on path A, A is lost, and the target still has W1. What may
 * happen next (time passes, path B answers, the target carries out its copy, another login takes
 * A's place, the new session answers) happens here in every order that there is. W2 writes to the
 * same blocks as soon as W1 is acknowledged; once W2 is acknowledged its data must be there, for
 * good. With the guard turned off the same orders destroy it, which proves that they could.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>

#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "scsi/cdb.h"
#include "util/cleanup.h"

#define OLD_BYTE 0xaa
#define NEW_BYTE 0xbb
#define LBA	 12 /* that both write to */
#define PATH_A	 0
#define PATH_B	 1

enum step {
	PASS_TIME, /* 150 ms; the fence has 250 */
	B_ANSWERS,
	GHOST_ACTS,  /* the target carries out what it still has of the lost session */
	REINSTATE,   /* a login takes A's place */
	NEW_ANSWERS, /* the session that did answers one thing that it was asked */
	STEP_COUNT,
};

/* How often each happens: 8! / (2! 2! 2!) = 5040 orders. */
static const unsigned script[STEP_COUNT] = {2, 2, 1, 1, 2};
#define SCRIPT_STEPS 8

/* When the target is through with the lost session. */
enum target {
	ENDS_AT_LOGIN,	   /* LIO: before the login is answered */
	HOLDS_NEW_SESSION, /* SCST: before the new session's first command is carried out */
	NEVER_ENDS,	   /* tgt: not at all, but a reset of the unit waits for it */
};

enum kind { WRITES, UNMAPS, WRITES_SAME };

struct trial {
	enum target target;
	const char *vendor;
	enum integrity integrity;
	enum fence_reset fence_reset;
	bool other_portal;  /* A's portal group has another portal; else only A itself comes back */
	bool gone_for_good; /* nobody ever takes A's place */
	bool trusts_login; /* the fence is believed to be closed as soon as the login is answered */
	enum kind first, second;
};

struct world {
	const struct trial *trial;
	struct fixture *f;
	struct fake_nexus *stand_in; /* the session through the other portal */
	struct request *w1, *w2;
	bool reinstated, session_over; /* the target is through with the lost session */
	bool spoiled;		       /* the new data were acknowledged, and are not there */
	bool early;		       /* W1 was acknowledged while its ghost was alive */
};

static uint8_t byte_of(enum kind kind, uint8_t byte)
{
	return kind == UNMAPS ? 0 : byte;
}

static void submit(struct world *w, struct request **ret, enum kind kind, uint64_t lba,
		   uint32_t blocks, uint8_t byte, void (*on_done)(struct request *request))
{
	struct request *request = fixture_request(w->f, MAP_WRITE, lba, blocks, byte);
	struct scsi_command *scsi = &request->command.scsi;
	struct unmap_range range = {.lba = lba, .blocks = blocks};

	if (kind == WRITES_SAME)
		cdb_write_same_16(scsi, 0, lba, blocks, FIXTURE_BLOCK_SIZE);
	if (kind == UNMAPS)
		cdb_unmap(scsi, (uint16_t)unmap_parameters_fill(request->data,
								sizeof(request->data), &range, 1));
	request->on_done = on_done;
	*ret = request;
	fixture_submit(w->f, request);
}

static struct world *world_now;

static uint8_t byte_there(const struct world *w)
{
	return *(const uint8_t *)fake_unit_block(w->f->unit, LBA);
}

static void look(struct world *w)
{
	if (w->w2 && w->w2->ended && byte_there(w) != byte_of(w->trial->second, NEW_BYTE))
		w->spoiled = true;
}

static void first_done(struct request *request)
{
	struct world *w = world_now;

	assert_int_equal(request->error, 0);
	w->early = !w->session_over && w->f->guards_expired == 0;
	submit(w, &w->w2, w->trial->second, LBA - 1, 3, NEW_BYTE, NULL);
}

/* --- the target --- */

static void end_lost_session(struct world *w)
{
	fake_nexus_kill_ghosts(w->f->nexus[PATH_A]);
	w->session_over = true;
}

static void unit_was_reset(struct fake_nexus *fake, void *userdata)
{
	end_lost_session(userdata);
}

static struct fake_nexus *new_session(struct world *w)
{
	return w->trial->other_portal ? w->stand_in : w->f->nexus[PATH_A];
}

static void reinstate(struct world *w)
{
	struct path *path = w->f->path[PATH_A];

	if (w->trial->gone_for_good || w->reinstated)
		return;
	w->reinstated = true;
	if (w->trial->target == ENDS_AT_LOGIN)
		end_lost_session(w);
	fake_nexus_set_up(new_session(w), true);
	if (w->trial->trusts_login)
		path_fenced(path);
	else if (w->trial->other_portal)
		path_fence(path, &w->stand_in->nexus, NULL, NULL);
	else
		path_verified(path);
}

static void new_session_answers(struct world *w)
{
	struct fake_nexus *fake = new_session(w);

	if (!w->reinstated)
		return;
	if (w->trial->target == HOLDS_NEW_SESSION)
		end_lost_session(w);
	if (!fake_nexus_run_one(fake, 0))
		fake_nexus_run(fake); /* a reset, perhaps */
}

static void happen(struct world *w, enum step step)
{
	switch (step) {
	case PASS_TIME:
		fake_ring_advance(w->f->ring, 150);
		break;
	case B_ANSWERS:
		fake_nexus_run(w->f->nexus[PATH_B]);
		break;
	case GHOST_ACTS:
		fake_nexus_run_ghosts(w->f->nexus[PATH_A]);
		break;
	case REINSTATE:
		reinstate(w);
		break;
	case NEW_ANSWERS:
		new_session_answers(w);
		break;
	case STEP_COUNT:
		break;
	}
	fake_ring_turn(w->f->ring);
	look(w);
}

/* --- one order --- */

static void begin(struct world *w)
{
	struct map_settings settings = fixture_settings;

	settings.guard = (struct guard_settings){w->trial->integrity, 250, 60000};
	settings.fence_reset = w->trial->fence_reset;
	fixture_vendor = w->trial->vendor;
	w->f = fixture_new(2, &settings);
	fixture_vendor = NULL;
	w->stand_in = fake_nexus_new(w->f->unit, 0);
	fake_nexus_set_up(w->stand_in, false);
	for (unsigned i = 0; i < 2; i++) {
		w->f->nexus[i]->unit_was_reset = unit_was_reset;
		w->f->nexus[i]->userdata = w;
	}
	w->stand_in->unit_was_reset = unit_was_reset;
	w->stand_in->userdata = w;
	w->w2 = NULL;
	w->reinstated = w->session_over = w->spoiled = w->early = false;
	memset(fake_unit_block(w->f->unit, 0), 0x11, 64 * FIXTURE_BLOCK_SIZE);
	world_now = w;
	submit(w, &w->w1, w->trial->first, LBA - 2, 4, OLD_BYTE, first_done);
	assert_int_equal(fixture_where(w->f), PATH_A);
	fixture_lose(w->f, PATH_A);
}

/* Everything that can still happen does. The ghost has waited for this. */
static void finish(struct world *w)
{
	happen(w, REINSTATE);
	for (unsigned i = 0; i < 500 && (!w->w2 || !w->w2->ended); i++) {
		happen(w, B_ANSWERS);
		happen(w, NEW_ANSWERS);
		happen(w, PASS_TIME);
	}
	assert_non_null(w->w2);
	assert_int_equal(w->w2->error, 0);
	/* From here on a target that nobody fenced is out of time: see guard_timeout. */
	if (!w->trial->gone_for_good && w->trial->fence_reset != FENCE_RESET_NEVER)
		assert_true(w->f->guards_expired == 0);
	if (w->trial->integrity == INTEGRITY_LEGACY || w->f->guards_expired == 0)
		happen(w, GHOST_ACTS);
	fake_ring_advance(w->f->ring, 70000);
	for (unsigned i = 0; i < 10; i++) {
		happen(w, B_ANSWERS);
		happen(w, NEW_ANSWERS);
	}
	look(w);
	assert_true(map_idle(w->f->map));
}

static void end(struct world *w)
{
	struct fake_nexus *stand_in = w->stand_in;

	fixture_free(w->f);
	fake_nexus_free(stand_in);
}

static void replay(struct world *w, const enum step *order, unsigned count)
{
	begin(w);
	for (unsigned i = 0; i < count; i++)
		happen(w, order[i]);
	finish(w);
}

/* --- every order --- */

struct result {
	unsigned orders, spoiled, expired, early;
};

static void all_orders(struct world *w, enum step *order, unsigned count, unsigned *left,
		       struct result *result)
{
	if (count == SCRIPT_STEPS) {
		replay(w, order, count);
		result->orders++;
		result->spoiled += w->spoiled;
		result->early += w->early;
		result->expired += w->f->guards_expired > 0;
		end(w);
		return;
	}
	for (unsigned step = 0; step < STEP_COUNT; step++) {
		if (left[step] == 0)
			continue;
		left[step]--;
		order[count] = (enum step)step;
		all_orders(w, order, count + 1, left, result);
		left[step]++;
	}
}

static struct result try(const struct trial *trial)
{
	struct world *w = calloc(1, sizeof(*w));
	enum step order[SCRIPT_STEPS];
	unsigned left[STEP_COUNT];
	struct result result = {};

	assert_non_null(w);
	w->trial = trial;
	memcpy(left, script, sizeof(left));
	all_orders(w, order, 0, left, &result);
	free(w);
	assert_int_equal(result.orders, 5040);
	return result;
}

/* The target as its profile has it. */
static struct trial trial_of(enum target target, enum integrity integrity, bool other_portal)
{
	static const char *const vendors[] = {"LIO-ORG", "SCST_FIO", "IET"};

	return (struct trial){
		.target = target,
		.vendor = vendors[target],
		.integrity = integrity,
		.fence_reset = FENCE_RESET_ALWAYS,
		.other_portal = other_portal,
	};
}

static const enum integrity safe[] = {INTEGRITY_EXCLUSIVE, INTEGRITY_SHARED};
static const enum target targets[] = {ENDS_AT_LOGIN, HOLDS_NEW_SESSION, NEVER_ENDS};

/* Nothing is lost; and only a unit of our own may have its writes acknowledged early. */
static void survives(const struct trial *trial)
{
	struct result result = try(trial);

	assert_int_equal(result.spoiled, 0);
	assert_int_equal(result.expired, 0);
	if (trial->integrity == INTEGRITY_SHARED)
		assert_int_equal(result.early, 0);
	else
		assert_true(result.early > 500);
}

static void new_data_survive_with_another_portal_of_the_group(void **state)
{
	for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
		for (size_t i = 0; i < ARRAY_SIZE(safe); i++) {
			struct trial trial = trial_of(targets[t], safe[i], true);

			survives(&trial);
		}
}

static void new_data_survive_with_each_portal_in_a_group_of_its_own(void **state)
{
	for (size_t t = 0; t < ARRAY_SIZE(targets); t++)
		for (size_t i = 0; i < ARRAY_SIZE(safe); i++) {
			struct trial trial = trial_of(targets[t], safe[i], false);

			survives(&trial);
		}
}

static void new_data_survive_a_target_that_never_comes_back(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(safe); i++) {
		struct trial trial = trial_of(NEVER_ENDS, safe[i], false);
		struct result result;

		trial.gone_for_good = true;
		result = try(&trial);
		assert_int_equal(result.spoiled, 0);
		assert_int_equal(result.expired, result.orders); /* and that was told */
	}
}

static void new_data_survive_without_resets_because_the_guard_waits_for_its_time(void **state)
{
	struct trial trial = trial_of(NEVER_ENDS, INTEGRITY_EXCLUSIVE, true);
	struct result result;

	trial.fence_reset = FENCE_RESET_NEVER;
	result = try(&trial);
	assert_int_equal(result.spoiled, 0);
	assert_int_equal(result.expired, result.orders);
}

static void discards_and_write_same_are_no_different(void **state)
{
	static const enum kind kinds[][2] = {
		{UNMAPS, WRITES},      {WRITES, UNMAPS},      {WRITES_SAME, WRITES},
		{WRITES, WRITES_SAME}, {UNMAPS, WRITES_SAME},
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = 0; i < ARRAY_SIZE(safe); i++) {
			struct trial trial = trial_of(NEVER_ENDS, safe[i], i == 0);

			trial.first = kinds[k][0];
			trial.second = kinds[k][1];
			survives(&trial);
		}
}

/* --- and the same orders do destroy data where nobody takes care --- */

static void legacy_shows_what_the_guard_is_for(void **state)
{
	static const enum kind kinds[][2] = {
		{WRITES, WRITES}, {UNMAPS, WRITES}, {WRITES, UNMAPS}, {WRITES_SAME, WRITES}};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct trial trial = trial_of(ENDS_AT_LOGIN, INTEGRITY_LEGACY, false);

		trial.first = kinds[k][0];
		trial.second = kinds[k][1];
		assert_true(try(&trial).spoiled > 100);
	}
}

static void a_login_without_its_barrier_is_no_fence_for_scst(void **state)
{
	struct trial trial = trial_of(HOLDS_NEW_SESSION, INTEGRITY_EXCLUSIVE, true);

	trial.trusts_login = true;
	assert_true(try(&trial).spoiled > 0);
}

static void a_barrier_without_a_reset_is_no_fence_for_tgt(void **state)
{
	struct trial trial = trial_of(NEVER_ENDS, INTEGRITY_EXCLUSIVE, true);

	trial.vendor = "LIO-ORG"; /* taken for one that drains */
	assert_true(try(&trial).spoiled > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_data_survive_with_another_portal_of_the_group),
		cmocka_unit_test(new_data_survive_with_each_portal_in_a_group_of_its_own),
		cmocka_unit_test(new_data_survive_a_target_that_never_comes_back),
		cmocka_unit_test(
			new_data_survive_without_resets_because_the_guard_waits_for_its_time),
		cmocka_unit_test(discards_and_write_same_are_no_different),
		cmocka_unit_test(legacy_shows_what_the_guard_is_for),
		cmocka_unit_test(a_login_without_its_barrier_is_no_fence_for_scst),
		cmocka_unit_test(a_barrier_without_a_reset_is_no_fence_for_tgt),
	};

	/* Thousands of worlds come and go: their memory need not go back to the kernel each time.
	 */
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
