/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Byte stream → whole PDUs in full feature phase, sans I/O (RFC 7143 §11.1, §11.2). Several PDUs
 * come out of one receive; a long data segment goes straight from the socket to the memory that its
 * command named. The owner asks receiver_prepare() where the next bytes belong, has them received
 * there, and tells receiver_commit() how many came.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "iscsi/pdu.h"

#define RECEIVER_BUFFER_BYTES 65536u

struct receiver;

struct receiver_ops {
	/**
	 * a header is complete and its digest right
	 * @data: set to where the data segment belongs (pdu_data_length() bytes), or left NULL:
	 * then it is collected and handed to pdu()
	 * Return: 0; -errno ends the connection and is what receiver_commit() returns.
	 */
	int (*header)(struct receiver *receiver, const struct bhs *bhs, void **data);
	/**
	 * the PDU is complete and its digests right
	 * @data: the collected data segment, or where header() had put it; NULL when there is none
	 */
	int (*pdu)(struct receiver *receiver, const struct bhs *bhs, const uint8_t *data);
	/**
	 * the PDU is complete and its data digest wrong; where it ends is known all the same,
	 * because the header is right. May be NULL: -EBADMSG
	 *
	 * Return: 0 to go on without it; -errno as from header()
	 */
	int (*damaged)(struct receiver *receiver, const struct bhs *bhs);
};

struct receiver {
	const struct receiver_ops *ops;
	uint32_t max_data_segment_length; /* bytes: ours, as declared */
	bool header_digest, data_digest;

	struct bhs bhs;	       /* of the PDU whose data is coming */
	uint8_t *data;	       /* where its data goes */
	uint32_t data_left;    /* bytes still to come */
	uint32_t trailer_left; /* bytes of padding and digest still to come */
	uint32_t crc;	       /* of the data so far */
	uint8_t trailer[8];
	bool in_pdu;

	uint8_t *buffer; /* received and not yet used: [start, end) */
	uint32_t start, end;
	uint8_t *collected; /* data segments that have no other place */
	uint32_t collected_size;
};

/** receiver_init() - embedded in its owner. Return: 0 or -ENOMEM */
int receiver_init(struct receiver *receiver, const struct receiver_ops *ops);
void receiver_deinit(struct receiver *receiver);

/** receiver_start() - a new connection: forget what was there */
void receiver_start(struct receiver *receiver, uint32_t max_data_segment_length, bool header_digest,
		    bool data_digest);

/** receiver_fills() - the PDU under way has data to come that belong into this memory */
bool receiver_fills(const struct receiver *receiver, const void *memory, size_t length_bytes);
/** receiver_fills_directly() - and the receive that was prepared last writes them there itself */
bool receiver_fills_directly(const struct receiver *receiver);
/**
 * receiver_divert() - throw the rest of these data away instead; no receive may be under way that
 * receiver_fills_directly(). Return: 0 or -ENOMEM
 */
int receiver_divert(struct receiver *receiver);

/** receiver_prepare() - where the next bytes belong. Return: entries of @iov used, 1 or 2 */
unsigned receiver_prepare(struct receiver *receiver, struct iovec iov[2]);

/**
 * receiver_commit() - @length_bytes more bytes are where receiver_prepare() said
 *
 * Return: 0; -EBADMSG for a wrong digest (of data: unless damaged() goes on); -EPROTO for a header
 * that breaks the rules (§11.2.1); -ENOMEM; or what the ops returned. After a failure the stream
 * cannot be followed any further.
 */
int receiver_commit(struct receiver *receiver, size_t length_bytes);
