/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * NBD devices by generic netlink, family "nbd" (linux/nbd-netlink.h). Every call but
 * nbd_message_fill() may block and belongs on a thread that serves no I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is asked of a device; what is 0 (-1, NULL) is not sent. */
struct nbd_message {
	uint8_t command; /* NBD_CMD_CONNECT, … */
	int64_t index;	 /* of the device; -1: the kernel finds one that is free */
	uint64_t size_bytes, block_size;
	uint64_t flags;		    /* enum nbd_protocol_server */
	int fd;			    /* the kernel's end of the connection */
	const char *backend;	    /* what the device is known by later */
	uint64_t dead_connection_s; /* so long requests wait for another connection */
};

#define NBD_MESSAGE(COMMAND) ((struct nbd_message){.command = (COMMAND), .index = -1, .fd = -1})

#define NBD_MESSAGE_MAX_BYTES 512
#define NBD_BACKEND_MAX	      64

/**
 * nbd_message_fill() - the netlink message
 * @buffer: NBD_MESSAGE_MAX_BYTES of it, aligned as for an int
 * @family: number of the family
 *
 * Return: its length.
 */
size_t nbd_message_fill(void *buffer, uint16_t family, uint32_t sequence,
			const struct nbd_message *message);

/**
 * nbd_netlink_probe() - can devices be had that outlive us?
 *
 * Return: 0; -ENOENT without the module; -EOPNOTSUPP when devices cannot be marked as ours (Linux
 * before 5.14); -errno.
 */
int nbd_netlink_probe(void);

/**
 * nbd_netlink_send() - have it done
 * @index: the device's number, of NBD_CMD_CONNECT; may be NULL
 *
 * Return: 0; -errno of the kernel. NBD_CMD_RECONFIGURE: -EINVAL when the device is another's by now
 * or has no owner, -ENOSPC when the connection that it has did not die.
 */
int nbd_netlink_send(const struct nbd_message *message, uint32_t *index);

/** nbd_netlink_status() - has device @index an owner? Return: 1; 0; -errno */
int nbd_netlink_status(uint32_t index);
