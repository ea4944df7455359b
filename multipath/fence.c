/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/fence.h"

#include <errno.h>
#include <stdlib.h>

#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/ring.h"
#include "util/text.h"

#define PAUSE_MS 100 /* before a rung is tried again that the target had no time for */

struct fence {
	struct exchange exchange;
	struct nexus_reset reset;
	struct ring *ring;
	struct fence_settings settings;
	void (*done)(enum fence_end end, void *userdata);
	void *userdata;
	const struct rung *rung;
	struct ring_timer pause;
	bool resetting, cancelled;
	uint8_t block[];
};

static const struct text_name reset_names[FENCE_RESET_COUNT] = {
	{FENCE_RESET_NEVER, "never"},
	{FENCE_RESET_EXCLUSIVE, "exclusive"},
	{FENCE_RESET_ALWAYS, "always"},
};

static const struct text_name quality_names[FENCE_QUALITY_COUNT] = {
	{FENCE_QUALITY_EXACT, "exact"},		{FENCE_QUALITY_STANDARD, "standard"},
	{FENCE_QUALITY_LUN_RESET, "lun-reset"}, {FENCE_QUALITY_TIMED, "timed"},
	{FENCE_QUALITY_NONE, "none"},
};

const char *fence_reset_name(enum fence_reset reset)
{
	return text_name_of(reset_names, ARRAY_SIZE(reset_names), (int)reset, "?");
}

int fence_reset_of(const char *name)
{
	int value;
	int r = text_value_of(reset_names, ARRAY_SIZE(reset_names), name, &value);

	return r < 0 ? r : value;
}

const char *fence_quality_name(enum fence_quality quality)
{
	return text_name_of(quality_names, ARRAY_SIZE(quality_names), (int)quality, "?");
}

/* --- the ladder --- */

/* Return: 0, and the rung ends later; -errno, and it cannot be climbed. */
static int barrier(struct fence *fence)
{
	const struct fence_settings *settings = &fence->settings;

	(settings->needs_10_byte ? cdb_read_10 : cdb_read_16)(&fence->exchange.command, 0, 0, 1,
							      settings->block_size);
	return exchange_send(&fence->exchange);
}

static int reset_unit(struct fence *fence)
{
	int r = fence->settings.may_reset ? nexus_reset(fence->exchange.nexus, &fence->reset)
					  : -EPERM;

	fence->resetting = r == 0;
	return r;
}

struct rung {
	int (*climb)(struct fence *fence);
	enum fence_end top; /* with no rung behind it */
};

#define RUNGS_MAX 3

/* clang-format off */
static const struct rung ladders[PROFILE_DRAIN_COUNT][RUNGS_MAX] = {
	[PROFILE_DRAINS]  = {{barrier, FENCE_CLOSED}},
	[PROFILE_UNKNOWN] = {{barrier, FENCE_CLOSED}},
	[PROFILE_LEAVES]  = {{barrier, FENCE_FAILED}, {reset_unit, FENCE_RESET}},
};

/* What the ladder comes to, by what the target does and whether it may be reset. */
static const enum fence_quality qualities[PROFILE_DRAIN_COUNT][2] = {
	/*                    no reset                reset */
	[PROFILE_DRAINS]  = {FENCE_QUALITY_EXACT,    FENCE_QUALITY_EXACT},
	[PROFILE_UNKNOWN] = {FENCE_QUALITY_STANDARD, FENCE_QUALITY_STANDARD},
	[PROFILE_LEAVES]  = {FENCE_QUALITY_TIMED,    FENCE_QUALITY_LUN_RESET},
};

/*
 * Who else uses the unit would have its commands ended, too. With INTEGRITY_EXCLUSIVE nobody else
 * does, by the administrator's word, and our own other paths repeat theirs.
 */
static const bool resets[FENCE_RESET_COUNT][INTEGRITY_COUNT] = {
	/*                          exclusive shared  legacy */
	[FENCE_RESET_NEVER]     = { false,    false,  false },
	[FENCE_RESET_EXCLUSIVE] = { true,     false,  false },
	[FENCE_RESET_ALWAYS]    = { true,     true,   false },
};

/* Did the barrier come back because the device server got to it? What else says nothing. */
enum barrier_answer { BARRIER_PASSED, BARRIER_AGAIN, BARRIER_BROKEN };

