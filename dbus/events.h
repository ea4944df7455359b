/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Events on D-Bus: the signal as each happens, and the last ones when somebody asks.
 */

struct bus_call;
struct bus_writer;
struct event;
struct manager;

#define EVENT_ARGUMENTS	 "t when, s id, u severity, s text, o object, a{sv} fields"
#define EVENTS_ARGUMENTS "a(tsusoa{sv})"

#define EVENTS_MAX 1000 /* of one answer */

/** event_write() - the values of EVENT_ARGUMENTS, one behind the other */
void event_write(struct bus_writer *writer, const struct event *event);

/** events_answer() - Manager.GetEvents */
void events_answer(struct bus_call *call, struct manager *manager);
