/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Commands that are given back unanswered, and how units hear that their session is suspect. Each
 * abandoned command's memory is freed in its done(): whatever still wrote to it would be found by
 * the address sanitizer, and by the bytes that the tests count on.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/pdu.h"
#include "session_fixture.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define LENGTH 20000

static uint8_t bytes[LENGTH];

/* done(): nobody may touch its memory from now on. */
static void free_data(struct io *io)
{
	free(io->data);
	io->data = NULL;
	io->command.data = NULL;
}

static struct io *read_of(struct fixture *f)
{
	struct io *io = io_read(f, 0, LENGTH);

	memset(io->data, 0x11, LENGTH);
	io->then = free_data;
	fixture_run(f);
	return io;
}

static void abandon(struct io *io)
{
	io->fixture->in_call = true;
	nexus_abandon(io->fixture->nexus, &io->command);
	io->fixture->in_call = false;
}

static be32 take_tag(struct fixture *f)
{
	const struct bhs_scsi_command *command = target_take(&f->target, PDU_SCSI_COMMAND);

	return command->initiator_task_tag;
}

static void send_rest(struct fixture *f, be32 tag, uint32_t data_sn, uint32_t offset)
{
	target_data_in(&f->target, tag, data_sn, offset, bytes, LENGTH - offset,
		       PDU_FINAL | DATA_IN_STATUS);
	fixture_run(f);
}

/* The session works: another command goes out and is answered. */
static void expect_life(struct fixture *f)
{
	struct io *io = io_make(f, SCSI_NO_DATA, 0, 0);

	assert_int_equal(io_submit(io), 0);
	fixture_run(f);
	target_respond(&f->target, take_tag(f), SCSI_GOOD);
	fixture_run(f);
	io_ended(io, SCSI_COMPLETED);
	assert_int_equal(f->lost, 0);
}

static void an_unanswered_read_comes_back_at_once_and_its_late_data_land_nowhere(void **state)
{
	struct fixture f;
	struct io *io;
	be32 tag;

	fixture_start(&f, false);
	io = read_of(&f);
	tag = take_tag(&f);
	abandon(io);
	io_pending(io);
	fake_ring_turn(f.ring);
	io_ended(io, SCSI_IN_DOUBT);
	send_rest(&f, tag, 0, 0);
	expect_life(&f);
	fixture_deinit(&f);
}

static void a_receive_into_its_memory_is_over_before_it_comes_back(void **state)
{
	/* bytes that arrive before it is abandoned, and per receive; cancelled late or not */
	static const struct {
		uint32_t given;
		bool late;
	} ways[] = {{8000, false}, {8000, true}, {48, false}, {1000, true}, {LENGTH - 10, false}};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct fixture f;
		struct io *io;
		be32 tag;

		fixture_start(&f, false);
		io = read_of(&f);
		tag = take_tag(&f);
		fake_wire_limit(f.wire, 1000, 0);
		fake_wire_cancel_late(f.wire, ways[i].late);
		target_data_in(&f.target, tag, 0, 0, bytes, LENGTH, PDU_FINAL | DATA_IN_STATUS);
		for (uint32_t n = 0; n < ways[i].given; n += 1000)
			fake_wire_run_once(f.wire);
		abandon(io);
		abandon(io); /* asked twice, given back once */
		fixture_run(&f);
		io_ended(io, SCSI_IN_DOUBT);
		expect_life(&f);
		fixture_deinit(&f);
	}
}

static void what_was_received_before_stays_and_nothing_is_added(void **state)
{
	struct fixture f;
	struct io *io;
	be32 tag;

	fixture_start(&f, false);
	io = read_of(&f);
	io->then = NULL;
	tag = take_tag(&f);
	memset(bytes, 0x22, sizeof(bytes));
	target_data_in(&f.target, tag, 0, 0, bytes, 8000, PDU_FINAL);
	fixture_run(&f);
	abandon(io);
	fixture_run(&f);
	io_ended(io, SCSI_IN_DOUBT);
	send_rest(&f, tag, 1, 8000);
	assert_int_equal(io->data[7999], 0x22);
	assert_int_equal(io->data[8000], 0x11);
	assert_int_equal(io->data[LENGTH - 1], 0x11);
	expect_life(&f);
	fixture_deinit(&f);
}

