/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

static const char *const secret_keys[] = {
	"node.session.auth.password",
	"node.session.auth.password_in",
	"discovery.sendtargets.auth.password",
	"discovery.sendtargets.auth.password_in",
};

bool secret_is_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_keys); i++) {
		if (strcmp(secret_keys[i], key) == 0)
			return true;
	}
	/* a key that we do not know yet is a secret if it looks like one */
	return text_ends_with(key, ".password") || text_ends_with(key, ".password_in");
}

int secret_open(const char *secret)
{
	size_t length = strlen(secret);
	owned_fd int fd = memfd_create("hawser-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || pwrite(fd, secret, length, 0) != (ssize_t)length ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return errno ? -errno : -EIO;
	return take_fd(fd);
}

/* Only what lives in memory answers at once: a file may lie on a disk that is gone. */
static bool lives_in_memory(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return false;
	return S_ISFIFO(status.st_mode) || (S_ISREG(status.st_mode) && fcntl(fd, F_GET_SEALS) >= 0);
}

/* A description of our own, at the start and without waiting: the caller's stays as it is. */
static int reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Return: bytes until the end; @capacity_bytes when there may be more; -errno */
static ssize_t read_all(int fd, char *text, size_t capacity_bytes)
{
	size_t length = 0;

	while (length < capacity_bytes) {
		ssize_t n = read(fd, text + length, capacity_bytes - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static int check(char *text, size_t length, struct error *error)
{
	if (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	if (length == 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "the secret is empty");
	if (length > CHAP_SECRET_MAX)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the secret is longer than %d bytes", CHAP_SECRET_MAX);
	if (strlen(text) != length || !text_is_printable(text))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the secret holds characters that no record can keep");
	return 0;
}

int secret_read(int fd, char text[SECRET_SIZE], struct error *error)
{
	char buffer[SECRET_SIZE + 1] = ""; /* one for the newline, one to see that it is too long */
	owned_fd int ours = -1;
	ssize_t length;
	int r;

	if (!lives_in_memory(fd))
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "a secret is read from a pipe or a memfd only");
	ours = reopen(fd);
	if (ours < 0)
		return error_set(error, ERROR_INVALID_ARGUMENT, "cannot read the secret: %s",
				 strerror(errno));
	length = read_all(ours, buffer, sizeof(buffer));
	if (length == -EAGAIN)
		r = error_set(error, ERROR_INVALID_ARGUMENT,
			      "the pipe with the secret is still open for writing");
	else if (length < 0)
		r = error_set(error, ERROR_INVALID_ARGUMENT, "cannot read the secret: %s",
			      strerror((int)-length));
	else if ((size_t)length == sizeof(buffer))
		r = error_set(error, ERROR_INVALID_ARGUMENT, "the secret is longer than %d bytes",
			      CHAP_SECRET_MAX);
	else
		r = check(buffer, (size_t)length, error);
	if (r == 0)
		text_copy(text, SECRET_SIZE, buffer);
	explicit_bzero(buffer, sizeof(buffer));
	return r;
}
