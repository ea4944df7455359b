/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The session layer alone: random 4 KiB reads from one logical unit, so many at a time, for so many
 * seconds. Prints one line of JSON.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "iscsi/login.h"
#include "iscsi/portal.h"
#include "iscsi/session.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/ring.h"

#define BLOCK_BYTES 512
#define READ_BYTES  4096
#define DEPTH_MAX   1024

struct read {
	struct scsi_command command;
	struct bench *bench;
};

struct bench {
	struct ring *ring;
	struct session *session;
	struct nexus *nexus;
	struct ring_timer end;
	struct scsi_command capacity;
	uint8_t capacity_data[32];
	uint64_t blocks, reads, random;
	unsigned depth, in_flight, seconds;
	bool stopping, failed;
	uint64_t start_ns, end_ns;
	struct read reads_of[DEPTH_MAX];
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "bench_engine: %s: %s\n", what, strerror(-error));
	return -1;
}

/* A blocking login: the sans-I/O exchange around send() and recv(). */
static int log_in(int fd, const char *target, struct login **ret)
{
	struct login_settings settings = {
		.initiator_name = "iqn.2026-11.org.hawser:bench",
		.isid = {0x80, 0, 0, 1, 0, 1},
		.max_recv_data_segment_length = 262144,
		.max_burst_length = 1048576,
		.first_burst_length = 65536,
		.max_outstanding_r2t = 1,
		.max_connections = 1,
		.immediate_data = true,
		.data_pdu_in_order = true,
		.data_sequence_in_order = true,
	};
	struct login *login;
	uint8_t input[16384];

	snprintf(settings.target_name, sizeof(settings.target_name), "%s", target);
	if (login_new(&settings, &login) < 0)
		return fail("login", -ENOMEM);
	while (login_get_state(login) == LOGIN_SENDING ||
	       login_get_state(login) == LOGIN_RECEIVING) {
		size_t length;
		const void *output = login_output(login, &length);
		ssize_t n;

		if (login_get_state(login) == LOGIN_SENDING) {
			n = send(fd, output, length, MSG_NOSIGNAL);
			if (n > 0)
				login_sent(login, (size_t)n);
		} else {
			n = recv(fd, input, sizeof(input), 0);
			if (n > 0)
				login_input(login, input, (size_t)n);
		}
		if (n <= 0)
			return fail("login", n < 0 ? -errno : -ECONNRESET);
	}
	if (login_get_state(login) != LOGIN_DONE) {
		fprintf(stderr, "bench_engine: %s\n", login_get_result(login)->text);
		return -1;
	}
	*ret = login;
	return 0;
}

static int connect_to(const char *text)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct portal portal;
	int fd, one = 1;

	if (portal_parse(text, strlen(text), &portal) < 0 ||
	    inet_pton(AF_INET, portal.address, &to.sin_addr) != 1)
		return fail(text, -EINVAL);
	to.sin_port = htons(portal.port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail(text, -errno);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static uint64_t next_random(struct bench *bench)
{
	/* xorshift64: the same blocks in every run */
	bench->random ^= bench->random << 13;
	bench->random ^= bench->random >> 7;
	bench->random ^= bench->random << 17;
	return bench->random;
}

static void read_send(struct read *read)
{
	struct bench *bench = read->bench;
	uint64_t pieces = bench->blocks / (READ_BYTES / BLOCK_BYTES);
	uint64_t lba = next_random(bench) % pieces * (READ_BYTES / BLOCK_BYTES);

	cdb_read_16(&read->command, 0, lba, READ_BYTES / BLOCK_BYTES, BLOCK_BYTES);
	if (nexus_execute(bench->nexus, &read->command) == 0)
		bench->in_flight++;
}

static void read_done(struct scsi_command *command)
{
	struct read *read = container_of(command, struct read, command);
	struct bench *bench = read->bench;

	bench->in_flight--;
	if (!scsi_command_good(command))
		bench->failed = bench->stopping = true;
	bench->reads++;
	if (!bench->stopping)
		read_send(read);
	else if (bench->in_flight == 0)
		session_drop(bench->session, "finished");
}

static void time_is_over(struct ring_timer *timer)
{
	struct bench *bench = container_of(timer, struct bench, end);

	bench->stopping = true;
	bench->end_ns = ring_now_ns(bench->ring);
}

static void capacity_known(struct scsi_command *command)
{
	struct bench *bench = container_of(command, struct bench, capacity);
	be64 last;

	if (command->result.outcome == SCSI_COMPLETED &&
	    command->result.status == SCSI_CHECK_CONDITION) {
		nexus_execute(bench->nexus, command); /* a unit attention after the login */
		return;
	}
	if (!scsi_command_good(command)) {
		bench->failed = true;
		session_drop(bench->session, "no capacity");
		return;
	}
	memcpy(&last, bench->capacity_data, sizeof(last));
	bench->blocks = be64_get(last) + 1;
	bench->start_ns = ring_now_ns(bench->ring);
	ring_timer_arm(bench->ring, &bench->end, bench->seconds * UINT64_C(1000));
	for (unsigned i = 0; i < bench->depth; i++)
		read_send(&bench->reads_of[i]);
}

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	struct bench *bench = userdata;

	if (!bench->stopping) {
		fprintf(stderr, "bench_engine: %s\n", text);
		bench->failed = bench->stopping = true;
	}
	ring_stop(bench->ring);
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
}

