/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "iscsi/receiver.h"
#include "iscsi/settings.h"
#include "iscsi/statistics.h"
#include "iscsi/task.h"
#include "iscsi/tcp_health.h"
#include "util/cleanup.h"
#include "util/crc32c.h"
#include "util/ring.h"

#define BATCH_PDUS	64
#define BATCH_BYTES	(1u << 20)
#define DOUBTS_CHECK_MS 250u /* while there are any */

/* One PDU of the batch that is being sent. */
struct outgoing {
	struct pdu_slot slot;
	uint8_t header_digest[DIGEST_LENGTH];
	uint8_t trailer[3 + DIGEST_LENGTH]; /* padding and data digest */
};

/* Why a connection is not well; bits. */
enum doubt {
	DOUBT_SILENT = 1,
	DOUBT_UNREACHABLE = 2,
	DOUBT_STALLED = 4,
	DOUBT_CLOSED = 8,
	DOUBTS_HEARD_OUT = DOUBT_SILENT | DOUBT_UNREACHABLE, /* over with the next byte */
};

struct connection {
	struct ring *ring;
	const struct connection_ops *ops;
	void *owner;
	struct session_statistics *statistics;
	int fd; /* -1: not running */
	bool header_digest, data_digest;
	uint32_t exp_stat_sn, held_stat_sn;
	bool holding; /* held_stat_sn is what the target hears */

	struct receiver receiver;
	struct op receive_op;
	struct msghdr receive_message;
	struct iovec receive_iov[2];
	size_t early_bytes;
	bool receiving;
	const void *letting_go; /* the receive into this was cancelled; NULL = none was */
	size_t letting_go_bytes;

	struct op send_op;
	struct msghdr send_message;
	struct iovec send_iov[BATCH_PDUS * 4];
	struct outgoing batch[BATCH_PDUS];
	unsigned batched;
	bool sending;
	struct deferred flush;

	struct keepalive keepalive;
	struct tcp_health tcp;
	uint64_t sending_ns; /* since when a send is waiting for room; 0 = none is */
	unsigned doubts;     /* enum doubt */
	struct ring_timer timer;

	bool ending;
	enum connection_end end;
	int end_error;
	char end_text[160];
	struct deferred finish;
};

DEFINE_OWNED(connection);

static void connection_take(struct connection *connection, size_t length_bytes);
static void connection_arm(struct connection *connection, uint32_t delay_ms);

void *connection_owner(const struct connection *connection)
{
	return connection->owner;
}

bool connection_running(const struct connection *connection)
{
	return connection->fd >= 0 && !connection->ending;
}

/* The end. */

static void connection_finish(struct deferred *deferred)
{
	struct connection *connection = container_of(deferred, struct connection, finish);
	/*
	 * RST, and the kernel forgets what is queued: commands that are in doubt now must not be
	 * sent any more, also not to a target that has closed its own direction only. After a
	 * logout there are none.
	 */
	struct linger linger = {.l_onoff = connection->end_error != 0};

	if (connection->receiving || connection->sending || connection->fd < 0)
		return;
	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(connection->fd);
	connection->fd = -1;
	connection->ending = false;
	connection->ops->ended(connection, connection->end, connection->end_error,
			       connection->end_text);
}

/*
 * RST now, and the kernel forgets what is queued: commands that are in doubt from here on must not
 * be sent any more. It also ends both operations for sure: a cancellation misses one that the
 * kernel is just about to try again. No TCP, as in tests: close() has to do.
 */
static void connection_reset(struct connection *connection)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	(void)connect(connection->fd, &nobody, sizeof(nobody));
}

void connection_drop(struct connection *connection, enum connection_end end, int error,
		     const char *text)
{
	if (!connection_running(connection))
		return;
	connection->ending = true;
	connection->end = end;
	connection->end_error = error;
	snprintf(connection->end_text, sizeof(connection->end_text), "%s",
		 text ? text : strerror(-error));
	ring_timer_disarm(connection->ring, &connection->timer);
	ring_undefer(&connection->flush);
	if (error)
		connection_reset(connection);
	/* The kernel may be using our memory until both operations have reported. */
	if (connection->receiving)
		ring_cancel(connection->ring, &connection->receive_op);
	if (connection->sending)
		ring_cancel(connection->ring, &connection->send_op);
	ring_defer(connection->ring, &connection->finish);
}

/* Health. */

