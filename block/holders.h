/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Who uses a block device: mounts and swap of it or its partitions, devices stacked on it, and
 * processes that have it open. Read from /proc and /sys; any thread that may block.
 */

#include <stddef.h>

/* Bits of what holders_describe() found. */
enum holders {
	HOLDERS_LASTING = 1, /* mounts, swap, stacked devices: they stay until somebody ends them */
	HOLDERS_OPEN = 2,    /* open files: maybe only for a moment */
	HOLDERS_UDEV = 4,    /* open by udev: only for a moment, and nobody's business; not told */
};

/**
 * holders_describe() - in words, comma separated: "mounted on /srv", "used as swap", "used by
 * dm-0", "open by fio (pid 312)"; empty when nobody does
 * @proc_dir, @sys_dir: "/proc", "/sys"
 * @disk: its kernel name: "loop3"
 * @text: @size_bytes ≥ 64 of it; what does not fit is left out
 *
 * Return: bits of enum holders; 0 when nobody uses it.
 */
unsigned holders_describe(const char *proc_dir, const char *sys_dir, const char *disk, char *text,
			  size_t size_bytes);
