/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What udev is told of a block device of ours: its rules (units/61-hawser.rules) read the file
 * <run-dir>/dev/MAJOR:MINOR and give the device the properties and links that a SCSI disk would
 * have. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/views.h"

/**
 * udev_properties_set() - write the file of @map's device and have udev look at the device again
 * @map: with a live device
 * @expected: is a path by this name, which the file has and @map has not, about to come back? Then
 *	it keeps its name. After a restart paths come back one after the other, and links of a disk
 *	in use must not disappear for that
 * Return: 0 or -errno
 */
int udev_properties_set(const char *run_dir, const struct map_view *map,
			bool (*expected)(const char *by_path, void *userdata), void *userdata);

/** udev_properties_unset() - the device @major:@minor is ours no more */
void udev_properties_unset(const char *run_dir, uint32_t major, uint32_t minor);
