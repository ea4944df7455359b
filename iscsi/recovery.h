/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a session at ErrorRecoveryLevel 1 misses and how it asks for it again, on the connection
 * that it has (RFC 7143 §7.1.4.1, §7.1.4.2, §11.16). Bookkeeping only, sans I/O and sans clock: the
 * session tells what came and what did not, sends the SNACKs that are due, and drops the connection
 * when recovery_check() says that asking does not help. A session at level 0 has none of this.
 *
 * - Data-In and R2T of a task: the runs of DataSN or R2TSN that did not come are its holes; each is
 *   asked for with one Data/R2T SNACK. What comes again must be what was missing, byte for byte and
 *   in its order, or the target is not believed any more.
 * - Answers: StatSN is taken in its order. What comes behind a missing one is let go, and one
 * Status SNACK asks for all from there on.
 * - Commands: what the target acknowledges by ExpCmdSN. When that stands still although a command
 *   beyond it was sent, a ping finds out whether the target never took it: the ping was sent later,
 *   so its answer would acknowledge the command. Only then is the command sent again.
 *
 * R-Data SNACK (type 3) is never needed: our MaxRecvDataSegmentLength does not change during a
 * connection (§11.16.3). DataPDUInOrder and DataSequenceInOrder must be Yes, as we always offer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/hole.h"
#include "iscsi/task.h"
#include "util/list.h"

#define RECOVERY_TICK_MS      250u  /* how often recovery_check() is to be called */
#define RECOVERY_PATIENCE_MS  500u  /* before the same is asked for again */
#define RECOVERY_LIMIT_MS     5000u /* before a hole that is still open ends the connection */
#define RECOVERY_ATTEMPTS_MAX 3u    /* SNACKs, or retries of a command, that bring nothing */

struct recovery_acknowledgement {
	bool set;
	be64 lun;
	be32 target_transfer_tag;
	uint32_t data_sn;
};

struct recovery_task {
	struct list open_link; /* has holes */
	struct list due_link;  /* a SNACK is due */
	struct list held_link; /* its status is held */
	const struct task *task;
	struct hole_set missing;
	uint8_t attempts; /* SNACKs for the holes that brought nothing */
	uint64_t since_ns, asked_ns;
	uint32_t held_stat_sn;

	/* The target set the A bit (§11.7.2): to be answered when nothing is missing, and now. */
	struct recovery_acknowledgement asked, owed;
};

/* The run of answers that did not come: one at most, since those behind it are let go. */
struct recovery_status {
	bool open, due;
	uint8_t attempts;
	uint32_t seen; /* the highest StatSN that was let go */
	uint64_t since_ns, asked_ns;
};

/* The first command that the target has not acknowledged. */
struct recovery_command {
	uint32_t exp_cmd_sn; /* the target's */
	uint64_t since_ns;   /* when it last moved, or when there was nothing to acknowledge */
	bool probe_due;	     /* the ping is to be sent */
	uint32_t probe_tag;  /* RESERVED_TAG: none is out */
	uint32_t probed_sn;  /* ExpCmdSN when it was sent */
	uint64_t probed_ns;
	uint16_t probes;  /* counter in the tag */
	uint8_t attempts; /* retries since it last moved */
};

struct recovery {
	struct list open, due, held; /* struct recovery_task; held: by StatSN */
	struct recovery_status status;
	struct recovery_command command;
	enum {
		RECOVERY_IGNORED,
		RECOVERY_NEXT,
		RECOVERY_FILLER
	} incoming; /* last Data-In header */
	bool told;  /* its user knows of damage on this connection */
	const struct task *first;
	uint32_t count;
	struct recovery_task tasks[];
};

/** recovery_new() - for the @count tasks at @tasks. Return: 0 or -ENOMEM */
int recovery_new(const struct task *tasks, uint32_t count, struct recovery **ret);
void recovery_free(struct recovery *recovery);
/** recovery_start() - a new connection: nothing is missing; @exp_cmd_sn: the target's */
void recovery_start(struct recovery *recovery, uint32_t exp_cmd_sn, uint64_t now_ns);
/** recovery_forget() - @task is over: nothing of it is missed any more */
void recovery_forget(struct recovery *recovery, const struct task *task);

