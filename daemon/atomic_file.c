/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/text.h"

#define PREFIX	 ".hawser-"
#define TEMPLATE PREFIX "XXXXXX"

/* Length of the folder's part of @path with its slash; 0 when @path is a bare name. */
static int folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash + 1 - path) : 0;
}

/* A rename is there to stay only once the folder itself was written. */
static int sync_folder_of(const char *path)
{
	owned_memory char *folder = NULL;
	owned_fd int fd = -1;

	if (asprintf(&folder, "%.*s.", folder_length(path), path) < 0)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int fill_and_sync(int fd, int (*fill)(FILE *file, void *userdata), void *userdata)
{
	owned_fd int own_fd = fd;
	FILE *file = fdopen(own_fd, "w");
	char buffer[8192]; /* ours and not stdio's, because secrets go through it */
	int r;

	if (!file)
		return -errno;
	take_fd(own_fd);
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));

	r = fill(file, userdata);
	errno = 0;
	if (fflush(file) != 0 || ferror(file))
		r = errno ? -errno : -EIO;
	if (r == 0 && fsync(fileno(file)) < 0)
		r = -errno;
	if (fclose(file) != 0 && r == 0)
		r = -errno;
	explicit_bzero(buffer, sizeof(buffer));
	return r;
}

int atomic_file_write(const char *path, int (*fill)(FILE *file, void *userdata), void *userdata)
{
	owned_memory char *temporary = NULL;
	int fd;
	int r;

	if (asprintf(&temporary, "%.*s" TEMPLATE, folder_length(path), path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;

	r = fill_and_sync(fd, fill, userdata);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync_folder_of(path);
}

int atomic_file_link(const char *destination, const char *path)
{
	owned_memory char *temporary = NULL;
	char present[PATH_MAX], random[2 * sizeof(uint32_t) + 1];
	ssize_t length = readlink(path, present, sizeof(present) - 1);
	uint32_t number;
	int r;

	if (length > 0) {
		present[length] = '\0';
		if (strcmp(present, destination) == 0)
			return 0;
	}
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -EIO;
	text_hex_encode(&number, sizeof(number), random);
	if (asprintf(&temporary, "%.*s" PREFIX "%s", folder_length(path), path, random) < 0)
		return -ENOMEM;
	if (symlink(destination, temporary) < 0)
		return -errno;
	if (rename(temporary, path) < 0) {
		r = -errno;
		unlink(temporary);
		return r;
	}
	return 0;
}

int atomic_file_make_folder(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return sync_folder_of(path);
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int atomic_file_remove(const char *path)
{
	return unlink(path) < 0 ? -errno : sync_folder_of(path);
}

int atomic_file_remove_folder(const char *path)
{
	if (rmdir(path) < 0)
		return errno == EEXIST ? -ENOTEMPTY : -errno;
	return sync_folder_of(path);
}

bool atomic_file_is_temporary(const char *name)
{
	return text_starts_with(name, PREFIX);
}

unsigned atomic_file_sweep(const char *folder, unsigned depth)
{
	DIR *listing = opendir(folder);
	struct dirent *entry;
	unsigned swept = 0;

	if (!listing)
		return 0;
	while ((entry = readdir(listing))) {
		owned_memory char *below = NULL;
		struct stat st;

		if (atomic_file_is_temporary(entry->d_name)) {
			swept += unlinkat(dirfd(listing), entry->d_name, 0) == 0;
			continue;
		}
		/* not into links: they lead back to the nodes */
		if (depth == 0 || entry->d_name[0] == '.' ||
		    fstatat(dirfd(listing), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode) || asprintf(&below, "%s/%s", folder, entry->d_name) < 0)
			continue;
		swept += atomic_file_sweep(below, depth - 1);
	}
	closedir(listing);
	return swept;
}
