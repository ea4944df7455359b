/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A map's reservation against a unit that keeps registrations as SPC-4 says. Commands wait until
 * the test runs them; the unit's side of the story is what counts.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/map_reservation.h"
#include "scsi/command.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"

#define PATHS 4
#define KEY   0xaa0000u
#define PEER  0xbb0000u
#define WE_RO RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY
#define EA_RO RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
#define WE_AR RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS

struct bench;

struct bench_path {
	struct reservation_path path;
	struct bench *bench;
	struct fake_origin origin;
	char initiator[64];
	bool up, carries;
	bool mute; /* nothing comes back */
	int fails; /* the next REGISTER through it ends with this */
	unsigned admitted, withheld, suspended, fenced;
	char reason[128];
};

struct bench {
	struct fake_unit *unit;
	struct map_reservation *reservation;
	struct bench_path paths[PATHS];
	struct fake_origin peer;

	struct {
		struct reservation_call *call;
		struct bench_path *path;
	} queue[64];
	unsigned queued, sent, changes;
	char last_event[64];
	unsigned critical;
	void (*before)(struct bench *bench); /* the command number @before_at, from 1 */
	unsigned before_at;

	unsigned ended;
	enum error_code code;
	char text[256];
	uint32_t answer_length;
};

static struct bench_path *of(const struct reservation_path *path)
{
	return container_of(path, struct bench_path, path);
}

/* --- the ops --- */

static bool on_connected(const struct reservation_path *path)
{
	return container_of(path, const struct bench_path, path)->up;
}

static int on_send(struct reservation_path *path, struct reservation_call *call)
{
	struct bench *b = of(path)->bench;

	if (!of(path)->up)
		return -ENOTCONN;
	assert_true(b->queued < ARRAY_SIZE(b->queue));
	b->queue[b->queued].call = call;
	b->queue[b->queued++].path = of(path);
	/* never two at a time: nobody could tell whose change it was */
	assert_int_equal(b->queued, 1);
	return 0;
}

static void on_admit(struct reservation_path *path)
{
	of(path)->admitted++;
	of(path)->carries = true;
}

static void on_withhold(struct reservation_path *path, const char *reason)
{
	of(path)->withheld++;
	snprintf(of(path)->reason, sizeof(of(path)->reason), "%s", reason);
}

static void on_suspend(struct reservation_path *path)
{
	of(path)->suspended++;
	of(path)->carries = false;
}

static void on_fenced(struct reservation_path *path)
{
	of(path)->fenced++;
}

static void on_changed(struct map_reservation *reservation)
{
	((struct bench *)reservation->userdata)->changes++;
}

static void on_event(struct map_reservation *reservation, enum event_kind kind, const char *reason)
{
	struct bench *b = reservation->userdata;

	assert_true(!reason || *reason);
	b->critical += event_kind_row(kind)->severity <= 2;
	snprintf(b->last_event, sizeof(b->last_event), "%s", event_kind_row(kind)->name);
}

static const struct map_reservation_ops ops = {
	.connected = on_connected,
	.send = on_send,
	.admit = on_admit,
	.withhold = on_withhold,
	.suspend = on_suspend,
	.fenced = on_fenced,
	.changed = on_changed,
	.event = on_event,
};

/* --- the unit --- */

static int execute(struct fake_unit *unit, const struct fake_origin *origin,
		   struct reservation_call *call)
{
	struct scsi_command command = {};

	for (unsigned tries = 0; tries < 4; tries++) {
		if (call->is_in) {
			reservation_in_fill(&command, call->in, sizeof(call->answer));
			command.data = call->answer;
		} else {
			reservation_out_fill(&command, &call->order, call->list);
		}
		fake_unit_execute(unit, &command, origin);
		if (command.result.status == SCSI_CHECK_CONDITION &&
		    (command.result.sense[2] & 0xf) == 6)
			continue; /* a unit attention: again, as an exchange does */
		break;
	}
	if (command.result.status == SCSI_RESERVATION_CONFLICT)
		return -EBADE;
	if (command.result.status == SCSI_CHECK_CONDITION)
		return -EINVAL;
	call->length = call->is_in ? scsi_command_received(&command) : 0;
	return 0;
}

static void run_one(struct bench *b)
{
	struct reservation_call *call = b->queue[0].call;
	struct bench_path *path = b->queue[0].path;
	bool registers;

	b->queued = 0;
	if (++b->sent == b->before_at)
		b->before(b);
	registers = !call->is_in && (call->order.action == RESERVATION_REGISTER ||
				     call->order.action == RESERVATION_REGISTER_AND_IGNORE);
	call->text[0] = '\0';
	if (!path->up || path->mute) {
		reservation_call_fail(call, -ENOTCONN, "lost");
	} else if (path->fails && registers) {
		reservation_call_fail(call, path->fails, "insufficient registration resources");
		path->fails = 0;
	} else {
		call->error = execute(b->unit, &path->origin, call);
		if (call->error)
			snprintf(call->text, sizeof(call->text), "error %d", call->error);
	}
	call->done(call);
}

static void run(struct bench *b)
{
	for (unsigned i = 0; b->queued; i++) {
		assert_true(i < 200);
		run_one(b);
	}
}

