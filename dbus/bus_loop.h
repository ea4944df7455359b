/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * libdbus's watches and timeouts on sd-event. libdbus keeps two watches (in, out) for one
 * descriptor, and epoll knows a descriptor once: so there is one source per descriptor, with the
 * union of what the enabled watches want. No method of the connection may be called from inside its
 * watch functions (libdbus holds its lock there): these only touch sd-event.
 */

#include <dbus/dbus.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "util/list.h"

struct bus_loop {
	sd_event *event;
	struct list sources; /* struct io */
};

/** bus_loop_init() - @event stays the caller's and lives longer */
void bus_loop_init(struct bus_loop *loop, sd_event *event);

/** bus_loop_attach_connection() - Return: false when out of memory */
bool bus_loop_attach_connection(struct bus_loop *loop, DBusConnection *connection);
bool bus_loop_attach_server(struct bus_loop *loop, DBusServer *server);

/** bus_loop_detach_connection() - take the functions back; libdbus removes every watch in it */
void bus_loop_detach_connection(DBusConnection *connection);
void bus_loop_detach_server(DBusServer *server);
