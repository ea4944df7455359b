/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "iscsi/task_management.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

#define TASKS 40

struct fixture {
	struct task_management management;
	struct nexus nexus;
	struct scsi_command commands[TASKS];
	struct task tasks[TASKS];
};

static void setup(struct fixture *f)
{
	*f = (struct fixture){.nexus.lun = 0x0102030405060708};
	task_management_init(&f->management);
	for (uint32_t i = 0; i < TASKS; i++) {
		list_init(&f->tasks[i].link);
		cdb_test_unit_ready(&f->commands[i]);
		f->tasks[i].initiator_task_tag = 0x1000 + i;
		task_start(&f->tasks[i], &f->nexus, &f->commands[i]);
		f->tasks[i].cmd_sn = 0x2000 + i;
	}
}

static enum task_management_verdict answer(struct fixture *f, be32 tag, uint8_t code,
					   uint32_t *referenced)
{
	struct bhs_task_management_response response = {
		.opcode = PDU_TASK_MANAGEMENT_RESPONSE,
		.response = code,
		.initiator_task_tag = tag,
	};

	return task_management_response(&f->management, &response, referenced);
}

/* RFC 7143 §11.5 */
static void the_request_tells_which_task(void **state)
{
	struct fixture f;
	struct pdu_slot slot = {.owner = &f, .data_length = 9};
	const struct bhs_task_management_request *request = &slot.task_management;

	setup(&f);
	assert_false(task_management_next_pdu(&f.management, 77, &slot));
	task_management_abort(&f.management, &f.tasks[3]);
	assert_true(task_management_next_pdu(&f.management, 77, &slot));
	assert_int_equal(request->opcode, PDU_TASK_MANAGEMENT_REQUEST | PDU_IMMEDIATE);
	assert_int_equal(request->flags, PDU_FINAL | TASK_MANAGEMENT_ABORT_TASK);
	assert_int_equal(be64_get(request->lun), f.nexus.lun);
	assert_int_equal(be32_get(request->referenced_task_tag), 0x1003);
	assert_int_equal(be32_get(request->ref_cmd_sn), 0x2003);
	assert_int_equal(be32_get(request->cmd_sn), 77);
	assert_int_equal(be32_get(request->exp_data_sn), 0);
	assert_int_not_equal(be32_get(request->initiator_task_tag), RESERVED_TAG);
	assert_int_equal(slot.data_length, 0);
	assert_null(slot.owner);
}

static void one_request_at_a_time_in_the_order_of_the_wishes(void **state)
{
	struct fixture f;
	struct pdu_slot slot;
	uint32_t referenced, last_tag = RESERVED_TAG;

	setup(&f);
	for (uint32_t i = 0; i < TASKS; i++) {
		task_management_abort(&f.management, &f.tasks[TASKS - 1 - i]);
		task_management_abort(&f.management, &f.tasks[TASKS - 1 - i]);
	}
	for (uint32_t i = TASKS; i-- > 0;) {
		be32 tag;

		assert_true(task_management_next_pdu(&f.management, 1, &slot));
		tag = slot.task_management.initiator_task_tag;
		assert_int_not_equal(be32_get(tag), last_tag);
		last_tag = be32_get(tag);
		assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1000 + i);
		assert_false(task_management_next_pdu(&f.management, 1, &slot));
		assert_int_equal(answer(&f, tag, TASK_MANAGEMENT_COMPLETE, &referenced),
				 TASK_MANAGEMENT_TASK_OVER);
		assert_int_equal(referenced, 0x1000 + i);
	}
	assert_false(task_management_next_pdu(&f.management, 1, &slot));
}

static void a_task_that_ended_is_not_asked_for(void **state)
{
	struct fixture f;
	struct pdu_slot slot;

	setup(&f);
	for (uint32_t i = 0; i < 3; i++)
		task_management_abort(&f.management, &f.tasks[i]);
	task_management_forget(&f.tasks[1]);
	task_management_forget(&f.tasks[1]);
	task_management_forget(&f.tasks[0]);
	task_management_forget(&f.tasks[9]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1002);
}

/* §11.6.1, every code */
static void each_response_has_its_meaning(void **state)
{
	for (unsigned code = 0; code < 256; code++) {
		bool over = code == TASK_MANAGEMENT_COMPLETE || code == TASK_MANAGEMENT_NO_TASK ||
			    code == TASK_MANAGEMENT_NO_LUN;
		struct fixture f;
		struct pdu_slot slot;
		uint32_t referenced = 0;

		setup(&f);
		task_management_abort(&f.management, &f.tasks[5]);
		task_management_next_pdu(&f.management, 1, &slot);
		assert_int_equal(answer(&f, slot.task_management.initiator_task_tag, (uint8_t)code,
					&referenced),
				 over ? TASK_MANAGEMENT_TASK_OVER : TASK_MANAGEMENT_REFUSED);
		assert_int_equal(referenced, 0x1005);
		/* once */
		assert_int_equal(answer(&f, slot.task_management.initiator_task_tag, (uint8_t)code,
					&referenced),
				 TASK_MANAGEMENT_IGNORED);
	}
}