/**
 * recovery_data_in() - a Data-In header came; in place of task_data_in()
 * Return: 0 and @data as there; -EPROTO with @why set
 */
int recovery_data_in(struct recovery *recovery, struct task *task,
		     const struct negotiated *negotiated, const struct bhs_data_in *data_in,
		     uint64_t now_ns, void **data, const char **why);
/** recovery_data_damaged() - the data behind that header has a wrong digest. Return: as above */
int recovery_data_damaged(struct recovery *recovery, struct task *task,
			  const struct bhs_data_in *data_in, uint64_t now_ns, const char **why);
/** recovery_data_came() - the data behind that header is right */
void recovery_data_came(struct recovery *recovery, struct task *task,
			const struct bhs_data_in *data_in, uint64_t now_ns);

/** recovery_r2t() - in place of task_r2t() */
int recovery_r2t(struct recovery *recovery, struct task *task, const struct negotiated *negotiated,
		 const struct bhs_r2t *r2t, uint64_t now_ns, const char **why);

/**
 * recovery_holds() - the status of @task came: does data before it miss?
 * @exp_data_sn: of the SCSI Response, or 0: the number of Data-In PDUs that were sent (§11.4.8)
 *
 * Return: 1 when it does; 0; -EPROTO with @why set.
 */
int recovery_holds(struct recovery *recovery, struct task *task, uint32_t exp_data_sn,
		   uint64_t now_ns, const char **why);
/** recovery_hold() - the status with @stat_sn waits and must not be acknowledged (§7.9) */
void recovery_hold(struct recovery *recovery, const struct task *task, uint32_t stat_sn);
/** recovery_complete() - nothing of @task is missing */
bool recovery_complete(const struct recovery *recovery, const struct task *task);
/** recovery_held_stat_sn() - the first answer that must not be acknowledged. Return: false: all
 * may */
bool recovery_held_stat_sn(const struct recovery *recovery, uint32_t *ret);

/** recovery_answer_lost() - the answer that comes next came damaged; so may one sent again */
int recovery_answer_lost(struct recovery *recovery, uint32_t exp_stat_sn, uint64_t now_ns,
			 const char **why);
/** recovery_answer_ahead() - @stat_sn was told or used, and @exp_stat_sn did not come */
int recovery_answer_ahead(struct recovery *recovery, uint32_t exp_stat_sn, uint32_t stat_sn,
			  uint64_t now_ns, const char **why);
/** recovery_answer_came() - the one that was next */
static inline void recovery_answer_came(struct recovery *recovery)
{
	recovery->status.open = recovery->status.due = false;
}

/** recovery_acknowledged() - the target told its ExpCmdSN */
void recovery_acknowledged(struct recovery *recovery, uint32_t exp_cmd_sn, uint64_t now_ns);
/** recovery_next_probe() - Return: tag of a ping that is to be sent now; RESERVED_TAG: none */
uint32_t recovery_next_probe(struct recovery *recovery, uint64_t now_ns);
/**
 * recovery_probed() - the answer to a ping came
 * Return: true when it proves that the command with ExpCmdSN was never taken: send it again
 */
bool recovery_probed(struct recovery *recovery, be32 tag);
/** recovery_may_retry() - count a retry of the first command. Return: false: it was the last */
bool recovery_may_retry(struct recovery *recovery, uint64_t now_ns);

/** recovery_next_pdu() - the next SNACK. Return: false when none is due */
bool recovery_next_pdu(struct recovery *recovery, uint32_t exp_stat_sn, uint64_t now_ns,
		       struct pdu_slot *slot);

/**
 * recovery_rejected() - the target rejected @snack
 * Return: 0 when nothing depends on it (any more); -EPROTO with @why set
 */
int recovery_rejected(const struct recovery *recovery, const struct task *task,
		      const struct bhs_snack *snack, const char **why);

/**
 * recovery_check() - every RECOVERY_TICK_MS: ask again for what did not come
 * @cmd_sn: the session's next
 *
 * Return: NULL; or, in plain words, why the connection must end.
 */
const char *recovery_check(struct recovery *recovery, uint32_t cmd_sn, uint64_t now_ns);
/** recovery_idle() - nothing is missing, but for commands that are not acknowledged yet */
bool recovery_idle(const struct recovery *recovery);
