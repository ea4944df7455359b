/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What map_reservation.c (paths, and whether they may carry I/O), map_reservation_orders.c (what an
 * operator asks for), map_reservation_register.c and map_reservation_hold.c (how that is done)
 * share: an order, which is a few commands one after the other. Nobody else includes this.
 */

#include "daemon/map_reservation.h"

struct reservation_op;
typedef void reservation_step(struct reservation_op *op);

#define RESERVATION_VICTIMS_MAX 64

struct reservation_op {
	struct list link;		     /* in reservation->orders */
	struct map_reservation *reservation; /* NULL: it ended meanwhile */
	struct reservation_path *path;	     /* that the command goes through; NULL: it left */
	reservation_step *start;	     /* its first */
	reservation_step *step;		     /* what follows the command that is under way */
	struct reservation_call call;	     /* that command, and its answer */

	/* an order of an operator */
	struct reservation_request request;
	struct error error;
	reservation_done *done;
	void *userdata;
	struct saved_reservation wanted; /* what it comes to when it goes well */
	bool again;			 /* a command was sent in another form */
	unsigned through;		 /* paths that it was carried out on */
	struct reservation_keys keys;
	uint64_t victims[RESERVATION_VICTIMS_MAX];
	unsigned victim_count; /* of them are left */
	unsigned victim_total;
	bool preempted; /* at least one of them */
	bool abort;
	uint8_t type;
	reservation_step *after; /* the victims */

	/* a path on its way in */
	uint32_t generation;
	unsigned tries;
};

/** reservation_op_new() - @path: may be NULL. Return: NULL without memory */
struct reservation_op *reservation_op_new(struct map_reservation *reservation,
					  struct reservation_path *path, reservation_step *start);
/** reservation_op_queue() - it is carried out when its turn comes, perhaps at once */
void reservation_op_queue(struct reservation_op *op);
/** reservation_op_end() - done; it is freed, and the next one begins */
void reservation_op_end(struct reservation_op *op);
/** reservation_op_in() - send a query over op->path, then @next */
void reservation_op_in(struct reservation_op *op, enum reservation_in action,
		       reservation_step *next);
/** reservation_op_out() - send @order over op->path, then @next */
void reservation_op_out(struct reservation_op *op, const struct reservation_order *order,
			reservation_step *next);
/** reservation_op_keys() - the answer to READ KEYS into op->keys. Return: 0 or -errno */
int reservation_op_keys(struct reservation_op *op);

/** reservation_is_ours() - is @key one of this host? */
bool reservation_is_ours(const struct map_reservation *reservation, uint64_t key);
/** reservation_key_in() - of @path, as @holding has it, which gives it a number if it must */
uint64_t reservation_key_in(struct saved_reservation *holding, const struct reservation_path *path);
/** reservation_any_path() - one that is connected, registered before others; NULL */
struct reservation_path *reservation_any_path(const struct map_reservation *reservation);
/** reservation_registered_path() - the holder's, if it can be; else any; NULL */
struct reservation_path *reservation_registered_path(const struct map_reservation *reservation);
/** reservation_note_status() - what READ RESERVATION told */
void reservation_note_status(struct map_reservation *reservation,
			     const struct reservation_status *status);
/** reservation_lose() - the key was taken away */
void reservation_lose(struct map_reservation *reservation);
/** reservation_check() - look at keys and reservation when there is time */
void reservation_check(struct map_reservation *reservation);
/** reservation_let_in() - begin to register @path, which is suspended */
void reservation_let_in(struct reservation_path *path);

/* map_reservation_orders.c */
/** reservation_op_fail() - end it with an error */
void reservation_op_fail(struct reservation_op *op, enum error_code code, const char *text);
/** reservation_op_set_answer() - its error is what the unit said last; @what comes in front */
void reservation_op_set_answer(struct reservation_op *op, const char *what);
/** reservation_op_fail_answer() - the same, and end it */
void reservation_op_fail_answer(struct reservation_op *op, const char *what);
/** reservation_op_fail_conflict() - something is not as it was believed to be: look, too */
void reservation_op_fail_conflict(struct reservation_op *op, const char *text);
/** reservation_begin_round() - no path has passed, or was changed */
void reservation_begin_round(struct map_reservation *reservation);
/** reservation_add_victim() - a key for reservation_preempt_victims(); each once */
void reservation_add_victim(struct reservation_op *op, uint64_t key);
/** reservation_preempt_victims() - preempt them over op->path, then op->after */
void reservation_preempt_victims(struct reservation_op *op);
/** reservation_take_registered_path() - for op->path. Return: false, and the order has ended */
bool reservation_take_registered_path(struct reservation_op *op);
/** reservation_send_order() - over op->path with its key, then @next */
void reservation_send_order(struct reservation_op *op, enum reservation_out action, uint8_t type,
			    reservation_step *next);

/* map_reservation_register.c */
/** reservation_forget() - the unit has nothing of ours any more, and nothing is wanted */
void reservation_forget(struct reservation_op *op);
reservation_step reservation_register, reservation_unregister;

/* map_reservation_hold.c */
reservation_step reservation_reserve, reservation_release, reservation_preempt;
