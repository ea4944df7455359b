/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What a target says unasked (Asynchronous Messages, RFC 7143 §11.9), so that it can say no more
 * than its listener can bear: of a window of time only so many are told, the next wait for the
 * window after it, the same thing twice waits once, and what finds no room is counted. Sans I/O:
 * the owner keeps the clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "scsi/command.h"

#define ASYNC_QUEUE_MAX 8    /* messages that are told in one window, and that wait for the next */
#define ASYNC_WINDOW_MS 1000 /* length of a window */

struct async_message {
	uint8_t event;	      /* AsyncEvent: enum async_event, or any other number */
	uint64_t lun;	      /* as in struct nexus; only with ASYNC_SCSI_EVENT means a unit */
	uint32_t left_out;    /* messages before this one that were too many to be told */
	uint8_t sense_length; /* bytes in @sense; only with ASYNC_SCSI_EVENT (§11.9.4) */
	uint8_t sense[SCSI_SENSE_MAX];
};

struct async_queue {
	uint32_t left_out;
	uint8_t told;				       /* in this window */
	uint8_t count;				       /* that wait */
	struct async_message waiting[ASYNC_QUEUE_MAX]; /* oldest first */
};

/** async_queue_init() - a first window begins with the first message */
void async_queue_init(struct async_queue *queue);

/**
 * async_queue_put() - @message came
 *
 * Return: true when it is to be told at once; else it waits, or waits already, or was left out.
 */
bool async_queue_put(struct async_queue *queue, const struct async_message *message);

/** async_queue_renew() - the window is over: the next begins */
void async_queue_renew(struct async_queue *queue);

/** async_queue_next() - what waited and may be told now, oldest first. Return: false: nothing */
bool async_queue_next(struct async_queue *queue, struct async_message *ret);

/** async_queue_idle() - nothing was told in this window and nothing waits: no clock is needed */
bool async_queue_idle(const struct async_queue *queue);
