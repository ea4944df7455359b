/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * A session on a fake wire to a scripted target, a clock that stands still, and commands that keep
 * account of how they ended. Taking it down checks that every command ended exactly once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/async_queue.h"
#include "iscsi/session.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "target.h"
#include "util/list.h"

#define FIXTURE_LUN UINT64_C(0x0001000000000000)

struct fixture {
	struct ring *ring;
	struct session_settings settings;
	struct negotiated negotiated;
	struct login_outcome outcome;
	struct session *session;
	struct nexus *nexus; /* FIXTURE_LUN */
	struct fake_wire *wire;
	struct target target;
	struct list ios;
	bool in_call; /* into the session: no done() may run */

	unsigned lost, async, damaged;
	enum session_loss loss;
	int error;
	char text[160];
	unsigned wait_s;
	struct async_message async_last;
	uint32_t async_left_out;
};

struct io {
	struct scsi_command command;
	struct fixture *fixture;
	struct list link;
	uint8_t *data; /* its own memory, as long as the command's data and no byte longer */
	unsigned done;
	void (*then)(struct io *io); /* runs in done() */
};

/** fixture_init() - not attached; change what you like before fixture_attach() */
void fixture_init(struct fixture *f);
/** fixture_attach() - log in, so to say: a new wire and a new target with the window open */
void fixture_attach(struct fixture *f);
void fixture_attach_early(struct fixture *f, const void *early, size_t early_bytes);
/** fixture_start() - both of them, with a disk that is served */
void fixture_start(struct fixture *f, bool serves);
/** fixture_deinit() - drops what is still attached */
void fixture_deinit(struct fixture *f);

void fixture_run(struct fixture *f);
void fixture_advance(struct fixture *f, unsigned ms);

/** io_make() - a command that was not submitted yet; the fixture's */
struct io *io_make(struct fixture *f, enum scsi_direction direction, uint32_t offset,
		   uint32_t length);
/** io_submit() - Return: as nexus_execute() */
int io_submit(struct io *io);
/** io_read(), io_write() - made and taken by the session */
struct io *io_read(struct fixture *f, uint32_t offset, uint32_t length);
struct io *io_write(struct fixture *f, uint32_t offset, uint32_t length);
void io_abort(struct io *io);
/** io_ended() - it ended, and so */
void io_ended(const struct io *io, enum scsi_outcome outcome);
/** io_pending() - it has not ended */
void io_pending(const struct io *io);

/** fixture_lost() - the connection was lost, once, and so; the text holds @says */
void fixture_lost(const struct fixture *f, enum session_loss loss, const char *says);