static int run(struct bench *bench, int fd, struct login *login, uint64_t lun)
{
	static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};
	const struct session_settings settings = {.commands_max = 1024};
	int r = session_new(bench->ring, &settings, &observer, bench, &bench->session);

	if (r == 0)
		r = session_attach(bench->session, fd, login_negotiated(login),
				   login_get_outcome(login), NULL, 0);
	if (r == 0)
		r = session_unit(bench->session, lun << 48, &bench->nexus);
	if (r < 0)
		return fail("session", r);
	ring_timer_init(&bench->end, time_is_over);
	for (unsigned i = 0; i < bench->depth; i++) {
		bench->reads_of[i].bench = bench;
		bench->reads_of[i].command.data = malloc(READ_BYTES);
		bench->reads_of[i].command.done = read_done;
	}
	bench->capacity.data = bench->capacity_data;
	bench->capacity.done = capacity_known;
	cdb_read_capacity_16(&bench->capacity, sizeof(bench->capacity_data));
	nexus_execute(bench->nexus, &bench->capacity);
	r = ring_run(bench->ring);
	return r < 0 ? fail("ring", r) : bench->failed ? -1 : 0;
}

static void print_result(const struct bench *bench)
{
	const struct session_statistics *statistics = session_get_statistics(bench->session);
	double seconds = (double)(bench->end_ns - bench->start_ns) / 1e9;
	struct rusage usage;
	double cpu_us;

	getrusage(RUSAGE_SELF, &usage);
	cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
		 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	printf("{\"iops\": %.0f, \"cpu_us_per_io\": %.2f, \"sends_per_io\": %.3f, "
	       "\"receives_per_io\": %.3f}\n",
	       (double)bench->reads / seconds, cpu_us / (double)bench->reads,
	       (double)statistics->sends / (double)bench->reads,
	       (double)statistics->receives / (double)bench->reads);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"portal", required_argument, NULL, 'p'},  {"target", required_argument, NULL, 't'},
		{"lun", required_argument, NULL, 'l'},	   {"depth", required_argument, NULL, 'd'},
		{"seconds", required_argument, NULL, 's'}, {},
	};
	static struct bench bench = {.depth = 32, .seconds = 5, .random = 88172645463325252u};
	const char *portal = NULL, *target = NULL;
	struct login *login;
	uint64_t lun = 1;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			portal = optarg;
			break;
		case 't':
			target = optarg;
			break;
		case 'l':
			lun = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			bench.depth = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			bench.seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return EXIT_FAILURE;
		}
	}
	if (!portal || !target || bench.depth < 1 || bench.depth > DEPTH_MAX) {
		fprintf(stderr, "usage: bench_engine --portal HOST:PORT --target NAME [--lun N] "
				"[--depth 1…1024] [--seconds N]\n");
		return EXIT_FAILURE;
	}
	fd = connect_to(portal);
	if (fd < 0 || log_in(fd, target, &login) < 0)
		return EXIT_FAILURE;
	if (ring_new(512, &bench.ring) < 0 || run(&bench, fd, login, lun) < 0)
		return EXIT_FAILURE;
	print_result(&bench);
	return EXIT_SUCCESS;
}
