/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "iscsi/receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/crc32c.h"

/* Below this a data segment is copied out of the buffer: a second receive would cost more. */
#define DIRECT_MIN_BYTES 4096u
#define COLLECTED_BYTES	 1024u

int receiver_init(struct receiver *receiver, const struct receiver_ops *ops)
{
	*receiver = (struct receiver){.ops = ops};
	receiver->buffer = malloc(RECEIVER_BUFFER_BYTES);
	receiver->collected = malloc(COLLECTED_BYTES);
	receiver->collected_size = COLLECTED_BYTES;
	if (receiver->buffer && receiver->collected)
		return 0;
	receiver_deinit(receiver);
	return -ENOMEM;
}

void receiver_deinit(struct receiver *receiver)
{
	free(receiver->buffer);
	free(receiver->collected);
	receiver->buffer = receiver->collected = NULL;
}

void receiver_start(struct receiver *receiver, uint32_t max_data_segment_length, bool header_digest,
		    bool data_digest)
{
	receiver->max_data_segment_length = max_data_segment_length;
	receiver->header_digest = header_digest;
	receiver->data_digest = data_digest;
	receiver->start = receiver->end = 0;
	receiver->data_left = receiver->trailer_left = 0;
	receiver->in_pdu = false;
}

unsigned receiver_prepare(struct receiver *receiver, struct iovec iov[2])
{
	unsigned n = 0;
	uint32_t left = receiver->end - receiver->start;

	if (receiver->start > 0) {
		memmove(receiver->buffer, receiver->buffer + receiver->start, left);
		receiver->start = 0;
		receiver->end = left;
	}
	if (receiver_fills_directly(receiver)) {
		assert(left == 0);
		iov[n++] = (struct iovec){receiver->data, receiver->data_left};
	}
	iov[n++] = (struct iovec){receiver->buffer + receiver->end,
				  RECEIVER_BUFFER_BYTES - receiver->end};
	return n;
}

/* A place for a data segment that no command asked for. */
static int receiver_collect(struct receiver *receiver, uint32_t length)
{
	uint8_t *larger;

	if (length > receiver->collected_size) {
		larger = realloc(receiver->collected, length);
		if (!larger)
			return -ENOMEM;
		receiver->collected = larger;
		receiver->collected_size = length;
	}
	receiver->data = receiver->collected;
	return 0;
}

bool receiver_fills(const struct receiver *receiver, const void *memory, size_t length_bytes)
{
	const uint8_t *start = memory;

	return receiver->in_pdu && receiver->data_left > 0 && receiver->data >= start &&
	       receiver->data < start + length_bytes;
}

bool receiver_fills_directly(const struct receiver *receiver)
{
	return receiver->in_pdu && receiver->data_left >= DIRECT_MIN_BYTES;
}

int receiver_divert(struct receiver *receiver)
{
	uint32_t length = pdu_data_length(&receiver->bhs);
	int r = receiver_collect(receiver, length);

	if (r == 0)
		receiver->data += length - receiver->data_left;
	return r;
}

/* The header at the start of the buffer, if it is whole. Return: 1 taken, 0 more bytes needed. */
static int receiver_header(struct receiver *receiver)
{
	const uint8_t *at = receiver->buffer + receiver->start;
	uint32_t length = BHS_LENGTH + (receiver->header_digest ? DIGEST_LENGTH : 0);
	uint32_t data_length;
	void *data = NULL;
	int r;

	if (receiver->end - receiver->start < length)
		return 0;
	/* Before anything in it is believed: the digest guards the length fields (§7.8). */
	if (receiver->header_digest &&
	    crc32c(0, at, BHS_LENGTH) != crc32c_from_wire(at + BHS_LENGTH))
		return -EBADMSG;
	memcpy(&receiver->bhs, at, BHS_LENGTH);
	if (receiver->bhs.total_ahs_length)
		return -EPROTO; /* no response carries additional header segments (§11.2.1.5) */
	data_length = pdu_data_length(&receiver->bhs);
	if (data_length > receiver->max_data_segment_length)
		return -EPROTO;
	receiver->start += length;

	r = receiver->ops->header(receiver, &receiver->bhs, &data);
	if (r < 0)
		return r;
	receiver->data = data;
	if (!data && data_length) {
		r = receiver_collect(receiver, data_length);
		if (r < 0)
			return r;
	}
	receiver->in_pdu = true;
	receiver->data_left = data_length;
	receiver->trailer_left = pdu_padding(data_length) +
				 (receiver->data_digest && data_length ? DIGEST_LENGTH : 0);
	receiver->crc = 0;
	return 1;
}

/* @length bytes of the data segment are in place. */
static void receiver_data_came(struct receiver *receiver, uint32_t length)
{
	if (receiver->data_digest)
		receiver->crc = crc32c(receiver->crc, receiver->data, length);
	receiver->data += length;
	receiver->data_left -= length;
}

static uint32_t receiver_trailer_length(const struct receiver *receiver)
{
	uint32_t length = pdu_data_length(&receiver->bhs);

	return pdu_padding(length) + (receiver->data_digest && length ? DIGEST_LENGTH : 0);
}

static int receiver_pdu_complete(struct receiver *receiver)
{
	uint32_t length = pdu_data_length(&receiver->bhs), padding = pdu_padding(length);

	receiver->in_pdu = false;
	if (receiver->data_digest && length &&
	    crc32c(receiver->crc, receiver->trailer, padding) !=
		    crc32c_from_wire(receiver->trailer + padding))
		return receiver->ops->damaged ? receiver->ops->damaged(receiver, &receiver->bhs)
					      : -EBADMSG;
	return receiver->ops->pdu(receiver, &receiver->bhs,
				  length ? receiver->data - length : NULL);
}

/* Data, padding and digest out of the buffer. Return: 1 PDU complete, 0 more bytes needed. */
static int receiver_body(struct receiver *receiver)
{
	uint32_t n = MIN(receiver->data_left, receiver->end - receiver->start);
	uint32_t total = receiver_trailer_length(receiver);
	int r;

	if (n) {
		memcpy(receiver->data, receiver->buffer + receiver->start, n);
		receiver->start += n;
		receiver_data_came(receiver, n);
	}
	if (receiver->data_left)
		return 0;
	n = MIN(receiver->trailer_left, receiver->end - receiver->start);
	memcpy(receiver->trailer + total - receiver->trailer_left,
	       receiver->buffer + receiver->start, n);
	receiver->start += n;
	receiver->trailer_left -= n;
	if (receiver->trailer_left)
		return 0;
	r = receiver_pdu_complete(receiver);
	return r < 0 ? r : 1;
}

static int receiver_parse(struct receiver *receiver)
{
	int r;

	do {
		if (!receiver->in_pdu) {
			r = receiver_header(receiver);
			if (r <= 0)
				return r;
		}
		r = receiver_body(receiver);
	} while (r > 0);
	return r;
}

int receiver_commit(struct receiver *receiver, size_t length_bytes)
{
	/* The same condition as in receiver_prepare(): these bytes went straight to their place. */
	if (receiver_fills_directly(receiver)) {
		uint32_t direct = (uint32_t)MIN(length_bytes, (size_t)receiver->data_left);

		receiver_data_came(receiver, direct);
		length_bytes -= direct;
	}
	assert(length_bytes <= RECEIVER_BUFFER_BYTES - receiver->end);
	receiver->end += (uint32_t)length_bytes;
	return receiver_parse(receiver);
}
