/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What INQUIRY tells: standard data and vital product data pages → who a logical unit is and what
 * it can. Every parser takes @length bytes of whatever a device sent, any at all. Plain functions:
 * any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/unit.h"

/* Vital product data pages that we ask for. */
enum vital_page {
	VITAL_PAGE_LIST = 0x00,
	VITAL_PAGE_SERIAL = 0x80,
	VITAL_PAGE_IDENTIFICATION = 0x83,
	VITAL_PAGE_BLOCK_LIMITS = 0xb0,
	VITAL_PAGE_PROVISIONING = 0xb2,
};

#define INQUIRY_STANDARD_BYTES 36 /* what every device answers to */

/* Peripheral qualifier (SPC-4 §6.6.2). */
enum {
	INQUIRY_CONNECTED = 0,
	INQUIRY_NOT_CONNECTED = 1, /* could be connected, is not */
	INQUIRY_NOT_SUPPORTED = 3, /* no unit can be here */
};

struct inquiry_standard {
	uint8_t qualifier;
	uint8_t device_type; /* 0 = block device */
	uint8_t version;     /* 2 SCSI-2, 3 SPC, 4 SPC-2, 5 SPC-3, 6 SPC-4, 7 SPC-5 */
	uint8_t tpgs;
	bool removable;
	/* raw, padded with blanks as on the wire; NUL bytes and what is missing are blanks */
	char vendor[8], product[16], revision[4];
};

/** inquiry_standard_parse() - Return: 0; -EBADMSG when there are fewer than 8 bytes */
int inquiry_standard_parse(const void *data, size_t length, struct inquiry_standard *ret);

/** inquiry_device_type_name() - "disk", "storage array controller"; "device" when not known */
const char *inquiry_device_type_name(uint8_t device_type);

/**
 * inquiry_no_disk_reason() - why this is no disk that we may use
 *
 * Return: a few words, for example "storage array controller"; NULL when it is a disk.
 */
const char *inquiry_no_disk_reason(const struct inquiry_standard *standard);

/** inquiry_identity_fill() - vendor, product, revision (trimmed, printable) and device type */
void inquiry_identity_fill(const struct inquiry_standard *standard, struct unit_identity *identity);

/**
 * inquiry_page_length() - bytes of the whole page as its header tells, header included
 *
 * Return: 4 … 65539; -EBADMSG when these are not the bytes of @page (too short, another page, or
 * standard data of a device that does not know EVPD).
 */
int inquiry_page_length(const void *data, size_t length, uint8_t page);

/* The pages that a device lists in page 00h. */
struct vital_page_set {
	uint8_t bits[32];
};

/**
 * inquiry_page_list_parse() - page 00h
 * @standard: to recognise standard data that was sent in its place
 *
 * Return: 0; -EBADMSG, and the set is empty.
 */
int inquiry_page_list_parse(const void *data, size_t length,
			    const struct inquiry_standard *standard, struct vital_page_set *ret);
bool vital_page_set_has(const struct vital_page_set *set, uint8_t page);

/**
 * inquiry_serial_parse() - page 80h
 * @identity: gets serial; and, so that a disk without page 83h is known by it, the WWID that
 *            scsi_id forms of it: S, vendor, product, serial number
 *
 * Return: 0; -EBADMSG, or -ENODATA when it is blank, and @identity is untouched.
 */
int inquiry_serial_parse(const void *data, size_t length, const struct inquiry_standard *standard,
			 struct unit_identity *identity);

/**
 * inquiry_identification_parse() - page 83h (SPC-4 §7.8.6)
 * @identity: gets the WWID, formed as systemd's scsi_id forms ID_SERIAL, from the best designator
 * of the logical unit; untouched when there is none that identifies
 * @limits: gets target_port_group and relative_target_port of the port that answered; -1 = not told
 *
 * Designators that say nothing (empty, all zero, all blank, or too long for a WWID) do not count:
 * a unit that is not configured must not look like another one.
 * Return: 0; -EBADMSG, also for pages in SCSI-2 form, and both are untouched.
 */
int inquiry_identification_parse(const void *data, size_t length,
				 const struct inquiry_standard *standard,
				 struct unit_identity *identity, struct unit_limits *limits);

/** inquiry_block_limits_parse() - page B0h (SBC-3 §6.6.3). Return: 0; -EBADMSG, @limits untouched
 */
int inquiry_block_limits_parse(const void *data, size_t length, struct unit_limits *limits);

/**
 * inquiry_provisioning_parse() - page B2h (SBC-3 §6.6.4): unmap, write_same_unmap,
 *                                unmapped_reads_zero as the device claims them
 *
 * Return: 0; -EBADMSG, @limits untouched.
 */
int inquiry_provisioning_parse(const void *data, size_t length, struct unit_limits *limits);

/* What udev calls ID_WWN and ID_WWN_WITH_EXTENSION: "0x" and up to 16, or 32, digits. */
struct unit_wwn {
	char wwn[2 + 16 + 1], wwn_with_extension[2 + 32 + 1];
};

/** unit_wwn_of() - Return: false, and both are empty, when @wwid is not formed of an NAA designator
 */
bool unit_wwn_of(const char *wwid, struct unit_wwn *ret);
