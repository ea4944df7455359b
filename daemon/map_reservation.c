/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Which paths may carry I/O, and what is left of what this host holds. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/map_reservation_private.h"
#include "util/cleanup.h"

#define REGISTER_TRIES 4 /* while others change registrations */

#define PARAMETERS_CHANGED	0x2a
#define RESERVATIONS_PREEMPTED	0x03
#define RESERVATIONS_RELEASED	0x04
#define REGISTRATIONS_PREEMPTED 0x05
#define NEXUS_CHANGED		0x29 /* power on, reset, nexus loss */

static reservation_step let_in_start;

/* --- orders --- */

struct reservation_op *reservation_op_new(struct map_reservation *reservation,
					  struct reservation_path *path, reservation_step *start)
{
	struct reservation_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	list_init(&op->link);
	op->reservation = reservation;
	op->path = path;
	op->start = start;
	return op;
}

static struct reservation_op *first_order(const struct map_reservation *reservation)
{
	return list_first(&reservation->orders, struct reservation_op, link);
}

static void op_begin(struct reservation_op *op)
{
	struct reservation_path *path;

	list_for_each (path, &op->reservation->paths, link)
		path->silent = false;
	op->start(op);
}

void reservation_op_queue(struct reservation_op *op)
{
	bool idle = list_empty(&op->reservation->orders);

	list_append(&op->reservation->orders, &op->link);
	if (idle)
		op_begin(op);
}

static void op_free(struct reservation_op *op)
{
	error_clear(&op->error);
	free(op);
}

void reservation_op_end(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	bool query = op->request.verb == RESERVATION_DO_QUERY && !error_is_set(&op->error);
	struct reservation_op *next;

	assert(first_order(reservation) == op);
	if (op->done)
		op->done(&op->error, query ? &op->call : NULL, op->userdata);
	list_remove(&op->link);
	op_free(op);
	next = first_order(reservation);
	if (next)
		op_begin(next);
}

static void op_resend(struct reservation_op *op);

/*
 * No answer came. A question may be asked through any path, and of a reservation the unit tells
 * whether it is ours by now; all else is for whoever gave the order to repeat.
 */
static bool try_another_path(struct reservation_op *op)
{
	struct reservation_call *call = &op->call;
	struct reservation_path *other;

	if (call->error != -ENOTCONN || op->start == let_in_start)
		return false;
	if (op->path)
		op->path->silent = true;
	if (!call->is_in && call->order.action != RESERVATION_RESERVE)
		return false;
	other = call->is_in && (!op->path || !op->path->registered)
			? reservation_any_path(op->reservation)
			: reservation_registered_path(op->reservation);
	if (!other)
		return false;
	op->path = other;
	if (!call->is_in)
		call->order.key = reservation_key_in(&op->reservation->holding, other);
	op_resend(op);
	return true;
}

static void call_done(struct reservation_call *call)
{
	struct reservation_op *op = container_of(call, struct reservation_op, call);

	if (!op->reservation)
		op_free(op);
	else if (!try_another_path(op))
		op->step(op);
}

static void op_resend(struct reservation_op *op)
{
	op->call.done = call_done;
	if (op->path && !op->path->silent && op->reservation->ops->send(op->path, &op->call) == 0)
		return;
	reservation_call_fail(&op->call, -ENOTCONN, "the path is not connected");
	call_done(&op->call);
}

static void op_send(struct reservation_op *op, reservation_step *next)
{
	op->step = next;
	op_resend(op);
}

void reservation_op_in(struct reservation_op *op, enum reservation_in action,
		       reservation_step *next)
{
	op->call.is_in = true;
	op->call.in = action;
	op_send(op, next);
}

void reservation_op_out(struct reservation_op *op, const struct reservation_order *order,
			reservation_step *next)
{
	op->call.is_in = false;
	op->call.order = *order;
	op_send(op, next);
}

