/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Work that the control thread has done elsewhere: on a worker's thread, or on a thread of its own
 * when it may block (device set-up, name resolution). finished() runs on the control thread again.
 * A job is embedded in what it works on and belongs to the other thread in between.
 */

#include "util/mailbox.h"

struct job {
	struct mail mail;
	struct mailbox *home;
	/** on the other thread; calls job_done() when it is done, now or later from the same thread
	 */
	void (*work)(struct job *job);
	void (*finished)(struct job *job); /* on the control thread; may free the job */
};

/** job_send() - have work() run by the owner of @to, and finished() by the owner of @home */
void job_send(struct job *job, struct mailbox *to, struct mailbox *home);

/** job_send_background() - have work() run on a thread of its own. Return: 0 or -errno */
int job_send_background(struct job *job, struct mailbox *home);

/** job_done() - work() is done: send the job home */
void job_done(struct job *job);
