/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/fakes/fake_ring.h"
#include "util/cleanup.h"

#define TURNS_MAX 10000000 /* an exchange that never ends is a bug in what is tested */

/* Bytes on their way. */
struct stream {
	uint8_t *bytes;
	size_t start, end, size;
};

struct pending {
	struct op *op;
	const struct msghdr *message;
	bool cancelled;
};

struct fake_wire {
	struct list link;
	struct ring *ring;
	int fd;
	struct stream in, out;
	struct pending receive, send;
	bool ended, hold, cancel_late;
	/* bytes until sends fail with send_error, receives end with end_error; -1 = never */
	int64_t sent_cut, given_cut;
	int64_t sent, given;
	int end_error, send_error;
	int complaint; /* 0 = none */
	size_t receive_limit, send_limit;
	bool (*peer)(void *userdata);
	void *userdata;
};

static struct list wires = LIST_INIT(wires);

static void stream_append(struct stream *stream, const void *bytes, size_t length)
{
	if (stream->start == stream->end)
		stream->start = stream->end = 0;
	if (stream->size - stream->end < length) {
		stream->size = (stream->end + length) * 2;
		stream->bytes = realloc(stream->bytes, stream->size);
		assert(stream->bytes);
	}
	if (length)
		memcpy(stream->bytes + stream->end, bytes, length);
	stream->end += length;
}

/* Nothing was ever in it: there is no memory to point at. */
static const uint8_t *stream_first(const struct stream *stream)
{
	return stream->bytes ? stream->bytes + stream->start : NULL;
}

static struct fake_wire *wire_of(int fd)
{
	struct fake_wire *wire;

	list_for_each (wire, &wires, link)
		if (wire->fd == fd)
			return wire;
	abort();
}

struct fake_wire *fake_wire_new(struct ring *ring)
{
	struct fake_wire *wire = calloc(1, sizeof(*wire));

	assert(wire);
	wire->ring = ring;
	wire->sent_cut = wire->given_cut = -1;
	wire->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert(wire->fd >= 0);
	list_append(&wires, &wire->link);
	return wire;
}

void fake_wire_free(struct fake_wire *wire)
{
	if (!wire)
		return;
	assert(!wire->receive.op && !wire->send.op);
	if (!fake_wire_closed(wire))
		close(wire->fd);
	list_remove(&wire->link);
	free(wire->in.bytes);
	free(wire->out.bytes);
	free(wire);
}

int fake_wire_fd(const struct fake_wire *wire)
{
	return wire->fd;
}

bool fake_wire_closed(const struct fake_wire *wire)
{
	return fcntl(wire->fd, F_GETFD) < 0;
}

bool fake_wire_busy(const struct fake_wire *wire)
{
	return wire->receive.op || wire->send.op;
}

void fake_wire_set_peer(struct fake_wire *wire, bool (*peer)(void *userdata), void *userdata)
{
	wire->peer = peer;
	wire->userdata = userdata;
}

void fake_wire_give(struct fake_wire *wire, const void *bytes, size_t length)
{
	assert(!wire->ended);
	stream_append(&wire->in, bytes, length);
	wire->given += (int64_t)length;
}

const uint8_t *fake_wire_unread(const struct fake_wire *wire, size_t *length)
{
	*length = wire->in.end - wire->in.start;
	return stream_first(&wire->in);
}

void fake_wire_forget(struct fake_wire *wire)
{
	wire->in.start = wire->in.end;
}

void fake_wire_end(struct fake_wire *wire, int error)
{
	wire->ended = true;
	wire->end_error = error;
}

const uint8_t *fake_wire_taken(const struct fake_wire *wire, size_t *length)
{
	*length = wire->out.end - wire->out.start;
	return stream_first(&wire->out);
}

void fake_wire_skip(struct fake_wire *wire, size_t length)
{
	assert(length <= wire->out.end - wire->out.start);
	wire->out.start += length;
}

void fake_wire_limit(struct fake_wire *wire, size_t receive_bytes, size_t send_bytes)
{
	wire->receive_limit = receive_bytes;
	wire->send_limit = send_bytes;
}

void fake_wire_hold(struct fake_wire *wire, bool hold)
{
	wire->hold = hold;
}

void fake_wire_cut_sent(struct fake_wire *wire, int64_t bytes, int error)
{
	wire->sent_cut = bytes;
	wire->send_error = error;
}

void fake_wire_cut_given(struct fake_wire *wire, int64_t bytes, int error)
{
	wire->given_cut = bytes;
	wire->end_error = error;
}

