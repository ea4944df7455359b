/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What main() needs of a face: a way in from outside that shows the manager. The D-Bus room
 * provides one; main() starts every face that is linked in and knows no more of it.
 */

struct error;
struct manager;
typedef struct sd_event sd_event;

struct face {
	const char *name;
	/**
	 * @event: the control thread's loop
	 * @run_dir: "/run/hawser": where private sockets go
	 * Return: 0, or -1 with @error set: the daemon does not start without its faces.
	 */
	int (*start)(sd_event *event, struct manager *manager, const char *run_dir,
		     struct error *error, void **ret);
	/** answers that are still due are sent; NULL is fine */
	void (*stop)(void *face);
};

extern const struct face dbus_face; /* dbus/face.c */
