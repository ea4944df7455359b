/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * ErrorRecoveryLevel 1 of the fake target: it keeps what the initiator has not acknowledged, sends
 * it again when a SNACK asks (§11.16), and asks again for data that came damaged (§7.8).
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_target_private.h"
#include "util/cleanup.h"

struct fake_sent {
	struct bhs bhs; /* as it would have gone out without the script */
	uint8_t *data;
	uint32_t length;
	bool acknowledged;
	struct fake_sent *next;
};

static void sent_free(struct fake_sent *sent)
{
	free(sent->data);
	free(sent);
}

void fake_recovery_free(struct fake_connection *connection)
{
	while (connection->sent) {
		struct fake_sent *next = connection->sent->next;

		sent_free(connection->sent);
		connection->sent = next;
	}
}

/* DataSN of Data-In and R2TSN of R2T stand at the same place. */
static uint32_t data_sn_of(const struct fake_sent *sent)
{
	return be32_get(((const struct bhs_data_in *)&sent->bhs)->data_sn);
}

static uint32_t stat_sn_of(const struct fake_sent *sent)
{
	return be32_get(((const struct bhs_response *)&sent->bhs)->stat_sn);
}

static bool is_data(const struct fake_sent *sent)
{
	return pdu_opcode(&sent->bhs) == PDU_DATA_IN || pdu_opcode(&sent->bhs) == PDU_R2T;
}

void fake_recovery_keep(struct fake_connection *connection, const struct bhs *bhs, const void *data,
			uint32_t length)
{
	struct fake_sent *sent, **end = &connection->sent;
	uint8_t opcode = pdu_opcode(bhs);

	if (connection->level == 0 || !connection->full_feature ||
	    (opcode != PDU_DATA_IN && opcode != PDU_R2T && !pdu_takes_stat_sn(bhs)))
		return;
	sent = malloc(sizeof(*sent));
	assert(sent);
	*sent = (struct fake_sent){.bhs = *bhs, .data = malloc(length + 1), .length = length};
	assert(sent->data);
	if (length)
		memcpy(sent->data, data, length);
	while (*end)
		end = &(*end)->next;
	*end = sent;
}

static void drop_acknowledged(struct fake_connection *connection)
{
	struct fake_sent **at = &connection->sent;

	while (*at) {
		struct fake_sent *sent = *at;

		if (!sent->acknowledged) {
			at = &sent->next;
			continue;
		}
		*at = sent->next;
		sent_free(sent);
	}
}

static bool is_data_of(const struct fake_sent *sent, be32 tag)
{
	return is_data(sent) && be32_get(sent->bhs.initiator_task_tag) == be32_get(tag);
}

static void acknowledge_data(struct fake_connection *connection, be32 tag)
{
	for (struct fake_sent *sent = connection->sent; sent; sent = sent->next)
		sent->acknowledged |= is_data_of(sent, tag);
}

/* A status that is acknowledged acknowledges all data before it (§4.2.2.4). */
void fake_recovery_acknowledged(struct fake_connection *connection, uint32_t exp_stat_sn)
{
	for (struct fake_sent *sent = connection->sent; sent; sent = sent->next) {
		uint8_t opcode = pdu_opcode(&sent->bhs);

		if (!pdu_takes_stat_sn(&sent->bhs) || !sn_less(stat_sn_of(sent), exp_stat_sn))
			continue;
		sent->acknowledged = true;
		if (opcode == PDU_SCSI_RESPONSE || opcode == PDU_DATA_IN)
			acknowledge_data(connection, sent->bhs.initiator_task_tag);
	}
	drop_acknowledged(connection);
}

/* --- SNACK --- */

static const char *broken_snack_rule(const struct fake_connection *connection,
				     const struct bhs_snack *snack)
{
	uint8_t type = snack->flags & SNACK_TYPE_MASK;
	bool task_named = be32_get(snack->initiator_task_tag) != RESERVED_TAG;
	bool tagged = be32_get(snack->target_transfer_tag) != RESERVED_TAG;

	if (connection->level == 0)
		return "SNACK at level 0 (7.1.5)";
	if (type > SNACK_R_DATA)
		return "a reserved type (11.16.1)";
	if (type == SNACK_R_DATA)
		return "R-Data, and MaxRecvDataSegmentLength did not change (11.16.3)";
	if (task_named != (type == SNACK_DATA_OR_R2T))
		return "the initiator task tag (11.16.4)";
	if (tagged != (type == SNACK_DATA_ACK))
		return "the target transfer tag (11.16.5)";
	if (type != SNACK_DATA_ACK && be64_get(snack->lun) != 0)
		return "a LUN where none belongs (11.16)";
	if (type == SNACK_DATA_ACK && be32_get(snack->run_length) != 0)
		return "RunLength of an acknowledgement (11.16.7)";
	if (type == SNACK_STATUS && sn_less(be32_get(snack->beg_run), be32_get(snack->exp_stat_sn)))
		return "an answer that it has acknowledged (11.16)";
	return NULL;
}