static const enum barrier_answer answers[EXCHANGE_ANSWER_COUNT] = {
	[EXCHANGE_GOOD]      = BARRIER_PASSED,
	[EXCHANGE_ERROR]     = BARRIER_PASSED, /* of the medium: it tried to read */
	[EXCHANGE_RESERVED]  = BARRIER_PASSED,
	[EXCHANGE_REFUSED]   = BARRIER_PASSED,
	[EXCHANGE_NO_UNIT]   = BARRIER_PASSED,
	[EXCHANGE_ATTENTION] = BARRIER_AGAIN, /* more than exchange_resend() takes at once */
	[EXCHANGE_NOT_READY] = BARRIER_AGAIN, /* but see is_passive() */
	[EXCHANGE_BUSY]      = BARRIER_AGAIN,
	[EXCHANGE_AGAIN]     = BARRIER_AGAIN,
	[EXCHANGE_LOST]      = BARRIER_BROKEN,
};
/* clang-format on */

bool fence_may_reset(enum fence_reset reset, enum integrity integrity)
{
	return resets[reset][integrity];
}

enum fence_quality fence_quality(enum integrity integrity, enum profile_drain drain, bool may_reset)
{
	return integrity == INTEGRITY_LEGACY ? FENCE_QUALITY_NONE : qualities[drain][may_reset];
}

/* --- climbing --- */

static void fence_end(struct fence *fence, enum fence_end end)
{
	fence->done(end, fence->userdata);
	ring_timer_disarm(fence->ring, &fence->pause);
	free(fence);
}

static void climb_on(struct fence *fence)
{
	const struct rung *next = fence->rung + 1;

	if (!next->climb) {
		fence_end(fence, fence->rung->top);
		return;
	}
	fence->rung = next;
	if (next->climb(fence) < 0)
		fence_end(fence, FENCE_FAILED);
}

static void pause_over(struct ring_timer *timer)
{
	struct fence *fence = container_of(timer, struct fence, pause);

	if (fence->rung->climb(fence) < 0)
		fence_end(fence, FENCE_FAILED);
}

/* A port in standby answers so for as long as it is in standby, and has got to the command. */
static bool is_passive(const struct scsi_sense *sense)
{
	return sense->valid && sense->asc == 0x04 && (sense->ascq == 0x0b || sense->ascq == 0x0c);
}

static void barrier_answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct fence *fence = container_of(exchange, struct fence, exchange);
	enum barrier_answer meaning = answers[answer];

	if (answer == EXCHANGE_NOT_READY && is_passive(&exchange->sense))
		meaning = BARRIER_PASSED;
	else if (answer == EXCHANGE_LOST && exchange->nexus->up)
		meaning = BARRIER_AGAIN; /* it took too long and was aborted */
	else if (exchange_resend(exchange, answer))
		return;
	if (meaning == BARRIER_PASSED)
		climb_on(fence);
	else if (meaning == BARRIER_AGAIN)
		ring_timer_arm(fence->ring, &fence->pause, PAUSE_MS);
	else
		fence_end(fence, FENCE_FAILED);
}

static void reset_answered(struct nexus_reset *reset, int error)
{
	struct fence *fence = container_of(reset, struct fence, reset);

	fence->resetting = false;
	if (fence->cancelled)
		free(fence);
	else if (error < 0)
		fence_end(fence, FENCE_FAILED);
	else
		climb_on(fence);
}

static void released(struct exchange *exchange)
{
	free(container_of(exchange, struct fence, exchange));
}

int fence_start(struct ring *ring, struct nexus *nexus, const struct fence_settings *settings,
		void (*done)(enum fence_end end, void *userdata), void *userdata,
		struct fence **ret)
{
	struct fence *fence = calloc(1, sizeof(*fence) + settings->block_size);
	int r;

	if (!fence)
		return -ENOMEM;
	fence->exchange.nexus = nexus;
	fence->exchange.answered = barrier_answered;
	fence->exchange.released = released;
	fence->exchange.command.data = fence->block;
	fence->reset.done = reset_answered;
	fence->ring = ring;
	fence->settings = *settings;
	fence->done = done;
	fence->userdata = userdata;
	fence->rung = ladders[settings->drain];
	ring_timer_init(&fence->pause, pause_over);
	r = fence->rung->climb(fence);
	if (r < 0) {
		free(fence);
		return r;
	}
	*ret = fence;
	return 0;
}

void fence_cancel(struct fence *fence)
{
	if (!fence)
		return;
	fence->cancelled = true;
	if (fence->resetting)
		return; /* freed when it is answered */
	if (ring_timer_armed(&fence->pause)) {
		ring_timer_disarm(fence->ring, &fence->pause);
		free(fence);
		return;
	}
	exchange_cancel(&fence->exchange);
}