static struct fake_registrant *registrant(const struct bench *b, const struct fake_origin *origin)
{
	int i = -1;

	for (size_t n = 0; n < b->unit->registrant_count; n++)
		if (b->unit->registrants[n].known &&
		    b->unit->registrants[n].relative_port == origin->relative_port &&
		    strcmp(b->unit->registrants[n].initiator, origin->initiator) == 0)
			i = (int)n;
	return i < 0 ? NULL : &b->unit->registrants[i];
}

/* What the unit has for that nexus; 0: nothing */
static uint64_t key_at(const struct bench *b, const struct fake_origin *origin)
{
	const struct fake_registrant *r = registrant(b, origin);

	return r && r->registered ? r->key : 0;
}

static uint64_t path_key(const struct bench *b, unsigned i)
{
	return key_at(b, &b->paths[i].origin);
}

static unsigned registrations(const struct bench *b)
{
	unsigned count = 0;

	for (size_t i = 0; i < b->unit->registrant_count; i++)
		count += b->unit->registrants[i].registered;
	return count;
}

/* Another host, over its only path. */
static int peer(struct bench *b, enum reservation_out action, uint64_t key, uint64_t action_key,
		uint8_t type)
{
	owned_memory struct reservation_call *call = calloc(1, sizeof(*call));

	call->order = (struct reservation_order){
		.action = action, .key = key, .action_key = action_key, .type = type};
	return execute(b->unit, &b->peer, call);
}

/* --- the bench --- */

static void bench_renew(struct bench *b, const struct saved_reservation *saved, uint64_t configured)
{
	static const struct saved_reservation nothing = {};

	assert_int_equal(
		map_reservation_new(&ops, b, saved ? saved : &nothing, configured, &b->reservation),
		0);
	for (unsigned i = 0; i < PATHS; i++)
		map_reservation_add_path(b->reservation, &b->paths[i].path, 1000 + i);
}

static struct bench *bench_new(unsigned up)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->unit = fake_unit_new(64, 512);
	for (unsigned i = 0; i < PATHS; i++) {
		struct bench_path *path = &b->paths[i];

		path->bench = b;
		path->up = path->carries = i < up;
		snprintf(path->initiator, sizeof(path->initiator), "iqn.a,i,0x%012x", i);
		path->origin = (struct fake_origin){.initiator = path->initiator,
						    .relative_port = (uint16_t)(1 + i % 2)};
	}
	b->peer = (struct fake_origin){.initiator = "iqn.b,i,0x000000000000", .relative_port = 1};
	bench_renew(b, NULL, 0);
	return b;
}

static void bench_drop(struct bench *b)
{
	for (unsigned i = 0; i < PATHS; i++)
		map_reservation_remove_path(&b->paths[i].path);
	map_reservation_free(b->reservation);
}

static void bench_free(struct bench *b)
{
	bench_drop(b);
	while (b->queued)
		run_one(b);
	fake_unit_free(b->unit);
	free(b);
}

static void on_done(const struct error *error, const struct reservation_call *answer,
		    void *userdata)
{
	struct bench *b = userdata;

	b->ended++;
	b->code = error->code;
	b->answer_length = answer ? answer->length : 0;
	snprintf(b->text, sizeof(b->text), "%s", error->text ? error->text : "");
}

static void ask(struct bench *b, struct reservation_request request)
{
	unsigned before = b->ended;

	map_reservation_ask(b->reservation, &request, on_done, b);
	run(b);
	assert_int_equal(b->ended, before + 1);
}

#define ASK(b, v, ...) \
	ask(b, (struct reservation_request){.verb = RESERVATION_DO_##v, ##__VA_ARGS__})

static void lose(struct bench *b, unsigned i)
{
	b->paths[i].up = b->paths[i].carries = false;
	map_reservation_path_lost(&b->paths[i].path);
}

/* It is back, and its identity was verified. Return: it carried before the unit was asked */
static bool regain(struct bench *b, unsigned i)
{
	b->paths[i].up = true;
	b->paths[i].carries = map_reservation_may_carry(&b->paths[i].path);
	return b->paths[i].carries;
}

static enum reservation_state state_of(const struct bench *b)
{
	return b->reservation->holding.state;
}

/* --- tests: registration --- */

static void every_connected_path_is_registered_and_the_others_when_they_come(void **state)
{
	struct bench *b = bench_new(3);

	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_NONE);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(path_key(b, i), KEY);
	assert_int_equal(path_key(b, 3), 0);
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);

	assert_false(regain(b, 3));
	run(b);
	assert_int_equal(path_key(b, 3), KEY);
	assert_int_equal(b->paths[3].admitted, 1);
	assert_true(map_reservation_may_carry(&b->paths[3].path));
	bench_free(b);
}

static void a_path_carries_nothing_before_the_unit_has_its_key(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY);
	assert_false(regain(b, 2));
	while (b->queued) {
		assert_false(b->paths[2].carries);
		run_one(b);
		if (b->paths[2].carries)
			assert_int_equal(path_key(b, 2), KEY);
	}
	assert_true(b->paths[2].carries);
	bench_free(b);
}

