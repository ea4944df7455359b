/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

#include <stdint.h>

#include "iscsi/settings.h"

/* What names a node record. */
struct node_key {
	char target[ISCSI_NAME_MAX + 1];
	char address[256]; /* as the user typed it, without brackets */
	uint16_t port;
	int32_t tpgt; /* -1 = unknown; never used for matching */
	char iface[65];
};
