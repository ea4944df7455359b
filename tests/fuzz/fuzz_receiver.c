/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The byte stream of a target in full feature phase, in pieces. With an odd first byte the digests
 * of each header are put right, so that the fuzzer gets past the first PDU.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/receiver.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

#define LIMIT 20000u /* our MaxRecvDataSegmentLength */

struct owner {
	struct receiver receiver;
	uint8_t *place; /* what header() named; exactly as long as the data */
	bool in_pdu;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_header(struct receiver *receiver, const struct bhs *bhs, void **data)
{
	struct owner *owner = container_of(receiver, struct owner, receiver);

	assert(!owner->in_pdu && !owner->place);
	assert(pdu_data_length(bhs) <= LIMIT && bhs->total_ahs_length == 0);
	owner->in_pdu = true;
	if (bhs->flags & 1) {
		owner->place = malloc(pdu_data_length(bhs));
		assert(owner->place);
		*data = owner->place;
	}
	return bhs->flags == 0x77 ? -1 : 0;
}

static int on_pdu(struct receiver *receiver, const struct bhs *bhs, const uint8_t *data)
{
	struct owner *owner = container_of(receiver, struct owner, receiver);
	uint64_t sum = 0; /* read it all: the sanitizer looks whether it may be read */

	assert(owner->in_pdu && !data == (pdu_data_length(bhs) == 0));
	assert(!data || !owner->place || data == owner->place);
	for (uint32_t i = 0; i < pdu_data_length(bhs); i++)
		sum += data[i];
	assert(sum <= 255ull * LIMIT);
	owner->in_pdu = false;
	free(take(owner->place));
	return bhs->flags == 0x78 ? -1 : 0;
}

static const struct receiver_ops ops = {.header = on_header, .pdu = on_pdu};

static int feed(struct owner *owner, const uint8_t *data, size_t size, size_t piece)
{
	int r = 0;

	while (size > 0 && r == 0) {
		struct iovec iov[2];
		unsigned n = receiver_prepare(&owner->receiver, iov);
		size_t taken = 0;

		for (unsigned i = 0; i < n; i++) {
			size_t part = MIN(iov[i].iov_len, MIN(size, piece) - taken);

			assert(iov[i].iov_len > 0);
			memcpy(iov[i].iov_base, data + taken, part);
			taken += part;
		}
		data += taken;
		size -= taken;
		r = receiver_commit(&owner->receiver, taken);
	}
	return r;
}

/* One PDU out of @data whose length and digests are right. Return: bytes used */
static size_t feed_pdu(struct owner *owner, const uint8_t *data, size_t size, size_t piece, int *r)
{
	static const uint8_t padding[3];
	uint8_t digest[DIGEST_LENGTH];
	struct bhs bhs = {};
	uint32_t length;

	memcpy(&bhs, data, MIN(size, (size_t)8));
	bhs.total_ahs_length = 0;
	size -= MIN(size, (size_t)8);
	length = (uint32_t)MIN(pdu_data_length(&bhs) % (LIMIT + 1), size);
	bhs.data_segment_length = be24_of(length);
	data += 8;
	*r = feed(owner, (const uint8_t *)&bhs, BHS_LENGTH, piece);
	crc32c_to_wire(crc32c(0, &bhs, BHS_LENGTH), digest);
	if (*r == 0 && owner->receiver.header_digest)
		*r = feed(owner, digest, DIGEST_LENGTH, piece);
	if (*r == 0 && length)
		*r = feed(owner, data, length, piece);
	if (*r == 0)
		*r = feed(owner, padding, pdu_padding(length), piece);
	if (*r == 0 && length && owner->receiver.data_digest) {
		crc32c_to_wire(crc32c(crc32c(0, data, length), padding, pdu_padding(length)),
			       digest);
		*r = feed(owner, digest, DIGEST_LENGTH, piece);
	}
	return 8 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct owner owner = {};
	size_t piece;
	int r = 0;

	if (size < 3)
		return 0;
	assert(receiver_init(&owner.receiver, &ops) == 0);
	receiver_start(&owner.receiver, LIMIT, data[0] & 2, data[0] & 4);
	piece = 1 + (data[1] | (data[0] & 0xf8) << 5);
	if (data[0] & 1) {
		size_t at = 2;

		while (at < size && r == 0)
			at += feed_pdu(&owner, data + at, size - at, piece, &r);
	} else {
		feed(&owner, data + 2, size - 2, piece);
	}
	free(owner.place);
	receiver_deinit(&owner.receiver);
	return 0;
}
