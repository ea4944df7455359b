/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A logical unit in memory: a RAM disk that answers SCSI commands. Several struct fake_nexus may
 * lead to one. Every field below may be changed at any time; the next command sees it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_command;

#define FAKE_PAGES_MAX 16
/* Instead of a page code: the standard INQUIRY data. */
#define FAKE_STANDARD_DATA -1

struct fake_unit {
	/* who it is */
	uint8_t qualifier, device_type, version; /* 0, 0, 6 (SPC-4) */
	char vendor[9], product[17], revision[5], serial[64];
	uint8_t naa[16]; /* the NAA 6 designator; its WWID is '3' and these digits */

	/* how large it is */
	uint64_t blocks;
	uint32_t block_size;
	uint8_t physical_exponent; /* physical block = block_size << this */
	uint8_t *data;		   /* blocks × block_size bytes as allocated; zeros at first */

	/* what it can */
	bool write_cache, read_only, fua, thin, unmap, write_same, unmapped_reads_zero;
	bool no_vpd;	     /* EVPD is refused: 5/24/00 */
	bool no_16;	     /* 16-byte commands are refused: 5/20/00 */
	bool no_10;	     /* READ(10), WRITE(10) are refused */
	bool no_report_luns; /* REPORT LUNS is refused */
	bool no_mode_sense_10, no_mode_sense_6;
	uint32_t max_transfer_blocks, optimal_transfer_blocks;
	uint32_t max_unmap_blocks, max_unmap_descriptors, unmap_granularity_blocks;
	uint64_t max_write_same_blocks;
	uint8_t tpgs;

	/* counts of what reached the medium */
	unsigned reads, writes, flushes, unmaps, write_sames;

	struct {
		int page; /* FAKE_STANDARD_DATA or a page code; its own pages are in front of ours
			   */
		const void *data;
		size_t length;
	} pages[FAKE_PAGES_MAX];
	size_t page_count;
};

/** fake_unit_new() - a zeroed disk with write cache, FUA, UNMAP and WRITE SAME, up to date in all
 */
struct fake_unit *fake_unit_new(uint64_t blocks, uint32_t block_size);
void fake_unit_free(struct fake_unit *unit);

/**
 * fake_unit_set_page() - answer INQUIRY for @page with these bytes, for example a real device's
 * @data: stays the caller's, alive as long as the unit
 */
void fake_unit_set_page(struct fake_unit *unit, int page, const void *data, size_t length);

/** fake_unit_block() - the memory of block @lba */
void *fake_unit_block(struct fake_unit *unit, uint64_t lba);

/** fake_unit_wwid() - the WWID a probe should find: '3' and 32 digits and the final zero */
void fake_unit_wwid(const struct fake_unit *unit, char wwid[34]);

/**
 * fake_unit_execute() - do what the CDB says and fill @command->result; done() is not called
 * @luns: what REPORT LUNS tells
 * @target_port_group, @relative_port: of the port that the command came through
 */
void fake_unit_execute(struct fake_unit *unit, struct scsi_command *command, const uint64_t *luns,
		       size_t lun_count, uint16_t target_port_group, uint16_t relative_port);

/** fake_sense() - fill @command->result with CHECK CONDITION and sense data */
void fake_sense(struct scsi_command *command, bool descriptor_format, bool deferred, uint8_t key,
		uint8_t asc, uint8_t ascq);

/** fake_data_in() - give @length bytes as the answer, cut to data_length, with the residual */
void fake_data_in(struct scsi_command *command, const void *data, size_t length);
