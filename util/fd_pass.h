/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Packets with open files in them, over a socket of SOCK_SEQPACKET between two processes of one
 * machine (unix(7), SCM_RIGHTS). Any thread.
 */

#include <stddef.h>
#include <sys/types.h>

#define FD_PASS_MAX 16 /* most files in one packet */

/**
 * fd_pass_send() - one packet of @length_bytes bytes, at least one
 * @fds, @fd_count: stay the caller's; 0 … FD_PASS_MAX of them
 *
 * Return: 0; -errno, -EPIPE without a signal.
 */
int fd_pass_send(int socket_fd, const void *data, size_t length_bytes, const int *fds,
		 unsigned fd_count);

/**
 * fd_pass_receive() - one packet
 * @fds: at least FD_PASS_MAX; the caller's from now on, closed on exec
 * @fd_count: how many came
 *
 * Return: bytes of the packet; 0 at the end; -EMSGSIZE for a packet that is too long or has too
 * many files, which are closed; -errno.
 */
ssize_t fd_pass_receive(int socket_fd, void *data, size_t size_bytes, int fds[FD_PASS_MAX],
			unsigned *fd_count);
