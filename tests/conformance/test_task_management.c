/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Task management over TCP against the fake target, a test for each row of docs/CONFORMANCE.md that
 * names one here. The target itself complains of wrong LUNs, tags and RefCmdSNs, of a second
 * request while one waits, and of data for tasks that were ended under FastAbort.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "initiator.h"
#include "iscsi/management.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

struct asked {
	struct management_request request;
	struct initiator *initiator;
	unsigned done;
};

static void asked_done(struct management_request *request)
{
	struct asked *asked = container_of(request, struct asked, request);

	asked->done++;
	assert_int_equal(asked->done, 1);
	ring_stop(asked->initiator->ring);
}

static int ask(struct asked *asked, struct initiator *initiator,
	       enum task_management_function function)
{
	asked->initiator = initiator;
	asked->done = 0;
	asked->request.function = function;
	asked->request.done = asked_done;
	return session_manage(initiator->session, &asked->request);
}

static void wait_for(const struct asked *asked)
{
	for (unsigned turns = 0; !asked->done; turns++) {
		assert_in_range(turns, 0, 5000);
		initiator_turn(asked->initiator);
	}
}

static enum management_outcome ask_and_wait(struct initiator *initiator,
					    enum task_management_function function)
{
	struct asked asked = {};

	assert_int_equal(ask(&asked, initiator, function), 0);
	wait_for(&asked);
	return asked.request.outcome;
}

static void ends(const struct io *io, enum scsi_outcome outcome)
{
	assert_int_equal(io->done, 1);
	assert_int_equal(io->command.result.outcome, outcome);
}

static struct initiator *start_at_level_2(const char *script, enum task_reporting reporting)
{
	struct initiator *initiator = initiator_new(script);

	initiator->settings.protocol_level = 2;
	initiator->settings.task_reporting = reporting;
	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
	initiator_attach(initiator);
	return initiator;
}

/* Row 134, §11.5.3 to §11.5.5 */
static void only_an_abort_names_a_task(void **state)
{
	static const struct {
		enum task_management_function function;
		bool unit;
	} functions[] = {
		{TASK_MANAGEMENT_ABORT_TASK_SET, true},
		{TASK_MANAGEMENT_CLEAR_ACA, true},
		{TASK_MANAGEMENT_CLEAR_TASK_SET, true},
		{TASK_MANAGEMENT_LOGICAL_UNIT_RESET, true},
		{TASK_MANAGEMENT_TARGET_WARM_RESET, false},
		{TASK_MANAGEMENT_TARGET_COLD_RESET, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		struct initiator *initiator = initiator_start("");
		struct asked asked = {.request.lun = UINT64_C(0x0007000000000000)};
		char pattern[160];

		assert_int_equal(ask(&asked, initiator, functions[i].function), 0);
		wait_for(&asked);
		assert_int_equal(asked.request.outcome, MANAGEMENT_COMPLETE);
		snprintf(pattern, sizeof(pattern),
			 "task-management function=%d referenced=0xffffffff ref_cmd_sn=0 "
			 "immediate=1 lun=%s length=0 ahs=0",
			 functions[i].function, functions[i].unit ? "0x0007000000000000" : "0");
		assert_int_equal(fake_target_count(initiator->target, pattern), 1);
		initiator_free(initiator);
	}
}

/* Row 134, §4.2.3.2: what each of them ends, and with which outcome */
static void tasks_end_as_far_as_the_function_reaches(void **state)
{
	static const struct {
		enum task_management_function function;
		bool ends, ends_others;
	} functions[] = {
		{TASK_MANAGEMENT_CLEAR_ACA, false, false},
		{TASK_MANAGEMENT_ABORT_TASK_SET, true, false},
		{TASK_MANAGEMENT_CLEAR_TASK_SET, true, false},
		{TASK_MANAGEMENT_LOGICAL_UNIT_RESET, true, false},
		{TASK_MANAGEMENT_TARGET_WARM_RESET, true, true},
		{TASK_MANAGEMENT_TARGET_COLD_RESET, true, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		struct initiator *initiator = initiator_start("on command : ignore\n");
		struct nexus *first = initiator->nexus, *second;
		struct io *here = initiator_write(initiator, 0, 8), *there;

		assert_int_equal(
			session_unit(initiator->session, UINT64_C(0x0001000000000000), &second), 0);
		initiator->nexus = second;
		there = initiator_read(initiator, 0, 8);
		initiator->nexus = first;
		initiator_until(initiator, "command", 2);
		assert_int_equal(ask_and_wait(initiator, functions[i].function),
				 MANAGEMENT_COMPLETE);
		assert_int_equal(here->done, functions[i].ends);
		assert_int_equal(there->done, functions[i].ends_others);
		if (here->done)
			ends(here, SCSI_ABORTED);
		if (there->done)
			ends(there, SCSI_ABORTED);
		initiator_free(initiator);
	}
}

/* Row 136, §4.2.3.3 a: the target does not answer before it has all that it asked for */
static void data_is_sent_on_while_a_reset_is_out(void **state)
{
	struct initiator *initiator = initiator_start(
		"want InitialR2T=Yes\nwant ImmediateData=No\non command #1 : delay 50\n");
	struct asked asked = {};
	struct io *io = initiator_write(initiator, 0, 512);

	initiator_until(initiator, "command", 1);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), 0);
	wait_for(&asked);
	assert_int_equal(asked.request.outcome, MANAGEMENT_COMPLETE);
	ends(io, SCSI_ABORTED);
	assert_int_equal(fake_target_count(initiator->target, "r2t"), 1);
	assert_int_equal(fake_target_count(initiator->target, "data-out final=1"), 1);
	initiator_verify(initiator, 0, 512);
	initiator_free(initiator);
}

