/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "util/fd_pass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

int fd_pass_send(int socket_fd, const void *data, size_t length_bytes, const int *fds,
		 unsigned fd_count)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = length_bytes};
	union control control = {};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t r;

	assert(length_bytes > 0 && fd_count <= FD_PASS_MAX);
	if (fd_count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	do
		r = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static unsigned take_fds(struct msghdr *message, int fds[FD_PASS_MAX])
{
	unsigned count = 0;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		size_t bytes = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		assert(count + bytes / sizeof(int) <= FD_PASS_MAX);
		memcpy(fds + count, CMSG_DATA(header), bytes);
		count += (unsigned)(bytes / sizeof(int));
	}
	return count;
}

ssize_t fd_pass_receive(int socket_fd, void *data, size_t size_bytes, int fds[FD_PASS_MAX],
			unsigned *fd_count)
{
	struct iovec part = {.iov_base = data, .iov_len = size_bytes};
	union control control = {};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t r;

	do
		r = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*fd_count = take_fds(&message, fds);
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return r;
	while (*fd_count > 0)
		close(fds[--*fd_count]);
	return -EMSGSIZE;
}
