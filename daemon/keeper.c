/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fd_pass.h"
#include "util/list.h"
#include "util/text.h"

struct kept {
	struct list link;
	char name[KEEPER_NAME_MAX];
	int fds[FD_PASS_MAX];
	unsigned fd_count;
};

struct keeper {
	struct list kept;
	unsigned count;
	int client_fd;
};

static void close_all(int *fds, unsigned count)
{
	while (count > 0)
		close(fds[--count]);
}

static struct kept *find(struct keeper *keeper, const char *name)
{
	struct kept *kept;

	list_for_each (kept, &keeper->kept, link)
		if (strcmp(kept->name, name) == 0)
			return kept;
	return NULL;
}

static void drop(struct keeper *keeper, struct kept *kept)
{
	close_all(kept->fds, kept->fd_count);
	list_remove(&kept->link);
	keeper->count--;
	free(kept);
}

/* Takes @fds. */
static int put(struct keeper *keeper, const char *name, int *fds, unsigned fd_count)
{
	struct kept *old = find(keeper, name), *kept;

	if (old)
		drop(keeper, old);
	kept = keeper->count < KEEPER_NAMES_MAX ? calloc(1, sizeof(*kept)) : NULL;
	if (!kept) {
		close_all(fds, fd_count);
		return ENOMEM;
	}
	text_copy(kept->name, sizeof(kept->name), name);
	memcpy(kept->fds, fds, fd_count * sizeof(*fds));
	kept->fd_count = fd_count;
	list_append(&keeper->kept, &kept->link);
	keeper->count++;
	return 0;
}

static int answer(struct keeper *keeper, int error)
{
	uint8_t byte = (uint8_t)error;

	return fd_pass_send(keeper->client_fd, &byte, sizeof(byte), NULL, 0);
}

static int tell_all(struct keeper *keeper)
{
	char packet[1 + KEEPER_NAME_MAX] = {KEEPER_FILES};
	const struct kept *kept;
	int r = 0;

	list_for_each (kept, &keeper->kept, link) {
		text_copy(packet + 1, KEEPER_NAME_MAX, kept->name);
		r = fd_pass_send(keeper->client_fd, packet, 2 + strlen(kept->name), kept->fds,
				 kept->fd_count);
		if (r < 0)
			return r;
	}
	packet[0] = KEEPER_END;
	return fd_pass_send(keeper->client_fd, packet, 1, NULL, 0);
}

/* Takes @fds. Return: negative when the client is to be left. */
static int obey(struct keeper *keeper, char packet, const char *name, int *fds, unsigned fd_count)
{
	struct kept *kept = find(keeper, name);

	if (packet == KEEPER_PUT && name[0])
		return answer(keeper, put(keeper, name, fds, fd_count));
	close_all(fds, fd_count);
	switch (packet) {
	case KEEPER_REMOVE:
		if (kept)
			drop(keeper, kept);
		return answer(keeper, kept ? 0 : ENOENT);
	case KEEPER_LIST:
		return tell_all(keeper);
	default:
		return -EPROTO;
	}
}

static void serve(struct keeper *keeper)
{
	char packet[2 + KEEPER_NAME_MAX];
	int fds[FD_PASS_MAX];
	unsigned fd_count;
	ssize_t r;

	do {
		r = fd_pass_receive(keeper->client_fd, packet, sizeof(packet) - 1, fds, &fd_count);
		if (r <= 0)
			break;
		packet[r] = '\0';
		r = obey(keeper, packet[0], packet + 1, fds, fd_count);
	} while (r >= 0);
}

int keeper_main(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};

	/* A stop of the system ends every process; this one goes when nothing is kept any more. */
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "hawser-keeper");
	mlockall(MCL_CURRENT | MCL_FUTURE);
	fcntl(KEEPER_LISTEN_FD, F_SETFD, FD_CLOEXEC);
	return keeper_run(KEEPER_LISTEN_FD);
}

int keeper_run(int listen_fd)
{
	struct keeper keeper = {};
	int r = 0;

	list_init(&keeper.kept);
	do {
		keeper.client_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (keeper.client_fd < 0 && errno != EINTR && errno != ECONNABORTED) {
			r = -errno;
			break;
		}
		if (keeper.client_fd < 0)
			continue;
		serve(&keeper);
		close(keeper.client_fd);
	} while (!list_empty(&keeper.kept));
	while (!list_empty(&keeper.kept))
		drop(&keeper, list_first(&keeper.kept, struct kept, link));
	close(listen_fd);
	return r;
}
