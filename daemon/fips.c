/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/fips.h"

#include <fcntl.h>
#include <unistd.h>

#include "util/cleanup.h"

bool fips_enabled(const char *path)
{
	owned_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char first = '0';

	return fd >= 0 && read(fd, &first, 1) == 1 && first != '0';
}
