/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What an operator or a cluster asks for, and the fence that a lost path asks for. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/map_reservation_private.h"
#include "util/cleanup.h"

#define DEFAULT_TYPE RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY

/* --- how it ends --- */

static void end(struct reservation_op *op)
{
	reservation_op_end(op);
}

static void fail(struct reservation_op *op, enum error_code code, const char *text)
{
	error_set(&op->error, code, "%s", text);
	end(op);
}

/* What a unit's answer is to an operator. */
static enum error_code code_of(int error)
{
	switch (error) {
	case -EBADE:
		return ERROR_RESERVATION_CONFLICT;
	case -EOPNOTSUPP:
	case -EINVAL:
		return ERROR_NOT_SUPPORTED;
	case -ENOTCONN:
		return ERROR_SESSION_NOT_CONNECTED;
	case -EBUSY:
		return ERROR_TRY_AGAIN;
	default:
		return ERROR_FAILED;
	}
}

static void set_answer(struct reservation_op *op, const char *what)
{
	error_set(&op->error, code_of(op->call.error), "%s: %s", what, op->call.text);
}

static void fail_answer(struct reservation_op *op, const char *what)
{
	set_answer(op, what);
	end(op);
}

/* Something is not as it was believed to be: another look tells. */
static void fail_conflict(struct reservation_op *op, const char *text)
{
	struct map_reservation *reservation = op->reservation;

	error_set(&op->error, ERROR_RESERVATION_CONFLICT, "%s", text);
	reservation_check(reservation);
	end(op);
}

/* --- paths, one after the other --- */

static void begin_round(struct map_reservation *reservation)
{
	struct reservation_path *path;

	list_for_each (path, &reservation->paths, link)
		path->passed = path->changed = false;
}

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

/* --- victims, one after the other --- */

static reservation_step preempt_next;

static void preempt_answered(struct reservation_op *op)
{
	if (op->call.error == 0) {
		op->preempted = true;
	} else if (op->call.error != -EBADE) { /* that one is gone already */
		set_answer(op, "cannot be preempted");
		op->victim_count = 0;
	}
	preempt_next(op);
}

static void preempt_next(struct reservation_op *op)
{
	struct reservation_order order = {
		.action = op->abort ? RESERVATION_PREEMPT_AND_ABORT : RESERVATION_PREEMPT,
		.type = op->type,
	};

	if (op->victim_count == 0 || !op->path) {
		op->after(op);
		return;
	}
	order.key = reservation_key_in(&op->reservation->holding, op->path);
	order.action_key = op->victims[--op->victim_count];
	reservation_op_out(op, &order, preempt_answered);
}

static void add_victim(struct reservation_op *op, uint64_t key)
{
	for (unsigned i = 0; i < op->victim_count; i++)
		if (op->victims[i] == key)
			return;
	if (op->victim_count < RESERVATION_VICTIMS_MAX)
		op->victims[op->victim_count++] = key;
}

/* Keys that paths which are gone still have at the unit. */
static void add_lost_paths(struct reservation_op *op, struct saved_reservation *holding)
{
	struct reservation_path *path;

	list_for_each (path, &op->reservation->paths, link)
		if (path->was_registered && !op->reservation->ops->connected(path))
			add_victim(op, reservation_key_in(holding, path));
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
		end(op);
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
	end(op);
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
	preempt_next(op);
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
	else if (op->call.error < 0 && op->call.error != -ENOTCONN)
		set_answer(op, "not registered on any path, because one failed");
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
		fail(op, ERROR_SESSION_NOT_CONNECTED, "no path of the map is connected");
	} else {
		register_commit(op);
	}
}

static void register_start(struct reservation_op *op)
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
	begin_round(op->reservation);
	register_next(op);
}

/* --- unregister --- */

static reservation_step unregister_next;

static void unregister_commit(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_path *path;

	reservation->holding = (struct saved_reservation){};
	reservation->status = (struct reservation_status){};
	reservation->looked = true;
	list_for_each (path, &reservation->paths, link)
		path->registered = path->was_registered = path->changed = false;
	reservation->ops->changed(reservation);
	end(op);
}

static void unregister_answered(struct reservation_op *op)
{
	if (op->path) {
		op->path->passed = true;
		op->path->changed = op->call.error == 0;
	}
	if (op->call.error < 0 && op->call.error != -ENOTCONN)
		set_answer(op, "not unregistered on any path, because one failed");
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
		preempt_next(op);
	} else {
		unregister_commit(op);
	}
}

