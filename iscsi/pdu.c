/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/pdu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

int pdu_write(const void *bhs, const void *data, size_t data_length, void *out,
	      size_t capacity_bytes)
{
	struct bhs header;
	size_t length;

	if (data_length > DATA_SEGMENT_MAX)
		return -E2BIG;
	length = BHS_LENGTH + pdu_padded((uint32_t)data_length);
	if (length > capacity_bytes)
		return -E2BIG;

	memcpy(&header, bhs, BHS_LENGTH);
	header.data_segment_length = be24_of((uint32_t)data_length);
	memcpy(out, &header, BHS_LENGTH);
	if (data_length > 0)
		memcpy((uint8_t *)out + BHS_LENGTH, data, data_length);
	memset((uint8_t *)out + BHS_LENGTH + data_length, 0, length - BHS_LENGTH - data_length);
	return (int)length;
}

int pdu_assembler_init(struct pdu_assembler *assembler, uint32_t data_max_bytes)
{
	*assembler = (struct pdu_assembler){.data_max = data_max_bytes};
	/* room for the padding of the longest segment, so that the copy needs no special case */
	assembler->data = calloc(1, pdu_padded(data_max_bytes) + 4);
	return assembler->data ? 0 : -ENOMEM;
}

void pdu_assembler_deinit(struct pdu_assembler *assembler)
{
	if (assembler->data)
		explicit_bzero(assembler->data, pdu_padded(assembler->data_max));
	free(assembler->data);
	*assembler = (struct pdu_assembler){};
}

/* What the header says must be sane before a byte of data is taken for data (RFC 7143 §7.7). */
static int check_header(struct pdu_assembler *assembler)
{
	if (assembler->bhs.total_ahs_length != 0)
		return -EBADMSG;
	assembler->data_length = pdu_data_length(&assembler->bhs);
	return assembler->data_length > assembler->data_max ? -EMSGSIZE : 0;
}

static bool whole(const struct pdu_assembler *assembler)
{
	return assembler->have >= BHS_LENGTH &&
	       assembler->have == BHS_LENGTH + pdu_padded(assembler->data_length);
}

int pdu_assembler_feed(struct pdu_assembler *assembler, const void *bytes, size_t length_bytes,
		       size_t *used)
{
	const uint8_t *at = bytes;
	size_t left = length_bytes, part;
	int r = 0;

	*used = 0;
	if (length_bytes == 0)
		return 0;
	if (whole(assembler))
		assembler->have = 0;

	if (assembler->have < BHS_LENGTH) {
		part = MIN((size_t)(BHS_LENGTH - assembler->have), left);
		memcpy((uint8_t *)&assembler->bhs + assembler->have, at, part);
		assembler->have += (uint32_t)part;
		at += part;
		left -= part;
		if (assembler->have == BHS_LENGTH)
			r = check_header(assembler);
	}

	if (r == 0 && assembler->have >= BHS_LENGTH) {
		uint32_t offset = assembler->have - BHS_LENGTH;

		part = MIN((size_t)(pdu_padded(assembler->data_length) - offset), left);
		memcpy(assembler->data + offset, at, part);
		assembler->have += (uint32_t)part;
		left -= part;
	}

	*used = length_bytes - left;
	if (r < 0)
		return r;
	return whole(assembler);
}
