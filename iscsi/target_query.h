/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * SendTargets in a normal session: the portals of the target that the session is logged in to (RFC
 * 7143 appendix C; All is for discovery sessions). Sans I/O; belongs to its session.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/discovery.h"
#include "iscsi/text_exchange.h"

#define TARGET_QUERY_TEXT_MAX	   (256u << 10) /* bytes of an answer */
#define TARGET_QUERY_RESPONSES_MAX 1024

/** struct target_request - one such question; see session_send_targets() */
struct target_request {
	/* set by whoever asks */
	void (*done)(struct target_request *request);

	/* set before done() */
	int error; /* 0; -ENOTCONN: the connection was lost; -EOPNOTSUPP: the target rejects the
		      question; -EPROTO, -E2BIG: so does its answer; -ENOMEM */
	struct discovered_portal *portals; /* whoever asked frees them */
	size_t count;
	struct discovery_skipped skipped;
};

struct target_query {
	struct text_exchange exchange;
	struct target_request *request; /* NULL: nobody asks */
};

void target_query_init(struct target_query *query);

/** target_query_start() - none is under way; a first request is due. Return: 0 or -ENOMEM */
int target_query_start(struct target_query *query, uint32_t initiator_task_tag,
		       struct target_request *request);

/**
 * target_query_response() - a Text Response that text_exchange_is_for() the query
 *
 * Return: false when it matches no request. Otherwise a request is due, or the query is over:
 * target_query_take() has it.
 */
bool target_query_response(struct target_query *query, const struct bhs_text_response *response,
			   const uint8_t *data);

/** target_query_end() - nothing more will come of it: @error tells why; nothing without a query */
void target_query_end(struct target_query *query, int error);

/** target_query_take() - the request whose query is over, once; its done() is the caller's to run.
 * Return: NULL: none is */
struct target_request *target_query_take(struct target_query *query);
