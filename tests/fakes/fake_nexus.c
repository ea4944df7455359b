/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_nexus.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "util/bytes.h"

#define RUN_MAX 100000 /* a command that is resubmitted without end is a bug in what is tested */

struct fake_script {
	struct list link;
	int opcode;
	uint32_t times;
	struct fake_answer answer;
};

/* A command in the queue, in its task field: the answer that was chosen when it came. */
struct fake_task {
	bool scripted, aborted, abandoned;
	struct fake_answer answer;
};

/* A command whose submitter has it back, and that the device may still execute. */
struct fake_ghost {
	struct list link;
	struct scsi_command command;
	uint8_t data[];
};

static void *must(void *memory)
{
	assert(memory);
	return memory;
}

static struct fake_nexus *fake_of(struct nexus *nexus)
{
	return container_of(nexus, struct fake_nexus, nexus);
}

static bool script_take(struct fake_nexus *fake, uint8_t opcode, struct fake_answer *answer)
{
	struct fake_script *script;

	list_for_each (script, &fake->scripts, link) {
		if (script->opcode != FAKE_ANY_OPCODE && script->opcode != opcode)
			continue;
		*answer = script->answer;
		if (script->times != FAKE_FOR_EVER && --script->times == 0) {
			list_remove(&script->link);
			free(script);
		}
		return true;
	}
	return false;
}

static void record(struct fake_nexus *fake, const struct scsi_command *command)
{
	struct fake_record *r;

	/* Whenever a power of two is full there is room for as many more. */
	if ((fake->record_count & (fake->record_count - 1)) == 0)
		fake->records = must(realloc(fake->records, (fake->record_count * 2 + 1) *
								    sizeof(fake->records[0])));
	r = &fake->records[fake->record_count++];
	memcpy(r->cdb, command->cdb, sizeof(r->cdb));
	r->direction = command->direction;
	r->data_length = command->data_length;
}

static int fake_execute(struct nexus *nexus, struct scsi_command *command)
{
	struct fake_nexus *fake = fake_of(nexus);
	struct fake_task *task = must(calloc(1, sizeof(*task)));

	assert(nexus->up);
	assert(command->done);
	assert(command->data_length == 0 || command->data);
	record(fake, command);
	task->scripted = script_take(fake, command->cdb[0], &task->answer);
	command->task = task;
	memset(&command->result, 0, sizeof(command->result));
	list_append(&fake->queue, &command->link);
	return 0;
}

static void fake_abort(struct nexus *nexus, struct scsi_command *command)
{
	struct fake_nexus *fake = fake_of(nexus);
	struct fake_task *task = command->task;

	assert(task);
	fake->aborts++;
	if (!fake->ignores_aborts)
		task->aborted = true;
}

static void fake_abandon(struct nexus *nexus, struct scsi_command *command)
{
	struct fake_task *task = command->task;

	assert(task && command->direction != SCSI_DATA_OUT);
	fake_of(nexus)->abandoned++;
	task->abandoned = true;
}

static void fake_set_last_path(struct nexus *nexus, bool last)
{
	struct fake_nexus *fake = fake_of(nexus);

	fake->set_last_paths++;
	fake->last_path = last;
}

static int fake_reset(struct nexus *nexus, struct nexus_reset *reset)
{
	struct fake_nexus *fake = fake_of(nexus);

	if (fake->reset)
		return -EBUSY;
	fake->resets++;
	fake->reset = reset;
	return 0;
}

/* Return: 1 when one was answered */
static size_t answer_reset(struct fake_nexus *fake, int error)
{
	struct nexus_reset *reset = fake->reset;

	if (!reset)
		return 0;
	fake->reset = NULL;
	if (error == 0) {
		fake_nexus_kill_ghosts(fake);
		if (fake->unit_was_reset)
			fake->unit_was_reset(fake, fake->userdata);
	}
	reset->done(reset, error);
	return 1;
}

static const struct nexus_ops fake_ops = {
	.execute = fake_execute,
	.abort = fake_abort,
	.abandon = fake_abandon,
	.set_last_path = fake_set_last_path,
	.reset = fake_reset,
};

struct fake_nexus *fake_nexus_new(struct fake_unit *unit, uint64_t lun)
{
	struct fake_nexus *fake = must(calloc(1, sizeof(*fake)));

	fake->nexus = (struct nexus){.ops = &fake_ops, .lun = lun, .up = true};
	fake->unit = unit;
	fake->target_port_group = 1;
	fake->relative_port = 1;
	fake->luns = &fake->nexus.lun;
	fake->lun_count = 1;
	list_init(&fake->queue);
	list_init(&fake->scripts);
	list_init(&fake->ghosts);
	return fake;
}

void fake_nexus_free(struct fake_nexus *fake)
{
	if (!fake)
		return;
	assert(list_empty(&fake->queue) && !fake->reset);
	fake_nexus_clear_script(fake);
	fake_nexus_kill_ghosts(fake);
	free(fake->records);
	free(fake);
}

