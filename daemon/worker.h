/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A data-plane thread: it runs a ring, and owns every session, map and block queue that was placed
 * on it. The control thread reaches them by jobs only.
 */

struct mailbox;
struct ring;
struct worker;

/** worker_new() - start worker number @index. Return: 0 or -errno */
int worker_new(unsigned index, struct worker **ret);
/** worker_free() - stop the thread and wait for it; nothing may live on it. NULL is fine */
void worker_free(struct worker *worker);

/** worker_ring() - for objects that will live on the worker; use it on its thread only */
struct ring *worker_ring(struct worker *worker);
/** worker_mailbox() - where jobs for it go */
struct mailbox *worker_mailbox(struct worker *worker);
