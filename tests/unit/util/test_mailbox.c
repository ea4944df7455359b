/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "util/cleanup.h"
#include "util/mailbox.h"

#define SENDERS	   4
#define MAILS_EACH 20000

struct numbered {
	struct mail mail;
	unsigned sender, number;
};

static unsigned delivered;
static unsigned next_of[SENDERS];
static bool in_order;

static void deliver(struct mail *mail)
{
	struct numbered *m = container_of(mail, struct numbered, mail);

	if (m->number != next_of[m->sender]++)
		in_order = false;
	delivered++;
	free(m);
}

static void start_over(void)
{
	delivered = 0;
	in_order = true;
	for (unsigned i = 0; i < SENDERS; i++)
		next_of[i] = 0;
}

static void post(struct mailbox *mailbox, unsigned sender, unsigned number)
{
	struct numbered *m = malloc(sizeof(*m));

	assert_non_null(m);
	*m = (struct numbered){.mail.deliver = deliver, .sender = sender, .number = number};
	mailbox_post(mailbox, &m->mail);
}

static bool readable(struct mailbox *mailbox, int timeout_ms)
{
	struct pollfd p = {.fd = mailbox_fd(mailbox), .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void mail_arrives_in_the_order_it_was_posted(void **state)
{
	struct mailbox *mailbox;

	start_over();
	assert_int_equal(mailbox_new(&mailbox), 0);
	for (unsigned i = 0; i < 100; i++)
		post(mailbox, 0, i);
	assert_true(mailbox_deliver(mailbox));
	assert_int_equal(delivered, 100);
	assert_true(in_order);
	mailbox_free(mailbox);
}

static void the_descriptor_is_readable_only_while_mail_waits(void **state)
{
	struct mailbox *mailbox;

	start_over();
	assert_int_equal(mailbox_new(&mailbox), 0);
	assert_false(readable(mailbox, 0));
	assert_false(mailbox_deliver(mailbox));
	post(mailbox, 0, 0);
	assert_true(readable(mailbox, 0));
	assert_true(mailbox_deliver(mailbox));
	assert_false(readable(mailbox, 0));
	mailbox_free(mailbox);
}

struct sender {
	struct mailbox *mailbox;
	unsigned number;
};

static void *send_many(void *arg)
{
	struct sender *sender = arg;

	for (unsigned i = 0; i < MAILS_EACH; i++)
		post(sender->mailbox, sender->number, i);
	return NULL;
}

static void many_senders_lose_nothing_and_keep_each_ones_order(void **state)
{
	pthread_t threads[SENDERS];
	struct sender senders[SENDERS];
	struct mailbox *mailbox;

	start_over();
	assert_int_equal(mailbox_new(&mailbox), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){mailbox, i};
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
	}
	/* Waiting on the descriptor alone must be enough: a lost wake-up hangs here. */
	while (delivered < SENDERS * MAILS_EACH) {
		readable(mailbox, -1);
		mailbox_deliver(mailbox);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(delivered, SENDERS * MAILS_EACH);
	assert_true(in_order);
	mailbox_free(mailbox);
}

static struct mailbox *answer_box;

static void answer(struct mail *mail)
{
	struct numbered *m = container_of(mail, struct numbered, mail);

	post(answer_box, 0, m->number);
	free(m);
}

static void mail_posted_while_delivering_waits_for_the_next_time(void **state)
{
	struct numbered *m = malloc(sizeof(*m));
	struct mailbox *mailbox;

	start_over();
	assert_int_equal(mailbox_new(&mailbox), 0);
	answer_box = mailbox;
	*m = (struct numbered){.mail.deliver = answer};
	mailbox_post(mailbox, &m->mail);
	assert_true(mailbox_deliver(mailbox));
	assert_int_equal(delivered, 0);
	assert_true(readable(mailbox, 0));
	assert_true(mailbox_deliver(mailbox));
	assert_int_equal(delivered, 1);
	mailbox_free(mailbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_arrives_in_the_order_it_was_posted),
		cmocka_unit_test(the_descriptor_is_readable_only_while_mail_waits),
		cmocka_unit_test(many_senders_lose_nothing_and_keep_each_ones_order),
		cmocka_unit_test(mail_posted_while_delivering_waits_for_the_next_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
