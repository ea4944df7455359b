/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/fd_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/keeper.h"
#include "util/cleanup.h"
#include "util/fd_pass.h"
#include "util/list.h"
#include "util/text.h"

#define ANSWER_S 5

static_assert(FD_STORE_FILES_MAX <= FD_PASS_MAX, "one packet takes all files of a name");

struct stored {
	struct list link;
	char name[FD_STORE_NAME_MAX];
	int fds[FD_STORE_FILES_MAX];
	unsigned fd_count;
	bool foreign; /* an earlier process put it there: the files are ours to close */
};

struct fd_store_ops {
	/** with what an earlier process left in store->stored */
	int (*open)(struct fd_store *store);
	int (*put)(struct fd_store *store, const struct stored *stored);
	void (*remove)(struct fd_store *store, const struct stored *stored);
};

struct fd_store {
	const struct fd_store_ops *ops;
	struct list stored;
	char run_dir[256];
	int keeper_fd; /* -1: none */
};

/* --- what is known to be there --- */

static struct stored *find(struct fd_store *store, const char *name)
{
	struct stored *stored;

	list_for_each (stored, &store->stored, link)
		if (strcmp(stored->name, name) == 0)
			return stored;
	return NULL;
}

static struct stored *find_or_add(struct fd_store *store, const char *name)
{
	struct stored *stored = find(store, name);

	if (stored)
		return stored;
	stored = calloc(1, sizeof(*stored));
	if (!stored)
		return NULL;
	if (!text_copy(stored->name, sizeof(stored->name), name)) {
		free(stored);
		return NULL;
	}
	list_append(&store->stored, &stored->link);
	return stored;
}

static void forget(struct stored *stored)
{
	for (unsigned i = 0; stored->foreign && i < stored->fd_count; i++)
		if (stored->fds[i] >= 0)
			close(stored->fds[i]);
	list_remove(&stored->link);
	free(stored);
}

/* Takes @fd: the @index-th of @name. */
static void found(struct fd_store *store, const char *name, unsigned index, int fd)
{
	struct stored *stored = index < FD_STORE_FILES_MAX ? find_or_add(store, name) : NULL;

	if (!stored) {
		close(fd);
		return;
	}
	if (!stored->foreign)
		memset(stored->fds, 0xff, sizeof(stored->fds));
	stored->foreign = true;
	stored->fds[index] = fd;
	if (stored->fd_count < index + 1)
		stored->fd_count = index + 1;
}

/* --- the keeper --- */

static int keeper_address(const struct fd_store *store, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	return snprintf(address->sun_path, sizeof(address->sun_path), "%s/keeper", store->run_dir) <
			       (int)sizeof(address->sun_path)
		       ? 0
		       : -ENAMETOOLONG;
}

static int keeper_listen(const struct sockaddr_un *address, int *ret)
{
	owned_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	unlink(address->sun_path);
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 4) < 0
		    ? -errno
		    : 0;
	umask(mask);
	if (r == 0)
		*ret = take_fd(fd);
	return r;
}

static void note_pid(const struct fd_store *store, pid_t pid)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/keeper.pid", store->run_dir);
	file = fopen(path, "we");
	if (!file)
		return; /* only people read it */
	fprintf(file, "%d\n", (int)pid);
	fclose(file);
}

/* This program again, with another task and nothing but the socket. */
static int keeper_spawn(const struct fd_store *store, int listen_fd)
{
	char *arguments[] = {(char *)"hawser-keeper", (char *)KEEPER_ARGUMENT, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, listen_fd, KEEPER_LISTEN_FD);
	r = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r == 0)
		note_pid(store, pid);
	return -r;
}

static int keeper_connect(const struct sockaddr_un *address, int *ret)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	owned_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	*ret = take_fd(fd);
	return 0;
}