int64_t fake_wire_sent_bytes(const struct fake_wire *wire)
{
	return wire->sent;
}

int64_t fake_wire_given_bytes(const struct fake_wire *wire)
{
	return wire->given;
}

void fake_wire_cancel_late(struct fake_wire *wire, bool late)
{
	wire->cancel_late = late;
}

void fake_wire_complain(struct fake_wire *wire, int error)
{
	wire->complaint = error;
}

/* What util/ring does on descriptors. */

void ring_recvmsg(struct ring *ring, struct op *op, int fd, struct msghdr *message, int flags)
{
	struct fake_wire *wire = wire_of(fd);

	assert(!wire->receive.op && message->msg_iovlen > 0);
	wire->receive = (struct pending){.op = op, .message = message};
}

void ring_sendmsg(struct ring *ring, struct op *op, int fd, const struct msghdr *message, int flags)
{
	struct fake_wire *wire = wire_of(fd);

	assert(!wire->send.op && message->msg_iovlen > 0);
	wire->send = (struct pending){.op = op, .message = message};
}

void ring_cancel(struct ring *ring, struct op *op)
{
	struct fake_wire *wire;

	list_for_each (wire, &wires, link) {
		if (wire->receive.op == op)
			wire->receive.cancelled = true;
		if (wire->send.op == op)
			wire->send.cancelled = true;
	}
}

static void finish(struct pending *pending, int res)
{
	struct op *op = pending->op;

	*pending = (struct pending){};
	op->done(op, res, 0);
}

static bool receive(struct fake_wire *wire)
{
	struct pending *pending = &wire->receive;
	size_t left = wire->in.end - wire->in.start, taken = 0;

	if (!pending->op)
		return false;
	if (pending->cancelled && !(wire->cancel_late && left)) {
		finish(pending, -ECANCELED);
		return true;
	}
	if (wire->complaint) {
		int complaint = wire->complaint;

		wire->complaint = 0;
		finish(pending, complaint);
		return true;
	}
	if (!left && !wire->ended && wire->given_cut != 0)
		return false;
	if (!left || wire->given_cut == 0) {
		finish(pending, wire->end_error);
		return true;
	}
	if (wire->receive_limit)
		left = MIN(left, wire->receive_limit);
	if (wire->given_cut > 0)
		left = MIN(left, (size_t)wire->given_cut);
	for (size_t i = 0; i < pending->message->msg_iovlen && taken < left; i++) {
		const struct iovec *part = &pending->message->msg_iov[i];
		size_t n = MIN(left - taken, part->iov_len);

		memcpy(part->iov_base, wire->in.bytes + wire->in.start + taken, n);
		taken += n;
	}
	wire->in.start += taken;
	if (wire->given_cut > 0)
		wire->given_cut -= (int64_t)taken;
	finish(pending, (int)taken);
	return true;
}

static bool send_out(struct fake_wire *wire)
{
	struct pending *pending = &wire->send;
	size_t left = wire->send_limit ? wire->send_limit : SIZE_MAX, taken = 0;

	if (!pending->op)
		return false;
	if (pending->cancelled || wire->sent_cut == 0) {
		finish(pending, pending->cancelled ? -ECANCELED : wire->send_error);
		return true;
	}
	if (wire->hold)
		return false;
	if (wire->sent_cut > 0)
		left = MIN(left, (size_t)wire->sent_cut);
	for (size_t i = 0; i < pending->message->msg_iovlen && taken < left; i++) {
		const struct iovec *part = &pending->message->msg_iov[i];
		size_t n = MIN(left - taken, part->iov_len);

		stream_append(&wire->out, part->iov_base, n);
		taken += n;
	}
	if (wire->sent_cut > 0)
		wire->sent_cut -= (int64_t)taken;
	wire->sent += (int64_t)taken;
	finish(pending, (int)taken);
	return true;
}

bool fake_wire_run_once(struct fake_wire *wire)
{
	bool moved;

	fake_ring_turn(wire->ring);
	moved = send_out(wire);
	moved |= wire->peer && wire->peer(wire->userdata);
	moved |= receive(wire);
	return moved;
}

void fake_wire_run(struct fake_wire *wire)
{
	unsigned turns = 0;

	while (fake_wire_run_once(wire))
		assert(turns++ < TURNS_MAX);
}

void fake_wire_advance(struct fake_wire *wire, unsigned ms)
{
	fake_wire_run(wire);
	while (ms--) {
		fake_ring_advance(wire->ring, 1);
		fake_wire_run(wire);
	}
}
