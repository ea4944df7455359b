/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/unit.h"

#include <string.h>

bool unit_identity_equal(const struct unit_identity *a, const struct unit_identity *b)
{
	/* an empty WWID is no identity: it equals nothing, not even itself */
	return a->wwid[0] != '\0' && strcmp(a->wwid, b->wwid) == 0 &&
	       strcmp(a->serial, b->serial) == 0 && a->device_type == b->device_type;
}

bool unit_geometry_equal(const struct unit_limits *a, const struct unit_limits *b)
{
	return a->blocks == b->blocks && a->block_size == b->block_size;
}
