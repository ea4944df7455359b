/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/sense.h"

#include <stdio.h>
#include <string.h>

#include "scsi/command.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define RESPONSE_CODE_MASK 0x7f
#define VALID		   0x80 /* of INFORMATION and of sense key specific data */
#define KEY_MASK	   0x0f

enum {
	FIXED_CURRENT = 0x70,
	FIXED_DEFERRED = 0x71,
	DESCRIPTOR_CURRENT = 0x72,
	DESCRIPTOR_DEFERRED = 0x73,
};

#define ANY_QUALIFIER 0xff

/* clang-format off */
/* The row with the exact qualifier stands before the one for any; searched from the top. */
static const struct {
	uint8_t asc, ascq;
	const char *text;
} codes[] = {
	{0x03, 0x00, "peripheral device write fault"},
	{0x04, 0x00, "not ready, cause not reported"},
	{0x04, 0x01, "becoming ready"},
	{0x04, 0x02, "start command required"},
	{0x04, 0x03, "manual intervention required"},
	{0x04, 0x04, "format in progress"},
	{0x04, 0x05, "rebuild in progress"},
	{0x04, 0x06, "recalculation in progress"},
	{0x04, 0x07, "operation in progress"},
	{0x04, 0x08, "long write in progress"},
	{0x04, 0x09, "self-test in progress"},
	{0x04, 0x0a, "asymmetric access state transition"},
	{0x04, 0x0b, "target port in standby state"},
	{0x04, 0x0c, "target port in unavailable state"},
	{0x04, 0x11, "spin-up notification required"},
	{0x04, 0x12, "offline"},
	{0x04, 0x14, "space allocation in progress"},
	{0x04, 0x1a, "start or stop in progress"},
	{0x04, 0x1b, "sanitize in progress"},
	{0x04, 0x1c, "additional power use not yet granted"},
	{0x04, 0x1d, "configuration in progress"},
	{0x04, 0x20, "reset of the logical unit required"},
	{0x04, 0x24, "depopulation in progress"},
	{0x04, 0x25, "depopulation restoration in progress"},
	{0x04, ANY_QUALIFIER, "not ready"},
	{0x05, ANY_QUALIFIER, "logical unit does not respond to selection"},
	{0x08, ANY_QUALIFIER, "logical unit communication failure"},
	{0x0b, ANY_QUALIFIER, "warning of the device about its health"},
	{0x0c, 0x0c, "unexpected unsolicited data"},
	{0x0c, 0x0d, "not enough unsolicited data"},
	{0x0c, ANY_QUALIFIER, "write error"},
	{0x0e, ANY_QUALIFIER, "error in an information unit"},
	{0x10, ANY_QUALIFIER, "protection information check failed"},
	{0x11, ANY_QUALIFIER, "unrecovered read error"},
	{0x1d, ANY_QUALIFIER, "miscompare during verify"},
	{0x20, 0x00, "invalid command operation code"},
	{0x20, ANY_QUALIFIER, "access denied"},
	{0x21, 0x00, "logical block address out of range"},
	{0x21, ANY_QUALIFIER, "invalid address"},
	{0x24, ANY_QUALIFIER, "invalid field in CDB"},
	{0x25, 0x00, "logical unit not supported"},
	{0x26, ANY_QUALIFIER, "invalid field in parameter list"},
	{0x27, 0x07, "space allocation failed, write protected"},
	{0x27, ANY_QUALIFIER, "write protected"},
	{0x28, 0x00, "medium may have changed"},
	{0x29, 0x00, "power on, reset or bus reset"},
	{0x29, 0x01, "power on"},
	{0x29, 0x02, "bus reset"},
	{0x29, 0x03, "bus device reset"},
	{0x29, 0x04, "device internal reset"},
	{0x29, 0x07, "I_T nexus loss"},
	{0x29, ANY_QUALIFIER, "reset"},
	{0x2a, 0x01, "mode parameters changed"},
	{0x2a, 0x03, "reservations preempted"},
	{0x2a, 0x04, "reservations released"},
	{0x2a, 0x05, "registrations preempted"},
	{0x2a, 0x06, "asymmetric access state changed"},
	{0x2a, 0x07, "implicit asymmetric access state transition failed"},
	{0x2a, 0x09, "capacity changed"},
	{0x2a, ANY_QUALIFIER, "parameters changed"},
	{0x2c, ANY_QUALIFIER, "command sequence error"},
	{0x2e, ANY_QUALIFIER, "command timed out in the device"},
	{0x2f, ANY_QUALIFIER, "commands cleared by another initiator"},
	{0x31, ANY_QUALIFIER, "medium format corrupted"},
	{0x38, 0x07, "thin provisioning soft threshold reached"},
	{0x3a, ANY_QUALIFIER, "medium not present"},
	{0x3e, 0x00, "logical unit has not self-configured yet"},
	{0x3e, ANY_QUALIFIER, "logical unit failure"},
	{0x3f, 0x01, "microcode changed"},
	{0x3f, 0x03, "inquiry data changed"},
	{0x3f, 0x05, "device identifier changed"},
	{0x3f, 0x0e, "reported LUNs changed"},
	{0x3f, 0x12, "iSCSI IP address added"},
	{0x3f, 0x13, "iSCSI IP address removed"},
	{0x3f, 0x14, "iSCSI IP address changed"},
	{0x3f, 0x16, "microcode changed without reset"},
	{0x3f, ANY_QUALIFIER, "target operating conditions changed"},
	{0x44, ANY_QUALIFIER, "internal target failure"},
	{0x47, 0x7f, "some commands cleared by an iSCSI protocol event"},
	{0x47, ANY_QUALIFIER, "transfer error (parity or CRC)"},
	{0x48, ANY_QUALIFIER, "initiator detected error message received"},
	{0x49, ANY_QUALIFIER, "invalid message"},
	{0x4b, ANY_QUALIFIER, "data phase error"},
	{0x4e, ANY_QUALIFIER, "overlapped commands attempted"},
	{0x53, ANY_QUALIFIER, "medium load or eject failed"},
	{0x55, ANY_QUALIFIER, "insufficient resources"},
	{0x5d, ANY_QUALIFIER, "failure prediction threshold exceeded"},
	{0x74, ANY_QUALIFIER, "security error"},
	{0x94, 0x01, "this controller does not own the logical unit"},
};
/* clang-format on */

