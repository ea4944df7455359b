/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The object tree: which object is at which path, with which interfaces. It runs the methods of the
 * interface tables, and gives every object Properties and Introspectable and the root
 * ObjectManager.
 *
 * Changes are merged until the end of the pass of the loop, or until an answer is about to leave:
 * the caller sees the new state before the answer to the call that made it. Only properties whose
 * value really changed are told. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dbus/interface.h"

struct access;
struct bus;
struct bus_call;
struct bus_writer;
struct object_tree;
struct sd_event;

#define OBJECT_INTERFACES_MAX 6 /* of one object, beside the standard ones */

/**
 * object_tree_new() - an empty tree
 * @root: path of the object that is the ObjectManager of all others
 * @context: given to every handler
 *
 * Return: 0 or -errno.
 */
int object_tree_new(struct sd_event *event, const char *root, void *context,
		    struct object_tree **ret);
/** object_tree_free() - nothing more is told; NULL is fine */
void object_tree_free(struct object_tree *tree);
/** object_tree_serve() - over @bus, with @access to ask who may call; both outlive the tree */
void object_tree_serve(struct object_tree *tree, struct bus *bus, struct access *access);

/**
 * object_add() - show @owner at @path
 * @interfaces: ends with NULL; lives as long as the tree
 * @owner: given to getters and handlers until object_remove()
 *
 * Return: 0; -EEXIST when @path or @owner is shown already; -ENOMEM.
 */
int object_add(struct object_tree *tree, const char *path,
	       const struct bus_interface *const *interfaces, void *owner);
/** object_remove() - @owner is not looked at any more; nothing happens when it is not shown */
void object_remove(struct object_tree *tree, const void *owner);
/** object_changed() - something of @owner may have changed */
void object_changed(struct object_tree *tree, const void *owner);
/** object_path_of() - NULL when @owner is not shown */
const char *object_path_of(const struct object_tree *tree, const void *owner);

/** object_tree_flush() - tell what changed so far */
void object_tree_flush(struct object_tree *tree);

/** object_tree_call() - run @call, or fail it */
void object_tree_call(struct object_tree *tree, struct bus_call *call);

/** bus_write_properties() - every property of @interface as entries of an a{sv} that is open */
void bus_write_properties(struct bus_writer *writer, const struct bus_interface *interface,
			  const void *owner);
