/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "util/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "util/cleanup.h"

struct mailbox {
	_Atomic(struct mail *) newest; /* a stack: senders push, the owner takes it whole */
	int wake_fd;
};

DEFINE_OWNED(mailbox);

int mailbox_new(struct mailbox **ret)
{
	owned(mailbox) mailbox = calloc(1, sizeof(*mailbox));

	if (!mailbox)
		return -ENOMEM;
	mailbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->wake_fd < 0)
		return -errno;
	*ret = take(mailbox);
	return 0;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	if (mailbox->wake_fd >= 0)
		close(mailbox->wake_fd);
	free(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
	return mailbox->wake_fd;
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
	struct mail *before = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
	uint64_t one = 1;

	do {
		mail->next = before;
	} while (!atomic_compare_exchange_weak_explicit(
		&mailbox->newest, &before, mail, memory_order_release, memory_order_relaxed));
	/* Who finds the box empty wakes the owner; those behind rely on that. An eventfd holds
	 * 2^64 - 2 wake-ups, so the write cannot block. */
	if (!before && write(mailbox->wake_fd, &one, sizeof(one)) < 0)
		abort();
}

bool mailbox_deliver(struct mailbox *mailbox)
{
	struct mail *mail, *oldest = NULL;
	uint64_t count;

	/* Take the wake-up first: mail that comes after this read wakes us again. */
	if (read(mailbox->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	mail = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
	while (mail) {
		struct mail *next = mail->next;

		mail->next = oldest;
		oldest = mail;
		mail = next;
	}
	if (!oldest)
		return false;
	while (oldest) {
		struct mail *next = oldest->next;

		oldest->deliver(oldest);
		oldest = next;
	}
	return true;
}