static void a_read_that_is_answered_while_it_is_let_go_counts_as_answered(void **state)
{
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = read_of(&f);
	fake_wire_cancel_late(f.wire, true);
	fake_wire_limit(f.wire, 10000, 0);
	target_data_in(&f.target, take_tag(&f), 0, 0, bytes, LENGTH, PDU_FINAL | DATA_IN_STATUS);
	fake_wire_run_once(f.wire);
	fake_wire_limit(f.wire, 0, 0);
	abandon(io);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	expect_life(&f);
	fixture_deinit(&f);
}

static unsigned attentions;

static void count_attention(struct nexus_holder *holder, struct nexus *nexus,
			    const struct scsi_result *result)
{
	assert_int_equal(result->sense[12], 0x3f);
	attentions++;
}

static void its_unit_attention_is_told_to_who_uses_the_unit(void **state)
{
	/* whole; not a unit attention; cut short; a deferred error */
	static const uint8_t senses[][20] = {
		{0, 18, 0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e},
		{0, 18, 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e},
		{0, 1, 0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e},
		{0, 18, 0x71, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e},
	};
	struct nexus_holder holder = {.attention = count_attention};

	for (size_t i = 0; i < ARRAY_SIZE(senses); i++) {
		struct bhs_scsi_response response = {
			.opcode = PDU_SCSI_RESPONSE,
			.flags = PDU_FINAL,
			.status = SCSI_CHECK_CONDITION,
		};
		struct fixture f;
		struct io *io;

		attentions = 0;
		fixture_start(&f, false);
		f.nexus->holder = &holder;
		io = read_of(&f);
		response.initiator_task_tag = take_tag(&f);
		abandon(io);
		fixture_run(&f);
		target_send(&f.target, &response, senses[i], sizeof(senses[i]));
		fixture_run(&f);
		assert_int_equal(attentions, i == 0);
		f.nexus->holder = NULL;
		expect_life(&f);
		fixture_deinit(&f);
	}
}

static void what_was_not_sent_comes_back_not_sent(void **state)
{
	struct fixture f;
	struct io *first, *second;

	fixture_init(&f);
	f.settings.commands_max = 1;
	fixture_attach(&f);
	first = io_read(&f, 0, LENGTH);	 /* has a tag */
	second = io_read(&f, 0, LENGTH); /* waits for one */
	abandon(first);
	abandon(second);
	fake_ring_turn(f.ring);
	io_ended(first, SCSI_NOT_SENT);
	io_ended(second, SCSI_NOT_SENT);
	fixture_run(&f);
	assert_true(target_idle(&f.target));
	fixture_deinit(&f);
}

static void its_tag_is_taken_until_the_target_is_through_with_it(void **state)
{
	struct fixture f;
	struct io *io, *next;
	be32 tag;

	fixture_init(&f);
	f.settings.commands_max = 1;
	fixture_attach(&f);
	io = read_of(&f);
	tag = take_tag(&f);
	abandon(io);
	fixture_run(&f);
	next = io_read(&f, 0, 4);
	fixture_run(&f);
	assert_true(target_idle(&f.target));
	target_respond(&f.target, tag, SCSI_BUSY);
	fixture_run(&f);
	take_tag(&f);
	io_pending(next);
	fixture_deinit(&f);
}

static void it_is_aborted_when_it_takes_too_long(void **state)
{
	const struct bhs_task_management_request *request;
	struct fixture f;
	struct io *io;
	be32 tag;

	fixture_start(&f, false);
	io = read_of(&f);
	tag = take_tag(&f);
	abandon(io);
	fixture_advance(&f, 4999);
	io_ended(io, SCSI_IN_DOUBT);
	assert_true(target_idle(&f.target));
	fixture_advance(&f, 251);
	request = target_take(&f.target, PDU_TASK_MANAGEMENT_REQUEST);
	assert_int_equal(request->flags, PDU_FINAL | TASK_MANAGEMENT_ABORT_TASK);
	assert_memory_equal(&request->referenced_task_tag, &tag, sizeof(tag));
	fixture_advance(&f, 2000);
	assert_true(target_idle(&f.target));
	target_management_respond(&f.target, request->initiator_task_tag, TASK_MANAGEMENT_COMPLETE);
	fixture_run(&f);
	expect_life(&f);
	fixture_deinit(&f);
}

