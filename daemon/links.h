/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Names of block devices: symbolic links below the device folder, put in place atomically. Where
 * udev runs it makes the same ones by our rules; a link that is right already is left alone.
 */

#include <stddef.h>
#include <stdint.h>

/**
 * links_by_path() - "disk/by-path/ip-<portal>-iscsi-<target>-lun-<n>", as udev's path_id forms it
 * @lun_number: as Linux numbers it: decimal below 256, otherwise 0x and 16 digits
 */
void links_by_path(const char *address, uint16_t port, const char *target, uint64_t lun_number,
		   char *text, size_t size_bytes);

/**
 * links_set() - @dev_dir/@name points to @device from now on, whatever it was before
 * @name: relative to @dev_dir; folders are made
 * Return: 0 or -errno
 */
int links_set(const char *dev_dir, const char *name, const char *device);

/** links_unset() - remove @dev_dir/@name if it points to @device; empty folders of ours go too */
void links_unset(const char *dev_dir, const char *name, const char *device);

/** links_unset_all() - every link in @dev_dir/@folder that points to @device */
void links_unset_all(const char *dev_dir, const char *folder, const char *device);
