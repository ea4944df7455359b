/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Block devices that a daemon of the same run folder has left because it was killed: nobody answers
 * for them any more, so that every request fails. What they are is told by the files that
 * udev_properties_set() wrote. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

/**
 * leftovers_remove() - take such devices and their links away; one that is in use goes with its
 *                      last user
 * @run_dir: locked by the caller, so that no other daemon of it lives
 * @dev_dir: where links are
 * @keep: not this one
 */
void leftovers_remove(const char *run_dir, const char *dev_dir,
		      bool (*keep)(uint32_t major, uint32_t minor, uint64_t backing,
				   void *userdata),
		      void *userdata);
