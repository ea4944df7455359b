/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What TCP knows of a connection before anybody else does: whether what we sent is acknowledged,
 * and what routers say of the way. Asked only while commands are outstanding and quiet, never for a
 * command. The judgement is sans I/O and sans clock.
 */

#include <stdbool.h>
#include <stdint.h>

/* One look at a socket (struct tcp_info, Linux' TCP_INFO). */
struct tcp_sample {
	uint32_t unacked;     /* segments on their way */
	uint32_t backoff;     /* times in a row that the retransmission timer expired */
	uint32_t rto_us;      /* without backoff */
	uint32_t rtt_us;      /* smoothed round trip */
	uint64_t bytes_acked; /* since the connection began */
};

struct tcp_health {
	uint64_t bytes_acked;	 /* as of the last look */
	uint64_t stalled_ns;	 /* when it was first seen that they grow no more; 0 = they do */
	uint64_t unreachable_ns; /* since when the network says that there is no way; 0 = it does
				    not */
};

enum tcp_verdict {
	TCP_FINE,
	TCP_CLOSED,  /* all is acknowledged, but the target takes no more bytes: slow, not lost */
	TCP_STALLED, /* nothing is acknowledged, or there is no way: suspect */
	TCP_LOST,    /* that went on for too long, to be waited for while another path is there */
};

/** tcp_health_start() - @fd: have the network's complaints reported (IP_RECVERR) */
void tcp_health_start(struct tcp_health *health, int fd);

/** tcp_health_read() - Return: false when @fd is no TCP socket */
bool tcp_health_read(int fd, struct tcp_sample *ret);

/**
 * tcp_health_judge() - by a look at @now_ns
 * @sending_ns: since when a send is waiting for room in the socket; 0 = none is
 * @why: set unless TCP_FINE; static
 */
enum tcp_verdict tcp_health_judge(struct tcp_health *health, const struct tcp_sample *sample,
				  uint64_t sending_ns, uint64_t now_ns, const char **why);

/**
 * tcp_health_complaint() - an operation on the socket ended with @error
 * Return: true when that only repeats what a router said: the connection goes on
 */
bool tcp_health_complaint(struct tcp_health *health, int error, uint64_t now_ns);

/** tcp_health_heard() - bytes came: there is a way */
static inline void tcp_health_heard(struct tcp_health *health)
{
	health->unreachable_ns = 0;
}
