/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* SendTargets in a normal session (RFC 7143 appendix C), beside I/O and negotiations. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/target_query.h"
#include "tests/conformance/initiator.h"
#include "util/cleanup.h"

struct question {
	struct target_request request;
	unsigned done;
};

static void answered(struct target_request *request)
{
	container_of(request, struct question, request)->done++;
}

static void ask(struct initiator *initiator, struct question *question)
{
	*question = (struct question){.request.done = answered};
	assert_int_equal(session_send_targets(initiator->session, &question->request), 0);
}

static void wait_for(struct initiator *initiator, const struct question *question)
{
	while (!question->done)
		initiator_turn(initiator);
	assert_int_equal(question->done, 1);
}

/* Rows 128, 129 */
static void a_session_is_told_its_own_portals(void **state)
{
	struct initiator *initiator =
		initiator_start("portal 127.0.0.1 0 1\nportal 127.0.0.2 0 7\n");
	struct question question;
	struct fake_pdu text;

	ask(initiator, &question);
	initiator_verify(initiator, 0, 64);
	wait_for(initiator, &question);
	assert_int_equal(question.request.error, 0);
	assert_int_equal(question.request.count, 2);
	assert_string_equal(question.request.portals[1].address, "127.0.0.2");
	assert_int_equal(question.request.portals[1].tpgt, 7);
	assert_true(fake_target_find(initiator->target,
				     "text final=1 continue=0 immediate=1 ttt=0xffffffff lun=0", 0,
				     &text));
	assert_string_equal(fake_target_key(&text, "SendTargets"), "");
	free(question.request.portals);
	/* and again, with another tag */
	ask(initiator, &question);
	wait_for(initiator, &question);
	assert_int_equal(question.request.count, 2);
	assert_int_equal(fake_target_count(initiator->target, "text"), 2);
	free(question.request.portals);
	initiator_free(initiator);
}

/* Row 128: the same ITT, and what the target said to go on with */
static void an_answer_in_pieces_is_asked_for_to_its_end(void **state)
{
	struct initiator *initiator = initiator_start(
		"portal 127.0.0.1 0 1\nportal 127.0.0.2 0 2\nportal 127.0.0.3 0 3\n");
	struct question question;

	initiator_script(initiator, "login-bytes 20");
	ask(initiator, &question);
	wait_for(initiator, &question);
	assert_int_equal(question.request.error, 0);
	assert_int_equal(question.request.count, 3);
	assert_true(fake_target_count(initiator->target, "text length=0") >= 3);
	assert_int_equal(fake_target_count(initiator->target, "text length=13"), 1);
	free(question.request.portals);
	initiator_free(initiator);
}

/* What cannot be used is told, and costs the session nothing. */
static void an_answer_that_cannot_be_used_is_told(void **state)
{
	static const struct {
		const char *script;
		int error;
	} cases[] = {
		{"on text : reject 5", -EOPNOTSUPP},
		{"on text : ignore ; send text-response text=\"TargetAddress=10.0.0.1:3260,1\"",
		 -EPROTO},
		{"on text : ignore ; send text-response flags=0xc0", -EPROTO},
		{"on text : ignore ; send text-response flags=0", -EPROTO},
		{"on text : ignore ; send text-response flags=0 ttt=3 data=8000", -EPROTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct initiator *initiator = initiator_start(cases[i].script);
		struct question question;

		ask(initiator, &question);
		wait_for(initiator, &question);
		assert_int_equal(question.request.error, cases[i].error);
		assert_null(question.request.portals);
		assert_int_equal(question.request.count, 0);
		initiator_verify(initiator, 0, 8);
		assert_int_equal(initiator->lost, 0);
		initiator_free(initiator);
	}
}

static void an_endless_answer_ends(void **state)
{
	struct initiator *initiator =
		initiator_start("on text : ignore ; send text-response flags=0 ttt=3\n");
	struct question question;

	ask(initiator, &question);
	wait_for(initiator, &question);
	assert_int_equal(question.request.error, -EPROTO);
	assert_in_range(fake_target_count(initiator->target, "text"), 2,
			TARGET_QUERY_RESPONSES_MAX + 1);
	initiator_verify(initiator, 0, 8);
	initiator_free(initiator);
}

/* Row 128: one Text Request at a time, and neither is forgotten */
static void a_negotiation_waits_for_the_answer(void **state)
{
	struct initiator *initiator = initiator_start("want MaxRecvDataSegmentLength=4096\n"
						      "on text #1 : ignore\n");
	struct question question, second;

	ask(initiator, &question);
	initiator_until(initiator, "text", 1);
	second = (struct question){.request.done = answered};
	assert_int_equal(session_send_targets(initiator->session, &second.request), -EBUSY);
	initiator_script(initiator, "send async event=4 parameter3=3\nsend nop-in ttt=1");
	initiator_until(initiator, "nop-out ttt=1", 1);
	assert_int_equal(fake_target_count(initiator->target, "text"), 1);
	initiator_script(initiator,
			 "send text-response itt=0xc4000000 text=\"TargetName=iqn.a.b\"");
	wait_for(initiator, &question);
	assert_int_equal(question.request.error, 0);
	assert_int_equal(question.request.count, 1);
	free(question.request.portals);
	initiator_until(initiator, "text-response", 2);
	assert_int_equal(fake_target_count(initiator->target, "text length=32"), 1);
	initiator_free(initiator);
}

static void a_question_waits_for_the_negotiation(void **state)
{
	struct initiator *initiator = initiator_start("on text #1 : delay 50\n");
	struct question question;

	initiator_script(initiator, "send async event=4 parameter3=3");
	initiator_until(initiator, "text", 1);
	ask(initiator, &question);
	wait_for(initiator, &question);
	assert_int_equal(question.request.error, 0);
	assert_int_equal(question.request.count, 1);
	assert_int_equal(fake_target_count(initiator->target, "text"), 2);
	free(question.request.portals);
	initiator_free(initiator);
}

static void the_end_of_the_connection_is_an_answer(void **state)
{
	struct initiator *initiator = initiator_start("on text : ignore\n");
	struct question question;

	ask(initiator, &question);
	initiator_until(initiator, "text", 1);
	initiator_script(initiator, "drop");
	initiator_until_lost(initiator, SESSION_LOSS_CLOSED);
	assert_int_equal(question.done, 1);
	assert_int_equal(question.request.error, -ENOTCONN);
	assert_int_equal(session_send_targets(initiator->session, &question.request), -ENOTCONN);
	initiator_free(initiator);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_told_its_own_portals),
		cmocka_unit_test(an_answer_in_pieces_is_asked_for_to_its_end),
		cmocka_unit_test(an_answer_that_cannot_be_used_is_told),
		cmocka_unit_test(an_endless_answer_ends),
		cmocka_unit_test(a_negotiation_waits_for_the_answer),
		cmocka_unit_test(a_question_waits_for_the_negotiation),
		cmocka_unit_test(the_end_of_the_connection_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
