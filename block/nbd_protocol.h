/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What Linux's NBD client and its server say to each other once they are connected: requests with a
 * cookie, and simple replies in any order. Source: the NBD protocol (proto.md of the NBD project),
 * "Transmission phase"; constants that linux/nbd.h has only in newer versions are here as well.
 */

#include "util/bytes.h"

#define NBD_PROTOCOL_REQUEST_MAGIC UINT32_C(0x25609513)
#define NBD_PROTOCOL_REPLY_MAGIC   UINT32_C(0x67446698)

struct nbd_protocol_request {
	be32 magic;
	be16 flags; /* enum nbd_protocol_flags */
	be16 type;  /* enum nbd_protocol_type */
	uint8_t cookie[8];
	be64 offset_bytes;
	be32 length_bytes; /* the data of a WRITE follows */
};
static_assert(sizeof(struct nbd_protocol_request) == 28, "a request is 28 bytes");

struct nbd_protocol_reply {
	be32 magic;
	be32 error; /* 0, then the data of a READ follows; or an errno */
	uint8_t cookie[8];
};
static_assert(sizeof(struct nbd_protocol_reply) == 16, "a reply is 16 bytes");

enum nbd_protocol_type {
	NBD_PROTOCOL_READ,
	NBD_PROTOCOL_WRITE,
	NBD_PROTOCOL_DISCONNECT, /* has no reply */
	NBD_PROTOCOL_FLUSH,
	NBD_PROTOCOL_TRIM,
	NBD_PROTOCOL_CACHE,
	NBD_PROTOCOL_WRITE_ZEROES,
	NBD_PROTOCOL_TYPE_COUNT,
};

enum nbd_protocol_flags {
	NBD_PROTOCOL_FUA = 1,
	NBD_PROTOCOL_NO_HOLE = 2, /* WRITE_ZEROES: keep the space allocated */
};

/* What a server can, told when the device is made. */
enum nbd_protocol_server {
	NBD_PROTOCOL_HAS_FLAGS = 1 << 0,
	NBD_PROTOCOL_READ_ONLY = 1 << 1,
	NBD_PROTOCOL_SEND_FLUSH = 1 << 2,
	NBD_PROTOCOL_SEND_FUA = 1 << 3,
	NBD_PROTOCOL_SEND_TRIM = 1 << 5,
	NBD_PROTOCOL_SEND_WRITE_ZEROES = 1 << 6, /* Linux 6.10; older ones ignore it */
};
