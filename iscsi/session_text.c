/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Text requests in full feature phase: a negotiation that the target wants, and SendTargets. One is
 * under way at a time (RFC 7143 §11.10); the other waits for its end.
 */

#include <errno.h>

#include "iscsi/session_private.h"

static uint32_t session_text_tag(struct session *session)
{
	return TAG_TEXT | session->tag_counter++;
}

static void session_query_over(struct session *session)
{
	struct target_request *request = target_query_take(&session->query);

	if (request)
		request->done(request);
}

static void session_start_query(struct session *session)
{
	struct target_request *request = session->query_waiting;
	int r = target_query_start(&session->query, session_text_tag(session), request);

	session->query_waiting = NULL;
	if (r < 0) {
		request->error = r;
		request->done(request);
	}
}

/* A target that waits for an answer comes first: it drops the connection without one. */
static void session_text_go_on(struct session *session)
{
	if (session->logout_wanted || session->renegotiation.exchange.active ||
	    session->query.exchange.active)
		return;
	if (session->renegotiation_wanted) {
		session->renegotiation_wanted = false;
		renegotiation_start(&session->renegotiation, session_text_tag(session),
				    session->negotiated.max_recv_data_segment_length);
	} else if (session->query_waiting) {
		session_start_query(session);
	}
	connection_kick(session->connection);
}

void session_text_init(struct session *session)
{
	renegotiation_init(&session->renegotiation);
	target_query_init(&session->query);
	session->renegotiation_wanted = false;
	session->query_waiting = NULL;
}

struct target_request *session_text_end(struct session *session)
{
	struct target_request *request = session->query_waiting;

	renegotiation_end(&session->renegotiation);
	target_query_end(&session->query, -ENOTCONN);
	if (!request)
		return target_query_take(&session->query);
	session->query_waiting = NULL;
	request->error = -ENOTCONN;
	return request;
}

void session_renegotiate(struct session *session)
{
	/* Asked for while one is under way, that one is the answer (§11.9.1). */
	session->renegotiation_wanted = !session->renegotiation.exchange.active;
	session_text_go_on(session);
}

int session_send_targets(struct session *session, struct target_request *request)
{
	if (!session->attached || session->logout_wanted)
		return -ENOTCONN;
	if (session->query_waiting || session->query.request)
		return -EBUSY;
	request->error = 0;
	request->portals = NULL;
	request->count = 0;
	request->skipped = (struct discovery_skipped){};
	session->query_waiting = request;
	session_text_go_on(session);
	return 0;
}

bool session_next_text(struct session *session, struct pdu_slot *slot)
{
	if (!text_exchange_next_pdu(&session->renegotiation.exchange, session->cmd_sn, slot) &&
	    !text_exchange_next_pdu(&session->query.exchange, session->cmd_sn, slot))
		return false;
	session->statistics.text_pdus++;
	return true;
}

static bool session_renegotiated(struct session *session, const struct bhs_text_response *response,
				 const uint8_t *data)
{
	uint32_t declared, cap = session->negotiated.max_xmit_cap;

	switch (renegotiation_response(&session->renegotiation, response, data)) {
	case RENEGOTIATION_UNASKED:
		return false;
	case RENEGOTIATION_AGREED:
		declared = session->renegotiation.declared;
		if (declared)
			session->negotiated.max_xmit_data_segment_length =
				cap ? MIN(declared, cap) : declared;
		return true;
	default: /* a failure leaves everything as it was (§7.12 b) */
		return true;
	}
}

int session_text_response(struct session *session, const struct bhs *bhs, const uint8_t *data,
			  const char **why)
{
	const struct bhs_text_response *response = (const struct bhs_text_response *)bhs;
	bool query = text_exchange_is_for(&session->query.exchange, bhs->initiator_task_tag);

	session->statistics.textrsp_pdus++;
	if (query ? !target_query_response(&session->query, response, data)
		  : !session_renegotiated(session, response, data)) {
		*why = "text response without a request";
		return -EPROTO;
	}
	session_query_over(session);
	session_text_go_on(session);
	connection_kick(session->connection);
	return 0;
}

void session_text_rejected(struct session *session, be32 initiator_task_tag)
{
	/* A negotiation that failed leaves everything as it was (§7.12 b). */
	if (text_exchange_is_for(&session->query.exchange, initiator_task_tag))
		target_query_end(&session->query, -EOPNOTSUPP);
	else
		renegotiation_end(&session->renegotiation);
	session_query_over(session);
	session_text_go_on(session);
}
