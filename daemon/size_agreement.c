/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/size_agreement.h"

#include "util/cleanup.h"

struct size_agreement size_agree(uint64_t device_blocks, const uint64_t *reports, size_t count)
{
	struct size_agreement agreement = {SIZE_AGREED, device_blocks, device_blocks};
	uint64_t least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < count; i++) {
		least = MIN(least, reports[i]);
		most = MAX(most, reports[i]);
	}
	if (count == 0)
		return agreement;
	agreement.needed_blocks = MIN(device_blocks, most);
	if (least != most) {
		agreement.verdict = SIZE_DISAGREED;
	} else if (most != device_blocks) {
		agreement.verdict = most > device_blocks ? SIZE_GROWN : SIZE_SHRUNK;
		agreement.blocks = most;
	}
	return agreement;
}
