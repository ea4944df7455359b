/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What an operator or a cluster asks for: what all orders have in common, and the short ones. */

#include <errno.h>

#include "daemon/map_reservation_private.h"
#include "util/cleanup.h"

/* --- how it ends --- */

void reservation_op_fail(struct reservation_op *op, enum error_code code, const char *text)
{
	error_set(&op->error, code, "%s", text);
	reservation_op_end(op);
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

void reservation_op_set_answer(struct reservation_op *op, const char *what)
{
	error_set(&op->error, code_of(op->call.error), "%s: %s", what, op->call.text);
}

void reservation_op_fail_answer(struct reservation_op *op, const char *what)
{
	reservation_op_set_answer(op, what);
	reservation_op_end(op);
}

/* Something is not as it was believed to be: another look tells. */
void reservation_op_fail_conflict(struct reservation_op *op, const char *text)
{
	struct map_reservation *reservation = op->reservation;

	error_set(&op->error, ERROR_RESERVATION_CONFLICT, "%s", text);
	reservation_check(reservation);
	reservation_op_end(op);
}

/* --- paths, one after the other --- */

void reservation_begin_round(struct map_reservation *reservation)
{
	struct reservation_path *path;

	list_for_each (path, &reservation->paths, link)
		path->passed = path->changed = false;
}

/* --- victims, one after the other --- */

static void preempt_answered(struct reservation_op *op)
{
	if (op->call.error == 0) {
		op->preempted = true;
	} else if (op->call.error != -EBADE) { /* that one is gone already */
		reservation_op_set_answer(op, "cannot be preempted");
		op->victim_count = 0;
	}
	reservation_preempt_victims(op);
}

void reservation_preempt_victims(struct reservation_op *op)
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

void reservation_add_victim(struct reservation_op *op, uint64_t key)
{
	for (unsigned i = 0; i < op->victim_count; i++)
		if (op->victims[i] == key)
			return;
	if (op->victim_count < RESERVATION_VICTIMS_MAX)
		op->victims[op->victim_count++] = key;
}

/* --- commands of who is registered --- */

/* Return: false, and the order has ended. */
bool reservation_take_registered_path(struct reservation_op *op)
{
	struct map_reservation *reservation = op->reservation;

	op->path = reservation_registered_path(reservation);
	if (op->path)
		return true;
	if (reservation->holding.state == RESERVATION_REGISTERED)
		reservation_op_fail(op, ERROR_SESSION_NOT_CONNECTED,
				    "no registered path of the map is connected");
	else
		reservation_op_fail(
			op, ERROR_RESERVATION_CONFLICT,
			reservation->holding.state == RESERVATION_LOST
				? "the key of this host was taken away; register it again first"
				: "this host has registered no key; register one first");
	return false;
}

void reservation_send_order(struct reservation_op *op, enum reservation_out action, uint8_t type,
			    reservation_step *next)
{
	const struct reservation_order order = {
		.action = action,
		.type = type,
		.key = op->path ? reservation_key_in(&op->reservation->holding, op->path) : 0,
	};

	reservation_op_out(op, &order, next);
}

/* --- clear --- */

static void clear_answered(struct reservation_op *op)
{
	if (op->call.error == 0)
		reservation_forget(op);
	else if (op->call.error == -EBADE)
		reservation_op_fail_conflict(op,
					     "not cleared: the registration of this host is gone");
	else
		reservation_op_fail_answer(op, "not cleared");
}

static void clear_start(struct reservation_op *op)
{
	if (reservation_take_registered_path(op))
		reservation_send_order(op, RESERVATION_CLEAR, 0, clear_answered);
}

/* --- questions --- */

static void query_answered(struct reservation_op *op)
{
	if (op->call.error < 0)
		reservation_op_set_answer(op, "the unit does not tell");
	reservation_op_end(op);
}

static void query_start(struct reservation_op *op)
{
	op->path = reservation_any_path(op->reservation);
	if (op->path)
		reservation_op_in(op, op->request.query, query_answered);
	else
		reservation_op_fail(op, ERROR_SESSION_NOT_CONNECTED,
				    "no path of the map is connected");
}

/* --- all of them --- */

static reservation_step *const starts[RESERVATION_VERB_COUNT] = {
	[RESERVATION_DO_QUERY] = query_start,
	[RESERVATION_DO_REGISTER] = reservation_register,
	[RESERVATION_DO_UNREGISTER] = reservation_unregister,
	[RESERVATION_DO_RESERVE] = reservation_reserve,
	[RESERVATION_DO_RELEASE] = reservation_release,
	[RESERVATION_DO_CLEAR] = clear_start,
	[RESERVATION_DO_PREEMPT] = reservation_preempt,
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
