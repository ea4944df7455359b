/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/mode.h"

#include <errno.h>

#include "util/bytes.h"
#include "util/cleanup.h"

#define WRITE_PROTECTED 0x80 /* WP, device-specific parameter */
#define DPOFUA		0x10
#define SUBPAGE_FORMAT	0x40 /* SPF, byte 0 of a page */
#define PAGE_CODE_MASK	0x3f
#define WRITE_CACHE	0x04 /* WCE, byte 2 of the caching page */

struct mode_header {
	size_t told;	    /* bytes of all, the header included, as the device says */
	size_t descriptors; /* bytes of block descriptors behind the header */
	uint8_t device_specific;
};

static struct mode_header header_read(struct reader *reader, enum mode_format format)
{
	struct mode_header header;

	if (format == MODE_FORMAT_6) {
		header.told = reader_u8(reader) + (size_t)1;
		reader_skip(reader, 1); /* medium type */
		header.device_specific = reader_u8(reader);
		header.descriptors = reader_u8(reader);
		return header;
	}
	header.told = reader_u16(reader) + (size_t)2;
	reader_skip(reader, 1);
	header.device_specific = reader_u8(reader);
	reader_skip(reader, 2); /* LONGLBA */
	header.descriptors = reader_u16(reader);
	return header;
}

/* The caching page's body, behind its code and length, or an empty reader. */
static struct reader find_caching_page(struct reader pages)
{
	while (pages.left > 0) {
		uint8_t code = reader_u8(&pages);
		size_t length;

		if (code & SUBPAGE_FORMAT)
			reader_skip(&pages, 1);
		length = code & SUBPAGE_FORMAT ? reader_u16(&pages) : reader_u8(&pages);
		if (pages.failed)
			break;
		if ((code & (SUBPAGE_FORMAT | PAGE_CODE_MASK)) == MODE_PAGE_CACHING)
			return reader_sub(&pages, MIN(length, pages.left));
		reader_skip(&pages, MIN(length, pages.left));
	}
	return reader_of(NULL, 0);
}

int mode_parse(const void *data, size_t length, enum mode_format format, struct unit_limits *limits)
{
	struct reader reader = reader_of(data, length);
	struct mode_header header = header_read(&reader, format);
	size_t header_length = length - reader.left;
	struct reader caching;
	uint8_t flags;

	if (reader.failed)
		return -EBADMSG;

	reader.left =
		header.told > header_length ? MIN(reader.left, header.told - header_length) : 0;
	reader_skip(&reader, MIN(header.descriptors, reader.left));
	caching = find_caching_page(reader);
	flags = reader_u8(&caching);
	limits->read_only = header.device_specific & WRITE_PROTECTED;
	limits->fua = header.device_specific & DPOFUA;
	limits->write_cache = caching.failed || (flags & WRITE_CACHE);
	return 0;
}
