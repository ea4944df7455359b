/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The socket operations of util/ring over memory: a TCP connection whose every byte is in the
 * test's hand. Put fake_wire.c beside fake_ring_sources into the test's own sources.
 *
 * As with the kernel, memory is read or written when an operation completes and not when it was
 * submitted, and a cancelled one completes later. Nothing completes but in fake_wire_run().
 *
 *	struct fake_wire *wire = fake_wire_new(ring);
 *
 *	connection_start(connection, fake_wire_fd(wire), …);
 *	fake_wire_give(wire, pdu, length);
 *	fake_wire_run(wire);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_wire;
struct ring;

/** fake_wire_new() - open; at most one wire per descriptor number */
struct fake_wire *fake_wire_new(struct ring *ring);
/** fake_wire_free() - no operation may be in flight; a descriptor that is still open is closed */
void fake_wire_free(struct fake_wire *wire);

/** fake_wire_fd() - the descriptor that stands for our end; whoever takes it closes it */
int fake_wire_fd(const struct fake_wire *wire);
/** fake_wire_closed() - our end was closed */
bool fake_wire_closed(const struct fake_wire *wire);

/** fake_wire_busy() - an operation is in flight: its memory is the kernel's */
bool fake_wire_busy(const struct fake_wire *wire);

/** fake_wire_set_peer() - @peer acts on what was sent; Return of @peer: it did something */
void fake_wire_set_peer(struct fake_wire *wire, bool (*peer)(void *userdata), void *userdata);

/** fake_wire_give() - bytes from the peer */
void fake_wire_give(struct fake_wire *wire, const void *bytes, size_t length);
/** fake_wire_unread() - what has been given and not been received yet */
const uint8_t *fake_wire_unread(const struct fake_wire *wire, size_t *length);
/** fake_wire_forget() - take that back */
void fake_wire_forget(struct fake_wire *wire);
/** fake_wire_end() - behind them: 0 = FIN, or -errno such as -ECONNRESET */
void fake_wire_end(struct fake_wire *wire, int error);
/** fake_wire_complain() - the next receive ends with @error, once: what a router says (ICMP) */
void fake_wire_complain(struct fake_wire *wire, int error);
/** fake_wire_taken() - bytes that were sent and not skipped yet */
const uint8_t *fake_wire_taken(const struct fake_wire *wire, size_t *length);
/** fake_wire_skip() - the peer has read @length of them */
void fake_wire_skip(struct fake_wire *wire, size_t length);

/** fake_wire_cut_sent() - the peer reads @bytes more, then sends end with @error; -1 = never */
void fake_wire_cut_sent(struct fake_wire *wire, int64_t bytes, int error);
/** fake_wire_cut_given() - @bytes more of the peer's arrive, then 0 = FIN or @error; -1 = all */
void fake_wire_cut_given(struct fake_wire *wire, int64_t bytes, int error);
/** fake_wire_sent_bytes(), fake_wire_given_bytes() - in all, from us and from the peer */
int64_t fake_wire_sent_bytes(const struct fake_wire *wire);
int64_t fake_wire_given_bytes(const struct fake_wire *wire);
/** fake_wire_limit() - at most so many bytes per operation; 0 = any number */
void fake_wire_limit(struct fake_wire *wire, size_t receive_bytes, size_t send_bytes);
/** fake_wire_hold() - sends do not complete: the peer reads nothing */
void fake_wire_hold(struct fake_wire *wire, bool hold);

/** fake_wire_cancel_late() - what is cancelled while bytes are there ends with them after all */
void fake_wire_cancel_late(struct fake_wire *wire, bool late);

/** fake_wire_run_once() - one operation in each direction at most. Return: something moved */
bool fake_wire_run_once(struct fake_wire *wire);
/** fake_wire_run() - turn until nothing moves; no time passes */
void fake_wire_run(struct fake_wire *wire);
/** fake_wire_advance() - let @ms pass, one by one */
void fake_wire_advance(struct fake_wire *wire, unsigned ms);
