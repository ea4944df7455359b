/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/command.h"
#include "util/cleanup.h"

#define TAG_PROBE 0xc5000000u /* apart from those of tasks, pings, logout and task management */

/* Sense data and the like: nothing that a target says makes a gap longer than this. */
#define STATUS_GAP_MAX 65536u

static const char gives_up[] = "the target does not send again what was lost";

static bool elapsed(uint64_t since_ns, uint32_t ms, uint64_t now_ns)
{
	return now_ns >= since_ns + ms * UINT64_C(1000000);
}

/* Life. */

int recovery_new(const struct task *tasks, uint32_t count, struct recovery **ret)
{
	struct recovery *recovery =
		calloc(1, sizeof(*recovery) + count * sizeof(recovery->tasks[0]));

	if (!recovery)
		return -ENOMEM;
	recovery->first = tasks;
	recovery->count = count;
	*ret = recovery;
	return 0;
}

void recovery_free(struct recovery *recovery)
{
	free(recovery);
}

void recovery_start(struct recovery *recovery, uint32_t exp_cmd_sn, uint64_t now_ns)
{
	list_init(&recovery->open);
	list_init(&recovery->due);
	list_init(&recovery->held);
	recovery->status = (struct recovery_status){};
	recovery->command = (struct recovery_command){
		.exp_cmd_sn = exp_cmd_sn,
		.since_ns = now_ns,
		.probe_tag = RESERVED_TAG,
	};
	recovery->incoming = RECOVERY_IGNORED;
	recovery->told = false;
	for (uint32_t i = 0; i < recovery->count; i++) {
		struct recovery_task *entry = &recovery->tasks[i];

		*entry = (struct recovery_task){.task = &recovery->first[i]};
		list_init(&entry->open_link);
		list_init(&entry->due_link);
		list_init(&entry->held_link);
	}
}

static struct recovery_task *entry_of(struct recovery *recovery, const struct task *task)
{
	return &recovery->tasks[task - recovery->first];
}

void recovery_forget(struct recovery *recovery, const struct task *task)
{
	struct recovery_task *entry = entry_of(recovery, task);

	entry->missing.count = 0;
	entry->asked.set = false;
	list_remove(&entry->open_link);
	list_remove(&entry->held_link);
	/* An acknowledgement of data has all that it needs, and is owed (§11.16.2). */
	if (!entry->owed.set)
		list_remove(&entry->due_link);
}

/* Holes. */

static void make_due(struct recovery *recovery, struct recovery_task *entry)
{
	if (list_empty(&entry->due_link))
		list_append(&recovery->due, &entry->due_link);
}

static int miss(struct recovery *recovery, struct recovery_task *entry, struct hole hole,
		uint64_t now_ns, const char **why)
{
	if (hole_set_add(&entry->missing, hole) < 0) {
		*why = "more of a command's data is lost than can be asked for again";
		return -EPROTO;
	}
	if (list_empty(&entry->open_link)) {
		list_append(&recovery->open, &entry->open_link);
		entry->since_ns = now_ns;
		entry->attempts = 0;
	}
	make_due(recovery, entry);
	return 0;
}

static void progress(struct recovery_task *entry, uint64_t now_ns)
{
	entry->attempts = 0;
	entry->asked_ns = now_ns;
	if (entry->missing.count == 0)
		list_remove(&entry->open_link);
}

/* Data-In. */

