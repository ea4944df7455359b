/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SUBTYPE	  "hawser"
#define ROOT_MODE "100600" /* a regular file, octal as the file system parses it */
#define MAX_READ  "262144" /* fuse_queue's FUSE_QUEUE_WRITE_MAX_BYTES */

static int step_failed(const char **step, const char *name)
{
	*step = name;
	return -errno;
}

static int open_device(struct fuse_mount *fuse, const char *device, const char **step)
{
	fuse->device_fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fuse->device_fd < 0 ? step_failed(step, "open /dev/fuse") : 0;
}

static int set_option(int context_fd, const char *key, const char *value)
{
	return fsconfig(context_fd, FSCONFIG_SET_STRING, key, value, 0);
}

static int configure(int context_fd, int device_fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", device_fd);
	if (set_option(context_fd, "source", SUBTYPE) < 0 ||
	    set_option(context_fd, "subtype", SUBTYPE) < 0 ||
	    set_option(context_fd, "fd", number) < 0 ||
	    set_option(context_fd, "rootmode", ROOT_MODE) < 0 ||
	    set_option(context_fd, "user_id", "0") < 0 ||
	    set_option(context_fd, "group_id", "0") < 0 ||
	    set_option(context_fd, "max_read", MAX_READ) < 0 ||
	    fsconfig(context_fd, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) < 0)
		return -1;
	return fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int attach_detached(struct fuse_mount *fuse, const char **step)
{
	owned_fd int context_fd = fsopen("fuse", FSOPEN_CLOEXEC);

	if (context_fd < 0)
		return step_failed(step, "fsopen fuse");
	if (configure(context_fd, fuse->device_fd) < 0)
		return step_failed(step, "configure the FUSE mount");
	fuse->root_fd = fsmount(context_fd, FSMOUNT_CLOEXEC,
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fuse->root_fd < 0 ? step_failed(step, "fsmount fuse") : 0;
}

/*
 * mount(2) wants a place. A file root can only cover a file; it is there for the moment between
 * mount and lazy unmount, in a directory that nobody else may enter.
 */
static int attach_at(struct fuse_mount *fuse, const char *place, const char **step)
{
	char options[160];
	int r = 0;

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=" ROOT_MODE ",user_id=0,group_id=0,allow_other,max_read=" MAX_READ,
		 fuse->device_fd);
	if (mount(SUBTYPE, place, "fuse." SUBTYPE, MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return step_failed(step, "mount fuse");
	fuse->root_fd = open(place, O_PATH | O_CLOEXEC);
	if (fuse->root_fd < 0)
		r = step_failed(step, "open the FUSE mount");
	if (umount2(place, MNT_DETACH) < 0 && r == 0)
		r = step_failed(step, "unmount the FUSE mount point");
	return r;
}

static int attach_classic(struct fuse_mount *fuse, const char **step)
{
	char directory[] = "/run/hawser-mount-XXXXXX";
	char place[sizeof(directory) + 8];
	int fd, r;

	if (!mkdtemp(directory))
		return step_failed(step, "create a mount point");
	snprintf(place, sizeof(place), "%s/unit", directory);
	fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = step_failed(step, "create a mount point");
	} else {
		close(fd);
		r = attach_at(fuse, place, step);
		unlink(place);
	}
	rmdir(directory);
	return r;
}

int fuse_mount_attach_classic(struct fuse_mount *fuse, const char *device, const char **step)
{
	int r = open_device(fuse, device, step);

	if (r == 0)
		r = attach_classic(fuse, step);
	if (r < 0)
		fuse_mount_detach(fuse);
	return r;
}

int fuse_mount_attach(struct fuse_mount *fuse, const char *device, const char **step)
{
	int r = open_device(fuse, device, step);

	if (r < 0)
		return r;
	r = attach_detached(fuse, step);
	if (r < 0) {
		/* A new descriptor: a half-made mount may have used the old one. */
		fuse_mount_detach(fuse);
		r = fuse_mount_attach_classic(fuse, device, step);
	}
	return r;
}

int fuse_mount_open_file(struct fuse_mount *fuse, const char **step)
{
	struct stat status;
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fuse->root_fd);
	fuse->file_fd = open(link, O_RDWR | O_CLOEXEC);
	if (fuse->file_fd < 0)
		return step_failed(step, "open the FUSE file");
	/* The size of an inode is 0 until somebody asks for it, and the loop driver of kernels
	 * before 6.18 does not: it takes what the inode has. */
	if (fstat(fuse->file_fd, &status) < 0)
		return step_failed(step, "ask for the size of the FUSE file");
	close(fuse->root_fd);
	fuse->root_fd = -1;
	return 0;
}

void fuse_mount_detach(struct fuse_mount *fuse)
{
	int *fds[] = {&fuse->device_fd, &fuse->file_fd, &fuse->root_fd};

	/* The device first, which ends the connection: closing the file may send a request that
	 * nobody answers any more. */
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
