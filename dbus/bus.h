/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The wire side of the D-Bus face: libdbus-1 on sd-event, and nothing that ever blocks. One API is
 * served in two places: on a private socket, where root's tools reach the daemon without any bus,
 * and on the system bus, which is connected to in the background and again whenever it comes back.
 *
 * Control thread only. One message is dispatched per pass of the loop, so that a busy caller cannot
 * starve the rest of the daemon.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus;
struct bus_call;
struct bus_message;
struct bus_reader;
struct bus_writer;
struct error;
struct sd_event;

#define BUS_NAME "org.hawser1"

/* Bounds on what others can make us hold. */
#define BUS_MESSAGE_MAX	       (4u << 20) /* bytes of one incoming message */
#define BUS_RECEIVED_MAX       (8u << 20) /* bytes received and not dispatched yet, per connection */
#define BUS_QUEUE_OPTIONAL_MAX (1u << 20) /* above it optional signals are dropped */
#define BUS_QUEUE_MAX	       (32u << 20) /* above it the connection is closed: nobody reads there */
#define BUS_PEERS_MAX	       128	   /* connections to the private socket */
#define BUS_FDS_MAX	       4	   /* descriptors in one incoming message */

/* What the bus tells its user. */
struct bus_handler {
	/** a method call for us; it must end in bus_call_send() or bus_call_fail(), now or later */
	void (*call)(struct bus_call *call, void *userdata);
	/** an answer is about to leave: signals that must come first are sent now */
	void (*before_answer)(void *userdata);
	/** @name left the system bus (asked for with bus_follow_name()), or the bus itself is gone
	 * (@name NULL); may be NULL */
	void (*name_vanished)(const char *name, void *userdata);
};

/** bus_new() - @event and @handler live longer than the bus. Return: 0 or -ENOMEM */
int bus_new(struct sd_event *event, const struct bus_handler *handler, void *userdata,
	    struct bus **ret);

/**
 * bus_free() - send what is still queued (for at most a quarter of a second), close everything
 *
 * Calls that were not answered get an error; their bus_call stays valid, and answering it later
 * only frees it. NULL is fine.
 */
void bus_free(struct bus *bus);

/**
 * bus_listen() - serve on a socket of our own, mode 0600, for uid 0 and our own uid only
 * @path: replaced when it is there; removed by bus_free()
 *
 * Return: 0, or -1 with @error set.
 */
int bus_listen(struct bus *bus, const char *path, struct error *error);

/**
 * bus_connect_system() - connect in the background, take BUS_NAME, and keep it so
 * @address: D-Bus address; copied; NULL: DBUS_SYSTEM_BUS_ADDRESS, or the system bus's usual socket
 *
 * Return: 0 or -ENOMEM.
 */
int bus_connect_system(struct bus *bus, const char *address);

/** bus_has_name() - BUS_NAME is ours on the system bus */
bool bus_has_name(const struct bus *bus);
/** bus_epoch() - counts connections to the system bus: unique names mean nothing over two of them
 */
unsigned bus_epoch(const struct bus *bus);

/* --- method calls from others --- */

const char *bus_call_path(const struct bus_call *call);
/** bus_call_interface() - NULL when the caller left it out, which D-Bus allows */
const char *bus_call_interface(const struct bus_call *call);
const char *bus_call_member(const struct bus_call *call);
const char *bus_call_signature(const struct bus_call *call);
/** bus_call_sender() - unique name of the caller; NULL on the private socket */
const char *bus_call_sender(const struct bus_call *call);
/** bus_call_private() - it came over the private socket: the caller is root, or what we are */
bool bus_call_private(const struct bus_call *call);
/** bus_call_interactive() - the caller allows that somebody is asked for a password */
bool bus_call_interactive(const struct bus_call *call);

struct bus_reader *bus_call_arguments(struct bus_call *call);
/** bus_call_answer() - where the values of the answer go; sent by bus_call_send() */
struct bus_writer *bus_call_answer(struct bus_call *call);
/** bus_call_send() - answer, with nothing when bus_call_answer() was not asked for; frees @call */
void bus_call_send(struct bus_call *call);
/** bus_call_fail() - answer with the D-Bus error @name; frees @call */
void bus_call_fail(struct bus_call *call, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* --- signals --- */

/** bus_signal_new() - Return: NULL when out of memory; the functions below accept NULL */
struct bus_message *bus_signal_new(const char *path, const char *interface, const char *member);
/** bus_message_writer() - where its values go; NULL, which all writing accepts, without @message */
struct bus_writer *bus_message_writer(struct bus_message *message);
/**
 * bus_emit() - to every connection; frees @message
 * @optional: may be dropped where nobody reads fast enough
 */
void bus_emit(struct bus *bus, struct bus_message *message, bool optional);
void bus_message_free(struct bus_message *message);

/* --- method calls to others on the system bus --- */

/**
 * @answer: values, or NULL when it failed
 * @error_name: D-Bus error name when it failed
 */
typedef void bus_answered(struct bus_reader *answer, const char *error_name, void *userdata);

#define BUS_NO_TIMEOUT (-1)

struct bus_message *bus_request_new(const char *destination, const char *path,
				    const char *interface, const char *member);
/**
 * bus_request_send() - call somebody; frees @request
 * @timeout_ms: or BUS_NO_TIMEOUT
 *
 * Return: 0, and done() runs exactly once, never inside this call; -ENOTCONN or -ENOMEM, and done()
 * never runs.
 */
int bus_request_send(struct bus *bus, struct bus_message *request, int timeout_ms,
		     bus_answered *done, void *userdata);

/** bus_follow_name() - name_vanished() will be called when @name leaves; until bus_unfollow_name()
 */
void bus_follow_name(struct bus *bus, const char *name);
void bus_unfollow_name(struct bus *bus, const char *name);
