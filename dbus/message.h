/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What stands behind bus_writer and bus_reader: libdbus's iterators. Only marshal.c and the bus_*.c
 * files include this; everybody else has no libdbus type in sight.
 */

#include <dbus/dbus.h>
#include <stdbool.h>
#include <stdint.h>

/* a{oa{sa{sv}}} with an aa{sv} inside is the deepest that we write */
#define BUS_DEPTH_MAX 16

struct bus_writer {
	DBusMessage *message; /* borrowed; NULL: only the hash is wanted */
	DBusMessageIter level[BUS_DEPTH_MAX];
	unsigned depth; /* of the level that is written to */
	uint64_t hash;
	bool failed;
};

struct bus_reader {
	DBusMessageIter level[BUS_DEPTH_MAX];
	unsigned depth;
	bool failed;
};

/** bus_writer_init() - append to @message, which lives longer than the writer */
void bus_writer_init(struct bus_writer *writer, DBusMessage *message);
/** bus_writer_fail() - give up what was opened: the message must not be sent any more */
void bus_writer_fail(struct bus_writer *writer);
/** bus_reader_init() - read @message's arguments from the first */
void bus_reader_init(struct bus_reader *reader, DBusMessage *message);

/** bus_valid_text() - @text itself when it is UTF-8, else a repaired copy in *@owned; NULL: no
 * memory */
const char *bus_valid_text(const char *text, char **owned);