static const char *const key_names[16] = {
	[SENSE_NO_SENSE] = "no sense",
	[SENSE_RECOVERED_ERROR] = "recovered error",
	[SENSE_NOT_READY] = "not ready",
	[SENSE_MEDIUM_ERROR] = "medium error",
	[SENSE_HARDWARE_ERROR] = "hardware error",
	[SENSE_ILLEGAL_REQUEST] = "illegal request",
	[SENSE_UNIT_ATTENTION] = "unit attention",
	[SENSE_DATA_PROTECT] = "data protect",
	[SENSE_BLANK_CHECK] = "blank check",
	[SENSE_VENDOR_SPECIFIC] = "vendor specific",
	[SENSE_COPY_ABORTED] = "copy aborted",
	[SENSE_ABORTED_COMMAND] = "aborted command",
	[0xc] = "obsolete sense key",
	[SENSE_VOLUME_OVERFLOW] = "volume overflow",
	[SENSE_MISCOMPARE] = "miscompare",
	[SENSE_COMPLETED] = "completed",
};

static void set_specific(struct scsi_sense *sense, const uint8_t bytes[3])
{
	if (!(bytes[0] & VALID))
		return;
	sense->specific_valid = true;
	memcpy(sense->specific, bytes, sizeof(sense->specific));
}

/* SPC-4 §4.5.3. A field counts only when it lies within both the data and the length told. */
static void parse_fixed(const uint8_t *data, size_t length, struct scsi_sense *sense)
{
	if (length < 3)
		return;
	sense->valid = true;
	sense->key = data[2] & KEY_MASK;
	if (length >= 7 && (data[0] & VALID)) {
		struct reader information = reader_of(data + 3, 4);

		sense->information_valid = true;
		sense->information = reader_u32(&information);
	}
	if (length < 8)
		return;
	length = MIN(length, (size_t)data[7] + 8);
	if (length > 12)
		sense->asc = data[12];
	if (length > 13)
		sense->ascq = data[13];
	if (length >= 18)
		set_specific(sense, data + 15);
}

