/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The firmware's boot table as the kernel shows it: records of folder and index (one byte each),
 * attribute and value (each ended by NUL).
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/firmware.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct firmware *firmware)
{
	const char *key, *value;
	bool secret;

	for (struct firmware_target target = {}; firmware_target(firmware, target.index, &target);
	     target.index++) {
		if (!target.name[0] || !target.address[0] || !target.port)
			abort();
		for (size_t row = 0;
		     firmware_setting(firmware, target.index, row, &key, &value, &secret); row++)
			if (!key[0] || strlen(value) > FIRMWARE_VALUE_MAX)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firmware *firmware = firmware_new();

	while (firmware && size > 2) {
		const uint8_t *attribute = data + 2, *value, *end;

		value = memchr(attribute, '\0', size - 2);
		if (!value++)
			break;
		end = memchr(value, '\0', (size_t)(data + size - value));
		if (!end)
			end = data + size;
		firmware_take(firmware, (enum firmware_folder)(data[0] % 3), data[1],
			      (const char *)attribute, value, (size_t)(end - value));
		if (end < data + size)
			end++;
		size -= (size_t)(end - data);
		data = end;
	}
	if (firmware)
		look(firmware);
	firmware_free(firmware);
	return 0;
}