static bool in_run(const struct bhs_snack *snack, uint32_t number)
{
	uint32_t first = be32_get(snack->beg_run), count = be32_get(snack->run_length);

	return !sn_less(number, first) && (count == 0 || sn_less(number, first + count));
}

static bool is_asked_for(const struct bhs_snack *snack, const struct fake_sent *sent)
{
	if ((snack->flags & SNACK_TYPE_MASK) == SNACK_STATUS)
		return pdu_takes_stat_sn(&sent->bhs) && in_run(snack, stat_sn_of(sent));
	return is_data_of(sent, snack->initiator_task_tag) && in_run(snack, data_sn_of(sent));
}

static void send_again(struct fake_connection *connection, const struct bhs_snack *snack)
{
	struct fake_sent *sent = connection->sent;
	unsigned count = 0;

	for (; sent && connection->fd >= 0; sent = sent->next) {
		if (!is_asked_for(snack, sent))
			continue;
		fake_resend(connection, &sent->bhs, sent->data, sent->length);
		count++;
	}
	if (count > 0)
		return;
	fake_complain(connection, (const struct bhs *)snack,
		      "what was never sent, or was acknowledged (11.16)");
	fake_reject(connection, (const struct bhs *)snack, REJECT_PROTOCOL_ERROR);
}

void fake_snack(struct fake_connection *connection, const struct bhs *bhs)
{
	const struct bhs_snack *snack = (const struct bhs_snack *)bhs;
	const char *broken = broken_snack_rule(connection, snack);

	if (broken) {
		fake_complain(connection, bhs, broken);
		return fake_reject(connection, bhs, REJECT_PROTOCOL_ERROR);
	}
	/* An acknowledgement of data lets a target forget it; this one has memory enough. */
	if ((snack->flags & SNACK_TYPE_MASK) != SNACK_DATA_ACK)
		send_again(connection, snack);
}

/* --- Data-Out --- */

/* The R2T at the front asks for [task->received, @end), in the place of what was lost. */
static void ask_again(struct fake_connection *connection, struct fake_task *task, uint32_t end)
{
	struct fake_r2t *r2t = &task->r2ts[0];
	struct bhs_r2t bhs = {
		.opcode = PDU_R2T,
		.flags = PDU_FINAL,
		.lun = task->command.lun,
		.initiator_task_tag = task->command.initiator_task_tag,
		.r2t_sn = be32_of(task->r2t_sn++),
		.buffer_offset = be32_of(task->received),
		.desired_data_transfer_length = be32_of(end - task->received),
	};

	if (connection->target->next_tag == RESERVED_TAG)
		connection->target->next_tag = 0;
	*r2t = (struct fake_r2t){
		.tag = connection->target->next_tag++,
		.offset = task->received,
		.length = end - task->received,
	};
	bhs.target_transfer_tag = be32_of(r2t->tag);
	fake_send(connection, &bhs, NULL, 0);
}

static uint32_t sequence_end(const struct fake_task *task)
{
	return task->unsolicited_end ? task->unsolicited_end
				     : task->r2ts[0].offset + task->r2ts[0].length;
}

bool fake_data_lost(struct fake_connection *connection, struct fake_task *task, bool lost,
		    bool final)
{
	uint32_t end;

	if (connection->level == 0 || (!task->unsolicited_end && task->r2t_count == 0))
		return false;
	task->spoiled |= lost;
	if (!task->spoiled)
		return false;
	if (!final)
		return true;
	end = sequence_end(task);
	task->spoiled = false;
	task->data_sn = 0;
	if (task->unsolicited_end)
		task->r2t_count = 1;
	task->unsolicited_end = 0;
	ask_again(connection, task, end);
	return true;
}

bool fake_data_superseded(const struct fake_connection *connection, const struct fake_task *task,
			  const struct bhs_data_out *out)
{
	uint32_t tag = be32_get(out->target_transfer_tag);

	for (const struct fake_sent *sent = connection->sent; sent; sent = sent->next)
		if (pdu_opcode(&sent->bhs) == PDU_R2T &&
		    be32_get(((const struct bhs_r2t *)&sent->bhs)->target_transfer_tag) == tag)
			return task->r2t_count == 0 || task->r2ts[0].tag != tag;
	return false;
}

void fake_data_rejected(struct fake_connection *connection, const struct bhs *bhs)
{
	struct fake_task *task = fake_find_task(connection, bhs->initiator_task_tag);

	if (task)
		fake_data_lost(connection, task, true, bhs->flags & PDU_FINAL);
}

void fake_r2t_again(struct fake_connection *connection, const struct bhs *r2t)
{
	struct fake_task *task = fake_find_task(connection, r2t->initiator_task_tag);

	if (task && task->r2t_count > 0)
		ask_again(connection, task, sequence_end(task));
}
