/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * MODE SENSE data → write protection, FUA, write cache (SPC-4 §7.5, SBC-3 §6.4). Plain functions:
 * any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "scsi/unit.h"

#define MODE_PAGE_CACHING 0x08
#define MODE_PAGE_ALL	  0x3f

enum mode_format {
	MODE_FORMAT_6,	/* of MODE SENSE(6): 4-byte header */
	MODE_FORMAT_10, /* 8-byte header */
};

/**
 * mode_parse() - read_only (WP), fua (DPOFUA), and of the caching page write_cache (WCE)
 * @data: whatever a device sent
 *
 * With no caching page, or one cut off before WCE, write_cache becomes true: losing data because a
 * flush was left out is worse than a flush for nothing.
 * Return: 0; -EBADMSG when there is no whole header, and @limits is untouched.
 */
int mode_parse(const void *data, size_t length, enum mode_format format,
	       struct unit_limits *limits);
