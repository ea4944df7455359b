/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/receiver.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

#define LIMIT	   40000u /* our MaxRecvDataSegmentLength */
#define STREAM_MAX (1u << 18)

/* One PDU of a stream and where its data shall go. */
struct part {
	uint32_t length;
	bool placed; /* header() names memory for it; else it is collected */
};

struct stream {
	uint8_t bytes[STREAM_MAX];
	size_t length;
	bool header_digest, data_digest;
	struct part parts[16];
	size_t count;

	struct receiver receiver;
	size_t headers, pdus;
	uint8_t *place; /* of the PDU that is coming; exactly its length */
	int header_result, pdu_result;
};

static uint8_t byte_of(size_t part, size_t at)
{
	return (uint8_t)(part * 31 + at * 7 + (at >> 8));
}

static void stream_add(struct stream *stream, uint32_t length, bool placed)
{
	size_t part = stream->count++;
	uint8_t *at = stream->bytes + stream->length;
	struct bhs bhs = {
		.opcode = PDU_DATA_IN,
		.data_segment_length = be24_of(length),
		.initiator_task_tag = be32_of((uint32_t)part),
	};
	uint32_t padded = pdu_padded(length);

	stream->parts[part] = (struct part){length, placed};
	memcpy(at, &bhs, BHS_LENGTH);
	at += BHS_LENGTH;
	if (stream->header_digest) {
		crc32c_to_wire(crc32c(0, &bhs, BHS_LENGTH), at);
		at += DIGEST_LENGTH;
	}
	memset(at, 0, padded);
	for (uint32_t i = 0; i < length; i++)
		at[i] = byte_of(part, i);
	at += padded;
	if (stream->data_digest && length) {
		crc32c_to_wire(crc32c(0, at - padded, padded), at);
		at += DIGEST_LENGTH;
	}
	stream->length = (size_t)(at - stream->bytes);
	assert_in_range(stream->length, 1, STREAM_MAX);
}

static int on_header(struct receiver *receiver, const struct bhs *bhs, void **data)
{
	struct stream *stream = container_of(receiver, struct stream, receiver);
	size_t part = stream->headers++;

	assert_int_equal(stream->pdus, part);
	assert_int_equal(be32_get(bhs->initiator_task_tag), part);
	assert_null(*data);
	if (stream->parts[part].placed) {
		stream->place = malloc(stream->parts[part].length);
		*data = stream->place;
	}
	return stream->header_result;
}

static int on_pdu(struct receiver *receiver, const struct bhs *bhs, const uint8_t *data)
{
	struct stream *stream = container_of(receiver, struct stream, receiver);
	size_t part = stream->pdus++;
	uint32_t length = stream->parts[part].length;

	assert_int_equal(stream->headers, stream->pdus);
	assert_int_equal(be32_get(bhs->initiator_task_tag), part);
	assert_int_equal(pdu_data_length(bhs), length);
	if (!length)
		assert_null(data);
	else if (stream->parts[part].placed)
		assert_ptr_equal(data, stream->place);
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(data[i], byte_of(part, i));
	free(stream->place);
	stream->place = NULL;
	return stream->pdu_result;
}

static const struct receiver_ops ops = {.header = on_header, .pdu = on_pdu};

static struct stream *stream_new(bool header_digest, bool data_digest)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->header_digest = header_digest;
	stream->data_digest = data_digest;
	assert_int_equal(receiver_init(&stream->receiver, &ops), 0);
	receiver_start(&stream->receiver, LIMIT, header_digest, data_digest);
	return stream;
}

static void stream_free(struct stream *stream)
{
	free(stream->place);
	receiver_deinit(&stream->receiver);
	receiver_deinit(&stream->receiver);
	free(stream);
}

/* All of it, at most @piece bytes at a time, where the receiver wants them. */
static int stream_feed(struct stream *stream, size_t piece)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < stream->length) {
		size_t left = MIN(stream->length - at, piece), taken = 0;
		struct iovec iov[2];
		unsigned n = receiver_prepare(&stream->receiver, iov);

		for (unsigned i = 0; i < n; i++) {
			size_t part = MIN(iov[i].iov_len, left - taken);

			assert_int_not_equal(iov[i].iov_len, 0);
			memcpy(iov[i].iov_base, stream->bytes + at + taken, part);
			taken += part;
		}
		at += taken;
		r = receiver_commit(&stream->receiver, taken);
	}
	return r;
}

/* Short and long, in every remainder of four, placed and collected. */
static const struct part varied[] = {
	{0, false},    {1, true},     {2, false},     {3, true},    {4, false},	  {5, true},
	{4095, false}, {4096, true},  {4096, false},  {4097, true}, {4099, true}, {9001, false},
	{0, true},     {40000, true}, {40000, false}, {48, true},
};

