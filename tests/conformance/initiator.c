/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "initiator.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "scsi/cdb.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PATIENCE_MS 20000
#define TICK_MS	    2

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	struct initiator *initiator = userdata;

	initiator->lost++;
	initiator->loss = loss;
	initiator->wait_s = wait_s;
	text_copy(initiator->text, sizeof(initiator->text), text);
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
	((struct initiator *)userdata)->events++;
}

static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};

static void on_tick(struct ring_timer *timer)
{
	ring_stop(container_of(timer, struct initiator, tick)->ring);
}

struct initiator *initiator_new(const char *script)
{
	struct initiator *initiator = calloc(1, sizeof(*initiator));
	char problem[FAKE_TARGET_PROBLEM_MAX];

	assert_non_null(initiator);
	initiator->fd = -1;
	initiator->settings = (struct login_settings){
		.initiator_name = "iqn.2026-01.org.example:initiator",
		.target_name = FAKE_TARGET_NAME,
		.isid = {0x80, 0x12, 0x34, 0x56, 0x00, 0x07},
		.cmd_sn = 0xfffffff0,
		.header_digest = DIGEST_NONE_CRC32C,
		.data_digest = DIGEST_NONE_CRC32C,
		.max_recv_data_segment_length = 262144,
		.max_burst_length = 1048576,
		.first_burst_length = 65536,
		.default_time2wait = 2,
		.max_outstanding_r2t = 1,
		.max_connections = 1,
		.immediate_data = true,
		.data_pdu_in_order = true,
		.data_sequence_in_order = true,
	};
	initiator->session_settings = (struct session_settings){
		.commands_max = 128, .abort_timeout_ms = 5000, .logout_timeout_ms = 5000};
	if (fake_target_new(script, &initiator->target, problem) < 0)
		fail_msg("%s", problem);
	return initiator;
}

void initiator_script(struct initiator *initiator, const char *lines)
{
	char problem[FAKE_TARGET_PROBLEM_MAX];

	if (fake_target_script(initiator->target, lines, problem) < 0)
		fail_msg("%s", problem);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Return: bytes; 0 when the target has closed, or nothing came */
static size_t receive(int fd, void *bytes, size_t size)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
		return 0;
	n = recv(fd, bytes, size, 0);
	return n > 0 ? (size_t)n : 0;
}

static void exchange(struct initiator *initiator, struct login *login)
{
	uint8_t bytes[65536];
	size_t length, used;
	const void *output;

	while (login_get_state(login) == LOGIN_SENDING ||
	       login_get_state(login) == LOGIN_RECEIVING) {
		if (login_get_state(login) == LOGIN_SENDING) {
			output = login_output(login, &length);
			if (send(initiator->fd, output, length, MSG_NOSIGNAL) != (ssize_t)length)
				return;
			login_sent(login, length);
			continue;
		}
		length = receive(initiator->fd, bytes, sizeof(bytes));
		if (length == 0)
			return;
		used = login_input(login, bytes, length);
		initiator->early_length = length - used;
		memcpy(initiator->early, bytes + used, length - used);
	}
}

enum login_state initiator_login(struct initiator *initiator)
{
	struct login *login;

	initiator->fd = connect_to(fake_target_port(initiator->target, 0));
	initiator->early_length = 0;
	assert_int_equal(login_new(&initiator->settings, &login), 0);
	exchange(initiator, login);
	initiator->state = login_get_state(login);
	initiator->result = *login_get_result(login);
	if (initiator->state == LOGIN_DONE) {
		initiator->negotiated = *login_negotiated(login);
		initiator->outcome = *login_get_outcome(login);
	} else {
		close(initiator->fd);
		initiator->fd = -1;
	}
	if (initiator->state == LOGIN_REDIRECTED)
		text_copy(initiator->redirect, sizeof(initiator->redirect), login_redirect(login));
	login_free(login);
	return initiator->state;
}

void initiator_attach(struct initiator *initiator)
{
	int fd = initiator->fd;

	if (!initiator->ring) {
		assert_int_equal(ring_new(64, &initiator->ring), 0);
		ring_timer_init(&initiator->tick, on_tick);
		assert_int_equal(session_new(initiator->ring, &initiator->session_settings,
					     &observer, initiator, &initiator->session),
				 0);
		assert_int_equal(session_unit(initiator->session, 0, &initiator->nexus), 0);
	}
	initiator->fd = -1;
	initiator->lost = 0;
	assert_int_equal(session_attach(initiator->session, fd, &initiator->negotiated,
					&initiator->outcome, initiator->early,
					initiator->early_length),
			 0);
}

struct initiator *initiator_start(const char *script)
{
	struct initiator *initiator = initiator_new(script);

	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
	initiator_attach(initiator);
	return initiator;
}

void initiator_refused(const char *script, enum login_failure failure, const char *says)
{
	struct initiator *initiator = initiator_new(script);

	assert_int_equal(initiator_login(initiator), LOGIN_FAILED);
	assert_int_equal(initiator->result.failure, failure);
	if (!strstr(initiator->result.text, says))
		fail_msg("\"%s\" does not say \"%s\"", initiator->result.text, says);
	initiator_free(initiator);
}