int reservation_op_keys(struct reservation_op *op)
{
	int r = op->call.error;

	if (r == 0)
		r = reservation_keys_parse(op->call.answer, op->call.length, &op->keys);
	if (r == -EBADMSG)
		reservation_call_fail(&op->call, r, "the unit's list of keys cannot be read");
	return r;
}

/* --- keys --- */

static uint32_t number_in(struct saved_reservation *holding, uint64_t id)
{
	uint32_t i = 0;

	while (i < holding->path_count && holding->paths[i] != id)
		i++;
	if (i == holding->path_count && i < SAVED_RESERVATION_PATHS_MAX)
		holding->paths[holding->path_count++] = id;
	return i + 1;
}

uint64_t reservation_key_in(struct saved_reservation *holding, const struct reservation_path *path)
{
	return holding->per_path ? holding->key | number_in(holding, path->id) : holding->key;
}

uint64_t map_reservation_key(const struct reservation_path *path)
{
	struct map_reservation *reservation = path->reservation;

	if (!reservation || reservation->holding.state != RESERVATION_REGISTERED)
		return 0;
	return reservation_key_in(&reservation->holding, path);
}

bool reservation_is_ours(const struct map_reservation *reservation, uint64_t key)
{
	const struct saved_reservation *holding = &reservation->holding;

	if (holding->state != RESERVATION_REGISTERED)
		return false;
	if (!holding->per_path)
		return key == holding->key;
	return (key & ~RESERVATION_PATH_BITS) == holding->key && (key & RESERVATION_PATH_BITS);
}

static bool has_key(const struct reservation_keys *keys, uint64_t key)
{
	for (uint32_t i = 0; i < keys->count; i++)
		if (keys->keys[i] == key)
			return true;
	return false;
}

/* Where there are more than we look at, ours may be among the rest: nobody is fenced by that. */
static bool has_ours(const struct map_reservation *reservation, const struct reservation_keys *keys)
{
	for (uint32_t i = 0; i < keys->count; i++)
		if (reservation_is_ours(reservation, keys->keys[i]))
			return true;
	return keys->total > keys->count;
}

/* --- paths --- */

static bool connected(const struct map_reservation *reservation,
		      const struct reservation_path *path)
{
	return reservation->ops->connected(path);
}

struct reservation_path *reservation_any_path(const struct map_reservation *reservation)
{
	struct reservation_path *path, *other = NULL;

	list_for_each (path, &reservation->paths, link) {
		if (path->silent || !connected(reservation, path))
			continue;
		if (path->registered)
			return path;
		other = other ? other : path;
	}
	return other;
}

struct reservation_path *reservation_registered_path(const struct map_reservation *reservation)
{
	struct reservation_path *path, *other = NULL;

	list_for_each (path, &reservation->paths, link) {
		if (!path->registered || path->silent || !connected(reservation, path))
			continue;
		if (path->id == reservation->holding.holder)
			return path;
		other = other ? other : path;
	}
	return other;
}

void map_reservation_add_path(struct map_reservation *reservation, struct reservation_path *path,
			      uint64_t id)
{
	*path = (struct reservation_path){.reservation = reservation, .id = id};
	list_append(&reservation->paths, &path->link);
}

void map_reservation_remove_path(struct reservation_path *path)
{
	struct reservation_op *op;

	if (!path->reservation)
		return;
	list_for_each (op, &path->reservation->orders, link)
		if (op->path == path)
			op->path = NULL;
	list_remove(&path->link);
	path->reservation = NULL;
}

/* Whoever doubts the path verifies it again, and asks again whether it may carry. */
static void forget_waiting(struct reservation_path *path)
{
	struct reservation_op *op;

	path->waiting = false;
	list_for_each (op, &path->reservation->orders, link)
		if (op->path == path && op->start == let_in_start)
			op->path = NULL;
}

void map_reservation_path_lost(struct reservation_path *path)
{
	if (!path->reservation)
		return;
	forget_waiting(path);
	if (path->registered) {
		/* It still is, most likely; but not for us, before it was looked at. */
		path->registered = false;
		path->was_registered = true;
		path->reservation->ops->changed(path->reservation);
	}
}