static void one_path_that_fails_leaves_none_registered(void **state)
{
	struct bench *b = bench_new(4);

	b->paths[2].fails = -ENOSPC;
	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_FAILED);
	assert_non_null(strstr(b->text, "insufficient registration resources"));
	assert_int_equal(registrations(b), 0);
	assert_int_equal(state_of(b), RESERVATION_UNREGISTERED);
	bench_free(b);
}

static void one_path_that_fails_leaves_all_with_the_key_they_had(void **state)
{
	struct bench *b = bench_new(4);

	ASK(b, REGISTER, .key = KEY);
	b->paths[3].fails = -ENOSPC;
	ASK(b, REGISTER, .key = KEY + 1);
	assert_int_equal(b->code, ERROR_FAILED);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(path_key(b, i), KEY);
	assert_int_equal(b->reservation->holding.key, KEY);
	bench_free(b);
}

static void kill_path_1(struct bench *b)
{
	lose(b, 1);
}

static void a_path_that_is_lost_meanwhile_is_no_failure(void **state)
{
	struct bench *b = bench_new(3);

	b->before = kill_path_1;
	b->before_at = 2;
	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(registrations(b), 2);
	assert_false(regain(b, 1));
	run(b);
	assert_int_equal(path_key(b, 1), KEY);
	bench_free(b);
}

static void without_a_path_nothing_is_registered(void **state)
{
	struct bench *b = bench_new(0);

	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_SESSION_NOT_CONNECTED);
	assert_int_equal(state_of(b), RESERVATION_UNREGISTERED);
	bench_free(b);
}

static void a_foreign_key_on_a_path_is_replaced_only_when_that_is_said(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = 7);
	bench_drop(b);
	bench_renew(b, NULL, 0);
	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_int_equal(path_key(b, 0), 7);
	ASK(b, REGISTER, .key = KEY, .ignore = true);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(path_key(b, 0), KEY);
	assert_int_equal(path_key(b, 1), KEY);
	bench_free(b);
}

static void the_same_key_again_is_no_conflict(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY);
	bench_drop(b);
	bench_renew(b, NULL, 0);
	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_NONE);
	bench_free(b);
}

static void a_new_key_takes_the_old_one_of_lost_paths_away(void **state)
{
	struct bench *b = bench_new(3);

	ASK(b, REGISTER, .key = KEY);
	lose(b, 2);
	ASK(b, REGISTER, .key = KEY + 1);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(path_key(b, 0), KEY + 1);
	assert_int_equal(path_key(b, 1), KEY + 1);
	assert_int_equal(path_key(b, 2), 0);
	assert_false(regain(b, 2));
	run(b);
	assert_int_equal(path_key(b, 2), KEY + 1);
	bench_free(b);
}

static void unregistering_leaves_nothing_behind_for_lost_paths_either(void **state)
{
	for (int per_path = 0; per_path < 2; per_path++) {
		struct bench *b = bench_new(4);

		ASK(b, REGISTER, .key = KEY, .per_path = per_path);
		ASK(b, RESERVE, .type = WE_RO);
		lose(b, 0);
		lose(b, 3);
		ASK(b, UNREGISTER);
		assert_int_equal(b->code, ERROR_NONE);
		assert_int_equal(registrations(b), 0);
		assert_int_equal(b->unit->reservation_type, 0);
		assert_int_equal(state_of(b), RESERVATION_UNREGISTERED);
		assert_true(regain(b, 3));
		bench_free(b);
	}
}

static void another_life_registers_every_path_before_it_carries(void **state)
{
	struct bench *b = bench_new(2);
	struct saved_reservation saved;

	ASK(b, REGISTER, .key = KEY, .per_path = true);
	saved = b->reservation->holding;
	bench_drop(b);
	bench_renew(b, &saved, 0);
	assert_false(regain(b, 1));
	assert_false(regain(b, 0));
	run(b);
	assert_true(b->paths[0].carries && b->paths[1].carries);
	assert_int_equal(path_key(b, 0), KEY | 1);
	assert_int_equal(path_key(b, 1), KEY | 2);
	bench_free(b);
}

static void a_failed_registration_withholds_the_path_with_its_reason(void **state)
{
	struct bench *b = bench_new(1);

	ASK(b, REGISTER, .key = KEY);
	b->paths[1].fails = -ENOSPC;
	assert_false(regain(b, 1));
	run(b);
	assert_int_equal(b->paths[1].admitted, 0);
	assert_int_equal(b->paths[1].withheld, 1);
	assert_string_equal(b->paths[1].reason,
			    "cannot be registered: insufficient registration resources");
	assert_false(map_reservation_may_carry(&b->paths[1].path));
	run(b);
	assert_int_equal(b->paths[1].admitted, 1);
	bench_free(b);
}

static void a_path_that_is_lost_on_its_way_in_is_not_let_in(void **state)
{
	struct bench *b = bench_new(1);

	ASK(b, REGISTER, .key = KEY);
	regain(b, 1);
	lose(b, 1);
	b->paths[1].up = true; /* logged in anew, and not verified yet */
	run(b);
	assert_int_equal(b->paths[1].admitted, 0);
	assert_false(map_reservation_may_carry(&b->paths[1].path));
	run(b);
	assert_int_equal(b->paths[1].admitted, 1);
	bench_free(b);
}

