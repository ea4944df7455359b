/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * CHAP secrets on their way from the user to the daemon: through a descriptor, never inside a
 * message that a bus monitor sees, and wiped where they stood.
 */

#include <stdbool.h>
#include <stdio.h>

#define SECRET_MAX 255 /* bytes that the daemon reads */

/** secret_is_key() - does @key of a record hold a secret? */
bool secret_is_key(const char *key);

/** secret_fd() - an anonymous file that holds @secret. Return: it, yours; -E2BIG, -errno */
int secret_fd(const char *secret);

/** secret_from_fd() - what an anonymous file of the daemon's holds. Return: it, for secret_free();
 * NULL when it cannot be read */
char *secret_from_fd(int fd);

/** secret_read_line() - one line without its end. Return: it, for secret_free(); NULL at the end */
char *secret_read_line(FILE *file);

/** secret_ask() - as secret_read_line(), from the terminal and not shown; NULL without one */
char *secret_ask(const char *prompt);

/** secret_free() - wipe and free; NULL is fine */
void secret_free(char *secret);

/**
 * secret_take_argument() - move a secret out of argv, where every process can read it
 * @argument: overwritten
 *
 * Return: a copy, for secret_free(); NULL: no memory, and @argument stays.
 */
char *secret_take_argument(const char *argument);
