/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What a device answers to PERSISTENT RESERVE IN. The first byte chooses the parser. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scsi/reservation.h"
#include "util/cleanup.h"
#include "util/text.h"

#define REGISTRANTS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void registrants(const uint8_t *data, size_t size)
{
	static struct reservation_registrant found[REGISTRANTS];
	uint32_t generation;
	int count = reservation_registrants_parse(data, size, &generation, found, REGISTRANTS);

	assert(count <= REGISTRANTS);
	for (int i = 0; i < count; i++) {
		assert(memchr(found[i].initiator, '\0', sizeof(found[i].initiator)));
		assert(text_is_printable(found[i].initiator));
		assert(reservation_type_name(found[i].type));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reservation_keys keys;
	struct reservation_status status;
	struct reservation_capabilities capabilities;

	if (size < 1)
		return 0;
	switch (data[0] % RESERVATION_IN_COUNT) {
	case RESERVATION_READ_KEYS:
		if (reservation_keys_parse(data + 1, size - 1, &keys) == 0)
			assert(keys.count <= RESERVATION_KEYS_MAX && keys.count <= keys.total);
		break;
	case RESERVATION_READ_RESERVATION:
		if (reservation_status_parse(data + 1, size - 1, &status) == 0)
			assert(reservation_type_name(status.type));
		break;
	case RESERVATION_REPORT_CAPABILITIES:
		reservation_capabilities_parse(data + 1, size - 1, &capabilities);
		break;
	default:
		registrants(data + 1, size - 1);
		break;
	}
	return 0;
}
