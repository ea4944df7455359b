/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Open files that outlive this process, by name, and come back in the next one: in the store of
 * systemd (sd_pid_notify_with_fds(3), FDSTORE), or with the keeper (daemon/keeper.h). What is put
 * stays until it is removed, also when it was taken. Control thread only; calls wait for an answer,
 * which comes at once.
 */

#include <stdbool.h>

struct fd_store;

enum fd_store_kind {
	FD_STORE_NONE, /* nothing outlives us */
	FD_STORE_KEEPER,
	FD_STORE_SYSTEMD,
	FD_STORE_KIND_COUNT,
};

#define FD_STORE_FILES_MAX 4   /* under one name */
#define FD_STORE_NAME_MAX  200 /* with its end */

/**
 * fd_store_open() - and fetch what an earlier process put there
 * @run_dir: where the keeper's socket is; it is started when it does not run
 *
 * Before another thread looks at the environment.
 * Return: 0; -errno, then nothing can be kept.
 */
int fd_store_open(enum fd_store_kind kind, const char *run_dir, struct fd_store **ret);

/** fd_store_close() - what is in the store stays there; NULL is fine */
void fd_store_close(struct fd_store *store);

/** fd_store_keeps() - is there a store at all, so that devices may outlive us? */
bool fd_store_keeps(const struct fd_store *store);

/**
 * fd_store_put() - keep @fds under @name, in place of what was there
 * @fds: stay the caller's, who removes them from the store before they are closed; those that were
 *       taken under this name stay kept without a gap
 *
 * Return: 0; -errno, then nothing is kept under @name. A keeper that was killed is started again.
 */
int fd_store_put(struct fd_store *store, const char *name, const int *fds, unsigned count);

/** fd_store_remove() - a name that is not there is fine */
void fd_store_remove(struct fd_store *store, const char *name);

/**
 * fd_store_take() - what an earlier process put under @name; once
 * @fds: the caller's from now on, closed on exec
 *
 * Return: how many; 0 when there is nothing.
 */
unsigned fd_store_take(struct fd_store *store, const char *name, int fds[FD_STORE_FILES_MAX]);

/** fd_store_drop_untaken() - remove what an earlier process left and nobody took. Return: how many
 * names */
unsigned fd_store_drop_untaken(struct fd_store *store);