static enum nexus_health connection_health(const struct connection *connection)
{
	if (connection->doubts & ~(unsigned)DOUBT_CLOSED)
		return NEXUS_SUSPECT;
	return connection->doubts ? NEXUS_THROTTLED : NEXUS_WELL;
}

static void connection_set_doubts(struct connection *connection, unsigned doubts,
				  const char *reason)
{
	enum nexus_health before = connection_health(connection);

	connection->doubts = doubts;
	if (connection_health(connection) != before && connection->ops->health_changed)
		connection->ops->health_changed(connection, connection_health(connection), reason);
}

/* An error that is only what a router said: suspect, for a while. */
static bool connection_bears(struct connection *connection, int error)
{
	uint64_t now_ns = ring_now_ns(connection->ring);

	if (!tcp_health_complaint(&connection->tcp, error, now_ns))
		return false;
	if (keepalive_hurries(&connection->keepalive)) {
		connection_arm(connection, DOUBTS_CHECK_MS);
		connection_set_doubts(connection, connection->doubts | DOUBT_UNREACHABLE,
				      "the network says that the target cannot be reached");
	}
	return true;
}

/* Sending. */

static unsigned outgoing_fill(struct connection *connection, struct outgoing *out,
			      struct iovec *iov)
{
	struct pdu_slot *slot = &out->slot;
	uint32_t padding = pdu_padding(slot->data_length), trailer = padding;
	uint32_t header = BHS_LENGTH + pdu_ahs_length(&slot->bhs);
	struct iovec *first = iov;

	slot->bhs.data_segment_length = be24_of(slot->data_length);
	slot->request.exp_stat_sn =
		be32_of(connection->holding ? connection->held_stat_sn : connection->exp_stat_sn);
	*iov++ = (struct iovec){slot, header};
	if (connection->header_digest) {
		crc32c_to_wire(crc32c(0, slot, header), out->header_digest);
		*iov++ = (struct iovec){out->header_digest, DIGEST_LENGTH};
	}
	if (!slot->data_length)
		return (unsigned)(iov - first);
	*iov++ = (struct iovec){(void *)slot->data, slot->data_length};
	memset(out->trailer, 0, sizeof(out->trailer));
	if (connection->data_digest) {
		uint32_t crc = crc32c(0, slot->data, slot->data_length);

		crc = crc32c(crc, out->trailer, padding);
		crc32c_to_wire(crc, out->trailer + padding);
		trailer += DIGEST_LENGTH;
	}
	if (trailer)
		*iov++ = (struct iovec){out->trailer, trailer};
	return (unsigned)(iov - first);
}

static void connection_send(struct connection *connection)
{
	connection->sending = true;
	connection->sending_ns = ring_now_ns(connection->ring);
	connection->statistics->sends++;
	ring_sendmsg(connection->ring, &connection->send_op, connection->fd,
		     &connection->send_message, MSG_NOSIGNAL);
}

/* Collect everything that is due into one batch and send it. */
static void connection_fill_batch(struct connection *connection)
{
	struct msghdr *message = &connection->send_message;
	uint32_t bytes = 0;

	message->msg_iov = connection->send_iov;
	message->msg_iovlen = 0;
	while (connection->batched < BATCH_PDUS && bytes < BATCH_BYTES) {
		struct outgoing *out = &connection->batch[connection->batched];

		if (!connection->ops->next_pdu(connection, &out->slot))
			break;
		bytes += BHS_LENGTH + pdu_ahs_length(&out->slot.bhs) + out->slot.data_length;
		message->msg_iovlen +=
			outgoing_fill(connection, out, &connection->send_iov[message->msg_iovlen]);
		connection->batched++;
	}
	connection->statistics->txdata_octets += bytes;
	if (connection->batched)
		connection_send(connection);
}

static void connection_flush(struct deferred *deferred)
{
	struct connection *connection = container_of(deferred, struct connection, flush);
	size_t early = connection->early_bytes;

	if (!connection_running(connection))
		return;
	if (!connection->receiving) {
		connection->early_bytes = 0;
		connection_take(connection, early);
	}
	if (connection_running(connection) && !connection->sending)
		connection_fill_batch(connection);
}

void connection_kick(struct connection *connection)
{
	if (connection_running(connection) && !connection->sending)
		ring_defer(connection->ring, &connection->flush);
}

