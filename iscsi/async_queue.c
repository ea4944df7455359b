/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/async_queue.h"

#include <string.h>

void async_queue_init(struct async_queue *queue)
{
	queue->left_out = 0;
	queue->told = queue->count = 0;
}

static bool same(const struct async_message *a, const struct async_message *b)
{
	return a->event == b->event && a->lun == b->lun && a->sense_length == b->sense_length &&
	       memcmp(a->sense, b->sense, a->sense_length) == 0;
}

bool async_queue_put(struct async_queue *queue, const struct async_message *message)
{
	/* Never past those that wait: what is told keeps its order. */
	if (queue->count == 0 && queue->told < ASYNC_QUEUE_MAX) {
		queue->told++;
		return true;
	}
	for (uint8_t i = 0; i < queue->count; i++)
		if (same(&queue->waiting[i], message))
			return false;
	if (queue->count == ASYNC_QUEUE_MAX)
		queue->left_out++;
	else
		queue->waiting[queue->count++] = *message;
	return false;
}

void async_queue_renew(struct async_queue *queue)
{
	queue->told = 0;
}

bool async_queue_next(struct async_queue *queue, struct async_message *ret)
{
	if (queue->count == 0 || queue->told == ASYNC_QUEUE_MAX)
		return false;
	*ret = queue->waiting[0];
	ret->left_out = queue->left_out;
	queue->left_out = 0;
	queue->told++;
	queue->count--;
	memmove(queue->waiting, queue->waiting + 1, queue->count * sizeof(queue->waiting[0]));
	return true;
}

bool async_queue_idle(const struct async_queue *queue)
{
	return queue->told == 0 && queue->count == 0;
}
