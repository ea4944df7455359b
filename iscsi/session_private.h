/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the files of the session share, and nobody else includes. Calls go one way:
 *
 *     session.c (life, units, the end of a connection)
 *         -> session_receive.c (one handler for each opcode), session_send.c (what goes out next)
 *             -> session_reject.c (what a Reject means)
 *                 -> session_text.c (negotiation and SendTargets)
 *                 -> session_recovery.c (ErrorRecoveryLevel 1 only)
 *                 -> session_management.c (task management functions and what they end)
 *                     -> session_tasks.c (tags, aborts, deadlines)
 *                         -> session_logout.c (drain and Logout)
 */

#include "iscsi/async_queue.h"
#include "iscsi/connection.h"
#include "iscsi/logical_unit.h"
#include "iscsi/recovery.h"
#include "iscsi/renegotiation.h"
#include "iscsi/session.h"
#include "iscsi/target_query.h"
#include "iscsi/task.h"
#include "iscsi/task_management.h"
#include "scsi/command.h"
#include "util/ring.h"

/*
 * Initiator task tags: the task's index in the low bits and a generation above, so that a late PDU
 * of an earlier task matches nothing. Pings and logouts have tags of their own.
 */
#define TAG_INDEX_BITS	12
#define TAG_INDEX_MASK	((1u << TAG_INDEX_BITS) - 1)
#define TAG_GENERATIONS (1u << 19)
#define TAG_PING	0xc1000000u
#define TAG_LOGOUT	0xc2000000u
#define TAG_TEXT	0xc4000000u

#define NOP_REPLIES_MAX 16 /* NOP-Outs that are due and no ping; more is a flood */

struct nop_reply {
	be64 lun;
	be32 target_transfer_tag;
};

struct session {
	struct ring *ring;
	struct session_settings settings;
	const struct session_observer *observer;
	void *userdata;
	struct session_statistics statistics;

	struct connection *connection;
	struct negotiated negotiated;
	bool attached;
	uint32_t cmd_sn, max_cmd_sn;

	struct task *tasks;
	struct list free;     /* struct task */
	struct list queued;   /* have a tag, command not sent yet */
	struct list data;     /* have Data-Out PDUs due */
	struct list retries;  /* were lost on their way: the command PDU is due once more */
	struct list waiting;  /* struct scsi_command, for which no tag is free */
	struct list given_up; /* struct scsi_command: over, done() comes at the end of the turn */
	struct deferred give_up;
	uint32_t outstanding; /* commands and abandoned tasks, but for those given up */
	bool data_turn;	      /* Data-Out and new commands take turns */

	struct recovery *recovery; /* NULL at ErrorRecoveryLevel 0 */
	struct ring_timer recovery_timer;

	struct task_management management;
	struct ring_timer management_timer;
	struct ring_timer deadline_timer;
	uint32_t deadlines;	 /* outstanding commands that have one, and abandoned tasks */
	struct task *letting_go; /* to be abandoned when the connection has let its memory go */

	struct nop_reply nop_replies[NOP_REPLIES_MAX];
	uint8_t nop_reply_count;
	bool ping_due;
	uint32_t ping_tag;    /* of the ping in flight; RESERVED_TAG: none */
	uint8_t *ping_data;   /* settings.ping_bytes of them; NULL: none */
	uint32_t ping_length; /* bytes in the ping in flight */
	uint16_t tag_counter;

	struct renegotiation renegotiation;
	bool renegotiation_wanted; /* when the query is over */
	struct target_query query;
	struct target_request *query_waiting; /* for the end of the negotiation */

	struct async_queue async;
	struct ring_timer async_timer; /* runs to the end of the queue's window */

	bool logout_wanted; /* take no new commands */
	bool logout_due;    /* nor send any: the request is next */
	bool logout_sent, logout_complete, tasks_over;
	uint32_t logout_tag;
	struct ring_timer logout_timer;
	bool target_asked;     /* the loss to come is the target's wish */
	unsigned wait_seconds; /* it wants no login before */

