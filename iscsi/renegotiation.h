/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Negotiation in full feature phase, which a target asks for by an Asynchronous Message (RFC 7143
 * §6.4, §7.12, §11.9.1 event 4). Both sides declare their MaxRecvDataSegmentLength once more; no
 * other key of ours may change then. What was agreed takes effect when the whole exchange has
 * succeeded, and any failure leaves the old values. Sans I/O; belongs to its session.
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/text_exchange.h"

#define RENEGOTIATION_TEXT_MAX	    8192u /* bytes that we take in one logical text */
#define RENEGOTIATION_EXCHANGES_MAX 16

struct renegotiation {
	struct text_exchange exchange;
	uint32_t declared; /* the target's MaxRecvDataSegmentLength; 0 = it told none */
};

enum renegotiation_verdict {
	RENEGOTIATION_UNASKED, /* the response matches no request */
	RENEGOTIATION_GOES_ON, /* a request is due */
	RENEGOTIATION_AGREED,  /* @declared counts from now on */
	RENEGOTIATION_FAILED,  /* everything stays as it was */
};

void renegotiation_init(struct renegotiation *renegotiation);
/** renegotiation_end() - at any time */
void renegotiation_end(struct renegotiation *renegotiation);

/**
 * renegotiation_start() - a first request is due
 * @initiator_task_tag: of the whole exchange
 * @max_recv_data_segment_length: ours, bytes
 * Return: false when one is under way, which is answer enough (§11.9.1)
 */
bool renegotiation_start(struct renegotiation *renegotiation, uint32_t initiator_task_tag,
			 uint32_t max_recv_data_segment_length);

/** renegotiation_response() - after RENEGOTIATION_AGREED and _FAILED it has ended */
enum renegotiation_verdict renegotiation_response(struct renegotiation *renegotiation,
						  const struct bhs_text_response *response,
						  const uint8_t *data);
