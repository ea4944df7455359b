/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "session_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define DISK_BYTES (1u << 19)

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	struct fixture *f = userdata;

	assert_false(f->in_call);
	assert_false(session_attached(session));
	assert_false(fake_wire_busy(f->wire));
	f->lost++;
	f->loss = loss;
	f->error = error;
	f->wait_s = wait_s;
	snprintf(f->text, sizeof(f->text), "%s", text);
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
	struct fixture *f = userdata;

	f->async++;
	f->async_last = *message;
	f->async_left_out += message->left_out;
}

static void on_damaged(struct session *session, void *userdata)
{
	((struct fixture *)userdata)->damaged++;
}

static const struct session_observer observer = {
	.lost = on_lost,
	.async_event = on_async,
	.damaged = on_damaged,
};

void fixture_init(struct fixture *f)
{
	*f = (struct fixture){
		.ring = fake_ring_new(),
		.settings = {.commands_max = 64, .logout_timeout_ms = 10000},
		.negotiated = {.max_recv_data_segment_length = 262144,
			       .max_xmit_data_segment_length = 8192,
			       .max_burst_length = 65536,
			       .first_burst_length = 16384,
			       .max_outstanding_r2t = 1,
			       .max_connections = 1,
			       .initial_r2t = true,
			       .immediate_data = true,
			       .data_pdu_in_order = true,
			       .data_sequence_in_order = true},
		.outcome = {.cmd_sn = 1, .exp_cmd_sn = 1, .max_cmd_sn = 32, .exp_stat_sn = 1},
	};
	list_init(&f->ios);
}

void fixture_attach_early(struct fixture *f, const void *early, size_t early_bytes)
{
	if (f->wire) {
		target_deinit(&f->target);
		fake_wire_free(f->wire);
	}
	f->wire = fake_wire_new(f->ring);
	target_init(&f->target, f->wire, &f->negotiated, DISK_BYTES);
	f->target.exp_cmd_sn = f->outcome.exp_cmd_sn;
	f->target.max_cmd_sn = f->outcome.max_cmd_sn;
	f->target.window = f->outcome.max_cmd_sn + 1 - f->outcome.exp_cmd_sn;
	f->target.stat_sn = f->target.heard_stat_sn = f->outcome.exp_stat_sn;
	assert_int_equal(session_attach(f->session, fake_wire_fd(f->wire), &f->negotiated,
					&f->outcome, early, early_bytes),
			 0);
	assert_true(session_attached(f->session));
}

void fixture_attach(struct fixture *f)
{
	if (!f->session)
		assert_int_equal(session_new(f->ring, &f->settings, &observer, f, &f->session), 0);
	if (!f->nexus)
		assert_int_equal(session_unit(f->session, FIXTURE_LUN, &f->nexus), 0);
	fixture_attach_early(f, NULL, 0);
	assert_true(f->nexus->up);
}

void fixture_start(struct fixture *f, bool serves)
{
	fixture_init(f);
	fixture_attach(f);
	f->target.serves = serves;
}

void fixture_deinit(struct fixture *f)
{
	struct io *io;

	if (f->session && session_attached(f->session)) {
		session_drop(f->session, "the test is over");
		fake_wire_run(f->wire);
	}
	while ((io = list_pop(&f->ios, struct io, link))) {
		assert_int_equal(io->done, 1);
		free(io->data);
		free(io);
	}
	session_free(f->session);
	if (f->wire) {
		assert_true(fake_wire_closed(f->wire));
		target_deinit(&f->target);
		fake_wire_free(f->wire);
	}
	assert_int_equal(fake_ring_timers(f->ring), 0);
	ring_free(f->ring);
}

void fixture_run(struct fixture *f)
{
	fake_wire_run(f->wire);
}

void fixture_advance(struct fixture *f, unsigned ms)
{
	fake_wire_advance(f->wire, ms);
}

static void io_done(struct scsi_command *command)
{
	struct io *io = container_of(command, struct io, command);

	assert_false(io->fixture->in_call);
	io->done++;
	assert_int_equal(io->done, 1);
	if (io->then)
		io->then(io);
}

struct io *io_make(struct fixture *f, enum scsi_direction direction, uint32_t offset,
		   uint32_t length)
{
	struct io *io = calloc(1, sizeof(*io));

	assert_non_null(io);
	io->fixture = f;
	io->data = malloc(length);
	if (direction == SCSI_DATA_IN)
		cdb_read_16(&io->command, 0, offset, length, 1);
	else if (direction == SCSI_DATA_OUT)
		cdb_write_16(&io->command, 0, offset, length, 1);
	else
		cdb_test_unit_ready(&io->command);
	io->command.data = io->data;
	io->command.done = io_done;
	for (uint32_t i = 0; direction == SCSI_DATA_OUT && i < length; i++)
		io->data[i] = (uint8_t)(offset + i * 7 + (i >> 8) + 1);
	memset(&io->command.result, 0xee, sizeof(io->command.result));
	list_append(&f->ios, &io->link);
	return io;
}

int io_submit(struct io *io)
{
	int r;

	io->fixture->in_call = true;
	r = nexus_execute(io->fixture->nexus, &io->command);
	io->fixture->in_call = false;
	return r;
}

struct io *io_read(struct fixture *f, uint32_t offset, uint32_t length)
{
	struct io *io = io_make(f, SCSI_DATA_IN, offset, length);

	assert_int_equal(io_submit(io), 0);
	return io;
}

struct io *io_write(struct fixture *f, uint32_t offset, uint32_t length)
{
	struct io *io = io_make(f, SCSI_DATA_OUT, offset, length);

	assert_int_equal(io_submit(io), 0);
	return io;
}

void io_abort(struct io *io)
{
	io->fixture->in_call = true;
	nexus_abort(io->fixture->nexus, &io->command);
	io->fixture->in_call = false;
}

void io_ended(const struct io *io, enum scsi_outcome outcome)
{
	assert_int_equal(io->done, 1);
	assert_int_equal(io->command.result.outcome, outcome);
}

void io_pending(const struct io *io)
{
	assert_int_equal(io->done, 0);
}

void fixture_lost(const struct fixture *f, enum session_loss loss, const char *says)
{
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->loss, loss);
	if (!strstr(f->text, says))
		fail_msg("\"%s\" does not say \"%s\"", f->text, says);
	assert_false(session_attached(f->session));
	assert_false(f->nexus->up);
	assert_true(fake_wire_closed(f->wire));
}
