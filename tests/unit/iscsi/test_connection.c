/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A session over the kernel's sockets and its io_uring, with a peer on the same thread: what
 * test_session.c does on a fake wire holds there too. The ring runs turn by turn until something is
 * so; the number of turns is the only limit.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iscsi/session.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "target.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"
#include "util/ring.h"

#define DISK_BYTES (8u << 20)
#define TURNS_MAX  2000000
#define QUEUE	   32

/* The target's end of the socket, in the shape that target.c knows. */
struct fake_wire {
	int fd;
	uint8_t *in, *out;
	size_t in_start, in_end, out_start, out_end;
	bool (*peer)(void *userdata);
	void *userdata;
	int end; /* what the last read said: 1 = open, 0 = FIN, or -errno */
};

#define STREAM_MAX (32u << 20)

const uint8_t *fake_wire_taken(const struct fake_wire *wire, size_t *length)
{
	*length = wire->in_end - wire->in_start;
	return wire->in + wire->in_start;
}

void fake_wire_skip(struct fake_wire *wire, size_t length)
{
	wire->in_start += length;
	if (wire->in_start == wire->in_end)
		wire->in_start = wire->in_end = 0;
}

void fake_wire_give(struct fake_wire *wire, const void *bytes, size_t length)
{
	if (wire->out_start == wire->out_end)
		wire->out_start = wire->out_end = 0;
	assert_true(STREAM_MAX - wire->out_end >= length);
	if (length)
		memcpy(wire->out + wire->out_end, bytes, length);
	wire->out_end += length;
}

void fake_wire_set_peer(struct fake_wire *wire, bool (*peer)(void *userdata), void *userdata)
{
	wire->peer = peer;
	wire->userdata = userdata;
}

static void wire_move(struct fake_wire *wire)
{
	ssize_t n;

	if (wire->fd < 0)
		return;
	while (wire->end == 1 && (n = recv(wire->fd, wire->in + wire->in_end,
					   STREAM_MAX - wire->in_end, MSG_DONTWAIT)) != -1) {
		wire->in_end += (size_t)n;
		if (n == 0)
			wire->end = 0;
	}
	if (wire->end == 1 && errno != EAGAIN)
		wire->end = -errno;
	wire->peer(wire->userdata);
	while (wire->out_start < wire->out_end) {
		n = send(wire->fd, wire->out + wire->out_start, wire->out_end - wire->out_start,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break;
		wire->out_start += (size_t)n;
	}
}

struct fixture {
	struct ring *ring;
	struct deferred stop;
	struct session *session;
	struct nexus *nexus;
	struct negotiated negotiated;
	struct fake_wire wire;
	struct target target;
	unsigned lost, ended;
	enum session_loss loss;
	enum scsi_outcome outcome; /* of what ended last */
};

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	struct fixture *f = userdata;

	f->lost++;
	f->loss = loss;
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
}

static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};

static void stop_ring(struct deferred *deferred)
{
	ring_stop(container_of(deferred, struct fixture, stop)->ring);
}

static void turn(struct fixture *f)
{
	ring_defer(f->ring, &f->stop);
	assert_int_equal(ring_run(f->ring), 0);
	wire_move(&f->wire);
}

#define TURN_UNTIL(f, condition) \
	do { \
		unsigned turns_ = 0; \
\
		while (!(condition)) { \
			assert_in_range(turns_++, 0, TURNS_MAX); \
			turn(f); \
		} \
	} while (0)

static void connect_pair(int family, int pair[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener;

	if (family == AF_UNIX) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		return;
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&address, sizeof(address)), 0);
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	close(listener);
}

