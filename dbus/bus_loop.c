/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/bus_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "util/cleanup.h"

#define WATCHES_PER_FD 2 /* libdbus: one to read, one to write */

struct io {
	struct list link; /* in loop->sources; unlinked when its last watch went while in_handler */
	int fd;
	bool in_handler;
	DBusWatch *watches[WATCHES_PER_FD];
	sd_event_source *source;
};

void bus_loop_init(struct bus_loop *loop, sd_event *event)
{
	loop->event = event;
	list_init(&loop->sources);
}

static uint32_t wanted_events(const struct io *io)
{
	uint32_t events = 0;

	for (unsigned i = 0; i < WATCHES_PER_FD; i++) {
		unsigned flags;

		if (!io->watches[i] || !dbus_watch_get_enabled(io->watches[i]))
			continue;
		flags = dbus_watch_get_flags(io->watches[i]);
		events |= flags & DBUS_WATCH_READABLE ? EPOLLIN : 0;
		events |= flags & DBUS_WATCH_WRITABLE ? EPOLLOUT : 0;
	}
	return events;
}

static void update(struct io *io)
{
	uint32_t events = wanted_events(io);

	/* A hang-up is reported even for no events: an idle source would wake us for ever. */
	(void)sd_event_source_set_io_events(io->source, events);
	(void)sd_event_source_set_enabled(io->source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void io_free(struct io *io)
{
	list_remove(&io->link);
	sd_event_source_disable_unref(io->source);
	free(io);
}

static bool io_empty(const struct io *io)
{
	return !io->watches[0] && !io->watches[1];
}

static unsigned watch_flags(uint32_t events)
{
	return (events & EPOLLIN ? DBUS_WATCH_READABLE : 0u) |
	       (events & EPOLLOUT ? DBUS_WATCH_WRITABLE : 0u) |
	       (events & EPOLLERR ? DBUS_WATCH_ERROR : 0u) |
	       (events & EPOLLHUP ? DBUS_WATCH_HANGUP : 0u);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct io *io = userdata;
	unsigned flags = watch_flags(events);

	/* Handling one watch may remove the other, or both. */
	io->in_handler = true;
	for (unsigned i = 0; i < WATCHES_PER_FD; i++) {
		unsigned always = DBUS_WATCH_ERROR | DBUS_WATCH_HANGUP;
		unsigned ready;

		if (!io->watches[i] || !dbus_watch_get_enabled(io->watches[i]))
			continue;
		ready = flags & (dbus_watch_get_flags(io->watches[i]) | always);
		if (ready)
			(void)dbus_watch_handle(io->watches[i], ready); /* no memory: again */
	}
	io->in_handler = false;
	if (io_empty(io))
		io_free(io);
	return 0;
}

static struct io *find_io(struct bus_loop *loop, int fd)
{
	struct io *io;

	list_for_each (io, &loop->sources, link) {
		if (io->fd == fd)
			return io;
	}
	return NULL;
}

static struct io *new_io(struct bus_loop *loop, int fd)
{
	struct io *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->fd = fd;
	list_init(&io->link);
	if (sd_event_add_io(loop->event, &io->source, fd, 0, on_io, io) < 0) {
		free(io);
		return NULL;
	}
	list_append(&loop->sources, &io->link);
	return io;
}

static dbus_bool_t add_watch(DBusWatch *watch, void *userdata)
{
	struct bus_loop *loop = userdata;
	int fd = dbus_watch_get_unix_fd(watch);
	struct io *io = find_io(loop, fd);
	unsigned i = 0;

	if (!io)
		io = new_io(loop, fd);
	if (!io)
		return FALSE;
	while (i < WATCHES_PER_FD && io->watches[i])
		i++;
	assert(i < WATCHES_PER_FD);
	io->watches[i] = watch;
	dbus_watch_set_data(watch, io, NULL);
	update(io);
	return TRUE;
}

static void remove_watch(DBusWatch *watch, void *userdata)
{
	struct io *io = dbus_watch_get_data(watch);

	if (!io)
		return;
	dbus_watch_set_data(watch, NULL, NULL);
	for (unsigned i = 0; i < WATCHES_PER_FD; i++) {
		if (io->watches[i] == watch)
			io->watches[i] = NULL;
	}
	if (!io_empty(io)) {
		update(io);
		return;
	}
	/* libdbus closes the descriptor next: it must have left epoll by then */
	if (io->in_handler) {
		list_remove(&io->link);
		io->source = sd_event_source_disable_unref(io->source);
	} else {
		io_free(io);
	}
}

static void toggle_watch(DBusWatch *watch, void *userdata)
{
	struct io *io = dbus_watch_get_data(watch);

	if (io)
		update(io);
}

static void arm(sd_event_source *source, DBusTimeout *timeout)
{
	bool enabled = dbus_timeout_get_enabled(timeout);

	/* the interval is asked for each time: libdbus changes it between two enables */
	(void)sd_event_source_set_time_relative(
		source, (uint64_t)dbus_timeout_get_interval(timeout) * 1000);
	(void)sd_event_source_set_enabled(source, enabled ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	DBusTimeout *timeout = userdata;

	arm(source, timeout); /* libdbus's timeouts repeat; handling may remove this one */
	(void)dbus_timeout_handle(timeout);
	return 0;
}

static dbus_bool_t add_timeout(DBusTimeout *timeout, void *userdata)
{
	struct bus_loop *loop = userdata;
	sd_event_source *source = NULL;

	if (sd_event_add_time_relative(loop->event, &source, CLOCK_MONOTONIC, 0, 1000, on_timeout,
				       timeout) < 0)
		return FALSE;
	dbus_timeout_set_data(timeout, source, NULL);
	arm(source, timeout);
	return TRUE;
}

static void remove_timeout(DBusTimeout *timeout, void *userdata)
{
	sd_event_source *source = dbus_timeout_get_data(timeout);

	dbus_timeout_set_data(timeout, NULL, NULL);
	sd_event_source_disable_unref(source);
}

static void toggle_timeout(DBusTimeout *timeout, void *userdata)
{
	sd_event_source *source = dbus_timeout_get_data(timeout);

	if (source)
		arm(source, timeout);
}

bool bus_loop_attach_connection(struct bus_loop *loop, DBusConnection *connection)
{
	return dbus_connection_set_watch_functions(connection, add_watch, remove_watch,
						   toggle_watch, loop, NULL) &&
	       dbus_connection_set_timeout_functions(connection, add_timeout, remove_timeout,
						     toggle_timeout, loop, NULL);
}

bool bus_loop_attach_server(struct bus_loop *loop, DBusServer *server)
{
	return dbus_server_set_watch_functions(server, add_watch, remove_watch, toggle_watch, loop,
					       NULL) &&
	       dbus_server_set_timeout_functions(server, add_timeout, remove_timeout,
						 toggle_timeout, loop, NULL);
}

void bus_loop_detach_connection(DBusConnection *connection)
{
	dbus_connection_set_watch_functions(connection, NULL, NULL, NULL, NULL, NULL);
	dbus_connection_set_timeout_functions(connection, NULL, NULL, NULL, NULL, NULL);
}

void bus_loop_detach_server(DBusServer *server)
{
	dbus_server_set_watch_functions(server, NULL, NULL, NULL, NULL, NULL);
	dbus_server_set_timeout_functions(server, NULL, NULL, NULL, NULL, NULL);
}
