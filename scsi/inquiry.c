/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/inquiry.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PAGE_HEADER_BYTES 4

/* ---- standard data --------------------------------------------------------------------------- */

struct standard_layout { /* SPC-4 §6.6.2 */
	uint8_t qualifier_and_type;
	uint8_t removable; /* RMB */
	uint8_t version;
	uint8_t response_data_format;
	uint8_t additional_length;
	uint8_t flags5; /* TPGS in bits 5-4 */
	uint8_t flags6;
	uint8_t flags7;
	char vendor[8];
	char product[16];
	char revision[4];
};
static_assert(sizeof(struct standard_layout) == INQUIRY_STANDARD_BYTES, "SPC-4 §6.6.2");

static void copy_field(char *to, const char *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i] ? from[i] : ' ';
}

int inquiry_standard_parse(const void *data, size_t length, struct inquiry_standard *ret)
{
	struct standard_layout layout = {};

	if (length < offsetof(struct standard_layout, vendor))
		return -EBADMSG;
	memcpy(&layout, data, MIN(length, sizeof(layout)));

	*ret = (struct inquiry_standard){
		.qualifier = layout.qualifier_and_type >> 5,
		.device_type = layout.qualifier_and_type & 0x1f,
		.version = layout.version,
		.tpgs = layout.flags5 >> 4 & 0x3,
		.removable = layout.removable & 0x80,
	};
	copy_field(ret->vendor, layout.vendor, sizeof(ret->vendor));
	copy_field(ret->product, layout.product, sizeof(ret->product));
	copy_field(ret->revision, layout.revision, sizeof(ret->revision));
	return 0;
}

static const struct text_name device_types[] = {
	{0x00, "disk"},
	{0x01, "tape"},
	{0x03, "processor"},
	{0x05, "CD or DVD"},
	{0x07, "optical memory"},
	{0x08, "medium changer"},
	{0x0c, "storage array controller"},
	{0x0d, "enclosure services"},
	{0x0e, "simplified disk"},
	{0x14, "zoned disk"},
	{0x1e, "well-known logical unit"},
	{0x1f, "no device"},
};

const char *inquiry_device_type_name(uint8_t device_type)
{
	return text_name_of(device_types, ARRAY_SIZE(device_types), device_type, "device");
}

/* Units of device type 0 that arrays put there for their own management. */
static const struct {
	const char *product, *reason;
} decoys[] = {
	{"LUNZ", "placeholder of an array with no unit mapped (LUNZ)"},
	{"Universal Xport", "management unit of an array (Universal Xport)"},
};

const char *inquiry_no_disk_reason(const struct inquiry_standard *standard)
{
	if (standard->qualifier == INQUIRY_NOT_CONNECTED)
		return "no unit is connected at this LUN";
	if (standard->qualifier != INQUIRY_CONNECTED)
		return "no unit at this LUN";
	if (standard->device_type != 0)
		return inquiry_device_type_name(standard->device_type);
	for (size_t i = 0; i < ARRAY_SIZE(decoys); i++) {
		if (strncmp(standard->product, decoys[i].product, strlen(decoys[i].product)) == 0)
			return decoys[i].reason;
	}
	return NULL;
}

/* @to has room for size + 1 bytes */
static void copy_trimmed(char *to, const char *from, size_t size)
{
	char text[UNIT_WWID_MAX];
	char *start;

	text_sanitise(text, MIN(sizeof(text), size + 1), from, size);
	start = text_trim(text);
	memcpy(to, start, strlen(start) + 1);
}

void inquiry_identity_fill(const struct inquiry_standard *standard, struct unit_identity *identity)
{
	static_assert(sizeof(identity->vendor) == sizeof(standard->vendor) + 1, "and the NUL");
	static_assert(sizeof(identity->product) == sizeof(standard->product) + 1, "and the NUL");
	static_assert(sizeof(identity->revision) == sizeof(standard->revision) + 1, "and the NUL");

	copy_trimmed(identity->vendor, standard->vendor, sizeof(standard->vendor));
	copy_trimmed(identity->product, standard->product, sizeof(standard->product));
	copy_trimmed(identity->revision, standard->revision, sizeof(standard->revision));
	identity->device_type = standard->device_type;
}

/* ---- vital product data ---------------------------------------------------------------------- */