static void a_response_to_nothing_is_ignored(void **state)
{
	struct fixture f;
	struct pdu_slot slot;
	uint32_t referenced;
	be32 old;

	setup(&f);
	assert_int_equal(answer(&f, be32_of(RESERVED_TAG), 0, &referenced),
			 TASK_MANAGEMENT_IGNORED);
	task_management_abort(&f.management, &f.tasks[0]);
	task_management_next_pdu(&f.management, 1, &slot);
	old = slot.task_management.initiator_task_tag;
	assert_int_equal(answer(&f, be32_of(be32_get(old) + 1), 0, &referenced),
			 TASK_MANAGEMENT_IGNORED);
	/* of the connection before */
	task_management_init(&f.management);
	assert_int_equal(answer(&f, old, 0, &referenced), TASK_MANAGEMENT_IGNORED);
	task_management_abort(&f.management, &f.tasks[1]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_int_equal(answer(&f, old, 0, &referenced), TASK_MANAGEMENT_IGNORED);
}

static void a_rejected_request_comes_again_first_and_only_after_the_pause(void **state)
{
	struct fixture f;
	struct pdu_slot slot;
	uint32_t referenced;
	be32 first;

	setup(&f);
	task_management_abort(&f.management, &f.tasks[0]);
	task_management_abort(&f.management, &f.tasks[1]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	first = slot.task_management.initiator_task_tag;
	assert_true(task_management_rejected(&f.management, &f.tasks[0]));
	assert_false(task_management_next_pdu(&f.management, 1, &slot));
	/* a response to what was rejected is one to nothing */
	assert_int_equal(answer(&f, first, 0, &referenced), TASK_MANAGEMENT_IGNORED);
	task_management_abort(&f.management, &f.tasks[0]);
	task_management_resume(&f.management);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1000);
	assert_int_not_equal(be32_get(slot.task_management.initiator_task_tag), be32_get(first));
	assert_int_equal(answer(&f, slot.task_management.initiator_task_tag, 0, &referenced),
			 TASK_MANAGEMENT_TASK_OVER);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1001);
}

static void a_second_reject_is_a_refusal_but_each_task_has_its_own(void **state)
{
	struct fixture f;
	struct pdu_slot slot;

	setup(&f);
	for (unsigned i = 0; i < 2; i++) {
		task_management_abort(&f.management, &f.tasks[i]);
		assert_true(task_management_next_pdu(&f.management, 1, &slot));
		assert_true(task_management_rejected(&f.management, &f.tasks[i]));
		task_management_resume(&f.management);
		assert_true(task_management_next_pdu(&f.management, 1, &slot));
		assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1000 + i);
		if (i == 0)
			task_management_rejected(&f.management, NULL); /* over meanwhile */
		task_management_resume(&f.management);
	}
	assert_false(task_management_rejected(&f.management, &f.tasks[1]));
	/* a new task in its place starts anew */
	task_start(&f.tasks[1], &f.nexus, &f.commands[1]);
	task_management_init(&f.management);
	task_management_abort(&f.management, &f.tasks[1]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_true(task_management_rejected(&f.management, &f.tasks[1]));
}

static void a_pause_ends_with_the_connection(void **state)
{
	struct fixture f;
	struct pdu_slot slot;

	setup(&f);
	task_management_abort(&f.management, &f.tasks[0]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_true(task_management_rejected(&f.management, &f.tasks[0]));
	task_management_forget(&f.tasks[0]);
	task_management_init(&f.management);
	task_management_abort(&f.management, &f.tasks[1]);
	assert_true(task_management_next_pdu(&f.management, 1, &slot));
	assert_int_equal(be32_get(slot.task_management.referenced_task_tag), 0x1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_tells_which_task),
		cmocka_unit_test(one_request_at_a_time_in_the_order_of_the_wishes),
		cmocka_unit_test(a_task_that_ended_is_not_asked_for),
		cmocka_unit_test(each_response_has_its_meaning),
		cmocka_unit_test(a_response_to_nothing_is_ignored),
		cmocka_unit_test(a_rejected_request_comes_again_first_and_only_after_the_pause),
		cmocka_unit_test(a_second_reject_is_a_refusal_but_each_task_has_its_own),
		cmocka_unit_test(a_pause_ends_with_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
