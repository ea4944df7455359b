/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The keys of a map come, change and go: on all paths, or on none. */

#include <errno.h>
#include <string.h>

#include "daemon/map_reservation_private.h"

#define DEFAULT_TYPE RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY

/* --- paths, one after the other --- */

static struct reservation_path *next_connected(const struct map_reservation *reservation,
					       const struct reservation_path *but)
{
	struct reservation_path *path;

	list_for_each (path, &reservation->paths, link)
		if (!path->passed && path != but && reservation->ops->connected(path))
			return path;
	return NULL;
}

static struct reservation_path *next_changed(const struct map_reservation *reservation)
{
	struct reservation_path *path;

	list_for_each (path, &reservation->paths, link)
		if (path->changed)
			return path;
	return NULL;
}

/* Keys that paths which are gone still have at the unit. */
static void add_lost_paths(struct reservation_op *op, struct saved_reservation *holding)
{
	struct reservation_path *path;

	list_for_each (path, &op->reservation->paths, link)
		if (path->was_registered && !op->reservation->ops->connected(path))
			reservation_add_victim(op, reservation_key_in(holding, path));
}

/* --- undo --- */

static reservation_step undo_next;

static void undo_answered(struct reservation_op *op)
{
	if (op->path) {
		op->path->changed = false;
		if (op->call.error < 0)
			op->path->registered = false;
	}
	undo_next(op);
}

/* All paths or none: those that were changed get back what they had. */
static void undo_next(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_order order = {.action = RESERVATION_REGISTER_AND_IGNORE};

	op->path = next_changed(reservation);
	if (!op->path) {
		reservation->ops->changed(reservation);
		reservation_op_end(op);
		return;
	}
	if (op->path->registered) {
		order.action_key = reservation_key_in(&reservation->holding, op->path);
		order.survives_power = reservation->holding.survives_power;
	}
	reservation_op_out(op, &order, undo_answered);
}

/* --- register --- */

static reservation_step register_next;

static void register_swept(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	error_clear(&op->error); /* what is left over is no fault of this */
	reservation_check(reservation);
	reservation_op_end(op);
}

static void register_commit(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct saved_reservation before = reservation->holding;
	bool other_key = before.key != op->wanted.key || before.per_path != op->wanted.per_path;
	struct reservation_path *path;

	op->type = before.type ? before.type : DEFAULT_TYPE;
	op->wanted.type = before.type;
	op->wanted.holder = before.holder;
	if (before.state == RESERVATION_REGISTERED && other_key)
		add_lost_paths(op, &before);
	reservation->holding = op->wanted;
	reservation->holding.state = RESERVATION_REGISTERED;
	reservation->looked = true;
	list_for_each (path, &reservation->paths, link) {
		path->registered = path->changed;
		path->was_registered = path->changed || (path->was_registered && !other_key);
		path->changed = false;
	}
	reservation->ops->changed(reservation);
	op->path = reservation_registered_path(reservation);
	op->after = register_swept;
	reservation_preempt_victims(op);
}

static void register_answered(struct reservation_op *op)
{
	if (op->call.error == -EBADE && !op->again && !op->request.ignore) {
		op->again = true; /* perhaps it has the new one already */
		register_next(op);
		return;
	}
	op->again = false;
	if (op->path) {
		op->path->passed = true;
		op->path->changed = op->call.error == 0;
	}
	op->through += op->call.error == 0;
	if (op->call.error == -EBADE)
		error_set(&op->error, ERROR_RESERVATION_CONFLICT,
			  "a path is registered with another key, which only an order to ignore "
			  "it replaces");
	else if (op->call.error == -EINVAL &&
		 (op->wanted.survives_power || op->wanted.all_target_ports))
		error_set(&op->error, ERROR_NOT_SUPPORTED,
			  "the unit does not take a registration with %s; try without",
			  op->wanted.survives_power ? "APTPL" : "ALL_TG_PT");
	else if (op->call.error < 0 && op->call.error != -ENOTCONN)
		reservation_op_set_answer(op, "not registered on any path, because one failed");
	register_next(op);
}