int inquiry_page_length(const void *data, size_t length, uint8_t page)
{
	struct reader header = reader_of(data, length);
	uint8_t code;
	uint16_t body;

	reader_skip(&header, 1);
	code = reader_u8(&header);
	body = reader_u16(&header);
	if (header.failed || code != page)
		return -EBADMSG;
	return PAGE_HEADER_BYTES + body;
}

/* The page's body, as much of it as came. */
static int page_body(const void *data, size_t length, uint8_t page, struct reader *ret)
{
	int r = inquiry_page_length(data, length, page);

	if (r < 0)
		return r;
	*ret = reader_of((const uint8_t *)data + PAGE_HEADER_BYTES,
			 MIN(length, (size_t)r) - PAGE_HEADER_BYTES);
	return 0;
}

/*
 * A device that ignores EVPD sends its standard data: byte 1 is then 0 as in page 00h, and the
 * vendor stands at byte 8.
 */
static bool is_standard_data(const uint8_t *data, size_t length,
			     const struct inquiry_standard *standard)
{
	return length >= 16 && memcmp(data + 8, standard->vendor, sizeof(standard->vendor)) == 0;
}

int inquiry_page_list_parse(const void *data, size_t length,
			    const struct inquiry_standard *standard, struct vital_page_set *ret)
{
	struct reader body;
	int r;

	*ret = (struct vital_page_set){};
	r = page_body(data, length, VITAL_PAGE_LIST, &body);
	if (r < 0)
		return r;
	if (is_standard_data(data, length, standard))
		return -EBADMSG;

	while (body.left > 0) {
		uint8_t page = reader_u8(&body);

		ret->bits[page / 8] |= (uint8_t)(1 << page % 8);
	}
	return 0;
}

bool vital_page_set_has(const struct vital_page_set *set, uint8_t page)
{
	return set->bits[page / 8] & 1 << page % 8;
}

/* ---- WWID ------------------------------------------------------------------------------------ */

#define UDEV_PUNCTUATION "#+-.:=@_"

/* Bytes at @text that udev keeps as one character: 1, 2 … 4 of valid UTF-8, or 0. */
static size_t kept_bytes(const char *text)
{
	uint8_t lead = (uint8_t)text[0];
	char character[5] = {};
	size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

	if (lead < 0x80)
		return isalnum(lead) || strchr(UDEV_PUNCTUATION, lead) ? 1 : 0;
	length = strnlen(text, length);
	memcpy(character, text, length);
	return lead >= 0xc0 && text_is_printable(character) ? length : 0;
}

/*
 * As udev cleans what becomes a link's name: blanks off both ends, inner runs of them one '_', and
 * '_' for what is not [0-9A-Za-z#+-.:=@_] or a valid UTF-8 character.
 */
static void clean(char *text)
{
	const char *from = text_trim(text);
	char *to = text;

	while (*from) {
		size_t length = isspace((unsigned char)*from) ? strspn(from, " \t\n\v\f\r")
							      : kept_bytes(from);

		if (isspace((unsigned char)*from) || length == 0) {
			*to++ = '_';
			from += length ? length : 1;
			continue;
		}
		memmove(to, from, length);
		to += length;
		from += length;
	}
	*to = '\0';
}

/* A WWID as it grows: a type character, text, and at last cleaned. */
struct wwid {
	char text[UNIT_WWID_MAX];
	struct writer writer;
};

static void wwid_begin(struct wwid *wwid, char type)
{
	wwid->writer = writer_of(wwid->text, sizeof(wwid->text) - 1);
	writer_u8(&wwid->writer, (uint8_t)type);
}

static void wwid_add_names(struct wwid *wwid, const struct inquiry_standard *standard)
{
	writer_bytes(&wwid->writer, standard->vendor, sizeof(standard->vendor));
	writer_bytes(&wwid->writer, standard->product, sizeof(standard->product));
}

/* Return: false when it does not fit; half a name could be another unit's whole name */
static bool wwid_end(struct wwid *wwid, char ret[UNIT_WWID_MAX])
{
	if (wwid->writer.failed)
		return false;
	wwid->text[wwid->writer.length] = '\0';
	clean(wwid->text);
	memcpy(ret, wwid->text, sizeof(wwid->text));
	return true;
}

static bool all_are(const uint8_t *bytes, size_t length, const char *set)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != '\0' && !strchr(set, bytes[i]))
			return false;
	}
	return true;
}

static size_t text_length(const uint8_t *bytes, size_t length)
{
	return strnlen((const char *)bytes, length);
}

#define BLANKS " \t\n\v\f\r"