/* §4.2.3.3 b */
static void an_answer_before_that_of_the_reset_counts(void **state)
{
	struct initiator *initiator = initiator_start(
		"on command #1 : ignore\non task-management : send response itt=0xeeeeeeee\n");
	struct asked asked = {};
	struct io *io = initiator_read(initiator, 0, 1);
	struct fake_pdu command;
	char line[80];

	initiator_until(initiator, "command", 1);
	assert_true(fake_target_find(initiator->target, "command", 0, &command));
	snprintf(line, sizeof(line), "on task-management : send response itt=%u status=8",
		 (unsigned)fake_target_field(&command, "itt"));
	initiator_script(initiator, line);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), 0);
	wait_for(&asked);
	ends(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_BUSY);
	initiator_free(initiator);
}

/* Row 137, §4.2.3.4 a: the target stands still in the middle of a long write, which no socket can
 * hold, and complains of every byte behind the request */
static void fast_abort_sends_no_more_data(void **state)
{
	struct initiator *initiator =
		initiator_new("want TaskReporting=FastAbort\nwant InitialR2T=Yes\n"
			      "on data-out #1 : delay 100\n");
	struct io *io;

	initiator->settings.task_reporting = TASK_REPORTING_FAST_ABORT;
	initiator->settings.max_burst_length = 16776192;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	io = initiator_write(initiator, 0, 65536);
	initiator_until(initiator, "data-out", 1);
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET),
			 MANAGEMENT_COMPLETE);
	ends(io, SCSI_ABORTED);
	assert_int_equal(fake_target_count(initiator->target, "data-out final=1"), 0);
	initiator_verify(initiator, 0, 64);
	/* the answer was acknowledged at once, for the sake of the fence */
	assert_int_equal(
		fake_target_count(initiator->target, "nop-out itt=0xffffffff ttt=0xffffffff lun=0"),
		1);
	initiator_free(initiator);
}

