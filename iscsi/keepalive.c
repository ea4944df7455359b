/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/keepalive.h"

#include "util/cleanup.h"

#define ROUND_TRIP_MAX_MS 5000u /* longer is no round trip, but the trouble that is looked for */

void keepalive_start(struct keepalive *keepalive, const struct keepalive_settings *settings,
		     uint64_t now_ns)
{
	*keepalive = (struct keepalive){
		.settings = *settings,
		.aggressive = keepalive->aggressive,
		.heard_ns = now_ns,
	};
}

/* The pair of limits that is in force: silence before a ping, and silence after it. */
struct limits {
	uint32_t interval_ms, timeout_ms;
};

static uint32_t suspect_ms(const struct keepalive *keepalive)
{
	return MAX(keepalive->settings.suspect_ms, keepalive->suspect_min_ms);
}

static struct limits keepalive_limits(const struct keepalive *keepalive)
{
	const struct keepalive_settings *settings = &keepalive->settings;

	if (keepalive_hurries(keepalive))
		return (struct limits){
			suspect_ms(keepalive),
			MAX(settings->suspect_timeout_ms, keepalive->suspect_timeout_min_ms)};
	return (struct limits){settings->noop_interval_ms, settings->noop_timeout_ms};
}

uint32_t keepalive_first_check_ms(const struct keepalive *keepalive)
{
	return keepalive_limits(keepalive).interval_ms;
}

/* Milliseconds from @now_ns until @silence_ms after @since_ns; at least 1. */
static uint32_t time_left_ms(uint64_t since_ns, uint32_t silence_ms, uint64_t now_ns)
{
	uint64_t end_ns = since_ns + silence_ms * UINT64_C(1000000);

	return end_ns > now_ns ? (uint32_t)((end_ns - now_ns + 999999) / 1000000) : 1;
}

static bool elapsed(uint64_t since_ns, uint32_t silence_ms, uint64_t now_ns)
{
	return now_ns >= since_ns + silence_ms * UINT64_C(1000000);
}

/* Silence of an idle connection is no reproach to the command that was just sent. */
static uint64_t quiet_since_ns(const struct keepalive *keepalive)
{
	return MAX(keepalive->heard_ns, keepalive->busy_since_ns);
}

bool keepalive_suspicious(const struct keepalive *keepalive, uint64_t now_ns)
{
	return keepalive_hurries(keepalive) &&
	       elapsed(quiet_since_ns(keepalive), suspect_ms(keepalive), now_ns);
}

void keepalive_set_round_trip(struct keepalive *keepalive, uint32_t rtt_us, uint32_t rto_us)
{
	keepalive->suspect_min_ms = MIN(rtt_us / 125, ROUND_TRIP_MAX_MS);
	keepalive->suspect_timeout_min_ms = MIN(rto_us / 500, ROUND_TRIP_MAX_MS);
}

enum keepalive_verdict keepalive_check(const struct keepalive *keepalive, uint64_t now_ns,
				       uint32_t *again_ms)
{
	struct limits limits = keepalive_limits(keepalive);
	uint64_t quiet_ns = quiet_since_ns(keepalive);

	*again_ms = 0;
	if (!limits.interval_ms)
		return KEEPALIVE_FINE;
	if (!keepalive->pinged_ns) {
		if (!elapsed(quiet_ns, limits.interval_ms, now_ns)) {
			*again_ms = time_left_ms(quiet_ns, limits.interval_ms, now_ns);
			return KEEPALIVE_FINE;
		}
		*again_ms = limits.timeout_ms ? limits.timeout_ms : limits.interval_ms;
		return KEEPALIVE_PING;
	}
	if (!limits.timeout_ms) {
		*again_ms = limits.interval_ms; /* the answer may still come */
		return KEEPALIVE_FINE;
	}
	/* Other bytes since the ping show life: the answer may be behind a long transfer. */
	quiet_ns = MAX(keepalive->heard_ns, keepalive->pinged_ns);
	if (elapsed(quiet_ns, limits.timeout_ms, now_ns))
		return KEEPALIVE_DEAD;
	*again_ms = time_left_ms(quiet_ns, limits.timeout_ms, now_ns);
	return KEEPALIVE_FINE;
}