static void unregister_start(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	if (reservation->holding.state == RESERVATION_REGISTERED &&
	    !reservation_any_path(reservation)) {
		fail(op, ERROR_SESSION_NOT_CONNECTED, "no path of the map is connected");
		return;
	}
	begin_round(reservation);
	if (reservation->holding.state == RESERVATION_LOST)
		unregister_commit(op); /* the unit has nothing of ours, and we want nothing */
	else
		unregister_next(op);
}

/* --- reserve --- */

/* Return: false, and the order has ended. */
static bool take_registered_path(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	op->path = reservation_registered_path(reservation);
	if (op->path)
		return true;
	if (reservation->holding.state == RESERVATION_REGISTERED)
		fail(op, ERROR_SESSION_NOT_CONNECTED, "no registered path of the map is connected");
	else
		fail(op, ERROR_RESERVATION_CONFLICT,
		     reservation->holding.state == RESERVATION_LOST
			     ? "the key of this host was taken away; register it again first"
			     : "this host has registered no key; register one first");
	return false;
}

static void send_order(struct reservation_op *op, enum reservation_out action, uint8_t type,
		       reservation_step *next)
{
	const struct reservation_order order = {
		.action = action,
		.type = type,
		.key = op->path ? reservation_key_in(&op->reservation->holding, op->path) : 0,
	};

	reservation_op_out(op, &order, next);
}

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
		fail_conflict(op, "another host holds a reservation");
		return;
	}
	reservation_note_status(op->reservation, &status);
	if (op->reservation->holding.type == op->request.type) {
		end(op);
		return;
	}
	if (status.type)
		tell_holder(op, &status);
	fail_conflict(op, "this path's registration is gone");
}

static void reserve_answered(struct reservation_op *op)
{
	if (op->call.error == 0) {
		note_held(op, op->request.type);
		end(op);
	} else if (op->call.error == -EBADE) {
		reservation_op_in(op, RESERVATION_READ_RESERVATION, reserve_looked);
	} else {
		fail_answer(op, "not reserved");
	}
}

static void reserve_start(struct reservation_op *op)
{
	if (take_registered_path(op))
		send_order(op, RESERVATION_RESERVE, op->request.type, reserve_answered);
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
	end(op);
}

static reservation_step release_answered;

static void release_preempted(struct reservation_op *op)
{
	if (error_is_set(&op->error)) {
		end(op);
		return;
	}
	note_held(op, op->type);
	op->again = true;
	send_order(op, RESERVATION_RELEASE, op->type, release_answered);
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
		fail(op, ERROR_FAILED, "the reservation cannot be released through any path");
		return;
	}
	add_victim(op, reservation->status.key);
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
	preempt_next(op);
}

static void release_looked(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;
	struct reservation_status status;

	if (op->call.error < 0) {
		fail_answer(op, "not released");
		return;
	}
	if (reservation_status_parse(op->call.answer, op->call.length, &status) < 0) {
		fail(op, ERROR_FAILED, "the unit's answer about its reservation cannot be read");
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
		end(op);
		return;
	}
	if (op->request.type && op->request.type != status.type) {
		error_set(&op->error, ERROR_INVALID_ARGUMENT, "the reservation is %s",
			  reservation_type_name(status.type));
		end(op);
		return;
	}
	release_next(op);
}

static void release_answered(struct reservation_op *op)
{
	if (op->path)
		op->path->passed = true;
	if (op->call.error < 0 && op->call.error != -ENOTCONN)
		fail_answer(op, "not released");
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
		send_order(op, RESERVATION_RELEASE, op->type, release_answered);
	} else {
		release_by_preempting(op);
	}
}

static void release_start(struct reservation_op *op)
{
	if (!take_registered_path(op))
		return;
	begin_round(op->reservation);
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
	end(op); /* it was preempted, whatever became of this question */
}

static void preempt_over(struct reservation_op *op)
{
	if (error_is_set(&op->error))
		end(op);
	else if (!op->preempted)
		fail_conflict(op, "nobody is registered with that key, or this host is no more");
	else
		reservation_op_in(op, RESERVATION_READ_RESERVATION, preempt_looked);
}

static void preempt_keys(struct reservation_op *op)
{
	if (reservation_op_keys(op) < 0) {
		fail_answer(op, "not preempted");
		return;
	}
	for (uint32_t i = 0; i < op->keys.count; i++)
		if ((op->keys.keys[i] & ~RESERVATION_PATH_BITS) == op->request.key)
			add_victim(op, op->keys.keys[i]);
	preempt_next(op);
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
	add_victim(op, op->request.key);
	preempt_next(op);
}