/* What was lost comes again; anything else with a DataSN that was used is a duplicate (§7.9). */
static int data_in_again(struct recovery *recovery, struct task *task,
			 const struct bhs_data_in *data_in, void **data, const char **why)
{
	struct recovery_task *entry = entry_of(recovery, task);
	struct hole *hole = hole_set_find(&entry->missing, be32_get(data_in->data_sn));
	uint32_t offset = be32_get(data_in->buffer_offset);
	uint32_t length = pdu_data_length((const struct bhs *)data_in);
	bool closes;

	if (!hole)
		return 0;
	closes = hole->first + 1 == hole->end && !hole->last;
	if ((length && offset != hole->offset) || length > hole->offset_end - hole->offset ||
	    (closes && length != hole->offset_end - hole->offset)) {
		*why = "Data-In was not sent again as it was";
		return -EPROTO;
	}
	if (length)
		*data = (uint8_t *)task->command->data + hole->offset;
	/* Only behind a hole that is the last has nothing been counted yet. */
	task->received = MAX(task->received, hole->offset + length);
	hole_set_shrink(&entry->missing, hole, length);
	recovery->incoming = RECOVERY_FILLER;
	return 0;
}

int recovery_data_in(struct recovery *recovery, struct task *task,
		     const struct negotiated *negotiated, const struct bhs_data_in *data_in,
		     uint64_t now_ns, void **data, const char **why)
{
	uint32_t data_sn = be32_get(data_in->data_sn), offset = be32_get(data_in->buffer_offset);
	int r;

	*why = NULL;
	recovery->incoming = RECOVERY_IGNORED;
	if (sn_less(data_sn, task->data_sn))
		return data_in_again(recovery, task, data_in, data, why);
	if (data_sn != task->data_sn) {
		if (task->command->direction != SCSI_DATA_IN || offset < task->received ||
		    offset > task->command->data_length) {
			*why = "DataSN out of order";
			return -EPROTO;
		}
		r = miss(recovery, entry_of(recovery, task),
			 (struct hole){.first = task->data_sn,
				       .end = data_sn,
				       .offset = task->received,
				       .offset_end = offset},
			 now_ns, why);
		if (r < 0)
			return r;
		/* From here on it counts as if the hole had come: the status waits for it. */
		task->data_sn = data_sn;
		task->received = offset;
	}
	r = task_data_in(task, negotiated, data_in, data, why);
	if (r == 0)
		recovery->incoming = RECOVERY_NEXT;
	return r;
}

int recovery_data_damaged(struct recovery *recovery, struct task *task,
			  const struct bhs_data_in *data_in, uint64_t now_ns, const char **why)
{
	struct recovery_task *entry = entry_of(recovery, task);
	uint32_t offset = be32_get(data_in->buffer_offset), data_sn = be32_get(data_in->data_sn);

	if (recovery->incoming == RECOVERY_IGNORED)
		return 0; /* a duplicate: nothing is lost with it */
	if (recovery->incoming == RECOVERY_FILLER && ++entry->attempts >= RECOVERY_ATTEMPTS_MAX) {
		*why = "data comes damaged again and again";
		return -EBADMSG;
	}
	recovery->incoming = RECOVERY_IGNORED;
	return miss(recovery, entry,
		    (struct hole){
			    .first = data_sn,
			    .end = data_sn + 1,
			    .offset = offset,
			    .offset_end = offset + pdu_data_length((const struct bhs *)data_in),
		    },
		    now_ns, why);
}

/* §11.16.2: postponed while there are holes; the newest A bit stands for all before it. */
static void acknowledge(struct recovery *recovery, struct recovery_task *entry)
{
	if (!entry->asked.set || entry->missing.count > 0)
		return;
	entry->owed = entry->asked;
	entry->owed.data_sn = entry->task->data_sn;
	entry->asked.set = false;
	make_due(recovery, entry);
}

void recovery_data_came(struct recovery *recovery, struct task *task,
			const struct bhs_data_in *data_in, uint64_t now_ns)
{
	struct recovery_task *entry = entry_of(recovery, task);

	if (recovery->incoming == RECOVERY_FILLER)
		progress(entry, now_ns);
	if (recovery->incoming != RECOVERY_IGNORED && (data_in->flags & DATA_IN_ACKNOWLEDGE))
		entry->asked = (struct recovery_acknowledgement){
			.set = true,
			.lun = data_in->lun,
			.target_transfer_tag = data_in->target_transfer_tag,
		};
	recovery->incoming = RECOVERY_IGNORED;
	acknowledge(recovery, entry);
}

