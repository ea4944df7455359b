/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Sense data as a device may send it: parsed and described. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scsi/sense.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SENSE_DESCRIPTION_MAX];
	struct scsi_sense sense;

	sense_parse(data, size, &sense);
	assert(strlen(sense_describe(&sense, text)) < sizeof(text) - 1);
	return 0;
}