/* §4.2.3.4: what the target refuses to end gets the rest of its data */
static void a_refused_fast_abort_lets_the_data_go_on(void **state)
{
	struct initiator *initiator = initiator_new(
		"want TaskReporting=FastAbort\nwant InitialR2T=Yes\non data-out #1 : delay 50\n"
		"on task-management : ignore ; send task-management-response response=5\n");
	struct io *io;

	initiator->settings.task_reporting = TASK_REPORTING_FAST_ABORT;
	initiator->settings.max_burst_length = 16776192;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	io = initiator_write(initiator, 0, 65536);
	initiator_until(initiator, "data-out", 1);
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_ABORT_TASK_SET),
			 MANAGEMENT_REFUSED);
	initiator_finish(initiator);
	assert_true(scsi_command_good(&io->command));
	initiator_free(initiator);
}

/* Row 138, §11.5.1 */
static void what_comes_behind_the_answer_to_a_reset_is_dropped(void **state)
{
	struct initiator *initiator = initiator_start("on command #1-3 : ignore\n");
	struct io *ios[3];
	char line[120];

	for (unsigned i = 0; i < 3; i++)
		ios[i] = initiator_read(initiator, i, 64);
	initiator_until(initiator, "command", 3);
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_TARGET_WARM_RESET),
			 MANAGEMENT_COMPLETE);
	for (unsigned i = 0; i < 3; i++) {
		struct fake_pdu command;

		ends(ios[i], SCSI_ABORTED);
		free(ios[i]->data);
		ios[i]->data = NULL;
		assert_true(fake_target_find(initiator->target, "command", i, &command));
		snprintf(line, sizeof(line),
			 "send data-in itt=%u data=512\nsend r2t itt=%u ttt=3 desired=512\n"
			 "send response itt=%u",
			 (unsigned)fake_target_field(&command, "itt"),
			 (unsigned)fake_target_field(&command, "itt"),
			 (unsigned)fake_target_field(&command, "itt"));
		initiator_script(initiator, line);
	}
	initiator_verify(initiator, 0, 64);
	assert_int_equal(initiator->lost, 0);
	initiator_free(initiator);
}

/* Row 139, §11.6.1: a refusal is told and changes nothing */
static void every_answer_to_a_reset_has_its_meaning(void **state)
{
	for (unsigned response = 0; response < 256; response += response < 10 ? 1 : 35) {
		bool over = response == 0 || response == 2;
		struct initiator *initiator;
		struct asked asked = {};
		char script[160];
		struct io *io;

		snprintf(
			script, sizeof(script),
			"on command #1 : ignore\n"
			"on task-management : ignore ; send task-management-response response=%u\n",
			response);
		initiator = initiator_start(script);
		io = initiator_write(initiator, 0, 8);
		initiator_until(initiator, "command", 1);
		assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), 0);
		wait_for(&asked);
		assert_int_equal(asked.request.response, response);
		assert_int_equal(asked.request.outcome, response == 0	? MANAGEMENT_COMPLETE
							: response == 2 ? MANAGEMENT_NO_UNIT
									: MANAGEMENT_REFUSED);
		assert_int_equal(io->done, over);
		if (over)
			ends(io, SCSI_ABORTED);
		if (over)
			initiator_verify(initiator, 100, 8);
		initiator_turn(initiator);
		assert_int_equal(initiator->lost, 0);
		initiator_free(initiator);
	}
}

/* Row 139: silence escalates to the end of the session */
static void a_reset_without_an_answer_ends_the_session(void **state)
{
	struct initiator *initiator =
		initiator_start("on command : ignore\non task-management : ignore\n");
	struct asked first = {.request.timeout_ms = 500}, second = {};
	struct io *io = initiator_write(initiator, 0, 8);

	initiator_until(initiator, "command", 1);
	assert_int_equal(ask(&first, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), 0);
	assert_int_equal(ask(&second, initiator, TASK_MANAGEMENT_TARGET_WARM_RESET), 0);
	initiator_until(initiator, "task-management", 1); /* before the RST can take it away */
	initiator_until_lost(initiator, SESSION_LOSS_LOCAL);
	wait_for(&first);
	wait_for(&second);
	assert_int_equal(first.request.outcome, MANAGEMENT_LOST);
	assert_int_equal(second.request.outcome, MANAGEMENT_LOST);
	initiator_finish(initiator);
	ends(io, SCSI_IN_DOUBT);
	assert_int_equal(ask(&first, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), -ENOTCONN);
	assert_int_equal(fake_target_count(initiator->target, "task-management"), 1);
	initiator_free(initiator);
}