static void a_path_whose_identity_is_doubted_on_its_way_in_is_not_let_in(void **state)
{
	struct bench *b = bench_new(1);

	ASK(b, REGISTER, .key = KEY);
	regain(b, 1);
	map_reservation_attention(&b->paths[1].path, 0x29, 0x00);
	run(b);
	assert_int_equal(b->paths[1].admitted, 0);
	bench_free(b);
}

/* --- tests: fenced by another host --- */

static void peer_preempts(struct bench *b)
{
	assert_int_equal(peer(b, RESERVATION_PREEMPT_AND_ABORT, PEER, KEY, WE_RO), 0);
}

static struct bench *cluster(unsigned up)
{
	struct bench *b = bench_new(up);

	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(peer(b, RESERVATION_REGISTER, 0, PEER, 0), 0);
	ASK(b, RESERVE, .type = WE_RO);
	assert_int_equal(b->code, ERROR_NONE);
	return b;
}

static void a_host_that_was_fenced_registers_nothing_again(void **state)
{
	struct bench *b = cluster(2);

	lose(b, 1);
	peer_preempts(b);
	assert_false(regain(b, 1));
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	assert_int_equal(b->critical, 1);
	assert_string_equal(b->last_event, "registration-lost");
	assert_int_equal(registrations(b), 1);
	/* reads may go on as far as the unit lets them; writes are the map's to refuse */
	assert_true(b->paths[1].carries);
	lose(b, 0);
	assert_true(regain(b, 0));
	assert_int_equal(registrations(b), 1);

	ASK(b, RESERVE, .type = WE_RO);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	/* until somebody acts */
	ASK(b, REGISTER, .key = KEY);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);
	assert_int_equal(registrations(b), 3);
	bench_free(b);
}

static void another_life_does_not_undo_the_fencing(void **state)
{
	struct bench *b = cluster(2);
	struct saved_reservation saved = b->reservation->holding;

	bench_drop(b);
	peer_preempts(b);
	bench_renew(b, &saved, KEY);
	regain(b, 0);
	regain(b, 1);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	assert_int_equal(registrations(b), 1);

	saved = b->reservation->holding;
	bench_drop(b);
	bench_renew(b, &saved, KEY);
	regain(b, 0);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	assert_int_equal(registrations(b), 1);
	bench_free(b);
}

static void fencing_at_any_moment_of_a_path_on_its_way_in_holds(void **state)
{
	for (unsigned at = 1; at <= 6; at++) {
		for (int known = 0; known < 2; known++) {
			struct bench *b = cluster(2);

			/* the unit knows the nexus from before, or never heard of it */
			if (known)
				lose(b, 1);
			b->sent = 0;
			b->before = peer_preempts;
			b->before_at = at;
			regain(b, known ? 1 : 2);
			run(b);
			if (b->sent < at)
				peer_preempts(b);
			b->before_at = 0;
			map_reservation_attention(&b->paths[0].path, 0x2a, 0x05);
			run(b);
			assert_int_equal(registrations(b), 1);
			assert_int_equal(key_at(b, &b->peer), PEER);
			assert_int_equal(state_of(b), RESERVATION_LOST);
			bench_free(b);
		}
	}
}

static void others_who_register_meanwhile_are_no_reason_to_stay_out(void **state)
{
	struct bench *b = cluster(1);

	b->sent = 0;
	b->before = NULL;
	regain(b, 1);
	run_one(b); /* REGISTER: it has no key yet */
	run_one(b); /* READ KEYS */
	peer(b, RESERVATION_REGISTER, PEER, PEER + 1, 0);
	run(b);
	assert_int_equal(path_key(b, 1), KEY);
	assert_true(b->paths[1].carries);
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);
	bench_free(b);
}

static void the_attention_about_a_preempted_registration_stops_the_path(void **state)
{
	struct bench *b = cluster(2);

	peer_preempts(b);
	map_reservation_attention(&b->paths[1].path, 0x2a, 0x05);
	assert_int_equal(b->paths[1].suspended, 1);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	assert_int_equal(b->critical, 1);
	bench_free(b);
}

static void a_conflict_has_the_path_registered_again_where_the_key_is_still_there(void **state)
{
	struct bench *b = cluster(2);

	registrant(b, &b->paths[1].origin)->registered = false;
	b->paths[1].carries = false;
	map_reservation_conflict(&b->paths[1].path);
	run(b);
	assert_int_equal(path_key(b, 1), KEY);
	assert_true(b->paths[1].carries);
	bench_free(b);
}

static void a_conflict_of_a_host_that_was_fenced_is_found_out(void **state)
{
	struct bench *b = cluster(2);

	peer_preempts(b);
	b->paths[1].carries = false;
	map_reservation_conflict(&b->paths[1].path);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	assert_true(b->paths[1].carries); /* and its writes end with an error */
	assert_int_equal(registrations(b), 1);
	bench_free(b);
}

static void a_reservation_that_was_taken_or_released_is_told(void **state)
{
	struct bench *b = cluster(2);

	/* the peer takes over what a third one held: nobody of us is touched */
	ASK(b, RELEASE);
	assert_int_equal(b->unit->reservation_type, 0);
	ASK(b, RESERVE, .type = WE_AR);
	peer(b, RESERVATION_RELEASE, PEER, 0, WE_AR);
	map_reservation_attention(&b->paths[0].path, 0x2a, 0x04);
	run(b);
	assert_string_equal(b->last_event, "reservation-lost");
	assert_int_equal(b->reservation->holding.type, 0);
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);
	bench_free(b);
}

