/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a registered host does with a reservation, with other hosts, and with a path of its own that
 * is lost.
 */

#include <errno.h>
#include <inttypes.h>

#include "daemon/map_reservation_private.h"

#define DEFAULT_TYPE RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY

/* --- reserve --- */

static void note_held(struct reservation_op *op, uint8_t type)
{
	struct map_reservation *reservation = op->reservation;

	reservation->holding.type = type;
	reservation->holding.holder =
		op->path && !reservation_is_held_by_all(type) ? op->path->id : 0;
	reservation->status.type = type;
	reservation->status.key = op->path && !reservation_is_held_by_all(type)
					  ? reservation_key_in(&reservation->holding, op->path)
					  : 0;
	reservation->ops->changed(reservation);
}

static void tell_holder(struct reservation_op *op, const struct reservation_status *status)
{
	error_set(&op->error, ERROR_RESERVATION_CONFLICT, "reserved already: %s, by key 0x%" PRIx64,
		  reservation_type_name(status->type), status->key);
}

/* Another path of ours may hold it: only that one could have reserved it a second time. */
static void reserve_looked(struct reservation_op *op)
{
	struct reservation_status status;

	if (op->call.error < 0 ||
	    reservation_status_parse(op->call.answer, op->call.length, &status) < 0) {
		reservation_op_fail_conflict(op, "another host holds a reservation");
		return;
	}
	reservation_note_status(op->reservation, &status);
	if (op->reservation->holding.type == op->request.type) {
		reservation_op_end(op);
		return;
	}
	if (status.type)
		tell_holder(op, &status);
	reservation_op_fail_conflict(op, "this path's registration is gone");
}

static void reserve_answered(struct reservation_op *op)
{
	if (op->call.error == 0) {
		note_held(op, op->request.type);
		reservation_op_end(op);
	} else if (op->call.error == -EBADE) {
		reservation_op_in(op, RESERVATION_READ_RESERVATION, reserve_looked);
	} else {
		reservation_op_fail_answer(op, "not reserved");
	}
}

void reservation_reserve(struct reservation_op *op)
{
	if (reservation_take_registered_path(op))
		reservation_send_order(op, RESERVATION_RESERVE, op->request.type, reserve_answered);
}

/* --- release --- */

static reservation_step release_next;

static void release_ended(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	reservation->holding.type = RESERVATION_NONE;
	reservation->holding.holder = 0;
	reservation->status.type = RESERVATION_NONE;
	reservation->status.key = 0;
	reservation->ops->changed(reservation);
	reservation_op_end(op);
}

static reservation_step release_answered;

static void release_preempted(struct reservation_op *op)
{
	if (error_is_set(&op->error)) {
		reservation_op_end(op);
		return;
	}
	note_held(op, op->type);
	op->again = true;
	reservation_send_order(op, RESERVATION_RELEASE, op->type, release_answered);
}

/*
 * The path that holds it is gone, and to be told of a release the unit needs its holder: so this
 * one becomes it. With one key for all that takes away all registrations but this one's (SPC-4
 * §5.13.11.2.4), so until they are registered again the other paths carry nothing.
 */
static void release_by_preempting(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_path *path;

	op->path = reservation_registered_path(reservation);
	if (!op->path || op->again) {
		reservation_op_fail(op, ERROR_FAILED,
				    "the reservation cannot be released through any path");
		return;
	}
	reservation_add_victim(op, reservation->status.key);
	op->after = release_preempted;
	list_for_each (path, &reservation->paths, link) {
		if (path == op->path ||
		    reservation_key_in(&reservation->holding, path) != reservation->status.key)
			continue;
		path->was_registered = false;
		if (!path->registered)
			continue;
		path->registered = false;
		reservation->ops->suspend(path);
		reservation_let_in(path);
	}
	reservation->ops->changed(reservation);
	reservation_preempt_victims(op);
}

