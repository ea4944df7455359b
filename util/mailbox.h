/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Messages from any thread to the one that owns the mailbox: the only thing that threads share.
 * Posting never blocks, allocates or fails, and wakes the owner only when the box was empty, so
 * that a burst costs one system call. Mails of one sender arrive in the order they were posted.
 *
 * The owner waits for mailbox_fd() to become readable (an eventfd) and then calls
 * mailbox_deliver().
 */

#include <stdbool.h>

struct mailbox;

/** struct mail - one message; embed it in what it carries, alive until deliver() has run */
struct mail {
	struct mail *next;
	void (*deliver)(struct mail *mail); /* runs on the owner's thread; may free the mail */
};

/** mailbox_new() - Return: 0; -ENOMEM, or the errno of eventfd() */
int mailbox_new(struct mailbox **ret);

/** mailbox_free() - undelivered mail is forgotten, not freed; NULL is fine */
void mailbox_free(struct mailbox *mailbox);

/** mailbox_fd() - the eventfd to wait on; stays the mailbox's */
int mailbox_fd(const struct mailbox *mailbox);

/** mailbox_post() - hand over @mail, from any thread */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/**
 * mailbox_deliver() - run deliver() of all mail posted so far, oldest first; owner's thread only
 *
 * Return: true when anything was delivered.
 */
bool mailbox_deliver(struct mailbox *mailbox);
