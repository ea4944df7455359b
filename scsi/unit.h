/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What is known of a logical unit once it was probed: who it is, how large, and what it can. Plain
 * data, copied between threads.
 */

#include <stdbool.h>
#include <stdint.h>

#define UNIT_WWID_MAX 128

/* Who it is (SPC-4 §7.8): two paths lead to one unit only if these agree. */
struct unit_identity {
	char wwid[UNIT_WWID_MAX];   /* as udev's ID_SERIAL forms it: "3600…"; never empty */
	char serial[UNIT_WWID_MAX]; /* VPD 80h, trimmed; empty when there is none */
	char vendor[9], product[17], revision[5]; /* standard INQUIRY, trimmed */
	uint8_t device_type;			  /* peripheral device type; 0 = block device */
};

/* How large it is and what it can (SBC-3 §6.6.4, §6.6.6; READ CAPACITY; caching mode page). */
struct unit_limits {
	uint64_t blocks;
	uint32_t block_size;		  /* bytes, a power of two, 512 … 4096 */
	uint32_t physical_block_size;	  /* bytes */
	uint32_t max_transfer_blocks;	  /* 0 = not reported */
	uint32_t optimal_transfer_blocks; /* 0 = not reported */
	uint32_t max_unmap_blocks;	  /* 0 = no UNMAP */
	uint32_t max_unmap_descriptors;
	uint32_t unmap_granularity_blocks; /* 0 = not reported */
	uint32_t unmap_alignment_blocks;
	uint64_t max_write_same_blocks; /* 0 = not reported */
	bool read_only;			/* WP bit of MODE SENSE */
	bool write_cache;		/* WCE; unknown counts as true */
	bool fua;			/* DPOFUA */
	bool thin;			/* LBPME */
	bool unmap;			/* LBPU: UNMAP */
	bool write_same_unmap;		/* LBPWS: WRITE SAME(16) with the UNMAP bit */
	bool unmapped_reads_zero;	/* LBPRZ */
	bool needs_10_byte;		/* knows READ(10) and WRITE(10) only */
	uint8_t tpgs; /* standard INQUIRY byte 5: 0 none, 1 implicit, 2 explicit, 3 both */
	int32_t target_port_group;    /* VPD 83h designator type 5; -1 = none */
	int32_t relative_target_port; /* type 4; -1 = none */
	/* enum access_state of the port group, where that is why nothing else could be read; 0 = it
	 * could */
	uint8_t access;
};

struct unit {
	struct unit_identity identity;
	struct unit_limits limits;
};

/** unit_identity_equal() - do both tell of the same logical unit? The firmware revision may differ
 */
bool unit_identity_equal(const struct unit_identity *a, const struct unit_identity *b);
/** unit_geometry_equal() - same size and block size: paths that differ must not be merged */
bool unit_geometry_equal(const struct unit_limits *a, const struct unit_limits *b);