static int keeper_reach(struct fd_store *store)
{
	owned_fd int listen_fd = -1;
	struct sockaddr_un address;
	int r = keeper_address(store, &address);

	if (r < 0)
		return r;
	r = keeper_connect(&address, &store->keeper_fd);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	r = keeper_listen(&address, &listen_fd);
	if (r == 0)
		r = keeper_spawn(store, listen_fd);
	return r < 0 ? r : keeper_connect(&address, &store->keeper_fd);
}

static int keeper_open(struct fd_store *store)
{
	char packet[2 + KEEPER_NAME_MAX] = {KEEPER_LIST};
	int fds[FD_PASS_MAX], r = keeper_reach(store);
	unsigned fd_count;
	ssize_t length;

	if (r == 0)
		r = fd_pass_send(store->keeper_fd, packet, 1, NULL, 0);
	while (r == 0) {
		length = fd_pass_receive(store->keeper_fd, packet, sizeof(packet) - 1, fds,
					 &fd_count);
		if (length <= 0)
			return length < 0 ? (int)length : -EPIPE;
		packet[length] = '\0';
		for (unsigned i = 0; i < fd_count; i++)
			found(store, packet + 1, i, fds[i]);
		if (packet[0] == KEEPER_END)
			break;
	}
	return r;
}

static int keeper_ask(struct fd_store *store, enum keeper_packet packet,
		      const struct stored *stored)
{
	char text[2 + FD_STORE_NAME_MAX] = {(char)packet};
	bool put = packet == KEEPER_PUT;
	int fds[FD_PASS_MAX], r;
	unsigned fd_count;
	uint8_t answer;
	ssize_t length;

	text_copy(text + 1, FD_STORE_NAME_MAX, stored->name);
	r = fd_pass_send(store->keeper_fd, text, 2 + strlen(stored->name), stored->fds,
			 put ? stored->fd_count : 0);
	if (r < 0)
		return r;
	length = fd_pass_receive(store->keeper_fd, &answer, sizeof(answer), fds, &fd_count);
	if (length <= 0)
		return length < 0 ? (int)length : -EPIPE;
	return -(int)answer;
}

