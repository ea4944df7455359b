/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the paths of a map say of its unit's size, and what follows for the device. A plain
 * function: any thread.
 */

#include <stddef.h>
#include <stdint.h>

enum size_verdict {
	SIZE_AGREED,	/* all say what the device has; or nobody says anything */
	SIZE_DISAGREED, /* the paths differ: the device stays as it is */
	SIZE_GROWN,	/* all say the same, which is more */
	SIZE_SHRUNK,	/* all say the same, which is less */
};

struct size_agreement {
	enum size_verdict verdict;
	uint64_t blocks; /* with SIZE_GROWN and SIZE_SHRUNK: what they say */
	/*
	 * A path that reports less than this may not carry I/O: another one still reaches blocks
	 * that it does not, and one of the two does not show the unit as it is.
	 */
	uint64_t needed_blocks;
};

/**
 * size_agree() - the verdict
 * @device_blocks: what the device has
 * @reports: blocks of the unit through each path that is up and leads to it
 *
 * I/O within the device is safe on every path that reports at least as much: so a path that has
 * grown before the others goes on.
 */
struct size_agreement size_agree(uint64_t device_blocks, const uint64_t *reports, size_t count);
