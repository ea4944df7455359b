/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iscsi/tcp_health.h"
#include "util/cleanup.h"

#define MS    UINT64_C(1000000)
#define START (1000000 * MS)
#define RTO   200000 /* microseconds */

/* One look after another, milliseconds since the start. */
struct look {
	unsigned ms, unacked, backoff, acked;
	unsigned sending; /* since when; 0 = not */
	enum tcp_verdict verdict;
};

#define LOOKS_MAX 6

/* clang-format off */
static const struct look stories[][LOOKS_MAX] = {
	/* all is acknowledged */
	{{100, 0, 0, 10, 0, TCP_FINE}, {10000, 0, 0, 10, 0, TCP_FINE}},
	/* something is always on its way, and something always arrives */
	{{100, 5, 0, 10, 0, TCP_FINE}, {2000, 5, 0, 20, 0, TCP_FINE}, {4000, 5, 1, 30, 0, TCP_FINE},
	 {8000, 5, 0, 40, 0, TCP_FINE}},
	/* nothing arrives: four retransmission timeouts make it suspect, three seconds lost */
	{{100, 1, 0, 10, 0, TCP_FINE}, {899, 1, 1, 10, 0, TCP_FINE}, {900, 1, 1, 10, 0, TCP_STALLED},
	 {3099, 1, 1, 10, 0, TCP_STALLED}, {3100, 1, 1, 10, 0, TCP_LOST}},
	/* the kernel's own count is quicker */
	{{100, 1, 1, 10, 0, TCP_FINE}, {350, 1, 2, 10, 0, TCP_STALLED}, {600, 1, 3, 10, 0, TCP_STALLED},
	 {850, 1, 4, 10, 0, TCP_LOST}},
	/* it gets well in between */
	{{100, 1, 0, 10, 0, TCP_FINE}, {900, 1, 1, 10, 0, TCP_STALLED}, {1000, 1, 0, 11, 0, TCP_FINE},
	 {1700, 1, 0, 11, 0, TCP_FINE}, {1800, 1, 1, 11, 0, TCP_STALLED}},
	/* an idle minute before the first byte is no reproach */
	{{100, 0, 0, 10, 0, TCP_FINE}, {60000, 1, 0, 10, 0, TCP_FINE}, {60250, 1, 0, 10, 0, TCP_FINE}},
	/* a backoff that is left over while nothing is on its way is a zero window's */
	{{100, 0, 5, 10, 0, TCP_FINE}},
	/* the target takes no more bytes */
	{{100, 0, 0, 10, 50, TCP_FINE}, {1049, 0, 2, 10, 50, TCP_FINE}, {1050, 0, 3, 10, 50, TCP_CLOSED},
	 {15049, 0, 9, 10, 50, TCP_CLOSED}, {15050, 0, 9, 10, 50, TCP_LOST}},
};
/* clang-format on */

static void looks_are_judged_as_the_budgets_say(void **state)
{
	for (size_t s = 0; s < ARRAY_SIZE(stories); s++) {
		struct tcp_health health;

		tcp_health_start(&health, -1);
		for (size_t i = 0; i < LOOKS_MAX && stories[s][i].ms; i++) {
			const struct look *look = &stories[s][i];
			const struct tcp_sample sample = {
				.unacked = look->unacked,
				.backoff = look->backoff,
				.rto_us = RTO,
				.bytes_acked = look->acked,
			};
			const char *why = "";

			assert_int_equal(
				tcp_health_judge(&health, &sample,
						 look->sending ? START + look->sending * MS : 0,
						 START + look->ms * MS, &why),
				look->verdict);
			assert_int_equal(why != NULL, look->verdict != TCP_FINE);
		}
	}
}

static void a_complaint_is_borne_for_a_second_or_until_bytes_come(void **state)
{
	const struct tcp_sample fine = {.rto_us = RTO};
	struct tcp_health health;
	const char *why;

	tcp_health_start(&health, -1);
	assert_true(tcp_health_complaint(&health, -EHOSTUNREACH, START));
	assert_true(tcp_health_complaint(&health, -ENETUNREACH, START + 900 * MS));
	assert_int_equal(tcp_health_judge(&health, &fine, 0, START + 999 * MS, &why), TCP_STALLED);
	assert_int_equal(tcp_health_judge(&health, &fine, 0, START + 1000 * MS, &why), TCP_LOST);
	tcp_health_heard(&health);
	assert_int_equal(tcp_health_judge(&health, &fine, 0, START + 1001 * MS, &why), TCP_FINE);
}

static void other_errors_are_no_complaints(void **state)
{
	static const int errors[] = {-ECONNRESET, -EPIPE, -ETIMEDOUT, -EIO, 0, -ECANCELED};
	struct tcp_health health;

	tcp_health_start(&health, -1);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		assert_false(tcp_health_complaint(&health, errors[i], START));
}

static void the_kernel_is_asked_about_tcp_sockets_only(void **state)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in bound;
	socklen_t length = sizeof(bound);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2], on = 0;
	struct tcp_health health;
	struct tcp_sample sample = {};

	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &length), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&bound, length), 0);
	tcp_health_start(&health, fd);
	length = sizeof(on);
	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, &length), 0);
	assert_int_equal(on, 1);
	assert_true(tcp_health_read(fd, &sample));
	assert_int_equal(sample.backoff, 0);
	assert_true(sample.rto_us > 0);
	close(fd);
	close(listener);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_false(tcp_health_read(pair[0], &sample));
	close(pair[0]);
	close(pair[1]);
	assert_false(tcp_health_read(-1, &sample));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_are_judged_as_the_budgets_say),
		cmocka_unit_test(a_complaint_is_borne_for_a_second_or_until_bytes_come),
		cmocka_unit_test(other_errors_are_no_complaints),
		cmocka_unit_test(the_kernel_is_asked_about_tcp_sockets_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
