/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Secrets come in through a descriptor, never as a value that a bus monitor could show, and go out
 * the same way, to root on the private socket alone.
 */

#include <stdbool.h>

#include "iscsi/settings.h"

struct error;

#define SECRET_SIZE (CHAP_SECRET_MAX + 1) /* bytes, with the NUL */

/** secret_is_key() - @key of a record holds a secret */
bool secret_is_key(const char *key);

/** secret_open() - an anonymous file that holds @secret, sealed. Return: it, the caller's; -errno
 */
int secret_open(const char *secret);

/**
 * secret_read() - a secret out of a pipe whose other end is closed, or of a memfd
 * @fd: stays the caller's; anything else is refused: reading it could make us wait
 * @text: one final newline is cut; wipe it after use, also on failure
 *
 * Return: 0, or -1 with @error (ERROR_INVALID_ARGUMENT): empty, too long, control characters, or
 * not completely written yet.
 */
int secret_read(int fd, char text[SECRET_SIZE], struct error *error);
