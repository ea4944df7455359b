/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The keeper: a tiny process that holds open files for hawserd, so that block devices outlive it,
 * where no systemd does that (daemon/fd_store.h). It understands nothing of what it holds. One
 * hawserd talks to it at a time; when none is left and it holds nothing, it ends.
 *
 * Packets (util/fd_pass.h) are a letter and a name. The client says KEEPER_PUT with the files,
 * KEEPER_REMOVE, or KEEPER_LIST. PUT and REMOVE are answered by one byte, 0 or an errno; LIST by a
 * KEEPER_FILES packet for each name and a KEEPER_END.
 */

enum keeper_packet {
	KEEPER_PUT = 'P', /* in place of what has this name already */
	KEEPER_REMOVE = 'R',
	KEEPER_LIST = 'L',
	KEEPER_FILES = 'F',
	KEEPER_END = 'E',
};

#define KEEPER_NAME_MAX	 256
#define KEEPER_NAMES_MAX 4096

#define KEEPER_ARGUMENT	 "--keeper" /* hawserd with this and nothing else is the keeper */
#define KEEPER_LISTEN_FD 3

/**
 * keeper_main() - be the keeper of the socket KEEPER_LISTEN_FD, which only SIGKILL ends
 *
 * Return: as keeper_run().
 */
int keeper_main(void);

/**
 * keeper_run() - be the keeper
 * @listen_fd: a listening socket of SOCK_SEQPACKET; the keeper's
 *
 * Return: when there is nobody left to keep anything for: 0; -errno of the socket.
 */
int keeper_run(int listen_fd);
