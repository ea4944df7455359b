/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What a ublk device is told of the unit behind it. */

#include <stdbool.h>
#include <stdint.h>

struct ublk_parameters;
struct unit_limits;

/**
 * ublk_parameters_of() - @limits as the ublk driver wants to hear them
 * @can_discard: see block_target_can_discard()
 * @request_max_bytes: of one READ or WRITE, a multiple of the block size
 */
void ublk_parameters_of(const struct unit_limits *limits, bool can_discard,
			uint32_t request_max_bytes, struct ublk_parameters *ret);
