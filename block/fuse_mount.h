/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A FUSE file system whose root is one regular file, and which is nowhere in the tree: no entry in
 * /proc/mounts, nothing that umount -a could hit. It lives as long as somebody holds its file (the
 * loop device) and ends when the last /dev/fuse descriptor is closed.
 *
 * All calls may block and belong on a thread that serves no I/O.
 */

struct fuse_mount {
	int device_fd; /* /dev/fuse, nonblocking: fuse_queue reads requests from it */
	int root_fd;   /* the mounted root, to open the file through; -1 once it is open */
	int file_fd;   /* the file; -1 before fuse_mount_open_file() */
};

#define FUSE_MOUNT_INIT \
	{ \
		.device_fd = -1, .root_fd = -1, .file_fd = -1 \
	}

/**
 * fuse_mount_attach() - open /dev/fuse and mount; nothing has to be served yet
 * @fuse: FUSE_MOUNT_INIT
 * @device: "/dev/fuse"
 * @step: set to what was tried last
 *
 * Return: 0; -errno.
 */
int fuse_mount_attach(struct fuse_mount *fuse, const char *device, const char **step);

/** fuse_mount_attach_classic() - the same by mount(2), as kernels without fsopen() need it */
int fuse_mount_attach_classic(struct fuse_mount *fuse, const char *device, const char **step);

/** fuse_mount_open_file() - requests must be served meanwhile. Return: 0; -errno */
int fuse_mount_open_file(struct fuse_mount *fuse, const char **step);

/** fuse_mount_detach() - close everything; what others still ask of the file fails. Twice is fine
 */
void fuse_mount_detach(struct fuse_mount *fuse);