/* Where a descriptor type keeps what we read; 0 = it has none. Offsets from its type byte. */
struct descriptor_layout {
	uint8_t type, valid, information, specific;
};

static const struct descriptor_layout descriptor_layouts[] = {
	{.type = 0x00, .valid = 2, .information = 4}, /* information */
	{.type = 0x02, .specific = 4},		      /* sense key specific */
	{.type = 0x0d,
	 .valid = 2,
	 .information = 8,
	 .specific = 4}, /* direct access block device */
};

static void take_descriptor(const struct descriptor_layout *layout, const uint8_t *descriptor,
			    size_t length, struct scsi_sense *sense)
{
	if (layout->information && length >= layout->information + 8u &&
	    (descriptor[layout->valid] & VALID)) {
		struct reader information = reader_of(descriptor + layout->information, 8);

		sense->information_valid = true;
		sense->information = reader_u64(&information);
	}
	if (layout->specific && length >= layout->specific + 3u)
		set_specific(sense, descriptor + layout->specific);
}

static void parse_descriptors(struct reader list, struct scsi_sense *sense)
{
	while (list.left >= 2) {
		size_t length = 2 + (size_t)list.at[1];
		const uint8_t *descriptor = reader_take(&list, MIN(length, list.left));

		for (size_t i = 0; i < ARRAY_SIZE(descriptor_layouts); i++) {
			if (descriptor_layouts[i].type == descriptor[0])
				take_descriptor(&descriptor_layouts[i], descriptor,
						(size_t)(list.at - descriptor), sense);
		}
	}
}

/* SPC-4 §4.5.2 */
static void parse_descriptor_format(const uint8_t *data, size_t length, struct scsi_sense *sense)
{
	if (length < 2)
		return;
	sense->valid = true;
	sense->key = data[1] & KEY_MASK;
	if (length > 2)
		sense->asc = data[2];
	if (length > 3)
		sense->ascq = data[3];
	if (length > 8)
		parse_descriptors(reader_of(data + 8, MIN(length - 8, (size_t)data[7])), sense);
}

bool sense_parse(const void *data, size_t length, struct scsi_sense *ret)
{
	const uint8_t *bytes = data;
	struct scsi_sense sense = {};
	uint8_t code = length > 0 ? bytes[0] & RESPONSE_CODE_MASK : 0;

	if (code == FIXED_CURRENT || code == FIXED_DEFERRED)
		parse_fixed(bytes, length, &sense);
	else if (code == DESCRIPTOR_CURRENT || code == DESCRIPTOR_DEFERRED)
		parse_descriptor_format(bytes, length, &sense);
	sense.deferred = sense.valid && (code == FIXED_DEFERRED || code == DESCRIPTOR_DEFERRED);
	*ret = sense;
	return sense.valid;
}

struct scsi_sense sense_of(const struct scsi_result *result)
{
	struct scsi_sense sense = {};

	if (result->outcome == SCSI_COMPLETED && result->status == SCSI_CHECK_CONDITION)
		sense_parse(result->sense, MIN((size_t)result->sense_length, sizeof(result->sense)),
			    &sense);
	return sense;
}

const char *sense_key_name(uint8_t key)
{
	return key_names[key & KEY_MASK];
}

const char *sense_code_text(uint8_t asc, uint8_t ascq)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].asc == asc &&
		    (codes[i].ascq == ascq || codes[i].ascq == ANY_QUALIFIER))
			return codes[i].text;
	}
	return NULL;
}

char *sense_describe(const struct scsi_sense *sense, char buffer[SENSE_DESCRIPTION_MAX])
{
	const char *text = sense_code_text(sense->asc, sense->ascq);

	if (!sense->valid)
		snprintf(buffer, SENSE_DESCRIPTION_MAX, "no sense data");
	else
		snprintf(buffer, SENSE_DESCRIPTION_MAX, "%s%s%s%s (%x/%02x/%02x)",
			 sense->deferred ? "deferred " : "", sense_key_name(sense->key),
			 text ? ": " : "", text ? text : "", sense->key, sense->asc, sense->ascq);
	return buffer;
}
