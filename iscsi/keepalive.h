/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * When a silent connection is pinged and when it is given up, sans I/O and sans clock. Any byte
 * from the target counts as life: a target that answers pings slowly is slow, not dead. While
 * commands are outstanding and another path leads to their unit (aggressive), silence is taken
 * seriously within a quarter of a second; on the last path (patient) the NOP settings of the node
 * record decide.
 */

#include <stdbool.h>
#include <stdint.h>

struct keepalive_settings {
	uint32_t noop_interval_ms, noop_timeout_ms; /* 0 = off */
	uint32_t suspect_ms, suspect_timeout_ms;    /* 0 = off */
};

struct keepalive {
	struct keepalive_settings settings;
	bool aggressive;
	uint64_t heard_ns;	/* when the last bytes came */
	uint64_t busy_since_ns; /* when commands became outstanding; 0 = idle */
	uint64_t pinged_ns;	/* when the unanswered ping was sent; 0 = none */
	uint32_t suspect_min_ms, suspect_timeout_min_ms; /* what a long way takes anyhow */
};

enum keepalive_verdict {
	KEEPALIVE_FINE,
	KEEPALIVE_PING, /* send a NOP-Out that wants an answer, and tell keepalive_pinged() */
	KEEPALIVE_DEAD,
};

/** keepalive_start() - a connection begins at @now_ns */
void keepalive_start(struct keepalive *keepalive, const struct keepalive_settings *settings,
		     uint64_t now_ns);

static inline void keepalive_heard(struct keepalive *keepalive, uint64_t now_ns)
{
	keepalive->heard_ns = now_ns;
}

static inline void keepalive_busy(struct keepalive *keepalive, uint64_t now_ns)
{
	keepalive->busy_since_ns = now_ns;
}

static inline void keepalive_idle(struct keepalive *keepalive)
{
	keepalive->busy_since_ns = 0;
}

static inline void keepalive_pinged(struct keepalive *keepalive, uint64_t now_ns)
{
	keepalive->pinged_ns = now_ns;
}

static inline void keepalive_answered(struct keepalive *keepalive)
{
	keepalive->pinged_ns = 0;
}

/**
 * keepalive_check() - what to do at @now_ns
 * @again_ms: when to ask next, also after KEEPALIVE_PING; 0 = never, unless something changes
 */
enum keepalive_verdict keepalive_check(const struct keepalive *keepalive, uint64_t now_ns,
				       uint32_t *again_ms);

/**
 * keepalive_set_round_trip() - over a long way silence is taken for less: 8 round trips before it
 * is suspicious, and two retransmission timeouts (RFC 6298) more before it is the end
 */
void keepalive_set_round_trip(struct keepalive *keepalive, uint32_t rtt_us, uint32_t rto_us);

/** keepalive_hurries() - silence counts in fractions of a second: busy, and other paths exist */
static inline bool keepalive_hurries(const struct keepalive *keepalive)
{
	return keepalive->aggressive && keepalive->busy_since_ns && keepalive->settings.suspect_ms;
}

/** keepalive_suspicious() - busy, other paths exist, and it has been silent for suspect_ms */
bool keepalive_suspicious(const struct keepalive *keepalive, uint64_t now_ns);

/** keepalive_first_check_ms() - when to ask first after commands became outstanding */
uint32_t keepalive_first_check_ms(const struct keepalive *keepalive);
