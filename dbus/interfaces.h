/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the interface files share: their tables, where each object is, which objects a selector
 * means, records as values, and waiting for many operations. Objects are those of daemon/manager.h;
 * the context of every handler is the struct manager.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/manager.h"
#include "dbus/interface.h"
#include "dbus/marshal.h"
#include "dbus/secret.h"

struct bus_call;
struct bus_reader;
struct bus_writer;
struct record;

extern const struct bus_interface manager_interface;	       /* struct manager */
extern const struct bus_interface discovery_interface;	       /* struct manager */
extern const struct bus_interface discovery_records_interface; /* struct manager */
extern const struct bus_interface ifaces_interface;	       /* struct manager */
extern const struct bus_interface node_interface;	       /* struct node */
extern const struct bus_interface session_interface;	       /* struct session_view */
extern const struct bus_interface map_interface;	       /* struct map_view */
extern const struct bus_interface reservation_interface;       /* struct map_view */
extern const struct bus_interface path_interface;	       /* struct path_view */

/* --- paths.c: where an object is; "/" for NULL; @buffer is given back --- */

#define ROOT_PATH      "/org/hawser1"
#define SHOWN_PATH_MAX 96 /* bytes */

const char *node_path(const struct node *node, char buffer[SHOWN_PATH_MAX]);
const char *session_path(const struct session_view *session, char buffer[SHOWN_PATH_MAX]);
const char *map_path(const struct map_view *map, char buffer[SHOWN_PATH_MAX]);
const char *path_path(const struct path_view *path, char buffer[SHOWN_PATH_MAX]);
/** shown_path() - of any kind; the manager is at ROOT_PATH */
const char *shown_path(enum object_kind kind, const void *object, char buffer[SHOWN_PATH_MAX]);

/* --- selection.c: which nodes, sessions or maps a call means --- */

#define SELECTION_SIDS_MAX 16384 /* more than there are sessions; each is compared with each */

struct selection {
	struct node_selector node;
	struct bus_numbers sids; /* not given: all */
};

/**
 * selection_read() - a{sv} with keys target, address, port, iface, startup, sids
 * @selection: lives as long as the message that it is read from
 *
 * Return: 0; -1 with @error.
 */
int selection_read(struct bus_reader *reader, struct selection *selection, struct error *error);
bool selection_has_node(const struct selection *selection, const struct node *node);
bool selection_has_session(const struct selection *selection, const struct session_view *session);
/** selection_has_map() - one of its paths is through a selected session; or all maps are meant */
bool selection_has_map(const struct selection *selection, const struct map_view *map);

/** read_text() - a string argument into @destination; -1 with @error when empty or too long */
int read_text(struct bus_reader *reader, const char *what, char *destination, size_t size_bytes,
	      struct error *error);
/** read_no_options() - the trailing a{sv} of a method that has no option yet */
int read_no_options(struct bus_reader *reader, struct error *error);

/* --- record_values.c: what all kinds of record do alike --- */

#define RECORD_CHANGES_MAX 256 /* of one call: more than a record has keys */

/** record_answer() - the keys that the array in front of the reader names, or all, masked */
void record_answer(struct bus_call *call, const struct record *record);
/** record_read_changes() - an a{ss} in front of the reader; texts live as long as the message.
 * Return: how many; -1 with @error */
int record_read_changes(struct bus_call *call, struct record_change changes[RECORD_CHANGES_MAX],
			struct error *error);
/**
 * record_read_secret() - "s key, h fd, a{sv} options" in front of the reader
 * @text: where the secret goes, that @change points at; wipe it after use
 *
 * Return: 0; -1 with @error.
 */
int record_read_secret(struct bus_call *call, struct record_change *change, char text[SECRET_SIZE],
		       struct error *error);
/** record_answer_secret() - "s key, a{sv} options" in front of the reader: the secret in a
 * descriptor, to whom came over the private socket */
void record_answer_secret(struct bus_call *call, const struct record *record);

/* --- batch.c: one call that waits for many operations --- */

struct batch;

/**
 * batch_new() - @call is answered when every operation has ended
 * @capacity: operations that may be added, at least 1
 *
 * Return: NULL when out of memory, and @call was failed.
 */
struct batch *batch_new(struct bus_call *call, size_t capacity);
/** batch_new_first() - as batch_new(), but answers with nothing or with the first error */
struct batch *batch_new_first(struct bus_call *call, size_t capacity);
/** batch_add() - one more; gives the userdata for batch_done() */
void *batch_add(struct batch *batch, const char *object_path);
/** batch_done() - manager_done of one operation */
void batch_done(const struct error *error, void *userdata);
/** batch_started() - everything was added; answers at once when all has ended already */
void batch_started(struct batch *batch);