void initiator_turn(struct initiator *initiator)
{
	ring_timer_arm(initiator->ring, &initiator->tick, TICK_MS);
	assert_int_equal(ring_run(initiator->ring), 0);
}

void initiator_run_ms(struct initiator *initiator, unsigned ms)
{
	uint64_t until = now_ms() + ms;

	while (now_ms() < until)
		initiator_turn(initiator);
}

static void io_done(struct scsi_command *command)
{
	struct io *io = container_of(command, struct io, command);

	io->done++;
	assert_int_equal(io->done, 1);
	io->initiator->pending--;
	ring_stop(io->initiator->ring);
}

static struct io *submit(struct initiator *initiator, bool write, uint32_t lba, uint32_t blocks)
{
	struct io *io = calloc(1, sizeof(*io));

	assert_non_null(io);
	assert_true(initiator->io_count < IOS_MAX);
	initiator->ios[initiator->io_count++] = io;
	io->initiator = initiator;
	io->data = malloc((size_t)blocks * BLOCK_BYTES);
	assert_non_null(io->data);
	for (uint32_t i = 0; i < blocks * BLOCK_BYTES; i++)
		io->data[i] = write ? (uint8_t)(lba * 31 + i * 7 + (i >> 9)) : 0xee;
	(write ? cdb_write_16 : cdb_read_16)(&io->command, 0, lba, blocks, BLOCK_BYTES);
	io->command.data = io->data;
	io->command.done = io_done;
	assert_int_equal(nexus_execute(initiator->nexus, &io->command), 0);
	initiator->pending++;
	return io;
}

struct io *initiator_read(struct initiator *initiator, uint32_t lba, uint32_t blocks)
{
	return submit(initiator, false, lba, blocks);
}

struct io *initiator_write(struct initiator *initiator, uint32_t lba, uint32_t blocks)
{
	return submit(initiator, true, lba, blocks);
}

void initiator_finish(struct initiator *initiator)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	while (initiator->pending > 0) {
		assert_true(now_ms() < until);
		initiator_turn(initiator);
	}
}

void initiator_until_lost(struct initiator *initiator, enum session_loss loss)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	while (!initiator->lost) {
		assert_true(now_ms() < until);
		initiator_turn(initiator);
	}
	if (initiator->loss != loss)
		print_message("lost: %s\n", initiator->text);
	assert_int_equal(initiator->lost, 1);
	assert_int_equal(initiator->loss, loss);
}

void initiator_until(struct initiator *initiator, const char *pattern, unsigned count)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	while (fake_target_count(initiator->target, pattern) < count) {
		if (now_ms() > until)
			fail_msg("the target never saw %u times %s", count, pattern);
		initiator_turn(initiator);
	}
}

void initiator_verify(struct initiator *initiator, uint32_t lba, uint32_t blocks)
{
	struct io *write = initiator_write(initiator, lba, blocks), *read;

	initiator_finish(initiator);
	assert_true(scsi_command_good(&write->command));
	read = initiator_read(initiator, lba, blocks);
	initiator_finish(initiator);
	assert_true(scsi_command_good(&read->command));
	assert_memory_equal(read->data, write->data, (size_t)blocks * BLOCK_BYTES);
}

struct discovery *initiator_discover(struct initiator *initiator)
{
	struct discovery *discovery;
	uint8_t bytes[65536];
	const void *output;
	size_t length;

	initiator->settings.discovery = true;
	*initiator->settings.target_name = '\0';
	if (initiator_login(initiator) != LOGIN_DONE)
		fail_msg("%s", initiator->result.text);
	assert_int_equal(discovery_new(&initiator->negotiated, &initiator->outcome, &discovery), 0);
	while (discovery_get_state(discovery) == DISCOVERY_SENDING ||
	       discovery_get_state(discovery) == DISCOVERY_RECEIVING) {
		if (discovery_get_state(discovery) == DISCOVERY_SENDING) {
			output = discovery_output(discovery, &length);
			assert_int_equal(send(initiator->fd, output, length, MSG_NOSIGNAL), length);
			discovery_sent(discovery, length);
			continue;
		}
		length = receive(initiator->fd, bytes, sizeof(bytes));
		if (length == 0)
			discovery_closed(discovery);
		else
			discovery_input(discovery, bytes, length);
	}
	close(initiator->fd);
	initiator->fd = -1;
	return discovery;
}

void initiator_free(struct initiator *initiator)
{
	if (initiator->session && session_attached(initiator->session)) {
		session_drop(initiator->session, "the test is over");
		initiator_until_lost(initiator, SESSION_LOSS_LOCAL);
	}
	if (initiator->ring)
		initiator_finish(initiator);
	if (initiator->fd >= 0)
		close(initiator->fd);
	session_free(initiator->session);
	if (initiator->ring)
		ring_timer_disarm(initiator->ring, &initiator->tick);
	ring_free(initiator->ring);
	for (size_t i = 0; i < initiator->io_count; i++) {
		assert_int_equal(initiator->ios[i]->done, 1);
		free(initiator->ios[i]->data);
		free(initiator->ios[i]);
	}
	if (!initiator->may_complain)
		assert_string_equal(fake_target_complaints(initiator->target), "");
	fake_target_free(initiator->target);
	free(initiator);
}
