/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The attributes of an iSNS answer, and the bytes of an iSNS server. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "iscsi/isns.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct discovered_portal *portals = NULL;
	struct isns_query *query;
	unsigned skipped;
	size_t count;

	if (isns_parse(data, size, &portals, &count, &skipped) == 0)
		free(portals);

	if (isns_query_new("iqn.2026-01.org.example:host", &query) < 0)
		return 0;
	for (size_t at = 0; at < size;) {
		size_t length, used;

		isns_output(query, &length);
		if (isns_get_state(query) == ISNS_SENDING)
			isns_sent(query, length);
		used = isns_input(query, data + at, MIN(size - at, (size_t)20));
		if (used == 0)
			break;
		at += used;
	}
	isns_closed(query);
	isns_query_free(query);
	return 0;
}
