/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A long way, where the kernel has no netem: takes TCP connections and passes every byte on to
 * another address so much later, each way, at full speed (the delay is a line, not a queue: what
 * comes together leaves together). Prints "ready" once it listens, ends with its standard input.
 *
 *	delay_relay LISTEN-ADDRESS LISTEN-PORT ADDRESS PORT DELAY-MS
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CONNECTIONS 64
#define LINE_BYTES  (64u << 20) /* on their way at once, one direction: 1 GB/s over 64 ms */
#define CHUNKS	    8192u
#define CHUNK_MAX   (256u << 10)
#define NEVER	    UINT64_MAX

/* One direction of a connection. What was read stands in @line until it is due. */
struct way {
	uint8_t *line;
	uint64_t read, written; /* bytes ever */
	struct {
		uint64_t end, due_ns; /* bytes up to @end may leave then */
	} chunks[CHUNKS];
	unsigned first, last; /* chunks ever */
	bool over;	      /* nothing more comes */
	bool told;	      /* and the other side knows */
};

struct connection {
	int near, far; /* -1: unused */
	struct way out, back;
};

static struct connection connections[CONNECTIONS];
static uint64_t delay_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		fprintf(stderr, "no address: %s\n", address);
		exit(2);
	}
	return in;
}

static bool has_room(const struct way *way)
{
	return !way->over && way->last - way->first < CHUNKS &&
	       way->read - way->written + CHUNK_MAX <= LINE_BYTES;
}

static void take_in(struct way *way, int from)
{
	size_t at = way->read % LINE_BYTES, room = MIN((size_t)CHUNK_MAX, (size_t)LINE_BYTES - at);
	ssize_t n = recv(from, way->line + at, room, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		way->over = true;
	if (n <= 0)
		return;
	way->read += (uint64_t)n;
	way->chunks[way->last % CHUNKS].end = way->read;
	way->chunks[way->last++ % CHUNKS].due_ns = now_ns() + delay_ns;
}

static uint64_t due_ns(const struct way *way)
{
	return way->first != way->last ? way->chunks[way->first % CHUNKS].due_ns : NEVER;
}

/* Return: false when the other side takes nothing more, for ever. */
static bool pass_on(struct way *way, int to)
{
	while (due_ns(way) <= now_ns()) {
		uint64_t end = way->chunks[way->first % CHUNKS].end;
		size_t at = way->written % LINE_BYTES;
		size_t length = MIN((size_t)(end - way->written), (size_t)LINE_BYTES - at);
		ssize_t n = send(to, way->line + at, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		way->written += (uint64_t)n;
		if (way->written == end)
			way->first++;
	}
	if (way->over && way->first == way->last && !way->told) {
		shutdown(to, SHUT_WR);
		way->told = true;
	}
	return true;
}

static void *new_line(void)
{
	void *line = mmap(NULL, LINE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (line == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return line;
}

static void accept_one(int listener, const struct sockaddr_in *to)
{
	int near = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
	int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (int i = 0; i < CONNECTIONS && near >= 0 && far >= 0; i++) {
		struct connection *connection = &connections[i];

		if (connection->near >= 0)
			continue;
		if (connect(far, (const struct sockaddr *)to, sizeof(*to)) < 0)
			break;
		setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		*connection = (struct connection){.near = near, .far = far};
		connection->out.line = new_line();
		connection->back.line = new_line();
		return;
	}
	if (near >= 0)
		close(near);
	if (far >= 0)
		close(far);
}

static void end(struct connection *connection)
{
	close(connection->near);
	close(connection->far);
	munmap(connection->out.line, LINE_BYTES);
	munmap(connection->back.line, LINE_BYTES);
	connection->near = connection->far = -1;
}

static void serve(struct connection *connection, const struct pollfd polled[2])
{
	if (polled[0].revents & (POLLIN | POLLHUP | POLLERR) && has_room(&connection->out))
		take_in(&connection->out, connection->near);
	if (polled[1].revents & (POLLIN | POLLHUP | POLLERR) && has_room(&connection->back))
		take_in(&connection->back, connection->far);
	if (!pass_on(&connection->out, connection->far) ||
	    !pass_on(&connection->back, connection->near) ||
	    (connection->out.told && connection->back.told))
		end(connection);
}

/* What to wait for at one end: @in comes from there, @out goes there. */
static struct pollfd poll_of(int fd, const struct way *in, const struct way *out)
{
	bool late = due_ns(out) <= now_ns();

	return (struct pollfd){
		.fd = (has_room(in) || late) ? fd : -1,
		.events = (short)((has_room(in) ? POLLIN : 0) | (late ? POLLOUT : 0)),
	};
}

static int wait_ms(void)
{
	uint64_t first_ns = NEVER, now = now_ns();

	for (int i = 0; i < CONNECTIONS; i++) {
		if (connections[i].near < 0)
			continue;
		first_ns = MIN(first_ns, due_ns(&connections[i].out));
		first_ns = MIN(first_ns, due_ns(&connections[i].back));
	}
	if (first_ns == NEVER)
		return -1;
	return first_ns <= now ? 0 : (int)((first_ns - now) / 1000000) + 1;
}

static void turn(int listener, const struct sockaddr_in *to)
{
	struct pollfd polled[2 + 2 * CONNECTIONS] = {
		{.fd = listener, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
	};
	int patience_ms = wait_ms();

	for (int i = 0; i < CONNECTIONS; i++) {
		struct connection *each = &connections[i];

		polled[2 + 2 * i] = poll_of(each->near, &each->out, &each->back);
		polled[3 + 2 * i] = poll_of(each->far, &each->back, &each->out);
	}
	/* What is late waits for the other side, and poll() tells when that has room. */
	if (poll(polled, ARRAY_SIZE(polled), patience_ms == 0 ? 1 : patience_ms) < 0)
		return;
	if (polled[1].revents)
		exit(0);
	for (int i = 0; i < CONNECTIONS; i++)
		if (connections[i].near >= 0)
			serve(&connections[i], &polled[2 + 2 * i]);
	if (polled[0].revents)
		accept_one(listener, to);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here, there;
	int listener, on = 1;

	if (argc != 6) {
		fprintf(stderr, "usage: %s LISTEN-ADDRESS PORT ADDRESS PORT DELAY-MS\n", argv[0]);
		return 2;
	}
	here = address_of(argv[1], argv[2]);
	there = address_of(argv[3], argv[4]);
	delay_ns = strtoull(argv[5], NULL, 10) * 1000000;
	for (int i = 0; i < CONNECTIONS; i++)
		connections[i].near = connections[i].far = -1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 16) < 0) {
		perror(argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		turn(listener, &there);
}
