/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Files and links that are either the old ones or the new ones, whatever happens while they are
 * written: a temporary file in the same folder, fsync, rename, fsync of the folder. What a crash
 * leaves behind are temporary files, which atomic_file_sweep() takes away.
 */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/**
 * atomic_file_write() - replace @path (or make it), mode 0600
 * @fill: writes the content; 0 or -errno
 *
 * Return: 0; -errno of the step that failed (-ENOSPC, -EACCES, …) with @path as it was and no
 * temporary file left. (Only where the fsync of the folder itself fails does @path hold the new.)
 */
int atomic_file_write(const char *path, int (*fill)(FILE *file, void *userdata), void *userdata);

/** atomic_file_link() - replace @path by (or make it) a symbolic link to @destination; does not
 * wait for the disk. Return: 0 or -errno */
int atomic_file_link(const char *destination, const char *path);

/** atomic_file_make_folder() - a folder that exists is fine, its parent must. Return: 0 or -errno
 */
int atomic_file_make_folder(const char *path, mode_t mode);

/** atomic_file_remove() - unlink() for good. Return: 0 or -errno */
int atomic_file_remove(const char *path);

/** atomic_file_remove_folder() - when it is empty. Return: 0; -ENOTEMPTY; -errno */
int atomic_file_remove_folder(const char *path);

/** atomic_file_is_temporary() - is @name, without folder, one of our temporary files? */
bool atomic_file_is_temporary(const char *name);

/**
 * atomic_file_sweep() - remove temporary files in @folder and, @depth levels down, in those below
 *
 * Nobody may be writing there. What cannot be removed stays.
 * Return: how many went.
 */
unsigned atomic_file_sweep(const char *folder, unsigned depth);