/* A short send: what is left of the batch starts at a later byte. */
static void message_advance(struct msghdr *message, size_t bytes)
{
	while (bytes && bytes >= message->msg_iov->iov_len) {
		bytes -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (bytes) {
		message->msg_iov->iov_base = (uint8_t *)message->msg_iov->iov_base + bytes;
		message->msg_iov->iov_len -= bytes;
	}
}

static void connection_sent(struct op *op, int res, unsigned flags)
{
	struct connection *connection = container_of(op, struct connection, send_op);
	unsigned batched = connection->batched;

	connection->sending = false;
	if (connection->ending) {
		ring_defer(connection->ring, &connection->finish);
		return;
	}
	if (res < 0 && connection_bears(connection, res))
		res = 0;
	if (res < 0) {
		connection_drop(connection, CONNECTION_CLOSED_BY_TARGET, res, NULL);
		return;
	}
	message_advance(&connection->send_message, (size_t)res);
	if (connection->send_message.msg_iovlen) {
		connection_send(connection);
		return;
	}
	connection->batched = 0;
	for (unsigned i = 0; i < batched; i++)
		if (connection->batch[i].slot.owner)
			connection->ops->left(connection, connection->batch[i].slot.owner);
	connection_kick(connection);
}

/* Receiving. */

static int connection_header(struct receiver *receiver, const struct bhs *bhs, void **data)
{
	struct connection *connection = container_of(receiver, struct connection, receiver);
	const char *why = NULL;
	int r;

	if (connection->ending)
		return -ECANCELED;
	r = connection->ops->header(connection, bhs, data, &why);
	if (r < 0)
		connection_drop(connection, CONNECTION_PROTOCOL_ERROR, r, why);
	return r;
}

static int connection_pdu(struct receiver *receiver, const struct bhs *bhs, const uint8_t *data)
{
	struct connection *connection = container_of(receiver, struct connection, receiver);
	uint32_t stat_sn = be32_get(((const struct bhs_response *)bhs)->stat_sn);
	bool counts = pdu_takes_stat_sn(bhs);
	const char *why = NULL;
	int r;

	connection->statistics->rxdata_octets += BHS_LENGTH + pdu_data_length(bhs);
	if (counts && stat_sn != connection->exp_stat_sn) {
		r = connection->ops->out_of_order(connection, bhs, data, &why);
	} else {
		connection->exp_stat_sn += counts;
		r = connection->ops->received(connection, bhs, data, &why);
	}
	if (r < 0)
		connection_drop(connection, CONNECTION_PROTOCOL_ERROR, r, why);
	return r;
}

static int connection_damaged(struct receiver *receiver, const struct bhs *bhs)
{
	struct connection *connection = container_of(receiver, struct connection, receiver);
	const char *why = NULL;
	int r;

	if (connection->ending)
		return -ECANCELED;
	r = connection->ops->damaged(connection, bhs, &why);
	if (r == 0)
		connection->statistics->digest_err++;
	else if (why)
		connection_drop(connection, CONNECTION_DIGEST_ERROR, r, why);
	return r == 0 ? 0 : -EBADMSG;
}

static const struct receiver_ops receiver_ops = {
	.header = connection_header,
	.pdu = connection_pdu,
	.damaged = connection_damaged,
};

static void connection_receive(struct connection *connection)
{
	unsigned n = receiver_prepare(&connection->receiver, connection->receive_iov);

	connection->receive_message = (struct msghdr){
		.msg_iov = connection->receive_iov,
		.msg_iovlen = n,
	};
	connection->receiving = true;
	ring_recvmsg(connection->ring, &connection->receive_op, connection->fd,
		     &connection->receive_message, 0);
}

static void connection_commit(struct connection *connection, size_t length_bytes)
{
	int r = receiver_commit(&connection->receiver, length_bytes);

	if (r == -EBADMSG) {
		connection->statistics->digest_err++;
		connection_drop(connection, CONNECTION_DIGEST_ERROR, r, "wrong digest");
	} else if (r < 0) {
		/* The ops have mostly said why already; the first reason counts. */
		connection_drop(connection, CONNECTION_PROTOCOL_ERROR, r, "malformed PDU header");
	}
}

/* @length_bytes more bytes have come, perhaps none. */
static void connection_take(struct connection *connection, size_t length_bytes)
{
	connection_commit(connection, length_bytes);
	if (connection_running(connection))
		connection_receive(connection);
}

static void connection_divert(struct connection *connection)
{
	int r = receiver_divert(&connection->receiver);

	if (r < 0)
		connection_drop(connection, CONNECTION_DROPPED, r, NULL);
}

bool connection_let_go(struct connection *connection, const void *memory, size_t length_bytes)
{
	if (!receiver_fills(&connection->receiver, memory, length_bytes))
		return true;
	if (!connection_running(connection))
		return false;
	if (!connection->receiving || !receiver_fills_directly(&connection->receiver)) {
		connection_divert(connection);
		return connection_running(connection);
	}
	if (!connection->letting_go)
		ring_cancel(connection->ring, &connection->receive_op);
	connection->letting_go = memory;
	connection->letting_go_bytes = length_bytes;
	return false;
}

/* The receive that was cancelled is over, with what had come until then. */
static void connection_has_let_go(struct connection *connection, size_t length_bytes)
{
	const void *memory = connection->letting_go;

	connection->letting_go = NULL;
	connection_commit(connection, length_bytes);
	if (connection_running(connection) &&
	    receiver_fills(&connection->receiver, memory, connection->letting_go_bytes))
		connection_divert(connection);
	if (!connection_running(connection))
		return;
	connection_receive(connection);
	connection->ops->let_go(connection);
}

static void connection_received(struct op *op, int res, unsigned flags)
{
	struct connection *connection = container_of(op, struct connection, receive_op);

	connection->receiving = false;
	if (connection->ending) {
		ring_defer(connection->ring, &connection->finish);
		return;
	}
	if (connection->letting_go && res == -ECANCELED) {
		connection_has_let_go(connection, 0);
		return;
	}
	if (res < 0 && connection_bears(connection, res)) {
		if (connection->letting_go)
			connection_has_let_go(connection, 0);
		else
			connection_receive(connection);
		return;
	}
	if (res <= 0) {
		connection_drop(connection, CONNECTION_CLOSED_BY_TARGET, res ? res : -ECONNRESET,
				res ? NULL : "the target closed the connection");
		return;
	}
	connection->statistics->receives++;
	keepalive_heard(&connection->keepalive, ring_now_ns(connection->ring));
	tcp_health_heard(&connection->tcp);
	if (connection->doubts & DOUBTS_HEARD_OUT)
		connection_set_doubts(connection, connection->doubts & ~(unsigned)DOUBTS_HEARD_OUT,
				      "the target answers again");
	if (connection->letting_go)
		connection_has_let_go(connection, (size_t)res);
	else
		connection_take(connection, (size_t)res);
}

/* Life signs. */

static void connection_arm(struct connection *connection, uint32_t delay_ms)
{
	uint64_t at_ns = ring_now_ns(connection->ring) + delay_ms * UINT64_C(1000000);

	/* Under load this is asked for at every request: an earlier timer will look again itself.
	 */
	if (delay_ms && (!ring_timer_armed(&connection->timer) || connection->timer.at_ns > at_ns))
		ring_timer_arm(connection->ring, &connection->timer, delay_ms);
}

/* Is TCP stuck? Return: the doubts that follow. */
static unsigned connection_ask_tcp(struct connection *connection, uint64_t now_ns, const char **why)
{
	static const unsigned doubts[] = {
		[TCP_CLOSED] = DOUBT_CLOSED,
		[TCP_STALLED] = DOUBT_STALLED,
	};
	struct tcp_sample sample = {};
	enum tcp_verdict verdict;

	if (tcp_health_read(connection->fd, &sample))
		keepalive_set_round_trip(&connection->keepalive, sample.rtt_us, sample.rto_us);
	verdict = tcp_health_judge(&connection->tcp, &sample,
				   connection->sending ? connection->sending_ns : 0, now_ns, why);
	if (verdict != TCP_LOST)
		return doubts[verdict];
	connection->statistics->timeout_err++;
	connection_drop(connection, CONNECTION_SILENT, -ETIMEDOUT, *why);
	return 0;
}

/* On the last path, or with nothing to do, there are no doubts: they would change nothing. */
static void connection_doubt(struct connection *connection, uint64_t now_ns)
{
	const char *why = "the target answers again";
	unsigned doubts = 0;

	if (keepalive_hurries(&connection->keepalive)) {
		const char *tcp_why = NULL;

		doubts = connection_ask_tcp(connection, now_ns, &tcp_why);
		if (!connection_running(connection))
			return;
		why = tcp_why ? tcp_why : why;
		doubts |= connection->doubts & DOUBT_UNREACHABLE;
		if (keepalive_suspicious(&connection->keepalive, now_ns)) {
			doubts |= DOUBT_SILENT;
			why = "silent with commands outstanding";
		}
	}
	connection_set_doubts(connection, doubts, why);
}

static void connection_check(struct ring_timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, timer);
	uint64_t now_ns = ring_now_ns(connection->ring);
	uint32_t again_ms;

	switch (keepalive_check(&connection->keepalive, now_ns, &again_ms)) {
	case KEEPALIVE_PING:
		if (connection->ops->ping(connection))
			keepalive_pinged(&connection->keepalive, now_ns);
		break;
	case KEEPALIVE_DEAD:
		connection->statistics->timeout_err++;
		connection_drop(connection, CONNECTION_SILENT, -ETIMEDOUT,
				"the target does not answer");
		return;
	case KEEPALIVE_FINE:
		break;
	}
	connection_arm(connection, again_ms);
	connection_doubt(connection, now_ns);
	if (connection_running(connection) && connection->doubts)
		connection_arm(connection, DOUBTS_CHECK_MS);
}

