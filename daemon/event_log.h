/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Where every event goes: into the ring, to the journal, and to whoever follows. The journal's line
 * is the event, with its fields and MESSAGE_ID; it goes through util/log, which never blocks.
 * Events that come too often are left out of the journal only, counted, and told in one line a
 * minute. Control thread only.
 */

#include "daemon/event.h"

struct event_log;
struct event_ring;
typedef struct sd_event sd_event;

/**
 * event_log_new() - @told: after each event is in the ring. Return: 0 or -ENOMEM
 * @event: the control thread's loop
 */
int event_log_new(sd_event *event, void (*told)(const struct event *event, void *userdata),
		  void *userdata, struct event_log **ret);
/** event_log_free() - tells what it has suppressed until now. NULL is fine */
void event_log_free(struct event_log *log);

/** event_log_raise() - it happened now; see event_fill() */
void event_log_raise(struct event_log *log, enum object_kind about, const void *object,
		     const struct event_facts *facts);

const struct event_ring *event_log_ring(const struct event_log *log);
