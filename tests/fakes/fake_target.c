/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_target.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fakes/fake_target_private.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"
#include "util/text.h"

#define CONNECTIONS_MAX 64
#define UNSENT_MAX	(256u << 20) /* bytes; who does not read so much is not read either */
#define POLL_MAX	(1 + FAKE_PORTALS_MAX + CONNECTIONS_MAX)

static void lock(struct fake_target *target)
{
	pthread_mutex_lock(&target->mutex);
}

static void unlock(struct fake_target *target)
{
	pthread_mutex_unlock(&target->mutex);
}

/* --- one turn --- */

static unsigned open_connections(const struct fake_target *target)
{
	unsigned count = 0;

	for (struct fake_connection *c = target->connections; c; c = c->next)
		count += c->fd >= 0;
	return count;
}

static void accept_one(struct fake_target *target, const struct fake_portal *portal)
{
	int fd = accept4(portal->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;
	struct fake_connection *connection;

	if (fd < 0)
		return;
	if (open_connections(target) == CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection = calloc(1, sizeof(*connection));
	assert(connection);
	connection->target = target;
	connection->fd = fd;
	connection->portal = portal;
	connection->number = target->connection_count++;
	connection->stat_sn = target->settings.stat_sn;
	connection->next = target->connections;
	target->connections = connection;
	fake_record(connection, FAKE_CONNECTED, NULL, NULL, 0);
}

static void write_some(struct fake_connection *connection)
{
	struct fake_buffer *out = &connection->out;
	ssize_t n;

	if (connection->fd < 0 || connection->frozen)
		return;
	if (out->length > 0) {
		n = send(connection->fd, out->bytes, out->length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			fake_buffer_drop(out, (size_t)n);
		else if (errno != EAGAIN)
			return fake_end(connection, true);
	}
	if (connection->closing && out->length == 0)
		fake_end(connection, false);
}

static bool paused(const struct fake_connection *connection)
{
	return connection->paused_until_ms > fake_now_ms();
}

static void read_some(struct fake_connection *connection)
{
	uint8_t *bytes = connection->target->received;
	ssize_t n = recv(connection->fd, bytes, FAKE_READ_BYTES, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fake_record(connection, n < 0 ? FAKE_RESET : FAKE_CLOSED, NULL, NULL, 0);
		return fake_end(connection, false);
	}
	fake_buffer_add(&connection->in, bytes, (size_t)n);
}

static void work(struct fake_connection *connection)
{
	while (connection->fd >= 0 && !connection->frozen && !connection->closing &&
	       !paused(connection) && connection->out.length < UNSENT_MAX && fake_take(connection))
		;
	if (!paused(connection))
		write_some(connection);
}

static bool wants_input(const struct fake_connection *connection)
{
	return !connection->frozen && connection->out.length < UNSENT_MAX;
}

struct turn {
	struct pollfd polls[POLL_MAX];
	struct fake_connection *owners[POLL_MAX];
	unsigned count;
	int timeout_ms;
};

static void add_poll(struct turn *turn, int fd, short events, struct fake_connection *owner)
{
	turn->polls[turn->count] = (struct pollfd){.fd = fd, .events = events};
	turn->owners[turn->count++] = owner;
}

static void prepare(struct fake_target *target, struct turn *turn)
{
	turn->count = 0;
	turn->timeout_ms = -1;
	add_poll(turn, target->wake, POLLIN, NULL);
	for (size_t i = 0; i < target->settings.portal_count; i++)
		add_poll(turn, target->settings.portals[i].fd, POLLIN, NULL);
	for (struct fake_connection *c = target->connections; c; c = c->next) {
		short events = wants_input(c) ? POLLIN : 0;

		if (c->fd < 0 || c->frozen)
			continue;
		if (paused(c)) {
			int left = (int)(c->paused_until_ms - fake_now_ms()) + 1;

			turn->timeout_ms =
				turn->timeout_ms < 0 ? left : MIN(turn->timeout_ms, left);
			continue;
		}
		add_poll(turn, c->fd, (short)(events | (c->out.length ? POLLOUT : 0)), c);
	}
}

static void react(struct fake_target *target, const struct turn *turn)
{
	eventfd_t ignored;

	if (turn->polls[0].revents)
		eventfd_read(target->wake, &ignored);
	for (size_t i = 0; i < target->settings.portal_count; i++)
		if (turn->polls[1 + i].revents)
			accept_one(target, &target->settings.portals[i]);
	for (unsigned i = 0; i < turn->count; i++)
		if (turn->owners[i] && turn->owners[i]->fd >= 0 &&
		    (turn->polls[i].revents & (POLLIN | POLLHUP | POLLERR)))
			read_some(turn->owners[i]);
	for (struct fake_connection *c = target->connections; c; c = c->next)
		work(c);
}

static void *run(void *userdata)
{
	struct fake_target *target = userdata;
	struct turn turn;

	lock(target);
	while (!target->stopping) {
		prepare(target, &turn);
		unlock(target);
		poll(turn.polls, turn.count, turn.timeout_ms);
		lock(target);
		react(target, &turn);
	}
	unlock(target);
	return NULL;
}

/* --- start and stop --- */

static int listen_on(struct fake_portal *portal)
{
	static const int on = 1;
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	struct addrinfo *info;
	char port[8];
	int r = 0;

	snprintf(port, sizeof(port), "%u", portal->port);
	if (getaddrinfo(portal->address, port, &hints, &info) != 0)
		return -EINVAL;
	portal->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(portal->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(portal->fd, info->ai_addr, info->ai_addrlen) < 0 || listen(portal->fd, 16) < 0 ||
	    getsockname(portal->fd, (struct sockaddr *)&bound, &length) < 0)
		r = -errno;
	else
		portal->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
	freeaddrinfo(info);
	snprintf(portal->text, sizeof(portal->text),
		 strchr(portal->address, ':') ? "[%s]:%u,%u" : "%s:%u,%u", portal->address,
		 portal->port, portal->tag);
	return r;
}

static int listen_on_all(struct fake_settings *settings)
{
	if (settings->portal_count == 0)
		settings->portals[settings->portal_count++] =
			(struct fake_portal){.address = "127.0.0.1", .tag = 1};
	for (size_t i = 0; i < settings->portal_count; i++)
		settings->portals[i].fd = -1;
	for (size_t i = 0; i < settings->portal_count; i++) {
		int r = listen_on(&settings->portals[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int fake_target_new(const char *script, struct fake_target **ret,
		    char problem[FAKE_TARGET_PROBLEM_MAX])
{
	struct fake_target *target = calloc(1, sizeof(*target));
	pthread_condattr_t attributes;
	int r;

	assert(target);
	target->settings = (struct fake_settings){
		.name = FAKE_TARGET_NAME,
		.chap_algorithm = 5,
		.window = 64,
		.stat_sn = 1,
		.first_tag = 1,
		.blocks = 131072,
		.block_size = 512,
	};
	target->next_tsih = 1;
	pthread_mutex_init(&target->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&target->changed, &attributes);
	target->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*problem = '\0';
	r = fake_script_run(target, script, problem);
	if (r == 0) {
		r = listen_on_all(&target->settings);
		fake_units_new(target);
		target->next_tag = target->settings.first_tag;
	}
	if (r == 0) {
		target->running = true;
		r = -pthread_create(&target->thread, NULL, run, target);
	}
	if (r < 0) {
		target->running = false;
		fake_target_free(target);
		return r;
	}
	*ret = target;
	return 0;
}

static void free_connection(struct fake_connection *connection)
{
	fake_end(connection, false);
	fake_tasks_end(connection);
	fake_order_free(connection);
	fake_recovery_free(connection);
	fake_buffer_free(&connection->in);
	fake_buffer_free(&connection->out);
	fake_buffer_free(&connection->held);
	fake_buffer_free(&connection->text);
	fake_buffer_free(&connection->answer);
	free(connection);
}

static void free_rules(struct fake_rule *rule)
{
	while (rule) {
		struct fake_rule *next = rule->next;

		fake_actions_free(rule->actions);
		free(rule);
		rule = next;
	}
}

void fake_target_free(struct fake_target *target)
{
	if (!target)
		return;
	if (target->running) {
		lock(target);
		target->stopping = true;
		unlock(target);
		eventfd_write(target->wake, 1);
		pthread_join(target->thread, NULL);
	}
	while (target->connections) {
		struct fake_connection *next = target->connections->next;

		free_connection(target->connections);
		target->connections = next;
	}
	fake_ghosts_end(target, NULL);
	for (size_t i = 0; i < target->settings.portal_count; i++)
		if (target->settings.portals[i].fd > 0)
			close(target->settings.portals[i].fd);
	for (size_t i = 0; i < target->record_count; i++) {
		free(target->record[i].data);
		free(target->record[i].ahs);
	}
	free(target->record);
	free_rules(target->rules);
	fake_buffer_free(&target->complaints);
	fake_units_free(target);
	close(target->wake);
	free(target);
}

int fake_target_script(struct fake_target *target, const char *lines,
		       char problem[FAKE_TARGET_PROBLEM_MAX])
{
	int r;

	lock(target);
	r = fake_script_run(target, lines, problem);
	unlock(target);
	eventfd_write(target->wake, 1);
	return r;
}

/* --- what it is and what it saw --- */

size_t fake_target_portals(const struct fake_target *target)
{
	return target->settings.portal_count;
}

const char *fake_target_address(const struct fake_target *target, size_t index)
{
	return target->settings.portals[index].text;
}

uint16_t fake_target_port(const struct fake_target *target, size_t index)
{
	return target->settings.portals[index].port;
}

struct fake_unit *fake_target_unit(struct fake_target *target)
{
	return target->unit;
}

struct fake_unit *fake_target_other(struct fake_target *target)
{
	return target->other;
}

static struct fake_pattern pattern_of(const char *text)
{
	char problem[FAKE_TARGET_PROBLEM_MAX];
	struct fake_pattern pattern;

	if (fake_pattern_parse(text, &pattern, problem) < 0) {
		fprintf(stderr, "%s: %s\n", text, problem);
		abort();
	}
	return pattern;
}

static unsigned count(const struct fake_target *target, const struct fake_pattern *pattern)
{
	unsigned n = 0;

	for (size_t i = 0; i < target->record_count; i++)
		n += fake_pattern_fits(pattern, target->record[i].event, &target->record[i].bhs);
	return n;
}

unsigned fake_target_count(struct fake_target *target, const char *text)
{
	struct fake_pattern pattern = pattern_of(text);
	unsigned n;

	lock(target);
	n = count(target, &pattern);
	unlock(target);
	return n;
}

bool fake_target_find(struct fake_target *target, const char *text, unsigned index,
		      struct fake_pdu *ret)
{
	struct fake_pattern pattern = pattern_of(text);
	bool found = false;

	lock(target);
	for (size_t i = 0; !found && i < target->record_count; i++) {
		const struct fake_pdu *pdu = &target->record[i];

		if (!fake_pattern_fits(&pattern, pdu->event, &pdu->bhs) || index-- > 0)
			continue;
		*ret = *pdu;
		found = true;
	}
	unlock(target);
	return found;
}

bool fake_target_wait(struct fake_target *target, const char *text, unsigned wanted,
		      unsigned timeout_ms)
{
	struct fake_pattern pattern = pattern_of(text);
	struct timespec until;
	bool found;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	lock(target);
	while (!(found = count(target, &pattern) >= wanted))
		if (pthread_cond_timedwait(&target->changed, &target->mutex, &until) == ETIMEDOUT)
			break;
	unlock(target);
	return found;
}

const char *fake_target_complaints(struct fake_target *target)
{
	const char *text;

	lock(target);
	fake_buffer_add(&target->complaints, "", 1);
	target->complaints.length--;
	text = (const char *)target->complaints.bytes;
	unlock(target);
	return text;
}

void fake_target_watch(struct fake_target *target, void (*watch)(const struct fake_pdu *pdu),
		       void (*complain)(const char *text))
{
	lock(target);
	target->watch = watch;
	target->complain = complain;
	unlock(target);
}