void fake_nexus_script(struct fake_nexus *fake, int opcode, uint32_t times,
		       const struct fake_answer *answer)
{
	struct fake_script *script = must(calloc(1, sizeof(*script)));

	assert(times > 0);
	script->opcode = opcode;
	script->times = times;
	script->answer = *answer;
	list_append(&fake->scripts, &script->link);
}

void fake_nexus_clear_script(struct fake_nexus *fake)
{
	struct fake_script *script;

	while ((script = list_pop(&fake->scripts, struct fake_script, link)))
		free(script);
}

void fake_nexus_unit_attention(struct fake_nexus *fake, uint8_t asc, uint8_t ascq)
{
	assert(fake->attention_count < sizeof(fake->attentions) / sizeof(fake->attentions[0]));
	fake->attentions[fake->attention_count][0] = asc;
	fake->attentions[fake->attention_count][1] = ascq;
	fake->attention_count++;
}

size_t fake_nexus_queued(const struct fake_nexus *fake)
{
	size_t count = 0;

	for (const struct list *l = fake->queue.next; l != &fake->queue; l = l->next)
		count++;
	return count;
}

struct scsi_command *fake_nexus_command(const struct fake_nexus *fake, size_t index)
{
	for (struct list *l = fake->queue.next; l != &fake->queue; l = l->next) {
		if (index-- == 0)
			return list_entry(l, struct scsi_command, link);
	}
	return NULL;
}

/* SAM-5 §5.14: INQUIRY, REPORT LUNS and REQUEST SENSE do not report a unit attention. */
static bool take_attention(struct fake_nexus *fake, struct scsi_command *command)
{
	uint8_t opcode = command->cdb[0];

	if (fake->attention_count == 0 || opcode == SCSI_INQUIRY || opcode == SCSI_REPORT_LUNS ||
	    opcode == SCSI_REQUEST_SENSE)
		return false;
	fake_sense(command, false, false, 0x6, fake->attentions[0][0], fake->attentions[0][1]);
	fake->attention_count--;
	memmove(fake->attentions[0], fake->attentions[1],
		fake->attention_count * sizeof(fake->attentions[0]));
	return true;
}

static void unit_execute(struct fake_nexus *fake, struct scsi_command *command)
{
	static const uint8_t no_unit[36] = {0x7f, 0, 0x05, 0x02, 31};
	const struct fake_origin origin = {
		.target_port_group = fake->target_port_group,
		.relative_port = fake->relative_port,
		.luns = fake->luns,
		.lun_count = fake->lun_count,
	};

	if (take_attention(fake, command))
		return;
	if (fake->unit)
		fake_unit_execute(fake->unit, command, &origin);
	else if (command->cdb[0] == SCSI_INQUIRY && !(command->cdb[1] & 1))
		fake_data_in(command, no_unit, sizeof(no_unit));
	else
		fake_sense(command, false, false, 0x5, 0x25, 0x00);
}

static void apply(struct fake_nexus *fake, struct scsi_command *command,
		  const struct fake_answer *answer)
{
	struct scsi_result *result = &command->result;

	if (answer->executed)
		unit_execute(fake, command);
	memset(result, 0, sizeof(*result));
	result->outcome = answer->outcome;
	if (answer->outcome != SCSI_COMPLETED)
		return;
	result->status = answer->status;
	result->status_qualifier = answer->status_qualifier;
	if (answer->status == SCSI_CHECK_CONDITION && (answer->key || answer->asc || answer->ascq))
		fake_sense(command, answer->descriptor_format, answer->deferred, answer->key,
			   answer->asc, answer->ascq);
	if (answer->data)
		fake_data_in(command, answer->data, answer->data_length);
}

/* Out of the queue; the caller then fills the result and calls done(), which may free it. */
static void dequeue(struct scsi_command *command)
{
	free(command->task);
	command->task = NULL;
	list_remove(&command->link);
}

static void finish(struct fake_nexus *fake, struct scsi_command *command,
		   const struct fake_answer *answer)
{
	dequeue(command);
	if (answer)
		apply(fake, command, answer);
	else
		unit_execute(fake, command);
	command->done(command);
}

static void finish_as_chosen(struct fake_nexus *fake, struct scsi_command *command)
{
	struct fake_task *task = command->task;
	struct fake_answer answer = task->answer;
	bool use_answer = task->scripted && !answer.held;

	if (task->aborted) {
		answer = FAKE_OUTCOME(SCSI_ABORTED);
		use_answer = true;
	}
	finish(fake, command, use_answer ? &answer : NULL);
}

static bool is_held(const struct scsi_command *command)
{
	const struct fake_task *task = command->task;

	return task->scripted && task->answer.held && !task->aborted;
}

static void leave_ghost(struct fake_nexus *fake, const struct scsi_command *command)
{
	struct fake_ghost *ghost = must(calloc(1, sizeof(*ghost) + command->data_length));

	ghost->command = *command;
	ghost->command.data = ghost->data;
	if (command->direction == SCSI_DATA_OUT && command->data_length > 0)
		memcpy(ghost->data, command->data, command->data_length);
	list_append(&fake->ghosts, &ghost->link);
}

