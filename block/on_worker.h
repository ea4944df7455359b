/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* A call from a thread that may block to a disk's worker. */

struct ring;

/**
 * on_worker() - have the thread of @ring run @work, and wait until it did
 * @argument: alive until then, also when it takes longer than five seconds
 *
 * Return: 0; -ETIME when the worker did not get there within five seconds: it still will; -ENOMEM.
 */
int on_worker(struct ring *ring, void (*work)(void *argument), void *argument);