/* --- what the unit tells --- */

static bool holds(const struct map_reservation *reservation,
		  const struct reservation_status *status)
{
	if (status->type == RESERVATION_NONE)
		return false;
	if (reservation_is_held_by_all(status->type))
		return reservation->holding.state == RESERVATION_REGISTERED;
	return reservation_is_ours(reservation, status->key);
}

void reservation_note_status(struct map_reservation *reservation,
			     const struct reservation_status *status)
{
	struct saved_reservation *holding = &reservation->holding;
	bool had = holding->type != RESERVATION_NONE, has = holds(reservation, status);

	reservation->status = *status;
	if (had && !has)
		reservation->ops->event(reservation, EVENT_RESERVATION_LOST,
					status->type ? "another host holds the reservation now"
						     : "the reservation was released");
	if (had && !has)
		holding->holder = 0;
	holding->type = has ? status->type : RESERVATION_NONE;
	reservation->ops->changed(reservation);
}

void reservation_lose(struct map_reservation *reservation)
{
	struct reservation_path *path;

	reservation->holding.state = RESERVATION_LOST;
	reservation->holding.type = RESERVATION_NONE;
	reservation->holding.holder = 0;
	list_for_each (path, &reservation->paths, link)
		path->registered = path->was_registered = false;
	reservation->ops->changed(reservation);
	reservation->ops->event(reservation, EVENT_REGISTRATION_LOST, NULL);
}

/* With a key for each path, one that is missing was preempted: that host means all of us. */
static bool is_preempted(struct map_reservation *reservation, const struct reservation_keys *keys)
{
	const struct reservation_path *path;

	if (!has_ours(reservation, keys))
		return true;
	if (!reservation->holding.per_path || keys->total > keys->count)
		return false;
	list_for_each (path, &reservation->paths, link)
		if (path->was_registered &&
		    !has_key(keys, reservation_key_in(&reservation->holding, path)))
			return true;
	return false;
}

static void check_status(struct reservation_op *op)
{
	struct reservation_status status;

	if (op->call.error == 0 &&
	    reservation_status_parse(op->call.answer, op->call.length, &status) == 0)
		reservation_note_status(op->reservation, &status);
	reservation_op_end(op);
}

static void check_keys(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	if (reservation_op_keys(op) < 0) {
		reservation_op_end(op);
		return;
	}
	if (reservation->holding.state == RESERVATION_REGISTERED &&
	    is_preempted(reservation, &op->keys))
		reservation_lose(reservation);
	reservation_op_in(op, RESERVATION_READ_RESERVATION, check_status);
}

static void check_start(struct reservation_op *op)
{
	op->reservation->check_queued = false;
	op->reservation->checked = true;
	op->path = reservation_any_path(op->reservation);
	reservation_op_in(op, RESERVATION_READ_KEYS, check_keys);
}

void reservation_check(struct map_reservation *reservation)
{
	struct reservation_op *op;

	if (reservation->check_queued)
		return;
	op = reservation_op_new(reservation, NULL, check_start);
	if (!op)
		return;
	reservation->check_queued = true;
	reservation_op_queue(op);
}

void map_reservation_look(struct map_reservation *reservation)
{
	if (reservation->holding.state == RESERVATION_REGISTERED &&
	    reservation_any_path(reservation))
		reservation_check(reservation);
}

/* --- a path on its way in --- */

static reservation_step let_in_keys;

static void let_in_end(struct reservation_op *op, const char *reason)
{
	const struct map_reservation_ops *ops = op->reservation->ops;
	struct reservation_path *path = op->path;

	if (path) {
		path->waiting = false;
		if (reason)
			ops->withhold(path, reason);
		else if (connected(op->reservation, path))
			ops->admit(path);
	}
	reservation_op_end(op);
}