static struct scsi_command *first_abandoned(const struct fake_nexus *fake)
{
	for (struct list *l = fake->queue.next; l != &fake->queue; l = l->next) {
		struct scsi_command *command = list_entry(l, struct scsi_command, link);
		const struct fake_task *task = command->task;

		if (task->abandoned)
			return command;
	}
	return NULL;
}

static size_t give_back_abandoned(struct fake_nexus *fake)
{
	struct scsi_command *command;
	size_t ended = 0;

	while ((command = first_abandoned(fake))) {
		leave_ghost(fake, command);
		finish(fake, command, &FAKE_OUTCOME(SCSI_IN_DOUBT));
		ended++;
	}
	return ended;
}

size_t fake_nexus_run(struct fake_nexus *fake)
{
	size_t index = 0, ended = give_back_abandoned(fake);
	struct scsi_command *command;

	while (!fake->frozen && (command = fake_nexus_command(fake, index))) {
		if (is_held(command)) {
			index++;
			continue;
		}
		assert(ended < RUN_MAX);
		ended++;
		finish_as_chosen(fake, command);
		ended += give_back_abandoned(fake);
		index = 0; /* done() may have changed the queue */
	}
	if (!fake->frozen)
		ended += answer_reset(fake, fake->refuses_resets ? -EOPNOTSUPP : 0);
	return ended;
}

bool fake_nexus_run_one(struct fake_nexus *fake, size_t index)
{
	struct scsi_command *command = fake_nexus_command(fake, index);

	if (!command)
		return false;
	finish_as_chosen(fake, command);
	return true;
}

bool fake_nexus_complete(struct fake_nexus *fake, size_t index, const struct fake_answer *answer)
{
	struct scsi_command *command = fake_nexus_command(fake, index);

	assert(!answer->held);
	if (!command)
		return false;
	finish(fake, command, answer);
	return true;
}

void fake_nexus_lose(struct fake_nexus *fake, size_t sent)
{
	struct list lost = LIST_INIT(lost);
	struct scsi_command *command;

	fake->nexus.up = false;
	fake->nexus.health = NEXUS_WELL;
	list_splice(&lost, &fake->queue);
	while ((command = list_pop(&lost, struct scsi_command, link))) {
		bool in_doubt = sent > 0;

		if (in_doubt)
			sent--;
		dequeue(command);
		if (in_doubt)
			leave_ghost(fake, command);
		apply(fake, command,
		      in_doubt ? &FAKE_OUTCOME(SCSI_IN_DOUBT) : &FAKE_OUTCOME(SCSI_NOT_SENT));
		command->done(command);
	}
	answer_reset(fake, -ENOTCONN);
}

void fake_nexus_set_health(struct fake_nexus *fake, enum nexus_health health)
{
	fake->nexus.health = health;
	if (fake->nexus.holder)
		fake->nexus.holder->health_changed(fake->nexus.holder, &fake->nexus,
						   "so the test says");
}

void fake_nexus_set_up(struct fake_nexus *fake, bool up)
{
	fake->nexus.up = up;
	fake->nexus.health = NEXUS_WELL;
}

size_t fake_nexus_run_ghosts(struct fake_nexus *fake)
{
	struct fake_ghost *ghost;
	size_t count = 0;

	while ((ghost = list_pop(&fake->ghosts, struct fake_ghost, link))) {
		if (fake->unit)
			unit_execute(fake, &ghost->command);
		free(ghost);
		count++;
	}
	return count;
}

void fake_nexus_kill_ghosts(struct fake_nexus *fake)
{
	struct fake_ghost *ghost;

	while ((ghost = list_pop(&fake->ghosts, struct fake_ghost, link)))
		free(ghost);
}

size_t fake_nexus_count(const struct fake_nexus *fake, int opcode)
{
	size_t count = 0;

	for (size_t i = 0; i < fake->record_count; i++)
		count += opcode == FAKE_ANY_OPCODE || fake->records[i].cdb[0] == opcode;
	return count;
}

uint64_t fake_record_lba(const struct fake_record *record)
{
	struct cdb_10 ten;
	struct cdb_16 sixteen;

	memcpy(&ten, record->cdb, sizeof(ten));
	memcpy(&sixteen, record->cdb, sizeof(sixteen));
	return cdb_length(record->cdb[0]) == 16 ? be64_get(sixteen.lba) : be32_get(ten.lba);
}

uint32_t fake_record_blocks(const struct fake_record *record)
{
	struct cdb_10 ten;
	struct cdb_16 sixteen;

	memcpy(&ten, record->cdb, sizeof(ten));
	memcpy(&sixteen, record->cdb, sizeof(sixteen));
	return cdb_length(record->cdb[0]) == 16 ? be32_get(sixteen.length) : be16_get(ten.length);
}