/* --- tests: reserve and release --- */

static void whichever_path_holds_it_a_second_reserve_is_fine(void **state)
{
	struct bench *b = cluster(3);

	lose(b, 0);
	ASK(b, RESERVE, .type = WE_RO);
	assert_int_equal(b->code, ERROR_NONE);
	ASK(b, RESERVE, .type = EA_RO);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_non_null(strstr(b->text, "write-exclusive-registrants-only, by key 0xaa0000"));
	bench_free(b);
}

static void another_hosts_reservation_is_a_conflict_that_names_it(void **state)
{
	struct bench *b = bench_new(2);

	peer(b, RESERVATION_REGISTER, 0, PEER, 0);
	peer(b, RESERVATION_RESERVE, PEER, 0, EA_RO);
	ASK(b, REGISTER, .key = KEY);
	ASK(b, RESERVE, .type = WE_RO);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_non_null(strstr(b->text, "exclusive-access-registrants-only, by key 0xbb0000"));
	ASK(b, RELEASE);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_int_equal(b->unit->reservation_type, EA_RO);
	bench_free(b);
}

static void types_that_let_one_path_alone_write_are_refused(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY);
	for (uint8_t type = 0; type < 16; type++) {
		bool good = type >= 5 && type <= 8;

		ASK(b, RESERVE, .type = type);
		assert_int_equal(b->code, good ? ERROR_NONE : ERROR_NOT_SUPPORTED);
		if (good)
			ASK(b, RELEASE);
		assert_int_equal(b->unit->reservation_type, 0);
	}
	bench_free(b);
}

static void it_is_released_from_any_path(void **state)
{
	static const uint8_t types[] = {WE_RO, EA_RO, WE_AR,
					RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS};

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (int per_path = 0; per_path < 2; per_path++) {
			for (int gone = 0; gone < 2; gone++) {
				struct bench *b = bench_new(4);
				uint64_t mask = per_path ? ~RESERVATION_PATH_BITS : ~UINT64_C(0);

				ASK(b, REGISTER, .key = KEY, .per_path = per_path);
				peer(b, RESERVATION_REGISTER, 0, PEER, 0);
				ASK(b, RESERVE, .type = types[t]);
				assert_int_equal(b->code, ERROR_NONE);
				if (gone)
					lose(b, 0);
				else /* who holds it is not known any more */
					b->reservation->holding.holder = 0;
				ASK(b, RELEASE);
				assert_int_equal(b->code, ERROR_NONE);
				assert_int_equal(b->unit->reservation_type, 0);
				assert_int_equal(b->reservation->holding.type, 0);
				/* and everybody who is there is registered, and carries */
				for (unsigned i = gone ? 1 : 0; i < 4; i++) {
					assert_int_equal(path_key(b, i) & mask, KEY);
					assert_true(b->paths[i].carries);
				}
				assert_int_equal(key_at(b, &b->peer), PEER);
				if (gone && per_path)
					assert_int_equal(b->paths[2].suspended, 0);
				bench_free(b);
			}
		}
	}
}

/* Its session has not noticed yet, but nothing comes back over it. */
static void paths_that_do_not_answer_are_passed_over(void **state)
{
	for (int per_path = 0; per_path < 2; per_path++) {
		struct bench *b = bench_new(4);

		ASK(b, REGISTER, .key = KEY, .per_path = per_path);
		b->paths[0].mute = true;
		ASK(b, QUERY, .query = RESERVATION_READ_KEYS);
		assert_int_equal(b->code, ERROR_NONE);
		ASK(b, RESERVE, .type = WE_RO);
		assert_int_equal(b->code, ERROR_NONE);
		assert_int_equal(b->reservation->holding.holder, 1001);
		b->paths[1].mute = true;
		ASK(b, RELEASE);
		assert_int_equal(b->code, ERROR_NONE);
		assert_int_equal(b->unit->reservation_type, 0);
		b->paths[0].mute = b->paths[1].mute = false;
		for (unsigned i = 0; i < 4; i++) {
			if (!map_reservation_may_carry(&b->paths[i].path))
				run(b);
			assert_int_equal(path_key(b, i) & ~RESERVATION_PATH_BITS, KEY);
		}
		bench_free(b);
	}
}

static void what_is_not_held_is_released_without_complaint(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, RELEASE);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT); /* not registered */
	ASK(b, REGISTER, .key = KEY);
	ASK(b, RELEASE);
	assert_int_equal(b->code, ERROR_NONE);
	bench_free(b);
}

/* --- tests: preempt, clear, questions --- */