/* When its session is gone it will be back, and then nobody need be told now. */
static void let_in_failed(struct reservation_op *op)
{
	char reason[sizeof(op->call.text) + 32];

	if (op->call.error == -ENOTCONN && op->path && !connected(op->reservation, op->path)) {
		op->path->waiting = false;
		reservation_op_end(op);
		return;
	}
	snprintf(reason, sizeof(reason), "cannot be registered: %s", op->call.text);
	let_in_end(op, reason);
}

static void let_in_registered(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	if (op->path) {
		op->path->registered = op->path->was_registered = true;
		reservation->ops->changed(reservation);
	}
	if (!reservation->checked)
		reservation_check(reservation);
	let_in_end(op, NULL);
}

static void send_register(struct reservation_op *op, enum reservation_out action, uint64_t key,
			  uint64_t new_key, reservation_step *next)
{
	const struct saved_reservation *holding = &op->reservation->holding;
	const struct reservation_order order = {
		.action = action,
		.key = key,
		.action_key = new_key,
		.survives_power = holding->survives_power,
		.all_target_ports = holding->all_target_ports,
	};

	reservation_op_out(op, &order, next);
}

static void let_in_undone(struct reservation_op *op)
{
	if (op->call.error < 0)
		let_in_failed(op);
	else
		reservation_op_in(op, RESERVATION_READ_KEYS, let_in_keys);
}

/*
 * Between the look at the keys and the registration somebody may have preempted this host: then the
 * unit has counted more changes than ours. Another look tells, without what we have just added.
 */
static void let_in_compare(struct reservation_op *op)
{
	uint32_t before = op->generation;

	if (reservation_op_keys(op) < 0)
		let_in_failed(op);
	else if (op->keys.generation - before <= 1)
		let_in_registered(op);
	else
		send_register(op, RESERVATION_REGISTER_AND_IGNORE, 0, 0, let_in_undone);
}

static void let_in_added(struct reservation_op *op)
{
	if (op->call.error < 0)
		let_in_failed(op);
	else
		reservation_op_in(op, RESERVATION_READ_KEYS, let_in_compare);
}

static void let_in_adopt(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	reservation->looked = true;
	if (op->keys.total > op->keys.count)
		return;
	for (int per_path = 0; per_path < 2; per_path++) {
		reservation->holding = (struct saved_reservation){
			.state = RESERVATION_REGISTERED,
			.key = reservation->configured,
			.per_path = per_path,
		};
		if (!has_ours(reservation, &op->keys))
			continue;
		reservation->ops->event(reservation, EVENT_RESERVATION_ADOPTED, NULL);
		reservation->ops->changed(reservation);
		return;
	}
	reservation->holding = (struct saved_reservation){};
}

static void let_in_keys(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct saved_reservation *holding = &reservation->holding;
	int r = reservation_op_keys(op);

	if (r < 0 && r != -ENOTCONN && holding->state == RESERVATION_UNREGISTERED) {
		/* A unit that knows no keys has none of ours. */
		reservation->looked = r == -EOPNOTSUPP || r == -EINVAL;
		let_in_end(op, NULL);
		return;
	}
	if (r < 0) {
		let_in_failed(op);
		return;
	}
	if (holding->state == RESERVATION_UNREGISTERED && !reservation->looked)
		let_in_adopt(op);
	else if (holding->state == RESERVATION_REGISTERED && !has_ours(reservation, &op->keys))
		reservation_lose(reservation);
	if (holding->state != RESERVATION_REGISTERED || !op->path) {
		let_in_end(op, NULL);
		return;
	}
	if (op->tries++ == REGISTER_TRIES) {
		let_in_end(op, "cannot be registered: other hosts change their registrations all "
			       "the time");
		return;
	}
	op->generation = op->keys.generation;
	send_register(op, RESERVATION_REGISTER_AND_IGNORE, 0, reservation_key_in(holding, op->path),
		      let_in_added);
}