void connection_set_busy(struct connection *connection, bool busy)
{
	if (!busy) {
		keepalive_idle(&connection->keepalive);
		return;
	}
	keepalive_busy(&connection->keepalive, ring_now_ns(connection->ring));
	/* Commands are still taken while the connection ends: nobody would disarm the timer then.
	 */
	if (connection_running(connection))
		connection_arm(connection, keepalive_first_check_ms(&connection->keepalive));
}

void connection_set_aggressive(struct connection *connection, bool aggressive)
{
	connection->keepalive.aggressive = aggressive;
	if (connection_running(connection))
		connection_arm(connection, keepalive_first_check_ms(&connection->keepalive));
}

uint32_t connection_exp_stat_sn(const struct connection *connection)
{
	return connection->exp_stat_sn;
}

void connection_hold_acknowledgement(struct connection *connection, uint32_t stat_sn)
{
	connection->holding = true;
	connection->held_stat_sn = stat_sn;
}

void connection_release_acknowledgement(struct connection *connection)
{
	connection->holding = false;
}

uint32_t connection_ping_answered(struct connection *connection)
{
	uint64_t since_ns = connection->keepalive.pinged_ns;

	keepalive_answered(&connection->keepalive);
	return since_ns ? (uint32_t)((ring_now_ns(connection->ring) - since_ns) / 1000) : 0;
}

