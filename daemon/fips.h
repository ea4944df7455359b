/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

#include <stdbool.h>

#define FIPS_SWITCH "/proc/sys/crypto/fips_enabled"

/**
 * fips_enabled() - does the machine run in FIPS mode, in which MD5 must not be used?
 * @path: FIPS_SWITCH. A kernel without FIPS has no such file, and the answer is no
 */
bool fips_enabled(const char *path);
