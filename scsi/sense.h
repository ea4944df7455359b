/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Sense data: why a command ended in CHECK CONDITION (SPC-4 §4.5), out of either format and
 * whatever a device sends. Plain functions: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_result;

enum sense_key {
	SENSE_NO_SENSE = 0x0,
	SENSE_RECOVERED_ERROR = 0x1,
	SENSE_NOT_READY = 0x2,
	SENSE_MEDIUM_ERROR = 0x3,
	SENSE_HARDWARE_ERROR = 0x4,
	SENSE_ILLEGAL_REQUEST = 0x5,
	SENSE_UNIT_ATTENTION = 0x6,
	SENSE_DATA_PROTECT = 0x7,
	SENSE_BLANK_CHECK = 0x8,
	SENSE_VENDOR_SPECIFIC = 0x9,
	SENSE_COPY_ABORTED = 0xa,
	SENSE_ABORTED_COMMAND = 0xb,
	SENSE_VOLUME_OVERFLOW = 0xd,
	SENSE_MISCOMPARE = 0xe,
	SENSE_COMPLETED = 0xf,
};

struct scsi_sense {
	bool valid;    /* the format was known and long enough to hold a key; else all is zero */
	bool deferred; /* it tells of an earlier command, not of this one (71h, 73h) */
	uint8_t key;   /* enum sense_key */
	uint8_t asc, ascq; /* 0 when the data ends before them */
	bool information_valid;
	uint64_t information; /* LBA of a medium error; offset of a miscompare */
	bool specific_valid;
	uint8_t specific[3]; /* sense key specific: field pointer (key 5), progress (key 2) */
};

/**
 * sense_parse() - fixed (70h, 71h) or descriptor format (72h, 73h) sense data
 * @data: @length bytes from a device, any at all
 *
 * Source: SPC-4 §4.5.2, §4.5.3; SBC-4 direct access block device descriptor (0Dh)
 * Return: ret->valid.
 */
bool sense_parse(const void *data, size_t length, struct scsi_sense *ret);

/** sense_of() - the sense data of a result; not valid unless it is CHECK CONDITION */
struct scsi_sense sense_of(const struct scsi_result *result);

/** sense_key_name() - "not ready", "unit attention"; @key is cut to four bits */
const char *sense_key_name(uint8_t key);

/**
 * sense_code_text() - what @asc and @ascq mean, as far as it matters to disks and paths
 *
 * Return: a few words; for a code without a row of its own the words of its group (the ASC); NULL
 * when that has none either.
 */
const char *sense_code_text(uint8_t asc, uint8_t ascq);

#define SENSE_DESCRIPTION_MAX 128 /* bytes that every description fits into */

/** sense_describe() - "not ready: target port in standby state (2/04/0b)"; @buffer is given back */
char *sense_describe(const struct scsi_sense *sense, char buffer[SENSE_DESCRIPTION_MAX]);