int inquiry_serial_parse(const void *data, size_t length, const struct inquiry_standard *standard,
			 struct unit_identity *identity)
{
	struct reader body;
	struct wwid wwid;
	int r = page_body(data, length, VITAL_PAGE_SERIAL, &body);

	if (r < 0)
		return r;
	body.left = text_length(body.at, body.left);
	if (all_are(body.at, body.left, BLANKS))
		return -ENODATA;

	copy_trimmed(identity->serial, (const char *)body.at,
		     MIN(body.left, sizeof(identity->serial) - 1));
	wwid_begin(&wwid, 'S');
	wwid_add_names(&wwid, standard);
	writer_bytes(&wwid.writer, body.at, body.left);
	(void)wwid_end(&wwid, identity->wwid); /* too long a serial names no one */
	return 0;
}

/* ---- page 83h -------------------------------------------------------------------------------- */

enum code_set {
	BINARY = 1,
	ASCII = 2,
};

enum association {
	LOGICAL_UNIT = 0,
	TARGET_PORT = 1,
};

enum designator_type {
	VENDOR_SPECIFIC = 0,
	T10_VENDOR = 1,
	EUI = 2,
	NAA = 3,
	RELATIVE_TARGET_PORT = 4,
	TARGET_PORT_GROUP = 5,
};

struct designator {
	uint8_t code_set, association, type;
	const uint8_t *data;
	size_t length;
};

#define NAA_IEEE_REGISTERED	     5
#define NAA_IEEE_REGISTERED_EXTENDED 6
#define NAA_ANY			     -1

/* The order in which systemd's scsi_id looks for the designator that names the unit. */
static const struct preference {
	uint8_t type;
	int8_t naa; /* first four bits of the designator */
	uint8_t code_set;
} preferences[] = {
	{NAA, NAA_IEEE_REGISTERED_EXTENDED, BINARY},
	{NAA, NAA_IEEE_REGISTERED_EXTENDED, ASCII},
	{NAA, NAA_IEEE_REGISTERED, BINARY},
	{NAA, NAA_IEEE_REGISTERED, ASCII},
	{NAA, NAA_ANY, BINARY},
	{NAA, NAA_ANY, ASCII},
	{EUI, NAA_ANY, BINARY},
	{EUI, NAA_ANY, ASCII},
	{T10_VENDOR, NAA_ANY, BINARY},
	{T10_VENDOR, NAA_ANY, ASCII},
	{VENDOR_SPECIFIC, NAA_ANY, BINARY},
	{VENDOR_SPECIFIC, NAA_ANY, ASCII},
};

/* Return: false at the end of the list, also when what is left is cut off */
static bool next_designator(struct reader *list, struct designator *ret)
{
	uint8_t code_set = reader_u8(list), type = reader_u8(list);
	uint8_t length;

	reader_skip(list, 1);
	length = reader_u8(list);
	*ret = (struct designator){
		.code_set = code_set & 0x0f,
		.association = type >> 4 & 0x3,
		.type = type & 0x0f,
		.length = length,
		.data = reader_take(list, length),
	};
	return !list->failed;
}

#define T10_VENDOR_BYTES 8 /* of a T10 designator: the vendor, which many units share */

static bool says_nothing(const struct designator *designator)
{
	size_t common = designator->type == T10_VENDOR ? T10_VENDOR_BYTES : 0;

	if (designator->length <= common)
		return true;
	return all_are(designator->data + common, designator->length - common,
		       designator->code_set == ASCII ? BLANKS : "");
}

static bool matches(const struct designator *designator, const struct preference *preference)
{
	if (designator->association != LOGICAL_UNIT || designator->type != preference->type ||
	    designator->code_set != preference->code_set || says_nothing(designator))
		return false;
	return preference->naa == NAA_ANY || designator->data[0] >> 4 == preference->naa;
}

static bool form_wwid(const struct designator *designator, const struct inquiry_standard *standard,
		      char ret[UNIT_WWID_MAX])
{
	char hex[2 * UINT8_MAX + 1];
	struct wwid wwid;

	wwid_begin(&wwid, (char)('0' + designator->type));
	if (designator->type == VENDOR_SPECIFIC)
		wwid_add_names(&wwid, standard);
	if (designator->code_set == ASCII) {
		writer_bytes(&wwid.writer, designator->data,
			     text_length(designator->data, designator->length));
	} else {
		text_hex_encode(designator->data, designator->length, hex);
		writer_bytes(&wwid.writer, hex, strlen(hex));
	}
	return wwid_end(&wwid, ret);
}