static void attach(struct fixture *f, int family, int buffer_bytes)
{
	static const struct login_outcome outcome = {
		.cmd_sn = 0xfffffff0, .exp_cmd_sn = 0xfffffff0, .max_cmd_sn = 15, .exp_stat_sn = 7};
	int pair[2];

	connect_pair(family, pair);
	if (buffer_bytes) {
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	}
	f->wire.fd = pair[1];
	f->wire.end = 1;
	f->wire.in_start = f->wire.in_end = f->wire.out_start = f->wire.out_end = 0;
	target_init(&f->target, &f->wire, &f->negotiated, DISK_BYTES);
	f->target.serves = true;
	f->target.exp_cmd_sn = outcome.exp_cmd_sn;
	f->target.max_cmd_sn = outcome.max_cmd_sn;
	f->target.window = 32;
	f->target.stat_sn = f->target.heard_stat_sn = outcome.exp_stat_sn;
	assert_int_equal(session_attach(f->session, pair[0], &f->negotiated, &outcome, NULL, 0), 0);
}

static int setup(void **state)
{
	static const struct session_settings settings = {.commands_max = QUEUE};
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->negotiated = (struct negotiated){
		.header_digest = true,
		.data_digest = true,
		.max_recv_data_segment_length = 262144,
		.max_xmit_data_segment_length = 65536,
		.max_burst_length = 262144,
		.first_burst_length = 131072,
		.max_outstanding_r2t = 1,
		.immediate_data = true,
		.data_pdu_in_order = true,
		.data_sequence_in_order = true,
	};
	f->wire.fd = -1;
	f->wire.in = malloc(STREAM_MAX);
	f->wire.out = malloc(STREAM_MAX);
	deferred_init(&f->stop, stop_ring);
	return ring_new(64, &f->ring) ||
	       session_new(f->ring, &settings, &observer, f, &f->session) ||
	       session_unit(f->session, 0, &f->nexus);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->wire.fd >= 0)
		close(f->wire.fd);
	target_deinit(&f->target);
	session_free(f->session);
	ring_free(f->ring);
	free(f->wire.in);
	free(f->wire.out);
	free(f);
	return 0;
}

struct io {
	struct scsi_command command;
	struct fixture *fixture;
	uint8_t *data;
};

static void io_done(struct scsi_command *command)
{
	struct io *io = container_of(command, struct io, command);

	io->fixture->ended++;
	io->fixture->outcome = command->result.outcome;
}

static struct io *io_submit(struct fixture *f, bool write, uint32_t offset, uint32_t length)
{
	struct io *io = calloc(1, sizeof(*io));

	(write ? cdb_write_16 : cdb_read_16)(&io->command, 0, offset, length, 1);
	io->fixture = f;
	io->data = malloc(length);
	for (uint32_t i = 0; write && i < length; i++)
		io->data[i] = (uint8_t)(offset * 13 + i * 5 + (i >> 9));
	io->command.data = io->data;
	io->command.done = io_done;
	assert_int_equal(nexus_execute(f->nexus, &io->command), 0);
	return io;
}

static void io_free(struct io *io)
{
	free(io->data);
	free(io);
}

/* Small socket buffers: sends are short, and large PDUs come in pieces. */
static void data_is_right_through_small_socket_buffers(void **state)
{
	static const int sizes[] = {0, 2048, 9000, 100000};
	struct fixture *f = *state;
	struct io *ios[QUEUE];

	for (size_t i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
		attach(f, i % 2 ? AF_INET : AF_UNIX, sizes[i / 2]);
		for (unsigned phase = 0; phase < 2; phase++) {
			f->ended = 0;
			for (uint32_t j = 0; j < QUEUE; j++)
				ios[j] = io_submit(f, phase == 0, j * 200000, j * 5003 + 1);
			TURN_UNTIL(f, f->ended == QUEUE);
			for (uint32_t j = 0; j < QUEUE; j++) {
				assert_true(scsi_command_good(&ios[j]->command));
				assert_memory_equal(ios[j]->data, f->target.disk + j * 200000,
						    j * 5003 + 1);
				io_free(ios[j]);
			}
		}
		assert_int_equal(f->lost, 0);
		session_logout(f->session);
		TURN_UNTIL(f, f->target.pdu_count == 1);
		target_logout_respond(&f->target, f->target.pdus[0].bhs.initiator_task_tag,
				      LOGOUT_CLOSED);
		/* §4.2.6: after a logout the end is a FIN */
		TURN_UNTIL(f, f->lost && f->wire.end != 1);
		assert_int_equal(f->loss, SESSION_LOSS_LOGOUT);
		assert_int_equal(f->wire.end, 0);
		f->lost = 0;
		close(f->wire.fd);
		f->wire.fd = -1;
		target_deinit(&f->target);
		f->target.disk = NULL;
		f->target.pdu_count = 0;
	}
}