static void the_end_of_the_connection_ends_what_is_abandoned_and_what_is_let_go(void **state)
{
	for (unsigned asked = 0; asked < 2; asked++) {
		struct fixture f;
		struct io *abandoned, *filling;
		be32 tag;

		fixture_start(&f, false);
		abandoned = read_of(&f);
		take_tag(&f);
		filling = read_of(&f);
		tag = take_tag(&f);
		abandon(abandoned);
		fake_wire_limit(f.wire, 1000, 0);
		target_data_in(&f.target, tag, 0, 0, bytes, 9000, PDU_FINAL);
		fake_wire_run_once(f.wire);
		fake_wire_run_once(f.wire);
		if (asked)
			abandon(filling);
		session_drop(f.session, "for the test");
		fixture_run(&f);
		io_ended(abandoned, SCSI_IN_DOUBT);
		io_ended(filling, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

static void a_logout_waits_for_it_no_longer_than_for_others(void **state)
{
	const struct bhs_logout_request *request;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = read_of(&f);
	take_tag(&f);
	abandon(io);
	fake_ring_turn(f.ring);
	session_logout(f.session);
	fixture_advance(&f, 2000);
	request = target_take(&f.target, PDU_LOGOUT_REQUEST);
	target_logout_respond(&f.target, request->initiator_task_tag, LOGOUT_CLOSED);
	fixture_run(&f);
	assert_int_equal(f.loss, SESSION_LOSS_LOGOUT);
	fixture_deinit(&f);
}

/* --- health --- */

struct watch {
	struct nexus_holder holder;
	unsigned calls;
	enum nexus_health health;
};

static void health_changed(struct nexus_holder *holder, struct nexus *nexus, const char *reason)
{
	struct watch *watch = container_of(holder, struct watch, holder);

	assert_true(reason[0] != '\0');
	watch->calls++;
	watch->health = nexus->health;
}

static void start_with(struct fixture *f, struct watch *watch, uint32_t suspect_timeout_ms)
{
	fixture_init(f);
	f->settings.noop_interval_ms = 5000;
	f->settings.noop_timeout_ms = 3000;
	f->settings.suspect_ms = 250;
	f->settings.suspect_timeout_ms = suspect_timeout_ms;
	fixture_attach(f);
	*watch = (struct watch){.holder.health_changed = health_changed};
	f->nexus->holder = &watch->holder;
	nexus_set_last_path(f->nexus, false);
	fixture_advance(f, 1000);
}

static void start_watched(struct fixture *f, struct watch *watch)
{
	start_with(f, watch, 750);
}

static void silence_under_commands_makes_every_unit_suspect_until_a_byte_comes(void **state)
{
	struct watch watch, other_watch = {.holder.health_changed = health_changed};
	struct nexus *other;
	struct fixture f;
	be32 tag;

	start_watched(&f, &watch);
	assert_int_equal(session_unit(f.session, 0, &other), 0);
	other->holder = &other_watch.holder;
	read_of(&f);
	tag = take_tag(&f);
	fixture_advance(&f, 249);
	assert_int_equal(watch.calls, 0);
	fixture_advance(&f, 1);
	assert_int_equal(watch.calls, 1);
	assert_int_equal(watch.health, NEXUS_SUSPECT);
	assert_int_equal(other_watch.calls, 1);
	assert_int_equal(other->health, NEXUS_SUSPECT);
	fixture_advance(&f, 100);
	assert_int_equal(watch.calls, 1);
	send_rest(&f, tag, 0, 0);
	assert_int_equal(watch.calls, 2);
	assert_int_equal(watch.health, NEXUS_WELL);
	assert_int_equal(other->health, NEXUS_WELL);
	fixture_deinit(&f);
}

static void an_answered_ping_is_life_enough(void **state)
{
	const struct bhs_nop_out *ping;
	struct watch watch;
	struct fixture f;

	start_watched(&f, &watch);
	read_of(&f);
	take_tag(&f);
	fixture_advance(&f, 250);
	assert_int_equal(watch.health, NEXUS_SUSPECT);
	ping = target_take(&f.target, PDU_NOP_OUT);
	fixture_advance(&f, 600); /* slow, not dead */
	target_nop_in(&f.target, be32_get(ping->initiator_task_tag), RESERVED_TAG, 0);
	fixture_run(&f);
	assert_int_equal(watch.health, NEXUS_WELL);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

static void neither_idleness_nor_the_last_path_is_suspected(void **state)
{
	struct watch watch;
	struct fixture f;

	start_watched(&f, &watch);
	fixture_advance(&f, 2000);
	nexus_set_last_path(f.nexus, true);
	read_of(&f);
	fixture_advance(&f, 2000);
	assert_int_equal(watch.calls, 0);
	fixture_deinit(&f);
}

static void a_new_connection_is_well_and_so_is_none(void **state)
{
	struct watch watch;
	struct fixture f;

	start_watched(&f, &watch);
	read_of(&f);
	fixture_advance(&f, 300);
	assert_int_equal(f.nexus->health, NEXUS_SUSPECT);
	session_drop(f.session, "for the test");
	fixture_run(&f);
	assert_int_equal(f.nexus->health, NEXUS_WELL);
	assert_int_equal(watch.calls, 1);
	fixture_attach(&f);
	read_of(&f);
	fixture_advance(&f, 300);
	assert_int_equal(watch.calls, 2);
	fixture_deinit(&f);
}

static void abandoned_reads_keep_the_session_busy_so_that_its_death_is_noticed(void **state)
{
	struct watch watch;
	struct fixture f;
	struct io *io;

	start_watched(&f, &watch);
	io = read_of(&f);
	fixture_advance(&f, 250);
	abandon(io);
	fake_ring_turn(f.ring);
	io_ended(io, SCSI_IN_DOUBT);
	fixture_advance(&f, 750);
	fixture_lost(&f, SESSION_LOSS_TIMEOUT, "does not answer");
	fixture_deinit(&f);
}

/* --- aborts --- */

static void an_abort_that_is_not_answered_ends_the_session_soon_when_other_paths_exist(void **state)
{
	for (unsigned last = 0; last < 2; last++) {
		struct watch watch;
		struct fixture f;
		struct io *io;

		fixture_init(&f);
		f.settings.suspect_ms = 250;
		f.settings.suspect_timeout_ms = 60000;
		f.settings.abort_timeout_ms = 15000;
		fixture_attach(&f);
		watch = (struct watch){.holder.health_changed = health_changed};
		f.nexus->holder = &watch.holder;
		nexus_set_last_path(f.nexus, last);
		io = read_of(&f);
		io_abort(io);
		fixture_advance(&f, last ? 14999 : 999);
		assert_int_equal(f.lost, 0);
		fixture_advance(&f, 1);
		fixture_lost(&f, SESSION_LOSS_LOCAL, "task management");
		io_ended(io, SCSI_IN_DOUBT);
		fixture_deinit(&f);
	}
}

/* --- a window that stays closed --- */

static void a_window_that_stays_closed_throttles_and_then_ends_the_session(void **state)
{
	struct watch watch;
	struct fixture f;
	struct io *sent, *waiting;
	be32 tag;

	start_watched(&f, &watch);
	f.target.window = 0; /* by hand */
	for (uint32_t i = 0; i < 32; i++)
		sent = read_of(&f);
	waiting = io_read(&f, 0, 4);
	tag = take_tag(&f);
	for (unsigned ms = 0; ms < 5000; ms += 200) { /* it lives, and answers pings only */
		assert_int_equal(f.nexus->health, NEXUS_WELL);
		target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
		fixture_run(&f);
		fixture_advance(&f, 200);
	}
	assert_int_equal(watch.health, NEXUS_THROTTLED);
	f.target.max_cmd_sn++;
	send_rest(&f, tag, 0, 0); /* a command was answered: one more may come */
	assert_int_equal(watch.health, NEXUS_WELL);
	assert_int_equal(watch.calls, 2);
	io_read(&f, 0, 4);
	for (unsigned ms = 0; ms < 15000; ms += 200) {
		assert_int_equal(f.lost, 0);
		target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
		fixture_run(&f);
		fixture_advance(&f, 200);
	}
	fixture_run(&f);
	fixture_lost(&f, SESSION_LOSS_LOCAL, "takes no commands");
	io_ended(sent, SCSI_IN_DOUBT);
	io_ended(waiting, SCSI_IN_DOUBT);
	fixture_deinit(&f);
}

static void the_last_path_waits_for_the_window_however_long_it_takes(void **state)
{
	struct watch watch;
	struct fixture f;
	struct io *waiting;

	start_watched(&f, &watch);
	nexus_set_last_path(f.nexus, true);
	f.target.window = 0;
	for (uint32_t i = 0; i < 32; i++)
		read_of(&f);
	waiting = io_read(&f, 0, 4);
	for (unsigned ms = 0; ms < 60000; ms += 500) {
		target_nop_in(&f.target, RESERVED_TAG, RESERVED_TAG, 0);
		fixture_run(&f);
		fixture_advance(&f, 500);
	}
	assert_int_equal(f.lost, 0);
	assert_int_equal(watch.health, NEXUS_THROTTLED);
	io_pending(waiting);
	fixture_deinit(&f);
}

/* --- what the network says --- */

static void a_router_that_says_unreachable_makes_it_suspect_and_then_ends_it(void **state)
{
	static const int errors[] = {-EHOSTUNREACH, -ENETUNREACH, -EHOSTDOWN,
				     -ECONNREFUSED, -ENOPROTOOPT, -EACCES};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct watch watch;
		struct fixture f;

		start_with(&f, &watch, 5000);
		read_of(&f);
		fake_wire_complain(f.wire, errors[i]);
		fixture_run(&f);
		assert_int_equal(watch.health, NEXUS_SUSPECT);
		fixture_advance(&f, 900);
		fake_wire_complain(f.wire, errors[i]); /* again: the first one counts */
		fixture_run(&f);
		assert_int_equal(f.lost, 0);
		fixture_advance(&f, 350);
		fixture_lost(&f, SESSION_LOSS_TIMEOUT, "cannot be reached");
		fixture_deinit(&f);
	}
}

static void after_a_complaint_the_next_byte_makes_it_well_again(void **state)
{
	struct watch watch;
	struct fixture f;
	be32 tag;

	start_watched(&f, &watch);
	read_of(&f);
	tag = take_tag(&f);
	fake_wire_complain(f.wire, -EHOSTUNREACH);
	fixture_run(&f);
	assert_int_equal(watch.health, NEXUS_SUSPECT);
	send_rest(&f, tag, 0, 0);
	assert_int_equal(watch.health, NEXUS_WELL);
	expect_life(&f);
	fixture_deinit(&f);
}

static void on_the_last_path_a_complaint_changes_nothing(void **state)
{
	struct watch watch;
	struct fixture f;

	start_watched(&f, &watch);
	nexus_set_last_path(f.nexus, true);
	read_of(&f);
	fake_wire_complain(f.wire, -EHOSTUNREACH);
	fixture_advance(&f, 3000);
	assert_int_equal(watch.calls, 0);
	assert_int_equal(f.lost, 0);
	fixture_deinit(&f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unanswered_read_comes_back_at_once_and_its_late_data_land_nowhere),
		TEST(a_receive_into_its_memory_is_over_before_it_comes_back),
		TEST(what_was_received_before_stays_and_nothing_is_added),
		TEST(a_read_that_is_answered_while_it_is_let_go_counts_as_answered),
		TEST(its_unit_attention_is_told_to_who_uses_the_unit),
		TEST(what_was_not_sent_comes_back_not_sent),
		TEST(its_tag_is_taken_until_the_target_is_through_with_it),
		TEST(it_is_aborted_when_it_takes_too_long),
		TEST(the_end_of_the_connection_ends_what_is_abandoned_and_what_is_let_go),
		TEST(a_logout_waits_for_it_no_longer_than_for_others),
		TEST(silence_under_commands_makes_every_unit_suspect_until_a_byte_comes),
		TEST(an_answered_ping_is_life_enough),
		TEST(neither_idleness_nor_the_last_path_is_suspected),
		TEST(a_new_connection_is_well_and_so_is_none),
		TEST(abandoned_reads_keep_the_session_busy_so_that_its_death_is_noticed),
		TEST(an_abort_that_is_not_answered_ends_the_session_soon_when_other_paths_exist),
		TEST(a_window_that_stays_closed_throttles_and_then_ends_the_session),
		TEST(the_last_path_waits_for_the_window_however_long_it_takes),
		TEST(a_router_that_says_unreachable_makes_it_suspect_and_then_ends_it),
		TEST(after_a_complaint_the_next_byte_makes_it_well_again),
		TEST(on_the_last_path_a_complaint_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