/* R2T. */

static int r2t_again(struct recovery *recovery, struct task *task,
		     const struct negotiated *negotiated, const struct bhs_r2t *r2t,
		     uint64_t now_ns, const char **why)
{
	struct recovery_task *entry = entry_of(recovery, task);
	struct hole *hole = hole_set_find(&entry->missing, be32_get(r2t->r2t_sn));
	uint32_t next = task->r2t_sn;
	int r;

	if (!hole)
		return 0;
	task->r2t_sn = hole->first;
	r = task_r2t(task, negotiated, r2t, why);
	task->r2t_sn = next;
	hole_set_shrink(&entry->missing, hole, 0);
	progress(entry, now_ns);
	return r;
}

int recovery_r2t(struct recovery *recovery, struct task *task, const struct negotiated *negotiated,
		 const struct bhs_r2t *r2t, uint64_t now_ns, const char **why)
{
	uint32_t r2t_sn = be32_get(r2t->r2t_sn);
	int r;

	*why = NULL;
	if (sn_less(r2t_sn, task->r2t_sn))
		return r2t_again(recovery, task, negotiated, r2t, now_ns, why);
	if (r2t_sn != task->r2t_sn && task->command->direction == SCSI_DATA_OUT) {
		r = miss(recovery, entry_of(recovery, task),
			 (struct hole){.first = task->r2t_sn, .end = r2t_sn}, now_ns, why);
		if (r < 0)
			return r;
		task->r2t_sn = r2t_sn;
	}
	return task_r2t(task, negotiated, r2t, why);
}

/* Status that came before its data. */

int recovery_holds(struct recovery *recovery, struct task *task, uint32_t exp_data_sn,
		   uint64_t now_ns, const char **why)
{
	struct recovery_task *entry = entry_of(recovery, task);
	int r;

	*why = NULL;
	/* ExpDataSN of a write is not trusted: RFC 3720 counted R2Ts in it. */
	if (task->command->direction != SCSI_DATA_IN)
		return 0;
	if (sn_less(task->data_sn, exp_data_sn)) {
		r = miss(recovery, entry,
			 (struct hole){.first = task->data_sn,
				       .end = exp_data_sn,
				       .offset = task->received,
				       .offset_end = task->command->data_length,
				       .last = true},
			 now_ns, why);
		if (r < 0)
			return r;
		task->data_sn = exp_data_sn;
	}
	return entry->missing.count > 0;
}

void recovery_hold(struct recovery *recovery, const struct task *task, uint32_t stat_sn)
{
	struct recovery_task *entry = entry_of(recovery, task);

	entry->held_stat_sn = stat_sn;
	list_append(&recovery->held, &entry->held_link);
}

bool recovery_complete(const struct recovery *recovery, const struct task *task)
{
	return recovery->tasks[task - recovery->first].missing.count == 0;
}

bool recovery_held_stat_sn(const struct recovery *recovery, uint32_t *ret)
{
	const struct recovery_task *entry =
		list_first(&recovery->held, struct recovery_task, held_link);

	if (entry)
		*ret = entry->held_stat_sn;
	return entry;
}

/* Answers. */

static void status_open(struct recovery *recovery, uint32_t seen, uint64_t now_ns)
{
	recovery->status = (struct recovery_status){
		.open = true,
		.due = true,
		.seen = seen,
		.since_ns = now_ns,
	};
}

/* It was asked for, and passed by or came damaged once more. */
static int status_again(struct recovery_status *status, const char **why)
{
	if (status->due)
		return 0;
	if (++status->attempts >= RECOVERY_ATTEMPTS_MAX) {
		*why = gives_up;
		return -EPROTO;
	}
	status->due = true;
	return 0;
}

