/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/event_log.h"
#include "daemon/event_ring.h"
#include "util/log.h"

static struct session_view session = {
	.sid = 4,
	.target = "iqn.a",
	.persistent_address = "10.0.0.1",
	.persistent_port = 3260,
};

static unsigned told;
static struct event last;

static void count(const struct event *event, void *userdata)
{
	told++;
	last = *event;
}

static char written[8192];

/* Standard error, which is the log while its thread does not run, into @written. */
static void raise_captured(unsigned times, unsigned *kept)
{
	int ends[2], saved = dup(STDERR_FILENO);
	struct event_log *log;
	sd_event *loop;
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	assert_true(sd_event_new(&loop) >= 0);
	assert_int_equal(event_log_new(loop, count, NULL, &log), 0);
	for (unsigned i = 0; i < times; i++)
		event_log_raise(log, OBJECT_SESSION, &session,
				&(struct event_facts){.kind = EVENT_DIGEST_ERROR});
	*kept = (unsigned)event_ring_last(event_log_ring(log));
	event_log_free(log);
	sd_event_unref(loop);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	n = read(ends[0], written, sizeof(written) - 1);
	assert_true(n > 0);
	written[n] = '\0';
	close(ends[0]);
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *at = written; (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

static void the_line_of_the_log_is_the_event(void **state)
{
	char text[EVENT_TEXT_MAX];
	unsigned kept;

	told = 0;
	raise_captured(1, &kept);
	assert_int_equal(kept, 1);
	assert_int_equal(told, 1);
	event_text(&last, text);
	assert_int_equal(strncmp(written, text, strlen(text)), 0);
	assert_int_equal(lines(), 1);
	assert_true(last.realtime_us > 0 && last.monotonic_us > 0 && last.sequence == 1);
}

static void what_flaps_is_told_in_one_line_and_stays_in_the_ring(void **state)
{
	unsigned kept;

	told = 0;
	raise_captured(35, &kept);
	assert_int_equal(kept, 35);
	assert_int_equal(told, 35 + 1); /* with the one that tells of the others */
	assert_int_equal(lines(), 10 + 1);
	assert_non_null(strstr(written, "25 more events 'digest-error'"));
	assert_int_equal(last.kind, EVENT_SUPPRESSED);
	assert_int_equal(last.sid, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_the_log_is_the_event),
		cmocka_unit_test(what_flaps_is_told_in_one_line_and_stays_in_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
