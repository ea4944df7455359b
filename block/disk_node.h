/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What disks and their exporters say of a block device to whoever wants to find it again. */

#include <stdint.h>

/* The block device once it is live. */
struct disk_node {
	char path[288]; /* "/dev/loop3" */
	char name[32];	/* the kernel's: "loop3" */
	uint32_t major, minor;
	uint64_t backing; /* tells the device from a later one of the same number */
};

#define DISK_KEPT_MAX 4 /* most descriptors of disk_keep() */