/* The target closes while the kernel writes into our memory and reads from it. */
static void a_close_by_the_target_gives_everything_back(void **state)
{
	struct fixture *f = *state;
	struct io *ios[QUEUE];

	attach(f, AF_INET, 4096);
	for (uint32_t j = 0; j < QUEUE; j++)
		ios[j] = io_submit(f, j % 2, 0, 150000);
	TURN_UNTIL(f, f->target.counts[PDU_SCSI_COMMAND] > 3);
	close(f->wire.fd);
	f->wire.fd = -1;
	TURN_UNTIL(f, f->ended == QUEUE);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->loss, SESSION_LOSS_CLOSED);
	for (uint32_t j = 0; j < QUEUE; j++)
		io_free(ios[j]);
}

/* A drop with both directions stuck: nothing more of ours may reach the target, so it is a RST. */
static void a_drop_gives_everything_back_and_resets(void **state)
{
	struct fixture *f = *state;
	struct io *ios[QUEUE];

	attach(f, AF_INET, 4096);
	for (uint32_t j = 0; j < QUEUE; j++)
		ios[j] = io_submit(f, j % 2, 0, 150000);
	TURN_UNTIL(f, f->target.counts[PDU_SCSI_COMMAND] > 3);
	session_drop(f->session, "for the test");
	assert_int_equal(f->ended, 0);
	while (f->ended < QUEUE) {
		ring_defer(f->ring, &f->stop);
		ring_run(f->ring);
	}
	assert_int_equal(f->loss, SESSION_LOSS_LOCAL);
	for (uint32_t j = 0; j < QUEUE; j++)
		io_free(ios[j]);
	f->target.serves = false;
	fake_wire_set_peer(&f->wire, NULL, NULL);
	while (recv(f->wire.fd, f->wire.in, STREAM_MAX, 0) > 0)
		;
	assert_int_equal(errno, ECONNRESET);
	target_deinit(&f->target);
	f->target.disk = NULL;
	f->target.pdu_count = 0;
	close(f->wire.fd);

	/* and the session can be attached again */
	f->lost = 0;
	attach(f, AF_UNIX, 0);
	f->ended = 0;
	ios[0] = io_submit(f, true, 5, 100000);
	TURN_UNTIL(f, f->ended == 1);
	assert_int_equal(f->outcome, SCSI_COMPLETED);
	io_free(ios[0]);
	session_drop(f->session, "the test is over");
	TURN_UNTIL(f, f->lost == 1);
}

/* It has closed its own direction and still reads: what is in doubt must not reach it later. */
static void a_target_that_only_stops_sending_gets_nothing_more_of_ours(void **state)
{
	struct fixture *f = *state;
	struct io *ios[QUEUE];

	attach(f, AF_INET, 4096);
	f->target.serves = false;
	fake_wire_set_peer(&f->wire, NULL, NULL);
	for (uint32_t j = 0; j < QUEUE; j++)
		ios[j] = io_submit(f, true, 0, 150000);
	for (unsigned i = 0; i < 10; i++) {
		ring_defer(f->ring, &f->stop);
		ring_run(f->ring);
	}
	assert_int_equal(shutdown(f->wire.fd, SHUT_WR), 0);
	while (f->ended < QUEUE) {
		ring_defer(f->ring, &f->stop);
		ring_run(f->ring);
	}
	assert_int_equal(f->loss, SESSION_LOSS_CLOSED);
	for (uint32_t j = 0; j < QUEUE; j++)
		io_free(ios[j]);
	while (recv(f->wire.fd, f->wire.in, STREAM_MAX, 0) > 0)
		;
	assert_int_equal(errno, ECONNRESET);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_is_right_through_small_socket_buffers),
		TEST(a_close_by_the_target_gives_everything_back),
		TEST(a_drop_gives_everything_back_and_resets),
		TEST(a_target_that_only_stops_sending_gets_nothing_more_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
