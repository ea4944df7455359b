/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The text of a SendTargets answer, and the bytes of a target during discovery. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "iscsi/discovery.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct negotiated negotiated = {.max_recv_data_segment_length = 8192};
	struct login_outcome outcome = {.exp_stat_sn = 0};
	struct discovered_portal *portals = NULL;
	struct discovery *discovery;
	struct discovery_skipped skipped;
	size_t count;

	if (discovery_parse((const char *)data, size, &portals, &count, &skipped) == 0)
		free(portals);

	if (discovery_new(&negotiated, &outcome, &discovery) < 0)
		return 0;
	for (size_t at = 0; at < size;) {
		size_t length, used;

		discovery_output(discovery, &length);
		if (discovery_get_state(discovery) == DISCOVERY_SENDING)
			discovery_sent(discovery, length);
		used = discovery_input(discovery, data + at, MIN(size - at, (size_t)48));
		if (used == 0)
			break;
		at += used;
	}
	discovery_closed(discovery);
	discovery_free(discovery);
	return 0;
}