/* §11.5.1: the target ends its connections, with an answer or in place of one */
static void a_cold_reset_ends_the_session_as_announced(void **state)
{
	static const char *const scripts[] = {
		"on command : ignore\n",
		"on command : ignore\non task-management : ignore ; close\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct initiator *initiator = initiator_start(scripts[i]);
		struct asked asked = {};
		struct io *io = initiator_write(initiator, 0, 8);

		initiator_until(initiator, "command", 1);
		assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_TARGET_COLD_RESET), 0);
		initiator_until_lost(initiator, SESSION_LOSS_ASKED);
		wait_for(&asked);
		initiator_finish(initiator);
		assert_int_equal(initiator->wait_s, 2);
		assert_int_equal(asked.request.outcome,
				 i ? MANAGEMENT_CLOSED : MANAGEMENT_COMPLETE);
		ends(io, i ? SCSI_IN_DOUBT : SCSI_ABORTED);
		assert_int_equal(initiator_login(initiator), LOGIN_DONE);
		initiator_attach(initiator);
		initiator_free(initiator);
	}
}

/* §11.5.1: whether a reset ends what crosses it nobody could tell */
static void commands_wait_while_a_reset_of_their_unit_is_out(void **state)
{
	struct initiator *initiator = initiator_start("on task-management : delay 60\n");
	struct nexus *first = initiator->nexus, *second;
	struct asked asked = {};
	struct io *here, *there;

	assert_int_equal(session_unit(initiator->session, UINT64_C(0x0001000000000000), &second),
			 0);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET), 0);
	initiator_turn(initiator);
	here = initiator_read(initiator, 0, 1);
	initiator->nexus = second;
	there = initiator_read(initiator, 0, 1);
	initiator->nexus = first;
	wait_for(&asked);
	initiator_finish(initiator);
	assert_true(scsi_command_good(&here->command));
	ends(there, SCSI_COMPLETED);
	/* the other unit's came first, although it was the later one */
	assert_int_equal(fake_target_count(initiator->target, "command lun=0x0001000000000000"), 1);
	assert_true(fake_target_find(initiator->target, "command", 0, &(struct fake_pdu){}));
	assert_int_equal(fake_target_count(initiator->target,
					   "command lun=0x0001000000000000 cmd_sn=0xfffffff0"),
			 1);
	initiator_free(initiator);
}

/* Reject 06h: no room for an immediate request (§11.17.1) */
static void a_reset_without_room_is_tried_again(void **state)
{
	struct initiator *initiator = initiator_start("on task-management #1 : reject 6\n");

	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET),
			 MANAGEMENT_COMPLETE);
	assert_int_equal(fake_target_count(initiator->target, "task-management"), 2);
	initiator_script(initiator, "on task-management : reject 5");
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_LOGICAL_UNIT_RESET),
			 MANAGEMENT_REFUSED);
	initiator_verify(initiator, 0, 8);
	initiator_free(initiator);
}

/* Row 73, RFC 7144 §6.3 */
static void queries_are_asked_at_level_2_only(void **state)
{
	static const enum task_management_function functions[] = {
		TASK_MANAGEMENT_QUERY_TASK,
		TASK_MANAGEMENT_QUERY_TASK_SET,
		TASK_MANAGEMENT_I_T_NEXUS_RESET,
		TASK_MANAGEMENT_QUERY_ASYNCHRONOUS_EVENT,
	};
	struct initiator *initiator = initiator_start("");
	struct asked asked = {};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		assert_int_equal(ask(&asked, initiator, functions[i]), -EOPNOTSUPP);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_TASK_REASSIGN), -EINVAL);
	initiator_verify(initiator, 0, 8);
	assert_int_equal(fake_target_count(initiator->target, "task-management"), 0);
	initiator_free(initiator);
	/* offered, and not agreed to */
	initiator = start_at_level_2("want iSCSIProtocolLevel=1\n", TASK_REPORTING_RFC3720);
	assert_int_equal(initiator->negotiated.protocol_level, 1);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_QUERY_TASK_SET), -EOPNOTSUPP);
	initiator_free(initiator);
}