static void release_looked(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_status status;

	if (op->call.error < 0) {
		reservation_op_fail_answer(op, "not released");
		return;
	}
	if (reservation_status_parse(op->call.answer, op->call.length, &status) < 0) {
		reservation_op_fail(op, ERROR_FAILED,
				    "the unit's answer about its reservation cannot be read");
		return;
	}
	op->type = status.type;
	if (status.type == RESERVATION_NONE) {
		release_ended(op);
		return;
	}
	reservation_note_status(reservation, &status);
	if (reservation->holding.type == RESERVATION_NONE) {
		tell_holder(op, &status);
		reservation_op_end(op);
		return;
	}
	if (op->request.type && op->request.type != status.type) {
		error_set(&op->error, ERROR_INVALID_ARGUMENT, "the reservation is %s",
			  reservation_type_name(status.type));
		reservation_op_end(op);
		return;
	}
	release_next(op);
}

static void release_answered(struct reservation_op *op)
{
	if (op->path)
		op->path->passed = true;
	if (op->call.error < 0 && op->call.error != -ENOTCONN)
		reservation_op_fail_answer(op, "not released");
	else
		reservation_op_in(op, RESERVATION_READ_RESERVATION, release_looked);
}

/* The holder's, when that is known and there; then any other. */
static struct reservation_path *next_to_release(const struct map_reservation *reservation)
{
	struct reservation_path *path = reservation_registered_path(reservation);

	if (!path || !path->passed)
		return path;
	list_for_each (path, &reservation->paths, link)
		if (path->registered && !path->passed && reservation->ops->connected(path))
			return path;
	return NULL;
}

/* A path that is not the holder is told that all is well, and nothing happens. */
static void release_next(struct reservation_op *op)
{
	struct reservation_path *path = next_to_release(op->reservation);

	if (path && !op->again) {
		op->path = path;
		reservation_send_order(op, RESERVATION_RELEASE, op->type, release_answered);
	} else {
		release_by_preempting(op);
	}
}

void reservation_release(struct reservation_op *op)
{
	if (!reservation_take_registered_path(op))
		return;
	reservation_begin_round(op->reservation);
	reservation_op_in(op, RESERVATION_READ_RESERVATION, release_looked);
}

/* --- preempt --- */

static void preempt_looked(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_status status;

	if (op->call.error == 0 && op->path &&
	    reservation_status_parse(op->call.answer, op->call.length, &status) == 0) {
		if (status.type &&
		    status.key == reservation_key_in(&reservation->holding, op->path))
			reservation->holding.holder = op->path->id;
		reservation_note_status(reservation, &status);
	}
	reservation_op_end(op); /* it was preempted, whatever became of this question */
}

/* Whoever fences must be able to rely on it, so the last word is the unit's list. */
static void preempt_confirm(struct reservation_op *op)
{
	if (reservation_op_keys(op) < 0) {
		reservation_op_fail_answer(op, "whether it was preempted is not known");
		return;
	}
	for (unsigned i = 0; i < op->victim_total; i++) {
		for (uint32_t k = 0; k < op->keys.count; k++) {
			if (op->keys.keys[k] != op->victims[i])
				continue;
			reservation_op_fail_conflict(op, "a key of that host is still registered");
			return;
		}
	}
	reservation_op_in(op, RESERVATION_READ_RESERVATION, preempt_looked);
}

static void preempt_over(struct reservation_op *op)
{
	if (error_is_set(&op->error))
		reservation_op_end(op);
	else if (!op->preempted)
		reservation_op_fail_conflict(
			op, "nobody is registered with that key, or this host is no more");
	else
		reservation_op_in(op, RESERVATION_READ_KEYS, preempt_confirm);
}

static void preempt_keys(struct reservation_op *op)
{
	if (reservation_op_keys(op) < 0) {
		reservation_op_fail_answer(op, "not preempted");
		return;
	}
	for (uint32_t i = 0; i < op->keys.count; i++)
		if ((op->keys.keys[i] & ~RESERVATION_PATH_BITS) == op->request.key)
			reservation_add_victim(op, op->keys.keys[i]);
	op->victim_total = op->victim_count;
	reservation_preempt_victims(op);
}