static uint64_t present_key(struct reservation_op *op)
{
	struct saved_reservation *holding = &op->reservation->holding;

	if (op->again)
		return reservation_key_in(&op->wanted, op->path);
	return holding->state == RESERVATION_REGISTERED && op->path->registered
		       ? reservation_key_in(holding, op->path)
		       : 0;
}

static void register_next(struct reservation_op *op)
{
	struct reservation_order order = {
		.action =
			op->request.ignore ? RESERVATION_REGISTER_AND_IGNORE : RESERVATION_REGISTER,
		.survives_power = op->wanted.survives_power,
		.all_target_ports = op->wanted.all_target_ports,
	};

	if (error_is_set(&op->error)) {
		undo_next(op);
		return;
	}
	if (!op->again)
		op->path = next_connected(op->reservation, NULL);
	if (op->path) {
		order.key = op->request.ignore ? 0 : present_key(op);
		order.action_key = reservation_key_in(&op->wanted, op->path);
		reservation_op_out(op, &order, register_answered);
	} else if (op->through == 0) {
		reservation_op_fail(op, ERROR_SESSION_NOT_CONNECTED,
				    "no path of the map is connected");
	} else {
		register_commit(op);
	}
}

void reservation_register(struct reservation_op *op)
{
	const struct reservation_request *request = &op->request;
	const struct saved_reservation *holding = &op->reservation->holding;

	op->wanted = (struct saved_reservation){
		.key = request->key,
		.per_path = request->per_path,
		.survives_power = request->survives_power,
		.all_target_ports = request->all_target_ports,
	};
	if (holding->per_path && request->per_path) { /* numbers stay */
		op->wanted.path_count = holding->path_count;
		memcpy(op->wanted.paths, holding->paths, sizeof(holding->paths));
	}
	reservation_begin_round(op->reservation);
	register_next(op);
}

/* --- unregister --- */

static reservation_step unregister_next;

void reservation_forget(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_path *path;

	reservation->holding = (struct saved_reservation){};
	reservation->status = (struct reservation_status){};
	reservation->looked = true;
	list_for_each (path, &reservation->paths, link)
		path->registered = path->was_registered = path->changed = false;
	reservation->ops->changed(reservation);
	reservation_op_end(op);
}

static void unregister_answered(struct reservation_op *op)
{
	if (op->path) {
		op->path->passed = true;
		op->path->changed = op->call.error == 0;
	}
	if (op->call.error < 0 && op->call.error != -ENOTCONN)
		reservation_op_set_answer(op, "not unregistered on any path, because one failed");
	unregister_next(op);
}

static void unregister_send(struct reservation_op *op, struct reservation_path *path)
{
	const struct reservation_order order = {.action = RESERVATION_REGISTER_AND_IGNORE};

	op->path = path;
	reservation_op_out(op, &order, unregister_answered);
}

static void unregister_last(struct reservation_op *op)
{
	error_clear(&op->error); /* what paths that are gone have left cannot be helped */
	unregister_send(op, op->path ? op->path : next_connected(op->reservation, NULL));
}

/* The last one first takes away what paths that are gone have left behind. */
static void unregister_next(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_path *last = reservation_registered_path(reservation), *path;

	if (last && last->passed)
		last = NULL;
	path = next_connected(reservation, last);
	if (error_is_set(&op->error)) {
		undo_next(op);
	} else if (path) {
		unregister_send(op, path);
	} else if (last) {
		op->path = last;
		op->type = reservation->holding.type ? reservation->holding.type : DEFAULT_TYPE;
		op->after = unregister_last;
		add_lost_paths(op, &reservation->holding);
		reservation_preempt_victims(op);
	} else {
		reservation_forget(op);
	}
}

void reservation_unregister(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	if (reservation->holding.state == RESERVATION_REGISTERED &&
	    !reservation_any_path(reservation)) {
		reservation_op_fail(op, ERROR_SESSION_NOT_CONNECTED,
				    "no path of the map is connected");
		return;
	}
	reservation_begin_round(reservation);
	if (reservation->holding.state == RESERVATION_LOST)
		reservation_forget(op); /* the unit has nothing of ours, and we want nothing */
	else
		unregister_next(op);
}