int recovery_answer_lost(struct recovery *recovery, uint32_t exp_stat_sn, uint64_t now_ns,
			 const char **why)
{
	if (recovery->status.open)
		return status_again(&recovery->status, why);
	status_open(recovery, exp_stat_sn, now_ns);
	return 0;
}

int recovery_answer_ahead(struct recovery *recovery, uint32_t exp_stat_sn, uint32_t stat_sn,
			  uint64_t now_ns, const char **why)
{
	struct recovery_status *status = &recovery->status;

	if (stat_sn - exp_stat_sn > STATUS_GAP_MAX) {
		*why = "StatSN skips further than anything that can be lost";
		return -EPROTO;
	}
	if (!status->open) {
		status_open(recovery, stat_sn, now_ns);
		return 0;
	}
	/* Those that were let go come again, and the one before them has not: it was lost again. */
	if (sn_less_equal(stat_sn, status->seen) && status_again(status, why) < 0)
		return -EPROTO;
	status->seen = stat_sn;
	return 0;
}

/* Commands. */

void recovery_acknowledged(struct recovery *recovery, uint32_t exp_cmd_sn, uint64_t now_ns)
{
	struct recovery_command *command = &recovery->command;

	if (!sn_less(command->exp_cmd_sn, exp_cmd_sn))
		return;
	command->exp_cmd_sn = exp_cmd_sn;
	command->since_ns = now_ns;
	command->attempts = 0;
	command->probe_due = false;
}

uint32_t recovery_next_probe(struct recovery *recovery, uint64_t now_ns)
{
	struct recovery_command *command = &recovery->command;

	if (!command->probe_due)
		return RESERVED_TAG;
	command->probe_due = false;
	command->probe_tag = TAG_PROBE | command->probes++;
	command->probed_sn = command->exp_cmd_sn;
	command->probed_ns = now_ns;
	return command->probe_tag;
}

bool recovery_probed(struct recovery *recovery, be32 tag)
{
	struct recovery_command *command = &recovery->command;

	if (command->probe_tag == RESERVED_TAG || be32_get(tag) != command->probe_tag)
		return false;
	command->probe_tag = RESERVED_TAG;
	return command->probed_sn == command->exp_cmd_sn;
}

bool recovery_may_retry(struct recovery *recovery, uint64_t now_ns)
{
	recovery->command.since_ns = now_ns;
	return recovery->command.attempts++ < RECOVERY_ATTEMPTS_MAX;
}

/* SNACKs. */

static void snack_of(struct pdu_slot *slot, enum snack_type type)
{
	slot->snack = (struct bhs_snack){
		.opcode = PDU_SNACK,
		.flags = (uint8_t)(PDU_FINAL | type),
		.initiator_task_tag = be32_of(RESERVED_TAG),
		.target_transfer_tag = be32_of(RESERVED_TAG),
	};
	slot->data_length = 0;
	slot->owner = NULL;
}

static void data_snack(const struct recovery_task *entry, struct hole *hole, struct pdu_slot *slot)
{
	snack_of(slot, SNACK_DATA_OR_R2T);
	slot->snack.initiator_task_tag = be32_of(entry->task->initiator_task_tag);
	slot->snack.beg_run = be32_of(hole->first);
	slot->snack.run_length = be32_of(hole->end - hole->first);
	hole->due = false;
}

static void data_ack(struct recovery_task *entry, struct pdu_slot *slot)
{
	snack_of(slot, SNACK_DATA_ACK);
	slot->snack.lun = entry->owed.lun;
	slot->snack.target_transfer_tag = entry->owed.target_transfer_tag;
	slot->snack.beg_run = be32_of(entry->owed.data_sn);
	entry->owed.set = false;
}

static bool next_of_task(struct recovery_task *entry, uint64_t now_ns, struct pdu_slot *slot)
{
	for (unsigned i = 0; i < entry->missing.count; i++) {
		if (!entry->missing.holes[i].due)
			continue;
		data_snack(entry, &entry->missing.holes[i], slot);
		entry->asked_ns = now_ns;
		return true;
	}
	if (!entry->owed.set)
		return false;
	data_ack(entry, slot);
	return true;
}