/* Registered as it should be? Then nobody has preempted it, and nothing else has to be known. */
static void let_in_renewed(struct reservation_op *op)
{
	if (op->call.error == 0)
		let_in_registered(op);
	else if (op->call.error == -EBADE)
		reservation_op_in(op, RESERVATION_READ_KEYS, let_in_keys);
	else
		let_in_failed(op);
}

static void let_in_start(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct saved_reservation *holding = &reservation->holding;
	uint64_t key;

	if (!op->path || holding->state == RESERVATION_LOST || op->path->registered ||
	    (holding->state == RESERVATION_UNREGISTERED && reservation->looked)) {
		let_in_end(op, NULL);
	} else if (holding->state == RESERVATION_UNREGISTERED) {
		reservation_op_in(op, RESERVATION_READ_KEYS, let_in_keys);
	} else {
		key = reservation_key_in(holding, op->path);
		send_register(op, RESERVATION_REGISTER, key, key, let_in_renewed);
	}
}

void reservation_let_in(struct reservation_path *path)
{
	struct reservation_op *op;

	if (path->waiting)
		return;
	op = reservation_op_new(path->reservation, path, let_in_start);
	if (!op) {
		path->reservation->ops->withhold(path, "cannot be registered: no memory");
		return;
	}
	path->waiting = true;
	reservation_op_queue(op);
}

bool map_reservation_may_carry(struct reservation_path *path)
{
	struct map_reservation *reservation = path->reservation;

	if (!path->waiting) {
		if (reservation->holding.state == RESERVATION_LOST || path->registered)
			return true;
		if (reservation->holding.state == RESERVATION_UNREGISTERED &&
		    (reservation->looked || !reservation->configured))
			return true;
	}
	reservation_let_in(path);
	return false;
}

void map_reservation_conflict(struct reservation_path *path)
{
	if (path->reservation->holding.state == RESERVATION_REGISTERED) {
		path->registered = false;
		reservation_check(path->reservation);
	}
	reservation_let_in(path);
}

void map_reservation_attention(struct reservation_path *path, uint8_t asc, uint8_t ascq)
{
	struct map_reservation *reservation = path->reservation;

	forget_waiting(path);
	if (reservation->holding.state != RESERVATION_REGISTERED)
		return;
	if (asc == NEXUS_CHANGED) {
		path->registered = false; /* it is suspended, and looked at, for its identity */
		return;
	}
	if (asc != PARAMETERS_CHANGED || ascq < RESERVATIONS_PREEMPTED ||
	    ascq > REGISTRATIONS_PREEMPTED)
		return;
	reservation_check(reservation);
	if (ascq != REGISTRATIONS_PREEMPTED || !path->registered)
		return;
	path->registered = false;
	reservation->ops->suspend(path);
	reservation_let_in(path);
}

/* --- life --- */

int map_reservation_new(const struct map_reservation_ops *ops, void *userdata,
			const struct saved_reservation *saved, uint64_t configured,
			struct map_reservation **ret)
{
	struct map_reservation *reservation = calloc(1, sizeof(*reservation));

	if (!reservation)
		return -ENOMEM;
	reservation->ops = ops;
	reservation->userdata = userdata;
	reservation->holding = *saved;
	reservation->configured = configured;
	list_init(&reservation->paths);
	list_init(&reservation->orders);
	*ret = reservation;
	return 0;
}

void map_reservation_free(struct map_reservation *reservation)
{
	struct reservation_op *op;
	bool under_way = true;

	if (!reservation)
		return;
	assert(list_empty(&reservation->paths));
	while ((op = list_pop(&reservation->orders, struct reservation_op, link))) {
		op->reservation = NULL;
		error_set(&op->error, ERROR_SESSION_NOT_CONNECTED, "the map is gone");
		if (op->done)
			op->done(&op->error, NULL, op->userdata);
		if (!under_way)
			op_free(op); /* the first one is freed when its command is back */
		under_way = false;
	}
	free(reservation);
}