static void another_host_is_preempted_and_what_it_held_is_taken_over(void **state)
{
	struct bench *b = bench_new(3);

	peer(b, RESERVATION_REGISTER, 0, PEER, 0);
	peer(b, RESERVATION_RESERVE, PEER, 0, EA_RO);
	ASK(b, REGISTER, .key = KEY);
	ASK(b, PREEMPT, .key = PEER, .abort = true);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(key_at(b, &b->peer), 0);
	assert_int_equal(b->unit->reservation_type, EA_RO);
	assert_int_equal(b->reservation->holding.type, EA_RO);
	assert_int_not_equal(b->reservation->holding.holder, 0);
	assert_int_equal(registrations(b), 3);

	ASK(b, PREEMPT, .key = PEER);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_non_null(strstr(b->text, "nobody is registered with that key"));
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);
	bench_free(b);
}

static void a_host_does_not_preempt_itself(void **state)
{
	for (int per_path = 0; per_path < 2; per_path++) {
		struct bench *b = bench_new(2);

		ASK(b, REGISTER, .key = KEY, .per_path = per_path);
		ASK(b, PREEMPT, .key = KEY);
		assert_int_equal(b->code, ERROR_INVALID_ARGUMENT);
		ASK(b, PREEMPT, .key = 0);
		assert_int_equal(b->code, ERROR_INVALID_ARGUMENT);
		if (per_path) {
			ASK(b, PREEMPT, .key = KEY | 2);
			assert_int_equal(b->code, ERROR_INVALID_ARGUMENT);
		}
		assert_int_equal(registrations(b), 2);
		bench_free(b);
	}
}

static void a_host_with_a_key_for_each_path_is_preempted_as_a_whole(void **state)
{
	struct bench *b = bench_new(2);
	struct fake_origin other = {.initiator = "iqn.b,i,0x000000000001", .relative_port = 2};

	ASK(b, REGISTER, .key = KEY, .per_path = true);
	assert_int_equal(path_key(b, 0), KEY | 1);
	assert_int_equal(path_key(b, 1), KEY | 2);
	peer(b, RESERVATION_REGISTER, 0, PEER | 1, 0);
	b->peer.relative_port = 2;
	peer(b, RESERVATION_REGISTER, 0, PEER | 2, 0);
	assert_int_equal(registrations(b), 4);
	ASK(b, PREEMPT, .key = PEER, .abort = true);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(registrations(b), 2);
	assert_int_equal(key_at(b, &other), 0);
	bench_free(b);
}

static void one_key_that_is_gone_of_many_means_the_host_was_fenced(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY, .per_path = true);
	peer(b, RESERVATION_REGISTER, 0, PEER, 0);
	peer(b, RESERVATION_PREEMPT, PEER, KEY | 2, WE_RO);
	map_reservation_attention(&b->paths[1].path, 0x2a, 0x05);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	bench_free(b);
}

static void clearing_takes_all_away_and_wants_nothing_more(void **state)
{
	struct bench *b = cluster(2);

	ASK(b, CLEAR);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(registrations(b), 0);
	assert_int_equal(b->unit->reservation_type, 0);
	assert_int_equal(state_of(b), RESERVATION_UNREGISTERED);
	lose(b, 1);
	assert_true(regain(b, 1));
	bench_free(b);
}

static void questions_are_answered_through_any_path(void **state)
{
	struct bench *b = cluster(3);
	static const uint32_t lengths[RESERVATION_IN_COUNT] = {8 + 4 * 8, 24, 8, 0};

	lose(b, 0);
	for (unsigned in = 0; in < RESERVATION_IN_COUNT; in++) {
		ASK(b, QUERY, .query = (enum reservation_in)in);
		assert_int_equal(b->code, ERROR_NONE);
		if (lengths[in])
			assert_int_equal(b->answer_length, lengths[in]);
		else
			assert_true(b->answer_length > 4 * 24);
	}
	lose(b, 1);
	lose(b, 2);
	ASK(b, QUERY, .query = RESERVATION_READ_KEYS);
	assert_int_equal(b->code, ERROR_SESSION_NOT_CONNECTED);
	bench_free(b);
}

/* --- tests: the key of the configuration --- */

static void a_key_of_the_configuration_is_ours_when_the_unit_has_it(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY);
	lose(b, 1);
	bench_drop(b);
	b->paths[1].up = false;
	bench_renew(b, NULL, KEY);
	assert_false(regain(b, 2));
	run(b);
	assert_int_equal(state_of(b), RESERVATION_REGISTERED);
	assert_string_equal(b->last_event, "reservation-adopted");
	assert_int_equal(path_key(b, 2), KEY);
	bench_free(b);
}

static void a_key_of_the_configuration_is_not_registered_by_itself(void **state)
{
	struct bench *b = bench_new(2);

	bench_drop(b);
	bench_renew(b, NULL, KEY);
	assert_false(regain(b, 0));
	run(b);
	assert_true(b->paths[0].carries);
	assert_int_equal(registrations(b), 0);
	assert_int_equal(state_of(b), RESERVATION_UNREGISTERED);
	/* and the question is not asked again */
	assert_true(regain(b, 1));
	bench_free(b);
}

static void without_any_key_a_unit_is_not_even_asked(void **state)
{
	struct bench *b = bench_new(2);

	assert_true(map_reservation_may_carry(&b->paths[0].path));
	assert_int_equal(b->queued, 0);
	bench_free(b);
}

/* --- tests: the fence --- */

static struct bench *fenceable(bool per_path, uint8_t type)
{
	struct bench *b = bench_new(3);