	struct list units; /* struct logical_unit */
	bool others;	   /* every unit that is used has another path */
	enum nexus_health connection_health;
	bool throttled;			/* a command has waited for the window for long */
	struct ring_timer window_timer; /* runs while one waits */
};

static inline bool session_window_open(const struct session *session)
{
	return sn_less_equal(session->cmd_sn, session->max_cmd_sn);
}

/* The window is closed with a command waiting. */
#define WINDOW_THROTTLED_MS 5000u  /* so long, and the units are throttled */
#define WINDOW_DROP_MS	    15000u /* so long, and the session ends, if other paths exist */
void session_window_timeout(struct ring_timer *timer);
/** session_window_opened() - commands may leave (again) */
void session_window_opened(struct session *session);

/* session_receive.c: see struct connection_ops */
int session_header(struct connection *connection, const struct bhs *bhs, void **data,
		   const char **why);
int session_received(struct connection *connection, const struct bhs *bhs, const uint8_t *data,
		     const char **why);
int session_out_of_order(struct connection *connection, const struct bhs *bhs, const uint8_t *data,
			 const char **why);
void session_async_window_over(struct ring_timer *timer);

/* session_send.c: see struct connection_ops */
bool session_next_pdu(struct connection *connection, struct pdu_slot *slot);
bool session_ping(struct connection *connection);
/**
 * session_queue_nop() - a NOP-Out that is no ping: the answer to one of the target's, or with
 * RESERVED_TAG an acknowledgement of what it sent (§11.18)
 * Return: 0; -EPROTO with @why set when the target wants too many
 */
int session_queue_nop(struct session *session, be64 lun, be32 target_transfer_tag,
		      const char **why);
/** session_ping_answered() - it shows life. Return: round trip, microseconds */
uint32_t session_ping_answered(struct session *session);

/* session_reject.c */
int session_reject(struct session *session, const struct bhs *bhs, const uint8_t *data,
		   const char **why);

/* session_text.c */
void session_text_init(struct session *session);
/** session_text_end() - the connection ended. Return: whose done() is to be run; NULL: nobody's */
struct target_request *session_text_end(struct session *session);
/** session_renegotiate() - the target wants it */
void session_renegotiate(struct session *session);
bool session_next_text(struct session *session, struct pdu_slot *slot);
int session_text_response(struct session *session, const struct bhs *bhs, const uint8_t *data,
			  const char **why);
/** session_text_rejected() - the request with this tag was */
void session_text_rejected(struct session *session, be32 initiator_task_tag);

/* session_management.c */
int session_management_response(struct session *session, const struct bhs *bhs, const uint8_t *data,
				const char **why);
/** session_management_sent() - a request is leaving: its time runs, its tasks are treated so */
void session_management_sent(struct session *session);
/** session_first_not_held() - the first queued task that the request that is out does not cover */
struct task *session_first_not_held(struct session *session);
/** session_management_rejected() - the request with @tag was, for @reason: it is sent again a
 * little later, or over. Return: 0; -EPROTO with @why set when only a new session helps */
int session_management_rejected(struct session *session, uint8_t reason, be32 tag,
				const char **why);
void session_management_timeout(struct ring_timer *timer);
/** session_tasks_terminated() - tasks of unit @lun were ended by another session
 * Return: as session_queue_nop() */
int session_tasks_terminated(struct session *session, be64 lun, const char **why);
/** session_collect_requests() - the connection ended; @closed: the target closed it */
void session_collect_requests(struct session *session, bool closed, struct list *requests);
void session_end_requests(struct list *requests);

/* session_recovery.c; but for the first two and session_damaged() only with session->recovery */
/** session_recovery_attach() - at the level that was agreed on. Return: 0 or -ENOMEM */
int session_recovery_attach(struct session *session, const struct login_outcome *outcome);
void session_recovery_tick(struct ring_timer *timer);
/** session_recovery_watch() - look after a while whether everything has come */
void session_recovery_watch(struct session *session);
/** session_damaged() - see struct connection_ops */
int session_damaged(struct connection *connection, const struct bhs *bhs, const char **why);
/** session_recovery_header() - in place of task_data_in() */
int session_recovery_header(struct session *session, struct task *task,
			    const struct bhs_data_in *data_in, void **data, const char **why);
