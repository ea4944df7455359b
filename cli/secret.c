/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "util/cleanup.h"

static const char *const secret_keys[] = {
	"node.session.auth.password",
	"node.session.auth.password_in",
	"discovery.sendtargets.auth.password",
	"discovery.sendtargets.auth.password_in",
};

bool secret_is_key(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_keys); i++)
		if (strcmp(secret_keys[i], key) == 0)
			return true;
	return false;
}

int secret_fd(const char *secret)
{
	size_t length = strlen(secret);
	owned_fd int fd = -1;

	if (length > SECRET_MAX)
		return -E2BIG;
	fd = memfd_create("hawser-secret", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, secret, length, 0) != (ssize_t)length)
		return errno ? -errno : -EIO;
	return take_fd(fd);
}

char *secret_from_fd(int fd)
{
	char text[SECRET_MAX + 1] = "";
	ssize_t length = fd < 0 ? -1 : pread(fd, text, SECRET_MAX, 0);
	char *copy = length < 0 ? NULL : strdup(text);

	explicit_bzero(text, sizeof(text));
	return copy;
}

char *secret_read_line(FILE *file)
{
	char line[SECRET_MAX + 3];
	char *copy = NULL;

	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = '\0';
		copy = strdup(line);
	}
	explicit_bzero(line, sizeof(line));
	return copy;
}

char *secret_ask(const char *prompt)
{
	FILE *terminal = fopen("/dev/tty", "r+e");
	struct termios shown, hidden;
	char *secret = NULL;

	if (!terminal)
		return NULL;
	if (tcgetattr(fileno(terminal), &shown) == 0) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		fputs(prompt, terminal);
		fflush(terminal);
		tcsetattr(fileno(terminal), TCSAFLUSH, &hidden);
		secret = secret_read_line(terminal);
		tcsetattr(fileno(terminal), TCSAFLUSH, &shown);
		fputc('\n', terminal);
	}
	fclose(terminal);
	return secret;
}

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

char *secret_take_argument(const char *argument)
{
	char *copy = strdup(argument);

	if (copy)
		memset((char *)argument, 'x', strlen(argument));
	return copy;
}
