/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Targets that the machine's firmware boots from, as the kernel shows its iSCSI Boot Firmware Table
 * in /sys/firmware/ibft: initiator, ethernetN and targetN, a file for each attribute. What stands
 * there came over DHCP or out of an option ROM, and is trusted no more than a target's words.
 * Control thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"

#define FIRMWARE_NICS_MAX     16
#define FIRMWARE_TARGETS_MAX  16
#define FIRMWARE_SETTINGS_MAX 20  /* rows of firmware_setting() */
#define FIRMWARE_VALUE_MAX    255 /* bytes; longer values are as good as none */

struct firmware;

enum firmware_folder { FIRMWARE_INITIATOR, FIRMWARE_NIC, FIRMWARE_TARGET };

/** firmware_new() - nothing known yet; NULL: no memory */
struct firmware *firmware_new(void);
/** firmware_free() - wipes the secrets; NULL is fine */
void firmware_free(struct firmware *firmware);

/**
 * firmware_take() - what one attribute file holds
 * @index: of the folder ("target1": 1)
 * @attribute: the file's name; "net" of a FIRMWARE_NIC is the name of its network interface
 *
 * Unknown attributes, folders beyond the bounds, and values that are not of the attribute's kind
 * are passed over.
 */
void firmware_take(struct firmware *firmware, enum firmware_folder folder, unsigned index,
		   const char *attribute, const void *value, size_t length_bytes);

/**
 * firmware_read() - take the attributes below @root
 * @root: "/sys/firmware/ibft"
 *
 * Bounded whatever stands there. Return: 0; -ENOENT when there is no firmware table; another
 * -errno when it cannot be read; -ENOMEM.
 */
int firmware_read(const char *root, struct firmware **ret);

/* One target that can be logged in to. */
struct firmware_target {
	char name[ISCSI_NAME_MAX + 1];
	char address[64]; /* a number, never a name */
	uint16_t port;
	unsigned index;
};
/**
 * firmware_target() - the first usable one whose index is at least @index
 *
 * Usable: marked as valid, with a name and a numeric address. Return: false behind the last one.
 */
bool firmware_target(const struct firmware *firmware, unsigned index, struct firmware_target *ret);

/**
 * firmware_setting() - the @row-th thing known of a target, under the key that "iscsiadm -m fw"
 * prints it with
 * @secret: set to true when @value must be masked
 *
 * Only what is known: rows without a value are "". Return: false behind the last row.
 */
bool firmware_setting(const struct firmware *firmware, unsigned index, size_t row, const char **key,
		      const char **value, bool *secret);
