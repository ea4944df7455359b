/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/tcp_health.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define NS_PER_MS	   UINT64_C(1000000)
#define NS_PER_US	   UINT64_C(1000)
#define STALLED_RTOS	   4
#define STALLED_BACKOFF	   2
#define LOST_BACKOFF	   4
#define LOST_NS		   (3000 * NS_PER_MS)
#define UNREACHABLE_NS	   (1000 * NS_PER_MS)
#define CLOSED_NS	   (1000 * NS_PER_MS)
#define CLOSED_TOO_LONG_NS (15000 * NS_PER_MS)

void tcp_health_start(struct tcp_health *health, int fd)
{
	const int one = 1;

	*health = (struct tcp_health){};
	/* One of them is the wrong family, and says so. */
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
}

bool tcp_health_read(int fd, struct tcp_sample *ret)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
	    length < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return false;
	*ret = (struct tcp_sample){
		.unacked = info.tcpi_unacked,
		.backoff = info.tcpi_backoff,
		.rto_us = info.tcpi_rto >> MIN(info.tcpi_backoff, 31),
		.rtt_us = info.tcpi_rtt,
		.bytes_acked = info.tcpi_bytes_acked,
	};
	return true;
}

static uint64_t since(uint64_t from_ns, uint64_t now_ns)
{
	return from_ns && now_ns > from_ns ? now_ns - from_ns : 0;
}

/* Two looks are needed to see that nothing moves; an idle minute before is no reproach. */
static void follow_acknowledgements(struct tcp_health *health, const struct tcp_sample *sample,
				    uint64_t now_ns)
{
	if (sample->unacked == 0 || sample->bytes_acked != health->bytes_acked)
		health->stalled_ns = 0;
	if (sample->unacked > 0 && health->stalled_ns == 0)
		health->stalled_ns = now_ns;
	health->bytes_acked = sample->bytes_acked;
}

enum tcp_verdict tcp_health_judge(struct tcp_health *health, const struct tcp_sample *sample,
				  uint64_t sending_ns, uint64_t now_ns, const char **why)
{
	uint64_t stalled_ns, closed_ns = since(sending_ns, now_ns);

	follow_acknowledgements(health, sample, now_ns);
	stalled_ns = since(health->stalled_ns, now_ns);
	*why = NULL;
	if (health->unreachable_ns) {
		*why = "the network says that the target cannot be reached";
		return since(health->unreachable_ns, now_ns) >= UNREACHABLE_NS ? TCP_LOST
									       : TCP_STALLED;
	}
	if (sample->unacked > 0) {
		*why = "the target acknowledges nothing";
		if (sample->backoff >= LOST_BACKOFF || stalled_ns >= LOST_NS)
			return TCP_LOST;
		if (sample->backoff >= STALLED_BACKOFF ||
		    stalled_ns >= STALLED_RTOS * sample->rto_us * NS_PER_US)
			return TCP_STALLED;
	}
	*why = "the target takes no more bytes";
	if (closed_ns >= CLOSED_TOO_LONG_NS)
		return TCP_LOST;
	if (closed_ns >= CLOSED_NS)
		return TCP_CLOSED;
	*why = NULL;
	return TCP_FINE;
}

bool tcp_health_complaint(struct tcp_health *health, int error, uint64_t now_ns)
{
	switch (error) {
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ECONNREFUSED: /* of a connection that stands: port unreachable, a filter's answer */
	case -ENOPROTOOPT:
	case -EACCES: /* administratively prohibited, by IPv6 */
		if (!health->unreachable_ns)
			health->unreachable_ns = now_ns;
		return true;
	default:
		return false;
	}
}