static bool find_wwid(struct reader list, const struct preference *preference,
		      const struct inquiry_standard *standard, char ret[UNIT_WWID_MAX])
{
	struct designator designator;

	while (next_designator(&list, &designator)) {
		if (matches(&designator, preference) && form_wwid(&designator, standard, ret))
			return true;
	}
	return false;
}

static void take_port_numbers(struct reader list, struct unit_limits *limits)
{
	struct designator designator;

	limits->target_port_group = -1;
	limits->relative_target_port = -1;
	while (next_designator(&list, &designator)) {
		struct reader value = reader_of(designator.data, designator.length);
		uint32_t number = reader_u32(&value) & 0xffff;

		if (designator.association != TARGET_PORT || value.failed)
			continue;
		if (designator.type == TARGET_PORT_GROUP)
			limits->target_port_group = (int32_t)number;
		else if (designator.type == RELATIVE_TARGET_PORT)
			limits->relative_target_port = (int32_t)number;
	}
}

int inquiry_identification_parse(const void *data, size_t length,
				 const struct inquiry_standard *standard,
				 struct unit_identity *identity, struct unit_limits *limits)
{
	struct reader list;
	int r = page_body(data, length, VITAL_PAGE_IDENTIFICATION, &list);

	if (r < 0)
		return r;
	/* the reserved byte of the first designator; part of the WWN in the old SCSI-2 form */
	if (list.left > 2 && list.at[2] != 0)
		return -EBADMSG;

	take_port_numbers(list, limits);
	for (size_t i = 0; i < ARRAY_SIZE(preferences); i++) {
		if (find_wwid(list, &preferences[i], standard, identity->wwid))
			break;
	}
	return 0;
}

/* ---- pages B0h and B2h ----------------------------------------------------------------------- */

#define ALIGNMENT_VALID 0x80000000 /* UGAVALID */

int inquiry_block_limits_parse(const void *data, size_t length, struct unit_limits *limits)
{
	struct reader body;
	uint32_t alignment;
	int r = page_body(data, length, VITAL_PAGE_BLOCK_LIMITS, &body);

	if (r < 0)
		return r;
	/* SBC-2 pages end after the transfer lengths: what is missing reads as 0, "not reported" */
	reader_skip(&body, 4); /* WSNZ, compare and write, optimal granularity */
	if (body.failed)
		return -EBADMSG;
	limits->max_transfer_blocks = reader_u32(&body);
	limits->optimal_transfer_blocks = reader_u32(&body);
	reader_skip(&body, 4); /* prefetch */
	limits->max_unmap_blocks = reader_u32(&body);
	limits->max_unmap_descriptors = reader_u32(&body);
	limits->unmap_granularity_blocks = reader_u32(&body);
	alignment = reader_u32(&body);
	limits->unmap_alignment_blocks =
		alignment & ALIGNMENT_VALID ? alignment & ~ALIGNMENT_VALID : 0;
	limits->max_write_same_blocks = reader_u64(&body);
	return 0;
}

int inquiry_provisioning_parse(const void *data, size_t length, struct unit_limits *limits)
{
	struct reader body;
	uint8_t flags;
	int r = page_body(data, length, VITAL_PAGE_PROVISIONING, &body);

	if (r < 0)
		return r;
	reader_skip(&body, 1); /* threshold exponent */
	flags = reader_u8(&body);
	if (body.failed)
		return -EBADMSG;
	limits->unmap = flags & 0x80;		 /* LBPU */
	limits->write_same_unmap = flags & 0x40; /* LBPWS */
	if (flags & 0x04)			 /* LBPRZ xx1b */
		limits->unmapped_reads_zero = true;
	return 0;
}

/* ---- WWN ------------------------------------------------------------------------------------- */

bool unit_wwn_of(const char *wwid, struct unit_wwn *ret)
{
	size_t digits = strspn(wwid + (wwid[0] != '\0'), "0123456789abcdefABCDEF");

	*ret = (struct unit_wwn){};
	if (wwid[0] != '0' + NAA || digits == 0 || wwid[1 + digits] != '\0')
		return false;
	memcpy(ret->wwn, "0x", 2);
	memcpy(ret->wwn + 2, wwid + 1, MIN(digits, (size_t)16));
	memcpy(ret->wwn_with_extension, "0x", 2);
	memcpy(ret->wwn_with_extension + 2, wwid + 1, MIN(digits, (size_t)32));
	return true;
}