static void preempt_type(struct reservation_op *op)
{
	struct reservation_status status = {};

	if (op->call.error == 0)
		(void)reservation_status_parse(op->call.answer, op->call.length, &status);
	op->type = reservation_admits_registrants(status.type) ? status.type : DEFAULT_TYPE;
	if (op->request.type)
		op->type = op->request.type;
	/* A host with a key for each path is named by what they have in common. */
	if (op->reservation->holding.per_path && !(op->request.key & RESERVATION_PATH_BITS)) {
		reservation_op_in(op, RESERVATION_READ_KEYS, preempt_keys);
		return;
	}
	reservation_add_victim(op, op->request.key);
	op->victim_total = op->victim_count;
	reservation_preempt_victims(op);
}

static bool is_own(struct map_reservation *reservation, uint64_t key)
{
	return reservation_is_ours(reservation, key) ||
	       (reservation->holding.state == RESERVATION_REGISTERED &&
		key == reservation->holding.key);
}

void reservation_preempt(struct reservation_op *op)
{
	if (is_own(op->reservation, op->request.key)) {
		reservation_op_fail(op, ERROR_INVALID_ARGUMENT,
				    "that is the key of this host itself");
		return;
	}
	if (!reservation_take_registered_path(op))
		return;
	op->abort = op->request.abort;
	op->after = preempt_over;
	reservation_op_in(op, RESERVATION_READ_RESERVATION, preempt_type);
}

/* --- the fence --- */

static struct reservation_path *fenced_path(const struct reservation_op *op)
{
	struct reservation_path *path;

	list_for_each (path, &op->reservation->paths, link)
		if (path->id == op->wanted.holder)
			return path;
	return NULL;
}

static void fence_answered(struct reservation_op *op)
{
	struct reservation_path *lost = fenced_path(op);
	struct map_reservation *reservation = op->reservation;

	if (op->call.error == 0 && lost) {
		lost->was_registered = false;
		if (reservation->holding.holder == lost->id)
			note_held(op, op->type);
		reservation->ops->event(reservation, EVENT_PATH_PREEMPTED, NULL);
		reservation->ops->fenced(lost);
	} else if (op->call.error < 0) {
		reservation->ops->event(reservation, EVENT_PREEMPT_FAILED, op->call.text);
	}
	reservation_op_end(op);
}

static void fence_type(struct reservation_op *op)
{
	struct reservation_path *lost = fenced_path(op);
	struct reservation_status status = {};
	struct reservation_order order = {.action = RESERVATION_PREEMPT_AND_ABORT};

	if (op->call.error == 0)
		(void)reservation_status_parse(op->call.answer, op->call.length, &status);
	/* Who is not registered could still write when no reservation keeps it out. */
	if (!lost || !op->path || !reservation_admits_registrants(status.type)) {
		reservation_op_end(op);
		return;
	}
	op->type = order.type = status.type;
	order.key = reservation_key_in(&op->reservation->holding, op->path);
	order.action_key = reservation_key_in(&op->reservation->holding, lost);
	reservation_op_out(op, &order, fence_answered);
}

static void fence_begin(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_path *lost = fenced_path(op);

	/* One that is back was fenced by its login. */
	if (!lost || !lost->was_registered || reservation->ops->connected(lost) ||
	    reservation->holding.state != RESERVATION_REGISTERED) {
		reservation_op_end(op);
		return;
	}
	op->path = reservation_registered_path(reservation);
	reservation_op_in(op, RESERVATION_READ_RESERVATION, fence_type);
}

bool map_reservation_can_fence(const struct map_reservation *reservation)
{
	return reservation->holding.state == RESERVATION_REGISTERED &&
	       reservation->holding.per_path &&
	       reservation_admits_registrants(reservation->status.type);
}

void map_reservation_fence(struct reservation_path *path)
{
	struct map_reservation *reservation = path->reservation;
	struct reservation_op *op;

	/* With one key for all paths this host would preempt itself. */
	if (!reservation || !reservation->holding.per_path ||
	    reservation->holding.state != RESERVATION_REGISTERED || !path->was_registered)
		return;
	op = reservation_op_new(reservation, NULL, fence_begin);
	if (!op)
		return;
	op->wanted.holder = path->id;
	reservation_op_queue(op);
}
