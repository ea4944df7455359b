/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* Is it the whole machine that stops? Control thread only. */

#include <stdbool.h>

#define SHUTDOWN_MANAGER "/run/systemd/private"

/**
 * shutdown_is_under_way() - is the machine going off, so that no hawserd follows?
 * @path: socket of the service manager, SHUTDOWN_MANAGER; asked there, as the system bus may be
 *        gone by then. Waits two seconds for the answer at most
 *
 * Return: false also where there is no such manager, or it does not answer.
 */
bool shutdown_is_under_way(const char *path);
