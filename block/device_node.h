/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What all kinds of block devices have in common: a name of the kernel's, a folder in /sys/block,
 * and a node in /dev, which devtmpfs makes, or we do where /dev is something else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device_node {
	char name[32];	/* the kernel's: "loop3"; empty when there is none */
	char path[288]; /* "/dev/loop3" */
	char dev_dir[256];
	uint32_t major, minor;
	bool made, made_partitions; /* the nodes are ours to remove */
};

/**
 * device_node_find() - the device @name with its number, and its node in @dev_dir
 *
 * Return: 0; -ENOENT when there is no such device; -EEXIST when something else is in the node's
 * place; -errno.
 */
int device_node_find(struct device_node *node, const char *dev_dir, const char *name);

/** device_node_by_number() - the kernel's name of block device @major:@minor. Return: 0; -ENODEV */
int device_node_by_number(uint32_t major, uint32_t minor, char *name, size_t size_bytes);

/** device_node_add_partitions() - make nodes for all partitions that have none */
void device_node_add_partitions(struct device_node *node);

/**
 * device_node_claim() - open the device at @path when nobody else is at it, before it is taken away
 *
 * O_EXCL keeps off who would mount or claim it, and a lock whoever looks what is on it, udev above
 * all, as systemd's "Locking Block Device Access" has it. May block for ten seconds.
 * Return: the open device, to be closed when it is away; -EBUSY; -errno.
 */
int device_node_claim(const char *path);

/** device_node_forget() - remove the nodes that are ours; @node is empty then */
void device_node_forget(struct device_node *node);

/**
 * device_node_set() - write @value to an attribute below /sys/block/NAME: "queue/scheduler"
 *
 * As far as it can be written: sysfs is read-only in many containers, and the device works with the
 * defaults as well, slower.
 */
void device_node_set(const struct device_node *node, const char *attribute, const char *value);

/**
 * device_node_get() - the first line of an attribute below /sys/block/NAME
 *
 * Return: 0; -errno, -ENOENT when there is none.
 */
int device_node_get(const char *name, const char *attribute, char *value, size_t size_bytes);