/* RFC 7144 §6.3, §6.4.2 */
static void queries_say_yes_and_no(void **state)
{
	struct initiator *initiator = start_at_level_2(
		"want iSCSIProtocolLevel=2\non command : ignore\non task-management function=9 : ignore ; "
		"send task-management-response response=7 byte8=1 byte9=2 byte10=3\n",
		TASK_REPORTING_RFC3720);
	struct asked asked = {};
	struct io *io;

	assert_int_equal(initiator->negotiated.protocol_level, 2);
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_QUERY_TASK_SET),
			 MANAGEMENT_COMPLETE);
	assert_int_equal(ask_and_wait(initiator, TASK_MANAGEMENT_QUERY_ASYNCHRONOUS_EVENT),
			 MANAGEMENT_COMPLETE);
	io = initiator_read(initiator, 0, 1);
	asked.request.command = &io->command;
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_QUERY_TASK), -ESRCH);
	initiator_until(initiator, "command", 1);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_QUERY_TASK), 0);
	wait_for(&asked);
	assert_int_equal(asked.request.outcome, MANAGEMENT_SUCCEEDED);
	assert_memory_equal(asked.request.information, "\1\2\3", 3);
	assert_int_equal(io->done, 0);
	initiator_free(initiator);
}

/* RFC 7144 §6.3 */
static void a_nexus_reset_ends_the_session_as_announced(void **state)
{
	struct initiator *initiator = start_at_level_2(
		"want iSCSIProtocolLevel=2\non command : ignore\n", TASK_REPORTING_RFC3720);
	struct io *io = initiator_write(initiator, 0, 8);
	struct asked asked = {};

	initiator_until(initiator, "command", 1);
	assert_int_equal(ask(&asked, initiator, TASK_MANAGEMENT_I_T_NEXUS_RESET), 0);
	initiator_until_lost(initiator, SESSION_LOSS_ASKED);
	wait_for(&asked);
	assert_int_equal(asked.request.outcome, MANAGEMENT_COMPLETE);
	ends(io, SCSI_ABORTED);
	initiator_free(initiator);
}

/* Row 122, §11.9.1 event 5, and which tasks are over is asked for */
static void ended_tasks_get_no_more_data_and_the_event_is_acknowledged(void **state)
{
	struct initiator *initiator =
		initiator_new("want TaskReporting=FastAbort\nwant InitialR2T=Yes\n"
			      "on data-out #1 : send async event=5 ; delay 100\n");
	struct fake_pdu nop_out, async;
	struct io *io;

	initiator->settings.task_reporting = TASK_REPORTING_FAST_ABORT;
	initiator->settings.max_burst_length = 16776192;
	assert_int_equal(initiator_login(initiator), LOGIN_DONE);
	initiator_attach(initiator);
	io = initiator_write(initiator, 0, 65536);
	initiator_finish(initiator);
	ends(io, SCSI_ABORTED);
	assert_int_equal(fake_target_count(initiator->target, "data-out final=1"), 0);
	assert_int_equal(fake_target_count(initiator->target,
					   "task-management function=2 referenced=0xffffffff"),
			 1);
	assert_true(fake_target_find(initiator->target, "async", 0, &async));
	assert_true(fake_target_find(initiator->target, "nop-out", 0, &nop_out));
	assert_int_equal(fake_target_field(&nop_out, "exp_stat_sn"),
			 fake_target_field(&async, "stat_sn") + 1);
	/* a unit that we have nothing to do with is acknowledged as well, with its LUN */
	initiator_script(initiator, "send async event=5 lun=0x0003000000000000");
	initiator_until(initiator,
			"nop-out lun=0x0003000000000000 itt=0xffffffff ttt=0xffffffff immediate=1",
			1);
	initiator_verify(initiator, 0, 8);
	assert_int_equal(fake_target_count(initiator->target, "task-management"), 1);
	assert_int_equal(initiator->events, 0);
	initiator_free(initiator);
}