/* The beginning. */

int connection_new(struct ring *ring, const struct connection_ops *ops, void *owner,
		   struct session_statistics *statistics, struct connection **ret)
{
	owned(connection) connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection)
		return -ENOMEM;
	connection->ring = ring;
	connection->ops = ops;
	connection->owner = owner;
	connection->statistics = statistics;
	connection->fd = -1;
	connection->receive_op.done = connection_received;
	connection->send_op.done = connection_sent;
	deferred_init(&connection->flush, connection_flush);
	deferred_init(&connection->finish, connection_finish);
	ring_timer_init(&connection->timer, connection_check);
	r = receiver_init(&connection->receiver, &receiver_ops);
	if (r < 0)
		return r;
	*ret = take(connection);
	return 0;
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	assert(connection->fd < 0);
	receiver_deinit(&connection->receiver);
	free(connection);
}

int connection_start(struct connection *connection, int fd, const struct negotiated *negotiated,
		     const struct keepalive_settings *keepalive, uint32_t exp_stat_sn,
		     const void *early, size_t early_bytes)
{
	struct iovec iov[2];

	assert(connection->fd < 0);
	receiver_start(&connection->receiver, negotiated->max_recv_data_segment_length,
		       negotiated->header_digest, negotiated->data_digest);
	receiver_prepare(&connection->receiver, iov);
	if (early_bytes > iov[0].iov_len) {
		close(fd);
		return -ENOBUFS;
	}
	if (early_bytes)
		memcpy(iov[0].iov_base, early, early_bytes);
	connection->early_bytes = early_bytes;
	connection->fd = fd;
	connection->header_digest = negotiated->header_digest;
	connection->data_digest = negotiated->data_digest;
	connection->exp_stat_sn = exp_stat_sn;
	connection->holding = false;
	connection->batched = 0;
	connection->doubts = 0;
	connection->sending_ns = 0;
	connection->letting_go = NULL;
	tcp_health_start(&connection->tcp, fd);
	keepalive_start(&connection->keepalive, keepalive, ring_now_ns(connection->ring));
	connection_arm(connection, keepalive_first_check_ms(&connection->keepalive));
	ring_defer(connection->ring, &connection->flush);
	return 0;
}