/* It was killed, and what it held is held by us alone: another one gets everything. */
static int keeper_replace(struct fd_store *store)
{
	const struct stored *stored;
	int r;

	close(store->keeper_fd);
	store->keeper_fd = -1;
	r = keeper_reach(store);
	if (r < 0)
		return r;
	list_for_each (stored, &store->stored, link) {
		r = keeper_ask(store, KEEPER_PUT, stored);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keeper_put(struct fd_store *store, const struct stored *stored)
{
	int r = keeper_ask(store, KEEPER_PUT, stored);

	return r == -EPIPE || r == -ECONNRESET || r == -EBADF ? keeper_replace(store) : r;
}

static void keeper_remove(struct fd_store *store, const struct stored *stored)
{
	keeper_ask(store, KEEPER_REMOVE, stored);
}

/* --- systemd --- */

/* "name.0", "name.1": files under one name may come back in any order. */
static void systemd_name(const struct stored *stored, unsigned index, char *ret, size_t size_bytes)
{
	snprintf(ret, size_bytes, "%s.%u", stored->name, index);
	for (char *c = ret; *c; c++)
		if (*c == ':' || *c <= ' ' || *c > '~')
			*c = '_';
}

static int systemd_open(struct fd_store *store)
{
	owned_memory char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		char *dot = strrchr(names[i], '.');
		uint64_t index = FD_STORE_FILES_MAX;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (dot && text_parse_u64(dot + 1, 0, FD_STORE_FILES_MAX - 1, &index) == 0)
			*dot = '\0';
		found(store, names[i], (unsigned)index, fd);
		free(names[i]);
	}
	return count < 0 ? count : 0;
}

static int systemd_put(struct fd_store *store, const struct stored *stored)
{
	char name[FD_STORE_NAME_MAX + 16], text[FD_STORE_NAME_MAX + 64];
	int r = 0;

	for (unsigned i = 0; i < stored->fd_count && r >= 0; i++) {
		systemd_name(stored, i, name, sizeof(name));
		/* It must stay also when the file reports an error, as /dev/fuse may. */
		snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
		r = sd_pid_notify_with_fds(0, 0, text, &stored->fds[i], 1);
		if (r == 0)
			r = -ENOTCONN; /* nobody to notify */
	}
	if (r > 0)
		r = sd_notify_barrier(0, ANSWER_S * UINT64_C(1000000));
	return r < 0 ? r : 0;
}

static void systemd_remove(struct fd_store *store, const struct stored *stored)
{
	char name[FD_STORE_NAME_MAX + 16];

	for (unsigned i = 0; i < stored->fd_count; i++) {
		systemd_name(stored, i, name, sizeof(name));
		sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	}
}

/* --- none --- */

static int none_open(struct fd_store *store)
{
	return 0;
}

static int none_put(struct fd_store *store, const struct stored *stored)
{
	return -EOPNOTSUPP;
}

static void none_remove(struct fd_store *store, const struct stored *stored)
{
}

/* --- for all --- */

static const struct fd_store_ops kinds[FD_STORE_KIND_COUNT] = {
	[FD_STORE_NONE] = {none_open, none_put, none_remove},
	[FD_STORE_KEEPER] = {keeper_open, keeper_put, keeper_remove},
	[FD_STORE_SYSTEMD] = {systemd_open, systemd_put, systemd_remove},
};

bool fd_store_keeps(const struct fd_store *store)
{
	return store->ops->put != none_put;
}

int fd_store_open(enum fd_store_kind kind, const char *run_dir, struct fd_store **ret)
{
	struct fd_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return -ENOMEM;
	store->ops = &kinds[kind];
	store->keeper_fd = -1;
	list_init(&store->stored);
	r = text_copy(store->run_dir, sizeof(store->run_dir), run_dir) ? 0 : -ENAMETOOLONG;
	if (r == 0)
		r = store->ops->open(store);
	if (r < 0) {
		fd_store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

void fd_store_close(struct fd_store *store)
{
	if (!store)
		return;
	while (!list_empty(&store->stored))
		forget(list_first(&store->stored, struct stored, link));
	if (store->keeper_fd >= 0)
		close(store->keeper_fd);
	free(store);
}

/* Put before or taken, and open ever since: the same numbers are the same files. */
static bool is_stored(struct fd_store *store, const char *name, const int *fds, unsigned count)
{
	const struct stored *stored = find(store, name);

	return stored && !stored->foreign && stored->fd_count == count &&
	       memcmp(stored->fds, fds, count * sizeof(*fds)) == 0;
}

int fd_store_put(struct fd_store *store, const char *name, const int *fds, unsigned count)
{
	struct stored *stored;
	int r;

	if (count > FD_STORE_FILES_MAX)
		return -EINVAL;
	/* Removed and put again they would be lost to a kill in between. */
	if (is_stored(store, name, fds, count))
		return 0;
	fd_store_remove(store, name);
	stored = find_or_add(store, name);
	if (!stored)
		return -ENOMEM;
	memcpy(stored->fds, fds, count * sizeof(*fds));
	stored->fd_count = count;
	r = store->ops->put(store, stored);
	if (r < 0)
		forget(stored);
	return r;
}

void fd_store_remove(struct fd_store *store, const char *name)
{
	struct stored *stored = find(store, name);

	if (!stored)
		return;
	store->ops->remove(store, stored);
	forget(stored);
}

unsigned fd_store_take(struct fd_store *store, const char *name, int fds[FD_STORE_FILES_MAX])
{
	struct stored *stored = find(store, name);

	if (!stored || !stored->foreign)
		return 0;
	memcpy(fds, stored->fds, sizeof(stored->fds));
	stored->foreign = false;
	return stored->fd_count;
}

unsigned fd_store_drop_untaken(struct fd_store *store)
{
	struct stored *stored, *next;
	unsigned count = 0;

	list_for_each_safe (stored, next, &store->stored, link) {
		if (!stored->foreign)
			continue;
		store->ops->remove(store, stored);
		forget(stored);
		count++;
	}
	return count;
}