/** session_recovery_data_in() - a Data-In PDU is complete; @status: its status counts, if any */
int session_recovery_data_in(struct session *session, const struct bhs_data_in *data_in,
			     bool status, const char **why);
int session_recovery_response(struct session *session, struct task *task,
			      const struct bhs_scsi_response *response, const uint8_t *data,
			      const char **why);
int session_recovery_r2t(struct session *session, struct task *task, const struct bhs_r2t *r2t,
			 const char **why);
/** session_recovery_ahead() - the answers before @stat_sn did not all come */
int session_recovery_ahead(struct session *session, uint32_t stat_sn, const char **why);
/** session_recovery_observe() - a PDU in its order: what its StatSN tells */
int session_recovery_observe(struct session *session, const struct bhs *bhs, const char **why);
/** session_recovery_probed() - the answer to a ping of ours came, perhaps to one of these */
int session_recovery_probed(struct session *session, be32 tag, const char **why);
/** session_recovery_reject() - of a SNACK or a command. Return: 0 when the session can go on */
int session_recovery_reject(struct session *session, const struct bhs_reject *reject,
			    const struct bhs *rejected, const char **why);
/** session_next_recovery() - the next PDU that asks for what was lost, or sends it again */
bool session_next_recovery(struct session *session, struct pdu_slot *slot);

/* session_tasks.c */
int session_execute(void *owner, struct nexus *nexus, struct scsi_command *command);
void session_abort(void *owner, struct scsi_command *command);
void session_abandon(void *owner, struct scsi_command *command);
/** session_reset_unit() - see struct nexus_ops; in session_management.c */
int session_reset_unit(void *owner, struct nexus *nexus, struct nexus_reset *reset);
/** session_let_go() - see struct connection_ops */
void session_let_go(struct connection *connection);
/** session_task_aborted() - the target has confirmed that it will not execute any more */
void session_task_aborted(struct session *session, struct task *task);
/** session_find_task() - the task that @tag names. Return: NULL when none was sent or it is over,
 * or abandoned */
struct task *session_find_task(struct session *session, be32 tag);
/** session_find_sent() - the same, but an abandoned one as well, which has no command */
struct task *session_find_sent(struct session *session, be32 tag);
/** session_task_of() - the task of @command; NULL when it has none */
struct task *session_task_of(struct session *session, const struct scsi_command *command);
/** session_abandoned_over() - if @tag names an abandoned task: the target is through with it */
void session_abandoned_over(struct session *session, be32 tag);
/** session_answer_task() - its result is set: it ends as soon as its PDUs have left */
void session_answer_task(struct session *session, struct task *task);
/** session_pdu_left() - see struct connection_ops */
void session_pdu_left(struct connection *connection, void *owner);
/** session_release_task() - its tag is free again; its command is the caller's */
void session_release_task(struct session *session, struct task *task);
/** session_command_over() - one command less in the session; NULL: an abandoned task */
void session_command_over(struct session *session, const struct scsi_command *command);
/** session_give_up() - no byte of @command was sent, and none will be: done() at the turn's end */
void session_give_up(struct session *session, struct scsi_command *command);
void session_end_given_up(struct deferred *deferred);
void session_check_deadlines(struct ring_timer *timer);

/* session_logout.c */
/** session_logout_now() - the Logout request leaves; what runs ends with its response at latest */
void session_logout_now(struct session *session);
/** session_asked_to_log_out() - by the target, within @seconds, "as early as possible"
 * (RFC 7143 §11.9.1) */
void session_asked_to_log_out(struct session *session, unsigned seconds);
void session_logout_timeout(struct ring_timer *timer);
