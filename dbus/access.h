/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Who may call what. The private socket lets root in and nobody else. On the system bus uid 0 may
 * do everything; others are put to polkit under their own unique name; without polkit they may not.
 * Everything is asked asynchronously. Control thread only.
 */

#include "dbus/interface.h"

struct access;
struct bus;
struct bus_call;
struct bus_writer;

/** access_action() - polkit's name of it ("org.hawser1.login"); NULL for ACCESS_READ */
const char *access_action(enum bus_access access);

/** access_new() - @bus outlives it. Return: 0 or -ENOMEM */
int access_new(struct bus *bus, struct access **ret);
/** access_free() - only after bus_free(): until then questions are open; NULL is fine */
void access_free(struct access *access);

struct access_handler {
	/** the details an administrator's polkit rule may look at: entries of an open a{ss} */
	void (*describe)(struct bus_call *call, struct bus_writer *writer, void *userdata);
	/** the call may go on; whatever it is about may have changed meanwhile */
	void (*granted)(struct bus_call *call, void *userdata);
};

/**
 * access_check() - granted() for @call, now or later, or fail it
 * @handler, @userdata: live as long as @access
 */
void access_check(struct access *access, struct bus_call *call, enum bus_access wanted,
		  const struct access_handler *handler, void *userdata);

/** access_name_vanished() - a caller left the bus: nobody needs to answer for it any more */
void access_name_vanished(struct access *access, const char *name);