/* §11.9.1: without FastAbort the event means nothing */
static void the_end_of_tasks_means_nothing_without_fast_abort(void **state)
{
	struct initiator *initiator = initiator_start("");

	initiator_script(initiator, "send async event=5");
	initiator_verify(initiator, 0, 8);
	assert_int_equal(initiator->events, 1);
	assert_int_equal(fake_target_count(initiator->target, "nop-out"), 0);
	initiator_free(initiator);
}

struct reset {
	struct nexus_reset reset;
	struct initiator *initiator;
	unsigned done;
	int error;
};

static void reset_done(struct nexus_reset *reset, int error)
{
	struct reset *r = container_of(reset, struct reset, reset);

	r->done++;
	r->error = error;
	ring_stop(r->initiator->ring);
}

/* What whoever holds a nexus gets: scsi/nexus.h */
static void a_nexus_resets_its_unit_and_tells_how_it_ended(void **state)
{
	static const struct {
		const char *script;
		int error;
	} targets[] = {
		{"", 0},
		{"on task-management-response : set response=2\n", 0}, /* no such unit */
		{"on task-management-response : set response=5\n", -EOPNOTSUPP},
		{"on task-management : drop\n", -ENOTCONN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct initiator *initiator = initiator_start(targets[i].script);
		struct reset reset = {.reset.done = reset_done, .initiator = initiator};
		struct reset second = reset;

		initiator_script(initiator, "on command : ignore\n");
		initiator_write(initiator, 0, 8);
		initiator_until(initiator, "command", 1);
		assert_int_equal(nexus_reset(initiator->nexus, &reset.reset), 0);
		assert_int_equal(nexus_reset(initiator->nexus, &second.reset), -EBUSY);
		for (unsigned turns = 0; !reset.done; turns++) {
			assert_in_range(turns, 0, 5000);
			initiator_turn(initiator);
		}
		assert_int_equal(reset.error, targets[i].error);
		assert_int_equal(second.done, 0);
		assert_int_equal(fake_target_count(initiator->target, "task-management function=5"),
				 1);
		if (targets[i].error == 0)
			ends(initiator->ios[0], SCSI_ABORTED);
		if (targets[i].error == -ENOTCONN)
			assert_int_equal(nexus_reset(initiator->nexus, &second.reset), -ENOTCONN);
		initiator_free(initiator);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_abort_names_a_task),
		cmocka_unit_test(tasks_end_as_far_as_the_function_reaches),
		cmocka_unit_test(data_is_sent_on_while_a_reset_is_out),
		cmocka_unit_test(an_answer_before_that_of_the_reset_counts),
		cmocka_unit_test(fast_abort_sends_no_more_data),
		cmocka_unit_test(a_refused_fast_abort_lets_the_data_go_on),
		cmocka_unit_test(what_comes_behind_the_answer_to_a_reset_is_dropped),
		cmocka_unit_test(every_answer_to_a_reset_has_its_meaning),
		cmocka_unit_test(a_reset_without_an_answer_ends_the_session),
		cmocka_unit_test(a_cold_reset_ends_the_session_as_announced),
		cmocka_unit_test(commands_wait_while_a_reset_of_their_unit_is_out),
		cmocka_unit_test(a_reset_without_room_is_tried_again),
		cmocka_unit_test(a_nexus_resets_its_unit_and_tells_how_it_ended),
		cmocka_unit_test(queries_are_asked_at_level_2_only),
		cmocka_unit_test(queries_say_yes_and_no),
		cmocka_unit_test(a_nexus_reset_ends_the_session_as_announced),
		cmocka_unit_test(ended_tasks_get_no_more_data_and_the_event_is_acknowledged),
		cmocka_unit_test(the_end_of_tasks_means_nothing_without_fast_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