	ASK(b, REGISTER, .key = KEY, .per_path = per_path);
	if (type)
		ASK(b, RESERVE, .type = type);
	return b;
}

static void a_lost_path_with_its_own_key_is_preempted_and_aborted(void **state)
{
	static const uint8_t types[] = {WE_RO, EA_RO, WE_AR};

	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (unsigned which = 0; which < 2; which++) {
			struct bench *b = fenceable(true, types[t]);

			assert_true(map_reservation_can_fence(b->reservation));
			lose(b, which);
			map_reservation_fence(&b->paths[which].path);
			run(b);
			assert_int_equal(b->paths[which].fenced, 1);
			assert_int_equal(path_key(b, which), 0);
			assert_int_equal(registrations(b), 2);
			assert_int_equal(b->unit->reservation_type, types[t]);
			assert_int_equal(b->reservation->holding.type, types[t]);
			assert_int_equal(state_of(b), RESERVATION_REGISTERED);
			/* and when it is back it is registered first */
			assert_false(regain(b, which));
			run(b);
			assert_int_equal(path_key(b, which), KEY | (which + 1));
			assert_true(b->paths[which].carries);
			bench_free(b);
		}
	}
}

static void with_one_key_for_all_nobody_is_preempted(void **state)
{
	struct bench *b = fenceable(false, WE_RO);

	assert_false(map_reservation_can_fence(b->reservation));
	lose(b, 1);
	map_reservation_fence(&b->paths[1].path);
	run(b);
	assert_int_equal(b->paths[1].fenced, 0);
	assert_int_equal(registrations(b), 3);
	bench_free(b);
}

static void without_a_reservation_a_preempted_path_could_still_write(void **state)
{
	struct bench *b = fenceable(true, 0);

	assert_false(map_reservation_can_fence(b->reservation));
	lose(b, 1);
	map_reservation_fence(&b->paths[1].path);
	run(b);
	assert_int_equal(b->paths[1].fenced, 0);
	assert_int_equal(registrations(b), 3);
	bench_free(b);
}

static void a_path_that_is_back_is_not_preempted(void **state)
{
	struct bench *b = fenceable(true, WE_RO);

	lose(b, 1);
	regain(b, 1);
	map_reservation_fence(&b->paths[1].path);
	run(b);
	assert_int_equal(b->paths[1].fenced, 0);
	assert_int_equal(registrations(b), 3);
	bench_free(b);
}

/* --- tests: the end --- */

static void a_map_that_ends_while_something_is_asked_ends_that_too(void **state)
{
	struct bench *b = bench_new(3);
	const struct reservation_request request = {.verb = RESERVATION_DO_REGISTER, .key = KEY};

	map_reservation_ask(b->reservation, &request, on_done, b);
	map_reservation_ask(b->reservation, &request, on_done, b);
	run_one(b);
	bench_free(b);
}

static void what_the_unit_cannot_keep_is_registered_on_no_path(void **state)
{
	struct bench *b = bench_new(3);

	ASK(b, REGISTER, .key = KEY, .survives_power = true);
	assert_int_equal(b->code, ERROR_NOT_SUPPORTED);
	assert_int_equal(registrations(b), 0);
	ASK(b, REGISTER, .key = KEY, .all_target_ports = true);
	assert_int_equal(b->code, ERROR_NOT_SUPPORTED);
	assert_int_equal(registrations(b), 0);

	b->unit->keeps_registrations = true;
	ASK(b, REGISTER, .key = KEY, .survives_power = true);
	assert_int_equal(b->code, ERROR_NONE);
	assert_true(b->reservation->holding.survives_power);
	assert_int_equal(registrations(b), 3);
	bench_free(b);
}

static void without_a_key_given_it_is_the_configured_one_or_the_last_one(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER);
	assert_int_equal(b->code, ERROR_INVALID_ARGUMENT);
	b->reservation->configured = KEY + 5;
	ASK(b, REGISTER);
	assert_int_equal(path_key(b, 1), KEY + 5);
	b->reservation->configured = 0;
	peer(b, RESERVATION_REGISTER, 0, PEER, 0);
	peer(b, RESERVATION_PREEMPT, PEER, KEY + 5, WE_RO);
	map_reservation_look(b->reservation);
	run(b);
	assert_int_equal(state_of(b), RESERVATION_LOST);
	ASK(b, REGISTER);
	assert_int_equal(b->code, ERROR_NONE);
	assert_int_equal(path_key(b, 1), KEY + 5);
	bench_free(b);
}

static void peer_comes_back(struct bench *b)
{
	b->peer.relative_port = 2;
	peer(b, RESERVATION_REGISTER, 0, PEER | 2, 0);
}

static void a_victim_that_is_registered_again_meanwhile_is_not_taken_for_preempted(void **state)
{
	struct bench *b = bench_new(2);

	ASK(b, REGISTER, .key = KEY, .per_path = true);
	peer(b, RESERVATION_REGISTER, 0, PEER | 2, 0);
	b->sent = 0;
	b->before = peer_comes_back;
	b->before_at = 4; /* READ RESERVATION, READ KEYS, PREEMPT, READ KEYS */
	ASK(b, PREEMPT, .key = PEER);
	assert_int_equal(b->code, ERROR_RESERVATION_CONFLICT);
	assert_non_null(strstr(b->text, "still registered"));
	bench_free(b);
}

