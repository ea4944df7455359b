/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the kernel asks of a block device, turned into SCSI commands for a map: split by the limits
 * of the unit, with the best command that the unit has for discarding and zeroing. A request holds
 * room for BLOCK_PIECES commands in flight and walks through its range with them, so that nothing
 * is allocated for an I/O. Everything here belongs to the map's worker.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "multipath/map.h"
#include "scsi/unit.h"

#define BLOCK_PIECES		 4
#define BLOCK_TRANSFER_MAX_BYTES (1u << 20) /* of one READ or WRITE, unless told otherwise */
#define BLOCK_UNMAP_BYTES	 24	    /* parameter list of UNMAP with one descriptor */

struct block_request;

enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,	    /* what was written is on the medium */
	BLOCK_DISCARD,	    /* contents are not needed any more */
	BLOCK_WRITE_ZEROES, /* reads back as zeroes */
	BLOCK_OPERATION_COUNT,
};

enum block_flags {
	BLOCK_FUA = 1u,	      /* done only when on the medium */
	BLOCK_NO_UNMAP = 2u,  /* WRITE_ZEROES: keep the space allocated */
	BLOCK_MUST_ZERO = 4u, /* DISCARD: reads back as zeroes too, as for WRITE_ZEROES */
};

/* The ways to do it; each row of a table in request.c is a list of these. */
enum block_method {
	BLOCK_METHOD_READ,
	BLOCK_METHOD_WRITE,
	BLOCK_METHOD_FLUSH,
	BLOCK_METHOD_UNMAP,
	BLOCK_METHOD_WRITE_SAME_UNMAP,
	BLOCK_METHOD_WRITE_SAME,
	BLOCK_METHOD_WRITE_ZEROES, /* plain WRITE of zeroes */
	BLOCK_METHOD_NONE,	   /* leave these blocks as they are */
	BLOCK_METHOD_COUNT,
};

/* One unit as requests see it; embed it in the disk. */
struct block_target {
	struct map *map;
	struct unit_limits limits;
	uint32_t transfer_blocks; /* most of one READ or WRITE */
	void *zeroes;		  /* read-only memory of the largest transfer; costs no page */
	size_t zeroes_bytes;
	unsigned refused; /* bit per method that the unit turned out not to know */
};

/* One command in flight, and the part of the range that it still has to work on. */
struct block_piece {
	struct map_command command;
	struct block_request *request;
	uint64_t at, end; /* blocks */
	uint32_t blocks;  /* of the command in flight */
	enum block_method method;
	uint8_t unmap[BLOCK_UNMAP_BYTES];
};

struct block_request {
	/* set by the submitter */
	enum block_operation operation;
	unsigned flags; /* enum block_flags */
	uint64_t offset_bytes, length_bytes;
	void *data; /* length_bytes of it for READ and WRITE; alive until done() */
	/** @error: 0 or -errno, of the piece that failed first; runs once, no command is left */
	void (*done)(struct block_request *request, int error);

	/* ours while it is under way */
	struct block_target *target;
	uint64_t start, next, end; /* blocks; what is before next was given to a piece */
	int error;
	unsigned in_flight;
	bool flush_due; /* SYNCHRONIZE CACHE still has to follow, in place of FUA */
	struct block_piece pieces[BLOCK_PIECES];
};

/**
 * block_target_init() - one unit behind @map
 * @transfer_max_bytes: most of one READ or WRITE, besides the unit's own limits; 0 = 1 MiB
 *
 * Return: 0; -ENOMEM; -EINVAL for limits that cannot be (block size not a power of two from 512 to
 * 4096, or larger than @transfer_max_bytes).
 */
int block_target_init(struct block_target *target, struct map *map,
		      const struct unit_limits *limits, uint32_t transfer_max_bytes);

/** block_target_deinit() - no request may be under way; twice is fine */
void block_target_deinit(struct block_target *target);

/**
 * block_target_can_discard() - does discarding give space back, and zeroes with BLOCK_MUST_ZERO?
 * @must_zero: as the flag BLOCK_MUST_ZERO
 */
bool block_target_can_discard(const struct block_target *target, bool must_zero);

/**
 * block_submit() - start @request, which stays the caller's, alive until done() has run
 *
 * Source: SBC-3 §5 (commands), §6.6.4 (limits), §4.7.3 (what unmapped blocks read)
 * Return: 0, and done() runs exactly once, never inside this call; or done() never runs: 1 when
 * there is nothing to do, -EINVAL outside of the unit or not in whole blocks, -EROFS,
 * -EOPNOTSUPP when the unit cannot discard.
 */
int block_submit(struct block_target *target, struct block_request *request);