static void every_cut_gives_the_same_pdus(void **state)
{
	static const size_t pieces[] = {1,    2,     3,	    4,	   5,	  47,	     48,   49,
					51,   52,    53,    4095,  4096,  4097,	     4147, 4148,
					4149, 10000, 65535, 65536, 65537, STREAM_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		for (unsigned digests = 0; digests < 4; digests++) {
			struct stream *stream = stream_new(digests & 1, digests & 2);

			for (size_t j = 0; j < ARRAY_SIZE(varied); j++)
				stream_add(stream, varied[j].length, varied[j].placed);
			assert_int_equal(stream_feed(stream, pieces[i]), 0);
			assert_int_equal(stream->pdus, ARRAY_SIZE(varied));
			stream_free(stream);
		}
	}
}

static void long_data_goes_straight_to_its_place(void **state)
{
	struct stream *stream = stream_new(false, false);
	struct iovec iov[2];

	stream_add(stream, 20000, true);
	stream->length = BHS_LENGTH + 100;
	assert_int_equal(stream_feed(stream, STREAM_MAX), 0);
	assert_int_equal(receiver_prepare(&stream->receiver, iov), 2);
	assert_ptr_equal(iov[0].iov_base, stream->place + 100);
	assert_int_equal(iov[0].iov_len, 19900);
	assert_int_equal(iov[1].iov_len, RECEIVER_BUFFER_BYTES);
	stream_free(stream);
}

static void many_pdus_come_out_of_one_receive(void **state)
{
	struct stream *stream = stream_new(true, true);

	for (unsigned i = 0; i < 16; i++)
		stream_add(stream, i, i % 2);
	assert_in_range(stream->length, 1, RECEIVER_BUFFER_BYTES);
	assert_int_equal(stream_feed(stream, STREAM_MAX), 0);
	assert_int_equal(stream->pdus, 16);
	stream_free(stream);
}

/* Every byte, of header, data, padding and digests, is guarded by one of the two digests. */
static void a_changed_byte_is_noticed(void **state)
{
	size_t length;

	for (size_t at = 0;; at++) {
		struct stream *stream = stream_new(true, true);

		stream_add(stream, 61, at % 2);
		length = stream->length;
		if (at == length) {
			stream_free(stream);
			break;
		}
		stream->bytes[at] ^= 0x20;
		assert_int_equal(stream_feed(stream, at % 7 + 1), -EBADMSG);
		assert_int_equal(stream->pdus, 0);
		/* the header must not be believed either */
		assert_int_equal(stream->headers, at < BHS_LENGTH + DIGEST_LENGTH ? 0 : 1);
		stream_free(stream);
	}
}

static void headers_that_break_the_rules_are_refused(void **state)
{
	static const struct {
		uint8_t ahs;
		uint32_t length;
		int want;
	} rows[] = {
		{0, LIMIT, 0},	 {0, LIMIT + 1, -EPROTO}, {0, DATA_SEGMENT_MAX, -EPROTO},
		{1, 0, -EPROTO}, {255, 0, -EPROTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stream *stream = stream_new(false, false);
		struct bhs *bhs = (struct bhs *)stream->bytes;

		stream_add(stream, 0, false);
		stream->parts[0].length = rows[i].length;
		bhs->total_ahs_length = rows[i].ahs;
		bhs->data_segment_length = be24_of(rows[i].length);
		assert_int_equal(stream_feed(stream, STREAM_MAX), rows[i].want);
		assert_int_equal(stream->headers, rows[i].want == 0);
		stream_free(stream);
	}
}

static void what_the_owner_says_ends_the_stream(void **state)
{
	struct stream *stream = stream_new(false, false);

	stream->header_result = -EPROTO;
	stream_add(stream, 8, true);
	stream_add(stream, 8, true);
	assert_int_equal(stream_feed(stream, STREAM_MAX), -EPROTO);
	assert_int_equal(stream->headers, 1);
	assert_int_equal(stream->pdus, 0);
	stream_free(stream);

	stream = stream_new(false, false);
	stream->pdu_result = -ECANCELED;
	stream_add(stream, 8, true);
	stream_add(stream, 8, true);
	assert_int_equal(stream_feed(stream, STREAM_MAX), -ECANCELED);
	assert_int_equal(stream->pdus, 1);
	stream_free(stream);
}

/* Half a PDU of the connection before is forgotten, and so is where its data went. */
static void a_new_connection_starts_afresh(void **state)
{
	for (size_t cut = 1; cut < 5000; cut += cut < 60 ? 1 : 331) {
		struct stream *stream = stream_new(false, false);

		stream_add(stream, 6000, true);
		stream->length = cut;
		assert_int_equal(stream_feed(stream, STREAM_MAX), 0);
		free(take(stream->place));
		receiver_start(&stream->receiver, LIMIT, true, true);
		stream->header_digest = stream->data_digest = true;
		stream->length = stream->count = stream->headers = stream->pdus = 0;
		stream_add(stream, 70, true);
		assert_int_equal(stream_feed(stream, 5), 0);
		assert_int_equal(stream->pdus, 1);
		stream_free(stream);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same_pdus),
		cmocka_unit_test(long_data_goes_straight_to_its_place),
		cmocka_unit_test(many_pdus_come_out_of_one_receive),
		cmocka_unit_test(a_changed_byte_is_noticed),
		cmocka_unit_test(headers_that_break_the_rules_are_refused),
		cmocka_unit_test(what_the_owner_says_ends_the_stream),
		cmocka_unit_test(a_new_connection_starts_afresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