static void every_command_may_be_the_last_one_before_all_paths_are_lost(void **state)
{
	static const struct reservation_request requests[] = {
		{.verb = RESERVATION_DO_REGISTER, .key = KEY + 1},
		{.verb = RESERVATION_DO_UNREGISTER},
		{.verb = RESERVATION_DO_RESERVE, .type = WE_RO},
		{.verb = RESERVATION_DO_RELEASE},
		{.verb = RESERVATION_DO_CLEAR},
		{.verb = RESERVATION_DO_PREEMPT, .key = PEER},
		{.verb = RESERVATION_DO_QUERY},
	};

	for (size_t r = 0; r < ARRAY_SIZE(requests); r++) {
		for (unsigned after = 0; after < 8; after++) {
			struct bench *b = cluster(3);
			unsigned ended = b->ended;

			lose(b, 0);
			map_reservation_ask(b->reservation, &requests[r], on_done, b);
			for (unsigned i = 0; i < after && b->queued; i++)
				run_one(b);
			lose(b, 1);
			lose(b, 2);
			run(b);
			assert_int_equal(b->ended, ended + 1);
			bench_free(b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_connected_path_is_registered_and_the_others_when_they_come),
		cmocka_unit_test(a_path_carries_nothing_before_the_unit_has_its_key),
		cmocka_unit_test(one_path_that_fails_leaves_none_registered),
		cmocka_unit_test(one_path_that_fails_leaves_all_with_the_key_they_had),
		cmocka_unit_test(a_path_that_is_lost_meanwhile_is_no_failure),
		cmocka_unit_test(without_a_path_nothing_is_registered),
		cmocka_unit_test(a_foreign_key_on_a_path_is_replaced_only_when_that_is_said),
		cmocka_unit_test(the_same_key_again_is_no_conflict),
		cmocka_unit_test(a_new_key_takes_the_old_one_of_lost_paths_away),
		cmocka_unit_test(unregistering_leaves_nothing_behind_for_lost_paths_either),
		cmocka_unit_test(another_life_registers_every_path_before_it_carries),
		cmocka_unit_test(a_failed_registration_withholds_the_path_with_its_reason),
		cmocka_unit_test(a_path_that_is_lost_on_its_way_in_is_not_let_in),
		cmocka_unit_test(a_path_whose_identity_is_doubted_on_its_way_in_is_not_let_in),
		cmocka_unit_test(a_host_that_was_fenced_registers_nothing_again),
		cmocka_unit_test(another_life_does_not_undo_the_fencing),
		cmocka_unit_test(fencing_at_any_moment_of_a_path_on_its_way_in_holds),
		cmocka_unit_test(others_who_register_meanwhile_are_no_reason_to_stay_out),
		cmocka_unit_test(the_attention_about_a_preempted_registration_stops_the_path),
		cmocka_unit_test(
			a_conflict_has_the_path_registered_again_where_the_key_is_still_there),
		cmocka_unit_test(a_conflict_of_a_host_that_was_fenced_is_found_out),
		cmocka_unit_test(a_reservation_that_was_taken_or_released_is_told),
		cmocka_unit_test(whichever_path_holds_it_a_second_reserve_is_fine),
		cmocka_unit_test(another_hosts_reservation_is_a_conflict_that_names_it),
		cmocka_unit_test(types_that_let_one_path_alone_write_are_refused),
		cmocka_unit_test(it_is_released_from_any_path),
		cmocka_unit_test(paths_that_do_not_answer_are_passed_over),
		cmocka_unit_test(what_is_not_held_is_released_without_complaint),
		cmocka_unit_test(another_host_is_preempted_and_what_it_held_is_taken_over),
		cmocka_unit_test(a_host_does_not_preempt_itself),
		cmocka_unit_test(a_host_with_a_key_for_each_path_is_preempted_as_a_whole),
		cmocka_unit_test(one_key_that_is_gone_of_many_means_the_host_was_fenced),
		cmocka_unit_test(clearing_takes_all_away_and_wants_nothing_more),
		cmocka_unit_test(questions_are_answered_through_any_path),
		cmocka_unit_test(a_key_of_the_configuration_is_ours_when_the_unit_has_it),
		cmocka_unit_test(a_key_of_the_configuration_is_not_registered_by_itself),
		cmocka_unit_test(without_any_key_a_unit_is_not_even_asked),
		cmocka_unit_test(a_lost_path_with_its_own_key_is_preempted_and_aborted),
		cmocka_unit_test(with_one_key_for_all_nobody_is_preempted),
		cmocka_unit_test(without_a_reservation_a_preempted_path_could_still_write),
		cmocka_unit_test(a_path_that_is_back_is_not_preempted),
		cmocka_unit_test(a_map_that_ends_while_something_is_asked_ends_that_too),
		cmocka_unit_test(what_the_unit_cannot_keep_is_registered_on_no_path),
		cmocka_unit_test(without_a_key_given_it_is_the_configured_one_or_the_last_one),
		cmocka_unit_test(
			a_victim_that_is_registered_again_meanwhile_is_not_taken_for_preempted),
		cmocka_unit_test(every_command_may_be_the_last_one_before_all_paths_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