bool recovery_next_pdu(struct recovery *recovery, uint32_t exp_stat_sn, uint64_t now_ns,
		       struct pdu_slot *slot)
{
	struct recovery_task *entry;

	/* Data first: one that carries the status too may save the other question. */
	while ((entry = list_first(&recovery->due, struct recovery_task, due_link))) {
		if (next_of_task(entry, now_ns, slot))
			return true;
		list_remove(&entry->due_link);
	}
	if (!recovery->status.due)
		return false;
	recovery->status.due = false;
	recovery->status.asked_ns = now_ns;
	snack_of(slot, SNACK_STATUS);
	slot->snack.beg_run = be32_of(exp_stat_sn); /* RunLength 0: and all behind it */
	return true;
}

int recovery_rejected(const struct recovery *recovery, const struct task *task,
		      const struct bhs_snack *snack, const char **why)
{
	switch (snack->flags & SNACK_TYPE_MASK) {
	case SNACK_STATUS:
		*why = "the target refuses to send an answer again";
		return recovery->status.open ? -EPROTO : 0;
	case SNACK_DATA_OR_R2T:
		*why = "the target refuses to send data again";
		return task && !recovery_complete(recovery, task) ? -EPROTO : 0;
	default:
		return 0; /* an acknowledgement: it only spares the target memory */
	}
}

/* Time. */

static const char *check_task(struct recovery *recovery, struct recovery_task *entry,
			      uint64_t now_ns)
{
	if (elapsed(entry->since_ns, RECOVERY_LIMIT_MS, now_ns))
		return gives_up;
	if (!list_empty(&entry->due_link) ||
	    !elapsed(entry->asked_ns, RECOVERY_PATIENCE_MS, now_ns))
		return NULL;
	if (++entry->attempts >= RECOVERY_ATTEMPTS_MAX)
		return gives_up;
	for (unsigned i = 0; i < entry->missing.count; i++)
		entry->missing.holes[i].due = true;
	make_due(recovery, entry);
	return NULL;
}

static const char *check_status(struct recovery_status *status, uint64_t now_ns)
{
	const char *why = NULL;

	if (!status->open)
		return NULL;
	if (elapsed(status->since_ns, RECOVERY_LIMIT_MS, now_ns))
		return gives_up;
	if (elapsed(status->asked_ns, RECOVERY_PATIENCE_MS, now_ns))
		status_again(status, &why);
	return why;
}

static bool probe_out(const struct recovery_command *command, uint64_t now_ns)
{
	/* A busy target may have no room for it: then it is not answered. */
	return command->probe_tag != RESERVED_TAG &&
	       !elapsed(command->probed_ns, RECOVERY_LIMIT_MS, now_ns);
}

static void check_command(struct recovery_command *command, uint32_t cmd_sn, uint64_t now_ns)
{
	if (!sn_less(command->exp_cmd_sn, cmd_sn)) {
		command->since_ns = now_ns;
	} else if (!probe_out(command, now_ns) &&
		   elapsed(command->since_ns, RECOVERY_PATIENCE_MS, now_ns)) {
		command->since_ns = now_ns;
		command->probe_due = true;
	}
}

const char *recovery_check(struct recovery *recovery, uint32_t cmd_sn, uint64_t now_ns)
{
	struct recovery_task *entry;
	const char *why;

	list_for_each (entry, &recovery->open, open_link) {
		why = check_task(recovery, entry, now_ns);
		if (why)
			return why;
	}
	check_command(&recovery->command, cmd_sn, now_ns);
	return check_status(&recovery->status, now_ns);
}

bool recovery_idle(const struct recovery *recovery)
{
	return list_empty(&recovery->open) && !recovery->status.open;
}
