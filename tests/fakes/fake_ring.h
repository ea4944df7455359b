/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A ring for tests whose clock stands still until the test moves it. It takes the place of
 * util/ring's timers, deferred work and clock at link time: put fake_ring_sources into the
 * test's own sources. Operations on descriptors do not exist here.
 *
 *	struct ring *ring = fake_ring_new();
 *
 *	ring_timer_arm(ring, &timer, 500);
 *	fake_ring_advance(ring, 499);
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/ring.h"

/** fake_ring_new() - the clock starts at one second; end it with ring_free() */
struct ring *fake_ring_new(void);

/** fake_ring_turn() - run deferred work until there is none; no time passes */
void fake_ring_turn(struct ring *ring);

/** fake_ring_advance() - let @ms pass: timers run in order, each at its own time, with its turn */
void fake_ring_advance(struct ring *ring, uint64_t ms);

/** fake_ring_advance_us() - as fake_ring_advance(), in microseconds */
void fake_ring_advance_us(struct ring *ring, uint64_t us);

/** fake_ring_timers() - how many are armed */
unsigned fake_ring_timers(const struct ring *ring);