static bool is_own(struct map_reservation *reservation, uint64_t key)
{
	return reservation_is_ours(reservation, key) ||
	       (reservation->holding.state == RESERVATION_REGISTERED &&
		key == reservation->holding.key);
}

static void preempt_start(struct reservation_op *op)
{
	if (is_own(op->reservation, op->request.key)) {
		fail(op, ERROR_INVALID_ARGUMENT, "that is the key of this host itself");
		return;
	}
	if (!take_registered_path(op))
		return;
	op->abort = op->request.abort;
	op->after = preempt_over;
	reservation_op_in(op, RESERVATION_READ_RESERVATION, preempt_type);
}

/* --- clear --- */

static void clear_answered(struct reservation_op *op)
{
	if (op->call.error == 0)
		unregister_commit(op);
	else if (op->call.error == -EBADE)
		fail_conflict(op, "not cleared: the registration of this host is gone");
	else
		fail_answer(op, "not cleared");
}

static void clear_start(struct reservation_op *op)
{
	if (take_registered_path(op))
		send_order(op, RESERVATION_CLEAR, 0, clear_answered);
}

/* --- questions --- */

static void query_answered(struct reservation_op *op)
{
	if (op->call.error < 0)
		set_answer(op, "the unit does not tell");
	end(op);
}

static void query_start(struct reservation_op *op)
{
	op->path = reservation_any_path(op->reservation);
	if (op->path)
		reservation_op_in(op, op->request.query, query_answered);
	else
		fail(op, ERROR_SESSION_NOT_CONNECTED, "no path of the map is connected");
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
	end(op);
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
		end(op);
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
		end(op);
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

/* --- all of them --- */

static reservation_step *const starts[RESERVATION_VERB_COUNT] = {
	[RESERVATION_DO_QUERY] = query_start,		[RESERVATION_DO_REGISTER] = register_start,
	[RESERVATION_DO_UNREGISTER] = unregister_start, [RESERVATION_DO_RESERVE] = reserve_start,
	[RESERVATION_DO_RELEASE] = release_start,	[RESERVATION_DO_CLEAR] = clear_start,
	[RESERVATION_DO_PREEMPT] = preempt_start,
};

/* Return: what is wrong with it; NULL: nothing */
static const char *fault_of(const struct reservation_request *request, enum error_code *code)
{
	bool typed = request->verb == RESERVATION_DO_RESERVE || request->type;

	*code = ERROR_INVALID_ARGUMENT;
	if (request->verb == RESERVATION_DO_REGISTER && request->key == 0)
		return "no key was given, and neither the record nor hawser.conf has one";
	if (request->verb == RESERVATION_DO_PREEMPT && request->key == 0)
		return "0 is no key";
	if (request->verb == RESERVATION_DO_REGISTER && request->per_path &&
	    (request->key & RESERVATION_PATH_BITS))
		return "with a key for each path the last four digits of the key are theirs, and "
		       "have to be 0";
	if (!typed || reservation_admits_registrants(request->type))
		return NULL;
	*code = ERROR_NOT_SUPPORTED;
	return "only one path could write with a reservation of that type; take one for all "
	       "registrants or for registrants only";
}

/* A key that is not given is the one of the configuration, or the one that there was. */
static struct reservation_request complete(const struct map_reservation *reservation,
					   const struct reservation_request *request)
{
	struct reservation_request completed = *request;

	if (request->verb != RESERVATION_DO_REGISTER || request->key)
		return completed;
	completed.key = reservation->configured;
	if (!completed.key && reservation->holding.state != RESERVATION_UNREGISTERED) {
		completed.key = reservation->holding.key;
		completed.per_path = reservation->holding.per_path;
	}
	return completed;
}

void map_reservation_ask(struct map_reservation *reservation,
			 const struct reservation_request *request, reservation_done *done,
			 void *userdata)
{
	const struct reservation_request completed = complete(reservation, request);
	owned_error struct error error = ERROR_INIT;
	enum error_code code;
	const char *fault = fault_of(&completed, &code);
	struct reservation_op *op;

	if (fault) {
		error_set(&error, code, "%s", fault);
		done(&error, NULL, userdata);
		return;
	}
	op = reservation_op_new(reservation, NULL, starts[request->verb]);
	if (!op) {
		error_set(&error, ERROR_NO_MEMORY, "out of memory");
		done(&error, NULL, userdata);
		return;
	}
	op->request = completed;
	op->done = done;
	op->userdata = userdata;
	reservation_op_queue(op);
}
