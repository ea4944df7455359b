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
#define FAKE_STANDARD_DATA   -1
#define FAKE_REGISTRANTS_MAX 64

/* One I_T nexus that the unit has to remember (SPC-4 §5.13.7). */
struct fake_registrant {
	char initiator[256];
	uint16_t relative_port;
	bool known, registered; /* a place that is not known is free */
	uint64_t key;
	uint8_t attention[2]; /* unit attention that waits for its next command: ASC, ASCQ */
};

#define FAKE_PORT_GROUPS_MAX 8

/* How the unit is reached through one target port group. */
struct fake_port_group {
	uint16_t id;
	uint8_t state; /* as on the wire */
	bool preferred;
	uint8_t status;
};

/* Which way a command came. */
struct fake_origin {
	const char *initiator; /* its port as in a TransportID, "iqn…,i,0x8…"; NULL: not told */
	uint16_t target_port_group, relative_port;
	const uint64_t *luns; /* what REPORT LUNS tells there */
	size_t lun_count;
};

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
	bool keeps_registrations;    /* APTPL: over a loss of power, that is, which never comes */
	bool tells_resets;	     /* unit attention 29/03 for all after a reset */
	uint32_t max_compare_blocks; /* COMPARE AND WRITE; 0 = it has none */
	uint32_t max_transfer_blocks, optimal_transfer_blocks;
	uint32_t max_unmap_blocks, max_unmap_descriptors, unmap_granularity_blocks;
	uint64_t max_write_same_blocks;
	uint8_t tpgs;

	/* how it is reached; a group that is not told does everything. See also tpgs */
	struct fake_port_group port_groups[FAKE_PORT_GROUPS_MAX];
	size_t port_group_count;
	uint8_t transition_s;	 /* implicit transition time */
	uint8_t passive_state;	 /* what SET TARGET PORT GROUPS makes of who was optimized: 2 */
	bool no_extended_header; /* of REPORT TARGET PORT GROUPS: 5/24/00 */
	bool refuses_activation; /* SET TARGET PORT GROUPS: 5/67/0A */
	unsigned access_reports, activations; /* how often each was carried out */

	/* what commands made of it; MODE SELECT, START STOP UNIT */
	bool descriptor_sense, software_read_only, stopped;

	/* who has registered and reserved */
	struct fake_registrant registrants[FAKE_REGISTRANTS_MAX];
	size_t registrant_count;
	uint32_t generation;
	uint8_t reservation_type; /* persistent; 0 = none */
	int holder;		  /* its index, unless all registrants hold it */
	int reserved_by;	  /* RESERVE(6); -1 = nobody */

	uint8_t *mapped;	/* per block: written, or never unmapped (thin only) */
	uint64_t mapped_blocks; /* how many it knows of */

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

/** fake_unit_new() - a zeroed disk that can all that is told above */
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

/** fake_unit_execute() - do what the CDB says and fill @command->result; done() is not called */
void fake_unit_execute(struct fake_unit *unit, struct scsi_command *command,
		       const struct fake_origin *origin);

/** fake_unit_set_port_group() - @state as on the wire. Return: false when there are too many */
bool fake_unit_set_port_group(struct fake_unit *unit, uint16_t id, uint8_t state, bool preferred);
/** fake_unit_tell_access() - every nexus that is remembered hears 2A/06 with its next command */
void fake_unit_tell_access(struct fake_unit *unit);

/** fake_unit_nexus_lost() - its session has ended: RESERVE(6) ends, registrations stay */
void fake_unit_nexus_lost(struct fake_unit *unit, const struct fake_origin *origin);
/** fake_unit_reset() - logical unit or target reset: RESERVE(6) ends, registrations stay */
void fake_unit_reset(struct fake_unit *unit);

/** fake_sense() - fill @command->result with CHECK CONDITION and sense data */
void fake_sense(struct scsi_command *command, bool descriptor_format, bool deferred, uint8_t key,
		uint8_t asc, uint8_t ascq);

/** fake_data_in() - give @length bytes as the answer, cut to data_length, with the residual */
void fake_data_in(struct scsi_command *command, const void *data, size_t length);
